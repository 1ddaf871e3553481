//! What the catalogue keeps, as traits. Async and free of engine types from the first day, so that PostgreSQL fits them.
//!
//! Every call that changes something is one transaction: it happened completely and will survive a power cut when the
//! call returns, or it did not happen. [`crate::conformance`] is the suite that every engine passes.

mod authority;
mod cameras;
mod patrol;
mod people;
mod recordings;
mod rooms;
mod sessions;
mod timetable;

pub use authority::Guards;
pub use cameras::{CAMERA_RULES_MAX, CAMERAS_EVER_MAX, CAMERAS_MAX, Cameras};
pub use patrol::{
    ALARMS_MAX, BOOKMARKS_MAX, HOLDS_MAX, HOLDS_PER_CAMERA_MAX, LAYOUT_BYTES_MAX, LAYOUTS_MAX, POLICIES_MAX, Patrol,
    WEBHOOKS_MAX,
};
pub use people::{ACCOUNTS_MAX, PLACES_MAX, People};
pub use recordings::Recordings;
pub use rooms::{ROOM_STATE_BYTES_MAX, Rooms};
pub use sessions::Sessions;
pub use timetable::{ATTENDANCE_MAX, CLASSES_MAX, Timetable};

use async_trait::async_trait;

/// The whole store.
#[async_trait]
pub trait Store:
    People + Sessions + Timetable + Recordings + Rooms + Cameras + Patrol + Guards + Send + Sync + 'static
{
    /// Whether changes can be written at this moment (`/readyz`).
    fn writable(&self) -> bool;

    /// Finishes what is under way and closes; later calls fail with [`crate::StoreError::Closed`].
    async fn close(&self);
}
