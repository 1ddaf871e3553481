//! How a camera's recording is opened (*come back*), and how it ends.

use super::{
    CameraRecording, Previous,
    coverage::Coverage,
    engine::Shared,
    hour::{Hour, hour_dir},
    lane::CameraRecordingState,
    meta::{camera_recording_dir, parse_dir_name},
    session::Session,
};
use crate::{
    Entry, Header, Line, Seal,
    recover::{self, file_names},
    scan,
    writer::Standing,
};
use lectern_media::{CameraId, RecordingId, TrackId, TrackInfo, UnixMillis};
use lectern_protocol::api::GapCause;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Path, PathBuf},
};

/// Less at the end of a stream is not worth an entry.
const END_MS: u64 = 500;
/// A recording that ends no further ahead than this is gone on with: the last picture's length is a guess, and a clock is put right
/// by a little now and then. Further ahead, the clock was set back.
const AHEAD_MS: u64 = 2000;

/// Whether a name is that of a recording's directory.
pub(crate) fn is_recording_dir(dir: &Path) -> bool {
    dir.file_name().and_then(|n| n.to_str()).is_some_and(|n| parse_dir_name(n).is_some())
}

/// The days under `root` on which the camera has something, newest first.
pub(super) fn days_of(root: &Path, camera: CameraId) -> io::Result<Vec<PathBuf>> {
    let mut days: Vec<PathBuf> = scan::sorted_dirs(root)?;
    days.reverse();
    let of_camera = |day: PathBuf| Some(day.join(camera.to_string())).filter(|d| d.is_dir());
    Ok(days.into_iter().filter_map(of_camera).collect())
}

/// The recordings in a camera's day, oldest first.
pub(super) fn recordings_in(day: &Path) -> io::Result<Vec<(RecordingId, PathBuf)>> {
    let names = match file_names(day) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other?,
    };
    let mut out: Vec<_> = names.iter().filter_map(|n| Some((parse_dir_name(n)?, day.join(n)))).collect();
    out.sort();
    Ok(out)
}

/// When the camera's next recording after a moment begins.
pub(crate) fn next_start(root: &Path, camera: CameraId, after: UnixMillis) -> io::Result<Option<UnixMillis>> {
    let first = crate::day_of(after);
    for day in scan::sorted_dirs(root)? {
        if day.file_name().and_then(|n| n.to_str()).is_none_or(|n| n < first.as_str()) {
            continue;
        }
        let found = recordings_in(&day.join(camera.to_string()))?;
        let starts = found.into_iter().map(|(id, _)| UnixMillis(id.0.timestamp_ms() as i64));
        if let Some(next) = starts.into_iter().find(|s| *s > after) {
            return Ok(Some(next));
        }
    }
    Ok(None)
}

/// Recordings that began before now and are looked at for one that nothing follows.
const LOOK_BACK: usize = 48;

/// The camera's last recording, if it is sealed: the newest one that no other names. Those that lie after now count only if nothing else
/// is left: they were made by a clock that was ahead.
fn newest_sealed(root: &Path, camera: CameraId, now: UnixMillis) -> io::Result<Option<Previous>> {
    let (mut dirs, mut past) = (Vec::new(), 0);
    'all: for day in days_of(root, camera)? {
        for (recording, dir) in recordings_in(&day)?.into_iter().rev() {
            let ahead = recording.0.timestamp_ms() as i64 > now.0;
            past += usize::from(!ahead);
            if past > LOOK_BACK {
                break 'all;
            }
            dirs.push((ahead, recording, dir));
        }
    }
    let previous = |dir: &Path| Some(Header::<CameraRecording>::read(dir).ok()?.0.meta.previous?.recording);
    let named: BTreeSet<RecordingId> = dirs.iter().filter_map(|(.., dir)| previous(dir)).collect();
    // Each newest first.
    dirs.sort_by_key(|(ahead, recording, _)| (named.contains(recording), *ahead));
    let sealed = dirs.iter().find_map(|(_, recording, dir)| {
        let Seal { records, head, .. } = Seal::read(dir).ok()??;
        Some(Previous { recording: *recording, records, head })
    });
    Ok(sealed)
}

/// The streams that a recording that was not closed still had.
struct Stream {
    info: TrackInfo,
    hz: u32,
    /// Up to where it is recorded or entered, in milliseconds of the recording.
    covered_ms: u64,
    end: Option<u64>,
}

fn streams(at: &Standing<CameraRecording>) -> BTreeMap<TrackId, Stream> {
    let mut out = BTreeMap::new();
    for Line { at_ms, entry } in &at.lines {
        match entry {
            Entry::Track { info, clock_hz } => {
                let hz = clock_hz.unwrap_or(info.codec.clock_rate().hz()).max(1);
                let end = at.track_ends.get(&info.id).copied();
                let covered_ms = end.map_or(*at_ms, |e| e.saturating_mul(1000) / u64::from(hz));
                out.insert(info.id, Stream { info: info.clone(), hz, covered_ms, end });
            }
            Entry::TrackEnd { track } => _ = out.remove(track),
            _ => {}
        }
    }
    for Line { entry, .. } in &at.lines {
        if let Entry::Gap { track: Some(track), to_ms, .. } = entry
            && let Some(s) = out.get_mut(track)
        {
            s.covered_ms = s.covered_ms.max(*to_ms);
        }
    }
    out
}

/// The streams of a recording that had not rolled into the one after it when that stopped, as they stand there: nothing after is theirs.
fn unrolled(before: &Standing<CameraRecording>, at: &Standing<CameraRecording>) -> Vec<Stream> {
    let told = |id: TrackId| at.lines.iter().any(|l| matches!(&l.entry, Entry::Track { info, .. } if info.id == id));
    let began = before.meta.started.0;
    let stands = |s: Stream| {
        // It went on beyond the border while it waited for a keyframe.
        let covered_ms = began.saturating_add_unsigned(s.covered_ms).saturating_sub(at.meta.started.0).max(0) as u64;
        Stream { covered_ms, end: None, ..s }
    };
    streams(before).into_iter().filter(|(id, _)| !told(*id)).map(|(_, s)| stands(s)).collect()
}

/// Up to where a recording holds or lists something.
fn recorded_to(at: &Standing<CameraRecording>) -> UnixMillis {
    let entered = streams(at).values().map(|s| s.covered_ms).max().unwrap_or(0);
    UnixMillis(at.meta.started.0.saturating_add_unsigned(at.end_ms.max(entered)))
}

/// Whether a recording was made by a clock that was ahead of this one: then nothing can be placed behind what it holds.
fn lies_ahead(at: &Standing<CameraRecording>, now: UnixMillis) -> bool {
    recorded_to(at).0 > now.0.saturating_add_unsigned(AHEAD_MS)
}

impl Session {
    /// Whether [`Session::tick`] would open what failed, or never was opened.
    pub(super) fn must_open(&self, now: UnixMillis) -> bool {
        self.hours.is_empty() && now.since(self.last_try) >= self.limits.recording.retry
    }

    /// Opens the recording that the camera goes on in: the unfinished one of this hour, or a new one. Everything else that was left
    /// unfinished is closed; the time in which nothing was recorded is missing by `cause`.
    pub(super) fn open(&mut self, now: UnixMillis, cause: GapCause) -> io::Result<()> {
        let mut left: Vec<Standing<CameraRecording>> = Vec::new();
        for dir in self.dirs.clone() {
            let sealed = Seal::read(&dir).map_err(|e| io::Error::other(e.to_string()))?.is_some();
            if sealed || !dir.exists() || scan::is_stillborn(&dir) {
                continue;
            }
            let synced = self.synced.get(&dir).copied();
            let (standing, did) =
                recover::recover_after(&*self.storage, &dir, synced).map_err(|e| io::Error::other(e.to_string()))?;
            for damage in &did.damage {
                tracing::error!(dir = %dir.display(), damage, "recording is damaged");
            }
            left.push(standing);
        }
        left.sort_by_key(|s| s.meta.id);
        self.tell_unrolled(&mut left, now)?;
        let newest = left.pop();
        let mut starts: Vec<UnixMillis> = left.iter().chain(&newest).map(|s| s.meta.started).collect();
        if !starts.is_empty() {
            starts.remove(0);
        }
        for (standing, next) in left.into_iter().zip(starts) {
            // One that gave way ends where the next one begins.
            let until = standing.meta.until;
            let to = if next > standing.meta.started { until.min(next) } else { until };
            self.close(standing, to, now, cause)?;
        }
        let hour = match newest {
            Some(standing)
                if now < standing.meta.until
                    && !lies_ahead(&standing, now)
                    && standing.meta.camera.tells_of(&self.meta) =>
            {
                self.go_on(standing, now, cause)?
            }
            Some(over) => {
                let (streams, to) = (streams(&over), now.max(recorded_to(&over)));
                let previous = self.close(over, to, now, cause)?;
                self.begin(streams, Some(previous), now, cause)?
            }
            None => {
                let previous = newest_sealed(&self.root, self.meta.camera, now)?;
                self.begin(BTreeMap::new(), previous, now, cause)?
            }
        };
        self.dirs = vec![hour_dir(&hour)];
        self.synced.clear();
        self.hours.clear();
        self.hours.push_back(hour);
        self.status.bytes = self.hours.back().map_or(0, Hour::bytes);
        for id in self.lanes.keys().copied().collect::<Vec<_>>() {
            self.open_track(id);
        }
        Ok(())
    }

    /// Announces streams in each recording that was left into which they had not rolled, before the one that they are in is sealed: if
    /// coming back is stopped in between, nobody looks into that one again.
    fn tell_unrolled(&self, left: &mut Vec<Standing<CameraRecording>>, now: UnixMillis) -> io::Result<()> {
        for n in 1..left.len() {
            let unrolled = unrolled(&left[n - 1], &left[n]);
            if unrolled.is_empty() {
                continue;
            }
            let at = left.remove(n);
            let epoch = at.meta.started;
            let mut hour = Hour::resume(&self.storage, at, epoch, &self.limits, &self.signer)?;
            for s in unrolled {
                hour.announce(&s.info, s.hz, s.covered_ms)?;
            }
            let dir = hour_dir(&hour);
            let writer = hour.writer();
            writer.sync_media()?;
            writer.append_chain(Some((&self.signer, now)))?;
            writer.sync_chain()?;
            drop(hour);
            let again = recover::recover(&*self.storage, &dir).map_err(|e| io::Error::other(e.to_string()))?;
            left.insert(n, again.0);
        }
        Ok(())
    }

    /// Closes a recording that was interrupted: what is missing up to `to` is entered, then it is sealed. Returns what the one after it
    /// names.
    fn close(
        &mut self,
        at: Standing<CameraRecording>,
        to: UnixMillis,
        now: UnixMillis,
        cause: GapCause,
    ) -> io::Result<Previous> {
        let (streams, epoch, recording) = (streams(&at), at.meta.started, at.meta.id);
        let previous = at.meta.previous.clone();
        let told = tells_previous(&at.lines);
        let mut hour = Hour::resume(&self.storage, at, epoch, &self.limits, &self.signer)?;
        self.tell_previous(&mut hour, previous, told, 0)?;
        let to_ms = to.since(epoch).as_millis() as u64;
        for (track, s) in streams {
            if s.covered_ms + END_MS < to_ms {
                let gap = Entry::Gap { track: Some(track), from_ms: s.covered_ms, to_ms, cause, packets: None };
                hour.line(to_ms, gap)?;
            }
        }
        hour.line(to_ms, Entry::Resumed {})?;
        let (Seal { records, head, .. }, _) = hour.seal(false, now, &self.signer)?;
        Ok(Previous { recording, records, head })
    }

    /// *Resumes* the recording of this hour.
    fn go_on(&mut self, at: Standing<CameraRecording>, now: UnixMillis, cause: GapCause) -> io::Result<Hour> {
        let streams = streams(&at);
        let (previous, told) = (at.meta.previous.clone(), tells_previous(&at.lines));
        self.epoch = at.meta.started;
        let mut hour = Hour::resume(&self.storage, at, self.epoch, &self.limits, &self.signer)?;
        let now_ms = self.ms(now);
        self.tell_previous(&mut hour, previous, told, now_ms)?;
        hour.line(now_ms, Entry::Resumed {})?;
        for lane in self.lanes.values_mut() {
            lane.coverage = Coverage::new(now_ms, cause);
        }
        for (id, s) in streams {
            // The announcement is repeated, for the recorder's key may be another one; the file is a new part in any case. It stands where
            // the stream is missing from: if it stops again before that is entered, nothing else tells.
            hour.announce(&s.info, s.hz, s.covered_ms.min(now_ms))?;
            self.stand(id, s.info, s.end.map(|e| (e, s.hz)), s.covered_ms, cause);
        }
        Ok(hour)
    }

    /// Begins a new recording after `previous`.
    fn begin(
        &mut self,
        streams: BTreeMap<TrackId, Stream>,
        previous: Option<Previous>,
        now: UnixMillis,
        cause: GapCause,
    ) -> io::Result<Hour> {
        self.epoch = now;
        if let Some(previous) = &previous {
            // Its seal may be there only until a power cut, if what was to sync it failed.
            self.storage.sync_dir(&camera_recording_dir(&self.root, self.meta.camera, previous.recording))?;
        }
        let mut hour = self.create(now, previous.clone())?;
        if let Some(Previous { recording, records, head }) = previous {
            hour.line(0, Entry::Previous { recording, records, head })?;
        }
        for lane in self.lanes.values_mut() {
            lane.coverage = Coverage::new(0, cause);
            lane.set_end(None);
        }
        for (id, s) in streams {
            hour.announce(&s.info, s.hz, 0)?;
            self.stand(id, s.info, None, 0, cause);
        }
        Ok(hour)
    }

    /// Creates the recording that begins at `started`. Its directory is known from then on, even if that fails half-way.
    pub(super) fn create(&mut self, started: UnixMillis, previous: Option<Previous>) -> io::Result<Hour> {
        let header = Hour::header(&self.meta, started, previous, &self.limits);
        let dir = camera_recording_dir(&self.root, self.meta.camera, header.id);
        self.dirs.push(dir.clone());
        Hour::create(&self.storage, (&self.root, dir), header, self.epoch, &self.limits, &self.signer)
    }

    /// Enters how the recording before ended, if that is known and not entered yet.
    fn tell_previous(&self, hour: &mut Hour, named: Option<Previous>, told: bool, at_ms: u64) -> io::Result<()> {
        let Some(previous) = named.filter(|_| !told) else { return Ok(()) };
        let dir = camera_recording_dir(&self.root, self.meta.camera, previous.recording);
        if let Ok(Some(Seal { records, head, .. })) = Seal::read(&dir) {
            // As in `begin`.
            self.storage.sync_dir(&dir)?;
            hour.line(at_ms, Entry::Previous { recording: previous.recording, records, head })?;
        }
        Ok(())
    }

    /// An operator ends the recording: everything is written, entered and sealed.
    ///
    /// # Errors
    /// As the disk says; the recording is then sealed by whoever opens the archive next.
    pub(crate) fn stop(&mut self, now: UnixMillis) -> io::Result<()> {
        self.flush(now);
        let mut previous: Option<Entry> = None;
        let now_ms = self.ms(now);
        while let Some(mut hour) = self.hours.pop_front() {
            if let Some(entry) = previous.take() {
                hour.line(now_ms, entry)?;
            }
            if self.hours.is_empty() {
                hour.line(now_ms, Entry::Stopped {})?;
            }
            previous = Some(hour.seal(true, now, &self.signer)?.1);
        }
        (self.status.state, self.status.since) = (CameraRecordingState::Ended, now);
        match previous {
            Some(_) => {
                self.status.durable = now;
                Ok(())
            }
            None => Err(io::Error::other("the recording had stopped and could not go on")),
        }
    }

    /// The process ends: everything is written and synced, and the recording can be gone on with.
    pub(crate) fn suspend(&mut self, now: UnixMillis) {
        self.finish_tracks(now);
        self.sync_media(now);
        self.append_chain(now);
        self.announce(now, now);
        (self.status.state, self.status.since) = (CameraRecordingState::Ended, now);
    }
}

fn tells_previous(lines: &[Line]) -> bool {
    lines.iter().any(|l| matches!(l.entry, Entry::Previous { .. }))
}

/// Seals a recording that nobody goes on with, as it is.
pub(super) fn abandon(session: &Shared, dir: &Path, now: UnixMillis) -> io::Result<()> {
    let (standing, _) =
        recover::recover::<CameraRecording>(&*session.storage, dir).map_err(|e| io::Error::other(e.to_string()))?;
    let epoch = standing.meta.started;
    let hour = Hour::resume(&session.storage, standing, epoch, &session.limits, &session.signer)?;
    hour.seal(false, now, &session.signer)?;
    Ok(())
}

/// Directories of recordings, by camera.
pub(super) type ByCamera = BTreeMap<CameraId, Vec<PathBuf>>;

/// What opening finds.
pub(super) struct Unfinished {
    /// Every recording that is not sealed.
    pub(super) open: ByCamera,
    /// Every directory that retention began to remove.
    pub(super) removing: Vec<PathBuf>,
    /// When the newest recording began.
    pub(super) newest: Option<UnixMillis>,
}

/// Looks through everything under `root`.
pub(super) fn unfinished(root: &Path) -> io::Result<Unfinished> {
    let mut found = Unfinished { open: ByCamera::new(), removing: Vec::new(), newest: None };
    for day in scan::sorted_dirs(root)? {
        for of_camera in scan::sorted_dirs(&day)? {
            let name = of_camera.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let Ok(camera) = name.parse::<CameraId>() else { continue };
            for dir in scan::sorted_dirs(&of_camera)? {
                let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if name.ends_with(super::removal::REMOVING) {
                    found.removing.push(dir);
                } else if let Some(id) = parse_dir_name(&name) {
                    found.newest = found.newest.max(Some(UnixMillis(id.0.timestamp_ms() as i64)));
                    if !dir.join(Seal::FILE).exists() && dir.join(Header::FILE).exists() {
                        found.open.entry(camera).or_default().push(dir);
                    }
                }
            }
        }
    }
    Ok(found)
}
