//! The suite of the store, run on the embedded engine: as it is, and with its index thrown away at each reopening, so
//! that everything is read back from the journal alone.

use async_trait::async_trait;
use lectern_library::{
    SledStore, Store, StoreError,
    conformance::{Bench, run},
};
use std::{path::PathBuf, sync::Arc, sync::Mutex};

struct Embedded {
    dirs: Mutex<Vec<tempfile::TempDir>>,
    keep_index: bool,
}

impl Embedded {
    fn new(keep_index: bool) -> Self {
        Self { dirs: Mutex::default(), keep_index }
    }

    fn dir(&self) -> PathBuf {
        self.dirs.lock().unwrap().last().unwrap().path().to_owned()
    }
}

#[async_trait]
impl Bench for Embedded {
    async fn fresh(&self) -> Arc<dyn Store> {
        self.dirs.lock().unwrap().push(tempfile::tempdir().unwrap());
        Arc::new(SledStore::open(&self.dir()).unwrap())
    }

    async fn reopened(&self, store: Arc<dyn Store>) -> Arc<dyn Store> {
        store.close().await;
        drop(store);
        if !self.keep_index {
            std::fs::remove_dir_all(self.dir().join("index.sled")).unwrap();
        }
        Arc::new(SledStore::open(&self.dir()).unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_embedded_engine_keeps_the_contract() {
    run(&Embedded::new(true)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_alone_keeps_the_contract() {
    run(&Embedded::new(false)).await;
}

#[tokio::test]
async fn one_process_at_a_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    assert!(matches!(SledStore::open(dir.path()), Err(StoreError::Locked { .. })));
    store.close().await;
    drop(store);
    SledStore::open(dir.path()).unwrap();
}

/// The journal stays within four times of what lives (and eight megabytes).
#[tokio::test]
async fn the_journal_is_compacted() {
    let dir = tempfile::tempdir().unwrap();
    let store = SledStore::open(dir.path()).unwrap();
    let room = lectern_media::RoomId::generate();
    let state = format!("\"{}\"", "x".repeat(500_000));
    let mut longest = 0;
    for _ in 0..60 {
        lectern_library::store::Rooms::put_room(&store, room, state.clone()).await.unwrap();
        longest = longest.max(std::fs::metadata(dir.path().join("journal.jsonl")).unwrap().len());
    }
    assert!(longest < 10_000_000, "30 MB were written, the journal was never longer than {longest}");
}
