//! Running programs: execve(2), execveat(2).

use super::Line;
use crate::error::{Call, Errno};
use crate::fs::Location;
use crate::fs::walk::WalkFlags;
use crate::mm::exec::Caller;
use crate::mm::user;
use crate::task::exec::{Draft, Path};
use crate::task::{TaskId, exec, files, limits};
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// The calls of this file.
pub const CALLS: &[Line] = &[
    (linux::__NR_execve, "execve", execve),
    (linux::__NR_execveat, "execveat", execveat),
];

/// Bytes of a path at the most, without its NUL.
const PATH_MAX: usize = 4095;

fn execve(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    if let Some(draft) = exec::take_draft(k, cx.task) {
        return exec::go_on(k, cx, *draft);
    }
    let path = user::c_string(k, cx, args[0], PATH_MAX, Errno::ENAMETOOLONG)?;
    let caller = Caller::of(k, cx.task)?;
    let file = exec::find_program(k, caller.start, &caller.cred, &path)?;
    let path = Path { path, ends: false };
    run(k, cx, file, path, caller, (args[1], args[2]))
}

fn execveat(k: &mut Kernel, cx: &mut Cx, args: &[u64; 6]) -> Call {
    if let Some(draft) = exec::take_draft(k, cx.task) {
        return exec::go_on(k, cx, *draft);
    }
    let [fd, path, argv, envp, flags, _] = *args;
    let flags = u32::try_from(flags).map_err(|_| Errno::EINVAL)?;
    if flags & !(linux::AT_EMPTY_PATH | linux::AT_SYMLINK_NOFOLLOW) != 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = user::c_string(k, cx, path, PATH_MAX, Errno::ENAMETOOLONG)?;
    let mut caller = Caller::of(k, cx.task)?;
    let by_name = path.first() == Some(&b'/') || fd as i32 == linux::AT_FDCWD;
    if by_name && path.is_empty() && flags & linux::AT_EMPTY_PATH != 0 {
        // The working directory itself is no program.
        return Err(Errno::EACCES.into());
    }
    if by_name {
        let file = found(k, &caller, &path, flags)?;
        let path = Path { path, ends: false };
        return run(k, cx, file, path, caller, (argv, envp));
    }
    let at = location_of(k, cx.task, fd)?;
    let mut shown = alloc::format!("/dev/fd/{}", fd as i32).into_bytes();
    let file = if path.is_empty() {
        if flags & linux::AT_EMPTY_PATH == 0 {
            return Err(Errno::ENOENT.into());
        }
        exec::check_program(k, &at, &caller.cred)?;
        at
    } else {
        shown.push(b'/');
        shown.extend_from_slice(&path);
        let cwd = core::mem::replace(&mut caller.start.cwd, at.pos);
        let file = found(k, &caller, &path, flags)?;
        caller.start.cwd = cwd;
        file
    };
    let path = Path {
        path: shown,
        ends: files::descriptor(k, cx.task, fd)?.cloexec,
    };
    run(k, cx, file, path, caller, (argv, envp))
}

fn found(k: &Kernel, caller: &Caller, path: &[u8], flags: u32) -> Result<Location, Errno> {
    let mut walk = WalkFlags::empty();
    walk.set(WalkFlags::NOFOLLOW, flags & linux::AT_SYMLINK_NOFOLLOW != 0);
    exec::find(k, caller.start, &caller.cred, path, walk)
}

fn run(
    k: &mut Kernel,
    cx: &mut Cx,
    file: Location,
    path: Path,
    caller: Caller,
    vectors: (u64, u64),
) -> Call {
    check_count(k, cx)?;
    exec::go_on(k, cx, Draft::new(file, path, caller, vectors))
}

/// Who changed its uid to one with too many tasks, and is still one too many, runs nothing
/// (execve(2), EAGAIN).
fn check_count(k: &mut Kernel, cx: &Cx) -> Result<(), Errno> {
    let task = k.tasks.task(cx.task)?;
    if task.over_count {
        let most = limits::soft_of(k, cx.task, linux::RLIMIT_NPROC);
        if k.tasks.users.get(&task.cred.uid).is_some_and(|n| *n > most) {
            return Err(Errno::EAGAIN);
        }
        k.tasks.task_mut(cx.task)?.over_count = false;
    }
    Ok(())
}

/// Where an open file is.
fn location_of(k: &Kernel, task: TaskId, fd: u64) -> Result<Location, Errno> {
    Ok(k.fs.file(files::any_file(k, task, fd)?)?.location())
}
