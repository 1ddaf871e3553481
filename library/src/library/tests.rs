use super::*;
use crate::model::{Class, ClassEntry, Lesson, LessonChange, Recording, RecordingSummary, TextLine};
use lectern_auth::{Action, Rights};
use lectern_media::{LessonId, RecordingId};
use lectern_protocol::{
    api::{ClassMode, RecordingStatus, Repeat},
    ws::LessonState,
};

const DAY_MS: i64 = 86_400_000;
const NOW: UnixMillis = UnixMillis(1_788_220_800_000); // 2026-09-01 00:00 UTC, 08:00 in Shanghai

struct World {
    _dir: tempfile::TempDir,
    library: Library,
    root: PlaceId,
    schools: [PlaceId; 2],
    teacher: Account,
}

async fn account(library: &Library, login: &str, roles: Vec<RoleAt>) -> Account {
    let account = Account {
        id: AccountId::generate(),
        login: login.into(),
        name: Redacted(login.to_uppercase()),
        roles,
        disabled: false,
        password: None,
        created: NOW,
    };
    library.store().create_account(account.clone()).await.unwrap();
    account
}

async fn world() -> World {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::open(dir.path(), LibraryOptions::default()).await.unwrap();
    library.first_run(NOW).await.unwrap().expect("a new catalogue gets its first administrator");
    let root = library.tree().root().unwrap();
    let mut schools = [root; 2];
    for (school, name) in schools.iter_mut().zip(["第一小学", "第二小学"]) {
        *school = PlaceId::generate();
        let place = PlaceNode { id: *school, parent: Some(root), level: Level::School, name: name.into() };
        library.put_place(place).await.unwrap();
    }
    let teacher = account(&library, "wang.fang", vec![RoleAt { role: Role::Teacher, place: schools[0] }]).await;
    World { _dir: dir, library, root, schools, teacher }
}

fn entry(w: &World, title: &str, starts: UnixMillis) -> ClassEntry {
    ClassEntry {
        title: title.into(),
        subject: "数学".into(),
        grade: "六年级".into(),
        teacher: w.teacher.id,
        place: w.schools[0],
        mode: ClassMode::Dedicated,
        starts,
        duration_min: 40,
        repeat: Repeat::Weekly,
        until: None,
        waiting_room: false,
        record: true,
    }
}

fn recording(w: &World, title: &str, place: PlaceId, started: i64) -> Recording {
    Recording {
        id: RecordingId::generate(),
        lesson: LessonId::generate(),
        class: lectern_media::ClassId::generate(),
        place,
        teacher: w.teacher.id,
        title: title.into(),
        subject: "数学".into(),
        grade: "六年级".into(),
        teacher_name: "王芳".into(),
        school: "第一小学".into(),
        started: UnixMillis(started),
        duration_ms: 0,
        status: RecordingStatus::Live,
        size_bytes: 0,
        deleted: None,
    }
}

fn staff_at(place: PlaceId) -> Rights {
    Rights::new(AccountId::generate(), vec![RoleAt { role: Role::Staff, place }])
}

#[tokio::test]
async fn the_first_administrator_is_made_once_and_can_sign_in() {
    let dir = tempfile::tempdir().unwrap();
    let library = Library::open(dir.path(), LibraryOptions::default()).await.unwrap();
    let first = library.first_run(NOW).await.unwrap().unwrap();
    assert!(library.first_run(NOW).await.unwrap().is_none());
    assert_eq!(first.login, "admin");
    let admin = library.store().account_by_login("ADMIN").await.unwrap().unwrap();
    assert!(verify_password(first.password.clone(), admin.password.clone()).await.unwrap());
    assert!(library.rights(&admin).may(Action::ManageServer, library.tree().root().unwrap(), &library.tree()));
    assert!(!format!("{first:?}").contains(first.password.expose()));
}

#[tokio::test]
async fn sessions_are_found_until_they_end() {
    let w = world().await;
    let (token, session) = Session::open(w.teacher.id, NOW);
    w.library.store().open_session(session.clone()).await.unwrap();
    let who = w.library.authenticate(&token, NOW).await.unwrap().unwrap();
    assert_eq!(who.account.id, w.teacher.id);
    assert!(w.library.authenticate(&TokenText::generate(), NOW).await.unwrap().is_none());
    let late = session.expires();
    assert!(w.library.authenticate(&token, late).await.unwrap().is_none());
    assert!(w.library.store().session(session.hash).await.unwrap().is_none(), "an expired session is removed");
}

#[tokio::test]
async fn a_disabled_account_has_no_session_and_no_rights() {
    let w = world().await;
    let (token, session) = Session::open(w.teacher.id, NOW);
    w.library.store().open_session(session).await.unwrap();
    let change = crate::AccountChange { disabled: Some(true), ..Default::default() };
    let disabled = w.library.store().change_account(w.teacher.id, change).await.unwrap();
    assert!(w.library.authenticate(&token, NOW).await.unwrap().is_none());
    assert_eq!(w.library.rights(&disabled), Rights::none());
}

#[tokio::test]
async fn todays_lessons_keep_their_ids_and_follow_the_teacher() {
    let w = world().await;
    let classes = vec![
        Class::new(entry(&w, "分数乘法", NOW), NOW),
        Class::new(entry(&w, "圆", UnixMillis(NOW.0 - 3_600_000)), NOW),
    ];
    let classes = w.library.create_classes(classes).await.unwrap();
    let day = crate::timetable::day_of(NOW, w.library.zone());
    let rights = w.library.rights(&w.teacher);
    let lessons = w.library.lessons_of_day(day, &rights).await.unwrap();
    assert_eq!(lessons.iter().map(|(c, _)| c.entry.title.as_str()).collect::<Vec<_>>(), ["圆", "分数乘法"]);
    assert_eq!(w.library.lessons_of_day(day, &rights).await.unwrap(), lessons);
    let next_week = day.checked_add(jiff::Span::new().days(7)).unwrap();
    assert_eq!(w.library.lessons_of_day(next_week, &rights).await.unwrap().len(), 2);
    assert!(w.library.lessons_of_day(day.tomorrow().unwrap(), &rights).await.unwrap().is_empty());
    let elsewhere = staff_at(w.schools[1]);
    assert!(w.library.lessons_of_day(day, &elsewhere).await.unwrap().is_empty(), "other schools see nothing of it");

    let lesson = w.library.current_lesson(&classes[0], NOW).await.unwrap();
    assert_eq!(lesson, lessons[1].1);
    assert_eq!(w.library.lesson(lesson.id).await.unwrap().as_ref(), Some(&lesson), "a planned lesson can be named");
    let tables = w.library.store();
    assert!(tables.lessons_of(classes[0].id).await.unwrap().is_empty(), "and nothing was written by looking");
    let opened = LessonChange { state: Some(LessonState::Live), opened: Some(NOW), ..LessonChange::default() };
    tables.lessons_at(vec![(classes[0].id, lesson.starts)]).await.unwrap();
    assert_eq!(tables.change_lesson(lesson.id, opened).await.unwrap().opened, Some(NOW));
    let later = UnixMillis(NOW.0 + 3 * 86_400_000);
    assert_eq!(w.library.current_lesson(&classes[0], later).await.unwrap().id, lesson.id, "while live it is the one");
    let ended = LessonChange { state: Some(LessonState::Over), ended: Some(later), ..LessonChange::default() };
    tables.change_lesson(lesson.id, ended).await.unwrap();
    let next = w.library.current_lesson(&classes[0], later).await.unwrap();
    assert_eq!(next.starts.0, NOW.0 + 7 * 86_400_000);
}

/// Opens the class's lesson and ends it again.
async fn hold(w: &World, class: &Class, opened: UnixMillis, ended: UnixMillis) -> Lesson {
    let store = w.library.store();
    let lesson = w.library.current_lesson(class, opened).await.unwrap();
    store.lessons_at(vec![(class.id, lesson.starts)]).await.unwrap();
    let open = LessonChange { state: Some(LessonState::Live), opened: Some(opened), ..LessonChange::default() };
    store.change_lesson(lesson.id, open).await.unwrap();
    let end = LessonChange { state: Some(LessonState::Over), ended: Some(ended), ..LessonChange::default() };
    store.change_lesson(lesson.id, end).await.unwrap()
}

#[tokio::test]
async fn a_class_that_was_tried_the_day_before_takes_place() {
    let w = world().await;
    let once = ClassEntry { repeat: Repeat::Once, ..entry(&w, "圆", UnixMillis(NOW.0 + DAY_MS)) };
    let class = w.library.create_classes(vec![Class::new(once, NOW)]).await.unwrap().remove(0);
    let mut ids = vec![];
    for minute in 0..3 {
        let (opened, ended) = (UnixMillis(NOW.0 + minute * 60_000), UnixMillis(NOW.0 + minute * 60_000 + 30_000));
        let tried = hold(&w, &class, opened, ended).await;
        assert_eq!((tried.starts, tried.opened), (opened, Some(opened)), "it was held when it was opened");
        ids.push(tried.id);
    }
    let rights = w.library.rights(&w.teacher);
    let on = async |at: UnixMillis| {
        let day = crate::timetable::day_of(at, w.library.zone());
        let lessons = w.library.lessons_of_day(day, &rights).await.unwrap();
        lessons.into_iter().map(|(_, lesson)| (lesson.id, lesson.state)).collect::<Vec<_>>()
    };
    assert_eq!(on(NOW).await, ids.iter().map(|id| (*id, LessonState::Over)).collect::<Vec<_>>());
    let next = w.library.current_lesson(&class, UnixMillis(NOW.0 + DAY_MS)).await.unwrap();
    assert_eq!((next.state, next.starts), (LessonState::Scheduled, class.entry.starts));
    assert!(!ids.contains(&next.id));
    assert_eq!(on(class.entry.starts).await, [(next.id, LessonState::Scheduled)]);
    assert_eq!(w.library.lesson(next.id).await.unwrap(), Some(next));
}

#[tokio::test]
async fn a_lesson_that_was_ended_by_mistake_is_taken_up_again() {
    let w = world().await;
    let class = w.library.create_classes(vec![Class::new(entry(&w, "圆", NOW), NOW)]).await.unwrap().remove(0);
    let at = |minute: i64| UnixMillis(NOW.0 + minute * 60_000);
    let first = hold(&w, &class, at(0), at(10)).await;
    assert_eq!(w.library.current_lesson(&class, at(11)).await.unwrap(), first, "it is over until its teacher is back");
    let second = w.library.take_up_again(&class, &first, at(12)).await.unwrap().unwrap();
    assert_eq!((second.state, second.starts), (LessonState::Scheduled, at(10)));
    assert_eq!(w.library.current_lesson(&class, at(13)).await.unwrap(), second, "and then everybody follows");
    assert_eq!(w.library.take_up_again(&class, &first, at(14)).await.unwrap().as_ref(), Some(&second), "once");
    let second = hold(&w, &class, at(15), at(20)).await;
    let third = w.library.take_up_again(&class, &second, at(21)).await.unwrap().unwrap();
    assert_eq!(w.library.current_lesson(&class, at(22)).await.unwrap(), third, "as often as it takes");
    let day = crate::timetable::day_of(NOW, w.library.zone());
    let lessons = w.library.lessons_of_day(day, &w.library.rights(&w.teacher)).await.unwrap();
    let ids: Vec<_> = lessons.into_iter().map(|(_, lesson)| lesson.id).collect();
    assert_eq!(ids, [first.id, second.id, third.id], "each is in the list of the day");
    assert_eq!(w.library.take_up_again(&class, &first, at(40 + 30)).await.unwrap(), None, "its time has passed");
}

#[tokio::test]
async fn an_import_makes_all_or_nothing() {
    let w = world().await;
    let admin = w.library.store().account_by_login("admin").await.unwrap().unwrap();
    let rights = w.library.rights(&admin);
    let good = "课程,教师,学校,日期,时间\n数学,wang.fang,第一小学,2026-09-01,08:30\n语文,WANG.FANG,全国/第一小学,2026-09-02,08:30\n";
    let bad = format!("{good}体育,nobody,第一小学,2026-09-01,08:30\n美术,wang.fang,第九小学,2026-09-01,08:30\n");
    let Imported::Faults(faults) = w.library.import_classes(bad.as_bytes(), &rights, NOW).await.unwrap() else {
        panic!("a file with faults makes nothing");
    };
    let told: Vec<_> = faults.iter().map(|f| (f.line, f.column.as_str(), f.code)).collect();
    assert_eq!(told, [(4, "教师", FaultCode::UnknownTeacher), (5, "学校", FaultCode::UnknownPlace)]);
    assert!(w.library.store().classes().await.unwrap().is_empty());
    let Imported::Done(made) = w.library.import_classes(good.as_bytes(), &rights, NOW).await.unwrap() else {
        panic!("a good file is taken");
    };
    assert_eq!(made.len(), 2);
    assert_ne!(made[0].code, made[1].code);
    // A teacher may import own classes at the own school, and learns nothing about others.
    let teacher = w.library.rights(&w.teacher);
    let own = w.library.import_classes(good.as_bytes(), &teacher, NOW).await.unwrap();
    assert!(matches!(own, Imported::Done(made) if made.len() == 2));
    let foreign = "课程,教师,学校,日期,时间\n数学,admin,第二小学,2026-09-01,08:30\n";
    let Imported::Faults(faults) = w.library.import_classes(foreign.as_bytes(), &teacher, NOW).await.unwrap() else {
        panic!("not another's class at another school");
    };
    assert_eq!(faults.len(), 2, "neither the account nor the school is told to exist: {faults:?}");
}

use crate::import::FaultCode;

#[tokio::test]
async fn recordings_are_found_by_those_who_may_and_survive_a_restart() {
    let mut w = world().await;
    let mine = recording(&w, "分数乘法", w.schools[0], 1);
    let other = recording(&w, "分数除法", w.schools[1], 2);
    for r in [&mine, &other] {
        w.library.put_recording(r.clone()).await.unwrap();
    }
    w.library.put_lines(mine.id, vec![TextLine { at_ms: 7, text: "分母为零怎么办".into() }]).await.unwrap();
    let titles = async |library: &Library, text: &str, rights: &Rights| {
        let query = Query { text: text.into(), limit: 10, ..Query::default() };
        let page = library.search(query, rights).await.unwrap();
        assert_eq!(page.total, page.items.len() as u64);
        page.items.into_iter().map(|f| f.recording.title).collect::<Vec<_>>()
    };
    let (everywhere, first) = (staff_at(w.root), staff_at(w.schools[0]));
    assert_eq!(titles(&w.library, "分数", &everywhere).await, ["分数除法", "分数乘法"]);
    assert_eq!(titles(&w.library, "分数", &first).await, ["分数乘法"]);
    assert_eq!(titles(&w.library, "", &Rights::none()).await, [""; 0]);
    let query = Query { place: Some(w.schools[1]), limit: 10, ..Query::default() };
    assert_eq!(w.library.search(query, &everywhere).await.unwrap().total, 1);

    let done = Recording { duration_ms: 99, status: RecordingStatus::Done, ..mine.clone() };
    w.library.put_recording(done.clone()).await.unwrap();
    w.library.store().close().await;
    drop(w.library);
    w.library = Library::open(w._dir.path(), LibraryOptions::default()).await.unwrap();
    w.library.indexed().await;
    assert_eq!(titles(&w.library, "母为零", &everywhere).await, ["分数乘法"]);
    assert_eq!(w.library.recording(mine.id, Action::WatchRecording, &first).await.unwrap(), Some(done));
    assert_eq!(w.library.recording(other.id, Action::WatchRecording, &first).await.unwrap(), None);
}

#[tokio::test]
async fn a_deletion_can_be_taken_back_until_it_is_purged() {
    let w = world().await;
    let r = recording(&w, "分数乘法", w.schools[0], 1);
    w.library.put_recording(r.clone()).await.unwrap();
    let rights = staff_at(w.root);
    let total = async || w.library.search(Query { limit: 1, ..Query::default() }, &rights).await.unwrap().total;
    w.library.delete_recording(r.id, NOW).await.unwrap();
    // The recorder's last word about its length must not bring it back.
    w.library.put_recording(Recording { duration_ms: 5, ..r.clone() }).await.unwrap();
    assert_eq!(total().await, 0);
    w.library.restore_recording(r.id).await.unwrap();
    assert_eq!(total().await, 1);
    assert!(!w.library.purge_recording(r.id).await.unwrap(), "a restored recording is not purged");
    w.library.delete_recording(r.id, NOW).await.unwrap();
    assert_eq!(w.library.deleted_before(UnixMillis(NOW.0 + 1)), [r.id]);
    assert!(w.library.purge_recording(r.id).await.unwrap());
    assert!(matches!(w.library.restore_recording(r.id).await, Err(StoreError::NotFound)));
}

#[tokio::test]
async fn the_recordings_can_be_rebuilt_from_the_archive() {
    let w = world().await;
    let stale = recording(&w, "旧", w.schools[0], 1);
    w.library.put_recording(stale.clone()).await.unwrap();
    let class = w.library.create_classes(vec![Class::new(entry(&w, "圆", NOW), NOW)]).await.unwrap().remove(0);
    let lesson = w.library.store().lessons_at(vec![(class.id, NOW)]).await.unwrap().remove(0);
    let summaries: Vec<_> = (0..40)
        .map(|i| RecordingSummary {
            recording: Recording { lesson: lesson.id, ..recording(&w, &format!("第{i}课"), w.schools[0], i) },
            lines: vec![TextLine { at_ms: 0, text: format!("问题{i}") }],
        })
        .collect();
    assert_eq!(w.library.rebuild_recordings(summaries).await.unwrap(), 40);
    let query = |text: &str| Query { text: text.into(), limit: 100, ..Query::default() };
    assert_eq!(w.library.search(query(""), &staff_at(w.root)).await.unwrap().total, 40);
    assert_eq!(w.library.search(query("旧"), &staff_at(w.root)).await.unwrap().total, 0);
    w.library.indexed().await;
    assert_eq!(w.library.search(query("问题31"), &staff_at(w.root)).await.unwrap().total, 1);
    assert!(
        w.library.store().lesson(lesson.id).await.unwrap().unwrap().recording.is_some(),
        "the lesson knows it again"
    );
    let page = w.library.search(Query { limit: 7, ..query("") }, &staff_at(w.root)).await.unwrap();
    let next = Query { limit: 7, cursor: page.next.clone(), ..query("") };
    let second = w.library.search(next, &staff_at(w.root)).await.unwrap();
    assert_eq!(
        (page.items[6].recording.title.as_str(), second.items[0].recording.title.as_str()),
        ("第33课", "第32课")
    );
    let made_up = Query { cursor: Some("!!".into()), ..query("") };
    assert_eq!(w.library.search(made_up, &staff_at(w.root)).await.unwrap().items.len(), 40);
}

#[tokio::test]
async fn the_timetable_in_memory_follows_the_store() {
    let w = world().await;
    let class = w.library.create_classes(vec![Class::new(entry(&w, "圆", NOW), NOW)]).await.unwrap().remove(0);
    let titles = || w.library.classes().iter().map(|c| c.entry.title.clone()).collect::<Vec<_>>();
    assert_eq!(titles(), ["圆"]);
    w.library.change_class(class.id, entry(&w, "角", NOW)).await.unwrap();
    assert_eq!(titles(), ["角"]);
    w.library.remove_class(class.id, Some(NOW)).await.unwrap();
    assert_eq!(titles(), [""; 0]);
    w.library.remove_class(class.id, None).await.unwrap();
    assert_eq!(titles(), ["角"]);
}
