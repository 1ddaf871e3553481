//! A camera that was moved: what it recorded belongs to the place where it hung then.

use crate::{
    common::FOOTAGE,
    flow::until,
    world::{Person, World},
};
use axum::http::{Method, StatusCode};
use lectern_auth::{CameraGroup, Role};
use lectern_library::CameraChange;
use lectern_media::{CameraId, UnixMillis};
use lectern_protocol::api::{AuditAction, CameraGap, ClockDoubt, GapCause};
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
    // Who asked for it is told where it was recorded.
    let log = w.log().await;
    let refused = log.iter().filter(|a| a.action == AuditAction::Refused && a.detail.ends_with("hung_elsewhere"));
    let told: Vec<_> = refused.map(|a| (a.who.login.as_str(), a.what.place)).collect();
    assert_eq!(told, [("before", Some(w.sites[1])), ("after", Some(w.sites[0]))]);
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
    for (who, from, to) in [(&before, FROM, MOVED), (&after, MOVED, TO), (&w.admin, FROM, TO)] {
        let job = ask(who, json!([camera]), FROM, TO).await;
        let request = job.json();
        assert_eq!((&request["from"], &request["to"]), (&json!(from), &json!(to)), "{}", job.text());
        let path = format!("/api/v1/patrol/exports/{}", job.json()["id"].as_str().unwrap());
        assert_eq!(w.get(who, &path).await.status, StatusCode::OK);
        // The recorder is told beyond which moment nothing may be in it; for who may see all there is none.
        let kept = std::fs::read(w.exports().join(format!("{}.json", job.json()["id"].as_str().unwrap()))).unwrap();
        let within = serde_json::from_slice::<Value>(&kept).unwrap()["within"][camera.to_string()].clone();
        let want = match (from, to) {
            (FROM, MOVED) => json!({"from": i64::MIN, "to": MOVED}),
            (MOVED, TO) => json!({"from": MOVED, "to": i64::MAX}),
            _ => Value::Null,
        };
        assert_eq!(within, want);
    }
    let log = w.log().await;
    let refused: Vec<_> =
        log.iter().filter(|a| a.detail == "hung_elsewhere").map(|a| (a.what.place, a.range)).collect();
    let span = |from, to| Some((UnixMillis(from), UnixMillis(to)));
    assert_eq!(refused, [(Some(w.sites[1]), span(MOVED, TO)), (Some(w.sites[0]), span(FROM, MOVED))]);
    for (who, from, to) in [(&before, MOVED, TO), (&after, FROM, MOVED)] {
        let refused = ask(who, json!([camera]), from, to).await;
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "hung_elsewhere"), "{from} {to}");
    }
    // Beside one that never moved, the range is what both have; of that one nothing is refused.
    let both = ask(&before, json!([w.camera(0, CameraGroup::Gate), camera]), FROM, TO).await.json();
    assert_eq!(both["to"], json!(MOVED));
    let log = w.log().await;
    let refused = log.iter().filter(|a| a.detail == "hung_elsewhere" && a.range == span(MOVED, TO));
    assert!(refused.clone().count() == 2 && refused.clone().all(|a| a.what.camera == Some(camera)));
    // A hold is whole, or is not set.
    let hold = json!({"cameras": [camera], "from": FROM, "to": TO, "why": "复核"});
    let refused = w.post(&before, "/api/v1/patrol/holds", hold).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "hung_elsewhere"));
}

#[tokio::test]
async fn evidence_that_waits_while_its_camera_is_moved_reaches_up_to_there() {
    let w = World::new().await;
    let (camera, beside) = (w.camera(0, CameraGroup::ExamRoom), w.camera(0, CameraGroup::Gate));
    let body = json!({"cameras": [camera, beside], "from": 1_000, "to": 2_000, "reason": "复核"});
    let job = w.post(&w.admin, "/api/v1/patrol/exports", body).await.json();
    let moved = UnixMillis(job["created"].as_i64().unwrap() + 1);
    w.moved(camera, w.sites[1], CameraGroup::ExamRoom, moved).await;
    let (_stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let patrol = w.app.patrol.clone();
    tokio::spawn(async move { patrol.keep(async move { drop(stopped.await) }).await });
    let path = format!("/api/v1/patrol/exports/{}", job["id"].as_str().unwrap());
    until("ready", async || w.get(&w.admin, &path).await.json()["state"] == "ready").await;
    let ordered = w.site.ordered.lock().unwrap();
    let within: Vec<_> = ordered[0].within.iter().map(|(c, s)| (*c, s.to)).collect();
    assert_eq!(within, [(camera, moved)]);
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
    assert_eq!((&old["may"]["listen"], &old["may"]["export"]), (&json!(true), &json!(true)));
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
    assert_eq!((&new[0]["place"], &new[0]["place_name"]), (&json!(w.sites[1]), &json!("七中考点")));
    let black = old.iter().find(|a| a["fault"] == "black").unwrap()["id"].as_str().unwrap();
    let path = format!("/api/v1/patrol/alarms/{black}");
    let acknowledge = json!({"acknowledge": true, "note": null, "hand_to": null});
    let change = async |who| w.ask(Some(who), Method::PATCH, &path, Some(acknowledge.clone())).await.status;
    assert!(change(&after).await.is_client_error());
    assert_eq!(change(&before).await, StatusCode::OK);
    // What was said of one that began at the other place, and by whom, stays there; that somebody has it does not.
    let frozen = old.iter().find(|a| a["fault"] == "frozen").unwrap()["id"].as_str().unwrap();
    let said = json!({"acknowledge": true, "note": "王老师换了电源", "hand_to": "李明"});
    let path = format!("/api/v1/patrol/alarms/{frozen}");
    assert_eq!(w.ask(Some(&before), Method::PATCH, &path, Some(said)).await.status, StatusCode::OK);
    let day = w.get(&after, &format!("/api/v1/patrol/cameras/{camera}/day?from={FROM}&to={TO}")).await.json();
    for shown in [&list(&after).await[0], &day["alarms"][0]] {
        assert_eq!((&shown["fault"], &shown["note"]), (&json!("frozen"), &json!("")), "{shown}");
        assert_eq!((&shown["handed_to"], &shown["place"]), (&Value::Null, &json!(w.sites[1])), "{shown}");
        assert!(shown["acknowledged_at"].is_number(), "{shown}");
    }
    let shown = list(&before).await;
    assert!(shown.iter().any(|a| a["note"] == "王老师换了电源" && a["handed_to"] == "李明"), "{shown:?}");
    // Who goes on with it there overwrites nothing of that: each place has its own words, and whoever may see both sees both.
    let own = json!({"acknowledge": null, "note": "镜头已擦", "hand_to": "赵强"});
    assert_eq!(w.ask(Some(&after), Method::PATCH, &path, Some(own)).await.json()["note"], "镜头已擦");
    let words = async |who: &Person| {
        let shown = list(who).await.into_iter().find(|a| a["fault"] == "frozen").unwrap();
        let beside: Vec<_> = shown["elsewhere"].as_array().unwrap().iter().map(|s| s["note"].clone()).collect();
        (shown["note"].clone(), shown["handed_to"].clone(), beside)
    };
    assert_eq!(words(&before).await, (json!("王老师换了电源"), json!("李明"), vec![]));
    assert_eq!(words(&after).await, (json!("镜头已擦"), json!("赵强"), vec![]));
    assert_eq!(words(&w.admin).await, (json!("王老师换了电源"), json!("李明"), vec![json!("镜头已擦")]));
    let log = w.log().await;
    let handled = log.iter().filter(|a| a.action == AuditAction::AlarmHandled && a.detail == "handed over");
    let told: Vec<_> = handled.map(|a| (a.who.login.as_str(), a.what.place)).collect();
    assert_eq!(told, [("before", Some(w.sites[0])), ("after", Some(w.sites[1]))]);
}

#[tokio::test]
async fn pages_of_alarms_are_filled_and_their_cursor_names_no_alarm_of_elsewhere() {
    let Moved { w, camera, after, .. } = moved().await;
    use lectern_protocol::api::HealthFault::Black;
    let store = w.app.library.store();
    let raise = async |since: i64| {
        store.raise_alarm(camera, Black, UnixMillis(since)).await.unwrap();
        store.clear_alarm(camera, Black, UnixMillis(since + 10)).await.unwrap();
    };
    // 150 of before the move, and as many since; the newest come first.
    for n in 0..150 {
        raise(MOVED - 200_000 + n * 100).await;
        raise(MOVED + n * 100).await;
    }
    let (mut seen, mut query) = (Vec::new(), String::new());
    for (len, more) in [(100, true), (50, false)] {
        let page = w.get(&after, &format!("/api/v1/patrol/alarms?camera={camera}{query}")).await.json();
        let items: Vec<i64> = page["items"].as_array().unwrap().iter().map(|a| a["since"].as_i64().unwrap()).collect();
        assert_eq!((items.len(), page["next"].is_string()), (len, more), "{page}");
        query = format!("&after={}", page["next"].as_str().unwrap_or_default());
        seen.extend(items);
    }
    assert!(seen.len() == 150 && seen.iter().all(|since| *since >= MOVED));
}

#[tokio::test]
async fn a_rule_about_a_camera_is_administered_where_it_was_made() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let admin = async |login: &str, site: usize| w.person(login, &[(Role::Administrator, w.sites[site])]).await;
    let (before, after) = (admin("before", 0).await, admin("after", 1).await);
    let guest = w.person("guest", &[(Role::Teacher, w.sites[0]), (Role::Teacher, w.sites[1])]).await;
    let rules = format!("/api/v1/patrol/accounts/{}/rules", guest.account.id);
    let rule = |effect: &str| json!({"place": null, "camera": camera, "effect": effect, "deeds": ["see", "play"], "windows": []});
    let made = async |who, effect: &str| {
        let answer = w.post(who, &rules, rule(effect)).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text());
        answer.json()["id"].as_str().unwrap().to_owned()
    };
    let (allow, deny) = (made(&before, "allow").await, made(&before, "deny").await);
    w.moved(camera, w.sites[1], CameraGroup::ExamRoom, UnixMillis(UnixMillis::steady().0 + 1)).await;
    while UnixMillis::steady() < w.app.library.cameras().get(camera).unwrap().stays[0].until {
        tokio::task::yield_now().await;
    }
    let later = made(&after, "allow").await;
    assert!(w.post(&before, &rules, rule("allow")).await.status.is_client_error(), "it hangs elsewhere now");
    let listed = async |who| {
        let list = w.get(who, &rules).await.json();
        let mut ids: Vec<String> =
            list.as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect();
        ids.sort();
        ids
    };
    let mut old = vec![allow.clone(), deny.clone()];
    old.sort();
    assert_eq!((listed(&before).await, listed(&after).await), (old, vec![later.clone()]));
    let remove = async |who, id: &str| w.ask(Some(who), Method::DELETE, &format!("{rules}/{id}"), None).await.status;
    for (other, id) in [(&after, &allow), (&after, &deny), (&before, &later)] {
        assert_eq!(remove(other, id).await, StatusCode::NOT_FOUND);
    }
    for (own, id) in [(&before, &allow), (&before, &deny), (&after, &later)] {
        assert_eq!(remove(own, id).await, StatusCode::NO_CONTENT);
    }
    let log = w.log().await;
    let removed = log.iter().filter(|a| a.detail == "rule removed for guest").map(|a| (a.what.place, a.what.camera));
    let (there, here) = ((Some(w.sites[0]), Some(camera)), (Some(w.sites[1]), Some(camera)));
    assert_eq!(removed.collect::<Vec<_>>(), [there, there, here]);
}

#[tokio::test]
async fn who_looks_by_a_rule_alone_keeps_the_pages_after_a_move() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let guest = w.person("guest", &[]).await;
    let patrols = async || w.get(&guest, "/api/v1/me").await.json()["patrol"].clone();
    assert_eq!(patrols().await, json!(false));
    let rule = json!({"place": null, "camera": camera, "effect": "allow", "deeds": ["see", "play"], "windows": []});
    let rules = format!("/api/v1/patrol/accounts/{}/rules", guest.account.id);
    assert_eq!(w.post(&w.admin, &rules, rule).await.status, StatusCode::CREATED);
    assert_eq!(patrols().await, json!(true));
    w.moved(camera, w.sites[1], CameraGroup::ExamRoom, UnixMillis(UnixMillis::steady().0 + 1)).await;
    assert_eq!(patrols().await, json!(true));
    let day = w.get(&guest, &format!("/api/v1/patrol/cameras/{camera}/day?from={FROM}&to={TO}")).await;
    assert_eq!(day.status, StatusCode::OK, "{}", day.text());
}

#[tokio::test]
async fn how_a_sound_begins_is_given_where_it_may_be_heard() {
    let Moved { w, camera, .. } = moved().await;
    let who = w.person("both", &w.sites.map(|site| (Role::SiteAdministrator, site))).await;
    let rule = json!({"place": w.sites[1], "camera": null, "effect": "deny", "deeds": ["listen"], "windows": []});
    let rules = format!("/api/v1/patrol/accounts/{}/rules", who.account.id);
    assert_eq!(w.post(&w.admin, &rules, rule).await.status, StatusCode::CREATED);
    let grants = format!("/api/v1/patrol/cameras/{camera}/grants");
    let granted = w.post(&who, &grants, json!({"purpose": "play", "from": FROM, "to": TO})).await.json();
    let path = format!("/api/v1/patrol/media/{}", granted["token"].as_str().unwrap());
    for (rest, want) in [
        ("init-1.mp4".to_owned(), StatusCode::OK),
        ("sound/init-1.mp4".to_owned(), StatusCode::OK),
        (format!("sound/init-1.mp4?from={MOVED}&to={TO}"), StatusCode::FORBIDDEN),
        (format!("init-1.mp4?from={MOVED}&to={TO}"), StatusCode::OK),
        (format!("sound/{}-{MOVED}.mp4", MOVED - 2_000), StatusCode::OK),
        (format!("sound/{MOVED}-{}.mp4", MOVED + 2_000), StatusCode::FORBIDDEN),
    ] {
        let answer = w.get(&who, &format!("{path}/{rest}")).await;
        assert_eq!(answer.status, want, "{rest}: {}", answer.text());
    }
}

#[tokio::test]
async fn a_list_of_a_past_day_counts_every_stay_there_and_tells_when_the_last_of_them_ended() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let officer = w.person("officer", &[(Role::PatrolOfficer, w.sites[0])]).await;
    // An exam room, then one for sealed papers, which an officer does not look into; then elsewhere twice.
    w.moved(camera, w.sites[0], CameraGroup::SealedRoom, UnixMillis(MOVED)).await;
    w.moved(camera, w.sites[1], CameraGroup::Gate, UnixMillis(MOVED + 1_000)).await;
    w.moved(camera, w.sites[1], CameraGroup::Corridor, UnixMillis(MOVED + 50_000)).await;
    for (from, to, play, since) in
        [(FROM, TO, true, MOVED + 1_000), (FROM, MOVED, true, MOVED), (MOVED, TO, false, MOVED + 1_000)]
    {
        let path = format!("/api/v1/patrol/places/{}/cameras?from={from}&to={to}", w.sites[0]);
        let list = w.get(&officer, &path).await.json();
        let all = list["cameras"].as_array().unwrap();
        let shown = all.iter().find(|c| c["id"] == json!(camera.to_string())).expect("it hung there");
        assert_eq!((&shown["may"]["play"], &shown["may"]["listen"]), (&json!(play), &json!(play)), "{shown}");
        assert_eq!((&shown["status"]["since"], &shown["may"]["live"]), (&json!(since), &json!(false)), "{shown}");
    }
}

#[tokio::test]
async fn the_check_before_an_exam_does_not_count_the_carrying() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::ExamRoom);
    let now = UnixMillis::now();
    // Carried for a minute, and put up just now.
    let gap = CameraGap {
        from: UnixMillis(now.0 - 60_000),
        to: UnixMillis(now.0 - 1_000),
        stream: None,
        cause: GapCause::CameraSilent,
    };
    *w.site.gaps.lock().unwrap() = vec![gap];
    let missing = async |site: usize| {
        let report =
            w.post(&w.admin, &format!("/api/v1/patrol/places/{}/check", w.sites[site]), json!({})).await.json();
        let all = report["cameras"].as_array().unwrap();
        let own = all.iter().find(|c| c["camera"] == json!(camera.to_string())).unwrap_or_else(|| panic!("{report}"));
        own["wrong"].as_array().unwrap().iter().any(|f| f["item"] == "continuous")
    };
    assert!(missing(0).await);
    w.moved(camera, w.sites[1], CameraGroup::ExamRoom, now).await;
    assert!(!missing(1).await);
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
    // One that the catalogue refuses is told at both places, and that it was not done.
    let other = w.camera(0, CameraGroup::Corridor);
    let change = CameraChange { name: Some("东门".into()), ..CameraChange::default() };
    w.app.library.change_camera(other, change).await.unwrap();
    let refused = w.ask(Some(&w.admin), Method::PUT, &path, Some(form(w.sites[0], "corridor"))).await;
    assert!(refused.status.is_client_error(), "{}", refused.text());
    assert_eq!(w.app.library.cameras().get(camera).unwrap().place, w.sites[1]);
    let log = w.log().await;
    let mut undone: Vec<_> = log.iter().filter(|a| a.detail == "not done").map(|a| a.what.place).collect();
    undone.sort();
    let mut both = [Some(w.sites[0]), Some(w.sites[1])];
    both.sort();
    assert_eq!(undone, both);
}

#[tokio::test]
async fn nothing_is_moved_or_opened_by_a_clock_that_is_doubted() {
    let w = World::new().await;
    let camera = w.camera(0, CameraGroup::Gate);
    let doubt = ClockDoubt {
        ahead_ms: 864_000_000,
        counted: UnixMillis(1_788_220_800_000),
        since: UnixMillis(1_789_084_800_000),
        left_ms: None,
        alarm: true,
    };
    *w.site.doubt.lock().unwrap() = Some(doubt.clone());
    let put = async |site: usize, group: &str, name: &str| {
        let body = json!({"place": w.sites[site], "name": name, "group": group, "code": null, "main_url": "rtsp://10.1.1.1/main",
            "sub_url": null, "transport": "tcp", "username": "operator", "password": null, "kbps_max": 6000, "record": true});
        w.ask(Some(&w.admin), Method::PUT, &format!("/api/v1/patrol/cameras/{camera}"), Some(body)).await
    };
    for (site, group) in [(1, "gate"), (0, "corridor")] {
        let refused = put(site, group, "东门").await;
        assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "clock_doubted"));
    }
    let guest = w.person("guest", &[]).await;
    let rules = format!("/api/v1/patrol/accounts/{}/rules", guest.account.id);
    for (place, camera, effect, want) in [
        (None, Some(camera), "allow", StatusCode::CONFLICT),
        (None, Some(camera), "deny", StatusCode::CREATED),
        (Some(w.sites[0]), None, "allow", StatusCode::CREATED),
    ] {
        let rule = json!({"place": place, "camera": camera, "effect": effect, "deeds": ["play"], "windows": []});
        let answer = w.post(&w.admin, &rules, rule).await;
        assert_eq!(answer.status, want, "{}", answer.text());
        assert_eq!(answer.code() == "clock_doubted", want == StatusCode::CONFLICT);
    }
    assert_eq!(put(0, "gate", "西门").await.status, StatusCode::OK, "another name is no move");
    assert_eq!(w.app.library.cameras().get(camera).unwrap().stays, []);
    // Off over a week-end: days are not counted by it yet, but it tells the time.
    *w.site.doubt.lock().unwrap() = Some(ClockDoubt { alarm: false, left_ms: Some(86_400_000), ..doubt });
    assert_eq!(put(1, "gate", "西门").await.status, StatusCode::OK);
    *w.site.doubt.lock().unwrap() = None;
    assert_eq!(put(0, "gate", "西门").await.status, StatusCode::OK);
}

/// Nobody knows which of two clocks was right, the one of the last move or the one of now: what was recorded between stays whose it is.
#[tokio::test]
async fn a_clock_some_hours_behind_the_last_move_takes_nothing_from_anybody() {
    for (ahead_ms, want) in [(4 * 3_600_000, StatusCode::CONFLICT), (300 * 86_400_000, StatusCode::OK)] {
        let w = World::new().await;
        let camera = w.camera(0, CameraGroup::Gate);
        let at = UnixMillis(UnixMillis::steady().0 + ahead_ms);
        w.moved(camera, w.sites[1], CameraGroup::Gate, at).await;
        let body = json!({"place": w.sites[0], "name": "东门", "group": "gate", "code": null, "main_url": "rtsp://10.1.1.1/main",
            "sub_url": null, "transport": "tcp", "username": "operator", "password": null, "kbps_max": 6000, "record": true});
        let path = format!("/api/v1/patrol/cameras/{camera}");
        assert_eq!(w.ask(Some(&w.admin), Method::PUT, &path, Some(body)).await.status, want, "{ahead_ms} ms");
        let stays = w.app.library.cameras().get(camera).unwrap().stays.clone();
        assert_eq!(stays.first().map(|s| s.until == at), Some(want == StatusCode::CONFLICT), "{stays:?}");
    }
}
