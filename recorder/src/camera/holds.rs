//! Holds (留存锁定): stretches of cameras that no rule and no full disk removes, kept beside the recordings, so that nobody needs
//! the catalogue to know what must not go (invariant 16).
//!
//! `holds.jsonl` only grows while the archive is open; opening writes it anew with the holds in force if most of it is over. Does not belong
//! here: who may hold or release.

use crate::{
    recover::read_or_empty,
    storage::{Appender, Storage, write_whole},
};
use lectern_media::{CameraId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io, path::Path};
use ulid::Ulid;

/// The file's name.
const FILE: &str = "holds.jsonl";
/// Holds in force at a time.
pub const HOLDS_MAX: usize = 10_000;

/// A hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// Its id.
    pub id: Ulid,
    /// The camera.
    pub camera: CameraId,
    /// From.
    pub from: UnixMillis,
    /// To.
    pub to: UnixMillis,
    /// Why.
    pub why: String,
    /// Who set it, by name.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

impl Hold {
    /// Whether it covers some of a stretch of its camera.
    #[must_use]
    pub fn touches(&self, camera: CameraId, from: UnixMillis, to: UnixMillis) -> bool {
        self.camera == camera && self.from < to && self.to > from
    }
}

/// Why a hold was not taken or released.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HoldError {
    /// It ends before it begins.
    #[error("a hold ends after it begins")]
    Backwards,
    /// There are as many as may be.
    #[error("there are {HOLDS_MAX} holds already")]
    TooMany,
    /// The disk can't take it: nothing is promised.
    #[error("cannot keep the hold")]
    Io(#[from] io::Error),
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Line {
    Hold(Hold),
    Release { id: Ulid, at: UnixMillis },
}

pub(crate) struct Holds {
    held: BTreeMap<Ulid, Hold>,
    /// `None` after an error: opened again for the next one.
    file: Option<Box<dyn Appender>>,
}

impl Holds {
    /// Reads the holds under `root`.
    pub(crate) fn open(storage: &dyn Storage, root: &Path) -> io::Result<Self> {
        let bytes = read_or_empty(&root.join(FILE))?;
        let (mut held, mut lines, mut whole) = (BTreeMap::new(), 0, true);
        for line in bytes.split_inclusive(|b| *b == b'\n') {
            match serde_json::from_slice(line) {
                Ok(Line::Hold(hold)) if line.ends_with(b"\n") => _ = held.insert(hold.id, hold),
                Ok(Line::Release { id, .. }) if line.ends_with(b"\n") => _ = held.remove(&id),
                // Torn, so nobody was told of it. A line in the middle that can't be read must not let go what follows.
                _ => whole = false,
            }
            lines += 1;
        }
        if !whole || lines > 2 * held.len() + 100 {
            let mut text = Vec::new();
            for hold in held.values() {
                serde_json::to_writer(&mut text, &Line::Hold(hold.clone()))?;
                text.push(b'\n');
            }
            if !whole {
                write_whole(storage, root, &format!("{FILE}.torn"), &bytes)?;
            }
            write_whole(storage, root, FILE, &text)?;
        }
        Ok(Self { held, file: None })
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Hold> {
        self.held.values()
    }

    /// Keeps a hold; one with the same id is replaced.
    pub(crate) fn hold(&mut self, storage: &dyn Storage, root: &Path, hold: Hold) -> Result<(), HoldError> {
        if hold.from >= hold.to {
            return Err(HoldError::Backwards);
        }
        if self.held.len() >= HOLDS_MAX && !self.held.contains_key(&hold.id) {
            return Err(HoldError::TooMany);
        }
        self.append(storage, root, &Line::Hold(hold.clone()))?;
        self.held.insert(hold.id, hold);
        Ok(())
    }

    /// Ends a hold. Tells whether there was one.
    pub(crate) fn release(
        &mut self,
        storage: &dyn Storage,
        root: &Path,
        id: Ulid,
        at: UnixMillis,
    ) -> Result<bool, HoldError> {
        if !self.held.contains_key(&id) {
            return Ok(false);
        }
        self.append(storage, root, &Line::Release { id, at })?;
        Ok(self.held.remove(&id).is_some())
    }

    fn append(&mut self, storage: &dyn Storage, root: &Path, line: &Line) -> io::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        let mut file = match self.file.take() {
            Some(file) => file,
            None => {
                let path = root.join(FILE);
                let fresh = !path.exists();
                // After an error the last line may be torn: what follows begins on a line of its own.
                let torn = read_or_empty(&path)?.last().is_some_and(|b| *b != b'\n');
                let mut file = storage.open(&path)?;
                if torn {
                    file.append(b"\n")?;
                }
                if fresh {
                    storage.sync_dir(root)?;
                }
                file
            }
        };
        file.append(&text)?;
        file.sync()?;
        self.file = Some(file);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::Disk;
    use lectern_media::CameraId;

    fn hold(n: i64) -> Hold {
        let (camera, from, to) = (CameraId::generate(), UnixMillis(n), UnixMillis(n + 10));
        Hold { id: Ulid::new(), camera, from, to, why: "投诉".into(), by: "李".into(), at: UnixMillis(n) }
    }

    #[test]
    fn holds_outlive_the_process_and_a_torn_line_takes_none_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let mut holds = Holds::open(&Disk, dir.path()).unwrap();
        let (a, b) = (hold(1), hold(2));
        holds.hold(&Disk, dir.path(), a.clone()).unwrap();
        holds.hold(&Disk, dir.path(), b.clone()).unwrap();
        assert!(holds.release(&Disk, dir.path(), a.id, UnixMillis(9)).unwrap());
        assert!(!holds.release(&Disk, dir.path(), a.id, UnixMillis(9)).unwrap());
        let whole = std::fs::read(dir.path().join(FILE)).unwrap();
        std::fs::write(dir.path().join(FILE), [&whole[..], b"{\"hold\":{\"id"].concat()).unwrap();
        for _ in 0..2 {
            let holds = Holds::open(&Disk, dir.path()).unwrap();
            assert_eq!(holds.all().collect::<Vec<_>>(), [&b]);
        }
        assert!(matches!(
            Holds::open(&Disk, dir.path()).unwrap().hold(&Disk, dir.path(), Hold { to: b.from, ..b.clone() }),
            Err(HoldError::Backwards)
        ));
        assert!(b.touches(b.camera, UnixMillis(11), UnixMillis(20)) && !b.touches(b.camera, b.to, UnixMillis(20)));
    }
}
