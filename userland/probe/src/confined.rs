//! What a program in a container can do to the outside: a line for each way to try, with how the
//! tries ended.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::PathBuf;

use berth_sys::abi::{END, FIRST};
use berth_sys::own::{self, CAP_VERSIONS, Numbers, numbers};
use berth_sys::raw::{self, Request};
use berth_sys::{memory, signals, threads};
use rustix::fs::{CWD, FileType, Mode, OFlags, makedev, mknodat, open, openat};
use rustix::io::Errno;
use rustix::mount::{MountFlags, UnmountFlags, mount, mount_bind, unmount};
use rustix::process::{Pid, chroot, getpgid, getsid, pivot_root};
use rustix::system::{RebootCommand, reboot, sethostname};

use crate::{Done, number};

/// A file of the outside, and what it takes from any directory to get there if nothing stops it.
const OUTSIDE: &str = "../../../../../run/outside";

/// How the tries of one way ended.
struct Tries(BTreeSet<String>);

impl Tries {
    fn add<T, E: Into<io::Error>>(&mut self, result: Result<T, E>) {
        let ended = match result.map_err(Into::into) {
            Ok(_) => "done".to_owned(),
            Err(error) => name(&error),
        };
        self.0.insert(ended);
    }
}

fn name(error: &io::Error) -> String {
    let errno = Errno::from_io_error(error);
    match errno {
        Some(Errno::PERM) => "EPERM".to_owned(),
        Some(Errno::NOENT) => "ENOENT".to_owned(),
        Some(Errno::SRCH) => "ESRCH".to_owned(),
        Some(Errno::ACCESS) => "EACCES".to_owned(),
        Some(Errno::NOSYS) => "ENOSYS".to_owned(),
        _ => error.to_string(),
    }
}

type Way = (&'static str, fn(&[i32], &mut Tries));

const WAYS: &[Way] = &[
    ("container calls", container_calls),
    ("signals to processes outside", signal),
    ("signals to process groups outside", |pids, tries| {
        pids.iter()
            .for_each(|pid| tries.add(signals::kill(-pid, 9)));
    }),
    ("signals to everybody", |_, tries| {
        tries.add(signals::kill(-1, 9));
    }),
    ("questions about processes outside", ask),
    ("changes of processes outside", change),
    ("calls that reach out", |pids, tries| {
        for pid in pids {
            own::reach_out(*pid).for_each(|(_, result)| tries.add(result));
        }
    }),
    ("memory of processes outside", |pids, tries| {
        let (at, mut bytes) = ([[0x40_0000, 8]], [0; 8]);
        for pid in pids {
            tries.add(memory::read_across(*pid, &mut bytes, &at, 0));
            tries.add(memory::write_across(*pid, &bytes, &at, 0));
        }
    }),
    ("processes in /proc that are not in here", |_, tries| {
        let inside = own_numbers();
        let unknown = inside.iter().filter(|pid| signals::kill(**pid, 0).is_err());
        tries.0.insert(unknown.count().to_string());
    }),
    ("/proc of processes outside", proc_outside),
    ("ways to a file outside", ways_out),
    ("open directories", |_, tries| {
        // Those of the first process, too: it was made by somebody outside.
        let links =
            ["self", "1"].map(|who| (0..64).map(move |fd| format!("/proc/{who}/fd/{fd}/.")));
        let directories = links
            .into_iter()
            .flatten()
            .filter(|link| fs::metadata(link).is_ok());
        tries.0.insert(directories.count().to_string());
    }),
    ("devices of the outside", |_, tries| {
        for name in ["mem", "kmsg", "port", "com1", "ttyS0", "ttyS2", "console"] {
            tries.add(open(format!("/dev/{name}"), OFlags::RDONLY, Mode::empty()));
        }
    }),
    ("nodes of devices", nodes),
    ("the kernel log", |_, tries| {
        tries.add(open(
            "/proc/kmsg",
            OFlags::RDONLY | OFlags::NONBLOCK,
            Mode::empty(),
        ));
        tries.add(numbers(Numbers::Syslog, &[5, 0, 0]));
    }),
    ("mounts", mounts),
    ("another root", |_, tries| {
        tries.add(chroot("/tmp"));
        tries.add(pivot_root("/tmp", "/tmp"));
    }),
    ("namespaces", namespaces),
    ("the host name", |_, tries| {
        tries.add(sethostname(b"outside"));
        tries.add(fs::write("/proc/sys/kernel/hostname", "outside"));
    }),
    ("capabilities", |_, tries| {
        tries.add(own::capset(CAP_VERSIONS[2], 0, [1 << 21, 1 << 21, 0]));
    }),
    ("the machine", |_, tries| {
        tries.add(reboot(RebootCommand::Restart));
        tries.add(reboot(RebootCommand::PowerOff));
    }),
];

/// Tries everything; the processes with these numbers are outside.
pub fn print(outside: &[&str]) -> Done {
    let pids: Vec<i32> = outside
        .iter()
        .map(|word| number(word))
        .collect::<Result<_, _>>()?;
    // A number can mean somebody in here, too.
    let inside = own_numbers();
    let pids: Vec<i32> = pids
        .into_iter()
        .filter(|pid| !inside.contains(pid))
        .collect();
    for (way, attempt) in WAYS {
        let mut tries = Tries(BTreeSet::new());
        attempt(&pids, &mut tries);
        let ended: Vec<String> = tries.0.into_iter().collect();
        println!("{way}: {}", ended.join(", "));
    }
    Ok(())
}

/// The processes that /proc shows.
fn own_numbers() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect()
}

fn container_calls(_: &[i32], tries: &mut Tries) {
    for call in FIRST..END {
        let request = Request {
            id: b"victim",
            ..Request::default()
        };
        tries.add(raw::call(call, request).result);
    }
}

/// To those outside, and to every number that nobody in here has.
fn signal(pids: &[i32], tries: &mut Tries) {
    let inside = own_numbers();
    let others = (1..4096).filter(|pid| !inside.contains(pid));
    for pid in others.chain(pids.iter().copied()) {
        tries.add(signals::kill(pid, 9));
        tries.add(signals::tgkill(pid, pid, 9));
        let info = signals::Info::new(-1, pid, 0);
        tries.add(signals::queue(pid, 9, info));
        tries.add(signals::queue_thread(pid, pid, 9, info));
    }
}

fn ask(pids: &[i32], tries: &mut Tries) {
    for pid in pids {
        tries.add(getpgid(Pid::from_raw(*pid)));
        tries.add(getsid(Pid::from_raw(*pid)));
        tries.add(own::prlimit(*pid, 7, None));
        tries.add(own::capget(CAP_VERSIONS[2], *pid));
    }
}

fn change(pids: &[i32], tries: &mut Tries) {
    for pid in pids {
        tries.add(own::prlimit(*pid, 7, Some([0, 0])));
        tries.add(threads::set_policy(*pid, 0, 0));
        tries.add(numbers(Numbers::Setpriority, &[0, i64::from(*pid), 19]));
        tries.add(numbers(Numbers::IoprioSet, &[1, i64::from(*pid), 0]));
    }
}

fn proc_outside(pids: &[i32], tries: &mut Tries) {
    for pid in pids {
        for place in ["", "root", "cwd", "fd", "mem", "environ", "ns/mnt", "exe"] {
            tries.add(fs::symlink_metadata(format!("/proc/{pid}/{place}")));
        }
    }
}

/// Upwards from every directory there is a way to, and through links.
fn ways_out(_: &[i32], tries: &mut Tries) {
    let root = open("/", OFlags::DIRECTORY | OFlags::PATH, Mode::empty());
    if let Ok(root) = &root {
        tries.add(openat(root, OUTSIDE, OFlags::RDONLY, Mode::empty()));
    }
    let _ = fs::remove_file("/tmp/link");
    tries.0.extend(
        std::os::unix::fs::symlink(OUTSIDE, "/tmp/link")
            .err()
            .map(|e| name(&e)),
    );
    let mut places: Vec<PathBuf> = ["", ".", "/", "/tmp", "/proc", "/dev", "/proc/1/root"]
        .iter()
        .chain(&[
            "/proc/1/cwd",
            "/proc/self/root",
            "/proc/self/cwd",
            "/proc/thread-self/root",
        ])
        .map(PathBuf::from)
        .collect();
    places.extend((0..64).map(|fd| PathBuf::from(format!("/proc/self/fd/{fd}"))));
    for place in places {
        let up = place.join(OUTSIDE);
        match open(&up, OFlags::RDONLY, Mode::empty()) {
            // A descriptor that is a file.
            Err(Errno::NOTDIR) => {}
            result => tries.add(result),
        }
        tries.add(fs::metadata(place.join("run/outside")).map_err(|error| {
            let descriptor = error.raw_os_error() == Some(Errno::NOTDIR.raw_os_error());
            if descriptor {
                Errno::NOENT.into()
            } else {
                error
            }
        }));
    }
    tries.add(fs::metadata("/tmp/link"));
    let _ = fs::remove_file("/tmp/link");
}

/// Of what is everybody's: memory, ports, the log, terminals, the first serial port as bytes.
fn nodes(_: &[i32], tries: &mut Tries) {
    for (major, minor) in [(1, 1), (1, 4), (1, 11), (4, 64), (5, 1), (240, 0)] {
        let device = makedev(major, minor);
        let mode = Mode::from_raw_mode(0o600);
        tries.add(mknodat(
            CWD,
            "/tmp/node",
            FileType::CharacterDevice,
            mode,
            device,
        ));
        tries.add(mknodat(
            CWD,
            "/tmp/node",
            FileType::BlockDevice,
            mode,
            device,
        ));
    }
}

fn mounts(_: &[i32], tries: &mut Tries) {
    for kind in ["tmpfs", "proc", "sysfs", "devpts"] {
        tries.add(mount("none", "/tmp", kind, MountFlags::empty(), None));
    }
    tries.add(mount_bind("/proc/1/root", "/tmp"));
    tries.add(unmount("/proc", UnmountFlags::DETACH));
    tries.add(unmount("/", UnmountFlags::DETACH));
}

fn namespaces(_: &[i32], tries: &mut Tries) {
    tries.add(raw::own_mounts());
    for kind in ["mnt", "pid", "uts"] {
        let link = format!("/proc/1/ns/{kind}");
        match open(link, OFlags::RDONLY, Mode::empty()) {
            Ok(fd) => {
                use std::os::fd::AsRawFd;
                tries.add(numbers(Numbers::Setns, &[i64::from(fd.as_raw_fd()), 0]));
            }
            Err(errno) => tries.add::<(), _>(Err(errno)),
        }
    }
}
