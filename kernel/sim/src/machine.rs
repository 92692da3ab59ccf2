//! The simulated hardware.

use berth_kernel::machine::log::{History, Record};
use berth_kernel::machine::{Access, FpuArea, Frame, Machine, Mapped, NoTable, PAGE, Port, Space};
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, VecDeque};

/// What the machine consists of.
#[derive(Clone, Debug)]
pub struct Config {
    /// Frames of memory.
    pub frames: u32,
    /// Start of every random choice.
    pub seed: u64,
    /// The kernel's command line.
    pub command_line: String,
    /// The initial file archive.
    pub initrd: Vec<u8>,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            frames: 16384,
            seed: 1,
            command_line: String::new(),
            initrd: Vec::new(),
        }
    }
}

/// The first frame: the numbers below belong to nobody, as on hardware.
const FIRST: u32 = 256;

/// The page tables of one address space. Levels: 1 holds pages (2 MiB of them), 3 is below the
/// root. A table is keyed by its level and the address bits it covers.
#[derive(Default)]
struct Tables {
    pages: BTreeMap<u64, Mapped>,
    tables: BTreeMap<(u8, u64), Frame>,
}

fn table_key(level: u8, addr: u64) -> (u8, u64) {
    (level, addr >> (12 + 9 * u32::from(level)))
}

/// What hardware makes of an access: what can be written or executed can be read.
fn readable(access: Access) -> Access {
    if access.is_empty() {
        access
    } else {
        access | Access::READ
    }
}

/// The machine.
pub struct SimMachine {
    config: Config,
    frames: BTreeMap<Frame, Box<[u8; PAGE as usize]>>,
    spaces: BTreeMap<Space, Tables>,
    fpu: FpuArea,
    random: u64,
    heap_free: usize,
    log: Box<History<64, 4096>>,
    shown: u32,
    /// Monotonic nanoseconds; tests move it on.
    pub time: u64,
    /// What was written to each port.
    pub output: BTreeMap<Port, Vec<u8>>,
    /// What will be read from each port.
    pub input: BTreeMap<Port, VecDeque<u8>>,
    /// Heap bytes left when a trap starts; the kernel tops it up with frames below 1 MiB.
    pub heap_frames: usize,
}

impl SimMachine {
    /// A machine that was just switched on.
    pub fn new(config: Config) -> SimMachine {
        SimMachine {
            random: config.seed ^ 0x9e37_79b9_7f4a_7c15,
            config,
            frames: BTreeMap::new(),
            spaces: BTreeMap::new(),
            fpu: FpuArea::INITIAL,
            heap_free: 16 << 20,
            log: Box::default(),
            shown: 7,
            time: 1_000_000,
            output: BTreeMap::new(),
            input: BTreeMap::new(),
            heap_frames: 0,
        }
    }

    /// The next number of the machine's chance (splitmix64).
    pub fn random(&mut self) -> u64 {
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.random;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A port's output as text.
    pub fn text(&self, port: Port) -> String {
        String::from_utf8_lossy(self.output.get(&port).map_or(&[][..], |v| v)).into_owned()
    }

    /// How many pages are mapped in a space, for invariants.
    pub fn mapped_pages(&self, space: Space) -> usize {
        self.spaces.get(&space).map_or(0, |s| s.pages.len())
    }

    /// Address spaces that hold anything.
    pub fn spaces(&self) -> usize {
        let spaces = self.spaces.values();
        spaces
            .filter(|space| !space.pages.is_empty() || !space.tables.is_empty())
            .count()
    }

    /// Reads user memory through the page tables, as user code does; the address of the first
    /// byte that is not mapped for `access` on failure.
    ///
    /// # Errors
    /// The faulting address.
    pub fn user_read(&self, space: Space, addr: u64, to: &mut [u8]) -> Result<(), u64> {
        for (i, byte) in to.iter_mut().enumerate() {
            let at = addr.wrapping_add(i as u64);
            let page = self
                .query(space, at)
                .filter(|p| p.access.contains(Access::READ))
                .ok_or(at)?;
            *byte = self
                .frames
                .get(&page.frame)
                .map_or(0, |f| f[(at % PAGE) as usize]);
        }
        Ok(())
    }

    /// Writes user memory through the page tables, as user code does.
    ///
    /// # Errors
    /// The faulting address.
    pub fn user_write(&mut self, space: Space, addr: u64, from: &[u8]) -> Result<(), u64> {
        for (i, byte) in from.iter().enumerate() {
            let at = addr.wrapping_add(i as u64);
            let page = self
                .query(space, at)
                .filter(|p| p.access.contains(Access::WRITE))
                .ok_or(at)?;
            self.frame(page.frame)[(at % PAGE) as usize] = *byte;
            if let Some(mapped) = self
                .spaces
                .get_mut(&space)
                .and_then(|s| s.pages.get_mut(&(at / PAGE)))
            {
                mapped.dirty = true;
            }
        }
        Ok(())
    }

    fn frame(&mut self, frame: Frame) -> &mut [u8; PAGE as usize] {
        assert!(
            frame.0 >= FIRST && frame.0 < FIRST + self.config.frames,
            "{frame:?} is not a frame of this machine"
        );
        // Arbitrary content, so that a forgotten zeroing is seen.
        self.frames
            .entry(frame)
            .or_insert_with(|| Box::new([0xa5; PAGE as usize]))
    }

    fn tables(&mut self, space: Space) -> &mut Tables {
        self.spaces
            .get_mut(&space)
            .expect("an address space of this machine")
    }
}

impl Machine for SimMachine {
    fn memory(&mut self) -> Vec<(Frame, Frame)> {
        vec![(Frame(FIRST), Frame(FIRST + self.config.frames))]
    }

    fn read_frame(&mut self, frame: Frame, offset: usize, to: &mut [u8]) {
        to.copy_from_slice(&self.frame(frame)[offset..offset + to.len()]);
    }

    fn write_frame(&mut self, frame: Frame, offset: usize, from: &[u8]) {
        self.frame(frame)[offset..offset + from.len()].copy_from_slice(from);
    }

    fn zero_frame(&mut self, frame: Frame, offset: usize, len: usize) {
        self.frame(frame)[offset..offset + len].fill(0);
    }

    fn copy_frame(&mut self, from: (Frame, usize), to: (Frame, usize), len: usize) {
        assert_ne!(from.0, to.0, "copy_frame is between two frames");
        let bytes = self.frame(from.0)[from.1..from.1 + len].to_vec();
        self.write_frame(to.0, to.1, &bytes);
    }

    fn cas_u32(&mut self, frame: Frame, offset: usize, old: u32, new: u32) -> u32 {
        assert_eq!(offset % 4, 0, "cas_u32 is aligned");
        let mut word = [0; 4];
        self.read_frame(frame, offset, &mut word);
        let found = u32::from_le_bytes(word);
        if found == old {
            self.write_frame(frame, offset, &new.to_le_bytes());
        }
        found
    }

    fn new_space(&mut self, root: Frame) -> Space {
        let space = Space(root);
        self.spaces.insert(space, Tables::default());
        space
    }

    fn tables_missing(&self, space: Space, addr: u64) -> usize {
        let Some(tables) = self.spaces.get(&space) else {
            return 3;
        };
        (1..=3)
            .filter(|&level| !tables.tables.contains_key(&table_key(level, addr)))
            .count()
    }

    fn map(
        &mut self,
        space: Space,
        addr: u64,
        frame: Frame,
        access: Access,
        tables: &mut dyn FnMut() -> Option<Frame>,
    ) -> Result<(), NoTable> {
        assert!(
            addr % PAGE == 0 && addr < 1 << 47,
            "{addr:#x} is not a user page"
        );
        let here = self.tables(space);
        for level in (1..=3).rev() {
            let key = table_key(level, addr);
            if let Entry::Vacant(place) = here.tables.entry(key) {
                place.insert(tables().ok_or(NoTable)?);
            }
        }
        here.pages.insert(
            addr / PAGE,
            Mapped {
                frame,
                access: readable(access),
                dirty: false,
            },
        );
        Ok(())
    }

    fn unmap(&mut self, space: Space, addr: u64) -> Option<Mapped> {
        self.tables(space).pages.remove(&(addr / PAGE))
    }

    fn protect(&mut self, space: Space, addr: u64, access: Access) {
        if let Some(page) = self.tables(space).pages.get_mut(&(addr / PAGE)) {
            page.access = readable(access);
        }
    }

    fn query(&self, space: Space, addr: u64) -> Option<Mapped> {
        self.spaces.get(&space)?.pages.get(&(addr / PAGE)).copied()
    }

    fn next_mapped(&self, space: Space, from: u64, end: u64) -> Option<(u64, Mapped)> {
        let pages = &self.spaces.get(&space)?.pages;
        let (page, mapped) = pages
            .range(from.div_ceil(PAGE)..end.div_ceil(PAGE))
            .next()?;
        Some((page * PAGE, *mapped))
    }

    fn trim_tables(
        &mut self,
        space: Space,
        from: u64,
        end: u64,
        most: usize,
        free: &mut dyn FnMut(Frame),
    ) -> bool {
        let here = self.tables(space);
        let mut empty = Vec::new();
        for &(level, prefix) in here.tables.keys() {
            let shift = 12 + 9 * u32::from(level);
            let (first, last) = (prefix << shift, (prefix + 1) << shift);
            let used = here.pages.range(first / PAGE..last / PAGE).next().is_some();
            if !used && first < end && last > from {
                empty.push((level, prefix));
            }
        }
        // Lower tables first; `level` leads the key, so the order is right already.
        let more = empty.len() > most;
        for key in empty.into_iter().take(most) {
            if let Some(frame) = here.tables.remove(&key) {
                free(frame);
            }
        }
        more
    }

    fn fpu_save(&mut self, to: &mut FpuArea) {
        *to = self.fpu;
    }

    fn fpu_load(&mut self, from: &FpuArea) {
        self.fpu = *from;
    }

    fn hwcap(&self) -> (u64, u64) {
        (0x078b_fbff, 0)
    }

    fn cpuid(&self, leaf: u32, _subleaf: u32) -> [u32; 4] {
        match leaf {
            // "GenuineIntel", of family 6, model 0x55.
            0 => [1, 0x756e_6547, 0x6c65_746e, 0x4965_6e69],
            1 => [0x0005_0657, 0x800, 0, 0x078b_fbff],
            0x8000_0008 => [0x3028, 0, 0, 0],
            _ => [0; 4],
        }
    }

    fn now(&self) -> u64 {
        self.time
    }

    fn wall(&self) -> (u64, u32) {
        (
            1_767_225_600 + self.time / 1_000_000_000,
            (self.time % 1_000_000_000) as u32,
        )
    }

    fn entropy(&mut self, to: &mut [u8]) {
        for byte in to {
            *byte = self.random() as u8;
        }
    }

    fn port_write(&mut self, port: Port, bytes: &[u8]) -> usize {
        self.output
            .entry(port)
            .or_default()
            .extend_from_slice(bytes);
        bytes.len()
    }

    fn port_read(&mut self, port: Port, to: &mut [u8]) -> usize {
        let input = self.input.entry(port).or_default();
        let count = to.len().min(input.len());
        for byte in to.iter_mut().take(count) {
            *byte = input.pop_front().unwrap_or(0);
        }
        count
    }

    fn log_add(&mut self, priority: u32, text: &[u8]) {
        self.log.add(priority, self.time / 1000, text);
    }

    fn log_kept(&self) -> (u64, u64) {
        self.log.kept_numbers()
    }

    fn log_read(&self, number: u64, text: &mut [u8]) -> Option<Record> {
        self.log.read(number, text)
    }

    fn log_shown(&self) -> u32 {
        self.shown
    }

    fn log_show(&mut self, level: u32) {
        self.shown = level;
    }

    fn heap_free(&self) -> usize {
        self.heap_free
    }

    fn heap_grow(&mut self, _frame: Frame) -> bool {
        self.heap_frames += 1;
        self.heap_free += PAGE as usize;
        true
    }

    fn heap_used(&self) -> usize {
        0
    }

    fn command_line(&self) -> &str {
        &self.config.command_line
    }

    fn initrd_len(&self) -> usize {
        self.config.initrd.len()
    }

    fn initrd_read(&self, offset: usize, to: &mut [u8]) -> usize {
        let rest = self.config.initrd.get(offset..).unwrap_or(&[]);
        let count = to.len().min(rest.len());
        to[..count].copy_from_slice(&rest[..count]);
        count
    }

    fn initrd_release(&mut self) -> Vec<(Frame, Frame)> {
        self.config.initrd = Vec::new();
        Vec::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_asked_for_once_and_come_back() {
        let mut m = SimMachine::new(Config::default());
        let space = m.new_space(Frame(FIRST));
        let mut next = FIRST;
        let mut give = || {
            next += 1;
            Some(Frame(next))
        };
        assert_eq!(m.tables_missing(space, 0x40_0000), 3);
        m.map(space, 0x40_0000, Frame(300), Access::READ, &mut give)
            .unwrap();
        assert_eq!(m.tables_missing(space, 0x40_1000), 0);
        m.map(space, 0x7fff_0000_0000, Frame(301), Access::READ, &mut give)
            .unwrap();
        assert_eq!(
            m.next_mapped(space, 0x40_1000, 1 << 47).unwrap().0,
            0x7fff_0000_0000
        );
        m.unmap(space, 0x40_0000).unwrap();
        m.unmap(space, 0x7fff_0000_0000).unwrap();
        let mut back = 0;
        while m.trim_tables(space, 0, 1 << 47, 2, &mut |_| back += 1) {}
        assert_eq!(back, 6);
        assert_eq!(m.spaces(), 0);
    }

    #[test]
    fn user_code_sees_what_is_mapped_and_no_more() {
        let mut m = SimMachine::new(Config::default());
        let space = m.new_space(Frame(FIRST));
        let mut next = FIRST;
        let mut give = || {
            next += 1;
            Some(Frame(next))
        };
        m.map(space, 0x1000, Frame(300), Access::READ, &mut give)
            .unwrap();
        assert_eq!(m.user_write(space, 0x1ffe, b"ab"), Err(0x1ffe));
        m.protect(space, 0x1000, Access::WRITE);
        assert_eq!(m.user_write(space, 0x1ffe, b"abc"), Err(0x2000));
        let mut two = [0; 2];
        m.user_read(space, 0x1ffe, &mut two).unwrap();
        assert_eq!(&two, b"ab");
        assert!(m.query(space, 0x1000).unwrap().dirty);
    }
}
