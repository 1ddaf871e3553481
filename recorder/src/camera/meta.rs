//! What is recorded of a camera, and where it lies.

use crate::meta::Subject;
use lectern_auth::PlaceNode;
use lectern_media::{CameraId, PlaceId, RecordingId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};
use ulid::Ulid;

/// A camera as its recordings tell of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraMeta {
    /// The camera.
    pub camera: CameraId,
    /// Its name.
    pub name: String,
    /// Where it is: rights hang on it.
    pub place: PlaceId,
    /// That place with all above it, the root first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<PlaceNode>,
    /// That place's name.
    pub place_name: String,
    /// What it watches (`exam_room`, `sealed_room`, …): retention hangs on it.
    pub group: String,
    /// Its code of 20 digits (GB/T 28181), if it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}

impl CameraMeta {
    /// Whether a header that tells of `self` is right of a camera that is `other` now: its place, name and group. What follows from the
    /// tree of places, and the code, may wait for the next hour.
    pub(crate) fn tells_of(&self, other: &Self) -> bool {
        (self.place, &self.name, &self.group) == (other.place, &other.name, &other.group)
    }
}

/// The word by which a header says that it is a camera's.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CameraKind {
    /// A camera.
    #[default]
    Camera,
}

/// The recording before this one (invariant 12).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Previous {
    /// Which.
    pub recording: RecordingId,
    /// Records of its chain when this one was created.
    pub records: u64,
    /// The link of the last of them, hexadecimal.
    pub head: String,
}

/// The header of one recording of a camera: an hour at most.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraRecording {
    /// Says that it is a camera's.
    pub kind: CameraKind,
    /// The recording. Its time part is `started`, so that its directory follows from it.
    pub id: RecordingId,
    /// Zero of its time.
    pub started: UnixMillis,
    /// When the next one begins, if nothing stops this one and it does not give way before.
    pub until: UnixMillis,
    /// The one before; none for the camera's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous: Option<Previous>,
    /// The camera.
    #[serde(flatten)]
    pub camera: CameraMeta,
}

impl Subject for CameraRecording {
    fn id(&self) -> RecordingId {
        self.id
    }

    fn started(&self) -> UnixMillis {
        self.started
    }
}

/// A new recording's id: `started` and 80 random bits.
pub(crate) fn recording_id(started: UnixMillis) -> RecordingId {
    RecordingId(Ulid::from_parts(started.0.max(0) as u64, Ulid::new().random()))
}

/// The directory of a camera's recordings of the day (UTC) of `at`.
#[must_use]
pub fn camera_day_dir(root: &Path, camera: CameraId, at: UnixMillis) -> PathBuf {
    root.join(crate::day_of(at)).join(camera.to_string())
}

/// The directory of a camera's recording: its day and time follow from its id.
#[must_use]
pub fn camera_recording_dir(root: &Path, camera: CameraId, recording: RecordingId) -> PathBuf {
    let started = UnixMillis(recording.0.timestamp_ms() as i64);
    let at = jiff::Timestamp::from_millisecond(started.0).unwrap_or_default();
    camera_day_dir(root, camera, started).join(format!("{}-{recording}", at.strftime("%H%M")))
}

/// The recording whose directory has this name.
pub(crate) fn parse_dir_name(name: &str) -> Option<RecordingId> {
    let (time, id) = name.split_once('-')?;
    (time.len() == 4 && time.bytes().all(|b| b.is_ascii_digit())).then(|| id.parse().ok())?
}

/// The first moment after `at` at which recordings roll: a multiple of `every` since 1970.
pub(crate) fn next_roll(at: UnixMillis, every: Duration) -> UnixMillis {
    let every = (every.as_millis() as i64).max(1);
    UnixMillis((at.0.div_euclid(every) + 1).saturating_mul(every))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_follows_from_the_id_and_back() {
        let (camera, started) = (CameraId::generate(), UnixMillis(1_790_000_000_123));
        let id = recording_id(started);
        let dir = camera_recording_dir(Path::new("/r"), camera, id);
        assert_eq!(dir, Path::new("/r").join(format!("2026-09-21/{camera}/1413-{id}")));
        assert_eq!(parse_dir_name(dir.file_name().unwrap().to_str().unwrap()), Some(id));
        for no in ["", "1413", "14-x", "removed.jsonl", &format!("14x3-{id}"), &format!("1413-{id}.removing")] {
            assert_eq!(parse_dir_name(no), None, "{no}");
        }
    }

    #[test]
    fn hours_roll_at_the_hour() {
        let hour = Duration::from_secs(3600);
        for (at, next) in [(0, 3_600_000), (3_599_999, 3_600_000), (3_600_000, 7_200_000), (-1, 0)] {
            assert_eq!(next_roll(UnixMillis(at), hour), UnixMillis(next));
        }
    }
}
