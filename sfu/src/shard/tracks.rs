//! The published tracks of a shard: their packets of the last two seconds, who carries them, which layers live.

use super::{
    slots::{Key, Slots},
    tap::TapFeed,
};
use crate::local::LocalQueue;
use lectern_media::{ExtSeq, Layer, RoomId, TrackInfo, TrackKind, UnixMillis, tap::TapHandle};
use lectern_sfu_core::{
    PacketSource, SourceId, SourcePacket,
    allocate::{LayerOffer, Offers},
    keyframe::KeyframeRequests,
    packet_ring::PacketRing,
    subscriber::LineId,
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// Packets and bytes kept of one video layer: two seconds of 4 Mbit/s with room for a keyframe.
const VIDEO_RING: (usize, usize) = (1024, 1 << 20);
/// … and of one sound: two seconds of 20 ms packets.
const AUDIO_RING: (usize, usize) = (128, 32 << 10);
/// The most packets that wait to be fanned out together.
pub(super) const PENDING_MAX: usize = 64;
/// How long an incomplete frame waits for its other packets, so that they leave in one run. A browser's packets of one
/// frame arrive within 0.2 ms of each other (research/stack.md §3).
pub(super) const PENDING_HOLD: Duration = Duration::from_micros(400);

/// Packets of one layer that arrived and were not fanned out yet.
#[derive(Debug, Default)]
pub(super) struct Pending {
    pub seqs: Vec<ExtSeq>,
    pub since: Option<Instant>,
    /// The frame is complete, or there is nothing to wait for.
    pub complete: bool,
    /// The start of a keyframe that came after packets behind it: lines that begin there have refused those.
    pub late_start: Option<ExtSeq>,
}

/// One layer of a track.
pub(super) struct TrackLayer {
    pub ring: PacketRing,
    pub keyframes: KeyframeRequests,
    pub pending: Pending,
    pub offer: LayerOffer,
    /// The highest number that arrived.
    pub highest: Option<ExtSeq>,
}

/// Who sends a track.
#[derive(Clone)]
pub(super) enum Origin {
    /// A peer.
    Peer(Key),
    /// A publisher in this process, and which of its tracks it is.
    Local { queue: Arc<LocalQueue>, at: usize },
}

impl Origin {
    /// The peer, if it is one.
    pub(super) fn peer(&self) -> Option<Key> {
        match self {
            Self::Peer(key) => Some(*key),
            Self::Local { .. } => None,
        }
    }
}

/// One published track.
pub(super) struct Track {
    pub info: TrackInfo,
    pub room: RoomId,
    /// Who sends it.
    pub origin: Origin,
    pub source: SourceId,
    pub layers: Vec<TrackLayer>,
    /// The lines that carry it.
    pub carried_by: Vec<(Key, LineId)>,
    /// Its first packet has arrived and was told of.
    pub started: bool,
    pub live: [bool; Layer::COUNT_MAX],
    pub muted: bool,
    pub tap: Option<TapFeed>,
    /// A tap that had no room for the track's start: since when, and how many packets went by.
    pub tap_wanted: Option<(TapHandle, UnixMillis, u64)>,
}

impl Track {
    pub(super) fn new(key: Key, info: TrackInfo, room: RoomId, origin: Origin) -> Self {
        let layer = |_| match &origin {
            Origin::Peer(_) => TrackLayer::new(info.source.kind()),
            Origin::Local { .. } => TrackLayer::local(),
        };
        let layers = (0..info.layers).map(layer).collect();
        Self {
            info,
            room,
            origin,
            source: source_id(key),
            layers,
            carried_by: Vec::new(),
            started: false,
            live: [false; Layer::COUNT_MAX],
            muted: false,
            tap: None,
            tap_wanted: None,
        }
    }

    /// Forgets what a layer carried: its numbers begin anew.
    pub(super) fn reset_layer(&mut self, layer: Layer) {
        if let Some(l) = self.layers.get_mut(layer.index()) {
            l.ring.clear();
            l.pending.seqs.clear();
            (l.pending.since, l.pending.complete, l.pending.late_start) = (None, false, None);
            (l.offer, l.highest) = (LayerOffer::default(), None);
        }
    }

    pub(super) fn offers(&self) -> Offers {
        std::array::from_fn(|i| self.layers.get(i).map_or(LayerOffer::default(), |l| l.offer))
    }
}

impl TrackLayer {
    fn new(kind: TrackKind) -> Self {
        let (packets, bytes) = match kind {
            TrackKind::Video => VIDEO_RING,
            TrackKind::Audio => AUDIO_RING,
        };
        Self::with_ring(PacketRing::new(packets, bytes))
    }

    pub(super) fn with_ring(ring: PacketRing) -> Self {
        Self {
            ring,
            keyframes: KeyframeRequests::default(),
            pending: Pending { seqs: Vec::with_capacity(PENDING_MAX), ..Pending::default() },
            offer: LayerOffer::default(),
            highest: None,
        }
    }
}

/// The name of a track inside the core: its place, and enough of its generation that a line never meets another track
/// under the name it knows.
pub(super) fn source_id(key: Key) -> SourceId {
    SourceId(key.index() | (key.generation() << 16))
}

/// All tracks of a shard.
pub(super) struct Tracks(pub Slots<Track>);

impl Tracks {
    pub(super) fn by_source(&self, source: SourceId) -> Option<(Key, &Track)> {
        self.0.at(source.0 & 0xffff).filter(|(_, t)| t.source == source)
    }
}

impl PacketSource for Tracks {
    fn packet(&self, source: SourceId, layer: Layer, seq: ExtSeq) -> Option<SourcePacket<'_>> {
        self.by_source(source)?.1.layers.get(layer.index())?.ring.get(seq)
    }
}
