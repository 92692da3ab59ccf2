//! The machine as the kernel sees it: everything below gathered behind one trait.

use crate::boot::{BootInfo, Memory};
use crate::cpu::features::{self, Features};
use crate::cpu::fpu::Fpu;
use crate::dev::entropy::Entropy;
use crate::dev::{clock, rtc, serial};
use crate::layout::PAGE;
use crate::logger;
use crate::mem::{frames, heap, space};
use crate::ranges::Ranges;
use alloc::string::String;
use alloc::vec::Vec;
use berth_kernel::machine::log::Record;
use berth_kernel::machine::{Access, FpuArea, Frame, Machine, Mapped, NoTable, Port, Space};

/// A PC.
pub struct X86 {
    memory: Memory,
    command_line: String,
    initrd_start: u64,
    initrd_len: usize,
    fpu: Fpu,
    hwcap: (u64, u64),
    entropy: Entropy,
    /// Wall-clock time at the kernel's time zero, in nanoseconds since 1970.
    wall_at_start: u64,
}

/// AT_HWCAP2: user code may use RDFSBASE and its kin.
const HWCAP2_FSGSBASE: u64 = 1 << 1;
const SECOND: u64 = 1_000_000_000;

impl X86 {
    /// Gathers what boot found out.
    pub fn new(info: &BootInfo, memory: Memory, features: &Features) -> Self {
        let wall = rtc::read();
        if wall.is_none() {
            log::warn!(target: "rtc", "the real-time clock holds no date: time starts at 1970-01-01");
        }
        let wall = wall.unwrap_or(0).saturating_mul(SECOND);
        Self {
            memory,
            command_line: String::from(info.command_line.as_str()),
            initrd_start: info.initrd.start,
            initrd_len: info.initrd.len() as usize,
            fpu: Fpu::new(features),
            hwcap: (
                u64::from(features.hwcap),
                if features.fsgsbase() {
                    HWCAP2_FSGSBASE
                } else {
                    0
                },
            ),
            entropy: Entropy::new(wall),
            wall_at_start: wall.saturating_sub(clock::now()),
        }
    }
}

fn frame_ranges<const N: usize>(ranges: Ranges<N>) -> Vec<(Frame, Frame)> {
    let frame = |addr: u64| Frame((addr / PAGE) as u32);
    ranges
        .iter()
        .map(|range| (frame(range.start), frame(range.end)))
        .collect()
}

impl Machine for X86 {
    fn memory(&mut self) -> Vec<(Frame, Frame)> {
        frame_ranges(core::mem::take(&mut self.memory.free))
    }

    fn read_frame(&mut self, frame: Frame, offset: usize, to: &mut [u8]) {
        frames::read(frame, offset, to);
    }

    fn write_frame(&mut self, frame: Frame, offset: usize, from: &[u8]) {
        frames::write(frame, offset, from);
    }

    fn zero_frame(&mut self, frame: Frame, offset: usize, len: usize) {
        frames::zero(frame, offset, len);
    }

    fn copy_frame(&mut self, from: (Frame, usize), to: (Frame, usize), len: usize) {
        frames::copy_between(from, to, len);
    }

    fn cas_u32(&mut self, frame: Frame, offset: usize, old: u32, new: u32) -> u32 {
        frames::cas_u32(frame, offset, old, new)
    }

    fn new_space(&mut self, root: Frame) -> Space {
        space::new(root)
    }

    fn tables_missing(&self, space: Space, addr: u64) -> usize {
        space::tables_missing(space, addr)
    }

    fn map(
        &mut self,
        space: Space,
        addr: u64,
        frame: Frame,
        access: Access,
        tables: &mut dyn FnMut() -> Option<Frame>,
    ) -> Result<(), NoTable> {
        space::map(space, addr, frame, access, tables)
    }

    fn unmap(&mut self, space: Space, addr: u64) -> Option<Mapped> {
        space::unmap(space, addr)
    }

    fn protect(&mut self, space: Space, addr: u64, access: Access) {
        space::protect(space, addr, access);
    }

    fn query(&self, space: Space, addr: u64) -> Option<Mapped> {
        space::query(space, addr)
    }

    fn next_mapped(&self, space: Space, from: u64, end: u64) -> Option<(u64, Mapped)> {
        space::next_mapped(space, from, end)
    }

    fn map_absent(
        &mut self,
        space: Space,
        addr: u64,
        frames: &[Option<Frame>],
        access: Access,
    ) -> u64 {
        space::map_absent(space, addr, frames, access)
    }

    fn unmap_some(
        &mut self,
        space: Space,
        from: u64,
        end: u64,
        most: usize,
        gone: &mut dyn FnMut(u64, Mapped),
    ) -> Option<u64> {
        space::unmap_some(space, from, end, most, gone)
    }

    fn trim_tables(
        &mut self,
        space: Space,
        from: u64,
        end: u64,
        most: usize,
        free: &mut dyn FnMut(Frame),
    ) -> bool {
        space::trim_tables(space, from, end, most, free)
    }

    fn fpu_save(&mut self, to: &mut FpuArea) {
        self.fpu.save(to);
    }

    fn fpu_load(&mut self, from: &FpuArea) {
        self.fpu.load(from);
    }

    fn hwcap(&self) -> (u64, u64) {
        self.hwcap
    }

    fn cpuid(&self, leaf: u32, subleaf: u32) -> [u32; 4] {
        let words = features::cpuid(leaf, subleaf);
        [words.eax, words.ebx, words.ecx, words.edx]
    }

    fn now(&self) -> u64 {
        clock::now()
    }

    fn wall(&self) -> (u64, u32) {
        let nanos = self.wall_at_start.saturating_add(clock::now());
        (nanos / SECOND, (nanos % SECOND) as u32)
    }

    fn entropy(&mut self, to: &mut [u8]) {
        self.entropy.fill(to);
    }

    fn port_write(&mut self, port: Port, bytes: &[u8]) -> usize {
        serial::write(port, bytes)
    }

    fn port_read(&mut self, port: Port, to: &mut [u8]) -> usize {
        serial::read(port, to)
    }

    fn log_add(&mut self, priority: u32, text: &[u8]) {
        logger::add(priority, text);
    }

    fn log_kept(&self) -> (u64, u64) {
        logger::kept_numbers()
    }

    fn log_read(&self, number: u64, text: &mut [u8]) -> Option<Record> {
        logger::read(number, text)
    }

    fn log_shown(&self) -> u32 {
        logger::shown_below()
    }

    fn log_show(&mut self, level: u32) {
        logger::show_below(level);
    }

    fn heap_free(&self) -> usize {
        heap::free()
    }

    fn heap_grow(&mut self, frame: Frame) -> bool {
        heap::grow(frame)
    }

    fn heap_used(&self) -> usize {
        heap::used()
    }

    fn command_line(&self) -> &str {
        &self.command_line
    }

    fn initrd_len(&self) -> usize {
        self.initrd_len
    }

    fn initrd_read(&self, offset: usize, to: &mut [u8]) -> usize {
        let Some(left) = self.initrd_len.checked_sub(offset) else {
            return 0;
        };
        let len = to.len().min(left);
        frames::read_physical(self.initrd_start + offset as u64, &mut to[..len]);
        len
    }

    fn initrd_copy(&mut self, offset: usize, to: Frame, len: usize) -> usize {
        let left = self.initrd_len.saturating_sub(offset);
        let len = len.min(left).min(PAGE as usize);
        let mut done = 0;
        while done < len {
            let at = self.initrd_start + (offset + done) as u64;
            let inside = (at % PAGE) as usize;
            let part = (len - done).min(PAGE as usize - inside);
            frames::copy_between((Frame((at / PAGE) as u32), inside), (to, done), part);
            done += part;
        }
        len
    }

    fn initrd_release(&mut self) -> Vec<(Frame, Frame)> {
        self.initrd_len = 0;
        frame_ranges(core::mem::take(&mut self.memory.initrd))
    }
}
