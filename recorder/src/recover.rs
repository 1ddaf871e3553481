//! The procedure *recover*: makes whatever a crash left obey the invariants again.
//!
//! Reads through the file system, changes it through [`Storage`] only. A crash in here is met by running it again.

use crate::{
    Header, HeaderError,
    camera::raw,
    chain::{self, ChainKind, ChainLine, ChainRecord, Hash},
    journal,
    meta::{Subject, add_span},
    storage::Storage,
    writer::{Standing, parse_part_name, parse_raw_name},
};
use lectern_fmp4::scan::{self, ScanError};
use lectern_media::{Codec, TrackId};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

/// What recovery did to one recording.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovered {
    /// Where it lies.
    pub dir: PathBuf,
    /// Fragments, init segments and journal lines that were whole but not chained yet.
    pub adopted: u64,
    /// Bytes of torn tails, moved to `*.torn`.
    pub torn_bytes: u64,
    /// What contradicts the invariants and could not be put right; the rest can be watched.
    pub damage: Vec<String>,
}

/// Why a recording can't be recovered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RecoverError {
    #[error(transparent)]
    Header(#[from] HeaderError),
    #[error("cannot read or repair the recording in {dir}")]
    Io {
        dir: PathBuf,
        #[source]
        source: io::Error,
    },
}

/// Something whole after the last byte that the chain covers.
struct Found {
    kind: ChainKind,
    file: String,
    offset: u64,
    len: u64,
    time: u64,
    duration: u64,
    keyframe: bool,
    /// For the order among files.
    at_ms: u64,
}

/// Recovers the unsealed recording in `dir`.
pub(crate) fn recover<M: Subject>(storage: &dyn Storage, dir: &Path) -> Result<(Standing<M>, Recovered), RecoverError> {
    recover_after(storage, dir, None)
}

/// Recovers the recording in `dir`, whose chain was synced up to byte `synced` before something failed: nothing that was written after
/// that is taken for synced, it is written again.
pub(crate) fn recover_after<M: Subject>(
    storage: &dyn Storage,
    dir: &Path,
    synced: Option<u64>,
) -> Result<(Standing<M>, Recovered), RecoverError> {
    let (header, header_bytes) = Header::read(dir)?;
    recover_files(storage, dir, header, &header_bytes, synced)
        .map_err(|source| RecoverError::Io { dir: dir.into(), source })
}

fn recover_files<M: Subject>(
    storage: &dyn Storage,
    dir: &Path,
    header: Header<M>,
    header_bytes: &[u8],
    synced: Option<u64>,
) -> io::Result<(Standing<M>, Recovered)> {
    let mut did = Recovered { dir: dir.into(), ..Recovered::default() };
    let mut chain_bytes = read_or_empty(&dir.join(chain::FILE))?;
    if let Some(synced) = synced.filter(|s| *s < chain_bytes.len() as u64) {
        // These records were never announced; what they cover is found again below.
        storage.truncate(&dir.join(chain::FILE), synced)?;
        chain_bytes.truncate(synced as usize);
    }
    let (lines, chain_len) = chain::parse_lines(&chain_bytes);
    let (mut records, mut last_signature) = (Vec::new(), [0; 32]);
    for line in lines {
        match line {
            ChainLine::Record(r) => records.push(r),
            ChainLine::Signature(s) => last_signature = s.digest(header.meta.id()).unwrap_or(last_signature),
        }
    }
    did.torn_bytes += cut(storage, &dir.join(chain::FILE), chain_len as u64)?;
    let mut head = match records.last() {
        Some(r) => chain::parse_hash(&r.hash).ok_or_else(|| io::Error::other("the chain's last record has no hash"))?,
        None => chain::genesis(header_bytes),
    };
    let mut covered: BTreeMap<&str, u64> = BTreeMap::new();
    for r in &records {
        covered.insert(&r.file, r.end());
    }

    let names = file_names(dir)?;
    let mut found = Vec::new();
    let mut sizes: BTreeMap<String, u64> = BTreeMap::new();
    for name in names.iter().filter(|n| is_chained(n)) {
        let path = dir.join(name);
        let from = covered.get(name.as_str()).copied().unwrap_or(0);
        let size = fs::metadata(&path)?.len();
        if size < from {
            did.damage.push(format!("{name} ends at byte {size}, the chain covers {from}"));
            if name == journal::FILE {
                // It goes on where it really ends.
                sizes.insert(name.clone(), size);
            }
            continue;
        }
        let end = if name == journal::FILE {
            lines_after(&path, from, &mut found)?
        } else if parse_raw_name(name).is_some() {
            blocks_after(&path, name, from, header.meta.started().0, &mut found)?
        } else {
            parts_after(&path, name, from, &mut found)?
        };
        did.torn_bytes += cut(storage, &path, end)?;
        sizes.insert(name.clone(), end);
    }
    for name in covered.keys().filter(|n| !names.iter().any(|have| have == *n)) {
        did.damage.push(format!("{name} is missing, the chain covers it"));
    }

    // What is adopted must be on the disk before the chain says so.
    let mut dirty: BTreeMap<&str, u64> = BTreeMap::new();
    for f in &found {
        dirty.entry(&f.file).or_insert(f.offset);
    }
    for (name, from) in dirty {
        let path = dir.join(name);
        let tail = if synced.is_some() { read_range(&path, from, u64::MAX)? } else { Vec::new() };
        if !tail.is_empty() {
            // After a failed sync the system takes pages for clean that are not on the disk, until they are written again.
            storage.truncate(&path, from)?;
        }
        let mut file = storage.open(&path)?;
        if !tail.is_empty() {
            file.append(&tail)?;
        }
        file.sync()?;
    }
    storage.sync_dir(dir)?;
    found.sort_by(|a, b| (a.at_ms, &a.file, a.offset).cmp(&(b.at_ms, &b.file, b.offset)));
    let mut appended = Vec::new();
    for f in found {
        let bytes = read_range(&dir.join(&f.file), f.offset, f.len)?;
        head = chain::link(&head, f.time, &bytes);
        let record = ChainRecord {
            kind: f.kind,
            file: f.file,
            offset: f.offset,
            len: f.len,
            time: f.time,
            duration: f.duration,
            keyframe: f.keyframe,
            hash: hex::encode(head),
        };
        serde_json::to_writer(&mut appended, &record)?;
        appended.push(b'\n');
        records.push(record);
        did.adopted += 1;
    }
    if !appended.is_empty() {
        let mut chain = storage.open(&dir.join(chain::FILE))?;
        chain.append(&appended)?;
        chain.sync()?;
    }

    let mut standing = standing(dir, header, head, &records, chain_len as u64 + appended.len() as u64, &names, &sizes)?;
    standing.last_signature = last_signature;
    Ok((standing, did))
}

/// Puts together where the recording stands.
fn standing<M: Subject>(
    dir: &Path,
    header: Header<M>,
    head: Hash,
    records: &[ChainRecord],
    chain_len: u64,
    names: &[String],
    sizes: &BTreeMap<String, u64>,
) -> io::Result<Standing<M>> {
    let mut parts: BTreeMap<TrackId, u32> = BTreeMap::new();
    let mut rates = BTreeMap::new();
    // A part whose very beginning was torn is empty: its number is used again.
    let written = names.iter().filter(|n| sizes.get(*n).is_none_or(|s| *s > 0));
    for (track, number) in written.filter_map(|n| parse_part_name(n)) {
        let next = parts.entry(track).or_insert(0);
        *next = (*next).max(number + 1);
    }
    let (lines, _) = journal::parse(&read_or_empty(&dir.join(journal::FILE))?);
    for (line, ..) in &lines {
        if let crate::Entry::Track { info, clock_hz } = &line.entry {
            rates.insert(info.id, clock_hz.unwrap_or(info.codec.clock_rate().hz()).max(1));
        }
    }
    let mut end_ms = lines.iter().map(|(l, ..)| l.at_ms).max().unwrap_or(0);
    let (mut track_ends, mut spans) = (BTreeMap::new(), Vec::new());
    for r in records.iter().filter(|r| r.kind == ChainKind::Frag) {
        let Some((track, _)) = parse_part_name(&r.file) else { continue };
        let end = r.time.saturating_add(r.duration);
        track_ends.insert(track, end);
        let hz = rates.get(&track).copied().unwrap_or(Codec::H264.clock_rate().hz());
        let ms = |ticks: u64| ticks.saturating_mul(1000) / u64::from(hz);
        end_ms = end_ms.max(ms(end));
        add_span(&mut spans, track, ms(r.time), ms(end));
    }
    let raws = names.iter().filter_map(|n| Some((parse_raw_name(n)?, *sizes.get(n)?))).collect();
    Ok(Standing {
        meta: header.meta,
        dir: dir.into(),
        head,
        records: records.len() as u64,
        chain_len,
        journal_len: sizes.get(journal::FILE).copied().unwrap_or(0),
        parts,
        part_bytes: sizes.iter().filter(|(n, _)| *n != journal::FILE).map(|(_, s)| s).sum(),
        end_ms,
        track_ends,
        raws,
        last_signature: [0; 32],
        spans,
        lines: lines.into_iter().map(|(line, ..)| line).collect(),
    })
}

/// Whether a file of this name is covered by the chain.
pub(crate) fn is_chained(name: &str) -> bool {
    name == journal::FILE || parse_part_name(name).is_some() || parse_raw_name(name).is_some()
}

/// Walks whole blocks of a raw file from byte `from`; returns where the last one ends.
fn blocks_after(path: &Path, name: &str, from: u64, started: i64, found: &mut Vec<Found>) -> io::Result<u64> {
    let bytes = read_range(path, from, u64::MAX)?;
    let (mut at, mut latest) = (0, 0);
    while let Some((arrival, len)) = raw::block_head(&bytes[at..]) {
        // As in the journal, the order within the file must stay.
        latest = ((arrival.0 - started).max(0) as u64).max(latest);
        let offset = from + at as u64;
        let (file, len) = (name.into(), len as u64);
        let time = latest;
        found.push(Found { kind: ChainKind::Raw, file, offset, len, time, duration: 0, keyframe: false, at_ms: time });
        at += len as usize;
    }
    Ok(from + at as u64)
}

/// Walks whole journal lines from byte `from`; returns where the last one ends.
fn lines_after(path: &Path, from: u64, found: &mut Vec<Found>) -> io::Result<u64> {
    let bytes = read_range(path, from, u64::MAX)?;
    let (lines, len) = journal::parse(&bytes);
    let mut latest = 0;
    found.extend(lines.into_iter().map(|(line, offset, len)| {
        // A line may tell of an earlier moment than the one before it; the order within the file must stay.
        latest = line.at_ms.max(latest);
        Found {
            kind: ChainKind::Line,
            file: journal::FILE.into(),
            offset: from + offset,
            len,
            time: line.at_ms,
            duration: 0,
            keyframe: false,
            at_ms: latest,
        }
    }));
    Ok(from + len as u64)
}

/// Walks the init segment (if `from` is 0) and whole fragments of a part from byte `from`; returns where the last one ends.
fn parts_after(path: &Path, name: &str, from: u64, found: &mut Vec<Found>) -> io::Result<u64> {
    let bytes = read_range(path, from, u64::MAX)?;
    let mut at = 0;
    let mut hz = None;
    if from == 0 {
        let Ok((config, len)) = scan::parse_init(&bytes) else { return Ok(0) };
        hz = Some(config.timescale().hz());
        found.push(Found {
            kind: ChainKind::Init,
            file: name.into(),
            offset: 0,
            len: len as u64,
            time: 0,
            duration: 0,
            keyframe: false,
            at_ms: 0,
        });
        at = len;
    }
    let hz = match hz {
        Some(hz) => hz,
        None if bytes.is_empty() => return Ok(from),
        None => read_init_rate(path)?,
    };
    let mut first = None;
    while let Ok(info) = scan::parse_fragment(&bytes[at..]) {
        let at_ms = info.dts.saturating_mul(1000) / u64::from(hz);
        first.get_or_insert(at_ms);
        found.push(Found {
            kind: ChainKind::Frag,
            file: name.into(),
            offset: from + at as u64,
            len: info.len as u64,
            time: info.dts,
            duration: info.duration(),
            keyframe: info.starts_with_keyframe(),
            at_ms,
        });
        at += info.len;
    }
    if from == 0
        && let Some(init) = found.iter_mut().rev().find(|f| f.kind == ChainKind::Init && f.file == name)
    {
        init.at_ms = first.unwrap_or(u64::MAX);
    }
    Ok(from + at as u64)
}

fn read_init_rate(path: &Path) -> io::Result<u32> {
    let head = read_range(path, 0, 64 << 10)?;
    match scan::parse_init(&head) {
        Ok((config, _)) => Ok(config.timescale().hz()),
        Err(e @ ScanError::Truncated) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, e)),
        Err(e) => Err(io::Error::new(io::ErrorKind::InvalidData, e)),
    }
}

/// Moves what follows byte `len` into a file of its own and cuts it off. Returns how many bytes that were.
fn cut(storage: &dyn Storage, path: &Path, len: u64) -> io::Result<u64> {
    let size = match fs::metadata(path) {
        Ok(m) => m.len(),
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(e) => return Err(e),
    };
    if size <= len {
        return Ok(0);
    }
    let tail = read_range(path, len, u64::MAX)?;
    let torn = (0..)
        .map(|n| {
            path.with_file_name(format!(
                "{}.torn{}",
                path.file_name().unwrap_or_default().to_string_lossy(),
                if n == 0 { String::new() } else { format!(".{n}") }
            ))
        })
        .find(|p| !p.exists())
        .ok_or_else(|| io::Error::other("no free name for a torn tail"))?;
    let mut file = storage.create(&torn)?;
    file.append(&tail)?;
    file.sync()?;
    if let Some(dir) = path.parent() {
        storage.sync_dir(dir)?;
    }
    storage.truncate(path, len)?;
    Ok(size - len)
}

pub(crate) fn file_names(dir: &Path) -> io::Result<Vec<String>> {
    let mut names: Vec<String> =
        fs::read_dir(dir)?.map(|e| Ok(e?.file_name().to_string_lossy().into_owned())).collect::<io::Result<_>>()?;
    names.sort();
    Ok(names)
}

pub(crate) fn read_or_empty(path: &Path) -> io::Result<Vec<u8>> {
    match fs::read(path) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        other => other,
    }
}

/// At most `len` bytes from `offset`.
pub(crate) fn read_range(path: &Path, offset: u64, len: u64) -> io::Result<Vec<u8>> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::Start(offset))?;
    let mut out = Vec::new();
    file.take(len).read_to_end(&mut out)?;
    Ok(out)
}
