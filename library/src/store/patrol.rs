//! What is set for cameras and what happened at them: retention, holds, bookmarks, alarms, thresholds, layouts of walls,
//! webhooks.

use crate::{
    error::Result,
    patrol::{
        Alarm, AlarmChange, AlarmQuery, Bookmark, By, Hold, Layout, ReleaseFailure, RetentionRule, ThresholdsAt,
        Webhook,
    },
};
use async_trait::async_trait;
use lectern_auth::CameraGroup;
use lectern_media::{AccountId, CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::{self, HealthFault};
use std::ops::Range;
use ulid::Ulid;

/// Holds that are not released.
pub const HOLDS_MAX: usize = 20_000;
/// Holds of one camera, released ones among them; the oldest released go first.
pub const HOLDS_PER_CAMERA_MAX: usize = 1_000;
/// Bookmarks of one camera.
pub const BOOKMARKS_MAX: usize = 2_000;
/// Alarms that are kept; of those that are over the oldest go first.
pub const ALARMS_MAX: usize = 50_000;
/// Layouts per account.
pub const LAYOUTS_MAX: usize = 50;
/// Bytes of one layout.
pub const LAYOUT_BYTES_MAX: usize = 64 * 1024;
/// Webhooks.
pub const WEBHOOKS_MAX: usize = 50;
/// Rules of retention, and sets of thresholds.
pub const POLICIES_MAX: usize = 5_000;

/// Everything about cameras but the cameras.
#[async_trait]
pub trait Patrol {
    /// The rules of retention.
    async fn retention(&self) -> Result<Vec<RetentionRule>>;

    /// Sets the rule for a group at a place, or takes it away (`None`).
    ///
    /// # Errors
    /// [`crate::Conflict::UnknownPlace`], [`crate::StoreError::Full`] beyond [`POLICIES_MAX`].
    async fn set_retention(&self, place: PlaceId, group: CameraGroup, days: Option<u32>) -> Result<()>;

    /// The thresholds that are set.
    async fn thresholds(&self) -> Result<Vec<ThresholdsAt>>;

    /// Sets the thresholds for their group at a place.
    ///
    /// # Errors
    /// As [`Patrol::set_retention`].
    async fn set_thresholds(&self, at: ThresholdsAt) -> Result<()>;

    /// Takes thresholds away. Nothing happens if there are none.
    async fn remove_thresholds(&self, place: PlaceId, group: api::CameraGroup) -> Result<()>;

    /// Sets holds, all or none.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] if there is no such camera, [`crate::StoreError::Full`] beyond [`HOLDS_MAX`].
    async fn set_holds(&self, holds: Vec<Hold>) -> Result<()>;

    /// A hold.
    async fn hold(&self, id: Ulid) -> Result<Option<Hold>>;

    /// The holds of a camera, released ones too, oldest first.
    async fn holds_of(&self, camera: CameraId) -> Result<Vec<Hold>>;

    /// Every hold that is not released.
    async fn open_holds(&self) -> Result<Vec<Hold>>;

    /// Asks for a hold's release. Asking again, by whomever, changes nothing.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`], [`crate::Conflict::HoldReleased`].
    async fn ask_release(&self, id: Ulid, by: By) -> Result<Hold>;

    /// Takes the request back: the hold stays.
    ///
    /// # Errors
    /// As [`Patrol::ask_release`].
    async fn refuse_release(&self, id: Ulid) -> Result<Hold>;

    /// Agrees to a hold's release: it is over.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`], [`crate::Conflict::HoldReleased`], [`crate::Conflict::ReleaseNotAsked`],
    /// [`crate::Conflict::SamePerson`] for whoever asked.
    async fn agree_release(&self, id: Ulid, by: By) -> Result<Hold>;

    /// The recorder did not let go: the hold is in force again, with who asked for its release, and why it failed. Nobody counts how
    /// many are open: it was among them a moment ago.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`].
    async fn fail_release(&self, id: Ulid, failure: ReleaseFailure) -> Result<Hold>;

    /// Sets a bookmark.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] if there is no such camera, [`crate::StoreError::Full`] beyond [`BOOKMARKS_MAX`].
    async fn put_bookmark(&self, bookmark: Bookmark) -> Result<()>;

    /// A bookmark.
    async fn bookmark(&self, id: Ulid) -> Result<Option<Bookmark>>;

    /// The bookmarks of a camera in a stretch of time, in its order.
    async fn bookmarks(&self, camera: CameraId, times: Range<UnixMillis>) -> Result<Vec<Bookmark>>;

    /// Removes a bookmark. Nothing happens if it is gone.
    async fn remove_bookmark(&self, id: Ulid) -> Result<()>;

    /// Raises an alarm; if the same fault of the camera is not over, that alarm is given and nothing changes. The boolean
    /// says whether it is new.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] if there is no such camera.
    async fn raise_alarm(&self, camera: CameraId, fault: HealthFault, since: UnixMillis) -> Result<(Alarm, bool)>;

    /// Ends the alarm of this fault; none if there is none.
    async fn clear_alarm(&self, camera: CameraId, fault: HealthFault, until: UnixMillis) -> Result<Option<Alarm>>;

    /// An alarm.
    async fn alarm(&self, id: Ulid) -> Result<Option<Alarm>>;

    /// Acknowledges, notes, hands over. Who acknowledged first stays. Gives the alarm as it was, and as it is.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`].
    async fn change_alarm(&self, id: Ulid, change: AlarmChange) -> Result<(Alarm, Alarm)>;

    /// Alarms, newest first.
    async fn alarms(&self, query: AlarmQuery) -> Result<Vec<Alarm>>;

    /// Saves a layout, or replaces the one with its id and owner.
    ///
    /// # Errors
    /// [`crate::StoreError::Full`] beyond [`LAYOUTS_MAX`], [`crate::StoreError::TooLarge`] beyond [`LAYOUT_BYTES_MAX`].
    async fn put_layout(&self, layout: Layout) -> Result<()>;

    /// The layouts of an account.
    async fn layouts(&self, account: AccountId) -> Result<Vec<Layout>>;

    /// Removes a layout. Nothing happens if it is gone.
    async fn remove_layout(&self, account: AccountId, id: Ulid) -> Result<()>;

    /// Makes a webhook, or replaces the one with its id.
    ///
    /// # Errors
    /// [`crate::Conflict::UnknownPlace`], [`crate::StoreError::Full`] beyond [`WEBHOOKS_MAX`].
    async fn put_webhook(&self, webhook: Webhook) -> Result<()>;

    /// The webhooks.
    async fn webhooks(&self) -> Result<Vec<Webhook>>;

    /// Notes how the last call of a webhook went. Nothing happens if it is gone.
    async fn note_webhook(&self, id: Ulid, outcome: Result<UnixMillis, String>) -> Result<()>;

    /// Removes a webhook. Nothing happens if it is gone.
    async fn remove_webhook(&self, id: Ulid) -> Result<()>;
}
