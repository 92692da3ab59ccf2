//! Character devices.

use super::bench::*;

use berth_kernel::Cx;
use berth_kernel::arena::forgive;
use berth_kernel::dev::{self, Device};
use berth_kernel::error::{Errno, Stop};
use berth_kernel::machine::Port;

#[test]
fn devices_do_what_their_names_say() {
    let (mut b, _) = Bench::new();
    let task = b.k.sched.current.unwrap();
    let mut cx = Cx {
        now: 0,
        task,
        m: &mut b.m,
        resume: None,
    };
    let k = &mut b.k;
    assert_eq!(dev::read(k, &mut cx, Device::Null, 9).unwrap(), b"");
    assert_eq!(dev::read(k, &mut cx, Device::Zero, 9).unwrap(), [0; 9]);
    let full = dev::write(k, &mut cx, Device::Full, 0, b"x");
    assert!(matches!(full, Err(Stop::Errno(Errno::ENOSPC))));
    let one = dev::read(k, &mut cx, Device::Random, 32).unwrap();
    let other = dev::read(k, &mut cx, Device::Random, 32).unwrap();
    assert_ne!(one, other);
    let errors = Device::Serial(Port::Errors);
    assert_eq!(dev::write(k, &mut cx, errors, 0, b"oops").unwrap(), 4);
    let input = dev::read(k, &mut cx, errors, 4);
    assert!(matches!(input, Err(Stop::Errno(Errno::EIO))));
    assert_eq!(b.m.text(Port::Errors), "oops");
    forgive(b.k);
}
