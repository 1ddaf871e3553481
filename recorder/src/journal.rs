//! The journal `timeline.jsonl`: what happened, one JSON object a line.

use lectern_media::{Layer, RecordingId, TrackId, TrackInfo};
use lectern_protocol::api::{ClassEvent, GapCause};
use serde::{Deserialize, Serialize};

/// The journal's file name.
pub(crate) const FILE: &str = "timeline.jsonl";

/// One line: when, from the start of the recording, and what.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Line {
    /// Milliseconds from the start of the recording.
    pub at_ms: u64,
    /// What happened.
    #[serde(flatten)]
    pub entry: Entry,
}

/// What can happen to a recording.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Entry {
    /// A track is recorded from here.
    Track {
        /// What it is.
        info: TrackInfo,
        /// Its ticks per second, if they are not those of its codec.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clock_hz: Option<u32>,
    },
    /// A track ended.
    TrackEnd {
        /// Which.
        track: TrackId,
    },
    /// Another simulcast layer is recorded from here.
    Layer {
        /// Of which track.
        track: TrackId,
        /// Which.
        layer: Layer,
    },
    /// Something is missing (invariant 8).
    Gap {
        /// Of which track; none: of all.
        track: Option<TrackId>,
        /// From.
        from_ms: u64,
        /// To, later than `from_ms`.
        to_ms: u64,
        /// Why.
        cause: GapCause,
        /// Packets lost or dropped, if they were counted.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        packets: Option<u64>,
    },
    /// The recording goes on after a stop.
    Resumed {},
    /// A camera: whose signatures follow (invariant 14).
    Signer {
        /// The key's id, as signatures name it.
        key: String,
        /// The public key, hexadecimal.
        public: String,
    },
    /// A camera: how the recording before this one ended (invariant 12).
    Previous {
        /// Which.
        recording: RecordingId,
        /// Records of its chain.
        records: u64,
        /// Its last head, hexadecimal.
        head: String,
    },
    /// A camera: an operator ended its recording; nothing is missing from here on.
    Stopped {},
    /// A camera: here the recording gives way to the next one before its hour is over, whose header tells of another place, name or group.
    GivesWay {},
    /// A camera: how far its clock is ahead of ours (negative: behind).
    ClockOffset {
        /// Measured on which track.
        track: TrackId,
        /// Milliseconds.
        offset_ms: i64,
    },
    /// Something happened in class.
    Event {
        /// What.
        event: ClassEvent,
    },
}

/// The whole lines at the start of a journal with their places (offset, length), and how many bytes they take.
pub(crate) fn parse(bytes: &[u8]) -> (Vec<(Line, u64, u64)>, usize) {
    let mut lines = Vec::new();
    let mut at = 0;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        match serde_json::from_slice(line) {
            Ok(parsed) if line.ends_with(b"\n") => lines.push((parsed, at as u64, line.len() as u64)),
            _ => break,
        }
        at += line.len();
    }
    (lines, at)
}
