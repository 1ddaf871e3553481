//! Rooms driven without sockets: a world of clients that believe what they are told.

mod life;
mod offers;
mod presence;
mod random;
mod recording;
mod sizes;

use super::*;
use crate::ports::{MediaError, MediaEvent, Published, Subscribed};
use lectern_media::{Bitrate, Codec, TrackInfo, TrackSource};
use lectern_protocol::ws::{
    ChatLine, ClientMessage, LessonState, Participant, Quality, Question, RefusalCode, RoomSnapshot, Track,
};
use std::collections::{BTreeMap, VecDeque};

pub(super) const STAGE_MAX: usize = 2;
pub(super) const PARTICIPANTS_MAX: usize = 6;

/// What one client believes, from nothing but the messages it got.
#[derive(Debug, Clone, Default)]
pub(super) struct Belief {
    pub you: Option<ParticipantId>,
    pub waiting: bool,
    pub closed: Option<CloseReason>,
    pub people: BTreeMap<ParticipantId, Participant>,
    pub tracks: BTreeMap<TrackId, Track>,
    pub chat: Vec<ChatLine>,
    pub questions: BTreeMap<u32, Question>,
    pub queue: Vec<Participant>,
    pub refusals: Vec<RefusalCode>,
    pub stage_calls: Vec<bool>,
    pub answers: Vec<Req>,
    pub lost: Vec<bool>,
}

impl Belief {
    fn hear(&mut self, message: ServerMessage) {
        match message {
            ServerMessage::Welcome { you, room, .. } => {
                let RoomSnapshot { participants, tracks, chat, questions, waiting, .. } = room;
                let refusals = std::mem::take(&mut self.refusals);
                *self = Self {
                    you: Some(you),
                    people: participants.into_iter().map(|p| (p.id, p)).collect(),
                    tracks: tracks.into_iter().map(|t| (t.info.id, t)).collect(),
                    chat,
                    questions: questions.into_iter().map(|q| (q.id, q)).collect(),
                    queue: waiting,
                    refusals,
                    ..Self::default()
                };
            }
            ServerMessage::Waiting { .. } => self.waiting = true,
            ServerMessage::Closed { reason } => self.closed = Some(reason),
            ServerMessage::ParticipantChanged { participant } => {
                self.people.insert(participant.id, participant);
            }
            ServerMessage::ParticipantLeft { participant } => {
                self.people.remove(&participant);
            }
            ServerMessage::TrackChanged { track } => {
                self.tracks.insert(track.info.id, track);
            }
            ServerMessage::TrackEnded { track } => {
                self.tracks.remove(&track);
            }
            ServerMessage::Chat { line } => {
                self.chat.push(line);
                if self.chat.len() > limits::CHAT_KEPT_MAX {
                    self.chat.remove(0);
                }
            }
            ServerMessage::QuestionChanged { question } => {
                self.questions.insert(question.id, question);
            }
            ServerMessage::WaitingChanged { waiting } => self.queue = waiting,
            ServerMessage::Refused { code, .. } => self.refusals.push(code),
            ServerMessage::YourStage { on } => self.stage_calls.push(on),
            ServerMessage::Answer { req, .. } => self.answers.push(req),
            ServerMessage::PeerLost { publish } => self.lost.push(publish),
            _ => {}
        }
    }
}

/// What the media plane answered.
pub(super) enum Answer {
    Published(Result<Published, MediaError>),
    Subscribed(Result<Subscribed, MediaError>),
}

/// A room with its clients and a media plane that says yes: at once, or when the test says so.
pub(super) struct World {
    pub room: Room,
    pub now: Now,
    pub clients: BTreeMap<ConnId, Belief>,
    /// What stands in the media plane.
    pub peers: BTreeMap<PeerId, (ParticipantId, bool)>,
    /// Offers and answers wait in `offers` and `answers` until the test moves them.
    pub delay: bool,
    /// Whether an offer comes from the connection that it replaces, which the media plane renews then.
    pub renews: bool,
    pub offers: VecDeque<Negotiation>,
    pub answers: VecDeque<(Asked, Answer)>,
    pub media: Vec<MediaCommand>,
    pub timeline: Vec<ClassEvent>,
    pub presences: BTreeMap<(ParticipantId, i64), Option<UnixMillis>>,
    pub opened: usize,
    /// How often a recording was asked for in the middle of the lesson.
    pub record: usize,
    pub ended: Vec<EndReason>,
    next_conn: u64,
}

pub(super) fn policy() -> Policy {
    Policy {
        room: RoomId::generate(),
        lesson: LessonId::generate(),
        title: "分数乘法".into(),
        teacher: "王老师".into(),
        record: true,
        classrooms_on_stage: true,
        ends: UnixMillis(45 * 60_000),
        length: Duration::from_secs(45 * 60),
        participants_max: PARTICIPANTS_MAX,
        stage_max: STAGE_MAX,
        away_end: Duration::from_secs(15 * 60),
        live_max: Duration::from_secs(8 * 3_600),
    }
}

pub(super) fn someone(role: RoomRole, name: &str) -> Entrant {
    let account = (role == RoomRole::Teacher).then(AccountId::generate);
    Entrant { participant: ParticipantId::generate(), account, name: name.into(), role }
}

impl World {
    pub fn new(waiting_room: bool) -> Self {
        Self {
            room: Room::new(policy(), waiting_room),
            now: Now { wall: UnixMillis(0), mono: Duration::from_secs(1_000) },
            clients: BTreeMap::new(),
            peers: BTreeMap::new(),
            delay: false,
            renews: true,
            offers: VecDeque::new(),
            answers: VecDeque::new(),
            media: vec![],
            timeline: vec![],
            presences: BTreeMap::new(),
            opened: 0,
            record: 0,
            ended: vec![],
            next_conn: 0,
        }
    }

    pub fn wait(&mut self, d: Duration) {
        self.now.wall = self.now.wall.plus(d);
        self.now.mono += d;
        self.act(|room, now, out| room.tick(now, out));
    }

    /// Does something to the room and carries out what it intends.
    pub fn act(&mut self, act: impl FnOnce(&mut Room, Now, &mut Vec<Output>)) {
        let mut out = Vec::new();
        act(&mut self.room, self.now, &mut out);
        while !out.is_empty() {
            for output in std::mem::take(&mut out) {
                self.carry_out(output, &mut out);
            }
        }
    }

    fn carry_out(&mut self, output: Output, out: &mut Vec<Output>) {
        match output {
            Output::Send { to, message } => {
                assert!(!to.is_empty(), "nothing is sent to nobody");
                for conn in to {
                    let client = self.clients.get_mut(&conn).expect("messages go to sockets that are open");
                    client.hear((*message).clone());
                }
            }
            Output::Close { conn, reason } => {
                let mut client = self.clients.remove(&conn).expect("a socket is closed once");
                client.hear(ServerMessage::Closed { reason });
                self.clients.insert(ConnId(conn.0 | CLOSED), client);
            }
            Output::Negotiate(n) => {
                let member = self.room.members.get(&n.asked.participant).expect("a participant negotiates");
                assert!(member.in_class());
                assert!(member.on_stage || n.publish.is_none(), "only those on stage publish");
                self.offers.push_back(n);
                if !self.delay {
                    self.media_works();
                    self.take_answer(out);
                }
            }
            Output::Media(command) => {
                match &command {
                    MediaCommand::ClosePeer(peer) => drop(self.peers.remove(peer)),
                    MediaCommand::CloseRoom => self.peers.clear(),
                    _ => {}
                }
                self.media.push(command);
            }
            Output::Opened { .. } => self.opened += 1,
            Output::Dismiss { conn } => {
                self.clients.remove(&conn).expect("a socket is closed once");
            }
            Output::Record => self.record += 1,
            Output::Ended { reason } => self.ended.push(reason),
            Output::Timeline(event) => self.timeline.push(event),
            Output::Attendance(p) => {
                assert!(p.to.is_none_or(|to| to >= p.from), "a presence ends after it began");
                self.presences.insert((p.participant, p.from.0), p.to);
            }
            Output::Keep => {}
        }
    }

    /// The media plane takes the oldest offer: as the real one, it renews a peer or closes the one that is replaced, if it
    /// still stands.
    pub fn media_works(&mut self) {
        let Some(n) = self.offers.pop_front() else { return };
        let known = n.replaces.filter(|p| self.peers.contains_key(p));
        let peer = known.filter(|_| self.renews).unwrap_or_else(PeerId::generate);
        if let Some(old) = known.filter(|old| *old != peer) {
            self.peers.remove(&old);
        }
        self.peers.insert(peer, (n.asked.participant, n.publish.is_some()));
        let sdp = "v=0".to_owned();
        let answer = match n.publish {
            Some(lines) => {
                let tracks = lines.iter().map(|l| track(n.asked.participant, l.source)).collect();
                Answer::Published(Ok(Published { peer, sdp, tracks }))
            }
            None => Answer::Subscribed(Ok(Subscribed { peer, sdp })),
        };
        self.answers.push_back((n.asked, answer));
    }

    /// The room hears the oldest answer, and of the tracks that begin if their peer still stands.
    pub fn hear_answer(&mut self) {
        let mut out = Vec::new();
        self.take_answer(&mut out);
        self.act(|_, _, all| *all = out);
    }

    fn take_answer(&mut self, out: &mut Vec<Output>) {
        match self.answers.pop_front() {
            Some((asked, Answer::Published(result))) => {
                let published = result.clone();
                self.room.published(asked, result, out);
                let Ok(Published { peer, tracks, .. }) = published else { return };
                if self.room.members.get(&asked.participant).is_some_and(|m| m.publish.peer == Some(peer)) {
                    for info in tracks {
                        let room = self.room.policy.room;
                        self.room.media_event(self.now, MediaEvent::Track { room, info }, out);
                    }
                }
            }
            Some((asked, Answer::Subscribed(result))) => self.room.subscribed(asked, result, out),
            None => {}
        }
    }

    /// Peers of the media plane that are nobody's and that no answer on its way will bring to anybody.
    pub fn orphans(&self) -> Vec<PeerId> {
        let owned = |peer: &PeerId| {
            self.room.members.values().any(|m| [m.publish.peer, m.subscribe.peer].contains(&Some(*peer)))
        };
        let coming = |peer: &PeerId| {
            self.answers.iter().any(|(_, answer)| match answer {
                Answer::Published(Ok(a)) => a.peer == *peer,
                Answer::Subscribed(Ok(a)) => a.peer == *peer,
                _ => false,
            })
        };
        self.peers.keys().filter(|p| !owned(p) && !coming(p)).copied().collect()
    }

    pub fn enter(&mut self, who: &Entrant) -> ConnId {
        self.next_conn += 1;
        let conn = ConnId(self.next_conn);
        self.clients.insert(conn, Belief::default());
        let who = who.clone();
        self.act(|room, now, out| room.enter(now, conn, who, out));
        conn
    }

    pub fn say(&mut self, conn: ConnId, message: ClientMessage) {
        self.act(|room, now, out| room.message(now, conn, message, out));
    }

    pub fn drop_socket(&mut self, conn: ConnId) {
        self.clients.remove(&conn);
        self.act(|room, now, out| room.disconnected(now, conn, out));
    }

    /// What a client believes; also after its socket was closed.
    pub fn of(&self, conn: ConnId) -> &Belief {
        self.clients.get(&conn).or_else(|| self.clients.get(&ConnId(conn.0 | CLOSED))).expect("a client")
    }

    pub fn closed(&self, conn: ConnId) -> Option<CloseReason> {
        self.of(conn).closed
    }
}

/// Marks the number of a socket that the room closed.
const CLOSED: u64 = 1 << 63;

pub(super) fn track(participant: ParticipantId, source: TrackSource) -> TrackInfo {
    let codec = match source {
        TrackSource::Camera | TrackSource::Screen | TrackSource::Substream => Codec::H264,
        TrackSource::Microphone | TrackSource::ScreenAudio => Codec::Opus,
    };
    TrackInfo { id: TrackId::generate(), participant, source, codec, layers: 1 }
}

pub(super) fn camera_and_voice(req: Req) -> ClientMessage {
    let line = |mid: &str, source| PublishLine { mid: mid.into(), source };
    let lines = vec![line("0", TrackSource::Camera), line("1", TrackSource::Microphone)];
    ClientMessage::Publish { req, sdp: "v=0".into(), lines }
}

pub(super) fn quality(peer: PeerId, up: Quality) -> MediaEvent {
    MediaEvent::Quality { peer, up, down: Quality::Unknown, estimate: Bitrate::ZERO }
}

pub(super) fn is_live(world: &World) -> bool {
    world.room.state == LessonState::Live
}
