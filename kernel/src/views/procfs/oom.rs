//! Who goes first when memory runs out: oom_score and oom_score_adj (proc(5)).

use super::subject::Subject;
use crate::error::{Errno, Stop};
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::mm::oom;
use crate::task::cred::capable;
use crate::views::Source;
use crate::views::text::number_written;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

type Content = Result<Vec<u8>, Stop>;

/// The most and, negative, the least that a process can be set apart by.
const MOST: i64 = 1000;

/// /proc/PID/oom_score_adj.
pub(super) fn adjustment(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let s = Source::of(k);
    let process = Subject::of(&s, node)?.process(&s)?;
    Ok(alloc::format!("{}\n", process.oom.adjustment).into_bytes())
}

/// Sets a process apart. Below what somebody privileged set last only the privileged go.
pub(super) fn adjust(
    k: &mut Kernel,
    cx: &mut Cx,
    node: ViewNode,
    bytes: &[u8],
) -> Result<usize, Stop> {
    let value = number_written(bytes)?;
    if !(-MOST..=MOST).contains(&value) {
        return Err(Errno::EINVAL.into());
    }
    let value = value as i16;
    let subject = Subject::of(&Source::of(k), node)?;
    let may = capable(k, cx.task, linux::CAP_SYS_RESOURCE);
    let process = k.tasks.processes.get_mut(subject.process);
    let oom = &mut process.ok_or(Errno::ESRCH)?.oom;
    if value < oom.floor && !may {
        return Err(Errno::EACCES.into());
    }
    oom.adjustment = value;
    if may {
        oom.floor = value;
    }
    Ok(bytes.len())
}

/// /proc/PID/oom_score: 0 for who is spared, else how much of the memory it has, of 1333, moved
/// by two thirds of its adjustment.
pub(super) fn score(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let s = Source::of(k);
    let subject = Subject::of(&s, node)?;
    let process = subject.process(&s)?;
    let total = (k.frames.total() as i64).max(1);
    let points = oom::points(k, process, k.frames.total() as u64).map_or(0, |points| {
        (1000 + points.saturating_mul(1000) / total) * 2 / 3
    });
    Ok(alloc::format!("{}\n", points.max(0)).into_bytes())
}
