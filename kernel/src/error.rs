//! How a call ends when it does not end well.

use crate::cgroup::GroupId;
use crate::wait::Pending;
use linux_raw_sys::errno as linux;

/// A Linux error number (errno(3)), positive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Errno(pub u16);

macro_rules! errnos {
    ($($name:ident)*) => {
        #[allow(missing_docs)] // the names are errno(3)'s
        impl Errno {
            $(pub const $name: Errno = Errno(linux::$name as u16);)*
            /// The symbolic name, for messages.
            pub fn name(self) -> &'static str {
                match self.0 as u32 {
                    $(linux::$name => stringify!($name),)*
                    _ => "errno out of range",
                }
            }
        }
    };
}

errnos! {
    EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT
    ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG EIDRM
    ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE EDEADLK ENAMETOOLONG ENOLCK ENOSYS ENOTEMPTY
    ELOOP ENODATA EOVERFLOW ENOTSOCK EOPNOTSUPP EAFNOSUPPORT EADDRINUSE ECONNREFUSED ETIMEDOUT
    EPROTOTYPE EPROTONOSUPPORT ESOCKTNOSUPPORT ENOPROTOOPT EMSGSIZE EDESTADDRREQ ETOOMANYREFS ENOBUFS
    EALREADY ESTALE EUSERS ECANCELED EHWPOISON EBADFD ENOTUNIQ EISCONN ENOTCONN ECONNRESET
}

impl Errno {
    /// The error as a call returns it in a register.
    pub fn negative(self) -> u64 {
        (-i64::from(self.0)) as u64
    }

    /// In words, as strerror(3) has them; the symbolic name where people rarely see it.
    pub fn text(self) -> &'static str {
        match self {
            Errno::EPERM => "operation not permitted",
            Errno::ENOENT => "no such file or directory",
            Errno::ESRCH => "no such process",
            Errno::EINTR => "interrupted",
            Errno::EIO => "input/output error",
            Errno::E2BIG => "argument list too long",
            Errno::ENOEXEC => "exec format error",
            Errno::EBADF => "bad file descriptor",
            Errno::EAGAIN => "resource temporarily unavailable",
            Errno::ENOMEM => "cannot allocate memory",
            Errno::EACCES => "permission denied",
            Errno::EBUSY => "device or resource busy",
            Errno::EEXIST => "file exists",
            Errno::ENOTDIR => "not a directory",
            Errno::EISDIR => "is a directory",
            Errno::EINVAL => "invalid argument",
            Errno::ENOSPC => "no space left on device",
            Errno::EROFS => "read-only file system",
            Errno::ELOOP => "too many levels of symbolic links",
            Errno::ENAMETOOLONG => "file name too long",
            Errno::EOPNOTSUPP => "operation not supported",
            _ => self.name(),
        }
    }
}

impl core::fmt::Debug for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

impl core::fmt::Display for Errno {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// Memory ran out, or a limit of this group forbids more. It travels up to the trap, which
/// reclaims or kills in the group and, as nothing was published, makes the call again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoMem(pub GroupId);

/// Why a call handler has no result (yet).
#[derive(Debug)]
pub enum Stop {
    /// The call failed.
    Errno(Errno),
    /// No memory; see [`NoMem`].
    NoMem(NoMem),
    /// The call has to wait: park the task and call the handler again when woken.
    Wait(Pending),
    /// There is nobody to give a result to (exit), or the registers were replaced (execve,
    /// rt_sigreturn): leave rax alone.
    Gone,
}

impl From<Errno> for Stop {
    fn from(e: Errno) -> Stop {
        Stop::Errno(e)
    }
}

impl From<NoMem> for Stop {
    fn from(e: NoMem) -> Stop {
        Stop::NoMem(e)
    }
}

/// Everything a handler can say: the value for rax, or why there is none.
pub type Call = Result<u64, Stop>;
