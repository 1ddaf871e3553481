//! What people do: adding, importing, holding with two people, exporting, second factors, webhooks, what is written down.

use crate::world::World;
use axum::http::{Method, StatusCode};
use lectern_auth::{CameraGroup, Role, SealedFor};
use lectern_library::{AccountChange, By};
use lectern_media::UnixMillis;
use lectern_protocol::api::{AuditAction, ClockDoubt, HealthFault};
use lectern_signaling::patrol::{hooks::signature, ports::PatrolEvent};
use serde_json::{Value, json};
use std::{future::Future, time::Duration};

fn form(w: &World, name: &str, url: &str) -> Value {
    json!({
        "place": w.sites[0], "name": name, "group": "exam_room", "code": "51010000001310000001", "main_url": url,
        "sub_url": "rtsp://10.2.2.2/sub", "transport": "udp", "username": "", "password": null, "kbps_max": 4000,
        "record": true
    })
}

/// Waits until it is so; a state, not a time.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !so().await {
        assert!(tokio::time::Instant::now() < deadline, "never: {what}");
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_cameras_password_is_kept_sealed_and_told_to_nobody() {
    let w = World::new().await;
    let made = w
        .post(&w.admin, "/api/v1/patrol/cameras", form(&w, "一号", "rtsp://admin:hunter2hunter2@10.2.2.2:8554/main"))
        .await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let camera = made.json();
    assert_eq!(camera["source"]["main_url"], "rtsp://10.2.2.2:8554/main");
    assert_eq!(
        (camera["source"]["username"].as_str(), camera["source"]["has_password"].as_bool()),
        (Some("admin"), Some(true))
    );
    let id = camera["id"].as_str().unwrap().parse().unwrap();
    let kept = w.app.library.store().camera(id).await.unwrap().unwrap();
    assert!(!serde_json::to_string(&kept).unwrap().contains("hunter2"), "it is sealed");
    {
        let running = w.site.running.lock().unwrap();
        assert_eq!(running[&id].0.password.as_ref().unwrap().expose(), "hunter2hunter2", "ingest is told");
    }
    for path in [format!("/api/v1/patrol/cameras/{id}"), format!("/api/v1/patrol/places/{}/cameras", w.sites[0])] {
        assert!(!w.get(&w.admin, &path).await.text().contains("hunter2"));
    }
    // Another address with the kept password would hand it to whoever listens there.
    let mut moved = form(&w, "一号", "rtsp://10.9.9.9/main");
    moved["username"] = "admin".into();
    let path = format!("/api/v1/patrol/cameras/{id}");
    let refused = w.ask(Some(&w.admin), Method::PUT, &path, Some(moved.clone())).await;
    assert_eq!(
        (refused.status.as_u16(), refused.json()["field"].as_str()),
        (422, Some("password")),
        "{}",
        refused.text()
    );
    let test = format!("/api/v1/patrol/cameras/test?camera={id}");
    assert!(w.post(&w.admin, &test, moved).await.text().contains("no password"));
    assert!(w.post(&w.admin, &test, form(&w, "x", "rtsp://10.2.2.2:8554/other")).await.text().contains("a password"));
    // This machine is no camera.
    let local = w.post(&w.admin, "/api/v1/patrol/cameras", form(&w, "二号", "rtsp://u:hunter3@127.0.0.1/a")).await;
    assert_eq!(local.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(!local.text().contains("hunter3") && local.text().contains("patrol.allow_loopback"), "{}", local.text());
    let log = w.log().await;
    assert!(log.iter().any(|a| a.action == AuditAction::CameraChanged && a.what.camera == Some(id)));
    assert!(!format!("{log:?}").contains("hunter"));
}

#[tokio::test]
async fn an_import_is_whole_or_nothing() {
    let w = World::new().await;
    let path = |dry| format!("/api/v1/patrol/places/{}/cameras/import?dry_run={dry}", w.sites[0]);
    let count = || w.app.library.cameras().present().count();
    let before = count();
    let wrong = "名称,主码流,地点\n甲,rtsp://10.3.3.1/a,\n乙,http://10.3.3.2/a,\n甲,rtsp://10.3.3.3/a,\n丁,rtsp://127.0.0.1/a,\n戊,rtsp://10.3.3.5/a,九中\n";
    let answer = w.post(&w.admin, &path(false), Value::String(wrong.into())).await.json();
    let told: Vec<(u64, &str)> = answer["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| (e["line"].as_u64().unwrap(), e["code"].as_str().unwrap()))
        .collect();
    let want = [(3, "csv_bad_address"), (4, "csv_camera_name_taken"), (5, "csv_bad_address"), (6, "csv_unknown_place")];
    assert_eq!(told, want);
    assert_eq!((answer["created"].as_u64(), count()), (Some(0), before), "nothing half-imported");
    let good = "名称,主码流,密码\n甲,rtsp://10.3.3.1/a,geheim123\n乙,rtsp://10.3.3.2/a,\n";
    let dry = w.post(&w.admin, &path(true), Value::String(good.into())).await.json();
    assert_eq!((dry["created"].as_u64(), count()), (Some(2), before));
    let done = w.post(&w.admin, &path(false), Value::String(good.into())).await.json();
    assert_eq!((done["created"].as_u64(), count()), (Some(2), before + 2));
    assert_eq!(w.site.running.lock().unwrap().len(), before + 2, "they run");
    let again = w.post(&w.admin, &path(false), Value::String(good.into())).await.json();
    assert_eq!(again["errors"][0]["code"], "csv_camera_name_taken");
}

#[tokio::test]
async fn a_removal_can_be_taken_back_and_then_is_final() {
    let w = World::new().await;
    let id = w.camera(0, CameraGroup::Gate);
    let path = format!("/api/v1/patrol/cameras/{id}");
    assert_eq!(w.ask(Some(&w.admin), Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    assert!(!w.site.running.lock().unwrap().contains_key(&id), "it stops at once");
    let list = format!("/api/v1/patrol/places/{}/cameras", w.sites[0]);
    assert!(!w.get(&w.admin, &list).await.text().contains(&id.to_string()));
    let restored = w.ask(Some(&w.admin), Method::POST, &format!("{path}/restore"), None).await;
    assert_eq!(restored.status, StatusCode::OK, "{}", restored.text());
    assert!(w.site.running.lock().unwrap().contains_key(&id), "it runs again");
    w.ask(Some(&w.admin), Method::DELETE, &path, None).await;
    w.app.patrol.end_removals(UnixMillis::now()).await;
    assert!(w.app.library.cameras().get(id).unwrap().removed.is_none(), "not yet");
    w.app.patrol.end_removals(UnixMillis::now().plus(Duration::from_secs(11))).await;
    assert!(w.app.library.cameras().get(id).unwrap().removed.is_some());
    let day = w.get(&w.admin, &format!("{path}/day?from=1000&to=2000")).await;
    assert_eq!(day.status, StatusCode::OK, "its footage stays");
}

#[tokio::test]
async fn it_takes_two_to_release_a_hold() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let one = w.person("one", &[(Role::PatrolOfficer, w.sites[0])]).await;
    let two = w.person("two", &[(Role::SiteAdministrator, w.sites[0])]).await;
    let body = json!({"cameras": [camera], "from": 1000, "to": 2000, "why": "复核"});
    let held = w.post(&one, "/api/v1/patrol/holds", body).await.json();
    let id = held[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(w.site.held.lock().unwrap().len(), 1, "retention knows");
    let release = format!("/api/v1/patrol/holds/{id}/release");
    let (ask, agree) = (json!({"intent": "ask"}), json!({"intent": "agree"}));
    assert!(
        w.ask(Some(&one), Method::POST, &release, None).await.status.is_client_error(),
        "nobody guesses what is meant"
    );
    // Nobody has asked: nothing to agree to, and nothing to take back.
    let none = w.post(&two, &release, agree.clone()).await;
    assert_eq!((none.status, none.code().as_str()), (StatusCode::CONFLICT, "hold_changed"), "{}", none.text());
    assert_eq!(w.ask(Some(&two), Method::DELETE, &release, None).await.status, StatusCode::OK);
    assert!(
        !w.log().await.iter().any(|a| a.action == AuditAction::HoldReleaseAsked),
        "nothing was asked or taken back"
    );
    let asked = w.post(&one, &release, ask.clone()).await;
    assert_eq!(asked.json()["release_asked_by"], "ONE", "{}", asked.text());
    for wish in [&ask, &agree] {
        let alone = w.post(&one, &release, wish.clone()).await;
        assert_eq!(alone.status, StatusCode::CONFLICT, "{}", alone.text());
    }
    // Their page is from before: they mean to ask, and release nothing.
    let stale = w.post(&two, &release, ask.clone()).await;
    assert_eq!((stale.status, stale.code().as_str()), (StatusCode::CONFLICT, "hold_changed"), "{}", stale.text());
    assert_eq!(w.site.held.lock().unwrap().len(), 1);
    assert_eq!(w.ask(Some(&two), Method::DELETE, &release, None).await.json()["release_asked_by"], Value::Null);
    w.post(&one, &release, ask).await;
    assert_eq!(w.post(&two, &release, agree).await.status, StatusCode::OK);
    assert!(w.site.held.lock().unwrap().is_empty());
    let log = w.log().await;
    for action in [AuditAction::HoldSet, AuditAction::HoldReleaseAsked, AuditAction::HoldReleased] {
        assert!(log.iter().any(|a| a.action == action && a.what.camera == Some(camera)), "{action:?}");
    }
}

#[tokio::test]
async fn a_release_that_the_recorder_refuses_leaves_the_hold_in_force_and_can_be_tried_again() {
    let w = World::new().await;
    let one = w.person("one", &[(Role::PatrolOfficer, w.sites[0])]).await;
    let two = w.person("two", &[(Role::SiteAdministrator, w.sites[0])]).await;
    let body = json!({"cameras": [w.camera(0, CameraGroup::ExamRoom)], "from": 1000, "to": 2000, "why": "复核"});
    let held = w.post(&one, "/api/v1/patrol/holds", body).await.json();
    let release = format!("/api/v1/patrol/holds/{}/release", held[0]["id"].as_str().unwrap());
    w.post(&one, &release, json!({"intent": "ask"})).await;
    *w.site.stuck.lock().unwrap() = true;
    let refused = w.post(&two, &release, json!({"intent": "agree"})).await;
    assert_eq!(
        (refused.status, refused.code().as_str()),
        (StatusCode::CONFLICT, "release_failed"),
        "{}",
        refused.text()
    );
    let told = async || -> Vec<String> {
        let log = w.log().await;
        log.iter().filter(|a| a.action == AuditAction::HoldReleased).map(|a| a.detail.clone()).collect()
    };
    assert_eq!(told().await, ["复核", "release failed"]);
    // The hold is in force, in the catalogue and for retention, and says why; who asked still asks.
    let list = format!("/api/v1/patrol/places/{}/holds", w.sites[0]);
    let shown = w.get(&two, &list).await.json();
    assert_eq!(shown[0]["release_failed"]["why"], "the disk is read-only", "{shown}");
    assert_eq!((&shown[0]["release_asked_by"], &shown[0]["may_release"]), (&json!("ONE"), &json!(true)));
    assert_eq!(w.app.library.store().open_holds().await.unwrap().len(), 1);
    assert_eq!(w.site.held.lock().unwrap().len(), 1);
    let camera = w.camera(0, CameraGroup::ExamRoom);
    w.app.library.remove_camera(camera, UnixMillis::now()).await.unwrap();
    assert!(w.app.library.forget_camera(camera).await.is_err(), "a camera with a hold in force is not forgotten");
    // It can be taken back, and asked for again; and where the recorder lets go, it ends.
    let back = w.ask(Some(&two), Method::DELETE, &release, None).await.json();
    assert_eq!((&back["release_failed"], &back["release_asked_by"]), (&Value::Null, &Value::Null));
    w.post(&one, &release, json!({"intent": "ask"})).await;
    assert_eq!(w.post(&two, &release, json!({"intent": "agree"})).await.code(), "release_failed");
    *w.site.stuck.lock().unwrap() = false;
    let ended = w.post(&two, &release, json!({"intent": "agree"})).await;
    assert_eq!((ended.status, &ended.json()["release_failed"]), (StatusCode::OK, &Value::Null), "{}", ended.text());
    assert!(w.app.library.store().open_holds().await.unwrap().is_empty() && w.site.held.lock().unwrap().is_empty());
    assert_eq!(told().await[2..], ["复核", "release failed", "复核"]);
}

#[tokio::test]
async fn a_doubted_clock_is_told_to_those_who_manage_cameras_and_confirmed_at_the_root_only() {
    let w = World::new().await;
    let site = w.person("site", &[(Role::SiteAdministrator, w.sites[0])]).await;
    let officer = w.person("officer", &[(Role::PatrolOfficer, w.root)]).await;
    let teacher = w.person("teacher", &[(Role::Teacher, w.sites[0])]).await;
    let path = "/api/v1/patrol/clock";
    let seen = |answer: Value| (answer["doubt"]["ahead_ms"].clone(), answer["may_confirm"].clone());
    assert_eq!(seen(w.get(&site, path).await.json()), (Value::Null, json!(false)));
    assert_eq!(w.post(&w.admin, path, json!({"now": UnixMillis::now()})).await.code(), "conflict", "it is believed");
    let doubt = ClockDoubt {
        ahead_ms: 864_000_000,
        counted: UnixMillis(1_788_220_800_000),
        since: UnixMillis(1_789_084_800_000),
        left_ms: None,
        alarm: true,
    };
    *w.site.doubt.lock().unwrap() = Some(doubt);
    for (who, want) in [
        (&w.admin, (json!(864_000_000), json!(true))),
        (&site, (json!(864_000_000), json!(false))),
        (&officer, (Value::Null, json!(false))),
        (&teacher, (Value::Null, json!(false))),
    ] {
        assert_eq!(seen(w.get(who, path).await.json()), want, "{}", who.account.login);
    }
    let now = || json!({"now": UnixMillis::now()});
    for who in [&site, &officer, &teacher, &w.again(&w.admin, false).await] {
        let refused = w.post(who, path, now()).await;
        assert!(refused.status.is_client_error() && w.site.confirmed.lock().unwrap().is_empty(), "{}", refused.text());
    }
    // The page was open while the clock was set: what they saw is not what it shows.
    let stale = w.post(&w.admin, path, json!({"now": UnixMillis::now().0 - 660_000})).await;
    assert_eq!((stale.status, stale.code().as_str()), (StatusCode::UNPROCESSABLE_ENTITY, "bad_field"));
    assert!(w.site.confirmed.lock().unwrap().is_empty());
    let done = w.post(&w.admin, path, now()).await;
    assert_eq!((done.status, &done.json()["doubt"]), (StatusCode::OK, &Value::Null), "{}", done.text());
    assert_eq!(w.site.confirmed.lock().unwrap().len(), 1);
    let log = w.log().await;
    let told = log.iter().find(|a| a.action == AuditAction::PolicyChanged).expect("it is written down");
    assert_eq!((told.detail.as_str(), told.what.place), ("clock confirmed 864000000", Some(w.root)));
}

#[tokio::test]
async fn a_request_for_release_ends_by_itself_and_with_the_right_of_whoever_asked() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let one = w.person("one", &[(Role::PatrolOfficer, w.sites[0])]).await;
    let two = w.person("two", &[(Role::SiteAdministrator, w.sites[0])]).await;
    let three = w.person("three", &[(Role::SiteAdministrator, w.sites[0])]).await;
    let body = json!({"cameras": [camera], "from": 1000, "to": 2000, "why": "复核"});
    let held = w.post(&one, "/api/v1/patrol/holds", body).await.json();
    let id: ulid::Ulid = held[0]["id"].as_str().unwrap().parse().unwrap();
    let (release, store) = (format!("/api/v1/patrol/holds/{id}/release"), w.app.library.store());
    let list = format!("/api/v1/patrol/places/{}/holds", w.sites[0]);
    // Asked for a day and a minute ago.
    let at = UnixMillis(UnixMillis::now().0 - 24 * 3_600_000 - 60_000);
    store.ask_release(id, By { account: one.account.id, name: one.account.name.clone(), at }).await.unwrap();
    let shown = w.get(&two, &list).await.json();
    assert_eq!((&shown[0]["release_asked_by"], &shown[0]["may_release"]), (&Value::Null, &json!(false)));
    let (ask, agree) = (json!({"intent": "ask"}), json!({"intent": "agree"}));
    let late = w.post(&two, &release, agree.clone()).await;
    assert_eq!((late.status, late.code().as_str()), (StatusCode::CONFLICT, "hold_changed"), "{}", late.text());
    let asked = w.post(&two, &release, ask.clone()).await;
    assert_eq!(asked.json()["release_asked_by"], "TWO", "it is asked anew: {}", asked.text());
    assert_eq!(w.site.held.lock().unwrap().len(), 1, "one person has released nothing");
    // Whoever asked has lost the right since.
    let change = AccountChange { roles: Some(vec![]), ..AccountChange::default() };
    store.change_account(two.account.id, change).await.unwrap();
    let shown = w.get(&three, &list).await.json();
    assert_eq!((&shown[0]["release_asked_by"], &shown[0]["may_release"]), (&Value::Null, &json!(false)));
    assert_eq!(w.post(&three, &release, agree.clone()).await.code(), "hold_changed");
    let asked = w.post(&three, &release, ask).await;
    assert_eq!(asked.json()["release_asked_by"], "THREE", "{}", asked.text());
    assert_eq!(w.site.held.lock().unwrap().len(), 1);
    assert_eq!(w.post(&one, &release, agree).await.status, StatusCode::OK);
    assert!(w.site.held.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_release_comes_to_its_end_when_whoever_agreed_goes_away() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let two = w.person("two", &[(Role::SiteAdministrator, w.sites[0])]).await;
    let body = json!({"cameras": [camera], "from": 1000, "to": 2000, "why": "复核"});
    let held = w.post(&two, "/api/v1/patrol/holds", body).await.json();
    let id: ulid::Ulid = held[0]["id"].as_str().unwrap().parse().unwrap();
    let (release, store) = (format!("/api/v1/patrol/holds/{id}/release"), w.app.library.store());
    assert_eq!(w.post(&two, &release, json!({"intent": "ask"})).await.status, StatusCode::OK);
    let until = async |is: fn(&lectern_library::Hold) -> bool| {
        while !store.hold(id).await.unwrap().is_some_and(|hold| is(&hold)) {
            tokio::task::yield_now().await;
        }
    };
    *w.site.stuck.lock().unwrap() = true;
    let gate = w.site.gate.lock().await;
    tokio::select! {
        answer = w.post(&w.admin, &release, json!({"intent": "agree"})) => panic!("{}", answer.text()),
        () = until(|hold| hold.released.is_some()) => {}
    }
    // The request is gone; the recorder refuses only now.
    drop(gate);
    until(|hold| hold.released.is_none() && hold.release_failed.is_some()).await;
    let log = w.log().await;
    assert!(log.iter().any(|a| a.action == AuditAction::HoldReleased && a.what.camera == Some(camera)));
}

#[tokio::test]
async fn leaving_marking_removing_and_refused_resets_are_written_down() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let one = w.person("one", &[(Role::SiteAdministrator, w.sites[0])]).await;
    let two = w.person("two", &[(Role::PatrolOfficer, w.sites[0])]).await;
    let mark = format!("/api/v1/patrol/cameras/{camera}/bookmarks");
    let mark = w.post(&one, &mark, json!({"at": 1_500, "text": "传纸条"})).await.json();
    let path = format!("/api/v1/patrol/bookmarks/{}", mark["id"].as_str().unwrap());
    assert_eq!(w.ask(Some(&one), Method::DELETE, &path, None).await.status, StatusCode::NO_CONTENT);
    let body = json!({"cameras": [camera], "from": 1000, "to": 2000, "reason": "复核"});
    let id = w.post(&one, "/api/v1/patrol/exports", body).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/patrol/exports/{id}");
    assert_eq!(w.ask(Some(&one), Method::DELETE, &path, None).await.status, StatusCode::OK);
    let reset = format!("/api/v1/accounts/{}/factor", one.account.id);
    assert_ne!(w.ask(Some(&two), Method::DELETE, &reset, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(w.ask(Some(&two), Method::DELETE, "/api/v1/session", None).await.status, StatusCode::NO_CONTENT);
    let log = w.log().await;
    let of = |action| log.iter().filter(|a| a.action == action).collect::<Vec<_>>();
    for (action, detail) in [(AuditAction::BookmarkSet, "传纸条"), (AuditAction::BookmarkRemoved, "传纸条")] {
        let [act] = of(action)[..] else { panic!("{action:?}: {log:?}") };
        assert_eq!(
            (act.what.camera, act.range, act.detail.as_str()),
            (Some(camera), Some((UnixMillis(1_500), UnixMillis(1_500))), detail)
        );
    }
    let [removed] = of(AuditAction::ExportRemoved)[..] else { panic!("{log:?}") };
    assert_eq!((removed.what.camera, &removed.detail), (Some(camera), &id));
    let [left] = of(AuditAction::SignedOut)[..] else { panic!("{log:?}") };
    assert_eq!(left.who.account, Some(two.account.id));
    assert!(
        of(AuditAction::Refused).iter().any(|a| a.detail.starts_with("reset for ") && a.who.login == "two"),
        "{log:?}"
    );
}

#[tokio::test]
async fn a_password_in_path_or_query_is_kept_sealed_too() {
    let w = World::new().await;
    let main = "rtsp://10.2.2.2/main?user=admin&password=hunter2hunter2";
    let made = w.post(&w.admin, "/api/v1/patrol/cameras", form(&w, "一号", main)).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
    let masked = "rtsp://10.2.2.2/main?user=admin&password=***";
    assert_eq!(made.json()["source"]["main_url"], masked);
    let id = made.json()["id"].as_str().unwrap().parse().unwrap();
    let kept = w.app.library.store().camera(id).await.unwrap().unwrap();
    assert!(!serde_json::to_string(&kept).unwrap().contains("hunter2"), "it is sealed");
    let runs_at = || {
        let running = w.site.running.lock().unwrap();
        running[&id].0.address(&running[&id].0.main_url)
    };
    assert_eq!(runs_at(), main, "the camera is asked as it wants");
    // The form is sent as it was shown: the password stays.
    let path = format!("/api/v1/patrol/cameras/{id}");
    let mut same = form(&w, "改名", masked);
    let changed = w.ask(Some(&w.admin), Method::PUT, &path, Some(same.clone())).await;
    assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
    assert_eq!(runs_at(), main);
    // To another machine it does not go, nor does nothing become a password.
    same["main_url"] = "rtsp://10.9.9.9/main?password=***".into();
    assert_eq!(w.ask(Some(&w.admin), Method::PUT, &path, Some(same.clone())).await.json()["field"], "password");
    same["name"] = "三号".into();
    assert_eq!(w.post(&w.admin, "/api/v1/patrol/cameras", same.clone()).await.json()["field"], "password");
    same["main_url"] = main.into();
    same["password"] = "another".into();
    assert_eq!(w.post(&w.admin, "/api/v1/patrol/cameras", same).await.json()["field"], "main_url");
    assert!(!format!("{:?}", w.log().await).contains("hunter"));
}

#[tokio::test]
async fn an_export_is_fetched_by_its_maker_only() {
    let w = World::new().await;
    let (_stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let patrol = w.app.patrol.clone();
    tokio::spawn(async move { patrol.keep(async move { drop(stopped.await) }).await });
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let one = w.person("one", &[(Role::SiteAdministrator, w.sites[0])]).await;
    let two = w.person("two", &[(Role::SiteAdministrator, w.sites[0])]).await;
    let body = json!({"cameras": [camera], "from": 1000, "to": 2000, "reason": "复核"});
    let id = w.post(&one, "/api/v1/patrol/exports", body).await.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/patrol/exports/{id}");
    until("ready", async || w.get(&one, &path).await.json()["state"] == "ready").await;
    assert_eq!(w.get(&two, &path).await.status, StatusCode::NOT_FOUND);
    assert_eq!(w.ask(Some(&two), Method::POST, &format!("{path}/grants"), None).await.status, StatusCode::NOT_FOUND);
    let token = w.ask(Some(&one), Method::POST, &format!("{path}/grants"), None).await.json()["token"].clone();
    let fetch = format!("/api/v1/patrol/media/{}/export", token.as_str().unwrap());
    assert_eq!(w.get(&two, &fetch).await.code(), "grant_foreign");
    let got = w.get(&one, &fetch).await;
    assert_eq!((got.status, &got.bytes[..]), (StatusCode::OK, &b"evidence"[..]));
    let log = w.log().await;
    for action in [AuditAction::ExportAsked, AuditAction::ExportFetched] {
        assert_eq!(log.iter().filter(|a| a.action == action).count(), 1, "{action:?}");
    }
}

#[tokio::test]
async fn what_is_played_is_written_down_as_a_stretch() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let grant = json!({"purpose": "play", "from": 1_000_000, "to": 1_100_000});
    let grant = w.post(&w.admin, &format!("/api/v1/patrol/cameras/{camera}/grants"), grant).await.json();
    let token = grant["token"].as_str().unwrap();
    for second in (0..40).step_by(2) {
        let (from, to) = (1_000_000 + second * 1_000, 1_002_000 + second * 1_000);
        let answer = w.get(&w.admin, &format!("/api/v1/patrol/media/{token}/{from}-{to}.mp4")).await;
        assert_eq!(answer.status, StatusCode::OK);
    }
    w.app.patrol.close().await;
    let log = w.log().await;
    let played: Vec<_> = log.iter().filter(|a| a.action == AuditAction::Played).collect();
    assert_eq!(played.len(), 1, "one stretch, not twenty");
    assert_eq!((played[0].range, played[0].seconds), (Some((UnixMillis(1_000_000), UnixMillis(1_040_000))), Some(40)));
}

#[tokio::test]
async fn an_alarm_that_the_store_refuses_was_not_told() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let since = UnixMillis::now();
    let black = PatrolEvent::Fault { camera, fault: HealthFault::Black, since };
    assert!(w.app.patrol.event(black.clone()).await);
    assert!(w.app.patrol.event(black).await, "it is known already");
    w.app.library.store().close().await;
    let frozen = PatrolEvent::Fault { camera, fault: HealthFault::Frozen, since };
    assert!(!w.app.patrol.event(frozen).await);
    assert!(!w.app.patrol.event(PatrolEvent::FaultOver { camera, fault: HealthFault::Black, until: since }).await);
}

#[tokio::test]
async fn webhooks_tell_of_alarms_signed_until_they_arrive() {
    let w = World::new().await;
    let (_stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let patrol = w.app.patrol.clone();
    tokio::spawn(async move { patrol.keep(async move { drop(stopped.await) }).await });
    let hook = json!({"url": "https://alarm.example/x", "place": w.city});
    let made = w.post(&w.admin, "/api/v1/patrol/webhooks", hook).await.json();
    let secret = made["secret"].as_str().unwrap().to_owned();
    let id = made["webhook"]["id"].as_str().unwrap().parse().unwrap();
    let kept = w.app.library.store().webhooks().await.unwrap().remove(0);
    assert!(!serde_json::to_string(&kept).unwrap().contains(&secret), "it is sealed");
    assert!(!w.get(&w.admin, "/api/v1/patrol/webhooks").await.text().contains(&secret), "and told once");
    let _ = SealedFor::Webhook(id);

    *w.site.deaf.lock().unwrap() = true;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let fault = PatrolEvent::Fault { camera, fault: HealthFault::Covered, since: UnixMillis(5) };
    w.app.patrol.event(fault.clone()).await;
    w.app.patrol.event(fault).await;
    until("a try", async || !w.site.calls.lock().unwrap().is_empty()).await;
    *w.site.deaf.lock().unwrap() = false;
    until("it arrives", async || w.get(&w.admin, "/api/v1/patrol/webhooks").await.json()[0]["delivered"].is_number())
        .await;
    let calls = w.site.calls.lock().unwrap().clone();
    assert_eq!(calls.len(), 2, "the same alarm is told once, and tried again");
    let header = |n: usize, name: &str| calls[n].1.iter().find(|(k, _)| *k == name).unwrap().1.clone();
    assert_eq!(header(0, "x-lectern-delivery"), header(1, "x-lectern-delivery"));
    let given = header(1, "x-lectern-signature");
    let at: i64 = given.split(',').next().unwrap().strip_prefix("t=").unwrap().parse().unwrap();
    assert_eq!(given, signature(secret.as_bytes(), UnixMillis(at * 1_000), &calls[1].2));
    let body: Value = serde_json::from_slice(&calls[1].2).unwrap();
    assert_eq!((&body["event"], &body["alarm"]["fault"]), (&json!("raised"), &json!("covered")));

    // Handled by people.
    let list = w.get(&w.admin, &format!("/api/v1/patrol/alarms?place={}&open=true", w.sites[0])).await.json();
    assert_eq!(list["open"], 1);
    let alarm = list["items"][0]["id"].as_str().unwrap();
    let done = json!({"acknowledge": true, "note": "镜头被遮挡", "hand_to": "王工"});
    let changed = w.ask(Some(&w.admin), Method::PATCH, &format!("/api/v1/patrol/alarms/{alarm}"), Some(done)).await;
    assert_eq!(changed.json()["handed_to"], "王工", "{}", changed.text());
    assert_eq!(w.get(&w.admin, "/api/v1/patrol/alarms").await.json()["open"], 0);
}

#[tokio::test]
async fn a_second_factor_from_set_up_to_reset() {
    let w = World::new().await;
    let shown = w.person("officer", &[(Role::PatrolOfficer, w.sites[0])]).await;
    let officer = w.again(&shown, false).await;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let day = format!("/api/v1/patrol/cameras/{camera}/day?from=1000&to=2000");
    assert_eq!(w.get(&officer, &day).await.code(), "needs_second_factor");
    let me = w.get(&officer, "/api/v1/me").await.json();
    assert_eq!(
        (&me["patrol"], &me["factor"]["needed"], &me["factor"]["totp"]),
        (&json!(true), &json!(true), &json!(false))
    );

    let setup = w.ask(Some(&officer), Method::POST, "/api/v1/session/factor/totp", None).await.json();
    assert!(setup["qr_svg"].as_str().unwrap().contains("<svg"));
    let secret = base32(setup["secret"].as_str().unwrap());
    let code = |offset: i64| {
        let step = lectern_auth::totp::step(UnixMillis::now()).unwrap() as i64 + offset;
        json!({"code": format!("{:06}", lectern_auth::totp::code(&secret, step as u64))})
    };
    // The seconds go on: the same code, not the same moment's.
    let first = code(0);
    let confirmed = w.ask(Some(&officer), Method::PUT, "/api/v1/session/factor/totp", Some(first.clone())).await;
    let codes = confirmed.json()["codes"].as_array().unwrap().clone();
    assert_eq!(codes.len(), 10, "{}", confirmed.text());
    assert_eq!(w.get(&officer, &day).await.status, StatusCode::OK, "this session has shown it");

    // Another session has not; a code is good once.
    let other = w.again(&officer, false).await;
    assert_eq!(w.get(&other, &day).await.code(), "needs_second_factor");
    let removal = w.ask(Some(&other), Method::DELETE, "/api/v1/session/factor/totp", None).await;
    assert_eq!(removal.code(), "needs_second_factor", "nor does it take the factor away");
    let again = w.ask(Some(&other), Method::POST, "/api/v1/session/factor/totp", None).await;
    assert_eq!(again.code(), "needs_second_factor", "nor replace it");
    assert_eq!(w.post(&other, "/api/v1/session/factor", first).await.code(), "wrong_code", "used before");
    let recovered = w.post(&other, "/api/v1/session/factor", json!({"code": codes[0]})).await.json();
    assert_eq!(recovered["recovery_left"], 9);
    assert_eq!(w.get(&other, &day).await.status, StatusCode::OK);
    assert_eq!(w.post(&other, "/api/v1/session/factor", json!({"code": codes[0]})).await.code(), "wrong_code");

    // Guessing is slowed down.
    let mut told = String::new();
    for _ in 0..8 {
        told = w.post(&other, "/api/v1/session/factor", json!({"code": "000000"})).await.code();
    }
    assert_eq!(told, "too_often");

    // An administrator takes it away; the sessions end with it.
    let reset = format!("/api/v1/accounts/{}/factor", officer.account.id);
    assert_eq!(w.ask(Some(&w.admin), Method::DELETE, &reset, None).await.status, StatusCode::NO_CONTENT);
    assert_eq!(w.get(&other, &day).await.code(), "not_signed_in");
    let log = w.log().await;
    for action in [AuditAction::FactorChanged, AuditAction::FactorShown, AuditAction::FactorFailed] {
        assert!(log.iter().any(|a| a.action == action), "{action:?}");
    }
}

fn base32(text: &str) -> Vec<u8> {
    let (mut bits, mut count, mut out) = (0_u32, 0, vec![]);
    for c in text.bytes() {
        let value = match c {
            b'A'..=b'Z' => c - b'A',
            _ => c - b'2' + 26,
        };
        bits = bits << 5 | u32::from(value);
        count += 5;
        if count >= 8 {
            count -= 8;
            out.push((bits >> count) as u8);
        }
    }
    out
}

#[tokio::test]
async fn the_separation_ends_the_one_administrator() {
    let w = World::new().await;
    for login in ["sys", "sec", "aud"] {
        let account = w.person(login, &[]).await.account;
        let hash = lectern_library::library::hash_password("seven-horses-graze".to_owned().into()).await.unwrap();
        let change = lectern_library::AccountChange { password: Some(hash), ..Default::default() };
        w.app.library.store().change_account(account.id, change).await.unwrap();
    }
    let body = json!({"system": "sys", "security": "sec", "audit": "aud"});
    let done = w.post(&w.admin, "/api/v1/patrol/separation", body).await;
    assert_eq!(done.status, StatusCode::NO_CONTENT, "{}", done.text());
    assert_eq!(w.get(&w.admin, "/api/v1/me").await.code(), "not_signed_in", "it handed over and ended");
    let store = w.app.library.store();
    let of = async |login: &str| store.account_by_login(login).await.unwrap().unwrap();
    let camera = w.camera(0, CameraGroup::ExamRoom);
    // Each does its own, and none looks.
    for (login, see, audit) in [("sys", 200, 403), ("sec", 200, 403), ("aud", 404, 200)] {
        let fresh = crate::world::Person { account: of(login).await, ..w.admin.clone() };
        let who = w.again(&fresh, true).await;
        let told = |what: &str| format!("{login} {what}");
        let seen = w.get(&who, &format!("/api/v1/patrol/cameras/{camera}")).await;
        assert_eq!(seen.status.as_u16(), see, "{}: {}", told("sees"), seen.text());
        let day = w.get(&who, &format!("/api/v1/patrol/cameras/{camera}/day?from=1000&to=2000")).await;
        assert!(day.status.is_client_error(), "{}", told("plays"));
        let read = w.get(&who, &format!("/api/v1/patrol/places/{}/audit/sum", w.root)).await;
        assert_eq!(read.status.as_u16(), audit, "{}: {}", told("audits"), read.text());
        assert_eq!(w.get(&who, "/api/v1/patrol/separation").await.json()["on"], true);
    }
}
