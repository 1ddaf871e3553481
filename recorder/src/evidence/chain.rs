//! One recording's excerpt: computes every link anew from the bytes and compares signed heads. What does not fit is handed to
//! `explain`, which says how.

use super::{
    explain::{Explainer, Wrong},
    format::{Name, Piece, PieceOf, RECORD_BYTES_MAX},
    report::{Finding, Problem},
    zip::Source,
};
use crate::{
    ChainKind, ChainRecord, HeadSignature,
    chain::parse_hash,
    journal,
    writer::{parse_part_name, parse_raw_name},
};
use aws_lc_rs::digest::{self, SHA256};
use lectern_fmp4::scan;
use lectern_media::{CameraId, CameraStream, RecordingId, UnixMillis};
use std::{collections::BTreeMap, ops::Range};

pub(super) type Hash = [u8; 32];

/// Entries follow each other more closely than this while anything is recorded.
const FAR_MS: u64 = 5000;

/// A member with bytes of the recording.
#[derive(Debug, Clone)]
pub(super) struct Body {
    pub(super) piece: Piece,
    pub(super) member: String,
    pub(super) data: Range<u64>,
    /// How long it should be.
    pub(super) size: u64,
}

/// What there is of a recording.
pub(super) struct Input<'a> {
    pub(super) camera: CameraId,
    pub(super) recording: RecordingId,
    pub(super) header: Option<&'a [u8]>,
    pub(super) chain: &'a [u8],
    /// In order.
    pub(super) bodies: Vec<Body>,
    /// Ticks a second of the streams that don't have their codec's.
    pub(super) clocks: BTreeMap<CameraStream, u32>,
    /// Public keys by id.
    pub(super) keys: &'a BTreeMap<String, [u8; 32]>,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Output {
    pub(super) findings: Vec<Finding>,
    pub(super) records: u64,
    pub(super) signatures: u64,
    pub(super) first_record: u64,
    pub(super) head: Option<Hash>,
    /// The first picture or sound, and the end of the last.
    pub(super) span: Option<(UnixMillis, UnixMillis)>,
    /// When each member's content begins and ends.
    pub(super) spans: BTreeMap<String, (UnixMillis, UnixMillis)>,
    /// Links by the number of records up to them: the following recording names one.
    pub(super) heads: Vec<(u64, Hash)>,
    /// Keys that signed.
    pub(super) signers: std::collections::BTreeSet<String>,
}

pub(super) enum Line {
    Record(ChainRecord, Hash),
    Signature(HeadSignature),
    Bad,
}

pub(super) fn lines(chain: &[u8]) -> Vec<Line> {
    let parse = |text: &[u8]| {
        if !text.ends_with(b"\n") {
            return Line::Bad;
        }
        if let Ok(record) = serde_json::from_slice::<ChainRecord>(text) {
            return match parse_hash(&record.hash) {
                Some(hash) if record.len <= RECORD_BYTES_MAX => Line::Record(record, hash),
                _ => Line::Bad,
            };
        }
        serde_json::from_slice(text).map_or(Line::Bad, Line::Signature)
    };
    chain.split_inclusive(|b| *b == b'\n').map(parse).collect()
}

/// `h_i = H(h_{i-1} ‖ len ‖ time ‖ bytes)` (invariant 5).
pub(super) fn link(previous: &Hash, time: u64, bytes: &[u8]) -> Hash {
    let mut h = digest::Context::new(&SHA256);
    h.update(previous);
    h.update(&(bytes.len() as u64).to_be_bytes());
    h.update(&time.to_be_bytes());
    h.update(bytes);
    let mut out = [0; 32];
    out.copy_from_slice(h.finish().as_ref());
    out
}

pub(super) fn sha256(bytes: &[u8]) -> Hash {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&SHA256, bytes).as_ref());
    out
}

/// The work on one recording.
pub(super) struct Check<'a, S: ?Sized> {
    pub(super) source: &'a S,
    pub(super) input: Input<'a>,
    pub(super) out: Output,
    /// When the last record was, for lines that can't be read.
    now: UnixMillis,
    /// Where the next record of each file begins.
    next: BTreeMap<String, u64>,
    buf: Vec<u8>,
    /// Where the last record of each member was found to end.
    pub(super) reached: BTreeMap<usize, u64>,
    /// When the last record of each member ended.
    told: BTreeMap<usize, UnixMillis>,
    /// The last record's link fits its bytes.
    fits: bool,
    explainer: Explainer,
    /// Something was found since the last signed head.
    troubled: bool,
}

impl<'a, S: Source + ?Sized> Check<'a, S> {
    pub(super) fn new(source: &'a S, input: Input<'a>) -> Self {
        let now = UnixMillis(input.recording.0.timestamp_ms() as i64);
        Self {
            source,
            input,
            out: Output::default(),
            now,
            next: BTreeMap::new(),
            buf: Vec::new(),
            reached: BTreeMap::new(),
            told: BTreeMap::new(),
            fits: false,
            explainer: Explainer::default(),
            troubled: false,
        }
    }

    fn started(&self) -> i64 {
        self.input.recording.0.timestamp_ms() as i64
    }

    /// Milliseconds from the recording's start.
    pub(super) fn since_start(&self, at: UnixMillis) -> u64 {
        u64::try_from(at.0.saturating_sub(self.started())).unwrap_or(0)
    }

    pub(super) fn member(&self, file: &str) -> String {
        format!("{}/{}/{file}", self.input.camera, self.input.recording)
    }

    fn stream(&self, r: &ChainRecord) -> Option<CameraStream> {
        let track = parse_part_name(&r.file).map(|(t, _)| t).or_else(|| parse_raw_name(&r.file))?;
        self.input.camera.stream(track)
    }

    /// When a record's content begins and ends.
    fn when(&self, r: &ChainRecord) -> (UnixMillis, UnixMillis) {
        let hz = self.stream(r).map_or(90_000, |s| match (self.input.clocks.get(&s), s) {
            (Some(hz), _) => (*hz).max(1),
            (None, CameraStream::Sound) => 8_000,
            (None, _) => 90_000,
        });
        let at = |ticks: u64, hz: u32| {
            let ms = u128::from(ticks) * 1000 / u128::from(hz);
            UnixMillis(self.started().saturating_add(i64::try_from(ms).unwrap_or(i64::MAX)))
        };
        match r.kind {
            ChainKind::Frag => (at(r.time, hz), at(r.time.saturating_add(r.duration), hz)),
            ChainKind::Init => (self.now, self.now),
            ChainKind::Line | ChainKind::Raw => (at(r.time, 1000), at(r.time, 1000)),
        }
    }

    pub(super) fn find(
        &mut self,
        problem: Problem,
        r: Option<&ChainRecord>,
        member: String,
        detail: impl Into<String>,
    ) {
        let (mut from, mut to) = r.map_or((self.now, self.now), |r| self.when(r));
        // An entry that is far from those before it may itself be what was changed.
        if from.0.abs_diff(self.now.0) > FAR_MS {
            (from, to) = (from.min(self.now), to.max(self.now).min(UnixMillis(from.0.max(self.now.0))));
        }
        let stream = r.and_then(|r| self.stream(r));
        self.find_at(problem, stream, (from, to), member, detail);
    }

    /// Something is wrong between the record before and this one.
    pub(super) fn find_before(&mut self, problem: Problem, r: &ChainRecord, body: usize, member: String, detail: &str) {
        let (from, to) = self.when(r);
        let from = self.told.get(&body).map_or(from, |t| from.min(*t));
        self.find_at(problem, self.stream(r), (from, to), member, detail);
    }

    fn find_at(
        &mut self,
        problem: Problem,
        stream: Option<CameraStream>,
        (from, to): (UnixMillis, UnixMillis),
        member: String,
        detail: impl Into<String>,
    ) {
        self.troubled = true;
        // What goes on is one finding.
        if let Some(last) = self.out.findings.last_mut()
            && (last.problem, last.stream, &last.member) == (problem, stream, &member)
            && last.to.is_some_and(|t| from.0.saturating_sub(t.0) <= 1000)
        {
            last.to = last.to.max(Some(to));
            return;
        }
        let camera = Some(self.input.camera);
        let detail = detail.into();
        self.out.findings.push(Finding { camera, stream, from: Some(from), to: Some(to), problem, member, detail });
    }

    /// Which member a record's bytes are in, and where they begin in it.
    pub(super) fn place(&self, r: &ChainRecord) -> Option<(usize, u64)> {
        let wanted = if r.file == journal::FILE {
            PieceOf::Timeline
        } else if let Some(track) = parse_raw_name(&r.file) {
            PieceOf::Raw(self.input.camera.stream(track)?)
        } else {
            let (track, number) = parse_part_name(&r.file)?;
            PieceOf::Part { stream: self.input.camera.stream(track)?, number, lead: false }
        };
        let same = |of: PieceOf| match of {
            PieceOf::Part { stream, number, .. } => PieceOf::Part { stream, number, lead: false } == wanted,
            of => of == wanted,
        };
        let bodies = self.input.bodies.iter().enumerate();
        let (i, body) = bodies
            .filter(|(_, b)| same(b.piece.of) && b.piece.offset <= r.offset)
            .max_by_key(|(_, b)| b.piece.offset)?;
        Some((i, body.piece.init.saturating_add(r.offset - body.piece.offset)))
    }

    /// Bytes of a member; `None` if they are not all there.
    pub(super) fn bytes(&self, body: usize, at: u64, len: u64, buf: &mut Vec<u8>) -> Option<()> {
        let data = &self.input.bodies[body].data;
        let from = data.start.checked_add(at)?;
        if from.checked_add(len)? > data.end || len > RECORD_BYTES_MAX {
            return None;
        }
        buf.resize(usize::try_from(len).ok()?, 0);
        self.source.read_at(buf, from).ok()
    }

    pub(super) fn run(mut self) -> Output {
        let lines = lines(self.input.chain);
        let chain_member = self.member(super::format::CHAIN);
        // Where the excerpt begins, should its first line not say so.
        let timed = lines.iter().find_map(|l| match l {
            Line::Record(r, _) if r.kind != ChainKind::Init => Some(self.when(r).0),
            _ => None,
        });
        self.now = timed.unwrap_or(self.now);
        let mut previous: Option<Hash> = self.input.header.map(sha256);
        let (mut count, mut signed): (Option<u64>, Option<Hash>) = (Some(0), Some([0; 32]));
        for (i, line) in lines.iter().enumerate() {
            match line {
                // The head before the excerpt.
                Line::Signature(s) if i == 0 => {
                    (count, previous) = (Some(s.signs), parse_hash(&s.head));
                    self.out.first_record = s.signs;
                    self.out.heads.extend(previous.map(|h| (s.signs, h)));
                    if self.signature(s, &chain_member) {
                        self.now = s.at;
                    }
                    signed = s.digest(self.input.recording);
                    self.troubled = false;
                }
                Line::Record(r, listed) => {
                    self.out.records += 1;
                    count = count.map(|n| n + 1);
                    previous = Some(match previous {
                        Some(previous) => self.record(&lines, i, r, &previous, listed),
                        None => {
                            self.skip(r);
                            *listed
                        }
                    });
                    self.out.heads.extend(count.zip(previous));
                    if !self.fits {
                        continue;
                    }
                    let (from, to) = self.when(r);
                    self.now = if r.kind == ChainKind::Init { self.now } else { from };
                    if r.kind == ChainKind::Frag {
                        let span = self.out.span.get_or_insert((from, to));
                        *span = (span.0.min(from), span.1.max(to));
                    }
                    if let Some((body, _)) = self.place(r) {
                        self.told.insert(body, to);
                        let name = self.input.bodies[body].member.clone();
                        let span = self.out.spans.entry(name).or_insert((from, to));
                        *span = (span.0.min(from), span.1.max(to));
                    }
                }
                Line::Signature(s) => {
                    let good = self.signature(s, &chain_member);
                    let head = parse_hash(&s.head);
                    let troubled = std::mem::take(&mut self.troubled);
                    if good && !troubled && (head != previous || count != Some(s.signs)) {
                        let what = "entries of the chain before this signed head are missing or were changed";
                        self.find(Problem::Missing, None, chain_member.clone(), what);
                    }
                    let named = parse_hash(&s.previous);
                    if good && !troubled && signed.is_some() && named != signed {
                        let what = "a signed head before this one is missing";
                        self.find(Problem::Missing, None, chain_member.clone(), what);
                    }
                    // What comes after is checked by itself.
                    (previous, count, signed) = (head, Some(s.signs), s.digest(self.input.recording));
                    if good {
                        self.now = self.now.max(UnixMillis(s.at.0.saturating_sub(1000)));
                    }
                    self.troubled = false;
                }
                Line::Bad => {
                    self.find(Problem::Changed, None, chain_member.clone(), "an entry of the chain can't be read");
                    (previous, count) = (None, None);
                    self.out.records += 1;
                }
            }
        }
        if !matches!(lines.last(), Some(Line::Signature(_))) {
            self.find(Problem::CutOff, None, chain_member, "the chain does not end with a signed head");
        }
        self.out.head = previous;
        self.rest();
        self.out
    }

    /// Checks a signature; `false` if it is not good.
    fn signature(&mut self, s: &HeadSignature, member: &str) -> bool {
        self.out.signatures += 1;
        let good = self.input.keys.get(&s.key).is_some_and(|public| s.verify(self.input.recording, public));
        self.out.signers.insert(s.key.clone());
        if !good {
            let what = if self.input.keys.contains_key(&s.key) {
                "the signature of a head does not fit"
            } else {
                "a head is signed by a key that the file does not name"
            };
            self.find(Problem::Signature, None, member.into(), what);
        }
        good
    }

    /// A record whose link can't be computed, because what is before it can't be read.
    fn skip(&mut self, r: &ChainRecord) {
        self.fits = false;
        self.next.insert(r.file.clone(), r.end());
    }

    /// Checks a record's link; gives the link that the next one hangs on.
    fn record(&mut self, lines: &[Line], i: usize, r: &ChainRecord, previous: &Hash, listed: &Hash) -> Hash {
        let expected = self.next.insert(r.file.clone(), r.end());
        let mut buf = std::mem::take(&mut self.buf);
        let place = self.place(r);
        let there = place.and_then(|(body, at)| self.bytes(body, at, r.len, &mut buf));
        let computed = there.map(|()| link(previous, r.time, &buf));
        self.fits = computed == Some(*listed);
        let after = if self.fits {
            self.reached.extend(place.map(|(body, at)| (body, at.saturating_add(r.len))));
            if r.kind == ChainKind::Frag {
                let head = scan::parse_fragment(&buf);
                let fits = |h: &lectern_fmp4::FragmentInfo| {
                    (h.dts, h.duration(), h.starts_with_keyframe(), h.len)
                        == (r.time, r.duration, r.keyframe, buf.len())
                };
                if !head.as_ref().is_ok_and(fits) {
                    let member = self.member(super::format::CHAIN);
                    self.find(
                        Problem::Changed,
                        Some(r),
                        member,
                        "an entry tells of another length or keyframe than the fragment",
                    );
                }
            }
            if expected.is_some_and(|e| e != r.offset) {
                let member = self.member(super::format::CHAIN);
                self.find(
                    Problem::OutOfOrder,
                    Some(r),
                    member,
                    "an entry tells of another place than the one it follows",
                );
            }
            *listed
        } else {
            let gap = expected.is_some_and(|e| e != r.offset);
            self.explain(lines, &Wrong { i, r, previous, listed, gap }, computed)
        };
        self.buf = buf;
        after
    }

    fn explain(&mut self, lines: &[Line], wrong: &Wrong<'_>, computed: Option<Hash>) -> Hash {
        let Wrong { i, r, listed, .. } = *wrong;
        let chain_member = self.member(super::format::CHAIN);
        // If what follows hangs on what was computed, it is the entry that was changed, not the bytes.
        if let Some(computed) = computed {
            let follows = match lines.get(i + 1) {
                Some(Line::Signature(s)) => parse_hash(&s.head) == Some(computed),
                Some(Line::Record(next, hash)) => {
                    let mut buf = Vec::new();
                    let there = self.place(next).and_then(|(b, at)| self.bytes(b, at, next.len, &mut buf));
                    there.is_some_and(|()| link(&computed, next.time, &buf) == *hash)
                }
                _ => false,
            };
            if follows {
                self.find(Problem::Changed, Some(r), chain_member, "the link in the chain was changed");
                return computed;
            }
        }
        let mut explainer = std::mem::take(&mut self.explainer);
        explainer.record(self, lines, wrong);
        self.explainer = explainer;
        *listed
    }

    /// What is in the members behind or between what the chain tells of.
    fn rest(&mut self) {
        for body in 0..self.input.bodies.len() {
            let b = &self.input.bodies[body];
            let there = b.data.end - b.data.start;
            let member = b.member.clone();
            let explained = self.out.findings.iter().any(|f| f.member == member);
            if explained || there == b.size {
                continue;
            }
            let Some((_, to)) = self.out.spans.get(&member).copied() else { continue };
            let (problem, what) = match there > b.size {
                true => (Problem::Added, "there is more than was recorded"),
                false => (Problem::CutOff, "there is less than was recorded"),
            };
            let stream = b.piece.stream();
            self.find_at(problem, stream, (to, to), member, what);
        }
    }
}

/// The camera and recording of a member, for findings about whole members.
pub(super) fn owner(name: &str) -> Option<(CameraId, Option<RecordingId>)> {
    match Name::parse(name)? {
        Name::File => None,
        Name::Camera(c) => Some((c, None)),
        Name::Recording(c, r) | Name::Piece(c, r, _) => Some((c, Some(r))),
    }
}
