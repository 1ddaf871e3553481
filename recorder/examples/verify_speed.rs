//! How fast evidence is exported and verified: records an hour of one camera in made-up time (4 Mbit/s and 0.5 Mbit/s), exports
//! it, verifies it three times, prints MB/s.
//!
//! `cargo run --release -p lectern-recorder --example verify_speed -- [MINUTES]`

use bytes::Bytes;
use lectern_media::{
    CameraId, CameraStream, Codec, ExtSeq, ExtTimestamp, PlaceId, TrackInfo, TrackSource, UnixMillis,
    tap::{TapEvent, TapPacket, TapSender},
};
use lectern_recorder::{
    Limits, Signer,
    camera::{CameraArchive, CameraLimits, CameraMeta},
    evidence::{Continue, ExportRequest, Viewer, export, verify},
};
use std::{sync::Arc, time::Instant};

const T0: i64 = 1_790_000_040_000;
const SPS: &[u8] = &[
    0x67, 0x42, 0xc0, 0x1f, 0xda, 0x01, 0x40, 0x16, 0xec, 0x04, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0f, 3, 0xc6, 0x0c, 0xa8,
];
const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

/// Bytes without a start code in them, different in each packet.
fn noise(seed: u64, len: usize) -> Vec<u8> {
    let mut state = seed | 1;
    let step = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8 | 1
    };
    (0..len).map(step).collect()
}

fn frame(sender: &mut TapSender, info: &TrackInfo, seq: &mut u64, n: u64, ticks: u64, packets: usize, now: i64) {
    let keyframe = n.is_multiple_of(50);
    let header = if keyframe { 0x65u8 } else { 0x41 };
    let mut payloads: Vec<Bytes> = Vec::new();
    if keyframe {
        payloads.extend([Bytes::from_static(SPS), Bytes::from_static(PPS)]);
    }
    for i in 0..packets {
        let ends = u8::from(i == 0) << 7 | u8::from(i + 1 == packets) << 6;
        let head = [header & 0xe0 | 28, ends | header & 0x1f, 0x88];
        payloads.push([&head[..], &noise(n * 64 + i as u64, 1200)].concat().into());
    }
    let last = payloads.len() - 1;
    for (i, payload) in payloads.into_iter().enumerate() {
        *seq += 1;
        let (timestamp, arrival) = (ExtTimestamp(n * ticks), UnixMillis(now));
        sender.offer(TapPacket {
            track: info.id,
            seq: ExtSeq(*seq),
            timestamp,
            arrival,
            marker: i == last,
            keyframe,
            payload,
        });
    }
}

/// Processor time of this process so far, in seconds (`/proc/self/stat`).
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> =
        stat.rsplit(')').next().unwrap_or("").split_whitespace().filter_map(|f| f.parse().ok()).collect();
    // Behind the state, which is no number: 10 fields, then utime and stime in hundredths of a second.
    fields.get(10).zip(fields.get(11)).map_or(f64::NAN, |(user, system)| (user + system) / 100.0)
}

fn main() {
    let minutes: i64 = std::env::args().nth(1).map_or(60, |n| n.parse().expect("a number of minutes"));
    let tmp = tempfile::tempdir().expect("a temporary directory");
    let root = tmp.path().join("cameras");
    let signer = Arc::new(Signer::from_seed(&[7; 32]).expect("a key"));
    let limits =
        CameraLimits { recording: Limits { reserve_bytes: 0, ..Limits::default() }, threads: 0, ..Default::default() };
    let archive = CameraArchive::open(&root, limits, signer.clone()).expect("the archive opens");
    let camera = CameraId::generate();
    let meta = CameraMeta {
        camera,
        name: "1".into(),
        place: PlaceId::generate(),
        places: vec![],
        place_name: "1".into(),
        group: "exam_room".into(),
        code: None,
    };
    archive.turn(UnixMillis(T0));
    let tap = archive.record(meta).expect("the camera is recorded").handle();
    archive.turn(UnixMillis(T0));
    // (stream, source, milliseconds a frame, packets a frame)
    let shapes =
        [(CameraStream::Main, TrackSource::Camera, 40, 17), (CameraStream::Sub, TrackSource::Substream, 80, 4)];
    let mut streams: Vec<_> = shapes
        .into_iter()
        .map(|(stream, source, every, packets)| {
            let (id, participant) = (camera.track(stream), camera.participant());
            let info = TrackInfo { id, participant, source, codec: Codec::H264, layers: 1 };
            let mut sender = tap.start(&info).expect("the tap has room");
            sender.event(TapEvent::Parameters { track: id, clock: Codec::H264.clock_rate(), config: Bytes::new() });
            (info, sender, 0u64, every, packets)
        })
        .collect();
    let end = T0 + minutes * 60_000;
    for now in (T0..end).step_by(40) {
        for (info, sender, seq, every, packets) in &mut streams {
            if (now - T0) % *every == 0 {
                let n = ((now - T0) / *every) as u64;
                frame(sender, info, seq, n, *every as u64 * 90, *packets, now);
            }
        }
        archive.turn(UnixMillis(now + 40));
    }
    let viewer = || Viewer { account: String::new(), name: String::new(), login: String::new(), place: String::new() };
    let request = ExportRequest {
        cameras: vec![camera],
        from: UnixMillis(T0),
        to: UnixMillis(end),
        within: std::collections::BTreeMap::new(),
        by: viewer(),
        reason: String::new(),
        viewers: vec![],
        server: String::new(),
        zone: jiff::tz::TimeZone::UTC,
        now: UnixMillis(end),
    };
    let out = tmp.path().join("evidence.zip");
    let begun = Instant::now();
    let summary = export(&root, &request, &signer, &out, &mut |_| Continue::Yes).expect("it is exported");
    let rate = |begun: Instant| summary.bytes as f64 / 1e6 / begun.elapsed().as_secs_f64();
    println!("exported {} MB at {:.0} MB/s", summary.bytes / 1_000_000, rate(begun));
    for _ in 0..3 {
        let (begun, used) = (Instant::now(), cpu_seconds());
        let report = verify(&out, Some(signer.public_key()));
        let (rate, used) = (rate(begun), summary.bytes as f64 / 1e6 / (cpu_seconds() - used));
        assert!(report.authentic, "{report}");
        let (links, heads) = (report.cameras[0].records, report.cameras[0].signatures);
        println!("verified {links} links, {heads} signed heads at {rate:.0} MB/s, {used:.0} MB a CPU-second");
    }
}
