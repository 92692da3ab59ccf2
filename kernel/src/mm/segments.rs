//! System V shared memory (shmget(2)): its segments, of which there is one table for everybody.
//!
//! A segment is a file without a name that only shmat(2) maps. The table holds the file until
//! the segment is removed; then those hold it who are attached, and with the last of them it and
//! its line of the table go.

use crate::Kernel;
use crate::arena::Held;
use crate::cgroup::Charge;
use crate::error::{Errno, Stop};
use crate::fs::home::{self, Home};
use crate::fs::inode::{self, What};
use crate::fs::{Actor, InodeId, Node, Store, pages};
use crate::machine::PAGE;
use crate::mm::MmId;
use crate::mm::area::Source;
use crate::mm::turn::{self, Budget, Step};
use crate::mm::{map, range};
use crate::wait::Resume;
use crate::{Cx, task::cred::Cred};
use alloc::collections::BTreeMap;
use linux_raw_sys::general as linux;

/// Segments at the most (kernel.shmmni).
pub const SEGMENTS_MAX: u32 = 4096;
/// Bytes of one segment, and pages of all, at the most (kernel.shmmax, kernel.shmall): as on
/// Linux no limit but memory.
pub const SIZE_MAX: u64 = u64::MAX - (1 << 24);

/// The key of segments that no key finds (IPC_PRIVATE).
pub const PRIVATE: i32 = 0;
/// Made if there is none (IPC_CREAT).
pub const CREAT: u32 = 0o1000;
/// There must be none (IPC_EXCL).
pub const EXCL: u32 = 0o2000;
/// Of huge pages (SHM_HUGETLB).
const HUGETLB: u32 = 0o4000;
/// May be more than there is memory (SHM_NORESERVE).
const NORESERVE: u32 = 0o10000;
/// In a segment's mode: removed (SHM_DEST).
const DEST: u32 = 0o1000;
/// In a segment's mode: locked in memory (SHM_LOCKED).
pub const LOCKED: u32 = 0o2000;

/// What one line of the table costs: tree nodes' share of three trees.
const COST: u32 = 384;
/// The low bits of an identifier are the place in the table.
const INDEX_BITS: u32 = 15;

/// The segments.
#[derive(Debug, Default)]
pub struct Segments {
    by_index: BTreeMap<u32, Segment>,
    by_key: BTreeMap<i32, u32>,
    by_inode: BTreeMap<InodeId, u32>,
    /// Pages of all of them.
    pub pages: u64,
    last: Option<u32>,
    sequence: u32,
}

/// A segment (shmctl(2), struct shmid_ds).
#[derive(Debug)]
#[allow(missing_docs)] // as there
pub struct Segment {
    /// Gone when it is removed.
    held: Option<Held<InodeId>>,
    /// Its memory.
    pub inode: InodeId,
    charge: Charge,
    pub id: i32,
    pub key: i32,
    pub uid: u32,
    pub gid: u32,
    pub cuid: u32,
    pub cgid: u32,
    /// Permissions, [`LOCKED`] and whether it is removed.
    pub mode: u32,
    pub size: u64,
    /// Seconds since 1970: attached, detached, changed.
    pub times: [i64; 3],
    /// Who made it, and who attached or detached it last, as they are numbered for themselves.
    pub cpid: u32,
    pub lpid: u32,
}

impl Segment {
    /// Which one this is among those that had its place.
    pub fn sequence(&self) -> u16 {
        (self.id as u32 >> INDEX_BITS) as u16
    }

    /// Whether somebody may do what the three low bits of each digit of `want` say.
    ///
    /// # Errors
    /// EACCES.
    pub fn permit(&self, cred: &Cred, want: u32) -> Result<(), Errno> {
        let want = (want >> 6 | want >> 3 | want) & 7;
        let member = |gid| cred.egid == gid || cred.groups.contains(&gid);
        let granted = if cred.euid == self.cuid || cred.euid == self.uid {
            self.mode >> 6
        } else if member(self.cgid) || member(self.gid) {
            self.mode >> 3
        } else {
            self.mode
        };
        if want & !granted == 0 || cred.capable(linux::CAP_IPC_OWNER) {
            return Ok(());
        }
        Err(Errno::EACCES)
    }

    /// Whether somebody is its owner or creator, or has `capability`.
    ///
    /// # Errors
    /// EPERM.
    pub fn owned(&self, cred: &Cred, capability: u32) -> Result<(), Errno> {
        if cred.euid == self.uid || cred.euid == self.cuid || cred.capable(capability) {
            return Ok(());
        }
        Err(Errno::EPERM)
    }
}

impl Segments {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.by_index.len()
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.by_index.is_empty()
    }

    /// The highest place in the table that is taken.
    pub fn highest(&self) -> u32 {
        self.by_index
            .last_key_value()
            .map_or(0, |(index, _)| *index)
    }

    /// The segments from a place on.
    pub fn from(&self, index: u32) -> impl Iterator<Item = (u32, &Segment)> {
        self.by_index.range(index..).map(|(index, s)| (*index, s))
    }

    /// The segment at a place.
    ///
    /// # Errors
    /// EINVAL.
    pub fn at(&self, index: i32) -> Result<&Segment, Errno> {
        let index = u32::try_from(index).map_err(|_| Errno::EINVAL)?;
        self.by_index.get(&index).ok_or(Errno::EINVAL)
    }

    /// The segment of an identifier.
    ///
    /// # Errors
    /// EINVAL.
    pub fn get(&self, id: i32) -> Result<&Segment, Errno> {
        let index = id & ((1 << INDEX_BITS) - 1);
        let segment = self.at(index)?;
        (segment.id == id).then_some(segment).ok_or(Errno::EINVAL)
    }

    /// The segment of an identifier, to change.
    ///
    /// # Errors
    /// EINVAL.
    pub fn get_mut(&mut self, id: i32) -> Result<&mut Segment, Errno> {
        let index = id as u32 & ((1 << INDEX_BITS) - 1);
        let segment = self.by_index.get_mut(&index).ok_or(Errno::EINVAL)?;
        if segment.id != id {
            return Err(Errno::EINVAL);
        }
        Ok(segment)
    }

    /// The place for one more: behind the last, then from the first on.
    fn place(&mut self) -> Result<u32, Errno> {
        let next = self.last.map_or(0, |last| last + 1);
        let mut free = (next..SEGMENTS_MAX).chain(0..next.min(SEGMENTS_MAX));
        let index = free.find(|index| !self.by_index.contains_key(index));
        index.ok_or(Errno::ENOSPC)
    }

    fn insert(&mut self, index: u32, mut segment: Segment) -> i32 {
        if self.last.is_some_and(|last| index <= last) {
            self.sequence = (self.sequence + 1) & 0xffff;
        }
        self.last = Some(index);
        segment.id = (self.sequence << INDEX_BITS | index) as i32;
        let id = segment.id;
        if segment.key != PRIVATE {
            self.by_key.insert(segment.key, index);
        }
        self.by_inode.insert(segment.inode, index);
        self.pages += segment.size.div_ceil(PAGE);
        self.by_index.insert(index, segment);
        id
    }
}

/// What shmget(2) is asked for.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // as there
pub struct Wanted {
    pub key: i32,
    pub size: u64,
    pub flags: u32,
    /// The number of the caller.
    pub pid: u32,
}

/// The identifier of the segment with this key, or of a new one.
///
/// # Errors
/// shmget(2); no memory.
pub fn get(k: &mut Kernel, actor: &Actor, cred: &Cred, wanted: &Wanted) -> Result<i32, Stop> {
    let known = k.spaces.segments.by_key.get(&wanted.key);
    let known = known.and_then(|index| k.spaces.segments.by_index.get(index));
    if let Some(segment) = known {
        if wanted.flags & CREAT != 0 && wanted.flags & EXCL != 0 {
            return Err(Errno::EEXIST.into());
        }
        if wanted.size > segment.size {
            return Err(Errno::EINVAL.into());
        }
        segment.permit(cred, wanted.flags)?;
        return Ok(segment.id);
    }
    if wanted.key != PRIVATE && wanted.flags & CREAT == 0 {
        return Err(Errno::ENOENT.into());
    }
    create(k, actor, cred, wanted)
}

fn create(k: &mut Kernel, actor: &Actor, cred: &Cred, wanted: &Wanted) -> Result<i32, Stop> {
    if wanted.size == 0 || wanted.size > SIZE_MAX || wanted.flags & HUGETLB != 0 {
        return Err(Errno::EINVAL.into());
    }
    let all = k
        .spaces
        .segments
        .pages
        .checked_add(wanted.size.div_ceil(PAGE));
    if all.is_none_or(|all| all > SIZE_MAX) {
        return Err(Errno::ENOSPC.into());
    }
    if wanted.size > i64::MAX as u64 {
        return Err(Errno::EINVAL.into());
    }
    if wanted.flags & NORESERVE == 0 {
        map::could_exist(k, wanted.size)?;
    }
    let index = k.spaces.segments.place()?;
    let charge = k.groups.charge(actor.group, COST)?;
    let held = match create_memory(&mut Store::of(k), actor, wanted) {
        Ok(held) => held,
        Err(stop) => {
            k.groups.give_back(charge);
            return Err(stop);
        }
    };
    let segment = Segment {
        inode: held.key(),
        held: Some(held),
        charge,
        id: 0,
        key: wanted.key,
        uid: cred.euid,
        gid: cred.egid,
        cuid: cred.euid,
        cgid: cred.egid,
        mode: wanted.flags & 0o777,
        size: wanted.size,
        times: [0, 0, actor.now.sec],
        cpid: wanted.pid,
        lpid: 0,
    };
    Ok(k.spaces.segments.insert(index, segment))
}

/// The file that a segment's memory is.
fn create_memory(st: &mut Store, actor: &Actor, wanted: &Wanted) -> Result<Held<InodeId>, Stop> {
    let mount = home::mount_of(st, actor, Home::Memory)?;
    let sb = st.fs.mount(mount)?.sb.key();
    let Node::Inode(root) = st.fs.root_of(mount)?.node else {
        return Err(Errno::ENOENT.into());
    };
    let name = alloc::format!("SYSV{:08x}", wanted.key).into_bytes();
    let mode = wanted.flags & 0o777;
    let held = inode::create(st, actor, sb, What::Memory(name.into()), mode, Some(root))?;
    pages::grow(st.fs, held.key(), wanted.size);
    Ok(held)
}

/// How often a segment is attached.
pub fn attached(k: &Kernel, inode: InodeId) -> u64 {
    k.spaces.attached(inode)
}

/// Removes a segment: nobody finds it by its key any more, and it ends with the last who is
/// attached.
///
/// # Errors
/// EINVAL when there is none.
pub fn remove(k: &mut Kernel, id: i32) -> Result<(), Errno> {
    let segments = &mut k.spaces.segments;
    let segment = segments.get_mut(id)?;
    let (inode, held) = (segment.inode, segment.held.take());
    let key = core::mem::replace(&mut segment.key, PRIVATE);
    segment.mode |= DEST;
    if key != PRIVATE {
        segments.by_key.remove(&key);
    }
    if let Some(held) = held {
        Store::of(k).release_inode(held);
    }
    ended(k, inode);
    Ok(())
}

/// Takes the segment out of the table whose memory is gone, if it was one's.
pub fn ended(k: &mut Kernel, inode: InodeId) {
    if k.fs.inodes.get(inode).is_some() {
        return;
    }
    let segments = &mut k.spaces.segments;
    let index = segments.by_inode.remove(&inode);
    let Some(segment) = index.and_then(|index| segments.by_index.remove(&index)) else {
        return;
    };
    segments.pages = segments.pages.saturating_sub(segment.size.div_ceil(PAGE));
    k.groups.give_back(segment.charge);
}

/// Unmaps the segment that was attached at `addr`, with all parts of it that are left; returns its
/// identifier, if it is still there.
///
/// # Errors
/// EINVAL when nothing was attached there; a wait after a part.
pub fn detach(k: &mut Kernel, cx: &mut Cx, mm: MmId, addr: u64) -> Result<Option<i32>, Stop> {
    let resume = cx.resume;
    let mut at = resume.map_or(addr, |resume| resume.word);
    // 0: none yet.
    let mut found = resume.and_then(|resume| Some(resume.done.checked_sub(1)? as i32));
    let mut budget = Budget::new();
    loop {
        let segments = &k.spaces.segments;
        let end = match found.map(|id| segments.get(id)) {
            None => u64::MAX,
            Some(Ok(segment)) => addr.saturating_add(segment.size.next_multiple_of(PAGE)),
            // The last part is gone, and the segment with it.
            Some(Err(_)) => return Ok(None),
        };
        let areas = &k.spaces.get(mm).ok_or(Errno::EINVAL)?.areas;
        let Some(area) = areas.from(at).filter(|area| area.start < end).copied() else {
            return found.map(Some).ok_or_else(|| Errno::EINVAL.into());
        };
        if budget.is_spent() {
            let done = found.map_or(0, |id| id as u64 + 1);
            let resume = Resume {
                done,
                ..Resume::at(at)
            };
            return Err(turn::again(k, mm, cx.task, resume));
        }
        budget.spend(Step::Area);
        at = area.end;
        let Some(Source::File(inode)) = area.source() else {
            continue;
        };
        let index = segments.by_inode.get(&inode);
        let segment = index.and_then(|index| segments.by_index.get(index));
        let Some(id) = segment.map(|segment| segment.id) else {
            continue;
        };
        // It is where it was attached, not moved.
        let begin = area.start.checked_sub(addr);
        let same = begin == Some(area.source_page(area.start).saturating_mul(PAGE));
        if !same || !area.is_shared() || found.is_some_and(|found| found != id) {
            continue;
        }
        found = Some(id);
        let part = (area.start, area.end);
        if let Some(rest) = range::unmap(k, cx.m, mm, part, &mut budget) {
            at = rest;
            // What is left begins at `rest`: it is found as another part of the same.
        }
    }
}
