//! Lets signaling serve recordings: finds their files and reads them through the recorder's eyes.

use crate::archive;
use async_trait::async_trait;
use bytes::Bytes;
use jiff::tz::TimeZone;
use lectern_media::{RecordingId, TrackId, UnixMillis};
use lectern_protocol::api::RecordingStatus;
use lectern_recorder::{
    Recorder, day_of,
    vod::{Assembled, Name, Picture, Recording, VodError},
};
use lectern_signaling::ports::{DownloadChoice, PortError, ReadAt, RecordingFacts, RecordingFiles, Served, ServedBody};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// Indexes of recordings kept in memory; a lesson's takes some hundred kilobytes.
const CACHED_MAX: usize = 32;
/// A running recording is read again after this long: players ask for its playlists every few seconds.
const LIVE_FRESH: Duration = Duration::from_millis(700);

/// The archive, for reading.
pub struct Archive {
    root: PathBuf,
    recorder: Arc<Recorder>,
    zone: TimeZone,
    cache: Cache<Loaded>,
}

/// A recording as it was read, and when.
struct Loaded(Arc<Recording>, Instant);

impl Loaded {
    fn is_fresh(&self) -> bool {
        self.0.facts().status != RecordingStatus::Live || self.1.elapsed() < LIVE_FRESH
    }
}

/// What was read of recordings; the one that was not asked for longest makes room. Whoever holds a slot's lock reads, and
/// all others who ask meanwhile wait for what it finds.
struct Cache<T>(Mutex<Slots<T>>);

struct Slots<T> {
    turn: u64,
    by_id: HashMap<RecordingId, (u64, Slot<T>)>,
}

type Slot<T> = Arc<tokio::sync::Mutex<Option<T>>>;

impl<T> Cache<T> {
    fn new() -> Self {
        Self(Mutex::new(Slots { turn: 0, by_id: HashMap::new() }))
    }

    fn slot(&self, id: RecordingId) -> Slot<T> {
        let mut slots = self.0.lock();
        slots.turn += 1;
        let turn = slots.turn;
        if slots.by_id.len() >= CACHED_MAX
            && !slots.by_id.contains_key(&id)
            && let Some(oldest) = slots.by_id.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| *id)
        {
            slots.by_id.remove(&oldest);
        }
        let (used, slot) = slots.by_id.entry(id).or_default();
        *used = turn;
        Arc::clone(slot)
    }

    fn forget(&self, id: RecordingId) {
        self.0.lock().by_id.remove(&id);
    }
}

impl Archive {
    pub fn new(data: &Path, recorder: Arc<Recorder>, zone: TimeZone) -> Self {
        Self { root: archive::recordings_dir(data), recorder, zone, cache: Cache::new() }
    }

    /// The directory of a recording: `<root>/<day>/<id>`. The id tells when it was made, which is the day the lesson was
    /// opened or soon after; only for one that was started days later are all days looked through.
    fn find(root: &Path, id: RecordingId) -> Option<PathBuf> {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        let made = UnixMillis(id.0.timestamp_ms() as i64);
        let name = id.to_string();
        let likely = [made, UnixMillis(made.0 - DAY.as_millis() as i64)].map(|at| root.join(day_of(at)).join(&name));
        if let Some(dir) = likely.into_iter().find(|dir| dir.is_dir()) {
            return Some(dir);
        }
        let days = fs::read_dir(root).ok()?;
        days.flatten().map(|day| day.path().join(&name)).find(|dir| dir.is_dir())
    }

    #[cfg(test)]
    pub(crate) fn find_for_test(data: &Path, id: RecordingId) -> PathBuf {
        Self::find(&archive::recordings_dir(data), id).expect("it is there")
    }

    #[cfg(test)]
    pub(crate) fn forget_for_test(&self, id: RecordingId) {
        self.cache.forget(id);
    }

    /// A recording as it stands now (a running one: less than a second ago); `None` if there is none.
    async fn recording(&self, id: RecordingId) -> Result<Option<Arc<Recording>>, String> {
        let slot = self.cache.slot(id);
        let mut slot = slot.lock().await;
        if let Some(loaded) = slot.as_ref().filter(|loaded| loaded.is_fresh()) {
            return Ok(Some(Arc::clone(&loaded.0)));
        }
        let (root, zone) = (self.root.clone(), self.zone.clone());
        let work = tokio::task::spawn_blocking(move || {
            Self::find(&root, id).map(|dir| Recording::load(dir).map(|r| r.in_zone(zone))).transpose()
        });
        let found = work.await.map_err(|e| e.to_string())?.map_err(|e| e.to_string())?.map(Arc::new);
        match &found {
            Some(recording) => *slot = Some(Loaded(Arc::clone(recording), Instant::now())),
            None => self.cache.forget(id),
        }
        Ok(found)
    }

    /// Reads something of a recording on a blocking thread; `None` if there is no such recording or thing.
    async fn read<T: Send + 'static>(
        &self,
        id: RecordingId,
        what: &'static str,
        read: impl FnOnce(&Recording) -> Result<T, VodError> + Send + 'static,
    ) -> Result<Option<T>, PortError> {
        let fault = |cause: String| PortError { part: "the archive", what, cause };
        let Some(recording) = self.recording(id).await.map_err(fault)? else { return Ok(None) };
        match tokio::task::spawn_blocking(move || read(&recording)).await.map_err(|e| fault(e.to_string()))? {
            Ok(found) => Ok(Some(found)),
            Err(VodError::NotFound(_)) => Ok(None),
            Err(e) => Err(fault(e.to_string())),
        }
    }
}

#[async_trait]
impl RecordingFiles for Archive {
    async fn facts(&self, recording: RecordingId) -> Result<Option<RecordingFacts>, PortError> {
        self.read(recording, "read what a recording holds", |r| {
            let f = r.facts();
            Ok(RecordingFacts {
                started: UnixMillis(f.meta.started.0),
                duration: Duration::from_millis(f.duration_ms),
                status: f.status,
                size_bytes: f.size_bytes,
                tracks: f.recorded_tracks(),
                gaps: f.gaps.clone(),
                events: f.events.clone(),
            })
        })
        .await
    }

    async fn open(&self, recording: RecordingId, path: &str) -> Result<Option<Served>, PortError> {
        let path = path.to_owned();
        self.read(recording, "read a part of a recording", move |r| part(r, &path)).await
    }

    async fn download(&self, recording: RecordingId, choice: &DownloadChoice) -> Result<Option<Served>, PortError> {
        let tracks = choice.tracks.clone();
        self.read(recording, "put a download together", move |r| {
            let whole = r.download(picture(r, &tracks)?)?;
            Ok(assembled(whole, r.facts().status != RecordingStatus::Live))
        })
        .await
    }

    async fn remove(&self, recording: RecordingId) -> Result<(), PortError> {
        let fault = |cause: String| PortError { part: "the archive", what: "remove a recording", cause };
        self.cache.forget(recording);
        let (root, recorder) = (self.root.clone(), Arc::clone(&self.recorder));
        let removed = tokio::task::spawn_blocking(move || {
            let Some(dir) = Self::find(&root, recording) else { return Ok(()) };
            let unsealed = Recording::load(&dir).is_ok_and(|r| r.facts().status == RecordingStatus::Live);
            let abandoned = recorder.abandon(recording);
            if unsealed && !abandoned {
                return Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is still being made"));
            }
            fs::remove_dir_all(&dir).inspect_err(|_| {
                if abandoned {
                    recorder.reclaim(recording, &dir);
                }
            })
        });
        removed.await.map_err(|e| fault(e.to_string()))?.map_err(|e| fault(e.to_string()))
    }
}

/// Which picture a download shows: the one of a named track, or the first there is.
fn picture(r: &Recording, tracks: &[TrackId]) -> Result<Picture, VodError> {
    use lectern_media::TrackSource;
    let named = tracks.iter().filter_map(|id| r.facts().track(*id)).find_map(|t| match t.info.source {
        TrackSource::Camera => Some(Picture::Camera),
        TrackSource::Screen => Some(Picture::Screen),
        _ => None,
    });
    named.or_else(|| r.pictures().into_iter().next()).ok_or_else(|| VodError::NotFound("picture of the teacher".into()))
}

/// What stands at a path below `/vod/{recording}/`.
fn part(r: &Recording, path: &str) -> Result<Served, VodError> {
    let nothing = || VodError::NotFound(path.to_owned());
    let done = r.facts().status != RecordingStatus::Live;
    let text = |text: String| Served {
        content_type: "application/vnd.apple.mpegurl",
        len_bytes: text.len() as u64,
        body: ServedBody::Bytes(text.into()),
        immutable: done,
    };
    let media = |content_type, bytes: Bytes| Served {
        content_type,
        len_bytes: bytes.len() as u64,
        body: ServedBody::Bytes(bytes),
        immutable: true,
    };
    match path.split('/').collect::<Vec<_>>()[..] {
        ["index.m3u8"] => r.multivariant(None).map(text),
        [file] => {
            let track = file.strip_suffix(".webm").and_then(|id| id.parse().ok()).ok_or_else(nothing)?;
            Ok(assembled(r.webm(track)?, done))
        }
        [name, "index.m3u8"] => r.media_playlist(name.parse::<Name>()?).map(text),
        [track, file] => {
            let id: TrackId = track.parse().map_err(|_| nothing())?;
            let content_type = if file.ends_with(".mp4") { "video/mp4" } else { "video/iso.segment" };
            r.file(id, file).map(|bytes| media(content_type, bytes))
        }
        _ => Err(nothing()),
    }
}

/// A file that the recorder puts together while it is read.
struct Whole(Assembled);

impl ReadAt for Whole {
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes> {
        self.0.read(offset, len).map(Bytes::from).map_err(io::Error::other)
    }
}

fn assembled(whole: Assembled, immutable: bool) -> Served {
    let (content_type, len_bytes) = (whole.content_type, whole.len());
    Served { content_type, len_bytes, body: ServedBody::Reader(Arc::new(Whole(whole))), immutable }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lectern_recorder::Limits;

    #[test]
    fn what_was_not_asked_for_longest_makes_room() {
        let cache: Cache<()> = Cache::new();
        let ids: Vec<_> = (0..=CACHED_MAX).map(|_| RecordingId::generate()).collect();
        let slots: Vec<_> = ids[..CACHED_MAX].iter().map(|id| cache.slot(*id)).collect();
        cache.slot(ids[0]);
        cache.slot(ids[CACHED_MAX]);
        assert!(Arc::ptr_eq(&cache.slot(ids[0]), &slots[0]), "it was used since");
        assert!(!Arc::ptr_eq(&cache.slot(ids[1]), &slots[1]), "it was not");
        assert_eq!(cache.0.lock().by_id.len(), CACHED_MAX);
    }

    #[tokio::test]
    async fn whoever_asks_at_once_shares_one_reading() {
        let data = tempfile::tempdir().unwrap();
        let root = archive::recordings_dir(data.path());
        let limits = Limits { reserve_bytes: 0, ..Limits::default() };
        let recorder = Arc::new(Recorder::open(&root, limits).unwrap());
        let archive = Archive::new(data.path(), Arc::clone(&recorder), TimeZone::UTC);
        for ago_days in [0, 1, 300] {
            let meta = crate::archive::tests::meta(ago_days);
            let id = meta.id;
            let handle = recorder.start(meta, Arc::new(|_| ())).unwrap();
            handle.finish().await.unwrap();
            let (a, b, c) = tokio::join!(archive.recording(id), archive.recording(id), archive.recording(id));
            let [a, b, c] = [a, b, c].map(|found| found.unwrap().expect("it is found, whenever its lesson began"));
            assert!(Arc::ptr_eq(&a, &b) && Arc::ptr_eq(&b, &c));
        }
        let unknown = RecordingId::generate();
        assert!(archive.recording(unknown).await.unwrap().is_none());
        assert!(!archive.cache.0.lock().by_id.contains_key(&unknown), "what is not there takes no room");
    }
}
