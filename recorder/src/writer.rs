//! Writes one recording's files in the order of the procedures *open a part*, *append*, *sync round*, *roll* and *seal*.
//!
//! Any error here means that the recording stops: the writer is thrown away, recovery looks at the disk afresh. Does not
//! belong here: what is written and when (`track`, `session`).

use crate::{
    Header, Limits, RecordingMeta, Seal,
    chain::{self, ChainKind, ChainRecord, Hash},
    journal::{self, Entry, Line},
    storage::{Appender, Storage, write_whole},
    track::Fragment,
};
use lectern_media::{TrackId, UnixMillis};
use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A file that is open for appending.
struct Open {
    name: String,
    file: Box<dyn Appender>,
    len: u64,
    dirty: bool,
}

impl Open {
    fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        self.file.append(bytes)?;
        let offset = self.len;
        self.len += bytes.len() as u64;
        self.dirty = true;
        Ok(offset)
    }

    fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.dirty) { self.file.sync() } else { Ok(()) }
    }
}

/// The newest part of a track.
struct Part {
    number: u32,
    open: Open,
    opened: UnixMillis,
    init: Vec<u8>,
}

/// Where a recording stands on disk: what recovery found.
pub(crate) struct Standing {
    pub(crate) meta: RecordingMeta,
    pub(crate) dir: PathBuf,
    pub(crate) head: Hash,
    pub(crate) records: u64,
    pub(crate) chain_len: u64,
    pub(crate) journal_len: u64,
    /// Number of parts and bytes of each track.
    pub(crate) parts: BTreeMap<TrackId, u32>,
    pub(crate) part_bytes: u64,
    /// End of the last thing that is recorded.
    pub(crate) end_ms: u64,
    /// End of each track, in ticks.
    pub(crate) track_ends: BTreeMap<TrackId, u64>,
}

/// What a record says of the bytes that it covers.
struct Covered {
    kind: ChainKind,
    time: u64,
    duration: u64,
    keyframe: bool,
}

impl Covered {
    /// Something that is no fragment.
    fn plain(kind: ChainKind, time: u64) -> Self {
        Self { kind, time, duration: 0, keyframe: false }
    }
}

pub(crate) struct Writer {
    storage: Arc<dyn Storage>,
    limits: Limits,
    meta: RecordingMeta,
    dir: PathBuf,
    head: Hash,
    records: u64,
    chain: Open,
    journal: Open,
    parts: BTreeMap<TrackId, Part>,
    /// Parts a track already has: the next one's number.
    numbers: BTreeMap<TrackId, u32>,
    /// Chain records of what was appended since the last sync round.
    unchained: Vec<ChainRecord>,
    /// A file was created since the directory was synced.
    created: bool,
    part_bytes: u64,
    end_ms: u64,
}

/// The file of a track's part.
pub(crate) fn part_name(track: TrackId, number: u32) -> String {
    format!("{track}.{number}.cmf")
}

/// Track and number of a part's file name.
pub(crate) fn parse_part_name(name: &str) -> Option<(TrackId, u32)> {
    let (track, number) = name.strip_suffix(".cmf")?.split_once('.')?;
    Some((track.parse().ok()?, number.parse().ok()?))
}

/// The directory of a recording under `root`: a directory a day (UTC).
pub(crate) fn recording_dir(root: &Path, meta: &RecordingMeta) -> PathBuf {
    root.join(day_of(meta.started)).join(meta.id.to_string())
}

/// The name of a day's directory (UTC).
#[must_use]
pub fn day_of(at: UnixMillis) -> String {
    jiff::Timestamp::from_millisecond(at.0).unwrap_or_default().strftime("%Y-%m-%d").to_string()
}

impl Writer {
    /// *Create*: directories and header, then the empty chain and journal.
    pub(crate) fn create(
        storage: Arc<dyn Storage>,
        root: &Path,
        meta: RecordingMeta,
        limits: &Limits,
    ) -> io::Result<Self> {
        let dir = recording_dir(root, &meta);
        let day = dir.parent().unwrap_or(root);
        storage.create_dir(day)?;
        storage.sync_dir(root)?;
        storage.create_dir(&dir)?;
        storage.sync_dir(day)?;
        let header = Header { format: crate::FORMAT, suite: crate::SUITE.into(), meta: meta.clone() };
        let bytes = serde_json::to_vec_pretty(&header)?;
        write_whole(&*storage, &dir, Header::FILE, &bytes)?;
        let standing = Standing {
            meta,
            dir,
            head: chain::genesis(&bytes),
            records: 0,
            chain_len: 0,
            journal_len: 0,
            parts: BTreeMap::new(),
            part_bytes: 0,
            end_ms: 0,
            track_ends: BTreeMap::new(),
        };
        Self::resume(storage, standing, limits)
    }

    /// Goes on where recovery found the recording.
    pub(crate) fn resume(storage: Arc<dyn Storage>, at: Standing, limits: &Limits) -> io::Result<Self> {
        let open = |name: &str, len| -> io::Result<Open> {
            Ok(Open { name: name.into(), file: storage.open(&at.dir.join(name))?, len, dirty: false })
        };
        let (chain, journal) = (open(chain::FILE, at.chain_len)?, open(journal::FILE, at.journal_len)?);
        Ok(Self {
            limits: limits.clone(),
            meta: at.meta,
            head: at.head,
            records: at.records,
            chain,
            journal,
            parts: BTreeMap::new(),
            numbers: at.parts,
            unchained: Vec::new(),
            created: true,
            part_bytes: at.part_bytes,
            end_ms: at.end_ms,
            dir: at.dir,
            storage,
        })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn meta(&self) -> &RecordingMeta {
        &self.meta
    }

    /// Bytes of all parts.
    pub(crate) fn bytes(&self) -> u64 {
        self.part_bytes
    }

    /// Whether something waits for a sync round.
    pub(crate) fn dirty(&self) -> bool {
        !self.unchained.is_empty()
    }

    /// Appends a journal line.
    pub(crate) fn line(&mut self, at_ms: u64, entry: Entry) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(&Line { at_ms, entry })?;
        bytes.push(b'\n');
        let offset = self.journal.append(&bytes)?;
        self.end_ms = self.end_ms.max(at_ms);
        self.record(Covered::plain(ChainKind::Line, at_ms), journal::FILE.into(), offset, &bytes);
        Ok(())
    }

    /// *Open a part* of `track` with this init segment.
    pub(crate) fn part(&mut self, track: TrackId, init: Vec<u8>, now: UnixMillis) -> io::Result<()> {
        if let Some(mut old) = self.parts.remove(&track) {
            // What was appended to it must be synced before its records are; this is rare enough to do at once.
            old.open.sync()?;
        }
        let next = self.numbers.entry(track).or_insert(0);
        let (number, name) = (*next, part_name(track, *next));
        *next += 1;
        let file = self.storage.create(&self.dir.join(&name))?;
        self.created = true;
        let mut open = Open { name: name.clone(), file, len: 0, dirty: false };
        let offset = open.append(&init)?;
        self.part_bytes += init.len() as u64;
        self.record(Covered::plain(ChainKind::Init, 0), name, offset, &init);
        self.parts.insert(track, Part { number, open, opened: now, init });
        Ok(())
    }

    /// *Append* a fragment, *rolling* first if the part is old or large and decoding can start here.
    pub(crate) fn fragment(&mut self, track: TrackId, f: &Fragment, hz: u32, now: UnixMillis) -> io::Result<()> {
        let part = self.parts.get(&track).ok_or_else(|| io::Error::other("a fragment before its init segment"))?;
        let old = now.since(part.opened) >= self.limits.part || part.open.len >= self.limits.part_bytes_max;
        if old && f.keyframe {
            tracing::debug!(%track, part = part.number, "part closed");
            let init = part.init.clone();
            self.part(track, init, now)?;
        }
        let part = self.parts.get_mut(&track).ok_or_else(|| io::Error::other("a part vanished"))?;
        let offset = part.open.append(&f.bytes)?;
        let name = part.open.name.clone();
        self.part_bytes += f.bytes.len() as u64;
        self.end_ms = self.end_ms.max((f.dts + f.duration) * 1000 / u64::from(hz));
        let of = Covered { kind: ChainKind::Frag, time: f.dts, duration: f.duration, keyframe: f.keyframe };
        self.record(of, name, offset, &f.bytes);
        Ok(())
    }

    /// No more fragments of this track come.
    pub(crate) fn close(&mut self, track: TrackId) -> io::Result<()> {
        match self.parts.remove(&track) {
            Some(mut part) => part.open.sync(),
            None => Ok(()),
        }
    }

    /// Chains what was appended to `file` at `offset`.
    fn record(&mut self, of: Covered, file: String, offset: u64, bytes: &[u8]) {
        let Covered { kind, time, duration, keyframe } = of;
        self.head = chain::link(&self.head, time, bytes);
        self.records += 1;
        let (len, hash) = (bytes.len() as u64, hex::encode(self.head));
        self.unchained.push(ChainRecord { kind, file, offset, len, time, duration, keyframe, hash });
    }

    /// A *sync round*, up to and without announcing.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.created) {
            self.storage.sync_dir(&self.dir)?;
        }
        for part in self.parts.values_mut() {
            part.open.sync()?;
        }
        self.journal.sync()?;
        let mut bytes = Vec::with_capacity(self.unchained.len() * 256);
        for record in self.unchained.drain(..) {
            serde_json::to_writer(&mut bytes, &record)?;
            bytes.push(b'\n');
        }
        if !bytes.is_empty() {
            self.chain.append(&bytes)?;
        }
        self.chain.sync()
    }

    /// Whether the disk has room above the reserve.
    pub(crate) fn has_room(&self) -> io::Result<bool> {
        Ok(self.storage.free_bytes(&self.dir)? > self.limits.reserve_bytes)
    }

    /// *Seal*.
    pub(crate) fn seal(mut self, finished: bool, now: UnixMillis) -> io::Result<Seal> {
        self.sync()?;
        let seal = Seal {
            format: crate::FORMAT,
            suite: crate::SUITE.into(),
            duration_ms: self.end_ms,
            size_bytes: self.part_bytes,
            records: self.records,
            head: hex::encode(self.head),
            finished,
            sealed: now,
        };
        write_whole(&*self.storage, &self.dir, Seal::FILE, &serde_json::to_vec_pretty(&seal)?)?;
        Ok(seal)
    }
}
