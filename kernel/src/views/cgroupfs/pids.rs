//! How many tasks there may be: `pids.*`.

use super::number;
use super::table::File;
use crate::cgroup::{GroupId, Limits, Noted};
use crate::error::{Errno, Stop};
use crate::machine::Machine;
use crate::views::text::{Text, put};
use crate::{Cx, Kernel};

pub(super) const FILES: &[File] = &[
    File::new("pids.current", current),
    File::new("pids.events", events).noted(Noted::Pids),
    File::new("pids.events.local", events_local).noted(Noted::PidsLocal),
    File::new("pids.max", max).stored(set_max),
    File::new("pids.peak", peak),
];

/// One more than the most that there can be (PID_MAX_LIMIT of Linux).
const BOUND: i64 = 4_194_305;

type Done = Result<(), Stop>;

fn current(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    put!(text, "{}\n", k.groups.usage(group).tasks);
    Ok(())
}

fn peak(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    put!(text, "{}\n", k.groups.peak(group).tasks);
    Ok(())
}

fn events(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    put!(text, "max {}\n", k.groups.events(group).tasks_refused);
    Ok(())
}

fn events_local(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    put!(text, "max {}\n", k.groups.events(group).tasks_refused_here);
    Ok(())
}

fn max(k: &mut Kernel, _m: &mut dyn Machine, group: GroupId, text: &mut Text) -> Done {
    match k.groups.limits(group).tasks {
        u64::MAX => put!(text, "max\n"),
        tasks => put!(text, "{tasks}\n"),
    }
    Ok(())
}

fn set_max(k: &mut Kernel, _cx: &mut Cx, group: GroupId, text: &str) -> Done {
    let tasks = match number::strip(text) {
        "max" => u64::MAX,
        text => match number::signed(text)? {
            tasks @ 0..BOUND => tasks as u64,
            _ => return Err(Errno::EINVAL.into()),
        },
    };
    let limits = Limits {
        tasks,
        ..k.groups.limits(group)
    };
    k.groups.set_limits(group, limits);
    Ok(())
}
