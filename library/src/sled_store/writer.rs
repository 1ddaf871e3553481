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
/// A group that has reached this size is written before the next transaction joins it, so that a line of the journal is at
/// most this long and one transaction longer.
const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;
/// The journal is compacted when it is larger than this and than [`COMPACT_FACTOR`] times what lives.
const COMPACT_BYTES_MIN: u64 = 8 * 1024 * 1024;
const COMPACT_FACTOR: u64 = 4;
/// After a compaction that failed, the journal grows by this much before the next.
const COMPACT_AGAIN_BYTES: u64 = 1024 * 1024;

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
        let state =
            State { journal, index, live_bytes, compact_from: COMPACT_BYTES_MIN, durable, failed: Arc::clone(&failed) };
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
    /// No compaction below this length.
    compact_from: u64,
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
        let mut group = Group::default();
        for job in jobs {
            // Dropping the job answers its caller with Closed.
            if self.failed.load(Ordering::Relaxed) {
                continue;
            }
            let mut tx = Tx { index: &self.index, group: &group.changes, own: BTreeMap::new() };
            let (commit, finish) = job(&mut tx);
            let own = tx.own;
            let len: usize = own.iter().map(|(k, v)| k.len() + v.as_ref().map_or(4, String::len) + 8).sum();
            if !commit {
                finish(Ok(()));
            } else if len > TRANSACTION_BYTES_MAX {
                finish(Err(StoreError::TooLarge { len }));
            } else {
                // One that changed nothing may still have read what is not written yet: it shares the group's fate.
                group.changes.extend(own);
                group.bytes += len;
                group.finishes.push(finish);
            }
            if group.bytes >= GROUP_BYTES_MAX {
                self.commit_group(std::mem::take(&mut group));
            }
        }
        self.commit_group(group);
    }

    fn commit_group(&mut self, group: Group) {
        let Group { changes, finishes, .. } = group;
        if changes.is_empty() {
            return finishes.into_iter().for_each(|finish| finish(Ok(())));
        }
        let fate = self.write(&changes.into_iter().collect::<Vec<_>>());
        metrics::counter!("lectern_library_commits_total").increment(1);
        metrics::counter!("lectern_library_transactions_total").increment(finishes.len() as u64);
        match fate {
            Ok(()) => finishes.into_iter().for_each(|finish| finish(Ok(()))),
            Err(error) => {
                let full = matches!(error, StoreError::DiskFull);
                let reason = if full { "disk_full" } else { "disk" };
                metrics::counter!("lectern_library_commit_failures_total", "reason" => reason).increment(1);
                tracing::error!(%error, "the catalogue could not be written");
                for finish in finishes {
                    finish(Err(if full { StoreError::DiskFull } else { StoreError::Closed }));
                }
            }
        }
        self.compact_if_due();
    }

    fn write(&mut self, changes: &[Change]) -> Result<()> {
        let written = self.journal.append(changes).and_then(|()| self.journal.sync());
        self.notice_broken();
        written?;
        // The journal has it: an index that fails now is replaced.
        if let Err(error) = self.apply(changes) {
            tracing::error!(%error, "the catalogue's index failed");
            self.repair();
        }
        Ok(())
    }

    /// Ends writing until the next start has read the journal back, once it is not known what is on the disk.
    fn notice_broken(&self) {
        if self.journal.is_broken() {
            self.failed.store(true, Ordering::Relaxed);
        }
    }

    /// What the journal says.
    fn truth(&self) -> Result<Truth> {
        let mut truth = Truth::new();
        self.journal.replay(|(key, value)| {
            match value {
                Some(value) => truth.insert(key, value),
                None => truth.remove(&key),
            };
        })?;
        Ok(truth)
    }

    /// Replaces an index that failed by the journal's content in memory.
    fn repair(&mut self) {
        if self.index.fell_back() {
            return;
        }
        match self.truth() {
            Ok(truth) => {
                metrics::counter!("lectern_library_index_failures_total").increment(1);
                tracing::warn!(records = truth.len(), "the catalogue is served from memory until the next start");
                self.live_bytes = live_bytes(&truth);
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
        if self.journal.len() < self.compact_from.max(COMPACT_FACTOR * self.live_bytes)
            || self.failed.load(Ordering::Relaxed)
        {
            return;
        }
        let before = self.journal.len();
        // From the journal itself: the index may be wrong and be corrected, the truth may not.
        let compacted = self.truth().and_then(|truth| {
            let live_bytes = live_bytes(&truth);
            self.journal.compact(truth.into_iter().map(|(key, value)| (key, Some(value))))?;
            self.live_bytes = live_bytes;
            self.journal.sync_dir()
        });
        self.notice_broken();
        let failed = compacted.is_err();
        self.compact_from = if failed { self.journal.len() + COMPACT_AGAIN_BYTES } else { COMPACT_BYTES_MIN };
        match compacted {
            Ok(()) => tracing::info!(before, after = self.journal.len(), "compacted the catalogue's journal"),
            Err(error) if self.journal.is_broken() => {
                metrics::counter!("lectern_library_commit_failures_total", "reason" => "compaction").increment(1);
                tracing::error!(%error, "the compacted journal is not safe on the disk: nothing more is written");
            }
            // The old journal stays.
            Err(error) => tracing::warn!(%error, "could not compact the catalogue's journal"),
        }
    }
}

/// Transactions that are written as one line.
#[derive(Default)]
struct Group {
    changes: BTreeMap<String, Option<String>>,
    bytes: usize,
    finishes: Vec<Finish>,
}

/// The size of what lives.
pub(crate) fn live_bytes(truth: &Truth) -> u64 {
    truth.iter().map(|(k, v)| (k.len() + v.len()) as u64).sum()
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

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn state(dir: &Path) -> State {
        let (journal, _) = Journal::open(dir, true, |_| ()).unwrap();
        let (index, _) = Index::open(dir, &Truth::new()).unwrap();
        let failed = Arc::default();
        State { journal, index, live_bytes: 0, compact_from: COMPACT_BYTES_MIN, durable: true, failed }
    }

    /// Writes a text of this length; the receiver is told how it went.
    fn job(key: &str, len: usize) -> (Job, oneshot::Receiver<Result<()>>) {
        let (answer, answered) = oneshot::channel();
        let key = key.to_owned();
        let job: Job = Box::new(move |tx| {
            tx.put(key, &"x".repeat(len)).unwrap();
            (true, Box::new(move |fate| answer.send(fate).unwrap()))
        });
        (job, answered)
    }

    fn commit(state: &mut State, jobs: impl IntoIterator<Item = (Job, oneshot::Receiver<Result<()>>)>) {
        let (jobs, answers): (Vec<_>, Vec<_>) = jobs.into_iter().unzip();
        state.commit(jobs);
        answers.into_iter().for_each(|mut answer| answer.try_recv().unwrap().unwrap());
    }

    #[test]
    fn a_line_holds_a_bounded_group() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = state(dir.path());
        commit(&mut state, (0..7).map(|i| job(&format!("k{i}"), GROUP_BYTES_MAX / 2)));
        drop(state);
        let lines = std::fs::read_to_string(dir.path().join("journal.jsonl")).unwrap();
        let longest = lines.lines().map(str::len).max().unwrap();
        assert!(longest < GROUP_BYTES_MAX + GROUP_BYTES_MAX / 2, "{longest}");
        assert_eq!(lines.lines().count(), 1 + 4, "two transactions a line");
    }

    #[test]
    fn what_only_the_index_says_never_becomes_the_truth() {
        let dir = tempfile::tempdir().unwrap();
        let mut state = state(dir.path());
        state.index.apply(&[("wrong".to_owned(), Some("1".to_owned()))]).unwrap();
        commit(&mut state, [job("k", COMPACT_BYTES_MIN as usize)]);
        commit(&mut state, [job("k", 1)]);
        assert!(state.journal.len() < COMPACT_BYTES_MIN, "it was compacted");
        assert_eq!(state.truth().unwrap().into_keys().collect::<Vec<_>>(), ["k"]);
    }
}
