//! A file tree for the guest, built in memory and written as one cpio archive.

use crate::cpio::{Header, Writer, kind};
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

/// What a path leads to, with its owner and permissions.
#[derive(Debug, Clone)]
struct Node {
    mode: u32,
    uid: u32,
    gid: u32,
    device: (u32, u32),
    data: Vec<u8>,
    /// Names of one file share a group.
    hard_link: Option<u32>,
}

/// The tree: sorted by path, so that a directory comes before what is in it.
#[derive(Debug, Default)]
pub struct Tree {
    nodes: BTreeMap<Vec<u8>, Node>,
    /// Directories that are there already, in an archive before this one.
    base: BTreeSet<Vec<u8>>,
    next_group: u32,
}

impl Tree {
    /// An empty tree to be unpacked over `self`: parents that `self` has are not made again.
    pub fn overlay(&self) -> Self {
        let directories = self
            .nodes
            .iter()
            .filter(|(_, node)| node.mode & kind::MASK == kind::DIRECTORY);
        Self {
            base: directories.map(|(path, _)| path.clone()).collect(),
            // Groups become inode numbers; none may be used in both archives.
            next_group: self.next_group,
            ..Self::default()
        }
    }

    /// Adds a directory.
    pub fn directory(&mut self, path: &str, permissions: u32) -> Result<()> {
        self.insert(
            path.as_bytes(),
            plain(kind::DIRECTORY | permissions, Vec::new()),
        )
    }

    /// Adds a regular file.
    pub fn file(&mut self, path: &str, permissions: u32, data: Vec<u8>) -> Result<()> {
        self.insert(path.as_bytes(), plain(kind::REGULAR | permissions, data))
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) -> Result<()> {
        let node = plain(kind::SYMLINK | 0o777, target.as_bytes().to_vec());
        self.insert(path.as_bytes(), node)
    }

    /// Adds a character device.
    pub fn character(&mut self, path: &str, permissions: u32, device: (u32, u32)) -> Result<()> {
        let mut node = plain(kind::CHARACTER | permissions, Vec::new());
        node.device = device;
        self.insert(path.as_bytes(), node)
    }

    /// Adds the file at `host` with its own permissions, owned by root.
    pub fn host_file(&mut self, path: &str, host: &Path) -> Result<()> {
        let meta = host
            .metadata()
            .with_context(|| format!("cannot read {}", host.display()))?;
        if !meta.is_file() {
            bail!("{} is not a regular file", host.display());
        }
        let data =
            std::fs::read(host).with_context(|| format!("cannot read {}", host.display()))?;
        self.file(path, meta.mode() & 0o7777, data)
    }

    /// Adds the directory `host` and all below it, with types, permissions, owners and hard links as they are.
    pub fn host_directory(&mut self, path: &str, host: &Path) -> Result<()> {
        let meta = host
            .metadata()
            .with_context(|| format!("cannot read {}", host.display()))?;
        if !meta.is_dir() {
            bail!("{} is not a directory", host.display());
        }
        let mut node = plain(kind::DIRECTORY | meta.mode() & 0o7777, Vec::new());
        (node.uid, node.gid) = (meta.uid(), meta.gid());
        self.insert(path.as_bytes(), node)?;
        self.copy_below(path.as_bytes(), host, &mut HashMap::new())
    }

    fn copy_below(
        &mut self,
        path: &[u8],
        host: &Path,
        groups: &mut HashMap<(u64, u64), u32>,
    ) -> Result<()> {
        let entries = host
            .read_dir()
            .with_context(|| format!("cannot list {}", host.display()))?;
        let mut entries = entries.collect::<std::io::Result<Vec<_>>>()?;
        // The order of names decides the numbers of hard-link groups.
        entries.sort_by_key(std::fs::DirEntry::file_name);
        for entry in entries {
            let from = entry.path();
            let to = [path, b"/", entry.file_name().as_bytes()].concat();
            let node = self
                .host_node(&from, groups)
                .with_context(|| format!("cannot copy {}", from.display()))?;
            let is_directory = node.mode & kind::MASK == kind::DIRECTORY;
            self.insert(&to, node)?;
            if is_directory {
                self.copy_below(&to, &from, groups)?;
            }
        }
        Ok(())
    }

    fn host_node(&mut self, host: &Path, groups: &mut HashMap<(u64, u64), u32>) -> Result<Node> {
        let meta = host.symlink_metadata()?;
        let what = meta.file_type();
        let mut node = plain(meta.mode(), Vec::new());
        (node.uid, node.gid) = (meta.uid(), meta.gid());
        if what.is_symlink() {
            node.data = std::fs::read_link(host)?.as_os_str().as_bytes().to_vec();
        } else if what.is_file() {
            node.data = std::fs::read(host)?;
            if meta.nlink() > 1 {
                let group = *groups
                    .entry((meta.dev(), meta.ino()))
                    .or_insert(self.next_group);
                self.next_group = self.next_group.max(group.saturating_add(1));
                node.hard_link = Some(group);
            }
        } else if what.is_char_device() || what.is_block_device() {
            node.device = (
                rustix::fs::major(meta.rdev()),
                rustix::fs::minor(meta.rdev()),
            );
        } else if !what.is_dir() && !what.is_fifo() {
            bail!("a socket cannot be in an initramfs");
        }
        Ok(node)
    }

    fn insert(&mut self, path: &[u8], node: Node) -> Result<()> {
        let path = relative(path)?;
        if self.nodes.contains_key(&path) {
            bail!("two entries for /{}", String::from_utf8_lossy(&path));
        }
        let parents = path.iter().enumerate().filter(|(_, byte)| **byte == b'/');
        for (end, _) in parents {
            let parent = path.get(..end).unwrap_or_default();
            match self.nodes.get(parent) {
                Some(node) if node.mode & kind::MASK == kind::DIRECTORY => {}
                Some(_) => bail!("/{} is not a directory", String::from_utf8_lossy(parent)),
                None if self.base.contains(parent) => {}
                None => {
                    let made = plain(kind::DIRECTORY | 0o755, Vec::new());
                    self.nodes.insert(parent.to_vec(), made);
                }
            }
        }
        self.nodes.insert(path, node);
        Ok(())
    }

    /// The tree as a complete archive.
    pub fn archive(&self) -> Result<Vec<u8>> {
        let mut writer = Writer::default();
        let mut links: HashMap<u32, u32> = HashMap::new();
        for group in self.nodes.values().filter_map(|node| node.hard_link) {
            let count = links.entry(group).or_default();
            *count = count.saturating_add(1);
        }
        let mut left = links.clone();
        let mut next_inode = FIRST_SINGLE;
        for (path, node) in &self.nodes {
            let mut header = Header {
                name: path,
                inode: next_inode,
                mode: node.mode,
                uid: node.uid,
                gid: node.gid,
                links: 1,
                device: node.device,
            };
            let mut data = node.data.as_slice();
            if let Some(group) = node.hard_link {
                header.inode = group.saturating_add(1);
                header.links = links.get(&group).copied().unwrap_or(1);
                let rest = left.entry(group).or_default();
                *rest = rest.saturating_sub(1);
                // As GNU cpio does: the content comes with the last name.
                if *rest > 0 {
                    data = &[];
                }
            } else {
                next_inode = next_inode.saturating_add(1);
            }
            writer.add(&header, data)?;
        }
        writer.finish()
    }
}

/// Inode numbers below this belong to hard-linked files.
const FIRST_SINGLE: u32 = 1 << 20;

fn plain(mode: u32, data: Vec<u8>) -> Node {
    Node {
        mode,
        uid: 0,
        gid: 0,
        device: (0, 0),
        data,
        hard_link: None,
    }
}

/// A guest path as cpio has it: without the leading slash, and without anything that a reader could take differently.
fn relative(path: &[u8]) -> Result<Vec<u8>> {
    let path = path.strip_prefix(b"/").unwrap_or(path);
    let mut parts = path.split(|byte| *byte == b'/');
    if parts.any(|part| part.is_empty() || part == b"." || part == b"..") {
        bail!(
            "not a plain guest path: {:?}",
            String::from_utf8_lossy(path)
        );
    }
    Ok(path.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (name, inode, mode, links, data) of every member.
    fn members(archive: &[u8]) -> Vec<(String, u32, u32, u32, Vec<u8>)> {
        let mut found = Vec::new();
        let mut at = 0;
        while at < archive.len() {
            let field = |n: usize| {
                let start = at + 6 + n * 8;
                u32::from_str_radix(std::str::from_utf8(&archive[start..start + 8]).unwrap(), 16)
                    .unwrap()
            };
            let (size, name_size) = (field(6) as usize, field(11) as usize);
            let name =
                String::from_utf8(archive[at + 110..at + 110 + name_size - 1].to_vec()).unwrap();
            let data = (at + 110 + name_size).next_multiple_of(4);
            found.push((
                name,
                field(0),
                field(1),
                field(4),
                archive[data..data + size].to_vec(),
            ));
            at = (data + size).next_multiple_of(4);
        }
        found
    }

    #[test]
    fn parents_are_made_and_come_first() {
        let mut tree = Tree::default();
        tree.file("/a/b/c", 0o644, b"x".to_vec()).unwrap();
        let names: Vec<_> = members(&tree.archive().unwrap())
            .into_iter()
            .map(|m| m.0)
            .collect();
        assert_eq!(names, ["a", "a/b", "a/b/c", "TRAILER!!!"]);
    }

    #[test]
    fn an_overlay_leaves_the_directories_of_the_base_alone() {
        let mut base = Tree::default();
        base.directory("/tmp", 0o1777).unwrap();
        let mut over = base.overlay();
        over.file("/tmp/new/file", 0o600, Vec::new()).unwrap();
        let names: Vec<_> = members(&over.archive().unwrap())
            .into_iter()
            .map(|m| m.0)
            .collect();
        assert_eq!(names, ["tmp/new", "tmp/new/file", "TRAILER!!!"]);
    }

    #[test]
    fn paths_with_dots_and_doubles_are_refused() {
        let mut tree = Tree::default();
        tree.file("/a", 0o644, Vec::new()).unwrap();
        for path in ["", "/", "/a//b", "/../a", "/x/.", "/a", "/a/b"] {
            assert!(tree.file(path, 0o644, Vec::new()).is_err(), "{path}");
        }
    }

    #[test]
    fn a_host_directory_keeps_modes_symlinks_and_hard_links() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = std::env::temp_dir().join(format!("berth-tree-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(dir.join("sub")).unwrap();
        std::fs::write(dir.join("one"), "content").unwrap();
        std::fs::hard_link(dir.join("one"), dir.join("sub/two")).unwrap();
        symlink("../one", dir.join("sub/link")).unwrap();
        std::fs::set_permissions(dir.join("one"), PermissionsExt::from_mode(0o4711)).unwrap();
        let mut tree = Tree::default();
        tree.host_directory("/bundles/x", &dir).unwrap();
        let first = tree.archive().unwrap();
        let found = members(&first);
        std::fs::remove_dir_all(&dir).unwrap();

        let get = |name: &str| found.iter().find(|m| m.0 == name).unwrap();
        let (one, two, link) = (
            get("bundles/x/one"),
            get("bundles/x/sub/two"),
            get("bundles/x/sub/link"),
        );
        assert_eq!(one.1, two.1, "one inode");
        assert_eq!((one.3, two.3), (2, 2), "two links");
        assert_eq!(one.2, kind::REGULAR | 0o4711);
        assert_eq!(
            (one.4.as_slice(), two.4.as_slice()),
            (&b""[..], &b"content"[..])
        );
        assert_eq!(
            (link.2, link.4.as_slice()),
            (kind::SYMLINK | 0o777, &b"../one"[..])
        );
    }
}
