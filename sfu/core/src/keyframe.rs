//! Keyframe requests of one published layer, coalesced: however many viewers ask, the publisher is asked at most once in
//! [`KEYFRAME_REQUEST_INTERVAL`]. Not here: who needs a keyframe ([`crate::selector`]) and how it is asked for
//! ([`crate::rtcp::Builder::pli`]).

use std::time::{Duration, Instant};

/// The least time between two requests to a publisher for one layer. Browsers' encoders answer every request with a
/// large frame, so that viewers who join or fail could otherwise flood everyone else.
pub const KEYFRAME_REQUEST_INTERVAL: Duration = Duration::from_secs(1);

/// The coalescer of one layer.
#[derive(Debug, Clone, Copy, Default)]
pub struct KeyframeRequests {
    wanted: bool,
    last: Option<Instant>,
    asked: u64,
    coalesced: u64,
}

impl KeyframeRequests {
    /// Someone needs a keyframe of this layer. Returns `true` if the publisher is to be asked now; otherwise the wish is
    /// kept and [`poll`](Self::poll) releases it when it is due.
    pub fn ask(&mut self, now: Instant) -> bool {
        self.coalesced += u64::from(self.wanted || self.too_early(now));
        self.wanted = true;
        self.poll(now)
    }

    /// Whether a kept wish is due; call at [`next_timeout`](Self::next_timeout). `true` means: ask the publisher now.
    pub fn poll(&mut self, now: Instant) -> bool {
        if !self.wanted || self.too_early(now) {
            return false;
        }
        self.wanted = false;
        self.last = Some(now);
        self.asked += 1;
        true
    }

    /// A keyframe of this layer arrived: wishes so far are fulfilled.
    pub fn on_keyframe(&mut self) {
        self.wanted = false;
    }

    /// When to call [`poll`](Self::poll), if a wish is kept.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.wanted { self.last.map(|l| l + KEYFRAME_REQUEST_INTERVAL) } else { None }
    }

    /// How often the publisher was asked.
    #[must_use]
    pub const fn asked(&self) -> u64 {
        self.asked
    }

    /// How many wishes were answered by a request made for someone else.
    #[must_use]
    pub const fn coalesced(&self) -> u64 {
        self.coalesced
    }

    fn too_early(&self, now: Instant) -> bool {
        self.last.is_some_and(|l| now < l + KEYFRAME_REQUEST_INTERVAL)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thousand_viewers_cost_one_request_a_second() {
        let t0 = Instant::now();
        let at = |ms| t0 + Duration::from_millis(ms);
        let mut k = KeyframeRequests::default();
        assert!(k.ask(at(0)), "the first is passed on at once");
        assert!((1..1_000).all(|ms| !k.ask(at(ms))));
        assert_eq!((k.asked(), k.coalesced(), k.next_timeout()), (1, 999, Some(at(1_000))));
        assert!(k.poll(at(1_000)));
        assert_eq!(k.next_timeout(), None);
        assert!(!k.ask(at(1_500)));
        k.on_keyframe();
        assert!(!k.poll(at(2_000)), "the keyframe that came fulfilled the wish");
        assert!(k.ask(at(2_000)));
    }
}
