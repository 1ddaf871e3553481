//! The room itself: who is in it, the lesson's life, coming, going and waiting.

use super::{
    ConnId, EndReason, Entrant, MediaCommand, Now, Output, Policy,
    board::Board,
    limits::{COUNT_EVERY, KEEP_ON_VIEW, KEEP_PLACE, REMOVED_MAX, RETRY_RECORDING, SEEN_EVERY},
    member::{Member, Place},
    view::sees,
    watch::Watch,
};
use lectern_media::{AccountId, ParticipantId, PeerId, TrackId, UnixMillis};
use lectern_protocol::{
    api::ClassEvent,
    ws::{CloseReason, LessonState, RecordingState, RoomRole, ServerMessage, Track},
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

/// One room. See the module's description for the contract.
#[derive(Debug)]
pub struct Room {
    pub(super) policy: Policy,
    pub(super) state: LessonState,
    pub(super) live_since: Option<UnixMillis>,
    pub(super) recording: RecordingState,
    pub(super) waiting_room: bool,
    pub(super) members: BTreeMap<ParticipantId, Member>,
    pub(super) tracks: BTreeMap<TrackId, Track>,
    pub(super) watchers: BTreeMap<PeerId, Watch>,
    pub(super) board: Board,
    pub(super) removed: VecDeque<(ParticipantId, Option<AccountId>)>,
    pub(super) speaker: Option<ParticipantId>,
    pub(super) tickets: u64,
    count_told: (u32, Duration),
    teacher_away: Option<Duration>,
    /// When a recording that failed is tried again.
    record_at: Option<Duration>,
    /// When the state was last asked to be kept for the sake of presences.
    seen_at: Duration,
}

impl Room {
    /// A room whose lesson is not open yet.
    #[must_use]
    pub fn new(policy: Policy, waiting_room: bool) -> Self {
        Self {
            policy,
            state: LessonState::Scheduled,
            live_since: None,
            recording: RecordingState::Off,
            waiting_room,
            members: BTreeMap::new(),
            tracks: BTreeMap::new(),
            watchers: BTreeMap::new(),
            board: Board::default(),
            removed: VecDeque::new(),
            speaker: None,
            tickets: 0,
            count_told: (0, Duration::ZERO),
            teacher_away: None,
            record_at: None,
            seen_at: Duration::ZERO,
        }
    }

    /// Where the lesson stands.
    #[must_use]
    pub fn state(&self) -> LessonState {
        self.state
    }

    /// What is fixed about the lesson.
    #[must_use]
    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    /// Since when it is live.
    #[must_use]
    pub fn live_since(&self) -> Option<UnixMillis> {
        self.live_since
    }

    /// How many are in class.
    #[must_use]
    pub fn present(&self) -> usize {
        self.members.values().filter(|m| m.in_class()).count()
    }

    /// Whether nobody is here and nothing runs, so that the room can be forgotten.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.state != LessonState::Live && self.members.is_empty()
    }

    /// Everybody in class, as if they came now: for a recording that begins in the middle.
    pub fn roll_call(&self) -> impl Iterator<Item = ClassEvent> {
        self.members.values().filter(|m| m.in_class()).map(Member::joined_event)
    }

    /// Someone with a valid grant opened a socket.
    pub fn enter(&mut self, now: Now, conn: ConnId, who: Entrant, out: &mut Vec<Output>) {
        if let Some(reason) = self.refusal(&who) {
            out.push(Output::Close { conn, reason });
            return;
        }
        self.take_over(now, &who, out);
        let id = who.participant;
        if !self.members.contains_key(&id)
            && self.members.len() >= self.policy.participants_max
            && let Some(away) = self.longest_gone()
        {
            // Whoever is here goes before a place that is only kept.
            self.forget(now, away, out);
        }
        let stage_free = self.stage_free();
        if let Some(member) = self.members.get_mut(&id) {
            // Back again: after a reload, a change of network, or a restart of the server.
            if let Some(old) = member.conn.take() {
                member.lose_socket(now);
                out.push(Output::Close { conn: old, reason: CloseReason::TakenOver });
            }
            member.conn = Some(conn);
            member.gone = None;
            member.name = who.name;
            if std::mem::take(&mut member.out_of_view) && member.on_stage {
                // The seat was kept, unless somebody who was here needed it.
                member.on_stage = stage_free;
                let (participant, name) = (id, member.name.clone());
                if stage_free {
                    out.push(Output::Timeline(ClassEvent::Stage { participant, name, on: true }));
                }
            }
        } else {
            let mut member = Member::new(now, who, Place::Waiting);
            member.conn = Some(conn);
            self.members.insert(id, member);
        }
        let member = &self.members[&id];
        if member.in_class() {
            self.welcome(id, now, out);
        } else if self.admits(member) {
            self.admit(now, id, out);
        } else {
            self.ask_to_wait(conn, out);
            self.show_waiting(out);
        }
        self.note_teacher(now);
        out.push(Output::Keep);
    }

    /// Why someone can't come in at all.
    fn refusal(&self, who: &Entrant) -> Option<CloseReason> {
        let is_removed = |(id, account): &(ParticipantId, Option<AccountId>)| {
            *id == who.participant || (account.is_some() && *account == who.account)
        };
        let known = self.members.contains_key(&who.participant);
        match who.role {
            _ if self.state == LessonState::Over => Some(CloseReason::Ended),
            RoomRole::Teacher => None,
            _ if self.removed.iter().any(is_removed) => Some(CloseReason::Removed),
            _ if !known && self.members.len() >= self.policy.participants_max && self.longest_gone().is_none() => {
                Some(CloseReason::RoomFull)
            }
            _ => None,
        }
    }

    /// Who has been without a socket for longest. Teachers' places are not given away.
    fn longest_gone(&self) -> Option<ParticipantId> {
        let gone = self.members.values().filter(|m| !m.is_teacher()).filter_map(|m| m.gone.map(|g| (g.since, m.id)));
        gone.min().map(|(_, id)| id)
    }

    /// A person is in class once: the older tab or device of the same account makes way.
    fn take_over(&mut self, now: Now, who: &Entrant, out: &mut Vec<Output>) {
        let Some(account) = who.account else { return };
        let same = |m: &&Member| m.account == Some(account) && m.id != who.participant && !m.device;
        let older: Vec<_> = self.members.values().filter(same).map(|m| m.id).collect();
        for id in older {
            if let Some(conn) = self.members.get_mut(&id).and_then(|m| m.conn.take()) {
                out.push(Output::Close { conn, reason: CloseReason::TakenOver });
            }
            self.forget(now, id, out);
        }
    }

    /// Whether someone may go straight in.
    fn admits(&self, member: &Member) -> bool {
        // Signed-in people were let in by their right; only those who come by link wait for the teacher.
        let open = self.state == LessonState::Live && (!self.waiting_room || member.account.is_some());
        member.is_teacher() || open
    }

    /// Lets someone in.
    pub(super) fn admit(&mut self, now: Now, id: ParticipantId, out: &mut Vec<Output>) {
        let stage_free = self.stage_free();
        let to_stage = self.policy.classrooms_on_stage;
        let Some(member) = self.members.get_mut(&id) else { return };
        member.place = Place::InClass(now.wall);
        if to_stage && member.role == RoomRole::Classroom && stage_free {
            member.on_stage = true;
        }
        let (name, role, on_stage) = (member.name.clone(), member.role, member.on_stage);
        out.extend(member.presence().map(Output::Attendance));
        out.push(Output::Timeline(ClassEvent::Joined { participant: id, name: name.clone(), role }));
        if on_stage && role != RoomRole::Teacher {
            out.push(Output::Timeline(ClassEvent::Stage { participant: id, name, on: true }));
        }
        self.welcome(id, now, out);
        self.show_waiting(out);
        out.push(Output::Keep);
    }

    pub(super) fn stage_free(&self) -> bool {
        self.members.values().filter(|m| m.on_view() && !m.is_teacher()).count() < self.policy.stage_max
    }

    /// The socket is gone. The place is kept for [`KEEP_PLACE`]; media goes on by itself.
    pub fn disconnected(&mut self, now: Now, conn: ConnId, out: &mut Vec<Output>) {
        let Some(member) = self.members.values_mut().find(|m| m.conn == Some(conn)) else { return };
        member.lose_socket(now);
        let (id, in_class) = (member.id, member.in_class());
        if in_class {
            self.show(id, out);
        } else {
            self.show_waiting(out);
        }
        self.note_teacher(now);
    }

    /// Takes someone out of the room, with all they publish. The socket, if any, is the caller's to close first.
    pub(super) fn forget(&mut self, now: Now, id: ParticipantId, out: &mut Vec<Output>) {
        let Some(member) = self.members.get(&id) else { return };
        let seen_by = self.audience(|viewer| viewer.id != id && sees(viewer, member));
        self.end_tracks_of(id, out);
        let Some(member) = self.members.remove(&id) else { return };
        for peer in [member.publish.peer, member.subscribe.peer].into_iter().flatten() {
            out.push(Output::Media(MediaCommand::ClosePeer(peer)));
        }
        if member.in_class() {
            out.extend(member.ended_presence(now).map(Output::Attendance));
            out.push(Output::Timeline(ClassEvent::Left { participant: id }));
            self.tell(seen_by, ServerMessage::ParticipantLeft { participant: id }, out);
        } else {
            self.show_waiting(out);
        }
        self.note_teacher(now);
        out.push(Output::Keep);
    }

    /// The teacher sent someone out, who shall not come back with the same grant.
    pub(super) fn banish(&mut self, now: Now, id: ParticipantId, reason: CloseReason, out: &mut Vec<Output>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        if self.removed.len() == REMOVED_MAX {
            self.removed.pop_front();
        }
        self.removed.push_back((id, member.account));
        if let Some(conn) = member.conn.take() {
            out.push(Output::Close { conn, reason });
        }
        self.forget(now, id, out);
    }

    /// Makes the lesson live. Nothing happens if it is.
    pub fn open(&mut self, now: Now, out: &mut Vec<Output>) {
        if self.state != LessonState::Scheduled {
            return;
        }
        self.state = LessonState::Live;
        self.live_since = Some(now.wall);
        out.push(Output::Opened { record: self.policy.record });
        out.push(Output::Timeline(ClassEvent::Opened {}));
        for member in self.members.values().filter(|m| m.in_class()) {
            out.push(Output::Timeline(member.joined_event()));
            out.extend(member.presence().map(Output::Attendance));
        }
        let waiting: Vec<_> = self.members.values().filter(|m| !m.in_class()).map(|m| (m.id, m.conn)).collect();
        for (id, conn) in waiting {
            if self.members.get(&id).is_some_and(|m| self.admits(m)) {
                self.admit(now, id, out);
            } else if let Some(conn) = conn {
                self.ask_to_wait(conn, out);
            }
        }
        self.show_room(out);
        self.note_teacher(now);
        out.push(Output::Keep);
    }

    /// Ends the lesson for all.
    pub fn end(&mut self, now: Now, reason: EndReason, out: &mut Vec<Output>) {
        if self.state == LessonState::Over {
            return;
        }
        let was_live = self.state == LessonState::Live;
        self.state = LessonState::Over;
        out.push(Output::Timeline(ClassEvent::Ended {}));
        for (_, member) in std::mem::take(&mut self.members) {
            out.extend(member.ended_presence(now).map(Output::Attendance));
            out.extend(member.conn.map(|conn| Output::Close { conn, reason: CloseReason::Ended }));
        }
        self.tracks.clear();
        self.watchers.clear();
        out.push(Output::Media(MediaCommand::CloseRoom));
        if was_live {
            out.push(Output::Ended { reason });
        }
    }

    /// The server is going down: everybody is asked to come back; nothing is forgotten.
    pub fn close_for_restart(&mut self, out: &mut Vec<Output>) {
        let sockets = self.members.values_mut().filter_map(|m| m.conn.take());
        out.extend(sockets.map(|conn| Output::Close { conn, reason: CloseReason::ServerRestart }));
        out.push(Output::Keep);
    }

    /// The recording started, failed or went on.
    pub fn recording_is(&mut self, state: RecordingState, out: &mut Vec<Output>) {
        if self.recording == state {
            return;
        }
        let told = self.recording != RecordingState::Off || state == RecordingState::Failed;
        self.recording = state;
        if told && state != RecordingState::Off {
            out.push(Output::Timeline(ClassEvent::Recording { on: state == RecordingState::On }));
        }
        self.show_room(out);
    }

    /// The recording runs, from its start or again.
    pub fn recording_started(&mut self, out: &mut Vec<Output>) {
        self.record_at = None;
        self.recording_is(RecordingState::On, out);
    }

    /// The recording could not be started, or broke down: it is tried again in a while.
    pub fn recording_failed(&mut self, now: Now, out: &mut Vec<Output>) {
        self.record_at = Some(now.mono + RETRY_RECORDING);
        self.recording_is(RecordingState::Failed, out);
    }

    /// Time passes: about once a second.
    pub fn tick(&mut self, now: Now, out: &mut Vec<Output>) {
        let passed = |since: Duration| now.mono.saturating_sub(since);
        let away_for = |m: &&Member, least| m.gone.is_some_and(|gone| passed(gone.since) >= least);
        let gone: Vec<_> = self.members.values().filter(|m| away_for(m, KEEP_PLACE)).map(|m| m.id).collect();
        for id in gone {
            self.forget(now, id, out);
        }
        // A teacher stays in sight: the class waits for them, and the page says so. Whoever still sends is seen, too: the
        // media plane knows better than the socket whether that line is dead.
        let unseen =
            |m: &&Member| m.on_view() && !m.is_teacher() && m.publish.peer.is_none() && away_for(m, KEEP_ON_VIEW);
        let unseen: Vec<_> = self.members.values().filter(unseen).map(|m| m.id).collect();
        for id in unseen {
            self.take_out_of_view(id, out);
        }
        let count = self.present() as u32;
        let (told, at) = self.count_told;
        if count != told && now.mono.saturating_sub(at) >= COUNT_EVERY {
            self.count_told = (count, now.mono);
            self.tell_all(ServerMessage::Count { participants: count }, out);
        }
        if self.state != LessonState::Live {
            return;
        }
        if self.deserted(now) {
            tracing::info!(room = %self.policy.room, "the teacher stayed away after the planned end: ending the lesson");
            self.end(now, EndReason::Deserted, out);
        } else if self.live_since.is_some_and(|since| now.wall >= since.plus(self.policy.live_max)) {
            tracing::warn!(room = %self.policy.room, "the lesson is as long as one may be: ending it");
            self.end(now, EndReason::TooLong, out);
        } else {
            if self.record_at.take_if(|at| *at <= now.mono).is_some() && self.policy.record {
                out.push(Output::Record);
            }
            if passed(self.seen_at) >= SEEN_EVERY {
                self.seen_at = now.mono;
                out.push(Output::Keep);
            }
        }
    }

    /// Takes someone who has been away for a while off the others' stage. They keep the seat.
    fn take_out_of_view(&mut self, id: ParticipantId, out: &mut Vec<Output>) {
        self.end_tracks_of(id, out);
        let Some(member) = self.members.get_mut(&id) else { return };
        member.out_of_view = true;
        let name = member.name.clone();
        out.push(Output::Timeline(ClassEvent::Stage { participant: id, name, on: false }));
        self.show(id, out);
        let member = &self.members[&id];
        let lost_sight = self.audience(|viewer| !sees(viewer, member));
        self.tell(lost_sight, ServerMessage::ParticipantLeft { participant: id }, out);
    }

    /// Whether the planned end is past and the teacher has been away for long enough since.
    fn deserted(&self, now: Now) -> bool {
        let opened_late = self.live_since.map(|at| at.plus(self.policy.length));
        let planned_end = opened_late.map_or(self.policy.ends, |late| late.max(self.policy.ends));
        let away = self.teacher_away.is_some_and(|since| now.mono.saturating_sub(since) >= self.policy.away_end);
        away && now.wall >= planned_end.plus(self.policy.away_end)
    }

    /// Keeps in mind since when no teacher is here.
    pub(super) fn note_teacher(&mut self, now: Now) {
        let here = self.members.values().any(|m| m.is_teacher() && m.online());
        match (here, self.teacher_away) {
            (true, _) => self.teacher_away = None,
            (false, None) => self.teacher_away = Some(now.mono),
            (false, Some(_)) => {}
        }
    }
}
