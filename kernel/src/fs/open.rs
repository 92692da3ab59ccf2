//! Open files: what descriptors refer to.

/// An open file description (open(2)).
pub struct OpenFile {
    /// O_* status flags that fcntl(F_GETFL) tells.
    pub flags: u32,
}
