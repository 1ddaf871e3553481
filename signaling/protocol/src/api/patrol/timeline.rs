//! The day of a camera: what is recorded, what is missing and why, marks and holds.

use super::{AlarmItem, CameraGroup};
use crate::api::GapCause;
use lectern_media::{CameraId, CameraStream, PlaceId, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use ulid::Ulid;
use utoipa::ToSchema;

body! {
    /// A stretch of time.
    pub struct Span {
        /// From.
        pub from: UnixMillis,
        /// To.
        pub to: UnixMillis,
    }
}

body! {
    /// A stretch in which something is missing.
    pub struct CameraGap {
        /// From.
        pub from: UnixMillis,
        /// To.
        pub to: UnixMillis,
        /// Of which stream; none: of all.
        pub stream: Option<CameraStream>,
        /// Why.
        pub cause: GapCause,
    }
}

body! {
    /// What one camera's recording holds between two moments.
    pub struct CameraDay {
        /// The camera.
        pub camera: CameraId,
        /// From.
        pub from: UnixMillis,
        /// To; not later than now.
        pub to: UnixMillis,
        /// Recorded stretches of the main stream.
        pub main: Vec<Span>,
        /// … of the substream.
        pub sub: Vec<Span>,
        /// … of the sound.
        pub sound: Vec<Span>,
        /// Codec of the main stream: `avc1.…`, `hvc1.…`; empty if none.
        pub main_codec: String,
        /// What is missing.
        pub gaps: Vec<CameraGap>,
        /// When the camera hung elsewhere, or was of another group, and the caller may not see what it recorded: nothing is said of
        /// whether there is anything.
        pub elsewhere: Vec<Span>,
        /// Alarms that touch the range.
        pub alarms: Vec<AlarmItem>,
        /// Bookmarks.
        pub bookmarks: Vec<Bookmark>,
        /// Holds.
        pub holds: Vec<Hold>,
        /// Up to when the recording survives a power cut; none: it does not run.
        pub durable: Option<UnixMillis>,
    }
}

body! {
    /// A bookmark.
    pub struct Bookmark {
        /// Id.
        #[ts(type = "string")]
        #[schema(value_type = String)]
        pub id: Ulid,
        /// The camera.
        pub camera: CameraId,
        /// When in the recording.
        pub at: UnixMillis,
        /// Text, 0 to 200 characters.
        pub text: String,
        /// Whose, by name.
        pub by: String,
        /// Whether it is the caller's own.
        pub mine: bool,
    }
}

body! {
    /// Sets a bookmark.
    pub struct NewBookmark {
        /// When in the recording.
        pub at: UnixMillis,
        /// Text, 0 to 200 characters.
        pub text: String,
    }
}

body! {
    /// A hold (留存锁定): no rule removes what it covers.
    pub struct Hold {
        /// Id.
        #[ts(type = "string")]
        #[schema(value_type = String)]
        pub id: Ulid,
        /// The camera.
        pub camera: CameraId,
        /// From.
        pub from: UnixMillis,
        /// To.
        pub to: UnixMillis,
        /// Why.
        pub why: String,
        /// Who set it, by name.
        pub by: String,
        /// When.
        pub at: UnixMillis,
        /// Who asked to release it, by name; somebody else must agree. Nobody, once the request has run out or whoever made it has
        /// lost the right.
        pub release_asked_by: Option<String>,
        /// Set if two people agreed and the recorder did not let go: the hold is in force, and whoever may agree may do so again.
        pub release_failed: Option<ReleaseFailure>,
        /// Whether the caller may agree.
        pub may_release: bool,
    }
}

body! {
    /// A release of a hold that did not come about.
    pub struct ReleaseFailure {
        /// When it was tried.
        pub at: UnixMillis,
        /// Why, in words of the recorder.
        pub why: String,
    }
}

words! {
    /// What somebody means who presses a button about the release of a hold.
    pub enum ReleaseIntent {
        /// To ask for it: somebody else must agree.
        Ask,
        /// To agree with whoever asked: the hold ends for good.
        Agree,
    }
}

body! {
    /// A word about the release of a hold. It is refused with `hold_changed` if the hold is not in the state that it is meant for.
    pub struct ReleaseWish {
        /// What is meant.
        pub intent: ReleaseIntent,
    }
}

body! {
    /// Sets a hold on several cameras.
    pub struct NewHold {
        /// Cameras, 1 to 100.
        pub cameras: Vec<CameraId>,
        /// From.
        pub from: UnixMillis,
        /// To.
        pub to: UnixMillis,
        /// Why, 2 to 200 characters.
        pub why: String,
    }
}

body! {
    /// How long footage is kept at a place and below it, by group. The nearest rule above a camera counts.
    pub struct RetentionRule {
        /// Where.
        pub place: PlaceId,
        /// Of which group.
        pub group: CameraGroup,
        /// Days, 1 to 3,650.
        pub days: u32,
    }
}

body! {
    /// The rules in force, and what they mean for the disk.
    pub struct Retention {
        /// The rules.
        pub rules: Vec<RetentionRule>,
        /// Days where no rule says otherwise.
        pub default_days: u32,
        /// Bytes of footage on disk.
        pub used_bytes: u64,
        /// Bytes free on the disk.
        pub free_bytes: u64,
        /// Days until the disk is full at the present rate; none if nothing grows.
        pub full_in_days: Option<u32>,
    }
}

body! {
    /// The server's clock is not where it should be: days of footage are counted without what it leapt, until it is believed.
    pub struct ClockDoubt {
        /// How far it is ahead of what is explained, in milliseconds; negative: behind.
        #[ts(type = "number")]
        pub ahead_ms: i64,
        /// The time by which days are counted meanwhile.
        pub counted: UnixMillis,
        /// Since when, by the doubted clock.
        pub since: UnixMillis,
        /// Milliseconds that must still be recorded under it before it is believed; none: only a person can say that it is right.
        #[ts(type = "number | null")]
        pub left_ms: Option<u64>,
        /// Whether somebody must act: it leapt while the machine ran, or further than a machine is off over a long week-end.
        pub alarm: bool,
    }
}

body! {
    /// The server's clock, by which days of footage are counted.
    pub struct PatrolClock {
        /// What it shows now.
        pub now: UnixMillis,
        /// Set while it is not believed, for those who manage cameras or set how long footage is kept.
        pub doubt: Option<ClockDoubt>,
        /// Whether the caller may say that it is right.
        pub may_confirm: bool,
    }
}

body! {
    /// Says that the server's clock is right: from the next look at footage on, a minute later at most, days are counted by it.
    pub struct ConfirmClock {
        /// What it showed to whoever says so. Refused if that is not what it shows now, to ten minutes.
        pub now: UnixMillis,
    }
}

pub(super) fn visit_types(v: &mut impl ts_rs::TypeVisitor) {
    v.visit::<Span>();
    v.visit::<CameraGap>();
    v.visit::<CameraDay>();
    v.visit::<Bookmark>();
    v.visit::<NewBookmark>();
    v.visit::<Hold>();
    v.visit::<ReleaseFailure>();
    v.visit::<ReleaseIntent>();
    v.visit::<ReleaseWish>();
    v.visit::<NewHold>();
    v.visit::<RetentionRule>();
    v.visit::<Retention>();
    v.visit::<ClockDoubt>();
    v.visit::<PatrolClock>();
    v.visit::<ConfirmClock>();
}
