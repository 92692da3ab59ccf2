//! The memory of other processes (process_vm_readv(2)).

use std::io::{Read, Write};

use berth_sys::memory::{read_across, write_across};
use rustix::io::Errno;
use rustix::process::{Pid, getpid};

use super::{Case, Told, Verdict, as_user, check, child, ended, fails, same};

pub const CASES: &[Case] = &[
    ("memory/of-others", of_others),
    ("memory/of-others-in-parts", in_parts),
    ("memory/of-others-errors", errors),
    ("memory/of-others-permission", permission),
];

fn raw(pid: Pid) -> i32 {
    Pid::as_raw(Some(pid))
}

fn address(bytes: &[u8]) -> usize {
    bytes.as_ptr() as usize
}

/// A child that has `bytes` replaced by sevens, until something is written to the pipe. It must
/// then find them as `wanted`.
fn with_child(
    bytes: &mut [u8],
    wanted: impl FnOnce(&[u8]) -> bool,
    work: impl FnOnce(i32, &[u8]) -> Verdict,
) -> Verdict {
    let (mut ready, mut tell) = crate::small::pipe().told("pipe")?;
    let (mut go, mut let_go) = crate::small::pipe().told("pipe")?;
    let pid = child(|| {
        bytes.fill(7);
        let told = tell.write_all(b"x").is_ok() && go.read_exact(&mut [0]).is_ok();
        i32::from(!told || !wanted(bytes))
    })?;
    ready.read_exact(&mut [0]).told("read")?;
    let verdict = work(raw(pid), bytes);
    let_go.write_all(b"x").told("write")?;
    same("child", ended(pid)?.exit_status(), Some(0))?;
    verdict
}

fn of_others() -> Verdict {
    let mut bytes = vec![1; 1 << 20];
    let wanted = |bytes: &[u8]| {
        let (first, rest) = bytes.split_at(500_000);
        first.iter().all(|byte| *byte == 9) && rest.iter().all(|byte| *byte == 7)
    };
    with_child(&mut bytes, wanted, |pid, bytes| {
        let mut got = vec![0; bytes.len()];
        let all = [[address(bytes), bytes.len()]];
        same("read", read_across(pid, &mut got, &all, 0), Ok(bytes.len()))?;
        check(got.iter().all(|byte| *byte == 7), || "not all".to_owned())?;
        check(bytes.iter().all(|byte| *byte == 1), || "own".to_owned())?;
        let nines = vec![9; 500_000];
        let written = write_across(pid, &nines, &all, 0);
        same("written", written, Ok(nines.len()))?;
        check(bytes.iter().all(|byte| *byte == 1), || "own".to_owned())
    })
}

fn in_parts() -> Verdict {
    let mut bytes = vec![1; 100];
    with_child(
        &mut bytes,
        |_| true,
        |pid, bytes| {
            let at = address(bytes);
            let mut got = [0; 20];
            let parts = [[at, 5], [at, 0], [at + 50, 5]];
            same("parts", read_across(pid, &mut got, &parts, 0), Ok(10))?;
            same("bytes", got.iter().filter(|byte| **byte == 7).count(), 10)?;
            let parts = [[at, 5], [8, 5]];
            same("until a hole", read_across(pid, &mut got, &parts, 0), Ok(5))?;
            same("nothing to read", read_across(pid, &mut got, &[], 0), Ok(0))?;
            same("no room", read_across(pid, &mut [], &[[at, 5]], 0), Ok(0))?;
            let much = [[at, 100]];
            same("less room", read_across(pid, &mut got, &much, 0), Ok(20))
        },
    )
}

fn errors() -> Verdict {
    let mut bytes = vec![1; 100];
    // A constant cannot be written.
    static CONSTANT: [u8; 16] = [3; 16];
    with_child(
        &mut bytes,
        |_| true,
        |pid, bytes| {
            let (at, mut got) = (address(bytes), [0; 20]);
            let one = [[at, 5]];
            fails("flags", read_across(pid, &mut got, &one, 1), Errno::INVAL)?;
            fails(
                "hole",
                read_across(pid, &mut got, &[[8, 5]], 0),
                Errno::FAULT,
            )?;
            let kernel = [[usize::MAX - 100, 5]];
            fails(
                "kernel",
                read_across(pid, &mut got, &kernel, 0),
                Errno::FAULT,
            )?;
            let long = [[at, usize::MAX]];
            fails("length", read_across(pid, &mut got, &long, 0), Errno::INVAL)?;
            let many = vec![[at, 1]; 1025];
            fails("many", read_across(pid, &mut got, &many, 0), Errno::INVAL)?;
            let constant = [[address(&CONSTANT), 5]];
            same("constant", read_across(pid, &mut got, &constant, 0), Ok(5))?;
            let written = write_across(pid, b"12345", &constant, 0);
            fails("constant", written, Errno::FAULT)?;
            fails("nobody", read_across(-5, &mut got, &one, 0), Errno::SRCH)
        },
    )?;
    let gone = child(|| 0)?;
    ended(gone)?;
    let one = [[address(&bytes), 5]];
    fails(
        "gone",
        read_across(raw(gone), &mut [0; 5], &one, 0),
        Errno::SRCH,
    )?;
    let own = read_across(raw(getpid()), &mut [0; 5], &one, 0);
    same("own", own, Ok(5))
}

fn permission() -> Verdict {
    let bytes = vec![1; 100];
    let one = [[address(&bytes), 5]];
    let parent = raw(getpid());
    as_user(1000, 1000, &[], || {
        let got = read_across(parent, &mut [0; 5], &one, 0);
        fails("of root", got, Errno::PERM)?;
        let put = write_across(parent, b"12345", &one, 0);
        fails("of root", put, Errno::PERM)?;
        let bad = read_across(parent, &mut [0; 5], &[[8, 5]], 0);
        fails("before the address", bad, Errno::PERM)
    })?;
    check(bytes.iter().all(|byte| *byte == 1), || "changed".to_owned())
}
