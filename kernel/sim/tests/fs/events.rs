//! Files that are events: what they keep, and what they leave behind.

use crate::bench::{Bench, OUT, e};
use berth_kernel::disturb::Kind;
use berth_kernel::error::Errno;
use linux_raw_sys::general as linux;

fn counter(b: &mut Bench, value: u64) -> u64 {
    let flags = u64::from(linux::EFD_NONBLOCK);
    b.call(linux::__NR_eventfd2, &[value, flags]).unwrap()
}

fn epoll(b: &mut Bench) -> u64 {
    b.call(linux::__NR_epoll_create1, &[0]).unwrap()
}

fn watch(b: &mut Bench, set: u64, fd: u64, events: u32) -> Result<u64, i32> {
    let mut event = events.to_le_bytes().to_vec();
    event.extend_from_slice(&fd.to_le_bytes());
    b.put(OUT, &event);
    let add = u64::from(linux::EPOLL_CTL_ADD);
    b.call(linux::__NR_epoll_ctl, &[set, add, fd, OUT])
}

/// The numbers of those that are ready.
fn ready(b: &mut Bench, set: u64, most: u64) -> Vec<u64> {
    let count = b
        .call(linux::__NR_epoll_wait, &[set, OUT, most, 0])
        .unwrap();
    let bytes = b.get(OUT, 12 * count as usize);
    let data = |event: &[u8]| u64::from_le_bytes(event[4..].try_into().unwrap());
    bytes.chunks(12).map(data).collect()
}

fn add(b: &mut Bench, fd: u64, value: u64) {
    b.write(fd, &value.to_le_bytes()).unwrap();
}

fn number(b: &mut Bench, fd: u64) -> Result<u64, i32> {
    let bytes = b.read(fd, 8)?;
    Ok(u64::from_le_bytes(bytes.try_into().unwrap()))
}

const EDGE: u32 = linux::EPOLLIN | linux::EPOLLET;

fn one_of_each(b: &mut Bench) -> [u64; 4] {
    b.put(OUT, &[0xff; 8]);
    let timer = b.call(linux::__NR_timerfd_create, &[1, 0]).unwrap();
    let all = u64::MAX;
    let signals = b.call(linux::__NR_signalfd4, &[all, OUT, 8, 0]).unwrap();
    [counter(b, 0), timer, signals, epoll(b)]
}

#[test]
fn nothing_is_left_of_events() {
    let mut b = Bench::new();
    let fds = one_of_each(&mut b);
    let set = fds[3];
    for fd in &fds[..3] {
        watch(&mut b, set, *fd, EDGE).unwrap();
    }
    // A timer that is set, and a pipe that is watched twice.
    b.put(
        OUT,
        &[0, 0, 5_000_000_000, 0].map(u64::to_le_bytes).concat(),
    );
    let set_time = [fds[1], 0, OUT, 0];
    b.put(OUT + 16, &5u64.to_le_bytes());
    b.put(OUT + 24, &0u64.to_le_bytes());
    b.call(linux::__NR_timerfd_settime, &set_time).unwrap();
    b.call(linux::__NR_pipe2, &[OUT, 0]).unwrap();
    let ends = b.word(OUT);
    for fd in [ends & 0xffff_ffff, ends >> 32] {
        watch(&mut b, set, fd, linux::EPOLLIN | linux::EPOLLOUT).unwrap();
    }
    b.call(linux::__NR_close_range, &[0, 100, 0]).unwrap();
    b.end();
}

#[test]
fn refused_memory_leaves_nothing_and_the_call_is_made_again() {
    let mut b = Bench::new();
    for refused in 0.. {
        b.k.groups.disturb.due = Some((refused, Kind::Refusal));
        let name = b.text("name");
        let event = counter(&mut b, 0);
        let timer = b.call(linux::__NR_timerfd_create, &[0, 0]).unwrap();
        let memory = b.call(linux::__NR_memfd_create, &[name, 3]).unwrap();
        let set = epoll(&mut b);
        watch(&mut b, set, event, EDGE).unwrap();
        watch(&mut b, set, timer, EDGE).unwrap();
        assert_eq!(b.write(memory, b"content"), Ok(7));
        add(&mut b, event, 1);
        assert_eq!(ready(&mut b, set, 4), [event], "refusal {refused}");
        assert_eq!(
            [event, timer, memory, set],
            [0, 1, 2, 3],
            "refusal {refused}"
        );
        for fd in [event, set, memory, timer] {
            b.close(fd);
        }
        if b.k.groups.disturb.due.take().is_some() {
            assert!(refused >= 8, "only {refused} charges");
            break;
        }
    }
    b.end();
}

#[test]
fn a_closed_file_leaves_every_epoll() {
    let mut b = Bench::new();
    let sets: Vec<u64> = (0..200).map(|_| epoll(&mut b)).collect();
    let fd = counter(&mut b, 1);
    for set in &sets {
        watch(&mut b, *set, fd, linux::EPOLLIN).unwrap();
    }
    b.close(fd);
    let again = counter(&mut b, 1);
    assert_eq!(again, fd, "the number is used again");
    assert_eq!(ready(&mut b, sets[199], 4), []);
    // While work is left to do, the new file is not taken for the old one.
    watch(&mut b, sets[199], again, linux::EPOLLIN).unwrap();
    assert_eq!(ready(&mut b, sets[199], 4), [again]);
    b.work();
    b.close(again);
    for set in sets {
        b.close(set);
    }
    b.end();
}

#[test]
fn an_epoll_of_many_goes_in_parts() {
    let mut b = Bench::new();
    let set = epoll(&mut b);
    let fd = counter(&mut b, 1);
    let twins: Vec<u64> = (0..800)
        .map(|_| b.call(linux::__NR_dup, &[fd]).unwrap())
        .collect();
    for twin in &twins {
        watch(&mut b, set, *twin, EDGE).unwrap();
    }
    assert_eq!(ready(&mut b, set, 1000), twins, "all at once, in order");
    assert_eq!(ready(&mut b, set, 1000), []);
    add(&mut b, fd, 1);
    assert_eq!(ready(&mut b, set, 500), twins[..500]);
    assert_eq!(ready(&mut b, set, 500), twins[500..]);
    b.close(set);
    assert!(!b.k.work.is_empty());
    b.work();
    b.close(fd);
    for twin in twins {
        b.close(twin);
    }
    b.end();
}

#[test]
fn everybody_is_told_however_many_they_are() {
    let mut b = Bench::new();
    let fd = counter(&mut b, 0);
    let sets: Vec<u64> = (0..400).map(|_| epoll(&mut b)).collect();
    for set in &sets {
        watch(&mut b, *set, fd, EDGE).unwrap();
    }
    for turn in 0..3 {
        add(&mut b, fd, 1);
        for set in sets.iter().rev() {
            assert_eq!(ready(&mut b, *set, 4), [fd], "turn {turn}");
            assert_eq!(ready(&mut b, *set, 4), []);
        }
    }
    b.call(linux::__NR_close_range, &[0, 1000, 0]).unwrap();
    b.end();
}

#[test]
fn a_timer_that_nobody_reads_costs_nothing() {
    let mut b = Bench::new();
    let timer = b.call(linux::__NR_timerfd_create, &[1, 0o4000]).unwrap();
    let spec = [0u64, 1, 0, 1].map(u64::to_le_bytes).concat();
    b.put(OUT, &spec);
    b.call(linux::__NR_timerfd_settime, &[timer, 0, OUT, 0])
        .unwrap();
    let begin = b.m.time;
    b.m.time += 1_000_000_000_000;
    let count = number(&mut b, timer).unwrap();
    assert!(
        count >= 999_999_999_999 && count <= b.m.time - begin + 1,
        "{count}"
    );
    b.close(timer);
    b.end();
}

#[test]
fn many_timers_go_off_together() {
    let mut b = Bench::new();
    let set = epoll(&mut b);
    let timers: Vec<u64> = (0..200)
        .map(|_| b.call(linux::__NR_timerfd_create, &[1, 0o4000]).unwrap())
        .collect();
    for timer in &timers {
        watch(&mut b, set, *timer, EDGE).unwrap();
        b.put(OUT, &[0u64, 0, 1, 0].map(u64::to_le_bytes).concat());
        b.call(linux::__NR_timerfd_settime, &[*timer, 0, OUT, 0])
            .unwrap();
    }
    assert_eq!(ready(&mut b, set, 300), []);
    let mut seen = Vec::new();
    while seen.len() < timers.len() {
        let count = b
            .call(linux::__NR_epoll_wait, &[set, OUT, 300, 5000])
            .unwrap();
        assert!(count > 0, "{} of them", seen.len());
        let bytes = b.get(OUT, 12 * count as usize);
        seen.extend(
            bytes
                .chunks(12)
                .map(|e| u64::from_le_bytes(e[4..].try_into().unwrap())),
        );
    }
    seen.sort_unstable();
    assert_eq!(seen, timers);
    b.call(linux::__NR_close_range, &[0, 1000, 0]).unwrap();
    b.end();
}

#[test]
fn waiting_for_nothing_is_for_ever() {
    let mut b = Bench::new();
    let set = epoll(&mut b);
    let fd = counter(&mut b, 0);
    watch(&mut b, set, fd, linux::EPOLLIN).unwrap();
    let before = b.k.waits.len();
    let forever = u64::from(u32::MAX);
    assert_eq!(
        b.attempt(linux::__NR_epoll_wait, &[set, OUT, 4, forever]),
        None
    );
    assert_eq!(b.k.waits.len(), before + 1);
}

#[test]
fn a_poll_of_very_many_is_done_in_parts() {
    let mut b = Bench::new();
    let fd = counter(&mut b, 0);
    let limit = [5000u64, 5000].map(u64::to_le_bytes).concat();
    b.put(OUT, &limit);
    let nofile = u64::from(linux::RLIMIT_NOFILE);
    b.call(linux::__NR_prlimit64, &[0, nofile, OUT, 0]).unwrap();
    let entry = [(fd as u32).to_le_bytes(), 1u32.to_le_bytes()].concat();
    b.put(OUT, &entry.repeat(5000));
    assert_eq!(b.call(linux::__NR_poll, &[OUT, 5000, 10]), Ok(0));
    assert_eq!(
        b.call(linux::__NR_poll, &[OUT, 5001, 10]),
        Err(e(Errno::EINVAL))
    );
    add_elsewhere(&mut b, fd);
    assert_eq!(b.call(linux::__NR_poll, &[OUT, 5000, 10]), Ok(5000));
    assert_eq!(b.get(OUT + 8 * 4999, 8)[6..], [1, 0]);
}

/// Adds without touching [`OUT`].
fn add_elsewhere(b: &mut Bench, fd: u64) {
    let at = OUT + (1 << 19);
    b.put(at, &1u64.to_le_bytes());
    b.call(linux::__NR_write, &[fd, at, 8]).unwrap();
}
