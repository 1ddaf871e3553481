//! The audit log as people read it.

use lectern_media::{CameraId, PlaceId, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use utoipa::ToSchema;

words! {
    /// What an entry of the audit log is about.
    pub enum AuditAction {
        /// A tile showed the camera.
        TileOpened,
        /// … and no longer does.
        TileClosed,
        /// The sound was listened to.
        Listened,
        /// A range of the recording was played.
        Played,
        /// A picture was taken.
        Snapshot,
        /// An export was asked for.
        ExportAsked,
        /// An export was fetched.
        ExportFetched,
        /// An export was called off, or removed.
        ExportRemoved,
        /// A bookmark was set.
        BookmarkSet,
        /// A bookmark was removed.
        BookmarkRemoved,
        /// Something was refused.
        Refused,
        /// Somebody signed in.
        SignedIn,
        /// Somebody signed out.
        SignedOut,
        /// Signing in failed.
        SignInFailed,
        /// The second factor was shown.
        FactorShown,
        /// A wrong second factor was given.
        FactorFailed,
        /// The second factor was set up or reset.
        FactorChanged,
        /// Roles or rules of rights were changed.
        RightsChanged,
        /// A camera was added, changed or removed.
        CameraChanged,
        /// A hold was set.
        HoldSet,
        /// Its release was asked for.
        HoldReleaseAsked,
        /// It was released.
        HoldReleased,
        /// A rule of retention or a threshold was changed.
        PolicyChanged,
        /// Footage was removed by rule.
        FootageRemoved,
        /// An alarm was handled.
        AlarmHandled,
        /// A site was checked before an exam.
        PreExamCheck,
        /// The audit log was read.
        AuditRead,
        /// The audit log was exported.
        AuditExported,
        /// The server was started.
        Started,
    }
}

body! {
    /// An entry.
    pub struct AuditEntry {
        /// Its number; without holes.
        pub n: u64,
        /// When.
        pub at: UnixMillis,
        /// Who, by name; empty: the server itself.
        pub who: String,
        /// Their log-in name.
        pub login: String,
        /// From which address.
        pub from_address: String,
        /// What.
        pub action: AuditAction,
        /// Where.
        pub place_name: String,
        /// Of which camera.
        pub camera: Option<CameraId>,
        /// Its name.
        pub camera_name: String,
        /// The range that was played or exported.
        pub from: Option<UnixMillis>,
        /// …
        pub to: Option<UnixMillis>,
        /// How long it lasted, in seconds.
        pub seconds: Option<u64>,
        /// How often in that minute (refusals).
        pub count: u64,
        /// A stable code or words: the reason of a refusal, what was changed.
        pub detail: String,
    }
}

body! {
    /// A page of the log.
    pub struct AuditPage {
        /// Newest first.
        pub items: Vec<AuditEntry>,
        /// Cursor of the next page.
        pub next: Option<String>,
        /// Head of the chain, hexadecimal.
        pub head: String,
        /// Number of entries in the log.
        pub entries: u64,
    }
}

body! {
    /// Sum over a site: who looked, how long.
    pub struct AuditSum {
        /// Who, by name.
        pub who: String,
        /// Their log-in name.
        pub login: String,
        /// The place where they hold their role, by name.
        pub of_place: String,
        /// Seconds of live pictures, over all tiles.
        pub live_s: u64,
        /// Seconds of recording played.
        pub played_s: u64,
        /// Exports.
        pub exports: u32,
        /// When last.
        pub last: UnixMillis,
    }
}

body! {
    /// What the query of the log may name, as a place to look up its parameters.
    pub struct AuditQuery {
        /// Below this place.
        pub place: Option<PlaceId>,
        /// Of this camera.
        pub camera: Option<CameraId>,
        /// Of this log-in name.
        pub login: Option<String>,
        /// Only these.
        pub action: Option<AuditAction>,
        /// From.
        pub from: Option<UnixMillis>,
        /// To.
        pub to: Option<UnixMillis>,
        /// Cursor.
        pub after: Option<String>,
    }
}

pub(super) fn visit_types(v: &mut impl ts_rs::TypeVisitor) {
    v.visit::<AuditAction>();
    v.visit::<AuditEntry>();
    v.visit::<AuditPage>();
    v.visit::<AuditSum>();
    v.visit::<AuditQuery>();
}
