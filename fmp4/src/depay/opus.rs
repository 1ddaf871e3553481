//! Opus payloads (RFC 7587 §4.2): one packet, one unit.

use super::{AccessUnit, Dropped, Hole, Packet, Unit};
use crate::config::{OpusConfig, TrackConfig, opus::duration_ticks};

#[derive(Debug, Default)]
pub(super) struct Opus {
    expected: Option<u64>,
    missing: u64,
    handed_out: bool,
    pub(super) dropped: Dropped,
}

impl Opus {
    /// Packets missing since the last unit, if one was handed out.
    pub(super) fn missing(&self) -> u64 {
        if self.handed_out { self.missing } else { 0 }
    }

    pub(super) fn push(&mut self, packet: Packet, out: &mut Vec<Unit>) {
        let lost = self.expected.map_or(0, |e| packet.seq.0.saturating_sub(e));
        self.missing += lost;
        self.dropped.lost += lost;
        self.expected = Some(packet.seq.0 + 1);
        if packet.payload.is_empty() {
            return;
        }
        let Some(duration) = duration_ticks(&packet.payload) else {
            self.missing += 1;
            self.dropped.malformed += 1;
            return;
        };
        if self.missing > 0 && self.handed_out {
            out.push(Unit::Hole(Hole { packets: self.missing }));
        }
        self.missing = 0;
        self.handed_out = true;
        out.push(Unit::Access(AccessUnit {
            timestamp: packet.timestamp,
            arrival: packet.arrival,
            keyframe: true,
            config: Some(TrackConfig::Opus(OpusConfig::default())),
            duration: Some(duration),
            data: packet.payload,
        }));
    }

    pub(super) fn flush(&mut self) {
        self.expected = None;
    }

    pub(super) fn hole(&mut self, packets: u64) {
        self.missing += packets;
        self.dropped.lost += packets;
        self.expected = None;
    }
}
