//! Media made with ffmpeg at test time, cut into RTP packets, and a recorder to feed them to.

#![allow(dead_code, reason = "each test file uses its share")]

pub mod camera;
pub mod disk;
pub mod fake;

use bytes::Bytes;
use lectern_media::{
    Codec, ExtSeq, ExtTimestamp, LessonId, ParticipantId, RecordingId, RoomId, TrackId, TrackInfo, TrackSource,
    UnixMillis,
    tap::{TapEvent, TapHandle, TapPacket, TapSender},
};
use lectern_recorder::{Limits, RecordingMeta};
use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// What a track sends in one picture or packet.
pub struct Frame {
    pub keyframe: bool,
    /// RTP payloads.
    pub payloads: Vec<Bytes>,
}

/// A made-up source.
pub struct Source {
    pub info: TrackInfo,
    pub frames: Vec<Frame>,
    /// RTP ticks from one frame to the next.
    pub step: u64,
    /// When it begins, in milliseconds of the lesson.
    pub start_ms: i64,
}

impl Source {
    pub fn new(source: TrackSource, codec: Codec, participant: ParticipantId, frames: Vec<Frame>, step: u64) -> Self {
        let info = TrackInfo { id: TrackId::generate(), participant, source, codec, layers: 1 };
        Self { info, frames, step, start_ms: 0 }
    }

    /// The tap's events of the whole source: (milliseconds from the start, event).
    pub fn events(&self, started: UnixMillis, delay_ms: i64) -> Vec<(i64, TapEvent)> {
        let hz = self.info.codec.clock_rate().hz() as u64;
        let base = 1_000_000u64;
        let mut seq = 500u64;
        let mut out = vec![(self.start_ms, TapEvent::Started(self.info.clone()))];
        for (i, frame) in self.frames.iter().enumerate() {
            let ticks = i as u64 * self.step;
            let at = self.start_ms + (ticks * 1000 / hz) as i64;
            if i % 50 == 10 {
                let (ntp, timestamp) =
                    (started.plus(std::time::Duration::from_millis(at as u64)), ExtTimestamp(base + ticks));
                out.push((at + delay_ms, TapEvent::SenderReport { track: self.info.id, ntp, timestamp }));
            }
            let n = frame.payloads.len();
            for (k, payload) in frame.payloads.iter().enumerate() {
                let packet = TapPacket {
                    track: self.info.id,
                    seq: ExtSeq(seq),
                    timestamp: ExtTimestamp(base + ticks),
                    arrival: UnixMillis(started.0 + at + delay_ms),
                    marker: k + 1 == n,
                    keyframe: frame.keyframe,
                    payload: payload.clone(),
                };
                seq += 1;
                out.push((at + delay_ms, TapEvent::Packet(packet)));
            }
        }
        out
    }
}

/// Runs a tool; panics with its words if it fails.
pub fn tool(program: &str, args: &[&str]) -> (String, String) {
    let out =
        Command::new(program).args(args).stdin(Stdio::null()).output().unwrap_or_else(|e| panic!("{program}: {e}"));
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    assert!(out.status.success(), "{program} {args:?}: {}", text(&out.stderr));
    (text(&out.stdout), text(&out.stderr))
}

/// Decodes everything in a file: the number of frames of the first stream of `kind`; panics if the decoder has anything to say.
pub fn decoded_frames(path: &Path, kind: &str) -> usize {
    let path = path.to_str().unwrap();
    let (_, errors) = tool(
        "ffmpeg",
        &["-v", "error", "-xerror", "-i", path, "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-"],
    );
    assert_eq!(errors, "", "{path} decodes without a word");
    let args = [
        "-v",
        "error",
        "-count_frames",
        "-select_streams",
        kind,
        "-show_entries",
        "stream=nb_read_frames",
        "-of",
        "csv=p=0",
        path,
    ];
    let (out, _) = tool("ffprobe", &args);
    out.trim().trim_end_matches(',').parse().unwrap_or_else(|_| panic!("{path}: {out:?}"))
}

fn made(dir: &Path, name: &str, args: &[&str]) -> PathBuf {
    let path = dir.join(name);
    let mut all = vec!["-v", "error", "-y"];
    all.extend(args);
    all.push(path.to_str().unwrap());
    tool("ffmpeg", &all);
    path
}

/// H.264 as browsers send it: constrained baseline, one slice, parameter sets before each keyframe, no B-frames.
pub fn h264(dir: &Path, seconds: u32, size: &str, gop: u32) -> Vec<Frame> {
    let (input, gop) = (format!("testsrc2=size={size}:rate=25:duration={seconds}"), gop.to_string());
    let args = [
        "-f",
        "lavfi",
        "-i",
        &input,
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libx264",
        "-profile:v",
        "baseline",
        "-preset",
        "ultrafast",
        "-g",
        &gop,
        "-keyint_min",
        &gop,
        "-bf",
        "0",
        "-x264-params",
        "slices=1:aud=1:scenecut=0:repeat-headers=1",
        "-f",
        "h264",
    ];
    let bytes = std::fs::read(made(dir, &format!("{size}-{seconds}-{gop}.264"), &args)).unwrap();
    let mut frames: Vec<Frame> = Vec::new();
    let mut sets: Vec<&[u8]> = Vec::new();
    for nal in nal_units(&bytes) {
        match nal[0] & 0x1f {
            9 => {}
            7 => sets = vec![nal],
            8 => sets.push(nal),
            6 => {}
            kind @ (1 | 5) => {
                let mut payloads = Vec::new();
                if kind == 5 {
                    // STAP-A (RFC 6184 §5.7.1).
                    let mut stap = vec![0x78];
                    for s in &sets {
                        stap.extend((s.len() as u16).to_be_bytes());
                        stap.extend_from_slice(s);
                    }
                    payloads.push(stap.into());
                }
                payloads.extend(fu_a(nal));
                frames.push(Frame { keyframe: kind == 5, payloads });
            }
            other => panic!("NAL unit of type {other}"),
        }
    }
    frames
}

fn fu_a(nal: &[u8]) -> Vec<Bytes> {
    if nal.len() <= 1200 {
        return vec![Bytes::copy_from_slice(nal)];
    }
    let chunks: Vec<&[u8]> = nal[1..].chunks(1190).collect();
    let n = chunks.len();
    let piece = |(i, c): (usize, &&[u8])| {
        let se = if i == 0 { 0x80 } else { 0 } | if i + 1 == n { 0x40 } else { 0 };
        [&[nal[0] & 0xe0 | 28, se | nal[0] & 0x1f][..], c].concat().into()
    };
    chunks.iter().enumerate().map(piece).collect()
}

fn nal_units(bytes: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut i = 0;
    while i + 3 <= bytes.len() {
        if bytes[i..i + 3] == [0, 0, 1] {
            starts.push(i + 3);
            i += 3;
        } else {
            i += 1;
        }
    }
    let ends = starts.iter().skip(1).map(|s| s - 3).chain([bytes.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(s, mut e)| {
            while e > *s && bytes[e - 1] == 0 {
                e -= 1;
            }
            &bytes[*s..e]
        })
        .collect()
}

/// VP8 in RFC 7741 packets with 15-bit picture ids.
pub fn vp8(dir: &Path, seconds: u32, size: &str, gop: u32) -> Vec<Frame> {
    let (input, gop) = (format!("testsrc2=size={size}:rate=25:duration={seconds}"), gop.to_string());
    let args = [
        "-f",
        "lavfi",
        "-i",
        &input,
        "-pix_fmt",
        "yuv420p",
        "-c:v",
        "libvpx",
        "-deadline",
        "realtime",
        "-cpu-used",
        "8",
        "-b:v",
        "400k",
        "-g",
        &gop,
        "-keyint_min",
        &gop,
        "-auto-alt-ref",
        "0",
        "-f",
        "ivf",
    ];
    let bytes = std::fs::read(made(dir, &format!("{size}-{seconds}.ivf"), &args)).unwrap();
    let mut at = 32;
    let mut frames = Vec::new();
    while at + 12 <= bytes.len() {
        let len = u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        let frame = &bytes[at + 12..at + 12 + len];
        let id = frames.len() as u16 | 0x8000;
        let piece = |(k, c): (usize, &[u8])| {
            let [hi, lo] = id.to_be_bytes();
            [&[if k == 0 { 0x90 } else { 0x80 }, 0x80, hi, lo][..], c].concat().into()
        };
        frames
            .push(Frame { keyframe: frame[0] & 1 == 0, payloads: frame.chunks(1180).enumerate().map(piece).collect() });
        at += 12 + len;
    }
    frames
}

/// Opus packets of 20 ms.
pub fn opus(dir: &Path, seconds: u32) -> Vec<Frame> {
    let input = format!("sine=frequency=440:duration={seconds}");
    let args = ["-f", "lavfi", "-i", &input, "-c:a", "libopus", "-b:a", "32k", "-ac", "2", "-f", "ogg"];
    let bytes = std::fs::read(made(dir, &format!("{seconds}.opus"), &args)).unwrap();
    let mut packets: Vec<Vec<u8>> = Vec::new();
    let mut open: Vec<u8> = Vec::new();
    let mut at = 0;
    while at + 27 <= bytes.len() {
        assert_eq!(&bytes[at..at + 4], b"OggS");
        let n = bytes[at + 26] as usize;
        let lacing = &bytes[at + 27..at + 27 + n];
        at += 27 + n;
        for &l in lacing {
            open.extend_from_slice(&bytes[at..at + l as usize]);
            at += l as usize;
            if l < 255 {
                packets.push(std::mem::take(&mut open));
            }
        }
    }
    // The first two are headers.
    packets.drain(2..).map(|p| Frame { keyframe: true, payloads: vec![p.into()] }).collect()
}

/// A lesson that began `ago_ms` before now.
pub fn meta(ago_ms: i64) -> RecordingMeta {
    RecordingMeta {
        id: RecordingId::generate(),
        lesson: LessonId::generate(),
        room: RoomId::generate(),
        class: None,
        place: None,
        places: vec![],
        teacher_account: None,
        title: "三年级数学：分数".into(),
        subject: "数学".into(),
        grade: "三年级".into(),
        teacher: "王老师".into(),
        school: "实验小学".into(),
        started: UnixMillis(UnixMillis::now().0 - ago_ms),
    }
}

/// Limits for small test disks.
pub fn limits() -> Limits {
    Limits { reserve_bytes: 1, ..Limits::default() }
}

/// Merges events of several sources in order of time.
pub fn merged(mut lists: Vec<Vec<(i64, TapEvent)>>) -> Vec<(i64, TapEvent)> {
    let mut all: Vec<(i64, TapEvent)> = lists.drain(..).flatten().collect();
    all.sort_by_key(|(at, _)| *at);
    all
}

/// Hands events to the tap as the forwarding plane does; returns the writing ends, whose dropping ends the tracks.
pub fn feed(tap: &TapHandle, senders: &mut HashMap<TrackId, TapSender>, events: &[(i64, TapEvent)]) {
    for (_, event) in events {
        match event.clone() {
            TapEvent::Started(info) => _ = senders.insert(info.id, tap.start(&info).expect("the recorder reads")),
            TapEvent::Packet(p) => _ = senders.get_mut(&p.track).expect("started").offer(p),
            TapEvent::SenderReport { track, ntp, timestamp } => {
                let event = TapEvent::SenderReport { track, ntp, timestamp };
                senders.get_mut(&track).expect("started").event(event);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Runs a future to its end.
pub fn wait<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(future)
}

/// A directory for tests that simulate their disk: in memory if there is such a place, for thousands of small files.
pub fn scratch() -> tempfile::TempDir {
    tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap()
}
