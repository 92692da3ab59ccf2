//! Containers: the portable core's plans and operations, done with the kernel's objects.
//!
//! A container is an object from the first moment of its create to the end of its delete. Its
//! state is private to `life`; everything else asks.

mod cgroup;
mod create;
mod delete;
mod devices;
mod draft;
mod drive;
mod ending;
mod hook;
mod identity;
mod life;
mod mounts;
mod pause;
mod program;
mod record;
mod resources;
mod start;
mod stdio;
mod steps;
mod unified;
mod update;

pub use create::{Create, FEATURES, caller_ended, create};
pub use delete::{delete, delete_go_on};
pub use draft::{Text, abandon, explain, forget_step};
pub use drive::alone;
pub use hook::{ended as hook_ended, expire};
pub use life::{init_ended, kill, wait};
pub use pause::{pause, resume};
pub use record::{events_bytes, list_bytes, processes_bytes, state_bytes, stats_bytes};
pub use start::{start, start_go_on};
pub use update::update;

use crate::Kernel;
use crate::arena::{Arena, Held};
use crate::cgroup::GroupId;
use crate::error::{Errno, NoMem, Stop};
use crate::key;
use crate::task::{ProcessId, TaskId};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use berth_abi::ExitRecord;
use berth_oci::{ContainerId as Name, OciConfig};
use hashbrown::HashMap;

key! {
    /// A container.
    ContainerId
}

/// A container.
pub struct Container {
    /// Its id.
    pub name: Name,
    /// The bundle's absolute path, as its creator sees it.
    pub bundle: String,
    /// The configuration it was created from; never changes (lifecycle step 2).
    pub config: Box<OciConfig>,
    /// Where it is in its life.
    life: life::Life,
    /// When it was created: seconds and nanoseconds since 1970.
    pub created: (u64, u32),
    /// Its first process, until it has ended.
    pub init: Option<ProcessId>,
    /// That process's first task.
    pub init_task: Option<TaskId>,
    /// Who pays for everything inside.
    pub group: Option<Held<GroupId>>,
    /// How its process ended.
    pub exit: ExitRecord,
    /// The create or delete in progress.
    work: Option<Box<create::Work>>,
    /// What takes down what create built, first to last.
    built: Vec<steps::Undo>,
    /// What create made in the root file system, to be removed by delete.
    made: Vec<steps::Made>,
}

/// All containers.
#[derive(Default)]
pub struct Containers {
    arena: Arena<ContainerId, Container>,
    by_name: HashMap<Name, Held<ContainerId>>,
    /// Whose a control group is.
    groups: BTreeMap<GroupId, ContainerId>,
    /// Groups that were made for containers, theirs and those above, until they are removed.
    made_groups: BTreeSet<GroupId>,
    /// Tasks in the middle of operations: of one, unless a signal's handler did not go back to its
    /// call.
    callers: BTreeSet<(TaskId, ContainerId)>,
    /// Tasks whose configuration is on its way in.
    drafts: BTreeMap<TaskId, draft::Draft>,
    /// Hooks that run, by job number.
    hooks: BTreeMap<u64, ContainerId>,
    /// When they are out of time.
    timers: BTreeSet<(u64, u64)>,
    last_job: u64,
    /// Steps until one fails, for tests.
    #[cfg(feature = "audit")]
    pub fail_after: Option<u32>,
}

impl Containers {
    /// How many there are, in any state.
    pub fn len(&self) -> usize {
        self.arena.len()
    }

    /// How many configurations are on their way in.
    pub fn drafts(&self) -> usize {
        self.drafts.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.arena.is_empty()
    }

    /// The container of a key.
    pub fn get(&self, id: ContainerId) -> Option<&Container> {
        self.arena.get(id)
    }

    /// When the next hook is out of time; `u64::MAX` for never.
    pub fn next_deadline(&self) -> u64 {
        self.timers.first().map_or(u64::MAX, |first| first.0)
    }

    /// Whether a test wants the step that is about to be done to fail.
    #[cfg(feature = "audit")]
    fn fails_here(&mut self) -> bool {
        match self.fail_after {
            Some(0) => {
                self.fail_after = None;
                true
            }
            Some(left) => {
                self.fail_after = Some(left - 1);
                false
            }
            None => false,
        }
    }

    #[cfg(not(feature = "audit"))]
    fn fails_here(&mut self) -> bool {
        false
    }

    fn next_job(&mut self) -> u64 {
        self.last_job += 1;
        self.last_job
    }

    fn get_mut(&mut self, id: ContainerId) -> Option<&mut Container> {
        self.arena.get_mut(id)
    }
}

/// Why a container call has no result.
#[derive(Debug)]
pub enum Trouble {
    /// It was refused or failed: an errno and a sentence for people.
    Refused {
        /// What the call returns.
        errno: Errno,
        /// Names what was wrong with what.
        text: String,
    },
    /// It has to wait, to be made again, or its arguments could not be read.
    Stop(Stop),
}

impl Trouble {
    fn refused(errno: Errno, text: impl Into<String>) -> Trouble {
        Trouble::Refused {
            errno,
            text: text.into(),
        }
    }

    /// With the key and value that it is about in front.
    fn named(self, what: &str) -> Trouble {
        match self {
            Trouble::Refused { errno, text } => Trouble::Refused {
                errno,
                text: format!("{what}: {text}"),
            },
            Trouble::Stop(Stop::Errno(errno)) => Trouble::Refused {
                errno,
                text: format!("{what}: {}", errno.text()),
            },
            stop => stop,
        }
    }
}

impl From<Stop> for Trouble {
    fn from(stop: Stop) -> Trouble {
        Trouble::Stop(stop)
    }
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Trouble {
        Trouble::Stop(errno.into())
    }
}

impl From<NoMem> for Trouble {
    fn from(no_mem: NoMem) -> Trouble {
        Trouble::Stop(no_mem.into())
    }
}

/// The container called `id`.
fn find(k: &Kernel, id: &str) -> Result<ContainerId, Trouble> {
    let missing = || Trouble::refused(Errno::ENOENT, format!("container \"{id}\" does not exist"));
    let name = Name::new(id).map_err(|e| Trouble::refused(Errno::EINVAL, format!("{e}")))?;
    k.containers
        .by_name
        .get(&name)
        .map(Held::key)
        .ok_or_else(missing)
}

/// Whether a task may make container calls: CAP_SYS_ADMIN in the initial pid and mount namespaces
/// (there is one user namespace).
pub fn may_run(k: &Kernel, task: TaskId) -> bool {
    let Ok(keys) = crate::ns::keys_of(k, task) else {
        return false;
    };
    crate::task::cred::capable(k, task, linux_raw_sys::general::CAP_SYS_ADMIN)
        && crate::ns::pid::of_task(k, task) == k.ns.initial_pid()
        && Some(keys.mount) == k.ns.initial_mount()
}
