//! The timetable with rights: lessons of a day, the lesson a link means, opening and ending, CSV import.

use super::Library;
use crate::{
    error::{Conflict, Result, StoreError},
    import::{self, Fault, FaultCode},
    model::{Class, ClassEntry, Lesson},
    timetable,
};
use jiff::civil::Date;
use lectern_auth::{Action, Object, PlaceTree, Rights};
use lectern_media::{ClassId, LessonId, PlaceId, UnixMillis};
use lectern_protocol::ws::LessonState;
use std::sync::Arc;

/// What an import did.
#[derive(Debug, Clone, PartialEq)]
pub enum Imported {
    /// Every row became a class.
    Done(Vec<Class>),
    /// Nothing was made.
    Faults(Vec<Fault>),
}

/// What a class or a lesson of it is to rights.
impl From<&Class> for Object {
    fn from(class: &Class) -> Self {
        Self::from(&class.entry)
    }
}

impl From<&ClassEntry> for Object {
    fn from(entry: &ClassEntry) -> Self {
        Self { place: entry.place, owner: Some(entry.teacher) }
    }
}

impl Library {
    /// Puts classes into the timetable, all or none; a join code that happens to be in use is replaced.
    ///
    /// # Errors
    /// As [`crate::store::Timetable::create_classes`].
    pub async fn create_classes(&self, mut classes: Vec<Class>) -> Result<Vec<Class>> {
        loop {
            match self.store.create_classes(classes.clone()).await {
                Err(StoreError::Conflict(Conflict::CodeTaken)) => {
                    // One in 2.6 · 10¹³ per class in the timetable.
                    classes.iter_mut().for_each(|class| class.code = crate::code::generate());
                }
                other => {
                    other?;
                    self.reload_classes().await?;
                    return Ok(classes);
                }
            }
        }
    }

    /// The classes that are in the timetable.
    #[must_use]
    pub fn classes(&self) -> Arc<Vec<Class>> {
        Arc::clone(&self.classes.read())
    }

    /// Changes what was typed in for a class.
    ///
    /// # Errors
    /// As [`crate::store::Timetable::change_class`].
    pub async fn change_class(&self, id: ClassId, entry: ClassEntry) -> Result<Class> {
        let changed = self.store.change_class(id, entry).await?;
        self.reload_classes().await?;
        Ok(changed)
    }

    /// Takes a class out of the timetable, or (`None`) puts it back.
    ///
    /// # Errors
    /// As [`crate::store::Timetable::remove_class`].
    pub async fn remove_class(&self, id: ClassId, removed: Option<UnixMillis>) -> Result<Class> {
        let changed = self.store.remove_class(id, removed).await?;
        self.reload_classes().await?;
        Ok(changed)
    }

    /// Makes every device token of the class worth nothing.
    ///
    /// # Errors
    /// As [`crate::store::Timetable::revoke_devices`].
    pub async fn revoke_devices(&self, id: ClassId) -> Result<Class> {
        let changed = self.store.revoke_devices(id).await?;
        self.reload_classes().await?;
        Ok(changed)
    }

    /// The classes that these rights show, by title.
    #[must_use]
    pub fn visible_classes(&self, rights: &Rights) -> Vec<Class> {
        let tree = self.tree();
        let classes = self.classes();
        let seen = classes.iter().filter(|class| rights.may(Action::ViewClass, *class, &tree));
        let mut classes: Vec<Class> = seen.cloned().collect();
        classes.sort_by(|a, b| (&a.entry.title, a.id).cmp(&(&b.entry.title, b.id)));
        classes
    }

    /// The lessons of a day that these rights show, by start: those of the timetable, and those that were held or taken up
    /// beside it. Writes nothing.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn lessons_of_day(&self, day: Date, rights: &Rights) -> Result<Vec<(Class, Lesson)>> {
        let classes = self.visible_classes(rights);
        let due: Vec<(&Class, UnixMillis)> = classes
            .iter()
            .filter_map(|class| timetable::start_on(&class.entry, day, self.zone()).map(|starts| (class, starts)))
            .collect();
        let at = due.iter().map(|(class, starts)| (class.id, *starts)).collect();
        let planned = self.store.planned_lessons(at).await?;
        let mut lessons: Vec<(Class, Lesson)> = due.iter().map(|(class, _)| (*class).clone()).zip(planned).collect();
        if let Some(times) = timetable::span_of(day, self.zone()) {
            for extra in self.store.extra_lessons(times).await? {
                let class = classes.iter().find(|class| class.id == extra.class);
                // One that was planned for this day, held ahead of its time and planned anew stands there already.
                let new = lessons.iter().all(|(_, lesson)| lesson.id != extra.id);
                lessons.extend(class.filter(|_| new).map(|class| (class.clone(), extra)));
            }
        }
        lessons.sort_by_key(|(class, lesson)| (lesson.starts, class.id));
        Ok(lessons)
    }

    /// A lesson: as the store knows it, or as the timetable foretells it.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn lesson(&self, id: LessonId) -> Result<Option<Lesson>> {
        if let Some(known) = self.store.lesson(id).await? {
            return Ok(Some(known));
        }
        // See `Lesson::planned`.
        let Ok(starts) = i64::try_from(id.0.timestamp_ms()).map(UnixMillis) else { return Ok(None) };
        let day = timetable::day_of(starts, self.zone());
        let classes = self.classes();
        let candidates = classes.iter().filter(|class| id.0.random().wrapping_sub(class.id.0.random()) < 100);
        let mut due = candidates.filter(|c| timetable::start_on(&c.entry, day, self.zone()) == Some(starts));
        let Some(class) = due.next() else { return Ok(None) };
        let planned = self.store.planned_lessons(vec![(class.id, starts)]).await?;
        Ok(planned.into_iter().find(|lesson| lesson.id == id))
    }

    /// The lesson that a join link means now: the one that is live, else the one that runs or comes next by the
    /// timetable, else, if its teacher took it up again after it had ended, what it goes on in. Writes nothing.
    ///
    /// # Errors
    /// If the store can't be read.
    pub async fn current_lesson(&self, class: &Class, now: UnixMillis) -> Result<Lesson> {
        let live = self.store.live_lessons().await?.into_iter().find(|lesson| lesson.class == class.id);
        if let Some(live) = live {
            return Ok(live);
        }
        let starts = timetable::occurrence_near(&class.entry, now, self.zone());
        let planned = self.store.planned_lessons(vec![(class.id, starts)]).await?.pop();
        let mut lesson = planned.ok_or(StoreError::NotFound)?;
        if lesson.state == LessonState::Over {
            for next in self.store.lessons_of(class.id).await? {
                if lesson.state == LessonState::Over && lesson.ended == Some(next.starts) {
                    lesson = next;
                }
            }
        }
        Ok(lesson)
    }

    /// What a lesson that is over goes on in if its teacher comes back while its time has not passed: another lesson of the
    /// class that begins where it ended, with a recording of its own. `None` if its time has passed.
    #[must_use]
    pub fn again(&self, class: &Class, lesson: &Lesson, now: UnixMillis) -> Option<Lesson> {
        let last_call = lesson.planned_end(&class.entry).plus(timetable::GRACE);
        let ended = lesson.ended.filter(|_| lesson.state == LessonState::Over && now < last_call)?;
        Some(Lesson::planned(class.id, ended, 0))
    }

    /// Takes a lesson up again that is over: makes what [`Library::again`] foretells. `None` if its time has passed.
    ///
    /// # Errors
    /// As [`crate::store::Timetable::extra_lesson`].
    pub async fn take_up_again(&self, class: &Class, lesson: &Lesson, now: UnixMillis) -> Result<Option<Lesson>> {
        match self.again(class, lesson, now) {
            Some(again) => self.store.extra_lesson(class.id, again.starts).await.map(Some),
            None => Ok(None),
        }
    }

    /// Reads a CSV file and, if nothing in it is wrong, puts every row into the timetable.
    ///
    /// # Errors
    /// If the store can't be read or written; what is wrong with the file is in [`Imported::Faults`].
    pub async fn import_classes(&self, bytes: &[u8], rights: &Rights, now: UnixMillis) -> Result<Imported> {
        let sheet = match import::parse(bytes, self.zone()) {
            Ok(sheet) => sheet,
            Err(faults) => return Ok(Imported::Faults(faults)),
        };
        let tree = self.tree();
        let (mut classes, mut faults) = (Vec::new(), Vec::new());
        let mut teachers = std::collections::HashMap::new();
        for row in sheet.rows {
            let login = row.teacher.to_lowercase();
            let teacher = match teachers.get(&login) {
                Some(known) => *known,
                None => {
                    let account = self.store.account_by_login(&login).await?.filter(|account| {
                        !account.disabled
                            && (rights.account() == Some(account.id) || rights.sees_account(&account.roles, &tree))
                    });
                    let found = account.map(|account| account.id);
                    teachers.insert(login, found);
                    found
                }
            };
            let mut wrong = |column: &str, code, detail: &str| {
                faults.push(Fault { line: row.line, column: column.to_owned(), code, detail: detail.to_owned() });
            };
            let place = match find_place(&tree, rights, &row.place) {
                Ok(place) => Some(place),
                Err(FaultCode::AmbiguousPlace) => {
                    wrong(
                        &sheet.place_column,
                        FaultCode::AmbiguousPlace,
                        "several places have this name: write the path",
                    );
                    None
                }
                Err(code) => {
                    wrong(&sheet.place_column, code, "no place that you may see has this name");
                    None
                }
            };
            if teacher.is_none() {
                wrong(&sheet.teacher_column, FaultCode::UnknownTeacher, "no account has this log-in name");
            }
            let (Some(place), Some(teacher)) = (place, teacher) else { continue };
            let entry = ClassEntry {
                title: row.title,
                subject: row.subject,
                grade: row.grade,
                teacher,
                place,
                mode: row.mode,
                starts: row.starts,
                duration_min: row.duration_min,
                repeat: row.repeat,
                until: row.until,
                waiting_room: row.waiting_room,
                record: row.record,
            };
            if rights.may(Action::CreateClass, &entry, &tree) {
                classes.push(Class::new(entry, now));
            } else {
                wrong(&sheet.place_column, FaultCode::NotAllowed, "you may not enter a class of this teacher here");
            }
        }
        if !faults.is_empty() {
            faults.truncate(import::FAULTS_MAX);
            return Ok(Imported::Faults(faults));
        }
        Ok(Imported::Done(self.create_classes(classes).await?))
    }
}

/// A place by its name, or by the end of its path (`成都/第一小学`), among those that may be seen.
fn find_place(tree: &PlaceTree, rights: &Rights, written: &str) -> std::result::Result<PlaceId, FaultCode> {
    let wanted: Vec<&str> = written.split(['/', '／']).map(str::trim).rev().collect();
    let fits = |id: PlaceId| {
        let mut upward = tree.upward(id).map(|node| node.name.as_str());
        wanted.iter().enumerate().all(|(i, name)| {
            // The last part is the place itself; the others may leave levels out.
            if i == 0 { upward.next() == Some(*name) } else { upward.any(|above| above == *name) }
        })
    };
    let mut found =
        tree.iter().filter(|node| fits(node.id) && rights.may(Action::ViewPlace, node.id, tree)).map(|node| node.id);
    match (found.next(), found.next()) {
        (Some(one), None) => Ok(one),
        (None, _) => Err(FaultCode::UnknownPlace),
        (Some(_), Some(_)) => Err(FaultCode::AmbiguousPlace),
    }
}
