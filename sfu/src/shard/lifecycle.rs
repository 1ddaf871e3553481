//! Tracks beginning, restarting and ending.

use super::{
    Peer, Role, Shard,
    slots::Key,
    tap::TapFeed,
    timers::keyframe_due,
    tracks::{Origin, Track, TrackLayer},
};
use crate::api::SfuEvent;
use lectern_media::{
    Layer, TrackInfo, TrackKind, UnixMillis,
    tap::{TapHandle, TapSender},
};
use std::time::Instant;

/// Tracks whose end a full tap was not told of yet. Beyond, the reader learns of it when the tap ends.
const TAP_ENDS_MAX: usize = 1_024;

impl Shard {
    /// A new track of `origin` in the room `room`: viewers who wait for it are attached, the tap is told.
    pub(super) fn start_track(&mut self, now: Instant, room: Key, origin: Origin, info: TrackInfo) -> Key {
        let id = info.id;
        let (room_id, tap) = match self.rooms.get(room) {
            Some(r) => (r.id, r.tap.clone()),
            None => (lectern_media::RoomId(ulid::Ulid::nil()), None),
        };
        let key = self.tracks.0.insert_with(|key| Track::new(key, info, room_id, origin));
        self.tracks_by_id.insert(id, key);
        self.counters.tracks.set(self.tracks.0.len() as f64);
        if let (Some(tap), Some(track)) = (tap, self.tracks.0.get_mut(key)) {
            track.start_tap(now, &tap);
        }
        let waiting: Vec<Key> = self
            .rooms
            .get(room)
            .into_iter()
            .flat_map(|r| &r.peers)
            .copied()
            .filter(|k| match self.peers.get(*k) {
                Some(Peer { role: Role::Viewer(v), .. }) => v.lines.iter().any(|l| l.wanted == Some(id)),
                _ => false,
            })
            .collect();
        for viewer in waiting {
            self.attach_wanted(now, viewer);
        }
        key
    }

    /// The numbers of a layer begin anew: its encoder was restarted, or another peer sends it now.
    pub(super) fn restart_layer(&mut self, now: Instant, key: Key, layer: Layer) {
        let Some(track) = self.tracks.0.get_mut(key) else { return };
        track.reset_layer(layer);
        if let Some(tap) = &mut track.tap {
            tap.on_restart(layer);
        }
        for (viewer, line) in &track.carried_by {
            if let Some(Peer { role: Role::Viewer(v), .. }) = self.peers.get_mut(*viewer)
                && v.subscriber.layer(*line).is_none_or(|l| l == layer)
            {
                v.subscriber.set_source(now, *line, None);
                v.subscriber.set_source(now, *line, Some(track.source));
            }
        }
        self.pending.retain(|p| *p != (key, layer));
    }

    /// Ends a track: lines are emptied, the tap and the world are told.
    pub(super) fn end_track(&mut self, now: Instant, key: Key) {
        let Some(mut track) = self.tracks.0.remove(key) else { return };
        if let Some(mut sender) = track.finish_tap(now)
            && !sender.end()
            && self.tap_ends.len() < TAP_ENDS_MAX
        {
            self.tap_ends.push(sender);
        }
        self.tracks_by_id.remove(&track.info.id);
        self.pending.retain(|(k, _)| *k != key);
        for (viewer, line) in &track.carried_by {
            if let Some(Peer { role: Role::Viewer(v), .. }) = self.peers.get_mut(*viewer) {
                v.subscriber.set_source(now, *line, None);
                if let Some(l) = v.lines.iter_mut().find(|l| l.id == *line) {
                    l.track = None;
                }
            }
        }
        let peer = track.origin.peer();
        if let Some(Peer { role: Role::Publisher(p), .. }) = peer.and_then(|k| self.peers.get_mut(k)) {
            for at in 0..p.lines.len() {
                if p.lines[at].track == Some(key) {
                    p.retire_line(at);
                    (p.lines[at].track, p.lines[at].wanted) = (None, false);
                }
            }
        }
        if let Some(peer) = peer {
            self.retire_sources(peer);
        }
        let room = self.rooms_by_id.get(&track.room).and_then(|k| self.rooms.get_mut(*k));
        let mut silence = false;
        if let Some(room) = room {
            room.speakers.remove(track.source);
            silence = room.speakers.dominant().is_none() && room.speaker.take().is_some();
        }
        if silence {
            self.tell(SfuEvent::Speaker { room: track.room, participant: None });
        }
        self.counters.tracks.set(self.tracks.0.len() as f64);
        if track.started {
            self.tell(SfuEvent::TrackEnded { room: track.room, track: track.info.id });
        }
    }
}

impl Track {
    /// Feeds the track to a tap from now on.
    pub(super) fn start_tap(&mut self, now: Instant, tap: &TapHandle) {
        // Ended before the new one starts.
        drop(self.finish_tap(now));
        self.tap_wanted = Some((tap.clone(), UnixMillis::now(), 0));
        self.retry_tap();
    }

    /// Tells the tap of the track's start, unless it has no room for it yet.
    fn retry_tap(&mut self) {
        let Some((tap, since, missed)) = self.tap_wanted.take() else { return };
        match tap.start(&self.info) {
            Some(sender) => {
                let mut feed = TapFeed::new(sender, self.info.id, self.info.codec.kind());
                if missed > 0 {
                    feed.missed(since, missed);
                }
                if self.muted {
                    feed.on_mute(true);
                }
                self.tap = Some(feed);
            }
            None if tap.is_closed() => {}
            None => self.tap_wanted = Some((tap, since, missed)),
        }
    }

    /// Hands over what is left to the tap; returns its writing end, which is to tell that the track ended.
    fn finish_tap(&mut self, now: Instant) -> Option<TapSender> {
        let feed = self.tap.take()?;
        let state = feed.layer().and_then(|l| self.layers.get(l.index()));
        Some(feed.finish(now, UnixMillis::now(), state.map(|s| &s.ring), state.and_then(|s| s.highest)))
    }

    /// The highest layer that lives, and with it what the tap should carry; gives up gaps that waited long enough. Returns
    /// the layer of which the tap needs a keyframe.
    pub(super) fn tick_tap(&mut self, now: Instant) -> Option<Layer> {
        if self.tap.as_ref().is_some_and(TapFeed::is_closed) {
            self.tap = None;
        }
        self.retry_tap();
        let tap = self.tap.as_mut()?;
        if let Some(top) = self.live.iter().rposition(|l| *l) {
            tap.aim(now, Layer(top as u8));
        }
        if let Some(state) = tap.layer().and_then(|l| self.layers.get(l.index())) {
            tap.pump(now, UnixMillis::now(), &state.ring, state.highest);
        }
        let video = self.info.codec.kind() == TrackKind::Video;
        let switching = tap.layer() != Some(tap.target());
        let due = switching || keyframe_due(now, tap.keyframe_seen);
        (video && self.started && !self.muted && due).then_some(tap.target())
    }

    /// The layer that fills a tile of this height: the lowest that is at least as high, else the highest that lives.
    pub(super) fn layer_for(&self, height: u16) -> Option<Layer> {
        let live = || self.layers.iter().enumerate().filter(|(i, _)| self.live[*i]);
        let local = matches!(self.origin, Origin::Local { .. });
        let tall = |l: &TrackLayer| l.offer.height.is_some_and(|h| h >= height) || (local && l.offer.fills(height));
        let fills = live().find(|(_, l)| tall(l));
        fills.or_else(|| live().next_back()).map(|(i, _)| Layer(i as u8))
    }
}
