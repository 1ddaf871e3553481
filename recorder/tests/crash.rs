//! Whatever the moment at which the recorder stops, recovery restores the invariants and keeps what was announced.

mod support;

use lectern_media::{ParticipantId, UnixMillis};
use lectern_protocol::api::{GapCause, RecordingStatus};
use lectern_recorder::{
    FailReason, FinishError, Limits, Recorder, RecordingHandle, State, check, scan, storage::Storage, vod,
};
use std::{
    collections::HashMap,
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};
use support::{
    disk::{FaultyDisk, Unsynced},
    fake, feed, limits, merged, meta, scratch, wait,
};

/// Syncs at every turn.
fn eager() -> Limits {
    Limits { sync_every: std::time::Duration::ZERO, retry: std::time::Duration::ZERO, ..limits() }
}

fn copy_dir(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_dir(&path, &target) } else { _ = fs::copy(&path, &target).unwrap() }
    }
}

/// Records two seconds of a small lesson in pieces, a sync round after each. Returns the handle while it still runs.
fn small_lesson(recorder: &Recorder) -> Result<RecordingHandle, lectern_recorder::StartError> {
    let handle = recorder.start(meta(3_000), Arc::new(|_| {}))?;
    let teacher = ParticipantId::generate();
    let started = handle.meta().started;
    let events =
        merged(vec![fake::picture(teacher, 50).events(started, 30), fake::sound(teacher, 100).events(started, 30)]);
    let (mut senders, mut status) = (HashMap::new(), handle.status());
    for piece in events.chunks(60) {
        feed(&handle.tap(), &mut senders, piece);
        // Each turn of the recorder ends in a new status.
        wait(status.changed()).unwrap();
        if status.borrow_and_update().state != State::On {
            break;
        }
    }
    Ok(handle)
}

fn recovered(storage: Arc<dyn Storage>, root: &Path) -> Recorder {
    let recorder = Recorder::open_on(storage, root, eager()).unwrap();
    assert_eq!(recorder.refused(), [], "every recording can be recovered");
    recorder
}

/// A recording that was left without a seal, and the one directory it is in.
fn crashed_lesson(root: &Path) -> PathBuf {
    let recorder = Recorder::open_on(Arc::new(FaultyDisk::without_syncs()), root, eager()).unwrap();
    let handle = small_lesson(&recorder).unwrap();
    let (dir, mut status) = (handle.dir().to_owned(), handle.status());
    drop(handle);
    wait(status.wait_for(|s| s.state == State::Ended)).unwrap();
    dir
}

fn fragment_ends(file: &[u8]) -> Vec<usize> {
    let (_, mut at) = lectern_fmp4::scan::parse_init(file).unwrap();
    let mut ends = vec![at];
    while let Ok(f) = lectern_fmp4::scan::parse_fragment(&file[at..]) {
        at += f.len;
        ends.push(at);
    }
    assert_eq!(at, file.len());
    ends
}

#[test]
fn torn_at_any_byte_a_part_is_recovered_to_its_last_whole_fragment() {
    let tmp = scratch();
    let dir = crashed_lesson(&tmp.path().join("a"));
    let name = |n: &String| n.ends_with(".cmf");
    let mut parts: Vec<String> = fs::read_dir(&dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().to_string_lossy().into_owned())
        .filter(name)
        .collect();
    parts.sort();
    assert_eq!(parts.len(), 2);
    let no_sync: Arc<dyn Storage> = Arc::new(FaultyDisk::without_syncs());
    for part in parts {
        let whole = fs::read(dir.join(&part)).unwrap();
        let ends = fragment_ends(&whole);
        for cut in 0..=whole.len() {
            let root = tmp.path().join("b");
            let copy = root.join("2026-01-01/x");
            fs::create_dir_all(&copy).unwrap();
            // Nothing is chained yet: the worst case.
            fs::copy(dir.join("recording.json"), copy.join("recording.json")).unwrap();
            fs::copy(dir.join("timeline.jsonl"), copy.join("timeline.jsonl")).unwrap();
            fs::write(copy.join(&part), &whole[..cut]).unwrap();
            recovered(no_sync.clone(), &root);
            let want = ends.iter().rev().find(|e| **e <= cut).copied().unwrap_or(0);
            assert_eq!(fs::metadata(copy.join(&part)).unwrap().len() as usize, want, "{part} torn at {cut}");
            let torn = fs::read(copy.join(format!("{part}.torn"))).unwrap_or_default();
            assert_eq!(torn, whole[want..cut], "{part} torn at {cut}: the tail is kept aside");
            if cut % 37 == 0 || want == cut {
                let report = check(&root);
                assert!(report.ok, "{part} torn at {cut}: {report}");
                let fragments = ends.iter().skip(1).filter(|e| **e <= cut).count();
                assert_eq!(report.recordings[0].fragments as usize, fragments);
            }
            fs::remove_dir_all(&root).unwrap();
        }
    }
}

#[test]
fn torn_at_any_byte_the_chain_and_the_journal_are_recovered() {
    let tmp = scratch();
    let dir = crashed_lesson(&tmp.path().join("a"));
    let before = check(&dir);
    assert!(before.ok, "{before}");
    let no_sync: Arc<dyn Storage> = Arc::new(FaultyDisk::without_syncs());
    for name in ["chain.jsonl", "timeline.jsonl"] {
        let whole = fs::read(dir.join(name)).unwrap();
        for cut in (0..whole.len()).step_by(7) {
            let root = tmp.path().join("b");
            let copy = root.join("2026-01-01/x");
            copy_dir(&dir, &copy);
            fs::write(copy.join(name), &whole[..cut]).unwrap();
            if name == "timeline.jsonl" {
                fs::remove_file(copy.join("chain.jsonl")).unwrap();
            }
            recovered(no_sync.clone(), &root);
            let report = check(&root);
            assert!(report.ok, "{name} torn at {cut}: {report}");
            assert_eq!(report.recordings[0].fragments, before.recordings[0].fragments, "{name} torn at {cut}");
            fs::remove_dir_all(&root).unwrap();
        }
    }
}

#[test]
fn stopped_after_any_operation_nothing_announced_is_lost() {
    let tmp = scratch();
    for stop in 1.. {
        let root = tmp.path().join(format!("run-{stop}"));
        let disk = FaultyDisk::failing_after(stop);
        let recorder = Recorder::open_on(Arc::new(disk.clone()), &root, eager()).unwrap();
        let mut announced_bytes = 0;
        let mut sealed = false;
        if let Ok(handle) = small_lesson(&recorder) {
            announced_bytes = handle.status().borrow().bytes;
            sealed = wait(handle.finish()).inspect_err(|e| assert!(matches!(e, FinishError::Disk(_)), "{e}")).is_ok();
        }
        for unsynced in [Unsynced::Lost, Unsynced::Half, Unsynced::Kept] {
            let what = format!("stopped after {stop} operations, unsynced bytes {unsynced:?}");
            let left = tmp.path().join("left");
            disk.cut(&root, &left, unsynced);
            // Recovery itself is stopped after each of its operations, until it gets through.
            let mut again = 1;
            loop {
                let disk = FaultyDisk::failing_after(again);
                let recorder = Recorder::open_on(Arc::new(disk.clone()), &left, eager()).unwrap();
                if !disk.failed() {
                    assert_eq!(recorder.refused(), [], "{what}");
                    assert_eq!(recorder.recovered().iter().flat_map(|r| &r.damage).count(), 0, "{what}");
                    break;
                }
                again += 5;
            }
            let report = check(&left);
            assert!(report.ok, "{what}: {report}");
            let bytes = scan(&left).first().map_or(0, |s| s.size_bytes);
            assert!(bytes >= announced_bytes, "{what}: {announced_bytes} bytes were announced, {bytes} are there");
            fs::remove_dir_all(&left).unwrap();
        }
        fs::remove_dir_all(&root).unwrap();
        if sealed {
            assert!(stop > 40, "the lesson took {stop} operations");
            return;
        }
    }
}

#[test]
fn a_restart_goes_on_in_the_same_recording_with_the_downtime_as_a_gap() {
    let tmp = scratch();
    let disk = FaultyDisk::sound();
    let running = tmp.path().join("running");
    let handle = small_lesson(&Recorder::open_on(Arc::new(disk.clone()), &running, eager()).unwrap()).unwrap();
    // The process is killed here: what it wrote is there, what it would still write is not.
    let root = tmp.path().join("killed");
    disk.cut(&running, &root, Unsynced::Kept);
    let dir = root.join(handle.dir().strip_prefix(&running).unwrap());
    drop(handle);
    let recorder = Recorder::open(&root, eager()).unwrap();
    let lesson = recorder.unsealed()[0].meta.lesson;
    let mut other = meta(0);
    other.lesson = lesson;
    assert!(recorder.start(other, Arc::new(|_| {})).is_err(), "a lesson has one recording");
    let handle = recorder.resume(lesson, Arc::new(|_| {})).unwrap().expect("it is resumable");
    assert_eq!(handle.dir(), dir);
    assert!(recorder.resume(lesson, Arc::new(|_| {})).unwrap().is_none(), "once");
    let teacher = ParticipantId::generate();
    let events = fake::picture(teacher, 50).events(UnixMillis::now(), 30);
    feed(&handle.tap(), &mut HashMap::new(), &events);
    let sealed = wait(handle.finish()).unwrap();
    assert_eq!(sealed.summary.status, RecordingStatus::Done);
    let report = check(&dir);
    assert!(report.ok, "{report}");
    let recording = vod::Recording::load(&dir).unwrap();
    let facts = recording.facts();
    assert_eq!(facts.tracks.len(), 3);
    let down: Vec<_> = facts.gaps.iter().filter(|g| g.cause == GapCause::Restart).collect();
    assert_eq!(down.len(), 1);
    assert!(down[0].track.is_none() && down[0].from_ms >= 2000, "{down:?}");
    assert!(facts.tracks[2].from_ms() >= down[0].to_ms, "{} {down:?}", facts.tracks[2].from_ms());
}

#[test]
fn an_abandoned_recording_is_sealed_as_partial() {
    let tmp = scratch();
    let dir = crashed_lesson(tmp.path());
    let recorder = Recorder::open(tmp.path(), eager()).unwrap();
    let sealed = recorder.seal(recorder.unsealed()[0].meta.id).unwrap();
    assert_eq!(sealed.summary.status, RecordingStatus::Partial);
    assert!(recorder.unsealed().is_empty());
    assert!(check(&dir).ok, "{}", check(&dir));
    assert_eq!(scan(tmp.path()), [sealed.summary]);
}

#[test]
fn a_full_disk_stops_the_recording_alone_and_it_goes_on_when_there_is_room() {
    for (kind, reason) in
        [(io::ErrorKind::StorageFull, FailReason::DiskFull), (io::ErrorKind::ReadOnlyFilesystem, FailReason::ReadOnly)]
    {
        let tmp = scratch();
        let disk = FaultyDisk::healing(40, 3, kind);
        // Long enough between two tries for the failure to be seen on a busy machine: a status keeps the newest state alone.
        let limits = Limits { retry: std::time::Duration::from_millis(400), ..eager() };
        let recorder = Recorder::open_on(Arc::new(disk), tmp.path(), limits).unwrap();
        let handle = recorder.start(meta(60_000), Arc::new(|_| {})).unwrap();
        let teacher = ParticipantId::generate();
        let events = fake::picture(teacher, 250).events(handle.meta().started, 30);
        let (mut senders, mut status, mut failed, mut back) = (HashMap::new(), handle.status(), None, false);
        for piece in events.chunks(10) {
            feed(&handle.tap(), &mut senders, piece);
            wait(status.changed()).unwrap();
            match status.borrow_and_update().state {
                State::Failed { reason } => failed = Some(reason),
                State::On => back |= failed.is_some(),
                State::Ended => panic!("it ended"),
            }
        }
        assert_eq!((failed, back), (Some(reason), true));
        let sealed = wait(handle.finish()).unwrap();
        let report = check(&sealed.summary.dir);
        assert!(report.ok, "{report}");
        let facts = vod::Recording::load(&sealed.summary.dir).unwrap().facts().clone();
        assert_eq!(
            facts.gaps.iter().filter(|g| g.cause == GapCause::Disk && g.track.is_none()).count(),
            1,
            "{:?}",
            facts.gaps
        );
        assert!(facts.tracks[0].parts.len() >= 2, "the old file is not touched again");
    }
}

#[test]
fn every_changed_byte_of_a_sealed_recording_is_found_and_its_file_named() {
    let tmp = scratch();
    let dir = crashed_lesson(tmp.path());
    let recorder = Recorder::open(tmp.path(), eager()).unwrap();
    recorder.seal(recorder.unsealed()[0].meta.id).unwrap();
    for entry in fs::read_dir(&dir).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let whole = fs::read(&path).unwrap();
        if name == "seal.json" {
            continue; // Its own time of sealing stands for itself until heads are signed.
        }
        for at in (0..whole.len()).step_by(11) {
            let mut changed = whole.clone();
            changed[at] ^= 1;
            fs::write(&path, &changed).unwrap();
            let report = check(&dir);
            let findings = &report.recordings[0].findings;
            assert!(!report.ok, "{name}: byte {at} changed and nobody noticed");
            if name.ends_with(".cmf") {
                assert!(findings[0].file == name && findings[0].offset <= at as u64, "{name} byte {at}: {findings:?}");
            }
        }
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        assert!(!check(&dir).ok, "{name} cut short");
        fs::write(&path, &whole).unwrap();
    }
    assert!(check(&dir).ok);
}
