//! A lesson's life, case by case.

use super::*;
use lectern_media::TrackKind;
use lectern_protocol::ws::{LineAssignment, LinePriority};

/// Shorthands for messages.
pub(super) mod p {
    use super::*;
    pub fn open() -> ClientMessage {
        ClientMessage::Open {}
    }
    pub fn stage(who: &Entrant, on: bool) -> ClientMessage {
        ClientMessage::Stage { participant: who.participant, on }
    }
    pub fn chat(text: &str) -> ClientMessage {
        ClientMessage::Chat { text: text.into() }
    }
    pub fn hand(up: bool) -> ClientMessage {
        ClientMessage::Hand { up }
    }
    pub fn assign(track: TrackId) -> ClientMessage {
        let (mid, track) = ("0".into(), Some(track));
        ClientMessage::Assign {
            lines: vec![LineAssignment { mid, track, height_px: 720, priority: LinePriority::Rest }],
        }
    }
}

pub(super) fn live() -> (World, Entrant, ConnId) {
    let mut w = World::new(false);
    let teacher = someone(RoomRole::Teacher, "王老师");
    let conn = w.enter(&teacher);
    w.say(conn, p::open());
    (w, teacher, conn)
}

fn published(w: &World, who: &Entrant, source: TrackSource) -> TrackId {
    let theirs = |t: &&Track| t.info.participant == who.participant && t.info.source == source;
    w.room.tracks.values().find(theirs).expect("the track is there").info.id
}

#[test]
fn students_wait_until_the_class_opens() {
    let mut w = World::new(false);
    let student = w.enter(&someone(RoomRole::Student, "小明"));
    assert!(w.of(student).waiting && w.of(student).you.is_none());
    let teacher = w.enter(&someone(RoomRole::Teacher, "王老师"));
    assert_eq!(w.of(teacher).queue.len(), 1, "the teacher sees who waits");
    w.say(student, p::chat("老师好"));
    assert_eq!(w.of(student).refusals, [RefusalCode::NotOpen]);
    w.say(teacher, p::open());
    assert!(is_live(&w) && w.opened == 1 && w.of(student).you.is_some());
    assert!(w.of(teacher).queue.is_empty());
    w.say(teacher, p::open());
    assert_eq!(w.opened, 1, "opening twice opens once");
}

#[test]
fn a_waiting_room_holds_those_who_come_by_link() {
    let mut w = World::new(true);
    let teacher = w.enter(&someone(RoomRole::Teacher, "王老师"));
    let (a, b) = (someone(RoomRole::Student, "甲"), someone(RoomRole::Student, "乙"));
    let (a_conn, b_conn) = (w.enter(&a), w.enter(&b));
    let signed_in = Entrant { account: Some(AccountId::generate()), ..someone(RoomRole::Student, "丙") };
    w.say(teacher, ClientMessage::Admit { participant: None, admit: true });
    assert_eq!(w.of(teacher).refusals, [RefusalCode::NotOpen]);
    w.say(teacher, p::open());
    assert!(w.of(a_conn).you.is_none() && w.of(b_conn).you.is_none());
    let c_conn = w.enter(&signed_in);
    assert!(w.of(c_conn).you.is_some(), "a pupil with an account does not wait");
    w.say(teacher, ClientMessage::Admit { participant: Some(a.participant), admit: true });
    w.say(teacher, ClientMessage::Admit { participant: Some(b.participant), admit: false });
    assert!(w.of(a_conn).you.is_some());
    assert_eq!(w.closed(b_conn), Some(CloseReason::Refused));
    let again = w.enter(&b);
    assert_eq!(w.closed(again), Some(CloseReason::Removed), "the same grant does not come back");
    w.drop_socket(a_conn);
    let back = w.enter(&a);
    assert!(w.of(back).you.is_some(), "who was admitted stays admitted through a reload");
    let d_conn = w.enter(&someone(RoomRole::Student, "丁"));
    w.say(teacher, ClientMessage::WaitingRoom { on: false });
    assert!(w.of(d_conn).you.is_some(), "turning the waiting room off lets everybody in");
}

#[test]
fn students_see_the_stage_and_themselves_only() {
    let (mut w, teacher, t) = live();
    let (a, b) = (someone(RoomRole::Student, "甲"), someone(RoomRole::Student, "乙"));
    let (ac, bc) = (w.enter(&a), w.enter(&b));
    let sees = |w: &World, conn, who: &Entrant| w.of(conn).people.contains_key(&who.participant);
    assert!(sees(&w, t, &a) && sees(&w, t, &b) && sees(&w, ac, &teacher) && sees(&w, ac, &a));
    assert!(!sees(&w, ac, &b) && !sees(&w, bc, &a));
    w.say(ac, p::hand(true));
    assert!(w.of(t).people[&a.participant].hand_since.is_some());
    w.say(t, p::stage(&a, true));
    assert!(sees(&w, bc, &a) && w.of(ac).stage_calls == [true]);
    assert!(w.of(t).people[&a.participant].hand_since.is_none(), "being called lowers the hand");
    w.say(ac, camera_and_voice(1));
    assert_eq!((w.of(bc).tracks.len(), w.of(ac).answers.clone()), (2, vec![1]));
    w.say(t, p::stage(&a, false));
    assert!(!sees(&w, bc, &a) && w.of(bc).tracks.is_empty() && w.of(ac).stage_calls == [true, false]);
    assert!(w.peers.is_empty(), "leaving the stage ends the sending connection");
}

#[test]
fn who_may_what() {
    let (mut w, teacher, t) = live();
    let a = someone(RoomRole::Student, "甲");
    let ac = w.enter(&a);
    let q = |question| ClientMessage::Answer { question, text: None };
    for (message, want) in [
        (p::open(), RefusalCode::NotTeacher),
        (ClientMessage::End {}, RefusalCode::NotTeacher),
        (p::stage(&a, true), RefusalCode::NotTeacher),
        (ClientMessage::Mute { participant: None }, RefusalCode::NotTeacher),
        (ClientMessage::Remove { participant: teacher.participant }, RefusalCode::NotTeacher),
        (q(1), RefusalCode::NotTeacher),
        (camera_and_voice(1), RefusalCode::NotOnStage),
        (ClientMessage::Unpublish { track: TrackId::generate() }, RefusalCode::Unknown),
        (ClientMessage::Vote { question: 9, up: true }, RefusalCode::Unknown),
        (p::chat("  "), RefusalCode::TooLarge),
        (p::chat(&"长".repeat(2_001)), RefusalCode::TooLarge),
        (ClientMessage::Ask { text: "长".repeat(1_001) }, RefusalCode::TooLarge),
    ] {
        w.say(ac, message.clone());
        assert_eq!(w.of(ac).refusals.last(), Some(&want), "{message:?}");
    }
    for (message, want) in [
        (q(9), RefusalCode::Unknown),
        (p::stage(&someone(RoomRole::Student, "无"), true), RefusalCode::Unknown),
        (ClientMessage::Remove { participant: teacher.participant }, RefusalCode::Unknown),
        (ClientMessage::Publish { req: 1, sdp: String::new(), lines: vec![] }, RefusalCode::BadOffer),
    ] {
        w.say(t, message.clone());
        assert_eq!(w.of(t).refusals.last(), Some(&want), "{message:?}");
    }
    assert!(is_live(&w) && w.room.members.len() == 2, "nothing of it happened");
}

#[test]
fn the_stage_and_the_room_have_their_size() {
    let (mut w, _, t) = live();
    let people: Vec<_> = (0..PARTICIPANTS_MAX).map(|n| someone(RoomRole::Student, &n.to_string())).collect();
    let conns: Vec<_> = people.iter().map(|p| w.enter(p)).collect();
    assert_eq!(w.closed(conns[PARTICIPANTS_MAX - 1]), Some(CloseReason::RoomFull), "the teacher is the sixth");
    w.drop_socket(conns[0]);
    let late = w.enter(&people[PARTICIPANTS_MAX - 1]);
    assert!(w.of(late).you.is_some(), "a place that is only kept is given to who is here");
    for person in &people[1..=STAGE_MAX + 1] {
        w.say(t, p::stage(person, true));
    }
    assert_eq!(w.of(t).refusals, [RefusalCode::StageFull]);
    let other_teacher = w.enter(&someone(RoomRole::Teacher, "李老师"));
    assert!(w.of(other_teacher).you.is_some(), "a full class has room for a teacher");
}

#[test]
fn classrooms_are_on_stage_from_the_start() {
    let (mut w, _, t) = live();
    let screen = someone(RoomRole::Classroom, "东山教学点");
    let conn = w.enter(&screen);
    assert!(w.of(t).people[&screen.participant].on_stage);
    w.say(conn, camera_and_voice(1));
    assert_eq!(w.of(t).tracks.len(), 2);
}

#[test]
fn a_second_tab_takes_over() {
    let (mut w, teacher, t) = live();
    let second = w.enter(&teacher);
    assert_eq!(w.closed(t), Some(CloseReason::TakenOver));
    assert!(w.of(second).you == Some(teacher.participant) && is_live(&w));
    let other_browser = Entrant { participant: ParticipantId::generate(), ..teacher.clone() };
    let third = w.enter(&other_browser);
    assert_eq!(w.closed(second), Some(CloseReason::TakenOver), "the same account elsewhere");
    assert_eq!((w.room.members.len(), w.of(third).people.len()), (1, 1));
}

#[test]
fn a_restart_puts_everybody_back_in_place() {
    let (mut w, teacher, t) = live();
    let a = someone(RoomRole::Student, "甲");
    let ac = w.enter(&a);
    w.say(t, p::stage(&a, true));
    w.say(ac, p::chat("老师好"));
    w.say(ac, ClientMessage::Ask { text: "为什么？".into() });
    w.say(t, ClientMessage::Vote { question: 1, up: true });
    let json = serde_json::to_string(&w.room.keep(w.now)).unwrap();
    let later = Now { wall: UnixMillis(5_000), mono: Duration::from_secs(1) };
    let room = Room::restore(later, w.room.policy.clone(), serde_json::from_str(&json).unwrap());
    let mut w = World { room, now: later, ..World::new(false) };
    let (t, ac) = (w.enter(&teacher), w.enter(&a));
    assert!(is_live(&w) && w.of(ac).people[&a.participant].on_stage);
    assert_eq!((w.of(t).chat.len(), w.of(t).questions[&1].votes, w.of(t).questions[&1].voted), (1, 1, true));
    w.say(ac, camera_and_voice(7));
    assert_eq!(w.of(ac).answers, [7], "publishing goes on without being called again");
}

#[test]
fn the_lesson_ends_for_all() {
    let (mut w, _, t) = live();
    let a = w.enter(&someone(RoomRole::Student, "甲"));
    w.say(t, ClientMessage::End {});
    assert_eq!((w.closed(a), w.closed(t)), (Some(CloseReason::Ended), Some(CloseReason::Ended)));
    assert_eq!(w.ended, [EndReason::Teacher]);
    assert!(w.presences.values().all(Option::is_some) && w.media.contains(&MediaCommand::CloseRoom));
    let late = w.enter(&someone(RoomRole::Student, "乙"));
    assert_eq!(w.closed(late), Some(CloseReason::Ended));
    assert!(w.room.is_idle());
}

#[test]
fn a_deserted_lesson_ends_by_itself_but_not_before_its_time() {
    let (mut w, _, t) = live();
    let a = w.enter(&someone(RoomRole::Student, "甲"));
    w.drop_socket(t);
    w.wait(Duration::from_secs(30 * 60));
    assert!(is_live(&w), "the planned end is not here");
    w.wait(Duration::from_secs(29 * 60));
    assert!(is_live(&w), "14 minutes after the planned end");
    w.wait(Duration::from_secs(61));
    assert_eq!((w.ended.as_slice(), w.closed(a)), (&[EndReason::Deserted][..], Some(CloseReason::Ended)));
}

#[test]
fn a_device_teaches() {
    let mut w = World::new(false);
    let student = w.enter(&someone(RoomRole::Student, "小明"));
    let device = Entrant { account: None, ..someone(RoomRole::Teacher, "录播主机") };
    let peer = PeerId::generate();
    w.act(|room, now, out| room.device_published(now, device.clone(), peer, out).unwrap());
    assert!(is_live(&w) && w.of(student).people[&device.participant].online, "sending is teaching");
    let info = track(device.participant, TrackSource::Camera);
    let room = w.room.policy.room;
    w.act(|r, now, out| r.media_event(now, MediaEvent::Track { room, info }, out));
    assert_eq!(w.of(student).tracks.len(), 1);
    w.act(|r, now, out| r.media_event(now, MediaEvent::PeerLost { peer }, out));
    assert!(w.of(student).tracks.is_empty() && !w.of(student).people.contains_key(&device.participant));
    assert!(is_live(&w), "the class waits for its teacher");
}

#[test]
fn a_removed_device_does_not_come_back() {
    let (mut w, _, t) = live();
    let device = Entrant { account: None, ..someone(RoomRole::Teacher, "OBS") };
    let publish = |w: &mut World| {
        let mut result = Ok(());
        let (peer, who) = (PeerId::generate(), device.clone());
        w.act(|room, now, out| result = room.device_published(now, who, peer, out));
        result
    };
    assert_eq!(publish(&mut w), Ok(()));
    w.say(t, ClientMessage::Remove { participant: device.participant });
    assert!(w.media.iter().any(|c| matches!(c, MediaCommand::ClosePeer(_))));
    assert_eq!(publish(&mut w), Err(DeviceRefusal::Removed), "it tries again within seconds");
    assert!(!w.of(t).people.contains_key(&device.participant));
    w.say(t, ClientMessage::End {});
    assert_eq!(publish(&mut w), Err(DeviceRefusal::Over));
}

#[test]
fn no_lesson_lasts_for_ever() {
    let mut w = World::new(false);
    let student = w.enter(&someone(RoomRole::Student, "小明"));
    let device = Entrant { account: None, ..someone(RoomRole::Teacher, "录播主机") };
    w.act(|room, now, out| room.device_published(now, device.clone(), PeerId::generate(), out).unwrap());
    w.wait(Duration::from_secs(8 * 3_600 - 1));
    assert!(is_live(&w), "an encoder that nobody switched off counts as the teacher");
    w.wait(Duration::from_secs(1));
    assert_eq!((w.ended.as_slice(), w.closed(student)), (&[EndReason::TooLong][..], Some(CloseReason::Ended)));
    assert!(w.media.contains(&MediaCommand::CloseRoom), "the encoder is cut off");
}

#[test]
fn players_follow_the_main_picture() {
    let (mut w, teacher, t) = live();
    w.say(t, camera_and_voice(1));
    let lines = [("v", TrackKind::Video), ("a", TrackKind::Audio)];
    let lines = lines.map(|(mid, kind)| WatchLine { mid: mid.into(), kind }).to_vec();
    let peer = PeerId::generate();
    w.act(|room, _, out| assert!(room.watch(peer, Watch::new(lines, None), out)));
    let shown = |w: &World| -> Vec<Option<TrackId>> {
        let assigned = |c: &MediaCommand| match c {
            MediaCommand::Assign { peer: p, lines } if *p == peer => Some(lines.iter().map(|l| l.track).collect()),
            _ => None,
        };
        w.media.iter().rev().find_map(assigned).expect("the player was told")
    };
    let camera = published(&w, &teacher, TrackSource::Camera);
    let voice = published(&w, &teacher, TrackSource::Microphone);
    assert_eq!(shown(&w), [Some(camera), Some(voice)]);
    let screen = track(teacher.participant, TrackSource::Screen);
    let (room, id) = (w.room.policy.room, screen.id);
    w.act(|r, now, out| r.media_event(now, MediaEvent::Track { room, info: screen }, out));
    assert_eq!(shown(&w), [Some(id), Some(voice)], "a shared screen is the main picture, the voice stays");
    w.act(|r, now, out| r.media_event(now, MediaEvent::TrackEnded { room, track: id }, out));
    assert_eq!(shown(&w), [Some(camera), Some(voice)]);
    w.act(|room, _, out| room.watch_ended(peer, out));
    assert_eq!(w.media.last(), Some(&MediaCommand::ClosePeer(peer)));
}

#[test]
fn what_one_may_not_see_cannot_be_assigned() {
    let (mut w, _, t) = live();
    let (a, b) = (someone(RoomRole::Student, "甲"), someone(RoomRole::Student, "乙"));
    let (ac, bc) = (w.enter(&a), w.enter(&b));
    w.say(bc, ClientMessage::Subscribe { req: 1, sdp: "v=0".into() });
    w.say(t, p::stage(&a, true));
    w.say(ac, camera_and_voice(2));
    let camera = published(&w, &a, TrackSource::Camera);
    for (track, want) in [(camera, Some(camera)), (TrackId::generate(), None)] {
        w.say(bc, p::assign(track));
        let Some(MediaCommand::Assign { lines, .. }) = w.media.last() else { panic!("{:?}", w.media) };
        assert_eq!(lines[0].track, want);
    }
}

#[test]
fn a_flood_is_slowed_and_then_cut_off() {
    let (mut w, _, _) = live();
    let a = w.enter(&someone(RoomRole::Student, "甲"));
    for _ in 0..20 {
        w.say(a, p::chat("!"));
    }
    assert!(w.of(a).refusals.contains(&RefusalCode::TooOften) && w.room.board.chat.len() == 6);
    for req in 0..300 {
        w.say(a, ClientMessage::Ping { req });
    }
    assert_eq!(w.closed(a), Some(CloseReason::ProtocolError));
}

#[test]
fn coming_back_is_no_way_around_a_limit() {
    let (mut w, _, _) = live();
    let a = someone(RoomRole::Student, "甲");
    for _ in 0..4 {
        let conn = w.enter(&a);
        for _ in 0..6 {
            w.say(conn, p::chat("!"));
        }
        w.drop_socket(conn);
    }
    assert_eq!(w.room.board.chat.len(), 6, "one burst, however often the socket is opened anew");
}

#[test]
fn who_leaves_is_out_and_the_socket_closes() {
    let (mut w, _, t) = live();
    let a = someone(RoomRole::Student, "甲");
    let ac = w.enter(&a);
    w.say(ac, ClientMessage::Leave {});
    assert!(!w.clients.contains_key(&ac), "nobody is behind the socket whose limits would hold for it");
    assert!(!w.of(t).people.contains_key(&a.participant));
    let bc = w.enter(&someone(RoomRole::Student, "乙"));
    w.say(bc, ClientMessage::Hello { version: 1, grant: String::new() });
    assert_eq!(w.closed(bc), Some(CloseReason::ProtocolError), "hello is said once");
}

#[test]
fn a_lost_peer_is_told_to_its_client() {
    let (mut w, _, t) = live();
    w.say(t, camera_and_voice(1));
    let peer = *w.peers.keys().next().unwrap();
    w.act(|r, now, out| r.media_event(now, quality(peer, Quality::Poor), out));
    w.act(|r, now, out| r.media_event(now, MediaEvent::PeerLost { peer }, out));
    assert_eq!(w.of(t).lost, [true]);
}

#[test]
fn a_restart_of_the_server_closes_sockets_and_forgets_nobody() {
    let (mut w, _, t) = live();
    w.act(|r, _, out| r.close_for_restart(out));
    assert_eq!(w.closed(t), Some(CloseReason::ServerRestart));
    assert_eq!(w.room.members.len(), 1);
}
