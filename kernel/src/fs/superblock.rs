//! File system instances (superblocks): limits, numbers, root.

use super::inode::{self, What};
use super::{Actor, Fs, HeldNode, Node, Store, SuperId, View, ViewNode, devpts, mqueue};
use crate::arena::{Arena, Held};
use crate::error::{Errno, Stop};
use crate::machine::PAGE;
use alloc::vec::Vec;

/// A file system instance.
#[derive(Debug)]
pub struct Super {
    /// Which file system.
    pub kind: SuperKind,
    /// Its root.
    pub root: HeldNode,
    /// Its device number: major 0, this minor.
    pub dev: u32,
    /// Nothing on it may change.
    pub readonly: bool,
    /// Limits.
    pub limits: Limits,
    /// Pages in use.
    pub pages: u64,
    /// Inodes in use.
    pub inodes: u64,
    /// The last inode number given out.
    pub last_ino: u64,
    /// What it was mounted with, for /proc/mounts: begins with a comma, or is empty.
    pub options: Vec<u8>,
}

/// Which file system an instance is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SuperKind {
    /// Files in memory.
    Tmpfs,
    /// Files that show other objects.
    View(View),
    /// Pipes without a name.
    Pipes,
    /// Files that are events: all of them are one inode.
    Events,
    /// Sockets.
    Sockets,
    /// Terminals.
    Devpts(devpts::Options),
    /// Message queues.
    Mqueue(mqueue::Settings),
}

impl SuperKind {
    /// The name that mount(2) and /proc/mounts use.
    pub fn name(self) -> &'static str {
        match self {
            SuperKind::Tmpfs => "tmpfs",
            SuperKind::Pipes => "pipefs",
            SuperKind::Events => "anon_inodefs",
            SuperKind::Sockets => "sockfs",
            SuperKind::Devpts(_) => "devpts",
            SuperKind::Mqueue(_) => "mqueue",
            SuperKind::View(View::Proc) => "proc",
            SuperKind::View(View::Sys) => "sysfs",
            SuperKind::View(View::Ns) => "nsfs",
            SuperKind::View(View::Cgroup) => "cgroup2",
        }
    }
}

/// How much a tmpfs may hold.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Pages; `u64::MAX` for no limit.
    pub pages: u64,
    /// Inodes; `u64::MAX` for no limit.
    pub inodes: u64,
}

impl Limits {
    /// No limit.
    pub const NONE: Limits = Limits {
        pages: u64::MAX,
        inodes: u64::MAX,
    };
}

/// What a tmpfs is made with (tmpfs(5)).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TmpfsOptions {
    /// Limits.
    pub limits: Limits,
    /// The root directory's permission bits.
    pub mode: u32,
    /// The root directory's owner; that of the actor if absent.
    pub uid: Option<u32>,
    /// The root directory's group; that of the actor if absent.
    pub gid: Option<u32>,
    /// The options that were given, for /proc/mounts: begins with a comma, or is empty.
    pub text: Vec<u8>,
}

impl TmpfsOptions {
    /// Without options: half of the memory, as on Linux.
    pub fn new(memory_frames: u64) -> TmpfsOptions {
        let half = Limits {
            pages: memory_frames / 2,
            inodes: memory_frames / 2,
        };
        TmpfsOptions {
            limits: half,
            mode: 0o1777,
            uid: None,
            gid: None,
            text: Vec::new(),
        }
    }

    /// Reads mount(2)'s data: `size= nr_blocks= nr_inodes= mode= uid= gid=`, comma separated.
    ///
    /// # Errors
    /// EINVAL for an unknown option or a bad value.
    pub fn parse(data: &[u8], memory_frames: u64) -> Result<TmpfsOptions, Errno> {
        let mut options = TmpfsOptions::new(memory_frames);
        options.change(data, memory_frames)?;
        Ok(options)
    }

    /// As [`TmpfsOptions::parse`], but what is not given stays as it is (a remount).
    ///
    /// # Errors
    /// EINVAL for an unknown option or a bad value.
    pub fn change(&mut self, data: &[u8], memory_frames: u64) -> Result<(), Errno> {
        let options = self;
        for option in data.split(|b| *b == b',').filter(|o| !o.is_empty()) {
            let at = option
                .iter()
                .position(|b| *b == b'=')
                .ok_or(Errno::EINVAL)?;
            let (key, value) = (&option[..at], option.get(at + 1..).unwrap_or(&[]));
            match key {
                b"size" => options.limits.pages = size_pages(value, memory_frames)?,
                b"nr_blocks" => options.limits.pages = no_zero(scaled(value)?),
                b"nr_inodes" => options.limits.inodes = no_zero(scaled(value)?),
                b"mode" => options.mode = number(value, 8)? as u32 & 0o7777,
                b"uid" => options.uid = Some(id(value)?),
                b"gid" => options.gid = Some(id(value)?),
                _ => return Err(Errno::EINVAL),
            }
            options.text.push(b',');
            options.text.extend_from_slice(option);
        }
        Ok(())
    }
}

/// 0 means no limit (tmpfs(5)).
fn no_zero(value: u64) -> u64 {
    if value == 0 { u64::MAX } else { value }
}

fn size_pages(value: &[u8], memory_frames: u64) -> Result<u64, Errno> {
    if let Some(percent) = value.strip_suffix(b"%") {
        let part = u128::from(number(percent, 10)?) * u128::from(memory_frames) / 100;
        return Ok(no_zero(u64::try_from(part).unwrap_or(u64::MAX)));
    }
    Ok(no_zero(scaled(value)?.div_ceil(PAGE)))
}

/// A number with a suffix k, m, g, t, p or e.
fn scaled(value: &[u8]) -> Result<u64, Errno> {
    let (digits, shift) = match value.split_last() {
        Some((last, digits)) => match last.to_ascii_lowercase() {
            b'k' => (digits, 10),
            b'm' => (digits, 20),
            b'g' => (digits, 30),
            b't' => (digits, 40),
            b'p' => (digits, 50),
            b'e' => (digits, 60),
            _ => (value, 0),
        },
        None => return Err(Errno::EINVAL),
    };
    number(digits, 10)?
        .checked_mul(1 << shift)
        .ok_or(Errno::EINVAL)
}

fn number(digits: &[u8], radix: u32) -> Result<u64, Errno> {
    let text = core::str::from_utf8(digits).map_err(|_| Errno::EINVAL)?;
    if text.starts_with('+') {
        return Err(Errno::EINVAL);
    }
    u64::from_str_radix(text, radix).map_err(|_| Errno::EINVAL)
}

fn id(value: &[u8]) -> Result<u32, Errno> {
    u32::try_from(number(value, 10)?)
        .ok()
        .filter(|id| *id != u32::MAX)
        .ok_or(Errno::EINVAL)
}

impl Fs {
    /// The number of a new inode, counted against the limit.
    pub(super) fn take_ino(&mut self, sb: SuperId) -> Result<u64, Errno> {
        // An instance without an entry is just being made: this is its root.
        let Some(sb) = self.supers.get_mut(sb) else {
            return Ok(1);
        };
        if sb.inodes >= sb.limits.inodes {
            return Err(Errno::ENOSPC);
        }
        sb.inodes += 1;
        sb.last_ino += 1;
        Ok(sb.last_ino)
    }

    /// Counts one more page against the limit.
    pub(super) fn take_page(&mut self, sb: SuperId) -> Result<(), Errno> {
        let Some(sb) = self.supers.get_mut(sb) else {
            return Ok(());
        };
        if sb.pages >= sb.limits.pages {
            return Err(Errno::ENOSPC);
        }
        sb.pages += 1;
        Ok(())
    }

    /// Counts pages that are free again.
    pub(super) fn give_pages(&mut self, sb: SuperId, pages: u64) {
        if let Some(sb) = self.supers.get_mut(sb) {
            sb.pages = sb.pages.saturating_sub(pages);
        }
    }

    fn next_dev(&mut self) -> u32 {
        self.last_dev += 1;
        self.last_dev
    }
}

/// A new tmpfs.
///
/// # Errors
/// No memory.
pub fn tmpfs(st: &mut Store, actor: &Actor, options: TmpfsOptions) -> Result<Held<SuperId>, Stop> {
    kept(st, actor, SuperKind::Tmpfs, What::Dir, options)
}

/// An instance for files without a name, without limits.
///
/// # Errors
/// No memory.
pub fn hidden(st: &mut Store, actor: &Actor, kind: SuperKind) -> Result<Held<SuperId>, Stop> {
    let (root, mode) = match kind {
        SuperKind::Events => (What::Event, 0o600),
        _ => (What::Dir, 0o1777),
    };
    let options = TmpfsOptions {
        limits: Limits::NONE,
        mode,
        ..TmpfsOptions::new(0)
    };
    kept(st, actor, kind, root, options)
}

/// A new instance with few files.
///
/// # Errors
/// No memory.
pub(super) fn small(
    st: &mut Store,
    actor: &Actor,
    kind: SuperKind,
    text: Vec<u8>,
) -> Result<Held<SuperId>, Stop> {
    let options = TmpfsOptions {
        limits: Limits::NONE,
        mode: 0o755,
        text,
        ..TmpfsOptions::new(0)
    };
    kept(st, actor, kind, What::Dir, options)
}

fn kept(
    st: &mut Store,
    actor: &Actor,
    kind: SuperKind,
    root: What,
    options: TmpfsOptions,
) -> Result<Held<SuperId>, Stop> {
    let charge = st
        .groups
        .charge(actor.group, Arena::<SuperId, Super>::COST)?;
    let nobody = crate::arena::Key::new(u32::MAX, 0);
    let root = match inode::create(st, actor, nobody, root, options.mode, None) {
        Ok(root) => root,
        Err(stop) => {
            st.groups.give_back(charge);
            return Err(stop);
        }
    };
    let id = root.key();
    let sb = Super {
        kind,
        root: HeldNode::Inode(root),
        dev: st.fs.next_dev(),
        readonly: false,
        limits: options.limits,
        pages: 0,
        inodes: 1,
        last_ino: 1,
        options: options.text,
    };
    let held = st.fs.supers.insert(sb, charge);
    if let Some(root) = st.fs.inodes.get_mut(id) {
        root.sb = held.key();
        root.uid = options.uid.unwrap_or(root.uid);
        root.gid = options.gid.unwrap_or(root.gid);
    }
    Ok(held)
}

/// The instance of a view that has this root, made when there is none, and with these options from
/// now on: a comma before each.
///
/// # Errors
/// No memory.
pub fn shared_view(
    st: &mut Store,
    actor: &Actor,
    root: ViewNode,
    options: &[u8],
) -> Result<Held<SuperId>, Stop> {
    let shows = |sb: &Super| sb.root() == Node::View(root);
    let there = st.fs.supers.iter().find(|(_, sb)| shows(sb)).map(|s| s.0);
    let held = match there.and_then(|id| st.fs.supers.hold(id)) {
        Some(held) => held,
        None => view(st, actor, root)?,
    };
    if let Some(sb) = st.fs.supers.get_mut(held.key()) {
        sb.options = options.to_vec();
    }
    Ok(held)
}

/// A new instance of a view, whose root is `root`.
///
/// # Errors
/// No memory.
pub fn view(st: &mut Store, actor: &Actor, root: ViewNode) -> Result<Held<SuperId>, Stop> {
    let charge = st
        .groups
        .charge(actor.group, Arena::<SuperId, Super>::COST)?;
    let sb = Super {
        kind: SuperKind::View(root.view),
        root: HeldNode::View(root),
        dev: st.fs.next_dev(),
        readonly: false,
        limits: Limits::NONE,
        pages: 0,
        inodes: 0,
        last_ino: 0,
        options: Vec::new(),
    };
    Ok(st.fs.supers.insert(sb, charge))
}

impl Super {
    /// Changes the limits of a tmpfs as mount(2)'s data says.
    ///
    /// # Errors
    /// EINVAL for a bad option, a limit below what is in use, or an instance without options.
    pub fn reconfigure(&mut self, data: &[u8], memory_frames: u64) -> Result<(), Errno> {
        if data.is_empty() {
            return Ok(());
        }
        if self.kind != SuperKind::Tmpfs {
            return Err(Errno::EINVAL);
        }
        let mut options = TmpfsOptions {
            limits: self.limits,
            ..TmpfsOptions::new(memory_frames)
        };
        options.change(data, memory_frames)?;
        if options.limits.pages < self.pages || options.limits.inodes < self.inodes {
            return Err(Errno::EINVAL);
        }
        self.limits = options.limits;
        self.options = options.text;
        Ok(())
    }

    /// Its root.
    pub fn root(&self) -> Node {
        self.root.node()
    }
}

impl Store<'_> {
    /// Gives an instance back; the last reference takes its files along.
    pub fn release_super(&mut self, held: Held<SuperId>) {
        if let Some((sb, charge)) = self.fs.supers.release(held) {
            self.groups.give_back(charge);
            if let Node::Inode(root) = sb.root() {
                if let Some(root) = self.fs.inodes.get_mut(root) {
                    root.nlink = 0;
                }
            }
            self.release_node(sb.root);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_tmpfs_are_those_of_linux() {
        let o =
            TmpfsOptions::parse(b"mode=755,size=65536k,nr_inodes=1k,uid=5,gid=6", 1000).unwrap();
        assert_eq!((o.mode, o.uid, o.gid), (0o755, Some(5), Some(6)));
        assert_eq!((o.limits.pages, o.limits.inodes), (16384, 1024));
        assert_eq!(o.text, b",mode=755,size=65536k,nr_inodes=1k,uid=5,gid=6");
        assert_eq!(
            TmpfsOptions::parse(b"size=50%", 1000).unwrap().limits.pages,
            500
        );
        assert_eq!(
            TmpfsOptions::parse(b"size=0", 1000).unwrap().limits.pages,
            u64::MAX
        );
        assert_eq!(TmpfsOptions::parse(b"", 1000).unwrap().limits.pages, 500);
        for bad in [
            "size",
            "size=",
            "size=x",
            "size=+1",
            "mode=9",
            "huge=1",
            "uid=-1",
            "uid=4294967295",
            "size=99999999999999999999e",
            "size=16e",
        ] {
            assert_eq!(
                TmpfsOptions::parse(bad.as_bytes(), 1000),
                Err(Errno::EINVAL),
                "{bad}"
            );
        }
    }
}
