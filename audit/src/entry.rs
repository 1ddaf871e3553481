//! An entry, and the line that it is in the file.
//!
//! A line is one JSON object: `n` first, what happened, `h_prev`, and `h` last. `h` is over everything before it, as the
//! bytes stand in the file, so that no canonical form is needed to check it.

use crate::chain::{Hash, hash_of, link};
use lectern_media::{AccountId, CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::AuditAction;
use serde::{Deserialize, Serialize};

/// The longest line in bytes, with its line break. Every text of an entry has a bound; this is above their sum.
pub const LINE_LEN_MAX: usize = 16 * 1024;
/// The most characters of a name.
pub const NAME_CHARS_MAX: usize = 100;
/// The most characters of a detail.
pub const DETAIL_CHARS_MAX: usize = 500;

/// Who did something.
#[derive(Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Who {
    /// The account; none: the server itself, or a stranger.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub account: Option<AccountId>,
    /// Name.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub name: String,
    /// Log-in name.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub login: String,
    /// The place where they hold their role, by name.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub of_place: String,
}

impl std::fmt::Debug for Who {
    // Names of people stay out of the server's own log.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Who").field("account", &self.account).finish_non_exhaustive()
    }
}

/// Something that happened. Names are those of the day, so that the log can be read without the catalogue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// When.
    pub at: UnixMillis,
    /// What.
    pub action: AuditAction,
    /// Who.
    #[serde(flatten)]
    pub who: Who,
    /// A tag of their session, not its token: part of its hash.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub session: String,
    /// From which address.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub address: String,
    /// Where.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub place: Option<PlaceId>,
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub place_name: String,
    /// At which camera.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub camera: Option<CameraId>,
    /// Its name.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub camera_name: String,
    /// The stretch of recording, or from when it lasted …
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<UnixMillis>,
    /// … to when.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to: Option<UnixMillis>,
    /// How long it lasted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub seconds: Option<u64>,
    /// How often; more than once for refusals that were counted together.
    #[serde(skip_serializing_if = "is_one", default = "one")]
    pub count: u64,
    /// A stable code, or words: the reason of a refusal, what was changed, the speed of playing.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub detail: String,
}

// serde hands over a reference.
fn is_one(count: &u64) -> bool {
    *count == 1
}

fn one() -> u64 {
    1
}

impl Entry {
    /// An entry of the server itself, about nothing but when and what.
    #[must_use]
    pub fn new(at: UnixMillis, action: AuditAction) -> Self {
        Self {
            at,
            action,
            who: Who::default(),
            session: String::new(),
            address: String::new(),
            place: None,
            place_name: String::new(),
            camera: None,
            camera_name: String::new(),
            from: None,
            to: None,
            seconds: None,
            count: 1,
            detail: String::new(),
        }
    }

    /// Cuts every text to its bound, so that nobody makes a line too long to be written.
    pub(crate) fn bound(&mut self) {
        let texts = [
            (&mut self.who.name, NAME_CHARS_MAX),
            (&mut self.who.login, NAME_CHARS_MAX),
            (&mut self.who.of_place, NAME_CHARS_MAX),
            (&mut self.session, NAME_CHARS_MAX),
            (&mut self.address, NAME_CHARS_MAX),
            (&mut self.place_name, NAME_CHARS_MAX),
            (&mut self.camera_name, NAME_CHARS_MAX),
            (&mut self.detail, DETAIL_CHARS_MAX),
        ];
        for (text, max) in texts {
            if let Some((end, _)) = text.char_indices().nth(max) {
                text.truncate(end);
            }
        }
    }
}

/// An entry with its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its number in the log.
    pub n: u64,
    /// The entry.
    pub entry: Entry,
}

/// The action of a line in which the head before it is signed.
pub(crate) const HEAD_SIGNED: &str = "head_signed";

/// A signed head as a line: the signature is over the line before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Signed {
    pub(crate) at: UnixMillis,
    pub(crate) action: String,
    /// Public key, hexadecimal.
    pub(crate) key: String,
    /// Signature, hexadecimal.
    pub(crate) sig: String,
}

#[derive(Serialize)]
struct Writing<'a, T> {
    n: u64,
    #[serde(flatten)]
    content: &'a T,
    h_prev: String,
}

/// Writes a line; gives its hash.
pub(crate) fn write_line(
    out: &mut Vec<u8>,
    n: u64,
    previous: &Hash,
    content: &impl Serialize,
) -> serde_json::Result<Hash> {
    let start = out.len();
    serde_json::to_writer(&mut *out, &Writing { n, content, h_prev: hex::encode(previous) })?;
    let hash = link(previous, &out[start..]);
    out.pop();
    out.extend_from_slice(format!(",\"h\":\"{}\"}}\n", hex::encode(hash)).as_bytes());
    Ok(hash)
}

/// `,"h":"` and 64 digits and `"}`.
const TAIL_LEN: usize = 6 + 64 + 2;

/// A line as it stands in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) n: u64,
    pub(crate) at: UnixMillis,
    pub(crate) previous: Hash,
    /// What it says its hash is.
    pub(crate) hash: Hash,
    /// What it is.
    pub(crate) real_hash: Hash,
}

#[derive(Deserialize)]
struct Reading {
    n: u64,
    at: UnixMillis,
    h_prev: String,
}

impl Line {
    /// Reads a line without its line break. None if it is not of the form.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        if line.len() >= LINE_LEN_MAX {
            return None;
        }
        let (body, tail) = line.split_at_checked(line.len().checked_sub(TAIL_LEN)?)?;
        let digits = tail.strip_prefix(b",\"h\":\"")?.strip_suffix(b"\"}")?;
        let hash = hash_of(std::str::from_utf8(digits).ok()?)?;
        let mut whole = body.to_vec();
        whole.push(b'}');
        let reading: Reading = serde_json::from_slice(&whole).ok()?;
        let previous = hash_of(&reading.h_prev)?;
        let real_hash = link(&previous, &whole);
        Some(Self { n: reading.n, at: reading.at, previous, hash, real_hash })
    }
}

/// Number and moment of a line, which stand first in it, without reading the rest.
pub(crate) fn number_and_time(line: &[u8]) -> Option<(u64, UnixMillis)> {
    let text = std::str::from_utf8(line.get(..line.len().min(64))?).ok()?;
    let (n, behind) = text.strip_prefix("{\"n\":")?.split_once(",\"at\":")?;
    let (at, _) = behind.split_once(',')?;
    Some((n.parse().ok()?, UnixMillis(at.parse().ok()?)))
}

/// The entry in a line; none if it is a signature, or an action that this version does not know.
pub(crate) fn entry_in(line: &[u8]) -> Option<Stored> {
    #[derive(Deserialize)]
    struct Whole {
        n: u64,
        #[serde(flatten)]
        entry: Entry,
    }
    let Whole { n, entry } = serde_json::from_slice(line).ok()?;
    Some(Stored { n, entry })
}

/// The signature in a line; none if it is an entry.
pub(crate) fn signature_in(line: &[u8]) -> Option<Signed> {
    let signed: Signed = serde_json::from_slice(line).ok()?;
    (signed.action == HEAD_SIGNED).then_some(signed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn full() -> Entry {
        Entry {
            who: Who {
                account: Some(AccountId::generate()),
                name: "王\"芳\n".into(),
                login: "wang".into(),
                of_place: "市".into(),
            },
            session: "ab12".into(),
            address: "192.0.2.1".into(),
            place: Some(PlaceId::generate()),
            place_name: "第一考点".into(),
            camera: Some(CameraId::generate()),
            camera_name: "考场 1".into(),
            from: Some(UnixMillis(1)),
            to: Some(UnixMillis(2)),
            seconds: Some(3),
            count: 4,
            detail: "speed 2".into(),
            ..Entry::new(UnixMillis(1_700_000_000_000), AuditAction::Played)
        }
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        for entry in [full(), Entry::new(UnixMillis(5), AuditAction::Started)] {
            let mut out = vec![];
            let hash = write_line(&mut out, 7, &[9; 32], &entry).unwrap();
            assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
            let line = &out[..out.len() - 1];
            let read = Line::parse(line).unwrap();
            let want = Line { n: 7, at: entry.at, previous: [9; 32], hash, real_hash: hash };
            assert_eq!(read, want);
            assert_eq!(entry_in(line), Some(Stored { n: 7, entry }));
            assert_eq!(signature_in(line), None);
            assert_eq!(number_and_time(line), Some((7, entry_in(line).unwrap().entry.at)));
        }
    }

    #[test]
    fn the_longest_entry_fits_a_line() {
        let long = "\u{1}".repeat(5_000);
        let mut entry = Entry {
            who: Who { name: long.clone(), login: long.clone(), of_place: long.clone(), ..full().who },
            session: long.clone(),
            address: long.clone(),
            place_name: long.clone(),
            camera_name: long.clone(),
            detail: long,
            seconds: Some(u64::MAX),
            count: u64::MAX,
            ..full()
        };
        entry.bound();
        let mut out = vec![];
        write_line(&mut out, u64::MAX, &[9; 32], &entry).unwrap();
        assert!(out.len() < LINE_LEN_MAX, "{} bytes", out.len());
        assert!(Line::parse(&out[..out.len() - 1]).is_some());
    }

    #[test]
    fn names_stay_out_of_the_server_s_log() {
        assert!(!format!("{:?}", full().who).contains('芳'));
    }
}
