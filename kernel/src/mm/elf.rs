//! What an ELF file says about the program in it (elf(5), the System V ABI for AMD64). Pure: bytes
//! in, a checked plan out. Numbers of the file are believed only after they were checked.

use super::area::FLOOR;
use crate::error::Errno;
use crate::machine::{Access, PAGE, USER_END};
use ::elf::abi;
use ::elf::endian::LittleEndian;
use ::elf::file::{Class, FileHeader, parse_ident};
use ::elf::segment::SegmentTable;
use alloc::vec::Vec;

/// Bytes of the file header.
pub const HEADER: usize = 64;

/// Bytes of one program header (AT_PHENT).
pub const ENTRY: u64 = 56;

/// Bytes of the path of an interpreter at the most, with its NUL (PATH_MAX).
const INTERPRETER_MAX: u64 = 4096;

/// What the file header says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Can be put anywhere (ET_DYN), else its addresses are fixed (ET_EXEC).
    pub dynamic: bool,
    /// First instruction.
    pub entry: u64,
    /// Where the program headers are in the file.
    pub table: u64,
    /// How many there are.
    pub count: u16,
}

impl Header {
    /// Bytes of the program headers.
    pub fn table_len(&self) -> usize {
        usize::from(self.count) * ENTRY as usize
    }
}

/// Reads the file header.
///
/// # Errors
/// ENOEXEC for anything but a little-endian 64-bit ELF program for x86-64.
pub fn header(bytes: &[u8]) -> Result<Header, Errno> {
    let ident_bytes = bytes.get(..16).ok_or(Errno::ENOEXEC)?;
    let ident = parse_ident::<LittleEndian>(ident_bytes).map_err(|_| Errno::ENOEXEC)?;
    let tail = bytes.get(16..HEADER).ok_or(Errno::ENOEXEC)?;
    let file = FileHeader::parse_tail(ident, tail).map_err(|_| Errno::ENOEXEC)?;
    let dynamic = match file.e_type {
        abi::ET_EXEC => false,
        abi::ET_DYN => true,
        _ => return Err(Errno::ENOEXEC),
    };
    let fits = file.class == Class::ELF64
        && file.e_machine == abi::EM_X86_64
        && u64::from(file.e_phentsize) == ENTRY
        && file.e_phnum > 0
        // As Linux: all program headers in 64 KiB.
        && usize::from(file.e_phnum) * ENTRY as usize <= 65536;
    if !fits {
        return Err(Errno::ENOEXEC);
    }
    Ok(Header {
        dynamic,
        entry: file.e_entry,
        table: file.e_phoff,
        count: file.e_phnum,
    })
}

/// A part of the file that is mapped, and the zeros behind it. Addresses are the file's own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Segment {
    /// First address, a multiple of the page size.
    pub start: u64,
    /// First address behind what comes from the file; equal to `start` if nothing does.
    pub file_end: u64,
    /// First address behind the pages of the segment, a multiple of the page size.
    pub end: u64,
    /// The file's page at `start`.
    pub first: u64,
    /// Zeros follow what comes from the file.
    pub zeros: bool,
    /// What the program may do.
    pub access: Access,
}

impl Segment {
    /// First address behind the pages that come from the file.
    pub fn pages_end(&self) -> u64 {
        self.file_end.next_multiple_of(PAGE)
    }
}

/// How to load a program.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// Can be put anywhere.
    pub dynamic: bool,
    /// First instruction.
    pub entry: u64,
    /// Ascending, without overlaps; at least one.
    pub segments: Vec<Segment>,
    /// The largest alignment that a segment asks for, a power of two of at least a page.
    pub align: u64,
    /// Where the program headers are in memory (AT_PHDR); 0 if they are not.
    pub headers: u64,
    /// How many there are.
    pub count: u16,
    /// The path of its interpreter: offset and length in the file, NUL included.
    pub interpreter: Option<(u64, u64)>,
    /// The stack shall be executable (PT_GNU_STACK).
    pub exec_stack: bool,
}

impl Plan {
    /// First and last address of all segments.
    pub fn span(&self) -> (u64, u64) {
        let start = self.segments.first().map_or(0, |s| s.start);
        let end = self.segments.last().map_or(0, |s| s.end);
        (start, end)
    }
}

/// Checks the program headers of a file of `file_len` bytes.
///
/// # Errors
/// ENOEXEC for damage: numbers that overflow, parts outside of the file or of the programs' half,
/// overlaps, a segment that cannot be mapped by pages, no segment at all.
pub fn plan(header: &Header, table: &[u8], file_len: u64) -> Result<Plan, Errno> {
    let mut plan = Plan {
        dynamic: header.dynamic,
        entry: header.entry,
        segments: Vec::new(),
        align: PAGE,
        headers: 0,
        count: header.count,
        interpreter: None,
        exec_stack: false,
    };
    let entries = SegmentTable::new(LittleEndian, Class::ELF64, table);
    for index in 0..usize::from(header.count) {
        let entry = entries.get(index).map_err(|_| Errno::ENOEXEC)?;
        let file_end = entry.p_offset.checked_add(entry.p_filesz);
        match entry.p_type {
            abi::PT_LOAD if entry.p_memsz > 0 => {
                let (first, last) = plan.add(&entry, file_len)?;
                if (first..last).contains(&header.table) {
                    plan.headers = header.table - first + entry.p_vaddr;
                }
            }
            abi::PT_INTERP if plan.interpreter.is_none() => {
                let fits = (2..=INTERPRETER_MAX).contains(&entry.p_filesz)
                    && file_end.is_some_and(|end| end <= file_len);
                if !fits {
                    return Err(Errno::ENOEXEC);
                }
                plan.interpreter = Some((entry.p_offset, entry.p_filesz));
            }
            abi::PT_GNU_STACK => plan.exec_stack = entry.p_flags & abi::PF_X != 0,
            _ => {}
        }
    }
    if plan.segments.is_empty() {
        return Err(Errno::ENOEXEC);
    }
    Ok(plan)
}

impl Plan {
    /// Adds a PT_LOAD segment; returns which part of the file it maps.
    fn add(
        &mut self,
        entry: &::elf::segment::ProgramHeader,
        file_len: u64,
    ) -> Result<(u64, u64), Errno> {
        let file_end = entry.p_offset.checked_add(entry.p_filesz);
        let memory_end = entry.p_vaddr.checked_add(entry.p_memsz);
        let (Some(file_end), Some(memory_end)) = (file_end, memory_end) else {
            return Err(Errno::ENOEXEC);
        };
        let lowest = if self.dynamic { 0 } else { FLOOR };
        let before = self.segments.last().map_or(lowest, |s| s.end);
        let start = entry.p_vaddr - entry.p_vaddr % PAGE;
        let fits = entry.p_filesz <= entry.p_memsz
            && file_end <= file_len
            && memory_end <= USER_END
            && start >= before
            && (entry.p_filesz == 0 || entry.p_vaddr % PAGE == entry.p_offset % PAGE);
        if !fits {
            return Err(Errno::ENOEXEC);
        }
        if entry.p_align.is_power_of_two() {
            self.align = self.align.max(entry.p_align.min(1 << 30));
        }
        self.segments.push(Segment {
            start,
            file_end: if entry.p_filesz == 0 {
                start
            } else {
                entry.p_vaddr + entry.p_filesz
            },
            end: memory_end.next_multiple_of(PAGE),
            first: entry.p_offset / PAGE,
            zeros: entry.p_memsz > entry.p_filesz,
            access: access(entry.p_flags),
        });
        Ok((entry.p_offset, file_end))
    }
}

fn access(flags: u32) -> Access {
    let mut access = Access::empty();
    for (flag, bit) in [
        (abi::PF_R, Access::READ),
        (abi::PF_W, Access::WRITE),
        (abi::PF_X, Access::EXEC),
    ] {
        if flags & flag != 0 {
            access |= bit;
        }
    }
    access
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Copy)]
    struct Entry {
        kind: u32,
        flags: u32,
        offset: u64,
        addr: u64,
        file: u64,
        memory: u64,
        align: u64,
    }

    const TEXT: Entry = Entry {
        kind: abi::PT_LOAD,
        flags: 5,
        offset: 0,
        addr: 0x40_0000,
        file: 0x1800,
        memory: 0x1800,
        align: 0x1000,
    };
    const DATA: Entry = Entry {
        kind: abi::PT_LOAD,
        flags: 6,
        offset: 0x1ff0,
        addr: 0x40_2ff0,
        file: 0x20,
        memory: 0x2000,
        align: 0x1000,
    };
    const FILE: u64 = 0x3000;

    fn file(kind: u16, entries: &[Entry]) -> (Vec<u8>, Vec<u8>) {
        let mut head = Vec::from(*b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
        for half in [kind, abi::EM_X86_64] {
            head.extend(half.to_le_bytes());
        }
        head.extend(1u32.to_le_bytes());
        for word in [0x40_0100u64, 64, 0] {
            head.extend(word.to_le_bytes());
        }
        head.extend(0u32.to_le_bytes());
        for half in [64, 56, entries.len() as u16, 64, 0, 0] {
            head.extend(half.to_le_bytes());
        }
        let mut table = Vec::new();
        for e in entries {
            table.extend(e.kind.to_le_bytes());
            table.extend(e.flags.to_le_bytes());
            for word in [e.offset, e.addr, e.addr, e.file, e.memory, e.align] {
                table.extend(word.to_le_bytes());
            }
        }
        (head, table)
    }

    fn planned(kind: u16, entries: &[Entry]) -> Result<Plan, Errno> {
        let (head, table) = file(kind, entries);
        plan(&header(&head)?, &table, FILE)
    }

    #[test]
    fn a_static_program_is_planned() {
        let stack = Entry {
            kind: abi::PT_GNU_STACK,
            flags: 6,
            ..TEXT
        };
        let plan = planned(abi::ET_EXEC, &[TEXT, DATA, stack]).unwrap();
        assert!(!plan.dynamic && !plan.exec_stack && plan.interpreter.is_none());
        assert_eq!((plan.entry, plan.headers), (0x40_0100, 0x40_0040));
        assert_eq!(plan.span(), (0x40_0000, 0x40_5000));
        let data = plan.segments[1];
        assert_eq!((data.start, data.first), (0x40_2000, 1));
        assert_eq!((data.file_end, data.pages_end()), (0x40_3010, 0x40_4000));
        assert_eq!(data.access, Access::READ | Access::WRITE);
        assert!(data.zeros && !plan.segments[0].zeros);
    }

    #[test]
    fn damage_is_refused() {
        let broken = |change: fn(&mut Entry)| {
            let mut data = DATA;
            change(&mut data);
            planned(abi::ET_EXEC, &[TEXT, data])
        };
        let changes: [fn(&mut Entry); 10] = [
            |e| e.file = e.memory + 1,
            |e| e.memory = u64::MAX,
            |e| e.offset = u64::MAX - 8,
            |e| e.offset = FILE,
            |e| e.addr += 1,
            |e| e.addr = 0x40_0ff0,
            |e| e.addr = USER_END - 0x10,
            |e| e.addr = u64::MAX - 0x10f,
            |e| e.kind = abi::PT_INTERP,
            |e| (e.offset, e.addr) = (0xff0, 0xff0),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            let mut data = DATA;
            change(&mut data);
            if data.kind == abi::PT_INTERP {
                data.file = 0;
                assert!(planned(abi::ET_EXEC, &[TEXT, data]).is_err());
            } else {
                assert_eq!(broken(change), Err(Errno::ENOEXEC), "change {number}");
            }
        }
        assert_eq!(planned(abi::ET_EXEC, &[]), Err(Errno::ENOEXEC));
        assert_eq!(planned(abi::ET_REL, &[TEXT]), Err(Errno::ENOEXEC));
        let (head, table) = file(abi::ET_EXEC, &[TEXT, DATA]);
        let short = plan(&header(&head).unwrap(), &table[..60], FILE);
        assert_eq!(short, Err(Errno::ENOEXEC));
    }

    #[test]
    fn no_bytes_panic() {
        let (head, table) = file(abi::ET_DYN, &[TEXT, DATA]);
        for at in 0..head.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = head.clone();
                bytes[at] = value;
                if let Ok(header) = header(&bytes) {
                    let _ = plan(&header, &table, FILE);
                }
                assert!(at > 3 || header(&bytes[..at]).is_err());
            }
        }
        let good = header(&head).unwrap();
        for at in 0..table.len() {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut bytes = table.clone();
                bytes[at] = value;
                if let Ok(plan) = plan(&good, &bytes, FILE) {
                    let mut before = 0;
                    for s in &plan.segments {
                        assert!(before <= s.start && s.start < s.end && s.end <= USER_END);
                        assert!(s.start <= s.file_end && s.pages_end() <= s.end);
                        before = s.end;
                    }
                }
            }
        }
    }
}
