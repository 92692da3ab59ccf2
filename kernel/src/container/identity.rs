//! What sets the container's process apart from others: who it is, what it may do, what it may
//! use, and when it goes if memory runs out (P-7 to P-11).

use super::Trouble;
use crate::Kernel;
use crate::error::Errno;
use crate::task::cred::{self, Caps, NGROUPS_MAX};
use crate::task::limits::{self, Limits};
use crate::task::{Cred, Oom, TaskId};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use berth_oci::OciProcess;
use berth_oci::config::{CapabilitySet as Set, OciCapabilities, RlimitKind};
use linux_raw_sys::general as linux;

/// The mask of who configures none (P-7).
const UMASK: u32 = 0o022;

/// What the configuration makes of the process, as far as its creator may give it.
pub(super) struct Identity {
    pub cred: Cred,
    pub umask: u32,
    pub limits: Limits,
    pub oom: Oom,
}

/// The identity of a container's process that `creator` makes.
///
/// # Errors
/// EPERM for what the creator could not give to a process of its own; EINVAL for what is no limit
/// and for too many groups; ENOMEM.
pub(super) fn of(
    k: &Kernel,
    creator: TaskId,
    process: Option<&OciProcess>,
) -> Result<Identity, Trouble> {
    let default = OciProcess::default();
    let process = process.unwrap_or(&default);
    Ok(Identity {
        cred: cred(&k.tasks.task(creator)?.cred, process)?,
        umask: process.umask.unwrap_or(UMASK),
        limits: limits(k, creator, process)?,
        oom: oom(k, creator, process)?,
    })
}

/// P-7, P-9, P-10: the configured ids, groups and capabilities.
fn cred(creator: &Cred, process: &OciProcess) -> Result<Cred, Trouble> {
    let (uid, gid) = (process.uid, process.gid);
    let caps = process.capabilities.as_ref();
    Ok(Cred {
        uid,
        euid: uid,
        suid: uid,
        fsuid: uid,
        gid,
        egid: gid,
        sgid: gid,
        fsgid: gid,
        groups: groups(&process.additional_gids)?,
        caps: caps.map_or(Ok(Caps::default()), |caps| capabilities(creator, caps))?,
        no_new_privs: process.no_new_privs || creator.no_new_privs,
        ..Cred::default()
    })
}

/// Ascending, as setgroups(2) keeps them.
fn groups(configured: &[u32]) -> Result<Vec<u32>, Trouble> {
    if configured.len() > NGROUPS_MAX {
        let text = format!("process_additional_gid: more than {NGROUPS_MAX}");
        return Err(Trouble::refused(Errno::EINVAL, text));
    }
    let mut groups = Vec::new();
    groups
        .try_reserve_exact(configured.len())
        .map_err(|_| Errno::ENOMEM)?;
    groups.extend_from_slice(configured);
    groups.sort_unstable();
    Ok(groups)
}

/// The five sets. Names that nobody knows, and what the creator does not have itself, are left out:
/// the runtime warns of them. The sets must go together as capset(2) and PR_CAP_AMBIENT want it.
fn capabilities(creator: &Cred, configured: &OciCapabilities) -> Result<Caps, Trouble> {
    let had = creator.caps.permitted & creator.caps.bounding;
    let of = |set| had & bits(configured.of(set));
    let caps = Caps {
        effective: of(Set::Effective),
        permitted: of(Set::Permitted),
        inheritable: of(Set::Inheritable),
        bounding: of(Set::Bounding),
        ambient: of(Set::Ambient),
    };
    let rules = [
        (Set::Effective, caps.effective, caps.permitted),
        (Set::Inheritable, caps.inheritable, caps.bounding),
        (
            Set::Ambient,
            caps.ambient,
            caps.permitted & caps.inheritable,
        ),
    ];
    for (set, asked, within) in rules {
        if let Some(name) = cred::first_name(asked & !within) {
            let text = format!("process_capability={set}:{name}: {}", Errno::EPERM.text());
            return Err(Trouble::refused(Errno::EPERM, text));
        }
    }
    Ok(caps)
}

fn bits(names: &[String]) -> u64 {
    let known = names.iter().filter_map(|name| cred::by_name(name));
    known.fold(0, |bits, number| bits | 1 << number)
}

/// Every resource, by its number.
const RESOURCES: [RlimitKind; 16] = [
    RlimitKind::Cpu,
    RlimitKind::Fsize,
    RlimitKind::Data,
    RlimitKind::Stack,
    RlimitKind::Core,
    RlimitKind::Rss,
    RlimitKind::Nproc,
    RlimitKind::Nofile,
    RlimitKind::Memlock,
    RlimitKind::As,
    RlimitKind::Locks,
    RlimitKind::Sigpending,
    RlimitKind::Msgqueue,
    RlimitKind::Nice,
    RlimitKind::Rtprio,
    RlimitKind::Rttime,
];

/// P-8: exactly the configured limits, if the creator could set them for itself.
fn limits(k: &Kernel, creator: TaskId, process: &OciProcess) -> Result<Limits, Trouble> {
    let own = k.tasks.task(creator)?.process;
    let mut limits = limits::INITIAL;
    for asked in &process.rlimits {
        let (kind, limit) = (asked.kind, (asked.soft, asked.hard));
        let named = |errno: Errno| {
            let value = format!("process_rlimit={kind}:{}:{}", limit.0, limit.1);
            Trouble::from(errno).named(&value)
        };
        let resource = RESOURCES.iter().position(|known| *known == kind);
        let resource = resource.ok_or_else(|| named(Errno::EINVAL))?;
        limits::check(k, creator, own, resource as u32, limit).map_err(named)?;
        if let Some(slot) = limits.get_mut(resource) {
            *slot = limit;
        }
    }
    Ok(limits)
}

/// P-11: the creator's adjustment, or the configured one if the creator could set it for itself.
fn oom(k: &Kernel, creator: TaskId, process: &OciProcess) -> Result<Oom, Trouble> {
    let own = k.tasks.process_of(creator)?.1.oom;
    let (mut adjustment, mut floor) = (own.adjustment, own.floor);
    if let Some(asked) = process.oom_score_adj {
        let may = cred::capable(k, creator, linux::CAP_SYS_RESOURCE);
        adjustment = i16::try_from(asked).map_err(|_| Errno::EINVAL)?;
        if may {
            floor = adjustment;
        } else if adjustment < floor {
            let value = format!("process_oom_score_adj={asked}");
            return Err(Trouble::from(Errno::EACCES).named(&value));
        }
    }
    Ok(Oom {
        adjustment,
        floor,
        killed_for: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(list: &[(Set, &str)]) -> OciCapabilities {
        let mut sets = OciCapabilities::default();
        for (set, name) in list {
            let names = match set {
                Set::Effective => &mut sets.effective,
                Set::Permitted => &mut sets.permitted,
                Set::Inheritable => &mut sets.inheritable,
                Set::Ambient => &mut sets.ambient,
                _ => &mut sets.bounding,
            };
            names.push((*name).into());
        }
        sets
    }

    #[test]
    fn nobody_gives_a_capability_that_it_does_not_have() {
        let kill = 1 << linux::CAP_KILL;
        let mut creator = Cred::root();
        let asked = sets(&[(Set::Bounding, "CAP_KILL"), (Set::Permitted, "CAP_KILL")]);
        let given = capabilities(&creator, &asked).ok();
        assert_eq!(given.map(|c| (c.bounding, c.permitted)), Some((kill, kill)));
        creator.caps.permitted &= !kill;
        let given = capabilities(&creator, &asked).ok();
        assert_eq!(given, Some(Caps::default()));
        let unknown = sets(&[(Set::Bounding, "CAP_UNHEARD_OF")]);
        assert_eq!(capabilities(&creator, &unknown).ok(), Some(Caps::default()));
    }

    #[test]
    fn sets_that_do_not_go_together_are_refused() {
        for set in [Set::Effective, Set::Inheritable, Set::Ambient] {
            let asked = sets(&[(set, "CAP_KILL")]);
            let refused = capabilities(&Cred::root(), &asked);
            let Err(Trouble::Refused { errno, text }) = refused else {
                panic!("{set}");
            };
            assert_eq!(errno, Errno::EPERM);
            assert_eq!(
                text,
                format!("process_capability={set}:CAP_KILL: {}", Errno::EPERM.text())
            );
        }
    }
}
