//! What /proc shows, and to whom.

use super::bench::*;

use berth_abi::linux::general as linux;
use berth_kernel::Cx;
use berth_kernel::arena::forgive;
use berth_kernel::error::{Errno, Stop};
use berth_kernel::fs::walk::{Link, Views};
use berth_kernel::machine::Access as MayDo;
use berth_kernel::mm::{self, area::Area};
use berth_kernel::task::Cred;
use berth_kernel::views::{self, Source, sys_root};

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
    assert!(b.content(stat).is_ok());
    b.kill(victim);
    assert!(
        b.k.tasks.processes.get(victim).is_none(),
        "reaped by the kernel"
    );
    let _heir = b.sibling(host, Cred::root());
    let gone = b.content(stat);
    assert!(matches!(gone, Err(Stop::Errno(Errno::ESRCH))), "{gone:?}");
    assert_eq!(Source::of(&b.k).lookup(dir, b"stat"), Err(Errno::ENOENT));
    assert_eq!(views::entries(&b.k, dir, 0, usize::MAX), Err(Errno::ENOENT));
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
    let mut queue = vec![b.proc(host), sys_root()];
    let mut seen = 0;
    while let Some(dir) = queue.pop() {
        let mut cookie = 2;
        for entry in views::entries(&b.k, dir, 0, usize::MAX).unwrap() {
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
            assert_eq!(source.name(entry.node).unwrap(), entry.name);
            assert_eq!(source.parent(entry.node), Some(dir), "{name}");
            if entry.kind == linux::DT_DIR as u8 {
                queue.push(entry.node);
            }
            seen += 1;
        }
    }
    assert!(seen > 150, "{seen}");
    forgive(b.k);
}

#[test]
fn every_readable_file_can_be_read() {
    let (mut b, host) = Bench::new();
    let mut queue = vec![(b.proc(host), String::new()), (sys_root(), String::new())];
    while let Some((dir, above)) = queue.pop() {
        for entry in views::entries(&b.k, dir, 0, usize::MAX).unwrap() {
            let name = String::from_utf8(entry.name).unwrap();
            match u32::from(entry.kind) {
                linux::DT_DIR => queue.push((entry.node, name)),
                // The log is opened as that, not as a view.
                linux::DT_REG if name == "kmsg" => assert!(views::is_log(entry.node)),
                linux::DT_REG => {
                    let content = b.content(entry.node);
                    // A security module would say something here.
                    let silent = matches!(content, Err(Stop::Errno(Errno::EINVAL)));
                    assert_eq!(silent, above == "attr", "{name}");
                    assert!(silent || content.is_ok(), "{name}: {content:?}");
                }
                _ => {}
            }
        }
    }
    forgive(b.k);
}

#[test]
fn what_cannot_be_written_cannot_be_opened_for_it() {
    let (mut b, host) = Bench::new();
    let root = b.proc(host);
    let writable = [
        "1/comm",
        "1/oom_score_adj",
        "1/loginuid",
        "sys/kernel/hostname",
    ];
    let readable = ["1/stat", "1/limits", "sys/kernel/ostype", "version"];
    for path in writable.into_iter().chain(readable) {
        let node = b.walk(root, path).unwrap();
        let opened = b.open(node, linux::O_WRONLY);
        assert_eq!(opened.is_ok(), writable.contains(&path), "{path}");
    }
    forgive(b.k);
}

#[test]
fn long_files_come_in_pieces_of_whole_lines() {
    let (mut b, host) = Bench::new();
    let root = b.proc(host);
    let task = b.task(host);
    let group = b.k.groups.root();
    let mm = mm::create(&mut b.k, &mut b.m, group).unwrap();
    for index in 0..1000 {
        let start = 0x10_0000 + index * 0x2000;
        let area = Area::zero(start, start + 0x1000, MayDo::READ);
        mm::room_to_map(&mut b.k, mm.key()).unwrap();
        mm::insert(&mut b.k, mm.key(), area).unwrap();
    }
    b.k.tasks.tasks.get_mut(task).unwrap().mm = Some(mm);
    b.k.tasks.tasks.get_mut(task).unwrap().cred.groups = (0..2000).collect();
    for (path, pieces) in [("1/maps", 20), ("1/smaps", 100)] {
        let node = b.walk(root, path).unwrap();
        let told = b.pieces(node).unwrap();
        assert!(told.len() > pieces, "{path}: {}", told.len());
        assert!(told.iter().all(|piece| piece.len() < 16 << 10), "{path}");
        assert!(told.iter().all(|p| p.is_empty() || p.ends_with(b"\n")));
        let whole = String::from_utf8(told.concat()).unwrap();
        let areas = whole.lines().filter(|l| l.contains(" r--p 0")).count();
        assert_eq!(areas, 1000, "{path}");
    }
    let status = b.text(root, "1/status").unwrap();
    let groups: Vec<u32> = line(&status, "Groups:")
        .split_whitespace()
        .map(|group| group.parse().unwrap())
        .collect();
    assert_eq!(groups, (0..2000).collect::<Vec<u32>>());
    assert!(b.text(root, "1/smaps_rollup").unwrap().contains("[rollup]"));
    forgive(b.k);
}

#[test]
fn memory_is_that_of_the_program_the_file_was_opened_for() {
    let (mut b, host) = Bench::new();
    let root = b.proc(host);
    let task = b.task(host);
    let group = b.k.groups.root();
    let mut spaces = [0x10_0000, 0x20_0000].map(|start| {
        let mm = mm::create(&mut b.k, &mut b.m, group).unwrap();
        mm::room_to_map(&mut b.k, mm.key()).unwrap();
        let area = Area::zero(start, start + 0x1000, MayDo::READ);
        mm::insert(&mut b.k, mm.key(), area).unwrap();
        Some(mm)
    });
    let mut set = |b: &mut Bench, index: usize| {
        let next = spaces[index].take();
        let task = b.k.tasks.tasks.get_mut(task).unwrap();
        core::mem::replace(&mut task.mm, next)
    };
    let _ = set(&mut b, 0);
    let maps = b.walk(root, "1/maps").unwrap();
    let opened = b.open(maps, linux::O_RDONLY).unwrap();
    let before = views::piece(&mut b.k, &mut b.m, maps, views::start(&opened)).unwrap();
    assert!(before.text.starts_with(b"00100000-00101000 r--p "));
    // execve: the old program's memory goes.
    let old = set(&mut b, 1).unwrap();
    mm::release(&mut b.k, old);
    let after = views::piece(&mut b.k, &mut b.m, maps, views::start(&opened)).unwrap();
    assert_eq!(after.text, b"");
    assert!(b.text(root, "1/maps").unwrap().starts_with("00200000-"));
    forgive(b.k);
}

#[test]
fn who_is_set_apart_goes_first_or_never() {
    let (mut b, host) = Bench::new();
    let root = b.proc(host);
    let mut user = Cred::default();
    user.change_uids(1000, 1000, 1000);
    let other = b.sibling(host, user);
    assert_eq!(b.text(root, "2/oom_score_adj").unwrap(), "0\n");
    b.write(root, "2/oom_score_adj", b"-500\n").unwrap();
    assert_eq!(b.text(root, "2/oom_score_adj").unwrap(), "-500\n");
    for bad in [&b"1001"[..], b"-1001", b"x", b""] {
        let refused = b.write(root, "2/oom_score_adj", bad);
        assert_eq!(refused, Err(Errno::EINVAL), "{bad:?}");
    }
    b.read_as(other);
    assert_eq!(b.write(root, "2/oom_score_adj", b"500"), Ok(()));
    assert_eq!(b.write(root, "2/oom_score_adj", b"-500"), Ok(()));
    let lower = b.write(root, "2/oom_score_adj", b"-501");
    assert_eq!(lower, Err(Errno::EACCES));
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

#[test]
fn a_directory_is_listed_in_parts() {
    let (mut b, host) = Bench::new();
    for _ in 0..3 {
        b.sibling(host, Cred::root());
    }
    let root = b.proc(host);
    let whole = views::entries(&b.k, root, 0, usize::MAX).unwrap();
    let mut parts = Vec::new();
    let mut from = 0;
    loop {
        let part = views::entries(&b.k, root, from, 2).unwrap();
        assert!(part.len() <= 2);
        let Some(last) = part.last() else { break };
        from = last.cookie + 1;
        parts.extend(part);
    }
    assert_eq!(parts, whole);
    assert_eq!(b.numbers(root), [1, 2, 3, 4]);
    forgive(b.k);
}
