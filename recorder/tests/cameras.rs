//! Cameras that are made up, with a ledger of what they sent: what arrived is kept, what is missing is listed, whatever happens.

mod support;

use bytes::Bytes;
use lectern_media::{
    CameraId, CameraStream, ClockRate, Codec, ExtSeq, ExtTimestamp, TrackInfo, TrackSource, UnixMillis,
    tap::{AbsenceCause, TapEvent, TapPacket},
};
use lectern_protocol::api::GapCause;
use lectern_recorder::{
    camera::{
        CameraArchive, CameraLimits, CameraMeta, CameraRecordingState, Footage, Hold, Pace, RetentionAlarm,
        RetentionRules, TimelineGap,
    },
    check,
};
use proptest::prelude::*;
use std::{path::Path, time::Duration};
use support::{
    camera::{Stream, dirs, kept, limits, meta, samples, signer, turns},
    scratch,
};

/// Some moment that is no multiple of a roll.
const T0: i64 = 1_790_000_003_217;

fn open(root: &Path, limits: CameraLimits) -> CameraArchive {
    CameraArchive::open(root, limits, signer()).unwrap()
}

/// What the archive tells of a stream, as (from, to, cause).
fn gaps(root: &Path, camera: CameraId, stream: CameraStream, to: i64) -> Vec<(i64, i64, GapCause)> {
    let t = Footage::new(root).timeline(camera, UnixMillis(T0 - 60_000), UnixMillis(to)).unwrap();
    let of = |g: &&TimelineGap| g.stream == Some(stream);
    t.gaps.iter().filter(of).map(|g| (g.from.0, g.to.0, g.cause)).collect()
}

/// Joins entries that adjoin.
fn joined(gaps: &[(i64, i64, GapCause)]) -> Vec<(i64, i64)> {
    let mut out: Vec<(i64, i64)> = Vec::new();
    for (from, to, _) in gaps {
        match out.last_mut() {
            Some(last) if *from <= last.1 + 2 => last.1 = (*to).max(last.1),
            _ => out.push((*from, *to)),
        }
    }
    out
}

fn assert_sound(root: &Path) {
    let report = check(root);
    assert!(report.ok, "{report}");
    assert!(report.recordings.iter().all(|r| r.unchained_bytes == 0), "{report}");
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]
    #[test]
    fn what_arrived_is_kept_once_and_what_is_missing_is_listed(
        gop in 5u64..90,
        sizes in prop::collection::vec(1usize..6, 7),
        fates in prop::collection::vec(prop::bool::weighted(0.995), 211),
        // Seconds: of sending, then of silence (0: none), then whether it reconnects.
        // A stream that is silent for long comes back at a keyframe: it was moved to the next recording without one.
        spans in prop::collection::vec(
            (2i64..14, prop_oneof![Just((0i64, false)), (1..6i64, any::<bool>()), (9..16i64, Just(true))]), 2..7),
    ) {
        kept_and_listed(gop, &sizes, &fates, &spans)?;
    }
}

/// Sends three streams with losses, silences and reconnects, and compares what the archive holds and lists with what was.
fn kept_and_listed(
    gop: u64,
    sizes: &[usize],
    fates: &[bool],
    spans: &[(i64, (i64, bool))],
) -> Result<(), TestCaseError> {
    let tmp = scratch();
    let archive = open(tmp.path(), CameraLimits { roll_every: Duration::from_secs(20), ..limits() });
    let meta = meta();
    let camera = meta.camera;
    let tap = archive.record(meta).unwrap();
    archive.turn(UnixMillis(T0));
    let mut main = Stream::new(camera, CameraStream::Main, 40, gop, T0 + 20);
    let mut sub = Stream::new(camera, CameraStream::Sub, 67, 30, T0 + 31);
    let mut sound = Stream::new(camera, CameraStream::Sound, 20, 1, T0 + 40);
    for s in [&mut main, &mut sub, &mut sound] {
        s.connect(&tap);
    }
    let (mut size, mut fate) = (sizes.iter().cycle(), fates.iter().cycle());
    let mut now = T0;
    for (i, (sending, (silent, reconnects))) in spans.iter().enumerate() {
        let until = now + sending * 1000;
        while now < until {
            now += 100;
            // The last second before a silence is whole, so that a lost end does not blur where it begins.
            let lossy = now + 1500 < until;
            main.send(now, || !lossy || *fate.next().unwrap(), || *size.next().unwrap());
            sub.send(now, || true, || 1);
            sound.send(now, || true, || 1);
            archive.turn(UnixMillis(now + 20));
        }
        let (since, last) = (now, i + 1 == spans.len());
        if *silent == 0 || last {
            continue;
        }
        while now < since + silent * 1000 {
            now += 100;
            if (now - since) % 2000 == 0 {
                main.absent(since, now, AbsenceCause::Network);
            }
            archive.turn(UnixMillis(now));
        }
        for s in [&mut main, &mut sub, &mut sound] {
            s.absent(since, now, AbsenceCause::Network);
            s.skip(now);
            if *reconnects {
                s.connect(&tap);
            }
        }
    }
    turns(&archive, now + 100, now + 1000);
    archive.shutdown();
    assert_sound(tmp.path());
    for s in [&main, &sub] {
        let kept = kept(tmp.path(), camera, s.info.id);
        prop_assert!(kept == s.arrived, "{:?}: {} kept, {} arrived", s.info.source, kept.len(), s.arrived.len());
    }
    for (stream, s) in [(CameraStream::Main, &main), (CameraStream::Sub, &sub), (CameraStream::Sound, &sound)] {
        let told = gaps(tmp.path(), camera, stream, now);
        let listed = joined(&told);
        // What ends after the last sample that decodes is still going on.
        let listed: Vec<_> = listed.into_iter().filter(|g| g.0 + 50 < s.end).collect();
        let near = |(a, b): (&(i64, i64), &(i64, i64))| (a.0 - b.0).abs() <= 100 && (a.1 - b.1).abs() <= 100;
        let begun = T0 + 40;
        // Gaps that follow each other within a picture or two are not told apart by the comparison.
        let mut want: Vec<(i64, i64)> = Vec::new();
        for m in &s.missing {
            match want.last_mut() {
                Some(last) if m.0 <= last.1 + 2 => last.1 = m.1,
                _ => want.push(*m),
            }
        }
        // What is lost before anything came, for less than half a second, is no news: the camera may have begun so late.
        let news = |m: &(i64, i64)| m.0 > begun || m.1 - m.0 > 500 || listed.first().is_some_and(|l| near((m, l)));
        want.retain(news);
        prop_assert!(
            want.len() == listed.len() && want.iter().zip(&listed).all(near),
            "{stream:?} lacks {want:?}\nlisted {told:?}"
        );
    }
    // No sample is in two recordings, and times go forward over all of them.
    let mut last = i64::MIN;
    for dir in dirs(tmp.path(), camera) {
        let id = dir.file_name().unwrap().to_str().unwrap().split_once('-').unwrap().1.to_owned();
        let started = id.parse::<lectern_media::RecordingId>().unwrap().0.timestamp_ms() as i64;
        for (dts, _) in samples(&dir, main.info.id) {
            let at = started * 90 + dts as i64;
            prop_assert!(at > last);
            last = at;
        }
    }
    Ok(())
}

#[test]
fn what_is_lost_at_the_very_beginning_leaves_what_follows_listed() {
    let fates: Vec<bool> = (0..211).map(|n| n == 14 || n == 15).collect();
    kept_and_listed(5, &[2, 1, 1, 1, 1, 1, 1], &fates, &[(2, (0, false)), (2, (0, false))]).unwrap();
}

#[test]
fn a_camera_goes_on_after_the_process_was_killed_with_the_downtime_listed() {
    for down in [2_000, 25_000] {
        let (tmp, meta) = (scratch(), meta());
        let camera = meta.camera;
        let mut main = Stream::new(camera, CameraStream::Main, 40, 25, T0);
        let running = tmp.path().join("running");
        {
            let archive = open(&running, limits());
            let tap = archive.record(meta.clone()).unwrap();
            main.connect(&tap);
            for now in (T0..T0 + 3000).step_by(100) {
                main.send(now, || true, || 2);
                archive.turn(UnixMillis(now));
            }
            // Killed: what was written is there, nothing is finished.
            copy_dir(&running, &tmp.path().join("killed"));
        }
        let root = tmp.path().join("killed");
        let back = T0 + 3000 + down;
        let archive = open(&root, limits());
        let tap = archive.record(meta).unwrap();
        archive.turn(UnixMillis(back));
        let before = kept(&root, camera, main.info.id);
        let due = |(nal, n): (&Vec<u8>, &usize)| before.get(nal).is_some_and(|have| have >= n);
        let lost = main.arrived.iter().filter(|n| !due(*n)).count();
        assert!(lost <= 25, "{lost} NAL units of the last second");
        main.skip(back + 700);
        main.connect(&tap);
        for now in (back + 700..back + 8000).step_by(100) {
            main.send(now, || true, || 2);
            archive.turn(UnixMillis(now));
        }
        archive.stop(camera).unwrap();
        assert_sound(&root);
        let told = gaps(&root, camera, CameraStream::Main, back + 9000);
        let restart: Vec<_> = told.iter().copied().filter(|g| g.2 == GapCause::Restart).collect();
        let all = joined(&restart);
        assert_eq!(all.len(), 1, "{told:?}");
        assert!((all[0].0 - (T0 + 3000)).abs() <= 1000 && (all[0].1 - (back + 700)).abs() <= 100, "{told:?}");
    }
}

fn copy_dir(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() { copy_dir(&path, &target) } else { _ = std::fs::copy(&path, &target).unwrap() }
    }
}

/// Records `seconds` of one camera.
fn recorded(archive: &CameraArchive, seconds: i64) -> CameraId {
    let meta = meta();
    let camera = meta.camera;
    let tap = archive.record(meta).unwrap();
    let mut main = Stream::new(camera, CameraStream::Main, 40, 25, T0);
    let mut sub = Stream::new(camera, CameraStream::Sub, 67, 15, T0);
    main.connect(&tap);
    sub.connect(&tap);
    for now in (T0..T0 + seconds * 1000).step_by(100) {
        main.send(now, || true, || 2);
        sub.send(now, || true, || 1);
        archive.turn(UnixMillis(now));
    }
    camera
}

#[test]
fn it_is_played_over_the_borders_and_keyframes_alone() {
    let tmp = scratch();
    let archive = open(tmp.path(), limits());
    let camera = recorded(&archive, 35);
    let footage = archive.footage();
    let (from, to) = (UnixMillis(T0 + 4000), UnixMillis(T0 + 60_000));
    let running = footage.playlist(camera, CameraStream::Main, from, to, Pace::All).unwrap();
    assert!(running.contains("EVENT") && !running.contains("ENDLIST"));
    let status = archive.status(camera).unwrap();
    assert_eq!(status.state, CameraRecordingState::On);
    assert!(T0 + 35_000 - status.durable.0 < 1000, "{}", status.durable.0 - T0);
    archive.stop(camera).unwrap();
    for (stream, pace) in [
        (CameraStream::Main, Pace::All),
        (CameraStream::Sub, Pace::All),
        (CameraStream::Main, Pace::Keyframes),
        (CameraStream::Sub, Pace::Keyframes),
    ] {
        let (segments, growing) = footage.segments(camera, stream, from, to, pace).unwrap();
        assert!(!growing && segments[0].from <= from && segments[0].to() > from);
        for w in segments.windows(2) {
            assert!((w[1].from.0 - w[0].to().0).abs() <= 80, "{:?} to {:?}", w[0], w[1]);
        }
        assert!((segments.last().unwrap().to().0 - (T0 + 35_000)).abs() < 200);
        let playlist = footage.playlist(camera, stream, from, to, pace).unwrap();
        assert!(playlist.contains("ENDLIST") && !playlist.contains("EXT-X-GAP"), "{playlist}");
        let recordings = segments.iter().map(|s| s.recording).collect::<std::collections::BTreeSet<_>>();
        assert_eq!(playlist.matches("EXT-X-MAP").count(), recordings.len(), "{playlist}");
        assert_eq!(playlist.matches("EXT-X-DISCONTINUITY").count() + 1, recordings.len());
        for line in playlist.lines().filter(|l| l.starts_with("seg/")) {
            let parts: Vec<&str> = line.split('/').collect();
            let (recording, track) = (parts[1].parse().unwrap(), parts[2].parse().unwrap());
            let bytes = footage.file(camera, recording, track, parts[3]).unwrap();
            let info = lectern_fmp4::scan::parse_fragment(&bytes).unwrap();
            assert!(info.starts_with_keyframe());
            if pace == Pace::Keyframes {
                assert_eq!((info.samples.len(), info.len), (1, bytes.len()));
            }
            assert!(footage.file(camera, recording, track, "init-0.mp4").is_ok());
            assert!(footage.file(CameraId::generate(), recording, track, parts[3]).is_err(), "another camera's");
        }
    }
    let shot = footage.snapshot(camera, CameraStream::Main, UnixMillis(T0 + 20_500)).unwrap().unwrap();
    assert!(shot.at.0 <= T0 + 20_500 && shot.at.0 > T0 + 19_400 && shot.annex_b.starts_with(&[0, 0, 0, 1, 0x67]));
    assert!(footage.snapshot(camera, CameraStream::Main, UnixMillis(T0 - 1)).unwrap().is_none());
    let day = archive.timeline(camera, UnixMillis(T0), UnixMillis(T0 + 35_000)).unwrap();
    assert_eq!((day.gaps.len(), day.streams.len()), (0, 2), "{day:?}");
    assert!(day.streams.iter().all(|s| s.spans.len() == 1), "{:?}", day.streams);
}

#[test]
fn what_an_operator_stopped_is_a_gap_by_the_operator() {
    let (tmp, meta) = (scratch(), meta());
    let camera = meta.camera;
    let archive = open(tmp.path(), limits());
    let mut main = Stream::new(camera, CameraStream::Main, 40, 25, T0);
    for begin in [T0, T0 + 3500] {
        let tap = archive.record(meta.clone()).unwrap();
        archive.turn(UnixMillis(begin));
        main.skip(begin);
        main.connect(&tap);
        for now in (begin..begin + 2000).step_by(100) {
            main.send(now, || true, || 1);
            archive.turn(UnixMillis(now));
        }
        archive.stop(camera).unwrap();
    }
    assert_sound(tmp.path());
    let day = archive.timeline(camera, UnixMillis(T0), UnixMillis(T0 + 9000)).unwrap();
    assert_eq!((day.recordings.len(), day.durable), (2, None));
    let operator: Vec<_> = day.gaps.iter().filter(|g| g.cause == GapCause::Operator).collect();
    assert!(
        matches!(operator[..], [g] if g.stream.is_none() && (g.to.0 - g.from.0 - 1600).abs() < 200),
        "{:?}",
        day.gaps
    );
}

#[test]
fn retention_removes_whole_hours_and_leaves_an_entry_and_what_is_held() {
    let tmp = scratch();
    let archive = open(tmp.path(), limits());
    let camera = recorded(&archive, 45);
    let recordings = dirs(tmp.path(), camera);
    assert_eq!(recordings.len(), 5);
    let hold = Hold {
        id: ulid::Ulid::new(),
        camera,
        from: UnixMillis(T0 + 10_000),
        to: UnixMillis(T0 + 11_000),
        why: "投诉".into(),
        by: "李".into(),
        at: UnixMillis(T0),
    };
    archive.hold(hold.clone()).unwrap();
    let rules = |days, free_bytes| RetentionRules {
        cameras: [].into(),
        moved: [].into(),
        groups: [("exam_room".into(), days)].into(),
        default_days: 1,
        free_bytes,
    };
    let later = UnixMillis(T0 + 40 * 86_400_000);
    assert_eq!(archive.retain(&rules(60, 0), later).unwrap().removed, []);
    let report = archive.retain(&rules(30, 0), later).unwrap();
    // One is held, the last one runs.
    assert_eq!((report.removed.len(), report.failed), (3, 0));
    assert!(report.freed_bytes > 0);
    assert_sound(tmp.path());
    let day = archive.timeline(camera, UnixMillis(T0), UnixMillis(T0 + 60_000)).unwrap();
    assert_eq!((day.recordings.len(), day.removed.len(), day.holds.len()), (2, 3, 1));
    assert!(archive.release(hold.id).unwrap());
    drop(archive);
    // A disk that is short takes the oldest, and says so; what runs stays.
    let archive = open(tmp.path(), limits());
    let report = archive.retain(&rules(30_000, u64::MAX), later).unwrap();
    assert_eq!(report.removed.len(), 1);
    assert!(matches!(
        report.alarms[..],
        [RetentionAlarm::Early { recordings: 1, .. }, RetentionAlarm::NothingMayGo { .. }]
    ));
    assert_sound(tmp.path());
    // Somebody removes an hour by hand, or an entry of a removal: both show.
    let removed = dirs(tmp.path(), camera)[0].parent().unwrap().join("removed.jsonl");
    let text = std::fs::read_to_string(&removed).unwrap();
    std::fs::write(&removed, text.replacen("\"bytes\":", "\"bytes\":1", 1)).unwrap();
    assert!(check(tmp.path()).recordings.iter().any(|r| r.findings.iter().any(|f| f.invariant == 15)));
    std::fs::write(&removed, &text[text.find('\n').unwrap() + 1..]).unwrap();
    assert!(!check(tmp.path()).ok);
}

#[test]
fn a_recording_removed_by_hand_and_a_forged_signature_show() {
    let tmp = scratch();
    let archive = open(tmp.path(), limits());
    let camera = recorded(&archive, 25);
    archive.stop(camera).unwrap();
    assert_sound(tmp.path());
    let all = dirs(tmp.path(), camera);
    let chain = all[1].join("chain.jsonl");
    let text = std::fs::read_to_string(&chain).unwrap();
    let at = text.find("\"signature\":\"").unwrap() + 13;
    let mut forged = text.clone();
    forged.replace_range(at..at + 2, if &text[at..at + 2] == "00" { "01" } else { "00" });
    std::fs::write(&chain, &forged).unwrap();
    let found = |root: &Path, invariant| {
        check(root).recordings.iter().any(|r| r.findings.iter().any(|f| f.invariant == invariant))
    };
    assert!(found(tmp.path(), 14));
    // The last signatures are cut off.
    let last = text.trim_end().rfind('\n').unwrap() + 1;
    std::fs::write(&chain, &text[..last]).unwrap();
    assert!(found(tmp.path(), 14));
    std::fs::write(&chain, &text).unwrap();
    assert_sound(tmp.path());
    std::fs::remove_dir_all(&all[0]).unwrap();
    assert!(found(tmp.path(), 15));
}

#[test]
fn many_cameras_share_threads_and_a_new_tap_closes_the_old() {
    let tmp = scratch();
    let archive = open(tmp.path(), CameraLimits { threads: 2, ..limits() });
    let cameras: Vec<_> = (0..20).map(|_| meta()).collect();
    let now = UnixMillis::now().0;
    let mut streams = Vec::new();
    for m in &cameras {
        let old = archive.record(m.clone()).unwrap();
        let tap = archive.record(m.clone()).unwrap();
        let began = std::time::Instant::now();
        while !old.handle().is_closed() {
            assert!(began.elapsed() < Duration::from_secs(30), "the old tap is closed");
            std::thread::yield_now();
        }
        let mut s = Stream::new(m.camera, CameraStream::Main, 40, 25, now);
        s.connect(&tap);
        s.send(now + 2000, || true, || 1);
        streams.push(s);
    }
    for (m, s) in cameras.iter().zip(&mut streams) {
        s.disconnect();
        archive.stop(m.camera).unwrap();
        assert_eq!(kept(tmp.path(), m.camera, s.info.id), s.arrived);
    }
    let report = check(tmp.path());
    assert!(report.ok, "{report}");
}

#[test]
fn a_new_tap_loses_nothing_of_what_the_old_one_holds() {
    let tmp = scratch();
    let archive = open(tmp.path(), limits());
    let meta = meta();
    let mut main = Stream::new(meta.camera, CameraStream::Main, 40, 25, T0);
    let tap = archive.record(meta.clone()).unwrap();
    main.connect(&tap);
    for now in (T0..T0 + 5_000).step_by(100) {
        main.send(now, || true, || 2);
        archive.turn(UnixMillis(now));
    }
    // Handed over, not looked at yet: then it is described anew.
    main.send(T0 + 6_000, || true, || 2);
    let other = archive.record(CameraMeta { name: "renamed".into(), ..meta.clone() }).unwrap();
    archive.turn(UnixMillis(T0 + 6_000));
    assert!(tap.handle().is_closed());
    main.connect(&other);
    for now in (T0 + 6_000..T0 + 9_000).step_by(100) {
        main.send(now, || true, || 2);
        archive.turn(UnixMillis(now));
    }
    main.disconnect();
    archive.stop(meta.camera).unwrap();
    assert_eq!(kept(tmp.path(), meta.camera, main.info.id), main.arrived);
    assert_sound(tmp.path());
}

#[test]
fn a_clock_that_is_set_forward_ends_the_recording_and_begins_one() {
    let tmp = scratch();
    let archive = open(tmp.path(), limits());
    let meta = meta();
    let mut main = Stream::new(meta.camera, CameraStream::Main, 40, 25, T0);
    let tap = archive.record(meta.clone()).unwrap();
    main.connect(&tap);
    let later = T0 + 86_400_000;
    for (from, to) in [(T0, T0 + 5_000), (later, later + 5_000)] {
        main.skip(from);
        for now in (from..to).step_by(100) {
            main.send(now, || true, || 2);
            archive.turn(UnixMillis(now));
        }
    }
    main.disconnect();
    archive.stop(meta.camera).unwrap();
    assert_eq!(kept(tmp.path(), meta.camera, main.info.id), main.arrived);
    assert_eq!(dirs(tmp.path(), meta.camera).len(), 2, "one for each stretch, none for the hours between");
    let listed = gaps(tmp.path(), meta.camera, CameraStream::Main, later + 5_000);
    let (from, to) = joined(&listed)[0];
    assert!((from - T0 - 5_000).abs() <= 500 && (to - later).abs() <= 2_000, "{listed:?}");
    assert_sound(tmp.path());
}

#[test]
fn sound_in_aac_keeps_its_own_clock_and_offsets_of_the_cameras_clock_are_entered() {
    let (tmp, meta) = (scratch(), meta());
    let camera = meta.camera;
    let archive = open(tmp.path(), limits());
    let tap = archive.record(meta).unwrap();
    archive.turn(UnixMillis(T0));
    let track = camera.track(CameraStream::Sound);
    let info = TrackInfo {
        id: track,
        participant: camera.participant(),
        source: TrackSource::Microphone,
        codec: Codec::Aac,
        layers: 1,
    };
    let mut sender = tap.handle().start(&info).unwrap();
    // AAC-LC, 16 kHz, one channel (ISO/IEC 14496-3 §1.6.2.1).
    let config = Bytes::from_static(&[0x14, 0x08]);
    sender.event(TapEvent::Parameters { track, clock: ClockRate::of(16_000), config });
    for i in 0..200u64 {
        let at = T0 + i as i64 * 64;
        // One access unit of five bytes behind its header (RFC 3640 §3.3.6).
        let payload = Bytes::copy_from_slice(&[0, 16, 0, 5 << 3, 1, 2, 3, 4, i as u8]);
        let (seq, timestamp, arrival) = (ExtSeq(i), ExtTimestamp(i * 1024), UnixMillis(at));
        sender.offer(TapPacket { track, seq, timestamp, arrival, marker: true, keyframe: true, payload });
        if i % 50 == 0 {
            sender.event(TapEvent::ClockOffset { track, at: arrival, offset_ms: 1000 + i as i64 });
        }
        archive.turn(UnixMillis(at));
    }
    archive.stop(camera).unwrap();
    assert_sound(tmp.path());
    let day = archive.timeline(camera, UnixMillis(T0), UnixMillis(T0 + 20_000)).unwrap();
    assert_eq!((day.streams[0].codec.as_str(), day.gaps.len()), ("mp4a.40.2", 0), "{:?}", day.gaps);
    let span = day.streams[0].spans[0];
    assert!((span.to.0 - span.from.0 - 200 * 64).abs() <= 2, "{span:?}");
    let offsets: Vec<i64> = day.clock.iter().map(|c| c.offset_ms).collect();
    assert_eq!(offsets, [1000, 1050, 1100, 1150]);
    let all: Vec<u8> = dirs(tmp.path(), camera).iter().flat_map(|d| samples(d, track)).map(|(_, s)| s[4]).collect();
    assert_eq!(all, (0..200u8).collect::<Vec<_>>());
}

#[test]
fn a_recording_that_nobody_goes_on_with_is_sealed_in_the_end() {
    let tmp = scratch();
    let archive = open(tmp.path(), limits());
    recorded(&archive, 2);
    archive.shutdown();
    drop(archive);
    let limits = CameraLimits { abandon_after: Duration::from_secs(60), ..limits() };
    let archive = open(tmp.path(), limits);
    let now = UnixMillis::now();
    archive.tidy(now);
    assert!(check(tmp.path()).recordings.iter().all(|r| !r.sealed));
    archive.tidy(now.plus(Duration::from_secs(61)));
    let report = check(tmp.path());
    assert!(report.ok && report.recordings.iter().all(|r| r.sealed), "{report}");
}
