//! The initial archive: what it says is there; damage is refused.

use crate::bench::actor;
use berth_kernel::Kernel;
use berth_kernel::arena::forgive;
use berth_kernel::fs::cpio::{self, Damaged};
use berth_kernel::fs::inode::{Device, Kind};
use berth_kernel::fs::mount::{self, MountFlags};
use berth_kernel::fs::superblock::{self, TmpfsOptions};
use berth_kernel::fs::walk::{Found, NoViews, Start, WalkFlags, walk};
use berth_kernel::fs::{Access, InodeId, Node, Pos, Store, pages};
use berth_sim::{Config, SimMachine};

#[derive(Clone, Copy)]
struct Item<'a> {
    name: &'a str,
    mode: u32,
    ino: u32,
    nlink: u32,
    content: &'a [u8],
}

const fn item<'a>(name: &'a str, mode: u32, content: &'a [u8]) -> Item<'a> {
    Item {
        name,
        mode,
        ino: 0,
        nlink: 1,
        content,
    }
}

fn pack(items: &[Item]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let end = item("TRAILER!!!", 0, b"");
    for item in items.iter().chain([&end]) {
        let (device, minor) = if item.mode & 0o170000 == 0o020000 {
            (1, 3)
        } else {
            (0, 0)
        };
        let fields = [
            item.ino,
            item.mode,
            11,
            22,
            item.nlink,
            1234,
            item.content.len() as u32,
            0,
            0,
            device,
            minor,
            item.name.len() as u32 + 1,
            0,
        ];
        bytes.extend_from_slice(b"070701");
        for field in fields {
            bytes.extend_from_slice(format!("{field:08x}").as_bytes());
        }
        bytes.extend_from_slice(item.name.as_bytes());
        bytes.push(0);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
        bytes.extend_from_slice(item.content);
        bytes.resize(bytes.len().next_multiple_of(4), 0);
    }
    bytes
}

struct World {
    k: Kernel,
    m: SimMachine,
    root: Pos,
}

fn unpack(archive: Vec<u8>) -> Result<World, Damaged> {
    let mut m = SimMachine::new(Config {
        initrd: archive,
        frames: 2048,
        ..Config::default()
    });
    let mut k = Kernel::new(&mut m);
    let actor = actor(&k);
    let mut st = Store::of(&mut k);
    let sb = superblock::tmpfs(&mut st, &actor, TmpfsOptions::new(1 << 20)).unwrap();
    let mount = mount::whole(&mut st, &actor, sb, MountFlags::empty(), b"rootfs").unwrap();
    let root = st.fs.root_of(mount.key()).unwrap();
    let group = actor.group;
    let result = cpio::unpack(&mut st, &mut m, group, root);
    core::mem::forget(mount);
    match result {
        Ok(_) => Ok(World { k, m, root }),
        Err(damaged) => {
            forgive(k);
            Err(damaged)
        }
    }
}

impl World {
    fn find(&self, path: &str) -> Option<InodeId> {
        let start = Start {
            root: self.root,
            cwd: self.root,
        };
        let access = Access::KERNEL;
        let flags = WalkFlags::NOFOLLOW;
        match walk(
            &self.k.fs,
            &NoViews,
            &start,
            &access,
            path.as_bytes(),
            flags,
        ) {
            Ok(Found::Here(at)) => match at.pos.node {
                Node::Inode(id) => Some(id),
                Node::View(_) => None,
            },
            _ => None,
        }
    }

    fn content(&mut self, path: &str) -> Vec<u8> {
        let id = self.find(path).unwrap();
        let mut bytes = vec![0; 100_000];
        let got = pages::read(&self.k.fs, &mut self.m, id, 0, &mut bytes).unwrap();
        bytes.truncate(got);
        bytes
    }

    fn end(self) {
        forgive(self.k);
    }
}

fn sample() -> Vec<u8> {
    let big = vec![b'x'; 9000];
    let mut hard = item("bin/one", 0o100755, b"");
    (hard.ino, hard.nlink) = (7, 2);
    let mut last = item("bin/two", 0o100755, b"shared");
    (last.ino, last.nlink) = (7, 2);
    let items = [
        item(".", 0o040700, b""),
        item("bin", 0o040755, b""),
        item("sbin", 0o120777, b"bin"),
        hard,
        last,
        item("sbin/init", 0o100700, b"#!"),
        item("big", 0o104644, &big),
        item("dev", 0o040755, b""),
        item("dev/null", 0o020666, b""),
        item("fifo", 0o010600, b""),
    ];
    let mut archive = pack(&items);
    archive.resize(archive.len() + 516, 0);
    archive.extend_from_slice(&pack(&[
        item("big", 0o100600, b"replaced"),
        item("bin", 0o040711, b""),
    ]));
    archive.resize(archive.len() + 3, 0);
    archive
}

#[test]
fn archives_in_a_row_are_laid_over_each_other() {
    let mut w = unpack(sample()).unwrap();
    assert_eq!(w.content("/big"), b"replaced");
    assert_eq!(w.content("/bin/one"), b"shared");
    assert_eq!(w.find("/bin/one"), w.find("/bin/two"));
    assert_eq!(w.content("/bin/init"), b"#!");
    let inode = |w: &World, path: &str| {
        let id = w.find(path).unwrap();
        let inode = w.k.fs.inode(id).unwrap();
        (inode.mode, inode.uid, inode.gid, inode.times.modified.sec)
    };
    assert_eq!(inode(&w, "/"), (0o700, 11, 22, 1234));
    assert_eq!(inode(&w, "/bin"), (0o711, 11, 22, 1234));
    assert_eq!(inode(&w, "/big"), (0o600, 11, 22, 1234));
    let null = w.find("/dev/null").unwrap();
    let expected = Device {
        char: true,
        major: 1,
        minor: 3,
    };
    assert!(matches!(&w.k.fs.inode(null).unwrap().kind, Kind::Device(d) if *d == expected));
    w.end();
}

#[test]
fn hostile_archives_are_refused() {
    let cases: &[(&[Item], &str)] = &[
        (&[item("../x", 0o100644, b"")], "`..`"),
        (&[item("a/../../x", 0o100644, b"")], "`..`"),
        (&[item("none/x", 0o100644, b"")], "missing"),
        (&[item("odd", 0o170000, b"")], "type"),
        (&[item("link", 0o120777, b"")], "target"),
        (
            &[
                item("d", 0o040755, b""),
                item("d/f", 0o100644, b""),
                item("d", 0o100644, b""),
            ],
            "not empty",
        ),
        (&[item(".", 0o100644, b"")], "root"),
    ];
    for (items, expected) in cases {
        let damaged = unpack(pack(items)).map(World::end).unwrap_err();
        assert!(damaged.reason.contains(expected), "{damaged:?}");
    }
    // A link to itself does not hang; a link out of the root stays inside.
    for target in ["loop", "/loop", "../../loop"] {
        let items = [
            item("loop", 0o120777, target.as_bytes()),
            item("loop/x", 0o100644, b""),
        ];
        assert!(unpack(pack(&items)).map(World::end).is_err());
    }
    let gzip = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0];
    assert!(unpack(gzip).map(World::end).is_err());
}

/// Every cut and many flipped bytes: never a panic, never more than what is there.
#[test]
fn damage_never_panics() {
    let whole = sample();
    for cut in (0..whole.len()).step_by(13) {
        let _ = unpack(whole[..cut].to_vec()).map(World::end);
    }
    let mut m = SimMachine::new(Config::default());
    for _ in 0..500 {
        let mut bad = whole.clone();
        for _ in 0..1 + m.random() % 4 {
            let at = m.random() as usize % bad.len();
            let digits = b"0123456789abcdefFF\0/.~";
            bad[at] = digits[m.random() as usize % digits.len()];
        }
        let _ = unpack(bad).map(World::end);
    }
}
