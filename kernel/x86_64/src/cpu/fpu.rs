//! FPU state of user code. The kernel is built without floating point, so the registers keep the
//! state of the user context that ran last.

use super::features::{Features, FpuFormat};
use berth_kernel::machine::FpuArea;
use core::arch::asm;

const MXCSR: usize = 24;
const MXCSR_MASK: usize = 28;
/// Bits of MXCSR on processors that do not tell (Intel SDM vol. 1, 11.6.6).
const MXCSR_DEFAULT: u32 = 0xffbf;
/// The XSAVE header: components in use, then what must be zero in the standard format.
const HEADER: usize = 512;
const HEADER_END: usize = HEADER + 64;

/// How this processor saves FPU state.
pub struct Fpu {
    format: FpuFormat,
    mxcsr_bits: u32,
}

impl Fpu {
    /// Finds out which bits of MXCSR there are.
    pub fn new(features: &Features) -> Self {
        let mut area = FpuArea::INITIAL;
        // SAFETY: the area is aligned and has the 512 bytes that are written.
        unsafe { asm!("fxsave64 [{}]", in(reg) &raw mut area, options(nostack, preserves_flags)) };
        let bits = match word(&area, MXCSR_MASK) {
            0 => MXCSR_DEFAULT,
            bits => bits,
        };
        Self {
            format: features.fpu,
            mxcsr_bits: bits,
        }
    }

    /// Stores the registers.
    pub fn save(&self, to: &mut FpuArea) {
        let at = &raw mut *to;
        match self.format {
            // SAFETY: the area is aligned and has room for the components of XCR0.
            FpuFormat::Xsave(components) => unsafe {
                asm!("xsave64 [{}]", in(reg) at, in("eax") components as u32, in("edx") 0, options(nostack, preserves_flags));
            },
            // SAFETY: the area is aligned and has the 512 bytes that are written.
            FpuFormat::Fxsave => unsafe {
                asm!("fxsave64 [{}]", in(reg) at, options(nostack, preserves_flags));
            },
        }
    }

    /// Loads the registers. What the processor would refuse is cleared first: areas come from
    /// signal frames, which programs may have changed.
    pub fn load(&self, from: &FpuArea) {
        if self.is_valid(from) {
            return self.load_valid(from);
        }
        let mut area = *from;
        self.sanitise(&mut area);
        self.load_valid(&area);
    }

    fn is_valid(&self, area: &FpuArea) -> bool {
        let header_valid = match self.format {
            FpuFormat::Fxsave => true,
            FpuFormat::Xsave(components) => {
                components_in(area) & !components == 0
                    && area.0[HEADER + 8..HEADER_END].iter().all(|&byte| byte == 0)
            }
        };
        header_valid && word(area, MXCSR) & !self.mxcsr_bits == 0
    }

    fn sanitise(&self, area: &mut FpuArea) {
        let mxcsr = word(area, MXCSR) & self.mxcsr_bits;
        area.0[MXCSR..MXCSR + 4].copy_from_slice(&mxcsr.to_le_bytes());
        if let FpuFormat::Xsave(components) = self.format {
            let used = components_in(area) & components;
            area.0[HEADER..HEADER + 8].copy_from_slice(&used.to_le_bytes());
            area.0[HEADER + 8..HEADER_END].fill(0);
        }
    }

    fn load_valid(&self, area: &FpuArea) {
        let at = &raw const *area;
        match self.format {
            // SAFETY: the area is aligned, its header and MXCSR are valid; the registers belong to
            // user code.
            FpuFormat::Xsave(components) => unsafe {
                asm!("xrstor64 [{}]", in(reg) at, in("eax") components as u32, in("edx") 0, options(nostack, preserves_flags));
            },
            // SAFETY: the area is aligned, its MXCSR is valid; the registers belong to user code.
            FpuFormat::Fxsave => unsafe {
                asm!("fxrstor64 [{}]", in(reg) at, options(nostack, preserves_flags));
            },
        }
    }
}

fn word(area: &FpuArea, at: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&area.0[at..at + 4]);
    u32::from_le_bytes(bytes)
}

fn components_in(area: &FpuArea) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&area.0[HEADER..HEADER + 8]);
    u64::from_le_bytes(bytes)
}
