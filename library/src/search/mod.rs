//! The index over recordings, in memory: made at open from the store, changed with it. Title counts more than teacher
//! and subject, these more than school, that more than what was written in class.
//!
//! Bounded: [`DOCS_MAX`] recordings, each with at most [`crate::TextLine::BYTES_MAX`] of text; a query of
//! [`QUERY_CHARS_MAX`] characters and [`QUERY_RUNS_MAX`] words. Does not belong here: rights (the caller passes a
//! filter, which is applied before anything is counted).

pub mod tokens;

use crate::model::{Recording, TextLine};
use lectern_media::{RecordingId, UnixMillis};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, HashMap},
};
use tokens::{Run, folded, grams, runs, terms, words};

/// Recordings that the index holds.
pub const DOCS_MAX: usize = 500_000;
/// Characters of a query; the rest is ignored.
pub const QUERY_CHARS_MAX: usize = 200;
/// Words of a query; the rest is ignored.
pub const QUERY_RUNS_MAX: usize = 16;
/// Words that a prefix is extended to.
const PREFIX_TERMS_MAX: usize = 512;
/// Characters of a line shown as a hit.
const HIT_CHARS_MAX: usize = 160;

/// The fields of a recording with the weight of a match, as bits of a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Field {
    bit: u8,
    weight: u32,
}

const TITLE: Field = Field { bit: 1, weight: 100 };
const TEACHER: Field = Field { bit: 2, weight: 40 };
const SUBJECT: Field = Field { bit: 4, weight: 40 };
const SCHOOL: Field = Field { bit: 8, weight: 15 };
const TEXT: Field = Field { bit: 16, weight: 4 };
const FIELDS: [Field; 5] = [TITLE, TEACHER, SUBJECT, SCHOOL, TEXT];

/// A query's word whose characters are all there but not side by side counts this much less.
const SCATTERED_DIVISOR: u32 = 4;

#[derive(Debug, Clone, Copy)]
struct Posting {
    doc: u32,
    fields: u8,
}

#[derive(Debug)]
struct Doc {
    recording: Recording,
    lines: Vec<TextLine>,
}

impl Doc {
    /// Every term with the fields it stands in.
    fn terms(&self) -> BTreeMap<String, u8> {
        let r = &self.recording;
        let subject = format!("{} {}", r.subject, r.grade);
        let mut all = BTreeMap::new();
        let named = [(&r.title, TITLE), (&r.teacher_name, TEACHER), (&subject, SUBJECT), (&r.school, SCHOOL)];
        let lines = self.lines.iter().map(|line| (&line.text, TEXT));
        for (text, field) in named.into_iter().chain(lines) {
            for term in terms(text) {
                *all.entry(term).or_insert(0) |= field.bit;
            }
        }
        all
    }
}

/// One recording of an answer.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// The recording.
    pub recording: Recording,
    /// How well it fits; 0 when nothing was searched for.
    pub score: u32,
    /// The sentence that matched, if the match was in what was written in class.
    pub hit: Option<TextLine>,
}

/// Where a page ends: the next one begins behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Mark {
    /// Score, best first.
    pub score: Reverse<u32>,
    /// Start, newest first.
    pub started: Reverse<UnixMillis>,
    /// To tell apart what is equal.
    pub id: RecordingId,
}

/// The index.
#[derive(Debug, Default)]
pub struct SearchIndex {
    docs: Vec<Option<Doc>>,
    free: Vec<u32>,
    by_id: HashMap<RecordingId, u32>,
    newest: BTreeSet<(Reverse<UnixMillis>, RecordingId)>,
    postings: BTreeMap<Box<str>, Vec<Posting>>,
}

impl SearchIndex {
    /// How many recordings it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// A recording.
    #[must_use]
    pub fn get(&self, id: RecordingId) -> Option<&Recording> {
        self.doc(*self.by_id.get(&id)?).map(|doc| &doc.recording)
    }

    /// The recordings that were marked as deleted before `before`.
    #[must_use]
    pub fn deleted_before(&self, before: UnixMillis) -> Vec<RecordingId> {
        let deleted = self.docs.iter().flatten().filter(|doc| doc.recording.deleted.is_some_and(|at| at < before));
        deleted.map(|doc| doc.recording.id).collect()
    }

    /// Whether one more fits.
    #[must_use]
    pub fn has_room(&self) -> bool {
        self.len() < DOCS_MAX
    }

    /// Adds or replaces a recording. Beyond [`DOCS_MAX`] a new one is left out; ask [`SearchIndex::has_room`] before.
    pub fn put(&mut self, recording: Recording, lines: Vec<TextLine>) {
        if !self.by_id.contains_key(&recording.id) && !self.has_room() {
            return;
        }
        self.remove(recording.id);
        let id = recording.id;
        self.newest.insert((Reverse(recording.started), id));
        let slot = self.free.pop().unwrap_or_else(|| {
            self.docs.push(None);
            (self.docs.len() - 1) as u32
        });
        let doc = Doc { recording, lines };
        for (term, fields) in doc.terms() {
            let postings = self.postings.entry(term.into_boxed_str()).or_default();
            let at = postings.partition_point(|p| p.doc < slot);
            postings.insert(at, Posting { doc: slot, fields });
        }
        self.docs[slot as usize] = Some(doc);
        self.by_id.insert(id, slot);
    }

    /// Replaces the facts of a recording that change while it grows, without reading its text again; as
    /// [`SearchIndex::put`] if its words changed or it is new.
    pub fn put_facts(&mut self, recording: Recording) {
        let words = |r: &Recording| [&r.title, &r.teacher_name, &r.subject, &r.grade, &r.school].map(String::clone);
        let known = self.by_id.get(&recording.id).and_then(|slot| self.docs[*slot as usize].as_mut());
        match known {
            Some(doc) if doc.recording.started == recording.started && words(&doc.recording) == words(&recording) => {
                doc.recording = recording;
            }
            Some(doc) => {
                let lines = doc.lines.clone();
                self.put(recording, lines);
            }
            None => self.put(recording, vec![]),
        }
    }

    /// Adds lines behind the first `from` of a recording; those that are there already are not added twice.
    pub fn add_lines(&mut self, id: RecordingId, from: usize, mut lines: Vec<TextLine>) {
        let Some(&slot) = self.by_id.get(&id) else { return };
        let Some(doc) = self.docs[slot as usize].as_mut() else { return };
        let there = doc.lines.len().saturating_sub(from).min(lines.len());
        lines.drain(..there);
        lines.truncate(TextLine::LINES_MAX.saturating_sub(doc.lines.len()));
        for term in lines.iter().flat_map(|line| terms(&line.text)) {
            let postings = self.postings.entry(term.into_boxed_str()).or_default();
            match postings.binary_search_by_key(&slot, |p| p.doc) {
                Ok(at) => postings[at].fields |= TEXT.bit,
                Err(at) => postings.insert(at, Posting { doc: slot, fields: TEXT.bit }),
            }
        }
        doc.lines.extend(lines);
    }

    /// Replaces the lines of a recording.
    pub fn put_lines(&mut self, id: RecordingId, lines: Vec<TextLine>) {
        if let Some(recording) = self.get(id).cloned() {
            self.put(recording, lines);
        }
    }

    /// Forgets a recording.
    pub fn remove(&mut self, id: RecordingId) {
        let Some(slot) = self.by_id.remove(&id) else { return };
        let Some(doc) = self.docs[slot as usize].take() else { return };
        self.newest.remove(&(Reverse(doc.recording.started), id));
        for term in doc.terms().into_keys() {
            if let Some(postings) = self.postings.get_mut(term.as_str()) {
                if let Ok(at) = postings.binary_search_by_key(&slot, |p| p.doc) {
                    postings.remove(at);
                }
                if postings.is_empty() {
                    self.postings.remove(term.as_str());
                }
            }
        }
        self.free.push(slot);
    }

    /// The recordings that match `query` (all, if there is no word in it) and pass `filter`: how many, and at most
    /// `limit` of them behind `after`, best first, among equals newest first.
    pub fn search(
        &self,
        query: &str,
        filter: impl Fn(&Recording) -> bool,
        after: Option<Mark>,
        limit: usize,
    ) -> (u64, Vec<Match>) {
        let query: String = query.chars().take(QUERY_CHARS_MAX).collect();
        let mut wanted = runs(&query);
        wanted.truncate(QUERY_RUNS_MAX);
        if wanted.is_empty() {
            return self.list(filter, after, limit);
        }
        let mut scores: Option<HashMap<u32, u32>> = None;
        for run in &wanted {
            let found = self.score(run);
            scores = Some(match scores {
                None => found,
                Some(so_far) => so_far
                    .into_iter()
                    .filter_map(|(doc, score)| found.get(&doc).map(|more| (doc, score.saturating_add(*more))))
                    .collect(),
            });
        }
        let mut matches: Vec<(Mark, u32)> = scores
            .unwrap_or_default()
            .into_iter()
            .filter_map(|(slot, score)| {
                let r = &self.doc(slot)?.recording;
                let mark = Mark { score: Reverse(score), started: Reverse(r.started), id: r.id };
                (r.deleted.is_none() && filter(r)).then_some((mark, slot))
            })
            .collect();
        let total = matches.len() as u64;
        matches.retain(|(mark, _)| after.is_none_or(|a| *mark > a));
        matches.sort_unstable_by_key(|(mark, _)| *mark);
        let page = matches.into_iter().take(limit).filter_map(|(mark, slot)| {
            let doc = self.doc(slot)?;
            let hit = best_line(&doc.lines, &wanted);
            Some(Match { recording: doc.recording.clone(), score: mark.score.0, hit })
        });
        (total, page.collect())
    }

    fn list(&self, filter: impl Fn(&Recording) -> bool, after: Option<Mark>, limit: usize) -> (u64, Vec<Match>) {
        let (mut total, mut page) = (0, Vec::new());
        for (started, id) in &self.newest {
            let Some(recording) = self.get(*id).filter(|r| r.deleted.is_none() && filter(r)) else { continue };
            total += 1;
            let mark = Mark { score: Reverse(0), started: *started, id: *id };
            if page.len() < limit && after.is_none_or(|a| mark > a) {
                page.push(Match { recording: recording.clone(), score: 0, hit: None });
            }
        }
        (total, page)
    }

    fn doc(&self, slot: u32) -> Option<&Doc> {
        self.docs.get(slot as usize)?.as_ref()
    }

    /// The documents that one run matches, with their scores.
    fn score(&self, run: &Run) -> HashMap<u32, u32> {
        match run {
            Run::Word(word) => {
                let mut found: HashMap<u32, u8> = HashMap::new();
                let from = std::ops::Bound::Included(word.as_str());
                let extended = self.postings.range::<str, _>((from, std::ops::Bound::Unbounded));
                for (_, postings) in extended.take_while(|(term, _)| term.starts_with(word)).take(PREFIX_TERMS_MAX) {
                    for p in postings {
                        *found.entry(p.doc).or_insert(0) |= p.fields;
                    }
                }
                found.into_iter().map(|(doc, fields)| (doc, weigh(fields))).collect()
            }
            Run::Ideographs(chars) => {
                let mut scores: HashMap<u32, u32> = HashMap::new();
                // Each word of the run somewhere in the recording: 分数的乘法 finds 乘法 and 分数.
                let parts = words(chars);
                let mut scattered: Option<HashMap<u32, u8>> = None;
                for part in &parts {
                    let part: Vec<char> = part.chars().collect();
                    let found = self.together(&grams(&part));
                    scattered = Some(match scattered {
                        None => found,
                        Some(so_far) => {
                            so_far.into_iter().filter_map(|(d, f)| found.get(&d).map(|g| (d, f | g))).collect()
                        }
                    });
                }
                for (doc, fields) in scattered.unwrap_or_default() {
                    scores.insert(doc, (weigh(fields) / SCATTERED_DIVISOR).max(1));
                }
                // The run as it stands.
                for (doc, fields) in self.together(&grams(chars)) {
                    scores.insert(doc, weigh(fields));
                }
                scores
            }
        }
    }

    /// The documents in which all terms stand in the same field, with those fields.
    fn together(&self, terms: &[String]) -> HashMap<u32, u8> {
        let mut lists = Vec::with_capacity(terms.len());
        for term in terms {
            match self.postings.get(term.as_str()) {
                Some(postings) => lists.push(postings),
                None => return HashMap::new(),
            }
        }
        // From the rarest term on, so that the work is that of the shortest list.
        lists.sort_by_key(|list| list.len());
        let Some((first, rest)) = lists.split_first() else { return HashMap::new() };
        let in_all = first.iter().filter_map(|p| {
            let fields = rest.iter().try_fold(p.fields, |fields, list| {
                let at = list.binary_search_by_key(&p.doc, |q| q.doc).ok()?;
                Some(fields & list[at].fields).filter(|f| *f != 0)
            })?;
            Some((p.doc, fields))
        });
        in_all.collect()
    }
}

/// The weight of a match in these fields: the best field's, and a little for each other.
fn weigh(fields: u8) -> u32 {
    let matched = FIELDS.iter().filter(|f| fields & f.bit != 0).map(|f| f.weight);
    matched.clone().max().unwrap_or(0) + matched.sum::<u32>() / 10
}

/// The line that holds most of what was asked for; whole runs count more than their pieces.
fn best_line(lines: &[TextLine], wanted: &[Run]) -> Option<TextLine> {
    let whole: Vec<String> = wanted
        .iter()
        .map(|run| match run {
            Run::Ideographs(chars) => chars.iter().collect(),
            Run::Word(word) => word.clone(),
        })
        .collect();
    let parts: Vec<String> = wanted
        .iter()
        .flat_map(|run| match run {
            Run::Ideographs(chars) => words(chars),
            Run::Word(_) => vec![],
        })
        .filter(|part| part.chars().count() > 1)
        .collect();
    let score = |line: &TextLine| {
        let text = folded(&line.text);
        let count = |needles: &[String]| needles.iter().filter(|n| text.contains(n.as_str())).count();
        count(&whole) * 8 + count(&parts)
    };
    // The earliest of the best.
    let (line, score) = lines.iter().map(|l| (l, score(l))).rev().max_by_key(|(_, score)| *score)?;
    (score > 0).then(|| TextLine { at_ms: line.at_ms, text: line.text.chars().take(HIT_CHARS_MAX).collect() })
}

#[cfg(test)]
mod tests;
