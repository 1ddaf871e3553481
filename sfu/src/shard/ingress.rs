//! Packets in: whose they are, opened, and noted for fan-out.

use super::{
    Owner, Role, Shard,
    counters::Refusal,
    inbox::Inbox,
    publisher::{Told, Unaccepted},
    slots::Key,
    tracks::PENDING_MAX,
    transport::Change,
};
use crate::{
    api::SfuEvent,
    ice::local_ufrag,
    udp::{Path, RecvBatch},
};
use lectern_media::{RtpView, TrackKind, UnixMillis};
use lectern_sfu_core::{SourceId, SourcePacket, subscriber::LINES_MAX};
use std::time::Instant;

/// Batches taken from one socket in one turn, so that timers and commands are not starved by a flood.
const BATCHES_MAX: usize = 4;
/// Datagrams taken over from other shards in one turn.
const HANDOVERS_MAX: usize = 256;

/// What a datagram is, by its first byte (RFC 7983 §7).
enum Protocol {
    Stun,
    Dtls,
    Rtp,
    Rtcp,
}

fn protocol(data: &[u8]) -> Option<Protocol> {
    match *data {
        [0..=3, ..] => Some(Protocol::Stun),
        [20..=63, ..] => Some(Protocol::Dtls),
        // RFC 5761 §4: RTCP's packet types are 192 to 223.
        [128..=191, 192..=223, ..] => Some(Protocol::Rtcp),
        [128..=191, _, ..] => Some(Protocol::Rtp),
        _ => None,
    }
}

impl Shard {
    /// Takes in what the sockets and other shards have for us.
    pub(super) fn receive(&mut self, now: Instant, inbox: &Inbox, batch: &mut RecvBatch) {
        self.learn_foreign(now);
        for port in 0..self.ports.len() {
            for _ in 0..BATCHES_MAX {
                let Ok(n) = batch.receive(&self.ports[port]) else { break };
                self.counters.packets_in.add(n as u64);
                for i in 0..n {
                    match batch.datagram(i, port as u8) {
                        Some((path, data)) => self.on_datagram(now, &path, data, None),
                        None => self.counters.refuse(Refusal::BadLength),
                    }
                }
                self.wake_owners();
                if n < crate::udp::BATCH {
                    break;
                }
                self.fan_out(now);
            }
        }
        for _ in 0..HANDOVERS_MAX {
            let Some(mut handover) = inbox.next_handover() else { break };
            let (path, from) = (handover.path, handover.from);
            self.on_datagram(now, &path, handover.bytes_mut(), Some(from));
            inbox.done(handover);
        }
    }

    /// Wakes the shards that were handed something of the last batch.
    fn wake_owners(&mut self) {
        for (handed, inbox) in self.handed.iter_mut().zip(&self.shared.inboxes) {
            if std::mem::take(handed) {
                inbox.wake();
            }
        }
    }

    /// Takes one datagram, from a socket (and so it may belong to another shard) or handed over by the shard `from`.
    fn on_datagram(&mut self, now: Instant, path: &Path, data: &mut [u8], from: Option<u8>) {
        self.counters.bytes_in.add(data.len() as u64);
        let Some(protocol) = protocol(data) else {
            let why = if data.is_empty() { Refusal::BadLength } else { Refusal::UnknownProtocol };
            return self.counters.refuse(why);
        };
        // A check says itself whom it is for: the address may have a new owner.
        if let Protocol::Stun = protocol {
            return self.on_stun(now, path, data, from);
        }
        let at = (path.port, path.remote);
        if !self.by_path.contains_key(&at) {
            // Its owner may have told of it since this turn began.
            self.learn_foreign(now);
        }
        match self.by_path.get(&at) {
            Some(Owner::Peer(key)) => {
                let key = *key;
                match protocol {
                    Protocol::Dtls => self.on_dtls(now, key, path, data),
                    Protocol::Rtcp => self.on_rtcp(now, key, data),
                    _ => self.on_rtp(now, key, data),
                }
            }
            Some(Owner::Shard(shard, _)) if from.is_none() => self.hand_over(*shard, path, data),
            _ => self.counters.refuse(Refusal::UnknownPeer),
        }
    }

    fn hand_over(&mut self, shard: u8, path: &Path, data: &[u8]) {
        match self.shared.inboxes.get(usize::from(shard)) {
            Some(inbox) if inbox.hand_over(*path, self.id, data) => {
                self.counters.handed_over.add(1);
                self.handed[usize::from(shard)] = true;
            }
            _ => self.counters.refuse(Refusal::HandoverFull),
        }
    }

    fn on_stun(&mut self, now: Instant, path: &Path, data: &[u8], from: Option<u8>) {
        // Our ufrags begin with the shard and the peer's place (see `commands::new_credentials`).
        let ufrag = local_ufrag(data);
        let place = ufrag.and_then(|u| Some((u8::from_str_radix(u.get(..2)?, 16).ok()?, u.get(2..6)?)));
        let Some((shard, place)) = place else { return self.counters.refuse(Refusal::UnknownPeer) };
        if shard != self.id {
            // Nothing is verified yet: its owner tells when this address is its peer's.
            if from.is_none() && usize::from(shard) < self.shared.inboxes.len() {
                self.hand_over(shard, path, data);
            } else {
                self.counters.refuse(Refusal::UnknownPeer);
            }
            return;
        }
        let found = u32::from_str_radix(place, 16).ok().and_then(|i| self.peers.at(i));
        let key = found.filter(|(_, p)| ufrag.is_some_and(|u| p.transport.ice.answers_to(u))).map(|(k, _)| k);
        let Some(key) = key else { return self.counters.refuse(Refusal::UnknownPeer) };
        let mut answer = std::mem::take(&mut self.stun_answer);
        answer.clear();
        let Some(peer) = self.peers.get_mut(key) else { return };
        let change = peer.transport.on_stun(now, path, data, &mut answer);
        // An indication proves nothing and is not answered.
        if change.is_ok() && !answer.is_empty() {
            // The address is the client's: DTLS may come from it even before it is nominated. Known before the answer
            // leaves, for the client may be quick.
            self.learn_path(now, key, path);
            if let Some(inbox) = from.and_then(|shard| self.shared.inboxes.get(usize::from(shard)))
                && !inbox.claim((path.port, path.remote), self.id)
            {
                self.counters.refuse(Refusal::HandoverFull);
            }
        }
        if let Some(port) = self.ports.get_mut(usize::from(path.port)).filter(|_| !answer.is_empty()) {
            let sent = port.send(path, &answer, answer.len());
            self.counters.sent(1, answer.len(), &sent);
        }
        self.stun_answer = answer;
        match change {
            Ok(change) => {
                if change == Change::Moved && self.peers.get(key).is_some_and(|p| p.connected) {
                    self.tell_connected(key);
                }
            }
            Err(e) => self.counters.ice(e),
        }
    }

    fn on_dtls(&mut self, now: Instant, key: Key, path: &Path, data: &[u8]) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        if !peer.transport.knows(path) {
            return self.counters.refuse(Refusal::UnknownPeer);
        }
        let change = peer.transport.on_dtls(now, data);
        peer.transport.flush_dtls(&mut self.out, &mut self.ports, &mut self.counters);
        match change {
            Ok(Change::Connected) => {
                peer.connected = true;
                let profile = peer.transport.srtp.as_ref().map(|s| s.profile);
                tracing::debug!(peer = %peer.id, ?profile, "connected");
                self.tell_connected(key);
                self.begin_all(now, key);
            }
            Ok(Change::Gone) => {
                self.counters.said_goodbye();
                self.lose_peer(now, key);
            }
            Ok(_) => {}
            Err(e) => {
                tracing::info!(peer = %peer.id, error = %e, "handshake failed");
                self.counters.dtls(e);
                self.lose_peer(now, key);
            }
        }
    }

    fn tell_connected(&mut self, key: Key) {
        if let Some(peer) = self.peers.get(key) {
            self.tell(SfuEvent::PeerConnected { peer: peer.id });
        }
    }

    fn on_rtp(&mut self, now: Instant, key: Key, data: &mut [u8]) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(srtp) = &mut peer.transport.srtp else { return self.counters.refuse(Refusal::NoKeys) };
        let Role::Publisher(publisher) = &mut peer.role else {
            return self.counters.refuse(Refusal::NotPublisher);
        };
        let opened = match srtp.opener.open_rtp(data) {
            Ok(opened) => opened,
            Err(e) => return self.counters.srtp(e),
        };
        peer.transport.ice.heard(now);
        let Ok(view) = RtpView::parse(&data[..opened.len]) else {
            return self.counters.refuse(Refusal::MalformedRtp);
        };
        let room = peer.room;
        let accepted = match publisher.receive(now, &view) {
            Ok(accepted) => accepted,
            Err(Unaccepted::UnknownSource) => return self.counters.refuse(Refusal::UnknownSource),
            Err(Unaccepted::Retired) => return self.counters.refuse(Refusal::RetiredSource),
            Err(Unaccepted::TooSoon) => return self.counters.refuse(Refusal::RestartTooSoon),
            Err(Unaccepted::Dropped(reason)) => return self.counters.ingest_dropped(reason),
        };
        if accepted.restarted {
            self.restart_layer(now, accepted.track, accepted.packet.meta.layer);
        }
        let meta = accepted.packet.meta;
        let source = self.keep(now, accepted.track, &accepted.packet);
        if let Some((level, source)) = meta.audio_level.zip(source)
            && let Some(room) = self.rooms.get_mut(room)
        {
            room.speakers.on_level(now, source, level);
        }
    }

    /// Keeps a packet of a track and notes it for fan-out. Returns the track's name in the core.
    pub(super) fn keep(&mut self, now: Instant, key: Key, packet: &SourcePacket<'_>) -> Option<SourceId> {
        let meta = &packet.meta;
        let track = self.tracks.0.get_mut(key)?;
        let top = lectern_media::Layer(track.info.layers.saturating_sub(1));
        let kind = track.info.codec.kind();
        let layer = track.layers.get_mut(meta.layer.index())?;
        layer.ring.push(packet);
        if packet.is_keyframe_start() && kind == TrackKind::Video && Some(meta.seq) < layer.highest {
            let earlier = layer.pending.late_start.filter(|s| *s < meta.seq);
            layer.pending.late_start = earlier.or(Some(meta.seq));
        }
        layer.highest = layer.highest.max(Some(meta.seq));
        if packet.is_keyframe_start() && kind == TrackKind::Video {
            layer.keyframes.on_keyframe();
            if let Some(size) = meta.shape.resolution() {
                layer.offer.height = Some(size.height);
            }
        }
        let pending = &mut layer.pending;
        if pending.seqs.is_empty() {
            pending.since = Some(now);
            self.pending.push((key, meta.layer));
        }
        pending.seqs.push(meta.seq);
        pending.complete |= meta.marker || kind == TrackKind::Audio || pending.seqs.len() >= PENDING_MAX;
        let full = pending.seqs.len() >= PENDING_MAX;
        if let Some(tap) = &mut track.tap {
            tap.on_packet(now, packet, top);
        } else if let Some((_, _, missed)) = &mut track.tap_wanted
            && meta.layer == top
        {
            *missed += 1;
        }
        let source = track.source;
        let fresh = !std::mem::replace(&mut track.started, true);
        if fresh {
            let (room, track) = (track.room, track.info.clone());
            self.tell(SfuEvent::TrackStarted { room, track });
        }
        if full {
            self.fan_out(now);
        }
        Some(source)
    }

    fn on_rtcp(&mut self, now: Instant, key: Key, data: &mut [u8]) {
        let Some(peer) = self.peers.get_mut(key) else { return };
        let Some(srtp) = &mut peer.transport.srtp else { return self.counters.refuse(Refusal::NoKeys) };
        let len = match srtp.opener.open_rtcp(data) {
            Ok(len) => len,
            Err(e) => return self.counters.srtp(e),
        };
        peer.transport.ice.heard(now);
        let clear = &data[..len];
        let read = match &mut peer.role {
            Role::Publisher(publisher) => {
                let tracks = &mut self.tracks;
                publisher.on_rtcp(now, clear, |told| {
                    let Told::Report { track, layer, ntp, timestamp } = told;
                    if let Some(tap) = tracks.0.get_mut(track).and_then(|t| t.tap.as_mut()) {
                        let ntp: UnixMillis = ntp.unix_millis();
                        tap.on_sender_report(layer, ntp, timestamp);
                    }
                })
            }
            Role::Viewer(viewer) => {
                let mut asks = Asks::default();
                let read = viewer.subscriber.on_rtcp(now, clear, |ask| asks.push(ask));
                self.note_pacing(key);
                self.ask_keyframes(now, &asks);
                read
            }
        };
        if read.is_err() {
            self.counters.refuse(Refusal::MalformedRtcp);
        }
    }
}

/// Keyframe wishes collected while a viewer is borrowed: one for each line.
pub(super) struct Asks {
    items: [Option<(lectern_sfu_core::SourceId, lectern_media::Layer)>; LINES_MAX],
    len: usize,
}

impl Default for Asks {
    fn default() -> Self {
        Self { items: [None; LINES_MAX], len: 0 }
    }
}

impl Asks {
    pub(super) fn push(&mut self, ask: lectern_sfu_core::subscriber::Ask) {
        let lectern_sfu_core::subscriber::Ask::Keyframe(source, layer) = ask;
        let item = Some((source, layer));
        if !self.items[..self.len].contains(&item) && self.len < self.items.len() {
            self.items[self.len] = item;
            self.len += 1;
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (lectern_sfu_core::SourceId, lectern_media::Layer)> + '_ {
        self.items[..self.len].iter().flatten().copied()
    }
}
