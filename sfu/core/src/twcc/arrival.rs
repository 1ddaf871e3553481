//! The receiving side: when which transport-wide number arrived, and the feedback that says so.

use super::{DELTA_US, REFERENCE_DELTAS, symbol};
use crate::rtcp::{BufferFull, Builder};
use lectern_media::{ExtSeq, Ssrc};
use std::time::{Duration, Instant};

/// How often feedback is sent while packets arrive.
pub const FEEDBACK_INTERVAL: Duration = Duration::from_millis(50);

/// How many numbers are remembered: two seconds of a fast publisher.
const WINDOW: usize = 2_048;
/// How many numbers one feedback packet reports on at most.
pub const STATUS_MAX: usize = 400;

/// The arrivals of one publisher's transport. One per peer, not per stream. 8 KiB from the first packet on.
#[derive(Debug, Default)]
pub struct ArrivalLog {
    epoch: Option<Instant>,
    /// Arrival in delta units since the epoch, plus one; 0 if not arrived. By number modulo the window.
    arrivals: Box<[u32]>,
    highest: ExtSeq,
    /// The first number not yet reported on.
    next: ExtSeq,
    feedback_count: u8,
    due: Option<Instant>,
}

impl ArrivalLog {
    /// Notes that `seq` (the value of the header extension) arrived.
    pub fn record(&mut self, now: Instant, seq: u16) {
        let Some(epoch) = self.epoch else {
            self.epoch = Some(now);
            self.arrivals = vec![0; WINDOW].into_boxed_slice();
            self.next = ExtSeq(0x1_0000 + u64::from(seq));
            self.highest = ExtSeq(self.next.0 - 1);
            return self.record(now, seq);
        };
        let seq = self.highest.extend(seq);
        if seq > self.highest {
            let skipped = (seq.0 - self.highest.0).min(WINDOW as u64);
            for n in seq.0 - skipped + 1..=seq.0 {
                self.arrivals[n as usize % WINDOW] = 0;
            }
            self.highest = seq;
            // What fell out of the window unreported stays so.
            self.next = self.next.max(ExtSeq(self.highest.0.saturating_sub(WINDOW as u64 - 1)));
        } else if self.highest.0 - seq.0 >= WINDOW as u64 / 2 || self.arrivals[seq.0 as usize % WINDOW] != 0 {
            return;
        }
        let ticks = now.saturating_duration_since(epoch).as_micros() as i64 / DELTA_US;
        self.arrivals[seq.0 as usize % WINDOW] = ticks as u32 + 1;
        // A number that was already reported lost is reported again, from there on, as libwebrtc does.
        self.next = self.next.min(seq);
        self.due.get_or_insert(now + FEEDBACK_INTERVAL);
    }

    /// When [`build`](Self::build) is due: [`FEEDBACK_INTERVAL`] after the first unreported arrival.
    #[must_use]
    pub const fn next_timeout(&self) -> Option<Instant> {
        self.due
    }

    /// Appends one feedback packet on what arrived since the last; `false` if there was nothing to report. Call again while
    /// it returns `true` to report on more than [`STATUS_MAX`] numbers.
    ///
    /// # Errors
    /// [`BufferFull`]; the arrivals are kept for the next call.
    pub fn build(
        &mut self,
        now: Instant,
        sender: Ssrc,
        media: Ssrc,
        out: &mut Builder<'_>,
    ) -> Result<bool, BufferFull> {
        if self.epoch.is_none() || self.next > self.highest {
            self.due = None;
            return Ok(false);
        }
        let mut reported = 0;
        let written = out.transport_cc(sender, media, |body| {
            let (len, count) = self.write(body)?;
            reported = count;
            Some(len)
        })?;
        if written {
            self.next = ExtSeq(self.next.0 + reported);
            self.feedback_count = self.feedback_count.wrapping_add(1);
        } else {
            // Only losses are left, and the newest number has always arrived: nothing to wait for.
            self.next = ExtSeq(self.highest.0 + 1);
        }
        // What did not fit is due at once.
        self.due = (self.next <= self.highest).then_some(now);
        Ok(written)
    }

    /// Writes everything behind the two SSRCs; returns the length in bytes and how many numbers it reports on.
    fn write(&self, body: &mut [u8]) -> Option<(usize, u64)> {
        // Worst case per number: two bytes of delta and a seventh of a two-byte chunk.
        let fits = body.len().saturating_sub(8 + 2 + 3) * 7 / 16;
        let ahead = (self.highest.0 - self.next.0 + 1) as usize;
        let numbers = ahead.min(fits).min(STATUS_MAX);
        let first = (0..numbers).find_map(|i| self.arrival(i))?;
        let reference = first.div_euclid(REFERENCE_DELTAS);
        let mut symbols = [symbol::LOST; STATUS_MAX];
        let mut count = 0;
        let mut clock = reference * REFERENCE_DELTAS;
        for (i, s) in symbols.iter_mut().enumerate().take(numbers) {
            if let Some(at) = self.arrival(i) {
                let Ok(delta) = i16::try_from(at - clock) else { break };
                *s = if (0..256).contains(&delta) { symbol::SMALL } else { symbol::LARGE };
                clock = at;
            }
            count = i + 1;
        }
        let symbols = &symbols[..count];
        body[..2].copy_from_slice(&self.next.wire().to_be_bytes());
        body[2..4].copy_from_slice(&(count as u16).to_be_bytes());
        body[4..8].copy_from_slice(&((reference as u32) << 8 | u32::from(self.feedback_count)).to_be_bytes());
        let mut at = 8;
        let mut rest = symbols;
        while !rest.is_empty() {
            let (chunk, taken) = encode_chunk(rest);
            body.get_mut(at..at + 2)?.copy_from_slice(&chunk.to_be_bytes());
            at += 2;
            rest = &rest[taken..];
        }
        let mut clock = reference * REFERENCE_DELTAS;
        for (i, s) in symbols.iter().enumerate().filter(|(_, s)| **s != symbol::LOST) {
            let arrived = self.arrival(i)?;
            let delta = (arrived - clock) as i16;
            clock = arrived;
            let bytes = delta.to_be_bytes();
            let bytes = if *s == symbol::SMALL { &bytes[1..] } else { &bytes[..] };
            body.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
            at += bytes.len();
        }
        let len = at.next_multiple_of(4);
        body.get_mut(at..len)?.fill(0);
        Some((len, count as u64))
    }

    /// The arrival of the `i`th unreported number, in delta units since the epoch.
    fn arrival(&self, i: usize) -> Option<i64> {
        let n = self.next.0 + i as u64;
        self.arrivals[n as usize % WINDOW].checked_sub(1).map(i64::from)
    }
}

/// The best chunk (§3.1.3, §3.1.4) for the start of `symbols`, and how many it covers.
fn encode_chunk(symbols: &[u8]) -> (u16, usize) {
    let first = symbols[0];
    let run = symbols.iter().take_while(|s| **s == first).count().min(0x1fff);
    let bits = symbols.iter().take(14).all(|s| *s <= symbol::SMALL);
    if run == symbols.len() || run >= 14 || (run >= 7 && !bits) {
        return (u16::from(first) << 13 | run as u16, run);
    }
    if bits {
        let n = symbols.len().min(14);
        let word = symbols[..n].iter().enumerate().fold(0x8000, |w, (i, s)| w | u16::from(*s) << (13 - i));
        return (word, n);
    }
    let n = symbols.len().min(7);
    let word = symbols[..n].iter().enumerate().fold(0xc000, |w, (i, s)| w | u16::from(*s) << (12 - 2 * i));
    (word, n)
}
