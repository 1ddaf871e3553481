//! Who sees whom, and the room as one of them sees it.
//!
//! Teachers see everybody. Others see the stage, themselves and how many there are, so that presence costs grow with
//! those on stage and not with the square of the audience (DESIGN §4).

use super::{ConnId, Output, core::Room, member::Member};
use lectern_media::ParticipantId;
use lectern_protocol::ws::{LessonState, RoomSnapshot, ServerMessage, Track};

/// Whether `viewer` may see `subject`, and what `subject` publishes.
pub(super) fn sees(viewer: &Member, subject: &Member) -> bool {
    subject.in_class() && (viewer.is_teacher() || subject.on_view() || subject.id == viewer.id)
}

impl Room {
    /// Sockets in class that `choose` picks.
    pub(super) fn audience(&self, choose: impl Fn(&Member) -> bool) -> Vec<ConnId> {
        self.members.values().filter(|m| m.in_class() && choose(m)).filter_map(|m| m.conn).collect()
    }

    /// Sends to everybody in class.
    pub(super) fn tell_all(&self, message: ServerMessage, out: &mut Vec<Output>) {
        self.tell(self.audience(|_| true), message, out);
    }

    pub(super) fn tell(&self, to: Vec<ConnId>, message: ServerMessage, out: &mut Vec<Output>) {
        if !to.is_empty() {
            out.push(Output::Send { to, message: Box::new(message) });
        }
    }

    /// Shows a member as it is now to all who may see it.
    pub(super) fn show(&self, id: ParticipantId, out: &mut Vec<Output>) {
        let Some(member) = self.members.get(&id) else { return };
        let to = self.audience(|viewer| sees(viewer, member));
        self.tell(to, ServerMessage::ParticipantChanged { participant: member.shown() }, out);
    }

    /// The list of those who wait, to the teachers.
    pub(super) fn show_waiting(&self, out: &mut Vec<Output>) {
        let waiting = self.waiting().map(Member::shown).collect();
        self.tell(self.audience(Member::is_teacher), ServerMessage::WaitingChanged { waiting }, out);
    }

    /// Those who can be admitted, longest first. Whoever lost the socket keeps the place but is not shown.
    pub(super) fn waiting(&self) -> impl Iterator<Item = &Member> {
        let mut waiting: Vec<_> = self.members.values().filter(|m| !m.in_class() && m.conn.is_some()).collect();
        waiting.sort_by_key(|m| (m.joined, m.id));
        waiting.into_iter()
    }

    pub(super) fn show_room(&self, out: &mut Vec<Output>) {
        let (state, live_since) = (self.state, self.live_since);
        let (recording, waiting_room) = (self.recording, self.waiting_room);
        self.tell_all(ServerMessage::RoomChanged { state, live_since, recording, waiting_room }, out);
    }

    /// The whole room for one of its members.
    pub(super) fn snapshot(&self, viewer: &Member) -> RoomSnapshot {
        let waiting = if viewer.is_teacher() { self.waiting().map(Member::shown).collect() } else { Vec::new() };
        RoomSnapshot {
            room: self.policy.room,
            lesson: self.policy.lesson,
            title: self.policy.title.clone(),
            teacher: self.policy.teacher.clone(),
            state: self.state,
            live_since: self.live_since,
            recording: self.recording,
            waiting_room: self.waiting_room,
            participants: self.members.values().filter(|m| sees(viewer, m)).map(Member::shown).collect(),
            participant_count: self.present() as u32,
            waiting,
            tracks: self.tracks.values().filter(|t| self.sees_track(viewer, t)).cloned().collect(),
            chat: self.board.shown_chat(),
            questions: self.board.shown_questions(viewer.id),
        }
    }

    pub(super) fn sees_track(&self, viewer: &Member, track: &Track) -> bool {
        self.members.get(&track.info.participant).is_some_and(|owner| sees(viewer, owner))
    }

    /// Lets a member in: they get the room, the others get them.
    pub(super) fn welcome(&self, id: ParticipantId, now: super::Now, out: &mut Vec<Output>) {
        let Some(member) = self.members.get(&id) else { return };
        if let Some(conn) = member.conn {
            let room = self.snapshot(member);
            self.tell(vec![conn], ServerMessage::Welcome { you: id, role: member.role, now: now.wall, room }, out);
        }
        let to = self.audience(|viewer| viewer.id != id && sees(viewer, member));
        self.tell(to, ServerMessage::ParticipantChanged { participant: member.shown() }, out);
    }

    /// Tells one who waits that they do.
    pub(super) fn ask_to_wait(&self, conn: ConnId, out: &mut Vec<Output>) {
        let (title, teacher) = (self.policy.title.clone(), self.policy.teacher.clone());
        let open = self.state == LessonState::Live;
        self.tell(vec![conn], ServerMessage::Waiting { title, teacher, open }, out);
    }
}
