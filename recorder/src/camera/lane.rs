//! One stream of a camera while it is recorded, and how a camera's recording stands.

use super::coverage::Coverage;
use crate::{
    FailReason,
    track::{Standing, Track},
};
use bytes::Bytes;
use lectern_media::{ClockRate, TrackInfo, UnixMillis};

/// Where a camera's recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CameraRecordingState {
    /// It is being recorded.
    On,
    /// The disk does not take it; it goes on by itself.
    Failed {
        /// Why.
        reason: FailReason,
    },
    /// It was stopped.
    Ended,
}

/// … for those who show it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CameraRecordingStatus {
    /// Where it stands.
    pub state: CameraRecordingState,
    /// Since when.
    pub since: UnixMillis,
    /// Everything received before this survives a power cut.
    pub durable: UnixMillis,
    /// Bytes of the recording of this hour.
    pub bytes: u64,
}

/// One stream.
pub(super) struct Lane {
    pub(super) info: Option<TrackInfo>,
    pub(super) rate: Option<ClockRate>,
    pub(super) parameters: Bytes,
    /// `None` between two starts, and while the recording has failed.
    pub(super) track: Option<Track>,
    /// Which part the one before it left open, for the next one.
    pub(super) standing: Option<Standing>,
    /// Its end in ticks, for the next one.
    pub(super) end: Option<(u64, u32)>,
    pub(super) coverage: Coverage,
    pub(super) init: Vec<u8>,
    /// The next fragment opens a part.
    pub(super) new_part: bool,
    /// It was moved to the newer recording.
    pub(super) moved: bool,
    pub(super) ended: Option<UnixMillis>,
    pub(super) offset: Option<(UnixMillis, i64)>,
}

impl Lane {
    pub(super) fn new(info: Option<TrackInfo>, coverage: Coverage) -> Self {
        Self {
            info,
            rate: None,
            parameters: Bytes::new(),
            track: None,
            standing: None,
            end: None,
            coverage,
            init: Vec::new(),
            new_part: true,
            moved: true,
            ended: None,
            offset: None,
        }
    }

    /// Where its next track begins at the earliest, in ticks of a clock.
    pub(super) fn set_end(&mut self, end: Option<(u64, u32)>) {
        self.end = end;
        (self.track, self.standing, self.new_part) = (None, None, true);
    }
}
