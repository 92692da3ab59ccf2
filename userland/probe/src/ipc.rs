//! System V IPC of a namespace, from a program of its own.

use berth_sys::shm;

use crate::{Done, failed, small};

/// Made if there is none (IPC_CREAT), for its owner (0600).
const MAKE: i32 = 0o1600;

/// Makes an object with this key, or tells whether there is one.
pub fn run(verb: &str, key: u8) -> Done {
    let key = i32::from(key);
    match verb {
        "find" => {
            let found = shm::get(key, 0, 0).is_ok();
            println!("{}", if found { "found" } else { "nothing" });
            Ok(())
        }
        "make" | "hold" => {
            shm::get(key, 4096, MAKE).map_err(|errno| failed(format!("shmget: {errno}")))?;
            println!("made");
            match verb {
                "hold" => small::hold(0),
                _ => Ok(()),
            }
        }
        "drop" => {
            let removed = shm::get(key, 0, 0).and_then(shm::remove);
            removed.map_err(|errno| failed(format!("shmctl: {errno}")))
        }
        other => Err(failed(format!("{other}: make, find, hold or drop"))),
    }
}
