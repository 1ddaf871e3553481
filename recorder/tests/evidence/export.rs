//! What an export holds, and what verification says of it as it is.

use crate::{container, edits::python, site::*};
use bytes::Bytes;
use lectern_media::UnixMillis;
use lectern_recorder::{
    camera::camera_recordings,
    check,
    evidence::{Continue, ExportError, KeyVerdict, Problem, Report, export, verify},
};
use std::{path::Path, process::Command};

fn assert_authentic(path: &Path) -> Report {
    let report = verify(path, None);
    assert!(report.authentic, "{report}");
    let (authentic, said) = python(path, None);
    assert!(authentic, "{said}");
    report
}

#[test]
fn an_export_is_authentic_and_holds_what_was_asked_for() {
    let tmp = tempfile::tempdir().unwrap();
    let mut site = Site::new(&tmp.path().join("cameras"), 2, 1);
    site.cameras[1].silent.push((T0 + 24_000, T0 + 30_000));
    site.cameras[0].lossy.push(T0 + 31_400);
    site.run(50_000);
    for camera in &site.cameras {
        for dir in camera_recordings(site.archive.root(), camera.id).unwrap() {
            let report = check(&dir);
            assert!(report.ok, "{report}");
        }
    }
    let out = tmp.path().join("a.zip");
    let (from, to) = (T0 + 12_500, T0 + 38_000);
    let summary = exported(&site, &[0, 1], from, to, out.clone());
    let report = assert_authentic(&out);
    assert_eq!(report.bytes, summary.bytes);
    assert_eq!(summary.recordings, 4, "two cameras over the hour");
    for c in &report.cameras {
        let (a, b) = (c.from.unwrap().0, c.to.unwrap().0);
        assert!(a <= from && a > from - 4_000 && b >= to && b < to + 3_000, "{a}..{b} of {from}..{to}");
    }
    assert!(report.to_string().starts_with("AUTHENTIC\nexported by 李<巡> (li) from patrol-1"));

    let members = container::read(&std::fs::read(&out).unwrap());
    let text = |end: &str| {
        let found = members.iter().filter(|(n, _)| n.ends_with(end));
        found.map(|(_, b)| String::from_utf8_lossy(b).into_owned()).collect::<Vec<_>>()
    };
    let gaps = text("events.jsonl");
    assert!(gaps.iter().any(|e| e.contains("\"network\"")) && gaps.iter().any(|e| e.contains("\"loss\"")), "{gaps:?}");
    assert!(gaps.iter().all(|e| e.contains("clock_offset")));
    assert!(summary.gaps >= 4);
    let sheet = &text("说明.html")[0];
    for word in
        ["第1考场&lt;0&gt;", "网络中断", "网络丢包", "考生申诉 &amp; 复核", "见证人", "李&lt;巡&gt;", "2026-09-21"]
    {
        assert!(sheet.contains(word), "{word} is on the sheet");
    }
    assert!(!text("raw.0.").iter().any(|t| t.is_empty()));
    // The streams are what the archive holds, byte for byte, behind their init segment.
    for (name, bytes) in members.iter().filter(|(n, _)| n.ends_with(".mp4")) {
        let parts: Vec<&str> = name.rsplit('/').next().unwrap().split('.').collect();
        let (init, offset): (usize, usize) = (parts[1].parse().unwrap(), parts[2].parse().unwrap());
        let recording = name.split('/').nth(1).unwrap();
        let camera = site.cameras.iter().find(|c| name.starts_with(&c.id.to_string())).unwrap();
        let dirs = camera_recordings(site.archive.root(), camera.id).unwrap();
        let dir = dirs.iter().find(|d| d.to_string_lossy().ends_with(recording)).unwrap();
        let (stream, number) = parts[0].split_once('-').unwrap();
        let stream =
            lectern_media::CameraStream::ALL.into_iter().find(|s| format!("{s:?}").to_lowercase() == stream).unwrap();
        let file = std::fs::read(dir.join(format!("{}.{number}.cmf", camera.id.track(stream)))).unwrap();
        assert_eq!(bytes[..init], file[..init], "{name}");
        assert_eq!(bytes[init..], file[offset..offset + bytes.len() - init], "{name}");
    }
}

/// Pictures of a test card at five a second, a keyframe each second, with delimiters.
fn clip(dir: &Path) -> Vec<Vec<Bytes>> {
    let file = dir.join("clip.h264");
    let source = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=5", "-t", "2", "-pix_fmt", "yuv420p"];
    let codec = ["-c:v", "libx264", "-x264-params", "keyint=5:scenecut=0:bframes=0:aud=1:threads=1", "-f", "h264"];
    let made = Command::new("ffmpeg").args(["-nostdin", "-v", "error"]).args(source).args(codec).arg(&file).status();
    assert!(made.unwrap().success());
    let stream = std::fs::read(file).unwrap();
    let starts: Vec<usize> = (0..stream.len() - 3).filter(|i| stream[*i..*i + 3] == [0, 0, 1]).collect();
    let mut units: Vec<Vec<Bytes>> = Vec::new();
    for (i, start) in starts.iter().enumerate() {
        let mut end = starts.get(i + 1).copied().unwrap_or(stream.len());
        while stream[end - 1] == 0 {
            end -= 1;
        }
        if stream[start + 3] & 0x1f == 9 {
            units.push(Vec::new());
        }
        units.last_mut().unwrap().push(Bytes::copy_from_slice(&stream[start + 3..end]));
    }
    units
}

#[test]
fn its_streams_play() {
    let tmp = tempfile::tempdir().unwrap();
    let mut site = Site::new(&tmp.path().join("cameras"), 1, 6);
    let clip = clip(tmp.path());
    assert_eq!(clip.len(), 10);
    site.cameras[0].show(clip, 5);
    site.run(30_000);
    let out = tmp.path().join("a.zip");
    exported(&site, &[0], T0 + 7_300, T0 + 26_000, out.clone());
    assert_authentic(&out);
    let mut frames = 0;
    for (n, (name, bytes)) in container::read(&std::fs::read(&out).unwrap()).iter().enumerate() {
        let stream = name.rsplit('/').next().unwrap();
        if !name.ends_with(".mp4") || stream.starts_with("sub") {
            continue;
        }
        let file = tmp.path().join(format!("{n}.mp4"));
        std::fs::write(&file, bytes).unwrap();
        let args = ["-nostdin", "-v", "error", "-i", file.to_str().unwrap(), "-f", "framemd5", "-"];
        let out = Command::new("ffmpeg").args(args).output().unwrap();
        assert!(out.status.success() && out.stderr.is_empty(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
        let text = String::from_utf8(out.stdout).unwrap();
        let decoded = text.lines().filter(|l| !l.starts_with('#')).count();
        assert!(decoded > 0, "{name}");
        frames += if stream.starts_with("main") { decoded } else { 0 };
    }
    assert!((94..=105).contains(&frames), "{frames} pictures of 18.7 s at five a second");
}

#[test]
fn what_is_still_recorded_is_exported_up_to_its_newest_signed_head() {
    let tmp = tempfile::tempdir().unwrap();
    let mut site = Site::new(&tmp.path().join("cameras"), 1, 2);
    site.run(9_300);
    let out = tmp.path().join("a.zip");
    let summary = exported(&site, &[0], T0 + 3_000, T0 + 60_000, out.clone());
    let until = summary.until.unwrap().0 - T0;
    assert!((7_500..=9_300).contains(&until), "{until}");
    assert_authentic(&out);
    // From its beginning.
    let out = tmp.path().join("b.zip");
    exported(&site, &[0], T0, T0 + 2_000, out.clone());
    let report = assert_authentic(&out);
    assert_eq!(report.cameras[0].from.map(|t| t.0 - T0 < 600), Some(true));
}

#[test]
fn a_range_without_media_says_why() {
    let tmp = tempfile::tempdir().unwrap();
    let mut site = Site::new(&tmp.path().join("cameras"), 1, 3);
    site.cameras[0].silent.push((T0 + 4_000, T0 + 12_000));
    site.run(18_000);
    let out = tmp.path().join("a.zip");
    let summary = exported(&site, &[0], T0 + 6_000, T0 + 7_000, out.clone());
    assert_eq!(summary.gaps, 3, "one for each stream");
    assert_authentic(&out);
}

#[test]
fn a_job_can_be_cancelled_and_leaves_nothing() {
    let tmp = tempfile::tempdir().unwrap();
    let mut site = Site::new(&tmp.path().join("cameras"), 1, 4);
    site.run(6_000);
    let (out, id) = (tmp.path().join("a.zip"), site.cameras[0].id);
    let mut calls = 0;
    let mut stop = |p: lectern_recorder::evidence::Progress| {
        calls += 1;
        assert!(p.done <= p.total);
        if calls == 4 { Continue::No } else { Continue::Yes }
    };
    let result = export(site.archive.root(), &request(vec![id], T0, T0 + 5_000), &site.signer, &out, &mut stop);
    assert!(matches!(result, Err(ExportError::Cancelled)));
    let left: Vec<_> = std::fs::read_dir(tmp.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["cameras"]);
    let mut last = 0;
    let mut count = |p: lectern_recorder::evidence::Progress| {
        last = p.total - p.done;
        Continue::Yes
    };
    export(site.archive.root(), &request(vec![id], T0, T0 + 5_000), &site.signer, &out, &mut count).unwrap();
    assert_eq!(last, 0);
    let again =
        export(site.archive.root(), &request(vec![id], T0, T0 + 5_000), &site.signer, &out, &mut |_| Continue::Yes);
    assert!(matches!(again, Err(ExportError::Io { .. })), "what is there is not overwritten");
    for (cameras, from, to) in [(vec![], 0, 1), (vec![id, id], 0, 1), (vec![id], 1, 1)] {
        let result =
            export(site.archive.root(), &request(cameras, from, to), &site.signer, &out, &mut |_| Continue::Yes);
        assert!(matches!(result, Err(ExportError::BadRequest)));
    }
    let stranger = request(vec![lectern_media::CameraId::generate()], T0, T0 + 1);
    let result = export(site.archive.root(), &stranger, &site.signer, &out, &mut |_| Continue::Yes);
    assert!(matches!(result, Err(ExportError::NotRecorded(_))));
}

#[test]
fn another_key_is_told_from_the_expected_one() {
    let tmp = tempfile::tempdir().unwrap();
    let mut site = Site::new(&tmp.path().join("cameras"), 1, 5);
    site.run(6_000);
    let out = tmp.path().join("a.zip");
    exported(&site, &[0], T0 + 1_000, T0 + 4_000, out.clone());
    let good = verify(&out, Some(site.signer.public_key()));
    assert!(good.authentic && good.key_verdict == KeyVerdict::Expected, "{good}");
    let other = signer(2).public_key();
    let bad = verify(&out, Some(other));
    assert!(!bad.authentic && bad.key_verdict == KeyVerdict::Other, "{bad}");
    assert!(bad.findings.iter().any(|f| f.problem == Problem::OtherKey && f.camera == Some(site.cameras[0].id)));
    assert!(python(&out, Some(site.signer.public_key())).0 && !python(&out, Some(other)).0);

    // A forger who signs the file anew can't sign the heads.
    let out = tmp.path().join("b.zip");
    let request = request(vec![site.cameras[0].id], T0 + 1_000, T0 + 4_000);
    export(site.archive.root(), &request, &signer(2), &out, &mut |_| Continue::Yes).unwrap();
    let forged = verify(&out, Some(site.signer.public_key()));
    assert!(!forged.authentic && forged.findings.iter().any(|f| f.problem == Problem::OtherKey), "{forged}");
}

#[test]
fn what_is_no_evidence_is_refused() {
    let tmp = tempfile::tempdir().unwrap();
    for (name, bytes) in
        [("empty", &b""[..]), ("text", b"hello"), ("zip", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0")]
    {
        let path = tmp.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let report = verify(&path, None);
        assert!(!report.authentic && report.findings[0].problem == Problem::Unreadable, "{name}: {report}");
    }
    assert_eq!(verify(&tmp.path().join("nothing"), None).findings[0].problem, Problem::Unreadable);
    assert_eq!(UnixMillis(0), UnixMillis::default());
}
