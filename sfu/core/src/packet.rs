//! A publisher's packet as the forwarding plane sees it: parsed once at the door, then shared by every subscriber.
//!
//! Belongs here: the view and the trait by which retransmission finds packets again. Does not belong here: where the
//! bytes are kept ([`crate::packet_ring`]).

use crate::descriptor::PayloadShape;
use lectern_media::{Codec, ExtSeq, ExtTimestamp, Layer};
use std::time::Instant;

/// A published track as the shell knows it within one shard. Chosen by the shell, never reused while a line carries it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// The largest RTP payload accepted from a publisher, in bytes. Ethernet less IP, UDP, RTP and SRTP leaves less; what is
/// larger could not be sent on in one datagram.
pub const PAYLOAD_LEN_MAX: usize = 1400;

/// The level of the audio header extension (RFC 6464 §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AudioLevel {
    /// Decibels below full scale: 0 is loudest, 127 is silence.
    pub below_full_dbov: u8,
    /// Whether the sender believes the packet holds speech.
    pub voice: bool,
}

impl AudioLevel {
    /// Reads the one-byte extension element (RFC 6464 §3); `None` if it is empty.
    #[must_use]
    pub fn from_extension(data: &[u8]) -> Option<Self> {
        data.first().map(|b| Self { below_full_dbov: b & 0x7f, voice: b & 0x80 != 0 })
    }

    /// The byte of the extension element.
    #[must_use]
    pub const fn to_byte(self) -> u8 {
        (self.below_full_dbov & 0x7f) | if self.voice { 0x80 } else { 0 }
    }
}

/// What is known of a packet besides its payload.
#[derive(Debug, Clone, Copy)]
pub struct PacketMeta {
    /// The codec of the payload.
    pub codec: Codec,
    /// The simulcast layer.
    pub layer: Layer,
    /// The layer's own sequence number, extended.
    pub seq: ExtSeq,
    /// The layer's own timestamp, extended.
    pub timestamp: ExtTimestamp,
    /// What to add to [`timestamp`](Self::timestamp) to reach the track's common clock (the sender's wall clock in
    /// ticks), once a sender report has told it. Lets a line change layers without a jump in time.
    pub clock_offset: Option<i64>,
    /// When the packet arrived at this server.
    pub arrival: Instant,
    /// The marker bit: the last packet of a video frame.
    pub marker: bool,
    /// The loudness the sender announced, for audio.
    pub audio_level: Option<AudioLevel>,
    /// What the payload starts with.
    pub shape: PayloadShape,
}

impl PacketMeta {
    /// Whether the packet held nothing but padding.
    #[must_use]
    pub const fn payload_is_padding(&self) -> bool {
        matches!(self.shape, PayloadShape::Padding)
    }
}

/// One packet of one layer, opened (decrypted), in the order of arrival.
#[derive(Debug, Clone, Copy)]
pub struct SourcePacket<'a> {
    /// What is known of it.
    pub meta: PacketMeta,
    /// The payload without padding; empty if the packet was padding only.
    pub payload: &'a [u8],
}

impl SourcePacket<'_> {
    /// Whether a decoder can start at this packet. Always true for audio.
    #[must_use]
    pub fn is_keyframe_start(&self) -> bool {
        self.meta.shape.is_keyframe_start()
    }
}

/// Where packets that were forwarded earlier are found again, for retransmission and paced sending. The shell implements
/// it over its table of sources; [`crate::packet_ring::TrackRings`] does for one track.
pub trait PacketSource {
    /// The packet `seq` of `layer` of `source`, if still kept.
    fn packet(&self, source: SourceId, layer: Layer, seq: ExtSeq) -> Option<SourcePacket<'_>>;
}
