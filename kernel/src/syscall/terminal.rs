//! Terminals (vhangup(2)); the rest is ioctl(2).

use super::Line;
use super::place::require;
use crate::error::Call;
use crate::tty::job;
use crate::{Cx, Kernel};
use linux_raw_sys::general as linux;

pub(super) const CALLS: &[Line] = &[(linux::__NR_vhangup, "vhangup", vhangup)];

fn vhangup(k: &mut Kernel, cx: &mut Cx, _: &[u64; 6]) -> Call {
    require(k, cx, linux::CAP_SYS_TTY_CONFIG)?;
    if let Some(own) = job::controlling_of(k, cx.task) {
        job::hang_up(k, own, false);
    }
    Ok(0)
}
