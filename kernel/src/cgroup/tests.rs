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
    groups.charge_frame(below_id).unwrap();
    assert_eq!(groups.charge_frame(below_id), Err(NoMem(above_id)));
    assert_eq!(groups.usage(below_id).memory, crate::machine::PAGE);
    groups.charge_task(below_id).unwrap();
    assert_eq!(groups.charge_task(below_id), Err(NoMem(above_id)));
    groups.charge_joining(below_id);
    assert_eq!(groups.usage(root).tasks, 2);
    groups.note_oom_kill(below_id);
    let events = Events {
        memory_refused: 1,
        tasks_refused: 1,
        oom_kills: 1,
    };
    assert_eq!(groups.events(above_id), events);
    assert_eq!(groups.events(root).memory_refused, 0);
    groups.give_back_task(below_id);
    groups.give_back_task(below_id);
    groups.give_back_frame(below_id);
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
    groups.charge_frame(below_id).unwrap();
    let before = groups.usage(root).memory;
    groups.release(below);
    groups.release(above);
    assert_eq!((groups.len(), groups.usage(root).memory), (3, before));
    let again = groups.hold(below_id);
    assert_eq!(again.key(), below_id);
    groups.give_back_frame(below_id);
    assert_eq!(groups.len(), 3, "somebody refers to it");
    groups.release(again);
    assert_eq!(groups.usage(above_id), Usage::default());
    assert_eq!((groups.len(), groups.usage(root).memory), (1, 0));
    crate::arena::forgive(groups);
}
