//! Extends sequence numbers and refuses duplicates, over a window of [`WINDOW`] packets.

use crate::drop::DropReason;
use lectern_media::ExtSeq;

/// How far behind the newest a packet may arrive and still be taken: one second of a fast 1080p layer.
pub(super) const WINDOW: u64 = 1024;

const WORDS: usize = (WINDOW / 64) as usize;

/// Which of the last [`WINDOW`] numbers arrived.
#[derive(Debug, Clone, Default)]
pub(super) struct SeqWindow {
    highest: Option<ExtSeq>,
    seen: [u64; WORDS],
}

/// A number that was not seen before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Fresh {
    pub seq: ExtSeq,
    /// The highest number before this one; `None` for the first packet.
    pub previous_highest: Option<ExtSeq>,
}

impl SeqWindow {
    pub const fn highest(&self) -> Option<ExtSeq> {
        self.highest
    }

    /// Takes a number as on the wire.
    pub fn accept(&mut self, wire: u16) -> Result<Fresh, DropReason> {
        let Some(highest) = self.highest else {
            // One cycle above zero, so that a reordered packet before the first one does not wrap.
            let seq = ExtSeq(0x1_0000 + u64::from(wire));
            self.highest = Some(seq);
            self.mark(seq);
            return Ok(Fresh { seq, previous_highest: None });
        };
        let seq = highest.extend(wire);
        if seq > highest {
            if seq.0 - highest.0 >= WINDOW {
                self.seen = [0; WORDS];
            } else {
                for n in highest.0 + 1..seq.0 {
                    self.clear(ExtSeq(n));
                }
            }
            self.highest = Some(seq);
        } else if highest.0 - seq.0 >= WINDOW {
            return Err(DropReason::TooOld);
        } else if self.contains(seq) {
            return Err(DropReason::Duplicate);
        }
        self.mark(seq);
        Ok(Fresh { seq, previous_highest: Some(highest) })
    }

    fn contains(&self, seq: ExtSeq) -> bool {
        self.seen[word(seq)] & bit(seq) != 0
    }

    fn mark(&mut self, seq: ExtSeq) {
        self.seen[word(seq)] |= bit(seq);
    }

    fn clear(&mut self, seq: ExtSeq) {
        self.seen[word(seq)] &= !bit(seq);
    }
}

const fn word(seq: ExtSeq) -> usize {
    (seq.0 % WINDOW / 64) as usize
}

const fn bit(seq: ExtSeq) -> u64 {
    1 << (seq.0 % 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_extended_and_duplicates_refused() {
        let mut w = SeqWindow::default();
        let base = 0x1_0000;
        for (wire, want) in [
            (65_534, Ok(base + 65_534)),
            (65_535, Ok(base + 65_535)),
            (0, Ok(base + 65_536)),
            (0, Err(DropReason::Duplicate)),
            (65_533, Ok(base + 65_533)), // before the first: late, not new
            (65_533, Err(DropReason::Duplicate)),
            (5, Ok(base + 65_541)),
            (3, Ok(base + 65_539)),
            (5, Err(DropReason::Duplicate)),
            (2_000, Ok(base + 67_536)), // further than the window: everything before is forgotten
            (5, Err(DropReason::TooOld)),
            (1_999, Ok(base + 67_535)),
        ] {
            assert_eq!(w.accept(wire).map(|f| f.seq.0), want, "wire {wire}");
        }
    }

    #[test]
    fn a_slot_is_forgotten_when_its_number_comes_round_again() {
        let mut w = SeqWindow::default();
        w.accept(0).unwrap();
        for n in 1..=WINDOW as u16 + 5 {
            if n != WINDOW as u16 {
                w.accept(n).unwrap();
            }
        }
        assert!(w.accept(WINDOW as u16).is_ok(), "shares a bit with number 0, but was never here");
    }
}
