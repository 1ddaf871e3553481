//! Joining by link: who one becomes, and every way in which it is refused.

use crate::world::World;
use axum::{
    body::Body,
    http::{Request, StatusCode, header},
};
use lectern_auth::{GrantRole, Purpose};
use lectern_library::{ClassEntry, LessonChange};
use lectern_media::{AccountId, UnixMillis};
use lectern_protocol::{api::ClassMode, ws::LessonState};
use serde_json::json;

fn body(name: &str) -> serde_json::Value {
    json!({ "name": name, "classroom": false, "resume": null })
}

#[tokio::test]
async fn the_server_decides_who_one_is() {
    let w = World::new().await;
    let student = w.join(None, body("小明")).await;
    assert_eq!((student.status, student.json()["role"].as_str()), (StatusCode::OK, Some("student")));
    let teacher = w.join(Some(w.teacher), body("")).await;
    assert_eq!(teacher.json()["role"], "teacher");
    let grant = w.app.keys.verify(teacher.json()["grant"].as_str().unwrap(), Purpose::Join, UnixMillis::now()).unwrap();
    assert_eq!((grant.role, grant.name.as_str(), grant.account), (GrantRole::Teacher, "王老师", Some(w.teacher)));
    let screen = w.join(Some(w.teacher), json!({ "name": "三年级", "classroom": true, "resume": null })).await;
    assert_eq!(screen.json()["role"], "classroom", "a teacher who sets up a screen does not make it the teacher");
    let famous = World::with(|entry| entry.mode = ClassMode::Famous).await;
    assert_eq!(famous.join(None, body("观众")).await.json()["role"], "viewer");
}

#[tokio::test]
async fn a_place_is_taken_again_with_its_token_only() {
    let w = World::new().await;
    let first = w.join(None, body("小明")).await.json();
    let again = w.join(None, json!({ "name": "冒名", "classroom": true, "resume": first["resume"] })).await.json();
    assert_eq!((&again["participant"], &again["role"]), (&first["participant"], &first["role"]));
    for resume in [
        json!("nonsense"),
        first["grant"].clone(),
        json!(World::new().await.app.keys.sign(&w.grant(GrantRole::Teacher, Purpose::Resume))),
    ] {
        let other = w.join(None, json!({ "name": "小明", "classroom": false, "resume": resume })).await.json();
        assert_ne!(other["participant"], first["participant"], "{resume} is no way back");
        assert_eq!(other["role"], "student");
    }
    let mine = w.join(Some(w.teacher), body("")).await.json();
    let stolen = w.join(None, json!({ "name": "小偷", "classroom": false, "resume": mine["resume"] })).await.json();
    assert_eq!(stolen["role"], "student", "a teacher's place needs the teacher's session");
}

#[tokio::test]
async fn a_place_gives_no_role_that_was_taken_away() {
    let w = World::new().await;
    let old = w.join(Some(w.teacher), body("")).await.json();
    assert_eq!(old["role"], "teacher");
    let entry = ClassEntry { teacher: AccountId::generate(), ..w.class.entry.clone() };
    w.app.library.change_class(w.class.id, entry.clone()).await.unwrap();
    let resume = |of: &serde_json::Value| json!({ "name": "", "classroom": false, "resume": of["resume"] });
    let now = w.join(Some(w.teacher), resume(&old)).await.json();
    assert_eq!(now["role"], "viewer", "another teacher of the school looks on");
    assert_ne!(now["participant"], old["participant"], "the teacher's place is not theirs any more");
    w.app.library.change_class(w.class.id, ClassEntry { teacher: w.teacher, ..entry }).await.unwrap();
    assert_eq!(w.join(Some(w.teacher), resume(&now)).await.json()["role"], "teacher", "nor is any other kept for ever");
}

#[tokio::test]
async fn guests_stay_out_once_guests_are_not_let_in() {
    let w = World::new().await;
    let guest = w.join(None, body("小明")).await.json();
    let teacher = w.join(Some(w.teacher), body("")).await.json();
    let w = w.restarted_with(|settings| settings.guests = false).await;
    let resume = |of: &serde_json::Value| json!({ "name": "", "classroom": false, "resume": of["resume"] });
    let refused = w.join(None, resume(&guest)).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::UNAUTHORIZED, "not_signed_in"));
    let again = w.join(Some(w.teacher), resume(&teacher)).await.json();
    assert_eq!(
        (&again["participant"], &again["role"]),
        (&teacher["participant"], &teacher["role"]),
        "as after a reload"
    );
}

#[tokio::test]
async fn everybody_takes_the_own_place_again_after_a_restart() {
    let w = World::new().await;
    let screen = json!({ "name": "三年级", "classroom": true, "resume": null });
    let joined = [
        (None, w.join(None, body("小明")).await.json()),
        (None, w.join(None, screen.clone()).await.json()),
        (Some(w.teacher), w.join(Some(w.teacher), screen).await.json()),
        (Some(w.teacher), w.join(Some(w.teacher), body("")).await.json()),
    ];
    let w = w.restarted(true).await;
    for (who, before) in joined {
        let again = w.join(who, json!({ "name": "", "classroom": false, "resume": before["resume"] })).await.json();
        assert_eq!((&again["participant"], &again["role"]), (&before["participant"], &before["role"]), "{before}");
    }
}

#[tokio::test]
async fn what_is_refused() {
    let w = World::new().await;
    for (request, status, code) in [
        (body(""), StatusCode::UNPROCESSABLE_ENTITY, "bad_field"),
        (body(&"长".repeat(61)), StatusCode::UNPROCESSABLE_ENTITY, "bad_field"),
        (body("a\u{7}b"), StatusCode::UNPROCESSABLE_ENTITY, "bad_field"),
        (json!({ "name": 7 }), StatusCode::BAD_REQUEST, "bad_json"),
        (json!([]), StatusCode::BAD_REQUEST, "bad_json"),
    ] {
        let answer = w.join(None, request.clone()).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{request}");
    }
    let path = format!("/api/v1/classes/{}/join", w.class.code);
    let raw = |kind: &'static str, text: String| {
        w.send(Request::post(&path).header(header::CONTENT_TYPE, kind).body(Body::from(text)).unwrap())
    };
    assert_eq!(raw("text/plain", "{}".into()).await.code(), "unsupported_type");
    assert_eq!(raw("application/json", "{".into()).await.code(), "bad_json");
    assert_eq!(raw("application/json", " ".repeat(65 * 1024)).await.code(), "too_large");
    let foreign = Request::post(&path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::HOST, "class.example")
        .header(header::ORIGIN, "https://evil.example")
        .body(Body::from(body("小明").to_string()));
    assert_eq!(w.send(foreign.unwrap()).await.code(), "foreign_origin");
}

#[tokio::test]
async fn a_lesson_that_is_over_and_a_class_that_is_none() {
    let w = World::new().await;
    let lesson = w.app.rooms.plan(w.class.room).await.unwrap().lesson;
    let over =
        LessonChange { state: Some(LessonState::Over), ended: Some(UnixMillis::now()), ..LessonChange::default() };
    w.app.library.store().change_lesson(lesson.id, over).await.unwrap();
    let answer = w.join(None, body("小明")).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "class_closed"));
    let preview = Request::get(format!("/api/v1/classes/by-code/{}", w.class.code)).body(Body::empty()).unwrap();
    assert_eq!(w.send(preview).await.json()["state"], "over");
    let unknown = w.join_code("aaaaaaaaa", None, body("小明")).await;
    assert_eq!((unknown.status, unknown.code().as_str()), (StatusCode::NOT_FOUND, "unknown_class"));
    for _ in 0..100 {
        w.join_code("aaaaaaaaa", None, body("小明")).await;
    }
    let guess = w.join_code("aaaaaaaaa", None, body("小明")).await;
    assert_eq!((guess.status, guess.code().as_str()), (StatusCode::TOO_MANY_REQUESTS, "too_often"));
    assert!(!guess.header("retry-after").is_empty());
}
