//! What is recorded of one stream and what is missing, as entries that never overlap (invariant 13). Pure; times are milliseconds
//! on the camera's line of time.
//!
//! What was recorded decides where a gap begins and ends; what was told of the stream decides its cause. So a gap is as exact as the
//! samples are, however late or coarse the news of it was.

use lectern_protocol::api::GapCause;

/// A stretch that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) from_ms: u64,
    pub(crate) to_ms: u64,
    pub(crate) cause: GapCause,
    /// Packets known to be missing; 0 if nobody knows.
    pub(crate) packets: u64,
}

/// A stretch without a sample up to this long, of which nothing was told, is a picture a little late.
const QUIET_MS: u64 = 500;
/// A loss right before something worse was told is its beginning: a picture was cut off.
const CUT_OFF_MS: u64 = 1000;
/// What is told at a time and not used yet; the oldest are joined beyond.
const TOLD_MAX: usize = 64;
/// What is still missing is entered when it is this long, and then as often.
const ENTER_MS: u64 = 5000;
/// … but not the last of it, which may be on its way.
const BEHIND_MS: u64 = 2000;

#[derive(Debug)]
pub(crate) struct Coverage {
    /// Up to where the stream is recorded or an entry says why not.
    covered_ms: u64,
    told: Vec<Missing>,
    /// The cause of what nobody explains.
    usual: GapCause,
}

impl Coverage {
    /// Nothing is known of the stream before `from_ms`; until a sample comes, it is missing by `cause`.
    pub(crate) fn new(from_ms: u64, cause: GapCause) -> Self {
        Self { covered_ms: from_ms, told: Vec::new(), usual: cause }
    }

    /// Up to where the stream is recorded or entered.
    pub(crate) fn covered_ms(&self) -> u64 {
        self.covered_ms
    }

    /// From now on what nobody explains is missing by `cause`, until a sample comes.
    pub(crate) fn suspect(&mut self, cause: GapCause) {
        self.usual = cause;
    }

    /// Something is missing somewhere here, and why. Telling the same again, longer, extends it.
    pub(crate) fn tell(&mut self, m: Missing) {
        if m.to_ms <= self.covered_ms || m.to_ms <= m.from_ms {
            return;
        }
        if let Some(t) = self.told.iter_mut().find(|t| (t.from_ms, t.cause) == (m.from_ms, m.cause)) {
            (t.to_ms, t.packets) = (t.to_ms.max(m.to_ms), t.packets.max(m.packets));
            return;
        }
        if self.told.len() == TOLD_MAX {
            let first = self.told.remove(0);
            if let Some(next) = self.told.first_mut() {
                next.from_ms = next.from_ms.min(first.from_ms);
                next.packets += first.packets;
            }
        }
        self.told.push(m);
        self.told.sort_by_key(|t| t.from_ms);
    }

    /// Samples were recorded from `from_ms` to `to_ms`: appends what is missing before them.
    pub(crate) fn recorded(&mut self, from_ms: u64, to_ms: u64, out: &mut Vec<Missing>) {
        let explained = self.told.iter().any(|t| t.from_ms < from_ms && t.to_ms > self.covered_ms);
        let suspected = self.usual != GapCause::CameraSilent;
        if from_ms > self.covered_ms && (explained || suspected || from_ms - self.covered_ms > QUIET_MS) {
            self.enter(from_ms, out);
        }
        self.covered_ms = self.covered_ms.max(to_ms);
        self.told.retain(|t| t.to_ms > to_ms);
        self.usual = GapCause::CameraSilent;
    }

    /// It is `now_ms` and nothing came: appends what has been missing for long enough to be sure, up to `border` if there is one.
    pub(crate) fn still_missing(&mut self, now_ms: u64, border: Option<u64>, out: &mut Vec<Missing>) {
        let until = now_ms.saturating_sub(BEHIND_MS).min(border.unwrap_or(u64::MAX));
        if until.saturating_sub(self.covered_ms) >= ENTER_MS {
            self.enter(until, out);
        }
    }

    /// Appends entries for everything from where the stream stands up to `until_ms`.
    pub(crate) fn enter(&mut self, until_ms: u64, out: &mut Vec<Missing>) {
        let mut at = self.covered_ms;
        let first = out.len();
        let told: Vec<Missing> = self.told.iter().copied().filter(|t| t.from_ms < until_ms && t.to_ms > at).collect();
        let worst = |t: &&Missing| t.cause != GapCause::Loss;
        let unexplained = told.iter().find(worst).or(told.first()).map_or(self.usual, |t| t.cause);
        while at < until_ms {
            // What others than packet numbers tell goes before what these tell.
            let here = |t: &&Missing| t.from_ms <= at && t.to_ms > at;
            let now = told.iter().filter(worst).find(here).or_else(|| told.iter().find(here));
            let next_worse = told.iter().filter(worst).map(|t| t.from_ms).filter(|f| *f > at).min();
            let (to, cause, packets) = match now {
                Some(t) if t.cause != GapCause::Loss => (t.to_ms, t.cause, t.packets),
                Some(t) => (t.to_ms.min(next_worse.unwrap_or(u64::MAX)), t.cause, t.packets),
                None => {
                    let to = told.iter().map(|t| t.from_ms).filter(|f| *f > at).min().unwrap_or(until_ms);
                    // What follows something goes on for its reason: the next keyframe is waited for.
                    (to, out[first..].last().map_or(unexplained, |m: &Missing| m.cause), 0)
                }
            };
            let to = to.min(until_ms);
            let alone = out.len() == first + 1;
            match out[first..].last_mut() {
                Some(last) if last.cause == cause => {
                    last.to_ms = to;
                    last.packets += packets;
                }
                // A picture that was cut off, then the reason for it.
                Some(last) if last.cause == GapCause::Loss && last.to_ms - last.from_ms < CUT_OFF_MS && alone => {
                    (last.to_ms, last.cause) = (to, cause);
                    last.packets += packets;
                }
                _ => out.push(Missing { from_ms: at, to_ms: to, cause, packets }),
            }
            at = to;
        }
        self.covered_ms = self.covered_ms.max(until_ms);
        if let Some(last) = out[first..].last() {
            self.usual = last.cause;
        }
        // Packets are counted once.
        self.told.iter_mut().filter(|t| t.from_ms < until_ms).for_each(|t| t.packets = 0);
        self.told.retain(|t| t.to_ms > until_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use GapCause::{CameraSilent, Loss, Network, Restart};
    use proptest::prelude::*;

    fn tell(c: &mut Coverage, from_ms: u64, to_ms: u64, cause: GapCause, packets: u64) {
        c.tell(Missing { from_ms, to_ms, cause, packets });
    }

    fn recorded(c: &mut Coverage, from: u64, to: u64) -> Vec<(u64, u64, GapCause)> {
        let mut out = Vec::new();
        c.recorded(from, to, &mut out);
        out.iter().map(|m| (m.from_ms, m.to_ms, m.cause)).collect()
    }

    #[test]
    fn a_gap_is_where_no_sample_is_and_its_cause_is_what_was_told() {
        let mut c = Coverage::new(0, CameraSilent);
        assert_eq!(recorded(&mut c, 40, 1000), []);
        assert_eq!(recorded(&mut c, 1300, 2000), [], "a picture a little late");
        assert_eq!(recorded(&mut c, 3000, 4000), [(2000, 3000, CameraSilent)], "nobody told");
        tell(&mut c, 4040, 5000, Loss, 3);
        assert_eq!(recorded(&mut c, 4200, 4400), [(4000, 4200, Loss)], "the samples say where");
        // Cut off in the middle of a picture, then away, then waiting for a keyframe.
        tell(&mut c, 4400, 4500, Loss, 2);
        tell(&mut c, 4450, 9000, Network, 0);
        assert_eq!(recorded(&mut c, 9600, 9700), [(4400, 9600, Network)]);
        tell(&mut c, 9700, 12_000, Loss, 2);
        tell(&mut c, 12_000, 14_000, CameraSilent, 0);
        assert_eq!(recorded(&mut c, 14_040, 15_000), [(9700, 12_000, Loss), (12_000, 14_040, CameraSilent)]);
        assert_eq!(recorded(&mut c, 15_000, 16_000), []);
        let mut c = Coverage::new(100, Restart);
        assert_eq!(recorded(&mut c, 200, 300), [(100, 200, Restart)]);
        assert_eq!(recorded(&mut c, 300, 400), []);
    }

    #[test]
    fn what_lasts_is_entered_bit_by_bit() {
        let (mut c, mut out) = (Coverage::new(0, CameraSilent), Vec::new());
        c.recorded(0, 1000, &mut out);
        for now in (1000..30_000).step_by(100) {
            if now % 3000 == 0 {
                tell(&mut c, 1100, now, Network, 0);
            }
            c.still_missing(now, None, &mut out);
        }
        c.recorded(30_500, 31_000, &mut out);
        assert!(out.len() >= 4 && out.iter().all(|m| m.cause == Network), "{out:?}");
        assert_eq!((out[0].from_ms, out.last().unwrap().to_ms), (1000, 30_500));
        assert!(out.windows(2).all(|w| w[0].to_ms == w[1].from_ms), "{out:?}");
    }

    proptest! {
        #[test]
        fn time_is_recorded_or_entered_and_never_twice(
            steps in prop::collection::vec((0u8..4, 0u64..9000, 0u64..9000, 0usize..3), 1..60),
        ) {
            let (mut c, mut now) = (Coverage::new(0, CameraSilent), 0u64);
            let (mut entered, mut spans): (Vec<Missing>, Vec<(u64, u64)>) = (Vec::new(), Vec::new());
            for (what, a, b, cause) in steps {
                now += a / 4;
                match what {
                    0 | 1 => {
                        let from = now.max(c.covered_ms());
                        c.recorded(from, from + b / 8 + 1, &mut entered);
                        spans.push((from, from + b / 8 + 1));
                        now = from + b / 8 + 1;
                    }
                    2 => tell(&mut c, now.saturating_sub(a), now + b, [Loss, Network, CameraSilent][cause], b % 3),
                    _ => c.still_missing(now, None, &mut entered),
                }
            }
            let mut all: Vec<(u64, u64)> = entered.iter().map(|m| (m.from_ms, m.to_ms)).chain(spans).collect();
            all.sort_unstable();
            let mut at = 0;
            for (from, to) in all {
                prop_assert!(from < to && from >= at && from - at <= QUIET_MS, "{from}..{to} after {at}");
                at = to;
            }
            prop_assert!(entered.windows(2).all(|w| w[0].to_ms <= w[1].from_ms));
        }
    }
}
