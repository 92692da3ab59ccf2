//! `cargo xtask`: the one tool that builds Berth, boots it, tests it and checks its sources.
//!
//! One file per subject; `args` lists every command.

#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod args;
mod build;
mod check;
mod control;
mod cpio;
mod explain;
mod initramfs;
mod judge;
mod oracle;
mod package;
mod paths;
mod payloads;
mod process;
mod qemu;
mod run;
mod rundir;
mod setup;
mod streams;
mod symbols;
mod terminal;
mod testing;
mod tidy;
mod toolchain;
mod tree;

use args::Command;
use std::process::ExitCode;

fn main() -> ExitCode {
    let command = match args::parse(std::env::args_os().skip(1)) {
        Ok(command) => command,
        Err(error) => {
            eprintln!("xtask: {error}\n{}", args::USAGE);
            return ExitCode::from(2);
        }
    };
    match dispatch(command) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            eprintln!("xtask: {error:#}");
            // 125, as other container tools use it: the tool failed, not the command it ran.
            ExitCode::from(125)
        }
    }
}

/// Runs one command; the value is the exit status.
fn dispatch(command: Command) -> anyhow::Result<u8> {
    let paths = paths::Paths::find()?;
    match command {
        Command::Help => {
            println!("{}", args::USAGE);
            Ok(0)
        }
        Command::Setup => setup::all(&paths).map(|()| 0),
        Command::Build => build::all(&paths).map(|()| 0),
        Command::Test => testing::all(&paths).map(|()| 0),
        Command::TestHost => testing::host(&paths).map(|()| 0),
        Command::TestQemu(filter) => testing::qemu(&paths, filter.as_deref()).map(|()| 0),
        Command::TestOracle(bless) => oracle::all(&paths, bless).map(|()| 0),
        Command::Check => check::all(&paths).map(|()| 0),
        Command::Tidy(bless) => tidy::all(&paths, bless).map(|()| 0),
        Command::Payload(name) => payloads::one(&paths, &name).map(|file| {
            println!("{}", file.display());
            0
        }),
        Command::Run(options) => run::run(&paths, &options),
    }
}
