//! A small exam site: cameras with main, sub and sound whose packets go through the recorder's own archive, in made-up time.

use bytes::Bytes;
use lectern_media::{
    CameraId, CameraStream, ClockRate, Codec, ExtSeq, ExtTimestamp, PlaceId, TrackInfo, TrackSource, UnixMillis,
    tap::{AbsenceCause, TapEvent, TapHandle, TapPacket, TapSender},
};
use lectern_recorder::{
    Limits, Signer,
    camera::{CameraArchive, CameraLimits, CameraMeta},
    evidence::{Continue, ExportRequest, ExportSummary, Viewer, ViewerEntry, export},
};
use rand::{Rng, SeedableRng, seq::IndexedRandom as _};
use rand_chacha::ChaCha8Rng;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xec, 0x04, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0f, 3, 0xc6, 0x0c, 0xa8,
];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

/// 20 seconds before a minute, at which recordings roll here.
pub const T0: i64 = 1_790_000_040_000 - 20_000;

/// One stream of a camera.
struct Stream {
    sender: TapSender,
    info: TrackInfo,
    seq: u64,
    /// Milliseconds between frames, ticks of a frame, frames between keyframes, bytes of a frame.
    every: i64,
    ticks: u64,
    gop: u64,
    size: usize,
    frames: u64,
    /// Real pictures, each with its NAL units, again and again; else made-up ones.
    clip: Vec<Vec<Bytes>>,
}

pub struct Camera {
    pub id: CameraId,
    pub meta: CameraMeta,
    handle: TapHandle,
    streams: Vec<Stream>,
    /// Nothing is sent in these stretches.
    pub silent: Vec<(i64, i64)>,
    /// One packet of main is lost at these moments.
    pub lossy: Vec<i64>,
}

pub struct Site {
    pub archive: CameraArchive,
    pub signer: Arc<Signer>,
    pub cameras: Vec<Camera>,
    pub now: i64,
    rng: ChaCha8Rng,
}

pub fn signer(seed: u8) -> Arc<Signer> {
    Arc::new(Signer::from_seed(&[seed; 32]).expect("any 32 bytes are a seed"))
}

pub fn limits(roll_every: Duration) -> CameraLimits {
    let recording = Limits { reserve_bytes: 0, part: Duration::from_secs(15), ..Limits::default() };
    CameraLimits { recording, roll_every, threads: 0, ..CameraLimits::default() }
}

impl Site {
    pub fn new(dir: &Path, cameras: usize, seed: u64) -> Self {
        Self::rolling(dir, cameras, seed, Duration::from_secs(60))
    }

    pub fn rolling(dir: &Path, cameras: usize, seed: u64, every: Duration) -> Self {
        let signer = signer(1);
        let archive = CameraArchive::open(dir, limits(every), signer.clone()).unwrap();
        archive.turn(UnixMillis(T0));
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let cameras = (0..cameras).map(|n| Camera::new(&archive, n, &mut rng)).collect();
        archive.turn(UnixMillis(T0));
        Self { archive, signer, cameras, now: T0, rng }
    }

    /// Lets time go on.
    pub fn run(&mut self, ms: i64) {
        let end = self.now + ms;
        while self.now < end {
            for camera in &mut self.cameras {
                camera.send(self.now, &mut self.rng);
            }
            self.now += 20;
            self.archive.turn(UnixMillis(self.now));
        }
    }
}

impl Camera {
    fn new(archive: &CameraArchive, n: usize, rng: &mut ChaCha8Rng) -> Self {
        let id = CameraId(ulid::Ulid::from_parts(1_780_000_000_000, rng.random::<u128>() & ((1 << 80) - 16)));
        let meta = CameraMeta {
            camera: id,
            name: format!("第{}考场<{n}>", n + 1),
            place: PlaceId::generate(),
            places: vec![],
            place_name: "第一中学".into(),
            group: "exam_room".into(),
            code: Some(format!("3301060000131000{n:04}")),
        };
        let handle = archive.record(meta.clone()).unwrap().handle();
        let mut camera = Self { id, meta, handle, streams: Vec::new(), silent: vec![], lossy: vec![] };
        archive.turn(UnixMillis(T0));
        camera.stream(CameraStream::Main, Codec::H264, (200, 18_000, 10, 900));
        camera.stream(CameraStream::Sub, Codec::H264, (500, 45_000, 4, 200));
        camera.stream(CameraStream::Sound, Codec::Pcma, (100, 800, 1, 800));
        camera
    }

    fn stream(&mut self, stream: CameraStream, codec: Codec, (every, ticks, gop, size): (i64, u64, u64, usize)) {
        let source = match stream {
            CameraStream::Main => TrackSource::Camera,
            CameraStream::Sub => TrackSource::Substream,
            CameraStream::Sound => TrackSource::Microphone,
        };
        let info =
            TrackInfo { id: self.id.track(stream), participant: self.id.participant(), source, codec, layers: 1 };
        let mut sender = self.handle.start(&info).unwrap();
        let set = |s: &[u8]| [&(s.len() as u16).to_be_bytes()[..], s].concat();
        let config = if codec == Codec::H264 { [set(SPS), set(PPS)].concat() } else { vec![] };
        let clock: ClockRate = codec.clock_rate();
        sender.event(TapEvent::Parameters { track: info.id, clock, config: config.into() });
        self.streams.push(Stream { sender, info, seq: 0, every, ticks, gop, size, frames: 0, clip: vec![] });
    }

    /// Main shows these pictures from now on, a keyframe each `gop`.
    pub fn show(&mut self, clip: Vec<Vec<Bytes>>, gop: u64) {
        self.streams[0].clip = clip;
        self.streams[0].gop = gop;
    }

    fn send(&mut self, now: i64, rng: &mut ChaCha8Rng) {
        let at = UnixMillis(now);
        if let Some((from, to)) = self.silent.iter().find(|(from, to)| (*from..*to).contains(&now)) {
            for s in self.streams.iter_mut().filter(|_| (now - from) % 1000 == 0) {
                let (since, cause) = (UnixMillis(*from), AbsenceCause::Network);
                s.sender.event(TapEvent::Absent {
                    track: s.info.id,
                    since,
                    until: at.min(UnixMillis(*to)),
                    cause,
                    packets: 0,
                });
            }
            for s in &mut self.streams {
                if (now - T0) % s.every == 0 {
                    s.frames += 1;
                }
            }
            return;
        }
        let lose = self.lossy.contains(&now);
        for s in &mut self.streams {
            if (now - T0) % s.every == 0 {
                s.frame(at, lose, rng);
            }
            if (now - T0) % 4000 == 0 {
                let offset_ms = 700 + (now - T0) / 40;
                s.sender.event(TapEvent::ClockOffset { track: s.info.id, at, offset_ms });
            }
        }
    }
}

impl Stream {
    fn frame(&mut self, arrival: UnixMillis, lose: bool, rng: &mut ChaCha8Rng) {
        let n = self.frames;
        self.frames += 1;
        let keyframe = n.is_multiple_of(self.gop);
        let size = self.size + rng.random_range(0..40);
        let body: Vec<u8> = (0..size).map(|_| *(1u8..255).collect::<Vec<_>>().choose(rng).unwrap()).collect();
        let mut payloads: Vec<Bytes> = Vec::new();
        if !self.clip.is_empty() {
            for nal in &self.clip[(n % self.clip.len() as u64) as usize] {
                let parts: Vec<&[u8]> = nal[1..].chunks(1100).collect();
                for (i, part) in parts.iter().enumerate() {
                    let ends = u8::from(i == 0) << 7 | u8::from(i + 1 == parts.len()) << 6;
                    let fu = [&[nal[0] & 0xe0 | 28, ends | nal[0] & 0x1f][..], part].concat();
                    payloads.push(if parts.len() == 1 { nal.clone() } else { fu.into() });
                }
            }
        } else if self.info.codec == Codec::H264 {
            // Whole keyframes repeat the parameter sets, as most cameras do.
            if keyframe {
                payloads.extend([Bytes::from_static(SPS), Bytes::from_static(PPS)]);
            }
            let header = if keyframe { 0x65 } else { 0x41 };
            let nal = [&[header, 0x88][..], &body].concat();
            let parts: Vec<&[u8]> = nal[1..].chunks(400).collect();
            for (i, part) in parts.iter().enumerate() {
                let ends = u8::from(i == 0) << 7 | u8::from(i + 1 == parts.len()) << 6;
                payloads.push([&[header & 0xe0 | 28, ends | header & 0x1f][..], part].concat().into());
            }
        } else {
            payloads.push(Bytes::from(body[..800].to_vec()));
        }
        let last = payloads.len() - 1;
        for (i, payload) in payloads.into_iter().enumerate() {
            let packet = TapPacket {
                track: self.info.id,
                seq: ExtSeq(self.seq),
                timestamp: ExtTimestamp(5000 + n * self.ticks),
                arrival,
                marker: i == last,
                keyframe: keyframe && self.info.codec == Codec::H264,
                payload,
            };
            self.seq += 1;
            if !(lose && i == last && self.info.source == TrackSource::Camera) {
                self.sender.offer(packet);
            }
        }
    }
}

pub fn viewer() -> Viewer {
    Viewer { account: "01J".into(), name: "李<巡>".into(), login: "li".into(), place: "市考试院".into() }
}

pub fn request(cameras: Vec<CameraId>, from: i64, to: i64) -> ExportRequest {
    let viewers = cameras.iter().map(|c| ViewerEntry {
        who: viewer(),
        camera: *c,
        action: "live".into(),
        from: UnixMillis(from),
        to: UnixMillis(to),
    });
    ExportRequest {
        viewers: viewers.collect(),
        cameras,
        from: UnixMillis(from),
        to: UnixMillis(to),
        within: std::collections::BTreeMap::new(),
        by: viewer(),
        reason: "考生申诉 & 复核".into(),
        server: "patrol-1".into(),
        zone: jiff::tz::TimeZone::fixed(jiff::tz::offset(8)),
        now: UnixMillis(to + 60_000),
    }
}

pub fn exported(site: &Site, cameras: &[usize], from: i64, to: i64, out: PathBuf) -> ExportSummary {
    let cameras = cameras.iter().map(|n| site.cameras[*n].id).collect();
    export(site.archive.root(), &request(cameras, from, to), &site.signer, &out, &mut |_| Continue::Yes).unwrap()
}
