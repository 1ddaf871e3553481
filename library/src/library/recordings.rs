//! Recordings with rights: register, update, search, delete and restore, rebuild.

use super::{Library, blocking};
use crate::{
    error::{Result, StoreError},
    model::{Recording, RecordingSummary, TextLine},
    search::{DOCS_MAX, Mark},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use lectern_auth::{Action, Object, Rights};
use lectern_media::{PlaceId, RecordingId, UnixMillis};
use std::{cmp::Reverse, sync::Arc};

/// Recordings on one page.
pub const PAGE_LEN_MAX: usize = 100;

/// What is looked for. An empty query is the whole library, newest first.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// Words.
    pub text: String,
    /// Exactly this subject.
    pub subject: Option<String>,
    /// Exactly this teacher's name.
    pub teacher: Option<String>,
    /// Exactly this school's name.
    pub school: Option<String>,
    /// At this place or below.
    pub place: Option<PlaceId>,
    /// The end of the page before.
    pub cursor: Option<String>,
    /// Length of the page, 1 to [`PAGE_LEN_MAX`].
    pub limit: usize,
}

/// One recording of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The recording.
    pub recording: Recording,
    /// The sentence that matched.
    pub hit: Option<TextLine>,
}

/// A page of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct SearchPage {
    /// Best first, or newest first if no words were given.
    pub items: Vec<Found>,
    /// Where the next page begins, if there is one.
    pub next: Option<String>,
    /// How many match in all, of those that may be seen.
    pub total: u64,
}

/// What a recording is to rights.
impl From<&Recording> for Object {
    fn from(recording: &Recording) -> Self {
        Self { place: recording.place, owner: Some(recording.teacher) }
    }
}

impl Library {
    /// Registers a recording when it begins, and replaces its facts when they change (length, size, state): call it as
    /// often as every few seconds. Its lesson learns of it.
    ///
    /// # Errors
    /// [`StoreError::Full`], or if the store can't be written.
    pub async fn put_recording(&self, recording: Recording) -> Result<()> {
        let known = {
            let index = self.index.read();
            index.get(recording.id).is_some() || index.has_room()
        };
        if !known {
            return Err(StoreError::Full { what: "recordings", max: DOCS_MAX });
        }
        let id = recording.id;
        self.store.put_recording(recording).await?;
        // As the store has it: a deletion that is pending stays.
        self.refresh(id).await
    }

    /// Replaces the searchable lines (chat, questions, answers) of a recording.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or if the store can't be written.
    pub async fn put_lines(&self, id: RecordingId, lines: Vec<TextLine>) -> Result<()> {
        let _alone = self.reloading.lock().await;
        self.store.put_lines(id, lines.clone()).await?;
        let index = Arc::clone(&self.index);
        blocking(move || index.write().put_lines(id, lines)).await
    }

    /// Adds searchable lines behind the first `from` of a recording. Costs what the new lines cost, however many there are.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or if the store can't be written.
    pub async fn add_lines(&self, id: RecordingId, from: usize, lines: Vec<TextLine>) -> Result<()> {
        let _alone = self.reloading.lock().await;
        self.store.add_lines(id, from, lines.clone()).await?;
        let index = Arc::clone(&self.index);
        blocking(move || index.write().add_lines(id, from, lines)).await
    }

    /// A recording that these rights may do `action` to, unless it is deleted.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn recording(&self, id: RecordingId, action: Action, rights: &Rights) -> Result<Option<Recording>> {
        let recording = self.store.recording(id).await?;
        Ok(recording.filter(|r| r.deleted.is_none() && rights.may(action, r, &self.tree())))
    }

    /// Marks a recording as deleted: it is no longer found, and can be restored until it is purged.
    ///
    /// # Errors
    /// [`StoreError::NotFound`], or if the store can't be written.
    pub async fn delete_recording(&self, id: RecordingId, now: UnixMillis) -> Result<Recording> {
        let recording = self.store.mark_deleted(id, Some(now)).await?;
        self.refresh(id).await?;
        Ok(recording)
    }

    /// Takes a deletion back.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] after it was purged, or if the store can't be written.
    pub async fn restore_recording(&self, id: RecordingId) -> Result<Recording> {
        let recording = self.store.mark_deleted(id, None).await?;
        self.refresh(id).await?;
        Ok(recording)
    }

    /// Makes a deletion final; tells whether there was one. Its files are the recorder's to remove after this returned
    /// true, and then it is forgotten by [`Library::purge_recording`].
    ///
    /// # Errors
    /// If the store can't be written.
    pub async fn begin_purge(&self, id: RecordingId) -> Result<bool> {
        self.store.begin_purge(id).await
    }

    /// Forgets a recording that is marked as deleted; tells whether it was.
    ///
    /// # Errors
    /// If the store can't be written.
    pub async fn purge_recording(&self, id: RecordingId) -> Result<bool> {
        let purged = self.store.purge_recording(id).await?;
        if purged {
            self.index.write().remove(id);
        }
        Ok(purged)
    }

    /// The recordings marked as deleted before `before`: what a start after a crash has to finish.
    #[must_use]
    pub fn deleted_before(&self, before: UnixMillis) -> Vec<RecordingId> {
        self.index.read().deleted_before(before)
    }

    /// Makes the catalogue's recordings exactly these, which were read from the archive. Tells how many.
    ///
    /// # Errors
    /// If the store can't be written.
    pub async fn rebuild_recordings(&self, summaries: impl IntoIterator<Item = RecordingSummary>) -> Result<usize> {
        let summaries: Vec<RecordingSummary> = summaries.into_iter().take(DOCS_MAX).collect();
        let count = summaries.len();
        self.store.replace_recordings(summaries).await?;
        self.load_facts().await?;
        self.load_lines();
        Ok(count)
    }

    /// Searches. Rights come first: what may not be seen is neither listed nor counted.
    ///
    /// # Errors
    /// If the runtime is shutting down.
    pub async fn search(&self, query: Query, rights: &Rights) -> Result<SearchPage> {
        let index = Arc::clone(&self.index);
        let tree = self.tree();
        let rights = rights.clone();
        blocking(move || {
            let limit = query.limit.clamp(1, PAGE_LEN_MAX);
            let filter = |r: &Recording| {
                rights.may(Action::WatchRecording, r, &tree)
                    && query.subject.as_ref().is_none_or(|subject| r.subject == *subject)
                    && query.teacher.as_ref().is_none_or(|teacher| r.teacher_name == *teacher)
                    && query.school.as_ref().is_none_or(|school| r.school == *school)
                    && query.place.is_none_or(|place| tree.within(r.place, place))
            };
            let after = query.cursor.as_deref().and_then(mark_from);
            let (total, mut matches) = index.read().search(&query.text, filter, after, limit + 1);
            let more = matches.len() > limit;
            matches.truncate(limit);
            let next = matches.last().filter(|_| more).map(|last| {
                let r = &last.recording;
                cursor_from(Mark { score: Reverse(last.score), started: Reverse(r.started), id: r.id })
            });
            let items = matches.into_iter().map(|m| Found { recording: m.recording, hit: m.hit }).collect();
            SearchPage { items, next, total }
        })
        .await
    }

    async fn refresh(&self, id: RecordingId) -> Result<()> {
        let _alone = self.reloading.lock().await;
        let recording = self.store.recording(id).await?.ok_or(StoreError::NotFound)?;
        let index = Arc::clone(&self.index);
        blocking(move || index.write().put_facts(recording)).await
    }
}

/// A cursor is a [`Mark`] in opaque text; one that is made up starts at the beginning.
fn cursor_from(mark: Mark) -> String {
    B64.encode(format!("{}/{}/{}", mark.score.0, mark.started.0.0, mark.id))
}

fn mark_from(cursor: &str) -> Option<Mark> {
    let text = String::from_utf8(B64.decode(cursor).ok()?).ok()?;
    let mut parts = text.split('/');
    let mark = Mark {
        score: Reverse(parts.next()?.parse().ok()?),
        started: Reverse(UnixMillis(parts.next()?.parse().ok()?)),
        id: parts.next()?.parse().ok()?,
    };
    parts.next().is_none().then_some(mark)
}
