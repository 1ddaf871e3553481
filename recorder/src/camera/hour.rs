//! One recording of a camera while it is written: the lesson's writer, and where its zero lies on the camera's line of time.

use super::{
    CameraLimits, CameraMeta, CameraRecording, Previous,
    coverage::Missing,
    meta::{next_roll, recording_id},
    raw::{self, RawUnit},
};
use crate::{
    Entry, Seal,
    session::cause_label,
    signer::Signer,
    storage::Storage,
    track::Fragment,
    writer::{Standing, Writer},
};
use lectern_media::{RecordingId, TrackId, TrackInfo, UnixMillis};
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

pub(crate) struct Hour {
    writer: Writer<CameraRecording>,
    /// Its zero on the camera's line of time.
    base_ms: u64,
    /// Tracks that its journal knows, with their clocks.
    announced: BTreeSet<(TrackId, u32)>,
    /// When the next one begins, if that is before the hour.
    gives_way: Option<UnixMillis>,
}

impl Hour {
    /// The header of a recording that begins at `started`.
    pub(crate) fn header(
        camera: &CameraMeta,
        started: UnixMillis,
        previous: Option<Previous>,
        limits: &CameraLimits,
    ) -> CameraRecording {
        let (id, until) = (recording_id(started), next_roll(started, limits.roll_every));
        CameraRecording { kind: Default::default(), id, started, until, previous, camera: camera.clone() }
    }

    /// Creates a recording in `dir`; `epoch` is zero of the camera's line of time.
    pub(crate) fn create(
        storage: &Arc<dyn Storage>,
        (root, dir): (&Path, PathBuf),
        header: CameraRecording,
        epoch: UnixMillis,
        limits: &CameraLimits,
        signer: &Signer,
    ) -> io::Result<Self> {
        let writer = Writer::create_in(storage.clone(), root, dir, header, &limits.recording)?;
        Self::of(writer, epoch, signer)
    }

    /// Goes on with a recording.
    pub(crate) fn resume(
        storage: &Arc<dyn Storage>,
        at: Standing<CameraRecording>,
        epoch: UnixMillis,
        limits: &CameraLimits,
        signer: &Signer,
    ) -> io::Result<Self> {
        Self::of(Writer::resume(storage.clone(), at, &limits.recording)?, epoch, signer)
    }

    fn of(writer: Writer<CameraRecording>, epoch: UnixMillis, signer: &Signer) -> io::Result<Self> {
        let base_ms = (writer.meta().started.0 - epoch.0).max(0) as u64;
        let mut this = Self { writer, base_ms, announced: BTreeSet::new(), gives_way: None };
        let at_ms = this.writer.end_ms();
        let (key, public) = (signer.key_id().to_owned(), hex::encode(signer.public_key()));
        this.writer.line(at_ms, Entry::Signer { key, public })?;
        Ok(this)
    }

    pub(crate) fn id(&self) -> RecordingId {
        self.writer.meta().id
    }

    /// When the next one begins.
    pub(crate) fn until(&self) -> UnixMillis {
        self.gives_way.unwrap_or(self.writer.meta().until)
    }

    pub(crate) fn started(&self) -> UnixMillis {
        self.writer.meta().started
    }

    /// Whether it began at the hour, as the one before it ended.
    pub(crate) fn began_in_turn(&self, roll_every: Duration) -> bool {
        let started = self.started();
        next_roll(UnixMillis(started.0 - 1), roll_every) == started
    }

    /// Whether its header is right of a camera that is `meta` now.
    pub(crate) fn tells_of(&self, meta: &CameraMeta) -> bool {
        self.writer.meta().camera.tells_of(meta)
    }

    /// Ends it at `at`, as at the hour, and enters that; once.
    pub(crate) fn give_way(&mut self, at: UnixMillis) -> io::Result<()> {
        if self.gives_way.is_some() || at >= self.until() {
            return Ok(());
        }
        self.gives_way = Some(at);
        self.writer.line(at.since(self.started()).as_millis() as u64, Entry::GivesWay {})
    }

    /// … on the camera's line of time.
    pub(crate) fn until_ms(&self) -> u64 {
        self.base_ms + self.until().since(self.writer.meta().started).as_millis() as u64
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.writer.bytes()
    }

    pub(crate) fn dirty(&self) -> bool {
        self.writer.dirty()
    }

    pub(crate) fn writer(&mut self) -> &mut Writer<CameraRecording> {
        &mut self.writer
    }

    /// What the next one names.
    pub(crate) fn previous(&self) -> Previous {
        let (records, head) = self.writer.synced_head();
        Previous { recording: self.id(), records, head: hex::encode(head) }
    }

    /// Enters something that happened at `at_ms` of the camera's line of time.
    pub(crate) fn line(&mut self, at_ms: u64, entry: Entry) -> io::Result<()> {
        self.writer.line(at_ms.saturating_sub(self.base_ms), entry)
    }

    /// Enters what is missing, as far as it is of this recording's time.
    pub(crate) fn gap(&mut self, track: TrackId, m: &Missing) -> io::Result<()> {
        let (from_ms, to_ms) = (m.from_ms.saturating_sub(self.base_ms), m.to_ms.saturating_sub(self.base_ms));
        if from_ms >= to_ms {
            return Ok(());
        }
        metrics::counter!("lectern_recorder_gaps_total", "cause" => cause_label(m.cause)).increment(1);
        let packets = (m.packets > 0).then_some(m.packets);
        self.writer.line(to_ms, Entry::Gap { track: Some(track), from_ms, to_ms, cause: m.cause, packets })
    }

    /// Appends a fragment, of a new part if `new_part` or if the track has none here.
    pub(crate) fn fragment(
        &mut self,
        info: &TrackInfo,
        f: &Fragment,
        hz: u32,
        init: &[u8],
        new_part: bool,
        now: UnixMillis,
    ) -> io::Result<()> {
        let base = self.base_ms * u64::from(hz) / 1000;
        self.announce(info, hz, self.base_ms + f.dts.saturating_sub(base) * 1000 / u64::from(hz))?;
        if new_part || !self.writer.has_part(info.id) {
            self.writer.part(info.id, init.to_vec(), now)?;
        }
        metrics::counter!("lectern_recorder_fragments_total").increment(1);
        metrics::counter!("lectern_recorder_samples_total").increment(f.samples.len() as u64);
        let bytes = self.writer.fragment(info.id, f, base, hz, now)?;
        metrics::counter!("lectern_recorder_written_bytes_total").increment(bytes);
        Ok(())
    }

    /// Enters what the track is, once.
    pub(crate) fn announce(&mut self, info: &TrackInfo, hz: u32, at_ms: u64) -> io::Result<()> {
        if self.announced.insert((info.id, hz)) {
            let clock_hz = (hz != info.codec.clock_rate().hz()).then_some(hz);
            self.line(at_ms, Entry::Track { info: info.clone(), clock_hz })?;
        }
        Ok(())
    }

    /// Appends units that do not decode.
    pub(crate) fn raw(&mut self, track: TrackId, units: &[RawUnit]) -> io::Result<()> {
        let Some(first) = units.first() else { return Ok(()) };
        metrics::counter!("lectern_recorder_raw_units_total").increment(units.len() as u64);
        let at_ms = first.arrival.since(self.writer.meta().started).as_millis() as u64;
        self.writer.raw(track, at_ms, &raw::block(units))
    }

    /// Seals it. Returns what the one after it enters ([`Entry::Previous`]).
    pub(crate) fn seal(self, finished: bool, now: UnixMillis, signer: &Signer) -> io::Result<(Seal, Entry)> {
        let recording = self.id();
        let seal = self.writer.seal_at(finished, now, Some(signer))?;
        let previous = Entry::Previous { recording, records: seal.records, head: seal.head.clone() };
        Ok((seal, previous))
    }
}

/// Where it lies.
pub(crate) fn hour_dir(hour: &Hour) -> PathBuf {
    hour.writer.dir().to_owned()
}
