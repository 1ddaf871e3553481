//! Whatever the moment at which the archive of cameras stops, coming back restores the invariants and keeps what was announced:
//! at the roll of an hour, while retention removes, and while that is recovered itself.

mod support;

use lectern_media::{CameraId, CameraStream, PlaceId, UnixMillis};
use lectern_protocol::api::GapCause;
use lectern_recorder::{
    FailReason,
    camera::{CameraArchive, CameraLimits, CameraMeta, CameraRecordingState, Hold, RetentionRules},
    check,
};
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use support::{
    camera::{Stream, dirs, kept, limits, meta, signer},
    disk::{FaultyDisk, Unsynced},
    scratch,
};

/// Just before a roll.
const T0: i64 = 1_790_000_008_217;

fn open(disk: &FaultyDisk, root: &Path) -> io::Result<CameraArchive> {
    CameraArchive::open_on(Arc::new(disk.clone()), root, few_parts(), signer()).map_err(io::Error::other)
}

fn few_parts() -> CameraLimits {
    let mut limits = limits();
    limits.recording.part = Duration::from_secs(60);
    limits
}

/// NAL units that were announced: those of frames that were sent well before the durable position.
type Announced = BTreeMap<Vec<u8>, usize>;

/// Three seconds of a camera over a roll. Returns what was announced.
fn small_day(archive: &CameraArchive, meta: &CameraMeta) -> (Announced, bool) {
    day(archive, meta, (T0, T0 + 3000), None)
}

/// A stretch of a camera, which is another one from some moment on. Returns what was announced.
fn day(
    archive: &CameraArchive,
    meta: &CameraMeta,
    (from, to): (i64, i64),
    moved: Option<(i64, &CameraMeta)>,
) -> (Announced, bool) {
    let camera = meta.camera;
    let Ok(tap) = archive.record(meta.clone()) else { return (Announced::new(), false) };
    archive.turn(UnixMillis(from));
    let mut main = Stream::new(camera, CameraStream::Main, 40, 12, from);
    main.connect(&tap);
    let mut announced = Announced::new();
    let mut sent: Vec<(i64, Announced)> = Vec::new();
    for now in (from..to).step_by(250) {
        main.send(now, || true, || 2);
        if let Some((_, meta)) = moved.filter(|(at, _)| *at == now) {
            assert!(archive.describe(meta.clone()));
        }
        archive.turn(UnixMillis(now));
        sent.push((now, main.arrived.clone()));
        let status = archive.status(camera).expect("it is recorded");
        if status.state != CameraRecordingState::On {
            return (announced, false);
        }
        if let Some((_, arrived)) = sent.iter().rev().find(|(at, _)| *at <= status.durable.0) {
            announced = arrived.clone();
        }
    }
    (announced, archive.stop(camera).is_ok())
}

#[test]
fn stopped_after_any_operation_nothing_announced_of_a_camera_is_lost() {
    let tmp = scratch();
    let meta = meta();
    for stop in (1..).step_by(2) {
        let root = tmp.path().join(format!("run-{stop}"));
        let disk = FaultyDisk::failing_after(stop);
        let (announced, done) = match open(&disk, &root) {
            Ok(archive) => small_day(&archive, &meta),
            Err(_) => (Announced::new(), false),
        };
        for unsynced in [Unsynced::Lost, Unsynced::Half, Unsynced::Kept] {
            let what = format!("stopped after {stop} operations, unsynced bytes {unsynced:?}");
            let left = tmp.path().join("left");
            disk.cut(&root, &left, unsynced);
            // Coming back is stopped itself, now and then, until it gets through.
            for again in (3..).step_by(17) {
                let disk = FaultyDisk::failing_after(again);
                let Ok(archive) = open(&disk, &left) else { continue };
                let _ = archive.record(meta.clone()).unwrap();
                for now in [T0 + 5000, T0 + 5100] {
                    archive.turn(UnixMillis(now));
                }
                let back = archive.status(meta.camera).unwrap().state == CameraRecordingState::On;
                if archive.stop(meta.camera).is_ok() && back && !disk.failed() {
                    break;
                }
            }
            let report = check(&left);
            assert!(report.ok, "{what}: {report}");
            let kept = kept(&left, meta.camera, meta.camera.track(CameraStream::Main));
            let lost = announced.iter().filter(|(nal, n)| kept.get(*nal).is_none_or(|have| have < *n)).count();
            assert_eq!(lost, 0, "{what}: of {} announced", announced.len());
            fs::remove_dir_all(&left).unwrap();
        }
        fs::remove_dir_all(&root).unwrap();
        if done {
            assert!(stop > 60 && announced.len() > 40, "{stop} operations, {} announced", announced.len());
            return;
        }
    }
}

/// Whatever the moment at which it stops while a moved camera's recording gives way, and wherever the camera hangs when it comes back.
#[test]
fn stopped_while_a_recording_gives_way_nothing_is_lost_and_its_header_is_right() {
    let tmp = scratch();
    let meta = meta();
    let moved = CameraMeta { place: PlaceId::generate(), place_name: "第二中学".into(), ..meta.clone() };
    // No roll of the hour comes in between.
    let from = T0 - 8_000;
    for stop in (1..).step_by(3) {
        let (root, left) = (tmp.path().join(format!("run-{stop}")), tmp.path().join("left"));
        let disk = FaultyDisk::failing_after(stop);
        let (announced, done) = match open(&disk, &root) {
            Ok(archive) => day(&archive, &meta, (from, from + 7_500), Some((from + 5_500, &moved))),
            Err(_) => (Announced::new(), false),
        };
        for (unsynced, now) in [(Unsynced::Lost, &moved), (Unsynced::Half, &meta), (Unsynced::Kept, &moved)] {
            let what = format!("stopped after {stop} operations, unsynced bytes {unsynced:?}");
            disk.cut(&root, &left, unsynced);
            let archive = open(&FaultyDisk::sound(), &left).unwrap();
            archive.record(now.clone()).unwrap();
            let back = UnixMillis(from + 9_000);
            archive.turn(back);
            archive.stop(meta.camera).unwrap();
            let report = check(&left);
            assert!(report.ok, "{what}: {report}");
            let kept = kept(&left, meta.camera, meta.camera.track(CameraStream::Main));
            let lost = announced.iter().filter(|(nal, n)| kept.get(*nal).is_none_or(|have| have < *n)).count();
            assert_eq!(lost, 0, "{what}: of {} announced", announced.len());
            let day = archive.timeline(meta.camera, UnixMillis(from), UnixMillis(from + 60_000)).unwrap();
            assert!(day.gaps.iter().all(|g| g.to <= back || g.cause == GapCause::Operator), "{what}: {:?}", day.gaps);
            // One may have been cut off before it had a header.
            let headers =
                dirs(&left, meta.camera).into_iter().rev().map(|d| fs::read_to_string(d.join("recording.json")));
            let header = headers.flatten().next().unwrap();
            assert!(header.contains(&now.place.to_string()), "{what}: {header}");
            fs::remove_dir_all(&left).unwrap();
        }
        fs::remove_dir_all(&root).unwrap();
        if done {
            assert!(stop > 60 && announced.len() > 100, "{stop} operations, {} announced", announced.len());
            return;
        }
    }
}

/// Streams with their pictures each so many milliseconds, a keyframe each so many pictures.
const STREAMS: [(CameraStream, i64, u64); 2] = [(CameraStream::Main, 40, 12), (CameraStream::Sub, 67, 60)];

/// Both streams over a stretch.
fn both(archive: &CameraArchive, streams: &mut [Stream; 2], meta: &CameraMeta, (from, to): (i64, i64)) {
    let tap = archive.record(meta.clone()).unwrap();
    archive.turn(UnixMillis(from));
    for s in streams.iter_mut() {
        s.skip(from);
        s.connect(&tap);
    }
    for now in (from + 250..=to).step_by(250) {
        streams.iter_mut().for_each(|s| s.send(now, || true, || 2));
        archive.turn(UnixMillis(now));
    }
}

/// Cut while one stream had rolled to the next recording and the other still waited for its keyframe; meanwhile the camera was moved, or
/// the next recording's time went by, too. Coming back is stopped as well, at any moment: every second of both streams is recorded or listed.
#[test]
fn cut_in_the_middle_of_a_roll_the_downtime_of_a_stream_that_had_not_rolled_is_listed() {
    let tmp = scratch();
    let meta = meta();
    let moved = CameraMeta { place: PlaceId::generate(), place_name: "第二中学".into(), ..meta.clone() };
    let from = T0 - 8_000;
    let cut = from + 11_000;
    let (root, left) = (tmp.path().join("a"), tmp.path().join("b"));
    // The substream's next keyframe comes two seconds behind the roll.
    let mut streams = STREAMS.map(|(stream, step, gop)| Stream::new(meta.camera, stream, step, gop, from));
    let disk = FaultyDisk::sound();
    both(&open(&disk, &root).unwrap(), &mut streams, &meta, (from, cut));
    for (now, off) in [(&moved, 3_000), (&meta, 15_000), (&meta, 3_000)] {
        for stop in 0.. {
            let what = format!("{}, off for {off} ms, coming back stopped after {stop} operations", now.place_name);
            disk.cut(&root, &left, Unsynced::Lost);
            assert_eq!(dirs(&left, meta.camera).len(), 2, "{what}: it was rolling");
            // Not at all, at first.
            let faulty = if stop == 0 { FaultyDisk::sound() } else { FaultyDisk::failing_after(stop) };
            if stop > 0
                && let Ok(archive) = open(&faulty, &left)
            {
                archive.record(now.clone()).unwrap();
                archive.turn(UnixMillis(cut + off));
            }
            // What there was is sealed, and what was begun after it tells of no stream yet: the time up to the next try is listed nowhere.
            let goes_on = |dir: PathBuf| {
                let journal = fs::read_to_string(dir.join("timeline.jsonl")).unwrap_or_default();
                // A torn line tells nothing.
                let whole = journal.rsplit_once('\n').map_or("", |(whole, _)| whole);
                let tells =
                    |(stream, ..): (CameraStream, i64, u64)| whole.contains(&meta.camera.track(stream).to_string());
                !dir.join("seal.json").exists() && STREAMS.into_iter().all(tells)
            };
            let between = !dirs(&left, meta.camera).into_iter().any(goes_on);
            let unlisted = if between { 2_000 } else { 0 };
            let begin = cut + off + 2_000;
            let end = begin + 4_000;
            let archive = open(&FaultyDisk::sound(), &left).unwrap();
            let mut streams = STREAMS.map(|(stream, step, gop)| Stream::new(meta.camera, stream, step, gop, from));
            both(&archive, &mut streams, now, (begin, end));
            archive.stop(meta.camera).unwrap();
            let report = check(&left);
            assert!(report.ok, "{what}: {report}");
            let day = archive.timeline(meta.camera, UnixMillis(from), UnixMillis(end)).unwrap();
            for (stream, ..) in STREAMS {
                let spans = day.streams.iter().filter(|s| s.stream == stream).flat_map(|s| &s.spans);
                let gaps = day.gaps.iter().filter(|g| g.stream.is_none_or(|s| s == stream));
                let mut known: Vec<(i64, i64)> = spans.map(|s| (s.from.0, s.to.0)).collect();
                known.extend(gaps.map(|g| (g.from.0, g.to.0)));
                known.sort_unstable();
                let mut at = from;
                for (next, over) in known.iter().copied().chain([(end, end)]) {
                    assert!(
                        next - at <= 600 + unlisted,
                        "{what}: {stream:?} {} to {} is nowhere",
                        at - from,
                        next - from
                    );
                    at = at.max(over);
                }
            }
            let done = stop > 0 && !faulty.failed();
            fs::remove_dir_all(&left).unwrap();
            if done {
                assert!(stop > 20, "coming back took {stop} operations");
                break;
            }
        }
    }
}

#[test]
fn a_writer_that_does_not_sync_is_seen() {
    let tmp = scratch();
    let (root, left, meta) = (tmp.path().join("a"), tmp.path().join("b"), meta());
    let disk = FaultyDisk::without_syncs();
    let (announced, _) = small_day(&open(&disk, &root).unwrap(), &meta);
    assert!(!announced.is_empty());
    disk.cut(&root, &left, Unsynced::Lost);
    assert!(kept(&left, meta.camera, meta.camera.track(CameraStream::Main)).is_empty());
}

/// One recording of an hour that is over.
fn an_old_hour(root: &Path) -> CameraId {
    let meta = meta();
    let archive = open(&FaultyDisk::without_syncs(), root).unwrap();
    let tap = archive.record(meta.clone()).unwrap();
    archive.turn(UnixMillis(T0));
    let mut main = Stream::new(meta.camera, CameraStream::Main, 40, 12, T0);
    main.connect(&tap);
    main.send(T0 + 1000, || true, || 1);
    archive.turn(UnixMillis(T0 + 1000));
    archive.stop(meta.camera).unwrap();
    // Somebody believes that it is days later: a clock that leaps over them alone removes nothing.
    let rules =
        RetentionRules { cameras: [].into(), moved: [].into(), groups: [].into(), default_days: 1000, free_bytes: 0 };
    assert_eq!(archive.retain(&rules, LATER).unwrap().removed, []);
    meta.camera
}

const LATER: UnixMillis = UnixMillis(T0 + 3 * 86_400_000);

#[test]
fn retention_stopped_after_any_operation_leaves_the_hour_or_its_entry() {
    let tmp = scratch();
    let sound = tmp.path().join("sound");
    let camera = an_old_hour(&sound);
    let rules =
        RetentionRules { cameras: [].into(), moved: [].into(), groups: [].into(), default_days: 1, free_bytes: 0 };
    let later = LATER;
    for stop in 1.. {
        let root = tmp.path().join("root");
        copy_dir(&sound, &root);
        let disk = FaultyDisk::failing_after(stop);
        let done = open(&disk, &root).and_then(|a| a.retain(&rules, later)).is_ok_and(|r| r.removed.len() == 1);
        let archive = open(&FaultyDisk::sound(), &root).unwrap();
        let report = check(&root);
        assert!(report.ok, "after {stop} operations: {report}");
        let day = archive.timeline(camera, UnixMillis(T0), UnixMillis(T0 + 2000)).unwrap();
        assert!(day.recordings.len() + day.removed.len() >= 1, "after {stop} operations the hour is a hole");
        archive.retain(&rules, later).unwrap();
        let day = archive.timeline(camera, UnixMillis(T0), UnixMillis(T0 + 2000)).unwrap();
        assert_eq!((day.recordings.len(), day.removed.len()), (0, 1), "after {stop} operations");
        fs::remove_dir_all(&root).unwrap();
        if done {
            assert!(stop > 8, "removing took {stop} operations");
            return;
        }
    }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_dir(&path, &target) } else { _ = fs::copy(&path, &target).unwrap() }
    }
}

#[test]
fn a_hold_that_was_answered_outlives_a_power_cut() {
    let tmp = scratch();
    for stop in 1.. {
        let (root, left) = (tmp.path().join("a"), tmp.path().join("b"));
        let disk = FaultyDisk::failing_after(stop);
        let Ok(archive) = open(&disk, &root) else { continue };
        let hold = |n: i64| Hold {
            id: ulid::Ulid(n as u128),
            camera: CameraId(ulid::Ulid(1)),
            from: UnixMillis(n),
            to: UnixMillis(n + 1),
            why: "x".into(),
            by: "y".into(),
            at: UnixMillis(n),
        };
        let answered: Vec<Hold> = (0..4).map(hold).filter(|h| archive.hold(h.clone()).is_ok()).collect();
        disk.cut(&root, &left, Unsynced::Lost);
        let there = open(&FaultyDisk::sound(), &left).unwrap().holds();
        assert!(answered.iter().all(|h| there.contains(h)), "after {stop}: {answered:?} {there:?}");
        drop(archive);
        for dir in [root, left] {
            fs::remove_dir_all(dir).unwrap();
        }
        if answered.len() == 4 {
            return;
        }
    }
}

#[test]
fn a_full_disk_stops_one_camera_alone_and_its_gap_is_the_disks() {
    let tmp = scratch();
    let disk = FaultyDisk::healing(70, 30, io::ErrorKind::StorageFull);
    let archive = open(&disk, tmp.path()).unwrap();
    let meta = meta();
    let tap = archive.record(meta.clone()).unwrap();
    archive.turn(UnixMillis(T0));
    let mut main = Stream::new(meta.camera, CameraStream::Main, 40, 12, T0);
    main.connect(&tap);
    let (mut failed, mut back) = (None, false);
    for now in (T0..T0 + 8000).step_by(100) {
        main.send(now, || true, || 1);
        archive.turn(UnixMillis(now));
        match archive.status(meta.camera).unwrap().state {
            CameraRecordingState::Failed { reason } => failed = Some(reason),
            _ => back |= failed.is_some(),
        }
    }
    assert_eq!((failed, back), (Some(FailReason::DiskFull), true));
    archive.stop(meta.camera).unwrap();
    let report = check(tmp.path());
    assert!(report.ok, "{report}");
    let day = archive.timeline(meta.camera, UnixMillis(T0), UnixMillis(T0 + 9000)).unwrap();
    assert!(day.gaps.iter().any(|g| g.cause == GapCause::Disk), "{:?}", day.gaps);
}

/// A sync that fails tells once, and what it was to write is gone with the next power cut unless it is written again.
#[test]
fn what_a_failed_sync_left_is_written_again() {
    let (tmp, meta) = (scratch(), meta());
    for stop in 1.. {
        let (root, left) = (tmp.path().join("a"), tmp.path().join("b"));
        let disk = FaultyDisk::healing(stop, 0, io::ErrorKind::Other);
        let Ok(archive) = open(&disk, &root) else { continue };
        let tap = archive.record(meta.clone()).unwrap();
        let mut main = Stream::new(meta.camera, CameraStream::Main, 40, 12, T0);
        archive.turn(UnixMillis(T0));
        main.connect(&tap);
        for now in (T0..T0 + 3000).step_by(250) {
            main.send(now, || true, || 2);
            archive.turn(UnixMillis(now));
        }
        let status = archive.status(meta.camera).unwrap();
        assert_eq!(status.state, CameraRecordingState::On, "after {stop}");
        disk.cut(&root, &left, Unsynced::Lost);
        let archive = open(&FaultyDisk::sound(), &left).unwrap();
        archive.record(meta.clone()).unwrap();
        archive.turn(UnixMillis(T0 + 4000));
        archive.stop(meta.camera).unwrap();
        let report = check(&left);
        assert!(report.ok, "operation {stop} failed: {report}");
        let healed = disk.healed();
        for dir in [root, left] {
            fs::remove_dir_all(dir).unwrap();
        }
        if !healed {
            assert!(stop > 60);
            return;
        }
    }
}
