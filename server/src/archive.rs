//! What recordings on disk are to the catalogue: their facts and the words said in them.

use anyhow::Context as _;
use jiff::tz::TimeZone;
use lectern_auth::{Level, PlaceNode, PlaceTree};
use lectern_base::{Config, DataDir};
use lectern_library::{
    Conflict, Library, LibraryOptions, Recording, RecordingSummary, SledStore, StoreError, TextLine,
};
use lectern_media::{AccountId, ClassId, PlaceId, UnixMillis};
use lectern_protocol::api::{ClassEvent, RecordingStatus};
use lectern_recorder::{RecordingMeta, vod};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

/// Where recordings lie.
pub fn recordings_dir(data: &Path) -> PathBuf {
    data.join("recordings")
}

/// Where the catalogue lies.
pub fn catalogue_dir(data: &Path) -> PathBuf {
    data.join("catalogue")
}

/// The configured time zone.
pub fn zone(config: &Config) -> anyhow::Result<TimeZone> {
    lectern_library::timetable::zone(&config.time.zone)
        .with_context(|| format!("time.zone: {:?} is not a time zone of this machine", config.time.zone))
}

/// Opens the catalogue.
pub async fn open_library(config: &Config, data: &DataDir) -> anyhow::Result<Library> {
    let options = LibraryOptions { zone: zone(config)?, ..LibraryOptions::default() };
    Library::open(&catalogue_dir(data.path()), options).await.context("could not open the catalogue")
}

/// What the catalogue keeps of a recording. One without a place, or whose place is not in the tree (which would make it
/// nobody's), belongs to the root. `None` while there is no tree.
pub fn entry(meta: &RecordingMeta, tree: &PlaceTree, state: State) -> Option<Recording> {
    let place = meta.place.filter(|place| tree.get(*place).is_some()).or(tree.root())?;
    Some(entry_at(meta, place, state))
}

fn entry_at(meta: &RecordingMeta, place: PlaceId, state: State) -> Recording {
    Recording {
        id: meta.id,
        lesson: meta.lesson,
        class: meta.class.unwrap_or(ClassId(meta.lesson.0)),
        place,
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
    }
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

/// What a recording's files say of it.
pub struct Found {
    meta: RecordingMeta,
    state: State,
    /// What was written in class.
    pub lines: Vec<TextLine>,
}

/// Reads a recording's files.
pub fn find(dir: &Path) -> Result<Found, vod::VodError> {
    let recording = vod::Recording::load(dir)?;
    let facts = recording.facts();
    let state = State { duration_ms: facts.duration_ms, size_bytes: facts.size_bytes, status: facts.status };
    let lines = facts
        .events
        .iter()
        .filter_map(|e| sentence(&e.event).map(|text| TextLine { at_ms: e.at_ms, text: text.to_owned() }));
    Ok(Found { meta: facts.meta.clone(), state, lines: lines.collect() })
}

/// Makes the catalogue's recordings exactly those on disk, and the places that they name and the tree lacks. With `anew`,
/// a journal that can't be used is put aside first.
pub async fn rebuild(config: &Config, data: &DataDir, anew: bool) -> anyhow::Result<Rebuilt> {
    let aside = if anew { SledStore::set_aside(&catalogue_dir(data.path()), UnixMillis::now())? } else { None };
    let library = open_library(config, data).await.map_err(|error| {
        let damaged = error.downcast_ref().is_some_and(|e| matches!(e, StoreError::Damaged { .. }));
        let hint = "without a back-up, `lectern library rebuild --new` begins a new catalogue and finds the recordings \
                    again; people, places and the timetable of the old one are lost";
        if damaged { error.context(hint) } else { error }
    })?;
    let dir = recordings_dir(data.path());
    let found = tokio::task::spawn_blocking(move || {
        let read = |s: lectern_recorder::RecordingSummary| match find(&s.dir) {
            Ok(found) => Some(found),
            Err(error) => {
                tracing::error!(dir = %s.dir.display(), %error, "left out: it cannot be read");
                None
            }
        };
        lectern_recorder::scan(&dir).into_iter().filter_map(read).collect::<Vec<_>>()
    })
    .await?;
    let places = library.tree().iter().count();
    let at = replant(&library, found.iter().map(|f| &f.meta)).await.context("could not make the places again")?;
    let root = library.plant_root().await.context("could not make the root of the tree")?;
    let places = library.tree().iter().count() - places;
    let summaries = found.into_iter().map(|found| {
        let place = found.meta.place.map_or(root, |place| at.get(&place).copied().unwrap_or(root));
        RecordingSummary { recording: entry_at(&found.meta, place, found.state), lines: found.lines }
    });
    let recordings = library.rebuild_recordings(summaries).await.context("could not write the catalogue")?;
    library.store().close().await;
    Ok(Rebuilt { recordings, places, aside })
}

/// What a rebuild did.
pub struct Rebuilt {
    /// Recordings in the catalogue now.
    pub recordings: usize,
    /// Places that were made.
    pub places: usize,
    /// Where the old journal is, if it was put aside.
    pub aside: Option<PathBuf>,
}

/// Makes the places that recordings name and the tree lacks, as they were when each was recorded; tells where each
/// recording's place is now. A place keeps its number, so that a catalogue restored from a back-up later still fits.
async fn replant(
    library: &Library,
    metas: impl Iterator<Item = &RecordingMeta>,
) -> Result<HashMap<PlaceId, PlaceId>, StoreError> {
    // The newest names win, and what is known with all above it comes before what is not.
    let mut metas: Vec<&RecordingMeta> = metas.filter(|m| m.place.is_some()).collect();
    metas.sort_by_key(|m| (m.places.is_empty(), std::cmp::Reverse(m.started)));
    let mut at = HashMap::new();
    for meta in metas {
        let Some(place) = meta.place.filter(|place| !at.contains_key(place)) else { continue };
        let school = PlaceNode { id: place, parent: None, level: Level::School, name: meta.school.clone() };
        let known = library.tree().get(place).is_some();
        let path = match meta.places.last() {
            _ if known => vec![],
            Some(last) if last.id == place => meta.places.clone(),
            // Recorded by an older version: all that is known is the school's name.
            _ if !meta.school.is_empty() => vec![school],
            _ => vec![],
        };
        let mut above = None;
        for node in path {
            let tree = library.tree();
            above = match (tree.get(node.id), tree.root()) {
                (Some(known), _) => Some(known.id),
                (None, None) if node.level == Level::Nation => put(library, node, None).await?,
                // Another root than then: what lay under that one lies under this one.
                (None, Some(root)) if node.level == Level::Nation => Some(root),
                (None, _) => {
                    let parent = match above {
                        Some(above) => above,
                        None => library.plant_root().await?,
                    };
                    // Where it does not fit, the recording belongs to the place above.
                    put(library, node, Some(parent)).await?.or(Some(parent))
                }
            };
        }
        at.extend(if known { Some(place) } else { above }.map(|now| (place, now)));
    }
    Ok(at)
}

/// Makes a place, if it fits there.
async fn put(library: &Library, node: PlaceNode, parent: Option<PlaceId>) -> Result<Option<PlaceId>, StoreError> {
    let id = node.id;
    match library.put_place(PlaceNode { parent, ..node }).await {
        Ok(()) => Ok(Some(id)),
        Err(StoreError::Conflict(Conflict::PlaceDoesNotFit)) => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
pub(crate) mod tests;
