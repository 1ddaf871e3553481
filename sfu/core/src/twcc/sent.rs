//! The sending side: what was sent when under which number, and what the feedback says became of it.

use super::{DELTA_US, REFERENCE_DELTAS, symbol};
use crate::{
    rtcp::{RtcpError, TransportCc},
    time::micros,
};
use lectern_media::ExtSeq;
use std::time::{Duration, Instant};

/// What became of one sent packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PacketResult {
    /// When it was sent.
    pub sent: Instant,
    /// Its size on the wire, in bytes.
    pub size_bytes: u16,
    /// When it arrived, on the receiver's clock (only differences mean something); `None` if it is lost.
    pub arrived: Option<Duration>,
    /// It was told lost before, and came after all.
    pub late: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Never sent, or done with.
    Done,
    InFlight,
    ToldLost,
}

#[derive(Debug, Clone, Copy)]
struct Slot {
    /// Microseconds since the epoch, low 32 bits.
    sent_us: u32,
    size_bytes: u16,
    state: State,
}

/// The packets in flight to one subscriber.
#[derive(Debug)]
pub struct SendLog {
    slots: Box<[Slot]>,
    capacity: usize,
    next: u64,
    epoch: Option<Instant>,
    newest_us: u64,
    /// The newest reference time, unwrapped, in units of 64 ms.
    reference: Option<i64>,
}

impl SendLog {
    /// Remembers the last `capacity` packets (rounded up to a power of two); eight bytes each, grown as needed.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            slots: Box::default(),
            capacity: capacity.max(128).next_power_of_two(),
            next: 0x1_0000,
            epoch: None,
            newest_us: 0,
            reference: None,
        }
    }

    /// Notes a packet and returns the transport-wide number to write into it.
    pub fn on_sent(&mut self, now: Instant, size_bytes: usize) -> u16 {
        let epoch = *self.epoch.get_or_insert(now);
        self.newest_us = self.newest_us.max(micros(now.saturating_duration_since(epoch)));
        self.make_room();
        let seq = self.next;
        self.next += 1;
        let slot = self.slot(seq);
        self.slots[slot] =
            Slot { sent_us: self.newest_us as u32, size_bytes: size_bytes as u16, state: State::InFlight };
        seq as u16
    }

    /// Reads feedback and calls `each` for every packet it newly tells of, in the order of sending.
    ///
    /// # Errors
    /// [`RtcpError::Feedback`] if the packet is inconsistent; what was read before is reported.
    pub fn on_feedback(&mut self, fb: &TransportCc<'_>, mut each: impl FnMut(PacketResult)) -> Result<(), RtcpError> {
        let Some(epoch) = self.epoch else { return Ok(()) };
        let chunks_len = chunks_len(fb)?;
        let (chunks, mut deltas) = fb.body.split_at(chunks_len);
        let mut clock = self.unwrap_reference(fb.reference_time) * REFERENCE_DELTAS;
        let mut seq = ExtSeq(self.next - 1).extend(fb.base_seq).0;
        let mut left = usize::from(fb.status_count);
        for chunk in chunks.chunks_exact(2) {
            let chunk = u16::from_be_bytes([chunk[0], chunk[1]]);
            let n = chunk_len(chunk).min(left);
            left -= n;
            for i in 0..n {
                let arrived = match chunk_symbol(chunk, i) {
                    symbol::LOST => None,
                    symbol::SMALL => {
                        let (d, rest) = deltas.split_first().ok_or(RtcpError::Feedback)?;
                        deltas = rest;
                        Some(i64::from(*d))
                    }
                    symbol::LARGE => {
                        let (d, rest) = deltas.split_first_chunk::<2>().ok_or(RtcpError::Feedback)?;
                        deltas = rest;
                        Some(i64::from(i16::from_be_bytes(*d)))
                    }
                    _ => return Err(RtcpError::Feedback),
                };
                clock += arrived.unwrap_or(0);
                let at = arrived.map(|_| Duration::from_micros((clock * DELTA_US).max(0) as u64));
                if let Some(r) = self.settle(epoch, seq, at) {
                    each(r);
                }
                seq = seq.wrapping_add(1);
            }
        }
        Ok(())
    }

    /// The memory held, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        size_of_val(&*self.slots)
    }

    /// Notes what became of `seq`; `None` if that is no news.
    fn settle(&mut self, epoch: Instant, seq: u64, arrived: Option<Duration>) -> Option<PacketResult> {
        if seq >= self.next || self.next - seq > self.slots.len() as u64 {
            return None;
        }
        let i = self.slot(seq);
        let newest = self.newest_us;
        let slot = &mut self.slots[i];
        let late = slot.state == State::ToldLost;
        match (slot.state, arrived) {
            (State::Done, _) | (State::ToldLost, None) => return None,
            (State::InFlight, None) => slot.state = State::ToldLost,
            (_, Some(_)) => slot.state = State::Done,
        }
        let age_us = u64::from((newest as u32).wrapping_sub(slot.sent_us));
        let sent = epoch + Duration::from_micros(newest.saturating_sub(age_us));
        Some(PacketResult { sent, size_bytes: slot.size_bytes, arrived, late })
    }

    /// The reference time is 24 bits of 64 ms (§3.1): twelve days, signed.
    fn unwrap_reference(&mut self, wire: i32) -> i64 {
        let unwrapped = match self.reference {
            // Two cycles above zero, so that times stay positive.
            None => (2 << 24) + i64::from(wire),
            Some(last) => {
                let delta = (i64::from(wire) - last) & 0xff_ffff;
                last + if delta >= 0x80_0000 { delta - 0x100_0000 } else { delta }
            }
        };
        self.reference = Some(self.reference.map_or(unwrapped, |r| r.max(unwrapped)));
        unwrapped
    }

    /// Doubles the log while the slot to be used holds a packet younger than two seconds.
    fn make_room(&mut self) {
        let empty = Slot { sent_us: 0, size_bytes: 0, state: State::Done };
        if self.slots.is_empty() {
            self.slots = vec![empty; 128.min(self.capacity)].into_boxed_slice();
        }
        while self.slots.len() < self.capacity {
            let old = self.slots[self.slot(self.next)];
            if old.state == State::Done || (self.newest_us as u32).wrapping_sub(old.sent_us) > 2_000_000 {
                return;
            }
            let larger = vec![empty; self.slots.len() * 2].into_boxed_slice();
            let smaller = std::mem::replace(&mut self.slots, larger);
            for seq in self.next.saturating_sub(smaller.len() as u64)..self.next {
                let to = self.slot(seq);
                self.slots[to] = smaller[seq as usize & (smaller.len() - 1)];
            }
        }
    }

    fn slot(&self, seq: u64) -> usize {
        seq as usize & (self.slots.len() - 1)
    }
}

/// The length of the packet chunks in bytes: as many as the status count needs.
fn chunks_len(fb: &TransportCc<'_>) -> Result<usize, RtcpError> {
    let mut left = usize::from(fb.status_count);
    let mut at = 0;
    while left > 0 {
        let chunk = fb.body.get(at..at + 2).ok_or(RtcpError::Feedback)?;
        let n = chunk_len(u16::from_be_bytes([chunk[0], chunk[1]]));
        if n == 0 {
            return Err(RtcpError::Feedback);
        }
        left -= n.min(left);
        at += 2;
    }
    Ok(at)
}

/// How many numbers a chunk covers.
const fn chunk_len(chunk: u16) -> usize {
    match chunk >> 14 {
        0b10 => 14,
        0b11 => 7,
        _ => (chunk & 0x1fff) as usize,
    }
}

/// The symbol of the `i`th number of a chunk.
const fn chunk_symbol(chunk: u16, i: usize) -> u8 {
    match chunk >> 14 {
        0b10 => (chunk >> (13 - i) & 1) as u8,
        0b11 => (chunk >> (12 - 2 * i) & 3) as u8,
        _ => (chunk >> 13 & 3) as u8,
    }
}
