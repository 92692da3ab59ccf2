//! What is known of a process's memory: sizes, areas, arguments, environment.

use super::subject::Subject;
use crate::Kernel;
use crate::arena::Held;
use crate::error::{Errno, Stop};
use crate::fs::{InodeId, Location, MountId, Node, Pos, ViewNode, path_of};
use crate::machine::{Access, Machine, PAGE};
use crate::mm::area::{Area, AreaFlags, Source as Pages};
use crate::mm::{MmId, user};
use crate::views::Source;
use crate::views::text::{Text, put};
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

type Content = Result<Vec<u8>, Stop>;

/// Sizes and places in an address space.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Facts {
    /// Bytes of all areas.
    pub(super) bytes: u64,
    /// Pages that are there.
    pub(super) resident: u64,
    /// The program's code: first address and end.
    pub(super) code: (u64, u64),
    /// The program's data.
    pub(super) data: (u64, u64),
    /// Where the heap starts.
    pub(super) brk: u64,
    /// The strings of the arguments.
    pub(super) args: (u64, u64),
    /// The strings of the environment.
    pub(super) env: (u64, u64),
}

impl Facts {
    /// For those who may not look into the process.
    pub(super) fn without_addresses(self) -> Facts {
        Facts {
            bytes: self.bytes,
            resident: self.resident,
            ..Facts::default()
        }
    }
}

/// The address space of a subject, while it has one.
fn space<'a>(s: &Source<'a>, subject: &Subject) -> Option<&'a Held<MmId>> {
    subject.living(s).ok()?.1.mm.as_ref()
}

/// The facts of a subject's memory; all 0 when it has none (any more).
pub(super) fn facts(k: &Kernel, subject: &Subject) -> Facts {
    let s = Source::of(k);
    let Some(mm) = space(&s, subject).and_then(|mm| k.spaces.get(mm.key())) else {
        return Facts::default();
    };
    let exe = subject.process(&s).ok().and_then(|p| p.exe.as_ref());
    let exe = exe.map(|at| at.pos().node);
    let of_exe = |area: &&Area| match area.source() {
        Some(Pages::File(inode)) => exe == Some(Node::Inode(inode)),
        _ => false,
    };
    let range = |wanted: Access| {
        let mut areas = mm.areas.iter().filter(of_exe);
        let found = areas.find(|area| area.access.contains(wanted));
        found.map_or((0, 0), |area| (area.start, area.end))
    };
    Facts {
        bytes: mm.areas.bytes(),
        resident: mm.resident,
        code: range(Access::EXEC),
        data: range(Access::WRITE),
        brk: mm.heap.0,
        args: mm.args,
        env: mm.env,
    }
}

/// /proc/PID/statm: pages of all, resident, shared (not counted), code, 0, the rest, 0.
pub(super) fn statm(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let subject = Subject::of(&Source::of(k), node)?;
    let f = facts(k, &subject);
    let page = PAGE;
    let code = f.code.1.saturating_sub(f.code.0).div_ceil(page);
    let mut text = Text::default();
    put!(
        text,
        "{} {} 0 {code} 0 {} 0\n",
        f.bytes / page,
        f.resident,
        (f.bytes / page).saturating_sub(code)
    );
    Ok(text.done()?)
}

/// /proc/PID/cmdline: the arguments, each ended by NUL.
pub(super) fn cmdline(k: &mut Kernel, m: &mut dyn Machine, node: ViewNode) -> Content {
    let subject = Subject::of(&Source::of(k), node)?;
    let range = facts(k, &subject).args;
    read(k, m, &subject, range)
}

/// /proc/PID/environ: the environment, each variable ended by NUL.
pub(super) fn environ(k: &mut Kernel, m: &mut dyn Machine, node: ViewNode) -> Content {
    let subject = Subject::of(&Source::of(k), node)?;
    let range = facts(k, &subject).env;
    read(k, m, &subject, range)
}

/// The most bytes of arguments or environment that are shown.
const STRINGS_MAX: u64 = 1 << 20;

/// What a process has in its memory now; up to the first page that it took away.
fn read(k: &mut Kernel, m: &mut dyn Machine, subject: &Subject, range: (u64, u64)) -> Content {
    let len = range.1.saturating_sub(range.0).min(STRINGS_MAX);
    let mm = space(&Source::of(k), subject).map(Held::key);
    let (Some(mm), true) = (mm, len > 0) else {
        return Ok(Vec::new());
    };
    let len = usize::try_from(len).map_err(|_| Errno::ENOMEM)?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(len, 0);
    let got = match user::read_some_of(k, m, mm, range.0, &mut bytes) {
        Err(Stop::Errno(_)) => 0,
        other => other?,
    };
    bytes.truncate(got);
    Ok(bytes)
}

/// /proc/PID/maps: range, access, offset, device, inode, path.
pub(super) fn maps(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let s = Source::of(k);
    let subject = Subject::of(&s, node)?;
    let Some(mm) = space(&s, &subject).and_then(|mm| k.spaces.get(mm.key())) else {
        return Ok(Vec::new());
    };
    let mut paths = Paths::of(&s, &subject);
    let mut text = Text::default();
    for area in mm.areas.iter() {
        let from = text.len();
        let offset = area.source_page(area.start).saturating_mul(PAGE);
        put!(text, "{:08x}-{:08x} {}", area.start, area.end, access(area));
        let (dev, ino, path) = match area.source() {
            Some(Pages::File(inode)) => paths.file(inode),
            // What mmap(2) shares without a file, by Linux's name for it.
            Some(Pages::Object(_)) => (1, 0, b"/dev/zero (deleted)".to_vec()),
            None => (0, 0, region(mm.heap, area).to_vec()),
        };
        put!(text, " {offset:08x} 00:{dev:02x} {ino} ");
        if !path.is_empty() {
            text.pad(from, 73);
            text.push_escaping(&path, |byte| byte == b'\n');
        }
        text.push(b"\n");
    }
    Ok(text.done()?)
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
fn region(heap: (u64, u64), area: &Area) -> &'static [u8] {
    if area.flags.contains(AreaFlags::GROWS_DOWN) {
        b"[stack]"
    } else if area.start < heap.1 && area.end > heap.0 {
        b"[heap]"
    } else {
        b""
    }
}

/// How a process's files are told: areas know inodes only, so that the path is that of the first
/// mount which shows their file system.
struct Paths<'a> {
    s: Source<'a>,
    root: Option<Pos>,
    mounts: Vec<MountId>,
    told: BTreeMap<InodeId, FileName>,
}

/// Device (minor), inode number and path of a file.
type FileName = (u32, u64, Vec<u8>);

impl<'a> Paths<'a> {
    fn of(s: &Source<'a>, subject: &Subject) -> Paths<'a> {
        let task = subject.living(s).ok().map(|living| living.1);
        let context = task.and_then(|t| s.tasks.contexts.get(t.fs.as_ref()?.key()));
        let ns = task.and_then(|t| s.ns.mount.get(t.ns.as_ref()?.mount.key()));
        let top = ns.map(|ns| ns.root.key());
        let trees = s.fs.zip(top);
        Paths {
            s: *s,
            root: context.map(|c| c.root.pos()),
            mounts: trees.map_or(Vec::new(), |(fs, top)| fs.subtree(top)),
            told: BTreeMap::new(),
        }
    }

    /// What is told of a file: found once, as programs map the same file many times.
    fn file(&mut self, id: InodeId) -> FileName {
        if let Some(known) = self.told.get(&id) {
            return known.clone();
        }
        let name = self.find(id);
        self.told.insert(id, name.clone());
        name
    }

    fn find(&self, id: InodeId) -> FileName {
        let Some((fs, inode)) = self.s.fs.and_then(|fs| Some((fs, fs.inodes.get(id)?))) else {
            return (0, 0, Vec::new());
        };
        let dev = fs.supers.get(inode.sb).map_or(0, |sb| sb.dev);
        let shows = |id: &&MountId| fs.mounts.get(**id).is_some_and(|m| m.sb.key() == inode.sb);
        let path = self
            .mounts
            .iter()
            .find(shows)
            .zip(self.root)
            .map(|(mount, root)| {
                let pos = Pos {
                    mount: *mount,
                    node: Node::Inode(id),
                };
                path_of(fs, &self.s, &Location { pos, name: None }, root).text()
            });
        (dev, inode.ino, path.unwrap_or_default())
    }
}
