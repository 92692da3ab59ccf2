//! System calls with arguments made by chance: the table of all calls with what their arguments are, places in memory and
//! files that arguments can mean, and a generator of calls.
//!
//! The simulation's storms (`kernel/sim`) and `probe wild` in the guest make their calls here. Nothing allocates: the probe
//! makes calls while others destroy its process.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod choices;
mod opening;
pub mod place;
mod records;
mod table;
mod value;

pub use opening::{OPENING, SHARED_FD};
pub use table::CALLS;
pub use value::{Chance, call, with_number};

/// A call: its number and arguments.
pub type Call = (u64, [u64; 6]);

/// A line of the table: number, name, and what each argument is.
pub type Line = (u32, &'static str, &'static [Kind]);

/// What an argument is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A descriptor.
    Fd,
    /// The descriptor of a directory, or AT_FDCWD.
    Dir,
    /// The address of a path.
    Path,
    /// The address of another text: the name of an attribute, of a host, of a type of file system.
    Text,
    /// The address of bytes, to read or to write.
    Buffer,
    /// How many bytes.
    Length,
    /// A small number.
    Count,
    /// A place in a file.
    Offset,
    /// Any number.
    Number,
    /// The permissions and the type of a file.
    Mode,
    /// The number of a user or a group.
    Id,
    /// The number of a process, a group, a thread.
    Pid,
    /// The number of a signal.
    Signal,
    /// The address of a page.
    Page,
    /// Bytes in some pages.
    Pages,
    /// A word that others change, too.
    Word,
    /// What a command decides: anything.
    Any,
    /// Some of these bits.
    Bits(&'static [u64]),
    /// One of these.
    One(&'static [u64]),
    /// A record that is the size of a set of signals.
    SetSize,
    /// `struct timespec` and `struct timeval`, two in a row.
    Time,
    /// `struct itimerspec` and `struct itimerval`.
    Interval,
    /// `struct iovec`.
    Vector,
    /// `struct pollfd`.
    Polled,
    /// A set of signals, descriptors or processors.
    Set,
    /// Address and size of a set.
    SizedSet,
    /// `struct sigaction`.
    Action,
    /// `struct epoll_event`.
    Event,
    /// `struct sockaddr_un`.
    Address,
    /// The length of an address, to read and to write.
    AddressLength,
    /// `struct msghdr`.
    Header,
    /// Control messages.
    Control,
    /// `siginfo_t`.
    Info,
    /// `stack_t`.
    Stack,
    /// `struct clone_args`.
    CloneArgs,
    /// `struct open_how`.
    OpenHow,
    /// `struct rlimit`.
    Limit,
    /// The head of capget(2) and capset(2).
    CapHead,
    /// Their sets.
    CapSets,
    /// `struct sigevent`.
    SigEvent,
    /// `struct robust_list_head`.
    Robust,
    /// A place in a file, to read and to write.
    Position,
    /// An array of groups.
    Groups,
    /// An array of addresses of texts.
    Arguments,
    /// `struct flock`.
    Lock,
    /// `struct termios` and `struct winsize`.
    Terminal,
    /// The record of a container call.
    Container,
}
