//! Records a made-up lesson with everything that makes players stumble (late start, change of size, a hole, a muted stretch,
//! VP8) and writes its playlists and segments as a tree of files, to be looked at with any player.
//!
//! `cargo run -p lectern-recorder --example vod_tree -- OUT`

#[path = "../tests/support/mod.rs"]
mod support;

use lectern_media::{Codec, ParticipantId, TrackSource, tap::TapEvent};
use lectern_protocol::{api::ClassEvent, ws::RoomRole};
use lectern_recorder::{Recorder, State, check, vod};
use std::{collections::HashMap, fs, path::PathBuf, sync::Arc};
use support::{Source, feed, h264, limits, merged, meta, opus, vp8, wait};

fn main() {
    let out = PathBuf::from(std::env::args().nth(1).expect("where to"));
    let tmp = tempfile::tempdir().expect("a place for media");
    let (teacher, student) = (ParticipantId::generate(), ParticipantId::generate());
    let mut frames = h264(tmp.path(), 20, "640x360", 50);
    frames.extend(h264(tmp.path(), 17, "960x540", 50));
    let mut camera = Source::new(TrackSource::Camera, Codec::H264, teacher, frames, 3600);
    camera.start_ms = 3000;
    let mut sound = Source::new(TrackSource::Microphone, Codec::Opus, teacher, opus(tmp.path(), 40), 960);
    sound.start_ms = 1000;
    let mut other = Source::new(TrackSource::Camera, Codec::Vp8, student, vp8(tmp.path(), 20, "320x180", 50), 3600);
    other.start_ms = 10_000;
    let recorder = Recorder::open(out.join("recordings"), limits()).expect("a place to record");
    let handle = recorder.start(meta(60_000), Arc::new(|_| {})).expect("it starts");
    let started = handle.meta().started;
    for (participant, name, role) in [(teacher, "王老师", RoomRole::Teacher), (student, "小明", RoomRole::Student)]
    {
        handle.event(started, ClassEvent::Joined { participant, name: name.into(), role });
    }
    let mut events = merged(vec![camera.events(started, 80), sound.events(started, 40), other.events(started, 80)]);
    events.retain(|(at, e)| match e {
        TapEvent::Packet(p) if p.track == camera.info.id => {
            !(33_000..38_500).contains(at) && !(45_000..45_100).contains(at)
        }
        _ => true,
    });
    feed(&handle.tap(), &mut HashMap::new(), &events);
    // The server is gone for a while; the teacher comes back with new tracks and shares a screen.
    let (lesson, mut status) = (handle.meta().lesson, handle.status());
    drop(handle);
    wait(status.wait_for(|s| s.state == State::Ended)).expect("it ends");
    let recorder = Recorder::open(out.join("recordings"), limits()).expect("it recovers");
    let handle = recorder.resume(lesson, Arc::new(|_| {})).expect("it goes on").expect("it is there");
    let mut again = [
        Source::new(TrackSource::Camera, Codec::H264, teacher, h264(tmp.path(), 12, "640x360", 50), 3600),
        Source::new(TrackSource::Microphone, Codec::Opus, teacher, opus(tmp.path(), 14), 960),
        Source::new(TrackSource::Screen, Codec::H264, teacher, h264(tmp.path(), 6, "960x540", 50), 3600),
    ];
    for (source, start_ms) in again.iter_mut().zip([62_000, 61_000, 66_000]) {
        source.start_ms = start_ms;
    }
    let events = merged(again.iter().map(|s| s.events(started, 60)).collect());
    feed(&handle.tap(), &mut HashMap::new(), &events);
    let sealed = wait(handle.finish()).expect("it is sealed");
    println!("{}", check(&sealed.summary.dir));
    let recording = vod::Recording::load(&sealed.summary.dir).expect("it loads");
    println!("{:#?}", recording.facts().gaps);
    let write = |name: &str, bytes: &[u8]| {
        let path = out.join("vod").join(name);
        fs::create_dir_all(path.parent().expect("inside")).expect("a directory");
        fs::write(path, bytes).expect("written");
    };
    write("index.m3u8", recording.multivariant(None).expect("it plays").as_bytes());
    for name in ["teacher-camera", "teacher-microphone", "teacher-screen"] {
        let playlist = recording.media_playlist(name.parse().expect("a name")).expect("it plays");
        println!("{playlist}");
        write(&format!("{name}/index.m3u8"), playlist.as_bytes());
    }
    for track in recording.facts().tracks.iter().filter(|t| t.plays_in_hls()) {
        let id = track.info.id;
        write(
            &format!("{id}/index.m3u8"),
            recording.media_playlist(vod::Name::Track(id)).expect("it plays").as_bytes(),
        );
        let playlists = ["teacher-camera", "teacher-microphone", "teacher-screen"]
            .map(|n| recording.media_playlist(n.parse().expect("a name")));
        for uri in playlists.into_iter().flatten().collect::<String>().split(['"', '\n']) {
            if let Some(name) = uri.strip_prefix(&format!("../{id}/")) {
                write(&format!("{id}/{name}"), &recording.file(id, name).expect("what is listed is there"));
            }
        }
    }
    write("student.webm", &recording.webm(other.info.id).expect("WebM").read(0, usize::MAX >> 1).expect("read"));
    write(
        "camera.mp4",
        &recording.download(vod::Picture::Camera).expect("MP4").read(0, usize::MAX >> 1).expect("read"),
    );
}
