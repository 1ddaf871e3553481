//! Someone in a room (or before its door), with what must be remembered of them.

use super::{
    ConnId, Entrant, Now, Presence,
    bucket::{Bucket, Rate},
};
use lectern_media::{AccountId, Bitrate, ParticipantId, PeerId, TrackSource, UnixMillis};
use lectern_protocol::{
    api::ClassEvent,
    ws::{LineAssignment, Participant, Quality, RoomRole},
};
use std::{collections::BTreeSet, time::Duration};

/// Where someone is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Before the door: the class is not open, or the teacher has not admitted them.
    Waiting,
    /// In class, present since then.
    InClass(UnixMillis),
}

#[derive(Debug)]
pub(super) struct Member {
    pub id: ParticipantId,
    pub account: Option<AccountId>,
    pub name: String,
    pub role: RoomRole,
    /// A recording host or OBS: publishes by WHIP and has no socket.
    pub device: bool,
    pub place: Place,
    pub conn: Option<ConnId>,
    /// Since when there is no socket, on the monotonic clock.
    pub gone: Option<Duration>,
    pub joined: UnixMillis,
    pub on_stage: bool,
    pub hand_since: Option<UnixMillis>,
    pub muted: BTreeSet<TrackSource>,
    pub up: Quality,
    pub down: Quality,
    pub estimate: Bitrate,
    pub publish: Option<PeerId>,
    pub subscribe: Option<PeerId>,
    /// The last assignment, for a receiving peer that is made later or anew.
    pub assigned: Vec<LineAssignment>,
    pub audio_only: bool,
    pub rates: Rates,
}

/// What a client may send, and how often.
#[derive(Debug)]
pub(super) struct Rates {
    pub message: Bucket,
    pub chat: Bucket,
    pub ask: Bucket,
    pub gesture: Bucket,
    pub offer: Bucket,
}

impl Rates {
    pub fn new(now: Duration) -> Self {
        Self {
            message: Bucket::full(Rate::MESSAGE, now),
            chat: Bucket::full(Rate::CHAT, now),
            ask: Bucket::full(Rate::ASK, now),
            gesture: Bucket::full(Rate::GESTURE, now),
            offer: Bucket::full(Rate::OFFER, now),
        }
    }
}

impl Member {
    pub fn new(now: Now, who: Entrant, place: Place) -> Self {
        Self {
            id: who.participant,
            account: who.account,
            name: who.name,
            role: who.role,
            device: false,
            place,
            conn: None,
            gone: None,
            joined: now.wall,
            on_stage: who.role == RoomRole::Teacher,
            hand_since: None,
            muted: BTreeSet::new(),
            up: Quality::Unknown,
            down: Quality::Unknown,
            estimate: Bitrate::ZERO,
            publish: None,
            subscribe: None,
            assigned: Vec::new(),
            audio_only: false,
            rates: Rates::new(now.mono),
        }
    }

    pub fn is_teacher(&self) -> bool {
        self.role == RoomRole::Teacher
    }

    pub fn in_class(&self) -> bool {
        matches!(self.place, Place::InClass(_))
    }

    pub fn online(&self) -> bool {
        self.conn.is_some() || self.device
    }

    /// The worse of both directions, as far as it is known.
    pub fn quality(&self) -> Quality {
        let rank = |q: &Quality| match q {
            Quality::Unknown => 0,
            Quality::Good => 1,
            Quality::Fair => 2,
            Quality::Poor => 3,
        };
        [self.up, self.down].into_iter().max_by_key(rank).unwrap_or_default()
    }

    pub fn shown(&self) -> Participant {
        Participant {
            id: self.id,
            name: self.name.clone(),
            role: self.role,
            on_stage: self.on_stage,
            hand_since: self.hand_since,
            muted: self.muted.iter().copied().collect(),
            online: self.online(),
            quality: self.quality(),
            joined: self.joined,
        }
    }

    pub fn joined_event(&self) -> ClassEvent {
        ClassEvent::Joined { participant: self.id, name: self.name.clone(), role: self.role }
    }

    /// The presence, ended at `to`; `None` for those who wait.
    pub fn presence(&self, to: Option<UnixMillis>) -> Option<Presence> {
        let Place::InClass(from) = self.place else { return None };
        let (participant, account, name) = (self.id, self.account, self.name.clone());
        Some(Presence { participant, account, name, role: self.role, from, to })
    }
}
