//! Reading the log: newest first, page by page, with as much memory as a page and a stretch of file take. A stretch whose
//! times or bytes can't hold what is asked for is not looked into line by line.
//!
//! Blocks: call from a thread that may. Does not belong here: which places somebody may ask for.

use crate::{
    chain::{Head, export_message},
    entry::{Entry, Stored, Who, entry_in},
    handle::{Audit, AuditError},
    index::Block,
    scan::{Month, months},
};
use jiff::tz::TimeZone;
use lectern_media::{AccountId, CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::AuditAction;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{HashMap, HashSet},
    fs::File,
    io::{self, Write},
    os::unix::fs::FileExt as _,
    path::PathBuf,
};

/// Entries in one page.
pub const PAGE_LEN_MAX: usize = 1_000;
/// People in one sum.
pub const SUM_LEN_MAX: usize = 10_000;

/// What to look for; what is absent does not matter.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Query {
    /// At one of these places.
    pub places: Option<HashSet<PlaceId>>,
    /// At this camera.
    pub camera: Option<CameraId>,
    /// By this account.
    pub account: Option<AccountId>,
    /// By whom has this log-in name, without regard to case.
    pub login: Option<String>,
    /// Only this.
    pub action: Option<AuditAction>,
    /// Not before.
    pub from: Option<UnixMillis>,
    /// Before.
    pub to: Option<UnixMillis>,
    /// Only what is older than this number: that of the last entry of the page before.
    pub after: Option<u64>,
    /// At most so many, and at most [`PAGE_LEN_MAX`].
    pub limit: usize,
}

/// A page of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// Newest first.
    pub items: Vec<Stored>,
    /// For [`Query::after`], if there may be more.
    pub next: Option<u64>,
    /// The end of the log when this was read.
    pub head: Head,
}

/// What one person did, summed up.
#[derive(Debug, Clone, PartialEq)]
pub struct Sum {
    /// Who.
    pub who: Who,
    /// Seconds of live pictures, over all tiles.
    pub live_s: u64,
    /// Seconds of recording played.
    pub played_s: u64,
    /// Exports asked for.
    pub exports: u32,
    /// When last.
    pub last: UnixMillis,
}

/// The form of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Format {
    /// The lines as they stand in the log.
    Jsonl,
    /// A table for spreadsheets. Times that people read are in this zone, with its offset.
    Csv(TimeZone),
}

/// An export that was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exported {
    /// Entries in it.
    pub entries: u64,
    /// The end of the log that it was made at.
    pub head: Head,
    /// SHA-256 of everything before the last line.
    pub content: [u8; 32],
}

impl Query {
    /// Texts of which all are in each line that is looked for: a quick no for a whole stretch.
    fn needles(&self) -> Vec<String> {
        let mut needles = Vec::new();
        needles.extend(self.camera.map(|id| format!("\"camera\":\"{id}\"")));
        needles.extend(self.account.map(|id| format!("\"account\":\"{id}\"")));
        if let Some(Ok(word)) = self.action.map(|action| serde_json::to_string(&action)) {
            needles.push(format!("\"action\":{word}"));
        }
        // One place is as quick as a camera; of many, one is found by its own set.
        if let Some([place]) = self.places.as_ref().map(|p| p.iter().collect::<Vec<_>>()).as_deref() {
            needles.push(format!("\"place\":\"{place}\""));
        }
        needles
    }

    fn may_hold(&self, block: &Block) -> bool {
        self.from.is_none_or(|from| block.latest >= from)
            && self.to.is_none_or(|to| block.earliest < to)
            && self.after.is_none_or(|after| block.first_n < after)
    }

    fn fits(&self, stored: &Stored) -> bool {
        let entry = &stored.entry;
        self.after.is_none_or(|after| stored.n < after)
            && self.from.is_none_or(|from| entry.at >= from)
            && self.to.is_none_or(|to| entry.at < to)
            && self.camera.is_none_or(|id| entry.camera == Some(id))
            && self.account.is_none_or(|id| entry.who.account == Some(id))
            && self.action.is_none_or(|action| entry.action == action)
            && self.login.as_ref().is_none_or(|login| entry.who.login.to_lowercase() == login.to_lowercase())
            && self.places.as_ref().is_none_or(|places| entry.place.is_some_and(|p| places.contains(&p)))
    }

    /// Whether the line's log-in name, as it stands there, is the one asked for; yes if in doubt.
    fn login_fits(&self, line: &[u8]) -> bool {
        let (Some(login), Ok(text)) = (&self.login, std::str::from_utf8(line)) else { return true };
        let Some((_, behind)) = text.split_once("\"login\":\"") else { return login.is_empty() };
        let name = behind.split('"').next().unwrap_or_default();
        name.contains('\\') || name.to_lowercase() == login.to_lowercase()
    }

    /// Whether the line's place, as it stands there, is one of those asked for; yes if in doubt.
    fn place_fits(&self, line: &[u8]) -> bool {
        let (Some(places), Ok(text)) = (&self.places, std::str::from_utf8(line)) else { return true };
        let Some((_, behind)) = text.split_once("\"place\":\"") else { return false };
        behind.get(..26).and_then(|id| id.parse().ok()).is_none_or(|id: PlaceId| places.contains(&id))
    }
}

/// Which way to read.
#[derive(Clone, Copy, PartialEq)]
enum Order {
    NewestFirst,
    OldestFirst,
}

impl Audit {
    /// A page of what is durable.
    ///
    /// # Errors
    /// The disk's.
    pub fn query(&self, query: &Query) -> Result<Page, AuditError> {
        let limit = query.limit.clamp(1, PAGE_LEN_MAX);
        let head = self.head();
        let mut items = Vec::new();
        self.each(query, Order::NewestFirst, |stored, _| {
            items.push(stored);
            Ok(items.len() < limit)
        })?;
        let next = items.last().map(|last| last.n).filter(|n| items.len() == limit && *n > 1);
        Ok(Page { items, next, head })
    }

    /// Who looked and how long, longest first; [`Query::after`] and [`Query::limit`] don't matter. Beyond
    /// [`SUM_LEN_MAX`] people the rest is summed up under nobody.
    ///
    /// # Errors
    /// The disk's.
    pub fn sum(&self, query: &Query) -> Result<Vec<Sum>, AuditError> {
        let query = Query { after: None, ..query.clone() };
        let mut sums: HashMap<(Option<AccountId>, String), Sum> = HashMap::new();
        self.each(&query, Order::NewestFirst, |Stored { entry, .. }, _| {
            let (live, played, exports) = worth(&entry);
            if live == 0 && played == 0 && exports == 0 {
                return Ok(true);
            }
            let mut key = (entry.who.account, entry.who.login.clone());
            if sums.len() >= SUM_LEN_MAX && !sums.contains_key(&key) {
                key = (None, String::new());
            }
            let who = if key.0 == entry.who.account { entry.who.clone() } else { Who::default() };
            let new = || Sum { who, live_s: 0, played_s: 0, exports: 0, last: entry.at };
            let sum = sums.entry(key).or_insert_with(new);
            sum.live_s = sum.live_s.saturating_add(live);
            sum.played_s = sum.played_s.saturating_add(played);
            sum.exports = sum.exports.saturating_add(exports);
            sum.last = sum.last.max(entry.at);
            Ok(true)
        })?;
        let mut sums: Vec<Sum> = sums.into_values().collect();
        sums.sort_by_key(|sum| std::cmp::Reverse((sum.live_s.saturating_add(sum.played_s), sum.last)));
        Ok(sums)
    }

    /// Writes everything that fits, oldest first, and at the end a line with the head and a signature over both;
    /// [`Query::after`] and [`Query::limit`] don't matter.
    ///
    /// # Errors
    /// The disk's, or those of `out`.
    pub fn export(&self, query: &Query, format: Format, out: &mut dyn Write) -> Result<Exported, AuditError> {
        let query = Query { after: None, ..query.clone() };
        let head = self.head();
        let mut out = Hashing { out, hash: Sha256::new() };
        let mut entries = 0;
        let write = |source| AuditError::Io { what: "write the export", source };
        if matches!(format, Format::Csv(_)) {
            // Spreadsheets take a file without a byte order mark for one in the local encoding.
            out.write_all("\u{feff}".as_bytes()).map_err(write)?;
            out.row(&COLUMNS.map(str::to_owned)).map_err(write)?;
        }
        self.each(&query, Order::OldestFirst, |stored, line| {
            entries += 1;
            let written = match &format {
                Format::Jsonl => out.write_all(line).and_then(|()| out.write_all(b"\n")),
                Format::Csv(zone) => out.row(&cells(&stored, zone)),
            };
            written.map(|()| true).map_err(write)
        })?;
        let content: [u8; 32] = out.hash.clone().finalize().into();
        let signer = &self.inner().signer;
        let end = ExportEnd {
            export: 1,
            entries,
            sha256: hex::encode(content),
            head_n: head.n,
            head: hex::encode(head.hash),
            key: hex::encode(signer.public_key()),
            sig: hex::encode(signer.sign(&export_message(&content, &head))),
        };
        let text = serde_json::to_string(&end).map_err(AuditError::Encode)?;
        let last = match format {
            Format::Jsonl => out.out.write_all(format!("{text}\n").as_bytes()),
            Format::Csv(_) => out.row(&[text]),
        };
        last.and_then(|()| out.out.flush()).map_err(write)?;
        Ok(Exported { entries, head, content })
    }

    /// Shows every entry that fits to `each`, until it says no.
    fn each(
        &self,
        query: &Query,
        order: Order,
        mut each: impl FnMut(Stored, &[u8]) -> Result<bool, AuditError>,
    ) -> Result<(), AuditError> {
        let inner = self.inner();
        let read = |source| AuditError::Io { what: "read the audit log", source };
        let needles = query.needles();
        let mut months: Vec<(Month, PathBuf)> = months(&inner.dir).map_err(read)?;
        if order == Order::NewestFirst {
            months.reverse();
        }
        let mut bytes = Vec::new();
        for (month, path) in months {
            let index = inner.shared.month(month, &path).map_err(read)?;
            let mut blocks: Vec<&Block> = index.blocks().iter().filter(|b| query.may_hold(b)).collect();
            if blocks.is_empty() {
                continue;
            }
            let file = File::open(&path).map_err(read)?;
            if order == Order::NewestFirst {
                blocks.reverse();
            }
            for block in blocks {
                read_block(&file, block, &mut bytes).map_err(read)?;
                if !show(query, order, &needles, &bytes, &mut each)? {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}

fn read_block(file: &File, block: &Block, bytes: &mut Vec<u8>) -> io::Result<()> {
    bytes.resize(usize::try_from(block.len).map_err(io::Error::other)?, 0);
    file.read_exact_at(bytes, block.offset)
}

/// Shows the lines of a stretch that fit; tells whether to go on.
fn show(
    query: &Query,
    order: Order,
    needles: &[String],
    bytes: &[u8],
    each: &mut impl FnMut(Stored, &[u8]) -> Result<bool, AuditError>,
) -> Result<bool, AuditError> {
    let holds = |text: &[u8]| std::str::from_utf8(text).map_or(true, |text| needles.iter().all(|n| text.contains(n)));
    if !holds(bytes) {
        return Ok(true);
    }
    let mut lines: Vec<&[u8]> = bytes.split(|b| *b == b'\n').filter(|line| !line.is_empty()).collect();
    if order == Order::NewestFirst {
        lines.reverse();
    }
    for line in lines {
        if !holds(line) || !query.place_fits(line) || !query.login_fits(line) {
            continue;
        }
        if let Some(stored) = entry_in(line).filter(|stored| query.fits(stored))
            && !each(stored, line)?
        {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Seconds of live pictures, seconds played, exports.
fn worth(entry: &Entry) -> (u64, u64, u32) {
    let range = || match (entry.from, entry.to) {
        (Some(from), Some(to)) => to.since(from).as_secs(),
        _ => 0,
    };
    match entry.action {
        AuditAction::TileClosed => (entry.seconds.unwrap_or(0), 0, 0),
        // Sound goes with pictures of the same stretch, which are an entry of their own.
        AuditAction::Played if entry.detail == "sound" => (0, 0, 0),
        AuditAction::Played => (0, entry.seconds.unwrap_or_else(range), 0),
        AuditAction::ExportAsked => (0, 0, 1),
        _ => (0, 0, 0),
    }
}

/// The last line of an export.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExportEnd {
    /// Version of this form.
    pub(crate) export: u32,
    pub(crate) entries: u64,
    /// Of everything before this line.
    pub(crate) sha256: String,
    pub(crate) head_n: u64,
    pub(crate) head: String,
    pub(crate) key: String,
    pub(crate) sig: String,
}

const COLUMNS: [&str; 17] = [
    "n",
    "at_unix_ms",
    "at_local",
    "action",
    "name",
    "login",
    "of_place",
    "session",
    "address",
    "place",
    "place_name",
    "camera",
    "camera_name",
    "from_unix_ms",
    "to_unix_ms",
    "seconds",
    "count_and_detail",
];

fn cells(stored: &Stored, zone: &TimeZone) -> [String; 17] {
    let Stored { n, entry: e } = stored;
    let text = |text: &str| {
        // A spreadsheet must not run what somebody gave as their name.
        if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
    };
    let number = |at: Option<UnixMillis>| at.map_or(String::new(), |at| at.0.to_string());
    let local = jiff::Timestamp::from_millisecond(e.at.0)
        .map_or(String::new(), |t| t.display_with_offset(zone.to_offset(t)).to_string());
    let action = serde_json::to_value(e.action).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    [
        n.to_string(),
        e.at.0.to_string(),
        local,
        action,
        text(&e.who.name),
        text(&e.who.login),
        text(&e.who.of_place),
        text(&e.session),
        text(&e.address),
        e.place.map_or(String::new(), |id| id.to_string()),
        text(&e.place_name),
        e.camera.map_or(String::new(), |id| id.to_string()),
        text(&e.camera_name),
        number(e.from),
        number(e.to),
        e.seconds.map_or(String::new(), |s| s.to_string()),
        text(format!("{} × {}", e.count, e.detail).trim_end_matches(" × ")),
    ]
}

/// Hashes what goes through.
struct Hashing<'a> {
    out: &'a mut dyn Write,
    hash: Sha256,
}

impl Hashing<'_> {
    fn row(&mut self, cells: &[String]) -> io::Result<()> {
        let mut row = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
        row.write_record(cells).map_err(io::Error::other)?;
        let bytes = row.into_inner().map_err(|e| io::Error::other(e.to_string()))?;
        self.write_all(&bytes)
    }
}

impl Write for Hashing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.hash.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests;
