//! Threads that tell each other something.

use std::sync::mpsc::{RecvTimeoutError, TryRecvError, channel, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Case, Verdict, same, told};

pub const CASES: &[Case] = &[
    ("many-producers", many_producers),
    ("rendezvous", rendezvous),
    ("pipeline", pipeline),
    ("receive-in-time", receive_in_time),
    ("park-and-unpark", park_and_unpark),
];

fn many_producers() -> Verdict {
    let (say, hear) = channel();
    let producers: Vec<_> = (0..8u64)
        .map(|number| {
            let say = say.clone();
            thread::spawn(move || (0..1000).all(|turn| say.send(number * 1000 + turn).is_ok()))
        })
        .collect();
    drop(say);
    let mut all: Vec<u64> = hear.iter().collect();
    for producer in producers {
        same("sent", told("join", producer.join())?, true)?;
    }
    all.sort_unstable();
    same("received", all, (0..8000).collect())
}

fn rendezvous() -> Verdict {
    let (say, hear) = sync_channel(0);
    let producer = thread::spawn(move || (0..200).all(|turn| say.send(turn).is_ok()));
    let all: Vec<u32> = hear.iter().collect();
    same("received", all, (0..200).collect())?;
    same("sent", told("join", producer.join())?, true)
}

/// Each of these threads adds one to what goes by.
fn pipeline() -> Verdict {
    const STEPS: usize = 12;
    let (first, mut last) = channel::<usize>();
    for _ in 0..STEPS {
        let (say, hear) = channel();
        thread::spawn(move || last.into_iter().all(|number| say.send(number + 1).is_ok()));
        last = hear;
    }
    for number in 0..100 {
        told("send", first.send(number))?;
    }
    drop(first);
    same(
        "received",
        last.iter().collect(),
        (STEPS..STEPS + 100).collect::<Vec<_>>(),
    )
}

fn receive_in_time() -> Verdict {
    let (say, hear) = channel::<u8>();
    same("nothing yet", hear.try_recv(), Err(TryRecvError::Empty))?;
    let begin = Instant::now();
    let nothing = hear.recv_timeout(Duration::from_millis(5));
    same("in time", nothing, Err(RecvTimeoutError::Timeout))?;
    same(
        "long enough",
        begin.elapsed() >= Duration::from_millis(5),
        true,
    )?;
    told("send", say.send(7))?;
    same(
        "something",
        hear.recv_timeout(Duration::from_secs(60)),
        Ok(7),
    )?;
    drop(say);
    let end = hear.recv_timeout(Duration::from_secs(60));
    same("nobody", end, Err(RecvTimeoutError::Disconnected))
}

fn park_and_unpark() -> Verdict {
    let parked = thread::spawn(|| {
        // It may wake up for no reason, and an early unpark is not lost.
        for _ in 0..50 {
            thread::park_timeout(Duration::from_secs(60));
        }
    });
    while !parked.is_finished() {
        parked.thread().unpark();
        thread::yield_now();
    }
    told("join", parked.join())?;
    let begin = Instant::now();
    let early = Duration::from_millis(3);
    while begin.elapsed() < early {
        thread::park_timeout(early);
    }
    Ok(())
}
