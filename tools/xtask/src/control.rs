//! The control channel: lines that init, the kernel and test programs write on the third serial port.
//!
//! ```text
//! berth: ready               init has started
//! berth: exit N              the command exited with code N, 0 to 255
//! berth: signal N            the command was killed by signal N, 1 to 64
//! berth: audit clean         the leak audit found every count at its baseline
//! berth: audit kept TEXT     what the files that were left behind keep: no leak
//! berth: audit leak TEXT     it did not
//! berth: icount NAME VALUE   a figure
//! 1..N, ok ..., not ok ...   TAP of a test program
//! ```

/// How the guest's command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// With this exit code.
    Exit(u8),
    /// By this signal.
    Signal(u8),
}

impl Ending {
    /// The exit status a shell gives: 128 + n for a signal.
    pub fn status(self) -> u8 {
        match self {
            Self::Exit(code) => code,
            Self::Signal(number) => number.saturating_add(128),
        }
    }
}

/// What a machine said on its control channel.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether init started.
    pub ready: bool,
    /// How the command ended; the first such line counts.
    pub ending: Option<Ending>,
    /// Leaks that the audit found.
    pub leaks: Vec<String>,
    /// Figures: (name, value).
    pub icounts: Vec<(String, String)>,
    /// TAP results, when a test program wrote any.
    pub tap: Tap,
    /// Lines that start with `berth:` and are none of the above.
    pub unknown: Vec<String>,
}

/// The state of a TAP stream (version 12).
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tap {
    /// The number of tests that were promised.
    pub plan: Option<u32>,
    /// Tests that passed.
    pub passed: u32,
    /// Names of those that did not.
    pub failed: Vec<String>,
}

impl Tap {
    /// Why this stream is not a complete success; `None` when it is, or when there is none.
    pub fn fault(&self) -> Option<String> {
        let failed = u32::try_from(self.failed.len()).unwrap_or(u32::MAX);
        let ran = self.passed.saturating_add(failed);
        match self.plan {
            None if ran == 0 => None,
            None => Some(String::from("TAP results without a plan")),
            Some(plan) if plan != ran => Some(format!("TAP plan of {plan} tests, but {ran} ran")),
            Some(_) if failed > 0 => Some(format!("TAP failures: {}", self.failed.join(", "))),
            Some(_) => None,
        }
    }
}

impl Report {
    /// Reads a whole channel. Bytes that are not UTF-8 cannot be part of a line we know.
    pub fn parse(channel: &[u8]) -> Self {
        let mut report = Self::default();
        for line in channel.split(|byte| *byte == b'\n') {
            report.line(String::from_utf8_lossy(line).trim_end());
        }
        report
    }

    fn line(&mut self, line: &str) {
        if let Some(text) = line.strip_prefix("berth: ") {
            if self.message(text).is_none() {
                self.unknown.push(line.to_owned());
            }
        } else if let Some(rest) = line.strip_prefix("not ok") {
            self.tap.failed.push(tap_name(rest));
        } else if line == "ok" || line.starts_with("ok ") {
            self.tap.passed = self.tap.passed.saturating_add(1);
        } else if let Some(count) = line.strip_prefix("1..") {
            self.tap.plan = count.split_whitespace().next().and_then(|n| n.parse().ok());
        }
    }

    fn message(&mut self, text: &str) -> Option<()> {
        if text == "ready" {
            self.ready = true;
        } else if let Some(code) = text.strip_prefix("exit ") {
            let code = code.parse().ok()?;
            self.ending.get_or_insert(Ending::Exit(code));
        } else if let Some(number) = text.strip_prefix("signal ") {
            let number = number.parse().ok().filter(|n| (1..=64).contains(n))?;
            self.ending.get_or_insert(Ending::Signal(number));
        } else if let Some(leak) = text.strip_prefix("audit leak") {
            self.leaks.push(leak.trim().to_owned());
        } else if let Some(figure) = text.strip_prefix("icount ") {
            let (name, value) = figure.split_once(' ')?;
            self.icounts.push((name.to_owned(), value.to_owned()));
        } else if text != "audit clean" && !text.starts_with("audit kept ") {
            return None;
        }
        Some(())
    }
}

/// The name in `12 - name # comment`.
fn tap_name(rest: &str) -> String {
    let name = rest.trim_start_matches(|c: char| c.is_ascii_digit() || " -".contains(c));
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_ending_counts_and_bad_ones_do_not() {
        let report = Report::parse(b"berth: ready\r\nberth: exit 7\nberth: exit 0\n");
        assert!(report.ready);
        assert_eq!(report.ending, Some(Ending::Exit(7)));
        for bad in [
            "exit 256",
            "exit -1",
            "exit",
            "signal 0",
            "signal 65",
            "exit 1 x",
            "nonsense",
        ] {
            let report = Report::parse(format!("berth: {bad}\n").as_bytes());
            assert_eq!(report.ending, None, "{bad}");
            assert_eq!(report.unknown.len(), 1, "{bad}");
        }
    }

    #[test]
    fn signals_become_shell_statuses() {
        let report = Report::parse(b"berth: signal 9\n");
        assert_eq!(report.ending.map(Ending::status), Some(137));
    }

    #[test]
    fn figures_and_leaks_are_kept() {
        let report = Report::parse(
            b"berth: icount boot 91366\nberth: audit clean\nberth: audit leak frames +3\n",
        );
        assert_eq!(report.icounts, [("boot".to_owned(), "91366".to_owned())]);
        assert_eq!(report.leaks, ["frames +3"]);
    }

    #[test]
    fn tap_is_a_success_only_when_complete() {
        let fault = |text: &str| Report::parse(text.as_bytes()).tap.fault();
        assert_eq!(fault(""), None);
        assert_eq!(fault("1..2\nok 1 - a\nok 2 - b\n"), None);
        assert_eq!(fault("ok 1 - a\n1..1\n"), None);
        assert!(fault("1..2\nok 1 - a\n").is_some_and(|f| f.contains("plan of 2")));
        assert!(fault("1..1\nnot ok 1 - bad thing\n").is_some_and(|f| f.contains("bad thing")));
        assert!(fault("ok 1\n").is_some());
        assert_eq!(fault("1..0\n"), None);
    }
}
