//! The rooms of a shard: who is in them, who speaks, who taps.

use super::slots::Key;
use lectern_media::{ParticipantId, RoomId, tap::TapHandle};
use lectern_sfu_core::speaker::Speakers;

/// One room. It lives as long as it has peers, local publishers or a tap.
pub(super) struct Room {
    pub id: RoomId,
    pub peers: Vec<Key>,
    /// How many publish into it from this process.
    pub locals: usize,
    pub speakers: Speakers,
    /// Who was announced as the loudest.
    pub speaker: Option<ParticipantId>,
    pub tap: Option<TapHandle>,
}

impl Room {
    pub(super) fn new(id: RoomId) -> Self {
        Self { id, peers: Vec::new(), locals: 0, speakers: Speakers::default(), speaker: None, tap: None }
    }

    /// Whether nothing keeps it any more.
    pub(super) fn is_idle(&self) -> bool {
        self.peers.is_empty() && self.locals == 0 && self.tap.as_ref().is_none_or(TapHandle::is_closed)
    }
}
