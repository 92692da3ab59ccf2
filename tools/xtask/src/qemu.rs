//! Starting QEMU, carrying its streams, and ending it.
//!
//! The guest has four serial ports, one for each kind of talk, so that none needs escaping and none is mixed with another:
//! COM1 the command's stdin and stdout, COM2 the kernel's log, COM3 the control channel, COM4 the command's stderr. Each is
//! one end of a socket pair whose other end is ours: no file to leave behind, no name to collide.

use crate::judge::QemuEnd;
use crate::process::find_program;
use crate::rundir::RunDir;
use crate::setup::QEMU;
use crate::streams::{collect, file, forward_stdin, pump, sink};
use crate::terminal::RawTerminal;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::IsTerminal;
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

/// What every machine has. No default devices: each costs time at boot, and the kernel drives none of them.
const MACHINE: &str = "-M q35 -cpu max -nodefaults -bios qboot.rom -display none -no-reboot -monitor none \
                       -device isa-debug-exit,iobase=0xf4,iosize=4";

/// A machine to boot.
pub struct Machine<'a> {
    /// The kernel's ELF file.
    pub kernel: &'a Path,
    /// Memory size.
    pub memory: &'a str,
    /// The kernel command line.
    pub append: &'a str,
    /// Whether guest time counts instructions.
    pub icount: bool,
    /// Seconds until the machine is ended.
    pub timeout: Option<u64>,
    /// Whether a person at our terminal talks to the guest.
    pub interactive: bool,
}

/// What is left when a machine has ended.
pub struct Ended {
    /// How QEMU ended.
    pub end: QemuEnd,
    /// All that came over the control channel.
    pub control: Vec<u8>,
}

/// Our ends of the four serial ports.
struct Ports {
    console: UnixStream,
    log: UnixStream,
    control: UnixStream,
    errors: UnixStream,
}

/// Boots, carries the streams until QEMU ends or the time runs out.
pub fn boot(machine: &Machine<'_>, dir: &RunDir) -> Result<Ended> {
    let mut command = command_line(machine, dir)?;
    let (ports, guest_ends) = attach_ports(&mut command)?;
    let child = command
        .spawn()
        .with_context(|| format!("cannot start {QEMU}"))?;
    // Only QEMU may hold these now: the end of the machine is the end of the streams.
    drop(guest_ends);
    let (sender, events) = mpsc::channel();
    let escape = sender.clone();
    // A terminal belongs to the command only when a person is to talk to it; else it would have two readers.
    let _raw = machine.interactive.then(RawTerminal::enter).transpose()?;
    if machine.interactive || !std::io::stdin().is_terminal() {
        forward_stdin(ports.console.try_clone()?, move || {
            // When nobody listens any more, QEMU has ended already.
            let _ = escape.send(Event::Escape);
        });
    }

    let console = pump(ports.console, vec![sink(std::io::stdout())]);
    let errors = pump(ports.errors, vec![sink(std::io::stderr())]);
    let log = pump(ports.log, vec![file(&dir.kernel_log())?]);
    let control = ports.control.try_clone()?;
    let control_log = file(&dir.control_log())?;
    let control = thread::spawn(move || collect(control, control_log));

    let end = wait(child, machine.timeout, &events, sender)?;
    for pump in [console, errors, log] {
        pump.join()
            .map_err(|_| anyhow::anyhow!("a stream's thread panicked"))?;
    }
    let control = control
        .join()
        .map_err(|_| anyhow::anyhow!("the control channel's thread panicked"))?;
    Ok(Ended { end, control })
}

fn command_line(machine: &Machine<'_>, dir: &RunDir) -> Result<Command> {
    let qemu =
        find_program(QEMU).with_context(|| format!("{QEMU} is not installed; run make setup"))?;
    let mut command = match find_program("setpriv") {
        // Should we die in any way, the kernel kills QEMU.
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL"]).arg(qemu);
            command
        }
        None => Command::new(qemu),
    };
    let accel = std::env::var("BERTH_ACCEL").unwrap_or_else(|_| String::from("tcg"));
    command
        .args(["-accel", &accel, "-m", machine.memory])
        .args(MACHINE.split(' '))
        .arg("-kernel")
        .arg(machine.kernel)
        .arg("-initrd")
        .arg(dir.initramfs())
        .args(["-append", machine.append]);
    if machine.icount {
        command.args(["-icount", "shift=0,sleep=off"]);
    }
    let log = File::create(dir.qemu_log())?;
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    Ok(command)
}

/// Adds the four serial ports; returns our ends, and QEMU's ends, which must stay open until it has started.
fn attach_ports(command: &mut Command) -> Result<(Ports, Vec<UnixStream>)> {
    let mut guest_ends = Vec::new();
    let mut port = |name: &str| -> Result<UnixStream> {
        let (ours, theirs) = UnixStream::pair()?;
        rustix::io::fcntl_setfd(&theirs, rustix::io::FdFlags::empty())?;
        let fd = theirs.as_raw_fd();
        command
            .arg("-chardev")
            .arg(format!("socket,id={name},fd={fd}"));
        command.arg("-serial").arg(format!("chardev:{name}"));
        guest_ends.push(theirs);
        Ok(ours)
    };
    let ports = Ports {
        console: port("com1")?,
        log: port("com2")?,
        control: port("com3")?,
        errors: port("com4")?,
    };
    Ok((ports, guest_ends))
}

/// What a machine that runs waits for.
enum Event {
    /// QEMU ended.
    Ended(std::io::Result<ExitStatus>),
    /// The person at the terminal gave up.
    Escape,
}

/// Waits for the end of QEMU, and brings it about when the time has run out or somebody says so.
fn wait(
    mut child: Child,
    timeout: Option<u64>,
    events: &Receiver<Event>,
    sender: Sender<Event>,
) -> Result<QemuEnd> {
    let pid = rustix::process::Pid::from_child(&child);
    thread::spawn(move || {
        // The receiver outlives QEMU: it waits for this.
        let _ = sender.send(Event::Ended(child.wait()));
    });
    // Nobody waits for a century.
    let seconds = timeout.unwrap_or(u64::from(u32::MAX));
    let cause = match events.recv_timeout(Duration::from_secs(seconds)) {
        Ok(Event::Ended(status)) => return end_of(status?),
        Ok(Event::Escape) => QemuEnd::Abandoned,
        Err(mpsc::RecvTimeoutError::Timeout) => QemuEnd::TimedOut(seconds),
        Err(mpsc::RecvTimeoutError::Disconnected) => bail!("nobody waits for QEMU"),
    };
    rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
    while !matches!(events.recv()?, Event::Ended(_)) {}
    Ok(cause)
}

fn end_of(status: ExitStatus) -> Result<QemuEnd> {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(QemuEnd::Status(code)),
        (None, Some(signal)) => Ok(QemuEnd::Signal(signal)),
        (None, None) => bail!("QEMU ended in no known way: {status}"),
    }
}
