//! The server ends in the middle of a lesson, in order or not, and everybody is back in place afterwards.

use crate::world::World;
use lectern_auth::{GrantRole, Purpose};
use lectern_protocol::ws::{ClientMessage, CloseReason, LessonState, RoomSnapshot, ServerMessage};

fn snapshot(m: ServerMessage) -> Option<RoomSnapshot> {
    match m {
        ServerMessage::Welcome { room, .. } => Some(room),
        _ => None,
    }
}

async fn restart(in_order: bool) {
    let w = World::new().await;
    let (teacher, student) = (w.grant(GrantRole::Teacher, Purpose::Join), w.grant(GrantRole::Student, Purpose::Join));
    let mut t = w.enter_with(&teacher).await;
    t.say(ClientMessage::Open {}).await;
    let mut s = w.enter_with(&student).await;
    s.hear("the welcome", snapshot).await;
    t.say(ClientMessage::Stage { participant: student.participant, on: true }).await;
    s.hear("the call", |m| matches!(m, ServerMessage::YourStage { on: true }).then_some(())).await;
    s.say(ClientMessage::Chat { text: "老师好".into() }).await;
    t.hear("the chat", |m| matches!(m, ServerMessage::Chat { .. }).then_some(())).await;
    w.until("the recording runs", |w| w.tape.log.lock().iter().any(|l| l.starts_with("start")).then_some(())).await;
    // The state is written at least once a second.
    let written = async {
        loop {
            let rooms = w.app.library.store().rooms().await.unwrap();
            if rooms.iter().any(|(_, state)| state.contains("老师好")) {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(10), written).await.expect("the state is kept");
    let w = w.restarted(in_order).await;
    if in_order {
        let told = t.hear("the reason", |m| match m {
            ServerMessage::Closed { reason } => Some(reason),
            _ => None,
        });
        assert_eq!(told.await, CloseReason::ServerRestart);
    }
    assert_eq!(w.app.rooms.resume().await.unwrap(), 1);
    w.until("the same recording goes on", |w| w.tape.log.lock().iter().any(|l| l.starts_with("resume")).then_some(()))
        .await;
    let mut s = w.enter_with(&student).await;
    let room = s.hear("the welcome after the restart", snapshot).await;
    let me = room.participants.iter().find(|p| p.id == student.participant).unwrap();
    assert!(room.state == LessonState::Live && me.on_stage && room.chat.len() == 1);
    let mut t = w.enter_with(&teacher).await;
    t.say(ClientMessage::End {}).await;
    w.until("the end", |w| w.tape.log.lock().iter().any(|l| l.starts_with("finish")).then_some(())).await;
    assert!(w.tape.log.lock().iter().all(|l| !l.starts_with("start")), "one lesson, one recording");
}

#[tokio::test]
async fn in_order() {
    restart(true).await;
}

#[tokio::test]
async fn killed() {
    restart(false).await;
}

#[tokio::test]
async fn a_live_lesson_without_a_kept_room_goes_on() {
    let w = World::new().await;
    let mut t = w.enter(GrantRole::Teacher).await;
    t.say(ClientMessage::Open {}).await;
    t.hear("live", |m| matches!(m, ServerMessage::RoomChanged { state: LessonState::Live, .. }).then_some(())).await;
    w.until("the recording runs", |w| (!w.tape.log.lock().is_empty()).then_some(())).await;
    w.app.rooms.close().await;
    w.app.library.store().remove_room(w.class.room).await.unwrap();
    let w = w.restarted(false).await;
    assert_eq!(w.app.rooms.resume().await.unwrap(), 1);
    let mut s = w.enter(GrantRole::Student).await;
    assert_eq!(s.hear("the welcome", snapshot).await.state, LessonState::Live);
}
