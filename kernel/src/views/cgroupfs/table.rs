//! What files a group has: a table for what every group has, and one for each controller.

use super::members::Whole;
use super::{core, cpu, cpuset, io, memory, pids};
use crate::cgroup::{Controllers, GroupId, Noted};
use crate::error::Stop;
use crate::machine::Machine;
use crate::views::telling::{Cursor, Piece};
use crate::views::text::Text;
use crate::{Cx, Kernel};

/// Writes the content of a file.
pub(super) type Show = fn(&mut Kernel, &mut dyn Machine, GroupId, &mut Text) -> Result<(), Stop>;
/// Makes the piece of a long file that begins at a cursor.
pub(super) type Tell = fn(&mut Kernel, GroupId, Cursor) -> Result<Piece, Stop>;
/// Takes what is written to a file, up to its first NUL.
pub(super) type Store = fn(&mut Kernel, &mut Cx, GroupId, &str) -> Result<(), Stop>;

/// Which groups have a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Where {
    Everywhere,
    BelowRoot,
}

/// How a file is read.
#[derive(Clone, Copy)]
pub(super) enum Read {
    Nothing,
    Whole(Show),
    Pieces(Tell),
}

/// What is written to a file.
#[derive(Clone, Copy)]
pub(super) enum Take {
    Nothing,
    Value(Store),
    /// Who shall come into the group.
    Member(Whole),
}

/// A file of a group.
pub(super) struct File {
    pub(super) name: &'static str,
    pub(super) mode: u32,
    pub(super) place: Where,
    pub(super) read: Read,
    pub(super) take: Take,
    /// It can be written from inside at the root of a cgroup namespace, whatever is delegated.
    pub(super) delegated: bool,
    /// What changes of it wake those who poll it.
    pub(super) noted: Option<Noted>,
}

impl File {
    pub(super) const fn new(name: &'static str, show: Show) -> File {
        File {
            name,
            mode: 0o444,
            place: Where::BelowRoot,
            read: Read::Whole(show),
            take: Take::Nothing,
            delegated: false,
            noted: None,
        }
    }

    pub(super) const fn long(name: &'static str, tell: Tell) -> File {
        File {
            name,
            mode: 0o444,
            place: Where::BelowRoot,
            read: Read::Pieces(tell),
            take: Take::Nothing,
            delegated: false,
            noted: None,
        }
    }

    /// One that can only be written.
    pub(super) const fn action(name: &'static str, store: Store) -> File {
        File {
            name,
            mode: 0o200,
            place: Where::BelowRoot,
            read: Read::Nothing,
            take: Take::Value(store),
            delegated: false,
            noted: None,
        }
    }

    pub(super) const fn stored(self, store: Store) -> File {
        File {
            mode: 0o644,
            take: Take::Value(store),
            ..self
        }
    }

    /// It takes the numbers of members, also from inside at the root of a namespace.
    pub(super) const fn members(self, whole: Whole) -> File {
        File {
            mode: 0o644,
            take: Take::Member(whole),
            delegated: true,
            ..self
        }
    }

    pub(super) const fn delegated(self) -> File {
        File {
            delegated: true,
            ..self
        }
    }

    pub(super) const fn on(self, place: Where) -> File {
        File { place, ..self }
    }

    pub(super) const fn noted(self, what: Noted) -> File {
        File {
            noted: Some(what),
            ..self
        }
    }
}

/// The tables: whose files they are, the beginning of their names, the files. The place in here is
/// the upper half of a node's `kind`.
pub(super) const TABLES: &[(Option<Controllers>, &str, &[File])] = &[
    (None, "cgroup.", core::FILES),
    (Some(Controllers::PIDS), "pids.", pids::FILES),
    (Some(Controllers::CPUSET), "cpuset.", cpuset::FILES),
    (Some(Controllers::IO), "io.", io::FILES),
    (None, "cpu.stat", cpu::ALWAYS),
    (Some(Controllers::CPU), "cpu.", cpu::FILES),
    (Some(Controllers::MEMORY), "memory.", memory::FILES),
];

/// A file and its place in the tables, as the `kind` of a node.
#[derive(Clone, Copy)]
pub(super) struct Numbered {
    pub(super) kind: u16,
    pub(super) controller: Option<Controllers>,
    pub(super) file: &'static File,
}

/// All files that there are.
pub(super) fn all() -> impl Iterator<Item = Numbered> {
    let tables = TABLES.iter().zip(0u8..);
    tables.flat_map(|((controller, _, files), upper)| {
        files.iter().zip(1u8..).map(move |(file, lower)| Numbered {
            kind: u16::from_be_bytes([upper, lower]),
            controller: *controller,
            file,
        })
    })
}

/// The file of this number.
pub(super) fn numbered(kind: u16) -> Option<Numbered> {
    let [upper, lower] = kind.to_be_bytes();
    let (controller, _, files) = TABLES.get(usize::from(upper))?;
    let file = files.get(usize::from(lower).checked_sub(1)?)?;
    Some(Numbered {
        kind,
        controller: *controller,
        file,
    })
}

/// The file of this name.
pub(super) fn named(name: &[u8]) -> Option<Numbered> {
    let ((controller, _, files), upper) = TABLES
        .iter()
        .zip(0u8..)
        .find(|((_, begin, _), _)| name.starts_with(begin.as_bytes()))?;
    let mut files = files.iter().zip(1u8..);
    let (file, lower) = files.find(|(file, _)| file.name.as_bytes() == name)?;
    Some(Numbered {
        kind: u16::from_be_bytes([upper, lower]),
        controller: *controller,
        file,
    })
}
