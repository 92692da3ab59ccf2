//! Listing directories (getdents(2), getdents64(2)).

use super::PASS;
use super::read::touch_access;
use crate::error::{Call, Errno, Stop};
use crate::fs::inode::Inode;
use crate::fs::open::FileKind;
use crate::fs::{FileId, Fs, InodeId, Node, ViewNode};
use crate::mm::user;
use crate::{Cx, Kernel, views};
use alloc::vec::Vec;

/// Entries that one call gives at the most: it stays short.
const MOST: usize = 256;
const DT_DIR: u8 = 4;

/// Which form records have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// struct linux_dirent of getdents(2): the type is the last byte.
    Old,
    /// struct linux_dirent64: the type is in front of the name.
    New,
}

/// The records of one call.
struct Records {
    form: Form,
    bytes: Vec<u8>,
    room: usize,
    /// Where the next call goes on.
    next: u64,
    count: usize,
}

impl Records {
    /// Adds an entry behind which the listing goes on at `next`; false when it does not fit.
    fn add(&mut self, name: &[u8], ino: u64, kind: u8, next: u64) -> bool {
        // ino, off, reclen, name, NUL, and the type somewhere; aligned to 8.
        let len = (19 + name.len() + 1).next_multiple_of(8);
        if self.bytes.len() + len > self.room || self.count >= MOST {
            return false;
        }
        let end = self.bytes.len() + len;
        self.bytes.extend_from_slice(&ino.to_le_bytes());
        self.bytes.extend_from_slice(&next.to_le_bytes());
        self.bytes.extend_from_slice(&(len as u16).to_le_bytes());
        if self.form == Form::New {
            self.bytes.push(kind);
        }
        self.bytes.extend_from_slice(name);
        self.bytes.resize(end, 0);
        if let (Form::Old, Some(last)) = (self.form, self.bytes.last_mut()) {
            *last = kind;
        }
        self.next = next;
        self.count += 1;
        true
    }
}

/// Lists a directory from where its open file is, and moves that on. Entries come in the order
/// they were made; the place of each stays the same while others come and go.
///
/// # Errors
/// ENOTDIR, ENOENT (removed), EINVAL (not even one entry fits), EFAULT.
pub fn getdents(k: &mut Kernel, cx: &mut Cx, id: FileId, addr: u64, len: u64, form: Form) -> Call {
    let file = k.fs.file(id)?;
    let FileKind::Dir(node) = file.kind else {
        return Err(Errno::ENOTDIR.into());
    };
    let (offset, mount) = (file.offset, file.at.pos().mount);
    let out = user::prepare(k, cx, addr, len.min(PASS / 2))?;
    let mut records = Records {
        form,
        bytes: Vec::new(),
        room: out.len() as usize,
        next: offset,
        count: 0,
    };
    let room = records.room;
    records
        .bytes
        .try_reserve_exact(room)
        .map_err(|_| Errno::ENOMEM)?;
    let complete = match node {
        Node::Inode(dir) => kept(&k.fs, dir, offset, &mut records)?,
        Node::View(dir) => shown(k, dir, offset, &mut records)?,
    };
    if records.count == 0 && !complete {
        return Err(Errno::EINVAL.into());
    }
    user::put(k, cx, &out, 0, &records.bytes);
    k.fs.file_mut(id)?.offset = records.next;
    if let Node::Inode(dir) = node {
        touch_access(k, cx, mount, dir);
    }
    Ok(records.bytes.len() as u64)
}

/// Returns whether the end was reached.
fn kept(fs: &Fs, id: InodeId, offset: u64, records: &mut Records) -> Result<bool, Stop> {
    let inode = fs.inode(id)?;
    let dir = inode.dir()?;
    if inode.nlink == 0 {
        return Err(Errno::ENOENT.into());
    }
    let above = fs.inodes.get(dir.parent).map_or(inode.ino, |i| i.ino);
    if !dots(records, offset, inode.ino, above) {
        return Ok(false);
    }
    for (cookie, (name, id)) in dir.order.range(offset.max(3)..) {
        let Some(inode) = fs.inodes.get(*id) else {
            continue;
        };
        if !records.add(name, inode.ino, dirent_type(inode), cookie + 1) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn shown(k: &Kernel, dir: ViewNode, offset: u64, records: &mut Records) -> Result<bool, Stop> {
    let ino = views::stat(k, dir)?.ino;
    if !dots(records, offset, ino, ino) {
        return Ok(false);
    }
    // A record has 24 bytes at least: there is no room for more of them.
    let most = records.room / 24 + 1;
    let entries = views::entries(k, dir, offset, most)?;
    let complete = entries.len() < most;
    for entry in entries {
        let ino = views::stat(k, entry.node).map_or(1, |s| s.ino);
        if !records.add(&entry.name, ino, entry.kind, entry.cookie.saturating_add(1)) {
            return Ok(false);
        }
    }
    Ok(complete)
}

fn dots(records: &mut Records, offset: u64, own: u64, above: u64) -> bool {
    (offset > 0 || records.add(b".", own, DT_DIR, 1))
        && (offset > 1 || records.add(b"..", above, DT_DIR, 2))
}

/// The type as getdents64(2) has it: the type bits of the mode, moved.
fn dirent_type(inode: &Inode) -> u8 {
    (inode.type_bits() >> 12) as u8
}
