//! Cutting a track, or a line of tracks, into segments: what a media playlist lists.
//!
//! A *line* is one source through the whole lesson: the teacher's camera is several tracks if the page was reloaded or the
//! server restarted. Segment numbers of a track never change while it grows.

use super::{
    Recording, VodError,
    facts::{Fragment, Track},
};
use crate::recover::read_range;
use bytes::Bytes;
use lectern_fmp4::{
    Sample,
    config::opus::{SILENCE, SILENCE_TICKS},
    fragment::fragment,
    scan,
};
use lectern_media::{TrackId, TrackKind, TrackSource};
use lectern_protocol::api::{GapCause, RecordedGap, RecordingStatus};
use std::{fmt, path::PathBuf, str::FromStr};

/// Segments are cut at the first keyframe after this long.
const SEGMENT_MS: u64 = 3_800;
/// What is missing for less than this is a picture standing still; from this on it is an EXT-X-GAP.
pub(super) const GAP_MS: u64 = 2_000;

/// A picture stands still in pieces of this length.
const HOLD_US: u64 = 4_000_000;
/// Less than this at the end of a line is not worth an entry.
const TAIL_US_MIN: u64 = 100_000;

/// A source through the whole lesson, by the first publisher who teaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LineSource(pub TrackSource);

/// What a media playlist is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Name {
    /// One track.
    Track(TrackId),
    /// The teacher's line of this source: `teacher-camera`, `teacher-screen`, `teacher-microphone`, `teacher-screen-audio`.
    Teacher(LineSource),
}

const LINES: [(&str, TrackSource); 4] = [
    ("teacher-camera", TrackSource::Camera),
    ("teacher-screen", TrackSource::Screen),
    ("teacher-microphone", TrackSource::Microphone),
    ("teacher-screen-audio", TrackSource::ScreenAudio),
];

impl FromStr for Name {
    type Err = VodError;
    fn from_str(s: &str) -> Result<Self, VodError> {
        match LINES.iter().find(|(name, _)| *name == s) {
            Some((_, source)) => Ok(Self::Teacher(LineSource(*source))),
            None => s.parse().map(Self::Track).map_err(|_| VodError::NotFound(format!("track {s:?}"))),
        }
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Track(id) => id.fmt(f),
            Self::Teacher(LineSource(source)) => {
                f.write_str(LINES.iter().find(|(_, s)| s == source).map_or("teacher", |(name, _)| name))
            }
        }
    }
}

/// Consecutive fragments of one part, from a keyframe to the next one after about four seconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// Its number within the track: `/vod/{recording}/{track}/{number}.m4s`.
    pub number: u32,
    /// Which fragments of the track.
    pub fragments: std::ops::Range<usize>,
    /// Index of the part.
    pub part: usize,
    /// Where it begins, in ticks.
    pub from: u64,
    /// Where it ends (its last picture lasts until the next segment if nothing is missing between), in ticks.
    pub to: u64,
}

/// Which picture stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Still {
    /// The first: before the track began.
    First,
    /// The last keyframe: after it ended.
    Last,
}

/// What a playlist lists.
#[derive(Debug, Clone, PartialEq)]
pub enum Item<'a> {
    /// A picture standing still, or silence, at either end of a line. hls.js 1.7 never starts on a playlist that begins with a
    /// gap, hls.js and Shaka 5.2 never end on one that ends with a gap, and Shaka cuts the lesson to the shortest line.
    Hold {
        /// The track.
        track: &'a Track,
        /// Which of its keyframes.
        still: Still,
        /// Where it begins, in microseconds.
        from_us: u64,
        /// Length in microseconds.
        us: u64,
    },
    /// Nothing was recorded, for so many microseconds.
    Gap {
        /// Length in microseconds.
        us: u64,
    },
    /// A segment of this track.
    Segment {
        /// The track.
        track: &'a Track,
        /// The segment.
        segment: Segment,
        /// Where it begins, in microseconds.
        from_us: u64,
        /// Its length in microseconds.
        us: u64,
    },
}

impl Recording {
    /// Cuts a track into segments. The last one of a growing track is left out until the next has begun.
    #[must_use]
    pub fn segments(&self, track: &Track) -> Vec<Segment> {
        let growing = self.facts.status == RecordingStatus::Live && !track.ended;
        cut(track, &self.facts.gaps, growing)
    }

    /// The tracks behind a name, in order of time.
    ///
    /// # Errors
    /// [`VodError::NotFound`] if there is none with anything in it.
    pub fn line(&self, name: Name) -> Result<Vec<&Track>, VodError> {
        let tracks: Vec<&Track> = match name {
            Name::Track(id) => self.facts.track(id).into_iter().collect(),
            Name::Teacher(LineSource(source)) => {
                self.facts.tracks.iter().filter(|t| t.role.teacher && t.info.source == source).collect()
            }
        };
        let tracks: Vec<&Track> = tracks.into_iter().filter(|t| !t.fragments.is_empty()).collect();
        if tracks.is_empty() { Err(VodError::NotFound(format!("track {name}"))) } else { Ok(tracks) }
    }

    /// Everything a playlist of this line lists, from the start of the recording on, without a hole in time.
    ///
    /// # Errors
    /// [`VodError::NotFound`].
    pub fn items(&self, name: Name) -> Result<Vec<Item<'_>>, VodError> {
        let mut out = Vec::new();
        let mut at_us = 0;
        let mut begun = false;
        for track in self.line(name)?.into_iter().filter(|t| t.plays_in_hls()) {
            let us = |ticks: u64| (u128::from(ticks) * 1_000_000 / u128::from(track.hz())) as u64;
            for segment in self.segments(track) {
                let (from, to) = (us(segment.from), us(segment.to));
                while !begun && at_us < from {
                    let us = (from - at_us).min(HOLD_US);
                    out.push(Item::Hold { track, still: Still::First, from_us: at_us, us });
                    at_us += us;
                }
                begun = true;
                if from > at_us {
                    out.push(Item::Gap { us: from - at_us });
                }
                // Tracks of a line may overlap for a moment; time never goes back.
                let from_us = from.max(at_us);
                if to <= from_us {
                    continue;
                }
                out.push(Item::Segment { track, segment, from_us, us: to - from_us });
                at_us = to;
            }
        }
        if out.is_empty() {
            return Err(VodError::NotFound(format!("playable media in {name}")));
        }
        let end_us = if self.facts.status == RecordingStatus::Live { 0 } else { self.end_us() };
        if let Some(Item::Segment { track, .. }) = out.last().cloned() {
            while end_us > at_us + TAIL_US_MIN {
                let us = (end_us - at_us).min(HOLD_US);
                out.push(Item::Hold { track, still: Still::Last, from_us: at_us, us });
                at_us += us;
            }
        }
        Ok(out)
    }

    /// Where the last playable track ends, in microseconds.
    fn end_us(&self) -> u64 {
        let playable = self.facts.tracks.iter().filter(|t| t.plays_in_hls());
        let end = |t: &Track| t.fragments.last().map_or(0, |f| u128::from(f.end()) * 1_000_000 / u128::from(t.hz()));
        playable.map(end).max().unwrap_or(0) as u64
    }

    /// The bytes of one segment. A picture that stands still before the next fragment is made to last until then.
    ///
    /// # Errors
    /// [`VodError`].
    pub fn segment(&self, id: TrackId, number: u32) -> Result<Bytes, VodError> {
        let not_found = || VodError::NotFound(format!("segment {number} of track {id}"));
        let track = self.facts.track(id).ok_or_else(not_found)?;
        let segment = self.segments(track).into_iter().find(|s| s.number == number).ok_or_else(not_found)?;
        segment_bytes(self.facts.file(&self.dir, track, segment.part), track, &segment)
    }

    /// What stands in where the track is not ([`Item::Hold`]): one of its keyframes, or silence.
    ///
    /// # Errors
    /// [`VodError`].
    pub fn hold(&self, id: TrackId, still: Still, from_us: u64, us: u64) -> Result<Bytes, VodError> {
        let not_found = || VodError::NotFound(format!("stand-in of track {id}"));
        let track = self.facts.track(id).ok_or_else(not_found)?;
        if us > HOLD_US || from_us > self.end_us() {
            return Err(not_found());
        }
        let at = |us: u64| (u128::from(us) * u128::from(track.hz()) / 1_000_000) as u64;
        let (dts, ticks) = (at(from_us), (at(from_us + us) - at(from_us)).max(1) as u32);
        let samples = match track.kind() {
            TrackKind::Audio => {
                let packet = Sample {
                    duration: SILENCE_TICKS,
                    keyframe: true,
                    composition: 0,
                    data: Bytes::from_static(SILENCE),
                };
                let mut all = vec![packet; (ticks / SILENCE_TICKS).max(1) as usize];
                // The last one is stretched to the end.
                if let Some(last) = all.last_mut() {
                    last.duration = ticks - (ticks / SILENCE_TICKS).saturating_sub(1) * SILENCE_TICKS;
                }
                all
            }
            TrackKind::Video => {
                let mut keys = track.fragments.iter().filter(|f| f.keyframe);
                let key = if still == Still::First { keys.next() } else { keys.next_back() }.ok_or_else(not_found)?;
                let path = self.facts.file(&self.dir, track, key.part);
                let bytes = Bytes::from(read_range(&path, key.offset, key.len).map_err(VodError::io(&path))?);
                let info = scan::parse_fragment(&bytes).map_err(|_| VodError::Damaged { path, offset: key.offset })?;
                let size = info.samples.first().map_or(0, |s| s.size) as usize;
                let data = bytes.slice(info.data_offset..info.data_offset + size);
                vec![Sample { duration: ticks, keyframe: true, composition: 0, data }]
            }
        };
        Ok(fragment(0, dts, &samples).into())
    }

    /// A file below `/vod/{recording}/{track}/` by its name, as playlists write it: `init-0.mp4`, `12.m4s`, `first-0-3080000.m4s`.
    ///
    /// # Errors
    /// [`VodError`].
    pub fn file(&self, id: TrackId, name: &str) -> Result<Bytes, VodError> {
        let not_found = || VodError::NotFound(format!("file {name:?}"));
        if let Some(number) = name.strip_prefix("init-").and_then(|n| n.strip_suffix(".mp4")) {
            return self.init(id, number.parse().map_err(|_| not_found())?);
        }
        let stem = name.strip_suffix(".m4s").ok_or_else(not_found)?;
        let still = [("first-", Still::First), ("last-", Still::Last)];
        match still.iter().find_map(|(prefix, still)| Some((stem.strip_prefix(prefix)?, *still))) {
            Some((span, still)) => {
                let (from, us) = span.split_once('-').ok_or_else(not_found)?;
                let number = |s: &str| s.parse().map_err(|_| not_found());
                self.hold(id, still, number(from)?, number(us)?)
            }
            None => self.segment(id, stem.parse().map_err(|_| not_found())?),
        }
    }

    /// The init segment of one part.
    ///
    /// # Errors
    /// [`VodError`].
    pub fn init(&self, id: TrackId, number: u32) -> Result<Bytes, VodError> {
        let not_found = || VodError::NotFound(format!("part {number} of track {id}"));
        let track = self.facts.track(id).ok_or_else(not_found)?;
        let part = track.parts.iter().position(|p| p.number == number).ok_or_else(not_found)?;
        let path = self.facts.file(&self.dir, track, part);
        read_range(&path, 0, track.parts[part].init_len).map(Bytes::from).map_err(VodError::io(&path))
    }
}

fn begin(number: u32, i: usize, f: &Fragment) -> Segment {
    Segment { number, fragments: i..i + 1, part: f.part, from: f.dts, to: f.end() }
}

/// Cuts a track into segments; the last one of a growing track is left out.
pub(crate) fn cut(track: &Track, gaps: &[RecordedGap], growing: bool) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::new();
    let min = u64::from(track.hz()) * SEGMENT_MS / 1000;
    for (i, f) in track.fragments.iter().enumerate() {
        let Some(open) = out.last_mut() else {
            if f.keyframe {
                out.push(begin(0, i, f));
            }
            continue;
        };
        let missing = is_missing(track, gaps, open.to, f.dts);
        let due = f.dts - open.from >= min || f.part != open.part || missing;
        if due && f.keyframe {
            if !missing {
                open.to = f.dts;
            }
            let number = open.number + 1;
            out.push(begin(number, i, f));
        } else {
            open.fragments.end = i + 1;
            open.to = f.end();
        }
    }
    if growing {
        out.pop();
    }
    out
}

/// Whether so much is missing between these ticks that it must not be shown as a picture standing still.
pub(crate) fn is_missing(track: &Track, gaps: &[RecordedGap], from: u64, to: u64) -> bool {
    let (from_ms, to_ms) = (track.ms(from), track.ms(to));
    if to_ms.saturating_sub(from_ms) < GAP_MS {
        return false;
    }
    gaps.iter().any(|g| {
        g.cause != GapCause::Muted
            && g.track.is_none_or(|t| t == track.info.id)
            && g.from_ms < to_ms
            && g.to_ms > from_ms
    })
}

/// The bytes of one segment, whose part is at `path`. A picture that stands still before the next fragment is made to last until then.
pub(crate) fn segment_bytes(path: PathBuf, track: &Track, segment: &Segment) -> Result<Bytes, VodError> {
    let fragments = &track.fragments[segment.fragments.clone()];
    let (Some(first), Some(last)) = (fragments.first(), fragments.last()) else {
        return Err(VodError::NotFound("segment".into()));
    };
    let len = last.offset + last.len - first.offset;
    let bytes = read_range(&path, first.offset, len).map_err(VodError::io(&path))?;
    if bytes.len() as u64 != len {
        return Err(VodError::Damaged { path, offset: first.offset + bytes.len() as u64 });
    }
    let mut out = Vec::with_capacity(bytes.len());
    for (i, f) in fragments.iter().enumerate() {
        let at = (f.offset - first.offset) as usize;
        let own = &bytes[at..at + f.len as usize];
        let until = fragments.get(i + 1).map_or(segment.to, |next| next.dts);
        let extra = until.saturating_sub(f.end());
        if extra == 0 || track.kind() == TrackKind::Audio {
            out.extend_from_slice(own);
            continue;
        }
        let damaged = |_| VodError::Damaged { path: path.clone(), offset: f.offset };
        let info = scan::parse_fragment(own).map_err(damaged)?;
        let last = info.samples.last().map_or(0, |s| s.duration);
        let longer = u32::try_from(u64::from(last) + extra).unwrap_or(u32::MAX);
        out.extend(scan::extend_last_sample(own, longer).map_err(damaged)?);
        out.extend_from_slice(&own[info.data_offset..]);
    }
    Ok(out.into())
}
