//! Names of Unix sockets: paths, and names without a file (unix(7), "Address format").

use alloc::sync::Arc;

/// A name as sockaddr_un has it behind the family: a path with the NUL behind it, or a NUL and a
/// name of any bytes.
pub type Name = Arc<[u8]>;

/// Bytes in the longest name.
pub const NAME_MAX: usize = 108;
