//! What others call: [`Recorder`] for the directory of recordings, [`RecordingHandle`] for one that runs.

use crate::{
    Header, Limits, RecordingMeta, RecordingSummary, Recovered, Seal,
    recover::{self, RecoverError},
    scan,
    session::{Command, Session},
    storage::{Disk, Storage},
    writer::{Standing, Writer},
};
use lectern_media::{
    LessonId, RecordingId, TrackId, UnixMillis,
    tap::{self, TapHandle},
};
use lectern_protocol::api::{ClassEvent, RecordingStatus};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::sync::{mpsc, oneshot, watch};

/// Asks the publisher of a track for a keyframe. Browsers send none by themselves; a recording needs one every few seconds
/// to be cut there, and one after each loss. Requests may be coalesced and may be in vain.
pub trait KeyframePort: Send + Sync + 'static {
    /// Asks once.
    fn request_keyframe(&self, track: TrackId);
}

impl<F: Fn(TrackId) + Send + Sync + 'static> KeyframePort for F {
    fn request_keyframe(&self, track: TrackId) {
        self(track);
    }
}

/// Why a recording stopped. The class goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailReason {
    /// No space, or quota, left.
    DiskFull,
    /// Less space is left than the reserve.
    LowSpace,
    /// The file system is read-only.
    ReadOnly,
    /// The disk failed otherwise.
    Io,
}

impl FailReason {
    /// The label in metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::DiskFull => "disk_full",
            Self::LowSpace => "low_space",
            Self::ReadOnly => "read_only",
            Self::Io => "io",
        }
    }

    pub(crate) fn of(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            io::ErrorKind::ReadOnlyFilesystem => Self::ReadOnly,
            _ => Self::Io,
        }
    }
}

/// Whether a recording runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It records.
    On,
    /// It can't, and tries again every two seconds.
    Failed {
        /// Why.
        reason: FailReason,
    },
    /// It is sealed, or its handle was dropped.
    Ended,
}

/// Where a recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Whether it runs.
    pub state: State,
    /// What was received up to here survives a power cut; milliseconds from the start of the recording.
    pub durable_ms: u64,
    /// Bytes of media written.
    pub bytes: u64,
}

/// Why the directory can't be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The directory can't be made or listed.
    #[error("cannot use {dir} for recordings")]
    Root {
        /// The directory.
        dir: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Why a recording can't start or go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// The lesson has an unfinished recording: resume or seal that one.
    #[error("lesson {lesson} already has the unfinished recording {recording}")]
    Unfinished {
        /// The lesson.
        lesson: LessonId,
        /// Its recording.
        recording: RecordingId,
    },
    /// The lesson has an unfinished recording that the disk does not let recover now: try again later.
    #[error("lesson {lesson} has the recording {recording}, which can't be recovered now")]
    Unrecovered {
        /// The lesson.
        lesson: LessonId,
        /// Its recording.
        recording: RecordingId,
    },
    /// Less space is left than the reserve.
    #[error("less than the reserve of {reserve_bytes} bytes is free")]
    LowSpace {
        /// The reserve.
        reserve_bytes: u64,
    },
    /// No such unfinished recording.
    #[error("no unfinished recording {0}")]
    Unknown(RecordingId),
    /// The disk can't take it.
    #[error("cannot write the recording")]
    Io(#[from] io::Error),
}

impl StartError {
    /// What the page and metrics call it.
    #[must_use]
    pub fn reason(&self) -> Option<FailReason> {
        match self {
            Self::LowSpace { .. } => Some(FailReason::LowSpace),
            Self::Io(e) => Some(FailReason::of(e)),
            Self::Unfinished { .. } | Self::Unrecovered { .. } | Self::Unknown(_) => None,
        }
    }
}

/// Why a recording could not be sealed. What is on disk is intact and can be resumed or sealed later.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FinishError {
    /// It had failed and still can't write.
    #[error("the disk can't take the recording's end")]
    Disk(#[source] io::Error),
    /// It was finished before.
    #[error("the recording has ended already")]
    Ended,
}

/// A sealed recording.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// For the catalogue.
    pub summary: RecordingSummary,
    /// The seal.
    pub seal: Seal,
}

impl Sealed {
    pub(crate) fn new(meta: RecordingMeta, dir: PathBuf, seal: Seal) -> Self {
        let status = if seal.finished { RecordingStatus::Done } else { RecordingStatus::Partial };
        let (duration_ms, size_bytes) = (seal.duration_ms, seal.size_bytes);
        Self { summary: RecordingSummary { meta, dir, duration_ms, size_bytes, status }, seal }
    }
}

/// A recording that could not be recovered yet.
#[derive(Debug, Clone)]
struct Left {
    dir: PathBuf,
    /// Unknown only if not even its header could be read.
    lesson: Option<LessonId>,
}

/// The directory of recordings of one node. One process at a time may have it open.
pub struct Recorder {
    root: PathBuf,
    limits: Limits,
    storage: Arc<dyn Storage>,
    unsealed: Mutex<BTreeMap<RecordingId, Standing>>,
    /// Recordings that ended without a seal and could not be recovered yet.
    left: Mutex<BTreeMap<RecordingId, Left>>,
    /// Held by whoever takes a recording that does not run, from looking whether it is there to having put it elsewhere:
    /// a recovery cuts and appends, and must never meet a writer of the same directory. Taken before the other locks.
    turn: Mutex<()>,
    recovered: Vec<Recovered>,
    refused: Vec<(PathBuf, String)>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").field("root", &self.root).field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl Recorder {
    /// Opens `dir` (made if missing) and recovers every unsealed recording in it.
    ///
    /// # Errors
    /// [`OpenError`] if the directory itself can't be used. A single recording that can't be recovered is left untouched
    /// and named by [`Recorder::refused`].
    pub fn open(dir: impl Into<PathBuf>, limits: Limits) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(Disk), dir, limits)
    }

    /// As [`Recorder::open`], changing the disk through `storage`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(storage: Arc<dyn Storage>, dir: impl Into<PathBuf>, limits: Limits) -> Result<Self, OpenError> {
        let root = dir.into();
        let failed = |source| OpenError::Root { dir: root.clone(), source };
        std::fs::create_dir_all(&root).map_err(failed)?;
        let mut this = Self {
            limits,
            storage,
            unsealed: Mutex::default(),
            left: Mutex::default(),
            turn: Mutex::default(),
            recovered: Vec::new(),
            refused: Vec::new(),
            root: root.clone(),
        };
        for dir in scan::directories(&root).map_err(failed)? {
            if dir.join(Seal::FILE).exists() {
                continue;
            }
            match recover::recover::<RecordingMeta>(&*this.storage, &dir) {
                Ok((standing, did)) => {
                    tracing::info!(dir = %dir.display(), adopted = did.adopted, torn_bytes = did.torn_bytes, "recording recovered");
                    did.damage
                        .iter()
                        .for_each(|d| tracing::error!(dir = %dir.display(), damage = d, "recording is damaged"));
                    metrics::counter!("lectern_recorder_recovered_total").increment(1);
                    this.unsealed.lock().insert(standing.meta.id, standing);
                    this.recovered.push(did);
                }
                // Nothing was recorded before the crash: the header was not even there.
                Err(RecoverError::Header(_)) if scan::is_stillborn(&dir) => {}
                Err(e) => {
                    let why = chain_of(&e);
                    tracing::error!(dir = %dir.display(), error = why, "recording left untouched");
                    this.refused.push((dir, why));
                }
            }
        }
        Ok(this)
    }

    /// What opening recovered.
    #[must_use]
    pub fn recovered(&self) -> &[Recovered] {
        &self.recovered
    }

    /// Recordings that were left untouched, with the reason.
    #[must_use]
    pub fn refused(&self) -> &[(PathBuf, String)] {
        &self.refused
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Recordings that were neither finished nor are running: resumable.
    #[must_use]
    pub fn unsealed(&self) -> Vec<RecordingSummary> {
        self.unsealed
            .lock()
            .values()
            .map(|s| RecordingSummary {
                meta: s.meta.clone(),
                dir: s.dir.clone(),
                duration_ms: s.end_ms,
                size_bytes: s.part_bytes,
                status: RecordingStatus::Live,
            })
            .collect()
    }

    /// Starts a recording in a thread of its own.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(&self, meta: RecordingMeta, keyframes: Arc<dyn KeyframePort>) -> Result<RecordingHandle, StartError> {
        let lesson = meta.lesson;
        let _turn = self.turn.lock();
        self.recover_left();
        if let Some(s) = self.unsealed.lock().values().find(|s| s.meta.lesson == lesson) {
            return Err(StartError::Unfinished { lesson, recording: s.meta.id });
        }
        if let Some((recording, _)) = self.left.lock().iter().find(|(_, left)| left.lesson == Some(lesson)) {
            return Err(StartError::Unrecovered { lesson, recording: *recording });
        }
        self.check_room()?;
        let writer = Writer::create(self.storage.clone(), &self.root, meta, &self.limits)?;
        self.run(writer, keyframes, None, BTreeMap::new())
    }

    /// Goes on with the unfinished recording of `lesson`; the downtime becomes a gap. `None` if there is none.
    ///
    /// # Errors
    /// [`StartError`]; the recording stays resumable.
    pub fn resume(
        &self,
        lesson: LessonId,
        keyframes: Arc<dyn KeyframePort>,
    ) -> Result<Option<RecordingHandle>, StartError> {
        let _turn = self.turn.lock();
        let Some((id, dir)) =
            self.unsealed.lock().values().find(|s| s.meta.lesson == lesson).map(|s| (s.meta.id, s.dir.clone()))
        else {
            return Ok(None);
        };
        self.check_room()?;
        let Some(standing) = self.unsealed.lock().remove(&id) else { return Ok(None) };
        let (end_ms, ends) = (standing.end_ms, standing.track_ends.clone());
        let resumed = Writer::resume(self.storage.clone(), standing, &self.limits)
            .map_err(StartError::from)
            .and_then(|writer| self.run(writer, keyframes, Some(end_ms), ends));
        match resumed {
            Ok(handle) => Ok(Some(handle)),
            Err(e) => {
                self.recover(id, &dir, Some(lesson));
                Err(e)
            }
        }
    }

    /// Seals an unfinished recording without going on: its lesson is over.
    ///
    /// # Errors
    /// [`StartError`]; the recording stays resumable.
    pub fn seal(&self, id: RecordingId) -> Result<Sealed, StartError> {
        let _turn = self.turn.lock();
        let standing = self.unsealed.lock().remove(&id).ok_or(StartError::Unknown(id))?;
        let (meta, dir) = (standing.meta.clone(), standing.dir.clone());
        let sealed = Writer::resume(self.storage.clone(), standing, &self.limits)
            .and_then(|writer| writer.seal(false, UnixMillis::now()));
        match sealed {
            Ok(seal) => Ok(Sealed::new(meta, dir, seal)),
            Err(e) => {
                self.recover(id, &dir, Some(meta.lesson));
                Err(e.into())
            }
        }
    }

    /// Takes back a recording that ended without a seal, because [`RecordingHandle::finish`] failed or its thread died:
    /// recovers it, so that it can be resumed or sealed. Where the disk does not allow that now, [`Recorder::reclaim_left`]
    /// tries again. Tells whether it is recovered. Must not be called while the recording runs.
    pub fn reclaim(&self, id: RecordingId, dir: &Path) -> bool {
        let _turn = self.turn.lock();
        self.recover(id, dir, None)
    }

    /// Tries again what [`Recorder::reclaim`] could not do.
    pub fn reclaim_left(&self) {
        let _turn = self.turn.lock();
        self.recover_left();
    }

    /// [`Recorder::reclaim_left`], in the caller's turn.
    fn recover_left(&self) {
        let left = self.left.lock().clone();
        for (id, Left { dir, lesson }) in left {
            if dir.exists() {
                self.recover(id, &dir, lesson);
            } else {
                // Somebody removed it.
                self.left.lock().remove(&id);
            }
        }
    }

    /// [`Recorder::reclaim`], in the caller's turn.
    fn recover(&self, id: RecordingId, dir: &Path, lesson: Option<LessonId>) -> bool {
        match recover::recover(&*self.storage, dir) {
            Ok((standing, _)) => {
                self.left.lock().remove(&id);
                self.unsealed.lock().insert(id, standing);
                true
            }
            Err(e) => {
                tracing::error!(dir = %dir.display(), error = chain_of(&e), "a recording can't be recovered now");
                let lesson = lesson.or_else(|| Some(Header::<RecordingMeta>::read(dir).ok()?.0.meta.lesson));
                self.left.lock().insert(id, Left { dir: dir.to_owned(), lesson });
                false
            }
        }
    }

    /// Gives up an unsealed recording that does not run: it is neither resumed nor sealed any more, and its directory may be
    /// removed. Tells whether there was one; [`Recorder::reclaim`] takes that back.
    pub fn abandon(&self, id: RecordingId) -> bool {
        let _turn = self.turn.lock();
        let unsealed = self.unsealed.lock().remove(&id).is_some();
        self.left.lock().remove(&id).is_some() || unsealed
    }

    fn check_room(&self) -> Result<(), StartError> {
        if self.storage.free_bytes(&self.root)? > self.limits.reserve_bytes {
            return Ok(());
        }
        metrics::counter!("lectern_recorder_refused_total", "reason" => "low_space").increment(1);
        Err(StartError::LowSpace { reserve_bytes: self.limits.reserve_bytes })
    }

    fn run(
        &self,
        writer: Writer,
        keyframes: Arc<dyn KeyframePort>,
        resumed_from_ms: Option<u64>,
        ends: BTreeMap<TrackId, u64>,
    ) -> Result<RecordingHandle, StartError> {
        let (tap, events) = tap::channel(self.limits.tap_events);
        let (commands, inbox) = mpsc::channel(COMMANDS_MAX);
        let (status_tx, status) = watch::channel(Status { state: State::On, durable_ms: 0, bytes: writer.bytes() });
        let (meta, dir) = (writer.meta().clone(), writer.dir().to_owned());
        let storage = self.storage.clone();
        let session = Session::new(storage, self.limits.clone(), keyframes, writer, status_tx, resumed_from_ms, ends);
        std::thread::Builder::new().name("recording".into()).spawn(move || session.run(events, inbox))?;
        Ok(RecordingHandle { meta, dir, tap, commands, status })
    }
}

/// Events that wait for the recording's thread; more are dropped and counted.
const COMMANDS_MAX: usize = 4096;

fn chain_of(e: &dyn std::error::Error) -> String {
    let mut out = e.to_string();
    let mut at = e.source();
    while let Some(cause) = at {
        out = format!("{out}: {cause}");
        at = cause.source();
    }
    out
}

/// A running recording. Dropping it without [`RecordingHandle::finish`] syncs and leaves it resumable.
#[derive(Debug)]
pub struct RecordingHandle {
    meta: RecordingMeta,
    dir: PathBuf,
    tap: TapHandle,
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
}

impl RecordingHandle {
    /// What is recorded.
    #[must_use]
    pub fn meta(&self) -> &RecordingMeta {
        &self.meta
    }

    /// The recording.
    #[must_use]
    pub fn id(&self) -> RecordingId {
        self.meta.id
    }

    /// Where it lies.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Where the forwarding plane hands over the room's media.
    #[must_use]
    pub fn tap(&self) -> TapHandle {
        self.tap.clone()
    }

    /// Records that something happened in class. Never waits; returns whether it was taken.
    pub fn event(&self, at: UnixMillis, event: ClassEvent) -> bool {
        let taken = self.commands.try_send(Command::Event { at, event: Box::new(event) }).is_ok();
        if !taken {
            metrics::counter!("lectern_recorder_events_dropped_total", "reason" => "recorder_too_slow").increment(1);
        }
        taken
    }

    /// State and durable position, as they change.
    #[must_use]
    pub fn status(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Writes what is under way, syncs and seals: the lesson is over.
    ///
    /// # Errors
    /// [`FinishError`].
    pub async fn finish(&self) -> Result<Sealed, FinishError> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(Command::Finish { reply }).await.map_err(|_| FinishError::Ended)?;
        answer.await.map_err(|_| FinishError::Ended)?
    }
}
