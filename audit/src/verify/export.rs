//! Whether an exported piece of the log is as the server wrote it: with no server, no catalogue and not the whole log.
//!
//! A piece holds some lines of the log, each with its own hash, and ends with a line that signs the hash of all bytes before it
//! together with the head of the log at that moment. So an edited line is named; of lines taken out or added the number is known,
//! and where neighbours are both in the piece, the place, too. A table (CSV) has no hashes of lines: it is checked as a whole, and its
//! rows are counted.

use super::Report;
use crate::{
    chain::{Hash, Head, export_message, hash_of},
    entry::{LINE_LEN_MAX, Line, entry_in},
    query::ExportEnd,
};
use lectern_media::UnixMillis;
use sha2::{Digest as _, Sha256};
use std::io::{self, BufRead, Read as _};

/// The longest line: one of a table has its quotes doubled.
const LEN_MAX: u64 = 4 * LINE_LEN_MAX as u64;

/// What tables begin with.
const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// Verifies an export. With a trusted key, a signature of any other is a fault; without one the report names the key. `name` is
/// that of the file, for the report; its `head` is the head of the log that the export was made at.
#[must_use]
pub fn verify_export(name: &str, mut from: impl BufRead, trusted: Option<&[u8; 32]>) -> Report {
    let mut state =
        Piece { name, report: Report { months: 1, ..Report::default() }, hash: Sha256::new(), ..Piece::default() };
    // What is read last is no entry: each line is taken in when the next one is there.
    let (mut before, mut line) = (Vec::new(), Vec::new());
    let read = loop {
        match (&mut from).take(LEN_MAX).read_until(b'\n', &mut line) {
            Ok(0) => break Ok(()),
            Ok(_) => {}
            Err(error) => break Err(error),
        }
        if !before.is_empty() {
            state.line(&before);
        }
        std::mem::swap(&mut before, &mut line);
        line.clear();
    };
    state.end(read, &before, trusted);
    let mut report = state.report;
    report.ok = report.faults_total == 0;
    report
}

#[derive(Default)]
struct Piece<'a> {
    name: &'a str,
    report: Report,
    hash: Sha256,
    table: bool,
    /// Whether a row of a table goes on in the next line: a quote is open (RFC 4180 §2.6).
    quoted: bool,
    line_no: u64,
    /// Number and hash of the line before.
    last: Option<(u64, Hash)>,
}

impl Piece<'_> {
    fn fault(&mut self, line: u64, what: impl std::fmt::Display) {
        let name = self.name;
        self.report.fault(name, line, what);
    }

    /// A line that is not the last one.
    fn line(&mut self, bytes: &[u8]) {
        self.hash.update(bytes);
        self.line_no += 1;
        self.report.lines += 1;
        if self.line_no == 1 && bytes.starts_with(BYTE_ORDER_MARK) {
            self.table = true;
            return;
        }
        let no = self.line_no;
        if self.table {
            // A doubled quote within quotes closes and opens again.
            self.quoted ^= bytes.iter().filter(|b| **b == b'"').count() % 2 == 1;
            self.report.entries += u64::from(!self.quoted && bytes.ends_with(b"\n"));
            return;
        }
        let content = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let Some(line) = Line::parse(content) else { return self.fault(no, "the line is not one of an audit log") };
        let Some(entry) = entry_in(content) else {
            return self.fault(no, "the line holds no entry that this version knows");
        };
        self.report.entries += 1;
        if line.hash != line.real_hash {
            self.fault(no, format!("entry {} was changed: its hash does not fit", line.n));
        }
        match self.last {
            Some((n, _)) if line.n <= n => {
                self.fault(no, format!("entry {} stands behind entry {n}: repeated or moved", line.n))
            }
            Some((n, hash)) if line.n == n + 1 && line.previous != hash => {
                self.fault(
                    no,
                    format!("entry {n}, before this one, was changed or exchanged: its hash is not the one named here"),
                );
            }
            _ => {}
        }
        self.last = Some((line.n, line.hash));
        self.report.first.get_or_insert(entry.entry.at);
        self.report.last = self.report.last.max(Some(entry.entry.at));
    }

    /// The last line: what the server signed.
    fn end(&mut self, read: io::Result<()>, bytes: &[u8], trusted: Option<&[u8; 32]>) {
        if let Err(error) = read {
            return self.fault(0, format!("can't be read: {error}"));
        }
        let no = self.line_no + 1;
        let Some(end) = read_end(bytes, self.table) else {
            return self.fault(no, "the signed end is missing: lines may have been cut off, or this is no export");
        };
        self.report.lines += 1;
        if end.entries != self.report.entries {
            let found = self.report.entries;
            self.fault(
                0,
                format!("entries are missing or were added: {} were exported, {found} are here", end.entries),
            );
        }
        let content: Hash = std::mem::take(&mut self.hash).finalize().into();
        if hash_of(&end.sha256) != Some(content) && self.report.faults_total == 0 {
            self.fault(0, "the content was changed: its hash is not the one that was signed");
        }
        if end.export != 1 {
            self.fault(no, "the export is of a form that this version does not know");
        }
        let (Some(signed), Some(head), Some(key)) = (hash_of(&end.sha256), hash_of(&end.head), hash_of(&end.key))
        else {
            return self.fault(no, "the signed end can't be read");
        };
        if let Some((n, hash)) = self.last
            && (n > end.head_n || (n == end.head_n && hash != head))
        {
            self.fault(no, format!("entry {n} is not of the log whose head is named"));
        }
        let message = export_message(&signed, &Head { n: end.head_n, hash: head, at: UnixMillis(0) });
        self.report.head = end.head;
        match hex::decode(&end.sig) {
            _ if trusted.is_some_and(|trusted| *trusted != key) => {
                self.fault(no, "signed with a key that is not the trusted one");
            }
            Ok(signature) if crate::chain::signature_fits(&key, &message, &signature) => {
                self.report.keys.insert(end.key, 1);
            }
            _ => self.fault(no, "the signature does not fit"),
        }
    }
}

fn read_end(bytes: &[u8], table: bool) -> Option<ExportEnd> {
    let line = bytes.strip_suffix(b"\n")?;
    if !table {
        return serde_json::from_slice(line).ok();
    }
    let mut rows = csv::ReaderBuilder::new().has_headers(false).from_reader(line);
    let row = rows.records().next()?.ok()?;
    (row.len() == 1).then(|| serde_json::from_str(row.get(0)?).ok()).flatten()
}
