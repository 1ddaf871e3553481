//! Whoever asked goes away in the middle, or something fails there: what was begun comes to its end, in the catalogue, beside it and in the audit
//! log.

use crate::{flow::until, world::World};
use axum::http::{Method, StatusCode};
use lectern_auth::CameraGroup;
use lectern_media::{CameraId, UnixMillis};
use lectern_protocol::api::{AuditAction, HealthFault};
use lectern_signaling::patrol::trail::{Act, What, Who};
use serde_json::{Value, json};
use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Wake, Waker},
};
use tokio::sync::Notify;
use ulid::Ulid;

/// Asks, and goes away when `begun` is so, which it is while the cameras can't be begun or ended.
async fn ask_and_go<F: Future<Output = bool>>(
    w: &World,
    (method, path, body): (Method, &str, Option<Value>),
    begun: impl FnMut() -> F,
) {
    let gate = w.site.halt.lock().await;
    tokio::select! {
        answer = w.ask(Some(&w.admin), method, path, body) => panic!("{}", answer.text()),
        () = until("begun", begun) => {}
    }
    // The request is gone; the camera is begun or ended only now.
    drop(gate);
}

struct Woken(Notify);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.notify_one();
    }
}

/// Carries a request on step by step, and leaves it before the first step at which `begun` is so.
async fn step_and_go<F: Future<Output = bool>>(asked: impl Future, mut begun: impl FnMut() -> F) {
    let woken = Arc::new(Woken(Notify::new()));
    let waker = Waker::from(Arc::clone(&woken));
    let mut asked = pin!(asked);
    while !begun().await {
        assert!(asked.as_mut().poll(&mut Context::from_waker(&waker)).is_pending(), "it was answered");
        woken.0.notified().await;
    }
}

fn present(w: &World) -> Vec<CameraId> {
    w.app.library.cameras().present().map(|c| c.id).collect()
}

async fn running(w: &World, camera: CameraId, want: bool) {
    until("the camera follows", || async { w.site.running.lock().unwrap().contains_key(&camera) == want }).await;
}

async fn told(w: &World, camera: CameraId, detail: &str) -> usize {
    let log = w.log().await;
    log.iter()
        .filter(|a| a.action == AuditAction::CameraChanged && a.detail == detail && a.what.camera == Some(camera))
        .count()
}

#[tokio::test]
async fn cameras_that_are_added_run_when_whoever_added_them_goes_away() {
    let w = World::new().await;
    let before = present(&w);
    let new = |w: &World| present(w).into_iter().filter(|id| !before.contains(id)).collect::<Vec<_>>();
    let form = json!({
        "place": w.sites[0], "name": "一号", "group": "gate", "code": null, "main_url": "rtsp://10.2.2.2/main",
        "sub_url": null, "transport": "tcp", "username": "", "password": null, "kbps_max": 4000, "record": true
    });
    ask_and_go(&w, (Method::POST, "/api/v1/patrol/cameras", Some(form)), || async { new(&w).len() == 1 }).await;
    running(&w, new(&w)[0], true).await;
    assert_eq!(told(&w, new(&w)[0], "added").await, 1);
    let sheet = Value::String("名称,主码流\n甲,rtsp://10.3.3.1/a\n乙,rtsp://10.3.3.2/a\n".into());
    let path = format!("/api/v1/patrol/places/{}/cameras/import?dry_run=false", w.sites[0]);
    ask_and_go(&w, (Method::POST, &path, Some(sheet)), || async { new(&w).len() == 3 }).await;
    for camera in new(&w) {
        running(&w, camera, true).await;
    }
    until("it is written down", || async { w.log().await.iter().any(|a| a.detail == "imported 2") }).await;
}

#[tokio::test]
async fn a_camera_stops_starts_leaves_and_returns_when_whoever_asked_goes_away() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::Gate);
    let path = format!("/api/v1/patrol/cameras/{camera}");
    let enabled = || w.app.library.cameras().get(camera).unwrap().enabled;
    for on in [false, true] {
        let body = json!({"enabled": on, "record": null});
        ask_and_go(&w, (Method::PATCH, &path, Some(body)), || async { enabled() == on }).await;
        running(&w, camera, on).await;
    }
    assert_eq!((told(&w, camera, "stopped").await, told(&w, camera, "started").await), (1, 1));
    ask_and_go(&w, (Method::DELETE, &path, None), || async { !enabled() }).await;
    running(&w, camera, false).await;
    assert_eq!(told(&w, camera, "removed").await, 1);
    let back = format!("{path}/restore");
    ask_and_go(&w, (Method::POST, &back, None), || async { enabled() }).await;
    running(&w, camera, true).await;
    until("it is written down", || async { told(&w, camera, "restored").await == 1 }).await;
}

#[tokio::test]
async fn of_two_who_remove_a_camera_one_does_and_it_can_be_taken_back() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::Gate);
    let path = format!("/api/v1/patrol/cameras/{camera}");
    let remove = || w.ask(Some(&w.admin), Method::DELETE, &path, None);
    let (one, two) = tokio::join!(remove(), remove());
    let mut answers = [one.status, two.status];
    answers.sort();
    assert_eq!(answers, [StatusCode::NO_CONTENT, StatusCode::NOT_FOUND]);
    assert_eq!(told(&w, camera, "removed").await, 1);
    let back = w.post(&w.admin, &format!("{path}/restore"), json!({})).await;
    assert_eq!((back.status, &back.json()["enabled"]), (StatusCode::OK, &json!(true)));
    running(&w, camera, true).await;
}

#[tokio::test]
async fn a_removal_that_is_taken_back_is_written_down_also_when_the_camera_can_not_be_begun() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::Gate);
    let path = format!("/api/v1/patrol/cameras/{camera}");
    let back = format!("{path}/restore");
    let restore = || w.ask(Some(&w.admin), Method::POST, &back, None);
    assert_eq!(restore().await.status, StatusCode::NOT_FOUND);
    assert_eq!(told(&w, camera, "restored").await, 0, "it was not removed");
    assert_eq!(w.ask(Some(&w.admin), Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    *w.site.broken.lock().unwrap() = true;
    let failed = restore().await;
    assert!(failed.status.is_server_error(), "{}", failed.text());
    assert!(w.app.library.cameras().get(camera).unwrap().enabled, "it is there again");
    assert_eq!((told(&w, camera, "restored").await, told(&w, camera, "not done").await), (1, 0));
}

/// An alarm, and the way to handle it.
async fn alarm(w: &World) -> (Ulid, String) {
    let (camera, fault) = (w.camera(0, CameraGroup::Gate), HealthFault::Black);
    let (alarm, _) = w.app.library.store().raise_alarm(camera, fault, UnixMillis(1_000)).await.unwrap();
    (alarm.id, format!("/api/v1/patrol/alarms/{}", alarm.id))
}

fn words(note: &str) -> Option<Value> {
    Some(json!({"acknowledge": true, "note": note, "hand_to": null}))
}

#[tokio::test]
async fn an_alarm_that_is_handled_is_written_down_and_told_when_whoever_handled_it_goes_away() {
    let w = World::new().await;
    let (_stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let patrol = w.app.patrol.clone();
    tokio::spawn(async move { patrol.keep(async move { drop(stopped.await) }).await });
    let hook = json!({"url": "https://alarm.example/x", "place": w.city});
    assert_eq!(w.post(&w.admin, "/api/v1/patrol/webhooks", hook).await.status, StatusCode::CREATED);
    let (id, path) = alarm(&w).await;
    let store = w.app.library.store();
    let noted = || async { store.alarm(id).await.unwrap().unwrap().note == "已处理" };
    step_and_go(w.ask(Some(&w.admin), Method::PATCH, &path, words("已处理")), noted).await;
    let handled = || async { w.log().await.iter().any(|a| a.action == AuditAction::AlarmHandled) };
    until("it is written down", handled).await;
    until("it is told", || async { !w.site.calls.lock().unwrap().is_empty() }).await;
}

#[tokio::test]
async fn an_alarm_is_not_handled_when_that_can_not_be_written_down() {
    let w = World::new().await;
    let (id, path) = alarm(&w).await;
    let closed = w.site.page.lock().await;
    let act = || Act::new(UnixMillis(1), Who::default(), AuditAction::Started, What::default(), "");
    while w.app.patrol.trail().note_now(act()) {
        // The writer takes some of them with it.
        tokio::task::yield_now().await;
    }
    // Else it would be waited for.
    tokio::time::pause();
    let refused = w.ask(Some(&w.admin), Method::PATCH, &path, words("已处理")).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "busy"));
    drop(closed);
    let kept = w.app.library.store().alarm(id).await.unwrap().unwrap();
    assert_eq!((kept.note.as_str(), kept.acknowledged), ("", None));
}
