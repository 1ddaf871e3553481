//! Ways around a right that are not on its own route: a test of a camera as a look, a password by another address, a sealed
//! room by another name, reading and links without a trace.

use crate::world::World;
use axum::http::{Method, StatusCode};
use lectern_auth::{CameraGroup, Role};
use lectern_media::PlaceId;
use lectern_protocol::api::AuditAction;
use serde_json::{Value, json};

fn form(place: PlaceId, group: &str, main: &str, sub: &str) -> Value {
    json!({
        "place": place, "name": "一号", "group": group, "code": null, "main_url": main, "sub_url": sub,
        "transport": "tcp", "username": "operator", "password": null, "kbps_max": 4000, "record": true
    })
}

#[tokio::test]
async fn who_runs_a_camera_does_not_look_through_its_test() {
    let w = World::new().await;
    let system = w.person("system", &[(Role::SystemAdministrator, w.root)]).await;
    let district = w.person("district", &[(Role::SiteAdministrator, w.city)]).await;
    let site = w.person("site", &[(Role::SiteAdministrator, w.sites[0])]).await;
    let sealed = w.camera(0, CameraGroup::SealedRoom);
    let path = format!("/api/v1/patrol/cameras/test?camera={sealed}");
    let (main, sub) = ("rtsp://10.1.1.1/main", "rtsp://10.1.1.1/sub");
    for (who, group, path) in [
        (&system, "exam_room", "/api/v1/patrol/cameras/test"),
        (&system, "sealed_room", &path),
        (&district, "sealed_room", &path),
        (&district, "corridor", &path),
        // The same address as the sealed room's camera, by another name.
        (&district, "corridor", "/api/v1/patrol/cameras/test"),
    ] {
        let answer = w.post(who, path, form(w.sites[0], group, main, sub)).await;
        assert_eq!((answer.status, &answer.json()["picture"]), (StatusCode::OK, &Value::Null), "{group} {path}");
    }
    // Another channel of the recorder that the sealed room's camera hangs on, and another port of it.
    for other in [
        "rtsp://10.1.1.1/main?channel=2",
        "rtsp://10.1.1.1:8554/main",
        // It has one address, and many ways of writing it.
        "rtsp://10.1.1.1./main",
        "rtsp://0xa010101/main",
        "rtsp://0x0A.1.0x101/main",
        "rtsp://167837953/main",
        "rtsp://012.1.1.1/main",
        "rtsp://[::ffff:10.1.1.1]/main",
        "rtsp://[64:ff9b::a01:101]/main",
        // A name that leads nowhere now may lead there in a moment.
        "rtsp://recorder.invalid/main",
    ] {
        let answer = w.post(&site, "/api/v1/patrol/cameras/test", form(w.sites[0], "corridor", other, "")).await;
        assert_eq!((answer.status, &answer.json()["picture"]), (StatusCode::OK, &Value::Null), "{other}");
    }
    assert!(!w.log().await.iter().any(|a| a.action == AuditAction::Snapshot));
    // Who may see it sees it, and that is a look.
    let site_url = "rtsp://10.7.7.7/main";
    let answer = w.post(&site, "/api/v1/patrol/cameras/test", form(w.sites[0], "sealed_room", site_url, "")).await;
    assert!(answer.json()["picture"].is_string(), "{}", answer.text());
    assert_eq!(w.log().await.iter().filter(|a| a.action == AuditAction::Snapshot).count(), 1);
}

#[tokio::test]
async fn a_kept_password_goes_to_no_other_machine_by_the_substream() {
    let w = World::new().await;
    let (main, sub) = ("rtsp://u:hunter2@10.2.2.2/main", "rtsp://10.2.2.2:554/sub");
    let made = w.post(&w.admin, "/api/v1/patrol/cameras", form(w.sites[0], "gate", main, sub)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let away = form(w.sites[0], "gate", "rtsp://10.2.2.2/main", "rtsp://10.6.6.6/sub");
    let path = format!("/api/v1/patrol/cameras/{id}");
    let refused = w.ask(Some(&w.admin), Method::PUT, &path, Some(away.clone())).await;
    assert_eq!((refused.status.as_u16(), refused.json()["field"].as_str()), (422, Some("password")));
    let test = format!("/api/v1/patrol/cameras/test?camera={id}");
    assert!(w.post(&w.admin, &test, away).await.text().contains("no password"));
    let same = form(w.sites[0], "gate", "rtsp://10.2.2.2/main2", "rtsp://10.2.2.2/sub2");
    assert!(w.post(&w.admin, &test, same.clone()).await.text().contains("a password"));
    assert_eq!(w.ask(Some(&w.admin), Method::PUT, &path, Some(same)).await.status, StatusCode::OK);
}

#[tokio::test]
async fn a_sealed_room_is_not_opened_by_calling_it_a_corridor() {
    let w = World::new().await;
    let district = w.person("district", &[(Role::SiteAdministrator, w.city)]).await;
    let system = w.person("system", &[(Role::SystemAdministrator, w.root)]).await;
    let site = w.person("site", &[(Role::SiteAdministrator, w.sites[0])]).await;
    let path = format!("/api/v1/patrol/cameras/{}", w.camera(0, CameraGroup::SealedRoom));
    let open = form(w.sites[0], "corridor", "rtsp://10.1.1.1/main", "rtsp://10.1.1.1/sub");
    for who in [&district, &system] {
        let refused = w.ask(Some(who), Method::PUT, &path, Some(open.clone())).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{}", refused.text());
    }
    assert_eq!(w.ask(Some(&site), Method::PUT, &path, Some(open)).await.status, StatusCode::OK);
    let log = w.log().await;
    assert!(log.iter().any(|a| a.detail == "changed, group SealedRoom to Corridor"), "who reads the log sees it");
}

#[tokio::test]
async fn links_and_further_pages_leave_their_entries() {
    let w = World::new().await;
    let somebody = w.person("officer", &[(Role::PatrolOfficer, w.sites[0])]).await;
    let made = w.post(&w.admin, &format!("/api/v1/accounts/{}/invitation", somebody.account.id), json!({})).await;
    assert_eq!(made.status, StatusCode::OK, "{}", made.text());
    let link = made.json()["link"].as_str().unwrap().split_once('#').unwrap().1.to_owned();
    let chosen = json!({"token": link, "password": "seven-horses-graze-here"});
    let chosen = w.ask(None, Method::POST, "/api/v1/password", Some(chosen)).await;
    assert_eq!(chosen.status, StatusCode::OK, "{}", chosen.text());
    assert_eq!(w.get(&w.admin, "/api/v1/patrol/audit?after=18446744073709551615").await.status, StatusCode::OK);
    let log = w.log().await;
    let has = |action, detail: &str| log.iter().any(|a| a.action == action && a.detail == detail);
    assert!(has(AuditAction::RightsChanged, "link to choose a password for officer"));
    assert!(has(AuditAction::SignedIn, "chose a password by link"));
    assert!(has(AuditAction::AuditRead, "further pages"));
}
