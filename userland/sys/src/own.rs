//! Calls about who this process is and what it may use, as they are: libraries change the numbers,
//! and make some of these calls in every thread.

use libc::c_long;
use rustix::io::Errno;

use crate::raw::last_errno;

/// Calls that take numbers and change this process only.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // the names are the calls'
pub enum Numbers {
    Setuid = libc::SYS_setuid as isize,
    Setgid = libc::SYS_setgid as isize,
    Setreuid = libc::SYS_setreuid as isize,
    Setregid = libc::SYS_setregid as isize,
    Setresuid = libc::SYS_setresuid as isize,
    Setresgid = libc::SYS_setresgid as isize,
    Setfsuid = libc::SYS_setfsuid as isize,
    Setfsgid = libc::SYS_setfsgid as isize,
    Getuid = libc::SYS_getuid as isize,
    Geteuid = libc::SYS_geteuid as isize,
    Getgid = libc::SYS_getgid as isize,
    Getegid = libc::SYS_getegid as isize,
    Getpriority = libc::SYS_getpriority as isize,
    Setpriority = libc::SYS_setpriority as isize,
    IoprioGet = libc::SYS_ioprio_get as isize,
    IoprioSet = libc::SYS_ioprio_set as isize,
    Personality = libc::SYS_personality as isize,
    Mlockall = libc::SYS_mlockall as isize,
    Munlockall = libc::SYS_munlockall as isize,
    Dup2 = libc::SYS_dup2 as isize,
    Dup3 = libc::SYS_dup3 as isize,
    CloseRange = libc::SYS_close_range as isize,
    EpollCreate = libc::SYS_epoll_create as isize,
    Eventfd = libc::SYS_eventfd as isize,
    Getpgrp = libc::SYS_getpgrp as isize,
    SchedYield = libc::SYS_sched_yield as isize,
    SchedGetPriorityMax = libc::SYS_sched_get_priority_max as isize,
    SchedGetPriorityMin = libc::SYS_sched_get_priority_min as isize,
    RestartSyscall = libc::SYS_restart_syscall as isize,
    Setns = libc::SYS_setns as isize,
    /// syslog(2) without a buffer.
    Syslog = libc::SYS_syslog as isize,
}

/// Makes a call with numbers.
///
/// # Errors
/// The kernel's.
pub fn numbers(call: Numbers, args: &[i64]) -> Result<u64, Errno> {
    let arg = |index: usize| args.get(index).copied().unwrap_or(0);
    // SAFETY: these calls read and write no memory.
    result(unsafe { libc::syscall(call as c_long, arg(0), arg(1), arg(2)) })
}

fn result(raw: c_long) -> Result<u64, Errno> {
    u64::try_from(raw).map_err(|_| last_errno())
}

/// Options of prctl(2) that write through their first argument.
const WRITING: [u64; 7] = [2, 9, 16, 19, 25, 37, 40];
/// Options that change how this process runs, or read through an argument.
const OTHERS: [u64; 6] = [15, 22, 26, 35, 59, 0x5356_4d41];

/// prctl(2) with numbers.
///
/// # Errors
/// The kernel's.
pub fn prctl(option: u64, args: [u64; 4]) -> Result<u64, Errno> {
    let address = args.iter().any(|arg| *arg > 4096 && *arg < 1 << 47);
    assert!(!(WRITING.contains(&option) || OTHERS.contains(&option)) || !address);
    let [a, b, c, d] = args;
    // SAFETY: no address of this process is among the arguments of options that use one.
    result(unsafe { libc::syscall(libc::SYS_prctl, option, a, b, c, d) })
}

/// prctl(2) with an option that writes a number of up to eight bytes.
///
/// # Errors
/// The kernel's.
pub fn prctl_tells(option: u64) -> Result<u64, Errno> {
    assert!(WRITING.contains(&option) && option != 16);
    let mut room = 0u64;
    // SAFETY: these options write at most eight bytes, to `room`.
    result(unsafe { libc::syscall(libc::SYS_prctl, option, &raw mut room, 0, 0, 0) })?;
    Ok(room)
}

/// PR_SET_NAME, then PR_GET_NAME.
///
/// # Errors
/// The kernel's.
pub fn rename(name: &std::ffi::CStr) -> Result<[u8; 16], Errno> {
    let mut room = [0xffu8; 16];
    // SAFETY: a string is read up to its NUL.
    result(unsafe { libc::syscall(libc::SYS_prctl, 15, name.as_ptr(), 0, 0, 0) })?;
    // SAFETY: 16 bytes are written.
    result(unsafe { libc::syscall(libc::SYS_prctl, 16, room.as_mut_ptr(), 0, 0, 0) })?;
    Ok(room)
}

/// getresuid(2) or getresgid(2): real, effective, saved.
///
/// # Errors
/// The kernel's.
pub fn three_ids(of_groups: bool) -> Result<[u32; 3], Errno> {
    let call = if of_groups {
        libc::SYS_getresgid
    } else {
        libc::SYS_getresuid
    };
    let mut ids = [0u32; 3];
    let [a, b, c] = &mut ids;
    // SAFETY: each address is that of a word of its own.
    result(unsafe { libc::syscall(call, a as *mut u32, b as *mut u32, c as *mut u32) })?;
    Ok(ids)
}

/// setgroups(2) with a count of its own.
///
/// # Errors
/// The kernel's.
pub fn set_groups(groups: &[u32], count: usize) -> Result<(), Errno> {
    assert!(count <= groups.len() || count > 65_536);
    // SAFETY: `count` words are read, or none when there are too many.
    result(unsafe { libc::syscall(libc::SYS_setgroups, count, groups.as_ptr()) })?;
    Ok(())
}

/// getgroups(2) with so much room.
///
/// # Errors
/// The kernel's.
pub fn get_groups(room: usize) -> Result<Vec<u32>, Errno> {
    let mut groups = vec![0u32; room];
    // SAFETY: at most `room` words are written.
    let count = result(unsafe { libc::syscall(libc::SYS_getgroups, room, groups.as_mut_ptr()) })?;
    groups.truncate(usize::try_from(count).unwrap_or(0).min(room));
    Ok(groups)
}

/// The versions of the capability calls.
pub const CAP_VERSIONS: [u32; 3] = [0x1998_0330, 0x2007_1026, 0x2008_0522];

/// The effective, permitted and inheritable set.
pub type CapSets = [u64; 3];

/// capget(2).
///
/// # Errors
/// The kernel's.
pub fn capget(version: u32, pid: i32) -> Result<CapSets, Errno> {
    let mut header = [version, pid as u32];
    let mut data = [0u32; 6];
    // SAFETY: two words are read and written, six are written at most.
    result(unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), data.as_mut_ptr()) })?;
    let [el, pl, il, eh, ph, ih] = data;
    let set = |low: u32, high: u32| u64::from(low) | u64::from(high) << 32;
    Ok([set(el, eh), set(pl, ph), set(il, ih)])
}

/// The version that capget(2) prefers to an unknown one.
///
/// # Errors
/// The kernel's; there should be none.
pub fn preferred_cap_version() -> Result<u32, Errno> {
    let mut header = [0u32, 0];
    let none = std::ptr::null_mut::<u32>();
    // SAFETY: two words are read and written.
    result(unsafe { libc::syscall(libc::SYS_capget, header.as_mut_ptr(), none) })?;
    let [version, _] = header;
    Ok(version)
}

/// capset(2).
///
/// # Errors
/// The kernel's.
pub fn capset(version: u32, pid: i32, [e, p, i]: CapSets) -> Result<(), Errno> {
    let mut header = [version, pid as u32];
    let (low, high) = (|set: u64| set as u32, |set: u64| (set >> 32) as u32);
    let data = [low(e), low(p), low(i), high(e), high(p), high(i)];
    // SAFETY: two words are read and written, six are read at most.
    result(unsafe { libc::syscall(libc::SYS_capset, header.as_mut_ptr(), data.as_ptr()) })?;
    Ok(())
}

/// prlimit64(2): sets soft and hard limit, if given, and tells the old ones.
///
/// # Errors
/// The kernel's.
pub fn prlimit(pid: i32, resource: u32, new: Option<[u64; 2]>) -> Result<[u64; 2], Errno> {
    let mut old = [0u64; 2];
    let set = new.as_ref().map_or(std::ptr::null(), |new| new.as_ptr());
    // SAFETY: two words are read, if there are any, and two are written.
    result(unsafe { libc::syscall(libc::SYS_prlimit64, pid, resource, set, old.as_mut_ptr()) })?;
    Ok(old)
}

/// getrlimit(2), the call of that number.
///
/// # Errors
/// The kernel's.
pub fn getrlimit(resource: u32) -> Result<[u64; 2], Errno> {
    let mut limit = [0u64; 2];
    // SAFETY: two words are written.
    result(unsafe { libc::syscall(libc::SYS_getrlimit, resource, limit.as_mut_ptr()) })?;
    Ok(limit)
}

/// setrlimit(2), the call of that number.
///
/// # Errors
/// The kernel's.
pub fn setrlimit(resource: u32, limit: [u64; 2]) -> Result<(), Errno> {
    // SAFETY: two words are read.
    result(unsafe { libc::syscall(libc::SYS_setrlimit, resource, limit.as_ptr()) })?;
    Ok(())
}

/// getrusage(2): the words of struct rusage.
///
/// # Errors
/// The kernel's.
pub fn getrusage(who: i32) -> Result<[u64; 18], Errno> {
    let mut words = [0u64; 18];
    // SAFETY: struct rusage has 18 words.
    result(unsafe { libc::syscall(libc::SYS_getrusage, who, words.as_mut_ptr()) })?;
    Ok(words)
}

/// Whether this program runs with other rights than its caller's (AT_SECURE).
#[must_use]
pub fn is_secure() -> bool {
    // SAFETY: looks a number up.
    unsafe { libc::getauxval(libc::AT_SECURE) != 0 }
}

/// execve(2) of a program without arguments: why it failed.
#[must_use]
pub fn execute(path: &std::ffi::CStr) -> Errno {
    let none = [std::ptr::null::<libc::c_char>()];
    // SAFETY: a path, and vectors that end at once.
    unsafe { libc::execve(path.as_ptr(), none.as_ptr(), none.as_ptr()) };
    last_errno()
}

/// Calls that reach into another process, or around the file tree, or at the machine; none of them
/// is given an address.
const REACHING: [(&str, c_long); 12] = [
    ("ptrace", libc::SYS_ptrace),
    ("pidfd_open", libc::SYS_pidfd_open),
    ("pidfd_send_signal", libc::SYS_pidfd_send_signal),
    ("kcmp", libc::SYS_kcmp),
    ("open_by_handle_at", libc::SYS_open_by_handle_at),
    ("init_module", libc::SYS_init_module),
    ("kexec_load", libc::SYS_kexec_load),
    ("bpf", libc::SYS_bpf),
    ("perf_event_open", libc::SYS_perf_event_open),
    ("iopl", libc::SYS_iopl),
    ("ioperm", libc::SYS_ioperm),
    ("add_key", libc::SYS_add_key),
];

/// Makes calls that reach out, at the process `pid` where they want one.
pub fn reach_out(pid: i32) -> impl Iterator<Item = (&'static str, Result<u64, Errno>)> {
    REACHING.into_iter().map(move |(name, call)| {
        let args = match call {
            libc::SYS_ptrace => [i64::from(libc::PTRACE_ATTACH), i64::from(pid)],
            libc::SYS_iopl => [3, 0],
            libc::SYS_ioperm => [0x3f8, 8],
            _ => [i64::from(pid), 0],
        };
        // SAFETY: no argument is an address.
        let raw = unsafe { libc::syscall(call, args[0], args[1], 0_i64, 0_i64, 0_i64, 0_i64) };
        (name, result(raw))
    })
}
