//! A program made by hand: one page, one segment, one system call.

/// Where the program is loaded.
const BASE: u64 = 0x40_0000;
const FILE_HEADER: u16 = 64;
const SEGMENT_HEADER: u16 = 56;

/// A static program for x86-64 Linux that exits with `code`.
#[must_use]
pub fn exit_program(code: u8) -> Vec<u8> {
    let text = [
        [0xbf, code, 0, 0, 0], // mov edi, code
        [0xb8, 231, 0, 0, 0],  // mov eax, exit_group
        [0x0f, 0x05, 0, 0, 0], // syscall
    ]
    .concat();
    let start = u64::from(FILE_HEADER + SEGMENT_HEADER);
    let size = start + text.len() as u64;
    let file_header = [
        &b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0"[..], // 64-bit, little endian, System V
        &2u16.to_le_bytes(),                           // ET_EXEC
        &62u16.to_le_bytes(),                          // EM_X86_64
        &1u32.to_le_bytes(),                           // version
        &(BASE + start).to_le_bytes(),                 // entry
        &u64::from(FILE_HEADER).to_le_bytes(),         // where the segment header is
        &0u64.to_le_bytes(),                           // no sections
        &0u32.to_le_bytes(),                           // flags
        &FILE_HEADER.to_le_bytes(),
        &SEGMENT_HEADER.to_le_bytes(),
        &1u16.to_le_bytes(), // segments
        &[0; 6],             // no sections
    ];
    let segment_header = [
        &1u32.to_le_bytes()[..], // PT_LOAD
        &5u32.to_le_bytes(),     // read, execute
        &0u64.to_le_bytes(),     // from the file's start
        &BASE.to_le_bytes(),     // virtual
        &BASE.to_le_bytes(),     // physical
        &size.to_le_bytes(),     // in the file
        &size.to_le_bytes(),     // in memory
        &0x1000u64.to_le_bytes(),
    ];
    [file_header.concat(), segment_header.concat(), text].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn linux_runs_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("true");
        let path = path.to_str().unwrap();
        crate::small::write_true(path).unwrap();
        // Another test may fork while the file is open for writing: try again then.
        for _ in 0..50 {
            match std::process::Command::new(path).status() {
                Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                    std::thread::sleep(std::time::Duration::from_millis(20));
                }
                status => return assert!(status.unwrap().success()),
            }
        }
        panic!("the file stays busy");
    }

    #[test]
    fn the_code_is_the_one_asked_for() {
        let program = exit_program(42);
        assert_eq!(program[usize::from(FILE_HEADER + SEGMENT_HEADER) + 1], 42);
        assert!(program.len() < 200);
    }
}
