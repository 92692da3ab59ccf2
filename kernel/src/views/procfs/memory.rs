//! What is known of a process's memory: sizes, arguments, environment.

use super::subject::Subject;
use crate::Kernel;
use crate::arena::Held;
use crate::error::{Errno, Stop};
use crate::fs::ViewNode;
use crate::machine::{Machine, PAGE};
use crate::mm::{Mm, MmId, user};
use crate::views::Source;
use crate::views::telling::{Cursor, Piece};
use crate::views::text::{Text, put};
use alloc::vec::Vec;

type Content = Result<Vec<u8>, Stop>;

/// The address space of a node's process, while it has one.
///
/// # Errors
/// ESRCH when the process is gone.
pub(super) fn space(s: &Source, node: ViewNode) -> Result<Option<MmId>, Errno> {
    Ok(space_of(s, &Subject::of(s, node)?))
}

fn space_of(s: &Source, subject: &Subject) -> Option<MmId> {
    subject.living(s).ok()?.1.mm.as_ref().map(Held::key)
}

/// The address space that a file was opened for, unless it is gone.
pub(super) fn opened(k: &Kernel, cursor: Cursor) -> Option<&Mm> {
    k.spaces.get(cursor.space?)
}

/// The address space of a subject, while it has one.
pub(super) fn of<'a>(k: &'a Kernel, subject: &Subject) -> Option<&'a Mm> {
    k.spaces.get(space_of(&Source::of(k), subject)?)
}

/// /proc/PID/statm: pages of all, resident, those of files and shared memory, code, 0, data and
/// stack, 0.
pub(super) fn statm(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let subject = Subject::of(&Source::of(k), node)?;
    let mut text = Text::default();
    match of(k, &subject) {
        None => text.push(b"0 0 0 0 0 0 0\n"),
        Some(mm) => {
            let sizes = mm.areas.sizes();
            let code = pages_of(mm.layout.code);
            let data = sizes.data.saturating_add(sizes.stack) / PAGE;
            let (all, there) = (mm.areas.bytes() / PAGE, mm.resident.all());
            put!(
                text,
                "{all} {there} {} {code} 0 {data} 0\n",
                mm.resident.shared
            );
        }
    }
    Ok(text.done()?)
}

/// The pages that a range touches.
pub(super) fn pages_of((start, end): (u64, u64)) -> u64 {
    end.div_ceil(PAGE).saturating_sub(start / PAGE)
}

/// /proc/PID/cmdline: the arguments, each ended by NUL.
pub(super) fn cmdline(
    k: &mut Kernel,
    m: &mut dyn Machine,
    node: ViewNode,
    cursor: Cursor,
) -> Result<Piece, Stop> {
    let Some(id) = space(&Source::of(k), node)? else {
        return Ok(Piece::whole(Vec::new()));
    };
    let range = k.spaces.get(id).map_or((0, 0), |mm| mm.layout.args);
    read(k, m, id, range, cursor)
}

/// /proc/PID/environ: the environment, each variable ended by NUL.
pub(super) fn environ(
    k: &mut Kernel,
    m: &mut dyn Machine,
    _node: ViewNode,
    cursor: Cursor,
) -> Result<Piece, Stop> {
    let (Some(id), Some(mm)) = (cursor.space, opened(k, cursor)) else {
        return Ok(Piece::whole(Vec::new()));
    };
    let range = mm.layout.env;
    read(k, m, id, range, cursor)
}

/// /proc/PID/auxv: what the program found behind its environment (getauxval(3)).
pub(super) fn auxv(
    k: &mut Kernel,
    _m: &mut dyn Machine,
    _node: ViewNode,
    cursor: Cursor,
) -> Result<Piece, Stop> {
    let vector = opened(k, cursor).map_or(&[][..], |mm| &mm.layout.auxv);
    Ok(Piece::whole(vector.to_vec()))
}

/// Bytes of memory that one piece shows.
const PIECE: u64 = 32 << 10;

/// What a process has in its memory now; up to the first page that it took away.
fn read(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mm: MmId,
    range: (u64, u64),
    mut cursor: Cursor,
) -> Result<Piece, Stop> {
    let at = range.0.saturating_add(cursor.at);
    let len = range.1.saturating_sub(at).min(PIECE);
    if len == 0 {
        return Ok(Piece::whole(Vec::new()));
    }
    let mut bytes = Vec::new();
    bytes
        .try_reserve_exact(len as usize)
        .map_err(|_| Errno::ENOMEM)?;
    bytes.resize(len as usize, 0);
    let got = match user::read_some_of(k, m, mm, at, &mut bytes) {
        Err(Stop::Errno(_)) => 0,
        other => other?,
    };
    bytes.truncate(got);
    cursor.at += len;
    Ok(Piece {
        next: (got as u64 == len).then_some(cursor),
        text: bytes,
    })
}
