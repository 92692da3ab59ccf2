//! Long work, done in slices after traps and before idling, so that no trap is long.

use alloc::collections::VecDeque;

/// A job, done slice by slice.
pub enum Job {
    /// Tear an address space down.
    Space(crate::mm::Teardown),
    /// Free the pages and entries of an inode nobody refers to.
    Inode(crate::fs::Teardown),
    /// Free what is left of sockets, and close files that were in flight.
    Sockets(crate::net::garbage::Garbage),
    /// Kill the members of a pid namespace whose init has ended.
    Namespace(crate::task::exit::EndOfNamespace),
    /// Remove what is in an ipc namespace that is gone.
    Ipc(crate::ns::IpcNs),
    /// Kill all processes in a control group.
    Group(crate::task::migrate::EndOfGroup),
    /// Carry an operation on a container on whose caller has ended.
    Container(crate::container::ContainerId),
    /// Free a large configuration.
    Config(alloc::boxed::Box<berth_oci::OciConfig>),
}

/// Jobs waiting, first come first.
#[derive(Default)]
pub struct Work {
    jobs: VecDeque<Job>,
}

impl Work {
    /// Queues a job.
    pub fn add(&mut self, job: Job) {
        self.jobs.push_back(job);
    }

    /// Takes the first job.
    pub fn take(&mut self) -> Option<Job> {
        self.jobs.pop_front()
    }

    /// Puts an unfinished job back at the front.
    pub fn put_back(&mut self, job: Job) {
        self.jobs.push_front(job);
    }

    /// How many jobs wait.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }

    /// Nothing to do.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }
}
