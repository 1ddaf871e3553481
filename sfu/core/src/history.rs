//! What was sent under which outgoing sequence number, so that a lost packet can be made again from the publisher's
//! [`PacketRing`](crate::packet_ring::PacketRing): numbers only, no payload. Also coalesces repeated requests.

use crate::{drop::DropReason, rewrite::Numbers};
use lectern_media::{ExtSeq, Layer};
use std::{num::NonZeroU64, time::Duration};

/// The ring grows while it would forget packets younger than this.
const KEEP_MS: u32 = 1_500;
/// The largest ring: three seconds of a 3.5 Mbit/s layer, 32 KiB.
pub const ENTRIES_MAX: usize = 1024;
/// The first size: two seconds of a 150 kbit/s layer, 2 KiB.
pub const ENTRIES_FIRST: usize = 64;

/// One packet sent (or waiting in the pacer).
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// The publisher's packet.
    pub source_seq: ExtSeq,
    /// Its numbers on this line.
    pub numbers: Numbers,
    /// The layer it came from.
    pub layer: Layer,
    /// When it was last sent again, in milliseconds since the line's epoch.
    again_ms: Option<u32>,
}

/// The ring, indexed by outgoing sequence number. [`ENTRIES_FIRST`] entries at first, doubling up to [`ENTRIES_MAX`].
#[derive(Debug)]
pub struct History {
    entries: Box<[Option<Packed>]>,
    newest: Option<u64>,
}

/// [`Sent`] in 32 bytes, the `Option` around it included.
#[derive(Debug, Clone, Copy)]
struct Packed {
    /// The source's number plus one.
    source_seq: NonZeroU64,
    out_seq: u32,
    timestamp: u32,
    at_ms: u32,
    /// Milliseconds after `at_ms` plus one; 0 if not sent again.
    again: u16,
    picture_id: u16,
    tl0_pic_idx: u8,
    layer: u8,
}

impl Default for History {
    fn default() -> Self {
        Self::new()
    }
}

impl History {
    /// An empty history; memory is taken with the first packet.
    #[must_use]
    pub fn new() -> Self {
        Self { entries: Box::default(), newest: None }
    }

    /// Records a packet at `at_ms` milliseconds since the line's epoch.
    pub fn record(&mut self, at_ms: u32, numbers: &Numbers, layer: Layer, source_seq: ExtSeq) {
        self.make_room(at_ms, numbers.seq);
        let slot = self.slot(numbers.seq);
        self.newest = self.newest.max(Some(numbers.seq));
        self.entries[slot] = Some(Packed {
            source_seq: NonZeroU64::MIN.saturating_add(source_seq.0),
            out_seq: numbers.seq as u32,
            timestamp: numbers.timestamp,
            at_ms,
            again: 0,
            picture_id: numbers.vp8.picture_id,
            tl0_pic_idx: numbers.vp8.tl0_pic_idx,
            layer: layer.0,
        });
    }

    /// The packet sent as `seq` (extended).
    #[must_use]
    pub fn get(&self, seq: u64) -> Option<Sent> {
        if self.entries.is_empty() {
            return None;
        }
        let p = self.entries[self.slot(seq)].filter(|p| p.out_seq == seq as u32)?;
        let vp8 = crate::descriptor::vp8::Vp8Numbers { picture_id: p.picture_id, tl0_pic_idx: p.tl0_pic_idx };
        Some(Sent {
            source_seq: ExtSeq(p.source_seq.get() - 1),
            numbers: Numbers { seq, timestamp: p.timestamp, vp8 },
            layer: Layer(p.layer),
            again_ms: p.again.checked_sub(1).map(|a| p.at_ms + u32::from(a)),
        })
    }

    /// A subscriber asks for `wire` again: the extended number to send, and notes that it will be.
    ///
    /// # Errors
    /// [`DropReason::NotInHistory`]; [`DropReason::RecentlyRetransmitted`] within `rtt` of the last time.
    pub fn request(&mut self, now_ms: u32, wire: u16, rtt: Duration) -> Result<u64, DropReason> {
        let newest = self.newest.ok_or(DropReason::NotInHistory)?;
        let seq = ExtSeq(newest).extend(wire).0;
        let sent = self.get(seq).ok_or(DropReason::NotInHistory)?;
        let rtt_ms = rtt.as_millis().min(1_000) as u32;
        if sent.again_ms.is_some_and(|a| now_ms.saturating_sub(a) < rtt_ms) {
            return Err(DropReason::RecentlyRetransmitted);
        }
        let slot = self.slot(seq);
        if let Some(p) = &mut self.entries[slot] {
            p.again = now_ms.saturating_sub(p.at_ms).min(u32::from(u16::MAX) - 1) as u16 + 1;
        }
        Ok(seq)
    }

    /// The newest number recorded.
    #[must_use]
    pub const fn newest(&self) -> Option<u64> {
        self.newest
    }

    /// Forgets everything (the line carries another source); the memory stays.
    pub fn clear(&mut self) {
        self.entries.fill(None);
    }

    /// The memory held, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of_val(&*self.entries)
    }

    /// Doubles the ring if `seq` would displace a packet that may still be asked for.
    fn make_room(&mut self, now_ms: u32, seq: u64) {
        if self.entries.is_empty() {
            self.entries = vec![None; ENTRIES_FIRST].into_boxed_slice();
        }
        while self.entries.len() < ENTRIES_MAX
            && self.entries[self.slot(seq)]
                .is_some_and(|p| p.out_seq != seq as u32 && now_ms.saturating_sub(p.at_ms) < KEEP_MS)
        {
            let larger = vec![None; self.entries.len() * 2].into_boxed_slice();
            let smaller = std::mem::replace(&mut self.entries, larger);
            for p in smaller.iter().flatten() {
                let slot = p.out_seq as usize & (self.entries.len() - 1);
                self.entries[slot] = Some(*p);
            }
        }
    }

    fn slot(&self, seq: u64) -> usize {
        seq as usize & (self.entries.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::vp8::Vp8Numbers;

    fn numbers(seq: u64) -> Numbers {
        Numbers { seq, timestamp: seq as u32 * 10, vp8: Vp8Numbers { picture_id: seq as u16, tl0_pic_idx: 3 } }
    }

    #[test]
    fn repeated_requests_are_answered_once_per_round_trip() {
        let rtt = Duration::from_millis(100);
        let mut h = History::new();
        assert_eq!(h.request(0, 5, rtt), Err(DropReason::NotInHistory));
        for n in 0x1_fff0..0x2_0010 {
            h.record(0, &numbers(n), Layer(1), ExtSeq(n + 7));
        }
        for (ms, wire, want) in [
            (50, 0xfff8, Ok(0x1_fff8)),
            (60, 0xfff8, Err(DropReason::RecentlyRetransmitted)),
            (60, 0x0001, Ok(0x2_0001)),
            (151, 0xfff8, Ok(0x1_fff8)),
            (160, 0x0010, Err(DropReason::NotInHistory)),
            (160, 0xff00, Err(DropReason::NotInHistory)),
        ] {
            assert_eq!(h.request(ms, wire, rtt), want, "{wire:#x} at {ms} ms");
        }
        let sent = h.get(0x2_0001).unwrap();
        assert_eq!((sent.source_seq, sent.layer, sent.numbers), (ExtSeq(0x2_0008), Layer(1), numbers(0x2_0001)));
    }

    #[test]
    fn the_ring_grows_with_the_rate_and_no_further() {
        let mut slow = History::new();
        let mut fast = History::new();
        let mut flood = History::new();
        for n in 0..5_000u64 {
            slow.record(n as u32 * 30, &numbers(n), Layer(0), ExtSeq(n));
            fast.record(n as u32 * 5, &numbers(n), Layer(0), ExtSeq(n));
            flood.record(0, &numbers(n), Layer(0), ExtSeq(n));
        }
        assert_eq!(slow.memory_bytes(), 64 * 32, "33 packets a second");
        assert_eq!(fast.memory_bytes(), 512 * 32, "200 packets a second");
        assert_eq!(flood.memory_bytes(), ENTRIES_MAX * 32, "bounded whatever comes");
        assert!(fast.get(4_999 - 290).is_some(), "a second and a half is kept");
    }
}
