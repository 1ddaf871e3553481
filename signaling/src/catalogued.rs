//! Recordings that the catalogue knows of: [`Catalogued`] stands before the recorder and registers each recording when
//! it begins, keeps its length and its searchable lines up to date while it grows, and completes it at its end.
//!
//! Media outlives control (DESIGN law 5): when the catalogue can't be written, the recording goes on and an alarm is
//! logged; the next refresh, or `lectern library rebuild`, puts it right. Does not belong here: files and packets.

use crate::ports::{LessonFacts, PortError, RecordingFacts, RecordingFiles, Recordings};
use async_trait::async_trait;
use lectern_library::{Library, Recording, StoreError, TextLine};
use lectern_media::{RecordingId, RoomId, UnixMillis};
use lectern_protocol::api::{ClassEvent, RecordingStatus, TimelineEvent};
use parking_lot::Mutex;
use std::{collections::HashMap, future::Future, sync::Arc, time::Duration};

/// How often the catalogue learns how far a running recording is.
const REFRESH_EVERY: Duration = Duration::from_secs(4);

/// The recorder, with the catalogue kept in step.
pub struct Catalogued {
    recorder: Arc<dyn Recordings>,
    files: Arc<dyn RecordingFiles>,
    library: Arc<Library>,
    /// Recordings that grow, with what the catalogue was told. As many as there are lessons with a recording.
    growing: Mutex<HashMap<RecordingId, Known>>,
    /// One refresh at a time: what is told last is what was true last.
    refreshing: tokio::sync::Mutex<()>,
}

#[derive(Debug, Clone)]
struct Known {
    recording: Recording,
    lines: usize,
}

/// A recording that has just begun, as the catalogue keeps it.
#[must_use]
pub fn begun(id: RecordingId, facts: &LessonFacts) -> Recording {
    Recording {
        id,
        lesson: facts.lesson,
        class: facts.class,
        place: facts.place,
        teacher: facts.teacher,
        title: facts.title.clone(),
        subject: facts.subject.clone(),
        grade: facts.grade.clone(),
        teacher_name: facts.teacher_name.clone(),
        school: facts.school.clone(),
        started: facts.opened,
        duration_ms: 0,
        status: RecordingStatus::Live,
        size_bytes: 0,
        deleted: None,
    }
}

/// What was written in class: chat, questions and written answers, to be searched.
#[must_use]
pub fn lines_of(events: &[TimelineEvent]) -> Vec<TextLine> {
    let line = |event: &TimelineEvent| {
        let text = match &event.event {
            ClassEvent::Chat { text, .. } | ClassEvent::Asked { text, .. } => text,
            ClassEvent::Answered { text: Some(text), .. } => text,
            _ => return None,
        };
        Some(TextLine { at_ms: event.at_ms, text: text.clone() })
    };
    events.iter().filter_map(line).collect()
}

impl Catalogued {
    /// Stands before `recorder`, whose recordings `files` reads back.
    #[must_use]
    pub fn new(recorder: Arc<dyn Recordings>, files: Arc<dyn RecordingFiles>, library: Arc<Library>) -> Self {
        Self { recorder, files, library, growing: Mutex::default(), refreshing: tokio::sync::Mutex::default() }
    }

    /// Tells the catalogue of growing recordings every few seconds until `stop` is ready.
    pub async fn keep_up(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut tick = tokio::time::interval(REFRESH_EVERY);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = &mut stop => return,
                _ = tick.tick() => {}
            }
            let growing: Vec<RecordingId> = self.growing.lock().keys().copied().collect();
            for id in growing {
                self.refresh(id, false).await;
            }
        }
    }

    /// Tells the catalogue how a recording stands now. `last`: it does not grow any more.
    async fn refresh(&self, id: RecordingId, last: bool) {
        let _alone = self.refreshing.lock().await;
        if let Err(error) = self.try_refresh(id, last).await {
            metrics::counter!("lectern_library_refresh_failures_total").increment(1);
            tracing::error!(recording = %id, %error, "the catalogue does not know how a recording stands");
        }
        if last {
            self.growing.lock().remove(&id);
        }
    }

    async fn try_refresh(&self, id: RecordingId, last: bool) -> Result<(), RefreshError> {
        // Ended while this waited for its turn: the last word is said.
        let Some(known) = self.growing.lock().get(&id).cloned() else { return Ok(()) };
        let Some(facts) = self.files.facts(id).await? else { return Err(RefreshError::NoFiles) };
        let recording = updated(known.recording.clone(), &facts, last);
        if recording != known.recording || last {
            self.library.put_recording(recording.clone()).await?;
        }
        let lines = lines_of(&facts.events);
        let count = lines.len();
        if count != known.lines {
            self.library.put_lines(id, lines).await?;
        }
        if let Some(known) = self.growing.lock().get_mut(&id) {
            *known = Known { recording, lines: count };
        }
        Ok(())
    }
}

fn updated(mut recording: Recording, facts: &RecordingFacts, last: bool) -> Recording {
    recording.started = facts.started;
    recording.duration_ms = facts.duration.as_millis() as u64;
    recording.size_bytes = facts.size_bytes;
    recording.status = match facts.status {
        // It ended, whatever its files still say.
        RecordingStatus::Live if last => RecordingStatus::Done,
        status => status,
    };
    recording
}

#[derive(Debug, thiserror::Error)]
enum RefreshError {
    #[error("the catalogue could not be read or written: {0}")]
    Store(#[from] StoreError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error("it has no files")]
    NoFiles,
}

#[async_trait]
impl Recordings for Catalogued {
    async fn start(&self, facts: &LessonFacts) -> Result<RecordingId, PortError> {
        let id = self.recorder.start(facts).await?;
        let recording = begun(id, facts);
        self.growing.lock().insert(id, Known { recording: recording.clone(), lines: 0 });
        if let Err(error) = self.library.put_recording(recording).await {
            tracing::error!(recording = %id, %error, "a recording runs that the catalogue does not know yet");
            metrics::counter!("lectern_library_refresh_failures_total").increment(1);
        }
        Ok(id)
    }

    async fn resume(&self, room: RoomId, recording: RecordingId) -> Result<(), PortError> {
        self.recorder.resume(room, recording).await?;
        match self.library.store().recording(recording).await {
            Ok(Some(known)) => {
                self.growing.lock().insert(recording, Known { recording: known, lines: 0 });
                self.refresh(recording, false).await;
            }
            Ok(None) => tracing::error!(%recording, "the catalogue does not have a recording: rebuild it"),
            Err(error) => tracing::error!(%recording, %error, "the catalogue could not be asked for a recording"),
        }
        Ok(())
    }

    fn event(&self, recording: RecordingId, at: UnixMillis, event: &ClassEvent) {
        self.recorder.event(recording, at, event);
    }

    async fn suspend(&self, recording: RecordingId) -> Result<(), PortError> {
        let suspended = self.recorder.suspend(recording).await;
        self.refresh(recording, false).await;
        self.growing.lock().remove(&recording);
        suspended
    }

    async fn finish(&self, recording: RecordingId) -> Result<(), PortError> {
        let finished = self.recorder.finish(recording).await;
        // Also after a failure: what is on disk can be watched.
        self.refresh(recording, true).await;
        finished
    }
}
