//! What stat(2) and statfs(2) tell.

use super::inode::{Device, Inode, Kind};
use super::superblock::SuperKind;
use super::walk::Views;
use super::{Fs, MountId, Node, Pos, Time, View};
use crate::error::Errno;
use crate::machine::PAGE;
use linux_raw_sys::general as linux;

/// What is known of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)] // the names are those of inode(7)
pub struct Stat {
    pub dev: (u32, u32),
    pub ino: u64,
    /// Type and permission bits.
    pub mode: u32,
    pub nlink: u32,
    pub uid: u32,
    pub gid: u32,
    pub rdev: (u32, u32),
    pub size: u64,
    /// Units of 512 bytes.
    pub blocks: u64,
    pub accessed: Time,
    pub modified: Time,
    pub changed: Time,
    pub born: Time,
    /// The mount's number.
    pub mount: u32,
}

/// What stat tells of a position. `now` is what views have for their times.
///
/// # Errors
/// ENOENT when it is gone.
pub fn stat(fs: &Fs, views: &dyn Views, pos: Pos, now: Time) -> Result<Stat, Errno> {
    let mount = fs.mount(pos.mount)?;
    let sb = fs.super_of(pos.mount)?;
    let mut stat = match pos.node {
        Node::Inode(id) => of_inode(fs.inode(id)?),
        Node::View(node) => {
            let (mode, uid, gid) = views.mode(node)?;
            let dir = mode & linux::S_IFMT == linux::S_IFDIR;
            Stat {
                ino: views.ino(node),
                mode,
                nlink: if dir { 2 } else { 1 },
                uid,
                gid,
                accessed: now,
                modified: now,
                changed: now,
                ..Stat::default()
            }
        }
    };
    stat.dev = (0, sb.dev);
    stat.mount = mount.id;
    Ok(stat)
}

/// What an inode knows of itself.
pub fn of_inode(inode: &Inode) -> Stat {
    let (rdev, blocks) = match &inode.kind {
        Kind::Device(Device { major, minor, .. }) => ((*major, *minor), 0),
        Kind::Regular(pages) => ((0, 0), pages.frames.len() as u64 * (PAGE / 512)),
        _ => ((0, 0), 0),
    };
    Stat {
        ino: inode.ino,
        mode: inode.mode | inode.type_bits(),
        nlink: inode.nlink,
        uid: inode.uid,
        gid: inode.gid,
        rdev,
        size: inode.size(),
        blocks,
        accessed: inode.times.accessed,
        modified: inode.times.modified,
        changed: inode.times.changed,
        born: inode.times.born,
        ..Stat::default()
    }
}

/// A device number as stat has it (makedev(3)).
pub fn encode_dev((major, minor): (u32, u32)) -> u64 {
    let (major, minor) = (u64::from(major), u64::from(minor));
    (minor & 0xff) | (major & 0xfff) << 8 | (minor & !0xff) << 12 | (major & !0xfff) << 32
}

/// The reverse, of the 32 bits that mknod(2) takes.
pub fn decode_dev(dev: u32) -> (u32, u32) {
    ((dev >> 8) & 0xfff, (dev & 0xff) | ((dev >> 12) & 0xf_ff00))
}

/// What is known of a file system.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub struct StatFs {
    /// Magic number (statfs(2)).
    pub kind: u32,
    /// Pages.
    pub blocks: u64,
    pub free: u64,
    pub files: u64,
    pub files_free: u64,
    pub dev: u32,
    /// ST_* flags.
    pub flags: u32,
}

/// Flags are valid.
const ST_VALID: u32 = 0x20;
const ST_NOATIME: u32 = 0x400;
const ST_NODIRATIME: u32 = 0x800;
const ST_RELATIME: u32 = 0x1000;
const ST_NOSYMFOLLOW: u32 = 0x2000;

/// What statfs tells of a mount. A tmpfs without a limit shows no blocks, as on Linux.
///
/// # Errors
/// EINVAL when it is gone.
pub fn statfs(fs: &Fs, id: MountId) -> Result<StatFs, Errno> {
    let sb = fs.super_of(id)?;
    let mount = fs.mount(id)?;
    let limit = |max: u64, used: u64| match max {
        u64::MAX => (0, 0),
        max => (max, max.saturating_sub(used)),
    };
    let (blocks, free) = limit(sb.limits.pages, sb.pages);
    let (files, files_free) = limit(sb.limits.inodes, sb.inodes);
    let kind = match sb.kind {
        SuperKind::Tmpfs => linux::TMPFS_MAGIC,
        SuperKind::View(View::Proc) => linux::PROC_SUPER_MAGIC,
        SuperKind::View(View::Sys) => linux::SYSFS_MAGIC,
        SuperKind::View(View::Ns) => linux::NSFS_MAGIC,
        SuperKind::View(View::Cgroup) => linux::CGROUP2_SUPER_MAGIC,
        SuperKind::Pipes => linux::PIPEFS_MAGIC,
        SuperKind::Events => linux::ANON_INODE_FS_MAGIC,
        SuperKind::Sockets => linux::SOCKFS_MAGIC,
        SuperKind::Devpts(_) => linux::DEVPTS_SUPER_MAGIC,
        // Not among the public constants of Linux.
        SuperKind::Mqueue(_) => 0x1980_0202,
    };
    let flags = mount.flags.bits();
    let moved = [
        (linux::MS_NOATIME, ST_NOATIME),
        (linux::MS_NODIRATIME, ST_NODIRATIME),
        (linux::MS_RELATIME, ST_RELATIME),
        (linux::MS_NOSYMFOLLOW, ST_NOSYMFOLLOW),
    ];
    let mut st_flags = ST_VALID | (flags & 0xf) | u32::from(sb.readonly);
    for (mount_flag, st_flag) in moved {
        if flags & mount_flag != 0 {
            st_flags |= st_flag;
        }
    }
    Ok(StatFs {
        kind,
        blocks,
        free,
        files,
        files_free,
        dev: sb.dev,
        flags: st_flags,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn device_numbers_are_those_of_makedev() {
        assert_eq!(encode_dev((1, 3)), 0x103);
        assert_eq!(encode_dev((136, 300)), 0x10882c);
        for dev in [(0, 0), (1, 3), (5, 1), (136, 300), (4095, 0xf_ffff)] {
            assert_eq!(decode_dev(encode_dev(dev) as u32), dev);
        }
    }
}
