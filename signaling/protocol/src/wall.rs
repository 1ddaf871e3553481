//! The WebSocket of a wall at `/ws/wall`: JSON text frames, one message each, at most [`MESSAGE_LEN_BYTES_MAX`] bytes.
//!
//! The session's cookie says who it is; the origin is checked; the first message carries the CSRF token. Then the wall offers
//! one receiving peer connection with as many video lines as it will ever show and one sound line ([`WallRequest::Offer`]), and
//! says again and again what its tiles show ([`WallRequest::Show`]). The server authorises every camera anew at each `Show` and
//! every few seconds while it is shown.

use crate::{
    api::{AlarmItem, CameraState, CameraStatus, ExportJob},
    ws::Req,
};
use lectern_media::{CameraId, CameraStream, UnixMillis};
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// The longest message that the server takes, in bytes: an offer with 66 media lines.
pub const MESSAGE_LEN_BYTES_MAX: usize = 512 * 1024;

/// The most tiles of one wall.
pub const TILES_MAX: usize = 64;

/// Why a camera is not shown on a tile, or no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, TS)]
#[serde(rename_all = "snake_case")]
pub enum TileRefusal {
    /// No such camera, or one that may not be seen.
    NotAllowed,
    /// Allowed at other times only.
    NotNow,
    /// The second factor must be shown first.
    NeedsSecondFactor,
    /// Nothing of it can be shown in a browser: H.265 without an H.264 substream.
    NotPlayable,
    /// It has sound, but in a form that can't be played live: not AAC-LC, more than two channels, or damaged. Of sound only.
    SoundNotPlayable,
    /// The line of this tile is not there.
    NoLine,
    /// The server can't now; try again.
    Busy,
}

/// What one tile shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct Tile {
    /// The SDP media id of the line that carries it.
    pub mid: String,
    /// The camera.
    pub camera: CameraId,
    /// The height in device pixels at which it is shown; the lowest layer that fills it is sent. 0 = hidden: nothing is sent.
    pub height_px: u16,
    /// One keyframe per second or less is enough: overviews, thin lines.
    pub thumbnail: bool,
}

/// From wall to server.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum WallRequest {
    /// First message.
    Hello {
        /// [`crate::PROTOCOL_VERSION`].
        version: u32,
        /// The session's CSRF token.
        csrf: String,
    },
    /// Offers the receiving peer connection, or renews it. Answered by [`WallMessage::Answer`].
    Offer {
        /// Number.
        req: Req,
        /// SDP, recvonly lines.
        sdp: String,
    },
    /// Replaces what all tiles show; a line not named carries nothing. Answered by [`WallMessage::Shown`].
    Show {
        /// Number.
        req: Req,
        /// The tiles, at most [`TILES_MAX`].
        tiles: Vec<Tile>,
    },
    /// Listens to one camera, or to none. Answered by [`WallMessage::Shown`].
    Listen {
        /// Number.
        req: Req,
        /// The sound line.
        mid: String,
        /// The camera.
        camera: Option<CameraId>,
    },
    /// Are you there? Answered by [`WallMessage::Pong`].
    Ping {
        /// Number.
        req: Req,
    },
}

/// A tile that is not shown as wished.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct RefusedTile {
    /// The line.
    pub mid: String,
    /// The camera.
    pub camera: CameraId,
    /// Why.
    pub reason: TileRefusal,
}

/// From server to wall.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, TS)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum WallMessage {
    /// The wall is known.
    Welcome {
        /// The server's clock: delays and time marks are counted by it.
        now: UnixMillis,
        /// What the watermark shows: name and log-in name of the viewer.
        watermark: String,
    },
    /// The answer to an offer.
    Answer {
        /// Number.
        req: Req,
        /// SDP.
        sdp: String,
    },
    /// What is shown now.
    Shown {
        /// Number.
        req: Req,
        /// What could not be done.
        refused: Vec<RefusedTile>,
    },
    /// A tile that was shown is no longer: the right ended, the camera was removed.
    Withdrawn {
        /// Which.
        tile: RefusedTile,
    },
    /// What a tile's line really carries.
    Carries {
        /// The line.
        mid: String,
        /// The camera; nothing while paused.
        camera: Option<CameraId>,
        /// The stream.
        stream: Option<CameraStream>,
        /// Keyframes only.
        thumbnail: bool,
        /// Whether the connection, not the wish, decides it.
        limited: bool,
        /// The main stream was wished but is in a codec that the browser does not play.
        main_not_playable: bool,
    },
    /// A camera that the viewer may see changed its state, or its figures (at most every 5 s, of cameras on tiles only).
    Camera {
        /// Which.
        camera: CameraId,
        /// How it does.
        status: CameraStatus,
    },
    /// Short form for cameras that are not on a tile.
    CameraState {
        /// Which.
        camera: CameraId,
        /// State.
        state: CameraState,
        /// Since when.
        since: UnixMillis,
    },
    /// The list of cameras changed: ask for it again.
    CamerasChanged {},
    /// An alarm was raised, changed or is over.
    Alarm {
        /// The alarm.
        alarm: AlarmItem,
    },
    /// An export of the viewer's went on.
    Export {
        /// The job.
        job: ExportJob,
    },
    /// The peer connection is gone; offer anew.
    PeerLost {},
    /// Refused: the request can't be done; the connection stays.
    Refused {
        /// Number.
        req: Req,
        /// Stable code.
        code: String,
        /// English, for the log.
        detail: String,
    },
    /// The socket ends. `code`: `signed_out`, `not_authorised`, `needs_second_factor`, `version_mismatch`, `protocol_error`,
    /// `server_restart`.
    Closed {
        /// Stable code.
        code: String,
    },
    /// Yes.
    Pong {
        /// Number.
        req: Req,
        /// The server's clock.
        now: UnixMillis,
    },
}
