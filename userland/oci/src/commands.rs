//! What the commands do.

use std::fs::File;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;

use berth_sys::container::{self, Error, Status};
use berth_sys::{Errno, forward};

use crate::args::{Command, Create};
use crate::log::Log;
use crate::show::{self, Shown};
use crate::{bundle, events, help, plan, ps, signals, spec, update};

/// The configuration's file name in a bundle (B-1).
pub const CONFIG_JSON: &str = "config.json";

/// Set to 1 it makes `delete` refuse a created container, as the specification has it; callers of
/// runc expect that it is killed and deleted. And `update` takes a limit of no tasks as it is.
const STRICT: &str = "BERTH_STRICT";

type Done = Result<(), String>;

/// Does what the command says; gives the exit code.
///
/// # Errors
/// Why it could not be done.
pub fn execute(command: Command, log: &Log) -> Result<u8, String> {
    match command {
        Command::Run {
            create,
            detach,
            keep,
        } => return run(&create, detach, keep, log),
        Command::Create(create) => make(&create, log)?,
        Command::Start { id } => container::start(&id).map_err(|error| explain(&id, &error))?,
        Command::State { id } => state(&id)?,
        Command::Kill { id, signal, all } => kill(&id, signal, all)?,
        Command::Delete { id, force } => delete(&id, force, log)?,
        Command::List { json, quiet } => list(json, quiet)?,
        Command::Plan { bundle, form } => {
            let (text, accepted) = plan::text(&bundle, form)?;
            print(&text)?;
            return Ok(u8::from(!accepted));
        }
        Command::Spec { bundle } => spec::write(&bundle)?,
        Command::Events { id, once, interval } => events::tell(&id, once, interval)?,
        Command::Pause { id } => container::pause(&id).map_err(|error| explain(&id, &error))?,
        Command::Resume { id } => container::resume(&id).map_err(|error| explain(&id, &error))?,
        Command::Update { id, changes } => update::make(&id, &changes)?,
        Command::Ps { id, json, options } => ps::show(&id, json, &options)?,
        Command::Help(topic) => print(&help::text(topic.as_deref())?)?,
        Command::Version => print(&help::version())?,
    }
    Ok(0)
}

/// Creates the container; its standard streams are this program's.
fn make(create: &Create, log: &Log) -> Done {
    let Create {
        id,
        bundle,
        pid_file,
    } = create;
    let (config, warnings) = bundle::configuration(bundle)?;
    warnings.iter().for_each(|warning| log.warn(warning));
    let directory = File::open(bundle)
        .map_err(|error| format!("cannot open the bundle {}: {error}", bundle.display()))?;
    let pid =
        container::create(id, directory.as_fd(), &config).map_err(|error| explain(id, &error))?;
    log.debug(&format!("created {id:?} with pid {pid}"));
    let Some(path) = pid_file else { return Ok(()) };
    write_pid(path, pid).map_err(|error| {
        undo(id, log);
        format!("cannot write the pid file {}: {error}", path.display())
    })
}

/// Writes the pid so that a reader sees the whole file or none.
fn write_pid(path: &Path, pid: u32) -> std::io::Result<()> {
    let name = path.file_name().ok_or(std::io::ErrorKind::InvalidInput)?;
    let temporary = path.with_file_name(format!(".{}", name.to_string_lossy()));
    std::fs::write(&temporary, pid.to_string())?;
    std::fs::rename(&temporary, path)
}

/// Removes a container after a failure that is reported already.
fn undo(id: &str, log: &Log) {
    match container::delete(id, true) {
        Ok(warnings) => warn(&warnings, log),
        Err(error) => log.warn(&format!("cannot delete {id:?}: {error}")),
    }
}

fn run(create: &Create, detach: bool, keep: bool, log: &Log) -> Result<u8, String> {
    let id = create.id.as_str();
    make(create, log)?;
    let forwarding = if detach {
        Ok(())
    } else {
        forward::signals_to(id, &signals::FORWARDED)
    };
    let started = forwarding
        .map_err(|errno| format!("cannot handle signals: {errno}"))
        .and_then(|()| container::start(id).map_err(|error| explain(id, &error)));
    if let Err(text) = started {
        undo(id, log);
        return Err(text);
    }
    if detach {
        return Ok(0);
    }
    let ended = container::wait(id).map_err(|error| explain(id, &error))?;
    log.debug(&format!("{id:?} stopped: {:?}", ended.exit));
    if ended.oom_killed {
        log.warn(&format!(
            "container {id:?} was killed: it ran out of memory"
        ));
    }
    if !keep {
        warn(
            &container::delete(id, false).map_err(|error| explain(id, &error))?,
            log,
        );
    }
    Ok(ended.exit.shell_code())
}

fn state(id: &str) -> Done {
    let shown = look_up(id).map_err(|error| explain(id, &error))?;
    print(&shown.document().map_err(|error| error.to_string())?)
}

fn look_up(id: &str) -> Result<Shown, Error> {
    let state = container::state(id)?;
    let rootfs = bundle::rootfs(Path::new(&state.bundle));
    Ok(Shown::new(id, state, rootfs))
}

fn kill(id: &str, signal: u32, all: bool) -> Done {
    match container::kill(id, signal) {
        Ok(()) => Ok(()),
        Err(_) if all && has_status(id, Status::Stopped) => Ok(()),
        Err(error) => Err(explain(id, &error)),
    }
}

fn delete(id: &str, force: bool, log: &Log) -> Done {
    let strict = is_strict();
    let warnings = match container::delete(id, force) {
        Err(_) if !strict && has_status(id, Status::Created) => container::delete(id, true),
        other => other,
    };
    warn(&warnings.map_err(|error| explain(id, &error))?, log);
    Ok(())
}

/// Whether the specification is followed where callers of runc expect something else.
pub fn is_strict() -> bool {
    std::env::var_os(STRICT).is_some_and(|value| value == "1")
}

fn has_status(id: &str, status: Status) -> bool {
    container::state(id).is_ok_and(|state| state.status == status)
}

fn list(json: bool, quiet: bool) -> Done {
    let ids = container::list().map_err(|error| format!("cannot list containers: {error}"))?;
    if quiet {
        return print(&ids.iter().map(|id| format!("{id}\n")).collect::<String>());
    }
    // One that was deleted since is no longer in the list.
    let shown = ids
        .iter()
        .map(|id| look_up(id))
        .filter(|one| !matches!(one, Err(error) if error.errno == Errno::NOENT));
    let shown: Vec<Shown> = shown
        .collect::<Result<_, _>>()
        .map_err(|error| format!("cannot list: {error}"))?;
    let text = if json {
        show::list_json(&shown)
    } else {
        Ok(show::list_table(&shown))
    };
    print(&text.map_err(|error| error.to_string())?)
}

/// One warning for each line of the kernel's text.
fn warn(warnings: &str, log: &Log) {
    warnings.lines().for_each(|line| log.warn(line));
}

/// The error as callers of runc know it; they look for "does not exist".
pub fn explain(id: &str, error: &Error) -> String {
    match error.errno {
        Errno::NOSYS => "this kernel has no container calls, or none for this process".to_owned(),
        Errno::NOENT if error.text.is_empty() => format!("container {id:?} does not exist"),
        Errno::EXIST if error.text.is_empty() => {
            format!("container with id {id:?} already exists")
        }
        _ => error.to_string(),
    }
}

pub fn print(text: &str) -> Done {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())
        .and_then(|()| out.flush())
        .map_err(|error| format!("cannot write to standard output: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pid_file_is_whole_and_plain() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        write_pid(&path, 42).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "42");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
        assert!(write_pid(Path::new("/"), 1).is_err());
    }

    #[test]
    fn errors_are_those_that_callers_look_for() {
        let error = |errno, text: &str| Error {
            errno,
            text: text.to_owned(),
        };
        assert_eq!(
            explain("x", &error(Errno::NOENT, "")),
            "container \"x\" does not exist"
        );
        assert_eq!(explain("x", &error(Errno::NOENT, "said so")), "said so");
        assert_eq!(
            explain("x", &error(Errno::EXIST, "")),
            "container with id \"x\" already exists"
        );
    }
}
