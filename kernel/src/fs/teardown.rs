//! The end of inodes and mounts: freed at once when little is left, else by a job.

use super::event::epoll::{self, Items};
use super::inode::{Entry, Inode, Kind, Name};
use super::mqueue::Queue;
use super::{FileId, InodeId, MountId, Store, pipe};
use crate::arena::Held;
use crate::machine::Frame;
use crate::work::Job;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

/// What is left of inodes, mounts and instances that nobody refers to, on its way out.
#[derive(Default)]
pub struct Teardown {
    frames: Vec<Frame>,
    pages: BTreeMap<u64, Frame>,
    queues: Vec<Queue>,
    entries: BTreeMap<Name, Entry>,
    /// Directories below, whose entries come next.
    below: Vec<BTreeMap<Name, Entry>>,
    /// Files that are gone, which epolls watch.
    watched: Vec<FileId>,
    /// Epolls that are gone, and what they watch.
    epolls: Vec<(FileId, Items)>,
    /// Mounts taken out of their tree, with what is still mounted on them.
    mounts: Vec<Held<MountId>>,
}

/// Pages or entries that may be freed at once, and in one step of a job.
const SLICE: usize = 64;

impl Store<'_> {
    /// Gives an inode back. What the last reference leaves is freed at once when it is little,
    /// else by a job.
    pub fn release_inode(&mut self, held: Held<InodeId>) {
        let Some((inode, charge)) = self.fs.inodes.release(held) else {
            return;
        };
        self.groups.give_back(charge);
        let mut rest = Teardown::default();
        self.take_apart(inode, &mut rest);
        self.finish_or_queue(rest);
    }

    /// Takes a tree of mounts apart, from a mount that nothing is below of any more.
    pub fn release_tree(&mut self, top: Held<MountId>) {
        self.finish_or_queue(Teardown {
            mounts: alloc::vec![top],
            ..Teardown::default()
        });
    }

    /// Takes a file that is gone out of the epolls that watch it.
    pub(super) fn forget_watched(&mut self, file: FileId) {
        if epoll::watched(self.fs, file).next().is_some() {
            self.finish_or_queue(Teardown {
                watched: alloc::vec![file],
                ..Teardown::default()
            });
        }
    }

    /// Gives back what an epoll watches that is gone.
    pub(super) fn release_items(&mut self, id: FileId, items: Items) {
        self.finish_or_queue(Teardown {
            epolls: alloc::vec![(id, items)],
            ..Teardown::default()
        });
    }

    /// Frees pages that were cut off a file.
    pub fn release_pages(&mut self, pages: BTreeMap<u64, Frame>) {
        self.finish_or_queue(Teardown {
            pages,
            ..Teardown::default()
        });
    }

    fn take_apart(&mut self, inode: Inode, rest: &mut Teardown) {
        let pages = match &inode.kind {
            Kind::Regular(pages) => pages.frames.len() as u64,
            _ => 0,
        };
        if let Some(sb) = self.fs.supers.get_mut(inode.sb) {
            sb.inodes = sb.inodes.saturating_sub(1);
            sb.pages = sb.pages.saturating_sub(pages);
        }
        if let Some(xattrs) = inode.xattrs {
            xattrs.give_back(self.groups);
        }
        match inode.kind {
            Kind::Dir(dir) if rest.entries.is_empty() => rest.entries = dir.entries,
            Kind::Dir(dir) => rest.below.push(dir.entries),
            Kind::Regular(mut pages) if rest.pages.is_empty() => {
                rest.pages = core::mem::take(&mut pages.frames);
            }
            Kind::Regular(pages) => rest.frames.extend(pages.frames.into_values()),
            Kind::Queue(queue) => {
                self.fs.forget_queue(&queue);
                rest.queues.push(*queue);
            }
            Kind::Fifo(Some(pipe)) => pipe::release(self, pipe),
            Kind::Fifo(None) | Kind::Symlink(_) | Kind::Device(_) | Kind::Socket | Kind::Event => {}
        }
    }

    fn finish_or_queue(&mut self, rest: Teardown) {
        if let Some(rest) = step(self, rest) {
            self.work.add(Job::Inode(rest));
        }
    }
}

/// Does a bounded part of a teardown; `None` when it is done.
pub fn step(st: &mut Store, mut job: Teardown) -> Option<Teardown> {
    for _ in 0..SLICE {
        if let Some(frame) = job.frames.pop() {
            st.frames.release(st.groups, frame);
        } else if let Some((_, frame)) = job.pages.pop_first() {
            st.frames.release(st.groups, frame);
        } else if let Some(mut queue) = job.queues.pop() {
            if let Some(message) = queue.take() {
                st.groups.give_back(message.charge);
                job.queues.push(queue);
            }
        } else if let Some((_, entry)) = job.entries.pop_first() {
            drop_entry(st, entry, &mut job);
        } else if let Some(file) = job.watched.pop() {
            if epoll::forget_one(st, file) {
                job.watched.push(file);
            }
        } else if let Some((id, mut items)) = job.epolls.pop() {
            if let Some((target, item)) = items.pop_first() {
                epoll::drop_item(st, id, target, item);
                job.epolls.push((id, items));
            }
        } else if let Some(entries) = job.below.pop() {
            job.entries = entries;
        } else {
            let mount = job.mounts.pop()?;
            take_mount_apart(st, mount, &mut job);
        }
    }
    Some(job)
}

/// Unhooks one mount below, which comes next; without any the mount itself goes.
fn take_mount_apart(st: &mut Store, mount: Held<MountId>, job: &mut Teardown) {
    let child = st.fs.children(mount.key()).next().map(|(_, child)| child);
    match child.and_then(|child| st.unhook(child)) {
        Some((child, at)) => {
            st.release_pos(at);
            job.mounts.push(mount);
            job.mounts.push(child);
        }
        None => st.release_mount(mount),
    }
}

fn drop_entry(st: &mut Store, entry: Entry, job: &mut Teardown) {
    st.groups.give_back(entry.charge);
    if let Some(inode) = st.fs.inodes.get_mut(entry.inode.key()) {
        inode.nlink = if inode.is_dir() {
            0
        } else {
            inode.nlink.saturating_sub(1)
        };
    }
    if let Some((inode, charge)) = st.fs.inodes.release(entry.inode) {
        st.groups.give_back(charge);
        st.take_apart(inode, job);
    }
}
