//! What of a live room survives a restart: everything that people would have to do again by hand.
//!
//! Not kept: sockets, peers, tracks. Clients come back by themselves and offer them anew.

use super::{
    Entrant, Now, Policy,
    board::Board,
    core::Room,
    member::{Gone, Member, Place},
};
use lectern_media::{AccountId, LessonId, ParticipantId, TrackSource, UnixMillis};
use lectern_protocol::ws::{LessonState, RoomRole};
use serde::{Deserialize, Serialize};

/// A room on disk. Fields that are added later get a default, so that an older state stays readable.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeptRoom {
    /// The lesson it belongs to: a state of another lesson is worth nothing.
    pub lesson: LessonId,
    /// Since when it is live; `None` = not open.
    pub live_since: Option<UnixMillis>,
    waiting_room: bool,
    members: Vec<KeptMember>,
    board: Board,
    removed: Vec<(ParticipantId, Option<AccountId>)>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KeptMember {
    id: ParticipantId,
    account: Option<AccountId>,
    name: String,
    role: RoomRole,
    present_since: Option<UnixMillis>,
    joined: UnixMillis,
    on_stage: bool,
    hand_since: Option<UnixMillis>,
    muted: Vec<TrackSource>,
    /// When they were last there, as far as this state knows.
    #[serde(default)]
    last_seen: Option<UnixMillis>,
}

impl KeptRoom {
    /// As JSON of at most `len_max` bytes. When people write more than fits, the oldest chat goes, then questions: both are
    /// in the recording. The rest, people and nothing they can make longer, fits into what the store takes: two thousand
    /// of them with the longest names make less than 1.5 MB.
    ///
    /// # Errors
    /// Never for plain data; the caller logs it all the same.
    pub fn to_json(mut self, len_max: usize) -> serde_json::Result<String> {
        loop {
            let text = serde_json::to_string(&self)?;
            if text.len() <= len_max || !self.board.shed() {
                return Ok(text);
            }
        }
    }
}

impl Room {
    /// What is to be kept now.
    #[must_use]
    pub fn keep(&self, now: Now) -> KeptRoom {
        // Devices reconnect with their own token and are made anew.
        let members = self.members.values().filter(|m| !m.device).map(|m| KeptMember {
            id: m.id,
            account: m.account,
            name: m.name.clone(),
            role: m.role,
            present_since: match m.place {
                Place::InClass(since) => Some(since),
                Place::Waiting => None,
            },
            joined: m.joined,
            on_stage: m.on_stage,
            hand_since: m.hand_since,
            muted: m.muted.iter().copied().collect(),
            last_seen: Some(m.last_seen(now)),
        });
        KeptRoom {
            lesson: self.policy.lesson,
            live_since: self.live_since,
            waiting_room: self.waiting_room,
            members: members.collect(),
            board: self.board.clone(),
            removed: self.removed.iter().copied().collect(),
        }
    }

    /// A live lesson of which nothing else is known any more.
    #[must_use]
    pub fn live_again(now: Now, policy: Policy, waiting_room: bool, since: UnixMillis) -> Self {
        let mut room = Self::new(policy, waiting_room);
        room.live_since = Some(since);
        room.state = LessonState::Live;
        room.note_teacher(now);
        room
    }

    /// The room again, with everybody in their place but away: they have [`super::limits::KEEP_PLACE`] to come back.
    #[must_use]
    pub fn restore(now: Now, policy: Policy, kept: KeptRoom) -> Self {
        let mut room = Self::new(policy, kept.waiting_room);
        room.live_since = kept.live_since;
        room.state = if kept.live_since.is_some() { LessonState::Live } else { LessonState::Scheduled };
        room.board = kept.board;
        room.removed = kept.removed.into();
        for kept in kept.members {
            let place = kept.present_since.map_or(Place::Waiting, Place::InClass);
            let who = Entrant { participant: kept.id, account: kept.account, name: kept.name, role: kept.role };
            let mut member = Member::new(now, who, place);
            // They were there when the state was kept, and not since as far as anybody knows.
            member.gone = Some(Gone { since: now.mono, last_seen: kept.last_seen.unwrap_or(now.wall) });
            member.joined = kept.joined;
            member.on_stage = kept.on_stage;
            member.hand_since = kept.hand_since;
            member.muted = kept.muted.into_iter().collect();
            room.members.insert(member.id, member);
        }
        room.note_teacher(now);
        room
    }
}
