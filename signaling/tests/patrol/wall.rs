//! The socket of a wall on a real server.

use crate::world::{Person, World};
use axum::http::{Method, StatusCode};
use futures::{SinkExt as _, StreamExt as _};
use lectern_auth::{CameraGroup, Role, session::csrf_token};
use lectern_media::{CameraStream, UnixMillis};
use lectern_protocol::{
    PROTOCOL_VERSION,
    api::{AuditAction, CameraState, HealthFault},
    wall::{Tile, TileRefusal, WallMessage, WallRequest},
};
use lectern_signaling::patrol::ports::PatrolEvent;
use serde_json::json;
use std::{net::SocketAddr, time::Duration};
use tokio::net::TcpStream;
use tokio_tungstenite::{
    MaybeTlsStream, WebSocketStream,
    tungstenite::{Message, client::IntoClientRequest as _},
};

struct Wall(WebSocketStream<MaybeTlsStream<TcpStream>>);

const OFFER: &str = "v=0\r\nm=video 9 x 1\r\na=mid:0\r\nm=video 9 x 1\r\na=mid:1\r\nm=audio 9 x 1\r\na=mid:s\r\n";

impl Wall {
    async fn connect(addr: SocketAddr, who: Option<&Person>) -> Self {
        let mut request = format!("ws://{addr}/ws/wall").into_client_request().unwrap();
        if let Some(who) = who {
            request.headers_mut().insert("cookie", who.cookie().parse().unwrap());
        }
        Self(tokio_tungstenite::connect_async(request).await.unwrap().0)
    }

    async fn hello(addr: SocketAddr, who: &Person) -> Self {
        let mut wall = Self::connect(addr, Some(who)).await;
        wall.say(&WallRequest::Hello { version: PROTOCOL_VERSION, csrf: csrf_token(&who.token) }).await;
        wall
    }

    /// Welcome and answered.
    async fn open(addr: SocketAddr, who: &Person) -> Self {
        let mut wall = Self::hello(addr, who).await;
        wall.until(|m| matches!(m, WallMessage::Welcome { .. })).await;
        wall.say(&WallRequest::Offer { req: 1, sdp: OFFER.into() }).await;
        wall.until(|m| matches!(m, WallMessage::Answer { .. })).await;
        wall
    }

    async fn say(&mut self, request: &WallRequest) {
        self.0.send(Message::text(serde_json::to_string(request).unwrap())).await.unwrap();
    }

    async fn until(&mut self, fits: impl Fn(&WallMessage) -> bool) -> WallMessage {
        let waiting = async {
            loop {
                let Some(Ok(message)) = self.0.next().await else { panic!("the socket ended") };
                let Message::Text(text) = message else { continue };
                let message: WallMessage = serde_json::from_str(&text).unwrap();
                if fits(&message) {
                    return message;
                }
                assert!(!matches!(message, WallMessage::Closed { .. }), "{message:?}");
            }
        };
        tokio::time::timeout(Duration::from_secs(15), waiting).await.expect("the message never came")
    }

    async fn closed(mut self) -> String {
        let WallMessage::Closed { code } = self.until(|m| matches!(m, WallMessage::Closed { .. })).await else {
            unreachable!()
        };
        code
    }

    async fn show(&mut self, tiles: Vec<Tile>) -> Vec<TileRefusal> {
        self.say(&WallRequest::Show { req: 9, tiles }).await;
        let WallMessage::Shown { refused, .. } = self.until(|m| matches!(m, WallMessage::Shown { .. })).await else {
            unreachable!()
        };
        refused.into_iter().map(|r| r.reason).collect()
    }
}

fn tile(mid: &str, camera: lectern_media::CameraId) -> Tile {
    Tile { mid: mid.into(), camera, height_px: 180, thumbnail: false }
}

#[tokio::test]
async fn only_who_may_look_gets_in() {
    let w = World::new().await;
    let addr = w.serve().await;
    let officer = w.person("officer", &[(Role::PatrolOfficer, w.sites[0])]).await;
    let teacher = w.person("teacher", &[(Role::Teacher, w.sites[0])]).await;
    assert_eq!(Wall::hello(addr, &teacher).await.closed().await, "not_authorised");
    assert_eq!(Wall::hello(addr, &w.again(&officer, false).await).await.closed().await, "needs_second_factor");
    let mut stranger = Wall::connect(addr, None).await;
    stranger.say(&WallRequest::Hello { version: PROTOCOL_VERSION, csrf: "x".into() }).await;
    assert_eq!(stranger.closed().await, "not_authorised");
    let mut forged = Wall::connect(addr, Some(&officer)).await;
    forged.say(&WallRequest::Hello { version: PROTOCOL_VERSION, csrf: "of another page".into() }).await;
    assert_eq!(forged.closed().await, "not_authorised");
    let mut rude = Wall::connect(addr, Some(&officer)).await;
    rude.0.send(Message::text("{}")).await.unwrap();
    assert_eq!(rude.closed().await, "protocol_error");
    let mut walls = Vec::new();
    for _ in 0..8 {
        walls.push(Wall::open(addr, &officer).await);
    }
    assert_eq!(Wall::hello(addr, &officer).await.closed().await, "not_authorised", "eight are a desk");
    let log = w.log().await;
    assert!(log.iter().any(|a| a.action == AuditAction::Refused && a.detail == "wall:needs_second_factor"));

    let mut request = format!("ws://{addr}/ws/wall").into_client_request().unwrap();
    request.headers_mut().insert("cookie", officer.cookie().parse().unwrap());
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert!(tokio_tungstenite::connect_async(request).await.is_err(), "a page of another site");
}

#[tokio::test]
async fn tiles_are_authorised_told_and_written_down() {
    let w = World::new().await;
    let addr = w.serve().await;
    let officer = w.person("officer", &[(Role::PatrolOfficer, w.sites[0])]).await;
    let mut wall = Wall::open(addr, &officer).await;
    let (room, sealed, foreign) =
        (w.camera(0, CameraGroup::ExamRoom), w.camera(0, CameraGroup::SealedRoom), w.camera(1, CameraGroup::Gate));
    assert_eq!(wall.show(vec![tile("0", room)]).await, []);
    assert_eq!(wall.show(vec![tile("0", sealed), tile("1", foreign)]).await, [TileRefusal::NotAllowed; 2]);
    assert_eq!(wall.show(vec![tile("0", room)]).await, []);
    let (peer, lines) = w.site.assigned.lock().unwrap().last().cloned().unwrap();
    assert_eq!(lines.iter().map(|l| l.camera).collect::<Vec<_>>(), [room]);

    // What the media plane tells reaches the wall whose line it is.
    let carries = PatrolEvent::LineChanged {
        peer,
        mid: "0".into(),
        camera: Some(room),
        stream: Some(CameraStream::Sub),
        thumbnail: false,
        limited: false,
    };
    w.app.patrol.event(carries).await;
    let told = wall.until(|m| matches!(m, WallMessage::Carries { .. })).await;
    assert!(matches!(told, WallMessage::Carries { camera: Some(c), .. } if c == room));
    // States and alarms of cameras that may be seen, and no others.
    for camera in [foreign, room] {
        let state = PatrolEvent::State { camera, state: CameraState::Silent, since: UnixMillis(7) };
        w.app.patrol.event(state).await;
        let fault = PatrolEvent::Fault { camera, fault: HealthFault::Black, since: UnixMillis(7) };
        w.app.patrol.event(fault).await;
    }
    let state = wall.until(|m| matches!(m, WallMessage::CameraState { .. })).await;
    assert!(matches!(state, WallMessage::CameraState { camera, .. } if camera == room), "{state:?}");
    let alarm = wall.until(|m| matches!(m, WallMessage::Alarm { .. })).await;
    assert!(matches!(&alarm, WallMessage::Alarm { alarm } if alarm.camera == room), "{alarm:?}");

    drop(wall);
    let mut log = w.log().await;
    while !log.iter().any(|a| a.action == AuditAction::TileClosed) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        log = w.log().await;
    }
    let of = |action| log.iter().filter(|a| a.action == action && a.what.camera == Some(room)).count();
    // It was away for a moment only: one look.
    assert_eq!((of(AuditAction::TileOpened), of(AuditAction::TileClosed)), (1, 1));
    let refused = |camera| log.iter().any(|a| a.action == AuditAction::Refused && a.what.camera == Some(camera));
    assert!(refused(sealed) && refused(foreign));
}

#[tokio::test]
async fn an_alarm_of_before_a_move_stays_with_the_walls_of_there() {
    const MOVED: i64 = 10_000_000;
    let w = World::new().await;
    let addr = w.serve().await;
    let old = w.person("old", &[(Role::PatrolOfficer, w.sites[0])]).await;
    let new = w.person("new", &[(Role::PatrolOfficer, w.sites[1])]).await;
    let (mut before, mut after) = (Wall::open(addr, &old).await, Wall::open(addr, &new).await);
    let camera = w.camera(0, CameraGroup::ExamRoom);
    w.moved(camera, w.sites[1], CameraGroup::ExamRoom, UnixMillis(MOVED)).await;
    let store = w.app.library.store();
    for (fault, since, until) in [
        (HealthFault::Black, MOVED - 9_000, MOVED - 5_000),
        (HealthFault::Frozen, MOVED - 2_000, MOVED + 2_000),
        (HealthFault::White, MOVED + 5_000, MOVED + 9_000),
    ] {
        let (alarm, _) = store.raise_alarm(camera, fault, UnixMillis(since)).await.unwrap();
        store.clear_alarm(camera, fault, UnixMillis(until)).await.unwrap();
        let path = format!("/api/v1/patrol/alarms/{}", alarm.id);
        let said = json!({"acknowledge": true, "note": "查过", "hand_to": null});
        assert_eq!(w.ask(Some(&w.admin), Method::PATCH, &path, Some(said)).await.status, StatusCode::OK);
    }
    let next = async |wall: &mut Wall| {
        let WallMessage::Alarm { alarm } = wall.until(|m| matches!(m, WallMessage::Alarm { .. })).await else {
            unreachable!()
        };
        (alarm.fault, alarm.place, alarm.note)
    };
    assert_eq!(next(&mut before).await, (HealthFault::Black, w.sites[0], "查过".into()));
    assert_eq!(next(&mut before).await, (HealthFault::Frozen, w.sites[0], "查过".into()));
    assert_eq!(next(&mut after).await, (HealthFault::Frozen, w.sites[1], String::new()), "the first it hears of");
    assert_eq!(next(&mut after).await, (HealthFault::White, w.sites[1], "查过".into()));
}

#[tokio::test]
async fn a_right_that_is_taken_away_stops_the_running_tile() {
    let w = World::new().await;
    let addr = w.serve().await;
    let officer = w.person("officer", &[(Role::PatrolOfficer, w.sites[0])]).await;
    let room = w.camera(0, CameraGroup::ExamRoom);
    let account = format!("/api/v1/accounts/{}", officer.account.id);
    for how in ["rule", "camera", "role", "session"] {
        let mut wall = Wall::open(addr, &officer).await;
        assert_eq!(wall.show(vec![tile("0", room)]).await, [], "{how}");
        let peer = w.site.assigned.lock().unwrap().last().unwrap().0;
        let started = tokio::time::Instant::now();
        match how {
            "rule" => {
                let rules = format!("/api/v1/patrol/accounts/{}/rules", officer.account.id);
                let rule =
                    json!({"place": w.sites[0], "camera": null, "effect": "deny", "deeds": ["live"], "windows": []});
                let made = w.post(&w.admin, &rules, rule).await;
                let told = wall.until(|m| matches!(m, WallMessage::Withdrawn { .. })).await;
                assert!(matches!(told, WallMessage::Withdrawn { tile } if tile.camera == room));
                let rule = format!("{rules}/{}", made.json()["id"].as_str().unwrap());
                w.ask(Some(&w.admin), Method::DELETE, &rule, None).await;
            }
            "camera" => {
                let path = format!("/api/v1/patrol/cameras/{room}");
                w.ask(Some(&w.admin), Method::DELETE, &path, None).await;
                wall.until(|m| matches!(m, WallMessage::Withdrawn { .. })).await;
                w.ask(Some(&w.admin), Method::POST, &format!("{path}/restore"), None).await;
            }
            "role" => {
                let body = json!({"roles": []});
                let changed = w.ask(Some(&w.admin), Method::PATCH, &account, Some(body)).await;
                assert_eq!(changed.status, StatusCode::OK, "{}", changed.text());
                wall.until(|m| matches!(m, WallMessage::Withdrawn { .. })).await;
                let roles = json!({"roles": [{"role": "patrol_officer", "place": w.sites[0]}]});
                w.ask(Some(&w.admin), Method::PATCH, &account, Some(roles)).await;
            }
            _ => {
                w.ask(Some(&officer), Method::DELETE, "/api/v1/session", None).await;
                assert_eq!(wall.closed().await, "signed_out");
                assert!(
                    w.site.closed.lock().unwrap().contains(&peer) || {
                        tokio::time::sleep(Duration::from_millis(200)).await;
                        w.site.closed.lock().unwrap().contains(&peer)
                    }
                );
                assert!(started.elapsed() < Duration::from_secs(5), "{how}");
                continue;
            }
        }
        let newest = w.site.assigned.lock().unwrap().iter().rev().find(|(p, _)| *p == peer).cloned();
        assert!(newest.is_some_and(|(_, lines)| lines.is_empty()), "{how}: the line carries nothing");
        assert!(started.elapsed() < Duration::from_secs(5), "{how}");
    }
}

#[tokio::test]
async fn who_floods_is_put_out() {
    let w = World::new().await;
    let addr = w.serve().await;
    let mut wall = Wall::open(addr, &w.admin).await;
    for req in 0..200 {
        let text = serde_json::to_string(&WallRequest::Ping { req }).unwrap();
        if wall.0.send(Message::text(text)).await.is_err() {
            break;
        }
    }
    assert_eq!(wall.closed().await, "protocol_error");
}

#[tokio::test]
async fn walls_are_told_when_the_server_ends() {
    let w = World::new().await;
    let addr = w.serve().await;
    let mut wall = Wall::open(addr, &w.admin).await;
    let room = w.camera(0, CameraGroup::ExamRoom);
    assert_eq!(wall.show(vec![tile("0", room)]).await, []);
    w.app.patrol.close().await;
    let closed = w.site.acts().iter().filter(|a| a.action == AuditAction::TileClosed).count();
    assert_eq!(closed, 1, "the look is written down before the server ends");
    assert_eq!(wall.closed().await, "server_restart");
}
