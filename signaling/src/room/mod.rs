//! One room as a pure state machine: messages of clients, reports of the media plane and time go in, intentions come out.
//!
//! The contract: every call takes [`Now`] and an output list; the caller carries the outputs out in their order. A call
//! never waits and never fails: what a client may not do is answered by [`ServerMessage::Refused`]. [`Room::tick`] is
//! called about once a second. No socket, clock, lock or task lives here; those are in [`crate::hub`].
//!
//! Everything that grows has a bound, stated in [`limits`].

mod board;
mod bucket;
mod core;
mod keep;
pub mod limits;
mod media;
mod member;
mod offers;
mod request;
mod view;
mod watch;

#[cfg(test)]
mod tests;

pub(crate) use self::bucket::{Bucket, Rate};
pub use self::{
    core::Room,
    keep::KeptRoom,
    watch::{Watch, WatchLine},
};

use lectern_media::{AccountId, LessonId, ParticipantId, PeerId, RoomId, TrackId, UnixMillis};
use lectern_protocol::{
    api::ClassEvent,
    ws::{CloseReason, LineAssignment, PublishLine, Req, RoomRole, ServerMessage},
};
use std::time::Duration;

/// The two clocks a room needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Now {
    /// Wall clock: what people are shown and what is kept.
    pub wall: UnixMillis,
    /// Monotonic, from any zero: for waiting.
    pub mono: Duration,
}

/// One socket. The shell counts them; a number is never used twice in one process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnId(pub u64);

/// Someone with a valid grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entrant {
    /// Who.
    pub participant: ParticipantId,
    /// The account, if signed in.
    pub account: Option<AccountId>,
    /// Name to show.
    pub name: String,
    /// What they are here.
    pub role: RoomRole,
}

/// What is fixed about a lesson while its room is open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// The room.
    pub room: RoomId,
    /// The lesson.
    pub lesson: LessonId,
    /// Title of the class.
    pub title: String,
    /// The teacher's name.
    pub teacher: String,
    /// Whether it is recorded.
    pub record: bool,
    /// Whether classroom screens are on stage from the start (专递课堂: every classroom is seen and heard).
    pub classrooms_on_stage: bool,
    /// Planned end.
    pub ends: UnixMillis,
    /// Planned length.
    pub length: Duration,
    /// The most people.
    pub participants_max: usize,
    /// The most people on stage besides teachers.
    pub stage_max: usize,
    /// The lesson ends when the teacher is away this long after its planned end.
    pub away_end: Duration,
    /// The lesson ends this long after it was opened, whoever is there: a device that nobody switched off teaches on and
    /// on otherwise, and its recording fills the disk.
    pub live_max: Duration,
}

/// What the shell shall do.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Send a message to these sockets.
    Send {
        /// To whom.
        to: Vec<ConnId>,
        /// What.
        message: Box<ServerMessage>,
    },
    /// Send [`ServerMessage::Closed`] and close the socket.
    Close {
        /// Which.
        conn: ConnId,
        /// Why.
        reason: CloseReason,
    },
    /// Close the socket without a word: its client asked for it.
    Dismiss {
        /// Which.
        conn: ConnId,
    },
    /// Hand an offer to the media plane, and the answer to [`Room::published`] or [`Room::subscribed`].
    Negotiate(Negotiation),
    /// Tell the media plane.
    Media(MediaCommand),
    /// The lesson is live from now on: write it down, and start its recording if `record`.
    Opened {
        /// Whether to record.
        record: bool,
    },
    /// The lesson should be recorded and is not: begin in the middle of it, and report to [`Room::recording_started`] or
    /// [`Room::recording_failed`].
    Record,
    /// The lesson is over: finish its recording, write it down, forget the room.
    Ended {
        /// Why.
        reason: EndReason,
    },
    /// Add to the recording's timeline.
    Timeline(ClassEvent),
    /// Write a presence down.
    Attendance(Presence),
    /// The state that must survive a restart changed: keep [`Room::keep`] soon.
    Keep,
}

/// Why a lesson ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// The teacher ended it.
    Teacher,
    /// The planned end was past and no teacher came back.
    Deserted,
    /// It was as long as a lesson may be.
    TooLong,
}

impl EndReason {
    /// Its name for the log and the metric.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Teacher => "teacher",
            Self::Deserted => "deserted",
            Self::TooLong => "too_long",
        }
    }
}

/// Why a device may not publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeviceRefusal {
    /// The teacher sent it out, and its token with it.
    #[error("the teacher removed this device; a new token brings it back")]
    Removed,
    /// The lesson is over.
    #[error("the lesson is over")]
    Over,
}

/// Tells one offer of a room from all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ticket(u64);

/// What an answer of the media plane belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Which offer.
    pub ticket: Ticket,
    /// From which socket.
    pub conn: ConnId,
    /// Whose.
    pub participant: ParticipantId,
    /// The client's number for it.
    pub req: Req,
}

/// An offer for the media plane.
#[derive(Debug, Clone, PartialEq)]
pub struct Negotiation {
    /// What the answer comes back with.
    pub asked: Asked,
    /// The offer.
    pub sdp: String,
    /// The peer that it renews.
    pub replaces: Option<PeerId>,
    /// What the lines carry, for a publishing peer; `None` for a receiving one.
    pub publish: Option<Vec<PublishLine>>,
}

/// Something for the media plane.
#[derive(Debug, Clone, PartialEq)]
pub enum MediaCommand {
    /// What a receiving peer's lines carry.
    Assign {
        /// The peer.
        peer: PeerId,
        /// Its lines.
        lines: Vec<LineAssignment>,
    },
    /// Audio only, or not.
    AudioOnly {
        /// The receiving peer.
        peer: PeerId,
        /// From now on.
        on: bool,
    },
    /// A track's mute.
    Mute {
        /// The track.
        track: TrackId,
        /// From now on.
        muted: bool,
    },
    /// End a track.
    Unpublish {
        /// The track.
        track: TrackId,
    },
    /// End a peer.
    ClosePeer(PeerId),
    /// End everything in the room.
    CloseRoom,
}

/// One presence of one person. Written when it begins and again when it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Presence {
    /// Who.
    pub participant: ParticipantId,
    /// The account, if signed in.
    pub account: Option<AccountId>,
    /// Name.
    pub name: String,
    /// What they are.
    pub role: RoomRole,
    /// From.
    pub from: UnixMillis,
    /// To; not yet.
    pub to: Option<UnixMillis>,
}
