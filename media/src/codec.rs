//! Codecs that Lectern carries.

use crate::{ClockRate, TrackKind};
use serde::{Deserialize, Serialize};

/// A codec of the media plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Codec {
    /// H.264 (ITU-T H.264), packetization-mode 1 (RFC 6184); constrained baseline from browsers, any profile from cameras.
    H264,
    /// H.265 (ITU-T H.265, RFC 7798), from cameras.
    H265,
    /// VP8 (RFC 7741).
    Vp8,
    /// Opus (RFC 7587), always announced as 48 kHz, two channels.
    Opus,
    /// AAC-LC, `MPEG4-GENERIC` in mode AAC-hbr (RFC 3640 §3.3.6), from cameras.
    Aac,
    /// G.711 A-law (RFC 3551 §4.5.14), 8 kHz, one channel, from cameras.
    Pcma,
    /// G.711 µ-law (RFC 3551 §4.5.14), 8 kHz, one channel, from cameras.
    Pcmu,
}

impl Codec {
    /// What this codec carries.
    #[must_use]
    pub const fn kind(self) -> TrackKind {
        match self {
            Self::H264 | Self::H265 | Self::Vp8 => TrackKind::Video,
            Self::Opus | Self::Aac | Self::Pcma | Self::Pcmu => TrackKind::Audio,
        }
    }

    /// The RTP clock of this codec. That of AAC is its sampling rate, which [`TapEvent::Parameters`](crate::tap::TapEvent)
    /// tells; here it is the most common one.
    #[must_use]
    pub const fn clock_rate(self) -> ClockRate {
        match self {
            Self::H264 | Self::H265 | Self::Vp8 => ClockRate::VIDEO,
            Self::Opus | Self::Aac => ClockRate::OPUS,
            Self::Pcma | Self::Pcmu => ClockRate::G711,
        }
    }

    /// The encoding name of SDP `a=rtpmap` (RFC 8866 §6.6), compared without case.
    #[must_use]
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::H265 => "H265",
            Self::Vp8 => "VP8",
            Self::Opus => "opus",
            Self::Aac => "MPEG4-GENERIC",
            Self::Pcma => "PCMA",
            Self::Pcmu => "PCMU",
        }
    }
}
