//! Namespaces, procfs, nsfs and devices over the simulated machine; above all what one pid
//! namespace sees of another.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod bench;
mod calls;
mod devices;
mod namespaces;
mod procfs;
