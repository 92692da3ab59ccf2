//! What handlers see, where they run, and what they go back to.

use berth_sys::memory::{Access, PAGE, Region, Sharing};
use berth_sys::signals::{self, Action, Kind, Record, bit};
use rustix::fd::AsFd;
use rustix::io::Errno;

use super::{Case, Told, Verdict, check, child, dies, ended, fails, same};

const ILL: i32 = 4;
const TRAP: i32 = 5;
const BUS: i32 = 7;
const FPE: i32 = 8;
const USR1: i32 = 10;
const SEGV: i32 = 11;
const USR2: i32 = 12;
const ONSTACK: u64 = 0x0800_0000;
const NODEFER: u64 = 0x4000_0000;
const AUTODISARM: i32 = i32::MIN;
const DISABLE: i32 = 2;

pub const CASES: &[Case] = &[
    ("signals/mask-while-handled", mask_while_handled),
    ("signals/context", context),
    ("signals/flags-come-back-clean", flags_come_back_clean),
    ("signals/fault-codes", fault_codes),
    ("signals/fault-context", fault_context),
    ("signals/fault-is-forced", fault_is_forced),
    ("signals/stack-rules", stack_rules),
    ("signals/stack-in-use", stack_in_use),
    ("signals/stack-disarms-itself", stack_disarms_itself),
    ("signals/stack-too-small", stack_too_small),
    ("signals/stack-is-inherited", stack_is_inherited),
];

fn set(signal: i32, action: Action) -> Verdict {
    signals::action(signal, Some(action), 8).told("sigaction")?;
    Ok(())
}

fn raise(signal: i32) -> Verdict {
    signals::kill(std::process::id() as i32, signal).told("kill")
}

fn last() -> Result<Record, String> {
    signals::records()
        .last()
        .copied()
        .ok_or("no record".to_owned())
}

fn mask_while_handled() -> Verdict {
    signals::set_mask(bit(USR2)).told("sigprocmask")?;
    set(USR1, Action::record(0, bit(15) | bit(9)))?;
    raise(USR1)?;
    let record = last()?;
    same("mask", record.mask, bit(USR1) | bit(USR2) | bit(15))?;
    same("saved", record.saved_mask, bit(USR2))?;
    set(USR1, Action::record(NODEFER, bit(15)))?;
    raise(USR1)?;
    same("mask with NODEFER", last()?.mask, bit(USR2) | bit(15))?;
    same("afterwards", signals::set_mask(0), Ok(bit(USR2)))
}

/// Takes away the alternate stack that the standard library has given the first thread.
fn no_stack() -> Verdict {
    signals::alternate(Some((0, DISABLE, 0))).told("sigaltstack")?;
    Ok(())
}

fn context() -> Verdict {
    no_stack()?;
    set(USR1, Action::record(0, 0))?;
    raise(USR1)?;
    let record = last()?;
    // UC_FP_XSTATE, UC_SIGCONTEXT_SS, UC_STRICT_RESTORE_SS.
    same("uc_flags", record.context_flags, 7)?;
    same("segments", record.segments, (0x33, 0x2b))?;
    same("magic", record.magic, [0x4650_5853, 0x4650_5845])?;
    same("uc_stack", record.saved_stack_flags, DISABLE as u64)
}

fn flags_come_back_clean() -> Verdict {
    const DIRECTION: u64 = 0x400;
    const NESTED: u64 = 0x4000;
    const PRIVILEGE: u64 = 0x3000;
    const INTERRUPTS: u64 = 0x200;
    const ALIGNMENT: u64 = 0x4_0000;
    set(USR1, Action::record(0, 0))?;
    signals::damage_flags(PRIVILEGE | NESTED | ALIGNMENT);
    let flags = signals::flags_after(USR1).told("kill")?;
    same("not the program's", flags & (PRIVILEGE | NESTED), 0)?;
    same("interrupts", flags & INTERRUPTS, INTERRUPTS)?;
    same("direction", flags & DIRECTION, 0)
}

/// Faults with a handler that goes on behind the instruction; what it recorded.
fn recorded(signal: i32, kind: Kind) -> Result<Record, String> {
    set(signal, Action::record(0, 0))?;
    if kind != Kind::Breakpoint {
        signals::skip(2);
    }
    signals::fault(kind);
    last()
}

fn fault_codes() -> Verdict {
    let pages = Region::anonymous(2, Sharing::Private).told("mmap")?;
    pages.protect(1, 1, Access::None).told("mprotect")?;
    let (forbidden, nowhere) = (pages.address(PAGE), 0x1000);
    let file = tempfile()?;
    let mapped = Region::file(file.as_fd(), 1, Sharing::Shared).told("mmap")?;
    let behind = mapped.address(0);
    let faults = [
        (SEGV, Kind::Read(nowhere), 1, Some(nowhere)),
        (SEGV, Kind::Read(forbidden), 2, Some(forbidden)),
        (SEGV, Kind::Read(1 << 63), 0x80, Some(0)),
        (SEGV, Kind::Privileged, 0x80, Some(0)),
        (BUS, Kind::Read(behind), 2, Some(behind)),
        (FPE, Kind::Divide, 1, None),
        (ILL, Kind::Invalid, 2, None),
        (TRAP, Kind::Breakpoint, 0x80, Some(0)),
    ];
    for (signal, kind, code, address) in faults {
        let info = recorded(signal, kind)?.info;
        same(
            &format!("{kind:?}: signal and code"),
            (info.signal, info.code),
            (signal, code),
        )?;
        match address {
            Some(address) => same(&format!("{kind:?}: address"), info.address(), address)?,
            // The instruction's.
            None => check(info.address() > 0x1000, || format!("{kind:?}: {info:?}"))?,
        }
    }
    Ok(())
}

/// An empty file.
fn tempfile() -> Result<std::fs::File, String> {
    let path = format!("/tmp/frames-{}", std::process::id());
    let file = std::fs::File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(true)
        .open(&path);
    let file = file.told("open")?;
    std::fs::remove_file(&path).told("unlink")?;
    Ok(file)
}

fn fault_context() -> Verdict {
    let [trap, error, address] = recorded(SEGV, Kind::Read(0x2000))?.fault;
    same("page fault", (trap, error, address), (14, 4, 0x2000))?;
    let [trap, error, address] = recorded(SEGV, Kind::Privileged)?.fault;
    same("protection fault", (trap, error, address), (13, 0, 0x2000))?;
    same("division", recorded(FPE, Kind::Divide)?.fault[0], 0)?;
    same("invalid", recorded(ILL, Kind::Invalid)?.fault[0], 6)
}

fn fault_is_forced() -> Verdict {
    dies(SEGV, || {
        let _ = set(SEGV, Action::record(0, 0));
        let _ = signals::set_mask(bit(SEGV));
        signals::fault(Kind::Read(0));
    })?;
    dies(SEGV, || {
        let _ = set(SEGV, Action::IGNORE);
        signals::fault(Kind::Read(0));
    })?;
    // A handler without a way back gets no frame.
    dies(SEGV, || {
        let mut action = Action::record(0, 0);
        action.flags &= !0x0400_0000;
        let _ = set(SEGV, Action::DEFAULT);
        let _ = set(USR1, action);
        let _ = raise(USR1);
    })
}

/// Pages for a stack that stay.
fn stack_pages() -> Result<&'static Region, String> {
    let region = Region::anonymous(16, Sharing::Private).told("mmap")?;
    Ok(Box::leak(Box::new(region)))
}

fn stack_rules() -> Verdict {
    let region = stack_pages()?;
    let base = region.address(0);
    let size = 16 * PAGE as u64;
    no_stack()?;
    same("none", signals::alternate(None).map(|s| s.1), Ok(DISABLE))?;
    fails(
        "small",
        signals::alternate(Some((base, 0, 2047))),
        Errno::NOMEM,
    )?;
    fails(
        "flags",
        signals::alternate(Some((base, 4, size))),
        Errno::INVAL,
    )?;
    fails(
        "both",
        signals::alternate(Some((base, 3, size))),
        Errno::INVAL,
    )?;
    signals::alternate(Some((base, 0, size))).told("set")?;
    same("set", signals::alternate(None), Ok((base, 0, size)))?;
    signals::alternate(Some((base, 1, size))).told("SS_ONSTACK")?;
    signals::alternate(Some((7, DISABLE, 9))).told("disable")?;
    same("disabled", signals::alternate(None), Ok((0, DISABLE, 0)))?;
    // Where the memory is nobody asks.
    signals::alternate(Some((7, 0, 2048))).told("smallest")?;
    same("smallest", signals::alternate(None), Ok((7, 0, 2048)))
}

fn stack_in_use() -> Verdict {
    let base = stack_pages()?.address(0);
    let size = 16 * PAGE as u64;
    signals::alternate(Some((base, 0, size))).told("sigaltstack")?;
    set(USR1, Action::record(ONSTACK, 0))?;
    raise(USR1)?;
    let record = last()?;
    same("SS_ONSTACK", record.stack_flags, 1)?;
    same("saved", record.saved_stack_flags, 0)?;
    same(
        "changing it",
        record.stack_errno,
        Errno::PERM.raw_os_error() as u64,
    )?;
    set(USR2, Action::record(0, 0))?;
    raise(USR2)?;
    let record = last()?;
    same(
        "not on it",
        (record.stack_flags, record.stack_errno),
        (0, 0),
    )
}

fn stack_disarms_itself() -> Verdict {
    let base = stack_pages()?.address(0);
    let size = 16 * PAGE as u64;
    let armed = (base, AUTODISARM, size);
    for flags in [ONSTACK, 0] {
        signals::alternate(Some(armed)).told("sigaltstack")?;
        set(USR1, Action::record(flags, 0))?;
        raise(USR1)?;
        let record = last()?;
        same("in the handler", record.stack_flags, DISABLE as u64)?;
        same(
            "saved",
            record.saved_stack_flags,
            u64::from(AUTODISARM as u32),
        )?;
        same("afterwards", signals::alternate(None), Ok(armed))?;
    }
    Ok(())
}

fn stack_too_small() -> Verdict {
    let base = stack_pages()?.address(8 * PAGE);
    dies(SEGV, || {
        // Enough to be taken, not enough for a frame with any extended state behind it.
        let _ = signals::alternate(Some((base, 0, 2048)));
        let _ = set(USR1, Action::record(ONSTACK, 0));
        let _ = raise(USR1);
        // The frame of a machine with little state may fit; the next one does not.
        signals::fault(Kind::Read(0));
    })
}

fn stack_is_inherited() -> Verdict {
    let base = stack_pages()?.address(0);
    let stack = (base, 0, 16 * PAGE as u64);
    signals::alternate(Some(stack)).told("sigaltstack")?;
    let pid = child(|| i32::from(signals::alternate(None) != Ok(stack)))?;
    same("in a child", ended(pid)?.exit_status(), Some(0))?;
    let thread = std::thread::spawn(|| signals::alternate(None));
    let own = thread.join().map_err(|_| "panic")?.told("sigaltstack")?;
    // The standard library gives its threads one of their own.
    check(own.0 != base, || format!("{own:x?}"))
}
