//! Recordings and positions on the embedded engine.

use super::{SledStore, get, index::Index, writer::Tx};
use crate::{
    error::{Result, StoreError},
    model::{Lesson, Position, Recording, RecordingSummary, TextLine},
    store::Recordings,
};
use async_trait::async_trait;
use lectern_media::{AccountId, RecordingId, UnixMillis};
use std::collections::{HashMap, HashSet};

fn key(id: RecordingId) -> String {
    format!("recording/{id}")
}

/// The lines of a recording as a whole; `lines/<id>/<from>` holds those that were added behind the first `from`.
fn lines_key(id: RecordingId) -> String {
    format!("lines/{id}")
}

fn added_key(id: RecordingId, from: usize) -> String {
    format!("lines/{id}/{from:08}")
}

fn purging_key(id: RecordingId) -> String {
    format!("purging/{id}")
}

fn position_key(recording: RecordingId, account: AccountId) -> String {
    format!("position/{recording}/{account}")
}

/// Removes what was added from the line `from` on.
fn remove_added(tx: &mut Tx<'_>, id: RecordingId, from: usize) -> Result<()> {
    let first = added_key(id, from);
    for key in tx.keys(&format!("lines/{id}/"))?.into_iter().filter(|key| *key >= first) {
        tx.remove(key);
    }
    Ok(())
}

fn remove_lines(tx: &mut Tx<'_>, id: RecordingId) -> Result<()> {
    tx.remove(lines_key(id));
    remove_added(tx, id, 0)
}

/// Every line of a recording, within the limits.
fn lines(index: &Index, id: RecordingId) -> Result<Vec<TextLine>> {
    let mut lines: Vec<TextLine> = get(index, &lines_key(id))?.unwrap_or_default();
    for entry in index.scan(&format!("lines/{id}/"), None) {
        let (key, value) = entry?;
        lines.extend(super::record::<Vec<TextLine>>(&key, &value)?);
    }
    Ok(bounded(lines))
}

/// The first lines that fit the limits.
fn bounded(mut lines: Vec<TextLine>) -> Vec<TextLine> {
    lines.truncate(TextLine::LINES_MAX);
    let mut bytes = 0;
    let fits = lines.iter().take_while(|line| {
        bytes += line.text.len();
        bytes <= TextLine::BYTES_MAX
    });
    let fits = fits.count();
    lines.truncate(fits);
    lines
}

/// Lets the lesson know its recording, so that a rebuild restores that too.
fn link_lesson(tx: &mut Tx<'_>, recording: &Recording) -> Result<()> {
    let lesson_key = format!("lesson/{}", recording.lesson);
    if let Some(mut lesson) = tx.get::<Lesson>(&lesson_key)?
        && lesson.recording != Some(recording.id)
    {
        lesson.recording = Some(recording.id);
        tx.put(lesson_key, &lesson)?;
    }
    Ok(())
}

fn unlink_lesson(tx: &mut Tx<'_>, recording: &Recording) -> Result<()> {
    let lesson_key = format!("lesson/{}", recording.lesson);
    if let Some(mut lesson) = tx.get::<Lesson>(&lesson_key)?
        && lesson.recording == Some(recording.id)
    {
        lesson.recording = None;
        tx.put(lesson_key, &lesson)?;
    }
    Ok(())
}

#[async_trait]
impl Recordings for SledStore {
    async fn put_recording(&self, mut recording: Recording) -> Result<()> {
        self.writer
            .write(move |tx| {
                if let Some(old) = tx.get::<Recording>(&key(recording.id))? {
                    recording.deleted = old.deleted;
                }
                link_lesson(tx, &recording)?;
                tx.put(key(recording.id), &recording)
            })
            .await
    }

    async fn put_lines(&self, recording: RecordingId, lines: Vec<TextLine>) -> Result<()> {
        self.writer
            .write(move |tx| {
                if !tx.has(&key(recording))? {
                    return Err(StoreError::NotFound);
                }
                remove_added(tx, recording, 0)?;
                tx.put(lines_key(recording), &bounded(lines))
            })
            .await
    }

    async fn add_lines(&self, recording: RecordingId, from: usize, mut lines: Vec<TextLine>) -> Result<()> {
        lines.truncate(TextLine::LINES_MAX.saturating_sub(from));
        self.writer
            .write(move |tx| {
                if !tx.has(&key(recording))? {
                    return Err(StoreError::NotFound);
                }
                remove_added(tx, recording, from)?;
                if lines.is_empty() { Ok(()) } else { tx.put(added_key(recording, from), &bounded(lines)) }
            })
            .await
    }

    async fn recording(&self, id: RecordingId) -> Result<Option<Recording>> {
        self.one(key(id)).await
    }

    async fn recording_facts(&self, after: Option<RecordingId>, limit: usize) -> Result<Vec<Recording>> {
        self.many("recording/".into(), after.map(key), limit).await
    }

    async fn recordings(&self, after: Option<RecordingId>, limit: usize) -> Result<Vec<RecordingSummary>> {
        self.read(move |index| {
            let after = after.map(key);
            let recordings = index.scan("recording/", after.as_deref()).take(limit);
            let summaries = recordings.map(|entry| {
                let (key, value) = entry?;
                let recording: Recording = super::record(&key, &value)?;
                let lines = lines(index, recording.id)?;
                Ok(RecordingSummary { recording, lines })
            });
            summaries.collect()
        })
        .await
    }

    async fn mark_deleted(&self, id: RecordingId, deleted: Option<UnixMillis>) -> Result<Recording> {
        self.writer
            .write(move |tx| {
                let mut recording: Recording = tx.get(&key(id))?.ok_or(StoreError::NotFound)?;
                if tx.has(&purging_key(id))? {
                    return Err(StoreError::NotFound);
                }
                recording.deleted = deleted;
                tx.put(key(id), &recording)?;
                Ok(recording)
            })
            .await
    }

    async fn begin_purge(&self, id: RecordingId) -> Result<bool> {
        self.writer
            .write(move |tx| {
                if tx.get::<Recording>(&key(id))?.is_none_or(|r| r.deleted.is_none()) {
                    return Ok(false);
                }
                if !tx.has(&purging_key(id))? {
                    tx.put(purging_key(id), &true)?;
                }
                Ok(true)
            })
            .await
    }

    async fn purge_recording(&self, id: RecordingId) -> Result<bool> {
        self.writer
            .write(move |tx| {
                let Some(recording) = tx.get::<Recording>(&key(id))?.filter(|r| r.deleted.is_some()) else {
                    return Ok(false);
                };
                unlink_lesson(tx, &recording)?;
                tx.remove(key(id));
                tx.remove(purging_key(id));
                remove_lines(tx, id)?;
                for position in tx.keys(&format!("position/{id}/"))? {
                    tx.remove(position);
                }
                Ok(true)
            })
            .await
    }

    async fn replace_recordings(&self, summaries: Vec<RecordingSummary>) -> Result<()> {
        // One transaction per chunk: each is within a journal line's limit, and a rebuild that is cut short is rerun.
        let keep: HashSet<String> = summaries.iter().map(|s| key(s.recording.id)).collect();
        self.writer
            .write(move |tx| {
                for old in tx.keys("recording/")?.into_iter().filter(|k| !keep.contains(k)) {
                    if let Some(recording) = tx.get::<Recording>(&old)? {
                        unlink_lesson(tx, &recording)?;
                        tx.remove(purging_key(recording.id));
                        remove_lines(tx, recording.id)?;
                    }
                    tx.remove(old);
                }
                Ok(())
            })
            .await?;
        for chunk in summaries.chunks(16) {
            let chunk = chunk.to_vec();
            self.writer
                .write(move |tx| {
                    for summary in chunk {
                        link_lesson(tx, &summary.recording)?;
                        remove_added(tx, summary.recording.id, 0)?;
                        tx.put(lines_key(summary.recording.id), &bounded(summary.lines))?;
                        tx.put(key(summary.recording.id), &summary.recording)?;
                    }
                    Ok(())
                })
                .await?;
        }
        Ok(())
    }

    async fn set_position(&self, account: AccountId, recording: RecordingId, position: Position) -> Result<()> {
        self.writer
            .write(move |tx| {
                if !tx.has(&key(recording))? {
                    return Err(StoreError::NotFound);
                }
                tx.put(position_key(recording, account), &position)
            })
            .await
    }

    async fn positions(
        &self,
        account: AccountId,
        recordings: Vec<RecordingId>,
    ) -> Result<HashMap<RecordingId, Position>> {
        self.read(move |index| {
            let found = recordings.iter().map(|id| {
                let position = get(index, &position_key(*id, account))?;
                Ok(position.map(|p| (*id, p)))
            });
            found.filter_map(Result::transpose).collect()
        })
        .await
    }
}
