//! Saved layouts of walls, and the grants with which media of one camera is fetched.

use super::CameraGroup;
use lectern_media::{CameraId, PlaceId, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;
use ulid::Ulid;
use utoipa::ToSchema;

body! {
    /// A layout of a wall that its owner saved.
    pub struct WallLayout {
        /// Id.
        #[ts(type = "string")]
        #[schema(value_type = String)]
        pub id: Ulid,
        /// Name, 1 to 60 characters.
        pub name: String,
        /// What it shows.
        #[serde(flatten)]
        pub content: WallContent,
        /// When it was last saved.
        pub saved: UnixMillis,
    }
}

body! {
    /// What a wall shows.
    pub struct WallContent {
        /// Tiles: 1, 4, 9, 16, 25, 36 or 64.
        pub tiles: u8,
        /// The camera of each tile, in reading order; missing ones are empty.
        pub cameras: Vec<Option<CameraId>>,
        /// The tour, if it runs.
        pub tour: Option<Tour>,
    }
}

body! {
    /// A tour (轮巡): pages of tiles in turn.
    pub struct Tour {
        /// Cameras below this place …
        pub place: PlaceId,
        /// … of these groups; empty: all.
        pub groups: Vec<CameraGroup>,
        /// Seconds a page stays, 3 to 600.
        pub dwell_s: u16,
    }
}

body! {
    /// Makes or replaces a layout.
    pub struct WallLayoutForm {
        /// Name, 1 to 60 characters.
        pub name: String,
        /// What it shows.
        #[serde(flatten)]
        pub content: WallContent,
    }
}

words! {
    /// What a media grant is for.
    pub enum MediaUse {
        /// Play the recording.
        Play,
        /// Take one picture (live if no time is given).
        Snapshot,
        /// Fetch an export that is ready.
        Export,
    }
}

body! {
    /// Asks for a grant for one camera.
    pub struct NewMediaGrant {
        /// What for.
        pub purpose: MediaUse,
        /// From; without meaning for live snapshots.
        pub from: Option<UnixMillis>,
        /// To.
        pub to: Option<UnixMillis>,
    }
}

secret_body! {
    /// A grant: good for this session, this camera, this range, for at most 60 s. Ask again before it ends.
    pub struct MediaGrant {
        /// The token: part of the path below `/api/v1/patrol/media/{token}/…`.
        pub token: String,
        /// Until when.
        pub expires: UnixMillis,
    }
}

pub(super) fn visit_types(v: &mut impl ts_rs::TypeVisitor) {
    v.visit::<WallLayout>();
    v.visit::<WallContent>();
    v.visit::<Tour>();
    v.visit::<WallLayoutForm>();
    v.visit::<MediaUse>();
    v.visit::<NewMediaGrant>();
    v.visit::<MediaGrant>();
}
