//! What a recording holds: tracks with their parts and fragments, gaps, chapters, events.

use super::VodError;
use crate::{
    Entry, Line, RecordingMeta, Seal,
    chain::{self, ChainKind, ChainRecord},
    journal,
    recover::{read_or_empty, read_range},
    writer::{parse_part_name, part_name},
};
use lectern_fmp4::{TrackConfig, scan};
use lectern_media::{Codec, ParticipantId, TrackId, TrackInfo, TrackKind, TrackSource};
use lectern_protocol::{
    api::{Chapter, ClassEvent, GapCause, RecordedGap, RecordedTrack, RecordingStatus, TimelineEvent},
    ws::RoomRole,
};
use std::{collections::BTreeMap, path::Path};

/// Everything known of a recording.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// Its header.
    pub meta: RecordingMeta,
    /// Whether it grows.
    pub status: RecordingStatus,
    /// Its length in milliseconds.
    pub duration_ms: u64,
    /// Bytes of all parts.
    pub size_bytes: u64,
    /// Tracks in order of their start.
    pub tracks: Vec<Track>,
    /// What is missing, in order of time; adjoining entries of one cause are joined.
    pub gaps: Vec<RecordedGap>,
    /// Where the stage or the shared screen changed.
    pub chapters: Vec<Chapter>,
    /// What happened in class.
    pub events: Vec<TimelineEvent>,
}

/// Who published a track, as the journal tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// Their name.
    pub name: String,
    /// Whether they taught.
    pub teacher: bool,
}

/// One recorded track.
#[derive(Debug, Clone, PartialEq)]
pub struct Track {
    /// What it is.
    pub info: TrackInfo,
    /// Whose it is.
    pub role: Role,
    /// Whether it is over.
    pub ended: bool,
    /// Its parts, by number.
    pub parts: Vec<Part>,
    /// Its fragments, in order.
    pub fragments: Vec<Fragment>,
}

/// One file of a track.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// Its number: `<track>.<number>.cmf`.
    pub number: u32,
    /// What decodes it.
    pub config: TrackConfig,
    /// Length of its init segment in bytes.
    pub init_len: u64,
}

/// One fragment of a track.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fragment {
    /// Index into [`Track::parts`].
    pub part: usize,
    /// Where it begins in the file.
    pub offset: u64,
    /// Its length in bytes.
    pub len: u64,
    /// Decode time, in ticks.
    pub dts: u64,
    /// Length, in ticks.
    pub duration: u64,
    /// Begins with a keyframe.
    pub keyframe: bool,
}

impl Fragment {
    /// Where it ends, in ticks.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.dts + self.duration
    }
}

impl Track {
    /// Ticks per second.
    #[must_use]
    pub fn hz(&self) -> u32 {
        // AAC has that of its configuration.
        let rate = self.parts.last().map_or(self.info.codec.clock_rate(), |p| p.config.timescale());
        rate.hz()
    }

    /// Sound or picture.
    #[must_use]
    pub fn kind(&self) -> TrackKind {
        self.info.codec.kind()
    }

    /// Its first sample, in milliseconds.
    #[must_use]
    pub fn from_ms(&self) -> u64 {
        self.fragments.first().map_or(0, |f| self.ms(f.dts))
    }

    /// The end of its last sample, in milliseconds.
    #[must_use]
    pub fn to_ms(&self) -> u64 {
        self.fragments.last().map_or(0, |f| self.ms(f.end()))
    }

    pub(crate) fn ms(&self, ticks: u64) -> u64 {
        ticks.saturating_mul(1000) / u64::from(self.hz())
    }

    /// Largest width and height.
    #[must_use]
    pub fn size(&self) -> (u32, u32) {
        let sizes = || self.parts.iter().map(|p| p.config.size());
        (sizes().map(|s| s.0.into()).max().unwrap_or(0), sizes().map(|s| s.1.into()).max().unwrap_or(0))
    }

    /// Whether browsers play it from CMAF.
    #[must_use]
    pub fn plays_in_hls(&self) -> bool {
        matches!(self.info.codec, Codec::H264 | Codec::Opus) && !self.fragments.is_empty()
    }
}

/// The clock of each track that the journal names.
pub(crate) fn clock_rates(lines: &[(Line, u64, u64)]) -> BTreeMap<TrackId, u32> {
    let rate = |(l, ..): &(Line, u64, u64)| match &l.entry {
        Entry::Track { info, clock_hz } => Some((info.id, clock_hz.unwrap_or(info.codec.clock_rate().hz()).max(1))),
        _ => None,
    };
    lines.iter().filter_map(rate).collect()
}

impl Facts {
    pub(super) fn read(dir: &Path, meta: RecordingMeta, seal: Option<Seal>) -> Result<Self, VodError> {
        let read = |name: &str| {
            let path = dir.join(name);
            read_or_empty(&path).map_err(VodError::io(&path))
        };
        let (records, _) = chain::parse(&read(chain::FILE)?);
        let journal_bytes = read(journal::FILE)?;
        let (lines, _) = journal::parse(&journal_bytes);
        let roles = roles(&lines);
        let mut tracks: BTreeMap<TrackId, Track> = BTreeMap::new();
        for (line, ..) in &lines {
            match &line.entry {
                Entry::Track { info, .. } => {
                    let role = roles.get(&info.participant).cloned();
                    tracks.entry(info.id).or_insert_with(|| Track {
                        role: role.unwrap_or(Role { name: String::new(), teacher: false }),
                        info: info.clone(),
                        ended: seal.is_some(),
                        parts: Vec::new(),
                        fragments: Vec::new(),
                    });
                }
                Entry::TrackEnd { track } => {
                    if let Some(t) = tracks.get_mut(track) {
                        t.ended = true;
                    }
                }
                // After a stop every publisher has new tracks, unless the process went on; then the track gets a new part.
                Entry::Gap { track: None, cause: GapCause::Restart, .. } => {
                    tracks.values_mut().for_each(|t| t.ended = true)
                }
                _ => {}
            }
        }
        add_records(dir, &records, &mut tracks)?;
        let mut tracks: Vec<Track> = tracks.into_values().collect();
        tracks.sort_by_key(|t| (t.from_ms(), t.info.id));
        // Nobody is known to teach (a crash before the journal was written): then it is who published first.
        let first = tracks.iter().find(|t| !t.fragments.is_empty()).map(|t| t.info.participant);
        if !tracks.iter().any(|t| t.role.teacher) {
            tracks.iter_mut().filter(|t| Some(t.info.participant) == first).for_each(|t| t.role.teacher = true);
        }
        let recorded_ms = tracks.iter().map(Track::to_ms).max().unwrap_or(0);
        let happened_ms = lines.iter().map(|(l, ..)| l.at_ms.min(MS_MAX)).max().unwrap_or(0);
        Ok(Self {
            status: match &seal {
                None => RecordingStatus::Live,
                Some(s) if s.finished => RecordingStatus::Done,
                Some(_) => RecordingStatus::Partial,
            },
            duration_ms: seal.map_or(recorded_ms.max(happened_ms), |s| s.duration_ms.min(MS_MAX)),
            size_bytes: records
                .iter()
                .filter(|r| r.kind != ChainKind::Line)
                .fold(0, |sum: u64, r| sum.saturating_add(r.len)),
            gaps: gaps(&lines, SILENCE_JOIN_MS, MS_MAX),
            chapters: chapters(&lines),
            events: events(&lines),
            meta,
            tracks,
        })
    }

    /// The track with this id.
    #[must_use]
    pub fn track(&self, id: TrackId) -> Option<&Track> {
        self.tracks.iter().find(|t| t.info.id == id)
    }

    /// The tracks as the HTTP API tells of them, with paths under `/vod/{recording}/`.
    #[must_use]
    pub fn recorded_tracks(&self) -> Vec<RecordedTrack> {
        let of = |t: &Track| {
            let (rec, id) = (self.meta.id, t.info.id);
            let (width, height) = t.size();
            RecordedTrack {
                track: id,
                name: t.role.name.clone(),
                teacher: t.role.teacher,
                source: t.info.source,
                // As the file that it is played from calls it: WebM knows no longer name.
                codec: match t.parts.last() {
                    Some(Part { config: TrackConfig::Vp8(_), .. }) => "vp8".into(),
                    part => part.map_or_else(String::new, |p| p.config.rfc6381()),
                },
                from_ms: t.from_ms(),
                to_ms: t.to_ms(),
                playlist: t.plays_in_hls().then(|| format!("/vod/{rec}/{id}/index.m3u8")),
                webm: (t.info.codec == Codec::Vp8).then(|| format!("/vod/{rec}/{id}.webm")),
                width,
                height,
            }
        };
        self.tracks.iter().filter(|t| !t.fragments.is_empty()).map(of).collect()
    }

    pub(crate) fn file(&self, dir: &Path, track: &Track, part: usize) -> std::path::PathBuf {
        dir.join(part_name(track.info.id, track.parts[part].number))
    }
}

/// Entries of a muted microphone, or of losses that one picture parts, are one to whoever watches a lesson.
const SILENCE_JOIN_MS: u64 = 40;
/// No lesson is longer, and no media of a camera's recording: what is listed beyond is damage. Everything that is computed from
/// times within fits 64 bits, and everything that is made for each second of them fits memory.
const MS_MAX: u64 = 8 * 24 * 3_600_000;
/// A camera may be missing for longer: its last recording lists all of it until the camera is back, weeks over a holiday, years in a
/// store-room. Nothing is made for each second of that.
pub(crate) const CAMERA_GAP_MS_MAX: u64 = 3_660 * 24 * 3_600_000;
/// No file of a recording is longer.
const BYTES_MAX: u64 = 1 << 50;

/// Whether a fragment's record can stand behind `last` (invariant 6). Whoever damaged the chain, readers go on.
fn follows(r: &ChainRecord, hz: u32, last: Option<&Fragment>) -> bool {
    let end = r.time.saturating_add(r.duration);
    end <= MS_MAX / 1000 * u64::from(hz) && r.end() <= BYTES_MAX && last.is_none_or(|last| r.time >= last.end())
}

/// Adds what records of the chain tell to the tracks that the journal names.
pub(crate) fn add_records(
    dir: &Path,
    records: &[ChainRecord],
    tracks: &mut BTreeMap<TrackId, Track>,
) -> Result<(), VodError> {
    for r in records {
        let Some((id, number)) = parse_part_name(&r.file) else { continue };
        let Some(track) = tracks.get_mut(&id) else { continue };
        match r.kind {
            ChainKind::Init => {
                let path = dir.join(&r.file);
                let bytes = read_range(&path, 0, r.len).map_err(VodError::io(&path))?;
                let (config, _) = scan::parse_init(&bytes).map_err(|_| VodError::Damaged { path, offset: 0 })?;
                track.parts.push(Part { number, config, init_len: r.len });
            }
            ChainKind::Frag => {
                if !follows(r, track.hz(), track.fragments.last()) {
                    tracing::warn!(dir = %dir.display(), file = r.file, offset = r.offset, "a record is left out: damaged");
                    continue;
                }
                let Some(part) = track.parts.iter().rposition(|p| p.number == number) else { continue };
                let (offset, len, dts, duration, keyframe) = (r.offset, r.len, r.time, r.duration, r.keyframe);
                track.fragments.push(Fragment { part, offset, len, dts, duration, keyframe });
            }
            ChainKind::Line | ChainKind::Raw => {}
        }
    }
    Ok(())
}

/// Names and roles of everyone who joined.
fn roles(lines: &[(Line, u64, u64)]) -> BTreeMap<ParticipantId, Role> {
    let role = |(l, ..): &(Line, u64, u64)| match &l.entry {
        Entry::Event { event: ClassEvent::Joined { participant, name, role } } => {
            Some((*participant, Role { name: name.clone(), teacher: *role == RoomRole::Teacher }))
        }
        _ => None,
    };
    lines.iter().filter_map(role).collect()
}

fn events(lines: &[(Line, u64, u64)]) -> Vec<TimelineEvent> {
    let mut out: Vec<TimelineEvent> = lines
        .iter()
        .filter_map(|(l, ..)| match &l.entry {
            Entry::Event { event } => Some(TimelineEvent { at_ms: l.at_ms.min(MS_MAX), event: event.clone() }),
            _ => None,
        })
        .collect();
    out.sort_by_key(|e| e.at_ms);
    out
}

/// Gaps in order of time; those that are written bit by bit are joined, and such as are no more than `join_ms` apart. One that is
/// said to end after `most_ms` ends there.
pub(crate) fn gaps(lines: &[(Line, u64, u64)], join_ms: u64, most_ms: u64) -> Vec<RecordedGap> {
    let mut all: Vec<RecordedGap> = lines
        .iter()
        .filter_map(|(l, ..)| match l.entry {
            Entry::Gap { track, from_ms, to_ms, cause, .. } if from_ms < to_ms.min(most_ms) => {
                Some(RecordedGap { track, from_ms, to_ms: to_ms.min(most_ms), cause })
            }
            _ => None,
        })
        .collect();
    all.sort_by_key(|g| (g.track, g.from_ms));
    let mut out: Vec<RecordedGap> = Vec::new();
    for gap in all {
        match out.last_mut() {
            Some(last) if (last.track, last.cause) == (gap.track, gap.cause) && gap.from_ms <= last.to_ms + join_ms => {
                last.to_ms = last.to_ms.max(gap.to_ms);
            }
            _ => out.push(gap),
        }
    }
    out.sort_by_key(|g| g.from_ms);
    out
}

/// The start, and where the stage or the shared screen changed.
fn chapters(lines: &[(Line, u64, u64)]) -> Vec<Chapter> {
    let chapter = |at_ms: u64, kind: &str, name: &str| Chapter { at_ms, kind: kind.into(), name: name.into() };
    let mut out = vec![chapter(0, "start", "")];
    for event in events(lines) {
        let at = event.at_ms;
        match event.event {
            ClassEvent::Screen { name, on, .. } => {
                out.push(chapter(at, if on { "screen_on" } else { "screen_off" }, &name));
            }
            ClassEvent::Stage { name, on, .. } => {
                out.push(chapter(at, if on { "stage_on" } else { "stage_off" }, &name))
            }
            _ => {}
        }
    }
    out
}

/// Sources in the order in which a teacher's main picture is chosen.
pub(super) const PICTURES: [TrackSource; 2] = [TrackSource::Camera, TrackSource::Screen];

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 86_400_000;

    fn gap(track: TrackId, from_ms: u64, to_ms: u64, cause: GapCause) -> (Line, u64, u64) {
        (Line { at_ms: from_ms, entry: Entry::Gap { track: Some(track), from_ms, to_ms, cause, packets: None } }, 0, 0)
    }

    #[test]
    fn a_gap_of_weeks_is_listed_and_one_of_ages_ends_somewhere() {
        let (a, b) = (TrackId::generate(), TrackId::generate());
        let (restart, silent) = (GapCause::Restart, GapCause::CameraSilent);
        let lines = [
            gap(a, 1000, 40 * DAY, restart),
            gap(b, 5, u64::MAX, silent),
            gap(b, u64::MAX - 1, u64::MAX, silent),
            gap(a, 9, 9, silent),
            gap(a, u64::MAX, 0, silent),
        ];
        let found = |most| gaps(&lines, 40, most).iter().map(|g| (g.from_ms, g.to_ms, g.cause)).collect::<Vec<_>>();
        assert_eq!(found(CAMERA_GAP_MS_MAX), [(5, CAMERA_GAP_MS_MAX, silent), (1000, 40 * DAY, restart)]);
        assert_eq!(found(MS_MAX), [(5, MS_MAX, silent), (1000, MS_MAX, restart)]);
    }
}
