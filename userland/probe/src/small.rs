//! Commands of a few lines.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;

use berth_sys::audit::pause_ms;
use berth_sys::handler::{self, Manner};
use rustix::process::{Signal, getpid, kill_process};

use crate::{Done, Failure, elf, failed};

/// Sends the signal to this process; coming back is a failure.
pub fn kill(number: i32) -> Done {
    let signal = Signal::from_named_raw(number)
        .ok_or_else(|| Failure(2, format!("{number} is not a signal")))?;
    kill_process(getpid(), signal).map_err(|errno| failed(format!("kill: {errno}")))?;
    Err(failed(format!("signal {number} did not end this process")))
}

/// Signals that end `hold`. Without a handler they would not reach process 1 of a namespace.
const ENDING: [i32; 2] = [2, 15];

/// Waits for a signal, then exits with `code`.
pub fn hold(code: u8) -> Done {
    for signal in ENDING {
        handler::count(signal, Manner::Interrupt)
            .map_err(|errno| failed(format!("sigaction: {errno}")))?;
    }
    println!("holding");
    let _ = std::io::stdout().flush();
    while ENDING.iter().all(|signal| handler::taken(*signal) == 0) {
        // A signal that comes just before is seen at the next look.
        pause_ms(200);
    }
    if code == 0 {
        Ok(())
    } else {
        Err(Failure(code, String::new()))
    }
}

/// A pipe: the end to read and the end to write.
pub fn pipe() -> std::io::Result<(File, File)> {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    Ok((reader.into(), writer.into()))
}

/// Writes the smallest program that exits with 0.
pub fn make_true(path: &str) -> Done {
    write_true(path).map_err(|error| failed(format!("{path}: {error}")))
}

/// As [`make_true`], for callers of their own.
pub fn write_true(path: &str) -> std::io::Result<()> {
    std::fs::write(path, elf::exit_program(0))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))
}
