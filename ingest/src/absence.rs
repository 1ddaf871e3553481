//! What is missing of one track, from when to when, and why: the spans that the archive is told.
//!
//! Pure: the feed says what it sees, this says what to tell. A span is told when it is over, and while it lasts every few
//! seconds with the same beginning. Spans of one track do not overlap.

use lectern_media::{UnixMillis, tap::AbsenceCause};
use std::time::Duration;

/// Within this time the cause of a span may still become another: that a connection broke is often known only a moment after
/// it went quiet.
const SETTLES: Duration = Duration::from_secs(2);

/// A span to tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) since: UnixMillis,
    pub(crate) until: UnixMillis,
    pub(crate) cause: AbsenceCause,
    pub(crate) packets: u64,
}

#[derive(Debug, Clone, Copy)]
struct Open {
    since: UnixMillis,
    cause: AbsenceCause,
    packets: u64,
    told: Option<UnixMillis>,
}

impl Open {
    fn until(&self, until: UnixMillis) -> Told {
        Told { since: self.since, until: until.max(self.since), cause: self.cause, packets: self.packets }
    }
}

#[derive(Debug)]
pub(crate) struct Absence {
    repeat_every: Duration,
    open: Option<Open>,
}

impl Absence {
    pub(crate) const fn new(repeat_every: Duration) -> Self {
        Self { repeat_every, open: None }
    }

    /// Whether something is missing now, and why.
    pub(crate) fn cause(&self) -> Option<AbsenceCause> {
        self.open.map(|open| open.cause)
    }

    /// From `since` on the track is missing for `cause`. If it was missing before for another one, that span ends there;
    /// unless nothing was told of it yet and it is young, then only the cause becomes the better known one.
    pub(crate) fn begin(&mut self, since: UnixMillis, cause: AbsenceCause) -> Option<Told> {
        let Some(open) = &mut self.open else {
            self.open = Some(Open { since, cause, packets: 0, told: None });
            return None;
        };
        if open.cause == cause {
            return None;
        }
        let down = |cause| matches!(cause, AbsenceCause::CameraSilent | AbsenceCause::Network);
        if open.told.is_none() && down(open.cause) && down(cause) && since.since(open.since) <= SETTLES {
            open.cause = cause;
            return None;
        }
        // What was told stays told.
        let since = since.max(open.told.unwrap_or(open.since));
        let ended = open.until(since);
        self.open = Some(Open { since, cause, packets: 0, told: None });
        (ended.until > ended.since).then_some(ended)
    }

    /// So many packets more are known to be missing in the span.
    pub(crate) fn missed(&mut self, packets: u64) {
        if let Some(open) = &mut self.open {
            open.packets += packets;
        }
    }

    /// The track is whole again from `until` on.
    pub(crate) fn end(&mut self, until: UnixMillis) -> Option<Told> {
        self.open.take().map(|open| open.until(until))
    }

    /// What to tell again, if its time has come.
    pub(crate) fn tick(&mut self, now: UnixMillis) -> Option<Told> {
        let open = self.open.as_mut()?;
        if now.since(open.told.unwrap_or(open.since)) < self.repeat_every {
            return None;
        }
        open.told = Some(now);
        Some(open.until(now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use AbsenceCause::{CameraSilent, Loss, Network, Operator};
    use proptest::prelude::*;

    fn t(ms: i64) -> UnixMillis {
        UnixMillis(ms)
    }

    #[test]
    fn a_span_is_told_while_it_lasts_and_at_its_end_with_one_beginning() {
        let mut a = Absence::new(Duration::from_secs(5));
        assert_eq!(a.begin(t(1_000), CameraSilent), None);
        assert_eq!(a.tick(t(5_999)), None);
        assert_eq!(a.tick(t(6_000)).map(|s| (s.since, s.until)), Some((t(1_000), t(6_000))));
        assert_eq!(a.tick(t(6_500)), None);
        assert_eq!(a.tick(t(11_000)).map(|s| s.since), Some(t(1_000)));
        let want = Told { since: t(1_000), until: t(12_345), cause: CameraSilent, packets: 0 };
        assert_eq!((a.end(t(12_345)), a.end(t(13_000))), (Some(want), None));
    }

    #[test]
    fn the_cause_settles_early_and_splits_later() {
        let mut a = Absence::new(Duration::from_secs(5));
        a.begin(t(0), CameraSilent);
        assert_eq!(a.begin(t(1_500), Network), None, "it was the network all along");
        assert_eq!(a.cause(), Some(Network));
        let split = a.begin(t(9_000), CameraSilent);
        assert_eq!(split, Some(Told { since: t(0), until: t(9_000), cause: Network, packets: 0 }));
        let stopped = a.begin(t(9_500), Operator);
        assert_eq!(stopped.map(|s| (s.since, s.cause)), Some((t(9_000), CameraSilent)), "who stops it says when");
    }

    #[test]
    fn a_loss_becomes_an_outage() {
        let mut a = Absence::new(Duration::from_secs(5));
        a.begin(t(100), Loss);
        a.missed(7);
        let loss = a.begin(t(800), Network);
        assert_eq!(loss, Some(Told { since: t(100), until: t(800), cause: Loss, packets: 7 }));
    }

    proptest! {
        /// Spans never overlap, never run backwards, and of one beginning the ends ascend.
        #[test]
        fn spans_do_not_overlap(steps in prop::collection::vec((0u8..5, 0i64..4_000), 1..200)) {
            let mut a = Absence::new(Duration::from_secs(5));
            let (mut now, mut told) = (0, Vec::<Told>::new());
            for (what, delay) in steps {
                now += delay;
                told.extend(match what {
                    0 => a.begin(t(now), CameraSilent),
                    1 => a.begin(t(now), Network),
                    2 => a.begin(t(now), Loss),
                    3 => a.end(t(now)),
                    _ => a.tick(t(now)),
                });
            }
            prop_assert!(told.iter().all(|s| s.until >= s.since));
            for pair in told.windows(2) {
                let again = pair[1].since == pair[0].since && pair[1].until >= pair[0].until;
                prop_assert!(again || pair[1].since >= pair[0].until, "{:?}", pair);
            }
        }
    }
}
