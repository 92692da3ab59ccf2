//! Address spaces over the simulated machine: faults, copies on write, forks, ends.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

use berth_kernel::Kernel;
use berth_kernel::arena::{Held, forgive};
use berth_kernel::machine::{Access, Machine, PAGE, Space};
use berth_kernel::mm::area::{Area, AreaFlags, Backing, Source};
use berth_kernel::mm::turn::Budget;
use berth_kernel::mm::{self, Fault, MmId, range, user};
use berth_sim::{Config, SimMachine};

const RW: Access = Access::READ.union(Access::WRITE);
const BASE: u64 = 0x4000_0000;

struct Bench {
    k: Kernel,
    m: SimMachine,
    free: usize,
    memory: u64,
}

impl Bench {
    fn new() -> Bench {
        Bench::with(Config::default())
    }

    fn with(config: Config) -> Bench {
        let mut m = SimMachine::new(config);
        let k = Kernel::new(&mut m);
        let free = k.frames.free();
        let memory = k.groups.usage(k.groups.root()).memory;
        Bench { k, m, free, memory }
    }

    fn space(&mut self) -> Held<MmId> {
        let root = self.k.groups.root();
        mm::create(&mut self.k, &mut self.m, root).unwrap()
    }

    fn map(&mut self, mm: &Held<MmId>, area: Area) {
        mm::room_to_map(&mut self.k, mm.key()).unwrap();
        mm::insert(&mut self.k, mm.key(), area).unwrap();
    }

    fn tables(&self, mm: &Held<MmId>) -> Space {
        self.k.spaces.get(mm.key()).unwrap().space
    }

    /// Writes as a program does: with faults.
    fn write(&mut self, mm: &Held<MmId>, addr: u64, bytes: &[u8]) -> Result<(), Fault> {
        let space = self.tables(mm);
        while let Err(at) = self.m.user_write(space, addr, bytes) {
            mm::fault(&mut self.k, &mut self.m, mm.key(), at, Access::WRITE)?;
        }
        Ok(())
    }

    /// Reads as a program does.
    fn read(&mut self, mm: &Held<MmId>, addr: u64, len: usize) -> Result<Vec<u8>, Fault> {
        let space = self.tables(mm);
        let mut bytes = vec![0; len];
        while let Err(at) = self.m.user_read(space, addr, &mut bytes) {
            mm::fault(&mut self.k, &mut self.m, mm.key(), at, Access::READ)?;
        }
        Ok(bytes)
    }

    /// A turn of unmapping; where to go on.
    fn unmap(&mut self, mm: &Held<MmId>, start: u64, end: u64) -> Option<u64> {
        let mut turn = Budget::new();
        range::unmap(&mut self.k, &mut self.m, mm.key(), (start, end), &mut turn)
    }

    fn work(&mut self) -> usize {
        let mut slices = 0;
        while let Some(job) = self.k.work.take() {
            let berth_kernel::work::Job::Space(job) = job else {
                panic!("only memory ends here");
            };
            if let Some(rest) = mm::teardown_step(&mut self.k, &mut self.m, job) {
                self.k.work.put_back(berth_kernel::work::Job::Space(rest));
            }
            slices += 1;
        }
        slices
    }

    /// Nothing is left behind.
    fn end(mut self, spaces: impl IntoIterator<Item = Held<MmId>>) {
        for mm in spaces {
            mm::release(&mut self.k, mm);
        }
        self.work();
        assert_eq!(self.k.frames.free(), self.free, "frames were lost");
        let root = self.k.groups.root();
        assert_eq!(self.k.groups.usage(root).memory, self.memory);
        assert_eq!(self.m.spaces(), 0);
        assert_eq!((self.k.spaces.len(), self.k.spaces.objects()), (0, 0));
        forgive(self.k);
    }
}

fn zero(pages: u64) -> Area {
    Area::zero(BASE, BASE + pages * PAGE, RW)
}

#[test]
fn pages_come_zeroed_at_the_first_touch() {
    let mut b = Bench::new();
    let mm = b.space();
    b.map(&mm, zero(100));
    assert_eq!(b.k.spaces.get(mm.key()).unwrap().resident.all(), 0);
    assert_eq!(b.read(&mm, BASE + 5, 3).unwrap(), [0; 3]);
    b.write(&mm, BASE + PAGE - 1, b"xy").unwrap();
    assert_eq!(b.read(&mm, BASE + PAGE - 2, 4).unwrap(), *b"\0xy\0");
    assert_eq!(b.k.spaces.get(mm.key()).unwrap().resident.all(), 2);
    assert!(matches!(b.read(&mm, BASE - 1, 1), Err(Fault::NotMapped)));
    assert!(matches!(
        b.read(&mm, BASE + 100 * PAGE, 1),
        Err(Fault::NotMapped)
    ));
    b.end([mm]);
}

#[test]
fn protection_is_kept_and_content_survives_it() {
    let mut b = Bench::new();
    let mm = b.space();
    b.map(&mm, zero(4));
    b.write(&mm, BASE, b"kept").unwrap();
    for (access, reads, writes) in [
        (Access::READ, true, false),
        (Access::empty(), false, false),
        (Access::WRITE, true, true),
        (RW, true, true),
    ] {
        let whole = (BASE, BASE + 4 * PAGE);
        let mut turn = Budget::new();
        assert_eq!(
            range::protect(&mut b.k, &mut b.m, mm.key(), whole, access, &mut turn),
            None
        );
        // One page is there, the other is not.
        for at in [BASE, BASE + 2 * PAGE] {
            let read = b.read(&mm, at, 4);
            assert_eq!(read.is_ok(), reads, "{access:?}");
            let write = b.write(&mm, at + 8, b"w");
            assert_eq!(write.is_ok(), writes, "{access:?}");
            assert!(reads || matches!(read, Err(Fault::Forbidden)));
        }
    }
    assert_eq!(b.read(&mm, BASE, 4).unwrap(), b"kept");
    let run = mm::fault(&mut b.k, &mut b.m, mm.key(), BASE, Access::EXEC);
    assert!(matches!(run, Err(Fault::Forbidden)));
    b.end([mm]);
}

#[test]
fn forks_see_what_was_and_not_what_comes() {
    let mut b = Bench::new();
    let parent = b.space();
    b.map(&parent, zero(8));
    b.write(&parent, BASE, b"before").unwrap();
    b.write(&parent, BASE + 3 * PAGE, b"also").unwrap();
    let used = b.k.frames.free();
    let root = b.k.groups.root();
    let child = mm::duplicate(&mut b.k, &mut b.m, parent.key(), root).unwrap();
    // A root and three tables; no page.
    assert_eq!(used - b.k.frames.free(), 4);
    b.write(&parent, BASE, b"parent").unwrap();
    assert_eq!(b.read(&child, BASE, 6).unwrap(), b"before");
    b.write(&child, BASE, b"child!").unwrap();
    assert_eq!(b.read(&parent, BASE, 6).unwrap(), b"parent");
    assert_eq!(b.read(&child, BASE + 3 * PAGE, 4).unwrap(), b"also");
    // Only one page was copied: the child was the last owner of the other.
    assert_eq!(used - b.k.frames.free(), 5);
    let grandchild = mm::duplicate(&mut b.k, &mut b.m, child.key(), root).unwrap();
    mm::release(&mut b.k, child);
    b.work();
    b.write(&grandchild, BASE, b"grand!").unwrap();
    b.write(&grandchild, BASE + 7 * PAGE, b"new").unwrap();
    assert_eq!(b.read(&parent, BASE + 7 * PAGE, 3).unwrap(), [0; 3]);
    b.end([parent, grandchild]);
}

#[test]
fn shared_memory_is_shared_by_forks() {
    let mut b = Bench::new();
    let parent = b.space();
    let root = b.k.groups.root();
    let object = mm::create_object(&mut b.k, root, 2).unwrap();
    let mut area = zero(3);
    area.backing = Backing::Pages {
        source: Source::Object(object.key()),
        first: 0,
        shared: true,
    };
    b.map(&parent, area);
    mm::release_object(&mut b.k, object);
    b.write(&parent, BASE, b"one").unwrap();
    let child = mm::duplicate(&mut b.k, &mut b.m, parent.key(), root).unwrap();
    assert_eq!(b.read(&child, BASE, 3).unwrap(), b"one");
    b.write(&child, BASE + PAGE, b"two").unwrap();
    assert_eq!(b.read(&parent, BASE + PAGE, 3).unwrap(), b"two");
    assert!(matches!(
        b.read(&parent, BASE + 2 * PAGE, 1),
        Err(Fault::BehindEnd)
    ));
    assert_eq!(b.k.spaces.objects(), 1);
    b.end([parent, child]);
}

#[test]
fn stacks_grow_and_nothing_else_does() {
    let mut b = Bench::new();
    let mm = b.space();
    let top = BASE + 1000 * PAGE;
    let mut stack = Area::zero(top - PAGE, top, RW);
    stack.flags = AreaFlags::GROWS_DOWN;
    b.map(&mm, stack);
    b.write(&mm, top - 3 * PAGE, b"deep").unwrap();
    b.write(&mm, top - 64 * PAGE, b"deepest").unwrap();
    assert!(matches!(b.write(&mm, top, b"x"), Err(Fault::NotMapped)));
    b.end([mm]);
}

#[test]
fn wiped_and_unforked_memory_stays_with_the_parent() {
    let mut b = Bench::new();
    let parent = b.space();
    b.map(&parent, zero(3));
    b.write(&parent, BASE, &[7; 3 * PAGE as usize]).unwrap();
    let areas = &mut b.k.spaces.get_mut(parent.key()).unwrap().areas;
    areas.change(BASE, BASE + PAGE, |a| a.flags |= AreaFlags::DONT_FORK);
    areas.change(BASE + PAGE, BASE + 2 * PAGE, |a| {
        a.flags |= AreaFlags::WIPE_ON_FORK;
    });
    let root = b.k.groups.root();
    let child = mm::duplicate(&mut b.k, &mut b.m, parent.key(), root).unwrap();
    assert!(matches!(b.read(&child, BASE, 1), Err(Fault::NotMapped)));
    assert_eq!(b.read(&child, BASE + PAGE, 1).unwrap(), [0]);
    assert_eq!(b.read(&child, BASE + 2 * PAGE, 1).unwrap(), [7]);
    b.end([parent, child]);
}

#[test]
fn without_memory_nothing_is_lost_and_trying_again_works() {
    for frames in 8..60 {
        let mut b = Bench::with(Config {
            frames,
            ..Config::default()
        });
        let parent = b.space();
        b.map(&parent, zero(32));
        let mut written = 0;
        while written < 16 {
            match b.write(&parent, BASE + written * PAGE, b"page") {
                Ok(()) => written += 1,
                Err(Fault::NoMem(_)) => break,
                Err(other) => panic!("{other:?}"),
            }
        }
        let root = b.k.groups.root();
        let child = mm::duplicate(&mut b.k, &mut b.m, parent.key(), root).ok();
        b.work();
        for page in 0..written {
            match b.write(&parent, BASE + page * PAGE, b"more") {
                Ok(()) | Err(Fault::NoMem(_)) => {}
                Err(other) => panic!("{other:?}"),
            }
        }
        b.end(child.into_iter().chain([parent]));
    }
}

#[test]
fn ends_come_in_slices() {
    let mut b = Bench::new();
    let mm = b.space();
    b.map(&mm, zero(4096));
    for page in 0..1000 {
        b.write(&mm, BASE + page * 4 * PAGE, b"x").unwrap();
    }
    mm::release(&mut b.k, mm);
    assert!(b.work() > 1000 / 64);
    b.end([]);
}

#[test]
fn long_ranges_go_in_parts() {
    let mut b = Bench::new();
    let mm = b.space();
    b.map(&mm, zero(2000));
    for page in 0..2000 {
        b.write(&mm, BASE + page * PAGE, &[1]).unwrap();
    }
    let end = BASE + 2000 * PAGE;
    let next = b.unmap(&mm, BASE, end).unwrap();
    assert!(next > BASE && next < end);
    assert!(matches!(b.read(&mm, next - PAGE, 1), Err(Fault::NotMapped)));
    assert_eq!(b.read(&mm, next, 1).unwrap(), [1]);
    let mut next = Some(next);
    while let Some(start) = next {
        next = b.unmap(&mm, start, end - PAGE);
    }
    assert_eq!(b.k.spaces.get(mm.key()).unwrap().resident.all(), 1);
    assert_eq!(b.m.mapped_pages(b.tables(&mm)), 1);
    b.end([mm]);
}

#[test]
fn moved_pages_keep_their_content() {
    let mut b = Bench::new();
    let mm = b.space();
    b.map(&mm, zero(4));
    b.write(&mm, BASE + PAGE, b"moved").unwrap();
    let to = BASE + 0x1234 * PAGE;
    let area = b.k.spaces.get(mm.key()).unwrap().areas.find(BASE).copied();
    let area = area.unwrap();
    b.map(&mm, area.moved(to));
    let (id, there) = (mm.key(), (&area, to));
    let mut turn = Budget::new();
    let made = range::make_tables(&mut b.k, &mut b.m, id, there, BASE, &mut turn);
    assert_eq!(made, Ok(None));
    let moved = range::move_pages(&mut b.k, &mut b.m, id, there, BASE, &mut turn);
    assert_eq!(moved, None);
    assert_eq!(b.unmap(&mm, area.start, area.end), None);
    assert_eq!(b.read(&mm, to + PAGE, 5).unwrap(), b"moved");
    assert_eq!(b.k.spaces.get(mm.key()).unwrap().resident.all(), 1);
    assert!(matches!(b.read(&mm, BASE, 1), Err(Fault::NotMapped)));
    b.end([mm]);
}

#[test]
fn the_kernels_copies_resolve_faults_and_refuse_the_rest() {
    let mut b = Bench::new();
    let mm = b.space();
    b.map(&mm, zero(2));
    b.map(
        &mm,
        Area::zero(BASE + 2 * PAGE, BASE + 3 * PAGE, Access::READ),
    );
    let id = mm.key();
    user::write_of(&mut b.k, &mut b.m, id, BASE + PAGE - 2, b"across").unwrap();
    let mut back = [0; 6];
    user::read_of(&mut b.k, &mut b.m, id, BASE + PAGE - 2, &mut back).unwrap();
    assert_eq!(&back, b"across");
    let end = BASE + 2 * PAGE;
    for (at, what) in [
        (end - 1, "read-only"),
        (BASE - 1, "nothing there"),
        (0, "null"),
        (0x7fff_ffff_f000, "the guard page"),
        (0xffff_8000_0000_0000, "the kernel"),
        (u64::MAX, "wrapping"),
    ] {
        let refused = user::write_of(&mut b.k, &mut b.m, id, at, b"ab");
        assert!(
            matches!(
                refused,
                Err(berth_kernel::error::Stop::Errno(
                    berth_kernel::error::Errno::EFAULT
                ))
            ),
            "{what}"
        );
    }
    let mut some = [0; 64];
    let got = user::read_some_of(&mut b.k, &mut b.m, id, end + PAGE - 10, &mut some).unwrap();
    assert_eq!(got, 10);
    assert!(b.m.query(b.tables(&mm), BASE).is_some());
    b.end([mm]);
}
