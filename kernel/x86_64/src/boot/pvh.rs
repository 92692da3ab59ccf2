//! What the loader says about the machine: `struct hvm_start_info`
//! (Xen `public/arch-x86/hvm/start_info.h`, version 1).

use crate::layout::DIRECT;
use crate::ranges::{Range, Ranges};
use core::ptr;
use heapless::String;

/// Pieces of memory that boot can tell apart.
pub const MAX_RANGES: usize = 128;
/// Bytes of command line that are kept.
pub const MAX_COMMAND_LINE: usize = 4096;

/// What boot needs to know of the machine.
pub struct BootInfo {
    /// Whole pages of memory.
    pub ram: Ranges<MAX_RANGES>,
    /// The initial file archive, to the byte; empty if there is none.
    pub initrd: Range,
    /// The kernel's command line.
    pub command_line: String<MAX_COMMAND_LINE>,
}

const MAGIC: u32 = 0x336e_c578;
const TYPE_RAM: u32 = 1;

#[repr(C)]
#[derive(Clone, Copy)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    nr_modules: u32,
    modlist_paddr: u64,
    cmdline_paddr: u64,
    rsdp_paddr: u64,
    memmap_paddr: u64,
    memmap_entries: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct Module {
    paddr: u64,
    size: u64,
    cmdline_paddr: u64,
    reserved: u64,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MemoryMapEntry {
    addr: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// Reads the start information; panics, naming the fault, if it cannot be one.
pub fn read(info: u32) -> BootInfo {
    let start: StartInfo = read_physical(u64::from(info));
    assert!(
        start.magic == MAGIC,
        "the loader gave no PVH start information (found {:#x} at {info:#x})",
        start.magic
    );
    assert!(
        start.version >= 1 && start.memmap_entries > 0,
        "the loader gave no memory map (start information version {})",
        start.version
    );
    BootInfo {
        ram: memory(start.memmap_paddr, start.memmap_entries),
        initrd: initrd(&start),
        command_line: command_line(start.cmdline_paddr),
    }
}

fn memory(map: u64, entries: u32) -> Ranges<MAX_RANGES> {
    let mut ram = Ranges::new();
    // Where the map contradicts itself, what is not memory wins.
    for is_ram in [true, false] {
        for i in 0..u64::from(entries) {
            let entry: MemoryMapEntry = read_physical(map + i * size_of::<MemoryMapEntry>() as u64);
            let range = Range::new(entry.addr, entry.size);
            let done = match (is_ram, entry.kind == TYPE_RAM) {
                (true, true) => ram.insert(range.inward()),
                (false, false) if entry.size > 0 => ram.remove(range.outward()),
                _ => Ok(()),
            };
            assert!(
                done.is_ok(),
                "the memory map has more than {MAX_RANGES} pieces"
            );
        }
    }
    ram
}

fn initrd(start: &StartInfo) -> Range {
    if start.nr_modules == 0 {
        return Range::default();
    }
    let module: Module = read_physical(start.modlist_paddr);
    Range::new(module.paddr, module.size)
}

fn command_line(at: u64) -> String<MAX_COMMAND_LINE> {
    let mut line = String::new();
    if at == 0 {
        return line;
    }
    for offset in 0.. {
        let byte: u8 = read_physical(at + offset);
        if byte == 0 {
            break;
        }
        let room = line.push(char::from(byte));
        assert!(
            room.is_ok(),
            "the command line has more than {MAX_COMMAND_LINE} bytes"
        );
    }
    line
}

/// Copies a value out of physical memory, through the provisional direct map.
fn read_physical<T: Copy>(at: u64) -> T {
    const MAPPED: u64 = 4 << 30;
    assert!(
        at + size_of::<T>() as u64 <= MAPPED,
        "boot information at {at:#x} is out of reach"
    );
    // SAFETY: the provisional tables map the first 4 GiB readable at DIRECT; the types read here
    // are plain numbers, valid whatever the bytes.
    unsafe { ptr::read_unaligned((DIRECT + at) as *const T) }
}
