//! Every bound of camera recording, with its default and what it costs.

use crate::Limits;
use std::time::Duration;

/// Bounds and paces of [`CameraArchive`](super::CameraArchive).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CameraLimits {
    /// What a recording of a camera has in common with one of a lesson: fragments, parts, sync rounds (default
    /// 900 ms), reserve, retries; what is synced is not kept in memory.
    pub recording: Limits,
    /// A recording's length: the next one begins at each multiple of it since 1970. Default one hour; a minute at least.
    pub roll_every: Duration,
    /// How long a stream may go on in the old recording after the roll. Default 90 s.
    pub roll_wait: Duration,
    /// Threads that write; each serves its share of the cameras. Default 2. With 0 nothing happens but in
    /// [`CameraArchive::turn`](super::CameraArchive::turn), for tests.
    pub threads: usize,
    /// Cameras recorded at a time; more are refused. Default 1,024. Each holds up to six files open, twelve while it rolls.
    pub cameras_max: usize,
    /// Packets and events that wait for a camera's writer. Default 6,144: ten seconds and more at 4 Mbit/s.
    pub tap_events: usize,
    /// Bytes of payload that wait for a camera's writer. Default 6 MB: ten seconds at 4 Mbit/s (DESIGN, law 2) with what
    /// comes beside it. Memory is taken only while the disk does not keep up.
    pub tap_bytes: usize,
    /// After start, a recording that nobody goes on with is sealed after this long. Default ten minutes.
    pub abandon_after: Duration,
}

impl Default for CameraLimits {
    fn default() -> Self {
        Self {
            recording: Limits { sync_every: Duration::from_millis(900), keep_cached: false, ..Limits::default() },
            roll_every: Duration::from_secs(3600),
            roll_wait: Duration::from_secs(90),
            threads: 2,
            cameras_max: 1024,
            tap_events: 6144,
            tap_bytes: 6_000_000,
            abandon_after: Duration::from_secs(600),
        }
    }
}
