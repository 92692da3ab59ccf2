//! What /proc/PID/fdinfo tells of files that are events (proc(5)).

use crate::fs::event::{Epoll, Event};
use crate::fs::{Fs, Node};
use crate::views::text::{Text, put};

/// Appends the lines of an event.
pub(super) fn describe(text: &mut Text, fs: &Fs, event: &Event, now: u64) {
    match event {
        Event::Counter(counter) => {
            put!(text, "eventfd-count: {:16x}\n", counter.value());
            put!(text, "eventfd-id: {}\n", counter.id);
            let semaphore = u8::from(counter.semaphore);
            put!(text, "eventfd-semaphore: {semaphore}\n");
        }
        Event::Timer(timer) => {
            let (left, every) = timer.left(now);
            put!(text, "clockid: {}\n", timer.clock);
            put!(text, "ticks: {}\n", timer.ticks());
            put!(text, "settime flags: 0{:o}\n", timer.flags);
            put!(text, "it_value: {}\n", Span(left));
            put!(text, "it_interval: {}\n", Span(every));
        }
        Event::Signals(mask) => put!(text, "sigmask:\t{mask:016x}\n"),
        Event::Epoll(epoll) => items(text, fs, epoll),
    }
}

/// Items of an epoll that are told: more would make a long trap.
const ITEMS_TOLD: usize = 64;

fn items(text: &mut Text, fs: &Fs, epoll: &Epoll) {
    for ((fd, file), item) in epoll.items.iter().take(ITEMS_TOLD) {
        let Some(file) = fs.files.get(*file) else {
            continue;
        };
        let at = file.at.pos();
        let ino = match at.node {
            Node::Inode(id) => fs.inodes.get(id).map_or(0, |inode| inode.ino),
            Node::View(_) => 0,
        };
        let dev = fs.super_of(at.mount).map_or(0, |sb| sb.dev);
        let (events, data, pos) = (item.events, item.data, file.offset);
        put!(text, "tfd: {fd:8} events: {events:8x} data: {data:16x} ");
        put!(text, " pos:{pos} ino:{ino:x} sdev:{dev:x}\n");
    }
}

/// Nanoseconds as `(seconds, nanoseconds)`.
struct Span(u64);

impl core::fmt::Display for Span {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "({}, {})",
            self.0 / 1_000_000_000,
            self.0 % 1_000_000_000
        )
    }
}
