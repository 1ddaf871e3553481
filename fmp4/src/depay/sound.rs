//! What sound formats have in common: every unit stands for itself, a loss costs what was lost.

use super::{AccessUnit, Dropped, Hole, Packet, Unit};
use crate::config::TrackConfig;
use bytes::Bytes;

/// One unit of sound.
#[derive(Debug)]
pub(super) struct Frame {
    /// Ticks after the packet's timestamp.
    pub(super) offset: u32,
    /// Ticks.
    pub(super) duration: u32,
    pub(super) data: Bytes,
}

/// Why a payload gives no sound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SoundError {
    /// Not in the payload format: this many packets, with those that waited for this one.
    Malformed(u64),
    /// Its configuration was not told.
    NoConfig,
}

/// A payload format.
pub(super) trait SoundFormat {
    /// The units of a packet; none if more packets belong to it. `after_loss`: packets right before it are missing.
    fn frames(&mut self, packet: &Packet, after_loss: bool) -> Result<Vec<Frame>, SoundError>;
    /// What decodes them. Asked for only after units came.
    fn config(&self) -> Option<TrackConfig>;
    /// Takes parameters that were told beside the packets.
    fn set_parameters(&mut self, _config: &[u8]) {}
    /// The numbering ends: forgets what waits for more packets, and tells of how many packets that was.
    fn flush(&mut self) -> u64 {
        0
    }
}

#[derive(Debug, Default)]
pub(super) struct Sound<F> {
    format: F,
    expected: Option<u64>,
    missing: u64,
    handed_out: bool,
    pub(super) dropped: Dropped,
}

impl<F: SoundFormat> Sound<F> {
    pub(super) fn of(format: F) -> Self {
        Self { format, expected: None, missing: 0, handed_out: false, dropped: Dropped::default() }
    }

    #[expect(clippy::unused_self, reason = "asked of pictures and sound alike")]
    pub(super) fn waits_for_keyframe(&self) -> bool {
        false
    }

    /// Packets missing since the last unit, if one was handed out.
    pub(super) fn missing(&self) -> u64 {
        if self.handed_out { self.missing } else { 0 }
    }

    pub(super) fn set_parameters(&mut self, config: &[u8]) {
        self.format.set_parameters(config);
    }

    pub(super) fn push(&mut self, packet: Packet, out: &mut Vec<Unit>) {
        let lost = self.expected.map_or(0, |e| packet.seq.0.saturating_sub(e));
        if lost > 0 {
            let cut = self.format.flush();
            self.missing += lost + cut;
            self.dropped.lost += lost;
            self.dropped.malformed += cut;
        }
        self.expected = Some(packet.seq.0 + 1);
        if packet.payload.is_empty() {
            return;
        }
        let frames = match self.format.frames(&packet, lost > 0) {
            Ok(frames) => frames,
            Err(e) => {
                let (count, packets) = match e {
                    SoundError::Malformed(packets) => (&mut self.dropped.malformed, packets),
                    SoundError::NoConfig => (&mut self.dropped.no_config, 1),
                };
                *count += packets;
                self.missing += packets;
                return;
            }
        };
        for frame in frames {
            if self.missing > 0 && self.handed_out {
                out.push(Unit::Hole(Hole { packets: self.missing }));
            }
            self.missing = 0;
            self.handed_out = true;
            out.push(Unit::Access(AccessUnit {
                timestamp: lectern_media::ExtTimestamp(packet.timestamp.0.wrapping_add(u64::from(frame.offset))),
                arrival: packet.arrival,
                keyframe: true,
                config: self.format.config(),
                duration: Some(frame.duration),
                broken: None,
                data: frame.data,
            }));
        }
    }

    pub(super) fn flush(&mut self, _out: &mut Vec<Unit>) {
        let cut = self.format.flush();
        self.missing += cut;
        self.dropped.malformed += cut;
        self.expected = None;
    }

    pub(super) fn hole(&mut self, packets: u64) {
        self.missing += packets;
        self.dropped.lost += packets;
        self.expected = None;
    }
}
