//! Publishing from this process: a camera's packets, which come by RTSP and not by WebRTC, on their way into a shard.
//!
//! A [`LocalPublisher`] is the sender's end of a bounded queue; the shard that owns the room reads the other. What the
//! shard makes of it is in `shard::local`. Not here: RTSP, packetisation, when to reconnect.

use crate::shard::{Inbox, Key};
use bytes::Bytes;
use crossbeam_queue::ArrayQueue;
use lectern_media::{Codec, Layer, ParticipantId, RoomId, TrackId, TrackInfo, TrackKind, TrackSource};
use lectern_sfu_core::{packet::PAYLOAD_LEN_MAX, time::NtpTime};
use metrics::counter;
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering},
    },
    time::Instant,
};

/// The most tracks of one local publisher.
pub const LOCAL_TRACKS_MAX: usize = 4;
/// Packets that may wait for the shard: the largest keyframe of a 4 Mbit/s main stream (600 kB) with what comes beside it;
/// for a publisher of one layer, the same of a substream (150 kB). About 100 bytes each, without the payloads.
const QUEUE_MAIN: usize = 640;
const QUEUE_SUB: usize = 192;

/// What is published from this process under one participant: one camera.
#[derive(Debug, Clone)]
pub struct LocalPublish {
    /// The room. It exists from now on, until it is empty or closed.
    pub room: RoomId,
    /// Who publishes.
    pub participant: ParticipantId,
    /// Its tracks, 1 to [`LOCAL_TRACKS_MAX`].
    pub tracks: Vec<LocalTrack>,
}

/// One track of a [`LocalPublish`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LocalTrack {
    /// What it shows, or whose sound it is.
    pub source: TrackSource,
    /// How it is encoded, all layers alike: H.264, Opus or G.711.
    pub codec: Codec,
    /// How many layers it has, 1 to [`Layer::COUNT_MAX`], lowest first. Sound has one. Of a camera: the substream is layer
    /// 0, the main stream layer 1; a main stream that browsers can't play (H.265) is no layer.
    pub layers: u8,
    /// The heights of the layers in pixels, lowest first; 0 = not known. A tile is served by the lowest layer that is at
    /// least two thirds of its height: a substream of 360 lines up to 540, the main stream beyond.
    pub heights: [u16; Layer::COUNT_MAX],
}

/// One RTP payload on its way into the media plane. Sequence numbers are given there.
#[derive(Debug, Clone)]
pub struct LocalPacket {
    /// The RTP timestamp, in ticks of the codec's clock; all packets of one picture have the same, and each layer counts on
    /// its own.
    pub timestamp: u32,
    /// The last packet of a picture; of sound, the first after silence.
    pub marker: bool,
    /// The packet belongs to a picture at which a decoder can start. For H.264 its parameter sets must come first in it.
    pub keyframe: bool,
    /// The payload (RFC 6184, RFC 7587, RFC 3551), 1 to 1,400 bytes; 1,150 or less pass everywhere.
    pub payload: Bytes,
    /// When it arrived from the camera.
    pub arrival: Instant,
}

/// Why a packet was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum LocalDrop {
    /// The queue is full: the shard is behind. Of pictures all is dropped through to the next keyframe.
    QueueFull,
    /// It refers to a picture that was dropped.
    AwaitingKeyframe,
    /// Empty, or longer than any packet that is sent.
    BadLength,
    /// There is no such track or layer.
    NoSuchLayer,
}

impl LocalDrop {
    /// The value of the `reason` label in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::AwaitingKeyframe => "awaiting_keyframe",
            Self::BadLength => "bad_length",
            Self::NoSuchLayer => "no_such_layer",
        }
    }
}

/// What became of a packet handed to [`LocalPublisher::send`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offered {
    /// The media plane has it.
    Taken,
    /// It was dropped, and counted.
    Dropped(LocalDrop),
    /// The room was closed, or the media plane has ended.
    Closed,
}

/// What waits in the queue.
pub(crate) enum Item {
    Packet { track: u8, layer: u8, packet: LocalPacket },
    Report { track: u8, layer: u8, ntp: NtpTime, timestamp: u32 },
}

/// What a local publisher and its shard share.
pub(crate) struct LocalQueue {
    /// The publisher's place in the shard.
    pub key: Key,
    items: ArrayQueue<Item>,
    /// The shard's list of queues to look at has this one.
    listed: AtomicBool,
    /// The publisher is gone: what waits is still taken.
    closed: AtomicBool,
    /// The shard is gone, or the room.
    ended: AtomicBool,
    /// Which layers someone wants, a bit each.
    wanted: [AtomicU8; LOCAL_TRACKS_MAX],
}

impl LocalQueue {
    pub(crate) fn new(key: Key, tracks: &[LocalTrack]) -> Self {
        let large = tracks.iter().any(|t| t.layers > 1 || t.heights[0] > 480);
        Self {
            key,
            items: ArrayQueue::new(if large { QUEUE_MAIN } else { QUEUE_SUB }),
            listed: AtomicBool::new(false),
            closed: AtomicBool::new(false),
            ended: AtomicBool::new(false),
            wanted: Default::default(),
        }
    }

    /// The shard begins to read: from now on a new item lists the queue again.
    pub(crate) fn begin_reading(&self) {
        self.listed.swap(false, Ordering::SeqCst);
    }

    /// Whether the caller must put the queue on the shard's list.
    pub(crate) fn must_list(&self) -> bool {
        !self.listed.swap(true, Ordering::SeqCst)
    }

    pub(crate) fn next(&self) -> Option<Item> {
        self.items.pop()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    pub(crate) fn end(&self) {
        self.ended.store(true, Ordering::Release);
    }

    /// Someone wants these layers (a bit each) of a track; besides those wanted already.
    pub(crate) fn want(&self, track: usize, layers: u8) {
        if let Some(w) = self.wanted.get(track).filter(|w| w.load(Ordering::Relaxed) & layers != layers) {
            w.fetch_or(layers, Ordering::Relaxed);
        }
    }

    /// These layers of a track and no others are wanted.
    pub(crate) fn set_wanted(&self, track: usize, layers: u8) {
        if let Some(w) = self.wanted.get(track) {
            w.store(layers, Ordering::Relaxed);
        }
    }
}

/// Where one layer stands on the sender's side: 0, or that everything is dropped up to a keyframe that is not of the picture
/// with the timestamp in the low 32 bits.
type Dropping = AtomicU64;

/// A publisher in this process. Of each track one task sends; the rest may be asked by anyone. Dropping it ends its tracks.
pub struct LocalPublisher {
    queue: Arc<LocalQueue>,
    inbox: Arc<Inbox>,
    tracks: Vec<TrackInfo>,
    dropping: [[Dropping; Layer::COUNT_MAX]; LOCAL_TRACKS_MAX],
}

impl std::fmt::Debug for LocalPublisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LocalPublisher").field("tracks", &self.tracks).finish_non_exhaustive()
    }
}

impl LocalPublisher {
    pub(crate) fn new(queue: Arc<LocalQueue>, inbox: Arc<Inbox>, tracks: Vec<TrackInfo>) -> Self {
        Self { queue, inbox, tracks, dropping: Default::default() }
    }

    /// The tracks, in the order of [`LocalPublish::tracks`]. [`SfuEvent::TrackStarted`](crate::SfuEvent::TrackStarted)
    /// follows for each with its first packet.
    #[must_use]
    pub fn tracks(&self) -> &[TrackInfo] {
        &self.tracks
    }

    /// Hands a packet over. Never waits; the shard is woken once a picture is complete, and only if it sleeps.
    pub fn send(&self, track: TrackId, layer: Layer, packet: LocalPacket) -> Offered {
        if self.has_ended() {
            return Offered::Closed;
        }
        let Some((at, video)) = self.place(track, layer) else { return dropped(LocalDrop::NoSuchLayer) };
        if !(1..=PAYLOAD_LEN_MAX).contains(&packet.payload.len()) {
            return dropped(LocalDrop::BadLength);
        }
        let dropping = &self.dropping[at][layer.index()];
        let since = dropping.load(Ordering::Relaxed);
        if since != 0 {
            let resumes = packet.keyframe && packet.timestamp != since as u32 && !self.is_half_full();
            if !resumes {
                return dropped(LocalDrop::AwaitingKeyframe);
            }
            dropping.store(0, Ordering::Relaxed);
        }
        let (marker, timestamp) = (packet.marker, packet.timestamp);
        if self.queue.items.push(Item::Packet { track: at as u8, layer: layer.0, packet }).is_err() {
            if video {
                dropping.store(1 << 32 | u64::from(timestamp), Ordering::Relaxed);
            }
            self.signal(true);
            return dropped(LocalDrop::QueueFull);
        }
        self.signal(marker || !video || self.is_half_full());
        Offered::Taken
    }

    /// Tells that the RTP timestamp of a layer stands for this moment of the camera's wall clock (an RTCP sender report,
    /// RFC 3550 §6.4.1). It puts the layers and the sound on one line of time, and viewers' reports speak of it.
    pub fn report(&self, track: TrackId, layer: Layer, ntp: NtpTime, timestamp: u32) {
        if let Some((at, _)) = self.place(track, layer) {
            // One that finds no room is followed by others.
            let _ = self.queue.items.push(Item::Report { track: at as u8, layer: layer.0, ntp, timestamp });
            self.signal(false);
        }
    }

    /// Whether some subscriber wants this layer now, or is on its way to it or from it. Layer 0 should be sent whatever
    /// this says: the shard keeps its last group of pictures for those who begin to watch.
    #[must_use]
    pub fn wanted(&self, track: TrackId, layer: Layer) -> bool {
        self.place(track, layer)
            .is_some_and(|(at, _)| self.queue.wanted[at].load(Ordering::Relaxed) >> layer.0 & 1 == 1)
    }

    /// Whether the room was closed, or the media plane has ended.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.queue.ended.load(Ordering::Acquire) || self.inbox.is_stopping()
    }

    fn place(&self, track: TrackId, layer: Layer) -> Option<(usize, bool)> {
        let at = self.tracks.iter().position(|t| t.id == track)?;
        let info = &self.tracks[at];
        (layer.0 < info.layers).then_some((at, info.codec.kind() == TrackKind::Video))
    }

    fn is_half_full(&self) -> bool {
        self.queue.items.len() * 2 > self.queue.items.capacity()
    }

    fn signal(&self, wake: bool) {
        if self.queue.must_list() {
            self.inbox.list_local(self.queue.key);
        }
        if wake {
            self.inbox.wake();
        }
    }
}

impl Drop for LocalPublisher {
    fn drop(&mut self) {
        self.queue.closed.store(true, Ordering::SeqCst);
        self.signal(true);
    }
}

/// Counts a drop. Rare enough to look its counter up.
fn dropped(why: LocalDrop) -> Offered {
    counter!("lectern_sfu_local_dropped_packets_total", "reason" => why.label()).increment(1);
    Offered::Dropped(why)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::shard::key_for_tests;

    fn publisher() -> LocalPublisher {
        let video = LocalTrack { source: TrackSource::Camera, codec: Codec::H264, layers: 1, heights: [360, 0, 0] };
        let sound = LocalTrack {
            source: TrackSource::Microphone,
            codec: Codec::Pcma,
            layers: 1,
            heights: [0; Layer::COUNT_MAX],
        };
        let queue = Arc::new(LocalQueue::new(key_for_tests(), &[video, sound]));
        let info = |t: LocalTrack| TrackInfo {
            id: TrackId::generate(),
            participant: ParticipantId::generate(),
            source: t.source,
            codec: t.codec,
            layers: t.layers,
        };
        LocalPublisher::new(queue, Arc::new(Inbox::new().unwrap()), vec![info(video), info(sound)])
    }

    fn send(p: &LocalPublisher, track: usize, timestamp: u32, keyframe: bool, len: usize) -> Offered {
        let payload = vec![0x41; len].into();
        let packet = LocalPacket { timestamp, marker: true, keyframe, payload, arrival: Instant::now() };
        p.send(p.tracks[track].id, Layer(0), packet)
    }

    #[test]
    fn a_full_queue_drops_through_to_the_next_keyframe() {
        use LocalDrop::{AwaitingKeyframe, QueueFull};
        let p = publisher();
        let taken = (0..).take_while(|n| send(&p, 0, *n, *n == 0, 100) == Offered::Taken).count();
        assert_eq!(taken, QUEUE_SUB);
        let drain = |n| (0..n).filter(|_| p.queue.next().is_some()).count();
        assert_eq!(send(&p, 0, 1_000, true, 100), Offered::Dropped(AwaitingKeyframe), "there is no room for a picture");
        assert_eq!(send(&p, 1, 1_000, true, 100), Offered::Dropped(QueueFull), "sound waits for nothing");
        assert_eq!(drain(1), 1);
        assert_eq!(send(&p, 1, 1_160, true, 100), Offered::Taken);
        drain(QUEUE_SUB);
        assert_eq!(send(&p, 0, 1_001, false, 100), Offered::Dropped(AwaitingKeyframe), "what it refers to is gone");
        let cut = p.dropping[0][0].load(Ordering::Relaxed) as u32;
        assert_eq!(send(&p, 0, cut, true, 100), Offered::Dropped(AwaitingKeyframe), "the rest of what was cut");
        assert_eq!(send(&p, 0, 1_002, true, 100), Offered::Taken);
        assert_eq!(send(&p, 0, 1_003, false, 100), Offered::Taken);
    }

    #[test]
    fn what_makes_no_sense_is_refused_and_an_ended_shard_takes_nothing() {
        let p = publisher();
        assert_eq!(send(&p, 0, 0, true, 0), Offered::Dropped(LocalDrop::BadLength));
        assert_eq!(send(&p, 0, 0, true, PAYLOAD_LEN_MAX + 1), Offered::Dropped(LocalDrop::BadLength));
        let packet = LocalPacket {
            timestamp: 0,
            marker: true,
            keyframe: true,
            payload: Bytes::from_static(&[0x67]),
            arrival: Instant::now(),
        };
        assert_eq!(p.send(p.tracks[0].id, Layer(1), packet.clone()), Offered::Dropped(LocalDrop::NoSuchLayer));
        assert_eq!(p.send(TrackId::generate(), Layer(0), packet), Offered::Dropped(LocalDrop::NoSuchLayer));
        p.queue.end();
        assert_eq!(send(&p, 0, 0, true, 1), Offered::Closed);
    }

    #[test]
    fn a_queue_is_listed_once_however_much_is_in_it() {
        let p = publisher();
        for n in 0..10 {
            send(&p, 0, n, n == 0, 100);
        }
        assert_eq!(p.inbox.listed_locals(), 1);
        assert_eq!(p.inbox.next_local(), Some(p.queue.key));
        p.queue.begin_reading();
        send(&p, 0, 11, false, 100);
        assert_eq!(p.inbox.listed_locals(), 1, "again, for what came since");
        let inbox = Arc::clone(&p.inbox);
        inbox.next_local();
        p.queue.begin_reading();
        drop(p);
        assert_eq!(inbox.listed_locals(), 1, "its end is told");
    }
}
