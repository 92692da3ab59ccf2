//! Signals.

use std::os::fd::AsFd;

use berth_sys::audit::pause_ms;
use berth_sys::handler::{self, Manner};
use berth_sys::memory::{PAGE, Region, Sharing};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, getpid, kill_process};
use rustix::thread::{NanosleepRelativeResult, Timespec, nanosleep};

use super::{Case, Told, Verdict, check, child, dies, ended, exits, same};

/// SIGUSR1 and others by number, as `handler` has them.
const USR1: i32 = 10;
const USR2: i32 = 12;
const CHLD: i32 = 17;
const STOP: i32 = 19;

pub const CASES: &[Case] = &[
    ("signals/default-ends", || {
        dies(USR1, || send(getpid(), Signal::USR1).unwrap_or(()))
    }),
    ("signals/handler-runs", handler_runs),
    ("signals/sender-is-known", sender_is_known),
    ("signals/ignored", ignored),
    ("signals/held-back", held_back),
    ("signals/once", once),
    ("signals/vectors-survive", vectors_survive),
    ("signals/alternate-stack", alternate_stack),
    ("signals/sleep-is-interrupted", sleep_is_interrupted),
    ("signals/read-is-interrupted", || {
        read_under(Manner::Interrupt)
    }),
    ("signals/read-goes-on", || read_under(Manner::Restart)),
    ("signals/suspend", suspend),
    ("signals/child-ends", child_ends),
    ("signals/kill-cannot-be-caught", kill_cannot_be_caught),
    ("signals/stop-and-continue", stop_and_continue),
    ("signals/handlers-are-inherited", handlers_are_inherited),
    ("signals/pending-is-not-inherited", pending_is_not_inherited),
];

fn send(pid: Pid, signal: Signal) -> Verdict {
    kill_process(pid, signal).told("kill")
}

fn handler_runs() -> Verdict {
    handler::count(USR1, Manner::Interrupt).told("sigaction")?;
    for turn in 1..=3 {
        send(getpid(), Signal::USR1)?;
        same("taken", handler::taken(USR1), turn)?;
    }
    Ok(())
}

fn sender_is_known() -> Verdict {
    // It may come while this process waits.
    handler::count(USR2, Manner::Restart).told("sigaction")?;
    let parent = getpid();
    let pid = child(|| i32::from(send(parent, Signal::USR2).is_err()))?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    same("taken", handler::taken(USR2), 1)?;
    same("sender", handler::sender(), pid.as_raw_nonzero().get())
}

fn ignored() -> Verdict {
    exits(0, || {
        let ignored = handler::ignore(15).is_ok() && send(getpid(), Signal::TERM).is_ok();
        i32::from(!ignored)
    })
}

fn held_back() -> Verdict {
    handler::count(USR1, Manner::Interrupt).told("sigaction")?;
    handler::hold(USR1, true).told("sigprocmask")?;
    send(getpid(), Signal::USR1)?;
    send(getpid(), Signal::USR1)?;
    same("taken", handler::taken(USR1), 0)?;
    same("pending", handler::pending(USR1).told("sigpending")?, true)?;
    handler::hold(USR1, false).told("sigprocmask")?;
    // Two of a standard signal are one.
    same("taken", handler::taken(USR1), 1)?;
    same("pending", handler::pending(USR1).told("sigpending")?, false)
}

fn once() -> Verdict {
    handler::count(USR1, Manner::Once).told("sigaction")?;
    send(getpid(), Signal::USR1)?;
    same("taken", handler::taken(USR1), 1)?;
    dies(USR1, || send(getpid(), Signal::USR1).unwrap_or(()))
}

fn vectors_survive() -> Verdict {
    handler::count(USR1, Manner::Interrupt).told("sigaction")?;
    let survived = handler::vectors_survive(USR1).told("kill")?;
    same("taken", handler::taken(USR1), 1)?;
    check(survived, || "the handler's values stayed".to_owned())
}

fn alternate_stack() -> Verdict {
    let region = Region::anonymous(16, Sharing::Private).told("mmap")?;
    let region: &'static Region = Box::leak(Box::new(region));
    handler::alternate_stack(region, 16 * PAGE).told("sigaltstack")?;
    handler::count(USR1, Manner::AlternateStack).told("sigaction")?;
    send(getpid(), Signal::USR1)?;
    let range = region.address(0)..region.address(16 * PAGE);
    let stack = handler::handler_stack();
    check(range.contains(&stack), || {
        format!("{stack:#x} is not in {range:x?}")
    })
}

/// A child that sends `signal` to this process after a while.
fn later(signal: Signal) -> Result<Pid, String> {
    let parent = getpid();
    child(move || {
        pause_ms(30);
        i32::from(send(parent, signal).is_err())
    })
}

fn sleep_is_interrupted() -> Verdict {
    handler::count(USR1, Manner::Restart).told("sigaction")?;
    let pid = later(Signal::USR1)?;
    let slept = nanosleep(&Timespec {
        tv_sec: 60,
        tv_nsec: 0,
    });
    let NanosleepRelativeResult::Interrupted(rest) = slept else {
        return Err(format!("not interrupted: {slept:?}"));
    };
    check((1..60).contains(&rest.tv_sec), || {
        format!("{rest:?} are left")
    })?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

fn read_under(manner: Manner) -> Verdict {
    handler::count(USR1, manner).told("sigaction")?;
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    let parent = getpid();
    let pid = child(|| {
        pause_ms(30);
        let sent = send(parent, Signal::USR1);
        pause_ms(30);
        i32::from(sent.is_err() || rustix::io::write(&writer, b"x") != Ok(1))
    })?;
    let result = rustix::io::read(reader.as_fd(), &mut [0; 4]);
    let wanted = if manner == Manner::Restart {
        Ok(1)
    } else {
        Err(Errno::INTR)
    };
    same("read", result, wanted)?;
    same("taken", handler::taken(USR1), 1)?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

fn suspend() -> Verdict {
    handler::count(USR1, Manner::Interrupt).told("sigaction")?;
    handler::hold(USR1, true).told("sigprocmask")?;
    let pid = later(Signal::USR1)?;
    same("sigsuspend", handler::suspend_for(USR1), Err(Errno::INTR))?;
    same("taken", handler::taken(USR1), 1)?;
    send(getpid(), Signal::USR1)?;
    same("held back again", handler::taken(USR1), 1)?;
    same("exit", ended(pid)?.exit_status(), Some(0))
}

fn child_ends() -> Verdict {
    handler::count(CHLD, Manner::Restart).told("sigaction")?;
    let pid = child(|| 0)?;
    same("exit", ended(pid)?.exit_status(), Some(0))?;
    same("taken", handler::taken(CHLD), 1)
}

fn kill_cannot_be_caught() -> Verdict {
    for signal in [9, STOP] {
        same(
            "sigaction",
            handler::count(signal, Manner::Restart),
            Err(Errno::INVAL),
        )?;
        same("ignore", handler::ignore(signal), Err(Errno::INVAL))?;
    }
    dies(9, || {
        let _ = handler::hold(9, true);
        let _ = send(getpid(), Signal::KILL);
    })
}

fn stop_and_continue() -> Verdict {
    use rustix::process::{WaitOptions, waitpid};
    let pid = child(|| {
        pause_ms(60_000);
        0
    })?;
    send(pid, Signal::STOP)?;
    let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED)
        .told("wait")?
        .ok_or("wait: nothing")?;
    same("stopped by", status.stopping_signal(), Some(STOP))?;
    send(pid, Signal::CONT)?;
    let (_, status) = waitpid(Some(pid), WaitOptions::CONTINUED)
        .told("wait")?
        .ok_or("wait: nothing")?;
    check(status.continued(), || super::show(status))?;
    send(pid, Signal::KILL)?;
    same("signal", ended(pid)?.terminating_signal(), Some(9))
}

fn handlers_are_inherited() -> Verdict {
    handler::count(USR1, Manner::Interrupt).told("sigaction")?;
    exits(1, || {
        let _ = send(getpid(), Signal::USR1);
        i32::try_from(handler::taken(USR1)).unwrap_or(0)
    })
}

fn pending_is_not_inherited() -> Verdict {
    handler::hold(USR1, true).told("sigprocmask")?;
    send(getpid(), Signal::USR1)?;
    exits(0, || i32::from(handler::pending(USR1) != Ok(false)))?;
    same("pending", handler::pending(USR1).told("sigpending")?, true)
}
