//! Faults of cameras: alarms, thresholds, webhooks, the check before an exam.

use super::CameraGroup;
use lectern_media::{CameraId, PlaceId, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use ulid::Ulid;
use utoipa::ToSchema;

words! {
    /// What can be wrong with a camera, each with its own words in the client.
    pub enum HealthFault {
        /// Nothing comes.
        NoStream,
        /// The picture stands still.
        Frozen,
        /// Black.
        Black,
        /// White.
        White,
        /// Something is in front of it.
        Covered,
        /// Out of focus.
        Blurred,
        /// It looks elsewhere.
        Moved,
        /// Its clock is wrong.
        WrongClock,
        /// No sound though it has a microphone.
        NoSound,
        /// The bit rate is off.
        BitRate,
        /// The frame rate is off.
        FrameRate,
        /// Its pictures can't be decoded.
        Undecodable,
        /// It is not being recorded though it should.
        NotRecorded,
    }
}

body! {
    /// An alarm.
    pub struct AlarmItem {
        /// Id.
        #[ts(type = "string")]
        #[schema(value_type = String)]
        pub id: Ulid,
        /// The camera.
        pub camera: CameraId,
        /// Its name.
        pub camera_name: String,
        /// Its place.
        pub place: PlaceId,
        /// Name of the place.
        pub place_name: String,
        /// Group.
        pub group: CameraGroup,
        /// What is wrong.
        pub fault: HealthFault,
        /// Since when.
        pub since: UnixMillis,
        /// When it was over; none: it is still so.
        pub until: Option<UnixMillis>,
        /// Who acknowledged it, by name.
        pub acknowledged_by: Option<String>,
        /// When.
        pub acknowledged_at: Option<UnixMillis>,
        /// Note, of the place that is told here.
        pub note: String,
        /// To whom it was handed over there, by name.
        pub handed_to: Option<String>,
        /// What was said of it at other places where the camera hung while it went on, as far as the caller may know.
        pub elsewhere: Vec<AlarmSaid>,
    }
}

body! {
    /// What was said of an alarm at another place where the camera hung while it went on. Each place has words of its own.
    pub struct AlarmSaid {
        /// Where it hung.
        pub place: PlaceId,
        /// Name of the place.
        pub place_name: String,
        /// As what.
        pub group: CameraGroup,
        /// Note.
        pub note: String,
        /// To whom it was handed over, by name.
        pub handed_to: Option<String>,
    }
}

body! {
    /// A page of alarms.
    pub struct AlarmPage {
        /// Newest first; open ones before those that are over.
        pub items: Vec<AlarmItem>,
        /// Cursor of the next page.
        pub next: Option<String>,
        /// How many are open and not acknowledged.
        pub open: u32,
    }
}

body! {
    /// Handles an alarm; what is absent stays.
    pub struct AlarmChange {
        /// Acknowledge it.
        pub acknowledge: Option<bool>,
        /// Note, 0 to 500 characters; of the caller's place, if the alarm began at another that they may not see.
        pub note: Option<String>,
        /// Hand it over to this person (a name, 1 to 60 characters).
        pub hand_to: Option<String>,
    }
}

body! {
    /// From when a fault is one, for a group at a place and below.
    pub struct Thresholds {
        /// Group.
        pub group: CameraGroup,
        /// Faults that raise an alarm; others are ignored.
        pub watched: Vec<HealthFault>,
        /// Seconds without a packet: 1 to 60.
        pub silent_s: u16,
        /// Share of its own usual sharpness below which it is blurred, percent: 1 to 100.
        pub sharpness_percent: u8,
        /// Shift of the picture, percent of its width: 1 to 50.
        pub moved_percent: u8,
        /// Milliseconds the clock may be off: 50 to 60,000.
        pub clock_ms: u32,
        /// Deviation of bit rate and frame rate, percent: 10 to 100.
        pub rate_percent: u8,
        /// Sound an alarm tone on the wall.
        pub tone: bool,
    }
}

body! {
    /// Where alarms are told: JSON by POST, signed with HMAC-SHA-256 in `x-lectern-signature`.
    pub struct Webhook {
        /// Id.
        #[ts(type = "string")]
        #[schema(value_type = String)]
        pub id: Ulid,
        /// `https://…`
        pub url: String,
        /// Cameras below this place.
        pub place: PlaceId,
        /// When one last arrived.
        pub delivered: Option<UnixMillis>,
        /// What the last failed try met, in words of the log.
        pub failed: Option<String>,
        /// How many wait to be tried again.
        pub waiting: u32,
    }
}

body! {
    /// Makes a webhook; the secret is told once, in the answer.
    pub struct NewWebhook {
        /// `https://…`; `http://` only for this machine.
        pub url: String,
        /// Cameras below this place.
        pub place: PlaceId,
    }
}

secret_body! {
    /// A webhook with its secret.
    pub struct WebhookSecret {
        /// The webhook.
        pub webhook: Webhook,
        /// The secret, hexadecimal.
        pub secret: String,
    }
}

words! {
    /// One line of the check.
    pub enum CheckItem {
        /// It is reached.
        Reached,
        /// The picture is sound: not black, frozen, covered, …
        Picture,
        /// Sound arrives.
        Sound,
        /// Its clock is right.
        Clock,
        /// It is recorded, and the last seconds are durable.
        Recorded,
        /// No gap in the last ten minutes.
        Continuous,
        /// Chain and signature of the last minute are right.
        Signed,
    }
}

body! {
    /// What the check found of one camera.
    pub struct CheckedCamera {
        /// The camera.
        pub camera: CameraId,
        /// Name.
        pub name: String,
        /// Place.
        pub place_name: String,
        /// Group.
        pub group: CameraGroup,
        /// Whether all is green.
        pub green: bool,
        /// What is not, with the fault if one is known and words of the log.
        pub wrong: Vec<CheckFinding>,
    }
}

body! {
    /// One thing that is not green.
    pub struct CheckFinding {
        /// Which line.
        pub item: CheckItem,
        /// The fault.
        pub fault: Option<HealthFault>,
        /// A number that says how much (milliseconds, percent), if there is one.
        pub measure: Option<i64>,
    }
}

body! {
    /// The check of a site before an exam.
    pub struct PreExamReport {
        /// The site.
        pub place: PlaceId,
        /// Its name.
        pub place_name: String,
        /// When.
        pub at: UnixMillis,
        /// Who asked, by name.
        pub by: String,
        /// The cameras.
        pub cameras: Vec<CheckedCamera>,
        /// How many are green.
        pub green: u32,
        /// Bytes free for recordings.
        pub free_bytes: u64,
        /// Hours that the disk lasts at the present rate.
        pub hours_left: Option<u32>,
    }
}

pub(super) fn visit_types(v: &mut impl ts_rs::TypeVisitor) {
    v.visit::<HealthFault>();
    v.visit::<AlarmItem>();
    v.visit::<AlarmSaid>();
    v.visit::<AlarmPage>();
    v.visit::<AlarmChange>();
    v.visit::<Thresholds>();
    v.visit::<Webhook>();
    v.visit::<NewWebhook>();
    v.visit::<WebhookSecret>();
    v.visit::<CheckItem>();
    v.visit::<CheckedCamera>();
    v.visit::<CheckFinding>();
    v.visit::<PreExamReport>();
}
