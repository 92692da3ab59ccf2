//! Open files of terminals.

use super::write::From;
use super::{Segment, place, remember, take_turns, total};
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::dev::Terminal;
use crate::error::{Call, Errno, Stop};
use crate::fs::open::{self, FileKind};
use crate::fs::walk::{Found, Start, WalkFlags, walk};
use crate::fs::{Access, Actor, FileId, Location, MountId, Node, Pos, Store, Time, devpts};
use crate::mm::user;
use crate::task::cred::access;
use crate::task::files;
use crate::tty::{self, End, OpenTerminal, Side, TtyId, job, pty};
use crate::views::Source;
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;
use linux_raw_sys::ioctl::TIOCGPTPEER;

/// Bytes that one trap writes: each may be echoed and cost some hundred instructions.
const TURN: u64 = 512;

/// Opens a terminal's device; who leads a session without a terminal may get this one.
///
/// # Errors
/// ENXIO for /dev/tty without a controlling terminal; EBUSY, EIO (see [`tty::open`]); no memory.
pub fn open(
    k: &mut Kernel,
    cx: &mut Cx,
    location: Location,
    which: Terminal,
    flags: u32,
) -> Result<Held<FileId>, Stop> {
    let (id, side) = match which {
        Terminal::Own => {
            let own = job::controlling_of(k, cx.task);
            (own.ok_or(Errno::ENXIO)?, Side::Line)
        }
        Terminal::Console => (tty::console(k)?, Side::Console),
        Terminal::Serial => (tty::console(k)?, Side::Line),
        Terminal::Port => (tty::console(k)?, Side::Port),
        Terminal::Ptmx => return open_master(k, cx, location, flags),
        Terminal::Pts(index) => {
            let sb = k.fs.mount(location.pos.mount)?.sb.key();
            (pty::find(k, sb, index)?, Side::Line)
        }
    };
    open_line(k, cx, location, (id, side), flags)
}

fn open_line(
    k: &mut Kernel,
    cx: &mut Cx,
    location: Location,
    (id, side): (TtyId, Side),
    flags: u32,
) -> Result<Held<FileId>, Stop> {
    let task = k.tasks.task(cx.task)?;
    let (group, privileged) = (task.group.key(), task.cred.capable(linux::CAP_SYS_ADMIN));
    let terminal = tty::open(k, id, side, privileged)?;
    let end = terminal.end();
    let file = insert(k, group, location, terminal, flags)?;
    if flags & linux::O_NOCTTY == 0 && flags & linux::O_ACCMODE != linux::O_WRONLY {
        tty::opened(k, cx.task, end);
    }
    Ok(file)
}

/// Opens a new pseudo-terminal's master.
fn open_master(
    k: &mut Kernel,
    cx: &mut Cx,
    location: Location,
    flags: u32,
) -> Result<Held<FileId>, Stop> {
    let mount = devpts_of(k, cx, &location)?;
    let sb = k.fs.mount(mount)?.sb.key();
    let cred = k.tasks.task(cx.task)?.cred.clone();
    let group = k.tasks.task(cx.task)?.group.key();
    let actor = Actor {
        access: access(&cred),
        group,
        now: Time::now(cx.m),
    };
    let master = pty::create(k, &actor, sb)?;
    insert(k, group, location, master, flags)
}

/// The mount of devpts that a device for making terminals belongs to: the one it is in, or else
/// that on `pts` beside it.
fn devpts_of(k: &Kernel, cx: &Cx, location: &Location) -> Result<MountId, Errno> {
    let is_devpts = |mount: MountId| {
        let sb = k.fs.mount(mount).map(|mount| mount.sb.key());
        sb.is_ok_and(|sb| devpts::options(&k.fs, sb).is_some())
    };
    if is_devpts(location.pos.mount) {
        return Ok(location.pos.mount);
    }
    let (dir, _) = location.name.as_ref().ok_or(Errno::ENODEV)?;
    let root = files::context(k, cx.task)?.root.pos();
    let start = Start { root, cwd: *dir };
    let views = Source::by(k, cx.task);
    let found = walk(
        &k.fs,
        &views,
        &start,
        &Access::KERNEL,
        b"pts",
        WalkFlags::DIRECTORY,
    );
    match found {
        Ok(Found::Here(there)) if is_devpts(there.pos.mount) => Ok(there.pos.mount),
        _ => Err(Errno::ENODEV),
    }
}

/// Opens the line that belongs to a master, whatever is mounted where (TIOCGPTPEER).
fn open_peer(k: &mut Kernel, cx: &mut Cx, id: FileId, flags: u32) -> Call {
    let known = linux::O_ACCMODE | linux::O_NOCTTY | linux::O_NONBLOCK | linux::O_CLOEXEC;
    if flags & !known != 0 {
        return Err(Errno::EINVAL.into());
    }
    let file = k.fs.file(id)?;
    let FileKind::Terminal(terminal) = &file.kind else {
        return Err(Errno::ENOTTY.into());
    };
    let end = terminal.end();
    let (sb, index) = pty::of_master(k, end)?;
    let mount = devpts_of(k, cx, &file.location())?;
    if k.fs.mount(mount)?.sb.key() != sb {
        return Err(Errno::EIO.into());
    }
    let pos = Pos {
        mount,
        node: Node::Inode(devpts::find(&k.fs, sb, index).map_err(|_| Errno::EIO)?),
    };
    let location = Location {
        pos,
        name: Some((k.fs.root_of(mount)?, devpts::name(index))),
    };
    let fd = files::room(k, cx.task, 0)?;
    let file = open_line(k, cx, location, (end.tty, Side::Line), flags)?;
    files::put(k, cx.task, fd, file, flags & linux::O_CLOEXEC != 0);
    Ok(u64::from(fd))
}

/// The console as the first process has it.
///
/// # Errors
/// No memory; ENOENT when the location is gone.
pub fn first(k: &mut Kernel, group: GroupId, location: Location) -> Result<Held<FileId>, Stop> {
    let id = tty::console(k)?;
    let terminal = tty::open(k, id, Side::Console, true)?;
    insert(k, group, location, terminal, linux::O_RDWR)
}

fn insert(
    k: &mut Kernel,
    group: GroupId,
    location: Location,
    terminal: OpenTerminal,
    flags: u32,
) -> Result<Held<FileId>, Stop> {
    let kind = FileKind::Terminal(terminal);
    open::insert(&mut Store::of(k), group, kind, location, flags).map_err(|refused| {
        let (stop, kind) = *refused;
        if let FileKind::Terminal(terminal) = kind {
            tty::close(k, terminal);
        }
        stop
    })
}

pub(super) fn read(
    k: &mut Kernel,
    cx: &mut Cx,
    end: End,
    segments: &[Segment],
    nonblocking: bool,
    done: &mut u64,
) -> Result<(), Stop> {
    let count = total(segments);
    while *done < count {
        let Some(to) = place(segments, *done) else {
            break;
        };
        let out = user::prepare_some(k, cx, to.0, to.1.min(tty::line::KEPT as u64))?;
        let max = out.len() as usize;
        let got = tty::transfer::read(k, cx, end, nonblocking, max, *done)?;
        user::put(k, cx, &out, 0, &got.bytes);
        *done += got.bytes.len() as u64;
        if !got.more {
            break;
        }
    }
    Ok(())
}

pub(super) fn write(
    k: &mut Kernel,
    cx: &mut Cx,
    end: End,
    from: From,
    nonblocking: bool,
    done: &mut u64,
) -> Result<(), Stop> {
    let count = from.total();
    let turn = done.saturating_add(TURN);
    let mut buffer = [0; TURN as usize];
    while *done < count {
        if *done >= turn {
            return Err(take_turns(cx, *done));
        }
        let len = from.copy(k, cx, *done, &mut buffer)?;
        let bytes = buffer.get(..len).unwrap_or(&[]);
        remember(cx, *done);
        match tty::transfer::write(k, cx, end, nonblocking, bytes, *done)? {
            0 => break,
            taken => *done += taken as u64,
        }
    }
    Ok(())
}

/// Controls an open file of a terminal.
pub(super) fn ioctl(k: &mut Kernel, cx: &mut Cx, id: FileId, what: u32, arg: u64) -> Call {
    if what == TIOCGPTPEER {
        return open_peer(k, cx, id, arg as u32);
    }
    let file = k.fs.file(id)?;
    let reads = file.reads();
    match &file.kind {
        FileKind::Terminal(terminal) => {
            let end = terminal.end();
            tty::control::ioctl(k, cx, end, reads, what, arg)
        }
        _ => Err(Errno::ENOTTY.into()),
    }
}
