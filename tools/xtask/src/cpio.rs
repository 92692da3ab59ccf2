//! The newc form of cpio archives, which Linux and Berth read as the initial file system.
//!
//! Format: the kernel's `Documentation/driver-api/early-userspace/buffer-format.rst`. An archive is written from its entries
//! alone: no time of day and no inode numbers of this machine, so the same input gives the same bytes.

use anyhow::{Context, Result, bail};

/// Type bits of `st_mode`.
pub mod kind {
    /// Directory.
    pub const DIRECTORY: u32 = 0o040_000;
    /// Character device.
    pub const CHARACTER: u32 = 0o020_000;
    /// Regular file.
    pub const REGULAR: u32 = 0o100_000;
    /// Symbolic link.
    pub const SYMLINK: u32 = 0o120_000;
    /// The mask of them.
    pub const MASK: u32 = 0o170_000;
}

/// One member of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header<'a> {
    /// Path from the root, without a leading slash.
    pub name: &'a [u8],
    /// The same number joins the names of one file.
    pub inode: u32,
    /// Type and permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u32,
    /// Group.
    pub gid: u32,
    /// How many names of the archive carry this inode.
    pub links: u32,
    /// Device number of a device file: (major, minor).
    pub device: (u32, u32),
}

/// The name of the last member.
const TRAILER: &[u8] = b"TRAILER!!!";

/// Writes an archive into memory.
#[derive(Debug, Default)]
pub struct Writer {
    bytes: Vec<u8>,
}

impl Writer {
    /// Adds one member. `data` is the content of a file or the target of a symbolic link.
    pub fn add(&mut self, header: &Header<'_>, data: &[u8]) -> Result<()> {
        if header.name.is_empty() || header.name == TRAILER || header.name.contains(&0) {
            bail!("not a name for an archive member: {:?}", header.name);
        }
        self.put(header, data)
    }

    /// Ends the archive; its length is a multiple of four, so that another can follow.
    pub fn finish(mut self) -> Result<Vec<u8>> {
        let trailer = Header {
            name: TRAILER,
            inode: 0,
            mode: 0,
            uid: 0,
            gid: 0,
            links: 1,
            device: (0, 0),
        };
        self.put(&trailer, &[])?;
        Ok(self.bytes)
    }

    fn put(&mut self, header: &Header<'_>, data: &[u8]) -> Result<()> {
        let size = u32::try_from(data.len()).context("a file of 4 GiB or more")?;
        let name_size = u32::try_from(header.name.len().saturating_add(1))?;
        let fields = [
            header.inode,
            header.mode,
            header.uid,
            header.gid,
            header.links,
            0, // mtime
            size,
            0, // device of the file system: major
            0, // and minor
            header.device.0,
            header.device.1,
            name_size,
            0, // checksum, unused in this form
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes
                .extend_from_slice(format!("{field:08x}").as_bytes());
        }
        self.bytes.extend_from_slice(header.name);
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
        Ok(())
    }

    fn pad(&mut self) {
        while self.bytes.len() % 4 != 0 {
            self.bytes.push(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(name: &[u8]) -> Header<'_> {
        Header {
            name,
            inode: 7,
            mode: kind::REGULAR | 0o644,
            uid: 1000,
            gid: 100,
            links: 1,
            device: (0, 0),
        }
    }

    #[test]
    fn a_member_is_header_name_and_data_each_padded_to_four() {
        let mut writer = Writer::default();
        writer.add(&file(b"etc/hi"), b"hello").unwrap();
        let bytes = writer.finish().unwrap();
        let header = concat!(
            "070701", "00000007", "000081a4", "000003e8", "00000064", "00000001", "00000000",
            "00000005", "00000000", "00000000", "00000000", "00000000", "00000007", "00000000",
        );
        assert_eq!(&bytes[..110], header.as_bytes());
        assert_eq!(&bytes[110..128], b"etc/hi\0\0\0\0hello\0\0\0");
        assert_eq!(&bytes[128..134], b"070701");
        assert_eq!(&bytes[128 + 110..], b"TRAILER!!!\0\0\0\0");
        assert_eq!(bytes.len() % 4, 0);
    }

    #[test]
    fn names_that_would_break_the_archive_are_refused() {
        for name in [&b""[..], b"TRAILER!!!", b"a\0b"] {
            assert!(Writer::default().add(&file(name), b"").is_err());
        }
    }

    /// GNU cpio is the second opinion, where it is installed.
    #[test]
    fn cpio_reads_what_we_write() {
        use std::io::Write;
        use std::process::{Command, Stdio};
        let mut writer = Writer::default();
        writer.add(&file(b"a"), b"1").unwrap();
        writer.add(&file(b"b/c"), b"").unwrap();
        let bytes = writer.finish().unwrap();
        let Ok(mut child) = Command::new("cpio")
            .args(["--list", "--quiet"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
        else {
            return;
        };
        child.stdin.take().unwrap().write_all(&bytes).unwrap();
        let out = child.wait_with_output().unwrap();
        assert_eq!(out.stdout, b"a\nb/c\n");
    }
}
