//! The room's task between the media plane, the recorder and the disk, when one of them is slow or fails.

use crate::world::World;
use lectern_auth::{GrantRole, Purpose};
use lectern_media::TrackSource;
use lectern_protocol::{
    api::ClassEvent,
    ws::{ClientMessage, CloseReason, LessonState, PublishLine, RecordingState, ServerMessage},
};
use lectern_signaling::{
    hub::{EnterError, Outgoing},
    ports::RecordingEvent,
};
use std::time::Duration;

fn recording(m: ServerMessage) -> Option<RecordingState> {
    match m {
        ServerMessage::RoomChanged { state: LessonState::Live, recording, .. } => Some(recording),
        _ => None,
    }
}

fn log(w: &World, begins: &str) -> Option<String> {
    w.tape.log.lock().iter().find(|l| l.starts_with(begins)).cloned()
}

#[tokio::test]
async fn a_lesson_that_ends_while_its_recording_starts_is_recorded_to_its_end() {
    let w = World::new().await;
    let held = w.tape.gate.lock().await;
    let mut t = w.enter(GrantRole::Teacher).await;
    t.say(ClientMessage::Open {}).await;
    t.hear("live", recording).await;
    t.say(ClientMessage::Chat { text: "下课".into() }).await;
    t.hear("the chat", |m| matches!(m, ServerMessage::Chat { .. }).then_some(())).await;
    t.say(ClientMessage::End {}).await;
    t.hear("the end", |m| matches!(m, ServerMessage::Closed { .. }).then_some(())).await;
    assert!(log(&w, "start").is_none(), "the class does not wait for the disk");
    drop(held);
    w.until("the recording is finished", |w| log(w, "finish")).await;
    let events = w.tape.events.lock().clone();
    assert!(
        matches!(events[..], [ClassEvent::Opened {}, .., ClassEvent::Chat { .. }, ClassEvent::Ended {}]),
        "{events:?}"
    );
}

/// While the recorder holds the writer up, the store does not know yet that the lesson is over.
#[tokio::test]
async fn an_ended_lesson_is_not_opened_again_before_its_end_is_written_down() {
    let w = World::new().await;
    let held = w.tape.gate.lock().await;
    let mut t = w.enter(GrantRole::Teacher).await;
    t.say(ClientMessage::Open {}).await;
    t.hear("live", recording).await;
    t.say(ClientMessage::End {}).await;
    t.hear("the end", |m| matches!(m, ServerMessage::Closed { .. }).then_some(())).await;
    let mut late = w.enter(GrantRole::Student).await;
    let told = late.hear("the reason", |m| match m {
        ServerMessage::Closed { reason } => Some(reason),
        ServerMessage::Welcome { .. } => panic!("let into a lesson that is over"),
        _ => None,
    });
    assert_eq!(told.await, CloseReason::ServerRestart, "come again in a moment");
    drop(held);
    assert!(matches!(w.app.rooms.room(w.class.room).await, Err(EnterError::Over)), "it waits for the end");
    let log = w.tape.log.lock().clone();
    assert!(
        matches!(&log[..], [start, finish] if start.starts_with("start") && finish.starts_with("finish")),
        "{log:?}"
    );
}

#[tokio::test]
async fn a_server_that_ends_while_a_recording_starts_goes_on_with_it() {
    let w = World::new().await;
    let held = w.tape.gate.lock().await;
    let mut t = w.enter(GrantRole::Teacher).await;
    t.say(ClientMessage::Open {}).await;
    t.hear("live", recording).await;
    let rooms = w.app.rooms.clone();
    let closing = tokio::spawn(async move { rooms.close().await });
    t.hear("the reason", |m| matches!(m, ServerMessage::Closed { .. }).then_some(())).await;
    drop(held);
    closing.await.unwrap();
    assert!(log(&w, "suspend").is_some() && log(&w, "finish").is_none(), "{:?}", w.tape.log.lock());
    assert_eq!(w.tape.events.lock().first(), Some(&ClassEvent::Opened {}));
}

#[tokio::test]
async fn an_answer_that_comes_after_the_end_is_closed() {
    let w = World::new().await;
    let held = w.media.gate.lock().await;
    let mut t = w.enter(GrantRole::Teacher).await;
    t.say(ClientMessage::Open {}).await;
    let lines = vec![PublishLine { mid: "0".into(), source: TrackSource::Camera }];
    t.say(ClientMessage::Publish { req: 1, sdp: "v=0".into(), lines }).await;
    t.say(ClientMessage::End {}).await;
    t.hear("the end", |m| matches!(m, ServerMessage::Closed { .. }).then_some(())).await;
    drop(held);
    let closed = w.until("the peer is closed", |w| w.media.closed.lock().first().copied()).await;
    assert_eq!(w.media.published.lock()[0].0, closed);
    assert!(!w.app.rooms.knows_peer(closed));
}

/// On virtual time: the room tries again every ten seconds.
#[tokio::test(start_paused = true)]
async fn what_could_not_start_or_broke_down_is_recorded_as_soon_as_it_can_be() {
    let w = World::new().await;
    *w.tape.failing.lock() = 2;
    let chats = || w.tape.events.lock().iter().filter(|e| matches!(e, ClassEvent::Chat { .. })).count();
    let (outbox, mut inbox) = tokio::sync::mpsc::channel(512);
    let grant = w.grant(GrantRole::Teacher, Purpose::Join);
    let (conn, room) = (w.app.rooms.next_conn(), w.app.rooms.room(w.class.room).await.unwrap());
    room.enter(conn, outbox, lectern_signaling::join::entrant(grant)).await.unwrap();
    room.message(conn, ClientMessage::Open {}).await.unwrap();
    let mut hear = async |want: RecordingState| {
        while let Some(Outgoing::Text(text)) = inbox.recv().await {
            if recording(serde_json::from_str(&text).unwrap()) == Some(want) {
                return;
            }
        }
        panic!("never {want:?}");
    };
    hear(RecordingState::Failed).await;
    room.message(conn, ClientMessage::Chat { text: "开始了吗".into() }).await.unwrap();
    hear(RecordingState::On).await;
    assert_eq!(chats(), 1, "what is said while none can be started is told to the one that starts");
    assert_eq!(*w.tape.log.lock(), ["no start", "no start", "start 分数乘法"]);
    assert!(w.tape.events.lock().iter().any(|e| matches!(e, ClassEvent::Joined { .. })), "who is here already is told");
    w.app.rooms.recording_event(RecordingEvent::Lost { room: w.class.room });
    hear(RecordingState::Failed).await;
    room.message(conn, ClientMessage::Chat { text: "听得到吗".into() }).await.unwrap();
    hear(RecordingState::On).await;
    let events = w.tape.events.lock().clone();
    let said = events.iter().filter(|e| matches!(e, ClassEvent::Chat { .. })).count();
    let joined = events.iter().filter(|e| matches!(e, ClassEvent::Joined { .. })).count();
    assert_eq!((said, joined), (2, 1), "what happened meanwhile is told, and nobody joins twice: {events:?}");
    assert!(log(&w, "resume").is_some(), "the same recording goes on: {:?}", w.tape.log.lock());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(w.tape.log.lock().len(), 4, "and is asked for once");
}
