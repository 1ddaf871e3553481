//! The last packets of a published layer, shared by everyone who watches it: retransmission, pacing and joiners read here,
//! so that no subscriber keeps copies. Bounded in packets, bytes and time.

use crate::packet::{PacketMeta, PacketSource, SourceId, SourcePacket};
use lectern_media::{ExtSeq, Layer};
use std::time::{Duration, Instant};

/// How long after its arrival a keyframe is still worth sending to a joiner.
pub const KEEP: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy)]
struct Entry {
    meta: PacketMeta,
    /// Where the payload was written, counted from the ring's beginning and never wrapped.
    at: u64,
    len: u16,
}

/// The ring of one layer: an index by sequence number over an arena of bytes that is written round and round. A packet
/// is gone when its slot or its bytes were written over.
#[derive(Debug)]
pub struct PacketRing {
    entries: Box<[Option<Entry>]>,
    arena: Box<[u8]>,
    written: u64,
    highest: Option<ExtSeq>,
    keyframe: Option<ExtSeq>,
    /// How long after its arrival a keyframe is still worth sending to a joiner.
    keep: Duration,
}

impl PacketRing {
    /// Keeps at most `packets` packets (rounded up to a power of two, at least 16) and `bytes` payload bytes (at least
    /// 16 KiB). All memory is reserved here, about 110 bytes a packet plus `bytes`; the pages are touched as they fill.
    ///
    /// Two seconds of a 2.5 Mbit/s layer are 600 packets and 625,000 bytes; of a 120 kbit/s one 60 and 30,000.
    #[must_use]
    pub fn new(packets: usize, bytes: usize) -> Self {
        Self {
            entries: vec![None; packets.max(16).next_power_of_two()].into_boxed_slice(),
            arena: vec![0; bytes.max(16 << 10)].into_boxed_slice(),
            written: 0,
            highest: None,
            keyframe: None,
            keep: KEEP,
        }
    }

    /// The same, but joiners get the last keyframe for `keep` after its arrival: a camera can't be asked for another one.
    #[must_use]
    pub fn with_keep(packets: usize, bytes: usize, keep: Duration) -> Self {
        Self { keep, ..Self::new(packets, bytes) }
    }

    /// Keeps a copy of `packet`.
    pub fn push(&mut self, packet: &SourcePacket<'_>) {
        let (seq, len) = (packet.meta.seq, packet.payload.len());
        let capacity = self.arena.len() as u64;
        if len as u64 > capacity || len > usize::from(u16::MAX) {
            return;
        }
        let too_late = self.highest.is_some_and(|h| h.0.saturating_sub(seq.0) >= self.entries.len() as u64);
        if too_late {
            return;
        }
        let offset = (self.written % capacity) as usize;
        if offset + len > self.arena.len() {
            // Payloads are contiguous: the rest of this round stays unused.
            self.written += (self.arena.len() - offset) as u64;
        }
        let offset = (self.written % capacity) as usize;
        self.arena[offset..offset + len].copy_from_slice(packet.payload);
        let slot = self.slot(seq);
        self.entries[slot] = Some(Entry { meta: packet.meta, at: self.written, len: len as u16 });
        self.written += len as u64;
        if packet.is_keyframe_start() && !self.continues_keyframe(packet) {
            self.keyframe = Some(seq);
        }
        self.highest = self.highest.max(Some(seq));
    }

    /// The packet `seq`, if kept.
    #[must_use]
    pub fn get(&self, seq: ExtSeq) -> Option<SourcePacket<'_>> {
        let entry = self.entries[self.slot(seq)].as_ref()?;
        let alive = entry.meta.seq == seq && entry.at + self.arena.len() as u64 >= self.written;
        let offset = (entry.at % self.arena.len() as u64) as usize;
        alive.then(|| SourcePacket { meta: entry.meta, payload: &self.arena[offset..offset + usize::from(entry.len)] })
    }

    /// The last keyframe and everything after it, in order of sequence numbers: what a joiner is sent first. Empty if the
    /// keyframe is no longer kept or arrived longer ago than the ring keeps it ([`KEEP`]); request one then. For sound, the newest packet.
    pub fn since_keyframe(&self, now: Instant) -> impl Iterator<Item = SourcePacket<'_>> + '_ {
        let fresh = self
            .keyframe
            .and_then(|k| self.get(k))
            .filter(|p| now.saturating_duration_since(p.meta.arrival) <= self.keep)
            .and_then(|p| Some((p.meta.seq, self.highest?)));
        let numbers = fresh.map_or(0..0, |(from, to)| from.0..to.0 + 1);
        numbers.filter_map(|n| self.get(ExtSeq(n)))
    }

    /// Everything kept from `from` on, in order of sequence numbers: what a line is sent that can begin at a keyframe whose
    /// start came after packets behind it.
    pub fn since(&self, from: ExtSeq) -> impl Iterator<Item = SourcePacket<'_>> + '_ {
        let end = self.highest.map_or(0, |h| h.0 + 1);
        (from.0.max(end.saturating_sub(self.entries.len() as u64))..end).filter_map(|n| self.get(ExtSeq(n)))
    }

    /// The highest sequence number pushed.
    #[must_use]
    pub const fn highest(&self) -> Option<ExtSeq> {
        self.highest
    }

    /// Forgets everything: the publisher restarted its encoder.
    pub fn clear(&mut self) {
        self.entries.fill(None);
        (self.highest, self.keyframe) = (None, None);
    }

    /// Whether `packet` belongs to the keyframe already noted (an SPS comes before its IDR slices, RFC 6184 §5.7), or to
    /// an older one that was repaired late.
    fn continues_keyframe(&self, packet: &SourcePacket<'_>) -> bool {
        let noted = self.keyframe.and_then(|k| self.get(k));
        noted.is_some_and(|k| match k.meta.timestamp == packet.meta.timestamp {
            true => packet.meta.seq > k.meta.seq,
            false => packet.meta.timestamp < k.meta.timestamp,
        })
    }

    const fn slot(&self, seq: ExtSeq) -> usize {
        seq.0 as usize & (self.entries.len() - 1)
    }
}

/// The rings of one track's layers, lowest first.
#[derive(Debug)]
pub struct TrackRings {
    /// The track.
    pub source: SourceId,
    /// One ring for each layer.
    pub layers: Vec<PacketRing>,
}

impl PacketSource for TrackRings {
    fn packet(&self, source: SourceId, layer: Layer, seq: ExtSeq) -> Option<SourcePacket<'_>> {
        if source != self.source {
            return None;
        }
        self.layers.get(layer.index())?.get(seq)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{packet, vp8_payload};

    fn push(ring: &mut PacketRing, t0: Instant, seq: u64, frame: u64, keyframe: bool, len: usize) {
        let payload = vp8_payload(frame as u16, 0, keyframe, true, len);
        ring.push(&packet(t0 + Duration::from_millis(33 * frame), 0, seq, 3_000 * frame, true, &payload));
    }

    #[test]
    fn what_is_kept_is_given_back_until_bytes_or_slots_are_needed() {
        let t0 = Instant::now();
        let mut ring = PacketRing::new(64, 16 << 10);
        for n in 0..40 {
            push(&mut ring, t0, n, n, n == 0, 1_000);
        }
        // 16 KiB hold sixteen packets of 1,000 bytes.
        assert!(ring.get(ExtSeq(23)).is_none());
        for n in 25..40 {
            assert_eq!(ring.get(ExtSeq(n)).unwrap().meta.timestamp.0, 3_000 * n, "packet {n}");
        }
        assert!(ring.get(ExtSeq(40)).is_none());
        for n in 40..200 {
            push(&mut ring, t0, n, n, false, 20);
        }
        assert!(ring.get(ExtSeq(135)).is_none(), "its slot was taken");
        assert!(ring.get(ExtSeq(136)).is_some());
        push(&mut ring, t0, 100, 100, false, 20);
        assert!(ring.get(ExtSeq(164)).is_some(), "a packet that is too late does not displace a newer one");
    }

    #[test]
    fn a_joiner_gets_the_last_keyframe_and_all_since() {
        let t0 = Instant::now();
        let mut ring = PacketRing::new(256, 64 << 10);
        let seqs = |ring: &PacketRing, ms| {
            ring.since_keyframe(t0 + Duration::from_millis(ms)).map(|p| p.meta.seq.0).collect::<Vec<_>>()
        };
        assert!(seqs(&ring, 0).is_empty());
        push(&mut ring, t0, 10, 0, false, 50);
        assert!(seqs(&ring, 0).is_empty());
        for (seq, frame, key) in [(11, 1, true), (12, 1, false), (14, 2, false), (13, 2, false)] {
            push(&mut ring, t0, seq, frame, key, 50);
        }
        assert_eq!(seqs(&ring, 100), [11, 12, 13, 14]);
        push(&mut ring, t0, 15, 3, true, 50);
        push(&mut ring, t0, 16, 3, true, 50);
        assert_eq!(seqs(&ring, 100), [15, 16], "the first packet of the keyframe, not its second");
        push(&mut ring, t0, 9, 0, true, 50);
        assert_eq!(seqs(&ring, 100), [15, 16], "an old keyframe repaired late changes nothing");
        assert!(seqs(&ring, 2_200).is_empty(), "too old to be shown");
    }
}
