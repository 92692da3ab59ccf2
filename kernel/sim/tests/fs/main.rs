//! Files over the simulated machine: a program makes calls, and looks at what they did.
#![allow(clippy::unwrap_used, clippy::expect_used, missing_docs)]

mod archive;
mod attributes;
mod bench;
mod content;
mod events;
mod model;
mod mounts;
mod names;
mod pipes;
mod sockets;
