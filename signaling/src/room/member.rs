//! Someone in a room (or before its door), with what must be remembered of them.

use super::{
    ConnId, Entrant, Now, Presence,
    bucket::{Bucket, Rate},
    offers::Link,
};
use lectern_media::{AccountId, Bitrate, ParticipantId, TrackSource, UnixMillis};
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

/// Someone has no socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gone {
    /// Since when, on the monotonic clock: for waiting.
    pub since: Duration,
    /// When they were last there: what their presence ends with if they don't come back.
    pub last_seen: UnixMillis,
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
    pub gone: Option<Gone>,
    pub joined: UnixMillis,
    /// Has a seat on stage.
    pub on_stage: bool,
    /// Away for so long that the others don't see them on stage any more; the seat is kept. See
    /// [`super::limits::KEEP_ON_VIEW`].
    pub out_of_view: bool,
    pub hand_since: Option<UnixMillis>,
    pub muted: BTreeSet<TrackSource>,
    pub up: Quality,
    pub down: Quality,
    pub estimate: Bitrate,
    pub publish: Link,
    pub subscribe: Link,
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
            out_of_view: false,
            hand_since: None,
            muted: BTreeSet::new(),
            up: Quality::Unknown,
            down: Quality::Unknown,
            estimate: Bitrate::ZERO,
            publish: Link::default(),
            subscribe: Link::default(),
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

    /// Whether all see them.
    pub fn on_view(&self) -> bool {
        self.on_stage && !self.out_of_view
    }

    /// The socket dropped.
    pub fn lose_socket(&mut self, now: Now) {
        self.conn = None;
        self.gone = Some(Gone { since: now.mono, last_seen: now.wall });
        self.publish.drop_waiting();
        self.subscribe.drop_waiting();
    }

    /// When they were there for the last time.
    pub fn last_seen(&self, now: Now) -> UnixMillis {
        self.gone.map_or(now.wall, |gone| gone.last_seen)
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
            on_stage: self.on_view(),
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

    /// The presence that begins; `None` for those who wait.
    pub fn presence(&self) -> Option<Presence> {
        let Place::InClass(from) = self.place else { return None };
        let (participant, account, name) = (self.id, self.account, self.name.clone());
        Some(Presence { participant, account, name, role: self.role, from, to: None })
    }

    /// The presence that ends; `None` for those who wait. It ends when they were last there, not when that was noticed.
    pub fn ended_presence(&self, now: Now) -> Option<Presence> {
        let presence = self.presence()?;
        // A wall clock can be set back.
        let to = self.last_seen(now).max(presence.from);
        Some(Presence { to: Some(to), ..presence })
    }
}
