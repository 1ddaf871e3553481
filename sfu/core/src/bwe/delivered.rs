//! What arrived and what was lost over the last moments. Not here: conclusions.

use lectern_media::{Bitrate, DataSize};
use std::time::Duration;

/// One bucket.
const BUCKET: Duration = Duration::from_millis(50);
/// Two seconds of them.
const BUCKETS: usize = 40;

#[derive(Debug, Clone, Copy, Default)]
struct Bucket {
    number: u64,
    bytes: u32,
    received: u16,
    lost: u16,
}

/// Bytes and losses by the receiver's clock.
#[derive(Debug)]
pub(super) struct Delivered {
    buckets: [Bucket; BUCKETS],
    newest: u64,
    oldest: Option<u64>,
}

impl Default for Delivered {
    fn default() -> Self {
        Self { buckets: [Bucket::default(); BUCKETS], newest: 0, oldest: None }
    }
}

impl Delivered {
    /// A packet arrived.
    pub fn on_received(&mut self, arrived: Duration, bytes: u16) {
        let b = self.bucket((arrived.as_micros() / BUCKET.as_micros()) as u64);
        // A receiver may claim that everything arrived at one moment.
        b.bytes = b.bytes.saturating_add(u32::from(bytes));
        b.received = b.received.saturating_add(1);
    }

    /// A packet was lost, about now.
    pub fn on_lost(&mut self) {
        let b = self.bucket(self.newest);
        b.lost = b.lost.saturating_add(1);
    }

    /// A packet that was told lost arrived after all.
    pub fn on_found(&mut self) {
        let b = self.bucket(self.newest);
        b.lost = b.lost.saturating_sub(1);
    }

    /// Forgets losses: they were drawn conclusions from.
    pub fn forget_losses(&mut self) {
        for b in &mut self.buckets {
            b.lost = 0;
        }
    }

    /// The mean rate over the last `window`, the bucket still filling left out.
    pub fn rate(&self, window: Duration) -> Bitrate {
        let n = (window.as_millis() / BUCKET.as_millis()).clamp(1, BUCKETS as u128 - 1) as u64;
        let Some(oldest) = self.oldest else { return Bitrate::ZERO };
        let n = n.min(self.newest - oldest.min(self.newest));
        if n == 0 {
            return Bitrate::ZERO;
        }
        let bytes: u64 = self.last(1, n).map(|b| u64::from(b.bytes)).sum();
        DataSize::bytes(bytes) / (BUCKET * n as u32)
    }

    /// The fraction lost and the number lost over the last `window`.
    pub fn loss(&self, window: Duration) -> (f64, u32) {
        let n = (window.as_millis() / BUCKET.as_millis()).clamp(1, BUCKETS as u128) as u64;
        let (mut received, mut lost) = (0u32, 0u32);
        for b in self.last(0, n) {
            received += u32::from(b.received);
            lost += u32::from(b.lost);
        }
        (f64::from(lost) / f64::from((received + lost).max(1)), lost)
    }

    /// `n` buckets that end `skip` before the newest.
    fn last(&self, skip: u64, n: u64) -> impl Iterator<Item = &Bucket> {
        let numbers = (self.newest + 1).saturating_sub(skip + n)..(self.newest + 1).saturating_sub(skip);
        numbers.filter_map(|number| Some(&self.buckets[number as usize % BUCKETS]).filter(|b| b.number == number))
    }

    fn bucket(&mut self, number: u64) -> &mut Bucket {
        self.oldest.get_or_insert(number);
        self.newest = self.newest.max(number);
        let b = &mut self.buckets[number as usize % BUCKETS];
        if b.number != number {
            *b = Bucket { number, ..Bucket::default() };
        }
        b
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_receiver_that_claims_nonsense_does_no_harm() {
        let mut d = Delivered::default();
        for _ in 0..200_000 {
            d.on_received(Duration::from_secs(1), u16::MAX);
            d.on_lost();
        }
        assert!(d.loss(Duration::from_secs(1)).0 <= 1.0);
    }

    #[test]
    fn rates_and_losses_are_those_of_the_last_moments() {
        let mut d = Delivered::default();
        assert_eq!(d.rate(Duration::from_millis(500)), Bitrate::ZERO);
        let base = Duration::from_secs(100);
        for i in 0..200 {
            d.on_received(base + Duration::from_millis(10 * i), 625);
            if i % 10 == 0 {
                d.on_lost();
            }
        }
        assert_eq!(d.rate(Duration::from_millis(500)), Bitrate::kbps(500));
        let (fraction, lost) = d.loss(Duration::from_secs(1));
        assert!((0.08..0.1).contains(&fraction) && lost == 10, "{fraction} {lost}");
        d.on_received(base + Duration::from_secs(10), 625);
        assert_eq!(d.loss(Duration::from_secs(1)).1, 0);
    }
}
