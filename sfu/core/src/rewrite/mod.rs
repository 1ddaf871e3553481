//! The numbers a subscriber sees: one unbroken stream of sequence numbers, timestamps and VP8 picture ids, whatever layers
//! and sources the line carries and whatever is left out.
//!
//! Not here: which packet is forwarded ([`crate::selector`]), how its bytes are written ([`crate::downtrack`]).

mod clock;
mod map;

pub use clock::{CLOCKLESS, ClockMap};
pub use map::NumberMap;

use crate::{
    descriptor::{PayloadShape, vp8::Vp8Numbers},
    drop::DropReason,
    packet::PacketMeta,
    time::NtpTime,
};
use std::time::Instant;

/// The numbers given to one forwarded packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// The outgoing sequence number, extended.
    pub seq: u64,
    /// The outgoing timestamp.
    pub timestamp: u32,
    /// The outgoing VP8 numbers; meaningless for other codecs.
    pub vp8: Vp8Numbers,
}

/// The rewriting state of one line.
#[derive(Debug)]
pub struct Rewriter {
    seq: NumberMap,
    clock: ClockMap,
    picture: NumberMap,
    /// The newest source picture id, extended; how long picture ids are there.
    picture_source: Option<u64>,
    tl0_delta: u8,
    tl0_last: u8,
}

impl Rewriter {
    /// Starts at numbers drawn from `seed` (RFC 3550 §5.1 wants sequence numbers and timestamps to start at random).
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            // One cycle above zero, and below 2^15 within it, so that an early loss does not look like a wrap (RFC 3711 §3.3.1).
            seq: NumberMap::new(0x1_0000 + (seed & 0x7fff)),
            clock: ClockMap::new((seed >> 16) as u32),
            picture: NumberMap::new(0x1_0000 + (seed >> 48 & 0x3fff)),
            picture_source: None,
            tl0_delta: 0,
            tl0_last: (seed >> 56) as u8,
        }
    }

    /// `meta` is the first packet of another layer (`same_clock`: of the same source) or of another source: everything
    /// continues where it stood.
    pub fn switch(&mut self, meta: &PacketMeta, same_clock: bool) {
        self.seq.start(meta.seq.0);
        self.clock.switch(meta, same_clock);
        self.picture_source = None;
        if let PayloadShape::Vp8(d) = meta.shape {
            if let Some(id) = d.picture_id {
                let id = 0x1_0000 + u64::from(id);
                self.picture_source = Some(id);
                self.picture.start(id);
            }
            if let Some(tl0) = d.tl0_pic_idx {
                self.tl0_delta = self.tl0_last.wrapping_add(1).wrapping_sub(tl0);
            }
        }
    }

    /// The numbers for a packet that is forwarded.
    ///
    /// # Errors
    /// [`DropReason::TooOld`] if the packet lies before what can still be put in order.
    pub fn keep(&mut self, meta: &PacketMeta) -> Result<Numbers, DropReason> {
        let seq = self.seq.keep(meta.seq.0).ok_or(DropReason::TooOld)?;
        let timestamp = self.clock.map(meta);
        let mut vp8 = Vp8Numbers { picture_id: 0, tl0_pic_idx: 0 };
        if let PayloadShape::Vp8(d) = meta.shape {
            if let Some(id) = self.picture_id(d.picture_id, d.picture_id_long) {
                vp8.picture_id = (self.picture.keep(id).ok_or(DropReason::TooOld)? & 0x7fff) as u16;
            }
            if let Some(tl0) = d.tl0_pic_idx {
                vp8.tl0_pic_idx = tl0.wrapping_add(self.tl0_delta);
                if (vp8.tl0_pic_idx.wrapping_sub(self.tl0_last) as i8) > 0 {
                    self.tl0_last = vp8.tl0_pic_idx;
                }
            }
        }
        Ok(Numbers { seq, timestamp, vp8 })
    }

    /// A packet of the current layer that is left out on purpose: later numbers close over it.
    pub fn skip(&mut self, meta: &PacketMeta) {
        self.seq.skip(meta.seq.0);
        if let PayloadShape::Vp8(d) = meta.shape
            && let Some(id) = self.picture_id(d.picture_id, d.picture_id_long)
        {
            self.picture.skip(id);
        }
    }

    /// A sequence number and timestamp for a packet of our own (padding) behind the newest one.
    pub fn insert(&mut self) -> (u64, u32) {
        (self.seq.insert(), self.clock.last())
    }

    /// Whether a packet of the source carried last shows an earlier moment than what was shown; see [`ClockMap::is_behind`].
    #[must_use]
    pub fn is_behind(&self, meta: &PacketMeta) -> bool {
        self.clock.is_behind(meta)
    }

    /// The newest outgoing timestamp.
    #[must_use]
    pub fn newest_timestamp(&self) -> u32 {
        self.clock.last()
    }

    /// A wall clock and the outgoing RTP timestamp of one moment, for a sender report; see [`ClockMap::report_time`].
    #[must_use]
    pub fn report_time(&self, now: Instant, wall: NtpTime) -> Option<(NtpTime, u32)> {
        self.clock.report_time(now, wall)
    }

    /// Extends a source picture id.
    fn picture_id(&mut self, id: Option<u16>, long: bool) -> Option<u64> {
        let id = u64::from(id?);
        let Some(last) = self.picture_source else {
            // The layer began without picture ids and now has them.
            let first = 0x1_0000 + id;
            self.picture_source = Some(first);
            self.picture.start(first);
            return Some(first);
        };
        let cycle: u64 = if long { 1 << 15 } else { 1 << 7 };
        let ahead = id.wrapping_sub(last) & (cycle - 1);
        let extended = if ahead < cycle / 2 { last + ahead } else { last.checked_sub(cycle - ahead)? };
        self.picture_source = Some(last.max(extended));
        Some(extended)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{packet, vp8_payload};
    use std::time::Duration;

    /// Source (layer, seq, timestamp, picture id, tl0, action) and what must come out, relative to the first packet.
    #[derive(Clone, Copy)]
    enum Do {
        Switch,
        Keep,
        Skip,
    }

    #[test]
    fn switches_and_drops_leave_no_trace_in_the_numbers() {
        use Do::{Keep, Skip, Switch};
        let t0 = Instant::now();
        let mut r = Rewriter::new(0x1234_5678_9abc_def0);
        let mut first: Option<Numbers> = None;
        let rows = [
            // layer, seq, frame time ms, picture id, tl0, do → seq, picture id, tl0 relative to the first
            (0, 100, 0, 0x7fff, 9, Switch, Some((0, 0, 0))),
            (0, 101, 0, 0x7fff, 9, Keep, Some((1, 0, 0))),
            (0, 103, 33, 0, 10, Keep, Some((3, 1, 1))),
            (0, 102, 0, 0x7fff, 9, Keep, Some((2, 0, 0))), // late, before the wrap
            (0, 104, 66, 1, 10, Skip, None),
            (0, 105, 66, 1, 10, Skip, None),
            (0, 106, 99, 2, 11, Keep, Some((4, 2, 2))),
            (2, 9_000, 132, 77, 200, Switch, Some((5, 3, 3))),
            (2, 9_001, 132, 77, 200, Keep, Some((6, 3, 3))),
            (2, 8_999, 99, 76, 199, Keep, None), // before the switch
            (2, 9_003, 165, 78, 201, Keep, Some((8, 4, 4))),
            (2, 9_004, 198, 79, 201, Skip, None),
            (2, 9_002, 132, 77, 200, Keep, Some((7, 3, 3))),
            (2, 9_005, 231, 80, 202, Keep, Some((9, 5, 5))),
        ];
        for (i, (layer, seq, ms, pid, tl0, action, want)) in rows.into_iter().enumerate() {
            let payload = vp8_payload(pid, tl0, matches!(action, Switch), true, 20);
            let p = packet(t0 + Duration::from_millis(ms), layer, seq, 90 * ms, true, &payload);
            let got = match action {
                Switch => {
                    r.switch(&p.meta, true);
                    r.keep(&p.meta).ok()
                }
                Keep => r.keep(&p.meta).ok(),
                Skip => {
                    r.skip(&p.meta);
                    None
                }
            };
            let base = *first.get_or_insert_with(|| got.expect("the first packet is kept"));
            let relative = got.map(|n| {
                let pid = n.vp8.picture_id.wrapping_sub(base.vp8.picture_id) & 0x7fff;
                (n.seq - base.seq, pid, n.vp8.tl0_pic_idx.wrapping_sub(base.vp8.tl0_pic_idx))
            });
            assert_eq!(relative, want, "row {i}: layer {layer} seq {seq}");
            if let Some(n) = got {
                assert_eq!(n.timestamp.wrapping_sub(base.timestamp), (90 * ms) as u32, "row {i}: time goes on");
            }
        }
    }

    #[test]
    fn our_own_padding_takes_numbers_of_its_own() {
        let t0 = Instant::now();
        let payload = vp8_payload(5, 0, true, true, 20);
        let mut r = Rewriter::new(7);
        let p = |seq| packet(t0, 0, seq, 0, true, &payload).meta;
        r.switch(&p(10), false);
        let first = r.keep(&p(10)).unwrap().seq;
        assert_eq!(r.insert().0, first + 1);
        assert_eq!(r.insert().0, first + 2);
        assert_eq!(r.keep(&p(11)).unwrap().seq, first + 3);
        assert_eq!(r.keep(&p(10)).unwrap().seq, first, "the same packet keeps its number");
    }
}
