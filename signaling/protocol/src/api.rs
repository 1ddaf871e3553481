//! Bodies of the HTTP API under `/api/v1`. Errors are `application/problem+json` (RFC 9457): [`Problem`].

use crate::ws::{LessonState, RoomRole};
use lectern_media::{
    AccountId, ClassId, LessonId, ParticipantId, PlaceId, RecordingId, RoomId, TrackId, TrackSource, UnixMillis,
};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

macro_rules! body {
    ($(#[$m:meta])* pub struct $name:ident { $($(#[$fm:meta])* pub $f:ident : $t:ty,)* }) => {
        $(#[$m])*
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
        pub struct $name { $($(#[$fm])* pub $f: $t,)* }
    };
}

macro_rules! words {
    ($(#[$m:meta])* pub enum $name:ident { $($(#[$vm:meta])* $v:ident,)* }) => {
        $(#[$m])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS, ToSchema)]
        #[serde(rename_all = "snake_case")]
        pub enum $name { $($(#[$vm])* $v,)* }
    };
}

body! {
    /// An error as RFC 9457 wants it. `code` is stable and has words in the client; `detail` is English for the log.
    pub struct Problem {
        /// `about:blank` or a URI of the problem's description.
        #[serde(rename = "type")]
        pub kind: String,
        /// Short English title.
        pub title: String,
        /// HTTP status.
        pub status: u16,
        /// Stable machine-readable code, snake_case.
        pub code: String,
        /// What happened to this request, and what to do.
        pub detail: String,
        /// The request's id, to find it in the log.
        pub request_id: String,
        /// The field or CSV line at fault, if one is.
        pub field: Option<String>,
    }
}

words! {
    /// The levels of the one tree of places.
    pub enum PlaceLevel {
        /// Nation.
        Nation,
        /// Province.
        Province,
        /// City.
        City,
        /// District or county.
        District,
        /// School.
        School,
        /// Exam site.
        ExamSite,
        /// Class (a group of pupils with its own classroom).
        Class,
    }
}

words! {
    /// A role is a right at a place and everything below it.
    pub enum Role {
        /// Manages people, places and settings.
        Administrator,
        /// Teaches classes.
        Teacher,
        /// Attends classes.
        Student,
        /// Searches, watches and reviews recordings.
        Staff,
        /// Watches exam rooms.
        Examiner,
    }
}

body! {
    /// A node of the tree.
    pub struct Place {
        /// Id.
        pub id: PlaceId,
        /// Parent; the root has none.
        pub parent: Option<PlaceId>,
        /// Level.
        pub level: PlaceLevel,
        /// Name.
        pub name: String,
    }
}

body! {
    /// Makes a place.
    pub struct NewPlace {
        /// Parent.
        pub parent: PlaceId,
        /// Level, below the parent's.
        pub level: PlaceLevel,
        /// Name, 1 to 100 characters.
        pub name: String,
    }
}

body! {
    /// A role held at a place.
    pub struct RoleAt {
        /// Role.
        pub role: Role,
        /// Where, and everywhere below.
        pub place: PlaceId,
    }
}

body! {
    /// A person's account, without secrets.
    pub struct Account {
        /// Id.
        pub id: AccountId,
        /// Log-in name.
        pub login: String,
        /// Name to show.
        pub name: String,
        /// What they may do, where.
        pub roles: Vec<RoleAt>,
        /// Disabled accounts can't sign in.
        pub disabled: bool,
        /// Invited, but has not chosen a password yet.
        pub invited: bool,
    }
}

body! {
    /// Makes an account; the person chooses a password through the invitation link in the answer.
    pub struct NewAccount {
        /// Log-in name, 2 to 64 characters.
        pub login: String,
        /// Name to show, 1 to 100 characters.
        pub name: String,
        /// Roles, each at a place that the caller administers.
        pub roles: Vec<RoleAt>,
    }
}

body! {
    /// An account with the link by which the person chooses a password. Valid once, for seven days.
    pub struct Invitation {
        /// The account.
        pub account: Account,
        /// Path of the page, with the token in the fragment: `/welcome#…`.
        pub link: String,
        /// Until when.
        pub expires: UnixMillis,
    }
}

body! {
    /// Signs in.
    pub struct SignIn {
        /// Log-in name.
        pub login: String,
        /// Password.
        pub password: String,
    }
}

body! {
    /// Chooses a password with an invitation or reset token.
    pub struct ChoosePassword {
        /// The token of the link.
        pub token: String,
        /// The new password, 10 to 200 characters.
        pub password: String,
    }
}

body! {
    /// Changes one's own password. All other sessions end.
    pub struct ChangePassword {
        /// The password until now.
        pub old: String,
        /// The new password, 10 to 200 characters.
        pub new: String,
    }
}

body! {
    /// Renames a place.
    pub struct PlaceChange {
        /// Name, 1 to 100 characters.
        pub name: String,
    }
}

body! {
    /// Changes an account; what is absent stays.
    pub struct AccountChange {
        /// Name to show, 1 to 100 characters.
        pub name: Option<String>,
        /// All roles. Each that is added or taken away must be at a place that the caller administers.
        pub roles: Option<Vec<RoleAt>>,
        /// Disabled accounts can't sign in, and their sessions end.
        pub disabled: Option<bool>,
    }
}

body! {
    /// Who is signed in. `csrf` goes back in the header `x-csrf-token` of every request that changes something.
    pub struct Me {
        /// The account.
        pub account: Account,
        /// The token.
        pub csrf: String,
    }
}

words! {
    /// How a class is taught.
    pub enum ClassMode {
        /// 专递课堂: a few remote classrooms, two-way.
        Dedicated,
        /// 名师课堂: many viewers, one-way with questions, a viewer may be brought on stage.
        Famous,
    }
}

words! {
    /// How often a class takes place.
    pub enum Repeat {
        /// Once.
        Once,
        /// Every week on the same weekday.
        Weekly,
    }
}

body! {
    /// A timetable entry as typed in.
    pub struct NewClass {
        /// Title, 1 to 200 characters.
        pub title: String,
        /// Subject, up to 50 characters.
        pub subject: String,
        /// Grade, up to 50 characters.
        pub grade: String,
        /// Who teaches.
        pub teacher: AccountId,
        /// The school or class it belongs to.
        pub place: PlaceId,
        /// How it is taught.
        pub mode: ClassMode,
        /// First (or only) start.
        pub starts: UnixMillis,
        /// Length in minutes, 1 to 600.
        pub duration_min: u32,
        /// How often.
        pub repeat: Repeat,
        /// Last day of a weekly class.
        pub until: Option<UnixMillis>,
        /// Whether people who join by link wait to be admitted.
        pub waiting_room: bool,
        /// Whether the lesson is recorded.
        pub record: bool,
    }
}

body! {
    /// A timetable entry.
    pub struct Class {
        /// Id.
        pub id: ClassId,
        /// Room of the media plane.
        pub room: RoomId,
        /// The short code of the join link `/c/{code}`: 9 letters and digits without look-alikes.
        pub code: String,
        /// What was typed in.
        #[serde(flatten)]
        pub entry: NewClass,
        /// The teacher's name.
        pub teacher_name: String,
        /// The school's name.
        pub school: String,
    }
}

body! {
    /// One lesson of a day's list.
    pub struct LessonItem {
        /// The lesson; made when it is first looked at or opened.
        pub id: LessonId,
        /// The class.
        pub class: ClassId,
        /// Join code.
        pub code: String,
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
        /// Planned start.
        pub starts: UnixMillis,
        /// Planned length.
        pub duration_min: u32,
        /// Where it stands.
        pub state: LessonState,
        /// Whether the one who asks teaches it.
        pub mine: bool,
        /// Its recording, once there is one.
        pub recording: Option<RecordingId>,
        /// How many are in class now.
        pub participants: u32,
    }
}

body! {
    /// Result of a CSV import: all or nothing.
    pub struct ImportResult {
        /// How many entries were made (0 if anything was wrong).
        pub created: u32,
        /// What is wrong, by line.
        pub errors: Vec<ImportError>,
    }
}

body! {
    /// One fault of an imported file.
    pub struct ImportError {
        /// Line number, the header is 1.
        pub line: u32,
        /// Column name.
        pub column: String,
        /// Stable code with words in the client.
        pub code: String,
        /// English detail.
        pub detail: String,
    }
}

body! {
    /// Asks to join by link. Signed-in people may leave the name empty.
    pub struct JoinRequest {
        /// Name to show, 1 to 60 characters.
        pub name: String,
        /// Join as a classroom screen.
        pub classroom: bool,
        /// A participant id kept from before (the browser's session storage), to take one's place again after a reload.
        pub resume: Option<String>,
    }
}

body! {
    /// A short-lived grant to enter a room.
    pub struct JoinGrant {
        /// Goes into `Hello`, and as bearer token to WHIP and WHEP.
        pub grant: String,
        /// Who one will be.
        pub participant: ParticipantId,
        /// Opaque; sent back as `resume` next time.
        pub resume: String,
        /// What one will be.
        pub role: RoomRole,
        /// Title of the class.
        pub title: String,
        /// Teacher's name.
        pub teacher: String,
        /// Until when the grant can be used to enter.
        pub expires: UnixMillis,
    }
}

body! {
    /// What a join link leads to, before joining.
    pub struct ClassPreview {
        /// Title.
        pub title: String,
        /// Teacher's name.
        pub teacher: String,
        /// School's name.
        pub school: String,
        /// Planned start of this or the next lesson.
        pub starts: UnixMillis,
        /// Where it stands.
        pub state: LessonState,
        /// Whether the one who asks is its teacher.
        pub mine: bool,
        /// Whether people wait to be admitted.
        pub waiting_room: bool,
    }
}

body! {
    /// A token with which OBS or a recording host publishes into a class (WHIP), or a player watches it (WHEP).
    pub struct DeviceToken {
        /// Bearer token.
        pub token: String,
        /// `/whip/{room}`.
        pub whip: String,
        /// `/whep/{room}`.
        pub whep: String,
        /// Until when.
        pub expires: UnixMillis,
    }
}

body! {
    /// One presence of one person: who, from when to when.
    pub struct Attendance {
        /// Who.
        pub participant: ParticipantId,
        /// Their name.
        pub name: String,
        /// What they were.
        pub role: RoomRole,
        /// When they came.
        pub from: UnixMillis,
        /// When they left; not yet.
        pub to: Option<UnixMillis>,
    }
}

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

/// Shows every body to `visitor`, for the TypeScript twin.
pub(crate) fn visit_types(visitor: &mut impl ts_rs::TypeVisitor) {
    visitor.visit::<Problem>();
    visitor.visit::<PlaceLevel>();
    visitor.visit::<Role>();
    visitor.visit::<Place>();
    visitor.visit::<NewPlace>();
    visitor.visit::<RoleAt>();
    visitor.visit::<Account>();
    visitor.visit::<NewAccount>();
    visitor.visit::<Invitation>();
    visitor.visit::<SignIn>();
    visitor.visit::<ChoosePassword>();
    visitor.visit::<ChangePassword>();
    visitor.visit::<PlaceChange>();
    visitor.visit::<AccountChange>();
    visitor.visit::<Me>();
    visitor.visit::<ClassMode>();
    visitor.visit::<Repeat>();
    visitor.visit::<NewClass>();
    visitor.visit::<Class>();
    visitor.visit::<LessonItem>();
    visitor.visit::<ImportResult>();
    visitor.visit::<ImportError>();
    visitor.visit::<JoinRequest>();
    visitor.visit::<JoinGrant>();
    visitor.visit::<ClassPreview>();
    visitor.visit::<DeviceToken>();
    visitor.visit::<Attendance>();
    visitor.visit::<RecordingStatus>();
    visitor.visit::<RecordingItem>();
    visitor.visit::<TextHit>();
    visitor.visit::<RecordingPage>();
    visitor.visit::<RecordingDetail>();
    visitor.visit::<RecordedTrack>();
    visitor.visit::<GapCause>();
    visitor.visit::<RecordedGap>();
    visitor.visit::<Chapter>();
    visitor.visit::<TimelineEvent>();
    visitor.visit::<ClassEvent>();
    visitor.visit::<Position>();
}
