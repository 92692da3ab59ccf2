//! How threads and processes begin and end.

use std::cell::Cell;
use std::io::{Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind, panic_any};
use std::process::{Command, ExitCode, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Case, Verdict, same, told};

pub const CASES: &[Case] = &[
    ("results", results),
    ("names-and-stacks", names_and_stacks),
    ("thread-locals", thread_locals),
    ("panics-are-caught", panics_are_caught),
    ("panics-poison", panics_poison),
    ("sleep-lasts", sleep_lasts),
    ("processors", processors),
    ("commands", commands),
    ("commands-from-threads", commands_from_threads),
];

fn results() -> Verdict {
    let threads: Vec<_> = (0..32u64).map(|n| thread::spawn(move || n * n)).collect();
    let mut sum = 0;
    for thread in threads {
        sum += told("join", thread.join())?;
    }
    same("sum", sum, (0..32).map(|n| n * n).sum())
}

fn names_and_stacks() -> Verdict {
    /// Uses so many kilobytes of stack.
    fn deep(kilobytes: usize) -> usize {
        let room = std::hint::black_box([kilobytes as u8; 1024]);
        match kilobytes {
            0 => 0,
            _ => deep(kilobytes - 1) + usize::from(room[1023] == kilobytes as u8),
        }
    }
    let builder = thread::Builder::new().name("deep".to_owned());
    let deep = builder.stack_size(4 << 20).spawn(|| {
        let name = thread::current().name().map(str::to_owned);
        let comm = std::fs::read_to_string("/proc/thread-self/comm");
        (name, comm.ok(), deep(1500))
    });
    let (name, comm, depth) = told("join", told("spawn", deep)?.join())?;
    same("name", name.as_deref(), Some("deep"))?;
    same("comm", comm.as_deref(), Some("deep\n"))?;
    same("depth", depth, 1500)
}

fn thread_locals() -> Verdict {
    static DROPPED: AtomicU64 = AtomicU64::new(0);
    struct Counted(Cell<u64>);
    impl Drop for Counted {
        fn drop(&mut self) {
            DROPPED.fetch_add(self.0.get(), Ordering::SeqCst);
        }
    }
    thread_local!(static OWN: Counted = const { Counted(Cell::new(1)) });
    let threads: Vec<_> = (0..10)
        .map(|n| {
            thread::spawn(move || {
                OWN.with(|own| {
                    own.0.set(own.0.get() + n);
                    own.0.get()
                })
            })
        })
        .collect();
    for (number, thread) in (0..).zip(threads) {
        same("one's own", told("join", thread.join())?, number + 1)?;
    }
    // Destructors have run when join returns.
    same("dropped", DROPPED.load(Ordering::SeqCst), 55)
}

fn panics_are_caught() -> Verdict {
    let caught = catch_unwind(|| panic_any(7u32));
    let value = caught
        .err()
        .and_then(|value| value.downcast_ref::<u32>().copied());
    same("value", value, Some(7))?;
    let thread = thread::spawn(|| panic_any("in a thread"));
    let value: Option<&str> = thread.join().err().and_then(|v| v.downcast_ref().copied());
    same("of a thread", value, Some("in a thread"))?;
    // What was on the stack is dropped on the way.
    let dropped = Cell::new(0);
    struct Guard<'a>(&'a Cell<u32>);
    impl Drop for Guard<'_> {
        fn drop(&mut self) {
            self.0.set(self.0.get() + 1);
        }
    }
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _outer = Guard(&dropped);
        let inner = Guard(&dropped);
        if dropped.get() == 0 {
            panic_any(inner.0.get());
        }
    }));
    same("caught", caught.is_err(), true)?;
    same("dropped", dropped.get(), 2)
}

fn panics_poison() -> Verdict {
    let lock = Mutex::new(1);
    let panicked = thread::scope(|scope| {
        let holder = scope.spawn(|| {
            let _guard = lock.lock();
            panic_any(());
        });
        holder.join().is_err()
    });
    same("panicked", panicked, true)?;
    same("poisoned", lock.is_poisoned(), true)?;
    lock.clear_poison();
    same("value", lock.lock().map(|value| *value).ok(), Some(1))
}

fn sleep_lasts() -> Verdict {
    let begin = Instant::now();
    let sleepers: Vec<_> = (1..=8u64)
        .map(|ms| {
            thread::spawn(move || {
                let begin = Instant::now();
                thread::sleep(Duration::from_millis(ms));
                begin.elapsed() >= Duration::from_millis(ms)
            })
        })
        .collect();
    for sleeper in sleepers {
        same("long enough", told("join", sleeper.join())?, true)?;
    }
    same("all", begin.elapsed() >= Duration::from_millis(8), true)
}

fn processors() -> Verdict {
    let count = told("available_parallelism", thread::available_parallelism())?;
    same("at least one", count.get() >= 1, true)
}

/// What this program does as a child: `exit`, or `upper`: its input in capitals.
pub fn child(word: &str) -> ExitCode {
    if word != "upper" {
        return ExitCode::from(23);
    }
    let mut text = String::new();
    let read = std::io::stdin().read_to_string(&mut text);
    let variable = std::env::var("CASE").unwrap_or_default();
    print!("{variable}{}", text.to_uppercase());
    ExitCode::from(u8::from(read.is_err()))
}

fn myself(word: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(word);
    command
}

fn commands() -> Verdict {
    let status = told("spawn", myself("exit").status())?;
    same("code", status.code(), Some(23))?;
    same("in capitals", upper("a word")?, "CASE A WORD".to_owned())?;
    let missing = Command::new("/no/such/program").spawn();
    same(
        "missing",
        missing.err().map(|e| e.kind()),
        Some(std::io::ErrorKind::NotFound),
    )?;
    let mut killed = told("spawn", myself("upper").stdin(Stdio::piped()).spawn())?;
    same("not yet", told("wait", killed.try_wait())?, None)?;
    told("kill", killed.kill())?;
    let status = told("wait", killed.wait())?;
    same("code", status.code(), None)
}

/// A text in capitals, by way of a child.
fn upper(text: &str) -> Result<String, String> {
    let mut command = myself("upper");
    command
        .env("CASE", "CASE ")
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut child = told("spawn", command.spawn())?;
    let mut input = child.stdin.take().ok_or("no pipe")?;
    told("write", input.write_all(text.as_bytes()))?;
    drop(input);
    let output = told("wait", child.wait_with_output())?;
    same("success", output.status.success(), true)?;
    told("text", String::from_utf8(output.stdout))
}

fn commands_from_threads() -> Verdict {
    let threads: Vec<_> = (0..6)
        .map(|n| thread::spawn(move || upper(&format!("word {n}"))))
        .collect();
    for (number, thread) in threads.into_iter().enumerate() {
        let text = told("join", thread.join())??;
        same("text", text, format!("CASE WORD {number}"))?;
    }
    Ok(())
}
