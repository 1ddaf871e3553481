//! Recordings and positions on the embedded engine.

use super::{SledStore, get, writer::Tx};
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

fn lines_key(id: RecordingId) -> String {
    format!("lines/{id}")
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
                tx.put(lines_key(recording), &bounded(lines))
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
                let lines = get(index, &lines_key(recording.id))?.unwrap_or_default();
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
                recording.deleted = deleted;
                tx.put(key(id), &recording)?;
                Ok(recording)
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
                tx.remove(lines_key(id));
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
                        tx.remove(lines_key(recording.id));
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
                tx.put(format!("position/{account}/{recording}"), &position)
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
                let position = get(index, &format!("position/{account}/{id}"))?;
                Ok(position.map(|p| (*id, p)))
            });
            found.filter_map(Result::transpose).collect()
        })
        .await
    }
}
