//! Namespaces, procfs, nsfs and devices over the simulated machine; above all what one pid
//! namespace sees of another.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_abi::linux::general as linux;
use berth_kernel::arena::forgive;
use berth_kernel::dev::{self, Device};
use berth_kernel::error::{Errno, Stop};
use berth_kernel::fs::superblock::{self, TmpfsOptions};
use berth_kernel::fs::walk::{Link, Views};
use berth_kernel::fs::{Access, Actor, Node, Pos, Store, Time, ViewNode, mount};
use berth_kernel::machine::{Next, Port, Trap, UserRegs};
use berth_kernel::ns::{self, NsSet, PidNsId};
use berth_kernel::task::{Cred, Files, ProcessId, TaskId, exit, limits, spawn};
use berth_kernel::views::{self, Source};
use berth_kernel::{Cx, Kernel, audit};
use berth_sim::{Config, SimMachine};

struct Bench {
    k: Kernel,
    m: SimMachine,
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
    fn new() -> (Bench, ProcessId) {
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
    fn spawn(&mut self, ns: NsSet, cred: Cred) -> ProcessId {
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
    fn sibling(&mut self, process: ProcessId, cred: Cred) -> ProcessId {
        let keys = ns::keys_of(&self.k, self.task(process)).unwrap();
        let set = ns::hold_set(&mut self.k, keys).unwrap();
        self.spawn(set, cred)
    }

    /// A process in new namespaces, made by `parent`.
    fn inner(&mut self, parent: ProcessId, flags: u32) -> ProcessId {
        let group = self.k.groups.root();
        let task = self.task(parent);
        let set = ns::for_child(&mut self.k, task, flags, group).unwrap();
        self.spawn(set, Cred::root())
    }

    fn task(&self, process: ProcessId) -> TaskId {
        self.k.tasks.leader(process).unwrap()
    }

    fn read_as(&mut self, process: ProcessId) {
        self.k.sched.current = Some(self.task(process));
    }

    fn pid_ns(&self, process: ProcessId) -> PidNsId {
        ns::pid::of_task(&self.k, self.task(process)).unwrap()
    }

    /// The procfs that this process would mount.
    fn proc(&self, process: ProcessId) -> ViewNode {
        views::proc_root(&self.k, self.task(process)).unwrap()
    }

    fn walk(&self, from: ViewNode, path: &str) -> Result<ViewNode, Errno> {
        let source = Source::of(&self.k);
        path.split('/')
            .try_fold(from, |at, name| source.lookup(at, name.as_bytes()))
    }

    fn text(&mut self, from: ViewNode, path: &str) -> Result<String, Errno> {
        let node = self.walk(from, path)?;
        let bytes = views::content(&mut self.k, &mut self.m, node);
        match bytes {
            Ok(bytes) => Ok(String::from_utf8(bytes).unwrap()),
            Err(Stop::Errno(e)) => Err(e),
            Err(other) => panic!("{other:?}"),
        }
    }

    fn numbers(&self, root: ViewNode) -> Vec<u32> {
        let entries = views::entries(&self.k, root).unwrap();
        let names = entries
            .into_iter()
            .map(|e| String::from_utf8(e.name).unwrap());
        names.filter_map(|name| name.parse().ok()).collect()
    }

    fn kill(&mut self, process: ProcessId) {
        exit::kill_now(&mut self.k, &mut self.m, process);
        self.work();
    }

    fn work(&mut self) {
        let reader = self.k.sched.current.take();
        let next = self.k.on_trap(&mut self.m, UserRegs::default(), Trap::Idle);
        assert!(
            matches!(next, Next::Idle { .. }),
            "nobody runs here: {next:?}"
        );
        self.k.sched.current = reader;
    }
}

fn line<'a>(status: &'a str, key: &str) -> &'a str {
    let line = status.lines().find(|l| l.starts_with(key));
    line.unwrap_or_else(|| panic!("no {key} in {status}"))
        .trim_start_matches(key)
        .trim()
}

#[test]
fn a_pid_namespace_sees_only_its_own() {
    let (mut b, host) = Bench::new();
    let first = b.inner(host, linux::CLONE_NEWPID);
    let second = b.inner(host, linux::CLONE_NEWPID);
    let (outer, inner) = (b.proc(host), b.proc(first));
    assert_eq!(b.numbers(outer), [1, 2, 3]);

    b.read_as(first);
    assert_eq!(b.numbers(inner), [1]);
    for hidden in ["2", "3", "4", "2/status", "3/exe"] {
        assert_eq!(b.walk(inner, hidden), Err(Errno::ENOENT), "{hidden}");
    }
    let own = b.text(inner, "1/status").unwrap();
    assert_eq!((line(&own, "Pid:"), line(&own, "PPid:")), ("1", "0"));
    assert_eq!(line(&own, "NSpid:"), "1");
    assert_eq!((line(&own, "NSpgid:"), line(&own, "NSsid:")), ("1", "1"));
    assert!(b.text(inner, "loadavg").unwrap().ends_with("/1 1\n"));

    b.read_as(host);
    let outside = b.text(outer, "2/status").unwrap();
    assert_eq!(
        (line(&outside, "Pid:"), line(&outside, "NSpid:")),
        ("2", "2\t1")
    );
    let _ = second;
    forgive(b.k);
}

#[test]
fn self_is_the_reader_and_nobody_where_the_reader_is_not() {
    let (mut b, host) = Bench::new();
    let inner = b.inner(host, linux::CLONE_NEWPID);
    let (outside, inside) = (b.proc(host), b.proc(inner));
    let text = |b: &Bench, root, name| {
        let node = b.walk(root, name).unwrap();
        match Source::of(&b.k).link(node) {
            Ok(Link::Text(text)) => Ok(String::from_utf8(text).unwrap()),
            Ok(Link::Jump(_)) => panic!("self is no magic link"),
            Err(e) => Err(e),
        }
    };
    b.read_as(inner);
    assert_eq!(text(&b, inside, "self").unwrap(), "1");
    assert_eq!(text(&b, inside, "thread-self").unwrap(), "1/task/1");
    assert_eq!(text(&b, outside, "self").unwrap(), "2");
    b.read_as(host);
    assert_eq!(text(&b, inside, "self"), Err(Errno::ENOENT));
    forgive(b.k);
}

#[test]
fn a_node_never_shows_another_process() {
    let (mut b, host) = Bench::new();
    let victim = b.sibling(host, Cred::root());
    let root = b.proc(host);
    let stat = b.walk(root, "2/stat").unwrap();
    let dir = b.walk(root, "2").unwrap();
    assert!(views::content(&mut b.k, &mut b.m, stat).is_ok());
    b.kill(victim);
    assert!(
        b.k.tasks.processes.get(victim).is_none(),
        "reaped by the kernel"
    );
    let _heir = b.sibling(host, Cred::root());
    let gone = views::content(&mut b.k, &mut b.m, stat);
    assert!(matches!(gone, Err(Stop::Errno(Errno::ESRCH))), "{gone:?}");
    assert_eq!(Source::of(&b.k).lookup(dir, b"stat"), Err(Errno::ENOENT));
    assert_eq!(views::entries(&b.k, dir), Err(Errno::ENOENT));
    forgive(b.k);
}

#[test]
fn only_who_may_look_sees_inside() {
    let (mut b, host) = Bench::new();
    let mut user = Cred::default();
    user.change_uids(1000, 1000, 1000);
    user.change_fsuid(1000);
    let user = b.sibling(host, user);
    let root = b.proc(host);
    b.read_as(user);
    let private = ["1/environ", "1/maps"];
    for path in private {
        let node = b.walk(root, path).unwrap();
        let task = b.task(user);
        let cx = Cx {
            now: 0,
            task,
            m: &mut b.m,
            resume: None,
        };
        let opened = views::open(&mut b.k, &cx, node, linux::O_RDONLY);
        assert!(matches!(opened, Err(Errno::EACCES)), "{path}");
    }
    for path in ["1/cwd", "1/root", "1/ns/uts"] {
        let node = b.walk(root, path).unwrap();
        let link = Source::of(&b.k).link(node);
        assert!(matches!(link, Err(Errno::EACCES)), "{path}");
        let text = views::link_text(&b.k, b.task(user), node);
        assert_eq!(text, Err(Errno::EACCES), "{path}");
    }
    assert_eq!(b.walk(root, "1/fd/0"), Err(Errno::EACCES));
    // Root may look into everybody.
    b.read_as(host);
    let node = b.walk(root, "2/cwd").unwrap();
    assert_eq!(views::link_text(&b.k, b.task(host), node).unwrap(), b"/");
    let (mode, uid, _) = Source::of(&b.k)
        .mode(b.walk(root, "2/environ").unwrap())
        .unwrap();
    assert_eq!((mode & 0o7777, uid), (0o400, 1000));
    forgive(b.k);
}

#[test]
fn paths_and_parents_of_views_agree() {
    let (b, host) = Bench::new();
    let root = b.proc(host);
    let source = Source::of(&b.k);
    for path in [
        "1",
        "1/task",
        "1/task/1",
        "1/task/1/ns/uts",
        "1/task/1/fd",
        "1/task/1/comm",
        "1/fd",
        "1/ns",
        "sys/kernel/random",
        "1/status",
    ] {
        let mut node = b.walk(root, path).unwrap();
        let mut names = Vec::new();
        while let Some(name) = source.name(node) {
            names.insert(0, String::from_utf8(name).unwrap());
            node = source.parent(node).unwrap();
        }
        assert_eq!(names.join("/"), path);
        assert_eq!(node, root);
    }
    forgive(b.k);
}

#[test]
fn every_entry_of_every_directory_is_found_again() {
    let (b, host) = Bench::new();
    let source = Source::of(&b.k);
    let mut queue = vec![b.proc(host)];
    let mut seen = 0;
    while let Some(dir) = queue.pop() {
        let mut cookie = 2;
        for entry in views::entries(&b.k, dir).unwrap() {
            assert!(entry.cookie > cookie, "cookies rise");
            cookie = entry.cookie;
            let name = String::from_utf8_lossy(&entry.name).into_owned();
            assert_eq!(
                source.lookup(dir, &entry.name).unwrap(),
                entry.node,
                "{name}"
            );
            let status = views::stat(&b.k, entry.node).unwrap();
            assert_eq!(status.mode >> 12, u32::from(entry.kind), "{name}");
            assert_ne!(status.ino, 0);
            if entry.kind == linux::DT_DIR as u8 {
                queue.push(entry.node);
            }
            seen += 1;
        }
    }
    assert!(seen > 50, "{seen}");
    forgive(b.k);
}

#[test]
fn every_readable_file_can_be_read() {
    let (mut b, host) = Bench::new();
    let mut queue = vec![b.proc(host)];
    while let Some(dir) = queue.pop() {
        for entry in views::entries(&b.k, dir).unwrap() {
            let name = String::from_utf8(entry.name).unwrap();
            match u32::from(entry.kind) {
                linux::DT_DIR => queue.push(entry.node),
                linux::DT_REG => {
                    let content = views::content(&mut b.k, &mut b.m, entry.node);
                    assert!(content.is_ok(), "{name}: {content:?}");
                }
                _ => {}
            }
        }
    }
    forgive(b.k);
}

#[test]
fn names_belong_to_the_uts_namespace() {
    let (mut b, host) = Bench::new();
    let inner = b.inner(host, linux::CLONE_NEWUTS);
    let root = b.proc(host);
    let node = b.walk(root, "sys/kernel/hostname").unwrap();
    b.read_as(inner);
    let task = b.task(inner);
    let mut cx = Cx {
        now: 0,
        task,
        m: &mut b.m,
        resume: None,
    };
    assert_eq!(
        views::write(&mut b.k, &mut cx, node, b"inside\nrest").unwrap(),
        11
    );
    let long = views::write(&mut b.k, &mut cx, node, &[b'x'; 65]);
    assert!(matches!(long, Err(Stop::Errno(Errno::EINVAL))));
    assert_eq!(b.text(root, "sys/kernel/hostname").unwrap(), "inside\n");
    b.read_as(host);
    assert_eq!(b.text(root, "sys/kernel/hostname").unwrap(), "berth\n");
    forgive(b.k);
}

#[test]
fn a_set_that_fails_half_way_leaves_nothing() {
    let (mut b, host) = Bench::new();
    let before = audit::count(&b.k, &b.m);
    let task = b.task(host);
    let root = b.k.groups.root();
    let usage = b.k.groups.usage(root);
    let all = linux::CLONE_NEWPID | linux::CLONE_NEWUTS | linux::CLONE_NEWNS;
    for kind in [
        linux::CLONE_NEWUSER,
        linux::CLONE_NEWNET,
        linux::CLONE_NEWIPC,
    ] {
        let refused = ns::for_child(&mut b.k, task, all | kind, root);
        assert!(matches!(refused, Err(Stop::Errno(Errno::EINVAL))));
    }
    let set = ns::for_child(&mut b.k, task, all, root).unwrap();
    assert_eq!(b.k.ns.len(), before.namespaces as usize + 3);
    ns::release_set(&mut b.k, set);
    b.work();
    assert_eq!(audit::count(&b.k, &b.m), before);
    assert_eq!(b.k.groups.usage(root), usage);
    forgive(b.k);
}

#[test]
fn pid_namespaces_nest_32_deep() {
    let (mut b, _) = Bench::new();
    let group = b.k.groups.root();
    let mut held = vec![];
    let mut parent = b.k.ns.initial_pid().unwrap();
    for _ in 0..32 {
        let ns = ns::pid::create(&mut b.k, parent, group).unwrap();
        parent = ns.key();
        held.push(ns);
    }
    let more = ns::pid::create(&mut b.k, parent, group);
    assert!(matches!(more, Err(Stop::Errno(Errno::ENOSPC))));
    assert!(ns::pid::is_within(
        &b.k,
        parent,
        b.k.ns.initial_pid().unwrap()
    ));
    let innermost = held.pop().unwrap();
    for ns in held {
        ns::pid::release(&mut b.k, ns);
    }
    assert_eq!(b.k.ns.pid.len(), 33, "the innermost keeps those around it");
    ns::pid::release(&mut b.k, innermost);
    assert_eq!(b.k.ns.pid.len(), 1);
    forgive(b.k);
}

#[test]
fn an_open_namespace_file_keeps_the_namespace() {
    let (mut b, host) = Bench::new();
    let before = audit::count(&b.k, &b.m);
    let inner = b.inner(host, linux::CLONE_NEWPID | linux::CLONE_NEWUTS);
    let root = b.proc(host);
    let link = b.walk(root, "2/ns/uts").unwrap();
    let text = views::link_text(&b.k, b.task(host), link).unwrap();
    let own = b.walk(root, "1/ns/uts").unwrap();
    let own = views::link_text(&b.k, b.task(host), own).unwrap();
    assert_eq!(own, b"uts:[4026531838]");
    assert_ne!(own, text);
    let Ok(Link::Jump(Pos {
        node: Node::View(node),
        ..
    })) = Source::of(&b.k).link(link)
    else {
        panic!("a magic link");
    };
    let cx_task = b.task(host);
    let cx = Cx {
        now: 0,
        task: cx_task,
        m: &mut b.m,
        resume: None,
    };
    let opened = views::open(&mut b.k, &cx, node, linux::O_RDONLY).unwrap();
    b.kill(inner);
    assert_eq!(b.k.ns.uts.len(), 2);
    assert_eq!(b.k.ns.pid.len(), 1, "nobody kept that one");
    assert!(views::stat(&b.k, node).is_ok());
    views::close(&mut b.k, opened);
    assert_eq!(views::stat(&b.k, node), Err(Errno::ENOENT));
    b.work();
    assert_eq!(audit::count(&b.k, &b.m), before);
    forgive(b.k);
}

#[test]
fn mounts_are_those_of_the_process() {
    let (mut b, host) = Bench::new();
    let inner = b.inner(host, linux::CLONE_NEWNS);
    let root = b.proc(host);
    let outside = b.text(root, "1/mountinfo").unwrap();
    let inside = b.text(root, "2/mountinfo").unwrap();
    assert!(
        outside.ends_with(" 0:1 / / rw - tmpfs rootfs rw\n"),
        "{outside}"
    );
    assert!(
        inside.ends_with(" 0:1 / / rw - tmpfs rootfs rw\n"),
        "{inside}"
    );
    assert_ne!(outside, inside, "the copies have numbers of their own");
    assert_eq!(b.text(root, "2/mounts").unwrap(), "rootfs / tmpfs rw 0 0\n");
    let _ = inner;
    forgive(b.k);
}

#[test]
fn a_zombie_shows_as_one() {
    let (mut b, host) = Bench::new();
    let child = b.sibling(host, Cred::root());
    b.k.tasks.processes.get_mut(child).unwrap().parent = Some(host);
    b.kill(child);
    let root = b.proc(host);
    let stat = b.text(root, "2/stat").unwrap();
    assert!(stat.starts_with("2 () Z 1 2 2 "), "{stat}");
    assert_eq!(stat.split_whitespace().count(), 52);
    assert_eq!(stat.split_whitespace().last(), Some("9"));
    assert_eq!(b.text(root, "2/cmdline").unwrap(), "");
    assert_eq!(
        line(&b.text(root, "2/status").unwrap(), "State:"),
        "Z (zombie)"
    );
    forgive(b.k);
}

#[test]
fn the_console_waits_and_gives_what_came() {
    let (mut b, _) = Bench::new();
    let console = dev::find(5, 1).unwrap();
    assert_eq!(dev::poll(&mut b.k, &mut b.m, console), linux::POLLOUT);
    let task = b.k.sched.current.unwrap();
    let read = |b: &mut Bench, flags, max| {
        let mut cx = Cx {
            now: b.m.time,
            task,
            m: &mut b.m,
            resume: None,
        };
        dev::read(&mut b.k, &mut cx, console, flags, max)
    };
    let nothing = read(&mut b, linux::O_NONBLOCK, 10);
    assert!(matches!(nothing, Err(Stop::Errno(Errno::EAGAIN))));
    assert!(matches!(read(&mut b, 0, 10), Err(Stop::Wait(_))));
    b.m.input.entry(Port::Console).or_default().extend(b"hello");
    assert_eq!(
        dev::poll(&mut b.k, &mut b.m, console),
        linux::POLLIN | linux::POLLOUT
    );
    assert_eq!(read(&mut b, 0, 3).unwrap(), b"hel");
    assert_eq!(read(&mut b, 0, 9).unwrap(), b"lo");
    forgive(b.k);
}

#[test]
fn devices_do_what_their_names_say() {
    let (mut b, _) = Bench::new();
    let task = b.k.sched.current.unwrap();
    let mut cx = Cx {
        now: 0,
        task,
        m: &mut b.m,
        resume: None,
    };
    let k = &mut b.k;
    assert_eq!(dev::read(k, &mut cx, Device::Null, 0, 9).unwrap(), b"");
    assert_eq!(dev::read(k, &mut cx, Device::Zero, 0, 9).unwrap(), [0; 9]);
    let full = dev::write(k, &mut cx, Device::Full, 0, b"x");
    assert!(matches!(full, Err(Stop::Errno(Errno::ENOSPC))));
    let one = dev::read(k, &mut cx, Device::Random, 0, 32).unwrap();
    let other = dev::read(k, &mut cx, Device::Random, 0, 32).unwrap();
    assert_ne!(one, other);
    let errors = Device::Serial(Port::Errors);
    assert_eq!(dev::write(k, &mut cx, errors, 0, b"oops").unwrap(), 4);
    let input = dev::read(k, &mut cx, errors, 0, 4);
    assert!(matches!(input, Err(Stop::Errno(Errno::EIO))));
    assert_eq!(b.m.text(Port::Errors), "oops");
    forgive(b.k);
}

#[test]
fn giving_positions_back_is_complete() {
    let (mut b, host) = Bench::new();
    let task = b.task(host);
    let before = audit::count(&b.k, &b.m);
    for _ in 0..3 {
        let inner = b.inner(
            host,
            linux::CLONE_NEWPID | linux::CLONE_NEWUTS | linux::CLONE_NEWNS,
        );
        assert_ne!(b.pid_ns(inner), b.pid_ns(host));
        b.kill(inner);
    }
    assert_eq!(audit::count(&b.k, &b.m), before);
    assert!(b.k.tasks.is_alive(task));
    forgive(b.k);
}

#[test]
fn a_process_names_its_own_threads_only() {
    let (mut b, host) = Bench::new();
    let other = b.sibling(host, Cred::root());
    let root = b.proc(host);
    let own = b.walk(root, "1/task/1/comm");
    assert!(own.is_ok());
    let own = b.walk(root, "1/comm").unwrap();
    let theirs = b.walk(root, "2/comm").unwrap();
    let task = b.task(host);
    let mut cx = Cx {
        now: 0,
        task,
        m: &mut b.m,
        resume: None,
    };
    let name = b"a name that is too long";
    assert_eq!(
        views::write(&mut b.k, &mut cx, own, name).unwrap(),
        name.len()
    );
    let refused = views::write(&mut b.k, &mut cx, theirs, name);
    assert!(matches!(refused, Err(Stop::Errno(Errno::EINVAL))));
    assert_eq!(b.text(root, "1/comm").unwrap(), "a name that is \n");
    let stat = b.text(root, "1/stat").unwrap();
    assert!(
        stat.starts_with("1 (a name that is ) S 0 1 1 0 -1 "),
        "{stat}"
    );
    let _ = other;
    forgive(b.k);
}
