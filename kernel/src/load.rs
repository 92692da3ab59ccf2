//! How busy the machine is: load averages and CPU time, as /proc/loadavg and /proc/stat tell.

/// Nanoseconds between two samples of the load (as Linux: 5 s).
const PERIOD: u64 = 5_000_000_000;

/// Bits behind the point of a load average.
const SHIFT: u32 = 11;

/// 1.0.
const ONE: u64 = 1 << SHIFT;

/// How much of an average stays from one sample to the next: e^(-5s/1min), /5min, /15min.
const DECAY: [u64; 3] = [1884, 2014, 2037];

/// Samples after which nothing of an old average is left to see.
const FORGOTTEN: u64 = 1000;

/// CPU time and load since boot.
#[derive(Default)]
pub struct Load {
    /// Nanoseconds in programs.
    pub user: u64,
    /// Nanoseconds in the kernel on behalf of tasks.
    pub system: u64,
    /// Page faults of programs.
    pub faults: u64,
    averages: [u64; 3],
    sampled: u64,
}

impl Load {
    /// Takes the samples that are due at `now`; `active` tasks run or want to.
    pub fn sample(&mut self, now: u64, active: usize) {
        let due = now.saturating_sub(self.sampled) / PERIOD;
        if due == 0 {
            return;
        }
        self.sampled = self.sampled.saturating_add(due.saturating_mul(PERIOD));
        let active = (active as u64).saturating_mul(ONE);
        for (average, decay) in self.averages.iter_mut().zip(DECAY) {
            for _ in 0..due.min(FORGOTTEN) {
                let sum = average
                    .saturating_mul(decay)
                    .saturating_add(active.saturating_mul(ONE - decay));
                // Rounded towards the goal, so that it is reached.
                let round = if active >= *average { ONE - 1 } else { 0 };
                *average = sum.saturating_add(round) >> SHIFT;
            }
        }
    }

    /// The averages over 1, 5 and 15 minutes: whole part and hundredths.
    pub fn averages(&self) -> [(u64, u64); 3] {
        self.averages.map(|a| {
            // As Linux: half of a hundredth is added before cutting.
            let a = a.saturating_add(ONE / 200);
            (a >> SHIFT, ((a & (ONE - 1)) * 100) >> SHIFT)
        })
    }

    /// The averages with 16 bits behind the point, for sysinfo(2).
    pub fn fixed16(&self) -> [u64; 3] {
        self.averages.map(|a| a << (16 - SHIFT))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_rise_and_fall() {
        let mut load = Load::default();
        load.sample(PERIOD - 1, 1);
        assert_eq!(load.averages()[0], (0, 0));
        for n in 1..=12 {
            load.sample(n * PERIOD, 1);
        }
        // After a minute of one busy task: 1 - 1/e.
        assert_eq!(load.averages()[0], (0, 63));
        for n in 13..=400 {
            load.sample(n * PERIOD, 1);
        }
        assert_eq!(load.averages()[0], (1, 0));
        load.sample(100_000 * PERIOD, 0);
        assert_eq!(load.averages(), [(0, 0); 3]);
    }
}
