//! Whether the kernel is after the command as it was before.

use berth_sys::abi::AuditRecord;
use berth_sys::audit::{Difference, differences, settled};

use crate::control::Control;

/// The kernel's counts before the command, if it has such.
pub struct Baseline(Option<AuditRecord>);

impl Baseline {
    /// Counts now. Everything that init itself needs must be open already.
    pub fn take() -> Self {
        Self(settled().ok())
    }

    /// Counts again and says what differs.
    ///
    /// The files that the command left behind keep frames and inodes: a leak only to the `strict`,
    /// who know that it leaves none.
    pub fn report(&self, strict: bool, control: &mut Control) {
        let Some(before) = self.0 else { return };
        match settled() {
            Err(error) => control.say(&format!("audit leak unknown: {error}")),
            Ok(after) if after.jobs > 0 => {
                control.say(&format!("audit leak jobs +{}", after.jobs));
            }
            Ok(after) => {
                verdict(differences(&before, &after), strict)
                    .iter()
                    .for_each(|line| {
                        control.say(line);
                    });
            }
        }
    }
}

/// What to say about these differences.
fn verdict(all: Vec<Difference>, strict: bool) -> Vec<String> {
    let (kept, leaked): (Vec<_>, Vec<_>) = all
        .into_iter()
        .partition(|one| !strict && one.files_may_keep_it());
    let mut lines = Vec::new();
    if !kept.is_empty() {
        lines.push(format!("audit kept {}", join(&kept)));
    }
    lines.push(match leaked.as_slice() {
        [] => "audit clean".to_owned(),
        leaked => format!("audit leak {}", join(leaked)),
    });
    lines
}

fn join(differences: &[Difference]) -> String {
    differences
        .iter()
        .map(Difference::to_string)
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn difference(name: &'static str) -> Difference {
        Difference {
            name,
            before: 1,
            after: 3,
        }
    }

    #[test]
    fn files_left_behind_are_no_leak_unless_asked_for() {
        let found = || vec![difference("frames"), difference("inodes")];
        assert_eq!(
            verdict(found(), false),
            ["audit kept frames +2 inodes +2", "audit clean"]
        );
        assert_eq!(verdict(found(), true), ["audit leak frames +2 inodes +2"]);
    }

    #[test]
    fn everything_else_is_a_leak() {
        let found = || {
            vec![
                difference("tasks"),
                difference("frames"),
                difference("mounts"),
            ]
        };
        assert_eq!(
            verdict(found(), false),
            ["audit kept frames +2", "audit leak tasks +2 mounts +2"]
        );
        assert_eq!(verdict(vec![], true), ["audit clean"]);
    }
}
