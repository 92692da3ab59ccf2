//! Berth's private system calls: numbers, records, flags.
//!
//! Ordinary calls have Linux's numbers and structures ([`linux`]); the container calls are a range
//! of their own from [`FIRST`]. They need CAP_SYS_ADMIN in the initial user, pid and mount
//! namespaces and are ENOSYS elsewhere.
//!
//! Every container call takes one record, `call(NR, &mut ContainerCall, size_of::<ContainerCall>())`,
//! and gives a number or a negative errno in the result register. With an error the kernel writes a
//! sentence that names the key, the value and the reason to `error`.
#![no_std]
#![forbid(unsafe_code)]

pub use linux_raw_sys as linux;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout};

/// The first private call number.
pub const FIRST: u64 = 1024;
/// One past the last private call number.
pub const END: u64 = FIRST + 16;

/// `container_create`: builds a container from `config` (the `key=value` text) and the bundle
/// directory `bundle_fd`; its descriptors 0, 1 and 2 are the caller's. Waits for the create hooks.
/// Returns init's pid as the caller's pid namespace sees it.
pub const CONTAINER_CREATE: u64 = FIRST;
/// `container_start`: runs the program of a created container. Returns 0.
pub const CONTAINER_START: u64 = FIRST + 1;
/// `container_state`: writes a [`StateRecord`] and its texts to `out`. Returns the bytes written,
/// or those needed when `out_len` is 0; ERANGE when it is too small.
pub const CONTAINER_STATE: u64 = FIRST + 2;
/// `container_kill`: sends signal `arg` to init. Returns 0.
pub const CONTAINER_KILL: u64 = FIRST + 3;
/// `container_delete`: removes a stopped container and runs its poststop hooks. With
/// [`DELETE_FORCE`] kills it first and waits for its end. Returns 0; hooks' warnings in `error`.
pub const CONTAINER_DELETE: u64 = FIRST + 4;
/// `container_list`: writes ids after `id` in their order, each ended by a NUL byte, as many as
/// fit whole. Returns the bytes written; 0 at the end of the list.
pub const CONTAINER_LIST: u64 = FIRST + 5;
/// `container_wait`: waits until the container is stopped and writes an [`ExitRecord`] to `out`;
/// with [`WAIT_NOHANG`] EAGAIN when it is not. Returns the bytes written.
pub const CONTAINER_WAIT: u64 = FIRST + 6;
/// `container_audit`: compares the counts of kernel objects with `out`, an earlier
/// [`AuditRecord`]; writes the present one to `out`. Returns the bytes written.
pub const CONTAINER_AUDIT: u64 = FIRST + 7;
/// `container_stats`: writes a [`StatsRecord`] to `out`. Returns the bytes written, or those needed
/// when `out_len` is 0; ERANGE when it is too small.
pub const CONTAINER_STATS: u64 = FIRST + 8;
/// `container_plan`: tells what create, start and delete of a container with the text `config`
/// would do, without doing it. Writes lines to `out`, each of four fields that tabs separate:
/// `create`, `start` or `delete`, requirements of the specification, the step, what undoes it; at
/// last, for every value that create would refuse, `refused`, key, value, reason. Returns the
/// bytes written, or those needed when `out_len` is 0; ERANGE when it is too small.
pub const CONTAINER_PLAN: u64 = FIRST + 9;

/// `container_pause`: freezes everything in a created or running container. Returns 0.
pub const CONTAINER_PAUSE: u64 = FIRST + 10;
/// `container_resume`: lets a paused container go on. Returns 0.
pub const CONTAINER_RESUME: u64 = FIRST + 11;
/// `container_update`: changes limits of a created or running container: `config` are lines with
/// keys of `linux.resources`. All of them are set or none. Waits, and kills if need be, until the
/// container uses no more memory than it then may. Returns 0.
pub const CONTAINER_UPDATE: u64 = FIRST + 12;
/// `container_processes`: writes the numbers of the container's processes that are above `arg`,
/// as the caller's pid namespace has them, in their order, a `u32` each, as many as fit. Returns
/// the bytes written; 0 at the end of the list.
pub const CONTAINER_PROCESSES: u64 = FIRST + 13;
/// `container_events`: waits until more or fewer than `arg` processes of the container have been
/// killed for want of memory, or it is stopped; writes an [`EventsRecord`] to `out`. With
/// [`WAIT_NOHANG`] it does not wait. Returns the bytes written.
pub const CONTAINER_EVENTS: u64 = FIRST + 14;

/// [`CONTAINER_DELETE`]: kill first, succeed when there is no such container.
pub const DELETE_FORCE: u64 = 1;
/// [`CONTAINER_WAIT`], [`CONTAINER_EVENTS`]: do not wait.
pub const WAIT_NOHANG: u64 = 1;

/// Bytes in the longest container id.
pub const ID_MAX: usize = 128;

/// The record of every container call. Addresses are the caller's; lengths are in bytes. Fields a
/// call does not use must be 0 (EINVAL).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ContainerCall {
    /// Flags of the call; unknown ones are EINVAL.
    pub flags: u64,
    /// The container's id, UTF-8 without NUL.
    pub id: u64,
    /// Length of `id`.
    pub id_len: u64,
    /// Where the kernel writes why a call failed (UTF-8, cut to fit, no NUL); may be 0.
    pub error: u64,
    /// Room at `error`.
    pub error_len: u64,
    /// Written by the kernel: bytes at `error`.
    pub error_used: u64,
    /// CREATE, PLAN, UPDATE: the configuration text.
    pub config: u64,
    /// CREATE, PLAN, UPDATE: its length.
    pub config_len: u64,
    /// Where results go (STATE, LIST, WAIT, AUDIT, STATS, PLAN, PROCESSES,
    /// EVENTS).
    pub out: u64,
    /// Room at `out`.
    pub out_len: u64,
    /// KILL: the signal's number. PROCESSES, EVENTS: see there.
    pub arg: u64,
    /// CREATE: the bundle directory's descriptor, else 0.
    pub bundle_fd: i32,
    /// Must be 0.
    pub reserved: u32,
}

/// `status` of a [`StateRecord`].
pub mod status {
    #![allow(missing_docs)]
    pub const CREATING: u32 = 0;
    pub const CREATED: u32 = 1;
    pub const RUNNING: u32 = 2;
    pub const STOPPED: u32 = 3;
    pub const PAUSED: u32 = 4;
}

/// How a process ended: `kind` of an [`ExitRecord`].
pub mod exit {
    /// It has not ended.
    pub const NONE: u32 = 0;
    /// It called exit; `value` is its code, 0 to 255.
    pub const CODE: u32 = 1;
    /// A signal killed it; `value` is the signal's number.
    pub const SIGNAL: u32 = 2;
}

/// The fixed part of a container's state; the texts follow it at once, in this order: oci version,
/// bundle, then for each annotation its key and its value. Each text is `u32` length (little
/// endian) and bytes.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct StateRecord {
    /// One of [`status`].
    pub status: u32,
    /// Init's pid in the caller's pid namespace; 0 when stopped.
    pub pid: u32,
    /// When it was created: seconds since 1970-01-01 UTC.
    pub created_sec: u64,
    /// And nanoseconds.
    pub created_nsec: u32,
    /// How many annotations follow.
    pub annotations: u32,
    /// How init ended.
    pub exit: ExitRecord,
}

/// Whose memory ran out: `oom_killed` of an [`ExitRecord`].
pub mod oom {
    /// Nobody's: something else ended it.
    pub const NO: u32 = 0;
    /// The container's, by its own limit.
    pub const CONTAINER: u32 = 1;
    /// That of a group above it, or of the whole system.
    pub const SYSTEM: u32 = 2;
}

/// What a container uses, may use and was refused. `u64::MAX` is no limit.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct StatsRecord {
    /// Bytes of memory in use: pages, page tables and kernel objects.
    pub memory: u64,
    /// The most it ever used.
    pub memory_peak: u64,
    /// Its limit.
    pub memory_limit: u64,
    /// How often that was met.
    pub memory_refused: u64,
    /// Tasks.
    pub tasks: u64,
    /// The most it ever had.
    pub tasks_peak: u64,
    /// Their limit.
    pub tasks_limit: u64,
    /// How many forks that refused.
    pub tasks_refused: u64,
    /// Processes killed for want of memory.
    pub oom_kills: u64,
    /// How often that had to be.
    pub ooms: u64,
    /// Bytes of programs' private pages.
    pub memory_anon: u64,
    /// Bytes of files and of shared memory.
    pub memory_file: u64,
    /// Bytes of the kernel's objects, and of page tables.
    pub memory_kernel: u64,
    /// CPU time in nanoseconds.
    pub cpu: u64,
    /// In programs.
    pub cpu_user: u64,
    /// In the kernel.
    pub cpu_system: u64,
    /// Periods of the CPU quota in which it ran.
    pub cpu_periods: u64,
    /// Those in which it used the quota up.
    pub cpu_throttled_periods: u64,
    /// How long it had to wait then, in nanoseconds.
    pub cpu_throttled: u64,
}

/// What has happened to a container.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct EventsRecord {
    /// Processes killed for want of memory until now.
    pub oom_kills: u64,
    /// Whether it is stopped.
    pub stopped: u64,
}

/// How a container's init ended, and what it used.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct ExitRecord {
    /// One of [`exit`].
    pub kind: u32,
    /// Exit code or signal.
    pub value: u32,
    /// Whether it was killed for want of memory, and whose: one of [`oom`].
    pub oom_killed: u32,
    /// How many processes of the container were, until then.
    pub oom_kills: u32,
    /// CPU time in user mode, nanoseconds, of all its tasks.
    pub user_ns: u64,
    /// CPU time in the kernel, nanoseconds.
    pub system_ns: u64,
}

/// Counts of kernel objects, for the leak audit. Equal before and after a scenario, or something
/// leaked.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, FromBytes, IntoBytes, Immutable, KnownLayout,
)]
#[repr(C)]
pub struct AuditRecord {
    /// Frames in use.
    pub frames: u64,
    /// Tasks.
    pub tasks: u64,
    /// Processes, with those not yet waited for.
    pub processes: u64,
    /// Address spaces.
    pub spaces: u64,
    /// Inodes.
    pub inodes: u64,
    /// Open files.
    pub files: u64,
    /// Mounts.
    pub mounts: u64,
    /// Namespaces of all kinds.
    pub namespaces: u64,
    /// Control groups.
    pub groups: u64,
    /// Waiters and timers.
    pub waiters: u64,
    /// Containers.
    pub containers: u64,
    /// Jobs waiting to be done; an audit is only meaningful at 0.
    pub jobs: u64,
}
