//! System V shared memory (shmget(2), shmat(2), shmdt(2), shmctl(2)).

use std::os::fd::AsFd;

use berth_sys::memory::{Access, PAGE, Region, Sharing};
use berth_sys::raw::own_ipc;
use berth_sys::shm::{RECORD, attach, attach_over, control, detach, get};
use rustix::io::Errno;
use rustix::process::getpid;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use super::{Case, Told, Verdict, as_user, check, exits, fails, same};

pub const CASES: &[Case] = &[
    ("ipc/shared", shared),
    ("ipc/attach-count", attach_count),
    ("ipc/removal-waits", removal_waits),
    ("ipc/keys", keys),
    ("ipc/permissions", permissions),
    ("ipc/attach-arguments", attach_arguments),
    ("ipc/limits", limits),
    ("ipc/by-place", by_place),
    ("ipc/moved", moved),
    ("ipc/exec-detaches", exec_detaches),
    ("ipc/namespace", namespace),
    ("ipc/namespace-ends", namespace_ends),
    ("ipc/limits-of-a-namespace", limits_of_a_namespace),
];

const PRIVATE: i32 = 0;
const CREAT: i32 = 0o1000;
const EXCL: i32 = 0o2000;
const RDONLY: i32 = 0o10000;
const RND: i32 = 0o20000;
const REMAP: i32 = 0o40000;
const RMID: i32 = 0;
const SET: i32 = 1;
const STAT: i32 = 2;
const INFO: i32 = 3;
const LOCK: i32 = 11;
const UNLOCK: i32 = 12;
const SHM_STAT: i32 = 13;
const SHM_INFO: i32 = 14;
const SHM_STAT_ANY: i32 = 15;

/// A segment that goes with the case.
struct Segment(i32);

impl Segment {
    fn new(key: i32, pages: usize) -> Result<Self, String> {
        let flags = CREAT | EXCL | 0o600;
        Ok(Self(get(key, pages * PAGE, flags).told("shmget")?))
    }

    fn stat(&self) -> Result<[u8; RECORD], Errno> {
        let mut record = [0; RECORD];
        control(self.0, STAT, &mut record)?;
        Ok(record)
    }

    fn word(&self, at: usize) -> Result<u32, String> {
        Ok(word(&self.stat().told("IPC_STAT")?, at))
    }

    fn attached(&self) -> Result<u32, String> {
        self.word(88)
    }

    fn remove(&self) -> Result<u64, Errno> {
        control(self.0, RMID, &mut [0; RECORD])
    }
}

impl Drop for Segment {
    fn drop(&mut self) {
        let _ = self.remove();
    }
}

fn word(record: &[u8], at: usize) -> u32 {
    let bytes = record.get(at..at + 4).and_then(|b| b.try_into().ok());
    u32::from_le_bytes(bytes.unwrap_or_default())
}

/// A key that nobody else has.
fn own_key(which: i32) -> i32 {
    0x4200_0000 | getpid().as_raw_nonzero().get() << 4 | which
}

fn shared() -> Verdict {
    let segment = Segment::new(PRIVATE, 2)?;
    let me = getpid().as_raw_nonzero().get() as u32;
    let before = segment.stat().told("IPC_STAT")?;
    let fields = [0, 4, 12, 20, 48, 56, 64, 80, 84, 88].map(|at| word(&before, at));
    same("new", fields, [0, 0, 0, 0o600, 8192, 0, 0, me, 0, 0])?;
    let region = attach(segment.0, 2, 0).told("shmat")?;
    same("zeros", (region.read(0), region.read(8191)), (0, 0))?;
    exits(3, || {
        region.write(5000, 9);
        segment.attached().map_or(0, |count| count as i32 + 1)
    })?;
    same("by the child", region.read(5000), 9)?;
    let again = attach(segment.0, 2, RDONLY).told("shmat")?;
    same("once more", again.read(5000), 9)?;
    same("last", segment.word(84)?, me)?;
    check(segment.word(56)? != 0, || "no time of attaching".to_owned())?;
    let maps = std::fs::read_to_string("/proc/self/maps").told("maps")?;
    let shown = maps.lines().filter(|line| line.contains("/SYSV00000000"));
    same("in maps", shown.count(), 2)
}

fn attach_count() -> Verdict {
    let segment = Segment::new(PRIVATE, 3)?;
    let one = attach(segment.0, 3, 0).told("shmat")?;
    let two = attach(segment.0, 3, 0).told("shmat")?;
    same("two", segment.attached()?, 2)?;
    exits(4, || segment.attached().map_or(0, |count| count as i32))?;
    same("the child is gone", segment.attached()?, 2)?;
    one.unmap(1, 1).told("munmap")?;
    same("a hole", segment.attached()?, 3)?;
    one.write(0, 1);
    same("shared with the other", two.read(0), 1)?;
    same("shmdt", detach(&one, 0), Ok(()))?;
    same("all parts went", segment.attached()?, 1)?;
    check(segment.word(64)? != 0, || "no time of detaching".to_owned())?;
    fails("shmdt again", detach(&one, 0), Errno::INVAL)?;
    one.forget();
    drop(two);
    same("munmap", segment.attached()?, 0)
}

fn removal_waits() -> Verdict {
    let key = own_key(1);
    let segment = Segment::new(key, 1)?;
    let region = attach(segment.0, 1, 0).told("shmat")?;
    same("remove", segment.remove(), Ok(0))?;
    fails("by key", get(key, 0, 0), Errno::NOENT)?;
    same("key", segment.word(0)?, 0)?;
    same("mode", segment.word(20)?, 0o1600)?;
    region.write(0, 5);
    let again = attach(segment.0, 1, 0).told("shmat of a removed one")?;
    same("the same", again.read(0), 5)?;
    same("shmdt", detach(&again, 0), Ok(()))?;
    again.forget();
    same("still there", segment.attached()?, 1)?;
    same("shmdt", detach(&region, 0), Ok(()))?;
    region.forget();
    fails("gone", segment.stat(), Errno::INVAL)?;
    fails(
        "attach",
        attach(segment.0, 1, 0).map(Region::forget),
        Errno::INVAL,
    )
}

fn keys() -> Verdict {
    let key = own_key(2);
    fails("none yet", get(key, PAGE, 0o600), Errno::NOENT)?;
    fails("no bytes", get(key, 0, CREAT | 0o600), Errno::INVAL)?;
    let segment = Segment::new(key, 1)?;
    same("found", get(key, PAGE, 0o600), Ok(segment.0))?;
    same("any size", get(key, 0, 0), Ok(segment.0))?;
    same("or made", get(key, 1, CREAT | 0o600), Ok(segment.0))?;
    fails("too large", get(key, PAGE + 1, 0), Errno::INVAL)?;
    let exclusive = get(key, PAGE, CREAT | EXCL | 0o600);
    fails("exclusive", exclusive, Errno::EXIST)?;
    let other = Segment::new(PRIVATE, 1)?;
    let third = Segment::new(PRIVATE, 1)?;
    check(other.0 != third.0, || "private ones are one".to_owned())
}

fn permissions() -> Verdict {
    let key = own_key(3);
    let segment = Segment::new(key, 1)?;
    let id = segment.0;
    as_user(1000, 1000, &[], || {
        fails("get", get(key, 0, 0o400), Errno::ACCESS)?;
        same("ask for nothing", get(key, 0, 0), Ok(id))?;
        let mut record = [0; RECORD];
        fails("attach", attach(id, 1, RDONLY).map(drop), Errno::ACCESS)?;
        fails("stat", control(id, STAT, &mut record), Errno::ACCESS)?;
        fails("set", control(id, SET, &mut record), Errno::PERM)?;
        fails("lock", control(id, LOCK, &mut record), Errno::PERM)?;
        fails("remove", control(id, RMID, &mut record), Errno::PERM)
    })?;
    let mut record = segment.stat().told("IPC_STAT")?;
    record[8..12].copy_from_slice(&1000_u32.to_le_bytes());
    record[20..24].copy_from_slice(&0o7640_u32.to_le_bytes());
    same("set", control(id, SET, &mut record), Ok(0))?;
    same("mode", segment.word(20)?, 0o640)?;
    same("lock", control(id, LOCK, &mut record), Ok(0))?;
    same("locked", segment.word(20)?, 0o2640)?;
    same("unlock", control(id, UNLOCK, &mut record), Ok(0))?;
    as_user(1001, 1000, &[], || {
        attach(id, 1, RDONLY).told("attach to read").map(drop)?;
        fails("to write", attach(id, 1, 0).map(drop), Errno::ACCESS)
    })
}

fn attach_arguments() -> Verdict {
    let segment = Segment::new(PRIVATE, 1)?;
    let id = segment.0;
    let place = Region::anonymous(3, Sharing::Private).told("mmap")?;
    let over = |skip, flags| attach_over(&place, skip, id, flags);
    fails("not at a page", over(1, 0), Errno::INVAL)?;
    fails("taken", over(0, 0), Errno::INVAL)?;
    same("instead", over(PAGE, REMAP), Ok(place.address(PAGE)))?;
    place.unmap(2, 1).told("munmap")?;
    let rounded = over(2 * PAGE + 7, RND);
    same("rounded down", rounded, Ok(place.address(2 * PAGE)))?;
    place.write(PAGE, 3);
    same("one memory", place.read(2 * PAGE), 3)?;
    fails("shmdt not at a page", detach(&place, 1), Errno::INVAL)?;
    same("shmdt", detach(&place, PAGE), Ok(()))?;
    same("the other stays", segment.attached()?, 1)?;
    let anywhere = attach(id, 1, REMAP).map(Region::forget);
    fails("instead of nothing", anywhere, Errno::INVAL)?;
    fails(
        "no segment",
        attach(-1, 1, 0).map(Region::forget),
        Errno::INVAL,
    )?;
    let reader = attach(id, 1, RDONLY).told("shmat")?;
    let more = reader.protect(0, 1, Access::Write);
    fails("write what is to read", more, Errno::ACCESS)?;
    let command = control(id, 99, &mut [0; RECORD]);
    fails("no command", command, Errno::INVAL)
}

fn limits() -> Verdict {
    let segment = Segment::new(own_key(4), 2)?;
    let region = attach(segment.0, 2, 0).told("shmat")?;
    region.write(0, 1);
    let mut record = [0; RECORD];
    control(0, INFO, &mut record).told("IPC_INFO")?;
    let number = |at: usize| {
        let bytes = record.get(at..at + 8).and_then(|b| b.try_into().ok());
        u64::from_le_bytes(bytes.unwrap_or_default()).to_string()
    };
    for (name, at) in [("shmmax", 0), ("shmmni", 16), ("shmall", 32)] {
        let path = format!("/proc/sys/kernel/{name}");
        let told = std::fs::read_to_string(path).told(name)?;
        same(name, number(at), told.trim().to_owned())?;
    }
    let large = get(PRIVATE, usize::MAX, CREAT | 0o600);
    fails("too large", large, Errno::INVAL)?;
    let mut record = [0; RECORD];
    control(0, SHM_INFO, &mut record).told("SHM_INFO")?;
    check(word(&record, 0) >= 1 && word(&record, 8) >= 2, || {
        "not counted".to_owned()
    })?;
    let table = std::fs::read_to_string("/proc/sysvipc/shm").told("sysvipc")?;
    let id = segment.0.to_string();
    let line = table
        .lines()
        .find(|line| line.split_whitespace().nth(1) == Some(&id));
    let fields: Vec<&str> = line.unwrap_or_default().split_whitespace().collect();
    let shown = [2, 3, 6].map(|at| fields.get(at).copied().unwrap_or_default());
    same("line", shown, ["600", "8192", "1"])
}

fn by_place() -> Verdict {
    own_ipc().told("unshare")?;
    let segments = [0, 1, 2].map(|key| Segment::new(own_key(key), 1));
    let [_, Ok(second), _] = &segments else {
        return Err("shmget".to_owned());
    };
    let mut record = [0; RECORD];
    same("highest", control(0, INFO, &mut record), Ok(2))?;
    for command in [SHM_STAT, SHM_STAT_ANY] {
        let found = control(1, command, &mut record);
        same("second", found, Ok(second.0 as u64))?;
        same("its key", word(&record, 0), own_key(1) as u32)?;
    }
    second.remove().told("IPC_RMID")?;
    for command in [SHM_STAT, SHM_STAT_ANY] {
        fails("removed", control(1, command, &mut record), Errno::INVAL)?;
    }
    as_user(1000, 1000, &[], || {
        let mut record = [0; RECORD];
        fails(
            "not shown",
            control(2, SHM_STAT, &mut record),
            Errno::ACCESS,
        )?;
        control(2, SHM_STAT_ANY, &mut record)
            .told("shown")
            .map(drop)
    })
}

fn moved() -> Verdict {
    let segment = Segment::new(PRIVATE, 2)?;
    let region = attach(segment.0, 2, 0).told("shmat")?;
    let place = Region::anonymous(2, Sharing::Private).told("mmap")?;
    region.write(0, 7);
    let flags = 3; // MREMAP_MAYMOVE and MREMAP_FIXED
    let there = region
        .remap((0, 2), 2, flags, Some(&place))
        .told("mremap")?;
    region.forget();
    place.forget();
    same("the same memory", there.read(0), 7)?;
    same("attached once", segment.attached()?, 1)?;
    same("shmdt", detach(&there, 0), Ok(()))?;
    there.forget();
    same("gone", segment.attached()?, 0)
}

fn exec_detaches() -> Verdict {
    let segment = Segment::new(PRIVATE, 1)?;
    let region = attach(segment.0, 1, 0).told("shmat")?;
    // The new program runs when this returns.
    let mut other = std::process::Command::new("/bin/sleep");
    let mut other = other.arg("1000").spawn().told("spawn")?;
    let attached = segment.attached();
    other.kill().told("kill")?;
    other.wait().told("wait")?;
    same("only here", attached?, 1)?;
    drop(region);
    Ok(())
}

/// The namespace that the caller is in, to go back to.
fn here() -> Result<std::fs::File, String> {
    std::fs::File::open("/proc/self/ns/ipc").told("open")
}

fn enter(namespace: &std::fs::File) -> Verdict {
    let kind = Some(LinkNameSpaceType::InterProcessCommunication);
    move_into_link_name_space(namespace.as_fd(), kind).told("setns")
}

fn namespace() -> Verdict {
    let key = own_key(5);
    let segment = Segment::new(key, 1)?;
    let region = attach(segment.0, 1, 0).told("shmat")?;
    let second = attach(segment.0, 1, 0).told("shmat")?;
    let outside = here()?;
    let link = || std::fs::read_link("/proc/self/ns/ipc").told("readlink");
    let was = link()?;
    own_ipc().told("unshare")?;
    check(link()? != was, || "the same namespace".to_owned())?;
    fails("by key", get(key, 0, 0), Errno::NOENT)?;
    fails("by number", segment.stat(), Errno::INVAL)?;
    let table = std::fs::read_to_string("/proc/sysvipc/shm").told("sysvipc")?;
    same("nothing listed", table.lines().count(), 1)?;
    let inner = Segment::new(key, 1)?;
    same("one of its own", inner.word(48)?, PAGE as u32)?;
    region.write(0, 3);
    same("still attached", second.read(0), 3)?;
    same("shmdt", detach(&second, 0), Ok(()))?;
    second.forget();
    let inside = here()?;
    enter(&outside)?;
    same("back", link()?, was)?;
    same("one is left", segment.attached()?, 1)?;
    same(
        "detached by",
        segment.word(84)?,
        getpid().as_raw_nonzero().get() as u32,
    )?;
    exits(0, || {
        let joined = enter(&inside).is_ok() && get(key, 0, 0) == Ok(inner.0);
        i32::from(!joined)
    })?;
    enter(&inside)?;
    drop(inner);
    enter(&outside)
}

fn namespace_ends() -> Verdict {
    let outside = here()?;
    own_ipc().told("unshare")?;
    let segment = Segment::new(PRIVATE, 2)?;
    let kept = attach(segment.0, 2, 0).told("shmat")?;
    let region = attach(segment.0, 2, 0).told("shmat")?;
    kept.write(PAGE, 4);
    enter(&outside)?;
    fails("not here", segment.stat(), Errno::INVAL)?;
    same("lives on", region.read(PAGE), 4)?;
    exits(4, || i32::from(kept.read(PAGE)))?;
    kept.unmap(0, 1).told("munmap")?;
    same("shmdt", detach(&region, 0), Ok(()))?;
    region.forget();
    same("the rest", kept.read(PAGE), 4)?;
    same("shmdt", detach(&kept, 0), Ok(()))?;
    fails("again", detach(&kept, 0), Errno::INVAL)?;
    kept.forget();
    Ok(())
}

fn limits_of_a_namespace() -> Verdict {
    let outside = here()?;
    let told = |name: &str| std::fs::read_to_string(format!("/proc/sys/kernel/{name}")).told(name);
    let before = told("shmmni")?;
    own_ipc().told("unshare")?;
    let set = |name: &str, value: &str| std::fs::write(format!("/proc/sys/kernel/{name}"), value);
    set("shmmni", "2\n").told("shmmni")?;
    let first = Segment::new(PRIVATE, 1)?;
    let second = Segment::new(PRIVATE, 1)?;
    fails("too many", get(PRIVATE, PAGE, 0o600), Errno::NOSPC)?;
    drop(second);
    set("shmmax", "8191").told("shmmax")?;
    same("shmmax", told("shmmax")?, "8191\n".to_owned())?;
    fails("too long", get(PRIVATE, 8192, 0o600), Errno::INVAL)?;
    set("shmall", "2").told("shmall")?;
    fails("too much", get(PRIVATE, 8191, 0o600), Errno::NOSPC)?;
    drop(Segment::new(PRIVATE, 1)?);
    for (name, value) in [("shmmni", "32769"), ("shmmni", "x"), ("shmmax", "-")] {
        let set = set(name, value).map_err(|error| error.raw_os_error());
        same(name, set, Err(Some(Errno::INVAL.raw_os_error())))?;
    }
    drop(first);
    enter(&outside)?;
    same("outside", told("shmmni")?, before)
}
