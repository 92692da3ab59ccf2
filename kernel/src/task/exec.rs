//! Running another program (execve(2)): finding it, and becoming it.

use super::{Cred, TaskId, cred, exit, files, limits, signal, timer, usage};
use crate::arena::Held;
use crate::error::{Call, Errno, Stop};
use crate::fs::inode::Kind;
use crate::fs::mount::MountFlags;
use crate::fs::walk::{Found, Start, WalkFlags, walk};
use crate::fs::{Location, Node};
use crate::machine::{FpuArea, UserRegs};
use crate::mm::arguments::{ArgRoom, Copying};
use crate::mm::exec::{self as image, Caller, Image, Loading, Program};
use crate::mm::turn::{self, Budget, Step};
use crate::task::{FilesId, HandlersId};
use crate::wait::Resume;
use crate::{Cx, Kernel, views};
use alloc::boxed::Box;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The flags that a program starts with: interrupts on, and the bit that is always 1.
const RFLAGS: u64 = 0x202;

/// Where a task's path walks begin.
///
/// # Errors
/// ESRCH when it has ended.
pub fn start(k: &Kernel, task: TaskId) -> Result<Start, Errno> {
    let task = k.tasks.tasks.get(task).ok_or(Errno::ESRCH)?;
    let context = task.fs.as_ref().ok_or(Errno::ESRCH)?.key();
    let context = k.tasks.contexts.get(context).ok_or(Errno::ESRCH)?;
    Ok(Start {
        root: context.root.pos(),
        cwd: context.cwd.pos(),
    })
}

/// Finds a program by its path and checks that `cred` may run it.
///
/// # Errors
/// Those of the walk; EACCES for what is not a regular file, without execute permission, or on a
/// mount without programs.
pub fn find_program(k: &Kernel, start: Start, cred: &Cred, path: &[u8]) -> Result<Location, Errno> {
    find(k, start, cred, path, WalkFlags::empty())
}

/// [`find_program`] with walk flags (execveat(2)).
///
/// # Errors
/// As [`find_program`]; ELOOP for a symbolic link that is not followed.
pub fn find(
    k: &Kernel,
    start: Start,
    cred: &Cred,
    path: &[u8],
    flags: WalkFlags,
) -> Result<Location, Errno> {
    let access = cred::access(cred);
    let source = views::Source::of(k);
    match walk(&k.fs, &source, &start, &access, path, flags)? {
        Found::Here(location) => {
            check_program(k, &location, cred)?;
            Ok(location)
        }
        Found::Missing { .. } => Err(Errno::ENOENT),
    }
}

/// Checks that `cred` may run what is at a location.
///
/// # Errors
/// EACCES; ELOOP for a symbolic link; ETXTBSY for a file that is open for writing.
pub fn check_program(k: &Kernel, location: &Location, cred: &Cred) -> Result<(), Errno> {
    let Node::Inode(inode) = location.pos.node else {
        return Err(Errno::EACCES);
    };
    let inode = k.fs.inode(inode)?;
    match inode.kind {
        Kind::Regular(_) => {}
        Kind::Symlink(_) => return Err(Errno::ELOOP),
        _ => return Err(Errno::EACCES),
    }
    let flags = k.fs.mount(location.pos.mount)?.flags;
    if flags.contains(MountFlags::NOEXEC) {
        return Err(Errno::EACCES);
    }
    inode.permit(&cred::access(cred), 1)?;
    if inode.writers > 0 {
        return Err(Errno::ETXTBSY);
    }
    Ok(())
}

/// A program that is on its way: its strings are copied in turns, out of the caller's memory and
/// into its own.
pub struct Draft {
    file: Location,
    path: Path,
    caller: Caller,
    stage: Stage,
}

/// The path that a program is called by.
#[derive(Default)]
pub struct Path {
    /// As it is shown to the program and to interpreters.
    pub path: Vec<u8>,
    /// It is by a descriptor that is closed: no interpreter could open it.
    pub ends: bool,
}

enum Stage {
    Copying(Copying),
    Loading(Loading),
}

impl Draft {
    /// To run what was found by a path, with these vectors of arguments and environment.
    pub fn new(file: Location, path: Path, caller: Caller, vectors: (u64, u64)) -> Draft {
        let room = ArgRoom::for_stack(caller.stack_max);
        Draft {
            file,
            path,
            caller,
            stage: Stage::Copying(Copying::new(vectors, room)),
        }
    }

    /// A turn: what there is then, and whether it is all.
    fn step(self, k: &mut Kernel, cx: &mut Cx) -> Result<(Draft, bool), Stop> {
        let mut draft = self;
        match draft.turn(k, cx) {
            Ok(is_ready) => Ok((draft, is_ready)),
            Err(stop) => {
                draft.discard(k);
                Err(stop)
            }
        }
    }

    fn turn(&mut self, k: &mut Kernel, cx: &mut Cx) -> Result<bool, Stop> {
        let task = k.tasks.task(cx.task)?;
        let (group, own) = (
            task.group.key(),
            task.mm.as_ref().ok_or(Errno::ESRCH)?.key(),
        );
        let mut budget = Budget::new();
        if let Stage::Copying(copying) = &mut self.stage {
            let all = copying.step(k, cx.m, own, group, &mut budget)?;
            if !all || budget.is_half_spent() {
                return Ok(false);
            }
            // What was a program when the copy began may have changed meanwhile.
            check_program(k, &self.file, &self.caller.cred)?;
            let Path { path, ends } = core::mem::take(&mut self.path);
            let program = Program {
                file: self.file.clone(),
                path,
                path_ends: ends,
                arguments: core::mem::take(&mut copying.arguments),
                caller: self.caller.clone(),
            };
            self.stage = Stage::Loading(image::begin(k, cx.m, program, group)?);
            // That is about as much as six pages filled.
            (0..6).for_each(|_| budget.spend(Step::Fill));
        }
        match &mut self.stage {
            Stage::Loading(loading) => loading.step(k, cx.m, &mut budget),
            Stage::Copying(_) => Ok(false),
        }
    }

    fn discard(self, k: &mut Kernel) {
        match self.stage {
            Stage::Copying(copying) => copying.arguments.discard(k),
            Stage::Loading(loading) => loading.discard(k),
        }
    }
}

/// What an execve of this task has done in its turns so far.
pub fn take_draft(k: &mut Kernel, task: TaskId) -> Option<Box<Draft>> {
    k.tasks.tasks.get_mut(task)?.execve.take()
}

/// A task ends between two turns of its execve.
pub fn abandon(k: &mut Kernel, task: TaskId) {
    if let Some(draft) = take_draft(k, task) {
        draft.discard(k);
    }
}

/// Goes on with an execve of the calling task, which becomes the program when all is there. Until
/// then nothing of it changes, and only a kill comes between.
///
/// # Errors
/// As [`image::load`], E2BIG, EFAULT; waits.
pub fn go_on(k: &mut Kernel, cx: &mut Cx, draft: Draft) -> Call {
    let (draft, is_ready) = match draft.step(k, cx) {
        Ok(made) => made,
        Err(stop) => {
            // Once there is memory it begins anew.
            cx.resume = None;
            return Err(stop);
        }
    };
    match draft.stage {
        Stage::Loading(loading) if is_ready => {
            let image = loading.finish(k);
            replace_image(k, cx, image)
        }
        _ => {
            let task = k.tasks.task_mut(cx.task)?;
            task.execve = Some(Box::new(draft));
            let own = task.mm.as_ref().ok_or(Errno::ESRCH)?.key();
            Err(turn::again(k, own, cx.task, Resume::default()))
        }
    }
}

/// Lets the calling task become a loaded program: its other threads end, its memory, handlers
/// and descriptors are exchanged. The image is used up, also on failure.
///
/// # Errors
/// No memory; nothing has changed then. Without an error it is [`Stop::Gone`]: the registers are
/// the new program's.
pub fn replace_image(k: &mut Kernel, cx: &mut Cx, image: Image) -> Call {
    let handlers = match signal::handlers_for_exec(k, cx.task) {
        Ok(handlers) => handlers,
        Err(stop) => {
            image::discard(k, image);
            return Err(stop);
        }
    };
    let files = match own_files(k, cx.task) {
        Ok(files) => files,
        Err(stop) => {
            signal::release_handlers(k, handlers);
            image::discard(k, image);
            return Err(stop);
        }
    };
    commit(k, cx, image, handlers, files);
    Err(Stop::Gone)
}

/// A copy of the descriptors if others share them; the program's are its own.
fn own_files(k: &mut Kernel, task: TaskId) -> Result<Option<Held<FilesId>>, Stop> {
    let task = k.tasks.tasks.get(task).ok_or(Errno::ESRCH)?;
    let files = task.files.as_ref().ok_or(Errno::ESRCH)?.key();
    let group = task.group.key();
    if k.tasks.files.refs(files) == 1 {
        return Ok(None);
    }
    Ok(Some(files::duplicate(k, files, group)?))
}

fn commit(
    k: &mut Kernel,
    cx: &mut Cx,
    image: Image,
    handlers: Held<HandlersId>,
    files: Option<Held<FilesId>>,
) {
    exit::end_other_threads(k, cx);
    exit::leave_memory(k, cx);
    usage::keep(k, cx.task);
    signal::replace_handlers(k, cx.task, handlers);
    if let Some(files) = files {
        let old = k.tasks.tasks.get_mut(cx.task);
        let old = old.and_then(|task| task.files.replace(files));
        if let Some(old) = old {
            files::release(k, old);
        }
    }
    if let Ok(table) = files::table(k, cx.task) {
        files::close_on_exec(k, table);
    }
    let process = k.tasks.tasks.get(cx.task).map(|t| t.process);
    if let Some(process) = process {
        timer::posix::delete_all(k, process);
    }
    if let Some(process) = process.and_then(|p| k.tasks.processes.get_mut(p)) {
        process.has_executed = true;
        process.has_barrier = false;
        process.exit_signal = linux::SIGCHLD;
    }
    install(k, cx.task, image);
}

/// Puts a program into a task: memory, registers, name, credentials. For execve, and for the
/// first program of a task that the kernel made.
pub fn install(k: &mut Kernel, id: TaskId, image: Image) {
    let Image {
        mm,
        entry,
        stack,
        name,
        path,
        exe,
        cred,
        secure,
        dumpable,
    } = image;
    if k.sched.fpu_owner == Some(id) {
        k.sched.fpu_owner = None;
    }
    let Some(task) = k.tasks.tasks.get_mut(id) else {
        crate::mm::release(k, mm);
        crate::fs::release_pos(k, exe);
        return;
    };
    task.regs = UserRegs {
        rip: entry,
        rsp: stack,
        rflags: RFLAGS,
        ..UserRegs::default()
    };
    *task.fpu = FpuArea::INITIAL;
    task.comm = [0; 16];
    for (to, from) in task.comm.iter_mut().take(15).zip(&name) {
        *to = *from;
    }
    if secure || cred.differs_from(&task.cred) {
        task.parent_death_signal = 0;
    }
    task.cred = cred;
    task.over_count = false;
    let process = task.process;
    let old_mm = task.mm.replace(mm);
    let mut old_exe = Some(exe);
    if let Some(process) = k.tasks.processes.get_mut(process) {
        old_exe = core::mem::replace(&mut process.exe, old_exe);
        process.exe_path = path;
        process.dumpable = u8::from(dumpable);
        if secure {
            limits::cap_stack(&mut process.limits);
        }
    }
    if let Some(old) = old_mm {
        crate::mm::release(k, old);
    }
    if let Some(old) = old_exe {
        crate::fs::release_pos(k, old);
    }
}
