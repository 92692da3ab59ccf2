//! A kernel with processes that never run, to look at.

use berth_kernel::error::{Errno, Stop};
use berth_kernel::fs::superblock::{self, TmpfsOptions};
use berth_kernel::fs::walk::Views;
use berth_kernel::fs::{Access, Actor, Store, Time, ViewNode, mount};
use berth_kernel::machine::{Next, Trap, UserRegs};
use berth_kernel::ns::{self, NsSet, PidNsId};
use berth_kernel::task::{Cred, Files, ProcessId, TaskId, exit, limits, spawn};
use berth_kernel::views::{self, Opened, Source};
use berth_kernel::{Cx, Kernel};
use berth_sim::{Config, SimMachine};

pub struct Bench {
    pub k: Kernel,
    pub m: SimMachine,
}

fn actor(k: &Kernel) -> Actor<'static> {
    Actor {
        access: Access::KERNEL,
        group: k.groups.root(),
        now: Time::default(),
    }
}

impl Bench {
    /// A kernel with a root file system, the initial namespaces and one process.
    pub fn new() -> (Bench, ProcessId) {
        let mut m = SimMachine::new(Config::default());
        let mut k = Kernel::new(&mut m);
        let actor = actor(&k);
        let mut st = Store::of(&mut k);
        let sb = superblock::tmpfs(&mut st, &actor, TmpfsOptions::new(1000)).unwrap();
        let flags = mount::MountFlags::empty();
        let root = mount::whole(&mut st, &actor, sb, flags, b"rootfs").unwrap();
        let tree = k.fs.new_tree();
        k.fs.set_tree(root.key(), tree);
        let set = ns::initial(&mut k, root).unwrap();
        let mut b = Bench { k, m };
        let init = b.spawn(set, Cred::root());
        b.read_as(init);
        (b, init)
    }

    /// A process in these namespaces; it waits to be started for ever.
    pub fn spawn(&mut self, ns: NsSet, cred: Cred) -> ProcessId {
        let k = &mut self.k;
        let top = k.ns.mount.get(ns.mount.key()).unwrap().root.key();
        let root = k.fs.root_of(top).unwrap();
        let group = k.groups.root();
        let charge = k.groups.charge(group, 64).unwrap();
        let spawn = spawn::Spawn {
            parent: None,
            root: k.fs.hold_pos(root).unwrap(),
            cwd: k.fs.hold_pos(root).unwrap(),
            umask: 0o22,
            cred,
            group,
            files: k.tasks.files.insert(Files::default(), charge),
            limits: limits::INITIAL,
            image: None,
            container: None,
            hook: None,
            ns,
        };
        spawn::process(k, &mut self.m, spawn).unwrap()
    }

    /// One more process beside `process`, with its namespaces.
    pub fn sibling(&mut self, process: ProcessId, cred: Cred) -> ProcessId {
        let keys = ns::keys_of(&self.k, self.task(process)).unwrap();
        let set = ns::hold_set(&mut self.k, keys).unwrap();
        self.spawn(set, cred)
    }

    /// A process in new namespaces, made by `parent`.
    pub fn inner(&mut self, parent: ProcessId, flags: u32) -> ProcessId {
        let group = self.k.groups.root();
        let task = self.task(parent);
        let set = ns::for_child(&mut self.k, task, flags, group).unwrap();
        self.spawn(set, Cred::root())
    }

    pub fn task(&self, process: ProcessId) -> TaskId {
        self.k.tasks.leader(process).unwrap()
    }

    pub fn read_as(&mut self, process: ProcessId) {
        self.k.sched.current = Some(self.task(process));
    }

    pub fn pid_ns(&self, process: ProcessId) -> PidNsId {
        ns::pid::of_task(&self.k, self.task(process)).unwrap()
    }

    /// The procfs that this process would mount.
    pub fn proc(&self, process: ProcessId) -> ViewNode {
        views::proc_root(&self.k, self.task(process)).unwrap()
    }

    pub fn walk(&self, from: ViewNode, path: &str) -> Result<ViewNode, Errno> {
        let source = Source::of(&self.k);
        path.split('/')
            .try_fold(from, |at, name| source.lookup(at, name.as_bytes()))
    }

    pub fn text(&mut self, from: ViewNode, path: &str) -> Result<String, Errno> {
        let node = self.walk(from, path)?;
        match self.content(node) {
            Ok(bytes) => Ok(String::from_utf8(bytes).unwrap()),
            Err(Stop::Errno(e)) => Err(e),
            Err(other) => panic!("{other:?}"),
        }
    }

    /// All that the reader finds in a file.
    pub fn content(&mut self, node: ViewNode) -> Result<Vec<u8>, Stop> {
        Ok(self.pieces(node)?.concat())
    }

    /// The same, piece by piece.
    pub fn pieces(&mut self, node: ViewNode) -> Result<Vec<Vec<u8>>, Stop> {
        let opened = self.open(node, 0)?;
        let mut next = Some(views::start(&opened));
        views::close(&mut self.k, opened);
        let mut pieces = Vec::new();
        while let Some(cursor) = next {
            let piece = views::piece(&mut self.k, &mut self.m, node, cursor)?;
            pieces.push(piece.text);
            next = piece.next;
        }
        Ok(pieces)
    }

    /// On behalf of the reader.
    fn cx(&mut self) -> (&mut Kernel, Cx<'_>) {
        let task = self.k.sched.current.unwrap();
        let cx = Cx {
            now: 0,
            task,
            m: &mut self.m,
            resume: None,
        };
        (&mut self.k, cx)
    }

    pub fn open(&mut self, node: ViewNode, flags: u32) -> Result<Opened, Errno> {
        let (k, cx) = self.cx();
        views::open(k, &cx, node, flags)
    }

    pub fn write(&mut self, from: ViewNode, path: &str, bytes: &[u8]) -> Result<(), Errno> {
        let node = self.walk(from, path)?;
        let (k, mut cx) = self.cx();
        match views::write(k, &mut cx, node, bytes) {
            Ok(count) => {
                assert_eq!(count, bytes.len());
                Ok(())
            }
            Err(Stop::Errno(e)) => Err(e),
            Err(other) => panic!("{other:?}"),
        }
    }

    pub fn numbers(&self, root: ViewNode) -> Vec<u32> {
        let entries = views::entries(&self.k, root, 0, usize::MAX).unwrap();
        let names = entries
            .into_iter()
            .map(|e| String::from_utf8(e.name).unwrap());
        names.filter_map(|name| name.parse().ok()).collect()
    }

    pub fn kill(&mut self, process: ProcessId) {
        exit::kill_now(&mut self.k, &mut self.m, process);
        self.work();
    }

    pub fn work(&mut self) {
        let reader = self.k.sched.current.take();
        let mut next = Next::Idle { deadline: 0 };
        while next == (Next::Idle { deadline: 0 }) {
            next = self
                .k
                .on_trap(&mut self.m, &mut UserRegs::default(), Trap::Idle);
        }
        assert!(
            matches!(next, Next::Idle { .. }),
            "nobody runs here: {next:?}"
        );
        self.k.sched.current = reader;
    }
}

pub fn line<'a>(status: &'a str, key: &str) -> &'a str {
    let line = status.lines().find(|l| l.starts_with(key));
    line.unwrap_or_else(|| panic!("no {key} in {status}"))
        .trim_start_matches(key)
        .trim()
}
