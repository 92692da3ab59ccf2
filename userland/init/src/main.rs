//! Process 1: prepares the file systems, runs one command or the demo, tells the host how it ended
//! and whether the kernel is as it was before, and switches the machine off.
#![forbid(unsafe_code)]
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used))]

mod children;
mod command;
mod control;
mod leaks;
mod setup;

use std::process::ExitCode;

use command::{Command, Ending, Terminal};
use control::Control;
use rustix::system::RebootCommand;

fn main() -> ExitCode {
    // It kills every process and switches the machine off: not what anybody wants elsewhere.
    if std::process::id() != 1 {
        eprintln!("init: only for process 1");
        return ExitCode::from(2);
    }
    setup::file_systems();
    setup::standard_streams();
    let mut control = Control::open();
    control.say("ready");
    let baseline = leaks::Baseline::take();
    work(&mut control);
    children::end_containers();
    children::end_processes();
    baseline.report(setup::kernel_parameter("audit=strict"), &mut control);
    match rustix::system::reboot(RebootCommand::PowerOff) {
        Ok(()) => ExitCode::SUCCESS,
        Err(errno) => {
            eprintln!("init: cannot switch the machine off: {errno}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the command that the image names, or the demo and then perhaps a shell.
fn work(control: &mut Control) {
    match Command::from_image() {
        Some(command) => control.say(&run(&command, &Terminal::for_command()).to_string()),
        None => {
            let demo = Command::new(&["sh", "/etc/demo.sh"]);
            let people = setup::kernel_parameter("shell");
            let terminal = match people {
                true => Terminal::for_people(),
                false => Terminal::for_nobody(),
            };
            control.say(&run(&demo, &terminal).to_string());
            if people {
                run(&Command::new(&["sh"]), &Terminal::for_people());
            }
        }
    }
}

/// Runs `command` to its end; orphans that end meanwhile are reaped.
fn run(command: &Command, terminal: &Terminal) -> Ending {
    match command.spawn(terminal) {
        Ok(pid) => children::wait_for(pid),
        Err(failure) => {
            terminal.complain(&failure.text);
            Ending::Exit(failure.code)
        }
    }
}
