//! New processes and threads, waiting for them, and robust futexes, as the kernel has them.

use core::ffi::c_int;
use core::sync::atomic::AtomicU32;

use rustix::fd::{AsRawFd, BorrowedFd};
use rustix::io::Errno;

use crate::memory::Region;
use crate::raw::last_errno;
use crate::signals::Info;

fn call(number: i64, args: [u64; 5]) -> Result<u64, Errno> {
    let ([a, b, c, d, e], f) = (args, 0u64);
    // SAFETY: this module passes addresses of its own records of the right size only, addresses of
    // regions, or numbers; a new process gets a copy of all memory.
    match unsafe { libc::syscall(number, a, b, c, d, e, f) } {
        -1 => Err(last_errno()),
        value => Ok(value as u64),
    }
}

/// clone(2) for a process of its own memory, or with flags that do not go together. 0 is the child.
///
/// # Errors
/// See clone(2).
pub fn clone(flags: u64) -> Result<i32, Errno> {
    Ok(call(libc::SYS_clone, [flags, 0, 0, 0, 0])? as i32)
}

/// struct clone_args.
#[derive(Debug, Clone, Copy, Default)]
#[repr(C)]
pub struct Args {
    /// CLONE_* flags.
    pub flags: u64,
    /// For CLONE_PIDFD.
    pub pidfd: u64,
    /// For CLONE_CHILD_SETTID and CLONE_CHILD_CLEARTID.
    pub child_tid: u64,
    /// For CLONE_PARENT_SETTID.
    pub parent_tid: u64,
    /// Sent to the parent at the end.
    pub exit_signal: u64,
    /// The lowest address of the stack.
    pub stack: u64,
    /// Its size.
    pub stack_size: u64,
    /// For CLONE_SETTLS.
    pub tls: u64,
    /// Numbers that the child shall have.
    pub set_tid: u64,
    /// How many.
    pub set_tid_size: u64,
    /// For CLONE_INTO_CGROUP.
    pub cgroup: u64,
    /// What no kernel knows yet.
    pub more: u64,
}

/// clone3(2) for a process of its own memory, or with what does not go together. 0 is the child.
///
/// # Errors
/// See clone3(2).
pub fn clone3(args: &Args, size: usize) -> Result<i32, Errno> {
    assert!(size <= size_of::<Args>(), "no more than there is");
    let size = size as u64;
    Ok(call(libc::SYS_clone3, [&raw const *args as u64, size, 0, 0, 0])? as i32)
}

/// clone3(2) with a number that the child shall have. 0 is the child.
///
/// # Errors
/// See clone3(2).
pub fn clone_as(number: i32) -> Result<i32, Errno> {
    let args = Args {
        exit_signal: libc::SIGCHLD as u64,
        set_tid: &raw const number as u64,
        set_tid_size: 1,
        ..Args::default()
    };
    clone3(&args, 88)
}

/// What wait4(2) tells: number, status, and user and system time in microseconds.
pub type Waited = (i32, i32, [i64; 2]);

/// Waits for a child, whatever the options.
///
/// # Errors
/// See wait4(2).
pub fn wait4(pid: i32, options: i32) -> Result<Waited, Errno> {
    let mut status: c_int = 0;
    let mut usage = [0i64; 18];
    let (to, usage_to) = (&raw mut status as u64, usage.as_mut_ptr() as u64);
    let args = [pid as u64, to, options as u64, usage_to, 0];
    let pid = call(libc::SYS_wait4, args)?;
    let micros = |at: usize| {
        usage[at]
            .wrapping_mul(1_000_000)
            .wrapping_add(usage[at + 1])
    };
    Ok((pid as i32, status, [micros(0), micros(2)]))
}

/// Waits for a child, whatever the options; an empty record with WNOHANG when there is nothing.
///
/// # Errors
/// See waitid(2).
pub fn waitid(kind: i32, id: i32, options: i32) -> Result<Info, Errno> {
    let mut info = Info::default();
    let args = [
        kind as u64,
        id as u64,
        &raw mut info as u64,
        options as u64,
        0,
    ];
    call(libc::SYS_waitid, args)?;
    Ok(info)
}

/// The word at an offset of shared or private pages.
///
/// # Panics
/// When it is not aligned or outside.
#[must_use]
pub fn word(region: &Region, offset: usize) -> &AtomicU32 {
    assert!(
        offset % 4 == 0 && offset < region.pages() * crate::memory::PAGE,
        "a word of the region"
    );
    let at = region.address(offset) as *const AtomicU32;
    // SAFETY: the region lives as long as the reference and is used by atomics alone.
    unsafe { &*at }
}

/// futex(2) with any arguments: the word's address may be anything.
///
/// # Errors
/// See futex(2).
pub fn futex(address: u64, op: i32, value: u32, timeout: Option<[i64; 2]>) -> Result<u64, Errno> {
    let timeout = timeout.as_ref().map_or(0, |time| time.as_ptr() as u64);
    let args = [address, op as u64, u64::from(value), timeout, 0];
    call(libc::SYS_futex, args)
}

/// Makes the first words of a region this thread's list of robust futexes: a head at offset 0
/// with one lock on the list, the word at `offset`, or with it only about to be locked.
///
/// # Errors
/// See set_robust_list(2).
pub fn robust_list(region: &'static Region, offset: usize, pending: bool) -> Result<(), Errno> {
    let node = offset - 8;
    let head = [
        // The list: the node, which leads back to the head; or nothing.
        region.address(if pending { 0 } else { node }),
        8,
        if pending { region.address(node) } else { 0 },
    ];
    write_words(region, 0, &head);
    write_words(region, node, &[region.address(0)]);
    call(libc::SYS_set_robust_list, [region.address(0), 24, 0, 0, 0]).map(drop)
}

/// Makes a region this thread's list of `count` robust futexes: a head at offset 0, then the words
/// at the multiples of `step`, each with its node 8 bytes before it.
///
/// # Errors
/// See set_robust_list(2).
pub fn robust_chain(region: &'static Region, count: usize, step: usize) -> Result<(), Errno> {
    let node = |n: usize| region.address(n * step - 8);
    write_words(region, 0, &[node(1), 8, 0]);
    for n in 1..=count {
        let next = match n < count {
            true => node(n + 1),
            false => region.address(0),
        };
        write_words(region, n * step - 8, &[next]);
    }
    call(libc::SYS_set_robust_list, [region.address(0), 24, 0, 0, 0]).map(drop)
}

fn write_words(region: &Region, offset: usize, words: &[u64]) {
    let bytes = words.iter().flat_map(|word| word.to_le_bytes());
    for (at, byte) in bytes.enumerate() {
        region.write(offset + at, byte);
    }
}

/// The head of a thread's list of robust futexes and its size, as the kernel knows them.
///
/// # Errors
/// See get_robust_list(2).
pub fn get_robust_list(tid: i32) -> Result<(u64, u64), Errno> {
    let (mut head, mut size) = (0u64, 0u64);
    let args = [tid as u64, &raw mut head as u64, &raw mut size as u64, 0, 0];
    call(libc::SYS_get_robust_list, args)?;
    Ok((head, size))
}

/// Whether others than the caller end with it: exit(2) of this thread alone.
pub fn exit_thread(code: i32) -> ! {
    loop {
        // SAFETY: ends this thread; nothing of it is used afterwards.
        unsafe { libc::syscall(libc::SYS_exit, code) };
    }
}

/// What sched_setscheduler(2) says to a policy and a priority.
///
/// # Errors
/// See sched_setscheduler(2).
pub fn set_policy(pid: i32, policy: i32, priority: i32) -> Result<(), Errno> {
    let args = [pid as u64, policy as u64, &raw const priority as u64, 0, 0];
    call(libc::SYS_sched_setscheduler, args).map(drop)
}

/// The scheduling policy of a process.
///
/// # Errors
/// See sched_getscheduler(2).
pub fn policy(pid: i32) -> Result<u64, Errno> {
    call(libc::SYS_sched_getscheduler, [pid as u64, 0, 0, 0, 0])
}

/// membarrier(2).
///
/// # Errors
/// See membarrier(2).
pub fn barrier(command: i32, flags: u32) -> Result<u64, Errno> {
    call(
        libc::SYS_membarrier,
        [command as u64, u64::from(flags), 0, 0, 0],
    )
}

/// Makes this process adopt orphans below it (or no more).
///
/// # Errors
/// See prctl(2), PR_SET_CHILD_SUBREAPER.
pub fn set_subreaper(on: bool) -> Result<(), Errno> {
    call(libc::SYS_prctl, [36, u64::from(on), 0, 0, 0]).map(drop)
}

/// vfork(2) of a child that yields often, sets `word` and exits with `code`; returns its number.
///
/// # Errors
/// See vfork(2).
pub fn vfork_to_set(word: &AtomicU32, code: u8) -> Result<i32, Errno> {
    let result: i64;
    // SAFETY: the child uses the parent's memory: it touches `word` only, and neither stack nor
    // registers that the parent relies on.
    unsafe {
        core::arch::asm!(
            "mov eax, 58",
            "syscall",
            "test rax, rax",
            "jnz 3f",
            "mov r10d, 20",
            "2:",
            "mov eax, 24",
            "syscall",
            "dec r10d",
            "jnz 2b",
            "mov dword ptr [rsi], 1",
            "mov eax, 60",
            "syscall",
            "3:",
            out("rax") result,
            in("rsi") word.as_ptr(),
            in("rdi") u64::from(code),
            out("r10") _, out("rcx") _, out("r11") _,
        );
    }
    if result < 0 {
        return Err(Errno::from_raw_os_error(-result as i32));
    }
    Ok(result as i32)
}

/// Runs a program in place of this one, with these arguments and no environment.
#[must_use]
pub fn exec(program: &str, words: &[&str]) -> Errno {
    exec_by(program, words, |path, words, none| {
        call(libc::SYS_execve, [path, words, none, 0, 0])
    })
}

/// As [`exec`], by execveat(2): the program is found from `at`.
#[must_use]
pub fn exec_at(at: BorrowedFd<'_>, program: &str, words: &[&str], flags: u64) -> Errno {
    let at = at.as_raw_fd() as u64;
    exec_by(program, words, |path, words, none| {
        call(libc::SYS_execveat, [at, path, words, none, flags])
    })
}

fn exec_by(
    program: &str,
    words: &[&str],
    make: impl FnOnce(u64, u64, u64) -> Result<u64, Errno>,
) -> Errno {
    let text = |word: &str| format!("{word}\0").into_bytes();
    let program = text(program);
    let words: Vec<Vec<u8>> = words.iter().map(|word| text(word)).collect();
    let mut list: Vec<u64> = words.iter().map(|word| word.as_ptr() as u64).collect();
    list.push(0);
    let environment = 0u64;
    let made = make(
        program.as_ptr() as u64,
        list.as_ptr() as u64,
        &raw const environment as u64,
    );
    made.err().unwrap_or(Errno::IO)
}
