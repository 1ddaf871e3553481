//! How far a camera's clock is from ours, from its sender reports.
//!
//! A report says what the camera's clock showed when it was sent; we see it later by the way's delay, which only ever makes the
//! camera look late. So of the reports of the last two minutes the one that makes it look earliest is the truest (the minimum filter
//! of RFC 5905 §10, one-sided because we can't ask back).

use lectern_media::UnixMillis;
use std::{collections::VecDeque, time::Duration};

/// How far back reports count. Clocks of cameras drift by some 50 ms an hour at worst, a few milliseconds within this.
const WINDOW: Duration = Duration::from_secs(120);

/// The most reports kept; cameras send one in a second to one in ten.
const REPORTS_MAX: usize = 128;

/// A change by more than this is a jump of the clock and is told at once.
const JUMP_MS: i64 = 100;

/// How many reports in a row must look late, and agree, before it is the clock and not the way.
const LATE_RUN: usize = 2;

/// Reports that look late by as much as each other, this far, agree. A way that stalls holds reports back and lets them go
/// together: each of them then looks late by another time.
const AGREE_MS: i64 = JUMP_MS / 2;

/// No way is late by so much: a session that is silent for so long is begun anew, and its reports with it.
const WAY_MS_MAX: i64 = 10_000;

/// So many reports that agree make the offset sure.
const SURE_REPORTS: usize = 3;

/// How often the offset is told.
const TELL_EVERY: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
pub(crate) struct ClockOffset {
    /// When each arrived and by how much the camera then looked ahead, in milliseconds.
    reports: VecDeque<(UnixMillis, i64)>,
    late: usize,
    told: Option<(UnixMillis, i64)>,
}

impl ClockOffset {
    /// Takes a report: the camera's clock when it sent, ours when it came. The offset in milliseconds if it is to be told now:
    /// the first, one a minute, and each jump.
    pub(crate) fn report(&mut self, ntp: UnixMillis, arrival: UnixMillis) -> Option<i64> {
        let seen = ntp.0.saturating_sub(arrival.0);
        if let Some(offset) = self.offset_ms() {
            let change = seen.saturating_sub(offset);
            let agrees = self.reports.back().is_some_and(|(_, last)| seen.saturating_sub(*last).abs() <= AGREE_MS);
            self.late = match change < -JUMP_MS {
                true if agrees => self.late + 1,
                true => 1,
                false => 0,
            };
            if !(-WAY_MS_MAX..=JUMP_MS).contains(&change) {
                self.late = 0;
                self.reports.clear();
            } else if self.late >= LATE_RUN {
                // The late ones were right: keep only those.
                let keep = self.reports.len().saturating_sub(LATE_RUN - 1);
                self.reports.drain(..keep);
                self.late = 0;
            }
        }
        // Our own clock may be set back; reports of the future are of no use then.
        self.reports.retain(|(at, _)| *at <= arrival && arrival.since(*at) <= WINDOW);
        if self.reports.len() == REPORTS_MAX {
            self.reports.pop_front();
        }
        self.reports.push_back((arrival, seen));
        let offset = self.offset_ms()?;
        let due = self.told.is_none_or(|(at, told)| {
            arrival < at || arrival.since(at) >= TELL_EVERY || offset.saturating_sub(told).abs() > JUMP_MS
        });
        due.then(|| {
            self.told = Some((arrival, offset));
            offset
        })
    }

    /// Milliseconds that the camera's clock is ahead of ours; `None` before the first report.
    pub(crate) fn offset_ms(&self) -> Option<i64> {
        self.reports.iter().map(|(_, seen)| *seen).max()
    }

    /// Whether enough reports agree with it.
    pub(crate) fn sure(&self) -> bool {
        let Some(offset) = self.offset_ms() else { return false };
        self.reports.iter().filter(|(_, seen)| offset.saturating_sub(*seen) <= JUMP_MS / 2).count() >= SURE_REPORTS
    }

    /// The camera connected anew: what it said before may be of another clock.
    pub(crate) fn restart(&mut self) {
        self.reports.clear();
        self.late = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn jumps_are_told_at_once_and_delays_are_not() {
        let mut c = ClockOffset::default();
        let mut at = |seen: i64, now: i64| c.report(UnixMillis(now + seen), UnixMillis(now));
        // (camera looks ahead by, at, told)
        for (seen, now, told) in [
            (495, 0, Some(495)),
            (500, 5_000, None),
            (200, 10_000, None), // one late report
            (500, 15_000, None),
            (1_500, 20_000, Some(1_500)), // set forward
            (1_495, 25_000, None),
            (-3_010, 30_000, None),
            (-3_000, 35_000, Some(-3_000)), // set back: the second in a row that says so
            (-3_000, 94_000, None),
            (-3_001, 95_001, Some(-3_000)), // the minute is over
            (-8_000, 100_000, None),        // a way that stalls, and lets go of all at once
            (-3_100, 105_000, None),
            (-3_000, 105_100, None),
            (-93_000, 110_000, Some(-93_000)), // no way is so late
        ] {
            assert_eq!(at(seen, now), told, "at {now}");
        }
        assert!(!c.sure(), "one report after a jump is not enough");
        for now in [115_000, 120_000] {
            assert_eq!(c.report(UnixMillis(now - 93_000), UnixMillis(now)), None);
        }
        assert!(c.sure());
    }

    #[test]
    fn absurd_times_are_taken_as_they_are() {
        let mut c = ClockOffset::default();
        for (ntp, arrival) in [(i64::MIN, i64::MAX), (i64::MAX, i64::MIN), (0, 0), (i64::MAX, 0)] {
            let _ = c.report(UnixMillis(ntp), UnixMillis(arrival));
            let _ = (c.offset_ms(), c.sure());
        }
    }

    proptest! {
        /// Whatever the delays, the offset is at most the true one and at least the true one less the least delay.
        #[test]
        fn delay_is_filtered_out(truth in -10_000i64..10_000, delays in prop::collection::vec(0i64..90, 3..60)) {
            let mut c = ClockOffset::default();
            for (n, delay) in delays.iter().enumerate() {
                let sent = n as i64 * 1_000;
                let _ = c.report(UnixMillis(sent + truth), UnixMillis(sent + delay));
            }
            let least = *delays.iter().min().unwrap();
            prop_assert_eq!(c.offset_ms(), Some(truth - least));
        }
    }
}
