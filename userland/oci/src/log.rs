//! The log that callers read: lines of text or JSON, in a file or on standard error.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::SystemTime;

use serde::Serialize;

use crate::show::rfc3339;

/// Form of a log line.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `time="..." level=... msg="..."`
    #[default]
    Text,
    /// `{"level":"...","msg":"...","time":"..."}`
    Json,
}

impl FromStr for Format {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "text" => Ok(Self::Text),
            "json" => Ok(Self::Json),
            _ => Err(format!("unknown log-format {text:?}")),
        }
    }
}

/// Where log lines go.
pub struct Log {
    /// The file; standard error when absent.
    pub file: Option<PathBuf>,
    /// The form of a line.
    pub format: Format,
    /// Whether debug lines are written.
    pub debug: bool,
}

impl Log {
    /// Logs what is done, when asked to.
    pub fn debug(&self, message: &str) {
        if self.debug {
            self.write("debug", message);
        }
    }

    /// Logs something wrong that changes nothing (E-2).
    pub fn warn(&self, message: &str) {
        self.write("warning", message);
    }

    /// Logs why the command fails; with a log file also says it on standard error.
    pub fn error(&self, message: &str) {
        self.write("error", message);
        if self.file.is_some() {
            eprintln!("{message}");
        }
    }

    fn write(&self, level: &str, message: &str) {
        let line = line(self.format, SystemTime::now(), level, message);
        let Some(path) = &self.file else {
            eprint!("{line}");
            return;
        };
        let file = OpenOptions::new().append(true).create(true).open(path);
        if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
            eprintln!("cannot write to the log {}: {error}", path.display());
        }
    }
}

#[derive(Serialize)]
struct Entry<'a> {
    level: &'a str,
    msg: &'a str,
    time: &'a str,
}

fn line(format: Format, time: SystemTime, level: &str, msg: &str) -> String {
    let time = &rfc3339(time);
    match format {
        Format::Text => format!("time={time:?} level={level} msg={msg:?}\n"),
        Format::Json => {
            let entry = serde_json::to_string(&Entry { level, msg, time });
            entry.unwrap_or_default() + "\n"
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_one_line_in_either_form() {
        let time = SystemTime::UNIX_EPOCH;
        assert_eq!(
            line(Format::Text, time, "error", "a \"b\"\nc"),
            "time=\"1970-01-01T00:00:00.000000000Z\" level=error msg=\"a \\\"b\\\"\\nc\"\n"
        );
        assert_eq!(
            line(Format::Json, time, "warning", "a \"b\"\nc"),
            "{\"level\":\"warning\",\"msg\":\"a \\\"b\\\"\\nc\",\"time\":\"1970-01-01T00:00:00.000000000Z\"}\n"
        );
    }

    #[test]
    fn a_log_file_is_appended_to() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let log = Log {
            file: Some(path.clone()),
            format: Format::Json,
            debug: false,
        };
        log.warn("one");
        log.debug("hidden");
        log.warn("two");
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 2);
        assert!(
            text.contains("\"msg\":\"one\"") && text.contains("\"msg\":\"two\""),
            "{text}"
        );
    }
}
