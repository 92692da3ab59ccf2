//! Charges over a tree of groups.

use super::*;

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
