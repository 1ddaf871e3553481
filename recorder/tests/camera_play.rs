//! Real pictures of a camera, packets lost on the way: what is played decodes without a word, in H.264 and in H.265.

mod support;

use bytes::Bytes;
use lectern_media::{
    CameraStream, ClockRate, Codec, ExtSeq, ExtTimestamp, TrackInfo, TrackSource, UnixMillis,
    tap::{TapEvent, TapPacket},
};
use lectern_protocol::api::GapCause;
use lectern_recorder::{
    camera::{CameraArchive, CameraLimits, Footage, Pace},
    check,
};
use std::{path::Path, time::Duration};
use support::{
    camera::{limits, meta, signer},
    decoded_frames, h264, tool,
};

const T0: i64 = 1_790_000_001_000;

/// One picture: whether it is a keyframe, its packets.
type Picture = (bool, Vec<Bytes>);

/// H.265 in RFC 7798 packets.
fn h265(dir: &Path, seconds: u32, gop: u32) -> Vec<Picture> {
    let path = dir.join("a.265");
    let (input, params) = (
        format!("testsrc2=size=320x240:rate=25:duration={seconds}"),
        format!("keyint={gop}:min-keyint={gop}:scenecut=0:bframes=0:repeat-headers=1:log-level=error"),
    );
    let args = ["-v", "error", "-y", "-f", "lavfi", "-i", &input, "-pix_fmt", "yuv420p", "-c:v", "libx265"];
    let rest = ["-preset", "ultrafast", "-x265-params", &params, "-f", "hevc", path.to_str().unwrap()];
    tool("ffmpeg", &[&args[..], &rest].concat());
    let bytes = std::fs::read(path).unwrap();
    let starts: Vec<usize> = (0..bytes.len() - 3).filter(|i| bytes[*i..*i + 3] == [0, 0, 1]).map(|i| i + 3).collect();
    let mut out: Vec<Picture> = Vec::new();
    let mut before: Vec<Bytes> = Vec::new();
    for (i, start) in starts.iter().enumerate() {
        let mut end = starts.get(i + 1).map_or(bytes.len(), |e| e - 3);
        while end > *start && bytes[end - 1] == 0 {
            end -= 1;
        }
        let nal = &bytes[*start..end];
        let kind = nal[0] >> 1 & 0x3f;
        let chunks: Vec<&[u8]> = nal[2..].chunks(1100).collect();
        let n = chunks.len();
        let piece = |(k, c): (usize, &&[u8])| {
            let se = if k == 0 { 0x80 } else { 0 } | if k + 1 == n { 0x40 } else { 0 };
            Bytes::from([&[nal[0] & 0x81 | 49 << 1, nal[1], se | kind][..], c].concat())
        };
        let packets: Vec<Bytes> =
            if n == 1 { vec![Bytes::copy_from_slice(nal)] } else { chunks.iter().enumerate().map(piece).collect() };
        before.extend(packets);
        if kind < 32 {
            out.push(((16..=23).contains(&kind), std::mem::take(&mut before)));
        }
    }
    out
}

/// Records pictures at 25 a second, without the packets whose number `lost` names, over a roll or two, then plays them.
fn recorded(root: &Path, codec: Codec, pictures: &[Picture], lost: &[u64]) -> (String, Vec<(i64, i64)>, usize) {
    let limits = CameraLimits { roll_every: Duration::from_secs(4), ..limits() };
    let archive = CameraArchive::open(root, limits, signer()).unwrap();
    let meta = meta();
    let camera = meta.camera;
    let tap = archive.record(meta).unwrap();
    archive.turn(UnixMillis(T0));
    let track = camera.track(CameraStream::Main);
    let info =
        TrackInfo { id: track, participant: camera.participant(), source: TrackSource::Camera, codec, layers: 1 };
    let mut sender = tap.handle().start(&info).unwrap();
    sender.event(TapEvent::Parameters { track, clock: ClockRate::VIDEO, config: Bytes::new() });
    let mut seq = 0;
    for (i, (keyframe, packets)) in pictures.iter().enumerate() {
        let at = T0 + i as i64 * 40;
        for (k, payload) in packets.iter().enumerate() {
            seq += 1;
            if lost.contains(&seq) {
                continue;
            }
            sender.offer(TapPacket {
                track,
                seq: ExtSeq(seq),
                timestamp: ExtTimestamp(i as u64 * 3600),
                arrival: UnixMillis(at),
                marker: k + 1 == packets.len(),
                keyframe: *keyframe,
                payload: payload.clone(),
            });
        }
        archive.turn(UnixMillis(at));
    }
    drop(sender);
    archive.turn(UnixMillis(T0 + pictures.len() as i64 * 40));
    archive.stop(camera).unwrap();
    let report = check(root);
    assert!(report.ok, "{report}");
    let footage = Footage::new(root);
    let (from, to) = (UnixMillis(T0), UnixMillis(T0 + pictures.len() as i64 * 40 + 1000));
    let (mut frames, mut pictures) = (0, 0);
    for pace in [Pace::All, Pace::Keyframes] {
        // Each recording begins on a clock of its own: as players do at a discontinuity, each is decoded by itself.
        let (segments, _) = footage.segments(camera, CameraStream::Main, from, to, pace).unwrap();
        let mut files: Vec<(String, Vec<u8>)> = Vec::new();
        for s in &segments {
            let name = format!("{}-{}.mp4", s.recording, s.part);
            let file = |name: &str| footage.file(camera, s.recording, s.track, name).unwrap();
            if files.last().is_none_or(|(n, _)| *n != name) {
                files.push((name, file(&format!("init-{}.mp4", s.part)).to_vec()));
            }
            files.last_mut().unwrap().1.extend(file(&s.name));
        }
        let decoded = |(name, bytes): &(String, Vec<u8>)| {
            let path = root.parent().unwrap().join(format!("{pace:?}-{name}"));
            std::fs::write(&path, bytes).unwrap();
            decoded_frames(&path, "v:0")
        };
        let n: usize = files.iter().map(decoded).sum();
        if pace == Pace::All { frames = n } else { pictures = n }
    }
    let day = footage.timeline(camera, from, to).unwrap();
    assert!(day.gaps.iter().all(|g| g.cause == GapCause::Loss), "{:?}", day.gaps);
    assert!(pictures > 4 && pictures < frames);
    let shot = footage.snapshot(camera, CameraStream::Main, UnixMillis(T0 + 5000)).unwrap().unwrap();
    let path = root.parent().unwrap().join("shot.bin");
    std::fs::write(&path, &shot.annex_b).unwrap();
    let format = if codec == Codec::H265 { "hevc" } else { "h264" };
    let png = root.parent().unwrap().join("shot.png");
    tool(
        "ffmpeg",
        &["-v", "error", "-xerror", "-y", "-f", format, "-i", path.to_str().unwrap(), png.to_str().unwrap()],
    );
    let gaps = day.gaps.iter().map(|g| (g.from.0 - T0, g.to.0 - T0)).collect();
    (day.streams[0].codec.clone(), gaps, frames)
}

#[test]
fn what_is_played_decodes_though_packets_were_lost() {
    for codec in [Codec::H264, Codec::H265] {
        let tmp = tempfile::tempdir().unwrap();
        let pictures: Vec<Picture> = match codec {
            Codec::H265 => h265(tmp.path(), 10, 25),
            _ => h264(tmp.path(), 10, "320x240", 25).into_iter().map(|f| (f.keyframe, f.payloads)).collect(),
        };
        assert_eq!(pictures.len(), 250);
        // One packet of pictures 60 and 160 is lost: up to the keyframes 75 and 175 nothing decodes.
        let first_of = |n: usize| pictures[..n].iter().map(|p| p.1.len() as u64).sum::<u64>() + 1;
        let (name, gaps, frames) =
            recorded(&tmp.path().join("cameras"), codec, &pictures, &[first_of(60), first_of(160)]);
        assert_eq!(gaps, [(2400, 3000), (6400, 7000)], "{codec:?}");
        assert_eq!(frames, 250 - 30, "{codec:?}");
        assert!(name.starts_with(if codec == Codec::H265 { "hev1." } else { "avc3." }), "{name}");
    }
}
