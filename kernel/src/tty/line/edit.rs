//! Editing a line before it is read (termios(3), "Canonical and noncanonical mode").

use super::{Line, Mark};
use crate::tty::output::{TAB, continues, is_control};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

impl Line {
    /// What a byte does to the line that is being edited; false when it becomes part of it.
    pub(super) fn edit(&mut self, byte: u8) -> bool {
        let t = self.settings;
        let extended = t.l(linux::IEXTEN);
        let echo = t.l(linux::ECHO);
        if t.is(byte, linux::VERASE) {
            self.erase_one();
        } else if t.is(byte, linux::VKILL) {
            self.kill();
        } else if extended && t.is(byte, linux::VWERASE) {
            self.erase_word();
        } else if extended && t.is(byte, linux::VLNEXT) {
            self.literal = true;
            if echo && t.l(linux::ECHOCTL) {
                self.show(b"^\x08");
            }
        } else if extended && echo && t.is(byte, linux::VREPRINT) {
            self.reprint(byte);
        } else if byte == b'\n' {
            if echo || t.l(linux::ECHONL) {
                self.show(b"\n");
            }
            self.end(byte, Mark::End);
        } else if t.is(byte, linux::VEOF) {
            self.end(0, Mark::Eof);
        } else if t.is(byte, linux::VEOL) || (extended && t.is(byte, linux::VEOL2)) {
            self.echo_input(byte);
            self.end(byte, Mark::End);
        } else {
            return false;
        }
        true
    }

    fn reprint(&mut self, byte: u8) {
        self.echo(byte);
        self.show(b"\n");
        let edited: Vec<u8> = self.edited().collect();
        for byte in edited {
            self.echo(byte);
        }
    }

    fn edited(&self) -> impl DoubleEndedIterator<Item = u8> + '_ {
        self.input
            .range(self.whole.min(self.input.len())..)
            .map(|cell| cell.byte)
    }

    /// Takes the last character off the edited line: its first byte. Nothing when there is none,
    /// or only the rest of one.
    fn take_last(&mut self) -> Option<u8> {
        let t = self.settings;
        let rest = self
            .edited()
            .rev()
            .take_while(|b| continues(&t, *b))
            .count();
        let first = self.edited().rev().nth(rest)?;
        self.input.truncate(self.input.len() - rest - 1);
        Some(first)
    }

    fn erase_one(&mut self) {
        let Some(byte) = self.take_last() else {
            return;
        };
        if !self.settings.l(linux::ECHO) {
            return;
        }
        match self.settings.l(linux::ECHOE) {
            true => self.wipe(byte),
            false => self.echo(self.settings.char(linux::VERASE)),
        }
    }

    fn erase_word(&mut self) {
        let mut in_word = false;
        while let Some(next) = self.last_first() {
            let part = next.is_ascii_alphanumeric() || next == b'_' || next >= 0xc0;
            if in_word && !part {
                return;
            }
            in_word |= part;
            self.erase_and_wipe();
        }
    }

    /// The first byte of the last character of the edited line.
    fn last_first(&self) -> Option<u8> {
        self.edited().rev().find(|b| !continues(&self.settings, *b))
    }

    fn erase_and_wipe(&mut self) {
        if let Some(byte) = self.take_last() {
            if self.settings.l(linux::ECHO) {
                self.wipe(byte);
            }
        }
    }

    fn kill(&mut self) {
        let t = self.settings;
        let whole = linux::ECHO | linux::ECHOE | linux::ECHOK | linux::ECHOKE;
        if t.local & whole == whole {
            while self.last_first().is_some() {
                self.erase_and_wipe();
            }
            return;
        }
        let was_empty = self.input.len() == self.whole;
        self.input.truncate(self.whole);
        if t.l(linux::ECHO) && !was_empty {
            self.echo(t.char(linux::VKILL));
            if t.l(linux::ECHOK) {
                self.show(b"\n");
            }
        }
    }

    /// Takes a character off the screen that was taken off the line.
    fn wipe(&mut self, byte: u8) {
        let marked = self.settings.l(linux::ECHOCTL);
        match byte {
            b'\t' => {
                let width = TAB - self.column_of_end() % TAB;
                (0..width).for_each(|_| self.show(b"\x08"));
            }
            _ if is_control(byte) && marked => {
                self.output.wipe();
                self.output.wipe();
            }
            _ if is_control(byte) => {}
            _ => self.output.wipe(),
        }
    }

    /// The column behind the edited line, or one as far from the next tab stop.
    fn column_of_end(&self) -> usize {
        let t = &self.settings;
        let mut width = 0;
        for byte in self.edited().rev() {
            match byte {
                b'\t' => return width,
                _ if is_control(byte) => width += if t.l(linux::ECHOCTL) { 2 } else { 0 },
                _ if continues(t, byte) => {}
                _ => width += 1,
            }
        }
        self.start + width
    }
}
