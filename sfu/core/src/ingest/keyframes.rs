//! What the keyframes of a layer cost by themselves: the size of the last ones over the time between them.

use lectern_media::{Bitrate, DataSize};
use std::time::{Duration, Instant};

/// The interval assumed before a second keyframe has come: what most cameras are set to.
const INTERVAL_FIRST: Duration = Duration::from_secs(2);
/// Keyframes that are closer are counted as if they were not: nobody is sent more than two a second as stills.
const INTERVAL_MIN: Duration = Duration::from_millis(500);

/// The meter of one layer.
#[derive(Debug, Default)]
pub(super) struct KeyframeMeter {
    /// The timestamp of the newest keyframe and when it began.
    newest: Option<(u32, Instant)>,
    /// Its bytes so far.
    bytes: u64,
    /// Smoothed over the last few: bytes of one, and the interval between two.
    size: f64,
    interval: Option<Duration>,
}

impl KeyframeMeter {
    /// Counts a packet of `bytes`; `starts`: a decoder can start at it.
    pub(super) fn add(&mut self, now: Instant, starts: bool, timestamp: u32, bytes: usize) {
        match self.newest {
            Some((of, _)) if of == timestamp => self.bytes += bytes as u64,
            _ if starts => {
                if let Some((_, at)) = self.newest {
                    let apart = now.saturating_duration_since(at).max(INTERVAL_MIN);
                    self.interval = Some(self.interval.map_or(apart, |i| (i + apart) / 2));
                    self.size = if self.size > 0.0 { (self.size + self.bytes as f64) / 2.0 } else { self.bytes as f64 };
                }
                self.newest = Some((timestamp, now));
                self.bytes = bytes as u64;
            }
            _ => {}
        }
    }

    /// What they cost.
    pub(super) fn rate(&self, now: Instant) -> Bitrate {
        let Some((_, at)) = self.newest else { return Bitrate::ZERO };
        // The newest counts at once if it is larger than those before: a picture that begins costs what it costs.
        let size = self.size.max(self.bytes as f64) as u64;
        // Fewer keyframes than there were show in the time that went by without.
        let apart = self.interval.unwrap_or(INTERVAL_FIRST).max(now.saturating_duration_since(at) / 2);
        DataSize::bytes(size) / apart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keyframes_are_measured_over_the_time_between_them() {
        let t0 = Instant::now();
        let at = |ms| t0 + Duration::from_millis(ms);
        let mut m = KeyframeMeter::default();
        assert_eq!(m.rate(t0), Bitrate::ZERO);
        for frame in 0..100u64 {
            let (now, key) = (at(frame * 67), frame % 30 == 0);
            for part in 0..if key { 40 } else { 2 } {
                m.add(now, key && part == 0, frame as u32 * 6_000, 1_000);
            }
            if frame == 0 {
                assert_eq!(m.rate(now), Bitrate::kbps(160), "forty kilobytes in the usual two seconds");
            }
        }
        let kbps = m.rate(at(6_700)).as_bps() / 1_000;
        assert!((155..=165).contains(&kbps), "{kbps} kbit/s");
        assert!(m.rate(at(66_000)) < Bitrate::kbps(15), "none for a minute");
    }
}
