//! How long opening an archive takes, and retention's first look and next: `cargo run -p lectern-recorder --example archive_open [cameras]
//! [days] [dir]`. Makes an archive of that size in a directory of its own below `dir`, an hour a directory with header and seal alone, and
//! removes it. What it reads was just written, so a disk that must seek is not measured.

use lectern_media::{CameraId, PlaceId, RecordingId, UnixMillis};
use lectern_recorder::{
    FORMAT, Header, SUITE, Seal, Signer,
    camera::{
        CameraArchive, CameraKind, CameraLimits, CameraMeta, CameraRecording, RetentionRules, camera_recording_dir,
    },
};
use std::{fs, path::PathBuf, sync::Arc, time::Instant};
use ulid::Ulid;

const HOUR_MS: i64 = 3_600_000;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let mut number = |default: i64| args.next().map_or(Ok(default), |a| a.parse::<i64>());
    let (cameras, days) = (number(50)?, number(60)?);
    let below = args.next().map_or_else(std::env::temp_dir, PathBuf::from);
    let scratch = tempfile::tempdir_in(below)?;
    let root = scratch.path();
    let now = UnixMillis::now();
    let first = (now.0 / HOUR_MS - days * 24) * HOUR_MS;
    for n in 0..cameras {
        let camera = CameraMeta {
            camera: CameraId::generate(),
            name: format!("{n}"),
            place: PlaceId::generate(),
            places: vec![],
            place_name: String::new(),
            group: "exam_room".into(),
            code: None,
        };
        for hour in 0..days * 24 {
            let started = UnixMillis(first + hour * HOUR_MS);
            let id = RecordingId(Ulid::from_parts(started.0 as u64, Ulid::new().random()));
            let until = UnixMillis(started.0 + HOUR_MS);
            let meta = CameraRecording {
                kind: CameraKind::Camera,
                id,
                started,
                until,
                previous: None,
                camera: camera.clone(),
            };
            let seal = Seal {
                format: FORMAT,
                suite: SUITE.into(),
                duration_ms: HOUR_MS as u64,
                size_bytes: 2_000_000_000,
                records: 0,
                head: String::new(),
                finished: true,
                sealed: until,
                spans: vec![],
            };
            let dir = camera_recording_dir(root, camera.camera, id);
            fs::create_dir_all(&dir)?;
            fs::write(
                dir.join(Header::FILE),
                serde_json::to_vec(&Header { format: FORMAT, suite: SUITE.into(), meta })?,
            )?;
            fs::write(dir.join(Seal::FILE), serde_json::to_vec(&seal)?)?;
        }
    }
    let began = Instant::now();
    let signer = Arc::new(Signer::from_seed(&[1; 32]).ok_or("no such key")?);
    let archive = CameraArchive::open(root, CameraLimits { threads: 0, ..CameraLimits::default() }, signer)?;
    println!("{} recordings: opened in {:.0?}", cameras * days * 24, began.elapsed());
    let rules =
        RetentionRules { cameras: [].into(), moved: [].into(), groups: [].into(), default_days: 1000, free_bytes: 0 };
    for what in ["first", "next"] {
        let began = Instant::now();
        archive.retain(&rules, now)?;
        println!("retention's {what} look: {:.0?}", began.elapsed());
    }
    Ok(())
}
