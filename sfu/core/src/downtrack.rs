//! One outgoing line (one SSRC and its RTX SSRC, fixed for the connection): what it carries now, and the packets that go
//! out on it. Ties [`crate::selector`], [`crate::rewrite`] and [`crate::history`] together.

use lectern_media::{Codec, PayloadType, Ssrc, TrackKind};

/// The payload types of one codec on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadTypes {
    /// The codec.
    pub codec: Codec,
    /// Its payload type.
    pub media: PayloadType,
    /// The payload type of its RTX, if negotiated.
    pub rtx: Option<PayloadType>,
}

/// Header extension ids negotiated on one line (RFC 8285 one-byte form: 1 to 14).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`.
    pub mid: Option<u8>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`.
    pub twcc: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`.
    pub abs_send_time: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level`.
    pub audio_level: Option<u8>,
}

/// What a line is.
#[derive(Debug, Clone)]
pub struct LineConfig {
    /// Sound or picture.
    pub kind: TrackKind,
    /// The SSRC of everything sent on the line.
    pub ssrc: Ssrc,
    /// The SSRC of its RTX, if negotiated.
    pub rtx_ssrc: Option<Ssrc>,
    /// The codecs the subscriber accepts on it, at most [`CODECS_MAX`].
    pub payload_types: Vec<PayloadTypes>,
    /// Header extensions.
    pub extensions: ExtensionIds,
    /// The value of the MID extension, 1 to 16 bytes, if it is to be sent.
    pub mid: Option<String>,
    /// The first outgoing sequence number and timestamp and RTX sequence number; random, from the shell.
    pub seed: u64,
}

/// The most codecs a line may accept.
pub const CODECS_MAX: usize = 4;

/// Counters of one line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineStats {
    /// Media packets sent.
    pub packets: u64,
    /// Media payload bytes sent.
    pub payload_bytes: u64,
    /// Packets sent again on request.
    pub retransmitted: u64,
    /// Packets sent to probe the line.
    pub probes: u64,
    /// Layer switches.
    pub switches: u64,
}
