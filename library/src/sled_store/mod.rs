//! The embedded engine: journal and index in one directory, one writer thread.
//!
//! Keys are text, `<table>/<id>[/…]`, so that a person can read the journal:
//! `place/`, `account/`, `login/` (folded name → account), `session/`, `session-of/account/`, `token/`, `token-of/`,
//! `class/`, `code/`, `room-class/`, `lesson/`, `lesson-at/class/start`, `live/`, `attendance/lesson/…`, `attendance-count/lesson`, `recording/`,
//! `lesson-extra/start/lesson`, `count/table`, those of exam patrol (see `cameras`, `patrol`, `alarms`, `authority`), `lines/recording[/from]`, `purging/`, `position/recording/account`, `room/`.
//!
//! Opening reads the journal and proves the index equal to it, entry by entry; what differs is corrected. That costs a
//! moment per hundred megabytes and buys that no state of sled's files can ever show a wrong catalogue.

mod alarms;
mod attendance;
mod authority;
mod cameras;
mod counts;
mod index;
pub(crate) mod journal;
mod patrol;
mod people;
mod recordings;
mod rooms;
mod sessions;
mod timetable;
mod writer;

use crate::{
    error::{Result, StoreError},
    store::Store,
};
use async_trait::async_trait;
use index::{Index, Truth};
use journal::Journal;
use lectern_media::UnixMillis;
use serde::de::DeserializeOwned;
use std::{
    fs::{File, TryLockError},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
    sync::Arc,
};
use writer::{Tx, Writer};

/// The embedded store. Cheap to clone; the last clone's drop ends the writer thread.
#[derive(Clone)]
pub struct SledStore {
    index: Index,
    writer: Writer,
    /// Held as long as the store is: one process at a time.
    _lock: Arc<File>,
}

impl SledStore {
    /// Opens the catalogue in `dir`, making it if it is not there. Blocks for as long as reading the journal takes.
    ///
    /// # Errors
    /// [`StoreError::Locked`], [`StoreError::NewerFormat`], [`StoreError::Damaged`], or the disk's.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, true)
    }

    /// A store that acknowledges without syncing. Exists so that the power-cut test can show that it would notice.
    ///
    /// # Errors
    /// As [`SledStore::open`].
    #[doc(hidden)]
    pub fn open_unsynced(dir: &Path) -> Result<Self> {
        Self::open_with(dir, false)
    }

    /// Puts a journal that can't be used out of the way, under another name in `dir`, so that the catalogue begins anew.
    /// Tells where it is now; `None` if there was none.
    ///
    /// # Errors
    /// [`StoreError::Locked`], or the disk's.
    pub fn set_aside(dir: &Path, now: UnixMillis) -> Result<Option<PathBuf>> {
        let _lock = lock(dir)?;
        Journal::set_aside(dir, now)
    }

    fn open_with(dir: &Path, durable: bool) -> Result<Self> {
        let lock = lock(dir)?;
        let mut truth = Truth::new();
        let (journal, recovered) = Journal::open(dir, durable, |(key, value)| {
            match value {
                Some(value) => truth.insert(key, value),
                None => truth.remove(&key),
            };
        })?;
        if recovered.torn_bytes > 0 {
            tracing::warn!(bytes = recovered.torn_bytes, "cut an unacknowledged end off the catalogue's journal");
        }
        let (index, found) = Index::open(dir, &truth)?;
        tracing::info!(lines = recovered.lines, records = truth.len(), ?found, "opened the catalogue");
        let live_bytes = writer::live_bytes(&truth);
        let writer = Writer::start(journal, index.clone(), live_bytes, durable)?;
        Ok(Self { index, writer, _lock: Arc::new(lock) })
    }

    /// Runs a read on a blocking thread: sled may go to the disk.
    async fn read<T, F>(&self, read: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&Index) -> Result<T> + Send + Sync + 'static,
    {
        let read = Arc::new(read);
        let attempt = || {
            let (index, read) = (self.index.clone(), Arc::clone(&read));
            tokio::task::spawn_blocking(move || read(&index))
        };
        match attempt().await.map_err(|_| StoreError::Closed)? {
            Err(StoreError::Index(error)) => {
                tracing::error!(%error, "the catalogue's index can't be read");
                self.writer.repair().await;
                attempt().await.map_err(|_| StoreError::Closed)?
            }
            other => other,
        }
    }

    /// Runs a transaction, and once more on another index if reading this one failed in it.
    async fn transact<T, F>(&self, transaction: F) -> Result<T>
    where
        T: Send + 'static,
        F: Fn(&mut Tx<'_>) -> Result<T> + Clone + Send + 'static,
    {
        match self.writer.write(transaction.clone()).await {
            Err(StoreError::Index(error)) => {
                tracing::error!(%error, "the catalogue's index can't be read");
                self.writer.repair().await;
                self.writer.write(transaction).await
            }
            other => other,
        }
    }

    /// Reads one record.
    async fn one<T: DeserializeOwned + Send + 'static>(&self, key: String) -> Result<Option<T>> {
        self.read(move |index| get(index, &key)).await
    }

    /// Reads a record through an entry that holds its id.
    async fn via<T: DeserializeOwned + Send + 'static>(&self, entry: String, table: &'static str) -> Result<Option<T>> {
        self.read(move |index| {
            let Some(id) = get::<String>(index, &entry)? else { return Ok(None) };
            get(index, &format!("{table}/{id}"))
        })
        .await
    }

    /// Reads at most `limit` records with this prefix, after the key `after`.
    async fn many<T: DeserializeOwned + Send + 'static>(
        &self,
        prefix: String,
        after: Option<String>,
        limit: usize,
    ) -> Result<Vec<T>> {
        self.read(move |index| {
            index
                .scan(&prefix, after.as_deref())
                .take(limit)
                .map(|entry| entry.and_then(|(k, v)| record(&k, &v)))
                .collect()
        })
        .await
    }
}

/// Makes the directory if it is missing, and locks it for as long as the file is open.
fn lock(dir: &Path) -> Result<File> {
    // Names of people and hashes of passwords: nobody else's to read.
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true).mode(0o700).create(dir).map_err(StoreError::io("make the catalogue's directory"))?;
    let lock = File::create(dir.join("lock")).map_err(StoreError::io("make the catalogue's lock"))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => Err(StoreError::Locked { dir: dir.to_owned() }),
        Err(TryLockError::Error(e)) => Err(StoreError::io("lock the catalogue")(e)),
    }
}

fn record<T: DeserializeOwned>(key: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|source| StoreError::Record { key: key.to_owned(), source })
}

fn get<T: DeserializeOwned>(index: &Index, key: &str) -> Result<Option<T>> {
    index.get(key)?.map(|bytes| record(key, &bytes)).transpose()
}

#[async_trait]
impl Store for SledStore {
    fn writable(&self) -> bool {
        self.writer.writable()
    }

    async fn close(&self) {
        self.writer.close().await;
    }
}
