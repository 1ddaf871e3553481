//! Writes one recording's files in the order of the procedures *open a part*, *append*, *sync round*, *roll* and *seal*.
//!
//! Any error here means that the recording stops: the writer is thrown away, recovery looks at the disk afresh. Does not
//! belong here: what is written and when (`track`, `session`).

use crate::{
    Header, Limits, RecordingMeta, Seal,
    chain::{self, ChainKind, ChainRecord, Hash},
    journal::{self, Entry, Line},
    meta::{Subject, TrackSpan, add_span},
    signer::{HeadSignature, Signer},
    storage::{Appender, Storage, write_whole},
    track::Fragment,
};
use lectern_media::{TrackId, UnixMillis};
use std::{
    collections::BTreeMap,
    io, iter,
    path::{Path, PathBuf},
    sync::Arc,
};

/// A file that is open for appending.
struct Open {
    name: String,
    file: Box<dyn Appender>,
    len: u64,
    /// How much of it is synced.
    synced: u64,
    dirty: bool,
}

/// The system remembers files in pages, several of them at once at most up to this size.
const PAGE: u64 = 4096;
const PAGES_MAX: u64 = 2 << 20;

impl Open {
    fn new(name: String, file: Box<dyn Appender>, len: u64) -> Self {
        Self { name, file, len, synced: len, dirty: false }
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<u64> {
        self.append_all(&[bytes])
    }

    fn append_all(&mut self, parts: &[&[u8]]) -> io::Result<u64> {
        match parts {
            [bytes] => self.file.append(bytes)?,
            parts => self.file.append_all(parts)?,
        }
        let offset = self.len;
        self.len += parts.iter().map(|p| p.len() as u64).sum::<u64>();
        self.dirty = true;
        Ok(offset)
    }

    /// The first byte of the page that was synced in part.
    fn unsynced_page(&self) -> u64 {
        self.synced / PAGE * PAGE
    }

    /// [`sync`](Self::sync) follows.
    fn begin_sync(&mut self) -> io::Result<()> {
        if self.dirty { self.file.begin_sync(self.unsynced_page()) } else { Ok(()) }
    }

    fn sync(&mut self, keep_cached: bool) -> io::Result<()> {
        if !std::mem::take(&mut self.dirty) {
            return Ok(());
        }
        self.file.sync()?;
        if !keep_cached {
            // Not the page that the next bytes go to: it would be read back for them. What was kept with such a one goes now.
            self.file.forget(self.unsynced_page().saturating_sub(PAGES_MAX)..self.len / PAGE * PAGE);
        }
        self.synced = self.len;
        Ok(())
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
pub(crate) struct Standing<M = RecordingMeta> {
    pub(crate) meta: M,
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
    /// Length of each raw file.
    pub(crate) raws: BTreeMap<TrackId, u64>,
    /// Digest of the last signature.
    pub(crate) last_signature: Hash,
    /// What is recorded of each track.
    pub(crate) spans: Vec<TrackSpan>,
    /// The journal's lines.
    pub(crate) lines: Vec<Line>,
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

pub(crate) struct Writer<M = RecordingMeta> {
    storage: Arc<dyn Storage>,
    limits: Limits,
    meta: M,
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
    /// Raw files, and how long those are that are not open yet.
    raws: BTreeMap<TrackId, Open>,
    raw_lens: BTreeMap<TrackId, u64>,
    last_signature: Hash,
    /// Records that the last signature of this writer covers.
    signed: u64,
    /// Records and head of the chain as last synced, and its length.
    synced: (u64, Hash),
    synced_len: u64,
    spans: Vec<TrackSpan>,
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

/// The raw file of a track.
pub(crate) fn raw_name(track: TrackId) -> String {
    format!("{track}.0.raw")
}

/// The track of a raw file's name.
pub(crate) fn parse_raw_name(name: &str) -> Option<TrackId> {
    name.strip_suffix(".0.raw")?.parse().ok()
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
        Self::create_in(storage, root, dir, meta, limits)
    }
}

impl<M: Subject> Writer<M> {
    /// *Create* in `dir`, which lies below `root`; what lies between is made if need be.
    pub(crate) fn create_in(
        storage: Arc<dyn Storage>,
        root: &Path,
        dir: PathBuf,
        meta: M,
        limits: &Limits,
    ) -> io::Result<Self> {
        let below: Vec<&Path> = dir.ancestors().take_while(|d| *d != root).collect();
        for made in below.into_iter().rev() {
            storage.create_dir(made)?;
            storage.sync_dir(made.parent().unwrap_or(root))?;
        }
        let header = Header::new(meta.clone());
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
            raws: BTreeMap::new(),
            last_signature: [0; 32],
            spans: Vec::new(),
            lines: Vec::new(),
        };
        Self::resume(storage, standing, limits)
    }

    /// Goes on where recovery found the recording.
    pub(crate) fn resume(storage: Arc<dyn Storage>, at: Standing<M>, limits: &Limits) -> io::Result<Self> {
        let open = |name: &str, len| -> io::Result<Open> {
            Ok(Open::new(name.into(), storage.open(&at.dir.join(name))?, len))
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
            raws: BTreeMap::new(),
            raw_lens: at.raws,
            last_signature: at.last_signature,
            signed: 0,
            synced: (at.records, at.head),
            synced_len: at.chain_len,
            spans: at.spans,
            dir: at.dir,
            storage,
        })
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(crate) fn meta(&self) -> &M {
        &self.meta
    }

    /// Bytes of all parts.
    pub(crate) fn bytes(&self) -> u64 {
        self.part_bytes
    }

    /// End of the last thing that is recorded, in milliseconds.
    pub(crate) fn end_ms(&self) -> u64 {
        self.end_ms
    }

    /// Whether something waits for a sync round.
    pub(crate) fn dirty(&self) -> bool {
        !self.unchained.is_empty()
    }

    /// Records and head of the chain as last synced.
    pub(crate) fn synced_head(&self) -> (u64, Hash) {
        self.synced
    }

    /// Length of the chain as last synced: for recovery, if something fails.
    pub(crate) fn synced_len(&self) -> u64 {
        self.synced_len
    }

    /// Appends a journal line.
    pub(crate) fn line(&mut self, at_ms: u64, entry: Entry) -> io::Result<()> {
        let mut bytes = serde_json::to_vec(&Line { at_ms, entry })?;
        bytes.push(b'\n');
        let offset = self.journal.append(&bytes)?;
        self.end_ms = self.end_ms.max(at_ms);
        self.record(Covered::plain(ChainKind::Line, at_ms), journal::FILE.into(), offset, &[&bytes]);
        Ok(())
    }

    /// *Open a part* of `track` with this init segment.
    pub(crate) fn part(&mut self, track: TrackId, init: Vec<u8>, now: UnixMillis) -> io::Result<()> {
        if let Some(mut old) = self.parts.remove(&track) {
            // What was appended to it must be synced before its records are; this is rare enough to do at once.
            old.open.sync(self.limits.keep_cached)?;
        }
        let next = self.numbers.entry(track).or_insert(0);
        let (number, name) = (*next, part_name(track, *next));
        *next += 1;
        let file = self.storage.create(&self.dir.join(&name))?;
        self.created = true;
        let mut open = Open::new(name.clone(), file, 0);
        let offset = open.append(&init)?;
        self.part_bytes += init.len() as u64;
        self.record(Covered::plain(ChainKind::Init, 0), name, offset, &[&init]);
        self.parts.insert(track, Part { number, open, opened: now, init });
        Ok(())
    }

    /// *Append* a fragment, *rolling* first if the part is old or large and decoding can start here. The recording's zero is `base`
    /// ticks after that of the fragment's track. Returns how many bytes it took.
    pub(crate) fn fragment(
        &mut self,
        track: TrackId,
        f: &Fragment,
        base: u64,
        hz: u32,
        now: UnixMillis,
    ) -> io::Result<u64> {
        let part = self.parts.get(&track).ok_or_else(|| io::Error::other("a fragment before its init segment"))?;
        let old = now.since(part.opened) >= self.limits.part || part.open.len >= self.limits.part_bytes_max;
        if old && f.keyframe {
            tracing::debug!(%track, part = part.number, "part closed");
            let init = part.init.clone();
            self.part(track, init, now)?;
        }
        let part = self.parts.get_mut(&track).ok_or_else(|| io::Error::other("a part vanished"))?;
        let head = f.head(base);
        let bytes: Vec<&[u8]> = iter::once(&head[..]).chain(f.samples.iter().map(|s| &s.data[..])).collect();
        let offset = part.open.append_all(&bytes)?;
        let (name, len) = (part.open.name.clone(), part.open.len - offset);
        self.part_bytes += len;
        let dts = f.dts.saturating_sub(base);
        let (from_ms, to_ms) = (dts * 1000 / u64::from(hz), (dts + f.duration) * 1000 / u64::from(hz));
        self.end_ms = self.end_ms.max(to_ms);
        add_span(&mut self.spans, track, from_ms, to_ms);
        let of = Covered { kind: ChainKind::Frag, time: dts, duration: f.duration, keyframe: f.keyframe };
        self.record(of, name, offset, &bytes);
        Ok(len)
    }

    /// Whether the track has a part open.
    pub(crate) fn has_part(&self, track: TrackId) -> bool {
        self.parts.contains_key(&track)
    }

    /// Appends a block to the track's raw file (invariant 11).
    pub(crate) fn raw(&mut self, track: TrackId, at_ms: u64, block: &[u8]) -> io::Result<()> {
        if !self.raws.contains_key(&track) {
            let name = raw_name(track);
            let len = self.raw_lens.get(&track).copied().unwrap_or(0);
            let file = self.storage.open(&self.dir.join(&name))?;
            self.created |= len == 0;
            self.raws.insert(track, Open::new(name, file, len));
        }
        let open = self.raws.get_mut(&track).ok_or_else(|| io::Error::other("a raw file vanished"))?;
        let offset = open.append(block)?;
        let name = open.name.clone();
        self.part_bytes += block.len() as u64;
        self.record(Covered::plain(ChainKind::Raw, at_ms), name, offset, &[block]);
        Ok(())
    }

    /// No more fragments of this track come.
    pub(crate) fn close(&mut self, track: TrackId) -> io::Result<()> {
        match self.parts.remove(&track) {
            Some(mut part) => part.open.sync(self.limits.keep_cached),
            None => Ok(()),
        }
    }

    /// Chains what was appended to `file` at `offset`.
    fn record(&mut self, of: Covered, file: String, offset: u64, parts: &[&[u8]]) {
        let Covered { kind, time, duration, keyframe } = of;
        self.head = chain::link_all(&self.head, time, parts);
        self.records += 1;
        let (len, hash) = (parts.iter().map(|p| p.len() as u64).sum(), hex::encode(self.head));
        self.unchained.push(ChainRecord { kind, file, offset, len, time, duration, keyframe, hash });
    }

    /// A *sync round*, up to and without announcing.
    pub(crate) fn sync(&mut self) -> io::Result<()> {
        self.sync_media()?;
        self.append_chain(None)?;
        self.sync_chain()
    }

    /// Tells the system that a *sync round* follows, so that of many recordings one is written while another is waited for.
    pub(crate) fn begin_sync(&mut self) -> io::Result<()> {
        self.files().try_for_each(Open::begin_sync)
    }

    /// What is covered by the chain.
    fn files(&mut self) -> impl Iterator<Item = &mut Open> {
        let parts = self.parts.values_mut().map(|p| &mut p.open);
        parts.chain(self.raws.values_mut()).chain(iter::once(&mut self.journal))
    }

    /// Steps 1 and 2 of a *sync round*.
    pub(crate) fn sync_media(&mut self) -> io::Result<()> {
        if std::mem::take(&mut self.created) {
            self.storage.sync_dir(&self.dir)?;
        }
        let keep_cached = self.limits.keep_cached;
        self.files().try_for_each(|file| file.sync(keep_cached))
    }

    /// Step 3 of a *sync round*; with a signer, *signs*. Nothing may be appended between step 2 and this.
    pub(crate) fn append_chain(&mut self, sign: Option<(&Signer, UnixMillis)>) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(self.unchained.len() * 256 + 512);
        for record in self.unchained.drain(..) {
            serde_json::to_writer(&mut bytes, &record)?;
            bytes.push(b'\n');
        }
        if let Some((signer, at)) = sign {
            let (id, previous) = (self.meta.id(), self.last_signature);
            let signature = HeadSignature::new(signer, id, self.records, &self.head, at, &previous);
            self.signed = self.records;
            self.last_signature = signature.digest(id).ok_or_else(|| io::Error::other("a signature without digest"))?;
            serde_json::to_writer(&mut bytes, &signature)?;
            bytes.push(b'\n');
        }
        if !bytes.is_empty() {
            self.chain.append(&bytes)?;
        }
        Ok(())
    }

    /// [`sync_chain`](Self::sync_chain) follows.
    pub(crate) fn begin_sync_chain(&mut self) -> io::Result<()> {
        self.chain.begin_sync()
    }

    /// Step 4 of a *sync round*.
    pub(crate) fn sync_chain(&mut self) -> io::Result<()> {
        // The chain is read again and again: it is the index.
        self.chain.sync(true)?;
        self.synced = (self.records, self.head);
        self.synced_len = self.chain.len;
        Ok(())
    }

    /// Whether the disk has room above the reserve.
    pub(crate) fn has_room(&self) -> io::Result<bool> {
        Ok(self.storage.free_bytes(&self.dir)? > self.limits.reserve_bytes)
    }

    /// *Seal*.
    pub(crate) fn seal(self, finished: bool, now: UnixMillis) -> io::Result<Seal> {
        self.seal_at(finished, now, None)
    }

    /// *Seal*; with a signer, a camera's: its end is signed, what is recorded is listed.
    pub(crate) fn seal_at(mut self, finished: bool, now: UnixMillis, signer: Option<&Signer>) -> io::Result<Seal> {
        self.sync_media()?;
        // What was signed already needs no second signature.
        let sign = signer.filter(|_| self.signed < self.records);
        self.append_chain(sign.map(|s| (s, now)))?;
        self.sync_chain()?;
        let seal = Seal {
            format: crate::FORMAT,
            suite: crate::SUITE.into(),
            duration_ms: self.end_ms,
            size_bytes: self.part_bytes,
            records: self.records,
            head: hex::encode(self.head),
            finished,
            sealed: now,
            spans: if signer.is_some() { self.spans } else { Vec::new() },
        };
        write_whole(&*self.storage, &self.dir, Seal::FILE, &serde_json::to_vec_pretty(&seal)?)?;
        Ok(seal)
    }
}
