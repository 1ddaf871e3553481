//! A lesson from RTP to every form in which it is played: nothing lost, nothing that a decoder complains of.

mod support;

use lectern_media::{
    Codec, ParticipantId, TrackSource,
    tap::{TapEvent, TapHandle},
};
use lectern_protocol::{
    api::{ClassEvent, GapCause, RecordingStatus},
    ws::RoomRole,
};
use lectern_recorder::{Limits, Recorder, RecordingHandle, check, scan, vod};
use std::{collections::HashMap, path::Path, sync::Arc};
use support::{Source, decoded_frames, fake, h264, limits, merged, meta, opus, tool, vp8};

fn feed(tap: &TapHandle, events: Vec<(i64, TapEvent)>) {
    support::feed(tap, &mut HashMap::new(), &events);
}

fn join(handle: &RecordingHandle, participant: ParticipantId, name: &str, role: RoomRole) {
    handle.event(handle.meta().started, ClassEvent::Joined { participant, name: name.into(), role });
}

fn record(root: &Path, ago_ms: i64, feed_it: impl FnOnce(&RecordingHandle)) -> lectern_recorder::Sealed {
    let recorder = Recorder::open(root, limits()).unwrap();
    let handle = recorder.start(meta(ago_ms), Arc::new(|_| {})).unwrap();
    feed_it(&handle);
    support::wait(handle.finish()).unwrap()
}

fn good(dir: &Path) {
    let report = check(dir);
    assert!(report.ok && !report.recordings.is_empty(), "{report}");
}

/// Writes what a player of the playlist would get: init segments and segments in order.
fn played(recording: &vod::Recording, name: &str, out: &Path) -> String {
    let name: vod::Name = name.parse().unwrap();
    let playlist = recording.media_playlist(name).unwrap();
    let mut bytes = Vec::new();
    for line in playlist.lines() {
        let uri = line.strip_prefix("#EXT-X-MAP:URI=\"").map_or(line, |l| l.trim_end_matches('"'));
        let Some((track, file)) = uri.strip_prefix("../").and_then(|u| u.split_once('/')) else { continue };
        bytes.extend(recording.file(track.parse().unwrap(), file).unwrap());
    }
    std::fs::write(out, bytes).unwrap();
    playlist
}

#[test]
fn every_frame_of_a_lesson_is_in_every_form_of_it() {
    let tmp = tempfile::tempdir().unwrap();
    let (teacher, student) = (ParticipantId::generate(), ParticipantId::generate());
    let camera = Source::new(TrackSource::Camera, Codec::H264, teacher, h264(tmp.path(), 12, "320x180", 50), 3600);
    let sound = Source::new(TrackSource::Microphone, Codec::Opus, teacher, opus(tmp.path(), 12), 960);
    let other = Source::new(TrackSource::Camera, Codec::Vp8, student, vp8(tmp.path(), 12, "320x180", 50), 3600);
    let root = tmp.path().join("recordings");
    let sealed = record(&root, 15_000, |handle| {
        join(handle, teacher, "王老师", RoomRole::Teacher);
        join(handle, student, "小明", RoomRole::Student);
        let started = handle.meta().started;
        // The sound arrives 60 ms earlier than the picture captured with it.
        feed(
            &handle.tap(),
            merged(vec![camera.events(started, 100), sound.events(started, 40), other.events(started, 100)]),
        );
        handle.event(
            started.plus(std::time::Duration::from_secs(3)),
            ClassEvent::Stage { participant: student, name: "小明".into(), on: true },
        );
    });
    let dir = &sealed.summary.dir;
    good(dir);
    let recording = vod::Recording::load(dir).unwrap();
    let facts = recording.facts();
    assert_eq!(facts.status, RecordingStatus::Done);
    assert_eq!(facts.gaps, [], "nothing is missing");
    assert_eq!(
        facts.chapters.iter().map(|c| (c.at_ms, c.kind.as_str())).collect::<Vec<_>>(),
        [(0, "start"), (3000, "stage_on")]
    );
    assert_eq!(scan(&root), std::slice::from_ref(&sealed.summary));

    // The archive's own files.
    for (source, kind) in [(&camera, "v:0"), (&other, "v:0"), (&sound, "a:0")] {
        let path = dir.join(format!("{}.0.cmf", source.info.id));
        assert_eq!(decoded_frames(&path, kind), source.frames.len(), "{:?}", source.info.source);
    }
    let (cam, mic) = (facts.track(camera.info.id).unwrap(), facts.track(sound.info.id).unwrap());
    assert!(cam.role.teacher && cam.size() == (320, 180));
    assert!(cam.from_ms().abs_diff(mic.from_ms()) <= 60, "{} {}", cam.from_ms(), mic.from_ms());
    assert!(cam.to_ms().abs_diff(mic.to_ms()) <= 50, "in step by sender reports: {} {}", cam.to_ms(), mic.to_ms());

    // HLS.
    let master = recording.multivariant(None).unwrap();
    assert!(
        master.contains("teacher-camera/index.m3u8") && master.contains("URI=\"teacher-microphone/index.m3u8\""),
        "{master}"
    );
    let out = tmp.path().join("hls.mp4");
    let playlist = played(&recording, "teacher-camera", &out);
    assert!(playlist.contains("#EXT-X-ENDLIST") && playlist.contains("#EXT-X-PLAYLIST-TYPE:VOD"), "{playlist}");
    assert_eq!(
        decoded_frames(&out, "v:0"),
        camera.frames.len() + 1,
        "and the first picture standing in before it began"
    );
    let playlist = played(&recording, &sound.info.id.to_string(), &out);
    assert_eq!(decoded_frames(&out, "a:0"), sound.frames.len() + 2, "40 ms of silence before it began: {playlist}");

    // WebM and the one MP4.
    let webm = recording.webm(other.info.id).unwrap();
    let out = tmp.path().join("student.webm");
    std::fs::write(&out, webm.read(0, usize::MAX >> 1).unwrap()).unwrap();
    assert_eq!(decoded_frames(&out, "v:0"), other.frames.len());
    let mp4 = recording.download(vod::Picture::Camera).unwrap();
    let out = tmp.path().join(&mp4.file_name);
    std::fs::write(&out, mp4.read(0, usize::MAX >> 1).unwrap()).unwrap();
    assert_eq!(decoded_frames(&out, "v:0"), camera.frames.len());
    let (tags, _) = tool("ffprobe", &["-v", "error", "-show_entries", "format_tags", out.to_str().unwrap()]);
    assert!(tags.contains("teacher's camera and the teacher's microphone") && tags.contains("三年级数学"), "{tags}");
}

/// Browsers refuse VP8 in MP4: such a lesson is one WebM, with its sound and the silence in it.
#[test]
fn a_vp8_lesson_is_downloaded_as_a_file_that_opens() {
    let tmp = tempfile::tempdir().unwrap();
    let teacher = ParticipantId::generate();
    let camera = Source::new(TrackSource::Camera, Codec::Vp8, teacher, vp8(tmp.path(), 6, "320x180", 50), 3600);
    let sound = Source::new(TrackSource::Microphone, Codec::Opus, teacher, opus(tmp.path(), 2), 960);
    let mut later = Source::new(TrackSource::Microphone, Codec::Opus, teacher, opus(tmp.path(), 2), 960);
    later.start_ms = 3_000;
    let sealed = record(&tmp.path().join("recordings"), 8_000, |handle| {
        join(handle, teacher, "王老师", RoomRole::Teacher);
        let started = handle.meta().started;
        feed(
            &handle.tap(),
            merged(vec![camera.events(started, 80), sound.events(started, 80), later.events(started, 80)]),
        );
    });
    let recording = vod::Recording::load(&sealed.summary.dir).unwrap();
    assert_eq!(recording.facts().recorded_tracks().iter().filter(|t| t.codec == "vp8" && t.webm.is_some()).count(), 1);
    let file = recording.download(vod::Picture::Camera).unwrap();
    assert_eq!((file.content_type, file.file_name.ends_with(" camera.webm")), ("video/webm", true));
    let out = tmp.path().join("lesson.webm");
    std::fs::write(&out, file.read(0, usize::MAX >> 1).unwrap()).unwrap();
    assert_eq!(decoded_frames(&out, "v:0"), camera.frames.len());
    let packets = sound.frames.len() + later.frames.len();
    let silence = decoded_frames(&out, "a:0") - packets;
    assert!((45..=55).contains(&silence), "a second of silence between the two: {silence} packets");
    let (said, _) =
        tool("ffprobe", &["-v", "error", "-show_entries", "format_tags:format=duration", out.to_str().unwrap()]);
    assert!(said.contains("teacher's camera and the teacher's microphone") && said.contains("王老师"), "{said}");
}

#[test]
fn lost_packets_cost_pictures_up_to_the_next_keyframe_and_are_listed() {
    let tmp = tempfile::tempdir().unwrap();
    let teacher = ParticipantId::generate();
    let camera = Source::new(TrackSource::Camera, Codec::H264, teacher, h264(tmp.path(), 20, "320x180", 50), 3600);
    let sound = Source::new(TrackSource::Microphone, Codec::Opus, teacher, opus(tmp.path(), 20), 960);
    let mut nth = 0;
    let sealed = record(&tmp.path().join("recordings"), 22_000, |handle| {
        join(handle, teacher, "王老师", RoomRole::Teacher);
        let started = handle.meta().started;
        let mut events = merged(vec![camera.events(started, 80), sound.events(started, 80)]);
        events.retain(|(at, e)| match e {
            TapEvent::Packet(p) if p.track == camera.info.id => {
                nth += 1;
                // A packet here and there, and all of three seconds.
                nth % 97 != 50 && !(12_000..15_000).contains(at)
            }
            TapEvent::Packet(_) => !(5_000..5_400).contains(at),
            _ => true,
        });
        feed(&handle.tap(), events);
    });
    let dir = &sealed.summary.dir;
    good(dir);
    let recording = vod::Recording::load(dir).unwrap();
    let of = |id, cause| {
        recording.facts().gaps.iter().filter(|g| g.track == Some(id) && g.cause == cause).cloned().collect::<Vec<_>>()
    };
    let holes = of(camera.info.id, GapCause::Loss);
    assert!(holes.iter().any(|g| g.from_ms < 12_200 && g.to_ms >= 15_000), "{holes:?}");
    let decoded = decoded_frames(&dir.join(format!("{}.0.cmf", camera.info.id)), "v:0");
    let missing_ms: u64 = holes.iter().map(|g| g.to_ms - g.from_ms).sum();
    assert_eq!(decoded + missing_ms as usize / 40, camera.frames.len(), "what is not decoded is listed: {holes:?}");
    let silences = of(sound.info.id, GapCause::Loss);
    assert_eq!(silences.len(), 1);
    assert!(silences[0].from_ms.abs_diff(5000) <= 25 && silences[0].to_ms.abs_diff(5400) <= 25, "{silences:?}");
    let playlist = recording.media_playlist("teacher-camera".parse().unwrap()).unwrap();
    assert!(playlist.contains("#EXT-X-GAP"), "{playlist}");
    let out = tmp.path().join("hls.mp4");
    played(&recording, "teacher-camera", &out);
    assert_eq!(decoded_frames(&out, "v:0"), decoded + 2, "and pictures standing in at either end");
    played(&recording, "teacher-microphone", &out);
    assert_eq!(decoded_frames(&out, "a:0"), sound.frames.len() + 4, "sound is without a hole, silence stands in");
}

#[test]
fn another_size_is_another_part() {
    let tmp = tempfile::tempdir().unwrap();
    let teacher = ParticipantId::generate();
    let mut frames = h264(tmp.path(), 5, "320x180", 50);
    frames.extend(h264(tmp.path(), 5, "640x360", 50));
    let camera = Source::new(TrackSource::Camera, Codec::H264, teacher, frames, 3600);
    let sealed = record(&tmp.path().join("recordings"), 12_000, |handle| {
        join(handle, teacher, "王老师", RoomRole::Teacher);
        feed(&handle.tap(), camera.events(handle.meta().started, 80));
    });
    good(&sealed.summary.dir);
    let recording = vod::Recording::load(&sealed.summary.dir).unwrap();
    let track = recording.facts().track(camera.info.id).unwrap();
    assert_eq!((track.parts.len(), track.size()), (2, (640, 360)));
    for (part, frames) in [(0, 125), (1, 125)] {
        let path = sealed.summary.dir.join(format!("{}.{part}.cmf", camera.info.id));
        assert_eq!(decoded_frames(&path, "v:0"), frames);
    }
    let playlist = recording.media_playlist("teacher-camera".parse().unwrap()).unwrap();
    assert_eq!(
        (playlist.matches("#EXT-X-DISCONTINUITY").count(), playlist.matches("#EXT-X-MAP").count()),
        (1, 2),
        "{playlist}"
    );
    let mp4 = recording.download(vod::Picture::Camera).unwrap();
    let out = tmp.path().join("both.mp4");
    std::fs::write(&out, mp4.read(0, usize::MAX >> 1).unwrap()).unwrap();
    assert_eq!(decoded_frames(&out, "v:0"), 250, "one file, parameter sets with each keyframe");
}

#[test]
fn a_newer_format_is_refused_by_name_and_left_untouched() {
    let tmp = tempfile::tempdir().unwrap();
    let root = tmp.path().join("recordings");
    let recorder = Recorder::open(&root, limits()).unwrap();
    let dir = recorder.start(meta(0), Arc::new(|_| {})).unwrap().dir().to_owned();
    let header =
        std::fs::read_to_string(dir.join("recording.json")).unwrap().replace("\"format\": 1", "\"format\": 99");
    std::fs::write(dir.join("recording.json"), &header).unwrap();
    let recorder = Recorder::open(&root, limits()).unwrap();
    assert!(recorder.unsealed().is_empty());
    assert!(recorder.refused()[0].1.contains("has format 99"), "{:?}", recorder.refused());
    assert!(matches!(vod::Recording::load(&dir), Err(vod::VodError::Header(_))));
    assert!(!check(&dir).ok);
    assert_eq!(std::fs::read_to_string(dir.join("recording.json")).unwrap(), header);
}

#[test]
fn a_still_screen_and_a_muted_microphone_are_no_holes() {
    let tmp = support::scratch();
    let teacher = ParticipantId::generate();
    let (screen, sound) = (fake::picture(teacher, 300), fake::sound(teacher, 600));
    let still = |at: i64| (3_040..8_000).contains(&at);
    let sealed = record(tmp.path(), 14_000, |handle| {
        join(handle, teacher, "王老师", RoomRole::Teacher);
        let started = handle.meta().started;
        let mut events = merged(vec![screen.events(started, 0), sound.events(started, 0)]);
        // Nothing is sent, so sequence numbers go on without a hole.
        let mut seqs: HashMap<_, u64> = HashMap::new();
        events.retain(|(at, e)| !matches!(e, TapEvent::Packet(_)) || !still(*at));
        for (_, event) in &mut events {
            if let TapEvent::Packet(p) = event {
                let next = seqs.entry(p.track).or_insert(p.seq.0);
                p.seq = lectern_media::ExtSeq(*next);
                *next += 1;
            }
        }
        feed(&handle.tap(), events);
    });
    good(&sealed.summary.dir);
    let recording = vod::Recording::load(&sealed.summary.dir).unwrap();
    let facts = recording.facts();
    let causes: Vec<_> = facts.gaps.iter().map(|g| (g.track, g.cause, g.from_ms / 100, g.to_ms / 100)).collect();
    assert_eq!(
        causes,
        [(Some(sound.info.id), GapCause::Muted, 30, 80)],
        "a microphone that sends nothing for long is muted"
    );
    for name in ["teacher-camera", "teacher-microphone"] {
        let playlist = recording.media_playlist(name.parse().unwrap()).unwrap();
        assert!(!playlist.contains("EXT-X-GAP"), "{playlist}");
        // Segment by segment, what is served goes on without a hole.
        let track = recording.line(name.parse().unwrap()).unwrap()[0];
        let mut end = track.fragments[0].dts;
        for s in recording.segments(track) {
            let bytes = recording.segment(track.info.id, s.number).unwrap();
            let mut at = 0;
            while at < bytes.len() {
                let f = lectern_fmp4::scan::parse_fragment(&bytes[at..]).unwrap();
                assert_eq!(f.dts, end, "{name}, segment {}", s.number);
                end = f.dts + f.duration();
                at += f.len;
            }
        }
    }
}

#[test]
fn a_running_lesson_is_watched_up_to_now_and_what_was_listed_stays() {
    let tmp = support::scratch();
    let recorder = Recorder::open(tmp.path(), Limits { sync_every: std::time::Duration::ZERO, ..limits() }).unwrap();
    let handle = recorder.start(meta(40_000), Arc::new(|_| {})).unwrap();
    let teacher = ParticipantId::generate();
    join(&handle, teacher, "王老师", RoomRole::Teacher);
    let camera = fake::picture(teacher, 750);
    let events = camera.events(handle.meta().started, 30);
    let (mut senders, mut status, mut seen) = (HashMap::new(), handle.status(), Vec::<bytes::Bytes>::new());
    for piece in events.chunks(100) {
        support::feed(&handle.tap(), &mut senders, piece);
        support::wait(status.changed()).unwrap();
        let recording = vod::Recording::load(handle.dir()).unwrap();
        let Ok(playlist) = recording.media_playlist("teacher-camera".parse().unwrap()) else { continue };
        assert!(playlist.contains("#EXT-X-PLAYLIST-TYPE:EVENT") && !playlist.contains("#EXT-X-ENDLIST"), "{playlist}");
        let track = recording.facts().track(camera.info.id).unwrap();
        let now: Vec<_> =
            recording.segments(track).iter().map(|s| recording.segment(camera.info.id, s.number).unwrap()).collect();
        assert_eq!(&now[..seen.len()], &seen[..], "a segment that was listed never changes");
        seen = now;
    }
    assert!(seen.len() >= 4, "{} segments of some 30 s were seen while it ran", seen.len());
    assert_eq!(support::wait(handle.finish()).unwrap().summary.status, RecordingStatus::Done);
}
