//! What exam patrol needs from the parts beside it: ingest, media plane, recorder, evidence, deliveries.
//! `server/src/patrol_*.rs` adapts the real ones.
//!
//! Belongs here: the traits and the plain words in them. Does not belong here: what auth, audit and library offer; those are
//! rows below and used directly.

use crate::ports::{MediaError, PortError, Served, Subscribed};
use async_trait::async_trait;
use lectern_auth::{PlaceNode, Secret};
use lectern_library::Hold;
use lectern_media::{CameraId, CameraStream, ParticipantId, PeerId, PlaceId, UnixMillis};
use lectern_protocol::api::{
    AuditAction, AuditPage, AuditSum, CameraGap, CameraReport, CameraState, CameraStatus, CameraTransport, ClockDoubt,
    Span,
};
use std::{
    collections::{BTreeMap, HashSet},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};
use ulid::Ulid;

// ---------------------------------------------------------------------------------------------------------- ingest

/// How a camera is reached, with its password. Never logged: [`Secret`] hides itself, URLs have no user information.
#[derive(Debug, Clone)]
pub struct CameraFeed {
    /// Which.
    pub id: CameraId,
    /// `rtsp://host:port/path`, without user and password: what is to be connected to is [`CameraFeed::address`] of it.
    pub main_url: String,
    /// … of the substream.
    pub sub_url: Option<String>,
    /// Transport.
    pub transport: CameraTransport,
    /// User; empty: none.
    pub username: String,
    /// Password.
    pub password: Option<Secret>,
    /// The most the main stream may send, in kilobits a second.
    pub kbps_max: u32,
}

impl CameraFeed {
    /// One of its addresses as the camera wants it: with the password, where that stands in path or query. Not to be logged.
    #[must_use]
    pub fn address(&self, url: &str) -> String {
        super::target::unmasked(url, self.password.as_ref())
    }
}

/// What a camera's recording is told about it, so that its files describe themselves (DESIGN law 3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraFacts {
    /// Name.
    pub name: String,
    /// Where it hangs with all above it, the root first.
    pub places: Vec<PlaceNode>,
    /// Where it hangs.
    pub place: PlaceId,
    /// What it watches, as the wire says it.
    pub group: lectern_protocol::api::CameraGroup,
    /// Its code by GB/T 28181.
    pub code: Option<String>,
    /// Whether it is recorded.
    pub record: bool,
}

/// Runs cameras. Calls return when the wish is noted; what becomes of it is told by [`PatrolEvent`].
#[async_trait]
pub trait Cameras: Send + Sync {
    /// Runs a camera, or goes on with one whose feed or facts changed.
    ///
    /// # Errors
    /// If no more cameras can be run, or the feed can't be used at all.
    async fn run(&self, feed: CameraFeed, facts: CameraFacts) -> Result<(), PortError>;

    /// Stops a camera as an operator wishes: its absence is noted as such.
    async fn stop(&self, camera: CameraId);

    /// Forgets a camera. Its recordings stay.
    async fn remove(&self, camera: CameraId);

    /// How a camera does; [`CameraState::Off`] for one that does not run.
    fn status(&self, camera: CameraId) -> CameraStatus;

    /// Tries a camera, at most `within`.
    async fn probe(&self, feed: CameraFeed, within: Duration) -> CameraReport;
}

/// What happens to cameras without being asked.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum PatrolEvent {
    /// A camera's state changed.
    State {
        /// Which.
        camera: CameraId,
        /// State.
        state: CameraState,
        /// Since when.
        since: UnixMillis,
    },
    /// A receiving peer's line carries something else now.
    LineChanged {
        /// The wall's peer.
        peer: PeerId,
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
    },
    /// A receiving peer is gone.
    PeerLost {
        /// Which.
        peer: PeerId,
    },
    /// The health worker is sure that something is wrong with a camera.
    Fault {
        /// Which.
        camera: CameraId,
        /// What.
        fault: lectern_protocol::api::HealthFault,
        /// Since when.
        since: UnixMillis,
    },
    /// … or that it is over.
    FaultOver {
        /// Which.
        camera: CameraId,
        /// What.
        fault: lectern_protocol::api::HealthFault,
        /// When it was over.
        until: UnixMillis,
    },
}

// ----------------------------------------------------------------------------------------------------- media plane

/// What one line of a wall's connection shall carry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WallLine {
    /// The SDP media id.
    pub mid: String,
    /// The camera.
    pub camera: CameraId,
    /// Its sound, or its picture.
    pub sound: bool,
    /// The height in pixels at which it is shown; 0 = paused.
    pub height_px: u16,
    /// Keyframes only.
    pub thumbnail: bool,
}

/// The media plane as walls see it: one receiving peer whose lines are fixed, and what they carry.
#[async_trait]
pub trait WallPlane: Send + Sync {
    /// Makes a receiving peer in the room of all cameras, or renews the one it `replaces`.
    ///
    /// # Errors
    /// [`MediaError`]
    async fn subscribe(
        &self,
        wall: ParticipantId,
        replaces: Option<PeerId>,
        sdp: &str,
    ) -> Result<Subscribed, MediaError>;

    /// Replaces what the lines of a wall carry; a line not named carries nothing.
    ///
    /// # Errors
    /// If the plane did not take it: the lines carry what they carried.
    async fn assign(&self, peer: PeerId, lines: &[WallLine]) -> Result<(), MediaError>;

    /// Whether the sound of a camera can be played, as far as is known. Asked every few seconds while it is heard, so cheap.
    fn can_be_heard(&self, _: CameraId) -> bool {
        true
    }

    /// What the lines of a wall's peer carry by now: a [`PatrolEvent::LineChanged`] for each. Asked every second, so cheap.
    fn lines(&self, _: PeerId) -> Vec<PatrolEvent> {
        Vec::new()
    }

    /// Closes the peer of a wall.
    async fn close_peer(&self, peer: PeerId);
}

// -------------------------------------------------------------------------------------------------------- recorder

/// Which track of a camera is played.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlayStream {
    /// The main stream.
    Main,
    /// The substream.
    Sub,
    /// The sound.
    Sound,
    /// Keyframes of the substream (of the main stream if there is none), for 8 and 16 times the speed.
    Keyframes,
}

/// What one camera's recording holds between two moments.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FootageDay {
    /// Recorded stretches of the main stream.
    pub main: Vec<Span>,
    /// … of the substream.
    pub sub: Vec<Span>,
    /// … of the sound.
    pub sound: Vec<Span>,
    /// RFC 6381 codec of the main stream; empty if none.
    pub main_codec: String,
    /// What is missing, and why.
    pub gaps: Vec<CameraGap>,
    /// Up to when it survives a power cut; none: it does not run.
    pub durable: Option<UnixMillis>,
}

/// What of a camera's recording is fetched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FootagePart {
    /// An HLS playlist of the range.
    Playlist {
        /// Which track.
        stream: PlayStream,
    },
    /// What a playlist of this range names, as it stands in there.
    Segment {
        /// The path.
        path: String,
    },
    /// One keyframe as fragmented MP4: the last one at or before the end of the range.
    Snapshot {
        /// Which picture.
        stream: PlayStream,
    },
}

/// A part of footage that is served.
pub struct Opened {
    /// The bytes.
    pub served: Served,
    /// From when to when it plays, if it is media.
    pub times: Option<Span>,
    /// Whether it is of the sound: a right of its own.
    pub sound: bool,
}

/// The disk of footage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FootageDisk {
    /// Bytes of footage.
    pub used_bytes: u64,
    /// Bytes free.
    pub free_bytes: u64,
    /// Bytes that come a day at the present rate.
    pub bytes_per_day: u64,
}

/// What a look at the end of a camera's chain found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChainCheck {
    /// Chain and signatures of the stretch are right.
    Right,
    /// There is nothing in the stretch.
    Nothing,
    /// They are not right.
    Wrong,
}

/// Reads, protects and exports what cameras recorded.
#[async_trait]
pub trait Footage: Send + Sync {
    /// What is recorded between two moments.
    ///
    /// # Errors
    /// If its files can't be read.
    async fn day(&self, camera: CameraId, range: Span) -> Result<FootageDay, PortError>;

    /// A part of a camera's recording that touches `range` and lies `within` whole: what a segment holds beyond that was recorded
    /// where somebody else may look. `None` = nothing, or nothing in that range.
    ///
    /// # Errors
    /// If its files can't be read.
    async fn open(
        &self,
        camera: CameraId,
        range: Span,
        within: &Span,
        part: &FootagePart,
    ) -> Result<Option<Opened>, PortError>;

    /// Protects a stretch: no rule and no full disk removes it. It survives a power cut when this returns.
    ///
    /// # Errors
    /// If it can't be kept.
    async fn hold(&self, hold: &Hold) -> Result<(), PortError>;

    /// Ends a hold. Nothing happens if there is none.
    ///
    /// # Errors
    /// If it is still in force.
    async fn release(&self, hold: Ulid) -> Result<(), PortError>;

    /// Chain and signatures of the stretch before `until`.
    ///
    /// # Errors
    /// If its files can't be read.
    async fn verify(&self, camera: CameraId, within: Duration, until: UnixMillis) -> Result<ChainCheck, PortError>;

    /// The disk.
    ///
    /// # Errors
    /// If it can't be asked.
    async fn disk(&self) -> Result<FootageDisk, PortError>;

    /// Why the clock is not believed by which days of footage are counted; none while it is. As retention found it last, so cheap.
    fn clock(&self) -> Option<ClockDoubt> {
        None
    }

    /// Whether a moment of now may be a wrong one. A machine that was off over a week-end does not make it so, though days are not
    /// counted by its clock yet: it went on as clocks do.
    fn misdates(&self) -> bool {
        self.clock().is_some_and(|doubt| doubt.alarm || doubt.ahead_ms < 0)
    }

    /// Says that the clock, standing at `now`, is right. Heeded at the next look at footage, a minute later at most.
    ///
    /// # Errors
    /// If that can't be kept.
    async fn confirm_clock(&self, now: UnixMillis) -> Result<(), PortError>;

    /// Writes evidence to a file, telling how far it is. Ends soon after `order.cancelled` is set.
    ///
    /// # Errors
    /// [`ExportFault`]
    async fn export(&self, order: ExportOrder) -> Result<ExportDone, ExportFault>;
}

/// Somebody who looked at what is exported; printed in the evidence.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewed {
    /// Which camera.
    pub camera: CameraId,
    /// Who.
    pub who: super::trail::Who,
    /// What they did: `live`, `listen`, `playback`, `snapshot`, `export`.
    pub what: String,
    /// From.
    pub from: UnixMillis,
    /// To.
    pub to: UnixMillis,
}

/// What shall be exported.
#[derive(Debug, Clone)]
pub struct ExportOrder {
    /// The job.
    pub id: Ulid,
    /// The cameras, with what is told of them.
    pub cameras: Vec<(CameraId, CameraFacts)>,
    /// The range.
    pub range: Span,
    /// Beyond which moments nothing of a camera may be in the file; no entry: no such moments.
    pub within: BTreeMap<CameraId, Span>,
    /// What for.
    pub reason: String,
    /// Who asked.
    pub by: super::trail::Who,
    /// Who looked at it before.
    pub viewers: Vec<Viewed>,
    /// Where the file goes; its directory is there.
    pub file: PathBuf,
    /// How far it is.
    pub progress: Arc<ExportProgress>,
}

/// How far an export is; written by the one who exports, read by whoever asks.
#[derive(Debug, Default)]
pub struct ExportProgress {
    done_ppm: AtomicU64,
    bytes: AtomicU64,
    cancelled: AtomicBool,
}

impl ExportProgress {
    /// Tells how much is done, in millionths, and how long the file is.
    pub fn tell(&self, done_ppm: u64, bytes: u64) {
        self.done_ppm.store(done_ppm.min(1_000_000), Ordering::Relaxed);
        self.bytes.store(bytes, Ordering::Relaxed);
    }

    /// Thousandths done, and bytes.
    #[must_use]
    pub fn read(&self) -> (u16, u64) {
        ((self.done_ppm.load(Ordering::Relaxed) / 1_000) as u16, self.bytes.load(Ordering::Relaxed))
    }

    /// Calls it off.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether it was called off.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }
}

/// An export that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportDone {
    /// Length of the file.
    pub bytes: u64,
    /// Gaps in what it holds.
    pub gaps: u32,
    /// SHA-256 of the file, hexadecimal.
    pub sha256: String,
    /// Fingerprint of the key that signed it.
    pub key: String,
}

/// Why an export was not written; the code is stable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {detail}")]
pub struct ExportFault {
    /// `nothing_recorded`, `disk_full`, `cancelled`, `too_large`, `hung_elsewhere`, `internal`.
    pub code: &'static str,
    /// For the log.
    pub detail: String,
}

// ------------------------------------------------------------------------------------------------------------ audit

/// Takes the entries of the audit log.
#[async_trait]
pub trait Audit: Send + Sync {
    /// Appends them, all, in this order; they survive a power cut when this returns.
    ///
    /// # Errors
    /// If they could not be written. They may be tried again.
    async fn append(&self, acts: &[super::trail::Act]) -> Result<(), PortError>;

    /// A page of the log, newest first.
    ///
    /// # Errors
    /// If it can't be read.
    async fn page(&self, filter: AuditFilter) -> Result<AuditPage, PortError>;

    /// Who looked, how long, by the entries that the filter lets through; its page and action have no meaning.
    ///
    /// # Errors
    /// If it can't be read.
    async fn sum(&self, filter: AuditFilter) -> Result<Vec<AuditSum>, PortError>;

    /// The log as a file that `lectern audit verify` takes, or as a table.
    ///
    /// # Errors
    /// If it can't be read.
    async fn export(&self, filter: AuditFilter, table: bool) -> Result<Served, PortError>;

    /// Who looked at these stretches.
    ///
    /// # Errors
    /// If it can't be read.
    async fn viewers(&self, cameras: &[CameraId], range: Span) -> Result<Vec<Viewed>, PortError>;
}

/// Which entries of the audit log are meant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditFilter {
    /// Only those at these places; none: also those at no place.
    pub places: Option<HashSet<PlaceId>>,
    /// Only those about this camera.
    pub camera: Option<CameraId>,
    /// Only those of this log-in name.
    pub login: Option<String>,
    /// Only these.
    pub action: Option<AuditAction>,
    /// From.
    pub from: Option<UnixMillis>,
    /// To.
    pub to: Option<UnixMillis>,
    /// Only those before this one: the last of the page before.
    pub after: Option<u64>,
    /// At most so many.
    pub limit: usize,
}

// ------------------------------------------------------------------------------------------------------- deliveries

/// Delivers a webhook. The one who implements it resolves the name itself and refuses addresses of this machine and of its
/// link unless they are allowed, so that a name that changes its mind leads nowhere.
#[async_trait]
pub trait Deliveries: Send + Sync {
    /// Posts `body`; `Ok` if the other side answered with 2xx.
    ///
    /// # Errors
    /// What went wrong, in words for the log, without the URL.
    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<(), String>;
}
