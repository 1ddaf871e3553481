//! A lesson that was tried before its time or ended by mistake is not lost: the class takes place.

use crate::world::World;
use axum::{body::Body, http::Request};
use lectern_auth::GrantRole;
use lectern_library::LessonChange;
use lectern_media::{AccountId, UnixMillis};
use lectern_protocol::{
    api::Repeat,
    ws::{ClientMessage, LessonState, ServerMessage},
};
use serde_json::{Value, json};

const DAY_MS: i64 = 86_400_000;

fn body(name: &str) -> Value {
    json!({ "name": name, "classroom": false, "resume": null })
}

async fn preview(w: &World, who: Option<AccountId>) -> Value {
    let mut request = Request::get(format!("/api/v1/classes/by-code/{}", w.class.code));
    if let Some(who) = who {
        request = w.signed_in(request, who).await;
    }
    w.send(request.body(Body::empty()).unwrap()).await.json()
}

/// The teacher opens the class and ends it again; comes back when all of it is written down.
async fn hold(w: &World) {
    let recordings = || w.tape.log.lock().iter().filter(|l| l.starts_with("finish")).count();
    let before = recordings();
    let mut teacher = w.enter(GrantRole::Teacher).await;
    teacher.say(ClientMessage::Open {}).await;
    let live = |m| matches!(m, ServerMessage::RoomChanged { state: LessonState::Live, .. }).then_some(());
    teacher.hear("live", live).await;
    teacher.say(ClientMessage::End {}).await;
    w.until("the recording is finished", |_| (recordings() > before).then_some(())).await;
    let kept = async { while !w.app.library.store().live_lessons().await.unwrap().is_empty() {} };
    tokio::time::timeout(std::time::Duration::from_secs(10), kept).await.expect("the end is written down");
}

#[tokio::test]
async fn an_end_pressed_by_mistake() {
    let w = World::new().await;
    hold(&w).await;
    assert_eq!(preview(&w, None).await["state"], "over");
    assert_eq!(w.join(None, body("小明")).await.code(), "class_closed", "it is over unless its teacher comes back");
    assert_eq!(preview(&w, Some(w.teacher)).await["state"], "scheduled", "who finds the way open");
    assert_eq!(
        w.join(Some(w.teacher), json!({ "name": "屏", "classroom": true, "resume": null })).await.code(),
        "class_closed"
    );
    assert_eq!(w.join(Some(w.teacher), body("")).await.json()["role"], "teacher");
    assert_eq!(preview(&w, None).await["state"], "scheduled");
    assert_eq!(w.join(None, body("小明")).await.json()["role"], "student", "and others follow");
    hold(&w).await;
    let lessons = w.app.library.store().lessons_of(w.class.id).await.unwrap();
    assert_eq!(lessons.len(), 2);
    assert!(lessons.iter().all(|l| l.state == LessonState::Over && l.recording.is_some()));
    assert_ne!(lessons[0].recording, lessons[1].recording, "each has its own recording");
}

#[tokio::test]
async fn a_class_tried_the_day_before() {
    let w = World::with(|entry| entry.starts = UnixMillis(entry.starts.0 + DAY_MS)).await;
    for _ in 0..2 {
        hold(&w).await;
        let seen = preview(&w, None).await;
        assert_eq!((&seen["state"], &seen["starts"]), (&json!("scheduled"), &json!(w.class.entry.starts)));
        assert_eq!(w.join(None, body("小明")).await.json()["role"], "student");
    }
}

/// The day's list is one row per lesson; a class that was ended before its time can go on from its row, one that was only
/// tried stands beside the one that comes.
#[tokio::test]
async fn the_days_list_after_an_early_end() {
    let today = async |w: &World| {
        let request = w.signed_in(Request::get("/api/v1/lessons"), w.teacher).await;
        let list = w.send(request.body(Body::empty()).unwrap()).await.json();
        let rows = list.as_array().unwrap().iter();
        rows.map(|item| (item["state"].as_str().unwrap().to_owned(), item["again"] == true)).collect::<Vec<_>>()
    };
    let w = World::new().await;
    assert_eq!(today(&w).await, [("scheduled".to_owned(), false)]);
    hold(&w).await;
    assert_eq!(today(&w).await, [("over".to_owned(), true)]);

    let w = World::with(|entry| entry.starts = UnixMillis(entry.starts.0 + 10 * 60_000)).await;
    hold(&w).await;
    let tried = today(&w).await;
    if tried.len() == 2 {
        // Unless midnight lies between the two.
        assert_eq!(tried, [("over".to_owned(), false), ("scheduled".to_owned(), false)]);
    }
}

#[tokio::test]
async fn a_lesson_of_the_week_before_is_not_taken_up_again() {
    let w = World::with(|entry| {
        entry.starts = UnixMillis(entry.starts.0 - 3 * 3_600_000);
        entry.repeat = Repeat::Once;
    })
    .await;
    let lesson = w.app.rooms.plan(w.class.room).await.unwrap().lesson;
    let ended = Some(UnixMillis(w.class.entry.starts.0 + 40 * 60_000));
    let over = LessonChange { state: Some(LessonState::Over), ended, ..LessonChange::default() };
    w.app.library.store().change_lesson(lesson.id, over).await.unwrap();
    assert_eq!(w.join(Some(w.teacher), body("")).await.code(), "class_closed");
    assert_eq!(preview(&w, Some(w.teacher)).await["state"], "over");
}

#[tokio::test]
async fn a_class_that_is_moved_while_people_wait() {
    let w = World::new().await;
    let mut teacher = w.enter(GrantRole::Teacher).await;
    let lesson = teacher
        .hear("the welcome", |m| match m {
            ServerMessage::Welcome { room, .. } => Some(room.lesson),
            _ => None,
        })
        .await;
    let mut entry = w.class.entry.clone();
    entry.starts = UnixMillis(entry.starts.0 + 5 * 60_000);
    w.app.library.change_class(w.class.id, entry).await.unwrap();
    teacher.say(ClientMessage::Open {}).await;
    let recorded = async {
        loop {
            match w.app.library.store().live_lessons().await.unwrap().as_slice() {
                [live] if live.recording.is_some() => return live.id,
                _ => tokio::task::yield_now().await,
            }
        }
    };
    let live =
        tokio::time::timeout(std::time::Duration::from_secs(10), recorded).await.expect("it is live, and recorded");
    assert_eq!(live, lesson, "the one that everybody was in");
}

#[tokio::test]
async fn looking_at_a_class_writes_nothing() {
    let w = World::new().await;
    assert_eq!(preview(&w, None).await["state"], "scheduled");
    w.join(None, body("小明")).await;
    let request = w.signed_in(Request::get("/api/v1/lessons"), w.teacher).await;
    let today = w.send(request.body(Body::empty()).unwrap()).await.json();
    let id = today[0]["id"].as_str().unwrap();
    let request = w.signed_in(Request::get(format!("/api/v1/lessons/{id}")), w.teacher).await;
    assert_eq!(w.send(request.body(Body::empty()).unwrap()).await.json()["id"], id, "and yet it has an id");
    assert!(w.app.library.store().lessons_of(w.class.id).await.unwrap().is_empty());
    w.enter(GrantRole::Teacher)
        .await
        .hear("the welcome", |m| matches!(m, ServerMessage::Welcome { .. }).then_some(()))
        .await;
    assert_eq!(w.app.library.store().lessons_of(w.class.id).await.unwrap()[0].id.to_string(), id, "entering does");
}
