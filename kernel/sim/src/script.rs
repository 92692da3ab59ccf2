//! Programs for the simulated processor: lists of operations, one for every two bytes of code.
//!
//! The instruction pointer selects the operation, so that fork, signal handlers and restarted
//! calls work as they do on hardware: by registers alone.

use crate::image::{DATA, HEADERS, base};
use berth_kernel::machine::UserRegs;
use std::collections::BTreeMap;

/// A register that scripts use.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)] // the names are the registers'
pub enum Reg {
    Rax,
    Rbx,
    Rdx,
    Rsi,
    Rdi,
    Rbp,
    Rsp,
    R12,
    R13,
    R14,
    R15,
}

impl Reg {
    /// Its place.
    pub fn of(self, regs: &mut UserRegs) -> &mut u64 {
        match self {
            Reg::Rax => &mut regs.rax,
            Reg::Rbx => &mut regs.rbx,
            Reg::Rdx => &mut regs.rdx,
            Reg::Rsi => &mut regs.rsi,
            Reg::Rdi => &mut regs.rdi,
            Reg::Rbp => &mut regs.rbp,
            Reg::Rsp => &mut regs.rsp,
            Reg::R12 => &mut regs.r12,
            Reg::R13 => &mut regs.r13,
            Reg::R14 => &mut regs.r14,
            Reg::R15 => &mut regs.r15,
        }
    }
}

/// A value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Arg {
    /// This number.
    Is(u64),
    /// What a register has.
    Reg(Reg),
    /// The address of an offset in the program's data.
    Data(u64),
    /// The address of a label.
    Label(String),
}

impl From<u64> for Arg {
    fn from(value: u64) -> Arg {
        Arg::Is(value)
    }
}

impl From<Reg> for Arg {
    fn from(reg: Reg) -> Arg {
        Arg::Reg(reg)
    }
}

/// An operation.
#[derive(Clone, Debug)]
pub enum Op {
    /// A system call; arguments that are not given are 0.
    Call(u32, Vec<Arg>),
    /// Sets a register.
    Set(Reg, Arg),
    /// Adds to a register.
    Add(Reg, Arg),
    /// Loads 64 bits from an address.
    Load(Reg, Arg),
    /// Stores the lowest so many bytes of a value at an address.
    Store(Arg, Arg, usize),
    /// Goes to a label.
    Jump(String),
    /// Goes to a label if two values are equal, or not.
    JumpIf(Arg, bool, Arg, String),
    /// Computes for so many nanoseconds.
    Spin(u64),
    /// Returns from a function: takes the address from the stack.
    Return,
    /// Tells the test a name and a value.
    Tell(&'static str, Arg),
    /// What is no instruction.
    Invalid,
}

/// A program.
#[derive(Clone, Debug, Default)]
pub struct Script {
    ops: Vec<Op>,
    labels: BTreeMap<String, usize>,
}

impl Script {
    /// Nothing yet.
    pub fn new() -> Script {
        Script::default()
    }

    /// Appends an operation.
    pub fn op(mut self, op: Op) -> Script {
        self.ops.push(op);
        self
    }

    /// Names the next operation.
    pub fn label(mut self, name: &str) -> Script {
        self.labels.insert(name.to_string(), self.ops.len());
        self
    }

    /// A system call.
    pub fn call(self, number: u32, args: impl IntoIterator<Item = Arg>) -> Script {
        self.op(Op::Call(number, args.into_iter().collect()))
    }

    /// Sets a register.
    pub fn set(self, reg: Reg, value: impl Into<Arg>) -> Script {
        self.op(Op::Set(reg, value.into()))
    }

    /// Stores 64 bits.
    pub fn store(self, addr: impl Into<Arg>, value: impl Into<Arg>) -> Script {
        self.op(Op::Store(addr.into(), value.into(), 8))
    }

    /// Loads 64 bits.
    pub fn load(self, reg: Reg, addr: impl Into<Arg>) -> Script {
        self.op(Op::Load(reg, addr.into()))
    }

    /// Tells the test.
    pub fn tell(self, name: &'static str, value: impl Into<Arg>) -> Script {
        self.op(Op::Tell(name, value.into()))
    }

    /// Goes to a label.
    pub fn jump(self, label: &str) -> Script {
        self.op(Op::Jump(label.to_string()))
    }

    /// Goes to a label if a register is 0: in the child after fork.
    pub fn if_zero(self, reg: Reg, label: &str) -> Script {
        self.op(Op::JumpIf(reg.into(), true, Arg::Is(0), label.to_string()))
    }

    /// Goes to a label if two values differ.
    pub fn if_not(self, a: impl Into<Arg>, b: impl Into<Arg>, label: &str) -> Script {
        self.op(Op::JumpIf(a.into(), false, b.into(), label.to_string()))
    }

    /// Stores a text in the program's data, with a NUL behind it.
    pub fn text(mut self, at: u64, text: &str) -> Script {
        let bytes: Vec<u8> = text.bytes().chain([0]).collect();
        for (n, part) in bytes.chunks(8).enumerate() {
            let mut word = [0; 8];
            word[..part.len()].copy_from_slice(part);
            let value = u64::from_le_bytes(word);
            let place = Arg::Data(at + 8 * n as u64);
            self = self.op(Op::Store(place, Arg::Is(value), part.len()));
        }
        self
    }

    /// Its calls, in order.
    pub fn calls(&self) -> impl Iterator<Item = &Op> {
        self.ops.iter().filter(|op| matches!(op, Op::Call(..)))
    }

    /// Bytes of its code.
    pub fn bytes(&self) -> u64 {
        2 * self.ops.len() as u64
    }

    /// How many operations it has.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// It has none.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// The operation at an address, in the program with this index.
    pub fn at(&self, index: usize, addr: u64) -> Option<&Op> {
        let offset = addr.checked_sub(base(index) + HEADERS)?;
        if offset % 2 != 0 {
            return None;
        }
        self.ops.get(usize::try_from(offset / 2).ok()?)
    }

    /// The address of a label in the program with this index.
    pub fn address(&self, index: usize, label: &str) -> u64 {
        let number = self.labels.get(label);
        let number = *number.unwrap_or_else(|| panic!("no label {label:?}")) as u64;
        base(index) + HEADERS + 2 * number
    }

    /// What an argument is worth.
    pub fn value(&self, index: usize, regs: &UserRegs, arg: &Arg) -> u64 {
        match arg {
            Arg::Is(value) => *value,
            Arg::Reg(reg) => *reg.of(&mut regs.clone()),
            Arg::Data(offset) => DATA + offset,
            Arg::Label(label) => self.address(index, label),
        }
    }
}
