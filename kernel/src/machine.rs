//! The one seam of the kernel: what it needs of the hardware, and nothing else.
//!
//! Everything above this trait is the same code on real hardware and under `cargo test` on the
//! simulated machine. The trait is object safe; the kernel holds it as `&mut dyn Machine`.
//!
//! Running user code is *not* part of the trait: the CPU loop does that, outside the kernel's
//! lock, and calls [`crate::Kernel::on_trap`] with what happened.

pub mod log;

use alloc::vec::Vec;

/// Bytes in a page and in a frame.
pub const PAGE: u64 = 4096;

/// First address that user mappings may not reach (canonical lower half, one guard page less).
pub const USER_END: u64 = 0x0000_7fff_ffff_f000;

/// A physical frame, by number (physical address / 4096).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Frame(pub u32);

/// An address space, named by the frame of its root table.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Space(pub Frame);

bitflags::bitflags! {
    /// What user code may do with a page. A page that allows writing or executing is readable too.
    /// The empty set keeps a page in the tables out of the reach of user code (PROT_NONE): touching
    /// it faults, [`Machine::query`] and [`Machine::next_mapped`] still tell of it.
    #[derive(Clone, Copy, PartialEq, Eq, Debug)]
    pub struct Access: u8 {
        /// Readable.
        const READ = 1;
        /// Writable.
        const WRITE = 2;
        /// Executable.
        const EXEC = 4;
    }
}

/// The registers of a user context, as the trap left them and as the next run loads them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[repr(C)]
#[allow(missing_docs)] // the field names are the registers'
pub struct UserRegs {
    pub rax: u64,
    pub rbx: u64,
    pub rcx: u64,
    pub rdx: u64,
    pub rsi: u64,
    pub rdi: u64,
    pub rbp: u64,
    pub r8: u64,
    pub r9: u64,
    pub r10: u64,
    pub r11: u64,
    pub r12: u64,
    pub r13: u64,
    pub r14: u64,
    pub r15: u64,
    pub rip: u64,
    pub rsp: u64,
    pub rflags: u64,
    pub fs_base: u64,
    pub gs_base: u64,
}

/// Bytes of [`FpuArea`]: legacy FXSAVE region, XSAVE header and the AVX upper halves.
pub const FPU_BYTES: usize = 832;

/// The FPU state of a task in the standard XSAVE layout (Intel SDM vol. 1, 13.4). On a machine
/// without XSAVE only the first 512 bytes are used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(C, align(64))]
pub struct FpuArea(pub [u8; FPU_BYTES]);

impl FpuArea {
    /// The state that a new program starts with: x87 control word 0x37f, MXCSR 0x1f80, all
    /// registers zero.
    pub const INITIAL: FpuArea = {
        let mut bytes = [0; FPU_BYTES];
        bytes[0] = 0x7f;
        bytes[1] = 0x03;
        bytes[24] = 0x80;
        bytes[25] = 0x1f;
        FpuArea(bytes)
    };
}

/// Why user code stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Trap {
    /// The `syscall` instruction; number in rax, arguments in rdi rsi rdx r10 r8 r9.
    Syscall,
    /// A page fault at a user address, while doing `access`; `present` if a page was mapped but
    /// did not allow it.
    PageFault {
        /// The address that was touched.
        addr: u64,
        /// What the program tried to do.
        access: Access,
        /// A mapping exists but forbids the access.
        present: bool,
    },
    /// Any other processor exception raised by user code.
    Exception {
        /// The vector (0 divide error, 6 invalid opcode, 13 general protection, ...).
        vector: u8,
        /// The error code the processor pushed, else 0.
        error: u64,
    },
    /// The deadline passed, or the CPU was kicked: nothing to do but to look at the queues.
    Timer,
    /// Bytes are waiting at a console port.
    Input,
    /// The CPU was idle or is new: there is no user context behind this trap.
    Idle,
}

/// What a CPU does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// Run the registers that the kernel left, until `deadline` (monotonic nanoseconds) at the
    /// latest; hand them back, as they are then, with the trap.
    Run {
        /// Where it runs.
        space: Space,
        /// When to come back at the latest; `u64::MAX` for never.
        deadline: u64,
    },
    /// Nothing to run until `deadline` or an interrupt. Come back with [`Trap::Idle`], or with
    /// [`Trap::Input`] when bytes have arrived at the console; either may come early.
    Idle {
        /// Monotonic nanoseconds; `u64::MAX` for never.
        deadline: u64,
    },
    /// End the machine with this code.
    PowerOff(PowerOff),
}

/// How the machine ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PowerOff {
    /// In order.
    Clean,
    /// In order, and come up again.
    Restart,
    /// After a failure of the kernel.
    Panic,
}

/// Page tables could not be extended: no frame was to be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoTable;

/// A mapped page as the page tables have it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mapped {
    /// The frame behind it.
    pub frame: Frame,
    /// What user code may do.
    pub access: Access,
    /// The processor has seen a write through this mapping.
    pub dirty: bool,
}

/// A serial port of the machine.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Port {
    /// COM1: the console, a program's standard input and output.
    Console,
    /// COM2: the kernel log.
    Log,
    /// COM3: verdicts for the host: exit status, TAP, figures.
    Control,
    /// COM4: standard error of the program that the host asked for.
    Errors,
}

/// The hardware, or what stands for it in a test.
///
/// Frames are never handed out as references: user code on another CPU may change them at any
/// moment. Offsets and lengths stay inside one frame; a machine may panic on a caller that
/// breaks this, as that is a bug of the kernel and never user input.
pub trait Machine {
    // --- frames ---

    /// The frames free for the kernel's use at boot, as ranges `[first, end)` by frame number,
    /// ascending and disjoint. Called once.
    fn memory(&mut self) -> Vec<(Frame, Frame)>;
    /// Copies `to.len()` bytes out of a frame, from `offset`.
    fn read_frame(&mut self, frame: Frame, offset: usize, to: &mut [u8]);
    /// Copies `from` into a frame, to `offset`.
    fn write_frame(&mut self, frame: Frame, offset: usize, from: &[u8]);
    /// Fills a part of a frame with zeros.
    fn zero_frame(&mut self, frame: Frame, offset: usize, len: usize);
    /// Copies between two different frames.
    fn copy_frame(&mut self, from: (Frame, usize), to: (Frame, usize), len: usize);
    /// Compares and swaps an aligned 32-bit word; returns the old value.
    fn cas_u32(&mut self, frame: Frame, offset: usize, old: u32, new: u32) -> u32;

    // --- address spaces ---

    /// Makes an address space in this (owned, arbitrary content) frame.
    fn new_space(&mut self, root: Frame) -> Space;
    /// How many table frames [`Machine::map`] would have to add for a page at `addr` (0 to 3).
    fn tables_missing(&self, space: Space, addr: u64) -> usize;
    /// Maps a page, replacing what was there; `tables` is called for each table frame needed
    /// (content arbitrary, the machine clears it).
    ///
    /// # Errors
    /// [`NoTable`] if `tables` gives none; nothing is mapped then.
    fn map(
        &mut self,
        space: Space,
        addr: u64,
        frame: Frame,
        access: Access,
        tables: &mut dyn FnMut() -> Option<Frame>,
    ) -> Result<(), NoTable>;
    /// Removes the mapping of a page, if there is one, and tells what it was.
    fn unmap(&mut self, space: Space, addr: u64) -> Option<Mapped>;
    /// Changes what a mapped page allows ([`Access::empty`]: nothing); nothing if none is mapped.
    fn protect(&mut self, space: Space, addr: u64, access: Access);
    /// What is mapped at the page of `addr`.
    fn query(&self, space: Space, addr: u64) -> Option<Mapped>;
    /// The first mapped page in `[from, end)`: its address and what it is. Skips absent tables,
    /// so that walking a sparse space is cheap.
    fn next_mapped(&self, space: Space, from: u64, end: u64) -> Option<(u64, Mapped)>;
    /// Maps pages from `addr` on, 64 at the most and all of one last table, to a frame each where
    /// none is mapped; those without a frame or without a table stay absent. Tells which it
    /// mapped, the first in the lowest bit.
    fn map_absent(
        &mut self,
        space: Space,
        addr: u64,
        frames: &[Option<Frame>],
        access: Access,
    ) -> u64 {
        let (mut done, mut at) = (0, addr);
        for (n, frame) in frames.iter().enumerate().take(64) {
            if let Some(frame) = frame.filter(|_| self.query(space, at).is_none()) {
                let mapped = self.map(space, at, frame, access, &mut || None).is_ok();
                done |= u64::from(mapped) << n;
            }
            at = at.saturating_add(PAGE);
        }
        done
    }
    /// Removes the first `most` mappings in `[from, end)` and tells of each; returns the page of
    /// the next one, if there is any.
    fn unmap_some(
        &mut self,
        space: Space,
        from: u64,
        end: u64,
        most: usize,
        gone: &mut dyn FnMut(u64, Mapped),
    ) -> Option<u64> {
        let mut at = from;
        for _ in 0..most {
            let (page, _) = self.next_mapped(space, at, end)?;
            if let Some(mapped) = self.unmap(space, page) {
                gone(page, mapped);
            }
            at = page.saturating_add(PAGE);
        }
        self.next_mapped(space, at, end).map(|next| next.0)
    }
    /// Takes away at most `most` table frames that hold no mapping any more in `[from, end)`,
    /// handing each to `free`; returns whether more remain. With the whole user range on a space
    /// without mappings, repeated until false, only the root frame is left; that is the caller's.
    fn trim_tables(
        &mut self,
        space: Space,
        from: u64,
        end: u64,
        most: usize,
        free: &mut dyn FnMut(Frame),
    ) -> bool;

    // --- the processor ---

    /// Stores the FPU state of the running user context.
    fn fpu_save(&mut self, to: &mut FpuArea);
    /// Loads an FPU state for the next user context; invalid header or MXCSR bits are cleared,
    /// never a fault.
    fn fpu_load(&mut self, from: &FpuArea);
    /// The CPUID-derived AT_HWCAP word (CPUID.1:EDX) and AT_HWCAP2.
    fn hwcap(&self) -> (u64, u64);

    /// What CPUID says: eax, ebx, ecx, edx of a leaf and subleaf; zeros for what the processor does
    /// not have.
    fn cpuid(&self, leaf: u32, subleaf: u32) -> [u32; 4];

    // --- time, chance, the outside ---

    /// Nanoseconds since boot, never going back.
    fn now(&self) -> u64;
    /// Seconds and nanoseconds since 1970-01-01 UTC, as the real-time clock had it at boot plus
    /// [`Machine::now`].
    fn wall(&self) -> (u64, u32);
    /// Fills with unpredictable bytes (simulation: from the seed).
    fn entropy(&mut self, to: &mut [u8]);
    /// Writes as many bytes to a port as it takes now without waiting long; returns how many.
    fn port_write(&mut self, port: Port, bytes: &[u8]) -> usize;
    /// Reads what has arrived at a port; returns how many bytes.
    fn port_read(&mut self, port: Port, to: &mut [u8]) -> usize;
    /// Adds a line to the kernel's log, which also goes out on [`Port::Log`] when its level is
    /// below the one that is shown.
    fn log_add(&mut self, priority: u32, text: &[u8]);
    /// The numbers of the lines of the log that are kept: the first, and one above the last.
    fn log_kept(&self) -> (u64, u64);
    /// A line of the log that is kept; its text goes to the beginning of `text`.
    fn log_read(&self, number: u64, text: &mut [u8]) -> Option<log::Record>;
    /// Lines below this level go out on [`Port::Log`].
    fn log_shown(&self) -> u32;
    /// From now on lines below this level (1 to 8) go out on [`Port::Log`].
    fn log_show(&mut self, level: u32);
    /// Bytes free in the kernel's heap.
    fn heap_free(&self) -> usize;
    /// Gives a frame to the kernel's heap for good; false when the heap's window is full.
    fn heap_grow(&mut self, frame: Frame) -> bool;
    /// Bytes the kernel's heap has handed out.
    fn heap_used(&self) -> usize;
    /// The program (`"demo"`) and other words given to the kernel at boot.
    fn command_line(&self) -> &str;
    /// The initial file archive: its length in bytes.
    fn initrd_len(&self) -> usize;
    /// Copies from the initial file archive at an offset; returns how many bytes were there.
    fn initrd_read(&self, offset: usize, to: &mut [u8]) -> usize;
    /// Copies from the initial file archive into the beginning of a frame; returns how many bytes
    /// were there.
    fn initrd_copy(&mut self, offset: usize, to: Frame, len: usize) -> usize {
        let mut bytes = alloc::vec![0; len.min(PAGE as usize)];
        let got = self.initrd_read(offset, &mut bytes);
        self.write_frame(to, 0, bytes.get(..got).unwrap_or(&[]));
        got
    }
    /// The archive has been unpacked: its frames, to be added to the free ones. Afterwards
    /// `initrd_len` is 0.
    fn initrd_release(&mut self) -> Vec<(Frame, Frame)>;
}
