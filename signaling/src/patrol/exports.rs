//! The queue of exports: which waits, runs, is ready; kept in files beside the exports so that it survives a restart.
//!
//! `<data>/exports/<id>.json` says what was asked for and where it stands, `<id>.zip` is what was made. Belongs here: the
//! queue and its files. Does not belong here: writing evidence (the [`Footage`](super::ports::Footage) port), rights, HTTP.

use super::ports::{ExportDone, ExportFault, ExportProgress};
use lectern_media::{AccountId, CameraId, UnixMillis};
use lectern_protocol::api::{ExportJob, ExportState, Span};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use ulid::Ulid;

/// Exports that are written at the same time.
pub const RUNNING_MAX: usize = 2;
/// Exports of one account that wait or run.
pub const PENDING_PER_ACCOUNT_MAX: usize = 10;
/// Exports that are remembered, of all accounts.
pub const JOBS_MAX: usize = 1_000;
/// How long a file stays.
pub const KEPT_FOR: Duration = Duration::from_secs(7 * 24 * 3_600);

/// An export with what is not told to everybody.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// As the client sees it.
    pub job: ExportJob,
    /// Whose.
    pub account: AccountId,
    /// Their log-in name.
    pub login: String,
    /// The place where they hold their role, by name.
    #[serde(default)]
    pub of_place: String,
    /// Of which cameras only a stretch may be in the file, because they hung elsewhere before or after.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub within: BTreeMap<CameraId, Span>,
}

/// Why an export is not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// The account has as many unfinished ones as it may.
    #[error("{PENDING_PER_ACCOUNT_MAX} exports of yours are not finished yet")]
    TooMany,
    /// As many are remembered as may be.
    #[error("the server keeps as many exports as it can; remove some")]
    Full,
    /// The file that describes it could not be written.
    #[error("the export could not be written down")]
    Disk(#[from] io::Error),
}

/// All exports.
#[derive(Debug)]
pub struct Exports {
    dir: PathBuf,
    jobs: BTreeMap<Ulid, Kept>,
    running: BTreeMap<Ulid, Arc<ExportProgress>>,
}

impl Exports {
    /// Reads what is in `dir`, which is made if it is not there. What ran when the server ended begins anew.
    ///
    /// # Errors
    /// If the directory can't be made or read.
    pub fn open(dir: PathBuf) -> io::Result<Self> {
        fs::create_dir_all(&dir)?;
        let mut exports = Self { dir, jobs: BTreeMap::new(), running: BTreeMap::new() };
        for entry in fs::read_dir(&exports.dir)? {
            let path = entry?.path();
            if path.extension().is_none_or(|e| e != "json") {
                continue;
            }
            match fs::read(&path)
                .map_err(|e| e.to_string())
                .and_then(|bytes| serde_json::from_slice::<Kept>(&bytes).map_err(|e| e.to_string()))
            {
                Ok(mut kept) => {
                    if kept.job.state == ExportState::Running {
                        kept.job.state = ExportState::Waiting;
                        (kept.job.progress, kept.job.bytes) = (0, 0);
                    }
                    exports.jobs.insert(kept.job.id, kept);
                }
                // It is left where it is: somebody may want to know.
                Err(error) => tracing::warn!(path = %path.display(), error, "an export can't be read"),
            }
        }
        Ok(exports)
    }

    /// Where the file of an export lies.
    #[must_use]
    pub fn file(&self, id: Ulid) -> PathBuf {
        self.dir.join(format!("{id}.zip"))
    }

    /// One export, with how far it is.
    #[must_use]
    pub fn get(&self, id: Ulid) -> Option<Kept> {
        let mut kept = self.jobs.get(&id)?.clone();
        if let Some(progress) = self.running.get(&id) {
            (kept.job.progress, kept.job.bytes) = progress.read();
        }
        Some(kept)
    }

    /// Exports of an account, newest first.
    #[must_use]
    pub fn of(&self, account: AccountId) -> Vec<ExportJob> {
        let own = self.jobs.iter().rev().filter(|(_, k)| k.account == account);
        own.filter_map(|(id, _)| self.get(*id)).map(|k| k.job).collect()
    }

    /// Takes a new one into the queue.
    ///
    /// # Errors
    /// [`QueueError`]
    pub fn add(&mut self, kept: Kept) -> Result<(), QueueError> {
        let pending = |k: &&Kept| matches!(k.job.state, ExportState::Waiting | ExportState::Running);
        if self.jobs.values().filter(|k| k.account == kept.account).filter(pending).count() >= PENDING_PER_ACCOUNT_MAX {
            return Err(QueueError::TooMany);
        }
        if self.jobs.len() >= JOBS_MAX {
            return Err(QueueError::Full);
        }
        self.write(&kept)?;
        self.jobs.insert(kept.job.id, kept);
        Ok(())
    }

    /// The next one that may run, if there is room; it counts as running from now on.
    pub fn start(&mut self) -> Option<(Kept, Arc<ExportProgress>)> {
        if self.running.len() >= RUNNING_MAX {
            return None;
        }
        let id = self.jobs.iter().find(|(_, k)| k.job.state == ExportState::Waiting).map(|(id, _)| *id)?;
        let progress = Arc::new(ExportProgress::default());
        self.running.insert(id, Arc::clone(&progress));
        let kept = self.change(id, |job| job.state = ExportState::Running)?;
        Some((kept, progress))
    }

    /// How a running one ended; nothing if it was suspended meanwhile.
    pub fn finished(&mut self, id: Ulid, result: Result<ExportDone, ExportFault>, now: UnixMillis) -> Option<Kept> {
        self.running.remove(&id)?;
        if result.is_err() {
            self.remove_file(id);
        }
        self.change(id, |job| match result {
            Ok(done) => {
                job.state = ExportState::Ready;
                (job.progress, job.bytes, job.gaps) = (1_000, done.bytes, done.gaps);
                (job.sha256, job.key) = (Some(done.sha256), Some(done.key));
                job.expires = Some(now.plus(KEPT_FOR));
            }
            Err(fault) => {
                let cancelled = fault.code == "cancelled";
                job.state = if cancelled { ExportState::Cancelled } else { ExportState::Failed };
                job.detail = Some(fault.code.to_owned());
                job.expires = Some(now.plus(KEPT_FOR));
            }
        })
    }

    /// Calls one off that waits or runs; removes one that is finished.
    pub fn cancel(&mut self, id: Ulid, now: UnixMillis) -> Option<Kept> {
        let kept = self.get(id)?;
        match kept.job.state {
            ExportState::Running => {
                if let Some(progress) = self.running.get(&id) {
                    progress.cancel();
                }
                Some(kept)
            }
            ExportState::Waiting => self.change(id, |job| {
                job.state = ExportState::Cancelled;
                job.detail = Some("cancelled".into());
                job.expires = Some(now.plus(KEPT_FOR));
            }),
            ExportState::Ready | ExportState::Failed | ExportState::Cancelled => {
                self.forget(id);
                Some(kept)
            }
        }
    }

    /// Calls all running ones off without a trace in their description: they begin anew at the next start.
    pub fn suspend(&mut self) {
        self.running.values().for_each(|progress| progress.cancel());
        self.running.clear();
    }

    /// Those that run, with how far they are.
    #[must_use]
    pub fn running(&self) -> Vec<Kept> {
        self.running.keys().filter_map(|id| self.get(*id)).collect()
    }

    /// Removes what has expired.
    pub fn sweep(&mut self, now: UnixMillis) {
        let old: Vec<Ulid> =
            self.jobs.iter().filter(|(_, k)| k.job.expires.is_some_and(|e| e <= now)).map(|(id, _)| *id).collect();
        old.into_iter().for_each(|id| self.forget(id));
    }

    fn forget(&mut self, id: Ulid) {
        self.remove_file(id);
        self.jobs.remove(&id);
        if let Err(error) = remove(&self.description(id)) {
            tracing::warn!(export = %id, %error, "an export's description could not be removed");
        }
    }

    fn remove_file(&self, id: Ulid) {
        if let Err(error) = remove(&self.file(id)) {
            metrics::counter!("lectern_patrol_exports_not_removed_total", "reason" => "disk").increment(1);
            tracing::warn!(export = %id, %error, "an export's file could not be removed");
        }
    }

    fn change(&mut self, id: Ulid, change: impl FnOnce(&mut ExportJob)) -> Option<Kept> {
        let kept = self.jobs.get_mut(&id)?;
        change(&mut kept.job);
        let kept = kept.clone();
        if let Err(error) = self.write(&kept) {
            // The queue goes on in memory; a restart would do the work again.
            metrics::counter!("lectern_patrol_exports_not_written_total", "reason" => "disk").increment(1);
            tracing::warn!(export = %id, %error, "where an export stands could not be written down");
        }
        Some(kept)
    }

    fn description(&self, id: Ulid) -> PathBuf {
        self.dir.join(format!("{id}.json"))
    }

    fn write(&self, kept: &Kept) -> io::Result<()> {
        let path = self.description(kept.job.id);
        let new = path.with_extension("json.new");
        let mut file = fs::File::create(&new)?;
        file.write_all(&serde_json::to_vec(kept).map_err(io::Error::other)?)?;
        file.sync_all()?;
        fs::rename(&new, &path)?;
        fs::File::open(&self.dir)?.sync_all()
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lectern_media::CameraId;
    use lectern_protocol::api::NewExport;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn kept(account: AccountId) -> Kept {
        let request = NewExport {
            cameras: vec![CameraId::generate()],
            from: UnixMillis(0),
            to: UnixMillis(1_000),
            reason: "复核".into(),
        };
        let job = ExportJob {
            id: Ulid::new(),
            request,
            by: "李明".into(),
            created: NOW,
            state: ExportState::Waiting,
            progress: 0,
            bytes: 0,
            gaps: 0,
            sha256: None,
            key: None,
            detail: None,
            expires: None,
        };
        Kept { job, account, login: "li.ming".into(), of_place: String::new(), within: BTreeMap::new() }
    }

    fn done() -> ExportDone {
        ExportDone { bytes: 3, gaps: 1, sha256: "ab".into(), key: "cd".into() }
    }

    #[test]
    fn two_run_and_the_rest_waits() {
        let dir = tempfile::tempdir().unwrap();
        let mut exports = Exports::open(dir.path().join("exports")).unwrap();
        let account = AccountId::generate();
        for _ in 0..3 {
            exports.add(kept(account)).unwrap();
        }
        let (first, progress) = exports.start().unwrap();
        assert!(exports.start().is_some() && exports.start().is_none());
        progress.tell(512_000, 99);
        let now = exports.get(first.job.id).unwrap().job;
        assert_eq!((now.state, now.progress, now.bytes), (ExportState::Running, 512, 99));
        let ready = exports.finished(first.job.id, Ok(done()), NOW).unwrap();
        assert_eq!((ready.job.state, ready.job.expires), (ExportState::Ready, Some(NOW.plus(KEPT_FOR))));
        assert!(exports.start().is_some(), "there is room again");
        assert_eq!(exports.of(account).len(), 3);
        assert!(exports.of(AccountId::generate()).is_empty());
    }

    #[test]
    fn a_restart_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let (mut exports, account) = (Exports::open(dir.path().to_owned()).unwrap(), AccountId::generate());
        for _ in 0..3 {
            exports.add(kept(account)).unwrap();
        }
        let (a, _) = exports.start().unwrap();
        let (b, _) = exports.start().unwrap();
        exports.finished(a.job.id, Ok(done()), NOW);
        fs::write(dir.path().join("torn.json"), b"{").unwrap();
        drop(exports);
        let mut again = Exports::open(dir.path().to_owned()).unwrap();
        assert_eq!(again.get(a.job.id).unwrap().job.state, ExportState::Ready);
        assert_eq!(again.get(b.job.id).unwrap().job.state, ExportState::Waiting, "it begins anew");
        assert!(again.start().is_some() && again.start().is_some() && again.start().is_none());
    }

    #[test]
    fn called_off_expired_and_bounded() {
        let dir = tempfile::tempdir().unwrap();
        let (mut exports, account) = (Exports::open(dir.path().to_owned()).unwrap(), AccountId::generate());
        exports.add(kept(account)).unwrap();
        let (running, progress) = exports.start().unwrap();
        fs::write(exports.file(running.job.id), b"half").unwrap();
        exports.cancel(running.job.id, NOW);
        assert!(progress.is_cancelled());
        let fault = ExportFault { code: "cancelled", detail: String::new() };
        let over = exports.finished(running.job.id, Err(fault), NOW).unwrap();
        assert_eq!(over.job.state, ExportState::Cancelled);
        assert!(!exports.file(running.job.id).exists(), "nothing half-written stays");
        exports.sweep(NOW.plus(KEPT_FOR));
        assert!(exports.get(running.job.id).is_none());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        for _ in 0..PENDING_PER_ACCOUNT_MAX {
            exports.add(kept(account)).unwrap();
        }
        assert!(matches!(exports.add(kept(account)), Err(QueueError::TooMany)));
        exports.add(kept(AccountId::generate())).unwrap();
    }
}
