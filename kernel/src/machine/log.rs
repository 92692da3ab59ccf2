//! The lines of the kernel's log that a machine keeps for programs (syslog(2)).

/// Bytes of the longest line that is kept whole (Linux's LOG_LINE_MAX, roughly).
pub const TEXT_MAX: usize = 1024;

/// What is known of a line, besides its text.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Record {
    /// Eight times the facility (0 kernel, 1 user, ...), plus the level (0 emergency to 7 debug).
    pub priority: u32,
    /// When it was logged: monotonic microseconds.
    pub micros: u64,
    /// Bytes of its text.
    pub len: usize,
}

/// Where a record's text begins, counted from the first byte that was ever logged.
#[derive(Clone, Copy)]
struct Kept {
    record: Record,
    begin: u64,
}

/// The last lines: at most `RECORDS`, with at most `BYTES` of text (at least [`TEXT_MAX`]). Lines
/// are numbered from 0; the oldest make room for new ones.
pub struct History<const RECORDS: usize, const BYTES: usize> {
    records: [Kept; RECORDS],
    text: [u8; BYTES],
    first: u64,
    end: u64,
    written: u64,
}

impl<const RECORDS: usize, const BYTES: usize> Default for History<RECORDS, BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

impl<const RECORDS: usize, const BYTES: usize> History<RECORDS, BYTES> {
    /// Nothing was logged yet.
    pub const fn new() -> Self {
        const { assert!(RECORDS > 0 && BYTES >= TEXT_MAX) };
        let record = Record {
            priority: 0,
            micros: 0,
            len: 0,
        };
        Self {
            records: [Kept { record, begin: 0 }; RECORDS],
            text: [0; BYTES],
            first: 0,
            end: 0,
            written: 0,
        }
    }

    /// Keeps a line; its text is cut at [`TEXT_MAX`].
    pub fn add(&mut self, priority: u32, micros: u64, text: &[u8]) {
        let text = text.get(..TEXT_MAX).unwrap_or(text);
        let begin = self.written;
        self.written += text.len() as u64;
        while self.kept(self.first).is_some_and(|oldest| {
            self.end - self.first >= RECORDS as u64 || self.written - oldest.begin > BYTES as u64
        }) {
            self.first += 1;
        }
        for (at, byte) in (begin..).zip(text) {
            if let Some(to) = self.text.get_mut((at % BYTES as u64) as usize) {
                *to = *byte;
            }
        }
        let record = Record {
            priority,
            micros,
            len: text.len(),
        };
        if let Some(to) = self.records.get_mut((self.end % RECORDS as u64) as usize) {
            *to = Kept { record, begin };
        }
        self.end += 1;
    }

    /// The numbers of the lines that are kept: the first, and one above the last.
    pub const fn kept_numbers(&self) -> (u64, u64) {
        (self.first, self.end)
    }

    /// A line that is kept; its text goes to the beginning of `to`, as much as fits.
    pub fn read(&self, number: u64, to: &mut [u8]) -> Option<Record> {
        let Kept { record, begin } = *self.kept(number)?;
        let start = (begin % BYTES as u64) as usize;
        let front = self.text.get(start..).unwrap_or(&[]);
        let bytes = front.iter().chain(&self.text).take(record.len);
        for (to, byte) in to.iter_mut().zip(bytes) {
            *to = *byte;
        }
        Some(record)
    }

    fn kept(&self, number: u64) -> Option<&Kept> {
        let is_kept = (self.first..self.end).contains(&number);
        let kept = self.records.get((number % RECORDS as u64) as usize);
        kept.filter(|_| is_kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn text<const R: usize, const B: usize>(
        history: &History<R, B>,
        number: u64,
    ) -> Option<Vec<u8>> {
        let mut text = [0; TEXT_MAX];
        let record = history.read(number, &mut text)?;
        Some(text[..record.len].to_vec())
    }

    #[test]
    fn the_oldest_lines_make_room() {
        let mut history: History<3, 2048> = History::new();
        assert_eq!(history.kept_numbers(), (0, 0));
        for line in [&b"one"[..], b"", b"three", b"four"] {
            history.add(6, 7, line);
        }
        assert_eq!(history.kept_numbers(), (1, 4));
        assert_eq!(text(&history, 0), None);
        assert_eq!(text(&history, 1), Some(Vec::new()));
        assert_eq!(text(&history, 3), Some(b"four".to_vec()));
        assert_eq!(text(&history, 4), None);
    }

    #[test]
    fn text_that_goes_round_is_whole_and_long_text_is_cut() {
        let mut history: History<8, 1500> = History::new();
        history.add(6, 0, &[b'a'; 1000]);
        history.add(12, 5, &[b'b'; 2000]);
        assert_eq!(history.kept_numbers(), (1, 2));
        assert_eq!(text(&history, 1), Some([b'b'; TEXT_MAX].to_vec()));
        history.add(6, 6, &[b'c'; 400]);
        assert_eq!(history.kept_numbers(), (1, 3), "just enough");
        assert_eq!(text(&history, 2), Some([b'c'; 400].to_vec()));
        history.add(6, 6, &[b'd'; 100]);
        assert_eq!(history.kept_numbers(), (2, 4));
    }
}
