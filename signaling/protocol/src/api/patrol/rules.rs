//! Rules of looking: user × camera × time × action.

use super::Span;
use lectern_media::{CameraId, PlaceId};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use ulid::Ulid;
use utoipa::ToSchema;

words! {
    /// What a rule does.
    pub enum LookEffect {
        /// Allows within the windows, without any role, and into sealed-paper rooms.
        Allow,
        /// What is otherwise allowed is allowed only within the windows.
        Limit,
        /// Forbids within the windows, whatever else allows it.
        Deny,
    }
}

words! {
    /// What is done with a camera.
    pub enum CameraDeed {
        /// See that it is there, its name and state.
        See,
        /// Watch it live.
        Live,
        /// Hear it.
        Listen,
        /// Play its recording.
        Play,
        /// Take a picture away.
        Snapshot,
        /// Take evidence away.
        Export,
    }
}

body! {
    /// Makes a rule about one account.
    pub struct NewLookRule {
        /// At this place and below …
        pub place: Option<PlaceId>,
        /// … or at this camera; one of both.
        pub camera: Option<CameraId>,
        /// What it does.
        pub effect: LookEffect,
        /// To what.
        pub deeds: Vec<CameraDeed>,
        /// When; empty: always. At most 64.
        pub windows: Vec<Span>,
    }
}

body! {
    /// A rule about one account.
    pub struct LookRule {
        /// Id.
        #[ts(type = "string")]
        #[schema(value_type = String)]
        pub id: Ulid,
        /// What it says.
        #[serde(flatten)]
        pub rule: NewLookRule,
    }
}

pub(super) fn visit_types(v: &mut impl ts_rs::TypeVisitor) {
    v.visit::<LookEffect>();
    v.visit::<CameraDeed>();
    v.visit::<NewLookRule>();
    v.visit::<LookRule>();
}
