//! The sessions that stand, by peer, with what a PATCH needs to know.

use super::{credential_lines, sdp};
use crate::ports::IceCredentials;
use lectern_auth::Grant;
use lectern_media::{ParticipantId, PeerId, RoomId};
use parking_lot::Mutex;
use std::collections::HashMap;
use ulid::Ulid;

/// Sessions of one server. Beyond, clients are asked to come back later.
const SESSIONS_MAX: usize = 10_000;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Direction {
    /// WHIP
    Publish,
    /// WHEP
    Watch,
}

#[derive(Debug, Clone)]
pub(super) struct Session {
    pub direction: Direction,
    pub room: RoomId,
    /// Whose token made it.
    pub holder: ParticipantId,
    /// Names the present ICE session (RFC 9725 §4.3).
    pub etag: String,
    /// The client's present user fragment.
    pub remote_ufrag: String,
    /// First media line and candidates of our answer, to repeat in the answer to a restart.
    media: String,
    candidates: Vec<String>,
}

impl Session {
    pub fn new(direction: Direction, room: RoomId, grant: &Grant, offer: &str, answer: &str) -> Self {
        Self {
            direction,
            room,
            holder: grant.participant,
            etag: new_etag(),
            remote_ufrag: sdp::credentials(offer).map(|c| c.ufrag).unwrap_or_default(),
            media: sdp::first_media(answer),
            candidates: sdp::candidates(answer),
        }
    }

    /// The answer to an ICE restart (RFC 9725 §4.3.2): our new credentials and the candidates, which stay.
    pub fn fragment(&self, local: &IceCredentials) -> String {
        let mut text = String::from("a=ice-lite\r\na=ice-options:trickle ice2\r\n");
        text.push_str(&credential_lines(local));
        text.push_str(&self.media);
        for candidate in &self.candidates {
            text.push_str(candidate);
            text.push_str("\r\n");
        }
        text.push_str("a=end-of-candidates\r\n");
        text
    }
}

/// All sessions.
#[derive(Debug, Default)]
pub struct Sessions(Mutex<HashMap<PeerId, Session>>);

impl Sessions {
    /// Adds one and returns its ETag. At the limit, those whose peer is not `alive` any more make room.
    pub(super) fn add(&self, peer: PeerId, session: Session, alive: impl Fn(PeerId) -> bool) -> Option<String> {
        let mut sessions = self.0.lock();
        if sessions.len() >= SESSIONS_MAX {
            sessions.retain(|peer, _| alive(*peer));
            if sessions.len() >= SESSIONS_MAX {
                metrics::counter!("lectern_whip_refused_total", "reason" => "sessions_max").increment(1);
                return None;
            }
        }
        let etag = session.etag.clone();
        sessions.insert(peer, session);
        Some(etag)
    }

    pub(super) fn get(&self, peer: PeerId) -> Option<Session> {
        self.0.lock().get(&peer).cloned()
    }

    pub(super) fn has(&self, peer: PeerId) -> bool {
        self.0.lock().contains_key(&peer)
    }

    pub(super) fn remove(&self, peer: PeerId) {
        self.0.lock().remove(&peer);
    }

    /// Takes out all of a room.
    pub(super) fn take_room(&self, room: RoomId) -> Vec<(PeerId, Session)> {
        self.0.lock().extract_if(|_, session| session.room == room).collect()
    }

    /// A new ICE session stands: its ETag.
    pub(super) fn restarted(&self, peer: PeerId, remote_ufrag: String) -> Option<String> {
        let mut sessions = self.0.lock();
        let session = sessions.get_mut(&peer)?;
        session.remote_ufrag = remote_ufrag;
        session.etag = new_etag();
        Some(session.etag.clone())
    }
}

fn new_etag() -> String {
    format!("\"{}\"", Ulid::new())
}
