//! The one thread that writes. It takes what waits, runs each transaction on what the others before it will have
//! written, writes all of them to the journal, syncs once (group commit), applies them to the index, and only then
//! answers. The async runtime never waits for the disk.

use super::{
    index::{Index, Truth},
    journal::{Change, Journal, TRANSACTION_BYTES_MAX},
};
use crate::error::{Result, StoreError};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::sync::{mpsc, oneshot};

/// Transactions waiting to be written; beyond this, callers wait.
const QUEUE_LEN_MAX: usize = 1_024;
/// Transactions in one sync.
const GROUP_LEN_MAX: usize = 256;
/// The journal is compacted when it is larger than this and than [`COMPACT_FACTOR`] times what lives.
const COMPACT_BYTES_MIN: u64 = 8 * 1024 * 1024;
const COMPACT_FACTOR: u64 = 4;

/// Answers the caller once its transaction's fate is known.
type Finish = Box<dyn FnOnce(Result<()>) + Send>;
/// Runs the transaction; the boolean says whether to commit it.
type Job = Box<dyn FnOnce(&mut Tx<'_>) -> (bool, Finish) + Send>;

enum Message {
    Run(Job),
    Repair(oneshot::Sender<()>),
    Close(oneshot::Sender<()>),
}

/// The way to the writer.
#[derive(Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
    failed: Arc<AtomicBool>,
}

impl Writer {
    /// Starts the thread. `live_bytes` is the size of what the journal's entries leave.
    pub(crate) fn start(journal: Journal, index: Index, live_bytes: u64, durable: bool) -> Result<Self> {
        let (queue, waiting) = mpsc::channel(QUEUE_LEN_MAX);
        let failed = Arc::new(AtomicBool::new(false));
        let state = State { journal, index, live_bytes, durable, failed: Arc::clone(&failed) };
        std::thread::Builder::new()
            .name("catalogue".into())
            .spawn(move || state.run(waiting))
            .map_err(StoreError::io("start the catalogue's thread"))?;
        Ok(Self { queue, failed })
    }

    /// Runs `transaction` and returns when it is durable. If it returns an error nothing is written.
    pub(crate) async fn write<T, F>(&self, transaction: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut Tx<'_>) -> Result<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |tx| {
            let outcome = transaction(tx);
            let commit = outcome.is_ok();
            let finish: Finish = Box::new(move |fate| {
                // The caller may have gone away; the transaction stands all the same.
                let _ = answer.send(outcome.and_then(|value| fate.map(|()| value)));
            });
            (commit, finish)
        });
        self.queue.send(Message::Run(job)).await.map_err(|_| StoreError::Closed)?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Asks for the index to be replaced, because reading it failed; returns when that is done.
    pub(crate) async fn repair(&self) {
        let (done, finished) = oneshot::channel();
        if self.queue.send(Message::Repair(done)).await.is_ok() {
            let _ = finished.await;
        }
    }

    /// Whether writing works.
    pub(crate) fn writable(&self) -> bool {
        !self.failed.load(Ordering::Relaxed) && !self.queue.is_closed()
    }

    /// Writes what waits and ends the thread.
    pub(crate) async fn close(&self) {
        let (done, finished) = oneshot::channel();
        if self.queue.send(Message::Close(done)).await.is_ok() {
            let _ = finished.await;
        }
    }
}

struct State {
    journal: Journal,
    index: Index,
    live_bytes: u64,
    durable: bool,
    failed: Arc<AtomicBool>,
}

impl State {
    fn run(mut self, mut waiting: mpsc::Receiver<Message>) {
        let mut group = Vec::with_capacity(GROUP_LEN_MAX);
        loop {
            group.clear();
            if waiting.blocking_recv_many(&mut group, GROUP_LEN_MAX) == 0 {
                return;
            }
            let mut jobs = Vec::new();
            let mut close = None;
            for message in group.drain(..) {
                match message {
                    Message::Run(job) if close.is_none() => jobs.push(job),
                    // Dropping the job answers its caller with Closed.
                    Message::Run(_) => {}
                    Message::Repair(done) => {
                        self.repair();
                        let _ = done.send(());
                    }
                    Message::Close(done) => close = Some(done),
                }
            }
            self.commit(jobs);
            if let Some(done) = close {
                waiting.close();
                drop(self);
                let _ = done.send(());
                return;
            }
        }
    }

    fn commit(&mut self, jobs: Vec<Job>) {
        let mut overlay = BTreeMap::new();
        let mut commits = Vec::new();
        for job in jobs {
            if self.failed.load(Ordering::Relaxed) {
                continue;
            }
            let mut tx = Tx { index: &self.index, group: &overlay, own: BTreeMap::new() };
            let (commit, finish) = job(&mut tx);
            let own = tx.own;
            let len: usize = own.iter().map(|(k, v)| k.len() + v.as_ref().map_or(4, String::len) + 8).sum();
            if !commit || own.is_empty() {
                finish(Ok(()));
            } else if len > TRANSACTION_BYTES_MAX {
                finish(Err(StoreError::TooLarge { len }));
            } else {
                overlay.extend(own);
                commits.push(finish);
            }
        }
        if commits.is_empty() {
            return;
        }
        let fate = self.write(&overlay.into_iter().collect::<Vec<_>>());
        metrics::counter!("lectern_library_commits_total").increment(1);
        metrics::counter!("lectern_library_transactions_total").increment(commits.len() as u64);
        match fate {
            Ok(()) => commits.into_iter().for_each(|finish| finish(Ok(()))),
            Err(error) => {
                let full = matches!(error, StoreError::DiskFull);
                let reason = if full { "disk_full" } else { "disk" };
                metrics::counter!("lectern_library_commit_failures_total", "reason" => reason).increment(1);
                tracing::error!(%error, "the catalogue could not be written");
                for finish in commits {
                    finish(Err(if full { StoreError::DiskFull } else { StoreError::Closed }));
                }
            }
        }
        self.compact_if_due();
    }

    fn write(&mut self, changes: &[Change]) -> Result<()> {
        self.journal.append(changes)?;
        // After a failed sync the kernel may have dropped the pages: nothing written to this file can be trusted any
        // more, so writing ends until the next start has read the journal back.
        self.journal.sync().inspect_err(|_| self.failed.store(true, Ordering::Relaxed))?;
        // The journal has it: an index that fails now is replaced.
        if let Err(error) = self.apply(changes) {
            tracing::error!(%error, "the catalogue's index failed");
            self.repair();
        }
        Ok(())
    }

    /// Replaces an index that failed by the journal's content in memory.
    fn repair(&mut self) {
        if self.index.fell_back() {
            return;
        }
        let mut truth = Truth::new();
        let replayed = self.journal.replay(|(key, value)| {
            match value {
                Some(value) => truth.insert(key, value),
                None => truth.remove(&key),
            };
        });
        match replayed {
            Ok(()) => {
                metrics::counter!("lectern_library_index_failures_total").increment(1);
                tracing::warn!(records = truth.len(), "the catalogue is served from memory until the next start");
                self.live_bytes = truth.iter().map(|(k, v)| (k.len() + v.len()) as u64).sum();
                self.index.fall_back(truth);
            }
            Err(error) => {
                tracing::error!(%error, "neither index nor journal can be read: nothing more is written");
                self.failed.store(true, Ordering::Relaxed);
            }
        }
    }

    fn apply(&mut self, changes: &[Change]) -> Result<()> {
        for (key, value) in changes {
            let old = self.index.get(key)?.map_or(0, |old| key.len() + old.len()) as u64;
            let new = value.as_ref().map_or(0, |value| key.len() + value.len()) as u64;
            self.live_bytes = (self.live_bytes + new).saturating_sub(old);
        }
        self.index.apply(changes)?;
        if self.durable { self.index.sync() } else { Ok(()) }
    }

    fn compact_if_due(&mut self) {
        metrics::gauge!("lectern_library_journal_bytes").set(self.journal.len() as f64);
        if self.journal.len() < COMPACT_BYTES_MIN.max(COMPACT_FACTOR * self.live_bytes)
            || self.failed.load(Ordering::Relaxed)
        {
            return;
        }
        let before = self.journal.len();
        match self.journal.compact(self.index.everything()) {
            Ok(()) => tracing::info!(before, after = self.journal.len(), "compacted the catalogue's journal"),
            // The old journal stays; it is tried again at the next commit.
            Err(error) => tracing::warn!(%error, "could not compact the catalogue's journal"),
        }
    }
}

/// A transaction: reads see its own writes and those of the transactions before it.
pub(crate) struct Tx<'a> {
    index: &'a Index,
    group: &'a BTreeMap<String, Option<String>>,
    own: BTreeMap<String, Option<String>>,
}

impl Tx<'_> {
    /// A record.
    pub(crate) fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>> {
        let record = |text: &[u8]| {
            serde_json::from_slice(text).map(Some).map_err(|source| StoreError::Record { key: key.to_owned(), source })
        };
        match self.own.get(key).or_else(|| self.group.get(key)) {
            Some(Some(text)) => record(text.as_bytes()),
            Some(None) => Ok(None),
            None => self.index.get(key)?.map_or(Ok(None), |bytes| record(&bytes)),
        }
    }

    /// Whether there is a record.
    pub(crate) fn has(&self, key: &str) -> Result<bool> {
        match self.own.get(key).or_else(|| self.group.get(key)) {
            Some(value) => Ok(value.is_some()),
            None => Ok(self.index.get(key)?.is_some()),
        }
    }

    /// Writes a record.
    pub(crate) fn put<T: Serialize>(&mut self, key: String, value: &T) -> Result<()> {
        match serde_json::to_string(value) {
            Ok(text) => {
                self.own.insert(key, Some(text));
                Ok(())
            }
            Err(source) => Err(StoreError::Record { key, source }),
        }
    }

    /// Removes a record.
    pub(crate) fn remove(&mut self, key: String) {
        self.own.insert(key, None);
    }

    /// Keys with this prefix, in order.
    pub(crate) fn keys(&self, prefix: &str) -> Result<Vec<String>> {
        let mut keys: BTreeMap<String, bool> =
            self.index.scan(prefix, None).map(|e| e.map(|(k, _)| (k, true))).collect::<Result<_>>()?;
        for overlay in [self.group, &self.own] {
            let within = overlay.range(prefix.to_owned()..).take_while(|(k, _)| k.starts_with(prefix));
            keys.extend(within.map(|(k, v)| (k.clone(), v.is_some())));
        }
        Ok(keys.into_iter().filter(|(_, there)| *there).map(|(key, _)| key).collect())
    }

    /// Records with this prefix, in the order of their keys.
    pub(crate) fn all<T: DeserializeOwned>(&self, prefix: &str) -> Result<Vec<T>> {
        let keys = self.keys(prefix)?;
        keys.iter().filter_map(|key| self.get(key).transpose()).collect()
    }
}
