//! `oci update`: other limits for a container that is there.

use std::io::Read as _;

use berth_sys::container;
use serde_json::{Map, Value, json};

use crate::args::{Read, Usage};
use crate::commands::{explain, is_strict};
use crate::options::not_enforced;
use crate::{document, translate};

/// What changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// What the options say, as the object `linux.resources`.
    Options(Value),
    /// What this file says; `-` is the standard input.
    File(String),
}

/// How an option's value is written.
enum Form {
    /// A number of bytes, with a unit perhaps.
    Bytes,
    Number,
    Text,
}

/// Options of runc, and what they are in `linux.resources`.
const OPTIONS: &[(&str, &str, &str, Form)] = &[
    ("memory", "memory", "limit", Form::Bytes),
    ("memory-reservation", "memory", "reservation", Form::Bytes),
    ("memory-swap", "memory", "swap", Form::Bytes),
    ("cpu-period", "cpu", "period", Form::Number),
    ("cpu-quota", "cpu", "quota", Form::Number),
    ("cpu-burst", "cpu", "burst", Form::Number),
    ("cpu-share", "cpu", "shares", Form::Number),
    ("cpu-shares", "cpu", "shares", Form::Number),
    ("cpu-idle", "cpu", "idle", Form::Number),
    ("cpuset-cpus", "cpu", "cpus", Form::Text),
    ("cpuset-mems", "cpu", "mems", Form::Text),
    ("pids-limit", "pids", "limit", Form::Number),
];

/// The names of all options, with those that only runc has.
pub const NAMES: &[&str] = &[
    "memory",
    "memory-reservation",
    "memory-swap",
    "cpu-period",
    "cpu-quota",
    "cpu-burst",
    "cpu-share",
    "cpu-shares",
    "cpu-idle",
    "cpuset-cpus",
    "cpuset-mems",
    "pids-limit",
    "resources",
    "blkio-weight",
    "cpu-rt-period",
    "cpu-rt-runtime",
    "kernel-memory",
    "kernel-memory-tcp",
    "l3-cache-schema",
    "mem-bw-schema",
];

/// The changes that options ask for.
///
/// # Errors
/// A value that is none, an option that this build does not have, or nothing to change.
pub fn changes(given: &[(String, String)], file: Option<String>) -> Read<Changes> {
    if let Some(file) = file {
        return Ok(Changes::File(file));
    }
    let mut resources = Map::new();
    for (option, text) in given {
        let known = OPTIONS.iter().find(|(name, ..)| name == option);
        let Some((_, of, name, form)) = known else {
            return Err(not_enforced(&format!("--{option}")));
        };
        let invalid = || Usage(format!("invalid value for {option}: {text:?}"));
        let value = match form {
            Form::Text => Value::from(text.as_str()),
            Form::Number => Value::from(text.parse::<i64>().map_err(|_| invalid())?),
            Form::Bytes => Value::from(bytes(text).ok_or_else(invalid)?),
        };
        let section = resources.entry(*of).or_insert_with(|| json!({}));
        if let Some(section) = section.as_object_mut() {
            section.insert((*name).to_owned(), value);
        }
    }
    Ok(Changes::Options(Value::Object(resources)))
}

/// A size as runc reads it: `64M`, `1.5g`, `512kb`, `1GiB`; -1 is no limit.
fn bytes(text: &str) -> Option<i64> {
    if text == "-1" {
        return Some(-1);
    }
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let unit = unit.trim_start().to_ascii_lowercase();
    let power = match unit
        .strip_suffix("ib")
        .or(unit.strip_suffix('b'))
        .unwrap_or(&unit)
    {
        "" => 0,
        "k" => 10,
        "m" => 20,
        "g" => 30,
        "t" => 40,
        "p" => 50,
        _ => return None,
    };
    let number: f64 = number.parse().ok()?;
    let bytes = number * f64::from(2f32).powi(power);
    // What is too large for an f64 to count is larger than any machine's memory.
    (bytes < 9e18).then_some(bytes as i64)
}

/// Makes the changes.
///
/// # Errors
/// A file that cannot be read or is wrong, or the kernel's refusal: nothing is changed then.
pub fn make(id: &str, changes: &Changes) -> Result<(), String> {
    let resources = match changes {
        Changes::Options(resources) => resources.clone(),
        Changes::File(path) => read(path)?,
    };
    let text = lines(resources, is_strict())?;
    container::update(id, text.as_bytes()).map_err(|error| explain(id, &error))
}

fn read(path: &str) -> Result<Value, String> {
    let mut text = Vec::new();
    let read = match path {
        "-" => std::io::stdin().read_to_end(&mut text).map(drop),
        path => std::fs::read(path).map(|bytes| text = bytes),
    };
    read.map_err(|error| format!("cannot read {path}: {error}"))?;
    document::parse(&text).map_err(|error| format!("{path}: {error}"))
}

/// The changes in the kernel's language. Callers of runc expect that a limit of no tasks is one of
/// 1; `strict` takes it as it is.
fn lines(mut resources: Value, strict: bool) -> Result<String, String> {
    if let Some(limit) = resources.pointer_mut("/pids/limit") {
        if !strict && *limit == json!(0) {
            *limit = json!(1);
        }
    }
    let document = json!({ "linux": { "resources": resources } });
    translate::limits(&document)
        .map_err(|refusal| format!("{}: {}", refusal.pointer, refusal.reason))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, expected) in [
            ("1", Some(1)),
            ("64M", Some(64 << 20)),
            ("64mb", Some(64 << 20)),
            ("2k", Some(2048)),
            ("1.5g", Some(3 << 29)),
            ("1GiB", Some(1 << 30)),
            ("1 t", Some(1 << 40)),
            ("-1", Some(-1)),
            ("", None),
            ("-2", None),
            ("1x", None),
            ("m", None),
            ("9e9", None),
            ("99999999p", None),
        ] {
            assert_eq!(bytes(text), expected, "{text:?}");
        }
    }

    fn told(options: &[(&str, &str)], strict: bool) -> Result<String, String> {
        let given: Vec<_> = (options.iter())
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        match changes(&given, None).map_err(|usage| usage.to_string())? {
            Changes::Options(resources) => lines(resources, strict),
            Changes::File(file) => Err(file),
        }
    }

    #[test]
    fn options_are_lines() {
        for (options, expected) in [
            (
                &[("memory", "64M"), ("memory-swap", "64m")][..],
                "memory_limit=67108864\nmemory_swap=67108864\n",
            ),
            (&[("memory", "-1")], "memory_limit=0\n"),
            (&[("memory-reservation", "-1")], "memory_reservation=-1\n"),
            (
                &[("cpu-quota", "-1"), ("cpu-period", "5000")],
                "cpu_quota=0\ncpu_period=5000\n",
            ),
            (&[("cpu-share", "512")], "cpu_shares=512\n"),
            (
                &[("cpu-shares", "512"), ("cpu-idle", "1")],
                "cpu_shares=512\ncpu_idle=1\n",
            ),
            (&[("cpu-burst", "0")], "cpu_burst=0\n"),
            (
                &[("cpuset-cpus", "0"), ("cpuset-mems", "0")],
                "cpu_cpus=0\ncpu_mems=0\n",
            ),
            (&[("pids-limit", "-1")], "pids_limit=-1\n"),
            (&[("pids-limit", "0")], "pids_limit=1\n"),
            (&[], ""),
        ] {
            assert_eq!(told(options, false).as_deref(), Ok(expected), "{options:?}");
        }
        assert_eq!(
            told(&[("pids-limit", "0")], true).as_deref(),
            Ok("pids_limit=0\n")
        );
    }

    #[test]
    fn what_cannot_be_done_is_refused_by_name() {
        for (name, _, _, form) in OPTIONS {
            assert!(NAMES.contains(name));
            if !matches!(form, Form::Text) {
                let error = told(&[(name, "x")], false).unwrap_err();
                assert_eq!(error, format!("invalid value for {name}: \"x\""));
            }
        }
        for name in [
            "blkio-weight",
            "cpu-rt-period",
            "l3-cache-schema",
            "kernel-memory",
        ] {
            let error = told(&[(name, "1")], false).unwrap_err();
            assert_eq!(error, format!("--{name}: not enforced by this build"));
        }
        let refused = lines(json!({"memory": {"kernel": 5}}), false).unwrap_err();
        assert!(
            refused.contains("/linux/resources/memory/kernel"),
            "{refused}"
        );
    }
}
