//! Classes, lessons, attendance.

use crate::{
    error::Result,
    model::{AttendanceRow, Class, ClassEntry, Lesson, LessonChange},
};
use async_trait::async_trait;
use lectern_media::{ClassId, LessonId, RoomId, UnixMillis};
use std::ops::Range;

/// Presences of one lesson: a thousand people who each come back nineteen times.
pub const ATTENDANCE_MAX: usize = 20_000;

/// Classes, those that were taken out of the timetable among them: their lessons and recordings stay.
pub const CLASSES_MAX: usize = 100_000;

/// The timetable and what became of it.
#[async_trait]
pub trait Timetable {
    /// Makes classes, all or none.
    ///
    /// # Errors
    /// [`crate::Conflict::CodeTaken`]; [`crate::Conflict::UnknownPlace`] if a place does not exist;
    /// [`crate::StoreError::Full`] beyond [`CLASSES_MAX`].
    async fn create_classes(&self, classes: Vec<Class>) -> Result<()>;

    /// A class, removed or not.
    async fn class(&self, id: ClassId) -> Result<Option<Class>>;

    /// A class by its join code, unless it was removed.
    async fn class_by_code(&self, code: &str) -> Result<Option<Class>>;

    /// A class by its room, removed or not.
    async fn class_by_room(&self, room: RoomId) -> Result<Option<Class>>;

    /// Every class that was not removed.
    async fn classes(&self) -> Result<Vec<Class>>;

    /// Changes what was typed in. Another teacher revokes the devices of the one before. If the times change, lessons that were not opened yet are forgotten and made anew when
    /// looked at.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`], also if it was removed; [`crate::Conflict::UnknownPlace`].
    async fn change_class(&self, id: ClassId, entry: ClassEntry) -> Result<Class>;

    /// Takes a class out of the timetable (or, with `None`, puts it back). Lessons that were opened stay.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`].
    async fn remove_class(&self, id: ClassId, removed: Option<UnixMillis>) -> Result<Class>;

    /// Begins the next generation of device tokens: all that were made before are worth nothing any more.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`].
    async fn revoke_devices(&self, id: ClassId) -> Result<Class>;

    /// The lessons at these starts, in the same order, as they are, or as [`Timetable::lessons_at`] would make them. Writes
    /// nothing.
    async fn planned_lessons(&self, at: Vec<(ClassId, UnixMillis)>) -> Result<Vec<Lesson>>;

    /// A lesson beside the timetable; made if there is none at this moment yet.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] if the class does not exist.
    async fn extra_lesson(&self, class: ClassId, starts: UnixMillis) -> Result<Lesson>;

    /// The lessons beside the timetable that start in this time, earliest first.
    async fn extra_lessons(&self, times: Range<UnixMillis>) -> Result<Vec<Lesson>>;

    /// The lessons at these starts, in the same order; made if there is none yet.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] if a class does not exist.
    async fn lessons_at(&self, at: Vec<(ClassId, UnixMillis)>) -> Result<Vec<Lesson>>;

    /// A lesson.
    async fn lesson(&self, id: LessonId) -> Result<Option<Lesson>>;

    /// Known lessons of a class, oldest first.
    async fn lessons_of(&self, class: ClassId) -> Result<Vec<Lesson>>;

    /// Lessons that are live.
    async fn live_lessons(&self) -> Result<Vec<Lesson>>;

    /// Changes a lesson. One that ended before its planned start was held ahead of its time: its start becomes the moment at
    /// which it was opened, beside the timetable, and the lesson that was planned is still to come.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`].
    async fn change_lesson(&self, id: LessonId, change: LessonChange) -> Result<Lesson>;

    /// Writes presences; the same participant and `from` replaces. New ones beyond [`ATTENDANCE_MAX`] are left out, and
    /// counted.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] if there is no such lesson.
    async fn put_attendance(&self, lesson: LessonId, rows: Vec<AttendanceRow>) -> Result<()>;

    /// The presences of a lesson in the order of coming.
    async fn attendance(&self, lesson: LessonId) -> Result<Vec<AttendanceRow>>;
}
