//! The chain: one record for each init segment, fragment and journal line, linked by hashes (invariants 4 and 5).
//!
//! Records are the index as well: playlists and downloads find fragments by them. Does not belong here: writing and syncing
//! (`writer`), verifying against the files (`check`).

use crate::signer::HeadSignature;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The chain's file name.
pub(crate) const FILE: &str = "chain.jsonl";

/// A link's value.
pub(crate) type Hash = [u8; 32];

/// What a record covers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChainKind {
    /// The init segment at the start of a part.
    Init,
    /// A fragment.
    Frag,
    /// A line of the journal.
    Line,
    /// A block of a camera's raw file (invariant 11).
    Raw,
}

/// One record. Field names are short: a lesson has tens of thousands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainRecord {
    /// What is covered.
    #[serde(rename = "k")]
    pub kind: ChainKind,
    /// In which file.
    #[serde(rename = "f")]
    pub file: String,
    /// From which byte.
    #[serde(rename = "o")]
    pub offset: u64,
    /// How many bytes.
    #[serde(rename = "n")]
    pub len: u64,
    /// Decode time in ticks (fragment), `at_ms` (line), milliseconds of the recording (raw block), 0 (init segment).
    #[serde(rename = "t", default)]
    pub time: u64,
    /// Length in ticks (fragment).
    #[serde(rename = "d", default, skip_serializing_if = "is_zero")]
    pub duration: u64,
    /// Begins with a keyframe (fragment).
    #[serde(rename = "s", default, skip_serializing_if = "is_false")]
    pub keyframe: bool,
    /// The link, hexadecimal.
    #[serde(rename = "h")]
    pub hash: String,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn is_false(b: &bool) -> bool {
    !*b
}

impl ChainRecord {
    /// The first byte after what is covered.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.len)
    }
}

/// `h_0`: the hash of the header's bytes.
pub(crate) fn genesis(header: &[u8]) -> Hash {
    Sha256::digest(header).into()
}

/// `h_i = H(h_{i-1} ‖ len ‖ dts ‖ bytes)`.
pub(crate) fn link(previous: &Hash, time: u64, bytes: &[u8]) -> Hash {
    link_all(previous, time, &[bytes])
}

/// The same of bytes that lie in several places.
pub(crate) fn link_all(previous: &Hash, time: u64, parts: &[&[u8]]) -> Hash {
    let len: usize = parts.iter().map(|p| p.len()).sum();
    let mut h = Sha256::new();
    h.update(previous);
    h.update((len as u64).to_be_bytes());
    h.update(time.to_be_bytes());
    parts.iter().for_each(|p| h.update(p));
    h.finalize().into()
}

/// A line of the chain file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ChainLine {
    /// A record.
    Record(ChainRecord),
    /// The recorder vouches for the records before it (cameras only; invariant 14).
    Signature(HeadSignature),
}

/// The lines of a whole or growing chain file, in order, as far as they are whole, and how many bytes they take.
#[must_use]
pub fn parse_lines(bytes: &[u8]) -> (Vec<ChainLine>, usize) {
    let mut lines = Vec::new();
    let mut at = 0;
    for line in bytes.split_inclusive(|b| *b == b'\n') {
        // Each kind by itself: an untagged enum would buffer every line first.
        let parsed = match serde_json::from_slice(line) {
            Ok(record) => Some(ChainLine::Record(record)),
            Err(_) => serde_json::from_slice(line).ok().map(ChainLine::Signature),
        };
        match parsed {
            Some(parsed) if line.ends_with(b"\n") => lines.push(parsed),
            _ => break,
        }
        at += line.len();
    }
    (lines, at)
}

/// The whole records at the start of a chain file, and how many bytes they and the signatures between them take.
pub(crate) fn parse(bytes: &[u8]) -> (Vec<ChainRecord>, usize) {
    let (lines, len) = parse_lines(bytes);
    let record = |line| match line {
        ChainLine::Record(r) => Some(r),
        ChainLine::Signature(_) => None,
    };
    (lines.into_iter().filter_map(record).collect(), len)
}

/// The hash of a record's text; `None` if it isn't 64 hexadecimal digits.
pub(crate) fn parse_hash(text: &str) -> Option<Hash> {
    let mut out = [0; 32];
    hex::decode_to_slice(text, &mut out).ok().map(|()| out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_up_to_a_torn_one_are_read() {
        let record = ChainRecord {
            kind: ChainKind::Frag,
            file: "a.0.cmf".into(),
            offset: 1,
            len: 2,
            time: 3,
            duration: 4,
            keyframe: true,
            hash: hex::encode(genesis(b"x")),
        };
        let line = serde_json::to_vec(&record).unwrap();
        let whole = [&line[..], b"\n", &line, b"\n"].concat();
        for n in 0..=whole.len() {
            let (records, len) = parse(&whole[..n]);
            let want = n / (line.len() + 1);
            assert_eq!((records.len(), len), (want, want * (line.len() + 1)), "{n} bytes");
        }
    }
}
