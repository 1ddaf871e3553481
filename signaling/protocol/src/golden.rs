//! Golden JSON: one line per message, in `golden/`. The wire form of version 1 stays what these lines say; a new message
//! adds a line, and a changed line is a new protocol version.

use crate::ws::*;
use lectern_media::{
    Bitrate, Codec, Layer, LessonId, ParticipantId, RoomId, TrackId, TrackInfo, TrackSource, UnixMillis,
};
use serde::{Serialize, de::DeserializeOwned};
use std::{fmt::Debug, fs, path::Path, str::FromStr};

fn id<T: FromStr>(last: char) -> T
where
    T::Err: Debug,
{
    format!("01J9Z3K5Q0A7X2M4N6P8R0S2T{last}").parse().unwrap()
}

fn client() -> Vec<ClientMessage> {
    use ClientMessage as C;
    let participant: ParticipantId = id('1');
    let line = PublishLine { mid: "0".into(), source: TrackSource::Camera };
    let assignment = LineAssignment {
        mid: "3".into(),
        track: Some(id::<TrackId>('2')),
        height_px: 360,
        priority: LinePriority::Speaker,
    };
    vec![
        C::Hello { version: 1, grant: "k.p.s".into() },
        C::Publish { req: 1, sdp: "v=0\r\n".into(), lines: vec![line] },
        C::Subscribe { req: 2, sdp: "v=0\r\n".into() },
        C::Assign { lines: vec![assignment] },
        C::AudioOnly { on: true },
        C::Unpublish { track: id('2') },
        C::MuteSelf { source: TrackSource::Microphone, muted: true },
        C::Hand { up: true },
        C::Chat { text: "老师好".into() },
        C::Ask { text: "为什么？".into() },
        C::Vote { question: 3, up: true },
        C::Open {},
        C::Stage { participant, on: true },
        C::LowerHand { participant: None },
        C::Mute { participant: Some(participant) },
        C::Remove { participant },
        C::Admit { participant: None, admit: true },
        C::WaitingRoom { on: false },
        C::Answer { question: 3, text: Some("因为".into()) },
        C::End {},
        C::Leave {},
        C::Ping { req: 4 },
    ]
}

fn server() -> Vec<ServerMessage> {
    use ServerMessage as S;
    let (you, at): (ParticipantId, _) = (id('1'), UnixMillis(1_788_220_800_000));
    let participant = Participant {
        id: you,
        name: "小明".into(),
        role: RoomRole::Student,
        on_stage: true,
        hand_since: Some(at),
        muted: vec![TrackSource::Microphone],
        online: true,
        quality: Quality::Good,
        joined: at,
    };
    let info = TrackInfo { id: id('2'), participant: you, source: TrackSource::Screen, codec: Codec::H264, layers: 3 };
    let track = Track { info, muted: false };
    let line = ChatLine { id: 1, at, from: you, name: "小明".into(), text: "老师好".into() };
    let question = Question {
        id: 3,
        at,
        from: you,
        name: "小明".into(),
        text: "为什么？".into(),
        votes: 2,
        voted: true,
        answered: Some(at),
        answer: None,
    };
    let room = RoomSnapshot {
        room: id::<RoomId>('3'),
        lesson: id::<LessonId>('4'),
        title: "分数乘法".into(),
        teacher: "王芳".into(),
        state: LessonState::Live,
        live_since: Some(at),
        recording: RecordingState::On,
        waiting_room: false,
        participants: vec![participant.clone()],
        participant_count: 1,
        waiting: vec![],
        tracks: vec![track.clone()],
        chat: vec![line.clone()],
        questions: vec![question.clone()],
    };
    vec![
        S::Welcome { you, role: RoomRole::Student, now: at, room },
        S::Waiting { title: "分数乘法".into(), teacher: "王芳".into(), open: true },
        S::Answer { req: 1, sdp: "v=0\r\n".into(), tracks: vec![id('2')] },
        S::Pong { req: 4, now: at },
        S::Refused { req: None, code: RefusalCode::NotTeacher, detail: "only the teacher may do this".into() },
        S::ParticipantChanged { participant: participant.clone() },
        S::ParticipantLeft { participant: you },
        S::Count { participants: 40 },
        S::WaitingChanged { waiting: vec![participant] },
        S::TrackChanged { track },
        S::TrackEnded { track: id('2') },
        S::LineChanged { mid: "3".into(), track: Some(id('2')), layer: Some(Layer(1)), limited: true },
        S::Speaker { participant: None },
        S::YourQuality { up: Quality::Unknown, down: Quality::Poor, down_estimate: Bitrate::kbps(250) },
        S::Chat { line },
        S::QuestionChanged { question },
        S::RoomChanged {
            state: LessonState::Scheduled,
            live_since: None,
            recording: RecordingState::Off,
            waiting_room: true,
        },
        S::YourStage { on: true },
        S::PleaseMute { source: TrackSource::Microphone },
        S::PeerLost { publish: true },
        S::Closed { reason: CloseReason::TakenOver },
    ]
}

/// Fails to compile when a message is added without a thought for its golden line; then add one above.
fn counted(client: &[ClientMessage], server: &[ServerMessage]) {
    use {ClientMessage as C, ServerMessage as S};
    let of_client = |m: &C| match m {
        C::Hello { .. } | C::Publish { .. } | C::Subscribe { .. } | C::Assign { .. } | C::AudioOnly { .. } => {}
        C::Unpublish { .. } | C::MuteSelf { .. } | C::Hand { .. } | C::Chat { .. } | C::Ask { .. } => {}
        C::Vote { .. } | C::Open {} | C::Stage { .. } | C::LowerHand { .. } | C::Mute { .. } | C::Remove { .. } => {}
        C::Admit { .. } | C::WaitingRoom { .. } | C::Answer { .. } | C::End {} | C::Leave {} | C::Ping { .. } => {}
    };
    let of_server = |m: &S| match m {
        S::Welcome { .. } | S::Waiting { .. } | S::Answer { .. } | S::Pong { .. } | S::Refused { .. } => {}
        S::ParticipantChanged { .. } | S::ParticipantLeft { .. } | S::Count { .. } | S::WaitingChanged { .. } => {}
        S::TrackChanged { .. } | S::TrackEnded { .. } | S::LineChanged { .. } | S::Speaker { .. } => {}
        S::YourQuality { .. } | S::Chat { .. } | S::QuestionChanged { .. } | S::RoomChanged { .. } => {}
        S::YourStage { .. } | S::PleaseMute { .. } | S::PeerLost { .. } | S::Closed { .. } => {}
    };
    client.iter().for_each(of_client);
    server.iter().for_each(of_server);
    assert_eq!((client.len(), server.len()), (22, 21), "one line for each message");
}

fn compare<T: Serialize + DeserializeOwned + PartialEq + Debug>(file: &str, messages: &[T]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(file);
    if std::env::var_os("LECTERN_BLESS").is_some() {
        let lines: Vec<_> = messages.iter().map(|m| serde_json::to_string(m).unwrap()).collect();
        fs::write(&path, lines.join("\n") + "\n").unwrap();
    }
    let golden = fs::read_to_string(&path).unwrap();
    assert_eq!(golden.lines().count(), messages.len(), "{file}: LECTERN_BLESS=1 writes new lines");
    for (line, message) in golden.lines().zip(messages) {
        assert_eq!(serde_json::to_string(message).unwrap(), line, "what we say has changed");
        assert_eq!(&serde_json::from_str::<T>(line).unwrap(), message, "what we understand has changed");
    }
}

#[test]
fn the_wire_form_stays() {
    let (client, server) = (client(), server());
    counted(&client, &server);
    compare("client.v1.jsonl", &client);
    compare("server.v1.jsonl", &server);
}

#[test]
fn what_is_not_a_message_is_refused_without_a_panic() {
    for text in [
        "",
        "{",
        "null",
        "[]",
        "1",
        "{}",
        r#"{"type":"fly"}"#,
        r#"{"type":"chat"}"#,
        r#"{"type":"chat","text":7}"#,
        r#"{"type":"ping","req":-1}"#,
        r#"{"type":"ping","req":4294967296}"#,
        r#"{"type":"remove","participant":"x"}"#,
        "{\"type\":\"chat\",\"text\":\"\u{0}\"}",
    ] {
        assert!(serde_json::from_str::<ClientMessage>(text).is_err(), "{text}");
    }
    let deep = "[".repeat(100_000);
    assert!(serde_json::from_str::<ClientMessage>(&deep).is_err(), "nesting has a limit");
}

#[test]
fn a_newer_client_may_say_more() {
    let known = serde_json::from_str::<ClientMessage>(r#"{"type":"hand","up":true,"colour":"red"}"#);
    assert_eq!(known.unwrap(), ClientMessage::Hand { up: true }, "unknown fields are skipped");
}
