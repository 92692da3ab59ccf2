//! Calls and arguments by chance.

use crate::Kind::{self, *};
use crate::place::{
    self, BASE, BYTES, CODE, ENDLESS, FORBIDDEN, NOTHING, PAGE, READ_ONLY, SCRATCH, SHARED, SIZE,
};
use crate::records::{PATHS, TEXTS};
use crate::{CALLS, Call, Line, SHARED_FD};

/// Numbers by chance, the same for the same seed: splitmix64 (Steele, Lea, Flood 2014).
pub struct Chance(u64);

impl Chance {
    /// What a seed gives.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// What a seed gives for the call with an index in a program with a number: programs can go on anywhere.
    #[must_use]
    pub fn of(seed: u64, program: u64, index: u64) -> Self {
        let mut outer = Self(seed ^ program.rotate_left(32));
        Self(outer.word() ^ index.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(17))
    }

    /// The next number.
    pub fn word(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        word ^ word >> 31
    }

    /// A number below another; 0 below 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.word().checked_rem(end).unwrap_or(0)
    }

    /// One of some numbers; 0 of none.
    pub fn pick(&mut self, from: &[u64]) -> u64 {
        let index = usize::try_from(self.below(from.len() as u64)).unwrap_or(0);
        from.get(index).copied().unwrap_or(0)
    }
}

/// Calls that end who makes them, or make it wait for ever: made less often.
const LAST: &[u32] = &[
    15, 34, 59, 60, 62, 130, 153, 161, 169, 200, 231, 234, 322, 155,
];

/// Numbers at the edges.
const EDGES: &[u64] = &[
    0,
    1,
    2,
    7,
    8,
    PAGE - 1,
    PAGE,
    PAGE + 1,
    0x1_0000,
    0xffff,
    i32::MAX as u64,
    1 << 31,
    u32::MAX as u64,
    1 << 32,
    1 << 47,
    (1 << 47) - PAGE,
    i64::MAX as u64,
    1 << 63,
    0xffff_8000_0000_0000,
    0xffff_ffff_8000_0000,
    u64::MAX - PAGE,
    u64::MAX - 99,
    u64::MAX - 7,
    u64::MAX,
];

/// A call of the table by chance.
#[must_use]
pub fn call(chance: &mut Chance) -> Call {
    let line = loop {
        let index = usize::try_from(chance.below(CALLS.len() as u64)).unwrap_or(0);
        match CALLS.get(index) {
            Some(line) if !LAST.contains(&line.0) || chance.below(8) == 0 => break line,
            _ => {}
        }
    };
    if chance.below(200) == 0 {
        // A call that does not exist, most likely.
        let number = match chance.below(3) {
            0 => chance.below(1100),
            1 => chance.pick(EDGES),
            _ => chance.word(),
        };
        return (number, [(); 6].map(|()| wild(chance)));
    }
    with_arguments(line, chance)
}

/// The call with this number; one that is not in the table gets any arguments.
#[must_use]
pub fn with_number(number: u32, chance: &mut Chance) -> Call {
    match CALLS.iter().find(|line| line.0 == number) {
        Some(line) => with_arguments(line, chance),
        None => (u64::from(number), [(); 6].map(|()| wild(chance))),
    }
}

fn with_arguments(line: &Line, chance: &mut Chance) -> Call {
    let mut kinds = line.2.iter();
    // Now and then one argument is anything at all, and now and then all are.
    let odd = chance.below(24);
    let mut place = 0;
    let arguments = [(); 6].map(|()| {
        let kind = kinds.next().copied().unwrap_or(Any);
        let is_odd = odd == 23 || odd == place || chance.below(40) == 0;
        place += 1;
        if is_odd {
            wild(chance)
        } else {
            value(kind, chance)
        }
    });
    (u64::from(line.0), arguments)
}

/// An argument that makes no sense, or does by chance.
fn wild(chance: &mut Chance) -> u64 {
    match chance.below(8) {
        0..=3 => chance.pick(EDGES),
        4 => chance.word(),
        5 => 1 << chance.below(64),
        6 => pointer(chance),
        _ => chance.below(64),
    }
}

/// An address, of what can be used and what cannot.
fn pointer(chance: &mut Chance) -> u64 {
    let page = chance.below(SIZE / PAGE) * PAGE;
    match chance.below(16) {
        0..=3 => BYTES + chance.below(0x6000) / 8 * 8,
        4 => SCRATCH + chance.below(0x400) / 8 * 8,
        5 => SHARED + chance.below(place::SHARED_SIZE) / 4 * 4,
        6 => BASE + page + chance.below(PAGE),
        7 => BASE + page + PAGE - 1 - chance.below(24),
        8 => BASE + SIZE - 1 - chance.below(64),
        9 => READ_ONLY + chance.below(64),
        10 => FORBIDDEN - chance.below(64),
        11 => NOTHING + chance.below(SIZE),
        12 => CODE + chance.below(32),
        13 => 0,
        14 => chance.pick(EDGES),
        _ => BYTES,
    }
}

/// An argument as its kind says.
fn value(kind: Kind, chance: &mut Chance) -> u64 {
    match kind {
        Fd => match chance.below(32) {
            0 => u64::MAX,
            1 => chance.below(2000),
            _ => chance.below(SHARED_FD),
        },
        Dir => match chance.below(3) {
            0 => chance.below(SHARED_FD),
            1 => chance.pick(&[5, 6, 34, 35]),
            _ => (-100i64) as u64,
        },
        Path if chance.below(40) == 0 => ENDLESS,
        Path => place::text(chance.below(PATHS as u64) as usize),
        Text => {
            let names = TEXTS.len().saturating_sub(PATHS) as u64;
            place::text(PATHS + chance.below(names) as usize)
        }
        Buffer => pointer(chance),
        Length => match chance.below(4) {
            0 => chance.below(64),
            1 => chance.pick(&[8, 16, 24, 128, PAGE - 1, PAGE, PAGE + 1]),
            2 => chance.below(0x6000),
            _ => chance.pick(&[0, 1, 8, 0x1_0000, i32::MAX as u64, u64::MAX]),
        },
        Count => chance.below(20),
        Offset => chance.pick(&[
            0,
            0,
            1,
            8,
            64,
            PAGE - 1,
            PAGE,
            0x3001,
            0x8000,
            1 << 31,
            1 << 40,
            u64::MAX,
        ]),
        Number => wild(chance),
        Mode => {
            let kind = chance.pick(&[
                0, 0, 0, 0, 0o100_000, 0o020_000, 0o010_000, 0o140_000, 0o060_000,
            ]);
            kind | chance.pick(&[0o755, 0o644, 0o7777, 0, 0o600, 0o1777])
        }
        Id => chance.pick(&[0, 0, 0, 1, 1000, 65534, u32::MAX as u64, u64::MAX]),
        Pid => match chance.below(16) {
            0..=7 => 0,
            8 | 9 => 1,
            10 if chance.below(16) == 0 => u64::MAX,
            _ => chance.below(40),
        },
        Signal => match chance.below(6) {
            0 => chance.below(66),
            _ => chance.pick(&[0, 0, 10, 12, 17, 18, 28, 28, 34, 64]),
        },
        Page => match chance.below(8) {
            0 => pointer(chance),
            1 => 0,
            2 => SHARED + chance.below(6) * PAGE,
            3 | 4 => BYTES + chance.below(8) * PAGE,
            _ => NOTHING + chance.below(16) * PAGE,
        },
        Pages => match chance.below(8) {
            0 => chance.pick(EDGES),
            1 => chance.below(0x8000),
            _ => chance.below(9) * PAGE,
        },
        Word => chance.pick(&[BYTES, BYTES + 4, SHARED, SHARED + 4, SHARED + PAGE]),
        Any => match chance.below(6) {
            0 | 1 => chance.below(8),
            2 => pointer(chance),
            3 => chance.below(PATHS as u64),
            4 => wild(chance),
            _ => {
                let kinds = [Time, Set, Lock, Terminal, AddressLength, Vector, Limit];
                let index = chance.below(kinds.len() as u64) as usize;
                kinds.get(index).map_or(0, |kind| value(*kind, chance))
            }
        },
        Bits(bits) => {
            let first = chance.pick(bits);
            let more = if chance.below(2) == 0 {
                chance.pick(bits)
            } else {
                0
            };
            let most = if chance.below(4) == 0 {
                chance.pick(bits)
            } else {
                0
            };
            first | more | most
        }
        One(numbers) => chance.pick(numbers),
        SetSize => chance.pick(&[8, 8, 8, 8, 8, 8, 0, 16]),
        kind => match chance.below(16) {
            0 => 0,
            1 => pointer(chance),
            _ => place::record_of(kind, chance.word()).unwrap_or(0),
        },
    }
}

/// Whether arguments of a kind are addresses of records.
#[cfg(test)]
pub fn is_record(kind: Kind) -> bool {
    let plain = [
        Fd, Dir, Path, Text, Buffer, Length, Count, Offset, Number, Mode, Id, Pid, Signal, Page,
        Pages, Word, Any, SetSize,
    ];
    !plain.contains(&kind) && !matches!(kind, Bits(_) | One(_))
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;
    use std::collections::BTreeSet;
    use std::vec::Vec;

    fn program(seed: u64, number: u64) -> Vec<Call> {
        (0..50)
            .map(|index| call(&mut Chance::of(seed, number, index)))
            .collect()
    }

    #[test]
    fn programs_are_the_same_for_the_same_seed() {
        assert_eq!(program(5, 1), program(5, 1));
        assert_ne!(program(5, 1), program(6, 1));
        assert_ne!(program(5, 1), program(5, 2));
    }

    #[test]
    fn every_call_is_made_before_long() {
        let made: BTreeSet<u64> = (0..50_000)
            .map(|index| call(&mut Chance::of(1, 1, index)).0)
            .collect();
        for line in CALLS {
            assert!(made.contains(&u64::from(line.0)), "{}", line.1);
        }
    }
}
