//! Making the packets of one frame equally long, so that one `UDP_SEGMENT` send carries them (only the last may be shorter).
//! Browsers cut a frame into packets that differ by a byte, often with the larger last (research/stack.md §3). Not here:
//! sending.

/// The most padding added to one packet, in bytes: far less than the system call it saves.
pub const PAD_MAX: usize = 16;

/// For payload lengths of consecutive packets of one frame: how many bytes of RTP padding bring each to the length of its
/// run, into `pads` (of the same length). Packets within [`PAD_MAX`] of the longest of their run are raised to it; the
/// last of a run may be shorter, and what does not fit starts the next run.
///
/// The plan depends on payloads only: make it once per frame, use it for every subscriber.
pub fn equalise(lens: &[usize], pads: &mut [u8]) {
    debug_assert_eq!(lens.len(), pads.len());
    pads.fill(0);
    let mut start = 0;
    while start < lens.len() {
        // Grow the run while its members stay within PAD_MAX of each other.
        let (mut low, mut high, mut end) = (lens[start], lens[start], start + 1);
        while end < lens.len() {
            let (l, h) = (low.min(lens[end]), high.max(lens[end]));
            if h - l > PAD_MAX {
                break;
            }
            (low, high, end) = (l, h, end + 1);
        }
        // A run of one needs nothing; the last packet of a run needs nothing unless it is followed by its shorter tail.
        let tail = lens.get(end).is_some_and(|next| *next < low);
        let padded = if tail { end } else { end - 1 };
        for i in start..padded {
            pads[i] = (high - lens[i]) as u8;
        }
        start = if tail { end + 1 } else { end };
    }
}

/// How many of the segments at the start of `lens` one `UDP_SEGMENT` send carries: all equal but the last, which may be
/// shorter. At least 1 for a non-empty list.
#[must_use]
pub fn run_len(lens: &[usize]) -> usize {
    let Some(first) = lens.first() else { return 0 };
    let equal = lens.iter().take_while(|l| *l == first).count();
    equal + usize::from(lens.get(equal).is_some_and(|l| l < first))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_browsers_become_one_run() {
        for (what, lens, want, runs) in [
            ("larger last, as in Chromium", &[1_171, 1_171, 1_172][..], &[1, 1, 0][..], 1),
            ("shorter last", &[1_172, 1_171, 1_171], &[0, 1, 0], 1),
            ("equal", &[1_000, 1_000], &[0, 0], 1),
            ("single", &[77], &[0], 1),
            ("parameter sets before slices", &[24, 1_100, 1_100, 300], &[0, 0, 0, 0], 2),
            ("mixed with a tail", &[1_100, 1_101, 1_100, 500], &[1, 0, 1, 0], 1),
            ("too different", &[1_000, 1_100, 1_200], &[0, 0, 0], 3),
            ("none", &[], &[], 0),
        ] {
            let mut pads = vec![9; lens.len()];
            equalise(lens, &mut pads);
            assert_eq!(pads, want, "{what}");
            let sizes: Vec<usize> = lens.iter().zip(&pads).map(|(l, p)| l + usize::from(*p)).collect();
            let (mut at, mut sends) = (0, 0);
            while at < sizes.len() {
                at += run_len(&sizes[at..]);
                sends += 1;
            }
            assert_eq!(sends, runs, "{what}: {sizes:?}");
        }
    }
}
