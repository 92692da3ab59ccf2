//! Open files in flight: sent with a message, and not yet received (unix(7), SCM_RIGHTS).

use crate::Kernel;
use crate::arena::Held;
use crate::fs::FileId;
use alloc::vec::Vec;

/// The open files of one message.
#[derive(Debug)]
pub struct Flight {
    files: Vec<Held<FileId>>,
}

impl Flight {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// None.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Ends the flight: the files are the caller's to put under descriptors or to close.
    pub fn land(self, _k: &mut Kernel) -> Vec<Held<FileId>> {
        self.files
    }
}
