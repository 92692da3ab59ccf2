//! /proc/sys: the limits of an ipc namespace, those of whoever reads or writes (proc(5)).

use super::sysvipc::own;
use super::table::{Line, writable};
use crate::error::{Errno, Stop};
use crate::fs::ViewNode;
use crate::fs::mqueue::{MSG_HARD, MSGSIZE_HARD, Settings};
use crate::ipc::INDEX_MAX;
use crate::machine::Machine;
use crate::mm::segments::{self, Limits};
use crate::ns::ipc;
use crate::{Cx, Kernel};
use alloc::vec::Vec;

type Content = Result<Vec<u8>, Stop>;

fn line(value: u64) -> Content {
    Ok(alloc::format!("{value}\n").into_bytes())
}

/// The number that a line written is, from 0 to `most`.
fn value(bytes: &[u8], most: u64) -> Result<u64, Errno> {
    let text = core::str::from_utf8(bytes).map_err(|_| Errno::EINVAL)?;
    let text = text.trim_matches(['\0', '\n', ' ', '\t']);
    if !text.starts_with(|first: char| first.is_ascii_digit()) {
        return Err(Errno::EINVAL);
    }
    let value = text.parse::<u64>().map_err(|_| Errno::EINVAL)?;
    (value <= most).then_some(value).ok_or(Errno::EINVAL)
}

fn shm(k: &Kernel) -> Result<Limits, Stop> {
    Ok(segments::of(k, own(k)?)?.limits)
}

/// Changes the limits of the writer's namespace.
fn set_shm(
    k: &mut Kernel,
    bytes: &[u8],
    most: u64,
    set: fn(&mut Limits, u64),
) -> Result<usize, Stop> {
    let value = value(bytes, most)?;
    let ns = own(k)?;
    set(&mut segments::of_mut(k, ns)?.limits, value);
    Ok(bytes.len())
}

pub(super) fn shmall(k: &mut Kernel, _: &mut dyn Machine, _: ViewNode) -> Content {
    line(shm(k)?.pages)
}

pub(super) fn shmmax(k: &mut Kernel, _: &mut dyn Machine, _: ViewNode) -> Content {
    line(shm(k)?.bytes)
}

pub(super) fn shmmni(k: &mut Kernel, _: &mut dyn Machine, _: ViewNode) -> Content {
    line(shm(k)?.segments.into())
}

pub(super) fn set_shmall(
    k: &mut Kernel,
    _: &mut Cx,
    _: ViewNode,
    bytes: &[u8],
) -> Result<usize, Stop> {
    set_shm(k, bytes, u64::MAX, |limits, value| limits.pages = value)
}

pub(super) fn set_shmmax(
    k: &mut Kernel,
    _: &mut Cx,
    _: ViewNode,
    bytes: &[u8],
) -> Result<usize, Stop> {
    set_shm(k, bytes, u64::MAX, |limits, value| limits.bytes = value)
}

pub(super) fn set_shmmni(
    k: &mut Kernel,
    _: &mut Cx,
    _: ViewNode,
    bytes: &[u8],
) -> Result<usize, Stop> {
    let set = |limits: &mut Limits, value| limits.segments = value as u32;
    set_shm(k, bytes, INDEX_MAX.into(), set)
}

/// The limits of message queues (mq_overview(7)).
pub(super) const MQUEUE_LINES: &[Line] = &[
    writable("msg_default", msg_default, set_msg_default),
    writable("msg_max", msg_max, set_msg_max),
    writable("msgsize_default", msgsize_default, set_msgsize_default),
    writable("msgsize_max", msgsize_max, set_msgsize_max),
    writable("queues_max", queues_max, set_queues_max),
];

/// The settings of message queues in the namespace of whoever reads or writes.
fn queues(k: &mut Kernel) -> Result<&mut Settings, Stop> {
    let mount = ipc::queues(k, own(k)?)?;
    let sb = k.fs.mount(mount)?.sb.key();
    Ok(k.fs.queue_settings(sb).ok_or(Errno::EINVAL)?)
}

fn limit(bytes: &[u8], least: u32, most: u32) -> Result<u32, Errno> {
    let value = value(bytes, most.into())? as u32;
    (value >= least).then_some(value).ok_or(Errno::EINVAL)
}

/// Files of one field each, with its least and most value.
macro_rules! of_queues {
    ($($field:ident $set:ident $least:expr, $most:expr;)*) => {$(
        fn $field(k: &mut Kernel, _: &mut dyn Machine, _: ViewNode) -> Content {
            line(queues(k)?.$field.into())
        }

        fn $set(k: &mut Kernel, _: &mut Cx, _: ViewNode, bytes: &[u8]) -> Result<usize, Stop> {
            queues(k)?.$field = limit(bytes, $least, $most)?;
            Ok(bytes.len())
        }
    )*};
}

of_queues! {
    queues_max set_queues_max 0, i32::MAX as u32;
    msg_max set_msg_max 1, MSG_HARD;
    msg_default set_msg_default 1, MSG_HARD;
    msgsize_max set_msgsize_max 128, MSGSIZE_HARD;
    msgsize_default set_msgsize_default 128, MSGSIZE_HARD;
}
