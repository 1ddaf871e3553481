//! `lectern recorder check DIR`: verifies every invariant of `INVARIANTS.md` and names the file and the byte that fails.
//!
//! Reads everything, changes nothing. Does not belong here: repair (`recover`).

use crate::{
    Entry, Header, Seal,
    camera::{continuity, raw},
    chain::{self, ChainKind, ChainLine, ChainRecord, Hash},
    journal,
    meta::{AnyMeta, Subject, TrackSpan, add_span},
    recover,
    signer::{HeadSignature, key_id},
    writer::parse_part_name,
};
use lectern_fmp4::scan;
use lectern_media::{RecordingId, TrackId};
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt,
    path::{Path, PathBuf},
};

/// One thing that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which invariant, as numbered in `INVARIANTS.md`.
    pub invariant: u8,
    /// In which file.
    pub file: String,
    /// At which byte.
    pub offset: u64,
    /// What is wrong.
    pub what: String,
}

/// The verdict on one directory: a recording, or all recordings below it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing was found.
    pub ok: bool,
    /// One entry for each recording.
    pub recordings: Vec<RecordingReport>,
}

/// The verdict on one recording.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RecordingReport {
    /// Where it lies.
    pub dir: PathBuf,
    /// Whether it is sealed.
    pub sealed: bool,
    /// Chain records verified.
    pub records: u64,
    /// Fragments verified.
    pub fragments: u64,
    /// Bytes hashed.
    pub bytes: u64,
    /// Gaps listed in the journal.
    pub gaps: u64,
    /// Units kept though they do not decode (cameras).
    pub raw_units: u64,
    /// Signatures verified (cameras), each with the key that the journal names; whose that is, is not known here.
    pub signatures: u64,
    /// Ids of the keys that signed.
    pub keys: Vec<String>,
    /// Head of the chain, hexadecimal.
    pub head: String,
    /// Bytes after the last one that the chain covers (a running or crashed recording has some; recovery adopts them).
    pub unchained_bytes: u64,
    /// What is wrong, in the order found.
    pub findings: Vec<Finding>,
}

/// Checks the recording in `dir`, or every recording below it.
#[must_use]
pub fn check(dir: &Path) -> Report {
    if dir.join(Header::FILE).exists() {
        let recording = check_recording(dir);
        return Report { ok: recording.findings.is_empty(), recordings: vec![recording] };
    }
    let mut dirs = crate::scan::all_directories(dir).unwrap_or_default();
    dirs.retain(|d| !crate::scan::is_stillborn(d));
    let mut recordings: Vec<RecordingReport> = dirs.iter().map(|d| check_recording(d)).collect();
    // What only several recordings together can show.
    for (dir, finding) in continuity::check(dir, &dirs) {
        match recordings.iter_mut().find(|r| r.dir == dir) {
            Some(r) => r.findings.push(finding),
            None => recordings.push(RecordingReport { dir, findings: vec![finding], ..RecordingReport::default() }),
        }
    }
    Report { ok: recordings.iter().all(|r| r.findings.is_empty()), recordings }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for r in &self.recordings {
            let state = if r.sealed { "sealed" } else { "not sealed" };
            let verdict = if r.findings.is_empty() { "good" } else { "BAD" };
            writeln!(f, "{verdict}  {}", r.dir.display())?;
            writeln!(
                f,
                "      {state}, {} fragments, {} records, {} bytes verified, {} gaps listed, {} bytes not chained",
                r.fragments, r.records, r.bytes, r.gaps, r.unchained_bytes
            )?;
            if r.signatures > 0 || r.raw_units > 0 {
                let keys = r.keys.join(", ");
                writeln!(f, "      {} signatures by {keys}, {} units that do not decode", r.signatures, r.raw_units)?;
            }
            writeln!(f, "      head {}", r.head)?;
            for x in &r.findings {
                writeln!(f, "      {} at byte {}: {} (invariant {})", x.file, x.offset, x.what, x.invariant)?;
            }
        }
        let bad = self.recordings.iter().filter(|r| !r.findings.is_empty()).count();
        write!(f, "{} recordings, {bad} with findings", self.recordings.len())
    }
}

fn check_recording(dir: &Path) -> RecordingReport {
    let mut report = RecordingReport { dir: dir.into(), ..RecordingReport::default() };
    let mut c = Checker { dir, report: &mut report, files: BTreeMap::new(), camera: None };
    c.run();
    report
}

/// What was seen of one file so far.
#[derive(Default)]
struct FileState {
    covered: u64,
    bytes: Vec<u8>,
    hz: u32,
}

/// What is followed of a camera's recording only.
struct Camera {
    id: RecordingId,
    /// Public keys that the journal named so far, by id.
    keys: BTreeMap<String, [u8; 32]>,
    /// Digest of the last signature.
    signature: Hash,
    /// Records that the last signature covers.
    signed: u64,
    spans: Vec<TrackSpan>,
}

struct Checker<'a> {
    dir: &'a Path,
    report: &'a mut RecordingReport,
    files: BTreeMap<String, FileState>,
    camera: Option<Camera>,
}

impl Checker<'_> {
    fn find(&mut self, invariant: u8, file: &str, offset: u64, what: impl Into<String>) {
        self.report.findings.push(Finding { invariant, file: file.into(), offset, what: what.into() });
    }

    fn run(&mut self) {
        let header = match Header::<AnyMeta>::read(self.dir) {
            Ok((meta, header)) => {
                if let AnyMeta::Camera(camera) = meta.meta {
                    let (keys, spans) = (BTreeMap::new(), Vec::new());
                    self.camera = Some(Camera { id: camera.id(), keys, signature: [0; 32], signed: 0, spans });
                }
                header
            }
            Err(e) => return self.find(1, Header::FILE, 0, e.to_string()),
        };
        let seal = match Seal::read(self.dir) {
            Ok(seal) => seal,
            Err(e) => {
                self.find(10, Seal::FILE, 0, e.to_string());
                None
            }
        };
        self.report.sealed = seal.is_some();
        let chain_bytes = match recover::read_or_empty(&self.dir.join(chain::FILE)) {
            Ok(bytes) => bytes,
            Err(e) => return self.find(5, chain::FILE, 0, e.to_string()),
        };
        let (lines, len) = chain::parse_lines(&chain_bytes);
        let records = lines.iter().filter(|l| matches!(l, ChainLine::Record(_))).count() as u64;
        if len < chain_bytes.len() {
            self.report.unchained_bytes += (chain_bytes.len() - len) as u64;
            if seal.is_some() {
                self.find(10, chain::FILE, len as u64, "a line that is no record");
            }
        }
        self.walk(&header, &lines);
        self.tails(seal.is_some());
        self.parts_numbered();
        self.journal();
        if let Some(seal) = seal {
            if self.camera.as_ref().is_some_and(|c| c.signed != self.report.records) && self.report.findings.is_empty()
            {
                self.find(14, chain::FILE, len as u64, "the last head is not signed");
            }
            if self.camera.as_ref().is_some_and(|c| c.spans != seal.spans) && self.report.findings.is_empty() {
                self.find(10, Seal::FILE, 0, "lists other stretches than are recorded");
            }
            if seal.records != records {
                let what = format!("seals {} records, the chain has {records}", seal.records);
                self.find(10, Seal::FILE, 0, what);
            } else if seal.head != self.report.head {
                self.find(10, Seal::FILE, 0, "seals another head than the chain's");
            }
        }
    }

    /// Follows the chain record by record and compares each with the bytes that it covers.
    fn walk(&mut self, header: &[u8], lines: &[ChainLine]) {
        let mut head = chain::genesis(header);
        let mut ends: BTreeMap<TrackId, u64> = BTreeMap::new();
        for line in lines {
            let r = match line {
                ChainLine::Record(r) => r,
                ChainLine::Signature(s) => {
                    if let Err(what) = self.signature(s, &head) {
                        return self.find(
                            14,
                            chain::FILE,
                            0,
                            format!("the signature after record {}: {what}", s.signs),
                        );
                    }
                    continue;
                }
            };
            if !self.files.contains_key(&r.file) {
                let known = recover::is_chained(&r.file);
                if !known {
                    return self.find(
                        5,
                        chain::FILE,
                        0,
                        format!("a record covers {:?}, which is no file of a recording", r.file),
                    );
                }
                let bytes = std::fs::read(self.dir.join(&r.file)).unwrap_or_default();
                self.files.insert(r.file.clone(), FileState { bytes, ..FileState::default() });
            }
            let Some(file) = self.files.get_mut(&r.file) else { return };
            if r.offset != file.covered {
                let what = format!("the chain goes on at byte {}, it should at {}", r.offset, file.covered);
                return self.find(5, &r.file, r.offset, what);
            }
            let range = r.offset as usize..r.end() as usize;
            let Some(bytes) = file.bytes.get(range).map(<[u8]>::to_vec) else {
                let (end, size) = (r.end(), file.bytes.len());
                return self.find(4, &r.file, size as u64, format!("the file ends here, the chain covers {end} bytes"));
            };
            file.covered = r.end();
            head = chain::link(&head, r.time, &bytes);
            if chain::parse_hash(&r.hash) != Some(head) {
                let when =
                    if r.kind == ChainKind::Line { format!("{} ms", r.time) } else { format!("{} ticks", r.time) };
                return self.find(5, &r.file, r.offset, format!("the bytes at {when} are not those that were chained"));
            }
            self.report.records += 1;
            self.report.bytes += r.len;
            self.report.head = hex::encode(head);
            self.record(r, &bytes, &mut ends);
        }
    }

    /// Verifies a signature of the chain up to here.
    fn signature(&mut self, s: &HeadSignature, head: &Hash) -> Result<(), String> {
        let Some(camera) = &mut self.camera else { return Err("a lesson is not signed".into()) };
        if s.signs != self.report.records || chain::parse_hash(&s.head) != Some(*head) {
            return Err("signs another head than the chain's".into());
        }
        if chain::parse_hash(&s.previous) != Some(camera.signature) {
            return Err("does not follow the signature before it".into());
        }
        let key = camera.keys.get(&s.key).ok_or_else(|| format!("key {} is not named by the journal", s.key))?;
        if !s.verify(camera.id, key) {
            return Err("is not that of its key".into());
        }
        camera.signature = s.digest(camera.id).unwrap_or_default();
        camera.signed = s.signs;
        self.report.signatures += 1;
        if !self.report.keys.contains(&s.key) {
            self.report.keys.push(s.key.clone());
        }
        Ok(())
    }

    /// Compares one record's description with what its bytes are.
    fn record(&mut self, r: &ChainRecord, bytes: &[u8], ends: &mut BTreeMap<TrackId, u64>) {
        match r.kind {
            ChainKind::Init => match scan::parse_init(bytes) {
                Ok((config, len)) if len == bytes.len() => {
                    if let Some(f) = self.files.get_mut(&r.file) {
                        f.hz = config.timescale().hz();
                    }
                }
                Ok(_) => self.find(3, &r.file, r.offset, "more than an init segment"),
                Err(e) => self.find(3, &r.file, r.offset, e.to_string()),
            },
            ChainKind::Frag => {
                self.report.fragments += 1;
                let info = match scan::parse_fragment(bytes) {
                    Ok(info) if info.len == bytes.len() => info,
                    Ok(_) => return self.find(3, &r.file, r.offset, "more than one fragment"),
                    Err(e) => return self.find(3, &r.file, r.offset, e.to_string()),
                };
                if (info.dts, info.duration(), info.starts_with_keyframe()) != (r.time, r.duration, r.keyframe) {
                    self.find(
                        5,
                        &r.file,
                        r.offset,
                        "the record tells another time, length or keyframe than the fragment",
                    );
                }
                if info.samples.iter().skip(1).any(|s| s.keyframe) && !info.samples.iter().all(|s| s.keyframe) {
                    self.find(7, &r.file, r.offset, "a keyframe within the fragment");
                }
                let Some((track, _)) = parse_part_name(&r.file) else { return };
                let hz = u64::from(self.files.get(&r.file).map_or(0, |f| f.hz).max(1));
                if let Some(camera) = &mut self.camera {
                    let ms = |ticks: u64| ticks.saturating_mul(1000) / hz;
                    add_span(&mut camera.spans, track, ms(r.time), ms(r.time.saturating_add(r.duration)));
                }
                let end = ends.entry(track).or_insert(0);
                let overlap = (info.dts < *end).then_some((*end, info.dts));
                *end = info.dts + info.duration();
                if let Some((end, dts)) = overlap {
                    self.find(6, &r.file, r.offset, format!("begins at {dts} ticks, the one before ends at {end}"));
                }
            }
            ChainKind::Line => match journal::parse(bytes) {
                (lines, len) if lines.len() == 1 && len == bytes.len() => {
                    if let (Entry::Signer { public, .. }, Some(camera)) = (&lines[0].0.entry, &mut self.camera)
                        && let Some(public) = chain::parse_hash(public)
                    {
                        camera.keys.insert(key_id(&public), public);
                    }
                    if lines[0].0.at_ms != r.time {
                        self.find(5, &r.file, r.offset, "the record tells another time than the line");
                    }
                }
                _ => self.find(3, &r.file, r.offset, "not a line of the journal"),
            },
            ChainKind::Raw => match raw::parse_block(bytes) {
                Some((units, len)) if len == bytes.len() => self.report.raw_units += units.len() as u64,
                _ => self.find(3, &r.file, r.offset, "not a block of a raw file"),
            },
        }
    }

    /// What follows the chain's last byte in each file.
    fn tails(&mut self, sealed: bool) {
        let names = recover::file_names(self.dir).unwrap_or_default();
        for name in names {
            if !recover::is_chained(&name) {
                continue;
            }
            let size = std::fs::metadata(self.dir.join(&name)).map_or(0, |m| m.len());
            let covered = self.files.get(&name).map_or(0, |f| f.covered);
            self.report.unchained_bytes += size.saturating_sub(covered);
            // If the walk stopped early, the rest was not looked at: that is no second finding.
            if sealed && size > covered && self.report.findings.is_empty() {
                self.find(10, &name, covered, format!("{} bytes more than were sealed", size - covered));
            }
        }
    }

    fn parts_numbered(&mut self) {
        let mut numbers: BTreeMap<TrackId, Vec<u32>> = BTreeMap::new();
        for (track, n) in self.files.keys().filter_map(|f| parse_part_name(f)) {
            numbers.entry(track).or_default().push(n);
        }
        for (track, mut have) in numbers {
            have.sort_unstable();
            if let Some(missing) = (0u32..).zip(&have).find(|(want, n)| want != *n).map(|(want, _)| want) {
                self.find(9, &crate::writer::part_name(track, missing), 0, "this part is missing");
            }
        }
    }

    fn journal(&mut self) {
        let Some(file) = self.files.get(journal::FILE) else { return };
        let (lines, _) = journal::parse(&file.bytes);
        let mut gaps = Vec::new();
        for (line, offset, _) in lines {
            if let Entry::Gap { track, from_ms, to_ms, .. } = line.entry {
                self.report.gaps += 1;
                if from_ms >= to_ms {
                    self.find(8, journal::FILE, offset, format!("a gap from {from_ms} to {to_ms} ms"));
                }
                gaps.extend(track.map(|track| (TrackSpan { track, from_ms, to_ms }, offset)));
            }
        }
        if let Some(camera) = &self.camera {
            for (offset, what) in untold(&camera.spans, gaps) {
                self.find(13, journal::FILE, offset, what);
            }
        }
    }
}

/// Holes of a camera's streams that no entry names, and entries that overlap, with the offset of the entry concerned.
fn untold(spans: &[TrackSpan], gaps: Vec<(TrackSpan, u64)>) -> Vec<(u64, String)> {
    /// Less is a picture that came a little late.
    const HOLE_MS: u64 = 500;
    let mut out = Vec::new();
    let mut all: Vec<(TrackSpan, Option<u64>)> = spans.iter().map(|s| (*s, None)).collect();
    all.extend(gaps.into_iter().map(|(g, offset)| (g, Some(offset))));
    all.sort_by_key(|(s, _)| (s.track, s.from_ms, s.to_ms));
    let mut before: Option<(TrackSpan, Option<u64>)> = None;
    for (s, entry) in all {
        let last = before.filter(|(b, _)| b.track == s.track);
        if let Some((last, last_entry)) = last {
            if last.to_ms + HOLE_MS < s.from_ms {
                let what = format!("nothing tells of {} from {} to {} ms", s.track, last.to_ms, s.from_ms);
                out.push((entry.or(last_entry).unwrap_or(0), what));
            }
            if let (Some(offset), Some(_)) = (entry, last_entry)
                && s.from_ms < last.to_ms
            {
                out.push((offset, format!("two entries of {} overlap at {} ms", s.track, s.from_ms)));
            }
        }
        before = match last {
            Some((last, e)) if last.to_ms > s.to_ms => Some((last, e)),
            _ => Some((s, entry)),
        };
    }
    out
}
