//! The words given to the kernel at boot.

/// The value of the last word `key=value` on the line: a later word corrects an earlier one.
pub fn value<'a>(line: &'a str, key: &str) -> Option<&'a str> {
    line.split_ascii_whitespace()
        .rev()
        .find_map(|word| word.strip_prefix(key)?.strip_prefix('='))
}

/// Whether a word is on the line.
pub fn has(line: &str, word: &str) -> bool {
    line.split_ascii_whitespace().any(|other| other == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_word_counts() {
        let line = " loglevel=info\tdemo selftest=panic  loglevel=debug ";
        assert_eq!(value(line, "loglevel"), Some("debug"));
        assert_eq!(value(line, "selftest"), Some("panic"));
    }

    #[test]
    fn words_count_whole() {
        assert!(has("mode=cmd figures", "figures"));
        assert!(!has("mode=figures xfigures", "figures"));
    }

    #[test]
    fn only_whole_keys_match() {
        assert_eq!(
            value("xloglevel=info loglevel2=info demo", "loglevel"),
            None
        );
        assert_eq!(value("loglevel", "loglevel"), None);
        assert_eq!(value("loglevel=", "loglevel"), Some(""));
        assert_eq!(value("", "loglevel"), None);
    }
}
