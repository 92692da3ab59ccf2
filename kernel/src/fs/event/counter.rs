//! Counters (eventfd(2)).

use crate::error::Errno;
use crate::fs::Fs;
use linux_raw_sys::general as linux;

/// A counter: writes add to it, reads take from it.
#[derive(Debug)]
pub struct Counter {
    value: u64,
    /// Reads take 1, not all (EFD_SEMAPHORE).
    pub semaphore: bool,
    /// Its number in fdinfo.
    pub id: u32,
}

/// The most that it holds.
const MAX: u64 = u64::MAX - 1;

impl Counter {
    /// A new one.
    pub fn new(fs: &mut Fs, value: u32, semaphore: bool) -> Counter {
        fs.last_counter = fs.last_counter.wrapping_add(1);
        Counter {
            value: value.into(),
            semaphore,
            id: fs.last_counter,
        }
    }

    /// What it holds.
    pub fn value(&self) -> u64 {
        self.value
    }

    /// What a read gets; `None` when there is nothing.
    pub fn next(&self) -> Option<u64> {
        match self.value {
            0 => None,
            _ if self.semaphore => Some(1),
            value => Some(value),
        }
    }

    /// Takes what [`Counter::next`] told.
    pub fn take(&mut self, count: u64) {
        self.value = self.value.saturating_sub(count);
    }

    /// Adds; false when there is no room for all of it.
    ///
    /// # Errors
    /// EINVAL for the number that can never be added.
    pub fn add(&mut self, count: u64) -> Result<bool, Errno> {
        if count > MAX {
            return Err(Errno::EINVAL);
        }
        let fits = count <= MAX - self.value;
        if fits {
            self.value += count;
        }
        Ok(fits)
    }

    /// What it is ready for (POLL* bits).
    pub fn ready(&self) -> u32 {
        let bit = |ready, bit| if ready { bit } else { 0 };
        bit(self.value > 0, linux::POLLIN) | bit(self.value < MAX, linux::POLLOUT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_counter_never_holds_more_than_it_can_tell() {
        let mut fs = Fs::default();
        let mut counter = Counter::new(&mut fs, 1, false);
        assert_eq!(counter.add(u64::MAX), Err(Errno::EINVAL));
        assert_eq!(counter.add(MAX), Ok(false));
        assert_eq!(counter.add(MAX - 1), Ok(true));
        assert_eq!(
            (counter.next(), counter.ready()),
            (Some(MAX), linux::POLLIN)
        );
        counter.take(MAX);
        assert_eq!((counter.next(), counter.ready()), (None, linux::POLLOUT));
    }
}
