//! Taking one kind of thing for ever, to see who is made to stop.

use std::fs::{self, File};
use std::io::Write;

use berth_sys::memory::{PAGE, Region, Sharing};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, send, socketpair};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::{Done, Failure, failed, small};

/// Exit code of a program that the kernel refused more.
const REFUSED: u8 = 3;

/// One more of a kind; whatever it is stays.
type Bite = fn(u64) -> std::io::Result<()>;

const KINDS: &[(&str, Bite)] = &[
    ("memory", memory),
    ("page-tables", page_table),
    ("areas", area),
    ("bytes", bytes),
    ("inodes", inode),
    ("pipes", pipe),
    ("sockets", socket),
    ("events", event),
    ("tasks", task),
];

/// Takes things of a kind until the kernel refuses.
pub fn forever(kind: &str) -> Done {
    let found = KINDS.iter().find(|(name, _)| *name == kind);
    let (_, bite) = found.ok_or_else(|| Failure(2, format!("{kind:?} is none of the kinds")))?;
    let maximum = getrlimit(Resource::Nofile).maximum;
    let most = Rlimit {
        current: maximum,
        maximum,
    };
    setrlimit(Resource::Nofile, most).map_err(|errno| failed(format!("setrlimit: {errno}")))?;
    for number in 0..u64::MAX {
        if let Err(error) = bite(number) {
            return Err(Failure(REFUSED, format!("{number} {kind}, then {error}")));
        }
    }
    Err(failed("there is no end to it"))
}

fn memory(_: u64) -> std::io::Result<()> {
    let page = Region::anonymous(16, Sharing::Private)?;
    (0..16).for_each(|n| page.write(n * PAGE, 1));
    page.forget();
    Ok(())
}

/// A page in a part of the address space that has no table yet.
fn page_table(_: u64) -> std::io::Result<()> {
    const TABLE: usize = 2 << 20;
    let part = Region::anonymous(TABLE / PAGE, Sharing::Private)?;
    part.write(0, 1);
    part.forget();
    Ok(())
}

/// Areas that cannot be joined: they differ in what may be done with them.
fn area(number: u64) -> std::io::Result<()> {
    let area = Region::anonymous(1, Sharing::Shared)?;
    if number % 2 == 0 {
        area.protect(0, 1, berth_sys::memory::Access::Read)?;
    }
    area.forget();
    Ok(())
}

fn bytes(number: u64) -> std::io::Result<()> {
    let name = format!("/tmp/bytes.{}", number / 64);
    let mut file = File::options().append(true).create(true).open(name)?;
    file.write_all(&[1; 16 * PAGE])
}

fn inode(number: u64) -> std::io::Result<()> {
    fs::create_dir_all("/tmp/inodes")?;
    File::create(format!("/tmp/inodes/{number}")).map(drop)
}

/// A pipe, full.
fn pipe(_: u64) -> std::io::Result<()> {
    let (reader, mut writer) = small::pipe()?;
    writer.write_all(&[1; 16 * PAGE])?;
    std::mem::forget((reader, writer));
    Ok(())
}

/// A pair of sockets with messages on the way.
fn socket(_: u64) -> std::io::Result<()> {
    let (flags, kind) = (SocketFlags::NONBLOCK, SocketType::STREAM);
    let (one, other) = socketpair(AddressFamily::UNIX, kind, flags, None)?;
    while send(&one, &[1; PAGE], SendFlags::NOSIGNAL).is_ok() {}
    std::mem::forget((one, other));
    Ok(())
}

/// A counter, watched.
fn event(_: u64) -> std::io::Result<()> {
    let watcher = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let counter = eventfd(0, EventfdFlags::CLOEXEC)?;
    let data = epoll::EventData::new_u64(0);
    epoll::add(&watcher, &counter, data, epoll::EventFlags::IN)?;
    std::mem::forget((watcher, counter));
    Ok(())
}

/// A child that waits for ever.
fn task(_: u64) -> std::io::Result<()> {
    let mut sleeper = std::process::Command::new("/bin/probe");
    sleeper.args(["hold"]).stdout(std::process::Stdio::null());
    sleeper.spawn().map(std::mem::forget)
}
