//! /proc/sys: the system's settings, one value a file (proc(5)).

use super::sys_ipc as ipc;
use super::table::{Dir, Line, dir, file, writable};
use crate::dev::{self, kmsg};
use crate::error::{Errno, Stop};
use crate::fs::ViewNode;
use crate::fs::mount::MOUNT_MAX;
use crate::fs::pipe;
use crate::machine::Machine;
use crate::mm::area;
use crate::ns::{UtsNsId, uts};
use crate::task::limits;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

pub(super) const LINES: &[Line] = &[
    dir("fs", Dir::SysFs),
    dir("kernel", Dir::SysKernel),
    dir("vm", Dir::SysVm),
];

pub(super) const FS_LINES: &[Line] = &[
    // Open files are limited by memory only; this is Linux's word for it.
    file("file-max", |_, _, _| line(FILES_MAX)),
    file("file-nr", |k, _, _| {
        line(&alloc::format!("{}\t0\t{FILES_MAX}", k.fs.files.len()))
    }),
    file("inode-nr", |k, _, _| {
        line(&alloc::format!("{}\t0", k.fs.inodes.len()))
    }),
    dir("mqueue", Dir::SysMqueue),
    file("mount-max", |_, _, _| number(MOUNT_MAX)),
    file("nr_open", |_, _, _| number(limits::NR_OPEN as u32)),
    file("overflowgid", |_, _, _| number(OVERFLOW_ID)),
    file("overflowuid", |_, _, _| number(OVERFLOW_ID)),
    file("pipe-max-size", |_, _, _| number(pipe::CAPACITY_MAX as u32)),
];

const FILES_MAX: &str = "9223372036854775807";

pub(super) const VM_LINES: &[Line] = &[
    file("max_map_count", |_, _, _| number(area::MAX_AREAS as u32)),
    file("mmap_min_addr", |_, _, _| number(area::FLOOR as u32)),
    // Areas are granted without counting them against memory, until their pages are touched.
    file("overcommit_memory", |_, _, _| number(1)),
];

pub(super) const KERNEL_LINES: &[Line] = &[
    file("cap_last_cap", |_, _, _| number(linux::CAP_LAST_CAP)),
    // No pattern and no number: programs leave no core behind (core(5)).
    file("core_pattern", |_, _, _| line("")),
    file("core_uses_pid", |_, _, _| number(0)),
    // Who reads the log needs CAP_SYSLOG (syslog(2)).
    file("dmesg_restrict", |_, _, _| number(1)),
    writable("domainname", domainname, set_domainname),
    writable("hostname", hostname, set_hostname),
    file("ngroups_max", |_, _, _| {
        number(crate::task::cred::NGROUPS_MAX as u32)
    }),
    file("osrelease", |_, _, _| line(super::system::RELEASE)),
    file("ostype", |_, _, _| line(super::system::SYSNAME)),
    file("overflowgid", |_, _, _| number(OVERFLOW_ID)),
    file("overflowuid", |_, _, _| number(OVERFLOW_ID)),
    file("pid_max", |_, _, _| number(crate::task::pid::MAX)),
    file("printk", |_, m, _| {
        let (shown, level) = (m.log_shown(), kmsg::DEFAULT_LEVEL);
        let at_boot = kmsg::SHOWN_AT_BOOT;
        line(&alloc::format!("{shown}\t{level}\t1\t{at_boot}"))
    }),
    dir("random", Dir::SysRandom),
    // Programs, mappings, stacks and heaps are all moved by chance.
    file("randomize_va_space", |_, _, _| number(2)),
    writable("shmall", ipc::shmall, ipc::set_shmall),
    writable("shmmax", ipc::shmmax, ipc::set_shmmax),
    writable("shmmni", ipc::shmmni, ipc::set_shmmni),
    // As many as there are numbers for them.
    file("threads-max", |_, _, _| number(crate::task::pid::MAX)),
    file("version", |_, _, _| line(super::system::VERSION)),
];

pub(super) const RANDOM_LINES: &[Line] = &[
    file("boot_id", boot_id),
    // Numbers come from the machine, so that the pool of what is stirred in is never used up.
    file("entropy_avail", |_, _, _| number(dev::RANDOM_POOL_BITS)),
    file("poolsize", |_, _, _| number(dev::RANDOM_POOL_BITS)),
    file("uuid", fresh_uuid),
];

/// What stands for ids that cannot be told.
const OVERFLOW_ID: u32 = 65534;

type Content = Result<Vec<u8>, Stop>;

fn number(value: u32) -> Content {
    Ok(alloc::format!("{value}\n").into_bytes())
}

fn line(value: &str) -> Content {
    Ok(alloc::format!("{value}\n").into_bytes())
}

/// The uts namespace of the task that reads or writes: these files show the reader's own.
fn own_uts(k: &Kernel) -> Result<UtsNsId, Errno> {
    let current = k.sched.current;
    current
        .and_then(|task| uts::of_task(k, task))
        .ok_or(Errno::ESRCH)
}

fn with_newline(name: &[u8]) -> Content {
    let mut line = name.to_vec();
    line.push(b'\n');
    Ok(line)
}

fn hostname(k: &mut Kernel, _m: &mut dyn Machine, _node: ViewNode) -> Content {
    let ns = k.ns.uts.get(own_uts(k)?).ok_or(Errno::ESRCH)?;
    with_newline(&ns.hostname)
}

fn domainname(k: &mut Kernel, _m: &mut dyn Machine, _node: ViewNode) -> Content {
    let ns = k.ns.uts.get(own_uts(k)?).ok_or(Errno::ESRCH)?;
    with_newline(&ns.domainname)
}

fn set_hostname(k: &mut Kernel, cx: &mut Cx, _node: ViewNode, bytes: &[u8]) -> Result<usize, Stop> {
    set_name(k, cx, bytes, uts::set_hostname)
}

fn set_domainname(
    k: &mut Kernel,
    cx: &mut Cx,
    _node: ViewNode,
    bytes: &[u8],
) -> Result<usize, Stop> {
    set_name(k, cx, bytes, uts::set_domainname)
}

type SetName = fn(&mut Kernel, UtsNsId, &[u8]) -> Result<(), Errno>;

/// A name ends at its first newline or NUL, and where it gets too long.
fn set_name(k: &mut Kernel, cx: &mut Cx, bytes: &[u8], set: SetName) -> Result<usize, Stop> {
    if !crate::task::cred::capable(k, cx.task, linux::CAP_SYS_ADMIN) {
        return Err(Errno::EPERM.into());
    }
    let end = bytes.iter().position(|b| matches!(b, b'\n' | 0));
    let end = end.unwrap_or(bytes.len()).min(uts::NAME_MAX);
    let name = bytes.get(..end).unwrap_or(bytes);
    let ns = uts::of_task(k, cx.task).ok_or(Errno::ESRCH)?;
    set(k, ns, name)?;
    Ok(bytes.len())
}

fn boot_id(k: &mut Kernel, m: &mut dyn Machine, _node: ViewNode) -> Content {
    let id = match k.devices.boot_id {
        Some(id) => id,
        None => {
            let id = random_id(k, m);
            k.devices.boot_id = Some(id);
            id
        }
    };
    uuid(id)
}

fn fresh_uuid(k: &mut Kernel, m: &mut dyn Machine, _node: ViewNode) -> Content {
    uuid(random_id(k, m))
}

fn random_id(k: &Kernel, m: &mut dyn Machine) -> u128 {
    let mut bytes = [0; 16];
    dev::fill_random(k, m, &mut bytes);
    u128::from_be_bytes(bytes)
}

/// A random number as a UUID of version 4 (RFC 9562).
fn uuid(random: u128) -> Content {
    let id = random & !(0xf << 76) & !(0x3 << 62) | 0x4 << 76 | 0x2 << 62;
    Ok(alloc::format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}\n",
        id >> 96,
        id >> 80 & 0xffff,
        id >> 64 & 0xffff,
        id >> 48 & 0xffff,
        id & 0xffff_ffff_ffff
    )
    .into_bytes())
}

#[cfg(test)]
mod tests {
    use super::uuid;

    #[test]
    fn uuids_have_their_version() {
        let text = std::string::String::from_utf8(uuid(u128::MAX).unwrap()).unwrap();
        assert_eq!(text, "ffffffff-ffff-4fff-bfff-ffffffffffff\n");
        let text = std::string::String::from_utf8(uuid(0).unwrap()).unwrap();
        assert_eq!(text, "00000000-0000-4000-8000-000000000000\n");
    }
}
