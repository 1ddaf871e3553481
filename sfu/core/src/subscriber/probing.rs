//! Padding that finds out what the line carries. Not here: when and how hard to probe ([`crate::bwe`]).

use super::{Subscriber, stamp};
use crate::{bwe::Probe, downtrack::As, packet::PacketSource};
use lectern_media::{DataSize, TrackKind};
use std::time::{Duration, Instant};

/// How far a probe that was woken late catches up.
const PROBE_LAG_BYTES: u64 = 2_500;

/// Padding owed to a probe.
#[derive(Debug, Clone, Copy)]
pub(super) struct Probing {
    pub probe: Probe,
    pub sent_bytes: u64,
    /// How far back in the history the next repeated packet is taken from.
    pub back: u64,
}

impl Subscriber {
    pub(super) fn begin_probe(&mut self, now: Instant) {
        match (self.bwe.probe(now), &self.probe) {
            (Some(probe), None) => self.probe = Some(Probing { probe, sent_bytes: 0, back: 0 }),
            (None, _) => self.probe = None,
            (Some(_), Some(_)) => {}
        }
    }

    /// Writes one packet of padding if the probe lags behind its rate: a repetition of something sent lately if the line
    /// has RTX, an empty packet otherwise.
    pub(super) fn transmit_probe(
        &mut self,
        now: Instant,
        packets: &impl PacketSource,
        out: &mut [u8],
    ) -> Option<usize> {
        let mut probing = self.probe?;
        if now >= probing.probe.until {
            self.probe = None;
            return None;
        }
        let owed = (probing.probe.rate * now.saturating_duration_since(probing.probe.since)).as_bytes();
        if owed <= probing.sent_bytes {
            return None;
        }
        // Woken late, it does not make up for more than a packet or two: a probe is a rate, not a burst.
        probing.sent_bytes = probing.sent_bytes.max(owed.saturating_sub(PROBE_LAG_BYTES));
        let pictures = || self.lines.iter().enumerate().filter(|(_, l)| l.track.kind() == TrackKind::Video);
        // A line that shows something; failing that any that has, for a paused picture comes back by a probe only.
        let showing = pictures().find(|(_, l)| l.track.layer().is_some());
        let (line, _) = showing.or_else(|| pictures().find(|(_, l)| l.track.has_sent()))?;
        let track = &mut self.lines[line].track;
        probing.back = (probing.back + 1) % 16;
        let repeat = if track.has_rtx() { track.sent_before(probing.back, packets) } else { None };
        let size = match &repeat {
            Some((_, p)) => track.wire_len_bytes(p.payload.len()) + 2,
            None => track.wire_len_bytes(255),
        };
        let stamp = stamp(&mut self.sent, self.epoch, now, track.has_twcc(), size + self.config.overhead_bytes);
        let written = match repeat {
            Some((noted, p)) => track.write(&noted.numbers, &p, As::Probe, stamp, out),
            None => track.write_padding(stamp, out),
        };
        match written {
            Ok(len) => {
                // Padding goes on top of the pace: pictures do not wait for it.
                probing.sent_bytes += (len + self.config.overhead_bytes) as u64;
                self.probe = Some(probing);
                Some(len)
            }
            Err(reason) => {
                self.refuse(reason);
                self.probe = None;
                None
            }
        }
    }
}

impl Probing {
    /// When the probe falls behind what was sent.
    pub fn next_at(&self) -> Instant {
        let lead = DataSize::bytes(self.sent_bytes) / self.probe.rate;
        (self.probe.since + lead.min(Duration::from_secs(1))).min(self.probe.until)
    }
}
