//! What cameras send, through the depacketizer into files, read by ffmpeg: the same pictures and sound come out.

use bytes::Bytes;
use lectern_fmp4::{
    Sample, TrackConfig,
    depay::{AccessUnit, Broken, Depacketizer, Packet, Unit},
    fragment::fragment,
    init::init_segment,
};
use lectern_media::{Codec, ExtSeq, ExtTimestamp, UnixMillis};
use std::{path::Path, process::Command, time::Duration};

fn ffmpeg(args: &[&str]) -> Vec<u8> {
    let out =
        Command::new("ffmpeg").args(["-nostdin", "-v", "error"]).args(args).output().expect("ffmpeg is installed");
    assert!(out.status.success() && out.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&out.stderr));
    out.stdout
}

/// The hash of each decoded picture, or of the sound in blocks.
fn decoded(file: &Path, stream: &str) -> Vec<String> {
    let out = ffmpeg(&["-i", file.to_str().unwrap(), "-map", stream, "-f", "framemd5", "-"]);
    let text = String::from_utf8(out).unwrap();
    text.lines().filter(|l| !l.starts_with('#')).map(|l| l.rsplit(',').next().unwrap().trim().to_owned()).collect()
}

/// The access units of a byte stream (annex B), each with its NAL units; each begins with a delimiter.
fn access_units(stream: &[u8], is_delimiter: fn(u8) -> bool) -> Vec<Vec<Bytes>> {
    let starts: Vec<usize> = (0..stream.len() - 3).filter(|i| stream[*i..*i + 3] == [0, 0, 1]).collect();
    let mut units: Vec<Vec<Bytes>> = Vec::new();
    for (i, start) in starts.iter().enumerate() {
        let mut end = starts.get(i + 1).copied().unwrap_or(stream.len());
        while end > 0 && stream[end - 1] == 0 {
            end -= 1;
        }
        let nal = Bytes::copy_from_slice(&stream[start + 3..end]);
        if is_delimiter(nal[0]) {
            units.push(Vec::new());
        }
        units.last_mut().expect("the stream begins with a delimiter").push(nal);
    }
    units
}

/// Packets of at most `mtu` bytes: small NAL units alone, large ones in fragments.
fn packetise(units: &[Vec<Bytes>], codec: Codec, mtu: usize, ticks: u64) -> Vec<Packet> {
    let mut out = Vec::new();
    for (n, unit) in units.iter().enumerate() {
        let mut payloads: Vec<Vec<u8>> = Vec::new();
        for nal in unit {
            if nal.len() <= mtu {
                payloads.push(nal.to_vec());
                continue;
            }
            let header = if codec == Codec::H265 { 2 } else { 1 };
            let parts: Vec<&[u8]> = nal[header..].chunks(mtu - 3).collect();
            for (i, part) in parts.iter().enumerate() {
                let ends = u8::from(i == 0) << 7 | u8::from(i + 1 == parts.len()) << 6;
                let head = match codec {
                    Codec::H265 => vec![nal[0] & 0x81 | 49 << 1, nal[1], ends | nal[0] >> 1 & 0x3f],
                    _ => vec![nal[0] & 0xe0 | 28, ends | nal[0] & 0x1f],
                };
                payloads.push([&head[..], part].concat());
            }
        }
        let last = payloads.len() - 1;
        for (i, payload) in payloads.into_iter().enumerate() {
            out.push(Packet {
                seq: ExtSeq(out.len() as u64 + 7),
                timestamp: ExtTimestamp(n as u64 * ticks),
                arrival: UnixMillis(n as i64 * 40),
                marker: i == last,
                payload: payload.into(),
            });
        }
    }
    out
}

fn depacketise(d: &mut Depacketizer, packets: impl IntoIterator<Item = Packet>) -> Vec<Unit> {
    let mut out = Vec::new();
    packets.into_iter().for_each(|p| d.push(p, &mut out));
    d.flush(&mut out);
    out
}

fn access(units: Vec<Unit>) -> Vec<AccessUnit> {
    units.into_iter().filter_map(|u| if let Unit::Access(a) = u { Some(a) } else { None }).collect()
}

fn movie(config: &TrackConfig, units: &[AccessUnit], ticks: u32) -> Vec<u8> {
    let mut file = init_segment(config);
    let mut dts = 0u64;
    for (n, chunk) in units.chunks(12).enumerate() {
        let sample = |u: &AccessUnit| Sample {
            duration: u.duration.unwrap_or(ticks),
            keyframe: u.keyframe,
            composition: 0,
            data: u.data.clone(),
        };
        let samples: Vec<Sample> = chunk.iter().map(sample).collect();
        file.extend(fragment(n as u32 + 1, dts, &samples));
        dts += samples.iter().map(|s| u64::from(s.duration)).sum::<u64>();
    }
    file
}

struct Clip {
    codec: Codec,
    units: Vec<Vec<Bytes>>,
    hashes: Vec<String>,
}

/// Two seconds of a test picture with a keyframe each second; every unit begins with a delimiter.
fn clip(dir: &Path, codec: Codec, size: &str, pixels: &str) -> Clip {
    let path = dir.join(format!("{size}.{pixels}.{}", codec.encoding_name()));
    let source = format!("testsrc2=size={size}:rate=25");
    let (encoder, params, format, delimiter): (&[&str], _, _, fn(u8) -> bool) = match codec {
        Codec::H265 => (
            &["-c:v", "libx265", "-x265-params"],
            "keyint=25:min-keyint=25:scenecut=0:bframes=0:aud=1:repeat-headers=1:log-level=none:pools=1",
            "hevc",
            |b| b >> 1 & 0x3f == 35,
        ),
        _ => (&["-c:v", "libx264", "-x264-params"], "keyint=25:scenecut=0:bframes=0:aud=1:threads=1", "h264", |b| {
            b & 0x1f == 9
        }),
    };
    let file = path.to_str().unwrap();
    let input = ["-f", "lavfi", "-i", &source, "-t", "2", "-pix_fmt", pixels];
    ffmpeg(&[&input[..], encoder, &[params, "-f", format, "-y", file]].concat());
    Clip { codec, units: access_units(&std::fs::read(&path).unwrap(), delimiter), hashes: decoded(&path, "0:v") }
}

#[test]
fn pictures_come_out_as_they_went_in() {
    let tmp = tempfile::tempdir().unwrap();
    // (codec, size, pixels, what ffprobe calls it)
    let cases = [
        (Codec::H265, "1280x720", "yuv420p", "hevc,hvc1,1280,720"),
        (Codec::H265, "638x358", "yuv422p10le", "hevc,hvc1,638,358"),
        (Codec::H264, "640x360", "yuv420p", "h264,avc1,640,360"),
    ];
    for (codec, size, pixels, said) in cases {
        let clip = clip(tmp.path(), codec, size, pixels);
        for all in [false, true] {
            let make = if all { Depacketizer::keeping_all } else { Depacketizer::new };
            let mut d = make(codec, Duration::ZERO).unwrap();
            let units = access(depacketise(&mut d, packetise(&clip.units, codec, 600, 3600)));
            assert_eq!(units.len(), 50, "{size} {all}");
            assert_eq!(units.iter().filter(|u| u.keyframe).count(), 2);
            assert!(units.iter().all(|u| u.broken.is_none()));
            if all {
                let got: Vec<Vec<Bytes>> = units.iter().map(|u| u.nals().collect()).collect();
                assert_eq!(got, clip.units, "every NAL unit as it was sent");
            }
            let file = tmp.path().join("out.mp4");
            std::fs::write(&file, movie(units[0].config.as_ref().unwrap(), &units, 3600)).unwrap();
            assert_eq!(decoded(&file, "0:v"), clip.hashes, "{size} {all}");
            let said = if all { said.replace("hvc1", "hev1").replace("avc1", "avc3") } else { said.to_owned() };
            let entries = "stream=codec_name,codec_tag_string,width,height";
            let out = Command::new("ffprobe")
                .args(["-v", "error", "-show_entries", entries, "-of", "csv=p=0", file.to_str().unwrap()])
                .output()
                .unwrap();
            assert_eq!(String::from_utf8_lossy(&out.stdout).trim(), said);
        }
    }
}

#[test]
fn other_parameter_sets_in_mid_stream_are_another_configuration() {
    let tmp = tempfile::tempdir().unwrap();
    for codec in [Codec::H264, Codec::H265] {
        let (a, b) = (clip(tmp.path(), codec, "640x360", "yuv420p"), clip(tmp.path(), codec, "320x180", "yuv420p"));
        let packets = packetise(&[a.units, b.units].concat(), codec, 600, 3600);
        let mut d = Depacketizer::keeping_all(codec, Duration::ZERO).unwrap();
        let units = access(depacketise(&mut d, packets));
        let sizes: Vec<_> = units.iter().filter_map(|u| u.config.as_ref().map(TrackConfig::size)).collect();
        assert_eq!(sizes, [(640, 360), (640, 360), (320, 180), (320, 180)]);
    }
}

/// Whatever is lost: every NAL unit all of whose packets came is kept, in order; what has no mark decodes.
#[test]
fn a_camera_that_marks_every_slice_is_found_out_and_its_pictures_are_whole() {
    let mut d = Depacketizer::keeping_all(Codec::H264, Duration::ZERO).unwrap();
    let packets = (0..15u64).map(|n| Packet {
        seq: ExtSeq(7 + n),
        timestamp: ExtTimestamp(n / 3 * 3_600),
        arrival: UnixMillis(n as i64),
        marker: true,
        payload: Bytes::from(vec![0x65, 0x88, n as u8]),
    });
    let units = access(depacketise(&mut d, packets));
    let slices: Vec<usize> = units.iter().map(|u| u.nals().count()).collect();
    assert_eq!(slices, [1, 2, 3, 3, 3, 3], "the first is cut once, before anybody can know");
    assert!(units.iter().all(|u| u.broken != Some(Broken::Incomplete)), "the last one ended with a marker");
}

#[test]
fn of_a_lossy_stream_every_nal_unit_that_came_is_kept() {
    let tmp = tempfile::tempdir().unwrap();
    let clips =
        [clip(tmp.path(), Codec::H265, "640x360", "yuv420p"), clip(tmp.path(), Codec::H264, "640x360", "yuv420p")];
    let (mut sums, mut all_kinds) = ((0, 0), false);
    for (clip, seed) in clips.iter().flat_map(|c| (0..40u64).map(move |s| (c, s))) {
        let packets = packetise(&clip.units, clip.codec, 400, 3600);
        // A small generator of our own: the same losses each time.
        let mut state = seed * 2 + 1;
        let mut lost = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            state >> 33 & 0x3f == 0
        };
        let kept: Vec<Packet> = packets.iter().filter(|_| !lost()).cloned().collect();
        let mut d = Depacketizer::keeping_all(clip.codec, Duration::ZERO).unwrap();
        let got = depacketise(&mut d, kept.clone());
        let mut lessons = Depacketizer::new(clip.codec, Duration::ZERO).unwrap();
        let decodable: Vec<u64> =
            access(depacketise(&mut lessons, kept.clone())).iter().map(|u| u.timestamp.0).collect();

        // Which NAL units came whole: by the sequence numbers of their packets.
        let came: std::collections::BTreeSet<u64> = kept.iter().map(|p| p.seq.0).collect();
        let (mut want, mut seq) = (Vec::new(), 7u64);
        for nal in clip.units.iter().flatten() {
            let header = if clip.codec == Codec::H265 { 2 } else { 1 };
            let n = if nal.len() <= 400 { 1 } else { (nal.len() - header).div_ceil(397) as u64 };
            if (seq..seq + n).all(|s| came.contains(&s)) {
                want.push(nal.clone());
            }
            seq += n;
        }
        let units = access(got.clone());
        let nals: Vec<Bytes> = units.iter().flat_map(AccessUnit::nals).collect();
        assert_eq!(nals, want, "{:?} seed {seed}", clip.codec);
        let whole: Vec<u64> = units.iter().filter(|u| u.broken.is_none()).map(|u| u.timestamp.0).collect();
        // A lesson takes a keyframe that lost no more than its delimiter or its VPS; an archive calls it incomplete.
        assert!(whole.iter().all(|t| decodable.contains(t)), "{:?} seed {seed}: what has no mark decodes", clip.codec);
        (sums.0, sums.1) = (sums.0 + whole.len(), sums.1 + decodable.len());
        // What is lost before the first unit and after the last leaves no hole.
        let (first, last) = (kept[0].seq.0, kept[kept.len() - 1].seq.0);
        let missing: u64 = got.iter().map(|u| if let Unit::Hole(h) = u { h.packets } else { 0 }).sum();
        assert!(missing >= last - first + 1 - kept.len() as u64 || units.is_empty(), "{:?} seed {seed}", clip.codec);
        assert!(units.iter().all(|u| u.broken.is_none() || u.config.is_none()));
        assert!(units.iter().any(|u| u.broken.is_some()) || missing == 0);
        all_kinds |= units.iter().any(|u| u.broken == Some(Broken::AfterLoss));
    }
    assert!(all_kinds && sums.0 * 10 >= sums.1 * 9, "{sums:?}");
}

#[test]
fn sound_comes_out_as_it_went_in() {
    let tmp = tempfile::tempdir().unwrap();
    // (codec, encoder, file type)
    for (codec, encoder, kind) in
        [(Codec::Pcma, "pcm_alaw", "alaw"), (Codec::Pcmu, "pcm_mulaw", "mulaw"), (Codec::Aac, "aac", "adts")]
    {
        let raw = tmp.path().join(kind);
        let rate = if codec == Codec::Aac { "16000" } else { "8000" };
        let source = format!("sine=frequency=440:sample_rate={rate}");
        let input = ["-f", "lavfi", "-i", &source, "-t", "2", "-ac", "1", "-c:a", encoder, "-f", kind, "-y"];
        ffmpeg(&[&input[..], &[raw.to_str().unwrap()]].concat());
        let bytes = std::fs::read(&raw).unwrap();
        let mut d = Depacketizer::new(codec, Duration::ZERO).unwrap();
        let frames: Vec<Vec<u8>> = if codec == Codec::Aac {
            d.set_parameters(&[0x14, 0x08]);
            adts(&bytes)
                .into_iter()
                .map(|f| [&[0, 16][..], &((f.len() as u16) << 3).to_be_bytes(), f].concat())
                .collect()
        } else {
            bytes.chunks(160).map(<[u8]>::to_vec).collect()
        };
        let ticks = if codec == Codec::Aac { 1024 } else { 160 };
        let packets = frames.iter().enumerate().map(|(i, f)| Packet {
            seq: ExtSeq(i as u64),
            timestamp: ExtTimestamp(i as u64 * ticks),
            arrival: UnixMillis(0),
            marker: true,
            payload: f.clone().into(),
        });
        let units = access(depacketise(&mut d, packets));
        assert_eq!(units.len(), frames.len());
        let file = tmp.path().join("out.mp4");
        std::fs::write(&file, movie(units[0].config.as_ref().unwrap(), &units, 0)).unwrap();
        let pcm = |input: &[&str]| ffmpeg(&[input, &["-f", "s16le", "-"]].concat());
        let raw = raw.to_str().unwrap();
        let want = match codec {
            Codec::Aac => pcm(&["-i", raw]),
            _ => pcm(&["-f", kind, "-ar", rate, "-ac", "1", "-i", raw]),
        };
        let got = pcm(&["-i", file.to_str().unwrap()]);
        assert!(want.len() > 30_000 && got == want, "{kind}: {} of {} bytes", got.len(), want.len());
    }
}

/// The frames of an ADTS stream (ISO/IEC 13818-7 §6.2) without their headers.
fn adts(mut bytes: &[u8]) -> Vec<&[u8]> {
    let mut out = Vec::new();
    while bytes.len() > 7 {
        let len = usize::from(bytes[3] & 3) << 11 | usize::from(bytes[4]) << 3 | usize::from(bytes[5]) >> 5;
        out.push(&bytes[7..len]);
        bytes = &bytes[len..];
    }
    out
}
