//! Instructions and accesses that no program may do: each ends the process with a signal.

use core::arch::asm;

/// A thing a program may not do.
#[derive(Debug, Clone, Copy)]
pub struct Fault {
    /// Its name on the command line.
    pub name: &'static str,
    /// The signal that ends the process; one of two where machines differ.
    pub signals: [i32; 2],
    /// Whether Linux, too, answers with that signal.
    pub as_linux: bool,
    commit: fn(),
}

const fn fault(name: &'static str, signal: i32, commit: fn()) -> Fault {
    either(name, [signal; 2], commit)
}

const fn either(name: &'static str, signals: [i32; 2], commit: fn()) -> Fault {
    Fault {
        name,
        signals,
        as_linux: true,
        commit,
    }
}

/// Every fault.
pub const FAULTS: &[Fault] = &[
    fault("read-kernel", libc::SIGSEGV, || read(KERNEL)),
    fault("write-kernel", libc::SIGSEGV, || write(KERNEL)),
    fault("jump-kernel", libc::SIGSEGV, || jump(KERNEL)),
    fault("read-null", libc::SIGSEGV, || read(0)),
    fault("write-null", libc::SIGSEGV, || write(0)),
    fault("jump-null", libc::SIGSEGV, || jump(0)),
    fault("read-noncanonical", libc::SIGSEGV, || read(NONCANONICAL)),
    fault("jump-noncanonical", libc::SIGSEGV, || jump(NONCANONICAL)),
    // Some emulators and hypervisors raise a general protection fault, not a stack fault.
    either(
        "stack-noncanonical",
        [libc::SIGBUS, libc::SIGSEGV],
        stack_noncanonical,
    ),
    fault("div0", libc::SIGFPE, div0),
    fault("hlt", libc::SIGSEGV, hlt),
    fault("cli", libc::SIGSEGV, cli),
    fault("in", libc::SIGSEGV, port_in),
    fault("rdmsr", libc::SIGSEGV, rdmsr),
    fault("cr3", libc::SIGSEGV, cr3),
    fault("lidt", libc::SIGSEGV, lidt),
    // There are no 32-bit calls.
    Fault {
        name: "int80",
        signals: [libc::SIGSEGV; 2],
        as_linux: false,
        commit: int80,
    },
    fault("ud2", libc::SIGILL, ud2),
    fault("int3", libc::SIGTRAP, int3),
    fault("single-step", libc::SIGTRAP, single_step),
    fault("stack-overflow", libc::SIGSEGV, stack_overflow),
    fault("exec-stack", libc::SIGSEGV, exec_stack),
    fault("write-text", libc::SIGSEGV, || write(ud2 as fn() as usize)),
    fault("write-rodata", libc::SIGSEGV, || {
        write(NAMES_ARE_CONSTANT.as_ptr() as usize)
    }),
    fault("sigreturn", libc::SIGSEGV, sigreturn),
];

/// In the kernel's half of the address space, where its text is.
const KERNEL: usize = 0xffff_ffff_8000_0000;
/// In neither half.
const NONCANONICAL: usize = 0x0000_8000_0000_0000;
/// In a section that is mapped read-only.
static NAMES_ARE_CONSTANT: [u8; 64] = [7; 64];

impl Fault {
    /// The fault with this name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        FAULTS.iter().find(|fault| fault.name == name)
    }

    /// Does it. Comes back only on a kernel that lets it pass.
    pub fn commit(&self) {
        // The standard library's handlers would turn some of these into an abort.
        for signal in [libc::SIGSEGV, libc::SIGBUS] {
            // SAFETY: the default action is valid for both signals.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        (self.commit)();
    }
}

fn read(address: usize) {
    // SAFETY: faults, which ends the process; else it changes what is declared.
    unsafe { asm!("mov {0:e}, dword ptr [{0}]", inout(reg) address => _) };
}

fn write(address: usize) {
    // SAFETY: faults, which ends the process; else the value stays what it was.
    unsafe { asm!("or byte ptr [{0}], 0", in(reg) address) };
}

fn jump(address: usize) {
    // SAFETY: faults, which ends the process; else it changes what is declared.
    unsafe { asm!("call {0}", in(reg) address, clobber_abi("C")) };
}

fn stack_noncanonical() {
    // SAFETY: faults, which ends the process; else the stack pointer is put back.
    unsafe {
        asm!(
            "mov {saved}, rsp",
            "mov rsp, {wild}",
            "push rax",
            "mov rsp, {saved}",
            saved = out(reg) _,
            wild = in(reg) NONCANONICAL,
        );
    }
}

fn div0() {
    // SAFETY: faults, which ends the process; else it changes what is declared.
    unsafe { asm!("div {0:e}", in(reg) 0u32, inout("eax") 1u32 => _, inout("edx") 0u32 => _) };
}

fn hlt() {
    // SAFETY: faults, which ends the process; else it changes what is declared.
    unsafe { asm!("hlt") };
}

fn cli() {
    // SAFETY: faults, which ends the process; else it changes what is declared.
    unsafe { asm!("cli") };
}

fn port_in() {
    // SAFETY: faults, which ends the process; else it changes what is declared.
    unsafe { asm!("in al, dx", in("dx") 0x60u16, out("al") _) };
}

fn rdmsr() {
    // SAFETY: faults, which ends the process; else it changes what is declared.
    unsafe { asm!("rdmsr", in("ecx") 0xc000_0080u32, out("eax") _, out("edx") _) };
}

fn cr3() {
    // SAFETY: faults, which ends the process; else it changes what is declared.
    unsafe { asm!("mov {0}, cr3", out(reg) _) };
}

fn lidt() {
    let table = [0u8; 10];
    // SAFETY: faults, which ends the process; else it changes what is declared.
    unsafe { asm!("lidt [{0}]", in(reg) table.as_ptr()) };
}

fn int80() {
    // SAFETY: faults, which ends the process; else 0xffff is no 32-bit call.
    unsafe { asm!("int 0x80", inout("eax") 0xffffu32 => _) };
}

fn ud2() {
    // SAFETY: faults, which ends the process; else it changes what is declared.
    unsafe { asm!("ud2") };
}

fn int3() {
    // SAFETY: faults, which ends the process; else it changes what is declared.
    unsafe { asm!("int3") };
}

fn single_step() {
    // SAFETY: traps, which ends the process; the stack pointer is put back.
    unsafe {
        asm!(
            "sub rsp, 128",
            "pushfq",
            "or qword ptr [rsp], 0x100",
            "popfq",
            "add rsp, 128"
        )
    };
}

fn stack_overflow() {
    // SAFETY: pushes until there is no stack left, which ends the process.
    unsafe { asm!("2: push rax", "jmp 2b") };
}

fn exec_stack() {
    let ret = [0xc3u8; 16];
    jump(ret.as_ptr() as usize);
}

fn sigreturn() {
    // SAFETY: bytes that are no signal frame, which ends the process.
    unsafe { asm!("lea rsp, [{0}]", "mov eax, 15", "syscall", in(reg) WILD_FRAME.as_ptr()) };
}

/// A signal frame with 0x0101.. in every field: an instruction pointer that is not canonical.
static WILD_FRAME: [u8; 2048] = [1; 2048];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::raw::{Fork, exit, fork};
    use rustix::process::{WaitOptions, waitpid};

    #[test]
    fn linux_ends_the_process_with_the_same_signal() {
        for fault in FAULTS.iter().filter(|fault| fault.as_linux) {
            let Fork::Parent(pid) = fork().unwrap() else {
                fault.commit();
                exit(0)
            };
            let (_, status) = waitpid(Some(pid), WaitOptions::empty()).unwrap().unwrap();
            let signal = status.terminating_signal();
            let right = signal.is_some_and(|signal| fault.signals.contains(&signal));
            assert!(right, "{}: {signal:?}", fault.name);
        }
    }
}
