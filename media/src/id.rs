//! Identities. Each is a ULID (128 bits, sortable by creation time), written as 26 characters of Crockford base 32.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use ulid::Ulid;

/// The text was not a ULID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not an id: expected 26 characters of Crockford base 32")]
pub struct ParseIdError;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema)]
        #[serde(transparent)]
        #[ts(type = "string")]
        #[schema(value_type = String, example = "01J9Z3K5Q0A7X2M4N6P8R0S2T4")]
        pub struct $name(pub Ulid);

        impl $name {
            /// A new id: the current wall time and 80 random bits.
            #[must_use]
            pub fn generate() -> Self {
                Self(Ulid::new())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(&self.0, f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = ParseIdError;
            fn from_str(s: &str) -> Result<Self, ParseIdError> {
                Ulid::from_string(s).map(Self).map_err(|_| ParseIdError)
            }
        }
    };
}

id!(
    /// A room of the media plane: the thing participants publish into and subscribe from. A class keeps one room id.
    RoomId
);
id!(
    /// One participation in a room: survives reconnects, ends when the participant leaves.
    ParticipantId
);
id!(
    /// One published source (a camera, a microphone, a screen) with all its encoded layers.
    TrackId
);
id!(
    /// One transport to the media plane (one ICE/DTLS association).
    PeerId
);
id!(
    /// One recording of one lesson.
    RecordingId
);
id!(
    /// A node of the tree of places: nation → province → city → district → school or exam site → class.
    PlaceId
);
id!(
    /// A person's account.
    AccountId
);
id!(
    /// A timetable entry: what is taught, by whom, when, once or weekly. Owns one room.
    ClassId
);
id!(
    /// One occurrence of a class: it is opened, taught and ended, and has at most one recording.
    LessonId
);
id!(
    /// A camera of an exam site or a campus.
    CameraId
);

/// The streams of one camera.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum CameraStream {
    /// The full picture, H.264 or H.265: archived, and shown when a tile is enlarged.
    Main,
    /// The small picture, H.264: archived, shown on walls, watched for faults.
    Sub,
    /// The sound.
    Sound,
}

impl CameraStream {
    /// Every stream.
    pub const ALL: [Self; 3] = [Self::Main, Self::Sub, Self::Sound];
}

impl CameraId {
    /// The id of a stream's track in the archive. It follows from the camera, so that a camera that comes back goes on
    /// with the same track, in whatever process.
    #[must_use]
    pub const fn track(self, stream: CameraStream) -> TrackId {
        let nth = match stream {
            CameraStream::Main => 1,
            CameraStream::Sub => 2,
            CameraStream::Sound => 3,
        };
        TrackId(Ulid(self.0.0.wrapping_add(nth)))
    }

    /// Which of this camera's streams a track of the archive is.
    #[must_use]
    pub fn stream(self, track: TrackId) -> Option<CameraStream> {
        CameraStream::ALL.into_iter().find(|s| self.track(*s) == track)
    }

    /// Who the camera is in a room.
    #[must_use]
    pub const fn participant(self) -> ParticipantId {
        ParticipantId(self.0)
    }
}
