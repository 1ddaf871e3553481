//! Cameras, recorded around the clock: many cameras, few threads, an hour a directory, every head signed.
//!
//! The way through: [`CameraArchive::record`] gives a [`CameraTap`] that stays the same while the hours roll below it; a thread of
//! the archive (`engine`) reads the taps of many cameras; each camera's `session` turns packets into fragments with the
//! lesson's tracks and writes them with the lesson's writer, several recordings open where it rolls.
//!
//! - `timeline` and `playback` read recordings, running ones too.
//! - `retention` decides what goes; `trust` by which clock; `removal` removes it; `holds` keeps what must not go.
//!
//! What is always true is in `INVARIANTS.md` (11 to 19). Does not belong here: talking to cameras (`lectern-ingest`), who may
//! look, HTTP, evidence.

mod archive;
pub(crate) mod continuity;
mod coverage;
pub(crate) mod elsewhere;
mod engine;
mod holds;
mod hour;
mod index;
mod lane;
mod limits;
mod meta;
mod open;
mod opener;
mod playback;
pub mod raw;
mod removal;
mod retention;
mod session;
mod timeline;
mod trust;

pub use archive::{CameraArchive, CameraStartError, CameraTap, RetentionReport, SCRATCH_PREFIX, camera_recordings};
pub use holds::{HOLDS_MAX, Hold, HoldError};
pub use index::raw_units;
pub use lane::{CameraRecordingState, CameraRecordingStatus};
pub use limits::CameraLimits;
pub use meta::{CameraKind, CameraMeta, CameraRecording, Previous, camera_day_dir, camera_recording_dir};
pub use playback::{Footage, Pace, PlaybackSegment, Snapshot};
pub use removal::{REMOVED_FILE, Removed};
pub use retention::{Ended, Item, Plan, RemovalReason, RetentionAlarm, RetentionRules, plan};

pub use timeline::{CameraTimeline, ClockOffsetAt, StreamTimeline, TimeSpan, TimelineGap, TimelineRecording};
pub use trust::{ClockDoubt, Uptime, confirm_clock};

pub(crate) use open::{is_recording_dir, next_start};
pub(crate) use timeline::recorded;
