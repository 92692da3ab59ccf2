//! The content of a view's file, told in pieces: a trap makes one piece, and each is short.
//!
//! Most files are one piece. Long ones go on from a [`Cursor`], as Linux's seq_file does: what is
//! told later is as of later, and every line is whole.

use super::{Opened, cgroupfs, changes, procfs};
use crate::Kernel;
use crate::error::{Errno, Stop};
use crate::fs::open::FileKind;
use crate::fs::{FileId, View, ViewNode};
use crate::machine::Machine;
use crate::mm::MmId;
use alloc::vec::Vec;

/// Where the next piece of a file begins; zeros are the beginning.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Cursor {
    /// The address space that the file was opened for: another program's memory is never shown.
    pub space: Option<MmId>,
    /// A place of the file's own: an address, a number.
    pub at: u64,
    /// And one inside that, for what takes more than one trap.
    pub within: u64,
    /// What was counted on the way.
    pub sums: [u64; 8],
}

/// A piece of a file.
#[derive(Debug)]
pub struct Piece {
    /// Its bytes; none when the work goes on and there is nothing to tell yet.
    pub text: Vec<u8>,
    /// Where the next begins; `None` behind the last.
    pub next: Option<Cursor>,
}

impl Piece {
    /// A file that is one piece.
    pub fn whole(text: Vec<u8>) -> Piece {
        Piece { text, next: None }
    }
}

/// What an open file has told: the last piece, and where the next begins.
#[derive(Default, Debug)]
pub struct Telling {
    piece: Vec<u8>,
    /// The place of the piece in the file.
    begin: u64,
    next: Option<Cursor>,
    begun: bool,
}

impl Telling {
    /// The bytes of the piece from `position` on; none when it is outside.
    fn rest(&self, position: u64) -> &[u8] {
        let within = position.checked_sub(self.begin);
        let within = within.and_then(|at| usize::try_from(at).ok());
        within.and_then(|at| self.piece.get(at..)).unwrap_or(&[])
    }

    fn end(&self) -> u64 {
        self.begin.saturating_add(self.piece.len() as u64)
    }
}

/// What a reader finds at a place of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// Bytes: [`bytes`].
    Here,
    /// The end of the file.
    End,
    /// Another trap has to go on.
    Later,
}

/// Makes the piece of an open file that has `position`, or one on the way there. From position 0
/// the file is told anew, unless the call goes on with it (`again`).
///
/// # Errors
/// EBADF; what the content ends with (ESRCH, EACCES, EINVAL); no memory.
pub fn advance(
    k: &mut Kernel,
    m: &mut dyn Machine,
    id: FileId,
    position: u64,
    again: bool,
) -> Result<Place, Stop> {
    let file = view_file(k, id)?;
    let told = &file.told;
    let restart = !told.begun || position < told.begin || (position == 0 && !again);
    let (begin, cursor) = if restart {
        (0, Some(start(&file.opened)))
    } else if told.rest(position).is_empty() {
        (told.end(), told.next)
    } else {
        (0, None)
    };
    let node = file.node;
    if let Some(cursor) = cursor {
        let seen = changes(k, node).map(|(_, count)| count);
        let Piece { text, next } = piece(k, m, node, cursor)?;
        let told = Telling {
            piece: text,
            begin,
            next,
            begun: true,
        };
        let file = view_file(k, id)?;
        file.told = told;
        file.seen = seen;
    }
    let told = &view_file(k, id)?.told;
    Ok(match told.next {
        _ if !told.rest(position).is_empty() => Place::Here,
        None => Place::End,
        Some(_) => Place::Later,
    })
}

/// The bytes of an open file's piece from `position` on.
pub fn bytes(k: &Kernel, id: FileId, position: u64) -> &[u8] {
    match k.fs.files.get(id).map(|file| &file.kind) {
        Some(FileKind::View(file)) => file.told.rest(position),
        _ => &[],
    }
}

fn view_file(k: &mut Kernel, id: FileId) -> Result<&mut crate::fs::open::ViewFile, Errno> {
    match &mut k.fs.file_mut(id)?.kind {
        FileKind::View(file) => Ok(file),
        _ => Err(Errno::EBADF),
    }
}

/// Where a file begins.
pub fn start(opened: &Opened) -> Cursor {
    let space = match opened {
        Opened::Memory(space) => *space,
        _ => None,
    };
    Cursor {
        space,
        ..Cursor::default()
    }
}

/// The piece of a file that begins at `cursor`.
///
/// # Errors
/// ESRCH when its object is gone; EACCES, EPERM; EINVAL for what cannot be read; no memory.
pub fn piece(
    k: &mut Kernel,
    m: &mut dyn Machine,
    node: ViewNode,
    cursor: Cursor,
) -> Result<Piece, Stop> {
    match node.view {
        View::Proc | View::Sys => procfs::piece(k, m, node, cursor),
        View::Ns => Err(Errno::EINVAL.into()),
        View::Cgroup => cgroupfs::piece(k, m, node, cursor),
    }
}
