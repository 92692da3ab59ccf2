//! Waiting: what parks a task, what wakes it, and when.
//!
//! A call that must wait returns [`crate::error::Stop::Wait`] with a [`Pending`]. The task is
//! parked on the keys in it; [`Waits::wake`] on one of them, the deadline or a signal makes it
//! runnable, and its handler is called again with the [`Resume`] it left. A blocked call is data.

mod watch;

pub use watch::{Watch, Watcher, Watches};

use crate::task::TaskId;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

/// What a task can wait for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum WaitKey {
    /// Anything at all that somebody could wait for.
    Any,
    /// A pipe or fifo has something to read, or lost its last writer.
    PipeData(crate::fs::PipeId),
    /// A pipe or fifo has room, or lost its last reader.
    PipeRoom(crate::fs::PipeId),
    /// An event has something to read.
    FileData(crate::fs::FileId),
    /// An event has room.
    FileRoom(crate::fs::FileId),
    /// A socket has something to receive, a connection to accept, or lost its other end.
    SocketData(crate::net::SocketId),
    /// Messages for a socket, or connections to it, have room again; or it is gone.
    SocketRoom(crate::net::SocketId),
    /// A message queue has a message.
    QueueData(crate::fs::InodeId),
    /// The same, for those who receive it (mq_receive(3)): nobody else is told while they wait.
    QueueMessage(crate::fs::InodeId),
    /// A message queue has room.
    QueueRoom(crate::fs::InodeId),
    /// A signal was sent to this process or one of its threads, blocked or not.
    Signals(crate::task::ProcessId),
    /// Waits in open(2) of a fifo for the other end; `true` to write itself.
    Fifo(crate::fs::PipeId, bool),
    /// A lock on a file was given up (flock(2)).
    Lock(crate::fs::Node),
    /// A child of this process changed its state.
    Child(crate::task::ProcessId),
    /// A vfork child has let go of its parent's memory.
    Vfork(TaskId),
    /// Bytes arrived at a console port.
    Input(crate::machine::Port),
    /// A terminal: input, room for output, a hangup, changed settings.
    Terminal(crate::tty::TtyId),
    /// The kernel's log has more lines.
    Log,
    /// A container changed its state, or its operation can go on.
    Container(crate::container::ContainerId),
    /// A process has ended (waiters that are not its parent).
    Exit(crate::task::ProcessId),
    /// A futex word in private memory: the address space and the address in it.
    PrivateFutex(crate::mm::MmId, u64),
    /// A futex word in shared memory: frame number and offset in it.
    SharedFutex(u32, u32),
    /// Something about a control group changed that its files tell.
    Group(crate::cgroup::GroupId),
    /// Nothing but a signal or the deadline.
    Signal(TaskId),
}

/// How an interrupted call goes on (signal(7), "Interruption of system calls").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Restart {
    /// ERESTARTSYS: made again after a handler with SA_RESTART, else EINTR.
    Sys,
    /// ERESTARTNOHAND: made again only if no handler ran.
    NoHand,
    /// ERESTARTNOINTR: always made again.
    NoIntr,
    /// ERESTART_RESTARTBLOCK: goes on with its remaining time when no handler ran, else EINTR.
    Block,
    /// EINTR: never made again, even when no handler ran and the process only stopped and went on
    /// (sigtimedwait, epoll_wait).
    Never,
    /// Not interruptible: only a signal that ends the process wakes it (TASK_KILLABLE).
    Killable,
}

/// What a waiting call remembers between two runs of its handler.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Resume {
    /// When to stop waiting: monotonic nanoseconds.
    pub deadline: Option<u64>,
    /// Bytes already moved.
    pub done: u64,
    /// The signal mask to put back when the call ends (sigsuspend, ppoll).
    pub saved_mask: Option<u64>,
    /// A number of the call's own: the vfork child's tid, a step, ...
    pub word: u64,
    /// [`Waits::events`] when a long look at many files began.
    pub events: u64,
}

impl Resume {
    /// Goes on at a place.
    pub fn at(word: u64) -> Resume {
        Resume {
            word,
            ..Resume::default()
        }
    }
}

/// A call that waits.
#[derive(Debug)]
pub struct Pending {
    /// What its handler gets next time.
    pub resume: Resume,
    /// What wakes it, besides its deadline and signals.
    pub keys: Vec<WaitKey>,
    /// What a signal does to it.
    pub restart: Restart,
    /// It does not wait: its next turn is due, now or when it has the CPU again.
    pub turn: bool,
}

impl Pending {
    /// A call that has done much: it goes on in a trap of its own, after others whose turn it is.
    pub fn turn(restart: Restart) -> Pending {
        Pending {
            resume: Resume::default(),
            keys: Vec::new(),
            restart,
            turn: true,
        }
    }

    /// A call that waits for one thing.
    pub fn on(key: WaitKey, restart: Restart) -> Pending {
        Pending {
            resume: Resume::default(),
            keys: alloc::vec![key],
            restart,
            turn: false,
        }
    }
    /// With what the handler wants to remember.
    pub fn with(mut self, resume: Resume) -> Pending {
        self.resume = resume;
        self
    }
}

/// Where a parked task stands in both orders: by key, and by deadline if it has one.
type Parked = (Vec<(WaitKey, u64)>, Option<(u64, u64)>);

/// Who waits for what, and until when.
#[derive(Default)]
pub struct Waits {
    by_key: BTreeSet<(WaitKey, u64, TaskId)>,
    by_time: BTreeSet<(u64, u64, TaskId)>,
    parked: BTreeMap<TaskId, Parked>,
    woken: Vec<TaskId>,
    sequence: u64,
    /// How often something was woken.
    events: u64,
    /// Who is told besides.
    pub watches: Watches,
}

impl Waits {
    /// Parks a task on keys and a deadline.
    pub fn park(&mut self, task: TaskId, keys: &[WaitKey], deadline: Option<u64>) {
        self.leave(task);
        let mut nodes = Vec::with_capacity(keys.len());
        for &key in keys {
            self.sequence += 1;
            self.by_key.insert((key, self.sequence, task));
            nodes.push((key, self.sequence));
        }
        let timer = deadline.map(|at| {
            self.sequence += 1;
            self.by_time.insert((at, self.sequence, task));
            (at, self.sequence)
        });
        self.parked.insert(task, (nodes, timer));
    }

    /// Takes a task out of every queue.
    pub fn leave(&mut self, task: TaskId) {
        if let Some((nodes, timer)) = self.parked.remove(&task) {
            for (key, seq) in nodes {
                self.by_key.remove(&(key, seq, task));
            }
            if let Some((at, seq)) = timer {
                self.by_time.remove(&(at, seq, task));
            }
        }
    }

    /// Wakes everybody who waits for `key`, first come first.
    pub fn wake(&mut self, key: WaitKey) {
        self.events += 1;
        self.wake_some(key, usize::MAX);
        self.wake_some(WaitKey::Any, usize::MAX);
        self.watches.ring(key);
    }

    /// Wakes at most `most` of those who wait for `key`; returns how many.
    pub fn wake_some(&mut self, key: WaitKey, most: usize) -> usize {
        let mut count = 0;
        while count < most {
            let Some(task) = self.first_on(key) else {
                break;
            };
            self.wake_task(task);
            count += 1;
        }
        count
    }

    /// Whether somebody waits for `key`.
    pub fn waited_for(&self, key: WaitKey) -> bool {
        self.first_on(key).is_some()
    }

    fn first_on(&self, key: WaitKey) -> Option<TaskId> {
        let from = (key, 0, crate::arena::Key::new(0, 0));
        let first = self.by_key.range(from..).next()?;
        (first.0 == key).then_some(first.2)
    }

    /// Who waits for `key`, first come first.
    pub fn waiters(&self, key: WaitKey) -> Vec<TaskId> {
        let from = (key, 0, crate::arena::Key::new(0, 0));
        let here = self.by_key.range(from..).take_while(|node| node.0 == key);
        here.map(|node| node.2).collect()
    }

    /// Wakes one task if it is parked.
    pub fn wake_task(&mut self, task: TaskId) {
        if self.parked.contains_key(&task) {
            self.leave(task);
            self.woken.push(task);
        }
    }

    /// Wakes everybody whose deadline has passed.
    pub fn expire(&mut self, now: u64) {
        while let Some(&(at, _, task)) = self.by_time.first() {
            if at > now {
                break;
            }
            self.wake_task(task);
        }
    }

    /// The next deadline, `u64::MAX` when nobody has one.
    pub fn next_deadline(&self) -> u64 {
        self.by_time.first().map_or(u64::MAX, |first| first.0)
    }

    /// Whether tasks were woken, or watchers are to be told, since the last time.
    pub fn has_woken(&self) -> bool {
        !self.woken.is_empty() || self.watches.are_due()
    }

    /// The tasks woken since the last time, in order.
    pub fn take_woken(&mut self) -> Vec<TaskId> {
        core::mem::take(&mut self.woken)
    }

    /// Whether a task is parked.
    pub fn is_parked(&self, task: TaskId) -> bool {
        self.parked.contains_key(&task)
    }

    /// Whether a task is parked on `key`.
    pub fn waits_for(&self, task: TaskId, key: WaitKey) -> bool {
        let parked = self.parked.get(&task);
        parked.is_some_and(|(nodes, _)| nodes.iter().any(|node| node.0 == key))
    }

    /// How often something has happened: whether anything did since.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// Parked tasks and watches, for the audit.
    pub fn len(&self) -> usize {
        self.by_key.len() + self.by_time.len() + self.watches.len()
    }

    /// Nobody waits.
    pub fn is_empty(&self) -> bool {
        self.parked.is_empty()
    }
}
