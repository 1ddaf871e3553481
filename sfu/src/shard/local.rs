//! Publishers in this process: what waits in their queues is numbered and goes the way of every other packet.
//!
//! A camera can't be asked for a keyframe, so that more is kept of it than of a browser; its main stream comes only while
//! someone wants it. Not here: the sender's end of the queue ([`crate::local`]).

use super::{
    Shard,
    inbox::Inbox,
    slots::Key,
    tracks::{Origin, TrackLayer},
};
use crate::{
    api::CommandError,
    local::{Item, LOCAL_TRACKS_MAX, LocalPublish, LocalPublisher, LocalQueue, LocalTrack},
};
use lectern_media::{Bitrate, Codec, Layer, Ssrc, TrackInfo, TrackKind};
use lectern_sfu_core::{
    SourcePacket,
    allocate::LayerOffer,
    ingest::{StreamConfig, StreamIngest},
    packet_ring::PacketRing,
    rtcp::SenderInfo,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// The most local publishers of one shard: a thousand cameras and as many again that are being replaced.
pub(super) const LOCALS_MAX: usize = 2_048;
/// Packets taken from all local publishers in one turn, so that sockets and timers are not starved.
const ITEMS_MAX: usize = 4_096;
/// How long a camera's keyframe is worth sending to one who begins to watch. Cameras send one every second or two; of those
/// that send them at longer intervals a viewer waits for the next.
const KEEP: Duration = Duration::from_secs(4);
/// Packets and bytes kept of a layer up to [`SUB_HEIGHT`]: four seconds of 600 kbit/s with a keyframe …
const SUB_RING: (usize, usize) = (512, 384 << 10);
const SUB_HEIGHT: u16 = 480;
/// … of a larger one, while it is sent: four seconds of 4 Mbit/s …
const MAIN_RING: (usize, usize) = (2_048, 2 << 20);
/// … and of one that is not sent.
const NO_RING: (usize, usize) = (16, 16 << 10);
/// Sound: two seconds of 20 ms packets.
const AUDIO_RING: (usize, usize) = (128, 32 << 10);
/// A main stream that nobody has wanted for this long gives its memory back.
const SHRINK_AFTER: Duration = Duration::from_secs(15);
/// How tall a tile may be before the next layer is worth its rate, in per cent of the layer: 360 lines serve 540.
const UPSCALE_MAX_PERCENT: u16 = 150;
/// A rate is believed when the layer has been sent for so long: it begins with a keyframe.
const RATE_SETTLES: Duration = Duration::from_secs(4);

/// A local publisher.
pub(super) struct Local {
    pub queue: Arc<LocalQueue>,
    pub room: Key,
    tracks: Vec<LocalStreams>,
}

/// The streams of one of its tracks.
struct LocalStreams {
    track: Key,
    layers: Vec<LocalLayer>,
}

/// One layer.
struct LocalLayer {
    ingest: StreamIngest,
    height: u16,
    /// What it cost when it was sent last, or what is usual for its height.
    nominal: Bitrate,
    /// Since when it has been sent without a pause, or not.
    flowing_since: Option<Instant>,
    silent_since: Option<Instant>,
    grown: bool,
}

impl LocalLayer {
    fn new(codec: Codec, layer: Layer, height: u16) -> Self {
        // Nothing arrives by a network here: nobody sees this SSRC.
        let config = StreamConfig { ssrc: Ssrc(1), codec, layer, nack: false, audio_level_id: None };
        let nominal = match height {
            0..=480 => Bitrate::kbps(512),
            481..=800 => Bitrate::kbps(2_000),
            _ => Bitrate::kbps(4_000),
        };
        let ingest = StreamIngest::new(config);
        Self { ingest, height, nominal, flowing_since: None, silent_since: None, grown: false }
    }

    /// What is kept of it while it is sent.
    fn ring(&self) -> PacketRing {
        let (packets, bytes) = match self.ingest.config().codec.kind() {
            TrackKind::Audio => AUDIO_RING,
            TrackKind::Video if self.height <= SUB_HEIGHT => SUB_RING,
            TrackKind::Video => MAIN_RING,
        };
        PacketRing::with_keep(packets, bytes, KEEP)
    }
}

fn empty_ring() -> PacketRing {
    PacketRing::with_keep(NO_RING.0, NO_RING.1, KEEP)
}

/// Whether a track can be published as asked.
fn fits(t: &LocalTrack) -> bool {
    let kind = t.codec.kind();
    let layers = usize::from(t.layers);
    let played = matches!(t.codec, Codec::H264 | Codec::Opus | Codec::Pcma | Codec::Pcmu);
    played
        && t.source.kind() == kind
        && layers >= 1
        && layers <= if kind == TrackKind::Video { Layer::COUNT_MAX } else { 1 }
}

impl Shard {
    pub(super) fn publish_local(
        &mut self,
        now: Instant,
        request: &LocalPublish,
    ) -> Result<LocalPublisher, CommandError> {
        let count = request.tracks.len();
        if !(1..=LOCAL_TRACKS_MAX).contains(&count) || !request.tracks.iter().all(fits) {
            return Err(CommandError::BadTracks);
        }
        let full = self.locals.len() >= LOCALS_MAX || self.tracks.0.len() + count > super::commands::TRACKS_MAX;
        if full || self.shared.is_draining() {
            return Err(CommandError::Full);
        }
        let room = self.room(request.room);
        let key = self.locals.insert_with(|key| Local {
            queue: Arc::new(LocalQueue::new(key, &request.tracks)),
            room,
            tracks: Vec::with_capacity(count),
        });
        if let Some(r) = self.rooms.get_mut(room) {
            r.locals += 1;
        }
        let Some(queue) = self.locals.get(key).map(|l| Arc::clone(&l.queue)) else { return Err(CommandError::Full) };
        let mut infos = Vec::with_capacity(count);
        for (at, t) in request.tracks.iter().enumerate() {
            let info = TrackInfo {
                id: lectern_media::TrackId(self.new_ulid()),
                participant: request.participant,
                source: t.source,
                codec: t.codec,
                layers: t.layers,
            };
            infos.push(info.clone());
            let origin = Origin::Local { queue: Arc::clone(&queue), at };
            let layers: Vec<LocalLayer> =
                (0..t.layers).map(|l| LocalLayer::new(t.codec, Layer(l), t.heights[usize::from(l)])).collect();
            let track = self.start_track(now, room, origin, info);
            if let Some(local) = self.locals.get_mut(key) {
                local.tracks.push(LocalStreams { track, layers });
            }
        }
        self.counters.locals.set(self.locals.len() as f64);
        Ok(LocalPublisher::new(queue, Arc::clone(&self.shared.inboxes[usize::from(self.id)]), infos))
    }

    /// Takes in what local publishers have for us.
    pub(super) fn receive_local(&mut self, now: Instant, inbox: &Inbox) {
        let mut left = ITEMS_MAX;
        // Those that are listed again meanwhile have their turn with the next.
        for _ in 0..inbox.listed_locals() {
            let Some(key) = inbox.next_local().filter(|_| left > 0) else { break };
            let Some(queue) = self.locals.get(key).map(|l| Arc::clone(&l.queue)) else { continue };
            queue.begin_reading();
            while left > 0
                && let Some(item) = queue.next()
            {
                left -= 1;
                self.on_local(now, key, item);
            }
            if left == 0 && queue.must_list() {
                inbox.list_local(key);
            } else if left > 0 && queue.is_closed() {
                self.close_local(now, key);
            }
        }
    }

    fn on_local(&mut self, now: Instant, key: Key, item: Item) {
        let Some(local) = self.locals.get_mut(key) else { return };
        let (track, layer) = match item {
            Item::Packet { track, layer, .. } | Item::Report { track, layer, .. } => (usize::from(track), layer),
        };
        let Some(streams) = local.tracks.get_mut(track) else { return };
        let Some(state) = streams.layers.get_mut(usize::from(layer)) else { return };
        match item {
            Item::Report { ntp, timestamp, .. } => {
                let report = SenderInfo { ssrc: Ssrc(1), ntp, rtp_timestamp: timestamp, packets: 0, bytes: 0 };
                state.ingest.on_sender_report(now, &report);
            }
            Item::Packet { packet, .. } => {
                self.counters.local_packets.add(1);
                if !state.grown {
                    state.grown = true;
                    let ring = state.ring();
                    if let Some(l) =
                        self.tracks.0.get_mut(streams.track).and_then(|t| t.layers.get_mut(usize::from(layer)))
                    {
                        l.ring = ring;
                    }
                }
                let taken: Result<SourcePacket<'_>, _> =
                    state.ingest.push(packet.arrival.min(now), packet.timestamp, packet.marker, &packet.payload);
                match taken {
                    Ok(taken) => {
                        let track = streams.track;
                        self.keep(now, track, &taken);
                    }
                    Err(reason) => self.counters.ingest_dropped(reason),
                }
            }
        }
    }

    /// What the layers of a local track offer now, and who wants them.
    pub(super) fn tick_local(&mut self, now: Instant, key: Key, live: &mut [bool; Layer::COUNT_MAX]) {
        let Some(track) = self.tracks.0.get_mut(key) else { return };
        let Origin::Local { queue, at } = &track.origin else { return };
        let mut wanted = 0u8;
        for (viewer, line) in &track.carried_by {
            if let Some(super::Peer { role: super::Role::Viewer(v), .. }) = self.peers.get(*viewer) {
                let layers = [v.subscriber.target(*line), v.subscriber.layer(*line)];
                layers.into_iter().flatten().for_each(|l| wanted |= 1 << l.0);
            }
        }
        queue.set_wanted(*at, wanted);
        let streams = self.locals.get_mut(queue.key).and_then(|l| l.tracks.get_mut(*at));
        let Some(streams) = streams else { return };
        let mut base_lives = false;
        for (i, (layer, state)) in track.layers.iter_mut().zip(&mut streams.layers).enumerate() {
            let rate = state.ingest.bitrate(now);
            let flows = rate > Bitrate::ZERO;
            live[i] = flows;
            base_lives |= flows && i == 0;
            if flows {
                state.silent_since = None;
                let since = *state.flowing_since.get_or_insert(now);
                if now.saturating_duration_since(since) >= RATE_SETTLES {
                    state.nominal = rate;
                }
            } else {
                state.flowing_since = None;
                let since = *state.silent_since.get_or_insert(now);
                let idle = wanted >> i & 1 == 0 && now.saturating_duration_since(since) >= SHRINK_AFTER;
                if idle && i > 0 && state.grown {
                    state.grown = false;
                    layer.ring = empty_ring();
                }
            }
            // A main stream is not sent until someone is meant to have it: it is offered at what it would cost.
            let offered = if !flows && i > 0 && base_lives { state.nominal } else { rate };
            let told = state.ingest.resolution().map(|r| r.height);
            let height = told.or(Some(state.height).filter(|h| *h > 0));
            layer.offer = LayerOffer {
                bitrate: offered,
                height,
                keyframes: (i == 0).then(|| state.ingest.keyframe_bitrate(now).min(rate)),
                upscale_max_percent: UPSCALE_MAX_PERCENT,
            };
        }
    }

    /// Notes which layers of local tracks a viewer's lines are meant to carry, so that they begin at once.
    pub(super) fn note_wanted(&self, viewer: Key) {
        let Some(super::Peer { role: super::Role::Viewer(v), .. }) = self.peers.get(viewer) else { return };
        for line in &v.lines {
            if let Some(track) = line.track.and_then(|k| self.tracks.0.get(k))
                && let Origin::Local { queue, at } = &track.origin
                && let Some(layer) = v.subscriber.target(line.id)
            {
                queue.want(*at, 1 << layer.0);
            }
        }
    }

    /// Ends the tracks of a local publisher and forgets it.
    pub(super) fn close_local(&mut self, now: Instant, key: Key) {
        let Some(local) = self.locals.remove(key) else { return };
        local.queue.end();
        for streams in &local.tracks {
            self.end_track(now, streams.track);
        }
        if let Some(room) = self.rooms.get_mut(local.room) {
            room.locals -= 1;
        }
        self.drop_room_if_idle(local.room);
        self.counters.locals.set(self.locals.len() as f64);
    }

    /// Closes the local publishers of a room, or all.
    pub(super) fn close_locals(&mut self, now: Instant, room: Option<Key>) {
        let keys: Vec<Key> =
            self.locals.iter().filter(|(_, l)| room.is_none_or(|r| l.room == r)).map(|(k, _)| k).collect();
        for key in keys {
            self.close_local(now, key);
        }
    }
}

impl TrackLayer {
    /// A layer of a local track: it takes its memory with the first packet.
    pub(super) fn local() -> Self {
        let offer = LayerOffer { keyframes: Some(Bitrate::ZERO), ..LayerOffer::default() };
        Self { offer, ..Self::with_ring(empty_ring()) }
    }
}
