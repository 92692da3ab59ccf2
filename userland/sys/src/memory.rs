//! Pages of one's own, to see what the kernel allows on them.
//!
//! An access that the kernel refuses ends the process with a signal; callers who expect that do it
//! in a child.

use core::ffi::c_void;
use core::ptr::null_mut;

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap, mmap_anonymous, mprotect, munmap};

/// Bytes in a page.
pub const PAGE: usize = 4096;

/// Pages that nothing else in the process uses, until it is dropped.
pub struct Region {
    start: *mut c_void,
    pages: usize,
}

/// What mmap(2) is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Ask<'a> {
    /// The address; 0 for any.
    pub at: u64,
    /// How many bytes.
    pub bytes: usize,
    /// PROT_* bits.
    pub protection: i32,
    /// MAP_* flags.
    pub flags: i32,
    /// The file.
    pub file: Option<BorrowedFd<'a>>,
    /// Where in the file.
    pub offset: u64,
}

impl Default for Ask<'_> {
    /// A private page of zeros that can be read and written.
    fn default() -> Self {
        Self {
            at: 0,
            bytes: PAGE,
            protection: libc::PROT_READ | libc::PROT_WRITE,
            flags: libc::MAP_PRIVATE | libc::MAP_ANONYMOUS,
            file: None,
            offset: 0,
        }
    }
}

/// Where nobody has memory, if the call is not refused altogether.
fn is_impossible(address: u64) -> bool {
    address % PAGE as u64 != 0 || address < 65536 || address >= (1 << 47) - PAGE as u64
}

/// Whether writes are seen by a child.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sharing {
    /// Copied on write.
    Private,
    /// Seen by both.
    Shared,
}

impl Sharing {
    fn flags(self) -> MapFlags {
        match self {
            Self::Private => MapFlags::PRIVATE,
            Self::Shared => MapFlags::SHARED,
        }
    }
}

impl Region {
    /// Pages of zeros that can be read and written.
    ///
    /// # Errors
    /// See mmap(2).
    pub fn anonymous(pages: usize, sharing: Sharing) -> Result<Self, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let bytes = pages.saturating_mul(PAGE);
        // SAFETY: without MAP_FIXED the kernel picks addresses that are free.
        let start = unsafe { mmap_anonymous(null_mut(), bytes, access, sharing.flags()) }?;
        Ok(Self { start, pages })
    }

    /// The first pages of a file.
    ///
    /// # Errors
    /// See mmap(2).
    pub fn file(file: BorrowedFd<'_>, pages: usize, sharing: Sharing) -> Result<Self, Errno> {
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let bytes = pages.saturating_mul(PAGE);
        // SAFETY: as above; the bytes are only read and written one at a time, volatile.
        let start = unsafe { mmap(null_mut(), bytes, access, sharing.flags(), file, 0) }?;
        Ok(Self { start, pages })
    }

    /// Pages as the call mmap(2) gives them for these numbers (`file` is at the offset `first`),
    /// but not at a place that the caller chooses. Libraries change some errors.
    ///
    /// # Errors
    /// See mmap(2).
    pub fn raw(
        pages: usize,
        protection: i32,
        flags: i32,
        file: Option<BorrowedFd<'_>>,
        first: i64,
    ) -> Result<Self, Errno> {
        use rustix::fd::AsRawFd;
        assert!(flags & (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE) == 0);
        let bytes = pages.saturating_mul(PAGE);
        let fd = file.map_or(-1, |file| file.as_raw_fd());
        // SAFETY: the kernel picks addresses that are free.
        let start =
            unsafe { libc::syscall(libc::SYS_mmap, 0, bytes, protection, flags, fd, first) };
        if start == -1 {
            return Err(crate::raw::last_errno());
        }
        Ok(Self {
            start: start as *mut c_void,
            pages,
        })
    }

    /// Pages as mmap(2) gives them.
    ///
    /// # Errors
    /// See mmap(2).
    pub fn ask(ask: &Ask<'_>) -> Result<Self, Errno> {
        use rustix::fd::AsRawFd;
        assert!(ask.flags & libc::MAP_FIXED == 0 || is_impossible(ask.at));
        let fd = ask.file.map_or(-1, |file| file.as_raw_fd());
        let Ask { at, bytes, .. } = *ask;
        let (access, flags, offset) = (ask.protection, ask.flags, ask.offset);
        // SAFETY: nothing that is there is replaced.
        let start = unsafe { libc::syscall(libc::SYS_mmap, at, bytes, access, flags, fd, offset) };
        if start == -1 {
            return Err(crate::raw::last_errno());
        }
        Ok(Self {
            start: start as *mut c_void,
            pages: bytes.div_ceil(PAGE),
        })
    }

    /// Maps a file, from its beginning, in place of some of the pages.
    ///
    /// # Errors
    /// See mmap(2).
    pub fn replace_by(
        &self,
        (first, pages): (usize, usize),
        file: BorrowedFd<'_>,
        sharing: Sharing,
    ) -> Result<(), Errno> {
        let (start, bytes) = self.range(first, pages);
        let access = ProtFlags::READ | ProtFlags::WRITE;
        let flags = sharing.flags() | MapFlags::FIXED;
        // SAFETY: these pages have no other user.
        unsafe { mmap(start, bytes, access, flags, file, 0) }.map(drop)
    }

    /// Maps some of the pages anew, with MAP_FIXED or MAP_FIXED_NOREPLACE among `flags`.
    ///
    /// # Errors
    /// See mmap(2).
    pub fn replace(
        &self,
        (first, pages): (usize, usize),
        protection: i32,
        flags: i32,
    ) -> Result<(), Errno> {
        assert!(flags & (libc::MAP_FIXED | libc::MAP_FIXED_NOREPLACE) != 0);
        let (start, bytes) = self.range(first, pages);
        // SAFETY: these pages have no other user.
        let got = unsafe { libc::mmap(start, bytes, protection, flags, -1, 0) };
        if got == libc::MAP_FAILED {
            return Err(crate::raw::last_errno());
        }
        assert!(got == start, "mapped elsewhere");
        Ok(())
    }

    /// mremap(2) of some of the pages to `new_pages`, with `to` at its beginning with
    /// MREMAP_FIXED. Where they are then; without MREMAP_DONTUNMAP this region has lost them.
    ///
    /// # Errors
    /// See mremap(2).
    pub fn remap(
        &self,
        (first, pages): (usize, usize),
        new_pages: usize,
        flags: i32,
        to: Option<&Region>,
    ) -> Result<Region, Errno> {
        let (start, bytes) = self.range(first, pages);
        let new = new_pages.saturating_mul(PAGE);
        assert!(flags & libc::MREMAP_FIXED == 0 || to.is_some_and(|to| new_pages <= to.pages));
        let place = to.map_or(null_mut(), |to| to.start);
        // SAFETY: neither the pages nor those that they replace have another user.
        let got = unsafe { libc::mremap(start, bytes, new, flags, place) };
        if got == libc::MAP_FAILED {
            return Err(crate::raw::last_errno());
        }
        Ok(Region {
            start: got,
            pages: new_pages,
        })
    }

    /// mremap(2) in bytes, with `to` for MREMAP_FIXED: a place in these pages or one that cannot be.
    ///
    /// # Errors
    /// See mremap(2).
    pub fn remap_bytes(
        &self,
        (offset, old): (usize, usize),
        new: usize,
        flags: i32,
        to: u64,
    ) -> Result<Region, Errno> {
        let own = self.address(0)..self.address(self.pages.saturating_mul(PAGE));
        assert!(flags & libc::MREMAP_FIXED == 0 || own.contains(&to) || is_impossible(to));
        let start = self.byte(offset).cast::<c_void>();
        // SAFETY: neither the pages nor those that they replace have another user.
        let got = unsafe { libc::syscall(libc::SYS_mremap, start, old, new, flags, to) };
        if got == -1 {
            return Err(crate::raw::last_errno());
        }
        Ok(Region {
            start: got as *mut c_void,
            pages: new.div_ceil(PAGE),
        })
    }

    /// A call about some bytes of the pages, or about more than any memory has.
    ///
    /// # Errors
    /// The kernel's.
    pub fn call_bytes(
        &self,
        call: OnPages,
        (offset, bytes): (usize, usize),
        arg: i32,
    ) -> Result<(), Errno> {
        let all = self.pages.saturating_mul(PAGE);
        assert!(offset.saturating_add(bytes) <= all || bytes > isize::MAX as usize);
        let start = self.start.cast::<u8>().wrapping_add(offset);
        // SAFETY: these pages have no other user, and what is longer is refused.
        match unsafe { libc::syscall(call as libc::c_long, start, bytes, arg) } {
            -1 => Err(crate::raw::last_errno()),
            _ => Ok(()),
        }
    }

    /// A call about some of the pages.
    ///
    /// # Errors
    /// The kernel's.
    pub fn call(
        &self,
        call: OnPages,
        (first, pages): (usize, usize),
        arg: i32,
    ) -> Result<(), Errno> {
        let (start, bytes) = self.range(first, pages);
        // SAFETY: these pages have no other user, and no call writes elsewhere.
        match unsafe { libc::syscall(call as libc::c_long, start, bytes, arg) } {
            -1 => Err(crate::raw::last_errno()),
            _ => Ok(()),
        }
    }

    /// mincore(2): which of some pages are in memory.
    ///
    /// # Errors
    /// See mincore(2).
    pub fn resident(&self, first: usize, pages: usize) -> Result<Vec<bool>, Errno> {
        let (start, bytes) = self.range(first, pages);
        let mut found = vec![0u8; pages];
        // SAFETY: a byte is written for each page.
        match unsafe { libc::mincore(start, bytes, found.as_mut_ptr()) } {
            0 => Ok(found.iter().map(|byte| byte & 1 != 0).collect()),
            _ => Err(crate::raw::last_errno()),
        }
    }

    /// Pages that a call has given.
    pub(crate) fn given(start: u64, pages: usize) -> Self {
        Self {
            start: start as *mut c_void,
            pages,
        }
    }

    /// How many pages it has, unmapped ones too.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// Forgets the pages without unmapping them: another region has them.
    pub fn forget(self) {
        std::mem::forget(self);
    }

    /// The address of a byte.
    #[must_use]
    pub fn address(&self, offset: usize) -> u64 {
        self.start as u64 + offset as u64
    }

    /// The byte at `offset`.
    #[must_use]
    pub fn read(&self, offset: usize) -> u8 {
        // SAFETY: in these pages, whose bytes have no other user; unmapped ones end the process.
        unsafe { self.byte(offset).read_volatile() }
    }

    /// Sets the byte at `offset`.
    pub fn write(&self, offset: usize, value: u8) {
        // SAFETY: as above.
        unsafe { self.byte(offset).write_volatile(value) };
    }

    /// Calls what is at `offset` as code.
    pub fn execute(&self, offset: usize) {
        let address = self.byte(offset);
        // SAFETY: the caller wrote a function there that returns at once, or the kernel ends the
        // process for executing data.
        unsafe { core::arch::asm!("call {0}", in(reg) address, clobber_abi("C")) };
    }

    fn byte(&self, offset: usize) -> *mut u8 {
        assert!(
            offset < self.pages.saturating_mul(PAGE),
            "offset {offset} is outside"
        );
        self.start.cast::<u8>().wrapping_add(offset)
    }

    fn range(&self, first: usize, pages: usize) -> (*mut c_void, usize) {
        assert!(
            first.saturating_add(pages) <= self.pages,
            "pages {first}+{pages} are outside"
        );
        let start = self
            .start
            .cast::<u8>()
            .wrapping_add(first.saturating_mul(PAGE));
        (start.cast(), pages.saturating_mul(PAGE))
    }

    /// Sets what may be done with some of the pages.
    ///
    /// # Errors
    /// See mprotect(2).
    pub fn protect(&self, first: usize, pages: usize, access: Access) -> Result<(), Errno> {
        let (start, bytes) = self.range(first, pages);
        // SAFETY: these pages have no other user.
        unsafe { mprotect(start, bytes, access.flags()) }
    }

    /// Gives some of the pages back.
    ///
    /// # Errors
    /// See munmap(2).
    pub fn unmap(&self, first: usize, pages: usize) -> Result<(), Errno> {
        let (start, bytes) = self.range(first, pages);
        // SAFETY: these pages have no other user.
        unsafe { munmap(start, bytes) }
    }
}

/// Calls about pages that take a number besides.
#[derive(Clone, Copy, Debug)]
#[allow(missing_docs)] // the names are the calls'
pub enum OnPages {
    Madvise = libc::SYS_madvise as isize,
    Msync = libc::SYS_msync as isize,
    Mlock = libc::SYS_mlock as isize,
    Mlock2 = libc::SYS_mlock2 as isize,
    Munlock = libc::SYS_munlock as isize,
    Mprotect = libc::SYS_mprotect as isize,
    Munmap = libc::SYS_munmap as isize,
    /// mincore(2) with the null pointer for its result, if the number is 0.
    Mincore = libc::SYS_mincore as isize,
}

/// brk(2) where it moves nothing: the heap's end, asked for with an address that cannot be.
#[must_use]
pub fn heap_end(asked: u64) -> u64 {
    assert!(!(65536..1 << 46).contains(&asked));
    // SAFETY: such an end is refused.
    unsafe { libc::syscall(libc::SYS_brk, asked) as u64 }
}

/// Lets the heap (brk(2)) grow by so many bytes, writes to the last of them, and takes them back;
/// false when the kernel refuses.
#[must_use]
pub fn heap_can_grow(bytes: usize) -> bool {
    // SAFETY: asks where the heap ends.
    let end = unsafe { libc::syscall(libc::SYS_brk, 0) } as usize;
    let wanted = end.saturating_add(bytes);
    // SAFETY: what is added lies behind all that anybody uses.
    let got = unsafe { libc::syscall(libc::SYS_brk, wanted) } as usize;
    if got != wanted {
        return false;
    }
    // SAFETY: the last byte of what was added.
    unsafe { (got as *mut u8).wrapping_sub(1).write_volatile(1) };
    // SAFETY: only what was added goes.
    unsafe { libc::syscall(libc::SYS_brk, end) as usize == end }
}

impl Drop for Region {
    fn drop(&mut self) {
        // Nothing else lies there even if parts were unmapped before: programs that use this have
        // one thread, and their allocator's pages are its own. An error leaves pages, no more.
        let _ = self.unmap(0, self.pages);
    }
}

/// What may be done with a page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Nothing.
    None,
    /// Reading.
    Read,
    /// Reading and writing.
    Write,
    /// Reading and executing.
    Execute,
}

impl Access {
    fn flags(self) -> MprotectFlags {
        match self {
            Self::None => MprotectFlags::empty(),
            Self::Read => MprotectFlags::READ,
            Self::Write => MprotectFlags::READ | MprotectFlags::WRITE,
            Self::Execute => MprotectFlags::READ | MprotectFlags::EXEC,
        }
    }
}

/// What write(2) says to `length` bytes at any `address`: the kernel only reads there.
///
/// # Errors
/// See write(2).
pub fn write_from(fd: BorrowedFd<'_>, address: u64, length: usize) -> Result<usize, Errno> {
    use rustix::fd::AsRawFd;
    // SAFETY: the kernel checks the address; it changes no memory of this process.
    let raw = unsafe { libc::write(fd.as_raw_fd(), address as *const c_void, length) };
    usize::try_from(raw).map_err(|_| crate::raw::last_errno())
}

/// What read(2) says when it shall put bytes into `region` from `offset` on, however many.
///
/// # Errors
/// See read(2).
pub fn read_into(
    fd: BorrowedFd<'_>,
    region: &Region,
    offset: usize,
    length: usize,
) -> Result<usize, Errno> {
    use rustix::fd::AsRawFd;
    assert!(offset.saturating_add(length) <= region.pages.saturating_mul(PAGE));
    // SAFETY: the bytes are the region's, which has no other user; unmapped ones are EFAULT.
    let raw = unsafe {
        libc::read(
            fd.as_raw_fd(),
            region.address(offset) as *mut c_void,
            length,
        )
    };
    usize::try_from(raw).map_err(|_| crate::raw::last_errno())
}

/// Makes a call that takes numbers only, such as one that does not exist.
///
/// # Errors
/// The kernel's.
pub fn nonexistent_call(number: u32) -> Result<(), Errno> {
    assert!(number >= 2000, "a number that no kernel uses");
    // SAFETY: no kernel has this call, and it gets no address.
    match unsafe { libc::syscall(libc::c_long::from(number)) } {
        -1 => Err(crate::raw::last_errno()),
        _ => Ok(()),
    }
}

/// Makes process_vm_readv(2): reads into `to` what another process has at these addresses, each
/// with a length.
///
/// # Errors
/// See process_vm_readv(2).
pub fn read_across(
    pid: i32,
    to: &mut [u8],
    from: &[[usize; 2]],
    flags: u64,
) -> Result<usize, Errno> {
    let own = [to.as_mut_ptr() as usize, to.len()];
    // SAFETY: vectors of addresses and lengths; only `to` is written.
    let got = unsafe {
        libc::syscall(
            libc::SYS_process_vm_readv,
            pid,
            &raw const own,
            1,
            from.as_ptr(),
            from.len(),
            flags,
        )
    };
    usize::try_from(got).map_err(|_| crate::raw::last_errno())
}

/// Makes process_vm_writev(2): writes `from` to these addresses of another process.
///
/// # Errors
/// See process_vm_writev(2); EINVAL for this process.
pub fn write_across(pid: i32, from: &[u8], to: &[[usize; 2]], flags: u64) -> Result<usize, Errno> {
    if pid == rustix::process::Pid::as_raw(Some(rustix::process::getpid())) {
        return Err(Errno::INVAL);
    }
    let own = [from.as_ptr() as usize, from.len()];
    // SAFETY: vectors of addresses and lengths; no memory of this program is written.
    let put = unsafe {
        libc::syscall(
            libc::SYS_process_vm_writev,
            pid,
            &raw const own,
            1,
            to.as_ptr(),
            to.len(),
            flags,
        )
    };
    usize::try_from(put).map_err(|_| crate::raw::last_errno())
}
