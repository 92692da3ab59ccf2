//! Who starts the processes that make wild calls, interrupts what waits, ends what hangs, and starts the next.

use std::sync::atomic::Ordering::Relaxed;

use berth_sys::audit::pause_ms;
use berth_sys::handler::{self, Manner};
use berth_sys::raw::{Fork, exit, fork};
use berth_sys::wild::{self as sys, Progress};
use berth_wild::{Call, Chance};
use rustix::process::{Pid, Signal, kill_process, setsid};

/// What the calls are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crew {
    /// All, in namespaces of their own.
    Inside,
    /// Container calls, by who may make them.
    Owner,
}

/// Who makes how many calls.
pub struct Plan<'a> {
    /// Which calls.
    pub crew: Crew,
    /// What they depend on.
    pub seed: u64,
    /// How many each thread makes.
    pub each: u64,
    /// How many threads a process has.
    pub threads: usize,
    /// A record for each thread of all processes.
    pub board: &'a [Progress],
}

impl Plan<'_> {
    /// Whether all calls are made.
    pub fn is_done(&self) -> bool {
        self.board.iter().all(|one| self.has_ended(one))
    }

    fn has_ended(&self, one: &Progress) -> bool {
        one.calls.load(Relaxed) >= self.each
    }

    /// The call with an index in the program of a thread.
    fn call(&self, thread: usize, index: u64) -> Call {
        let mut chance = Chance::of(self.seed, thread as u64, index);
        match self.crew {
            Crew::Inside => berth_wild::call(&mut chance),
            Crew::Owner => {
                let number = 1024 + chance.below(8) as u32;
                berth_wild::with_number(number, &mut chance)
            }
        }
    }
}

/// Between two looks at the processes, in milliseconds.
const LOOK_MS: u32 = 3;
/// A thread that made no call for so many looks is interrupted; its process ends after so many more.
const PATIENCE: u32 = 2;
const LIMIT: u32 = 12;
/// The looks that a thread may take to begin.
const BEGINNING: u32 = 2000;
/// So many processes in a row may make no call; then the place is damaged, such as by prlimit(2) of its process 1.
const BARREN: u32 = 20;

/// A process that makes calls.
struct Worker<'a> {
    pid: Option<Pid>,
    /// The number of its first thread.
    first: usize,
    threads: &'a [Progress],
    /// For each thread: how far it was, and since how many looks.
    seen: Vec<(u64, u32)>,
    /// Calls made when the last process began, and how many began with so many.
    barren: (u64, u32),
}

/// Keeps the processes of a plan going until all calls are made.
pub fn keep(plan: &Plan<'_>) -> Result<(), String> {
    // A child's end cuts the pause short.
    let told = |errno| move |error: rustix::io::Errno| format!("{errno}: {error}");
    handler::count(rustix::process::Signal::CHILD.as_raw(), Manner::Interrupt)
        .map_err(told("sigaction"))?;
    sys::share().map_err(told("mmap"))?;
    let mut workers: Vec<Worker<'_>> = plan
        .board
        .chunks(plan.threads)
        .enumerate()
        .map(|(number, threads)| Worker {
            pid: None,
            first: number * plan.threads,
            threads,
            seen: Vec::new(),
            barren: (0, 0),
        })
        .collect();
    loop {
        reap(&mut workers);
        let mut busy = false;
        for worker in &mut workers {
            busy |= look(worker, plan)?;
        }
        if !busy {
            break;
        }
        pause_ms(LOOK_MS);
    }
    Ok(())
}

/// Takes note of the workers that have ended. Others' children come here, too.
fn reap(workers: &mut [Worker<'_>]) {
    while let Some(pid) = sys::reap() {
        for worker in workers.iter_mut() {
            worker.pid.take_if(|own| own.as_raw_nonzero().get() == pid);
        }
    }
}

/// Does what a worker needs; whether it has or will have a process.
fn look(worker: &mut Worker<'_>, plan: &Plan<'_>) -> Result<bool, String> {
    let Some(pid) = worker.pid else {
        if worker.threads.iter().all(|one| plan.has_ended(one)) {
            return Ok(false);
        }
        let made = worker
            .threads
            .iter()
            .map(|one| one.calls.load(Relaxed))
            .sum();
        let before = if worker.barren.0 == made {
            worker.barren.1
        } else {
            0
        };
        worker.barren = (made, before + 1);
        if before >= BARREN {
            return Err(format!("{before} processes made no call"));
        }
        for one in worker.threads {
            one.started.fetch_add(1, Relaxed);
        }
        worker.seen = vec![(u64::MAX, 0); worker.threads.len()];
        worker.pid = Some(start(worker, plan)?);
        return Ok(true);
    };
    let over = worker.threads.iter().all(|one| plan.has_ended(one));
    for (one, seen) in worker.threads.iter().zip(&mut worker.seen) {
        if plan.has_ended(one) && !over {
            continue;
        }
        let now = one.calls.load(Relaxed);
        if seen.0 != now {
            *seen = (now, 0);
        }
        seen.1 += 1;
        let begun = one.tid.load(Relaxed) != 0;
        if seen.1 > if begun { LIMIT } else { BEGINNING } {
            one.killed.fetch_add(1, Relaxed);
            seen.1 = 0;
            // It may end just now.
            let _ = kill_process(pid, Signal::KILL);
        } else if begun && seen.1 > PATIENCE && !over {
            one.interrupted.fetch_add(1, Relaxed);
            sys::interrupt(pid.as_raw_nonzero().get(), one);
        }
    }
    Ok(true)
}

/// Starts a process with all its threads.
fn start(worker: &Worker<'_>, plan: &Plan<'_>) -> Result<Pid, String> {
    for one in worker.threads {
        one.tid.store(0, Relaxed);
    }
    match fork().map_err(|errno| format!("fork: {errno}"))? {
        Fork::Parent(pid) => Ok(pid),
        Fork::Child => {
            // What goes to the own group shall not reach the keeper's.
            let _ = setsid();
            if sys::furnish().is_err() {
                exit(3);
            }
            if plan.crew == Crew::Inside {
                sys::open_files();
            }
            work(worker, plan)
        }
    }
}

/// Makes the calls of all threads.
fn work(worker: &Worker<'_>, plan: &Plan<'_>) -> ! {
    let run = |place: usize| -> ! {
        match worker.threads.get(place) {
            Some(one) => sys::run(one, plan.each, |index| {
                plan.call(worker.first + place, index)
            }),
            None => exit(3),
        }
    };
    std::thread::scope(|scope| {
        for place in 1..worker.threads.len() {
            scope.spawn(move || run(place));
        }
        run(0)
    })
}
