//! Tracks and their encoded layers.

use crate::{Codec, ParticipantId, TrackId};
use serde::{Deserialize, Serialize};

/// Sound or picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrackKind {
    /// Sound. Never paused by congestion.
    Audio,
    /// Picture.
    Video,
}

/// Where a track comes from.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum TrackSource {
    /// A camera.
    Camera,
    /// A microphone.
    Microphone,
    /// A shared screen, window or tab.
    Screen,
    /// The sound of a shared screen, window or tab.
    ScreenAudio,
    /// The second, smaller stream of a surveillance camera, archived beside the main one. Never published by a browser.
    Substream,
}

impl TrackSource {
    /// Sound or picture.
    #[must_use]
    pub const fn kind(self) -> TrackKind {
        match self {
            Self::Camera | Self::Screen | Self::Substream => TrackKind::Video,
            Self::Microphone | Self::ScreenAudio => TrackKind::Audio,
        }
    }
}

/// A simulcast layer of a track (RFC 8853), counted from the lowest: 0, 1, 2. A track without simulcast has layer 0 only.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ts_rs::TS,
    utoipa::ToSchema,
)]
#[serde(transparent)]
#[ts(type = "number")]
pub struct Layer(pub u8);

impl Layer {
    /// The most layers a track may have.
    pub const COUNT_MAX: usize = 3;

    /// The layer's place in an array of [`Layer::COUNT_MAX`].
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// What the rest of the system knows of a published track.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
pub struct TrackInfo {
    /// The track.
    pub id: TrackId,
    /// Who publishes it.
    pub participant: ParticipantId,
    /// Where it comes from.
    pub source: TrackSource,
    /// How it is encoded.
    pub codec: Codec,
    /// How many simulcast layers it has, 1 to [`Layer::COUNT_MAX`].
    pub layers: u8,
}
