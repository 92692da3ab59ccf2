//! What no program may do.

use berth_sys::fault::{FAULTS, Fault};
use berth_sys::raw::{Fork, exit, fork};
use rustix::process::{WaitOptions, waitpid};

use crate::tap::Tap;
use crate::{Done, Failure, failed};

/// Does it; coming back is a failure.
pub fn one(kind: &str) -> Done {
    let fault = Fault::by_name(kind).ok_or_else(|| {
        let names: Vec<_> = FAULTS.iter().map(|fault| fault.name).collect();
        Failure(
            2,
            format!("unknown kind {kind:?}; one of all {}", names.join(" ")),
        )
    })?;
    fault.commit();
    Err(failed(format!("{kind}: not ended by a signal")))
}

/// Does every one in a child.
pub fn all() -> Done {
    let mut tap = Tap::plan(FAULTS.len());
    for fault in FAULTS {
        tap.result(fault.name, &in_child(fault));
    }
    tap.finish()
}

fn in_child(fault: &Fault) -> Result<(), String> {
    let Fork::Parent(pid) = fork().map_err(|errno| format!("fork: {errno}"))? else {
        fault.commit();
        exit(0)
    };
    let waited = waitpid(Some(pid), WaitOptions::empty()).map_err(|errno| format!("wait: {errno}"));
    let (_, status) = waited?.ok_or("wait: nothing")?;
    match status.terminating_signal() {
        Some(signal) if fault.signals.contains(&signal) => Ok(()),
        Some(signal) => Err(format!("signal {signal}, not {:?}", fault.signals)),
        None => Err(format!(
            "exit {:?}, not signal {:?}",
            status.exit_status(),
            fault.signals
        )),
    }
}
