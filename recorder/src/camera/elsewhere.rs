//! What a recording says is missing, as far as no other recording of the camera has it: a gap that was entered under a clock which was
//! ahead, or before it was set back, may lie over footage. Pure; the journals stay as they are. Does not belong here: which recordings
//! are looked at (`timeline`, the evidence's plan).

use crate::meta::TrackSpan;
use lectern_media::{TrackId, UnixMillis};

/// A recording, as others see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recorded {
    started: UnixMillis,
    /// Stretches of its time in which a track is recorded.
    pub(crate) spans: Vec<TrackSpan>,
    /// Where the last of them ends.
    end: i64,
}

impl Recorded {
    pub(crate) fn new(started: UnixMillis, spans: Vec<TrackSpan>) -> Self {
        let last = spans.iter().map(|s| s.to_ms).max().unwrap_or(0);
        Self { started, spans, end: started.0.saturating_add_unsigned(last) }
    }

    fn at(&self, ms: u64) -> i64 {
        self.started.0.saturating_add_unsigned(ms)
    }
}

/// What is left of a gap of `track` (none: of all) from `from` to `to` that the recording at `of` in `all` lists; `all` are in order of
/// their starts. If nothing of its own follows, it ends where the next one begins, which lists what is missing from there on.
pub(crate) fn missing(
    all: &[Recorded],
    of: usize,
    track: Option<TrackId>,
    (from, to): (UnixMillis, UnixMillis),
) -> Vec<(UnixMillis, UnixMillis)> {
    let Some(own) = all.get(of) else { return vec![(from, to)] };
    let next = all[of..].iter().map(|r| r.started).find(|s| *s > own.started);
    // A gap that lies in a later one's time is of a clock that was set back: what that one has is cut out of it.
    // One that its own footage follows ends there: a stream goes on in a recording over the hour, up to its keyframe.
    let goes_on = own.spans.iter().any(|s| track.is_none_or(|t| t == s.track) && own.at(s.to_ms) > to.0);
    let to = next.filter(|next| *next > from && !goes_on).map_or(to, |next| to.min(next));
    let mut left = vec![(from.0, to.0)];
    // Those that reach into it by their footage: few, and none where no clock was set.
    for (i, r) in all.iter().enumerate() {
        if i == of || r.started >= to || r.end <= from.0 {
            continue;
        }
        for s in r.spans.iter().filter(|s| track.is_none_or(|t| t == s.track)) {
            let (a, b) = (r.at(s.from_ms), r.at(s.to_ms));
            if b <= from.0 || a >= to.0 {
                continue;
            }
            left = left.into_iter().flat_map(|(f, t)| [(f, t.min(a)), (f.max(b), t)]).filter(|(f, t)| f < t).collect();
        }
    }
    left.into_iter().map(|(f, t)| (UnixMillis(f), UnixMillis(t))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recorded(started: i64, spans: &[(TrackId, u64, u64)]) -> Recorded {
        let spans =
            spans.iter().map(|(track, from_ms, to_ms)| TrackSpan { track: *track, from_ms: *from_ms, to_ms: *to_ms });
        Recorded::new(UnixMillis(started), spans.collect())
    }

    #[test]
    fn what_another_recording_has_is_not_missing() {
        let (a, b) = (TrackId::generate(), TrackId::generate());
        let all = [
            recorded(0, &[(a, 0, 500), (b, 0, 900)]),
            recorded(300, &[(a, 0, 100), (b, 100, 150)]),
            recorded(1000, &[(a, 200, 400)]),
        ];
        let left = |of, track, from, to| -> Vec<(i64, i64)> {
            let left = missing(&all, of, track, (UnixMillis(from), UnixMillis(to)));
            left.into_iter().map(|(f, t)| (f.0, t.0)).collect()
        };
        // It ends where the next one begins, however far ahead it was said to end, or where its own footage goes on.
        assert_eq!(left(0, Some(a), 100, i64::MAX), [(100, 300)]);
        assert_eq!(left(0, Some(a), 280, 420), [(280, 300), (400, 420)]);
        assert_eq!(left(1, Some(a), 600, i64::MAX), [(600, 1000)]);
        assert_eq!(left(2, Some(a), 1500, 9000), [(1500, 9000)]);
        // What lies in the time of one that was made after the clock was set back.
        assert_eq!(left(0, Some(a), 350, 600), [(400, 600)]);
        assert_eq!(left(0, Some(b), 350, 600), [(350, 400), (450, 600)]);
        assert_eq!(left(0, None, 310, 400), []);
        // And of one before, whose footage goes on under a clock that was ahead; its own stays as it was entered.
        assert_eq!(left(1, Some(b), 700, 950), [(900, 950)]);
        assert_eq!(left(0, Some(a), 100, 200), [(100, 200)]);
    }
}
