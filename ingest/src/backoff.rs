//! When to try again: quickly after a session that worked, ever slower after failures, and slower still after a refused
//! password, because cameras lock accounts. With jitter from a seed, so that cameras behind one switch don't come in step.

use crate::fault::Fault;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::time::Duration;

const FIRST: Duration = Duration::from_millis(500);
const MAX: Duration = Duration::from_secs(30);
const PASSWORD_FIRST: Duration = Duration::from_secs(10);
const PASSWORD_MAX: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) struct Backoff {
    rng: ChaCha8Rng,
    failures: u32,
}

impl Backoff {
    pub(crate) fn new(seed: u64) -> Self {
        Self { rng: ChaCha8Rng::seed_from_u64(seed), failures: 0 }
    }

    /// Media came: the next failure is the first again.
    pub(crate) fn worked(&mut self) {
        self.failures = 0;
    }

    /// Whether it failed more than once since it worked.
    pub(crate) fn is_long(&self) -> bool {
        self.failures > 1
    }

    /// How long to wait after this failure: the full wait or up to a quarter less.
    pub(crate) fn next(&mut self, fault: &Fault) -> Duration {
        let (first, max) = match fault {
            Fault::WrongPassword => (PASSWORD_FIRST, PASSWORD_MAX),
            _ => (FIRST, MAX),
        };
        let full = first.saturating_mul(1 << self.failures.min(16)).min(max);
        self.failures = self.failures.saturating_add(1);
        full.mul_f64(self.rng.random_range(0.75..=1.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn waits_double_to_a_bound_and_start_over_when_it_worked() {
        let mut b = Backoff::new(1);
        let waits: Vec<u64> = (0..12).map(|_| b.next(&Fault::Unreachable).as_millis() as u64).collect();
        let full = [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000, 30_000, 30_000, 30_000, 30_000];
        assert!(waits.iter().zip(full).all(|(w, f)| (f * 3 / 4..=f).contains(w)), "{waits:?}");
        assert!(b.is_long());
        b.worked();
        assert!(b.next(&Fault::Closed) <= FIRST && !b.is_long());
    }

    proptest! {
        #[test]
        fn waits_are_bounded_and_repeatable(seed: u64, password in prop::collection::vec(any::<bool>(), 1..80)) {
            let (mut a, mut b) = (Backoff::new(seed), Backoff::new(seed));
            for wrong in password {
                let fault = if wrong { Fault::WrongPassword } else { Fault::Reset };
                let wait = a.next(&fault);
                prop_assert_eq!(wait, b.next(&fault));
                let (first, max) = if wrong { (PASSWORD_FIRST, PASSWORD_MAX) } else { (FIRST, MAX) };
                prop_assert!(wait <= max && wait >= first.mul_f64(0.75), "{:?}", wait);
            }
        }
    }
}
