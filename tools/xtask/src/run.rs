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
use anyhow::{Context, Result};
use std::io::IsTerminal;

/// Seconds a machine may take. The emulator is slow, and some hosts are much slower than others.
const TIMEOUT: u64 = 120;

/// Boots as `options` say; the value is the exit status.
pub fn run(paths: &Paths, options: &RunOptions) -> Result<u8> {
    if options.build {
        build::all(paths)?;
    }
    let dir = RunDir::create(paths, options.log_dir.as_deref())?;
    let archive = initramfs::for_run(paths, options)?;
    std::fs::write(dir.initramfs(), archive)
        .with_context(|| format!("cannot write {}", dir.initramfs().display()))?;

    let interactive = options.command.is_empty() && std::io::stdin().is_terminal();
    let append = kernel_parameters(options, interactive);
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

/// The kernel command line: how init is to behave, then what the caller adds.
fn kernel_parameters(options: &RunOptions, interactive: bool) -> String {
    let mut words = vec![if options.command.is_empty() {
        "mode=demo"
    } else {
        "mode=cmd"
    }];
    if interactive {
        words.push("shell");
    }
    if options.icount {
        words.push("figures");
    }
    words.extend(options.append.iter().map(String::as_str));
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
            kernel_parameters(&options, false),
            "mode=demo loglevel=debug"
        );
        assert_eq!(
            kernel_parameters(&options, true),
            "mode=demo shell loglevel=debug"
        );
        options.command.push("true".into());
        assert_eq!(
            kernel_parameters(&options, false),
            "mode=cmd loglevel=debug"
        );
    }
}
