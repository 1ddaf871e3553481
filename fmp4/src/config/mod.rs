//! What a decoder must know before the first sample, taken from the bitstream itself.

pub mod aac;
pub mod avc;
pub(crate) mod bits;
pub mod hevc;
pub mod opus;
pub mod vp8;

use lectern_media::{ClockRate, Codec, TrackKind};

pub use aac::AacConfig;
pub use avc::AvcConfig;
pub use hevc::HevcConfig;
pub use opus::OpusConfig;
pub use vp8::Vp8Config;

/// The decoder configuration of one track. Two equal configurations share an init segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackConfig {
    /// H.264 in `avc1`: parameter sets live in `avcC`, samples carry none; in `avc3`: samples may carry them, too.
    Avc(AvcConfig),
    /// H.265 in `hvc1` or `hev1`, likewise.
    Hevc(HevcConfig),
    /// VP8 in `vp08`.
    Vp8(Vp8Config),
    /// Opus in `Opus`.
    Opus(OpusConfig),
    /// AAC-LC in `mp4a`.
    Aac(AacConfig),
    /// G.711 A-law in `alaw`, one channel.
    Pcma,
    /// G.711 µ-law in `ulaw`, one channel.
    Pcmu,
}

impl TrackConfig {
    /// The codec.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        match self {
            Self::Avc(_) => Codec::H264,
            Self::Vp8(_) => Codec::Vp8,
            Self::Hevc(_) => Codec::H265,
            Self::Opus(_) => Codec::Opus,
            Self::Aac(_) => Codec::Aac,
            Self::Pcma => Codec::Pcma,
            Self::Pcmu => Codec::Pcmu,
        }
    }

    /// Ticks per second of the track; the RTP clock of the codec, of AAC its sampling rate.
    #[must_use]
    pub const fn timescale(&self) -> ClockRate {
        match self {
            // Never zero: a configuration's rate is at least 7 kHz.
            Self::Aac(c) => ClockRate::of(c.rate),
            _ => self.codec().clock_rate(),
        }
    }

    /// How many pictures at most come before one that is shown before them; `None` if the stream does not say. Sound and VP8 are
    /// never reordered.
    #[must_use]
    pub fn reorder_max(&self) -> Option<u8> {
        match self {
            Self::Avc(c) => c.reorder_max(),
            Self::Hevc(c) => c.reorder_max(),
            Self::Vp8(_) | Self::Opus(_) | Self::Aac(_) | Self::Pcma | Self::Pcmu => Some(0),
        }
    }

    /// Whether this is sound.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.codec().kind() == TrackKind::Audio
    }

    /// Width and height in pixels; zero for sound.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        match self {
            Self::Avc(c) => (c.width, c.height),
            Self::Hevc(c) => (c.width, c.height),
            Self::Vp8(c) => (c.width, c.height),
            Self::Opus(_) | Self::Aac(_) | Self::Pcma | Self::Pcmu => (0, 0),
        }
    }

    /// The `codecs` parameter (RFC 6381): `avc1.42e01f`, `hvc1.1.6.L93.B0`, `vp08.00.31.08`, `opus`, `mp4a.40.2`. G.711 has
    /// none that browsers know: the sample entry's name is given.
    #[must_use]
    pub fn rfc6381(&self) -> String {
        match self {
            Self::Avc(c) => c.rfc6381(),
            Self::Vp8(c) => c.rfc6381(),
            // Lower case: Media Source Extensions of Chromium refuse `Opus`.
            Self::Opus(_) => "opus".into(),
            Self::Hevc(c) => c.rfc6381(),
            Self::Aac(c) => c.rfc6381(),
            Self::Pcma => "alaw".into(),
            Self::Pcmu => "ulaw".into(),
        }
    }
}
