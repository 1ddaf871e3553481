//! The same faults through an encoder and the decoder: what quantisation leaves of noise, edges and stillness. The pictures
//! are encoded by `ffmpeg` with x264 where it is installed; clips of the load test's cameras are judged where they were made.

use super::*;
use crate::{
    measure::Meter,
    synthetic::{HEIGHT, Look, Scene, WIDTH},
    wire::{Outcome, keyframes},
    worker::measure_here,
};
use std::{
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

const CAMERA: CameraId = CameraId(ulid::Ulid(9));

/// Encodes pictures as keyframes of about 18 kB each, as a substream has them. `None` without an encoder.
fn encode(scenes: &[(Scene, u32)]) -> Option<Vec<u8>> {
    let size = format!("{WIDTH}x{HEIGHT}");
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-s", &size, "-r", "1", "-i", "-"])
        .args([
            "-c:v", "libx264", "-preset", "veryfast", "-g", "1", "-b:v", "144k", "-maxrate", "200k", "-bufsize", "400k",
        ])
        .args(["-f", "h264", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut input = ffmpeg.stdin.take()?;
    let mut raw = Vec::new();
    let mut n = 0;
    for (scene, count) in scenes {
        for _ in 0..*count {
            let picture = scene.picture(n);
            let p = picture.planes();
            [p.y.0, p.u.0, p.v.0].into_iter().for_each(|plane| raw.extend_from_slice(plane));
            n += 1;
        }
    }
    let feed = std::thread::spawn(move || input.write_all(&raw));
    let out = ffmpeg.wait_with_output().ok()?;
    let fed = feed.join().expect("the thread ends").is_ok();
    (fed && out.status.success() && !out.stdout.is_empty()).then_some(out.stdout)
}

/// What is said of keyframes, by their number.
fn judge_all(streams: &[Vec<u8>], looped: bool) -> Vec<(usize, Fault, State)> {
    let (mut core, mut meter, mut said) = (HealthCore::new(), Meter::default(), Vec::new());
    for (n, keyframe) in streams.iter().flat_map(|s| keyframes(s)).enumerate() {
        let Outcome::Measured(mut m) = measure_here(&mut meter, keyframe) else { panic!("keyframe {n} is decoded") };
        m.repeats &= !looped;
        let verdicts = core.observe(UnixMillis(n as i64 * 2_000), CAMERA, Observation::Picture(&m));
        said.extend(verdicts.into_iter().map(|v| (n, v.fault, v.state)));
    }
    said
}

#[test]
fn faults_survive_the_encoder_and_nothing_else_comes_of_it() {
    use State::{Cleared, Raised};
    let room = Scene::room(4);
    let still = Scene { people: false, ..room };
    for (look, scene, want) in [
        ("black", room.looks(Look::Black), Some((15, Fault::Black))),
        ("white", room.looks(Look::White), Some((15, Fault::White))),
        ("covered", room.looks(Look::Covered(0.9)), Some((15, Fault::Covered))),
        ("blurred", room.looks(Look::Blurred(8)), Some((15, Fault::Blurred))),
        ("moved", room.looks(Look::Moved(-96, 0)), Some((15, Fault::Moved))),
        ("frozen", Scene { stopped: Some(13), ..room }, Some((14, Fault::Frozen))),
        ("still, with noise and a clock", still, None),
        ("dim", room.looks(Look::Light(0.35)), None),
    ] {
        let Some(stream) = encode(&[(room, 14), (scene, 6), (room, 6)]) else {
            println!("no ffmpeg with x264 here: nothing is encoded");
            return;
        };
        assert_eq!(keyframes(&stream).len(), 26);
        let want: Vec<_> = want.into_iter().flat_map(|(n, f)| [(n, f, Raised), (21, f, Cleared)]).collect();
        assert_eq!(judge_all(&[stream], false), want, "{look}");
    }
}

/// A clip of the load test's cameras; its strip and clock are painted when it is sent, so that by itself it repeats.
fn clip(look: &str) -> Option<Vec<u8>> {
    let name = format!("target/loadtest/cameras/v1-sub-scene1-{look}-500k.h264");
    let path: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read(path).ok()
}

#[test]
fn the_load_tests_cameras_are_judged_right() {
    use State::{Cleared, Raised};
    let Some(healthy) = clip("healthy") else {
        println!("no clips of cameras here");
        return;
    };
    for (look, fault) in [
        ("black", Fault::Black),
        ("white", Fault::White),
        ("covered", Fault::Covered),
        ("blurred", Fault::Blurred),
        ("moved", Fault::Moved),
    ] {
        let Some(faulty) = clip(look) else { continue };
        let mut streams = vec![healthy.clone(); 5];
        let (before, during) = (5 * keyframes(&healthy).len(), keyframes(&faulty).len());
        streams.extend([faulty, healthy.clone(), healthy.clone()]);
        let want = [(before + 1, fault, Raised), (before + during + 1, fault, Cleared)];
        assert_eq!(judge_all(&streams, true), want, "{look}");
    }
}
