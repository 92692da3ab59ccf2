//! Random changes to a file, compared with an array of bytes.

use crate::bench::{Bench, OUT};
use linux_raw_sys::general as linux;

/// A small generator of numbers (xorshift), so that a failure can be seen again.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % end
    }
}

/// Bytes that the file has at the most.
const MOST: u64 = 60_000;

struct File {
    fd: u64,
    bytes: Vec<u8>,
}

impl File {
    fn write(&mut self, b: &mut Bench, at: u64, len: u64, value: u8) {
        b.put(OUT, &vec![value; len as usize]);
        let wrote = b.call(linux::__NR_pwrite64, &[self.fd, OUT, len, at]);
        assert_eq!(wrote, Ok(len));
        let end = (at + len) as usize;
        if len > 0 {
            self.bytes.resize(self.bytes.len().max(end), 0);
            self.bytes[at as usize..end].fill(value);
        }
    }

    fn resize(&mut self, b: &mut Bench, size: u64) {
        b.call(linux::__NR_ftruncate, &[self.fd, size]).unwrap();
        self.bytes.resize(size as usize, 0);
    }

    fn allocate(&mut self, b: &mut Bench, mode: u32, at: u64, len: u64) {
        let args = [self.fd, u64::from(mode), at, len];
        b.call(linux::__NR_fallocate, &args).unwrap();
        let end = (at + len) as usize;
        if mode == 0 {
            self.bytes.resize(self.bytes.len().max(end), 0);
        }
        if mode & linux::FALLOC_FL_PUNCH_HOLE != 0 && (at as usize) < self.bytes.len() {
            let end = end.min(self.bytes.len());
            self.bytes[at as usize..end].fill(0);
        }
    }

    /// Within the file, where the two parts do not touch.
    fn copy(&mut self, b: &mut Bench, from: u64, to: u64, len: u64) {
        let len = len.min(from.abs_diff(to)).min(MOST - from.max(to));
        b.put(OUT, &from.to_le_bytes());
        b.put(OUT + 8, &to.to_le_bytes());
        let args = [self.fd, OUT, self.fd, OUT + 8, len, 0];
        let there = (self.bytes.len() as u64).saturating_sub(from).min(len);
        assert_eq!(b.call(linux::__NR_copy_file_range, &args), Ok(there));
        let part = self.bytes[self.bytes.len().min(from as usize)..].to_vec();
        let part = &part[..there as usize];
        let end = to as usize + part.len();
        if !part.is_empty() {
            self.bytes.resize(self.bytes.len().max(end), 0);
            self.bytes[to as usize..end].copy_from_slice(part);
        }
    }

    fn check(&self, b: &mut Bench, context: &str) {
        let got = b
            .call(linux::__NR_pread64, &[self.fd, OUT, MOST + 1, 0])
            .unwrap();
        assert_eq!(got, self.bytes.len() as u64, "{context}");
        let found = b.get(OUT, got as usize);
        let differs = found.iter().zip(&self.bytes).position(|(a, b)| a != b);
        assert_eq!(differs, None, "{context}");
    }
}

#[test]
fn a_file_is_an_array_of_bytes() {
    let modes = [
        0,
        linux::FALLOC_FL_KEEP_SIZE,
        linux::FALLOC_FL_KEEP_SIZE | linux::FALLOC_FL_PUNCH_HOLE,
    ];
    for seed in 1..=3u64 {
        let mut b = Bench::new();
        let mut random = Numbers(0x9e37_79b9_7f4a_7c15 ^ (seed << 20));
        let fd = b.open("/f", linux::O_CREAT | linux::O_RDWR).unwrap();
        let mut file = File {
            fd,
            bytes: Vec::new(),
        };
        for step in 0..60 {
            let at = random.below(MOST - 12_000);
            let len = random.below(12_000) + 1;
            match random.below(6) {
                0 | 1 => file.write(&mut b, at, len, step as u8 + 1),
                2 => file.resize(&mut b, at),
                3 => file.allocate(&mut b, modes[random.below(2) as usize], at, len),
                4 => file.allocate(&mut b, modes[2], at, len),
                _ => {
                    let to = random.below(MOST - 12_000);
                    file.copy(&mut b, at, to, len);
                }
            }
            if step % 4 == 3 {
                file.check(&mut b, &format!("seed {seed}, step {step}"));
            }
        }
        b.close(fd);
        b.on(linux::__NR_unlink, "/f", &[]).unwrap();
        b.end();
    }
}

#[test]
fn a_pipe_is_a_queue_of_bytes_whatever_its_size() {
    for seed in 1..=3u64 {
        let mut b = Bench::new();
        let mut random = Numbers(0x9e37_79b9_7f4a_7c15 ^ (seed << 20));
        b.call(linux::__NR_pipe2, &[OUT, u64::from(linux::O_NONBLOCK)])
            .unwrap();
        let ends = b.word(OUT);
        let (reader, writer) = (ends & 0xffff_ffff, ends >> 32);
        let mut queue: Vec<u8> = Vec::new();
        let mut next = 0u8;
        for step in 0..150 {
            let len = random.below(9000) + 1;
            match random.below(5) {
                0 | 1 => {
                    let bytes: Vec<u8> = (0..len).map(|i| next.wrapping_add(i as u8)).collect();
                    if let Ok(wrote) = b.write(writer, &bytes) {
                        queue.extend_from_slice(&bytes[..wrote as usize]);
                        next = next.wrapping_add(wrote as u8);
                    }
                }
                2 | 3 => {
                    let got = b.read(reader, len).unwrap_or_default();
                    let wanted = queue.len().min(len as usize);
                    assert_eq!(got.len(), wanted, "seed {seed}, step {step}");
                    assert!(
                        queue.drain(..wanted).eq(got),
                        "seed {seed}, step {step}: other bytes"
                    );
                }
                _ => {
                    let size = 4096 << random.below(6);
                    let args = [reader, u64::from(linux::F_SETPIPE_SZ), size];
                    if let Ok(now) = b.call(linux::__NR_fcntl, &args) {
                        assert!(now >= size && now as usize >= queue.len());
                    }
                }
            }
        }
        b.close(reader);
        b.close(writer);
        b.end();
    }
}
