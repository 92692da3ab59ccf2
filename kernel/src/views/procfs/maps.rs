//! /proc/PID/maps: the areas of an address space, a line each, a few lines a piece.

use super::memory;
use super::subject::Subject;
use crate::Kernel;
use crate::error::Stop;
use crate::fs::{InodeId, Location, MountId, Node, Pos, SuperId, ViewNode, path_of};
use crate::machine::{Access, Machine, PAGE};
use crate::mm::Mm;
use crate::mm::area::{Area, AreaFlags, Source as Pages};
use crate::views::Source;
use crate::views::telling::{Cursor, Piece};
use crate::views::text::{Text, put};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

/// Lines of one piece.
const LINES: usize = 32;

/// /proc/PID/maps.
pub(super) fn maps(
    k: &mut Kernel,
    _m: &mut dyn Machine,
    node: ViewNode,
    mut cursor: Cursor,
) -> Result<Piece, Stop> {
    let Some(mm) = memory::opened(k, cursor) else {
        return Ok(Piece::whole(Vec::new()));
    };
    let s = Source::of(k);
    let mut names = Names::of(&s, node);
    let mut text = Text::default();
    let mut next = None;
    for count in 0.. {
        let Some(area) = mm.areas.from(cursor.at) else {
            break;
        };
        if count >= LINES || names.is_full() {
            next = Some(cursor);
            break;
        }
        line(&mut text, mm, area, &mut names);
        cursor.at = area.end;
    }
    let text = text.done()?;
    Ok(Piece { text, next })
}

/// Range, access, offset, device, inode, path.
pub(super) fn line(text: &mut Text, mm: &Mm, area: &Area, names: &mut Names) {
    let from = text.len();
    let offset = area.source_page(area.start).saturating_mul(PAGE);
    put!(text, "{:08x}-{:08x} {}", area.start, area.end, access(area));
    let (dev, ino, path) = match area.source() {
        Some(Pages::File(inode)) => names.file(inode),
        // What mmap(2) shares without a file, by Linux's name for it.
        Some(Pages::Object(_)) => (1, 0, b"/dev/zero (deleted)".to_vec()),
        None => (0, 0, region(mm, area).to_vec()),
    };
    put!(text, " {offset:08x} 00:{dev:02x} {ino} ");
    if !path.is_empty() {
        text.pad(from, 73);
        text.push_escaping(&path, |byte| byte == b'\n');
    }
    text.push(b"\n");
}

/// `rwxp`, with `s` for what is shared and `-` for what is not allowed.
fn access(area: &Area) -> String {
    let bit = |flag, letter| {
        if area.access.contains(flag) {
            letter
        } else {
            '-'
        }
    };
    let shared = if area.is_shared() { 's' } else { 'p' };
    let letters = [
        bit(Access::READ, 'r'),
        bit(Access::WRITE, 'w'),
        bit(Access::EXEC, 'x'),
        shared,
    ];
    letters.into_iter().collect()
}

/// What an area without a source is.
fn region(mm: &Mm, area: &Area) -> &'static [u8] {
    let first_stack = area.start <= mm.layout.stack && mm.layout.stack < area.end;
    if first_stack && area.flags.contains(AreaFlags::GROWS_DOWN) {
        b"[stack]"
    } else if area.start < mm.heap.1 && area.end > mm.heap.0 {
        b"[heap]"
    } else {
        b""
    }
}

/// How files are told: areas know inodes only, so that the path is that on the first mount which
/// shows the file to the process.
pub(super) struct Names<'a> {
    s: Source<'a>,
    /// The process's root, and the tree of mounts that it sees.
    seen: Option<(Pos, u32)>,
    told: BTreeMap<InodeId, FileName>,
}

/// Device (minor), inode number and path of a file.
type FileName = (u32, u64, Vec<u8>);

/// Files that one piece finds the names of.
const NAMES: usize = 4;

impl<'a> Names<'a> {
    pub(super) fn of(s: &Source<'a>, node: ViewNode) -> Names<'a> {
        let seen = || {
            let (_, task) = Subject::of(s, node).ok()?.living(s).ok()?;
            let root = s.tasks.contexts.get(task.fs.as_ref()?.key())?.root.pos();
            let ns = s.ns.mount.get(task.ns.as_ref()?.mount.key())?;
            Some((root, s.fs.mounts.get(ns.root.key())?.tree))
        };
        Names {
            s: *s,
            seen: seen(),
            told: BTreeMap::new(),
        }
    }

    /// Finding more would make the piece long.
    pub(super) fn is_full(&self) -> bool {
        self.told.len() >= NAMES
    }

    /// What is told of a file: found once, as programs map the same file many times.
    fn file(&mut self, id: InodeId) -> FileName {
        if let Some(known) = self.told.get(&id) {
            return known.clone();
        }
        let name = self.find(id).unwrap_or_default();
        self.told.insert(id, name.clone());
        name
    }

    fn find(&self, id: InodeId) -> Option<FileName> {
        let fs = self.s.fs;
        let inode = fs.inodes.get(id)?;
        let dev = fs.supers.get(inode.sb).map_or(0, |sb| sb.dev);
        let path = self.seen.and_then(|(root, tree)| {
            let mount = self.shown_on(inode.sb, tree)?;
            let pos = Pos {
                mount,
                node: Node::Inode(id),
            };
            Some(path_of(fs, &self.s, &Location { pos, name: None }, root).text())
        });
        Some((dev, inode.ino, path.unwrap_or_default()))
    }

    /// The oldest mount of a tree that shows an instance, or the one that nobody can walk to.
    fn shown_on(&self, sb: SuperId, tree: u32) -> Option<MountId> {
        let mounts = self.s.fs.mounts.iter();
        let of_it = mounts.filter(|(_, mount)| mount.tree == tree && mount.sb.key() == sb);
        let oldest = of_it.min_by_key(|(_, mount)| mount.id);
        oldest.map_or_else(|| self.s.fs.home_of(sb), |(key, _)| Some(key))
    }
}
