//! What execve put where in an address space (/proc/PID/stat and its kin).

use super::elf::Plan;
use super::stack::Built;
use crate::machine::Access;
use alloc::vec::Vec;

/// Places in an address space; ranges are first address and end, and all is 0 without a program.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Layout {
    /// The program's code.
    pub code: (u64, u64),
    /// The program's data, as far as it comes from the file.
    pub data: (u64, u64),
    /// The first stack pointer.
    pub stack: u64,
    /// The strings of the arguments.
    pub args: (u64, u64),
    /// The strings of the environment.
    pub env: (u64, u64),
    /// The auxiliary vector, as it was written for the program.
    pub auxv: Vec<u8>,
}

impl Layout {
    /// Of a program whose segments are moved by `bias`.
    pub fn of(plan: &Plan, bias: u64, stack: &Built) -> Layout {
        let range = |wanted: Access| {
            let mut segments = plan.segments.iter();
            let found = segments.find(|segment| segment.access.contains(wanted));
            found.map_or((0, 0), |segment| {
                let moved = |addr: u64| addr.wrapping_add(bias);
                (moved(segment.start), moved(segment.file_end))
            })
        };
        Layout {
            code: range(Access::EXEC),
            data: range(Access::WRITE),
            stack: stack.pointer,
            args: stack.args,
            env: stack.env,
            auxv: stack.auxv.clone(),
        }
    }
}
