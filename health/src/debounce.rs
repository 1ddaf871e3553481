//! From findings to alarms: a fault is raised when it was seen often or long enough, and cleared when it was gone as often
//! or as long.

use lectern_media::UnixMillis;

/// What a step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Raised(UnixMillis),
    Cleared(UnixMillis),
}

/// One fault of one camera.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Alarm {
    /// Since when it has been raised: the first sign of it.
    pub raised: Option<UnixMillis>,
    /// The number that goes with it, the newest.
    pub measure: f32,
    /// Seen (or, while raised, not seen) so many times behind each other, since when.
    run: u32,
    since: Option<UnixMillis>,
}

impl Alarm {
    /// Seen, or not, in one more picture; `successive` of them decide.
    pub(crate) fn count(&mut self, now: UnixMillis, seen: Option<f32>, successive: u8) -> Option<Step> {
        self.step(now, seen, |run, _| run >= u32::from(successive))
    }

    /// Seen, or not, at this moment; it must stay so for `hold_ms`.
    pub(crate) fn hold(&mut self, now: UnixMillis, seen: Option<f32>, hold_ms: u32) -> Option<Step> {
        self.step(now, seen, |_, ms| ms >= i64::from(hold_ms))
    }

    fn step(&mut self, now: UnixMillis, seen: Option<f32>, enough: impl Fn(u32, i64) -> bool) -> Option<Step> {
        if let Some(measure) = seen {
            self.measure = measure;
        }
        if seen.is_some() == self.raised.is_some() {
            (self.run, self.since) = (0, None);
            return None;
        }
        self.run += 1;
        let since = *self.since.get_or_insert(now);
        // A clock that was set back does not raise or clear anything by itself.
        if !enough(self.run, (now.0 - since.0).max(0)) {
            return None;
        }
        (self.run, self.since) = (0, None);
        match self.raised.take() {
            Some(raised) => Some(Step::Cleared(raised)),
            None => {
                self.raised = Some(since);
                Some(Step::Raised(since))
            }
        }
    }

    /// It is cleared at once, or was not raised.
    pub(crate) fn reset(&mut self) -> Option<Step> {
        let raised = std::mem::take(self).raised?;
        Some(Step::Cleared(raised))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_raised_and_cleared_after_as_many_signs() {
        let mut a = Alarm::default();
        let at = |n: i64| UnixMillis(2_000 * n);
        let (bad, good) = (Some(0.5), None);
        for (n, (seen, want)) in [
            (bad, None),
            (good, None), // once is nothing
            (bad, None),
            (bad, Some(Step::Raised(at(2)))),
            (bad, None),
            (good, None),
            (bad, None),
            (good, None),
            (good, Some(Step::Cleared(at(2)))),
            (good, None),
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(a.count(at(n as i64), seen, 2), want, "step {n}");
        }
    }

    #[test]
    fn what_is_held_must_last() {
        let mut a = Alarm::default();
        for (ms, seen, want) in [
            (0, true, None),
            (2_900, true, None),
            (3_000, true, Some(Step::Raised(UnixMillis(0)))),
            (4_000, false, None),
            (6_000, true, None),
            (7_000, false, None),
            (10_000, false, Some(Step::Cleared(UnixMillis(0)))),
        ] {
            assert_eq!(a.hold(UnixMillis(ms), seen.then_some(1.0), 3_000), want, "at {ms}");
        }
    }
}
