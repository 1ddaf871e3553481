//! Puts the packets of one source back into order, and counts what is missing, reordered, late or double.
//!
//! Contract: [`Reorder::push`] each packet, then [`Reorder::pop`] until `None`; again at [`Reorder::deadline`]. What comes out
//! is strictly ascending. At most [`HELD_MAX`] packets and [`WAIT`] are held back behind a missing one.

use bytes::Bytes;
use lectern_media::{ExtSeq, ExtTimestamp, UnixMillis};
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// How long a missing packet is waited for. Switches in one site reorder within a millisecond or two.
pub(crate) const WAIT: Duration = Duration::from_millis(50);

/// The most packets held back: 50 ms of 15 Mbit/s.
pub(crate) const HELD_MAX: usize = 64;

/// The most bytes held back: as many packets of an Ethernet; datagrams may have forty times that.
const HELD_BYTES_MAX: usize = 128 * 1024;

/// A moment on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) wall: UnixMillis,
    pub(crate) at: Instant,
}

impl Stamp {
    /// For shells: cores are handed the time.
    pub(crate) fn now() -> Self {
        Self { wall: UnixMillis::steady(), at: Instant::now() }
    }
}

/// One RTP packet on extended numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) seq: ExtSeq,
    pub(crate) timestamp: ExtTimestamp,
    pub(crate) marker: bool,
    pub(crate) payload: Bytes,
    pub(crate) arrival: Stamp,
}

#[derive(Debug, Default)]
pub(crate) struct Reorder {
    next: Option<u64>,
    /// A packet that was next when it came, as nearly all are: it goes past what is held.
    direct: Option<Packet>,
    held: BTreeMap<u64, Packet>,
    held_bytes: usize,
    giving_up: bool,
    /// Highest number pushed.
    highest: u64,
    pub(crate) lost: u64,
    pub(crate) reordered: u64,
    pub(crate) late_or_duplicate: u64,
}

impl Reorder {
    pub(crate) fn push(&mut self, packet: Packet) {
        let seq = packet.seq.0;
        if self.next.is_some_and(|next| seq < next) || self.held.contains_key(&seq) {
            self.late_or_duplicate += 1;
            return;
        }
        if self.next.is_some() && seq < self.highest {
            self.reordered += 1;
        }
        self.highest = self.highest.max(seq);
        if self.direct.is_none() && self.held.is_empty() && self.next == Some(seq) {
            self.next = Some(seq + 1);
            self.direct = Some(packet);
            return;
        }
        self.held_bytes += packet.payload.len();
        self.held.insert(seq, packet);
    }

    /// The next packet in order and how many are missing right before it.
    pub(crate) fn pop(&mut self, now: Instant) -> Option<(Packet, u64)> {
        if let Some(packet) = self.direct.take() {
            return Some((packet, 0));
        }
        let full = self.held.len() > HELD_MAX || self.held_bytes > HELD_BYTES_MAX;
        let Some(first) = self.held.first_entry() else {
            self.giving_up = false;
            return None;
        };
        let missing = self.next.map_or(0, |next| first.key() - next);
        let overdue = now.saturating_duration_since(first.get().arrival.at) >= WAIT || self.giving_up;
        if missing > 0 && !overdue && !full {
            return None;
        }
        let (seq, packet) = first.remove_entry();
        self.held_bytes -= packet.payload.len();
        self.next = Some(seq + 1);
        self.lost += missing;
        Some((packet, missing))
    }

    /// What is held comes out with the next calls of [`Self::pop`], whatever is missing.
    pub(crate) fn give_up(&mut self) {
        self.giving_up = true;
    }

    /// The numbering that follows has nothing to do with what was.
    pub(crate) fn restart(&mut self) {
        self.next = None;
        self.direct = None;
        self.held.clear();
        self.held_bytes = 0;
        self.highest = 0;
        self.giving_up = false;
    }

    /// When to call [`Self::pop`] at the latest.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        if let Some(packet) = &self.direct {
            return Some(packet.arrival.at);
        }
        self.held.first_key_value().map(|(_, p)| p.arrival.at + WAIT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn packet(seq: u64, at: Instant) -> Packet {
        let arrival = Stamp { wall: UnixMillis(0), at };
        Packet { seq: ExtSeq(seq), timestamp: ExtTimestamp(0), marker: false, payload: Bytes::new(), arrival }
    }

    proptest! {
        /// Whatever arrives in whatever order: ascending out, nothing twice, every packet accounted for, bounded.
        #[test]
        fn order_is_restored_and_every_packet_is_accounted_for(
            arrivals in prop::collection::vec((0u64..400, 0u64..30), 1..300),
        ) {
            let (mut r, start) = (Reorder::default(), Instant::now());
            let (mut now, mut out, mut missing) = (start, Vec::new(), 0);
            for (seq, delay) in &arrivals {
                now += Duration::from_millis(*delay);
                r.push(packet(*seq, now));
                while let Some((p, lost)) = r.pop(now) {
                    missing += lost;
                    out.push(p.seq.0);
                }
                prop_assert!(r.held.len() <= HELD_MAX);
                prop_assert!(r.held.values().all(|p| now.duration_since(p.arrival.at) < WAIT || r.held.first_key_value().is_some()));
            }
            r.give_up();
            while let Some((p, lost)) = r.pop(now) {
                missing += lost;
                out.push(p.seq.0);
            }
            prop_assert!(out.windows(2).all(|w| w[0] < w[1]));
            prop_assert_eq!(out.len() as u64 + r.late_or_duplicate, arrivals.len() as u64);
            prop_assert_eq!(missing, r.lost);
            prop_assert_eq!(out[out.len() - 1] - out[0] + 1, out.len() as u64 + missing);
        }

        /// Displaced by less than the bounds: nothing is lost.
        #[test]
        fn a_small_displacement_loses_nothing(seed in prop::collection::vec(0u64..8, 200)) {
            let start = Instant::now();
            let mut order: Vec<(u64, u64)> = seed.iter().enumerate().map(|(i, d)| (i as u64 + d, i as u64)).collect();
            order.sort();
            let mut r = Reorder::default();
            r.push(packet(0, start));
            let mut out = 0;
            for (place, seq) in order {
                let now = start + Duration::from_millis(place);
                r.push(packet(seq + 1, now));
                while r.pop(now).is_some() {
                    out += 1;
                }
            }
            prop_assert_eq!((out, r.lost, r.late_or_duplicate), (201, 0, 0));
        }
    }

    #[test]
    fn large_packets_are_held_in_small_number() {
        let (mut r, t) = (Reorder::default(), Instant::now());
        r.push(packet(0, t));
        assert!(r.pop(t).is_some());
        for seq in 2..20 {
            r.push(Packet { payload: vec![0; 60_000].into(), ..packet(seq, t) });
            while r.pop(t).is_some() {}
            assert!(r.held_bytes <= HELD_BYTES_MAX);
        }
        assert_eq!((r.lost, r.held.len()), (1, 0));
    }

    #[test]
    fn a_missing_packet_is_given_up_at_the_deadline() {
        let (mut r, t) = (Reorder::default(), Instant::now());
        r.push(packet(1, t));
        assert!(r.pop(t).is_some());
        r.push(packet(4, t));
        assert_eq!((r.pop(t), r.deadline()), (None, Some(t + WAIT)));
        assert_eq!(r.pop(t + WAIT).map(|(p, lost)| (p.seq.0, lost)), Some((4, 2)));
        r.push(packet(2, t + WAIT));
        assert_eq!((r.pop(t + WAIT), r.late_or_duplicate), (None, 1));
    }
}
