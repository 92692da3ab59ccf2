//! The calls about the system and namespaces, as scripted programs make them.

use berth_abi::linux::general as linux;
use berth_kernel::arena::forgive;
use berth_kernel::machine::{Machine, PowerOff};
use berth_sim::image::DATA;
use berth_sim::{Arg, Config, End, Reg, Script, Sim};

const EPERM: u64 = (-1i64) as u64;
const EBADF: u64 = (-9i64) as u64;
const EFAULT: u64 = (-14i64) as u64;
const EINVAL: u64 = (-22i64) as u64;
const EAGAIN: u64 = (-11i64) as u64;
const EPIPE: u64 = (-32i64) as u64;

/// Calls, each with the name that its result is told by.
fn calls(list: &[(&'static str, u32, &[u64])]) -> Script {
    list.iter()
        .fold(Script::new(), |script, (name, number, args)| {
            script
                .call(*number, args.iter().map(|a| Arg::Is(*a)))
                .tell(name, Reg::Rax)
        })
}

fn run(script: Script) -> (Sim, End) {
    let script = script.call(linux::__NR_exit_group, [Arg::Is(0)]);
    let mut sim = Sim::boot(Config::default(), vec![script]);
    let end = sim.run(20_000);
    (sim, end)
}

/// One result of each call.
fn results(list: &[(&'static str, u32, &[u64])]) -> Vec<u64> {
    let (sim, _) = run(calls(list));
    let told = sim.told.iter().map(|t| t.1).collect();
    forgive(sim.kernel);
    told
}

fn word(text: &[u8]) -> u64 {
    let mut word = [0; 8];
    word[..text.len()].copy_from_slice(text);
    u64::from_le_bytes(word)
}

#[test]
fn uname_tells_the_name_that_was_set() {
    let script = Script::new()
        .text(0x100, "myhost")
        .call(linux::__NR_sethostname, [Arg::Data(0x100), Arg::Is(6)])
        .tell("set", Reg::Rax)
        .call(linux::__NR_uname, [Arg::Data(0x200)])
        .load(Reg::Rbx, Arg::Data(0x200))
        .tell("sysname", Reg::Rbx)
        .load(Reg::Rbx, Arg::Data(0x200 + 65))
        .tell("nodename", Reg::Rbx)
        .load(Reg::Rbx, Arg::Data(0x200 + 4 * 65))
        .tell("machine", Reg::Rbx);
    let (sim, _) = run(script);
    let told: Vec<u64> = sim.told.iter().map(|t| t.1).collect();
    let expected = [0, word(b"Linux"), word(b"myhost"), word(b"x86_64")];
    assert_eq!(told, expected);
    forgive(sim.kernel);
}

#[test]
fn names_have_a_length_and_an_owner() {
    let told = results(&[
        ("too long", linux::__NR_sethostname, &[DATA, 65]),
        ("negative", linux::__NR_sethostname, &[DATA, u64::MAX]),
        ("nowhere", linux::__NR_setdomainname, &[8, 4]),
        ("empty", linux::__NR_sethostname, &[0, 0]),
        ("user", linux::__NR_setuid, &[1000]),
        ("not root", linux::__NR_sethostname, &[DATA, 4]),
        ("domain", linux::__NR_setdomainname, &[DATA, 4]),
    ]);
    assert_eq!(told, [EINVAL, EINVAL, EFAULT, 0, 0, EPERM, EPERM]);
}

#[test]
fn random_numbers_come_by_known_flags() {
    let told = results(&[
        ("plain", linux::__NR_getrandom, &[DATA, 16, 0]),
        ("both", linux::__NR_getrandom, &[DATA, 16, 6]),
        ("unknown", linux::__NR_getrandom, &[DATA, 16, 8]),
        ("nowhere", linux::__NR_getrandom, &[8, 16, 0]),
        ("nothing", linux::__NR_getrandom, &[DATA, 0, 0]),
        ("much", linux::__NR_getrandom, &[DATA, 300, 1]),
    ]);
    assert_eq!(told, [16, EINVAL, EINVAL, EFAULT, 0, 300]);
}

#[test]
fn the_system_is_described() {
    let script = calls(&[
        ("sysinfo", linux::__NR_sysinfo, &[DATA]),
        ("nowhere", linux::__NR_sysinfo, &[8]),
        ("getcpu", linux::__NR_getcpu, &[DATA + 0x200, 0]),
        ("what", linux::__NR_personality, &[0xffff_ffff]),
        ("bsd", linux::__NR_personality, &[6]),
    ])
    .load(Reg::Rbx, Arg::Data(32))
    .tell("total", Reg::Rbx)
    .load(Reg::Rbx, Arg::Data(104))
    .tell("unit", Reg::Rbx)
    .load(Reg::Rbx, Arg::Data(80))
    .tell("tasks", Reg::Rbx);
    let (sim, _) = run(script);
    let told: Vec<u64> = sim.told.iter().map(|t| t.1).collect();
    assert_eq!(told[..5], [0, EFAULT, 0, 0, EINVAL]);
    assert_eq!(told[5], sim.kernel.frames.total() as u64 * 4096);
    assert_eq!(told[6..], [1, 1]);
    forgive(sim.kernel);
}

/// Writes 24 bytes of text as a line of the log; the descriptor is in r12.
fn log_line(script: Script) -> Script {
    script.call(
        linux::__NR_write,
        [Reg::R12.into(), Arg::Data(0x400), 24.into()],
    )
}

#[test]
fn the_log_is_told_once_cleared_and_overrun() {
    let open: [Arg; 4] = [
        Arg::Is(u64::from(linux::AT_FDCWD as u32)),
        Arg::Data(0x600),
        Arg::Is(u64::from(linux::O_RDWR | linux::O_NONBLOCK)),
        Arg::Is(0),
    ];
    let mknod: [Arg; 3] = [
        Arg::Data(0x600),
        Arg::Is(u64::from(linux::S_IFCHR | 0o600)),
        Arg::Is(1 << 8 | 11),
    ];
    let read = |script: Script, name| {
        script
            .call(
                linux::__NR_read,
                [Reg::R12.into(), Arg::Data(0), 512.into()],
            )
            .tell(name, Reg::Rax)
    };
    let sys = |script: Script, name, action: u64, len: u64| {
        let args = [Arg::Is(action), Arg::Data(0), Arg::Is(len)];
        script.call(linux::__NR_syslog, args).tell(name, Reg::Rax)
    };
    let mut script = (0..3)
        .fold(Script::new(), |script, n| {
            script.store(Arg::Data(0x400 + 8 * n), u64::from_le_bytes(*b"abcdefgh"))
        })
        .store(Arg::Data(0x600), u64::from_le_bytes(*b"/kmsg\0\0\0"))
        .call(linux::__NR_mknod, mknod)
        .call(linux::__NR_openat, open)
        .set(Reg::R12, Reg::Rax);
    script = read(script, "nothing yet");
    script = read(log_line(script), "record");
    script = sys(script, "all", 4, 512);
    script = sys(script, "cleared", 3, 512);
    script = sys(script, "line by line", 2, 512);
    // The simulated machine keeps 64 lines.
    script = (0..70).fold(script, |script, _| log_line(script));
    script = read(read(script, "lost"), "the first that is kept");
    script = sys(script, "unread", 9, 0);
    script = sys(script, "two fit", 3, 100);
    script = sys(script, "shown", 8, 4);
    let (sim, _) = run(script);
    let told: Vec<(&str, u64)> = sim.told.to_vec();
    let line = "<12>[    0.001000] ".len() as u64 + 25;
    assert_eq!(told[0], ("nothing yet", EAGAIN));
    assert!(told[1].1 > 24 && told[1].1 < 60, "{:?}", told[1]);
    assert_eq!(
        told[2..5],
        [("all", line), ("cleared", 0), ("line by line", line)]
    );
    assert_eq!(told[5], ("lost", EPIPE));
    assert!(told[6].1 > 24 && told[6].1 < 60, "{:?}", told[6]);
    assert_eq!(
        told[7..],
        [("unread", 64 * line), ("two fit", 2 * line), ("shown", 0)]
    );
    assert_eq!(sim.machine.log_shown(), 4);
    forgive(sim.kernel);
}

#[test]
fn the_log_is_not_for_everybody() {
    let told = results(&[
        ("unknown", linux::__NR_syslog, &[11, 0, 0]),
        ("user", linux::__NR_setuid, &[1000]),
        ("refused", linux::__NR_syslog, &[2, DATA, 9]),
        ("all", linux::__NR_syslog, &[3, DATA, 9]),
        ("size", linux::__NR_syslog, &[10, 0, 0]),
    ]);
    assert_eq!(told, [EINVAL, 0, EPERM, EPERM, EPERM]);
}

const MAGIC: [u64; 2] = [
    linux::LINUX_REBOOT_MAGIC1 as u64,
    linux::LINUX_REBOOT_MAGIC2 as u64,
];

#[test]
fn reboot_wants_its_magic_and_a_known_command() {
    let off = u64::from(linux::LINUX_REBOOT_CMD_POWER_OFF);
    let told = results(&[
        ("magic", linux::__NR_reboot, &[1, 2, off]),
        ("command", linux::__NR_reboot, &[MAGIC[0], MAGIC[1], 77]),
        ("user", linux::__NR_setuid, &[1000]),
        ("refused", linux::__NR_reboot, &[MAGIC[0], MAGIC[1], off]),
    ]);
    assert_eq!(told, [EINVAL, EINVAL, 0, EPERM]);
    for (command, how) in [
        (linux::LINUX_REBOOT_CMD_POWER_OFF, PowerOff::Clean),
        (linux::LINUX_REBOOT_CMD_RESTART, PowerOff::Restart),
    ] {
        let reboot: &[u64] = &[MAGIC[0], MAGIC[1], u64::from(command)];
        let (sim, end) = run(calls(&[("off", linux::__NR_reboot, reboot)]));
        assert_eq!(end, End::Off(how));
        assert!(sim.told.is_empty(), "nothing runs after it");
        forgive(sim.kernel);
    }
}

#[test]
fn reboot_in_a_pid_namespace_ends_it() {
    let restart = u64::from(linux::LINUX_REBOOT_CMD_RESTART);
    let script = calls(&[(
        "unshare",
        linux::__NR_unshare,
        &[u64::from(linux::CLONE_NEWPID)],
    )])
    .call(linux::__NR_fork, [])
    .if_zero(Reg::Rax, "inner")
    .call(
        linux::__NR_wait4,
        [Arg::Is(u64::MAX), Arg::Data(0x100), Arg::Is(0), Arg::Is(0)],
    )
    .load(Reg::Rbx, Arg::Data(0x100))
    .tell("status", Reg::Rbx)
    .call(linux::__NR_exit_group, [Arg::Is(0)])
    .label("inner")
    .call(linux::__NR_getpid, [])
    .tell("pid", Reg::Rax)
    // A grandchild goes with its namespace.
    .call(linux::__NR_fork, [])
    .if_zero(Reg::Rax, "leaf")
    .call(linux::__NR_pause, [])
    .label("leaf")
    .call(
        linux::__NR_reboot,
        [MAGIC[0], MAGIC[1], restart].map(Arg::Is),
    )
    .tell("still here", Reg::Rax);
    let (sim, _) = run(script);
    assert_eq!(sim.told("unshare"), [0]);
    assert_eq!(sim.told("pid"), [1]);
    assert_eq!(sim.told("status"), [u64::from(linux::SIGHUP)]);
    assert_eq!(sim.told("still here"), []);
    forgive(sim.kernel);
}

#[test]
fn unshare_refuses_what_it_does_not_know() {
    let flag = u64::from;
    let told = results(&[
        ("unknown", linux::__NR_unshare, &[1]),
        ("high", linux::__NR_unshare, &[1 << 32]),
        ("net", linux::__NR_unshare, &[flag(linux::CLONE_NEWNET)]),
        ("user", linux::__NR_unshare, &[flag(linux::CLONE_NEWUSER)]),
        ("time", linux::__NR_unshare, &[flag(linux::CLONE_NEWTIME)]),
        ("files", linux::__NR_unshare, &[flag(linux::CLONE_FILES)]),
        ("thread", linux::__NR_unshare, &[flag(linux::CLONE_THREAD)]),
        ("pid", linux::__NR_unshare, &[flag(linux::CLONE_NEWPID)]),
        ("again", linux::__NR_unshare, &[flag(linux::CLONE_NEWPID)]),
        ("leave", linux::__NR_setuid, &[1000]),
        ("uts", linux::__NR_unshare, &[flag(linux::CLONE_NEWUTS)]),
        ("fs", linux::__NR_unshare, &[flag(linux::CLONE_FS)]),
    ]);
    let expected = [
        EINVAL, EINVAL, EINVAL, EINVAL, EINVAL, 0, 0, 0, EINVAL, 0, EPERM, 0,
    ];
    assert_eq!(told, expected);
}

#[test]
fn setns_goes_back_through_an_open_file() {
    let uts = u64::from(linux::CLONE_NEWUTS);
    let open = |script: Script| {
        script
            .call(
                linux::__NR_open,
                [Arg::Data(0x40), Arg::Is(u64::from(linux::O_RDONLY))],
            )
            .set(Reg::R12, Reg::Rax)
    };
    let name = |script: Script| {
        script
            .call(linux::__NR_uname, [Arg::Data(0x200)])
            .load(Reg::Rbx, Arg::Data(0x200 + 65))
            .tell("name", Reg::Rbx)
    };
    let setns = |script: Script, kind: u64| {
        script
            .call(linux::__NR_setns, [Reg::R12.into(), Arg::Is(kind)])
            .tell("setns", Reg::Rax)
    };
    let script = Script::new()
        .text(0x00, "/proc")
        .text(0x10, "proc")
        .text(0x40, "/proc/self/ns/uts")
        .text(0x80, "other")
        .call(linux::__NR_mkdir, [Arg::Data(0), Arg::Is(0o755)])
        .call(
            linux::__NR_mount,
            [Arg::Data(0x10), Arg::Data(0), Arg::Data(0x10)],
        )
        .tell("mount", Reg::Rax);
    let script = open(script)
        .call(linux::__NR_unshare, [Arg::Is(uts)])
        .call(linux::__NR_sethostname, [Arg::Data(0x80), Arg::Is(5)]);
    let script = setns(name(script), u64::from(linux::CLONE_NEWPID));
    let script = name(setns(script, uts))
        .call(linux::__NR_setns, [Arg::Is(99), Arg::Is(0)])
        .tell("setns", Reg::Rax)
        .call(linux::__NR_close, [Reg::R12.into()]);
    let (sim, end) = run(script);
    assert_eq!(sim.told("mount"), [0]);
    assert_eq!(sim.told("name"), [word(b"other"), word(b"berth")]);
    assert_eq!(sim.told("setns"), [EINVAL, 0, EBADF]);
    assert!(matches!(end, End::Off(_)), "{end:?}");
    assert_eq!(sim.kernel.ns.uts.len(), 1, "the other one is gone");
    forgive(sim.kernel);
}

#[test]
fn a_mount_namespace_keeps_its_mounts_to_itself() {
    let new = u64::from(linux::CLONE_NEWNS);
    let stat = |script: Script, name| {
        script
            .call(linux::__NR_access, [Arg::Data(0x40), Arg::Is(0)])
            .tell(name, Reg::Rax)
    };
    let script = Script::new()
        .text(0x00, "/mnt")
        .text(0x10, "tmpfs")
        .text(0x40, "/mnt/inside")
        .call(linux::__NR_mkdir, [Arg::Data(0), Arg::Is(0o755)])
        .call(linux::__NR_fork, [])
        .if_zero(Reg::Rax, "inner")
        .call(linux::__NR_wait4, [u64::MAX, 0, 0, 0].map(Arg::Is));
    let script = stat(script, "outside")
        .call(linux::__NR_exit_group, [Arg::Is(0)])
        .label("inner")
        .call(linux::__NR_unshare, [Arg::Is(new)])
        .tell("unshare", Reg::Rax)
        .call(
            linux::__NR_mount,
            [Arg::Data(0x10), Arg::Data(0), Arg::Data(0x10)],
        )
        .tell("mount", Reg::Rax)
        .call(linux::__NR_mkdir, [Arg::Data(0x40), Arg::Is(0o755)]);
    let script = stat(script, "inside");
    let (sim, _) = run(script);
    assert_eq!(sim.told("unshare"), [0]);
    assert_eq!(sim.told("mount"), [0]);
    assert_eq!(sim.told("inside"), [0]);
    assert_eq!(sim.told("outside"), [(-2i64) as u64]);
    assert_eq!(sim.kernel.ns.mount.len(), 1);
    forgive(sim.kernel);
}
