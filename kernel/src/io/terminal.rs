//! Open files of terminals.

use super::write::From;
use super::{Segment, place, remember, take_turns, total};
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::dev::Terminal;
use crate::error::{Call, Errno, Stop};
use crate::fs::open::{self, FileKind};
use crate::fs::{FileId, Location, Store};
use crate::mm::user;
use crate::tty::{self, End, OpenTerminal, Side, job};
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

/// Bytes that one trap moves.
const TURN: u64 = 2048;
/// Bytes of one pass.
const PASS: usize = 512;

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
    };
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
    let mut buffer = [0; PASS];
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
