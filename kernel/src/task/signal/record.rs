//! A signal as signalfd(2) tells it.

use super::{SigInfo, code};
use crate::wire::Writer;
use linux_raw_sys::general as linux;

/// struct signalfd_siginfo (128 bytes): fields that a signal does not have are 0.
pub fn signalfd_siginfo(info: &SigInfo) -> alloc::vec::Vec<u8> {
    let child = info.signal == linux::SIGCHLD && info.code > 0 && info.code < code::KERNEL;
    let fault = info.is_fault();
    let only = |there: bool, value: u64| if there { value } else { 0 };
    let value = only(!child && !fault, info.value);
    // A timer's signal has the timer and what it missed where others have their sender.
    let timer = info.code == code::TIMER;
    let sender = |id: u32| if timer { 0 } else { id };
    let of_timer = |id: u32| if timer { id } else { 0 };
    Writer::new()
        .u32(info.signal)
        .i32(info.errno)
        .i32(info.code)
        .u32(sender(info.pid))
        .u32(sender(info.uid))
        // ssi_fd and ssi_band are of SIGIO, ssi_trapno is of other processors.
        .u32(0)
        .u32(of_timer(info.pid))
        .u32(0)
        .u32(of_timer(info.uid))
        .u32(0)
        .u32(only(child, info.value) as u32)
        .u32(value as u32)
        .u64(value)
        .u64(only(child, info.times.0))
        .u64(only(child, info.times.1))
        .u64(only(fault, info.addr))
        .pad_to(128)
        .done()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{get_u32, get_u64};

    #[test]
    fn fields_are_where_linux_has_them() {
        let child = SigInfo {
            signal: linux::SIGCHLD,
            code: code::CLD_EXITED,
            pid: 7,
            uid: 8,
            value: 9,
            times: (10, 11),
            ..SigInfo::default()
        };
        let bytes = signalfd_siginfo(&child);
        assert_eq!(bytes.len(), 128);
        let words = [0, 8, 12, 16, 40, 44].map(|at| get_u32(&bytes, at));
        assert_eq!(words, [linux::SIGCHLD, 1, 7, 8, 9, 0]);
        let longs = [48, 56, 64, 72].map(|at| get_u64(&bytes, at));
        assert_eq!(longs, [0, 10, 11, 0]);
        let queued = SigInfo {
            signal: 40,
            code: code::QUEUE,
            value: 0x1_0000_0002,
            ..SigInfo::default()
        };
        let bytes = signalfd_siginfo(&queued);
        assert_eq!(
            (get_u32(&bytes, 44), get_u64(&bytes, 48)),
            (2, queued.value)
        );
    }
}
