//! Puts packets back into order: NACKed packets come late, and paths reorder. Nothing is interpreted here.

use super::Packet;
use lectern_media::UnixMillis;
use std::{collections::BTreeMap, time::Duration};

/// The most packets held back behind a missing one: three seconds of a 6 Mbit/s track.
const HELD_MAX: usize = 2048;

#[derive(Debug)]
pub(super) struct Reorder {
    wait: Duration,
    next: Option<u64>,
    /// A packet that was next when it came, as nearly all are: it goes past what is held.
    direct: Option<Packet>,
    held: BTreeMap<u64, Packet>,
    giving_up: bool,
    /// Packets that came after their place was given up, or twice.
    pub(super) late: u64,
}

impl Reorder {
    pub(super) fn new(wait: Duration) -> Self {
        Self { wait, next: None, direct: None, held: BTreeMap::new(), giving_up: false, late: 0 }
    }

    pub(super) fn push(&mut self, packet: Packet) {
        let seq = packet.seq.0;
        if self.next.is_some_and(|next| seq < next) || self.held.contains_key(&seq) {
            self.late += 1;
            return;
        }
        if self.direct.is_none() && self.held.is_empty() && self.next.is_none_or(|next| next == seq) {
            self.next = Some(seq + 1);
            self.direct = Some(packet);
            return;
        }
        self.held.insert(seq, packet);
    }

    /// Moves what is next in order to `out`, skipping what was missing for longer than the wait.
    pub(super) fn drain(&mut self, now: UnixMillis, out: &mut Vec<Packet>) {
        out.extend(self.direct.take());
        while let Some(first) = self.held.first_entry() {
            let in_order = self.next.is_none_or(|next| *first.key() == next);
            let overdue = || now.since(first.get().arrival) >= self.wait || self.giving_up;
            if !in_order && !overdue() && self.held.len() <= HELD_MAX {
                break;
            }
            let (seq, packet) = self.held.pop_first().expect("just seen");
            self.next = Some(seq + 1);
            out.push(packet);
        }
    }

    /// What is missing will not be waited for in the next drain.
    pub(super) fn give_up(&mut self) {
        self.giving_up = true;
    }

    /// Forgets the numbering: the next packet begins a new one.
    pub(super) fn reset(&mut self) {
        self.direct = None;
        self.held.clear();
        self.next = None;
        self.giving_up = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use lectern_media::{ExtSeq, ExtTimestamp};

    fn packet(seq: u64, arrival: i64) -> Packet {
        Packet {
            seq: ExtSeq(seq),
            timestamp: ExtTimestamp(0),
            arrival: UnixMillis(arrival),
            marker: false,
            payload: Bytes::new(),
        }
    }

    fn seqs(r: &mut Reorder, now: i64) -> Vec<u64> {
        let mut out = Vec::new();
        r.drain(UnixMillis(now), &mut out);
        out.iter().map(|p| p.seq.0).collect()
    }

    #[test]
    fn a_late_packet_takes_its_place_while_it_is_waited_for_and_not_after() {
        let mut r = Reorder::new(Duration::from_millis(100));
        for (seq, arrival) in [(5, 0), (7, 10), (8, 20)] {
            r.push(packet(seq, arrival));
        }
        assert_eq!(seqs(&mut r, 20), [5]);
        r.push(packet(6, 50));
        assert_eq!(seqs(&mut r, 50), [6, 7, 8], "a repaired loss leaves no trace");
        r.push(packet(10, 60));
        assert_eq!(seqs(&mut r, 159), [0; 0]);
        assert_eq!(seqs(&mut r, 160), [10], "given up after the wait");
        r.push(packet(9, 161));
        assert_eq!((seqs(&mut r, 200), r.late), (vec![], 1));
    }

    #[test]
    fn what_is_held_is_bounded() {
        let mut r = Reorder::new(Duration::from_secs(3600));
        r.push(packet(0, 0));
        (2..4000).for_each(|s| r.push(packet(s, 0)));
        assert_eq!(seqs(&mut r, 0).len(), 3999);
    }
}
