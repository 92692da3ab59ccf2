//! What tests let come between: at a point of a call's *prepare*, a refused charge, absent memory,
//! a wait, a signal. The call must then do, in the end and once, what it does undisturbed.
//!
//! Only with the feature `audit`.

use crate::cgroup::GroupId;
use crate::error::{Errno, NoMem, Stop};
use crate::task::{ParkedCall, RunState, SigInfo, signal};
use crate::wait::Restart;
use crate::{Cx, Kernel};

/// What comes between.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A charge is refused, but there is room at once.
    Refusal,
    /// This charge and all that follow are refused.
    Famine,
    /// The program's memory is not there: EFAULT.
    Fault,
    /// The call is parked and made again a moment later.
    Wait,
    /// This signal comes, and interrupts the call as one that waits.
    Signal(u32),
    /// The call is made again: what follows the arrival of the signal.
    Again,
}

/// How long a wait lasts, in nanoseconds.
const MOMENT: u64 = 1_000_000;

/// What is to come, and what has come.
#[derive(Default)]
pub struct Disturb {
    /// How many points are passed before something comes, and what.
    pub due: Option<(u64, Kind)>,
    /// What came and was not yet reacted to.
    pub struck: Option<Kind>,
    /// A call's handler runs.
    in_call: bool,
}

impl Disturb {
    /// A call's handler begins.
    pub fn enter(&mut self) {
        self.struck = None;
        self.in_call = true;
    }

    /// It ends.
    pub fn leave(&mut self) {
        self.in_call = false;
        // A call that passed no point when it was made again is over.
        self.due = self.due.filter(|(_, kind)| *kind != Kind::Again);
    }

    /// A charge: true when it must be refused. Refusals strike outside of calls, too.
    pub fn at_charge(&mut self) -> bool {
        match self.due {
            Some((_, Kind::Fault)) => false,
            Some((_, Kind::Refusal | Kind::Famine)) => self.strikes(),
            _ => self.in_call && self.strikes(),
        }
    }

    /// A call reaches into the program's memory; `payer` is as good as any.
    ///
    /// # Errors
    /// What the disturbance makes of it.
    pub fn at_access(&mut self, payer: GroupId) -> Result<(), Stop> {
        let charges_only = matches!(self.due, Some((_, Kind::Refusal | Kind::Famine)));
        if !self.in_call || charges_only || !self.strikes() {
            return Ok(());
        }
        if self.struck == Some(Kind::Fault) {
            self.struck = None;
            return Err(Errno::EFAULT.into());
        }
        Err(NoMem(payer).into())
    }

    /// Passes a point; whether it is the one.
    fn strikes(&mut self) -> bool {
        match self.due {
            Some((0, Kind::Famine)) => true,
            Some((0, kind)) => {
                self.due = None;
                self.struck = Some(kind);
                true
            }
            Some((left, kind)) => {
                self.due = Some((left - 1, kind));
                false
            }
            None => false,
        }
    }
}

/// The current task's call was stopped: makes it a call that was disturbed as wanted. False when
/// nobody disturbed it, or a refusal did, for which memory is sought as for any other.
pub fn stopped(k: &mut Kernel, cx: &mut Cx, mut call: ParkedCall) -> bool {
    let disturb = &mut k.groups.disturb;
    let Some(kind) = disturb.struck.take_if(|kind| *kind != Kind::Refusal) else {
        return false;
    };
    if let Kind::Signal(signal) = kind {
        // The next run of the handler stops, too: what waits decides then about the signal.
        disturb.due = Some((0, Kind::Again));
        let info = SigInfo {
            signal,
            ..SigInfo::default()
        };
        signal::send_task(k, cx.task, info);
    }
    // A call that began already goes on where it was, and the signal waits for its end.
    call.restart = match call.resume {
        Some(_) => Restart::Killable,
        None => Restart::NoIntr,
    };
    if let Some(task) = k.tasks.tasks.get_mut(cx.task) {
        task.call = Some(call);
        if kind == Kind::Wait {
            task.state = RunState::Parked;
            k.waits
                .park(cx.task, &[], Some(cx.now.saturating_add(MOMENT)));
        }
    }
    true
}
