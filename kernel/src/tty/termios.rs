//! What a terminal is set to (termios(3)), and how ioctl(2) passes it.

use crate::wire::{Writer, get_u32};
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// Bytes of the kernel's struct termios.
pub const SIZE: usize = 36;
/// Bytes of struct termios2, which adds two speeds.
pub const SIZE2: usize = 44;
/// Control characters.
const CHARS: usize = linux::NCCS as usize;

/// Settings of a terminal.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Termios {
    /// c_iflag: what happens to input.
    pub input: u32,
    /// c_oflag: what happens to output.
    pub output: u32,
    /// c_cflag: about the line. Only kept: no port here changes its speed.
    pub control: u32,
    /// c_lflag: editing, echo, signals.
    pub local: u32,
    /// c_line: the line discipline; N_TTY is 0.
    pub line: u8,
    /// c_cc: control characters; 0 is none.
    pub chars: [u8; CHARS],
    /// Input and output speed in bits a second.
    pub speeds: (u32, u32),
}

/// The speeds that c_cflag has codes for, by code without CBAUDEX.
const SPEEDS: [u32; 16] = [
    0, 50, 75, 110, 134, 150, 200, 300, 600, 1200, 1800, 2400, 4800, 9600, 19200, 38400,
];
/// The same with CBAUDEX; code 0 there is BOTHER: any speed, in termios2 only.
const MORE_SPEEDS: [u32; 16] = [
    0, 57_600, 115_200, 230_400, 460_800, 500_000, 576_000, 921_600, 1_000_000, 1_152_000,
    1_500_000, 2_000_000, 2_500_000, 3_000_000, 3_500_000, 4_000_000,
];

impl Termios {
    /// What a terminal begins with: lines are edited and echoed, signals are made.
    pub fn new(control: u32) -> Termios {
        let mut chars = [0; CHARS];
        for (index, char) in [
            (linux::VINTR, 3),
            (linux::VQUIT, 28),
            (linux::VERASE, 127),
            (linux::VKILL, 21),
            (linux::VEOF, 4),
            (linux::VMIN, 1),
            (linux::VSTART, 17),
            (linux::VSTOP, 19),
            (linux::VSUSP, 26),
            (linux::VREPRINT, 18),
            (linux::VDISCARD, 15),
            (linux::VWERASE, 23),
            (linux::VLNEXT, 22),
        ] {
            if let Some(slot) = chars.get_mut(index as usize) {
                *slot = char;
            }
        }
        let mut new = Termios {
            input: linux::ICRNL | linux::IXON,
            output: linux::OPOST | linux::ONLCR,
            control,
            local: linux::ISIG
                | linux::ICANON
                | linux::ECHO
                | linux::ECHOE
                | linux::ECHOK
                | linux::ECHOCTL
                | linux::ECHOKE
                | linux::IEXTEN,
            line: 0,
            chars,
            speeds: (0, 0),
        };
        new.speeds = new.coded_speeds((38400, 38400));
        new
    }

    /// An input flag is set.
    pub fn i(&self, flag: u32) -> bool {
        self.input & flag != 0
    }

    /// An output flag is set.
    pub fn o(&self, flag: u32) -> bool {
        self.output & flag != 0
    }

    /// A local flag is set.
    pub fn l(&self, flag: u32) -> bool {
        self.local & flag != 0
    }

    /// A control character; 0 is none.
    pub fn char(&self, index: u32) -> u8 {
        self.chars.get(index as usize).copied().unwrap_or(0)
    }

    /// Whether `byte` is this control character.
    pub fn is(&self, byte: u8, index: u32) -> bool {
        byte != 0 && self.char(index) == byte
    }

    /// Input comes as it is: no byte means anything.
    pub fn takes_all(&self) -> bool {
        let input = linux::ISTRIP
            | linux::IUCLC
            | linux::IXON
            | linux::IGNCR
            | linux::ICRNL
            | linux::INLCR
            | linux::PARMRK;
        self.input & input == 0
            && self.local & (linux::ICANON | linux::ISIG | linux::ECHO | linux::ECHONL) == 0
    }

    /// As ioctl(2) passes it, with the speeds if it is struct termios2.
    pub fn encode(&self, two: bool) -> Vec<u8> {
        let record = Writer::new()
            .u32(self.input)
            .u32(self.output)
            .u32(self.control)
            .u32(self.local)
            .u8(self.line)
            .bytes(&self.chars);
        match two {
            true => record.u32(self.speeds.0).u32(self.speeds.1).done(),
            false => record.done(),
        }
    }

    /// As ioctl(2) passed it; what is not there stays as it is in `self`.
    pub fn decode(&self, bytes: &[u8]) -> Termios {
        let mut new = Termios {
            input: get_u32(bytes, 0),
            output: get_u32(bytes, 4),
            control: get_u32(bytes, 8),
            local: get_u32(bytes, 12),
            line: bytes.get(16).copied().unwrap_or(0),
            ..*self
        };
        for (to, from) in new.chars.iter_mut().zip(bytes.iter().skip(17)) {
            *to = *from;
        }
        let given = match bytes.len() {
            SIZE2 => (get_u32(bytes, SIZE), get_u32(bytes, SIZE + 4)),
            _ => self.speeds,
        };
        new.speeds = new.coded_speeds(given);
        new
    }

    /// The speeds that c_cflag has codes for, else those given.
    fn coded_speeds(&self, given: (u32, u32)) -> (u32, u32) {
        let coded = |code: u32| {
            let table = match code & linux::CBAUDEX {
                0 => &SPEEDS,
                _ => &MORE_SPEEDS,
            };
            table.get((code & 15) as usize).copied().unwrap_or(0)
        };
        let code = self.control & linux::CBAUD;
        let output = match code {
            linux::BOTHER => given.1,
            _ => coded(code),
        };
        // Without a code of its own input is as fast as output.
        let input = match self.control >> linux::IBSHIFT & linux::CBAUD {
            0 => output,
            linux::BOTHER => given.0,
            code => coded(code),
        };
        (input, output)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_those_of_linux() {
        let t = Termios::new(linux::B115200 | linux::CS8);
        assert_eq!(t.encode(false).len(), SIZE);
        assert_eq!(t.encode(true).len(), SIZE2);
        assert_eq!(t.decode(&t.encode(true)), t);
        assert_eq!(t.decode(&t.encode(false)), t);
        assert_eq!(t.speeds, (115_200, 115_200));
    }

    #[test]
    fn any_speed_can_be_told_in_the_longer_record() {
        let mut t = Termios::new(linux::B9600);
        assert_eq!(t.speeds, (9600, 9600));
        t.control = linux::BOTHER;
        t.speeds = (31_250, 31_250);
        assert_eq!(t.decode(&t.encode(true)).speeds, (31_250, 31_250));
    }
}
