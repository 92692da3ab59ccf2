//! `linux.resources`: the limits of a container.

use super::Done;
use super::text::{Text, quote};
use crate::document::At;

/// How callers write a limit, and how the kernel's language has it.
#[derive(Clone, Copy)]
enum Form {
    /// 0 is "as it is", a negative number no limit, which is 0.
    Zero,
    /// 0 is "as it is", a negative number no limit, which is -1.
    MinusOne,
    /// 0 is a limit, a negative number none.
    Limit,
    /// 0 is "as it is".
    Number,
    /// Any number means something.
    Exact,
}

const NUMBERS: &[(&str, &str, &str, Form)] = &[
    ("memory", "limit", "memory_limit", Form::Zero),
    (
        "memory",
        "reservation",
        "memory_reservation",
        Form::MinusOne,
    ),
    ("memory", "swap", "memory_swap", Form::MinusOne),
    ("cpu", "shares", "cpu_shares", Form::Number),
    ("cpu", "quota", "cpu_quota", Form::Zero),
    ("cpu", "period", "cpu_period", Form::Number),
    ("cpu", "burst", "cpu_burst", Form::Exact),
    ("cpu", "idle", "cpu_idle", Form::Exact),
    ("pids", "limit", "pids_limit", Form::Limit),
];

impl Form {
    /// The number in the kernel's language; `None` when it asks for nothing.
    fn of(self, number: i64) -> Option<i64> {
        match (self, number) {
            (Self::Zero | Self::MinusOne | Self::Number, 0) => None,
            (Self::Zero, ..0) => Some(0),
            (Self::MinusOne | Self::Limit, ..0) => Some(-1),
            _ => Some(number),
        }
    }
}

/// The limits as lines.
pub fn lines(resources: &At<'_>, text: &mut Text) -> Done {
    for rule in resources.list("devices")? {
        device(&rule, text)?;
    }
    for (of, name, key, form) in NUMBERS {
        let Some(of) = resources.get(of)? else {
            continue;
        };
        if let Some(at) = of.get(name)? {
            if let Some(number) = form.of(at.integer()?) {
                text.line(key, &number.to_string());
            }
        }
    }
    if let Some(memory) = resources.get("memory")? {
        let check = memory.get("checkBeforeUpdate")?;
        if check.map_or(Ok(false), |check| check.flag())? {
            text.line("memory_check_before_update", "true");
        }
    }
    if let Some(cpu) = resources.get("cpu")? {
        for (name, key) in [("cpus", "cpu_cpus"), ("mems", "cpu_mems")] {
            if let Some(list) = cpu.get(name)?.filter(|at| at.value != "") {
                text.scalar(key, &list)?;
            }
        }
    }
    let Some(unified) = resources.get("unified")? else {
        return Ok(());
    };
    for (file, content) in unified.members()? {
        if file.is_empty() || file.contains('=') {
            return Err(content.refuse("no file of a control group has this name"));
        }
        text.line(
            "unified",
            &format!("{}={}", quote(file), quote(content.text()?)),
        );
    }
    Ok(())
}

/// C-dev: what is not given matches anything, and so does -1 for a number.
fn device(rule: &At<'_>, text: &mut Text) -> Done {
    let verdict = match rule.need("allow")?.flag()? {
        true => "allow",
        false => "deny",
    };
    let word = |name: &str, default| match rule.get(name)?.filter(|at| at.value != "") {
        Some(at) => at.text(),
        None => Ok(default),
    };
    let number = |name: &str| match rule.get(name)?.filter(|at| at.value != -1) {
        Some(at) => at.number().map(|number| number.to_string()),
        None => Ok("*".to_owned()),
    };
    let fields = [
        verdict,
        &quote(word("type", "a")?),
        &number("major")?,
        &number("minor")?,
        &quote(word("access", "rwm")?),
    ];
    text.line("cgroup_device", &fields.join(":"));
    Ok(())
}
