//! A wall of 64 cameras on virtual time: the core, one line with a tail-drop queue, and a viewer that reports as a browser
//! does. Every tile gets its share, whatever the line carries, and a page that begins or changes is there at once.

use lectern_media::{Bitrate, Codec, DataSize, ExtSeq, Layer, PayloadType, RtpView, Ssrc, TrackKind};
use lectern_sfu_core::{
    PacketSource, SourceId, SourcePacket,
    allocate::{LayerOffer, Offers, Priority},
    downtrack::{ExtensionIds, LineConfig, PayloadTypes},
    ingest::{StreamConfig, StreamIngest},
    packet_ring::PacketRing,
    rtcp::Builder,
    subscriber::{Forwarded, LineId, PACKET_LEN_MAX, Subscriber, SubscriberConfig, Wish},
    twcc::ArrivalLog,
};
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

const LINES: usize = 64;
const CAMERAS: usize = 2 * LINES;
/// A substream of about 512 kbit/s: 15 pictures a second, the first of thirty a keyframe of 36 kB, the others of 3 kB.
const PICTURE_MS: u64 = 67;
const GROUP: u64 = 30;
const KEY_PARTS: usize = 36;
const DELTA_PARTS: usize = 3;
const PART_LEN: usize = 1_000;
const OVERHEAD: usize = 44;

struct Camera {
    ingest: StreamIngest,
    ring: PacketRing,
    /// Its place in its group at the beginning.
    phase: u64,
}

struct Cameras(Vec<Camera>);

impl PacketSource for Cameras {
    fn packet(&self, source: SourceId, layer: Layer, seq: ExtSeq) -> Option<SourcePacket<'_>> {
        self.0.get(source.0 as usize).filter(|_| layer == Layer(0))?.ring.get(seq)
    }
}

/// What one tile of the viewer received.
#[derive(Default)]
struct Tile {
    /// Parts that came of each picture, by (camera, picture).
    parts: BTreeMap<(u16, u64), usize>,
    /// Whole pictures: when in ms, of which camera, keyframe or not.
    whole: Vec<(u64, u16, bool)>,
}

struct Wall {
    t0: Instant,
    ms: u64,
    joined_ms: u64,
    cameras: Cameras,
    sub: Subscriber,
    rate: Bitrate,
    free_at: Instant,
    queue_ms: Vec<(u64, u64)>,
    dropped: u64,
    down: VecDeque<(Instant, Vec<u8>)>,
    up: VecDeque<(Instant, Vec<u8>)>,
    log: ArrivalLog,
    tiles: Vec<Tile>,
}

impl Wall {
    /// The viewer comes when the cameras have run for three seconds.
    fn new(rate: Bitrate) -> Self {
        let t0 = Instant::now();
        let camera = |n: usize| Camera {
            ingest: StreamIngest::new(StreamConfig {
                ssrc: Ssrc(1),
                codec: Codec::H264,
                layer: Layer(0),
                nack: false,
                audio_level_id: None,
            }),
            ring: PacketRing::with_keep(512, 384 << 10, Duration::from_secs(4)),
            phase: n as u64 * 7 % GROUP,
        };
        let mut wall = Self {
            t0,
            ms: 0,
            joined_ms: 0,
            cameras: Cameras((0..CAMERAS).map(camera).collect()),
            sub: Subscriber::new(t0, SubscriberConfig::for_pictures(LINES)),
            rate,
            free_at: t0,
            queue_ms: Vec::new(),
            dropped: 0,
            down: VecDeque::new(),
            up: VecDeque::new(),
            log: ArrivalLog::default(),
            tiles: (0..LINES).map(|_| Tile::default()).collect(),
        };
        wall.run_ms(3_000);
        let now = wall.now();
        (wall.sub, wall.joined_ms) = (Subscriber::new(now, SubscriberConfig::for_pictures(LINES)), wall.ms);
        for n in 0..LINES as u32 {
            let config = LineConfig {
                kind: TrackKind::Video,
                ssrc: Ssrc(0x1000 + 2 * n),
                rtx_ssrc: Some(Ssrc(0x1001 + 2 * n)),
                payload_types: vec![PayloadTypes {
                    codec: Codec::H264,
                    media: PayloadType(96),
                    rtx: Some(PayloadType(97)),
                }],
                extensions: ExtensionIds { twcc: Some(3), mid: Some(4), abs_send_time: None, audio_level: None },
                mid: Some(n.to_string()),
                seed: u64::from(n) * 0x9e37_79b9,
            };
            wall.sub.add_line(&config).expect("a wall has room for 64");
        }
        wall
    }

    fn now(&self) -> Instant {
        self.t0 + Duration::from_millis(self.ms)
    }

    /// Shows the cameras from `first` on, as the shell does: sources, layers, then what is kept, keyframes first.
    fn show(&mut self, first: usize, thumbnail: bool) {
        let now = self.now();
        for n in 0..LINES {
            let line = LineId(n as u16);
            self.sub.set_wish(line, Wish { tile_height: 180, priority: Priority::Rest, thumbnail });
            self.sub.set_source(now, line, Some(SourceId((first + n) as u32)));
        }
        self.tick(now);
        for keyframe in [true, false] {
            for n in 0..LINES {
                let ring = &self.cameras.0[first + n].ring;
                let kept: Vec<ExtSeq> = match ring.since_keyframe(now).next() {
                    Some(k) => {
                        let of = |p: &SourcePacket<'_>| (p.meta.timestamp == k.meta.timestamp) == keyframe;
                        ring.since_keyframe(now).filter(of).map(|p| p.meta.seq).collect()
                    }
                    None => vec![],
                };
                for seq in kept {
                    self.forward(now, n, first + n, seq);
                }
            }
        }
        self.tick(now);
    }

    fn tick(&mut self, now: Instant) {
        let offers: Vec<Offers> = self
            .cameras
            .0
            .iter_mut()
            .map(|c| {
                let mut o = Offers::default();
                let keyframes = Some(c.ingest.keyframe_bitrate(now));
                o[0] = LayerOffer { keyframes, ..LayerOffer::new(c.ingest.bitrate(now), Some(360)) };
                o
            })
            .collect();
        self.sub.tick(now, |s| offers[s.0 as usize], |_| {});
    }

    fn forward(&mut self, now: Instant, line: usize, camera: usize, seq: ExtSeq) {
        let mut out = [0; PACKET_LEN_MAX];
        let Some(packet) = self.cameras.0[camera].ring.get(seq) else { return };
        if let Ok(Forwarded::Written(len)) = self.sub.forward(now, LineId(line as u16), &packet, 0, &mut out) {
            self.send(now, &out[..len]);
        }
    }

    fn run_ms(&mut self, ms: u64) {
        for _ in 0..ms {
            self.step();
        }
    }

    fn step(&mut self) {
        let now = self.now();
        // Cameras are not in step: each has its own millisecond.
        for camera in 0..CAMERAS {
            if self.ms % PICTURE_MS == camera as u64 % PICTURE_MS {
                self.picture(now, camera);
            }
        }
        while self.down.front().is_some_and(|(at, _)| *at <= now) {
            let (at, packet) = self.down.pop_front().expect("looked at");
            self.receive(at, &packet);
        }
        if self.ms.is_multiple_of(60) && self.log.next_timeout().is_some_and(|at| at <= now) {
            let mut buf = [0; 4_000];
            let mut b = Builder::new(&mut buf);
            self.log.build(now, Ssrc(9), Ssrc(0x1000), &mut b).expect("room enough");
            self.up.push_back((now + Duration::from_millis(10), b.bytes().to_vec()));
        }
        while self.up.front().is_some_and(|(at, _)| *at <= now) {
            let (_, rtcp) = self.up.pop_front().expect("looked at");
            self.sub.on_rtcp(now, &rtcp, |_| {}).expect("well formed");
        }
        if self.joined_ms > 0 && self.ms.is_multiple_of(100) {
            self.tick(now);
        }
        let mut out = [0; PACKET_LEN_MAX];
        if self.sub.next_timeout().is_some_and(|at| at <= now) {
            while let Some(len) = self.sub.poll_transmit(now, &self.cameras, &mut out) {
                self.send(now, &out[..len]);
            }
        }
        self.queue_ms.push((self.ms, self.free_at.saturating_duration_since(now).as_millis() as u64));
        self.ms += 1;
    }

    fn picture(&mut self, now: Instant, camera: usize) {
        let number = self.ms / PICTURE_MS + self.cameras.0[camera].phase;
        let key = number.is_multiple_of(GROUP);
        let parts = if key { KEY_PARTS } else { DELTA_PARTS };
        for part in 0..parts {
            let mut payload = vec![if key { 0x65 } else { 0x41 }];
            payload.extend((camera as u16).to_be_bytes());
            payload.extend(number.to_be_bytes());
            payload.resize(PART_LEN, 7);
            let c = &mut self.cameras.0[camera];
            let packet = c.ingest.push(now, number as u32 * 6_030, part + 1 == parts, &payload).expect("well formed");
            c.ring.push(&packet);
            let (seq, source) = (packet.meta.seq, SourceId(camera as u32));
            let lines = (0..LINES).filter(|n| self.sub.source(LineId(*n as u16)) == Some(source));
            for line in lines.collect::<Vec<_>>() {
                self.forward(now, line, camera, seq);
            }
        }
    }

    fn send(&mut self, now: Instant, packet: &[u8]) {
        if self.free_at.saturating_duration_since(now) > Duration::from_millis(150) {
            self.dropped += 1;
            return;
        }
        self.free_at = self.free_at.max(now) + DataSize::bytes((packet.len() + OVERHEAD) as u64) / self.rate;
        self.down.push_back((self.free_at + Duration::from_millis(5), packet.to_vec()));
    }

    fn receive(&mut self, at: Instant, packet: &[u8]) {
        let view = RtpView::parse(packet).expect("what the core writes is RTP");
        let twcc = view.extension(3).expect("numbered");
        self.log.record(at, u16::from_be_bytes([twcc[0], twcc[1]]));
        let payload = view.payload();
        let place = view.ssrc().0 - 0x1000;
        if place % 2 == 1 || payload.len() < PART_LEN {
            return; // a probe
        }
        let camera = u16::from_be_bytes([payload[1], payload[2]]);
        let picture = u64::from_be_bytes(payload[3..11].try_into().expect("eight bytes"));
        let key = payload[0] == 0x65;
        let tile = &mut self.tiles[(place / 2) as usize];
        let parts = tile.parts.entry((camera, picture)).or_default();
        *parts += 1;
        if *parts == if key { KEY_PARTS } else { DELTA_PARTS } {
            tile.whole.push((self.ms, camera, key));
        }
    }

    /// When the last of the tiles has shown its first whole keyframe of the camera that belongs there, in ms.
    fn all_shown_at(&self, first: usize) -> Option<u64> {
        let shown = |(n, t): (usize, &Tile)| {
            t.whole.iter().find(|(_, c, key)| usize::from(*c) == first + n && *key).map(|(at, ..)| *at)
        };
        self.tiles.iter().enumerate().map(shown).collect::<Option<Vec<_>>>()?.into_iter().max()
    }

    /// How many tiles move, and the longest time any tile went without a picture, within a stretch.
    fn fared(&self, from: u64, to: u64) -> (usize, u64) {
        let (mut moving, mut longest) = (0, 0);
        for t in &self.tiles {
            let at: Vec<u64> =
                t.whole.iter().map(|(at, ..)| *at).filter(|at| (from..to).contains(at)).chain([to]).collect();
            moving += usize::from(at.len() as u64 > (to - from) / PICTURE_MS * 3 / 4);
            longest = longest.max(at.windows(2).map(|w| w[1] - w[0]).max().unwrap_or(to - from));
        }
        (moving, longest)
    }

    fn report(&self, from: u64, to: u64) -> String {
        let mut queue: Vec<u64> = self.queue_ms.iter().filter(|(t, _)| (from..to).contains(t)).map(|q| q.1).collect();
        queue.sort_unstable();
        format!(
            "refusals {:?}, quality {:?}, estimate {:?}, queue p50 {} p95 {}, dropped {}, fared {:?}",
            self.sub.refusals(),
            self.sub.quality(),
            self.sub.estimate(),
            queue[queue.len() / 2],
            queue[queue.len() * 95 / 100],
            self.dropped,
            self.fared(from, to)
        )
    }
}

#[test]
fn a_wall_begins_and_changes_its_page_at_once_where_the_line_is_wide() {
    for mbps in [1_000, 100] {
        let mut wall = Wall::new(Bitrate::kbps(mbps * 1_000));
        wall.show(0, false);
        let began = wall.ms;
        wall.run_ms(6_000);
        let shown = wall.all_shown_at(0).expect("all are shown") - began;
        println!("{mbps} Mbit/s: first page after {shown} ms, {}", wall.report(began + 1_000, wall.ms));
        assert!(shown <= 500, "{mbps} Mbit/s: the first page is there after {shown} ms");
        assert_eq!(wall.fared(began + 2_000, began + 6_000).0, LINES, "{mbps} Mbit/s: all move");

        let changed = wall.ms;
        wall.show(LINES, false);
        wall.run_ms(4_000);
        let shown = wall.all_shown_at(LINES).expect("all are shown") - changed;
        println!("{mbps} Mbit/s: second page after {shown} ms, {}", wall.report(changed, wall.ms));
        assert!(shown <= 500, "{mbps} Mbit/s: the second page is there after {shown} ms");
        assert_eq!(wall.fared(changed + 1_500, changed + 4_000).0, LINES, "{mbps} Mbit/s: all move");
    }
}

#[test]
fn on_a_thin_line_every_tile_has_a_picture_and_some_move() {
    for (mbps, moving) in [(25, 10..LINES), (14, 0..20)] {
        let mut wall = Wall::new(Bitrate::kbps(mbps * 1_000));
        wall.show(0, false);
        wall.run_ms(45_000);
        let (from, to) = (wall.ms - 20_000, wall.ms);
        println!("{mbps} Mbit/s: {}", wall.report(from, to));
        let (move_now, longest) = wall.fared(from, to);
        assert!(moving.contains(&move_now), "{mbps} Mbit/s: {move_now} tiles move");
        assert!(longest <= 6_200, "{mbps} Mbit/s: a tile had no picture for {longest} ms");
    }
}

#[test]
fn an_overview_costs_a_keyframe_a_group() {
    let mut wall = Wall::new(Bitrate::kbps(100_000));
    wall.show(0, true);
    wall.run_ms(12_000);
    let (from, to) = (wall.ms - 8_000, wall.ms);
    println!("{}", wall.report(from, to));
    assert!(wall.all_shown_at(0).is_some());
    for t in &wall.tiles {
        let stills: Vec<_> = t.whole.iter().filter(|(at, ..)| (from..to).contains(at)).collect();
        assert!((3..=5).contains(&stills.len()) && stills.iter().all(|(_, _, key)| *key), "{stills:?}");
    }
}
