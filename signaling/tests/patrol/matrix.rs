//! The matrix: role × where it is held × camera group × action, every cell asked over the real routes and compared with
//! what is written down here a second time.

use crate::world::{Person, World};
use axum::http::{Method, StatusCode};
use lectern_auth::{CameraGroup, Role};
use lectern_media::{CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::AuditAction;
use serde_json::{Value, json};

/// What is done, with the route that does it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Deed {
    See,
    Play,
    Sound,
    Day,
    Snapshot,
    SnapshotLive,
    Export,
    Manage,
    Bookmark,
    Hold,
    Import,
    Check,
    Policy,
    Audit,
}

const DEEDS: [Deed; 14] = [
    Deed::See,
    Deed::Play,
    Deed::Sound,
    Deed::Day,
    Deed::Snapshot,
    Deed::SnapshotLive,
    Deed::Export,
    Deed::Manage,
    Deed::Bookmark,
    Deed::Hold,
    Deed::Import,
    Deed::Check,
    Deed::Policy,
    Deed::Audit,
];

impl Deed {
    fn request(self, camera: CameraId, place: PlaceId) -> (Method, String, Option<Value>) {
        let of = |rest: &str| format!("/api/v1/patrol/cameras/{camera}{rest}");
        let at = |rest: &str| format!("/api/v1/patrol/places/{place}{rest}");
        let grant =
            |purpose: &str, from: Option<u64>| json!({"purpose": purpose, "from": from, "to": from.map(|f| f + 1_000)});
        match self {
            Self::See => (Method::GET, of(""), None),
            // What the grant is for is fetched with it: see `tried`.
            Self::Play | Self::Sound => (Method::POST, of("/grants"), Some(grant("play", Some(1_000_000)))),
            Self::Day => (Method::GET, of("/day?from=1000&to=2000"), None),
            Self::Snapshot => (Method::POST, of("/grants"), Some(grant("snapshot", Some(1_000_000)))),
            Self::SnapshotLive => (Method::POST, of("/grants"), Some(grant("snapshot", None))),
            Self::Export => (
                Method::POST,
                "/api/v1/patrol/exports".into(),
                Some(json!({"cameras": [camera], "from": 1000, "to": 2000, "reason": "复核"})),
            ),
            Self::Manage => (Method::PATCH, of(""), Some(json!({"enabled": null, "record": true}))),
            Self::Bookmark => (Method::POST, of("/bookmarks"), Some(json!({"at": 1000, "text": ""}))),
            Self::Hold => (
                Method::POST,
                "/api/v1/patrol/holds".into(),
                Some(json!({"cameras": [camera], "from": 1000, "to": 2000, "why": "复核"})),
            ),
            Self::Import => (
                Method::POST,
                at("/cameras/import?dry_run=true"),
                Some(Value::String("名称,主码流\n新,rtsp://10.1.1.8/a\n".into())),
            ),
            Self::Check => (Method::POST, at("/check"), None),
            Self::Policy => (Method::PUT, at("/retention"), Some(json!({"place": place, "group": "gate", "days": 40}))),
            Self::Audit => (Method::GET, at("/audit/sum"), None),
        }
    }

    /// Whether it shows or takes away what a camera saw.
    fn looks(self) -> bool {
        matches!(
            self,
            Self::Play | Self::Sound | Self::Day | Self::Snapshot | Self::SnapshotLive | Self::Export | Self::Bookmark
        )
    }
}

/// Where the role is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Root,
    City,
    Site,
    Other,
}

/// The matrix, a second time.
fn expected(role: Role, held: Held, group: CameraGroup, deed: Deed) -> bool {
    use Role::{
        Administrator, AuditAdministrator, PatrolOfficer, SecurityAdministrator, SiteAdministrator, SystemAdministrator,
    };
    if held == Held::Other {
        return false;
    }
    // Sealed-paper rooms are seen by the administrator of their own site, and by nobody from above.
    if group == CameraGroup::SealedRoom && deed.looks() && !(role == SiteAdministrator && held == Held::Site) {
        return false;
    }
    let who: &[Role] = match deed {
        Deed::See => &[Administrator, PatrolOfficer, SiteAdministrator, SystemAdministrator, SecurityAdministrator],
        Deed::Play | Deed::Sound | Deed::Day | Deed::Snapshot | Deed::SnapshotLive | Deed::Bookmark | Deed::Hold => {
            &[Administrator, PatrolOfficer, SiteAdministrator]
        }
        Deed::Export => &[Administrator, SiteAdministrator],
        Deed::Manage | Deed::Import => &[Administrator, SystemAdministrator, SiteAdministrator],
        Deed::Check => &[Administrator, PatrolOfficer, SiteAdministrator, SystemAdministrator],
        Deed::Policy => &[Administrator, SystemAdministrator],
        Deed::Audit => &[Administrator, SiteAdministrator, AuditAdministrator],
    };
    who.contains(&role)
}

async fn tried(w: &World, who: &Person, deed: Deed, camera: CameraId) -> (StatusCode, String) {
    let (method, path, body) = deed.request(camera, w.sites[0]);
    let mut answer = w.ask(Some(who), method, &path, body).await;
    if deed == Deed::Sound && answer.status.is_success() {
        let path = format!("/api/v1/patrol/media/{}/", answer.json()["token"].as_str().unwrap());
        answer = w.get(who, &format!("{path}index.m3u8?stream=sound")).await;
        let segment = w.get(who, &format!("{path}sound/1000000-1001000.mp4")).await;
        assert_eq!(segment.status, answer.status, "a playlist and what it names: {}", segment.text());
    }
    (answer.status, answer.text())
}

#[tokio::test]
async fn every_cell_of_the_matrix() {
    let w = World::new().await;
    let mut asked = 0;
    for (n, role) in Role::ALL.into_iter().enumerate() {
        for (held, place) in
            [(Held::Root, w.root), (Held::City, w.city), (Held::Site, w.sites[0]), (Held::Other, w.sites[1])]
        {
            let who = w.person(&format!("p{n}.{held:?}").to_lowercase(), &[(role, place)]).await;
            let without = w.again(&who, false).await;
            for group in CameraGroup::ALL {
                let camera = w.camera(0, group);
                for deed in DEEDS {
                    let told = format!("{role:?} at {held:?}, {group:?}: {deed:?}");
                    let want = expected(role, held, group, deed);
                    let (status, text) = tried(&w, &who, deed, camera).await;
                    // Ten unfinished exports are all that an account may have: the right was there.
                    let full = deed == Deed::Export && text.contains("not finished yet");
                    assert_eq!(status.is_success() || full, want, "{told}: {status} {text}");
                    if !want {
                        let no = [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND];
                        assert!(no.contains(&status), "{told}: {status} {text}");
                    }
                    asked += 1;
                    // Without the second factor nothing but names is given, whatever the role.
                    let (status, text) = tried(&w, &without, deed, camera).await;
                    assert_eq!(
                        status.is_success(),
                        want && deed == Deed::See,
                        "{told} without factor: {status} {text}"
                    );
                    if want && deed != Deed::See {
                        assert!(text.contains("needs_second_factor"), "{told}: {text}");
                    }
                }
            }
        }
    }
    assert_eq!(asked, 9 * 4 * 5 * 14);
}

/// The matrix once more for a camera that was moved from one site to the other, and was of another group before: what it recorded is
/// looked at by those of the place and group of then, and what it does now by those of now.
#[tokio::test]
async fn every_cell_of_the_matrix_for_cameras_that_were_moved() {
    const THEN: [Deed; 7] =
        [Deed::Play, Deed::Sound, Deed::Day, Deed::Snapshot, Deed::Export, Deed::Bookmark, Deed::Hold];
    const NOW: [Deed; 3] = [Deed::See, Deed::SnapshotLive, Deed::Manage];
    let mut asked = 0;
    // All that is asked for was recorded before the move, or all of it after: by more than evidence keeps clear of it.
    for (moved, before) in [(UnixMillis(10_000_000), true), (UnixMillis(-100_000), false)] {
        let w = World::new().await;
        let groups = CameraGroup::ALL.into_iter().zip(CameraGroup::ALL.into_iter().rev().map(other));
        for (from, to) in groups.clone() {
            w.moved(w.camera(0, from), w.sites[1], to, moved).await;
        }
        for (n, role) in Role::ALL.into_iter().enumerate() {
            for (held, place) in
                [(Held::Root, w.root), (Held::City, w.city), (Held::Site, w.sites[0]), (Held::Other, w.sites[1])]
            {
                let who = w.person(&format!("p{n}.{held:?}").to_lowercase(), &[(role, place)]).await;
                // Seen from the other site.
                let across = match held {
                    Held::Site => Held::Other,
                    Held::Other => Held::Site,
                    above => above,
                };
                for (from, to) in groups.clone() {
                    let camera = w.camera(0, from);
                    for deed in THEN.into_iter().chain(NOW) {
                        let old = before && THEN.contains(&deed);
                        let want =
                            if old { expected(role, held, from, deed) } else { expected(role, across, to, deed) };
                        let told =
                            format!("{role:?} at {held:?}, {from:?} to {to:?}, recorded before: {before}: {deed:?}");
                        let (status, text) = tried(&w, &who, deed, camera).await;
                        let full = deed == Deed::Export && text.contains("not finished yet");
                        assert_eq!(status.is_success() || full, want, "{told}: {status} {text}");
                        let no = [StatusCode::FORBIDDEN, StatusCode::NOT_FOUND];
                        assert!(want || no.contains(&status), "{told}: {status} {text}");
                        asked += 1;
                    }
                }
            }
        }
    }
    assert_eq!(asked, 2 * 9 * 4 * 5 * 10);
}

/// Never the same group.
fn other(group: CameraGroup) -> CameraGroup {
    if group == CameraGroup::Gate { CameraGroup::Corridor } else { group }
}

#[tokio::test]
async fn rules_narrow_and_widen_over_the_routes() {
    let w = World::new().await;
    let officer = w.person("officer", &[(Role::PatrolOfficer, w.sites[0])]).await;
    let (open, sealed) = (w.camera(0, CameraGroup::ExamRoom), w.camera(0, CameraGroup::SealedRoom));
    let elsewhere = w.camera(1, CameraGroup::Gate);
    let rules = format!("/api/v1/patrol/accounts/{}/rules", officer.account.id);
    let rule = |scope: Value, effect: &str, windows: Value| {
        let mut body = json!({"place": null, "camera": null, "effect": effect, "deeds": ["see", "play", "export"], "windows": windows});
        if effect == "limit" {
            // It stays in the tree, also outside of the hours.
            body["deeds"] = json!(["play"]);
        }
        body.as_object_mut().unwrap().extend(scope.as_object().unwrap().clone());
        body
    };
    for (camera, before, scope, effect, windows, after) in [
        (sealed, StatusCode::FORBIDDEN, json!({"camera": sealed}), "allow", json!([]), StatusCode::OK),
        (elsewhere, StatusCode::NOT_FOUND, json!({"camera": elsewhere}), "allow", json!([]), StatusCode::OK),
        // Hours that are over, and do not lapse.
        (
            open,
            StatusCode::OK,
            json!({"place": w.sites[0]}),
            "limit",
            json!([{"from": 1, "to": 2}]),
            StatusCode::FORBIDDEN,
        ),
    ] {
        assert_eq!(tried(&w, &officer, Deed::Play, camera).await.0, before, "{effect} {camera}");
        let made = w.post(&w.admin, &rules, rule(scope, effect, windows)).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text());
        let (status, text) = tried(&w, &officer, Deed::Play, camera).await;
        let limited = camera == open;
        assert_eq!(status, after, "{effect} {camera}: {text}");
        assert!(!limited || text.contains("not_now"), "{text}");
        let path = format!("{rules}/{}", made.json()["id"].as_str().unwrap());
        let gone = w.ask(Some(&w.admin), Method::DELETE, &path, None).await;
        assert_eq!(gone.status, StatusCode::NO_CONTENT);
        assert_eq!(tried(&w, &officer, Deed::Play, camera).await.0, before, "it is as before");
    }
    // Nobody lets themselves in.
    let own = w.post(&officer, &rules, rule(json!({"place": w.sites[1]}), "allow", json!([]))).await;
    assert!(own.status.is_client_error(), "{}", own.text());
}

#[tokio::test]
async fn recorded_sound_needs_the_right_to_listen_too() {
    let w = World::new().await;
    let officer = w.person("officer", &[(Role::PatrolOfficer, w.sites[0])]).await;
    let rules = format!("/api/v1/patrol/accounts/{}/rules", officer.account.id);
    for (group, removed) in [(CameraGroup::ExamRoom, false), (CameraGroup::Gate, true)] {
        let camera = w.camera(0, group);
        if removed {
            w.app.library.remove_camera(camera, UnixMillis::now()).await.unwrap();
        }
        let (path, body) =
            (format!("/api/v1/patrol/cameras/{camera}/grants"), json!({"purpose": "play", "from": 1000, "to": 9000}));
        let token = w.post(&officer, &path, body).await.json()["token"].as_str().unwrap().to_owned();
        let get = async |rest: &str| w.get(&officer, &format!("/api/v1/patrol/media/{token}/{rest}")).await;
        let (pictures, sounds) =
            (["index.m3u8?stream=sub", "1000-2000.mp4"], ["index.m3u8?stream=sound", "sound/1000-2000.mp4"]);
        for part in pictures.iter().chain(&sounds) {
            assert_eq!(get(part).await.status, StatusCode::OK, "{part}, removed: {removed}");
        }
        // Pictures yes, sound no; the grant is the one from before.
        let rule = json!({"place": null, "camera": camera, "effect": "deny", "deeds": ["listen"], "windows": []});
        assert_eq!(w.post(&w.admin, &rules, rule).await.status, StatusCode::CREATED);
        for part in pictures {
            assert_eq!(get(part).await.status, StatusCode::OK, "{part}, removed: {removed}");
        }
        for part in sounds {
            let refused = get(part).await;
            assert_eq!((refused.status, refused.code().as_str()), (StatusCode::FORBIDDEN, "forbidden"), "{part}");
        }
        // A snapshot is no way around.
        let body = json!({"purpose": "snapshot", "from": 1000, "to": 9000});
        let token = w.post(&officer, &path, body).await.json()["token"].as_str().unwrap().to_owned();
        let refused = w.get(&officer, &format!("/api/v1/patrol/media/{token}/snapshot.mp4?stream=sound")).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    w.app.patrol.close().await;
    let log = w.log().await;
    let of = |action, detail: &str| log.iter().filter(|a| a.action == action && a.detail == detail).count();
    assert_eq!((of(AuditAction::Played, "sound"), of(AuditAction::Played, "")), (2, 2), "{log:?}");
    let refused = log.iter().filter(|a| a.action == AuditAction::Refused && a.detail.ends_with("rule_forbids"));
    assert!(refused.count() > 0, "refusals are counted");
}
