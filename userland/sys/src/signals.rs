//! The signal calls as the kernel has them, without what a C library does in between: actions with
//! all their flags, masks of 64 bits, records of what came.

use core::arch::global_asm;
use core::ffi::c_void;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering::SeqCst};

use rustix::io::Errno;

use crate::raw::last_errno;

/// struct kernel_sigaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Action {
    handler: u64,
    /// SA_* flags.
    pub flags: u64,
    restorer: u64,
    /// Blocked while the handler runs.
    pub mask: u64,
}

/// SA_RESTORER: where the handler returns to is given.
const RESTORER: u64 = 0x0400_0000;

impl Action {
    /// The default action.
    pub const DEFAULT: Self = Self {
        handler: 0,
        flags: 0,
        restorer: 0,
        mask: 0,
    };
    /// To ignore the signal.
    pub const IGNORE: Self = Self {
        handler: 1,
        ..Self::DEFAULT
    };

    /// A handler that records what came, with these flags besides SA_SIGINFO.
    #[must_use]
    pub fn record(flags: u64, mask: u64) -> Self {
        Self {
            handler: recorder as *const () as u64,
            flags: flags | libc::SA_SIGINFO as u64 | RESTORER,
            restorer: restorer as *const () as u64,
            mask,
        }
    }

    /// Whether it is a handler, and not to ignore or the default.
    #[must_use]
    pub fn is_handler(&self) -> bool {
        self.handler > 1
    }

    /// Whether it is to ignore the signal.
    #[must_use]
    pub fn is_ignore(&self) -> bool {
        self.handler == 1
    }
}

global_asm!(
    ".pushsection .text",
    "berth_restorer:",
    "mov eax, 15",
    "syscall",
    "ud2",
    ".popsection",
);

// SAFETY: it is the code above; its address is all that is used of it.
unsafe extern "C" {
    #[link_name = "berth_restorer"]
    fn restorer();
}

fn call(number: i64, args: [u64; 4]) -> Result<u64, Errno> {
    let [a, b, c, d] = args;
    // SAFETY: this module passes addresses of its own records of the right size only, or numbers.
    match unsafe { libc::syscall(number, a, b, c, d) } {
        -1 => Err(last_errno()),
        value => Ok(value as u64),
    }
}

/// Sets the action for a signal, if one is given; returns the old one. `size` is sigset_t's: 8.
///
/// # Errors
/// See sigaction(2).
pub fn action(signal: i32, new: Option<Action>, size: u64) -> Result<Action, Errno> {
    let mut old = Action::default();
    let new = new.as_ref().map_or(0, |new| &raw const *new as u64);
    let args = [signal as u64, new, &raw mut old as u64, size];
    call(libc::SYS_rt_sigaction, args)?;
    Ok(old)
}

/// The bit of a signal in a set.
#[must_use]
pub const fn bit(signal: i32) -> u64 {
    1 << (signal - 1)
}

/// Replaces the set of blocked signals; returns the old one.
///
/// # Errors
/// See sigprocmask(2).
pub fn set_mask(mask: u64) -> Result<u64, Errno> {
    let mut old = 0u64;
    let args = [2, &raw const mask as u64, &raw mut old as u64, 8];
    call(libc::SYS_rt_sigprocmask, args)?;
    Ok(old)
}

/// The set of pending signals.
///
/// # Errors
/// See sigpending(2).
pub fn pending() -> Result<u64, Errno> {
    let mut set = 0u64;
    call(libc::SYS_rt_sigpending, [&raw mut set as u64, 8, 0, 0])?;
    Ok(set)
}

/// What siginfo_t tells, its union as words.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Info {
    /// The signal.
    pub signal: i32,
    /// si_errno.
    pub errno: i32,
    /// si_code.
    pub code: i32,
    gap: i32,
    /// si_pid, or si_timerid.
    pub pid: i32,
    /// si_uid, or si_overrun.
    pub uid: i32,
    /// si_value or si_status.
    pub value: u64,
    rest: [u64; 12],
}

impl Info {
    /// What sigqueue(3) sends.
    #[must_use]
    pub fn new(code: i32, pid: i32, value: u64) -> Self {
        Self {
            code,
            pid,
            value,
            ..Self::default()
        }
    }

    /// si_addr.
    #[must_use]
    pub fn address(&self) -> u64 {
        u64::from(self.pid as u32) | u64::from(self.uid as u32) << 32
    }

    /// si_status of a child.
    #[must_use]
    pub fn status(&self) -> i32 {
        self.value as i32
    }
}

/// Takes a signal of a set, or waits for one; `None` waits for ever.
///
/// # Errors
/// See sigtimedwait(2).
pub fn wait(set: u64, nanoseconds: Option<i64>) -> Result<Info, Errno> {
    let mut info = Info::default();
    let time = nanoseconds.map(|ns| [ns / 1_000_000_000, ns % 1_000_000_000]);
    let time = time.as_ref().map_or(0, |time| time.as_ptr() as u64);
    let args = [&raw const set as u64, &raw mut info as u64, time, 8];
    call(libc::SYS_rt_sigtimedwait, args)?;
    Ok(info)
}

/// Sends a signal with this information to a process.
///
/// # Errors
/// See rt_sigqueueinfo(2).
pub fn queue(pid: i32, signal: i32, info: Info) -> Result<(), Errno> {
    let args = [pid as u64, signal as u64, &raw const info as u64, 0];
    call(libc::SYS_rt_sigqueueinfo, args).map(drop)
}

/// Sends a signal with this information to a thread.
///
/// # Errors
/// See rt_tgsigqueueinfo(2).
pub fn queue_thread(pid: i32, tid: i32, signal: i32, info: Info) -> Result<(), Errno> {
    let info = &raw const info as u64;
    let args = [pid as u64, tid as u64, signal as u64, info];
    call(libc::SYS_rt_tgsigqueueinfo, args).map(drop)
}

/// Sends a signal by kill(2), whatever the numbers.
///
/// # Errors
/// See kill(2).
pub fn kill(pid: i32, signal: i32) -> Result<(), Errno> {
    call(libc::SYS_kill, [pid as u64, signal as u64, 0, 0]).map(drop)
}

/// Sends a signal to a thread, whatever the numbers.
///
/// # Errors
/// See tgkill(2).
pub fn tgkill(pid: i32, tid: i32, signal: i32) -> Result<(), Errno> {
    let args = [pid as u64, tid as u64, signal as u64, 0];
    call(libc::SYS_tgkill, args).map(drop)
}

/// Sends a signal to a thread.
///
/// # Errors
/// See tkill(2).
pub fn tkill(tid: i32, signal: i32) -> Result<(), Errno> {
    call(libc::SYS_tkill, [tid as u64, signal as u64, 0, 0]).map(drop)
}

/// Waits for a signal (pause(2)).
///
/// # Errors
/// EINTR when one came.
pub fn pause() -> Result<(), Errno> {
    call(libc::SYS_pause, [0; 4]).map(drop)
}

/// stack_t: base, flags, size.
pub type Stack = (u64, i32, u64);

/// Sets the alternate stack if one is given; returns the old one.
///
/// # Errors
/// See sigaltstack(2).
pub fn alternate(new: Option<Stack>) -> Result<Stack, Errno> {
    let to = |(base, flags, size): Stack| libc::stack_t {
        ss_sp: base as *mut c_void,
        ss_flags: flags,
        ss_size: size as usize,
    };
    let new = new.map(to);
    let new = new.as_ref().map_or(0, |new| &raw const *new as u64);
    let mut old = to((0, 0, 0));
    call(libc::SYS_sigaltstack, [new, &raw mut old as u64, 0, 0])?;
    Ok((old.ss_sp as u64, old.ss_flags, old.ss_size as u64))
}

/// What the recording handler saw.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Record {
    /// What came.
    pub info: Info,
    /// The thread that took it.
    pub tid: u64,
    /// Blocked while the handler ran.
    pub mask: u64,
    /// Blocked before, as the frame has it.
    pub saved_mask: u64,
    /// The alternate stack's flags while the handler ran.
    pub stack_flags: u64,
    /// Those that the frame has.
    pub saved_stack_flags: u64,
    /// The errno of setting the alternate stack in the handler; 0 for none.
    pub stack_errno: u64,
    /// uc_flags.
    pub context_flags: u64,
    /// Code and stack segment in the frame.
    pub segments: (u16, u16),
    /// The frame's trapno, err and cr2.
    pub fault: [u64; 3],
    /// The words at both ends of the extended FPU state.
    pub magic: [u32; 2],
}

/// Words in a record.
const WORDS: usize = 32;
/// Records that are kept.
const KEPT: usize = 32;

static LOG: [[AtomicU64; WORDS]; KEPT] = [const { [const { AtomicU64::new(0) }; WORDS] }; KEPT];
static COUNT: AtomicUsize = AtomicUsize::new(0);
/// Bits that the handler sets in the flags register that it returns to.
static WILD_FLAGS: AtomicU64 = AtomicU64::new(0);
/// Bytes that the handler skips of the code that it returns to.
static SKIP: AtomicU64 = AtomicU64::new(0);

/// What handlers recorded so far, oldest first; at most the first 32.
#[must_use]
pub fn records() -> Vec<Record> {
    let count = COUNT.load(SeqCst).min(KEPT);
    let words = LOG
        .iter()
        .take(count)
        .map(|slot| slot.each_ref().map(|w| w.load(SeqCst)));
    words.map(|w| from_words(&w)).collect()
}

/// Forgets all records.
pub fn forget() {
    COUNT.store(0, SeqCst);
}

/// The next handlers set these bits in the flags register of the interrupted program.
pub fn damage_flags(bits: u64) {
    WILD_FLAGS.store(bits, SeqCst);
}

/// The next handlers let the interrupted program go on so many bytes further.
pub fn skip(bytes: u64) {
    SKIP.store(bytes, SeqCst);
}

fn from_words(w: &[u64; WORDS]) -> Record {
    Record {
        info: Info {
            signal: w[0] as i32,
            errno: 0,
            code: (w[0] >> 32) as i32,
            gap: 0,
            pid: w[1] as i32,
            uid: (w[1] >> 32) as i32,
            value: w[2],
            rest: [0; 12],
        },
        tid: w[3],
        mask: w[4],
        saved_mask: w[5],
        stack_flags: w[6],
        saved_stack_flags: w[7],
        stack_errno: w[8],
        context_flags: w[9],
        segments: (w[10] as u16, (w[10] >> 48) as u16),
        fault: [w[11], w[12], w[13]],
        magic: [w[14] as u32, (w[14] >> 32) as u32],
    }
}

/// Words of struct ucontext: flags, the stack's, the sigcontext's.
mod word {
    pub const FLAGS: usize = 0;
    pub const STACK_FLAGS: usize = 3;
    pub const RIP: usize = 5 + 16;
    pub const EFLAGS: usize = 5 + 17;
    pub const SEGMENTS: usize = 5 + 18;
    pub const ERR: usize = 5 + 19;
    pub const TRAPNO: usize = 5 + 20;
    pub const CR2: usize = 5 + 22;
    pub const FPSTATE: usize = 5 + 23;
    pub const MASK: usize = 5 + 32;
}

extern "C" fn recorder(signal: i32, info: *const [u64; 4], context: *mut [u64; 38]) {
    // SAFETY: with SA_SIGINFO the kernel gives a valid record, which nothing else uses meanwhile.
    let info = unsafe { &*info };
    // SAFETY: as above.
    let context = unsafe { &mut *context };
    let (stack_flags, stack_errno) = match alternate(None) {
        Ok(old) => {
            let again = alternate(Some((old.0, 0, old.2)));
            let errno = again.err().map_or(0, |e| e.raw_os_error() as u64);
            (old.1 as u32, errno)
        }
        Err(errno) => (0, errno.raw_os_error() as u64),
    };
    let mut mask = 0u64;
    // A null set asks only; there is nothing to be done about an error here.
    let _ = call(libc::SYS_rt_sigprocmask, [0, 0, &raw mut mask as u64, 8]);
    let tid = call(libc::SYS_gettid, [0; 4]).unwrap_or(0);
    let words = [
        signal as u64 & 0xffff_ffff | info[1] << 32,
        info[2],
        info[3],
        tid,
        mask,
        context[word::MASK],
        u64::from(stack_flags),
        context[word::STACK_FLAGS] & 0xffff_ffff,
        stack_errno,
        context[word::FLAGS],
        context[word::SEGMENTS],
        context[word::TRAPNO],
        context[word::ERR],
        context[word::CR2],
        magic(context[word::FPSTATE]),
    ];
    if let Some(slot) = LOG.get(COUNT.load(SeqCst)) {
        for (to, from) in slot.iter().zip(words) {
            to.store(from, SeqCst);
        }
    }
    COUNT.fetch_add(1, SeqCst);
    context[word::EFLAGS] |= WILD_FLAGS.swap(0, SeqCst);
    context[word::RIP] = context[word::RIP].wrapping_add(SKIP.swap(0, SeqCst));
}

/// The two magic words around an extended FPU state (struct _fpx_sw_bytes).
fn magic(state: u64) -> u64 {
    let word = |offset: u64| {
        let at = state.wrapping_add(offset) as *const u32;
        // SAFETY: the frame has the whole FPU state, whose size its own words tell.
        u64::from(unsafe { at.read_unaligned() })
    };
    let first = word(464);
    if first != 0x4650_5853 {
        return first;
    }
    first | word(word(480)) << 32
}

/// The flags register after a signal `signal` to oneself.
///
/// # Errors
/// See kill(2).
pub fn flags_after(signal: i32) -> Result<u64, Errno> {
    kill(std::process::id() as i32, signal)?;
    let flags: u64;
    // SAFETY: pushes and pops one word.
    unsafe { core::arch::asm!("pushfq", "pop {}", out(reg) flags) };
    Ok(flags)
}

/// Faults in one of several ways, each with an instruction of two bytes.
pub fn fault(kind: Kind) {
    use core::arch::asm;
    match kind {
        // SAFETY: reads only; a fault ends the process or goes on behind it.
        Kind::Read(address) => unsafe { asm!("mov al, [rcx]", in("rcx") address, out("al") _) },
        // SAFETY: a fault ends the process or goes on behind it; what it changes is declared.
        Kind::Divide => unsafe {
            asm!("div ecx", in("ecx") 0, inout("eax") 1 => _, inout("edx") 0 => _);
        },
        // SAFETY: a fault ends the process or goes on behind it.
        Kind::Invalid => unsafe { asm!("ud2") },
        // SAFETY: as above.
        Kind::Breakpoint => unsafe { asm!("int3", "nop") },
        // SAFETY: as above.
        Kind::Privileged => unsafe { asm!("hlt", "nop") },
    }
}

/// A fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Reads a byte at an address.
    Read(u64),
    /// Divides by zero.
    Divide,
    /// What is no instruction.
    Invalid,
    /// A breakpoint; goes on behind it by itself.
    Breakpoint,
    /// An instruction for kernels.
    Privileged,
}
