//! The kernel as a value: traps go in, what to do next comes out.

use crate::cgroup::{Groups, Happened};
use crate::container::Containers;
use crate::dev::{self, Devices};
use crate::error::{Errno, NoMem};
use crate::fs::{Fs, event};
use crate::load::Load;
use crate::machine::{Access, FpuArea, Machine, Next, PowerOff, Trap, UserRegs};
use crate::mm::frames::{Frames, Origin};
use crate::mm::{Fault, MmId, Spaces};
use crate::net::Net;
use crate::ns::Namespaces;
use crate::sched::account::{self, Mode};
use crate::sched::{self, Sched, control};
use crate::task::signal::{self, Delivered};
use crate::task::{RunState, TaskId, Tasks, timer};
use crate::tty::{self, Terminals};
use crate::wait::Waits;
use crate::work::{Job, Work};
use crate::{Cx, mm, syscall};
use alloc::collections::BTreeSet;

/// Bytes that the heap holds before a trap starts: the most that the small objects of one call
/// take. What is sized by input comes on top, by `try_reserve`.
const HEAP_RESERVE: usize = 1 << 20;

/// Every object of the system. Functions take it by `&mut`: the borrow checker is the lock.
pub struct Kernel {
    /// Physical memory.
    pub frames: Frames,
    /// Who pays.
    pub groups: Groups,
    /// Address spaces.
    pub spaces: Spaces,
    /// Files.
    pub fs: Fs,
    /// Sockets.
    pub net: Net,
    /// Processes and threads.
    pub tasks: Tasks,
    /// Namespaces.
    pub ns: Namespaces,
    /// Containers.
    pub containers: Containers,
    /// Who waits for what.
    pub waits: Waits,
    /// Who runs.
    pub sched: Sched,
    /// Long work.
    pub work: Work,
    /// Terminals.
    pub terminals: Terminals,
    /// What devices remember.
    pub devices: Devices,
    /// How busy the machine is.
    pub load: Load,
    /// Set when the machine shall end.
    pub power: Option<PowerOff>,
    /// Call numbers already logged as unknown.
    unknown: BTreeSet<u64>,
    /// What the trap that is served has done.
    pub made: Made,
    /// When the next waiting call, timer or hook is due (monotonic nanoseconds): before that no
    /// trap needs to look.
    due: u64,
    /// What the CPU does with the program that it runs.
    running: Option<Next>,
    /// The CPU runs no program: the registers of the next trap are nobody's.
    is_idle: bool,
}

/// What a trap has done so far: it makes one turn of a long call, or a few short calls again, and
/// leaves the rest to the next one.
#[derive(Clone, Copy, Debug, Default)]
pub struct Made {
    /// The number of the call that was made last.
    pub call: Option<u64>,
    /// Tasks that were brought to user mode, or nearly.
    tasks: u32,
    /// A call has ended its turn.
    pub turn: bool,
    /// A page was brought in.
    page: bool,
}

impl Made {
    /// Tasks whose calls one trap makes again.
    const MOST: u32 = 8;

    /// The next trap goes on.
    fn is_enough(&self) -> bool {
        self.turn || self.tasks >= Self::MOST
    }
}

impl Kernel {
    /// A kernel with the memory of this machine and no tasks: [`Kernel::boot`] without the
    /// initial archive.
    pub fn new(m: &mut dyn Machine) -> Kernel {
        let ranges = m.memory();
        Kernel {
            frames: Frames::new(&ranges),
            groups: Groups::new(),
            spaces: Spaces::default(),
            fs: Fs::default(),
            net: Net::default(),
            tasks: Tasks::default(),
            ns: Namespaces::default(),
            containers: Containers::default(),
            waits: Waits::default(),
            sched: Sched::default(),
            work: Work::default(),
            terminals: Terminals::default(),
            devices: Devices::default(),
            load: Load::default(),
            power: None,
            unknown: BTreeSet::new(),
            made: Made::default(),
            due: 0,
            running: None,
            is_idle: true,
        }
    }

    /// The user context of a CPU stopped with `trap`; `regs` are its registers (those of
    /// [`Trap::Idle`] mean nothing). Says what the CPU does next; for [`Next::Run`] `regs` are then
    /// the registers to run.
    pub fn on_trap(&mut self, m: &mut dyn Machine, regs: &mut UserRegs, trap: Trap) -> Next {
        let now = m.now();
        self.made = Made::default();
        self.top_up_heap(m);
        match core::mem::take(&mut self.is_idle) {
            true => account::until(self, now, Mode::System),
            false => self.leave_user(regs, now),
        }
        self.load.sample(now, self.sched.active());
        let quiet = now < self.due;
        if !quiet {
            self.expire(m, now);
        }
        match (trap, self.sched.current) {
            (Trap::Input, _) => tty::port::input(self, m),
            (Trap::Timer | Trap::Idle, _) | (_, None) => {}
            (Trap::Syscall, Some(task)) => {
                let mut cx = Cx {
                    m,
                    now,
                    task,
                    resume: None,
                };
                syscall::enter(self, &mut cx);
            }
            (
                Trap::PageFault {
                    addr,
                    access,
                    present,
                },
                Some(task),
            ) => {
                let mut cx = Cx {
                    m,
                    now,
                    task,
                    resume: None,
                };
                self.page_fault(&mut cx, addr, access, present);
            }
            (Trap::Exception { vector, error }, Some(task)) => {
                let mut cx = Cx {
                    m,
                    now,
                    task,
                    resume: None,
                };
                signal::fault::exception(self, &mut cx, vector, error);
            }
        }
        if let Some(next) = self.running.filter(|_| quiet && self.may_go_on(now)) {
            account::until(self, m.now(), Mode::System);
            return next;
        }
        if let Some(current) = self.sched.current {
            mm::high::note(self, current);
        }
        self.work_slice(m);
        sched::aside::bring_back(self);
        self.next(m, regs, now)
    }

    /// Whether a trap has brought in a page and there is nothing else to do: the program goes on
    /// where it was, with what it had.
    fn may_go_on(&self, now: u64) -> bool {
        self.made.page
            && self.sched.keeps_cpu(now)
            && self.work.is_empty()
            && self.power.is_none()
            && !self.waits.has_woken()
            && !self.groups.is_above_high()
    }

    /// Lets happen what is due: calls that waited long enough, timers, hooks.
    fn expire(&mut self, m: &mut dyn Machine, now: u64) {
        sched::quota::refill(self, now);
        self.waits.expire(now);
        timer::expire(self, now);
        if let Some(current) = self.sched.current {
            timer::cpu::expire(self, current, now);
        }
        tty::port::expire(self, m, now);
        event::expire(&mut self.fs, &mut self.waits, now);
        crate::container::expire(self, m, now);
    }

    /// Stores the registers of the task that ran, and charges it the time.
    fn leave_user(&mut self, regs: &UserRegs, now: u64) {
        let current = self.sched.current;
        if let Some(task) = current.and_then(|id| self.tasks.tasks.get_mut(id)) {
            task.regs = *regs;
        }
        account::until(self, now, Mode::User);
    }

    fn page_fault(&mut self, cx: &mut Cx, addr: u64, access: Access, present: bool) {
        let Some(space) = self
            .tasks
            .tasks
            .get(cx.task)
            .and_then(|t| t.mm.as_ref())
            .map(|mm| mm.key())
        else {
            return;
        };
        let fault = match mm::fault(self, cx.m, space, addr, access) {
            Ok(()) => {
                if let Some(task) = self.tasks.tasks.get_mut(cx.task) {
                    task.usage.faults = task.usage.faults.saturating_add(1);
                    let group = task.group.key();
                    self.groups.happened(group, Happened::Fault);
                    self.made.page = true;
                }
                self.load.faults = self.load.faults.saturating_add(1);
                return;
            }
            Err(fault) => fault,
        };
        let (signal, code) = match fault {
            Fault::NotMapped => (11, 1),
            Fault::Forbidden => (11, 2),
            Fault::BehindEnd => (7, 2),
            Fault::NoMem(no_mem) => {
                // With room the instruction simply runs again.
                if self.make_room(cx.m, no_mem) {
                    return;
                }
                (9, 0x80)
            }
        };
        let error = fault_bits(access, present);
        signal::fault::page(self, cx, signal, code, addr, error);
    }

    /// Finds memory after [`NoMem`]: finishes queued work, or kills in the group. Returns whether
    /// anything was freed, so that trying again makes sense.
    pub fn make_room(&mut self, m: &mut dyn Machine, no_mem: NoMem) -> bool {
        self.clear_up(m, no_mem, false) || mm::oom_kill(self, m, no_mem.0)
    }

    /// [`Kernel::make_room`] for a call of `task`. What a failed call itself left to be freed is
    /// not enough when it fails for the second time: then somebody is killed. What that one leaves
    /// is room, and freed before anybody else is killed.
    pub fn make_room_for(&mut self, m: &mut dyn Machine, task: TaskId, no_mem: NoMem) -> bool {
        let mut hard = false;
        if let Some(task) = self.tasks.tasks.get_mut(task) {
            task.starved = task.starved.saturating_add(1);
            hard = task.starved > 1;
        }
        if self.clear_up(m, no_mem, hard) {
            return true;
        }
        let killed = mm::oom_kill(self, m, no_mem.0);
        let lives = (self.tasks.process_of(task)).is_ok_and(|(_, own)| own.ending.is_none());
        if killed && lives {
            while self.work_slice(m) {}
            if let Some(task) = self.tasks.tasks.get_mut(task) {
                task.starved = 0;
            }
        }
        killed
    }

    /// Finishes queued work until it has freed something; returns whether it has. If `hard`,
    /// finishes all, and that is not enough.
    fn clear_up(&mut self, m: &mut dyn Machine, no_mem: NoMem, hard: bool) -> bool {
        #[cfg(feature = "audit")]
        if self.groups.disturb.struck.take().is_some() {
            return true;
        }
        let before = (self.frames.free(), self.groups.usage(no_mem.0).memory);
        while self.work_slice(m) {
            let now = (self.frames.free(), self.groups.usage(no_mem.0).memory);
            if now != before && !hard {
                return true;
            }
        }
        false
    }

    /// Does one slice of queued work; returns whether there was any.
    fn work_slice(&mut self, m: &mut dyn Machine) -> bool {
        let Some(job) = self.work.take() else {
            return false;
        };
        let rest = match job {
            Job::Space(job) => mm::teardown_step(self, m, job).map(Job::Space),
            Job::Inode(job) => crate::fs::teardown_step(self, m, job).map(Job::Inode),
            Job::Namespace(job) => {
                crate::task::exit::end_namespace_step(self, m, job);
                None
            }
            Job::Ipc(ns) => crate::ns::ipc::teardown_step(self, ns).map(Job::Ipc),
            Job::Group(job) => {
                crate::task::migrate::end_group_step(self, job);
                None
            }
            Job::Sockets(job) => crate::io::discard_step(self, job).map(Job::Sockets),
            Job::Container(id) => {
                crate::container::alone(self, m, id);
                None
            }
            Job::Config(config) => crate::container::forget_step(config).map(Job::Config),
        };
        if let Some(rest) = rest {
            self.work.put_back(rest);
        }
        true
    }

    /// Gives the heap frames until it holds its reserve, so that the small allocations of a trap
    /// cannot fail.
    pub(crate) fn top_up_heap(&mut self, m: &mut dyn Machine) {
        // Without frames the reserve shrinks; whoever frees memory fills it up again.
        let _ = self.room_in_heap(m, 0);
    }

    /// Makes the heap hold `bytes` on top of its reserve, for what is sized by input.
    ///
    /// # Errors
    /// ENOMEM when there are no frames for it.
    pub fn room_in_heap(&mut self, m: &mut dyn Machine, bytes: usize) -> Result<(), Errno> {
        let root = self.groups.root();
        while m.heap_free() < HEAP_RESERVE.saturating_add(bytes) {
            let frame = self.frames.alloc(&mut self.groups, root, Origin::Heap);
            let frame = frame.map_err(|_| Errno::ENOMEM)?;
            if !m.heap_grow(frame) {
                self.frames.release(&mut self.groups, frame);
                return Err(Errno::ENOMEM);
            }
        }
        Ok(())
    }

    /// Decides who runs next, and brings that task to the edge of user mode: its waiting call is
    /// made again, its signals are delivered. What would be too long is for the next trap, which
    /// comes at once.
    fn next(&mut self, m: &mut dyn Machine, regs: &mut UserRegs, now: u64) -> Next {
        loop {
            if let Some(power) = self.power {
                tty::port::last_output(self, m);
                return Next::PowerOff(power);
            }
            dev::kmsg::announce(self, m);
            self.queue_woken();
            if self.made.is_enough() {
                return self.idle(m, 0);
            }
            let Some(id) = sched::tree::pick(self, m, now) else {
                let deadline = match self.work.is_empty() {
                    true => self.next_deadline(),
                    false => 0,
                };
                return self.idle(m, deadline);
            };
            self.made.tasks += 1;
            let mut cx = Cx {
                m,
                now,
                task: id,
                resume: None,
            };
            if !self.ready(&mut cx) {
                continue;
            }
            // Those whom its call woke may be owed the CPU, or count when its slice is measured.
            self.queue_woken();
            if self.sched.is_lost() {
                continue;
            }
            if let Some(next) = self.run(m, regs, id) {
                return next;
            }
        }
    }

    fn idle(&mut self, m: &mut dyn Machine, deadline: u64) -> Next {
        account::until(self, m.now(), Mode::System);
        self.is_idle = true;
        self.due = deadline;
        self.running = None;
        Next::Idle { deadline }
    }

    /// Brings a task to the edge of user mode; false when it stopped being runnable on the way.
    fn ready(&mut self, cx: &mut Cx) -> bool {
        let task = self.tasks.tasks.get_mut(cx.task);
        let doomed = task.as_ref().is_some_and(|t| t.share.doomed);
        // Who is here only to end does not go on with a call.
        if let Some(call) = task.filter(|_| !doomed).and_then(|t| t.call.take()) {
            syscall::retry(self, cx, call);
            mm::high::note(self, cx.task);
        }
        if !self.is_runnable(cx.task) || signal::deliver(self, cx) == Delivered::Gone {
            return false;
        }
        if doomed {
            control::spare(self, cx.task);
            return false;
        }
        // A call that is still there waits on: the signal that kept it awake came to nothing.
        self.tasks
            .tasks
            .get(cx.task)
            .is_some_and(|t| t.call.is_none() && t.state == RunState::Runnable)
            && !mm::high::slow_down(self, cx.task, cx.now)
    }

    /// Whether a task runs or wants to.
    pub fn is_runnable(&self, task: TaskId) -> bool {
        self.tasks
            .tasks
            .get(task)
            .is_some_and(|t| t.state == RunState::Runnable)
    }

    fn queue_woken(&mut self) {
        while let Some(group) = self.groups.take_noted() {
            self.waits.wake(crate::wait::WaitKey::Group(group));
        }
        event::spread(&mut self.fs, &mut self.waits);
        for id in self.waits.take_woken() {
            if (self.tasks.tasks.get(id)).is_some_and(|t| t.state == RunState::Parked) {
                self.set_runnable(id);
            }
        }
    }

    fn run(&mut self, m: &mut dyn Machine, regs: &mut UserRegs, id: TaskId) -> Option<Next> {
        self.give_fpu(m, id);
        let task = self.tasks.tasks.get(id)?;
        let mm = task.mm.as_ref()?.key();
        *regs = task.regs;
        let space = self.spaces.get(mm)?.space;
        let now = m.now();
        account::until(self, now, Mode::System);
        let slice = sched::slice::until(self, now);
        self.due = (self.next_deadline()).min(timer::cpu::deadline(self, id, now));
        self.running = Some(Next::Run {
            space,
            deadline: slice.min(self.due),
        });
        self.running
    }

    /// When the next call, timer or hook is due.
    fn next_deadline(&self) -> u64 {
        let timers = timer::next_deadline(&self.tasks);
        let hooks = self.containers.next_deadline();
        let console = self.terminals.next_deadline();
        let waits = match self.waits.watches.are_due() {
            true => 0,
            false => self.waits.next_deadline(),
        };
        let events = event::next_deadline(&self.fs);
        let quotas = self.sched.next_deadline();
        let others = hooks.min(console).min(events).min(quotas);
        waits.min(timers).min(others)
    }

    /// Puts a task that was stopped, parked or new on the run queue.
    pub fn set_runnable(&mut self, id: TaskId) {
        if let Some(task) = self.tasks.tasks.get_mut(id) {
            debug_assert!(
                !matches!(task.state, RunState::Runnable | RunState::Dead),
                "a task is queued once"
            );
            task.state = RunState::Runnable;
            // Parked and woken in one trap, it still has the CPU.
            if self.sched.current != Some(id) {
                sched::tree::enter(self, id);
            }
        }
    }

    /// Everybody may run again in an address space, as a call about it is not between two turns any
    /// more.
    pub fn let_in(&mut self, mm: MmId) {
        sched::aside::let_in(self, mm);
    }

    /// Loads a task's FPU state, storing that of the one whose state the CPU has.
    fn give_fpu(&mut self, m: &mut dyn Machine, id: TaskId) {
        if self.sched.fpu_owner == Some(id) {
            return;
        }
        self.store_fpu(m);
        if let Some(task) = self.tasks.tasks.get(id) {
            m.fpu_load(&task.fpu);
            self.sched.fpu_owner = Some(id);
        }
    }

    /// Stores the FPU state that the CPU has into its task, so that it can be read, copied or
    /// changed there; the CPU loads it again before the task runs.
    pub fn store_fpu(&mut self, m: &mut dyn Machine) {
        if let Some(task) = self
            .sched
            .fpu_owner
            .take()
            .and_then(|id| self.tasks.tasks.get_mut(id))
        {
            let area: &mut FpuArea = &mut task.fpu;
            m.fpu_save(area);
        }
    }

    /// Logs a call number that is not implemented, once.
    pub fn unknown_call(&mut self, number: u64) {
        if self.unknown.len() < 1024 && self.unknown.insert(number) {
            log::info!(target: "syscall", "call {number} is not implemented");
        }
    }
}

/// The error code of a page fault in user mode, for signal frames (Intel SDM vol. 3, 4.7).
fn fault_bits(access: Access, present: bool) -> u64 {
    const USER: u64 = 4;
    let bit = |set: bool, bit: u64| if set { bit } else { 0 };
    bit(present, 1)
        | bit(access.contains(Access::WRITE), 2)
        | USER
        | bit(access.contains(Access::EXEC), 16)
}
