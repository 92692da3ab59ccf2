//! File systems, standard streams and kernel parameters.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::mount::{MountFlags, mount};
use rustix::stdio::{dup2_stderr, dup2_stdin, dup2_stdout};
use rustix::termios::{Winsize, tcsetwinsize};

/// What is mounted, unless it is there: (place, type, options, what it does not have).
const MOUNTS: [(&str, &str, Option<&std::ffi::CStr>, MountFlags); 6] = [
    ("/proc", "proc", None, MountFlags::NODEV),
    ("/sys", "sysfs", None, MountFlags::NODEV),
    (
        "/sys/fs/cgroup",
        "cgroup2",
        Some(c"nsdelegate"),
        MountFlags::NODEV.union(MountFlags::NOEXEC),
    ),
    (
        "/dev/pts",
        "devpts",
        Some(c"gid=5,mode=620,ptmxmode=666"),
        MountFlags::NOEXEC,
    ),
    ("/run", "tmpfs", Some(c"mode=755"), MountFlags::NODEV),
    ("/tmp", "tmpfs", Some(c"mode=1777"), MountFlags::NODEV),
];

/// Mounts what programs expect.
pub fn file_systems() {
    for (place, kind, options, without) in MOUNTS {
        if is_mount_point(Path::new(place)) {
            continue;
        }
        if let Err(errno) = mount(kind, place, kind, MountFlags::NOSUID | without, options) {
            eprintln!("init: cannot mount {kind} on {place}: {errno}");
        }
    }
}

/// A mount point lies on another device than the directory above it.
fn is_mount_point(path: &Path) -> bool {
    let device = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.dev());
    matches!((device(path), device(&path.join(".."))), (Ok(here), Ok(above)) if here != above)
}

/// Makes the console descriptors 0, 1 and 2, whatever the kernel gave.
pub fn standard_streams() {
    if let Err(errno) = console_streams() {
        eprintln!("init: /dev/console: {errno}");
    }
}

fn console_streams() -> Result<(), Errno> {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let console = rustix::fs::open("/dev/console", flags, Mode::empty())?;
    dup2_stdin(&console)?;
    dup2_stdout(&console)?;
    dup2_stderr(&console)
}

/// Tells the console how large the person's window is: the host says `winsize=ROWSxCOLUMNS`.
pub fn window_size() {
    let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    let Some((rows, columns)) = size_in(&line) else {
        return;
    };
    let size = Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    if let Err(errno) = tcsetwinsize(rustix::stdio::stdin(), size) {
        eprintln!("init: cannot set the size of the console: {errno}");
    }
}

fn size_in(line: &str) -> Option<(u16, u16)> {
    let mut words = line.split_whitespace();
    let (rows, columns) = words.find_map(|word| word.strip_prefix("winsize=")?.split_once('x'))?;
    Some((rows.parse().ok()?, columns.parse().ok()?))
}

/// Whether the kernel's command line has this word.
pub fn kernel_parameter(word: &str) -> bool {
    let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    has_word(&line, word)
}

fn has_word(line: &str, word: &str) -> bool {
    line.split_whitespace().any(|other| other == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_whole_words() {
        assert!(has_word("mode=demo tty\n", "tty"));
        assert!(!has_word("ttys notty tty=1", "tty"));
    }

    #[test]
    fn the_size_of_the_window_is_two_numbers() {
        assert_eq!(size_in("mode=demo winsize=50x132 tty\n"), Some((50, 132)));
        assert_eq!(size_in("winsize=50"), None);
        assert_eq!(size_in("winsize=70000x1"), None);
        assert_eq!(size_in("mode=demo"), None);
    }

    #[test]
    fn mount_points_are_told_from_directories() {
        assert!(is_mount_point(Path::new("/proc")));
        assert!(!is_mount_point(Path::new("/")));
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir(directory.path().join("a")).unwrap();
        assert!(!is_mount_point(&directory.path().join("a")));
        assert!(!is_mount_point(&directory.path().join("missing")));
    }
}
