//! The few operations by which the recorder changes a disk, as a trait, so that tests can stop after each of them.
//!
//! Reading needs no trait: what was written is read back through the file system.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, IoSlice, Write},
    ops::Range,
    path::Path,
};

#[cfg(target_os = "linux")]
use std::os::fd::AsRawFd;

/// An open file that only grows.
pub trait Appender: Send {
    /// Appends all of `bytes` with as few writes as the system needs.
    ///
    /// # Errors
    /// Any error means: how much was written is unknown, this file is not to be used again.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Appends these one after the other, without putting them together first where the system can.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    fn append_all(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        self.append(&parts.concat())
    }

    /// Tells that [`sync`](Self::sync) follows soon: the system may begin to write. Promises nothing.
    ///
    /// # Errors
    /// As [`sync`](Self::sync).
    fn begin_sync(&mut self, _from: u64) -> io::Result<()> {
        Ok(())
    }

    /// Tells that nobody is expected to read these bytes soon, which were synced: the system need not keep them in memory.
    fn forget(&mut self, _bytes: Range<u64>) {}

    /// Makes what was appended survive a power cut (`fdatasync`).
    ///
    /// # Errors
    /// After an error nothing is known of what was appended, and syncing again proves nothing.
    fn sync(&mut self) -> io::Result<()>;
}

/// What the recorder does to a disk.
pub trait Storage: Send + Sync + 'static {
    /// Makes one directory; no error if it is there.
    ///
    /// # Errors
    /// As the system says.
    fn create_dir(&self, path: &Path) -> io::Result<()>;
    /// Makes entries of a directory survive a power cut.
    ///
    /// # Errors
    /// As the system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;
    /// Creates an empty file, emptying one that is there.
    ///
    /// # Errors
    /// As the system says.
    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>>;
    /// Opens a file to append, creating it if need be.
    ///
    /// # Errors
    /// As the system says.
    fn open(&self, path: &Path) -> io::Result<Box<dyn Appender>>;
    /// Cuts a file to `len` bytes and syncs it.
    ///
    /// # Errors
    /// As the system says.
    fn truncate(&self, path: &Path, len: u64) -> io::Result<()>;
    /// Renames a file within its directory.
    ///
    /// # Errors
    /// As the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file; no error if it is not there.
    ///
    /// # Errors
    /// As the system says.
    fn remove_file(&self, path: &Path) -> io::Result<()> {
        gone(fs::remove_file(path))
    }
    /// Removes an empty directory; no error if it is not there.
    ///
    /// # Errors
    /// As the system says.
    fn remove_dir(&self, path: &Path) -> io::Result<()> {
        gone(fs::remove_dir(path))
    }
    /// Bytes that may still be written where `path` lies.
    ///
    /// # Errors
    /// As the system says.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// The real disk.
#[derive(Debug, Clone, Copy, Default)]
pub struct Disk;

/// Pieces handed to the system at once; IOV_MAX is 1,024 on Linux.
const PIECES_MAX: usize = 64;

impl Appender for File {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.write_all(bytes)
    }

    fn append_all(&mut self, parts: &[&[u8]]) -> io::Result<()> {
        for parts in parts.chunks(PIECES_MAX) {
            let mut slices: Vec<IoSlice<'_>> = parts.iter().map(|p| IoSlice::new(p)).collect();
            let mut left = &mut slices[..];
            IoSlice::advance_slices(&mut left, 0); // Leaves empty ones in front out, or a write of none would look like a full disk.
            while !left.is_empty() {
                match self.write_vectored(left) {
                    Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                    Ok(n) => IoSlice::advance_slices(&mut left, n),
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(())
    }

    #[cfg(target_os = "linux")]
    fn begin_sync(&mut self, from: u64) -> io::Result<()> {
        let from = libc::off64_t::try_from(from).map_err(|_| io::ErrorKind::InvalidInput)?;
        // SAFETY: a system call on an open file, without pointers. Zero bytes mean: up to the end.
        let done = unsafe { libc::sync_file_range(self.as_raw_fd(), from, 0, libc::SYNC_FILE_RANGE_WRITE) };
        // A file system that can't begin early is synced all the same; failed writing shows when it is waited for as well.
        if done == 0
            || matches!(io::Error::last_os_error().raw_os_error(), Some(libc::ESPIPE | libc::ENOSYS | libc::EINVAL))
        {
            return Ok(());
        }
        Err(io::Error::last_os_error())
    }

    #[cfg(target_os = "linux")]
    fn forget(&mut self, bytes: Range<u64>) {
        let of = |n: u64| libc::off64_t::try_from(n).unwrap_or(libc::off64_t::MAX);
        // No bytes would mean all of them.
        if !bytes.is_empty() {
            let (from, len) = (of(bytes.start), of(bytes.end - bytes.start));
            // SAFETY: a system call on an open file, without pointers. It is a hint: what it answers changes nothing.
            unsafe { libc::posix_fadvise64(self.as_raw_fd(), from, len, libc::POSIX_FADV_DONTNEED) };
        }
    }

    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

impl Storage for Disk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        match fs::create_dir(path) {
            Err(e) if e.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            other => other,
        }
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        Ok(Box::new(File::create(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn Appender>> {
        Ok(Box::new(OpenOptions::new().append(true).create(true).open(path)?))
    }

    fn truncate(&self, path: &Path, len: u64) -> io::Result<()> {
        let file = OpenOptions::new().write(true).open(path)?;
        file.set_len(len)?;
        file.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        use std::os::unix::ffi::OsStrExt;
        let path = std::ffi::CString::new(path.as_os_str().as_bytes())?;
        let mut stat = std::mem::MaybeUninit::<libc::statvfs>::uninit();
        // SAFETY: `path` is a NUL-terminated string and `stat` has room for the result.
        if unsafe { libc::statvfs(path.as_ptr(), stat.as_mut_ptr()) } != 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: statvfs succeeded, so it filled `stat`.
        let stat = unsafe { stat.assume_init() };
        #[allow(clippy::useless_conversion, reason = "the width of these fields differs between systems")]
        Ok(u64::from(stat.f_bavail).saturating_mul(u64::from(stat.f_frsize)))
    }
}

/// Writes a small file so that it is there as a whole or not at all: temporary name, sync, rename, sync of the directory.
///
/// # Errors
/// As the system says.
pub(crate) fn write_whole(storage: &dyn Storage, dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let tmp = dir.join(format!("{name}.tmp"));
    let mut file = storage.create(&tmp)?;
    file.append(bytes)?;
    file.sync()?;
    storage.rename(&tmp, &dir.join(name))?;
    storage.sync_dir(dir)
}
