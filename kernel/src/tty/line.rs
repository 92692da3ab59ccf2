//! The line discipline N_TTY (termios(3)): what becomes of the bytes that come in, and what
//! readers get. Pure: bytes go in, echoes, signals and lines come out.

mod edit;

use super::output::{Output, is_control};
use super::termios::Termios;
use alloc::collections::VecDeque;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Bytes kept for readers. In canonical mode that is the longest line with its end.
pub const KEPT: usize = 4096;

/// How a byte of the input is meant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mark {
    /// Part of a line.
    None,
    /// It ends its line.
    End,
    /// It stands for the end of the file and is not given to readers.
    Eof,
}

#[derive(Clone, Copy, Debug)]
struct Cell {
    byte: u8,
    mark: Mark,
}

/// A terminal's line: settings, input, output.
#[derive(Debug)]
pub struct Line {
    settings: Termios,
    /// Output that was not taken out yet can be dropped.
    waits: bool,
    input: VecDeque<Cell>,
    /// How many cells, from the first, belong to whole lines, and how many lines they are.
    whole: usize,
    lines: usize,
    /// The next byte is taken literally (VLNEXT).
    literal: bool,
    /// Column in which the line that is edited began.
    start: usize,
    /// What is shown.
    pub output: Output,
    /// Output was stopped by VSTOP, or by TCOOFF (which VSTART does not end).
    stopped: (bool, bool),
    /// What packet mode has to tell: TIOCPKT_* bits.
    pub news: u32,
}

/// What a reader got.
#[derive(Debug, PartialEq, Eq)]
pub struct Taken {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The line, or what there was, ended here.
    pub ended: bool,
}

impl Line {
    /// A line without input; `None` without memory for its queues. Output `waits` here for a port,
    /// or else counts as passed on, to who has the other end, once it is written.
    pub fn new(settings: Termios, waits: bool) -> Option<Line> {
        let mut input = VecDeque::new();
        input.try_reserve_exact(KEPT + 1).ok()?;
        Some(Line {
            settings,
            waits,
            input,
            whole: 0,
            lines: 0,
            literal: false,
            start: 0,
            output: Output::new()?,
            stopped: (false, false),
            news: 0,
        })
    }

    /// Bytes of memory the queues take.
    pub const COST: u32 = ((KEPT + 1) * size_of::<Cell>() + super::output::ROOM_WITH_ECHO) as u32;

    /// The settings.
    pub fn settings(&self) -> &Termios {
        &self.settings
    }

    fn canonical(&self) -> bool {
        self.settings.l(linux::ICANON)
    }

    /// Output stands still.
    pub fn is_stopped(&self) -> bool {
        self.stopped.0 || self.stopped.1
    }

    /// Whether input can be taken. A line that is being edited takes any amount, and keeps no more
    /// than fits.
    pub fn has_room(&self) -> bool {
        self.input.len() < KEPT - 1 || (self.canonical() && self.lines == 0)
    }

    /// Whether a reader would get something (at least `least` bytes in raw mode).
    pub fn is_readable(&self, least: usize) -> bool {
        match self.canonical() {
            true => self.lines > 0,
            false => self.input.len() >= least.max(1),
        }
    }

    /// Bytes that readers can get now (FIONREAD).
    pub fn readable(&self) -> usize {
        if !self.canonical() {
            return self.input.len();
        }
        let whole = self.input.iter().take(self.whole);
        whole.filter(|cell| cell.mark != Mark::Eof).count()
    }

    /// Takes one byte in; the signal that it stands for goes to the foreground.
    pub fn receive(&mut self, byte: u8) -> Option<u32> {
        let t = self.settings;
        if t.takes_all() && !self.literal {
            self.keep(byte, Mark::None);
            return None;
        }
        let mut byte = byte;
        if t.i(linux::ISTRIP) {
            byte &= 0x7f;
        }
        if t.i(linux::IUCLC) && t.l(linux::IEXTEN) {
            byte = byte.to_ascii_lowercase();
        }
        if core::mem::take(&mut self.literal) {
            self.accept(byte, false);
            return None;
        }
        if t.i(linux::IXON) && (t.is(byte, linux::VSTART) || t.is(byte, linux::VSTOP)) {
            self.stop(!t.is(byte, linux::VSTART));
            return None;
        }
        if let Some(signal) = self.signal_of(byte) {
            self.interrupt(byte);
            return Some(signal);
        }
        if t.i(linux::IXON) && t.i(linux::IXANY) {
            self.stop(false);
        }
        let was_return = byte == b'\r';
        match byte {
            b'\r' if t.i(linux::IGNCR) => return None,
            b'\r' if t.i(linux::ICRNL) => byte = b'\n',
            b'\n' if t.i(linux::INLCR) => byte = b'\r',
            _ => {}
        }
        if !self.canonical() || !self.edit(byte) {
            self.accept(byte, was_return && byte == b'\n');
        }
        None
    }

    fn signal_of(&self, byte: u8) -> Option<u32> {
        let t = &self.settings;
        let signals = [
            (linux::VINTR, linux::SIGINT),
            (linux::VQUIT, linux::SIGQUIT),
            (linux::VSUSP, linux::SIGTSTP),
        ];
        let found = signals.iter().find(|(char, _)| t.is(byte, *char));
        found
            .filter(|_| t.l(linux::ISIG))
            .map(|(_, signal)| *signal)
    }

    /// A byte that makes a signal: queues are emptied unless NOFLSH says otherwise, output goes on.
    fn interrupt(&mut self, byte: u8) {
        if !self.settings.l(linux::NOFLSH) {
            self.flush_input();
            self.flush_output();
        }
        if self.settings.i(linux::IXON) {
            self.stop(false);
        }
        if self.settings.l(linux::ECHO) {
            self.echo(byte);
        }
    }

    /// Makes a byte part of the input. A newline that was a carriage return moves the cursor,
    /// another one shows as any control character.
    fn accept(&mut self, byte: u8, newline: bool) {
        match newline && self.settings.l(linux::ECHO) {
            true => self.show(b"\n"),
            false => self.echo_input(byte),
        }
        if byte == 0xff && self.settings.i(linux::PARMRK) {
            self.keep(byte, Mark::None);
        }
        self.keep(byte, Mark::None);
    }

    fn keep(&mut self, byte: u8, mark: Mark) {
        // What does not fit into the longest line replaces its last byte, so that the end fits.
        if self.input.len() >= KEPT {
            if self.input.len() <= self.whole {
                return;
            }
            self.input.pop_back();
        }
        self.input.push_back(Cell { byte, mark });
    }

    fn end(&mut self, byte: u8, mark: Mark) {
        self.keep(byte, mark);
        self.whole = self.input.len();
        self.lines += 1;
    }

    /// Shows bytes as they are.
    fn show(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.output.echo(&self.settings, *byte);
        }
    }

    /// Shows a byte; a control character as `^X` if that is wanted.
    fn echo(&mut self, byte: u8) {
        if self.settings.l(linux::ECHOCTL) && is_control(byte) && byte != b'\t' {
            self.show(&[b'^', byte ^ 0x40]);
        } else {
            self.show(&[byte]);
        }
    }

    /// Shows a byte that becomes part of the line, if echo is on.
    fn echo_input(&mut self, byte: u8) {
        if self.settings.l(linux::ECHO) {
            if self.input.len() == self.whole {
                self.start = self.output.column;
            }
            self.echo(byte);
        }
    }

    /// Gives at most `max` bytes to a reader: of one line, or in raw mode of what there is.
    pub fn take(&mut self, max: usize) -> Taken {
        let canonical = self.canonical();
        let ready = if canonical {
            self.whole
        } else {
            self.input.len()
        };
        let mut bytes = Vec::new();
        let mut ended = !canonical || self.lines == 0;
        // The heap's reserve covers this: a reader gets at most all that is kept.
        bytes.reserve_exact(max.min(ready));
        while let Some(cell) = self
            .input
            .front()
            .copied()
            .filter(|_| self.whole > 0 || !canonical)
        {
            let hidden = canonical && cell.mark == Mark::Eof;
            if bytes.len() >= max && !hidden {
                break;
            }
            self.input.pop_front();
            self.whole = self.whole.saturating_sub(1);
            if !hidden {
                bytes.push(cell.byte);
            }
            if cell.mark != Mark::None {
                self.lines = self.lines.saturating_sub(1);
                if canonical {
                    ended = true;
                    break;
                }
            }
        }
        Taken { bytes, ended }
    }

    /// Takes what programs write; returns how many of the bytes there was room for.
    pub fn write(&mut self, bytes: &[u8]) -> usize {
        self.output.write(&self.settings, bytes)
    }

    /// Sends a control character to the other end, past output processing (tcflow(3)).
    pub fn send(&mut self, char: u8) {
        if char != 0 {
            self.output.echo_raw(char);
        }
    }

    /// Forgets what is on the way, and with `fresh` settings those it had.
    pub fn hang_up(&mut self, fresh: Option<Termios>) {
        self.flush_input();
        self.flush_output();
        self.set_stopped((false, false));
        if let Some(settings) = fresh {
            self.settings = settings;
        }
    }

    /// Drops all input.
    pub fn flush_input(&mut self) {
        self.input.clear();
        (self.whole, self.lines, self.literal) = (0, 0, false);
        self.news |= linux::TIOCPKT_FLUSHREAD;
    }

    /// Drops output that was not passed on.
    pub fn flush_output(&mut self) {
        match self.waits {
            true => self.output.clear(),
            false => self.output.drop_held(),
        }
        self.news |= linux::TIOCPKT_FLUSHWRITE;
    }

    /// Stops output or lets it go on, as VSTOP and VSTART do.
    fn stop(&mut self, on: bool) {
        self.set_stopped((on, self.stopped.1));
    }

    /// Stops output or lets it go on, as tcflow(3) does: VSTART does not undo it.
    pub fn hold(&mut self, on: bool) {
        // What lets it go on ends both.
        self.set_stopped((on && self.stopped.0, on));
    }

    fn set_stopped(&mut self, stopped: (bool, bool)) {
        let was = self.is_stopped();
        self.stopped = stopped;
        let is = self.is_stopped();
        if was != is {
            self.output.stop(is);
            let (set, clear) = match is {
                true => (linux::TIOCPKT_STOP, linux::TIOCPKT_START),
                false => (linux::TIOCPKT_START, linux::TIOCPKT_STOP),
            };
            self.news = self.news & !clear | set;
        }
    }

    /// Changes the settings. Input that waits becomes one line, or stops being lines.
    pub fn set(&mut self, new: Termios) {
        let old = core::mem::replace(&mut self.settings, new);
        if (old.local ^ new.local) & linux::ICANON != 0 {
            self.literal = false;
            self.input
                .iter_mut()
                .for_each(|cell| cell.mark = Mark::None);
            (self.whole, self.lines) = (0, 0);
            if let Some(last) = self.input.back_mut().filter(|_| new.l(linux::ICANON)) {
                last.mark = Mark::End;
                (self.whole, self.lines) = (self.input.len(), 1);
            }
        }
        if old.i(linux::IXON) && !new.i(linux::IXON) {
            self.stop(false);
        }
        let usual = |t: &Termios| {
            t.i(linux::IXON) && t.char(linux::VSTOP) == 19 && t.char(linux::VSTART) == 17
        };
        if usual(&old) != usual(&new) {
            let both = linux::TIOCPKT_DOSTOP | linux::TIOCPKT_NOSTOP;
            let now = match usual(&new) {
                true => linux::TIOCPKT_DOSTOP,
                false => linux::TIOCPKT_NOSTOP,
            };
            self.news = self.news & !both | now;
        }
    }
}

#[cfg(test)]
mod tests;
