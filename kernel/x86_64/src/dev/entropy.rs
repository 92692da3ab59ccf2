//! Unpredictable bytes: ChaCha20, keyed from RDRAND where present and the time-stamp counter, and
//! keyed anew from its own output on every use, so that a later leak tells nothing of the past.

use super::clock;
use rand_chacha::ChaCha20Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};
use x86_64::instructions::random::RdRand;

/// Rounds of collecting at boot.
const ROUNDS: u64 = 8;

/// The generator.
pub struct Entropy {
    key: [u8; 32],
    hardware: Option<RdRand>,
}

impl Entropy {
    /// Collects what there is. `also` is anything that differs from boot to boot.
    pub fn new(also: u64) -> Self {
        let mut entropy = Self {
            key: [0; 32],
            hardware: RdRand::new(),
        };
        entropy.absorb(also);
        for _ in 0..ROUNDS {
            entropy.stir();
        }
        if entropy.hardware.is_none() {
            log::warn!(target: "entropy", "no RDRAND: random numbers come from the time-stamp counter alone");
        }
        entropy
    }

    /// Fills with unpredictable bytes.
    pub fn fill(&mut self, to: &mut [u8]) {
        self.stir();
        let mut stream = ChaCha20Rng::from_seed(self.key);
        stream.fill_bytes(&mut self.key);
        stream.fill_bytes(to);
    }

    fn stir(&mut self) {
        self.absorb(clock::counter());
        if let Some(word) = self.hardware.and_then(RdRand::get_u64) {
            self.absorb(word);
        }
    }

    fn absorb(&mut self, word: u64) {
        for (byte, more) in self.key.iter_mut().zip(word.to_le_bytes()) {
            *byte ^= more;
        }
        ChaCha20Rng::from_seed(self.key).fill_bytes(&mut self.key);
    }
}
