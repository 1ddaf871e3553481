//! Codecs that Lectern carries.

use crate::{ClockRate, TrackKind};
use serde::{Deserialize, Serialize};

/// A codec of the media plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Codec {
    /// H.264 constrained baseline, packetization-mode 1 (RFC 6184).
    H264,
    /// VP8 (RFC 7741).
    Vp8,
    /// Opus (RFC 7587), always announced as 48 kHz, two channels.
    Opus,
}

impl Codec {
    /// What this codec carries.
    #[must_use]
    pub const fn kind(self) -> TrackKind {
        match self {
            Self::H264 | Self::Vp8 => TrackKind::Video,
            Self::Opus => TrackKind::Audio,
        }
    }

    /// The RTP clock of this codec.
    #[must_use]
    pub const fn clock_rate(self) -> ClockRate {
        match self {
            Self::H264 | Self::Vp8 => ClockRate::VIDEO,
            Self::Opus => ClockRate::OPUS,
        }
    }

    /// The encoding name of SDP `a=rtpmap` (RFC 8866 §6.6), compared without case.
    #[must_use]
    pub const fn encoding_name(self) -> &'static str {
        match self {
            Self::H264 => "H264",
            Self::Vp8 => "VP8",
            Self::Opus => "opus",
        }
    }
}
