//! How much of the CPU a group may have at the most: a quota in every period (`cpu.max`), and what
//! it may save up of it (`cpu.max.burst`).
//!
//! Time passes in periods whether the group runs or not; they are counted when somebody looks. What
//! a group had too much of is a debt: the quota of the next periods pays it first.

/// Bounds of a period, in nanoseconds: 1 ms to 1 s.
pub const PERIODS: core::ops::RangeInclusive<u64> = 1_000_000..=1_000_000_000;

/// The least quota, in nanoseconds.
pub const LEAST_QUOTA: u64 = 1_000_000;

/// The most that quota and burst may be together, in nanoseconds: 2^44 - 1 us, as on Linux.
pub const MOST_QUOTA: u64 = ((1 << 44) - 1) * 1000;

/// The period unless set otherwise: 100 ms.
const PERIOD: u64 = 100_000_000;

/// What may be had in a period, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limit {
    /// So much; `None` for as much as there is.
    pub quota: Option<u64>,
    /// Of so much.
    pub period: u64,
    /// What may be saved up besides.
    pub burst: u64,
}

impl Default for Limit {
    fn default() -> Limit {
        Limit {
            quota: None,
            period: PERIOD,
            burst: 0,
        }
    }
}

/// What became of it (`cpu.stat`).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Periods in which the group ran or wanted to.
    pub periods: u64,
    /// And those of them in which it was kept from it.
    pub throttled_periods: u64,
    /// For how many nanoseconds it was.
    pub throttled: u64,
    /// Periods in which it used what it had saved up.
    pub bursts: u64,
    /// How many nanoseconds of that it used.
    pub burst_time: u64,
}

/// A group's quota and what is left of it.
#[derive(Clone, Copy, Debug, Default)]
pub struct Bandwidth {
    limit: Limit,
    /// What is left in this period; a debt below 0.
    left: i64,
    /// What there was at its beginning.
    given: i64,
    /// When it ends.
    ends: u64,
    /// The group ran in it, or was kept from it.
    active: bool,
    /// Since when it has nothing left.
    throttled_since: Option<u64>,
    /// It had nothing left for a part of this period.
    throttled: bool,
    stats: Stats,
}

fn signed(nanoseconds: u64) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

impl Bandwidth {
    /// What may be had.
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Sets it; a new period begins, with all of its quota but what the group owes.
    pub fn set(&mut self, limit: Limit, now: u64) {
        self.pass(now);
        self.limit = limit;
        self.ends = now.saturating_add(limit.period);
        self.left = (self.left.min(0)).saturating_add(signed(limit.quota.unwrap_or(0)));
        if limit.quota.is_none() {
            self.left = 0;
        }
        self.given = self.left;
        (self.active, self.throttled) = (false, false);
    }

    /// The group has nothing left.
    pub fn is_throttled(&self) -> bool {
        self.throttled_since.is_some()
    }

    /// When it gets more.
    pub fn ends(&self) -> u64 {
        self.ends
    }

    /// The group ran for so many nanoseconds until `now`. True when it has nothing left from here
    /// on and had before.
    pub fn spend(&mut self, nanoseconds: u64, now: u64) -> bool {
        if self.limit.quota.is_none() {
            return false;
        }
        self.left = self.left.saturating_sub(signed(nanoseconds));
        self.active = true;
        self.pass(now);
        if self.left > 0 || self.is_throttled() {
            return false;
        }
        self.throttled_since = Some(now);
        (self.throttled, self.active) = (true, true);
        true
    }

    /// Ends its waiting when it has something again; whether it has.
    pub fn relieve(&mut self, now: u64) -> bool {
        self.pass(now);
        if self.limit.quota.is_some() && self.left <= 0 {
            return false;
        }
        if let Some(since) = self.throttled_since.take() {
            let throttled = &mut self.stats.throttled;
            *throttled = throttled.saturating_add(now.saturating_sub(since));
        }
        true
    }

    /// When a group that runs from `now` on must be looked at: it has nothing left, or gets more.
    /// `u64::MAX` without a quota.
    pub fn deadline(&mut self, now: u64) -> u64 {
        if self.limit.quota.is_none() {
            return u64::MAX;
        }
        self.pass(now);
        let left = u64::try_from(self.left).unwrap_or(0);
        now.saturating_add(left).min(self.ends)
    }

    /// What became of it until `now`.
    pub fn stats(mut self, now: u64) -> Stats {
        self.pass(now);
        let since = self.throttled_since.unwrap_or(now);
        Stats {
            throttled: (self.stats.throttled).saturating_add(now.saturating_sub(since)),
            ..self.stats
        }
    }

    /// Ends the periods that are over.
    fn pass(&mut self, now: u64) {
        let Some(quota) = self.limit.quota.map(signed) else {
            return;
        };
        if now < self.ends {
            return;
        }
        let period = self.limit.period.max(1);
        let mut more = now.saturating_sub(self.ends) / period;
        self.ends = (self.ends).saturating_add((more + 1).saturating_mul(period));
        self.count_burst(quota);
        self.stats.periods += u64::from(self.active);
        self.stats.throttled_periods += u64::from(self.throttled);
        self.refill(quota, 1);
        if self.is_throttled() && self.left <= 0 {
            // It pays for so many periods more.
            let pays = more.min(self.left.unsigned_abs() / quota.unsigned_abs().max(1) + 1);
            self.stats.periods += pays;
            self.stats.throttled_periods += pays;
            self.refill(quota, pays);
            more -= pays;
        }
        self.refill(quota, more);
        self.given = self.left;
        self.throttled = self.is_throttled() && self.left <= 0;
        self.active = self.throttled;
    }

    /// Gives the quota of so many periods. What is not saved up is lost.
    fn refill(&mut self, quota: i64, periods: u64) {
        let given = quota.saturating_mul(signed(periods));
        let most = quota.saturating_add(signed(self.limit.burst));
        self.left = self.left.saturating_add(given).min(most);
    }

    /// What was used of what was saved up: what the group had beyond the quota.
    fn count_burst(&mut self, quota: i64) {
        let used = self.given.saturating_sub(self.left.max(0));
        let burst = used.saturating_sub(quota);
        if burst > 0 {
            self.stats.bursts += 1;
            let time = &mut self.stats.burst_time;
            *time = time.saturating_add(burst.unsigned_abs());
        }
    }
}

#[cfg(test)]
mod tests;
