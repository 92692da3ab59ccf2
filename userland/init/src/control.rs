//! The control channel to the host: the third serial port.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

/// Where it is.
const PATH: &str = "/dev/ttyS2";

/// Lines for the host that no output of the command can be mistaken for.
pub struct Control(Option<File>);

impl Control {
    /// Opens the channel. Without one, what is said is lost and the host judges that.
    pub fn open() -> Self {
        let no_terminal = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap_or(0);
        let port = OpenOptions::new()
            .write(true)
            .custom_flags(no_terminal)
            .open(PATH);
        if let Err(error) = &port {
            eprintln!("init: {PATH}: {error}");
        }
        Self(port.ok())
    }

    /// One line, written at once.
    pub fn say(&mut self, text: &str) {
        let line = format!("berth: {text}\n");
        let written = self.0.as_mut().map(|port| port.write_all(line.as_bytes()));
        if let Some(Err(error)) = written {
            eprintln!("init: {PATH}: {error}");
        }
    }
}
