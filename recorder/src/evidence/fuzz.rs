//! Fuzzing the verifier: any bytes, and evidence files with some of theirs changed.

use super::{Continue, ExportRequest, Viewer, export, verify_source};
use crate::{
    Entry, Limits, Signer,
    camera::{CameraKind, CameraMeta, CameraRecording, camera_recording_dir, raw},
    storage::Disk,
    track::Fragment,
    writer::Writer,
};
use bytes::Bytes;
use lectern_fmp4::{Sample, TrackConfig, depay::Broken, init::init_segment};
use lectern_media::{
    CameraId, CameraStream, Codec, ExtTimestamp, PlaceId, RecordingId, TrackInfo, TrackSource, UnixMillis,
};
use lectern_protocol::api::GapCause;
use std::{io, path::Path, sync::Arc};

const STARTED: i64 = 1_790_000_000_000;

/// Nothing but what was signed is authentic.
pub(crate) fn file(data: &[u8], valid: &[Vec<u8>]) {
    let report = verify_source(data, None);
    assert!(!report.authentic || valid.iter().any(|v| v == data), "a forged file passes:\n{report}");
    assert!(report.authentic || !report.findings.is_empty(), "what is not authentic is told why");
    let _ = report.to_string();
}

/// A small evidence file, always the same, made in the directory `root`.
pub(crate) fn example(root: &Path) -> io::Result<Vec<u8>> {
    let (camera, signer) = (CameraId(1.into()), Signer::from_seed(&[3; 32]).ok_or(io::ErrorKind::InvalidInput)?);
    let id = RecordingId(ulid::Ulid::from_parts(STARTED as u64, 5));
    let meta = CameraMeta {
        camera,
        name: "一号".into(),
        place: PlaceId(2.into()),
        places: vec![],
        place_name: String::new(),
        group: "gate".into(),
        code: None,
    };
    let started = UnixMillis(STARTED);
    let recording = CameraRecording {
        kind: CameraKind::Camera,
        id,
        started,
        until: UnixMillis(STARTED + 3_600_000),
        previous: None,
        camera: meta,
    };
    let dir = camera_recording_dir(root, camera, id);
    let mut w = Writer::create_in(Arc::new(Disk), root, dir, recording, &Limits::default())?;
    let track = camera.track(CameraStream::Sound);
    let participant = camera.participant();
    let info = TrackInfo { id: track, participant, source: TrackSource::Microphone, codec: Codec::Pcma, layers: 1 };
    let (key, public) = (signer.key_id().to_owned(), hex::encode(signer.public_key()));
    w.line(0, Entry::Signer { key, public })?;
    w.line(0, Entry::Track { info, clock_hz: None })?;
    w.part(track, init_segment(&TrackConfig::Pcma), started)?;
    for n in 0..6u64 {
        let data = Bytes::from(vec![n as u8; 40]);
        let samples = vec![Sample { duration: 4000, keyframe: true, composition: 0, data }];
        let f = Fragment { sequence: n as u32 + 1, dts: n * 4000, duration: 4000, keyframe: true, samples };
        w.fragment(track, &f, 0, 8000, started)?;
        if n % 2 == 1 {
            let at = UnixMillis(STARTED + n as i64 * 500);
            w.line(n * 500, Entry::ClockOffset { track, offset_ms: 7 })?;
            let unit = raw::RawUnit {
                broken: Broken::AfterLoss,
                timestamp: ExtTimestamp(n),
                arrival: at,
                data: Bytes::from_static(&[0, 0, 0, 1, 9]),
            };
            w.raw(camera.track(CameraStream::Main), n * 500, &raw::block(&[unit]))?;
            w.line(n * 500, Entry::Gap { track: None, from_ms: 1, to_ms: 9, cause: GapCause::Loss, packets: None })?;
            w.sync_media()?;
            w.append_chain(Some((&signer, at)))?;
            w.sync_chain()?;
        }
    }
    let nobody = || Viewer { account: String::new(), name: String::new(), login: String::new(), place: String::new() };
    let request = ExportRequest {
        cameras: vec![camera],
        from: started,
        to: UnixMillis(STARTED + 5_000),
        within: std::collections::BTreeMap::new(),
        by: nobody(),
        reason: String::new(),
        viewers: vec![],
        server: String::new(),
        zone: jiff::tz::TimeZone::UTC,
        now: started,
    };
    let out = root.join("evidence.zip");
    export(root, &request, &signer, &out, &mut |_| Continue::Yes).map_err(io::Error::other)?;
    std::fs::read(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    /// The verifier needs no disk, and nothing but the file that was signed passes.
    #[test]
    fn no_changed_file_passes() {
        let tmp = tempfile::tempdir().unwrap();
        let valid = vec![example(tmp.path()).unwrap()];
        let report = verify_source(&valid[0][..], None);
        assert!(report.authentic, "{report}");
        for seed in 0..600u64 {
            let mut rng = ChaCha8Rng::seed_from_u64(seed);
            let mut data = valid[0].clone();
            for _ in 0..rng.random_range(1..4) {
                let at = rng.random_range(0..data.len());
                match rng.random_range(0..4) {
                    0 => data.truncate(at.max(1)),
                    1 => drop(data.drain(at..data.len().min(at + rng.random_range(1..80)))),
                    2 => data.insert(at, rng.random()),
                    _ => data[at] = [0, 0xff, b'9', b'"', rng.random()][rng.random_range(0..5)],
                }
                if data.is_empty() {
                    data.push(0);
                }
            }
            file(&data, &valid);
        }
    }
}
