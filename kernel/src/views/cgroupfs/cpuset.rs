//! Which CPUs and memory nodes there are for a group: `cpuset.*`. There is one of each, number 0.

use super::table::{File, Where};
use crate::views::text::put;

pub(super) const FILES: &[File] = &[
    File::new("cpuset.cpus.effective", |_, _, _, text| {
        put!(text, "0\n");
        Ok(())
    })
    .on(Where::Everywhere),
    File::new("cpuset.mems.effective", |_, _, _, text| {
        put!(text, "0\n");
        Ok(())
    })
    .on(Where::Everywhere),
];
