//! Content of regular files: places, holes, limits, copies.

use crate::bench::{BASE, Bench, OUT, e};
use berth_kernel::error::Errno;
use linux_raw_sys::general as linux;

const RDWR: u32 = linux::O_CREAT | linux::O_RDWR;

#[test]
fn bytes_come_back_as_they_were_written() {
    let mut b = Bench::new();
    let fd = b.open("/f", RDWR).unwrap();
    assert_eq!(fd, 0);
    let data: Vec<u8> = (0..10_000u32).map(|i| (i % 251) as u8).collect();
    assert_eq!(b.write(fd, &data), Ok(10_000));
    b.call(linux::__NR_lseek, &[fd, 0, 0]).unwrap();
    assert_eq!(b.read(fd, 20_000).unwrap(), data);
    assert_eq!(b.read(fd, 1).unwrap(), []);
    // Over a page's end, in the middle.
    b.put(OUT, b"middle");
    assert_eq!(b.call(linux::__NR_pwrite64, &[fd, OUT, 6, 4093]), Ok(6));
    assert_eq!(b.call(linux::__NR_pread64, &[fd, OUT + 64, 8, 4092]), Ok(8));
    let mut expected = vec![data[4092]];
    expected.extend_from_slice(b"middle");
    expected.push(data[4099]);
    assert_eq!(b.get(OUT + 64, 8), expected);
    // The end, and a hole.
    assert_eq!(b.call(linux::__NR_lseek, &[fd, 0, 2]), Ok(10_000));
    assert_eq!(b.call(linux::__NR_lseek, &[fd, 100_000, 0]), Ok(100_000));
    b.write(fd, b"x").unwrap();
    assert_eq!(b.stat("/f").unwrap().size, 100_001);
    assert_eq!(b.call(linux::__NR_pread64, &[fd, OUT, 4, 50_000]), Ok(4));
    assert_eq!(b.get(OUT, 4), [0; 4]);
    assert_eq!(
        b.call(linux::__NR_lseek, &[fd, 20_000, 3]),
        Ok(100_000 / 4096 * 4096)
    );
    assert_eq!(b.call(linux::__NR_lseek, &[fd, 0, 4]), Ok(12_288));
    let back = (-1i64) as u64;
    assert_eq!(
        b.call(linux::__NR_lseek, &[fd, back, 0]),
        Err(e(Errno::EINVAL))
    );
    b.close(fd);
    b.on(linux::__NR_unlink, "/f", &[]).unwrap();
    b.end();
}

#[test]
fn what_was_cut_off_comes_back_as_zeros() {
    let mut b = Bench::new();
    let fd = b.open("/f", RDWR).unwrap();
    b.write(fd, &[7; 9000]).unwrap();
    for (size, kept) in [(5000, 5000), (100, 100), (0, 0)] {
        b.call(linux::__NR_ftruncate, &[fd, size]).unwrap();
        b.call(linux::__NR_ftruncate, &[fd, 9000]).unwrap();
        b.call(linux::__NR_lseek, &[fd, 0, 0]).unwrap();
        let now = b.read(fd, 9000).unwrap();
        assert!(now[..kept].iter().all(|x| *x == 7));
        assert!(now[kept..].iter().all(|x| *x == 0));
    }
    let huge = 1u64 << 63;
    assert_eq!(
        b.call(linux::__NR_ftruncate, &[fd, huge]),
        Err(e(Errno::EINVAL))
    );
    b.close(fd);
    b.on(linux::__NR_unlink, "/f", &[]).unwrap();
    b.end();
}

#[test]
fn a_large_file_is_moved_whole_in_one_call() {
    let mut b = Bench::new();
    let fd = b.open("/f", RDWR).unwrap();
    let len = 5 << 20;
    b.put(BASE + (2 << 20), &[9; 3 << 20]);
    assert_eq!(
        b.call(linux::__NR_write, &[fd, BASE + (2 << 20), len]),
        Ok(len)
    );
    b.call(linux::__NR_lseek, &[fd, 0, 0]).unwrap();
    assert_eq!(
        b.call(linux::__NR_read, &[fd, BASE + (2 << 20), len]),
        Ok(len)
    );
    assert_eq!(b.get(BASE + (5 << 20) - 1, 1), [9]);
    assert_eq!(b.stat("/f").unwrap().size, len);
    // Truncated at once, freed in slices.
    let again = b.open("/f", linux::O_WRONLY | linux::O_TRUNC).unwrap();
    b.close(again);
    b.close(fd);
    b.on(linux::__NR_unlink, "/f", &[]).unwrap();
    b.end();
}

#[test]
fn appends_go_to_the_end_wherever_the_file_is() {
    let mut b = Bench::new();
    b.file("/f", "one");
    let fd = b.open("/f", linux::O_RDWR | linux::O_APPEND).unwrap();
    b.write(fd, b"two").unwrap();
    b.call(linux::__NR_lseek, &[fd, 0, 0]).unwrap();
    b.write(fd, b"three").unwrap();
    assert_eq!(b.content("/f").unwrap(), "onetwothree");
}

#[test]
fn bad_memory_is_refused_and_nothing_is_lost() {
    let mut b = Bench::new();
    let fd = b.open("/f", RDWR).unwrap();
    let bad = 0x1000;
    assert_eq!(
        b.call(linux::__NR_write, &[fd, bad, 10]),
        Err(e(Errno::EFAULT))
    );
    assert_eq!(b.stat("/f").unwrap().size, 0);
    b.write(fd, b"abc").unwrap();
    b.call(linux::__NR_lseek, &[fd, 0, 0]).unwrap();
    assert_eq!(
        b.call(linux::__NR_read, &[fd, bad, 10]),
        Err(e(Errno::EFAULT))
    );
    assert_eq!(b.read(fd, 10).unwrap(), b"abc");
    assert_eq!(b.call(linux::__NR_stat, &[bad, OUT]), Err(e(Errno::EFAULT)));
    let path = b.text("/f");
    assert_eq!(
        b.call(linux::__NR_stat, &[path, bad]),
        Err(e(Errno::EFAULT))
    );
    assert_eq!(
        b.call(linux::__NR_read, &[99, OUT, 1]),
        Err(e(Errno::EBADF))
    );
    assert_eq!(
        b.call(linux::__NR_read, &[u64::MAX, OUT, 1]),
        Err(e(Errno::EBADF))
    );
}

#[test]
fn vectors_are_written_and_read_in_order() {
    let mut b = Bench::new();
    let fd = b.open("/f", RDWR).unwrap();
    b.put(OUT, b"onetwothree");
    let mut vector = Vec::new();
    for word in [OUT, 3, OUT + 3, 0, OUT + 6, 5] {
        vector.extend_from_slice(&word.to_le_bytes());
    }
    b.put(OUT + 4096, &vector);
    assert_eq!(b.call(linux::__NR_writev, &[fd, OUT + 4096, 3]), Ok(8));
    assert_eq!(b.content("/f").unwrap(), "onethree");
    assert_eq!(
        b.call(linux::__NR_writev, &[fd, OUT + 4096, 1025]),
        Err(e(Errno::EINVAL))
    );
}

#[test]
fn a_full_file_system_says_so() {
    let mut b = Bench::new();
    b.mkdir("/t").unwrap();
    b.mount("t", "/t", "tmpfs", 0, "size=8k,nr_inodes=3")
        .unwrap();
    let fd = b.open("/t/f", RDWR).unwrap();
    assert_eq!(b.write(fd, &[1; 10_000]), Ok(8192));
    assert_eq!(b.write(fd, &[1; 1]), Err(e(Errno::ENOSPC)));
    b.file("/t/g", "");
    assert_eq!(b.open("/t/h", RDWR), Err(e(Errno::ENOSPC)));
    b.call(linux::__NR_ftruncate, &[fd, 0]).unwrap();
    b.work();
    assert_eq!(b.write(fd, &[1; 1]), Ok(1));
    assert_eq!(
        b.call(linux::__NR_fallocate, &[fd, 0, 0, 1 << 20]),
        Err(e(Errno::ENOSPC))
    );
    b.on(linux::__NR_statfs, "/t", &[OUT]).unwrap();
    assert_eq!(b.word(OUT), 0x0102_1994);
    assert_eq!((b.word(OUT + 16), b.word(OUT + 40)), (2, 3));
    let again = |b: &mut Bench, data: &str| b.mount("", "/t", "", linux::MS_REMOUNT, data);
    assert_eq!(again(&mut b, "size=0,nr_inodes=2"), Err(e(Errno::EINVAL)));
    assert_eq!(again(&mut b, "unknown=1"), Err(e(Errno::EINVAL)));
    assert_eq!(again(&mut b, "size=1m"), Ok(0));
    assert_eq!(b.write(fd, &[1; 10_000]), Ok(10_000));
    b.close(fd);
    b.umount("/t", 0).unwrap();
    b.on(linux::__NR_rmdir, "/t", &[]).unwrap();
    b.end();
}

#[test]
fn files_are_copied_inside_the_kernel() {
    let mut b = Bench::new();
    b.file("/from", "0123456789");
    let from = b.open("/from", linux::O_RDONLY).unwrap();
    let to = b.open("/to", RDWR).unwrap();
    assert_eq!(b.call(linux::__NR_sendfile, &[to, from, 0, 4]), Ok(4));
    b.put(OUT, &6u64.to_le_bytes());
    assert_eq!(b.call(linux::__NR_sendfile, &[to, from, OUT, 100]), Ok(4));
    assert_eq!(b.word(OUT), 10);
    assert_eq!(b.content("/to").unwrap(), "01236789");
    assert_eq!(b.call(linux::__NR_sendfile, &[to, from, 0, 100]), Ok(6));
    assert_eq!(b.call(linux::__NR_sendfile, &[to, from, 0, 100]), Ok(0));
    b.put(OUT, &0u64.to_le_bytes());
    let copy = linux::__NR_copy_file_range;
    assert_eq!(b.call(copy, &[from, OUT, to, 0, 2, 0]), Ok(2));
    assert_eq!(b.content("/to").unwrap(), "0123678945678901");
    assert_eq!(b.call(copy, &[to, 0, from, 0, 2, 0]), Err(e(Errno::EBADF)));
}

#[test]
fn descriptors_are_the_lowest_free_ones() {
    let mut b = Bench::new();
    let fds: Vec<u64> = (0..5).map(|_| b.open("/", 0).unwrap()).collect();
    assert_eq!(fds, [0, 1, 2, 3, 4]);
    b.close(1);
    b.close(3);
    assert_eq!(b.call(linux::__NR_dup, &[0]), Ok(1));
    assert_eq!(b.call(linux::__NR_dup2, &[0, 3]), Ok(3));
    assert_eq!(b.call(linux::__NR_dup2, &[0, 100]), Ok(100));
    assert_eq!(b.call(linux::__NR_dup, &[0]), Ok(5));
    let dupfd = u64::from(linux::F_DUPFD_CLOEXEC);
    assert_eq!(b.call(linux::__NR_fcntl, &[0, dupfd, 10]), Ok(10));
    assert_eq!(b.call(linux::__NR_fcntl, &[10, 1]), Ok(1));
    assert_eq!(b.call(linux::__NR_fcntl, &[0, 1]), Ok(0));
    assert_eq!(b.call(linux::__NR_dup2, &[0, 1024]), Err(e(Errno::EBADF)));
    assert_eq!(b.call(linux::__NR_dup3, &[0, 0, 0]), Err(e(Errno::EINVAL)));
    b.call(linux::__NR_close_range, &[2, u64::from(u32::MAX), 0])
        .unwrap();
    assert_eq!(b.call(linux::__NR_dup, &[0]), Ok(2));
    for expected in 3..1024 {
        assert_eq!(b.call(linux::__NR_dup, &[0]), Ok(expected));
    }
    assert_eq!(b.call(linux::__NR_dup, &[0]), Err(e(Errno::EMFILE)));
    b.call(linux::__NR_close_range, &[0, u64::from(u32::MAX), 0])
        .unwrap();
}

#[test]
fn locks_stand_against_each_other() {
    let mut b = Bench::new();
    b.file("/f", "");
    let (one, two) = (b.open("/f", 0).unwrap(), b.open("/f", 0).unwrap());
    let flock = linux::__NR_flock;
    let nb = u64::from(linux::LOCK_NB);
    assert_eq!(b.call(flock, &[one, 1]), Ok(0));
    assert_eq!(b.call(flock, &[two, 1]), Ok(0));
    assert_eq!(b.call(flock, &[one, 2 | nb]), Err(e(Errno::EAGAIN)));
    b.close(two);
    assert_eq!(b.call(flock, &[one, 2 | nb]), Ok(0));
    let two = b.open("/f", 0).unwrap();
    assert_eq!(b.attempt(flock, &[two, 2]), None, "it waits");
}
