//! An alarm that goes on while its camera is moved: who handles it where, and what each place is told.

use crate::{
    flow::until,
    world::{Person, World},
};
use axum::http::{Method, StatusCode};
use lectern_auth::{CameraGroup, Role};
use lectern_library::{Alarm, AlarmQuery};
use lectern_media::{CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::{AuditAction, HealthFault};
use lectern_signaling::patrol::ports::PatrolEvent;
use serde_json::{Value, json};
use std::time::Duration;

/// When the alarm began; the camera is moved a second later.
const BEGAN: i64 = 10_000_000;

/// An alarm that began at the first site and goes on at the second.
async fn across(w: &World) -> (CameraId, Alarm) {
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let black = PatrolEvent::Fault { camera, fault: HealthFault::Black, since: UnixMillis(BEGAN) };
    assert!(w.app.patrol.event(black).await);
    w.moved(camera, w.sites[1], CameraGroup::ExamRoom, UnixMillis(BEGAN + 1_000)).await;
    let all = AlarmQuery { limit: 10, ..AlarmQuery::default() };
    let alarm = w.app.library.store().alarms(all).await.unwrap();
    (camera, alarm.into_iter().find(|a| a.camera == camera).unwrap())
}

fn words(note: &str) -> Value {
    json!({"acknowledge": null, "note": note, "hand_to": null})
}

async fn say(w: &World, who: &Person, alarm: &Alarm, change: Value) -> StatusCode {
    let path = format!("/api/v1/patrol/alarms/{}", alarm.id);
    w.ask(Some(who), Method::PATCH, &path, Some(change)).await.status
}

/// Where handling was written down, in order.
async fn handled(w: &World) -> Vec<(String, Option<PlaceId>, String)> {
    let log = w.log().await;
    let handled = log.into_iter().filter(|a| a.action == AuditAction::AlarmHandled);
    handled.map(|a| (a.who.login, a.what.place, a.detail)).collect()
}

#[tokio::test]
async fn a_note_is_written_where_its_writer_handles_alarms_not_where_they_only_look() {
    let w = World::new().await;
    let there = w.person("there", &[(Role::SiteAdministrator, w.sites[0])]).await;
    let here = w.person("here", &[(Role::PatrolOfficer, w.sites[1])]).await;
    let rule = json!({"place": w.sites[0], "camera": null, "effect": "allow", "deeds": ["see", "play"], "windows": []});
    let made = w.post(&w.admin, &format!("/api/v1/patrol/accounts/{}/rules", here.account.id), rule).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let (_, alarm) = across(&w).await;
    assert_eq!(say(&w, &there, &alarm, words("换了电源")).await, StatusCode::OK);
    assert_eq!(say(&w, &here, &alarm, words("镜头已擦")).await, StatusCode::OK);
    let kept = w.app.library.store().alarm(alarm.id).await.unwrap().unwrap();
    let beside: Vec<_> = kept.elsewhere.iter().map(|s| (s.place, s.note.as_str())).collect();
    assert_eq!((kept.note.as_str(), beside), ("换了电源", vec![(w.sites[1], "镜头已擦")]));
    let told: Vec<_> = handled(&w).await.into_iter().map(|(who, place, _)| (who, place)).collect();
    assert_eq!(told, [("there".to_owned(), Some(w.sites[0])), ("here".to_owned(), Some(w.sites[1]))]);
}

/// What each webhook was told, in order: event, place, note, who acknowledged, notes of other places.
type Told = Vec<(String, PlaceId, String, Option<String>, Vec<String>)>;

fn told(w: &World, hook: &str) -> Told {
    let calls = w.site.calls.lock().unwrap().clone();
    let ours = calls.iter().filter(|(url, ..)| url.ends_with(hook));
    let text = |v: &Value| v.as_str().map(str::to_owned);
    let bodies = ours.map(|(.., body)| serde_json::from_slice::<Value>(body).unwrap());
    let line = |body: Value| {
        let alarm = &body["alarm"];
        let beside = alarm["elsewhere"].as_array().unwrap().iter().map(|s| text(&s["note"]).unwrap()).collect();
        let place = alarm["place"].as_str().unwrap().parse().unwrap();
        let (event, note) = (text(&body["event"]).unwrap(), text(&alarm["note"]).unwrap());
        (event, place, note, text(&alarm["acknowledged_by"]), beside)
    };
    bodies.map(line).collect()
}

#[tokio::test]
async fn each_webhook_is_told_its_places_side_of_an_alarm_and_nothing_when_that_did_not_change() {
    let w = World::new().await;
    let (_stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let patrol = w.app.patrol.clone();
    tokio::spawn(async move { patrol.keep(async move { drop(stopped.await) }).await });
    let [a, b] = w.sites;
    for (hook, place) in [("there", a), ("here", b), ("city", w.city)] {
        let hook = json!({"url": format!("https://alarm.example/{hook}"), "place": place});
        assert_eq!(w.post(&w.admin, "/api/v1/patrol/webhooks", hook).await.status, StatusCode::CREATED);
    }
    let anna = w.person("anna", &[(Role::SiteAdministrator, a)]).await;
    let bert = w.person("bert", &[(Role::SiteAdministrator, b)]).await;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let since = UnixMillis(BEGAN);
    assert!(w.app.patrol.event(PatrolEvent::Fault { camera, fault: HealthFault::Black, since }).await);
    let all = AlarmQuery { limit: 10, ..AlarmQuery::default() };
    let alarm = w.app.library.store().alarms(all).await.unwrap().remove(0);
    // What one event tells is in all queues before the first of them is called.
    let heard = async |hook: &str, n: usize| until(hook, || async { told(&w, &format!("/{hook}")).len() >= n }).await;
    heard("city", 1).await;
    // It goes on at the other place: that is news there only.
    let form = json!({"place": b, "name": "东门", "group": "exam_room", "code": null, "main_url": "rtsp://10.1.1.1/main",
        "sub_url": null, "transport": "tcp", "username": "operator", "password": null, "kbps_max": 6000, "record": true});
    let path = format!("/api/v1/patrol/cameras/{camera}");
    assert_eq!(w.ask(Some(&w.admin), Method::PUT, &path, Some(form)).await.status, StatusCode::OK);
    heard("here", 1).await;
    assert_eq!(say(&w, &bert, &alarm, words("镜头已擦")).await, StatusCode::OK);
    heard("city", 2).await;
    assert_eq!(say(&w, &anna, &alarm, words("换了电源")).await, StatusCode::OK);
    heard("city", 3).await;
    let acknowledge = json!({"acknowledge": true, "note": null, "hand_to": null});
    assert_eq!(say(&w, &bert, &alarm, acknowledge).await, StatusCode::OK);
    heard("city", 4).await;
    let until = UnixMillis::now().plus(Duration::from_secs(1));
    let over = PatrolEvent::FaultOver { camera, fault: HealthFault::Black, until };
    assert!(w.app.patrol.event(over).await);
    for (hook, n) in [("city", 5), ("there", 4), ("here", 4)] {
        heard(hook, n).await;
    }
    let line = |event: &str, place, note: &str, by: Option<&str>, beside: &[&str]| {
        let beside: Vec<String> = beside.iter().map(|note| (*note).to_owned()).collect();
        (event.to_owned(), place, note.to_owned(), by.map(str::to_owned), beside)
    };
    let there = [
        line("raised", a, "", None, &[]),
        line("changed", a, "换了电源", None, &[]),
        line("changed", a, "换了电源", None, &[]),
        line("over", a, "换了电源", None, &[]),
    ];
    let here = [
        line("raised", b, "", None, &[]),
        line("changed", b, "镜头已擦", None, &[]),
        line("changed", b, "镜头已擦", Some("BERT"), &[]),
        line("over", b, "镜头已擦", Some("BERT"), &[]),
    ];
    let city = [
        line("raised", a, "", None, &[]),
        line("changed", a, "", None, &["镜头已擦"]),
        line("changed", a, "换了电源", None, &["镜头已擦"]),
        line("changed", a, "换了电源", Some("BERT"), &["镜头已擦"]),
        line("over", a, "换了电源", Some("BERT"), &["镜头已擦"]),
    ];
    assert_eq!((told(&w, "/there"), told(&w, "/here"), told(&w, "/city")), (there.into(), here.into(), city.into()));
}
