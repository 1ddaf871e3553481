//! Every bound of the recorder, with its default and what it costs.

use std::time::Duration;

/// Bounds and paces. [`Limits::default`] suits a machine with a disk of its own for recordings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest time a fragment waits to be complete. Default 500 ms.
    pub fragment: Duration,
    /// Longest time between two sync rounds while anything is dirty. Default 700 ms, so that a round ends within the second.
    pub sync_every: Duration,
    /// A part is closed after this time at the next keyframe. Default ten minutes.
    pub part: Duration,
    /// A part is closed after this many bytes at the next keyframe. Default 128 MB.
    pub part_bytes_max: u64,
    /// Free space that recordings leave alone; below it they stop with an alarm. Default 2 GB.
    pub reserve_bytes: u64,
    /// Events a tap holds. Default 32,768: at least ten seconds of ten busy tracks; at most some 45 MB of packets.
    pub tap_events: usize,
    /// Tracks recorded at a time in one recording; more are refused and counted. Default 128.
    pub tracks_max: usize,
    /// How long a missing packet is waited for. Default 300 ms.
    pub reorder: Duration,
    /// How often a keyframe is asked for if none came by itself. Default 4 s.
    pub keyframe_every: Duration,
    /// How often a failed recording tries to go on. Default 2 s.
    pub retry: Duration,
    /// Whether the system keeps in memory what was synced, for those who read it soon. Default true; what cameras bring without
    /// end is read too rarely to take the place of all else.
    pub keep_cached: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            fragment: Duration::from_millis(500),
            sync_every: Duration::from_millis(700),
            part: Duration::from_secs(600),
            part_bytes_max: 128_000_000,
            reserve_bytes: 2_000_000_000,
            tap_events: 32_768,
            tracks_max: 128,
            reorder: lectern_fmp4::depay::Depacketizer::WAIT,
            keyframe_every: Duration::from_secs(4),
            retry: Duration::from_secs(2),
            keep_cached: true,
        }
    }
}
