//! The members of an evidence file and their fields: what `docs/evidence-format.md` tells, as types. Bounds of what is read.

use crate::camera::CameraMeta;
use lectern_media::{CameraId, CameraStream, RecordingId, UnixMillis};
use lectern_protocol::api::GapCause;
use serde::{Deserialize, Serialize};

/// The format version that is written; newer ones are refused.
pub const FORMAT: u32 = 1;

/// What every signed message begins with.
pub(super) const DOMAIN: &[u8] = b"lectern evidence v1\n";

pub(super) const MANIFEST: &str = "manifest.json";
pub(super) const VIEWERS: &str = "viewers.json";
pub(super) const SHEET: &str = "说明.html";
pub(super) const HASHES: &str = "hashes.json";
pub(super) const SIGNATURE: &str = "signature.json";
pub(super) const CAMERA: &str = "camera.json";
pub(super) const EVENTS: &str = "events.jsonl";
pub(super) const CHAIN: &str = "chain.jsonl";
pub(super) const HEADER: &str = "recording.json";

/// The most members a file may have.
pub(super) const MEMBERS_MAX: usize = 200_000;
/// The longest name of a member.
pub(super) const NAME_BYTES_MAX: usize = 160;
/// The longest text member that is read; a day of a camera's chain has 130 MB.
pub(super) const TEXT_BYTES_MAX: u64 = 256 << 20;
/// The longest record of a chain: a fragment of half a second.
pub(super) const RECORD_BYTES_MAX: u64 = 64 << 20;
/// The most cameras of one export.
pub const CAMERAS_MAX: usize = 1024;

/// Who exported, or looked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Viewer {
    /// The account's id.
    pub account: String,
    /// Name.
    pub name: String,
    /// Log-in name.
    pub login: String,
    /// Where the account belongs.
    pub place: String,
}

/// One look at an exported camera in the exported range.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ViewerEntry {
    /// Who.
    pub who: Viewer,
    /// Which camera.
    pub camera: CameraId,
    /// What was done: `live`, `listen`, `playback`, `snapshot`, `export`.
    pub action: String,
    /// From.
    pub from: UnixMillis,
    /// To.
    pub to: UnixMillis,
}

/// A public key that signed something in the file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyEntry {
    /// Its id, as signatures name it.
    pub id: String,
    /// The key, hexadecimal.
    pub public: String,
}

/// A member's name and size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberSize {
    /// Name.
    pub name: String,
    /// Bytes.
    pub size: u64,
}

/// `manifest.json`: what, whose, when, by whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Format version.
    pub format: u32,
    /// Hash and signature suite.
    pub suite: String,
    /// `lectern-evidence`.
    pub kind: String,
    /// The server that exported.
    pub server: String,
    /// Its version.
    pub version: String,
    /// When.
    pub made: UnixMillis,
    /// Local time is UTC plus this many seconds.
    pub utc_offset_s: i32,
    /// From: what was asked for.
    pub from: UnixMillis,
    /// To: what was asked for.
    pub to: UnixMillis,
    /// By whom.
    pub by: Viewer,
    /// Why.
    pub reason: String,
    /// Whose signatures are in the file; the first signed the file itself.
    pub keys: Vec<KeyEntry>,
    /// The cameras, in order.
    pub cameras: Vec<ManifestCamera>,
    /// Every member behind this one, up to and with `viewers.json`: so much is known before the first is written.
    pub members: Vec<MemberSize>,
}

/// A camera, in short.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ManifestCamera {
    /// Which.
    pub camera: CameraId,
    /// Its name.
    pub name: String,
}

/// `<camera>/camera.json`: the camera, and what is here of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CameraDoc {
    /// The camera, as its newest recording tells of it.
    #[serde(flatten)]
    pub camera: CameraMeta,
    /// Where what may be told of it ends, if anywhere: all that is here of it lies within.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub within: Option<Bound>,
    /// Excerpts of its recordings, in order.
    pub recordings: Vec<Excerpt>,
}

/// A stretch of a camera's time, open where no moment stands: the rest of it belongs to others.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bound {
    /// From.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<UnixMillis>,
    /// To.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<UnixMillis>,
}

impl Bound {
    /// The first moment in it, and the first one after it.
    pub(super) fn ends(&self) -> (UnixMillis, UnixMillis) {
        (self.from.unwrap_or(UnixMillis(i64::MIN)), self.to.unwrap_or(UnixMillis(i64::MAX)))
    }
}

/// What is here of one recording.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Excerpt {
    /// The recording.
    pub recording: RecordingId,
    /// Zero of its time.
    pub started: UnixMillis,
    /// Records of the chain before the first one here.
    pub first_record: u64,
    /// Records here.
    pub records: u64,
    /// The chain's value before the first, hexadecimal.
    pub before: String,
    /// The chain's value after the last, hexadecimal: signed.
    pub head: String,
    /// The last signature's time.
    pub signed: UnixMillis,
    /// The first picture or sound here.
    pub from: UnixMillis,
    /// The end of the last.
    pub to: UnixMillis,
    /// Whether this is the recording's end, and it is sealed.
    pub sealed: bool,
    /// Ticks a second of each stream.
    pub clocks: Vec<StreamClock>,
}

/// A stream's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamClock {
    /// Which stream.
    pub stream: CameraStream,
    /// Ticks a second.
    pub hz: u32,
}

/// A line of `<camera>/events.jsonl`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it begins, or was measured.
    pub at: UnixMillis,
    /// Of which stream; none: of all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<CameraStream>,
    /// What.
    #[serde(flatten)]
    pub what: EventKind,
}

/// What an event is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EventKind {
    /// Something is missing.
    Gap {
        /// Until when.
        to: UnixMillis,
        /// Why.
        cause: GapCause,
        /// Packets, if they were counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        packets: Option<u64>,
    },
    /// How far the camera's clock was ahead of the recorder's (negative: behind).
    ClockOffset {
        /// Milliseconds.
        offset_ms: i64,
    },
}

/// One member in `hashes.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberHash {
    /// Name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
    /// SHA-256 of each line with its line break (`events.jsonl` only), so that a changed one can be named.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub lines: Vec<String>,
}

/// `hashes.json`: what is signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hashes {
    /// Format version.
    pub format: u32,
    /// Hash and signature suite.
    pub suite: String,
    /// Every member before this one, in order.
    pub members: Vec<MemberHash>,
}

/// `signature.json`: the last member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignatureDoc {
    /// Hash and signature suite.
    pub suite: String,
    /// The key's id.
    pub key: String,
    /// The public key, hexadecimal.
    pub public: String,
    /// Ed25519 over `"lectern evidence v1\n"` and the SHA-256 of `hashes.json`, hexadecimal.
    pub signature: String,
}

/// What a stream is called in names of members.
pub(super) fn stream_name(stream: CameraStream) -> &'static str {
    match stream {
        CameraStream::Main => "main",
        CameraStream::Sub => "sub",
        CameraStream::Sound => "sound",
    }
}

fn parse_stream(name: &str) -> Option<CameraStream> {
    CameraStream::ALL.into_iter().find(|s| stream_name(*s) == name)
}

/// A member that holds bytes of an archive's file: `<what>.<init>.<offset>.<kind>`, where `<what>` is `timeline`,
/// `<stream>-raw` or `<stream>-<part>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Piece {
    pub(super) of: PieceOf,
    /// Bytes of an init segment that stand before.
    pub(super) init: u64,
    /// From which byte of the archive's file it goes on behind them.
    pub(super) offset: u64,
}

/// Which file of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum PieceOf {
    /// The journal.
    Timeline,
    /// A part; `lead`: fragments before the first keyframe.
    Part { stream: CameraStream, number: u32, lead: bool },
    /// A raw file.
    Raw(CameraStream),
}

impl Piece {
    pub(super) fn name(&self) -> String {
        let Self { init, offset, .. } = self;
        match self.of {
            PieceOf::Timeline => format!("timeline.{init}.{offset}.jsonl"),
            PieceOf::Raw(stream) => format!("{}-raw.{init}.{offset}.bin", stream_name(stream)),
            PieceOf::Part { stream, number, lead } => {
                let kind = if lead { "lead" } else { "mp4" };
                format!("{}-{number}.{init}.{offset}.{kind}", stream_name(stream))
            }
        }
    }

    pub(super) fn parse(name: &str) -> Option<Self> {
        let mut parts = name.split('.');
        let (what, init, offset, kind) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let of = match (what, kind) {
            ("timeline", "jsonl") => PieceOf::Timeline,
            (_, "bin") => PieceOf::Raw(parse_stream(what.strip_suffix("-raw")?)?),
            (_, "mp4" | "lead") => {
                let (stream, number) = what.split_once('-')?;
                let (stream, number) = (parse_stream(stream)?, number.parse().ok()?);
                PieceOf::Part { stream, number, lead: kind == "lead" }
            }
            _ => return None,
        };
        let piece = Self { of, init: init.parse().ok()?, offset: offset.parse().ok()? };
        // One way to write it: no leading zeros or signs.
        (piece.name() == name).then_some(piece)
    }

    pub(super) fn stream(&self) -> Option<CameraStream> {
        match self.of {
            PieceOf::Timeline => None,
            PieceOf::Part { stream, .. } | PieceOf::Raw(stream) => Some(stream),
        }
    }
}

/// What a member's name says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Name {
    /// Of the whole file.
    File,
    /// Of a camera.
    Camera(CameraId),
    /// A recording's header or chain.
    Recording(CameraId, RecordingId),
    /// Bytes of a recording's file.
    Piece(CameraId, RecordingId, Piece),
}

impl Name {
    /// `None`: it is no member of ours.
    pub(super) fn parse(name: &str) -> Option<Self> {
        if [MANIFEST, VIEWERS, SHEET, HASHES, SIGNATURE].contains(&name) {
            return Some(Self::File);
        }
        let mut parts = name.split('/');
        let camera = parts.next()?;
        let id: CameraId = camera.parse().ok()?;
        if id.to_string() != camera {
            return None;
        }
        let second = parts.next()?;
        let of = match parts.next() {
            None => [CAMERA, EVENTS].contains(&second).then_some(Self::Camera(id))?,
            Some(file) => {
                let recording: RecordingId = second.parse().ok()?;
                if recording.to_string() != second {
                    return None;
                }
                match file {
                    CHAIN | HEADER => Self::Recording(id, recording),
                    _ => Self::Piece(id, recording, Piece::parse(file)?),
                }
            }
        };
        parts.next().is_none().then_some(of)
    }

    pub(super) fn camera(&self) -> Option<CameraId> {
        match self {
            Self::File => None,
            Self::Camera(c) | Self::Recording(c, _) | Self::Piece(c, ..) => Some(*c),
        }
    }
}

/// Whether a member of ours can have this name.
pub(super) fn is_ours(name: &str) -> bool {
    Name::parse(name).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_back_and_others_are_refused() {
        let (c, r) = (CameraId::generate(), RecordingId::generate());
        let pieces = [
            Piece { of: PieceOf::Timeline, init: 0, offset: 5 },
            Piece { of: PieceOf::Raw(CameraStream::Sub), init: 0, offset: 0 },
            Piece { of: PieceOf::Part { stream: CameraStream::Main, number: 3, lead: false }, init: 812, offset: 7 },
            Piece { of: PieceOf::Part { stream: CameraStream::Sound, number: 0, lead: true }, init: 0, offset: 7 },
        ];
        for piece in pieces {
            assert_eq!(Name::parse(&format!("{c}/{r}/{}", piece.name())), Some(Name::Piece(c, r, piece)));
        }
        assert_eq!(Name::parse(&format!("{c}/{r}/chain.jsonl")), Some(Name::Recording(c, r)));
        assert_eq!(Name::parse(&format!("{c}/camera.json")), Some(Name::Camera(c)));
        for no in [
            "",
            "x",
            "../manifest.json",
            &format!("{c}/"),
            &format!("{c}/{r}/main-0.00.7.mp4"),
            &format!("{c}/{r}/x/y"),
        ] {
            assert_eq!(Name::parse(no), None, "{no}");
        }
    }
}
