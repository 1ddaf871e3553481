//! The directory of everything that is kept: its format version, and the lock that keeps a second process out.

use std::{
    fs::{self, File, OpenOptions, TryLockError},
    io::{self, Write as _},
    os::unix::fs::DirBuilderExt as _,
    path::{Path, PathBuf},
};

/// The version of the directory's layout that this program writes. A newer one is refused.
pub const FORMAT_VERSION: u32 = 1;

const VERSION_FILE: &str = "format-version";
const LOCK_FILE: &str = "lock";

/// Why a data directory can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataDirError {
    /// It was written by a newer program.
    #[error("{} was written by a newer Lectern (format {found}, this one knows {FORMAT_VERSION}): start that version instead", dir.display())]
    Newer {
        /// The directory.
        dir: PathBuf,
        /// Its version.
        found: u32,
    },
    /// The version file holds something else.
    #[error("{} is not a data directory of Lectern: its file {VERSION_FILE} holds no number", dir.display())]
    NotOurs {
        /// The directory.
        dir: PathBuf,
    },
    /// Another process uses it.
    #[error("{} is in use by another Lectern; stop it first, or use its web page", dir.display())]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// It can't be made, read or written.
    #[error("could not {what} in {}", dir.display())]
    Io {
        /// The directory.
        dir: PathBuf,
        /// What was tried.
        what: &'static str,
        /// The operating system's answer.
        #[source]
        source: io::Error,
    },
}

/// An open data directory, locked against other processes until dropped.
#[derive(Debug)]
pub struct DataDir {
    path: PathBuf,
    // The lock lives as long as the open file, also through kill -9.
    _lock: File,
}

impl DataDir {
    /// Opens the directory and makes it if it is not there.
    ///
    /// # Errors
    /// [`DataDirError`]
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let failed = |what| move |source| DataDirError::Io { dir: path.to_owned(), what, source };
        // Names, chats and keys of a school: nobody else's to read. A directory that is there keeps what its owner chose.
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700).create(path).map_err(failed("make the directory"))?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK_FILE))
            .map_err(failed("open the lock file"))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(DataDirError::InUse { dir: path.to_owned() }),
            Err(TryLockError::Error(e)) => return Err(failed("lock")(e)),
        }
        match Self::version(path)? {
            Some(found) if found > FORMAT_VERSION => {
                return Err(DataDirError::Newer { dir: path.to_owned(), found });
            }
            Some(_) => {}
            None => write_synced(path, VERSION_FILE, &format!("{FORMAT_VERSION}\n"))
                .map_err(failed("write the format version"))?,
        }
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    /// The directory's format version; `None` if it has none yet.
    ///
    /// # Errors
    /// [`DataDirError`]
    pub fn version(path: &Path) -> Result<Option<u32>, DataDirError> {
        match fs::read_to_string(path.join(VERSION_FILE)) {
            Ok(text) => text.trim().parse().map(Some).map_err(|_| DataDirError::NotOurs { dir: path.to_owned() }),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(DataDirError::Io { dir: path.to_owned(), what: "read the format version", source }),
        }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// Writes a small file so that after a power cut it is there whole or not at all.
fn write_synced(dir: &Path, name: &str, text: &str) -> io::Result<()> {
    let temporary = dir.join(format!("{name}.new"));
    let mut file = File::create(&temporary)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, dir.join(name))?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn one_process_at_a_time_and_nothing_newer() {
        let dir = tempfile::tempdir().unwrap();
        let made = dir.path().join("new");
        drop(DataDir::open(&made).unwrap());
        assert_eq!(fs::metadata(&made).unwrap().permissions().mode() & 0o777, 0o700, "nobody else may look");
        let first = DataDir::open(dir.path()).unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataDirError::InUse { .. })));
        drop(first);
        drop(DataDir::open(dir.path()).expect("the lock ends with its holder"));
        fs::write(dir.path().join(VERSION_FILE), "2\n").unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataDirError::Newer { found: 2, .. })));
        fs::write(dir.path().join(VERSION_FILE), "photos\n").unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataDirError::NotOurs { .. })));
    }
}
