//! Cameras, and the rules of who looks through them when.

use crate::{
    error::Result,
    patrol::{Camera, CameraChange},
};
use async_trait::async_trait;
use lectern_auth::CameraRule;
use lectern_media::{AccountId, CameraId, UnixMillis};
use ulid::Ulid;

/// Cameras that are not removed: a city's sealed rooms, or the rooms of a hundred schools.
pub const CAMERAS_MAX: usize = 5_000;
/// Cameras, removed ones among them.
pub const CAMERAS_EVER_MAX: usize = 20_000;
/// Rules of all accounts.
pub const CAMERA_RULES_MAX: usize = 20_000;

/// Cameras and rules.
#[async_trait]
pub trait Cameras {
    /// Adds cameras, all or none.
    ///
    /// # Errors
    /// [`crate::Conflict::UnknownPlace`], [`crate::Conflict::CameraNameTaken`], [`crate::Conflict::CameraCodeTaken`],
    /// [`crate::StoreError::Full`] beyond [`CAMERAS_MAX`] or [`CAMERAS_EVER_MAX`].
    async fn create_cameras(&self, cameras: Vec<Camera>) -> Result<()>;

    /// A camera, removed or not.
    async fn camera(&self, id: CameraId) -> Result<Option<Camera>>;

    /// Every camera, removed ones too. A few thousand, kept in memory by the caller.
    async fn cameras(&self) -> Result<Vec<Camera>>;

    /// Changes a camera that is not removed. Another place or group leaves a [`crate::patrol::Stay`] behind, and the place before
    /// stays in the tree as long as the camera is known.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`], and as [`Cameras::create_cameras`]; [`crate::StoreError::Full`] beyond
    /// [`Camera::STAYS_MAX`].
    async fn change_camera(&self, id: CameraId, change: CameraChange) -> Result<Camera>;

    /// Removes a camera (it no longer runs, its password is forgotten, name and code are free); its record stays, because
    /// its footage does. Nothing happens if it is removed already.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`].
    async fn remove_camera(&self, id: CameraId, now: UnixMillis) -> Result<Camera>;

    /// Forgets a removed camera whose footage is gone, with its rules, bookmarks and released holds.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`]; [`crate::Conflict::CameraInUse`] if it is not removed, or a hold is on it.
    async fn forget_camera(&self, id: CameraId) -> Result<()>;

    /// Makes a rule, or replaces the one with its id.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] if there is no such account or camera, [`crate::Conflict::UnknownPlace`],
    /// [`crate::StoreError::Full`] beyond [`CameraRule::PER_ACCOUNT_MAX`], [`CameraRule::WINDOWS_MAX`] or
    /// [`CAMERA_RULES_MAX`].
    async fn put_camera_rule(&self, rule: CameraRule) -> Result<()>;

    /// Takes a rule away; tells which it was.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`].
    async fn remove_camera_rule(&self, account: AccountId, id: Ulid) -> Result<CameraRule>;

    /// Every rule.
    async fn camera_rules(&self) -> Result<Vec<CameraRule>>;
}
