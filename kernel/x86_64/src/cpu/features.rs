//! What the processor can do (CPUID), and switching it on (CR0, CR4, EFER, XCR0).

use core::arch::x86_64::{__cpuid_count, CpuidResult};
use x86_64::registers::control::{Cr0, Cr0Flags, Cr4, Cr4Flags, Efer, EferFlags};
use x86_64::registers::xcontrol::{XCr0, XCr0Flags};

/// How FPU state is saved.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FpuFormat {
    /// FXSAVE: x87 and SSE.
    Fxsave,
    /// XSAVE with these components (XCR0).
    Xsave(u64),
}

/// What this processor can do, as far as the kernel cares.
#[derive(Clone, Copy, Debug)]
pub struct Features {
    /// Pages of 1 GiB.
    pub huge_pages: bool,
    /// The RDRAND instruction.
    pub rdrand: bool,
    /// How FPU state is saved.
    pub fpu: FpuFormat,
    /// CPUID.1:EDX, which programs get as AT_HWCAP.
    pub hwcap: u32,
    cr4: Cr4Flags,
}

/// Queries CPUID; all zero for leaves that the processor does not have.
#[allow(unused_unsafe)] // later compilers know the instruction to be safe
pub fn cpuid(leaf: u32, subleaf: u32) -> CpuidResult {
    const NONE: CpuidResult = CpuidResult {
        eax: 0,
        ebx: 0,
        ecx: 0,
        edx: 0,
    };
    let class = leaf & 0xffff_0000;
    // SAFETY: every processor with long mode has CPUID, which only reads.
    let highest = unsafe { __cpuid_count(class, 0) }.eax;
    if highest & 0xffff_0000 != class || highest < leaf {
        return NONE;
    }
    // SAFETY: every processor with long mode has CPUID, which only reads.
    unsafe { __cpuid_count(leaf, subleaf) }
}

const fn bit(word: u32, n: u32) -> bool {
    word >> n & 1 != 0
}

impl Features {
    /// Asks the processor.
    pub fn detect() -> Self {
        let basic = cpuid(1, 0);
        let extended = cpuid(7, 0);
        let amd = cpuid(0x8000_0001, 0);
        assert!(
            bit(amd.edx, 20),
            "this processor cannot forbid execution of pages (no NX)"
        );
        assert!(
            bit(amd.edx, 11),
            "this processor has no SYSCALL instruction"
        );
        assert!(bit(basic.edx, 9), "this processor has no local APIC");
        let mut cr4 = Cr4Flags::PHYSICAL_ADDRESS_EXTENSION
            | Cr4Flags::OSFXSR
            | Cr4Flags::OSXMMEXCPT_ENABLE
            | Cr4Flags::MACHINE_CHECK_EXCEPTION
            | Cr4Flags::PAGE_GLOBAL;
        for (present, flag) in [
            (bit(extended.ebx, 0), Cr4Flags::FSGSBASE),
            (
                bit(extended.ebx, 7),
                Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION,
            ),
            (
                bit(extended.ebx, 20),
                Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION,
            ),
            (
                bit(extended.ecx, 2),
                Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION,
            ),
            (bit(basic.ecx, 26), Cr4Flags::OSXSAVE),
        ] {
            cr4.set(flag, present);
        }
        Self {
            huge_pages: bit(amd.edx, 26),
            rdrand: bit(basic.ecx, 30),
            fpu: if bit(basic.ecx, 26) {
                FpuFormat::Xsave(xsave_components())
            } else {
                FpuFormat::Fxsave
            },
            hwcap: basic.edx,
            cr4,
        }
    }

    /// Whether user code may read and write its FS and GS base itself.
    pub fn fsgsbase(&self) -> bool {
        self.cr4.contains(Cr4Flags::FSGSBASE)
    }

    /// Switches on all that was found.
    pub fn enable(&self) {
        let cr0 = Cr0Flags::PROTECTED_MODE_ENABLE
            | Cr0Flags::MONITOR_COPROCESSOR
            | Cr0Flags::EXTENSION_TYPE
            | Cr0Flags::NUMERIC_ERROR
            | Cr0Flags::WRITE_PROTECT
            | Cr0Flags::ALIGNMENT_MASK
            | Cr0Flags::PAGING;
        // SAFETY: keeps protected mode and paging, on which this code runs, as they are.
        unsafe { Cr0::write(cr0) };
        // SAFETY: keeps PAE; each other bit was found in CPUID, and no page that the kernel
        // touches or runs from is a user page (SMEP, SMAP).
        unsafe { Cr4::write(self.cr4) };
        let efer = EferFlags::LONG_MODE_ENABLE
            | EferFlags::LONG_MODE_ACTIVE
            | EferFlags::NO_EXECUTE_ENABLE
            | EferFlags::SYSTEM_CALL_EXTENSIONS;
        // SAFETY: stays in long mode; NX and SYSCALL were found in CPUID.
        unsafe { Efer::write(efer) };
        if let FpuFormat::Xsave(components) = self.fpu {
            // SAFETY: OSXSAVE is on, x87 is among the components, and all are in CPUID.
            unsafe { XCr0::write(XCr0Flags::from_bits_retain(components)) };
        }
    }

    /// Words for the log.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        let all = [
            (
                self.cr4
                    .contains(Cr4Flags::SUPERVISOR_MODE_EXECUTION_PROTECTION),
                "smep",
            ),
            (
                self.cr4
                    .contains(Cr4Flags::SUPERVISOR_MODE_ACCESS_PREVENTION),
                "smap",
            ),
            (
                self.cr4
                    .contains(Cr4Flags::USER_MODE_INSTRUCTION_PREVENTION),
                "umip",
            ),
            (self.fsgsbase(), "fsgsbase"),
            (matches!(self.fpu, FpuFormat::Xsave(_)), "xsave"),
            (self.fpu == FpuFormat::Xsave(X87 | SSE | AVX), "avx"),
            (self.rdrand, "rdrand"),
            (self.huge_pages, "1gib-pages"),
        ];
        all.into_iter()
            .filter_map(|(present, name)| present.then_some(name))
    }
}

const X87: u64 = 1;
const SSE: u64 = 2;
const AVX: u64 = 4;

/// x87 and SSE, and AVX if its state lies where `FpuArea` has room for it.
fn xsave_components() -> u64 {
    let supported = u64::from(cpuid(0xd, 0).eax);
    let avx = cpuid(0xd, 2);
    let fits = avx.ebx == 576 && avx.eax == 256;
    X87 | SSE | if fits { supported & AVX } else { 0 }
}
