//! Timers and limits on CPU time, in virtual time: what probe can only see roughly is exact here.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_abi::linux::general as linux;
use berth_sim::image::DATA;
use berth_sim::storm::finish;
use berth_sim::{Arg, Config, End, Op, Reg, Script, Sim};

const MS: u64 = 1_000_000;
const SECOND: u64 = 1000 * MS;
const RT: u64 = 40;
const SET: u64 = 0x700;
const EVENT: u64 = 0x740;
const NUMBER: u64 = 0x780;
const SPEC: u64 = 0x7a0;
const INFO: u64 = 0x800;

trait Calls: Sized {
    fn sys(self, number: u32, args: &[u64]) -> Self;
    fn block(self, signals: u64) -> Self;
    fn timer(self, clock: u64, signal: u64) -> Self;
    fn set_timer(self, every: u64, first: u64) -> Self;
    fn sleep(self, ns: u64) -> Self;
    fn take(self, signal: u64) -> Self;
}

impl Calls for Script {
    fn sys(self, number: u32, args: &[u64]) -> Script {
        self.call(number, args.iter().map(|a| Arg::Is(*a)))
    }
    fn block(self, signals: u64) -> Script {
        self.store(Arg::Data(SET), signals)
            .sys(linux::__NR_rt_sigprocmask, &[2, DATA + SET, 0, 8])
    }
    /// A timer that sends a signal; its number stays in rbp.
    fn timer(self, clock: u64, signal: u64) -> Script {
        self.store(Arg::Data(EVENT), 7)
            .store(Arg::Data(EVENT + 8), signal)
            .store(Arg::Data(NUMBER), 0)
            .sys(
                linux::__NR_timer_create,
                &[clock, DATA + EVENT, DATA + NUMBER],
            )
            .load(Reg::Rbp, Arg::Data(NUMBER))
    }
    fn set_timer(self, every: u64, first: u64) -> Script {
        let fields = [
            every / SECOND,
            every % SECOND,
            first / SECOND,
            first % SECOND,
        ];
        let script = (0..).zip(fields).fold(self, |script, (n, field)| {
            script.store(Arg::Data(SPEC + 8 * n), field)
        });
        let spec = Arg::Is(DATA + SPEC);
        script.call(
            linux::__NR_timer_settime,
            [Reg::Rbp.into(), Arg::Is(0), spec],
        )
    }
    fn sleep(self, ns: u64) -> Script {
        self.store(Arg::Data(SPEC), ns / SECOND)
            .store(Arg::Data(SPEC + 8), ns % SECOND)
            .sys(linux::__NR_nanosleep, &[DATA + SPEC, 0])
    }
    /// rt_sigtimedwait that does not wait; si_timerid and si_overrun go to rbx.
    fn take(self, signal: u64) -> Script {
        self.store(Arg::Data(SET), 1 << (signal - 1))
            .store(Arg::Data(SPEC), 0)
            .store(Arg::Data(SPEC + 8), 0)
            .sys(
                linux::__NR_rt_sigtimedwait,
                &[DATA + SET, DATA + INFO, DATA + SPEC, 8],
            )
            .load(Reg::Rbx, Arg::Data(INFO + 16))
    }
}

fn run(init: Script) -> Sim {
    let mut sim = Sim::boot(Config::default(), vec![init]);
    let end = sim.run(20_000);
    assert!(matches!(end, End::Off(_)), "{end:?}");
    sim
}

#[test]
fn overruns_are_those_missed_while_the_signal_waited() {
    let init = Script::new()
        .block(u64::MAX)
        .timer(1, RT)
        .set_timer(MS, MS)
        .sleep(10 * MS + MS / 2)
        .take(RT)
        .tell("signal", Reg::Rax)
        .tell("overrun", Reg::Rbx)
        .call(linux::__NR_timer_getoverrun, [Reg::Rbp.into()])
        .tell("call", Reg::Rax)
        // It goes on in its rhythm.
        .sleep(MS)
        .take(RT)
        .tell("next", Reg::Rbx)
        .sys(linux::__NR_exit_group, &[0]);
    let sim = run(init);
    assert_eq!(sim.told("signal"), [RT]);
    assert_eq!(sim.told("overrun"), [9 << 32]);
    assert_eq!(sim.told("call"), [9]);
    assert_eq!(sim.told("next"), [0]);
    finish(sim);
}

#[test]
fn a_short_interval_costs_nothing_while_its_signal_waits() {
    let init = Script::new()
        .block(u64::MAX)
        .store(Arg::Data(SPEC), 0)
        .store(Arg::Data(SPEC + 8), 1)
        .store(Arg::Data(SPEC + 16), 0)
        .store(Arg::Data(SPEC + 24), 1)
        .sys(linux::__NR_setitimer, &[0, DATA + SPEC, 0])
        .timer(1, RT)
        .set_timer(1, 1)
        .sleep(SECOND)
        .take(RT)
        .tell("overrun", Reg::Rbx)
        .sys(linux::__NR_exit_group, &[0]);
    let sim = run(init);
    assert!(sim.traps < 200, "{} traps", sim.traps);
    let overrun = sim.told("overrun")[0] >> 32;
    assert!(overrun > 900 * MS && overrun < 1100 * MS, "{overrun}");
    finish(sim);
}

#[test]
fn an_ignored_timer_is_no_storm() {
    let init = Script::new()
        .store(Arg::Data(SET), 1)
        .store(Arg::Data(SET + 8), 0)
        .store(Arg::Data(SET + 16), 0)
        .store(Arg::Data(SET + 24), 0)
        .sys(linux::__NR_rt_sigaction, &[RT, DATA + SET, 0, 8])
        .timer(1, RT)
        .set_timer(1, 1)
        .sleep(100 * MS)
        .sys(linux::__NR_exit_group, &[0]);
    let sim = run(init);
    assert!(sim.traps < 400, "{} traps", sim.traps);
    finish(sim);
}

#[test]
fn cpu_time_is_limited_softly_and_then_hard() {
    const XCPU: u64 = linux::SIGXCPU as u64;
    let init = Script::new()
        .sys(linux::__NR_fork, &[])
        .if_zero(Reg::Rax, "child")
        .sys(linux::__NR_wait4, &[u64::MAX, DATA + INFO, 0, 0])
        .load(Reg::Rbx, Arg::Data(INFO))
        .tell("status", Reg::Rbx)
        .sys(linux::__NR_exit_group, &[0])
        .label("child")
        .store(Arg::Data(SPEC), 1)
        .store(Arg::Data(SPEC + 8), 3)
        .sys(
            linux::__NR_setrlimit,
            &[linux::RLIMIT_CPU.into(), DATA + SPEC],
        )
        .tell("setrlimit", Reg::Rax)
        .store(Arg::Data(SET), Arg::Label("handler".into()))
        .store(Arg::Data(SET + 8), u64::from(linux::SA_RESTORER))
        .store(Arg::Data(SET + 16), Arg::Label("restorer".into()))
        .store(Arg::Data(SET + 24), 0)
        .sys(linux::__NR_rt_sigaction, &[XCPU, DATA + SET, 0, 8])
        .label("spin")
        .op(Op::Spin(10 * MS))
        .jump("spin")
        .label("handler")
        .tell("over", 1)
        .op(Op::Return)
        .label("restorer")
        .sys(linux::__NR_rt_sigreturn, &[]);
    let sim = run(init);
    assert_eq!(sim.told("setrlimit"), [0]);
    assert_eq!(sim.told("over"), [1, 1], "after one second and after two");
    assert_eq!(sim.told("status"), [9]);
    let time = sim.machine.time;
    assert!(
        (3 * SECOND..3 * SECOND + 100 * MS).contains(&time),
        "{time}"
    );
    finish(sim);
}

#[test]
fn timers_end_with_their_process_whatever_they_do() {
    let init = Script::new()
        .block(u64::MAX)
        // One whose signal waits, one that is armed, one by CPU time, one that was never set.
        .timer(1, RT)
        .set_timer(MS, MS)
        .timer(0, RT)
        .set_timer(0, 1000 * SECOND)
        .timer(2, RT)
        .set_timer(SECOND, 1000 * SECOND)
        .timer(1, RT)
        .sleep(5 * MS)
        .sys(linux::__NR_alarm, &[1000])
        .sys(linux::__NR_exit_group, &[0]);
    let sim = run(init);
    finish(sim);
}
