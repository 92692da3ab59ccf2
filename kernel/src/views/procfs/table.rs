//! The tables of procfs: which directory has which names, and what they stand for.

use super::{links, net, process, sys, sys_ipc, system, sysvipc};
use crate::error::Stop;
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::views::sysfs;
use crate::views::telling::{Cursor, Piece};
use crate::{Cx, Kernel};
use alloc::vec::Vec;

macro_rules! dirs {
    ($($name:ident $lines:expr,)*) => {
        /// The directories; the value is the upper half of a node's `kind`.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        #[repr(u8)]
        pub(in crate::views) enum Dir { $($name,)* }

        impl Dir {
            pub(in crate::views) const ALL: &[Dir] = &[$(Dir::$name,)*];

            pub(in crate::views) fn lines(self) -> &'static [Line] {
                match self { $(Dir::$name => $lines,)* }
            }
        }
    };
}

dirs! {
    Root system::LINES,
    Process process::LINES,
    Tasks &[],
    Thread process::THREAD_LINES,
    Fds &[],
    FdInfo &[],
    Ns links::NS_LINES,
    Attr process::ATTR_LINES,
    Net net::LINES,
    Sys sys::LINES,
    SysFs sys::FS_LINES,
    SysMqueue sys_ipc::MQUEUE_LINES,
    SysKernel sys::KERNEL_LINES,
    SysRandom sys::RANDOM_LINES,
    SysVm sys::VM_LINES,
    SysvIpc sysvipc::LINES,
    Sysfs sysfs::LINES,
    SysfsBlock &[],
    SysfsClass sysfs::CLASS_LINES,
    SysfsClassNet &[],
    SysfsDevices sysfs::DEVICES_LINES,
    SysfsSystem sysfs::SYSTEM_LINES,
    SysfsCpus sysfs::CPUS_LINES,
    SysfsCpu sysfs::CPU_LINES,
    SysfsTopology sysfs::TOPOLOGY_LINES,
    SysfsFirmware &[],
    SysfsFs sysfs::FS_LINES,
    SysfsCgroup &[],
    SysfsKernel sysfs::KERNEL_LINES,
    SysfsCgroups sysfs::CGROUP_LINES,
    SysfsMm sysfs::MM_LINES,
    SysfsHugepages sysfs::HUGEPAGE_LINES,
}

impl Dir {
    /// Permissions of the directory itself.
    pub(in crate::views) fn mode(self) -> u32 {
        match self {
            Dir::Fds | Dir::FdInfo => 0o500,
            Dir::Ns => 0o511,
            _ => 0o555,
        }
    }

    /// The directory that has it, and its name there. What is below a process is below a thread,
    /// too; the process comes first.
    pub(in crate::views) fn above(self) -> Option<(Dir, &'static str)> {
        let lines = Dir::ALL.iter().flat_map(|above| {
            let lines = above.lines().iter();
            lines.map(|line| (*above, line))
        });
        let mut named =
            lines.filter(|(_, line)| matches!(line.what, What::Dir(dir) if dir == self));
        named.next().map(|(above, line)| (above, line.name))
    }

    /// Whether the node is about a process.
    pub(in crate::views) fn of_process(self) -> bool {
        matches!(
            self,
            Dir::Process
                | Dir::Tasks
                | Dir::Thread
                | Dir::Fds
                | Dir::FdInfo
                | Dir::Ns
                | Dir::Attr
                | Dir::Net
        )
    }
}

/// Makes the content of a file.
pub(in crate::views) type Show =
    fn(&mut Kernel, &mut dyn Machine, ViewNode) -> Result<Vec<u8>, Stop>;
/// Makes the piece of a long file that begins at a cursor.
pub(in crate::views) type Tell =
    fn(&mut Kernel, &mut dyn Machine, ViewNode, Cursor) -> Result<Piece, Stop>;
/// Takes what is written to a file.
pub(in crate::views) type Store = fn(&mut Kernel, &mut Cx, ViewNode, &[u8]) -> Result<usize, Stop>;

/// What a name stands for.
#[derive(Clone, Copy)]
pub(in crate::views) enum What {
    Dir(Dir),
    File(Show),
    Long(Tell),
    Writable(Show, Store),
    Link(links::Target),
    /// The kernel's log: opened as that.
    Log,
}

/// A name in a directory.
pub(in crate::views) struct Line {
    pub(in crate::views) name: &'static str,
    pub(in crate::views) mode: u32,
    pub(in crate::views) what: What,
    pub(in crate::views) guard: Guard,
}

/// Who may read a file whose mode lets them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(in crate::views) enum Guard {
    Everybody,
    /// Who may look into the process (ptrace(2), access mode checking), at every read.
    Look,
    /// Who may look into the process when the file is opened; what is read is the memory that the
    /// process had then.
    Memory,
}

const fn line(name: &'static str, mode: u32, what: What) -> Line {
    Line {
        name,
        mode,
        what,
        guard: Guard::Everybody,
    }
}

/// A file that everybody may read.
pub(in crate::views) const fn file(name: &'static str, show: Show) -> Line {
    line(name, 0o444, What::File(show))
}

/// A file that everybody may read, told in pieces.
pub(in crate::views) const fn long(name: &'static str, tell: Tell) -> Line {
    line(name, 0o444, What::Long(tell))
}

/// A file that its owner may write.
pub(in crate::views) const fn writable(name: &'static str, show: Show, store: Store) -> Line {
    line(name, 0o644, What::Writable(show, store))
}

pub(in crate::views) const fn dir(name: &'static str, dir: Dir) -> Line {
    line(name, 0, What::Dir(dir))
}

pub(in crate::views) const fn link(name: &'static str, target: links::Target) -> Line {
    line(name, 0o777, What::Link(target))
}

/// The kernel's log, for its owner only.
pub(in crate::views) const fn log(name: &'static str) -> Line {
    line(name, 0o400, What::Log)
}

impl Line {
    /// With these permissions.
    pub(in crate::views) const fn mode(self, mode: u32) -> Line {
        Line { mode, ..self }
    }

    /// For fewer than its permissions say.
    pub(in crate::views) const fn guarded(self, guard: Guard) -> Line {
        Line { guard, ..self }
    }
}
