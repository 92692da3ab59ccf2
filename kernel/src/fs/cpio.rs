//! Unpacking the initial archive: cpio "newc", several in a row (initramfs(7) buffer format).
//!
//! The archive is not trusted to be whole: every length is checked against what is there.

use super::dir;
use super::inode::{Device, Kind, What};
use super::walk::{Last, NoViews, Start, WalkFlags, walk_parent};
use super::{Access, Actor, InodeId, Node, Pos, Store, Time, pages};
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::machine::{Machine, PAGE};
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// What is wrong with an archive, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Damaged {
    /// Byte of the archive at which its entry begins.
    pub offset: usize,
    /// What is wrong.
    pub reason: &'static str,
}

const HEADER: usize = 110;
const TRAILER: &[u8] = b"TRAILER!!!";
const PATH_MAX: usize = 4096;

/// The fields of an entry's header that count.
struct Entry {
    ino: (u32, u32, u32),
    mode: u32,
    uid: u32,
    gid: u32,
    nlink: u32,
    mtime: u32,
    size: usize,
    rdev: (u32, u32),
    name: Vec<u8>,
    /// Where its content begins.
    data: usize,
}

impl Entry {
    fn end(&self) -> Option<usize> {
        Some(self.data.checked_add(self.size)?.checked_add(3)? & !3)
    }
}

/// Unpacks the machine's initial archive below `root`; returns how many entries it had.
///
/// # Errors
/// [`Damaged`].
pub fn unpack(
    st: &mut Store,
    m: &mut dyn Machine,
    group: GroupId,
    root: Pos,
) -> Result<usize, Damaged> {
    let mut unpacking = Unpacking::new(group, root);
    while unpacking.step(st, m)? {}
    Ok(unpacking.count())
}

/// An archive on its way into a file system, entry by entry: between two of them the heap can be
/// given more room.
pub struct Unpacking {
    group: GroupId,
    root: Pos,
    /// Byte of the archive at which the next entry is looked for.
    at: usize,
    count: usize,
    /// Inodes that may get further names, by the archive's numbers.
    links: BTreeMap<(u32, u32, u32), InodeId>,
    /// Times that directories get when nothing more is put into them.
    dirs: Vec<(InodeId, Time)>,
}

impl Unpacking {
    /// Of the machine's initial archive, below `root`, paid for by `group`.
    pub fn new(group: GroupId, root: Pos) -> Unpacking {
        Unpacking {
            group,
            root,
            at: 0,
            count: 0,
            links: BTreeMap::new(),
            dirs: Vec::new(),
        }
    }

    /// How many entries were unpacked.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Unpacks the next entry; false at the end.
    ///
    /// # Errors
    /// [`Damaged`].
    pub fn step(&mut self, st: &mut Store, m: &mut dyn Machine) -> Result<bool, Damaged> {
        let end = m.initrd_len();
        let Some(start) = skip_zeros(m, self.at, end) else {
            self.set_times(st);
            return Ok(false);
        };
        let damaged = |reason| Damaged {
            offset: start,
            reason,
        };
        let entry = read_entry(m, start, end).map_err(damaged)?;
        self.at = entry
            .end()
            .filter(|next| *next <= end.saturating_add(3))
            .ok_or(damaged("content goes beyond the end"))?;
        if entry.name == TRAILER {
            self.links.clear();
            return Ok(true);
        }
        let mut unpacker = Unpacker { st, job: self };
        unpacker.add(m, &entry).map_err(damaged)?;
        self.count += 1;
        Ok(true)
    }

    fn set_times(&mut self, st: &mut Store) {
        for (id, time) in core::mem::take(&mut self.dirs) {
            if let Ok(inode) = st.fs.inode_mut(id) {
                inode.touch(time);
            }
        }
    }
}

/// Between archives there are zeros, up to any alignment.
fn skip_zeros(m: &mut dyn Machine, mut at: usize, end: usize) -> Option<usize> {
    // Nearly always the next entry begins at once.
    let mut first = [0];
    if m.initrd_read(at, &mut first) == 1 && first != [0] {
        return Some(at);
    }
    let mut chunk = [0; 512];
    while at < end {
        let got = m.initrd_read(at, &mut chunk);
        let part = chunk.get(..got).filter(|part| !part.is_empty())?;
        match part.iter().position(|b| *b != 0) {
            Some(i) => return Some(at + i),
            None => at += got,
        }
    }
    None
}

fn read_exact(m: &mut dyn Machine, mut at: usize, mut to: &mut [u8]) -> Result<(), &'static str> {
    while !to.is_empty() {
        let got = m.initrd_read(at, to).min(to.len());
        if got == 0 {
            return Err("it ends in the middle of an entry");
        }
        to = to.get_mut(got..).unwrap_or_default();
        at += got;
    }
    Ok(())
}

/// At most eight hexadecimal digits as a number. Boot reads thousands: parsing text as UTF-8
/// first took a tenth of the way to process 1.
fn hexadecimal(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0u32, |number, &digit| {
        let value = match digit {
            b'0'..=b'9' => digit - b'0',
            b'a'..=b'f' => digit - b'a' + 10,
            b'A'..=b'F' => digit - b'A' + 10,
            _ => return None,
        };
        Some(number << 4 | u32::from(value))
    })
}

fn read_entry(m: &mut dyn Machine, at: usize, end: usize) -> Result<Entry, &'static str> {
    let mut header = [0; HEADER];
    read_exact(m, at, &mut header)?;
    if !matches!(header.get(..6), Some(b"070701" | b"070702")) {
        return Err("not a cpio newc header (compressed archives are not supported)");
    }
    let field = |i: usize| {
        let digits = header.get(6 + 8 * i..14 + 8 * i).unwrap_or(&[]);
        hexadecimal(digits).ok_or("a header field is not a hexadecimal number")
    };
    let name_size = field(11)? as usize;
    if name_size == 0 || name_size > PATH_MAX {
        return Err("a name is empty or too long");
    }
    let mut name = alloc::vec![0; name_size];
    read_exact(m, at + HEADER, &mut name)?;
    if name.pop() != Some(0) || name.contains(&0) {
        return Err("a name does not end where it should");
    }
    let data = (at + HEADER + name_size + 3) & !3;
    let size = field(6)? as usize;
    if size > end.saturating_sub(data) {
        return Err("content goes beyond the end");
    }
    Ok(Entry {
        ino: (field(0)?, field(7)?, field(8)?),
        mode: field(1)?,
        uid: field(2)?,
        gid: field(3)?,
        nlink: field(4)?,
        mtime: field(5)?,
        size,
        rdev: (field(9)?, field(10)?),
        name,
        data,
    })
}

struct Unpacker<'a, 'b> {
    st: &'a mut Store<'b>,
    job: &'a mut Unpacking,
}

impl Unpacker<'_, '_> {
    fn actor(&self, entry: &Entry) -> Actor<'static> {
        Actor {
            access: Access {
                uid: entry.uid,
                gid: entry.gid,
                ..Access::KERNEL
            },
            group: self.job.group,
            now: Time {
                sec: i64::from(entry.mtime),
                nsec: 0,
            },
        }
    }

    fn add(&mut self, m: &mut dyn Machine, entry: &Entry) -> Result<(), &'static str> {
        if entry.name.split(|b| *b == b'/').any(|part| part == b"..") {
            return Err("a name has a `..` in it");
        }
        let start = Start {
            root: self.job.root,
            cwd: self.job.root,
        };
        let access = Access::KERNEL;
        let flags = WalkFlags::empty();
        let parent = walk_parent(self.st.fs, &NoViews, &start, &access, &entry.name, flags)
            .map_err(|_| "the directory of an entry is missing")?;
        let Node::Inode(above) = parent.dir.node else {
            return Err("the directory of an entry is missing");
        };
        let Last::Name(name) = parent.last else {
            // `.`: the root itself.
            return match is_dir(entry) {
                true => self.set_dir(entry, above),
                false => Err("the root is not a directory"),
            };
        };
        let old = self
            .st
            .fs
            .inode(above)
            .ok()
            .and_then(|i| i.dir().ok()?.get(&name));
        if let Some(old) = old {
            let both = is_dir(entry) && self.st.fs.inode(old).is_ok_and(|i| i.is_dir());
            if both {
                return self.set_dir(entry, old);
            }
            if self.job.links.get(&entry.ino) == Some(&old) {
                return self.fill(m, entry, old);
            }
            self.make_way(entry, above, &name, old)?;
        }
        self.put(m, entry, above, &name)
    }

    fn set_dir(&mut self, entry: &Entry, id: InodeId) -> Result<(), &'static str> {
        let inode = self
            .st
            .fs
            .inode_mut(id)
            .map_err(|_| "a directory is gone")?;
        inode.mode = entry.mode & 0o7777;
        inode.uid = entry.uid;
        inode.gid = entry.gid;
        self.job.dirs.push((id, self.actor(entry).now));
        Ok(())
    }

    fn make_way(
        &mut self,
        entry: &Entry,
        above: InodeId,
        name: &[u8],
        old: InodeId,
    ) -> Result<(), &'static str> {
        let actor = Actor {
            access: Access::KERNEL,
            ..self.actor(entry)
        };
        let is_dir = self.st.fs.inode(old).is_ok_and(|i| i.is_dir());
        let done = if is_dir {
            dir::rmdir(self.st, &actor, above, name)
        } else {
            dir::unlink(self.st, &actor, above, name)
        };
        done.map_err(|_| "an entry would replace a directory that is not empty")
    }

    fn put(
        &mut self,
        m: &mut dyn Machine,
        entry: &Entry,
        above: InodeId,
        name: &[u8],
    ) -> Result<(), &'static str> {
        let actor = self.actor(entry);
        let linked = entry.nlink > 1 && !is_dir(entry);
        if let Some(&first) = self.job.links.get(&entry.ino).filter(|_| linked) {
            dir::link(self.st, &actor, first, above, name).map_err(reason)?;
            return self.fill(m, entry, first);
        }
        let what = self.what(m, entry)?;
        let id =
            dir::make(self.st, &actor, above, name, what, entry.mode & 0o7777).map_err(reason)?;
        if let Ok(inode) = self.st.fs.inode_mut(id) {
            // Not what a set-group-ID directory makes of it.
            inode.gid = entry.gid;
            inode.mode = entry.mode & 0o7777;
        }
        if linked {
            self.job.links.insert(entry.ino, id);
        }
        if is_dir(entry) {
            self.job.dirs.push((id, actor.now));
        }
        self.fill(m, entry, id)
    }

    fn what(&self, m: &mut dyn Machine, entry: &Entry) -> Result<What, &'static str> {
        let device = |char| {
            What::Device(Device {
                char,
                major: entry.rdev.0,
                minor: entry.rdev.1,
            })
        };
        Ok(match entry.mode & linux::S_IFMT {
            linux::S_IFDIR => What::Dir,
            linux::S_IFREG => What::Regular,
            linux::S_IFIFO => What::Fifo,
            linux::S_IFSOCK => What::Socket,
            linux::S_IFCHR => device(true),
            linux::S_IFBLK => device(false),
            linux::S_IFLNK if (1..PATH_MAX).contains(&entry.size) => {
                let mut target = alloc::vec![0; entry.size];
                read_exact(m, entry.data, &mut target)?;
                if target.contains(&0) {
                    return Err("a symbolic link's target has a NUL byte");
                }
                What::Symlink(target)
            }
            linux::S_IFLNK => return Err("a symbolic link's target is empty or too long"),
            _ => return Err("a file type is unknown"),
        })
    }

    /// The content of a regular file, page by page.
    fn fill(
        &mut self,
        m: &mut dyn Machine,
        entry: &Entry,
        id: InodeId,
    ) -> Result<(), &'static str> {
        let regular = matches!(self.st.fs.inode(id).map(|i| &i.kind), Ok(Kind::Regular(_)));
        if !regular || entry.size == 0 {
            return Ok(());
        }
        let mut done = 0;
        while done < entry.size {
            let part = (entry.size - done).min(PAGE as usize);
            let index = done as u64 / PAGE;
            let clear = part < PAGE as usize;
            let frame =
                pages::to_write(self.st, m, id, index, self.job.group, clear).map_err(reason)?;
            if m.initrd_copy(entry.data + done, frame, part) != part {
                return Err("it ends in the middle of an entry");
            }
            done += part;
        }
        pages::grow(self.st.fs, id, entry.size as u64);
        Ok(())
    }
}

fn is_dir(entry: &Entry) -> bool {
    entry.mode & linux::S_IFMT == linux::S_IFDIR
}

fn reason(stop: Stop) -> &'static str {
    match stop {
        Stop::Errno(Errno::ENAMETOOLONG) => "a name is too long",
        Stop::Errno(e) => e.name(),
        _ => "no memory",
    }
}
