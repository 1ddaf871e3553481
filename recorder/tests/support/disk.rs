//! A disk that fails at a chosen operation, and remembers what a power cut at that moment would leave.

#![allow(dead_code, reason = "each test file uses its share")]

use lectern_recorder::storage::{Appender, Disk, Storage};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex},
};

/// What survives a power cut: names, and how many bytes of each file.
#[derive(Default, Clone)]
struct Durable {
    /// Bytes that were synced, by file.
    bytes: BTreeMap<PathBuf, u64>,
    /// Files and directories whose entry was synced.
    entries: BTreeSet<PathBuf>,
    /// Files of which a sync failed: what was not synced then is not on the disk until it is written again.
    stuck: BTreeSet<PathBuf>,
    /// Entries made since their directory was synced; a rename remembers the old name.
    fresh: BTreeMap<PathBuf, Option<PathBuf>>,
}

struct Inner {
    /// Operations until the fault; `None`: never.
    left: Option<u64>,
    /// The fault goes away by itself after this many refused operations.
    heals_after: Option<u64>,
    error: io::ErrorKind,
    syncs: bool,
    durable: Durable,
}

/// The disk.
#[derive(Clone)]
pub struct FaultyDisk(Arc<Mutex<Inner>>);

/// What a cut leaves of bytes that were written and not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unsynced {
    Lost,
    Half,
    Kept,
}

impl FaultyDisk {
    pub fn failing_after(operations: u64) -> Self {
        Self::new(Some(operations), None, io::ErrorKind::Other)
    }

    pub fn sound() -> Self {
        Self::new(None, None, io::ErrorKind::Other)
    }

    pub fn healing(operations: u64, refused: u64, error: io::ErrorKind) -> Self {
        Self::new(Some(operations), Some(refused), error)
    }

    /// Writes, but syncs nothing: for speed where no cut is simulated, and to see that tests notice.
    pub fn without_syncs() -> Self {
        let disk = Self::sound();
        disk.0.lock().unwrap().syncs = false;
        disk
    }

    fn new(left: Option<u64>, heals_after: Option<u64>, error: io::ErrorKind) -> Self {
        let durable = Durable::default();
        Self(Arc::new(Mutex::new(Inner { left, heals_after, error, syncs: true, durable })))
    }

    pub fn failed(&self) -> bool {
        self.0.lock().unwrap().left == Some(0)
    }

    /// Whether the fault came and went.
    pub fn healed(&self) -> bool {
        self.0.lock().unwrap().left.is_none()
    }

    /// One operation: refused from the chosen one on.
    fn step(&self) -> io::Result<()> {
        let d = &mut *self.0.lock().unwrap();
        match (&mut d.left, d.heals_after) {
            (Some(0), Some(0)) => {
                d.left = None;
                Ok(())
            }
            (Some(0), Some(n)) => {
                d.heals_after = Some(n - 1);
                Err(d.error.into())
            }
            (Some(0), None) => Err(d.error.into()),
            (Some(n), _) => {
                *n -= 1;
                if *n == 0 { Err(d.error.into()) } else { Ok(()) }
            }
            (None, _) => Ok(()),
        }
    }

    fn made(&self, path: &Path, from: Option<&Path>) {
        let mut d = self.0.lock().unwrap();
        if !d.durable.entries.contains(path) || from.is_some() {
            d.durable.fresh.insert(path.into(), from.map(Into::into));
        }
    }

    /// Copies what a power cut now would leave of `root` to `to`.
    pub fn cut(&self, root: &Path, to: &Path, unsynced: Unsynced) {
        let d = self.0.lock().unwrap().durable.clone();
        fs::create_dir_all(to).unwrap();
        let mut left = vec![root.to_owned()];
        while let Some(dir) = left.pop() {
            for entry in fs::read_dir(&dir).unwrap() {
                let path = entry.unwrap().path();
                let mut name = path.clone();
                if unsynced == Unsynced::Lost
                    && let Some(from) = d.fresh.get(&path)
                {
                    match from {
                        Some(old) => name = old.clone(),
                        None => continue,
                    }
                }
                let target = to.join(name.strip_prefix(root).unwrap());
                if path.is_dir() {
                    fs::create_dir_all(&target).unwrap();
                    left.push(path);
                    continue;
                }
                let bytes = fs::read(&path).unwrap();
                let synced = d.bytes.get(&path).copied().unwrap_or(0).min(bytes.len() as u64) as usize;
                let keep = match unsynced {
                    Unsynced::Lost => synced,
                    Unsynced::Half => synced + (bytes.len() - synced) / 2,
                    Unsynced::Kept => bytes.len(),
                };
                fs::write(target, &bytes[..keep]).unwrap();
            }
        }
    }
}

struct FaultyFile {
    disk: FaultyDisk,
    path: PathBuf,
    file: Box<dyn Appender>,
}

impl Appender for FaultyFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        let failed_before = self.disk.failed();
        if let Err(e) = self.disk.step() {
            // The write that fails may have written a part.
            if !failed_before {
                self.file.append(&bytes[..bytes.len() / 2])?;
            }
            return Err(e);
        }
        self.file.append(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        if let Err(e) = self.disk.step() {
            self.disk.0.lock().unwrap().durable.stuck.insert(self.path.clone());
            return Err(e);
        }
        let mut d = self.disk.0.lock().unwrap();
        if d.syncs && !d.durable.stuck.contains(&self.path) {
            let len = fs::metadata(&self.path)?.len();
            d.durable.bytes.insert(self.path.clone(), len);
        }
        Ok(())
    }
}

impl Storage for FaultyDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let fresh = !path.exists();
        Disk.create_dir(path)?;
        if fresh {
            self.made(path, None);
        }
        Ok(())
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        let mut d = self.0.lock().unwrap();
        if d.syncs {
            let synced: Vec<PathBuf> = d.durable.fresh.keys().filter(|p| p.parent() == Some(path)).cloned().collect();
            for p in synced {
                d.durable.fresh.remove(&p);
                d.durable.entries.insert(p);
            }
        }
        Ok(())
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        self.step()?;
        let file = Disk.create(path)?;
        self.made(path, None);
        let d = &mut self.0.lock().unwrap().durable;
        d.bytes.insert(path.into(), 0);
        d.stuck.remove(path);
        Ok(Box::new(FaultyFile { disk: self.clone(), path: path.into(), file }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        self.step()?;
        let fresh = !path.exists();
        let file = Disk.open(path)?;
        if fresh {
            self.made(path, None);
        }
        Ok(Box::new(FaultyFile { disk: self.clone(), path: path.into(), file }))
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        self.step()?;
        // Cut without waiting for the real disk: what survives is counted here.
        fs::OpenOptions::new().write(true).open(path)?.set_len(len)?;
        let d = &mut self.0.lock().unwrap().durable;
        let durable = d.bytes.get(path).copied().unwrap_or(0);
        if len <= durable {
            d.stuck.remove(path);
        }
        d.bytes.insert(path.into(), if d.stuck.contains(path) { durable } else { len });
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        Disk.rename(from, to)?;
        let mut d = self.0.lock().unwrap();
        let bytes = d.durable.bytes.remove(from).unwrap_or(0);
        d.durable.bytes.insert(to.into(), bytes);
        d.durable.fresh.remove(from);
        drop(d);
        self.made(to, Some(from));
        Ok(())
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        self.0.lock().unwrap().durable.bytes.remove(path);
        Disk.remove_file(path)
    }

    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        Disk.remove_dir(path)
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}
