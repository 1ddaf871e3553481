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
use lectern_media::UnixMillis;
use serde_json::value::RawValue;
use std::{
    fs::{File, OpenOptions},
    io::{BufRead as _, BufReader, Read, Seek as _, SeekFrom, Write as _},
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
    /// What is on the disk is no longer known, so nothing more is written to it.
    broken: bool,
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
        let (len, next_line) = (scan.good, scan.next_line);
        let mut journal = Self { file, dir: dir.to_owned(), len, next_line, synced, broken: false };
        if journal.len == 0 {
            journal.append_body(&header())?;
        }
        journal.sync()?;
        journal.sync_dir()?;
        Ok((journal, Recovered { lines: scan.next_line.saturating_sub(1), torn_bytes }))
    }

    /// Renames the journal in `dir`, which must not be open; tells to what. `None` if there is none.
    pub(crate) fn set_aside(dir: &Path, now: UnixMillis) -> Result<Option<PathBuf>> {
        let aside = dir.join(format!("journal.{}.jsonl", now.0));
        match std::fs::rename(dir.join(Self::NAME), &aside) {
            Ok(()) => {}
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(StoreError::io("put the journal aside")(e)),
        }
        sync_dir(dir)?;
        Ok(Some(aside))
    }

    /// The journal's size in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// Whether nothing more is written, because it is not known what is on the disk: only a new start, which reads the
    /// journal back, finds out.
    pub(crate) fn is_broken(&self) -> bool {
        self.broken
    }

    /// Writes changes as one line, not yet synced. On failure the file is as before, or the journal is broken. To be
    /// followed by [`Journal::sync`] before the next line.
    pub(crate) fn append(&mut self, changes: &[Change]) -> Result<()> {
        self.append_body(&body(changes))
    }

    /// Makes what was appended durable. A failure breaks the journal: the kernel may have dropped the pages, and a second
    /// sync would prove nothing.
    pub(crate) fn sync(&mut self) -> Result<()> {
        let done = if self.synced { self.file.sync_data() } else { Ok(()) };
        self.broken |= done.is_err();
        done.map_err(StoreError::io("sync the journal"))
    }

    /// Hands each change that was appended so far to `each`, in order.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if less can be read than was appended, or the disk's.
    pub(crate) fn replay(&self, mut each: impl FnMut(Change)) -> Result<()> {
        let path = self.dir.join(Self::NAME);
        let file = File::open(&path).map_err(StoreError::io("open the journal"))?;
        let mut scan = Scan::default();
        scan.run(&file, &path, &mut each)?;
        if scan.good == self.len { Ok(()) } else { Err(StoreError::Damaged { path, offset: scan.good }) }
    }

    /// Replaces the journal by one that holds only `live`, atomically; on failure the old one stays. To be followed by
    /// [`Journal::sync_dir`] before the next line: until then a power cut may bring the old one back.
    pub(crate) fn compact(&mut self, live: impl Iterator<Item = Change>) -> Result<()> {
        const CHUNK_BYTES: usize = 1024 * 1024;
        let new = self.dir.join(Self::NEW);
        let file = File::create(&new).map_err(StoreError::io("make a new journal"))?;
        let (dir, synced) = (self.dir.clone(), self.synced);
        let mut next = Self { file, dir, len: 0, next_line: 0, synced, broken: false };
        next.append_body(&header())?;
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        for change in live {
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
        // From here on the name leads to the new file: whatever comes, nothing may go to the old one.
        *self = next;
        Ok(())
    }

    fn append_body(&mut self, body: &str) -> Result<()> {
        if self.broken {
            return Err(StoreError::Closed);
        }
        let checked = format!("{},{body}", self.next_line);
        let crc = crc32fast::hash(checked.as_bytes());
        let text = format!("[\"{crc:08x}\",{},{checked}]\n", checked.len()).into_bytes();
        if let Err(e) = self.file.write_all(&text) {
            // Most likely the disk is full. Take the part that was written back, so that the next append is whole: behind
            // a broken line it would be damage.
            let restored = self.file.set_len(self.len).and_then(|()| self.file.seek(SeekFrom::End(0)));
            self.broken |= restored.is_err();
            restored.map_err(StoreError::io("cut the journal after a failed write"))?;
            return Err(StoreError::io("write the journal")(e));
        }
        self.len += text.len() as u64;
        self.next_line += 1;
        Ok(())
    }

    /// Makes the journal's name durable. A failure breaks the journal: after a power cut the name might lead elsewhere.
    pub(crate) fn sync_dir(&mut self) -> Result<()> {
        let done = if self.synced { sync_dir(&self.dir) } else { Ok(()) };
        self.broken |= done.is_err();
        done
    }
}

fn sync_dir(dir: &Path) -> Result<()> {
    let dir = File::open(dir).map_err(StoreError::io("open the catalogue's directory"))?;
    dir.sync_all().map_err(StoreError::io("sync the catalogue's directory"))
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
    fn run(&mut self, from: impl Read, path: &Path, each: &mut impl FnMut(Change)) -> Result<()> {
        let mut reader = BufReader::with_capacity(256 * 1024, from);
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

/// Reads anything as a journal: what is understood of it is understood again without what comes behind.
pub(crate) fn fuzz(data: &[u8]) {
    let read = |data: &[u8]| {
        let (mut scan, mut seen) = (Scan::default(), Vec::new());
        let read = scan.run(data, Path::new("journal"), &mut |change| seen.push(change));
        (read.is_ok(), scan.good as usize, seen)
    };
    let (whole, good, seen) = read(data);
    assert!(good <= data.len(), "what is good is there");
    if whole {
        assert_eq!(read(&data[..good]), (true, good, seen), "a torn end changes nothing before it");
    }
}

/// Valid journals, to be mutated.
pub(crate) fn fuzz_seeds() -> Vec<Vec<u8>> {
    let line = |number: u64, body: &str| {
        let checked = format!("{number},{body}");
        format!("[\"{:08x}\",{},{checked}]\n", crc32fast::hash(checked.as_bytes()), checked.len())
    };
    let changes = [("place/1".to_owned(), Some("{\"名\":\"值\"}".to_owned())), ("place/1".to_owned(), None)];
    let lines = [line(0, &header()), line(1, &body(&changes)), line(2, &body(&changes[..1]))];
    (1..=lines.len()).map(|n| lines[..n].concat().into_bytes()).collect()
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
        journal.compact(put("k7", "7").into_iter()).unwrap();
        assert!(journal.len() < before / 4);
        journal.append(&put("k8", "8")).unwrap();
        journal.sync().unwrap();
        drop(journal);
        assert_eq!(open(dir.path()).unwrap().2, [put("k7", "7"), put("k8", "8")].concat());
    }

    #[test]
    fn after_compaction_nothing_goes_to_the_old_file() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, ..) = open(dir.path()).unwrap();
        journal.compact(put("k", "1").into_iter()).unwrap();
        // The directory can't be synced: writing ends, rather than going where a power cut would lose it.
        let real = std::mem::replace(&mut journal.dir, dir.path().join("gone"));
        assert!(journal.sync_dir().is_err() && journal.is_broken());
        assert!(journal.append(&put("k", "2")).is_err());
        journal.dir = real;
        let size = std::fs::metadata(dir.path().join(Journal::NAME)).unwrap().len();
        assert_eq!(journal.len(), size, "what is open is what the name leads to");
    }

    #[test]
    fn a_failed_write_that_can_t_be_taken_back_ends_writing() {
        let dir = tempfile::tempdir().unwrap();
        let (mut journal, ..) = open(dir.path()).unwrap();
        // A pipe that nobody reads takes nothing and can't be cut.
        let (_, nobody) = std::io::pipe().unwrap();
        journal.file = File::from(std::os::fd::OwnedFd::from(nobody));
        assert!(journal.append(&put("k", "1")).is_err());
        assert!(journal.is_broken());
        assert!(matches!(journal.append(&put("k", "2")), Err(StoreError::Closed)));
    }

    #[test]
    fn a_journal_that_lost_its_end_while_running_is_not_replayed() {
        let dir = tempfile::tempdir().unwrap();
        write(dir.path(), 3);
        let (journal, ..) = open(dir.path()).unwrap();
        let path = dir.path().join(Journal::NAME);
        let whole = std::fs::read(&path).unwrap();
        std::fs::write(&path, &whole[..whole.len() - 3]).unwrap();
        assert!(matches!(journal.replay(|_| ()), Err(StoreError::Damaged { .. })), "one was acknowledged and is gone");
    }

    #[test]
    fn a_journal_is_put_aside_whole() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Journal::set_aside(dir.path(), UnixMillis(5)).unwrap(), None);
        write(dir.path(), 3);
        let whole = std::fs::read(dir.path().join(Journal::NAME)).unwrap();
        let aside = Journal::set_aside(dir.path(), UnixMillis(5)).unwrap().unwrap();
        assert_eq!(std::fs::read(aside).unwrap(), whole);
        assert_eq!(open(dir.path()).unwrap().2, []);
    }
}
