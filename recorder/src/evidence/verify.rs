//! Verifies an evidence file: first what it says of itself (hashes and their signature), then every camera's chain. Needs
//! nothing but the file; reads it twice, in two threads, without holding more than a text member and a fragment.
//!
//! Whatever the file holds, this neither panics nor takes memory that the file's own size does not justify.

use super::{
    chain::{Body, Check, Hash, Input, Output, owner, sha256},
    format::{
        CAMERA, CHAIN, CameraDoc, DOMAIN, EVENTS, Event, FORMAT, HASHES, HEADER, Hashes, MANIFEST, Manifest,
        MemberHash, Name, SHEET, SIGNATURE, SignatureDoc, TEXT_BYTES_MAX, VIEWERS,
    },
    report::{CameraChecked, FINDINGS_MAX, Finding, KeyVerdict, Problem, Report, fingerprint},
    zip::{Container, Found, Source},
};
use crate::{Header, SUITE, camera::CameraRecording, chain::parse_hash, key_id};
use aws_lc_rs::digest::{self, SHA256};
use lectern_media::{CameraId, CameraStream, RecordingId, UnixMillis};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
};

/// Verifies the evidence file at `path`. With `expected`, it must be signed by that public key. A file that can't be read is
/// not authentic.
#[must_use]
pub fn verify(path: &Path, expected: Option<[u8; 32]>) -> Report {
    match std::fs::File::open(path) {
        Ok(file) => verify_source(&file, expected),
        Err(e) => {
            let mut v = Verifier::new(expected);
            v.file(Problem::Unreadable, path.display().to_string(), e.to_string());
            v.report()
        }
    }
}

/// A public key as people hand it over: 64 hexadecimal digits, perhaps in groups.
#[must_use]
pub fn parse_key(text: &str) -> Option<[u8; 32]> {
    let bare: String = text.chars().filter(|c| !c.is_whitespace()).take(65).collect();
    parse_hash(&bare)
}

/// The same for bytes from anywhere.
#[must_use]
pub fn verify_source<S: Source + ?Sized>(source: &S, expected: Option<[u8; 32]>) -> Report {
    let mut v = Verifier::new(expected);
    if let Err(e) = v.run(source) {
        v.file(Problem::Unreadable, String::new(), e.to_string());
    }
    v.report()
}

struct Verifier {
    expected: Option<[u8; 32]>,
    findings: Vec<Finding>,
    more: u64,
    manifest: Option<Manifest>,
    /// What is here of each recording, as its camera's description says.
    excerpts: BTreeMap<(CameraId, RecordingId), (UnixMillis, UnixMillis)>,
    key: Option<[u8; 32]>,
    key_verdict: KeyVerdict,
    cameras: Vec<CameraChecked>,
    bytes: u64,
}

/// What a member should be.
struct Want {
    size: u64,
    sha256: Option<Hash>,
    lines: Vec<String>,
}

/// A text member, and whether it is as it should be; `None` if nobody says.
struct Text {
    bytes: Vec<u8>,
    good: Option<bool>,
}

impl Verifier {
    fn new(expected: Option<[u8; 32]>) -> Self {
        Self {
            expected,
            findings: Vec::new(),
            more: 0,
            manifest: None,
            excerpts: BTreeMap::new(),
            key: None,
            key_verdict: KeyVerdict::NotGiven,
            cameras: Vec::new(),
            bytes: 0,
        }
    }

    fn push(&mut self, finding: Finding) {
        if self.findings.len() < FINDINGS_MAX {
            self.findings.push(finding);
        } else {
            self.more += 1;
        }
    }

    fn file(&mut self, problem: Problem, member: String, detail: impl Into<String>) {
        let detail = detail.into();
        self.push(Finding { camera: None, stream: None, from: None, to: None, problem, member, detail });
    }

    fn report(mut self) -> Report {
        // The worst named first: what has a camera before what is of the whole file.
        self.findings.sort_by_key(|f| (f.camera.is_none(), f.camera, f.from));
        let manifest = self.manifest.as_ref();
        Report {
            authentic: self.findings.is_empty() && self.more == 0 && self.key.is_some(),
            key: self.key.map(hex::encode),
            fingerprint: self.key.map(|k| fingerprint(&k)),
            key_verdict: self.key_verdict,
            server: manifest.map(|m| m.server.clone()).unwrap_or_default(),
            made: manifest.map(|m| m.made),
            by: manifest.map(|m| m.by.clone()),
            utc_offset_s: manifest.map_or(0, |m| m.utc_offset_s),
            range: manifest.map(|m| (m.from, m.to)),
            cameras: self.cameras,
            findings: self.findings,
            more: self.more,
            bytes: self.bytes,
        }
    }

    fn run<S: Source + ?Sized>(&mut self, source: &S) -> io::Result<()> {
        let container = Container::read(source)?;
        self.bytes = container.len;
        let mut found: BTreeMap<&str, &Found> = BTreeMap::new();
        for f in &container.found {
            let name = f.member.name.as_str();
            if found.contains_key(name) {
                self.member(Problem::Added, name, None, "a member is here twice");
            }
            found.entry(name).or_insert(f);
        }
        if container.found.is_empty() {
            self.file(Problem::Unreadable, String::new(), "this is no evidence file");
            return Ok(());
        }
        let read = |name: &str| -> io::Result<Option<Vec<u8>>> {
            let Some(f) = found.get(name) else { return Ok(None) };
            let len = f.data.end - f.data.start;
            if len > TEXT_BYTES_MAX {
                return Ok(None);
            }
            let mut bytes = vec![0; usize::try_from(len).unwrap_or(0)];
            source.read_at(&mut bytes, f.data.start)?;
            Ok(Some(bytes))
        };
        let (hashes, signature, manifest) = (read(HASHES)?, read(SIGNATURE)?, read(MANIFEST)?);
        let hashes: Option<Hashes> = self.authenticate(hashes, signature, container.sound);
        self.manifest = manifest.as_deref().and_then(|m| serde_json::from_slice(m).ok());
        if let Some(m) = &self.manifest
            && (m.format > FORMAT || m.suite != SUITE)
        {
            let what =
                format!("format {} with suite {:?}; this version reads {FORMAT} with {SUITE:?}", m.format, m.suite);
            self.file(Problem::Unreadable, MANIFEST.into(), what);
            return Ok(());
        }
        // What should be here: by the signed list, or, if that is gone, by the manifest.
        let want = self.wanted(hashes.as_ref(), &found);
        let text = |name: &str| -> io::Result<Option<Text>> {
            let Some(bytes) = read(name)? else { return Ok(None) };
            let good = want.get(name).and_then(|w| w.sha256).map(|sha| sha == sha256(&bytes));
            Ok(Some(Text { bytes, good }))
        };
        for name in [MANIFEST, VIEWERS, SHEET] {
            match text(name)? {
                Some(Text { good: Some(true), .. }) => {}
                Some(Text { good: Some(false), .. }) => self.file(Problem::Manifest, name.into(), "it was changed"),
                Some(_) => {}
                None if want.contains_key(name) => self.file(Problem::Missing, name.into(), "it is not here"),
                None => {}
            }
        }
        let keys = self.keys();

        // Every camera and recording that is here or should be.
        let names: BTreeSet<&str> = want.keys().map(String::as_str).chain(found.keys().copied()).collect();
        let mut recordings: BTreeMap<(CameraId, RecordingId), Vec<&str>> = BTreeMap::new();
        let mut cameras: BTreeSet<CameraId> = BTreeSet::new();
        for name in &names {
            match Name::parse(name) {
                Some(Name::Recording(c, r) | Name::Piece(c, r, _)) => recordings.entry((c, r)).or_default().push(name),
                Some(Name::Camera(c)) => _ = cameras.insert(c),
                Some(Name::File) | None => {}
            }
        }
        cameras.extend(recordings.keys().map(|(c, _)| *c));
        let mut docs: BTreeMap<CameraId, (Option<CameraDoc>, bool)> = BTreeMap::new();
        for camera in &cameras {
            let name = format!("{camera}/{CAMERA}");
            let doc = text(&name)?;
            let good = doc.as_ref().is_some_and(|d| d.good == Some(true));
            let parsed = doc.as_ref().and_then(|d| serde_json::from_slice::<CameraDoc>(&d.bytes).ok());
            if doc.as_ref().is_some_and(|d| d.good == Some(false) || parsed.is_none()) {
                let what = "what is said of the camera and of what is here of it was changed";
                self.member(Problem::Changed, &name, None, what);
            }
            for e in parsed.iter().flat_map(|d| &d.recordings) {
                self.excerpts.insert((*camera, e.recording), (e.from, e.to));
            }
            docs.insert(*camera, (parsed, good));
            let events = format!("{camera}/{EVENTS}");
            if let Some(events_text) = text(&events)?
                && events_text.good == Some(false)
            {
                self.events(*camera, &events, &events_text.bytes, want.get(&events).map_or(&[], |w| &w.lines));
            }
        }

        let mut outputs: BTreeMap<(CameraId, RecordingId), Output> = BTreeMap::new();
        let hashed = std::thread::scope(|scope| -> io::Result<_> {
            let media = found.values().filter(|f| matches!(Name::parse(&f.member.name), Some(Name::Piece(..))));
            let media: Vec<&Found> = media.copied().collect();
            let hashing = scope.spawn(move || hash_all(source, &media));
            for ((camera, recording), members) in &recordings {
                let (header, chain) =
                    (format!("{camera}/{recording}/{HEADER}"), format!("{camera}/{recording}/{CHAIN}"));
                let (header, chain) = (text(&header)?, text(&chain)?);
                let mut bodies: Vec<Body> = Vec::new();
                for name in members {
                    if let (Some(Name::Piece(_, _, piece)), Some(f)) = (Name::parse(name), found.get(name)) {
                        let size = want.get(*name).map_or(f.member.size, |w| w.size);
                        bodies.push(Body { piece, member: (*name).into(), data: f.data.clone(), size });
                    }
                }
                bodies.sort_by_key(|b| b.piece);
                let excerpt = docs
                    .get(camera)
                    .and_then(|(d, _)| d.as_ref())
                    .and_then(|d| d.recordings.iter().find(|e| e.recording == *recording));
                let clocks: BTreeMap<CameraStream, u32> =
                    excerpt.map(|e| e.clocks.iter().map(|c| (c.stream, c.hz)).collect()).unwrap_or_default();
                let input = Input {
                    camera: *camera,
                    recording: *recording,
                    header: header.as_ref().map(|h| &h.bytes[..]),
                    chain: chain.as_ref().map_or(&[], |c| &c.bytes),
                    bodies,
                    clocks,
                    keys: &keys,
                };
                let mut out = match chain {
                    Some(_) => Check::new(source, input).run(),
                    None => Output::default(),
                };
                for finding in std::mem::take(&mut out.findings) {
                    self.push(finding);
                }
                outputs.insert((*camera, *recording), out);
            }
            hashing.join().map_err(|_| io::Error::other("the hashing thread died"))?
        })?;

        self.compare(&want, &found, &hashed, &outputs, &text)?;
        self.cross(&docs, &outputs, &text)?;
        self.signers(&outputs, &keys);
        if !container.sound && !self.findings.iter().any(|f| f.camera.is_some()) {
            self.file(
                Problem::Container,
                String::new(),
                "the container around its members was changed, or the file is cut off",
            );
        }
        self.summarise(&cameras, &docs, &outputs);
        Ok(())
    }

    /// Checks the signature over the list of hashes. The list is given back even if it does not fit, as a hint.
    fn authenticate(&mut self, hashes: Option<Vec<u8>>, signature: Option<Vec<u8>>, sound: bool) -> Option<Hashes> {
        let (Some(hashes), Some(signature)) = (&hashes, &signature) else {
            let problem = if sound { Problem::Missing } else { Problem::CutOff };
            self.file(problem, SIGNATURE.into(), "the signed list of hashes is not here");
            return hashes.and_then(|h| serde_json::from_slice(&h).ok());
        };
        let doc: Option<SignatureDoc> = serde_json::from_slice(signature).ok();
        let parsed = doc.as_ref().and_then(|d| {
            let mut bytes = [0; 64];
            hex::decode_to_slice(&d.signature, &mut bytes).ok()?;
            let public = parse_hash(&d.public)?;
            (d.suite == SUITE && d.key == key_id(&public)).then_some((public, bytes))
        });
        let Some((public, bytes)) = parsed else {
            self.file(Problem::Signature, SIGNATURE.into(), "the signature can't be read");
            return serde_json::from_slice(hashes).ok();
        };
        self.key = Some(public);
        if let Some(expected) = self.expected {
            self.key_verdict = if expected == public { KeyVerdict::Expected } else { KeyVerdict::Other };
            if expected != public {
                self.file(
                    Problem::OtherKey,
                    SIGNATURE.into(),
                    "the file is signed by another key than the expected one",
                );
            }
        }
        let good = crate::verify(&public, &[DOMAIN, &sha256(hashes)].concat(), &bytes);
        // One way to write it: a signature's file has no room for anything else.
        let canonical = doc.as_ref().is_some_and(|d| super::export::json(d) == *signature);
        if !good || !canonical {
            self.file(Problem::Signature, HASHES.into(), "the list of hashes or its signature was changed");
        }
        serde_json::from_slice(hashes).ok()
    }

    fn wanted(&mut self, hashes: Option<&Hashes>, found: &BTreeMap<&str, &Found>) -> BTreeMap<String, Want> {
        let mut want = BTreeMap::new();
        if let Some(hashes) = hashes {
            let of = |m: &MemberHash| Want { size: m.size, sha256: parse_hash(&m.sha256), lines: m.lines.clone() };
            want.extend(hashes.members.iter().map(|m| (m.name.clone(), of(m))));
            for name in found.keys() {
                if !want.contains_key(*name) && ![HASHES, SIGNATURE].contains(name) {
                    self.member(Problem::Added, name, None, "a member that was not exported");
                }
            }
        } else if let Some(m) = &self.manifest {
            let of = |size| Want { size, sha256: None, lines: Vec::new() };
            want.extend(m.members.iter().map(|m| (m.name.clone(), of(m.size))));
        }
        want
    }

    /// Public keys by id: those that the manifest names, and the one that signed the file.
    fn keys(&self) -> BTreeMap<String, [u8; 32]> {
        let named = self.manifest.iter().flat_map(|m| &m.keys).filter_map(|k| parse_hash(&k.public));
        named.chain(self.key).map(|public| (key_id(&public), public)).collect()
    }

    /// A finding about a whole member.
    fn member(
        &mut self,
        problem: Problem,
        name: &str,
        span: Option<(UnixMillis, UnixMillis)>,
        detail: impl Into<String>,
    ) {
        let parsed = Name::parse(name);
        let stream = match &parsed {
            Some(Name::Piece(_, _, piece)) => piece.stream(),
            _ => None,
        };
        let camera = parsed.as_ref().and_then(Name::camera);
        let recording = owner(name).and_then(|(c, r)| Some((c, r?)));
        let excerpt = recording.and_then(|key| self.excerpts.get(&key).copied());
        let started = recording.map(|(_, r)| UnixMillis(r.0.timestamp_ms() as i64));
        let span = span.or(excerpt).or(started.map(|s| (s, s))).or_else(|| {
            let range = self.manifest.as_ref().map(|m| (m.from, m.to));
            range.filter(|_| camera.is_some())
        });
        let (from, to) = (span.map(|s| s.0), span.map(|s| s.1));
        let member = name.chars().take(200).collect();
        self.push(Finding { camera, stream, from, to, problem, member, detail: detail.into() });
    }

    /// Says which line of the list of gaps and clock offsets was changed.
    fn events(&mut self, camera: CameraId, member: &str, bytes: &[u8], lines: &[String]) {
        let there: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
        let at = |line: Option<&&[u8]>| line.and_then(|l| serde_json::from_slice::<Event>(l).ok()).map(|e| e.at);
        let hashed: Vec<String> = there.iter().map(|l| hex::encode(sha256(l))).collect();
        let known: BTreeSet<&String> = lines.iter().collect();
        let here: BTreeSet<&String> = hashed.iter().collect();
        let before = self.findings.len();
        let mut find = |problem, at: Option<UnixMillis>, detail: &str| {
            let (member, detail) = (member.to_owned(), detail.to_owned());
            self.push(Finding { camera: Some(camera), stream: None, from: at, to: at, problem, member, detail });
        };
        for (i, hash) in hashed.iter().enumerate() {
            if !known.contains(hash) {
                let at = at(there.get(i)).or_else(|| at(there.get(i.wrapping_sub(1)))).or_else(|| at(there.get(i + 1)));
                find(Problem::Changed, at, "a gap or a clock offset was changed");
            }
        }
        if hashed.len() < lines.len() {
            let gone = lines.iter().position(|l| !here.contains(l)).unwrap_or(0);
            let at = at(there.get(gone)).or_else(|| at(there.get(gone.wrapping_sub(1))));
            find(Problem::Missing, at, "a gap or a clock offset was taken out");
        }
        if self.findings.len() == before {
            let at = at(there.first());
            let camera = Some(camera);
            let detail = "gaps and clock offsets are in another order".into();
            self.push(Finding {
                camera,
                stream: None,
                from: at,
                to: at,
                problem: Problem::OutOfOrder,
                member: member.into(),
                detail,
            });
        }
    }

    /// Compares every member with what it should be; what the chains already told of is not told twice.
    fn compare(
        &mut self,
        want: &BTreeMap<String, Want>,
        found: &BTreeMap<&str, &Found>,
        hashed: &BTreeMap<String, (Hash, u32)>,
        outputs: &BTreeMap<(CameraId, RecordingId), Output>,
        text: &dyn Fn(&str) -> io::Result<Option<Text>>,
    ) -> io::Result<()> {
        let told: BTreeSet<String> = self.findings.iter().map(|f| f.member.clone()).collect();
        let troubled: BTreeSet<(CameraId, Option<RecordingId>)> =
            self.findings.iter().filter_map(|f| owner(&f.member)).collect();
        for (name, w) in want {
            let owner = owner(name);
            let out = owner.and_then(|(c, r)| outputs.get(&(c, r?)));
            let span = out.and_then(|o| o.spans.get(name).copied().or(o.span));
            let Some(f) = found.get(name.as_str()) else {
                if !told.contains(name) {
                    self.member(Problem::Missing, name, span, "a member that was exported is not here");
                }
                continue;
            };
            let (sha, crc) = match hashed.get(name) {
                Some((sha, crc)) => (*sha, *crc),
                None => match text(name)? {
                    Some(t) => (sha256(&t.bytes), crc32fast::hash(&t.bytes)),
                    None => continue,
                },
            };
            if w.sha256.is_some_and(|s| s != sha) || w.sha256.is_none() && w.size != f.data.end - f.data.start {
                let of_chain = name.ends_with(CHAIN) && owner.is_some_and(|o| troubled.contains(&o));
                if !told.contains(name) && !of_chain {
                    let what = match Name::parse(name) {
                        Some(Name::Recording(..)) if name.ends_with(HEADER) => "the recording's header was changed",
                        Some(Name::Recording(..)) => "the chain was changed or cut",
                        Some(Name::Piece(..)) => "its init segment, or what the chain does not tell of, was changed",
                        _ => "it was changed",
                    };
                    self.member(Problem::Changed, name, span, what);
                }
            } else if crc != f.member.crc {
                self.member(Problem::Container, name, span, "its checksum in the container was changed");
            }
        }
        for (name, f) in found.iter().filter(|(n, _)| [HASHES, SIGNATURE].contains(n)) {
            if let Some(t) = text(name)?
                && crc32fast::hash(&t.bytes) != f.member.crc
            {
                self.member(Problem::Container, name, None, "its checksum in the container was changed");
            }
        }
        Ok(())
    }

    /// What one member says of another.
    fn cross(
        &mut self,
        docs: &BTreeMap<CameraId, (Option<CameraDoc>, bool)>,
        outputs: &BTreeMap<(CameraId, RecordingId), Output>,
        text: &dyn Fn(&str) -> io::Result<Option<Text>>,
    ) -> io::Result<()> {
        let troubled: BTreeSet<CameraId> = self.findings.iter().filter_map(|f| f.camera).collect();
        for ((camera, recording), out) in outputs {
            if troubled.contains(camera) {
                continue;
            }
            let name = format!("{camera}/{recording}/{HEADER}");
            let header = text(&name)?.and_then(|t| serde_json::from_slice::<Header<CameraRecording>>(&t.bytes).ok());
            let Some(header) = header.map(|h| h.meta) else {
                self.member(Problem::Unreadable, &name, out.span, "the recording's header can't be read");
                continue;
            };
            let id_time = recording.0.timestamp_ms() as i64;
            if header.id != *recording || header.camera.camera != *camera || header.started.0 != id_time {
                self.member(Problem::Changed, &name, out.span, "the header is that of another recording or time");
            }
            // The recording before it, if its end is here.
            if let Some(previous) = &header.previous
                && let Some(before) = outputs.get(&(*camera, previous.recording))
                && let Some((_, head)) = before.heads.iter().find(|(n, _)| *n == previous.records)
                && parse_hash(&previous.head) != Some(*head)
            {
                self.member(Problem::Changed, &name, out.span, "it does not follow on the recording before it");
            }
            let doc = docs.get(camera).and_then(|(d, good)| d.as_ref().filter(|_| *good));
            let excerpt = doc.and_then(|d| d.recordings.iter().find(|e| e.recording == *recording));
            if let Some(e) = excerpt
                && (e.records != out.records || e.first_record != out.first_record || parse_hash(&e.head) != out.head)
            {
                let name = format!("{camera}/{recording}/{CHAIN}");
                self.member(Problem::CutOff, &name, out.span, "it holds another stretch than was exported");
            }
        }
        Ok(())
    }

    /// With an expected key, every head must be signed by it.
    fn signers(&mut self, outputs: &BTreeMap<(CameraId, RecordingId), Output>, keys: &BTreeMap<String, [u8; 32]>) {
        let Some(expected) = self.expected else { return };
        for ((camera, recording), out) in outputs {
            if out.signers.iter().any(|id| keys.get(id).is_some_and(|k| *k != expected)) {
                self.key_verdict = KeyVerdict::Other;
                let name = format!("{camera}/{recording}/{CHAIN}");
                self.member(
                    Problem::OtherKey,
                    &name,
                    out.span,
                    "heads are signed by another key than the expected one",
                );
            }
        }
    }

    fn summarise(
        &mut self,
        cameras: &BTreeSet<CameraId>,
        docs: &BTreeMap<CameraId, (Option<CameraDoc>, bool)>,
        outputs: &BTreeMap<(CameraId, RecordingId), Output>,
    ) {
        for camera in cameras {
            let named = self.manifest.as_ref().and_then(|m| m.cameras.iter().find(|c| c.camera == *camera));
            let doc = docs.get(camera).and_then(|(d, _)| d.as_ref());
            let name = named.map(|n| n.name.clone()).or_else(|| doc.map(|d| d.camera.name.clone()));
            let of: Vec<&Output> = outputs.iter().filter(|((c, _), _)| c == camera).map(|(_, o)| o).collect();
            self.cameras.push(CameraChecked {
                camera: *camera,
                name: name.unwrap_or_default(),
                recordings: of.len() as u64,
                records: of.iter().map(|o| o.records).sum(),
                signatures: of.iter().map(|o| o.signatures).sum(),
                from: of.iter().filter_map(|o| o.span).map(|s| s.0).min(),
                to: of.iter().filter_map(|o| o.span).map(|s| s.1).max(),
            });
        }
    }
}

/// SHA-256 and CRC-32 of members, in the order of the file.
fn hash_all<S: Source + ?Sized>(source: &S, members: &[&Found]) -> io::Result<BTreeMap<String, (Hash, u32)>> {
    let mut members: Vec<&&Found> = members.iter().collect();
    members.sort_by_key(|f| f.data.start);
    let mut buf = vec![0; 1 << 20];
    let mut out = BTreeMap::new();
    for f in members {
        let (mut sha, mut crc) = (digest::Context::new(&SHA256), crc32fast::Hasher::new());
        let mut at = f.data.start;
        while at < f.data.end {
            let n = usize::try_from(f.data.end - at).unwrap_or(usize::MAX).min(buf.len());
            source.read_at(&mut buf[..n], at)?;
            sha.update(&buf[..n]);
            crc.update(&buf[..n]);
            at += n as u64;
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(sha.finish().as_ref());
        out.insert(f.member.name.clone(), (hash, crc.finalize()));
    }
    Ok(out)
}
