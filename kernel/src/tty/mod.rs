//! Terminals: the serial console and pseudo-terminals (tty(4), pty(7)).
//!
//! Reading order: [`termios`] (settings), [`mod@line`] and [`output`] (what happens to bytes: pure),
//! this file (the objects), [`job`] (sessions and signals), [`transfer`] (how bytes get in and
//! out), [`control`] (ioctl), [`pty`].

pub mod control;
pub mod job;
pub mod line;
pub mod output;
pub mod port;
pub mod pty;
pub mod termios;
pub mod transfer;

use crate::arena::{Arena, Held};
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::fs::{Store, SuperId, devpts};
use crate::task::{PidId, TaskId, pid};
use crate::wait::WaitKey;
use crate::{Kernel, key};
use alloc::collections::{BTreeMap, VecDeque};
use line::Line;
use linux_raw_sys::general as linux;
use termios::Termios;

key! {
    /// A terminal.
    TtyId
}

/// A terminal. What programs open is its line; of a pseudo-terminal also the master behind it.
#[derive(Debug)]
pub struct Tty {
    /// Settings, input, output.
    pub line: Line,
    /// struct winsize: rows, columns and two more.
    pub window: [u8; 8],
    /// What is at the other end.
    pub kind: Kind,
    /// The session that it controls.
    pub session: Option<Held<PidId>>,
    /// The process group that may read and gets signals.
    pub foreground: Option<Held<PidId>>,
    /// Which of the sessions that it has controlled: a [`Seat`] of another one is worth nothing.
    seat: u32,
    /// How often it was hung up: a file that was opened before is dead.
    life: u32,
    /// Open files of its line, those dead left out.
    users: u32,
    /// Nobody else may open it (TIOCEXCL).
    exclusive: bool,
}

/// What is at the other end of a terminal's line.
#[derive(Debug)]
pub enum Kind {
    /// The console's port, and how many files have it open as mere bytes.
    Serial(u32),
    /// A program that has the master.
    Pty(pty::Pty),
}

/// All terminals.
#[derive(Default)]
pub struct Terminals {
    /// By key.
    pub table: Arena<TtyId, Tty>,
    /// The console's, from its first use on.
    console: Option<Held<TtyId>>,
    /// Console input for those who read the port as mere bytes.
    port: VecDeque<u8>,
    /// Pseudo-terminals with a master, by devpts instance and number.
    pts: BTreeMap<(SuperId, u32), TtyId>,
    /// When the port is to be asked again whether it takes output.
    due: Option<u64>,
}

/// A process's place at its controlling terminal; lost when the session loses the terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seat {
    tty: TtyId,
    number: u32,
}

/// As what a terminal is open.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The line, for programs.
    Line,
    /// The other end of a pseudo-terminal's line.
    Master,
    /// The line, as /dev/console: never hung up, and without job control.
    Console,
    /// The port behind the console's line, as mere bytes and no terminal.
    Port,
}

/// What an open file of a terminal keeps; give back with [`close`].
#[derive(Debug)]
#[must_use]
pub struct OpenTerminal {
    held: Held<TtyId>,
    side: Side,
    life: u32,
}

/// An open file's end of a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct End {
    /// Which terminal.
    pub tty: TtyId,
    /// As what.
    pub side: Side,
    life: u32,
}

impl OpenTerminal {
    /// Which end it is.
    pub fn end(&self) -> End {
        End {
            tty: self.held.key(),
            side: self.side,
            life: self.life,
        }
    }
}

impl Tty {
    /// Its device number.
    pub fn number(&self) -> (u32, u32) {
        match &self.kind {
            Kind::Serial(_) => (4, 64),
            Kind::Pty(pty) => (devpts::MAJOR, pty.index),
        }
    }

    /// The same in one word, as stat(2) has it.
    pub fn device(&self) -> u32 {
        let (major, minor) = self.number();
        (minor & 0xff) | major << 8 | (minor & !0xff) << 12
    }
}

impl Terminals {
    /// A terminal.
    ///
    /// # Errors
    /// EIO when it is gone.
    pub fn get(&self, id: TtyId) -> Result<&Tty, Errno> {
        self.table.get(id).ok_or(Errno::EIO)
    }

    /// A terminal, to change.
    ///
    /// # Errors
    /// EIO when it is gone.
    pub fn get_mut(&mut self, id: TtyId) -> Result<&mut Tty, Errno> {
        self.table.get_mut(id).ok_or(Errno::EIO)
    }

    /// The terminal behind an end that was not hung up.
    ///
    /// # Errors
    /// EIO.
    pub fn living(&mut self, end: End) -> Result<&mut Tty, Errno> {
        let tty = self.get_mut(end.tty)?;
        let dead = end.side == Side::Line && end.life != tty.life;
        if dead { Err(Errno::EIO) } else { Ok(tty) }
    }

    /// When the console wants to be looked after.
    pub fn next_deadline(&self) -> u64 {
        self.due.unwrap_or(u64::MAX)
    }
}

/// A new terminal, charged to `group`; what its kind keeps is given back on failure.
fn create(
    k: &mut Kernel,
    group: GroupId,
    kind: Kind,
    settings: Termios,
) -> Result<Held<TtyId>, Stop> {
    let cost = Arena::<TtyId, Tty>::COST + Line::COST;
    let charge = match k.groups.charge(group, cost) {
        Ok(charge) => charge,
        Err(no_mem) => {
            release_kind(k, kind);
            return Err(no_mem.into());
        }
    };
    let Some(line) = Line::new(settings, matches!(kind, Kind::Serial(_))) else {
        k.groups.give_back(charge);
        release_kind(k, kind);
        return Err(Errno::ENOMEM.into());
    };
    let tty = Tty {
        line,
        window: [0; 8],
        kind,
        session: None,
        foreground: None,
        seat: 0,
        life: 0,
        users: 0,
        exclusive: false,
    };
    Ok(k.terminals.table.insert(tty, charge))
}

/// The console's terminal, made at its first use and kept.
///
/// # Errors
/// No memory.
pub fn console(k: &mut Kernel) -> Result<TtyId, Stop> {
    if let Some(held) = &k.terminals.console {
        return Ok(held.key());
    }
    let control = linux::B115200 | linux::CS8 | linux::CREAD | linux::HUPCL | linux::CLOCAL;
    let root = k.groups.root();
    let held = create(k, root, Kind::Serial(0), Termios::new(control))?;
    let id = held.key();
    k.terminals.console = Some(held);
    Ok(id)
}

/// Opens a side of a terminal, for a file.
///
/// # Errors
/// EIO when it is gone; EBUSY when it is open exclusively and the opener has no CAP_SYS_ADMIN.
pub fn open(
    k: &mut Kernel,
    id: TtyId,
    side: Side,
    privileged: bool,
) -> Result<OpenTerminal, Errno> {
    let held = k.terminals.table.hold(id).ok_or(Errno::EIO)?;
    let Some(tty) = k.terminals.table.get_mut(id) else {
        release(k, held);
        return Err(Errno::EIO);
    };
    if tty.exclusive && !privileged {
        release(k, held);
        return Err(Errno::EBUSY);
    }
    let life = tty.life;
    match (side, &mut tty.kind) {
        (Side::Line | Side::Console, kind) => {
            tty.users = tty.users.saturating_add(1);
            if let Kind::Pty(pty) = kind {
                pty.closed = false;
            }
        }
        (Side::Port, Kind::Serial(ports)) => *ports = ports.saturating_add(1),
        // A master is open once, from the beginning.
        (Side::Port, Kind::Pty(_)) | (Side::Master, _) => {}
    }
    Ok(OpenTerminal { held, side, life })
}

/// What follows from a process having opened a terminal's line without O_NOCTTY: if it leads a
/// session without a terminal, and the terminal has no session, they become each other's.
pub fn opened(k: &mut Kernel, task: TaskId, end: End) {
    if end.side == Side::Line && job::may_acquire(k, task, end.tty) {
        job::acquire(k, task, end.tty);
    }
}

/// A file is closed.
pub fn close(k: &mut Kernel, open: OpenTerminal) {
    let end = open.end();
    if end.side == Side::Master {
        pty::close_master(k, end);
    } else if let Ok(tty) = k.terminals.living(end) {
        leave(tty, end.side);
    }
    if end.side == Side::Port {
        // What nobody has read is the terminal's now.
        k.terminals.due = Some(0);
    }
    k.waits.wake(WaitKey::Terminal(end.tty));
    release(k, open.held);
}

/// Counts an open file less.
fn leave(tty: &mut Tty, side: Side) {
    match (side, &mut tty.kind) {
        (Side::Port, Kind::Serial(ports)) => *ports = ports.saturating_sub(1),
        (Side::Line | Side::Console, kind) => {
            tty.users = tty.users.saturating_sub(1);
            if tty.users == 0 {
                tty.exclusive = false;
                if let Kind::Pty(pty) = kind {
                    pty.closed = true;
                }
            }
        }
        (Side::Port, Kind::Pty(_)) | (Side::Master, _) => {}
    }
}

fn release(k: &mut Kernel, held: Held<TtyId>) {
    let Some((tty, charge)) = k.terminals.table.release(held) else {
        return;
    };
    k.groups.give_back(charge);
    release_kind(k, tty.kind);
    for number in [tty.session, tty.foreground].into_iter().flatten() {
        pid::release(k, number);
    }
}

fn release_kind(k: &mut Kernel, kind: Kind) {
    match kind {
        Kind::Serial(_) => {}
        Kind::Pty(pty) => Store::of(k).release_super(pty.sb),
    }
}
