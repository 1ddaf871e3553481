//! A made-up camera with a ledger: what it sent, what of that arrived, and what must therefore be in the archive.

#![allow(dead_code, reason = "each test file uses its share")]

use bytes::Bytes;
use lectern_media::{
    CameraId, CameraStream, Codec, ExtSeq, ExtTimestamp, PlaceId, TrackId, TrackInfo, TrackSource, UnixMillis,
    tap::{TapEvent, TapPacket, TapSender},
};
use lectern_recorder::{
    ChainKind, ChainLine, Limits, Signer,
    camera::{CameraArchive, CameraLimits, CameraMeta, CameraTap, camera_recordings, raw_units},
    parse_chain,
};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

const SPS: &[u8] =
    &[0x67, 0x42, 0xc0, 0x1f, 0xda, 1, 0x40, 0x16, 0xec, 4, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0f, 3, 0xc6, 0x0c, 0xa8];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

pub fn meta() -> CameraMeta {
    CameraMeta {
        camera: CameraId::generate(),
        name: "3 考场 前".into(),
        place: PlaceId::generate(),
        places: vec![],
        place_name: "第一中学".into(),
        group: "exam_room".into(),
        code: Some("34020000001320000001".into()),
    }
}

pub fn signer() -> Arc<Signer> {
    Arc::new(Signer::from_seed(&[7; 32]).unwrap())
}

/// Rolls every ten seconds, in the caller's thread, syncs at every turn.
pub fn limits() -> CameraLimits {
    CameraLimits {
        recording: Limits {
            reserve_bytes: 1,
            sync_every: Duration::ZERO,
            retry: Duration::ZERO,
            part: Duration::from_secs(3),
            part_bytes_max: 40_000,
            ..Limits::default()
        },
        roll_every: Duration::from_secs(10),
        threads: 0,
        ..CameraLimits::default()
    }
}

/// One stream of the camera.
pub struct Stream {
    pub info: TrackInfo,
    /// Milliseconds between frames.
    pub step: i64,
    /// Frames between keyframes.
    pub gop: u64,
    sender: Option<TapSender>,
    seq: u64,
    frame: u64,
    /// Decodable so far.
    decodes: bool,
    /// Where the next frame is due, and the end of the last one that decodes.
    due: i64,
    pub end: i64,
    /// NAL units that arrived whole, by content, and how often.
    pub arrived: BTreeMap<Vec<u8>, usize>,
    /// What is missing: from, to.
    pub missing: Vec<(i64, i64)>,
}

impl Stream {
    pub fn new(camera: CameraId, stream: CameraStream, step: i64, gop: u64, at: i64) -> Self {
        let (source, codec) = match stream {
            CameraStream::Main => (TrackSource::Camera, Codec::H264),
            CameraStream::Sub => (TrackSource::Substream, Codec::H264),
            CameraStream::Sound => (TrackSource::Microphone, Codec::Pcma),
        };
        let id = camera.track(stream);
        let info = TrackInfo { id, participant: camera.participant(), source, codec, layers: 1 };
        Self {
            info,
            step,
            gop,
            sender: None,
            seq: 100,
            frame: 0,
            decodes: false,
            due: at,
            end: at,
            arrived: BTreeMap::new(),
            missing: Vec::new(),
        }
    }

    /// Connects: the track starts (again), numbering on a new base.
    pub fn connect(&mut self, tap: &CameraTap) {
        self.sender = None;
        self.sender = Some(tap.handle().start(&self.info).expect("the archive reads"));
        self.seq += 5000;
        self.decodes = false;
        self.frame = self.frame.div_ceil(self.gop) * self.gop;
    }

    pub fn disconnect(&mut self) {
        self.sender = None;
    }

    /// Tells that nothing came.
    pub fn absent(&mut self, since: i64, until: i64, cause: lectern_media::tap::AbsenceCause) {
        let (track, since, until) = (self.info.id, UnixMillis(since), UnixMillis(until));
        if let Some(sender) = &mut self.sender {
            sender.event(TapEvent::Absent { track, since, until, cause, packets: 0 });
        }
    }

    /// Lets time pass without sending.
    pub fn skip(&mut self, until: i64) {
        while self.due < until {
            self.due += self.step;
        }
    }

    /// Sends what is due before `until`; `fate` tells of each packet whether it arrives, `size` how many packets a frame has.
    pub fn send(&mut self, until: i64, mut fate: impl FnMut() -> bool, mut size: impl FnMut() -> usize) {
        while self.due < until {
            let at = self.due;
            self.due += self.step;
            let sound = self.info.codec == Codec::Pcma;
            let keyframe = sound || self.frame.is_multiple_of(self.gop);
            let pieces = if sound { 1 } else { size() };
            let nals = if sound { vec![] } else { nals(&self.info, self.frame, keyframe, pieces) };
            let payloads = match sound {
                true => vec![(Bytes::from(vec![self.frame as u8; self.step as usize * 8]), vec![])],
                false => payloads(&nals, pieces),
            };
            let hz = self.info.codec.clock_rate().hz() as i64;
            let n = payloads.len();
            let mut got = vec![0; nals.len()];
            let mut whole = true;
            for (k, (payload, of)) in payloads.into_iter().enumerate() {
                self.seq += 1;
                let arrives = fate();
                whole &= arrives;
                if arrives {
                    of.iter().for_each(|i| got[*i] += 1);
                    let packet = TapPacket {
                        track: self.info.id,
                        seq: ExtSeq(self.seq),
                        timestamp: ExtTimestamp((1_000_000 + at * hz / 1000) as u64),
                        arrival: UnixMillis(at + 5 + at % 3),
                        marker: k + 1 == n,
                        keyframe,
                        payload,
                    };
                    if let Some(sender) = &mut self.sender {
                        let offered = sender.offer(packet);
                        assert_eq!(offered, lectern_media::tap::Offered::Taken, "the tap is large enough");
                    }
                }
            }
            for (nal, got) in nals.iter().zip(got) {
                if got == nal.packets {
                    *self.arrived.entry(nal.bytes.clone()).or_default() += 1;
                }
            }
            self.frame += 1;
            // Each packet of sound is a keyframe.
            self.decodes = whole && (self.decodes || keyframe);
            if self.decodes {
                if at > self.end + 2 {
                    self.missing.push((self.end, at));
                }
                self.end = at + self.step;
            }
        }
    }
}

struct Nal {
    bytes: Vec<u8>,
    packets: usize,
}

/// A frame's NAL units, each in one packet but the slice, which has `pieces`; its bytes tell of which stream and frame it is.
fn nals(info: &TrackInfo, frame: u64, keyframe: bool, pieces: usize) -> Vec<Nal> {
    let mut out = Vec::new();
    if keyframe {
        out.extend([SPS, PPS].map(|n| Nal { bytes: n.to_vec(), packets: 1 }));
    }
    let header = if keyframe { 0x65 } else { 0x41 };
    let mut bytes = vec![header, 0x88];
    bytes.extend(info.id.to_string().bytes());
    bytes.extend(frame.to_string().bytes());
    bytes.extend(vec![0xaa; pieces * 300]);
    out.push(Nal { bytes, packets: pieces });
    out
}

/// The packets, each with the NAL units that it carries something of.
fn payloads(nals: &[Nal], pieces: usize) -> Vec<(Bytes, Vec<usize>)> {
    let mut out = Vec::new();
    let Some((slice, sets)) = nals.split_last() else { return out };
    if !sets.is_empty() {
        let mut stap = vec![0x78];
        for n in sets {
            stap.extend((n.bytes.len() as u16).to_be_bytes());
            stap.extend(&n.bytes);
        }
        out.push((stap.into(), (0..sets.len()).collect()));
    }
    let last = nals.len() - 1;
    if pieces == 1 {
        out.push((slice.bytes.clone().into(), vec![last]));
        return out;
    }
    let header = slice.bytes[0];
    let chunks: Vec<&[u8]> = slice.bytes[1..].chunks((slice.bytes.len() - 1).div_ceil(pieces)).collect();
    let n = chunks.len();
    assert_eq!(n, pieces);
    for (i, chunk) in chunks.into_iter().enumerate() {
        let se = if i == 0 { 0x80 } else { 0 } | if i + 1 == n { 0x40 } else { 0 };
        out.push(([&[header & 0xe0 | 28, se | header & 0x1f][..], chunk].concat().into(), vec![last]));
    }
    out
}

/// Lets the archive work at each step of virtual time.
pub fn turns(archive: &CameraArchive, from: i64, to: i64) {
    for now in (from..to).step_by(100) {
        archive.turn(UnixMillis(now));
    }
    archive.turn(UnixMillis(to));
}

/// NAL units of a track in all recordings, from samples and raw files: content and how often.
pub fn kept(root: &Path, camera: CameraId, track: TrackId) -> BTreeMap<Vec<u8>, usize> {
    let mut out = BTreeMap::new();
    for dir in camera_recordings(root, camera).unwrap() {
        for (_, nal) in
            samples(&dir, track).into_iter().flat_map(|(dts, s)| lectern_fmp4::depay::nals(s).map(move |n| (dts, n)))
        {
            *out.entry(nal.to_vec()).or_default() += 1;
        }
        for nal in raw_units(&dir, track).unwrap().iter().flat_map(|u| u.nals()) {
            *out.entry(nal.to_vec()).or_default() += 1;
        }
    }
    out
}

/// Samples of a track in one recording with their decode times.
pub fn samples(dir: &Path, track: TrackId) -> Vec<(u64, Bytes)> {
    let chain = std::fs::read(dir.join("chain.jsonl")).unwrap_or_default();
    let mut files: BTreeMap<String, Bytes> = BTreeMap::new();
    let mut out = Vec::new();
    for line in parse_chain(&chain).0 {
        let ChainLine::Record(r) = line else { continue };
        if r.kind != ChainKind::Frag || !r.file.starts_with(&track.to_string()) {
            continue;
        }
        let file = files.entry(r.file.clone()).or_insert_with(|| std::fs::read(dir.join(&r.file)).unwrap().into());
        let bytes = file.slice(r.offset as usize..(r.offset + r.len) as usize);
        let info = lectern_fmp4::scan::parse_fragment(&bytes).unwrap();
        let (mut at, mut dts) = (info.data_offset, info.dts);
        for s in &info.samples {
            out.push((dts, bytes.slice(at..at + s.size as usize)));
            at += s.size as usize;
            dts += u64::from(s.duration);
        }
    }
    out
}

/// Every directory of a recording of the camera, oldest first.
pub fn dirs(root: &Path, camera: CameraId) -> Vec<PathBuf> {
    let mut dirs = camera_recordings(root, camera).unwrap();
    dirs.sort();
    dirs
}
