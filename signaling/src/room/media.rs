//! Tracks and peers: what the media plane answered and reported, brought to those whom it concerns.

use super::{
    Asked, DeviceRefusal, Entrant, MediaCommand, Now, Output,
    core::Room,
    member::{Member, Place},
    offers::Direction,
    view::sees,
};
use crate::ports::{MediaError, MediaEvent, Published, Subscribed};
use lectern_media::{ParticipantId, PeerId, TrackId, TrackInfo, TrackSource};
use lectern_protocol::{
    api::ClassEvent,
    ws::{LessonState, Quality, RefusalCode, ServerMessage, Track},
};

impl Room {
    /// The media plane answered a publishing offer.
    pub fn published(&mut self, asked: Asked, result: Result<Published, MediaError>, out: &mut Vec<Output>) {
        let peer = result.as_ref().ok().map(|answer| answer.peer);
        // Meanwhile the person may have left the stage or the class, or the class may be over.
        let Some(member) = self.take_answer(asked, Direction::Publish, peer, out) else { return };
        match result {
            Ok(answer) => {
                let muted = answer.tracks.iter().filter(|t| member.muted.contains(&t.source)).map(|t| t.id);
                out.extend(muted.map(|track| Output::Media(MediaCommand::Mute { track, muted: true })));
                let to = member.conn.filter(|c| *c == asked.conn).into_iter().collect();
                let tracks = answer.tracks.iter().map(|t| t.id).collect();
                self.tell(to, ServerMessage::Answer { req: asked.req, sdp: answer.sdp, tracks }, out);
            }
            Err(e) => self.refuse_offer(asked, &e, out),
        }
        self.next_offer(asked.participant, Direction::Publish, out);
    }

    /// The media plane answered a receiving offer.
    pub fn subscribed(&mut self, asked: Asked, result: Result<Subscribed, MediaError>, out: &mut Vec<Output>) {
        let peer = result.as_ref().ok().map(|answer| answer.peer);
        let Some(member) = self.take_answer(asked, Direction::Subscribe, peer, out) else { return };
        match result {
            Ok(answer) => {
                let peer = answer.peer;
                if member.audio_only {
                    out.push(Output::Media(MediaCommand::AudioOnly { peer, on: true }));
                }
                if !member.assigned.is_empty() {
                    out.push(Output::Media(MediaCommand::Assign { peer, lines: member.assigned.clone() }));
                }
                let to = member.conn.filter(|c| *c == asked.conn).into_iter().collect();
                self.tell(to, ServerMessage::Answer { req: asked.req, sdp: answer.sdp, tracks: vec![] }, out);
            }
            Err(e) => self.refuse_offer(asked, &e, out),
        }
        self.next_offer(asked.participant, Direction::Subscribe, out);
    }

    fn refuse_offer(&self, asked: Asked, e: &MediaError, out: &mut Vec<Output>) {
        let code = match e {
            MediaError::BadOffer(_) => RefusalCode::BadOffer,
            MediaError::UnknownPeer => RefusalCode::Unknown,
            MediaError::Busy => RefusalCode::Busy,
        };
        self.refuse(asked.conn, asked.req, code, &e.to_string(), out);
    }

    /// A recording host or OBS publishes (WHIP). It appears as a teacher's device, and sending is teaching: the class
    /// opens if it is not open yet.
    ///
    /// # Errors
    /// [`DeviceRefusal`]; the peer is the caller's to close then.
    pub fn device_published(
        &mut self,
        now: Now,
        who: Entrant,
        peer: PeerId,
        out: &mut Vec<Output>,
    ) -> Result<(), DeviceRefusal> {
        let id = who.participant;
        if self.state == LessonState::Over {
            return Err(DeviceRefusal::Over);
        }
        // A device comes back by itself within seconds. Its teacher sent it out for good, and may make it a new token.
        if self.removed.iter().any(|(removed, _)| *removed == id) {
            metrics::counter!("lectern_room_refused_total", "reason" => "device_removed").increment(1);
            return Err(DeviceRefusal::Removed);
        }
        if let Some(member) = self.members.get_mut(&id) {
            // The same device again: the older session makes way.
            if let Some(old) = member.publish.peer.replace(peer).filter(|old| *old != peer) {
                out.push(Output::Media(MediaCommand::ClosePeer(old)));
            }
        } else {
            let mut member = Member::new(now, who, Place::InClass(now.wall));
            member.device = true;
            member.on_stage = true;
            member.publish.peer = Some(peer);
            if self.state == LessonState::Live {
                out.push(Output::Timeline(member.joined_event()));
                out.extend(member.presence().map(Output::Attendance));
            }
            self.members.insert(id, member);
            self.show(id, out);
        }
        self.note_teacher(now);
        self.open(now, out);
        out.push(Output::Keep);
        Ok(())
    }

    /// A WHIP session was ended by its client.
    pub fn device_left(&mut self, now: Now, peer: PeerId, out: &mut Vec<Output>) {
        let device = self.members.values().find(|m| m.device && m.publish.peer == Some(peer)).map(|m| m.id);
        if let Some(id) = device {
            self.forget(now, id, out);
        }
    }

    /// The media plane reported something.
    pub fn media_event(&mut self, now: Now, event: MediaEvent, out: &mut Vec<Output>) {
        match event {
            MediaEvent::PeerUp { .. } => {}
            MediaEvent::PeerLost { peer } => self.peer_lost(now, peer, out),
            MediaEvent::Track { info, .. } => self.track_started(info, out),
            MediaEvent::TrackEnded { track, .. } => self.end_track(track, out),
            MediaEvent::LineChanged { peer, mid, track, layer, limited } => {
                let to = self.members.values().find(|m| m.subscribe.peer == Some(peer)).and_then(|m| m.conn);
                let message = ServerMessage::LineChanged { mid, track, layer, limited };
                self.tell(to.into_iter().collect(), message, out);
            }
            MediaEvent::Speaker { participant, .. } => {
                if self.speaker != participant {
                    self.speaker = participant;
                    let speaker = participant.and_then(|id| self.members.get(&id));
                    let to = self.audience(|viewer| speaker.is_none_or(|s| sees(viewer, s)));
                    self.tell(to, ServerMessage::Speaker { participant }, out);
                }
            }
            MediaEvent::Quality { peer, up, down, estimate } => {
                let Some(member) =
                    self.members.values_mut().find(|m| [m.publish.peer, m.subscribe.peer].contains(&Some(peer)))
                else {
                    return;
                };
                let before = member.quality();
                if member.publish.peer == Some(peer) {
                    member.up = up;
                } else {
                    (member.down, member.estimate) = (down, estimate);
                }
                let (id, after) = (member.id, member.quality());
                let (up, down, down_estimate) = (member.up, member.down, member.estimate);
                let to = member.conn.into_iter().collect();
                self.tell(to, ServerMessage::YourQuality { up, down, down_estimate }, out);
                if before != after {
                    self.show(id, out);
                }
            }
        }
    }

    fn peer_lost(&mut self, now: Now, peer: PeerId, out: &mut Vec<Output>) {
        self.watchers.remove(&peer);
        let Some(member) = self.members.values_mut().find(|m| [m.publish.peer, m.subscribe.peer].contains(&Some(peer)))
        else {
            return;
        };
        let publish = member.publish.peer == Some(peer);
        let (id, device) = (member.id, member.device);
        if publish {
            (member.publish.peer, member.up) = (None, Quality::Unknown);
        } else {
            (member.subscribe.peer, member.down) = (None, Quality::Unknown);
        }
        let to = member.conn.into_iter().collect();
        self.tell(to, ServerMessage::PeerLost { publish }, out);
        if device {
            self.forget(now, id, out);
        } else {
            self.show(id, out);
        }
    }

    fn track_started(&mut self, info: TrackInfo, out: &mut Vec<Output>) {
        let Some(owner) = self.members.get(&info.participant).filter(|m| m.on_stage && m.in_class()) else {
            // Its owner was sent off stage a moment ago.
            out.push(Output::Media(MediaCommand::Unpublish { track: info.id }));
            return;
        };
        let (participant, name) = (owner.id, owner.name.clone());
        let track = Track { muted: owner.muted.contains(&info.source), info };
        let is_new = self.tracks.insert(track.info.id, track.clone()).is_none();
        if is_new && track.info.source == TrackSource::Screen {
            out.push(Output::Timeline(ClassEvent::Screen { participant, name, on: true }));
        }
        self.show_track(&track, out);
        self.assign_watchers(out);
    }

    pub(super) fn show_track(&self, track: &Track, out: &mut Vec<Output>) {
        let to = self.audience(|viewer| self.sees_track(viewer, track));
        self.tell(to, ServerMessage::TrackChanged { track: track.clone() }, out);
    }

    /// Forgets a track and tells those who saw it.
    pub(super) fn end_track(&mut self, id: TrackId, out: &mut Vec<Output>) {
        let Some(track) = self.tracks.get(&id) else { return };
        let to = self.audience(|viewer| self.sees_track(viewer, track));
        if let (TrackSource::Screen, Some(owner)) = (track.info.source, self.members.get(&track.info.participant)) {
            let (participant, name) = (owner.id, owner.name.clone());
            out.push(Output::Timeline(ClassEvent::Screen { participant, name, on: false }));
        }
        self.tell(to, ServerMessage::TrackEnded { track: id }, out);
        self.tracks.remove(&id);
        self.assign_watchers(out);
    }

    /// Ends what someone publishes; called while they are still seen.
    pub(super) fn end_tracks_of(&mut self, id: ParticipantId, out: &mut Vec<Output>) {
        let theirs: Vec<_> = self.tracks.values().filter(|t| t.info.participant == id).map(|t| t.info.id).collect();
        for track in theirs {
            // Everybody may have seen it, also when its owner has just left the stage.
            if let Some(track) = self.tracks.remove(&track) {
                if track.info.source == TrackSource::Screen {
                    let name = self.members.get(&id).map(|m| m.name.clone()).unwrap_or_default();
                    out.push(Output::Timeline(ClassEvent::Screen { participant: id, name, on: false }));
                }
                self.tell_all(ServerMessage::TrackEnded { track: track.info.id }, out);
            }
        }
        self.assign_watchers(out);
    }

    /// Whether the lesson runs.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state == LessonState::Live
    }
}
