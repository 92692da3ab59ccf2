//! The command that init runs: which one, in which environment, with which streams.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use berth_sys::session;
use rustix::process::Pid;

/// Arguments of the command, each ended by a NUL byte.
const ARGUMENTS: &str = "/etc/berth/cmd";
/// What is added to its environment, in the same form.
const ENVIRONMENT: &str = "/etc/berth/env";
/// The environment, unless the image names other values.
const DEFAULT_ENVIRONMENT: [&str; 3] = [
    "PATH=/bin:/sbin:/usr/bin:/usr/sbin",
    "HOME=/root",
    "TERM=linux",
];

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With this exit code.
    Exit(u8),
    /// By this signal.
    Signal(i32),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exit(code) => write!(f, "exit {code}"),
            Self::Signal(number) => write!(f, "signal {number}"),
        }
    }
}

/// A command that could not be run, as shells report it.
#[derive(Debug, PartialEq, Eq)]
pub struct Failure {
    /// 127 not found, 126 found but not runnable.
    pub code: u8,
    /// Why.
    pub text: String,
}

/// Where a command's standard streams go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Streams {
    /// To the host, byte for byte: no terminal, and errors on a port of their own.
    Ports,
    /// The same, errors between the output.
    OnePort,
    /// To a person: the console as the terminal of a session of its own.
    Terminal,
}

impl Streams {
    fn main(self) -> &'static str {
        match self {
            Self::Ports | Self::OnePort => "/dev/com1",
            Self::Terminal => "/dev/ttyS0",
        }
    }

    fn errors(self) -> &'static str {
        match self {
            Self::Ports => "/dev/ttyS3",
            Self::OnePort | Self::Terminal => self.main(),
        }
    }

    /// Writes a line to the errors.
    pub fn complain(self, text: &str) {
        let line = format!("init: {text}\n");
        let written = open(self.errors()).and_then(|mut port| port.write_all(line.as_bytes()));
        if written.is_err() {
            eprint!("{line}");
        }
    }
}

fn open(port: &str) -> std::io::Result<File> {
    let no_terminal = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap_or(0);
    OpenOptions::new()
        .read(true)
        .write(true)
        .custom_flags(no_terminal)
        .open(port)
}

/// A command and its environment.
pub struct Command {
    arguments: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
}

impl Command {
    /// The command that the image names.
    pub fn from_image() -> Option<Self> {
        Some(Self {
            arguments: nul_separated(&std::fs::read(ARGUMENTS).ok()?),
            environment: environment(),
        })
    }

    /// A command of our own, in the environment that the image names.
    pub fn new(arguments: &[&str]) -> Self {
        Self {
            arguments: arguments.iter().map(OsString::from).collect(),
            environment: environment(),
        }
    }

    /// Starts it with these streams.
    ///
    /// # Errors
    /// Why it cannot be started, with the exit code that a shell would give.
    pub fn spawn(&self, streams: Streams) -> Result<Pid, Failure> {
        let (name, arguments) = self.arguments.split_first().ok_or_else(|| Failure {
            code: 127,
            text: format!("{ARGUMENTS} is empty"),
        })?;
        let program = find(name, self.path())?;
        let failure = |error: std::io::Error| failure(name, &error);
        let mut command = std::process::Command::new(program);
        command.arg0(name).args(arguments).env_clear();
        command.envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::from(open(streams.main()).map_err(failure)?));
        command.stdout(Stdio::from(open(streams.main()).map_err(failure)?));
        command.stderr(Stdio::from(open(streams.errors()).map_err(failure)?));
        session::begin(&mut command, streams == Streams::Terminal);
        let child = command.spawn().map_err(failure)?;
        let pid = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        pid.ok_or_else(|| failure(ErrorKind::Other.into()))
    }

    fn path(&self) -> &OsStr {
        let mut paths = self.environment.iter().filter(|(name, _)| name == "PATH");
        paths
            .next_back()
            .map_or(OsStr::new("/bin"), |(_, path)| path)
    }
}

/// The default environment and what the image adds; without a file it adds nothing.
fn environment() -> Vec<(OsString, OsString)> {
    let mut texts = DEFAULT_ENVIRONMENT.map(OsString::from).to_vec();
    texts.extend(nul_separated(
        &std::fs::read(ENVIRONMENT).unwrap_or_default(),
    ));
    pairs(texts)
}

/// The program `name`: a path as it is, else the first runnable file in a directory of `path`.
fn find(name: &OsStr, path: &OsStr) -> Result<PathBuf, Failure> {
    if name.as_bytes().contains(&b'/') {
        return Ok(name.into());
    }
    let candidates = path
        .as_bytes()
        .split(|byte| *byte == b':')
        .map(|directory| {
            let directory = if directory.is_empty() {
                b"."
            } else {
                directory
            };
            Path::new(OsStr::from_bytes(directory)).join(name)
        });
    let files: Vec<PathBuf> = candidates.filter(|candidate| candidate.is_file()).collect();
    let error = if files.is_empty() {
        ErrorKind::NotFound
    } else {
        ErrorKind::PermissionDenied
    };
    let runnable = files.into_iter().find(|file| {
        file.metadata()
            .is_ok_and(|metadata| metadata.permissions().mode() & 0o111 != 0)
    });
    runnable.ok_or_else(|| failure(name, &error.into()))
}

fn failure(name: &OsStr, error: &std::io::Error) -> Failure {
    let name = name.to_string_lossy();
    let (code, reason) = match error.kind() {
        ErrorKind::NotFound => (127, "not found".to_owned()),
        ErrorKind::PermissionDenied => (126, "permission denied".to_owned()),
        _ => (126, error.to_string()),
    };
    Failure {
        code,
        text: format!("{name}: {reason}"),
    }
}

/// Texts that are each ended (the last one perhaps not) by a NUL byte.
fn nul_separated(text: &[u8]) -> Vec<OsString> {
    if text.is_empty() {
        return Vec::new();
    }
    let body = text.strip_suffix(b"\0").unwrap_or(text);
    body.split(|byte| *byte == 0)
        .map(|part| OsString::from_vec(part.to_vec()))
        .collect()
}

/// `NAME=VALUE` cut in two; what has no `=` is not an environment variable.
fn pairs(texts: Vec<OsString>) -> Vec<(OsString, OsString)> {
    let cut = |text: OsString| {
        let bytes = text.into_vec();
        let at = bytes
            .iter()
            .position(|byte| *byte == b'=')
            .filter(|at| *at > 0)?;
        let (name, value) = bytes.split_at_checked(at)?;
        let value = value.get(1..)?.to_vec();
        Some((OsString::from_vec(name.to_vec()), OsString::from_vec(value)))
    };
    texts.into_iter().filter_map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_separated_by_nul() {
        assert_eq!(nul_separated(b""), [""; 0]);
        assert_eq!(nul_separated(b"a\0b c\0"), ["a", "b c"]);
        assert_eq!(nul_separated(b"a\0\0"), ["a", ""]);
        assert_eq!(nul_separated(b"\0"), [""]);
        assert_eq!(nul_separated(b"a\0b"), ["a", "b"]);
    }

    #[test]
    fn environment_is_name_and_value() {
        let texts = ["A=1", "B=", "C=x=y", "D", "=E"]
            .map(OsString::from)
            .to_vec();
        let expected = [("A", "1"), ("B", ""), ("C", "x=y")];
        assert_eq!(
            pairs(texts),
            expected.map(|(name, value)| (name.into(), value.into()))
        );
    }

    #[test]
    fn programs_are_searched_as_shells_do() {
        let directory = tempfile::tempdir().unwrap();
        let (a, b) = (directory.path().join("a"), directory.path().join("b"));
        std::fs::create_dir(&a).unwrap();
        std::fs::create_dir(&b).unwrap();
        std::fs::write(a.join("plain"), "").unwrap();
        std::fs::create_dir(a.join("tool")).unwrap();
        std::fs::write(b.join("tool"), "").unwrap();
        let runnable = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(b.join("tool"), runnable).unwrap();
        let path = OsString::from(format!("{}:{}", a.display(), b.display()));

        assert_eq!(find(OsStr::new("tool"), &path).unwrap(), b.join("tool"));
        assert_eq!(find(OsStr::new("./x"), &path).unwrap(), Path::new("./x"));
        assert_eq!(find(OsStr::new("plain"), &path).unwrap_err().code, 126);
        assert_eq!(find(OsStr::new("missing"), &path).unwrap_err().code, 127);
    }

    #[test]
    fn the_ending_is_told_in_the_words_of_the_channel() {
        assert_eq!(Ending::Exit(7).to_string(), "exit 7");
        assert_eq!(Ending::Signal(9).to_string(), "signal 9");
    }
}
