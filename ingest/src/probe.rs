//! The *test* button: connect once, look, and say in an enum what is wrong.

use crate::{config::CameraConfig, fault::Fault};
use bytes::Bytes;
use lectern_media::{Bitrate, Codec};
use std::time::Duration;

/// What a probe finds wrong; the same words as a running camera's.
pub type ProbeFault = Fault;

/// What a probe saw of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbedVideo {
    /// Its codec.
    pub codec: Codec,
    /// Width in pixels; 0 if neither description nor stream told.
    pub width: u32,
    /// Height in pixels; 0 if neither description nor stream told.
    pub height: u32,
    /// Pictures a second.
    pub fps: f32,
    /// Bits a second.
    pub bitrate: Bitrate,
    /// Between two keyframes, if two came.
    pub keyframe_interval: Option<Duration>,
}

/// What a probe saw of the sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbedSound {
    /// The camera offers none.
    None,
    /// It is recorded in this codec.
    Codec(Codec),
    /// It is in a codec that is left out, by its name in the description.
    NotSupported(String),
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeReport {
    /// The main stream, or what is wrong with it.
    pub main: Result<ProbedVideo, ProbeFault>,
    /// The substream, if one is configured, or what is wrong with it.
    pub sub: Option<Result<ProbedVideo, ProbeFault>>,
    /// The sound of the main stream.
    pub sound: ProbedSound,
    /// How far the camera's clock is ahead of ours in milliseconds; `None` if no sender report came.
    pub clock_offset_ms: Option<i64>,
    /// A keyframe to show, with its parameter sets and start codes (Annex B), and its codec: of the substream, else of the main.
    pub keyframe: Option<(Codec, Bytes)>,
}

/// Connects to a camera as it would be run, watches it for at most `within`, and says what it saw. Nothing is recorded.
pub async fn probe(config: CameraConfig, within: Duration) -> ProbeReport {
    crate::camera::probe(config.normalised(), within).await
}
