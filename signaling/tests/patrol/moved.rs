//! A camera that was moved: what it recorded belongs to the place where it hung then.

use crate::{
    common::FOOTAGE,
    world::{Person, World},
};
use axum::http::{Method, StatusCode};
use lectern_auth::{CameraGroup, Role};
use lectern_media::{CameraId, UnixMillis};
use lectern_protocol::api::AuditAction;
use serde_json::{Value, json};

/// When it is moved; ten minutes before and after are looked at.
const MOVED: i64 = 10_000_000;
const FROM: i64 = MOVED - 600_000;
const TO: i64 = MOVED + 600_000;

struct Moved {
    w: World,
    camera: CameraId,
    /// Whoever answers for the place where it hung before, and for that where it hangs now.
    before: Person,
    after: Person,
}

async fn moved() -> Moved {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let before = w.person("before", &[(Role::SiteAdministrator, w.sites[0])]).await;
    let after = w.person("after", &[(Role::SiteAdministrator, w.sites[1])]).await;
    w.moved(camera, w.sites[1], CameraGroup::ExamRoom, UnixMillis(MOVED)).await;
    Moved { w, camera, before, after }
}

#[tokio::test]
async fn a_day_across_the_move_shows_each_their_part_and_says_that_the_rest_is_not_theirs() {
    let Moved { w, camera, before, after } = moved().await;
    for at in [MOVED - 1_000, MOVED + 1_000] {
        let mark = json!({"at": at, "text": format!("{at}")});
        let path = format!("/api/v1/patrol/cameras/{camera}/bookmarks");
        assert_eq!(w.post(&w.admin, &path, mark).await.status, StatusCode::CREATED);
        let hold = json!({"cameras": [camera], "from": at - 500, "to": at + 500, "why": "复核"});
        assert_eq!(w.post(&w.admin, "/api/v1/patrol/holds", hold).await.status, StatusCode::CREATED);
    }
    let span = |from: i64, to: i64| json!([{"from": from, "to": to}]);
    for (who, own, elsewhere) in [
        (&before, span(FROM, MOVED), span(MOVED, TO)),
        (&after, span(MOVED, TO), span(FROM, MOVED)),
        (&w.admin, span(FROM, TO), json!([])),
    ] {
        let path = format!("/api/v1/patrol/cameras/{camera}/day?from={FROM}&to={TO}");
        let day = w.get(who, &path).await.json();
        // To the recorder an administrator's day is one stretch.
        assert_eq!((&day["sub"], &day["main"], &day["elsewhere"]), (&own, &own, &elsewhere), "{}", who.account.login);
        let all = who.account.id == w.admin.account.id;
        for list in ["bookmarks", "holds"] {
            assert_eq!(day[list].as_array().unwrap().len(), if all { 2 } else { 1 }, "{} {list}", who.account.login);
        }
    }
    let path = |from, to| format!("/api/v1/patrol/cameras/{camera}/day?from={from}&to={to}");
    let gone = w.get(&before, &path(MOVED, TO)).await;
    assert_eq!((gone.status, gone.code().as_str()), (StatusCode::FORBIDDEN, "hung_elsewhere"));
    let not_yet = w.get(&after, &path(FROM, MOVED)).await;
    assert_eq!((not_yet.status, not_yet.code().as_str()), (StatusCode::FORBIDDEN, "hung_elsewhere"));
    // To a stranger it is as if it were not there at all.
    let stranger = w.person("stranger", &[(Role::Teacher, w.sites[0])]).await;
    assert_eq!(w.get(&stranger, &path(FROM, MOVED)).await.status, StatusCode::NOT_FOUND);
    // Holds are found where what they hold was recorded, and released by those of there.
    for (site, who, other) in [(0, &before, &after), (1, &after, &before)] {
        let list = w.get(who, &format!("/api/v1/patrol/places/{}/holds", w.sites[site])).await.json();
        assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
        let release = format!("/api/v1/patrol/holds/{}/release", list[0]["id"].as_str().unwrap());
        assert!(w.post(other, &release, json!({"intent": "ask"})).await.status.is_client_error());
        assert_eq!(w.post(who, &release, json!({"intent": "ask"})).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn media_are_given_up_to_the_move_and_no_segment_reaches_across() {
    let Moved { w, camera, before, after } = moved().await;
    let grants = format!("/api/v1/patrol/cameras/{camera}/grants");
    for (who, first, second) in
        [(&before, StatusCode::OK, StatusCode::FORBIDDEN), (&after, StatusCode::FORBIDDEN, StatusCode::OK)]
    {
        let granted = w.post(who, &grants, json!({"purpose": "play", "from": FROM, "to": TO})).await;
        let token = granted.json()["token"].as_str().unwrap_or_else(|| panic!("{}", granted.text())).to_owned();
        let get = async |rest: &str| w.get(who, &format!("/api/v1/patrol/media/{token}/{rest}")).await;
        for (rest, want) in [
            (format!("{}-{MOVED}.mp4", MOVED - 2_000), first),
            (format!("{MOVED}-{}.mp4", MOVED + 2_000), second),
            (format!("{}-{}.mp4", MOVED - 1_000, MOVED + 1_000), StatusCode::FORBIDDEN),
            (format!("sound/{}-{MOVED}.mp4", MOVED - 2_000), first),
            (format!("index.m3u8?from={}&to={MOVED}", MOVED - 2_000), first),
            (format!("index.m3u8?from={MOVED}&to={}", MOVED + 2_000), second),
            ("index.m3u8".to_owned(), StatusCode::OK),
        ] {
            let answer = get(&rest).await;
            assert_eq!(answer.status, want, "{} {rest}: {}", who.account.login, answer.text());
            if want == StatusCode::FORBIDDEN {
                assert!(answer.code() == "hung_elsewhere" && !answer.bytes.windows(8).any(|b| FOOTAGE.starts_with(b)));
            }
        }
        // A snapshot is of the moment, whatever the grant may reach back to.
        for (at, want) in [(MOVED - 1, first), (MOVED, second)] {
            let granted = w.post(who, &grants, json!({"purpose": "snapshot", "from": at, "to": at + 1})).await;
            assert_eq!(granted.status, want, "{} {at}: {}", who.account.login, granted.text());
        }
        let across =
            w.post(who, &grants, json!({"purpose": "snapshot", "from": MOVED - 1_000, "to": MOVED + 1_000})).await;
        let token = across.json()["token"].as_str().unwrap().to_owned();
        for (at, want) in [(MOVED - 1, first), (MOVED, second)] {
            let path = format!("/api/v1/patrol/media/{token}/snapshot.mp4?at={at}");
            assert_eq!(w.get(who, &path).await.status, want, "{} {at}", who.account.login);
        }
    }
    // Live is what it is now.
    let live = json!({"purpose": "snapshot", "from": null, "to": null});
    assert_eq!(w.post(&before, &grants, live.clone()).await.status, StatusCode::NOT_FOUND);
    assert_eq!(w.post(&after, &grants, live).await.status, StatusCode::OK);
    // Who looked at my site: each finds what was played of theirs, and nothing of the other.
    w.app.patrol.close().await;
    let log = w.log().await;
    for (site, login) in [(0, "before"), (1, "after")] {
        let here = |a: &&lectern_signaling::patrol::trail::Act| {
            [AuditAction::Played, AuditAction::Snapshot].contains(&a.action) && a.what.place == Some(w.sites[site])
        };
        let who: Vec<&str> = log.iter().filter(here).map(|a| a.who.login.as_str()).collect();
        assert!(!who.is_empty() && who.iter().all(|l| *l == login), "{who:?}");
    }
}

#[tokio::test]
async fn what_an_administrator_of_both_plays_is_told_to_each_site() {
    let Moved { w, camera, .. } = moved().await;
    let grants = format!("/api/v1/patrol/cameras/{camera}/grants");
    let token = w.post(&w.admin, &grants, json!({"purpose": "play", "from": FROM, "to": TO})).await.json();
    let path = format!("/api/v1/patrol/media/{}", token["token"].as_str().unwrap());
    let across = w.get(&w.admin, &format!("{path}/{}-{}.mp4", MOVED - 1_000, MOVED + 3_000)).await;
    assert_eq!(across.status, StatusCode::OK, "{}", across.text());
    w.app.patrol.close().await;
    let log = w.log().await;
    let played = log.iter().filter(|a| a.action == AuditAction::Played);
    let told: Vec<_> = played.map(|a| (a.what.place, a.range, a.seconds)).collect();
    let (before, at, after) = (UnixMillis(MOVED - 1_000), UnixMillis(MOVED), UnixMillis(MOVED + 3_000));
    assert_eq!(told, [(Some(w.sites[0]), Some((before, at)), Some(1)), (Some(w.sites[1]), Some((at, after)), Some(3))]);
}

#[tokio::test]
async fn evidence_of_a_stretch_across_the_move_is_of_the_own_part_and_the_rest_is_refused_by_name() {
    let Moved { w, camera, before, after } = moved().await;
    let ask = async |who: &Person, cameras: Value, from: i64, to: i64| {
        let body = json!({"cameras": cameras, "from": from, "to": to, "reason": "复核"});
        w.post(who, "/api/v1/patrol/exports", body).await
    };
    for (who, from, to) in [(&before, FROM, MOVED - 5_000), (&after, MOVED + 60_000, TO), (&w.admin, FROM, TO)] {
        let job = ask(who, json!([camera]), FROM, TO).await;
        let request = job.json();
        assert_eq!((&request["from"], &request["to"]), (&json!(from), &json!(to)), "{}", job.text());
        let path = format!("/api/v1/patrol/exports/{}", job.json()["id"].as_str().unwrap());
        assert_eq!(w.get(who, &path).await.status, StatusCode::OK);
    }
    let log = w.log().await;
    let refused: Vec<_> =
        log.iter().filter(|a| a.detail == "hung_elsewhere").map(|a| (a.what.place, a.range)).collect();
    let span = |from, to| Some((UnixMillis(from), UnixMillis(to)));
    assert_eq!(refused, [(Some(w.sites[0]), span(MOVED - 5_000, TO)), (Some(w.sites[0]), span(FROM, MOVED + 60_000)),]);
    for (who, from, to) in [(&before, MOVED, TO), (&before, MOVED - 4_000, TO), (&after, FROM, MOVED + 50_000)] {
        let refused = ask(who, json!([camera]), from, to).await;
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "hung_elsewhere"), "{from} {to}");
    }
    // Beside one that never moved, the range is what both have.
    let both = ask(&before, json!([w.camera(0, CameraGroup::Gate), camera]), FROM, TO).await.json();
    assert_eq!(both["to"], json!(MOVED - 5_000));
    // A hold is whole, or is not set.
    let hold = json!({"cameras": [camera], "from": FROM, "to": TO, "why": "复核"});
    let refused = w.post(&before, "/api/v1/patrol/holds", hold).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "hung_elsewhere"));
}

#[tokio::test]
async fn cameras_of_a_past_day_are_those_that_hung_there_then_and_what_they_do_now_is_not_told() {
    let Moved { w, camera, before, after } = moved().await;
    let named = |list: &Value| {
        let all = list["cameras"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|c| c["id"] == json!(camera.to_string()))
    };
    let list = async |who: &Person, site: usize, query: &str| {
        w.get(who, &format!("/api/v1/patrol/places/{}/cameras{query}", w.sites[site])).await.json()
    };
    let (then, since) = (format!("?from={FROM}&to={MOVED}"), format!("?from={MOVED}&to={TO}"));
    let old = named(&list(&before, 0, &then).await).expect("it hung there");
    assert_eq!((&old["place"], &old["may"]["play"]), (&json!(w.sites[0]), &json!(true)));
    assert_eq!(
        (&old["may"]["live"], &old["status"]["state"], &old["source"]),
        (&json!(false), &json!("off"), &Value::Null)
    );
    assert!(named(&list(&before, 0, &since).await).is_none() && named(&list(&before, 0, "").await).is_none());
    assert!(named(&list(&after, 1, &then).await).is_none());
    for query in [since.as_str(), ""] {
        let new = named(&list(&after, 1, query).await).expect("it hangs there");
        assert_eq!((&new["place"], &new["may"]["live"]), (&json!(w.sites[1]), &json!(true)), "{query}");
    }
    let both = format!("?from={FROM}&to={TO}");
    assert!(named(&list(&before, 0, &both).await).is_some() && named(&list(&after, 1, &both).await).is_some());
    assert_eq!(w.get(&before, &format!("/api/v1/patrol/cameras/{camera}")).await.status, StatusCode::NOT_FOUND);
    let foreign = format!("/api/v1/patrol/places/{}/cameras{then}", w.sites[1]);
    assert_eq!(w.get(&before, &foreign).await.status, StatusCode::NOT_FOUND, "as a place that is not there");
}

#[tokio::test]
async fn an_alarm_is_found_where_the_camera_hung_while_it_went_on() {
    let Moved { w, camera, before, after } = moved().await;
    use lectern_protocol::api::HealthFault::{Black, Frozen};
    let store = w.app.library.store();
    for (fault, since, until) in [(Black, MOVED - 9_000, MOVED - 5_000), (Frozen, MOVED - 2_000, MOVED + 2_000)] {
        store.raise_alarm(camera, fault, UnixMillis(since)).await.unwrap();
        store.clear_alarm(camera, fault, UnixMillis(until)).await.unwrap();
    }
    let list = async |who: &Person| {
        let page = w.get(who, &format!("/api/v1/patrol/alarms?camera={camera}")).await.json();
        page["items"].as_array().unwrap().clone()
    };
    let (old, new) = (list(&before).await, list(&after).await);
    assert_eq!((old.len(), new.len(), &new[0]["fault"]), (2, 1, &json!("frozen")));
    assert!(old.iter().all(|a| a["place"] == json!(w.sites[0])));
    let black = old.iter().find(|a| a["fault"] == "black").unwrap()["id"].as_str().unwrap();
    let path = format!("/api/v1/patrol/alarms/{black}");
    let acknowledge = json!({"acknowledge": true, "note": null, "hand_to": null});
    let change = async |who| w.ask(Some(who), Method::PATCH, &path, Some(acknowledge.clone())).await.status;
    assert!(change(&after).await.is_client_error());
    assert_eq!(change(&before).await, StatusCode::OK);
}

#[tokio::test]
async fn moving_over_the_form_is_kept_with_who_and_when_and_told_at_both_places() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::Gate);
    let form = |place, group: &str| {
        json!({"place": place, "name": "东门", "group": group, "code": null, "main_url": "rtsp://10.1.1.1/main", "sub_url": null,
            "transport": "tcp", "username": "operator", "password": null, "kbps_max": 6000, "record": true})
    };
    let path = format!("/api/v1/patrol/cameras/{camera}");
    let put = async |place, group| {
        let answer = w.ask(Some(&w.admin), Method::PUT, &path, Some(form(place, group))).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    };
    let start = UnixMillis::now();
    put(w.sites[0], "gate").await;
    assert_eq!(w.app.library.cameras().get(camera).unwrap().stays, [], "a new name is no move");
    put(w.sites[1], "gate").await;
    put(w.sites[1], "corridor").await;
    let known = w.app.library.cameras().get(camera).unwrap().clone();
    let stays: Vec<_> = known.stays.iter().map(|s| (s.place, s.group, s.by.account)).collect();
    let by = w.admin.account.id;
    assert_eq!(stays, [(w.sites[0], CameraGroup::Gate, by), (w.sites[1], CameraGroup::Gate, by)]);
    assert!(known.stays.iter().all(|s| s.until >= start && s.until == s.by.at));
    let log = w.log().await;
    let told = |detail: &str| log.iter().find(|a| a.detail == detail).and_then(|a| a.what.place);
    assert_eq!((told("moved away"), told("moved here")), (Some(w.sites[0]), Some(w.sites[1])));
}
