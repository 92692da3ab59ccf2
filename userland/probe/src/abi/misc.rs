//! Time, names, numbers.

use berth_sys::audit::pause_ms;
use berth_sys::memory::nonexistent_call;
use rustix::io::Errno;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use rustix::rand::{GetRandomFlags, getrandom};
use rustix::time::{ClockId, clock_gettime};

use super::{Case, Told, Verdict, check, exits, fails, same};

pub const CASES: &[Case] = &[
    ("misc/clock-goes-on", clock_goes_on),
    ("misc/sleep-lasts", sleep_lasts),
    ("misc/real-time", real_time),
    ("misc/unknown-calls", || {
        [2000, 99_999, u32::MAX].into_iter().try_for_each(|number| {
            fails(&number.to_string(), nonexistent_call(number), Errno::NOSYS)
        })
    }),
    ("misc/uname", uname),
    ("misc/random-numbers", random_numbers),
    ("misc/many-random-numbers", many_random_numbers),
    ("misc/limits-are-inherited", limits_are_inherited),
    ("misc/open-files-are-limited", open_files_are_limited),
    ("misc/processor-time-is-shared", processor_time_is_shared),
];

/// The monotonic clock in nanoseconds.
pub fn monotonic() -> i64 {
    nanoseconds(ClockId::Monotonic)
}

fn nanoseconds(clock: ClockId) -> i64 {
    let time = clock_gettime(clock);
    time.tv_sec
        .saturating_mul(1_000_000_000)
        .saturating_add(time.tv_nsec)
}

fn clock_goes_on() -> Verdict {
    let mut last = monotonic();
    let begin = last;
    for _ in 0..1000 {
        let now = monotonic();
        check(now >= last, || format!("{now} after {last}"))?;
        last = now;
    }
    check(last > begin, || "it stands still".to_owned())
}

fn sleep_lasts() -> Verdict {
    for milliseconds in [1, 20] {
        let begin = monotonic();
        pause_ms(milliseconds);
        let slept = monotonic().saturating_sub(begin);
        let wanted = i64::from(milliseconds).saturating_mul(1_000_000);
        check(slept >= wanted, || format!("{slept} ns, not {wanted}"))?;
    }
    Ok(())
}

fn real_time() -> Verdict {
    let seconds = clock_gettime(ClockId::Realtime).tv_sec;
    // 2025-01-01; a machine whose clock is not read says 1970.
    check(seconds > 1_735_689_600, || {
        format!("{seconds} s since 1970")
    })
}

fn uname() -> Verdict {
    let name = rustix::system::uname();
    same("sysname", name.sysname().to_str(), Ok("Linux"))?;
    same("machine", name.machine().to_str(), Ok("x86_64"))?;
    // Programs look for the version of Linux here.
    let release = name.release().to_string_lossy().into_owned();
    let major = release
        .split('.')
        .next()
        .and_then(|text| text.parse::<u32>().ok());
    check(major.is_some(), || format!("release {release:?}"))
}

fn random_numbers() -> Verdict {
    let draw = || -> Result<[u8; 16], String> {
        let mut bytes = [0u8; 16];
        let mut file = std::fs::File::open("/dev/urandom").told("open")?;
        std::io::Read::read_exact(&mut file, &mut bytes).told("read")?;
        Ok(bytes)
    };
    check(draw()? != draw()?, || "the same number twice".to_owned())
}

/// Much is not less than was asked for.
fn many_random_numbers() -> Verdict {
    let mut bytes = vec![0; 300_000];
    let whole = bytes.len();
    let mut file = std::fs::File::open("/dev/urandom").told("open")?;
    same(
        "read",
        std::io::Read::read(&mut file, &mut bytes).ok(),
        Some(whole),
    )?;
    check(bytes[whole - 64..] != [0; 64], || "zeros".to_owned())?;
    bytes.fill(0);
    same(
        "getrandom",
        getrandom(&mut bytes[..], GetRandomFlags::empty()),
        Ok(whole),
    )?;
    check(bytes[whole - 64..] != [0; 64], || "zeros".to_owned())
}

fn limits_are_inherited() -> Verdict {
    let limit = Rlimit {
        current: Some(33),
        maximum: Some(44),
    };
    setrlimit(Resource::Nofile, limit).told("setrlimit")?;
    exits(0, || {
        let now = getrlimit(Resource::Nofile);
        i32::from(now.current != Some(33) || now.maximum != Some(44))
    })?;
    let wrong = Rlimit {
        current: Some(45),
        maximum: Some(44),
    };
    fails(
        "soft above hard",
        setrlimit(Resource::Nofile, wrong),
        Errno::INVAL,
    )
}

fn open_files_are_limited() -> Verdict {
    let limit = Rlimit {
        current: Some(20),
        maximum: Some(20),
    };
    setrlimit(Resource::Nofile, limit).told("setrlimit")?;
    let mut files = Vec::new();
    for _ in 0..30 {
        match std::fs::File::open("/dev/null") {
            Ok(file) => files.push(file),
            Err(error) => return same("errno", error.raw_os_error(), Some(24)),
        }
    }
    Err("opened 30 files".to_owned())
}

/// Two that never wait must both get on.
fn processor_time_is_shared() -> Verdict {
    let spin = || {
        let end = monotonic().saturating_add(50_000_000);
        while monotonic() < end {}
        0
    };
    let busy: Vec<_> = [0; 3]
        .iter()
        .map(|_| super::child(spin))
        .collect::<Result<_, _>>()?;
    let begin = monotonic();
    pause_ms(10);
    let slept = monotonic().saturating_sub(begin);
    for pid in busy {
        same("exit", super::ended(pid)?.exit_status(), Some(0))?;
    }
    check(slept < 2_000_000_000, || {
        format!("woke up after {slept} ns")
    })
}
