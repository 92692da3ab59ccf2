//! Opening (open(2)).

use super::place::{
    FDCWD, access, act, allowed, caller, find, kept, making, parent_with, path, walk,
};
use super::{Line, mqueue};
use crate::arena::Held;
use crate::cgroup::DeviceUse;
use crate::error::{Call, Errno, Stop};
use crate::fs::inode::{self, Kind, What};
use crate::fs::mount::MountFlags;
use crate::fs::open::{self, FileKind, LogEnd, ViewFile};
use crate::fs::superblock::SuperKind;
use crate::fs::walk::{Found, Last, WalkFlags};
use crate::fs::{FileId, InodeId, Location, Node, Pos, Store, ViewNode, dir};
use crate::machine::PAGE;
use crate::mm::user;
use crate::task::files;
use crate::wait::{Pending, Restart, Resume, WaitKey};
use crate::wire::get_u64;
use crate::{Cx, Kernel, dev, io, views};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_open, "open", open_cwd),
    (linux::__NR_openat, "openat", openat),
    (linux::__NR_creat, "creat", creat),
    (linux::__NR_openat2, "openat2", openat2),
];

/// O_TMPFILE without the O_DIRECTORY in it.
const TMPFILE: u32 = linux::O_TMPFILE & !linux::O_DIRECTORY;
/// What counts beside O_PATH.
const WITH_PATH: u32 = linux::O_PATH | linux::O_DIRECTORY | linux::O_NOFOLLOW | linux::O_CLOEXEC;
/// Flags that open(2) knows; it ignores all others.
const KNOWN: u32 = linux::O_ACCMODE
    | linux::O_CREAT
    | linux::O_EXCL
    | linux::O_NOCTTY
    | linux::O_TRUNC
    | linux::O_APPEND
    | linux::O_NONBLOCK
    | linux::O_SYNC
    | linux::FASYNC
    | linux::O_DIRECT
    | linux::O_LARGEFILE
    | linux::O_TMPFILE
    | linux::O_NOATIME
    | WITH_PATH;
/// What openat2(2) knows of how to walk.
const RESOLVE: u32 = linux::RESOLVE_NO_XDEV
    | linux::RESOLVE_NO_MAGICLINKS
    | linux::RESOLVE_NO_SYMLINKS
    | linux::RESOLVE_BENEATH
    | linux::RESOLVE_IN_ROOT
    | linux::RESOLVE_CACHED;

/// How to open: O_* flags, the mode of what is made, and the walk's own rules.
#[derive(Clone, Copy)]
struct How {
    flags: u32,
    mode: u32,
    walk: WalkFlags,
}

impl How {
    /// As open(2) takes it: what makes no sense is ignored, and files may be large.
    fn lenient(flags: u32, mode: u32) -> Result<How, Errno> {
        let mut flags = flags & KNOWN | linux::O_LARGEFILE;
        if flags & linux::O_PATH != 0 {
            flags &= WITH_PATH;
        }
        How::new(flags, mode, WalkFlags::empty())
    }

    /// As openat2(2) takes it: what makes no sense is refused.
    fn strict(flags: u64, mode: u64, resolve: u64) -> Result<How, Errno> {
        let (flags, resolve) = match (u32::try_from(flags), u32::try_from(resolve)) {
            (Ok(flags), Ok(resolve)) => (flags, resolve),
            _ => return Err(Errno::EINVAL),
        };
        let makes = flags & (linux::O_CREAT | TMPFILE) != 0;
        let path = flags & linux::O_PATH != 0;
        let roots = linux::RESOLVE_BENEATH | linux::RESOLVE_IN_ROOT;
        if flags & !KNOWN != 0
            || resolve & !RESOLVE != 0
            || resolve & roots == roots
            || (path && flags & !WITH_PATH != 0)
            || mode > if makes { 0o7777 } else { 0 }
        {
            return Err(Errno::EINVAL);
        }
        let how = How::new(flags, mode as u32, resolving(resolve))?;
        // All names are in memory; but nothing may be made or cut off on the way.
        if resolve & linux::RESOLVE_CACHED != 0 && (makes || flags & linux::O_TRUNC != 0) {
            return Err(Errno::EAGAIN);
        }
        Ok(how)
    }

    fn new(mut flags: u32, mode: u32, walk: WalkFlags) -> Result<How, Errno> {
        let temporary = flags & TMPFILE != 0;
        let writes = flags & linux::O_ACCMODE != linux::O_RDONLY;
        if temporary && (flags & linux::O_DIRECTORY == 0 || !writes) {
            return Err(Errno::EINVAL);
        }
        if flags & linux::O_CREAT != 0 && flags & linux::O_DIRECTORY != 0 {
            return Err(Errno::EINVAL);
        }
        // Half of O_SYNC means all of it.
        if flags & linux::O_SYNC & !linux::O_DSYNC != 0 {
            flags |= linux::O_SYNC;
        }
        Ok(How { flags, mode, walk })
    }

    fn has(&self, flag: u32) -> bool {
        self.flags & flag != 0
    }
}

fn resolving(resolve: u32) -> WalkFlags {
    let pairs = [
        (linux::RESOLVE_NO_XDEV, WalkFlags::NO_XDEV),
        (linux::RESOLVE_NO_MAGICLINKS, WalkFlags::NO_MAGICLINKS),
        (linux::RESOLVE_NO_SYMLINKS, WalkFlags::NO_SYMLINKS),
        (linux::RESOLVE_BENEATH, WalkFlags::BENEATH),
        (linux::RESOLVE_IN_ROOT, WalkFlags::IN_ROOT),
    ];
    let asked = pairs.iter().filter(|(bit, _)| resolve & bit != 0);
    asked.fold(WalkFlags::empty(), |all, (_, flag)| all | *flag)
}

fn open_cwd(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let how = How::lenient(a[1] as u32, a[2] as u32)?;
    open_at(k, cx, FDCWD, a[0], how)
}

fn openat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let how = How::lenient(a[2] as u32, a[3] as u32)?;
    open_at(k, cx, a[0], a[1], how)
}

fn creat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let flags = linux::O_CREAT | linux::O_WRONLY | linux::O_TRUNC;
    let how = How::lenient(flags, a[1] as u32)?;
    open_at(k, cx, FDCWD, a[0], how)
}

/// Bytes in struct open_how.
const HOW_SIZE: u64 = 24;

fn openat2(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    if a[3] < HOW_SIZE {
        return Err(Errno::EINVAL.into());
    }
    if a[3] > PAGE {
        return Err(Errno::E2BIG.into());
    }
    // What newer programs know and we do not must be zero.
    let mut bytes = alloc::vec![0; a[3] as usize];
    user::copy_in(k, cx, a[2], &mut bytes)?;
    if bytes.iter().skip(HOW_SIZE as usize).any(|byte| *byte != 0) {
        return Err(Errno::E2BIG.into());
    }
    let how = How::strict(get_u64(&bytes, 0), get_u64(&bytes, 8), get_u64(&bytes, 16))?;
    open_at(k, cx, a[0], a[1], how)
}

fn open_at(k: &mut Kernel, cx: &mut Cx, dirfd: u64, addr: u64, how: How) -> Call {
    let path = path(k, cx, addr)?;
    let fd = files::room(k, cx.task, 0)?;
    let file = if how.has(TMPFILE) {
        open_nameless(k, cx, dirfd, &path, how)?
    } else {
        open_path(k, cx, dirfd, &path, how)?
    };
    files::put(k, cx.task, fd, file, how.has(linux::O_CLOEXEC));
    Ok(u64::from(fd))
}

fn open_path(
    k: &mut Kernel,
    cx: &mut Cx,
    dirfd: u64,
    path: &[u8],
    how: How,
) -> Result<Held<FileId>, Stop> {
    let create = how.has(linux::O_CREAT);
    let exclusive = create && how.has(linux::O_EXCL);
    if create && path.last() == Some(&b'/') {
        // Only a directory has a slash behind it, and those are not made here.
        if let Last::Name(_) = parent_with(k, cx, dirfd, path, how.walk)?.last {
            return Err(Errno::EISDIR.into());
        }
    }
    let mut walking = how.walk;
    walking.set(WalkFlags::NOFOLLOW, exclusive || how.has(linux::O_NOFOLLOW));
    walking.set(WalkFlags::DIRECTORY, how.has(linux::O_DIRECTORY));
    match walk(k, cx, dirfd, path, walking)? {
        Found::Here(_) if exclusive => Err(Errno::EEXIST.into()),
        Found::Here(location) => open_found(k, cx, location, how.flags),
        Found::Missing { .. } if !create => Err(Errno::ENOENT.into()),
        Found::Missing { slash: true, .. } => Err(Errno::EISDIR.into()),
        Found::Missing { dir, name, .. } => make(k, cx, dir, name, how),
    }
}

/// O_CREAT: a new file. Whoever makes it has what it asked for, whatever the mode says.
fn make(
    k: &mut Kernel,
    cx: &mut Cx,
    dir: Pos,
    name: Vec<u8>,
    how: How,
) -> Result<Held<FileId>, Stop> {
    let above = making(dir, Errno::EACCES)?;
    k.fs.writable(dir.mount)?;
    match k.fs.super_of(dir.mount)?.kind {
        SuperKind::Devpts(_) => return Err(Errno::EACCES.into()),
        SuperKind::Mqueue(_) => return mqueue::make(k, cx, dir, name, how.flags, how.mode, None),
        _ => {}
    }
    let mode = how.mode & !files::context(k, cx.task)?.umask;
    let (mut st, actor) = act(k, cx)?;
    // Nobody may see a file whose opening then fails: this call would find it when it is made again.
    let charge = open::charge(&mut st, actor.group)?;
    let id = match dir::make(&mut st, &actor, above, &name, What::Regular, mode) {
        Ok(id) => id,
        Err(stop) => {
            st.groups.give_back(charge);
            return Err(stop);
        }
    };
    let pos = Pos {
        mount: dir.mount,
        node: Node::Inode(id),
    };
    let location = Location {
        pos,
        name: Some((dir, name)),
    };
    let kind = FileKind::Regular(id);
    open::insert_charged(&mut st, charge, kind, location, how.flags).map_err(|refused| refused.0)
}

/// O_TMPFILE: a file in a directory's file system that has no name there.
fn open_nameless(
    k: &mut Kernel,
    cx: &mut Cx,
    dirfd: u64,
    path: &[u8],
    how: How,
) -> Result<Held<FileId>, Stop> {
    let dir = find(k, cx, dirfd, path, how.walk | WalkFlags::DIRECTORY)?.pos;
    k.fs.writable(dir.mount)?;
    let above = kept(dir, Errno::EOPNOTSUPP)?;
    let mode = how.mode & !files::context(k, cx.task)?.umask;
    let (mut st, actor) = act(k, cx)?;
    let nameable = !how.has(linux::O_EXCL);
    let held = dir::make_nameless(&mut st, &actor, above, mode, nameable)?;
    let pos = Pos {
        mount: dir.mount,
        node: Node::Inode(held.key()),
    };
    let location = Location { pos, name: None };
    let file = open::open(&mut st, actor.group, location, how.flags);
    st.release_inode(held);
    file
}

fn open_found(
    k: &mut Kernel,
    cx: &mut Cx,
    location: Location,
    flags: u32,
) -> Result<Held<FileId>, Stop> {
    if flags & linux::O_PATH != 0 {
        let (mut st, actor) = act(k, cx)?;
        return open::open(&mut st, actor.group, location, flags);
    }
    match location.pos.node {
        Node::Inode(id) => open_inode(k, cx, location, id, flags),
        Node::View(node) => open_view(k, cx, location, node, flags),
    }
}

/// What an access mode asks for: 4 to read, 2 to write; O_TRUNC writes.
fn wanted(flags: u32) -> u32 {
    let truncates = if flags & linux::O_TRUNC != 0 { 2 } else { 0 };
    truncates
        | match flags & linux::O_ACCMODE {
            linux::O_RDONLY => 4,
            linux::O_WRONLY => 2,
            _ => 6,
        }
}

enum Way {
    Plain,
    Regular,
    Fifo,
    Device(inode::Device),
}

fn open_inode(
    k: &mut Kernel,
    cx: &mut Cx,
    location: Location,
    id: InodeId,
    flags: u32,
) -> Result<Held<FileId>, Stop> {
    let mount = location.pos.mount;
    let want = wanted(flags);
    let inode = k.fs.inode(id)?;
    let way = match &inode.kind {
        Kind::Symlink(_) => return Err(Errno::ELOOP.into()),
        Kind::Dir(_) if want & 2 != 0 || flags & linux::O_CREAT != 0 => {
            return Err(Errno::EISDIR.into());
        }
        Kind::Socket | Kind::Event => return Err(Errno::ENXIO.into()),
        Kind::Dir(_) | Kind::Queue(_) => Way::Plain,
        Kind::Regular(_) => Way::Regular,
        Kind::Fifo(_) => Way::Fifo,
        Kind::Device(device) => Way::Device(*device),
    };
    if matches!(way, Way::Device(_)) && k.fs.mount(mount)?.flags.contains(MountFlags::NODEV) {
        return Err(Errno::EACCES.into());
    }
    let task = caller(k, cx)?;
    let who = access(&task.cred);
    let group = task.group.key();
    if want & 2 != 0 && matches!(way, Way::Plain | Way::Regular) {
        k.fs.writable(mount)?;
    }
    inode.permit(&who, want)?;
    if let Way::Device(device) = way {
        allowed(k, cx, device, DeviceUse::from_bits_truncate(want as u8))?;
    }
    if want & 2 != 0 && k.spaces.runs(id) {
        return Err(Errno::ETXTBSY.into());
    }
    if flags & linux::O_NOATIME != 0 {
        inode.owned(&who)?;
    }
    if flags & linux::O_DIRECT != 0 && !matches!(way, Way::Regular) {
        return Err(Errno::EINVAL.into());
    }
    match way {
        Way::Plain => open::open(&mut Store::of(k), group, location, flags),
        Way::Regular => {
            if flags & linux::O_TRUNC != 0 {
                io::truncate(k, cx, id, 0)?;
            }
            open::open(&mut Store::of(k), group, location, flags)
        }
        Way::Device(device) => {
            let driver = Some(device)
                .filter(|d| d.char)
                .and_then(|d| dev::find(d.major, d.minor))
                .ok_or(Errno::ENXIO)?;
            if let dev::Device::Terminal(which) = driver {
                return io::terminal::open(k, cx, location, which, flags);
            }
            if driver == dev::Device::Kmsg {
                return open_log(k, cx, location, LogEnd::Device, flags);
            }
            dev::open(driver)?;
            open::open(&mut Store::of(k), group, location, flags)
        }
        Way::Fifo => open_fifo(k, cx, location, id, flags),
    }
}

/// Tasks on their way to an end of a fifo that are remembered.
const ARRIVING_MAX: usize = 64;

/// Opening one end of a fifo waits for the other (fifo(7)). Who waits is parked on a key that
/// tells the other end that it is there; that it came and went is told by how often the fifo was
/// opened.
fn open_fifo(
    k: &mut Kernel,
    cx: &mut Cx,
    location: Location,
    id: InodeId,
    flags: u32,
) -> Result<Held<FileId>, Stop> {
    let group = caller(k, cx)?.group.key();
    let pipe = open::fifo(&mut Store::of(k), group, id)?;
    let ends = k.fs.pipes.get(pipe).ok_or(Errno::ENXIO)?;
    let writes = flags & linux::O_ACCMODE == linux::O_WRONLY;
    let (others, opens) = if writes {
        (ends.readers, ends.reader_opens)
    } else {
        (ends.writers, ends.writer_opens)
    };
    // A pipe that is opened again (/proc/PID/fd) has had both ends.
    let pipe_again = k.fs.super_of(location.pos.mount)?.kind == SuperKind::Pipes;
    let both = pipe_again || flags & linux::O_ACCMODE == linux::O_RDWR;
    let came = cx.resume.is_some_and(|r| r.word != opens);
    let there = others > 0 || came || k.waits.waited_for(WaitKey::Fifo(pipe, !writes));
    let nonblocking = flags & linux::O_NONBLOCK != 0;
    if !both && !there {
        if nonblocking && writes {
            return Err(Errno::ENXIO.into());
        }
        if !nonblocking {
            let resume = Resume {
                word: opens,
                ..cx.resume.unwrap_or_default()
            };
            let pending = Pending::on(WaitKey::Fifo(pipe, writes), Restart::Sys);
            return Err(Stop::Wait(pending.with(resume)));
        }
    }
    let held = open::open_fifo(&mut Store::of(k), group, location, flags)?;
    if let Some(pipe) = k.fs.pipes.get_mut(pipe) {
        // Who was killed on the way never comes to this.
        let dead = pipe.arriving.len().saturating_sub(ARRIVING_MAX);
        pipe.arriving.drain(..dead);
        pipe.arriving.retain(|(task, _)| *task != cx.task);
    }
    Ok(held)
}

/// Opens the kernel's log; who only writes to it need not be allowed to read it.
fn open_log(
    k: &mut Kernel,
    cx: &mut Cx,
    location: Location,
    end: LogEnd,
    flags: u32,
) -> Result<Held<FileId>, Stop> {
    if end == LogEnd::Proc || flags & linux::O_ACCMODE != linux::O_WRONLY {
        dev::kmsg::may_read(k, cx)?;
    }
    let group = caller(k, cx)?.group.key();
    let kind = FileKind::Log(end);
    let file = open::insert(&mut Store::of(k), group, kind, location, flags);
    let file = file.map_err(|refused| refused.0)?;
    let (first, _) = cx.m.log_kept();
    if let Ok(file) = k.fs.file_mut(file.key()) {
        file.offset = first;
    }
    Ok(file)
}

fn open_view(
    k: &mut Kernel,
    cx: &mut Cx,
    location: Location,
    node: ViewNode,
    flags: u32,
) -> Result<Held<FileId>, Stop> {
    let status = views::stat(k, node)?;
    let is_dir = status.mode & linux::S_IFMT == linux::S_IFDIR;
    let want = wanted(flags);
    if status.mode & linux::S_IFMT == linux::S_IFLNK {
        return Err(Errno::ELOOP.into());
    }
    if is_dir && (want & 2 != 0 || flags & linux::O_CREAT != 0) {
        return Err(Errno::EISDIR.into());
    }
    let task = caller(k, cx)?;
    let group = task.group.key();
    let who = access(&task.cred);
    if want & 2 != 0 {
        k.fs.writable(location.pos.mount)?;
    }
    inode::permit(&who, (status.uid, status.gid), status.mode, want)?;
    if flags & linux::O_DIRECT != 0 {
        return Err(Errno::EINVAL.into());
    }
    if is_dir {
        return open::open(&mut Store::of(k), group, location, flags);
    }
    if views::is_log(node) {
        return open_log(k, cx, location, LogEnd::Proc, flags);
    }
    let opened = views::open(k, cx, node, flags)?;
    let kind = FileKind::View(ViewFile {
        node,
        opened,
        told: views::Telling::default(),
        seen: None,
    });
    open::insert(&mut Store::of(k), group, kind, location, flags).map_err(|refused| {
        let (stop, kind) = *refused;
        if let FileKind::View(file) = kind {
            views::close(k, file.opened);
        }
        stop
    })
}
