//! The rooms that are open: one task each around the pure [`crate::room::Room`], found by id, made when first entered.
//!
//! Belongs here: tasks, queues, clocks, and carrying out what a room intends. Does not belong here: what a room decides.

mod plan;
mod task;
mod writer;

pub use self::{
    plan::LessonPlan,
    task::{OUTBOX_MAX, Outbox, Outgoing},
};
pub(crate) use task::close_name;

use crate::{
    ports::{MediaEvent, MediaPlane, PortError, RecordingEvent, Recordings},
    room::{ConnId, DeviceRefusal, Entrant, KeptRoom, Now, Room, Watch},
};
use lectern_library::{Library, StoreError};
use lectern_media::{LessonId, PeerId, RoomId, TrackId, UnixMillis};
use lectern_protocol::ws::{ClientMessage, LessonState};
use parking_lot::Mutex;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU32, AtomicU64, Ordering},
    },
    time::Duration,
};
use task::{Input, RoomTask};
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::{Instant, timeout},
};

/// Inputs waiting for one room. Sockets wait when it is full; media events are dropped and counted.
const INPUTS_MAX: usize = 1024;
/// Rooms open at once on one server. At the limit further classes are told that the server is busy.
const ROOMS_MAX: usize = 2_000;
/// How long whoever comes waits for a room that is being written down after its end; then they are asked to come again.
const ENDING_WAIT: Duration = Duration::from_secs(2);

/// What rooms need, and their limits.
pub struct HubConfig {
    /// The media plane.
    pub media: Arc<dyn MediaPlane>,
    /// Makes recordings.
    pub recordings: Arc<dyn Recordings>,
    /// Timetable, lessons, attendance, kept rooms.
    pub library: Arc<Library>,
    /// The most people in one room.
    pub participants_max: usize,
    /// The most people on stage besides teachers.
    pub stage_max: usize,
    /// A lesson ends when its teacher is away this long after the planned end.
    pub away_end: Duration,
    /// A lesson ends this long after it was opened, whoever is there.
    pub live_max: Duration,
}

/// Why a room can't be entered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EnterError {
    /// No class owns this room.
    #[error("no class owns this room")]
    Unknown,
    /// Its lesson is over, and the next one is another day.
    #[error("the lesson is over")]
    Over,
    /// As many rooms are open as may be, the end of this one is still being written down, or the server is going down.
    #[error("the server cannot open the room at the moment")]
    Busy,
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
}

/// What is asked of a room from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomFacts {
    /// Its lesson.
    pub lesson: LessonId,
    /// Where it stands.
    pub state: LessonState,
    /// Since when it is live.
    pub live_since: Option<UnixMillis>,
    /// How many are in class.
    pub present: usize,
}

/// All open rooms. Cheap to clone.
#[derive(Clone)]
pub struct Rooms(Arc<Hub>);

struct Hub {
    config: HubConfig,
    started: Instant,
    next_conn: AtomicU64,
    rooms: Mutex<HashMap<RoomId, RoomHandle>>,
    /// Which room a peer of the media plane belongs to.
    peers: Mutex<HashMap<PeerId, RoomId>>,
    /// Loading a room asks the store; one at a time, so that two first visitors don't make two rooms.
    loading: tokio::sync::Mutex<()>,
    closing: std::sync::atomic::AtomicBool,
}

/// A way to one room's task.
#[derive(Clone)]
pub struct RoomHandle {
    id: RoomId,
    tx: mpsc::Sender<Input>,
    present: Arc<AtomicU32>,
    /// Ends when all of the room is written down and its task has ended.
    ended: watch::Receiver<()>,
}

/// The room's task has ended: the lesson is over or the server is going down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the room is closed")]
pub struct RoomClosed;

impl Rooms {
    /// No rooms yet.
    #[must_use]
    pub fn new(config: HubConfig) -> Self {
        Self(Arc::new(Hub {
            config,
            started: Instant::now(),
            next_conn: AtomicU64::new(1),
            rooms: Mutex::default(),
            peers: Mutex::default(),
            loading: tokio::sync::Mutex::default(),
            closing: false.into(),
        }))
    }

    /// A number for a new socket.
    #[must_use]
    pub fn next_conn(&self) -> ConnId {
        ConnId(self.0.next_conn.fetch_add(1, Ordering::Relaxed))
    }

    /// How many are in this room's class now; 0 if it is not open.
    #[must_use]
    pub fn present(&self, room: RoomId) -> u32 {
        self.0.rooms.lock().get(&room).map_or(0, |r| r.present.load(Ordering::Relaxed))
    }

    /// The class of a room with the lesson that runs or comes next.
    ///
    /// # Errors
    /// [`EnterError`]
    pub async fn plan(&self, room: RoomId) -> Result<LessonPlan, EnterError> {
        plan::by_room(&self.0.config, room, UnixMillis::now()).await
    }

    /// As [`Rooms::plan`], by join code.
    ///
    /// # Errors
    /// [`EnterError`]
    pub async fn plan_by_code(&self, code: &str) -> Result<LessonPlan, EnterError> {
        plan::by_code(&self.0.config, code, UnixMillis::now()).await
    }

    /// The room, opened if nobody was in it.
    ///
    /// # Errors
    /// [`EnterError`]
    pub async fn room(&self, id: RoomId) -> Result<RoomHandle, EnterError> {
        if let Some(handle) = self.0.open(id) {
            return Ok(handle);
        }
        // Until its end is written down, the store says that an ended lesson is live.
        if let Some(mut ended) = self.0.ending(id)
            && timeout(ENDING_WAIT, ended.changed()).await.is_err()
        {
            metrics::counter!("lectern_room_refused_total", "reason" => "ending").increment(1);
            return Err(EnterError::Busy);
        }
        let _one_at_a_time = self.0.loading.lock().await;
        if let Some(handle) = self.0.open(id) {
            return Ok(handle);
        }
        if self.0.ending(id).is_some() {
            // Opened and ended again while we waited for our turn.
            metrics::counter!("lectern_room_refused_total", "reason" => "ending").increment(1);
            return Err(EnterError::Busy);
        }
        let plan = self.plan(id).await?;
        if plan.lesson.state == LessonState::Over {
            return Err(EnterError::Over);
        }
        let policy = plan.policy(&self.0.config);
        let room = match plan.lesson.opened.filter(|_| plan.lesson.state == LessonState::Live) {
            // Live in the catalogue without a room of its own: its state was lost, the lesson goes on.
            Some(since) => Room::live_again(self.0.now(), policy, plan.class.entry.waiting_room, since),
            None => Room::new(policy, plan.class.entry.waiting_room),
        };
        self.start(room, plan)
    }

    /// The room if it is open already.
    #[must_use]
    pub fn opened(&self, id: RoomId) -> Option<RoomHandle> {
        self.0.open(id)
    }

    /// Brings back the rooms whose lessons were live when the server ended, with their recordings.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn resume(&self) -> Result<usize, StoreError> {
        let store = self.0.config.library.store();
        let mut resumed = 0;
        for (id, text) in store.rooms().await? {
            match self.resume_one(id, &text).await {
                Ok(true) => resumed += 1,
                Ok(false) => store.remove_room(id).await?,
                Err(e) => {
                    tracing::error!(room = %id, error = %e, "a room's kept state cannot be used");
                    store.remove_room(id).await?;
                }
            }
        }
        for lesson in store.live_lessons().await? {
            let Some(class) = store.class(lesson.class).await? else { continue };
            if self.0.open(class.room).is_none() && self.room(class.room).await.is_ok() {
                resumed += 1;
            }
        }
        Ok(resumed)
    }

    async fn resume_one(&self, id: RoomId, text: &str) -> Result<bool, Box<dyn std::error::Error + Send + Sync>> {
        let kept: KeptRoom = serde_json::from_str(text)?;
        let Some(plan) = plan::by_lesson(&self.0.config, id, kept.lesson).await? else { return Ok(false) };
        if plan.lesson.state == LessonState::Over {
            return Ok(false);
        }
        let room = Room::restore(self.0.now(), plan.policy(&self.0.config), kept);
        self.start(room, plan)?;
        Ok(true)
    }

    fn start(&self, room: Room, plan: LessonPlan) -> Result<RoomHandle, EnterError> {
        let mut rooms = self.0.rooms.lock();
        if rooms.len() >= ROOMS_MAX || self.0.closing.load(Ordering::Relaxed) {
            metrics::counter!("lectern_room_refused_total", "reason" => "rooms_max").increment(1);
            return Err(EnterError::Busy);
        }
        let (tx, rx) = mpsc::channel(INPUTS_MAX);
        let (ends, ended) = watch::channel(());
        let handle = RoomHandle { id: plan.class.room, tx, present: Arc::default(), ended };
        rooms.insert(handle.id, handle.clone());
        metrics::gauge!("lectern_rooms_open").set(rooms.len() as f64);
        drop(rooms);
        RoomTask::spawn(self.clone(), room, plan, handle.clone(), rx, ends);
        Ok(handle)
    }

    /// Brings a report of the media plane to the room that it concerns.
    pub fn media_event(&self, event: MediaEvent) {
        let room = match &event {
            MediaEvent::Track { room, .. } | MediaEvent::TrackEnded { room, .. } | MediaEvent::Speaker { room, .. } => {
                Some(*room)
            }
            MediaEvent::PeerUp { peer } | MediaEvent::LineChanged { peer, .. } | MediaEvent::Quality { peer, .. } => {
                self.0.peers.lock().get(peer).copied()
            }
            MediaEvent::PeerLost { peer } => self.0.peers.lock().remove(peer),
        };
        let Some(handle) = room.and_then(|r| self.0.open(r)) else { return };
        if handle.tx.try_send(Input::Media(event)).is_err() {
            metrics::counter!("lectern_room_media_events_dropped_total", "reason" => "room_busy").increment(1);
        }
    }

    /// Brings a report of the recorder to the room that it concerns.
    pub fn recording_event(&self, event: RecordingEvent) {
        if let Some(handle) = self.0.open(event.room()) {
            let tx = handle.tx.clone();
            tokio::spawn(async move { tx.send(Input::Recording(event)).await });
        }
    }

    /// Asks everybody to come back later, writes every room's state down and closes their recordings so that they can be
    /// resumed. Returns when all is on disk.
    pub async fn close(&self) {
        self.0.closing.store(true, Ordering::Relaxed);
        let handles: Vec<_> = self.0.rooms.lock().values().cloned().collect();
        let closings = handles.iter().map(|handle| async move {
            let (done, closed) = oneshot::channel();
            if handle.tx.send(Input::Restart(done)).await.is_err() || closed.await.is_err() {
                // It ended by itself at this moment, or before: what it has to write goes on disk as well.
                let mut ended = handle.ended.clone();
                while ended.changed().await.is_ok() {}
            }
        });
        futures::future::join_all(closings).await;
    }

    /// Closes a peer for which there is no place in its room.
    pub(crate) async fn close_orphan(&self, peer: PeerId) {
        self.0.peers.lock().remove(&peer);
        self.0.config.media.close_peer(peer).await;
    }

    /// Notes which room a peer belongs to, so that its events find their way.
    pub fn note_peer(&self, peer: PeerId, room: RoomId) {
        self.0.peers.lock().insert(peer, room);
    }

    /// Whether the server is going down.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.0.closing.load(Ordering::Relaxed)
    }

    /// Whether the peer still stands.
    #[must_use]
    pub fn knows_peer(&self, peer: PeerId) -> bool {
        self.0.peers.lock().contains_key(&peer)
    }

    fn forget_peers(&self, id: RoomId) {
        self.0.peers.lock().retain(|_, room| *room != id);
    }

    fn forget_room(&self, id: RoomId) {
        let mut rooms = self.0.rooms.lock();
        if rooms.get(&id).is_some_and(|r| r.tx.is_closed()) {
            rooms.remove(&id);
        }
        metrics::gauge!("lectern_rooms_open").set(rooms.len() as f64);
    }
}

impl Hub {
    fn open(&self, id: RoomId) -> Option<RoomHandle> {
        self.rooms.lock().get(&id).filter(|r| !r.tx.is_closed()).cloned()
    }

    /// A room that ended and is still being written down: what ends with that. A task that broke down is none.
    fn ending(&self, id: RoomId) -> Option<watch::Receiver<()>> {
        let rooms = self.rooms.lock();
        let ended = &rooms.get(&id).filter(|r| r.tx.is_closed())?.ended;
        ended.has_changed().is_ok().then(|| ended.clone())
    }

    fn now(&self) -> Now {
        Now { wall: UnixMillis::now(), mono: self.started.elapsed() }
    }
}

impl RoomHandle {
    /// The room.
    #[must_use]
    pub fn id(&self) -> RoomId {
        self.id
    }

    async fn send(&self, input: Input) -> Result<(), RoomClosed> {
        self.tx.send(input).await.map_err(|_| RoomClosed)
    }

    async fn ask<T>(&self, input: impl FnOnce(oneshot::Sender<T>) -> Input) -> Result<T, RoomClosed> {
        let (tx, rx) = oneshot::channel();
        self.send(input(tx)).await?;
        rx.await.map_err(|_| RoomClosed)
    }

    /// A socket with a valid grant enters.
    ///
    /// # Errors
    /// [`RoomClosed`]
    pub async fn enter(&self, conn: ConnId, outbox: Outbox, who: Entrant) -> Result<(), RoomClosed> {
        self.send(Input::Enter { conn, outbox, who }).await
    }

    /// A client's message.
    ///
    /// # Errors
    /// [`RoomClosed`]
    pub async fn message(&self, conn: ConnId, message: ClientMessage) -> Result<(), RoomClosed> {
        self.send(Input::Message { conn, message }).await
    }

    /// The socket is gone.
    pub async fn gone(&self, conn: ConnId) {
        if self.send(Input::Gone { conn }).await.is_err() {
            tracing::trace!("the room ended before its socket");
        }
    }

    /// What stands in the room.
    ///
    /// # Errors
    /// [`RoomClosed`]
    pub async fn facts(&self) -> Result<RoomFacts, RoomClosed> {
        self.ask(Input::Facts).await
    }

    /// Whether there is such a track in the room.
    ///
    /// # Errors
    /// [`RoomClosed`]
    pub async fn has_track(&self, track: TrackId) -> Result<bool, RoomClosed> {
        self.ask(|reply| Input::HasTrack { track, reply }).await
    }

    /// A device publishes (WHIP). The peer is the caller's to close if it may not.
    ///
    /// # Errors
    /// [`RoomClosed`]
    pub async fn device_published(&self, who: Entrant, peer: PeerId) -> Result<Result<(), DeviceRefusal>, RoomClosed> {
        self.ask(|reply| Input::DevicePublished { who, peer, reply }).await
    }

    /// A device stopped publishing.
    ///
    /// # Errors
    /// [`RoomClosed`]
    pub async fn device_left(&self, peer: PeerId) -> Result<(), RoomClosed> {
        self.send(Input::DeviceLeft { peer }).await
    }

    /// A player watches (WHEP); `false` if there are as many as may be.
    ///
    /// # Errors
    /// [`RoomClosed`]
    pub async fn watch(&self, peer: PeerId, watch: Watch) -> Result<bool, RoomClosed> {
        self.ask(|reply| Input::Watch { peer, watch, reply }).await
    }

    /// A player ended.
    ///
    /// # Errors
    /// [`RoomClosed`]
    pub async fn watch_ended(&self, peer: PeerId) -> Result<(), RoomClosed> {
        self.send(Input::WatchEnded { peer }).await
    }
}

/// Whether the recorder's answer is a fault of ours that is worth an alarm.
fn alarm(what: &'static str, e: &PortError) {
    metrics::counter!("lectern_room_recording_faults_total", "reason" => what).increment(1);
    tracing::error!(error = %e, what, "the lesson is not recorded as it should be");
}
