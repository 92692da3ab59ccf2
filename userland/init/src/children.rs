//! Waiting for processes and ending them.

use berth_sys::audit::pause_ms;
use berth_sys::container;
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process_group, wait};

use crate::command::Ending;

/// Waits for the process `pid`; every other child that ends meanwhile is an orphan, and reaped.
pub fn wait_for(pid: Pid) -> Ending {
    loop {
        match wait(WaitOptions::empty()) {
            Ok(Some((ended, status))) if ended == pid => {
                if let Some(ending) = ending(status) {
                    return ending;
                }
            }
            Ok(_) | Err(Errno::INTR) => {}
            Err(errno) => {
                eprintln!("init: cannot wait for {pid:?}: {errno}");
                return Ending::Exit(1);
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
