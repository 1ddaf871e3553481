//! Says how a record's bytes are wrong: changed, missing, somewhere else, at another time. Only asked once a link does not
//! fit, so it may look further; what it looks at is bounded, for the file may be made to keep us busy.

use super::{
    chain::{self, Check, Hash, link},
    format::{CHAIN, PieceOf, RECORD_BYTES_MAX},
    report::Problem,
    zip::Source,
};
use crate::{ChainKind, ChainRecord, Line};
use lectern_fmp4::scan;
use std::collections::BTreeMap;

/// How many links are tried in one recording to find out how something is wrong.
const TRIES_MAX: u32 = 50_000;
/// How many bytes are hashed for it.
const TRIED_BYTES_MAX: u64 = 2 << 30;
/// The most fragments that are looked for in a member.
const FRAGMENTS_MAX: usize = 1 << 20;

/// A fragment as it lies in a member.
#[derive(Debug, Clone, Copy)]
struct Walked {
    at: u64,
    len: u64,
    dts: u64,
}

/// A record whose link does not fit its bytes.
#[derive(Clone, Copy)]
pub(super) struct Wrong<'a> {
    /// Which line of the chain.
    pub(super) i: usize,
    pub(super) r: &'a ChainRecord,
    /// The link before.
    pub(super) previous: &'a Hash,
    /// The link as listed.
    pub(super) listed: &'a Hash,
    /// The record before it in its file does not end where this one begins.
    pub(super) gap: bool,
}

#[derive(Debug)]
pub(super) struct Explainer {
    /// The fragments of members of which something did not fit.
    walks: BTreeMap<usize, Vec<Walked>>,
    tries: u32,
    bytes: u64,
}

impl Default for Explainer {
    fn default() -> Self {
        Self { walks: BTreeMap::new(), tries: TRIES_MAX, bytes: TRIED_BYTES_MAX }
    }
}

impl Explainer {
    /// Whether the record's bytes are at `at`, with this time.
    fn fits<S: Source + ?Sized>(
        &mut self,
        check: &Check<'_, S>,
        body: usize,
        (at, len): (u64, u64),
        (previous, time, listed): (&Hash, u64, &Hash),
    ) -> bool {
        if self.tries == 0 || self.bytes < len {
            return false;
        }
        (self.tries, self.bytes) = (self.tries - 1, self.bytes - len);
        let mut buf = Vec::new();
        check.bytes(body, at, len, &mut buf).is_some() && link(previous, time, &buf) == *listed
    }

    pub(super) fn record<S: Source + ?Sized>(
        &mut self,
        check: &mut Check<'_, S>,
        lines: &[chain::Line],
        wrong: &Wrong<'_>,
    ) {
        let Wrong { r, previous, listed, gap, .. } = *wrong;
        let chain = check.member(CHAIN);
        let Some((body, at)) = check.place(r) else {
            let file = r.file.chars().take(60).collect::<String>();
            check.find(Problem::Missing, Some(r), chain, format!("no member holds bytes of {file}"));
            return;
        };
        let (member, there, size) = {
            let b = &check.input.bodies[body];
            (b.member.clone(), b.data.end - b.data.start, b.size)
        };
        // Something before it was taken out or put in: everything is moved by as much.
        let moved = i128::from(there) - i128::from(size);
        if moved != 0
            && let Ok(at) = u64::try_from(i128::from(at) + moved)
            && self.fits(check, body, (at, r.len), (previous, r.time, listed))
        {
            check.reached.insert(body, at.saturating_add(r.len));
            // Once for each member it is told what happened.
            if !check.out.findings.iter().any(|f| f.member == member) {
                let (problem, what) = match moved > 0 {
                    true => (Problem::Added, "bytes were put in before this"),
                    false => (Problem::Missing, "bytes were taken out before this"),
                };
                check.find_before(problem, r, body, member, what);
            }
            return;
        }
        if r.kind != ChainKind::Frag {
            // These tell their time themselves.
            let mut buf = Vec::new();
            let own = check.bytes(body, at, r.len, &mut buf).and_then(|()| match r.kind {
                ChainKind::Line => serde_json::from_slice::<Line>(&buf).ok().map(|l| l.at_ms),
                _ => crate::camera::raw::parse_block(&buf)
                    .and_then(|(units, _)| units.first().map(|u| u.arrival))
                    .map(|at| check.since_start(at)),
            });
            if let Some(time) = own.filter(|t| *t != r.time)
                && self.fits(check, body, (at, r.len), (previous, time, listed))
            {
                let recorded = ChainRecord { time, ..r.clone() };
                check.find(Problem::TimeChanged, Some(&recorded), chain, "an entry of the chain tells of another time");
                return;
            }
            let (problem, what) = match at.saturating_add(r.len) > there {
                true => (Problem::CutOff, "the bytes of an entry are not there"),
                false => (Problem::Changed, "bytes are not those that were recorded"),
            };
            check.find(problem, Some(r), member, what);
            return;
        }
        self.walk(check, body);
        if gap {
            check.find(Problem::Missing, Some(r), chain, "entries before this one were taken out of the chain");
            return;
        }
        self.fragment(check, lines, wrong, (body, at), &member);
    }

    fn fragment<S: Source + ?Sized>(
        &mut self,
        check: &mut Check<'_, S>,
        lines: &[chain::Line],
        wrong: &Wrong<'_>,
        (body, at): (usize, u64),
        member: &str,
    ) {
        let Wrong { i, r, previous, listed, .. } = *wrong;
        let fragments = self.walks.get(&body).cloned().unwrap_or_default();
        // Where it should follow, as things lie now.
        let reached = check.reached.get(&body).copied().unwrap_or(check.input.bodies[body].piece.init);
        let end = |w: &Walked| w.at.saturating_add(w.len);
        // Somewhere else?
        for w in fragments.iter().filter(|w| w.len == r.len && w.dts == r.time).take(8) {
            if self.fits(check, body, (w.at, w.len), (previous, r.time, listed)) {
                if w.at != reached {
                    let what = "a fragment is not where it was recorded";
                    check.find_before(Problem::OutOfOrder, r, body, member.into(), what);
                }
                check.reached.insert(body, end(w));
                return;
            }
        }
        // At its place, with an entry or a time that was changed?
        if let Some(w) = fragments.iter().find(|w| w.at == at) {
            if self.fits(check, body, (w.at, w.len), (previous, w.dts, listed)) {
                check.reached.insert(body, end(w));
                let (problem, what) = match w.dts == r.time {
                    true => (Problem::Changed, "an entry of the chain tells of another length"),
                    false => (Problem::TimeChanged, "an entry of the chain tells of another time"),
                };
                let recorded = ChainRecord { time: w.dts, ..r.clone() };
                check.find(problem, Some(&recorded), check.member(CHAIN), what);
                return;
            }
            if w.len == r.len && w.dts != r.time && self.retimed(check, body, w, wrong) {
                check.reached.insert(body, end(w));
                check.find(Problem::TimeChanged, Some(r), member.into(), "the decode time of a fragment was changed");
                return;
            }
        }
        let next = fragments.iter().find(|w| w.at >= reached);
        let same = |w: &Walked, o: &ChainRecord| (o.time, o.len) == (w.dts, w.len) && o.file == r.file;
        let following = || lines[i + 1..].iter().take(64);
        let of_another =
            next.is_some_and(|w| following().any(|l| matches!(l, chain::Line::Record(o, _) if same(w, o))));
        let there = check.input.bodies[body].data.end - check.input.bodies[body].data.start;
        match next {
            None if at.saturating_add(r.len) > there => {
                check.find(Problem::CutOff, Some(r), member.into(), "the stream ends before this");
            }
            Some(_) if of_another => {
                check.find(Problem::Missing, Some(r), member.into(), "a fragment that was recorded is not here");
            }
            _ => {
                if let Some(w) = next {
                    check.reached.insert(body, end(w));
                }
                check.find(Problem::Changed, Some(r), member.into(), "bytes are not those that were recorded");
            }
        }
    }

    /// Whether a fragment is the recorded one but for its decode time.
    fn retimed<S: Source + ?Sized>(
        &mut self,
        check: &Check<'_, S>,
        body: usize,
        w: &Walked,
        Wrong { r, previous, listed, .. }: &Wrong<'_>,
    ) -> bool {
        let time = r.time;
        let mut buf = Vec::new();
        if self.tries == 0 || self.bytes < w.len || check.bytes(body, w.at, w.len, &mut buf).is_none() {
            return false;
        }
        (self.tries, self.bytes) = (self.tries - 1, self.bytes - w.len);
        // `tfdt` of version 1: type, version and flags, then the time in 64 bits.
        let Some(tfdt) = buf.windows(4).take(1 << 16).position(|b| b == b"tfdt") else { return false };
        let Some(field) = buf.get_mut(tfdt + 8..tfdt + 16) else { return false };
        field.copy_from_slice(&time.to_be_bytes());
        link(previous, time, &buf) == **listed
    }

    /// Finds the fragments of a member, whatever is between them.
    fn walk<S: Source + ?Sized>(&mut self, check: &Check<'_, S>, body: usize) {
        if self.walks.contains_key(&body) {
            return;
        }
        let mut walk = Vec::new();
        let b = &check.input.bodies[body];
        if matches!(b.piece.of, PieceOf::Part { .. }) {
            let (size, mut at) = (b.data.end - b.data.start, b.piece.init);
            let (mut buf, mut skipped) = (Vec::new(), 0u64);
            while at < size && walk.len() < FRAGMENTS_MAX && skipped < TRIED_BYTES_MAX {
                let room = (size - at).min((scan::MOOF_BYTES_MAX + 128) as u64).min(4096);
                if check.bytes(body, at, room, &mut buf).is_none() {
                    break;
                }
                let mut head = scan::parse_fragment_head(&buf);
                if head == Err(scan::ScanError::Truncated) && size - at > room {
                    let room = (size - at).min((scan::MOOF_BYTES_MAX + 128) as u64);
                    if check.bytes(body, at, room, &mut buf).is_none() {
                        break;
                    }
                    head = scan::parse_fragment_head(&buf);
                }
                match head {
                    Ok(h) if h.len as u64 <= (size - at).min(RECORD_BYTES_MAX) => {
                        walk.push(Walked { at, len: h.len as u64, dts: h.dts });
                        at += h.len as u64;
                    }
                    _ => {
                        // The next thing that looks like the beginning of one.
                        let found = buf.windows(4).skip(5).position(|w| w == b"styp").map(|p| p + 1);
                        let step = found.unwrap_or_else(|| buf.len().saturating_sub(7).max(1)) as u64;
                        (at, skipped) = (at + step, skipped + step);
                    }
                }
            }
        }
        self.walks.insert(body, walk);
    }
}
