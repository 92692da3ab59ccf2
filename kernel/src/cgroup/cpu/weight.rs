//! Weights, and virtual time: the time that somebody had, divided by its weight.

/// How much of the CPU somebody has beside others: twice the weight, twice the time. A task of
/// nice 0 and a group with the default `cpu.weight` have 1024.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Weight(u32);

/// The weight of each niceness from -20 on, as on Linux: a step is about a quarter more or less,
/// so that two tasks a step apart differ by a tenth of the CPU.
const OF_NICENESS: [u32; 40] = [
    88761, 71755, 56483, 46273, 36291, 29154, 23254, 18705, 14949, 11916, 9548, 7620, 6100, 4904,
    3906, 3121, 2501, 1991, 1586, 1277, 1024, 820, 655, 526, 423, 335, 272, 215, 172, 137, 110, 87,
    70, 56, 45, 36, 29, 23, 18, 15,
];

impl Default for Weight {
    fn default() -> Weight {
        Weight(1024)
    }
}

impl Weight {
    /// That of SCHED_IDLE and of `cpu.idle`.
    pub const IDLE: Weight = Weight(3);

    /// That of a niceness (-20 to 19; what is beyond counts as these).
    pub fn of_niceness(nice: i8) -> Weight {
        let step = usize::try_from(i16::from(nice) + 20).unwrap_or(0);
        let last = OF_NICENESS.len() - 1;
        let weight = OF_NICENESS.get(step.min(last));
        weight.map_or_else(Weight::default, |w| Weight(*w))
    }

    /// That of a `cpu.weight` (1 to 10000; what is beyond counts as these).
    pub fn of_shares(shares: u64) -> Weight {
        let scaled = (shares.clamp(1, 10_000) * 1024 + 50) / 100;
        u32::try_from(scaled).map_or_else(|_| Weight::default(), Weight)
    }

    /// The `cpu.weight` that it is about.
    pub fn shares(self) -> u64 {
        ((u64::from(self.0) * 100 + 512) / 1024).clamp(1, 10_000)
    }

    /// The niceness whose weight is nearest, the nicer of two.
    pub fn niceness(self) -> i8 {
        let distances = OF_NICENESS.iter().map(|w| w.abs_diff(self.0));
        let nearest = distances.enumerate().min_by_key(|(_, distance)| *distance);
        nearest.map_or(0, |(step, _)| step as i8 - 20)
    }

    /// The virtual time of so many nanoseconds.
    pub fn virtual_time(self, nanoseconds: u64) -> u64 {
        let weight = u64::from(self.0);
        (nanoseconds.saturating_mul(1024).saturating_add(weight / 2)) / weight.max(1)
    }

    /// The nanoseconds after which so much virtual time has passed at the least.
    pub fn real_time(self, virtual_time: u64) -> u64 {
        (virtual_time.saturating_mul(u64::from(self.0)) / 1024).saturating_add(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_of_niceness_is_a_quarter() {
        for nice in -20..19 {
            let (more, less) = (Weight::of_niceness(nice).0, Weight::of_niceness(nice + 1).0);
            assert!(
                more * 100 / less >= 115 && more * 100 / less <= 135,
                "{nice}"
            );
            assert_eq!(Weight::of_niceness(nice).niceness(), nice);
        }
        assert_eq!(Weight::of_niceness(-128), Weight::of_niceness(-20));
        assert_eq!(Weight::of_niceness(127), Weight::of_niceness(19));
    }

    #[test]
    fn shares_come_back_as_they_were_given() {
        for shares in 1..=10_000 {
            assert_eq!(Weight::of_shares(shares).shares(), shares);
        }
        assert_eq!(Weight::of_shares(100), Weight::default());
        assert_eq!(Weight::IDLE.shares(), 1);
        assert_eq!(Weight::of_shares(0).shares(), 1);
        assert_eq!(Weight::of_shares(u64::MAX).shares(), 10_000);
    }

    #[test]
    fn virtual_time_goes_slower_for_the_heavy() {
        assert_eq!(Weight::of_shares(200).virtual_time(1000), 500);
        assert_eq!(Weight::of_shares(50).virtual_time(1000), 2000);
        assert_eq!(Weight::of_shares(200).real_time(500), 1001);
        assert_eq!(Weight::IDLE.virtual_time(u64::MAX), u64::MAX / 3);
    }
}
