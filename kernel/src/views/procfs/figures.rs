//! What tasks have done: io and schedstat (proc(5)).

use super::subject::Subject;
use crate::Kernel;
use crate::error::Stop;
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::task::Figures;
use crate::views::Source;
use crate::views::text::{Text, put};
use alloc::vec::Vec;

type Content = Result<Vec<u8>, Stop>;

/// /proc/PID/io: of all threads.
pub(super) fn io(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let s = Source::of(k);
    tell_io(&Subject::of(&s, node)?.process(&s)?.figures)
}

/// /proc/PID/task/TID/io.
pub(super) fn thread_io(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let s = Source::of(k);
    tell_io(&Subject::of(&s, node)?.task(&s)?.figures)
}

/// Files are in memory: nothing goes to a disk or comes from one.
fn tell_io(figures: &Figures) -> Content {
    let mut text = Text::default();
    put!(
        text,
        "rchar: {}\nwchar: {}\n",
        figures.read.bytes,
        figures.written.bytes
    );
    put!(
        text,
        "syscr: {}\nsyscw: {}\n",
        figures.read.calls,
        figures.written.calls
    );
    put!(
        text,
        "read_bytes: 0\nwrite_bytes: 0\ncancelled_write_bytes: 0\n"
    );
    Ok(text.done()?)
}

/// /proc/PID/schedstat: nanoseconds on the CPU and waiting for it, and how often it came.
pub(super) fn schedstat(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    let s = Source::of(k);
    let task = Subject::of(&s, node)?.task(&s)?;
    let spent = task.times.0.saturating_add(task.times.1);
    let (waited, turns) = (task.figures.waited, task.figures.turns);
    Ok(alloc::format!("{spent} {waited} {turns}\n").into_bytes())
}
