//! Closing open files, and what that leaves: a socket's end may end others that were in flight.

use crate::Kernel;
use crate::arena::Held;
use crate::fs::open::FileKind;
use crate::fs::{FileId, Store};
use crate::net::SocketId;
use crate::net::garbage::Garbage;
use crate::work::Job;
use crate::{tty, views};
use alloc::vec::Vec;

/// Things freed at once, and in one step of a job.
const SLICE: usize = 64;

/// Gives an open file back; the last reference closes it.
pub fn release(k: &mut Kernel, file: Held<FileId>) {
    let mut rest = Garbage::default();
    close(k, file, &mut rest);
    finish_or_queue(k, rest);
}

/// Ends a socket without an open file.
pub fn drop_socket(k: &mut Kernel, socket: Held<SocketId>) {
    let mut rest = Garbage::default();
    rest.close(k, socket);
    finish_or_queue(k, rest);
}

/// Frees what sockets will not receive any more.
pub fn discard(k: &mut Kernel, rest: Garbage) {
    finish_or_queue(k, rest);
}

/// Gives open files back that nobody received.
pub(super) fn release_all(k: &mut Kernel, files: Vec<Held<FileId>>) {
    let mut rest = Garbage::default();
    rest.files = files;
    finish_or_queue(k, rest);
}

fn close(k: &mut Kernel, file: Held<FileId>, rest: &mut Garbage) {
    match Store::of(k).release_file(file) {
        Some(FileKind::View(file)) => views::close(k, file.opened),
        Some(FileKind::Terminal(terminal)) => tty::close(k, terminal),
        Some(FileKind::Socket(socket)) => rest.close(k, socket),
        _ => {}
    }
}

fn finish_or_queue(k: &mut Kernel, rest: Garbage) {
    if let Some(rest) = discard_step(k, rest) {
        k.work.add(Job::Sockets(rest));
    }
}

/// Does a bounded part of the end of sockets; `None` when it is done.
pub fn discard_step(k: &mut Kernel, mut rest: Garbage) -> Option<Garbage> {
    for _ in 0..SLICE {
        if let Some(file) = rest.files.pop() {
            close(k, file, &mut rest);
        } else if !rest.step(k) {
            return None;
        }
    }
    Some(rest)
}
