//! What programs do with Rust's standard library: threads, channels, locks, processes, files, time, memory. Prints a line
//! for each subject, the same on every system.

#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::fs;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc;
use std::sync::{Arc, Barrier, Condvar, Mutex, Once, RwLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

type Outcome = Result<String, Box<dyn std::error::Error>>;

type Subject = (&'static str, fn() -> Outcome);

const SUBJECTS: [Subject; 12] = [
    ("threads", threads),
    ("channels", channels),
    ("locks", locks),
    ("condition", condition),
    ("barrier", barrier),
    ("thread-locals", thread_locals),
    ("parking", parking),
    ("processes", processes),
    ("pipes", pipes),
    ("files", files),
    ("time", time),
    ("memory", memory),
];

fn main() -> io::Result<()> {
    if let Some(word) = std::env::args().nth(1) {
        return child(&word);
    }
    println!("1..{}", SUBJECTS.len());
    for (number, (name, subject)) in (1..).zip(SUBJECTS) {
        match subject() {
            Ok(text) => println!("ok {number} - {name}: {text}"),
            Err(error) => println!("not ok {number} - {name}: {error}"),
        }
    }
    Ok(())
}

/// This program as its own child.
fn child(word: &str) -> io::Result<()> {
    match word {
        "echo" => io::copy(&mut io::stdin(), &mut io::stdout()).map(drop),
        "abort" => std::process::abort(),
        "panic" => {
            let joined = thread::spawn(|| std::process::exit(11)).join();
            std::process::exit(i32::from(joined.is_err()))
        }
        other => std::process::exit(other.parse().unwrap_or(2)),
    }
}

fn threads() -> Outcome {
    let mut numbers: Vec<u64> = (0..1000).collect();
    thread::scope(|scope| {
        for part in numbers.chunks_mut(100) {
            scope.spawn(move || part.iter_mut().for_each(|number| *number *= 2));
        }
    });
    let many: Vec<_> = (0..50u64).map(|n| thread::spawn(move || n * n)).collect();
    let mut squares = 0;
    for one in many {
        squares += one.join().map_err(|_| "a thread panicked")?;
    }
    let named = thread::Builder::new()
        .name(String::from("a name"))
        .stack_size(256 << 10)
        .spawn(|| thread::current().name().map(String::from))?;
    let name = named.join().map_err(|_| "a thread panicked")?;
    Ok(format!(
        "{} {squares} {name:?}",
        numbers.iter().sum::<u64>()
    ))
}

fn channels() -> Outcome {
    let (sender, receiver) = mpsc::channel();
    let (bounded, rendezvous) = mpsc::sync_channel::<u64>(0);
    for n in 0..8u64 {
        let sender = sender.clone();
        thread::spawn(move || (0..250).try_for_each(|i| sender.send(n * 1000 + i)));
    }
    drop(sender);
    let adder = thread::spawn(move || rendezvous.iter().sum::<u64>());
    let mut count = 0;
    for number in receiver {
        bounded.send(number)?;
        count += 1;
    }
    drop(bounded);
    let sum = adder.join().map_err(|_| "a thread panicked")?;
    let (_keep, silent) = mpsc::channel::<()>();
    let late = silent.recv_timeout(Duration::from_millis(20)).is_err();
    Ok(format!("{count} {sum} {late}"))
}

fn locks() -> Outcome {
    let counter = Arc::new(Mutex::new(0u64));
    let table = Arc::new(RwLock::new(BTreeMap::new()));
    let total = Arc::new(AtomicU64::new(0));
    let once = Arc::new(Once::new());
    let workers: Vec<_> = (0..6u64)
        .map(|n| {
            let (counter, table) = (counter.clone(), table.clone());
            let (total, once) = (total.clone(), once.clone());
            thread::spawn(move || {
                for i in 0..500 {
                    if let Ok(mut counter) = counter.lock() {
                        *counter += 1;
                    }
                    total.fetch_add(i, Ordering::Relaxed);
                }
                once.call_once(|| {
                    total.fetch_add(1_000_000, Ordering::Relaxed);
                });
                if let Ok(mut table) = table.write() {
                    table.insert(n, n * 10);
                }
                table
                    .read()
                    .map(|table| table.contains_key(&n))
                    .unwrap_or(false)
            })
        })
        .collect();
    let found = workers
        .into_iter()
        .filter_map(|w| w.join().ok())
        .filter(|f| *f)
        .count();
    let count = counter.lock().map(|count| *count).unwrap_or(0);
    Ok(format!("{found} {count} {}", total.load(Ordering::Relaxed)))
}

fn condition() -> Outcome {
    let shared = Arc::new((Mutex::new(Vec::new()), Condvar::new()));
    let eater = {
        let shared = shared.clone();
        thread::spawn(move || {
            let mut sum = 0;
            while sum < 5050 {
                let Ok(mut queue) = shared.0.lock() else {
                    break;
                };
                while queue.is_empty() {
                    match shared.1.wait(queue) {
                        Ok(again) => queue = again,
                        Err(_) => return 0,
                    }
                }
                sum += queue.drain(..).sum::<u64>();
            }
            sum
        })
    };
    for n in 1..=100 {
        shared.0.lock().map_err(|_| "poisoned")?.push(n);
        shared.1.notify_one();
    }
    Ok(eater.join().map_err(|_| "a thread panicked")?.to_string())
}

fn barrier() -> Outcome {
    let barrier = Arc::new(Barrier::new(5));
    let waiters: Vec<_> = (0..5)
        .map(|_| {
            let barrier = barrier.clone();
            thread::spawn(move || (0..20).filter(|_| barrier.wait().is_leader()).count())
        })
        .collect();
    let leaders: usize = waiters.into_iter().filter_map(|w| w.join().ok()).sum();
    Ok(leaders.to_string())
}

fn thread_locals() -> Outcome {
    thread_local!(static MINE: std::cell::Cell<u32> = const { std::cell::Cell::new(7) });
    MINE.set(1);
    let theirs = thread::spawn(|| {
        let first = MINE.get();
        MINE.set(2);
        (first, MINE.get())
    });
    let theirs = theirs.join().map_err(|_| "a thread panicked")?;
    Ok(format!("{} {theirs:?}", MINE.get()))
}

fn parking() -> Outcome {
    let woken = Arc::new(AtomicU64::new(0));
    let sleeper = {
        let woken = woken.clone();
        thread::spawn(move || {
            while woken.load(Ordering::Acquire) == 0 {
                thread::park();
            }
        })
    };
    thread::sleep(Duration::from_millis(10));
    woken.store(1, Ordering::Release);
    sleeper.thread().unpark();
    Ok(format!("{:?}", sleeper.join().is_ok()))
}

fn own() -> io::Result<Command> {
    std::env::current_exe().map(Command::new)
}

fn processes() -> Outcome {
    let seven = own()?.arg("7").status()?.code();
    let aborted = own()?.arg("abort").status()?.signal();
    let from_thread = own()?.arg("panic").status()?.code();
    let missing = Command::new("/no/such/program")
        .status()
        .map_err(|error| error.kind());
    let mut killed = Command::new("sleep").arg("100").spawn()?;
    killed.kill()?;
    let killed = killed.wait()?.signal();
    let variable = Command::new("sh")
        .args(["-c", "echo $A $(pwd)"])
        .env_clear()
        .env("A", "value")
        .env("PATH", "/bin")
        .current_dir("/")
        .output()?;
    let variable = String::from_utf8(variable.stdout)?;
    Ok(format!(
        "{seven:?} {aborted:?} {from_thread:?} {missing:?} {killed:?} {variable:?}"
    ))
}

fn pipes() -> Outcome {
    let mut echo = own()?
        .arg("echo")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut to = echo.stdin.take().ok_or("no stdin")?;
    let writer = thread::spawn(move || (0..20_000).try_for_each(|n| writeln!(to, "line {n}")));
    let from = BufReader::new(echo.stdout.take().ok_or("no stdout")?);
    let lines = from.lines().collect::<io::Result<Vec<_>>>()?;
    writer.join().map_err(|_| "a thread panicked")??;
    let status = echo.wait()?;
    Ok(format!(
        "{} {:?} {:?}",
        lines.len(),
        lines.last(),
        status.code()
    ))
}

fn files() -> Outcome {
    let dir = std::env::temp_dir().join(format!("unit-{}", std::process::id()));
    fs::create_dir_all(dir.join("a/b"))?;
    let outcome = in_directory(&dir);
    fs::remove_dir_all(&dir)?;
    Ok(format!("{} {}", outcome?, dir.exists()))
}

fn in_directory(dir: &Path) -> Outcome {
    let path = dir.join("a/file");
    let mut file = fs::File::create_new(&path)?;
    file.write_all(b"0123456789")?;
    file.seek(SeekFrom::Start(100))?;
    file.write_all(b"end")?;
    file.sync_all()?;
    file.set_len(102)?;
    drop(file);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640))?;
    symlink("file", dir.join("a/link"))?;
    fs::hard_link(&path, dir.join("a/b/hard"))?;
    fs::rename(dir.join("a/b/hard"), dir.join("a/b/moved"))?;
    fs::copy(&path, dir.join("copy"))?;
    let mut text = String::new();
    fs::File::open(dir.join("a/link"))?
        .take(10)
        .read_to_string(&mut text)?;
    let meta = fs::metadata(&path)?;
    let mut names: Vec<_> = fs::read_dir(dir.join("a"))?
        .map(|entry| entry.map(|entry| entry.file_name()))
        .collect::<io::Result<_>>()?;
    names.sort();
    let again = fs::File::create_new(&path)
        .map_err(|error| error.kind())
        .err();
    let target = fs::read_link(dir.join("a/link"))?;
    Ok(format!(
        "{text} {} {:o} {} {names:?} {again:?} {target:?}",
        meta.len(),
        meta.mode(),
        meta.nlink()
    ))
}

fn time() -> Outcome {
    let (start, wall) = (Instant::now(), SystemTime::now());
    thread::sleep(Duration::from_millis(30));
    let slept = start.elapsed() >= Duration::from_millis(30);
    let later = SystemTime::now().duration_since(wall)? >= Duration::from_millis(20);
    let this_century = wall.duration_since(SystemTime::UNIX_EPOCH)?.as_secs() > 1_600_000_000;
    Ok(format!("{slept} {later} {this_century}"))
}

fn memory() -> Outcome {
    let mut blocks: Vec<Vec<u8>> = Vec::new();
    for n in 0..64usize {
        blocks.push(vec![n as u8; 64 << 10]);
        if n % 3 == 0 {
            blocks.swap_remove(n / 4);
        }
    }
    let mut large = vec![1u8; 8 << 20];
    large.resize(16 << 20, 2);
    large.truncate(9 << 20);
    large.shrink_to_fit();
    let sum: u64 = blocks
        .iter()
        .chain([&large])
        .flatten()
        .map(|b| u64::from(*b))
        .sum();
    Ok(format!("{} {sum}", blocks.len()))
}
