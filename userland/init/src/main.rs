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

use children::{Events, Waited};
use command::{Command, Ending, Streams};
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
    match Events::listen() {
        Ok(events) => work(&events, &mut control),
        Err(errno) => eprintln!("init: cannot take signals: {errno}"),
    }
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

/// Runs the command that the image names, or the demo and then, for a person, a shell.
fn work(events: &Events, control: &mut Control) {
    let person = setup::kernel_parameter("tty");
    if person {
        setup::window_size();
    }
    let command = Command::from_image();
    let streams = match (person, &command) {
        (true, _) => Streams::Terminal,
        (false, Some(_)) => Streams::Ports,
        (false, None) => Streams::OnePort,
    };
    if let Some(command) = command {
        run(&command, streams, events, control);
        return;
    }
    let demo = Command::new(&["sh", "/etc/demo.sh"]);
    if run(&demo, streams, events, control) == Waited::Shutdown || !person {
        return;
    }
    println!("{WELCOME}");
    run(&Command::new(&["sh", "-l"]), streams, events, control);
}

/// Said before the shell.
const WELCOME: &str = "
This is a shell outside of any container. Ctrl-D, exit or poweroff ends the machine.";

/// Runs `command` to its end, which the host is told; orphans that end meanwhile are reaped.
/// Who wants the machine to end before has no complaint about the command.
fn run(command: &Command, streams: Streams, events: &Events, control: &mut Control) -> Waited {
    let waited = match command.spawn(streams) {
        Ok(pid) => events.wait_for(pid),
        Err(failure) => {
            streams.complain(&failure.text);
            Waited::Ended(Ending::Exit(failure.code))
        }
    };
    let ending = match waited {
        Waited::Ended(ending) => ending,
        Waited::Shutdown => Ending::Exit(0),
    };
    control.say(&ending.to_string());
    waited
}
