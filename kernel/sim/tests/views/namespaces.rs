//! Namespaces as objects: copied, kept, given back.

use super::bench::*;

use berth_abi::linux::general as linux;
use berth_kernel::arena::forgive;
use berth_kernel::error::{Errno, Stop};
use berth_kernel::fs::walk::{Link, Views};
use berth_kernel::fs::{Node, Pos};
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
