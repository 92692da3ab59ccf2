//! What a terminal shows: output processing (termios(3), c_oflag) and the queue behind it.

use super::termios::Termios;
use alloc::collections::VecDeque;
use linux_raw_sys::general as linux;

/// The most bytes of programs that wait to be shown.
pub const ROOM: usize = 4096;
/// The most with echoes: these come whether there is room or not, and are lost beyond this.
pub const ROOM_WITH_ECHO: usize = 8192;
/// Columns between tab stops.
pub const TAB: usize = 8;

/// Bytes on their way out, and where the cursor stands behind them.
#[derive(Debug, Default)]
pub struct Output {
    queue: VecDeque<u8>,
    /// The cursor's column.
    pub column: usize,
    /// While output is stopped: how many bytes were queued before that.
    shown: Option<usize>,
}

/// Whether a byte is a control character.
pub fn is_control(byte: u8) -> bool {
    byte < 32 || byte == 127
}

/// Whether a byte goes on with a character that began before it (UTF-8).
pub fn continues(t: &Termios, byte: u8) -> bool {
    t.i(linux::IUTF8) && byte & 0xc0 == 0x80
}

impl Output {
    /// An empty queue that will not have to grow; `None` without memory for it.
    pub fn new() -> Option<Output> {
        let mut queue = VecDeque::new();
        queue.try_reserve_exact(ROOM_WITH_ECHO).ok()?;
        Some(Output {
            queue,
            ..Output::default()
        })
    }

    /// Bytes that can be taken out now.
    pub fn ready(&self) -> usize {
        self.shown.unwrap_or(self.queue.len())
    }

    /// Bytes that wait, also behind a stop.
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Nothing waits.
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Whether programs can write.
    pub fn has_room(&self) -> bool {
        self.queue.len() < ROOM
    }

    /// The bytes that can be taken out, in (at most) two parts.
    pub fn parts(&self) -> (&[u8], &[u8]) {
        let ready = self.ready();
        let (first, second) = self.queue.as_slices();
        match first.get(..ready) {
            Some(part) => (part, &[]),
            None => (first, second.get(..ready - first.len()).unwrap_or(second)),
        }
    }

    /// Takes bytes out that were passed on.
    pub fn consume(&mut self, count: usize) {
        let count = count.min(self.ready());
        self.queue.drain(..count);
        if let Some(shown) = &mut self.shown {
            *shown -= count;
        }
    }

    /// Drops what waits.
    pub fn clear(&mut self) {
        self.queue.clear();
        self.shown = self.shown.map(|_| 0);
    }

    /// Drops what waits behind a stop.
    pub fn drop_held(&mut self) {
        self.queue.truncate(self.ready());
    }

    /// Keeps what comes from now on back, or lets all go.
    pub fn stop(&mut self, on: bool) {
        self.shown = match (on, self.shown) {
            (false, _) => None,
            (true, Some(shown)) => Some(shown),
            (true, None) => Some(self.queue.len()),
        };
    }

    /// Takes what programs write; returns how many of the bytes there was room for.
    pub fn write(&mut self, t: &Termios, bytes: &[u8]) -> usize {
        if !t.o(linux::OPOST) {
            let room = ROOM.saturating_sub(self.queue.len());
            let part = bytes.get(..room).unwrap_or(bytes);
            self.queue.extend(part);
            return part.len();
        }
        let all = bytes.iter();
        all.take_while(|byte| self.put(t, **byte, ROOM)).count()
    }

    /// Shows a byte that came in, or what stands for it.
    pub fn echo(&mut self, t: &Termios, byte: u8) {
        match t.o(linux::OPOST) {
            true => {
                self.put(t, byte, ROOM_WITH_ECHO);
            }
            false => self.echo_raw(byte),
        }
    }

    /// Takes a character off the screen.
    pub fn wipe(&mut self) {
        if self.push(b"\x08 \x08", ROOM_WITH_ECHO) {
            self.column = self.column.saturating_sub(1);
        }
    }

    /// Sends a byte as it is.
    pub fn echo_raw(&mut self, byte: u8) {
        self.push(&[byte], ROOM_WITH_ECHO);
    }

    /// One byte with output processing; whether there was room.
    fn put(&mut self, t: &Termios, byte: u8, limit: usize) -> bool {
        match byte {
            b'\n' if t.o(linux::ONLCR) => self.push(b"\r\n", limit) && self.at(0),
            b'\n' if t.o(linux::ONLRET) => self.push(b"\n", limit) && self.at(0),
            b'\r' if t.o(linux::ONOCR) && self.column == 0 => true,
            b'\r' if t.o(linux::OCRNL) => {
                let column = if t.o(linux::ONLRET) { 0 } else { self.column };
                self.push(b"\n", limit) && self.at(column)
            }
            b'\r' => self.push(b"\r", limit) && self.at(0),
            b'\t' => {
                let spaces = TAB - self.column % TAB;
                let text = match t.output & linux::TABDLY {
                    linux::XTABS => [b' '; TAB],
                    _ => [b'\t', 0, 0, 0, 0, 0, 0, 0],
                };
                let len = if text[0] == b' ' { spaces } else { 1 };
                let text = text.get(..len).unwrap_or(&text);
                self.push(text, limit) && self.at(self.column + spaces)
            }
            8 => self.push(&[8], limit) && self.at(self.column.saturating_sub(1)),
            _ => {
                let byte = match t.o(linux::OLCUC) {
                    true => byte.to_ascii_uppercase(),
                    false => byte,
                };
                let width = usize::from(!is_control(byte) && !continues(t, byte));
                self.push(&[byte], limit) && self.at(self.column + width)
            }
        }
    }

    fn push(&mut self, bytes: &[u8], limit: usize) -> bool {
        let fits = self.queue.len() + bytes.len() <= limit;
        if fits {
            self.queue.extend(bytes);
        }
        fits
    }

    fn at(&mut self, column: usize) -> bool {
        self.column = column;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// What is shown of `text` with these output flags.
    fn shown(flags: u32, text: &[u8]) -> Vec<u8> {
        let mut t = Termios::new(0);
        t.output = flags;
        let mut out = Output::new().unwrap();
        assert_eq!(out.write(&t, text), text.len());
        out.queue.into()
    }

    #[test]
    fn flags_do_what_termios_3_says() {
        use linux::{OCRNL, OLCUC, ONLCR, ONLRET, ONOCR, OPOST, TAB3};
        let cases: &[(u32, &[u8], &[u8])] = &[
            (0, b"a\n\tb\r", b"a\n\tb\r"),
            (ONLCR, b"a\n", b"a\n"),
            (OPOST, b"a\n\tb\r", b"a\n\tb\r"),
            (OPOST | ONLCR, b"a\nb\r\n", b"a\r\nb\r\r\n"),
            (OPOST | OCRNL, b"a\rb", b"a\nb"),
            (OPOST | ONOCR, b"\ra\r\r", b"a\r"),
            (OPOST | ONOCR | ONLRET, b"a\n\rb", b"a\nb"),
            (OPOST | TAB3, b"\tab\tc", b"        ab      c"),
            (OPOST | TAB3, b"ab\x08\t.", b"ab\x08       ."),
            (OPOST | OLCUC, b"aBc", b"ABC"),
        ];
        for (flags, text, wanted) in cases {
            assert_eq!(shown(*flags, text), *wanted, "{flags:o} {text:?}");
        }
    }

    #[test]
    fn a_full_queue_takes_no_half_of_a_pair() {
        let t = Termios::new(0);
        let mut out = Output::new().unwrap();
        assert_eq!(out.write(&t, &[b'x'; ROOM - 1]), ROOM - 1);
        assert_eq!(out.write(&t, b"\n"), 0);
        assert_eq!(out.write(&t, b"yz"), 1);
        assert!(!out.has_room());
        // Echoes still fit, and never more than their limit.
        for _ in 0..ROOM_WITH_ECHO {
            out.echo(&t, b'\n');
        }
        assert_eq!(out.queue.len(), ROOM_WITH_ECHO);
    }

    #[test]
    fn a_stop_keeps_back_what_comes_after_it() {
        let t = Termios::new(0);
        let mut out = Output::new().unwrap();
        out.write(&t, b"ab");
        out.stop(true);
        out.echo(&t, b'c');
        assert_eq!(out.parts(), (&b"ab"[..], &b""[..]));
        out.consume(9);
        assert_eq!(out.ready(), 0);
        out.stop(false);
        assert_eq!(out.parts().0, b"c");
    }
}
