//! States of rooms on the embedded engine.

use super::SledStore;
use crate::{
    error::{Result, StoreError},
    store::{ROOM_STATE_BYTES_MAX, Rooms},
};
use async_trait::async_trait;
use lectern_media::RoomId;
use serde_json::value::RawValue;

#[async_trait]
impl Rooms for SledStore {
    async fn put_room(&self, room: RoomId, state: String) -> Result<()> {
        let key = format!("room/{room}");
        if state.len() > ROOM_STATE_BYTES_MAX {
            return Err(StoreError::TooLarge { len: state.len() });
        }
        // Kept as compact JSON: a line of the journal has no line breaks in it.
        let value: serde_json::Value =
            serde_json::from_str(&state).map_err(|source| StoreError::Record { key: key.clone(), source })?;
        self.writer.write(move |tx| tx.put(key, &value)).await
    }

    async fn rooms(&self) -> Result<Vec<(RoomId, String)>> {
        self.read(|index| {
            let rooms = index.scan("room/", None).map(|entry| {
                let (key, value) = entry?;
                let state: Box<RawValue> = super::record(&key, &value)?;
                let id = key.strip_prefix("room/").and_then(|id| id.parse().ok());
                Ok(id.map(|id| (id, state.get().to_owned())))
            });
            rooms.filter_map(Result::transpose).collect()
        })
        .await
    }

    async fn remove_room(&self, room: RoomId) -> Result<()> {
        self.writer
            .write(move |tx| {
                let key = format!("room/{room}");
                if tx.has(&key)? {
                    tx.remove(key);
                }
                Ok(())
            })
            .await
    }
}
