//! The WebSocket at `/ws`: JSON text frames, one message each, at most [`MESSAGE_LEN_BYTES_MAX`] bytes.
//!
//! Order of a life: the client sends [`ClientMessage::Hello`]; the server answers [`ServerMessage::Welcome`] (in class),
//! [`ServerMessage::Waiting`] (in the waiting room; a `Welcome` follows when admitted) or [`ServerMessage::Closed`].
//! Then the client offers its publishing connection ([`ClientMessage::Publish`]) if it has something to send, and one
//! receiving connection ([`ClientMessage::Subscribe`]) with a fixed number of media lines. What the lines carry is
//! changed with [`ClientMessage::Assign`] and never renegotiated.
//! A request that carries `req` is answered by exactly one message with the same `req`.

use lectern_media::{Bitrate, Layer, LessonId, ParticipantId, RoomId, TrackId, TrackInfo, TrackSource, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The longest message that the server takes, in bytes: an SDP offer with thirty media lines fits twice. What it sends may be
/// longer: the snapshot of a full room with all that was said in it.
pub const MESSAGE_LEN_BYTES_MAX: usize = 128 * 1024;

/// A client's number for a request; the answer carries it back.
pub type Req = u32;

/// What someone is in a room. Decided by the server from rights and invitation, never by the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RoomRole {
    /// Teaches: opens and ends the class, calls on people, admits, mutes, removes.
    Teacher,
    /// A remote student, joined by link or signed in.
    Student,
    /// A classroom screen: a whole remote classroom behind one camera.
    Classroom,
    /// Looks on without being called: staff who observe, viewers of a famous-teacher class.
    Viewer,
}

/// Why the class cannot be entered, or was left against the client's will. Each has its own words in the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum CloseReason {
    /// There is no such class.
    UnknownRoom,
    /// The grant or the session is not valid (any more).
    NotAuthorised,
    /// The class has as many participants as it may have.
    RoomFull,
    /// The teacher turned this participant away from the waiting room.
    Refused,
    /// The teacher removed this participant.
    Removed,
    /// The class was ended for all.
    Ended,
    /// The same participant joined from another tab or device, which took over.
    TakenOver,
    /// The client speaks a version that this server does not.
    VersionMismatch,
    /// The server is going down; reconnect.
    ServerRestart,
    /// The client broke the protocol or its limits.
    ProtocolError,
}

/// Why a request was refused. The connection stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RefusalCode {
    /// Only the teacher may do this.
    NotTeacher,
    /// Publishing is for those on stage (or the teacher).
    NotOnStage,
    /// The participant, track or question does not exist (any more).
    Unknown,
    /// The SDP cannot be used; the detail says why.
    BadOffer,
    /// Too many of these in too short a time.
    TooOften,
    /// Text too long, number out of range.
    TooLarge,
    /// The class is not open.
    NotOpen,
    /// The server cannot do it at the moment; try again.
    Busy,
    /// The stage has as many people as it may have.
    StageFull,
}

/// A published track as offered by a client: which media line carries which source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct PublishLine {
    /// The SDP media id (RFC 8843 §15) of the line.
    pub mid: String,
    /// What it carries.
    pub source: TrackSource,
}

/// What one receiving media line shall carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LineAssignment {
    /// The SDP media id of the receiving line.
    pub mid: String,
    /// The track, or nothing.
    pub track: Option<TrackId>,
    /// The height in device pixels at which it is shown; the server picks the lowest layer that fills it. 0 = hidden.
    pub height_px: u16,
    /// Who comes first when the line does not carry all.
    pub priority: LinePriority,
}

/// Who gets bandwidth first: screen > pinned > speaker > rest (DESIGN §4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum LinePriority {
    /// Everything else.
    Rest,
    /// Who speaks or is called.
    Speaker,
    /// What the viewer chose to see large.
    Pinned,
    /// A shared screen.
    Screen,
}

/// From client to server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientMessage {
    /// First message. `grant` comes from `POST /api/v1/classes/{code}/join`.
    Hello {
        /// [`crate::PROTOCOL_VERSION`].
        version: u32,
        /// The signed, short-lived join grant.
        grant: String,
    },
    /// Offers the sending peer connection (or renews it after a change of lines or an ICE restart).
    Publish {
        /// Answered by [`ServerMessage::Answer`].
        req: Req,
        /// SDP offer, sendonly lines, up to three simulcast layers each with rids `q`, `h`, `f` (lowest first).
        sdp: String,
        /// What the lines carry.
        lines: Vec<PublishLine>,
    },
    /// Offers the receiving peer connection: recvonly lines, as many as the client will ever show.
    Subscribe {
        /// Answered by [`ServerMessage::Answer`].
        req: Req,
        /// SDP offer.
        sdp: String,
    },
    /// Replaces what the receiving lines carry.
    Assign {
        /// Every line that shall carry something or change size; a line not named carries nothing.
        lines: Vec<LineAssignment>,
    },
    /// Receive no video at all (audio only, by choice).
    AudioOnly {
        /// Whether from now on.
        on: bool,
    },
    /// Stops publishing a source (the screen share ended).
    Unpublish {
        /// The track.
        track: TrackId,
    },
    /// The client muted or unmuted its own track (told so that others and the recording see it).
    MuteSelf {
        /// Which source.
        source: TrackSource,
        /// Whether it is muted.
        muted: bool,
    },
    /// Raises or lowers one's own hand.
    Hand {
        /// Up or down.
        up: bool,
    },
    /// A line of chat, 1 to 2,000 characters.
    Chat {
        /// The text.
        text: String,
    },
    /// Asks a question, 1 to 1,000 characters.
    Ask {
        /// The text.
        text: String,
    },
    /// Votes a question up, or takes the vote back.
    Vote {
        /// The question.
        question: u32,
        /// Vote or not.
        up: bool,
    },
    /// Teacher: opens the class (lets people in, starts the recording).
    Open {},
    /// Teacher: brings someone on stage or off.
    Stage {
        /// Whom.
        participant: ParticipantId,
        /// On or off.
        on: bool,
    },
    /// Teacher: lowers a participant's hand.
    LowerHand {
        /// Whose; nobody named = all.
        participant: Option<ParticipantId>,
    },
    /// Teacher: mutes one participant's microphone, or everybody's but the teacher's. People unmute themselves.
    Mute {
        /// Whose; nobody named = all.
        participant: Option<ParticipantId>,
    },
    /// Teacher: removes someone from the class.
    Remove {
        /// Whom.
        participant: ParticipantId,
    },
    /// Teacher: admits someone from the waiting room, or turns them away.
    Admit {
        /// Whom; nobody named = all who wait.
        participant: Option<ParticipantId>,
        /// Admit or turn away.
        admit: bool,
    },
    /// Teacher: turns the waiting room on or off.
    WaitingRoom {
        /// On or off.
        on: bool,
    },
    /// Teacher: marks a question answered (by voice, or with a text).
    Answer {
        /// The question.
        question: u32,
        /// The answer in words, if any.
        text: Option<String>,
    },
    /// Teacher: ends the class for all.
    End {},
    /// Leaves. The server forgets the participant at once instead of waiting for a reconnect.
    Leave {},
    /// Keeps the connection alive and measures it; answered by [`ServerMessage::Pong`].
    Ping {
        /// Echoed.
        req: Req,
    },
}

/// Someone in the class, as others see them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct Participant {
    /// Id.
    pub id: ParticipantId,
    /// The name to show.
    pub name: String,
    /// What they are here.
    pub role: RoomRole,
    /// On stage: seen and heard by all.
    pub on_stage: bool,
    /// Since when the hand is up.
    pub hand_since: Option<UnixMillis>,
    /// Which published sources are muted.
    pub muted: Vec<TrackSource>,
    /// Whether they are connected at this moment (kept a while through a reconnect).
    pub online: bool,
    /// Quality of their connection as the server measures it.
    pub quality: Quality,
    /// When they joined.
    pub joined: UnixMillis,
}

/// How good a line is, in three steps that people understand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum Quality {
    /// Not known yet.
    #[default]
    Unknown,
    /// Everything arrives.
    Good,
    /// Some loss or a lower layer.
    Fair,
    /// Only sound, or heavy loss.
    Poor,
}

/// A published track with its owner's source and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Track {
    /// The track itself.
    #[serde(flatten)]
    pub info: TrackInfo,
    /// Whether it is muted.
    pub muted: bool,
}

/// A line of chat.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct ChatLine {
    /// Counts from 1 within the lesson.
    pub id: u32,
    /// When.
    pub at: UnixMillis,
    /// Who.
    pub from: ParticipantId,
    /// Their name at that time.
    pub name: String,
    /// What.
    pub text: String,
}

/// A question.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Question {
    /// Counts from 1 within the lesson.
    pub id: u32,
    /// When.
    pub at: UnixMillis,
    /// Who asked.
    pub from: ParticipantId,
    /// Their name at that time.
    pub name: String,
    /// What.
    pub text: String,
    /// How many voted for it.
    pub votes: u32,
    /// Whether the receiver voted for it.
    pub voted: bool,
    /// When it was answered.
    pub answered: Option<UnixMillis>,
    /// The answer in words, if written.
    pub answer: Option<String>,
}

/// Where a lesson stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LessonState {
    /// Not opened yet.
    Scheduled,
    /// Being taught.
    Live,
    /// Ended.
    Over,
}

/// Whether the lesson is being recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// Nothing is kept.
    Off,
    /// Everything up to now is on disk or about to be (within a second).
    On,
    /// It should be recorded but is not: the disk is full or broken. The class goes on.
    Failed,
}

/// The room as it is: sent whole in [`ServerMessage::Welcome`], then kept current by changes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
pub struct RoomSnapshot {
    /// The room.
    pub room: RoomId,
    /// The lesson that runs or comes next.
    pub lesson: LessonId,
    /// Title of the class.
    pub title: String,
    /// The teacher's name.
    pub teacher: String,
    /// Where the lesson stands.
    pub state: LessonState,
    /// Since when it is live.
    pub live_since: Option<UnixMillis>,
    /// Whether it is recorded.
    pub recording: RecordingState,
    /// Whether newcomers wait to be admitted.
    pub waiting_room: bool,
    /// Teachers see everybody; others see the stage (and themselves).
    pub participants: Vec<Participant>,
    /// How many are in class in all.
    pub participant_count: u32,
    /// Who waits (teachers only).
    pub waiting: Vec<Participant>,
    /// Published tracks that the receiver may see.
    pub tracks: Vec<Track>,
    /// The last lines of chat, at most 200.
    pub chat: Vec<ChatLine>,
    /// The questions, at most 200.
    pub questions: Vec<Question>,
}

/// From server to client.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum ServerMessage {
    /// You are in.
    Welcome {
        /// Your id.
        you: ParticipantId,
        /// What you are.
        role: RoomRole,
        /// The server's wall clock, to show waiting times right on a PC whose clock is wrong.
        now: UnixMillis,
        /// The room.
        room: RoomSnapshot,
    },
    /// You wait to be admitted (or for the class to open).
    Waiting {
        /// Title of the class.
        title: String,
        /// The teacher's name.
        teacher: String,
        /// Whether the class is open (then the teacher must admit you) or not yet.
        open: bool,
    },
    /// The answer to a `Publish` or `Subscribe`.
    Answer {
        /// The request.
        req: Req,
        /// SDP answer, complete with candidates.
        sdp: String,
        /// For `Publish`: the tracks that now exist, in the order of the lines.
        tracks: Vec<TrackId>,
    },
    /// The request was carried out (requests with `req` that have no other answer), or measured.
    Pong {
        /// The request.
        req: Req,
        /// The server's wall clock.
        now: UnixMillis,
    },
    /// A request was refused.
    Refused {
        /// The request, if it had a number.
        req: Option<Req>,
        /// Why.
        code: RefusalCode,
        /// Technical detail, in English, for the log and the small print.
        detail: String,
    },
    /// Someone came or changed.
    ParticipantChanged {
        /// As they are now.
        participant: Participant,
    },
    /// Someone left (or is no longer visible to you).
    ParticipantLeft {
        /// Who.
        participant: ParticipantId,
    },
    /// How many are in class. Sent at most once a second.
    Count {
        /// All of them.
        participants: u32,
    },
    /// Who waits to be admitted (teachers only): the whole list, longest first.
    WaitingChanged {
        /// The list.
        waiting: Vec<Participant>,
    },
    /// A track exists or changed.
    TrackChanged {
        /// As it is now.
        track: Track,
    },
    /// A track ended.
    TrackEnded {
        /// Which.
        track: TrackId,
    },
    /// What a receiving line carries now.
    LineChanged {
        /// The line.
        mid: String,
        /// The track, or nothing.
        track: Option<TrackId>,
        /// The layer, or nothing while paused.
        layer: Option<Layer>,
        /// Whether the line's bandwidth, not the choice of the viewer, holds it back.
        limited: bool,
    },
    /// The loudest voice.
    Speaker {
        /// Whose; nobody = silence.
        participant: Option<ParticipantId>,
    },
    /// How good your own connection is.
    YourQuality {
        /// What you send.
        up: Quality,
        /// What you receive.
        down: Quality,
        /// The estimate for what you may receive.
        down_estimate: Bitrate,
    },
    /// Chat.
    Chat {
        /// The line.
        line: ChatLine,
    },
    /// A question came or changed.
    QuestionChanged {
        /// As it is now.
        question: Question,
    },
    /// The lesson's state, recording or waiting room changed.
    RoomChanged {
        /// Where the lesson stands.
        state: LessonState,
        /// Since when it is live.
        live_since: Option<UnixMillis>,
        /// Whether it is recorded.
        recording: RecordingState,
        /// Whether newcomers wait.
        waiting_room: bool,
    },
    /// The teacher brought you on stage (publish now, you may speak) or off (your sending connection is closed).
    YourStage {
        /// On or off.
        on: bool,
    },
    /// The teacher muted your microphone: stop sending, show it, let the person unmute.
    PleaseMute {
        /// What.
        source: TrackSource,
    },
    /// A peer connection of yours died at the server (`publish` or `subscribe`): offer it anew.
    PeerLost {
        /// Whether it was the sending one.
        publish: bool,
    },
    /// The room is closed to you; the socket closes after this.
    Closed {
        /// Why.
        reason: CloseReason,
    },
}
