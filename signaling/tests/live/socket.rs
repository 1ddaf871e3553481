//! The WebSocket: grants, form and limits of what comes in, and the ways a socket ends.

use crate::world::{Socket, World};
use lectern_auth::{GrantRole, Keyring, Purpose};
use lectern_media::{RoomId, TrackSource, UnixMillis};
use lectern_protocol::{
    api::ClassEvent,
    ws::{ClientMessage, CloseReason, LessonState, MESSAGE_LEN_BYTES_MAX, PublishLine, RecordingState, ServerMessage},
};
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

async fn closed(socket: &mut Socket) -> CloseReason {
    let reason = socket.hear("a close", |m| match m {
        ServerMessage::Closed { reason } => Some(reason),
        _ => None,
    });
    let reason = reason.await;
    assert!(socket.ends().await, "nothing follows the last message");
    reason
}

async fn welcomed(socket: &mut Socket) {
    socket.hear("a welcome", |m| matches!(m, ServerMessage::Welcome { .. }).then_some(())).await;
}

#[tokio::test]
async fn a_grant_must_be_ours_for_this_and_in_time() {
    let w = World::new().await;
    let good = w.grant(GrantRole::Student, Purpose::Join);
    let mut expired = good.clone();
    expired.expires = UnixMillis(1);
    let mut elsewhere = good.clone();
    elsewhere.room = RoomId::generate();
    for (grant, want) in [
        ("nonsense".to_owned(), CloseReason::NotAuthorised),
        (Keyring::generate().sign(&good), CloseReason::NotAuthorised),
        (w.app.keys.sign(&expired), CloseReason::NotAuthorised),
        (w.app.keys.sign(&w.grant(GrantRole::Student, Purpose::Whip)), CloseReason::NotAuthorised),
        (w.app.keys.sign(&elsewhere), CloseReason::UnknownRoom),
    ] {
        let mut socket = w.dial().await;
        socket.say(ClientMessage::Hello { version: 1, grant }).await;
        assert_eq!(closed(&mut socket).await, want);
    }
    let mut old = w.dial().await;
    old.say(ClientMessage::Hello { version: 99, grant: w.app.keys.sign(&good) }).await;
    assert_eq!(closed(&mut old).await, CloseReason::VersionMismatch);
}

#[tokio::test]
async fn what_breaks_the_form_ends_one_socket_and_no_other() {
    let w = World::new().await;
    let mut teacher = w.enter(GrantRole::Teacher).await;
    welcomed(&mut teacher).await;
    for text in ["", "{", "null", r#"{"type":"fly"}"#, r#"{"type":"chat","text":1}"#] {
        let mut socket = w.enter(GrantRole::Teacher).await;
        welcomed(&mut socket).await;
        socket.say_text(text).await;
        assert_eq!(closed(&mut socket).await, CloseReason::ProtocolError, "{text}");
        let mut first = w.dial().await;
        first.say_text(text).await;
        assert_eq!(closed(&mut first).await, CloseReason::ProtocolError, "{text} instead of hello");
    }
    let mut binary = w.enter(GrantRole::Teacher).await;
    welcomed(&mut binary).await;
    binary.say_bytes(vec![0; 10]).await;
    assert_eq!(closed(&mut binary).await, CloseReason::ProtocolError);
    let mut long = w.enter(GrantRole::Teacher).await;
    welcomed(&mut long).await;
    long.say_text(format!(r#"{{"type":"chat","text":"{}"}}"#, "x".repeat(MESSAGE_LEN_BYTES_MAX))).await;
    let mut ended = false;
    while !ended {
        ended = long.ends().await;
    }
    teacher.say(ClientMessage::Ping { req: 7 }).await;
    teacher.hear("the pong", |m| matches!(m, ServerMessage::Pong { req: 7, .. }).then_some(())).await;
}

#[tokio::test]
async fn a_page_of_another_site_opens_no_socket() {
    let w = World::new().await;
    let mut request = format!("ws://{}/ws", w.addr).into_client_request().unwrap();
    request.headers_mut().insert("origin", "https://evil.example".parse().unwrap());
    assert!(tokio_tungstenite::connect_async(request).await.is_err());
    let mut own = format!("ws://{}/ws", w.addr).into_client_request().unwrap();
    own.headers_mut().insert("origin", format!("http://{}", w.addr).parse().unwrap());
    assert!(tokio_tungstenite::connect_async(own).await.is_ok());
}

#[tokio::test]
async fn a_full_class_says_so() {
    let w = World::new().await;
    let mut teacher = w.enter(GrantRole::Teacher).await;
    teacher.say(ClientMessage::Open {}).await;
    let mut first = w.enter(GrantRole::Student).await;
    let mut second = w.enter(GrantRole::Student).await;
    welcomed(&mut first).await;
    welcomed(&mut second).await;
    let mut third = w.enter(GrantRole::Student).await;
    assert_eq!(closed(&mut third).await, CloseReason::RoomFull);
}

#[tokio::test]
async fn a_lesson_from_its_opening_to_its_end() {
    let w = World::new().await;
    let mut teacher = w.enter(GrantRole::Teacher).await;
    let mut student = w.enter(GrantRole::Student).await;
    student.hear("the waiting", |m| matches!(m, ServerMessage::Waiting { open: false, .. }).then_some(())).await;
    teacher.say(ClientMessage::Open {}).await;
    welcomed(&mut student).await;
    let recorded = |m| matches!(m, ServerMessage::RoomChanged { recording: RecordingState::On, .. }).then_some(());
    teacher.hear("the recording sign", recorded).await;
    let lines = vec![PublishLine { mid: "0".into(), source: TrackSource::Camera }];
    teacher.say(ClientMessage::Publish { req: 1, sdp: "v=0".into(), lines }).await;
    teacher.hear("the answer", |m| matches!(m, ServerMessage::Answer { req: 1, .. }).then_some(())).await;
    teacher.say(ClientMessage::Subscribe { req: 2, sdp: "v=0\r\na=unusable".into() }).await;
    teacher.hear("the refusal", |m| matches!(m, ServerMessage::Refused { req: Some(2), .. }).then_some(())).await;
    let (_, tracks) = w.media.published.lock()[0].clone();
    w.app
        .rooms
        .media_event(lectern_signaling::ports::MediaEvent::Track { room: w.class.room, info: tracks[0].clone() });
    student.hear("the track", |m| matches!(m, ServerMessage::TrackChanged { .. }).then_some(())).await;
    student.say(ClientMessage::Ask { text: "为什么？".into() }).await;
    teacher.hear("the question", |m| matches!(m, ServerMessage::QuestionChanged { .. }).then_some(())).await;
    assert_eq!(w.app.rooms.present(w.class.room), 2);
    teacher.say(ClientMessage::End {}).await;
    assert_eq!(closed(&mut student).await, CloseReason::Ended);
    w.until("the recording is finished", |w| w.tape.log.lock().iter().any(|l| l.starts_with("finish")).then_some(()))
        .await;
    let lesson = w.app.library.store().live_lessons().await.unwrap();
    assert!(lesson.is_empty());
    let plan = w.app.rooms.plan(w.class.room).await.unwrap();
    assert!(plan.lesson.state == LessonState::Over && plan.lesson.recording.is_some());
    assert_eq!(w.app.library.store().attendance(plan.lesson.id).await.unwrap().len(), 2);
    let events = w.tape.events.lock().clone();
    assert_eq!(events.first(), Some(&ClassEvent::Opened {}), "nothing was lost before the recording stood: {events:?}");
    assert!(events.iter().any(|e| matches!(e, ClassEvent::Asked { .. })));
    assert_eq!(events.last(), Some(&ClassEvent::Ended {}));
    let mut late = w.enter(GrantRole::Student).await;
    assert_eq!(closed(&mut late).await, CloseReason::Ended);
}

#[tokio::test]
async fn who_reads_too_slowly_is_dropped_and_nobody_else() {
    let w = World::new().await;
    let mut teacher = w.enter(GrantRole::Teacher).await;
    teacher.say(ClientMessage::Open {}).await;
    let slow = w.grant(GrantRole::Student, Purpose::Join);
    let (outbox, mut inbox) = tokio::sync::mpsc::channel(8);
    let room = w.app.rooms.room(w.class.room).await.unwrap();
    let who = lectern_signaling::join::entrant(slow.clone());
    room.enter(w.app.rooms.next_conn(), outbox, who).await.unwrap();
    let gone = |m| match m {
        ServerMessage::ParticipantChanged { participant } if participant.id == slow.participant => {
            Some(participant.online)
        }
        _ => None,
    };
    assert!(teacher.hear("the student", gone).await);
    for n in 0..20 {
        let participant = (n % 2 == 0).then_some(slow.participant);
        w.app.rooms.media_event(lectern_signaling::ports::MediaEvent::Speaker { room: w.class.room, participant });
    }
    assert!(!teacher.hear("that the student is away", gone).await, "the place is kept for a reconnect");
    let mut heard = 0;
    while inbox.recv().await.is_some() {
        heard += 1;
    }
    assert_eq!(heard, 8, "what was queued, then the end");
}

#[tokio::test]
async fn who_leaves_is_let_go() {
    let w = World::new().await;
    let mut socket = w.enter(GrantRole::Teacher).await;
    welcomed(&mut socket).await;
    socket.say(ClientMessage::Leave {}).await;
    // What was under way is still heard; a socket behind which nobody is would have no limits.
    let mut ended = false;
    while !ended {
        ended = socket.ends().await;
    }
    let mut twice = w.enter(GrantRole::Teacher).await;
    welcomed(&mut twice).await;
    twice.say(ClientMessage::Hello { version: 1, grant: String::new() }).await;
    assert_eq!(closed(&mut twice).await, CloseReason::ProtocolError);
}

#[tokio::test]
async fn a_flood_of_anything_ends_the_socket() {
    let w = World::new().await;
    let mut socket = w.enter(GrantRole::Teacher).await;
    welcomed(&mut socket).await;
    for _ in 0..600 {
        socket.ping().await;
    }
    let reason = socket.hear("the end", |m| match m {
        ServerMessage::Closed { reason } => Some(reason),
        _ => None,
    });
    assert_eq!(reason.await, CloseReason::ProtocolError);
}

#[tokio::test]
async fn a_failed_media_thread_is_no_readiness() {
    let w = World::new().await;
    let ready = || axum::http::Request::get("/readyz").body(axum::body::Body::empty()).unwrap();
    assert_eq!(w.send(ready()).await.status, 200);
    *w.media.dead.lock() = true;
    let answer = w.send(ready()).await;
    assert_eq!(answer.status, 503);
    assert!(answer.text.contains("media thread"), "{}", answer.text);
}
