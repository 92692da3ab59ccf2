//! Making a program out of a file: ELF, `#!`, the first stack (execve(2)). Nothing of the caller
//! changes here; `task::exec` commits.

use super::area::{Area, AreaFlags, Backing, STACK_GAP, Source};
use super::arguments::Arguments;
use super::elf::{self, Plan, Segment};
use super::layout::Layout;
use super::stack::{self, Built, Filling, First};
use super::turn::{Budget, Step};
use super::{MmId, script, user};
use crate::arena::Held;
use crate::cgroup::GroupId;
use crate::error::{Errno, Stop};
use crate::fs::walk::Start;
use crate::fs::{HeldPos, InodeId, Location, Node, pages, xattr};
use crate::machine::{Access, Machine, PAGE, USER_END};
use crate::task::setid::{self, Grants};
use crate::task::{Cred, TaskId, cred, exec::find_program};
use crate::wire::get_u64;
use crate::{Cx, Kernel};
use alloc::vec::Vec;
use linux_raw_sys::auxvec as aux;
use linux_raw_sys::general as linux;

/// Who runs a program: it gives the program its name space, its credentials and its limits.
#[derive(Clone, Debug)]
pub struct Caller {
    /// Root and working directory, for interpreters.
    pub start: Start,
    /// Credentials before set-id bits.
    pub cred: Cred,
    /// Bytes that the stack may grow to (RLIMIT_STACK): room is kept for it.
    pub stack_max: u64,
    /// Another process has the same root and working directory object (CLONE_FS).
    pub shares: bool,
}

/// Bytes that the stack of a program may grow to when nobody says otherwise.
pub const STACK_MAX: u64 = 8 << 20;

impl Caller {
    /// As this task.
    ///
    /// # Errors
    /// ESRCH when it has ended.
    pub fn of(k: &Kernel, task: TaskId) -> Result<Caller, Errno> {
        let own = k.tasks.task(task)?;
        let cred = own.cred.clone();
        let context = own.fs.as_ref().ok_or(Errno::ESRCH)?.key();
        let uses = |t: TaskId| {
            let fs = k.tasks.tasks.get(t).and_then(|t| t.fs.as_ref());
            fs.is_some_and(|fs| fs.key() == context)
        };
        let threads = k.tasks.live_threads(own.process).filter(|t| uses(*t));
        Ok(Caller {
            shares: k.tasks.contexts.refs(context) as usize > threads.count(),
            start: crate::task::exec::start(k, task)?,
            cred,
            stack_max: crate::task::limits::soft_of(k, task, linux::RLIMIT_STACK),
        })
    }
}

/// What to run.
pub struct Program {
    /// The file, found and checked for execute permission.
    pub file: Location,
    /// The path it was called by, for `#!` interpreters and AT_EXECFN.
    pub path: Vec<u8>,
    /// The path is by a descriptor that execve closes: no interpreter could open it.
    pub path_ends: bool,
    /// Arguments and environment.
    pub arguments: Arguments,
    /// Who runs it.
    pub caller: Caller,
}

/// A program ready to run: commit it with `task::exec::replace_image` or `task::spawn`, or give
/// it back with [`discard`].
#[must_use]
pub struct Image {
    /// The new address space.
    pub mm: Held<MmId>,
    /// First instruction.
    pub entry: u64,
    /// First stack pointer.
    pub stack: u64,
    /// Name for /proc (15 bytes at most).
    pub name: Vec<u8>,
    /// The path it was called by.
    pub path: Vec<u8>,
    /// The file that runs (after `#!`), for /proc/self/exe.
    pub exe: HeldPos,
    /// Its credentials, set-id bits and capabilities as execve makes them.
    pub cred: Cred,
    /// It runs with other rights than its caller's (AT_SECURE).
    pub secure: bool,
    /// Others may look into it.
    pub dumpable: bool,
}

/// Gives an image back that will not run.
pub fn discard(k: &mut Kernel, image: Image) {
    super::release(k, image.mm);
    crate::fs::release_pos(k, image.exe);
}

/// Scripts that are interpreted by scripts, at the most.
const SCRIPT_DEPTH: usize = 5;

/// The most that the kernel chooses addresses from: as Linux on x86-64.
const PIE_BASE: u64 = 0x5555_5555_4000;
/// Pages by which programs and mappings are moved: 28 bits.
const BASE_CHANCE: u64 = 1 << 28;
/// Pages by which the stack is moved: 22 bits.
const STACK_CHANCE: u64 = 1 << 22;
/// Pages by which the heap is moved: 32 MiB.
const HEAP_CHANCE: u64 = 8192;
/// Room kept for the stack above the mappings, at the least.
const STACK_ROOM: u64 = 128 << 20;
/// Stack that is there from the beginning, beside what the program was given.
const STACK_READY: u64 = 128 << 10;
/// Bytes of a signal frame at the most (AT_MINSIGSTKSZ).
const SIGNAL_STACK: u64 = 2048;
/// Clock ticks a second (AT_CLKTCK).
const CLOCK_TICKS: u64 = 100;

/// A program whose strings are being put on its stack.
#[must_use]
pub struct Loading {
    image: Image,
    arguments: Arguments,
    filling: Filling,
}

impl Loading {
    /// Goes on for what is left of a turn; whether all is there.
    ///
    /// # Errors
    /// No memory.
    pub fn step(
        &mut self,
        k: &mut Kernel,
        m: &mut dyn Machine,
        budget: &mut Budget,
    ) -> Result<bool, Stop> {
        let mm = self.image.mm.key();
        let mut page = [0; PAGE as usize];
        while !budget.is_spent() {
            let Some((frame, within, len)) = self.arguments.piece(self.filling.done()) else {
                return Ok(true);
            };
            let bytes = page.get_mut(..len).unwrap_or_default();
            m.read_frame(frame, within, bytes);
            let (at, (pointers_at, pointers)) = self.filling.take(bytes);
            user::write_of(k, m, mm, at, bytes)?;
            user::write_of(k, m, mm, pointers_at, &pointers)?;
            // Each byte is looked at: as much as filling a page for every KiB.
            for _ in 0..=(bytes.len() + pointers.len()) / 1024 {
                budget.spend(Step::Fill);
            }
        }
        Ok(false)
    }

    /// The image, which is complete.
    pub fn finish(self, k: &mut Kernel) -> Image {
        self.arguments.discard(k);
        self.image
    }

    /// Gives back what will not run.
    pub fn discard(self, k: &mut Kernel) {
        self.arguments.discard(k);
        discard(k, self.image);
    }
}

/// Loads a program into a fresh address space charged to `group`; nothing of the caller changes.
///
/// # Errors
/// ENOEXEC, ENOENT (interpreter), E2BIG, EACCES, ELOOP, ENOMEM.
pub fn load(k: &mut Kernel, cx: &mut Cx, program: Program, group: GroupId) -> Result<Image, Stop> {
    let mut loading = begin(k, cx.m, program, group)?;
    loop {
        match loading.step(k, cx.m, &mut Budget::new()) {
            Ok(true) => return Ok(loading.finish(k)),
            Ok(false) => {}
            Err(stop) => {
                loading.discard(k);
                return Err(stop);
            }
        }
    }
}

/// Loads a program but for its strings.
///
/// # Errors
/// As [`load`].
pub fn begin(
    k: &mut Kernel,
    m: &mut dyn Machine,
    program: Program,
    group: GroupId,
) -> Result<Loading, Stop> {
    let Program {
        file,
        path,
        path_ends,
        mut arguments,
        caller,
    } = program;
    let known = (!path_ends).then_some(path.clone());
    match make(k, m, file, (path, known), &mut arguments, &caller, group) {
        Ok((image, filling)) => Ok(Loading {
            image,
            arguments,
            filling,
        }),
        Err(stop) => {
            arguments.discard(k);
            Err(stop)
        }
    }
}

fn make(
    k: &mut Kernel,
    m: &mut dyn Machine,
    file: Location,
    (path, known): (Vec<u8>, Option<Vec<u8>>),
    arguments: &mut Arguments,
    caller: &Caller,
    group: GroupId,
) -> Result<(Image, Filling), Stop> {
    let file = interpreted(k, m, file, known, arguments, caller)?;
    let (cred, secure) = credentials(k, &file, caller)?;
    let dumpable = may_dump(k, &file, &caller.cred, &cred)?;
    let exe = k.fs.hold_pos(file.pos).ok_or(Errno::ENOENT)?;
    let mm = match super::create(k, m, group) {
        Ok(mm) => mm,
        Err(no_mem) => {
            crate::fs::release_pos(k, exe);
            return Err(no_mem.into());
        }
    };
    let mut image = Image {
        mm,
        entry: 0,
        stack: 0,
        name: base_name(&path),
        path,
        exe,
        cred,
        secure,
        dumpable,
    };
    let content = Content { arguments, caller };
    match content.fill(k, m, &mut image, &file) {
        Ok(filling) => Ok((image, filling)),
        Err(stop) => {
            discard(k, image);
            Err(stop)
        }
    }
}

/// The part of a path behind the last slash, as a name for /proc.
fn base_name(path: &[u8]) -> Vec<u8> {
    let name = path.rsplit(|b| *b == b'/').next().unwrap_or(path);
    name.get(..15).unwrap_or(name).to_vec()
}

/// The regular file at a location.
fn inode_of(file: &Location) -> Result<InodeId, Errno> {
    match file.pos.node {
        Node::Inode(inode) => Ok(inode),
        Node::View(_) => Err(Errno::EACCES),
    }
}

/// The program that runs in the end: scripts are run by their interpreters, which need a path
/// (execveat(2), ENOENT).
fn interpreted(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mut file: Location,
    mut path: Option<Vec<u8>>,
    arguments: &mut Arguments,
    caller: &Caller,
) -> Result<Location, Errno> {
    if arguments.is_empty() {
        // As Linux: programs rely on a name.
        arguments.put_first(Vec::new())?;
    }
    for _ in 0..=SCRIPT_DEPTH {
        let mut head = [0; script::HEAD];
        let len = pages::read(&k.fs, m, inode_of(&file)?, 0, &mut head)?;
        let Some(script) = script::parse(head.get(..len).unwrap_or_default())? else {
            return Ok(file);
        };
        arguments.replace_first(k, path.ok_or(Errno::ENOENT)?)?;
        if let Some(argument) = script.argument {
            arguments.put_first(argument)?;
        }
        arguments.put_first(script.interpreter.clone())?;
        file = find_program(k, caller.start, &caller.cred, &script.interpreter)?;
        path = Some(script.interpreter);
    }
    Err(Errno::ELOOP)
}

/// The credentials that a program gets, and whether it must be careful.
fn credentials(k: &Kernel, file: &Location, caller: &Caller) -> Result<(Cred, bool), Errno> {
    let inode = k.fs.inode(inode_of(file)?)?;
    let flags = k.fs.mount(file.pos.mount)?.flags;
    let mut grants = Grants::default();
    if !flags.contains(crate::fs::mount::MountFlags::NOSUID) {
        let set = |bits: u32| inode.mode & bits == bits;
        let set_gid = linux::S_ISGID | linux::S_IXGRP;
        grants.uid = set(linux::S_ISUID).then_some(inode.uid);
        grants.gid = set(set_gid).then_some(inode.gid);
        grants.caps = xattr::capabilities(inode);
    }
    setid::after_exec(&caller.cred, &grants, caller.shares)
}

/// Whether others with the caller's ids may look into the program: it is readable, and runs with
/// no other rights (PR_SET_DUMPABLE).
fn may_dump(k: &Kernel, file: &Location, old: &Cred, new: &Cred) -> Result<bool, Errno> {
    let inode = k.fs.inode(inode_of(file)?)?;
    let readable = inode.permit(&cred::access(old), 4).is_ok();
    let same = old.euid == old.uid && old.egid == old.gid;
    Ok(readable && same && !new.differs_from(old))
}

/// An ELF file and its plan.
struct Elf {
    inode: InodeId,
    plan: Plan,
}

impl Elf {
    fn read(k: &Kernel, m: &mut dyn Machine, inode: InodeId) -> Result<Elf, Errno> {
        let size = pages::of(&k.fs, inode)?.size;
        let mut head = [0; elf::HEADER];
        pages::read(&k.fs, m, inode, 0, &mut head)?;
        let header = elf::header(&head)?;
        let table = bytes_of(k, m, inode, header.table, header.table_len())?;
        Ok(Elf {
            inode,
            plan: elf::plan(&header, &table, size)?,
        })
    }

    /// Maps its segments, moved by `bias`.
    fn map(&self, k: &mut Kernel, m: &mut dyn Machine, mm: MmId, bias: u64) -> Result<(), Stop> {
        for segment in &self.plan.segments {
            let file = Backing::Pages {
                source: Source::File(self.inode),
                first: segment.first,
                shared: false,
            };
            let middle = segment.pages_end();
            place(k, mm, segment, (segment.start, middle), bias, file)?;
            place(k, mm, segment, (middle, segment.end), bias, Backing::Zero)?;
            clear_tail(k, m, mm, segment, bias)?;
        }
        Ok(())
    }
}

/// Reads a part of a file that has to be there.
fn bytes_of(
    k: &Kernel,
    m: &mut dyn Machine,
    inode: InodeId,
    at: u64,
    len: usize,
) -> Result<Vec<u8>, Errno> {
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).map_err(|_| Errno::ENOMEM)?;
    bytes.resize(len, 0);
    let end = at.checked_add(len as u64).ok_or(Errno::ENOEXEC)?;
    if end > pages::of(&k.fs, inode)?.size {
        return Err(Errno::ENOEXEC);
    }
    pages::read(&k.fs, m, inode, at, &mut bytes)?;
    Ok(bytes)
}

/// Puts a part of a segment into the address space.
fn place(
    k: &mut Kernel,
    mm: MmId,
    segment: &Segment,
    (start, end): (u64, u64),
    bias: u64,
    backing: Backing,
) -> Result<(), Stop> {
    if start == end {
        return Ok(());
    }
    let (start, end) = (start.wrapping_add(bias), end.wrapping_add(bias));
    let mut area = Area::zero(start, end, segment.access);
    area.backing = backing;
    let space = k.spaces.get(mm).ok_or(Errno::ENOMEM)?;
    if start >= end || end > USER_END || !space.areas.is_free(start, end) {
        return Err(Errno::ENOEXEC.into());
    }
    super::room_to_map(k, mm)?;
    super::insert(k, mm, area)?;
    Ok(())
}

/// Zeros what follows the file's bytes in their last page. A segment that the program cannot
/// write keeps what the file has there, as on Linux.
fn clear_tail(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mm: MmId,
    segment: &Segment,
    bias: u64,
) -> Result<(), Stop> {
    let writable = segment.access.contains(Access::WRITE);
    if !segment.zeros || !writable || segment.file_end % PAGE == 0 {
        return Ok(());
    }
    let at = segment.file_end.wrapping_add(bias);
    let (frame, offset) = user::locate_of(k, m, mm, at, Access::WRITE)?;
    m.zero_frame(frame, offset, PAGE as usize - offset);
    Ok(())
}

/// Where things are put by chance.
struct Chance {
    bytes: [u8; 48],
}

impl Chance {
    fn new(m: &mut dyn Machine) -> Chance {
        let mut bytes = [0; 48];
        m.entropy(&mut bytes);
        Chance { bytes }
    }

    /// Bytes of a number of pages below `pages`; `which` is 0 to 3.
    fn pages(&self, which: usize, pages: u64) -> u64 {
        get_u64(&self.bytes, 16 + which * 8) % pages * PAGE
    }

    fn random(&self) -> [u8; 16] {
        let mut random = [0; 16];
        random.copy_from_slice(self.bytes.first_chunk::<16>().unwrap_or(&[0; 16]));
        random
    }
}

/// What a program is given.
struct Content<'a> {
    arguments: &'a Arguments,
    caller: &'a Caller,
}

impl Content<'_> {
    /// Fills an image's address space: program, interpreter, heap, and the stack but for what is
    /// filled in later.
    fn fill(
        &self,
        k: &mut Kernel,
        m: &mut dyn Machine,
        image: &mut Image,
        file: &Location,
    ) -> Result<Filling, Stop> {
        let mm = image.mm.key();
        let elf = Elf::read(k, m, inode_of(file)?)?;
        let chance = Chance::new(m);
        let top = USER_END - chance.pages(0, STACK_CHANCE);
        let room = self.caller.stack_max.clamp(STACK_ROOM, USER_END / 6);
        let base = top - room - STACK_GAP - chance.pages(1, BASE_CHANCE);
        k.spaces.get_mut(mm).ok_or(Errno::ENOMEM)?.base = base;
        let bias = if elf.plan.dynamic {
            let base = PIE_BASE + chance.pages(2, BASE_CHANCE);
            base - base % elf.plan.align
        } else {
            0
        };
        elf.map(k, m, mm, bias)?;
        super::set_program(k, mm, Some(elf.inode));
        let heap = elf.plan.span().1.wrapping_add(bias) + chance.pages(3, HEAP_CHANCE);
        if let Some(space) = k.spaces.get_mut(mm) {
            space.heap = (heap, heap);
        }
        let entry = elf.plan.entry.wrapping_add(bias);
        let interpreter = self.interpreter(k, m, mm, &elf)?;
        let (start, interpreter_base) = interpreter.unwrap_or((entry, 0));
        let headers = match elf.plan.headers {
            0 => 0,
            at => at.wrapping_add(bias),
        };
        let cred = &image.cred;
        let (hwcap, hwcap2) = m.hwcap();
        let aux = [
            (aux::AT_MINSIGSTKSZ, SIGNAL_STACK),
            (aux::AT_HWCAP, hwcap),
            (aux::AT_PAGESZ, PAGE),
            (aux::AT_CLKTCK, CLOCK_TICKS),
            (aux::AT_PHDR, headers),
            (aux::AT_PHENT, elf::ENTRY),
            (aux::AT_PHNUM, u64::from(elf.plan.count)),
            (aux::AT_BASE, interpreter_base),
            (aux::AT_FLAGS, 0),
            (aux::AT_ENTRY, entry),
            (aux::AT_UID, u64::from(cred.uid)),
            (aux::AT_EUID, u64::from(cred.euid)),
            (aux::AT_GID, u64::from(cred.gid)),
            (aux::AT_EGID, u64::from(cred.egid)),
            (aux::AT_SECURE, u64::from(image.secure)),
            (aux::AT_HWCAP2, hwcap2),
        ];
        let (args, env) = self.arguments.lists();
        let first = First {
            front: self.arguments.front(),
            args,
            env,
            path: &image.path,
            random: chance.random(),
            aux: &aux,
        };
        let stack = put_stack(k, m, mm, top, &first, elf.plan.exec_stack)?;
        if let Some(space) = k.spaces.get_mut(mm) {
            space.layout = Layout::of(&elf.plan, bias, &stack);
        }
        image.stack = stack.pointer;
        image.entry = start;
        Ok(stack.filling)
    }

    /// Loads the interpreter that a program names (PT_INTERP): its first instruction, its base.
    fn interpreter(
        &self,
        k: &mut Kernel,
        m: &mut dyn Machine,
        mm: MmId,
        program: &Elf,
    ) -> Result<Option<(u64, u64)>, Stop> {
        let Some((at, len)) = program.plan.interpreter else {
            return Ok(None);
        };
        let path = bytes_of(k, m, program.inode, at, len as usize)?;
        let path = path.strip_suffix(b"\0").ok_or(Errno::ENOEXEC)?;
        let file = find_program(k, self.caller.start, &self.caller.cred, path)?;
        let elf = Elf::read(k, m, inode_of(&file)?)?;
        let bias = if elf.plan.dynamic {
            let (start, end) = elf.plan.span();
            let len = (end - start).saturating_add(elf.plan.align);
            let space = k.spaces.get(mm).ok_or(Errno::ENOMEM)?;
            let place = space.areas.gap(len, space.base).ok_or(Errno::ENOMEM)?;
            place.next_multiple_of(elf.plan.align).wrapping_sub(start)
        } else {
            0
        };
        elf.map(k, m, mm, bias)?;
        Ok(Some((elf.plan.entry.wrapping_add(bias), bias)))
    }
}

/// Maps and writes the stack below `top`.
fn put_stack(
    k: &mut Kernel,
    m: &mut dyn Machine,
    mm: MmId,
    top: u64,
    first: &First,
    executable: bool,
) -> Result<Built, Stop> {
    let built = stack::build(top, first)?;
    let start = built.pointer - built.pointer % PAGE - STACK_READY;
    let mut area = Area::zero(start, top, Access::READ | Access::WRITE);
    area.flags = AreaFlags::GROWS_DOWN;
    area.access.set(Access::EXEC, executable);
    let space = k.spaces.get_mut(mm).ok_or(Errno::ENOMEM)?;
    if !space.areas.is_free(start - STACK_GAP, top) {
        return Err(Errno::ENOEXEC.into());
    }
    super::room_to_map(k, mm)?;
    super::insert(k, mm, area)?;
    for (at, bytes) in &built.parts {
        user::write_of(k, m, mm, *at, bytes)?;
    }
    Ok(built)
}
