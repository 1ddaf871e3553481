//! The rate of one stream over the last two seconds.

use lectern_media::{Bitrate, DataSize};
use std::time::{Duration, Instant};

const BUCKET: Duration = Duration::from_millis(100);
const BUCKETS: usize = 20;

/// A sliding window of 100 ms buckets.
#[derive(Debug)]
pub struct RateMeter {
    epoch: Option<Instant>,
    newest: u64,
    buckets: [u32; BUCKETS],
    sum: u64,
}

impl Default for RateMeter {
    fn default() -> Self {
        Self { epoch: None, newest: 0, buckets: [0; BUCKETS], sum: 0 }
    }
}

impl RateMeter {
    /// Adds `bytes` now.
    pub fn add(&mut self, now: Instant, bytes: usize) {
        self.advance(now);
        let slot = &mut self.buckets[self.newest as usize % BUCKETS];
        *slot = slot.saturating_add(bytes as u32);
        self.sum += bytes as u64;
    }

    /// The mean over the window, or since the first byte if that is shorter. A stream that begins looks dearer than it is
    /// (its first frame is a keyframe), which is the safe side.
    pub fn rate(&mut self, now: Instant) -> Bitrate {
        let Some(epoch) = self.epoch else { return Bitrate::ZERO };
        self.advance(now);
        let age = now.saturating_duration_since(epoch);
        DataSize::bytes(self.sum) / age.clamp(Duration::from_millis(200), BUCKET * BUCKETS as u32)
    }

    fn advance(&mut self, now: Instant) {
        let epoch = *self.epoch.get_or_insert(now);
        let bucket = (now.saturating_duration_since(epoch).as_millis() / BUCKET.as_millis()) as u64;
        if bucket <= self.newest {
            return;
        }
        for n in self.newest + 1..=bucket.min(self.newest + BUCKETS as u64) {
            let slot = &mut self.buckets[n as usize % BUCKETS];
            self.sum -= u64::from(std::mem::take(slot));
        }
        // After a pause longer than the window every bucket was emptied above.
        self.newest = bucket;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_steady_stream_is_measured_and_a_silent_one_fades() {
        let t0 = Instant::now();
        let mut m = RateMeter::default();
        assert_eq!(m.rate(t0), Bitrate::ZERO);
        for i in 0..400 {
            m.add(t0 + Duration::from_millis(10 * i), 1_250);
        }
        let rate = m.rate(t0 + Duration::from_millis(3_999)).as_bps();
        assert!((950_000..=1_050_000).contains(&rate), "1 Mbit/s, got {rate}");
        assert!(m.rate(t0 + Duration::from_millis(5_000)) < Bitrate::kbps(600));
        assert_eq!(m.rate(t0 + Duration::from_secs(60)), Bitrate::ZERO);
        m.add(t0 + Duration::from_secs(61), 2_500);
        assert_eq!(m.rate(t0 + Duration::from_secs(61)), Bitrate::kbps(10), "two seconds are the window");
    }
}
