//! The way into the log: a bounded queue before one thread that writes and syncs.
//!
//! An action that can't be written down is refused, not done in the dark: while the disk takes nothing, [`Audit::append`]
//! fails at once. What was taken before stays in memory and is tried again every second.

use crate::{
    chain::{Head, HeadSigner},
    count::Counter,
    entry::Entry,
    index::Shared,
    log::{Log, Opener, open_file},
};
use lectern_media::UnixMillis;
use lectern_protocol::api::AuditAction;
use std::{
    io,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, Receiver, RecvTimeoutError, Sender},
    },
    time::{Duration, Instant},
};
use tokio::sync::{Semaphore, oneshot};

/// Entries that wait to be written; beyond this, whoever wants to act waits.
pub const QUEUE_LEN_MAX: usize = 4_096;
/// Entries in one call of [`Audit::append_sync`].
pub const TOGETHER_MAX: usize = 2_048;
/// Entries that nobody waits for are written together after this long; with the sync, within a second.
const LINGER: Duration = Duration::from_millis(250);
/// How often what failed is tried again, minutes are looked at and heads signed.
const TICK: Duration = Duration::from_secs(1);

/// Why the log could not do what was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuditError {
    /// The disk refused.
    #[error("could not {what}")]
    Io {
        /// What was attempted.
        what: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// An entry could not be written as JSON.
    #[error("an entry could not be encoded")]
    Encode(#[source] serde_json::Error),
    /// The disk takes nothing at the moment: no entry, so no action.
    #[error("the audit log can't be written at the moment")]
    Unwritable,
    /// A sync failed: it is not known what is on the disk, and nothing more is written until the next start.
    #[error("the audit log can't be written until the server is restarted")]
    Broken,
    /// More than [`TOGETHER_MAX`] entries at once.
    #[error("too many entries at once")]
    TooMany,
    /// The log was closed.
    #[error("the audit log is closed")]
    Closed,
}

enum Message {
    Append(Box<Entry>),
    Sync(Vec<Entry>, oneshot::Sender<Result<u64, AuditError>>),
    Close(oneshot::Sender<()>),
}

/// The audit log. Cheap to clone; the last clone's drop ends the thread, which writes what waits.
#[derive(Clone)]
pub struct Audit(Arc<Inner>);

pub(crate) struct Inner {
    queue: Sender<Message>,
    room: Arc<Semaphore>,
    writable: Arc<AtomicBool>,
    pub(crate) shared: Arc<Shared>,
    pub(crate) dir: PathBuf,
    pub(crate) signer: Arc<dyn HeadSigner>,
}

impl std::fmt::Debug for Audit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Audit").field("dir", &self.0.dir).finish_non_exhaustive()
    }
}

impl Audit {
    /// Opens the log in `dir`, making it if it is not there. Blocks for as long as reading the last month takes.
    ///
    /// # Errors
    /// The disk's.
    pub fn open(dir: &Path, signer: Arc<dyn HeadSigner>) -> Result<Self, AuditError> {
        Self::open_with(dir, signer, Box::new(open_file))
    }

    pub(crate) fn open_with(dir: &Path, signer: Arc<dyn HeadSigner>, opener: Opener) -> Result<Self, AuditError> {
        let shared = Arc::new(Shared::default());
        let log = Log::open(dir, opener, Arc::clone(&signer), Arc::clone(&shared), UnixMillis::now())?;
        let (queue, waiting) = mpsc::channel();
        let room = Arc::new(Semaphore::new(QUEUE_LEN_MAX));
        let writable = Arc::new(AtomicBool::new(true));
        let writer = Writer {
            log,
            waiting,
            room: Arc::clone(&room),
            writable: Arc::clone(&writable),
            pending: Vec::new(),
            owed: Vec::new(),
            counter: Counter::default(),
        };
        std::thread::Builder::new()
            .name("audit".into())
            .spawn(move || writer.run())
            .map_err(|source| AuditError::Io { what: "start the audit log's thread", source })?;
        Ok(Self(Arc::new(Inner { queue, room, writable, shared, dir: dir.to_owned(), signer })))
    }

    pub(crate) fn inner(&self) -> &Inner {
        &self.0
    }

    /// Writes an entry down: returns when it is in the queue, and waits while that is full. On disk within a second.
    /// Refusals ([`AuditAction::Refused`]) of one person and reason are counted together per minute.
    ///
    /// # Errors
    /// [`AuditError::Unwritable`] while the disk takes nothing, [`AuditError::Closed`]. The action must not happen then.
    pub async fn append(&self, entry: Entry) -> Result<(), AuditError> {
        if !self.writable() {
            return Err(AuditError::Unwritable);
        }
        self.0.room.acquire().await.map_err(|_| AuditError::Closed)?.forget();
        self.0.queue.send(Message::Append(Box::new(entry))).map_err(|_| AuditError::Closed)
    }

    /// Writes entries down, all or none, in this order; they survive a power cut when it returns. For what must not
    /// happen unless it is written: exports, changes of rights. Gives the number of the last.
    ///
    /// # Errors
    /// [`AuditError::Io`], [`AuditError::Broken`], [`AuditError::Closed`]; [`AuditError::TooMany`] beyond
    /// [`TOGETHER_MAX`].
    ///
    /// # Panics
    /// Never: the number of entries is checked.
    pub async fn append_sync(&self, entries: Vec<Entry>) -> Result<u64, AuditError> {
        let len = u32::try_from(entries.len()).ok().filter(|len| *len as usize <= TOGETHER_MAX);
        let len = len.ok_or(AuditError::TooMany)?;
        self.0.room.acquire_many(len).await.map_err(|_| AuditError::Closed)?.forget();
        let (answer, answered) = oneshot::channel();
        self.0.queue.send(Message::Sync(entries, answer)).map_err(|_| AuditError::Closed)?;
        answered.await.map_err(|_| AuditError::Closed)?
    }

    /// Whether entries can be written at the moment (`/readyz`).
    #[must_use]
    pub fn writable(&self) -> bool {
        self.0.writable.load(Ordering::Relaxed)
    }

    /// The last durable line.
    #[must_use]
    pub fn head(&self) -> Head {
        self.0.shared.head()
    }

    /// Writes what waits and is counted, signs the head and ends; later calls fail with [`AuditError::Closed`].
    pub async fn close(&self) {
        let (done, finished) = oneshot::channel();
        if self.0.queue.send(Message::Close(done)).is_ok() {
            // An error is the thread's end, too.
            let _ = finished.await;
        }
        self.0.writable.store(false, Ordering::Relaxed);
    }
}

struct Writer {
    log: Log,
    waiting: Receiver<Message>,
    room: Arc<Semaphore>,
    writable: Arc<AtomicBool>,
    /// Entries that nobody waits for, not yet on disk; each holds its place in the queue.
    pending: Vec<Entry>,
    /// Counts of minutes that are over, not yet on disk. No more come while the disk takes nothing.
    owed: Vec<Entry>,
    counter: Counter,
}

impl Writer {
    fn run(mut self) {
        let mut write_at: Option<Instant> = None;
        loop {
            let idle = self.pending.is_empty()
                && self.counter.is_empty()
                && !self.log.unsigned()
                && self.writable.load(Ordering::Relaxed);
            let timeout = write_at.map_or(TICK, |at| at.saturating_duration_since(Instant::now()));
            let message = if idle {
                self.waiting.recv().map_err(|_| RecvTimeoutError::Disconnected)
            } else {
                self.waiting.recv_timeout(timeout)
            };
            match message {
                Ok(Message::Append(entry)) => {
                    self.take(*entry);
                    if !self.pending.is_empty() && write_at.is_none() {
                        let wait = if self.writable.load(Ordering::Relaxed) { LINGER } else { TICK };
                        write_at = Some(Instant::now() + wait);
                    }
                }
                Ok(Message::Sync(entries, answer)) => {
                    let places = entries.len();
                    // The caller may have gone away; what is written stands.
                    let _ = answer.send(self.flush(entries));
                    self.room.add_permits(places);
                    write_at = self.next_try();
                }
                Err(RecvTimeoutError::Timeout) => {
                    self.tick();
                    write_at = self.next_try();
                }
                Ok(Message::Close(done)) => {
                    self.end();
                    let _ = done.send(());
                    return;
                }
                Err(RecvTimeoutError::Disconnected) => return self.end(),
            }
            if write_at.is_some_and(|at| at <= Instant::now()) {
                self.tick();
                write_at = self.next_try();
            }
        }
    }

    /// When what is left is tried again.
    fn next_try(&self) -> Option<Instant> {
        (!self.pending.is_empty()).then(|| Instant::now() + TICK)
    }

    fn take(&mut self, entry: Entry) {
        if entry.action != AuditAction::Refused {
            self.pending.push(entry);
            return;
        }
        match self.counter.refused(entry, UnixMillis::now()) {
            Some(first) => self.pending.push(first),
            None => {
                metrics::counter!("lectern_audit_refusals_counted_total").increment(1);
                self.room.add_permits(1);
            }
        }
    }

    /// Writes what waits, what was counted, and signs if that is due.
    fn tick(&mut self) {
        let now = UnixMillis::now();
        self.owed.extend(self.counter.due(now, false));
        // Nobody waits for the answer; whoever comes is told by `writable`.
        let _ = if !self.pending.is_empty() || !self.owed.is_empty() || self.log.sign_due(now) {
            self.flush(Vec::new())
        } else if !self.writable.load(Ordering::Relaxed) {
            let tried = self.log.probe(now);
            self.noted(tried)
        } else {
            Ok(0)
        };
    }

    /// Writes what waits and then these. If that fails, what waited goes on waiting.
    fn flush(&mut self, entries: Vec<Entry>) -> Result<u64, AuditError> {
        let waiting = self.pending.iter().chain(&self.owed).cloned();
        let batch = waiting.chain(entries).collect();
        let written = self.log.write(batch, UnixMillis::now());
        if written.is_ok() {
            self.room.add_permits(self.pending.len());
            self.pending.clear();
            self.owed.clear();
        }
        self.noted(written)
    }

    /// Says to all whether the disk takes entries.
    fn noted(&self, written: Result<u64, AuditError>) -> Result<u64, AuditError> {
        let was = self.writable.swap(written.is_ok(), Ordering::Relaxed);
        if let Err(error) = &written {
            let full = matches!(error, AuditError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull);
            let reason = if full { "disk_full" } else { "disk" };
            metrics::counter!("lectern_audit_write_failures_total", "reason" => reason).increment(1);
            if was {
                tracing::error!(%error, waiting = self.pending.len(), "the audit log can't be written");
            }
        } else if !was {
            tracing::info!("the audit log can be written again");
        }
        written
    }

    fn end(&mut self) {
        let now = UnixMillis::now();
        self.owed.extend(self.counter.due(now, true));
        let written = self.flush(Vec::new()).and_then(|_| self.log.seal(now));
        if let Err(error) = written {
            let lost = self.pending.len() + self.owed.len();
            metrics::counter!("lectern_audit_entries_lost_total", "reason" => "disk").increment(lost as u64);
            tracing::error!(%error, lost, "the audit log could not be ended");
        }
        self.room.close();
    }
}

#[cfg(test)]
mod tests;
