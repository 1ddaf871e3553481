//! The journal: an append-only file of checked lines. It is the truth; everything else can be made from it.
//!
//! A line is a JSON array, `["<crc32 as 8 hex digits>",<length>,<number>,<body>]`: length and checksum are those of
//! `<number>,<body>`; lines are numbered from 0. The first line's body is `{"lectern_catalogue":<format>}`; every other's
//! is a list of `["key",value]` pairs, applied all or nothing, where the value `null` removes the key. A line is synced
//! before the next is written, so a broken last line is a torn tail (never acknowledged, cut off), and a broken line with
//! a whole one behind it is damage (acknowledged once: a person must decide).
//!
//! Does not belong here: what keys and values mean.

use crate::error::{Result, StoreError};
use serde_json::value::RawValue;
use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Seek as _, SeekFrom, Write as _},
    path::{Path, PathBuf},
};

/// The format that this program writes, and the newest it reads.
pub(crate) const FORMAT: u32 = 1;
/// The most bytes of one transaction; a larger one is refused. A line holds a group of them.
pub(crate) const TRANSACTION_BYTES_MAX: usize = 16 * 1024 * 1024;
/// `["01234567",`
const CRC_END: usize = 12;

#[derive(serde::Serialize, serde::Deserialize)]
struct Header {
    lectern_catalogue: u32,
}

/// One change: a key and its new JSON value, or none.
pub(crate) type Change = (String, Option<String>);

/// What opening found.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Recovered {
    /// Whole lines after the first.
    pub(crate) lines: u64,
    /// Bytes cut off the end: written, never acknowledged.
    pub(crate) torn_bytes: u64,
}

/// An open journal, at its end.
pub(crate) struct Journal {
    file: File,
    dir: PathBuf,
    len: u64,
    next_line: u64,
    synced: bool,
}

impl Journal {
    const NAME: &'static str = "journal.jsonl";
    const NEW: &'static str = "journal.jsonl.new";

    /// Opens the journal in `dir` (made if missing), hands each change to `each` in order, and cuts a torn tail.
    /// `synced` is false only in the test that shows what a journal without syncs loses.
    ///
    /// # Errors
    /// [`StoreError::NewerFormat`], [`StoreError::Damaged`], or the disk's.
    pub(crate) fn open(dir: &Path, synced: bool, mut each: impl FnMut(Change)) -> Result<(Self, Recovered)> {
        let path = dir.join(Self::NAME);
        // A compaction that was cut short: the old journal is still complete.
        match std::fs::remove_file(dir.join(Self::NEW)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => return Err(StoreError::io("remove old journal")(e)),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(StoreError::io("open the journal"))?;
        let mut scan = Scan::default();
        scan.run(&file, &path, &mut each)?;
        let total = file.metadata().map_err(StoreError::io("read the journal's size"))?.len();
        let torn_bytes = total - scan.good;
        if torn_bytes > 0 {
            file.set_len(scan.good).map_err(StoreError::io("cut the journal's torn end"))?;
        }
        file.seek(SeekFrom::End(0)).map_err(StoreError::io("seek in the journal"))?;
        let mut journal = Self { file, dir: dir.to_owned(), len: scan.good, next_line: scan.next_line, synced };
        if journal.len == 0 {
            journal.append_body(&header())?;
        }
        journal.sync()?;
        journal.sync_dir()?;
        Ok((journal, Recovered { lines: scan.next_line.saturating_sub(1), torn_bytes }))
    }

    /// The journal's size in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Writes changes as one line, not yet synced. On failure the file is as before. To be followed by
    /// [`Journal::sync`] before the next line.
    pub(crate) fn append(&mut self, changes: &[Change]) -> Result<()> {
        self.append_body(&body(changes))
    }

    /// Makes what was appended durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        if self.synced {
            self.file.sync_data().map_err(StoreError::io("sync the journal"))?;
        }
        Ok(())
    }

    /// Hands each change that was appended so far to `each`, in order.
    pub(crate) fn replay(&self, mut each: impl FnMut(Change)) -> Result<()> {
        let path = self.dir.join(Self::NAME);
        let file = File::open(&path).map_err(StoreError::io("open the journal"))?;
        Scan::default().run(&file, &path, &mut each)
    }

    /// Replaces the journal by one that holds only `live`, atomically.
    pub(crate) fn compact(&mut self, live: impl Iterator<Item = Result<Change>>) -> Result<()> {
        const CHUNK_BYTES: usize = 1024 * 1024;
        let new = self.dir.join(Self::NEW);
        let file = File::create(&new).map_err(StoreError::io("make a new journal"))?;
        let mut next = Self { file, dir: self.dir.clone(), len: 0, next_line: 0, synced: self.synced };
        next.append_body(&header())?;
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        for change in live {
            let change = change?;
            bytes += change.0.len() + change.1.as_ref().map_or(0, String::len);
            chunk.push(change);
            if bytes >= CHUNK_BYTES {
                next.append(&std::mem::take(&mut chunk))?;
                bytes = 0;
            }
        }
        if !chunk.is_empty() {
            next.append(&chunk)?;
        }
        next.sync()?;
        std::fs::rename(&new, self.dir.join(Self::NAME)).map_err(StoreError::io("put the new journal in place"))?;
        next.sync_dir()?;
        *self = next;
        Ok(())
    }

    fn append_body(&mut self, body: &str) -> Result<()> {
        let checked = format!("{},{body}", self.next_line);
        let crc = crc32fast::hash(checked.as_bytes());
        let text = format!("[\"{crc:08x}\",{},{checked}]\n", checked.len()).into_bytes();
        if let Err(e) = self.file.write_all(&text) {
            // Most likely the disk is full. Take the part that was written back, so that the next append is whole.
            self.file.set_len(self.len).map_err(StoreError::io("cut the journal after a failed write"))?;
            self.file.seek(SeekFrom::End(0)).map_err(StoreError::io("seek in the journal"))?;
            return Err(StoreError::io("write the journal")(e));
        }
        self.len += text.len() as u64;
        self.next_line += 1;
        Ok(())
    }

    fn sync_dir(&self) -> Result<()> {
        if self.synced {
            let dir = File::open(&self.dir).map_err(StoreError::io("open the catalogue's directory"))?;
            dir.sync_all().map_err(StoreError::io("sync the catalogue's directory"))?;
        }
        Ok(())
    }
}

fn header() -> String {
    format!("{{\"lectern_catalogue\":{FORMAT}}}")
}

fn body(changes: &[Change]) -> String {
    let mut body = String::from("[");
    for (index, (key, value)) in changes.iter().enumerate() {
        if index > 0 {
            body.push(',');
        }
        body.push('[');
        body.push_str(&serde_json::Value::from(key.as_str()).to_string());
        body.push(',');
        body.push_str(value.as_deref().unwrap_or("null"));
        body.push(']');
    }
    body.push(']');
    body
}

/// Reading from the start: how far the journal is good.
#[derive(Default)]
struct Scan {
    good: u64,
    next_line: u64,
}

impl Scan {
    fn run(&mut self, file: &File, path: &Path, each: &mut impl FnMut(Change)) -> Result<()> {
        let mut reader = BufReader::with_capacity(256 * 1024, file);
        let mut line = Vec::new();
        let mut at = 0_u64;
        let mut torn = false;
        loop {
            line.clear();
            let read = reader.read_until(b'\n', &mut line).map_err(StoreError::io("read the journal"))?;
            if read == 0 {
                return Ok(());
            }
            match parse_line(&line) {
                None => torn = true,
                // A whole line behind a broken one, or lines missing: what is not there was acknowledged once.
                Some((number, _)) if torn || number != self.next_line => {
                    return Err(StoreError::Damaged { path: path.to_owned(), offset: self.good });
                }
                Some((0, body)) => {
                    let header: Header = serde_json::from_str(body)
                        .map_err(|_| StoreError::Damaged { path: path.to_owned(), offset: 0 })?;
                    if header.lectern_catalogue > FORMAT {
                        return Err(StoreError::NewerFormat { found: header.lectern_catalogue, known: FORMAT });
                    }
                }
                Some((_, body)) => {
                    let changes: Vec<(String, Option<Box<RawValue>>)> = serde_json::from_str(body)
                        .map_err(|_| StoreError::Damaged { path: path.to_owned(), offset: at })?;
                    for (key, value) in changes {
                        each((key, value.map(|v| v.get().to_owned())));
                    }
                }
            }
            if !torn {
                self.next_line += 1;
                self.good = at + read as u64;
            }
            at += read as u64;
        }
    }
}

/// The number and body of a line, if length and checksum fit.
fn parse_line(line: &[u8]) -> Option<(u64, &str)> {
    let text = std::str::from_utf8(line).ok()?.strip_suffix("]\n")?;
    let crc = text.strip_prefix("[\"")?.get(..8)?;
    let (len, checked) = text.get(CRC_END..)?.split_once(',')?;
    let fits = len.parse() == Ok(checked.len())
        && u32::from_str_radix(crc, 16) == Ok(crc32fast::hash(checked.as_bytes()))
        && text.get(10..CRC_END) == Some("\",");
    let (number, body) = checked.split_once(',').filter(|_| fits)?;
    Some((number.parse().ok()?, body))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn open(dir: &Path) -> Result<(Journal, Recovered, Vec<Change>)> {
        let mut seen = vec![];
        let (journal, recovered) = Journal::open(dir, true, |c| seen.push(c))?;
        Ok((journal, recovered, seen))
    }

    fn put(key: &str, value: &str) -> Vec<Change> {
        vec![(key.into(), Some(value.into()))]
    }

    fn write(dir: &Path, n: usize) {
        let (mut journal, ..) = open(dir).unwrap();
        for i in 0..n {
            journal.append(&put(&format!("k{i}"), "{\"名\":\"值\"}")).unwrap();
            journal.sync().unwrap();
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, recovered, seen) = open(dir.path()).unwrap();
        assert_eq!((recovered, seen.len()), (Recovered::default(), 0));
        let changes = vec![("a\"b".to_owned(), Some("[1,null]".to_owned())), ("c".to_owned(), None)];
        journal.append(&changes).unwrap();
        journal.append(&put("d", "1")).unwrap();
        journal.sync().unwrap();
        drop(journal);
        let (_, recovered, seen) = open(dir.path()).unwrap();
        assert_eq!(recovered, Recovered { lines: 2, torn_bytes: 0 });
        assert_eq!(seen, [changes, put("d", "1")].concat());
    }

    #[test]
    fn a_tail_torn_at_any_byte_is_cut() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 3);
        let path = dir.path().join(Journal::NAME);
        let whole = std::fs::read(&path).unwrap();
        let ends: Vec<usize> = whole.iter().enumerate().filter(|(_, b)| **b == b'\n').map(|(i, _)| i + 1).collect();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            let want = ends.iter().skip(1).filter(|e| **e <= cut).count();
            let (_, recovered, seen) = open(dir.path()).unwrap();
            assert_eq!(seen.len(), want, "cut at {cut}");
            assert_eq!(recovered.lines as usize, want);
            // And it can be appended to.
            write(dir.path(), 1);
            assert_eq!(open(dir.path()).unwrap().2.len(), want + 1, "cut at {cut}");
        }
    }

    #[test]
    fn damage_in_the_middle_is_told_from_a_torn_tail() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 3);
        let path = dir.path().join(Journal::NAME);
        let whole = std::fs::read(&path).unwrap();
        let second = whole.iter().position(|b| *b == b'\n').unwrap() + 1;
        let mut bad = whole.clone();
        bad[second + 30] ^= 1;
        std::fs::write(&path, &bad).unwrap();
        assert!(matches!(open(dir.path()), Err(StoreError::Damaged { offset, .. }) if offset == second as u64));
        assert_eq!(std::fs::read(&path).unwrap(), bad, "nothing is cut then");
    }

    #[test]
    fn a_newer_format_is_refused_and_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        let checked = "0,{\"lectern_catalogue\":2}";
        let line = format!("[\"{:08x}\",{},{checked}]\n", crc32fast::hash(checked.as_bytes()), checked.len());
        let path = dir.path().join(Journal::NAME);
        std::fs::write(&path, &line).unwrap();
        assert!(matches!(open(dir.path()), Err(StoreError::NewerFormat { found: 2, known: FORMAT })));
        assert_eq!(std::fs::read_to_string(&path).unwrap(), line);
    }

    #[test]
    fn compaction_keeps_what_lives() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 50);
        let (mut journal, ..) = open(dir.path()).unwrap();
        let before = journal.len();
        journal.compact(put("k7", "7").into_iter().map(Ok)).unwrap();
        assert!(journal.len() < before / 4);
        journal.append(&put("k8", "8")).unwrap();
        journal.sync().unwrap();
        drop(journal);
        assert_eq!(open(dir.path()).unwrap().2, [put("k7", "7"), put("k8", "8")].concat());
    }
}
