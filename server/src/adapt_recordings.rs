//! Lets signaling record: starts the recorder on a room's tap, and keeps the catalogue in step with what is on disk.

use crate::archive::{self, State};
use async_trait::async_trait;
use lectern_library::{Library, TextLine};
use lectern_media::{PlaceId, RecordingId, RoomId, TrackId, UnixMillis};
use lectern_protocol::api::{ClassEvent, RecordingStatus};
use lectern_recorder::{KeyframePort, Recorder, RecordingHandle, RecordingMeta, StartError, State as Health, Status};
use lectern_sfu::Sfu;
use lectern_signaling::ports::{LessonFacts, PortError, RecordingEvent, Recordings};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::{sync::watch, time::MissedTickBehavior};

/// How often the catalogue learns how far a running recording is.
const TELL_EVERY: Duration = Duration::from_secs(3);
/// How long an orderly end waits for the last bytes of one recording.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

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

/// What was written in class, for the search; the recording's own timeline has it all.
#[derive(Debug, Default)]
struct Lines {
    all: Vec<TextLine>,
    changed: bool,
}

/// The media plane asks publishers for keyframes by itself while a tap stands, every four seconds and after each loss.
struct TapAsks;

impl KeyframePort for TapAsks {
    fn request_keyframe(&self, track: TrackId) {
        tracing::trace!(%track, "the recorder waits for a keyframe");
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
    async fn run(self: &Arc<Self>, handle: RecordingHandle, lines: Vec<TextLine>) -> Result<RecordingId, PortError> {
        let meta = handle.meta().clone();
        let (id, room, status) = (meta.id, meta.room, handle.status());
        self.sfu.tap(room, handle.tap()).map_err(|e| fault("tap the room", e))?;
        let (handle, lines) = (Arc::new(handle), Arc::new(Mutex::new(Lines { all: lines, changed: true })));
        let this = Arc::clone(self);
        let follower = tokio::spawn(this.follow(meta, status, Arc::clone(&lines)));
        self.running.lock().insert(id, Running { handle, lines, follower });
        Ok(id)
    }

    /// Tells the room when recording fails or goes on, and the catalogue how far it is.
    async fn follow(
        self: Arc<Self>,
        meta: RecordingMeta,
        mut status: watch::Receiver<Status>,
        lines: Arc<Mutex<Lines>>,
    ) {
        let room = meta.room;
        let mut tell = tokio::time::interval(TELL_EVERY);
        tell.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut failed = false;
        loop {
            tokio::select! {
                changed = status.changed() => {
                    if changed.is_err() {
                        return;
                    }
                }
                _ = tell.tick() => {
                    let now = *status.borrow();
                    let state = State {
                        duration_ms: now.durable_ms,
                        size_bytes: now.bytes,
                        status: RecordingStatus::Live,
                    };
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

    /// Brings the catalogue up to date. A catalogue that can't be written is no reason to stop recording: a rebuild
    /// finds what is on disk.
    async fn register(&self, meta: &RecordingMeta, state: State, lines: &Mutex<Lines>) {
        let Some(entry) = archive::entry(meta, self.root(), state) else { return };
        let id = entry.id;
        let changed = {
            let mut lines = lines.lock();
            std::mem::take(&mut lines.changed).then(|| lines.all.clone())
        };
        let mut result = self.library.put_recording(entry).await;
        if let (Ok(()), Some(changed)) = (&result, changed) {
            result = self.library.put_lines(id, changed).await;
        }
        if let Err(error) = result {
            metrics::counter!("lectern_server_catalogue_writes_failed_total", "reason" => "recording").increment(1);
            tracing::error!(recording = %id, %error, "the catalogue did not learn of a recording");
            lines.lock().changed = true;
        }
    }

    fn root(&self) -> Option<PlaceId> {
        self.library.tree().root()
    }

    fn take(&self, id: RecordingId) -> Result<Running, PortError> {
        self.running.lock().remove(&id).ok_or_else(|| fault("end a recording", format!("{id} does not run")))
    }

    /// Seals what was left unfinished by lessons that are over by now, and registers it.
    pub async fn seal_abandoned(self: &Arc<Self>) {
        for unsealed in self.recorder.unsealed() {
            let (id, meta) = (unsealed.meta.id, unsealed.meta.clone());
            if self.running.lock().contains_key(&id) || self.is_live(&meta).await {
                continue;
            }
            let recorder = Arc::clone(&self.recorder);
            match tokio::task::spawn_blocking(move || recorder.seal(id)).await {
                Ok(Ok(sealed)) => {
                    let s = &sealed.summary;
                    let state = State { duration_ms: s.duration_ms, size_bytes: s.size_bytes, status: s.status };
                    let lines =
                        archive::summary(&s.dir, self.root()).ok().flatten().map(|s| s.lines).unwrap_or_default();
                    self.register(&meta, state, &Mutex::new(Lines { all: lines, changed: true })).await;
                    tracing::info!(recording = %id, "sealed a recording whose lesson is over");
                }
                Ok(Err(error)) => tracing::error!(recording = %id, %error, "could not seal an unfinished recording"),
                Err(error) => tracing::error!(recording = %id, %error, "sealing failed"),
            }
        }
    }

    async fn is_live(&self, meta: &RecordingMeta) -> bool {
        let lesson = self.library.store().lesson(meta.lesson).await;
        matches!(lesson, Ok(Some(l)) if l.state == lectern_protocol::ws::LessonState::Live)
    }
}

/// What signaling holds: starting a recording needs the shared one.
pub struct RecordingsPort(pub Arc<Recorders>);

#[async_trait]
impl Recordings for RecordingsPort {
    async fn start(&self, facts: &LessonFacts) -> Result<RecordingId, PortError> {
        let meta = meta(facts);
        let lesson = facts.lesson;
        let recorder = Arc::clone(&self.0.recorder);
        let started = tokio::task::spawn_blocking(move || match recorder.start(meta, Arc::new(TapAsks)) {
            // The server died between starting the recording and writing that down: one lesson, one recording.
            Err(StartError::Unfinished { recording, .. }) => {
                recorder.resume(lesson, Arc::new(TapAsks))?.ok_or(StartError::Unknown(recording))
            }
            other => other,
        });
        let handle =
            started.await.map_err(|e| fault("start a recording", e))?.map_err(|e| fault("start a recording", e))?;
        self.0.run(handle, vec![]).await
    }

    async fn resume(&self, room: RoomId, recording: RecordingId) -> Result<(), PortError> {
        let what = "go on with a recording";
        let unsealed = self.0.recorder.unsealed().into_iter().find(|s| s.meta.id == recording && s.meta.room == room);
        let unsealed = unsealed.ok_or_else(|| fault(what, format!("{recording} is not on disk or is sealed")))?;
        let recorder = Arc::clone(&self.0.recorder);
        let root = self.0.root();
        let resumed = tokio::task::spawn_blocking(move || {
            let lines = archive::summary(&unsealed.dir, root).ok().flatten().map(|s| s.lines).unwrap_or_default();
            recorder.resume(unsealed.meta.lesson, Arc::new(TapAsks)).map(|handle| (handle, lines))
        });
        let (handle, lines) = resumed.await.map_err(|e| fault(what, e))?.map_err(|e| fault(what, e))?;
        let handle = handle.ok_or_else(|| fault(what, format!("{recording} cannot be resumed")))?;
        self.0.run(handle, lines).await.map(|_| ())
    }

    fn event(&self, recording: RecordingId, at: UnixMillis, event: &ClassEvent) {
        let running = self.0.running.lock();
        let Some(running) = running.get(&recording) else { return };
        // A full queue is counted by the recorder.
        running.handle.event(at, event.clone());
        if let Some(line) = archive::line(running.handle.meta().started, at, event) {
            let mut lines = running.lines.lock();
            if lines.all.len() < TextLine::LINES_MAX {
                lines.all.push(line);
                lines.changed = true;
            }
        }
    }

    async fn suspend(&self, recording: RecordingId) -> Result<(), PortError> {
        let running = self.0.take(recording)?;
        let mut status = running.handle.status();
        stop(running.follower).await;
        drop(running.handle);
        let ended = status.wait_for(|s| s.state == Health::Ended);
        match tokio::time::timeout(CLOSE_WITHIN, ended).await {
            // A closed channel means that the recording's thread is gone, which is as good.
            Ok(_) => Ok(()),
            Err(_) => Err(fault("close a recording", "its last bytes were not written in time")),
        }
    }

    async fn finish(&self, recording: RecordingId) -> Result<(), PortError> {
        let running = self.0.take(recording)?;
        let meta = running.handle.meta().clone();
        let sealed = running.handle.finish().await.map_err(|e| fault("finish a recording", e));
        stop(running.follower).await;
        let status = *running.handle.status().borrow();
        let state = match &sealed {
            Ok(s) => {
                State { duration_ms: s.summary.duration_ms, size_bytes: s.summary.size_bytes, status: s.summary.status }
            }
            Err(_) => {
                State { duration_ms: status.durable_ms, size_bytes: status.bytes, status: RecordingStatus::Partial }
            }
        };
        running.lines.lock().changed = true;
        self.0.register(&meta, state, &running.lines).await;
        sealed.map(|_| ())
    }
}

/// Ends a follower for certain, so that it can't tell the catalogue of a running recording after the end.
async fn stop(follower: tokio::task::JoinHandle<()>) {
    follower.abort();
    if follower.await.is_err_and(|e| e.is_panic()) {
        tracing::error!("the follower of a recording had panicked");
    }
}

fn meta(facts: &LessonFacts) -> RecordingMeta {
    RecordingMeta {
        id: RecordingId::generate(),
        lesson: facts.lesson,
        room: facts.room,
        class: Some(facts.class),
        place: Some(facts.place),
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
mod tests {
    use super::*;
    use lectern_library::{Class, ClassEntry, LessonChange, LibraryOptions};
    use lectern_media::{AccountId, ParticipantId};
    use lectern_protocol::{
        api::{ClassMode, Repeat},
        ws::LessonState,
    };
    use lectern_recorder::Limits;
    use lectern_sfu::SfuConfig;
    use lectern_signaling::ports::RecordingFiles as _;
    use std::{net::SocketAddr, path::Path};

    struct Bench {
        dir: tempfile::TempDir,
        library: Arc<Library>,
        sfu: Sfu,
        facts: LessonFacts,
    }

    impl Bench {
        async fn new() -> Self {
            let dir = tempfile::tempdir().unwrap();
            let library =
                Arc::new(Library::open(&dir.path().join("catalogue"), LibraryOptions::default()).await.unwrap());
            library.first_run(UnixMillis::now()).await.unwrap();
            let now = UnixMillis::now();
            let entry = ClassEntry {
                title: "分数乘法".into(),
                subject: "数学".into(),
                grade: "六年级".into(),
                teacher: AccountId::generate(),
                place: library.tree().root().unwrap(),
                mode: ClassMode::Dedicated,
                starts: now,
                duration_min: 40,
                repeat: Repeat::Once,
                until: None,
                waiting_room: false,
                record: true,
            };
            let class = library.create_classes(vec![Class::new(entry, now)]).await.unwrap().remove(0);
            let lesson = library.store().lessons_at(vec![(class.id, now)]).await.unwrap().remove(0);
            let live = LessonChange { state: Some(LessonState::Live), opened: Some(now), ..LessonChange::default() };
            library.store().change_lesson(lesson.id, live).await.unwrap();
            let facts = LessonFacts {
                class: class.id,
                lesson: lesson.id,
                room: class.room,
                title: class.entry.title.clone(),
                subject: class.entry.subject.clone(),
                grade: class.entry.grade.clone(),
                teacher: class.entry.teacher,
                teacher_name: "王老师".into(),
                place: class.entry.place,
                school: "东山村小学".into(),
                opened: now,
            };
            let listen = vec![SocketAddr::from(([127, 0, 0, 1], 0))];
            let sfu = Sfu::start(SfuConfig { listen, ..SfuConfig::default() }).unwrap();
            Self { dir, library, sfu, facts }
        }

        /// A recorder as a process has it: dropped and opened anew, it finds what the one before left.
        fn port(&self) -> RecordingsPort {
            let limits = Limits { reserve_bytes: 0, ..Limits::default() };
            let recorder = Arc::new(Recorder::open(archive::recordings_dir(self.dir.path()), limits).unwrap());
            RecordingsPort(Recorders::new(recorder, self.sfu.clone(), Arc::clone(&self.library), |_| ()))
        }

        async fn known(&self, id: RecordingId) -> lectern_library::Recording {
            self.library.store().recording(id).await.unwrap().expect("the catalogue knows it")
        }

        fn data(&self) -> &Path {
            self.dir.path()
        }
    }

    fn chat(text: &str) -> ClassEvent {
        ClassEvent::Chat { participant: ParticipantId::generate(), name: "小明".into(), text: text.into() }
    }

    #[tokio::test]
    async fn a_recording_through_a_restart_to_its_end() {
        let b = Bench::new().await;
        let port = b.port();
        let id = port.start(&b.facts).await.unwrap();
        port.event(id, UnixMillis::now(), &ClassEvent::Opened {});
        port.event(id, UnixMillis::now(), &chat("老师好"));
        port.suspend(id).await.unwrap();
        drop(port);

        let port = b.port();
        port.resume(b.facts.room, id).await.unwrap();
        port.event(id, UnixMillis::now(), &chat("再见"));
        port.finish(id).await.unwrap();
        let known = b.known(id).await;
        assert_eq!((known.status, known.title.as_str()), (RecordingStatus::Done, "分数乘法"));
        let lines = b.library.store().recordings(None, 9).await.unwrap().remove(0).lines;
        assert_eq!(lines.iter().map(|l| l.text.as_str()).collect::<Vec<_>>(), ["老师好", "再见"]);

        let archive = crate::adapt_files::Archive::new(b.data());
        let facts = archive.facts(id).await.unwrap().expect("it can be read");
        assert_eq!(facts.events.iter().filter(|e| matches!(e.event, ClassEvent::Chat { .. })).count(), 2);
        assert!(archive.open(id, "nothing.m3u8").await.unwrap().is_none());
        assert!(archive.facts(RecordingId::generate()).await.unwrap().is_none());
        archive.remove(id).await.unwrap();
        assert!(archive.facts(id).await.unwrap().is_none());
    }

    #[tokio::test]
    async fn a_start_after_a_crash_goes_on_with_the_same_recording() {
        let b = Bench::new().await;
        let port = b.port();
        let id = port.start(&b.facts).await.unwrap();
        port.suspend(id).await.unwrap();
        drop(port);
        assert_eq!(b.port().start(&b.facts).await.unwrap(), id, "one lesson, one recording");
    }

    #[tokio::test]
    async fn what_a_lesson_left_unfinished_is_sealed_when_it_is_over() {
        let b = Bench::new().await;
        let port = b.port();
        let id = port.start(&b.facts).await.unwrap();
        port.suspend(id).await.unwrap();
        drop(port);
        let port = b.port();
        port.0.seal_abandoned().await;
        assert_eq!(port.0.recorder.unsealed().len(), 1, "the lesson is live: it will be resumed");
        let over = LessonChange { state: Some(LessonState::Over), ..LessonChange::default() };
        b.library.store().change_lesson(b.facts.lesson, over).await.unwrap();
        port.0.seal_abandoned().await;
        assert!(port.0.recorder.unsealed().is_empty());
        assert_ne!(b.known(id).await.status, RecordingStatus::Live);
    }
}
