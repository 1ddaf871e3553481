//! Pictures that are not shown in the order in which they come: decode times for a camera that sends B-frames.
//!
//! RTP carries times of presentation (RFC 6184 §5.1, RFC 7798 §4.1), and pictures come in the order of decoding. The n-th picture to be
//! decoded gets the n-th smallest time of presentation as its decode time; it is known once as many pictures followed as the
//! stream reorders. So decode times grow evenly, a picture may be shown before its decode time (ISO/IEC 14496-12 §8.8.8, version
//! 1), and nothing is held where nothing is reordered. How many are reordered is learnt, and bounded by what the parameter sets say. Where
//! it was guessed too low, decode times crowd for a few pictures; times of presentation are right always.
//!
//! Does not belong here: where a timestamp lies on the recording's time (`clock`), fragments (`picture`).

use lectern_fmp4::{config::avc::REORDER_MAX, depay::AccessUnit};
use std::collections::VecDeque;

/// Pictures after which what was learnt of the stream's order is judged again.
const JUDGED_EVERY: u32 = 250;
/// … for the first time.
const JUDGED_FIRST: u32 = 75;

/// A picture with its times, in ticks of the recording.
#[derive(Debug)]
pub(super) struct Timed {
    /// When it is decoded; not smaller than the one before, but for the caller's bounds.
    pub(super) dts: u64,
    /// When it is shown.
    pub(super) pts: u64,
    /// It is shown after all that came before it.
    pub(super) newest: bool,
    /// It was handed out before all that is shown before it was known: its decode time is a guess.
    pub(super) early: bool,
    pub(super) unit: AccessUnit,
}

#[derive(Debug)]
struct Waiting {
    pts: u64,
    newest: bool,
    unit: AccessUnit,
}

#[derive(Debug, Default)]
pub(super) struct Order {
    /// In the order of decoding.
    waiting: VecDeque<Waiting>,
    /// When they are shown, in order of time.
    times: Vec<u64>,
    /// RTP timestamps since the last keyframe, the last [`REORDER_MAX`] and one more.
    recent: VecDeque<u64>,
    /// The highest RTP timestamp since time went on without a break, and when it is shown.
    highest: Option<(u64, u64)>,
    /// What is shown since then is shown no earlier.
    floor: u64,
    /// What the parameter sets say.
    told: Option<u8>,
    /// Whether they said anything yet.
    begun: bool,
    /// How many pictures are held.
    depth: usize,
    /// How many had to be held, since it was judged last, and for how many pictures more it is looked at.
    needed: usize,
    judged_in: u32,
}

impl Order {
    /// Whether pictures are shown in the order in which they come, as far as is known.
    pub(super) fn depth(&self) -> usize {
        self.depth
    }

    /// The decode time of the first picture that is held.
    pub(super) fn first(&self) -> Option<u64> {
        self.times.first().copied()
    }

    /// Takes a picture that is shown at `pts` unless that would be before `end`, where a break of the timestamps makes it follow what is
    /// there. `ready` gets pictures in the order of decoding.
    pub(super) fn push(&mut self, unit: AccessUnit, pts: u64, end: u64, ready: &mut Vec<Timed>) {
        let timestamp = unit.timestamp.0;
        if let Some(config) = &unit.config {
            self.told_by(config.reorder_max());
        }
        let rank = self.recent.iter().filter(|t| **t > timestamp).count();
        let back = self.highest.is_some_and(|(highest, _)| timestamp < highest);
        // Nothing is shown before a keyframe that was decoded after it; nothing else is as far back.
        let broken = back && (unit.keyframe || rank > usize::from(self.told.unwrap_or(REORDER_MAX)) || rank == 0);
        if unit.keyframe || broken {
            self.hand_out(0, false, ready);
            self.recent.clear();
        }
        if broken || self.highest.is_none() {
            self.floor = end.max(self.highest.map_or(0, |(_, shown)| shown + 1));
            self.highest = None;
        }
        let rank = if broken { 0 } else { rank };
        let newest = self.highest.is_none_or(|(highest, _)| timestamp > highest);
        let after = self.highest.filter(|_| newest).map_or(0, |(_, shown)| shown + 1);
        let pts = pts.max(self.floor).max(after);
        if newest {
            self.highest = Some((timestamp, pts));
        }
        if self.recent.len() > usize::from(REORDER_MAX) {
            self.recent.pop_front();
        }
        self.recent.push_back(timestamp);
        self.learn(rank);
        let at = self.times.partition_point(|t| *t <= pts);
        self.times.insert(at, pts);
        self.waiting.push_back(Waiting { pts, newest, unit });
        self.hand_out(self.depth, false, ready);
    }

    /// Hands out everything, whatever follows.
    pub(super) fn release(&mut self, ready: &mut Vec<Timed>) {
        self.hand_out(0, true, ready);
    }

    /// Timestamps are on a new base from here. Everything must have been released.
    pub(super) fn restart(&mut self) {
        (self.highest, self.floor) = (None, 0);
        self.recent.clear();
    }

    fn hand_out(&mut self, keep: usize, early: bool, ready: &mut Vec<Timed>) {
        while self.waiting.len() > keep
            && let Some(Waiting { pts, newest, unit }) = self.waiting.pop_front()
        {
            ready.push(Timed { dts: self.times.remove(0), pts, newest, early, unit });
        }
    }

    fn told_by(&mut self, told: Option<u8>) {
        if self.begun && told == self.told {
            return;
        }
        // A stream that says how much it reorders does so, most likely; one that says nothing does not.
        (self.begun, self.told) = (true, told);
        (self.depth, self.needed, self.judged_in) = (usize::from(told.unwrap_or(0)), 0, JUDGED_FIRST);
    }

    /// A picture is shown before `rank` of those that came before it.
    fn learn(&mut self, rank: usize) {
        self.needed = self.needed.max(rank);
        self.depth = self.depth.max(rank);
        self.judged_in = self.judged_in.saturating_sub(1);
        if self.judged_in == 0 {
            (self.depth, self.needed, self.judged_in) = (self.needed, 0, JUDGED_EVERY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use lectern_media::{ExtTimestamp, UnixMillis};
    use proptest::prelude::*;

    fn unit(timestamp: u64, keyframe: bool) -> AccessUnit {
        AccessUnit {
            timestamp: ExtTimestamp(timestamp),
            arrival: UnixMillis(0),
            keyframe,
            config: None,
            duration: None,
            broken: None,
            data: Bytes::new(),
        }
    }

    /// (decode time, time shown) of each, where time is the RTP timestamp and the first is a keyframe, as are those in `keys`.
    fn timed(told: Option<u8>, timestamps: &[u64], keys: &[u64]) -> Vec<(u64, u64)> {
        let (mut order, mut ready) = (Order::default(), Vec::new());
        order.told_by(told);
        for (n, t) in timestamps.iter().enumerate() {
            order.push(unit(*t, n == 0 || keys.contains(t)), *t, 0, &mut ready);
            assert!(order.waiting.len() <= usize::from(REORDER_MAX));
        }
        order.release(&mut ready);
        ready.iter().map(|t| (t.dts, t.pts)).collect()
    }

    #[test]
    fn pictures_get_even_decode_times_and_keep_when_they_are_shown() {
        // I P B B, two in a row, and a keyframe.
        let simple = [10, 13, 11, 12, 16, 14, 15, 17, 20, 18, 19];
        let want: Vec<(u64, u64)> = (10..).zip(simple).collect();
        assert_eq!(timed(Some(1), &simple, &[17]), want);
        // A B that others refer to.
        let pyramid = [10, 14, 12, 11, 13, 18, 16, 15, 17];
        assert_eq!(timed(Some(2), &pyramid, &[]), (10..).zip(pyramid).collect::<Vec<_>>());
        // H.265: what leads a keyframe comes behind it and is shown before it.
        let leading = [10, 12, 11, 16, 14, 13, 15];
        assert_eq!(timed(Some(2), &leading, &[16]), (10..).zip(leading).collect::<Vec<_>>());
    }

    #[test]
    fn a_stream_that_says_nothing_is_learnt_and_shown_right_from_the_first() {
        let stream: Vec<u64> = (0..9).flat_map(|n| [n * 3 + 13, n * 3 + 11, n * 3 + 12]).collect();
        let stream = [&[10], &stream[..]].concat();
        let got = timed(None, &stream, &[]);
        assert_eq!(got.iter().map(|t| t.1).collect::<Vec<_>>(), stream);
        assert_eq!(got[4..].iter().map(|t| t.0).collect::<Vec<_>>(), (14..=37).collect::<Vec<_>>());
    }

    #[test]
    fn nothing_is_held_where_nothing_is_reordered() {
        for told in [Some(0), None, Some(4)] {
            let (mut order, mut ready) = (Order::default(), Vec::new());
            order.told_by(told);
            for t in 0..200 {
                order.push(unit(t, t % 50 == 0), t, 0, &mut ready);
            }
            assert_eq!(ready.len(), 200, "{told:?}");
            assert!(ready.iter().all(|t| t.dts == t.pts));
        }
    }

    #[test]
    fn a_clock_that_is_set_back_is_no_reordering() {
        // (what, what the stream says, timestamps, keyframes)
        type Case<'a> = (&'a str, Option<u8>, &'a [u64], &'a [u64]);
        let cases: [Case<'_>; 3] = [
            ("at a keyframe", None, &[100, 101, 102, 50, 51], &[50]),
            ("of a stream that does not reorder", Some(0), &[100, 101, 102, 50, 51], &[]),
            ("by more than any stream reorders", Some(2), &[100, 101, 102, 103, 104, 50, 51], &[]),
        ];
        for (what, told, stream, keys) in cases {
            let got = timed(told, stream, keys);
            assert!(got.windows(2).all(|w| w[0].0 < w[1].0 && w[0].1 < w[1].1), "{what}: {got:?}");
        }
    }

    proptest! {
        /// Whatever the timestamps do: nothing is lost, the order of decoding is kept, and decode times do not go back within a run.
        #[test]
        fn any_timestamps_are_taken(
            told in prop::option::of(0u8..=16),
            stream in prop::collection::vec((0u64..300, prop::bool::weighted(0.1)), 1..200),
        ) {
            let (mut order, mut ready) = (Order::default(), Vec::new());
            order.told_by(told);
            for (n, (t, key)) in stream.iter().enumerate() {
                let mut unit = unit(*t, *key);
                unit.arrival = UnixMillis(n as i64);
                order.push(unit, *t, 0, &mut ready);
                prop_assert!(order.waiting.len() <= usize::from(REORDER_MAX));
                prop_assert_eq!(order.waiting.len(), order.times.len());
            }
            order.release(&mut ready);
            let came: Vec<i64> = ready.iter().map(|t| t.unit.arrival.0).collect();
            prop_assert_eq!(came, (0..stream.len() as i64).collect::<Vec<_>>());
        }
    }
}
