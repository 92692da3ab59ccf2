//! /proc/cpuinfo: the processor in words, as it tells programs itself (Intel SDM vol. 2, CPUID).

use crate::Kernel;
use crate::error::Stop;
use crate::fs::ViewNode;
use crate::machine::Machine;
use crate::views::text::{Text, put};
use alloc::vec::Vec;

/// What CPUID says of the processor's make: family, model, stepping.
fn make(signature: u32) -> (u32, u32, u32) {
    let field = |shift: u32, bits: u32| signature >> shift & ((1 << bits) - 1);
    let family = match field(8, 4) {
        15 => 15 + field(20, 8),
        family => family,
    };
    let model = match family {
        6 | 15.. => field(16, 4) << 4 | field(4, 4),
        _ => field(4, 4),
    };
    (family, model, field(0, 4))
}

/// The bytes of registers in turn, up to the first NUL.
fn words(registers: &[u32]) -> Vec<u8> {
    let bytes = registers.iter().flat_map(|r| r.to_le_bytes());
    bytes.take_while(|b| *b != 0).collect()
}

fn name(m: &dyn Machine) -> Vec<u8> {
    let leaves = [0x8000_0002, 0x8000_0003, 0x8000_0004];
    let registers: Vec<u32> = leaves.into_iter().flat_map(|l| m.cpuid(l, 0)).collect();
    words(&registers)
}

/// /proc/cpuinfo: there is one CPU.
pub(super) fn cpuinfo(
    _k: &mut Kernel,
    m: &mut dyn Machine,
    _node: ViewNode,
) -> Result<Vec<u8>, Stop> {
    let [last, b, c, d] = m.cpuid(0, 0);
    let [signature, basic, _, _] = m.cpuid(1, 0);
    let (family, model, stepping) = make(signature);
    let line = basic >> 8 & 0xff;
    let sizes = m.cpuid(0x8000_0008, 0)[0];
    let mut text = Text::default();
    put!(text, "processor\t: 0\nvendor_id\t: ");
    text.push(&words(&[b, d, c]));
    put!(
        text,
        "\ncpu family\t: {family}\nmodel\t\t: {model}\nmodel name\t: "
    );
    text.push(name(m).trim_ascii());
    put!(text, "\nstepping\t: {stepping}\n");
    put!(
        text,
        "physical id\t: 0\nsiblings\t: 1\ncore id\t\t: 0\ncpu cores\t: 1\n"
    );
    put!(
        text,
        "fpu\t\t: yes\nfpu_exception\t: yes\ncpuid level\t: {last}\nwp\t\t: yes\nflags\t\t:"
    );
    for (leaf, register, names) in FLAGS {
        let bits = m.cpuid(leaf, 0).get(register).copied().unwrap_or(0);
        for (bit, name) in names {
            if bits >> bit & 1 != 0 {
                put!(text, " {name}");
            }
        }
    }
    put!(
        text,
        "\nclflush size\t: {}\ncache_alignment\t: {0}\n",
        line * 8
    );
    put!(text, "address sizes\t: {} bits physical, ", sizes & 0xff);
    // Page tables have four levels, whatever the processor could do.
    let bits = (sizes >> 8 & 0xff).min(48);
    put!(text, "{bits} bits virtual\npower management:\n\n");
    Ok(text.done()?)
}

const B: usize = 1;
const C: usize = 2;
const D: usize = 3;

type Names = &'static [(u32, &'static str)];

/// Leaf, register, and its bits by the names that cpuinfo gives them.
const FLAGS: [(u32, usize, Names); 5] = [
    (
        1,
        D,
        &[
            (0, "fpu"),
            (1, "vme"),
            (2, "de"),
            (3, "pse"),
            (4, "tsc"),
            (5, "msr"),
            (6, "pae"),
            (7, "mce"),
            (8, "cx8"),
            (9, "apic"),
            (11, "sep"),
            (12, "mtrr"),
            (13, "pge"),
            (14, "mca"),
            (15, "cmov"),
            (16, "pat"),
            (17, "pse36"),
            (19, "clflush"),
            (21, "dts"),
            (22, "acpi"),
            (23, "mmx"),
            (24, "fxsr"),
            (25, "sse"),
            (26, "sse2"),
            (27, "ss"),
            (28, "ht"),
        ],
    ),
    (
        0x8000_0001,
        D,
        &[
            (11, "syscall"),
            (20, "nx"),
            (22, "mmxext"),
            (25, "fxsr_opt"),
            (26, "pdpe1gb"),
            (27, "rdtscp"),
            (29, "lm"),
            (30, "3dnowext"),
            (31, "3dnow"),
        ],
    ),
    (
        1,
        C,
        &[
            (0, "pni"),
            (1, "pclmulqdq"),
            (9, "ssse3"),
            (12, "fma"),
            (13, "cx16"),
            (19, "sse4_1"),
            (20, "sse4_2"),
            (22, "movbe"),
            (23, "popcnt"),
            (25, "aes"),
            (26, "xsave"),
            (28, "avx"),
            (29, "f16c"),
            (30, "rdrand"),
            (31, "hypervisor"),
        ],
    ),
    (
        0x8000_0001,
        C,
        &[
            (0, "lahf_lm"),
            (5, "abm"),
            (6, "sse4a"),
            (8, "3dnowprefetch"),
        ],
    ),
    (
        7,
        B,
        &[
            (0, "fsgsbase"),
            (3, "bmi1"),
            (5, "avx2"),
            (7, "smep"),
            (8, "bmi2"),
            (9, "erms"),
            (18, "rdseed"),
            (19, "adx"),
            (20, "smap"),
            (29, "sha_ni"),
        ],
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_taken_apart() {
        // A Skylake server, an AMD Zen 2, a Pentium.
        assert_eq!(make(0x0005_0657), (6, 0x55, 7));
        assert_eq!(make(0x0083_0f10), (0x17, 0x31, 0));
        assert_eq!(make(0x0000_0543), (5, 4, 3));
        let intel = [0x756e_6547, 0x4965_6e69, 0x6c65_746e];
        assert_eq!(words(&intel), b"GenuineIntel");
    }
}
