//! Classes, lessons, attendance.

use super::{Bench, NOW, entry, settled};
use crate::{
    error::{Conflict, StoreError},
    model::{AttendanceRow, Class, LessonChange},
    store::ATTENDANCE_MAX,
};
use lectern_auth::Redacted;
use lectern_media::{AccountId, ClassId, LessonId, ParticipantId, PlaceId, RecordingId, RoomId, UnixMillis};
use lectern_protocol::ws::{LessonState, RoomRole};

const WEEK_MS: i64 = 7 * 24 * 3_600_000;

pub(super) async fn classes(bench: &dyn Bench) {
    let (store, _, school, teacher) = settled(bench).await;
    let class = Class::new(entry(school.id, teacher.id), NOW);
    store.create_classes(vec![class.clone()]).await.unwrap();
    let fresh = || Class::new(entry(school.id, teacher.id), NOW);
    let taken = Class { code: class.code.clone(), ..fresh() };
    let refused = store.create_classes(vec![fresh(), taken]).await;
    assert!(matches!(refused, Err(StoreError::Conflict(Conflict::CodeTaken))));
    let same = fresh();
    let twins = vec![same.clone(), Class { code: same.code.clone(), ..fresh() }];
    assert!(store.create_classes(twins).await.is_err(), "also within one call");
    let nowhere = Class::new(entry(PlaceId::generate(), teacher.id), NOW);
    assert!(matches!(
        store.create_classes(vec![fresh(), nowhere]).await,
        Err(StoreError::Conflict(Conflict::UnknownPlace))
    ));
    assert_eq!(store.classes().await.unwrap(), std::slice::from_ref(&class), "all or none");

    let store = bench.reopened(store).await;
    assert_eq!(store.class(class.id).await.unwrap().as_ref(), Some(&class));
    assert_eq!(store.class_by_code(&class.code).await.unwrap().as_ref(), Some(&class));
    assert_eq!(store.class_by_room(class.room).await.unwrap().as_ref(), Some(&class));
    assert_eq!(store.class_by_code("222222222").await.unwrap(), None);
    assert_eq!(store.class_by_room(RoomId::generate()).await.unwrap(), None);

    let mut changed = entry(school.id, teacher.id);
    changed.title = "圆".into();
    assert_eq!(store.change_class(class.id, changed.clone()).await.unwrap().entry, changed);
    assert!(matches!(store.change_class(ClassId::generate(), changed.clone()).await, Err(StoreError::NotFound)));
    let mut nowhere = changed.clone();
    nowhere.place = PlaceId::generate();
    assert!(store.change_class(class.id, nowhere).await.is_err());

    assert_eq!(store.class(class.id).await.unwrap().unwrap().device_generation, 0, "another title revokes no device");
    assert_eq!(store.revoke_devices(class.id).await.unwrap().device_generation, 1);
    assert!(matches!(store.revoke_devices(ClassId::generate()).await, Err(StoreError::NotFound)));
    changed.teacher = AccountId::generate();
    assert_eq!(
        store.change_class(class.id, changed.clone()).await.unwrap().device_generation,
        2,
        "another teacher does"
    );
    let store = bench.reopened(store).await;
    assert_eq!(store.class(class.id).await.unwrap().unwrap().device_generation, 2);

    store.remove_class(class.id, Some(NOW)).await.unwrap();
    assert!(store.classes().await.unwrap().is_empty());
    assert_eq!(store.class_by_code(&class.code).await.unwrap(), None, "a removed class can't be joined");
    assert!(store.class(class.id).await.unwrap().is_some(), "but its recordings still know it");
    assert!(matches!(store.change_class(class.id, changed.clone()).await, Err(StoreError::NotFound)));
    store.remove_class(class.id, None).await.unwrap();
    assert_eq!(store.class_by_code(&class.code).await.unwrap().unwrap().entry, changed);
}

pub(super) async fn lessons(bench: &dyn Bench) {
    let (store, _, school, teacher) = settled(bench).await;
    let class = Class::new(entry(school.id, teacher.id), NOW);
    store.create_classes(vec![class.clone()]).await.unwrap();
    let next = UnixMillis(NOW.0 + WEEK_MS);
    let planned = store.planned_lessons(vec![(class.id, next), (class.id, NOW)]).await.unwrap();
    assert_eq!(store.lessons_of(class.id).await.unwrap(), [], "planning writes nothing");
    let made = store.lessons_at(vec![(class.id, next), (class.id, NOW)]).await.unwrap();
    assert_eq!(made, planned, "what was foretold is made");
    assert_eq!((made[0].starts, made[1].starts), (next, NOW), "in the order asked for");
    assert_eq!(made[0].state, LessonState::Scheduled);
    let again = store.lessons_at(vec![(class.id, NOW), (class.id, next)]).await.unwrap();
    assert_eq!((&again[0], &again[1]), (&made[1], &made[0]), "made once");
    let nobodys = store.lessons_at(vec![(class.id, NOW), (ClassId::generate(), NOW)]).await;
    assert!(matches!(nobodys, Err(StoreError::NotFound)));
    let store = bench.reopened(store).await;
    assert_eq!(store.lessons_of(class.id).await.unwrap(), [made[1].clone(), made[0].clone()], "oldest first");

    let first = made[1].id;
    let open = LessonChange { state: Some(LessonState::Live), opened: Some(NOW), ..LessonChange::default() };
    store.change_lesson(first, open).await.unwrap();
    assert_eq!(store.live_lessons().await.unwrap().iter().map(|l| l.id).collect::<Vec<_>>(), [first]);
    let recording = RecordingId::generate();
    let recorded = LessonChange { recording: Some(recording), ..LessonChange::default() };
    let recorded = store.change_lesson(first, recorded).await.unwrap();
    assert_eq!((recorded.state, recorded.opened, recorded.recording), (LessonState::Live, Some(NOW), Some(recording)));
    let store = bench.reopened(store).await;
    assert_eq!(store.live_lessons().await.unwrap(), [recorded], "a live lesson survives a restart");
    let end = LessonChange { state: Some(LessonState::Over), ended: Some(next), ..LessonChange::default() };
    let ended = store.change_lesson(first, end).await.unwrap();
    assert!(store.live_lessons().await.unwrap().is_empty());
    assert!(matches!(store.change_lesson(LessonId::generate(), end).await, Err(StoreError::NotFound)));

    // A changed timetable forgets what was only planned.
    let mut renamed = entry(school.id, teacher.id);
    renamed.title = "圆".into();
    store.change_class(class.id, renamed.clone()).await.unwrap();
    assert_eq!(store.lessons_of(class.id).await.unwrap().len(), 2, "another title moves no lesson");
    renamed.starts = UnixMillis(NOW.0 + 60_000);
    store.change_class(class.id, renamed).await.unwrap();
    assert_eq!(store.lessons_of(class.id).await.unwrap(), std::slice::from_ref(&ended));
    assert_eq!(store.lesson(made[0].id).await.unwrap(), None);
    store.remove_class(class.id, Some(NOW)).await.unwrap();
    assert_eq!(store.lesson(first).await.unwrap(), Some(ended));
}

pub(super) async fn lessons_beside_the_timetable(bench: &dyn Bench) {
    let (store, _, school, teacher) = settled(bench).await;
    let class = Class::new(entry(school.id, teacher.id), NOW);
    store.create_classes(vec![class.clone()]).await.unwrap();
    let at = |ms: i64| UnixMillis(NOW.0 + ms);
    let extra = store.extra_lesson(class.id, at(5)).await.unwrap();
    assert_eq!(store.extra_lesson(class.id, at(5)).await.unwrap(), extra, "made once");
    assert!(matches!(store.extra_lesson(ClassId::generate(), NOW).await, Err(StoreError::NotFound)));
    assert_eq!(store.extra_lessons(at(0)..at(5)).await.unwrap(), []);
    assert_eq!(store.extra_lessons(at(5)..at(6)).await.unwrap(), std::slice::from_ref(&extra));

    // Opened and ended before its start: held then, and planned anew under another id.
    let mut held = vec![];
    for ms in [-30, -20] {
        let lesson = store.lessons_at(vec![(class.id, NOW)]).await.unwrap().remove(0);
        let (opened, ended) = (Some(at(ms)), Some(at(ms + 1)));
        let over = LessonChange { state: Some(LessonState::Over), opened, ended, ..LessonChange::default() };
        let over = store.change_lesson(lesson.id, over).await.unwrap();
        assert_eq!((over.id, over.starts), (lesson.id, at(ms)));
        held.push(over);
    }
    assert_ne!(held[0].id, held[1].id);
    let store = bench.reopened(store).await;
    assert_eq!(store.extra_lessons(at(-100)..at(0)).await.unwrap(), held);
    let planned = store.planned_lessons(vec![(class.id, NOW)]).await.unwrap().remove(0);
    assert_eq!((planned.state, planned.starts), (LessonState::Scheduled, NOW));
    assert!(held.iter().all(|lesson| lesson.id != planned.id));

    // A changed timetable forgets what nobody opened here, too.
    let mut moved = class.entry.clone();
    moved.starts = at(60_000);
    store.change_class(class.id, moved).await.unwrap();
    assert_eq!(store.extra_lessons(at(-100)..at(100)).await.unwrap(), held);
}

pub(super) async fn attendance(bench: &dyn Bench) {
    let (store, _, school, teacher) = settled(bench).await;
    let class = Class::new(entry(school.id, teacher.id), NOW);
    store.create_classes(vec![class.clone()]).await.unwrap();
    let lessons = store.lessons_at(vec![(class.id, NOW), (class.id, UnixMillis(NOW.0 + WEEK_MS))]).await.unwrap();
    let row = |from: i64, to: Option<i64>, participant| AttendanceRow {
        participant,
        account: None,
        name: Redacted("小明".into()),
        role: RoomRole::Student,
        from: UnixMillis(NOW.0 + from),
        to: to.map(|to| UnixMillis(NOW.0 + to)),
    };
    let (a, b) = (ParticipantId::generate(), ParticipantId::generate());
    store.put_attendance(lessons[0].id, vec![row(9, None, b), row(5, None, a)]).await.unwrap();
    store.put_attendance(lessons[0].id, vec![row(5, Some(8), a), row(20, None, a)]).await.unwrap();
    store.put_attendance(lessons[1].id, vec![row(7, None, a)]).await.unwrap();
    assert!(matches!(store.put_attendance(LessonId::generate(), vec![]).await, Err(StoreError::NotFound)));
    let store = bench.reopened(store).await;
    let rows = store.attendance(lessons[0].id).await.unwrap();
    assert_eq!(rows, [row(5, Some(8), a), row(9, None, b), row(20, None, a)]);
    assert_eq!(store.attendance(LessonId::generate()).await.unwrap(), []);

    let many = (0..ATTENDANCE_MAX as i64).map(|i| row(100 + i, None, a)).collect();
    store.put_attendance(lessons[0].id, many).await.unwrap();
    assert_eq!(store.attendance(lessons[0].id).await.unwrap().len(), ATTENDANCE_MAX, "three did not fit");
    store.put_attendance(lessons[0].id, vec![row(9, Some(11), b), row(1, None, b)]).await.unwrap();
    let rows = store.attendance(lessons[0].id).await.unwrap();
    assert_eq!((rows.len(), &rows[1]), (ATTENDANCE_MAX, &row(9, Some(11), b)), "those who are in are completed");
    store.put_attendance(lessons[1].id, vec![row(8, None, b)]).await.unwrap();
    assert_eq!(store.attendance(lessons[1].id).await.unwrap().len(), 2, "each lesson has its own");
}
