//! The records of the catalogue, as they are kept. Each is plain data; fields that are added later have a default, so
//! that an older record stays readable.

use lectern_auth::{PasswordHash, Redacted, RoleAt};
use lectern_media::{AccountId, ClassId, LessonId, ParticipantId, PlaceId, RecordingId, RoomId, UnixMillis};
use lectern_protocol::{
    api::{ClassMode, RecordingStatus, Repeat},
    ws::{LessonState, RoomRole},
};
use serde::{Deserialize, Serialize};
use std::time::Duration;
use ulid::Ulid;

/// A person's account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Account {
    /// Id.
    pub id: AccountId,
    /// Log-in name as typed; compared without regard to case.
    pub login: String,
    /// Name to show.
    pub name: Redacted<String>,
    /// What they may do, where. At most [`Account::ROLES_MAX`].
    pub roles: Vec<RoleAt>,
    /// Can't sign in.
    #[serde(default)]
    pub disabled: bool,
    /// None until the person chose one through the invitation.
    pub password: Option<PasswordHash>,
    /// When it was made.
    pub created: UnixMillis,
}

impl Account {
    /// Roles per account.
    pub const ROLES_MAX: usize = 50;
}

/// What to change of an account; `None` leaves it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AccountChange {
    /// Name to show.
    pub name: Option<String>,
    /// Roles, all of them.
    pub roles: Option<Vec<RoleAt>>,
    /// Disabled or not. Disabling ends all sessions.
    pub disabled: Option<bool>,
    /// A new password.
    pub password: Option<PasswordHash>,
}

/// What is typed into the timetable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClassEntry {
    /// Title.
    pub title: String,
    /// Subject.
    pub subject: String,
    /// Grade.
    pub grade: String,
    /// Who teaches.
    pub teacher: AccountId,
    /// The school or class it belongs to.
    pub place: PlaceId,
    /// How it is taught.
    pub mode: ClassMode,
    /// First (or only) start.
    pub starts: UnixMillis,
    /// Length in minutes.
    pub duration_min: u32,
    /// How often.
    pub repeat: Repeat,
    /// A moment on the last day of a weekly class.
    pub until: Option<UnixMillis>,
    /// Whether people who join by link wait to be admitted.
    pub waiting_room: bool,
    /// Whether the lesson is recorded.
    pub record: bool,
}

/// A timetable entry with what it owns: a room and a join code, both for good.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Class {
    /// Id.
    pub id: ClassId,
    /// Its room.
    pub room: RoomId,
    /// Join code.
    pub code: String,
    /// What was typed in.
    pub entry: ClassEntry,
    /// When it was made.
    pub created: UnixMillis,
    /// When it was taken out of the timetable; its lessons and recordings stay.
    #[serde(default)]
    pub removed: Option<UnixMillis>,
    /// Which generation of device tokens is good. Revoking all devices, and another teacher, begin the next.
    #[serde(default)]
    pub device_generation: u32,
}

impl Class {
    /// A new class with a room and a code of its own.
    #[must_use]
    pub fn new(entry: ClassEntry, now: UnixMillis) -> Self {
        Self {
            id: ClassId::generate(),
            room: RoomId::generate(),
            code: crate::code::generate(),
            entry,
            created: now,
            removed: None,
            device_generation: 0,
        }
    }
}

/// One occurrence of a class.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Lesson {
    /// Id.
    pub id: LessonId,
    /// Of which class.
    pub class: ClassId,
    /// Planned start.
    pub starts: UnixMillis,
    /// Where it stands.
    pub state: LessonState,
    /// When the teacher opened it.
    pub opened: Option<UnixMillis>,
    /// When it ended.
    pub ended: Option<UnixMillis>,
    /// Its recording.
    pub recording: Option<RecordingId>,
}

impl Lesson {
    /// A lesson that nobody opened yet. Its id follows from class and start, so that a planned lesson needs no record to
    /// have one: the time of the start, and the random part of the class's id. `attempt` counts from 0 and tells lessons
    /// apart that were planned for the same moment, because an earlier one was held ahead of its time.
    #[must_use]
    pub fn planned(class: ClassId, starts: UnixMillis, attempt: u32) -> Self {
        let time_ms = u64::try_from(starts.0).unwrap_or_default();
        let random = class.0.random().wrapping_add(attempt.into());
        let id = LessonId(Ulid::from_parts(time_ms, random));
        Self { id, class, starts, state: LessonState::Scheduled, opened: None, ended: None, recording: None }
    }

    /// When it should be over, if it takes as long as its class's lessons do: counted from its start, or from when it was
    /// opened if that was later.
    #[must_use]
    pub fn planned_end(&self, entry: &ClassEntry) -> UnixMillis {
        let from = self.opened.map_or(self.starts, |opened| opened.max(self.starts));
        from.plus(Duration::from_secs(60 * u64::from(entry.duration_min)))
    }
}

/// What to change of a lesson; `None` leaves it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct LessonChange {
    /// Where it stands.
    pub state: Option<LessonState>,
    /// When it was opened.
    pub opened: Option<UnixMillis>,
    /// When it ended.
    pub ended: Option<UnixMillis>,
    /// Its recording.
    pub recording: Option<RecordingId>,
}

/// One presence of one person in one lesson. `(participant, from)` identifies it; a later write with `to` completes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AttendanceRow {
    /// Who.
    pub participant: ParticipantId,
    /// Their account, if signed in.
    pub account: Option<AccountId>,
    /// Their name.
    pub name: Redacted<String>,
    /// What they were.
    pub role: RoomRole,
    /// When they came.
    pub from: UnixMillis,
    /// When they left.
    pub to: Option<UnixMillis>,
}

/// What the catalogue knows of a recording. Names are those of the day it was made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Recording {
    /// Id.
    pub id: RecordingId,
    /// Of which lesson.
    pub lesson: LessonId,
    /// Of which class.
    pub class: ClassId,
    /// The place whose rights apply.
    pub place: PlaceId,
    /// Who taught.
    pub teacher: AccountId,
    /// Title.
    pub title: String,
    /// Subject.
    pub subject: String,
    /// Grade.
    pub grade: String,
    /// The teacher's name.
    pub teacher_name: String,
    /// The school's name.
    pub school: String,
    /// When it began.
    pub started: UnixMillis,
    /// Length.
    pub duration_ms: u64,
    /// State.
    pub status: RecordingStatus,
    /// Bytes on disk.
    pub size_bytes: u64,
    /// When somebody deleted it; it can be restored until it is purged.
    #[serde(default)]
    pub deleted: Option<UnixMillis>,
}

/// A sentence said in writing: chat, a question, an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TextLine {
    /// When, from the start of the recording.
    pub at_ms: u64,
    /// The sentence.
    pub text: String,
}

impl TextLine {
    /// Lines kept per recording; the first ones stay.
    pub const LINES_MAX: usize = 5_000;
    /// Bytes of text kept per recording.
    pub const BYTES_MAX: usize = 512 * 1024;
}

/// All that the catalogue keeps of a recording: what the recorder registers, and what a rebuild reads from its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RecordingSummary {
    /// Facts.
    pub recording: Recording,
    /// Chat and questions, to be searched.
    pub lines: Vec<TextLine>,
}

/// Where somebody stopped watching.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Milliseconds from the start.
    pub position_ms: u64,
    /// When that was.
    pub at: UnixMillis,
}
