//! `oci events`: what a container uses and what happens to it, as JSON, a line each time.

use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use berth_sys::Errno;
use berth_sys::container::{self, Error, Status};
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
    cpu: Cpu,
    memory: Memory,
    pids: Pids,
}

/// Nanoseconds and counts.
#[derive(Serialize)]
struct Cpu {
    usage: CpuUsage,
    throttling: Throttling,
}

#[derive(Serialize)]
struct CpuUsage {
    total: u64,
    kernel: u64,
    user: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Throttling {
    periods: u64,
    throttled_periods: u64,
    throttled_time: u64,
}

#[derive(Serialize)]
struct Memory {
    cache: u64,
    usage: Entry,
    /// Kernel objects and page tables; they are in the usage, too.
    kernel: Entry,
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
    anon: u64,
    file: u64,
    kernel: u64,
    oom: u64,
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
            cpu: Cpu {
                usage: CpuUsage {
                    total: record.cpu,
                    kernel: record.cpu_system,
                    user: record.cpu_user,
                },
                throttling: Throttling {
                    periods: record.cpu_periods,
                    throttled_periods: record.cpu_throttled_periods,
                    throttled_time: record.cpu_throttled,
                },
            },
            memory: Memory {
                cache: record.memory_file,
                usage: Entry {
                    limit: record.memory_limit,
                    usage: record.memory,
                    max: record.memory_peak,
                    failcnt: record.memory_refused,
                },
                kernel: Entry {
                    limit: u64::MAX,
                    usage: record.memory_kernel,
                    max: 0,
                    failcnt: 0,
                },
                raw: Raw {
                    anon: record.memory_anon,
                    file: record.memory_file,
                    kernel: record.memory_kernel,
                    oom: record.ooms,
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

/// What there is to tell.
enum News {
    Stats(container::StatsRecord),
    Oom,
    /// The container has stopped or is gone, or why nothing more can be told.
    Over(Result<(), Error>),
}

/// Prints statistics `once`, or every `interval` until the container has stopped or is gone; then
/// also a line of type `oom` for each process that was killed for want of memory.
///
/// # Errors
/// There is no such container, it does not run, or there is nobody to read.
pub fn tell(id: &str, once: bool, interval: Duration) -> Result<(), String> {
    let refused = |error: Error| explain(id, &error);
    if container::state(id).map_err(refused)?.status == Status::Stopped {
        return Err(format!("container with id {id} is not running"));
    }
    let stats = container::stats(id).map_err(refused)?;
    if once {
        return line("stats", id, Some(Stats::of(&stats)));
    }
    let (sender, news) = mpsc::channel();
    let (name, teller) = (id.to_owned(), sender.clone());
    thread::spawn(move || tell_stats(&name, interval, &teller));
    let name = id.to_owned();
    thread::spawn(move || tell_events(&name, stats.oom_kills, &sender));
    for one in news {
        match one {
            News::Stats(record) => line("stats", id, Some(Stats::of(&record)))?,
            News::Oom => line("oom", id, None)?,
            News::Over(Err(error)) if error.errno != Errno::NOENT => return Err(refused(error)),
            News::Over(_) => break,
        }
    }
    Ok(())
}

/// Until nobody listens.
fn tell_stats(id: &str, interval: Duration, to: &Sender<News>) {
    loop {
        thread::sleep(interval);
        let news = match container::stats(id) {
            Ok(record) => News::Stats(record),
            Err(error) => News::Over(Err(error)),
        };
        if to.send(news).is_err() {
            return;
        }
    }
}

/// Until the container has stopped.
fn tell_events(id: &str, seen: u64, to: &Sender<News>) {
    let mut seen = seen;
    let over = loop {
        match container::events(id, seen) {
            Err(error) => break Err(error),
            Ok(record) => {
                let gone = (seen..record.oom_kills).all(|_| to.send(News::Oom).is_ok());
                seen = record.oom_kills;
                if record.stopped != 0 || !gone {
                    break Ok(());
                }
            }
        }
    };
    let _ = to.send(News::Over(over));
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
            oom_kills: 1,
            memory_file: 7,
            cpu: 30,
            cpu_user: 20,
            cpu_system: 10,
            cpu_periods: 4,
            ..container::StatsRecord::default()
        };
        let event = Event {
            kind: "stats",
            id: "c",
            data: Some(Stats::of(&record)),
        };
        let text = serde_json::to_string(&event).unwrap();
        for part in [
            r#"{"type":"stats","id":"c","data":{"cpu":{"usage":{"total":30,"kernel":10,"user":20},"#,
            r#""throttling":{"periods":4,"throttledPeriods":0,"throttledTime":0}},"#,
            r#""memory":{"cache":7,"usage":{"limit":16384,"usage":4096,"max":8192,"failcnt":3},"#,
            r#""raw":{"anon":0,"file":7,"kernel":0,"oom":0,"oom_kill":1}},"#,
            r#""pids":{"current":2,"refused":0}}}"#,
        ] {
            assert!(text.contains(part), "{text}: {part}");
        }
    }
}
