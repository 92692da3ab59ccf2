//! Character devices.

use super::bench::*;

use berth_abi::linux::general as linux;
use berth_kernel::Cx;
use berth_kernel::arena::forgive;
use berth_kernel::dev::{self, Device};
use berth_kernel::error::{Errno, Stop};
use berth_kernel::machine::Port;

#[test]
fn the_console_waits_and_gives_what_came() {
    let (mut b, _) = Bench::new();
    let console = dev::find(5, 1).unwrap();
    assert_eq!(dev::poll(&mut b.k, &mut b.m, console), linux::POLLOUT);
    let task = b.k.sched.current.unwrap();
    let read = |b: &mut Bench, flags, max| {
        let mut cx = Cx {
            now: b.m.time,
            task,
            m: &mut b.m,
            resume: None,
        };
        dev::read(&mut b.k, &mut cx, console, flags, max)
    };
    let nothing = read(&mut b, linux::O_NONBLOCK, 10);
    assert!(matches!(nothing, Err(Stop::Errno(Errno::EAGAIN))));
    assert!(matches!(read(&mut b, 0, 10), Err(Stop::Wait(_))));
    b.m.input.entry(Port::Console).or_default().extend(b"hello");
    assert_eq!(
        dev::poll(&mut b.k, &mut b.m, console),
        linux::POLLIN | linux::POLLOUT
    );
    assert_eq!(read(&mut b, 0, 3).unwrap(), b"hel");
    assert_eq!(read(&mut b, 0, 9).unwrap(), b"lo");
    forgive(b.k);
}

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
    assert_eq!(dev::read(k, &mut cx, Device::Null, 0, 9).unwrap(), b"");
    assert_eq!(dev::read(k, &mut cx, Device::Zero, 0, 9).unwrap(), [0; 9]);
    let full = dev::write(k, &mut cx, Device::Full, 0, b"x");
    assert!(matches!(full, Err(Stop::Errno(Errno::ENOSPC))));
    let one = dev::read(k, &mut cx, Device::Random, 0, 32).unwrap();
    let other = dev::read(k, &mut cx, Device::Random, 0, 32).unwrap();
    assert_ne!(one, other);
    let errors = Device::Serial(Port::Errors);
    assert_eq!(dev::write(k, &mut cx, errors, 0, b"oops").unwrap(), 4);
    let input = dev::read(k, &mut cx, errors, 0, 4);
    assert!(matches!(input, Err(Stop::Errno(Errno::EIO))));
    assert_eq!(b.m.text(Port::Errors), "oops");
    forgive(b.k);
}
