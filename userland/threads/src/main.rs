//! The standard library's threads, channels, locks, timers and child processes, used as programs
//! use them, with the results as TAP. It knows nothing of Berth; unlike the other programs it is
//! built to unwind, so that panics can be caught.
#![forbid(unsafe_code)]

mod exchange;
mod lifetimes;
mod sharing;

use std::process::ExitCode;

/// What a case finds: nothing, or what is not as it should be.
type Verdict = Result<(), String>;
/// A case: its name and what it does.
type Case = (&'static str, fn() -> Verdict);

/// Fails with what was found unless it is what was wanted.
fn same<T: PartialEq + std::fmt::Debug>(what: &str, found: T, wanted: T) -> Verdict {
    if found == wanted {
        Ok(())
    } else {
        Err(format!("{what}: {found:?}, not {wanted:?}"))
    }
}

/// Names what failed.
fn told<T, E: std::fmt::Debug>(what: &str, result: Result<T, E>) -> Result<T, String> {
    result.map_err(|error| format!("{what}: {error:?}"))
}

fn main() -> ExitCode {
    // Started by a case, as a child.
    if let Some(word) = std::env::args().nth(1) {
        return lifetimes::child(&word);
    }
    // Panics are part of the plan: they need not be told.
    std::panic::set_hook(Box::new(|_| {}));
    let cases: Vec<&Case> = [exchange::CASES, lifetimes::CASES, sharing::CASES]
        .into_iter()
        .flatten()
        .collect();
    println!("1..{}", cases.len());
    let mut failed = false;
    for (number, (name, run)) in (1..).zip(cases) {
        let verdict = std::panic::catch_unwind(run).unwrap_or(Err("it panicked".to_owned()));
        match verdict {
            Ok(()) => println!("ok {number} - {name}"),
            Err(reason) => {
                failed = true;
                println!("not ok {number} - {name} # {reason}");
            }
        }
    }
    ExitCode::from(u8::from(failed))
}
