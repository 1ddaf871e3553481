use super::*;
use crate::{Query, Who, chain::tests::TestKey, log::Disk, verify};
use lectern_media::{AccountId, CameraId};
use std::{
    fs::File,
    os::unix::fs::FileExt as _,
    sync::atomic::{AtomicU32, AtomicU64},
};

fn open(dir: &Path) -> Audit {
    Audit::open(dir, Arc::new(TestKey::new(1))).unwrap()
}

fn entry(action: AuditAction) -> Entry {
    Entry { camera: Some(CameraId::generate()), ..Entry::new(UnixMillis::now(), action) }
}

/// Waits for a state.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(60), async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap_or_else(|_| panic!("{what}"));
}

#[tokio::test]
async fn what_is_appended_is_on_disk_soon_and_what_is_synced_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path());
    for _ in 0..100 {
        audit.append(entry(AuditAction::TileOpened)).await.unwrap();
    }
    until("they are written without anybody asking", || audit.head().n >= 100).await;
    let n = audit.append_sync(vec![entry(AuditAction::ExportAsked), entry(AuditAction::RightsChanged)]).await.unwrap();
    assert_eq!((n, audit.head().n), (102, 102));
    // As a killed process leaves it: nothing more is written.
    let copy = tempfile::tempdir().unwrap();
    for file in std::fs::read_dir(dir.path()).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), copy.path().join(file.file_name())).unwrap();
    }
    let report = verify(copy.path(), None);
    assert!(report.ok && report.entries == 102, "{report}");
    let again = open(copy.path());
    again.append(entry(AuditAction::Started)).await.unwrap();
    again.close().await;
    assert!(verify(copy.path(), None).ok);

    audit.close().await;
    assert!(matches!(audit.append(entry(AuditAction::Played)).await, Err(AuditError::Unwritable | AuditError::Closed)));
    assert!(matches!(audit.append_sync(vec![entry(AuditAction::Played)]).await, Err(AuditError::Closed)));
    let report = verify(dir.path(), None);
    assert_eq!((report.ok, report.unsigned), (true, 0), "the end is signed");
}

#[tokio::test]
async fn many_at_once_lose_nothing_and_keep_their_order() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path());
    let mut tasks = tokio::task::JoinSet::new();
    for person in 0..50_u64 {
        let audit = audit.clone();
        tasks.spawn(async move {
            for nth in 0..200_u64 {
                let entry = Entry { seconds: Some(person * 1_000 + nth), ..entry(AuditAction::TileClosed) };
                if nth % 50 == 49 {
                    audit.append_sync(vec![entry]).await.unwrap();
                } else {
                    audit.append(entry).await.unwrap();
                }
            }
        });
    }
    tasks.join_all().await;
    audit.close().await;
    let audit = open(dir.path());
    let mut seen = vec![0; 50];
    let mut query = Query { limit: 1_000, ..Query::default() };
    let mut total = 0;
    loop {
        let page = audit.query(&query).unwrap();
        for stored in &page.items {
            let seconds = stored.entry.seconds.unwrap();
            let (person, nth) = ((seconds / 1_000) as usize, seconds % 1_000);
            // Newest first.
            assert_eq!(nth, 199 - seen[person], "person {person}");
            seen[person] += 1;
            total += 1;
        }
        match page.next {
            Some(next) => query.after = Some(next),
            None => break,
        }
    }
    assert_eq!(total, 10_000);
    assert!(verify(dir.path(), None).ok);
}

#[tokio::test]
async fn refusals_are_counted_together() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path());
    let who = Who { account: Some(AccountId::generate()), ..Who::default() };
    let camera = Some(CameraId::generate());
    let refusal =
        |detail: &str| Entry { who: who.clone(), camera, detail: detail.into(), ..entry(AuditAction::Refused) };
    // More than the queue holds: what is counted gives its place back.
    for _ in 0..2 * QUEUE_LEN_MAX {
        audit.append(refusal("no_role")).await.unwrap();
    }
    audit.append(refusal("second_factor")).await.unwrap();
    // Those that somebody else counted are written as they are.
    audit.append_sync(vec![Entry { count: 7, ..refusal("no_role") }]).await.unwrap();
    audit.close().await;
    let audit = open(dir.path());
    let page = audit.query(&Query { action: Some(AuditAction::Refused), limit: 100, ..Query::default() }).unwrap();
    let count = |detail: &str| -> u64 {
        page.items.iter().map(|s| &s.entry).filter(|e| e.detail == detail).map(|e| e.count).sum()
    };
    assert_eq!(count("no_role"), 2 * QUEUE_LEN_MAX as u64 + 7);
    assert_eq!(count("second_factor"), 1);
    // A minute may end in between.
    assert!(page.items.len() <= 6, "{} entries", page.items.len());
}

struct Flaky {
    file: File,
    full: Arc<AtomicBool>,
    slow: Arc<AtomicU32>,
    written: Arc<AtomicU64>,
}

impl Disk for Flaky {
    fn write(&self, bytes: &[u8], at: u64) -> io::Result<()> {
        while self.slow.load(Ordering::SeqCst) > 0 {
            std::thread::yield_now();
        }
        if self.full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.written.fetch_add(bytes.len() as u64, Ordering::SeqCst);
        self.file.write_all_at(bytes, at)
    }

    fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn cut(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }
}

fn flaky(dir: &Path) -> (Audit, Arc<AtomicBool>, Arc<AtomicU32>) {
    let (full, slow) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU32::new(0)));
    let (ours, slows) = (Arc::clone(&full), Arc::clone(&slow));
    let opener: Opener = Box::new(move |path| {
        let file = std::fs::OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        let (full, slow) = (Arc::clone(&ours), Arc::clone(&slows));
        Ok(Box::new(Flaky { file, full, slow, written: Arc::default() }))
    });
    (Audit::open_with(dir, Arc::new(TestKey::new(1)), opener).unwrap(), full, slow)
}

#[tokio::test]
async fn while_the_disk_is_full_actions_are_refused_and_nothing_that_was_taken_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let (audit, full, _) = flaky(dir.path());
    audit.append_sync(vec![entry(AuditAction::Started)]).await.unwrap();
    full.store(true, Ordering::SeqCst);
    audit.append(entry(AuditAction::TileOpened)).await.unwrap();
    until("it is noticed", || !audit.writable()).await;
    assert!(matches!(audit.append(entry(AuditAction::TileOpened)).await, Err(AuditError::Unwritable)));
    let synced = audit.append_sync(vec![entry(AuditAction::ExportAsked)]).await;
    assert!(matches!(synced, Err(AuditError::Io { .. })), "an export without an entry is none");
    full.store(false, Ordering::SeqCst);
    until("it goes on by itself", || audit.writable()).await;
    audit.append_sync(vec![entry(AuditAction::TileClosed)]).await.unwrap();
    // The same with nobody waiting: only a failed sync told.
    full.store(true, Ordering::SeqCst);
    assert!(audit.append_sync(vec![entry(AuditAction::ExportAsked)]).await.is_err());
    full.store(false, Ordering::SeqCst);
    until("it is tried without anybody asking", || audit.writable()).await;
    audit.close().await;
    let report = verify(dir.path(), None);
    assert!(report.ok, "{report}");
    assert_eq!(report.entries, 3, "started, opened, closed");
}

#[tokio::test]
async fn a_slow_disk_makes_actions_wait_and_the_queue_stays_bounded() {
    let dir = tempfile::tempdir().unwrap();
    let (audit, _, slow) = flaky(dir.path());
    slow.store(1, Ordering::SeqCst);
    let taken = Arc::new(AtomicU64::new(0));
    let total = QUEUE_LEN_MAX as u64 + 500;
    let task = tokio::spawn({
        let (audit, taken) = (audit.clone(), Arc::clone(&taken));
        async move {
            for _ in 0..total {
                audit.append(entry(AuditAction::TileOpened)).await.unwrap();
                taken.fetch_add(1, Ordering::SeqCst);
            }
        }
    });
    until("the queue fills", || taken.load(Ordering::SeqCst) == QUEUE_LEN_MAX as u64).await;
    assert_eq!(audit.inner().room.available_permits(), 0);
    assert!(!task.is_finished());
    slow.store(0, Ordering::SeqCst);
    task.await.unwrap();
    audit.close().await;
    assert_eq!(verify(dir.path(), None).entries, total);
}

#[tokio::test]
async fn too_many_together_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let audit = open(dir.path());
    let many = vec![entry(AuditAction::Played); TOGETHER_MAX + 1];
    assert!(matches!(audit.append_sync(many).await, Err(AuditError::TooMany)));
    assert_eq!(audit.append_sync(vec![]).await.unwrap(), 0);
}
