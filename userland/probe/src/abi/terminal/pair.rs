//! Masters and their lines: names, locks, settings, ends.

use std::os::unix::fs::MetadataExt;

use berth_sys::terminal::{Switch, Word, ask, switch};
use rustix::event::PollFlags;
use rustix::fs::{Mode, OFlags, chmod, chown, fcntl_setfl, fstat, major, minor, open, unlink};
use rustix::io::{Errno, read, write};
use rustix::process::{Gid, Uid};
use rustix::termios::{
    InputModes, LocalModes, Winsize, isatty, tcgetattr, tcgetwinsize, tcsetwinsize,
};

use super::super::fails;
use super::{
    Case, Pair, Told, Verdict, check, gives, line, master, path, readiness, ready, same, text,
};

pub const CASES: &[Case] = &[
    ("terminal/names-and-numbers", names_and_numbers),
    ("terminal/locked-at-first", locked_at_first),
    ("terminal/owner-and-mode", owner_and_mode),
    ("terminal/directory-is-closed", directory_is_closed),
    ("terminal/settings-of-both-sides", settings_of_both_sides),
    ("terminal/default-settings", default_settings),
    ("terminal/window-size", window_size),
    ("terminal/peer", peer),
    ("terminal/packets", packets),
    ("terminal/line-closes", line_closes),
    ("terminal/master-closes", master_closes),
    ("terminal/only-masters-know", only_masters_know),
    ("terminal/much-output", much_output),
    ("terminal/no-terminal", no_terminal),
];

fn names_and_numbers() -> Verdict {
    let pair = Pair::new()?;
    let (outer, inner) = (
        fstat(&pair.master).told("fstat")?,
        fstat(&pair.line).told("fstat")?,
    );
    same(
        "master",
        (major(outer.st_rdev), minor(outer.st_rdev)),
        (5, 2),
    )?;
    let number = ask(&pair.master, Word::Number).told("TIOCGPTN")?;
    same(
        "line",
        (major(inner.st_rdev), minor(inner.st_rdev)),
        (136, number as u32),
    )?;
    same("name", path(&pair.master)?, format!("/dev/pts/{number}"))?;
    let told = rustix::termios::ttyname(&pair.line, Vec::new()).told("ttyname")?;
    same(
        "ttyname",
        told.into_string().told("ttyname")?,
        path(&pair.master)?,
    )?;
    let listed = std::fs::read_dir("/dev/pts").told("readdir")?;
    let names: Vec<_> = listed.flatten().map(|entry| entry.file_name()).collect();
    check(
        names.iter().any(|name| *name == *number.to_string()),
        || format!("{names:?}"),
    )?;
    let second = Pair::new()?;
    check(path(&second.master)? != path(&pair.master)?, || {
        "two have one name".to_owned()
    })
}

fn locked_at_first() -> Verdict {
    let master = master()?;
    same("lock", ask(&master, Word::Lock).told("TIOCGPTLCK")?, 1)?;
    let flags = OFlags::RDWR | OFlags::NOCTTY;
    fails(
        "open",
        open(path(&master)?, flags, Mode::empty()),
        Errno::IO,
    )?;
    switch(&master, Switch::Lock, false).told("TIOCSPTLCK")?;
    same("lock", ask(&master, Word::Lock).told("TIOCGPTLCK")?, 0)?;
    line(&master, OFlags::NOCTTY).map(|_| ())
}

fn owner_and_mode() -> Verdict {
    let pair = Pair::new()?;
    let path = path(&pair.master)?;
    let facts = std::fs::metadata(&path).told("stat")?;
    same("type", facts.mode() & 0o170_000, 0o020_000)?;
    same("owner", facts.uid(), rustix::process::getuid().as_raw())?;
    chmod(&path, Mode::from_raw_mode(0o604)).told("chmod")?;
    chown(&*path, Some(Uid::from_raw(7)), Some(Gid::from_raw(8))).told("chown")?;
    let facts = std::fs::metadata(&path).told("stat")?;
    same(
        "changed",
        (facts.mode() & 0o777, facts.uid(), facts.gid()),
        (0o604, 7, 8),
    )
}

fn directory_is_closed() -> Verdict {
    let pair = Pair::new()?;
    fails("unlink", unlink(path(&pair.master)?), Errno::PERM)?;
    let made = std::fs::create_dir("/dev/pts/new").map_err(|e| e.raw_os_error());
    same("mkdir", made, Err(Some(Errno::PERM.raw_os_error())))
}

fn settings_of_both_sides() -> Verdict {
    let pair = Pair::with(|t| {
        t.input_modes.insert(InputModes::IXANY);
        t.local_modes.remove(LocalModes::ECHOE);
    })?;
    let inner = tcgetattr(&pair.line).told("tcgetattr")?;
    let outer = tcgetattr(&pair.master).told("tcgetattr")?;
    same(
        "input",
        (
            inner.input_modes,
            outer.input_modes.contains(InputModes::IXANY),
        ),
        (outer.input_modes, true),
    )?;
    same(
        "local",
        (
            inner.local_modes,
            outer.local_modes.contains(LocalModes::ECHOE),
        ),
        (outer.local_modes, false),
    )
}

fn default_settings() -> Verdict {
    let pair = Pair::new()?;
    let t = tcgetattr(&pair.line).told("tcgetattr")?;
    same("input", t.input_modes.bits(), 0x500)?;
    same("output", t.output_modes.bits(), 0x5)?;
    same("control", t.control_modes.bits(), 0xbf)?;
    same("local", t.local_modes.bits(), 0x8a3b)?;
    same("speed", (t.input_speed(), t.output_speed()), (38400, 38400))
}

fn window_size() -> Verdict {
    let pair = Pair::new()?;
    let none = tcgetwinsize(&pair.line).told("tcgetwinsize")?;
    same("at first", (none.ws_row, none.ws_col), (0, 0))?;
    let size = Winsize {
        ws_row: 25,
        ws_col: 81,
        ws_xpixel: 3,
        ws_ypixel: 4,
    };
    tcsetwinsize(&pair.master, size).told("tcsetwinsize")?;
    let now = tcgetwinsize(&pair.line).told("tcgetwinsize")?;
    same(
        "then",
        (now.ws_row, now.ws_col, now.ws_xpixel, now.ws_ypixel),
        (25, 81, 3, 4),
    )
}

fn peer() -> Verdict {
    let pair = Pair::new()?;
    let flags = rustix::pty::OpenptFlags::RDWR | rustix::pty::OpenptFlags::NOCTTY;
    let other = rustix::pty::ioctl_tiocgptpeer(&pair.master, flags).told("TIOCGPTPEER")?;
    let number = |fd| fstat(fd).told("fstat").map(|s| (s.st_rdev, s.st_ino));
    same("file", number(&other)?, number(&pair.line)?)?;
    super::put(&other, b"x")?;
    pair.shows(b"x")
}

fn packets() -> Verdict {
    let pair = Pair::new()?;
    same(
        "packets",
        ask(&pair.master, Word::Packet).told("TIOCGPKT")?,
        0,
    )?;
    switch(&pair.master, Switch::Packet, true).told("TIOCPKT")?;
    same(
        "packets",
        ask(&pair.master, Word::Packet).told("TIOCGPKT")?,
        1,
    )?;
    super::put(&pair.line, b"ab")?;
    pair.shows(b"\0ab")?;
    rustix::termios::tcflush(&pair.line, rustix::termios::QueueSelector::IFlush).told("tcflush")?;
    let news = readiness(&pair.master)?;
    check(news.contains(PollFlags::PRI | PollFlags::IN), || {
        format!("{news:?}")
    })?;
    let mut one = [9; 8];
    same("bytes", read(&pair.master, &mut one).told("read")?, 1)?;
    same("news", one[0], 1)?;
    // Flow control by the usual keys was on.
    pair.change(|t| t.input_modes.remove(InputModes::IXON))?;
    same("bytes", read(&pair.master, &mut one).told("read")?, 1)?;
    same("news", one[0], 16)
}

fn line_closes() -> Verdict {
    let Pair {
        master,
        line: first,
    } = Pair::raw()?;
    super::put(&first, b"last")?;
    ready(&master)?;
    drop(first);
    gives(&master, b"last")?;
    let events = readiness(&master)?;
    check(events.contains(PollFlags::HUP), || format!("{events:?}"))?;
    fails("read", read(&master, &mut [0; 4]), Errno::IO)?;
    // It can be opened again.
    let again = line(&master, OFlags::NOCTTY)?;
    let events = readiness(&master)?;
    check(!events.contains(PollFlags::HUP), || format!("{events:?}"))?;
    super::put(&again, b"more")?;
    gives(&master, b"more")
}

fn master_closes() -> Verdict {
    let Pair { master, line } = Pair::new()?;
    let path = path(&master)?;
    drop(master);
    let events = readiness(&line)?;
    check(events.contains(PollFlags::HUP | PollFlags::IN), || {
        format!("{events:?}")
    })?;
    same("read", read(&line, &mut [0; 4]), Ok(0))?;
    fails("write", write(&line, b"x"), Errno::IO)?;
    fails("tcgetattr", tcgetattr(&line), Errno::IO)?;
    fails(
        "open",
        open(path, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()),
        Errno::NOENT,
    )
}

fn only_masters_know() -> Verdict {
    let pair = Pair::new()?;
    fails("TIOCGPTN", ask(&pair.line, Word::Number), Errno::NOTTY)?;
    fails(
        "TIOCSPTLCK",
        switch(&pair.line, Switch::Lock, true),
        Errno::NOTTY,
    )?;
    fails(
        "seek",
        rustix::fs::seek(&pair.line, rustix::fs::SeekFrom::Start(0)),
        Errno::SPIPE,
    )
}

/// More than any buffer holds goes through, in order.
fn much_output() -> Verdict {
    let pair = Pair::raw()?;
    fcntl_setfl(&pair.line, OFlags::NONBLOCK).told("fcntl")?;
    let (mut given, mut taken) = (0u32, 0u32);
    while taken < 60_000 {
        let bytes: Vec<u8> = (given..(given + 1000).min(60_000))
            .map(|n| (n % 251) as u8)
            .collect();
        match write(&pair.line, &bytes) {
            Ok(count) => given += count as u32,
            Err(Errno::AGAIN) => {}
            Err(errno) => return Err(format!("write: {errno}")),
        }
        ready(&pair.master)?;
        let mut buffer = [0; 700];
        let count = read(&pair.master, &mut buffer).told("read")?;
        let wanted: Vec<u8> = (taken..taken + count as u32)
            .map(|n| (n % 251) as u8)
            .collect();
        text("read", &buffer[..count], &wanted)?;
        taken += count as u32;
    }
    Ok(())
}

fn no_terminal() -> Verdict {
    let null = open("/dev/null", OFlags::RDWR, Mode::empty()).told("open")?;
    check(!isatty(&null), || "/dev/null is one".to_owned())?;
    fails("tcgetattr", tcgetattr(&null), Errno::NOTTY)?;
    fails("TIOCGPTN", ask(&null, Word::Number), Errno::NOTTY)
}
