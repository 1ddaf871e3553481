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
/// How long a layer that failed once must have lived again before the feed goes back up to it.
const RISE_WAIT: Duration = Duration::from_secs(3);
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
    /// The layer that died last under the feed.
    failed: Option<Layer>,
    /// A failed layer, or one above it, that lives again, and since when.
    rising: Option<(Layer, Instant)>,
    pub keyframe_seen: Option<Instant>,
    /// The last sender report of each layer, to go with a change to it.
    reports: [Option<(UnixMillis, ExtTimestamp)>; Layer::COUNT_MAX],
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
            failed: None,
            rising: None,
            keyframe_seen: None,
            reports: [None; Layer::COUNT_MAX],
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

    /// `top` is the highest layer that lives. Down at once, and up at once: a recording takes the best there is. Only to
    /// where a layer has failed before it waits, since a publisher on an unsteady line switches its top layer off and on,
    /// and each change is a discontinuity of the recording.
    pub(super) fn aim(&mut self, now: Instant, top: Layer) {
        if self.position.is_some() && top < self.target {
            self.failed = Some(self.target);
        }
        let waits = top > self.target && self.failed.is_some_and(|failed| top >= failed);
        if self.position.is_none() || !waits {
            (self.target, self.rising) = (top, None);
            return;
        }
        match self.rising {
            Some((layer, since)) if layer == top => {
                if now >= since + RISE_WAIT {
                    (self.target, self.rising) = (top, None);
                }
            }
            _ => self.rising = Some((top, now)),
        }
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
            if let Some((ntp, timestamp)) = self.reports.get(meta.layer.index()).copied().flatten() {
                self.sender.event(TapEvent::SenderReport { track: self.track, ntp, timestamp });
            }
            self.position = Some((meta.layer, meta.seq));
            self.keyframe_seen = Some(now);
        }
    }

    /// The numbers of `layer` begin anew: its encoder was restarted.
    pub(super) fn on_restart(&mut self, layer: Layer) {
        if let Some(report) = self.reports.get_mut(layer.index()) {
            *report = None;
        }
        if self.layer() == Some(layer) {
            self.position = None;
            self.began = None;
        }
    }

    /// Hands over what is in order, and gives up what was waited for long enough.
    pub(super) fn pump(&mut self, now: Instant, wall: UnixMillis, ring: &PacketRing, highest: Option<ExtSeq>) {
        self.closed |= self.sender.flush() == Offered::Closed;
        let wait = if self.kind == TrackKind::Video { VIDEO_WAIT } else { AUDIO_WAIT };
        self.hand_over(now, wall, ring, highest, wait);
    }

    /// The track ended: hands over what is left, with its gaps, and returns the writing end to tell so.
    pub(super) fn finish(
        mut self,
        now: Instant,
        wall: UnixMillis,
        ring: Option<&PacketRing>,
        highest: Option<ExtSeq>,
    ) -> TapSender {
        if let Some(ring) = ring {
            self.hand_over(now, wall, ring, highest, Duration::ZERO);
        }
        self.sender
    }

    fn hand_over(
        &mut self,
        now: Instant,
        wall: UnixMillis,
        ring: &PacketRing,
        highest: Option<ExtSeq>,
        wait: Duration,
    ) {
        let (Some((layer, mut next)), Some(highest)) = (self.position, highest) else { return };
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
        if let Some(report) = self.reports.get_mut(layer.index()) {
            *report = Some((ntp, timestamp));
        }
        if self.layer() == Some(layer) {
            self.sender.event(TapEvent::SenderReport { track: self.track, ntp, timestamp });
        }
    }

    /// Packets went by before the feed was there.
    pub(super) fn missed(&mut self, since: UnixMillis, packets: u64) {
        self.sender.missed(since, packets);
    }

    pub(super) fn on_mute(&mut self, muted: bool) {
        self.sender.event(TapEvent::Muted { track: self.track, muted });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lectern_media::{Codec, ParticipantId, TrackInfo, TrackSource, tap};
    use lectern_sfu_core::{PacketMeta, descriptor::PayloadShape};

    const WALL: UnixMillis = UnixMillis(1_700_000_000_000);

    struct Bench {
        feed: TapFeed,
        rx: tap::TapReceiver,
        rings: [PacketRing; 2],
        highest: [Option<ExtSeq>; 2],
    }

    impl Bench {
        fn new() -> Self {
            let (handle, mut rx) = tap::channel(100);
            let info = TrackInfo {
                id: TrackId::generate(),
                participant: ParticipantId::generate(),
                source: TrackSource::Camera,
                codec: Codec::Vp8,
                layers: 2,
            };
            let sender = handle.start(&info).unwrap();
            assert!(matches!(rx.try_recv(), Ok(TapEvent::Started(_))));
            let rings = [PacketRing::new(256, 64 << 10), PacketRing::new(256, 64 << 10)];
            Self { feed: TapFeed::new(sender, info.id, TrackKind::Video), rx, rings, highest: [None; 2] }
        }

        /// A packet of a layer arrives.
        fn arrive(&mut self, now: Instant, layer: u8, seq: u64, keyframe: bool) {
            let tag = if keyframe { 0 } else { 1 };
            let payload = [0x10, tag, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0x68, 1];
            let packet = SourcePacket {
                meta: PacketMeta {
                    codec: Codec::Vp8,
                    layer: Layer(layer),
                    seq: ExtSeq(seq),
                    timestamp: ExtTimestamp(seq * 3_000),
                    clock_offset: None,
                    arrival: now,
                    marker: true,
                    audio_level: None,
                    shape: PayloadShape::describe(Codec::Vp8, &payload).unwrap(),
                },
                payload: &payload,
            };
            assert_eq!(packet.is_keyframe_start(), keyframe);
            let i = usize::from(layer);
            self.rings[i].push(&packet);
            self.highest[i] = self.highest[i].max(Some(ExtSeq(seq)));
            self.feed.on_packet(now, &packet, Layer(1));
            self.pump(now);
        }

        fn pump(&mut self, now: Instant) {
            if let Some(l) = self.feed.layer() {
                self.feed.pump(now, WALL, &self.rings[l.index()], self.highest[l.index()]);
            }
        }

        /// What was handed over since the last look: packets by number, layer changes as negative numbers.
        fn handed(&mut self) -> Vec<i64> {
            std::iter::from_fn(|| self.rx.try_recv().ok())
                .map(|e| match e {
                    TapEvent::Packet(p) => p.seq.0 as i64,
                    TapEvent::Layer { layer, .. } => -1 - i64::from(layer.0),
                    other => panic!("unexpected {other:?}"),
                })
                .collect()
        }
    }

    #[test]
    fn a_layer_comes_with_its_last_sender_report_and_the_end_with_what_is_left() {
        let now = Instant::now();
        let mut b = Bench::new();
        b.arrive(now, 0, 5, true);
        b.feed.on_sender_report(Layer(1), UnixMillis(7), ExtTimestamp(70));
        b.feed.on_sender_report(Layer(1), UnixMillis(8), ExtTimestamp(80));
        b.arrive(now, 1, 10, true);
        b.arrive(now, 1, 12, false);
        b.arrive(now, 1, 14, false);
        let Bench { feed, mut rx, rings, highest, .. } = b;
        feed.finish(now, WALL, Some(&rings[1]), highest[1]);
        let events: Vec<_> = std::iter::from_fn(|| rx.try_recv().ok()).collect();
        assert!(matches!(events[0], TapEvent::Layer { layer: Layer(1), .. }));
        assert!(matches!(events[1], TapEvent::SenderReport { ntp: UnixMillis(8), timestamp: ExtTimestamp(80), .. }));
        let packets = events.iter().filter_map(|e| match e {
            TapEvent::Packet(p) => Some(p.seq.0),
            _ => None,
        });
        assert_eq!(packets.collect::<Vec<_>>(), [10, 12, 14], "gaps are not waited for any more");
        assert!(matches!(events.last(), Some(TapEvent::Ended(_))));
    }

    #[test]
    fn a_gap_is_waited_for_and_filled_or_given_up() {
        let now = Instant::now();
        let mut b = Bench::new();
        b.arrive(now, 1, 10, true);
        b.arrive(now, 1, 12, false);
        b.arrive(now, 1, 13, false);
        assert_eq!(b.handed(), [-2, 10], "11 is waited for");
        b.arrive(now + Duration::from_millis(100), 1, 11, false);
        assert_eq!(b.handed(), [11, 12, 13], "repaired in time");
        let then = now + Duration::from_millis(200);
        b.arrive(then, 1, 15, false);
        b.pump(then + VIDEO_WAIT - Duration::from_millis(1));
        assert_eq!(b.handed(), [0; 0]);
        b.pump(then + VIDEO_WAIT);
        assert_eq!(b.handed(), [15], "14 is given up");
        b.arrive(then + VIDEO_WAIT, 1, 14, false);
        assert_eq!(b.handed(), [0; 0], "and too late afterwards");
    }

    #[test]
    fn it_begins_with_the_top_layer_or_after_a_while_with_the_best_there_is() {
        let now = Instant::now();
        let mut b = Bench::new();
        b.arrive(now, 0, 5, true);
        assert_eq!(b.handed(), [0; 0], "the top layer may come yet");
        b.arrive(now, 1, 700, true);
        assert_eq!(b.handed(), [-2, 700]);

        let mut b = Bench::new();
        b.arrive(now, 0, 5, true);
        b.arrive(now + TOP_LAYER_WAIT, 0, 9, true);
        assert_eq!(b.handed(), [-1, 9]);
    }

    #[test]
    fn layers_change_at_a_keyframe_of_the_target() {
        let now = Instant::now();
        let mut b = Bench::new();
        b.feed.aim(now, Layer(1));
        b.arrive(now, 1, 10, true);
        b.feed.aim(now, Layer(0));
        b.arrive(now, 0, 50, false);
        b.arrive(now, 1, 11, false);
        assert_eq!(b.handed(), [-2, 10, 11], "the old layer goes on until then");
        b.arrive(now, 0, 51, true);
        b.arrive(now, 1, 12, false);
        b.arrive(now, 0, 52, false);
        assert_eq!(b.handed(), [-1, 51, 52]);
    }

    #[test]
    fn it_goes_up_at_once_to_what_never_failed() {
        let now = Instant::now();
        let mut b = Bench::new();
        b.arrive(now, 1, 10, true);
        // (the highest layer that lives, the target): 2 fails, and what lives below it is taken as it comes.
        for (top, want) in [(2, 2), (0, 0), (1, 1), (2, 1)] {
            b.feed.aim(now, Layer(top));
            assert_eq!(b.feed.target(), Layer(want), "{top} lives");
        }
    }

    #[test]
    fn it_goes_down_at_once_and_back_up_after_a_while() {
        let now = Instant::now();
        let at = |ms| now + Duration::from_millis(ms);
        let mut b = Bench::new();
        b.feed.aim(now, Layer(1));
        b.arrive(now, 1, 10, true);
        // (milliseconds, the highest layer that lives, the target)
        for (ms, top, want) in
            [(100, 0, 0), (200, 1, 0), (3_100, 1, 0), (3_150, 0, 0), (3_200, 1, 0), (6_150, 1, 0), (6_200, 1, 1)]
        {
            b.feed.aim(at(ms), Layer(top));
            assert_eq!(b.feed.target(), Layer(want), "after {ms} ms");
        }
    }

    #[test]
    fn payloads_share_slabs() {
        let now = Instant::now();
        let mut b = Bench::new();
        b.arrive(now, 1, 1, true);
        b.arrive(now, 1, 2, false);
        let packets: Vec<_> = std::iter::from_fn(|| b.rx.try_recv().ok())
            .filter_map(|e| match e {
                TapEvent::Packet(p) => Some(p),
                _ => None,
            })
            .collect();
        let (first, second) = (&packets[0].payload, &packets[1].payload);
        assert_eq!(first.as_ptr() as usize + first.len(), second.as_ptr() as usize, "cut from one piece");
    }
}
