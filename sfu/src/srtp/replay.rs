//! The replay window of one synchronisation source (RFC 3711 §3.3.2).

/// How many packets back a late one is still accepted. RFC 3711 asks for at least 64; retransmissions of a whole
/// keyframe over a slow line come later than that.
pub(super) const WINDOW: u64 = 1024;
const WORDS: usize = (WINDOW / 64) as usize;

/// Which of the last [`WINDOW`] indices were seen.
#[derive(Debug, Clone)]
pub(crate) struct Replay {
    highest: Option<u64>,
    seen: [u64; WORDS],
}

impl Replay {
    pub(crate) const fn new() -> Self {
        Self { highest: None, seen: [0; WORDS] }
    }

    /// A source that was followed before, up to `highest`: nothing up to there is accepted any more.
    pub(super) const fn resumed(highest: u64) -> Self {
        Self { highest: Some(highest), seen: [u64::MAX; WORDS] }
    }

    /// The highest index accepted so far.
    pub(crate) const fn highest(&self) -> Option<u64> {
        self.highest
    }

    /// Whether `index` may still be accepted.
    pub(crate) fn is_fresh(&self, index: u64) -> bool {
        let Some(highest) = self.highest else { return true };
        if index > highest {
            return true;
        }
        highest - index < WINDOW && self.seen[word(index)] & bit(index) == 0
    }

    /// Notes an authenticated `index` that [`is_fresh`](Self::is_fresh).
    pub(crate) fn accept(&mut self, index: u64) {
        match self.highest {
            Some(highest) if index > highest => {
                if index - highest >= WINDOW {
                    self.seen = [0; WORDS];
                } else {
                    for skipped in highest + 1..index {
                        self.seen[word(skipped)] &= !bit(skipped);
                    }
                }
                self.highest = Some(index);
            }
            None => self.highest = Some(index),
            Some(_) => {}
        }
        self.seen[word(index)] |= bit(index);
    }
}

const fn word(index: u64) -> usize {
    (index % WINDOW / 64) as usize
}

const fn bit(index: u64) -> u64 {
    1 << (index % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_each_index_once_and_nothing_too_old() {
        let mut r = Replay::new();
        // (index, fresh?)
        for (index, fresh) in [
            (10, true),
            (10, false),
            (12, true),
            (11, true),
            (11, false),
            (12 + WINDOW - 1, true),
            (13, true),
            (12, false),
            (11, false),
            (5_000, true),
            (4_000, true),
            (4_000, false),
            (5_000 - WINDOW, false),
        ] {
            assert_eq!(r.is_fresh(index), fresh, "index {index}");
            if fresh {
                r.accept(index);
            }
        }
    }
}
