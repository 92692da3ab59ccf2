//! Who may look into a process, or change it (ptrace(2), "Ptrace access mode checking").

use super::{Cred, ProcessId, TaskId, Tasks};
use linux_raw_sys::general as linux;

/// Which of the caller's ids count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ids {
    /// Those for files, and the effective capabilities (PTRACE_MODE_FSCREDS).
    Files,
    /// The real ones, and the permitted capabilities (PTRACE_MODE_REALCREDS).
    Real,
}

/// Whether `caller` may look into the process of `target`.
pub fn may_look(tasks: &Tasks, caller: TaskId, target: TaskId, ids: Ids) -> bool {
    let (Some(caller), Some(target)) = (tasks.tasks.get(caller), tasks.tasks.get(target)) else {
        return false;
    };
    let dumpable = is_dumpable(tasks, target.process);
    caller.process == target.process || allowed(&caller.cred, &target.cred, dumpable, ids)
}

/// PR_GET_DUMPABLE is 1.
pub fn is_dumpable(tasks: &Tasks, process: ProcessId) -> bool {
    let process = tasks.processes.get(process);
    process.is_some_and(|process| process.dumpable == 1)
}

/// All of the target's ids are the caller's, it has no capability more and may be dumped, or the
/// caller may trace everybody.
fn allowed(caller: &Cred, target: &Cred, dumpable: bool, ids: Ids) -> bool {
    let (uid, gid, caps) = match ids {
        Ids::Files => (caller.fsuid, caller.fsgid, caller.caps.effective),
        Ids::Real => (caller.uid, caller.gid, caller.caps.permitted),
    };
    let same_user = [target.uid, target.euid, target.suid] == [uid; 3]
        && [target.gid, target.egid, target.sgid] == [gid; 3];
    let no_more = target.caps.permitted & !caps == 0;
    (same_user && no_more && dumpable) || caller.capable(linux::CAP_SYS_PTRACE)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(id: u32) -> Cred {
        Cred {
            uid: id,
            euid: id,
            suid: id,
            fsuid: id,
            gid: id,
            egid: id,
            sgid: id,
            fsgid: id,
            ..Cred::default()
        }
    }

    #[test]
    fn who_may_look() {
        for ids in [Ids::Files, Ids::Real] {
            assert!(allowed(&user(7), &user(7), true, ids));
            assert!(!allowed(&user(7), &user(7), false, ids));
            assert!(!allowed(&user(7), &user(8), true, ids));
            let mut stronger = user(7);
            stronger.caps.permitted = 1;
            assert!(!allowed(&user(7), &stronger, true, ids));
            let mut tracer = user(7);
            tracer.caps.effective = 1 << linux::CAP_SYS_PTRACE;
            assert!(allowed(&tracer, &user(8), false, ids));
        }
    }

    #[test]
    fn the_manner_says_which_ids_and_capabilities_count() {
        let mut caller = user(7);
        (caller.fsuid, caller.fsgid) = (8, 8);
        assert!(allowed(&caller, &user(8), true, Ids::Files));
        assert!(!allowed(&caller, &user(8), true, Ids::Real));
        assert!(allowed(&caller, &user(7), true, Ids::Real));
        let (mut idle, mut target) = (user(7), user(7));
        idle.caps.permitted = 1;
        target.caps.permitted = 1;
        assert!(allowed(&idle, &target, true, Ids::Real));
        assert!(!allowed(&idle, &target, true, Ids::Files));
    }
}
