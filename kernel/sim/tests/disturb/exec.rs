//! Programs with many arguments, which are copied in turns, and children of other calls.

use super::*;

/// The vector of arguments, in a page that other tours leave alone.
const ARGUMENTS: u64 = DATA;
const COUNT: u64 = 300;

/// Most points are strings: only one of so many is disturbed.
const STRIDE: usize = 17;

/// struct clone_args, behind the records of names: a child that tells its end.
const CHILD: u64 = DATA + 0x1a00;

/// A tour of execve and execveat by children of fork and clone3.
fn tour() -> Script {
    let script = data()
        .store(Arg::Is(CHILD + 32), u64::from(linux::SIGCHLD))
        .set(Reg::Rbx, ARGUMENTS)
        .label("fill")
        .store(Reg::Rbx, TEXT)
        .op(Op::Add(Reg::Rbx, Arg::Is(8)))
        .if_not(Reg::Rbx, ARGUMENTS + 8 * COUNT, "fill");
    let script = made(script, 800, (linux::__NR_clone3, &[CHILD, 64], 0)).if_zero(Reg::Rax, "at");
    let ended = &[0, 0, OUT + 0xd000, 4, OUT + 0xd100];
    let script = made(script, 801, (linux::__NR_waitid, ended, 0))
        .load(Reg::Rbx, OUT + 0xd018)
        .tell("seen", Reg::Rbx);
    let script = made(script, 802, (linux::__NR_fork, &[], 0)).if_zero(Reg::Rax, "many");
    let script = wait(script, 803, &[u64::MAX, OUT + 0xd008, 0, 0]);
    end(script)
        .label("at")
        .call(
            linux::__NR_execveat,
            [HERE, PROGRAM, ARGUMENTS, ARGUMENTS, 0].map(Arg::Is),
        )
        .jump("at")
        .label("many")
        .call(linux::__NR_execve, [PROGRAM, ARGUMENTS, 0].map(Arg::Is))
        .jump("many")
}

macro_rules! kinds {
    ($($name:ident: $kind:expr;)*) => {
        $(#[test] fn $name() { disturb_script(&tour(), &[], 7, STRIDE, $kind); })*
    };
}

kinds! {
    programs_and_refused_charges: Kind::Refusal;
    programs_and_absent_memory: Kind::Fault;
    programs_and_waits: Kind::Wait;
    programs_and_signals: Kind::Signal(WINCH);
}
