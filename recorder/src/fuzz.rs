//! Entry points for fuzzing: each takes anything and must neither panic nor loop.

use crate::{
    ChainKind, ChainRecord, Entry, FORMAT, Header, Limits, Line, Recorder, RecordingMeta, SUITE, chain, check, journal,
    scan, vod,
    writer::{part_name, recording_dir},
};
use lectern_fmp4::{
    Sample, TrackConfig,
    config::{
        OpusConfig,
        opus::{SILENCE, SILENCE_TICKS},
    },
    fragment::fragment,
    init::init_segment,
};
use lectern_media::{Codec, LessonId, ParticipantId, RecordingId, RoomId, TrackId, TrackInfo, TrackSource, UnixMillis};
use lectern_protocol::api::{ClassEvent, GapCause};
use std::{
    fs, io,
    path::{Path, PathBuf},
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
    let silence = || Sample { duration: SILENCE_TICKS, keyframe: true, data: bytes::Bytes::from_static(SILENCE) };
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
