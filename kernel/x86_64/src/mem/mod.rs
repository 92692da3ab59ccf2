//! Memory as the processor sees it: page tables, address spaces, bytes in frames, and the heap.

pub mod frames;
pub mod heap;
pub mod kernel_map;
pub mod space;
mod table;

pub use kernel_map::map_device;
