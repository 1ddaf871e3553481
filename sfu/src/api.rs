//! What callers of the media plane say and hear. Plain values; the way they travel is in `sfu` and `shard`.

use crate::{Priority, sdp::SdpError};
use lectern_media::{Bitrate, Layer, ParticipantId, PeerId, RoomId, TrackId, TrackInfo, TrackKind, TrackSource};
use std::time::Duration;

/// An offer of a client that wants to send.
#[derive(Debug, Clone)]
pub struct PublishRequest {
    /// The room. It exists from the first offer on, until it is empty or closed.
    pub room: RoomId,
    /// Who sends.
    pub participant: ParticipantId,
    /// The peer that this offer renews. If the offer comes from the same peer connection (same certificate) the peer is
    /// changed in place: lines come and go, ICE restarts. Otherwise a new peer is made and the old one closed. A track of the same participant and source with the same codec and layers keeps its id.
    pub replaces: Option<PeerId>,
    /// The SDP offer.
    pub offer: String,
    /// What the lines carry, by SDP media id. Lines of the offer that are not named are declined.
    pub lines: Vec<(String, TrackSource)>,
}

/// The answer to a [`PublishRequest`].
#[derive(Debug, Clone)]
pub struct PublishAnswer {
    /// The peer that was made, or changed.
    pub peer: PeerId,
    /// The SDP answer.
    pub sdp: String,
    /// The tracks of the peer, in the order of the lines. [`SfuEvent::TrackStarted`] follows for each when media arrives.
    pub tracks: Vec<TrackInfo>,
}

/// An offer of a client that wants to receive: `recvonly` lines, as many as it will ever show.
#[derive(Debug, Clone)]
pub struct SubscribeRequest {
    /// The room.
    pub room: RoomId,
    /// Who receives.
    pub participant: ParticipantId,
    /// The peer that this offer renews; see [`PublishRequest::replaces`]. What its lines carried is kept, by media id.
    pub replaces: Option<PeerId>,
    /// The SDP offer.
    pub offer: String,
}

/// The answer to a [`SubscribeRequest`].
#[derive(Debug, Clone)]
pub struct SubscribeAnswer {
    /// The peer that was made, or changed.
    pub peer: PeerId,
    /// The SDP answer.
    pub sdp: String,
    /// The usable lines in the order of the offer.
    pub lines: Vec<(String, TrackKind)>,
}

/// What one line of a subscriber shall carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The line's SDP media id.
    pub mid: String,
    /// The track, or nothing.
    pub track: Option<TrackId>,
    /// The height in device pixels at which it is shown; the lowest layer that fills it is chosen. 0 = hidden, and nothing
    /// is sent. Without meaning for sound.
    pub height_px: u16,
    /// Who comes first when the line does not carry all.
    pub priority: Priority,
    /// A still now and then is enough: only keyframes of the lowest layer are sent, of sources that are published from this
    /// process (cameras). Other sources are sent as if it were `false`.
    pub thumbnail: bool,
}

/// Why an offer was refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum OfferError {
    /// The offer cannot be answered; says what is wrong with it.
    #[error(transparent)]
    Sdp(#[from] SdpError),
    /// The media plane has as many peers as it may.
    #[error("the media plane has as many peers as it may")]
    Full,
    /// The media plane is shutting down, or so busy that its queue of commands is full.
    #[error(transparent)]
    Command(#[from] CommandError),
}

/// Why a command did not reach the media plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError {
    /// The queue of commands is full. Try again.
    #[error("the media plane is too busy to take the command")]
    Busy,
    /// The media plane has ended.
    #[error("the media plane has ended")]
    Ended,
    /// There is no such peer.
    #[error("there is no such peer")]
    NoSuchPeer,
    /// The media plane has as many tracks or local publishers as it may, or takes no new ones any more.
    #[error("the media plane has as many publishers as it may")]
    Full,
    /// No tracks, too many, a layer count that is impossible, or a codec that no viewer plays.
    #[error("the tracks to be published are not possible")]
    BadTracks,
}

/// Why a line does not carry the track that it was assigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LineRefusal {
    /// The client did not offer the track's codec on this line.
    CodecNotNegotiated,
}

/// How good a direction of a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Not yet measured.
    Unknown,
    /// Everything arrives.
    Good,
    /// Some loss, a long way, or a lower layer than wished.
    Fair,
    /// Heavy loss, or only sound gets through.
    Poor,
}

/// What the media plane tells. Bounded: when the reader is too slow, [`Quality`](Self::Quality) and
/// [`LineChanged`](Self::LineChanged) are dropped first (and counted); the others wait in the shard.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum SfuEvent {
    /// ICE and DTLS are done; media flows. Told again after an ICE restart that moved the connection.
    PeerConnected {
        /// The peer.
        peer: PeerId,
    },
    /// The peer said good-bye, or was silent too long (consent expired, RFC 7675), or its handshake failed. Its tracks have
    /// ended. Not told for peers closed by command.
    PeerLost {
        /// The peer.
        peer: PeerId,
    },
    /// The first packet of a track arrived.
    TrackStarted {
        /// The room.
        room: RoomId,
        /// The track.
        track: TrackInfo,
    },
    /// The publisher started or stopped sending layers.
    TrackLayers {
        /// The room.
        room: RoomId,
        /// The track.
        track: TrackId,
        /// Which layers arrive, lowest first.
        live: [bool; Layer::COUNT_MAX],
    },
    /// A started track ended.
    TrackEnded {
        /// The room.
        room: RoomId,
        /// The track.
        track: TrackId,
    },
    /// What a subscriber's line really carries changed.
    LineChanged {
        /// The subscriber.
        peer: PeerId,
        /// The line's media id.
        mid: String,
        /// The track.
        track: Option<TrackId>,
        /// The layer; `None` while paused or waiting.
        layer: Option<Layer>,
        /// Whether the connection, not the wish, decides it.
        limited: bool,
    },
    /// A line was assigned a track that it can't carry.
    LineRefused {
        /// The subscriber.
        peer: PeerId,
        /// The line's media id.
        mid: String,
        /// The track.
        track: TrackId,
        /// Why.
        reason: LineRefusal,
    },
    /// A line begins to carry stills only (the keyframes of its layer), or moving pictures again. What it was assigned, or
    /// ([`LineChanged::limited`](Self::LineChanged)) what the connection allows.
    LineStills {
        /// The subscriber.
        peer: PeerId,
        /// The line's media id.
        mid: String,
        /// Whether it carries stills.
        stills: bool,
    },
    /// The loudest voice of a room changed.
    Speaker {
        /// The room.
        room: RoomId,
        /// Whose it is; `None` = silence.
        participant: Option<ParticipantId>,
    },
    /// How good a peer's connection is; told when it changes, and every few seconds while it is not good.
    Quality {
        /// The peer.
        peer: PeerId,
        /// What it sends to us. `Unknown` for subscribers.
        up: Health,
        /// What it receives from us. `Unknown` for publishers.
        down: Health,
        /// The estimate of what it may receive. Zero for publishers.
        estimate: Bitrate,
        /// The round-trip time.
        rtt: Duration,
    },
}
