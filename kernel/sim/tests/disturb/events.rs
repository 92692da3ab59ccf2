//! Pipes, events and waiting for them.

use super::*;

/// Pipes, events and waiting for them.
pub const EVENTS: &[Line] = &[
    (linux::__NR_pipe2, &[OUT + 0x8000, 0], OUT + 0x8000),
    (linux::__NR_write, &[4, TEXT, 11], 0),
    (linux::__NR_poll, &[POLLED, 2, 0], POLLED),
    (linux::__NR_ioctl, &[3, 0x541b, OUT], 0),
    (linux::__NR_read, &[3, OUT + 0x9000, 64], OUT + 0x9000),
    (linux::__NR_ppoll, &[POLLED, 2, SHORT, SIGNALS, 8], POLLED),
    // It does not wait: a signal would rightly end that.
    (linux::__NR_select, &[5, SIGNALS, 0, 0, NO_TIME], SIGNALS),
    (linux::__NR_eventfd2, &[3, 0], 0),
    (linux::__NR_epoll_create1, &[0], 0),
    (linux::__NR_epoll_ctl, &[6, 1, 5, EVENT], 0),
    (linux::__NR_epoll_ctl, &[6, 1, 5, EVENT], 0),
    (
        linux::__NR_epoll_wait,
        &[6, OUT + 0xa000, 4, 0],
        OUT + 0xa000,
    ),
    (linux::__NR_read, &[5, OUT + 0xb000, 8], OUT + 0xb000),
    (linux::__NR_timerfd_create, &[1, 0], 0),
    (linux::__NR_timerfd_settime, &[7, 0, SHORT, OUT], 0),
    (linux::__NR_signalfd4, &[u64::MAX, SIGNALS, 8, 0], 0),
    (linux::__NR_inotify_init1, &[0], 0),
    (linux::__NR_inotify_add_watch, &[9, PROGRAM, 0xfff], 0),
];

tours! {
    events_and_refused_charges: EVENTS Kind::Refusal;
    events_and_absent_memory: EVENTS Kind::Fault;
    events_and_waits: EVENTS Kind::Wait;
    events_and_signals: EVENTS Kind::Signal(WINCH);
}
