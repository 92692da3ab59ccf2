//! What an ipc namespace has, from a program of its own: shared memory and a message queue.

use std::ffi::CString;

use berth_sys::{mqueue, shm};

use crate::{Done, failed, small};

/// Made if there is none (IPC_CREAT), for its owner (0600).
const MAKE: i32 = 0o1600;
/// Where message queues may be mounted.
const MOUNTED: &str = "/dev/mqueue";

/// Makes a segment and a queue with this key, tells whether there are such, or removes them.
pub fn run(verb: &str, key: u8) -> Done {
    let name = CString::new(format!("q{key}")).unwrap_or_default();
    let told = |what: &'static str| move |errno| failed(format!("{what}: {errno}"));
    let key = i32::from(key);
    match verb {
        "find" => {
            let mut found = vec![
                shm::get(key, 0, 0).is_ok(),
                mqueue::open(&name, 0, 0, None).is_ok(),
            ];
            if let Ok(entries) = std::fs::read_dir(MOUNTED) {
                let mut names = entries.flatten().map(|entry| entry.file_name());
                found.push(names.any(|entry| entry.to_str() == name.to_str().ok()));
            }
            let text = match found.iter().filter(|found| **found).count() {
                0 => "nothing".to_owned(),
                all if all == found.len() => "found".to_owned(),
                _ => format!("some: {found:?}"),
            };
            println!("{text}");
            Ok(())
        }
        "make" | "hold" => {
            shm::get(key, 4096, MAKE).map_err(told("shmget"))?;
            mqueue::open(&name, 0o102, 0o600, None).map_err(told("mq_open"))?;
            println!("made");
            match verb {
                "hold" => small::hold(0),
                _ => Ok(()),
            }
        }
        "drop" => {
            mqueue::unlink(&name).map_err(told("mq_unlink"))?;
            let removed = shm::get(key, 0, 0).and_then(shm::remove);
            removed.map_err(told("shmctl"))
        }
        other => Err(failed(format!("{other}: make, find, hold or drop"))),
    }
}
