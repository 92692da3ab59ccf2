//! Sessions and their terminals: who is in front, who is stopped, who is told of the end.

use std::fs::File;
use std::os::fd::OwnedFd;

use berth_sys::audit::pause_ms;
use berth_sys::handler::{self, Manner};
use berth_sys::terminal::{give_up, hang_up};
use rustix::fs::{Mode, OFlags, open};
use rustix::io::{Errno, read, write};
use rustix::process::{
    Pid, Signal, WaitOptions, getpid, getppid, ioctl_tiocsctty, kill_process, setpgid, setsid,
    waitpid,
};
use rustix::termios::{
    LocalModes, OptionalActions, Winsize, tcgetattr, tcgetpgrp, tcgetsid, tcsetattr, tcsetpgrp,
    tcsetwinsize,
};

use super::super::{child, ended, exits, fails};
use super::line::wait_for;
use super::{Case, Pair, Told, Verdict, check, gives, line, same};

const HUP: i32 = 1;
const INT: i32 = 2;
const QUIT: i32 = 3;
const CONT: i32 = 18;
const TSTP: i32 = 20;
const TTIN: i32 = 21;
const TTOU: i32 = 22;
const WINCH: i32 = 28;

pub const CASES: &[Case] = &[
    ("terminal/controls-its-session", controls_its_session),
    ("terminal/controls-nobody", controls_nobody),
    ("terminal/taken-by-ioctl", taken_by_ioctl),
    ("terminal/given-up", given_up),
    ("terminal/inherited", inherited),
    ("terminal/in-proc", in_proc),
    ("terminal/keys-are-signals", keys_are_signals),
    (
        "terminal/signals-empty-the-queues",
        signals_empty_the_queues,
    ),
    ("terminal/read-is-interrupted", read_is_interrupted),
    ("terminal/stop-and-continue-a-job", stop_and_continue_a_job),
    ("terminal/window-change-is-told", window_change_is_told),
    ("terminal/background-read", background_read),
    (
        "terminal/background-read-unstoppable",
        background_read_unstoppable,
    ),
    ("terminal/background-write", background_write),
    ("terminal/background-settings", background_settings),
    ("terminal/orphans-are-not-stopped", orphans_are_not_stopped),
    ("terminal/who-can-be-in-front", who_can_be_in_front),
    ("terminal/hangup-of-the-master", hangup_of_the_master),
    ("terminal/end-of-the-leader", end_of_the_leader),
    ("terminal/vhangup", vhangup),
];

/// This process leads a session, and does not mind losing its terminal at the end of the case.
fn lead() -> Verdict {
    handler::ignore(HUP).told("sigaction")?;
    setsid().told("setsid").map(|_| ())
}

/// This process leads a session at a new terminal.
fn session() -> Result<Pair, String> {
    lead()?;
    let pair = Pair::new()?;
    let line = line(&pair.master, OFlags::empty())?;
    let master = pair.master;
    Ok(Pair { master, line })
}

/// Opens the controlling terminal.
fn own() -> rustix::io::Result<OwnedFd> {
    open("/dev/tty", OFlags::RDWR, Mode::empty())
}

fn controls_its_session() -> Verdict {
    lead()?;
    let pair = Pair::new()?;
    fails("/dev/tty", own(), Errno::NXIO)?;
    fails("tcgetsid", tcgetsid(&pair.line), Errno::NOTTY)?;
    let line = line(&pair.master, OFlags::empty())?;
    same("session", tcgetsid(&line).told("tcgetsid")?, getpid())?;
    same("front", tcgetpgrp(&line).told("tcgetpgrp")?, getpid())?;
    same(
        "front, from outside",
        tcgetpgrp(&pair.master).told("tcgetpgrp")?,
        getpid(),
    )?;
    let own = own().told("/dev/tty")?;
    super::put(&own, b"hi")?;
    pair.shows(b"hi")
}

fn controls_nobody() -> Verdict {
    lead()?;
    let pair = Pair::new()?;
    // Opened with O_NOCTTY; and a process that leads no session gets none either way.
    fails("/dev/tty", own(), Errno::NXIO)?;
    exits(0, || {
        let opened = line(&pair.master, OFlags::empty()).is_ok();
        i32::from(!(opened && own().is_err()))
    })
}

fn taken_by_ioctl() -> Verdict {
    exits(0, || {
        i32::from(Pair::new().is_ok_and(|p| ioctl_tiocsctty(&p.line).is_ok()))
    })?;
    lead()?;
    let pair = Pair::new()?;
    ioctl_tiocsctty(&pair.line).told("TIOCSCTTY")?;
    same("session", tcgetsid(&pair.line).told("tcgetsid")?, getpid())?;
    // Again is no change; another terminal, or another session's, is refused.
    ioctl_tiocsctty(&pair.line).told("TIOCSCTTY")?;
    let other = Pair::new()?;
    fails("a second one", ioctl_tiocsctty(&other.line), Errno::PERM)?;
    exits(0, || {
        let refused = |r: rustix::io::Result<()>| r == Err(Errno::PERM);
        let before = refused(ioctl_tiocsctty(&other.line));
        let _ = setsid();
        i32::from(!(before && refused(ioctl_tiocsctty(&pair.line))))
    })
}

fn given_up() -> Verdict {
    let pair = session()?;
    handler::count(HUP, Manner::Restart).told("sigaction")?;
    give_up(&pair.line).told("TIOCNOTTY")?;
    fails("/dev/tty", own(), Errno::NXIO)?;
    fails("TIOCNOTTY", give_up(&pair.line), Errno::NOTTY)?;
    // It was in front itself.
    same("SIGHUP", handler::taken(HUP), 1)?;
    super::put(&pair.line, b"x")?;
    pair.shows(b"x")
}

fn inherited() -> Verdict {
    let pair = session()?;
    exits(0, || {
        let before = own().is_ok();
        let alone = setsid().is_ok() && own().err() == Some(Errno::NXIO);
        i32::from(!(before && alone))
    })?;
    exits(0, || {
        // Only the leader gives it up for all.
        let gave = give_up(&pair.line).is_ok() && own().is_err();
        i32::from(!gave)
    })?;
    own().told("/dev/tty").map(|_| ())
}

fn in_proc() -> Verdict {
    let pair = session()?;
    let stat = std::fs::read_to_string("/proc/self/stat").told("stat")?;
    let fields: Vec<&str> = stat
        .rsplit(')')
        .next()
        .unwrap_or("")
        .split_whitespace()
        .collect();
    let number = berth_sys::terminal::ask(&pair.master, berth_sys::terminal::Word::Number);
    let number = number.told("TIOCGPTN")? as u32;
    let device = (number & 0xff) | 136 << 8 | (number & !0xff) << 12;
    same("tty_nr", fields.get(4).copied(), Some(&*device.to_string()))?;
    let pid = getpid().as_raw_nonzero().to_string();
    same("tpgid", fields.get(5).copied(), Some(&*pid))
}

fn keys_are_signals() -> Verdict {
    let pair = session()?;
    for (key, signal, shown) in [(3, INT, b"^C"), (28, QUIT, b"^\\"), (26, TSTP, b"^Z")] {
        handler::count(signal, Manner::Restart).told("sigaction")?;
        pair.types(&[key])?;
        wait_for(|| Ok(handler::taken(signal) == 1))?;
        pair.shows(shown)?;
    }
    pair.change(|t| t.local_modes.remove(LocalModes::ISIG | LocalModes::ECHO))?;
    pair.types(b"\x03\n")?;
    pair.reads(b"\x03\n")?;
    same("SIGINT", handler::taken(INT), 1)
}

fn signals_empty_the_queues() -> Verdict {
    let pair = session()?;
    pair.change(|t| t.local_modes.remove(LocalModes::ECHO))?;
    handler::count(INT, Manner::Restart).told("sigaction")?;
    pair.types(b"a\nb\x03c\n")?;
    pair.reads(b"c\n")?;
    pair.change(|t| t.local_modes.insert(LocalModes::NOFLSH))?;
    pair.types(b"b\x03c\n")?;
    pair.reads(b"bc\n")?;
    same("SIGINT", handler::taken(INT), 2)
}

fn read_is_interrupted() -> Verdict {
    let pair = session()?;
    handler::count(INT, Manner::Interrupt).told("sigaction")?;
    // It types until it is heard, in a session of its own: the key is no signal for it.
    let typist = child(|| {
        let _ = setsid();
        loop {
            pause_ms(20);
            let _ = write(&pair.master, b"\x03");
        }
    })?;
    let result = read(&pair.line, &mut [0; 4]);
    kill_process(typist, Signal::KILL).told("kill")?;
    fails("read", result, Errno::INTR)
}

/// A child in a process group of its own, in the background.
fn job(work: impl FnOnce() -> i32) -> Result<Pid, String> {
    let pid = child(|| match setpgid(None, None) {
        Ok(()) => work(),
        Err(_) => 99,
    })?;
    // Whoever comes first.
    let _ = setpgid(Some(pid), Some(pid));
    Ok(pid)
}

/// Waits until a child stops by this signal.
fn stops(pid: Pid, signal: i32) -> Verdict {
    let waited = waitpid(Some(pid), WaitOptions::UNTRACED).told("wait")?;
    let status = waited.map(|(_, status)| status.as_raw());
    same("status", status, Some(signal << 8 | 0x7f))
}

fn ends(pid: Pid, code: i32) -> Verdict {
    same("exit", ended(pid)?.exit_status(), Some(code))
}

fn stop_and_continue_a_job() -> Verdict {
    let pair = session()?;
    let pid = job(|| {
        loop {
            std::hint::spin_loop();
        }
    })?;
    tcsetpgrp(&pair.line, pid).told("tcsetpgrp")?;
    pair.types(b"\x1a")?;
    stops(pid, TSTP)?;
    kill_process(pid, Signal::CONT).told("kill")?;
    pair.types(b"\x03")?;
    same("signal", ended(pid)?.terminating_signal(), Some(INT))?;
    pair.shows(b"^Z^C")
}

fn window_change_is_told() -> Verdict {
    let pair = session()?;
    handler::count(WINCH, Manner::Restart).told("sigaction")?;
    let size = Winsize {
        ws_row: 30,
        ws_col: 90,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&pair.master, size).told("tcsetwinsize")?;
    wait_for(|| Ok(handler::taken(WINCH) == 1))?;
    // The same again is no change.
    tcsetwinsize(&pair.line, size).told("tcsetwinsize")?;
    same("SIGWINCH", handler::taken(WINCH), 1)
}

fn background_read() -> Verdict {
    let pair = session()?;
    let pid = job(|| {
        let mut bytes = [0; 8];
        match read(&pair.line, &mut bytes) {
            Ok(2) if bytes.starts_with(b"x\n") => 0,
            Ok(count) => 10 + count as i32,
            Err(_) => 1,
        }
    })?;
    stops(pid, TTIN)?;
    tcsetpgrp(&pair.line, pid).told("tcsetpgrp")?;
    kill_process(pid, Signal::CONT).told("kill")?;
    pair.types(b"x\n")?;
    ends(pid, 0)
}

fn background_read_unstoppable() -> Verdict {
    let pair = session()?;
    let refused = || i32::from(read(&pair.line, &mut [0; 4]).err() != Some(Errno::IO));
    ends(job(|| handler::ignore(TTIN).map_or(9, |()| refused()))?, 0)?;
    ends(
        job(|| handler::hold(TTIN, true).map_or(9, |()| refused()))?,
        0,
    )
}

fn background_write() -> Verdict {
    let pair = session()?;
    let writes = || i32::from(write(&pair.line, b"z") != Ok(1));
    ends(job(writes)?, 0)?;
    pair.shows(b"z")?;
    pair.change(|t| t.local_modes.insert(LocalModes::TOSTOP))?;
    let pid = job(writes)?;
    stops(pid, TTOU)?;
    pair.change(|t| t.local_modes.remove(LocalModes::TOSTOP))?;
    kill_process(pid, Signal::CONT).told("kill")?;
    ends(pid, 0)?;
    pair.shows(b"z")?;
    pair.change(|t| t.local_modes.insert(LocalModes::TOSTOP))?;
    // Who ignores the signal writes.
    ends(job(|| handler::ignore(TTOU).map_or(9, |()| writes()))?, 0)?;
    pair.shows(b"z")
}

fn background_settings() -> Verdict {
    let pair = session()?;
    let changes = || {
        let settings = tcgetattr(&pair.line);
        let set = settings.and_then(|s| tcsetattr(&pair.line, OptionalActions::Now, &s));
        i32::from(set.is_err())
    };
    let pid = job(changes)?;
    stops(pid, TTOU)?;
    kill_process(pid, Signal::KILL).told("kill")?;
    ended(pid)?;
    let pid = job(|| i32::from(tcsetpgrp(&pair.line, getpid()).is_err()))?;
    stops(pid, TTOU)?;
    kill_process(pid, Signal::KILL).told("kill")?;
    ended(pid)?;
    ends(job(|| handler::ignore(TTOU).map_or(9, |()| changes()))?, 0)
}

fn orphans_are_not_stopped() -> Verdict {
    let pair = session()?;
    let (tells, told) = crate::small::pipe().told("pipe")?;
    // The child ends at once and leaves its own child in a group that nobody can continue.
    ends(job(|| orphan(&pair, &told))?, 0)?;
    gives(&tells, b"EIO")
}

fn orphan(pair: &Pair, told: &File) -> i32 {
    let parent = getpid();
    let started = child(|| {
        while getppid() == Some(parent) {
            pause_ms(1);
        }
        let answer: &[u8] = match read(&pair.line, &mut [0; 4]) {
            Err(Errno::IO) => b"EIO",
            _ => b"???",
        };
        let _ = write(told, answer);
        0
    });
    i32::from(started.is_err())
}

fn who_can_be_in_front() -> Verdict {
    let outside = getppid().ok_or("no parent")?;
    let pair = session()?;
    fails(
        "another session's",
        tcsetpgrp(&pair.line, outside),
        Errno::PERM,
    )?;
    let nobody = Pid::from_raw(0x3fff_ffff).ok_or("no number")?;
    fails("nobody's", tcsetpgrp(&pair.line, nobody), Errno::SRCH)?;
    let other = Pair::new()?;
    fails(
        "another terminal",
        tcsetpgrp(&other.line, getpid()),
        Errno::NOTTY,
    )?;
    fails("another terminal", tcgetpgrp(&other.line), Errno::NOTTY)?;
    tcsetpgrp(&pair.line, getpid()).told("tcsetpgrp")
}

fn hangup_of_the_master() -> Verdict {
    let Pair { master, line } = session()?;
    handler::count(HUP, Manner::Restart).told("sigaction")?;
    handler::count(CONT, Manner::Restart).told("sigaction")?;
    drop(master);
    wait_for(|| Ok(handler::taken(HUP) == 1 && handler::taken(CONT) == 1))?;
    same("read", read(&line, &mut [0; 4]), Ok(0))?;
    fails("tcsetpgrp", tcsetpgrp(&line, getpid()), Errno::NOTTY)?;
    fails("/dev/tty", own(), Errno::NXIO)
}

/// The leader of a session with a job in front ends: the job is told, and has lost the terminal.
fn end_of_the_leader() -> Verdict {
    let (tells, told) = crate::small::pipe().told("pipe")?;
    let (waits, go) = crate::small::pipe().told("pipe")?;
    let pair = Pair::new()?;
    let leader = child(|| {
        let Ok(()) = setsid().map(|_| ()) else {
            return 1;
        };
        let Ok(line) = line(&pair.master, OFlags::empty()) else {
            return 2;
        };
        let started = job(|| {
            let counted = handler::count(HUP, Manner::Restart);
            let _ = write(&go, b"!");
            let heard = wait_for(|| Ok(handler::taken(HUP) == 1));
            let lost = own().err() == Some(Errno::NXIO) && write(&line, b"y") == Ok(1);
            let fine = counted.is_ok() && heard.is_ok() && lost;
            let _ = write(&told, if fine { b"+" } else { b"-" });
            0
        });
        let Ok(pid) = started else { return 3 };
        let front = tcsetpgrp(&line, pid);
        i32::from(front.is_err() || read(&waits, &mut [0; 1]) != Ok(1))
    })?;
    ends(leader, 0)?;
    gives(&tells, b"+")?;
    pair.shows(b"y")
}

fn vhangup() -> Verdict {
    let pair = session()?;
    hang_up().told("vhangup")?;
    same("read", read(&pair.line, &mut [0; 4]), Ok(0))?;
    fails("write", write(&pair.line, b"x"), Errno::IO)?;
    fails("/dev/tty", own(), Errno::NXIO)?;
    // The master goes on, and the line can be opened anew.
    let again = line(&pair.master, OFlags::NOCTTY)?;
    super::put(&again, b"x")?;
    pair.shows(b"x")?;
    check(tcgetattr(&again).is_ok(), || "no settings".to_owned())
}
