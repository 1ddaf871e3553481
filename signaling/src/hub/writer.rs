//! What a room writes down, in order and beside its task, so that a slow disk never holds up a class.
//!
//! The task never waits for the writer and the writer never for the task: what comes often is refused when the queue is
//! full and comes again, what is rare has places of its own, and what the writer has to tell stands in a [`watch`].

use super::{LessonPlan, Rooms, alarm};
use crate::room::Presence;
use lectern_auth::Redacted;
use lectern_library::{AttendanceRow, LessonChange, StoreError};
use lectern_media::{RecordingId, UnixMillis};
use lectern_protocol::{api::ClassEvent, ws::LessonState};
use std::future::Future;
use tokio::{
    sync::{mpsc, oneshot, watch},
    task::JoinHandle,
};

/// Writes waiting for one room.
const WRITES_MAX: usize = 64;
/// Places for what must not be refused: a lesson is opened once and ends (or is suspended, or forgotten) once, and one
/// recording at a time is asked for.
const RESERVED: usize = 4;

/// Events that a recording has still to be told, with their times.
pub(super) type Early = Vec<(UnixMillis, ClassEvent)>;

pub(super) enum Write {
    /// The room's state, whole.
    Keep(String),
    /// Presences that began or ended.
    Attendance(Vec<Presence>),
    /// The lesson is live; start its recording if asked, and note both.
    Opened { at: UnixMillis, record: bool },
    /// The lesson is live and should be recorded: go on with its recording, or start one if there was none.
    Resumed { recording: Option<RecordingId>, opened: UnixMillis },
    /// The lesson is over. `early` is what the recording has not been told because it was not known yet.
    Ended { at: UnixMillis, presences: Vec<Presence>, early: Early },
    /// Nobody is there and nothing runs: nothing is worth keeping.
    Forget,
    /// The server is going down: close the recording so that it can be resumed, and tell when all is written.
    Suspend { state: Option<String>, presences: Vec<Presence>, early: Early, done: oneshot::Sender<()> },
}

/// What the writer tells: the recording that was asked for stands, or could not be started. One is asked for at a time, so
/// the newest word is the only one.
pub(super) type Recorded = Option<RecordingId>;

/// The way to a room's writer.
pub(super) struct Writes {
    tx: mpsc::Sender<Write>,
}

impl Writes {
    /// Hands over what is refused when much is waiting: gives it back then.
    pub fn offer(&self, write: Write) -> Result<(), Write> {
        if self.tx.capacity() <= RESERVED && !self.tx.is_closed() {
            return Err(write);
        }
        self.must(write);
        Ok(())
    }

    /// Hands over what is rare and must not be lost.
    pub fn must(&self, write: Write) {
        if self.tx.try_send(write).is_err() {
            // Its task has panicked, or somebody broke the reckoning at `RESERVED`.
            metrics::counter!("lectern_room_writes_failed_total", "reason" => "writer_ended").increment(1);
            tracing::error!("the room's writer takes nothing any more");
        }
    }
}

/// The way to a new writer, what it tells, and its task, which ends when all is written and nobody can ask for more.
pub(super) fn spawn(rooms: Rooms, plan: LessonPlan) -> (Writes, watch::Receiver<Recorded>, JoinHandle<()>) {
    let (tx, mut rx) = mpsc::channel(WRITES_MAX);
    let (told, recorded) = watch::channel(None);
    let task = tokio::spawn(async move {
        let mut writer = Writer { rooms, plan, told, recording: None };
        while let Some(write) = rx.recv().await {
            writer.write(write).await;
        }
    });
    (Writes { tx }, recorded, task)
}

struct Writer {
    rooms: Rooms,
    plan: LessonPlan,
    told: watch::Sender<Recorded>,
    /// The recording that runs. Known here first, so that an end right after a start ends it as well.
    recording: Option<RecordingId>,
}

impl Writer {
    async fn write(&mut self, write: Write) {
        let rooms = self.rooms.clone();
        let config = &rooms.0.config;
        let (store, lesson, room) = (config.library.store(), self.plan.lesson.id, self.plan.class.room);
        match write {
            Write::Keep(state) => self.noted("keep", store.put_room(room, state)).await,
            Write::Attendance(presences) => self.attendance(presences).await,
            Write::Opened { at, record } => {
                if matches!(store.lesson(lesson).await, Ok(None)) {
                    // The class was moved in the timetable while people waited for it, which forgets what was only planned.
                    // It is held now all the same, under the id that everybody in the room knows.
                    let planned = store.extra_lesson(self.plan.class.id, self.plan.lesson.starts);
                    self.noted("plan", planned).await;
                }
                // The lesson is live first: if we die here, the restart starts its recording.
                let change =
                    LessonChange { state: Some(LessonState::Live), opened: Some(at), ..LessonChange::default() };
                self.noted("open", store.change_lesson(lesson, change)).await;
                if record {
                    self.start_recording(at).await;
                }
            }
            Write::Resumed { recording: Some(recording), .. } => {
                let result = config.recordings.resume(room, recording).await;
                if let Err(e) = &result {
                    alarm("resume", e);
                }
                self.tell(result.map(|()| recording).ok());
            }
            Write::Resumed { recording: None, opened } => self.start_recording(opened).await,
            Write::Ended { at, presences, early } => {
                self.attendance(presences).await;
                let change =
                    LessonChange { state: Some(LessonState::Over), ended: Some(at), ..LessonChange::default() };
                self.noted("end", store.change_lesson(lesson, change)).await;
                self.tell_recording(early);
                if let Some(recording) = self.recording.take()
                    && let Err(e) = config.recordings.finish(recording).await
                {
                    alarm("finish", &e);
                }
                self.noted("forget", store.remove_room(room)).await;
            }
            Write::Forget => self.noted("forget", store.remove_room(room)).await,
            Write::Suspend { state, presences, early, done } => {
                self.attendance(presences).await;
                if let Some(state) = state {
                    self.noted("keep", store.put_room(room, state)).await;
                }
                self.tell_recording(early);
                if let Some(recording) = self.recording.take()
                    && let Err(e) = config.recordings.suspend(recording).await
                {
                    alarm("suspend", &e);
                }
                if done.send(()).is_err() {
                    tracing::trace!("nobody waits for the room to close");
                }
            }
        }
    }

    async fn attendance(&self, presences: Vec<Presence>) {
        if !presences.is_empty() {
            let rows = presences.into_iter().map(row).collect();
            let store = self.rooms.0.config.library.store();
            self.noted("attendance", store.put_attendance(self.plan.lesson.id, rows)).await;
        }
    }

    async fn start_recording(&mut self, opened: UnixMillis) {
        let rooms = self.rooms.clone();
        let config = &rooms.0.config;
        let started = config.recordings.start(&self.plan.facts(opened)).await;
        match &started {
            Ok(recording) => {
                let change = LessonChange { recording: Some(*recording), ..LessonChange::default() };
                self.noted("recording", config.library.store().change_lesson(self.plan.lesson.id, change)).await;
            }
            Err(e) => alarm("start", e),
        }
        self.tell(started.ok());
    }

    fn tell(&mut self, recording: Recorded) {
        self.recording = recording;
        self.told.send_replace(recording);
    }

    fn tell_recording(&self, early: Early) {
        let Some(recording) = self.recording else {
            metrics::counter!("lectern_room_recording_events_dropped_total", "reason" => "no_recording")
                .increment(early.len() as u64);
            return;
        };
        for (at, event) in early {
            self.rooms.0.config.recordings.event(recording, at, &event);
        }
    }

    /// A class goes on when the catalogue can't be written (DESIGN law 5); the fault is counted and logged.
    async fn noted<T>(&self, what: &'static str, write: impl Future<Output = Result<T, StoreError>>) {
        if let Err(e) = write.await {
            metrics::counter!("lectern_room_writes_failed_total", "reason" => what).increment(1);
            tracing::error!(room = %self.plan.class.room, error = %e, what, "could not be written down");
        }
    }
}

fn row(p: Presence) -> AttendanceRow {
    AttendanceRow {
        participant: p.participant,
        account: p.account,
        name: Redacted(p.name),
        role: p.role,
        from: p.from,
        to: p.to,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_that_stands_still_refuses_the_frequent_and_takes_the_rare() {
        let (tx, _rx) = mpsc::channel(WRITES_MAX);
        let writes = Writes { tx };
        let taken = (0..1_000).take_while(|_| writes.offer(Write::Keep(String::new())).is_ok()).count();
        assert_eq!(taken, WRITES_MAX - RESERVED);
        let given_back = writes.offer(Write::Attendance(vec![]));
        assert!(matches!(given_back, Err(Write::Attendance(_))), "presences wait in the task");
        writes.must(Write::Opened { at: UnixMillis(0), record: true });
        writes.must(Write::Resumed { recording: None, opened: UnixMillis(0) });
        writes.must(Write::Ended { at: UnixMillis(0), presences: vec![], early: vec![] });
        assert_eq!(writes.tx.capacity(), 1, "all of a lesson's rare writes have a place");
    }
}
