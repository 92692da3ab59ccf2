//! The name that was probably meant.

/// Longest name that [`nearest`] compares; longer input is no slip of the finger.
const LONGEST_NAME: usize = 63;

/// The candidate that is closest to `name`, if one is close enough to be what was meant.
///
/// Distance is Levenshtein's: one edit in a short name, up to four in a long one.
pub(crate) fn nearest<'a>(
    name: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = match name.len() {
        0..5 => 1,
        length => (length / 3).clamp(2, 4),
    };
    candidates
        .into_iter()
        // Each byte more or less is an edit: most need no comparison.
        .filter(|candidate| candidate.len().abs_diff(name.len()) <= limit)
        .filter_map(|candidate| Some((distance(name, candidate)?, candidate)))
        .filter(|(distance, _)| *distance <= limit)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein distance in bytes, with one row on the stack.
fn distance(a: &str, b: &str) -> Option<usize> {
    if a.len() > LONGEST_NAME || b.len() > LONGEST_NAME {
        return None;
    }
    let mut row = [0usize; LONGEST_NAME + 1];
    for (column, cell) in row.iter_mut().enumerate() {
        *cell = column;
    }
    for (line, left) in a.bytes().enumerate() {
        let mut diagonal = line;
        let mut before = line.saturating_add(1);
        if let Some(first) = row.first_mut() {
            *first = before;
        }
        for (cell, right) in row.iter_mut().skip(1).zip(b.bytes()) {
            let replace = diagonal.saturating_add(usize::from(left != right));
            diagonal = *cell;
            *cell = replace
                .min(diagonal.saturating_add(1))
                .min(before.saturating_add(1));
            before = *cell;
        }
    }
    row.get(b.len()).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_distance_counts_single_edits() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("kitten", "sitting", 3),
            ("proces_arg", "process_arg", 1),
            ("same", "same", 0),
        ] {
            assert_eq!(distance(a, b), Some(expected), "{a} {b}");
        }
        let long = "x".repeat(LONGEST_NAME + 1);
        assert_eq!(distance(&long, "x"), None);
    }

    #[test]
    fn only_a_slip_of_the_finger_has_a_nearest_name() {
        let names = ["mount", "namespace", "process_arg"];
        assert_eq!(nearest("proces_arg", names), Some("process_arg"));
        assert_eq!(nearest("muont", names), Some("mount"));
        assert_eq!(nearest("mon", names), None);
        assert_eq!(nearest("mounts", names), Some("mount"));
        assert_eq!(nearest("frobnicate", names), None);
    }
}
