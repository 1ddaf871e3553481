//! Feeds one track to the room's tap: one layer at a time, in sequence order, gaps waited for no longer than a
//! retransmission takes. The layer's packet ring is the reorder buffer; nothing is kept twice.

use bytes::{Bytes, BytesMut};
use lectern_media::{
    ExtSeq, ExtTimestamp, Layer, TrackId, TrackKind, UnixMillis,
    tap::{Offered, TapEvent, TapPacket, TapSender},
};
use lectern_sfu_core::{SourcePacket, packet_ring::PacketRing};
use std::time::{Duration, Instant};

/// How long a missing video packet is waited for: two round trips of a bad line and the NACK's own delay.
const VIDEO_WAIT: Duration = Duration::from_millis(300);
/// Sound is not asked for again: only what overtook is waited for.
const AUDIO_WAIT: Duration = Duration::from_millis(60);
/// How long a track's start is held back for its top layer: encoders begin with the lowest, and each change is a
/// discontinuity of the recording.
const TOP_LAYER_WAIT: Duration = Duration::from_millis(800);
/// Payloads are cut from slabs of this size, so that one allocation serves hundreds of packets.
const VIDEO_SLAB: usize = 256 << 10;
const AUDIO_SLAB: usize = 32 << 10;
/// How often a keyframe is asked for: browsers send none by themselves, and a recording must be seekable.
pub(super) const KEYFRAME_INTERVAL: Duration = Duration::from_secs(4);

/// The feed of one track.
pub(super) struct TapFeed {
    sender: TapSender,
    track: TrackId,
    kind: TrackKind,
    slab: BytesMut,
    began: Option<Instant>,
    /// The layer handed over, and the next number of it.
    position: Option<(Layer, ExtSeq)>,
    /// The layer that should be handed over: the highest that lives.
    target: Layer,
    pub keyframe_seen: Option<Instant>,
    closed: bool,
}

impl TapFeed {
    pub(super) fn new(sender: TapSender, track: TrackId, kind: TrackKind) -> Self {
        Self {
            sender,
            track,
            kind,
            slab: BytesMut::new(),
            began: None,
            position: None,
            target: Layer(0),
            keyframe_seen: None,
            closed: false,
        }
    }

    /// The layer that shall be handed over.
    pub(super) fn target(&self) -> Layer {
        self.target
    }

    /// The layer that is handed over.
    pub(super) fn layer(&self) -> Option<Layer> {
        self.position.map(|p| p.0)
    }

    pub(super) fn set_target(&mut self, layer: Layer) {
        self.target = layer;
    }

    /// Nobody reads any more.
    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// A packet arrived. Decides whether the feed begins, or changes its layer, with it.
    pub(super) fn on_packet(&mut self, now: Instant, packet: &SourcePacket<'_>, top: Layer) {
        let meta = &packet.meta;
        let began = *self.began.get_or_insert(now);
        if !packet.is_keyframe_start() {
            return;
        }
        if Some(meta.layer) == self.layer() {
            self.keyframe_seen = Some(now);
        }
        let begin = match self.layer() {
            None => meta.layer == top || (meta.layer == self.target && now >= began + TOP_LAYER_WAIT),
            Some(current) => meta.layer == self.target && meta.layer != current,
        };
        if begin {
            self.sender.event(TapEvent::Layer { track: self.track, layer: meta.layer });
            self.position = Some((meta.layer, meta.seq));
            self.keyframe_seen = Some(now);
        }
    }

    /// The numbers of `layer` begin anew: its encoder was restarted.
    pub(super) fn on_restart(&mut self, layer: Layer) {
        if self.layer() == Some(layer) {
            self.position = None;
            self.began = None;
        }
    }

    /// Hands over what is in order, and gives up what was waited for long enough.
    pub(super) fn pump(&mut self, now: Instant, wall: UnixMillis, ring: &PacketRing, highest: Option<ExtSeq>) {
        let (Some((layer, mut next)), Some(highest)) = (self.position, highest) else { return };
        let wait = if self.kind == TrackKind::Video { VIDEO_WAIT } else { AUDIO_WAIT };
        while next <= highest {
            let found = (next.0..=highest.0).find_map(|seq| ring.get(ExtSeq(seq)));
            let Some(packet) = found else {
                next = ExtSeq(highest.0 + 1);
                break;
            };
            if packet.meta.seq != next && now < packet.meta.arrival + wait {
                break;
            }
            next = ExtSeq(packet.meta.seq.0 + 1);
            if !packet.payload.is_empty() {
                let age = now.saturating_duration_since(packet.meta.arrival);
                let arrival = UnixMillis(wall.0 - age.as_millis() as i64);
                self.offer(&packet, arrival);
            }
        }
        self.position = Some((layer, next));
    }

    fn offer(&mut self, packet: &SourcePacket<'_>, arrival: UnixMillis) {
        let payload = self.copy(packet.payload);
        let offered = self.sender.offer(TapPacket {
            track: self.track,
            seq: packet.meta.seq,
            timestamp: packet.meta.timestamp,
            arrival,
            marker: packet.meta.marker,
            keyframe: packet.is_keyframe_start(),
            payload,
        });
        self.closed |= offered == Offered::Closed;
    }

    fn copy(&mut self, payload: &[u8]) -> Bytes {
        if self.slab.capacity() < payload.len() {
            let slab = if self.kind == TrackKind::Video { VIDEO_SLAB } else { AUDIO_SLAB };
            self.slab = BytesMut::with_capacity(slab.max(payload.len()));
        }
        self.slab.extend_from_slice(payload);
        self.slab.split().freeze()
    }

    pub(super) fn on_sender_report(&mut self, layer: Layer, ntp: UnixMillis, timestamp: ExtTimestamp) {
        if self.layer() == Some(layer) {
            self.sender.event(TapEvent::SenderReport { track: self.track, ntp, timestamp });
        }
    }

    pub(super) fn on_mute(&mut self, muted: bool) {
        self.sender.event(TapEvent::Muted { track: self.track, muted });
    }
}
