//! What H.264 and VP8 have in common: packets of one timestamp make a unit, the marker ends it, a loss spoils everything up
//! to the next keyframe.

use super::{AccessUnit, Dropped, Hole, Packet, UNIT_BYTES_MAX, UNIT_PACKETS_MAX, Unit};
use crate::config::TrackConfig;
use bytes::Bytes;
use lectern_media::{ExtTimestamp, UnixMillis};

/// What a payload format makes of the packets of one unit.
#[derive(Debug)]
pub(super) struct Built {
    pub(super) keyframe: bool,
    pub(super) config: Option<TrackConfig>,
    pub(super) data: Bytes,
}

/// Why packets are not a unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BuildError {
    /// Not in the payload format, or cut short.
    Malformed,
    /// A keyframe whose decoder configuration was never seen, or was lost with the packets before it.
    NoConfig,
}

/// A payload format.
pub(super) trait Format: Default {
    /// Whether a unit can begin with this payload.
    fn starts_unit(payload: &[u8]) -> bool;
    /// Joins the payloads of one unit. `resuming`: packets are missing right before it. `None`: nothing to show (parameter sets only).
    fn build(&mut self, payloads: &[Bytes], resuming: bool) -> Result<Option<Built>, BuildError>;
}

#[derive(Debug)]
struct Partial {
    timestamp: ExtTimestamp,
    arrival: UnixMillis,
    payloads: Vec<Bytes>,
    bytes: usize,
}

#[derive(Debug)]
pub(super) struct Video<F> {
    format: F,
    expected: Option<u64>,
    current: Option<Partial>,
    /// Units are dropped until a keyframe comes.
    waiting: bool,
    /// Packets missing since the last unit that was handed out.
    missing: u64,
    handed_out: bool,
    pub(super) dropped: Dropped,
}

impl<F: Format> Default for Video<F> {
    fn default() -> Self {
        Self {
            format: F::default(),
            expected: None,
            current: None,
            waiting: true,
            missing: 0,
            handed_out: false,
            dropped: Dropped::default(),
        }
    }
}

impl<F: Format> Video<F> {
    pub(super) fn waits_for_keyframe(&self) -> bool {
        self.waiting
    }

    /// Packets missing since the last unit, if one was handed out.
    pub(super) fn missing(&self) -> u64 {
        if self.handed_out { self.missing } else { 0 }
    }

    pub(super) fn push(&mut self, packet: Packet, out: &mut Vec<Unit>) {
        if let Some(lost) = self.expected.map(|e| packet.seq.0.saturating_sub(e)).filter(|n| *n > 0) {
            self.spoil(lost);
            self.dropped.lost += lost;
        }
        self.expected = Some(packet.seq.0 + 1);
        if packet.payload.is_empty() {
            return; // Padding takes a sequence number and nothing else.
        }
        if self.current.as_ref().is_some_and(|c| c.timestamp != packet.timestamp) {
            self.finish(out); // The sender doesn't set markers.
        }
        let marker = packet.marker;
        match &mut self.current {
            None if F::starts_unit(&packet.payload) => {
                self.current = Some(Partial {
                    timestamp: packet.timestamp,
                    arrival: packet.arrival,
                    bytes: packet.payload.len(),
                    payloads: vec![packet.payload],
                });
            }
            // In the middle of a unit whose start is missing.
            None => {
                match self.waiting {
                    true => self.dropped.awaiting_keyframe += 1,
                    false => self.dropped.malformed += 1,
                }
                self.spoil(1);
            }
            Some(c) if c.bytes + packet.payload.len() > UNIT_BYTES_MAX || c.payloads.len() == UNIT_PACKETS_MAX => {
                self.dropped.malformed += 1;
                self.spoil(1);
            }
            Some(c) => {
                c.bytes += packet.payload.len();
                c.payloads.push(packet.payload);
            }
        }
        if marker {
            self.finish(out);
        }
    }

    /// The end of a numbering: a unit without its marker may be cut, so it is not handed on.
    pub(super) fn flush(&mut self, _out: &mut Vec<Unit>) {
        if self.current.is_some() {
            self.spoil(0);
        }
        self.expected = None;
        self.waiting = true;
    }

    pub(super) fn hole(&mut self, packets: u64) {
        self.spoil(packets);
        self.dropped.lost += packets;
        self.expected = None;
    }

    /// Packets are missing here: drops the unit in the making and whatever follows up to a keyframe.
    fn spoil(&mut self, packets: u64) {
        let current = self.current.take().map_or(0, |c| c.payloads.len() as u64);
        self.dropped.awaiting_keyframe += current;
        self.missing += packets + current;
        self.waiting = true;
    }

    fn finish(&mut self, out: &mut Vec<Unit>) {
        let Some(unit) = self.current.take() else { return };
        let packets = unit.payloads.len() as u64;
        match self.format.build(&unit.payloads, self.missing > 0) {
            Ok(None) => {}
            Ok(Some(built)) if built.keyframe || !self.waiting => {
                if self.missing > 0 && self.handed_out {
                    out.push(Unit::Hole(Hole { packets: self.missing }));
                }
                self.missing = 0;
                self.waiting = false;
                self.handed_out = true;
                out.push(Unit::Access(AccessUnit {
                    timestamp: unit.timestamp,
                    arrival: unit.arrival,
                    keyframe: built.keyframe,
                    config: built.config,
                    duration: None,
                    data: built.data,
                }));
            }
            Ok(Some(_)) | Err(BuildError::NoConfig) => {
                self.dropped.awaiting_keyframe += packets;
                self.spoil(packets);
            }
            Err(BuildError::Malformed) => {
                self.dropped.malformed += packets;
                self.spoil(packets);
            }
        }
    }
}
