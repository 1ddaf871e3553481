//! WHIP (RFC 9725) and WHEP, line by line of the standard.

use crate::world::{Answer, World};
use axum::http::{Method, StatusCode};
use lectern_auth::{GrantRole, Purpose};
use lectern_media::{RoomId, TrackId, TrackSource};
use lectern_protocol::ws::{ClientMessage, LessonState, ServerMessage};
use lectern_signaling::ports::MediaEvent;

const OFFER: &str = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=mid:0\r\na=sendrecv\r\na=ice-ufrag:abcd\r\n\
    a=ice-pwd:0123456789012345678901\r\nm=video 9 UDP/TLS/RTP/SAVPF 96\r\na=mid:1\r\n";
const FRAGMENT: &str = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\nm=audio 9 RTP/AVP 0\r\na=mid:0\r\n\
    a=candidate:1 1 UDP 1 192.0.2.1 4444 typ host\r\n";
const RESTART: &str = "a=ice-ufrag:efgh\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n";
const FRAGMENT_TYPE: (&str, &str) = ("content-type", "application/trickle-ice-sdpfrag");

struct Bench {
    w: World,
    auth: String,
    whip: String,
    whep: String,
}

impl Bench {
    async fn new() -> Self {
        let w = World::new().await;
        let auth = format!("Bearer {}", w.device_token().await);
        let (whip, whep) = (format!("/whip/{}", w.class.room), format!("/whep/{}", w.class.room));
        Self { w, auth, whip, whep }
    }

    async fn post(&self, path: &str, body: &str) -> Answer {
        let headers = [("authorization", self.auth.as_str()), ("content-type", "application/sdp")];
        self.w.whip(Method::POST, path, &headers, body).await
    }

    async fn patch(&self, path: &str, etag: Option<&str>, body: &str) -> Answer {
        let mut headers = vec![("authorization", self.auth.as_str()), FRAGMENT_TYPE];
        headers.extend(etag.map(|etag| ("if-match", etag)));
        self.w.whip(Method::PATCH, path, &headers, body).await
    }

    async fn delete(&self, path: &str) -> Answer {
        self.w.whip(Method::DELETE, path, &[("authorization", &self.auth)], "").await
    }

    /// Tells the room that the published tracks arrive.
    async fn tracks_arrive(&self) {
        let (_, tracks) = self.w.media.published.lock().last().cloned().unwrap();
        for info in tracks {
            self.w.app.rooms.media_event(MediaEvent::Track { room: self.w.class.room, info });
        }
    }
}

#[tokio::test]
async fn a_session_from_post_to_delete() {
    let b = Bench::new().await;
    let created = b.post(&b.whip, OFFER).await;
    assert_eq!(created.status, StatusCode::CREATED, "RFC 9725 §4.2: {}", created.text);
    assert_eq!(created.header("content-type"), "application/sdp");
    assert_eq!(created.header("accept-patch"), "application/trickle-ice-sdpfrag", "RFC 9725 §4.3.1");
    assert_eq!(created.header("link"), "<stun:stun.example:3478>; rel=\"ice-server\"", "RFC 9725 §4.6");
    assert!(created.text.starts_with("v=0"));
    let (location, etag) = (created.header("location").to_owned(), created.header("etag").to_owned());
    assert!(location.starts_with(&format!("{}/", b.whip)) && etag.starts_with('"') && etag.ends_with('"'));
    let (_, tracks) = b.w.media.published.lock()[0].clone();
    assert_eq!(tracks.iter().map(|t| t.source).collect::<Vec<_>>(), [TrackSource::Microphone, TrackSource::Camera]);
    let facts = b.w.app.rooms.room(b.w.class.room).await.unwrap().facts().await.unwrap();
    assert_eq!((facts.state, facts.present), (LessonState::Live, 1), "sending is teaching");

    let trickled = b.patch(&location, Some(&etag), FRAGMENT).await;
    assert_eq!((trickled.status, trickled.text.as_str()), (StatusCode::NO_CONTENT, ""), "RFC 9725 §4.3.1");
    let restarted = b.patch(&location, Some("*"), RESTART).await;
    assert_eq!(restarted.status, StatusCode::OK, "RFC 9725 §4.3.2: {}", restarted.text);
    assert_eq!(restarted.header("content-type"), "application/trickle-ice-sdpfrag");
    let new_etag = restarted.header("etag").to_owned();
    assert!(
        new_etag != etag && restarted.text.contains("a=ice-ufrag:newfrag") && restarted.text.contains("a=candidate:")
    );
    assert_eq!(b.patch(&location, Some(&etag), RESTART).await.status, StatusCode::PRECONDITION_FAILED, "the old ETag");
    assert_eq!(b.patch(&location, Some(&new_etag), RESTART).await.status, StatusCode::NO_CONTENT);

    assert_eq!(b.delete(&location).await.status, StatusCode::OK, "RFC 9725 §4.2");
    b.w.until("the peer is closed", |w| (!w.media.closed.lock().is_empty()).then_some(())).await;
    assert_eq!(b.delete(&location).await.status, StatusCode::NOT_FOUND);
    assert_eq!(b.patch(&location, Some(&new_etag), FRAGMENT).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn what_a_patch_needs() {
    let b = Bench::new().await;
    let created = b.post(&b.whip, OFFER).await;
    let (location, etag) = (created.header("location").to_owned(), created.header("etag").to_owned());
    for (etag, body, want) in [
        (None, FRAGMENT, StatusCode::PRECONDITION_REQUIRED),
        (Some("\"other\""), FRAGMENT, StatusCode::PRECONDITION_FAILED),
        (Some(etag.as_str()), RESTART, StatusCode::PRECONDITION_FAILED),
        (Some(etag.as_str()), "a=candidate:1", StatusCode::BAD_REQUEST),
        (Some(etag.as_str()), "a=ice-ufrag:x\r\na=ice-pwd:short", StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(b.patch(&location, etag, body).await.status, want, "{etag:?} {body}");
    }
    let sdp = [("authorization", b.auth.as_str()), ("content-type", "application/sdp"), ("if-match", &etag)];
    let answer = b.w.whip(Method::PATCH, &location, &sdp, FRAGMENT).await;
    assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let another = format!("Bearer {}", b.w.device_token().await);
    let answer = b.w.whip(Method::DELETE, &location, &[("authorization", &another)], "").await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::FORBIDDEN, "grant_foreign"));
    assert_eq!(b.w.whip(Method::DELETE, &location, &[], "").await.status, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn tokens_and_rooms() {
    let b = Bench::new().await;
    let grant = |purpose| b.w.grant(GrantRole::Teacher, purpose);
    let mut foreign = grant(Purpose::Whip);
    foreign.room = RoomId::generate();
    let mut expired = grant(Purpose::Whip);
    expired.expires = lectern_media::UnixMillis(1);
    let nowhere = format!("/whip/{}", foreign.room);
    let sign = |g: &lectern_auth::Grant| format!("Bearer {}", b.w.app.keys.sign(g));
    for (path, auth, status, code) in [
        (&b.whip, String::new(), StatusCode::UNAUTHORIZED, "grant_invalid"),
        (&b.whip, "Basic x".into(), StatusCode::UNAUTHORIZED, "grant_invalid"),
        (&b.whip, "Bearer x".into(), StatusCode::UNAUTHORIZED, "grant_invalid"),
        (&b.whip, sign(&expired), StatusCode::UNAUTHORIZED, "grant_expired"),
        (&b.whip, sign(&foreign), StatusCode::FORBIDDEN, "grant_foreign"),
        (&b.whip, sign(&grant(Purpose::Join)), StatusCode::FORBIDDEN, "grant_foreign"),
        (&b.whip, sign(&grant(Purpose::Whep)), StatusCode::FORBIDDEN, "grant_foreign"),
        (&nowhere, sign(&foreign), StatusCode::NOT_FOUND, "unknown_room"),
        (&"/whip/nonsense".to_owned(), b.auth.clone(), StatusCode::NOT_FOUND, "unknown_room"),
    ] {
        let answer =
            b.w.whip(Method::POST, path, &[("authorization", &auth), ("content-type", "application/sdp")], OFFER).await;
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path} with {auth:.12}");
        if status == StatusCode::UNAUTHORIZED {
            assert!(answer.header("www-authenticate").starts_with("Bearer"), "RFC 9110 §11.6.1");
        }
    }
}

#[tokio::test]
async fn bodies_and_methods() {
    let b = Bench::new().await;
    let auth = ("authorization", b.auth.as_str());
    let sdp = ("content-type", "application/sdp");
    let long = format!("v=0\r\n{}", "a=x\r\n".repeat(20_000));
    let unusable = format!("{OFFER}a=unusable\r\n");
    for (headers, body, status) in [
        (vec![auth], OFFER, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (vec![auth, ("content-type", "application/json")], OFFER, StatusCode::UNSUPPORTED_MEDIA_TYPE),
        (vec![auth, sdp, ("accept", "text/html")], OFFER, StatusCode::NOT_ACCEPTABLE),
        (vec![auth, sdp, ("accept", "application/sdp;q=0")], OFFER, StatusCode::NOT_ACCEPTABLE),
        (vec![auth, sdp], "", StatusCode::BAD_REQUEST),
        (vec![auth, sdp], "hello", StatusCode::BAD_REQUEST),
        (vec![auth, sdp], "v=0\r\n", StatusCode::UNPROCESSABLE_ENTITY),
        (vec![auth, sdp], &unusable, StatusCode::UNPROCESSABLE_ENTITY),
        (vec![auth, sdp], &long, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        let answer = b.w.whip(Method::POST, &b.whip, &headers, body).await;
        assert_eq!(answer.status, status, "{headers:?} {body:.20}: {}", answer.text);
    }
    let typed =
        [auth, ("content-type", "application/sdp; charset=utf-8"), ("accept", "text/plain, application/*;q=0.5")];
    assert_eq!(b.w.whip(Method::POST, &b.whip, &typed, OFFER).await.status, StatusCode::CREATED);
    for path in [&b.whip, &b.whep] {
        for method in [Method::GET, Method::HEAD, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = b.w.whip(method.clone(), path, &[auth], "").await;
            assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{method} (RFC 9725 §4.2)");
            assert!(answer.header("allow").contains("POST"), "RFC 9110 §15.5.6");
        }
        let options = b.w.whip(Method::OPTIONS, path, &[], "").await;
        assert_eq!(options.status, StatusCode::NO_CONTENT);
        assert_eq!(options.header("accept-post"), "application/sdp");
        assert_eq!(options.header("access-control-allow-origin"), "*");
    }
    *b.w.media.busy.lock() = true;
    let busy = b.post(&b.whip, OFFER).await;
    assert_eq!(busy.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(!busy.header("retry-after").is_empty(), "RFC 9725 §4.5");
}

#[tokio::test]
async fn a_player_shows_the_stage_and_follows_it() {
    let b = Bench::new().await;
    let early = b.post(&b.whep, OFFER).await;
    assert_eq!((early.status, early.code().as_str()), (StatusCode::CONFLICT, "class_closed"));
    assert!(!early.header("retry-after").is_empty());
    b.post(&b.whip, OFFER).await;
    b.tracks_arrive().await;
    let created = b.post(&b.whep, OFFER).await;
    assert_eq!(created.status, StatusCode::CREATED, "{}", created.text);
    let location = created.header("location").to_owned();
    let shows = |want: usize| {
        move |w: &World| {
            let assigned = w.media.assigned.lock();
            let last = assigned.last()?;
            (last.1.iter().filter(|l| l.track.is_some()).count() == want).then(|| last.clone())
        }
    };
    let (_, lines) = b.w.until("picture and sound", shows(2)).await;
    assert_eq!(lines.iter().map(|l| l.mid.as_str()).collect::<Vec<_>>(), ["0", "1"]);
    let (_, tracks) = b.w.media.published.lock()[0].clone();
    let camera = tracks.iter().find(|t| t.source == TrackSource::Camera).unwrap().id;
    b.w.app.rooms.media_event(MediaEvent::TrackEnded { room: b.w.class.room, track: camera });
    b.w.until("only sound", shows(1)).await;
    assert_eq!(b.delete(&location).await.status, StatusCode::OK);
    let gone = format!("{}?track={}", b.whep, TrackId::generate());
    assert_eq!(b.post(&gone, OFFER).await.status, StatusCode::NOT_FOUND);
    assert_eq!(b.post(&format!("{}?track=x", b.whep), OFFER).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_session_of_a_lost_peer_is_gone() {
    let b = Bench::new().await;
    let created = b.post(&b.whip, OFFER).await;
    let (peer, _) = b.w.media.published.lock()[0].clone();
    b.w.app.rooms.media_event(MediaEvent::PeerLost { peer });
    assert_eq!(b.delete(created.header("location")).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_same_device_again_replaces_itself() {
    let b = Bench::new().await;
    b.post(&b.whip, OFFER).await;
    b.post(&b.whip, OFFER).await;
    let (first, _) = b.w.media.published.lock()[0].clone();
    b.w.until("the first is closed", |w| w.media.closed.lock().contains(&first).then_some(())).await;
    let facts = b.w.app.rooms.room(b.w.class.room).await.unwrap().facts().await.unwrap();
    assert_eq!(facts.present, 1);
}

#[tokio::test]
async fn a_removed_device_stays_out() {
    let b = Bench::new().await;
    let mut teacher = b.w.enter(GrantRole::Teacher).await;
    teacher.hear("the welcome", |m| matches!(m, ServerMessage::Welcome { .. }).then_some(())).await;
    b.post(&b.whip, OFFER).await;
    let device = teacher.hear("the device", |m| match m {
        ServerMessage::ParticipantChanged { participant } => Some(participant.id),
        _ => None,
    });
    let participant = device.await;
    teacher.say(ClientMessage::Remove { participant }).await;
    b.w.until("it is cut off", |w| (w.media.closed.lock().len() == 1).then_some(())).await;
    let again = b.post(&b.whip, OFFER).await;
    assert_eq!((again.status, again.code().as_str()), (StatusCode::FORBIDDEN, "forbidden"), "{}", again.text);
    let peers: Vec<_> = b.w.media.published.lock().iter().map(|(peer, _)| *peer).collect();
    assert_eq!(*b.w.media.closed.lock(), peers, "the peer made for it is closed");
    assert!(peers.iter().all(|peer| !b.w.app.rooms.knows_peer(*peer)), "and forgotten");
    assert_eq!(b.w.app.rooms.room(b.w.class.room).await.unwrap().facts().await.unwrap().present, 1);
    let other = Bench { auth: format!("Bearer {}", b.w.device_token().await), ..b };
    assert_eq!(other.post(&other.whip, OFFER).await.status, StatusCode::CREATED, "a new token brings it back");
}
