//! The threads that write: each serves its share of the cameras, taking what waits in their taps, and syncs them in one round.
//!
//! A camera that fails, or whose session panics, leaves the others alone; one whose recording must be opened first is away (`opener`),
//! and what is ordered of it meanwhile waits for it. Does not belong here: what becomes of an event (`session`), who starts and stops
//! cameras (`archive`).

use super::{
    CameraLimits, CameraMeta, CameraRecordingState, CameraRecordingStatus,
    opener::{Opener, Work},
    session::Session,
};
use crate::{FailReason, signer::Signer, storage::Storage};
use lectern_media::{
    CameraId, UnixMillis,
    tap::{Budget, TapEvent, TapReceiver},
};
use parking_lot::Mutex;
use std::{
    collections::BTreeMap,
    io,
    ops::ControlFlow,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{
        Arc,
        mpsc::{Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};

/// How long events wait at most before they are looked at.
const TURN: Duration = Duration::from_millis(50);
/// Events of one camera taken in one turn: ten times what 50 ms bring at 4 Mbit/s, so that one that floods delays no other.
const BATCH: usize = 1024;
/// Orders that wait for one camera to be opened. Beyond it the thread waits for the disk: each may hold a tap with packets.
const ORDERS_MAX: usize = 64;

/// What all threads share.
pub(crate) struct Shared {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) root: PathBuf,
    pub(crate) limits: CameraLimits,
    pub(crate) signer: Arc<Signer>,
    pub(crate) statuses: Mutex<BTreeMap<CameraId, CameraRecordingStatus>>,
}

/// What a thread is asked for.
pub(crate) enum Command {
    /// Records a camera, or gives it another tap.
    Record { meta: CameraMeta, tap: TapReceiver, budget: Arc<Budget>, dirs: Vec<PathBuf>, done: Sender<()> },
    /// Tells where a camera is and what it is called from now on.
    Describe { meta: CameraMeta },
    /// Ends a camera's recording.
    Stop { camera: CameraId, done: Sender<io::Result<()>> },
    /// Ends the thread; recordings can be gone on with.
    Shutdown { done: Sender<()> },
}

struct Served {
    /// `None` while it is being opened elsewhere.
    session: Option<Box<Session>>,
    tap: Option<(TapReceiver, Arc<Budget>)>,
    /// What was ordered of it meanwhile.
    orders: Vec<Command>,
}

/// One thread's cameras.
pub(crate) struct Worker {
    shared: Arc<Shared>,
    commands: Receiver<Command>,
    cameras: BTreeMap<CameraId, Served>,
    last_sync: Option<UnixMillis>,
    /// None where nobody runs this but a caller.
    opener: Option<Opener>,
}

impl Worker {
    pub(crate) fn new(shared: Arc<Shared>, commands: Receiver<Command>) -> Self {
        Self { shared, commands, cameras: BTreeMap::new(), last_sync: None, opener: None }
    }

    /// Works until it is shut down, or nobody can ask any more.
    pub(crate) fn run(mut self) {
        self.opener = Opener::start(self.shared.clone());
        loop {
            match self.commands.recv_timeout(TURN) {
                Ok(Command::Shutdown { done }) => {
                    self.suspend(UnixMillis::steady());
                    let _ = done.send(());
                    return;
                }
                Ok(command) => self.command(command, UnixMillis::steady()),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.suspend(UnixMillis::steady()),
            }
            if self.turn(UnixMillis::steady()).is_break() {
                return;
            }
        }
    }

    /// One round of work: what was asked, what waits in taps, what time asks for, a sync round if it is due. Breaks when it
    /// was shut down.
    pub(crate) fn turn(&mut self, now: UnixMillis) -> ControlFlow<()> {
        while let Ok(command) = self.commands.try_recv() {
            match command {
                Command::Shutdown { done } => {
                    self.suspend(now);
                    let _ = done.send(());
                    return ControlFlow::Break(());
                }
                command => self.command(command, now),
            }
        }
        self.take_back(now);
        for (camera, served) in &mut self.cameras {
            if served.session.as_ref().is_some_and(|s| s.must_open(now)) {
                served.session = away(&self.opener, *camera, served.session.take(), Session::tick, now);
            }
            let Some(session) = &mut served.session else { continue };
            guarded(&self.shared, *camera, session, now, |session| {
                session.mind_clock(now);
                let mut gone = false;
                if let Some((tap, budget)) = &mut served.tap {
                    for _ in 0..BATCH {
                        match tap.try_recv() {
                            Ok(event) => {
                                if let TapEvent::Packet(p) = &event {
                                    budget.give_back(p.payload.len());
                                }
                                session.event(event, now);
                            }
                            Err(tokio::sync::mpsc::error::TryRecvError::Empty) => break,
                            Err(tokio::sync::mpsc::error::TryRecvError::Disconnected) => {
                                gone = true;
                                break;
                            }
                        }
                    }
                }
                if gone {
                    served.tap = None;
                    session.tap_gone(now);
                }
                session.tick(now);
            });
        }
        let every = self.shared.limits.recording.sync_every;
        if self.last_sync.is_none_or(|last| now.since(last) >= every || now < last) {
            self.last_sync = Some(now);
            self.sync_round(now);
        }
        let mut statuses = self.shared.statuses.lock();
        for (camera, served) in &self.cameras {
            if let Some(session) = &served.session {
                statuses.insert(*camera, session.status());
            }
        }
        ControlFlow::Continue(())
    }

    /// Goes on with what was opened.
    fn take_back(&mut self, now: UnixMillis) {
        // Asked first: what it has done by then is there.
        let over = self.opener.as_ref().is_some_and(Opener::over);
        while let Some((camera, session)) = self.opener.as_ref().and_then(Opener::done) {
            self.put_back(camera, session, now);
        }
        if over {
            self.opener = None;
            for camera in self.cameras.keys().copied().collect::<Vec<_>>() {
                self.give_up(camera, now);
            }
        }
    }

    /// A camera is here again: what was ordered of it meanwhile is carried out.
    fn put_back(&mut self, camera: CameraId, session: Box<Session>, now: UnixMillis) {
        let Some(served) = self.cameras.get_mut(&camera) else { return };
        served.session = Some(session);
        for order in std::mem::take(&mut served.orders) {
            self.command(order, now);
        }
    }

    /// A camera whose session does not come back is not served any more.
    fn give_up(&mut self, camera: CameraId, now: UnixMillis) {
        if self.cameras.get(&camera).is_none_or(|s| s.session.is_some()) {
            return;
        }
        tracing::error!(%camera, "the camera's session is gone");
        metrics::gauge!("lectern_recorder_cameras").decrement(1);
        for order in self.cameras.remove(&camera).map(|s| s.orders).unwrap_or_default() {
            self.command(order, now);
        }
    }

    /// Waits for a camera's session if that is away.
    fn call_back(&mut self, camera: CameraId, now: UnixMillis) {
        while self.cameras.get(&camera).is_some_and(|s| s.session.is_none()) {
            match self.opener.as_ref().and_then(Opener::wait) {
                Some((of, session)) => self.put_back(of, session, now),
                None => {
                    self.opener = None;
                    self.give_up(camera, now);
                }
            }
        }
    }

    /// Keeps an order until its camera is here, or gives it back to be carried out: whoever orders something of a camera that is being
    /// opened waits for the disk, no other camera does.
    fn or_later(&mut self, camera: CameraId, order: Command, now: UnixMillis) -> Option<Command> {
        let waiting = |s: &&mut Served| s.session.is_none();
        let Some(served) = self.cameras.get_mut(&camera).filter(waiting) else { return Some(order) };
        if served.orders.len() < ORDERS_MAX {
            served.orders.push(order);
            return None;
        }
        self.call_back(camera, now);
        Some(order)
    }

    /// *A round for many.*
    fn sync_round(&mut self, now: UnixMillis) {
        let began = Instant::now();
        let room = self.shared.storage.free_bytes(&self.shared.root);
        let enough = matches!(room, Ok(free) if free > self.shared.limits.recording.reserve_bytes);
        let mut any = false;
        for (camera, session) in here(&mut self.cameras) {
            guarded(&self.shared, *camera, session, now, |session| {
                if !enough && !session.hours.is_empty() {
                    let e = io::Error::other("less space is left than the reserve");
                    session.fail(FailReason::LowSpace, &e, now);
                }
                any |= session.dirty();
            });
        }
        // Nothing is taken from taps between the steps, so what is chained was synced. The system is told of all before one is
        // waited for: it writes them together.
        let steps: [fn(&mut Session, UnixMillis); 5] =
            [Session::begin_sync, Session::sync_media, Session::append_chain, Session::begin_sync_chain, |s, now| {
                s.announce(now, now)
            }];
        for step in steps {
            for (camera, session) in here(&mut self.cameras) {
                guarded(&self.shared, *camera, session, now, |session| step(session, now));
            }
        }
        if any {
            metrics::histogram!("lectern_recorder_sync_seconds").record(began.elapsed().as_secs_f64());
        }
    }

    fn command(&mut self, command: Command, now: UnixMillis) {
        let of = match &command {
            Command::Record { meta, .. } | Command::Describe { meta } => Some(meta.camera),
            Command::Stop { camera, .. } => Some(*camera),
            Command::Shutdown { .. } => None,
        };
        let command = match of {
            Some(camera) => self.or_later(camera, command, now),
            None => Some(command),
        };
        let Some(command) = command else { return };
        match command {
            Command::Record { meta, tap, budget, dirs, done } => {
                let camera = meta.camera;
                match self.cameras.get_mut(&camera) {
                    Some(served) => {
                        let old = served.tap.replace((tap, budget));
                        if let Some(session) = &mut served.session {
                            guarded(&self.shared, camera, session, now, |s| {
                                drain(s, old, now);
                                s.tap_gone(now);
                                s.set_meta(meta, now);
                            });
                        }
                    }
                    None => {
                        let s = self.shared.clone();
                        let session = Session::new(
                            s.storage.clone(),
                            s.root.clone(),
                            s.limits.clone(),
                            s.signer.clone(),
                            meta,
                            dirs,
                            now,
                        );
                        self.shared.statuses.lock().insert(camera, session.status());
                        let mut session = away(&self.opener, camera, Some(Box::new(session)), Session::come_up, now);
                        if let Some(session) = &mut session {
                            guarded(&s, camera, session, now, |s| s.come_up(now));
                        }
                        self.cameras.insert(camera, Served { session, tap: Some((tap, budget)), orders: Vec::new() });
                        metrics::gauge!("lectern_recorder_cameras").increment(1);
                    }
                }
                if let Some(session) = self.cameras.get(&camera).and_then(|s| s.session.as_ref()) {
                    self.shared.statuses.lock().insert(camera, session.status());
                }
                let _ = done.send(());
            }
            Command::Describe { meta } => {
                let camera = meta.camera;
                if let Some(session) = self.cameras.get_mut(&camera).and_then(|s| s.session.as_mut()) {
                    guarded(&self.shared, camera, session, now, |s| s.set_meta(meta, now));
                }
            }
            Command::Stop { camera, done } => {
                let result = match self.cameras.remove(&camera).and_then(|s| Some((s.session?, s.tap))) {
                    Some((mut session, tap)) => {
                        metrics::gauge!("lectern_recorder_cameras").decrement(1);
                        let mut result = Err(io::Error::other("the camera's session panicked"));
                        guarded(&self.shared, camera, &mut session, now, |s| {
                            // What is in the tap came before the order.
                            drain(s, tap, now);
                            result = s.stop(now);
                        });
                        self.shared.statuses.lock().insert(camera, session.status());
                        result
                    }
                    None => Ok(()),
                };
                if let Err(e) = &result {
                    tracing::error!(%camera, error = %e, "the end of a camera's recording could not be written");
                }
                let _ = done.send(result);
            }
            Command::Shutdown { done } => {
                self.suspend(now);
                let _ = done.send(());
            }
        }
    }

    fn suspend(&mut self, now: UnixMillis) {
        for camera in self.cameras.keys().copied().collect::<Vec<_>>() {
            self.call_back(camera, now);
        }
        if let Some(opener) = self.opener.take() {
            opener.end();
        }
        for (camera, served) in &mut self.cameras {
            let (tap, Some(session)) = (served.tap.take(), &mut served.session) else { continue };
            guarded(&self.shared, *camera, session, now, |session| {
                drain(session, tap, now);
                session.suspend(now);
            });
            self.shared.statuses.lock().insert(*camera, session.status());
        }
        metrics::gauge!("lectern_recorder_cameras").decrement(self.cameras.len() as f64);
        self.cameras.clear();
    }
}

/// The sessions that are not away.
fn here(cameras: &mut BTreeMap<CameraId, Served>) -> impl Iterator<Item = (&CameraId, &mut Session)> {
    cameras.iter_mut().filter_map(|(camera, s)| Some((camera, &mut **s.session.as_mut()?)))
}

/// Sends a session away to be opened. Returns it if it must do that here.
fn away(
    opener: &Option<Opener>,
    camera: CameraId,
    session: Option<Box<Session>>,
    work: Work,
    now: UnixMillis,
) -> Option<Box<Session>> {
    match opener {
        Some(opener) => session.and_then(|s| opener.send(camera, s, work, now).err()),
        None => session,
    }
}

/// Closes a tap and takes what is in it: it was handed over, so it is recorded.
fn drain(session: &mut Session, tap: Option<(TapReceiver, Arc<Budget>)>, now: UnixMillis) {
    let Some((mut tap, _)) = tap else { return };
    // Closed first, or what is handed over meanwhile would be lost unseen.
    tap.close();
    while let Ok(event) = tap.try_recv() {
        session.event(event, now);
    }
}

/// Does something to one camera; a panic ends in a failed recording of that camera, which is recovered like after a crash.
pub(super) fn guarded(
    shared: &Shared,
    camera: CameraId,
    session: &mut Session,
    now: UnixMillis,
    f: impl FnOnce(&mut Session),
) {
    if catch_unwind(AssertUnwindSafe(|| f(session))).is_err() {
        metrics::counter!("lectern_recorder_failures_total", "reason" => "panic").increment(1);
        session.fail(FailReason::Io, &io::Error::other("the camera's session panicked"), now);
        let state = CameraRecordingState::Failed { reason: FailReason::Io };
        shared.statuses.lock().entry(camera).and_modify(|s| s.state = state);
    }
}
