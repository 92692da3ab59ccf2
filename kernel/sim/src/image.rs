//! Files that the simulated system starts from: an archive in newc format, and ELF files whose
//! code is a script.

use crate::script::Script;

/// Where the program with an index has its first page.
pub fn base(index: usize) -> u64 {
    0x40_0000 + ((index as u64) << 20)
}

/// Bytes of headers before the first instruction.
pub const HEADERS: u64 = 0x200;

/// Where programs have their data.
pub const DATA: u64 = 0x1000_0000;

/// Bytes of data of each program.
pub const DATA_LEN: u64 = 0x1_0000;

/// The ELF file of a program: one page-aligned segment of code and one of zeroed data.
pub fn elf(index: usize, script: &Script) -> Vec<u8> {
    let len = (HEADERS + script.bytes()).next_multiple_of(4096);
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    let u16s = |file: &mut Vec<u8>, words: &[u16]| {
        file.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    };
    let u32s = |file: &mut Vec<u8>, words: &[u32]| {
        file.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    };
    let u64s = |file: &mut Vec<u8>, words: &[u64]| {
        file.extend(words.iter().flat_map(|w| w.to_le_bytes()));
    };
    // ET_EXEC for x86-64, two program headers behind the ELF header.
    u16s(&mut file, &[2, 62]);
    u32s(&mut file, &[1]);
    u64s(&mut file, &[base(index) + HEADERS, 64, 0]);
    u32s(&mut file, &[0]);
    u16s(&mut file, &[64, 56, 2, 64, 0, 0]);
    // PT_LOAD, readable and executable; PT_LOAD, readable and writable.
    u32s(&mut file, &[1, 5]);
    u64s(&mut file, &[0, base(index), base(index), len, len, 4096]);
    u32s(&mut file, &[1, 6]);
    u64s(&mut file, &[0, DATA, DATA, 0, DATA_LEN, 4096]);
    file.resize(len as usize, 0x90);
    file
}

/// An archive in cpio's newc format of files (path, mode with type, content).
pub fn archive(files: &[(&str, u32, Vec<u8>)]) -> Vec<u8> {
    let mut out = Vec::new();
    for (number, (path, mode, content)) in files.iter().enumerate() {
        entry(&mut out, number + 1, path, *mode, content);
    }
    entry(&mut out, 0, "TRAILER!!!", 0, &[]);
    out
}

fn entry(out: &mut Vec<u8>, ino: usize, path: &str, mode: u32, content: &[u8]) {
    let fields = [
        ino,
        mode as usize,
        0,
        0,
        1,
        0,
        content.len(),
        0,
        0,
        0,
        0,
        path.len() + 1,
        0,
    ];
    out.extend_from_slice(b"070701");
    for field in fields {
        out.extend_from_slice(format!("{field:08X}").as_bytes());
    }
    out.extend_from_slice(path.as_bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(4), 0);
}
