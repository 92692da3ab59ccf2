//! Random numbers (random(4)): the machine's, with what programs stirred in.

use crate::Kernel;
use crate::machine::Machine;

/// Bits of what programs have written that are kept.
pub const POOL_BITS: u32 = 256;

/// What programs have written to /dev/random. It is added to the machine's numbers (XOR), so
/// that it can make them no easier to guess.
#[derive(Default)]
pub(super) struct Pool {
    stirred: [u8; POOL_BITS as usize / 8],
    at: usize,
}

impl Pool {
    /// Stirs bytes in.
    pub(super) fn stir(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.at = (self.at + 1) % self.stirred.len();
            if let Some(cell) = self.stirred.get_mut(self.at) {
                *cell = cell.rotate_left(1) ^ byte;
            }
        }
    }

    /// Fills a buffer with unpredictable bytes.
    pub(super) fn fill(&self, m: &mut dyn Machine, to: &mut [u8]) {
        m.entropy(to);
        for (byte, mask) in to.iter_mut().zip(self.stirred.iter().cycle()) {
            *byte ^= mask;
        }
    }
}

/// Fills a buffer with unpredictable bytes.
pub fn fill(k: &Kernel, m: &mut dyn Machine, to: &mut [u8]) {
    k.devices.random.fill(m, to);
}

#[cfg(test)]
mod tests {
    use super::Pool;

    #[test]
    fn stirring_changes_the_mask() {
        let mut pool = Pool::default();
        pool.stir(b"seed");
        let once = pool.stirred;
        assert_ne!(once, [0; 32]);
        pool.stir(b"more of it");
        assert_ne!(pool.stirred, once);
    }
}
