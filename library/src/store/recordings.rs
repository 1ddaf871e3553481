//! Recordings and where people stopped watching them.

use crate::{
    error::Result,
    model::{Position, Recording, RecordingSummary, TextLine},
};
use async_trait::async_trait;
use lectern_media::{AccountId, RecordingId, UnixMillis};
use std::collections::HashMap;

/// Recordings.
#[async_trait]
pub trait Recordings {
    /// Makes or replaces a recording's facts; a deletion that is pending stays.
    async fn put_recording(&self, recording: Recording) -> Result<()>;

    /// Replaces a recording's lines. What is beyond [`TextLine::LINES_MAX`] or [`TextLine::BYTES_MAX`] is left out.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`].
    async fn put_lines(&self, recording: RecordingId, lines: Vec<TextLine>) -> Result<()>;

    /// Adds lines behind the first `from` of a recording; what was added from there on before is replaced, so that a call
    /// whose answer was lost can be made again. What is beyond the limits of [`Recordings::put_lines`] is left out.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`].
    async fn add_lines(&self, recording: RecordingId, from: usize, lines: Vec<TextLine>) -> Result<()>;

    /// A recording, deleted or not.
    async fn recording(&self, id: RecordingId) -> Result<Option<Recording>>;

    /// At most `limit` recordings after `after` without their lines, in the order of their ids.
    async fn recording_facts(&self, after: Option<RecordingId>, limit: usize) -> Result<Vec<Recording>>;

    /// At most `limit` recordings after `after` with their lines, in the order of their ids.
    async fn recordings(&self, after: Option<RecordingId>, limit: usize) -> Result<Vec<RecordingSummary>>;

    /// Marks as deleted, or takes that back.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`], also once [`Recordings::begin_purge`] has returned true.
    async fn mark_deleted(&self, id: RecordingId, deleted: Option<UnixMillis>) -> Result<Recording>;

    /// Makes a deletion final: from now on it can't be taken back, and the files may go. Tells whether it was marked as
    /// deleted (a restored one is kept).
    async fn begin_purge(&self, id: RecordingId) -> Result<bool>;

    /// Forgets a recording that is marked as deleted, with its lines, the positions in it and its lesson's reference; tells
    /// whether it was.
    async fn purge_recording(&self, id: RecordingId) -> Result<bool>;

    /// Makes the catalogue's recordings exactly these. Positions stay.
    async fn replace_recordings(&self, summaries: Vec<RecordingSummary>) -> Result<()>;

    /// Notes where somebody stopped.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] if there is no such recording.
    async fn set_position(&self, account: AccountId, recording: RecordingId, position: Position) -> Result<()>;

    /// Where somebody stopped, of these recordings.
    async fn positions(
        &self,
        account: AccountId,
        recordings: Vec<RecordingId>,
    ) -> Result<HashMap<RecordingId, Position>>;
}
