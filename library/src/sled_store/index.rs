//! The index: sled, one tree, the journal's keys and values. It is proven equal to the journal at every start and made
//! anew when it can't be opened, so nothing depends on sled's own durability. When sled fails while running (a full
//! disk poisons it for good), the journal's content is held in memory instead until the next start.
//!
//! sled 0.34's `flush` ends in `sync_file_range`, which is not durable (DESIGN §8): [`Index::sync`] follows it with an
//! fsync of the database file, so that a start after a power cut finds little to repair.

use super::journal::Change;
use crate::error::{Result, StoreError};
use parking_lot::RwLock;
use std::{
    collections::BTreeMap,
    fs::File,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::Arc,
};

/// What the journal says: every live key with its value.
pub(crate) type Truth = BTreeMap<String, String>;

/// How the index was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// It said what the journal says.
    Whole,
    /// Some entries differed and were corrected.
    Corrected(u64),
    /// It could not be used, or there was none: made anew.
    Rebuilt,
}

/// An open index. Clones are the same index.
#[derive(Clone)]
pub(crate) struct Index(Arc<RwLock<Backing>>);

#[derive(Clone)]
enum Backing {
    Sled(Disk),
    /// Since sled failed.
    Memory(Arc<RwLock<Truth>>),
}

#[derive(Clone)]
struct Disk {
    db: sled::Db,
    /// Syncing goes through the name, because sled keeps its file to itself.
    file: Arc<File>,
}

impl Index {
    const NAME: &'static str = "index.sled";
    /// sled does not give space back; an index this many times larger than its content (and 64 MiB) is made anew.
    const BLOAT: u64 = 8;

    /// Opens the index in `dir` and makes it equal to `truth`.
    pub(crate) fn open(dir: &Path, truth: &Truth) -> Result<(Self, Found)> {
        let path = dir.join(Self::NAME);
        let live: u64 = truth.iter().map(|(k, v)| (k.len() + v.len()) as u64).sum();
        let new = |disk| Self(Arc::new(RwLock::new(Backing::Sled(disk))));
        if path.exists() {
            match Disk::attempt(&path).and_then(|disk| {
                let bloated = disk.db.size_on_disk()? > 64 * 1024 * 1024 + Self::BLOAT * live;
                let corrected = if bloated { None } else { Some(disk.reconcile(truth)?) };
                Ok((disk, corrected))
            }) {
                Ok((disk, Some(0))) => return Ok((new(disk), Found::Whole)),
                Ok((disk, Some(n))) => return Ok((new(disk), Found::Corrected(n))),
                Ok((_, None)) => tracing::info!("the catalogue's index takes too much room; making it anew"),
                Err(e) => tracing::warn!(error = %e, "the catalogue's index is damaged; making it anew"),
            }
            std::fs::remove_dir_all(&path).map_err(StoreError::io("remove the damaged index"))?;
        }
        let disk = Disk::attempt(&path).map_err(StoreError::Index)?;
        disk.reconcile(truth).map_err(StoreError::Index)?;
        Ok((new(disk), Found::Rebuilt))
    }

    /// Whether sled failed, and memory serves instead.
    pub(crate) fn fell_back(&self) -> bool {
        matches!(*self.0.read(), Backing::Memory(_))
    }

    /// From now on `truth` in memory serves instead of sled.
    pub(crate) fn fall_back(&self, truth: Truth) {
        let failed = std::mem::replace(&mut *self.0.write(), Backing::Memory(Arc::new(RwLock::new(truth))));
        // sled's end waits for a last flush, which on a full disk never comes. It is kept, idle, until the process ends.
        std::mem::forget(failed);
    }

    fn backing(&self) -> Backing {
        self.0.read().clone()
    }

    /// The value of a key.
    pub(crate) fn get(&self, key: &str) -> Result<Option<sled::IVec>> {
        match self.backing() {
            Backing::Sled(disk) => disk.db.get(key.as_bytes()).map_err(StoreError::Index),
            Backing::Memory(truth) => Ok(truth.read().get(key).map(|value| value.as_bytes().into())),
        }
    }

    /// Keys and values with this prefix, after `after` (a whole key), in order.
    pub(crate) fn scan(
        &self,
        prefix: &str,
        after: Option<&str>,
    ) -> Box<dyn Iterator<Item = Result<(String, sled::IVec)>>> {
        use std::ops::Bound;
        let prefix = prefix.to_owned();
        match self.backing() {
            Backing::Sled(disk) => {
                let from = after.map_or(Bound::Included(prefix.as_bytes()), |a| Bound::Excluded(a.as_bytes()));
                let entries = disk.db.range::<&[u8], _>((from, Bound::Unbounded));
                let within = entries
                    .take_while(move |entry| entry.as_ref().map_or(true, |(k, _)| k.starts_with(prefix.as_bytes())));
                Box::new(within.map(|entry| {
                    let (key, value) = entry.map_err(StoreError::Index)?;
                    Ok((String::from_utf8_lossy(&key).into_owned(), value))
                }))
            }
            Backing::Memory(truth) => {
                let from = after.map_or(Bound::Included(prefix.as_str()), Bound::Excluded);
                let truth = truth.read();
                let entries = truth.range::<str, _>((from, Bound::Unbounded));
                let within = entries.take_while(|(key, _)| key.starts_with(&prefix));
                let found: Vec<_> = within.map(|(k, v)| Ok((k.clone(), v.as_bytes().into()))).collect();
                Box::new(found.into_iter())
            }
        }
    }

    /// Applies changes, all or nothing.
    pub(crate) fn apply<'a>(&self, changes: impl IntoIterator<Item = &'a Change>) -> Result<()> {
        match self.backing() {
            Backing::Sled(disk) => {
                let mut batch = sled::Batch::default();
                for (key, value) in changes {
                    match value {
                        Some(value) => batch.insert(key.as_bytes(), value.as_bytes()),
                        None => batch.remove(key.as_bytes()),
                    }
                }
                disk.db.apply_batch(batch).map_err(StoreError::Index)
            }
            Backing::Memory(truth) => {
                let mut truth = truth.write();
                for (key, value) in changes {
                    match value {
                        Some(value) => truth.insert(key.clone(), value.clone()),
                        None => truth.remove(key),
                    };
                }
                Ok(())
            }
        }
    }

    /// Makes what was applied durable.
    pub(crate) fn sync(&self) -> Result<()> {
        match self.backing() {
            Backing::Sled(disk) => {
                disk.db.flush().map_err(StoreError::Index)?;
                disk.file.sync_all().map_err(StoreError::io("sync the catalogue's index"))
            }
            // The journal is durable, and all that the next start needs.
            Backing::Memory(_) => Ok(()),
        }
    }
}

impl Disk {
    /// sled panics on some damaged files (DESIGN §8), hence the net.
    fn attempt(path: &Path) -> sled::Result<Self> {
        let open = || -> sled::Result<Self> {
            let config = sled::Config::new().path(path).flush_every_ms(None).cache_capacity(64 * 1024 * 1024);
            let db = config.open()?;
            let file = Arc::new(File::open(path.join("db"))?);
            Ok(Self { db, file })
        };
        catch_unwind(AssertUnwindSafe(open)).unwrap_or_else(|_| Err(sled::Error::Corruption { at: None, bt: () }))
    }

    /// Corrects every entry that differs; tells how many did.
    fn reconcile(&self, truth: &Truth) -> sled::Result<u64> {
        let run = || -> sled::Result<u64> {
            let mut batch = sled::Batch::default();
            let (mut wrong, mut pending) = (0, 0);
            let mut want = truth.iter().peekable();
            let flush = |batch: &mut sled::Batch, pending: &mut u32, force: bool| -> sled::Result<()> {
                if *pending >= 1_000 || (force && *pending > 0) {
                    *pending = 0;
                    self.db.apply_batch(std::mem::take(batch))?;
                }
                Ok(())
            };
            // Collected per step: sled's iterator and writes to the same tree may not run into each other.
            let have: Vec<(sled::IVec, sled::IVec)> = self.db.iter().collect::<sled::Result<_>>()?;
            for (key, value) in have {
                while let Some((k, v)) = want.next_if(|(k, _)| k.as_bytes() < &*key) {
                    batch.insert(k.as_bytes(), v.as_bytes());
                    (wrong, pending) = (wrong + 1, pending + 1);
                    flush(&mut batch, &mut pending, false)?;
                }
                match want.next_if(|(k, _)| k.as_bytes() == &*key) {
                    Some((_, v)) if v.as_bytes() == &*value => continue,
                    Some((k, v)) => batch.insert(k.as_bytes(), v.as_bytes()),
                    None => batch.remove(key),
                }
                (wrong, pending) = (wrong + 1, pending + 1);
                flush(&mut batch, &mut pending, false)?;
            }
            for (k, v) in want {
                batch.insert(k.as_bytes(), v.as_bytes());
                (wrong, pending) = (wrong + 1, pending + 1);
                flush(&mut batch, &mut pending, false)?;
            }
            flush(&mut batch, &mut pending, true)?;
            Ok(wrong)
        };
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|_| Err(sled::Error::Corruption { at: None, bt: () }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn truth(pairs: &[(&str, &str)]) -> Truth {
        pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
    }

    fn content(index: &Index) -> Truth {
        let text = |value: sled::IVec| String::from_utf8(value.to_vec()).unwrap();
        index.scan("", None).map(|entry| entry.map(|(key, value)| (key, text(value))).unwrap()).collect()
    }

    #[test]
    fn the_index_becomes_what_the_journal_says() {
        let dir = tempfile::tempdir().unwrap();
        let first = truth(&[("a", "1"), ("b", "2"), ("d", "4")]);
        let (index, found) = Index::open(dir.path(), &first).unwrap();
        assert_eq!((content(&index), found), (first.clone(), Found::Rebuilt));
        index.sync().unwrap();
        drop(index);
        let (index, found) = Index::open(dir.path(), &first).unwrap();
        assert_eq!(found, Found::Whole);
        drop(index);
        // a removed, b changed, c new in the middle, e new at the end.
        let second = truth(&[("b", "3"), ("c", "3"), ("d", "4"), ("e", "5")]);
        let (index, found) = Index::open(dir.path(), &second).unwrap();
        assert_eq!((content(&index), found), (second, Found::Corrected(4)));
    }

    #[test]
    fn a_damaged_index_is_made_anew() {
        let dir = tempfile::tempdir().unwrap();
        let want = truth(&[("a", "1"), ("b", "2")]);
        let (index, _) = Index::open(dir.path(), &want).unwrap();
        index.sync().unwrap();
        drop(index);
        let db = dir.path().join(Index::NAME).join("db");
        let len = std::fs::metadata(&db).unwrap().len() as usize;
        for junk in [vec![], vec![0xAA; len], vec![0; len / 2]] {
            std::fs::write(&db, &junk).unwrap();
            let (index, _) = Index::open(dir.path(), &want).unwrap();
            assert_eq!(content(&index), want, "after {} bytes of junk", junk.len());
            index.sync().unwrap();
        }
        std::fs::write(dir.path().join(Index::NAME).join("conf"), b"nonsense").unwrap();
        let (index, _) = Index::open(dir.path(), &want).unwrap();
        assert_eq!(content(&index), want);
    }

    #[test]
    fn scans_stay_within_their_prefix() {
        let dir = tempfile::tempdir().unwrap();
        let all = truth(&[("a/1", "1"), ("a/2", "2"), ("a/3", "3"), ("b/1", "4")]);
        let (index, _) = Index::open(dir.path(), &all).unwrap();
        scan_as_they_should(&index);
        index.fall_back(all.clone());
        scan_as_they_should(&index);
        assert_eq!(content(&index), all);
        let changes = [("a/1".to_owned(), None), ("c".to_owned(), Some("5".to_owned()))];
        index.apply(&changes).unwrap();
        assert_eq!(content(&index), truth(&[("a/2", "2"), ("a/3", "3"), ("b/1", "4"), ("c", "5")]));
        assert_eq!((index.get("a/1").unwrap(), index.get("c").unwrap()), (None, Some(b"5".into())));
    }

    fn scan_as_they_should(index: &Index) {
        let keys =
            |prefix, after: Option<&str>| -> Vec<String> { index.scan(prefix, after).map(|e| e.unwrap().0).collect() };
        assert_eq!(keys("a/", None), ["a/1", "a/2", "a/3"]);
        assert_eq!(keys("a/", Some("a/1")), ["a/2", "a/3"]);
        assert!(keys("c/", None).is_empty());
    }
}
