//! Classes, lessons and attendance on the embedded engine.

use super::{SledStore, attendance, counts, people::place_exists, writer::Tx};
use crate::{
    error::{Conflict, Result, StoreError},
    model::{AttendanceRow, Class, ClassEntry, Lesson, LessonChange},
    store::{CLASSES_MAX, Timetable},
};
use async_trait::async_trait;
use lectern_media::{ClassId, LessonId, RoomId, UnixMillis};
use lectern_protocol::ws::LessonState;
use std::ops::Range;

fn class_key(id: ClassId) -> String {
    format!("class/{id}")
}

fn code_key(code: &str) -> String {
    format!("code/{code}")
}

fn lesson_key(id: LessonId) -> String {
    format!("lesson/{id}")
}

/// Times sort as text: 20 digits, times before 1970 don't occur.
pub(super) fn time(at: UnixMillis) -> String {
    format!("{:020}", at.0.max(0))
}

fn lesson_at_key(class: ClassId, starts: UnixMillis) -> String {
    format!("lesson-at/{class}/{}", time(starts))
}

/// Lessons beside the timetable, by time.
fn extra_key(starts: UnixMillis, id: LessonId) -> String {
    format!("lesson-extra/{}/{id}", time(starts))
}

fn live_key(id: LessonId) -> String {
    format!("live/{id}")
}

fn class(tx: &Tx<'_>, id: ClassId) -> Result<Class> {
    tx.get(&class_key(id))?.ok_or(StoreError::NotFound)
}

fn lessons_of(tx: &Tx<'_>, id: ClassId) -> Result<Vec<Lesson>> {
    let ids: Vec<LessonId> = tx.all(&format!("lesson-at/{id}/"))?;
    ids.iter().filter_map(|id| tx.get(&lesson_key(*id)).transpose()).collect()
}

/// Forgets the lessons that nobody opened: their times may no longer be in the timetable.
fn forget_unopened(tx: &mut Tx<'_>, id: ClassId) -> Result<()> {
    let unopened = lessons_of(tx, id)?.into_iter().filter(|l| l.state == LessonState::Scheduled && l.opened.is_none());
    for lesson in unopened {
        for key in [lesson_key(lesson.id), lesson_at_key(id, lesson.starts), extra_key(lesson.starts, lesson.id)] {
            if tx.has(&key)? {
                tx.remove(key);
            }
        }
    }
    Ok(())
}

/// How often one start can be planned anew. A class that was held ahead of its time more often gets ids that nothing
/// foretells.
const ATTEMPTS_MAX: u32 = 100;

/// The lesson at this start as it would be made: with the first id that no lesson took which was held ahead of its time.
fn planned(class: ClassId, starts: UnixMillis, taken: impl Fn(LessonId) -> Result<Option<Lesson>>) -> Result<Lesson> {
    for attempt in 0..ATTEMPTS_MAX {
        let lesson = Lesson::planned(class, starts, attempt);
        if taken(lesson.id)?.is_none() {
            return Ok(lesson);
        }
    }
    Ok(Lesson { id: LessonId::generate(), ..Lesson::planned(class, starts, 0) })
}

/// The lesson at this start, made if there is none.
fn made(tx: &mut Tx<'_>, class_id: ClassId, starts: UnixMillis) -> Result<Lesson> {
    class(tx, class_id)?;
    let key = lesson_at_key(class_id, starts);
    let known = match tx.get::<LessonId>(&key)? {
        Some(id) => tx.get::<Lesson>(&lesson_key(id))?,
        None => None,
    };
    if let Some(lesson) = known {
        return Ok(lesson);
    }
    let lesson = planned(class_id, starts, |id| tx.get(&lesson_key(id)))?;
    tx.put(key, &lesson.id)?;
    tx.put(lesson_key(lesson.id), &lesson)?;
    Ok(lesson)
}

/// Moves a lesson that was held ahead of its time to the moment at which it was opened.
fn held_ahead(tx: &mut Tx<'_>, lesson: &mut Lesson, opened: UnixMillis) -> Result<()> {
    tx.remove(lesson_at_key(lesson.class, lesson.starts));
    let old_extra = extra_key(lesson.starts, lesson.id);
    if tx.has(&old_extra)? {
        tx.remove(old_extra);
    }
    lesson.starts = opened;
    while tx.has(&lesson_at_key(lesson.class, lesson.starts))? {
        lesson.starts = UnixMillis(lesson.starts.0 + 1);
    }
    tx.put(lesson_at_key(lesson.class, lesson.starts), &lesson.id)?;
    tx.put(extra_key(lesson.starts, lesson.id), &lesson.id)
}

#[async_trait]
impl Timetable for SledStore {
    async fn create_classes(&self, classes: Vec<Class>) -> Result<()> {
        self.transact(move |tx| {
            counts::add(tx, "class", "classes", classes.len(), CLASSES_MAX)?;
            for class in &classes {
                place_exists(tx, class.entry.place)?;
                if tx.has(&code_key(&class.code))? {
                    return Err(Conflict::CodeTaken.into());
                }
                tx.put(code_key(&class.code), &class.id)?;
                tx.put(format!("room-class/{}", class.room), &class.id)?;
                tx.put(class_key(class.id), class)?;
            }
            Ok(())
        })
        .await
    }

    async fn class(&self, id: ClassId) -> Result<Option<Class>> {
        self.one(class_key(id)).await
    }

    async fn class_by_code(&self, code: &str) -> Result<Option<Class>> {
        let class: Option<Class> = self.via(code_key(code), "class").await?;
        Ok(class.filter(|c| c.removed.is_none()))
    }

    async fn class_by_room(&self, room: RoomId) -> Result<Option<Class>> {
        self.via(format!("room-class/{room}"), "class").await
    }

    async fn classes(&self) -> Result<Vec<Class>> {
        let mut classes: Vec<Class> = self.many("class/".into(), None, usize::MAX).await?;
        classes.retain(|c| c.removed.is_none());
        Ok(classes)
    }

    async fn change_class(&self, id: ClassId, entry: ClassEntry) -> Result<Class> {
        self.writer
            .write(move |tx| {
                let mut class = class(tx, id)?;
                if class.removed.is_some() {
                    return Err(StoreError::NotFound);
                }
                place_exists(tx, entry.place)?;
                let times = |e: &ClassEntry| (e.starts, e.repeat, e.until);
                let moved = times(&class.entry) != times(&entry);
                if class.entry.teacher != entry.teacher {
                    class.device_generation = class.device_generation.wrapping_add(1);
                }
                class.entry = entry;
                if moved {
                    forget_unopened(tx, id)?;
                }
                tx.put(class_key(id), &class)?;
                Ok(class)
            })
            .await
    }

    async fn remove_class(&self, id: ClassId, removed: Option<UnixMillis>) -> Result<Class> {
        self.writer
            .write(move |tx| {
                let mut class = class(tx, id)?;
                class.removed = removed;
                tx.put(class_key(id), &class)?;
                Ok(class)
            })
            .await
    }

    async fn revoke_devices(&self, id: ClassId) -> Result<Class> {
        self.writer
            .write(move |tx| {
                let mut class = class(tx, id)?;
                class.device_generation = class.device_generation.wrapping_add(1);
                tx.put(class_key(id), &class)?;
                Ok(class)
            })
            .await
    }

    async fn planned_lessons(&self, at: Vec<(ClassId, UnixMillis)>) -> Result<Vec<Lesson>> {
        self.read(move |index| {
            let lesson = |id| super::get::<Lesson>(index, &lesson_key(id));
            let lessons = at.iter().map(|(class, starts)| {
                let known = match super::get::<LessonId>(index, &lesson_at_key(*class, *starts))? {
                    Some(id) => lesson(id)?,
                    None => None,
                };
                known.map_or_else(|| planned(*class, *starts, lesson), Ok)
            });
            lessons.collect()
        })
        .await
    }

    async fn extra_lesson(&self, class: ClassId, starts: UnixMillis) -> Result<Lesson> {
        self.writer
            .write(move |tx| {
                let lesson = made(tx, class, starts)?;
                let key = extra_key(lesson.starts, lesson.id);
                if !tx.has(&key)? {
                    tx.put(key, &lesson.id)?;
                }
                Ok(lesson)
            })
            .await
    }

    async fn extra_lessons(&self, times: Range<UnixMillis>) -> Result<Vec<Lesson>> {
        self.read(move |index| {
            let (first, end) = ("lesson-extra/", format!("lesson-extra/{}", time(times.end)));
            let after = format!("{first}{}", time(times.start));
            let ids = index.scan(first, Some(&after)).take_while(|e| e.as_ref().map_or(true, |(key, _)| *key < end));
            let lessons = ids.map(|entry| {
                let (key, id) = entry?;
                super::get(index, &lesson_key(super::record(&key, &id)?))
            });
            Ok(lessons.collect::<Result<Vec<Option<Lesson>>>>()?.into_iter().flatten().collect())
        })
        .await
    }

    async fn lessons_at(&self, at: Vec<(ClassId, UnixMillis)>) -> Result<Vec<Lesson>> {
        // Mostly they are there already: look before asking the writer.
        let wanted = at.clone();
        let known = self
            .read(move |index| {
                let known = wanted.iter().map(|(class, starts)| {
                    let Some(id) = super::get::<LessonId>(index, &lesson_at_key(*class, *starts))? else {
                        return Ok(None);
                    };
                    super::get::<Lesson>(index, &lesson_key(id))
                });
                known.collect::<Result<Option<Vec<Lesson>>>>()
            })
            .await?;
        if let Some(known) = known {
            return Ok(known);
        }
        self.writer.write(move |tx| at.iter().map(|(class, starts)| made(tx, *class, *starts)).collect()).await
    }

    async fn lesson(&self, id: LessonId) -> Result<Option<Lesson>> {
        self.one(lesson_key(id)).await
    }

    async fn lessons_of(&self, class: ClassId) -> Result<Vec<Lesson>> {
        self.read(move |index| {
            let ids = index.scan(&format!("lesson-at/{class}/"), None);
            let lessons = ids.map(|entry| {
                let (key, id) = entry?;
                super::get(index, &lesson_key(super::record(&key, &id)?))
            });
            Ok(lessons.collect::<Result<Vec<Option<Lesson>>>>()?.into_iter().flatten().collect())
        })
        .await
    }

    async fn live_lessons(&self) -> Result<Vec<Lesson>> {
        self.read(move |index| {
            let ids = index.scan("live/", None);
            let lessons = ids.map(|entry| {
                let (key, id) = entry?;
                super::get(index, &lesson_key(super::record(&key, &id)?))
            });
            Ok(lessons.collect::<Result<Vec<Option<Lesson>>>>()?.into_iter().flatten().collect())
        })
        .await
    }

    async fn change_lesson(&self, id: LessonId, change: LessonChange) -> Result<Lesson> {
        self.writer
            .write(move |tx| {
                let mut lesson: Lesson = tx.get(&lesson_key(id))?.ok_or(StoreError::NotFound)?;
                lesson.state = change.state.unwrap_or(lesson.state);
                lesson.opened = change.opened.or(lesson.opened);
                lesson.ended = change.ended.or(lesson.ended);
                lesson.recording = change.recording.or(lesson.recording);
                if let (LessonState::Over, Some(opened), Some(ended)) = (lesson.state, lesson.opened, lesson.ended)
                    && ended < lesson.starts
                {
                    held_ahead(tx, &mut lesson, opened)?;
                }
                if lesson.state == LessonState::Live {
                    tx.put(live_key(id), &id)?;
                } else if tx.has(&live_key(id))? {
                    tx.remove(live_key(id));
                }
                tx.put(lesson_key(id), &lesson)?;
                Ok(lesson)
            })
            .await
    }

    async fn put_attendance(&self, lesson: LessonId, rows: Vec<AttendanceRow>) -> Result<()> {
        let refused = self
            .writer
            .write(move |tx| {
                if !tx.has(&lesson_key(lesson))? {
                    return Err(StoreError::NotFound);
                }
                attendance::put(tx, lesson, &rows)
            })
            .await?;
        if refused > 0 {
            metrics::counter!("lectern_library_presences_refused_total", "reason" => "too_many").increment(refused);
            tracing::warn!(%lesson, refused, "presences were not written down: the lesson has as many as it may");
        }
        Ok(())
    }

    async fn attendance(&self, lesson: LessonId) -> Result<Vec<AttendanceRow>> {
        self.many(format!("attendance/{lesson}/"), None, usize::MAX).await
    }
}
