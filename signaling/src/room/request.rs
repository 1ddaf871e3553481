//! What clients ask for, and who may ask it.

use super::{
    ConnId, EndReason, MediaCommand, Now, Output,
    core::Room,
    limits::{ASSIGN_LINES_MAX, CHAT_CHARS_MAX, MID_CHARS_MAX, PUBLISH_LINES_MAX, QUESTION_CHARS_MAX},
    member::Member,
    offers::{Direction, Offer},
    view::sees,
};
use lectern_media::{ParticipantId, TrackId, TrackSource};
use lectern_protocol::{
    api::ClassEvent,
    ws::{
        ClientMessage, CloseReason, LessonState, LineAssignment, PublishLine, Quality, RefusalCode, Req, ServerMessage,
    },
};
use std::collections::BTreeSet;

/// Why a request is refused: the code, and a detail in English.
type Refusal = (RefusalCode, &'static str);

impl Room {
    /// A client that entered sent a message.
    pub fn message(&mut self, now: Now, conn: ConnId, message: ClientMessage, out: &mut Vec<Output>) {
        let Some(member) = self.members.values_mut().find(|m| m.conn == Some(conn)) else { return };
        let id = member.id;
        if !member.rates.message.take(now.mono) {
            // Not a person: the page never comes near this rate.
            member.lose_socket(now);
            out.push(Output::Close { conn, reason: CloseReason::ProtocolError });
            self.note_teacher(now);
            return;
        }
        let req = match &message {
            ClientMessage::Publish { req, .. } | ClientMessage::Subscribe { req, .. } => Some(*req),
            _ => None,
        };
        if let Err((code, detail)) = self.carry_out(now, conn, id, message, out) {
            metrics::counter!("lectern_room_requests_refused_total", "reason" => name(code)).increment(1);
            self.tell(vec![conn], ServerMessage::Refused { req, code, detail: detail.into() }, out);
        }
    }

    fn carry_out(
        &mut self,
        now: Now,
        conn: ConnId,
        id: ParticipantId,
        message: ClientMessage,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        // What those who wait may do, too.
        match message {
            ClientMessage::Ping { req } => {
                self.tell(vec![conn], ServerMessage::Pong { req, now: now.wall }, out);
                return Ok(());
            }
            ClientMessage::Leave {} => {
                self.forget(now, id, out);
                // Nobody is behind the socket any more whose limits would hold for it.
                out.push(Output::Dismiss { conn });
                return Ok(());
            }
            ClientMessage::Hello { .. } => {
                self.forget(now, id, out);
                out.push(Output::Close { conn, reason: CloseReason::ProtocolError });
                return Ok(());
            }
            _ => {}
        }
        if !self.members[&id].in_class() {
            return Err((RefusalCode::NotOpen, "wait until the teacher lets you in"));
        }
        match message {
            ClientMessage::Publish { req, sdp, lines } => self.publish(now, conn, id, req, sdp, lines, out),
            ClientMessage::Subscribe { req, sdp } => {
                let member = self.member(id)?;
                within(member.rates.offer.take(now.mono))?;
                self.offer(id, Direction::Subscribe, Offer { conn, req, sdp, lines: None }, out);
                Ok(())
            }
            ClientMessage::Assign { lines } => self.assign(id, lines, out),
            ClientMessage::AudioOnly { on } => {
                let member = self.member(id)?;
                member.audio_only = on;
                out.extend(member.subscribe.peer.map(|peer| Output::Media(MediaCommand::AudioOnly { peer, on })));
                Ok(())
            }
            ClientMessage::Unpublish { track } => self.unpublish(id, track, out),
            ClientMessage::MuteSelf { source, muted } => self.mute_self(now, id, source, muted, out),
            ClientMessage::Hand { up } => {
                within(self.member(id)?.rates.gesture.take(now.mono))?;
                self.hand(now, id, up, out);
                Ok(())
            }
            ClientMessage::Chat { text } => self.chat(now, id, &text, out),
            ClientMessage::Ask { text } => self.ask(now, id, &text, out),
            ClientMessage::Vote { question, up } => {
                within(self.member(id)?.rates.gesture.take(now.mono))?;
                if !self.board.vote(question, id, up) {
                    return Err((RefusalCode::Unknown, "there is no such question"));
                }
                self.show_question(question, out);
                out.push(Output::Keep);
                Ok(())
            }
            other => {
                if !self.members[&id].is_teacher() {
                    return Err((RefusalCode::NotTeacher, "only the teacher may do this"));
                }
                self.teach(now, other, out)
            }
        }
    }

    /// What only teachers may do.
    fn teach(&mut self, now: Now, message: ClientMessage, out: &mut Vec<Output>) -> Result<(), Refusal> {
        match message {
            ClientMessage::Open {} => self.open(now, out),
            ClientMessage::End {} => self.end(now, EndReason::Teacher, out),
            ClientMessage::Stage { participant, on } => return self.stage(participant, on, out),
            ClientMessage::LowerHand { participant: None } => {
                let up: Vec<_> = self.members.values().filter(|m| m.hand_since.is_some()).map(|m| m.id).collect();
                up.into_iter().for_each(|id| self.hand(now, id, false, out));
            }
            ClientMessage::LowerHand { participant: Some(id) } => {
                self.member(id)?;
                self.hand(now, id, false, out);
            }
            ClientMessage::Mute { participant } => {
                if let Some(id) = participant {
                    self.member(id)?;
                }
                let chosen = |m: &Member| participant.map_or(!m.is_teacher(), |id| m.id == id);
                // Off stage nothing is sent, and the mute would outlast the call back on stage.
                let to = self.audience(|m| chosen(m) && m.on_stage && !m.muted.contains(&TrackSource::Microphone));
                self.tell(to, ServerMessage::PleaseMute { source: TrackSource::Microphone }, out);
            }
            ClientMessage::Remove { participant } => {
                let member = self.member(participant)?;
                if member.is_teacher() && !member.device {
                    return Err((RefusalCode::Unknown, "a teacher cannot be removed"));
                }
                self.banish(now, participant, CloseReason::Removed, out);
            }
            ClientMessage::Admit { participant, admit } => {
                let chosen: Vec<_> = self
                    .members
                    .values()
                    .filter(|m| !m.in_class() && participant.is_none_or(|id| id == m.id))
                    .map(|m| m.id)
                    .collect();
                if chosen.is_empty() && participant.is_some() {
                    return Err((RefusalCode::Unknown, "nobody with this id waits"));
                }
                if admit && self.state != LessonState::Live {
                    return Err((RefusalCode::NotOpen, "open the class first"));
                }
                for id in chosen {
                    if admit {
                        self.admit(now, id, out);
                    } else {
                        self.banish(now, id, CloseReason::Refused, out);
                    }
                }
            }
            ClientMessage::WaitingRoom { on } => {
                self.waiting_room = on;
                if !on && self.state == LessonState::Live {
                    let waiting: Vec<_> = self.members.values().filter(|m| !m.in_class()).map(|m| m.id).collect();
                    waiting.into_iter().for_each(|id| self.admit(now, id, out));
                }
                self.show_room(out);
                out.push(Output::Keep);
            }
            ClientMessage::Answer { question, text } => {
                let text = text.map(|t| written(&t, QUESTION_CHARS_MAX)).transpose()?;
                let votes = self
                    .board
                    .answer(now.wall, question, text.clone())
                    .ok_or((RefusalCode::Unknown, "there is no such question"))?;
                out.push(Output::Timeline(ClassEvent::Answered { question, text, votes }));
                self.show_question(question, out);
                out.push(Output::Keep);
            }
            _ => return Err((RefusalCode::Unknown, "this server does not know the request")),
        }
        Ok(())
    }

    fn member(&mut self, id: ParticipantId) -> Result<&mut Member, Refusal> {
        self.members
            .get_mut(&id)
            .filter(|m| m.in_class())
            .ok_or((RefusalCode::Unknown, "there is no such participant in class"))
    }

    #[allow(clippy::too_many_arguments, reason = "the message's fields, each used once")]
    fn publish(
        &mut self,
        now: Now,
        conn: ConnId,
        id: ParticipantId,
        req: Req,
        sdp: String,
        lines: Vec<PublishLine>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let member = self.member(id)?;
        if !member.on_stage {
            return Err((RefusalCode::NotOnStage, "publishing is for those on stage"));
        }
        within(member.rates.offer.take(now.mono))?;
        let sources: BTreeSet<_> = lines.iter().map(|l| l.source).collect();
        let mids: BTreeSet<_> = lines.iter().map(|l| &l.mid).collect();
        if lines.is_empty() || lines.len() > PUBLISH_LINES_MAX {
            return Err((RefusalCode::BadOffer, "one to four lines can be published"));
        }
        if sources.len() != lines.len() || mids.len() != lines.len() {
            return Err((RefusalCode::BadOffer, "each source and each media id stands once"));
        }
        if mids.iter().any(|m| m.is_empty() || m.len() > MID_CHARS_MAX) {
            return Err((RefusalCode::BadOffer, "a media id has 1 to 32 characters"));
        }
        if sources.contains(&TrackSource::Substream) {
            return Err((RefusalCode::BadOffer, "substreams are those of surveillance cameras"));
        }
        self.offer(id, Direction::Publish, Offer { conn, req, sdp, lines: Some(lines) }, out);
        Ok(())
    }

    fn assign(
        &mut self,
        id: ParticipantId,
        mut lines: Vec<LineAssignment>,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        if lines.len() > ASSIGN_LINES_MAX || lines.iter().any(|l| l.mid.len() > MID_CHARS_MAX) {
            return Err((RefusalCode::TooLarge, "more lines, or a longer media id, than a connection has"));
        }
        // A track that has just ended is no fault of the client's: its line carries nothing. The same for one that the
        // client may not see, so that guessing ids shows nothing.
        let viewer = &self.members[&id];
        for line in &mut lines {
            let visible = line.track.and_then(|t| self.tracks.get(&t)).is_some_and(|t| self.sees_track(viewer, t));
            if !visible {
                line.track = None;
            }
        }
        let member = self.member(id)?;
        member.assigned.clone_from(&lines);
        out.extend(member.subscribe.peer.map(|peer| Output::Media(MediaCommand::Assign { peer, lines })));
        Ok(())
    }

    fn unpublish(&mut self, id: ParticipantId, track: TrackId, out: &mut Vec<Output>) -> Result<(), Refusal> {
        match self.tracks.get(&track) {
            Some(t) if t.info.participant == id => {
                out.push(Output::Media(MediaCommand::Unpublish { track }));
                self.end_track(track, out);
                Ok(())
            }
            _ => Err((RefusalCode::Unknown, "this is not a track of yours")),
        }
    }

    fn mute_self(
        &mut self,
        now: Now,
        id: ParticipantId,
        source: TrackSource,
        muted: bool,
        out: &mut Vec<Output>,
    ) -> Result<(), Refusal> {
        let member = self.member(id)?;
        within(member.rates.gesture.take(now.mono))?;
        let changed = if muted { member.muted.insert(source) } else { member.muted.remove(&source) };
        if !changed {
            return Ok(());
        }
        self.show(id, out);
        let track = self.tracks.values_mut().find(|t| t.info.participant == id && t.info.source == source);
        if let Some(track) = track {
            track.muted = muted;
            let track = track.clone();
            out.push(Output::Media(MediaCommand::Mute { track: track.info.id, muted }));
            self.show_track(&track, out);
        }
        out.push(Output::Keep);
        Ok(())
    }

    pub(super) fn hand(&mut self, now: Now, id: ParticipantId, up: bool, out: &mut Vec<Output>) {
        let Some(member) = self.members.get_mut(&id) else { return };
        if member.hand_since.is_some() == up {
            return;
        }
        member.hand_since = up.then_some(now.wall);
        let name = member.name.clone();
        out.push(Output::Timeline(ClassEvent::Hand { participant: id, name, up }));
        self.show(id, out);
        out.push(Output::Keep);
    }

    fn chat(&mut self, now: Now, id: ParticipantId, text: &str, out: &mut Vec<Output>) -> Result<(), Refusal> {
        let member = self.member(id)?;
        within(member.rates.chat.take(now.mono))?;
        let text = written(text, CHAT_CHARS_MAX)?;
        let name = member.name.clone();
        let line = self.board.say(now.wall, id, &name, text.clone());
        self.tell_all(ServerMessage::Chat { line }, out);
        out.push(Output::Timeline(ClassEvent::Chat { participant: id, name, text }));
        out.push(Output::Keep);
        Ok(())
    }

    fn ask(&mut self, now: Now, id: ParticipantId, text: &str, out: &mut Vec<Output>) -> Result<(), Refusal> {
        let member = self.member(id)?;
        within(member.rates.ask.take(now.mono))?;
        let text = written(text, QUESTION_CHARS_MAX)?;
        let name = member.name.clone();
        let question = self
            .board
            .ask(now.wall, id, &name, text.clone())
            .ok_or((RefusalCode::TooLarge, "as many questions are open as may be"))?;
        self.show_question(question, out);
        out.push(Output::Timeline(ClassEvent::Asked { question, name, text }));
        out.push(Output::Keep);
        Ok(())
    }

    /// A question to everybody, each with their own vote in it.
    fn show_question(&self, id: u32, out: &mut Vec<Output>) {
        for member in self.members.values().filter(|m| m.in_class()) {
            if let (Some(conn), Some(question)) = (member.conn, self.board.question(id, member.id)) {
                self.tell(vec![conn], ServerMessage::QuestionChanged { question }, out);
            }
        }
    }

    fn stage(&mut self, id: ParticipantId, on: bool, out: &mut Vec<Output>) -> Result<(), Refusal> {
        let stage_free = self.stage_free();
        let member = self.member(id)?;
        if member.on_stage == on || member.is_teacher() {
            return Ok(());
        }
        if on && !stage_free {
            return Err((RefusalCode::StageFull, "as many people are on stage as may be"));
        }
        (member.on_stage, member.out_of_view) = (on, false);
        let (name, conn) = (member.name.clone(), member.conn);
        let hand_was_up = member.hand_since.take().is_some();
        let (peer, unanswered) = if on { (None, vec![]) } else { member.publish.end() };
        member.up = Quality::Unknown;
        if hand_was_up {
            out.push(Output::Timeline(ClassEvent::Hand { participant: id, name: name.clone(), up: false }));
        }
        out.push(Output::Timeline(ClassEvent::Stage { participant: id, name, on }));
        if let Some(conn) = conn {
            self.tell(vec![conn], ServerMessage::YourStage { on }, out);
        }
        if on {
            self.show(id, out);
        } else {
            self.end_tracks_of(id, out);
            out.extend(peer.map(|p| Output::Media(MediaCommand::ClosePeer(p))));
            for (conn, req) in unanswered {
                self.refuse(conn, req, RefusalCode::NotOnStage, "the stage was left meanwhile", out);
            }
            self.show(id, out);
            let member = &self.members[&id];
            let lost_sight = self.audience(|viewer| !sees(viewer, member));
            self.tell(lost_sight, ServerMessage::ParticipantLeft { participant: id }, out);
        }
        out.push(Output::Keep);
        Ok(())
    }
}

/// Text as people may write it: not empty, not too long.
fn written(text: &str, chars_max: usize) -> Result<String, Refusal> {
    let text = text.trim();
    if text.is_empty() {
        Err((RefusalCode::TooLarge, "there is nothing written"))
    } else if text.chars().count() > chars_max {
        Err((RefusalCode::TooLarge, "the text is too long"))
    } else if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        Err((RefusalCode::TooLarge, "the text holds control characters"))
    } else {
        Ok(text.to_owned())
    }
}

fn within(rate: bool) -> Result<(), Refusal> {
    if rate { Ok(()) } else { Err((RefusalCode::TooOften, "wait a moment")) }
}

/// A refusal's name for the metric.
fn name(code: RefusalCode) -> &'static str {
    match code {
        RefusalCode::NotTeacher => "not_teacher",
        RefusalCode::NotOnStage => "not_on_stage",
        RefusalCode::Unknown => "unknown",
        RefusalCode::BadOffer => "bad_offer",
        RefusalCode::TooOften => "too_often",
        RefusalCode::TooLarge => "too_large",
        RefusalCode::NotOpen => "not_open",
        RefusalCode::Busy => "busy",
        RefusalCode::StageFull => "stage_full",
    }
}
