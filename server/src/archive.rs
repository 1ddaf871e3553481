//! What recordings on disk are to the catalogue: their facts and the words said in them.

use anyhow::Context as _;
use lectern_base::{Config, DataDir};
use lectern_library::{Library, LibraryOptions, Recording, RecordingSummary, TextLine};
use lectern_media::{AccountId, ClassId, PlaceId, UnixMillis};
use lectern_protocol::api::{ClassEvent, RecordingStatus};
use lectern_recorder::{RecordingMeta, vod};
use std::path::{Path, PathBuf};

/// Where recordings lie.
pub fn recordings_dir(data: &Path) -> PathBuf {
    data.join("recordings")
}

/// Where the catalogue lies.
pub fn catalogue_dir(data: &Path) -> PathBuf {
    data.join("catalogue")
}

/// Opens the catalogue.
pub async fn open_library(config: &Config, data: &DataDir) -> anyhow::Result<Library> {
    let zone = lectern_library::timetable::zone(&config.time.zone)
        .with_context(|| format!("time.zone: {:?} is not a time zone of this machine", config.time.zone))?;
    let options = LibraryOptions { zone, ..LibraryOptions::default() };
    Library::open(&catalogue_dir(data.path()), options).await.context("could not open the catalogue")
}

/// What the catalogue keeps of a recording. A recording without a place belongs to the root.
pub fn entry(meta: &RecordingMeta, root: Option<PlaceId>, state: State) -> Option<Recording> {
    Some(Recording {
        id: meta.id,
        lesson: meta.lesson,
        class: meta.class.unwrap_or(ClassId(meta.lesson.0)),
        place: meta.place.or(root)?,
        // Nobody has an account with the lesson's number, so nobody owns such a recording.
        teacher: meta.teacher_account.unwrap_or(AccountId(meta.lesson.0)),
        title: meta.title.clone(),
        subject: meta.subject.clone(),
        grade: meta.grade.clone(),
        teacher_name: meta.teacher.clone(),
        school: meta.school.clone(),
        started: meta.started,
        duration_ms: state.duration_ms,
        status: state.status,
        size_bytes: state.size_bytes,
        deleted: None,
    })
}

/// How far a recording is.
#[derive(Debug, Clone, Copy)]
pub struct State {
    /// Its length.
    pub duration_ms: u64,
    /// Its size on disk.
    pub size_bytes: u64,
    /// Whether it grows.
    pub status: RecordingStatus,
}

/// The sentence in an event, if it has one.
pub fn line(started: UnixMillis, at: UnixMillis, event: &ClassEvent) -> Option<TextLine> {
    sentence(event).map(|text| TextLine { at_ms: at.since(started).as_millis() as u64, text: text.to_owned() })
}

fn sentence(event: &ClassEvent) -> Option<&str> {
    match event {
        ClassEvent::Chat { text, .. } | ClassEvent::Asked { text, .. } => Some(text),
        ClassEvent::Answered { text, .. } => text.as_deref(),
        _ => None,
    }
}

/// A recording's catalogue entry, read from its files.
pub fn summary(dir: &Path, root: Option<PlaceId>) -> Result<Option<RecordingSummary>, vod::VodError> {
    let recording = vod::Recording::load(dir)?;
    let facts = recording.facts();
    let state = State { duration_ms: facts.duration_ms, size_bytes: facts.size_bytes, status: facts.status };
    let lines = facts
        .events
        .iter()
        .filter_map(|e| sentence(&e.event).map(|text| TextLine { at_ms: e.at_ms, text: text.to_owned() }));
    Ok(entry(&facts.meta, root, state).map(|recording| RecordingSummary { recording, lines: lines.collect() }))
}

/// Makes the catalogue's recordings exactly those on disk.
pub async fn rebuild(config: &Config, data: &DataDir) -> anyhow::Result<usize> {
    let library = open_library(config, data).await?;
    let root = library.tree().root();
    let dir = recordings_dir(data.path());
    let found = tokio::task::spawn_blocking(move || {
        let read = |s: lectern_recorder::RecordingSummary| match summary(&s.dir, root) {
            Ok(found) => found,
            Err(error) => {
                tracing::error!(dir = %s.dir.display(), %error, "left out: it cannot be read");
                None
            }
        };
        lectern_recorder::scan(&dir).into_iter().filter_map(read).collect::<Vec<_>>()
    })
    .await?;
    let count = library.rebuild_recordings(found).await.context("could not write the catalogue")?;
    library.store().close().await;
    Ok(count)
}
