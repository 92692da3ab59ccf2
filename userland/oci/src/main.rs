//! The command line that callers of runc know. Containers are the kernel's; every command is a
//! call or two, and no state is kept outside the kernel.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod args;
mod bundle;
mod capabilities;
mod commands;
mod document;
mod events;
mod help;
mod log;
mod options;
mod plan;
mod properties;
mod ps;
mod show;
mod signals;
mod spec;
mod translate;
mod update;

use std::process::ExitCode;

fn main() -> ExitCode {
    let (global, command) = args::parse(std::env::args_os().skip(1));
    let log = log::Log {
        file: global.log,
        format: global.log_format,
        debug: global.debug,
    };
    let done = command
        .map_err(|usage| usage.to_string())
        .and_then(|command| commands::execute(command, &log));
    match done {
        Ok(code) => ExitCode::from(code),
        Err(text) => {
            log.error(&text);
            ExitCode::FAILURE
        }
    }
}
