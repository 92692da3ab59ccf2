//! A program that makes calls through the trap, with memory for their arguments.

use berth_kernel::fs::mount::{self, MountFlags};
use berth_kernel::fs::superblock::{self, TmpfsOptions};
use berth_kernel::fs::{Access as Who, Actor, Pos, Store, Time, home};
use berth_kernel::machine::{Access, Next, PAGE, Space, Trap, UserRegs};
use berth_kernel::mm::area::Area;
use berth_kernel::mm::exec::Image;
use berth_kernel::mm::{self, MmId};
use berth_kernel::task::{Cred, files, limits, spawn};
use berth_kernel::{Kernel, audit, ns};
use berth_sim::{Config, SimMachine};
use linux_raw_sys::general as linux;
use std::mem::ManuallyDrop;

pub const BASE: u64 = 0x4000_0000;
const PAGES: u64 = 2048;
/// Where the results of calls go.
pub const OUT: u64 = BASE + (1 << 20);
pub const FDCWD: u64 = -100i64 as u64;

pub type Outcome = Result<u64, i32>;

pub struct Bench {
    /// Never dropped: a test that fails half-way says why, and not what it still held.
    pub k: ManuallyDrop<Kernel>,
    pub m: SimMachine,
    regs: UserRegs,
    space: Space,
    mm: MmId,
    strings: u64,
    baseline: berth_abi::AuditRecord,
}

impl Bench {
    pub fn new() -> Bench {
        Bench::with(Config::default())
    }

    pub fn with(config: Config) -> Bench {
        let mut m = SimMachine::new(config);
        let mut k = Kernel::new(&mut m);
        let group = k.groups.root();
        let actor = actor(&k);
        let mut st = Store::of(&mut k);
        home::make_all(&mut st, &actor).unwrap();
        let options = TmpfsOptions {
            mode: 0o755,
            ..TmpfsOptions::new(1 << 16)
        };
        let sb = superblock::tmpfs(&mut st, &actor, options).unwrap();
        let root = mount::whole(&mut st, &actor, sb, MountFlags::empty(), b"rootfs").unwrap();
        let tree = st.fs.new_tree();
        st.fs.set_tree(root.key(), tree);
        let pos = k.fs.root_of(root.key()).unwrap();
        let ns = ns::initial(&mut k, root).unwrap();
        let space = mm::create(&mut k, &mut m, group).unwrap();
        let id = space.key();
        mm::room_to_map(&mut k, id).unwrap();
        let rw = Access::READ | Access::WRITE;
        mm::insert(&mut k, id, Area::zero(BASE, BASE + PAGES * PAGE, rw)).unwrap();
        let hold = |k: &mut Kernel, pos: Pos| k.fs.hold_pos(pos).unwrap();
        let image = Image {
            mm: space,
            entry: BASE,
            stack: BASE,
            name: b"test".to_vec(),
            path: b"/test".to_vec(),
            exe: hold(&mut k, pos),
            cred: Cred::root(),
            secure: false,
            dumpable: true,
        };
        let (root, cwd) = (hold(&mut k, pos), hold(&mut k, pos));
        let files = files::new(&mut k, group).unwrap();
        let spawn = spawn::Spawn {
            parent: None,
            ns,
            root,
            cwd,
            umask: 0o022,
            cred: Cred::root(),
            group,
            files,
            limits: limits::INITIAL,
            image: Some(image),
            container: None,
            hook: None,
        };
        spawn::process(&mut k, &mut m, spawn).unwrap();
        let mut regs = UserRegs::default();
        let next = k.on_trap(&mut m, &mut regs, Trap::Idle);
        let Next::Run { space, .. } = next else {
            panic!("nothing runs: {next:?}");
        };
        let mut bench = Bench {
            baseline: audit::count(&k, &m),
            k: ManuallyDrop::new(k),
            m,
            regs,
            space,
            mm: id,
            strings: BASE,
        };
        // Memory for arguments and results is there from the start.
        for page in 0..PAGES {
            bench.put(BASE + page * PAGE, &[0]);
        }
        bench.baseline = audit::count(&bench.k, &bench.m);
        bench
    }

    pub fn put(&mut self, at: u64, bytes: &[u8]) {
        while let Err(missing) = self.m.user_write(self.space, at, bytes) {
            mm::fault(&mut self.k, &mut self.m, self.mm, missing, Access::WRITE).unwrap();
        }
    }

    pub fn get(&mut self, at: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        while let Err(missing) = self.m.user_read(self.space, at, &mut bytes) {
            mm::fault(&mut self.k, &mut self.m, self.mm, missing, Access::READ).unwrap();
        }
        bytes
    }

    pub fn word(&mut self, at: u64) -> u64 {
        u64::from_le_bytes(self.get(at, 8).try_into().unwrap())
    }

    /// Puts a string somewhere; it stays for a few calls.
    pub fn text(&mut self, text: &str) -> u64 {
        let at = self.strings;
        let mut bytes = text.as_bytes().to_vec();
        bytes.push(0);
        self.put(at, &bytes);
        self.strings += 8192;
        if self.strings >= OUT {
            self.strings = BASE;
        }
        at
    }

    /// Makes a call; `None` when nothing is left to run.
    pub fn attempt(&mut self, number: u32, args: &[u64]) -> Option<Outcome> {
        let arg = |i: usize| args.get(i).copied().unwrap_or(0);
        let mut regs = self.regs;
        regs.rax = u64::from(number);
        (regs.rdi, regs.rsi, regs.rdx) = (arg(0), arg(1), arg(2));
        (regs.r10, regs.r8, regs.r9) = (arg(3), arg(4), arg(5));
        let mut next = self.k.on_trap(&mut self.m, &mut regs, Trap::Syscall);
        loop {
            match next {
                Next::Run { space, .. } => {
                    assert_eq!(space, self.space);
                    self.regs = regs;
                    let value = regs.rax as i64;
                    return Some(if (-4095..0).contains(&value) {
                        Err(-value as i32)
                    } else {
                        Ok(value as u64)
                    });
                }
                Next::Idle { deadline } if deadline != u64::MAX => {
                    self.m.time = self.m.time.max(deadline);
                    next = self.k.on_trap(&mut self.m, &mut regs, Trap::Idle);
                }
                Next::Idle { .. } => return None,
                Next::PowerOff(how) => panic!("power off: {how:?}"),
            }
        }
    }

    pub fn call(&mut self, number: u32, args: &[u64]) -> Outcome {
        self.attempt(number, args).expect("the call waits for ever")
    }

    /// A call with one path and numbers behind it.
    pub fn on(&mut self, number: u32, path: &str, rest: &[u64]) -> Outcome {
        let mut args = vec![self.text(path)];
        args.extend_from_slice(rest);
        self.call(number, &args)
    }

    pub fn open(&mut self, path: &str, flags: u32) -> Outcome {
        self.on(linux::__NR_open, path, &[u64::from(flags), 0o666])
    }

    pub fn mkdir(&mut self, path: &str) -> Outcome {
        self.on(linux::__NR_mkdir, path, &[0o777])
    }

    pub fn close(&mut self, fd: u64) {
        self.call(linux::__NR_close, &[fd]).unwrap();
    }

    pub fn two(&mut self, number: u32, a: &str, b: &str, rest: &[u64]) -> Outcome {
        let mut args = vec![self.text(a), self.text(b)];
        args.extend_from_slice(rest);
        self.call(number, &args)
    }

    pub fn symlink(&mut self, target: &str, path: &str) {
        self.two(linux::__NR_symlink, target, path, &[]).unwrap();
    }

    /// Makes a file with this content.
    pub fn file(&mut self, path: &str, content: &str) {
        let fd = self
            .open(path, linux::O_CREAT | linux::O_WRONLY | linux::O_TRUNC)
            .unwrap();
        self.write(fd, content.as_bytes()).unwrap();
        self.close(fd);
    }

    pub fn write(&mut self, fd: u64, bytes: &[u8]) -> Outcome {
        self.put(OUT, bytes);
        self.call(linux::__NR_write, &[fd, OUT, bytes.len() as u64])
    }

    pub fn read(&mut self, fd: u64, len: u64) -> Result<Vec<u8>, i32> {
        let got = self.call(linux::__NR_read, &[fd, OUT, len])?;
        Ok(self.get(OUT, got as usize))
    }

    /// The content of a file.
    pub fn content(&mut self, path: &str) -> Result<String, i32> {
        let fd = self.open(path, linux::O_RDONLY)?;
        let bytes = self.read(fd, 4096);
        self.close(fd);
        Ok(String::from_utf8_lossy(&bytes?).into_owned())
    }

    /// Inode number, mode, link count and size.
    pub fn stat(&mut self, path: &str) -> Result<Facts, i32> {
        self.on(linux::__NR_stat, path, &[OUT])?;
        Ok(self.facts())
    }

    pub fn lstat(&mut self, path: &str) -> Result<Facts, i32> {
        self.on(linux::__NR_lstat, path, &[OUT])?;
        Ok(self.facts())
    }

    pub fn facts(&mut self) -> Facts {
        let (ids, times) = (self.word(OUT + 24), self.word(OUT + 88));
        Facts {
            dev: self.word(OUT),
            ino: self.word(OUT + 8),
            nlink: self.word(OUT + 16),
            mode: ids as u32,
            uid: (ids >> 32) as u32,
            size: self.word(OUT + 48),
            modified: times,
        }
    }

    pub fn cwd(&mut self) -> Result<String, i32> {
        let len = self.call(linux::__NR_getcwd, &[OUT, 4096])?;
        let bytes = self.get(OUT, len as usize - 1);
        Ok(String::from_utf8(bytes).unwrap())
    }

    pub fn mount(&mut self, source: &str, at: &str, kind: &str, flags: u32, data: &str) -> Outcome {
        let args = [
            self.text(source),
            self.text(at),
            self.text(kind),
            u64::from(flags),
            self.text(data),
        ];
        self.call(linux::__NR_mount, &args)
    }

    pub fn umount(&mut self, path: &str, flags: u32) -> Outcome {
        self.on(linux::__NR_umount2, path, &[u64::from(flags)])
    }

    /// From now on another user, without capabilities.
    pub fn become_user(&mut self, uid: u32) {
        let id = self.k.sched.current.unwrap();
        let mut cred = Cred::root();
        cred.change_uids(uid, uid, uid);
        cred.gid = uid;
        cred.egid = uid;
        cred.fsgid = uid;
        self.k.tasks.tasks.get_mut(id).unwrap().cred = cred;
    }

    pub fn become_root(&mut self) {
        let id = self.k.sched.current.unwrap();
        self.k.tasks.tasks.get_mut(id).unwrap().cred = Cred::root();
    }

    /// Names in a directory, as getdents64 lists them with room for `room` bytes a call.
    pub fn list(&mut self, path: &str, room: u64) -> Vec<String> {
        let fd = self
            .open(path, linux::O_RDONLY | linux::O_DIRECTORY)
            .unwrap();
        let mut names = Vec::new();
        loop {
            let got = self.call(linux::__NR_getdents64, &[fd, OUT, room]).unwrap();
            if got == 0 {
                break;
            }
            let bytes = self.get(OUT, got as usize);
            let mut at = 0;
            while at < bytes.len() {
                let len = usize::from(u16::from_le_bytes([bytes[at + 16], bytes[at + 17]]));
                let name = &bytes[at + 19..at + len];
                let end = name.iter().position(|b| *b == 0).unwrap();
                names.push(String::from_utf8(name[..end].to_vec()).unwrap());
                at += len;
            }
        }
        self.close(fd);
        names
    }

    /// Does the queued work.
    pub fn work(&mut self) {
        while !self.k.work.is_empty() {
            self.call(linux::__NR_getppid, &[]).unwrap();
        }
    }

    /// Everything that the test made is gone again.
    pub fn end(mut self) {
        self.work();
        let now = audit::count(&self.k, &self.m);
        assert_eq!(self.k.net.sockets.len(), 0, "sockets");
        assert_eq!(now, self.baseline, "something was left behind");
    }
}

pub fn actor(k: &Kernel) -> Actor<'static> {
    Actor {
        access: Who::KERNEL,
        group: k.groups.root(),
        now: Time::default(),
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    pub dev: u64,
    pub ino: u64,
    pub nlink: u64,
    pub mode: u32,
    pub uid: u32,
    pub size: u64,
    pub modified: u64,
}

/// An error number by its name.
pub fn e(errno: berth_kernel::error::Errno) -> i32 {
    i32::from(errno.0)
}
