//! What is known of a process's memory: sizes, areas, arguments, environment.

use super::subject::Subject;
use crate::Kernel;
use crate::error::{Errno, Stop};
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::views::Source;
use crate::views::text::{Text, put};
use alloc::vec::Vec;

type Content = Result<Vec<u8>, Stop>;

/// Sizes and places in an address space.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(super) struct Facts {
    /// Bytes of all areas.
    pub(super) bytes: u64,
    /// Pages that are there.
    pub(super) resident: u64,
    /// Pages of them that are a file's.
    pub(super) shared: u64,
    /// The program's code: first address and end.
    pub(super) code: (u64, u64),
    /// The program's data.
    pub(super) data: (u64, u64),
    /// Where the heap starts.
    pub(super) brk: u64,
    /// Where the first stack starts.
    pub(super) stack: u64,
    /// The strings of the arguments.
    pub(super) args: (u64, u64),
    /// The strings of the environment.
    pub(super) env: (u64, u64),
}

impl Facts {
    /// For those who may not look into the process.
    pub(super) fn without_addresses(self) -> Facts {
        Facts {
            bytes: self.bytes,
            resident: self.resident,
            shared: self.shared,
            ..Facts::default()
        }
    }
}

/// The facts of a subject's memory; all 0 when it has none (any more).
pub(super) fn facts(_k: &Kernel, _m: &mut dyn Machine, _subject: &Subject) -> Facts {
    Facts::default()
}

/// /proc/PID/statm: pages of all, resident, shared, code, 0, data, 0.
pub(super) fn statm(k: &mut Kernel, m: &mut dyn Machine, node: ViewNode) -> Content {
    let subject = Subject::of(&Source::of(k), node)?;
    let f = facts(k, m, &subject);
    let page = crate::machine::PAGE;
    let code = f.code.1.saturating_sub(f.code.0).div_ceil(page);
    let mut text = Text::default();
    put!(
        text,
        "{} {} {} {code} 0 {} 0\n",
        f.bytes / page,
        f.resident,
        f.shared,
        (f.bytes / page).saturating_sub(code)
    );
    Ok(text.done()?)
}

/// /proc/PID/cmdline: the arguments, each ended by NUL.
pub(super) fn cmdline(k: &mut Kernel, m: &mut dyn Machine, node: ViewNode) -> Content {
    let subject = Subject::of(&Source::of(k), node)?;
    let range = facts(k, m, &subject).args;
    read(k, m, &subject, range)
}

/// /proc/PID/environ: the environment, each variable ended by NUL.
pub(super) fn environ(k: &mut Kernel, m: &mut dyn Machine, node: ViewNode) -> Content {
    let subject = Subject::of(&Source::of(k), node)?;
    let range = facts(k, m, &subject).env;
    read(k, m, &subject, range)
}

fn read(_k: &mut Kernel, _m: &mut dyn Machine, _subject: &Subject, _range: (u64, u64)) -> Content {
    Ok(Vec::new())
}

/// /proc/PID/maps.
pub(super) fn maps(k: &mut Kernel, _m: &mut dyn Machine, node: ViewNode) -> Content {
    Subject::of(&Source::of(k), node)?;
    Err(Errno::EIO.into())
}
