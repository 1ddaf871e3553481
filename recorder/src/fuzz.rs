//! Entry points for fuzzing: each takes anything and must neither panic nor loop.

use crate::{
    ChainKind, ChainRecord, Entry, FORMAT, HeadSignature, Header, Limits, Line, Recorder, RecordingMeta, SUITE, Signer,
    camera::{
        CameraArchive, CameraKind, CameraLimits, CameraMeta, CameraRecording, Footage, Pace, camera_recording_dir, raw,
    },
    chain, check, journal, scan, vod,
    writer::{part_name, recording_dir},
};
use bytes::Bytes;
use lectern_fmp4::{
    Sample, TrackConfig,
    config::{
        OpusConfig,
        opus::{SILENCE, SILENCE_TICKS},
    },
    depay::Broken,
    fragment::fragment,
    init::init_segment,
};
use lectern_media::{
    CameraId, CameraStream, Codec, ExtTimestamp, LessonId, ParticipantId, PlaceId, RecordingId, RoomId, TrackId,
    TrackInfo, TrackSource, UnixMillis,
};
use lectern_protocol::api::{ClassEvent, GapCause};
use std::{
    fs, io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What stands between the chain and the journal of an input.
const BETWEEN: u8 = 0;

fn track() -> TrackId {
    TrackId(1.into())
}

fn header() -> Header {
    let meta = RecordingMeta {
        id: RecordingId(2.into()),
        lesson: LessonId(3.into()),
        room: RoomId(4.into()),
        class: None,
        place: None,
        places: vec![],
        teacher_account: None,
        title: "分数".into(),
        subject: String::new(),
        grade: String::new(),
        teacher: String::new(),
        school: String::new(),
        started: UnixMillis(1_790_000_000_000),
    };
    Header { format: FORMAT, suite: SUITE.into(), meta }
}

/// One part: its init segment, and ten fragments of half a second.
fn part() -> (Vec<u8>, Vec<Vec<u8>>) {
    let silence =
        || Sample { duration: SILENCE_TICKS, keyframe: true, composition: 0, data: bytes::Bytes::from_static(SILENCE) };
    let fragments = (0..10).map(|n| {
        let samples: Vec<Sample> = (0..25).map(|_| silence()).collect();
        fragment(n + 1, u64::from(n) * 24_000, &samples)
    });
    (init_segment(&TrackConfig::Opus(OpusConfig::default())), fragments.collect())
}

/// Chain and journal of a recording on a disk that others can write: read, listed, checked, played and recovered.
pub fn archive_index(data: &[u8]) {
    let (chain_bytes, journal_bytes) = match data.iter().position(|b| *b == BETWEEN) {
        Some(at) => (&data[..at], &data[at + 1..]),
        None => (data, &data[..0]),
    };
    let (records, len) = chain::parse(chain_bytes);
    assert_eq!(chain::parse(&chain_bytes[..len]), (records, len), "a torn end changes nothing before it");
    let (lines, len) = journal::parse(journal_bytes);
    assert_eq!(journal::parse(&journal_bytes[..len]), (lines, len), "a torn end changes nothing before it");
    let root = root();
    // Without a disk there is nothing to be read; what can't be removed is written over by the next input.
    let _ = use_it(&root, chain_bytes, journal_bytes);
    let _ = fs::remove_dir_all(&root);
}

/// What a camera's archive keeps beside fragments, as found on a disk that others can write: raw blocks and signed chains.
pub fn camera_archive(data: &[u8]) {
    if let Some((units, len)) = raw::parse_block(data) {
        assert!(len <= data.len() && !units.is_empty());
        assert_eq!(raw::block(&units), &data[..len], "a block has one form");
        units.iter().for_each(|u| assert!(u.nals().map(|n| n.len()).sum::<usize>() <= u.data.len()));
    }
    let (lines, len) = chain::parse_lines(data);
    assert_eq!(chain::parse_lines(&data[..len]), (lines.clone(), len), "a torn end changes nothing before it");
    for line in lines {
        if let chain::ChainLine::Signature(s) = line {
            let _ = (s.digest(RecordingId(1.into())), s.verify(RecordingId(1.into()), &[1; 32]));
        }
    }
}

/// The same on the disk of a camera's archive: chain and journal of a recording are checked, listed, played and gone on with.
pub fn camera_index(data: &[u8]) {
    let root = root();
    // Without a disk there is nothing to be read; what can't be removed is written over by the next input.
    let _ = use_camera(&root, data);
    let _ = fs::remove_dir_all(&root);
}

fn camera_meta() -> CameraMeta {
    CameraMeta {
        camera: CameraId(ulid::Ulid(9 << 64)),
        name: "考场".into(),
        place: PlaceId(1.into()),
        places: vec![],
        place_name: String::new(),
        group: "exam_room".into(),
        code: None,
    }
}

fn use_camera(root: &Path, data: &[u8]) -> io::Result<()> {
    let (chain_bytes, rest) = data.split_at(data.iter().position(|b| *b == BETWEEN).unwrap_or(data.len()));
    let journal_bytes = rest.get(1..).unwrap_or_default();
    let (camera, started) = (camera_meta(), UnixMillis(1_790_000_000_000));
    let (id, track) =
        (RecordingId(ulid::Ulid::from_parts(started.0 as u64, 1)), camera.camera.track(CameraStream::Sound));
    let until = UnixMillis(started.0 + 3_600_000);
    let meta = CameraRecording { kind: CameraKind::Camera, id, started, until, previous: None, camera: camera.clone() };
    let dir = camera_recording_dir(root, camera.camera, id);
    fs::create_dir_all(&dir)?;
    fs::write(dir.join(Header::FILE), serde_json::to_vec(&Header::new(meta))?)?;
    let (init, fragments) = part();
    fs::write(dir.join(part_name(track, 0)), [init, fragments.concat()].concat())?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&self::track().to_string(), &track.to_string());
    fs::write(dir.join(chain::FILE), text(chain_bytes))?;
    fs::write(dir.join(journal::FILE), text(journal_bytes))?;
    let _ = check(root);
    let (from, to) = (UnixMillis(started.0 - 1000), UnixMillis(started.0 + 4_000_000));
    let play = || {
        let footage = Footage::new(root);
        let _ = footage.timeline(camera.camera, from, to);
        for pace in [Pace::All, Pace::Keyframes] {
            let _ = footage.playlist(camera.camera, CameraStream::Sound, from, to, pace);
        }
        let _ = (footage.file(camera.camera, id, track, "0.m4s"), footage.file(camera.camera, id, track, "key-0.m4s"));
        let _ = footage.snapshot(camera.camera, CameraStream::Sound, UnixMillis(started.0 + 3000));
    };
    play();
    let limits = CameraLimits { threads: 0, ..CameraLimits::default() };
    if let Some(signer) = Signer::from_seed(&[7; 32])
        && let Ok(archive) = CameraArchive::open(root, limits, Arc::new(signer))
    {
        let tap = archive.record(camera.clone());
        archive.turn(UnixMillis(started.0 + 9000));
        drop(tap);
        let _ = archive.stop(camera.camera);
    }
    play();
    Ok(())
}

/// Valid inputs of [`camera_archive`].
#[must_use]
pub fn camera_archives() -> Vec<Vec<u8>> {
    let unit = |broken| raw::RawUnit {
        broken,
        timestamp: ExtTimestamp(90),
        arrival: UnixMillis(1),
        data: Bytes::from_static(&[0, 0, 0, 2, 0x41, 0x88]),
    };
    let block = raw::block(&[unit(Broken::Incomplete), unit(Broken::AfterLoss), unit(Broken::NoConfig)]);
    let signature = Signer::from_seed(&[7; 32])
        .map(|signer| HeadSignature::new(&signer, RecordingId(1.into()), 3, &[1; 32], UnixMillis(5), &[0; 32]));
    let line = signature.and_then(|s| serde_json::to_vec(&s).ok()).unwrap_or_default();
    vec![block, [&line[..], b"\n", &line, b"\n"].concat()]
}

/// A directory of this thread's own, in memory if there is such a disk.
fn root() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    let root = if memory.is_dir() { memory } else { std::env::temp_dir() };
    root.join(format!("lectern-fuzz-{}-{:?}", std::process::id(), std::thread::current().id()))
}

fn use_it(root: &Path, chain_bytes: &[u8], journal_bytes: &[u8]) -> io::Result<()> {
    let header = header();
    let dir = recording_dir(root, &header.meta);
    fs::create_dir_all(&dir)?;
    fs::write(dir.join(Header::FILE), serde_json::to_vec(&header)?)?;
    let (init, fragments) = part();
    fs::write(dir.join(part_name(track(), 0)), [init, fragments.concat()].concat())?;
    fs::write(dir.join(chain::FILE), chain_bytes)?;
    fs::write(dir.join(journal::FILE), journal_bytes)?;
    let _ = (scan(root), check(&dir));
    if let Ok(recording) = vod::Recording::load(&dir) {
        let _ = recording.multivariant(None);
        for t in recording.facts().recorded_tracks() {
            let _ = recording.media_playlist(vod::Name::Track(t.track));
            let _ = recording.file(t.track, "0.m4s");
        }
        for picture in recording.pictures() {
            let _ = recording.download(picture).and_then(|file| file.read(0, 4096));
        }
    }
    if let Ok(recorder) = Recorder::open(root, Limits::default()) {
        for unsealed in recorder.unsealed() {
            let _ = recorder.seal(unsealed.meta.id);
        }
    }
    Ok(())
}

/// An evidence file: never authentic unless it is the one that was signed.
pub fn evidence(data: &[u8]) {
    static VALID: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    crate::evidence::fuzz::file(data, VALID.get_or_init(evidences));
}

/// Valid inputs of [`evidence`].
#[must_use]
pub fn evidences() -> Vec<Vec<u8>> {
    let root = root().join("evidence");
    // Without a disk there are none.
    let made = fs::create_dir_all(&root).and_then(|()| crate::evidence::fuzz::example(&root));
    let _ = fs::remove_dir_all(&root);
    made.into_iter().collect()
}

/// Valid inputs of [`archive_index`]: a whole one, and one of which only the journal is left.
#[must_use]
pub fn archive_indexes() -> Vec<Vec<u8>> {
    let participant = ParticipantId(5.into());
    let info = TrackInfo { id: track(), participant, source: TrackSource::Microphone, codec: Codec::Opus, layers: 1 };
    let lost = Entry::Gap { track: None, from_ms: 10, to_ms: 900, cause: GapCause::Restart, packets: Some(7) };
    let lines = [
        Line { at_ms: 0, entry: Entry::Event { event: ClassEvent::Opened {} } },
        Line { at_ms: 5, entry: Entry::Track { info, clock_hz: None } },
        Line { at_ms: 900, entry: lost },
        Line { at_ms: 900, entry: Entry::Resumed {} },
        Line { at_ms: 5_000, entry: Entry::TrackEnd { track: track() } },
    ];
    let text = |value: serde_json::Result<Vec<u8>>| value.map(|text| [&text[..], b"\n"].concat()).unwrap_or_default();
    let journal: Vec<u8> = lines.iter().flat_map(|line| text(serde_json::to_vec(line))).collect();
    let mut head = chain::genesis(&serde_json::to_vec(&header()).unwrap_or_default());
    let (init, fragments) = part();
    let of = |(n, bytes)| (ChainKind::Frag, n as u64 * 24_000, 24_000, bytes);
    let pieces = std::iter::once((ChainKind::Init, 0, 0, init)).chain(fragments.into_iter().enumerate().map(of));
    let (mut offset, mut chained) = (0, Vec::new());
    for (kind, time, duration, bytes) in pieces {
        head = chain::link(&head, time, &bytes);
        let (file, len, hash) = (part_name(track(), 0), bytes.len() as u64, hex::encode(head));
        let record = ChainRecord { kind, file, offset, len, time, duration, keyframe: kind == ChainKind::Frag, hash };
        offset = record.end();
        chained.extend(text(serde_json::to_vec(&record)));
    }
    [chained, vec![]].into_iter().map(|chain| [&chain[..], &[BETWEEN], &journal].concat()).collect()
}
