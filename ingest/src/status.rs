//! How a camera goes, as people and the wall are told.

use lectern_media::{Bitrate, CameraStream, Codec, UnixMillis};
use std::time::Duration;

/// Why a camera refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Refusal {
    /// The address is no RTSP URL.
    BadUrl,
    /// Its host leads to addresses that no camera may have.
    Address,
    /// It has no such stream.
    NotFound,
    /// It serves as many as it can.
    Busy,
    /// What answers speaks no RTSP.
    NotRtsp,
    /// It breaks the protocol.
    Protocol,
    /// Another RTSP status.
    Status(u16),
}

/// What of a camera can't be used.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Unsupported {
    /// It offers no picture.
    NoVideo,
    /// The main stream's codec, by its name in the description.
    Codec(String),
    /// The substream's codec: walls need H.264.
    SubstreamNotH264(String),
    /// It does not offer the transport that was asked for.
    Transport,
}

/// The state of a camera, or of one of its streams.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CameraState {
    /// An operator stopped it.
    Off,
    /// A first connection is being made.
    Connecting,
    /// Pictures come.
    Live,
    /// It is connected and sends nothing.
    Silent,
    /// It can't be reached, or the connection broke.
    Unreachable,
    /// It refuses user or password.
    WrongPassword,
    /// It refuses for another reason.
    Refused(Refusal),
    /// What it sends can't be used.
    Unsupported(Unsupported),
    /// It sends far more than it may; what is beyond is refused.
    RateExceeded,
}

impl CameraState {
    /// A short name for metrics: of these there are nine.
    #[must_use]
    pub const fn label(&self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Connecting => "connecting",
            Self::Live => "live",
            Self::Silent => "silent",
            Self::Unreachable => "unreachable",
            Self::WrongPassword => "wrong_password",
            Self::Refused(_) => "refused",
            Self::Unsupported(_) => "unsupported",
            Self::RateExceeded => "rate_exceeded",
        }
    }

    /// Every label.
    pub const LABELS: [&'static str; 9] = [
        "off",
        "connecting",
        "live",
        "silent",
        "unreachable",
        "wrong_password",
        "refused",
        "unsupported",
        "rate_exceeded",
    ];
}

/// One stream's figures. Counts are since the camera was put; they do not start anew when it reconnects.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamStatus {
    /// Which stream.
    pub stream: CameraStream,
    /// How it goes with this one.
    pub state: CameraState,
    /// Its codec, once known.
    pub codec: Option<Codec>,
    /// Picture width in pixels; 0 while unknown and for sound.
    pub width: u32,
    /// Picture height in pixels; 0 while unknown and for sound.
    pub height: u32,
    /// Pictures a second over the last seconds; 0 for sound.
    pub fps: f32,
    /// Payload bits a second over the last seconds.
    pub bitrate: Bitrate,
    /// Between the last two keyframes; `None` for sound and before the second.
    pub keyframe_interval: Option<Duration>,
    /// The camera sends pictures in another order than the one in which they are shown (B-frames): browsers are shown fewer of them.
    pub b_frames: bool,
    /// Packets handed on.
    pub packets: u64,
    /// Packets that never came.
    pub lost: u64,
    /// Packets that came out of order and were put back.
    pub reordered: u64,
    /// Packets that came twice, or after their place was given up.
    pub late_or_duplicate: u64,
    /// Packets refused: beyond the rate, of a foreign source or payload type, not RTP.
    pub refused: u64,
    /// When the last packet came.
    pub last_packet: Option<UnixMillis>,
}

impl StreamStatus {
    /// A stream of which nothing is known yet.
    #[must_use]
    pub fn new(stream: CameraStream, state: CameraState) -> Self {
        Self {
            stream,
            state,
            codec: None,
            width: 0,
            height: 0,
            fps: 0.0,
            bitrate: Bitrate::ZERO,
            keyframe_interval: None,
            b_frames: false,
            packets: 0,
            lost: 0,
            reordered: 0,
            late_or_duplicate: 0,
            refused: 0,
            last_packet: None,
        }
    }
}

/// How a camera goes.
#[derive(Debug, Clone, PartialEq)]
pub struct CameraStatus {
    /// Live only if each of its pictures is; else what is the matter with the first that isn't, main before sub.
    pub state: CameraState,
    /// Since when it is in this state.
    pub since: UnixMillis,
    /// What happened, in English, for the log and for an engineer; no secrets, and of what the camera wrote only names of codecs.
    pub detail: String,
    /// Main, then sub if configured, then sound if offered.
    pub streams: Vec<StreamStatus>,
    /// How far the camera's clock is ahead of ours in milliseconds (negative: behind); `None` if it tells no time.
    pub clock_offset_ms: Option<i64>,
    /// Whether the offset rests on enough reports that agree.
    pub clock_sure: bool,
    /// How often a session that had been live was begun anew.
    pub reconnects: u64,
}

impl CameraStatus {
    /// A camera of which nothing is known yet.
    #[must_use]
    pub fn new(state: CameraState, now: UnixMillis) -> Self {
        Self {
            state,
            since: now,
            detail: String::new(),
            streams: Vec::new(),
            clock_offset_ms: None,
            clock_sure: false,
            reconnects: 0,
        }
    }

    /// One stream's figures.
    #[must_use]
    pub fn stream(&self, stream: CameraStream) -> Option<&StreamStatus> {
        self.streams.iter().find(|s| s.stream == stream)
    }
}
