//! Tasks (threads), processes, and what they share.

pub mod signal;

use crate::arena::{Arena, Held};
use crate::cgroup::GroupId;
use crate::fs::FileId;
use crate::key;
use crate::machine::{FpuArea, UserRegs};
use crate::mm::MmId;
use crate::wait::{Restart, Resume};
use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;

key! {
    /// A thread.
    TaskId
    /// A process: its threads, its children, its end.
    ProcessId
    /// A process number in every pid namespace it is visible in; also names process groups and
    /// sessions and lives as long as one of these uses it.
    PidId
    /// A table of descriptors.
    FilesId
    /// Root, working directory, umask.
    FsContextId
    /// Signal handlers.
    HandlersId
}

/// A thread.
pub struct Task {
    /// Its process.
    pub process: ProcessId,
    /// Its number (tid); the first thread's is the process's.
    pub pid: Held<PidId>,
    /// Saved registers; those of the running task are current only while the kernel runs.
    pub regs: UserRegs,
    /// Saved FPU state, current when the task does not run.
    pub fpu: Box<FpuArea>,
    /// Its memory; `None` for a container's first task before start, and after exit.
    pub mm: Option<Held<MmId>>,
    /// Its descriptors; `None` after exit.
    pub files: Option<Held<FilesId>>,
    /// Its root and working directory; `None` after exit.
    pub fs: Option<Held<FsContextId>>,
    /// Its signal handlers.
    pub handlers: Option<Held<HandlersId>>,
    /// Who it is.
    pub cred: Cred,
    /// Its namespaces; `None` after exit.
    pub ns: Option<crate::ns::NsSet>,
    /// Who pays for it.
    pub group: Held<GroupId>,
    /// What it does.
    pub state: RunState,
    /// The call it is parked in.
    pub call: Option<ParkedCall>,
    /// Blocked signals.
    pub mask: u64,
    /// Signals for this thread alone.
    pub pending: Signals,
    /// Alternate signal stack (sigaltstack(2)): base, size; size 0 for none.
    pub altstack: (u64, u64),
    /// Name in /proc, NUL-padded.
    pub comm: [u8; 16],
    /// Cleared and woken at exit (set_tid_address(2)); 0 for none.
    pub clear_child_tid: u64,
    /// Nanoseconds in user mode and in the kernel.
    pub times: (u64, u64),
}

/// What a task does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RunState {
    /// A container's first task before start: complete, but without an image.
    Embryo,
    /// On the run queue, or running.
    Runnable,
    /// Parked in a call.
    Parked,
    /// Stopped by a signal.
    Stopped,
    /// Ended; kept until its process is waited for.
    Dead,
}

/// The call a task is parked in: made again, with `resume`, when it is woken.
#[derive(Clone, Copy, Debug)]
pub struct ParkedCall {
    /// Its number.
    pub number: u64,
    /// Its arguments.
    pub args: [u64; 6],
    /// What its handler remembers; `None` makes it as if for the first time.
    pub resume: Option<Resume>,
    /// What a signal does to it.
    pub restart: Restart,
}

/// Credentials (credentials(7)); ids are those of the initial user namespace.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct Cred {
    pub uid: u32,
    pub euid: u32,
    pub suid: u32,
    pub fsuid: u32,
    pub gid: u32,
    pub egid: u32,
    pub sgid: u32,
    pub fsgid: u32,
    pub groups: Vec<u32>,
    /// Capability sets (capabilities(7)).
    pub caps: Caps,
    pub no_new_privs: bool,
}

/// The five capability sets, a bit for each capability.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct Caps {
    pub effective: u64,
    pub permitted: u64,
    pub inheritable: u64,
    pub bounding: u64,
    pub ambient: u64,
}

/// Signals that wait to be delivered. (Queued real-time signals come with their own table.)
#[derive(Clone, Debug, Default)]
pub struct Signals {
    /// A bit for each: bit 0 is signal 1.
    pub set: u64,
    /// What is known of each pending signal: (signal, code, sender's pid, sender's uid, status
    /// or address).
    pub info: Vec<SigInfo>,
}

/// Where a signal comes from (sigaction(2), siginfo_t).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct SigInfo {
    pub signal: u32,
    pub code: i32,
    pub pid: u32,
    pub uid: u32,
    /// si_status for SIGCHLD, si_value for queued signals.
    pub value: u64,
    /// si_addr for faults.
    pub addr: u64,
}

/// How a process ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// With this code (0 to 255).
    Code(u8),
    /// By this signal.
    Signal(u8),
}

impl Ended {
    /// The status word of wait(2).
    pub fn wait_status(self) -> u32 {
        match self {
            Ended::Code(code) => u32::from(code) << 8,
            Ended::Signal(signal) => u32::from(signal),
        }
    }
}

/// A process.
pub struct Process {
    /// Its number.
    pub pid: PidId,
    /// Its threads; the first is the leader. Empty when all have ended.
    pub threads: Vec<TaskId>,
    /// Who waits for it; `None` for processes the kernel itself reaps (init, a container's init,
    /// hooks).
    pub parent: Option<ProcessId>,
    /// Those it waits for.
    pub children: BTreeSet<ProcessId>,
    /// Its process group.
    pub group: Held<PidId>,
    /// Its session.
    pub session: Held<PidId>,
    /// Sent to the parent at the end; 0 for none.
    pub exit_signal: u32,
    /// Signals for whoever of its threads takes them.
    pub pending: Signals,
    /// How it ended, once it has.
    pub ended: Option<Ended>,
    /// Resource limits (getrlimit(2)): soft, hard.
    pub limits: [(u64, u64); 16],
    /// The pid namespace it is the init of.
    pub init_of: Option<crate::ns::PidNsId>,
    /// The container it is the init of: told when it ends.
    pub container: Option<crate::container::ContainerId>,
    /// The hook job everything it starts belongs to.
    pub hook: Option<u64>,
    /// Ran execve since fork (setpgid(2)).
    pub has_executed: bool,
    /// CPU times of its ended threads, and of its waited-for children: user, system.
    pub times: (u64, u64),
    /// Of waited-for children.
    pub child_times: (u64, u64),
    /// Monotonic nanoseconds at its start.
    pub started: u64,
    /// The file it runs (for /proc/PID/exe).
    pub exe: Option<crate::fs::HeldPos>,
    /// And the path by which it was found.
    pub exe_path: Vec<u8>,
}

/// A descriptor.
#[derive(Debug)]
pub struct Descriptor {
    /// The open file.
    pub file: Held<FileId>,
    /// Closed by execve.
    pub cloexec: bool,
}

/// A table of descriptors.
#[derive(Default)]
pub struct Files {
    /// By number.
    pub table: Vec<Option<Descriptor>>,
}

/// Root, working directory and umask.
pub struct FsContext {
    /// Its root directory.
    pub root: crate::fs::HeldPos,
    /// Its working directory.
    pub cwd: crate::fs::HeldPos,
    /// Permission bits not given to new files.
    pub umask: u32,
}

/// A process number in each namespace that sees it, the outermost first.
pub struct Pid {
    /// Namespace and number.
    pub numbers: Vec<(crate::ns::PidNsId, u32)>,
    /// The task that has this number, while it exists.
    pub task: Option<TaskId>,
    /// The process that has this number, while it exists.
    pub process: Option<ProcessId>,
}

/// All tasks and what they share.
#[derive(Default)]
pub struct Tasks {
    /// Threads.
    pub tasks: Arena<TaskId, Task>,
    /// Processes.
    pub processes: Arena<ProcessId, Process>,
    /// Numbers.
    pub pids: Arena<PidId, Pid>,
    /// Descriptor tables.
    pub files: Arena<FilesId, Files>,
    /// Roots and working directories.
    pub contexts: Arena<FsContextId, FsContext>,
}
