//! Test results in the Test Anything Protocol.

use std::io::Write;

use crate::{Done, failed};

/// A stream of results on standard output.
pub struct Tap {
    done: u32,
    failures: u32,
}

impl Tap {
    /// Promises `count` results.
    pub fn plan(count: usize) -> Self {
        say(&format!("1..{count}"));
        Self {
            done: 0,
            failures: 0,
        }
    }

    /// One result: nothing, or why it failed.
    pub fn result(&mut self, name: &str, result: &Result<(), String>) {
        self.done = self.done.saturating_add(1);
        match result {
            Ok(()) => say(&format!("ok {} - {name}", self.done)),
            Err(reason) => {
                self.failures = self.failures.saturating_add(1);
                let reason = reason.replace('\n', " ");
                say(&format!("not ok {} - {name} # {reason}", self.done));
            }
        }
    }

    /// Fails when a result did.
    pub fn finish(self) -> Done {
        match self.failures {
            0 => Ok(()),
            count => Err(failed(format!("{count} of {} failed", self.done))),
        }
    }
}

/// A remark between results.
pub fn remark(text: &str) {
    say(&format!("# {}", text.replace('\n', " ")));
}

/// One line, written at once so that what a dying process said is not lost.
fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody is left to tell when standard output is gone; the plan then stays incomplete.
    let _ = out
        .write_all(format!("{line}\n").as_bytes())
        .and_then(|()| out.flush());
}
