//! `cargo xtask run`: the one door to the machine, for people and tests alike.

use crate::args::RunOptions;
use crate::build;
use crate::control::Report;
use crate::explain::explain;
use crate::initramfs;
use crate::judge::{MACHINE_FAILED, Verdict, judge};
use crate::paths::Paths;
use crate::qemu::{Machine, boot};
use crate::rundir::RunDir;
use crate::terminal;
use anyhow::{Context, Result, bail};
use std::io::IsTerminal;

/// Seconds a machine may take. The emulator is slow, and some hosts are much slower than others.
const TIMEOUT: u64 = 120;

/// Boots as `options` say; the value is the exit status.
pub fn run(paths: &Paths, options: &RunOptions) -> Result<u8> {
    let interactive = interactive(options, std::io::stdin().is_terminal())?;
    if options.build {
        build::all(paths)?;
    }
    let dir = RunDir::create(paths, options.log_dir.as_deref())?;
    let mut env = options.env.clone();
    if interactive {
        // What the caller says comes later and counts.
        env.splice(0..0, terminal::kind());
    }
    let archive = initramfs::for_run(paths, options, &env)?;
    std::fs::write(dir.initramfs(), archive)
        .with_context(|| format!("cannot write {}", dir.initramfs().display()))?;

    let size = interactive.then(terminal::size).flatten();
    let append = kernel_parameters(options, interactive, size);
    let ended = boot(
        &Machine {
            kernel: &paths.kernel_elf(),
            memory: &options.memory,
            append: &append,
            icount: options.icount,
            timeout: options.timeout.or((!interactive).then_some(TIMEOUT)),
            interactive,
        },
        &dir,
    )?;
    // Some MiB, and made again from its parts by the next run.
    std::fs::remove_file(dir.initramfs()).context("cannot remove the run's initramfs")?;

    let report = Report::parse(&ended.control);
    for (name, value) in &report.icounts {
        eprintln!("berth: icount {name} {value}");
    }
    for name in &report.tap.failed {
        eprintln!("xtask: not ok: {name}");
    }
    Ok(match judge(ended.end, &report) {
        Verdict::Command(status) => status,
        Verdict::Failed(reason) => {
            explain(&reason, &dir);
            MACHINE_FAILED
        }
    })
}

/// Whether the person at our terminal talks to the guest: there is one, and what runs is for people.
fn interactive(options: &RunOptions, terminal: bool) -> Result<bool> {
    if options.tty && !terminal {
        bail!("--tty: the standard input is not a terminal");
    }
    Ok(terminal && (options.tty || options.command.is_empty()))
}

/// The kernel command line: how init is to behave, then what the caller adds.
fn kernel_parameters(options: &RunOptions, interactive: bool, size: Option<(u16, u16)>) -> String {
    let mode = if options.command.is_empty() {
        "mode=demo"
    } else {
        "mode=cmd"
    };
    let mut words = vec![mode.to_owned()];
    if interactive {
        words.push("tty".to_owned());
    }
    if let Some((rows, columns)) = size {
        words.push(format!("winsize={rows}x{columns}"));
    }
    if options.icount {
        words.push("figures".to_owned());
    }
    words.extend(options.append.iter().cloned());
    words.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_words_come_last() {
        let mut options = RunOptions::default();
        options.append.push(String::from("loglevel=debug"));
        assert_eq!(
            kernel_parameters(&options, false, None),
            "mode=demo loglevel=debug"
        );
        assert_eq!(
            kernel_parameters(&options, true, Some((24, 80))),
            "mode=demo tty winsize=24x80 loglevel=debug"
        );
        options.command.push("true".into());
        assert_eq!(
            kernel_parameters(&options, false, None),
            "mode=cmd loglevel=debug"
        );
    }

    #[test]
    fn a_command_talks_to_people_only_when_asked_to() {
        let mut options = RunOptions::default();
        assert!(interactive(&options, true).is_ok_and(|yes| yes));
        assert!(interactive(&options, false).is_ok_and(|yes| !yes));
        options.command.push("true".into());
        assert!(interactive(&options, true).is_ok_and(|yes| !yes));
        options.tty = true;
        assert!(interactive(&options, true).is_ok_and(|yes| yes));
        assert!(interactive(&options, false).is_err());
    }
}
