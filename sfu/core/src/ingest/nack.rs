//! Which packets to ask a publisher for again: gaps are noted as they appear, asked for after a moment's patience with
//! reordering, asked again once per round trip, and given up after [`TRIES_MAX`] tries or [`AGE_MAX`].

use lectern_media::ExtSeq;
use std::time::{Duration, Instant};

/// Patience with reordering before a gap is called a loss.
const REORDER: Duration = Duration::from_millis(10);
/// The least time between two requests for one packet.
const RETRY_MIN: Duration = Duration::from_millis(25);
/// How often one packet is asked for.
const TRIES_MAX: u8 = 8;
/// A packet older than this helps nobody who watches.
const AGE_MAX: Duration = Duration::from_millis(1_500);
/// The most packets asked for at one time; with a larger hole a keyframe is cheaper.
const MISSING_MAX: usize = 256;

#[derive(Debug, Clone, Copy)]
struct Missing {
    seq: ExtSeq,
    since: Instant,
    due: Instant,
    tries: u8,
}

/// The missing packets of one stream, ascending. At most [`MISSING_MAX`].
#[derive(Debug)]
pub(super) struct NackList {
    missing: Vec<Missing>,
    last_keyframe: ExtSeq,
    /// Something was given up that a picture needs: a keyframe from this number on, and since when.
    wanted: Option<(ExtSeq, Instant)>,
    given_up: u64,
}

impl NackList {
    pub fn new() -> Self {
        Self { missing: Vec::with_capacity(MISSING_MAX), last_keyframe: ExtSeq(0), wanted: None, given_up: 0 }
    }

    /// Numbers from `from` to before `to` did not arrive.
    pub fn on_gap(&mut self, now: Instant, from: ExtSeq, to: ExtSeq) {
        let hole = to.0.saturating_sub(from.0);
        if hole as usize > MISSING_MAX - self.missing.len() {
            self.given_up += hole + self.missing.len() as u64;
            self.missing.clear();
            self.want_keyframe(now, to);
            return;
        }
        let due = now + REORDER;
        self.missing.extend((from.0..to.0).map(|n| Missing { seq: ExtSeq(n), since: now, due, tries: 0 }));
    }

    /// A missing packet arrived after all.
    pub fn on_late(&mut self, seq: ExtSeq) {
        if let Ok(i) = self.missing.binary_search_by_key(&seq, |m| m.seq) {
            self.missing.remove(i);
        }
    }

    /// A keyframe begins at `seq`: what is missing before it no longer stops a picture.
    pub fn on_keyframe(&mut self, seq: ExtSeq) {
        self.last_keyframe = self.last_keyframe.max(seq);
        // One that was repaired from before the hole does not close it.
        self.wanted = self.wanted.filter(|(from, _)| seq < *from);
    }

    /// Writes the numbers to ask for now and returns how many.
    pub fn poll(&mut self, now: Instant, rtt: Duration, lost: &mut [u16]) -> usize {
        let retry = (rtt + rtt / 4).max(RETRY_MIN);
        let (mut n, mut given_up, mut needed) = (0, 0, None);
        let last_keyframe = self.last_keyframe;
        self.missing.retain_mut(|m| {
            if m.due > now {
                return true;
            }
            if m.tries >= TRIES_MAX || now.saturating_duration_since(m.since) > AGE_MAX {
                given_up += 1;
                if m.seq >= last_keyframe {
                    needed = Some(ExtSeq(m.seq.0 + 1));
                }
                return false;
            }
            if let Some(slot) = lost.get_mut(n) {
                *slot = m.seq.wire();
                n += 1;
                m.tries += 1;
                m.due = now + retry;
            }
            true
        });
        self.given_up += given_up;
        if let Some(from) = needed {
            self.want_keyframe(now, from);
        }
        n
    }

    /// Whether something was given up that a picture needs; asked once.
    pub fn take_keyframe_needed(&mut self) -> bool {
        self.wanted.take().is_some()
    }

    /// When [`poll`](Self::poll) or [`take_keyframe_needed`](Self::take_keyframe_needed) has something to say.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.missing.iter().map(|m| m.due).chain(self.wanted.map(|(_, since)| since)).min()
    }

    pub const fn given_up(&self) -> u64 {
        self.given_up
    }

    fn want_keyframe(&mut self, now: Instant, from: ExtSeq) {
        let (before, since) = self.wanted.unwrap_or((from, now));
        self.wanted = Some((before.max(from), since));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RTT: Duration = Duration::from_millis(80);

    fn poll(list: &mut NackList, now: Instant) -> Vec<u16> {
        let mut out = [0; 32];
        let n = list.poll(now, RTT, &mut out);
        out[..n].to_vec()
    }

    #[test]
    fn a_gap_is_asked_for_after_patience_and_again_each_round_trip() {
        let t0 = Instant::now();
        let at = |ms| t0 + Duration::from_millis(ms);
        let mut list = NackList::new();
        list.on_gap(at(0), ExtSeq(10), ExtSeq(13));
        assert!(poll(&mut list, at(5)).is_empty(), "it may only be out of order");
        list.on_late(ExtSeq(11));
        assert_eq!(poll(&mut list, at(10)), [10, 12]);
        assert!(poll(&mut list, at(60)).is_empty(), "the answer is on its way");
        assert_eq!(poll(&mut list, at(110)), [10, 12]);
        assert_eq!(list.next_timeout(), Some(at(210)));
        list.on_late(ExtSeq(10));
        list.on_late(ExtSeq(12));
        assert_eq!(list.next_timeout(), None);
        assert!(!list.take_keyframe_needed());
    }

    #[test]
    fn giving_up_needs_a_keyframe_unless_one_came_since() {
        let t0 = Instant::now();
        for (keyframe_at, want) in [(None, true), (Some(9), true), (Some(20), false)] {
            let mut list = NackList::new();
            list.on_gap(t0, ExtSeq(10), ExtSeq(11));
            if let Some(seq) = keyframe_at {
                list.on_keyframe(ExtSeq(seq));
            }
            let mut asked = 0;
            for ms in (0..3_000).step_by(10) {
                asked += poll(&mut list, t0 + Duration::from_millis(ms)).len();
            }
            assert_eq!(asked, usize::from(TRIES_MAX));
            assert_eq!(list.given_up(), 1);
            assert_eq!(list.take_keyframe_needed(), want, "keyframe at {keyframe_at:?}");
        }
    }

    #[test]
    fn a_hole_larger_than_the_list_asks_for_a_keyframe_instead() {
        let now = Instant::now();
        let mut list = NackList::new();
        list.on_gap(now, ExtSeq(100), ExtSeq(10_000));
        assert_eq!(list.next_timeout(), Some(now), "whoever waits for the time hears of it");
        list.on_keyframe(ExtSeq(90));
        assert!(list.take_keyframe_needed(), "one from before the hole does not close it");
        assert_eq!((list.next_timeout(), list.take_keyframe_needed()), (None, false), "asked once");
        list.on_gap(now, ExtSeq(10_001), ExtSeq(20_000));
        list.on_keyframe(ExtSeq(20_000));
        assert_eq!((list.next_timeout(), list.take_keyframe_needed()), (None, false), "the packet behind it was one");
    }
}
