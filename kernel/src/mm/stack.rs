//! The first stack of a program: arguments, environment, auxiliary vector (System V ABI for AMD64,
//! 3.4.1). Pure.

use super::user::ArgRoom;
use crate::error::Errno;
use alloc::vec::Vec;
use core::ops::Range;
use linux_raw_sys::auxvec as linux;

/// What goes on the stack.
pub struct First<'a> {
    /// Arguments, each without NUL.
    pub args: &'a [Vec<u8>],
    /// Environment, each without NUL.
    pub env: &'a [Vec<u8>],
    /// The path it was called by (AT_EXECFN).
    pub path: &'a [u8],
    /// Bytes of chance (AT_RANDOM).
    pub random: [u8; 16],
    /// The rest of the auxiliary vector.
    pub aux: &'a [(u32, u64)],
}

impl First<'_> {
    /// Bytes of all of it.
    pub fn size(&self) -> usize {
        let words = 3 + self.args.len() + self.env.len() + 2 * self.pairs();
        let fixed = self.random.len() + PLATFORM.len();
        (words * 8 + fixed + self.strings()).next_multiple_of(16)
    }

    /// Pairs of the auxiliary vector.
    fn pairs(&self) -> usize {
        self.aux.len() + 4
    }

    /// Bytes from the first argument to the end.
    fn strings(&self) -> usize {
        len_of(self.args) + len_of(self.env) + self.path.len() + 1 + 8
    }
}

fn len_of(strings: &[Vec<u8>]) -> usize {
    strings.iter().map(|s| s.len() + 1).sum()
}

/// A stack, ready to be written.
#[derive(Debug)]
pub struct Built {
    /// Its bytes, which end at the top that was asked for.
    pub bytes: Vec<u8>,
    /// The first stack pointer: where the bytes begin.
    pub pointer: u64,
    /// Where the arguments are: start, end.
    pub args: (u64, u64),
    /// Where the environment is: start, end.
    pub env: (u64, u64),
    /// Where the auxiliary vector is in the bytes.
    aux: Range<usize>,
}

impl Built {
    /// The auxiliary vector.
    pub fn auxv(&self) -> &[u8] {
        self.bytes.get(self.aux.clone()).unwrap_or(&[])
    }
}

/// The name of the processor (AT_PLATFORM).
const PLATFORM: &[u8] = b"x86_64\0";

/// Lays the stack out below `top`, a multiple of 16.
///
/// # Errors
/// E2BIG when it is more than programs may get; ENOMEM.
pub fn build(top: u64, first: &First) -> Result<Built, Errno> {
    let (args_len, env_len) = (len_of(first.args), len_of(first.env));
    // Upwards: pointers, 16 random bytes, the platform, arguments, environment, path, 8 zeros.
    let strings = first.strings();
    let fixed = first.random.len() + PLATFORM.len();
    let size = first.size();
    // Room for a script's interpreter and the auxiliary vector comes on top.
    if size > ArgRoom::TOTAL + ArgRoom::STRING {
        return Err(Errno::E2BIG);
    }
    let pointer = top.checked_sub(size as u64).ok_or(Errno::E2BIG)?;
    let args_at = top - strings as u64;
    let env_at = args_at + args_len as u64;
    let path_at = env_at + env_len as u64;
    let platform_at = args_at - PLATFORM.len() as u64;
    let random_at = platform_at - first.random.len() as u64;
    let mut stack = Stack::with_room(size)?;
    stack.word(first.args.len() as u64);
    stack.pointers(args_at, first.args);
    stack.pointers(env_at, first.env);
    let aux_at = stack.0.len();
    for (kind, value) in first.aux {
        stack.pair(*kind, *value);
    }
    stack.pair(linux::AT_RANDOM, random_at);
    stack.pair(linux::AT_EXECFN, path_at);
    stack.pair(linux::AT_PLATFORM, platform_at);
    stack.pair(linux::AT_NULL, 0);
    let aux = aux_at..stack.0.len();
    stack.0.resize(size - strings - fixed, 0);
    stack.0.extend_from_slice(&first.random);
    stack.0.extend_from_slice(PLATFORM);
    for string in first.args.iter().chain(first.env) {
        stack.string(string);
    }
    stack.string(first.path);
    stack.0.resize(size, 0);
    Ok(Built {
        bytes: stack.0,
        pointer,
        args: (args_at, env_at),
        env: (env_at, path_at),
        aux,
    })
}

struct Stack(Vec<u8>);

impl Stack {
    fn with_room(size: usize) -> Result<Stack, Errno> {
        let mut bytes = Vec::new();
        bytes.try_reserve_exact(size).map_err(|_| Errno::ENOMEM)?;
        Ok(Stack(bytes))
    }

    fn word(&mut self, word: u64) {
        self.0.extend_from_slice(&word.to_le_bytes());
    }

    fn pair(&mut self, kind: u32, value: u64) {
        self.word(u64::from(kind));
        self.word(value);
    }

    fn pointers(&mut self, mut at: u64, strings: &[Vec<u8>]) {
        for string in strings {
            self.word(at);
            at += string.len() as u64 + 1;
        }
        self.word(0);
    }

    fn string(&mut self, string: &[u8]) {
        self.0.extend_from_slice(string);
        self.0.push(0);
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

    fn text(built: &Built, at: u64) -> &[u8] {
        let from = (at - built.pointer) as usize;
        built.bytes[from..].split(|b| *b == 0).next().unwrap()
    }

    #[test]
    fn a_program_finds_what_it_was_given() {
        for extra in 0..9 {
            let args = strings(&["/bin/sh", "-c", &"x".repeat(extra)]);
            let env = strings(&["A=1", "PATH=/bin"]);
            let aux = [(linux::AT_PAGESZ, 4096), (linux::AT_UID, 7)];
            let first = First {
                args: &args,
                env: &env,
                path: b"/bin/busybox",
                random: [9; 16],
                aux: &aux,
            };
            let built = build(TOP, &first).unwrap();
            assert_eq!(built.pointer % 16, 0);
            assert_eq!(built.pointer + built.bytes.len() as u64, TOP);
            let word = |i: usize| get_u64(&built.bytes, i * 8);
            assert_eq!(word(0), 3);
            assert_eq!(text(&built, word(1)), b"/bin/sh");
            assert_eq!(text(&built, word(3)), args[2]);
            assert_eq!(word(4), 0);
            assert_eq!(text(&built, word(6)), b"PATH=/bin");
            assert_eq!(word(7), 0);
            let mut at = 8;
            let mut found = vec![];
            while word(at) != 0 {
                let value = word(at + 1);
                match word(at) as u32 {
                    linux::AT_RANDOM => {
                        let from = (value - built.pointer) as usize;
                        assert_eq!(built.bytes[from..from + 16], [9; 16]);
                    }
                    linux::AT_EXECFN => assert_eq!(text(&built, value), b"/bin/busybox"),
                    linux::AT_PLATFORM => assert_eq!(text(&built, value), b"x86_64"),
                    kind => found.push((kind, value)),
                }
                at += 2;
            }
            assert_eq!(found, aux);
            assert_eq!(text(&built, built.args.0), b"/bin/sh");
            assert_eq!(text(&built, built.env.0), b"A=1");
            assert_eq!(built.args.1, built.env.0);
            assert_eq!(built.env.1 - built.env.0, 4 + 10);
        }
    }

    #[test]
    fn too_much_is_refused() {
        let args = vec![vec![b'x'; 1 << 20]; 7];
        let first = First {
            args: &args,
            env: &[],
            path: b"p",
            random: [0; 16],
            aux: &[],
        };
        assert_eq!(build(TOP, &first).unwrap_err(), Errno::E2BIG);
    }
}
