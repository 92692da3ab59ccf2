//! What is mounted where, as a process sees it: mounts, mountinfo and mountstats (proc(5)).

use super::subject::Subject;
use crate::Kernel;
use crate::error::{Errno, Stop};
use crate::fs::ViewNode;
use crate::fs::mount::MountFlags;
use crate::fs::path::{self, MountLine};
use crate::machine::Machine;
use crate::views::Source;
use crate::views::telling::{Cursor, Piece};
use crate::views::text::{Text, put};

/// /proc/PID/mounts.
pub(super) fn mounts(
    k: &mut Kernel,
    _m: &mut dyn Machine,
    node: ViewNode,
    cursor: Cursor,
) -> Result<Piece, Stop> {
    show(k, node, cursor, mounts_line)
}

/// /proc/PID/mountinfo.
pub(super) fn mountinfo(
    k: &mut Kernel,
    _m: &mut dyn Machine,
    node: ViewNode,
    cursor: Cursor,
) -> Result<Piece, Stop> {
    show(k, node, cursor, mountinfo_line)
}

/// /proc/PID/mountstats.
pub(super) fn mountstats(
    k: &mut Kernel,
    _m: &mut dyn Machine,
    node: ViewNode,
    cursor: Cursor,
) -> Result<Piece, Stop> {
    show(k, node, cursor, mountstats_line)
}

/// Mounts of one piece.
const MOUNTS: usize = 16;

/// The lines of the mounts that the process's root lets it see, in the order they were made: a
/// piece goes on behind the number of the last.
fn show(
    k: &Kernel,
    node: ViewNode,
    mut cursor: Cursor,
    line: fn(&mut Text, &MountLine),
) -> Result<Piece, Stop> {
    let s = Source::of(k);
    let (_, task) = Subject::of(&s, node)?.living(&s)?;
    let ns = task.ns.as_ref().ok_or(Errno::EINVAL)?.mount.key();
    let top = k.ns.mount.get(ns).ok_or(Errno::EINVAL)?.root.key();
    let context = task.fs.as_ref().ok_or(Errno::EINVAL)?.key();
    let root = k.tasks.contexts.get(context).ok_or(Errno::EINVAL)?;
    let mounts = path::list(&k.fs, k.fs.mount(top)?.tree, cursor.at, MOUNTS);
    let mut text = Text::default();
    for (number, mount) in &mounts {
        if let Some(seen) = path::line(&k.fs, &s, *mount, root.root.pos()) {
            line(&mut text, &seen);
        }
        cursor.at = u64::from(*number) + 1;
    }
    Ok(Piece {
        text: text.done()?,
        next: (mounts.len() == MOUNTS).then_some(cursor),
    })
}

/// The options of a mount beside ro and rw, in Linux's order.
const OPTIONS: [(MountFlags, &str); 7] = [
    (MountFlags::NOSUID, ",nosuid"),
    (MountFlags::NODEV, ",nodev"),
    (MountFlags::NOEXEC, ",noexec"),
    (MountFlags::NOATIME, ",noatime"),
    (MountFlags::NODIRATIME, ",nodiratime"),
    (MountFlags::RELATIME, ",relatime"),
    (MountFlags::NOSYMFOLLOW, ",nosymfollow"),
];

fn put_options(text: &mut Text, readonly: bool, flags: MountFlags) {
    put!(text, "{}", if readonly { "ro" } else { "rw" });
    for (flag, name) in OPTIONS {
        if flags.contains(flag) {
            put!(text, "{name}");
        }
    }
}

fn put_source(text: &mut Text, source: &[u8]) {
    let source = if source.is_empty() { b"none" } else { source };
    text.push_escaped(source, b"#");
}

/// Source, place, type, options, two zeros.
fn mounts_line(text: &mut Text, mount: &MountLine) {
    put_source(text, &mount.source);
    text.push(b" ");
    text.push_escaped(&mount.point, b"");
    put!(text, " {} ", mount.kind);
    let readonly = mount.readonly || mount.flags.contains(MountFlags::RDONLY);
    put_options(text, readonly, mount.flags);
    text.push(&mount.options);
    put!(text, " 0 0\n");
}

/// Number, parent's number, device, root, place, options, a dash, type, source, the instance's
/// options. Mounts are private: they have no optional fields.
fn mountinfo_line(text: &mut Text, mount: &MountLine) {
    put!(
        text,
        "{} {} {}:{} ",
        mount.id,
        mount.parent,
        mount.dev.0,
        mount.dev.1
    );
    text.push_escaped(&mount.root, b"");
    text.push(b" ");
    text.push_escaped(&mount.point, b"");
    text.push(b" ");
    put_options(text, mount.flags.contains(MountFlags::RDONLY), mount.flags);
    put!(text, " - {} ", mount.kind);
    put_source(text, &mount.source);
    put!(text, " {}", if mount.readonly { "ro" } else { "rw" });
    text.push(&mount.options);
    text.push(b"\n");
}

/// `device`, source, `mounted on`, place, `with fstype`, type.
fn mountstats_line(text: &mut Text, mount: &MountLine) {
    text.push(b"device ");
    put_source(text, &mount.source);
    text.push(b" mounted on ");
    text.push_escaped(&mount.point, b"");
    put!(text, " with fstype {}\n", mount.kind);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::arena::Key;

    fn mount() -> MountLine {
        MountLine {
            mount: Key::new(0, 0),
            id: 23,
            parent: 20,
            dev: (0, 5),
            root: b"/".to_vec(),
            point: b"/a b\\c".to_vec(),
            flags: MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::RDONLY,
            kind: "tmpfs",
            source: b"my#src".to_vec(),
            readonly: false,
            options: b",size=65536k,mode=755".to_vec(),
        }
    }

    #[test]
    fn lines_of_mountinfo() {
        let mut text = Text::default();
        mountinfo_line(&mut text, &mount());
        let line = b"23 20 0:5 / /a\\040b\\134c ro,nosuid,noexec - tmpfs my\\043src \
            rw,size=65536k,mode=755\n";
        assert_eq!(text.done().unwrap(), line);
    }

    #[test]
    fn lines_of_mounts() {
        let mut text = Text::default();
        let mut tmp = mount();
        tmp.source.clear();
        tmp.flags = MountFlags::empty();
        tmp.readonly = true;
        mounts_line(&mut text, &tmp);
        let line = b"none /a\\040b\\134c tmpfs ro,size=65536k,mode=755 0 0\n";
        assert_eq!(text.done().unwrap(), line);
    }
}
