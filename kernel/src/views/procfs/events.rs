//! What /proc/PID/fdinfo tells of files that are events (proc(5)).

use crate::fs::event::Event;
use crate::views::text::{Text, put};

/// Appends the lines of an event.
pub(super) fn describe(text: &mut Text, event: &Event, now: u64) {
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
