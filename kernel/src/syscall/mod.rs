//! System calls: decode, call one function, encode. One table of numbers.

mod across;
mod address;
mod attributes;
mod clone;
mod container;
mod content;
mod copies;
mod epoll;
mod events;
mod exec;
mod fcntl;
mod files;
mod ident;
mod ipc;
mod locks;
mod log;
mod many;
mod memory;
mod messages;
mod mounts;
mod mqueue;
mod namespaces;
mod open;
mod paths;
mod place;
mod poll;
mod prctl;
mod privileges;
mod process;
mod sched;
mod select;
mod shm;
mod signals;
mod sockets;
mod sockopt;
mod stat;
mod system;
mod terminal;
mod threads;
mod time;
mod timers;
mod xattrs;

use crate::error::{Call, Errno, Stop};
use crate::machine::UserRegs;
use crate::mm::turn;
use crate::task::{ParkedCall, RunState, signal};
use crate::wait::Restart;
use crate::{Cx, Kernel};

/// A call's handler; the arguments are as the registers had them.
pub type Handler = fn(&mut Kernel, &mut Cx, &[u64; 6]) -> Call;

/// A line of the table: number, name, handler.
pub type Line = (u32, &'static str, Handler);

/// Numbers of Linux calls are below this.
const LINUX_END: usize = 480;

/// Every area's lines.
const AREAS: &[&[Line]] = &[
    across::CALLS,
    clone::CALLS,
    epoll::CALLS,
    events::CALLS,
    attributes::CALLS,
    content::CALLS,
    copies::CALLS,
    exec::CALLS,
    fcntl::CALLS,
    files::CALLS,
    ident::CALLS,
    log::CALLS,
    many::CALLS,
    memory::CALLS,
    mounts::CALLS,
    mqueue::CALLS,
    namespaces::CALLS,
    open::CALLS,
    paths::CALLS,
    poll::CALLS,
    prctl::CALLS,
    privileges::CALLS,
    process::CALLS,
    sched::CALLS,
    select::CALLS,
    shm::CALLS,
    signals::CALLS,
    sockets::CALLS,
    stat::CALLS,
    system::CALLS,
    terminal::CALLS,
    threads::CALLS,
    time::CALLS,
    timers::CALLS,
    xattrs::CALLS,
];

/// The table by number, made when the kernel is compiled.
static TABLE: [Option<Line>; LINUX_END] = table();

const fn table() -> [Option<Line>; LINUX_END] {
    let mut table: [Option<Line>; LINUX_END] = [None; LINUX_END];
    let mut area = 0;
    while area < AREAS.len() {
        let mut line = 0;
        while line < AREAS[area].len() {
            let number = AREAS[area][line].0 as usize;
            assert!(table[number].is_none(), "a call number is in two lines");
            table[number] = Some(AREAS[area][line]);
            line += 1;
        }
        area += 1;
    }
    table
}

/// The line of a call.
pub fn line(number: u64) -> Option<&'static Line> {
    match number.checked_sub(berth_abi::FIRST) {
        Some(private) => container::CALLS.get(usize::try_from(private).ok()?),
        None => TABLE.get(usize::try_from(number).ok()?)?.as_ref(),
    }
}

/// Number and arguments of the call that these registers make.
pub fn arguments(regs: &UserRegs) -> (u64, [u64; 6]) {
    (
        regs.rax,
        [regs.rdi, regs.rsi, regs.rdx, regs.r10, regs.r8, regs.r9],
    )
}

/// The current task made a call.
pub fn enter(k: &mut Kernel, cx: &mut Cx) {
    let Some(task) = k.tasks.tasks.get(cx.task) else {
        return;
    };
    let (number, args) = arguments(&task.regs);
    make(k, cx, number, args);
}

/// A task was woken in a call: its handler goes on.
pub fn retry(k: &mut Kernel, cx: &mut Cx, call: ParkedCall) {
    cx.resume = call.resume;
    make(k, cx, call.number, call.args);
    cx.resume = None;
}

fn make(k: &mut Kernel, cx: &mut Cx, number: u64, args: [u64; 6]) {
    #[cfg(feature = "audit")]
    k.groups.disturb.enter();
    turn::let_others_in(k, cx.task);
    k.made.call = Some(number);
    let result = match line(number) {
        Some((_, _, handler)) => handler(k, cx, &args),
        None => {
            k.unknown_call(number);
            Err(Errno::ENOSYS.into())
        }
    };
    #[cfg(feature = "audit")]
    k.groups.disturb.leave();
    settle(k, cx, number, args, result);
}

/// Puts a call's outcome where it belongs: a register, or the queues.
fn settle(k: &mut Kernel, cx: &mut Cx, number: u64, args: [u64; 6], result: Call) {
    if !k.tasks.is_alive(cx.task) {
        return;
    }
    let value = match result {
        Ok(value) => value,
        Err(Stop::Gone) => return,
        Err(Stop::Errno(e)) => e.negative(),
        Err(Stop::NoMem(no_mem)) => {
            let call = ParkedCall {
                number,
                args,
                resume: cx.resume,
                restart: Restart::NoIntr,
            };
            #[cfg(feature = "audit")]
            if crate::disturb::stopped(k, cx, call) {
                return;
            }
            if !k.make_room_for(cx.m, cx.task, no_mem) {
                turn::let_others_in(k, cx.task);
                finish(k, cx, Errno::ENOMEM.negative());
                return;
            }
            // Nothing was published: make the same call again.
            remember(k, cx, call);
            return;
        }
        Err(Stop::Wait(pending)) => {
            let resume = Some(pending.resume);
            remember(
                k,
                cx,
                ParkedCall {
                    number,
                    args,
                    resume,
                    restart: pending.restart,
                },
            );
            // The task keeps the CPU for as long as its slice lasts.
            k.made.turn |= pending.turn;
            // With a signal there already it stays runnable, too: delivery decides about the call.
            if !pending.turn && !signal::interrupts(k, cx.task) {
                if let Some(task) = k.tasks.tasks.get_mut(cx.task) {
                    task.state = RunState::Parked;
                    task.usage.waits = task.usage.waits.saturating_add(1);
                }
                k.waits
                    .park(cx.task, &pending.keys, pending.resume.deadline);
            }
            return;
        }
    };
    finish(k, cx, value);
}

fn remember(k: &mut Kernel, cx: &mut Cx, call: ParkedCall) {
    // It may be the one that was killed to make room.
    if !k.tasks.is_alive(cx.task) {
        return;
    }
    if let Some(task) = k.tasks.tasks.get_mut(cx.task) {
        task.call = Some(call);
    }
}

/// Ends the current task's call with this value in rax.
fn finish(k: &mut Kernel, cx: &mut Cx, value: u64) {
    if let Some(task) = k.tasks.tasks.get_mut(cx.task) {
        task.regs.rax = value;
        task.starved = 0;
    }
}
