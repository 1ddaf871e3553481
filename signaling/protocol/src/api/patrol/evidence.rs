//! Exports of evidence.

use lectern_media::{CameraId, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use ulid::Ulid;
use utoipa::ToSchema;

words! {
    /// Where an export stands.
    pub enum ExportState {
        /// Waits for its turn.
        Waiting,
        /// Is being written.
        Running,
        /// Can be fetched.
        Ready,
        /// Could not be written; `detail` says why.
        Failed,
        /// Its maker called it off.
        Cancelled,
    }
}

body! {
    /// Asks for an export.
    pub struct NewExport {
        /// Cameras, 1 to 36.
        pub cameras: Vec<CameraId>,
        /// From.
        pub from: UnixMillis,
        /// To; at most 24 hours later.
        pub to: UnixMillis,
        /// What for, 2 to 200 characters; printed on the sheet.
        pub reason: String,
    }
}

body! {
    /// An export.
    pub struct ExportJob {
        /// Id.
        #[ts(type = "string")]
        #[schema(value_type = String)]
        pub id: Ulid,
        /// What was asked for.
        #[serde(flatten)]
        pub request: NewExport,
        /// Whose, by name.
        pub by: String,
        /// When it was asked for.
        pub created: UnixMillis,
        /// Where it stands.
        pub state: ExportState,
        /// Thousandths done.
        pub progress: u16,
        /// Bytes written so far.
        pub bytes: u64,
        /// Gaps in what it holds.
        pub gaps: u32,
        /// SHA-256 of the file, hexadecimal, once ready.
        pub sha256: Option<String>,
        /// Fingerprint of the key that signed it.
        pub key: Option<String>,
        /// Why it failed, a stable code.
        pub detail: Option<String>,
        /// When the file is removed.
        pub expires: Option<UnixMillis>,
    }
}

pub(super) fn visit_types(v: &mut impl ts_rs::TypeVisitor) {
    v.visit::<ExportState>();
    v.visit::<NewExport>();
    v.visit::<ExportJob>();
}
