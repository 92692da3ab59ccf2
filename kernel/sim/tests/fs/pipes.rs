//! Pipes and fifos, and waiting for them.

use crate::bench::{Bench, OUT, e};
use berth_kernel::error::Errno;
use berth_kernel::task::SigInfo;
use linux_raw_sys::general as linux;

fn pipe(b: &mut Bench, flags: u32) -> (u64, u64) {
    b.call(linux::__NR_pipe2, &[OUT, u64::from(flags)]).unwrap();
    let both = b.word(OUT);
    (both & 0xffff_ffff, both >> 32)
}

/// The program has a handler for SIGPIPE that does nothing.
fn ignore_broken_pipes(b: &mut Bench) {
    let mut action = vec![0; 32];
    action[0] = 1; // SIG_IGN
    b.put(OUT, &action);
    let sigpipe = u64::from(linux::SIGPIPE);
    b.call(linux::__NR_rt_sigaction, &[sigpipe, OUT, 0, 8])
        .unwrap();
}

#[test]
fn bytes_flow_in_order_and_end() {
    let mut b = Bench::new();
    let (r, w) = pipe(&mut b, 0);
    let data: Vec<u8> = (0..5000u32).map(|i| i as u8).collect();
    for _ in 0..30 {
        assert_eq!(b.write(w, &data), Ok(5000));
        assert_eq!(b.read(r, 3000).unwrap(), data[..3000]);
        assert_eq!(b.read(r, 3000).unwrap(), data[3000..]);
    }
    b.write(w, b"last").unwrap();
    b.call(linux::__NR_ioctl, &[r, 0x541b, OUT]).unwrap();
    assert_eq!(b.get(OUT, 4), [4, 0, 0, 0]);
    b.close(w);
    assert_eq!(b.read(r, 100).unwrap(), b"last");
    assert_eq!(b.read(r, 100).unwrap(), []);
    b.close(r);
    b.end();
}

#[test]
fn short_writes_are_whole_or_not_at_all() {
    let mut b = Bench::new();
    let (r, w) = pipe(&mut b, linux::O_NONBLOCK);
    assert_eq!(b.read(r, 1), Err(e(Errno::EAGAIN)));
    assert_eq!(b.write(w, &[1; 70_000]), Ok(65536));
    assert_eq!(b.write(w, &[1; 1]), Err(e(Errno::EAGAIN)));
    assert_eq!(b.read(r, 1000).unwrap().len(), 1000);
    assert_eq!(b.write(w, &[2; 1001]), Err(e(Errno::EAGAIN)));
    assert_eq!(b.write(w, &[2; 1000]), Ok(1000));
    assert_eq!(b.read(r, 1 << 17).unwrap().len(), 65536);
    assert_eq!(b.write(w, &[3; 5000]), Ok(5000));
    b.close(r);
    ignore_broken_pipes(&mut b);
    assert_eq!(b.write(w, b"x"), Err(e(Errno::EPIPE)));
    assert_eq!(b.call(linux::__NR_lseek, &[w, 0, 0]), Err(e(Errno::ESPIPE)));
    b.close(w);
    b.end();
}

#[test]
fn an_empty_pipe_is_waited_for() {
    let mut b = Bench::new();
    let (r, w) = pipe(&mut b, 0);
    b.call(linux::__NR_dup2, &[w, 50]).unwrap();
    assert_eq!(b.attempt(linux::__NR_read, &[r, OUT, 10]), None);
    let waits = |b: &Bench| b.k.waits.len();
    assert_eq!(waits(&b), 1);
    let task = b.k.tasks.tasks.iter().next().unwrap().0;
    let info = SigInfo {
        signal: linux::SIGKILL,
        ..SigInfo::default()
    };
    berth_kernel::task::signal::send_task(&mut b.k, task, info);
    assert_eq!(waits(&b), 0, "being killed ends it");
}

fn poll(b: &mut Bench, fds: &[(u64, u16)], timeout: i32) -> (u64, Vec<u16>) {
    let mut set = Vec::new();
    for (fd, events) in fds {
        set.extend_from_slice(&(*fd as u32).to_le_bytes());
        set.extend_from_slice(&events.to_le_bytes());
        set.extend_from_slice(&[0xff, 0xff]);
    }
    b.put(OUT, &set);
    let args = [OUT, fds.len() as u64, timeout as u32 as u64];
    let count = b.call(linux::__NR_poll, &args).unwrap();
    let set = b.get(OUT, set.len());
    let ready = set
        .chunks(8)
        .map(|c| u16::from_le_bytes([c[6], c[7]]))
        .collect();
    (count, ready)
}

#[test]
fn readiness_is_told() {
    let mut b = Bench::new();
    b.file("/f", "");
    let f = b.open("/f", 0).unwrap();
    let (r, w) = pipe(&mut b, 0);
    let (i, o) = (linux::POLLIN as u16, linux::POLLOUT as u16);
    let hup = linux::POLLHUP as u16;
    let all = [
        (r, i),
        (w, o),
        (f, i | o),
        (77, i),
        (u64::from(u32::MAX), i),
    ];
    let expected = vec![0, o, i | o, linux::POLLNVAL as u16, 0];
    assert_eq!(poll(&mut b, &all, -1), (3, expected));
    let before = b.m.time;
    assert_eq!(poll(&mut b, &[(r, i)], 50), (0, vec![0]));
    assert!(b.m.time >= before + 50_000_000);
    b.write(w, b"x").unwrap();
    assert_eq!(poll(&mut b, &[(r, i)], -1), (1, vec![i]));
    b.close(w);
    assert_eq!(poll(&mut b, &[(r, i)], -1), (1, vec![i | hup]));
    b.read(r, 1).unwrap();
    assert_eq!(poll(&mut b, &[(r, i)], -1), (1, vec![hup]));
}

#[test]
fn select_leaves_the_ready_bits() {
    let mut b = Bench::new();
    let (r, w) = pipe(&mut b, 0);
    let bits = (1u64 << r) | (1 << w);
    let set = |b: &mut Bench| {
        b.put(OUT, &bits.to_le_bytes());
        b.put(OUT + 64, &bits.to_le_bytes());
    };
    set(&mut b);
    assert_eq!(b.call(linux::__NR_select, &[8, OUT, OUT + 64, 0, 0]), Ok(1));
    assert_eq!((b.word(OUT), b.word(OUT + 64)), (0, 1 << w));
    b.write(w, b"x").unwrap();
    set(&mut b);
    assert_eq!(b.call(linux::__NR_select, &[8, OUT, OUT + 64, 0, 0]), Ok(2));
    b.put(OUT, &(1u64 << r).to_le_bytes());
    b.read(r, 1).unwrap();
    b.put(OUT, &(1u64 << r).to_le_bytes());
    b.put(OUT + 128, &0u64.to_le_bytes());
    b.put(OUT + 136, &1000u64.to_le_bytes());
    assert_eq!(
        b.call(linux::__NR_select, &[8, OUT, 0, 0, OUT + 128]),
        Ok(0)
    );
    assert_eq!(b.word(OUT), 0);
    b.close(r);
    b.put(OUT, &(1u64 << r).to_le_bytes());
    assert_eq!(
        b.call(linux::__NR_select, &[8, OUT, 0, 0, 0]),
        Err(e(Errno::EBADF))
    );
}

#[test]
fn fifos_wait_for_their_other_end() {
    let mut b = Bench::new();
    b.on(linux::__NR_mknod, "/fifo", &[0o010666, 0]).unwrap();
    assert_eq!(
        b.open("/fifo", linux::O_WRONLY | linux::O_NONBLOCK),
        Err(e(Errno::ENXIO))
    );
    let r = b
        .open("/fifo", linux::O_RDONLY | linux::O_NONBLOCK)
        .unwrap();
    // Nobody has written ever: the end of the file, but no hang-up.
    assert_eq!(b.read(r, 1).unwrap(), []);
    let w = b.open("/fifo", linux::O_WRONLY).unwrap();
    b.write(w, b"through").unwrap();
    assert_eq!(b.read(r, 10).unwrap(), b"through");
    b.write(w, b"lost").unwrap();
    b.close(r);
    b.close(w);
    let both = b.open("/fifo", linux::O_RDWR | linux::O_NONBLOCK).unwrap();
    assert_eq!(b.read(both, 10), Err(e(Errno::EAGAIN)));
    b.close(both);
    b.on(linux::__NR_unlink, "/fifo", &[]).unwrap();
    b.work();
    b.on(linux::__NR_mknod, "/fifo", &[0o010666, 0]).unwrap();
    let path = b.text("/fifo");
    assert_eq!(b.attempt(linux::__NR_open, &[path, 0]), None, "it waits");
}

#[test]
fn a_pipe_can_be_opened_again_by_its_link() {
    let mut b = Bench::new();
    b.mkdir("/proc").unwrap();
    b.mount("proc", "/proc", "proc", 0, "").unwrap();
    let (r, w) = pipe(&mut b, 0);
    b.write(w, b"left").unwrap();
    b.close(w);
    let link = format!("/proc/self/fd/{r}");
    let again = b.open(&link, linux::O_RDONLY).unwrap();
    assert_eq!(b.read(again, 10).unwrap(), b"left");
    assert_eq!(b.read(again, 10).unwrap(), []);
    let len = b.on(linux::__NR_readlink, &link, &[OUT, 100]).unwrap();
    let name = String::from_utf8(b.get(OUT, len as usize)).unwrap();
    assert!(name.starts_with("pipe:["), "{name}");
    b.close(again);
    b.close(r);
    b.umount("/proc", 0).unwrap();
    b.on(linux::__NR_rmdir, "/proc", &[]).unwrap();
    b.end();
}
