//! A person at a terminal: keys go in, and what the screen shows comes out.

use crate::case::{Failure, ensure};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use std::fs::File;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

/// Rows and columns of the window.
pub const WINDOW: (u16, u16) = (24, 80);

/// How long a person waits for the screen. Some hosts are very slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// A terminal with a program at its other end.
pub struct Person {
    keyboard: File,
    output: Receiver<Vec<u8>>,
    screen: vt100::Parser,
    /// All that was printed.
    printed: Vec<u8>,
    /// How much of it [`Person::reads`] has gone over.
    read: usize,
    transcript: PathBuf,
    program: Child,
}

impl Person {
    /// Starts `command` on a new terminal; what it prints is kept in the file `transcript`.
    pub fn sits_at(mut command: Command, transcript: PathBuf) -> Result<Person, Failure> {
        let (keyboard, terminal) = pair().map_err(|error| format!("no terminal: {error}"))?;
        command.env("TERM", "linux");
        let program = start(&mut command, terminal);
        let program = program.map_err(|error| format!("cannot start {command:?}: {error}"))?;
        let reader = keyboard.try_clone();
        let reader = reader.map_err(|error| format!("no terminal: {error}"))?;
        Ok(Person {
            keyboard,
            output: listen(reader),
            screen: vt100::Parser::new(WINDOW.0, WINDOW.1, 0),
            printed: Vec::new(),
            read: 0,
            transcript,
            program,
        })
    }

    /// Presses keys.
    pub fn types(&mut self, keys: &str) -> Result<&mut Self, Failure> {
        let typed = self.keyboard.write_all(keys.as_bytes());
        typed.map_err(|error| format!("cannot type {keys:?}: {error}"))?;
        Ok(self)
    }

    /// Waits until `text` is printed, behind what was read before.
    pub fn reads(&mut self, text: &str) -> Result<&mut Self, Failure> {
        let found = |person: &Person| {
            let rest = person.printed.get(person.read..).unwrap_or_default();
            let mut places = rest.windows(text.len());
            let at = places.position(|place| place == text.as_bytes())?;
            person.read.checked_add(at)?.checked_add(text.len())
        };
        self.read = self.until(text, found)?;
        Ok(self)
    }

    /// Waits until the screen shows `text`.
    pub fn sees(&mut self, text: &str) -> Result<&mut Self, Failure> {
        let shown = |person: &Person| person.screen.screen().contents().contains(text);
        self.until(text, |person| shown(person).then_some(()))?;
        self.read = self.printed.len();
        Ok(self)
    }

    /// Waits for the end of the program, which must exit with `code`.
    pub fn leaves(&mut self, code: i32) -> Result<(), Failure> {
        while self.takes_in(Instant::now() + PATIENCE)? {}
        let status = self.program.wait();
        let status = status.map_err(|error| format!("cannot wait: {error}"))?;
        ensure(status.code() == Some(code), || {
            format!("expected exit code {code}, got {status}; {}", self.tail())
        })
    }

    fn until<T>(&mut self, text: &str, found: impl Fn(&Person) -> Option<T>) -> Result<T, Failure> {
        let end = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = found(self) {
                return Ok(found);
            }
            if !self.takes_in(end)? {
                return Err(format!("ended without {text:?}; {}", self.tail()));
            }
        }
    }

    /// Takes in what is printed next; false at the end.
    fn takes_in(&mut self, end: Instant) -> Result<bool, Failure> {
        let left = end.saturating_duration_since(Instant::now());
        let bytes = match self.output.recv_timeout(left) {
            Ok(bytes) => bytes,
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(false),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                return Err(format!("nothing more comes; {}", self.tail()));
            }
        };
        self.screen.process(&bytes);
        self.printed.extend(&bytes);
        // Without the transcript there is less to look at, and nothing else is wrong.
        let _ = std::fs::write(&self.transcript, &self.printed);
        if bytes.windows(4).any(|part| part == b"\x1b[6n") {
            self.tells_the_place()?;
        }
        Ok(true)
    }

    /// A terminal that is asked where its cursor is answers with keys.
    fn tells_the_place(&mut self) -> Result<(), Failure> {
        let (row, column) = self.screen.screen().cursor_position();
        let (row, column) = (row.saturating_add(1), column.saturating_add(1));
        self.types(&format!("\x1b[{row};{column}R"))?;
        Ok(())
    }

    /// The end of what was printed, for a message.
    fn tail(&self) -> String {
        let from = self.printed.len().saturating_sub(300);
        let tail = self.printed.get(from..).unwrap_or_default();
        format!("the last was {:?}", String::from_utf8_lossy(tail))
    }
}

impl Drop for Person {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Starts a program with this terminal as its streams. Nobody else keeps it: the program's end is the terminal's.
fn start(command: &mut Command, terminal: File) -> std::io::Result<Child> {
    command.stdin(terminal.try_clone()?);
    command.stderr(terminal.try_clone()?);
    let program = command.stdout(terminal).spawn();
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    program
}

/// Both ends of a new terminal.
fn pair() -> std::io::Result<(File, File)> {
    let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
    let keyboard = openpt(flags)?;
    grantpt(&keyboard)?;
    unlockpt(&keyboard)?;
    let name = ptsname(&keyboard, Vec::new())?;
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let terminal = rustix::fs::open(name.as_c_str(), flags, Mode::empty())?;
    let size = Winsize {
        ws_row: WINDOW.0,
        ws_col: WINDOW.1,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    tcsetwinsize(&terminal, size)?;
    Ok((File::from(keyboard), File::from(terminal)))
}

/// Reads in a thread of its own, so that waiting can end.
fn listen(mut reader: File) -> Receiver<Vec<u8>> {
    let (sender, output) = mpsc::channel();
    std::thread::spawn(move || {
        let mut buffer = vec![0; 4096];
        // EIO is what the end looks like from here.
        while let Ok(count) = reader.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or_default().to_vec();
            if count == 0 || sender.send(bytes).is_err() {
                return;
            }
        }
    });
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Person {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        let transcript = tempfile::NamedTempFile::new().unwrap();
        Person::sits_at(command, transcript.path().to_path_buf()).unwrap()
    }

    #[test]
    fn keys_and_output_find_each_other() {
        let mut person = shell("read word; echo got $word; exit 3");
        person.types("x1\n").unwrap().reads("got x1").unwrap();
        assert!(person.leaves(3).is_ok());
    }

    #[test]
    fn what_does_not_come_is_a_failure() {
        let mut person = shell("echo one");
        let missing = person.reads("two").map(drop);
        assert!(missing.is_err_and(|failure| failure.contains("one")));
        assert!(shell("exit 1").leaves(0).is_err());
    }

    #[test]
    fn the_screen_is_what_escape_sequences_make_it() {
        let mut person = shell("printf 'abc\\033[1Dx\\033[6n'; head -c 6");
        assert!(person.sees("abx").is_ok());
    }
}
