//! A camera whose parameter sets change with every keyframe, or which begins anew again and again: it costs few parts, nothing is lost,
//! and the camera beside it is as durable as ever.

mod support;

use bytes::Bytes;
use lectern_media::{
    CameraStream, Codec, ExtSeq, ExtTimestamp, TrackInfo, TrackSource, UnixMillis,
    tap::{TapPacket, TapSender},
};
use lectern_recorder::{
    camera::{CameraArchive, CameraLimits},
    check,
};
use std::time::Duration;
use support::camera::{Stream, dirs, kept, limits, meta, signer};

const T0: i64 = 1_790_000_001_000;
const SPS: &[u8] =
    &[0x67, 0x42, 0xc0, 0x1f, 0xda, 1, 0x40, 0x16, 0xec, 4, 0x40, 0, 0, 3, 0, 0x40, 0, 0, 0x0f, 3, 0xc6, 0x0c, 0xa8];
/// Pictures a second, all of them keyframes with parameter sets of their own.
const PICTURES: u64 = 25;
const SECONDS: u64 = 20;

fn send(sender: &mut TapSender, info: &TrackInfo, n: u64, units: [Bytes; 3]) {
    for (k, payload) in units.into_iter().enumerate() {
        sender.offer(TapPacket {
            track: info.id,
            seq: ExtSeq(n * 3 + k as u64),
            timestamp: ExtTimestamp(n * 90_000 / PICTURES),
            arrival: UnixMillis(T0 + (n * 1000 / PICTURES) as i64),
            marker: k == 2,
            keyframe: true,
            payload,
        });
    }
}

#[test]
fn parameter_sets_that_change_all_the_time_cost_few_parts_and_no_other_camera() {
    for anew in [false, true] {
        let tmp = tempfile::tempdir().unwrap();
        let mut limits = CameraLimits { roll_every: Duration::from_secs(3600), ..limits() };
        (limits.recording.part, limits.recording.part_bytes_max) = (Duration::from_secs(600), 1 << 30);
        let archive = CameraArchive::open(tmp.path(), limits, signer()).unwrap();
        let (hostile, other) = (meta(), meta());
        let (bad, good) = (hostile.camera, other.camera);
        let taps = [archive.record(hostile).unwrap(), archive.record(other).unwrap()];
        archive.turn(UnixMillis(T0));
        let track = bad.track(CameraStream::Main);
        let source = TrackSource::Camera;
        let info = TrackInfo { id: track, participant: bad.participant(), source, codec: Codec::H264, layers: 1 };
        let mut sender = taps[0].handle().start(&info).unwrap();
        let mut beside = Stream::new(good, CameraStream::Main, 40, 25, T0);
        beside.connect(&taps[1]);
        let mut units = 0;
        for n in 0..PICTURES * SECONDS {
            let now = T0 + (n * 1000 / PICTURES) as i64;
            if anew && n > 0 && n.is_multiple_of(15) {
                // Another source: the track starts again.
                drop(sender);
                sender = taps[0].handle().start(&info).unwrap();
            }
            let number = [(n >> 8) as u8 | 0x80, n as u8 | 1, (n >> 1) as u8 | 1];
            let set = Bytes::from([&[0x68, 0xce][..], &number].concat());
            let slice = Bytes::from([&[0x65, 0x88][..], &number].concat());
            send(&mut sender, &info, n, [Bytes::from_static(SPS), set, slice]);
            units += 3;
            beside.send(now + 1, || true, || 1);
            archive.turn(UnixMillis(now));
            let durable = archive.status(good).unwrap().durable;
            assert!(now - durable.0 < 1000, "the camera beside it is durable up to {} ms ago", now - durable.0);
        }
        drop(sender);
        archive.turn(UnixMillis(T0 + SECONDS as i64 * 1000));
        archive.stop(bad).unwrap();
        archive.stop(good).unwrap();
        let report = check(tmp.path());
        assert!(report.ok, "{report}");
        assert_eq!(kept(tmp.path(), bad, track).values().sum::<usize>(), units, "every unit is kept");
        let files = |ending: &str| {
            let names = dirs(tmp.path(), bad).into_iter().flat_map(|d| std::fs::read_dir(d).unwrap());
            names.filter(|e| e.as_ref().unwrap().file_name().to_string_lossy().ends_with(ending)).count()
        };
        assert_eq!(
            (files(".cmf"), files(".raw")),
            (SECONDS as usize / 5, 0),
            "a part in five seconds, and all decodes"
        );
    }
}
