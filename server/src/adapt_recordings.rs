//! Lets signaling record: starts the recorder on a room's tap, and keeps the catalogue in step with what is on disk.

use crate::archive::{self, State};
use async_trait::async_trait;
use lectern_auth::PlaceTree;
use lectern_library::{Library, TextLine};
use lectern_media::{LessonId, RecordingId, RoomId, TrackId, UnixMillis};
use lectern_protocol::api::{ClassEvent, RecordingStatus};
use lectern_recorder::{
    KeyframePort, Recorder, RecordingHandle, RecordingMeta, Sealed, StartError, State as Health, Status,
};
use lectern_sfu::Sfu;
use lectern_signaling::ports::{LessonFacts, PortError, RecordingEvent, Recordings};
use parking_lot::Mutex;
use std::{collections::HashMap, path::Path, sync::Arc, time::Duration};
use tokio::{sync::watch, time::MissedTickBehavior};

/// How often the catalogue learns how far a running recording is.
const TELL_EVERY: Duration = Duration::from_secs(3);
/// How long an orderly end waits for the last bytes of one recording.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);
/// How often recordings that ended without a seal are looked after: a full disk may have room by now.
const SEAL_EVERY: Duration = Duration::from_secs(60);

/// The recorder as signaling sees it.
pub struct Recorders {
    recorder: Arc<Recorder>,
    sfu: Sfu,
    library: Arc<Library>,
    running: Mutex<HashMap<RecordingId, Running>>,
    tell: Box<dyn Fn(RecordingEvent) + Send + Sync>,
}

struct Running {
    handle: Arc<RecordingHandle>,
    lines: Arc<Mutex<Lines>>,
    follower: tokio::task::JoinHandle<()>,
}

/// What was written in class and the catalogue does not know yet; the recording's own timeline has it all.
#[derive(Debug, Default)]
struct Lines {
    /// Not told yet.
    new: Vec<TextLine>,
    /// How many were told.
    told: usize,
    /// Bytes of all.
    bytes: usize,
    /// The catalogue may have others, of a time before: these replace them.
    replace: bool,
}

impl Lines {
    /// The lines of a recording that goes on, read from its files.
    fn known(lines: Vec<TextLine>) -> Self {
        let mut this = Self { replace: true, ..Self::default() };
        lines.into_iter().for_each(|line| this.push(line));
        this
    }

    /// Adds a line, unless a recording's share in the catalogue is full.
    fn push(&mut self, line: TextLine) {
        let fits =
            self.told + self.new.len() < TextLine::LINES_MAX && self.bytes + line.text.len() <= TextLine::BYTES_MAX;
        if fits {
            self.bytes += line.text.len();
            self.new.push(line);
        } else {
            metrics::counter!("lectern_server_lines_unsearchable_total", "reason" => "too_many").increment(1);
        }
    }
}

/// Where a recording stands that runs.
const fn running(status: Status) -> State {
    State { duration_ms: status.durable_ms, size_bytes: status.bytes, status: RecordingStatus::Live }
}

fn sealed_state(sealed: &Sealed) -> State {
    let s = &sealed.summary;
    State { duration_ms: s.duration_ms, size_bytes: s.size_bytes, status: s.status }
}

/// The media plane asks publishers every four seconds by itself while a tap stands; the recorder knows when it lost its
/// place, or begins anew behind a tap that does not.
struct AskPublisher(Sfu);

impl KeyframePort for AskPublisher {
    fn request_keyframe(&self, track: TrackId) {
        if let Err(error) = self.0.request_keyframe(track) {
            metrics::counter!("lectern_server_keyframe_requests_refused_total", "reason" => "busy").increment(1);
            tracing::debug!(%track, %error, "a keyframe was not asked for");
        }
    }
}

impl Recorders {
    pub fn new(
        recorder: Arc<Recorder>,
        sfu: Sfu,
        library: Arc<Library>,
        tell: impl Fn(RecordingEvent) + Send + Sync + 'static,
    ) -> Arc<Self> {
        Arc::new(Self { recorder, sfu, library, running: Mutex::default(), tell: Box::new(tell) })
    }

    /// Taps the room, registers the recording and follows it.
    async fn run(self: &Arc<Self>, handle: RecordingHandle, lines: Lines) -> Result<RecordingId, PortError> {
        let id = handle.id();
        if let Err(error) = self.sfu.tap(handle.meta().room, handle.tap()) {
            let (dir, mut status) = (handle.dir().to_owned(), handle.status());
            drop(handle);
            // However the wait ends: only a thread that is gone may be followed by a recovery.
            if ended(&mut status).await {
                self.reclaim(id, &dir).await;
            }
            return Err(fault("tap the room", error));
        }
        let (handle, lines) = (Arc::new(handle), Arc::new(Mutex::new(lines)));
        // Under the lock, so that a follower whose recording dies at once finds what it has to take out.
        let mut all = self.running.lock();
        let follower = tokio::spawn(Arc::clone(self).follow(Arc::clone(&handle), Arc::clone(&lines)));
        all.insert(id, Running { handle, lines, follower });
        Ok(id)
    }

    /// Tells the room when recording fails, goes on or is lost, and the catalogue how far it is.
    async fn follow(self: Arc<Self>, handle: Arc<RecordingHandle>, lines: Arc<Mutex<Lines>>) {
        let (meta, mut status) = (handle.meta().clone(), handle.status());
        let (room, dir) = (meta.room, handle.dir().to_owned());
        // Only the one in `running` keeps the recording going.
        drop(handle);
        let mut tell = tokio::time::interval(TELL_EVERY);
        tell.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = false;
        loop {
            tokio::select! {
                changed = status.changed() => {
                    if changed.is_err() {
                        return self.lost(&meta, &dir).await;
                    }
                }
                _ = tell.tick() => {
                    let state = running(*status.borrow());
                    self.register(&meta, state, &lines).await;
                }
            }
            match status.borrow_and_update().state {
                Health::Failed { reason } if !failed => {
                    failed = true;
                    tracing::error!(%room, reason = reason.as_str(), "recording stopped; the class goes on");
                    (self.tell)(RecordingEvent::Failed { room });
                }
                Health::On if failed => {
                    failed = false;
                    tracing::info!(%room, "recording goes on");
                    (self.tell)(RecordingEvent::Recovered { room });
                }
                Health::Ended => return,
                _ => {}
            }
        }
    }

    /// The recording's thread died. What it wrote is recovered, so that the room can go on with it.
    async fn lost(&self, meta: &RecordingMeta, dir: &Path) {
        if self.running.lock().remove(&meta.id).is_none() {
            // Whoever ends it has it, and sees the same.
            return;
        }
        metrics::counter!("lectern_server_recordings_lost_total", "reason" => "thread_died").increment(1);
        tracing::error!(recording = %meta.id, room = %meta.room, "a recording broke down; the class goes on");
        self.reclaim(meta.id, dir).await;
        (self.tell)(RecordingEvent::Lost { room: meta.room });
    }

    /// Brings the catalogue up to date. A catalogue that can't be written is no reason to stop recording: a rebuild
    /// finds what is on disk.
    async fn register(&self, meta: &RecordingMeta, state: State, lines: &Mutex<Lines>) {
        let Some(entry) = archive::entry(meta, &self.library.tree(), state) else { return };
        let id = entry.id;
        let (replace, told, new) = {
            let lines = lines.lock();
            (lines.replace, lines.told, lines.new.clone())
        };
        let count = new.len();
        let written = async {
            self.library.put_recording(entry).await?;
            match (replace, count) {
                (true, _) => self.library.put_lines(id, new).await,
                (false, 0) => Ok(()),
                (false, _) => self.library.add_lines(id, told, new).await,
            }
        };
        match written.await {
            Ok(()) => {
                let mut lines = lines.lock();
                lines.new.drain(..count);
                lines.told += count;
                lines.replace = false;
            }
            Err(error) => {
                metrics::counter!("lectern_server_catalogue_writes_failed_total", "reason" => "recording").increment(1);
                tracing::error!(recording = %id, %error, "the catalogue did not learn of a recording");
            }
        }
    }

    fn take(&self, id: RecordingId) -> Option<Running> {
        self.running.lock().remove(&id)
    }

    /// The running recording of a lesson.
    fn of_lesson(&self, lesson: LessonId) -> Option<RecordingId> {
        self.running.lock().iter().find(|(_, r)| r.handle.meta().lesson == lesson).map(|(id, _)| *id)
    }

    #[cfg(test)]
    pub(crate) fn tap_of(&self, id: RecordingId) -> Option<lectern_media::tap::TapHandle> {
        self.running.lock().get(&id).map(|running| running.handle.tap())
    }

    fn keyframes(&self) -> Arc<dyn KeyframePort> {
        Arc::new(AskPublisher(self.sfu.clone()))
    }

    /// Recovers a recording that ended without a seal.
    async fn reclaim(&self, id: RecordingId, dir: &Path) {
        let (recorder, dir) = (Arc::clone(&self.recorder), dir.to_owned());
        if let Err(error) = tokio::task::spawn_blocking(move || recorder.reclaim(id, &dir)).await {
            tracing::error!(recording = %id, %error, "recovering a recording failed");
        }
    }

    /// Seals a recording that does not run, and registers it.
    async fn seal(&self, id: RecordingId, meta: &RecordingMeta) -> Result<(), PortError> {
        let recorder = Arc::clone(&self.recorder);
        let work = tokio::task::spawn_blocking(move || {
            let sealed = recorder.seal(id)?;
            let lines = archive::find(&sealed.summary.dir).map(|found| found.lines);
            Ok::<_, StartError>((sealed, lines))
        });
        let (sealed, lines) =
            work.await.map_err(|e| fault("seal a recording", e))?.map_err(|e| fault("seal a recording", e))?;
        let lines = match lines {
            Ok(lines) => Lines::known(lines),
            Err(error) => {
                tracing::error!(recording = %id, %error, "what was written in class can't be read");
                Lines::default()
            }
        };
        self.register(meta, sealed_state(&sealed), &Mutex::new(lines)).await;
        Ok(())
    }

    /// Looks after recordings that ended without a seal, now and every minute, for as long as the server runs.
    pub async fn keep_sealing(self: Arc<Self>) {
        let mut again = tokio::time::interval(SEAL_EVERY);
        again.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            again.tick().await;
            self.seal_abandoned().await;
        }
    }

    /// Seals what was left unfinished by lessons that are over by now, and registers it.
    pub async fn seal_abandoned(&self) {
        let recorder = Arc::clone(&self.recorder);
        if let Err(error) = tokio::task::spawn_blocking(move || recorder.reclaim_left()).await {
            tracing::error!(%error, "recovering recordings failed");
        }
        for unsealed in self.recorder.unsealed() {
            let (id, meta) = (unsealed.meta.id, unsealed.meta);
            if self.running.lock().contains_key(&id) || self.is_live(&meta).await {
                continue;
            }
            match self.seal(id, &meta).await {
                Ok(()) => tracing::info!(recording = %id, "sealed a recording whose lesson is over"),
                Err(error) => tracing::error!(recording = %id, %error, "could not seal an unfinished recording"),
            }
        }
    }

    /// Whether its lesson is live. While that can't be told it counts as live: a seal can't be taken back.
    async fn is_live(&self, meta: &RecordingMeta) -> bool {
        match self.library.store().lesson(meta.lesson).await {
            Ok(lesson) => lesson.is_some_and(|l| l.state == lectern_protocol::ws::LessonState::Live),
            Err(error) => {
                metrics::counter!("lectern_server_recordings_unsealed_total", "reason" => "lesson_unknown")
                    .increment(1);
                tracing::error!(recording = %meta.id, %error, "whether a lesson is over can't be read; not sealed yet");
                true
            }
        }
    }
}

/// What signaling holds: starting a recording needs the shared one.
pub struct RecordingsPort(pub Arc<Recorders>);

#[async_trait]
impl Recordings for RecordingsPort {
    async fn start(&self, facts: &LessonFacts) -> Result<RecordingId, PortError> {
        const WHAT: &str = "start a recording";
        let lesson = facts.lesson;
        if let Some(running) = self.0.of_lesson(lesson) {
            return Ok(running);
        }
        let meta = meta(facts, &self.0.library.tree());
        let (recorder, keyframes) = (Arc::clone(&self.0.recorder), self.0.keyframes());
        let started = tokio::task::spawn_blocking(move || match recorder.start(meta, Arc::clone(&keyframes)) {
            // The server died between starting the recording and writing that down: one lesson, one recording.
            Err(StartError::Unfinished { recording, .. }) => {
                let handle = recorder.resume(lesson, keyframes)?.ok_or(StartError::Unknown(recording))?;
                let lines = written_before(handle.dir());
                Ok((handle, lines))
            }
            other => other.map(|handle| (handle, Lines::default())),
        });
        let (handle, lines) = started.await.map_err(|e| fault(WHAT, e))?.map_err(|e| fault(WHAT, e))?;
        self.0.run(handle, lines).await
    }

    async fn resume(&self, room: RoomId, recording: RecordingId) -> Result<(), PortError> {
        const WHAT: &str = "go on with a recording";
        if self.0.running.lock().contains_key(&recording) {
            return Ok(());
        }
        let (recorder, keyframes) = (Arc::clone(&self.0.recorder), self.0.keyframes());
        let resumed = tokio::task::spawn_blocking(move || {
            recorder.reclaim_left();
            let found = recorder.unsealed().into_iter().find(|s| s.meta.id == recording && s.meta.room == room);
            let found = found.ok_or_else(|| fault(WHAT, format!("{recording} is not on disk or is sealed")))?;
            let lines = written_before(&found.dir);
            let handle = recorder.resume(found.meta.lesson, keyframes).map_err(|e| fault(WHAT, e))?;
            let handle = handle.ok_or_else(|| fault(WHAT, format!("{recording} cannot be resumed")))?;
            Ok((handle, lines))
        });
        let (handle, lines) = resumed.await.map_err(|e| fault(WHAT, e))??;
        self.0.run(handle, lines).await.map(|_| ())
    }

    fn event(&self, recording: RecordingId, at: UnixMillis, event: &ClassEvent) {
        let running = self.0.running.lock();
        let Some(running) = running.get(&recording) else { return };
        // A full queue is counted by the recorder.
        running.handle.event(at, event.clone());
        if let Some(line) = archive::line(running.handle.meta().started, at, event) {
            running.lines.lock().push(line);
        }
    }

    async fn suspend(&self, recording: RecordingId) -> Result<(), PortError> {
        let running =
            self.0.take(recording).ok_or_else(|| fault("close a recording", format!("{recording} does not run")))?;
        let mut status = running.handle.status();
        stop(running.follower).await;
        drop(running.handle);
        if ended(&mut status).await {
            Ok(())
        } else {
            Err(fault("close a recording", "its last bytes were not written in time"))
        }
    }

    async fn finish(&self, recording: RecordingId) -> Result<(), PortError> {
        const WHAT: &str = "finish a recording";
        let Some(running) = self.0.take(recording) else {
            // It broke down, and the lesson ended before it went on.
            let unsealed = self.0.recorder.unsealed().into_iter().find(|s| s.meta.id == recording);
            let unsealed = unsealed.ok_or_else(|| fault(WHAT, format!("{recording} does not run")))?;
            return self.0.seal(recording, &unsealed.meta).await;
        };
        let meta = running.handle.meta().clone();
        let sealed = running.handle.finish().await;
        stop(running.follower).await;
        match sealed {
            Ok(sealed) => {
                self.0.register(&meta, sealed_state(&sealed), &running.lines).await;
                Ok(())
            }
            Err(error) => {
                metrics::counter!("lectern_server_recordings_unsealed_total", "reason" => "finish").increment(1);
                // Nobody waits for more of it; it is sealed as soon as the disk allows.
                let state =
                    State { status: RecordingStatus::Partial, ..self::running(*running.handle.status().borrow()) };
                self.0.register(&meta, state, &running.lines).await;
                self.0.reclaim(recording, running.handle.dir()).await;
                // A thread that died leaves nothing in the way; a full disk does, until there is room.
                self.0.seal(recording, &meta).await.map_err(|_| fault(WHAT, error))
            }
        }
    }
}

/// What was written in class before a recording was cut off.
fn written_before(dir: &Path) -> Lines {
    match archive::find(dir) {
        Ok(found) => Lines::known(found.lines),
        Err(error) => {
            tracing::error!(dir = %dir.display(), %error, "what was written in class before can't be read");
            Lines::default()
        }
    }
}

/// Waits for a recording's thread to end; tells whether it did in time.
async fn ended(status: &mut watch::Receiver<Status>) -> bool {
    // A closed channel means that the thread is gone, which is as good.
    tokio::time::timeout(CLOSE_WITHIN, status.wait_for(|s| s.state == Health::Ended)).await.is_ok()
}

/// Ends a follower for certain, so that it can't tell the catalogue of a running recording after the end.
async fn stop(follower: tokio::task::JoinHandle<()>) {
    follower.abort();
    if follower.await.is_err_and(|e| e.is_panic()) {
        tracing::error!("the follower of a recording had panicked");
    }
}

fn meta(facts: &LessonFacts, tree: &PlaceTree) -> RecordingMeta {
    let mut places: Vec<_> = tree.upward(facts.place).cloned().collect();
    places.reverse();
    RecordingMeta {
        id: RecordingId::generate(),
        lesson: facts.lesson,
        room: facts.room,
        class: Some(facts.class),
        place: Some(facts.place),
        places,
        teacher_account: Some(facts.teacher),
        title: facts.title.clone(),
        subject: facts.subject.clone(),
        grade: facts.grade.clone(),
        teacher: facts.teacher_name.clone(),
        school: facts.school.clone(),
        started: facts.opened,
    }
}

fn fault(what: &'static str, cause: impl std::fmt::Display) -> PortError {
    PortError { part: "the recorder", what, cause: cause.to_string() }
}

#[cfg(test)]
mod tests;
