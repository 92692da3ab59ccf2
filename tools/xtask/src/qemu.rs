//! Starting QEMU, carrying its streams, and ending it.
//!
//! The guest has four serial ports, one for each kind of talk, so that none needs escaping and none is mixed with another:
//! COM1 the command's stdin and stdout, COM2 the kernel's log, COM3 the control channel, COM4 the command's stderr. Each is
//! one end of a socket pair whose other end is ours: no file to leave behind, no name to collide.

use crate::judge::QemuEnd;
use crate::process::find_program;
use crate::rundir::RunDir;
use crate::setup::QEMU;
use anyhow::{Context, Result, bail};
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

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
    pub timeout: u64,
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
    forward_stdin(ports.console.try_clone()?);

    let console = pump(ports.console, vec![sink(std::io::stdout())]);
    let errors = pump(ports.errors, vec![sink(std::io::stderr())]);
    let log = pump(ports.log, vec![file(&dir.kernel_log())?]);
    let control = ports.control.try_clone()?;
    let control_log = file(&dir.control_log())?;
    let control = thread::spawn(move || collect(control, control_log));

    let end = wait(child, machine.timeout)?;
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
        .args([
            "-accel",
            &accel,
            "-M",
            "q35",
            "-cpu",
            "max",
            "-m",
            machine.memory,
        ])
        .args([
            "-nodefaults",
            "-bios",
            "qboot.rom",
            "-display",
            "none",
            "-no-reboot",
        ])
        .args([
            "-monitor",
            "none",
            "-device",
            "isa-debug-exit,iobase=0xf4,iosize=4",
        ])
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

type Sink = Box<dyn Write + Send>;

fn sink(stream: impl Write + Send + 'static) -> Sink {
    Box::new(stream)
}

fn file(path: &Path) -> Result<Sink> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(sink(file))
}

/// Copies a stream to every sink as it comes, byte for byte.
fn pump(stream: UnixStream, mut sinks: Vec<Sink>) -> JoinHandle<()> {
    thread::spawn(move || {
        copy(stream, |bytes| {
            // A reader that went away must not stop the guest: the rest is read and dropped.
            sinks.retain_mut(|sink| sink.write_all(bytes).and_then(|()| sink.flush()).is_ok());
        })
    })
}

/// Reads a stream to its end, into memory and into a log as it comes.
fn collect(stream: UnixStream, mut log: Sink) -> Vec<u8> {
    let mut all = Vec::new();
    copy(stream, |bytes| {
        all.extend_from_slice(bytes);
        // The log is for people; the verdict comes from `all`.
        let _ = log.write_all(bytes);
    });
    all
}

fn copy(mut stream: UnixStream, mut each: impl FnMut(&[u8])) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => each(buffer.get(..count).unwrap_or_default()),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            // QEMU killed with unread input gives a reset, which is an end too.
            Err(_) => return,
        }
    }
}

/// Sends our stdin to the console, unless it is a terminal, which would then belong to two readers.
///
/// A serial line has no end of file: at the end of stdin we just stop. The thread is never joined, since nothing can wake a read
/// of stdin; it ends with the process.
fn forward_stdin(mut console: UnixStream) {
    let mut stdin = std::io::stdin();
    if stdin.is_terminal() {
        return;
    }
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = stdin.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or_default();
            if bytes.is_empty() || console.write_all(bytes).is_err() {
                return;
            }
        }
    });
}

/// Waits for the end of QEMU, and brings it about when the time has run out.
fn wait(mut child: Child, seconds: u64) -> Result<QemuEnd> {
    let pid = rustix::process::Pid::from_child(&child);
    let (sender, receiver) = mpsc::channel();
    let waiter = thread::spawn(move || {
        // The receiver waits for this alone; it cannot be gone.
        let _ = sender.send(child.wait());
    });
    let (status, timed_out) = match receiver.recv_timeout(Duration::from_secs(seconds)) {
        Ok(status) => (status, false),
        Err(mpsc::RecvTimeoutError::Timeout) => {
            rustix::process::kill_process(pid, rustix::process::Signal::KILL)?;
            (receiver.recv()?, true)
        }
        Err(mpsc::RecvTimeoutError::Disconnected) => bail!("nobody waits for QEMU"),
    };
    let _ = waiter.join();
    let end = end_of(status?)?;
    Ok(if timed_out {
        QemuEnd::TimedOut(seconds)
    } else {
        end
    })
}

fn end_of(status: ExitStatus) -> Result<QemuEnd> {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ok(QemuEnd::Status(code)),
        (None, Some(signal)) => Ok(QemuEnd::Signal(signal)),
        (None, None) => bail!("QEMU ended in no known way: {status}"),
    }
}
