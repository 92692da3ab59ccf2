//! The machine's memory: what boot takes of it, and the kernel's final page tables.

use super::pvh::{BootInfo, MAX_RANGES};
use crate::cpu::features::Features;
use crate::cpu::stacks::KERNEL_STACKS;
use crate::layout::{DEVICES, DIRECT, DIRECT_BYTES, HEAP, IMAGE, PAGE};
use crate::mem::{heap, kernel_map, space};
use crate::ranges::{Range, Ranges, TooManyRanges};
use berth_kernel::machine::{Frame, Space};

/// Memory that boot leaves to the kernel.
pub struct Memory {
    /// Free from the start.
    pub free: Ranges<MAX_RANGES>,
    /// The pages of the initial file archive.
    pub initrd: Ranges<MAX_RANGES>,
}

/// Firmware and loaders keep things below.
const LOW_END: u64 = 1 << 20;
/// What the provisional page tables reach.
const PROVISIONAL_END: u64 = 4 << 30;
/// The heap at the start: this much,
const HEAP_BASE_BYTES: u64 = 1 << 20;
/// and this much for each frame up to the highest, for the kernel's record of them.
const HEAP_BYTES_PER_FRAME: u64 = 24;
const LARGE_PAGE: u64 = 2 << 20;

/// Bounds of the image's segments.
struct Image {
    start: u64,
    text_end: u64,
    rodata_end: u64,
    end: u64,
}

impl Image {
    fn new() -> Self {
        // SAFETY: the linker script defines these; only their addresses are used.
        unsafe extern "C" {
            static __image_start: u8;
            static __text_end: u8;
            static __rodata_end: u8;
            static __image_end: u8;
        }
        Self {
            start: (&raw const __image_start) as u64,
            text_end: (&raw const __text_end) as u64,
            rodata_end: (&raw const __rodata_end) as u64,
            end: (&raw const __image_end) as u64,
        }
    }

    fn physical(&self) -> Range {
        Range {
            start: self.start - IMAGE,
            end: self.end - IMAGE,
        }
    }
}

/// Takes memory for the heap and the page tables, loads these, and starts the heap.
pub fn init(info: &BootInfo, features: &Features) -> Memory {
    match take(info, features) {
        Ok(memory) => memory,
        Err(TooManyRanges) => panic!("the memory map has more than {MAX_RANGES} pieces"),
    }
}

fn take(info: &BootInfo, features: &Features) -> Result<Memory, TooManyRanges> {
    let image = Image::new();
    let mut ram = info.ram.clone();
    ram.remove(Range {
        start: DIRECT_BYTES,
        end: u64::MAX,
    })?;
    ram.remove(image.physical())?;

    let mut free = ram.clone();
    free.remove(Range {
        start: 0,
        end: LOW_END,
    })?;
    let mut initrd = free.clone();
    let archive = info.initrd.outward();
    initrd.remove(Range {
        start: 0,
        end: archive.start,
    })?;
    initrd.remove(Range {
        start: archive.end,
        end: u64::MAX,
    })?;
    free.remove(archive)?;

    // The kernel's record of frames goes by number, over the gaps between pieces of memory too.
    let highest = free.iter().last().map_or(0, |range| range.end / PAGE);
    let heap_len = (HEAP_BASE_BYTES + highest * HEAP_BYTES_PER_FRAME).next_multiple_of(PAGE);
    let room = largest_reachable(&free);
    let aligned = room.start.next_multiple_of(LARGE_PAGE);
    let heap_start = if aligned + heap_len + LARGE_PAGE < room.end {
        aligned
    } else {
        room.start
    };
    let heap_range = Range::new(heap_start, heap_len);
    let mut tables = Tables {
        next: heap_range.end,
        end: room.end,
    };
    let first = tables.next;

    let root = tables.frame();
    let mut frames = || tables.frame();
    let largest = if features.huge_pages { 3 } else { 2 };
    for range in ram.iter() {
        kernel_map::map(
            root,
            DIRECT + range.start,
            range.start,
            range.len(),
            kernel_map::DATA,
            largest,
            &mut frames,
        );
    }
    kernel_map::map(
        root,
        HEAP,
        heap_start,
        heap_len,
        kernel_map::DATA,
        2,
        &mut frames,
    );
    map_image(root, &image, &mut frames);
    kernel_map::table_for(root, DEVICES, 1, &mut frames);
    free.remove(heap_range)?;
    free.remove(Range {
        start: first,
        end: tables.next,
    })?;

    kernel_map::set_root(root);
    space::activate(Space(root));
    heap::init(heap_len);
    Ok(Memory { free, initrd })
}

/// The largest piece of free memory that the provisional tables reach.
fn largest_reachable(free: &Ranges<MAX_RANGES>) -> Range {
    let reachable = |range: Range| Range {
        end: range.end.min(PROVISIONAL_END),
        ..range
    };
    free.iter()
        .map(reachable)
        .max_by_key(|range| range.len())
        .unwrap_or_default()
}

/// Maps the image, each segment with its own rights and the guard pages not at all.
fn map_image(root: Frame, image: &Image, frames: &mut dyn FnMut() -> Frame) {
    let mut map = |start: u64, end: u64, flags| {
        kernel_map::map(root, start, start - IMAGE, end - start, flags, 1, frames);
    };
    map(image.start, image.text_end, kernel_map::CODE);
    map(image.text_end, image.rodata_end, kernel_map::CONSTANTS);
    let mut start = image.rodata_end;
    for (guard, _) in KERNEL_STACKS.all() {
        map(start, guard, kernel_map::DATA);
        start = guard + PAGE;
    }
    map(start, image.end, kernel_map::DATA);
}

/// Frames for page tables, from below.
struct Tables {
    next: u64,
    end: u64,
}

impl Tables {
    fn frame(&mut self) -> Frame {
        assert!(self.next < self.end, "not enough memory to boot");
        let frame = Frame((self.next / PAGE) as u32);
        self.next += PAGE;
        kernel_map::clear(frame);
        frame
    }
}
