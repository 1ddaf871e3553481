//! What was asked for, done: peers come and go, lines are assigned, rooms tapped and closed.

use super::{
    Peer, Role, Shard,
    inbox::Command,
    ingress::Asks,
    publisher::{PublishedLine, Publisher},
    rooms::Room,
    slots::Key,
    tracks::Origin,
    transport::Transport,
    viewer::Viewer,
};
use crate::{
    api::{
        Assignment, CommandError, LineRefusal, OfferError, PublishAnswer, PublishRequest, SfuEvent, SubscribeAnswer,
        SubscribeRequest,
    },
    ice::Credentials,
    sdp::{AnswerTransport, Offer, PublishLine, SdpError, SubscribeLine, publish_answer, subscribe_answer},
};
use lectern_media::{Codec, ParticipantId, PeerId, RoomId, Ssrc, TrackId, TrackKind, tap::TapHandle};
use lectern_sfu_core::selector::DOWN_GRACE;
use rand::{Rng, distr::Alphanumeric};
use std::time::{Duration, Instant};

/// The most tracks of one shard: the core's names for them hold 16 bits of place.
pub(super) const TRACKS_MAX: usize = 0xffff;

/// How long a tile that became small keeps a camera's main stream: until the next keyframe of the substream, which can't be
/// asked for.
const LOCAL_GRACE: Duration = Duration::from_secs(5);

impl Shard {
    pub(super) fn apply(&mut self, now: Instant, command: Command) {
        // A caller that no longer waits for an answer has given up; there is nobody to tell.
        match command {
            Command::Publish { request, offer, reply } => {
                let _ = reply.send(self.publish(now, &request, &offer));
            }
            Command::Subscribe { request, offer, reply } => {
                let _ = reply.send(self.subscribe(now, &request, &offer));
            }
            Command::PublishLocal { publish, reply } => {
                // One that nobody takes is closed again: it was dropped.
                let _ = reply.send(self.publish_local(now, &publish));
            }
            Command::Assign { peer, lines } => self.assign(now, peer, &lines),
            Command::AudioOnly { peer, on } => self.audio_only(now, peer, on),
            Command::RestartIce { peer, remote_ufrag, reply } => {
                let _ = reply.send(self.restart_ice(peer, remote_ufrag));
            }
            Command::Mute { track, muted } => self.mute(track, muted),
            Command::AskKeyframe { track } => self.ask_tapped_keyframe(now, track),
            Command::Unpublish { track } => {
                if let Some(key) = self.tracks_by_id.get(&track).copied() {
                    self.end_track(now, key);
                }
            }
            Command::ClosePeer { peer } => {
                if let Some(key) = self.by_id.get(&peer).copied() {
                    self.close_peer(now, key);
                }
            }
            Command::CloseRoom { room } => self.close_room(now, room),
            Command::Tap { room, tap } => self.tap(now, room, tap),
        }
    }

    // ---- publishing ----

    fn publish(&mut self, now: Instant, request: &PublishRequest, offer: &Offer) -> Result<PublishAnswer, OfferError> {
        let replaced = self.replaced(request.replaces, request.room, true);
        let same = replaced.filter(|k| self.peers.get(*k).is_some_and(|p| p.transport.is_of(&offer.fingerprint)));
        let lines = published_lines(request, offer)?;
        if lines.is_empty() && same.is_none() {
            return Err(SdpError::NoUsableLine("none of the named lines sends media").into());
        }
        if self.tracks.0.len() + lines.len() > TRACKS_MAX {
            return Err(OfferError::Full);
        }
        let key = match same {
            Some(key) => {
                self.renew_ice(key, &offer.ice_ufrag);
                key
            }
            None => {
                let ssrc = Ssrc(rand::rng().random_range(1..=u32::MAX));
                let role = Role::Publisher(Box::new(Publisher::new(now, ssrc, Vec::new())));
                let key = self.new_peer(now, request.room, request.participant, offer, role)?;
                self.publishers.push(key);
                key
            }
        };
        self.set_published(now, key, lines);
        if let Some(old) = replaced.filter(|old| *old != key) {
            self.move_tracks(now, old, key);
            self.close_peer(now, old);
        }
        self.start_tracks(now, key);

        let peer = self.peers.get(key).ok_or(CommandError::NoSuchPeer)?;
        let Role::Publisher(publisher) = &peer.role else { return Err(CommandError::NoSuchPeer.into()) };
        let live: Vec<&PublishedLine> = publisher.lines.iter().filter(|l| l.track.is_some()).collect();
        let answered: Vec<PublishLine<'_>> =
            live.iter().map(|l| PublishLine { mid: &l.mid, codec: &l.codec }).collect();
        let tracks = live.iter().filter_map(|l| Some(self.tracks.0.get(l.track?)?.info.clone())).collect();
        let start = self.shared.config.publish_start_bitrate;
        let sdp = publish_answer(offer, &answered, &self.answer_transport(peer), start);
        Ok(PublishAnswer { peer: peer.id, sdp, tracks })
    }

    /// Brings a publisher's lines to those of its newest offer. Lines keep their place: streams refer to it.
    fn set_published(&mut self, now: Instant, key: Key, lines: Vec<PublishedLine>) {
        let Some(Peer { role: Role::Publisher(publisher), .. }) = self.peers.get_mut(key) else { return };
        let mut ended = Vec::new();
        for old in &mut publisher.lines {
            let kept = lines.iter().any(|l| l.mid == old.mid && l.carries_the_same(old));
            old.wanted &= kept;
            if !kept && let Some(track) = old.track {
                ended.push(track);
            }
        }
        for track in ended {
            self.end_track(now, track);
        }
        let Some(Peer { role: Role::Publisher(publisher), .. }) = self.peers.get_mut(key) else { return };
        for line in lines {
            match publisher.lines.iter().position(|l| l.mid == line.mid) {
                Some(at) if publisher.lines[at].track.is_some() => {}
                Some(at) => {
                    publisher.reuse_line(at);
                    publisher.lines[at] = line;
                }
                // A place whose track ended is free: a browser gives the section of a stopped sender a new id.
                None => match publisher.lines.iter().position(|l| l.track.is_none() && !l.wanted) {
                    Some(at) => {
                        publisher.retire_line(at);
                        publisher.lines[at] = line;
                    }
                    None => publisher.lines.push(line),
                },
            }
        }
        self.retire_sources(key);
    }

    /// Frees the places of sources that are over in the SRTP context.
    pub(super) fn retire_sources(&mut self, key: Key) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Role::Publisher(publisher) = &mut peer.role else { return };
        let mut opener = peer.transport.srtp.as_mut().map(|s| &mut s.opener);
        for ssrc in publisher.take_over() {
            if let Some(opener) = &mut opener {
                opener.retire(ssrc);
            }
        }
    }

    /// Lets tracks of a replaced peer go on under their ids: same source, codec and layers.
    fn move_tracks(&mut self, now: Instant, from: Key, to: Key) {
        let Some(Peer { role: Role::Publisher(old), .. }) = self.peers.get_mut(from) else { return };
        let mut moving: Vec<PublishedLine> = Vec::new();
        std::mem::swap(&mut moving, &mut old.lines);
        let mut left = Vec::new();
        for old in moving {
            let Some(track) = old.track else { continue };
            let Some(Peer { role: Role::Publisher(new), .. }) = self.peers.get_mut(to) else { return };
            let fits = new.lines.iter_mut().find(|l| l.track.is_none() && l.carries_the_same(&old));
            match (fits, self.tracks.0.get_mut(track)) {
                (Some(line), Some(t)) => {
                    line.track = Some(track);
                    t.origin = Origin::Peer(to);
                }
                _ => left.push(track),
            }
        }
        for track in left {
            self.end_track(now, track);
        }
        let moved: Vec<(Key, u8)> = self
            .tracks
            .0
            .iter()
            .filter(|(_, t)| t.origin.peer() == Some(to))
            .map(|(k, t)| (k, t.info.layers))
            .collect();
        for (track, layers) in moved {
            for layer in 0..layers {
                self.restart_layer(now, track, lectern_media::Layer(layer));
            }
        }
    }

    /// Makes tracks for the lines that have none yet.
    fn start_tracks(&mut self, now: Instant, key: Key) {
        loop {
            let id = TrackId(self.new_ulid());
            let Some(peer) = self.peers.get_mut(key) else { return };
            let (participant, room) = (peer.participant, peer.room);
            let Role::Publisher(publisher) = &mut peer.role else { return };
            let at = publisher.lines.iter().position(|l| l.track.is_none() && l.wanted);
            let Some(at) = at else { return };
            let line = &publisher.lines[at];
            let info = lectern_media::TrackInfo {
                id,
                participant,
                source: line.source,
                codec: line.codec.codec,
                layers: line.rids.len().max(1) as u8,
            };
            let track = self.start_track(now, room, Origin::Peer(key), info);
            if let Some(Peer { role: Role::Publisher(publisher), .. }) = self.peers.get_mut(key) {
                publisher.lines[at].track = Some(track);
            }
        }
    }

    // ---- subscribing ----

    fn subscribe(
        &mut self,
        now: Instant,
        request: &SubscribeRequest,
        offer: &Offer,
    ) -> Result<SubscribeAnswer, OfferError> {
        let usable = || offer.lines.iter().filter(|l| l.client_receives() && !l.codecs.is_empty());
        if usable().next().is_none() {
            return Err(SdpError::NoUsableLine("no recvonly line with a supported codec").into());
        }
        let replaced = self.replaced(request.replaces, request.room, false);
        let same = replaced.filter(|k| self.peers.get(*k).is_some_and(|p| p.transport.is_of(&offer.fingerprint)));
        let key = match same {
            Some(key) => {
                self.renew_ice(key, &offer.ice_ufrag);
                key
            }
            None => {
                let pictures = usable().filter(|l| l.kind == Some(TrackKind::Video)).count();
                let role = Role::Viewer(Box::new(Viewer::new(now, rand::rng().random(), pictures)));
                self.new_peer(now, request.room, request.participant, offer, role)?
            }
        };
        let Some(Peer { role: Role::Viewer(viewer), .. }) = self.peers.get_mut(key) else {
            return Err(CommandError::NoSuchPeer.into());
        };
        for line in usable() {
            if let (Some(kind), None) = (line.kind, viewer.line_by_mid(&line.mid)) {
                viewer.add_line(line, kind, rand::rng().random());
            }
        }
        if let Some(old) = replaced.filter(|old| *old != key) {
            let before = self.assignments(old);
            self.close_peer(now, old);
            if let Some(peer) = self.peers.get(key).map(|p| p.id) {
                self.assign(now, peer, &before);
            }
        }
        let peer = self.peers.get(key).ok_or(CommandError::NoSuchPeer)?;
        let Role::Viewer(viewer) = &peer.role else { return Err(CommandError::NoSuchPeer.into()) };
        let offered = || viewer.lines.iter().filter(|l| usable().any(|o| o.mid == l.mid));
        let answered: Vec<SubscribeLine<'_>> =
            offered().map(|l| SubscribeLine { mid: &l.mid, ssrc: l.ssrc, rtx_ssrc: l.rtx_ssrc }).collect();
        let sdp = subscribe_answer(offer, &answered, &self.answer_transport(peer));
        let lines = offered().map(|l| (l.mid.clone(), l.kind)).collect();
        Ok(SubscribeAnswer { peer: peer.id, sdp, lines })
    }

    /// What a viewer's lines were assigned.
    fn assignments(&self, key: Key) -> Vec<Assignment> {
        let Some(Peer { role: Role::Viewer(viewer), .. }) = self.peers.get(key) else { return Vec::new() };
        let lines = viewer.lines.iter();
        lines
            .map(|l| Assignment {
                mid: l.mid.clone(),
                track: l.wanted,
                height_px: l.wish.tile_height,
                priority: l.wish.priority,
                thumbnail: l.wish.thumbnail,
            })
            .collect()
    }

    fn assign(&mut self, now: Instant, peer: PeerId, assignments: &[Assignment]) {
        let Some(key) = self.by_id.get(&peer).copied() else { return };
        let Some(Peer { role: Role::Viewer(viewer), .. }) = self.peers.get_mut(key) else { return };
        viewer.assign(assignments);
        self.attach_wanted(now, key);
    }

    fn audio_only(&mut self, now: Instant, peer: PeerId, on: bool) {
        let Some(key) = self.by_id.get(&peer).copied() else { return };
        let Some(Peer { role: Role::Viewer(viewer), .. }) = self.peers.get_mut(key) else { return };
        viewer.audio_only = on;
        viewer.apply_wishes();
        self.tick_viewer(now, key);
    }

    /// Attaches each line of a viewer to the track it wants, if that is here, and lets it begin.
    pub(super) fn attach_wanted(&mut self, now: Instant, key: Key) {
        let Some(Peer { role: Role::Viewer(viewer), room, .. }) = self.peers.get_mut(key) else { return };
        let room = self.rooms.get(*room).map(|r| r.id);
        let (mut begun, mut refused) = (Vec::new(), Vec::new());
        for line in &mut viewer.lines {
            let track = line.wanted.and_then(|id| self.tracks_by_id.get(&id)).copied().filter(|k| {
                self.tracks.0.get(*k).is_some_and(|t| Some(t.room) == room && t.info.codec.kind() == line.kind)
            });
            // The client could not play it; told once for each track.
            let codec = track.and_then(|k| self.tracks.0.get(k)).map(|t| t.info.codec);
            let plays = codec.is_none_or(|c| line.codecs.contains(&c));
            if plays {
                line.refused = None;
            } else if line.refused != line.wanted {
                line.refused = line.wanted;
                refused.extend(line.wanted.map(|track| (line.mid.clone(), track)));
            }
            let track = track.filter(|_| plays);
            if track == line.track {
                continue;
            }
            if let Some(old) = line.track.take().and_then(|k| self.tracks.0.get_mut(k)) {
                old.carried_by.retain(|c| *c != (key, line.id));
            }
            line.track = track;
            let source = track.and_then(|k| self.tracks.0.get_mut(k)).map(|t| {
                t.carried_by.push((key, line.id));
                t.source
            });
            viewer.subscriber.set_source(now, line.id, source);
            let local = track.and_then(|k| self.tracks.0.get(k)).is_some_and(|t| t.origin.peer().is_none());
            viewer.subscriber.set_grace(line.id, if local { LOCAL_GRACE } else { DOWN_GRACE });
            begun.extend(track.map(|t| (line.id, t)));
        }
        if let Some(peer) = self.peers.get(key).map(|p| p.id).filter(|_| !refused.is_empty()) {
            let reason = LineRefusal::CodecNotNegotiated;
            for (mid, track) in refused {
                self.counters.line_refused(reason);
                self.tell(SfuEvent::LineRefused { peer, mid, track, reason });
            }
        }
        self.begin_lines(now, key, &begun);
    }

    // ---- peers ----

    /// The peer that an offer renews, if it is here, in this room and of the same kind.
    fn replaced(&self, id: Option<PeerId>, room: RoomId, publisher: bool) -> Option<Key> {
        let key = *self.by_id.get(&id?)?;
        let peer = self.peers.get(key)?;
        let same_room = self.rooms.get(peer.room).is_some_and(|r| r.id == room);
        (same_room && matches!(peer.role, Role::Publisher(_)) == publisher).then_some(key)
    }

    fn new_peer(
        &mut self,
        now: Instant,
        room: RoomId,
        participant: ParticipantId,
        offer: &Offer,
        role: Role,
    ) -> Result<Key, OfferError> {
        // The place goes into the ufrag as four hexadecimal digits.
        let most = self.shared.config.peers_per_shard_max.min(0xffff);
        if self.shared.is_draining() || self.peers.len() >= most {
            return Err(OfferError::Full);
        }
        let room = self.room(room);
        let id = PeerId(self.new_ulid());
        let (shard, identity) = (self.id, &self.shared.identity);
        let key = self.peers.insert_with(|key| {
            let local = new_credentials(shard, key);
            let (ufrag, fingerprint) = (offer.ice_ufrag.clone(), offer.fingerprint.clone());
            let transport = Transport::new(now, identity, local, ufrag, fingerprint);
            Peer {
                id,
                room,
                participant,
                transport,
                connected: false,
                told: None,
                told_at: now,
                paths: Vec::new(),
                role,
            }
        });
        self.by_id.insert(id, key);
        if let Some(room) = self.rooms.get_mut(room) {
            room.peers.push(key);
        }
        self.counters.peers.set(self.peers.len() as f64);
        Ok(key)
    }

    /// An offer of a peer connection we know: it restarts ICE if it says another ufrag.
    fn renew_ice(&mut self, key: Key, remote_ufrag: &str) {
        let shard = self.id;
        if let Some(peer) = self.peers.get_mut(key)
            && peer.transport.ice.remote_ufrag() != remote_ufrag
        {
            peer.transport.ice.restart(new_credentials(shard, key), remote_ufrag.to_owned());
        }
    }

    fn restart_ice(&mut self, peer: PeerId, remote_ufrag: String) -> Result<(String, String), CommandError> {
        let key = *self.by_id.get(&peer).ok_or(CommandError::NoSuchPeer)?;
        self.renew_ice(key, &remote_ufrag);
        let peer = self.peers.get(key).ok_or(CommandError::NoSuchPeer)?;
        let local = peer.transport.ice.local();
        Ok((local.ufrag.clone(), local.pwd.clone()))
    }

    fn answer_transport<'a>(&'a self, peer: &'a Peer) -> AnswerTransport<'a> {
        let local = peer.transport.ice.local();
        AnswerTransport {
            peer: peer.id,
            ice_ufrag: &local.ufrag,
            ice_pwd: &local.pwd,
            fingerprint: self.shared.identity.fingerprint,
            candidates: &self.shared.candidates,
        }
    }

    /// A new id whose lowest byte names this shard.
    pub(super) fn new_ulid(&self) -> ulid::Ulid {
        ulid::Ulid((ulid::Ulid::new().0 & !0xff) | u128::from(self.id))
    }

    /// A peer is gone by itself.
    pub(super) fn lose_peer(&mut self, now: Instant, key: Key) {
        if let Some(id) = self.peers.get(key).map(|p| p.id) {
            self.close_peer(now, key);
            self.tell(SfuEvent::PeerLost { peer: id });
        }
    }

    /// Says good-bye to a peer and forgets it, its lines and its tracks.
    pub(super) fn close_peer(&mut self, now: Instant, key: Key) {
        let sent = self.tracks.0.iter().filter(|(_, t)| t.origin.peer() == Some(key));
        let tracks: Vec<Key> = sent.map(|(k, _)| k).collect();
        for track in tracks {
            self.end_track(now, track);
        }
        let Some(mut peer) = self.peers.remove(key) else { return };
        peer.transport.close(now);
        peer.transport.flush_dtls(&mut self.out, &mut self.ports, &mut self.counters);
        if let Role::Viewer(viewer) = &peer.role {
            for line in &viewer.lines {
                if let Some(track) = line.track.and_then(|k| self.tracks.0.get_mut(k)) {
                    track.carried_by.retain(|(viewer, _)| *viewer != key);
                }
            }
        }
        self.publishers.retain(|k| *k != key);
        self.by_id.remove(&peer.id);
        for path in &peer.paths {
            if matches!(self.by_path.get(path), Some(super::Owner::Peer(k)) if *k == key) {
                self.by_path.remove(path);
            }
        }
        if let Some(room) = self.rooms.get_mut(peer.room) {
            room.peers.retain(|k| *k != key);
        }
        self.drop_room_if_idle(peer.room);
        self.counters.peers.set(self.peers.len() as f64);
    }

    // ---- rooms ----

    pub(super) fn room(&mut self, id: RoomId) -> Key {
        let rooms = &mut self.rooms;
        *self.rooms_by_id.entry(id).or_insert_with(|| rooms.insert_with(|_| Room::new(id)))
    }

    pub(super) fn drop_room_if_idle(&mut self, key: Key) {
        if let Some(id) = self.rooms.get(key).filter(|r| r.is_idle()).map(|r| r.id) {
            self.rooms.remove(key);
            self.rooms_by_id.remove(&id);
        }
    }

    fn close_room(&mut self, now: Instant, id: RoomId) {
        let Some(key) = self.rooms_by_id.get(&id).copied() else { return };
        let peers = self.rooms.get_mut(key).map(|r| {
            r.tap = None;
            std::mem::take(&mut r.peers)
        });
        for peer in peers.unwrap_or_default() {
            self.close_peer(now, peer);
        }
        self.close_locals(now, Some(key));
        self.drop_room_if_idle(key);
    }

    fn tap(&mut self, now: Instant, id: RoomId, tap: TapHandle) {
        let room = self.room(id);
        for key in self.tracks.0.keys().collect::<Vec<_>>() {
            if let Some(track) = self.tracks.0.get_mut(key).filter(|t| t.room == id) {
                track.start_tap(now, &tap);
            }
        }
        if let Some(room) = self.rooms.get_mut(room) {
            room.tap = Some(tap);
        }
    }

    fn mute(&mut self, track: TrackId, muted: bool) {
        let track = self.tracks_by_id.get(&track).and_then(|k| self.tracks.0.get_mut(*k));
        if let Some(track) = track.filter(|t| t.muted != muted) {
            track.muted = muted;
            if let Some(tap) = &mut track.tap {
                tap.on_mute(muted);
            }
        }
    }

    /// Weighs a viewer's layers anew and passes on the keyframes that it takes.
    pub(super) fn tick_viewer(&mut self, now: Instant, key: Key) {
        let asks = self.weigh_layers(now, key);
        self.note_pacing(key);
        self.ask_keyframes(now, &asks);
    }

    /// Weighs a viewer's layers anew and returns the keyframes that it takes.
    pub(super) fn weigh_layers(&mut self, now: Instant, key: Key) -> Asks {
        let (tracks, mut asks) = (&self.tracks, Asks::default());
        let Some(Peer { role: Role::Viewer(viewer), .. }) = self.peers.get_mut(key) else { return asks };
        let offers = |source| tracks.by_source(source).map(|(_, t)| t.offers()).unwrap_or_default();
        viewer.subscriber.tick(now, offers, |ask| asks.push(ask));
        self.note_wanted(key);
        asks
    }
}

/// The lines of an offer that the caller names and the client sends on, checked.
fn published_lines(request: &PublishRequest, offer: &Offer) -> Result<Vec<PublishedLine>, SdpError> {
    let mut lines = Vec::new();
    for (mid, source) in &request.lines {
        let line = offer.line(mid).ok_or_else(|| SdpError::NoSuchLine { mid: mid.clone() })?;
        let wrong = |offered| SdpError::WrongKind { mid: mid.clone(), offered, source_named: *source };
        match line.kind {
            Some(kind) if kind == source.kind() => {}
            Some(kind) => return Err(wrong(kind)),
            None => return Err(SdpError::NoCodec { mid: mid.clone() }),
        }
        if !line.client_sends() {
            continue;
        }
        // G.711 is for cameras: a browser that publishes has Opus.
        let codec = line.codecs.iter().find(|c| !matches!(c.codec, Codec::Pcma | Codec::Pcmu));
        let codec = codec.ok_or_else(|| SdpError::NoCodec { mid: mid.clone() })?;
        lines.push(PublishedLine {
            mid: mid.clone(),
            source: *source,
            codec: codec.clone(),
            extensions: line.extensions,
            rids: line.rids.clone(),
            ssrcs: line.ssrcs.clone(),
            track: None,
            wanted: true,
        });
    }
    Ok(lines)
}

/// New ICE credentials. The ufrag begins with the shard (two hexadecimal digits) and the peer's place (four): a check
/// finds its peer without a search.
fn new_credentials(shard: u8, key: Key) -> Credentials {
    let random = |n: usize| -> String { rand::rng().sample_iter(Alphanumeric).take(n).map(char::from).collect() };
    Credentials { ufrag: format!("{shard:02x}{:04x}{}", key.index() & 0xffff, random(8)), pwd: random(24) }
}
