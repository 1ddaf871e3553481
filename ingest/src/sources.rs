//! Which RTP source every stream of every camera is heard from, so that a camera that turns to sending another's stream is
//! noticed. Looked at when a source changes, not for each packet.

use lectern_media::{Ssrc, TrackId};
use parking_lot::Mutex;
use std::collections::HashMap;

/// The sources heard now: at most one of each stream that is pulled.
#[derive(Debug, Default)]
pub(crate) struct Sources(Mutex<HashMap<TrackId, Ssrc>>);

impl Sources {
    /// A track is heard from this source now, or from none.
    pub(crate) fn heard(&self, track: TrackId, ssrc: Option<Ssrc>) {
        let mut heard = self.0.lock();
        match ssrc {
            Some(ssrc) => heard.insert(track, ssrc),
            None => heard.remove(&track),
        };
    }

    /// Whether another track is heard from this source. Two cameras that began with one source keep it both: some models
    /// have it burnt in. Only a stream that changes to another's source in mid-session is believed to be that other's.
    pub(crate) fn is_anothers(&self, ssrc: Ssrc, us: TrackId) -> bool {
        self.0.lock().iter().any(|(track, heard)| *heard == ssrc && *track != us)
    }
}
