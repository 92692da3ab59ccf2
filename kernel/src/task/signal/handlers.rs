//! What a process does about its signals: the table of actions (sigaction(2)).

use super::{LAST, UNBLOCKABLE, bit};
use crate::Kernel;
use crate::arena::{Arena, Held};
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::task::{AltStack, HandlersId, TaskId};
use alloc::boxed::Box;
use linux_raw_sys::general as linux;

/// What a process does about one signal (sigaction(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Action {
    /// Address of the handler, or [`DEFAULT`], or [`IGNORE`].
    pub handler: u64,
    /// SA_* flags.
    pub flags: u64,
    /// Where the handler returns to (SA_RESTORER).
    pub restorer: u64,
    /// Blocked while the handler runs.
    pub mask: u64,
}

impl Action {
    /// SA_* flags that there are.
    const FLAGS: u32 = linux::SA_NOCLDSTOP
        | linux::SA_NOCLDWAIT
        | linux::SA_SIGINFO
        | linux::SA_ONSTACK
        | linux::SA_RESTART
        | linux::SA_NODEFER
        | linux::SA_RESETHAND
        | linux::SA_EXPOSE_TAGBITS
        | linux::SA_RESTORER;

    /// As a program asks for it. Flags that are not known are cleared, so that a program which
    /// reads them back sees which are not supported (sigaction(2), SA_UNSUPPORTED).
    pub fn asked_for(handler: u64, flags: u64, restorer: u64, mask: u64) -> Action {
        Action {
            handler,
            flags: flags & u64::from(Self::FLAGS),
            restorer,
            mask: mask & !UNBLOCKABLE,
        }
    }

    /// Whether a flag is set.
    pub fn has(&self, flag: u32) -> bool {
        self.flags & u64::from(flag) != 0
    }
}

/// SIG_DFL.
pub const DEFAULT: u64 = 0;
/// SIG_IGN.
pub const IGNORE: u64 = 1;

/// The actions of a process, or of several that share them (CLONE_SIGHAND).
pub struct Handlers {
    actions: Box<[Action; LAST as usize]>,
}

impl Default for Handlers {
    fn default() -> Handlers {
        Handlers {
            actions: Box::new([Action::default(); LAST as usize]),
        }
    }
}

impl Handlers {
    /// The action for a signal.
    pub fn get(&self, signal: u32) -> Action {
        let index = signal.wrapping_sub(1) as usize;
        self.actions.get(index).copied().unwrap_or_default()
    }

    /// Changes the action for a signal.
    pub fn set(&mut self, signal: u32, action: Action) {
        if let Some(slot) = self.actions.get_mut(signal.wrapping_sub(1) as usize) {
            *slot = action;
        }
    }

    /// Signals that are ignored, and those that are caught: for /proc/PID/status.
    pub fn sets(&self) -> (u64, u64) {
        let with = |test: fn(u64) -> bool| {
            (1..=LAST)
                .filter(|s| test(self.get(*s).handler))
                .fold(0, |set, s| set | bit(s))
        };
        (with(|h| h == IGNORE), with(|h| h > IGNORE))
    }

    /// Sets every action that is not to ignore to the default (CLONE_CLEAR_SIGHAND).
    pub fn clear(&mut self) {
        *self = self.for_new_program();
    }

    /// Execve keeps what is ignored; handlers are gone with the old program.
    fn for_new_program(&self) -> Handlers {
        let mut new = Handlers::default();
        for signal in (1..=LAST).filter(|s| self.get(*s).handler == IGNORE) {
            new.set(
                signal,
                Action {
                    handler: IGNORE,
                    ..Action::default()
                },
            );
        }
        new
    }
}

/// What a table of handlers costs.
const HANDLERS_COST: u32 =
    Arena::<HandlersId, Handlers>::COST + (core::mem::size_of::<Action>() * LAST as usize) as u32;

/// A fresh table of handlers, charged to `group`: a copy of `from`, or the defaults.
///
/// # Errors
/// No memory.
pub fn new_handlers(
    k: &mut Kernel,
    from: Option<HandlersId>,
    group: GroupId,
) -> Result<Held<HandlersId>, Stop> {
    let charge = k.groups.charge(group, HANDLERS_COST)?;
    let mut new = Handlers::default();
    if let Some(from) = from.and_then(|id| k.tasks.handlers.get(id)) {
        new.actions.copy_from_slice(&*from.actions);
    }
    Ok(k.tasks.handlers.insert(new, charge))
}

/// Prepares execve: a table for the new program. Commit with [`replace_handlers`].
///
/// # Errors
/// No memory.
pub fn handlers_for_exec(k: &mut Kernel, task: TaskId) -> Result<Held<HandlersId>, Stop> {
    let task = k.tasks.tasks.get(task).ok_or(Errno::ESRCH)?;
    let (group, old) = (task.group.key(), task.handlers.as_ref().map(Held::key));
    let held = new_handlers(k, None, group)?;
    let new = (old.and_then(|id| k.tasks.handlers.get(id))).map(Handlers::for_new_program);
    if let (Some(new), Some(slot)) = (new, k.tasks.handlers.get_mut(held.key())) {
        *slot = new;
    }
    Ok(held)
}

/// Commits execve: the new table, and no alternate stack.
pub fn replace_handlers(k: &mut Kernel, task: TaskId, new: Held<HandlersId>) {
    let old = match k.tasks.tasks.get_mut(task) {
        Some(task) => {
            task.altstack = AltStack::default();
            task.handlers.replace(new)
        }
        None => Some(new),
    };
    if let Some(old) = old {
        release_handlers(k, old);
    }
}

/// Gives a reference to a table of handlers back.
pub fn release_handlers(k: &mut Kernel, held: Held<HandlersId>) {
    if let Some((_, charge)) = k.tasks.handlers.release(held) {
        k.groups.give_back(charge);
    }
}

/// The action of a task's process for a signal.
pub fn action(k: &Kernel, task: TaskId, signal: u32) -> Action {
    let handlers = k.tasks.tasks.get(task).and_then(|t| t.handlers.as_ref());
    let handlers = handlers.and_then(|h| k.tasks.handlers.get(h.key()));
    handlers.map(|h| h.get(signal)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_program_keeps_only_what_is_ignored() {
        let mut old = Handlers::default();
        old.set(
            2,
            Action {
                handler: IGNORE,
                mask: 7,
                ..Action::default()
            },
        );
        old.set(
            3,
            Action {
                handler: 0x1000,
                ..Action::default()
            },
        );
        assert_eq!(old.sets(), (bit(2), bit(3)));
        assert_eq!(old.for_new_program().sets(), (bit(2), 0));
        assert_eq!(old.for_new_program().get(2).mask, 0);
    }
}
