//! The links of /proc/PID: descriptors, directories, the program, namespaces.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt};

use rustix::io::Errno;

use super::files::{errno, in_directory};
use super::proc::{field, link, number, text};
use super::{Case, Told, Verdict, check, exits, same};

pub const CASES: &[Case] = &[
    ("proc/descriptors", descriptors),
    ("proc/descriptors-of-pipes", descriptors_of_pipes),
    (
        "proc/descriptors-are-opened-again",
        descriptors_are_opened_again,
    ),
    (
        "proc/descriptors-and-their-modes",
        descriptors_and_their_modes,
    ),
    ("proc/descriptors-in-detail", descriptors_in_detail),
    ("proc/directories", directories),
    ("proc/program", program),
    ("proc/namespaces", namespaces),
];

fn descriptors() -> Verdict {
    let file = File::open("/dev/null").told("open")?;
    let directory = fs::read_dir("/proc/self/fd").told("fd")?;
    let listed: Vec<String> = directory
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    let number = file.as_raw_fd();
    check(listed.contains(&number.to_string()), || {
        format!("{listed:?}")
    })?;
    same(
        "link",
        link(&format!("self/fd/{number}"))?.as_str(),
        "/dev/null",
    )?;
    drop(file);
    let gone = fs::symlink_metadata(format!("/proc/self/fd/{number}"));
    same("closed", errno(gone)?, Errno::NOENT)?;
    for wrong in ["x", "01", "-1", "4294967296"] {
        let found = fs::symlink_metadata(format!("/proc/self/fd/{wrong}"));
        same(wrong, errno(found)?, Errno::NOENT)?;
    }
    Ok(())
}

fn descriptors_of_pipes() -> Verdict {
    let (mut reader, writer) = crate::small::pipe().told("pipe")?;
    let ends = [&reader, &writer].map(AsRawFd::as_raw_fd);
    let inode = rustix::fs::fstat(&reader).told("fstat")?.st_ino;
    for end in ends {
        let name = link(&format!("self/fd/{end}"))?;
        same("link", name, format!("pipe:[{inode}]"))?;
    }
    // A second writer, by the name of the reader's end.
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    let mut second = OpenOptions::new().write(true).open(path).told("open")?;
    second.write_all(b"through").told("write")?;
    drop((second, writer));
    let mut bytes = Vec::new();
    reader.read_to_end(&mut bytes).told("read")?;
    same("read", bytes, b"through".to_vec())
}

fn descriptors_are_opened_again() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        fs::write(&path, "content").told("write")?;
        let mut file = File::open(&path).told("open")?;
        let mut four = [0; 4];
        file.read_exact(&mut four).told("read")?;
        fs::remove_file(&path).told("unlink")?;
        let again = format!("/proc/self/fd/{}", file.as_raw_fd());
        let name = fs::read_link(&again).told("readlink")?;
        same(
            "link",
            name.to_string_lossy().into_owned(),
            format!("{} (deleted)", path.display()),
        )?;
        let whole = fs::read_to_string(&again).told("read again")?;
        same("from its beginning", whole.as_str(), "content")?;
        let mut rest = String::new();
        file.read_to_string(&mut rest).told("read on")?;
        same("where it was", rest.as_str(), "ent")
    })
}

fn descriptors_and_their_modes() -> Verdict {
    let options = |read, write| {
        let file = OpenOptions::new().read(read).write(write).open("/dev/null");
        file.told("open")
    };
    for (read, write, mode) in [
        (true, false, 0o500),
        (false, true, 0o300),
        (true, true, 0o700),
    ] {
        let file = options(read, write)?;
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        let found = fs::symlink_metadata(&path).told("lstat")?;
        same("link", found.file_type().is_symlink(), true)?;
        same("mode", found.permissions().mode() & 0o7777, mode)?;
        // Through the link it is the file.
        let target = fs::metadata(&path).told("stat")?;
        same(
            "device",
            target.rdev(),
            file.metadata().told("fstat")?.rdev(),
        )?;
    }
    Ok(())
}

fn descriptors_in_detail() -> Verdict {
    in_directory(|directory| {
        let path = directory.join("file");
        let mut file = File::create(&path).told("create")?;
        file.write_all(b"12345").told("write")?;
        let info = text(&format!("self/fdinfo/{}", file.as_raw_fd()))?;
        same("pos", number(&info, "pos")?, 5)?;
        let flags = u32::from_str_radix(field(&info, "flags")?, 8).told("flags")?;
        // O_WRONLY and O_CLOEXEC.
        same("flags", flags & 0o2_000_003, 0o2_000_001)?;
        number(&info, "mnt_id").map(|_| ())
    })
}

fn directories() -> Verdict {
    in_directory(|directory| {
        std::env::set_current_dir(directory).told("chdir")?;
        let here = std::env::current_dir().told("getcwd")?;
        same("cwd", link("self/cwd")?, here.display().to_string())?;
        same("root", link("self/root")?.as_str(), "/")?;
        fs::write("/proc/self/cwd/file", "x").told("through cwd")?;
        let found = fs::metadata(directory.join("file")).told("stat")?;
        let same_file = fs::metadata("/proc/self/root/proc/self/cwd/file").told("stat")?;
        same("inode", same_file.ino(), found.ino())?;
        let below = directory.join("below");
        fs::create_dir(&below).told("mkdir")?;
        std::env::set_current_dir(&below).told("chdir")?;
        fs::remove_dir(&below).told("rmdir")?;
        let gone = format!("{} (deleted)", here.join("below").display());
        same("removed", link("self/cwd")?, gone)?;
        std::env::set_current_dir("/").told("chdir")
    })
}

fn program() -> Verdict {
    let exe = fs::read_link("/proc/self/exe").told("readlink")?;
    let one = fs::metadata(&exe).told("stat")?;
    let other = fs::metadata("/proc/self/exe").told("stat")?;
    same("inode", one.ino(), other.ino())?;
    let mut head = [0; 4];
    let file = File::open("/proc/self/exe").told("open")?;
    file.read_exact_at(&mut head, 0).told("read")?;
    same("its first bytes", &head, b"\x7fELF")?;
    let written = OpenOptions::new().write(true).open("/proc/self/exe");
    same("writing", errno(written)?, Errno::TXTBSY)
}

fn namespaces() -> Verdict {
    for kind in ["cgroup", "ipc", "mnt", "net", "pid", "user", "uts"] {
        let name = link(&format!("self/ns/{kind}"))?;
        let rest = name
            .strip_prefix(kind)
            .and_then(|rest| rest.strip_prefix(":["));
        let inode = rest.and_then(|rest| rest.strip_suffix(']')).unwrap_or("");
        let status = fs::metadata(format!("/proc/self/ns/{kind}")).told("stat")?;
        same("inode", inode.parse(), Ok(status.ino()))?;
        exits(0, || {
            i32::from(link(&format!("self/ns/{kind}")).as_ref() != Ok(&name))
        })?;
    }
    Ok(())
}
