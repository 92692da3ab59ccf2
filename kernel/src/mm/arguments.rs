//! The arguments and the environment of a program on their way into its memory (execve(2)): in
//! frames of their own, which the group of the program pays for.

use super::buffer::{Buffer, Piece};
use super::turn::{Budget, Step};
use super::{MmId, user};
use crate::Kernel;
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::machine::{Access, Machine, PAGE};
use alloc::vec::Vec;
use core::ffi::CStr;

/// How many strings there are, and how many bytes they take with their NULs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct List {
    /// Strings.
    pub count: usize,
    /// Bytes.
    pub bytes: usize,
}

impl List {
    fn add(&mut self, len: usize) {
        self.count += 1;
        self.bytes += len;
    }
}

/// The strings that a program is given; give them back with [`Arguments::discard`].
#[derive(Debug, Default)]
pub struct Arguments {
    /// The arguments and behind them the environment, each string with its NUL.
    bytes: Buffer,
    args: List,
    env: List,
    /// Bytes of the first of these arguments.
    first: usize,
    /// Arguments before these: what scripts put there.
    front: Vec<Vec<u8>>,
}

impl Arguments {
    /// Of the kernel's own making.
    ///
    /// # Errors
    /// No memory.
    pub fn of(
        k: &mut Kernel,
        m: &mut dyn Machine,
        group: GroupId,
        args: &[Vec<u8>],
        env: &[Vec<u8>],
    ) -> Result<Arguments, Stop> {
        let mut all = Arguments::default();
        for (strings, is_env) in [(args, false), (env, true)] {
            for string in strings {
                let kept = all.append(k, m, group, string);
                if let Err(stop) = kept.and_then(|()| all.append(k, m, group, &[0])) {
                    all.discard(k);
                    return Err(stop);
                }
                all.count(is_env, string.len() + 1);
            }
        }
        Ok(all)
    }

    fn append(
        &mut self,
        k: &mut Kernel,
        m: &mut dyn Machine,
        group: GroupId,
        mut bytes: &[u8],
    ) -> Result<(), Stop> {
        (self.bytes).reserve(&mut k.frames, &mut k.groups, group, bytes.len())?;
        while let Some((frame, within, room)) = self.bytes.tail().filter(|_| !bytes.is_empty()) {
            let (part, rest) = bytes.split_at(room.min(bytes.len()));
            m.write_frame(frame, within, part);
            self.bytes.advance(part.len());
            bytes = rest;
        }
        Ok(())
    }

    /// A string of so many bytes has been appended.
    fn count(&mut self, is_env: bool, len: usize) {
        if is_env {
            self.env.add(len);
            return;
        }
        if self.args.count == 0 {
            self.first = len;
        }
        self.args.add(len);
    }

    /// The program has no name for itself.
    pub fn is_empty(&self) -> bool {
        self.args.count == 0 && self.front.is_empty()
    }

    /// Puts an argument before all others.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn put_first(&mut self, argument: Vec<u8>) -> Result<(), Errno> {
        self.front.try_reserve(1).map_err(|_| Errno::ENOMEM)?;
        self.front.insert(0, argument);
        Ok(())
    }

    /// Puts an argument in the place of the first.
    ///
    /// # Errors
    /// ENOMEM.
    pub fn replace_first(&mut self, k: &mut Kernel, argument: Vec<u8>) -> Result<(), Errno> {
        if let Some(first) = self.front.first_mut() {
            *first = argument;
            return Ok(());
        }
        if self.args.count > 0 {
            (self.bytes).consume(&mut k.frames, &mut k.groups, self.first);
            self.args.count -= 1;
            self.args.bytes -= self.first;
        }
        self.put_first(argument)
    }

    /// The arguments that are not in [`Arguments::piece`].
    pub fn front(&self) -> &[Vec<u8>] {
        &self.front
    }

    /// The arguments behind them, and the environment.
    pub fn lists(&self) -> (List, List) {
        (self.args, self.env)
    }

    /// What is at an offset in their bytes, up to the end of its frame.
    pub fn piece(&self, offset: usize) -> Option<Piece> {
        self.bytes.piece(offset)
    }

    /// Gives the frames back.
    pub fn discard(mut self, k: &mut Kernel) {
        self.bytes.clear(&mut k.frames, &mut k.groups);
    }
}

/// What the arguments and the environment of a program may still take (execve(2), "Limits on size
/// of arguments and environment").
#[derive(Debug)]
pub struct ArgRoom {
    left: usize,
}

impl ArgRoom {
    /// Bytes of all strings and pointers at the most: three quarters of the stack that is usual.
    pub const TOTAL: usize = 6 << 20;
    /// And at the least, however small the stack (ARG_MAX).
    const LEAST: usize = 128 << 10;
    /// Bytes of one string, with its NUL (MAX_ARG_STRLEN).
    pub const STRING: usize = 128 << 10;

    /// A quarter of what the stack may be (RLIMIT_STACK).
    pub fn for_stack(most: u64) -> ArgRoom {
        let quarter = usize::try_from(most / 4).unwrap_or(usize::MAX);
        ArgRoom {
            left: quarter.clamp(Self::LEAST, Self::TOTAL),
        }
    }

    /// Takes what one string of so many bytes, its NUL among them, and the pointer to it need.
    fn take(&mut self, len: usize) -> Result<(), Errno> {
        self.left = self.left.checked_sub(len + 8).ok_or(Errno::E2BIG)?;
        Ok(())
    }
}

/// Strings that are being copied out of a program's memory, in turns.
#[derive(Debug)]
pub struct Copying {
    /// Those that are there.
    pub arguments: Arguments,
    room: ArgRoom,
    /// Where the next pointer is; of the environment, too, once the arguments are there.
    at: u64,
    env: Option<u64>,
    /// The rest of a string, and how much of it is there.
    string: Option<(u64, usize)>,
}

/// Bytes that are looked at together.
const CHUNK: usize = 256;

impl Copying {
    /// Of two vectors of pointers, each ended by a null pointer; a null vector is empty, as Linux
    /// has it.
    pub fn new((argv, envp): (u64, u64), room: ArgRoom) -> Copying {
        Copying {
            arguments: Arguments::default(),
            room,
            at: argv,
            env: Some(envp),
            string: None,
        }
    }

    /// Copies for what is left of a turn; whether all is there.
    ///
    /// # Errors
    /// E2BIG; EFAULT; or no memory.
    pub fn step(
        &mut self,
        k: &mut Kernel,
        m: &mut dyn Machine,
        mm: MmId,
        group: GroupId,
        budget: &mut Budget,
    ) -> Result<bool, Stop> {
        while !budget.is_spent() {
            budget.spend(Step::Chunk);
            if let Some(string) = self.string {
                self.string = self.copy(k, m, mm, group, string)?;
            } else if let Some(pointer) = self.pointer(k, m, mm)? {
                self.string = Some((pointer, 0));
            } else {
                match self.env.take() {
                    Some(env) => self.at = env,
                    None => return Ok(true),
                }
            }
        }
        Ok(false)
    }

    /// The next pointer of the vector.
    fn pointer(
        &mut self,
        k: &mut Kernel,
        m: &mut dyn Machine,
        mm: MmId,
    ) -> Result<Option<u64>, Stop> {
        if self.at == 0 {
            return Ok(None);
        }
        let mut word = [0; 8];
        user::read_of(k, m, mm, self.at, &mut word)?;
        let pointer = u64::from_le_bytes(word);
        self.at = match pointer {
            0 => 0,
            _ => self.at.checked_add(8).ok_or(Errno::EFAULT)?,
        };
        Ok(Some(pointer).filter(|pointer| *pointer != 0))
    }

    /// Copies the next bytes of a string; what is left of it.
    fn copy(
        &mut self,
        k: &mut Kernel,
        m: &mut dyn Machine,
        mm: MmId,
        group: GroupId,
        (at, done): (u64, usize),
    ) -> Result<Option<(u64, usize)>, Stop> {
        let (frame, offset) = user::locate_of(k, m, mm, at, Access::READ)?;
        let mut chunk = [0; CHUNK];
        let len = CHUNK.min(PAGE as usize - offset);
        let chunk = chunk.get_mut(..len).unwrap_or_default();
        m.read_frame(frame, offset, chunk);
        let string = CStr::from_bytes_until_nul(chunk).ok();
        let part = string.map_or(&*chunk, CStr::to_bytes_with_nul);
        let now = done + part.len();
        if now > ArgRoom::STRING {
            return Err(Errno::E2BIG.into());
        }
        self.arguments.append(k, m, group, part)?;
        if string.is_none() {
            return Ok(Some((at.saturating_add(len as u64), now)));
        }
        self.room.take(now)?;
        self.arguments.count(self.env.is_none(), now);
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_have_a_limit() {
        let mut room = ArgRoom::for_stack(8 << 20);
        assert_eq!(room.take((2 << 20) - 8), Ok(()));
        assert_eq!(room.take(1), Err(Errno::E2BIG));
        let left = |most| ArgRoom::for_stack(most).left;
        assert_eq!((left(1 << 20), left(4096)), (256 << 10, 128 << 10));
        assert_eq!(left(u64::MAX), ArgRoom::TOTAL);
    }
}
