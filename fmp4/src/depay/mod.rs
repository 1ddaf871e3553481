//! RTP packets of one track → access units in order, and holes where units are missing.
//!
//! Contract: call [`Depacketizer::push`] for each packet and [`Depacketizer::poll`] now and then (every 100 ms will do); both
//! append to `out` what became ready. A video unit is handed on only if every packet of it is there *and* every unit since
//! the last keyframe was; after a loss everything up to the next keyframe is dropped, counted, and announced as one [`Hole`]
//! before the unit that resumes. So whatever comes out decodes without an error.
//!
//! Does not belong here: time on the recording's line, and whom to ask for a keyframe (see [`Depacketizer::waits_for_keyframe`]).

mod h264;
mod opus;
mod reorder;
#[cfg(test)]
mod twin;
mod video;
mod vp8;

use crate::config::TrackConfig;
use bytes::Bytes;
use lectern_media::{Codec, ExtSeq, ExtTimestamp, UnixMillis};
use reorder::Reorder;
use std::time::Duration;
use video::Video;

/// The most bytes an access unit may have; a 4K key frame at the highest quality has fewer.
pub const UNIT_BYTES_MAX: usize = 8 << 20;

/// The most packets an access unit may have.
pub const UNIT_PACKETS_MAX: usize = 8192;

/// One RTP packet, opened, without padding.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Extended sequence number.
    pub seq: ExtSeq,
    /// Extended RTP timestamp.
    pub timestamp: ExtTimestamp,
    /// Wall time of arrival.
    pub arrival: UnixMillis,
    /// The marker bit.
    pub marker: bool,
    /// The payload; empty for padding.
    pub payload: Bytes,
}

/// A whole access unit: a picture, or one packet of sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessUnit {
    /// When it is shown, on the RTP clock.
    pub timestamp: ExtTimestamp,
    /// When its first packet arrived.
    pub arrival: UnixMillis,
    /// Whether decoding can start here (always true for sound).
    pub keyframe: bool,
    /// What a decoder needs to know; present with every keyframe.
    pub config: Option<TrackConfig>,
    /// Its length in ticks if the bytes tell it (sound only).
    pub duration: Option<u32>,
    /// The sample as ISO base media wants it (H.264: four-byte lengths, without parameter sets).
    pub data: Bytes,
}

/// Packets between the unit handed out before and the one that follows are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hole {
    /// How many packets were lost or dropped.
    pub packets: u64,
}

/// What comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unit {
    /// A whole access unit.
    Access(AccessUnit),
    /// Something is missing before the next one.
    Hole(Hole),
}

/// Packets that did not become part of a unit, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Dropped {
    /// Never came within the wait.
    pub lost: u64,
    /// Came after their place was given up, or twice.
    pub late_or_duplicate: u64,
    /// Not in the payload format.
    pub malformed: u64,
    /// Whole, but of no use before the next keyframe.
    pub awaiting_keyframe: u64,
}

/// The payload formats' part: what one track's packets mean.
#[derive(Debug)]
enum Assembler {
    H264(Video<h264::H264>),
    Vp8(Video<vp8::Vp8>),
    Opus(opus::Opus),
}

/// Packets in, access units out, for one track.
#[derive(Debug)]
pub struct Depacketizer {
    reorder: Reorder,
    assembler: Assembler,
    ready: Vec<Packet>,
}

impl Depacketizer {
    /// How long a missing packet is waited for by default: two rounds of NACK on a line of 150 ms.
    pub const WAIT: Duration = Duration::from_millis(300);

    /// A depacketizer for `codec` that waits `wait` for a packet that is missing.
    #[must_use]
    pub fn new(codec: Codec, wait: Duration) -> Option<Self> {
        let assembler = match codec {
            Codec::H264 => Assembler::H264(Video::default()),
            Codec::Vp8 => Assembler::Vp8(Video::default()),
            Codec::Opus => Assembler::Opus(opus::Opus::default()),
            _ => return None,
        };
        Some(Self { reorder: Reorder::new(wait), assembler, ready: Vec::new() })
    }

    /// Takes one packet.
    pub fn push(&mut self, packet: Packet, out: &mut Vec<Unit>) {
        let now = packet.arrival;
        self.reorder.push(packet);
        self.poll(now, out);
    }

    /// Gives up on packets that were waited for long enough, and hands out what that releases.
    pub fn poll(&mut self, now: UnixMillis, out: &mut Vec<Unit>) {
        self.reorder.drain(now, &mut self.ready);
        for packet in self.ready.drain(..) {
            match &mut self.assembler {
                Assembler::H264(a) => a.push(packet, out),
                Assembler::Vp8(a) => a.push(packet, out),
                Assembler::Opus(a) => a.push(packet, out),
            }
        }
    }

    /// Ends the span: hands out what is held back, gives up on what is missing. Call it at the track's end, and before packets
    /// whose sequence numbers are on a new base. After it, a video track resumes at a keyframe.
    pub fn flush(&mut self, out: &mut Vec<Unit>) {
        self.reorder.give_up();
        self.poll(UnixMillis(i64::MAX), out);
        match &mut self.assembler {
            Assembler::H264(a) => a.flush(out),
            Assembler::Vp8(a) => a.flush(out),
            Assembler::Opus(a) => a.flush(),
        }
        self.reorder.reset();
    }

    /// Tells that packets were dropped on the way here, outside of sequence numbering's sight.
    pub fn hole(&mut self, packets: u64, out: &mut Vec<Unit>) {
        self.flush(out);
        match &mut self.assembler {
            Assembler::H264(a) => a.hole(packets),
            Assembler::Vp8(a) => a.hole(packets),
            Assembler::Opus(a) => a.hole(packets),
        }
    }

    /// Whether nothing comes out before a keyframe arrives.
    #[must_use]
    pub fn waits_for_keyframe(&self) -> bool {
        match &self.assembler {
            Assembler::H264(a) => a.waits_for_keyframe(),
            Assembler::Vp8(a) => a.waits_for_keyframe(),
            Assembler::Opus(_) => false,
        }
    }

    /// Packets lost or dropped since the last unit that was handed out: the [`Hole`] that the next one would announce.
    #[must_use]
    pub fn missing(&self) -> u64 {
        match &self.assembler {
            Assembler::H264(a) => a.missing(),
            Assembler::Vp8(a) => a.missing(),
            Assembler::Opus(a) => a.missing(),
        }
    }

    /// What was dropped so far, by reason.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        let mut d = match &self.assembler {
            Assembler::H264(a) => a.dropped,
            Assembler::Vp8(a) => a.dropped,
            Assembler::Opus(a) => a.dropped,
        };
        d.late_or_duplicate += self.reorder.late;
        d
    }
}
