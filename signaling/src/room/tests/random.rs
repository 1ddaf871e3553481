//! Random lives: whatever people do in whatever order, what must hold does, and every client's belief is the truth.

use super::*;
use proptest::prelude::*;

const PEOPLE: usize = 8;

#[derive(Debug, Clone)]
enum Op {
    Enter(usize),
    Drop(usize),
    Say(usize, Word),
    Wait(u64),
    PeerLost(usize),
    TrackEnded(usize),
    Quality(usize, u8),
    /// The media plane takes the oldest offer; `true` renews a peer instead of making a new one.
    MediaWorks(bool),
    /// The room hears the oldest answer.
    HearAnswer,
    Restart,
}

/// A message, with people and things by number.
#[derive(Debug, Clone)]
enum Word {
    Open,
    Stage(usize, bool),
    Publish,
    Screen,
    Unpublish(usize),
    Subscribe,
    Mute(bool),
    Hand(bool),
    Chat,
    Ask,
    Vote(u32, bool),
    Answer(u32),
    Lower(Option<usize>),
    MuteAll,
    Remove(usize),
    Admit(Option<usize>, bool),
    WaitingRoom(bool),
    Leave,
    End,
}

fn word() -> impl Strategy<Value = Word> {
    let who = 0..PEOPLE;
    prop_oneof![
        4 => Just(Word::Open),
        6 => (who.clone(), any::<bool>()).prop_map(|(w, on)| Word::Stage(w, on)),
        6 => Just(Word::Publish),
        2 => Just(Word::Screen),
        2 => (0..4_usize).prop_map(Word::Unpublish),
        3 => Just(Word::Subscribe),
        3 => any::<bool>().prop_map(Word::Mute),
        3 => any::<bool>().prop_map(Word::Hand),
        2 => Just(Word::Chat),
        2 => Just(Word::Ask),
        2 => (0..4_u32, any::<bool>()).prop_map(|(q, up)| Word::Vote(q, up)),
        1 => (0..4_u32).prop_map(Word::Answer),
        1 => proptest::option::of(who.clone()).prop_map(Word::Lower),
        1 => Just(Word::MuteAll),
        1 => who.clone().prop_map(Word::Remove),
        3 => (proptest::option::of(who), any::<bool>()).prop_map(|(w, a)| Word::Admit(w, a)),
        2 => any::<bool>().prop_map(Word::WaitingRoom),
        2 => Just(Word::Leave),
        1 => Just(Word::End),
    ]
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        6 => (0..PEOPLE).prop_map(Op::Enter),
        3 => (0..PEOPLE).prop_map(Op::Drop),
        20 => (0..PEOPLE, word()).prop_map(|(w, m)| Op::Say(w, m)),
        2 => (1..90_u64).prop_map(Op::Wait),
        1 => (0..4_usize).prop_map(Op::PeerLost),
        1 => (0..4_usize).prop_map(Op::TrackEnded),
        1 => (0..4_usize, 0..4_u8).prop_map(|(p, q)| Op::Quality(p, q)),
        8 => any::<bool>().prop_map(Op::MediaWorks),
        8 => Just(Op::HearAnswer),
        1 => Just(Op::Restart),
    ]
}

struct Play {
    world: World,
    people: Vec<Entrant>,
    conns: Vec<Option<ConnId>>,
    req: u32,
}

impl Play {
    fn new(waiting_room: bool, delay: bool) -> Self {
        let role = |n| match n {
            0 | 1 => RoomRole::Teacher,
            2 => RoomRole::Classroom,
            3 => RoomRole::Viewer,
            _ => RoomRole::Student,
        };
        let people = (0..PEOPLE).map(|n| someone(role(n), &format!("人{n}"))).collect();
        let world = World { delay, ..World::new(waiting_room) };
        Self { world, people, conns: vec![None; PEOPLE], req: 0 }
    }

    fn play(&mut self, op: Op) {
        match op {
            Op::Enter(n) => {
                let who = self.people[n].clone();
                self.conns[n] = Some(self.world.enter(&who));
            }
            Op::Drop(n) => {
                if let Some(conn) = self.conns[n].take().filter(|c| self.world.clients.contains_key(c)) {
                    self.world.drop_socket(conn);
                }
            }
            Op::Say(n, word) => {
                if let Some(conn) = self.conns[n].filter(|c| self.world.clients.contains_key(c)) {
                    let message = self.message(n, word);
                    self.world.say(conn, message);
                }
            }
            Op::Wait(secs) => self.world.wait(Duration::from_secs(secs)),
            Op::PeerLost(n) => {
                if let Some(peer) = self.world.peers.keys().nth(n).copied() {
                    self.world.peers.remove(&peer);
                    self.world.act(|r, now, out| r.media_event(now, MediaEvent::PeerLost { peer }, out));
                }
            }
            Op::TrackEnded(n) => {
                if let Some(track) = self.world.room.tracks.keys().nth(n).copied() {
                    let room = self.world.room.policy.room;
                    self.world.act(|r, now, out| r.media_event(now, MediaEvent::TrackEnded { room, track }, out));
                }
            }
            Op::Quality(n, q) => {
                if let Some(peer) = self.world.peers.keys().nth(n).copied() {
                    let up = [Quality::Unknown, Quality::Good, Quality::Fair, Quality::Poor][usize::from(q)];
                    self.world.act(|r, now, out| r.media_event(now, quality(peer, up), out));
                }
            }
            Op::MediaWorks(renews) => {
                self.world.renews = renews;
                self.world.media_works();
            }
            Op::HearAnswer => self.world.hear_answer(),
            Op::Restart => {
                if self.world.room.state != LessonState::Over {
                    let kept = serde_json::to_string(&self.world.room.keep(self.world.now)).unwrap();
                    let kept = serde_json::from_str(&kept).unwrap();
                    self.world.room = Room::restore(self.world.now, self.world.room.policy.clone(), kept);
                    self.world.clients.clear();
                    self.world.peers.clear();
                    self.world.offers.clear();
                    self.world.answers.clear();
                }
            }
        }
    }

    fn message(&mut self, n: usize, word: Word) -> ClientMessage {
        self.req += 1;
        let req = self.req;
        let id = |n: usize| self.people[n].participant;
        match word {
            Word::Open => ClientMessage::Open {},
            Word::Stage(w, on) => ClientMessage::Stage { participant: id(w), on },
            Word::Publish => camera_and_voice(req),
            Word::Screen => {
                let lines = vec![PublishLine { mid: "2".into(), source: TrackSource::Screen }];
                ClientMessage::Publish { req, sdp: "v=0".into(), lines }
            }
            Word::Unpublish(t) => {
                let mine = self.world.room.tracks.values().filter(|t| t.info.participant == id(n));
                let track = mine.map(|t| t.info.id).nth(t).unwrap_or_else(TrackId::generate);
                ClientMessage::Unpublish { track }
            }
            Word::Subscribe => ClientMessage::Subscribe { req, sdp: "v=0".into() },
            Word::Mute(muted) => ClientMessage::MuteSelf { source: TrackSource::Microphone, muted },
            Word::Hand(up) => ClientMessage::Hand { up },
            Word::Chat => ClientMessage::Chat { text: "好".into() },
            Word::Ask => ClientMessage::Ask { text: "为什么？".into() },
            Word::Vote(question, up) => ClientMessage::Vote { question, up },
            Word::Answer(question) => ClientMessage::Answer { question, text: Some("因为".into()) },
            Word::Lower(w) => ClientMessage::LowerHand { participant: w.map(id) },
            Word::MuteAll => ClientMessage::Mute { participant: None },
            Word::Remove(w) => ClientMessage::Remove { participant: id(w) },
            Word::Admit(w, admit) => ClientMessage::Admit { participant: w.map(id), admit },
            Word::WaitingRoom(on) => ClientMessage::WaitingRoom { on },
            Word::Leave => ClientMessage::Leave {},
            Word::End => ClientMessage::End {},
        }
    }

    /// What must hold after every step.
    fn check(&self) {
        let room = &self.world.room;
        let students = room.members.values().filter(|m| !m.is_teacher()).count();
        assert!(students <= PARTICIPANTS_MAX, "the room has a size");
        let on_stage = room.members.values().filter(|m| m.on_view() && !m.is_teacher()).count();
        assert!(on_stage <= STAGE_MAX, "the stage has a size");
        assert!(room.board.chat.len() <= limits::CHAT_KEPT_MAX && room.removed.len() <= limits::REMOVED_MAX);
        assert!(room.board.question_ids().len() <= limits::QUESTIONS_MAX);
        for member in room.members.values() {
            assert_eq!(member.conn.is_none() && !member.device, member.gone.is_some(), "gone is having no socket");
            assert!(member.in_class() || (!member.on_stage || member.is_teacher()), "the stage is in class");
            assert!(member.hand_since.is_none() || member.in_class());
            assert!(!member.out_of_view || member.conn.is_none(), "who is here is seen");
        }
        for track in room.tracks.values() {
            let owner = room.members.get(&track.info.participant).expect("a track has an owner who is here");
            assert!(owner.on_view() && owner.in_class(), "tracks come from the stage");
        }
        if room.state == LessonState::Over {
            assert!(room.members.is_empty() && room.tracks.is_empty());
        }
        assert!(self.world.ended.len() <= 1 && self.world.opened <= 1);
        assert_eq!(self.world.orphans(), [], "every peer that stands is somebody's");
        for member in room.members.values().filter(|m| m.in_class()) {
            let Some(belief) = member.conn.and_then(|c| self.world.clients.get(&c)) else { continue };
            let truth = room.snapshot(member);
            let people: Vec<_> = belief.people.values().cloned().collect();
            assert_eq!(people, truth.participants, "what {} believes of people", member.name);
            let tracks: Vec<_> = belief.tracks.values().cloned().collect();
            assert_eq!(tracks, truth.tracks, "what {} believes of tracks", member.name);
            assert_eq!(belief.chat, truth.chat);
            let questions: Vec<_> = belief.questions.values().cloned().collect();
            assert_eq!(questions, truth.questions);
            if member.is_teacher() {
                assert_eq!(belief.queue, truth.waiting, "what {} believes of the queue", member.name);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn whatever_people_do(
        waiting_room in any::<bool>(),
        delay in any::<bool>(),
        ops in proptest::collection::vec(op(), 1..120),
    ) {
        let mut play = Play::new(waiting_room, delay);
        for op in ops {
            play.play(op);
            play.check();
        }
    }
}
