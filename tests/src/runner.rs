//! Runs cases side by side and prints the results.

use crate::case::{Case, Failure};
use crate::door::Door;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Instant;

/// The end of one case.
struct Ended<'a> {
    case: &'a Case,
    seconds: f32,
    result: Result<(), Failure>,
}

/// Runs `cases` with `jobs` machines at a time. The last line printed is `N passed, N failed`.
pub fn run(cases: &[Case], xtask: &Path, logs: &Path, jobs: usize) -> ExitCode {
    let next = AtomicUsize::new(0);
    let (sender, receiver) = mpsc::channel();
    let (mut passed, mut failed) = (0_usize, 0_usize);
    thread::scope(|scope| {
        for _ in 0..jobs.clamp(1, cases.len().max(1)) {
            let sender = sender.clone();
            scope.spawn(|| work(cases, &next, xtask, logs, sender));
        }
        drop(sender);
        for ended in receiver {
            let name = ended.case.name;
            match ended.result {
                Ok(()) => {
                    passed = passed.saturating_add(1);
                    println!("ok     {name} ({:.1} s)", ended.seconds);
                }
                Err(failure) => {
                    failed = failed.saturating_add(1);
                    println!("FAILED {name} ({:.1} s)", ended.seconds);
                    println!("       {failure}");
                    println!("       logs: {}", logs.join(name).display());
                }
            }
        }
    });
    println!("{passed} passed, {failed} failed");
    // A worker that died has sent nothing for its case.
    if failed == 0 && passed == cases.len() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Takes cases until none is left.
fn work<'a>(
    cases: &'a [Case],
    next: &AtomicUsize,
    xtask: &Path,
    logs: &Path,
    results: Sender<Ended<'a>>,
) {
    while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
        let begun = Instant::now();
        let result = run_one(case, xtask, logs);
        let ended = Ended {
            case,
            seconds: begun.elapsed().as_secs_f32(),
            result,
        };
        if results.send(ended).is_err() {
            return;
        }
    }
}

fn run_one(case: &Case, xtask: &Path, logs: &Path) -> Result<(), Failure> {
    let dir = logs.join(case.name);
    // Logs of the last time would be read as those of this time.
    match std::fs::remove_dir_all(&dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(format!("cannot clear {}: {error}", dir.display()));
        }
        _ => {}
    }
    std::fs::create_dir_all(&dir)
        .map_err(|error| format!("cannot make {}: {error}", dir.display()))?;
    (case.run)(&Door::new(xtask, dir))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn case(name: &'static str, run: fn(&Door) -> Result<(), Failure>) -> Case {
        Case { name, run }
    }

    #[test]
    fn one_failure_fails_the_run() {
        let logs = std::env::temp_dir().join(format!("berth-runner-{}", std::process::id()));
        let good = case("good", |_| Ok(()));
        let bad = case("bad", |_| Err(String::from("as it should")));
        let none = Path::new("/nonexistent");
        let all_good = run(std::slice::from_ref(&good), none, &logs, 2);
        let one_bad = run(&[good, bad], none, &logs, 2);
        std::fs::remove_dir_all(&logs).unwrap();
        assert_eq!(format!("{all_good:?}"), format!("{:?}", ExitCode::SUCCESS));
        assert_eq!(format!("{one_bad:?}"), format!("{:?}", ExitCode::FAILURE));
    }

    #[test]
    fn a_door_that_cannot_open_is_a_failure() {
        let logs = std::env::temp_dir().join(format!("berth-door-{}", std::process::id()));
        let result = run_one(
            &case("shut", |door| door.run(&["true"])?.code(0)?.done()),
            Path::new("/nonexistent"),
            &logs,
        );
        std::fs::remove_dir_all(&logs).unwrap();
        assert!(result.is_err_and(|failure| failure.contains("cannot start the door")));
    }
}
