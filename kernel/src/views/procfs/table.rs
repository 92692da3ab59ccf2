//! The tables of procfs: which directory has which names, and what they stand for.

use super::{links, process, sys, system};
use crate::error::Stop;
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::{Cx, Kernel};
use alloc::vec::Vec;

/// The directories; the value is the upper half of a node's `kind`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub(super) enum Dir {
    Root,
    Process,
    Tasks,
    Thread,
    Fds,
    FdInfo,
    Ns,
    Sys,
    SysFs,
    SysKernel,
    SysRandom,
    SysVm,
}

impl Dir {
    pub(super) const ALL: [Dir; 12] = [
        Dir::Root,
        Dir::Process,
        Dir::Tasks,
        Dir::Thread,
        Dir::Fds,
        Dir::FdInfo,
        Dir::Ns,
        Dir::Sys,
        Dir::SysFs,
        Dir::SysKernel,
        Dir::SysRandom,
        Dir::SysVm,
    ];

    pub(super) fn lines(self) -> &'static [Line] {
        match self {
            Dir::Root => system::LINES,
            Dir::Process => process::LINES,
            Dir::Thread => process::THREAD_LINES,
            Dir::Ns => links::NS_LINES,
            Dir::Sys => sys::LINES,
            Dir::SysFs => sys::FS_LINES,
            Dir::SysKernel => sys::KERNEL_LINES,
            Dir::SysRandom => sys::RANDOM_LINES,
            Dir::SysVm => sys::VM_LINES,
            Dir::Tasks | Dir::Fds | Dir::FdInfo => &[],
        }
    }

    /// Permissions of the directory itself.
    pub(super) fn mode(self) -> u32 {
        match self {
            Dir::Fds | Dir::FdInfo => 0o500,
            Dir::Ns => 0o511,
            _ => 0o555,
        }
    }

    /// Its name, where it has the same everywhere.
    pub(super) fn name(self) -> Option<&'static str> {
        let lines = Dir::ALL.iter().flat_map(|above| above.lines());
        lines
            .filter(|line| matches!(line.what, What::Dir(dir) if dir == self))
            .map(|line| line.name)
            .next()
    }

    /// Whether the node is about a process.
    pub(super) fn of_process(self) -> bool {
        matches!(
            self,
            Dir::Process | Dir::Tasks | Dir::Thread | Dir::Fds | Dir::FdInfo | Dir::Ns
        )
    }
}

/// Makes the content of a file.
pub(super) type Show = fn(&mut Kernel, &mut dyn Machine, ViewNode) -> Result<Vec<u8>, Stop>;
/// Takes what is written to a file.
pub(super) type Store = fn(&mut Kernel, &mut Cx, ViewNode, &[u8]) -> Result<usize, Stop>;

/// What a name stands for.
#[derive(Clone, Copy)]
pub(super) enum What {
    Dir(Dir),
    File(Show),
    Writable(Show, Store),
    Link(links::Target),
}

/// A name in a directory.
pub(super) struct Line {
    pub(super) name: &'static str,
    pub(super) mode: u32,
    pub(super) what: What,
    /// Only for who may look into the process (ptrace(2), access mode checking).
    pub(super) private: bool,
}

/// A file that everybody may read.
pub(super) const fn file(name: &'static str, show: Show) -> Line {
    Line {
        name,
        mode: 0o444,
        what: What::File(show),
        private: false,
    }
}

/// A file for those who may look into the process.
pub(super) const fn private(name: &'static str, mode: u32, show: Show) -> Line {
    Line {
        name,
        mode,
        what: What::File(show),
        private: true,
    }
}

/// A file whose owner may write.
pub(super) const fn writable(name: &'static str, show: Show, store: Store) -> Line {
    Line {
        name,
        mode: 0o644,
        what: What::Writable(show, store),
        private: false,
    }
}

pub(super) const fn dir(name: &'static str, dir: Dir) -> Line {
    Line {
        name,
        mode: 0,
        what: What::Dir(dir),
        private: false,
    }
}

pub(super) const fn link(name: &'static str, target: links::Target) -> Line {
    Line {
        name,
        mode: 0o777,
        what: What::Link(target),
        private: false,
    }
}
