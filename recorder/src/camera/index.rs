//! What a camera's recording holds, read once: a running one is read on from where it was read to, a sealed one never again. Bounded.

use super::{CameraRecording, meta::camera_recording_dir, raw};
use crate::{
    Entry, Header, Line, Seal,
    chain::{self, ChainKind},
    journal,
    recover::{read_or_empty, read_range},
    vod::{self, Role, Track, VodError},
};
use lectern_media::{CameraId, CameraStream, RecordingId, TrackId, UnixMillis};
use lectern_protocol::api::RecordedGap;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Recordings held at a time, and fragments of all of them together: 16,000 are some megabyte.
const INDEXES_MAX: usize = 256;
const FRAGMENTS_MAX: usize = 1_500_000;

/// One recording.
#[derive(Debug, Clone)]
pub(crate) struct Index {
    pub(crate) dir: PathBuf,
    pub(crate) meta: CameraRecording,
    pub(crate) seal: Option<Seal>,
    pub(crate) tracks: BTreeMap<TrackId, Track>,
    pub(crate) gaps: Vec<RecordedGap>,
    pub(crate) lines: Vec<(Line, u64, u64)>,
    /// Bytes of the chain and of the journal that were read.
    chain_len: u64,
    journal_len: u64,
}

impl Index {
    /// Reads the recording in `dir`.
    pub(crate) fn load(dir: &Path) -> Result<Self, VodError> {
        let (header, _) = Header::<CameraRecording>::read(dir)?;
        let mut this = Self {
            dir: dir.into(),
            meta: header.meta,
            seal: None,
            tracks: BTreeMap::new(),
            gaps: Vec::new(),
            lines: Vec::new(),
            chain_len: 0,
            journal_len: 0,
        };
        this.read_on()?;
        Ok(this)
    }

    /// Reads what was added.
    fn read_on(&mut self) -> Result<(), VodError> {
        if self.seal.is_some() {
            return Ok(());
        }
        // The seal first: what is read after it is whole if it was there.
        let seal = Seal::read(&self.dir)?;
        let chain_path = self.dir.join(chain::FILE);
        let chain_bytes = tail(&chain_path, self.chain_len)?;
        // What the chain refers to was in the journal before.
        let path = self.dir.join(journal::FILE);
        let (lines, len) = journal::parse(&tail(&path, self.journal_len)?);
        self.journal_len += len as u64;
        for (line, ..) in &lines {
            if let Entry::Track { info, .. } = &line.entry {
                self.tracks.entry(info.id).or_insert_with(|| Track {
                    info: info.clone(),
                    role: Role { name: String::new(), teacher: false },
                    ended: false,
                    parts: Vec::new(),
                    fragments: Vec::new(),
                });
            }
        }
        if !lines.is_empty() {
            self.lines.extend(lines);
            self.gaps = vod::gaps(&self.lines, 0, vod::CAMERA_GAP_MS_MAX);
        }
        let (records, len) = chain::parse(&chain_bytes);
        vod::add_records(&self.dir, &records, &mut self.tracks)?;
        self.chain_len += len as u64;
        self.seal = seal;
        Ok(())
    }

    /// A moment of the recording.
    pub(crate) fn at(&self, ms: u64) -> UnixMillis {
        UnixMillis(self.meta.started.0.saturating_add(ms as i64))
    }

    /// When the recording ends, or how far it goes.
    pub(crate) fn end(&self) -> UnixMillis {
        let recorded = || self.tracks.values().map(Track::to_ms).max().unwrap_or(0);
        let entered = || self.gaps.iter().map(|g| g.to_ms).max().unwrap_or(0);
        self.at(self.seal.as_ref().map_or_else(|| recorded().max(entered()), |s| s.duration_ms))
    }

    /// The track of a stream, if anything of it is recorded.
    pub(crate) fn track(&self, stream: CameraStream) -> Option<&Track> {
        self.tracks.get(&self.meta.camera.camera.track(stream)).filter(|t| !t.fragments.is_empty())
    }

    fn size(&self) -> usize {
        self.tracks.values().map(|t| t.fragments.len()).sum()
    }
}

fn tail(path: &Path, from: u64) -> Result<Vec<u8>, VodError> {
    match from {
        0 => read_or_empty(path).map_err(VodError::io(path)),
        from => read_range(path, from, u64::MAX).map_err(VodError::io(path)),
    }
}

/// The units of one track that do not decode, in order: what the archive keeps beside its fragments.
///
/// # Errors
/// [`VodError`].
pub fn raw_units(dir: &Path, track: TrackId) -> Result<Vec<raw::RawUnit>, VodError> {
    let name = crate::writer::raw_name(track);
    let path = dir.join(&name);
    let chain_path = dir.join(chain::FILE);
    let (records, _) = chain::parse(&read_or_empty(&chain_path).map_err(VodError::io(&chain_path))?);
    let bytes = read_or_empty(&path).map_err(VodError::io(&path))?;
    let mut out = Vec::new();
    for r in records.iter().filter(|r| r.kind == ChainKind::Raw && r.file == name) {
        let damaged = || VodError::Damaged { path: path.clone(), offset: r.offset };
        let block = usize::try_from(r.offset).ok().and_then(|at| bytes.get(at..)).ok_or_else(damaged)?;
        out.extend(raw::parse_block(block).ok_or_else(damaged)?.0);
    }
    Ok(out)
}

/// One recording, as far as it was read; whoever reads it on holds up those only who want the same one.
type Slot = Arc<Mutex<Arc<Index>>>;

/// Recordings that were read, the one used last at the end.
#[derive(Debug, Default)]
pub(crate) struct Cache {
    held: Mutex<VecDeque<(PathBuf, Slot)>>,
}

impl Cache {
    /// The recording in `dir` as it stands now.
    pub(crate) fn get(&self, dir: &Path) -> Result<Arc<Index>, VodError> {
        let slot = {
            let mut held = self.held.lock();
            let at = held.iter().position(|(d, _)| d == dir);
            let found = at.and_then(|at| held.remove(at));
            if let Some(found) = &found {
                held.push_back(found.clone());
            }
            found.map(|(_, slot)| slot)
        };
        let Some(slot) = slot else {
            let index = Arc::new(Index::load(dir)?);
            let mut held = self.held.lock();
            held.retain(|(d, _)| d != dir);
            held.push_back((dir.into(), Arc::new(Mutex::new(index.clone()))));
            let mut fragments: usize = held.iter().map(|(_, s)| s.lock().size()).sum();
            while held.len() > 1 && (held.len() > INDEXES_MAX || fragments > FRAGMENTS_MAX) {
                fragments -= held.pop_front().map_or(0, |(_, s)| s.lock().size());
            }
            return Ok(index);
        };
        let mut index = slot.lock();
        if index.seal.is_none() {
            let len = |name| std::fs::metadata(dir.join(name)).map_or(0, |m| m.len());
            if len(chain::FILE) < index.chain_len || len(journal::FILE) < index.journal_len {
                // It was recovered after a crash: what was read was not all there for good.
                *index = Arc::new(Index::load(dir)?);
            } else {
                Arc::make_mut(&mut index).read_on()?;
            }
        }
        Ok(index.clone())
    }
}

/// The directory of a recording, if it is there.
pub(crate) fn find(root: &Path, camera: CameraId, recording: RecordingId) -> Result<PathBuf, VodError> {
    let dir = camera_recording_dir(root, camera, recording);
    if dir.join(Header::FILE).exists() { Ok(dir) } else { Err(VodError::NotFound(format!("recording {recording}"))) }
}
