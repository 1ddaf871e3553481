//! Recordings and what happened in them.

use crate::ws::RoomRole;
use lectern_media::{LessonId, ParticipantId, RecordingId, TrackId, TrackSource, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

words! {
    /// State of a recording.
    pub enum RecordingStatus {
        /// Grows; can be watched up to now.
        Live,
        /// Complete.
        Done,
        /// Ended by a failure (disk full, crash before anything was written); what is there can be watched.
        Partial,
    }
}

body! {
    /// A recording in a list.
    pub struct RecordingItem {
        /// Id.
        pub id: RecordingId,
        /// The lesson.
        pub lesson: LessonId,
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
        /// When it began.
        pub started: UnixMillis,
        /// Length in milliseconds.
        pub duration_ms: u64,
        /// State.
        pub status: RecordingStatus,
        /// Size on disk in bytes.
        pub size_bytes: u64,
        /// Where the one who asks stopped watching, in milliseconds.
        pub position_ms: Option<u64>,
        /// For search results: the matched text with its moment, if the match was in chat or questions.
        pub hit: Option<TextHit>,
    }
}

body! {
    /// A match inside a recording.
    pub struct TextHit {
        /// When, from the start, in milliseconds.
        pub at_ms: u64,
        /// The sentence.
        pub text: String,
    }
}

body! {
    /// A page of recordings.
    pub struct RecordingPage {
        /// The recordings, newest or best match first.
        pub items: Vec<RecordingItem>,
        /// Cursor of the next page, if there is one.
        pub next: Option<String>,
        /// How many match in all.
        pub total: u64,
    }
}

body! {
    /// Everything the player needs.
    pub struct RecordingDetail {
        /// The list's facts.
        #[serde(flatten)]
        pub item: RecordingItem,
        /// Its tracks.
        pub tracks: Vec<RecordedTrack>,
        /// Stretches in which nothing or not everything was recorded.
        pub gaps: Vec<RecordedGap>,
        /// Chapters: where the stage or the shared screen changed.
        pub chapters: Vec<Chapter>,
        /// What happened.
        pub events: Vec<TimelineEvent>,
    }
}

body! {
    /// One recorded track.
    pub struct RecordedTrack {
        /// Track.
        pub track: TrackId,
        /// Whose, by name.
        pub name: String,
        /// Whether the publisher was the teacher.
        pub teacher: bool,
        /// Source.
        pub source: TrackSource,
        /// `avc1.42e01f`, `vp8`, `opus`.
        pub codec: String,
        /// First sample, from the start of the recording, in milliseconds.
        pub from_ms: u64,
        /// End of the last sample.
        pub to_ms: u64,
        /// Media playlist of this track (H.264 and Opus), `/vod/{recording}/{track}/index.m3u8`.
        pub playlist: Option<String>,
        /// WebM of this track (VP8), `/vod/{recording}/{track}.webm`.
        pub webm: Option<String>,
        /// Width in pixels (largest).
        pub width: u32,
        /// Height in pixels (largest).
        pub height: u32,
    }
}

words! {
    /// Why something is missing.
    pub enum GapCause {
        /// The server was down.
        Restart,
        /// Packets were lost on the way in.
        Loss,
        /// The disk could not take it.
        Disk,
        /// The recorder was too slow.
        Overload,
        /// The publisher was away.
        Reconnect,
        /// Muted: nothing was sent.
        Muted,
        /// The camera answered but sent nothing.
        CameraSilent,
        /// The camera could not be reached.
        Network,
        /// An operator stopped the camera or its recording.
        Operator,
        /// The camera sent more than it may; the rest was refused.
        RateExceeded,
    }
}

body! {
    /// A stretch in which a track (or all) is missing.
    pub struct RecordedGap {
        /// The track; none = the whole recording.
        pub track: Option<TrackId>,
        /// From.
        pub from_ms: u64,
        /// To.
        pub to_ms: u64,
        /// Why.
        pub cause: GapCause,
    }
}

body! {
    /// A chapter.
    pub struct Chapter {
        /// From.
        pub at_ms: u64,
        /// Stable kind: `start`, `screen_on`, `screen_off`, `stage_on`, `stage_off`.
        pub kind: String,
        /// Whose, by name.
        pub name: String,
    }
}

body! {
    /// Something that happened in class.
    pub struct TimelineEvent {
        /// When, from the start of the recording.
        pub at_ms: u64,
        /// What.
        pub event: ClassEvent,
    }
}

/// What can happen in class; kept as the recording's timeline track.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClassEvent {
    /// The lesson began.
    Opened {},
    /// Someone came.
    Joined {
        /// Who.
        participant: ParticipantId,
        /// Name.
        name: String,
        /// What they are.
        role: RoomRole,
    },
    /// Someone left.
    Left {
        /// Who.
        participant: ParticipantId,
    },
    /// Someone went on stage or off.
    Stage {
        /// Who.
        participant: ParticipantId,
        /// Name.
        name: String,
        /// On or off.
        on: bool,
    },
    /// A hand went up or down.
    Hand {
        /// Whose.
        participant: ParticipantId,
        /// Name.
        name: String,
        /// Up or down.
        up: bool,
    },
    /// A screen share began or ended.
    Screen {
        /// Whose.
        participant: ParticipantId,
        /// Name.
        name: String,
        /// On or off.
        on: bool,
    },
    /// Chat.
    Chat {
        /// Who.
        participant: ParticipantId,
        /// Name.
        name: String,
        /// Text.
        text: String,
    },
    /// A question was asked.
    Asked {
        /// Number.
        question: u32,
        /// Name.
        name: String,
        /// Text.
        text: String,
    },
    /// A question was answered.
    Answered {
        /// Number.
        question: u32,
        /// The answer in words, if written.
        text: Option<String>,
        /// Votes it had.
        votes: u32,
    },
    /// Recording could not go on, or went on again.
    Recording {
        /// Whether it records.
        on: bool,
    },
    /// The lesson ended.
    Ended {},
}

body! {
    /// Where a person stopped watching.
    pub struct Position {
        /// Milliseconds from the start.
        pub position_ms: u64,
    }
}
