//! What a room writes down, in order and beside its task, so that a slow disk never holds up a class.

use super::{LessonPlan, RoomHandle, Rooms, alarm, task::Input};
use crate::room::Presence;
use lectern_auth::Redacted;
use lectern_library::{AttendanceRow, LessonChange, StoreError};
use lectern_media::{RecordingId, UnixMillis};
use lectern_protocol::ws::LessonState;
use std::future::Future;
use tokio::sync::{mpsc, oneshot};

/// Writes waiting for one room. Beyond, the newest state is written at the next occasion, and presences wait in the task.
const WRITES_MAX: usize = 64;

pub(super) enum Write {
    /// The room's state, whole.
    Keep(String),
    /// Presences that began or ended.
    Attendance(Vec<Presence>),
    /// The lesson is live; start its recording if asked, and note both.
    Opened { at: UnixMillis, record: bool },
    /// The lesson is live again after a restart: go on with its recording, or start one if there was none.
    Resumed { recording: Option<RecordingId>, opened: UnixMillis, record: bool },
    /// The lesson is over.
    Ended { at: UnixMillis, recording: Option<RecordingId> },
    /// Nobody is there and nothing runs: nothing is worth keeping.
    Forget,
    /// The server is going down: close the recording so that it can be resumed, and tell when all before is written.
    Suspend { recording: Option<RecordingId>, done: oneshot::Sender<()> },
}

pub(super) fn spawn(rooms: Rooms, plan: LessonPlan, handle: RoomHandle) -> mpsc::Sender<Write> {
    let (tx, mut rx) = mpsc::channel(WRITES_MAX);
    tokio::spawn(async move {
        let writer = Writer { rooms, plan, handle };
        while let Some(write) = rx.recv().await {
            writer.write(write).await;
        }
    });
    tx
}

struct Writer {
    rooms: Rooms,
    plan: LessonPlan,
    handle: RoomHandle,
}

impl Writer {
    async fn write(&self, write: Write) {
        let config = &self.rooms.0.config;
        let (store, lesson, room) = (config.library.store(), self.plan.lesson.id, self.plan.class.room);
        match write {
            Write::Keep(state) => self.noted("keep", store.put_room(room, state)).await,
            Write::Attendance(presences) => {
                let rows = presences.into_iter().map(row).collect();
                self.noted("attendance", store.put_attendance(lesson, rows)).await;
            }
            Write::Opened { at, record } => {
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
                self.tell(result.map(|()| recording).ok()).await;
            }
            Write::Resumed { recording: None, opened, record } => {
                if record {
                    self.start_recording(opened).await;
                }
            }
            Write::Ended { at, recording } => {
                let change =
                    LessonChange { state: Some(LessonState::Over), ended: Some(at), ..LessonChange::default() };
                self.noted("end", store.change_lesson(lesson, change)).await;
                if let Some(recording) = recording
                    && let Err(e) = config.recordings.finish(recording).await
                {
                    alarm("finish", &e);
                }
                self.noted("forget", store.remove_room(room)).await;
            }
            Write::Forget => self.noted("forget", store.remove_room(room)).await,
            Write::Suspend { recording, done } => {
                if let Some(recording) = recording
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

    async fn start_recording(&self, opened: UnixMillis) {
        let config = &self.rooms.0.config;
        let started = config.recordings.start(&self.plan.facts(opened)).await;
        match &started {
            Ok(recording) => {
                let change = LessonChange { recording: Some(*recording), ..LessonChange::default() };
                self.noted("recording", config.library.store().change_lesson(self.plan.lesson.id, change)).await;
            }
            Err(e) => alarm("start", e),
        }
        self.tell(started.ok()).await;
    }

    async fn tell(&self, recording: Option<RecordingId>) {
        if self.handle.send(Input::Recorded(recording)).await.is_err() {
            tracing::debug!("the room ended while its recording was being started");
            if let Some(recording) = recording
                && let Err(e) = self.rooms.0.config.recordings.finish(recording).await
            {
                alarm("finish", &e);
            }
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
