//! The system's names, time and log, and the namespaces that have some of their own.

use std::fs::File;
use std::os::fd::AsRawFd;

use berth_sys::own::{CAP_VERSIONS, Numbers, capset, numbers};
use berth_sys::raw::own_host_name;
use berth_sys::records::{OfRecords, Place, Record, of_records};
use rustix::io::Errno;
use rustix::system::{setdomainname, sethostname, uname};
use rustix::time::{ClockId, clock_gettime};

use super::{Case, Told, Verdict, check, fails, isolated, same};

pub const CASES: &[Case] = &[
    ("misc/host-and-domain-name", host_and_domain_name),
    ("misc/names-are-not-everybodys", names_are_not_everybodys),
    ("misc/back-to-a-namespace", back_to_a_namespace),
    ("misc/what-is-no-namespace", what_is_no_namespace),
    ("misc/time-of-day", time_of_day),
    ("misc/seconds", seconds),
    (
        "misc/time-of-day-is-not-everybodys",
        time_of_day_is_not_everybodys,
    ),
    ("misc/log-is-not-everybodys", log_is_not_everybodys),
];

const NEWNS: i64 = 0x2_0000;
const NEWUTS: i64 = 0x400_0000;

fn without_capabilities() -> Verdict {
    capset(CAP_VERSIONS[2], 0, [0; 3]).told("capset")
}

fn host_name() -> String {
    uname().nodename().to_string_lossy().into_owned()
}

fn host_and_domain_name() -> Verdict {
    own_host_name().told("unshare")?;
    let domain = || uname().domainname().to_string_lossy().into_owned();
    let longest = "x".repeat(64);
    for name in ["one", "", longest.as_str()] {
        sethostname(name.as_bytes()).told("sethostname")?;
        same("host", host_name().as_str(), name)?;
        setdomainname(name.as_bytes()).told("setdomainname")?;
        same("domain", domain().as_str(), name)?;
    }
    let long = "x".repeat(65);
    fails("too long", sethostname(long.as_bytes()), Errno::INVAL)?;
    fails("too long", setdomainname(long.as_bytes()), Errno::INVAL)?;
    // What is behind a NUL is not seen.
    sethostname(b"ab\0cd").told("sethostname")?;
    same("host", host_name().as_str(), "ab")?;
    same("domain", domain(), longest)
}

fn names_are_not_everybodys() -> Verdict {
    own_host_name().told("unshare")?;
    sethostname(b"kept").told("sethostname")?;
    without_capabilities()?;
    fails("host", sethostname(b"x"), Errno::PERM)?;
    fails("domain", setdomainname(b"x"), Errno::PERM)?;
    fails("host", sethostname("x".repeat(65).as_bytes()), Errno::PERM)?;
    same("host", host_name().as_str(), "kept")
}

fn enter(file: &File, kind: i64) -> Result<u64, Errno> {
    numbers(Numbers::Setns, &[i64::from(file.as_raw_fd()), kind])
}

fn back_to_a_namespace() -> Verdict {
    let (before, old) = (host_name(), File::open("/proc/self/ns/uts").told("open")?);
    own_host_name().told("unshare")?;
    sethostname(b"elsewhere").told("sethostname")?;
    let new = File::open("/proc/self/ns/uts").told("open")?;
    same("back", enter(&old, 0), Ok(0))?;
    same("host", host_name(), before)?;
    same("again", enter(&new, NEWUTS), Ok(0))?;
    same("host", host_name().as_str(), "elsewhere")?;
    fails("another kind", enter(&old, NEWNS), Errno::INVAL)?;
    isolated(|| {
        without_capabilities()?;
        fails("not allowed", enter(&old, NEWUTS), Errno::PERM)
    })
}

fn what_is_no_namespace() -> Verdict {
    fails("nothing", numbers(Numbers::Setns, &[-1, 0]), Errno::BADF)?;
    fails(
        "nothing",
        numbers(Numbers::Setns, &[99, NEWUTS]),
        Errno::BADF,
    )?;
    let null = File::open("/dev/null").told("open")?;
    fails("a device", enter(&null, 0), Errno::INVAL)?;
    let status = File::open("/proc/self/status").told("open")?;
    fails("a file of proc", enter(&status, NEWUTS), Errno::INVAL)
}

/// Seconds since 1970 by the clock.
fn now() -> u64 {
    clock_gettime(ClockId::Realtime).tv_sec as u64
}

fn time_of_day() -> Verdict {
    let ask = |one: Place<'_>, other: Place<'_>| of_records(OfRecords::Gettimeofday, one, other);
    let (mut time, mut zone) = ([u64::MAX; 4], [u64::MAX; 4]);
    let before = now();
    let both = ask(Place::Here(&mut time), Place::Here(&mut zone));
    same("both", both, Ok(0))?;
    let [seconds, micros, behind, _] = time;
    check(before <= seconds && seconds <= now(), || {
        format!("{seconds} s after {before}")
    })?;
    check(micros < 1_000_000, || format!("{micros} us"))?;
    same("behind it", behind, u64::MAX)?;
    let [_, behind, ..] = zone;
    same("behind the zone", behind, u64::MAX)?;
    same("none", ask(Place::Null, Place::Null), Ok(0))?;
    fails("nowhere", ask(Place::Wild, Place::Null), Errno::FAULT)?;
    fails("nowhere", ask(Place::Null, Place::Wild), Errno::FAULT)
}

fn seconds() -> Verdict {
    let ask = |place: Place<'_>| of_records(OfRecords::Time, place, Place::Null);
    let before = now();
    let told = ask(Place::Null).told("time")?;
    let mut record = [u64::MAX; 4];
    let written = ask(Place::Here(&mut record)).told("time")?;
    let [first, behind, ..] = record;
    same("written", (first, behind), (written, u64::MAX))?;
    // It is read at the clock's last tick.
    check(
        before <= told + 1 && told <= written && written <= now(),
        || format!("{before}, {told}, {written}"),
    )?;
    fails("nowhere", ask(Place::Wild), Errno::FAULT)
}

fn time_of_day_is_not_everybodys() -> Verdict {
    let set = |one: Place<'_>, other: Place<'_>| of_records(OfRecords::Settimeofday, one, other);
    without_capabilities()?;
    let mut time: Record = [now(), 0, 0, 0];
    fails(
        "time",
        set(Place::Here(&mut time), Place::Null),
        Errno::PERM,
    )?;
    let zone = set(Place::Null, Place::Here(&mut [0; 4]));
    fails("zone", zone, Errno::PERM)?;
    for micros in [1_000_001, u64::MAX] {
        let wrong = set(Place::Here(&mut [1, micros, 0, 0]), Place::Null);
        fails("no such time", wrong, Errno::INVAL)?;
    }
    let negative = set(Place::Here(&mut [u64::MAX, 0, 0, 0]), Place::Null);
    fails("before 1970", negative, Errno::INVAL)?;
    fails("nowhere", set(Place::Wild, Place::Null), Errno::FAULT)?;
    let second = set(Place::Here(&mut time), Place::Wild);
    fails("nowhere", second, Errno::FAULT)
}

fn log_is_not_everybodys() -> Verdict {
    let ask = |action: i64| numbers(Numbers::Syslog, &[action, 0, 0]);
    fails("unknown", ask(11), Errno::INVAL)?;
    fails("unknown", ask(-1), Errno::INVAL)?;
    without_capabilities()?;
    for action in [2, 4, 5, 6, 7, 8, 9, 11] {
        fails(&action.to_string(), ask(action), Errno::PERM)?;
    }
    Ok(())
}
