//! Packets out: what arrived goes to every line that carries it, in runs; keyframe wishes go back.

use super::{
    Peer, Role, Shard,
    ingress::Asks,
    slots::Key,
    tracks::{PENDING_HOLD, PENDING_MAX, TrackLayer},
    viewer::Io,
};
use lectern_media::{ExtSeq, Layer, TrackId, TrackKind, UnixMillis};
use lectern_sfu_core::{SourcePacket, gso, rtcp::Builder, subscriber::LineId};
use std::time::Instant;

/// What a line that begins is sent: with many lines that begin together, all first pictures go before what follows them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Keyframe,
    Rest,
}

impl Shard {
    /// Fans out the layers whose frame is complete or has waited long enough.
    pub(super) fn fan_out(&mut self, now: Instant) {
        let mut at = 0;
        while at < self.pending.len() {
            let (track, layer) = self.pending[at];
            if self.is_ready(now, track, layer) {
                self.pending.swap_remove(at);
                self.fan_out_layer(now, track, layer);
            } else {
                at += 1;
            }
        }
    }

    fn is_ready(&self, now: Instant, track: Key, layer: Layer) -> bool {
        let pending = self.tracks.0.get(track).and_then(|t| t.layers.get(layer.index())).map(|l| &l.pending);
        pending.is_none_or(|p| p.complete || p.since.is_none_or(|s| now >= s + PENDING_HOLD))
    }

    fn fan_out_layer(&mut self, now: Instant, key: Key, layer: Layer) {
        let mut seqs = [ExtSeq(0); PENDING_MAX];
        let mut lens = [0usize; PENDING_MAX];
        let mut pads = [0u8; PENDING_MAX];
        let mut n = 0;
        let Some(track) = self.tracks.0.get_mut(key) else { return };
        let Some(state) = track.layers.get_mut(layer.index()) else { return };
        for seq in state.pending.seqs.drain(..).take(PENDING_MAX) {
            seqs[n] = seq;
            n += 1;
        }
        (state.pending.since, state.pending.complete) = (None, false);
        let late_start = state.pending.late_start.take();
        let ring = &state.ring;
        for i in 0..n {
            lens[i] = ring.get(seqs[i]).map_or(0, |p| p.payload.len());
        }
        gso::equalise(&lens[..n], &mut pads[..n]);

        for &(viewer_key, line) in &track.carried_by {
            let Some(peer) = self.peers.get_mut(viewer_key) else { continue };
            let Role::Viewer(viewer) = &mut peer.role else { continue };
            let io = Io::of(&peer.transport, &mut self.out, &mut self.ports, &mut self.counters);
            let Some(mut io) = io else { continue };
            let waits = viewer.subscriber.layer(line) != Some(layer) && viewer.subscriber.awaits_keyframe(line);
            match late_start.filter(|_| waits) {
                // It refused what came before the start; all of it is here.
                Some(from) => viewer.forward(now, line, &mut ring.since(from).map(|p| (p, 0)), &mut io),
                None => {
                    let mut packets = (0..n).filter_map(|i| Some((ring.get(seqs[i])?, pads[i])));
                    viewer.forward(now, line, &mut packets, &mut io);
                }
            }
            if viewer.subscriber.next_timeout().is_some() && !viewer.pacing {
                viewer.pacing = true;
                self.pacing.push(viewer_key);
            }
        }

        if let Some(tap) = &mut track.tap
            && tap.layer() == Some(layer)
        {
            tap.pump(now, UnixMillis::now(), &state.ring, state.highest);
        }
    }

    /// Notes that a viewer's pacer may hold something.
    pub(super) fn note_pacing(&mut self, key: Key) {
        if let Some(peer) = self.peers.get_mut(key)
            && let Role::Viewer(viewer) = &mut peer.role
            && !viewer.pacing
            && viewer.subscriber.next_timeout().is_some()
        {
            viewer.pacing = true;
            self.pacing.push(key);
        }
    }

    /// Sends what the pacers give out now.
    pub(super) fn transmit_paced(&mut self, now: Instant) {
        let mut at = 0;
        while at < self.pacing.len() {
            let key = self.pacing[at];
            let waits = self.transmit_one(now, key);
            if waits {
                at += 1;
            } else {
                self.pacing.swap_remove(at);
            }
        }
    }

    /// Sends what one viewer's pacer gives out; whether it still holds something.
    fn transmit_one(&mut self, now: Instant, key: Key) -> bool {
        let Some(peer) = self.peers.get_mut(key) else { return false };
        let Role::Viewer(viewer) = &mut peer.role else { return false };
        let due = viewer.subscriber.next_timeout();
        if due.is_some_and(|at| at <= now)
            && let Some(mut io) = Io::of(&peer.transport, &mut self.out, &mut self.ports, &mut self.counters)
        {
            viewer.transmit(now, &self.tracks, &mut io);
        }
        viewer.pacing = viewer.subscriber.next_timeout().is_some();
        viewer.pacing
    }

    /// A viewer is connected: every line that was assigned before begins now.
    pub(super) fn begin_all(&mut self, now: Instant, key: Key) {
        let Some(Peer { role: Role::Viewer(viewer), .. }) = self.peers.get(key) else { return };
        let lines: Vec<(LineId, Key)> = viewer.lines.iter().filter_map(|l| Some((l.id, l.track?))).collect();
        self.begin_lines(now, key, &lines);
    }

    /// Lines began to carry tracks. The viewer is sent what the rings hold since the last keyframe, so that it sees a picture
    /// without waiting for the publisher's encoder; only where that is nothing is a keyframe asked for.
    pub(super) fn begin_lines(&mut self, now: Instant, key: Key, lines: &[(LineId, Key)]) {
        // Chooses layers. What it asks for may be in a ring already.
        let _ = self.weigh_layers(now, key);
        let mut lacking = Vec::new();
        for (line, track) in lines {
            if let Some(layer) = self.catch_up(now, key, *line, *track, Part::Keyframe) {
                lacking.push((*track, layer));
            }
        }
        for (line, track) in lines {
            let _ = self.catch_up(now, key, *line, *track, Part::Rest);
        }
        if self.peers.get(key).is_some_and(|p| p.connected) {
            self.tick_viewer(now, key);
        } else {
            // By the time it is connected, there will be one.
            for (track, layer) in lacking {
                self.ask_keyframe(now, track, layer);
            }
        }
    }

    /// Offers the last keyframe of a layer, or what followed it, to a line. Returns the layer if there is none.
    fn catch_up(&mut self, now: Instant, viewer_key: Key, line: LineId, key: Key, part: Part) -> Option<Layer> {
        let track = self.tracks.0.get(key)?;
        let peer = self.peers.get_mut(viewer_key)?;
        let Role::Viewer(viewer) = &mut peer.role else { return None };
        let target = viewer.subscriber.target(line)?;
        let kept = |l: Layer| track.layers.get(l.index()).is_some_and(|l| l.ring.since_keyframe(now).next().is_some());
        let lacks = viewer.subscriber.layer(line).is_none() && track.info.codec.kind() == TrackKind::Video;
        // A camera's main stream is not sent before it is wanted: its substream is shown meanwhile.
        let local = track.origin.peer().is_none();
        let layer = Some(target).filter(|l| kept(*l));
        let layer = layer.or_else(|| (0..target.0).rev().map(Layer).find(|l| local && kept(*l)));
        let Some(layer) = layer else { return lacks.then_some(target) };
        let TrackLayer { ring, pending, .. } = track.layers.get(layer.index())?;
        let keyframe = ring.since_keyframe(now).next()?.meta.timestamp;
        if track.info.codec.kind() == TrackKind::Video
            && let Some(mut io) = Io::of(&peer.transport, &mut self.out, &mut self.ports, &mut self.counters)
        {
            // What still waits to be fanned out reaches this line, too, with the others.
            let mut packets = ring
                .since_keyframe(now)
                .filter(|p| (p.meta.timestamp == keyframe) == (part == Part::Keyframe))
                .filter(|p| !pending.seqs.contains(&p.meta.seq))
                .map(|p: SourcePacket<'_>| (p, 0));
            viewer.forward(now, line, &mut packets, &mut io);
        }
        self.note_pacing(viewer_key);
        None
    }

    /// Passes keyframe wishes on to the publishers, coalesced per layer.
    pub(super) fn ask_keyframes(&mut self, now: Instant, asks: &Asks) {
        for (source, layer) in asks.iter() {
            let Some((key, _)) = self.tracks.by_source(source) else { continue };
            self.ask_keyframe(now, key, layer);
        }
    }

    /// Someone needs a keyframe of this layer.
    pub(super) fn ask_keyframe(&mut self, now: Instant, key: Key, layer: Layer) {
        let Some(state) = self.tracks.0.get_mut(key).and_then(|t| t.layers.get_mut(layer.index())) else { return };
        if state.keyframes.ask(now) {
            self.send_keyframe_request(key, layer);
        }
    }

    /// Whoever reads the tap can't go on without a keyframe of what it is handed.
    pub(super) fn ask_tapped_keyframe(&mut self, now: Instant, track: TrackId) {
        let Some(key) = self.tracks_by_id.get(&track).copied() else { return };
        let layer = self.tracks.0.get(key).filter(|t| !t.muted).and_then(|t| t.tap.as_ref()).map(|tap| tap.target());
        if let Some(layer) = layer {
            self.ask_keyframe(now, key, layer);
        }
    }

    /// Asks the publisher.
    pub(super) fn send_keyframe_request(&mut self, key: Key, layer: Layer) {
        let Some(track) = self.tracks.0.get(key) else { return };
        // Who publishes from this process can't be asked: the next keyframe comes when it comes.
        let Some(peer) = track.origin.peer().and_then(|k| self.peers.get_mut(k)) else { return };
        let Role::Publisher(publisher) = &mut peer.role else { return };
        let mut builder = Builder::new(self.out.space());
        if publisher.ask_keyframe(key, layer, &mut builder) == Ok(true) {
            let len = builder.len_bytes();
            self.counters.keyframes_asked.add(1);
            peer.transport.send_rtcp(len, &mut self.out, &mut self.ports, &mut self.counters);
        }
    }
}
