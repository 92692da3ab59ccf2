//! The first stack of a program: arguments, environment, auxiliary vector (System V ABI for AMD64,
//! 3.4.1). Pure.

use super::arguments::{ArgRoom, List};
use crate::error::Errno;
use alloc::vec::Vec;
use linux_raw_sys::auxvec as linux;

/// What goes on the stack.
pub struct First<'a> {
    /// The first arguments, each without NUL.
    pub front: &'a [Vec<u8>],
    /// The arguments behind them.
    pub args: List,
    /// The environment.
    pub env: List,
    /// The path it was called by (AT_EXECFN).
    pub path: &'a [u8],
    /// Bytes of chance (AT_RANDOM).
    pub random: [u8; 16],
    /// The rest of the auxiliary vector.
    pub aux: &'a [(u32, u64)],
}

/// A part of the stack: its address and its bytes.
pub type Part = (u64, Vec<u8>);

/// A stack, ready to be written. What is in no part of it is zeros.
#[derive(Debug)]
pub struct Built {
    /// The first stack pointer.
    pub pointer: u64,
    /// All but the strings that [`First`] only counts.
    pub parts: Vec<Part>,
    /// Where these go.
    pub filling: Filling,
    /// Where the arguments are: start, end.
    pub args: (u64, u64),
    /// Where the environment is: start, end.
    pub env: (u64, u64),
    /// The auxiliary vector.
    pub auxv: Vec<u8>,
}

/// The name of the processor (AT_PLATFORM).
const PLATFORM: &[u8] = b"x86_64\0";

/// Lays the stack out below `top`, a multiple of 16.
///
/// # Errors
/// E2BIG when it is more than programs may get.
pub fn build(top: u64, first: &First) -> Result<Built, Errno> {
    // Upwards: pointers, 16 random bytes, the platform, arguments, environment, path, 8 zeros.
    let mut front = first.random.to_vec();
    front.extend_from_slice(PLATFORM);
    let fixed = front.len();
    front.extend(first.front.iter().flat_map(|s| s.iter().chain(&[0])));
    let args_len = front.len() - fixed + first.args.bytes;
    let strings = args_len + first.env.bytes + first.path.len() + 1 + 8;
    let args_count = first.front.len() + first.args.count;
    let words = 3 + args_count + first.env.count + 2 * (first.aux.len() + 4);
    let size = (words * 8 + fixed + strings).next_multiple_of(16);
    // Room for a script's interpreter and the auxiliary vector comes on top.
    if size > ArgRoom::TOTAL + ArgRoom::STRING {
        return Err(Errno::E2BIG);
    }
    let pointer = top.checked_sub(size as u64).ok_or(Errno::E2BIG)?;
    let args_at = top - strings as u64;
    let env_at = args_at + args_len as u64;
    let path_at = env_at + first.env.bytes as u64;
    let random_at = args_at - fixed as u64;
    let auxv = auxv(first.aux, random_at, path_at);
    let mut pointers = (args_count as u64).to_le_bytes().to_vec();
    let mut at = args_at;
    for string in first.front {
        pointers.extend_from_slice(&at.to_le_bytes());
        at += string.len() as u64 + 1;
    }
    let next = pointer + pointers.len() as u64;
    let aux_at = next + 8 * (first.args.count + first.env.count + 2) as u64;
    let mut path = first.path.to_vec();
    path.push(0);
    Ok(Built {
        pointer,
        parts: alloc::vec![
            (pointer, pointers),
            (aux_at, auxv.clone()),
            (random_at, front),
            (path_at, path),
        ],
        filling: Filling::new(at, next, first.args.count),
        args: (args_at, env_at),
        env: (env_at, path_at),
        auxv,
    })
}

fn auxv(aux: &[(u32, u64)], random_at: u64, path_at: u64) -> Vec<u8> {
    let more = [
        (linux::AT_RANDOM, random_at),
        (linux::AT_EXECFN, path_at),
        (linux::AT_PLATFORM, random_at + 16),
        (linux::AT_NULL, 0),
    ];
    let mut bytes = Vec::new();
    for (kind, value) in aux.iter().chain(&more) {
        bytes.extend_from_slice(&u64::from(*kind).to_le_bytes());
        bytes.extend_from_slice(&value.to_le_bytes());
    }
    bytes
}

/// How far the strings have been put on the stack, and the pointers to them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Filling {
    /// Where the strings begin, and how many bytes of them are there.
    strings: u64,
    done: usize,
    /// Where the string begins whose end was not seen yet.
    start: u64,
    /// Where the pointer to it goes.
    pointer: u64,
    /// Arguments without pointers yet.
    args: usize,
}

impl Filling {
    fn new(strings: u64, pointer: u64, args: usize) -> Filling {
        Filling {
            strings,
            done: 0,
            start: strings,
            // The word that ends the arguments is zero.
            pointer: pointer + if args == 0 { 8 } else { 0 },
            args,
        }
    }

    /// Bytes that are there.
    pub fn done(&self) -> usize {
        self.done
    }

    /// Where the next bytes go, and the pointers to the strings that end in them.
    pub fn take(&mut self, bytes: &[u8]) -> (u64, Part) {
        let (at, first) = (self.strings + self.done as u64, self.pointer);
        let mut pointers = Vec::new();
        for (index, _) in bytes.iter().enumerate().filter(|(_, byte)| **byte == 0) {
            pointers.extend_from_slice(&self.start.to_le_bytes());
            self.start = at + index as u64 + 1;
            if self.args == 1 {
                pointers.extend_from_slice(&[0; 8]);
            }
            self.args = self.args.saturating_sub(1);
        }
        self.done += bytes.len();
        self.pointer += pointers.len() as u64;
        (at, (first, pointers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::get_u64;
    use std::vec;

    const TOP: u64 = 0x7fff_ffff_0000;

    fn strings(list: &[&str]) -> Vec<Vec<u8>> {
        list.iter().map(|s| s.as_bytes().to_vec()).collect()
    }

    fn packed(list: &[Vec<u8>]) -> (List, Vec<u8>) {
        let bytes: Vec<u8> = list.iter().flat_map(|s| [&s[..], &[0]].concat()).collect();
        let list = List {
            count: list.len(),
            bytes: bytes.len(),
        };
        (list, bytes)
    }

    /// The stack as a program sees it; `piece` bytes of the strings are put there at a time.
    fn written(built: &Built, bytes: &[u8], piece: usize) -> Vec<u8> {
        let mut stack = vec![0; (TOP - built.pointer) as usize];
        let mut put = |at: u64, bytes: &[u8]| {
            let at = (at - built.pointer) as usize;
            stack[at..at + bytes.len()].copy_from_slice(bytes);
        };
        for (at, bytes) in &built.parts {
            put(*at, bytes);
        }
        let mut filling = built.filling;
        for part in bytes.chunks(piece) {
            let (at, pointers) = filling.take(part);
            put(at, part);
            put(pointers.0, &pointers.1);
        }
        stack
    }

    #[test]
    fn a_program_finds_what_it_was_given() {
        for (extra, front) in (0..9).flat_map(|extra| [(extra, 0), (extra, 1), (extra, 3)]) {
            let args = strings(&["/bin/sh", "-c", &"x".repeat(extra)]);
            let env = strings(&["A=1", "PATH=/bin"]);
            let aux = [(linux::AT_PAGESZ, 4096), (linux::AT_UID, 7)];
            let (front, rest) = args.split_at(front);
            let (rest, mut bytes) = packed(rest);
            let (env_list, env_bytes) = packed(&env);
            bytes.extend_from_slice(&env_bytes);
            let first = First {
                front,
                args: rest,
                env: env_list,
                path: b"/bin/busybox",
                random: [9; 16],
                aux: &aux,
            };
            let built = build(TOP, &first).unwrap();
            assert_eq!(built.pointer % 16, 0);
            let stack = written(&built, &bytes, 1 + extra);
            let text = |at: u64| {
                let from = (at - built.pointer) as usize;
                stack[from..].split(|b| *b == 0).next().unwrap()
            };
            let word = |i: usize| get_u64(&stack, i * 8);
            assert_eq!(word(0), 3);
            assert_eq!(text(word(1)), b"/bin/sh");
            assert_eq!(text(word(3)), args[2]);
            assert_eq!(word(4), 0);
            assert_eq!(text(word(5)), b"A=1");
            assert_eq!(text(word(6)), b"PATH=/bin");
            assert_eq!(word(7), 0);
            let mut at = 8;
            let mut found = vec![];
            while word(at) != 0 {
                let value = word(at + 1);
                match word(at) as u32 {
                    linux::AT_RANDOM => {
                        let from = (value - built.pointer) as usize;
                        assert_eq!(stack[from..from + 16], [9; 16]);
                    }
                    linux::AT_EXECFN => assert_eq!(text(value), b"/bin/busybox"),
                    linux::AT_PLATFORM => assert_eq!(text(value), b"x86_64"),
                    kind => found.push((kind, value)),
                }
                at += 2;
            }
            assert_eq!(found, aux);
            assert_eq!(stack[64..][..built.auxv.len()], built.auxv);
            assert_eq!(text(built.args.0), b"/bin/sh");
            assert_eq!(text(built.env.0), b"A=1");
            assert_eq!(built.args.1, built.env.0);
            assert_eq!(built.env.1 - built.env.0, 4 + 10);
        }
    }

    #[test]
    fn too_much_is_refused() {
        let first = First {
            front: &[],
            args: List {
                count: 7,
                bytes: 7 << 20,
            },
            env: List::default(),
            path: b"p",
            random: [0; 16],
            aux: &[],
        };
        assert_eq!(build(TOP, &first).unwrap_err(), Errno::E2BIG);
    }
}
