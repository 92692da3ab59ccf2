//! Tasks (threads), processes, and what they share.

pub mod cred;
pub mod exec;
pub mod exit;
pub mod figures;
pub mod files;
pub mod fork;
pub mod futex;
pub mod limits;
pub mod look;
pub mod migrate;
pub mod pid;
pub mod session;
pub mod setid;
pub mod signal;
pub mod spawn;
pub mod stop;
mod table;
pub mod timer;
pub mod usage;
pub mod wait;

pub use cred::{Caps, Cred};
pub use figures::Figures;
pub use signal::{Handlers, SigInfo, Signals};

use crate::arena::{Arena, Held};
use crate::cgroup::{Charge, GroupId};
use crate::error::Errno;
use crate::fs::FileId;
use crate::key;
use crate::machine::{FpuArea, UserRegs};
use crate::mm::MmId;
use crate::wait::{Restart, Resume};
use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
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
    /// A POSIX timer.
    TimerId
}

/// A thread.
pub struct Task {
    /// The reference that its own life is; taken when it goes.
    pub token: Option<Held<TaskId>>,
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
    /// Signals that sigtimedwait(2) waits for, blocked or not.
    pub sigwait: u64,
    /// Alternate signal stack.
    pub altstack: AltStack,
    /// What the last fault was, for signal frames.
    pub fault: FaultInfo,
    /// Name in /proc, NUL-padded.
    pub comm: [u8; 16],
    /// Cleared and woken at exit (set_tid_address(2)); 0 for none.
    pub clear_child_tid: u64,
    /// The head of its list of robust futexes (set_robust_list(2)); 0 for none.
    pub robust_list: u64,
    /// The parent that waits until this vfork child lets go of the shared memory.
    pub vfork: Option<TaskId>,
    /// Sent to it when its parent ends (prctl(2), PR_SET_PDEATHSIG); 0 for none.
    pub parent_death_signal: u32,
    /// Its share of the CPU.
    pub share: crate::sched::Share,
    /// -20 to 19 (nice(2)): how much of the CPU it has beside others.
    pub nice: i8,
    /// SCHED_OTHER, SCHED_BATCH or SCHED_IDLE (sched(7)).
    pub policy: u8,
    /// Its uid changed to one that has too many tasks already: execve is refused.
    pub over_count: bool,
    /// By how many nanoseconds its timers may be late: now, and by default (PR_SET_TIMERSLACK).
    /// They never are.
    pub timer_slack: (u64, u64),
    /// What it has used.
    pub usage: usage::Usage,
    /// A child whose memory is copied in turns.
    pub draft: Option<Box<fork::Draft>>,
    /// A program whose strings are copied in turns.
    pub execve: Option<Box<exec::Draft>>,
    /// Pays for supplementary groups.
    pub groups_charge: Option<Charge>,
    /// How often its call has failed for want of memory and was made again.
    pub starved: u8,
    /// What it answers for above `memory.high`.
    pub high: crate::mm::high::High,
    /// Nanoseconds in user mode and in the kernel.
    pub times: (u64, u64),
    /// What else it has done.
    pub figures: Figures,
    /// What is due by its CPU time.
    pub alarms: timer::cpu::Alarms,
    /// The CPU time by which it wants to be woken (clock_nanosleep(2)).
    pub sleep: Option<(timer::cpu::Whose, timer::cpu::Meter, u64)>,
}

/// The alternate signal stack of a task (sigaltstack(2)).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AltStack {
    /// Its lowest address.
    pub base: u64,
    /// Its size in bytes; 0 for none.
    pub size: u64,
    /// Forgotten when a handler starts on it (SS_AUTODISARM).
    pub autodisarm: bool,
}

/// What the processor said about a fault (sigcontext's trapno, err and cr2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct FaultInfo {
    /// The vector.
    pub vector: u8,
    /// The error code.
    pub error: u64,
    /// The address, for page faults.
    pub addr: u64,
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

/// A change of state that wait(2) tells besides the end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Report {
    /// Stopped by this signal.
    Stopped(u8),
    /// Continued.
    Continued,
}

/// A process.
pub struct Process {
    /// The reference that its own life is; taken when it is reaped.
    pub token: Option<Held<ProcessId>>,
    /// Its number.
    pub pid: PidId,
    /// Its threads; the first is the leader, which stays here, dead, until the process is reaped.
    pub threads: Vec<TaskId>,
    /// Who waits for it; `None` for processes the kernel itself reaps (init, a container's init,
    /// hooks).
    pub parent: Option<ProcessId>,
    /// Which of the parent's threads made or adopted it (wait(2), __WNOTHREAD).
    pub parent_thread: Option<TaskId>,
    /// Those it waits for.
    pub children: BTreeSet<ProcessId>,
    /// Its process group.
    pub group: Held<PidId>,
    /// Its session.
    pub session: Held<PidId>,
    /// Its place at its controlling terminal.
    pub terminal: Option<crate::tty::Seat>,
    /// The process group that was in front when its terminal was hung up: told at its end.
    pub lost_group: Option<PidId>,
    /// Sent to the parent at the end; 0 for none.
    pub exit_signal: u32,
    /// Signals for whoever of its threads takes them.
    pub pending: Signals,
    /// How it ends, from the moment its last thread has gone.
    pub ending: Option<Ended>,
    /// How it ended, once it has (and, for an init, all of its namespace has).
    pub ended: Option<Ended>,
    /// The signal that stops all of its threads.
    pub stop: Option<u8>,
    /// All of its threads have stopped.
    pub stopped: bool,
    /// What wait(2) has yet to tell.
    pub report: Option<Report>,
    /// An init that no signal with default action ends from inside (pid_namespaces(7)).
    pub unkillable: bool,
    /// Adopts orphans below it (PR_SET_CHILD_SUBREAPER).
    pub subreaper: bool,
    /// PR_SET_DUMPABLE: 0, 1 or 2.
    pub dumpable: u8,
    /// Its interval timers (setitimer(2)): ITIMER_REAL, ITIMER_VIRTUAL, ITIMER_PROF.
    pub itimers: [timer::interval::Interval; 3],
    /// Its POSIX timers (timer_create(2)), by number.
    pub timers: BTreeMap<i32, Held<TimerId>>,
    /// The number of its next POSIX timer.
    pub next_timer: i32,
    /// What is due by its CPU time.
    pub alarms: timer::cpu::Alarms,
    /// PR_SET_THP_DISABLE: kept; there are no huge pages to leave out.
    pub thp_disabled: bool,
    /// What its ended threads and former programs have used, and waited-for children.
    pub usage: usage::Usage,
    /// Of waited-for children.
    pub child_usage: usage::Usage,
    /// Resource limits (getrlimit(2)): soft, hard.
    pub limits: limits::Limits,
    /// The pid namespace it is the init of.
    pub init_of: Option<crate::ns::PidNsId>,
    /// The container it is the init of: told when it ends.
    pub container: Option<crate::container::ContainerId>,
    /// The hook job everything it starts belongs to.
    pub hook: Option<u64>,
    /// Registered for memory barriers of its own (membarrier(2)).
    pub has_barrier: bool,
    /// Ran execve since fork (setpgid(2)).
    pub has_executed: bool,
    /// CPU times of all its threads, those that have ended included: user, system.
    pub times: (u64, u64),
    /// And of its waited-for children.
    pub child_times: (u64, u64),
    /// What all its threads have done, those that have ended included.
    pub figures: Figures,
    /// Monotonic nanoseconds at its start.
    pub started: u64,
    /// The file it runs (for /proc/PID/exe).
    pub exe: Option<crate::fs::HeldPos>,
    /// And the path by which it was found.
    pub exe_path: Vec<u8>,
    /// Whether it goes early or late when memory runs out.
    pub oom: Oom,
    /// Who logged in above it; `None` for nobody.
    pub login: Option<Login>,
}

/// How a process is set apart when memory runs out (proc(5), oom_score_adj).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Oom {
    /// Thousandths of all memory that it counts as having more; -1000 spares it.
    pub adjustment: i16,
    /// Who is not privileged cannot set less.
    pub floor: i16,
    /// The group that it was killed for.
    pub killed_for: Option<GroupId>,
}

/// A login (proc(5), loginuid and sessionid).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Login {
    /// The user.
    pub uid: u32,
    /// The number of the login.
    pub session: u32,
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
    /// No number below this is free.
    pub lowest: usize,
    /// What the table's growth was charged to.
    pub charges: Vec<crate::cgroup::Charge>,
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
    /// The innermost of the namespaces, which keeps the others.
    pub ns: Held<crate::ns::PidNsId>,
    /// Namespace and number.
    pub numbers: Vec<(crate::ns::PidNsId, u32)>,
    /// The task that has this number, while it exists.
    pub task: Option<TaskId>,
    /// The process that has this number, while it exists.
    pub process: Option<ProcessId>,
    /// The processes of the group with this number.
    pub members: BTreeSet<ProcessId>,
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
    /// Signal handlers.
    pub handlers: Arena<HandlersId, Handlers>,
    /// How many tasks each real uid has (RLIMIT_NPROC).
    pub users: BTreeMap<u32, u64>,
    /// How many real-time signals and timers each real uid has (RLIMIT_SIGPENDING).
    pub queued: BTreeMap<u32, u64>,
    /// POSIX timers.
    pub timers: Arena<TimerId, timer::posix::Timer>,
    /// When timers of the monotonic clock go off.
    pub alarms: BTreeSet<(u64, timer::Alarm)>,
    /// The last number given to a login.
    logins: u32,
    /// How many tasks there have been.
    pub made: u64,
}

impl Tasks {
    /// A thread.
    ///
    /// # Errors
    /// ESRCH when there is none.
    pub fn task(&self, id: TaskId) -> Result<&Task, Errno> {
        self.tasks.get(id).ok_or(Errno::ESRCH)
    }

    /// A thread, to change.
    ///
    /// # Errors
    /// As [`Tasks::task`].
    pub fn task_mut(&mut self, id: TaskId) -> Result<&mut Task, Errno> {
        self.tasks.get_mut(id).ok_or(Errno::ESRCH)
    }

    /// The process of a thread: its key and itself.
    ///
    /// # Errors
    /// As [`Tasks::task`].
    pub fn process_of(&self, id: TaskId) -> Result<(ProcessId, &Process), Errno> {
        let key = self.task(id)?.process;
        Ok((key, self.processes.get(key).ok_or(Errno::ESRCH)?))
    }

    /// The process of a thread, to change.
    ///
    /// # Errors
    /// As [`Tasks::task`].
    pub fn process_of_mut(&mut self, id: TaskId) -> Result<&mut Process, Errno> {
        let key = self.task(id)?.process;
        self.processes.get_mut(key).ok_or(Errno::ESRCH)
    }

    /// The threads of a process that have not ended, the leader first.
    pub fn live_threads(&self, process: ProcessId) -> impl Iterator<Item = TaskId> + '_ {
        let process = self.processes.get(process);
        let threads = process.into_iter().flat_map(|p| p.threads.iter().copied());
        threads.filter(|t| self.is_alive(*t))
    }

    /// Whether a task exists and has not ended.
    pub fn is_alive(&self, task: TaskId) -> bool {
        (self.tasks.get(task)).is_some_and(|t| t.state != RunState::Dead)
    }

    /// The first thread of a process, dead or alive.
    pub fn leader(&self, process: ProcessId) -> Option<TaskId> {
        self.processes.get(process)?.threads.first().copied()
    }

    /// Who pays for a process.
    pub fn group_of(&self, process: ProcessId) -> Option<GroupId> {
        let leader = self.tasks.get(self.leader(process)?)?;
        Some(leader.group.key())
    }

    /// A login of this user, with a number that it shares with no other.
    pub fn new_login(&mut self, uid: u32) -> Login {
        self.logins = self.logins.wrapping_add(1);
        Login {
            uid,
            session: self.logins,
        }
    }

    /// Counts a task of a user in or out.
    pub fn count_user(&mut self, uid: u32, more: bool) {
        count(&mut self.users, uid, more);
    }

    /// Counts a queued signal or a timer of a user in or out.
    pub fn count_signal(&mut self, uid: u32, more: bool) {
        count(&mut self.queued, uid, more);
    }

    /// How many queued signals and timers a user has.
    pub fn signals_of(&self, uid: u32) -> u64 {
        self.queued.get(&uid).copied().unwrap_or(0)
    }
}

/// Counts one more or one less of a user; who has none is not in the map.
fn count(users: &mut BTreeMap<u32, u64>, uid: u32, more: bool) {
    let count = users.entry(uid).or_default();
    *count = if more {
        count.saturating_add(1)
    } else {
        count.saturating_sub(1)
    };
    if *count == 0 {
        users.remove(&uid);
    }
}
