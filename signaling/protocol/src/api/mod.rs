//! Bodies of the HTTP API under `/api/v1`. Errors are `application/problem+json` (RFC 9457): [`Problem`].

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

/// A body with a secret in it: its `Debug` form is its name alone, so that no log ever holds the rest.
macro_rules! secret_body {
    ($(#[$m:meta])* pub struct $name:ident { $($(#[$fm:meta])* pub $f:ident : $t:ty,)* }) => {
        $(#[$m])*
        #[derive(Clone, PartialEq, Serialize, Deserialize, TS, ToSchema)]
        pub struct $name { $($(#[$fm])* pub $f: $t,)* }

        impl std::fmt::Debug for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
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

mod classes;
mod patrol;
mod people;
mod recordings;

pub use self::{classes::*, patrol::*, people::*, recordings::*};

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
    visitor.visit::<DevicePurpose>();
    visitor.visit::<NewDeviceToken>();
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
    patrol::visit_types(visitor);
}
