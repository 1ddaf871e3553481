//! What a camera's recordings hold between two moments: recorded stretches, what is missing and why, clock offsets.
//!
//! Of sealed recordings the seal and the journal are read, of running ones what is durable. Does not belong here: alarms and
//! bookmarks (the library).

use super::{
    CameraRecording, Hold, Removed,
    elsewhere::{Recorded, missing},
    index::Cache,
    open::{days_of, recordings_in},
    removal::removed_in,
};
use crate::{
    Entry, Header, Seal, journal,
    meta::TrackSpan,
    recover::{read_or_empty, read_range},
    scan, vod,
    vod::VodError,
    writer::part_name,
};
use lectern_media::{CameraId, CameraStream, RecordingId, UnixMillis};
use lectern_protocol::api::{GapCause, RecordedGap};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A stretch of time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TimeSpan {
    /// From.
    pub from: UnixMillis,
    /// To.
    pub to: UnixMillis,
}

/// What is recorded of one stream.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StreamTimeline {
    /// Which.
    pub stream: CameraStream,
    /// Its codec in the newest of the recordings (`avc3.…`, `hev1.…`, `mp4a.40.2`, `alaw`, `ulaw`).
    pub codec: String,
    /// Recorded stretches, in order.
    pub spans: Vec<TimeSpan>,
}

/// A stretch that is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TimelineGap {
    /// Of which stream; none: of all.
    pub stream: Option<CameraStream>,
    /// From.
    pub from: UnixMillis,
    /// To.
    pub to: UnixMillis,
    /// Why.
    pub cause: GapCause,
}

/// A measured clock offset.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ClockOffsetAt {
    /// When.
    pub at: UnixMillis,
    /// On which stream.
    pub stream: CameraStream,
    /// How far the camera's clock was ahead of ours, in milliseconds.
    pub offset_ms: i64,
}

/// One of the recordings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TimelineRecording {
    /// Which.
    pub recording: RecordingId,
    /// From.
    pub from: UnixMillis,
    /// To; so far, if it runs.
    pub to: UnixMillis,
    /// Whether it is sealed.
    pub sealed: bool,
    /// Bytes on disk; 0 while it runs.
    pub bytes: u64,
}

/// What a camera's recordings hold between two moments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CameraTimeline {
    /// The camera.
    pub camera: CameraId,
    /// From.
    pub from: UnixMillis,
    /// To.
    pub to: UnixMillis,
    /// Its streams, of which something is recorded.
    pub streams: Vec<StreamTimeline>,
    /// What is missing, in order of time.
    pub gaps: Vec<TimelineGap>,
    /// The recordings.
    pub recordings: Vec<TimelineRecording>,
    /// What retention removed.
    pub removed: Vec<Removed>,
    /// Offsets of the camera's clock.
    pub clock: Vec<ClockOffsetAt>,
    /// Holds that touch it ([`CameraArchive::timeline`](super::CameraArchive::timeline) fills them in).
    pub holds: Vec<Hold>,
    /// Up to when what was received survives a power cut, if the camera is being recorded.
    pub durable: Option<UnixMillis>,
}

/// The longest range that is listed at once: 40 days.
const RANGE_MS_MAX: i64 = 40 * 86_400_000;
/// Recordings of one camera may both be open for so long where one rolls into the next; spans that touch are one.
const TOUCH_MS: i64 = 500;

/// Recordings of the camera that may hold something between the two moments, oldest first.
pub(crate) fn touching(
    root: &Path,
    camera: CameraId,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<Vec<PathBuf>, VodError> {
    let mut out = Vec::new();
    let mut before = 0;
    for day in days_of(root, camera).map_err(VodError::io(root))? {
        for (id, dir) in recordings_in(&day).map_err(VodError::io(&day))?.into_iter().rev() {
            let started = id.0.timestamp_ms() as i64;
            if started >= to.0 || !dir.join(Header::FILE).exists() {
                continue;
            }
            out.push(dir);
            // The one that runs at `from`, and the one that rolled into it; an interrupted one may reach over days.
            before += usize::from(started <= from.0);
            if before == 2 {
                out.reverse();
                return Ok(out);
            }
        }
    }
    out.reverse();
    Ok(out)
}

/// What is read of one recording for a timeline.
struct Read {
    meta: CameraRecording,
    seal: Option<Seal>,
    spans: Vec<TrackSpan>,
    gaps: Vec<RecordedGap>,
    offsets: Vec<(u64, CameraStream, i64)>,
    stopped: bool,
    end: UnixMillis,
    codecs: Vec<(CameraStream, String)>,
}

fn read(dir: &Path, cache: &Cache) -> Result<Read, VodError> {
    let (meta, seal, spans, lines, end, codecs): (_, _, _, Arc<[_]>, _, _);
    if let Some(sealed) = Seal::read(dir)? {
        meta = Header::<CameraRecording>::read(dir)?.0.meta;
        let path = dir.join(journal::FILE);
        lines = journal::parse(&read_or_empty(&path).map_err(VodError::io(&path))?).0.into();
        end = UnixMillis(meta.started.0.saturating_add(sealed.duration_ms as i64));
        spans = sealed.spans.clone();
        seal = Some(sealed);
        let codec = |s: CameraStream| {
            let bytes = read_range(&dir.join(part_name(meta.camera.camera.track(s), 0)), 0, 64 << 10).ok()?;
            Some((s, lectern_fmp4::scan::parse_init(&bytes).ok()?.0.rfc6381()))
        };
        codecs = CameraStream::ALL.into_iter().filter_map(codec).collect();
    } else {
        let index = cache.get(dir)?;
        (meta, seal, end) = (index.meta.clone(), None, index.end());
        let mut all = Vec::new();
        for t in index.tracks.values() {
            for f in &t.fragments {
                crate::meta::add_span(&mut all, t.info.id, t.ms(f.dts), t.ms(f.end()));
            }
        }
        spans = all;
        lines = index.lines.clone().into();
        let codec = |s: CameraStream| Some((s, index.track(s)?.parts.last()?.config.rfc6381()));
        codecs = CameraStream::ALL.into_iter().filter_map(codec).collect();
    }
    let camera = meta.camera.camera;
    let offset = |(l, ..): &(crate::Line, u64, u64)| match l.entry {
        Entry::ClockOffset { track, offset_ms } => Some((l.at_ms, camera.stream(track)?, offset_ms)),
        _ => None,
    };
    let offsets = lines.iter().filter_map(offset).collect();
    let stopped = lines.iter().any(|(l, ..)| l.entry == Entry::Stopped {});
    Ok(Read { meta, seal, spans, gaps: vod::gaps(&lines, 0, vod::CAMERA_GAP_MS_MAX), offsets, stopped, end, codecs })
}

/// A recording as others see it; nothing of one that can't be read.
pub(crate) fn recorded(dir: &Path, started: UnixMillis) -> Recorded {
    let spans = read(dir, &Cache::default()).map(|r| r.spans).unwrap_or_default();
    Recorded::new(started, spans)
}

/// What the camera's recordings under `root` hold between two moments.
pub(crate) fn timeline(
    root: &Path,
    cache: &Cache,
    camera: CameraId,
    from: UnixMillis,
    to: UnixMillis,
) -> Result<CameraTimeline, VodError> {
    let to = UnixMillis(to.0.min(from.0.saturating_add(RANGE_MS_MAX)));
    let clip = |a: i64, b: i64| {
        let span = TimeSpan { from: UnixMillis(a.max(from.0)), to: UnixMillis(b.min(to.0)) };
        (span.from < span.to).then_some(span)
    };
    let mut out = CameraTimeline {
        camera,
        from,
        to,
        streams: Vec::new(),
        gaps: Vec::new(),
        recordings: Vec::new(),
        removed: Vec::new(),
        clock: Vec::new(),
        holds: Vec::new(),
        durable: None,
    };
    let mut spans: BTreeMap<CameraStream, Vec<TimeSpan>> = BTreeMap::new();
    let mut codecs: BTreeMap<CameraStream, String> = BTreeMap::new();
    let mut stopped: Option<UnixMillis> = None;
    let mut all = Vec::new();
    for dir in touching(root, camera, from, to)? {
        match read(&dir, cache) {
            Ok(r) => all.push(r),
            // Removed while we looked.
            Err(_) if !dir.exists() => {}
            Err(e) => return Err(e),
        }
    }
    let recorded: Vec<Recorded> =
        all.iter_mut().map(|r| Recorded::new(r.meta.started, std::mem::take(&mut r.spans))).collect();
    for (i, r) in all.into_iter().enumerate() {
        let started = r.meta.started;
        let at = |ms: u64| started.0.saturating_add(ms as i64);
        if let Some(span) = stopped.filter(|s| started.0 - s.0 > TOUCH_MS).and_then(|s| clip(s.0, started.0)) {
            out.gaps.push(TimelineGap { stream: None, from: span.from, to: span.to, cause: GapCause::Operator });
        }
        stopped = r.stopped.then_some(r.end);
        for s in &recorded[i].spans {
            let Some((stream, span)) = camera.stream(s.track).zip(clip(at(s.from_ms), at(s.to_ms))) else { continue };
            let of = spans.entry(stream).or_default();
            match of.last_mut() {
                Some(last) if span.from.0 - last.to.0 < TOUCH_MS => last.to = last.to.max(span.to),
                _ => of.push(span),
            }
        }
        for g in &r.gaps {
            let stream = g.track.and_then(|t| camera.stream(t));
            let listed = (UnixMillis(at(g.from_ms)), UnixMillis(at(g.to_ms)));
            let left = missing(&recorded, i, g.track, listed);
            for span in left.into_iter().filter_map(|(f, t)| clip(f.0, t.0)) {
                let gap = TimelineGap { stream, from: span.from, to: span.to, cause: g.cause };
                let adjoins = |l: &&mut TimelineGap| (l.stream, l.cause, l.to) == (gap.stream, gap.cause, gap.from);
                match out.gaps.iter_mut().rev().find(adjoins) {
                    Some(last) => last.to = gap.to,
                    None => out.gaps.push(gap),
                }
            }
        }
        let offsets = r.offsets.iter().map(|(ms, stream, o)| (UnixMillis(at(*ms)), *stream, *o));
        out.clock.extend(
            offsets.filter(|(at, ..)| (from..to).contains(at)).map(|(at, stream, offset_ms)| ClockOffsetAt {
                at,
                stream,
                offset_ms,
            }),
        );
        if clip(started.0, r.end.0).is_some() {
            codecs.extend(r.codecs);
            out.recordings.push(TimelineRecording {
                recording: r.meta.id,
                from: started,
                to: r.end,
                sealed: r.seal.is_some(),
                bytes: r.seal.map_or(0, |s| s.size_bytes),
            });
        }
    }
    let days = scan::sorted_dirs(root).map_err(VodError::io(root))?;
    let (first, last) = (crate::day_of(UnixMillis(from.0 - 86_400_000)), crate::day_of(to));
    for day in days {
        let name = day.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if (first.as_str()..=last.as_str()).contains(&name.as_str()) {
            let removed = removed_in(&day.join(camera.to_string()));
            out.removed.extend(removed.into_iter().filter(|r| r.from < to && r.to > from));
        }
    }
    out.gaps.sort_by_key(|g| (g.from, g.stream));
    out.streams = spans
        .into_iter()
        .map(|(stream, spans)| StreamTimeline { stream, codec: codecs.remove(&stream).unwrap_or_default(), spans })
        .collect();
    Ok(out)
}
