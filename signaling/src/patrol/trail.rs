//! The way into the audit log: entries in order over a bounded queue, repeated refusals as one entry a minute.
//!
//! Belongs here: queueing, counting, the words of an entry. Does not belong here: the chain and its file (`lectern-audit`),
//! who may read it.

use super::ports::Audit;
use lectern_media::{AccountId, CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::AuditAction;
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};
use tokio::sync::{mpsc, oneshot};

/// Entries that wait for the disk: a wall of 64 tiles that turns its page ten times.
const WAITING_MAX: usize = 4_096;
/// Places in it that are kept for what must not be lost; looks are refused before they are used.
const RESERVED: usize = 512;
/// Different refusals that are counted in one minute; beyond that they are counted together.
const COUNTED_MAX: usize = 5_000;
/// How long something waits for room in a full queue before it is refused.
const NOTE_WITHIN: Duration = Duration::from_secs(5);
/// How long somebody who reads or ends the log waits for what is not written yet.
const FLUSH_WITHIN: Duration = Duration::from_secs(10);
/// A log that can't be written is tried again after this.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Refusals are summed over this time.
pub const COUNT_OVER: Duration = Duration::from_secs(60);

/// Who did something, and from where.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Who {
    /// The account; nobody: the server itself, or a stranger.
    pub account: Option<AccountId>,
    /// Name.
    pub name: String,
    /// Log-in name.
    pub login: String,
    /// The place where they hold their role, by name.
    pub of_place: String,
    /// Address.
    pub address: String,
}

/// What something was done to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct What {
    /// The place.
    pub place: Option<PlaceId>,
    /// Its name.
    pub place_name: String,
    /// The camera.
    pub camera: Option<CameraId>,
    /// Its name.
    pub camera_name: String,
}

/// One entry to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    /// When.
    pub at: UnixMillis,
    /// Who.
    pub who: Who,
    /// What was done.
    pub action: AuditAction,
    /// To what.
    pub what: What,
    /// The range of a recording, or from when to when it lasted.
    pub range: Option<(UnixMillis, UnixMillis)>,
    /// How long it lasted.
    pub seconds: Option<u64>,
    /// How often.
    pub count: u64,
    /// A stable code or words.
    pub detail: String,
}

impl Act {
    /// An entry about nothing but who and what.
    #[must_use]
    pub fn new(at: UnixMillis, who: Who, action: AuditAction, what: What, detail: impl Into<String>) -> Self {
        Self { at, who, action, what, range: None, seconds: None, count: 1, detail: detail.into() }
    }

    /// With a range.
    #[must_use]
    pub fn range(mut self, from: UnixMillis, to: UnixMillis) -> Self {
        self.range = Some((from, to));
        self
    }

    /// With how long it lasted.
    #[must_use]
    pub fn seconds(mut self, seconds: u64) -> Self {
        self.seconds = Some(seconds);
        self
    }
}

enum Item {
    Act(Box<Act>),
    /// Tell when all before is written.
    Flush(oneshot::Sender<()>),
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    who: Who,
    what: What,
    action: AuditAction,
    detail: String,
}

#[derive(Debug)]
struct Counted {
    first: UnixMillis,
    count: u64,
}

/// The way into the audit log. Cheap to clone.
#[derive(Clone)]
pub struct Trail(Arc<Inner>);

struct Inner {
    tx: mpsc::Sender<Item>,
    counted: Mutex<HashMap<Key, Counted>>,
}

impl Trail {
    /// Begins to write into `log`. Must be called on a runtime.
    #[must_use]
    pub fn begin(log: Arc<dyn Audit>) -> Self {
        let (tx, rx) = mpsc::channel(WAITING_MAX);
        let trail = Self(Arc::new(Inner { tx, counted: Mutex::default() }));
        tokio::spawn(write(rx, log));
        let weak = Arc::downgrade(&trail.0);
        tokio::spawn(async move {
            let mut every = tokio::time::interval(Duration::from_secs(5));
            every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
            loop {
                every.tick().await;
                let Some(inner) = weak.upgrade() else { return };
                Trail(inner).count_up(UnixMillis::now(), false);
            }
        });
        trail
    }

    /// Whether looks can be written down now.
    #[must_use]
    pub fn takes_looks(&self) -> bool {
        self.0.tx.capacity() > RESERVED
    }

    /// Writes down what must be written before it happens: returns when it is in the queue, waiting a little for the disk if
    /// that is slow; tells whether it is. If it is not, what was to be written down must not happen.
    pub async fn note(&self, act: Act) -> bool {
        match tokio::time::timeout(NOTE_WITHIN, self.0.tx.send(Item::Act(Box::new(act)))).await {
            Ok(Ok(())) => true,
            Ok(Err(_)) => {
                lost("ended");
                false
            }
            Err(_) => {
                lost("full");
                false
            }
        }
    }

    /// Writes down without waiting; tells whether there was room.
    pub fn note_now(&self, act: Act) -> bool {
        let sent = self.0.tx.try_send(Item::Act(Box::new(act))).is_ok();
        if !sent {
            lost("full");
        }
        sent
    }

    /// Counts something that was refused: the first of its kind is written down at once, those of the minute after it as
    /// one entry with their number.
    pub fn refused(&self, at: UnixMillis, who: Who, action: AuditAction, what: What, detail: &str) {
        let mut key = Key { who, what, action, detail: detail.to_owned() };
        let mut counted = self.0.counted.lock();
        if counted.len() >= COUNTED_MAX && !counted.contains_key(&key) {
            // More kinds than people make: a machine. What stays of each is its address and the reason.
            key.what = What::default();
            if counted.len() >= 2 * COUNTED_MAX {
                key.who = Who::default();
            }
        }
        if let Some(known) = counted.get_mut(&key) {
            known.count += 1;
            return;
        }
        let act = Act::new(at, key.who.clone(), action, key.what.clone(), detail);
        let count = u64::from(self.0.tx.try_send(Item::Act(Box::new(act))).is_err());
        counted.insert(key, Counted { first: at, count });
    }

    /// Writes the counts of the minutes that are over; all if `all`.
    fn count_up(&self, now: UnixMillis, all: bool) {
        let mut counted = self.0.counted.lock();
        let mut kept = HashMap::new();
        for (key, c) in counted.drain() {
            let over = all || now.since(c.first) >= COUNT_OVER || now < c.first;
            if !over {
                kept.insert(key, c);
                continue;
            }
            if c.count == 0 {
                continue;
            }
            let act = Act {
                count: c.count,
                ..Act::new(now, key.who.clone(), key.action, key.what.clone(), key.detail.clone()).range(c.first, now)
            };
            if self.0.tx.try_send(Item::Act(Box::new(act))).is_err() {
                // Nothing counted is forgotten: it is tried again.
                kept.insert(key, c);
            }
        }
        *counted = kept;
    }

    /// Writes everything that waits or is counted, and returns when it is in the log, or when that took too long.
    pub async fn flush(&self) {
        self.count_up(UnixMillis::now(), true);
        let (tx, rx) = oneshot::channel();
        let written = async {
            if self.0.tx.send(Item::Flush(tx)).await.is_ok() {
                // The writer is gone then, and has counted what it lost.
                let _ = rx.await;
            }
        };
        if tokio::time::timeout(FLUSH_WITHIN, written).await.is_err() {
            tracing::error!("the audit log does not take what waits for it");
        }
    }
}

fn lost(reason: &'static str) {
    metrics::counter!("lectern_patrol_audit_entries_lost_total", "reason" => reason).increment(1);
    tracing::error!(reason, "an entry of the audit log was lost");
}

async fn write(mut rx: mpsc::Receiver<Item>, log: Arc<dyn Audit>) {
    let mut items = Vec::new();
    while rx.recv_many(&mut items, 256).await > 0 {
        let mut acts = Vec::new();
        let mut waiting = Vec::new();
        for item in items.drain(..) {
            match item {
                Item::Act(act) => acts.push(*act),
                Item::Flush(done) => waiting.push(done),
            }
        }
        if !acts.is_empty() {
            append(&*log, acts).await;
        }
        for done in waiting {
            if done.send(()).is_err() {
                tracing::trace!("nobody waits for the audit log");
            }
        }
    }
}

/// Writes entries, however long that takes: while the disk takes none the queue fills, and then nobody looks at anything.
/// Were they given up instead, the queue would go on taking looks that nobody ever reads of.
async fn append(log: &dyn Audit, acts: Vec<Act>) {
    let mut attempt = 0_u64;
    while let Err(error) = log.append(&acts).await {
        attempt += 1;
        metrics::counter!("lectern_patrol_audit_writes_failed_total", "reason" => "disk").increment(1);
        tracing::error!(%error, attempt, "the audit log could not be written");
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        patrol::ports::{AuditFilter, Viewed},
        ports::{PortError, Served},
    };
    use async_trait::async_trait;
    use lectern_protocol::api::{AuditPage, AuditSum, Span};

    #[derive(Default)]
    struct Book(Mutex<Vec<Act>>);

    /// A disk that takes nothing so many times.
    struct Full(Mutex<u32>, Book);

    #[async_trait]
    impl Audit for Full {
        async fn append(&self, acts: &[Act]) -> Result<(), PortError> {
            {
                let mut left = self.0.lock();
                if *left > 0 {
                    *left -= 1;
                    return Err(PortError { part: "the audit log", what: "append", cause: "full".into() });
                }
            }
            self.1.append(acts).await
        }
        async fn page(&self, _: AuditFilter) -> Result<AuditPage, PortError> {
            unreachable!("nobody reads")
        }
        async fn sum(&self, _: AuditFilter) -> Result<Vec<AuditSum>, PortError> {
            unreachable!("nobody reads")
        }
        async fn export(&self, _: AuditFilter, _: bool) -> Result<Served, PortError> {
            unreachable!("nobody reads")
        }
        async fn viewers(&self, _: &[CameraId], _: Span) -> Result<Vec<Viewed>, PortError> {
            unreachable!("nobody reads")
        }
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_disk_takes_nothing_nothing_is_looked_at_and_nothing_is_lost() {
        let full = Arc::new(Full(Mutex::new(1_000), Book::default()));
        let trail = Trail::begin(full.clone());
        let look = |n| Act::new(NOW, who(n), AuditAction::TileOpened, What::default(), "");
        let mut written = 0;
        while trail.takes_looks() {
            assert!(trail.note(look(written)).await);
            written += 1;
            tokio::task::yield_now().await;
        }
        // Longer than anybody waits, and shorter than the disk is full.
        tokio::time::advance(Duration::from_secs(60)).await;
        assert!(!trail.takes_looks(), "what waits is not given up");
        while trail.note_now(look(written)) {
            written += 1;
        }
        assert!(!trail.note(look(written)).await, "what finds no room is told so, and does not happen");
        while *full.0.lock() > 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        trail.flush().await;
        assert_eq!(full.1.0.lock().len(), written as usize);
        assert!(trail.takes_looks());
    }

    #[async_trait]
    impl Audit for Book {
        async fn append(&self, acts: &[Act]) -> Result<(), PortError> {
            self.0.lock().extend_from_slice(acts);
            Ok(())
        }
        async fn page(&self, _: AuditFilter) -> Result<AuditPage, PortError> {
            unreachable!("nobody reads")
        }
        async fn sum(&self, _: AuditFilter) -> Result<Vec<AuditSum>, PortError> {
            unreachable!("nobody reads")
        }
        async fn export(&self, _: AuditFilter, _: bool) -> Result<Served, PortError> {
            unreachable!("nobody reads")
        }
        async fn viewers(&self, _: &[CameraId], _: Span) -> Result<Vec<Viewed>, PortError> {
            unreachable!("nobody reads")
        }
    }

    fn who(n: u32) -> Who {
        Who { address: format!("10.0.0.{n}"), ..Who::default() }
    }

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    #[tokio::test]
    async fn repeated_refusals_are_one_entry_with_their_number() {
        let book = Arc::new(Book::default());
        let trail = Trail::begin(book.clone());
        for _ in 0..10 {
            trail.refused(NOW, who(1), AuditAction::Refused, What::default(), "forbidden");
        }
        trail.refused(NOW, who(2), AuditAction::Refused, What::default(), "forbidden");
        trail.flush().await;
        let acts = book.0.lock().clone();
        let of = |n| acts.iter().filter(|a| a.who == who(n)).map(|a| a.count).collect::<Vec<_>>();
        assert_eq!((of(1), of(2)), (vec![1, 9], vec![1]));
    }

    #[tokio::test]
    async fn no_refusal_is_lost_however_many_kinds_there_are() {
        let book = Arc::new(Book::default());
        let trail = Trail::begin(book.clone());
        let kinds = 3 * COUNTED_MAX as u32;
        for n in 0..kinds {
            trail.refused(NOW, who(n), AuditAction::Refused, What::default(), "forbidden");
            if n % 1_000 == 0 {
                tokio::task::yield_now().await;
            }
        }
        // What found no room in the queue is still counted, and is written when there is.
        for _ in 0..10 {
            trail.flush().await;
        }
        let total: u64 = book.0.lock().iter().map(|a| a.count).sum();
        assert_eq!(total, u64::from(kinds));
    }

    #[tokio::test]
    async fn entries_keep_their_order() {
        let book = Arc::new(Book::default());
        let trail = Trail::begin(book.clone());
        for n in 0..100 {
            let act = Act::new(NOW, who(n), AuditAction::TileOpened, What::default(), "");
            assert!(trail.note(act).await);
        }
        trail.flush().await;
        let seen: Vec<String> = book.0.lock().iter().map(|a| a.who.address.clone()).collect();
        assert_eq!(seen, (0..100).map(|n| who(n).address).collect::<Vec<_>>());
    }
}
