//! The files: opening after a crash, appending, syncing, rolling over to the next month, signing heads.
//!
//! Takes `now` and does what it is told at once; the thread around it is [`crate::handle`].

use crate::{
    chain::{Head, HeadSigner, head_message},
    entry::{Entry, HEAD_SIGNED, Signed, write_line},
    handle::AuditError,
    index::{MonthIndex, Shared},
    scan::{Cursor, LineFault, Month, lines, months},
};
use lectern_media::UnixMillis;
use lectern_protocol::api::AuditAction;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, BufReader, Write as _},
    os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

/// Heads are signed in the log this often while it grows.
const SIGN_EVERY: Duration = Duration::from_secs(60);
/// The file with the last acknowledged head.
pub(crate) const HEAD_FILE: &str = "head.json";
/// The detail of an entry that says that lines are missing or wrong; [`crate::verify`] looks for it.
pub(crate) const DAMAGED: &str = "log_damaged";

/// The last acknowledged line, signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct HeadFile {
    pub(crate) n: u64,
    /// Hash, hexadecimal.
    pub(crate) h: String,
    pub(crate) at: UnixMillis,
    /// Public key, hexadecimal.
    pub(crate) key: String,
    /// Signature, hexadecimal.
    pub(crate) sig: String,
}

/// What the log needs of a file; another one stands in for a full disk in tests.
pub(crate) trait Disk: Send {
    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()>;
    fn sync(&self) -> io::Result<()>;
    fn cut(&self, len: u64) -> io::Result<()>;
}

impl Disk for File {
    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.sync_data()
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.set_len(len)
    }
}

/// Opens a month's file for writing, making it if it is not there.
pub(crate) type Opener = Box<dyn Fn(&Path) -> io::Result<Box<dyn Disk>> + Send>;

pub(crate) fn open_file(path: &Path) -> io::Result<Box<dyn Disk>> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Ok(Box::new(file))
}

pub(crate) struct Log {
    dir: PathBuf,
    opener: Opener,
    signer: Arc<dyn HeadSigner>,
    shared: Arc<Shared>,
    month: Month,
    file: Box<dyn Disk>,
    len: u64,
    cursor: Cursor,
    /// Number of the last line with a signature, and when it was written.
    signed: u64,
    signed_at: UnixMillis,
    /// After a failed sync it is not known what is on the disk: nothing more is written until the next start.
    broken: bool,
    head_stale: bool,
}

impl Log {
    /// Opens the log, sets a torn end aside, and says in an entry what was found wrong.
    pub(crate) fn open(
        dir: &Path,
        opener: Opener,
        signer: Arc<dyn HeadSigner>,
        shared: Arc<Shared>,
        now: UnixMillis,
    ) -> Result<Self, AuditError> {
        let io = |what| move |source| AuditError::Io { what, source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(dir).map_err(io("make the audit log's directory"))?;
        let acknowledged = read_head(dir);
        let months = months(dir).map_err(io("list the audit log's files"))?;
        let mut found = Found::default();
        if let Some((_, before)) = months.len().checked_sub(2).and_then(|nth| months.get(nth)) {
            // Where the chain stood when the last month began.
            let end = Found::read(before, Cursor::default(), None).map_err(io("read the audit log"))?;
            found.cursor = end.cursor;
        }
        let (month, path) = match months.last() {
            Some((month, path)) => {
                found = Found::read(path, found.cursor, acknowledged.as_ref()).map_err(io("read the audit log"))?;
                (*month, path.clone())
            }
            None => {
                let month = Month::of(now);
                (month, dir.join(month.file_name()))
            }
        };
        let file = opener(&path).map_err(io("open the audit log"))?;
        sync_dir(dir).map_err(io("sync the audit log's directory"))?;
        shared.begin(month, std::mem::take(&mut found.index));
        shared.set_head(Head { n: found.cursor.n, hash: found.cursor.hash, at: now });
        let mut log = Self {
            dir: dir.to_owned(),
            opener,
            signer,
            shared,
            month,
            file,
            len: found.good_len,
            cursor: found.cursor,
            signed: 0,
            signed_at: now,
            broken: false,
            head_stale: false,
        };
        let mut notes = Vec::new();
        if let Some(torn) = found.torn {
            notes.push(log.set_aside(&path, torn, now).map_err(io("set a torn line of the audit log aside"))?);
        }
        if found.damaged {
            notes.push(format!("{DAMAGED}: a line of {} does not fit", log.month.file_name()));
        }
        let missing = acknowledged.as_ref().is_some_and(|head| head.n > log.cursor.n);
        if missing || (acknowledged.is_none() && log.cursor.n > 0) {
            let told = acknowledged.map_or(0, |head| head.n);
            notes.push(format!("{DAMAGED}: the head names line {told}, the files end at line {}", log.cursor.n));
        }
        if !notes.is_empty() {
            tracing::warn!(?notes, "the audit log was not whole");
            let note = |detail| Entry { detail, ..Entry::new(now, AuditAction::Started) };
            log.write(notes.into_iter().map(note).collect(), now)?;
        }
        Ok(log)
    }

    /// Moves what a crash left of a line into a file of its own.
    fn set_aside(&mut self, path: &Path, torn: Vec<u8>, now: UnixMillis) -> io::Result<String> {
        let name = format!("{}.torn-{}", self.month.file_name(), now.0);
        let mut aside =
            fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path.with_file_name(&name))?;
        aside.write_all(&torn)?;
        aside.sync_all()?;
        sync_dir(&self.dir)?;
        self.file.cut(self.len)?;
        self.file.sync()?;
        metrics::counter!("lectern_audit_torn_bytes_total").increment(torn.len() as u64);
        Ok(format!("torn_line: {} bytes were moved to {name}", torn.len()))
    }

    /// Whether lines wait for a signature that is due.
    pub(crate) fn sign_due(&self, now: UnixMillis) -> bool {
        self.unsigned() && (now.since(self.signed_at) >= SIGN_EVERY || now < self.signed_at)
    }

    /// Whether there are lines that no signature in the log covers, or the head's file is old.
    pub(crate) fn unsigned(&self) -> bool {
        self.cursor.n > self.signed || self.head_stale
    }

    /// Appends entries and syncs them: they survive a power cut when it returns. All or none.
    pub(crate) fn write(&mut self, entries: Vec<Entry>, now: UnixMillis) -> Result<u64, AuditError> {
        if self.broken {
            return Err(AuditError::Broken);
        }
        let month = Month::of(now);
        if month > self.month {
            self.roll(month, now)?;
        }
        let mut batch = Batch::new(self.cursor, self.len);
        for mut entry in entries {
            entry.bound();
            batch.push(entry.at, &entry)?;
        }
        let signs = !batch.lines.is_empty() || self.unsigned();
        if signs && (now.since(self.signed_at) >= SIGN_EVERY || now < self.signed_at) {
            batch.sign(&*self.signer, now)?;
        }
        self.commit(batch, now)?;
        Ok(self.cursor.n)
    }

    /// Signs the end of the log.
    pub(crate) fn seal(&mut self, now: UnixMillis) -> Result<(), AuditError> {
        if self.broken {
            return Err(AuditError::Broken);
        }
        let mut batch = Batch::new(self.cursor, self.len);
        if self.cursor.n > self.signed {
            batch.sign(&*self.signer, now)?;
        }
        self.commit(batch, now)
    }

    /// Tries whether the disk takes a line again: a signature, which is never wrong.
    pub(crate) fn probe(&mut self, now: UnixMillis) -> Result<u64, AuditError> {
        if self.broken {
            return Err(AuditError::Broken);
        }
        let mut batch = Batch::new(self.cursor, self.len);
        batch.sign(&*self.signer, now)?;
        self.commit(batch, now)?;
        Ok(self.cursor.n)
    }

    fn roll(&mut self, month: Month, now: UnixMillis) -> Result<(), AuditError> {
        self.seal(now)?;
        let path = self.dir.join(month.file_name());
        let opened = (self.opener)(&path).and_then(|file| sync_dir(&self.dir).map(|()| file));
        self.file = opened.map_err(|source| AuditError::Io { what: "begin a month of the audit log", source })?;
        self.month = month;
        self.len = 0;
        self.shared.begin(month, MonthIndex::default());
        Ok(())
    }

    fn commit(&mut self, batch: Batch, now: UnixMillis) -> Result<(), AuditError> {
        if !batch.bytes.is_empty() {
            if let Err(source) = self.file.write(&batch.bytes, self.len) {
                // What was written of it must not stand before what is written next.
                self.broken |= self.file.cut(self.len).is_err();
                return Err(AuditError::Io { what: "write the audit log", source });
            }
            if let Err(source) = self.file.sync() {
                self.broken = true;
                return Err(AuditError::Io { what: "sync the audit log", source });
            }
            self.len += batch.bytes.len() as u64;
            self.cursor = batch.cursor;
            if batch.signed > 0 {
                (self.signed, self.signed_at) = (batch.signed, now);
            }
            let head = Head { n: self.cursor.n, hash: self.cursor.hash, at: now };
            self.shared.written(&batch.lines, head);
            metrics::counter!("lectern_audit_lines_total").increment(batch.lines.len() as u64);
            self.head_stale = true;
        }
        if self.head_stale {
            match self.write_head(now) {
                Ok(()) => self.head_stale = false,
                // The lines are safe; a head that is older than they are is no fault. It is written with the next ones.
                Err(error) => {
                    metrics::counter!("lectern_audit_write_failures_total", "reason" => "head").increment(1);
                    tracing::warn!(%error, "the head of the audit log could not be written");
                }
            }
        }
        Ok(())
    }

    /// Replaces the head's file. Its directory is not synced: after a power cut an older head is as good.
    fn write_head(&self, now: UnixMillis) -> io::Result<()> {
        let Cursor { n, hash } = self.cursor;
        let head = HeadFile {
            n,
            h: hex::encode(hash),
            at: now,
            key: hex::encode(self.signer.public_key()),
            sig: hex::encode(self.signer.sign(&head_message(n, &hash))),
        };
        let (path, new) = (self.dir.join(HEAD_FILE), self.dir.join("head.json.new"));
        let mut file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
        file.write_all(serde_json::to_string(&head)?.as_bytes())?;
        file.sync_data()?;
        fs::rename(new, path)
    }
}

/// Lines that are written together.
struct Batch {
    cursor: Cursor,
    offset: u64,
    bytes: Vec<u8>,
    lines: Vec<(u64, u64, u64, UnixMillis)>,
    signed: u64,
}

impl Batch {
    fn new(cursor: Cursor, offset: u64) -> Self {
        Self { cursor, offset, bytes: Vec::new(), lines: Vec::new(), signed: 0 }
    }

    fn push(&mut self, at: UnixMillis, content: &impl Serialize) -> Result<(), AuditError> {
        let (n, start) = (self.cursor.n + 1, self.bytes.len());
        let hash = write_line(&mut self.bytes, n, &self.cursor.hash, content).map_err(AuditError::Encode)?;
        self.lines.push((self.offset + start as u64, (self.bytes.len() - start) as u64, n, at));
        self.cursor = Cursor { n, hash };
        Ok(())
    }

    /// A line that signs the one before it.
    fn sign(&mut self, signer: &dyn HeadSigner, now: UnixMillis) -> Result<(), AuditError> {
        let message = head_message(self.cursor.n, &self.cursor.hash);
        let signed = Signed {
            at: now,
            action: HEAD_SIGNED.into(),
            key: hex::encode(signer.public_key()),
            sig: hex::encode(signer.sign(&message)),
        };
        self.push(now, &signed)?;
        self.signed = self.cursor.n;
        Ok(())
    }
}

/// What a start finds in a file.
#[derive(Default)]
struct Found {
    cursor: Cursor,
    index: MonthIndex,
    good_len: u64,
    /// Bytes behind the last good line, none of which was acknowledged.
    torn: Option<Vec<u8>>,
    /// A line that was acknowledged does not fit.
    damaged: bool,
}

impl Found {
    fn read(path: &Path, start: Cursor, acknowledged: Option<&HeadFile>) -> io::Result<Self> {
        let mut found = Self { cursor: start, ..Self::default() };
        let mut cursor = start;
        // A power cut may leave holes in front of whole lines: nothing behind the first wrong line was acknowledged,
        // unless the head names it.
        let acknowledged = acknowledged.map_or(0, |head| head.n);
        let mut torn_from = None;
        lines(BufReader::with_capacity(256 * 1024, File::open(path)?), &mut cursor, |read| {
            let good = match &read.line {
                Ok(line) => Some(Cursor { n: line.n, hash: line.hash }),
                Err(LineFault::Torn) => None,
                Err(_) if found.cursor.n >= acknowledged => None,
                Err(_) => {
                    found.damaged = true;
                    let said = crate::entry::Line::parse(read.bytes);
                    Some(said.map_or(Cursor { n: found.cursor.n + 1, ..found.cursor }, |line| Cursor {
                        n: line.n,
                        hash: line.hash,
                    }))
                }
            };
            let Some(good) = good else {
                torn_from = Some(read.offset);
                return false;
            };
            let at = read.line.as_ref().map_or(UnixMillis(0), |line| line.at);
            found.index.push(read.offset, read.len, good.n, at);
            found.cursor = good;
            found.good_len = read.offset + read.len;
            true
        })?;
        if let Some(from) = torn_from {
            let bytes = fs::read(path)?;
            found.torn = bytes.get(from as usize..).map(<[u8]>::to_vec);
        }
        Ok(found)
    }
}

/// The last acknowledged head; none if there is none or it can't be read.
pub(crate) fn read_head(dir: &Path) -> Option<HeadFile> {
    serde_json::from_slice(&fs::read(dir.join(HEAD_FILE)).ok()?).ok()
}

fn sync_dir(dir: &Path) -> io::Result<()> {
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests;
