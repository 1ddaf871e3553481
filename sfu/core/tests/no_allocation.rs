//! Law 7: nothing is allocated per packet. Counts allocations while packets go from a publisher's door to fifty
//! subscribers and back come feedback, losses and repairs; after a warm-up there are none.

use lectern_media::{Codec, ExtSeq, Layer, PayloadType, RtpView, Ssrc, TrackKind};
use lectern_sfu_core::{
    AudioLevel, PacketSource, SourceId, SourcePacket,
    allocate::{LayerOffer, Offers, Priority},
    downtrack::{ExtensionIds, LineConfig, PayloadTypes},
    gso,
    ingest::{StreamConfig, StreamIngest},
    packet_ring::PacketRing,
    rtcp::Builder,
    speaker::Speakers,
    subscriber::{Forwarded, LineId, PACKET_LEN_MAX, Subscriber, SubscriberConfig, Wish},
    time::NtpTime,
    twcc::ArrivalLog,
};
use std::{
    alloc::{GlobalAlloc, Layout, System},
    cell::Cell,
    time::{Duration, Instant},
};

/// The system's allocator, counting per thread (the test harness has threads of its own).
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
}

// SAFETY: every call is handed to the system's allocator unchanged; counting touches a thread-local without a destructor.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller's promise about `layout` is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: `ptr` came from `alloc` above with the same `layout`.
        unsafe { System.dealloc(ptr, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

const CAMERA: SourceId = SourceId(0);
const VIEWERS: usize = 50;
const VIDEO: LineId = LineId(0);
const AUDIO: LineId = LineId(1);

struct Rings([PacketRing; 3]);

impl PacketSource for Rings {
    fn packet(&self, source: SourceId, layer: Layer, seq: ExtSeq) -> Option<SourcePacket<'_>> {
        if source == CAMERA { self.0[layer.index()].get(seq) } else { None }
    }
}

/// The whole path, with buffers made beforehand.
struct Plane {
    t0: Instant,
    ms: u64,
    layers: [StreamIngest; 3],
    audio: StreamIngest,
    rings: Rings,
    subs: Vec<Subscriber>,
    logs: Vec<ArrivalLog>,
    /// The newest picture packet of each viewer.
    newest: [u16; VIEWERS],
    seqs: [u16; 4],
    packet: Vec<u8>,
    speakers: Speakers,
    upstream: ArrivalLog,
    sent: u64,
}

impl Plane {
    fn new() -> Self {
        let t0 = Instant::now();
        let stream = |codec, layer| {
            let ssrc = Ssrc(u32::from(layer));
            StreamIngest::new(StreamConfig { ssrc, codec, layer: Layer(layer), nack: true, audio_level_id: Some(5) })
        };
        let subs = (0..VIEWERS as u64).map(|n| {
            let mut sub = Subscriber::new(t0, SubscriberConfig::default());
            let extensions = ExtensionIds { mid: Some(4), twcc: Some(3), abs_send_time: Some(2), audio_level: Some(5) };
            for (kind, codec, ssrc) in [(TrackKind::Video, Codec::Vp8, 10), (TrackKind::Audio, Codec::Opus, 20)] {
                let rtx = (kind == TrackKind::Video).then_some(PayloadType(97));
                sub.add_line(&LineConfig {
                    kind,
                    ssrc: Ssrc(ssrc),
                    rtx_ssrc: rtx.map(|_| Ssrc(ssrc + 1)),
                    payload_types: vec![PayloadTypes { codec, media: PayloadType(96), rtx }],
                    extensions,
                    mid: Some("0".into()),
                    seed: n * 0x1234_5678_9abc,
                })
                .unwrap();
            }
            sub.set_source(t0, VIDEO, Some(CAMERA));
            sub.set_source(t0, AUDIO, Some(SourceId(1)));
            sub.set_wish(VIDEO, Wish { tile_height: 720, priority: Priority::Speaker, thumbnail: false });
            sub
        });
        Self {
            t0,
            ms: 0,
            layers: [0, 1, 2].map(|l| stream(Codec::Vp8, l)),
            audio: stream(Codec::Opus, 0),
            rings: Rings([0; 3].map(|_| PacketRing::new(1_024, 1 << 20))),
            subs: subs.collect(),
            logs: (0..VIEWERS).map(|_| ArrivalLog::default()).collect(),
            newest: [0; VIEWERS],
            seqs: [0; 4],
            packet: Vec::with_capacity(1_500),
            speakers: Speakers::default(),
            upstream: ArrivalLog::default(),
            sent: 0,
        }
    }

    fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.t0 + Duration::from_millis(self.ms);
        if self.ms.is_multiple_of(33) {
            for layer in 0..3usize {
                for part in 0..[1, 3, 8][layer] {
                    self.video(now, layer, part, [1, 3, 8][layer]);
                }
            }
        }
        if self.ms.is_multiple_of(20) {
            self.sound(now);
        }
        if self.ms.is_multiple_of(100) {
            self.report(now);
        }
        let mut out = [0; PACKET_LEN_MAX];
        for (n, sub) in self.subs.iter_mut().enumerate() {
            while sub.next_timeout().is_some_and(|at| at <= now) {
                let Some(len) = sub.poll_transmit(now, &self.rings, &mut out) else { break };
                arrived(&mut self.logs[n], &mut self.newest[n], now, &out[..len], &mut self.sent);
            }
        }
        self.ms += 1;
    }

    fn video(&mut self, now: Instant, layer: usize, part: usize, of: usize) {
        let frame = (self.ms / 33) as u16;
        let key = frame.is_multiple_of(60);
        self.begin(layer, part + 1 == of, frame.wrapping_mul(2_970).into());
        let [high, low] = (frame | 0x8000).to_be_bytes();
        let start = if part == 0 { 0x90 } else { 0x80 };
        self.packet.extend_from_slice(&[start, 0xe0, high, low, frame as u8, 0, u8::from(!key)]);
        self.packet.resize(1_100 + usize::from(part + 1 == of), 7);
        let view = RtpView::parse(&self.packet).unwrap();
        self.upstream.record(now, self.seqs[layer]);
        let packet = self.layers[layer].receive(now, &view).unwrap();
        self.rings.0[layer].push(&packet);
        let mut pads = [0; 8];
        gso::equalise(&[1_100, 1_100, 1_101], &mut pads[..3]);
        for (n, sub) in self.subs.iter_mut().enumerate() {
            let mut out = [0; PACKET_LEN_MAX];
            if let Ok(Forwarded::Written(len)) = sub.forward(now, VIDEO, &packet, pads[0], &mut out) {
                arrived(&mut self.logs[n], &mut self.newest[n], now, &out[..len], &mut self.sent);
            }
        }
    }

    fn sound(&mut self, now: Instant) {
        self.begin(3, false, (self.ms * 48) as u32);
        self.packet.resize(90, 3);
        let view = RtpView::parse(&self.packet).unwrap();
        let packet = self.audio.receive(now, &view).unwrap();
        self.speakers.on_level(now, SourceId(1), AudioLevel { below_full_dbov: 30, voice: true });
        self.speakers.poll(now);
        for (n, sub) in self.subs.iter_mut().enumerate() {
            let mut out = [0; PACKET_LEN_MAX];
            if let Ok(Forwarded::Written(len)) = sub.forward(now, AUDIO, &packet, 0, &mut out) {
                arrived(&mut self.logs[n], &mut self.newest[n], now, &out[..len], &mut self.sent);
            }
        }
    }

    /// Writes the header of the next packet; every fiftieth number is missing.
    fn begin(&mut self, stream: usize, marker: bool, timestamp: u32) {
        let seq = self.seqs[stream].wrapping_add(if self.seqs[stream] % 50 == 49 { 2 } else { 1 });
        self.seqs[stream] = seq;
        self.packet.clear();
        self.packet.extend_from_slice(&[0x80, if marker { 0xe0 } else { 0x60 }]);
        self.packet.extend_from_slice(&seq.to_be_bytes());
        self.packet.extend_from_slice(&timestamp.to_be_bytes());
        self.packet.extend_from_slice(&[0, 0, 0, stream as u8]);
    }

    /// Feedback and losses from every viewer; ticks and reports; NACK and feedback to the publisher.
    fn report(&mut self, now: Instant) {
        let mut offers = Offers::default();
        for ((o, l), height) in offers.iter_mut().zip(&mut self.layers).zip([180, 360, 720]) {
            *o = LayerOffer::new(l.bitrate(now), Some(height));
        }
        for (n, sub) in self.subs.iter_mut().enumerate() {
            let mut buf = [0; 1_400];
            let mut b = Builder::new(&mut buf);
            self.logs[n].build(now, Ssrc(9), Ssrc(10), &mut b).unwrap();
            let newest = self.newest[n];
            b.nack(Ssrc(9), Ssrc(10), &[newest.wrapping_sub(9), newest.wrapping_sub(4)]).unwrap();
            sub.on_rtcp(now, b.bytes(), |_| {}).unwrap();
            sub.tick(now, |s| if s == CAMERA { offers } else { Offers::default() }, |_| {});
            let mut buf = [0; 200];
            sub.sender_reports(now, NtpTime(1 << 50), &mut Builder::new(&mut buf));
        }
        let mut lost = [0; 64];
        let mut buf = [0; 1_400];
        let mut b = Builder::new(&mut buf);
        for l in &mut self.layers {
            let poll = l.poll_nack(now, Duration::from_millis(50), &mut lost);
            b.nack(Ssrc(9), l.config().ssrc, &lost[..poll.lost]).unwrap();
            let block = l.report_block(now);
            b.receiver_report(Ssrc(9), block.as_slice()).unwrap();
        }
        self.upstream.build(now, Ssrc(9), Ssrc(0), &mut b).unwrap();
    }
}

/// The viewer's side: every hundredth packet is lost.
fn arrived(log: &mut ArrivalLog, newest: &mut u16, now: Instant, packet: &[u8], sent: &mut u64) {
    *sent += 1;
    if sent.is_multiple_of(100) {
        return;
    }
    let view = RtpView::parse(packet).unwrap();
    let twcc = view.extension(3).unwrap();
    if view.ssrc() == Ssrc(10) {
        *newest = view.seq();
    }
    log.record(now + Duration::from_millis(20), u16::from_be_bytes([twcc[0], twcc[1]]));
}

#[test]
fn nothing_is_allocated_per_packet_and_a_subscriber_stays_small() {
    let mut plane = Plane::new();
    plane.run_ms(10_000);
    let (before, sent) = (ALLOCATIONS.with(Cell::get), plane.sent);
    plane.run_ms(20_000);
    let (allocations, sent) = (ALLOCATIONS.with(Cell::get) - before, plane.sent - sent);
    let repaired: u64 = plane.subs.iter().map(|s| s.stats(VIDEO).retransmitted).sum();
    assert!(sent > 200_000 && repaired > 1_000, "{sent} packets, {repaired} repairs: the test would prove nothing");
    assert_eq!(plane.subs[0].layer(VIDEO), Some(Layer(2)), "the top layer is carried");
    assert_eq!(allocations, 0, "{sent} packets were forwarded, {repaired} repaired");
    let memory = plane.subs[0].memory_bytes();
    println!("{sent} packets without an allocation, {memory} bytes a subscriber");
    assert!(memory < 60_000, "{memory} bytes a subscriber");
}
