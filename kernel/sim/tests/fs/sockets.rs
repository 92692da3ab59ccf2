//! Sockets: what they leave behind, and what happens when memory runs out.

use crate::bench::{Bench, OUT, e};
use berth_kernel::disturb::Kind;
use berth_kernel::error::Errno;
use linux_raw_sys::general as linux;
use linux_raw_sys::net as sock;

const KINDS: [u32; 3] = [sock::SOCK_STREAM, sock::SOCK_DGRAM, sock::SOCK_SEQPACKET];

fn pair(b: &mut Bench, kind: u32) -> (u64, u64) {
    let args = [u64::from(sock::AF_UNIX), u64::from(kind), 0, OUT];
    b.call(linux::__NR_socketpair, &args).unwrap();
    let both = b.word(OUT);
    (both & 0xffff_ffff, both >> 32)
}

/// Charges refused one after the other until a run needs no more of them; each run must end as if
/// nothing was refused.
fn with_every_charge_refused(b: &mut Bench, mut run: impl FnMut(&mut Bench)) {
    for refused in 0.. {
        b.k.groups.disturb.due = Some((refused, Kind::Refusal));
        run(b);
        if b.k.groups.disturb.due.take().is_some() {
            assert!(refused > 0, "nothing is charged");
            return;
        }
    }
}

#[test]
fn what_was_not_received_goes_with_the_sockets() {
    for kind in KINDS {
        let mut b = Bench::new();
        let (one, other) = pair(&mut b, kind);
        for len in [1, 5000, 60_000] {
            assert_eq!(b.write(one, &vec![7; len]), Ok(len as u64));
        }
        b.close(other);
        b.close(one);
        b.end();
    }
}

#[test]
fn a_refused_charge_changes_nothing() {
    let mut b = Bench::new();
    with_every_charge_refused(&mut b, |b| {
        for kind in KINDS {
            let (one, other) = pair(b, kind);
            assert_eq!(b.write(one, &[1; 5000]), Ok(5000));
            assert_eq!(b.write(one, &[2; 5000]), Ok(5000));
            assert_eq!(b.read(other, 5000).unwrap(), [1; 5000]);
            assert_eq!(b.read(other, 5000).unwrap(), [2; 5000]);
            b.close(one);
            b.close(other);
        }
    });
    b.end();
}

#[test]
fn a_message_goes_whole_or_not_at_all() {
    let mut b = Bench::new();
    let (one, other) = pair(&mut b, sock::SOCK_SEQPACKET);
    let missing = 0x1000;
    assert_eq!(
        b.call(linux::__NR_write, &[one, missing, 10]),
        Err(e(Errno::EFAULT))
    );
    b.write(one, b"whole").unwrap();
    assert_eq!(
        b.call(linux::__NR_read, &[other, missing, 10]),
        Err(e(Errno::EFAULT))
    );
    assert_eq!(b.read(other, 10).unwrap(), b"whole");
    b.close(one);
    b.close(other);
    b.end();
}

#[test]
fn an_empty_socket_is_waited_for() {
    for kind in KINDS {
        let mut b = Bench::new();
        let (one, other) = pair(&mut b, kind);
        b.call(linux::__NR_dup2, &[other, 50]).unwrap();
        assert_eq!(b.attempt(linux::__NR_read, &[one, OUT, 10]), None);
        assert_eq!(b.k.waits.len(), 1);
    }
}
