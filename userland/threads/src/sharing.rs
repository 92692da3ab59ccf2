//! Threads that share something.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, OnceLock, RwLock};
use std::thread;
use std::time::Duration;

use crate::{Case, Verdict, same, told};

pub const CASES: &[Case] = &[
    ("mutex", mutex),
    ("condition", condition),
    ("condition-in-time", condition_in_time),
    ("readers-and-writers", readers_and_writers),
    ("barrier", barrier),
    ("once", once),
    ("atomics", atomics),
    ("scoped", scoped),
];

/// Runs the same in so many threads.
fn in_threads(count: usize, work: impl Fn(usize) + Send + Sync) -> Verdict {
    thread::scope(|scope| {
        let handles: Vec<_> = (0..count)
            .map(|n| {
                scope.spawn({
                    let work = &work;
                    move || work(n)
                })
            })
            .collect();
        handles
            .into_iter()
            .try_for_each(|handle| told("join", handle.join()))
    })
}

fn mutex() -> Verdict {
    let sum = Mutex::new(0u64);
    in_threads(8, |_| {
        for _ in 0..500 {
            if let Ok(mut sum) = sum.lock() {
                let before = *sum;
                thread::yield_now();
                *sum = before + 1;
            }
        }
    })?;
    same("sum", told("lock", sum.into_inner())?, 4000)
}

/// Two threads take turns.
fn condition() -> Verdict {
    let turn = Arc::new((Mutex::new(0u32), Condvar::new()));
    let play = |own: u32, turn: Arc<(Mutex<u32>, Condvar)>| {
        for _ in 0..300 {
            let Ok(guard) = turn.0.lock() else { return };
            let waited = turn.1.wait_while(guard, |next| *next % 2 != own);
            let Ok(mut next) = waited else { return };
            *next += 1;
            turn.1.notify_all();
        }
    };
    let other = thread::spawn({
        let turn = turn.clone();
        move || play(1, turn)
    });
    play(0, turn.clone());
    told("join", other.join())?;
    let turns = *told("lock", turn.0.lock())?;
    same("turns", turns, 600)
}

fn condition_in_time() -> Verdict {
    let (lock, condition) = (Mutex::new(()), Condvar::new());
    let guard = told("lock", lock.lock())?;
    let nobody = condition.wait_timeout_while(guard, Duration::from_millis(4), |()| true);
    let (_guard, result) = told("wait", nobody)?;
    same("timed out", result.timed_out(), true)
}

fn readers_and_writers() -> Verdict {
    let pair = RwLock::new((0u64, 0u64));
    let torn = AtomicU64::new(0);
    in_threads(6, |number| {
        for _ in 0..300 {
            if number < 2 {
                if let Ok(mut pair) = pair.write() {
                    pair.0 += 1;
                    thread::yield_now();
                    pair.1 += 1;
                }
            } else if let Ok(pair) = pair.read() {
                torn.fetch_add(u64::from(pair.0 != pair.1), Ordering::Relaxed);
            }
        }
    })?;
    same("torn", torn.into_inner(), 0)?;
    same("written", told("lock", pair.into_inner())?, (600, 600))
}

fn barrier() -> Verdict {
    let barrier = Barrier::new(5);
    let (arrived, leaders, wrong) = (AtomicU64::new(0), AtomicU64::new(0), AtomicU64::new(0));
    in_threads(5, |_| {
        for round in 1..=20 {
            arrived.fetch_add(1, Ordering::SeqCst);
            let leads = barrier.wait().is_leader();
            leaders.fetch_add(u64::from(leads), Ordering::SeqCst);
            let all = arrived.load(Ordering::SeqCst) == 5 * round;
            wrong.fetch_add(u64::from(!all), Ordering::SeqCst);
            barrier.wait();
        }
    })?;
    same("early", wrong.into_inner(), 0)?;
    same("leaders", leaders.into_inner(), 20)
}

fn once() -> Verdict {
    static TIMES: AtomicU64 = AtomicU64::new(0);
    static ONCE: Once = Once::new();
    static VALUE: OnceLock<u64> = OnceLock::new();
    in_threads(8, |_| {
        ONCE.call_once(|| {
            thread::sleep(Duration::from_millis(2));
            TIMES.fetch_add(1, Ordering::SeqCst);
        });
        VALUE.get_or_init(|| TIMES.fetch_add(10, Ordering::SeqCst));
    })?;
    same("times", TIMES.load(Ordering::SeqCst), 11)?;
    same("value", VALUE.get(), Some(&1))
}

fn atomics() -> Verdict {
    let sum = AtomicU64::new(0);
    in_threads(16, |number| {
        for _ in 0..2000 {
            sum.fetch_add(number as u64, Ordering::Relaxed);
        }
    })?;
    same("sum", sum.into_inner(), 2000 * 120)
}

fn scoped() -> Verdict {
    let mut numbers: Vec<u64> = (0..1000).collect();
    thread::scope(|scope| {
        for part in numbers.chunks_mut(125) {
            scope.spawn(move || part.iter_mut().for_each(|number| *number *= 2));
        }
    });
    same("doubled", numbers, (0..1000).map(|n| n * 2).collect())?;
    let names: Mutex<BTreeSet<String>> = Mutex::default();
    in_threads(40, |number| {
        if let Ok(mut names) = names.lock() {
            names.insert(format!("{number} {:?}", thread::current().id()));
        }
    })?;
    same("threads", told("lock", names.into_inner())?.len(), 40)
}
