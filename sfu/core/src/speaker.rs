//! Who speaks loudest in a room, from the audio-level header extension (RFC 6464). Not here: telling anyone.

use crate::packet::{AudioLevel, SourceId};
use std::time::Instant;

/// The loudness race of one room. Bounded by [`SPEAKERS_MAX`] sources.
#[derive(Debug, Default)]
pub struct Speakers {
    dominant: Option<SourceId>,
}

/// The most sources that take part; further ones are not considered.
pub const SPEAKERS_MAX: usize = 64;

impl Speakers {
    /// Notes the level of one audio packet.
    pub fn on_level(&mut self, now: Instant, source: SourceId, level: AudioLevel) {
        let _ = (now, source, level);
    }

    /// Forgets a source that ended.
    pub fn remove(&mut self, source: SourceId) {
        if self.dominant == Some(source) {
            self.dominant = None;
        }
    }

    /// Weighs the last moments; call every 100 to 300 ms. Returns the dominant speaker if it changed.
    pub fn poll(&mut self, now: Instant) -> Option<SourceId> {
        let _ = now;
        None
    }

    /// Who speaks now or spoke last.
    #[must_use]
    pub const fn dominant(&self) -> Option<SourceId> {
        self.dominant
    }

    /// The loudness of a source now, 0 (silence) to 127; for showing meters.
    #[must_use]
    pub fn loudness(&self, source: SourceId) -> u8 {
        let _ = source;
        0
    }
}
