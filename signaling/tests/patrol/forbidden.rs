//! Random requests that are all forbidden: strangers, people from elsewhere, sessions without second factor, grants that were
//! copied, forged, have expired, or are for another camera, stretch or deed. None succeeds; each is in the audit log, singly
//! or counted.

use crate::{common::FOOTAGE, world::World};
use axum::http::Method;
use lectern_auth::{Action, CameraGrant, CameraGroup, Keyring, Role};
use lectern_media::{CameraId, UnixMillis};
use lectern_protocol::api::AuditAction;
use serde_json::{Value, json};
use std::time::Duration;

/// Numbers that look random and are the same in every run (xorshift, Marsaglia 2003).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }

    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.roll(of.len())]
    }
}

/// How many: 300 in `make test`, 10,000 where it is asked for.
fn how_many() -> usize {
    std::env::var("LECTERN_FORBIDDEN").ok().and_then(|n| n.parse().ok()).unwrap_or(300)
}

/// Requests about one camera that its own people may make and nobody else.
fn requests(camera: CameraId, place: lectern_media::PlaceId, n: usize) -> Vec<(Method, String, Option<Value>)> {
    let of = |rest: &str| format!("/api/v1/patrol/cameras/{camera}{rest}");
    let at = |rest: &str| format!("/api/v1/patrol/places/{place}{rest}");
    let grant = |purpose: &str| Some(json!({"purpose": purpose, "from": 1_000_000, "to": 1_001_000 + n}));
    vec![
        (Method::GET, of(""), None),
        (Method::GET, of(&format!("/day?from=1000&to={}", 2_000 + n)), None),
        (Method::POST, of("/grants"), grant("play")),
        (Method::POST, of("/grants"), grant("snapshot")),
        (Method::PATCH, of(""), Some(json!({"enabled": false, "record": null}))),
        (Method::DELETE, of(""), None),
        (Method::POST, of("/restore"), None),
        (Method::POST, of("/bookmarks"), Some(json!({"at": 1000, "text": "x"}))),
        (
            Method::POST,
            "/api/v1/patrol/exports".into(),
            Some(json!({"cameras": [camera], "from": 1000, "to": 2000, "main": false, "reason": "好奇"})),
        ),
        (
            Method::POST,
            "/api/v1/patrol/holds".into(),
            Some(json!({"cameras": [camera], "from": 1000, "to": 2000, "why": "好奇"})),
        ),
        (Method::POST, at("/check"), None),
        (Method::PUT, at("/retention"), Some(json!({"place": place, "group": "gate", "days": 1}))),
        (Method::DELETE, at("/retention/gate"), None),
        (Method::GET, at("/audit/sum"), None),
        (Method::GET, format!("/api/v1/patrol/audit?camera={camera}"), None),
        (Method::GET, "/api/v1/patrol/audit/export".into(), None),
        (Method::POST, at("/cameras/import"), Some(Value::String("名称,主码流\n偷,rtsp://10.1.1.8/a\n".into()))),
    ]
}

/// Those of [`requests`] that are about what a camera recorded: day, play, snapshot, bookmark, export, hold.
const PAST: [usize; 6] = [1, 2, 3, 7, 8, 9];

#[tokio::test]
async fn nothing_forbidden_succeeds_and_each_try_is_written_down() {
    let w = World::new().await;
    let (own, foreign) = (w.sites[0], w.sites[1]);
    let camera = w.camera(0, CameraGroup::ExamRoom);
    // One that came to the own site a moment ago, and one that went to the other before all that is asked for.
    let (came, went) = (w.camera(1, CameraGroup::Corridor), w.camera(0, CameraGroup::Corridor));
    w.moved(came, own, CameraGroup::Corridor, UnixMillis::now()).await;
    w.moved(went, foreign, CameraGroup::Corridor, UnixMillis(900)).await;
    let others: Vec<CameraId> = w.cameras.iter().filter(|(c, s, _)| *s == 0 && *c != went).map(|c| c.0).collect();
    let insider = w.person("insider", &[(Role::PatrolOfficer, own)]).await;
    // The same person without the second factor, people from elsewhere, and those whose roles look at nothing.
    let mut outsiders = vec![w.again(&insider, false).await];
    for (n, role) in [Role::PatrolOfficer, Role::SiteAdministrator, Role::Administrator].into_iter().enumerate() {
        outsiders.push(w.person(&format!("foreign{n}"), &[(role, foreign)]).await);
    }
    for (n, role) in [Role::Teacher, Role::Student, Role::Staff].into_iter().enumerate() {
        outsiders.push(w.person(&format!("school{n}"), &[(role, own)]).await);
    }
    let colleague = w.person("colleague", &[(Role::PatrolOfficer, own)]).await;
    let keys = &w.app.keys;
    let sign = |keys: &Keyring, camera, action, range, session: &crate::world::Person, now: UnixMillis| {
        let grant = CameraGrant {
            camera,
            action,
            range,
            job: None,
            account: session.account.id,
            session: session.token.hash(),
            expires: now.plus(Duration::from_secs(60)),
        };
        keys.sign_camera(grant, now)
    };
    let seconds = |s: i64| UnixMillis(1_000_000 + s * 1_000);
    let now = UnixMillis::now();
    let range = Some((seconds(0), seconds(10)));
    let good = sign(keys, camera, Action::PlayCamera, range, &insider, now);
    let fetch = |token: &str, rest: &str| format!("/api/v1/patrol/media/{token}/{rest}");
    let segment = |from: i64| format!("{}-{}.mp4", seconds(from).0, seconds(from + 2).0);
    let works = w.get(&insider, &fetch(&good, &segment(1))).await;
    assert_eq!((works.status.as_u16(), &works.bytes[..]), (200, FOOTAGE), "the grant is good where it belongs");

    let before: u64 = refusals(&w).await;
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let total = how_many();
    for n in 0..total {
        let again = w.again(&insider, true).await;
        let (who, method, path, body) = match dice.roll(12) {
            // What a camera recorded where the caller has no right, though it was, or is, at a place where they have.
            10 => {
                let (method, path, body) = requests(*dice.pick(&[came, went]), own, n).swap_remove(*dice.pick(&PAST));
                (Some(insider.clone()), method, path, body)
            }
            11 => {
                let token = sign(keys, *dice.pick(&[came, went]), Action::PlayCamera, range, &insider, now);
                let rest = [segment(1), "index.m3u8".to_owned(), "index.m3u8?stream=keyframes".to_owned()];
                (Some(insider.clone()), Method::GET, fetch(&token, dice.pick(&rest).as_str()), None)
            }
            // Somebody who may not.
            0..=3 => {
                let camera = *dice.pick(&others);
                let (method, path, body) = requests(camera, own, n).swap_remove(dice.roll(17));
                let who = dice.pick(&outsiders).clone();
                (Some(who), method, path, body)
            }
            // Nobody at all.
            4 => {
                let (method, path, body) = requests(camera, own, n).swap_remove(dice.roll(17));
                (None, method, path, body)
            }
            // A good grant in other hands: another person, another session of the same one, a stranger.
            5 => {
                let who = match dice.roll(3) {
                    0 => Some(colleague.clone()),
                    1 => Some(again),
                    _ => None,
                };
                (who, Method::GET, fetch(&good, &segment(1)), None)
            }
            // One that has expired.
            6 => {
                let past = UnixMillis(now.0 - 61_000 - dice.roll(100_000) as i64);
                let old = sign(keys, camera, Action::PlayCamera, range, &insider, past);
                (Some(insider.clone()), Method::GET, fetch(&old, &segment(1)), None)
            }
            // Another stretch than it is for.
            7 => {
                let at = 11 + dice.roll(10_000) as i64;
                let path = match dice.roll(2) {
                    0 => fetch(&good, &segment(at)),
                    _ => fetch(&good, &format!("index.m3u8?from={}&to={}", seconds(0).0, seconds(at).0)),
                };
                (Some(insider.clone()), Method::GET, path, None)
            }
            // Another deed, or a camera that this session may not see (a right that ended after the grant was given).
            8 => {
                let path = match dice.roll(3) {
                    0 => fetch(&good, "export"),
                    1 => fetch(&good, "snapshot.mp4"),
                    _ => {
                        let away = w.camera(1, *dice.pick(&CameraGroup::ALL));
                        fetch(&sign(keys, away, Action::PlayCamera, range, &insider, now), &segment(1))
                    }
                };
                (Some(insider.clone()), Method::GET, path, None)
            }
            // Forged: another server's key, or a bit changed.
            _ => {
                let mut token = sign(&Keyring::generate(), camera, Action::PlayCamera, range, &insider, now);
                if dice.roll(2) == 0 {
                    let at = dice.roll(good.len());
                    let mut bytes = good.clone().into_bytes();
                    bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
                    token = String::from_utf8(bytes).unwrap();
                }
                (Some(insider.clone()), Method::GET, fetch(&token, &segment(1)), None)
            }
        };
        let answer = w.ask(who.as_ref(), method.clone(), &path, body).await;
        assert!(answer.status.is_client_error(), "{n}: {method} {path}: {} {}", answer.status, answer.text());
        assert!(!answer.bytes.windows(FOOTAGE.len()).any(|b| b == FOOTAGE), "{n}: {method} {path}");
    }
    assert_eq!(refusals(&w).await - before, total as u64, "each is in the log, singly or counted");
    let untouched = w.app.library.cameras();
    assert_eq!(untouched.present().count(), w.cameras.len());
    assert!(untouched.present().all(|c| c.enabled));
    assert!(w.app.library.store().open_holds().await.unwrap().is_empty());
}

async fn refusals(w: &World) -> u64 {
    w.log().await.iter().filter(|a| a.action == AuditAction::Refused).map(|a| a.count).sum()
}
