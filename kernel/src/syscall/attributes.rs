//! Calls that change attributes (chmod(2), chown(2), utimensat(2), truncate(2), ...).

use super::Line;
use super::place::{FDCWD, access, act, at_flags, caller, changeable, find, id, kept, path};
use super::stat::of_descriptor;
use crate::error::{Call, Errno, Stop};
use crate::fs::attributes::{self, NewTime};
use crate::fs::inode::Kind;
use crate::fs::walk::WalkFlags;
use crate::fs::{InodeId, Pos, Time, ViewNode};
use crate::mm::user;
use crate::views::cgroupfs::{self, Change};
use crate::wire::get_u64;
use crate::{Cx, Kernel, io};
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[
    (linux::__NR_chmod, "chmod", chmod),
    (linux::__NR_fchmod, "fchmod", fchmod),
    (linux::__NR_fchmodat, "fchmodat", fchmodat),
    (linux::__NR_fchmodat2, "fchmodat2", fchmodat2),
    (linux::__NR_chown, "chown", chown),
    (linux::__NR_lchown, "lchown", lchown),
    (linux::__NR_fchown, "fchown", fchown),
    (linux::__NR_fchownat, "fchownat", fchownat),
    (linux::__NR_utimensat, "utimensat", utimensat),
    (linux::__NR_utime, "utime", utime),
    (linux::__NR_utimes, "utimes", utimes),
    (linux::__NR_futimesat, "futimesat", futimesat),
    (linux::__NR_truncate, "truncate", truncate),
];

/// Where a path leads.
fn place(k: &mut Kernel, cx: &mut Cx, dirfd: u64, addr: u64, how: WalkFlags) -> Result<Pos, Stop> {
    let path = path(k, cx, addr)?;
    Ok(find(k, cx, dirfd, &path, how)?.pos)
}

/// The kept inode of a path, which may be changed.
fn target(
    k: &mut Kernel,
    cx: &mut Cx,
    dirfd: u64,
    addr: u64,
    how: WalkFlags,
) -> Result<InodeId, Stop> {
    let pos = place(k, cx, dirfd, addr, how)?;
    Ok(changeable(k, pos)?)
}

/// Changes what is kept of a control group's directory or file.
fn change_group(k: &mut Kernel, cx: &Cx, pos: Pos, node: ViewNode, change: Change) -> Call {
    k.fs.writable(pos.mount)?;
    let cred = caller(k, cx)?.cred.clone();
    cgroupfs::change(k, &access(&cred), node, change)?;
    Ok(0)
}

fn chmod(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let pos = place(k, cx, FDCWD, a[0], WalkFlags::empty())?;
    set_mode(k, cx, pos, a[1])
}

fn fchmodat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let pos = place(k, cx, a[0], a[1], WalkFlags::empty())?;
    set_mode(k, cx, pos, a[2])
}

fn fchmodat2(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let how = at_flags(u64::from(a[3] as u32), 0)?;
    let pos = place(k, cx, a[0], a[1], how)?;
    set_mode(k, cx, pos, a[2])
}

fn fchmod(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let pos = of_descriptor(k, cx, a[0])?;
    set_mode(k, cx, pos, a[1])
}

fn set_mode(k: &mut Kernel, cx: &Cx, pos: Pos, mode: u64) -> Call {
    if let Some(node) = cgroupfs::at(pos.node) {
        return change_group(k, cx, pos, node, Change::Mode(mode as u32));
    }
    let inode = changeable(k, pos)?;
    if matches!(k.fs.inode(inode)?.kind, Kind::Symlink(_)) {
        return Err(Errno::EOPNOTSUPP.into());
    }
    let (st, actor) = act(k, cx)?;
    attributes::chmod(st.fs, &actor, inode, mode as u32)?;
    Ok(0)
}

fn chown(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let pos = place(k, cx, FDCWD, a[0], WalkFlags::empty())?;
    set_owner(k, cx, pos, a[1], a[2])
}

fn lchown(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let pos = place(k, cx, FDCWD, a[0], WalkFlags::NOFOLLOW)?;
    set_owner(k, cx, pos, a[1], a[2])
}

fn fchownat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let how = at_flags(a[4], 0)?;
    let pos = place(k, cx, a[0], a[1], how)?;
    set_owner(k, cx, pos, a[2], a[3])
}

fn fchown(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let pos = of_descriptor(k, cx, a[0])?;
    set_owner(k, cx, pos, a[1], a[2])
}

fn set_owner(k: &mut Kernel, cx: &Cx, pos: Pos, uid: u64, gid: u64) -> Call {
    if let Some(node) = cgroupfs::at(pos.node) {
        return change_group(k, cx, pos, node, Change::Owner(id(uid), id(gid)));
    }
    let inode = changeable(k, pos)?;
    let (mut st, actor) = act(k, cx)?;
    attributes::chown(&mut st, &actor, inode, id(uid), id(gid))?;
    Ok(0)
}

const BOTH_NOW: (NewTime, NewTime) = (NewTime::Now, NewTime::Now);

fn utimensat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let times = match a[2] {
        0 => BOTH_NOW,
        addr => {
            let mut both = [0; 32];
            user::copy_in(k, cx, addr, &mut both)?;
            (timespec(&both, 0)?, timespec(&both, 16)?)
        }
    };
    if times == (NewTime::Omit, NewTime::Omit) {
        return Ok(0);
    }
    let inode = if a[1] == 0 && a[0] as u32 != FDCWD as u32 {
        if a[3] != 0 {
            return Err(Errno::EINVAL.into());
        }
        let pos = of_descriptor(k, cx, a[0])?;
        changeable(k, pos)?
    } else {
        let how = at_flags(a[3], 0)?;
        target(k, cx, a[0], a[1], how)?
    };
    set_times(k, cx, inode, times)
}

fn set_times(k: &mut Kernel, cx: &Cx, inode: InodeId, times: (NewTime, NewTime)) -> Call {
    let (st, actor) = act(k, cx)?;
    attributes::utimens(st.fs, &actor, inode, times)?;
    Ok(0)
}

fn timespec(bytes: &[u8], at: usize) -> Result<NewTime, Errno> {
    let (sec, nsec) = (get_u64(bytes, at) as i64, get_u64(bytes, at + 8));
    match u32::try_from(nsec) {
        Ok(linux::UTIME_NOW) => Ok(NewTime::Now),
        Ok(linux::UTIME_OMIT) => Ok(NewTime::Omit),
        Ok(nsec) if nsec < 1_000_000_000 => Ok(NewTime::At(Time { sec, nsec })),
        _ => Err(Errno::EINVAL),
    }
}

fn timeval(bytes: &[u8], at: usize) -> Result<NewTime, Errno> {
    let (sec, micros) = (get_u64(bytes, at) as i64, get_u64(bytes, at + 8));
    if micros >= 1_000_000 {
        return Err(Errno::EINVAL);
    }
    let nsec = micros as u32 * 1000;
    Ok(NewTime::At(Time { sec, nsec }))
}

fn utimes(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    futimesat(k, cx, &[FDCWD, a[0], a[1], 0, 0, 0])
}

fn futimesat(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let times = match a[2] {
        0 => BOTH_NOW,
        addr => {
            let mut both = [0; 32];
            user::copy_in(k, cx, addr, &mut both)?;
            (timeval(&both, 0)?, timeval(&both, 16)?)
        }
    };
    // Without a path it is about the descriptor.
    let inode = if a[1] == 0 && a[0] as u32 != FDCWD as u32 {
        let pos = of_descriptor(k, cx, a[0])?;
        changeable(k, pos)?
    } else {
        target(k, cx, a[0], a[1], WalkFlags::empty())?
    };
    set_times(k, cx, inode, times)
}

fn utime(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let times = match a[1] {
        0 => BOTH_NOW,
        addr => {
            let mut both = [0; 16];
            user::copy_in(k, cx, addr, &mut both)?;
            let second = |at| {
                NewTime::At(Time {
                    sec: get_u64(&both, at) as i64,
                    nsec: 0,
                })
            };
            (second(0), second(8))
        }
    };
    let inode = target(k, cx, FDCWD, a[0], WalkFlags::empty())?;
    set_times(k, cx, inode, times)
}

fn truncate(k: &mut Kernel, cx: &mut Cx, a: &[u64; 6]) -> Call {
    let size = a[1];
    if (size as i64) < 0 {
        return Err(Errno::EINVAL.into());
    }
    let path = path(k, cx, a[0])?;
    let pos = find(k, cx, FDCWD, &path, WalkFlags::empty())?.pos;
    if let Some(node) = cgroupfs::at(pos.node) {
        // A file of values has no length to cut.
        k.fs.writable(pos.mount)?;
        cgroupfs::may_truncate(k, &access(&caller(k, cx)?.cred), node)?;
        return Ok(0);
    }
    let inode = kept(pos, Errno::EINVAL)?;
    let object = k.fs.inode(inode)?;
    match object.kind {
        Kind::Dir(_) => return Err(Errno::EISDIR.into()),
        Kind::Regular(_) => {}
        _ => return Err(Errno::EINVAL.into()),
    }
    k.fs.writable(pos.mount)?;
    object.permit(&access(&caller(k, cx)?.cred), 2)?;
    if k.spaces.runs(inode) {
        return Err(Errno::ETXTBSY.into());
    }
    io::truncate(k, cx, inode, size)?;
    Ok(0)
}
