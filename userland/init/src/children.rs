//! Waiting for processes and ending them.

use berth_sys::audit::pause_ms;
use berth_sys::container;
use berth_sys::queue::Queue;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group, wait};

use crate::command::Ending;

/// How the wait for a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// It ended.
    Ended(Ending),
    /// Somebody wants the machine to end.
    Shutdown,
}

/// What process 1 is told by signals: that a child has ended, or, by `halt`, `poweroff` and
/// `reboot`, that the machine shall.
pub struct Events(Queue);

impl Events {
    /// From now on signals are events.
    ///
    /// # Errors
    /// See sigprocmask(2).
    pub fn listen() -> Result<Self, Errno> {
        let signals = [Signal::CHILD, Signal::USR1, Signal::USR2, Signal::TERM];
        Queue::of(&signals.map(Signal::as_raw)).map(Self)
    }

    /// Waits for the process `pid`; every other child that ends meanwhile is an orphan, and reaped.
    pub fn wait_for(&self, pid: Pid) -> Waited {
        loop {
            // One SIGCHLD may stand for several children.
            while let Ok(Some((ended, status))) = wait(WaitOptions::NOHANG) {
                if let Some(ending) = ending(status).filter(|_| ended == pid) {
                    return Waited::Ended(ending);
                }
            }
            match self.0.next() {
                Ok(signal) if signal == Signal::CHILD.as_raw() => {}
                Ok(_) => return Waited::Shutdown,
                Err(errno) => {
                    eprintln!("init: cannot wait for {pid:?}: {errno}");
                    return Waited::Shutdown;
                }
            }
        }
    }
}

fn ending(status: WaitStatus) -> Option<Ending> {
    let code = status
        .exit_status()
        .and_then(|code| u8::try_from(code).ok())
        .map(Ending::Exit);
    code.or_else(|| status.terminating_signal().map(Ending::Signal))
}

/// Removes the containers that are left, as a machine does that shuts down.
pub fn end_containers() {
    // Without container calls there are no containers.
    for id in container::list().unwrap_or_default() {
        eprintln!("init: container {id} is left over, deleting it");
        match container::delete(&id, true) {
            Ok(warnings) => warnings.lines().for_each(|line| eprintln!("init: {line}")),
            Err(error) => eprintln!("init: cannot delete {id}: {error}"),
        }
    }
}

/// How long killed processes have to be gone, in milliseconds.
const PATIENCE_MS: u32 = 5000;

/// Kills every other process and reaps them.
pub fn end_processes() {
    // The "group" of process 1 is kill(-1): every process but this one.
    match kill_process_group(Pid::INIT, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(errno) => eprintln!("init: cannot kill what is left: {errno}"),
    }
    for _ in 0..PATIENCE_MS {
        match wait(WaitOptions::NOHANG) {
            Ok(Some(_)) | Err(Errno::INTR) => {}
            Ok(None) => pause_ms(1),
            Err(_) => return,
        }
    }
    eprintln!("init: some processes do not end");
}
