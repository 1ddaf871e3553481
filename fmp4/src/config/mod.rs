//! What a decoder must know before the first sample, taken from the bitstream itself.

pub mod avc;
pub mod opus;
pub mod vp8;

use lectern_media::{ClockRate, Codec};

pub use avc::AvcConfig;
pub use opus::OpusConfig;
pub use vp8::Vp8Config;

/// The decoder configuration of one track. Two equal configurations share an init segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackConfig {
    /// H.264 in `avc1`: parameter sets live in `avcC`, samples carry none.
    Avc(AvcConfig),
    /// VP8 in `vp08`.
    Vp8(Vp8Config),
    /// Opus in `Opus`.
    Opus(OpusConfig),
}

impl TrackConfig {
    /// The codec.
    #[must_use]
    pub const fn codec(&self) -> Codec {
        match self {
            Self::Avc(_) => Codec::H264,
            Self::Vp8(_) => Codec::Vp8,
            Self::Opus(_) => Codec::Opus,
        }
    }

    /// Ticks per second of the track; the RTP clock of the codec.
    #[must_use]
    pub const fn timescale(&self) -> ClockRate {
        self.codec().clock_rate()
    }

    /// Width and height in pixels; zero for sound.
    #[must_use]
    pub fn size(&self) -> (u16, u16) {
        match self {
            Self::Avc(c) => (c.width, c.height),
            Self::Vp8(c) => (c.width, c.height),
            Self::Opus(_) => (0, 0),
        }
    }

    /// The `codecs` parameter (RFC 6381): `avc1.42e01f`, `vp08.00.31.08`, `opus`.
    #[must_use]
    pub fn rfc6381(&self) -> String {
        match self {
            Self::Avc(c) => c.rfc6381(),
            Self::Vp8(c) => c.rfc6381(),
            // Lower case: Media Source Extensions of Chromium refuse `Opus`.
            Self::Opus(_) => "opus".into(),
        }
    }
}
