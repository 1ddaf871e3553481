//! Lets signaling serve recordings: finds their files and reads them through the recorder's eyes.

use crate::archive;
use async_trait::async_trait;
use bytes::Bytes;
use lectern_media::{RecordingId, TrackId, UnixMillis};
use lectern_protocol::api::RecordingStatus;
use lectern_recorder::vod::{Assembled, Name, Picture, Recording, VodError};
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
    cache: Mutex<HashMap<RecordingId, (Arc<Recording>, Instant)>>,
}

impl Archive {
    pub fn new(data: &Path) -> Self {
        Self { root: archive::recordings_dir(data), cache: Mutex::default() }
    }

    /// The directory of a recording: `<root>/<day>/<id>`.
    fn find(root: &Path, id: RecordingId) -> Option<PathBuf> {
        let days = fs::read_dir(root).ok()?;
        let name = id.to_string();
        days.flatten().map(|day| day.path().join(&name)).find(|dir| dir.is_dir())
    }

    /// Reads something of a recording on a blocking thread; `None` if there is no such recording or thing.
    async fn read<T: Send + 'static>(
        &self,
        id: RecordingId,
        what: &'static str,
        read: impl FnOnce(&Recording) -> Result<T, VodError> + Send + 'static,
    ) -> Result<Option<T>, PortError> {
        let cached = self.cache.lock().get(&id).filter(|(r, at)| is_fresh(r, *at)).map(|(r, _)| Arc::clone(r));
        let root = self.root.clone();
        let work = tokio::task::spawn_blocking(move || {
            let recording = match cached {
                Some(recording) => recording,
                None => match Self::find(&root, id) {
                    Some(dir) => Arc::new(Recording::load(dir)?),
                    None => return Ok((None, None)),
                },
            };
            let found = read(&recording);
            match found {
                Ok(found) => Ok((Some(recording), Some(found))),
                Err(VodError::NotFound(_)) => Ok((Some(recording), None)),
                Err(e) => Err(e),
            }
        });
        let fault = |cause: String| PortError { part: "the archive", what, cause };
        let (recording, found) = work.await.map_err(|e| fault(e.to_string()))?.map_err(|e| fault(e.to_string()))?;
        if let Some(recording) = recording {
            self.keep(id, recording);
        }
        Ok(found)
    }

    fn keep(&self, id: RecordingId, recording: Arc<Recording>) {
        let mut cache = self.cache.lock();
        let known_at = cache.get(&id).filter(|(r, _)| Arc::ptr_eq(r, &recording)).map(|(_, at)| *at);
        if cache.len() >= CACHED_MAX
            && !cache.contains_key(&id)
            && let Some(oldest) = cache.iter().min_by_key(|(_, (_, at))| *at).map(|(id, _)| *id)
        {
            cache.remove(&oldest);
        }
        cache.insert(id, (recording, known_at.unwrap_or_else(Instant::now)));
    }
}

fn is_fresh(recording: &Recording, at: Instant) -> bool {
    recording.facts().status != RecordingStatus::Live || at.elapsed() < LIVE_FRESH
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
            let whole = r.mp4(picture(r, &tracks)?)?;
            Ok(assembled(whole, r.facts().status != RecordingStatus::Live))
        })
        .await
    }

    async fn remove(&self, recording: RecordingId) -> Result<(), PortError> {
        let fault = |cause: String| PortError { part: "the archive", what: "remove a recording", cause };
        self.cache.lock().remove(&recording);
        let root = self.root.clone();
        let removed = tokio::task::spawn_blocking(move || match Self::find(&root, recording) {
            None => Ok(()),
            Some(dir) if Recording::load(&dir).is_ok_and(|r| r.facts().status == RecordingStatus::Live) => {
                Err(io::Error::new(io::ErrorKind::ResourceBusy, "it is still being made"))
            }
            Some(dir) => fs::remove_dir_all(dir),
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
    named
        .or_else(|| r.pictures().into_iter().next())
        .ok_or_else(|| VodError::NotFound("picture of the teacher that an MP4 can hold".into()))
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
