//! A class on virtual time: a simulcast publisher, the core, a line with a tail-drop queue, and a viewer that answers as a
//! browser does. No clock is read but once, for an origin; the same seed gives the same run.

#![allow(dead_code, reason = "each test binary uses its own part of this module")]

use lectern_media::{Bitrate, Codec, ExtSeq, Layer, PayloadType, RtpView, Ssrc, TrackKind};
use lectern_sfu_core::{
    SourceId,
    allocate::{LayerOffer, Offers, Priority},
    downtrack::{ExtensionIds, LineConfig, PayloadTypes},
    ingest::{StreamConfig, StreamIngest},
    keyframe::KeyframeRequests,
    packet::{PacketSource, SourcePacket},
    packet_ring::{PacketRing, TrackRings},
    rtcp::Builder,
    subscriber::{Ask, Forwarded, LineId, Subscriber, SubscriberConfig, Wish},
    twcc::ArrivalLog,
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

/// xorshift64*: small, and the same everywhere.
#[derive(Debug, Clone)]
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Uniform in [0, 1).
    pub fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }
}

/// One direction of a line.
#[derive(Debug, Clone, Copy)]
pub struct Link {
    pub rate: Bitrate,
    pub delay: Duration,
    /// Tail drop beyond this much queue.
    pub queue: Duration,
    pub loss: f64,
    /// How often the viewer sends feedback, in ms. Browsers: 50 to 250, the less often the thinner the line.
    pub feedback_ms: u64,
    /// Each packet is late by up to this much more (order is kept).
    pub jitter: Duration,
    /// Several times a second the viewer's machine is busy and takes nothing for up to this long.
    pub stall: Duration,
}

impl Link {
    pub fn kbps(kbps: u64) -> Self {
        let ms = Duration::from_millis;
        Self {
            rate: Bitrate::kbps(kbps),
            delay: ms(20),
            queue: ms(200),
            loss: 0.0,
            feedback_ms: 100,
            jitter: ms(0),
            stall: ms(0),
        }
    }

    pub fn loss(self, loss: f64) -> Self {
        Self { loss, ..self }
    }

    pub fn delay_ms(self, ms: u64) -> Self {
        Self { delay: Duration::from_millis(ms), ..self }
    }

    pub fn queue_ms(self, ms: u64) -> Self {
        Self { queue: Duration::from_millis(ms), ..self }
    }

    pub fn feedback_ms(self, ms: u64) -> Self {
        Self { feedback_ms: ms, ..self }
    }

    pub fn stall_ms(self, ms: u64) -> Self {
        Self { stall: Duration::from_millis(ms), ..self }
    }

    pub fn jitter_ms(self, ms: u64) -> Self {
        Self { jitter: Duration::from_millis(ms), ..self }
    }
}

/// IP and UDP headers and the SRTP tag: what the line carries besides the packet.
const OVERHEAD: usize = 44;
/// The viewer joins this long after the publisher began.
const WARM_UP_MS: u64 = 3_000;
const CAMERA: SourceId = SourceId(1);
const MICROPHONE: SourceId = SourceId(2);
pub const VIDEO: LineId = LineId(0);
pub const AUDIO: LineId = LineId(1);
const VIDEO_SSRC: Ssrc = Ssrc(0x1000);
const RTX_SSRC: Ssrc = Ssrc(0x1001);
const AUDIO_SSRC: Ssrc = Ssrc(0x2000);

/// The publisher: three VP8 layers at 30 frames a second and sound.
struct Publisher {
    layers: Vec<LayerSource>,
    audio: StreamIngest,
    audio_ring: PacketRing,
    audio_seq: u16,
    rng: Rng,
}

struct LayerSource {
    bitrate: Bitrate,
    height: u16,
    ingest: StreamIngest,
    requests: KeyframeRequests,
    keyframe_at: Option<Instant>,
    seq: u16,
    picture_id: u16,
    tl0: u8,
}

/// What the viewer saw.
#[derive(Debug, Default)]
pub struct Seen {
    /// (time in ms, layer carried) at each change.
    pub layers: Vec<(u64, Option<u8>)>,
    /// Queue of the line in ms, sampled every 10 ms.
    pub queue_ms: Vec<(u64, f64)>,
    /// (time in ms, kbit/s) every 100 ms.
    pub estimate: Vec<(u64, u64)>,
    /// Arrival times of sound in ms.
    pub audio_ms: Vec<u64>,
    /// Sound packets sent.
    pub audio_sent: u64,
    /// Complete frames shown: time in ms.
    pub frames_ms: Vec<u64>,
    pub dropped: u64,
    pub bytes: u64,
    pub nacked: u64,
    pub repaired: u64,
}

impl Seen {
    pub fn layer_at(&self, ms: u64) -> Option<u8> {
        self.layers.iter().take_while(|(t, _)| *t <= ms).last().and_then(|(_, l)| *l)
    }

    /// The longest pause between sound packets within a stretch.
    pub fn audio_gap_ms(&self, from: u64, to: u64) -> u64 {
        let within: Vec<_> = self.audio_ms.iter().filter(|t| (from..to).contains(*t)).collect();
        within.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(to - from)
    }

    /// The longest pause between frames within a stretch.
    pub fn freeze_ms(&self, from: u64, to: u64) -> u64 {
        let within: Vec<_> = self.frames_ms.iter().filter(|t| (from..to).contains(*t)).collect();
        within.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(to - from)
    }

    /// The queue that was exceeded one time in `one_in`.
    pub fn queue_quantile(&self, from: u64, to: u64, q: f64) -> f64 {
        let mut v: Vec<f64> = self.queue_ms.iter().filter(|(t, _)| (from..to).contains(t)).map(|(_, q)| *q).collect();
        v.sort_by(f64::total_cmp);
        v.get((v.len() as f64 * q) as usize).copied().unwrap_or(0.0)
    }

    pub fn estimate_at(&self, ms: u64) -> u64 {
        self.estimate.iter().take_while(|(t, _)| *t <= ms).last().map_or(0, |(_, e)| *e)
    }
}

/// The whole simulation.
pub struct Sim {
    t0: Instant,
    ms: u64,
    publisher: Publisher,
    rings: TrackRings,
    pub subscriber: Subscriber,
    link: Link,
    line_free_at: Instant,
    /// The viewer's machine is busy until then, and the next time from then.
    busy: (Instant, Instant),
    down: VecDeque<(Instant, Vec<u8>)>,
    up: VecDeque<(Instant, Vec<u8>)>,
    viewer: Viewer,
    rng: Rng,
    joined_at: Option<Instant>,
    pub seen: Seen,
    /// Layers the publisher does not send now.
    pub silent: [bool; 3],
    /// The publisher sends no sound.
    pub mute: bool,
    /// The next so many keyframes are lost on their way to us.
    pub lose_keyframes: u32,
}

/// A receiver: transport-wide feedback, NACK, PLI, frames by marker.
#[derive(Default)]
struct Viewer {
    log: ArrivalLog,
    highest: Option<ExtSeq>,
    missing: BTreeMap<u64, (Instant, u32)>,
    frames: BTreeMap<u32, Frame>,
    shown: Option<u32>,
    broken: bool,
    pli_at: Option<Instant>,
}

#[derive(Default)]
struct Frame {
    first: Option<u64>,
    last: Option<u64>,
    packets: u64,
    keyframe: bool,
    seqs: Vec<u64>,
}

struct Both<'a>(&'a TrackRings, &'a PacketRing);

impl PacketSource for Both<'_> {
    fn packet(&self, source: SourceId, layer: Layer, seq: ExtSeq) -> Option<SourcePacket<'_>> {
        if source == MICROPHONE { self.1.get(seq) } else { self.0.packet(source, layer, seq) }
    }
}

impl Sim {
    pub fn new(seed: u64, link: Link) -> Self {
        Self::with(seed, link, &[(120, 180), (500, 360), (1_500, 720)], SubscriberConfig::default())
    }

    pub fn with(seed: u64, link: Link, layers: &[(u64, u16)], config: SubscriberConfig) -> Self {
        println!("seed {seed}, {link:?}");
        let t0 = Instant::now();
        let mut subscriber = Subscriber::new(t0, config);
        let extensions = ExtensionIds { twcc: Some(3), abs_send_time: Some(2), mid: Some(4), audio_level: None };
        let line = |kind, codec, ssrc, rtx: Option<Ssrc>, pt| LineConfig {
            kind,
            ssrc,
            rtx_ssrc: rtx,
            payload_types: vec![PayloadTypes { codec, media: PayloadType(pt), rtx: rtx.map(|_| PayloadType(pt + 1)) }],
            extensions,
            mid: Some("0".into()),
            seed: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15),
        };
        subscriber.add_line(&line(TrackKind::Video, Codec::Vp8, VIDEO_SSRC, Some(RTX_SSRC), 96)).unwrap();
        subscriber.add_line(&line(TrackKind::Audio, Codec::Opus, AUDIO_SSRC, None, 111)).unwrap();
        subscriber.set_source(t0, VIDEO, Some(CAMERA));
        subscriber.set_source(t0, AUDIO, Some(MICROPHONE));
        subscriber.set_wish(VIDEO, Wish { tile_height: 720, priority: Priority::Speaker, thumbnail: false });
        let stream = |codec, layer| {
            let ssrc = Ssrc(u32::from(layer));
            StreamIngest::new(StreamConfig { ssrc, codec, layer: Layer(layer), nack: true, audio_level_id: None })
        };
        let publisher = Publisher {
            layers: (0u8..)
                .zip(layers)
                .map(|(i, (kbps, height))| LayerSource {
                    bitrate: Bitrate::kbps(*kbps),
                    height: *height,
                    ingest: stream(Codec::Vp8, i),
                    requests: KeyframeRequests::default(),
                    keyframe_at: Some(t0),
                    seq: 60_000,
                    picture_id: 0x7ff0,
                    tl0: 250,
                })
                .collect(),
            audio: stream(Codec::Opus, 0),
            audio_ring: PacketRing::new(64, 0),
            audio_seq: 65_500,
            rng: Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1),
        };
        let ring = |l: &(u64, u16)| PacketRing::new(512, l.0 as usize * 400);
        let mut sim = Self {
            t0,
            ms: 0,
            publisher,
            rings: TrackRings { source: CAMERA, layers: layers.iter().map(ring).collect() },
            subscriber,
            link,
            line_free_at: t0,
            busy: (t0, t0),
            down: VecDeque::new(),
            up: VecDeque::new(),
            viewer: Viewer::default(),
            rng: Rng(seed.wrapping_mul(0xd1b5_4a32_d192_ed03) | 1),
            joined_at: None,
            seen: Seen::default(),
            silent: [false; 3],
            mute: false,
            lose_keyframes: 0,
        };
        // The publisher has been there for a while.
        for _ in 0..WARM_UP_MS {
            sim.step();
        }
        (sim.joined_at, sim.ms) = (Some(sim.now()), 0);
        sim.t0 += Duration::from_millis(WARM_UP_MS);
        sim
    }

    pub fn set_link(&mut self, link: Link) {
        println!("at {} ms: {link:?}", self.ms);
        self.link = link;
    }

    pub fn now_ms(&self) -> u64 {
        self.ms
    }

    /// Runs for so many seconds, a millisecond at a time.
    pub fn run_secs(&mut self, secs: u64) -> &mut Self {
        for _ in 0..secs * 1_000 {
            self.step();
        }
        self
    }

    fn now(&self) -> Instant {
        self.t0 + Duration::from_millis(self.ms)
    }

    fn step(&mut self) {
        let now = self.now();
        self.publish(now);
        if self.joined_at.is_none() {
            self.ms += 1;
            return;
        }
        self.drain(now);
        if now >= self.busy.1 && !self.link.stall.is_zero() {
            let until = now + self.link.stall.mul_f64(self.rng.unit());
            self.busy = (until, until + Duration::from_millis(100).mul_f64(1.0 + 3.0 * self.rng.unit()));
        }
        while now >= self.busy.0 && self.down.front().is_some_and(|(at, _)| *at <= now) {
            let (at, packet) = self.down.pop_front().expect("just looked");
            self.receive(at.max(self.busy.0), &packet);
        }
        self.answer(now);
        let mut asks = Vec::new();
        while self.up.front().is_some_and(|(at, _)| *at <= now) {
            let (_, rtcp) = self.up.pop_front().expect("just looked");
            self.subscriber.on_rtcp(now, &rtcp, |a| asks.push(a)).expect("the viewer's RTCP is well formed");
        }
        if self.ms.is_multiple_of(100) {
            let offers = self.offers(now);
            self.subscriber.tick(now, |s| if s == CAMERA { offers } else { Offers::default() }, |a| asks.push(a));
            self.seen.estimate.push((self.ms, self.subscriber.estimate().as_bps() / 1_000));
        }
        for Ask::Keyframe(_, layer) in asks {
            let l = &mut self.publisher.layers[layer.index()];
            if l.requests.ask(now) {
                // Half a round trip to the publisher and the encoder's turn.
                l.keyframe_at.get_or_insert(now + Duration::from_millis(50));
            }
        }
        for l in &mut self.publisher.layers {
            if l.requests.poll(now) {
                l.keyframe_at.get_or_insert(now + Duration::from_millis(50));
            }
        }
        let layer = self.subscriber.layer(VIDEO).map(|l| l.0);
        if self.seen.layers.last().map(|(_, l)| *l) != Some(layer) {
            self.seen.layers.push((self.ms, layer));
        }
        if self.ms.is_multiple_of(10) {
            let queue = self.line_free_at.saturating_duration_since(now);
            self.seen.queue_ms.push((self.ms, queue.as_secs_f64() * 1_000.0));
        }
        self.ms += 1;
    }

    fn offers(&mut self, now: Instant) -> Offers {
        let mut offers = Offers::default();
        for (o, l) in offers.iter_mut().zip(&mut self.publisher.layers) {
            *o = LayerOffer::new(l.ingest.bitrate(now), Some(l.height));
        }
        offers
    }

    /// A frame of each layer every 33 ms, a sound packet every 20.
    fn publish(&mut self, now: Instant) {
        let mut packets = Vec::new();
        let now_ms = self.ms + if self.joined_at.is_some() { WARM_UP_MS } else { 0 };
        if self.ms.is_multiple_of(33) {
            for i in 0..self.publisher.layers.len() {
                let size_factor = 0.7 + 0.6 * self.publisher.rng.unit();
                let l = &mut self.publisher.layers[i];
                if self.silent[i] {
                    continue;
                }
                let key = l.keyframe_at.take_if(|at| *at <= now).is_some();
                let lost = key && self.lose_keyframes > 0;
                self.lose_keyframes -= u32::from(lost);
                let mean = l.bitrate.as_bps() as f64 * 0.033 / 8.0;
                let size = (mean * if key { 6.0 } else { size_factor }) as usize;
                l.picture_id = (l.picture_id + 1) & 0x7fff;
                l.tl0 = l.tl0.wrapping_add(1);
                let count = size.div_ceil(1_150).max(1);
                for n in 0..count {
                    let payload = vp8(l.picture_id, l.tl0, key, n == 0, (size / count).max(20));
                    let marker = n + 1 == count;
                    if !lost {
                        packets.push((i, rtp(96, marker, l.seq, (now_ms * 90) as u32, 7, &payload)));
                    }
                    l.seq = l.seq.wrapping_add(1);
                }
            }
        }
        for (i, bytes) in packets {
            let view = RtpView::parse(&bytes).unwrap();
            let l = &mut self.publisher.layers[i];
            let packet = l.ingest.receive(now, &view).unwrap();
            if packet.is_keyframe_start() {
                l.requests.on_keyframe();
            }
            self.rings.layers[i].push(&packet);
            self.forward(now, VIDEO, &packet);
        }
        if self.ms.is_multiple_of(20) && !self.mute {
            let seq = self.publisher.audio_seq;
            self.publisher.audio_seq = seq.wrapping_add(1);
            let bytes = rtp(111, false, seq, (now_ms * 48) as u32, 8, &[0x55; 80]);
            let view = RtpView::parse(&bytes).unwrap();
            let packet = self.publisher.audio.receive(now, &view).unwrap();
            self.publisher.audio_ring.push(&packet);
            self.seen.audio_sent += u64::from(self.joined_at.is_some());
            self.forward(now, AUDIO, &packet);
        }
    }

    fn forward(&mut self, now: Instant, line: LineId, packet: &SourcePacket<'_>) {
        if self.joined_at.is_none() {
            return;
        }
        let mut out = [0; 1_500];
        if let Ok(Forwarded::Written(len)) = self.subscriber.forward(now, line, packet, 0, &mut out) {
            self.send(now, &out[..len]);
        }
    }

    fn drain(&mut self, now: Instant) {
        let mut out = [0; 1_500];
        while self.subscriber.next_timeout().is_some_and(|at| at <= now) {
            let both = Both(&self.rings, &self.publisher.audio_ring);
            let Some(len) = self.subscriber.poll_transmit(now, &both, &mut out) else { break };
            self.send(now, &out[..len]);
        }
    }

    /// Puts a packet on the line.
    fn send(&mut self, now: Instant, packet: &[u8]) {
        let queue = self.line_free_at.saturating_duration_since(now);
        if queue > self.link.queue || self.rng.unit() < self.link.loss {
            self.seen.dropped += 1;
            return;
        }
        let size = lectern_media::DataSize::bytes((packet.len() + OVERHEAD) as u64);
        self.seen.bytes += size.as_bytes();
        self.line_free_at = self.line_free_at.max(now) + size / self.link.rate;
        let late = self.link.jitter.mul_f64(self.rng.unit());
        let before = self.down.back().map_or(now, |(at, _)| *at);
        self.down.push_back(((self.line_free_at + self.link.delay + late).max(before), packet.to_vec()));
    }

    fn receive(&mut self, at: Instant, packet: &[u8]) {
        let ms = (at - self.t0).as_millis() as u64;
        let view = RtpView::parse(packet).expect("what the core writes is RTP");
        let twcc = view.extension(3).expect("carries the transport-wide number");
        self.viewer.log.record(at, u16::from_be_bytes([twcc[0], twcc[1]]));
        match view.ssrc() {
            AUDIO_SSRC => self.seen.audio_ms.push(ms),
            VIDEO_SSRC => self.viewer.on_video(at, ms, view.seq(), &view, view.payload(), &mut self.seen),
            RTX_SSRC if view.payload().len() > 2 => {
                let (osn, payload) = view.payload().split_at(2);
                let seq = u16::from_be_bytes([osn[0], osn[1]]);
                let wanted = self.viewer.highest.map(|h| h.extend(seq).0);
                if wanted.is_some_and(|s| self.viewer.missing.contains_key(&s)) {
                    self.seen.repaired += 1;
                }
                self.viewer.on_video(at, ms, seq, &view, payload, &mut self.seen);
            }
            _ => {}
        }
    }

    /// Feedback, NACK and PLI as browsers send them.
    fn answer(&mut self, now: Instant) {
        let mut buf = [0; 1_200];
        let mut b = Builder::new(&mut buf);
        if self.ms.is_multiple_of(self.link.feedback_ms) && self.viewer.log.next_timeout().is_some_and(|at| at <= now) {
            self.viewer.log.build(now, Ssrc(9), VIDEO_SSRC, &mut b).unwrap();
        }
        let mut lost = Vec::new();
        self.viewer.missing.retain(|_, (_, tries)| *tries < 10);
        for (seq, (due, tries)) in &mut self.viewer.missing {
            if *due <= now {
                lost.push(*seq as u16);
                *due = now + Duration::from_millis(60);
                *tries += 1;
            }
        }
        self.seen.nacked += lost.len() as u64;
        b.nack(Ssrc(9), VIDEO_SSRC, &lost).unwrap();
        if self.viewer.broken && self.viewer.pli_at.is_none_or(|at| now >= at + Duration::from_millis(200)) {
            self.viewer.pli_at = Some(now);
            b.pli(Ssrc(9), VIDEO_SSRC).unwrap();
        }
        if b.len_bytes() > 0 {
            self.up.push_back((now + self.link.delay, b.bytes().to_vec()));
        }
    }
}

impl Viewer {
    fn on_video(&mut self, at: Instant, ms: u64, wire: u16, view: &RtpView<'_>, payload: &[u8], seen: &mut Seen) {
        if payload.is_empty() {
            return;
        }
        let highest = *self.highest.get_or_insert(ExtSeq(0x1_0000 + u64::from(wire)));
        let seq = highest.extend(wire).0;
        for n in highest.0 + 1..seq {
            self.missing.insert(n, (at, 0));
        }
        self.missing.remove(&seq);
        self.highest = Some(highest.max(ExtSeq(seq)));
        let frame = self.frames.entry(view.timestamp()).or_default();
        if frame.seqs.contains(&seq) {
            return;
        }
        frame.seqs.push(seq);
        frame.packets += 1;
        let start = payload[0] & 0x17 == 0x10;
        if start {
            frame.first = Some(seq);
            frame.keyframe = payload[6] & 1 == 0;
        }
        if view.marker() {
            frame.last = Some(seq);
        }
        self.show(ms, seen);
    }

    /// Shows complete frames in order; a keyframe may skip what is missing before it.
    fn show(&mut self, ms: u64, seen: &mut Seen) {
        loop {
            let shown = self.shown;
            let complete = |f: &Frame| matches!((f.first, f.last), (Some(a), Some(b)) if f.packets == b - a + 1);
            let next = self
                .frames
                .iter()
                .filter(|(t, f)| shown.is_none_or(|s| **t > s) && complete(f))
                .find(|(_, f)| f.keyframe || self.follows(f))
                .map(|(t, _)| *t);
            let Some(t) = next else { break };
            self.shown = Some(t);
            self.broken = false;
            seen.frames_ms.push(ms);
            let last = self.frames[&t].last.expect("complete");
            self.missing.retain(|s, _| *s > last);
            self.frames.retain(|k, f| *k >= t.saturating_sub(1) || f.last == Some(last));
        }
        // Half a second behind: the decoder gives up and asks for a keyframe.
        let newest = self.frames.keys().last().copied();
        if let (Some(newest), Some(shown)) = (newest, self.shown) {
            self.broken = newest.saturating_sub(shown) > 45_000;
        }
    }

    fn follows(&self, f: &Frame) -> bool {
        let before = self.shown.and_then(|s| self.frames.get(&s)).and_then(|s| s.last);
        before.zip(f.first).is_some_and(|(last, first)| last + 1 == first)
    }
}

/// An RTP packet without extensions.
pub fn rtp(pt: u8, marker: bool, seq: u16, timestamp: u32, ssrc: u32, payload: &[u8]) -> Vec<u8> {
    let mut p = vec![0x80, pt | if marker { 0x80 } else { 0 }];
    p.extend_from_slice(&seq.to_be_bytes());
    p.extend_from_slice(&timestamp.to_be_bytes());
    p.extend_from_slice(&ssrc.to_be_bytes());
    p.extend_from_slice(payload);
    p
}

/// A VP8 payload as browsers send it.
pub fn vp8(picture_id: u16, tl0: u8, keyframe: bool, start: bool, len: usize) -> Vec<u8> {
    let [high, low] = (picture_id | 0x8000).to_be_bytes();
    let mut p = vec![if start { 0x90 } else { 0x80 }, 0xe0, high, low, tl0, 0, u8::from(!keyframe)];
    p.resize(len.max(p.len()), 0xab);
    p
}
