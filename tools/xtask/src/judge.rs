//! From the way QEMU ended and what the guest reported to one verdict.
//!
//! The kernel writes to isa-debug-exit: 0x10 at a clean power-off (status 33), 0x11 after a panic (status 35). Any other end
//! is a death; a triple fault under `-no-reboot` gives status 0, so 0 is a failure too. A word in a log never decides.

use crate::control::Report;
use std::fmt;

/// Exit status of `run` when the machine, not the command, failed.
pub const MACHINE_FAILED: u8 = 125;

/// How the QEMU process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QemuEnd {
    /// With this exit status.
    Status(i32),
    /// By this signal.
    Signal(i32),
    /// We ended it: the time ran out after so many seconds.
    TimedOut(u64),
    /// We ended it: the person at the terminal said so.
    Abandoned,
}

/// What a run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// The command ran to its end; this is the status a shell would give.
    Command(u8),
    /// The machine failed.
    Failed(Reason),
}

/// Why the machine failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reason {
    /// The kernel stopped itself.
    Panicked,
    /// QEMU ended with a status that means nothing, which is also what a triple fault looks like.
    Died(i32),
    /// QEMU was killed.
    Killed(i32),
    /// The time ran out.
    TimedOut(u64),
    /// Somebody pressed Ctrl-].
    Abandoned,
    /// A clean power-off, but nobody said how the command ended.
    NoEnding { ready: bool },
    /// The guest's own tests failed or are incomplete although the command claims success.
    Tap(String),
    /// Objects were left over.
    Leak(String),
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Panicked => f.write_str("kernel panic"),
            Self::Died(0) => {
                f.write_str("QEMU ended with status 0 and no power-off: a triple fault")
            }
            Self::Died(status) => write!(f, "QEMU ended with status {status}"),
            Self::Killed(signal) => write!(f, "QEMU was killed by signal {signal}"),
            Self::TimedOut(seconds) => write!(f, "the time ran out after {seconds} s"),
            Self::Abandoned => f.write_str("ended from the terminal"),
            Self::NoEnding { ready: true } => {
                f.write_str("power-off, but init did not say how the command ended")
            }
            Self::NoEnding { ready: false } => f.write_str("power-off before init was ready"),
            Self::Tap(fault) => f.write_str(fault),
            Self::Leak(leaks) => write!(f, "left over after the run: {leaks}"),
        }
    }
}

/// The verdict on one run.
pub fn judge(end: QemuEnd, report: &Report) -> Verdict {
    let reason = match end {
        QemuEnd::Status(33) => return judge_report(report),
        QemuEnd::Status(35) => Reason::Panicked,
        QemuEnd::Status(status) => Reason::Died(status),
        QemuEnd::Signal(signal) => Reason::Killed(signal),
        QemuEnd::TimedOut(seconds) => Reason::TimedOut(seconds),
        QemuEnd::Abandoned => Reason::Abandoned,
    };
    Verdict::Failed(reason)
}

fn judge_report(report: &Report) -> Verdict {
    let Some(ending) = report.ending else {
        return Verdict::Failed(Reason::NoEnding {
            ready: report.ready,
        });
    };
    if !report.leaks.is_empty() {
        return Verdict::Failed(Reason::Leak(report.leaks.join("; ")));
    }
    match (ending.status(), report.tap.fault()) {
        (0, Some(fault)) => Verdict::Failed(Reason::Tap(fault)),
        (status, _) => Verdict::Command(status),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdict(end: QemuEnd, channel: &str) -> Verdict {
        judge(end, &Report::parse(channel.as_bytes()))
    }

    #[test]
    fn a_code_counts_only_with_a_clean_power_off_and_the_line() {
        let exit7 = "berth: ready\nberth: exit 7\n";
        assert_eq!(verdict(QemuEnd::Status(33), exit7), Verdict::Command(7));
        assert_eq!(
            verdict(QemuEnd::Status(33), "berth: signal 9\n"),
            Verdict::Command(137)
        );
        assert_eq!(
            verdict(QemuEnd::Status(35), exit7),
            Verdict::Failed(Reason::Panicked)
        );
        assert_eq!(
            verdict(QemuEnd::Status(0), exit7),
            Verdict::Failed(Reason::Died(0))
        );
        assert_eq!(
            verdict(QemuEnd::Status(1), exit7),
            Verdict::Failed(Reason::Died(1))
        );
        assert_eq!(
            verdict(QemuEnd::Signal(9), exit7),
            Verdict::Failed(Reason::Killed(9))
        );
        assert_eq!(
            verdict(QemuEnd::TimedOut(5), exit7),
            Verdict::Failed(Reason::TimedOut(5))
        );
        assert_eq!(
            verdict(QemuEnd::Status(33), ""),
            Verdict::Failed(Reason::NoEnding { ready: false })
        );
        assert_eq!(
            verdict(QemuEnd::Status(33), "berth: ready\n"),
            Verdict::Failed(Reason::NoEnding { ready: true })
        );
    }

    #[test]
    fn success_needs_the_whole_plan_and_no_leak() {
        let ok = QemuEnd::Status(33);
        assert_eq!(
            verdict(ok, "1..1\nok 1\nberth: exit 0\n"),
            Verdict::Command(0)
        );
        assert!(matches!(
            verdict(ok, "1..2\nok 1\nberth: exit 0\n"),
            Verdict::Failed(Reason::Tap(_))
        ));
        assert_eq!(
            verdict(ok, "1..2\nok 1\nberth: exit 3\n"),
            Verdict::Command(3)
        );
        assert!(matches!(
            verdict(ok, "berth: exit 0\nberth: audit leak x\n"),
            Verdict::Failed(Reason::Leak(_))
        ));
    }
}
