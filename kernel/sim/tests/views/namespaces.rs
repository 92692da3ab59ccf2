//! Namespaces as objects: copied, kept, given back.

use super::bench::*;

use berth_abi::linux::general as linux;
use berth_kernel::arena::forgive;
use berth_kernel::error::{Errno, Stop};
use berth_kernel::fs::walk::{Link, Views};
use berth_kernel::fs::{Access, Actor, Node, Pos, Store, Time, home};
use berth_kernel::mm::segments::{self, Wanted};
use berth_kernel::ns::{self};
use berth_kernel::views::{self, Source};
use berth_kernel::{Cx, audit};

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
    assert_eq!(b.text(root, "sys/kernel/hostname").unwrap(), "inside\n");
    b.write(root, "sys/kernel/domainname", &[b'x'; 65]).unwrap();
    let cut = b.text(root, "sys/kernel/domainname").unwrap();
    assert_eq!(cut, "x".repeat(64) + "\n");
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
    let all = linux::CLONE_NEWPID | linux::CLONE_NEWUTS | linux::CLONE_NEWIPC | linux::CLONE_NEWNS;
    // The last: what is to be undone on semaphores stays in one namespace.
    for kind in [
        linux::CLONE_NEWUSER,
        linux::CLONE_NEWNET,
        linux::CLONE_SYSVSEM,
    ] {
        let refused = ns::for_child(&mut b.k, task, all | kind, root);
        assert!(matches!(refused, Err(Stop::Errno(Errno::EINVAL))));
    }
    let set = ns::for_child(&mut b.k, task, all, root).unwrap();
    assert_eq!(b.k.ns.len(), before.namespaces as usize + 4);
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
fn segments_go_with_their_namespace() {
    let (mut b, host) = Bench::new();
    let inner = b.inner(host, linux::CLONE_NEWIPC);
    let root = b.k.groups.root();
    let actor = Actor {
        access: Access::KERNEL,
        group: root,
        now: Time::default(),
    };
    // Where its memory is stays for the next one.
    home::make_all(&mut Store::of(&mut b.k), &actor).unwrap();
    let before = audit::count(&b.k, &b.m);
    let usage = b.k.groups.usage(root);
    let other = b.inner(inner, linux::CLONE_NEWIPC);
    let ns_of = |b: &Bench, process| ns::ipc::of_task(&b.k, b.task(process)).unwrap();
    let (outside, inside) = (ns_of(&b, inner), ns_of(&b, other));
    let mut wanted = Wanted {
        key: 0,
        size: 5000,
        flags: 0o1600,
        pid: 1,
    };
    for key in 1..100 {
        wanted.key = key;
        segments::get(&mut b.k, inside, &actor, &wanted).unwrap();
    }
    wanted.flags = 0;
    let found = segments::get(&mut b.k, outside, &actor, &wanted);
    assert!(matches!(found, Err(Stop::Errno(Errno::ENOENT))));
    assert_eq!(
        segments::get(&mut b.k, inside, &actor, &wanted).unwrap(),
        98
    );
    assert_eq!(segments::of(&b.k, inside).unwrap().pages, 2 * 99);
    b.kill(other);
    assert!(segments::of(&b.k, inside).is_err());
    b.work();
    assert_eq!(audit::count(&b.k, &b.m), before);
    assert_eq!(b.k.groups.usage(root), usage);
    forgive(b.k);
}
