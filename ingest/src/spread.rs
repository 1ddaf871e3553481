//! Spreads what many want at once over time: after a restart every camera wants to connect, and switches, cameras and we
//! ourselves would rather not see that in one moment.

use std::time::{Duration, Instant};

/// Hands out turns, so many a second.
#[derive(Debug)]
pub(crate) struct Spread {
    step: Duration,
    next: Option<Instant>,
}

impl Spread {
    /// `per_second` turns a second; at least one.
    pub(crate) fn new(per_second: u32) -> Self {
        Self { step: Duration::from_secs(1) / per_second.max(1), next: None }
    }

    /// The moment of the next free turn, which is taken.
    pub(crate) fn take(&mut self, now: Instant) -> Instant {
        let turn = self.next.map_or(now, |next| next.max(now));
        self.next = Some(turn + self.step);
        turn
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_is_spread_and_a_lone_one_does_not_wait() {
        let (mut spread, now) = (Spread::new(20), Instant::now());
        let turns: Vec<_> = (0..40).map(|_| spread.take(now).duration_since(now).as_millis()).collect();
        assert_eq!((turns[0], turns[1], turns[39]), (0, 50, 1950));
        let later = now + Duration::from_secs(10);
        assert_eq!(spread.take(later), later);
    }
}
