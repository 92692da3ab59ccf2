//! What /proc and /sys tell of the system.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};

use rustix::io::Errno;

use super::files::errno;
use super::proc::{field, link, number, text};
use super::{Case, Told, Verdict, check, exits, fails, same};

pub const CASES: &[Case] = &[
    ("proc/system", system),
    ("proc/memory-of-the-system", memory_of_the_system),
    ("proc/processor", processor),
    ("proc/time-since-boot", time_since_boot),
    ("proc/load", load),
    ("proc/activity", activity),
    ("proc/mounts", mounts),
    ("proc/names-of-the-system", names_of_the_system),
    ("proc/numbers-of-the-system", numbers_of_the_system),
    (
        "proc/settings-cannot-be-written",
        settings_cannot_be_written,
    ),
    ("proc/host-name-is-written", host_name_is_written),
    ("proc/random-identifiers", random_identifiers),
    ("proc/network-heads", network_heads),
    ("proc/read-twice", read_twice),
    ("proc/sent-as-a-file", sent_as_a_file),
    ("proc/processors-in-sysfs", processors_in_sysfs),
    ("proc/sysfs-is-read-only", sysfs_is_read_only),
];

/// The numbers of a text, which has nothing else.
fn numbers(text: &str) -> Result<Vec<f64>, String> {
    text.split_whitespace()
        .map(|word| word.parse().told(word))
        .collect()
}

fn system() -> Verdict {
    let version = text("version")?;
    let name = rustix::system::uname();
    let release = name.release().to_string_lossy().into_owned();
    check(
        version.starts_with(&format!("Linux version {release} ")),
        || version.clone(),
    )?;
    let known = text("filesystems")?;
    for kind in ["tmpfs", "proc", "sysfs"] {
        let line = format!("nodev\t{kind}");
        check(known.lines().any(|l| l == line), || format!("no {kind}"))?;
    }
    let devices = text("devices")?;
    check(devices.starts_with("Character devices:\n"), || {
        devices.clone()
    })?;
    check(devices.contains("\nBlock devices:\n"), || devices.clone())?;
    let swaps = text("swaps")?;
    check(
        swaps.starts_with("Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
        || swaps.clone(),
    )?;
    let partitions = text("partitions")?;
    check(
        partitions.is_empty() || partitions.starts_with("major minor  #blocks  name\n\n"),
        || partitions.clone(),
    )?;
    text("cmdline").map(|_| ())
}

fn memory_of_the_system() -> Verdict {
    let memory = text("meminfo")?;
    let of = |name: &str| number(&memory, name);
    check(of("MemTotal")? > of("MemFree")?, || memory.clone())?;
    check(of("MemTotal")? > of("MemAvailable")?, || memory.clone())?;
    for name in [
        "Buffers",
        "Cached",
        "SwapTotal",
        "SwapFree",
        "Shmem",
        "AnonPages",
        "PageTables",
    ] {
        check(field(&memory, name)?.ends_with(" kB"), || name.into())?;
    }
    let info = rustix::system::sysinfo();
    let total = info.totalram.saturating_mul(u64::from(info.mem_unit)) / 1024;
    same("total", of("MemTotal")?, total)?;
    let figures = text("vmstat")?;
    check(
        figures.lines().any(|l| l.starts_with("nr_free_pages ")),
        || figures.clone(),
    )?;
    check(figures.lines().any(|l| l.starts_with("pgfault ")), || {
        figures.clone()
    })
}

fn processor() -> Verdict {
    let info = text("cpuinfo")?;
    check(info.starts_with("processor\t: 0\nvendor_id\t: "), || {
        "its beginning".into()
    })?;
    let value = |name: &str| {
        let line = info.lines().find(|line| line.trim_end().starts_with(name));
        line.and_then(|line| line.split_once(": "))
            .map_or("", |(_, value)| value)
    };
    check(value("cpu family").parse::<u32>().is_ok(), || {
        "cpu family".into()
    })?;
    check(!value("model name").is_empty(), || "model name".into())?;
    let flags: Vec<&str> = value("flags").split_whitespace().collect();
    for flag in ["fpu", "sse2", "lm", "syscall", "nx"] {
        check(flags.contains(&flag), || format!("no {flag}"))?;
    }
    Ok(())
}

fn time_since_boot() -> Verdict {
    let first = numbers(&text("uptime")?)?;
    same("numbers", first.len(), 2)?;
    berth_sys::audit::pause_ms(30);
    let second = numbers(&text("uptime")?)?;
    check(second.first() > first.first(), || {
        format!("{second:?} after {first:?}")
    })
}

fn load() -> Verdict {
    let load = text("loadavg")?;
    let words: Vec<&str> = load.split_whitespace().collect();
    same("words", words.len(), 5)?;
    let averages = words.get(..3).unwrap_or_default();
    for average in averages {
        let hundredths = average.split_once('.').map(|(_, behind)| behind.len());
        check(
            average.parse::<f64>().is_ok() && hundredths == Some(2),
            || load.clone(),
        )?;
    }
    let (running, all) = words.get(3).and_then(|w| w.split_once('/')).ok_or("no /")?;
    let (running, all) = (
        running.parse::<u32>().told(running)?,
        all.parse::<u32>().told(all)?,
    );
    check(running >= 1 && running <= all, || load.clone())
}

fn activity() -> Verdict {
    let value = |text: &str, name: &str| -> Result<u64, String> {
        let line = text
            .lines()
            .find(|line| line.split(' ').next() == Some(name));
        let word = line
            .and_then(|line| line.split(' ').nth(1))
            .ok_or("no line")?;
        word.parse().told(name)
    };
    let before = text("stat")?;
    let cpu = before.lines().next().unwrap_or("");
    let times = numbers(cpu.strip_prefix("cpu  ").ok_or("no cpu")?)?;
    same("times", times.len(), 10)?;
    check(
        before
            .lines()
            .nth(1)
            .is_some_and(|l| l.starts_with("cpu0 ")),
        || "no cpu0".into(),
    )?;
    exits(0, || 0)?;
    let after = text("stat")?;
    for name in ["processes", "ctxt"] {
        let (one, other) = (value(&before, name)?, value(&after, name)?);
        check(other > one, || format!("{name}: {other} after {one}"))?;
    }
    check(value(&after, "procs_running")? >= 1, || {
        "procs_running".into()
    })?;
    check(value(&after, "btime")? > 1_700_000_000, || "btime".into())
}

fn mounts() -> Verdict {
    let (mounts, info) = (text("mounts")?, text("self/mountinfo")?);
    same("link", link("mounts")?.as_str(), "self/mounts")?;
    same("lines", mounts.lines().count(), info.lines().count())?;
    for line in mounts.lines() {
        let words: Vec<&str> = line.split(' ').collect();
        same("words", words.len(), 6)?;
        same("the last", words.get(4..), Some(&["0", "0"][..]))?;
    }
    for line in info.lines() {
        let (before, behind) = line.split_once(" - ").ok_or("no dash")?;
        check(before.split(' ').count() >= 6, || line.into())?;
        same("behind the dash", behind.split(' ').count(), 3)?;
    }
    let proc = mounts
        .lines()
        .find(|line| line.split(' ').nth(1) == Some("/proc"));
    same(
        "type",
        proc.and_then(|line| line.split(' ').nth(2)),
        Some("proc"),
    )?;
    let stats = text("self/mountstats")?;
    check(
        stats.contains(" mounted on /proc with fstype proc\n"),
        || stats.clone(),
    )
}

fn setting(path: &str) -> Result<String, String> {
    let text = text(&format!("sys/{path}"))?;
    let line = text
        .strip_suffix('\n')
        .ok_or_else(|| format!("{path}: {text:?}"))?;
    Ok(line.to_owned())
}

fn names_of_the_system() -> Verdict {
    let name = rustix::system::uname();
    let pairs = [
        ("kernel/ostype", name.sysname()),
        ("kernel/osrelease", name.release()),
        ("kernel/version", name.version()),
        ("kernel/hostname", name.nodename()),
        ("kernel/domainname", name.domainname()),
    ];
    pairs.iter().try_for_each(|(path, wanted)| {
        same(path, setting(path)?, wanted.to_string_lossy().into_owned())
    })
}

fn numbers_of_the_system() -> Verdict {
    let value = |path: &str| setting(path)?.parse::<u64>().told(path);
    same("ngroups_max", value("kernel/ngroups_max")?, 65536)?;
    same("overflowuid", value("kernel/overflowuid")?, 65534)?;
    same("poolsize", value("kernel/random/poolsize")?, 256)?;
    same("randomize_va_space", value("kernel/randomize_va_space")?, 2)?;
    check(value("kernel/cap_last_cap")? >= 40, || {
        "cap_last_cap".into()
    })?;
    check(value("kernel/pid_max")? >= 301, || "pid_max".into())?;
    check(value("vm/overcommit_memory")? <= 2, || {
        "overcommit_memory".into()
    })?;
    let others = [
        "fs/file-max",
        "fs/nr_open",
        "fs/pipe-max-size",
        "kernel/core_uses_pid",
        "kernel/random/entropy_avail",
        "kernel/threads-max",
        "vm/max_map_count",
    ];
    others.iter().try_for_each(|path| value(path).map(|_| ()))?;
    for (path, count) in [("fs/file-nr", 3), ("fs/inode-nr", 2)] {
        same(path, numbers(&setting(path)?)?.len(), count)?;
    }
    Ok(())
}

fn settings_cannot_be_written() -> Verdict {
    for path in [
        "kernel/ostype",
        "kernel/osrelease",
        "kernel/ngroups_max",
        "fs/file-nr",
    ] {
        let path = format!("/proc/sys/{path}");
        let opened = OpenOptions::new().write(true).open(&path);
        same(&path, errno(opened)?, Errno::ACCESS)?;
    }
    Ok(())
}

fn host_name_is_written() -> Verdict {
    // In a namespace of its own, so that nobody else is called so.
    berth_sys::raw::own_host_name().told("unshare")?;
    for (written, name) in [("one\n", "one"), ("two", "two"), ("three\nrest", "three")] {
        fs::write("/proc/sys/kernel/hostname", written).told("write")?;
        same("read", setting("kernel/hostname")?.as_str(), name)?;
        let told = rustix::system::uname();
        same("uname", told.nodename().to_str(), Ok(name))?;
    }
    Ok(())
}

fn random_identifiers() -> Verdict {
    let draw = |name: &str| setting(&format!("kernel/random/{name}"));
    let right = |id: &str| {
        let lengths: Vec<usize> = id.split('-').map(str::len).collect();
        let hex = id.bytes().all(|b| b == b'-' || b.is_ascii_hexdigit());
        check(lengths == [8, 4, 4, 4, 12] && hex, || id.into())
    };
    right(&draw("boot_id")?)?;
    right(&draw("uuid")?)?;
    same("boot", draw("boot_id")?, draw("boot_id")?)?;
    check(draw("uuid")? != draw("uuid")?, || "the same twice".into())
}

fn network_heads() -> Verdict {
    same("link", link("net")?.as_str(), "self/net")?;
    let lengths = [
        ("arp", 79),
        ("dev", 77),
        ("raw", 115),
        ("raw6", 163),
        ("route", 128),
        ("tcp", 150),
        ("tcp6", 145),
        ("udp", 128),
        ("udp6", 163),
        ("unix", 56),
    ];
    for (name, length) in lengths {
        let text = text(&format!("net/{name}"))?;
        let head = text.split_inclusive('\n').next().unwrap_or("");
        same(name, head.len(), length)?;
    }
    let names = text("net/dev")?
        .lines()
        .nth(1)
        .map(|line| line.split_whitespace().count());
    same("columns", names, Some(16))
}

fn read_twice() -> Verdict {
    let mut file = File::open("/proc/self/limits").told("open")?;
    let mut read = || -> Result<String, String> {
        let mut text = String::new();
        file.read_to_string(&mut text).told("read")?;
        Ok(text)
    };
    let (first, behind) = (read()?, read()?);
    check(!first.is_empty() && behind.is_empty(), || "no end".into())?;
    file.seek(SeekFrom::Start(0)).told("seek")?;
    let mut again = String::new();
    file.read_to_string(&mut again).told("read")?;
    same("again", again, first.clone())?;
    file.seek(SeekFrom::Start(10)).told("seek")?;
    let mut rest = [0; 10];
    file.read_exact(&mut rest).told("read")?;
    same(
        "from the middle",
        Some(&rest[..]),
        first.as_bytes().get(10..20),
    )
}

fn sent_as_a_file() -> Verdict {
    let source = File::open("/proc/cpuinfo").told("open")?;
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    let sent = rustix::fs::sendfile(&writer, &source, None, 100).told("sendfile")?;
    let mut bytes = vec![0; sent];
    (&reader).read_exact(&mut bytes).told("read")?;
    let wanted = fs::read("/proc/cpuinfo").told("read")?;
    same("bytes", Some(&bytes[..]), wanted.get(..sent))?;
    check(sent > 0, || "nothing was sent".into())
}

fn processors_in_sysfs() -> Verdict {
    const MAGIC: u64 = 0x6265_6572;
    let found = rustix::fs::statfs("/sys").told("statfs")?;
    same("type", found.f_type as u64, MAGIC)?;
    let list = |name: &str| {
        let path = format!("/sys/devices/system/cpu/{name}");
        fs::read_to_string(path).told(name)
    };
    for name in ["online", "possible", "present"] {
        let list = list(name)?;
        check(list.starts_with('0') && list.ends_with('\n'), || {
            format!("{name}: {list:?}")
        })?;
    }
    let most = list("kernel_max")?;
    check(most.trim().parse::<u32>().is_ok(), || most.clone())?;
    same(
        "core",
        list("cpu0/topology/core_id")?.trim().parse::<u32>().is_ok(),
        true,
    )?;
    let listed = fs::read_dir("/sys").told("list")?.flatten();
    let names: Vec<_> = listed
        .map(|e| e.file_name().to_string_lossy().into_owned())
        .collect();
    for name in ["block", "class", "devices", "firmware", "fs", "kernel"] {
        check(names.iter().any(|n| n == name), || format!("no {name}"))?;
    }
    Ok(())
}

fn sysfs_is_read_only() -> Verdict {
    let path = "/sys/devices/system/cpu/online";
    let opened = OpenOptions::new().write(true).open(path);
    same("write", errno(opened)?, Errno::ACCESS)?;
    let made = rustix::fs::mkdir("/sys/new", rustix::fs::Mode::RWXU);
    fails("mkdir", made, Errno::PERM)
}
