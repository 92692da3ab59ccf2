//! The way into the machine: `xtask run` as a process.

use crate::case::{Failure, ensure};
use crate::person::Person;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

/// Exit status of `xtask run` when the machine failed.
pub const MACHINE_FAILED: i32 = 125;

/// Seconds a machine may take unless the case says otherwise. Hosts differ by a factor of ten, so this is generous.
const TIMEOUT: u32 = 90;

/// Hands out machines to one case.
pub struct Door {
    xtask: PathBuf,
    logs: PathBuf,
    boots: AtomicU32,
}

impl Door {
    /// A door whose machines log below `logs`.
    pub fn new(xtask: &Path, logs: PathBuf) -> Self {
        Self {
            xtask: xtask.to_path_buf(),
            logs,
            boots: AtomicU32::new(0),
        }
    }

    /// A machine with the defaults.
    pub fn machine(&self) -> Machine {
        let boot = self.boots.fetch_add(1, Ordering::Relaxed);
        let logs = self.logs.join(format!("boot{boot}"));
        let mut command = Command::new(&self.xtask);
        command.args(["run", "--no-build", "--log-dir"]).arg(&logs);
        Machine {
            command,
            logs,
            timeout: TIMEOUT,
        }
    }

    /// The file of a program of others, fetched or built if it is not there.
    pub fn payload(&self, name: &str) -> Result<PathBuf, Failure> {
        let output = Command::new(&self.xtask)
            .args(["payload", name])
            .output()
            .map_err(|error| format!("cannot start the door: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        match text.lines().last() {
            Some(path) if output.status.success() => Ok(PathBuf::from(path)),
            _ => Err(format!(
                "no program {name}: {}",
                tail(&String::from_utf8_lossy(&output.stderr))
            )),
        }
    }

    /// Runs a command in a machine with the defaults.
    pub fn run<S: AsRef<OsStr>>(&self, command: &[S]) -> Result<Outcome, Failure> {
        self.machine().run(command)
    }

    /// Runs a script with the guest's shell.
    pub fn sh(&self, script: &str) -> Result<Outcome, Failure> {
        self.run(&["/bin/sh", "-c", script])
    }
}

/// A machine that has not booted yet.
pub struct Machine {
    command: Command,
    logs: PathBuf,
    timeout: u32,
}

impl Machine {
    /// Adds kernel parameters.
    pub fn append(mut self, words: &str) -> Self {
        self.command.args(["--append", words]);
        self
    }

    /// Counts instructions and tells the figures.
    pub fn icount(mut self) -> Self {
        self.command.arg("--icount");
        self
    }

    /// Sets the memory size, such as `64M`.
    pub fn memory(mut self, size: &str) -> Self {
        self.command.args(["--mem", size]);
        self
    }

    /// Sets the seconds the machine may take.
    pub fn timeout(mut self, seconds: u32) -> Self {
        self.timeout = seconds;
        self
    }

    /// Puts `tests/bundles/NAME` at `/bundles/NAME`, with a root file system that has busybox and probe.
    pub fn bundle(mut self, name: &str) -> Self {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("bundles")
            .join(name);
        let pair = format!("{name}={}", dir.display());
        self.command.args(["--bundle", &pair, "--rootfs", name]);
        self
    }

    /// Boots with a person at the terminal, who talks to `command`, or to what runs without one.
    pub fn person(mut self, command: &[&str]) -> Result<Person, Failure> {
        if !command.is_empty() {
            self.command.args(["--tty", "--"]).args(command);
        }
        std::fs::create_dir_all(&self.logs)
            .map_err(|error| format!("cannot make {}: {error}", self.logs.display()))?;
        Person::sits_at(self.command, self.logs.join("terminal"))
    }

    /// Puts a file of the host at a place in the guest.
    pub fn file(mut self, guest: &str, host: &Path) -> Self {
        self.command
            .args(["--file", &format!("{guest}={}", host.display())]);
        self
    }

    /// Boots and runs `command`.
    pub fn run<S: AsRef<OsStr>>(mut self, command: &[S]) -> Result<Outcome, Failure> {
        self.command
            .args(["--timeout", &self.timeout.to_string(), "--"]);
        self.command.args(command).stdin(Stdio::null());
        let output = self
            .command
            .output()
            .map_err(|error| format!("cannot start the door: {error}"))?;
        let outcome = Outcome {
            code: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        };
        for (name, text) in [("stdout", &outcome.stdout), ("stderr", &outcome.stderr)] {
            std::fs::write(self.logs.join(name), text)
                .map_err(|error| format!("cannot keep {name}: {error}"))?;
        }
        Ok(outcome)
    }
}

/// What a machine left.
#[derive(Debug)]
pub struct Outcome {
    code: Option<i32>,
    stdout: String,
    stderr: String,
}

impl Outcome {
    /// Fails unless the door exited with `code`.
    pub fn code(&self, code: i32) -> Result<&Self, Failure> {
        ensure(self.code == Some(code), || {
            let got = self
                .code
                .map_or_else(|| String::from("a signal"), |code| code.to_string());
            format!(
                "expected exit code {code}, got {got}; stderr: {}",
                tail(&self.stderr)
            )
        })?;
        Ok(self)
    }

    /// What came as errors, and the figures.
    pub fn stderr(&self) -> &str {
        &self.stderr
    }

    /// What came out.
    pub fn stdout(&self) -> &str {
        &self.stdout
    }

    /// Fails unless stdout is exactly `text`.
    pub fn stdout_is(&self, text: &str) -> Result<&Self, Failure> {
        ensure(self.stdout == text, || {
            format!("expected stdout {text:?}, got {:?}", self.stdout)
        })?;
        Ok(self)
    }

    /// Fails unless a line of stdout is exactly `line`.
    pub fn stdout_line(&self, line: &str) -> Result<&Self, Failure> {
        ensure(self.stdout.lines().any(|found| found == line), || {
            format!("no line {line:?} in stdout {:?}", self.stdout)
        })?;
        Ok(self)
    }

    /// Fails unless stderr is exactly `text`.
    pub fn stderr_is(&self, text: &str) -> Result<&Self, Failure> {
        ensure(self.stderr == text, || {
            format!("expected stderr {text:?}, got {:?}", self.stderr)
        })?;
        Ok(self)
    }

    /// Fails unless stderr holds `text`.
    pub fn stderr_has(&self, text: &str) -> Result<&Self, Failure> {
        ensure(self.stderr.contains(text), || {
            format!("no {text:?} in stderr {:?}", self.stderr)
        })?;
        Ok(self)
    }

    /// The end of a chain of checks.
    #[expect(
        clippy::unnecessary_wraps,
        reason = "the last link of a chain that ends a case"
    )]
    pub fn done(&self) -> Result<(), Failure> {
        Ok(())
    }
}

/// The last lines of a text, for a message.
fn tail(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    let skipped = lines.len().saturating_sub(6);
    lines
        .into_iter()
        .skip(skipped)
        .collect::<Vec<_>>()
        .join(" / ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(code: Option<i32>) -> Outcome {
        Outcome {
            code,
            stdout: String::from("one\ntwo\n"),
            stderr: String::from("kernel panic\n"),
        }
    }

    #[test]
    fn checks_can_fail() {
        let seven = outcome(Some(7));
        assert!(
            seven
                .code(7)
                .and_then(|o| o.stdout_is("one\ntwo\n"))
                .is_ok()
        );
        assert!(seven.code(0).is_err() && outcome(None).code(7).is_err());
        assert!(seven.stdout_is("one\n").is_err());
        assert!(seven.stdout_line("two").is_ok() && seven.stdout_line("tw").is_err());
        assert!(seven.stderr_has("panic").is_ok() && seven.stderr_has("fault").is_err());
        assert!(seven.stderr_is("kernel panic\n").is_ok() && seven.stderr_is("").is_err());
    }
}
