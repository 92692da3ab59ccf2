//! A fuzzer for everybody: changes a corpus at random and checks what holds for every input.
//!
//! `BERTH_FUZZ=1000000 cargo test -p berth-oci --release --test fuzz` runs that many inputs;
//! `BERTH_FUZZ_SEED` begins elsewhere. A failure prints the input's seed. `fuzz/` has the same
//! as a target for cargo-fuzz.
#![cfg(feature = "alloc")]
#![allow(clippy::unwrap_used, clippy::expect_used)]

#[path = "common/holds.rs"]
mod holds;

use berth_oci::config::KEYS;

/// What to begin with.
const CORPUS: &[&str] = &[
    include_str!("corpus/every-key.conf"),
    include_str!("corpus/plain.conf"),
    include_str!("corpus/quoting.conf"),
    TEXT,
];

/// Blanks and characters where they matter.
const TEXT: &str = "  \t# a comment\n\n \t root_path \t= rootfs \nprocess_arg= a b \nprocess_arg_line=\n\
    process_arg_line=\t\nprocess_arg=\nprocess_env=A=\nprocess_env_line==\nprocess_env=\u{e9}=\u{20ac}\n\
    annotation=\u{1f980}=x\nnamespace=mount";

/// Pieces that parsers stumble over.
const PIECES: &[&str] = &[
    "",
    "\n",
    "=",
    ":",
    ",",
    "\\",
    "\\n",
    "\\:",
    "\\\\",
    "#",
    " ",
    "\t",
    "\r",
    "\0",
    "/",
    "..",
    "-1",
    "0",
    "00",
    "1",
    "65535",
    "4294967294",
    "4294967295",
    "4294967296",
    "9223372036854775807",
    "18446744073709551615",
    "18446744073709551616",
    "true",
    "false",
    "rbind",
    "bind",
    "ro",
    "idmap",
    "tmpfs",
    "proc",
    "\u{e9}",
    "\u{20ac}",
    "\u{1f980}",
    "\u{85}",
    "\u{1b}[2J",
    "\u{202e}",
];

/// Inputs unless `BERTH_FUZZ` says how many.
const INPUTS: u64 = 1000;

/// Numbers that depend on nothing but their seed (splitmix64).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % (bound.max(1) as u64)).unwrap()
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.below(from.len())]
    }
}

/// The input of a seed: some lines of the corpus, changed.
fn input(seed: u64) -> Vec<u8> {
    let mut dice = Dice(seed);
    let mut lines: Vec<String> = Vec::new();
    let kept = 5 + dice.below(4);
    for line in dice.pick(CORPUS).lines() {
        // Now and then all of them.
        if kept == 8 || line.starts_with("root_path") || dice.below(8) < kept {
            lines.push(line.to_owned());
        }
    }
    for _ in 0..dice.below(4).saturating_sub(1) {
        if lines.is_empty() {
            break;
        }
        let at = dice.below(lines.len());
        match dice.below(5) {
            0 => lines.insert(at, dice.pick(CORPUS).lines().next_back().unwrap().into()),
            1 => drop(lines.drain(at..(at + 1).min(lines.len()))),
            2 => {
                let other = dice.below(lines.len());
                lines.swap(at, other);
            }
            3 => lines.insert(at, format!("{}={}", dice.pick(KEYS), dice.pick(PIECES))),
            _ => {
                let text = dice.pick(CORPUS);
                let line = text.lines().nth(dice.below(text.lines().count())).unwrap();
                lines.insert(at, line.to_owned());
            }
        }
    }
    let mut bytes = lines.join("\n").into_bytes();
    for _ in 0..dice.below(5).saturating_sub(2) {
        let at = dice.below(bytes.len());
        match dice.below(6) {
            0 if at < bytes.len() => bytes[at] ^= 1 << dice.below(8),
            1 => bytes.truncate(at),
            2 if at < bytes.len() => drop(bytes.remove(at)),
            3 => {
                let again = bytes.get(at..(at + dice.below(40)).min(bytes.len()));
                let again = again.unwrap_or_default().to_vec();
                bytes.splice(at..at, again);
            }
            _ => drop(bytes.splice(at..at, dice.pick(PIECES).bytes())),
        }
    }
    bytes
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| {
        text.parse()
            .unwrap_or_else(|_| panic!("{name}: expected a number"))
    })
}

#[test]
fn whatever_comes_in_is_read_or_refused() {
    let (first, inputs) = (number("BERTH_FUZZ_SEED", 1), number("BERTH_FUZZ", INPUTS));
    let mut accepted = 0u64;
    for seed in first..first.saturating_add(inputs) {
        let input = input(seed);
        let checked = std::panic::catch_unwind(|| holds::check(&input, seed));
        match checked {
            Ok(good) => accepted += u64::from(good),
            Err(_) => panic!(
                "BERTH_FUZZ_SEED={seed} BERTH_FUZZ=1: {:?}",
                String::from_utf8_lossy(&input)
            ),
        }
    }
    // Inputs that are all refused at once would test nothing else.
    assert!(accepted * 10 > inputs, "{accepted} of {inputs} accepted");
}
