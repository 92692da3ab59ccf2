//! Each known fault of configuration parsers and lifecycles has a test of its name: `p07_...`, or `l09_l10_...` for several.

use super::{Findings, Source};
use std::collections::BTreeSet;

/// The rows of the list of faults: letter, and how many there are.
const ROWS: [(char, u32); 2] = [('p', 37), ('l', 20)];

/// Checks that no row is without a test.
pub fn check(sources: &[Source]) -> Findings {
    let mut tested = BTreeSet::new();
    for source in sources.iter().filter(|source| source.path.ends_with(".rs")) {
        let mut is_test = false;
        for line in source.text.lines().map(str::trim) {
            match line.strip_prefix("fn ") {
                Some(name) if is_test => tested.extend(rows(name)),
                _ => {}
            }
            is_test = line == "#[test]" || is_test && line.starts_with("#[");
        }
    }
    ROWS.iter()
        .flat_map(|(letter, count)| (1..=*count).map(|row| (*letter, row)))
        .filter(|row| !tested.contains(row))
        .map(|(letter, row)| format!("no test has the name of fault {letter}{row:02}"))
        .collect()
}

/// The rows at the beginning of a test's name.
fn rows(name: &str) -> impl Iterator<Item = (char, u32)> {
    name.split('_').map_while(|word| {
        let letter = word.chars().next()?;
        let digits = word
            .strip_prefix(letter)
            .filter(|digits| digits.len() == 2)?;
        Some((letter, digits.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::super::source;
    use super::*;

    #[test]
    fn a_row_needs_a_test_of_its_name() {
        let names: String = (1..=37)
            .map(|row| format!("#[test]\nfn p{row:02}_something() {{}}\n"))
            .chain((1..=18).map(|row| format!("    #[test]\n    fn l{row:02}_l20_both() {{}}\n")))
            .collect();
        let helper = format!("{names}fn l19_is_no_test() {{}}\n");
        let findings = check(&[source("a.rs", &helper)]);
        assert_eq!(findings, ["no test has the name of fault l19"]);
        assert_eq!(
            rows("l09_l10_p1_x").collect::<Vec<_>>(),
            [('l', 9), ('l', 10)]
        );
    }
}
