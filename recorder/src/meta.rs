//! The header and the seal: the first and the last thing written of a recording.

use crate::camera::CameraRecording;
use lectern_auth::PlaceNode;
use lectern_media::{AccountId, ClassId, LessonId, PlaceId, RecordingId, RoomId, TrackId, UnixMillis};
use lectern_protocol::api::RecordingStatus;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use std::{
    io,
    path::{Path, PathBuf},
};

/// The format version we write; newer ones are refused.
pub const FORMAT: u32 = 1;

/// The hash suite we write: SHA-256 now, the head signed with Ed25519 where a key is configured.
pub const SUITE: &str = "sha256-ed25519";

/// What is recorded, of whom, since when.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordingMeta {
    /// The recording.
    pub id: RecordingId,
    /// The lesson it records.
    pub lesson: LessonId,
    /// The room of the media plane.
    pub room: RoomId,
    /// The timetable entry, if there is one.
    #[serde(default)]
    pub class: Option<ClassId>,
    /// The school or class it belongs to: rights hang on it.
    #[serde(default)]
    pub place: Option<PlaceId>,
    /// That place with all above it, the root first: a catalogue that was lost gets its tree back from them. Empty in
    /// recordings of an older version.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<PlaceNode>,
    /// Whose lesson it is.
    #[serde(default)]
    pub teacher_account: Option<AccountId>,
    /// Title.
    pub title: String,
    /// Subject.
    pub subject: String,
    /// Grade.
    pub grade: String,
    /// Teacher's name.
    pub teacher: String,
    /// School's name.
    pub school: String,
    /// Zero of the recording's time.
    pub started: UnixMillis,
}

/// What a header tells: of a lesson ([`RecordingMeta`]) or a camera ([`CameraRecording`](crate::camera::CameraRecording)).
pub trait Subject: Clone + Serialize + DeserializeOwned {
    /// The recording.
    fn id(&self) -> RecordingId;
    /// Zero of its time.
    fn started(&self) -> UnixMillis;
}

impl Subject for RecordingMeta {
    fn id(&self) -> RecordingId {
        self.id
    }

    fn started(&self) -> UnixMillis {
        self.started
    }
}

/// Either.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum AnyMeta {
    /// First, for only it has a `kind`.
    Camera(Box<CameraRecording>),
    Lesson(Box<RecordingMeta>),
}

impl Subject for AnyMeta {
    fn id(&self) -> RecordingId {
        match self {
            Self::Camera(m) => m.id,
            Self::Lesson(m) => m.id,
        }
    }

    fn started(&self) -> UnixMillis {
        match self {
            Self::Camera(m) => m.started,
            Self::Lesson(m) => m.started,
        }
    }
}

/// `recording.json`: written first, never changed (invariant 1).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header<M = RecordingMeta> {
    /// Format version.
    pub format: u32,
    /// Hash suite.
    pub suite: String,
    /// What is recorded.
    #[serde(flatten)]
    pub meta: M,
}

/// `seal.json`: the recording is complete (invariant 10).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// Format version.
    pub format: u32,
    /// Hash suite.
    pub suite: String,
    /// Length in milliseconds.
    pub duration_ms: u64,
    /// Bytes of all parts.
    pub size_bytes: u64,
    /// Records of the chain.
    pub records: u64,
    /// Head of the chain, hexadecimal.
    pub head: String,
    /// Whether the lesson was ended in order; false if it was abandoned.
    pub finished: bool,
    /// When it was sealed.
    pub sealed: UnixMillis,
    /// What is recorded of each track (cameras only), so that a day is listed without reading every chain.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spans: Vec<TrackSpan>,
}

/// A stretch in which a track is recorded without a hole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrackSpan {
    /// The track.
    pub track: TrackId,
    /// From, in milliseconds of the recording.
    pub from_ms: u64,
    /// To.
    pub to_ms: u64,
}

/// Holes shorter than this do not end a span: a picture more or less.
const SPAN_HOLE_MS: u64 = 500;

/// Adds a stretch of a track to its spans; stretches of one track come in order.
pub(crate) fn add_span(spans: &mut Vec<TrackSpan>, track: TrackId, from_ms: u64, to_ms: u64) {
    match spans.iter_mut().rev().find(|s| s.track == track) {
        Some(last) if from_ms < last.to_ms.saturating_add(SPAN_HOLE_MS) => last.to_ms = last.to_ms.max(to_ms),
        _ => spans.push(TrackSpan { track, from_ms, to_ms }),
    }
}

/// Why a header can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HeaderError {
    /// The file can't be read.
    #[error("cannot read {path}")]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not a header.
    #[error("{path} is not a recording's header")]
    Parse {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Written by a newer Lectern.
    #[error("{path} has format {found}, this version reads up to {FORMAT}; use a newer Lectern")]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// Chained by functions we don't have.
    #[error("{path} uses hash suite {suite:?}, this version knows {SUITE:?} only")]
    Suite {
        /// Which file.
        path: PathBuf,
        /// Its suite.
        suite: String,
    },
}

/// Only what must be known before the rest may be interpreted.
#[derive(Deserialize)]
struct Versions {
    format: u32,
    suite: String,
}

fn read<T: for<'de> Deserialize<'de>>(path: PathBuf) -> Result<(T, Vec<u8>), HeaderError> {
    let bytes = std::fs::read(&path).map_err(|source| HeaderError::Read { path: path.clone(), source })?;
    let versions: Versions =
        serde_json::from_slice(&bytes).map_err(|source| HeaderError::Parse { path: path.clone(), source })?;
    if versions.format > FORMAT {
        return Err(HeaderError::Newer { path, found: versions.format });
    }
    if versions.suite != SUITE {
        return Err(HeaderError::Suite { path, suite: versions.suite });
    }
    let value = serde_json::from_slice(&bytes).map_err(|source| HeaderError::Parse { path, source })?;
    Ok((value, bytes))
}

impl Header {
    /// The header's file name.
    pub const FILE: &'static str = "recording.json";
}

impl<M: Subject> Header<M> {
    pub(crate) fn new(meta: M) -> Self {
        Self { format: FORMAT, suite: SUITE.into(), meta }
    }

    /// Reads the header of the recording in `dir`, and its bytes: the chain begins with their hash.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn read(dir: &Path) -> Result<(Self, Vec<u8>), HeaderError> {
        read(dir.join(Header::FILE))
    }
}

impl Seal {
    /// The seal's file name.
    pub const FILE: &'static str = "seal.json";

    /// Reads the seal of the recording in `dir`; `None` if it is not sealed.
    ///
    /// # Errors
    /// [`HeaderError`].
    pub fn read(dir: &Path) -> Result<Option<Self>, HeaderError> {
        match read(dir.join(Self::FILE)) {
            Ok((seal, _)) => Ok(Some(seal)),
            Err(HeaderError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// A recording in short: enough to list it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordingSummary {
    /// What is recorded.
    pub meta: RecordingMeta,
    /// Where it lies.
    pub dir: PathBuf,
    /// Length in milliseconds, up to what is durable.
    pub duration_ms: u64,
    /// Bytes of all parts.
    pub size_bytes: u64,
    /// Live until sealed; then done, or partial if it was abandoned.
    pub status: RecordingStatus,
}
