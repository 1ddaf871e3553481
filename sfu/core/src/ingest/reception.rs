//! Loss and jitter of one stream for its report blocks (RFC 3550 §6.4.1, appendices A.3 and A.8).

use lectern_media::{ClockRate, ExtSeq};
use std::time::Instant;

/// Running statistics. Packets repaired by RTX are not counted as received: the sender must learn what the line lost.
#[derive(Debug)]
pub(super) struct Reception {
    rate: ClockRate,
    first: ExtSeq,
    highest: ExtSeq,
    received: u64,
    expected_prior: u64,
    received_prior: u64,
    epoch: Instant,
    transit: Option<i64>,
    /// Jitter in ticks times 16, as in RFC 3550 A.8.
    jitter_16: u64,
}

/// The numbers of one report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Summary {
    pub fraction_lost: u8,
    pub cumulative_lost: i32,
    pub highest_seq: u32,
    pub jitter: u32,
}

impl Reception {
    /// Begins with the first packet, which is not yet counted.
    pub fn new(now: Instant, rate: ClockRate, first: ExtSeq) -> Self {
        Self {
            rate,
            first,
            highest: first,
            received: 0,
            expected_prior: 0,
            received_prior: 0,
            epoch: now,
            transit: None,
            jitter_16: 0,
        }
    }

    /// Counts a packet that came on the stream itself.
    pub fn on_packet(&mut self, now: Instant, seq: ExtSeq, timestamp: u32) {
        let newest = seq >= self.highest;
        self.highest = self.highest.max(seq);
        self.first = self.first.min(seq);
        self.received += 1;
        if !newest {
            return;
        }
        // RFC 3550 A.8, in the 32-bit arithmetic of timestamps.
        let arrival = self.rate.ticks(now.saturating_duration_since(self.epoch)) as u32;
        let transit = i64::from(arrival.wrapping_sub(timestamp));
        if let Some(before) = self.transit.replace(transit) {
            let d = (transit as i32).wrapping_sub(before as i32).unsigned_abs();
            // A jump of more than ten seconds is a new time base, not jitter.
            if u64::from(d) < 10 * u64::from(self.rate.hz()) {
                self.jitter_16 = self.jitter_16 + u64::from(d) - ((self.jitter_16 + 8) >> 4);
            }
        }
    }

    /// The numbers now; starts a new interval for the fraction.
    pub fn summarise(&mut self) -> Summary {
        let expected = self.highest.0 - self.first.0 + 1;
        let lost = expected as i64 - self.received as i64;
        let expected_interval = expected - self.expected_prior;
        let received_interval = self.received - self.received_prior;
        self.expected_prior = expected;
        self.received_prior = self.received;
        let lost_interval = expected_interval.saturating_sub(received_interval);
        let fraction = (lost_interval * 256).checked_div(expected_interval).unwrap_or(0).min(255);
        Summary {
            fraction_lost: fraction as u8,
            cumulative_lost: lost.clamp(-0x80_0000, 0x7f_ffff) as i32,
            // Extended numbers begin one cycle above zero (see `SeqWindow`); reports count cycles from zero.
            highest_seq: self.highest.0.wrapping_sub(0x1_0000) as u32,
            jitter: (self.jitter_16 >> 4) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn loss_and_jitter_are_counted_as_the_rfc_says() {
        let t0 = Instant::now();
        let mut r = Reception::new(t0, ClockRate::VIDEO, ExtSeq(0x1_0000));
        for i in 0..100u64 {
            if i % 10 != 3 {
                r.on_packet(t0 + Duration::from_millis(20 * i), ExtSeq(0x1_0000 + i), (1_800 * i) as u32);
            }
        }
        let s = r.summarise();
        assert_eq!(s, Summary { fraction_lost: 25, cumulative_lost: 10, highest_seq: 99, jitter: 0 });
        for i in 100..200u64 {
            let late = if i % 2 == 0 { 10 } else { 0 };
            r.on_packet(t0 + Duration::from_millis(20 * i + late), ExtSeq(0x1_0000 + i), (1_800 * i) as u32);
        }
        let s = r.summarise();
        assert_eq!((s.fraction_lost, s.cumulative_lost), (0, 10));
        assert!((850..=900).contains(&s.jitter), "10 ms to and fro is a jitter of 900 ticks, got {}", s.jitter);
    }
}
