//! devpts: a directory of terminals and the device that makes them (Linux
//! Documentation/filesystems/devpts.rst). Every mount is an instance of its own.

use super::dir::{self, add_new};
use super::inode::{Device, What};
use super::superblock::{self, SuperKind};
use super::{Access, Actor, Fs, InodeId, Node, Store, SuperId};
use crate::arena::Held;
use crate::error::{Errno, Stop};
use alloc::format;
use alloc::vec::Vec;

/// What pseudo-terminals' devices are numbered with.
pub const MAJOR: u32 = 136;
/// The most terminals of all instances together (/proc/sys/kernel/pty/max).
pub const MOST: u32 = 4096;
/// The device that makes them.
pub const PTMX: Device = Device {
    char: true,
    major: 5,
    minor: 2,
};

/// What an instance is mounted with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// Permission bits of terminals.
    pub mode: u32,
    /// Their owner; who makes one, if absent.
    pub uid: Option<u32>,
    /// Their group; that of who makes one, if absent.
    pub gid: Option<u32>,
    /// Permission bits of the device that makes them.
    pub ptmxmode: u32,
    /// Terminals are numbered below this.
    pub max: u32,
}

impl Options {
    /// Reads mount(2)'s data: `newinstance mode= uid= gid= ptmxmode= max=`, comma separated.
    ///
    /// # Errors
    /// EINVAL for an unknown option or a bad value.
    pub fn parse(data: &[u8]) -> Result<Options, Errno> {
        let mut options = Options {
            mode: 0o600,
            uid: None,
            gid: None,
            ptmxmode: 0,
            max: MOST,
        };
        for option in data.split(|b| *b == b',').filter(|o| !o.is_empty()) {
            let text = core::str::from_utf8(option).map_err(|_| Errno::EINVAL)?;
            match text.split_once('=') {
                // What every mount is.
                None if text == "newinstance" => {}
                Some(("mode", value)) => options.mode = number(value, 8)? & 0o777,
                Some(("uid", value)) => options.uid = Some(id(value)?),
                Some(("gid", value)) => options.gid = Some(id(value)?),
                Some(("ptmxmode", value)) => options.ptmxmode = number(value, 8)? & 0o777,
                Some(("max", value)) => options.max = number(value, 10)?.min(MOST),
                _ => return Err(Errno::EINVAL),
            }
        }
        Ok(options)
    }

    /// As /proc/mounts tells them, with a comma in front.
    fn text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (name, value) in [("uid", self.uid), ("gid", self.gid)] {
            if let Some(value) = value {
                text.extend(format!(",{name}={value}").into_bytes());
            }
        }
        text.extend(format!(",mode={:03o},ptmxmode={:03o}", self.mode, self.ptmxmode).into_bytes());
        if self.max < MOST {
            text.extend(format!(",max={}", self.max).into_bytes());
        }
        text
    }
}

fn number(text: &str, radix: u32) -> Result<u32, Errno> {
    if text.starts_with('+') {
        return Err(Errno::EINVAL);
    }
    u32::from_str_radix(text, radix).map_err(|_| Errno::EINVAL)
}

fn id(text: &str) -> Result<u32, Errno> {
    number(text, 10).and_then(|id| {
        if id == u32::MAX {
            Err(Errno::EINVAL)
        } else {
            Ok(id)
        }
    })
}

/// A new instance.
///
/// # Errors
/// No memory.
pub fn create(st: &mut Store, actor: &Actor, options: Options) -> Result<Held<SuperId>, Stop> {
    let actor = &Actor {
        access: Access::KERNEL,
        ..*actor
    };
    let kind = SuperKind::Devpts(options);
    let held = superblock::small(st, actor, kind, options.text())?;
    let made = root(st.fs, held.key())
        .map_err(Stop::from)
        .and_then(|root| {
            add_new(
                st,
                actor,
                root,
                b"ptmx",
                What::Device(PTMX),
                options.ptmxmode,
            )
        });
    match made {
        Ok(_) => Ok(held),
        Err(stop) => {
            st.release_super(held);
            Err(stop)
        }
    }
}

/// What an instance was mounted with; `None` for another file system.
pub fn options(fs: &Fs, sb: SuperId) -> Option<Options> {
    match fs.supers.get(sb)?.kind {
        SuperKind::Devpts(options) => Some(options),
        _ => None,
    }
}

fn root(fs: &Fs, sb: SuperId) -> Result<InodeId, Errno> {
    match fs.supers.get(sb).ok_or(Errno::ENODEV)?.root() {
        Node::Inode(root) => Ok(root),
        Node::View(_) => Err(Errno::ENODEV),
    }
}

/// The name of a terminal in its instance.
pub fn name(index: u32) -> Vec<u8> {
    format!("{index}").into_bytes()
}

/// Makes the device of a terminal, for `actor` unless the instance's options say otherwise.
///
/// # Errors
/// ENODEV when it is no instance; no memory.
pub fn add(st: &mut Store, actor: &Actor, sb: SuperId, index: u32) -> Result<(), Stop> {
    let options = options(st.fs, sb).ok_or(Errno::ENODEV)?;
    let root = root(st.fs, sb)?;
    let device = Device {
        char: true,
        major: MAJOR,
        minor: index,
    };
    let made = add_new(
        st,
        actor,
        root,
        &name(index),
        What::Device(device),
        options.mode,
    )?;
    if let Some(inode) = st.fs.inodes.get_mut(made) {
        inode.uid = options.uid.unwrap_or(inode.uid);
        inode.gid = options.gid.unwrap_or(inode.gid);
    }
    Ok(())
}

/// The device of a terminal.
///
/// # Errors
/// ENOENT.
pub fn find(fs: &Fs, sb: SuperId, index: u32) -> Result<InodeId, Errno> {
    dir::find(fs, root(fs, sb)?, &name(index))
}

/// Takes the device of a terminal away.
pub fn remove(st: &mut Store, sb: SuperId, index: u32) {
    let Ok(root) = root(st.fs, sb) else {
        return;
    };
    // The directory does not tell when that was, as on Linux.
    if let Ok(then) = st.fs.inode(root).map(|inode| inode.times.modified) {
        dir::remove(st, then, root, &name(index));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_linux() {
        let given = Options::parse(b"newinstance,ptmxmode=0666,mode=0620,gid=5").unwrap();
        assert_eq!(
            (given.mode, given.gid, given.ptmxmode),
            (0o620, Some(5), 0o666)
        );
        assert_eq!(given.text(), b",gid=5,mode=620,ptmxmode=666");
        let none = Options::parse(b"").unwrap();
        assert_eq!(none.text(), b",mode=600,ptmxmode=000");
        assert_eq!(
            Options::parse(b"max=3,uid=1").unwrap().text(),
            b",uid=1,mode=600,ptmxmode=000,max=3"
        );
        for bad in [
            "mode",
            "mode=",
            "mode=9",
            "gid=-1",
            "gid=4294967295",
            "x=1",
            "max=+1",
        ] {
            assert_eq!(Options::parse(bad.as_bytes()), Err(Errno::EINVAL), "{bad}");
        }
    }
}
