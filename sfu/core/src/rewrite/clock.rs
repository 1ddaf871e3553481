//! The outgoing timestamps of one line. Layers of one source are put on one line of time by the sender's wall clock (its
//! sender reports); until those come, and between sources, by arrival.

use crate::{packet::PacketMeta, time::NtpTime};
use lectern_media::ClockRate;
use std::time::{Duration, Instant};

/// A switch by wall clock that lands further than this from where arrival puts it is not believed.
const DISBELIEF: Duration = Duration::from_secs(2);
/// Layers of one moment differ by less than this on the sender's wall clock: its reports are not exact. Frames are further
/// apart.
const SAME_MOMENT: Duration = Duration::from_millis(12);
/// The least step in time at a switch: one millisecond, so that no decoder sees two frames of one time.
const STEP_MIN: Duration = Duration::from_millis(1);

/// Senders report within the first seconds (RFC 3550 §6.2); one that has not after this never will.
pub const CLOCKLESS: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy)]
struct Last {
    out: u64,
    source: u64,
    arrival: Instant,
    clock_offset: Option<i64>,
    rate: ClockRate,
}

/// The map from source to outgoing timestamps. Outgoing ones are kept extended.
#[derive(Debug)]
pub struct ClockMap {
    /// What to add to a source timestamp, wrapping.
    delta: u64,
    /// Outgoing time less the source's wall clock in ticks, while the source stays; set once, so that switches back and
    /// forth do not add up to a drift between sound and picture.
    anchor: Option<i64>,
    first: u64,
    last: Option<Last>,
    /// Since when packets have come without the publisher's clock.
    clockless_since: Option<Instant>,
}

impl ClockMap {
    /// Starts at `first`.
    #[must_use]
    pub const fn new(first: u32) -> Self {
        Self { delta: 0, anchor: None, first: (1 << 32) + first as u64, last: None, clockless_since: None }
    }

    /// `meta` is the first packet after a change of layer (`same_clock`) or source.
    pub fn switch(&mut self, meta: &PacketMeta, same_clock: bool) {
        let rate = meta.codec.clock_rate();
        self.clockless_since = Some(meta.arrival);
        let Some(last) = self.last else {
            self.delta = self.first.wrapping_sub(meta.timestamp.0);
            return;
        };
        let waited = meta.arrival.saturating_duration_since(last.arrival);
        let by_arrival = last.out + rate.ticks(waited.max(STEP_MIN));
        let floor = last.out + rate.ticks(STEP_MIN);
        if !same_clock || rate != last.rate {
            self.anchor = None;
            self.delta = by_arrival.wrapping_sub(meta.timestamp.0);
            return;
        }
        if self.anchor.is_none() {
            self.anchor = last.clock_offset.map(|o| (self.delta as i64).wrapping_sub(o));
        }
        let by_clock = self
            .anchor
            .zip(meta.clock_offset)
            .map(|(anchor, offset)| meta.timestamp.0.wrapping_add_signed(anchor.wrapping_add(offset)))
            .filter(|t| t.abs_diff(by_arrival) < rate.ticks(DISBELIEF));
        self.delta = by_clock.unwrap_or(by_arrival).max(floor).wrapping_sub(meta.timestamp.0);
    }

    /// Whether `meta`, of the same source as the newest packet, shows an earlier moment than that: by the sender's wall clock,
    /// and by arrival (packets kept from before) while that is not known of both.
    #[must_use]
    pub fn is_behind(&self, meta: &PacketMeta) -> bool {
        let Some(last) = self.last else { return false };
        let clocks = meta.clock_offset.zip(last.clock_offset).filter(|_| meta.codec.clock_rate() == last.rate);
        let Some((offset, last_offset)) = clocks else { return meta.arrival < last.arrival };
        let moment = meta.timestamp.0.wrapping_add_signed(offset) as i64;
        let behind = (last.source.wrapping_add_signed(last_offset) as i64).wrapping_sub(moment);
        let ticks = |d| last.rate.ticks(d) as i64;
        (ticks(SAME_MOMENT)..ticks(DISBELIEF)).contains(&behind)
    }

    /// The outgoing timestamp of a packet of the current layer.
    pub fn map(&mut self, meta: &PacketMeta) -> u32 {
        let out = meta.timestamp.0.wrapping_add(self.delta);
        if meta.clock_offset.is_some() {
            self.clockless_since = None;
        }
        if self.last.is_none_or(|l| out >= l.out) {
            let rate = meta.codec.clock_rate();
            let source = meta.timestamp.0;
            self.last = Some(Last { out, source, arrival: meta.arrival, clock_offset: meta.clock_offset, rate });
        }
        out as u32
    }

    /// The newest outgoing timestamp.
    #[must_use]
    pub fn last(&self) -> u32 {
        self.last.map_or(self.first, |l| l.out) as u32
    }

    /// A wall clock and the outgoing timestamp of the same moment. Sound and picture of one publisher are reported on the
    /// publisher's own clock, so that they are in step at the viewer exactly as they were at the source; on the server's
    /// (`wall` at `now`) only if the publisher has kept silent about its own for [`CLOCKLESS`].
    #[must_use]
    pub fn report_time(&self, now: Instant, wall: NtpTime) -> Option<(NtpTime, u32)> {
        let last = self.last?;
        let out = last.out + last.rate.ticks(now.saturating_duration_since(last.arrival));
        let Some(offset) = last.clock_offset else {
            let silent = self.clockless_since.is_some_and(|at| now.saturating_duration_since(at) > CLOCKLESS);
            return silent.then_some((wall, out as u32));
        };
        let wall_ticks = (out.wrapping_sub(self.delta) as i64).wrapping_add(offset);
        let ntp = (i128::from(wall_ticks) << 32) / i128::from(last.rate.hz());
        Some((NtpTime(ntp as u64), out as u32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::packet;

    fn meta(t0: Instant, layer: u8, arrival_ms: u64, ticks: u64, offset: Option<i64>) -> PacketMeta {
        let mut m = packet(t0 + Duration::from_millis(arrival_ms), layer, 0, ticks, true, &[0x10, 1]).meta;
        m.clock_offset = offset;
        m
    }

    #[test]
    fn layers_are_aligned_by_the_senders_wall_clock() {
        let t0 = Instant::now();
        let mut c = ClockMap::new(1_000);
        // Layer 0 counts from 0, layer 2 from 5,000,000; the wall clock of both begins at 900,000 ticks.
        let (zero, two) = (Some(900_000), Some(900_000 - 5_000_000));
        c.switch(&meta(t0, 0, 0, 0, zero), false);
        assert_eq!(c.map(&meta(t0, 0, 0, 0, zero)), 1_000);
        assert_eq!(c.map(&meta(t0, 0, 33, 3_000, zero)), 4_000);
        // The frame taken at 66 ms arrives 80 ms late: its place in time is its capture, not its arrival.
        let late = meta(t0, 2, 146, 5_006_000, two);
        c.switch(&late, true);
        assert_eq!(c.map(&late), 7_000);
        // Back to layer 0 with a frame of the same moment as the last one: a millisecond later, and without drift after.
        let same = meta(t0, 0, 150, 6_000, zero);
        c.switch(&same, true);
        assert_eq!(c.map(&same), 7_090);
        let next = meta(t0, 2, 200, 5_015_000, two);
        c.switch(&next, true);
        assert_eq!(c.map(&next), 16_000, "the millisecond is not carried on");
    }

    #[test]
    fn without_reports_and_between_sources_arrival_counts() {
        let t0 = Instant::now();
        for (same_clock, offset) in [(true, None), (false, Some(77)), (true, Some(-900_000_000))] {
            let mut c = ClockMap::new(0);
            let first = meta(t0, 0, 0, 123, offset.map(|_| 0));
            c.switch(&first, false);
            assert_eq!(c.map(&first), 0);
            let next = meta(t0, 1, 100, 777_777, offset);
            c.switch(&next, same_clock);
            assert_eq!(c.map(&next), 9_000, "same clock {same_clock}, offset {offset:?}");
        }
    }

    #[test]
    fn reports_tie_outgoing_time_to_the_publishers_clock() {
        let t0 = Instant::now();
        let wall = NtpTime::from(lectern_media::UnixMillis(1_700_000_000_000));
        let offset = wall.ticks(ClockRate::VIDEO) - 50_000;
        let mut c = ClockMap::new(4_000_000_000);
        let first = meta(t0, 0, 0, 50_000, Some(offset));
        c.switch(&first, false);
        let out = c.map(&first);
        let (ntp, rtp) = c.report_time(t0 + Duration::from_millis(500), NtpTime(0)).unwrap();
        assert_eq!(rtp.wrapping_sub(out), 45_000);
        assert!((ntp.unix_millis().0 - 1_700_000_000_500).abs() <= 1, "{:?}", ntp.unix_millis());

        let mut silent = ClockMap::new(0);
        let first = meta(t0, 0, 0, 50_000, None);
        silent.switch(&first, false);
        silent.map(&first);
        let at = |secs| silent.report_time(t0 + Duration::from_secs(secs), wall);
        assert_eq!(at(5), None, "it may still tell its clock");
        assert_eq!(at(11), Some((wall, 11 * 90_000)));
    }
}
