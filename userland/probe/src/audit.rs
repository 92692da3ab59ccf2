//! The leak audit by hand, and around a command.

use std::process::Command;

use berth_sys::audit::{counts, differences, settled};
use serde_json::{Map, Value};

use crate::{Done, Failure, failed};

/// Prints the counts.
pub fn print() -> Done {
    let record = settled().map_err(|error| failed(format!("audit: {error}")))?;
    let mut object: Map<String, Value> = counts(&record)
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect();
    object.insert("jobs".to_owned(), record.jobs.into());
    println!("{}", Value::Object(object));
    Ok(())
}

/// Runs the command twice: the first run may fill caches and leave its files where the second one
/// overwrites them; the second must leave every count as it was, frames and inodes too.
pub fn command(words: &[&str]) -> Done {
    run(words)?;
    let before = settled().map_err(|error| failed(format!("audit: {error}")))?;
    run(words)?;
    let after = settled().map_err(|error| failed(format!("audit: {error}")))?;
    let left: Vec<String> = differences(&before, &after)
        .iter()
        .map(|one| one.to_string())
        .collect();
    if after.jobs > 0 {
        return Err(failed(format!("{} jobs are not done", after.jobs)));
    }
    if left.is_empty() {
        println!("audit clean");
        return Ok(());
    }
    Err(failed(format!("audit leak {}", left.join(" "))))
}

fn run(words: &[&str]) -> Done {
    let (name, arguments) = words.split_first().ok_or_else(|| failed("no command"))?;
    let status = Command::new(name).args(arguments).status();
    let status = status.map_err(|error| failed(format!("{name}: {error}")))?;
    match status.code() {
        Some(0) => Ok(()),
        Some(code) => Err(Failure(
            u8::try_from(code).unwrap_or(1),
            format!("{name} exits with {code}"),
        )),
        None => Err(failed(format!("{name}: {status}"))),
    }
}
