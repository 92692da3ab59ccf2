//! `seccomp_*`: the system call filter.

use super::error::Fault;
use super::key::SeccompKey as K;
use super::print::Printer;
use super::value::{
    Fields, Maybe, QuotedList, Read, absolute_path, list, named, number, number_u64, text,
};
use crate::memory::try_push;
use crate::names::names;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

names! {
    /// What a filter does with a system call (SC-1).
    pub enum SeccompAction {
        Kill = "SCMP_ACT_KILL", KillProcess = "SCMP_ACT_KILL_PROCESS",
        KillThread = "SCMP_ACT_KILL_THREAD", Trap = "SCMP_ACT_TRAP", Errno = "SCMP_ACT_ERRNO",
        Trace = "SCMP_ACT_TRACE", Allow = "SCMP_ACT_ALLOW", Log = "SCMP_ACT_LOG",
        Notify = "SCMP_ACT_NOTIFY",
    }
}

names! {
    /// An architecture whose system calls a filter knows (SC-3).
    pub enum SeccompArch {
        X86 = "SCMP_ARCH_X86", X86_64 = "SCMP_ARCH_X86_64", X32 = "SCMP_ARCH_X32",
        Arm = "SCMP_ARCH_ARM", Aarch64 = "SCMP_ARCH_AARCH64", Mips = "SCMP_ARCH_MIPS",
        Mips64 = "SCMP_ARCH_MIPS64", Mips64N32 = "SCMP_ARCH_MIPS64N32",
        Mipsel = "SCMP_ARCH_MIPSEL", Mipsel64 = "SCMP_ARCH_MIPSEL64",
        Mipsel64N32 = "SCMP_ARCH_MIPSEL64N32", Ppc = "SCMP_ARCH_PPC", Ppc64 = "SCMP_ARCH_PPC64",
        Ppc64Le = "SCMP_ARCH_PPC64LE", S390 = "SCMP_ARCH_S390", S390X = "SCMP_ARCH_S390X",
        Parisc = "SCMP_ARCH_PARISC", Parisc64 = "SCMP_ARCH_PARISC64",
        Riscv64 = "SCMP_ARCH_RISCV64", Loongarch64 = "SCMP_ARCH_LOONGARCH64",
        M68K = "SCMP_ARCH_M68K", Sh = "SCMP_ARCH_SH", Sheb = "SCMP_ARCH_SHEB",
    }
}

names! {
    /// A flag of seccomp(2) (SC-3).
    pub enum SeccompFlag {
        Tsync = "SECCOMP_FILTER_FLAG_TSYNC", Log = "SECCOMP_FILTER_FLAG_LOG",
        SpecAllow = "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
        WaitKillableRecv = "SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV",
    }
}

names! {
    /// How an argument is compared (SC-4).
    pub enum SeccompOp {
        Ne = "SCMP_CMP_NE", Lt = "SCMP_CMP_LT", Le = "SCMP_CMP_LE", Eq = "SCMP_CMP_EQ",
        Ge = "SCMP_CMP_GE", Gt = "SCMP_CMP_GT", MaskedEq = "SCMP_CMP_MASKED_EQ",
    }
}

/// A system call filter.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OciSeccomp {
    /// What happens to a call that no rule names; required.
    pub default_action: Option<SeccompAction>,
    /// Its error number; EPERM unless given.
    pub default_errno_ret: Option<u32>,
    /// Architectures besides the native one.
    pub architectures: Vec<SeccompArch>,
    /// Flags.
    pub flags: Vec<SeccompFlag>,
    /// Socket that gets the notification descriptor (SC-5).
    pub listener_path: Option<String>,
    /// Text for whoever listens there.
    pub listener_metadata: Option<String>,
    /// Rules, in order.
    pub syscalls: Vec<OciSyscallRule>,
}

/// What happens to some system calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OciSyscallRule {
    /// Names of the calls; at least one.
    pub names: Vec<String>,
    /// What happens to them.
    pub action: SeccompAction,
    /// Error number of the action; EPERM unless given.
    pub errno_ret: Option<u32>,
    /// Conditions, all of which must hold.
    pub args: Vec<OciSyscallArg>,
}

/// A condition on one argument of a system call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OciSyscallArg {
    /// Which argument, 0 to 5.
    pub index: u8,
    /// What to compare with; for `SCMP_CMP_MASKED_EQ` the mask.
    pub value: u64,
    /// For `SCMP_CMP_MASKED_EQ` what to compare with; else 0.
    pub value_two: u64,
    /// How to compare.
    pub op: SeccompOp,
}

impl OciSeccomp {
    pub(super) fn set(&mut self, key: K, value: &str) -> Read<()> {
        match key {
            K::DefaultAction => self.default_action = Some(action(value)?),
            K::DefaultErrnoRet => self.default_errno_ret = Some(errno(value)?),
            K::Architecture => {
                let arch = named(value, SeccompArch::NAMES, SeccompArch::from_name)?;
                try_push(&mut self.architectures, arch)?;
            }
            K::Flag => {
                let flag = named(value, SeccompFlag::NAMES, SeccompFlag::from_name)?;
                try_push(&mut self.flags, flag)?;
            }
            K::ListenerPath => self.listener_path = Some(absolute_path(value)?),
            K::ListenerMetadata => self.listener_metadata = Some(text(value)?),
            K::Syscall => try_push(&mut self.syscalls, OciSyscallRule::read(value)?)?,
            K::Arg => {
                let arg = OciSyscallArg::read(value)?;
                let Some(rule) = self.syscalls.last_mut() else {
                    return Err(Fault::relation("there is no seccomp_syscall line above"));
                };
                try_push(&mut rule.args, arg)?;
            }
        }
        Ok(())
    }

    pub(super) fn print(&self, out: &mut Printer<'_, '_>) -> fmt::Result {
        out.maybe(K::DefaultAction, self.default_action)?;
        out.maybe(K::DefaultErrnoRet, self.default_errno_ret)?;
        out.each(K::Architecture, &self.architectures)?;
        out.each(K::Flag, &self.flags)?;
        out.maybe(K::ListenerPath, self.listener_path.as_ref())?;
        out.maybe(K::ListenerMetadata, self.listener_metadata.as_ref())?;
        for rule in &self.syscalls {
            let (names, action) = (QuotedList(&rule.names), rule.action);
            let colon = if rule.errno_ret.is_some() { ":" } else { "" };
            let errno = Maybe(rule.errno_ret);
            out.line(K::Syscall, format_args!("{names}:{action}{colon}{errno}"))?;
            out.each(K::Arg, &rule.args)?;
        }
        Ok(())
    }
}

fn action(value: &str) -> Read<SeccompAction> {
    named(value, SeccompAction::NAMES, SeccompAction::from_name)
}

/// An error number, or for `SCMP_ACT_TRACE` the message: both have 16 bits.
fn errno(value: &str) -> Read<u32> {
    number(value, 0, u16::MAX.into())
}

impl SeccompAction {
    /// Whether an error number means something to this action (SC-2).
    #[must_use]
    pub const fn takes_errno(self) -> bool {
        matches!(self, Self::Errno | Self::Trace)
    }
}

impl OciSyscallRule {
    fn read(value: &str) -> Read<Self> {
        let fields = Fields::split(value, 2, 3, "name[,name]:action[:errno]")?;
        let rule = Self {
            names: list(fields.required(0))?,
            action: action(fields.required(1))?,
            errno_ret: fields.optional(2).map(errno).transpose()?,
            args: Vec::new(),
        };
        if rule.errno_ret.is_some() && !rule.action.takes_errno() {
            return Err(Fault::value("the action takes no error number"));
        }
        Ok(rule)
    }
}

impl OciSyscallArg {
    fn read(value: &str) -> Read<Self> {
        let fields = Fields::split(value, 4, 4, "index:value:valueTwo:op")?;
        Ok(Self {
            index: number(fields.required(0), 0, 5)?,
            value: number_u64(fields.required(1))?,
            value_two: fields.optional(2).map_or(Ok(0), number_u64)?,
            op: named(fields.required(3), SeccompOp::NAMES, SeccompOp::from_name)?,
        })
    }
}

impl fmt::Display for OciSyscallArg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            index,
            value,
            value_two,
            op,
        } = self;
        write!(f, "{index}:{value}:{value_two}:{op}")
    }
}
