//! Whether a log is whole and nobody changed it: file by file, line by line, with no server and no catalogue.

mod export;

pub use export::verify_export;

use crate::{
    chain::{Hash, hash_of, head_message, signature_fits},
    entry::{HEAD_SIGNED, entry_in, signature_in},
    log::{DAMAGED, HEAD_FILE, HeadFile},
    scan::{Cursor, lines, months},
};
use lectern_media::UnixMillis;
use serde::Serialize;
use std::{
    collections::BTreeMap,
    fmt,
    fs::{self, File},
    io::{BufRead, BufReader},
    path::Path,
};

/// Faults that are listed; beyond that they are counted.
pub const FAULTS_LISTED_MAX: usize = 100;

/// Something that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// In which file.
    pub file: String,
    /// In which line, counted from 1; 0: of the file as a whole.
    pub line: u64,
    /// What, in words.
    pub what: String,
}

/// What a verification found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing is wrong.
    pub ok: bool,
    /// Lines, signatures among them.
    pub lines: u64,
    /// Entries.
    pub entries: u64,
    /// Files.
    pub months: u64,
    /// When the first entry was made.
    pub first: Option<UnixMillis>,
    /// When the last was.
    pub last: Option<UnixMillis>,
    /// Hash of the last line, hexadecimal.
    pub head: String,
    /// Public keys that signed, hexadecimal, with the number of signatures that fit. Compare them with the server's.
    pub keys: BTreeMap<String, u64>,
    /// Lines behind the last signature in the log; the head's file covers them.
    pub unsigned: u64,
    /// What is wrong, at most [`FAULTS_LISTED_MAX`].
    pub faults: Vec<Fault>,
    /// How much is wrong.
    pub faults_total: u64,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = |at: Option<UnixMillis>| {
            let at = at.and_then(|at| jiff::Timestamp::from_millisecond(at.0).ok());
            at.map_or("—".to_owned(), |at| at.to_string())
        };
        writeln!(f, "{} files, {} lines, {} entries", self.months, self.lines, self.entries)?;
        writeln!(f, "from {} to {}", time(self.first), time(self.last))?;
        writeln!(f, "head {}", if self.head.is_empty() { "—" } else { &self.head })?;
        for (key, count) in &self.keys {
            writeln!(f, "signed by {key} ({count} signatures)")?;
        }
        for fault in &self.faults {
            match fault.line {
                0 => writeln!(f, "WRONG {}: {}", fault.file, fault.what)?,
                line => writeln!(f, "WRONG {} line {line}: {}", fault.file, fault.what)?,
            }
        }
        let unlisted = self.faults_total - self.faults.len() as u64;
        if unlisted > 0 {
            writeln!(f, "and {unlisted} more")?;
        }
        f.write_str(if self.ok { "AUTHENTIC" } else { "NOT AUTHENTIC" })
    }
}

impl Report {
    fn fault(&mut self, file: &str, line: u64, what: impl fmt::Display) {
        self.faults_total += 1;
        if self.faults.len() < FAULTS_LISTED_MAX {
            self.faults.push(Fault { file: file.to_owned(), line, what: what.to_string() });
        }
    }
}

/// Verifies the log in `dir`. With a trusted key, signatures of any other are faults; without one the report names the keys.
#[must_use]
pub fn verify(dir: &Path, trusted: Option<&[u8; 32]>) -> Report {
    let mut state = Verifying::new(trusted);
    match months(dir) {
        Err(error) => state.report.fault("", 0, format!("the directory can't be read: {error}")),
        Ok(months) if months.is_empty() => state.report.fault("", 0, "there is no audit log here"),
        Ok(months) => {
            for (month, path) in &months {
                state.report.months += 1;
                match File::open(path) {
                    Ok(file) => state.file(&month.file_name(), BufReader::with_capacity(256 * 1024, file)),
                    Err(error) => state.report.fault(&month.file_name(), 0, format!("can't be read: {error}")),
                }
            }
            state.head(fs::read(dir.join(HEAD_FILE)).ok().as_deref());
        }
    }
    state.end()
}

pub(crate) struct Verifying<'a> {
    trusted: Option<&'a [u8; 32]>,
    cursor: Cursor,
    last_file: String,
    signed: u64,
    report: Report,
    /// The last acknowledged head, and the hash that the log has at that number.
    heads: BTreeMap<u64, Hash>,
}

/// Hashes of the last lines that are kept to be compared with the head's file, which may be a few lines old.
const RECENT: u64 = 10_000;

impl<'a> Verifying<'a> {
    pub(crate) fn new(trusted: Option<&'a [u8; 32]>) -> Self {
        let (last_file, report) = (String::new(), Report::default());
        Self { trusted, cursor: Cursor::default(), last_file, signed: 0, report, heads: BTreeMap::new() }
    }

    pub(crate) fn file(&mut self, name: &str, from: impl BufRead) {
        let mut cursor = self.cursor;
        let read = lines(from, &mut cursor, |read| {
            self.report.lines += 1;
            match &read.line {
                Err(fault) => self.report.fault(name, read.line_no, fault),
                Ok(line) => {
                    self.heads.insert(line.n, line.hash);
                    if self.heads.len() as u64 > RECENT {
                        self.heads.pop_first();
                    }
                    if let Some(signed) = signature_in(read.bytes) {
                        let message = head_message(line.n - 1, &line.previous);
                        if let Err(what) = self.signature(&signed.key, &signed.sig, &message) {
                            self.report.fault(name, read.line_no, what);
                        }
                        self.signed = line.n;
                    } else if contains(read.bytes, HEAD_SIGNED) && entry_in(read.bytes).is_none() {
                        self.report.fault(name, read.line_no, "the signature can't be read");
                    } else {
                        self.report.entries += 1;
                        self.report.first.get_or_insert(line.at);
                        self.report.last = Some(line.at);
                        if contains(read.bytes, DAMAGED)
                            && let Some(stored) = entry_in(read.bytes)
                            && stored.entry.detail.starts_with(DAMAGED)
                        {
                            self.report.fault(name, read.line_no, format!("the server found: {}", stored.entry.detail));
                        }
                    }
                }
            }
            true
        });
        if let Err(error) = read {
            self.report.fault(name, 0, format!("can't be read: {error}"));
        }
        self.cursor = cursor;
        name.clone_into(&mut self.last_file);
    }

    fn signature(&mut self, key: &str, signature: &str, message: &[u8]) -> Result<(), &'static str> {
        let (Some(bytes), Ok(signature)) = (hash_of(key), hex::decode(signature)) else {
            return Err("the signature can't be read");
        };
        if self.trusted.is_some_and(|trusted| *trusted != bytes) {
            return Err("signed with a key that is not the trusted one");
        }
        if !signature_fits(&bytes, message, &signature) {
            return Err("the signature does not fit");
        }
        *self.report.keys.entry(key.to_owned()).or_default() += 1;
        Ok(())
    }

    /// Compares with the last acknowledged head.
    fn head(&mut self, file: Option<&[u8]>) {
        let Some(file) = file else {
            return self.report.fault(HEAD_FILE, 0, "the last head is missing: lines may have been cut off the end");
        };
        let head: Option<HeadFile> = serde_json::from_slice(file).ok();
        let Some((head, hash)) = head.and_then(|head| hash_of(&head.h).map(|hash| (head, hash))) else {
            return self.report.fault(HEAD_FILE, 0, "the last head can't be read");
        };
        if let Err(what) = self.signature(&head.key, &head.sig, &head_message(head.n, &hash)) {
            return self.report.fault(HEAD_FILE, 0, what);
        }
        let last = self.last_file.clone();
        if head.n > self.cursor.n {
            let what =
                format!("lines are missing at the end: the head names {}, the log ends at {}", head.n, self.cursor.n);
            self.report.fault(&last, 0, what);
        } else if head.n > 0 && self.heads.get(&head.n) != Some(&hash) {
            self.report.fault(&last, 0, format!("line {} is not the one that the head names", head.n));
        }
    }

    pub(crate) fn end(mut self) -> Report {
        self.report.ok = self.report.faults_total == 0;
        self.report.unsigned = self.cursor.n.saturating_sub(self.signed);
        self.report.head = if self.cursor.n > 0 { hex::encode(self.cursor.hash) } else { String::new() };
        self.report
    }
}

fn contains(line: &[u8], text: &str) -> bool {
    std::str::from_utf8(line).is_ok_and(|line| line.contains(text))
}

#[cfg(test)]
mod tests;
