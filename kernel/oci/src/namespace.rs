//! Kinds of Linux namespaces.

use crate::names::names;

names! {
    /// A kind of namespace (runtime-spec N-1).
    pub enum OciNamespaceKind {
        /// Process ids:
        Pid = "pid",
        /// Network devices, addresses and ports:
        Network = "network",
        /// The mount tree:
        Mount = "mount",
        /// System V IPC and POSIX message queues:
        Ipc = "ipc",
        /// Host and domain name:
        Uts = "uts",
        /// User and group ids, capabilities:
        User = "user",
        /// The view of the cgroup tree:
        Cgroup = "cgroup",
        /// Offsets of the monotonic and boot-time clocks:
        Time = "time",
    }
}

impl OciNamespaceKind {
    /// The kind that a configuration spells `name`.
    #[must_use]
    pub fn from_str_kind(name: &str) -> Option<Self> {
        Self::from_name(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_their_spellings() {
        for kind in OciNamespaceKind::ALL {
            assert_eq!(OciNamespaceKind::from_str_kind(kind.as_str()), Some(*kind));
        }
        for bad in ["pidd", "mnt", "net", "PID", "", " pid"] {
            assert_eq!(OciNamespaceKind::from_str_kind(bad), None, "{bad}");
        }
    }
}
