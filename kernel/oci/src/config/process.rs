//! `process_*`: the program, its identity and its limits.

use super::base::print_list;
use super::error::Fault;
use super::hook::append_line;
use super::key::ProcessKey as K;
use super::print::Printer;
use super::value::{
    Fields, Read, absolute_path, assignment, boolean, check_length, id, list, named, number,
    number_u64, octal, pieces, text,
};
use crate::memory::{try_push, try_string};
use crate::names::names;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

/// The user program and how it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciProcess {
    /// Argument vector; the first is the program, looked up in the container (P-6).
    pub args: Vec<String>,
    /// Environment, `NAME=VALUE` each (P-5).
    pub env: Vec<String>,
    /// Working directory inside the container; absolute (P-4).
    pub cwd: String,
    /// User id in the container's user namespace (P-7).
    pub uid: u32,
    /// Group id in the container's user namespace (P-7).
    pub gid: u32,
    /// Whether the program gets a terminal (P-2).
    pub terminal: bool,
    /// Size of the terminal (P-3).
    pub console_size: Option<OciConsoleSize>,
    /// Supplementary groups (P-7).
    pub additional_gids: Vec<u32>,
    /// File mode creation mask; 0022 unless given (P-7).
    pub umask: Option<u32>,
    /// Resource limits of the process (P-8).
    pub rlimits: Vec<OciRlimit>,
    /// Capability sets; absent means that all five are empty (P-9).
    pub capabilities: Option<OciCapabilities>,
    /// Whether execve can no longer add privilege (P-10).
    pub no_new_privs: bool,
    /// How readily the process is chosen when memory runs out, -1000 to 1000 (P-11).
    pub oom_score_adj: Option<i32>,
    /// AppArmor profile (P-15).
    pub apparmor_profile: Option<String>,
    /// SELinux label (P-15).
    pub selinux_label: Option<String>,
    /// Scheduling (P-12).
    pub scheduler: OciScheduler,
    /// I/O priority (P-13).
    pub io_priority: Option<OciIoPriority>,
    /// CPUs of processes that exec adds later (P-14).
    pub exec_cpu_affinity: OciExecCpuAffinity,
}

impl Default for OciProcess {
    /// The values of keys that are not given.
    fn default() -> Self {
        Self {
            args: Vec::new(),
            env: Vec::new(),
            cwd: String::from("/"),
            uid: 0,
            gid: 0,
            terminal: false,
            console_size: None,
            additional_gids: Vec::new(),
            umask: None,
            rlimits: Vec::new(),
            capabilities: None,
            no_new_privs: false,
            oom_score_adj: None,
            apparmor_profile: None,
            selinux_label: None,
            scheduler: OciScheduler::default(),
            io_priority: None,
            exec_cpu_affinity: OciExecCpuAffinity::default(),
        }
    }
}

/// Terminal size in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OciConsoleSize {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

names! {
    /// A resource limit of a process (getrlimit(2)).
    pub enum RlimitKind {
        As = "RLIMIT_AS", Core = "RLIMIT_CORE", Cpu = "RLIMIT_CPU", Data = "RLIMIT_DATA",
        Fsize = "RLIMIT_FSIZE", Locks = "RLIMIT_LOCKS", Memlock = "RLIMIT_MEMLOCK",
        Msgqueue = "RLIMIT_MSGQUEUE", Nice = "RLIMIT_NICE", Nofile = "RLIMIT_NOFILE",
        Nproc = "RLIMIT_NPROC", Rss = "RLIMIT_RSS", Rtprio = "RLIMIT_RTPRIO",
        Rttime = "RLIMIT_RTTIME", Sigpending = "RLIMIT_SIGPENDING", Stack = "RLIMIT_STACK",
    }
}

/// One resource limit; 18446744073709551615 is "unlimited", as for setrlimit(2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OciRlimit {
    /// Which resource.
    pub kind: RlimitKind,
    /// What is enforced.
    pub soft: u64,
    /// How far the process may raise `soft`.
    pub hard: u64,
}

names! {
    /// One of the five capability sets of a process (capabilities(7)).
    pub enum CapabilitySet {
        Bounding = "bounding", Effective = "effective", Inheritable = "inheritable",
        Permitted = "permitted", Ambient = "ambient",
    }
}

/// Capability sets by name, such as `CAP_KILL`.
///
/// Names this core does not know are kept: the specification wants a warning from the
/// runtime, not a refusal (P-9).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciCapabilities {
    /// What execve may add at most.
    pub bounding: Vec<String>,
    /// What permission checks look at.
    pub effective: Vec<String>,
    /// What is kept over execve of files that inherit.
    pub inheritable: Vec<String>,
    /// What may be made effective.
    pub permitted: Vec<String>,
    /// What is kept over execve of ordinary files.
    pub ambient: Vec<String>,
}

names! {
    /// A scheduling policy (sched(7)).
    pub enum SchedulerPolicy {
        Other = "SCHED_OTHER", Fifo = "SCHED_FIFO", Rr = "SCHED_RR", Batch = "SCHED_BATCH",
        Iso = "SCHED_ISO", Idle = "SCHED_IDLE", Deadline = "SCHED_DEADLINE",
    }
}

names! {
    /// A flag of sched_setattr(2).
    pub enum SchedulerFlag {
        ResetOnFork = "SCHED_FLAG_RESET_ON_FORK", Reclaim = "SCHED_FLAG_RECLAIM",
        DlOverrun = "SCHED_FLAG_DL_OVERRUN", KeepPolicy = "SCHED_FLAG_KEEP_POLICY",
        KeepParams = "SCHED_FLAG_KEEP_PARAMS", UtilClampMin = "SCHED_FLAG_UTIL_CLAMP_MIN",
        UtilClampMax = "SCHED_FLAG_UTIL_CLAMP_MAX",
    }
}

/// Scheduling of the process; values not given are 0. Without a policy nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciScheduler {
    /// The policy.
    pub policy: Option<SchedulerPolicy>,
    /// Nice value, -20 to 19; `SCHED_OTHER` and `SCHED_BATCH`.
    pub nice: Option<i32>,
    /// Static priority, 1 to 99; `SCHED_FIFO` and `SCHED_RR`.
    pub priority: Option<u32>,
    /// Flags.
    pub flags: Vec<SchedulerFlag>,
    /// Nanoseconds a period; `SCHED_DEADLINE`.
    pub runtime: Option<u64>,
    /// Nanoseconds after the start of the period; `SCHED_DEADLINE`.
    pub deadline: Option<u64>,
    /// Nanoseconds; `SCHED_DEADLINE`.
    pub period: Option<u64>,
}

names! {
    /// A class of ioprio_set(2).
    pub enum IoPriorityClass {
        RealTime = "IOPRIO_CLASS_RT", BestEffort = "IOPRIO_CLASS_BE", Idle = "IOPRIO_CLASS_IDLE",
    }
}

/// I/O priority of the process group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OciIoPriority {
    /// The class.
    pub class: IoPriorityClass,
    /// 0 (highest) to 7.
    pub priority: u8,
}

/// CPU lists such as `0-3,7` for processes that exec adds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciExecCpuAffinity {
    /// Before the process joins the container's cgroup.
    pub initial: Option<String>,
    /// After it has joined.
    pub final_: Option<String>,
}

impl OciProcess {
    pub(super) fn set(&mut self, key: K, value: &str) -> Read<()> {
        match key {
            K::Terminal => self.terminal = boolean(value)?,
            K::ConsoleSize => self.console_size = Some(console_size(value)?),
            K::Cwd => self.cwd = absolute_path(value)?,
            K::Arg => try_push(&mut self.args, try_string(value)?)?,
            K::ArgLine => append_line(&mut self.args, value, K::Arg.as_str())?,
            K::Env => {
                assignment(value)?;
                try_push(&mut self.env, try_string(value)?)?;
            }
            K::EnvLine => append_line(&mut self.env, value, K::Env.as_str())?,
            K::Uid => self.uid = id(value)?,
            K::Gid => self.gid = id(value)?,
            K::AdditionalGid => try_push(&mut self.additional_gids, id(value)?)?,
            K::Umask => self.umask = Some(octal(value, 0o777)?),
            K::Rlimit => self.add_rlimit(value)?,
            K::Capability => self
                .capabilities
                .get_or_insert_with(OciCapabilities::default)
                .add(value)?,
            K::NoNewPrivs => self.no_new_privs = boolean(value)?,
            K::OomScoreAdj => self.oom_score_adj = Some(number(value, -1000, 1000)?),
            K::ApparmorProfile => self.apparmor_profile = Some(text(value)?),
            K::SelinuxLabel => self.selinux_label = Some(text(value)?),
            K::IoPriority => self.io_priority = Some(io_priority(value)?),
            K::ExecCpusInitial => self.exec_cpu_affinity.initial = Some(cpu_list(value)?),
            K::ExecCpusFinal => self.exec_cpu_affinity.final_ = Some(cpu_list(value)?),
            K::SchedulerPolicy
            | K::SchedulerNice
            | K::SchedulerPriority
            | K::SchedulerFlag
            | K::SchedulerRuntime
            | K::SchedulerDeadline
            | K::SchedulerPeriod => self.scheduler.set(key, value)?,
        }
        Ok(())
    }

    fn add_rlimit(&mut self, value: &str) -> Read<()> {
        let fields = Fields::split(value, 3, 3, "TYPE:soft:hard")?;
        let limit = OciRlimit {
            kind: named(fields.required(0), RlimitKind::NAMES, RlimitKind::from_name)?,
            soft: rlimit(fields.required(1))?,
            hard: rlimit(fields.required(2))?,
        };
        if limit.soft > limit.hard {
            return Err(Fault::value("the soft limit is above the hard limit"));
        }
        if self.rlimits.iter().any(|known| known.kind == limit.kind) {
            return Err(Fault::value("the limit is given twice"));
        }
        Ok(try_push(&mut self.rlimits, limit)?)
    }

    pub(super) fn print(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        out.line(K::Cwd, &self.cwd)?;
        out.line(K::Uid, self.uid)?;
        out.line(K::Gid, self.gid)?;
        out.switch(K::Terminal, self.terminal)?;
        let size = self.console_size;
        out.maybe(K::ConsoleSize, size.map(|s| Pair(s.height, s.width)))?;
        for arg in &self.args {
            out.text_lines(K::Arg, K::ArgLine, arg)?;
        }
        for pair in &self.env {
            out.text_lines(K::Env, K::EnvLine, pair)?;
        }
        out.each(K::AdditionalGid, &self.additional_gids)?;
        if let Some(umask) = self.umask {
            out.line(K::Umask, format_args!("0{umask:o}"))?;
        }
        for OciRlimit { kind, soft, hard } in &self.rlimits {
            out.line(K::Rlimit, format_args!("{kind}:{soft}:{hard}"))?;
        }
        if let Some(capabilities) = &self.capabilities {
            capabilities.print(out)?;
        }
        out.switch(K::NoNewPrivs, self.no_new_privs)?;
        out.maybe(K::OomScoreAdj, self.oom_score_adj)?;
        out.maybe(K::ApparmorProfile, self.apparmor_profile.as_ref())?;
        out.maybe(K::SelinuxLabel, self.selinux_label.as_ref())?;
        self.scheduler.print(out)?;
        let io = self.io_priority;
        out.maybe(K::IoPriority, io.map(|io| Pair(io.class, io.priority)))?;
        let cpus = &self.exec_cpu_affinity;
        out.maybe(K::ExecCpusInitial, cpus.initial.as_ref())?;
        out.maybe(K::ExecCpusFinal, cpus.final_.as_ref())
    }
}

/// Two fields.
pub(crate) struct Pair<A, B>(pub(crate) A, pub(crate) B);

impl<A: fmt::Display, B: fmt::Display> fmt::Display for Pair<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0, self.1)
    }
}

fn rlimit(value: &str) -> Read<u64> {
    number_u64(value).map_err(|fault| fault.hint("18446744073709551615 is unlimited"))
}

fn console_size(value: &str) -> Read<OciConsoleSize> {
    let fields = Fields::split(value, 2, 2, "height:width")?;
    let characters = |field| number(field, 0, i128::from(u16::MAX));
    Ok(OciConsoleSize {
        height: characters(fields.required(0))?,
        width: characters(fields.required(1))?,
    })
}

fn io_priority(value: &str) -> Read<OciIoPriority> {
    let fields = Fields::split(value, 1, 2, "class[:priority]")?;
    Ok(OciIoPriority {
        class: named(
            fields.required(0),
            IoPriorityClass::NAMES,
            IoPriorityClass::from_name,
        )?,
        priority: fields.optional(1).map_or(Ok(0), |p| number(p, 0, 7))?,
    })
}

/// A list of CPU or memory node numbers such as `0-3,7` (cpuset(7) "List format").
pub(super) fn cpu_list(value: &str) -> Read<String> {
    check_length(value)?;
    let node = |text: &str| number::<u32>(text, 0, 65_535);
    for range in pieces(value, b',') {
        match range.split_once('-') {
            Some((first, last)) if node(first)? <= node(last)? => {}
            Some(_) => return Err(Fault::value("a range ends before it starts")),
            None => _ = node(range)?,
        }
    }
    text(value)
}

impl OciCapabilities {
    /// The set of one kind.
    #[must_use]
    pub fn of(&self, set: CapabilitySet) -> &[String] {
        match set {
            CapabilitySet::Bounding => &self.bounding,
            CapabilitySet::Effective => &self.effective,
            CapabilitySet::Inheritable => &self.inheritable,
            CapabilitySet::Permitted => &self.permitted,
            CapabilitySet::Ambient => &self.ambient,
        }
    }

    pub(super) fn of_mut(&mut self, set: CapabilitySet) -> &mut Vec<String> {
        match set {
            CapabilitySet::Bounding => &mut self.bounding,
            CapabilitySet::Effective => &mut self.effective,
            CapabilitySet::Inheritable => &mut self.inheritable,
            CapabilitySet::Permitted => &mut self.permitted,
            CapabilitySet::Ambient => &mut self.ambient,
        }
    }

    /// `set:NAME[,NAME]`, or `set` alone for an empty set.
    fn add(&mut self, value: &str) -> Read<()> {
        let fields = Fields::split(value, 1, 2, "set:NAME[,NAME]")?;
        let set = named(
            fields.required(0),
            CapabilitySet::NAMES,
            CapabilitySet::from_name,
        )?;
        let names = match fields.has(1) {
            true => list(fields.required(1))?,
            false => return Ok(()),
        };
        if let Some(bad) = names.iter().find(|name| !is_capability_name(name)) {
            let hint = match bad.starts_with("CAP_") {
                true => "capability names are upper case letters, digits and _",
                false => "capability names start with CAP_",
            };
            return Err(Fault::value("not a capability name").hint(hint));
        }
        let target = self.of_mut(set);
        if !target.is_empty() {
            return Err(Fault::value("the capability set is given twice"));
        }
        *target = names;
        Ok(())
    }

    fn print(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        let mut empty = true;
        for set in CapabilitySet::ALL {
            let names = self.of(*set);
            if !names.is_empty() {
                empty = false;
                print_list(K::Capability, *set, names, out)?;
            }
        }
        // "Given, and all sets empty" is a configuration of its own.
        out.maybe(K::Capability, empty.then_some(CapabilitySet::Bounding))
    }
}

fn is_capability_name(name: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    name.len() <= 64
        && name
            .strip_prefix("CAP_")
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(letter))
}

impl OciScheduler {
    fn set(&mut self, key: K, value: &str) -> Read<()> {
        match key {
            K::SchedulerPolicy => {
                let policy = named(value, SchedulerPolicy::NAMES, SchedulerPolicy::from_name)?;
                self.policy = Some(policy);
            }
            K::SchedulerNice => self.nice = Some(number(value, -20, 19)?),
            K::SchedulerPriority => self.priority = Some(number(value, 0, 99)?),
            K::SchedulerFlag => {
                let flag = named(value, SchedulerFlag::NAMES, SchedulerFlag::from_name)?;
                if self.flags.contains(&flag) {
                    return Err(Fault::value("the flag is given twice"));
                }
                try_push(&mut self.flags, flag)?;
            }
            K::SchedulerRuntime => self.runtime = Some(number_u64(value)?),
            K::SchedulerDeadline => self.deadline = Some(number_u64(value)?),
            _ => self.period = Some(number_u64(value)?),
        }
        Ok(())
    }

    fn print(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        out.maybe(K::SchedulerPolicy, self.policy)?;
        out.maybe(K::SchedulerNice, self.nice)?;
        out.maybe(K::SchedulerPriority, self.priority)?;
        out.each(K::SchedulerFlag, &self.flags)?;
        out.maybe(K::SchedulerRuntime, self.runtime)?;
        out.maybe(K::SchedulerDeadline, self.deadline)?;
        out.maybe(K::SchedulerPeriod, self.period)
    }
}
