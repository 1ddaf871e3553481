//! The synchronisation sources that one peer sends, each with its replay window: those that send, at most
//! [`SSRC_COUNT_MAX`], and in short those that did.
//!
//! A source is never forgotten while there is room: its packets could be replayed, and if it comes back its roll-over
//! counter goes on where it was.

use super::{RETIRED_MAX, SSRC_COUNT_MAX, replay::Replay};
use std::collections::VecDeque;

struct Source {
    ssrc: u32,
    replay: Replay,
    /// The turn at which it was heard last.
    heard: u64,
}

/// The sources of one peer.
pub(super) struct Sources {
    live: Vec<Source>,
    /// Those that were retired, oldest first, and how far they had come.
    retired: VecDeque<(u32, u64)>,
    turn: u64,
}

/// Where a source is: what [`Sources::accept`] wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Live(usize),
    Retired(usize),
    New,
}

impl Sources {
    /// None yet; room for `reserved`, so that a new one does not allocate in mid-stream.
    pub(super) fn new(reserved: usize) -> Self {
        Self { live: Vec::with_capacity(reserved), retired: VecDeque::new(), turn: 0 }
    }

    /// Where `ssrc` is, and the highest index it has come to.
    pub(super) fn find(&self, ssrc: u32) -> (Place, Option<u64>) {
        if let Some(at) = self.live.iter().position(|s| s.ssrc == ssrc) {
            return (Place::Live(at), self.live[at].replay.highest());
        }
        match self.retired.iter().position(|(s, _)| *s == ssrc) {
            Some(at) => (Place::Retired(at), Some(self.retired[at].1)),
            None => (Place::New, None),
        }
    }

    /// Whether `index` may still be accepted.
    pub(super) fn is_fresh(&self, place: Place, index: u64) -> bool {
        match place {
            Place::Live(at) => self.live[at].replay.is_fresh(index),
            Place::Retired(at) => index > self.retired[at].1,
            Place::New => true,
        }
    }

    /// Notes an authenticated, fresh `index` of the source `ssrc` at `place`.
    pub(super) fn accept(&mut self, ssrc: u32, place: Place, index: u64) {
        self.turn += 1;
        let at = match place {
            Place::Live(at) => at,
            Place::Retired(at) => {
                let highest = self.retired.remove(at).map_or(index, |r| r.1);
                self.follow(ssrc, Replay::resumed(highest))
            }
            Place::New => self.follow(ssrc, Replay::new()),
        };
        let source = &mut self.live[at];
        source.heard = self.turn;
        source.replay.accept(index);
    }

    /// Retires a source: its track ended.
    pub(super) fn retire(&mut self, ssrc: u32) {
        if let Some(at) = self.live.iter().position(|s| s.ssrc == ssrc) {
            let gone = self.live.swap_remove(at);
            if let Some(highest) = gone.replay.highest() {
                if self.retired.len() >= RETIRED_MAX {
                    self.retired.pop_front();
                }
                self.retired.push_back((ssrc, highest));
            }
        }
    }

    /// Begins to follow a source, in the place of the longest silent if there are too many.
    fn follow(&mut self, ssrc: u32, replay: Replay) -> usize {
        if self.live.len() >= SSRC_COUNT_MAX
            && let Some(silent) = self.live.iter().min_by_key(|s| s.heard).map(|s| s.ssrc)
        {
            self.retire(silent);
        }
        self.live.push(Source { ssrc, replay, heard: self.turn });
        self.live.len() - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(s: &mut Sources, ssrc: u32, index: u64) -> bool {
        let (place, _) = s.find(ssrc);
        let fresh = s.is_fresh(place, index);
        if fresh {
            s.accept(ssrc, place, index);
        }
        fresh
    }

    #[test]
    fn there_is_always_room_for_one_more_and_what_was_sent_stays_refused() {
        let mut s = Sources::new(4);
        for ssrc in 0..500 {
            assert!(offer(&mut s, 1_000_000, u64::from(ssrc)), "one speaks all the time");
            assert!(offer(&mut s, ssrc, 70_000) && offer(&mut s, ssrc, 69_998));
        }
        assert_eq!(s.live.len(), SSRC_COUNT_MAX);
        assert!(s.live.iter().any(|l| l.ssrc == 1_000_000), "who speaks is not the longest silent");
        for ssrc in [0, 300, 499] {
            assert!(!offer(&mut s, ssrc, 70_000), "replayed: {ssrc}");
        }
        assert!(!offer(&mut s, 0, 69_999), "of a retired one, nothing before its last");
        assert_eq!(s.find(0).1, Some(70_000), "its roll-over counter goes on");
        assert!(offer(&mut s, 0, 70_001) && !offer(&mut s, 0, 70_000) && !offer(&mut s, 0, 70_001));
        s.retire(1_000_000);
        assert!(!offer(&mut s, 1_000_000, 499) && offer(&mut s, 1_000_000, 500));
        for ssrc in 10_000..20_000 {
            offer(&mut s, ssrc, 1);
        }
        assert!(s.live.len() == SSRC_COUNT_MAX && s.retired.len() == RETIRED_MAX, "bounded whatever comes");
    }
}
