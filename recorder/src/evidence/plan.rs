//! What of the archive goes into an export: which recordings, and of each the stretch of its chain from one signed head to
//! another that holds everything asked for. Reads chains and journals, no media.

use super::{
    ExportError,
    format::{Bound, Event, EventKind, Excerpt, Piece, PieceOf, StreamClock},
};
use crate::{
    HeadSignature, Header, Seal,
    camera::{
        CameraMeta, CameraRecording, camera_day_dir,
        elsewhere::{self, Recorded},
        next_start,
    },
    chain::{self, ChainKind, ChainRecord},
    journal::{self, Entry},
    recover::read_or_empty,
    writer::{parse_part_name, parse_raw_name},
};
use lectern_media::{CameraId, CameraStream, RecordingId, TrackId, UnixMillis};
use std::{
    collections::BTreeMap,
    fs, io,
    ops::Range,
    path::{Path, PathBuf},
};

/// How far a recording may go on behind the hour, and how far before the day's beginning one that reaches into it may start.
const OVERLAP_MS: i64 = 120_000;
const DAY_MS: i64 = 86_400_000;
/// A recording from before what may be shown that gives way this close to its beginning does so for the same reason: its header tells of
/// what was before, and is left out with the moments it has of what came then. A roll that was under way delays it, 90 seconds at most.
const GAVE_WAY_MS: i64 = 120_000;

/// A stretch of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) path: PathBuf,
    pub(super) bytes: Range<u64>,
}

impl Stretch {
    pub(super) fn len(&self) -> u64 {
        self.bytes.end - self.bytes.start
    }
}

/// A member made of an init segment and a stretch.
#[derive(Debug)]
pub(super) struct PlannedPiece {
    pub(super) piece: Piece,
    pub(super) init: Vec<u8>,
    pub(super) stretch: Stretch,
}

#[derive(Debug)]
pub(super) struct PlannedRecording {
    pub(super) id: RecordingId,
    /// The camera, as its header tells of it.
    pub(super) meta: CameraMeta,
    pub(super) header: Vec<u8>,
    pub(super) chain: Stretch,
    pub(super) pieces: Vec<PlannedPiece>,
    pub(super) excerpt: Excerpt,
}

#[derive(Debug)]
pub(super) struct PlannedCamera {
    /// As the newest recording here tells of it.
    pub(super) meta: CameraMeta,
    pub(super) within: Option<Bound>,
    pub(super) recordings: Vec<PlannedRecording>,
    pub(super) events: Vec<Event>,
    /// Public keys by id.
    pub(super) keys: BTreeMap<String, String>,
}

/// Plans one camera.
pub(super) fn camera(
    root: &Path,
    camera: CameraId,
    (from, to): (UnixMillis, UnixMillis),
    bound: Bound,
) -> Result<PlannedCamera, ExportError> {
    let within = bound.ends();
    let (from, to) = (from.max(within.0), to.min(within.1));
    if from >= to {
        return Err(ExportError::NotRecorded(camera));
    }
    let mut told = false;
    let mut planned: Option<PlannedCamera> = None;
    let mut offset_before: Option<Event> = None;
    let dirs = recordings(root, camera, from, to)?;
    let all: Vec<Recorded> = dirs.iter().map(|(id, dir)| seen(dir, *id)).collect();
    // Of what comes after the range, only where it begins matters.
    let after = next_start(root, camera, to).map_err(ExportError::io(root))?.unwrap_or(UnixMillis(i64::MAX));
    for (n, (_, dir)) in dirs.into_iter().enumerate() {
        let (header, bytes) = Header::<CameraRecording>::read(&dir)?;
        if header.meta.until.0.saturating_add(OVERLAP_MS) < from.0 || header.meta.started >= within.1 {
            continue;
        }
        let planned = planned.get_or_insert_with(|| PlannedCamera {
            meta: header.meta.camera.clone(),
            within: (bound != Bound::default()).then_some(bound),
            recordings: Vec::new(),
            events: Vec::new(),
            keys: BTreeMap::new(),
        });
        let journal_path = dir.join(journal::FILE);
        let journal_bytes = read_or_empty(&journal_path).map_err(ExportError::io(&journal_path))?;
        let (lines, _) = journal::parse(&journal_bytes);
        let clocks = crate::vod::clock_rates(&lines);
        let wall = |ms: u64| UnixMillis(header.meta.started.0.saturating_add_unsigned(ms));
        let mut gave_way = None;
        for (line, ..) in &lines {
            match &line.entry {
                Entry::Gap { track, from_ms, to_ms, cause, packets } => {
                    let stream = track.and_then(|t| camera.stream(t));
                    let mut packets = *packets;
                    for (at, end) in elsewhere::missing(&all, n, *track, (wall(*from_ms), wall(*to_ms).min(after))) {
                        if at < to && end > from {
                            if at < within.0 || end > within.1 {
                                // How many of them were here, nobody knows.
                                packets = None;
                            }
                            let (at, end) = (at.max(within.0), end.min(within.1));
                            // Packets are counted once.
                            let what = EventKind::Gap { to: end, cause: *cause, packets: packets.take() };
                            planned.events.push(Event { at, stream, what });
                        }
                    }
                }
                Entry::ClockOffset { track, offset_ms } => {
                    let (at, stream) = (wall(line.at_ms), camera.stream(*track));
                    let event = Event { at, stream, what: EventKind::ClockOffset { offset_ms: *offset_ms } };
                    if at < within.0 {
                        continue;
                    }
                    if at < from {
                        offset_before = Some(event);
                    } else if at < to {
                        planned.events.push(event);
                    }
                }
                Entry::GivesWay {} => gave_way = Some(wall(line.at_ms)),
                Entry::Signer { key, public } => _ = planned.keys.insert(key.clone(), public.clone()),
                _ => {}
            }
        }
        let began_before = header.meta.started < within.0;
        if began_before && gave_way.is_some_and(|at| at.0.saturating_sub(within.0.0).abs() <= GAVE_WAY_MS) {
            continue;
        }
        let found = recording(&dir, camera, &header.meta, bytes, &clocks, (from, to), within)?;
        // What a header from before tells is of what was before; one of which nothing is shown may tell of what came after: a move just
        // behind the hour is told in the header of the recording that begins at the hour.
        if found.is_some() || (!told && !began_before) {
            (planned.meta, told) = (header.meta.camera.clone(), true);
        }
        planned.recordings.extend(found);
    }
    let mut planned = planned.filter(|_| told).ok_or(ExportError::NotRecorded(camera))?;
    // Whatever was planned above.
    if planned.recordings.iter().any(|r| r.excerpt.from < within.0 || r.excerpt.to > within.1) {
        return Err(ExportError::OutOfBounds(camera));
    }
    // What the clock was when the range began.
    planned.events.extend(offset_before);
    planned.events.sort_by_key(|e| (e.at, e.stream));
    Ok(planned)
}

/// What others of the camera's recordings need to know of one.
fn seen(dir: &Path, id: RecordingId) -> Recorded {
    crate::camera::recorded(dir, UnixMillis(id.0.timestamp_ms() as i64))
}

/// The camera's recordings that may hold something of the range, in order of time.
fn recordings(
    root: &Path,
    camera: CameraId,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<Vec<(RecordingId, PathBuf)>, ExportError> {
    let mut found: BTreeMap<RecordingId, PathBuf> = BTreeMap::new();
    let mut day = from.0.saturating_sub(DAY_MS);
    loop {
        let dir = camera_day_dir(root, camera, UnixMillis(day));
        match fs::read_dir(&dir) {
            Ok(entries) => {
                for entry in entries {
                    let entry = entry.map_err(ExportError::io(&dir))?;
                    // `<hhmm>-<recording>`: what is being removed has another end.
                    let parse = |name: &str| name.split_once('-').and_then(|(_, id)| id.parse::<RecordingId>().ok());
                    if let Some(id) = entry.file_name().to_str().and_then(parse)
                        && id.0.timestamp_ms() as i64 <= to.0
                    {
                        found.insert(id, entry.path());
                    }
                }
            }
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            Err(e) => return Err(ExportError::io(&dir)(e)),
        }
        if day >= to.0 {
            break;
        }
        day = day.saturating_add(DAY_MS).min(to.0);
    }
    Ok(found.into_iter().collect())
}

enum Line {
    Record(ChainRecord),
    Signature(HeadSignature),
}

/// The whole lines of a chain file with their places.
fn lines(bytes: &[u8]) -> Vec<(Line, Range<u64>)> {
    let mut out = Vec::new();
    let mut at = 0u64;
    for text in bytes.split_inclusive(|b| *b == b'\n') {
        let parsed = match serde_json::from_slice(text) {
            Ok(record) => Some(Line::Record(record)),
            Err(_) => serde_json::from_slice(text).ok().map(Line::Signature),
        };
        let Some(line) = parsed.filter(|_| text.ends_with(b"\n")) else { break };
        let end = at + text.len() as u64;
        out.push((line, at..end));
        at = end;
    }
    out
}

/// The lines of a chain among which an excerpt may lie, and whether they begin later than the chain: behind the last head before which
/// something is too early, up to the last one that was signed in time and before which nothing is too late. Heads are signed each second,
/// and an excerpt is of whole stretches between them.
fn allowed(
    lines: &[(Line, Range<u64>)],
    when: impl Fn(&ChainRecord) -> (i64, i64),
    within: (UnixMillis, UnixMillis),
) -> Option<(Range<usize>, bool)> {
    let timed = |l: &Line| record_of(l).filter(|r| r.kind != ChainKind::Init).map(&when);
    let early = lines.iter().rposition(|(l, _)| timed(l).is_some_and(|(start, _)| start < within.0.0));
    let late = lines.iter().position(|(l, _)| timed(l).is_some_and(|(_, end)| end > within.1.0)).unwrap_or(lines.len());
    let signed = |i: &usize| matches!(&lines[*i].0, Line::Signature(s) if s.at <= within.1);
    let end = (0..late).rev().find(signed)? + 1;
    let begin = match early {
        None => 0,
        Some(i) => (i + 1..end).find(|i| matches!(lines[*i].0, Line::Signature(_)))? + 1,
    };
    (begin < end).then_some((begin..end, early.is_some()))
}

/// The excerpt of one recording; `None` if nothing of the range is in it, or none of it is signed yet.
fn recording(
    dir: &Path,
    camera: CameraId,
    meta: &CameraRecording,
    header: Vec<u8>,
    clocks: &BTreeMap<TrackId, u32>,
    (from, to): (UnixMillis, UnixMillis),
    bound: (UnixMillis, UnixMillis),
) -> Result<Option<PlannedRecording>, ExportError> {
    let path = dir.join(chain::FILE);
    let lines = lines(&read_or_empty(&path).map_err(ExportError::io(&path))?);
    let hz = |r: &ChainRecord| {
        let track = parse_part_name(&r.file).map(|(t, _)| t);
        u64::from(track.and_then(|t| clocks.get(&t)).copied().unwrap_or(90_000))
    };
    // When a record's content is, in milliseconds of the recording.
    let span = |r: &ChainRecord| match r.kind {
        ChainKind::Frag => (ms(r.time, hz(r)), ms(r.time.saturating_add(r.duration), hz(r))),
        _ => (r.time, r.time),
    };
    let within = |at: u64| meta.started.0.saturating_add_unsigned(at);
    let when = |r: &ChainRecord| {
        let (start, end) = span(r);
        (within(start), within(end))
    };
    let Some((allowed, cut)) = allowed(&lines, when, bound) else { return Ok(None) };
    let (mut first, mut last): (Option<usize>, usize) = (None, 0);
    let mut keyframes: BTreeMap<&str, usize> = BTreeMap::new();
    let mut begun: BTreeMap<Option<TrackId>, usize> = BTreeMap::new();
    for (i, (line, _)) in lines.iter().enumerate().take(allowed.end).skip(allowed.start) {
        let Line::Record(r) = line else { continue };
        let (start, end) = span(r);
        if r.kind == ChainKind::Frag && r.keyframe {
            keyframes.insert(&r.file, i);
        }
        let wanted = match r.kind {
            ChainKind::Init => false,
            ChainKind::Frag => within(end) > from.0 && within(start) < to.0,
            ChainKind::Line | ChainKind::Raw => within(start) >= from.0 && within(start) < to.0,
        };
        if !wanted {
            continue;
        }
        // A stream begins at a keyframe.
        let at = match r.kind {
            ChainKind::Frag => {
                let track = parse_part_name(&r.file).map(|(t, _)| t);
                let keyframe = keyframes.get(r.file.as_str()).copied();
                // Where the one before may not be shown, at the next.
                let Some(at) = begun.get(&track).copied().or(keyframe).or((!cut).then_some(i)) else { continue };
                *begun.entry(track).or_insert(at)
            }
            _ => i,
        };
        first = Some(first.map_or(at, |f| f.min(at)));
        last = i;
    }
    // Of one that began before what may be shown, journal lines and leftovers alone are nothing to show.
    let Some(first) = first.filter(|_| !cut || !begun.is_empty()) else { return Ok(None) };
    let signature = |i: &usize| matches!(lines[*i].0, Line::Signature(_));
    let anchor = (0..first).rev().find(signature);
    let Some(end) = (last + 1..allowed.end).find(signature).or_else(|| (first..allowed.end).rev().find(signature))
    else {
        return Ok(None);
    };
    let begin = anchor.unwrap_or(0);
    let records: Vec<&ChainRecord> = lines[begin..=end].iter().filter_map(|(l, _)| record_of(l)).collect();
    let (Some((Line::Signature(signed), _)), false) = (lines.get(end), records.is_empty()) else { return Ok(None) };
    let (first_record, before) = match anchor.map(|a| &lines[a].0) {
        Some(Line::Signature(s)) => (s.signs, s.head.clone()),
        _ => (0, hex::encode(chain::genesis(&header))),
    };
    let inits: BTreeMap<&str, u64> = lines
        .iter()
        .filter_map(|(l, _)| record_of(l))
        .filter(|r| r.kind == ChainKind::Init && r.offset == 0)
        .map(|r| (r.file.as_str(), r.len))
        .collect();
    let frags = || records.iter().filter(|r| r.kind == ChainKind::Frag).map(|r| span(r));
    let bounds = (frags().map(|s| s.0).min(), frags().map(|s| s.1).max());
    let stream_clocks = CameraStream::ALL
        .into_iter()
        .filter_map(|stream| clocks.get(&camera.track(stream)).map(|hz| StreamClock { stream, hz: *hz }));
    let sealed = end + 1 == lines.len() && Seal::read(dir)?.is_some();
    let excerpt = Excerpt {
        recording: meta.id,
        started: meta.started,
        first_record,
        records: records.len() as u64,
        before,
        head: signed.head.clone(),
        signed: signed.at,
        from: bounds.0.map_or(signed.at, |ms| UnixMillis(within(ms))),
        to: bounds.1.map_or(signed.at, |ms| UnixMillis(within(ms))),
        sealed,
        clocks: stream_clocks.collect(),
    };
    let pieces = pieces(dir, camera, &records, &inits)?;
    let chain = Stretch { path, bytes: lines[begin].1.start..lines[end].1.end };
    Ok(Some(PlannedRecording { id: meta.id, meta: meta.camera.clone(), header, chain, pieces, excerpt }))
}

fn record_of(line: &Line) -> Option<&ChainRecord> {
    match line {
        Line::Record(r) => Some(r),
        Line::Signature(_) => None,
    }
}

fn ms(ticks: u64, hz: u64) -> u64 {
    (u128::from(ticks) * 1000 / u128::from(hz.max(1))) as u64
}

/// The members that hold the records' bytes.
fn pieces(
    dir: &Path,
    camera: CameraId,
    records: &[&ChainRecord],
    inits: &BTreeMap<&str, u64>,
) -> Result<Vec<PlannedPiece>, ExportError> {
    let mut files: BTreeMap<&str, (Range<u64>, Option<u64>)> = BTreeMap::new();
    for r in records {
        let (range, key) = files.entry(&r.file).or_insert((r.offset..r.offset, None));
        range.end = range.end.max(r.end());
        if key.is_none() && (r.kind == ChainKind::Frag && r.keyframe || r.kind == ChainKind::Init) {
            *key = Some(r.offset);
        }
    }
    let mut out = Vec::new();
    for (file, (range, key)) in files {
        let path = dir.join(file);
        let mut push = |of, init: Vec<u8>, bytes: Range<u64>| {
            let piece = Piece { of, init: init.len() as u64, offset: bytes.start };
            out.push(PlannedPiece { piece, init, stretch: Stretch { path: path.clone(), bytes } });
        };
        let unknown =
            || ExportError::Damaged { path: path.clone(), what: "the chain names a file that is none of the camera's" };
        if file == journal::FILE {
            push(PieceOf::Timeline, Vec::new(), range);
        } else if let Some(track) = parse_raw_name(file) {
            push(PieceOf::Raw(camera.stream(track).ok_or_else(unknown)?), Vec::new(), range);
        } else {
            let (track, number) = parse_part_name(file).ok_or_else(unknown)?;
            let stream = camera.stream(track).ok_or_else(unknown)?;
            let key = key.unwrap_or(range.end);
            if range.start < key {
                push(PieceOf::Part { stream, number, lead: true }, Vec::new(), range.start..key);
            }
            if key < range.end {
                let len = if key == 0 { 0 } else { inits.get(file).copied().unwrap_or(0) };
                let mut init = vec![0; usize::try_from(len.min(1 << 20)).unwrap_or(0)];
                let file = fs::File::open(&path).map_err(ExportError::io(&path))?;
                std::os::unix::fs::FileExt::read_exact_at(&file, &mut init, 0).map_err(ExportError::io(&path))?;
                push(PieceOf::Part { stream, number, lead: false }, init, key..range.end);
            }
        }
    }
    out.sort_by_key(|p| p.piece);
    Ok(out)
}
