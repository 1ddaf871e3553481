//! The handle and the supervision: which cameras there are, one task for each, restarted if it breaks.
//!
//! Does not belong here: what a camera's task does ([`crate::camera`]).

use crate::{
    camera,
    config::{CameraConfig, IngestConfig},
    port::Ports,
    sources::Sources,
    spread::Spread,
    status::{CameraState, CameraStatus},
};
use lectern_media::{CameraId, UnixMillis};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};
use tokio::{
    runtime::Handle,
    sync::{broadcast, watch},
    task::JoinHandle,
};

/// Changes kept for a listener that is slow; older ones are lost to it, and it is told so.
const CHANGES_KEPT: usize = 1024;

/// How long a camera's task has to take leave.
const LEAVE_WITHIN: Duration = Duration::from_secs(3);

/// All cameras of this node. Cheap to clone; the cameras stop when [`Ingest::shutdown`] was awaited or the runtime ends.
#[derive(Clone)]
pub struct Ingest {
    shared: Arc<Shared>,
}

/// What every camera's task shares.
pub(crate) struct Shared {
    pub(crate) config: IngestConfig,
    pub(crate) ports: Ports,
    /// When the next connection may begin.
    pub(crate) spread: Mutex<Spread>,
    pub(crate) sources: Arc<Sources>,
    cameras: Mutex<Cameras>,
    changes: broadcast::Sender<(CameraId, CameraStatus)>,
    runtime: Handle,
}

#[derive(Default)]
struct Cameras {
    slots: HashMap<CameraId, Slot>,
    /// Tasks that were told to leave and may still be at it: a new one of the same camera waits for them.
    leaving: HashMap<CameraId, JoinHandle<()>>,
    closed: bool,
}

struct Slot {
    desired: watch::Sender<Desired>,
    status: Arc<Mutex<CameraStatus>>,
    task: JoinHandle<()>,
}

/// What a camera's task shall do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Desired {
    /// Pull.
    Run(Arc<CameraConfig>),
    /// Rest; an operator stopped it.
    Off(Arc<CameraConfig>),
    /// End.
    Gone,
}

impl Ingest {
    /// Starts without any camera. Call inside a tokio runtime, whose tasks the cameras become.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn start(config: IngestConfig, ports: Ports) -> Self {
        let shared = Arc::new(Shared {
            spread: Mutex::new(Spread::new(config.connects_per_second)),
            sources: Arc::default(),
            config,
            ports,
            cameras: Mutex::default(),
            changes: broadcast::channel(CHANGES_KEPT).0,
            runtime: Handle::current(),
        });
        shared.runtime.spawn(count_states(Arc::downgrade(&shared)));
        Self { shared }
    }

    /// Starts a camera, or goes on with it as described from now on. Nothing is begun anew if only its name or its bounds
    /// change. After [`Ingest::shutdown`] nothing is started.
    pub fn put(&self, config: CameraConfig) {
        let config = Arc::new(config.normalised());
        let id = config.id;
        let mut cameras = self.shared.cameras.lock();
        if cameras.closed {
            return;
        }
        if let Some(slot) = cameras.slots.get(&id) {
            slot.desired.send_if_modified(|desired| {
                let run = Desired::Run(config);
                let changed = *desired != run;
                *desired = run;
                changed
            });
            return;
        }
        let (desired, wanted) = watch::channel(Desired::Run(config));
        let status = Arc::new(Mutex::new(CameraStatus::new(CameraState::Connecting, UnixMillis::now())));
        let before = cameras.leaving.remove(&id);
        let supervised = supervise(id, self.shared.clone(), wanted, status.clone(), before);
        let task = self.shared.runtime.spawn(supervised);
        cameras.slots.insert(id, Slot { desired, status, task });
    }

    /// Stops a camera for an operator. It stays known, and the archive is told who is missing and why until it is put again
    /// or removed.
    pub fn stop(&self, camera: CameraId) {
        if let Some(slot) = self.shared.cameras.lock().slots.get(&camera) {
            slot.desired.send_if_modified(|desired| match desired {
                Desired::Run(config) => {
                    *desired = Desired::Off(config.clone());
                    true
                }
                Desired::Off(_) | Desired::Gone => false,
            });
        }
    }

    /// Forgets a camera: its session and its tracks end.
    pub fn remove(&self, camera: CameraId) {
        let mut cameras = self.shared.cameras.lock();
        if let Some(slot) = cameras.slots.remove(&camera) {
            slot.desired.send_replace(Desired::Gone);
            cameras.leaving.retain(|_, task| !task.is_finished());
            cameras.leaving.insert(camera, slot.task);
        }
    }

    /// How a camera goes; `None` if it was never put or is removed.
    #[must_use]
    pub fn status(&self, camera: CameraId) -> Option<CameraStatus> {
        let status = self.shared.cameras.lock().slots.get(&camera)?.status.clone();
        let status = status.lock();
        Some(status.clone())
    }

    /// How every camera goes, in the order of their ids.
    #[must_use]
    pub fn all(&self) -> Vec<(CameraId, CameraStatus)> {
        let mut all: Vec<_> =
            self.shared.cameras.lock().slots.iter().map(|(id, slot)| (*id, slot.status.lock().clone())).collect();
        all.sort_by_key(|(id, _)| *id);
        all
    }

    /// Every change of a state at once, and each camera's figures every few seconds ([`IngestConfig::figures_every`]). Who
    /// lags is told (`RecvError::Lagged`) and reads [`Ingest::all`] again.
    #[must_use]
    pub fn changes(&self) -> broadcast::Receiver<(CameraId, CameraStatus)> {
        self.shared.changes.subscribe()
    }

    /// Ends every session in order, a few seconds at most. The archive is told that the tracks end, not that anything is
    /// absent: why the server is down is the recorder's to say.
    pub async fn shutdown(&self) {
        let tasks: Vec<_> = {
            let mut cameras = self.shared.cameras.lock();
            cameras.closed = true;
            let leaving: Vec<_> = cameras.leaving.drain().map(|(_, task)| task).collect();
            let running = cameras.slots.drain().map(|(_, slot)| {
                slot.desired.send_replace(Desired::Gone);
                slot.task
            });
            running.chain(leaving).collect()
        };
        let deadline = tokio::time::Instant::now() + LEAVE_WITHIN;
        for mut task in tasks {
            if tokio::time::timeout_at(deadline, &mut task).await.is_err() {
                task.abort();
            }
        }
    }
}

/// Where a camera's task tells how it goes.
#[derive(Clone)]
pub(crate) struct StatusCell {
    pub(crate) id: CameraId,
    status: Arc<Mutex<CameraStatus>>,
    changes: broadcast::Sender<(CameraId, CameraStatus)>,
}

impl StatusCell {
    /// Replaces the status; tells listeners if the state changed, or if `figures` are due.
    pub(crate) fn publish(&self, status: CameraStatus, figures: bool) {
        let changed = {
            let mut current = self.status.lock();
            let same = current.state == status.state
                && current.streams.len() == status.streams.len()
                && current.streams.iter().zip(&status.streams).all(|(a, b)| a.state == b.state);
            current.clone_from(&status);
            !same
        };
        if changed || figures {
            // Nobody listening is no fault.
            let _ = self.changes.send((self.id, status));
        }
    }

    pub(crate) fn read(&self) -> CameraStatus {
        self.status.lock().clone()
    }
}

/// Runs a camera's task and begins it anew if it panics: one camera's broken bytes are nobody else's.
async fn supervise(
    id: CameraId,
    shared: Arc<Shared>,
    wanted: watch::Receiver<Desired>,
    status: Arc<Mutex<CameraStatus>>,
    before: Option<JoinHandle<()>>,
) {
    if let Some(before) = before {
        let _ = before.await;
    }
    let cell = StatusCell { id, status, changes: shared.changes.clone() };
    loop {
        let task = shared.runtime.spawn(camera::run(shared.clone(), wanted.clone(), cell.clone()));
        // Aborting the supervisor must not leave the task behind.
        let guard = AbortOnDrop(task.abort_handle());
        let ended = task.await;
        drop(guard);
        match ended {
            Ok(()) => return,
            Err(e) if e.is_panic() => {
                metrics::counter!("lectern_ingest_task_panics_total").increment(1);
                tracing::error!(camera = %id, "a camera's task panicked and is begun anew");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            Err(_) => return,
        }
    }
}

struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Counts cameras by state now and then.
async fn count_states(shared: Weak<Shared>) {
    let mut tick = tokio::time::interval(Duration::from_secs(5));
    loop {
        tick.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        let mut counts = CameraState::LABELS.map(|label| (label, 0u32));
        for slot in shared.cameras.lock().slots.values() {
            let label = slot.status.lock().state.label();
            if let Some(entry) = counts.iter_mut().find(|(l, _)| *l == label) {
                entry.1 += 1;
            }
        }
        for (label, count) in counts {
            metrics::gauge!("lectern_ingest_cameras", "state" => label).set(f64::from(count));
        }
    }
}

impl Shared {
    /// Waits for the turn to begin a connection.
    pub(crate) async fn turn(&self) {
        let at = self.spread.lock().take(Instant::now());
        tokio::time::sleep_until(at.into()).await;
    }
}
