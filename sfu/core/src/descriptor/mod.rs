//! What a payload starts with: enough of VP8 and H.264 to find keyframes and picture sizes, and to
//! rewrite VP8's numbers. Not here: depacketisation (nobody in the forwarding plane looks further into a frame).

pub mod h264;
pub mod vp8;

use h264::H264Shape;
use lectern_media::Codec;
use vp8::Vp8Descriptor;

/// A picture size in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Resolution {
    /// Pixels from left to right, as displayed.
    pub width: u16,
    /// Pixels from top to bottom, as displayed.
    pub height: u16,
}

/// Why a payload was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DescriptorError {
    /// The payload ends inside its descriptor.
    #[error("the payload ends inside its descriptor")]
    Truncated,
    /// A NAL unit type that RFC 6184 does not allow here, or the forbidden bit.
    #[error("NAL unit type {0} does not belong in an RTP payload of mode 1")]
    NalType(u8),
}

/// What was learnt from the first bytes of a payload. Two dozen bytes, copied with the packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadShape {
    /// Nothing but padding was in the packet.
    Padding,
    /// Sound: every packet stands for itself.
    Opus,
    /// VP8 (RFC 7741).
    Vp8(Vp8Descriptor),
    /// H.264 (RFC 6184).
    H264(H264Shape),
}

impl PayloadShape {
    /// Looks at `payload`.
    ///
    /// # Errors
    /// [`DescriptorError`] if it is not what `codec` prescribes.
    pub fn describe(codec: Codec, payload: &[u8]) -> Result<Self, DescriptorError> {
        if payload.is_empty() {
            return Ok(Self::Padding);
        }
        match codec {
            Codec::Vp8 => Vp8Descriptor::parse(payload).map(Self::Vp8),
            Codec::H264 => H264Shape::parse(payload).map(Self::H264),
            _ => Ok(Self::Opus),
        }
    }

    /// Whether a decoder can start here.
    #[must_use]
    pub const fn is_keyframe_start(&self) -> bool {
        match self {
            Self::Padding => false,
            Self::Opus => true,
            Self::Vp8(d) => d.keyframe,
            Self::H264(s) => s.keyframe,
        }
    }

    /// The picture size, where this packet tells it (VP8 keyframe header, H.264 SPS).
    #[must_use]
    pub const fn resolution(&self) -> Option<Resolution> {
        match self {
            Self::Vp8(d) => d.resolution,
            Self::H264(s) => s.resolution,
            _ => None,
        }
    }
}

/// Whether a decoder can start at `payload`; `false` for what cannot be parsed.
#[must_use]
pub fn is_keyframe_start(codec: Codec, payload: &[u8]) -> bool {
    PayloadShape::describe(codec, payload).is_ok_and(|s| s.is_keyframe_start())
}
