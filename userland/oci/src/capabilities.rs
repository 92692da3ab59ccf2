//! Capabilities that a configuration asks for, and those among them that there are (P-9).

use rustix::thread::CapabilitySet;

use crate::document::{At, Refusal};

/// The five sets, as configurations name them.
const SETS: [&str; 5] = [
    "bounding",
    "effective",
    "inheritable",
    "permitted",
    "ambient",
];

/// What this process could give: nothing that it does not have itself.
#[must_use]
pub fn available() -> CapabilitySet {
    rustix::thread::capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.permitted)
}

/// A set, and names in it.
type Set<'a> = (&'static str, Vec<&'a str>);

/// The sets that have something in them, and every other name once, in the order in which they are
/// met.
///
/// # Errors
/// What is no list of strings.
pub fn sort<'a>(
    capabilities: &At<'a>,
    available: CapabilitySet,
) -> Result<(Vec<Set<'a>>, Vec<&'a str>), Refusal> {
    let (mut sets, mut others) = (Vec::new(), Vec::new());
    for set in SETS {
        let mut names = Vec::new();
        for at in capabilities.list(set)? {
            let name = at.text()?;
            let list = match known(name).is_some_and(|bit| available.contains(bit)) {
                true => &mut names,
                false => &mut others,
            };
            if !list.contains(&name) {
                list.push(name);
            }
        }
        if !names.is_empty() {
            sets.push((set, names));
        }
    }
    Ok((sets, others))
}

fn known(name: &str) -> Option<CapabilitySet> {
    CapabilitySet::from_name(name.strip_prefix("CAP_")?)
}

/// The warning about the others, in the words that callers of runc look for.
#[must_use]
pub fn warning(others: &[&str]) -> String {
    format!(
        "ignoring unknown or unavailable capabilities: [{}]",
        others.join(" ")
    )
}
