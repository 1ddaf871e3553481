//! RTP packets of one track → access units in order, and holes where units are missing.
//!
//! Contract: call [`Depacketizer::push`] for each packet and [`Depacketizer::poll`] now and then (every 100 ms will do); both
//! append to `out` what became ready. A video unit is handed on only if every packet of it is there *and* every unit since
//! the last keyframe was; after a loss everything up to the next keyframe is dropped, counted, and announced as one [`Hole`]
//! before the unit that resumes. So whatever comes out decodes without an error.
//!
//! An archive of a camera keeps more: [`Depacketizer::keeping_all`] hands out every NAL unit that was received, as it was
//! received and in order, those that do not decode in units with a mark ([`AccessUnit::broken`]).
//!
//! Does not belong here: time on the recording's line, and whom to ask for a keyframe (see [`Depacketizer::waits_for_keyframe`]).

mod aac;
mod g711;
mod h264;
mod h265;
mod nal;
mod opus;
mod reorder;
mod sound;
#[cfg(test)]
mod twin;
mod video;
mod vp8;

use crate::config::TrackConfig;
use bytes::Bytes;
use lectern_media::{Codec, ExtSeq, ExtTimestamp, UnixMillis};
use reorder::Reorder;
use sound::Sound;
use std::time::Duration;
use video::{Keep, Video};

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
    /// Why it does not decode; never from a depacketizer that hands out only what does. A broken unit has no
    /// configuration.
    pub broken: Option<Broken>,
    /// The sample as ISO base media wants it: H.264 and H.265 with four-byte lengths, without parameter sets, or with them
    /// and everything else that came, if everything is kept.
    pub data: Bytes,
}

impl AccessUnit {
    /// The NAL units of an H.264 or H.265 unit, without copying them.
    pub fn nals(&self) -> impl Iterator<Item = Bytes> + use<> {
        nals(self.data.clone())
    }
}

/// The NAL units of a sample with four-byte lengths, in order, without copying them; ends at the first length that does not fit.
pub fn nals(mut sample: Bytes) -> impl Iterator<Item = Bytes> {
    std::iter::from_fn(move || {
        let len = u32::from_be_bytes(*sample.first_chunk()?) as usize;
        if len > sample.len() - 4 {
            return None;
        }
        let mut nal_unit = sample.split_to(4 + len);
        Some(nal_unit.split_off(4))
    })
}

/// Why a unit does not decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Broken {
    /// Packets of it are missing or could not be read; it holds the NAL units that are whole, if any.
    Incomplete,
    /// It is whole, but a unit that it may refer to is missing.
    AfterLoss,
    /// It is a whole keyframe whose parameter sets were never seen, or were lost right before it.
    NoConfig,
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
    /// Malformed, or fragments of a NAL unit whose other fragments are missing, where everything else is kept.
    pub cut: u64,
    /// Sound whose configuration was not told.
    pub no_config: u64,
}

/// The payload formats' part: what one track's packets mean.
#[derive(Debug)]
enum Assembler {
    H264(Video<h264::H264>),
    H265(Video<h265::H265>),
    Vp8(Video<vp8::Vp8>),
    Opus(Sound<opus::Opus>),
    Aac(Sound<aac::Aac>),
    G711(Sound<g711::G711>),
}

/// Does the same with the track's format, whichever it is.
macro_rules! each {
    ($assembler:expr, $a:ident => $what:expr) => {
        match $assembler {
            Assembler::H264($a) => $what,
            Assembler::H265($a) => $what,
            Assembler::Vp8($a) => $what,
            Assembler::Opus($a) => $what,
            Assembler::Aac($a) => $what,
            Assembler::G711($a) => $what,
        }
    };
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
        Self::of(codec, wait, Keep::Decodable)
    }

    /// Like [`new`](Self::new), but hands out every NAL unit of H.264 and H.265 as it was received, units that do not decode
    /// with a mark. Their configurations say that samples hold parameter sets.
    #[must_use]
    pub fn keeping_all(codec: Codec, wait: Duration) -> Option<Self> {
        Self::of(codec, wait, Keep::Everything)
    }

    fn of(codec: Codec, wait: Duration, keep: Keep) -> Option<Self> {
        let assembler = match codec {
            Codec::H264 => Assembler::H264(Video::new(keep)),
            Codec::H265 => Assembler::H265(Video::new(keep)),
            Codec::Vp8 => Assembler::Vp8(Video::new(Keep::Decodable)),
            Codec::Opus => Assembler::Opus(Sound::default()),
            Codec::Aac => Assembler::Aac(Sound::default()),
            Codec::Pcma => Assembler::G711(Sound::of(g711::G711(TrackConfig::Pcma))),
            Codec::Pcmu => Assembler::G711(Sound::of(g711::G711(TrackConfig::Pcmu))),
            _ => return None,
        };
        Some(Self { reorder: Reorder::new(wait), assembler, ready: Vec::new() })
    }

    /// Takes what was told beside the packets, as [`TapEvent::Parameters`](lectern_media::tap::TapEvent) carries it: parameter
    /// sets of H.264 and H.265 (they serve until others come in the packets), the AudioSpecificConfig of AAC. What can't be
    /// parsed is left out.
    pub fn set_parameters(&mut self, config: &[u8]) {
        each!(&mut self.assembler, a => a.set_parameters(config));
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
            each!(&mut self.assembler, a => a.push(packet, out));
        }
    }

    /// Ends the span: hands out what is held back, gives up on what is missing. Call it at the track's end, and before packets
    /// whose sequence numbers are on a new base. After it, a video track resumes at a keyframe.
    pub fn flush(&mut self, out: &mut Vec<Unit>) {
        self.reorder.give_up();
        self.poll(UnixMillis(i64::MAX), out);
        each!(&mut self.assembler, a => a.flush(out));
        self.reorder.reset();
    }

    /// Tells that packets were dropped on the way here, outside of sequence numbering's sight.
    pub fn hole(&mut self, packets: u64, out: &mut Vec<Unit>) {
        self.flush(out);
        each!(&mut self.assembler, a => a.hole(packets));
    }

    /// Whether nothing comes out before a keyframe arrives.
    #[must_use]
    pub fn waits_for_keyframe(&self) -> bool {
        each!(&self.assembler, a => a.waits_for_keyframe())
    }

    /// Packets lost or dropped since the last unit that was handed out: the [`Hole`] that the next one would announce.
    #[must_use]
    pub fn missing(&self) -> u64 {
        each!(&self.assembler, a => a.missing())
    }

    /// What was dropped so far, by reason.
    #[must_use]
    pub fn dropped(&self) -> Dropped {
        let mut d = each!(&self.assembler, a => a.dropped);
        d.late_or_duplicate += self.reorder.late;
        d
    }
}
