//! The timetable, lessons, joining.

use crate::ws::{LessonState, RoomRole};
use lectern_media::{AccountId, ClassId, LessonId, ParticipantId, PlaceId, RecordingId, RoomId, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

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
        /// The lesson. A planned one has its id before anybody opens it, and keeps it unless its class is moved.
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
        /// It was ended before its time, and the one who asks may take it up again: whoever joins as its teacher does.
        pub again: bool,
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
        /// The `resume` of the [`JoinGrant`] before (kept in the browser's session storage), to take one's place again under
        /// the same name after a reload. What one is there is decided anew.
        pub resume: Option<String>,
    }
}

body! {
    /// A short-lived grant to enter a room.
    pub struct JoinGrant {
        /// Goes into `Hello` of the WebSocket, and is good for nothing else: WHIP and WHEP take a [`DeviceToken`].
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

words! {
    /// What a device may do with its token.
    pub enum DevicePurpose {
        /// Publish into the class as its teacher (WHIP), and watch it. For the teacher and for administrators.
        Publish,
        /// Watch the class (WHEP), nothing else. For staff of the place, too.
        Watch,
    }
}

body! {
    /// Asks for a token for OBS, a recording host or a player.
    pub struct NewDeviceToken {
        /// What the device will do.
        pub purpose: DevicePurpose,
    }
}

secret_body! {
    /// A token with which OBS or a recording host publishes into a class (WHIP), or a player watches it (WHEP). It is
    /// worth nothing any more once it expires, the class's devices are revoked, its teacher changes or it is removed.
    pub struct DeviceToken {
        /// Bearer token.
        pub token: String,
        /// What it is good for.
        pub purpose: DevicePurpose,
        /// Path to publish to, `/whip/{room}`; none for a token that only watches.
        pub whip: Option<String>,
        /// Path to watch at, `/whep/{room}`.
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
