//! Extended attributes: limits, and that nothing is left behind.

use crate::bench::{Bench, OUT, e};
use berth_kernel::error::Errno;
use linux_raw_sys::general as linux;

fn set(b: &mut Bench, name: &str, len: u64) -> Result<u64, i32> {
    let (path, name) = (b.text("/f"), b.text(name));
    b.call(linux::__NR_setxattr, &[path, name, OUT, len, 0])
}

#[test]
fn an_inode_has_so_many_attributes_and_they_end_with_it() {
    let mut b = Bench::new();
    b.file("/f", "");
    for index in 0..128 {
        assert_eq!(set(&mut b, &format!("user.{index}"), 10), Ok(0));
    }
    assert_eq!(set(&mut b, "user.more", 10), Err(e(Errno::ENOSPC)));
    assert_eq!(set(&mut b, "user.5", 65536), Ok(0));
    assert_eq!(set(&mut b, "user.6", 65536), Err(e(Errno::ENOSPC)));
    // What was refused changed nothing; what is replaced makes room.
    assert_eq!(set(&mut b, "user.5", 1), Ok(0));
    assert_eq!(set(&mut b, "user.6", 65536), Ok(0));
    let (path, name) = (b.text("/f"), b.text("user.7"));
    assert_eq!(b.call(linux::__NR_removexattr, &[path, name]), Ok(0));
    assert_eq!(set(&mut b, "user.more", 10), Ok(0));
    b.on(linux::__NR_unlink, "/f", &[]).unwrap();
    b.end();
}

#[test]
fn a_read_only_mount_keeps_its_attributes() {
    let mut b = Bench::new();
    b.file("/f", "");
    set(&mut b, "user.a", 1).unwrap();
    let flags = linux::MS_REMOUNT | linux::MS_BIND | linux::MS_RDONLY;
    b.mount("", "/", "", flags, "").unwrap();
    assert_eq!(set(&mut b, "user.a", 2), Err(e(Errno::EROFS)));
    let (path, name) = (b.text("/f"), b.text("user.a"));
    let removed = b.call(linux::__NR_removexattr, &[path, name]);
    assert_eq!(removed, Err(e(Errno::EROFS)));
    assert_eq!(b.call(linux::__NR_getxattr, &[path, name, OUT, 9]), Ok(1));
    b.mount("", "/", "", linux::MS_REMOUNT | linux::MS_BIND, "")
        .unwrap();
    b.on(linux::__NR_unlink, "/f", &[]).unwrap();
    b.end();
}
