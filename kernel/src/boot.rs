//! From a machine that was switched on to process 1.

use crate::arena::Held;
use crate::error::{Errno, Stop};
use crate::fs::superblock::{self, Limits, TmpfsOptions};
use crate::fs::walk::Start;
use crate::fs::{Access, Actor, Pos, Store, Time, cpio, mount};
use crate::machine::Machine;
use crate::mm::arguments::Arguments;
use crate::mm::exec::{self, Caller, Image, Program};
use crate::ns::NsSet;
use crate::task::exec::find_program;
use crate::task::spawn::{self, Spawn};
use crate::task::{Cred, FilesId, files, limits};
use crate::{Cx, Kernel};
use alloc::vec;
use alloc::vec::Vec;
use linux_raw_sys::general as linux;

/// The program of process 1.
const INIT: &[u8] = b"/init";
/// What its descriptors 0, 1 and 2 are, when the archive has it.
const CONSOLE: &[u8] = b"/dev/console";

/// Why the machine could not be brought up.
#[derive(Debug)]
pub enum BootError {
    /// No memory for the first objects.
    NoMemory,
    /// The initial archive is damaged.
    Archive(cpio::Damaged),
    /// Process 1 cannot run.
    Init(Errno),
}

impl core::fmt::Display for BootError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            BootError::NoMemory => f.write_str("there is not enough memory"),
            BootError::Archive(damaged) => {
                let (reason, offset) = (damaged.reason, damaged.offset);
                write!(
                    f,
                    "the initial archive is damaged at byte {offset}: {reason}"
                )
            }
            BootError::Init(errno) => write!(f, "/init cannot run: {}", errno.text()),
        }
    }
}

impl From<Stop> for BootError {
    fn from(stop: Stop) -> BootError {
        match stop {
            Stop::Errno(errno) => BootError::Init(errno),
            _ => BootError::NoMemory,
        }
    }
}

impl From<Errno> for BootError {
    fn from(errno: Errno) -> BootError {
        BootError::Init(errno)
    }
}

impl Kernel {
    /// Brings the system up: the initial archive becomes the root file system, and its /init
    /// process 1.
    ///
    /// # Errors
    /// See [`BootError`].
    pub fn boot(m: &mut dyn Machine) -> Result<Kernel, BootError> {
        let mut k = Kernel::new(m);
        k.top_up_heap(m);
        let (ns, root) = first_root(&mut k, m)?;
        let group = k.groups.root();
        let mut archive = cpio::Unpacking::new(group, root);
        while archive
            .step(&mut Store::of(&mut k), m)
            .map_err(BootError::Archive)?
        {
            k.top_up_heap(m);
        }
        let entries = archive.count();
        for range in m.initrd_release() {
            k.frames.add(range);
        }
        log::info!(target: "boot", "the initial archive has {entries} entries");
        first_process(&mut k, m, ns, root)?;
        Ok(k)
    }
}

/// An empty tmpfs as the root of the first mount namespace.
fn first_root(k: &mut Kernel, m: &mut dyn Machine) -> Result<(NsSet, Pos), Stop> {
    let group = k.groups.root();
    let actor = Actor {
        access: Access::KERNEL,
        group,
        now: Time::now(m),
    };
    let options = TmpfsOptions {
        limits: Limits::NONE,
        mode: 0o755,
        ..TmpfsOptions::new(0)
    };
    let mut st = Store::of(k);
    let sb = superblock::tmpfs(&mut st, &actor, options)?;
    let top = mount::whole(&mut st, &actor, sb, mount::MountFlags::RELATIME, b"rootfs")?;
    let tree = st.fs.new_tree();
    st.fs.set_tree(top.key(), tree);
    // Now rather than at the first pipe, which the leak audit would take for a mount left behind.
    crate::fs::home::make_all(&mut st, &actor)?;
    let root = st.fs.root_of(top.key())?;
    Ok((crate::ns::initial(k, top)?, root))
}

fn first_process(k: &mut Kernel, m: &mut dyn Machine, ns: NsSet, root: Pos) -> Result<(), Stop> {
    let group = k.groups.root();
    let start = Start { root, cwd: root };
    let image = first_image(k, m, start)?;
    let files = console(k, start)?;
    let held = |k: &mut Kernel| k.fs.hold_pos(root).ok_or(Errno::ENOENT);
    let (root, cwd) = (held(k)?, held(k)?);
    let spawn = Spawn {
        parent: None,
        ns,
        root,
        cwd,
        umask: 0o022,
        cred: Cred::root(),
        group,
        files,
        limits: limits::INITIAL,
        image: Some(image),
        container: None,
        hook: None,
    };
    spawn::process(k, m, spawn)?;
    Ok(())
}

fn first_image(k: &mut Kernel, m: &mut dyn Machine, start: Start) -> Result<Image, Stop> {
    let cred = Cred::root();
    let file = find_program(k, start, &cred, INIT)?;
    let stack_max = limits::INITIAL[linux::RLIMIT_STACK as usize].0;
    let group = k.groups.root();
    let env = [b"HOME=/".to_vec(), b"TERM=linux".to_vec()];
    let program = Program {
        file,
        path: INIT.to_vec(),
        path_ends: false,
        arguments: Arguments::of(k, m, group, &[INIT.to_vec()], &env)?,
        caller: Caller {
            start,
            cred,
            stack_max,
            shares: false,
        },
    };
    let now = m.now();
    // No task makes this call: the image is for the first one.
    let task = crate::arena::Key::new(u32::MAX, 0);
    exec::load(
        k,
        &mut Cx {
            m,
            now,
            task,
            resume: None,
        },
        program,
        group,
    )
}

/// The console as descriptors 0, 1 and 2; an archive without one gives none.
fn console(k: &mut Kernel, start: Start) -> Result<Held<FilesId>, Stop> {
    let group = k.groups.root();
    let access = Access::KERNEL;
    let found = {
        let views = crate::views::Source::of(k);
        crate::fs::walk::walk(&k.fs, &views, &start, &access, CONSOLE, Default::default())
    };
    let Ok(crate::fs::walk::Found::Here(location)) = found else {
        return Ok(files::of_files(k, group, Vec::new())?);
    };
    let file = crate::io::terminal::first(k, group, location)?;
    let (second, third) = (k.fs.files.share(&file), k.fs.files.share(&file));
    Ok(files::of_files(
        k,
        group,
        vec![Some(file), Some(second), Some(third)],
    )?)
}
