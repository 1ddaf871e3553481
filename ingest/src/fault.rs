//! Why a stream does not come: one enum for sessions, states and the *test* button.

use crate::status::{CameraState, Refusal, Unsupported};
use lectern_media::tap::AbsenceCause;

/// Why a camera's stream can't be had, or ended.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Not an `rtsp://` URL with a host.
    #[error("the address is not an rtsp:// URL with a host")]
    BadUrl,
    /// No TCP connection: refused, no route, no such name.
    #[error("the camera can't be reached")]
    Unreachable,
    /// The host's name leads to none but addresses that cameras may not have ([`crate::IngestConfig::address_allowed`]).
    #[error("the host leads to an address that no camera may have: this machine or its link")]
    AddressRefused,
    /// No answer in time, at this step.
    #[error("no answer in time to {0}")]
    Timeout(&'static str),
    /// User and password were refused, or are needed and missing (401).
    #[error("user or password is wrong")]
    WrongPassword,
    /// There is no such stream (404, 454 while setting up).
    #[error("the camera has no such stream")]
    NotFound,
    /// The camera serves as many as it can (453, 503).
    #[error("the camera has no room for one more viewer")]
    Busy,
    /// The camera does not offer this transport (461).
    #[error("the camera does not offer this transport")]
    TransportRefused,
    /// Another refusal, by its RTSP status code (RFC 2326 §11).
    #[error("the camera refused with status {0}")]
    Status(u16),
    /// What answers does not speak RTSP.
    #[error("what answers does not speak RTSP")]
    NotRtsp,
    /// It speaks RTSP, but not as the standard says, in this respect.
    #[error("the camera breaks the protocol: {0}")]
    Protocol(&'static str),
    /// The description names no picture.
    #[error("the description names no video")]
    NoVideo,
    /// A codec that can't be recorded, by its name in the description.
    #[error("the codec {0} is not supported")]
    CodecNotSupported(String),
    /// The substream is in another codec than H.264, by its name.
    #[error("the substream is {0}, not H.264")]
    SubstreamNotH264(String),
    /// The camera closed the connection in order.
    #[error("the camera closed the connection")]
    Closed,
    /// The connection broke.
    #[error("the connection broke")]
    Reset,
    /// Connected, but no packet for too long.
    #[error("the camera sends nothing")]
    Silent,
    /// No keyframe came within the time of a probe.
    #[error("no keyframe came in time")]
    NoKeyframe,
    /// We failed: a socket could not be made, a task broke.
    #[error("internal: {0}")]
    Internal(&'static str),
}

impl Fault {
    /// The state of a camera that has this fault.
    #[must_use]
    pub fn state(&self) -> CameraState {
        match self {
            Self::BadUrl => CameraState::Refused(Refusal::BadUrl),
            Self::AddressRefused => CameraState::Refused(Refusal::Address),
            Self::Unreachable | Self::Timeout(_) | Self::Reset | Self::Closed | Self::Internal(_) => {
                CameraState::Unreachable
            }
            Self::WrongPassword => CameraState::WrongPassword,
            Self::NotFound => CameraState::Refused(Refusal::NotFound),
            Self::Busy => CameraState::Refused(Refusal::Busy),
            Self::TransportRefused => CameraState::Unsupported(Unsupported::Transport),
            Self::Status(code) => CameraState::Refused(Refusal::Status(*code)),
            Self::NotRtsp => CameraState::Refused(Refusal::NotRtsp),
            Self::Protocol(_) => CameraState::Refused(Refusal::Protocol),
            Self::NoVideo => CameraState::Unsupported(Unsupported::NoVideo),
            Self::CodecNotSupported(name) => CameraState::Unsupported(Unsupported::Codec(name.clone())),
            Self::SubstreamNotH264(name) => CameraState::Unsupported(Unsupported::SubstreamNotH264(name.clone())),
            Self::Silent | Self::NoKeyframe => CameraState::Silent,
        }
    }

    /// What the archive is told: whether the camera answers decides.
    #[must_use]
    pub const fn cause(&self) -> AbsenceCause {
        match self {
            Self::Unreachable
            | Self::Timeout(_)
            | Self::Reset
            | Self::Internal(_)
            | Self::BadUrl
            | Self::AddressRefused => AbsenceCause::Network,
            _ => AbsenceCause::CameraSilent,
        }
    }

    /// Whether the connection failed, and not what was asked over it: a camera that is there again may well answer.
    pub(crate) const fn is_of_connection(&self) -> bool {
        matches!(self, Self::Unreachable | Self::Timeout(_) | Self::Reset | Self::Closed)
    }

    /// A short name for metrics: of these there are few.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::BadUrl => "bad_url",
            Self::Unreachable => "unreachable",
            Self::AddressRefused => "address_refused",
            Self::Timeout(_) => "timeout",
            Self::WrongPassword => "wrong_password",
            Self::NotFound => "not_found",
            Self::Busy => "busy",
            Self::TransportRefused => "transport_refused",
            Self::Status(_) => "status",
            Self::NotRtsp => "not_rtsp",
            Self::Protocol(_) => "protocol",
            Self::NoVideo => "no_video",
            Self::CodecNotSupported(_) => "codec",
            Self::SubstreamNotH264(_) => "substream_not_h264",
            Self::Closed => "closed",
            Self::Reset => "reset",
            Self::Silent => "silent",
            Self::NoKeyframe => "no_keyframe",
            Self::Internal(_) => "internal",
        }
    }
}
