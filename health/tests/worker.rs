//! The worker as a process: measures real keyframes, dies of poisoned ones, comes back.

use bytes::Bytes;
use lectern_health::{
    Offered, Worker, WorkerConfig, WorkerError,
    wire::{Outcome, Report, Undecodable},
};
use lectern_media::{CameraId, UnixMillis};
use std::{path::PathBuf, process::Command, time::Duration};
use tokio::sync::mpsc::Receiver;

const PATIENCE: Duration = Duration::from_secs(30);

fn worker() -> WorkerConfig {
    WorkerConfig::new(PathBuf::from(env!("CARGO_BIN_EXE_lectern-health-worker")), vec![])
}

/// A worker that runs this shell script first; `$WORKER` is the real one.
fn script(text: &str) -> WorkerConfig {
    let text = text.replace("$WORKER", env!("CARGO_BIN_EXE_lectern-health-worker"));
    WorkerConfig::new(PathBuf::from("/bin/sh"), vec!["-c".into(), text.into()])
}

/// A keyframe as an encoder makes it. `None` without ffmpeg.
fn keyframe(source: &str) -> Option<Bytes> {
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", source, "-frames:v", "1", "-pix_fmt", "yuv420p"])
        .args(["-c:v", "libx264", "-profile:v", "high", "-bsf:v", "h264_mp4toannexb", "-f", "h264", "-"])
        .output();
    let made = made.ok().filter(|o| o.status.success() && !o.stdout.is_empty());
    if made.is_none() {
        println!("no ffmpeg with x264 here: nothing is decoded");
    }
    made.map(|o| o.stdout.into())
}

async fn next(reports: &mut Receiver<Report>) -> Report {
    tokio::time::timeout(PATIENCE, reports.recv()).await.expect("waited in vain").expect("the worker is looked after")
}

#[tokio::test]
async fn keyframes_are_decoded_and_measured() {
    let (Some(bars), Some(grey)) = (keyframe("smptebars=size=640x360"), keyframe("color=gray:size=704x576")) else {
        return;
    };
    let (worker, mut reports) = Worker::spawn(worker()).unwrap();
    let cameras = [CameraId::generate(), CameraId::generate()];
    for round in 0..2 {
        for (camera, picture) in cameras.iter().zip([&bars, &grey]) {
            assert_eq!(worker.offer(*camera, UnixMillis(round), picture.clone()), Offered::Taken);
        }
    }
    for round in 0..2 {
        for (camera, size) in cameras.iter().zip([(640, 360), (704, 576)]) {
            let report = next(&mut reports).await;
            assert_eq!((report.camera, report.at), (*camera, UnixMillis(round)), "in the order of asking");
            let Outcome::Measured(m) = report.outcome else { panic!("{:?}", report.outcome) };
            assert_eq!((m.width, m.height), size);
            assert_eq!(m.contrast > 20.0, size.0 == 640, "bars have contrast, grey has none: {}", m.contrast);
            assert_eq!(m.repeats, round == 1, "the same again");
        }
    }
}

#[tokio::test]
async fn what_is_no_keyframe_is_reported_and_the_worker_lives() {
    let (worker, mut reports) = Worker::spawn(worker()).unwrap();
    let camera = CameraId::generate();
    let mut damaged = keyframe("testsrc2=size=640x360").map(|k| k.to_vec()).unwrap_or_default();
    let len = damaged.len();
    damaged.iter_mut().skip(len / 2).for_each(|b| *b = 0x55);
    let inputs =
        [vec![0, 0, 0, 1, 0x65, 1, 2, 3], vec![0xff; 5_000], vec![0, 0, 1, 0x67, 0x42, 0xc0, 0x1f, 0xff], damaged];
    for (n, input) in inputs.iter().filter(|i| !i.is_empty()).enumerate() {
        assert_eq!(worker.offer(camera, UnixMillis(n as i64), input.clone().into()), Offered::Taken);
        let outcome = next(&mut reports).await.outcome;
        let fatal = matches!(outcome, Outcome::Undecodable(Undecodable::Fatal | Undecodable::Skipped));
        assert!(!fatal, "input {n}: {outcome:?}");
    }
    assert_eq!(worker.offer(camera, UnixMillis(9), Bytes::new()), Offered::BadLength);
    assert_eq!(worker.offer(camera, UnixMillis(9), vec![0; (2 << 20) + 1].into()), Offered::BadLength);
}

#[tokio::test]
async fn a_fatal_keyframe_costs_one_worker_and_its_camera_a_pause() {
    let here = tempfile::tempdir().unwrap();
    let mark = here.path().join("died");
    // The first worker reads the first keyframe (4 + 24 + 3 bytes) and dies of it.
    let dies =
        format!("if [ ! -e {0} ]; then head -c 31 >/dev/null; : > {0}; exit 9; fi; exec $WORKER", mark.display());
    let (worker, mut reports) = Worker::spawn(script(&dies)).unwrap();
    let (poisoned, healthy) = (CameraId::generate(), CameraId::generate());
    worker.offer(poisoned, UnixMillis(1), Bytes::from_static(&[1, 2, 3]));
    let report = next(&mut reports).await;
    assert_eq!((report.camera, report.outcome), (poisoned, Outcome::Undecodable(Undecodable::Fatal)));
    worker.offer(poisoned, UnixMillis(2), Bytes::from_static(&[1, 2, 3]));
    worker.offer(healthy, UnixMillis(3), Bytes::from_static(&[1, 2, 3]));
    let mut seen = [next(&mut reports).await, next(&mut reports).await];
    seen.sort_by_key(|r| r.at);
    assert_eq!(seen[0].outcome, Outcome::Undecodable(Undecodable::Skipped), "its camera is left out for a while");
    let tried = matches!(seen[1].outcome, Outcome::Undecodable(Undecodable::Refused | Undecodable::Incomplete));
    assert!(seen[1].camera == healthy && tried, "the others are served by the next worker: {:?}", seen[1]);
}

#[tokio::test]
async fn workers_that_hang_or_talk_nonsense_are_replaced() {
    for (what, text) in [
        ("hangs", "if [ ! -e MARK ]; then : > MARK; exec sleep 600; fi; exec $WORKER"),
        (
            "talks nonsense",
            "if [ ! -e MARK ]; then : > MARK; head -c 31 >/dev/null; echo hello; exec sleep 600; fi; exec $WORKER",
        ),
        (
            "answers what nobody asked",
            "if [ ! -e MARK ]; then : > MARK; head -c 31 >/dev/null; echo '{\"camera\":\"01J9Z3K5Q0A7X2M4N6P8R0S2T4\",\"at\":5,\"outcome\":{\"undecodable\":\"refused\"}}'; exec sleep 600; fi; exec $WORKER",
        ),
        ("never stops talking", "if [ ! -e MARK ]; then : > MARK; exec yes | tr -d '\\n'; fi; exec $WORKER"),
    ] {
        let here = tempfile::tempdir().unwrap();
        let mark = here.path().join("mark").display().to_string();
        let mut config = script(&text.replace("MARK", &mark));
        config.answer_within = Duration::from_secs(1);
        let (worker, mut reports) = Worker::spawn(config).unwrap();
        let (first, second) = (CameraId::generate(), CameraId::generate());
        worker.offer(first, UnixMillis(1), Bytes::from_static(&[1, 2, 3]));
        let report = next(&mut reports).await;
        assert_eq!((report.camera, report.outcome), (first, Outcome::Undecodable(Undecodable::Fatal)), "{what}");
        worker.offer(second, UnixMillis(2), Bytes::from_static(&[1, 2, 3]));
        let report = next(&mut reports).await;
        assert_eq!(report.camera, second, "{what}");
        assert_ne!(report.outcome, Outcome::Undecodable(Undecodable::Fatal), "{what}: the next one works");
    }
}

#[tokio::test]
async fn the_queue_is_bounded_in_number_and_in_bytes() {
    // Reads nothing.
    let mut config = script("exec sleep 600");
    (config.queue, config.queue_bytes) = (4, 1 << 20);
    let (worker, reports) = Worker::spawn(config).unwrap();
    let camera = CameraId::generate();
    let offered: Vec<_> = (0..32).map(|n| worker.offer(camera, UnixMillis(n), vec![1; 1_000].into())).collect();
    assert_eq!(offered[0], Offered::Taken);
    assert_eq!(offered[31], Offered::Full);
    assert_eq!(worker.offer(camera, UnixMillis(99), vec![1; (1 << 20) + 1].into()), Offered::Full);
    drop(reports);
    let deadline = tokio::time::Instant::now() + PATIENCE;
    while worker.offer(camera, UnixMillis(99), vec![1; 10].into()) != Offered::Closed {
        assert!(tokio::time::Instant::now() < deadline, "nobody reads reports any more");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_is_an_error_at_once() {
    let config = WorkerConfig::new(PathBuf::from("/nowhere/worker"), vec![]);
    assert!(matches!(Worker::spawn(config), Err(WorkerError::Start { .. })));
}
