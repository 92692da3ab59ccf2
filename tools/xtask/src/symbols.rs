//! Names for the kernel's backtraces.
//!
//! The linker script reserves the section `.berth.symbols`; its place in the linked file is filled here, with the functions of the
//! file's own symbol table. `kernel/x86_64/src/symbols.rs` describes the format and reads it.

use anyhow::{Context, Result, bail};
use object::read::elf::ElfFile64;
use object::{LittleEndian, Object, ObjectSection, ObjectSymbol};
use std::path::Path;

/// The section in the kernel.
const SECTION: &str = ".berth.symbols";
/// Its first bytes once it is filled.
const MAGIC: &[u8; 8] = b"BERTHSYM";
/// Addresses are counted from here: the top 2 GiB.
const BASE: u64 = 0xffff_ffff_8000_0000;

/// Copies a linked kernel with the section filled.
pub fn embed(elf: &Path, to: &Path) -> Result<()> {
    let mut bytes = std::fs::read(elf).with_context(|| format!("cannot read {}", elf.display()))?;
    let file: Elf = ElfFile64::parse(bytes.as_slice())
        .with_context(|| format!("{} is not a 64-bit ELF file", elf.display()))?;
    let (functions, end) = functions(&file)?;
    let table = table(&functions, end)?;
    let (start, room) = file
        .section_by_name(SECTION)
        .and_then(|section| section.file_range())
        .with_context(|| format!("{} has no section {SECTION}", elf.display()))?;
    if table.len() as u64 > room {
        bail!(
            "{} bytes of symbols do not fit into the {room} of {SECTION}: enlarge it in linker.ld",
            table.len()
        );
    }
    let start = usize::try_from(start)?;
    bytes
        .get_mut(start..start + table.len())
        .context("the section lies outside the file")?
        .copy_from_slice(&table);
    std::fs::write(to, bytes).with_context(|| format!("cannot write {}", to.display()))
}

/// The kernel's file.
type Elf<'a> = ElfFile64<'a, LittleEndian>;
/// A place in the code, as the table counts addresses, and its name.
type Function = (u32, String);

/// The places in the code that have names, ascending, one name for each; and the end of the code.
fn functions(file: &Elf) -> Result<(Vec<Function>, u32)> {
    let text = file.section_by_name(".text").context("there is no .text")?;
    let mut functions: Vec<Function> = file
        .symbols()
        .filter(|symbol| symbol.section_index() == Some(text.index()))
        .filter_map(|symbol| {
            let name = symbol.name().ok().filter(|name| !name.is_empty())?;
            Some((counted(symbol.address())?, readable(name)))
        })
        .collect();
    // Of several names for one place the longest says most.
    functions.sort_by(|a, b| (a.0, b.1.len(), &a.1).cmp(&(b.0, a.1.len(), &b.1)));
    functions.dedup_by_key(|function| function.0);
    let end = counted(text.address() + text.size()).context(".text is not in the top 2 GiB")?;
    Ok((functions, end))
}

/// An address as the table counts it.
fn counted(address: u64) -> Option<u32> {
    u32::try_from(address.checked_sub(BASE)?).ok()
}

/// The name without mangling and without the hash that tells versions of a crate apart.
fn readable(mangled: &str) -> String {
    format!("{:#}", rustc_demangle::demangle(mangled))
}

/// The section's content.
fn table(functions: &[Function], end: u32) -> Result<Vec<u8>> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend(u32::try_from(functions.len())?.to_le_bytes());
    let mut names = String::new();
    for (address, name) in functions {
        bytes.extend(address.to_le_bytes());
        bytes.extend(u32::try_from(names.len())?.to_le_bytes());
        names += name;
    }
    bytes.extend(end.to_le_bytes());
    bytes.extend(u32::try_from(names.len())?.to_le_bytes());
    bytes.extend(names.as_bytes());
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_what_the_kernel_reads() {
        let functions = [(0x10, String::from("one")), (0x20, String::from("two"))];
        let bytes = table(&functions, 0x30).unwrap();
        let mut expected = b"BERTHSYM".to_vec();
        for word in [2_u32, 0x10, 0, 0x20, 3, 0x30, 6] {
            expected.extend(word.to_le_bytes());
        }
        expected.extend(b"onetwo");
        assert_eq!(bytes, expected);
    }

    #[test]
    fn addresses_are_counted_from_the_top_2_gib() {
        assert_eq!(counted(0xffff_ffff_8020_0010), Some(0x20_0010));
        assert_eq!(counted(0x20_0010), None);
    }

    #[test]
    fn names_lose_their_hash() {
        let mangled = "_ZN5berth5panic5fault17h0123456789abcdefE";
        assert_eq!(readable(mangled), "berth::panic::fault");
        assert_eq!(readable("trap_entry"), "trap_entry");
    }

    #[test]
    fn a_file_that_is_no_kernel_is_refused() {
        let file = tempfile();
        std::fs::write(&file, b"text").unwrap();
        let error = embed(&file, &file).unwrap_err();
        std::fs::remove_file(&file).unwrap();
        assert!(
            error.to_string().contains("not a 64-bit ELF file"),
            "{error}"
        );
    }

    fn tempfile() -> std::path::PathBuf {
        std::env::temp_dir().join(format!("berth-symbols-{}", std::process::id()))
    }
}
