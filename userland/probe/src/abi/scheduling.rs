//! What there is to know and to change about when a process runs.

use berth_sys::own::{Numbers, numbers};
use berth_sys::records::{OfNumber, Place, of_number};
use berth_sys::threads;
use rustix::io::Errno;

use super::{Case, Told, Verdict, as_user, check, fails, same};

pub const CASES: &[Case] = &[
    ("threads/yield", yields),
    ("threads/priorities-of-policies", priorities_of_policies),
    ("threads/scheduling-parameters", parameters),
    ("threads/slice", slice),
];

const NOBODY: i32 = i32::MAX;

/// Two that share the processor: one that yields lets the other go on.
fn yields() -> Verdict {
    let region = berth_sys::memory::Region::anonymous(1, berth_sys::memory::Sharing::Shared);
    let region = region.told("mmap")?;
    let other = super::child(|| {
        while region.read(0) == 0 {
            let _ = numbers(Numbers::SchedYield, &[]);
        }
        region.write(1, 1);
        0
    })?;
    same("yield", numbers(Numbers::SchedYield, &[]), Ok(0))?;
    region.write(0, 1);
    while region.read(1) == 0 {
        same("yield", numbers(Numbers::SchedYield, &[]), Ok(0))?;
    }
    same("exit", super::ended(other)?.exit_status(), Some(0))
}

fn priorities_of_policies() -> Verdict {
    let (other, fifo, rr, batch, idle, deadline) = (0, 1, 2, 3, 5, 6);
    let range = |policy: i64| {
        let least = numbers(Numbers::SchedGetPriorityMin, &[policy]);
        (least, numbers(Numbers::SchedGetPriorityMax, &[policy]))
    };
    for policy in [fifo, rr] {
        same("real-time", range(policy), (Ok(1), Ok(99)))?;
    }
    for policy in [other, batch, idle, deadline] {
        same("others", range(policy), (Ok(0), Ok(0)))?;
    }
    for policy in [4, 77, -1] {
        let none = (Err(Errno::INVAL), Err(Errno::INVAL));
        same("unknown", range(policy), none)?;
    }
    Ok(())
}

fn parameters() -> Verdict {
    let get = |pid: i32, to: Place<'_>| of_number(OfNumber::SchedGetparam, pid, to);
    let set = |pid: i32, to: Place<'_>| of_number(OfNumber::SchedSetparam, pid, to);
    let mut record = [u64::MAX; 4];
    same("get", get(0, Place::Here(&mut record)), Ok(0))?;
    // One int is written.
    same(
        "priority",
        record,
        [u64::MAX << 32, u64::MAX, u64::MAX, u64::MAX],
    )?;
    same("set", set(0, Place::Here(&mut [0; 4])), Ok(0))?;
    let other = set(0, Place::Here(&mut [1, 0, 0, 0]));
    fails("a priority", other, Errno::INVAL)?;
    for call in [get, set] {
        fails("negative", call(-1, Place::Here(&mut [0; 4])), Errno::INVAL)?;
        fails("null", call(0, Place::Null), Errno::INVAL)?;
        fails(
            "nobody",
            call(NOBODY, Place::Here(&mut [0; 4])),
            Errno::SRCH,
        )?;
        fails("nowhere", call(0, Place::Wild), Errno::FAULT)?;
    }
    let parent = rustix::process::getpid().as_raw_nonzero().get();
    as_user(12_345, 12_345, &[], || {
        fails(
            "another's",
            set(parent, Place::Here(&mut [0; 4])),
            Errno::PERM,
        )?;
        same("looks", get(parent, Place::Here(&mut [0; 4])), Ok(0))
    })?;
    threads::set_policy(0, 3, 0).told("sched_setscheduler")?;
    same("set", set(0, Place::Here(&mut [0; 4])), Ok(0))?;
    same("keeps the policy", threads::policy(0), Ok(3))
}

fn slice() -> Verdict {
    let ask = |pid: i32, to: Place<'_>| of_number(OfNumber::SchedRrGetInterval, pid, to);
    let mut record = [u64::MAX; 4];
    same("own", ask(0, Place::Here(&mut record)), Ok(0))?;
    let [seconds, nanoseconds, behind, _] = record;
    check(seconds == 0 && nanoseconds < 1_000_000_000, || {
        format!("{seconds} s {nanoseconds} ns")
    })?;
    same("behind it", behind, u64::MAX)?;
    fails("negative", ask(-1, Place::Here(&mut record)), Errno::INVAL)?;
    fails("nobody", ask(NOBODY, Place::Here(&mut record)), Errno::SRCH)?;
    fails("nowhere", ask(0, Place::Wild), Errno::FAULT)
}
