//! Bounds what one session of a camera may bring: a token bucket, and a pause for what floods.

use lectern_media::Bitrate;
use std::time::{Duration, Instant};

/// How far above its rate a camera may be.
const ALLOWANCE: f64 = 1.5;

/// For how long: keyframes come in bursts.
const FOR: Duration = Duration::from_secs(2);

/// What comes at more than so many times the allowed rate is not even read for a while, so that one camera can't take the
/// processor of all.
const FLOOD_FACTOR: f64 = 8.0;

/// A level that fills with bytes and drains with time.
#[derive(Debug)]
struct Bucket {
    drain_per_sec: f64,
    level: f64,
    at: Option<Instant>,
}

impl Bucket {
    fn new(drain_per_sec: f64) -> Self {
        Self { drain_per_sec, level: 0.0, at: None }
    }

    fn drain(&mut self, now: Instant) {
        let passed = self.at.map_or(0.0, |at| now.saturating_duration_since(at).as_secs_f64());
        self.level = (self.level - passed * self.drain_per_sec).max(0.0);
        self.at = Some(self.at.map_or(now, |at| at.max(now)));
    }
}

/// The guard of one session, its streams together.
#[derive(Debug)]
pub(crate) struct Guard {
    taken: Bucket,
    offered: Bucket,
    capacity: f64,
    refusing: bool,
}

impl Guard {
    pub(crate) fn new(max: Bitrate) -> Self {
        let per_sec = (max.as_bps().max(8_000) as f64) / 8.0 * ALLOWANCE;
        Self {
            taken: Bucket::new(per_sec),
            offered: Bucket::new(per_sec * FLOOD_FACTOR),
            capacity: per_sec * FOR.as_secs_f64(),
            refusing: false,
        }
    }

    /// Whether a packet of so many bytes is taken. Once one is refused all are, until half of the allowance is free again: a
    /// picture of which every second packet is missing is worth nothing, one second of two is.
    pub(crate) fn admit(&mut self, now: Instant, bytes: usize) -> bool {
        self.taken.drain(now);
        self.offered.drain(now);
        self.offered.level += bytes as f64;
        if self.refusing && self.taken.level > self.capacity / 2.0 {
            return false;
        }
        self.refusing = self.taken.level + bytes as f64 > self.capacity;
        if !self.refusing {
            self.taken.level += bytes as f64;
        }
        !self.refusing
    }

    /// Until when nothing shall be read, if what is offered is a flood.
    pub(crate) fn pause(&self, now: Instant) -> Option<Instant> {
        let over = self.offered.level - self.capacity * FLOOD_FACTOR;
        (over > 0.0).then(|| now + Duration::from_secs_f64((over / self.offered.drain_per_sec + 0.1).min(2.0)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MAX: Bitrate = Bitrate::kbps(1_000);

    /// Sends packets of 1,000 bytes at so many bits a second for ten seconds; the bytes taken and refused.
    fn send(kbps: u64) -> (u64, u64) {
        let (mut guard, start) = (Guard::new(MAX), Instant::now());
        let (mut taken, mut refused) = (0, 0);
        for n in 0..kbps * 10 / 8 {
            let now = start + Duration::from_secs_f64(n as f64 * 8.0 / kbps as f64);
            if guard.admit(now, 1_000) { taken += 1_000 } else { refused += 1_000 }
        }
        (taken, refused)
    }

    #[test]
    fn what_is_within_the_allowance_passes_and_what_is_beyond_is_bounded() {
        assert_eq!(send(1_000).1, 0);
        assert_eq!(send(1_450).1, 0);
        let (taken, refused) = send(10_000);
        assert!(refused > 0 && taken as f64 <= 187_500.0 * 12.0, "{taken}");
        assert!(taken as f64 >= 187_500.0 * 8.0, "what may pass does: {taken}");
    }

    #[test]
    fn a_flood_pauses_the_reading_and_a_burst_does_not() {
        let (mut guard, now) = (Guard::new(MAX), Instant::now());
        (0..500).for_each(|_| _ = guard.admit(now, 1_000));
        assert_eq!(guard.pause(now), None);
        (0..5_000).for_each(|_| _ = guard.admit(now, 1_000));
        assert!(guard.pause(now).is_some());
    }

    proptest! {
        /// Over any stretch no more passes than rate and allowance say.
        #[test]
        fn no_stretch_exceeds_the_bound(sizes in prop::collection::vec((1usize..60_000, 0u64..100), 1..400)) {
            let (mut guard, start) = (Guard::new(MAX), Instant::now());
            let (mut now, mut taken) = (start, Vec::new());
            for (bytes, delay) in sizes {
                now += Duration::from_millis(delay);
                if guard.admit(now, bytes) {
                    taken.push((now, bytes));
                }
            }
            for (i, (from, _)) in taken.iter().enumerate() {
                let mut sum = 0.0;
                for (to, bytes) in &taken[i..] {
                    sum += *bytes as f64;
                    let allowed = 187_500.0 * (2.0 + to.duration_since(*from).as_secs_f64());
                    prop_assert!(sum <= allowed + 1.0, "{sum} > {allowed}");
                }
            }
        }
    }
}
