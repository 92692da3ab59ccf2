//! Who a process is and what it may do: ids, capabilities, prctl, set-id programs.

use std::fs;

use berth_sys::own::{self, CAP_VERSIONS, Numbers, numbers, prctl};
use rustix::io::Errno;
use rustix::process::{Signal, getpid, kill_process};

use super::{Case, Told, Verdict, as_user, check, child, ended, fails, isolated, same};

pub const CASES: &[Case] = &[
    ("credentials/setuid-of-root", setuid_of_root),
    ("credentials/setuid-of-a-user", setuid_of_a_user),
    ("credentials/setgid", setgid),
    ("credentials/setreuid", setreuid),
    ("credentials/setregid", setregid),
    ("credentials/setresuid", setresuid),
    ("credentials/setresgid", setresgid),
    ("credentials/setfsuid", setfsuid),
    ("credentials/setfsgid", setfsgid),
    ("credentials/groups", groups),
    ("credentials/leaving-root", leaving_root),
    ("credentials/coming-back", coming_back),
    ("credentials/keep-capabilities", keep_capabilities),
    ("credentials/no-fixup", no_fixup),
    ("credentials/secure-bits", secure_bits),
    ("credentials/file-system-ids", file_system_ids),
    ("credentials/capget", capget),
    ("credentials/capset", capset),
    ("credentials/bounding-set", bounding_set),
    ("credentials/ambient-set", ambient_set),
    ("credentials/death-signal", death_signal),
    ("credentials/dumpable", dumpable),
    ("credentials/names", names),
    ("credentials/switches", switches),
    ("credentials/no-new-privileges", no_new_privileges),
    ("credentials/subreaper", subreaper),
    ("credentials/who-may-kill", who_may_kill),
    ("credentials/priorities", priorities),
    ("credentials/io-priorities", io_priorities),
    ("credentials/personality", personality),
];

pub const USER: u32 = 12_345;
pub const GROUP: u32 = 12_346;

const SETPCAP: u64 = 8;
pub const KILL: u64 = 5;
const DAC_OVERRIDE: u64 = 1;
const CHOWN: u64 = 0;
pub const NET_RAW: u64 = 13;

const KEEP: i64 = -1;

const PR_SET_PDEATHSIG: u64 = 1;
const PR_GET_PDEATHSIG: u64 = 2;
const PR_GET_DUMPABLE: u64 = 3;
const PR_SET_DUMPABLE: u64 = 4;
const PR_GET_KEEPCAPS: u64 = 7;
pub const PR_SET_KEEPCAPS: u64 = 8;
const PR_GET_TIMING: u64 = 13;
const PR_SET_TIMING: u64 = 14;
const PR_CAPBSET_READ: u64 = 23;
pub const PR_CAPBSET_DROP: u64 = 24;
const PR_GET_SECUREBITS: u64 = 27;
pub const PR_SET_SECUREBITS: u64 = 28;
const PR_SET_TIMERSLACK: u64 = 29;
const PR_GET_TIMERSLACK: u64 = 30;
const PR_SET_CHILD_SUBREAPER: u64 = 36;
const PR_GET_CHILD_SUBREAPER: u64 = 37;
pub const PR_SET_NO_NEW_PRIVS: u64 = 38;
const PR_GET_NO_NEW_PRIVS: u64 = 39;
const PR_SET_THP_DISABLE: u64 = 41;
const PR_GET_THP_DISABLE: u64 = 42;
const PR_CAP_AMBIENT: u64 = 47;

pub const NO_ROOT: u64 = 1;
const NO_ROOT_LOCKED: u64 = 2;
const NO_FIXUP: u64 = 4;
pub const KEEP_CAPS: u64 = 16;
const KEEP_CAPS_LOCKED: u64 = 32;
const NO_RAISE: u64 = 64;

pub fn one(option: u64, arg: u64) -> Result<u64, Errno> {
    prctl(option, [arg, 0, 0, 0])
}

fn uids() -> Result<[u32; 3], String> {
    own::three_ids(false).told("getresuid")
}

fn gids() -> Result<[u32; 3], String> {
    own::three_ids(true).told("getresgid")
}

/// The file system's uid or gid: setting it to what is no id changes nothing and tells it.
fn fs_id(call: Numbers) -> Result<u64, String> {
    numbers(call, &[KEEP]).told("setfsid")
}

/// Effective, permitted and inheritable capabilities.
fn caps() -> Result<own::CapSets, String> {
    own::capget(CAP_VERSIONS[2], 0).told("capget")
}

pub fn bounding() -> u64 {
    let has = |cap: &u64| one(PR_CAPBSET_READ, *cap) == Ok(1);
    (0..41).filter(has).fold(0, |set, cap| set | 1 << cap)
}

/// Runs `work` in a child that is root, whatever it breaks.
fn apart(work: fn() -> Verdict) -> Verdict {
    isolated(work)
}

pub fn set(call: Numbers, args: &[i64]) -> Result<(), String> {
    numbers(call, args)
        .map(|_| ())
        .told(&format!("{call:?} {args:?}"))
}

fn setuid_of_root() -> Verdict {
    fails("no id", numbers(Numbers::Setuid, &[KEEP]), Errno::INVAL)?;
    set(Numbers::Setuid, &[77])?;
    same("uids", uids()?, [77; 3])?;
    same("fsuid", fs_id(Numbers::Setfsuid)?, 77)?;
    let ids = [Numbers::Getuid, Numbers::Geteuid].map(|call| numbers(call, &[]));
    same("ids", ids, [Ok(77), Ok(77)])?;
    fails("back", numbers(Numbers::Setuid, &[0]), Errno::PERM)
}

fn setuid_of_a_user() -> Verdict {
    set(Numbers::Setresuid, &[1, 2, 3])?;
    fails("other", numbers(Numbers::Setuid, &[2]), Errno::PERM)?;
    set(Numbers::Setuid, &[3])?;
    same("uids", uids()?, [1, 3, 3])?;
    set(Numbers::Setuid, &[1])?;
    same("uids", uids()?, [1, 1, 3])?;
    same("fsuid", fs_id(Numbers::Setfsuid)?, 1)
}

fn setgid() -> Verdict {
    apart(|| {
        set(Numbers::Setgid, &[77])?;
        same("gids", gids()?, [77; 3])?;
        same("fsgid", fs_id(Numbers::Setfsgid)?, 77)?;
        let ids = [Numbers::Getgid, Numbers::Getegid].map(|call| numbers(call, &[]));
        same("ids", ids, [Ok(77), Ok(77)])
    })?;
    set(Numbers::Setresgid, &[1, 2, 3])?;
    set(Numbers::Setuid, &[USER.into()])?;
    fails("no id", numbers(Numbers::Setgid, &[KEEP]), Errno::INVAL)?;
    fails("other", numbers(Numbers::Setgid, &[2]), Errno::PERM)?;
    set(Numbers::Setgid, &[3])?;
    same("gids", gids()?, [1, 3, 3])
}

fn setreuid() -> Verdict {
    apart(|| {
        set(Numbers::Setreuid, &[5, KEEP])?;
        // The saved id becomes the effective one when the real one is set.
        same("uids", uids()?, [5, 0, 0])?;
        set(Numbers::Setreuid, &[KEEP, 6])?;
        same("uids", uids()?, [5, 6, 6])
    })?;
    set(Numbers::Setresuid, &[1, 2, 3])?;
    fails("real", numbers(Numbers::Setreuid, &[3, KEEP]), Errno::PERM)?;
    fails("other", numbers(Numbers::Setreuid, &[KEEP, 4]), Errno::PERM)?;
    set(Numbers::Setreuid, &[KEEP, 1])?;
    same("saved stays", uids()?, [1, 1, 3])?;
    set(Numbers::Setreuid, &[KEEP, 3])?;
    same("saved follows", uids()?, [1, 3, 3])?;
    set(Numbers::Setreuid, &[3, 1])?;
    same("exchanged", uids()?, [3, 1, 1])?;
    same("fsuid", fs_id(Numbers::Setfsuid)?, 1)
}

fn setregid() -> Verdict {
    set(Numbers::Setresgid, &[1, 2, 3])?;
    set(Numbers::Setuid, &[USER.into()])?;
    fails("real", numbers(Numbers::Setregid, &[3, KEEP]), Errno::PERM)?;
    set(Numbers::Setregid, &[2, 1])?;
    same("exchanged", gids()?, [2, 1, 1])?;
    same("fsgid", fs_id(Numbers::Setfsgid)?, 1)
}

fn setresuid() -> Verdict {
    set(Numbers::Setresuid, &[1, 2, 3])?;
    fails(
        "other",
        numbers(Numbers::Setresuid, &[KEEP, KEEP, 4]),
        Errno::PERM,
    )?;
    set(Numbers::Setresuid, &[3, 1, 2])?;
    same("uids", uids()?, [3, 1, 2])?;
    set(Numbers::Setresuid, &[KEEP, 2, KEEP])?;
    same("uids", uids()?, [3, 2, 2])?;
    same("fsuid", fs_id(Numbers::Setfsuid)?, 2)
}

fn setresgid() -> Verdict {
    set(Numbers::Setresgid, &[1, 2, 3])?;
    set(Numbers::Setuid, &[USER.into()])?;
    fails(
        "other",
        numbers(Numbers::Setresgid, &[0, KEEP, KEEP]),
        Errno::PERM,
    )?;
    set(Numbers::Setresgid, &[KEEP, KEEP, 1])?;
    same("gids", gids()?, [1, 2, 1])
}

fn setfsuid() -> Verdict {
    same("old", numbers(Numbers::Setfsuid, &[9]), Ok(0))?;
    same("old", numbers(Numbers::Setfsuid, &[0]), Ok(9))?;
    same("others stay", uids()?, [0; 3])?;
    set(Numbers::Setresuid, &[1, 2, 3])?;
    same("refused", numbers(Numbers::Setfsuid, &[9]), Ok(2))?;
    same("refused", numbers(Numbers::Setfsuid, &[3]), Ok(2))?;
    same("saved", numbers(Numbers::Setfsuid, &[3]), Ok(3))
}

fn setfsgid() -> Verdict {
    same("old", numbers(Numbers::Setfsgid, &[9]), Ok(0))?;
    same("set", numbers(Numbers::Setfsgid, &[0]), Ok(9))?;
    same("others stay", gids()?, [0; 3])
}

fn groups() -> Verdict {
    own::set_groups(&[7, 3, 5], 3).told("setgroups")?;
    same("groups", own::get_groups(8), Ok(vec![3, 5, 7]))?;
    fails("too little room", own::get_groups(2), Errno::INVAL)?;
    fails("too many", own::set_groups(&[], 65_537), Errno::INVAL)?;
    own::set_groups(&[], 0).told("none")?;
    same("none", own::get_groups(4), Ok(vec![]))?;
    set(Numbers::Setuid, &[USER.into()])?;
    fails("of a user", own::set_groups(&[1], 1), Errno::PERM)
}

fn leaving_root() -> Verdict {
    let before = bounding();
    set(Numbers::Setresuid, &[1, 0, 1])?;
    check(caps()?[0] != 0, || "effective is gone too early".to_owned())?;
    set(Numbers::Setresuid, &[KEEP, 1, KEEP])?;
    same("sets", caps()?, [0; 3])?;
    same("bounding", bounding(), before)
}

fn coming_back() -> Verdict {
    let [_, permitted, _] = caps()?;
    set(Numbers::Setresuid, &[KEEP, 1, KEEP])?;
    same("as a user", caps()?, [0, permitted, 0])?;
    set(Numbers::Setresuid, &[KEEP, 0, KEEP])?;
    same("as root", caps()?, [permitted, permitted, 0])
}

fn keep_capabilities() -> Verdict {
    let [_, permitted, _] = caps()?;
    same("at first", one(PR_GET_KEEPCAPS, 0), Ok(0))?;
    fails("what it is not", one(PR_SET_KEEPCAPS, 2), Errno::INVAL)?;
    one(PR_SET_KEEPCAPS, 1).told("keep")?;
    same("then", one(PR_GET_KEEPCAPS, 0), Ok(1))?;
    same("as a bit", one(PR_GET_SECUREBITS, 0), Ok(KEEP_CAPS))?;
    set(Numbers::Setuid, &[USER.into()])?;
    same("sets", caps()?, [0, permitted, 0])?;
    own::capset(CAP_VERSIONS[2], 0, [1 << KILL, 1 << KILL, 0]).told("capset")?;
    same("raised again", caps()?, [1 << KILL, 1 << KILL, 0])
}

fn no_fixup() -> Verdict {
    let before = caps()?;
    one(PR_SET_SECUREBITS, NO_FIXUP).told("set")?;
    set(Numbers::Setfsuid, &[USER.into()])?;
    set(Numbers::Setuid, &[USER.into()])?;
    same("sets", caps()?, before)
}

fn secure_bits() -> Verdict {
    fails("unknown", one(PR_SET_SECUREBITS, 1 << 20), Errno::PERM)?;
    one(PR_SET_SECUREBITS, NO_RAISE).told("set")?;
    one(PR_SET_SECUREBITS, NO_ROOT | NO_ROOT_LOCKED).told("cleared, another set")?;
    fails(
        "unset locked",
        one(PR_SET_SECUREBITS, NO_ROOT_LOCKED),
        Errno::PERM,
    )?;
    fails("unlocked", one(PR_SET_SECUREBITS, NO_ROOT), Errno::PERM)?;
    let all = NO_ROOT | NO_ROOT_LOCKED | KEEP_CAPS_LOCKED;
    one(PR_SET_SECUREBITS, all).told("one more lock")?;
    same("bits", one(PR_GET_SECUREBITS, 0), Ok(all))?;
    fails("locked", one(PR_SET_KEEPCAPS, 1), Errno::PERM)?;
    own::capset(CAP_VERSIONS[2], 0, [0; 3]).told("capset")?;
    fails(
        "unprivileged",
        one(PR_SET_SECUREBITS, all | NO_RAISE),
        Errno::PERM,
    )
}

fn file_system_ids() -> Verdict {
    let [before, ..] = caps()?;
    set(Numbers::Setfsuid, &[USER.into()])?;
    let [after, ..] = caps()?;
    same("of files", after & (1 << CHOWN | 1 << DAC_OVERRIDE), 0)?;
    same("others", after & (1 << KILL), 1 << KILL)?;
    set(Numbers::Setfsuid, &[0])?;
    let [back, ..] = caps()?;
    same("back", back, before)
}

fn capget() -> Verdict {
    let sets = caps()?;
    same("version 2", own::capget(CAP_VERSIONS[1], 0), Ok(sets))?;
    let low = sets.map(|set| set & 0xffff_ffff);
    same("version 1", own::capget(CAP_VERSIONS[0], 0), Ok(low))?;
    same(
        "preferred",
        own::preferred_cap_version(),
        Ok(CAP_VERSIONS[2]),
    )?;
    fails("unknown version", own::capget(7, 0), Errno::INVAL)?;
    fails("negative", own::capget(CAP_VERSIONS[2], -1), Errno::INVAL)?;
    let nobody = own::capget(CAP_VERSIONS[2], 0x3fff_fff0);
    fails("nobody", nobody, Errno::SRCH)?;
    let me = getpid().as_raw_nonzero().get();
    same("by number", own::capget(CAP_VERSIONS[2], me), Ok(sets))
}

fn capset() -> Verdict {
    let v3 = CAP_VERSIONS[2];
    let few = 1 << KILL | 1 << NET_RAW | 1 << SETPCAP;
    let parent = rustix::process::getppid().map_or(1, |pid| pid.as_raw_nonzero().get());
    fails("of another", own::capset(v3, parent, [0; 3]), Errno::PERM)?;
    fails("unknown version", own::capset(7, 0, [0; 3]), Errno::INVAL)?;
    own::capset(v3, 0, [1 << SETPCAP, few, 1 << CHOWN]).told("inheritable by CAP_SETPCAP")?;
    same("sets", caps()?, [1 << SETPCAP, few, 1 << CHOWN])?;
    let regained = own::capset(v3, 0, [0, few | 1 << CHOWN, 0]);
    fails("permitted again", regained, Errno::PERM)?;
    let beyond = own::capset(v3, 0, [1 << CHOWN, few, 0]);
    fails("effective beyond permitted", beyond, Errno::PERM)?;
    own::capset(v3, 0, [0, few, 0]).told("effective given up")?;
    let inheritable = own::capset(v3, 0, [0, few, 1 << CHOWN]);
    fails("inheritable without", inheritable, Errno::PERM)?;
    own::capset(v3, 0, [1 << KILL, few, 1 << KILL]).told("inheritable of permitted")?;
    own::capset(CAP_VERSIONS[0], 0, [0, 1 << KILL, 0]).told("version 1")?;
    same("sets", caps()?, [0, 1 << KILL, 0])
}

fn bounding_set() -> Verdict {
    same("there", one(PR_CAPBSET_READ, NET_RAW), Ok(1))?;
    fails("no capability", one(PR_CAPBSET_READ, 63), Errno::INVAL)?;
    fails("no capability", one(PR_CAPBSET_DROP, 63), Errno::INVAL)?;
    one(PR_CAPBSET_DROP, NET_RAW).told("drop")?;
    same("gone", one(PR_CAPBSET_READ, NET_RAW), Ok(0))?;
    let [_, permitted, _] = caps()?;
    check(permitted & 1 << NET_RAW != 0, || {
        "permitted followed".to_owned()
    })?;
    let sets = [permitted, permitted, 1 << NET_RAW];
    let inheritable = own::capset(CAP_VERSIONS[2], 0, sets);
    fails("inheritable beyond it", inheritable, Errno::PERM)?;
    own::capset(CAP_VERSIONS[2], 0, [0, permitted, 0]).told("capset")?;
    fails("unprivileged", one(PR_CAPBSET_DROP, KILL), Errno::PERM)?;
    fails("unprivileged first", one(PR_CAPBSET_DROP, 63), Errno::PERM)
}

pub fn ambient(operation: u64, cap: u64) -> Result<u64, Errno> {
    prctl(PR_CAP_AMBIENT, [operation, cap, 0, 0])
}

const IS_SET: u64 = 1;
pub const RAISE: u64 = 2;
const LOWER: u64 = 3;
const CLEAR: u64 = 4;

fn ambient_set() -> Verdict {
    let [effective, permitted, _] = caps()?;
    same("at first", ambient(IS_SET, KILL), Ok(0))?;
    fails("not inheritable", ambient(RAISE, KILL), Errno::PERM)?;
    fails("no capability", ambient(IS_SET, 63), Errno::INVAL)?;
    fails("no operation", ambient(9, KILL), Errno::INVAL)?;
    let more = prctl(PR_CAP_AMBIENT, [IS_SET, KILL, 1, 0]);
    fails("more arguments", more, Errno::INVAL)?;
    fails("clear one", ambient(CLEAR, KILL), Errno::INVAL)?;
    let inheritable = 1 << KILL | 1 << NET_RAW;
    own::capset(CAP_VERSIONS[2], 0, [effective, permitted, inheritable]).told("capset")?;
    ambient(RAISE, KILL).told("raise")?;
    ambient(RAISE, NET_RAW).told("raise")?;
    same("raised", ambient(IS_SET, KILL), Ok(1))?;
    ambient(LOWER, KILL).told("lower")?;
    same("lowered", ambient(IS_SET, KILL), Ok(0))?;
    own::capset(CAP_VERSIONS[2], 0, [effective, permitted, 0]).told("capset")?;
    same("no longer inheritable", ambient(IS_SET, NET_RAW), Ok(0))?;
    own::capset(CAP_VERSIONS[2], 0, [effective, permitted, inheritable]).told("capset")?;
    one(PR_SET_SECUREBITS, NO_RAISE).told("securebits")?;
    fails("forbidden", ambient(RAISE, KILL), Errno::PERM)?;
    ambient(CLEAR, 0).map(|_| ()).told("clear")
}

fn death_signal() -> Verdict {
    fails("no signal", one(PR_SET_PDEATHSIG, 65), Errno::INVAL)?;
    one(PR_SET_PDEATHSIG, 10).told("set")?;
    same("signal", own::prctl_tells(PR_GET_PDEATHSIG), Ok(10))?;
    set(Numbers::Setresgid, &[0, GROUP.into(), 0])?;
    same(
        "after a change of ids",
        own::prctl_tells(PR_GET_PDEATHSIG),
        Ok(0),
    )?;
    one(PR_SET_PDEATHSIG, 10).told("set")?;
    let pid = child(|| i32::from(own::prctl_tells(PR_GET_PDEATHSIG) != Ok(0)))?;
    same("in a child", ended(pid)?.exit_status(), Some(0))
}

fn dumpable() -> Verdict {
    same("at first", one(PR_GET_DUMPABLE, 0), Ok(1))?;
    fails("for root", one(PR_SET_DUMPABLE, 2), Errno::INVAL)?;
    one(PR_SET_DUMPABLE, 0).told("set")?;
    same("set", one(PR_GET_DUMPABLE, 0), Ok(0))?;
    one(PR_SET_DUMPABLE, 1).told("set")?;
    let owner = |what: &str, uid: u32| {
        use std::os::unix::fs::MetadataExt;
        let found = fs::metadata("/proc/self/status").told("stat")?.uid();
        same(what, found, uid)
    };
    set(Numbers::Setresuid, &[USER.into(), USER.into(), 0])?;
    same("after a change of ids", one(PR_GET_DUMPABLE, 0), Ok(0))?;
    owner("private", 0)?;
    one(PR_SET_DUMPABLE, 1).told("set")?;
    owner("public", USER)
}

fn names() -> Verdict {
    let padded = |name: &[u8]| {
        let mut room = [0u8; 16];
        room.iter_mut().zip(name).for_each(|(to, from)| *to = *from);
        room
    };
    same("short", own::rename(c"short"), Ok(padded(b"short")))?;
    let cut = own::rename(c"much longer than sixteen");
    same("cut", cut, Ok(padded(b"much longer tha")))?;
    let shown = fs::read_to_string("/proc/self/comm").told("comm")?;
    same("shown", shown.as_str(), "much longer tha\n")
}

fn switches() -> Verdict {
    let default = one(PR_GET_TIMERSLACK, 0).told("slack")?;
    one(PR_SET_TIMERSLACK, 1234).told("set")?;
    same("slack", one(PR_GET_TIMERSLACK, 0), Ok(1234))?;
    one(PR_SET_TIMERSLACK, 0).told("reset")?;
    same("default slack", one(PR_GET_TIMERSLACK, 0), Ok(default))?;
    same("huge pages", one(PR_GET_THP_DISABLE, 0), Ok(0))?;
    one(PR_SET_THP_DISABLE, 1).told("set")?;
    same("huge pages", one(PR_GET_THP_DISABLE, 0), Ok(1))?;
    let more = prctl(PR_SET_THP_DISABLE, [1, 1, 0, 0]);
    fails("more arguments", more, Errno::INVAL)?;
    same("timing", one(PR_GET_TIMING, 0), Ok(0))?;
    fails("other timing", one(PR_SET_TIMING, 1), Errno::INVAL)?;
    fails("unknown option", one(0x7fff_0000, 0), Errno::INVAL)?;
    fails("unknown option", one(0, 0), Errno::INVAL)
}

fn no_new_privileges() -> Verdict {
    same("at first", one(PR_GET_NO_NEW_PRIVS, 0), Ok(0))?;
    fails("off", one(PR_SET_NO_NEW_PRIVS, 0), Errno::INVAL)?;
    let more = prctl(PR_SET_NO_NEW_PRIVS, [1, 1, 0, 0]);
    fails("more arguments", more, Errno::INVAL)?;
    fails("more arguments", one(PR_GET_NO_NEW_PRIVS, 1), Errno::INVAL)?;
    one(PR_SET_NO_NEW_PRIVS, 1).told("set")?;
    let pid = child(|| i32::from(one(PR_GET_NO_NEW_PRIVS, 0) != Ok(1)))?;
    same("in a child", ended(pid)?.exit_status(), Some(0))
}

fn subreaper() -> Verdict {
    one(PR_SET_CHILD_SUBREAPER, 1).told("set")?;
    let told = own::prctl_tells(PR_GET_CHILD_SUBREAPER).map(|word| word as u32);
    same("told", told, Ok(1))?;
    let me = getpid();
    let (reader, writer) = crate::small::pipe().told("pipe")?;
    let middle = child(|| {
        let orphan = child(|| {
            // Until the one in the middle is gone.
            for _ in 0..2000 {
                if rustix::process::getppid() == Some(me) {
                    let _ = rustix::io::write(&writer, b"here");
                    return 0;
                }
                berth_sys::audit::pause_ms(1);
            }
            1
        });
        i32::from(orphan.is_err())
    })?;
    same("middle", ended(middle)?.exit_status(), Some(0))?;
    drop(writer);
    let text = std::io::read_to_string(reader).told("read")?;
    same("adopted", text.as_str(), "here")
}

fn who_may_kill() -> Verdict {
    let sleeper = |uid: u32| {
        child(move || {
            if numbers(Numbers::Setresuid, &[uid.into(); 3]).is_err() {
                return 1;
            }
            berth_sys::audit::pause_ms(60_000);
            0
        })
    };
    let (own_kind, other) = (sleeper(USER)?, sleeper(USER + 1)?);
    let killable = |pid| kill_process(pid, Signal::TERM);
    // Until they are who they shall be.
    for (pid, uid) in [(own_kind, USER), (other, USER + 1)] {
        let status = format!("/proc/{}/status", pid.as_raw_nonzero());
        let line = format!("Uid:\t{uid}\t");
        while !fs::read_to_string(&status).told("status")?.contains(&line) {
            berth_sys::audit::pause_ms(1);
        }
    }
    let verdict = as_user(USER, GROUP, &[], || {
        fails("another's", killable(other), Errno::PERM)?;
        killable(own_kind).told("one's own")
    });
    kill_process(other, Signal::KILL).told("kill")?;
    same("one's own", ended(own_kind)?.terminating_signal(), Some(15))?;
    same("another's", ended(other)?.terminating_signal(), Some(9))?;
    verdict
}

fn nice(value: i64) -> Result<u64, Errno> {
    numbers(Numbers::Setpriority, &[0, 0, value])
}

fn priorities() -> Verdict {
    let now = || numbers(Numbers::Getpriority, &[0, 0, 0]);
    same("at first", now(), Ok(20))?;
    nice(50).told("clamped")?;
    same("nicest", now(), Ok(1))?;
    nice(-50).told("clamped")?;
    same("least nice", now(), Ok(40))?;
    nice(5).told("nice")?;
    fails(
        "no kind",
        numbers(Numbers::Getpriority, &[3, 0, 0]),
        Errno::INVAL,
    )?;
    let nobody = numbers(Numbers::Getpriority, &[0, 0x3fff_fff0, 0]);
    fails("nobody", nobody, Errno::SRCH)?;
    let pid = child(|| i32::from(numbers(Numbers::Getpriority, &[0, 0, 0]) != Ok(15)))?;
    same("inherited", ended(pid)?.exit_status(), Some(0))?;
    let parent = rustix::process::getppid().map_or(1, |pid| pid.as_raw_nonzero().get());
    as_user(USER, GROUP, &[], || {
        fails("less nice", nice(4), Errno::ACCESS)?;
        nice(6).told("nicer")?;
        let other = numbers(Numbers::Setpriority, &[0, parent.into(), 6]);
        fails("another's", other, Errno::PERM)
    })
}

fn io_priorities() -> Verdict {
    let get = |kind: i64| numbers(Numbers::IoprioGet, &[kind, 0]);
    fails("no kind", get(0), Errno::INVAL)?;
    let nobody = numbers(Numbers::IoprioGet, &[1, 0x3fff_fff0]);
    fails("nobody", nobody, Errno::SRCH)?;
    let class = get(1).told("get")? >> 13;
    check(class == 0 || class == 2, || format!("class {class}"))?;
    fails(
        "no class",
        numbers(Numbers::IoprioSet, &[1, 0, 7 << 13]),
        Errno::INVAL,
    )
}

fn personality() -> Verdict {
    let ask = || numbers(Numbers::Personality, &[0xffff_ffff]);
    same("at first", ask(), Ok(0))?;
    same("the same", numbers(Numbers::Personality, &[0]), Ok(0))
}
