//! A camera that sends B-frames: every unit is kept in the order in which it came, and shown when the camera says.

mod support;

use bytes::Bytes;
use lectern_media::{
    CameraStream, ClockRate, Codec, ExtSeq, ExtTimestamp, TrackInfo, TrackSource, UnixMillis,
    tap::{TapEvent, TapPacket},
};
use lectern_recorder::{
    camera::{CameraArchive, CameraLimits, Footage, Pace, camera_recordings},
    check,
};
use std::{path::Path, time::Duration};
use support::{
    camera::{limits, meta, samples, signer},
    decoded_frames, tool,
};

const T0: i64 = 1_790_000_001_000;
/// What a camera needs to put pictures into another order.
const DELAY_MS: i64 = 120;

/// A coded picture: whether decoding can start there, when it is shown in pictures from the first, its NAL units.
struct Picture {
    keyframe: bool,
    shown: u64,
    nals: Vec<Vec<u8>>,
}

/// Pictures at 25 a second in the order of decoding, a keyframe each second.
fn encoded(dir: &Path, codec: Codec, seconds: u32, params: &str) -> Vec<Picture> {
    let (coder, option, raw) = match codec {
        Codec::H265 => ("libx265", "-x265-params", "hevc"),
        _ => ("libx264", "-x264-params", "h264"),
    };
    let input = format!("testsrc2=size=320x240:rate=25:duration={seconds}");
    let params = format!("keyint=25:min-keyint=25:scenecut=0:b-adapt=0:{params}");
    let (mp4, stream) = (dir.join("b.mp4"), dir.join("b.bin"));
    let (mp4, stream) = (mp4.to_str().unwrap(), stream.to_str().unwrap());
    let source = ["-v", "error", "-y", "-f", "lavfi", "-i", &input, "-pix_fmt", "yuv420p", "-c:v", coder];
    tool("ffmpeg", &[&source[..], &["-preset", "ultrafast", option, &params, mp4]].concat());
    tool("ffmpeg", &["-v", "error", "-y", "-i", mp4, "-c", "copy", "-f", raw, stream]);
    let (times, _) = tool("ffprobe", &["-v", "error", "-show_entries", "packet=pts_time", "-of", "csv=p=0", mp4]);
    let mut times = times.lines().map(|t| (t.trim_end_matches(',').parse::<f64>().unwrap() * 25.0).round() as u64);
    let bytes = std::fs::read(stream).unwrap();
    let starts: Vec<usize> = (0..bytes.len() - 3).filter(|i| bytes[*i..*i + 3] == [0, 0, 1]).map(|i| i + 3).collect();
    let (mut out, mut nals) = (Vec::new(), Vec::new());
    for (i, start) in starts.iter().enumerate() {
        let mut end = starts.get(i + 1).map_or(bytes.len(), |e| e - 3);
        while bytes[end - 1] == 0 {
            end -= 1;
        }
        let nal = bytes[*start..end].to_vec();
        let (slice, keyframe) = match codec {
            Codec::H265 => (nal[0] >> 1 & 0x3f < 32, (16..=23).contains(&(nal[0] >> 1 & 0x3f))),
            _ => (matches!(nal[0] & 0x1f, 1 | 5), nal[0] & 0x1f == 5),
        };
        nals.push(nal);
        if slice {
            out.push(Picture { keyframe, shown: times.next().unwrap(), nals: std::mem::take(&mut nals) });
        }
    }
    let first = out.iter().map(|p| p.shown).min().unwrap();
    out.iter_mut().for_each(|p| p.shown -= first);
    assert_eq!(out.len() as u32, seconds * 25);
    out
}

/// Packets of a NAL unit (RFC 6184 §5.6 and §5.8, RFC 7798 §4.4.1 and §4.4.3).
fn packets(codec: Codec, nal: &[u8]) -> Vec<Bytes> {
    if nal.len() <= 1100 {
        return vec![Bytes::copy_from_slice(nal)];
    }
    let header = if codec == Codec::H265 { 2 } else { 1 };
    let chunks: Vec<&[u8]> = nal[header..].chunks(1100).collect();
    let n = chunks.len();
    let piece = |(k, chunk): (usize, &&[u8])| {
        let se = if k == 0 { 0x80 } else { 0 } | if k + 1 == n { 0x40 } else { 0 };
        let head = match codec {
            Codec::H265 => vec![nal[0] & 0x81 | 49 << 1, nal[1], se | nal[0] >> 1 & 0x3f],
            _ => vec![nal[0] & 0xe0 | 28, se | nal[0] & 0x1f],
        };
        Bytes::from([&head[..], chunk].concat())
    };
    chunks.iter().enumerate().map(piece).collect()
}

/// When the pictures of a file are shown, in ticks, in the order in which a decoder puts them out.
fn shown(path: &Path) -> Vec<i64> {
    let path = path.to_str().unwrap();
    let (out, _) = tool(
        "ffprobe",
        &["-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts", "-of", "csv=p=0", path],
    );
    // Lines of side data have no number in front; a picture without a time is missed by whoever counts.
    out.lines().filter_map(|l| l.split(',').next()?.parse().ok()).collect()
}

#[test]
fn pictures_are_kept_as_they_came_and_shown_as_they_were_seen() {
    // (what, codec, how it is encoded, RTP time stamp of the first picture, whether a packet of the middle is lost)
    let cases = [
        ("B-frames", Codec::H264, "bframes=2:b-pyramid=none:repeat-headers=1", 90_000u32, false),
        ("the time stamp wraps", Codec::H264, "bframes=2:b-pyramid=none:repeat-headers=1", u32::MAX - 300_000, false),
        ("B-frames that others refer to", Codec::H264, "bframes=3:b-pyramid=normal:repeat-headers=1", 7, true),
        ("H.265", Codec::H265, "bframes=3:open-gop=0:repeat-headers=1:log-level=error", 7, true),
    ];
    for (what, codec, params, base, lossy) in cases {
        let tmp = tempfile::tempdir().unwrap();
        let pictures = encoded(tmp.path(), codec, 8, params);
        assert!(pictures.windows(2).any(|w| w[1].shown < w[0].shown), "{what}: the clip has B-frames");
        let root = tmp.path().join("cameras");
        let limits = CameraLimits { roll_every: Duration::from_secs(4), ..limits() };
        let archive = CameraArchive::open(&root, limits, signer()).unwrap();
        let meta = meta();
        let camera = meta.camera;
        let tap = archive.record(meta).unwrap();
        archive.turn(UnixMillis(T0));
        let track = camera.track(CameraStream::Main);
        let info =
            TrackInfo { id: track, participant: camera.participant(), source: TrackSource::Camera, codec, layers: 1 };
        let mut sender = tap.handle().start(&info).unwrap();
        sender.event(TapEvent::Parameters { track, clock: ClockRate::VIDEO, config: Bytes::new() });
        let (mut seq, mut timestamp) = (0, ExtTimestamp(u64::from(base)));
        // Of picture 60 nothing comes but its first packet's beginning; up to the keyframe 75 nothing decodes.
        let lost = |n: usize| lossy && n == 60;
        for (n, picture) in pictures.iter().enumerate() {
            let at = UnixMillis(T0 + DELAY_MS + n as i64 * 40);
            timestamp = timestamp.extend(base.wrapping_add(picture.shown as u32 * 3600));
            let all: Vec<Bytes> = picture.nals.iter().flat_map(|nal| packets(codec, nal)).collect();
            for (k, payload) in all.iter().enumerate() {
                seq += 1;
                if !lost(n) {
                    sender.offer(TapPacket {
                        track,
                        seq: ExtSeq(seq),
                        timestamp,
                        arrival: at,
                        marker: k + 1 == all.len(),
                        keyframe: picture.keyframe,
                        payload: payload.clone(),
                    });
                }
            }
            archive.turn(at);
        }
        drop(sender);
        archive.turn(UnixMillis(T0 + DELAY_MS + pictures.len() as i64 * 40));
        archive.stop(camera).unwrap();
        let report = check(&root);
        assert!(report.ok, "{what}: {report}");

        let decodes = |n: usize| !lossy || !(60..75).contains(&n);
        let mut dirs = camera_recordings(&root, camera).unwrap();
        dirs.sort();
        let (mut kept, mut last) = (Vec::new(), None);
        for dir in &dirs {
            for (dts, sample) in samples(dir, track) {
                assert!(last.is_none_or(|(d, then)| d != dir || dts > then), "{what}: decode times go forward");
                last = Some((dir, dts));
                kept.extend(lectern_fmp4::depay::nals(sample).map(|n| n.to_vec()));
            }
        }
        let sent: Vec<Vec<u8>> =
            pictures.iter().enumerate().filter(|(n, _)| decodes(*n)).flat_map(|(_, p)| p.nals.clone()).collect();
        assert!(kept == sent, "{what}: all units are kept in the order of decoding");

        let footage = Footage::new(&root);
        let (from, to) = (UnixMillis(T0), UnixMillis(T0 + 20_000));
        let (segments, _) = footage.segments(camera, CameraStream::Main, from, to, Pace::All).unwrap();
        assert!(segments.len() >= 2, "{what}: it rolls");
        let mut times = Vec::new();
        for segment in &segments {
            let file = |name: &str| footage.file(camera, segment.recording, segment.track, name).unwrap();
            let path = tmp.path().join("segment.mp4");
            std::fs::write(&path, [file(&format!("init-{}.mp4", segment.part)), file(&segment.name)].concat()).unwrap();
            let own = shown(&path);
            assert_eq!(own.len(), decoded_frames(&path, "v:0"), "{what}");
            // A segment begins with its keyframe, which is shown first.
            times.extend(own.iter().map(|t| segment.from.0 - T0 - DELAY_MS + (t - own[0]) / 90));
        }
        let mut want: Vec<i64> =
            pictures.iter().enumerate().filter(|(n, _)| decodes(*n)).map(|(_, p)| p.shown as i64 * 40).collect();
        want.sort_unstable();
        assert_eq!(times, want, "{what}: pictures are shown when the camera says, in order");
        let fragments = dirs.iter().flat_map(|d| samples(d, track)).count();
        assert_eq!(fragments, want.len(), "{what}");
    }
}
