//! The calls about memory and programs, made by scripted programs.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_kernel::arena::forgive;
use berth_kernel::machine::{PAGE, PowerOff};
use berth_sim::{Arg, Config, End, Reg, Script, Sim};

const MMAP: u32 = 9;
const MPROTECT: u32 = 10;
const MUNMAP: u32 = 11;
const BRK: u32 = 12;
const MREMAP: u32 = 25;
const MSYNC: u32 = 26;
const MINCORE: u32 = 27;
const MADVISE: u32 = 28;
const FORK: u32 = 57;
const EXECVE: u32 = 59;
const EXIT: u32 = 60;
const WAIT4: u32 = 61;
const REBOOT: u32 = 169;
const MLOCK: u32 = 149;
const OPEN: u32 = 2;
const WRITE: u32 = 1;
const FTRUNCATE: u32 = 77;
const MEMFD_LIKE: u64 = 0o102; // O_RDWR | O_CREAT

const RW: u64 = 3;
const PRIVATE_ANON: u64 = 0x22;
const SHARED_ANON: u64 = 0x21;
const FIXED: u64 = 0x10;
const FREE_ONLY: u64 = 0x10_0000;
const AT: u64 = 0x2000_0000;

fn is(value: u64) -> Arg {
    Arg::Is(value)
}

fn err(errno: i64) -> u64 {
    (-errno) as u64
}

trait More: Sized {
    fn sys(self, number: u32, args: &[u64]) -> Self;
    /// A call whose result is told.
    fn asks(self, name: &'static str, number: u32, args: &[u64]) -> Self;
    fn fixed_map(self, at: u64, pages: u64) -> Self;
    fn peek(self, name: &'static str, at: u64) -> Self;
    fn off(self) -> Self;
}

impl More for Script {
    fn sys(self, number: u32, args: &[u64]) -> Self {
        self.call(number, args.iter().copied().map(is))
    }
    fn asks(self, name: &'static str, number: u32, args: &[u64]) -> Self {
        self.sys(number, args).tell(name, Reg::Rax)
    }
    fn fixed_map(self, at: u64, pages: u64) -> Self {
        self.sys(
            MMAP,
            &[at, pages * PAGE, RW, PRIVATE_ANON | FIXED, u64::MAX, 0],
        )
    }
    fn peek(self, name: &'static str, at: u64) -> Self {
        self.load(Reg::Rbx, is(at)).tell(name, Reg::Rbx)
    }
    fn off(self) -> Self {
        self.sys(REBOOT, &[0xfee1_dead, 672_274_793, 0x4321_fedc])
    }
}

/// What programs told.
struct Told(Vec<(&'static str, u64)>);

impl Told {
    fn told(&self, name: &str) -> Vec<u64> {
        let named = self.0.iter().filter(|t| t.0 == name);
        named.map(|t| t.1).collect()
    }
}

/// Runs programs until the machine is switched off.
fn run(programs: Vec<Script>, end: PowerOff) -> Told {
    let mut sim = Sim::boot(Config::default(), programs);
    let ended = sim.run(200_000);
    forgive(sim.kernel);
    assert_eq!(ended, End::Off(end), "{:?}", sim.told);
    Told(sim.told)
}

fn one(script: Script) -> Told {
    run(vec![script.off()], PowerOff::Clean)
}

#[test]
fn mappings_are_made_where_they_shall_be() {
    let sim = one(Script::new()
        .asks("anywhere", MMAP, &[0, 5000, RW, PRIVATE_ANON, u64::MAX, 0])
        .store(Reg::Rax, is(7))
        .load(Reg::Rbx, Reg::Rax)
        .tell("seven", Reg::Rbx)
        .asks("hint", MMAP, &[AT, PAGE, RW, PRIVATE_ANON, u64::MAX, 0])
        .asks(
            "taken hint",
            MMAP,
            &[AT, PAGE, RW, PRIVATE_ANON, u64::MAX, 0],
        )
        .asks(
            "taken",
            MMAP,
            &[AT, PAGE, RW, PRIVATE_ANON | FREE_ONLY, u64::MAX, 0],
        )
        .store(is(AT), is(9))
        .asks(
            "instead",
            MMAP,
            &[AT, PAGE, RW, PRIVATE_ANON | FIXED, u64::MAX, 0],
        )
        .peek("fresh", AT)
        .asks("no length", MMAP, &[0, 0, RW, PRIVATE_ANON, u64::MAX, 0])
        .asks(
            "odd offset",
            MMAP,
            &[0, PAGE, RW, PRIVATE_ANON, u64::MAX, 5],
        )
        .asks(
            "odd fixed",
            MMAP,
            &[AT + 1, PAGE, RW, PRIVATE_ANON | FIXED, u64::MAX, 0],
        )
        .asks(
            "null",
            MMAP,
            &[0, PAGE, RW, PRIVATE_ANON | FIXED, u64::MAX, 0],
        )
        .asks(
            "too long",
            MMAP,
            &[0, 1 << 47, RW, PRIVATE_ANON, u64::MAX, 0],
        )
        .asks(
            "wraps",
            MMAP,
            &[0, u64::MAX - 5, RW, PRIVATE_ANON, u64::MAX, 0],
        )
        .asks("no type", MMAP, &[0, PAGE, RW, 0x20, u64::MAX, 0])
        .asks(
            "validated",
            MMAP,
            &[0, PAGE, RW, 0x23 | 0x8_0000, u64::MAX, 0],
        )
        .asks("bad fd", MMAP, &[0, PAGE, RW, 2, 77, 0])
        .asks(
            "low",
            MMAP,
            &[0, PAGE, RW, PRIVATE_ANON | 0x40, u64::MAX, 0],
        ));
    assert_eq!(sim.told("anywhere")[0] % PAGE, 0);
    assert!(sim.told("anywhere")[0] > 0x7000_0000_0000);
    assert_eq!(sim.told("seven"), [7]);
    assert_eq!(sim.told("hint"), [AT]);
    assert!(sim.told("taken hint")[0] > 0x7000_0000_0000);
    assert_eq!(sim.told("taken"), [err(17)]);
    assert_eq!(sim.told("instead"), [AT]);
    assert_eq!(sim.told("fresh"), [0]);
    for name in [
        "no length",
        "odd offset",
        "odd fixed",
        "no type",
        "validated",
    ] {
        assert_eq!(sim.told(name), [err(22)], "{name}");
    }
    assert_eq!(sim.told("null"), [err(1)]);
    assert_eq!(sim.told("too long"), [err(12)]);
    assert_eq!(sim.told("wraps"), [err(12)]);
    assert_eq!(sim.told("bad fd"), [err(9)]);
    assert!(sim.told("low")[0] < 1 << 31);
}

#[test]
fn ranges_are_unmapped_and_protected_in_parts() {
    let pages = 1500;
    let mut script = Script::new().fixed_map(AT, pages);
    for page in 0..pages {
        script = script.store(is(AT + page * PAGE), is(page));
    }
    let sim = one(script
        .asks("protect", MPROTECT, &[AT, pages * PAGE, 1])
        .peek("last", AT + (pages - 1) * PAGE)
        .asks("again", MPROTECT, &[AT, pages * PAGE, RW])
        .asks("hole", MUNMAP, &[AT + 10 * PAGE, PAGE])
        .asks("over it", MPROTECT, &[AT, 20 * PAGE, 1])
        .asks("odd", MUNMAP, &[AT + 1, PAGE])
        .asks("nothing", MUNMAP, &[AT, 0])
        .asks("kernel", MUNMAP, &[1 << 47, PAGE])
        .asks("far", MUNMAP, &[AT - (64 << 20), PAGE])
        .asks("bits", MPROTECT, &[AT, PAGE, 0x40])
        .asks("all", MUNMAP, &[AT, pages * PAGE])
        .asks("none left", MPROTECT, &[AT, PAGE, RW]));
    for name in ["protect", "again", "hole", "far", "all"] {
        assert_eq!(sim.told(name), [0], "{name}");
    }
    assert_eq!(sim.told("last"), [pages - 1]);
    assert_eq!(sim.told("over it"), [err(12)]);
    assert_eq!(sim.told("none left"), [err(12)]);
    for name in ["odd", "nothing", "kernel", "bits"] {
        assert_eq!(sim.told(name), [err(22)], "{name}");
    }
}

#[test]
fn the_heap_grows_and_shrinks() {
    let sim = one(Script::new()
        .asks("start", BRK, &[0])
        .set(Reg::R12, Reg::Rax)
        .set(Reg::R13, Reg::Rax)
        .op(berth_sim::Op::Add(Reg::R13, is(3 * PAGE + 5)))
        .call(BRK, [Arg::Reg(Reg::R13)])
        .tell("grown", Reg::Rax)
        .store(Reg::R12, is(5))
        .call(BRK, [Arg::Reg(Reg::R12)])
        .tell("shrunk", Reg::Rax)
        .call(BRK, [Arg::Reg(Reg::R13)])
        .load(Reg::Rbx, Reg::R12)
        .tell("fresh", Reg::Rbx)
        .asks("too far", BRK, &[1 << 46])
        .asks("too low", BRK, &[PAGE]));
    let start = sim.told("start")[0];
    assert_eq!(sim.told("grown"), [start + 3 * PAGE + 5]);
    assert_eq!(sim.told("shrunk"), [start]);
    assert_eq!(sim.told("fresh"), [0]);
    assert_eq!(sim.told("too far"), [start + 3 * PAGE + 5]);
    assert_eq!(sim.told("too low"), [start + 3 * PAGE + 5]);
}

#[test]
fn mappings_grow_in_place_and_move() {
    let to = AT + 0x1000 * PAGE;
    let sim = one(Script::new()
        .fixed_map(AT, 2)
        .store(is(AT + PAGE), is(11))
        .asks("in place", MREMAP, &[AT, 2 * PAGE, 3 * PAGE, 0, 0])
        .fixed_map(AT + 3 * PAGE, 1)
        .sys(MPROTECT, &[AT + 3 * PAGE, PAGE, 1])
        .asks("blocked", MREMAP, &[AT, 3 * PAGE, 4 * PAGE, 0, 0])
        .asks("there", MREMAP, &[AT, 3 * PAGE, 4 * PAGE, 3, to])
        .peek("moved", to + PAGE)
        .asks("gone", MREMAP, &[AT, PAGE, PAGE, 0, 0])
        .asks("shrunk", MREMAP, &[to, 4 * PAGE, 2 * PAGE, 0, 0])
        .peek("still", to + PAGE)
        .asks("too long", MREMAP, &[to, 4 * PAGE, 8 * PAGE, 1, 0])
        .asks("overlap", MREMAP, &[to, 2 * PAGE, 2 * PAGE, 3, to + PAGE])
        .asks("flags", MREMAP, &[to, PAGE, PAGE, 8, 0])
        .asks("fixed alone", MREMAP, &[to, PAGE, PAGE, 2, AT])
        .call(MREMAP, [to, 2 * PAGE, 2 * PAGE, 5, 0].map(is))
        .tell("kept", Reg::Rax)
        .op(berth_sim::Op::Add(Reg::Rax, is(PAGE)))
        .load(Reg::Rbx, Reg::Rax)
        .tell("content", Reg::Rbx)
        .peek("left empty", to + PAGE));
    assert_eq!(sim.told("in place"), [AT]);
    assert_eq!(sim.told("blocked"), [err(12)]);
    assert_eq!(sim.told("there"), [to]);
    assert_eq!(sim.told("moved"), [11]);
    assert_eq!(sim.told("gone"), [err(14)]);
    assert_eq!(sim.told("shrunk"), [to]);
    assert_eq!(sim.told("still"), [11]);
    assert_eq!(sim.told("too long"), [err(14)]);
    for name in ["overlap", "flags", "fixed alone"] {
        assert_eq!(sim.told(name), [err(22)], "{name}");
    }
    assert_eq!(sim.told("content"), [11]);
    assert_eq!(sim.told("left empty"), [0]);
}

#[test]
fn advice_is_taken_or_refused() {
    let sim = one(Script::new()
        .fixed_map(AT, 600)
        .store(is(AT), is(3))
        .asks("discard", MADVISE, &[AT, 600 * PAGE, 4])
        .peek("zero", AT)
        .asks("hint", MADVISE, &[AT, PAGE, 3])
        .asks("unknown", MADVISE, &[AT, PAGE, 77])
        .asks("odd", MADVISE, &[AT + 1, PAGE, 4])
        .asks("hole", MADVISE, &[AT + 599 * PAGE, 2 * PAGE, 4])
        .asks("come", MADVISE, &[AT, 600 * PAGE, 23])
        .asks("which", MINCORE, &[AT, 3 * PAGE, AT + 16])
        .peek("in memory", AT + 16)
        .asks("sync", MSYNC, &[AT, PAGE, 4])
        .asks("both", MSYNC, &[AT, PAGE, 5])
        .asks("free", MADVISE, &[AT, PAGE, 8])
        .asks("lock", MLOCK, &[AT + 5, 600 * PAGE - 5])
        .asks("lock hole", MLOCK, &[AT + 599 * PAGE, 2 * PAGE])
        .asks("free locked", MADVISE, &[AT, PAGE, 8]));
    for name in ["discard", "hint", "come", "which", "sync", "lock", "free"] {
        assert_eq!(sim.told(name), [0], "{name}");
    }
    assert_eq!(sim.told("zero"), [0]);
    assert_eq!(sim.told("in memory"), [0x01_0101]);
    for name in ["unknown", "odd", "both", "free locked"] {
        assert_eq!(sim.told(name), [err(22)], "{name}");
    }
    assert_eq!(sim.told("hole"), [err(12)]);
    assert_eq!(sim.told("lock hole"), [err(12)]);
}

#[test]
fn forks_share_what_they_shall_and_nothing_else() {
    let shared = AT + 0x100 * PAGE;
    let child = Script::new()
        .fixed_map(AT, 1)
        .store(is(AT), is(1))
        .sys(MMAP, &[shared, PAGE, RW, SHARED_ANON | FIXED, u64::MAX, 0])
        .sys(FORK, &[])
        .if_zero(Reg::Rax, "child")
        .sys(WAIT4, &[u64::MAX, 0, 0, 0])
        .peek("mine", AT)
        .peek("ours", shared)
        .off()
        .label("child")
        .peek("inherited", AT)
        .store(is(AT), is(2))
        .store(is(shared), is(4))
        .sys(EXIT, &[0]);
    let sim = run(vec![child], PowerOff::Clean);
    assert_eq!(sim.told("inherited"), [1]);
    assert_eq!(sim.told("mine"), [1]);
    assert_eq!(sim.told("ours"), [4]);
}

#[test]
fn files_are_mapped_shared_and_private() {
    let name = 0x100;
    let private = AT + 0x100 * PAGE;
    let script = Script::new()
        .text(name, "/file")
        .call(OPEN, [Arg::Data(name), is(MEMFD_LIKE), is(0o600)])
        .set(Reg::R12, Reg::Rax)
        .call(WRITE, [Reg::R12.into(), Arg::Data(name), is(5)])
        .call(FTRUNCATE, [Reg::R12.into(), is(2 * PAGE)])
        .call(
            MMAP,
            [
                is(AT),
                is(3 * PAGE),
                is(RW),
                is(0x11),
                Reg::R12.into(),
                is(0),
            ],
        )
        .tell("shared", Reg::Rax)
        .call(
            MMAP,
            [
                is(private),
                is(PAGE),
                is(RW),
                is(0x12),
                Reg::R12.into(),
                is(0),
            ],
        )
        .peek("content", private)
        .store(is(AT), is(0x1234))
        .peek("seen", private)
        .store(is(private), is(0x77))
        .peek("unseen", AT)
        .call(FTRUNCATE, [Reg::R12.into(), is(PAGE)])
        .peek("end", AT + PAGE - 8)
        .peek("begin", private)
        .call(FTRUNCATE, [Reg::R12.into(), is(0)])
        .call(FTRUNCATE, [Reg::R12.into(), is(PAGE)])
        .peek("shared anew", AT)
        .peek("private anew", private)
        // The end of the first process by SIGBUS is the end of everything.
        .peek("behind", AT + PAGE);
    let sim = run(vec![script], PowerOff::Panic);
    assert_eq!(sim.told("shared"), [AT]);
    assert_eq!(sim.told("content"), [u64::from_le_bytes(*b"/file\0\0\0")]);
    assert_eq!(sim.told("seen"), [0x1234]);
    assert_eq!(sim.told("unseen"), [0x1234]);
    assert_eq!(sim.told("end"), [0]);
    assert_eq!(sim.told("begin"), [0x77]);
    assert_eq!(sim.told("shared anew"), [0]);
    assert_eq!(
        sim.told("private anew"),
        [0],
        "copies go with the file's page"
    );
    assert!(sim.told("behind").is_empty());
}

#[test]
fn programs_are_run_with_what_they_are_given() {
    let (path, arg, env, argv, envp) = (0x100, 0x120, 0x140, 0x200, 0x220);
    let first = Script::new()
        .text(path, "/bin/1")
        .text(arg, "argument")
        .text(env, "A=environ")
        .store(Arg::Data(argv), Arg::Data(path))
        .store(Arg::Data(argv + 8), Arg::Data(arg))
        .store(Arg::Data(envp), Arg::Data(env))
        .call(EXECVE, [is(1), Arg::Data(argv), Arg::Data(envp)])
        .tell("bad path", Reg::Rax)
        .call(EXECVE, [Arg::Data(env), Arg::Data(argv), Arg::Data(envp)])
        .tell("missing", Reg::Rax)
        .call(EXECVE, [Arg::Data(path), is(8), Arg::Data(envp)])
        .tell("bad vector", Reg::Rax)
        .text(env + 16, "/bin")
        .call(EXECVE, [Arg::Data(env + 16), Arg::Data(argv), is(0)])
        .tell("directory", Reg::Rax)
        .text(env + 16, "/init")
        .call(OPEN, [Arg::Data(env + 16), is(1)])
        .tell("busy", Reg::Rax)
        .call(EXECVE, [Arg::Data(path), Arg::Data(argv), Arg::Data(envp)])
        .tell("failed", Reg::Rax);
    let second = Script::new()
        .load(Reg::Rbx, Reg::Rsp)
        .tell("argc", Reg::Rbx)
        .tell("stack", Reg::Rsp)
        .set(Reg::Rbp, Reg::Rsp)
        .op(berth_sim::Op::Add(Reg::Rbp, is(16)))
        .load(Reg::Rbx, Reg::Rbp)
        .load(Reg::Rbx, Reg::Rbx)
        .tell("argument", Reg::Rbx)
        .op(berth_sim::Op::Add(Reg::Rbp, is(16)))
        .load(Reg::Rbx, Reg::Rbp)
        .load(Reg::Rbx, Reg::Rbx)
        .tell("environment", Reg::Rbx)
        .load(Reg::Rbx, Arg::Data(path))
        .tell("data", Reg::Rbx)
        .off();
    let sim = run(vec![first, second], PowerOff::Clean);
    assert_eq!(sim.told("bad path"), [err(14)]);
    assert_eq!(sim.told("missing"), [err(2)]);
    assert_eq!(sim.told("bad vector"), [err(14)]);
    assert_eq!(sim.told("directory"), [err(13)]);
    assert_eq!(sim.told("busy"), [err(26)]);
    assert_eq!(sim.told("failed"), []);
    assert_eq!(sim.told("argc"), [2]);
    assert_eq!(sim.told("stack")[0] % 16, 0);
    assert_eq!(sim.told("argument"), [u64::from_le_bytes(*b"argument")]);
    assert_eq!(sim.told("environment"), [u64::from_le_bytes(*b"A=enviro")]);
    assert_eq!(sim.told("data"), [0], "the old program's data is gone");
}

const CHMOD: u32 = 90;
const CHOWN: u32 = 92;
const CLOSE: u32 = 3;
const SETRESUID: u32 = 117;
const GETEUID: u32 = 107;
const NAME: u64 = 0x400;
const BODY: u64 = 0x500;
const ARGV: u64 = 0x600;

/// Makes a file with this content that everybody may run.
fn file(script: Script, name: &str, body: &str) -> Script {
    script
        .text(NAME, name)
        .text(BODY, body)
        .call(OPEN, [Arg::Data(NAME), is(MEMFD_LIKE), is(0o755)])
        .set(Reg::R12, Reg::Rax)
        .call(
            WRITE,
            [Reg::R12.into(), Arg::Data(BODY), is(body.len() as u64)],
        )
        .call(CLOSE, [Reg::R12.into()])
}

/// Runs the file whose name was made last, with one argument: its name.
fn exec(script: Script) -> Script {
    script
        .store(Arg::Data(ARGV), Arg::Data(NAME))
        .store(Arg::Data(ARGV + 8), is(0))
        .call(EXECVE, [Arg::Data(NAME), Arg::Data(ARGV), is(0)])
        .tell("failed", Reg::Rax)
}

#[test]
fn scripts_are_run_by_their_interpreters() {
    let first = exec(file(Script::new(), "/script", "#! /bin/1  one arg \nrest"));
    let second = Script::new()
        .load(Reg::Rbx, Reg::Rsp)
        .tell("argc", Reg::Rbx)
        .set(Reg::Rbp, Reg::Rsp)
        .op(berth_sim::Op::Add(Reg::Rbp, is(16)))
        .load(Reg::Rbx, Reg::Rbp)
        .load(Reg::Rbx, Reg::Rbx)
        .tell("argument", Reg::Rbx)
        .op(berth_sim::Op::Add(Reg::Rbp, is(8)))
        .load(Reg::Rbx, Reg::Rbp)
        .load(Reg::Rbx, Reg::Rbx)
        .tell("script", Reg::Rbx)
        .off();
    let sim = run(vec![first, second], PowerOff::Clean);
    assert_eq!(sim.told("argc"), [3]);
    // "one arg" and its NUL; "/script" and its NUL.
    assert_eq!(sim.told("argument"), [u64::from_le_bytes(*b"one arg\0")]);
    assert_eq!(sim.told("script"), [u64::from_le_bytes(*b"/script\0")]);
}

#[test]
fn what_is_no_program_is_refused() {
    let mut script = exec(file(Script::new(), "/loop", "#!/loop\n"));
    script = exec(file(script, "/lost", "#!/nowhere\n"));
    script = exec(file(script, "/text", "no program"));
    script = exec(file(script, "/elf", "\x7fELF but no more"));
    script = exec(file(script, "/empty", ""));
    script = file(script, "/locked", "#!/bin/1\n").call(CHMOD, [Arg::Data(NAME), is(0o644)]);
    let sim = one(exec(script));
    assert_eq!(
        sim.told("failed"),
        [err(40), err(2), err(8), err(8), err(8), err(13)]
    );
}

#[test]
fn set_id_bits_give_the_owners_rights() {
    let child = |script: Script| {
        exec(
            script
                .text(NAME, "/bin/1")
                .call(CHOWN, [Arg::Data(NAME), is(0), is(0)])
                .call(CHMOD, [Arg::Data(NAME), is(0o4755)])
                .sys(FORK, &[])
                .if_zero(Reg::Rax, "child")
                .sys(WAIT4, &[u64::MAX, 0, 0, 0])
                .off()
                .label("child")
                .sys(SETRESUID, &[1000, 1000, 1000])
                .asks("before", GETEUID, &[]),
        )
    };
    let program = Script::new().asks("after", GETEUID, &[]).sys(EXIT, &[0]);
    let sim = run(vec![child(Script::new()), program], PowerOff::Clean);
    assert_eq!(sim.told("before"), [1000]);
    assert_eq!(sim.told("after"), [0]);
    assert!(sim.told("failed").is_empty());
}
