//! Futexes, and those that a dead thread held.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::SeqCst;
use std::thread;

use berth_sys::audit::pause_ms;
use berth_sys::memory::{Region, Sharing};
use berth_sys::raw::exit;
use berth_sys::signals::{self, Action};
use berth_sys::threads::{self, word};
use rustix::io::Errno;
use rustix::thread::futex::{self, Flags, WakeOp, WakeOpCmp};
use rustix::thread::{Timespec, gettid};

use super::misc::monotonic;
use super::{Case, Told, Verdict, check, child, ended, fails, same};

const WAIT: i32 = 0;
const WAKE: i32 = 1;
const WAIT_BITSET: i32 = 9;
const WAKE_BITSET: i32 = 10;
const PRIVATE: i32 = 128;
const REALTIME: i32 = 256;
const SECOND: i64 = 1_000_000_000;

pub const CASES: &[Case] = &[
    ("threads/futex-errors", errors),
    ("threads/futex-times-out", times_out),
    ("threads/futex-wakes", wakes),
    ("threads/futex-bits", bits),
    ("threads/futex-requeue", requeue),
    ("threads/futex-wake-op", wake_op),
    ("threads/futex-between-processes", between_processes),
    ("threads/futex-and-signals", and_signals),
    ("threads/robust-owner-died", robust_owner_died),
    (
        "threads/robust-owner-was-about-to",
        robust_owner_was_about_to,
    ),
    ("threads/robust-list-of-many", robust_list_of_many),
    ("threads/robust-list-is-told", robust_list_is_told),
];

static WORD: AtomicU32 = AtomicU32::new(0);
static OTHER: AtomicU32 = AtomicU32::new(0);

fn address(word: &AtomicU32) -> u64 {
    word.as_ptr() as u64
}

fn errors() -> Verdict {
    let at = address(&WORD);
    fails("value", threads::futex(at, WAIT, 1, None), Errno::AGAIN)?;
    fails(
        "alignment",
        threads::futex(at + 1, WAIT, 0, None),
        Errno::INVAL,
    )?;
    fails(
        "alignment",
        threads::futex(at + 2, WAKE, 1, None),
        Errno::INVAL,
    )?;
    fails("nowhere", threads::futex(8, WAIT, 0, None), Errno::FAULT)?;
    fails("nowhere", threads::futex(8, WAKE, 1, None), Errno::FAULT)?;
    same(
        "nobody waits there",
        threads::futex(8, WAKE | PRIVATE, 1, None),
        Ok(0),
    )?;
    let kernel = threads::futex(1 << 63, WAKE | PRIVATE, 1, None);
    fails("the kernel's", kernel, Errno::FAULT)?;
    fails(
        "no bits",
        threads::futex(at, WAKE_BITSET, 1, None),
        Errno::INVAL,
    )?;
    fails(
        "no bits",
        threads::futex(at, WAIT_BITSET, 0, None),
        Errno::INVAL,
    )?;
    fails("command", threads::futex(at, 77, 0, None), Errno::NOSYS)?;
    fails(
        "clock",
        threads::futex(at, WAIT | REALTIME, 0, None),
        Errno::NOSYS,
    )?;
    fails(
        "clock",
        threads::futex(at, WAKE | REALTIME, 0, None),
        Errno::NOSYS,
    )?;
    for time in [[-1, 0], [0, SECOND], [0, -1]] {
        fails(
            "time",
            threads::futex(at, WAIT, 0, Some(time)),
            Errno::INVAL,
        )?;
    }
    Ok(())
}

fn times_out() -> Verdict {
    let begin = monotonic();
    let result = threads::futex(address(&WORD), WAIT | PRIVATE, 0, Some([0, 3_000_000]));
    fails("relative", result, Errno::TIMEDOUT)?;
    let passed = monotonic().saturating_sub(begin);
    check(passed >= 3_000_000, || format!("after {passed} ns"))?;
    let wait = |flags, at: i64| {
        let until = Timespec {
            tv_sec: at / SECOND,
            tv_nsec: at % SECOND,
        };
        let all = core::num::NonZeroU32::MAX;
        futex::wait_bitset(&WORD, flags, 0, Some(&until), all)
    };
    let until = monotonic().saturating_add(3_000_000);
    fails("absolute", wait(Flags::PRIVATE, until), Errno::TIMEDOUT)?;
    check(monotonic() >= until, || "too early".to_owned())?;
    let wall = berth_sys::timers::time(0)
        .told("clock")?
        .saturating_add(3_000_000);
    let flags = Flags::PRIVATE | Flags::CLOCK_REALTIME;
    fails("by the wall clock", wait(flags, wall), Errno::TIMEDOUT)?;
    fails("long passed", wait(flags, 1), Errno::TIMEDOUT)
}

/// Starts threads that wait on a word, each with its bits; returns when all of them do.
fn waiters(word: &'static AtomicU32, bits: &[u32]) -> Vec<thread::JoinHandle<bool>> {
    let mut handles = Vec::new();
    for &bits in bits {
        let (say, hear) = std::sync::mpsc::channel();
        handles.push(thread::spawn(move || {
            let bits = core::num::NonZeroU32::new(bits).unwrap_or(core::num::NonZeroU32::MAX);
            let _ = say.send(gettid().as_raw_nonzero().get());
            futex::wait_bitset(word, Flags::PRIVATE, 0, None, bits).is_ok()
        }));
        asleep(hear.recv().unwrap_or(0));
    }
    handles
}

/// Waits until a thread of this process sleeps.
fn asleep(tid: i32) {
    let stat = format!("/proc/self/task/{tid}/stat");
    for _ in 0..2000 {
        let text = std::fs::read_to_string(&stat).unwrap_or_default();
        if text
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('S'))
        {
            return;
        }
        pause_ms(1);
    }
}

/// Wakes everybody who waits on a word, and joins the threads: whether all were woken.
fn join_all(handles: Vec<thread::JoinHandle<bool>>) -> Verdict {
    for handle in handles {
        let woken = handle.join().map_err(|_| "a thread panicked")?;
        check(woken, || "a wait failed".to_owned())?;
    }
    Ok(())
}

fn wakes() -> Verdict {
    let handles = waiters(&WORD, &[u32::MAX; 5]);
    let wake = |most| threads::futex(address(&WORD), WAKE | PRIVATE, most, None);
    same("two", wake(2), Ok(2))?;
    // A count that is none wakes one.
    same("none", wake(0), Ok(1))?;
    same("the rest", wake(100), Ok(2))?;
    same("nobody is left", wake(1), Ok(0))?;
    join_all(handles)
}

fn bits() -> Verdict {
    let handles = waiters(&WORD, &[1, 2, 4, 6]);
    let wake = |bits| {
        let bits = core::num::NonZeroU32::new(bits).ok_or(Errno::INVAL)?;
        futex::wake_bitset(&WORD, Flags::PRIVATE, 10, bits)
    };
    same("nobody's", wake(8), Ok(0))?;
    same("one's", wake(1), Ok(1))?;
    same("two's", wake(2), Ok(2))?;
    same(
        "without bits",
        futex::wake(&WORD, Flags::PRIVATE, 10),
        Ok(1),
    )?;
    join_all(handles)
}

fn requeue() -> Verdict {
    let handles = waiters(&WORD, &[u32::MAX; 4]);
    let changed = futex::cmp_requeue(&WORD, Flags::PRIVATE, 1, 10, &OTHER, 7);
    fails("changed", changed, Errno::AGAIN)?;
    let moved = futex::cmp_requeue(&WORD, Flags::PRIVATE, 1, 2, &OTHER, 0);
    same("woken and moved", moved, Ok(3))?;
    same("there", futex::wake(&OTHER, Flags::PRIVATE, 10), Ok(2))?;
    same("here", futex::wake(&WORD, Flags::PRIVATE, 10), Ok(1))?;
    let nobody = futex::requeue(&WORD, Flags::PRIVATE, 1, 1, &OTHER);
    same("nobody", nobody, Ok(0))?;
    join_all(handles)
}

fn wake_op() -> Verdict {
    let both = |op, argument, cmp, with| {
        futex::wake_op(
            &WORD,
            Flags::PRIVATE,
            10,
            10,
            &OTHER,
            op,
            cmp,
            argument,
            with,
        )
    };
    OTHER.store(0, SeqCst);
    let mut handles = waiters(&WORD, &[u32::MAX; 2]);
    handles.extend(waiters(&OTHER, &[u32::MAX; 3]));
    // The old value is compared, and the first word's waiters are woken in any case.
    same("first", both(WakeOp::Add, 5, WakeOpCmp::Gt, 0), Ok(2))?;
    same("word", OTHER.load(SeqCst), 5)?;
    same("second", both(WakeOp::Or, 2, WakeOpCmp::Eq, 5), Ok(3))?;
    same("word", OTHER.load(SeqCst), 7)?;
    both(WakeOp::AndN, 3, WakeOpCmp::Ge, 0).told("and not")?;
    same("word", OTHER.load(SeqCst), 4)?;
    both(WakeOp::XOrShift, 4, WakeOpCmp::Lt, 0).told("shifted")?;
    same("word", OTHER.load(SeqCst), 20)?;
    both(WakeOp::Set, 0, WakeOpCmp::Ne, 0).told("set")?;
    same("word", OTHER.load(SeqCst), 0)?;
    join_all(handles)
}

fn between_processes() -> Verdict {
    let region = Region::anonymous(1, Sharing::Shared).told("mmap")?;
    let shared = word(&region, 0);
    let pid = child(|| i32::from(futex::wait(shared, Flags::empty(), 0, None).is_err()))?;
    let mut woken = 0;
    for _ in 0..10_000 {
        // Not the same word to who says that nobody else has it.
        same("private", futex::wake(shared, Flags::PRIVATE, 1), Ok(0))?;
        woken = futex::wake(shared, Flags::empty(), 1).told("wake")?;
        if woken > 0 {
            break;
        }
        pause_ms(1);
    }
    same("woken", woken, 1)?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

/// futex(2) is made again after a handler with SA_RESTART, but not when it has a time.
fn and_signals() -> Verdict {
    const RESTART: u64 = 0x1000_0000;
    let times = [
        (RESTART, true, Errno::INTR),
        (0, false, Errno::INTR),
        (RESTART, false, Errno::AGAIN),
    ];
    for (flags, timed, wanted) in times {
        signals::forget();
        signals::action(10, Some(Action::record(flags, 0)), 8).told("sigaction")?;
        WORD.store(0, SeqCst);
        let tid = gettid().as_raw_nonzero().get();
        let pid = std::process::id() as i32;
        let other = thread::spawn(move || {
            asleep(tid);
            // So that a wait that is made again ends.
            WORD.store(1, SeqCst);
            signals::tgkill(pid, tid, 10)
        });
        let time = timed.then_some([60, 0]);
        let result = threads::futex(address(&WORD), WAIT | PRIVATE, 0, time);
        fails("wait", result, wanted)?;
        same("handled", signals::records().len(), 1)?;
        other.join().map_err(|_| "panic")?.told("tgkill")?;
    }
    Ok(())
}

const WAITERS: u32 = 0x8000_0000;
const OWNER_DIED: u32 = 0x4000_0000;

fn robust_region() -> Result<&'static Region, String> {
    let region = Region::anonymous(1, Sharing::Shared).told("mmap")?;
    Ok(Box::leak(Box::new(region)))
}

fn robust_owner_died() -> Verdict {
    for by_signal in [false, true] {
        let region = robust_region()?;
        let lock = word(region, 128);
        let pid = child(|| {
            if threads::robust_list(region, 128, false).is_err() {
                return 1;
            }
            lock.store(
                gettid().as_raw_nonzero().get().unsigned_abs() | WAITERS,
                SeqCst,
            );
            if by_signal {
                let _ = signals::kill(std::process::id() as i32, 9);
            }
            0
        })?;
        ended(pid)?;
        same("word", lock.load(SeqCst), WAITERS | OWNER_DIED)?;
    }
    // What another thread holds is left alone.
    let region = robust_region()?;
    let lock = word(region, 128);
    lock.store(77, SeqCst);
    let pid = child(|| i32::from(threads::robust_list(region, 128, false).is_err()))?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    same("another's", lock.load(SeqCst), 77)
}

/// A list that is as long as is looked at, of a process that ends by itself.
fn robust_list_of_many() -> Verdict {
    const MOST: usize = 2048;
    let region = Region::anonymous(17, Sharing::Shared).told("mmap")?;
    let region: &'static Region = Box::leak(Box::new(region));
    let locks = || (1..=MOST).map(|n| word(region, n * 32));
    let pid = child(|| {
        let tid = gettid().as_raw_nonzero().get().unsigned_abs();
        locks().for_each(|lock| lock.store(tid, SeqCst));
        i32::from(threads::robust_chain(region, MOST, 32).is_err())
    })?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    let marked = locks().filter(|lock| lock.load(SeqCst) == OWNER_DIED);
    same("marked", marked.count(), MOST)
}

/// A thread that dies between giving a lock up and waking the next, or before it took it.
fn robust_owner_was_about_to() -> Verdict {
    let region = robust_region()?;
    let lock = word(region, 128);
    let pid = child(|| {
        if threads::robust_list(region, 128, true).is_err() {
            return 1;
        }
        lock.store(gettid().as_raw_nonzero().get().unsigned_abs(), SeqCst);
        0
    })?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    same("word", lock.load(SeqCst), OWNER_DIED)?;
    lock.store(0, SeqCst);
    let waiter = child(|| i32::from(futex::wait(lock, Flags::empty(), 0, None).is_err()))?;
    // As long as it takes until the waiter waits.
    let stat = format!("/proc/{}/stat", waiter.as_raw_nonzero());
    for _ in 0..2000 {
        let text = std::fs::read_to_string(&stat).unwrap_or_default();
        if text
            .rsplit(") ")
            .next()
            .is_some_and(|rest| rest.starts_with('S'))
        {
            break;
        }
        pause_ms(1);
    }
    let pid = child(|| exit(i32::from(threads::robust_list(region, 128, true).is_err())))?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    same("woken", ended(waiter)?.exit_status(), Some(0))
}

fn robust_list_is_told() -> Verdict {
    let region = robust_region()?;
    threads::robust_list(region, 128, false).told("set_robust_list")?;
    let wanted = Ok((region.address(0), 24));
    same("one's own", threads::get_robust_list(0), wanted)?;
    let own = gettid().as_raw_nonzero().get();
    same("by number", threads::get_robust_list(own), wanted)?;
    fails("nobody's", threads::get_robust_list(i32::MAX), Errno::SRCH)
}
