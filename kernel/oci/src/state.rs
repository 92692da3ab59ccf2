//! The state document (runtime-spec "State", S-1 to S-9).

use crate::lifecycle::OciLifecycleState;
use core::fmt::{self, Write};

/// A point in time since 1970-01-01T00:00:00Z. Prints as RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp {
    /// Seconds.
    pub secs: u64,
    /// Nanoseconds, below 1,000,000,000.
    pub nanos: u32,
}

/// The last second that has a four-digit year: 9999-12-31T23:59:59Z.
const LAST_SECOND: u64 = 253_402_300_799;

impl fmt::Display for Timestamp {
    /// As Go's RFC3339Nano: the fraction without trailing zeros, none when it is 0.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secs = self.secs.min(LAST_SECOND);
        let (days, second) = (secs / 86_400, secs % 86_400);
        let (year, month, day) = civil_date(days);
        write!(f, "{year:04}-{month:02}-{day:02}T")?;
        let (hour, minute) = (second / 3600, second / 60 % 60);
        write!(f, "{hour:02}:{minute:02}:{:02}", second % 60)?;
        let (mut fraction, mut digits) = (self.nanos.min(999_999_999), 9);
        if fraction != 0 {
            while fraction % 10 == 0 {
                fraction /= 10;
                digits -= 1;
            }
            write!(f, ".{fraction:0digits$}")?;
        }
        f.write_char('Z')
    }
}

/// Year, month and day of a day counted from 1970-01-01 (days-from-civil, reversed).
///
/// Years start in March here, so that the leap day is the last of its year.
const fn civil_date(days: u64) -> (u64, u64, u64) {
    // 719,468 days from 0000-03-01 to 1970-01-01; 146,097 days in 400 years.
    let day = days + 719_468;
    let era = day / 146_097;
    let of_era = day % 146_097;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let from_march = (5 * of_year + 2) / 153;
    let day_of_month = of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    let year = era * 400 + year_of_era + (month <= 2) as u64;
    (year, month, day_of_month)
}

/// What the state document says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StateDocument<'a, A> {
    /// Version of the runtime specification.
    pub oci_version: &'a str,
    /// The container's id.
    pub id: &'a str,
    /// Its status.
    pub status: OciLifecycleState,
    /// Its process, in the pid namespace of the reader (S-5).
    pub pid: Option<u32>,
    /// Absolute path of its bundle.
    pub bundle: &'a str,
    /// Its annotations.
    pub annotations: A,
    /// When it was created (S-10).
    pub created: Timestamp,
}

impl<'a, A> StateDocument<'a, A>
where
    A: IntoIterator<Item = (&'a str, &'a str)> + Clone,
{
    /// Writes the document as JSON on one line.
    ///
    /// # Errors
    /// Only those of `out`.
    pub fn write_json(&self, out: &mut impl Write) -> fmt::Result {
        write!(out, "{{\"ociVersion\":{}", JsonText(self.oci_version))?;
        write!(out, ",\"id\":{}", JsonText(self.id))?;
        write!(out, ",\"status\":\"{}\"", self.status)?;
        if let Some(pid) = self.pid {
            write!(out, ",\"pid\":{pid}")?;
        }
        write!(out, ",\"bundle\":{}", JsonText(self.bundle))?;
        out.write_str(",\"annotations\":{")?;
        for (index, (name, value)) in self.annotations.clone().into_iter().enumerate() {
            let comma = if index == 0 { "" } else { "," };
            write!(out, "{comma}{}:{}", JsonText(name), JsonText(value))?;
        }
        write!(out, "}},\"created\":\"{}\"}}", self.created)
    }
}

/// Prints as a JSON string, quotes included (RFC 8259, section 7).
#[derive(Debug, Clone, Copy)]
pub struct JsonText<'a>(pub &'a str);

impl fmt::Display for JsonText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c < ' ' => write!(f, "\\u{:04x}", u32::from(c))?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::{String, ToString};

    #[test]
    fn times_print_as_rfc_3339() {
        for (secs, nanos, text) in [
            (0, 0, "1970-01-01T00:00:00Z"),
            (951_782_400, 0, "2000-02-29T00:00:00Z"),
            (951_868_799, 999_999_999, "2000-02-29T23:59:59.999999999Z"),
            (1_000_000_000, 120_000_000, "2001-09-09T01:46:40.12Z"),
            (1_709_164_800, 1, "2024-02-29T00:00:00.000000001Z"),
            (4_107_542_399, 0, "2100-02-28T23:59:59Z"),
            (4_107_542_400, 0, "2100-03-01T00:00:00Z"),
            (LAST_SECOND, 0, "9999-12-31T23:59:59Z"),
            (u64::MAX, u32::MAX, "9999-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(Timestamp { secs, nanos }.to_string(), text);
        }
    }

    fn document(pid: Option<u32>) -> String {
        let mut json = String::new();
        StateDocument {
            oci_version: "1.3.0",
            id: "web-1",
            status: OciLifecycleState::Created,
            pid,
            bundle: "/bundles/\"a\\b\"",
            annotations: [("k\u{1}", "v\n\u{e9}"), ("empty", "")],
            created: Timestamp::default(),
        }
        .write_json(&mut json)
        .unwrap();
        json
    }

    #[test]
    fn l05_the_document_is_json() {
        assert_eq!(
            document(Some(7)),
            "{\"ociVersion\":\"1.3.0\",\"id\":\"web-1\",\"status\":\"created\",\"pid\":7,\
             \"bundle\":\"/bundles/\\\"a\\\\b\\\"\",\
             \"annotations\":{\"k\\u0001\":\"v\\n\u{e9}\",\"empty\":\"\"},\
             \"created\":\"1970-01-01T00:00:00Z\"}"
        );
    }

    #[test]
    fn l11_a_container_without_a_process_has_no_pid() {
        assert!(!document(None).contains("pid"));
    }
}
