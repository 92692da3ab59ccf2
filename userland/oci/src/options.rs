//! The options of each command.

use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

use crate::args::{Create, Read, Usage};

/// Options of one command, and its arguments.
#[derive(Default)]
pub struct Options {
    pub arguments: Vec<String>,
    pub bundle: Option<PathBuf>,
    pub pid_file: Option<PathBuf>,
    pub detach: bool,
    pub keep: bool,
    pub force: bool,
    pub all: bool,
    pub json: bool,
    pub quiet: bool,
    pub stats: bool,
    pub interval: Option<Duration>,
    pub explain: bool,
    /// Options of update, and their values.
    pub limits: Vec<(String, String)>,
    /// The file with what update changes.
    pub resources: Option<String>,
    pub help: bool,
}

/// The options of each command, by their long names, and how many arguments it takes.
pub fn grammar(
    command: &str,
) -> Option<(&'static [&'static str], std::ops::RangeInclusive<usize>)> {
    Some(match command {
        "create" => (
            &[
                "bundle",
                "console-socket",
                "no-new-keyring",
                "no-pivot",
                "pid-file",
                "pidfd-socket",
                "preserve-fds",
            ],
            1..=1,
        ),
        "run" => (
            &[
                "bundle",
                "console-socket",
                "detach",
                "keep",
                "no-new-keyring",
                "no-pivot",
                "no-subreaper",
                "pid-file",
                "pidfd-socket",
                "preserve-fds",
            ],
            1..=1,
        ),
        "start" | "state" | "pause" | "resume" => (&[], 1..=1),
        "update" => (crate::update::NAMES, 1..=1),
        "ps" => (&["format"], 1..=usize::MAX),
        "kill" => (&["all"], 1..=2),
        "delete" => (&["force"], 1..=1),
        "list" => (&["format", "quiet"], 0..=0),
        "events" => (&["interval", "stats"], 1..=1),
        "plan" => (&["explain", "format"], 0..=1),
        "spec" => (&["bundle", "rootless"], 0..=0),
        "help" => (&[], 0..=1),
        _ => return None,
    })
}

impl Options {
    pub fn create(self, id: String) -> Create {
        let bundle = self.bundle.unwrap_or_else(|| ".".into());
        Create {
            id,
            bundle,
            pid_file: self.pid_file,
        }
    }
}

pub fn read(name: &str, known: &[&str], parser: &mut lexopt::Parser) -> Read<Options> {
    let mut options = Options::default();
    while let Some(word) = parser.next()? {
        let option = match word {
            Value(argument) => {
                options.arguments.push(argument.string()?);
                if matches!(name, "kill" | "ps") {
                    // What follows the id is the signal, or for ps, even if it looks like an option.
                    for rest in parser.raw_args()? {
                        options.arguments.push(rest.string()?);
                    }
                }
                continue;
            }
            Short(letter) => long_name(name, letter)
                .ok_or_else(|| word.unexpected())?
                .to_owned(),
            Long(long) => long.to_owned(),
        };
        if option == "help" {
            options.help = true;
        } else if name == "update" && known.contains(&option.as_str()) {
            let value = parser.value()?.string()?;
            match option.as_str() {
                "resources" => options.resources = Some(value),
                _ => options.limits.push((option, value)),
            }
        } else if known.contains(&option.as_str()) {
            options.set(&option, parser)?;
        } else {
            return Err(Usage(format!("{name}: unknown option --{option}")));
        }
    }
    Ok(options)
}

/// The long name of a one-letter option.
fn long_name(command: &str, letter: char) -> Option<&'static str> {
    Some(match (command, letter) {
        (_, 'h') => "help",
        ("create" | "run" | "spec", 'b') => "bundle",
        ("run", 'd') => "detach",
        ("kill", 'a') => "all",
        ("delete", 'f') => "force",
        ("list" | "plan" | "ps", 'f') => "format",
        ("update", 'r') => "resources",
        ("list", 'q') => "quiet",
        _ => return None,
    })
}

impl Options {
    fn set(&mut self, option: &str, parser: &mut lexopt::Parser) -> Read<()> {
        match option {
            "bundle" => self.bundle = Some(parser.value()?.into()),
            "pid-file" => self.pid_file = Some(parser.value()?.into()),
            "detach" => self.detach = true,
            "keep" => self.keep = true,
            "force" => self.force = true,
            "all" => self.all = true,
            "quiet" => self.quiet = true,
            "stats" => self.stats = true,
            "interval" => {
                let text = parser.value()?.string()?;
                // A Go duration of one unit is one of this reader's, too.
                let interval = humantime::parse_duration(&text).ok();
                self.interval = Some(
                    interval
                        .filter(|interval| !interval.is_zero())
                        .ok_or_else(|| Usage(format!("invalid interval {text:?}; as in 5s")))?,
                );
            }
            "explain" => self.explain = true,
            "format" => match parser.value()?.string()?.as_str() {
                "table" | "text" => self.json = false,
                "json" => self.json = true,
                other => return Err(Usage(format!("invalid format option {other:?}"))),
            },
            // Kept true by a kernel that has no keyrings and does not need a subreaper.
            "no-new-keyring" | "no-subreaper" => {}
            "preserve-fds" => match parser.value()?.parse::<u32>()? {
                0 => {}
                count => return Err(not_enforced(&format!("--preserve-fds {count}"))),
            },
            other => return Err(not_enforced(&format!("--{other}"))),
        }
        Ok(())
    }
}

pub fn not_enforced(option: &str) -> Usage {
    Usage(format!("{option}: not enforced by this build"))
}
