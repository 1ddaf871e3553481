//! Cameras that are moved to another place: what recordings and evidence tell on both sides of the move, and that nothing reaches across.

use crate::{container, edits::python, site::*};
use lectern_media::{PlaceId, UnixMillis};
use lectern_recorder::{
    camera::{CameraArchive, CameraMeta, camera_recordings},
    check,
    evidence::{Bound, Continue, ExportError, ExportSummary, export, verify},
};
use serde_json::Value;
use std::{path::Path, time::Duration};

const HOUR: Duration = Duration::from_secs(3600);

fn elsewhere(meta: &CameraMeta, name: &str) -> CameraMeta {
    CameraMeta { place: PlaceId::generate(), place_name: name.into(), ..meta.clone() }
}

/// Headers of a camera's recordings, oldest first.
fn headers(root: &Path, camera: &CameraMeta) -> Vec<Value> {
    let mut dirs = camera_recordings(root, camera.camera).unwrap();
    dirs.sort();
    dirs.iter().map(|d| serde_json::from_slice(&std::fs::read(d.join("recording.json")).unwrap()).unwrap()).collect()
}

fn assert_sound(root: &Path) {
    let report = check(root);
    assert!(report.ok, "{report}");
}

fn within(from: Option<i64>, to: Option<i64>) -> Bound {
    Bound { from: from.map(UnixMillis), to: to.map(UnixMillis) }
}

/// An export of one camera within a stretch, verified; its members.
fn exported_within(
    site: &Site,
    camera: usize,
    (from, to): (i64, i64),
    bound: Bound,
    out: &Path,
) -> (ExportSummary, container::Members) {
    let id = site.cameras[camera].id;
    let mut request = request(vec![id], from, to);
    request.within.insert(id, bound);
    let summary = export(site.archive.root(), &request, &site.signer, out, &mut |_| Continue::Yes).unwrap();
    let report = verify(out, None);
    assert!(report.authentic, "{report}");
    let (authentic, said) = python(out, None);
    assert!(authentic, "{said}");
    (summary, container::read(&std::fs::read(out).unwrap()))
}

fn text<'a>(members: &'a container::Members, end: &str) -> Vec<&'a str> {
    let found = members.iter().filter(|(n, _)| n.ends_with(end));
    found.map(|(_, b)| std::str::from_utf8(b).unwrap()).collect()
}

/// When everything in the chains of an export begins and ends, init segments apart.
fn moments(members: &container::Members) -> Vec<(String, i64, i64)> {
    let mut out = Vec::new();
    for (name, bytes) in members.iter().filter(|(n, _)| n.ends_with("/chain.jsonl")) {
        let header = members.iter().find(|(n, _)| *n == name.replace("chain.jsonl", "recording.json")).unwrap();
        let started = serde_json::from_slice::<Value>(&header.1).unwrap()["started"].as_i64().unwrap();
        let sound = name.split('/').next().unwrap().parse::<lectern_media::CameraId>().unwrap();
        let sound = sound.track(lectern_media::CameraStream::Sound).to_string();
        for line in std::str::from_utf8(bytes).unwrap().lines() {
            let r: Value = serde_json::from_str(line).unwrap();
            let (Some(kind), Some(file)) = (r["k"].as_str(), r["f"].as_str()) else { continue };
            let hz = match kind {
                "init" => continue,
                "frag" if file.starts_with(&sound) => 8_000,
                "frag" => 90_000,
                _ => 1_000,
            };
            let at = |ticks: i64| started + ticks * 1000 / hz;
            let t = r["t"].as_i64().unwrap();
            out.push((kind.to_owned(), at(t), at(t + r["d"].as_i64().unwrap_or(0))));
        }
    }
    out
}

#[test]
fn evidence_begins_and_ends_within_what_may_be_shown_however_far_apart_keyframes_are() {
    let tmp = tempfile::tempdir().unwrap();
    let mut site = Site::rolling(&tmp.path().join("cameras"), 2, 11, HOUR);
    // A keyframe each 70 seconds: at 0, 70 and 140.
    site.cameras[0].show(vec![], 350);
    let moved = T0 + 100_100;
    site.cameras[1].silent.push((moved - 8_000, moved + 8_000));
    site.run(170_000);
    let asked = (T0 + 60_000, T0 + 165_000);
    let main = |members: &container::Members| -> Vec<String> {
        let pieces = members.iter().map(|(n, _)| n.rsplit('/').next().unwrap_or_default().to_owned());
        pieces.filter(|n| n.starts_with("main-")).collect()
    };
    for camera in [0, 1] {
        let out = tmp.path().join(format!("after-{camera}.zip"));
        let (_, after) = exported_within(&site, camera, asked, within(Some(moved), None), &out);
        let told = moments(&after);
        assert!(!told.is_empty() && told.iter().all(|(_, from, _)| *from >= moved), "{told:?}");
        let out = tmp.path().join(format!("before-{camera}.zip"));
        let (_, before) = exported_within(&site, camera, asked, within(None, Some(moved)), &out);
        let told = moments(&before);
        assert!(told.iter().all(|(_, _, to)| *to <= moved), "{told:?}");
        let last = told.iter().map(|(_, _, to)| *to).max().unwrap();
        assert!(camera == 1 || last > moved - 2_500, "no more is left out than to the last signature: {last}");
        assert!(text(&before, "camera.json")[0].contains(&moved.to_string()), "it says so");
        assert!(text(&before, "说明.html")[0].contains("只含") && text(&after, "说明.html")[0].contains("之后的内容"));
        for (members, (from, to)) in [(&after, (moved, i64::MAX)), (&before, (i64::MIN, moved))] {
            for line in text(members, "events.jsonl")[0].lines() {
                let event: Value = serde_json::from_str(line).unwrap();
                let (at, end) = (event["at"].as_i64().unwrap(), event["to"].as_i64());
                assert!(at >= from && at.max(end.unwrap_or(at)) <= to, "{line}");
            }
        }
    }
    // The picture of which the keyframe lies before begins at the next one; of the other side it goes on to the border.
    let (_, after) = exported_within(&site, 0, asked, within(Some(moved), None), &tmp.path().join("again.zip"));
    let played: Vec<String> = main(&after).into_iter().filter(|n| n.ends_with(".mp4")).collect();
    assert!(!played.is_empty(), "{:?}", main(&after));
    // Unbounded, all of it reaches back to the keyframe before.
    let (_, all) = exported_within(&site, 0, asked, Bound::default(), &tmp.path().join("all.zip"));
    assert!(moments(&all).iter().any(|(kind, from, _)| kind == "frag" && *from < T0 + 1_000));
    // Where no keyframe is inside, the stream is left out, and what has nothing at all is refused by name.
    let bound = within(Some(moved), Some(moved + 1_000));
    let mut nothing = request(vec![site.cameras[1].id], asked.0, asked.1);
    nothing.within.insert(site.cameras[1].id, bound);
    let out = tmp.path().join("nothing.zip");
    let refused = export(site.archive.root(), &nothing, &site.signer, &out, &mut |_| Continue::Yes);
    assert!(matches!(refused, Err(ExportError::NotRecorded(_))), "{refused:?}");
    assert!(!out.exists());
}

/// Behind the hour the recording has just begun; one that gave way only seconds later kept the next group of pictures from the new place.
#[test]
fn a_move_just_behind_the_hour_begins_a_recording_at_once_and_evidence_at_the_next_keyframe() {
    let tmp = tempfile::tempdir().unwrap();
    let mut site = Site::new(&tmp.path().join("cameras"), 1, 13);
    let root = site.archive.root().to_owned();
    let one = site.cameras[0].meta.clone();
    // Keyframes come each two seconds; recordings roll at twenty, and had all rolled two seconds later.
    site.run(22_600);
    let moved = site.now;
    let two = elsewhere(&one, "第二中学");
    site.archive.describe(two.clone());
    site.run(1_000);
    // In the new one's first seconds nothing gives way.
    let three = elsewhere(&one, "第三中学");
    site.archive.describe(three);
    site.run(1_000);
    site.archive.describe(two);
    site.run(12_000);
    assert_sound(&root);
    let told = headers(&root, &one);
    let places: Vec<&str> = told.iter().map(|h| h["place_name"].as_str().unwrap()).collect();
    assert_eq!(places, ["第一中学", "第一中学", "第二中学"]);
    let border = told[2]["started"].as_i64().unwrap();
    assert!((moved..moved + 100).contains(&border), "at once: {border} after {moved}");
    let out = tmp.path().join("after.zip");
    let (summary, after) = exported_within(&site, 0, (T0 + 15_000, T0 + 32_000), within(Some(moved), None), &out);
    assert_eq!((summary.recordings, summary.gaps), (1, 0));
    let first = moments(&after).into_iter().filter(|(kind, ..)| kind == "frag").map(|(_, from, _)| from).min();
    assert!(first.is_some_and(|at| (moved..=T0 + 24_000).contains(&at)), "{first:?} after {moved}");
    let day = site.archive.timeline(one.camera, UnixMillis(T0), UnixMillis(site.now - 3_000)).unwrap();
    assert!(day.gaps.is_empty() && day.streams.iter().all(|s| s.spans.len() == 1), "{:?}", day.gaps);
}

#[test]
fn a_camera_that_is_moved_goes_on_in_a_recording_that_says_so_and_nothing_is_missing() {
    let tmp = tempfile::tempdir().unwrap();
    let root = tmp.path().join("cameras");
    let mut site = Site::rolling(&root, 1, 12, HOUR);
    let one = site.cameras[0].meta.clone();
    site.run(100_000);
    assert!(site.archive.describe(one.clone()), "it is recorded");
    site.run(100);
    assert_eq!(headers(&root, &one).len(), 1, "what changes nothing rolls nothing");
    let (two, moved) = (elsewhere(&one, "第二中学"), site.now);
    site.archive.describe(two.clone());
    site.run(30_000);
    assert_sound(&root);
    let told = headers(&root, &one);
    let places: Vec<&str> = told.iter().map(|h| h["place_name"].as_str().unwrap()).collect();
    assert_eq!(places, ["第一中学", "第二中学"]);
    assert_eq!(told[1]["previous"]["recording"], told[0]["id"]);
    let border = told[1]["started"].as_i64().unwrap();
    assert!((moved..moved + 100).contains(&border), "at once: {border} after {moved}");
    let day = site.archive.timeline(one.camera, UnixMillis(T0), UnixMillis(site.now - 3_000)).unwrap();
    assert!(day.gaps.is_empty(), "{:?}", day.gaps);
    assert!(day.streams.len() == 3 && day.streams.iter().all(|s| s.spans.len() == 1), "{:?}", day.streams);

    let asked = (T0 + 80_000, T0 + 125_000);
    for (bound, here, names) in [
        (Bound::default(), 2, [true, true]),
        (within(None, Some(moved)), 1, [true, false]),
        (within(Some(moved), None), 1, [false, true]),
    ] {
        let out = tmp.path().join(format!("{}{}.zip", bound.from.is_some(), bound.to.is_some()));
        let (summary, members) = exported_within(&site, 0, asked, bound, &out);
        assert_eq!(summary.recordings, here, "{bound:?}");
        assert_eq!(summary.gaps, 0);
        for (place, named) in ["第一中学", "第二中学"].into_iter().zip(names) {
            let all = members.iter().filter(|(n, _)| n.ends_with(".html") || n.ends_with(".json"));
            let found = all.filter(|(_, b)| String::from_utf8_lossy(b).contains(place)).count();
            assert_eq!(found > 0, named, "{place} {bound:?}");
        }
        let sheet = text(&members, "说明.html")[0];
        let rows: Vec<&str> = sheet.split("<tr>").filter(|r| r.contains("条</td>")).collect();
        let each: Vec<bool> = rows.iter().map(|r| r.contains("第一中学")).collect();
        let want: Vec<bool> = [true, false].into_iter().zip(names).filter(|(_, n)| *n).map(|(w, _)| w).collect();
        assert_eq!(each, want, "each row tells the place of its own recording: {rows:?}");
    }

    // Somebody who changes it again and again makes one recording in five seconds at most; the last word counts.
    let before = headers(&root, &one).len();
    for n in 0..20 {
        site.archive.describe(if n % 2 == 0 { one.clone() } else { two.clone() });
        site.run(500);
    }
    let last = CameraMeta { name: "东门".into(), group: "gate".into(), ..two.clone() };
    site.archive.describe(last.clone());
    site.run(15_000);
    let told = headers(&root, &one);
    assert!(told.len() - before <= 4, "{}", told.len() - before);
    let newest = told.last().unwrap();
    assert_eq!((&newest["name"], &newest["group"]), (&"东门".into(), &"gate".into()));
    let day = site.archive.timeline(one.camera, UnixMillis(T0), UnixMillis(site.now - 3_000)).unwrap();
    assert!(day.gaps.is_empty() && day.streams.iter().all(|s| s.spans.len() == 1), "{:?}", day.gaps);
    assert_sound(&root);

    // Moved while nothing ran: the recording of this hour is not gone on with.
    site.archive.shutdown();
    let again = CameraArchive::open(&root, limits(HOUR), site.signer.clone()).unwrap();
    again.turn(UnixMillis(site.now + 5_000));
    again.record(elsewhere(&last, "第三中学")).unwrap();
    again.turn(UnixMillis(site.now + 6_000));
    again.stop(one.camera).unwrap();
    assert_eq!(headers(&root, &one).last().unwrap()["place_name"], "第三中学");
    assert_sound(&root);
}
