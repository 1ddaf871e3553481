//! A class with the lesson that its room serves now, read from the catalogue.

use super::{EnterError, HubConfig};
use crate::{ports::LessonFacts, room::Policy};
use lectern_library::{Class, Lesson, StoreError};
use lectern_media::{LessonId, RoomId, UnixMillis};
use lectern_protocol::api::ClassMode;
use std::time::Duration;

/// How long before its start a lesson may be opened and is still ended by the timetable.
const EARLY: Duration = Duration::from_secs(30 * 60);

/// A class, one of its lessons, and the names that people are shown.
#[derive(Debug, Clone)]
pub struct LessonPlan {
    /// The class.
    pub class: Class,
    /// The lesson that runs or comes next.
    pub lesson: Lesson,
    /// The teacher's name.
    pub teacher_name: String,
    /// The school's name.
    pub school: String,
}

pub(super) async fn by_room(config: &HubConfig, room: RoomId, now: UnixMillis) -> Result<LessonPlan, EnterError> {
    let class =
        config.library.store().class_by_room(room).await?.filter(|c| c.removed.is_none()).ok_or(EnterError::Unknown)?;
    let mut plan = current(config, class, now).await?;
    // Somebody is about to enter: from now on the lesson has a record, for its attendance and its recording.
    match config.library.store().lessons_at(vec![(plan.class.id, plan.lesson.starts)]).await {
        Ok(mut made) => plan.lesson = made.pop().unwrap_or(plan.lesson),
        // The class is held all the same (DESIGN law 5); what can't be written about it is logged as it happens.
        Err(e) => tracing::error!(room = %room, error = %e, "the lesson could not be written down"),
    }
    Ok(plan)
}

pub(super) async fn by_code(config: &HubConfig, code: &str, now: UnixMillis) -> Result<LessonPlan, EnterError> {
    let code = lectern_library::code::parse(code).ok_or(EnterError::Unknown)?;
    let class = config.library.store().class_by_code(&code).await?.ok_or(EnterError::Unknown)?;
    current(config, class, now).await
}

/// The plan of a certain lesson, if it and its class are still there.
pub(super) async fn by_lesson(
    config: &HubConfig,
    room: RoomId,
    lesson: LessonId,
) -> Result<Option<LessonPlan>, StoreError> {
    let Some(lesson) = config.library.store().lesson(lesson).await? else { return Ok(None) };
    let Some(class) = config.library.store().class(lesson.class).await?.filter(|c| c.room == room) else {
        return Ok(None);
    };
    named(config, class, lesson).await.map(Some)
}

async fn current(config: &HubConfig, class: Class, now: UnixMillis) -> Result<LessonPlan, EnterError> {
    let lesson = config.library.current_lesson(&class, now).await?;
    Ok(named(config, class, lesson).await?)
}

async fn named(config: &HubConfig, class: Class, lesson: Lesson) -> Result<LessonPlan, StoreError> {
    let teacher = config.library.store().account(class.entry.teacher).await?;
    let school = config.library.tree().school_name(class.entry.place).unwrap_or_default().to_owned();
    Ok(LessonPlan { class, lesson, teacher_name: teacher.map(|t| t.name.0).unwrap_or_default(), school })
}

impl LessonPlan {
    /// Planned end.
    #[must_use]
    pub fn ends(&self) -> UnixMillis {
        self.lesson.starts.plus(self.length())
    }

    /// The planned end for a room that is made now. Who opens a class long before its time tries it out: the end does not
    /// wait for another day, and [`Policy::length`] still counts from the opening.
    fn ends_from(&self, now: UnixMillis) -> UnixMillis {
        if self.lesson.starts > now.plus(EARLY) { now } else { self.ends() }
    }

    fn length(&self) -> Duration {
        Duration::from_secs(60 * u64::from(self.class.entry.duration_min))
    }

    pub(super) fn policy(&self, config: &HubConfig) -> Policy {
        Policy {
            room: self.class.room,
            lesson: self.lesson.id,
            title: self.class.entry.title.clone(),
            teacher: self.teacher_name.clone(),
            record: self.class.entry.record,
            classrooms_on_stage: self.class.entry.mode == ClassMode::Dedicated,
            ends: self.ends_from(UnixMillis::now()),
            length: self.length(),
            participants_max: config.participants_max,
            stage_max: config.stage_max,
            away_end: config.away_end,
            live_max: config.live_max,
        }
    }

    /// What the recording is told.
    pub(super) fn facts(&self, opened: UnixMillis) -> LessonFacts {
        let entry = &self.class.entry;
        LessonFacts {
            class: self.class.id,
            lesson: self.lesson.id,
            room: self.class.room,
            title: entry.title.clone(),
            subject: entry.subject.clone(),
            grade: entry.grade.clone(),
            teacher: entry.teacher,
            teacher_name: self.teacher_name.clone(),
            place: entry.place,
            school: self.school.clone(),
            opened,
        }
    }
}
