//! What others call: [`CameraArchive`] for the cameras of one node.

use super::{
    CameraLimits, CameraMeta, CameraRecording, CameraRecordingState, CameraRecordingStatus, CameraTimeline, Footage,
    Hold, HoldError,
    engine::{Command, Shared, Worker},
    holds::Holds,
    open::{Unfinished, abandon, days_of, is_recording_dir, recordings_in, unfinished},
    removal,
    retention::{self, Item, Plan, RetentionAlarm, RetentionRules},
    trust::{ClockDoubt, Trust, Uptime},
};
use crate::{
    Header, OpenError, Seal,
    signer::Signer,
    storage::{Disk, Storage},
    vod::VodError,
};
use lectern_media::{
    CameraId, RecordingId, UnixMillis,
    tap::{self, TapHandle},
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{self, Sender},
    },
    thread::JoinHandle,
};
use ulid::Ulid;

/// Why a camera is not recorded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CameraStartError {
    /// As many cameras as may be are recorded.
    #[error("{max} cameras are recorded already")]
    TooMany {
        /// How many may be.
        max: usize,
    },
    /// The archive was shut down.
    #[error("the archive of cameras is closed")]
    Closed,
}

/// Where the media of one camera is handed over; stays the same while recordings roll.
#[derive(Debug, Clone)]
pub struct CameraTap {
    camera: CameraId,
    tap: TapHandle,
}

impl CameraTap {
    /// The camera.
    #[must_use]
    pub fn camera(&self) -> CameraId {
        self.camera
    }

    /// The tap; closed when the camera is stopped or gets another.
    #[must_use]
    pub fn handle(&self) -> TapHandle {
        self.tap.clone()
    }
}

/// What the names of directories begin with that somebody makes in the archive's own for a while, to have its disk: opening the
/// archive removes what a killed process left of them.
pub const SCRATCH_PREFIX: &str = ".scratch-";
/// Older ones.
const SCRATCH_PREFIX_OLD: &str = ".tmp";
/// So many are removed at one opening; the rest at the next.
const SCRATCH_MAX: usize = 1000;

/// What retention did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RetentionReport {
    /// Recordings that were removed.
    pub removed: Vec<(CameraId, RecordingId)>,
    /// Bytes that this freed.
    pub freed_bytes: u64,
    /// Recordings that could not be removed now.
    pub failed: u64,
    /// What somebody must be told.
    pub alarms: Vec<RetentionAlarm>,
    /// Set while the wall clock is not believed; days are then counted without what it leapt.
    pub clock: Option<ClockDoubt>,
    /// Bytes of all footage left, with what is being recorded.
    pub used_bytes: u64,
    /// Bytes free on the disk.
    pub free_bytes: u64,
}

/// One thread, or the place of one that nobody runs.
struct Place {
    commands: Sender<Command>,
    thread: Option<JoinHandle<()>>,
    idle: Option<Worker>,
}

/// The recordings of all cameras of one node. One process at a time may have the directory open.
pub struct CameraArchive {
    shared: Arc<Shared>,
    places: Mutex<Vec<Place>>,
    cameras: Mutex<BTreeSet<CameraId>>,
    holds: Mutex<Holds>,
    /// Unsealed recordings that nobody goes on with yet.
    left: Mutex<BTreeMap<CameraId, Vec<PathBuf>>>,
    opened: UnixMillis,
    /// When the last turn was, where the archive has no threads of its own.
    turned: Mutex<UnixMillis>,
    footage: Footage,
    /// Sealed recordings that were looked at: they never change.
    known: Mutex<BTreeMap<RecordingId, Item>>,
    trust: Mutex<Trust>,
}

impl std::fmt::Debug for CameraArchive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CameraArchive").field("root", &self.shared.root).finish_non_exhaustive()
    }
}

impl CameraArchive {
    /// Opens `dir` (made if missing), `<data>/cameras`, and finishes removals that were begun. Recordings that were left unfinished are
    /// recovered when their camera is recorded again, or by [`CameraArchive::tidy`].
    ///
    /// # Errors
    /// [`OpenError`] if the directory itself can't be used.
    pub fn open(dir: impl Into<PathBuf>, limits: CameraLimits, signer: Arc<Signer>) -> Result<Self, OpenError> {
        Self::open_on(Arc::new(Disk), dir, limits, signer)
    }

    /// As [`CameraArchive::open`], changing the disk through `storage`.
    ///
    /// # Errors
    /// [`OpenError`].
    pub fn open_on(
        storage: Arc<dyn Storage>,
        dir: impl Into<PathBuf>,
        limits: CameraLimits,
        signer: Arc<Signer>,
    ) -> Result<Self, OpenError> {
        let root = dir.into();
        let failed = |source| OpenError::Root { dir: root.clone(), source };
        std::fs::create_dir_all(&root).map_err(failed)?;
        clear_scratch(&root);
        let Unfinished { open: left, removing, newest } = unfinished(&root).map_err(failed)?;
        // Before anything is recorded: what a wrong clock dates now must not speak for it.
        let trust = Trust::open(&root, newest);
        for dir in removing {
            // Its entry was written before it got this name.
            removal::delete(&*storage, &dir).map_err(failed)?;
        }
        let holds = Holds::open(&*storage, &root).map_err(failed)?;
        let threads = limits.threads;
        let shared = Arc::new(Shared { storage, root: root.clone(), limits, signer, statuses: Mutex::default() });
        let mut places = Vec::new();
        for n in 0..threads.max(1) {
            let (commands, inbox) = mpsc::channel();
            let worker = Worker::new(shared.clone(), inbox);
            let (mut thread, mut idle) = (None, None);
            if threads > 0 {
                let named = std::thread::Builder::new().name(format!("cameras-{n}"));
                thread = Some(named.spawn(move || worker.run()).map_err(failed)?);
            } else {
                idle = Some(worker);
            }
            places.push(Place { commands, thread, idle });
        }
        Ok(Self {
            shared,
            places: Mutex::new(places),
            cameras: Mutex::default(),
            holds: Mutex::new(holds),
            left: Mutex::new(left),
            opened: UnixMillis::now(),
            turned: Mutex::new(UnixMillis::now()),
            footage: Footage::new(root),
            known: Mutex::default(),
            trust: Mutex::new(trust),
        })
    }

    /// The directory.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.shared.root
    }

    /// The public key that signs, and its id.
    #[must_use]
    pub fn signer(&self) -> &Signer {
        &self.shared.signer
    }

    /// Records a camera from now on, going on with what was left unfinished. A camera that is recorded already gets a new tap, and
    /// its new description as by [`CameraArchive::describe`]; the old tap is closed. Trouble with the disk is no error: see
    /// [`CameraArchive::status`], it goes on by itself.
    ///
    /// # Errors
    /// [`CameraStartError`].
    pub fn record(&self, meta: CameraMeta) -> Result<CameraTap, CameraStartError> {
        let camera = meta.camera;
        let max = self.shared.limits.cameras_max;
        let mut cameras = self.cameras.lock();
        if cameras.len() >= max && !cameras.contains(&camera) {
            metrics::counter!("lectern_recorder_refused_total", "reason" => "too_many_cameras").increment(1);
            return Err(CameraStartError::TooMany { max });
        }
        let (tap, events, budget) = tap::channel_within(self.shared.limits.tap_events, self.shared.limits.tap_bytes);
        let dirs = self.left.lock().remove(&camera).unwrap_or_default();
        let (done, _) = mpsc::channel();
        self.send(camera, Command::Record { meta, tap: events, budget, dirs, done })
            .map_err(|()| CameraStartError::Closed)?;
        cameras.insert(camera);
        Ok(CameraTap { camera, tap })
    }

    /// Tells where a camera is and what it is called from now on. Where its place, name or group is another one, the recording gives way to one
    /// whose header says so, as at the hour: nothing is missing in between, the tap stays. Tells whether the camera is recorded.
    pub fn describe(&self, meta: CameraMeta) -> bool {
        let cameras = self.cameras.lock();
        cameras.contains(&meta.camera) && self.send(meta.camera, Command::Describe { meta }).is_ok()
    }

    /// Ends a camera's recording and seals it; nothing is missing from here on. Waits for the disk.
    ///
    /// # Errors
    /// As the disk says: then the recording is sealed by whoever opens the archive next.
    pub fn stop(&self, camera: CameraId) -> io::Result<()> {
        let mut cameras = self.cameras.lock();
        let (done, answer) = mpsc::channel();
        let closed = || io::Error::other("the archive of cameras is closed");
        self.send(camera, Command::Stop { camera, done }).map_err(|()| closed())?;
        self.turn(self.now());
        let result = answer.recv().map_err(|_| closed())?;
        cameras.remove(&camera);
        if result.is_err() {
            // It can be gone on with: what is there is looked for again.
            if let Ok(mut found) = unfinished(&self.shared.root)
                && let Some(dirs) = found.open.remove(&camera)
            {
                self.left.lock().insert(camera, dirs);
            }
        }
        result
    }

    /// Where a camera's recording stands; `None` if it never was recorded by this process.
    #[must_use]
    pub fn status(&self, camera: CameraId) -> Option<CameraRecordingStatus> {
        self.shared.statuses.lock().get(&camera).copied()
    }

    /// … of all cameras.
    #[must_use]
    pub fn statuses(&self) -> BTreeMap<CameraId, CameraRecordingStatus> {
        self.shared.statuses.lock().clone()
    }

    /// Keeps a hold; one with the same id is replaced. When this returns, it survives a power cut.
    ///
    /// # Errors
    /// [`HoldError`].
    pub fn hold(&self, hold: Hold) -> Result<(), HoldError> {
        self.holds.lock().hold(&*self.shared.storage, &self.shared.root, hold)
    }

    /// Ends a hold. Tells whether there was one. Who may is decided elsewhere (two people).
    ///
    /// # Errors
    /// [`HoldError::Io`]: then it is still in force.
    pub fn release(&self, id: Ulid) -> Result<bool, HoldError> {
        self.holds.lock().release(&*self.shared.storage, &self.shared.root, id, self.now())
    }

    /// Holds in force.
    #[must_use]
    pub fn holds(&self) -> Vec<Hold> {
        self.holds.lock().all().cloned().collect()
    }

    /// Reads recordings.
    #[must_use]
    pub fn footage(&self) -> &Footage {
        &self.footage
    }

    /// What a camera's recordings hold between two moments, with the holds that touch it.
    ///
    /// # Errors
    /// [`VodError`].
    pub fn timeline(&self, camera: CameraId, from: UnixMillis, to: UnixMillis) -> Result<CameraTimeline, VodError> {
        let mut out = self.footage.timeline(camera, from, to)?;
        out.holds = self.holds.lock().all().filter(|h| h.touches(camera, from, to)).cloned().collect();
        let running = |s: &CameraRecordingStatus| s.state != CameraRecordingState::Ended;
        out.durable = self.status(camera).filter(running).map(|s| s.durable);
        Ok(out)
    }

    /// Seals what was left unfinished by an earlier process and whose camera nobody records any more. Call now and then.
    pub fn tidy(&self, now: UnixMillis) {
        if now.since(self.opened) < self.shared.limits.abandon_after {
            return;
        }
        loop {
            // Held while one is sealed, so that nobody begins to record that camera meanwhile.
            let mut left = self.left.lock();
            let Some((camera, dirs)) = left.pop_first() else { return };
            for dir in dirs {
                if let Err(e) = abandon(&self.shared, &dir, now) {
                    tracing::error!(%camera, dir = %dir.display(), error = %e, "an unfinished recording can't be sealed");
                }
            }
        }
    }

    /// Removes what its rule says, and what the disk needs; keeps what is held. Blocks while it lists and deletes: call it every minute
    /// or so, away from anything that must not wait.
    ///
    /// Days are counted by `now` only as far as it is explained (see [`RetentionReport::clock`]).
    ///
    /// # Errors
    /// As the disk says, where nothing could be listed.
    pub fn retain(&self, rules: &RetentionRules, now: UnixMillis) -> io::Result<RetentionReport> {
        self.retain_at(rules, now, &Uptime::now())
    }

    /// As [`CameraArchive::retain`], at a moment of the clock that nobody sets.
    ///
    /// # Errors
    /// As [`CameraArchive::retain`].
    pub fn retain_at(&self, rules: &RetentionRules, now: UnixMillis, uptime: &Uptime) -> io::Result<RetentionReport> {
        let (mut items, open_bytes) = self.items()?;
        // Its own time is proof of nothing: what the camera sent is.
        let written = self.shared.statuses.lock().values().fold(0, |sum: u64, s| sum.wrapping_add(s.bytes));
        let (counted, clock) = self.trust.lock().look(&*self.shared.storage, &self.shared.root, now, uptime, written);
        // Held until everything is removed, so that no hold is set in between.
        let holds = self.holds.lock();
        let free_bytes = self.shared.storage.free_bytes(&self.shared.root)?;
        let held: Vec<Hold> = holds.all().cloned().collect();
        let (there, ended) = removal::before(&self.shared.root, &items);
        items.extend(there);
        let Plan { remove, ageless, alarms } = retention::plan(counted, &items, &ended, rules, &held, free_bytes);
        metrics::gauge!("lectern_recorder_ageless_recordings").set(ageless as f64);
        let used = items.iter().fold(open_bytes, |sum, i| sum.saturating_add(i.bytes));
        let mut report = RetentionReport { alarms, clock, ..RetentionReport::default() };
        let by_id: BTreeMap<RecordingId, &Item> = items.iter().map(|i| (i.recording, i)).collect();
        for (id, reason, ended) in remove {
            let Some(item) = by_id.get(&id) else { continue };
            let of = (item.camera, id);
            let (storage, root) = (&*self.shared.storage, &self.shared.root);
            match removal::remove(storage, root, &self.shared.signer, of, (reason, ended), now) {
                Ok(bytes) => {
                    metrics::counter!("lectern_recorder_removed_total", "reason" => reason.as_str()).increment(1);
                    report.freed_bytes += bytes;
                    report.removed.push(of);
                    self.known.lock().remove(&id);
                }
                Err(e) => {
                    tracing::error!(camera = %item.camera, recording = %id, error = %e, "a recording can't be removed");
                    report.failed += 1;
                }
            }
        }
        report.used_bytes = used.saturating_sub(report.freed_bytes);
        report.free_bytes = self.shared.storage.free_bytes(&self.shared.root)?;
        Ok(report)
    }

    /// Every sealed recording, and the bytes of those that are not.
    fn items(&self) -> io::Result<(Vec<Item>, u64)> {
        let mut known = self.known.lock();
        let (mut found, mut open_bytes) = (BTreeMap::new(), 0u64);
        for day in crate::scan::sorted_dirs(&self.shared.root)? {
            for of_camera in crate::scan::sorted_dirs(&day)? {
                for (id, dir) in recordings_in(&of_camera)? {
                    match known.remove(&id).or_else(|| item(&dir)) {
                        Some(item) => _ = found.insert(id, item),
                        None => open_bytes = open_bytes.saturating_add(bytes_in(&dir)),
                    }
                }
            }
        }
        // Few words are used by many recordings.
        let mut groups: BTreeSet<Arc<str>> = BTreeSet::new();
        for item in found.values_mut() {
            match groups.get(&*item.group) {
                Some(same) => item.group = same.clone(),
                None => _ = groups.insert(item.group.clone()),
            }
        }
        *known = found;
        Ok((known.values().cloned().collect(), open_bytes))
    }

    /// Ends everything; recordings can be gone on with by the next process. Waits for the disk.
    pub fn shutdown(&self) {
        let mut places = std::mem::take(&mut *self.places.lock());
        for place in &mut places {
            let (done, finished) = mpsc::channel();
            if place.commands.send(Command::Shutdown { done }).is_err() {
                continue;
            }
            match (&mut place.idle, place.thread.take()) {
                (Some(worker), _) => _ = worker.turn(self.now()),
                (None, Some(thread)) => {
                    let _ = finished.recv();
                    if thread.join().is_err() {
                        tracing::error!("a thread of the camera archive had died");
                    }
                }
                (None, None) => {}
            }
        }
    }

    /// One round of work at `now`, where the archive has no threads of its own ([`CameraLimits::threads`]); else nothing.
    pub fn turn(&self, now: UnixMillis) {
        *self.turned.lock() = now;
        for place in self.places.lock().iter_mut() {
            if let Some(worker) = &mut place.idle {
                _ = worker.turn(now);
            }
        }
    }

    /// The time, or that of the last turn, where the archive has no threads of its own.
    fn now(&self) -> UnixMillis {
        if self.shared.limits.threads > 0 { UnixMillis::steady() } else { *self.turned.lock() }
    }

    fn send(&self, camera: CameraId, command: Command) -> Result<(), ()> {
        let places = self.places.lock();
        // The time in an id says when a camera was added, so cameras added together differ in the random part only.
        let n = places.len().max(1) as u128;
        let place = places.get((camera.0.random() % n) as usize).ok_or(())?;
        place.commands.send(command).map_err(|_| ())
    }
}

impl Drop for CameraArchive {
    fn drop(&mut self) {
        self.shutdown();
    }
}

/// Removes what killed processes left for a while. Files only: nothing that is kept lies there, and nobody follows a link.
fn clear_scratch(root: &Path) {
    let entries = std::fs::read_dir(root).into_iter().flatten().filter_map(Result::ok);
    let scratch = entries.filter(|e| {
        let name = e.file_name();
        let named = |prefix: &str| name.as_encoded_bytes().starts_with(prefix.as_bytes());
        (named(SCRATCH_PREFIX) || named(SCRATCH_PREFIX_OLD)) && e.file_type().is_ok_and(|t| t.is_dir())
    });
    for dir in scratch.take(SCRATCH_MAX).map(|e| e.path()) {
        let files = std::fs::read_dir(&dir).into_iter().flatten().filter_map(Result::ok);
        let gone = files.map(|f| std::fs::remove_file(f.path())).collect::<io::Result<Vec<()>>>();
        match gone.and_then(|_| std::fs::remove_dir(&dir)) {
            Ok(()) => tracing::info!(dir = %dir.display(), "removed what a killed process had left"),
            Err(error) => tracing::warn!(dir = %dir.display(), %error, "what a killed process left can't be removed"),
        }
    }
}

fn item(dir: &Path) -> Option<Item> {
    let seal = Seal::read(dir).ok()??;
    let (header, _) = Header::<CameraRecording>::read(dir).ok()?;
    let CameraRecording { id, started, until, camera, previous, .. } = header.meta;
    // What was missing after it is listed as its own, up to a moment of a clock that may have leapt: days over nothing, or years. Only
    // what is recorded keeps it.
    let recorded = seal.spans.iter().map(|s| started.0.saturating_add_unsigned(s.to_ms)).max();
    let listed = started.0.saturating_add_unsigned(seal.duration_ms);
    let to = UnixMillis(listed.min(until.0.max(recorded.unwrap_or(until.0))));
    let (group, bytes) = (camera.group.into(), seal.size_bytes);
    let previous = previous.map(|p| p.recording);
    Some(Item { recording: id, camera: camera.camera, group, from: started, to, bytes, sealed: true, previous })
}

/// Bytes of the files in a recording's directory, as far as they can be told: it grows, or goes, while we look.
fn bytes_in(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    entries.filter_map(|e| Some(e.ok()?.metadata().ok()?.len())).fold(0, u64::saturating_add)
}

/// The camera's days and the recordings in them, newest day first: for tools.
///
/// # Errors
/// As the disk says.
pub fn camera_recordings(root: &Path, camera: CameraId) -> io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    for day in days_of(root, camera)? {
        out.extend(recordings_in(&day)?.into_iter().map(|(_, dir)| dir).filter(|d| is_recording_dir(d)));
    }
    Ok(out)
}
