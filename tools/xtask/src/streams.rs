//! Carrying bytes between the serial ports of a machine and our own streams.

use anyhow::{Context, Result};
use std::fs::File;
use std::io::{IsTerminal, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread::{self, JoinHandle};

/// Where bytes go.
pub type Sink = Box<dyn Write + Send>;

/// A stream of ours as a sink.
pub fn sink(stream: impl Write + Send + 'static) -> Sink {
    Box::new(stream)
}

/// A new file as a sink.
pub fn file(path: &Path) -> Result<Sink> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(sink(file))
}

/// Copies a stream to every sink as it comes, byte for byte.
pub fn pump(stream: UnixStream, mut sinks: Vec<Sink>) -> JoinHandle<()> {
    thread::spawn(move || {
        copy(stream, |bytes| {
            // A reader that went away must not stop the guest: the rest is read and dropped.
            sinks.retain_mut(|sink| sink.write_all(bytes).and_then(|()| sink.flush()).is_ok());
        })
    })
}

/// Reads a stream to its end, into memory and into a log as it comes.
pub fn collect(stream: UnixStream, mut log: Sink) -> Vec<u8> {
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

/// The key that ends a machine from a terminal: Ctrl-].
const ESCAPE: u8 = 0x1d;

/// Sends our stdin to the console; a terminal's [`ESCAPE`] is for us and calls `escape`.
///
/// A serial line has no end of file: at the end of stdin we just stop. The thread is never joined, since nothing can wake a read
/// of stdin; it ends with the process.
pub fn forward_stdin(mut console: UnixStream, escape: impl Fn() + Send + 'static) {
    let mut stdin = std::io::stdin();
    let is_terminal = stdin.is_terminal();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(count) = stdin.read(&mut buffer) {
            let bytes = buffer.get(..count).unwrap_or_default();
            if is_terminal && bytes.contains(&ESCAPE) {
                escape();
            } else if bytes.is_empty() || console.write_all(bytes).is_err() {
                return;
            }
        }
    });
}
