//! Long absences, clocks that leap, a slow disk: what is told, what is kept, and who waits.

mod support;

use lectern_media::{CameraId, CameraStream, UnixMillis};
use lectern_protocol::api::GapCause;
use lectern_recorder::{
    Header,
    camera::{
        CameraArchive, CameraLimits, CameraRecording, CameraRecordingState, CameraTap, RetentionReport, RetentionRules,
        SCRATCH_PREFIX, Uptime, confirm_clock,
    },
    check,
    evidence::{Continue, ExportRequest, Viewer, export, verify},
    storage::{Appender, Disk, Storage},
};
use std::{
    io,
    path::Path,
    sync::{Arc, Condvar, Mutex},
    time::{Duration, Instant},
};
use support::{
    camera::{Stream, limits, meta, signer},
    scratch,
};

const T0: i64 = 1_790_000_003_217;
const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

fn open(root: &Path) -> CameraArchive {
    let limits = CameraLimits { roll_every: Duration::from_secs(3600), ..limits() };
    CameraArchive::open(root, limits, signer()).unwrap()
}

/// Records both pictures for some seconds from `begin` on.
fn record(archive: &CameraArchive, streams: &mut [Stream], begin: i64, seconds: i64) {
    for now in (begin..begin + seconds * 1000).step_by(100) {
        for s in &mut *streams {
            s.send(now, || true, || 1);
        }
        archive.turn(UnixMillis(now));
    }
}

fn streams(camera: CameraId, at: i64) -> [Stream; 2] {
    [(CameraStream::Main, 40, 25), (CameraStream::Sub, 67, 15)]
        .map(|(stream, step, gop)| Stream::new(camera, stream, step, gop, at))
}

/// What is missing of the main picture between two moments: from, to, cause.
fn missing(archive: &CameraArchive, camera: CameraId, from: i64, to: i64) -> Vec<(i64, i64, GapCause)> {
    let t = archive.timeline(camera, UnixMillis(from), UnixMillis(to)).unwrap();
    let of = |g: &&lectern_recorder::camera::TimelineGap| g.stream.is_none_or(|s| s == CameraStream::Main);
    t.gaps.iter().filter(of).map(|g| (g.from.0 - T0, g.to.0 - T0, g.cause)).collect()
}

#[test]
fn a_server_that_was_off_for_forty_days_is_one_gap() {
    let (tmp, meta) = (scratch(), meta());
    let camera = meta.camera;
    let back = T0 + 40 * DAY;
    for begin in [T0, back] {
        let archive = open(tmp.path());
        let tap = archive.record(meta.clone()).unwrap();
        archive.turn(UnixMillis(begin));
        let mut both = streams(camera, begin);
        both.iter_mut().for_each(|s| s.connect(&tap));
        record(&archive, &mut both, begin, 5);
    }
    let archive = open(tmp.path());
    let near = |a: i64, b: i64| (a - b).abs() < 1000;
    // All of it (a range has forty days at most), some day in the middle, its end.
    for (from, to) in [(T0, back), (T0 + 20 * DAY, T0 + 21 * DAY), (back - DAY, back + 5000)] {
        let gaps = missing(&archive, camera, from, to);
        let [(a, b, GapCause::Restart)] = gaps[..] else { panic!("{gaps:?}") };
        assert!(near(a, (from - T0).max(5000)) && near(b, (to - T0).min(40 * DAY)), "{from}..{to}: {gaps:?}");
    }
    let report = check(tmp.path());
    assert!(report.ok, "{report}");
}

#[test]
fn a_camera_that_is_dead_over_a_holiday_is_one_gap() {
    let (tmp, meta) = (scratch(), meta());
    let camera = meta.camera;
    let archive = open(tmp.path());
    let tap = archive.record(meta).unwrap();
    archive.turn(UnixMillis(T0));
    let mut both = streams(camera, T0);
    both.iter_mut().for_each(|s| s.connect(&tap));
    record(&archive, &mut both, T0, 5);
    both.iter_mut().for_each(Stream::disconnect);
    let back = T0 + 10 * DAY;
    for now in (T0 + 5000..back).step_by(600_000) {
        archive.turn(UnixMillis(now));
    }
    both.iter_mut().for_each(|s| s.skip(back));
    both.iter_mut().for_each(|s| s.connect(&tap));
    record(&archive, &mut both, back, 5);
    let gaps = missing(&archive, camera, T0, back + 4000);
    assert!(matches!(gaps[..], [(a, b, _)] if (a - 5000).abs() < 1000 && (b - 10 * DAY).abs() < 1000), "{gaps:?}");
    let day = archive.timeline(camera, UnixMillis(T0), UnixMillis(back)).unwrap();
    assert!(day.recordings.len() > 200, "an hour each");
}

/// A clock that was ahead is set right while the server is off, after it ended in order or was killed.
#[test]
fn a_clock_that_is_set_back_between_two_starts_begins_a_new_recording() {
    for (back, killed) in [(300_000, false), (300_000, true), (3650 * DAY, false), (3650 * DAY, true)] {
        let (tmp, meta) = (scratch(), meta());
        let (root, left) = (tmp.path().join("a"), tmp.path().join("b"));
        let (camera, begin) = (meta.camera, T0 + 600_000);
        let archive = open(&root);
        let tap = archive.record(meta.clone()).unwrap();
        archive.turn(UnixMillis(begin));
        let mut ahead = streams(camera, begin);
        ahead.iter_mut().for_each(|s| s.connect(&tap));
        record(&archive, &mut ahead, begin, 20);
        if killed {
            copy_dir(&root, &left);
        }
        drop(archive);
        let root = if killed { left } else { root };
        let archive = open(&root);
        let tap = archive.record(meta.clone()).unwrap();
        let now = begin - back;
        archive.turn(UnixMillis(now));
        let mut right = streams(camera, now);
        right.iter_mut().for_each(|s| s.connect(&tap));
        record(&archive, &mut right, now, 20);
        archive.stop(camera).unwrap();
        let what = format!("set back by {back} ms, killed: {killed}");
        let report = check(&root);
        assert!(report.ok, "{what}: {report}");
        // Both lie where their clocks said, and the later one names the earlier.
        let dirs = support::camera::dirs(&root, camera);
        let [second, first] = &dirs[..] else { panic!("{what}: {dirs:?}") };
        let [first, second] = [first, second].map(|d| Header::<CameraRecording>::read(d).unwrap().0.meta);
        assert_eq!((first.started.0, second.started.0), (begin, now), "{what}");
        assert_eq!(second.previous.unwrap().recording, first.id, "{what}");
        for (n, stream) in [CameraStream::Main, CameraStream::Sub].into_iter().enumerate() {
            let timeline = archive.timeline(camera, UnixMillis(now), UnixMillis(now + 60_000)).unwrap();
            let of = timeline.streams.iter().find(|s| s.stream == stream).unwrap();
            let [span] = of.spans[..] else { panic!("{what}: {:?}", of.spans) };
            assert!((span.from.0 - now).abs() < 500 && (span.to.0 - now - 20_000).abs() < 500, "{what}: {span:?}");
            // Nothing is squeezed: each picture is as far from the next as it was sent.
            let samples = support::camera::samples(&dirs[0], camera.track(stream));
            let step = right[n].step as u64 * 90;
            let even = |w: &&[(u64, bytes::Bytes)]| (w[1].0 - w[0].0).abs_diff(step) < 20 * 90;
            assert!(samples.windows(2).filter(even).count() + 3 > samples.len() && samples.len() > 200, "{what}");
            let kept = support::camera::kept(&root, camera, camera.track(stream));
            let mut sent = right[n].arrived.clone();
            if !killed {
                ahead[n].arrived.iter().for_each(|(nal, times)| *sent.entry(nal.clone()).or_default() += times);
                assert_eq!(kept, sent, "{what}");
            }
            assert!(sent.iter().all(|(nal, times)| kept.get(nal) >= Some(times)), "{what}");
        }
        // The next one follows the second, although the first seems newer.
        archive.record(meta).unwrap();
        archive.turn(UnixMillis(now + 60_000));
        archive.stop(camera).unwrap();
        let third = Header::<CameraRecording>::read(&support::camera::dirs(&root, camera)[1]).unwrap().0.meta;
        assert_eq!(third.previous.unwrap().recording, second.id, "{what}");
        let report = check(&root);
        assert!(report.ok, "{what}: {report}");
    }
}

/// The clock leaps by ten years while the server runs, and is put right a minute later while it is off.
#[test]
fn a_leap_that_was_put_right_lists_nothing_as_missing_that_is_there_and_keeps_nothing_for_years() {
    let (tmp, meta) = (scratch(), meta());
    let root = tmp.path();
    let (camera, wrong, right) = (meta.camera, T0 + 3650 * DAY, T0 + 60_000);
    let archive = open(root);
    let tap = archive.record(meta.clone()).unwrap();
    archive.turn(UnixMillis(T0));
    let mut both = streams(camera, T0);
    both.iter_mut().for_each(|s| s.connect(&tap));
    record(&archive, &mut both, T0, 5);
    both.iter_mut().for_each(|s| s.skip(wrong));
    record(&archive, &mut both, wrong, 5);
    drop(archive);
    let archive = open(root);
    let tap = archive.record(meta).unwrap();
    archive.turn(UnixMillis(right));
    let mut both = streams(camera, right);
    both.iter_mut().for_each(|s| s.connect(&tap));
    record(&archive, &mut both, right, 10);
    let near = |a: i64, b: i64| (a - b).abs() < 1000;
    for until in [right + 10_000, T0 + DAY] {
        let gaps = missing(&archive, camera, T0, until);
        assert!(!gaps.is_empty());
        assert!(gaps.iter().all(|(from, to, _)| *from > 4000 && *to < 61_000), "{until}: {gaps:?}");
        assert!(near(gaps[0].0, 5000) && near(gaps.last().unwrap().1, 60_000), "{until}: {gaps:?}");
    }
    archive.stop(camera).unwrap();
    let report = check(root);
    assert!(report.ok, "{report}");
    // So it is in evidence, of all of it and of the first seconds alone.
    for until in [right + 10_000, T0 + 5000] {
        let out = root.join("export.zip");
        let by = Viewer { account: "1".into(), name: "a".into(), login: "a".into(), place: "p".into() };
        let request = ExportRequest {
            cameras: vec![camera],
            from: UnixMillis(T0),
            to: UnixMillis(until),
            within: std::collections::BTreeMap::new(),
            by,
            reason: "r".into(),
            viewers: vec![],
            server: "s".into(),
            zone: jiff::tz::TimeZone::UTC,
            now: UnixMillis(until),
        };
        let summary = export(root, &request, &signer(), &out, &mut |_| Continue::Yes).unwrap();
        let report = verify(&out, None);
        assert!(report.authentic, "{report}");
        let bytes = std::fs::read(&out).unwrap();
        // All but the first line, which the container's header precedes.
        let lines = bytes.split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice::<serde_json::Value>(l).ok());
        let ends: Vec<i64> = lines.filter(|e| e["kind"] == "gap").filter_map(|e| e["to"].as_i64()).collect();
        assert!(ends.len() as u64 + 1 >= summary.gaps && summary.gaps > 0, "{ends:?}");
        assert!(ends.iter().all(|end| *end < right + 1000), "{ends:?}");
        std::fs::remove_file(out).unwrap();
    }
    // What was recorded before the leap goes when its days are over.
    let (now, first) = (right + 31 * DAY, support::camera::dirs(root, camera)[0].clone());
    confirm_clock(root, UnixMillis(now)).unwrap();
    let report = archive.retain_at(&rules(30), UnixMillis(now), &up(1)).unwrap();
    assert!(report.removed.iter().any(|(_, id)| first.to_string_lossy().ends_with(&id.to_string())), "{report:?}");
}

/// What a killed process leaves, as far as it was written.
fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_dir(&path, &target) } else { _ = std::fs::copy(&path, &target).unwrap() }
    }
}

fn up(hours: i64) -> Uptime {
    Uptime { boot: "one".into(), ms: (hours * HOUR) as u64 }
}

fn rules(days: u32) -> RetentionRules {
    RetentionRules { cameras: [].into(), moved: [].into(), groups: [].into(), default_days: days, free_bytes: 0 }
}

/// One sealed recording at `T0`, and one that runs.
fn two_recordings(archive: &CameraArchive) -> CameraId {
    let meta = meta();
    let camera = meta.camera;
    for begin in [T0, T0 + 10_000] {
        let tap = archive.record(meta.clone()).unwrap();
        archive.turn(UnixMillis(begin));
        let mut both = streams(camera, begin);
        both.iter_mut().for_each(|s| s.connect(&tap));
        record(archive, &mut both, begin, 3);
        if begin == T0 {
            archive.stop(camera).unwrap();
        }
    }
    camera
}

#[test]
fn a_clock_that_leaps_takes_no_footage_until_somebody_says_that_it_is_right() {
    let tmp = scratch();
    let archive = open(tmp.path());
    two_recordings(&archive);
    let retain = |archive: &CameraArchive, now: i64, hours: i64| -> RetentionReport {
        archive.retain_at(&rules(30), UnixMillis(now), &up(hours)).unwrap()
    };
    let report = retain(&archive, T0 + HOUR, 1);
    assert_eq!((report.removed.len(), report.clock), (0, None));
    let wrong = T0 + 3650 * DAY;
    let report = retain(&archive, wrong, 2);
    let doubt = report.clock.unwrap();
    assert!(report.removed.is_empty() && doubt.alarm && doubt.left_ms.is_none() && doubt.counted.0 == T0 + 2 * HOUR);
    // The next process knows, and so does one without the mark: the archive itself tells.
    drop(archive);
    let archive = open(tmp.path());
    assert!(retain(&archive, wrong + HOUR, 3).clock.is_some_and(|d| d.alarm));
    drop(archive);
    std::fs::remove_file(tmp.path().join("clock.json")).unwrap();
    let archive = open(tmp.path());
    let report = retain(&archive, wrong + HOUR, 3);
    assert!(report.removed.is_empty() && report.clock.is_some_and(|d| d.alarm && d.left_ms.is_none()));
    // A clock that is set back removes nothing either.
    let report = retain(&archive, T0 - 3650 * DAY, 4);
    assert!(report.removed.is_empty() && report.clock.is_some_and(|d| d.ahead_ms < 0));
    confirm_clock(tmp.path(), UnixMillis(wrong)).unwrap();
    let report = retain(&archive, wrong + 5 * HOUR, 5);
    assert_eq!((report.removed.len(), report.clock), (1, None), "what is not sealed stays");
    let report = check(tmp.path());
    assert!(report.ok, "{report}");
}

#[test]
fn days_that_go_by_are_counted() {
    let tmp = scratch();
    let archive = open(tmp.path());
    two_recordings(&archive);
    let mut removed = 0;
    for hours in 0..31 * 24 {
        let now = UnixMillis(T0 + 10_000 + hours * HOUR);
        let report = archive.retain_at(&rules(30), now, &up(hours)).unwrap();
        assert_eq!(report.clock, None);
        removed += report.removed.len();
        assert_eq!(removed, usize::from(hours >= 30 * 24), "after {hours} hours");
    }
}

#[test]
fn what_is_being_recorded_counts_as_used() {
    let tmp = scratch();
    let archive = open(tmp.path());
    let tap = archive.record(meta()).unwrap();
    archive.turn(UnixMillis(T0));
    let mut both = streams(tap.camera(), T0);
    both.iter_mut().for_each(|s| s.connect(&tap));
    let mut last = archive.retain_at(&rules(30), UnixMillis(T0), &up(0)).unwrap().used_bytes;
    for n in 0..3 {
        record(&archive, &mut both, T0 + n * 3000, 3);
        let used = archive.retain_at(&rules(30), UnixMillis(T0), &up(0)).unwrap().used_bytes;
        assert!(used > last + 1000, "{used} after {last}");
        last = used;
    }
    archive.stop(tap.camera()).unwrap();
    let sealed = archive.retain_at(&rules(30), UnixMillis(T0), &up(0)).unwrap().used_bytes;
    assert!(sealed > 1000 && sealed <= last + 100_000, "{sealed} after {last}");
}

#[test]
fn what_a_killed_process_left_is_removed_and_nothing_else() {
    let tmp = scratch();
    let root = tmp.path();
    let camera = two_recordings(&open(root));
    let (ours, older, deep) =
        (root.join(format!("{SCRATCH_PREFIX}a1")), root.join(".tmpQx2"), root.join(format!("{SCRATCH_PREFIX}b2")));
    for dir in [&ours, &older, &deep.join("below")] {
        std::fs::create_dir_all(dir).unwrap();
    }
    std::fs::write(ours.join("check.zip"), b"x").unwrap();
    std::fs::write(older.join("check.part"), b"x").unwrap();
    std::fs::write(root.join(".tmp-file"), b"x").unwrap();
    let archive = open(root);
    assert!(!ours.exists() && !older.exists());
    assert!(deep.exists() && root.join(".tmp-file").exists(), "no check leaves such");
    let day = archive.timeline(camera, UnixMillis(T0), UnixMillis(T0 + 60_000)).unwrap();
    assert_eq!(day.recordings.len(), 2);
}

/// A disk on which directories of one name can't be made until somebody opens a gate.
#[derive(Clone)]
struct Gate {
    name: String,
    open: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    fn open(&self) {
        let (open, changed) = &*self.open;
        *open.lock().unwrap() = true;
        changed.notify_all();
    }
}

impl Storage for Gate {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        if path.to_string_lossy().contains(&self.name) {
            let (open, changed) = &*self.open;
            drop(changed.wait_while(open.lock().unwrap(), |open| !*open).unwrap());
        }
        Disk.create_dir(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        Disk.sync_dir(path)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        Disk.create(path)
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        Disk.open(path)
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        Disk.truncate(path, len)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        Disk.rename(from, to)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        Disk.free_bytes(path)
    }
}

/// Waits for a state, a minute at most.
fn wait(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < Duration::from_secs(60), "{what}: not within a minute");
        std::thread::yield_now();
    }
}

/// Half a second of pictures, handed over at once.
fn send(tap: &CameraTap) -> Stream {
    let now = UnixMillis::steady().0;
    let mut main = Stream::new(tap.camera(), CameraStream::Main, 40, 5, now);
    main.connect(tap);
    main.send(now + 400, || true, || 1);
    main
}

#[test]
fn a_camera_that_waits_for_the_disk_to_open_holds_up_no_other_and_loses_nothing() {
    let (tmp, slow, other) = (scratch(), meta(), meta());
    let (slow_camera, other_camera) = (slow.camera, other.camera);
    let gate = Gate { name: slow_camera.to_string(), open: Arc::default() };
    let limits = CameraLimits { threads: 1, roll_every: Duration::from_secs(3600), ..limits() };
    let archive = CameraArchive::open_on(Arc::new(gate.clone()), tmp.path(), limits, signer()).unwrap();
    let bytes = |camera| archive.status(camera).map_or(0, |s| s.bytes);
    let tap = archive.record(other).unwrap();
    let _other = send(&tap);
    wait("the other is recorded", || bytes(other_camera) > 0);
    // Asking for it waits for nothing; the other camera of the same thread is served and synced as before.
    let tap = archive.record(slow).unwrap();
    let waiting = send(&tap);
    for _ in 0..3 {
        let before = archive.status(other_camera).unwrap().durable;
        wait("the other goes on", || archive.status(other_camera).unwrap().durable > before);
    }
    assert_eq!(bytes(slow_camera), 0);
    gate.open();
    wait("the slow one is recorded", || bytes(slow_camera) > 0);
    for camera in [slow_camera, other_camera] {
        archive.stop(camera).unwrap();
        assert_eq!(archive.status(camera).unwrap().state, CameraRecordingState::Ended);
    }
    let kept = support::camera::kept(tmp.path(), slow_camera, slow_camera.track(CameraStream::Main));
    assert_eq!(kept, waiting.arrived, "what came while it waited is kept");
    let report = check(tmp.path());
    assert!(report.ok, "{report}");
}

#[test]
fn what_is_ordered_of_a_camera_that_waits_for_the_disk_holds_up_no_other_and_is_done_after() {
    let (tmp, slow, other) = (scratch(), meta(), meta());
    let (slow_camera, other_camera) = (slow.camera, other.camera);
    let gate = Gate { name: slow_camera.to_string(), open: Arc::default() };
    let limits = CameraLimits { threads: 1, roll_every: Duration::from_secs(3600), ..limits() };
    let archive = CameraArchive::open_on(Arc::new(gate.clone()), tmp.path(), limits, signer()).unwrap();
    let bytes = |camera| archive.status(camera).map_or(0, |s| s.bytes);
    let tap = archive.record(other).unwrap();
    let _other = send(&tap);
    wait("the other is recorded", || bytes(other_camera) > 0);
    let goes_on = || {
        for _ in 0..3 {
            let before = archive.status(other_camera).unwrap().durable;
            wait("the other goes on", || archive.status(other_camera).unwrap().durable > before);
        }
    };
    let first = send(&archive.record(slow.clone()).unwrap());
    // Another tap for it, and its end.
    let second = send(&archive.record(slow.clone()).unwrap());
    goes_on();
    std::thread::scope(|scope| {
        let stop = scope.spawn(|| archive.stop(slow_camera));
        goes_on();
        assert!(!stop.is_finished() && bytes(slow_camera) == 0);
        gate.open();
        stop.join().unwrap().unwrap();
    });
    assert_eq!(archive.status(slow_camera).unwrap().state, CameraRecordingState::Ended);
    // What both taps took is kept, for it came before the end.
    let mut sent = first.arrived;
    second.arrived.iter().for_each(|(nal, times)| *sent.entry(nal.clone()).or_default() += times);
    assert_eq!(support::camera::kept(tmp.path(), slow_camera, slow_camera.track(CameraStream::Main)), sent);
    // It can be recorded anew.
    let third = send(&archive.record(slow).unwrap());
    wait("it is recorded again", || bytes(slow_camera) > 0);
    archive.shutdown();
    third.arrived.iter().for_each(|(nal, times)| *sent.entry(nal.clone()).or_default() += times);
    assert_eq!(support::camera::kept(tmp.path(), slow_camera, slow_camera.track(CameraStream::Main)), sent);
    let report = check(tmp.path());
    assert!(report.ok, "{report}");
}
