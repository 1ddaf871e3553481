//! The state of live rooms that must survive a restart: opaque to the catalogue.

use crate::error::Result;
use async_trait::async_trait;
use lectern_media::RoomId;

/// The largest state of a room in bytes of JSON: two hundred lines of chat and questions each, and a thousand people.
pub const ROOM_STATE_BYTES_MAX: usize = 2 * 1024 * 1024;

/// States of rooms.
#[async_trait]
pub trait Rooms {
    /// Keeps a room's state (JSON).
    ///
    /// # Errors
    /// [`crate::StoreError::TooLarge`] beyond [`ROOM_STATE_BYTES_MAX`]; [`crate::StoreError::Record`] if it is not JSON.
    async fn put_room(&self, room: RoomId, state: String) -> Result<()>;

    /// Every kept state.
    async fn rooms(&self) -> Result<Vec<(RoomId, String)>>;

    /// Forgets a room's state.
    async fn remove_room(&self, room: RoomId) -> Result<()>;
}
