//! Deny by default, over every route of the table: strangers, people from elsewhere, pages of other sites.

use crate::world::{Answer, Person, SECRET, Watched, World};
use axum::{
    body::Body,
    http::{Method, StatusCode, header},
};
use lectern_media::{AccountId, CameraId, ClassId, LessonId, PlaceId, RecordingId};
use lectern_signaling::{
    http::routes,
    route::{Right, Route, Verb},
};
use serde_json::{Value, json};
use ulid::Ulid;

/// The ids that a path can name: those of the first school, or ones that nobody has.
struct Ids {
    place: PlaceId,
    account: AccountId,
    class: ClassId,
    lesson: LessonId,
    recording: RecordingId,
    code: String,
    watched: Watched,
    export: Ulid,
    token: String,
}

impl Ids {
    fn of(w: &World) -> Self {
        Self {
            place: w.school,
            account: w.teacher.account.id,
            class: w.class.id,
            lesson: w.lesson.id,
            recording: w.recording.id,
            code: w.class.code.clone(),
            watched: w.watched.clone(),
            export: Ulid::nil(),
            token: "x".into(),
        }
    }

    fn nobodys() -> Self {
        Self {
            place: PlaceId::generate(),
            account: AccountId::generate(),
            class: ClassId::generate(),
            lesson: LessonId::generate(),
            recording: RecordingId::generate(),
            code: "222222222".into(),
            watched: Watched {
                camera: CameraId::generate(),
                bookmark: Ulid::new(),
                hold: Ulid::new(),
                alarm: Ulid::new(),
                layout: Ulid::new(),
                webhook: Ulid::new(),
                rule: Ulid::new(),
            },
            export: Ulid::new(),
            token: "x".into(),
        }
    }
}

fn method(verb: Verb) -> Method {
    match verb {
        Verb::Get => Method::GET,
        Verb::Post => Method::POST,
        Verb::Put => Method::PUT,
        Verb::Patch => Method::PATCH,
        Verb::Delete => Method::DELETE,
        Verb::Options => Method::OPTIONS,
    }
}

/// A path of the route that names these things.
fn path(route: &Route, ids: &Ids) -> String {
    let id = match route.path {
        p if p.starts_with("/api/v1/places") => ids.place.to_string(),
        p if p.starts_with("/api/v1/accounts") => ids.account.to_string(),
        p if p.starts_with("/api/v1/classes") && p.ends_with("/join") => ids.code.clone(),
        p if p.starts_with("/api/v1/classes") => ids.class.to_string(),
        p if p.starts_with("/api/v1/lessons") => ids.lesson.to_string(),
        p if p.starts_with("/api/v1/patrol/places") => ids.place.to_string(),
        p if p.starts_with("/api/v1/patrol/accounts") => ids.account.to_string(),
        p if p.starts_with("/api/v1/patrol/cameras") => ids.watched.camera.to_string(),
        p if p.starts_with("/api/v1/patrol/bookmarks") => ids.watched.bookmark.to_string(),
        p if p.starts_with("/api/v1/patrol/holds") => ids.watched.hold.to_string(),
        p if p.starts_with("/api/v1/patrol/alarms") => ids.watched.alarm.to_string(),
        p if p.starts_with("/api/v1/patrol/layouts") => ids.watched.layout.to_string(),
        p if p.starts_with("/api/v1/patrol/webhooks") => ids.watched.webhook.to_string(),
        p if p.starts_with("/api/v1/patrol/exports") => ids.export.to_string(),
        _ => ids.recording.to_string(),
    };
    let path = match route.path {
        p if p.starts_with("/api/v1/patrol/media") => p.replace("{*path}", "index.m3u8"),
        p if p.ends_with("/day") => format!("{p}?from=1000&to=2000"),
        p => p.to_owned(),
    };
    path.replace("{id}", &id)
        .replace("{token}", &ids.token)
        .replace("{group}", "exam_room")
        .replace("{rule}", &ids.watched.rule.to_string())
        .replace("{name}", "key")
        .replace("{code}", &ids.code)
        .replace("{recording}", &id)
        .replace("{*path}", "a/1.cmf")
        .replace("{room}", &id)
        .replace("{session}", &id)
}

/// A body that is taken, so that a refusal is one of rights and not of form.
fn body(route: &Route, ids: &Ids) -> Option<Value> {
    let class = json!({
        "title": "课", "subject": "", "grade": "", "teacher": ids.account, "place": ids.place, "mode": "dedicated",
        "starts": 1_788_220_800_000_u64, "duration_min": 40, "repeat": "weekly", "until": null,
        "waiting_room": false, "record": true
    });
    let camera = json!({
        "place": ids.place, "name": format!("新摄像机{}", Ulid::new()), "group": "exam_room", "code": null,
        "main_url": "rtsp://10.1.1.9/main", "sub_url": null, "transport": "tcp", "username": "", "password": null,
        "kbps_max": 4000, "record": true
    });
    let thresholds = json!({
        "group": "exam_room", "watched": ["frozen"], "silent_s": 2,         "sharpness_percent": 40, "moved_percent": 10, "clock_ms": 1000, "rate_percent": 50, "tone": true
    });
    let layout = json!({"name": "布局", "tiles": 1, "cameras": [], "tour": null});
    match (route.verb, route.path) {
        (Verb::Post, "/api/v1/patrol/cameras" | "/api/v1/patrol/cameras/test")
        | (Verb::Put, "/api/v1/patrol/cameras/{id}") => Some(camera),
        (Verb::Patch, "/api/v1/patrol/cameras/{id}") => Some(json!({"enabled": true, "record": null})),
        (Verb::Post, "/api/v1/patrol/cameras/{id}/bookmarks") => Some(json!({"at": 1000, "text": ""})),
        (Verb::Post, "/api/v1/patrol/cameras/{id}/grants") => {
            Some(json!({"purpose": "play", "from": 1000, "to": 2000}))
        }
        (Verb::Post, "/api/v1/patrol/clock") => Some(json!({"now": 0})),
        (Verb::Post, "/api/v1/patrol/holds") => {
            Some(json!({"cameras": [ids.watched.camera], "from": 1000, "to": 2000, "why": "复核"}))
        }
        (Verb::Post, "/api/v1/patrol/holds/{id}/release") => Some(json!({"intent": "ask"})),
        (Verb::Put, "/api/v1/patrol/places/{id}/retention") => {
            Some(json!({"place": ids.place, "group": "exam_room", "days": 9}))
        }
        (Verb::Put, "/api/v1/patrol/places/{id}/thresholds") => Some(thresholds),
        (Verb::Post, "/api/v1/patrol/layouts") | (Verb::Put, "/api/v1/patrol/layouts/{id}") => Some(layout),
        (Verb::Patch, "/api/v1/patrol/alarms/{id}") => {
            Some(json!({"acknowledge": true, "note": null, "hand_to": null}))
        }
        (Verb::Post, "/api/v1/patrol/webhooks") => Some(json!({"url": "https://alarm.example/", "place": ids.place})),
        (Verb::Post, "/api/v1/patrol/exports") => Some(json!({
            "cameras": [ids.watched.camera], "from": 1000, "to": 2000, "reason": "复核"
        })),
        (Verb::Post, "/api/v1/patrol/accounts/{id}/rules") => Some(json!({
            "place": ids.place, "camera": null, "effect": "deny", "deeds": ["live"], "windows": []
        })),
        (Verb::Post, "/api/v1/patrol/separation") => Some(json!({"system": "a", "security": "b", "audit": "c"})),
        (_, "/api/v1/session/factor" | "/api/v1/session/factor/totp") if route.verb != Verb::Delete => {
            Some(json!({"code": "000000"}))
        }
        (Verb::Post, "/api/v1/session/factor/keys" | "/api/v1/session/factor/keys/verify") => {
            Some(json!({"state": "x", "name": "key", "id": "eA", "client_data": "eA", "data": "eA", "signature": ""}))
        }
        (Verb::Post, "/api/v1/session") => Some(json!({"login": "nobody", "password": "wrong password"})),
        (Verb::Post, "/api/v1/password") => Some(json!({"token": "x", "password": "seven-horses-graze"})),
        (Verb::Post, "/api/v1/password/change") => Some(json!({"old": "x", "new": "seven-horses-graze"})),
        (Verb::Post, "/api/v1/places") => Some(json!({"parent": ids.place, "level": "class", "name": "新班"})),
        (Verb::Patch, "/api/v1/places/{id}") => Some(json!({"name": "新名"})),
        (Verb::Post, "/api/v1/accounts") => {
            Some(json!({"login": "new.one", "name": "新人", "roles": [{"role": "student", "place": ids.place}]}))
        }
        (Verb::Patch, "/api/v1/accounts/{id}") => Some(json!({"name": "新名"})),
        (Verb::Post, "/api/v1/classes") | (Verb::Put, "/api/v1/classes/{id}") => Some(class),
        (Verb::Put, "/api/v1/recordings/{id}/position") => Some(json!({"position_ms": 5})),
        // What staff may ask for, too; who may publish is in `who_may_do_what_at_the_own_school`.
        (Verb::Post, "/api/v1/classes/{id}/device-token") => Some(json!({"purpose": "watch"})),
        (Verb::Post, "/api/v1/classes/{id}/join") => Some(json!({"name": "客", "classroom": false, "resume": null})),
        _ => None,
    }
}

const CSV: &str = "课程,教师,学校,日期,时间\n数学,wang.fang,凤凰小学,2026-09-01,08:30\n";

async fn send(w: &World, who: Option<&Person>, route: &Route, ids: &Ids, csrf: bool) -> Answer {
    let request = w.request(who, &method(route.verb), &path(route, ids), csrf).await;
    let request = match body(route, ids) {
        _ if route.path == "/api/v1/classes/import" => {
            request.header(header::CONTENT_TYPE, "text/csv").body(Body::from(CSV))
        }
        _ if route.path.ends_with("/cameras/import") => {
            request.header(header::CONTENT_TYPE, "text/csv").body(Body::from("名称,主码流\n三号,rtsp://10.1.1.3/a\n"))
        }
        Some(body) => request.header(header::CONTENT_TYPE, "application/json").body(Body::from(body.to_string())),
        None => request.body(Body::empty()),
    };
    w.send(request.unwrap()).await
}

fn named(route: &Route) -> String {
    format!("{:?} {}", route.verb, route.path)
}

fn is_problem(answer: &Answer) -> bool {
    answer.headers.get(header::CONTENT_TYPE).is_some_and(|t| t == "application/problem+json")
}

#[tokio::test]
async fn strangers_get_401_wherever_a_session_or_grant_is_needed() {
    let w = World::new().await;
    let ids = Ids::of(&w);
    let mut guarded = 0;
    for route in routes() {
        let answer = send(&w, None, route, &ids, false).await;
        let told = named(route);
        assert!(!answer.status.is_server_error(), "{told}: {}", answer.status);
        match route.right {
            Right::Public => {}
            // What a socket without a grant meets is in the tests of live classes (`socket.rs`).
            Right::Hello => {
                assert!(answer.status.is_client_error() && is_problem(&answer), "{told}: {}", answer.status)
            }
            Right::SignedIn | Right::May(_) => {
                guarded += 1;
                assert_eq!(
                    (answer.status, answer.code().as_str()),
                    (StatusCode::UNAUTHORIZED, "not_signed_in"),
                    "{told}"
                );
                assert!(is_problem(&answer), "{told}");
            }
            Right::Grant(_) => {
                guarded += 1;
                assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{told}");
            }
        }
        // A join link shows its class: that is what it is for. Nothing else shows anything to a stranger.
        if !route.path.contains("{code}") && !route.path.ends_with("/join") {
            assert!(!answer.text().contains(SECRET), "{told} tells strangers: {}", answer.text());
        }
    }
    assert!(guarded > 35, "the table has its routes ({guarded})");
}

#[tokio::test]
async fn people_from_elsewhere_change_nothing_and_learn_nothing() {
    let w = World::new().await;
    for route in routes().filter(|r| matches!(r.right, Right::SignedIn | Right::May(_))) {
        let told = named(route);
        let real = send(&w, Some(&w.outsider), route, &Ids::of(&w), true).await;
        assert!(!real.text().contains(SECRET), "{told} tells outsiders: {}", real.text());
        let Right::May(_) = route.right else { continue };
        if route.path == "/api/v1/classes/import" {
            assert_eq!(real.json()["created"], 0, "{told}");
            continue;
        }
        let refused = [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND, StatusCode::UNPROCESSABLE_ENTITY];
        assert!(refused.contains(&real.status), "{told}: {}", real.status);
        assert!(is_problem(&real), "{told}");
        // What exists elsewhere can't be told from what does not exist at all.
        let none = send(&w, Some(&w.outsider), route, &Ids::nobodys(), true).await;
        assert_eq!((real.status, real.code()), (none.status, none.code()), "{told}");
    }
    let untouched = w.get(&w.admin, &format!("/api/v1/recordings/{}", w.recording.id)).await;
    assert_eq!(untouched.status, StatusCode::OK);
}

#[tokio::test]
async fn the_same_requests_are_carried_out_for_the_administrator() {
    let w = World::new().await;
    // Removals last, and that of the class after what hangs on it, so that the others find what they name.
    let mut all: Vec<&Route> = routes().filter(|r| matches!(r.right, Right::SignedIn | Right::May(_))).collect();
    all.sort_by_key(|r| (r.verb == Verb::Delete, r.path.ends_with("/{id}")));
    for route in all {
        let answer = send(&w, Some(&w.admin), route, &Ids::of(&w), true).await;
        let told = named(route);
        match (route.verb, route.path) {
            // The old password is wrong: refused for that reason, not for lack of a right.
            (_, "/api/v1/password/change") => assert_eq!(answer.json()["field"], "old", "{told}"),
            // Nothing was set up, begun, asked for or exported; the administrators exist not.
            (_, path) if path.starts_with("/api/v1/session/factor/") || path == "/api/v1/session/factor" => {
                let good = answer.status.is_success()
                    || ["conflict", "not_found", "wrong_code", "bad_request"].contains(&answer.code().as_str());
                assert!(good, "{told}: {} {}", answer.status, answer.text());
            }
            (_, path) if path.starts_with("/api/v1/patrol/media") => {
                assert_eq!(answer.code(), "grant_invalid", "{told}")
            }
            (_, path) if path.starts_with("/api/v1/patrol/exports/") => {
                assert_eq!(answer.code(), "not_found", "{told}")
            }
            // Nobody doubts it.
            (Verb::Post, "/api/v1/patrol/clock") => assert_eq!(answer.code(), "conflict", "{told}"),
            (Verb::Post, "/api/v1/patrol/separation") => assert_eq!(answer.json()["field"], "system", "{told}"),
            (Verb::Delete, "/api/v1/patrol/separation") => assert_eq!(answer.code(), "conflict", "{told}"),
            (Verb::Delete, "/api/v1/patrol/holds/{id}/release") => {}
            // It was removed within these ten seconds, or was not.
            (Verb::Post, "/api/v1/patrol/cameras/{id}/restore") => assert_eq!(answer.code(), "not_found", "{told}"),
            // There are people in the school.
            (Verb::Delete, "/api/v1/places/{id}") => assert_eq!(answer.code(), "in_use", "{told}"),
            _ => assert!(answer.status.is_success(), "{told}: {} {}", answer.status, answer.text()),
        }
    }
}

#[tokio::test]
async fn changes_need_the_csrf_token() {
    let w = World::new().await;
    for route in routes().filter(|r| matches!(r.right, Right::SignedIn | Right::May(_)) && !r.verb.is_safe()) {
        let answer = send(&w, Some(&w.admin), route, &Ids::of(&w), false).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::FORBIDDEN, "csrf_mismatch"),
            "{}",
            named(route)
        );
    }
}

#[tokio::test]
async fn who_may_do_what_at_the_own_school() {
    let w = World::new().await;
    let people = [(&w.head, "head"), (&w.teacher, "teacher"), (&w.staff, "staff"), (&w.student, "student")];
    // 2xx, 403 (seen, but not theirs to change) or 404 (not theirs to see): head, teacher, staff, student.
    for (verb, path, want) in [
        (Verb::Get, "/api/v1/recordings/{id}", [200, 200, 200, 200]),
        (Verb::Get, "/api/v1/recordings/{id}/download", [200, 200, 200, 200]),
        (Verb::Get, "/vod/{recording}/{*path}", [200, 200, 200, 200]),
        (Verb::Put, "/api/v1/recordings/{id}/position", [204, 204, 204, 204]),
        (Verb::Get, "/api/v1/lessons/{id}", [200, 200, 200, 200]),
        (Verb::Get, "/api/v1/lessons/{id}/attendance", [200, 200, 200, 403]),
        (Verb::Get, "/api/v1/lessons/{id}/attendance.csv", [200, 200, 200, 403]),
        (Verb::Get, "/api/v1/classes/{id}", [200, 200, 200, 200]),
        (Verb::Post, "/api/v1/classes/{id}/device-token", [200, 200, 200, 403]),
        (Verb::Delete, "/api/v1/classes/{id}/device-token", [204, 204, 403, 403]),
        (Verb::Post, "/api/v1/places", [201, 403, 403, 403]),
        (Verb::Patch, "/api/v1/places/{id}", [200, 403, 403, 403]),
        // The teacher's account: the teacher sees it, as everybody sees the own one.
        (Verb::Get, "/api/v1/accounts/{id}", [200, 200, 404, 404]),
        (Verb::Patch, "/api/v1/accounts/{id}", [200, 403, 404, 404]),
        (Verb::Post, "/api/v1/accounts/{id}/invitation", [200, 403, 404, 404]),
        (Verb::Post, "/api/v1/classes", [201, 201, 422, 422]),
        (Verb::Delete, "/api/v1/recordings/{id}", [204, 204, 403, 403]),
        (Verb::Delete, "/api/v1/classes/{id}", [204, 204, 403, 403]),
    ] {
        let route = routes().find(|r| r.verb == verb && r.path == path).unwrap_or_else(|| panic!("{verb:?} {path}"));
        for ((person, name), want) in people.iter().zip(want) {
            let answer = send(&w, Some(person), route, &Ids::of(&w), true).await;
            assert_eq!(answer.status.as_u16(), want, "{name}: {verb:?} {path}: {}", answer.text());
            // Put back what was removed, for the next.
            if verb == Verb::Delete && want == 204 {
                if path == "/api/v1/classes/{id}" {
                    w.app.library.remove_class(w.class.id, None).await.unwrap();
                } else if path.contains("recordings") {
                    w.app.library.restore_recording(w.recording.id).await.unwrap();
                }
            }
        }
    }
    let path = format!("/api/v1/classes/{}/device-token", w.class.id);
    for ((person, name), want) in people.iter().zip([200, 200, 403, 403]) {
        let answer = w.post(person, &path, json!({"purpose": "publish"})).await;
        assert_eq!(answer.status.as_u16(), want, "{name} publishes: {}", answer.text());
    }
}
