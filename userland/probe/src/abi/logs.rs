//! The kernel's log: records (/dev/kmsg), text (syslog(2), /proc/kmsg), and who may read it.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};

use berth_sys::events::ppoll;
use berth_sys::files::syslog;
use rustix::fs::{Mode, OFlags, SeekFrom, open, seek};
use rustix::io::{Errno, read, write};

use super::{Case, Told, Verdict, as_user, check, fails, same};

pub const CASES: &[Case] = &[
    ("logs/records", records),
    ("logs/priorities", priorities),
    ("logs/record-errors", record_errors),
    ("logs/wait-for-a-record", wait_for_a_record),
    ("logs/text", text),
    ("logs/text-line-by-line", text_line_by_line),
    ("logs/text-errors", text_errors),
    ("logs/not-for-everybody", not_for_everybody),
];

const IN: i16 = 1;

/// /dev/kmsg, at its end.
fn at_end() -> Result<OwnedFd, String> {
    let flags = OFlags::RDWR | OFlags::NONBLOCK;
    let log = open("/dev/kmsg", flags, Mode::empty()).told("open")?;
    same("seek", seek(&log, SeekFrom::End(0)), Ok(0))?;
    Ok(log)
}

/// Writes a line with its newline: without one Linux shows it only when the next one comes.
fn log_line(log: &OwnedFd, line: &str) -> Verdict {
    let line = format!("{line}\n");
    same("write", write(log, line.as_bytes()), Ok(line.len()))
}

/// A text that nobody else writes.
fn unique(what: &str) -> String {
    format!("probe {} {what}", std::process::id())
}

/// Reads records until the one with this text, as in the log; its fields.
fn find(log: &OwnedFd, text: &str) -> Result<Vec<String>, String> {
    let mut room = [0; 8192];
    for _ in 0..100 {
        let len = read(log, &mut room).told("read")?;
        let record = String::from_utf8_lossy(room.get(..len).unwrap_or_default());
        let line = record.split_inclusive('\n').next().unwrap_or_default();
        let Some((head, found)) = line.split_once(';') else {
            return Err(format!("no record: {record:?}"));
        };
        if found == format!("{text}\n") {
            return Ok(head.split(',').map(str::to_owned).collect());
        }
    }
    Err(format!("no {text:?}"))
}

fn records() -> Verdict {
    let log = at_end()?;
    let (one, other) = (unique("one"), unique("a\\b\tc\u{e4}"));
    for text in [&one, &other] {
        log_line(&log, text)?;
    }
    let fields = find(&log, &one)?;
    same("priority", fields.first().map(String::as_str), Some("12"))?;
    let number = |fields: &[String]| fields.get(1).and_then(|text| text.parse::<u64>().ok());
    let first = number(&fields).ok_or("no number")?;
    let time = fields.get(2).and_then(|text| text.parse::<u64>().ok());
    check(time.is_some(), || format!("no time: {fields:?}"))?;
    same("flags", fields.get(3).map(String::as_str), Some("-"))?;
    let escaped = unique("a\\x5cb\\x09c\\xc3\\xa4");
    let second = number(&find(&log, &escaped)?).ok_or("no number")?;
    check(second > first, || format!("{second} after {first}"))?;
    // Another reader begins with what is kept, and has all of it.
    let again = File::open("/dev/kmsg").told("open")?;
    let again = OwnedFd::from(again);
    let mut room = [0; 8192];
    check(read(&again, &mut room).is_ok_and(|len| len > 0), || {
        "another reader has nothing".to_owned()
    })
}

fn priorities() -> Verdict {
    let log = at_end()?;
    for (prefix, priority) in [("<3>", "11"), ("<30>", "30"), ("<0>", "8")] {
        let text = unique(prefix.trim_matches(['<', '>']));
        log_line(&log, &format!("{prefix}{text}"))?;
        let fields = find(&log, &text)?;
        same(prefix, fields.first().map(String::as_str), Some(priority))?;
    }
    Ok(())
}

fn record_errors() -> Verdict {
    let log = at_end()?;
    fails("too long", write(&log, &[b'x'; 5000]), Errno::INVAL)?;
    fails("offset", seek(&log, SeekFrom::Start(1)), Errno::SPIPE)?;
    fails("from here", seek(&log, SeekFrom::Current(0)), Errno::INVAL)?;
    log_line(&log, &unique("errors"))?;
    fails("small room", read(&log, &mut [0; 4]), Errno::INVAL)?;
    same("to the beginning", seek(&log, SeekFrom::Start(0)), Ok(0))?;
    same("to the end", seek(&log, SeekFrom::End(0)), Ok(0))?;
    let only = open("/dev/kmsg", OFlags::WRONLY, Mode::empty()).told("open to write")?;
    fails("write only", read(&only, &mut [0; 100]), Errno::BADF)?;
    let only = open("/dev/kmsg", OFlags::RDONLY, Mode::empty()).told("open to read")?;
    fails("read only", write(&only, b"x"), Errno::BADF)
}

fn wait_for_a_record() -> Verdict {
    use std::os::fd::AsRawFd;
    let log = at_end()?;
    let ready = |ms: i64| -> Result<i16, String> {
        let mut set = [(log.as_raw_fd(), IN | 4)];
        let time = [0, ms.saturating_mul(1_000_000)];
        ppoll(&mut set, Some(&time), None).told("ppoll")?;
        Ok(set[0].1)
    };
    same("nothing", ready(0)?, 0)?;
    fails("no record", read(&log, &mut [0; 8192]), Errno::AGAIN)?;
    let text = unique("later");
    let pid = super::child(|| {
        berth_sys::audit::pause_ms(30);
        let file = open("/dev/kmsg", OFlags::WRONLY, Mode::empty());
        i32::from(!file.is_ok_and(|file| log_line(&file, &text).is_ok()))
    })?;
    same("something", ready(900)?, IN)?;
    same("writer", super::ended(pid)?.exit_status(), Some(0))?;
    find(&log, &text).map(drop)
}

fn text() -> Verdict {
    let line = unique("as text");
    let log = at_end()?;
    log_line(&log, &format!("<5>{line}\nmore"))?;
    let size = syslog(10, &mut [], 0).told("size")?;
    check(size > 1000, || format!("size {size}"))?;
    let mut room = vec![0; 4096];
    let len = syslog(3, &mut room, 4096).told("read all")?;
    let text = String::from_utf8_lossy(room.get(..len).unwrap_or_default()).into_owned();
    let mut lines = text.lines().skip_while(|text| !text.ends_with(&line));
    let prefix = |text: Option<&str>, end: &str| -> Verdict {
        let text = text.ok_or("no line")?;
        let time = text.strip_prefix("<13>[").and_then(|t| t.strip_suffix(end));
        let time = time.and_then(|t| t.strip_suffix("] "));
        let right = time.is_some_and(|t| t.len() >= 12 && t.trim().parse::<f64>().is_ok());
        check(right, || format!("{text:?}"))
    };
    prefix(lines.next(), &line)?;
    prefix(lines.next(), "more")?;
    // Only whole lines from the end.
    let len = syslog(3, &mut room, 64).told("read all")?;
    let text = String::from_utf8_lossy(room.get(..len).unwrap_or_default()).into_owned();
    let right = len <= 64 && (text.is_empty() || text.starts_with('<') && text.ends_with('\n'));
    check(right, || format!("{text:?}"))
}

/// What is read here is gone for others who read the same way: on Linux there may be such a one.
fn text_line_by_line() -> Verdict {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let lines = open("/proc/kmsg", flags, Mode::empty()).told("open")?;
    let mut room = [0; 8192];
    while read(&lines, &mut room).is_ok_and(|len| len > 0) {}
    let line = unique("once");
    let log = at_end()?;
    log_line(&log, &line)?;
    let unread = syslog(9, &mut [], 0).told("unread")?;
    check(unread >= line.len().saturating_add(19), || {
        format!("{unread} unread")
    })?;
    // A line that does not fit is read in parts.
    let first = read(&lines, room.get_mut(..10).unwrap_or_default()).told("read")?;
    same("first part", first, 10)?;
    let rest = read(lines.as_fd(), room.get_mut(10..).unwrap_or_default()).told("read")?;
    let whole = room.get(..rest.saturating_add(10)).unwrap_or_default();
    let whole = String::from_utf8_lossy(whole).into_owned();
    check(
        whole.starts_with("<12>[") && whole.ends_with(&format!("] {line}\n")),
        || format!("{whole:?}"),
    )?;
    fails("no more", read(&lines, &mut room), Errno::AGAIN)
}

fn text_errors() -> Verdict {
    let mut room = [0; 64];
    fails("action", syslog(11, &mut room, 64), Errno::INVAL)?;
    fails("action", syslog(-1, &mut room, 64), Errno::INVAL)?;
    fails("length", syslog(3, &mut room, -1), Errno::INVAL)?;
    fails("nowhere", syslog(3, &mut [], 64), Errno::INVAL)?;
    fails("nowhere", syslog(2, &mut [], 64), Errno::INVAL)?;
    same("no room", syslog(3, &mut room, 0), Ok(0))?;
    same("no room", syslog(2, &mut room, 0), Ok(0))?;
    fails("level", syslog(8, &mut [], 0), Errno::INVAL)?;
    fails("level", syslog(8, &mut [], 9), Errno::INVAL)?;
    same("open", syslog(1, &mut [], 0), Ok(0))?;
    same("close", syslog(0, &mut [], 0), Ok(0))
}

fn not_for_everybody() -> Verdict {
    let restricted = std::fs::read_to_string("/proc/sys/kernel/dmesg_restrict").told("setting")?;
    same("dmesg_restrict", restricted.trim(), "1")?;
    as_user(1000, 1000, &[], || {
        fails("size", syslog(10, &mut [], 0), Errno::PERM)?;
        fails("text", syslog(3, &mut [0; 64], 64), Errno::PERM)?;
        fails("no action", syslog(11, &mut [], 0), Errno::PERM)?;
        let read = |path: &str| open(path, OFlags::RDONLY, Mode::empty());
        fails("/dev/kmsg", read("/dev/kmsg"), Errno::PERM)?;
        fails("/proc/kmsg", read("/proc/kmsg"), Errno::ACCESS)
    })
}
