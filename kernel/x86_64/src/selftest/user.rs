//! User code without a kernel above: proves the way to user code and back, page tables and FPU
//! state. The verdict goes to the control port as TAP.

mod cases;

use crate::cpu::user::User;
use crate::dev::{clock, serial};
use crate::layout::PAGE;
use crate::machine::X86;
use crate::mem::space;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use berth_kernel::machine::{Access, Frame, Machine, Port, PowerOff, Space, Trap, UserRegs};

core::arch::global_asm!(include_str!("user.s"));

/// Where the pieces of code are in user space.
const CODE: u64 = 0x40_0000;
/// A page of data, and the stack, whose top is the end of the page.
const DATA: u64 = 0x50_0000;
/// An address where nothing is mapped.
const HOLE: u64 = 0x60_0000;
const SECOND: u64 = 1_000_000_000;

/// What the cases work with.
struct Bench<'a> {
    machine: &'a mut X86,
    user: &'a mut User,
    frames: Vec<Frame>,
    space: Space,
    failures: Vec<String>,
}

/// Lets `touch` loose on a page of user code, in its address space but with the kernel's rights.
pub fn touch_as_kernel(machine: &mut X86, touch: fn(u64)) {
    let mut frames = take_frames(machine);
    let mut frame = || frames.pop().unwrap_or_else(|| panic!("no free memory"));
    let (root, page) = (frame(), frame());
    let space = machine.new_space(root);
    let all = Access::all();
    if machine
        .map(space, CODE, page, all, &mut || Some(frame()))
        .is_ok()
    {
        space::activate(space);
        touch(CODE);
    }
}

/// Some free frames.
fn take_frames(machine: &mut X86) -> Vec<Frame> {
    let mut frames = Vec::new();
    for (first, end) in machine.memory() {
        let room = 64 - frames.len();
        frames.extend((first.0..end.0).take(room).map(Frame));
    }
    frames
}

/// Runs all cases.
pub fn run(machine: &mut X86, user: &mut User) -> PowerOff {
    let mut frames = take_frames(machine);
    let root = frames.pop().unwrap_or_else(|| panic!("no free memory"));
    let space = machine.new_space(root);
    let mut bench = Bench {
        machine,
        user,
        frames,
        space,
        failures: Vec::new(),
    };
    bench.load_code();
    say(&format!("1..{}\n", cases::ALL.len()));
    let mut ok = true;
    for (number, (name, case)) in (1..).zip(cases::ALL) {
        case(&mut bench);
        let verdict = if bench.failures.is_empty() {
            "ok"
        } else {
            "not ok"
        };
        ok &= bench.failures.is_empty();
        say(&format!("{verdict} {number} - {name}\n"));
        for failure in bench.failures.drain(..) {
            log::error!(target: "selftest", "{name}: {failure}");
        }
    }
    // What a command would have come to.
    say(if ok {
        "berth: exit 0\n"
    } else {
        "berth: exit 1\n"
    });
    PowerOff::Clean
}

fn say(text: &str) {
    serial::write_last(Port::Control, text.as_bytes());
}

impl Bench<'_> {
    fn load_code(&mut self) {
        // SAFETY: user.s defines these; only their addresses are used.
        unsafe extern "C" {
            static selftest_code: u8;
            static selftest_code_end: u8;
        }
        let (start, end) = (&raw const selftest_code, &raw const selftest_code_end);
        // SAFETY: both labels are in one section of the image, the second behind the first.
        let code = unsafe { core::slice::from_raw_parts(start, end as usize - start as usize) };
        let frame = self.map_new(CODE, Access::READ | Access::EXEC);
        self.machine.write_frame(frame, 0, code);
        self.map_new(DATA, Access::READ | Access::WRITE);
    }

    /// A new page of zeros at `addr`.
    fn map_new(&mut self, addr: u64, access: Access) -> Frame {
        let frame = self.frame();
        self.machine.zero_frame(frame, 0, PAGE as usize);
        self.map(addr, frame, access);
        frame
    }

    fn frame(&mut self) -> Frame {
        self.frames.pop().unwrap_or_else(|| panic!("out of frames"))
    }

    fn map(&mut self, addr: u64, frame: Frame, access: Access) {
        let frames = &mut self.frames;
        let mapped = self
            .machine
            .map(self.space, addr, frame, access, &mut || frames.pop());
        self.check(mapped.is_ok(), || format!("cannot map {addr:#x}"));
    }

    /// Registers that start a piece of code, each with a value of its own.
    fn regs(&self, piece: u64) -> UserRegs {
        UserRegs {
            rax: 1,
            rbx: 2,
            rcx: 3,
            rdx: 4,
            rsi: 5,
            rdi: 6,
            rbp: 7,
            r8: 8,
            r9: 9,
            r10: 10,
            r11: 11,
            r12: 12,
            r13: 13,
            r14: 14,
            r15: 15,
            rip: piece,
            rsp: DATA + PAGE,
            rflags: 0x202,
            fs_base: 0x1111_0000,
            gs_base: 0x2222_0000,
        }
    }

    /// Runs until the next trap, a second at most.
    fn run(&mut self, regs: &mut UserRegs) -> Trap {
        self.user.run(self.space, regs, clock::now() + SECOND)
    }

    /// Runs a piece and demands its trap.
    fn expect(&mut self, regs: &mut UserRegs, expected: Trap) {
        let start = regs.rip;
        let trap = self.run(regs);
        self.check(trap == expected, || {
            format!(
                "{start:#x} with rdi {:#x} ended in {trap:?}, not {expected:?}",
                regs.rdi
            )
        });
    }

    fn check(&mut self, holds: bool, message: impl FnOnce() -> String) {
        if !holds {
            self.failures.push(message());
        }
    }
}
