//! Playing a camera's recordings over their borders: playlists, segments, keyframes, snapshots.
//!
//! A playlist lists what decodes; what is missing for two seconds or more is EXT-X-GAP, less is the picture standing still. Times are
//! those of the wall (EXT-X-PROGRAM-DATE-TIME), so several cameras play in step. Does not belong here: who may look, HTTP.

use super::{
    index::{Cache, Index, find},
    timeline::{self, CameraTimeline, touching},
};
use crate::{
    recover::read_range,
    vod::{self, Fragment, Segment, Track, VodError},
    writer::part_name,
};
use bytes::{BufMut, Bytes, BytesMut};
use lectern_fmp4::{Sample, TrackConfig, fragment::fragment, scan};
use lectern_media::{CameraId, CameraStream, Codec, RecordingId, TrackId, UnixMillis};
use std::{
    fmt::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

/// What a playlist lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// Everything.
    All,
    /// Keyframes only, each until the next: for 8× and 16×, and for stills.
    Keyframes,
}

/// A segment of a playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaybackSegment {
    /// The recording it is of.
    pub recording: RecordingId,
    /// The track.
    pub track: TrackId,
    /// Its part, for the init segment `init-<part>.mp4`.
    pub part: u32,
    /// Its file name: `<n>.m4s` or `key-<n>.m4s`.
    pub name: String,
    /// From.
    pub from: UnixMillis,
    /// From, in microseconds after that millisecond.
    from_us: i64,
    /// To, in microseconds since 1970.
    to_us: i64,
    config: TrackConfig,
}

impl PlaybackSegment {
    /// To.
    #[must_use]
    pub fn to(&self) -> UnixMillis {
        UnixMillis(self.to_us.div_euclid(1000))
    }

    fn begin_us(&self) -> i64 {
        self.from.0 * 1000 + self.from_us
    }
}

/// One keyframe.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// When it was taken.
    pub at: UnixMillis,
    /// H.264 or H.265.
    pub codec: Codec,
    /// Width and height in pixels.
    pub size: (u16, u16),
    /// Parameter sets and picture as a byte stream (Annex B).
    pub annex_b: Bytes,
}

/// The longest range that a playlist lists.
const RANGE_MS_MAX: i64 = 25 * 3_600_000;
/// Less than this between two segments is no gap.
const HOLE_US: i64 = 100_000;
/// A gap is listed in stretches of this at most.
const GAP_STEP_US: i64 = 4_000_000;
/// A snapshot is of a keyframe at most this long before.
const SNAPSHOT_MS: i64 = 60_000;

/// Reads the recordings of cameras, running ones too. Cheap to clone; what was read is kept, bounded.
#[derive(Debug, Clone)]
pub struct Footage {
    root: PathBuf,
    cache: Arc<Cache>,
}

impl Footage {
    /// Of the archive in `root`, `<data>/cameras`.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into(), cache: Arc::default() }
    }

    /// What a camera's recordings hold between two moments; 40 days at most.
    ///
    /// # Errors
    /// [`VodError`].
    pub fn timeline(&self, camera: CameraId, from: UnixMillis, to: UnixMillis) -> Result<CameraTimeline, VodError> {
        timeline::timeline(&self.root, &self.cache, camera, from, to)
    }

    /// Directories of the recordings that hold something between two moments, oldest first.
    ///
    /// # Errors
    /// [`VodError`].
    pub fn recordings(&self, camera: CameraId, from: UnixMillis, to: UnixMillis) -> Result<Vec<PathBuf>, VodError> {
        let mut out = Vec::new();
        for dir in touching(&self.root, camera, from, to)? {
            if self.cache.get(&dir)?.end() > from {
                out.push(dir);
            }
        }
        Ok(out)
    }

    /// The segments of a stream that touch a range, in order, and whether more may follow.
    ///
    /// # Errors
    /// [`VodError`].
    pub fn segments(
        &self,
        camera: CameraId,
        stream: CameraStream,
        from: UnixMillis,
        to: UnixMillis,
        pace: Pace,
    ) -> Result<(Vec<PlaybackSegment>, bool), VodError> {
        let to = UnixMillis(to.0.min(from.0.saturating_add(RANGE_MS_MAX)));
        let mut out: Vec<PlaybackSegment> = Vec::new();
        let mut growing = false;
        for dir in touching(&self.root, camera, from, to)? {
            let index = match self.cache.get(&dir) {
                Err(_) if !dir.exists() => continue,
                other => other?,
            };
            // What ends before this moment of a running recording does not change any more.
            growing = index.seal.is_none() && index.end() < to;
            let Some(track) = index.track(stream) else { continue };
            let pieces = match pace {
                Pace::All => vod::cut(track, &index.gaps, index.seal.is_none()),
                Pace::Keyframes => keyframes(track, &index),
            };
            for piece in pieces {
                let segment = listed(&index, track, &piece, pace);
                if segment.to_us > from.0 * 1000
                    && segment.from < to
                    && out.last().is_none_or(|l| l.from < segment.from)
                {
                    out.push(segment);
                }
            }
        }
        Ok((out, growing))
    }

    /// A media playlist (RFC 8216) of a stream between two moments. URIs are relative: `seg/<recording>/<track>/<file>`, for
    /// [`Footage::file`]. It begins with the first segment that touches the range, and grows if `to` is later than what is recorded.
    ///
    /// # Errors
    /// [`VodError::NotFound`] if nothing is recorded there.
    pub fn playlist(
        &self,
        camera: CameraId,
        stream: CameraStream,
        from: UnixMillis,
        to: UnixMillis,
        pace: Pace,
    ) -> Result<String, VodError> {
        let (segments, growing) = self.segments(camera, stream, from, to, pace)?;
        let Some(first) = segments.first() else { return Err(VodError::NotFound("footage there".into())) };
        let longest = segments.iter().map(|s| s.to_us - s.begin_us()).max().unwrap_or(0).max(GAP_STEP_US);
        let mut out = String::from("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-INDEPENDENT-SEGMENTS\n");
        let _ = writeln!(out, "#EXT-X-PLAYLIST-TYPE:{}", if growing { "EVENT" } else { "VOD" });
        // Each EXTINF, rounded, is at most the target (§4.3.3.1).
        let target = (longest as u64).div_ceil(1_000_000).max(5);
        let _ = writeln!(out, "#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:0");
        let mut at = first.begin_us();
        let mut map: Option<&PlaybackSegment> = None;
        for s in &segments {
            let (recording, track) = (s.recording, s.track);
            let same_clock = map.is_some_and(|m| m.recording == recording);
            let same_map = same_clock && map.is_some_and(|m| m.config == s.config);
            if s.begin_us() - at > HOLE_US {
                let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{}", date(at));
                while s.begin_us() - at > 0 {
                    let step = (s.begin_us() - at).min(GAP_STEP_US);
                    let _ = writeln!(out, "#EXT-X-GAP\n#EXTINF:{:.6},\ngap.m4s", step as f64 / 1e6);
                    at += step;
                }
            }
            if map.is_some() && !same_map {
                out.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if !same_map {
                let _ = writeln!(out, "#EXT-X-MAP:URI=\"seg/{recording}/{track}/init-{}.mp4\"", s.part);
            }
            let us = (s.to_us - s.begin_us()).max(1);
            let _ = writeln!(
                out,
                "#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF:{:.6},\nseg/{recording}/{track}/{}",
                date(s.begin_us()),
                us as f64 / 1e6,
                s.name
            );
            at = s.to_us;
            map = Some(s);
        }
        if !growing {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        Ok(out)
    }

    /// A file that a playlist names: `init-0.mp4`, `12.m4s`, `key-12.m4s` of a recording's track. The track must be the camera's.
    ///
    /// # Errors
    /// [`VodError`].
    pub fn file(
        &self,
        camera: CameraId,
        recording: RecordingId,
        track: TrackId,
        name: &str,
    ) -> Result<Bytes, VodError> {
        let not_found = || VodError::NotFound(format!("file {name:?}"));
        let stream = camera.stream(track).ok_or_else(not_found)?;
        let dir = find(&self.root, camera, recording)?;
        let index = self.cache.get(&dir)?;
        let track = index.track(stream).ok_or_else(not_found)?;
        if let Some(number) = name.strip_prefix("init-").and_then(|n| n.strip_suffix(".mp4")) {
            let number: u32 = number.parse().map_err(|_| not_found())?;
            let part = track.parts.iter().find(|p| p.number == number).ok_or_else(not_found)?;
            let path = dir.join(part_name(track.info.id, number));
            return read_range(&path, 0, part.init_len).map(Bytes::from).map_err(VodError::io(&path));
        }
        let stem = name.strip_suffix(".m4s").ok_or_else(not_found)?;
        let (pieces, number, pace) = match stem.strip_prefix("key-") {
            Some(number) => (keyframes(track, &index), number, Pace::Keyframes),
            None => (vod::cut(track, &index.gaps, index.seal.is_none()), stem, Pace::All),
        };
        let number: u32 = number.parse().map_err(|_| not_found())?;
        let piece = pieces.into_iter().find(|p| p.number == number).ok_or_else(not_found)?;
        let path = dir.join(part_name(track.info.id, track.parts[piece.part].number));
        match pace {
            Pace::All => vod::segment_bytes(path, track, &piece),
            Pace::Keyframes => {
                let data = first_sample(&path, &track.fragments[piece.fragments.start])?;
                let duration = u32::try_from(piece.to - piece.from).unwrap_or(u32::MAX).max(1);
                Ok(fragment(piece.number, piece.from, &[Sample { duration, keyframe: true, composition: 0, data }])
                    .into())
            }
        }
    }

    /// The last keyframe of a stream at or before a moment, a minute before at most.
    ///
    /// # Errors
    /// [`VodError`].
    pub fn snapshot(
        &self,
        camera: CameraId,
        stream: CameraStream,
        at: UnixMillis,
    ) -> Result<Option<Snapshot>, VodError> {
        let from = UnixMillis(at.0.saturating_sub(SNAPSHOT_MS));
        for dir in touching(&self.root, camera, from, UnixMillis(at.0.saturating_add(1)))?.into_iter().rev() {
            let index = self.cache.get(&dir)?;
            let Some(track) = index.track(stream) else { continue };
            let key = |f: &&Fragment| f.keyframe && index.at(track.ms(f.dts)) <= at;
            let Some(key) = track.fragments.iter().rev().find(key) else { continue };
            let taken = index.at(track.ms(key.dts));
            if taken < from {
                continue;
            }
            let config = &track.parts[key.part].config;
            let data = first_sample(&dir.join(part_name(track.info.id, track.parts[key.part].number)), key)?;
            let Some(annex_b) = annex_b(config, data) else { return Ok(None) };
            return Ok(Some(Snapshot { at: taken, codec: config.codec(), size: config.size(), annex_b }));
        }
        Ok(None)
    }
}

/// Each keyframe until the next, or until what follows is missing. The last one of a growing recording is left out.
fn keyframes(track: &Track, index: &Index) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::new();
    let mut end = 0;
    for (i, f) in track.fragments.iter().enumerate() {
        let missing = !out.is_empty() && vod::is_missing(track, &index.gaps, end, f.dts);
        if let Some(open) = out.last_mut().filter(|o| o.fragments.end == o.fragments.start) {
            // A range that is empty is still open.
            if missing || f.keyframe {
                open.to = if missing { end } else { f.dts };
                open.fragments.end = open.fragments.start + 1;
            }
        }
        if f.keyframe {
            let number = out.len() as u32;
            out.push(Segment { number, fragments: i..i, part: f.part, from: f.dts, to: f.end() });
        }
        end = f.end();
    }
    if out.last().is_some_and(|o| o.fragments.is_empty()) {
        match out.last_mut() {
            Some(open) if index.seal.is_some() => open.to = end,
            _ => _ = out.pop(),
        }
    }
    out
}

fn listed(index: &Index, track: &Track, piece: &Segment, pace: Pace) -> PlaybackSegment {
    let started_us = index.meta.started.0.saturating_mul(1000);
    let us = |ticks: u64| started_us.saturating_add((u128::from(ticks) * 1_000_000 / u128::from(track.hz())) as i64);
    let (from, part) = (us(piece.from), &track.parts[piece.part]);
    PlaybackSegment {
        recording: index.meta.id,
        track: track.info.id,
        part: part.number,
        name: format!("{}{}.m4s", if pace == Pace::Keyframes { "key-" } else { "" }, piece.number),
        from: UnixMillis(from.div_euclid(1000)),
        from_us: from.rem_euclid(1000),
        to_us: us(piece.to),
        config: part.config.clone(),
    }
}

fn first_sample(path: &Path, f: &Fragment) -> Result<Bytes, VodError> {
    let bytes = Bytes::from(read_range(path, f.offset, f.len).map_err(VodError::io(path))?);
    let damaged = || VodError::Damaged { path: path.into(), offset: f.offset };
    let info = scan::parse_fragment(&bytes).map_err(|_| damaged())?;
    let size = info.samples.first().map_or(0, |s| s.size) as usize;
    Ok(bytes.slice(info.data_offset..info.data_offset + size))
}

/// A sample as a byte stream, its parameter sets first; `None` if it is no picture of H.264 or H.265.
fn annex_b(config: &TrackConfig, sample: Bytes) -> Option<Bytes> {
    let sets: Vec<&Bytes> = match config {
        TrackConfig::Avc(c) => c.sps.iter().chain(&c.pps).collect(),
        TrackConfig::Hevc(c) => c.vps.iter().chain(&c.sps).chain(&c.pps).collect(),
        _ => return None,
    };
    let mut out = BytesMut::with_capacity(sample.len() + 256);
    for nal_unit in sets.into_iter().cloned().chain(lectern_fmp4::depay::nals(sample)) {
        out.put_slice(&[0, 0, 0, 1]);
        out.put_slice(&nal_unit);
    }
    Some(out.freeze())
}

/// Wall time of microseconds since 1970.
fn date(us: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(us.div_euclid(1000)).unwrap_or_default();
    at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ").to_string()
}
