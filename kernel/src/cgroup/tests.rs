//! Charges over a tree of groups.

use super::*;
use crate::error::Errno;
use alloc::vec;
use alloc::vec::Vec;

#[test]
fn a_limit_holds_for_all_below_and_a_refused_charge_is_undone_whole() {
    let mut groups = Groups::new();
    let root = groups.root();
    let above = groups.create(root).unwrap();
    let below = groups.create(above.key()).unwrap();
    let (above_id, below_id) = (above.key(), below.key());
    let used = groups.usage(above_id).memory;
    let limits = Limits {
        memory: used + 2 * crate::machine::PAGE - 1,
        tasks: 1,
    };
    groups.set_limits(above_id, limits);
    groups.charge_frame(below_id, Part::Anon).unwrap();
    assert_eq!(
        groups.charge_frame(below_id, Part::Anon),
        Err(NoMem(above_id))
    );
    assert_eq!(groups.usage(below_id).memory, crate::machine::PAGE);
    groups.charge_task(below_id).unwrap();
    assert_eq!(groups.charge_task(below_id), Err(NoMem(above_id)));
    groups.charge_joining(below_id);
    assert_eq!(groups.usage(root).tasks, 2);
    groups.happened(below_id, Happened::OomKill);
    assert_eq!(groups.events(above_id).tasks_refused, 1);
    let all = groups.memory_events(above_id);
    assert_eq!((all.of(Happened::Max), all.of(Happened::OomKill)), (1, 1));
    let own = groups.memory_events_local(above_id);
    assert_eq!((own.of(Happened::Max), own.of(Happened::OomKill)), (1, 0));
    assert_eq!(groups.memory_events(below_id).of(Happened::Max), 0);
    assert_eq!(groups.parts(above_id).of(Part::Anon), crate::machine::PAGE);
    groups.give_back_task(below_id);
    groups.give_back_task(below_id);
    groups.give_back_frame(below_id, Part::Anon);
    groups.release(below);
    groups.release(above);
    crate::arena::forgive(groups);
}

#[test]
fn what_outlives_a_group_stays_its_ancestors() {
    let mut groups = Groups::new();
    let root = groups.root();
    let above = groups.create(root).unwrap();
    let below = groups.create(above.key()).unwrap();
    let (above_id, below_id) = (above.key(), below.key());
    groups.charge_frame(below_id, Part::Anon).unwrap();
    let before = groups.usage(root).memory;
    groups.release(below);
    groups.release(above);
    assert_eq!((groups.len(), groups.usage(root).memory), (3, before));
    let again = groups.hold(below_id);
    assert_eq!(again.key(), below_id);
    groups.give_back_frame(below_id, Part::Anon);
    assert_eq!(groups.len(), 3, "somebody refers to it");
    groups.release(again);
    assert_eq!(groups.usage(above_id), Usage::default());
    assert_eq!((groups.len(), groups.usage(root).memory), (1, 0));
    crate::arena::forgive(groups);
}

#[test]
fn more_than_high_is_remembered_and_measured() {
    let mut groups = Groups::new();
    let root = groups.root();
    let group = groups.create(root).unwrap();
    let id = group.key();
    let high = groups.usage(id).memory + crate::machine::PAGE;
    let policy = MemoryPolicy {
        high,
        ..MemoryPolicy::default()
    };
    groups.set_policy(id, policy);
    groups.charge_frame(id, Part::File).unwrap();
    assert_eq!((groups.take_high(), groups.overage(id)), (0, 0));
    groups.charge_frame(id, Part::File).unwrap();
    assert_eq!(groups.take_high(), crate::machine::PAGE);
    assert_eq!(groups.overage(id), (crate::machine::PAGE << 20) / high);
    assert_eq!(groups.memory_events(root).of(Happened::High), 1);
    groups.give_back_frame(id, Part::File);
    groups.give_back_frame(id, Part::File);
    assert_eq!(groups.parts(id), Parts::default());
    groups.release(group);
    crate::arena::forgive(groups);
}

#[test]
fn the_highest_group_that_says_so_is_killed_as_one() {
    let mut groups = Groups::new();
    let root = groups.root();
    let top = groups.create(root).unwrap();
    let middle = groups.create(top.key()).unwrap();
    let low = groups.create(middle.key()).unwrap();
    let together = MemoryPolicy {
        oom_group: true,
        ..MemoryPolicy::default()
    };
    assert_eq!(groups.killed_together(low.key(), root), None);
    for id in [root, top.key(), low.key()] {
        groups.set_policy(id, together);
    }
    assert_eq!(groups.killed_together(low.key(), root), Some(top.key()));
    assert_eq!(
        groups.killed_together(low.key(), middle.key()),
        Some(low.key())
    );
    assert_eq!(groups.killed_together(middle.key(), middle.key()), None);
    for held in [low, middle, top] {
        groups.release(held);
    }
    crate::arena::forgive(groups);
}

#[test]
fn names_paths_and_removal() {
    let mut groups = Groups::new();
    let root = groups.root();
    let mut made = Vec::new();
    let c = groups.make_path(root, b"/a/b//c/", &mut made).unwrap();
    assert_eq!(made.len(), 3);
    assert_eq!(groups.lookup(root, b"a/b/c"), Some(c));
    assert_eq!(groups.lookup(root, b"a/x"), None);
    let a = groups.child(root, b"a").unwrap();
    let other = groups.make(a, b"other").unwrap();
    assert_eq!(refusal(&mut groups, a, b"b"), Some(Errno::EEXIST));
    for bad in [&b""[..], b".", b"..", b"a/b", b"a\nb", b"a\0"] {
        assert_eq!(refusal(&mut groups, a, bad), Some(Errno::EINVAL));
    }
    let long = [b'x'; NAME_MAX + 1];
    assert_eq!(refusal(&mut groups, a, &long), Some(Errno::ENAMETOOLONG));
    assert_eq!(groups.path(c, root), b"/a/b/c");
    assert_eq!(groups.path(root, root), b"/");
    assert_eq!(groups.path(c, a), b"/b/c");
    assert_eq!(groups.path(a, c), b"/../..");
    assert_eq!(groups.path(c, other), b"/../b/c");
    assert_eq!(groups.common(c, other), a);
    let below = groups.below(root);
    assert_eq!((below.descendants, below.dying), (4, 0));
    let mut order = vec![root];
    while let Some(next) = groups.next_below(root, *order.last().unwrap()) {
        order.push(next);
    }
    let names: Vec<_> = order.iter().map(|id| groups.name(*id).unwrap()).collect();
    assert_eq!(names, [&b""[..], b"a", b"b", b"c", b"other"]);
    assert_eq!(groups.remove(a), Err(Errno::EBUSY));
    assert_eq!(groups.remove(root), Err(Errno::EBUSY));
    groups.charge_frame(c, Part::Anon).unwrap();
    groups.remove(c).unwrap();
    assert_eq!(groups.remove(c), Err(Errno::ENOENT));
    assert_eq!(refusal(&mut groups, c, b"d"), Some(Errno::ENOENT));
    assert_eq!(groups.path(c, root), b"/a/b/c (deleted)");
    let below = groups.below(root);
    assert_eq!((below.descendants, below.dying), (3, 1));
    groups.give_back_frame(c, Part::Anon);
    assert_eq!(groups.below(root).dying, 0);
    assert_eq!(groups.name(c), None);
    let b = groups.child(a, b"b").unwrap();
    for id in [other, b, a] {
        groups.remove(id).unwrap();
    }
    assert_eq!((groups.len(), groups.usage(root).memory), (1, 0));
    crate::arena::forgive(groups);
}

#[test]
fn how_deep_and_how_many_is_limited_by_all_above() {
    let mut groups = Groups::new();
    let root = groups.root();
    let a = groups.make(root, b"a").unwrap();
    groups.set_max_depth(root, 2);
    let b = groups.make(a, b"b").unwrap();
    assert_eq!(refusal(&mut groups, b, b"c"), Some(Errno::EAGAIN));
    groups.set_max_depth(root, UNBOUNDED);
    groups.set_max_descendants(a, 2);
    let c = groups.make(b, b"c").unwrap();
    assert_eq!(refusal(&mut groups, c, b"d"), Some(Errno::EAGAIN));
    groups.set_max_descendants(a, 0);
    assert_eq!(refusal(&mut groups, a, b"d"), Some(Errno::EAGAIN));
    groups.set_max_descendants(a, UNBOUNDED);
    let mut at = c;
    while let Ok(next) = groups.make(at, b"x") {
        at = next;
    }
    assert_eq!(groups.below(root).descendants, DEPTH_MAX);
    crate::arena::forgive(groups);
}

fn refusal(groups: &mut Groups, parent: GroupId, name: &[u8]) -> Option<Errno> {
    match groups.make(parent, name) {
        Err(crate::error::Stop::Errno(errno)) => Some(errno),
        _ => None,
    }
}

fn task(index: u32) -> crate::task::TaskId {
    crate::arena::Key::new(index, 0)
}

#[test]
fn populated_goes_up_and_is_told_once_a_change() {
    let mut groups = Groups::new();
    let root = groups.root();
    let mut made = Vec::new();
    let c = groups.make_path(root, b"a/b/c", &mut made).unwrap();
    let b = made[1];
    let counts = |groups: &Groups| {
        made.iter()
            .map(|id| groups.changes(*id, Noted::Events))
            .collect::<Vec<_>>()
    };
    groups.join(c, task(1));
    groups.join(c, task(2));
    groups.join(b, task(3));
    assert!(made.iter().all(|id| groups.is_populated(*id)));
    assert_eq!(counts(&groups), [1, 1, 1]);
    groups.leave(c, task(1));
    groups.leave(c, task(2));
    assert_eq!(counts(&groups), [1, 1, 2]);
    assert!(groups.is_populated(b) && !groups.is_populated(c));
    assert_eq!(groups.remove(b), Err(Errno::EBUSY));
    groups.charge_joining(b);
    groups.migrate(task(3), b, c);
    assert_eq!(counts(&groups), [1, 1, 3]);
    assert_eq!(groups.tasks(c, None).collect::<Vec<_>>(), [task(3)]);
    assert_eq!((groups.usage(b).tasks, groups.usage(c).tasks), (1, 1));
    let mut told: Vec<_> = core::iter::from_fn(|| groups.take_noted()).collect();
    told.sort_unstable();
    let mut all = made.clone();
    all.push(root);
    all.sort_unstable();
    assert_eq!(told, all);
    crate::arena::forgive(groups);
}

#[test]
fn controllers_come_from_above_and_keep_processes_out() {
    use Controllers as C;
    let mut groups = Groups::new();
    let root = groups.root();
    let a = groups.make(root, b"a").unwrap();
    let b = groups.make(a, b"b").unwrap();
    let none = C::empty();
    assert_eq!(groups.controllers(root), C::all());
    assert_eq!(groups.controllers(a), none);
    assert_eq!(groups.control(a, C::PIDS, none), Err(Errno::ENOENT));
    groups.join(root, task(1));
    let given = groups.control(root, C::PIDS | C::MEMORY, none);
    assert_eq!(given, Ok((C::PIDS | C::MEMORY, none)));
    groups.join(a, task(2));
    assert_eq!(groups.control(a, C::MEMORY, none), Err(Errno::EBUSY));
    assert_eq!(groups.kind(a), Some(Type::Domain));
    // Threads may compete under this one: the group becomes the top of a threaded tree.
    assert_eq!(groups.control(a, C::PIDS, none), Ok((C::PIDS, none)));
    assert_eq!(groups.kind(a), Some(Type::DomainThreaded));
    assert_eq!(groups.kind(b), Some(Type::DomainInvalid));
    assert_eq!(groups.may_host(b), Err(Errno::EOPNOTSUPP));
    groups.make_threaded(b).unwrap();
    assert_eq!(groups.kind(b), Some(Type::Threaded));
    assert_eq!(groups.domain(b), a);
    assert_eq!(groups.may_host(b), Ok(()));
    assert_eq!(groups.control(root, none, C::PIDS), Err(Errno::EBUSY));
    groups.leave(a, task(2));
    groups.remove(b).unwrap();
    let limits = Limits {
        tasks: 3,
        ..Limits::NONE
    };
    let b = groups.make(a, b"b").unwrap();
    groups.set_limits(b, limits);
    assert_eq!(groups.control(a, C::MEMORY, none), Ok((C::MEMORY, none)));
    assert_eq!(groups.may_host(a), Err(Errno::EBUSY));
    assert_eq!(groups.make_threaded(a), Err(Errno::EOPNOTSUPP));
    assert_eq!(
        groups.control(a, none, C::all()),
        Ok((none, C::MEMORY | C::PIDS))
    );
    assert_eq!(groups.limits(b), Limits::NONE);
    assert_eq!(groups.may_host(a), Ok(()));
    crate::arena::forgive(groups);
}
