//! What signaling needs from the parts beside it, as small traits. `server/src/assemble.rs` adapts the real ones.
//!
//! Belongs here: the traits and the plain words in them. Does not belong here: anything the library or the auth crate
//! already offers; those are rows below and used directly.

use async_trait::async_trait;
use bytes::Bytes;
use lectern_media::{
    AccountId, Bitrate, Layer, LessonId, ParticipantId, PeerId, RecordingId, RoomId, TrackId, TrackInfo, UnixMillis,
};
use lectern_protocol::{
    api::{ClassEvent, RecordedGap, RecordedTrack, RecordingStatus, TimelineEvent},
    ws::{LineAssignment, PublishLine, Quality},
};
use std::{io, ops::Range, path::PathBuf, sync::Arc, time::Duration};

/// A part beside us could not do its work. The text goes to the log, not to the client.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{part} could not {what}: {cause}")]
pub struct PortError {
    /// Which part.
    pub part: &'static str,
    /// What it was asked to do.
    pub what: &'static str,
    /// Why not.
    pub cause: String,
}

// ------------------------------------------------------------------------------------------------------ media plane

/// Why the media plane refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MediaError {
    /// The SDP is not understood or asks for what we cannot do; the text says what.
    #[error("the offer cannot be used: {0}")]
    BadOffer(String),
    /// There is no such peer (any more).
    #[error("there is no such peer")]
    UnknownPeer,
    /// The plane has as many peers, tracks or rooms as it may have, or is shutting down.
    #[error("the media plane is at its limit")]
    Busy,
}

/// The answer to a publishing offer.
#[derive(Debug, Clone)]
pub struct Published {
    /// The peer that was made, or renewed.
    pub peer: PeerId,
    /// SDP answer, complete with candidates.
    pub sdp: String,
    /// The tracks, in the order of the lines.
    pub tracks: Vec<TrackInfo>,
}

/// The answer to a receiving offer.
#[derive(Debug, Clone)]
pub struct Subscribed {
    /// The peer that was made, or renewed.
    pub peer: PeerId,
    /// SDP answer, complete with candidates.
    pub sdp: String,
}

/// ICE credentials (RFC 8839 §5.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IceCredentials {
    /// User name fragment.
    pub ufrag: String,
    /// Password.
    pub pwd: String,
}

/// The SFU as signaling sees it. Calls that return nothing never fail: what they name may just have ended.
#[async_trait]
pub trait MediaPlane: Send + Sync {
    /// Makes a publishing peer of a participant, or renews the one it `replaces`.
    ///
    /// # Errors
    /// [`MediaError`]
    async fn publish(
        &self,
        room: RoomId,
        participant: ParticipantId,
        replaces: Option<PeerId>,
        sdp: &str,
        lines: &[PublishLine],
    ) -> Result<Published, MediaError>;

    /// Makes a receiving peer of a participant, or renews the one it `replaces`.
    ///
    /// # Errors
    /// [`MediaError`]
    async fn subscribe(
        &self,
        room: RoomId,
        participant: ParticipantId,
        replaces: Option<PeerId>,
        sdp: &str,
    ) -> Result<Subscribed, MediaError>;

    /// Replaces what the lines of a receiving peer carry; a line not named carries nothing.
    async fn assign(&self, peer: PeerId, lines: &[LineAssignment]);

    /// Stops or starts all video of a receiving peer.
    async fn audio_only(&self, peer: PeerId, on: bool);

    /// Marks a track as muted, so that its silence is no loss.
    async fn mute(&self, room: RoomId, track: TrackId, muted: bool);

    /// Ends one track.
    async fn unpublish(&self, room: RoomId, track: TrackId);

    /// Renews the credentials of a peer (RFC 8445 §2.4) and returns the server's new ones.
    ///
    /// # Errors
    /// [`MediaError`]
    async fn restart_ice(&self, peer: PeerId, remote: IceCredentials) -> Result<IceCredentials, MediaError>;

    /// Closes one peer and ends its tracks.
    async fn close_peer(&self, peer: PeerId);

    /// Closes a room with everything in it.
    async fn close_room(&self, room: RoomId);

    /// Whether all threads of the plane run. Once `false`, it stays so: classes are lost until the server is restarted.
    fn media_alive(&self) -> bool {
        true
    }
}

/// What the media plane reports.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum MediaEvent {
    /// The peer's DTLS is up: media can flow.
    PeerUp {
        /// Which.
        peer: PeerId,
    },
    /// The peer is gone: consent expired, DTLS closed or failed.
    PeerLost {
        /// Which.
        peer: PeerId,
    },
    /// The first packets of a track arrived, or its number of layers became known.
    Track {
        /// Its room.
        room: RoomId,
        /// The track.
        info: TrackInfo,
    },
    /// A track ended.
    TrackEnded {
        /// Its room.
        room: RoomId,
        /// The track.
        track: TrackId,
    },
    /// A receiving line carries something else now.
    LineChanged {
        /// The receiving peer.
        peer: PeerId,
        /// The line.
        mid: String,
        /// The track, or nothing.
        track: Option<TrackId>,
        /// The layer, or nothing while paused.
        layer: Option<Layer>,
        /// Whether the line's bandwidth holds it back.
        limited: bool,
    },
    /// The loudest voice changed.
    Speaker {
        /// The room.
        room: RoomId,
        /// Whose; nobody = silence.
        participant: Option<ParticipantId>,
    },
    /// How good a peer's connection is.
    Quality {
        /// The peer.
        peer: PeerId,
        /// What it sends; unknown for receiving peers.
        up: Quality,
        /// What it receives; unknown for publishing peers.
        down: Quality,
        /// The estimate of what it may receive.
        estimate: Bitrate,
    },
}

// ------------------------------------------------------------------------------------------------------- recordings

/// What a recording is told about its lesson, so that its files describe themselves (DESIGN law 3).
#[derive(Debug, Clone, PartialEq)]
pub struct LessonFacts {
    /// The class.
    pub class: lectern_media::ClassId,
    /// The lesson.
    pub lesson: LessonId,
    /// The room that is recorded.
    pub room: RoomId,
    /// Title of the class.
    pub title: String,
    /// Subject.
    pub subject: String,
    /// Grade.
    pub grade: String,
    /// The teacher's account.
    pub teacher: AccountId,
    /// The teacher's name.
    pub teacher_name: String,
    /// The place it belongs to.
    pub place: lectern_media::PlaceId,
    /// The school's name.
    pub school: String,
    /// When it was opened.
    pub opened: UnixMillis,
}

/// Makes recordings of running lessons.
#[async_trait]
pub trait Recordings: Send + Sync {
    /// Begins to record a room and everything that is published in it from now on.
    ///
    /// # Errors
    /// If nothing can be written: the class goes on without.
    async fn start(&self, facts: &LessonFacts) -> Result<RecordingId, PortError>;

    /// Goes on with a recording that a crash or a restart cut off; the time between is a gap.
    ///
    /// # Errors
    /// If the recording is not there or nothing can be written.
    async fn resume(&self, room: RoomId, recording: RecordingId) -> Result<(), PortError>;

    /// Adds to the timeline. Never waits; a recording that cannot take it says so in its own alarm.
    fn event(&self, recording: RecordingId, at: UnixMillis, event: &ClassEvent);

    /// Closes a recording's files in the middle of the lesson, because the server is going down. [`Recordings::resume`]
    /// goes on with it.
    ///
    /// # Errors
    /// If the last second could not be written.
    async fn suspend(&self, recording: RecordingId) -> Result<(), PortError>;

    /// Ends a recording: everything is on disk and its description complete when this returns.
    ///
    /// # Errors
    /// If the end could not be written; what is on disk can be recovered.
    async fn finish(&self, recording: RecordingId) -> Result<(), PortError>;
}

/// What the recorder reports by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordingEvent {
    /// Nothing can be written (the disk is full or broken). The class goes on.
    Failed {
        /// The room.
        room: RoomId,
    },
    /// Writing works again.
    Recovered {
        /// The room.
        room: RoomId,
    },
    /// The recording itself has broken down (its thread is gone) and writes nothing any more. The room asks for it anew,
    /// with [`Recordings::resume`] first and [`Recordings::start`] if that fails.
    Lost {
        /// The room.
        room: RoomId,
    },
}

impl RecordingEvent {
    /// The room that it concerns.
    #[must_use]
    pub fn room(&self) -> RoomId {
        match *self {
            Self::Failed { room } | Self::Recovered { room } | Self::Lost { room } => room,
        }
    }
}

/// What is known of a recording's content, read from its files.
#[derive(Debug, Clone, PartialEq)]
pub struct RecordingFacts {
    /// When it began.
    pub started: UnixMillis,
    /// Length so far.
    pub duration: Duration,
    /// State.
    pub status: RecordingStatus,
    /// Size on disk in bytes.
    pub size_bytes: u64,
    /// Tracks; `playlist` and `webm` name paths below `/vod/{recording}/`.
    pub tracks: Vec<RecordedTrack>,
    /// Gaps.
    pub gaps: Vec<RecordedGap>,
    /// The timeline.
    pub events: Vec<TimelineEvent>,
}

/// What is served for a path of a recording.
pub struct Served {
    /// Media type.
    pub content_type: &'static str,
    /// The whole length in bytes, before any range is taken.
    pub len_bytes: u64,
    /// The bytes.
    pub body: ServedBody,
    /// Whether it never changes (a finished segment) or may grow (a playlist of a live recording).
    pub immutable: bool,
}

/// Where the bytes come from.
pub enum ServedBody {
    /// From memory, whole.
    Bytes(Bytes),
    /// From a stretch of a file.
    File {
        /// The file.
        path: PathBuf,
        /// Which bytes of it.
        range: Range<u64>,
    },
    /// Put together while it is read.
    Reader(Arc<dyn ReadAt>),
}

/// Bytes that can be read from anywhere in them.
pub trait ReadAt: Send + Sync {
    /// At most `len` bytes from `offset`; fewer only at the end. May block on the disk.
    ///
    /// # Errors
    /// If a file behind it can't be read.
    fn read_at(&self, offset: u64, len: usize) -> io::Result<Bytes>;
}

/// What a download shall hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DownloadChoice {
    /// These tracks only; empty = the teacher's best picture and all voices.
    pub tracks: Vec<TrackId>,
}

/// Reads recordings back.
#[async_trait]
pub trait RecordingFiles: Send + Sync {
    /// What a recording holds; `None` if there is no such recording.
    ///
    /// # Errors
    /// If its files cannot be read.
    async fn facts(&self, recording: RecordingId) -> Result<Option<RecordingFacts>, PortError>;

    /// What stands at `/vod/{recording}/{path}`: playlists, init segments, segments, WebM. `None` = nothing.
    ///
    /// # Errors
    /// If its files cannot be read.
    async fn open(&self, recording: RecordingId, path: &str) -> Result<Option<Served>, PortError>;

    /// The recording as one file, MP4 or WebM. `None` = no such recording or nothing in it.
    ///
    /// # Errors
    /// If its files cannot be read.
    async fn download(&self, recording: RecordingId, choice: &DownloadChoice) -> Result<Option<Served>, PortError>;

    /// Removes the files of a recording.
    ///
    /// # Errors
    /// If they cannot be removed, or the recording is still being made.
    async fn remove(&self, recording: RecordingId) -> Result<(), PortError>;
}
