//! Every call is in a tour, or is here with the reason why not.

use super::*;
use berth_kernel::syscall;
use berth_sim::storm::program::TABLE;

const TOURS: &[&[Line]] = &[
    events::EVENTS,
    files::FILES,
    files::PARTS,
    ipc::SEGMENTS,
    ipc::QUEUES,
    names::NAMES,
    names::WAITING,
    process::PROCESS,
    sockets::SOCKETS,
    sockets::MESSAGES,
    terminals::TERMINALS,
    times::TIMES,
    times::QUEUED,
    times::LOCKS,
];

/// What the frame of the tours and the tour of programs call.
const FRAME: &str =
    "clone3 execve execveat exit_group fork rt_sigaction rt_sigreturn vfork wait4 waitid";

/// Calls that are in no tour, by the reason.
const EXCEPTIONS: &[(&str, &str)] = &[
    (
        "They only tell or set a number: no memory, no charge.",
        "alarm getegid geteuid getgid getpgid getpgrp getpid getppid getpriority getsid gettid
        getuid ioprio_get ioprio_set membarrier personality sched_get_priority_max
        sched_get_priority_min sched_getscheduler sched_yield set_tid_address setfsgid setfsuid
        setgid setpriority setregid setreuid setuid tkill",
    ),
    (
        "A descriptor or nothing is all they take, and they change nothing that a program sees.",
        "fadvise64 fdatasync fsync readahead sync sync_file_range syncfs",
    ),
    ("What they tell moves on with a wait.", "time times"),
    ("The function of accept4 and of clone3.", "accept clone"),
    (
        "They end the program, or wait for a signal, as no tour may.",
        "exit pause reboot restart_syscall rt_sigsuspend",
    ),
    (
        "The machine of the tours has no containers: kernel/sim/tests/container refuses each charge.",
        "container_audit container_create container_delete container_events container_kill
        container_list container_pause container_plan container_processes container_resume
        container_start container_state container_stats container_update container_wait",
    ),
];

#[test]
fn every_call_is_in_a_tour_or_has_a_reason_not_to_be() {
    let name = |number: u32| syscall::line(u64::from(number)).map(|line| line.1);
    let toured: Vec<&str> = (TOURS.iter().copied().flatten())
        .filter_map(|line| name(line.0))
        .chain(FRAME.split(' '))
        .collect();
    let excepted: Vec<&str> = (EXCEPTIONS.iter())
        .flat_map(|line| line.1.split_whitespace())
        .collect();
    let all: Vec<&str> = TABLE.iter().filter_map(|number| name(*number)).collect();
    let missing: Vec<_> = (all.iter())
        .filter(|name| !toured.contains(name) && !excepted.contains(name))
        .collect();
    assert!(missing.is_empty(), "in no tour: {missing:?}");
    let needless: Vec<_> = (excepted.iter())
        .filter(|name| toured.contains(name) || !all.contains(name))
        .collect();
    assert!(needless.is_empty(), "no exceptions: {needless:?}");
}
