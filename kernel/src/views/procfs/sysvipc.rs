//! /proc/sysvipc: System V shared memory (proc(5)).

use super::table::{Line, long};
use crate::Kernel;
use crate::error::Stop;
use crate::fs::ViewNode;
use crate::fs::inode::Kind;
use crate::machine::{Machine, PAGE};
use crate::mm::segments::{self, Segment};
use crate::views::telling::{Cursor, Piece};
use crate::views::text::{Text, put};

pub(super) const LINES: &[Line] = &[long("shm", shm)];

/// Segments of one piece.
const SEGMENTS: usize = 16;

fn shm(
    k: &mut Kernel,
    _m: &mut dyn Machine,
    _node: ViewNode,
    mut cursor: Cursor,
) -> Result<Piece, Stop> {
    let mut text = Text::default();
    if cursor.at == 0 {
        put!(
            text,
            "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid  \
             cgid      atime      dtime      ctime                   rss                  swap\n"
        );
    }
    let start = u32::try_from(cursor.at).unwrap_or(u32::MAX);
    let mut told = 0;
    for (index, segment) in k.spaces.segments.from(start).take(SEGMENTS) {
        line(&mut text, k, segment);
        cursor.at = u64::from(index) + 1;
        told += 1;
    }
    Ok(Piece {
        text: text.done()?,
        next: (told == SEGMENTS).then_some(cursor),
    })
}

fn line(text: &mut Text, k: &Kernel, s: &Segment) {
    let resident = match k.fs.inodes.get(s.inode).map(|inode| &inode.kind) {
        Some(Kind::Regular(pages)) => pages.frames.len() as u64 * PAGE,
        _ => 0,
    };
    let [attached, detached, changed] = s.times;
    put!(
        text,
        "{:10} {:10}  {:4o} {:21} {:5} {:5}  {:5} {:5} {:5} {:5} {:5} {:10} {:10} {:10} {:21} {:21}\n",
        s.key,
        s.id,
        s.mode,
        s.size,
        s.cpid,
        s.lpid,
        segments::attached(k, s.inode),
        s.uid,
        s.gid,
        s.cuid,
        s.cgid,
        attached,
        detached,
        changed,
        resident,
        0
    );
}
