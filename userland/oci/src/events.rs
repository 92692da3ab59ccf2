//! `oci events`: what a container uses, as JSON, a line each time.

use std::time::Duration;

use berth_sys::Errno;
use berth_sys::container::{self, Status};
use serde::Serialize;

use crate::commands::{explain, print};

/// A line of `events`, in the form of runc's.
#[derive(Serialize)]
struct Event<'a> {
    #[serde(rename = "type")]
    kind: &'a str,
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    data: Option<Stats>,
}

#[derive(Serialize)]
struct Stats {
    memory: Memory,
    pids: Pids,
}

#[derive(Serialize)]
struct Memory {
    usage: Entry,
    raw: Raw,
}

/// Bytes; no limit is the largest number, as in runc.
#[derive(Serialize)]
struct Entry {
    limit: u64,
    usage: u64,
    max: u64,
    failcnt: u64,
}

#[derive(Serialize)]
struct Raw {
    oom_kill: u64,
}

/// Tasks; like runc, without a limit when there is none, and without a count of nothing.
#[derive(Serialize)]
struct Pids {
    #[serde(skip_serializing_if = "Option::is_none")]
    current: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    limit: Option<u64>,
    /// Forks that the limit refused.
    refused: u64,
}

impl Stats {
    fn of(record: &container::StatsRecord) -> Self {
        Self {
            memory: Memory {
                usage: Entry {
                    limit: record.memory_limit,
                    usage: record.memory,
                    max: record.memory_peak,
                    failcnt: record.memory_refused,
                },
                raw: Raw {
                    oom_kill: record.oom_kills,
                },
            },
            pids: Pids {
                current: Some(record.tasks).filter(|tasks| *tasks > 0),
                limit: Some(record.tasks_limit).filter(|limit| *limit != u64::MAX),
                refused: record.tasks_refused,
            },
        }
    }
}

/// Prints statistics `once`, or every `interval` until the container has stopped or is gone; then
/// also a line of type `oom` when processes were killed for want of memory.
///
/// # Errors
/// There is no such container, or nobody to read.
pub fn tell(id: &str, once: bool, interval: Duration) -> Result<(), String> {
    let mut oom_kills = None;
    loop {
        let stopped = match container::state(id) {
            Ok(state) => state.status == Status::Stopped,
            Err(error) if error.errno == Errno::NOENT && oom_kills.is_some() => return Ok(()),
            Err(error) => return Err(explain(id, &error)),
        };
        let stats = match container::stats(id) {
            Ok(stats) => stats,
            Err(error) if error.errno == Errno::NOENT && oom_kills.is_some() => return Ok(()),
            Err(error) => return Err(explain(id, &error)),
        };
        if !once && oom_kills.is_some_and(|before| stats.oom_kills > before) {
            line("oom", id, None)?;
        }
        line("stats", id, Some(Stats::of(&stats)))?;
        if once || stopped {
            return Ok(());
        }
        oom_kills = Some(stats.oom_kills);
        std::thread::sleep(interval);
    }
}

fn line(kind: &str, id: &str, data: Option<Stats>) -> Result<(), String> {
    let event = Event { kind, id, data };
    let text = serde_json::to_string(&event).map_err(|error| error.to_string())?;
    print(&(text + "\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_in_the_form_of_runcs() {
        let record = container::StatsRecord {
            memory: 4096,
            memory_peak: 8192,
            memory_limit: 16384,
            memory_refused: 3,
            tasks: 2,
            tasks_peak: 5,
            tasks_limit: u64::MAX,
            tasks_refused: 0,
            oom_kills: 1,
        };
        let event = Event {
            kind: "stats",
            id: "c",
            data: Some(Stats::of(&record)),
        };
        assert_eq!(
            serde_json::to_string(&event).unwrap(),
            r#"{"type":"stats","id":"c","data":{"memory":{"usage":{"limit":16384,"usage":4096,"max":8192,"failcnt":3},"raw":{"oom_kill":1}},"pids":{"current":2,"refused":0}}}"#
        );
    }
}
