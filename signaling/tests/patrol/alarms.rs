//! An alarm that goes on while its camera is moved: who handles it where, and what each place is told.

use crate::world::{Person, World};
use axum::http::{Method, StatusCode};
use lectern_auth::{CameraGroup, Role};
use lectern_library::{Alarm, AlarmQuery};
use lectern_media::{CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::{AuditAction, HealthFault};
use lectern_signaling::patrol::ports::PatrolEvent;
use serde_json::{Value, json};

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
