//! /proc/sysvipc: what there is of System V IPC in the reader's namespace (proc(5)).

use super::table::{Line, long};
use crate::Kernel;
use crate::error::{Errno, Stop};
use crate::fs::ViewNode;
use crate::ipc::Object;
use crate::machine::{Machine, PAGE};
use crate::mm::segments::{self, Segment};
use crate::ns::{IpcNsId, ipc};
use crate::views::telling::{Cursor, Piece};
use crate::views::text::{Text, put};

pub(super) const LINES: &[Line] = &[long("shm", shm)];

/// Objects of one piece.
const OBJECTS: usize = 16;

/// The ipc namespace of the task that reads.
pub(super) fn own(k: &Kernel) -> Result<IpcNsId, Errno> {
    let task = k.sched.current.ok_or(Errno::ESRCH)?;
    ipc::of_task(k, task).ok_or(Errno::ESRCH)
}

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
    for (index, segment) in segments::of(k, own(k)?)?.table.from(start).take(OBJECTS) {
        line(&mut text, k, segment);
        cursor.at = u64::from(index) + 1;
        told += 1;
    }
    Ok(Piece {
        text: text.done()?,
        next: (told == OBJECTS).then_some(cursor),
    })
}

fn line(text: &mut Text, k: &Kernel, s: &Object<Segment>) {
    let [attached, detached] = s.it.times;
    put!(
        text,
        "{:10} {:10}  {:4o} {:21} {:5} {:5}  {:5} {:5} {:5} {:5} {:5} {:10} {:10} {:10} {:21} {:21}\n",
        s.perm.key,
        s.id,
        s.mode(),
        s.it.size,
        s.it.cpid,
        s.it.lpid,
        segments::attached(k, s.it.inode),
        s.perm.uid,
        s.perm.gid,
        s.perm.cuid,
        s.perm.cgid,
        attached,
        detached,
        s.changed,
        segments::resident(k, s.it.inode) * PAGE,
        0
    );
}
