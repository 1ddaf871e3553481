//! The task around one room: feeds the state machine and carries out what it intends.

use super::{
    LessonPlan, RoomFacts, RoomHandle, Rooms,
    writer::{self, Early, Recorded, Write, Writes},
};
use crate::{
    ports::{MediaError, MediaEvent, Published, RecordingEvent, Subscribed},
    room::{Asked, ConnId, DeviceRefusal, Entrant, MediaCommand, Negotiation, Output, Presence, Room, Watch},
};
use axum::extract::ws::Utf8Bytes;
use lectern_library::store::ROOM_STATE_BYTES_MAX;
use lectern_media::{ParticipantId, PeerId, RecordingId, TrackId, UnixMillis};
use lectern_protocol::{
    api::ClassEvent,
    ws::{ClientMessage, CloseReason, LessonState, RecordingState, ServerMessage},
};
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::atomic::Ordering,
    time::Duration,
};
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
    time::MissedTickBehavior,
};
use tracing::Instrument as _;

/// Messages waiting for one socket: a snapshot and a few seconds of a lively class. A client that lets it fill up reads
/// too slowly; it is dropped and comes back to a fresh snapshot.
pub const OUTBOX_MAX: usize = 512;

/// The way to one socket.
pub type Outbox = mpsc::Sender<Outgoing>;

/// What a socket is told.
#[derive(Debug, Clone)]
pub enum Outgoing {
    /// A message.
    Text(Utf8Bytes),
    /// The last message; the socket closes after it.
    Last(Utf8Bytes),
}

/// A room in which nobody is and nothing runs is forgotten after this many seconds.
const IDLE_SECONDS: u32 = 20;
/// The state is written whole: at most once a second, and a large one less often, so that a lively class of hundreds does
/// not fill the catalogue's journal. What is said meanwhile is in the recording's timeline.
const KEPT_BYTES_PER_SECOND: usize = 32 * 1024;
/// Things that happened before the recording was ready to hear them.
const EARLY_MAX: usize = 1_000;
/// Presences that wait for the writer: everybody of the largest class, coming and going while the disk stands still. Each
/// waits once, in its newest form.
const PRESENCES_MAX: usize = 5_000;

pub(super) enum Input {
    Enter { conn: ConnId, outbox: Outbox, who: Entrant },
    Message { conn: ConnId, message: ClientMessage },
    Gone { conn: ConnId },
    Published { asked: Asked, result: Result<Published, MediaError> },
    Subscribed { asked: Asked, result: Result<Subscribed, MediaError> },
    Media(MediaEvent),
    Recording(RecordingEvent),
    DevicePublished { who: Entrant, peer: PeerId, reply: oneshot::Sender<Result<(), DeviceRefusal>> },
    DeviceLeft { peer: PeerId },
    Watch { peer: PeerId, watch: Watch, reply: oneshot::Sender<bool> },
    WatchEnded { peer: PeerId },
    Facts(oneshot::Sender<RoomFacts>),
    HasTrack { track: TrackId, reply: oneshot::Sender<bool> },
    Restart(oneshot::Sender<()>),
}

pub(super) struct RoomTask {
    rooms: Rooms,
    room: Room,
    handle: RoomHandle,
    outboxes: HashMap<ConnId, Outbox>,
    writer: Writes,
    written: JoinHandle<()>,
    recorded: watch::Receiver<Recorded>,
    recording: Option<RecordingId>,
    /// The recording that broke down, to go on with.
    lost: Option<RecordingId>,
    /// The recording that is expected broke down before this task heard that it stands.
    lost_early: bool,
    /// A recording is expected: what happens meanwhile waits in `early`.
    recording_expected: bool,
    early: Early,
    /// A recording that starts now begins in the middle of the lesson.
    mid_lesson: bool,
    presences: BTreeMap<(ParticipantId, UnixMillis), Presence>,
    keep: bool,
    /// Seconds until the state may be written again.
    keep_in: u32,
    over: bool,
}

impl RoomTask {
    /// Makes the task; `ends` is dropped when it has ended and everything is written down.
    pub fn spawn(
        rooms: Rooms,
        room: Room,
        plan: LessonPlan,
        handle: RoomHandle,
        rx: mpsc::Receiver<Input>,
        ends: watch::Sender<()>,
    ) {
        let span = tracing::info_span!(parent: None, "room", room = %handle.id, lesson = %plan.lesson.id);
        let (writer, recorded, written) = writer::spawn(rooms.clone(), plan.clone());
        let mut task = Self {
            rooms,
            room,
            handle,
            outboxes: HashMap::new(),
            writer,
            written,
            recorded,
            recording: None,
            lost: None,
            lost_early: false,
            recording_expected: false,
            early: Vec::new(),
            mid_lesson: false,
            presences: BTreeMap::new(),
            keep: false,
            keep_in: 0,
            over: false,
        };
        let recording = plan.lesson.recording;
        if let Some(opened) = task.room.live_since().filter(|_| plan.class.entry.record || recording.is_some()) {
            task.recording_expected = true;
            task.mid_lesson = recording.is_none();
            task.writer.must(Write::Resumed { recording, opened });
        }
        let run = async move {
            task.run(rx).await;
            drop(ends);
        };
        tokio::spawn(run.instrument(span));
    }

    async fn run(mut self, mut rx: mpsc::Receiver<Input>) {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        let mut idle_for = 0;
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut out = Vec::new();
        while !self.over {
            tokio::select! {
                input = rx.recv() => match input {
                    Some(Input::Restart(done)) => {
                        self.room.close_for_restart(&mut out);
                        self.carry_out(&mut out).await;
                        let (presences, early) = self.unwritten();
                        self.writer.must(Write::Suspend { state: self.state(), presences, early, done });
                        break;
                    }
                    Some(input) => self.feed(input, &mut out),
                    None => break,
                },
                Ok(()) = self.recorded.changed() => {
                    let recording = *self.recorded.borrow_and_update();
                    self.recorded(recording, &mut out);
                }
                _ = second.tick() => {
                    self.room.tick(self.rooms.0.now(), &mut out);
                    self.carry_out(&mut out).await;
                    self.write_down(false);
                    idle_for = if self.room.is_idle() && self.outboxes.is_empty() { idle_for + 1 } else { 0 };
                    if idle_for >= IDLE_SECONDS {
                        // Whoever comes at this very moment finds the room closed and opens it anew.
                        self.over = true;
                        self.writer.must(Write::Forget);
                    }
                }
            }
            self.carry_out(&mut out).await;
            self.handle.present.store(self.room.present() as u32, Ordering::Relaxed);
        }
        rx.close();
        while let Some(input) = rx.recv().await {
            self.turn_away(input).await;
        }
        self.handle.present.store(0, Ordering::Relaxed);
        self.rooms.forget_peers(self.handle.id);
        // The sockets end now. The room keeps its place until all is written: opened before, an ended lesson would be found
        // live, and the last orders of this writer would strike the next room.
        let Self { rooms, handle, outboxes, writer, written, .. } = self;
        drop((outboxes, writer));
        if written.await.is_err() {
            tracing::error!("the room's writer broke down");
        }
        rooms.forget_room(handle.id);
    }

    /// What came too late: peers that were made for this room are closed. Whoever waits for a reply gets none.
    async fn turn_away(&self, input: Input) {
        let peer = match input {
            Input::Published { result: Ok(answer), .. } => answer.peer,
            Input::Subscribed { result: Ok(answer), .. } => answer.peer,
            _ => return,
        };
        self.rooms.close_orphan(peer).await;
    }

    fn feed(&mut self, input: Input, out: &mut Vec<Output>) {
        let now = self.rooms.0.now();
        let room = &mut self.room;
        match input {
            Input::Enter { conn, outbox, who } => {
                self.outboxes.insert(conn, outbox);
                room.enter(now, conn, who, out);
            }
            Input::Message { conn, message } => room.message(now, conn, message, out),
            Input::Gone { conn } => {
                self.outboxes.remove(&conn);
                room.disconnected(now, conn, out);
            }
            Input::Published { asked, result } => room.published(asked, result, out),
            Input::Subscribed { asked, result } => room.subscribed(asked, result, out),
            Input::Media(event) => room.media_event(now, event, out),
            Input::Recording(RecordingEvent::Failed { .. }) => room.recording_is(RecordingState::Failed, out),
            Input::Recording(RecordingEvent::Recovered { .. }) => room.recording_is(RecordingState::On, out),
            Input::Recording(RecordingEvent::Lost { .. }) => {
                self.lost_early = self.recording_expected;
                if let Some(recording) = self.recording.take() {
                    self.lost = Some(recording);
                    room.recording_failed(now, out);
                }
            }
            Input::DevicePublished { who, peer, reply } => answer(reply, room.device_published(now, who, peer, out)),
            Input::DeviceLeft { peer } => room.device_left(now, peer, out),
            Input::Watch { peer, watch, reply } => answer(reply, room.watch(peer, watch, out)),
            Input::WatchEnded { peer } => room.watch_ended(peer, out),
            Input::Facts(reply) => answer(
                reply,
                RoomFacts {
                    lesson: room.policy().lesson,
                    state: room.state(),
                    live_since: room.live_since(),
                    present: room.present(),
                },
            ),
            Input::HasTrack { track, reply } => answer(reply, room.has_track(track)),
            // Taken in the loop, which ends with it.
            Input::Restart(_) => {}
        }
    }

    fn recorded(&mut self, recording: Option<RecordingId>, out: &mut Vec<Output>) {
        let lost = std::mem::take(&mut self.lost_early);
        self.recording_expected = false;
        match recording {
            Some(_) if !lost => {
                self.recording = recording;
                let early = std::mem::take(&mut self.early);
                if self.mid_lesson {
                    // Before what waited, and without those whose coming waited.
                    let at = early.first().map_or_else(UnixMillis::now, |(at, _)| *at);
                    let joined = |event: &ClassEvent| match event {
                        ClassEvent::Joined { participant, .. } => Some(*participant),
                        _ => None,
                    };
                    let told: HashSet<_> = early.iter().filter_map(|(_, event)| joined(event)).collect();
                    let present =
                        self.room.roll_call().filter(|event| joined(event).is_none_or(|p| !told.contains(&p)));
                    let present: Vec<_> = present.collect();
                    present.into_iter().for_each(|event| self.record_event(at, event));
                }
                early.into_iter().for_each(|(at, event)| self.record_event(at, event));
                self.room.recording_started(out);
            }
            _ => {
                // What waits goes on waiting, for this recording or the next.
                self.lost = recording;
                self.room.recording_failed(self.rooms.0.now(), out);
            }
        }
    }

    async fn carry_out(&mut self, out: &mut Vec<Output>) {
        // Carrying out one thing may make others (a socket that is dropped).
        while !out.is_empty() {
            for output in std::mem::take(out) {
                self.carry_out_one(output, out).await;
            }
        }
    }

    async fn carry_out_one(&mut self, output: Output, out: &mut Vec<Output>) {
        match output {
            Output::Send { to, message } => {
                let text = text_of(&message);
                for conn in to {
                    self.send(conn, Outgoing::Text(text.clone()), out);
                }
            }
            Output::Close { conn, reason } => {
                metrics::counter!("lectern_ws_closed_total", "reason" => close_name(reason)).increment(1);
                self.send(conn, Outgoing::Last(text_of(&ServerMessage::Closed { reason })), out);
                self.outboxes.remove(&conn);
            }
            Output::Dismiss { conn } => {
                metrics::counter!("lectern_ws_closed_total", "reason" => "left").increment(1);
                // Dropping the outbox ends the socket's task.
                self.outboxes.remove(&conn);
            }
            Output::Negotiate(negotiation) => self.negotiate(negotiation),
            Output::Media(command) => self.command(command).await,
            Output::Opened { record } => {
                self.recording_expected = record;
                let at = self.room.live_since().unwrap_or_else(UnixMillis::now);
                tracing::info!(record, "the lesson is open");
                self.writer.must(Write::Opened { at, record });
                // Live is kept at once: a restart in the next second must find it so.
                self.keep = true;
                self.write_down(true);
            }
            Output::Record => {
                if let Some(opened) = self.room.live_since().filter(|_| !self.recording_expected) {
                    self.recording_expected = true;
                    // A recording that is gone on with knows who is here; what happened meanwhile waits in `early`.
                    self.mid_lesson = self.lost.is_none();
                    self.writer.must(Write::Resumed { recording: self.lost.take(), opened });
                }
            }
            Output::Ended { reason } => {
                metrics::counter!("lectern_room_lessons_ended_total", "reason" => reason.as_str()).increment(1);
                tracing::info!(reason = reason.as_str(), "the lesson is over");
                let (presences, early) = self.unwritten();
                self.writer.must(Write::Ended { at: UnixMillis::now(), presences, early });
                self.keep = false;
                self.over = true;
            }
            Output::Timeline(event) => self.record_event(UnixMillis::now(), event),
            Output::Attendance(presence) => {
                let key = (presence.participant, presence.from);
                if self.room.live_since().is_none() {
                    // Nobody is late before a lesson began.
                } else if self.presences.len() < PRESENCES_MAX || self.presences.contains_key(&key) {
                    self.presences.insert(key, presence);
                } else {
                    metrics::counter!("lectern_room_writes_failed_total", "reason" => "presences_max").increment(1);
                }
            }
            Output::Keep => self.keep = true,
        }
        if self.room.state() == LessonState::Over {
            self.over = true;
        }
    }

    fn send(&mut self, conn: ConnId, message: Outgoing, out: &mut Vec<Output>) {
        let Some(outbox) = self.outboxes.get(&conn) else { return };
        match outbox.try_send(message) {
            Ok(()) => {}
            Err(refused) => {
                if matches!(refused, mpsc::error::TrySendError::Full(_)) {
                    metrics::counter!("lectern_ws_closed_total", "reason" => "too_slow").increment(1);
                    tracing::info!(conn = conn.0, "a socket reads too slowly and is dropped");
                }
                // Dropping the outbox ends the socket's task.
                self.outboxes.remove(&conn);
                self.room.disconnected(self.rooms.0.now(), conn, out);
            }
        }
    }

    /// Asks the media plane beside the task; the answer comes back as an input.
    fn negotiate(&self, n: Negotiation) {
        let (rooms, handle) = (self.rooms.clone(), self.handle.clone());
        tokio::spawn(
            async move {
                let media = &rooms.0.config.media;
                let (asked, room) = (n.asked, handle.id);
                let (input, peer) = match &n.publish {
                    Some(lines) => {
                        let result = media.publish(room, asked.participant, n.replaces, &n.sdp, lines).await;
                        let peer = result.as_ref().ok().map(|answer| answer.peer);
                        (Input::Published { asked, result }, peer)
                    }
                    None => {
                        let result = media.subscribe(room, asked.participant, n.replaces, &n.sdp).await;
                        let peer = result.as_ref().ok().map(|answer| answer.peer);
                        (Input::Subscribed { asked, result }, peer)
                    }
                };
                if let Some(peer) = peer {
                    rooms.note_peer(peer, room);
                }
                if let (Err(_), Some(peer)) = (handle.send(input).await, peer) {
                    tracing::debug!("the room ended during a negotiation");
                    rooms.close_orphan(peer).await;
                }
            }
            .in_current_span(),
        );
    }

    async fn command(&self, command: MediaCommand) {
        let media = &self.rooms.0.config.media;
        match command {
            MediaCommand::Assign { peer, lines } => media.assign(peer, &lines).await,
            MediaCommand::AudioOnly { peer, on } => media.audio_only(peer, on).await,
            MediaCommand::Mute { track, muted } => media.mute(self.handle.id, track, muted).await,
            MediaCommand::Unpublish { track } => media.unpublish(self.handle.id, track).await,
            MediaCommand::ClosePeer(peer) => {
                self.rooms.0.peers.lock().remove(&peer);
                media.close_peer(peer).await;
            }
            MediaCommand::CloseRoom => media.close_room(self.handle.id).await,
        }
    }

    /// To the recording, or kept until it stands. Before the class is open nothing is recorded.
    fn record_event(&mut self, at: UnixMillis, event: ClassEvent) {
        match self.recording {
            Some(recording) => self.rooms.0.config.recordings.event(recording, at, &event),
            None if !self.should_record() => {}
            None if self.early.len() < EARLY_MAX => self.early.push((at, event)),
            None => {
                metrics::counter!("lectern_room_recording_events_dropped_total", "reason" => "early_max").increment(1);
            }
        }
    }

    /// Whether there is a recording, or will be as soon as one can be started.
    fn should_record(&self) -> bool {
        let wanted = self.room.policy().record && self.room.live_since().is_some();
        wanted || self.recording_expected || self.lost.is_some()
    }

    /// Writes what changed; `now` also when a large state was written a moment ago.
    fn write_down(&mut self, now: bool) {
        if !self.presences.is_empty() {
            let presences = std::mem::take(&mut self.presences).into_values().collect();
            if let Err(Write::Attendance(presences)) = self.writer.offer(Write::Attendance(presences)) {
                // They wait here, where a newer word of the same presence takes the place of the older.
                self.presences = presences.into_iter().map(|p| ((p.participant, p.from), p)).collect();
            }
        }
        self.keep_in = self.keep_in.saturating_sub(1);
        if self.keep && (self.keep_in == 0 || now) {
            let Some(state) = self.state() else { return };
            let len = state.len();
            if self.writer.offer(Write::Keep(state)).is_ok() {
                self.keep = false;
                self.keep_in = (len / KEPT_BYTES_PER_SECOND) as u32;
            } else {
                // The newest state is written at the next occasion.
                metrics::counter!("lectern_room_writes_failed_total", "reason" => "queue_full").increment(1);
            }
        }
    }

    /// The state to keep.
    fn state(&self) -> Option<String> {
        match self.room.keep(self.rooms.0.now()).to_json(ROOM_STATE_BYTES_MAX) {
            Ok(state) => Some(state),
            Err(e) => {
                tracing::error!(error = %e, "a room's state cannot be written");
                None
            }
        }
    }

    /// What goes with the writer's last order.
    fn unwritten(&mut self) -> (Vec<Presence>, Early) {
        (std::mem::take(&mut self.presences).into_values().collect(), std::mem::take(&mut self.early))
    }
}

fn answer<T>(reply: oneshot::Sender<T>, value: T) {
    if reply.send(value).is_err() {
        tracing::trace!("nobody waits for the answer any more");
    }
}

fn text_of(message: &ServerMessage) -> Utf8Bytes {
    // Plain data always serialises; an empty text would be refused by the client, and the log says why.
    serde_json::to_string(message).unwrap_or_default().into()
}

/// A close reason's name for the metric.
pub(crate) fn close_name(reason: CloseReason) -> &'static str {
    match reason {
        CloseReason::UnknownRoom => "unknown_room",
        CloseReason::NotAuthorised => "not_authorised",
        CloseReason::RoomFull => "room_full",
        CloseReason::Refused => "refused",
        CloseReason::Removed => "removed",
        CloseReason::Ended => "ended",
        CloseReason::TakenOver => "taken_over",
        CloseReason::VersionMismatch => "version_mismatch",
        CloseReason::ServerRestart => "server_restart",
        CloseReason::ProtocolError => "protocol_error",
    }
}
