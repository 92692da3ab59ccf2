//! The command line of runc: global options, a command, its options before or after the id.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use lexopt::prelude::*;

use crate::log::Format;
use crate::options::{self, not_enforced};
use crate::plan::Form;
use crate::signals;
use crate::update::{self, Changes};

/// Options before the command.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Global {
    /// File that gets log lines; standard error when absent.
    pub log: Option<PathBuf>,
    /// Form of log lines.
    pub log_format: Format,
    /// Log what is done, not only what fails.
    pub debug: bool,
}

/// What to create.
#[derive(Debug, PartialEq, Eq)]
pub struct Create {
    /// The container's id.
    pub id: String,
    /// The bundle directory.
    pub bundle: PathBuf,
    /// File that gets the pid of init.
    pub pid_file: Option<PathBuf>,
}

/// A command with its arguments.
#[derive(Debug, PartialEq, Eq)]
pub enum Command {
    /// Builds a container.
    Create(Create),
    /// Runs the program of a created container.
    Start {
        /// The container's id.
        id: String,
    },
    /// Creates, starts, waits for and deletes a container.
    Run {
        /// What to create.
        create: Create,
        /// Return as soon as it runs.
        detach: bool,
        /// Leave it there when it has stopped.
        keep: bool,
    },
    /// Prints the state document.
    State {
        /// The container's id.
        id: String,
    },
    /// Sends a signal to init.
    Kill {
        /// The container's id.
        id: String,
        /// The signal's number.
        signal: u32,
        /// A stopped container is no error.
        all: bool,
    },
    /// Removes a container.
    Delete {
        /// The container's id.
        id: String,
        /// Kill it first; a missing one is no error.
        force: bool,
    },
    /// Prints the containers.
    List {
        /// As JSON, not as a table.
        json: bool,
        /// Only the ids.
        quiet: bool,
    },
    /// Prints what a container uses.
    Events {
        /// The container's id.
        id: String,
        /// Only once.
        once: bool,
        /// How long from one time to the next.
        interval: Duration,
    },
    /// Freezes a container.
    Pause {
        /// The container's id.
        id: String,
    },
    /// Lets a paused container go on.
    Resume {
        /// The container's id.
        id: String,
    },
    /// Changes a container's limits.
    Update {
        /// The container's id.
        id: String,
        /// What changes.
        changes: Changes,
    },
    /// Prints the processes of a container.
    Ps {
        /// The container's id.
        id: String,
        /// Only their numbers, as JSON.
        json: bool,
        /// What ps(1) is asked for.
        options: Vec<String>,
    },
    /// Prints what the life of a container would be.
    Plan {
        /// The bundle directory.
        bundle: PathBuf,
        /// How it is printed.
        form: Form,
    },
    /// Writes a `config.json`.
    Spec {
        /// The bundle directory.
        bundle: PathBuf,
    },
    /// Prints how to use the program, or a command of it.
    Help(Option<String>),
    /// Prints the version.
    Version,
}

/// A command line that cannot be obeyed; says why.
#[derive(Debug, PartialEq, Eq)]
pub struct Usage(pub String);

impl std::fmt::Display for Usage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Usage {}

impl From<lexopt::Error> for Usage {
    fn from(error: lexopt::Error) -> Self {
        Self(error.to_string())
    }
}

impl From<String> for Usage {
    fn from(text: String) -> Self {
        Self(text)
    }
}

pub type Read<T> = Result<T, Usage>;

/// Commands of runc that this build does not have.
const MISSING: &[&str] = &["checkpoint", "exec", "features", "restore"];

/// Reads the command line without the program's name.
///
/// The global options come back even when the command is wrong, so that the error reaches the log
/// that the caller reads.
pub fn parse(words: impl IntoIterator<Item = OsString>) -> (Global, Read<Command>) {
    let mut global = Global::default();
    let mut parser = lexopt::Parser::from_args(words);
    let command = read_global(&mut parser, &mut global);
    (global, command)
}

fn read_global(parser: &mut lexopt::Parser, global: &mut Global) -> Read<Command> {
    while let Some(word) = parser.next()? {
        match word {
            Long("log") => global.log = Some(parser.value()?.into()),
            Long("log-format") => global.log_format = parser.value()?.parse()?,
            Long("debug") => global.debug = true,
            // The kernel keeps all state and ids are unique in it; there is nothing to put there.
            Long("root") => drop(parser.value()?),
            Long("rootless") => match parser.value()?.string()?.as_str() {
                "false" | "auto" => {}
                other => return Err(not_enforced(&format!("--rootless {other}"))),
            },
            Long("systemd-cgroup") => return Err(not_enforced("--systemd-cgroup")),
            Short('h') | Long("help") => return Ok(Command::Help(None)),
            Short('v') | Long("version") => return Ok(Command::Version),
            Value(name) => return read_command(&name.string()?, parser),
            other => return Err(other.unexpected().into()),
        }
    }
    Ok(Command::Help(None))
}

fn read_command(name: &str, parser: &mut lexopt::Parser) -> Read<Command> {
    if MISSING.contains(&name) {
        return Err(Usage(format!("{name}: not supported by this build")));
    }
    let Some((known, count)) = options::grammar(name) else {
        return Err(Usage(format!("unknown command {name:?}; see oci --help")));
    };
    let mut options = options::read(name, known, parser)?;
    if options.help {
        return Ok(Command::Help(Some(name.to_owned())));
    }
    if !count.contains(&options.arguments.len()) {
        let wanted = match (*count.start(), *count.end()) {
            (least, most) if least == most => format!("exactly {least}"),
            (least, usize::MAX) => format!("a minimum of {least}"),
            (least, most) => format!("{least} to {most}"),
        };
        return Err(Usage(format!("\"{name}\" requires {wanted} argument(s)")));
    }
    let mut arguments = std::mem::take(&mut options.arguments).into_iter();
    let first = arguments.next();
    let rest: Vec<String> = arguments.collect();
    let second = rest.first().cloned();
    let id = || first.clone().unwrap_or_default();
    Ok(match name {
        "create" => Command::Create(options.create(id())),
        "run" => Command::Run {
            detach: options.detach,
            keep: options.keep,
            create: options.create(id()),
        },
        "start" => Command::Start { id: id() },
        "state" => Command::State { id: id() },
        "kill" => Command::Kill {
            id: id(),
            signal: second.map_or(Ok(signals::TERM), |text| signals::parse(&text))?,
            all: options.all,
        },
        "delete" => Command::Delete {
            id: id(),
            force: options.force,
        },
        "list" => Command::List {
            json: options.json,
            quiet: options.quiet,
        },
        "events" => Command::Events {
            id: id(),
            once: options.stats,
            interval: options.interval.unwrap_or(Duration::from_secs(5)),
        },
        "pause" => Command::Pause { id: id() },
        "resume" => Command::Resume { id: id() },
        "update" => Command::Update {
            id: id(),
            changes: update::changes(&options.limits, options.resources)?,
        },
        "ps" => Command::Ps {
            id: id(),
            json: options.json,
            options: rest,
        },
        "plan" => Command::Plan {
            form: match (options.json, options.explain) {
                (true, _) => Form::Json,
                (false, true) => Form::Explained,
                (false, false) => Form::Steps,
            },
            bundle: first.map_or_else(|| ".".into(), PathBuf::from),
        },
        "spec" => Command::Spec {
            bundle: options.bundle.unwrap_or_else(|| ".".into()),
        },
        _ => Command::Help(first),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(line: &str) -> Read<Command> {
        parse(line.split_whitespace().map(OsString::from)).1
    }

    fn create(id: &str, bundle: &str, pid_file: Option<&str>) -> Create {
        Create {
            id: id.to_owned(),
            bundle: bundle.into(),
            pid_file: pid_file.map(PathBuf::from),
        }
    }

    #[test]
    fn options_come_before_or_after_the_id() {
        for line in [
            "create -b /b --pid-file /p c",
            "create c --bundle /b --pid-file=/p",
        ] {
            assert_eq!(
                run(line),
                Ok(Command::Create(create("c", "/b", Some("/p")))),
                "{line}"
            );
        }
        assert_eq!(run("create c"), Ok(Command::Create(create("c", ".", None))));
        for (line, bundle, form) in [
            ("plan", ".", Form::Steps),
            ("plan --explain /b", "/b", Form::Explained),
            ("plan /b --format json --explain", "/b", Form::Json),
            ("plan --format text", ".", Form::Steps),
        ] {
            let bundle = bundle.into();
            assert_eq!(run(line), Ok(Command::Plan { bundle, form }), "{line}");
        }
        let expected = Command::Run {
            create: create("c", "/b", None),
            detach: true,
            keep: true,
        };
        assert_eq!(run("run c --keep -d -b /b"), Ok(expected));
        assert_eq!(
            run("delete c -f"),
            Ok(Command::Delete {
                id: "c".into(),
                force: true
            })
        );
        assert_eq!(
            run("delete --force c"),
            Ok(Command::Delete {
                id: "c".into(),
                force: true
            })
        );
    }

    #[test]
    fn kill_takes_a_signal() {
        let kill = |signal, all| {
            Ok(Command::Kill {
                id: "c".into(),
                signal,
                all,
            })
        };
        assert_eq!(run("kill c"), kill(15, false));
        assert_eq!(run("kill c KILL"), kill(9, false));
        assert_eq!(run("kill -a c sigusr1"), kill(10, true));
        assert_eq!(run("kill --all c 1"), kill(1, true));
        assert_eq!(run("kill c -9"), Err(Usage("unknown signal \"-9\"".into())));
        assert!(run("kill c 9 -a").is_err());
        assert!(run("kill").is_err());
    }

    #[test]
    fn limits_are_changed_by_options_or_a_file() {
        let changes = |line: &str| match run(line) {
            Ok(Command::Update { id, changes }) if id == "c" => Ok(changes),
            other => Err(format!("{other:?}")),
        };
        let limit = serde_json::json!({"memory": {"limit": 1024}, "pids": {"limit": 7}});
        for line in [
            "update c --memory 1k --pids-limit=7",
            "update --memory=1024 --pids-limit 7 c",
        ] {
            assert_eq!(changes(line), Ok(Changes::Options(limit.clone())), "{line}");
        }
        for line in ["update c -r f", "update --resources=f c --memory 1"] {
            assert_eq!(changes(line), Ok(Changes::File("f".into())), "{line}");
        }
        assert_eq!(changes("update -r - c"), Ok(Changes::File("-".into())));
        for line in [
            "update",
            "update a b",
            "update c --memory",
            "update c --blkio-weight 5",
        ] {
            assert!(run(line).is_err(), "{line}");
        }
    }

    #[test]
    fn what_follows_the_id_is_for_ps() {
        let ps = |json, options: &[&str]| {
            Ok(Command::Ps {
                id: "c".into(),
                json,
                options: options.iter().map(|o| (*o).to_owned()).collect(),
            })
        };
        assert_eq!(run("ps c"), ps(false, &[]));
        assert_eq!(run("ps c -o pid,args"), ps(false, &["-o", "pid,args"]));
        assert_eq!(run("ps -f json c"), ps(true, &[]));
        assert_eq!(run("ps c -f json"), ps(false, &["-f", "json"]));
        let wanted = "\"ps\" requires a minimum of 1 argument(s)";
        assert_eq!(run("ps"), Err(Usage(wanted.into())));
    }

    #[test]
    fn list_has_formats() {
        assert_eq!(
            run("list"),
            Ok(Command::List {
                json: false,
                quiet: false
            })
        );
        assert_eq!(
            run("list -f json -q"),
            Ok(Command::List {
                json: true,
                quiet: true
            })
        );
        assert_eq!(
            run("list --format table"),
            Ok(Command::List {
                json: false,
                quiet: false
            })
        );
        assert!(run("list -f xml").is_err());
        assert!(run("list c").is_err());
    }

    #[test]
    fn global_options_are_read_even_when_the_command_is_wrong() {
        let line = "--root /r --log /l --log-format json --debug frobnicate";
        let (global, command) = parse(line.split(' ').map(OsString::from));
        let log = Some(PathBuf::from("/l"));
        assert_eq!(
            global,
            Global {
                log,
                log_format: Format::Json,
                debug: true
            }
        );
        assert_eq!(
            command,
            Err(Usage(
                "unknown command \"frobnicate\"; see oci --help".into()
            ))
        );
    }

    #[test]
    fn what_is_not_enforced_is_refused_by_name() {
        for line in [
            "create --no-pivot c",
            "create c --console-socket /s",
            "run --pidfd-socket /s c",
            "create --preserve-fds 1 c",
            "--systemd-cgroup list",
            "--rootless true list",
            "spec --rootless",
        ] {
            let Usage(text) = run(line).unwrap_err();
            assert!(
                text.ends_with(": not enforced by this build"),
                "{line}: {text}"
            );
        }
        for name in MISSING {
            let Usage(text) = run(&format!("{name} c")).unwrap_err();
            assert_eq!(text, format!("{name}: not supported by this build"));
        }
    }

    #[test]
    fn values_that_ask_for_nothing_are_accepted() {
        assert!(run("create --no-new-keyring --preserve-fds 0 c").is_ok());
        assert!(run("--rootless auto run --no-subreaper c").is_ok());
    }

    #[test]
    fn wrong_lines_are_refused() {
        for line in [
            "create",
            "create a b",
            "start",
            "state",
            "state a b",
            "delete",
            "start --force c",
            "create --detach c",
            "delete -b x c",
            "--frob list",
            "create -x c",
            "create c --bundle",
            "spec c",
            "--log-format xml list",
            "run -f c",
        ] {
            assert!(run(line).is_err(), "{line}");
        }
        assert_eq!(
            run("state"),
            Err(Usage("\"state\" requires exactly 1 argument(s)".into()))
        );
    }

    #[test]
    fn help_and_version() {
        for line in ["", "-h", "--help", "help"] {
            assert_eq!(run(line), Ok(Command::Help(None)), "{line:?}");
        }
        assert_eq!(
            run("create --help"),
            Ok(Command::Help(Some("create".into())))
        );
        assert_eq!(run("help kill"), Ok(Command::Help(Some("kill".into()))));
        assert_eq!(run("-v"), Ok(Command::Version));
    }
}
