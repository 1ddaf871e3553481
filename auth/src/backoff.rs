//! The brake on guessing: after a few failures a key (a log-in name, an address) has to wait, each time twice as long.
//!
//! Pure: takes `now`. Does not belong here: what a key is made of; names should be hashed or folded by the caller.

use std::{
    collections::HashMap,
    hash::Hash,
    time::{Duration, Instant},
};

/// How hard the brake is.
#[derive(Debug, Clone, Copy)]
pub struct BackoffPolicy {
    /// Failures without consequence.
    pub free: u32,
    /// The first wait; doubles with each further failure.
    pub first_wait: Duration,
    /// The longest wait.
    pub wait_max: Duration,
    /// Failures are forgotten after this long without another one.
    pub forget_after: Duration,
    /// Keys remembered; at the limit the one that is quiet longest is forgotten. An entry takes about 100 bytes.
    pub keys_max: usize,
}

impl BackoffPolicy {
    /// For a log-in name: 5 free attempts, then 1 s to 5 min. Nobody is locked out for good by a stranger's guessing.
    pub const LOGIN: Self = Self {
        free: 5,
        first_wait: Duration::from_secs(1),
        wait_max: Duration::from_secs(300),
        forget_after: Duration::from_secs(1_800),
        keys_max: 20_000,
    };
    /// For an address: a whole school may stand behind one, so 60 failures are free, and one pupil's guessing never
    /// keeps the others out for longer than ten seconds.
    pub const ADDRESS: Self = Self { free: 60, wait_max: Duration::from_secs(10), ..Self::LOGIN };
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    failures: u32,
    last: Instant,
}

/// Failures by key.
#[derive(Debug)]
pub struct Backoff<K> {
    policy: BackoffPolicy,
    entries: HashMap<K, Entry>,
}

impl<K: Eq + Hash + Clone> Backoff<K> {
    /// An empty table.
    #[must_use]
    pub fn new(policy: BackoffPolicy) -> Self {
        Self { policy, entries: HashMap::new() }
    }

    /// Whether `key` may try now.
    ///
    /// # Errors
    /// How long it still has to wait.
    pub fn check(&self, now: Instant, key: &K) -> Result<(), Duration> {
        let Some(entry) = self.entries.get(key) else { return Ok(()) };
        let quiet = now.saturating_duration_since(entry.last);
        if quiet >= self.policy.forget_after {
            return Ok(());
        }
        let wait = self.wait(entry.failures);
        if quiet >= wait { Ok(()) } else { Err(wait - quiet) }
    }

    /// Notes a failure.
    pub fn failed(&mut self, now: Instant, key: K) {
        let forget_after = self.policy.forget_after;
        if !self.entries.contains_key(&key) && self.entries.len() >= self.policy.keys_max {
            self.make_room(now);
        }
        let entry = self.entries.entry(key).or_insert(Entry { failures: 0, last: now });
        if now.saturating_duration_since(entry.last) >= forget_after {
            entry.failures = 0;
        }
        entry.failures = entry.failures.saturating_add(1);
        entry.last = now;
    }

    /// Forgets a key that succeeded.
    pub fn succeeded(&mut self, key: &K) {
        self.entries.remove(key);
    }

    /// How many keys are remembered; never more than the policy's maximum.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nobody failed lately.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn wait(&self, failures: u32) -> Duration {
        let Some(over) = failures.checked_sub(self.policy.free + 1) else { return Duration::ZERO };
        let factor = 1_u32.checked_shl(over).filter(|_| over < 31).unwrap_or(u32::MAX);
        self.policy.first_wait.saturating_mul(factor).min(self.policy.wait_max)
    }

    /// Forgets what is old; if nothing is, the quieter half, so that a flood of keys costs one pass per thousands.
    fn make_room(&mut self, now: Instant) {
        let forget_after = self.policy.forget_after;
        self.entries.retain(|_, e| now.saturating_duration_since(e.last) < forget_after);
        if self.entries.len() >= self.policy.keys_max {
            let mut times: Vec<Instant> = self.entries.values().map(|e| e.last).collect();
            let middle = times.len() / 2;
            let (_, median, _) = times.select_nth_unstable(middle);
            let median = *median;
            self.entries.retain(|_, e| e.last > median);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: BackoffPolicy = BackoffPolicy { keys_max: 8, ..BackoffPolicy::LOGIN };

    #[test]
    fn waits_double_up_to_the_longest() {
        let mut b = Backoff::new(POLICY);
        let mut now = Instant::now();
        let mut waits = vec![];
        for _ in 0..16 {
            b.failed(now, "li");
            let wait = b.check(now, &"li").err().unwrap_or_default();
            waits.push(wait.as_secs());
            now += wait;
            assert_eq!(b.check(now, &"li"), Ok(()), "after the wait one may try");
        }
        assert_eq!(waits, [0, 0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]);
        assert_eq!(b.check(now, &"wang"), Ok(()), "others are not held up");
    }

    #[test]
    fn success_and_time_forgive() {
        let mut b = Backoff::new(POLICY);
        let now = Instant::now();
        for _ in 0..10 {
            b.failed(now, "li");
            b.failed(now, "wang");
        }
        b.succeeded(&"li");
        assert_eq!(b.check(now, &"li"), Ok(()));
        let later = now + POLICY.forget_after;
        assert_eq!(b.check(later, &"wang"), Ok(()));
        b.failed(later, "wang");
        assert_eq!(b.check(later, &"wang"), Ok(()), "counting starts anew");
    }

    #[test]
    fn the_table_is_bounded() {
        let mut b = Backoff::new(POLICY);
        let start = Instant::now();
        for i in 0..1_000_u64 {
            b.failed(start + Duration::from_millis(i), i);
            assert!(b.len() <= POLICY.keys_max);
        }
        assert!(b.len() > 1, "the newest are kept");
        // All at the same instant: room is made too.
        let mut b = Backoff::new(POLICY);
        for i in 0..100_u64 {
            b.failed(start, i);
            assert!(b.len() <= POLICY.keys_max);
        }
    }
}
