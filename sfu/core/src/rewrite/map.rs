//! Maps a source's extended numbers to outgoing ones: a short list of ranges, each with its own offset. Serves sequence
//! numbers and VP8 picture ids alike. Not here: what the numbers mean.

/// How many ranges are remembered. Each run of numbers left out on purpose opens one.
const RANGES: usize = 32;

#[derive(Debug, Clone, Copy, Default)]
struct Range {
    /// The first source number of the range.
    start: u64,
    /// What to add (wrapping) to reach the outgoing number.
    offset: u64,
}

/// The map. Numbers before the oldest range are refused.
#[derive(Debug)]
pub struct NumberMap {
    ranges: [Range; RANGES],
    /// How many ranges there have been; the newest is at `(count - 1) % RANGES`.
    count: u64,
    highest_source: u64,
    highest_out: u64,
}

impl NumberMap {
    /// The first outgoing number will be `first` (at least 1).
    #[must_use]
    pub fn new(first: u64) -> Self {
        Self { ranges: [Range::default(); RANGES], count: 0, highest_source: 0, highest_out: first.max(1) - 1 }
    }

    /// From `source` on, numbers continue behind the highest outgoing one; earlier source numbers are refused.
    pub fn start(&mut self, source: u64) {
        self.count = 0;
        self.highest_source = source.wrapping_sub(1);
        self.push(Range { start: source, offset: (self.highest_out + 1).wrapping_sub(source) });
    }

    /// The outgoing number of `source`. The same number always maps to the same one while its range is remembered.
    pub fn keep(&mut self, source: u64) -> Option<u64> {
        let out = source.wrapping_add(self.range(source)?.offset);
        if source > self.highest_source || self.highest_source == u64::MAX {
            self.highest_source = source;
            self.highest_out = out;
        }
        Some(out)
    }

    /// `source` is left out: what follows moves down by one. A number behind the newest was already given its place, and
    /// leaves a hole.
    pub fn skip(&mut self, source: u64) {
        if self.count == 0 || source <= self.highest_source {
            return;
        }
        self.highest_source = source;
        let newest = self.newest();
        self.highest_out = source.wrapping_add(newest.offset).wrapping_sub(1);
        let (start, offset) = (source + 1, newest.offset.wrapping_sub(1));
        if newest.start == source && self.count > 1 {
            // Nothing of its range was kept: a run of numbers left out takes one range.
            *self.newest_mut() = Range { start, offset };
        } else {
            self.shift(start, offset);
        }
    }

    /// Takes the number behind the highest outgoing one; what follows moves up by one.
    pub fn insert(&mut self) -> u64 {
        self.highest_out += 1;
        if self.count > 0 {
            let newest = self.newest();
            self.shift(self.highest_source.wrapping_add(1), newest.offset.wrapping_add(1));
        }
        self.highest_out
    }

    /// From `start` on, `offset` holds.
    fn shift(&mut self, start: u64, offset: u64) {
        let newest = self.newest_mut();
        if newest.start == start {
            newest.offset = offset;
        } else {
            self.push(Range { start, offset });
        }
    }

    fn range(&self, source: u64) -> Option<Range> {
        let kept = self.count.min(RANGES as u64);
        (0..kept).map(|i| self.ranges[((self.count - 1 - i) % RANGES as u64) as usize]).find(|r| r.start <= source)
    }

    fn newest(&self) -> Range {
        self.ranges[((self.count - 1) % RANGES as u64) as usize]
    }

    fn newest_mut(&mut self) -> &mut Range {
        &mut self.ranges[((self.count - 1) % RANGES as u64) as usize]
    }

    fn push(&mut self, range: Range) {
        self.ranges[(self.count % RANGES as u64) as usize] = range;
        self.count += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    enum Do {
        Keep,
        Skip,
        Insert,
    }

    #[test]
    fn gaps_made_on_purpose_are_closed_and_losses_keep_their_place() {
        use Do::{Insert, Keep, Skip};
        let mut map = NumberMap::new(500);
        assert_eq!(map.keep(10), None, "nothing was started");
        map.start(10);
        for (i, (source, action, want)) in [
            (10, Keep, Some(500)),
            (11, Skip, None),
            (12, Keep, Some(501)),
            (13, Skip, None),
            (14, Skip, None),
            (17, Keep, Some(504)), // 15 and 16 are lost for now
            (15, Keep, Some(502)),
            (9, Keep, None),
            (12, Keep, Some(501)),
            (0, Insert, Some(505)),
            (16, Keep, Some(503)),
            (18, Keep, Some(506)),
            (16, Skip, None), // too late to close over
            (19, Keep, Some(507)),
            (21, Skip, None), // with 20 missing before it
            (22, Keep, Some(509)),
            (20, Keep, Some(508)),
        ]
        .into_iter()
        .enumerate()
        {
            let got = match action {
                Keep => map.keep(source),
                Skip => {
                    map.skip(source);
                    None
                }
                Insert => Some(map.insert()),
            };
            assert_eq!(got, want, "step {i}, source {source}");
        }
        map.start(3);
        assert_eq!((map.keep(3), map.keep(2)), (Some(510), None), "a switch continues and forgets what was before");
    }

    #[test]
    fn a_run_left_out_takes_one_range() {
        let mut map = NumberMap::new(1);
        map.start(100);
        assert_eq!(map.keep(100), Some(1));
        for n in 102..1_000 {
            map.skip(n);
        }
        assert_eq!((map.keep(1_000), map.keep(1_001)), (Some(3), Some(4)));
        assert_eq!((map.keep(101), map.keep(100)), (Some(2), Some(1)), "what came before is remembered");
    }

    #[test]
    fn old_ranges_are_refused_rather_than_guessed() {
        let mut map = NumberMap::new(1);
        map.start(0);
        for n in 0..100 {
            if n % 2 == 0 {
                map.keep(n);
            } else {
                map.skip(n);
            }
        }
        assert_eq!(map.keep(98), Some(50));
        assert_eq!(map.keep(10), None);
    }
}
