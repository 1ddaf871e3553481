//! The keys that sign grants: made on first start, kept in the data directory, readable by the server only.

use anyhow::Context as _;
use lectern_auth::{Keyring, SealingKeys};
use std::{
    fs,
    io::{ErrorKind, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::Path,
};

/// Reads the grant keys, or makes them.
pub fn grant_keys(data: &Path) -> anyhow::Result<Keyring> {
    let path = data.join("grant-keys");
    match fs::read_to_string(&path) {
        Ok(text) => Keyring::parse(&text).with_context(|| format!("could not use {}", path.display())),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let keys = Keyring::generate();
            write_secret(&path, keys.to_text().as_bytes())?;
            Ok(keys)
        }
        Err(e) => Err(e).with_context(|| format!("could not read {}", path.display())),
    }
}

/// Reads the keys that seal passwords and secrets at rest, or makes them. Without this file none of them can be read again:
/// it belongs into the back-up, apart from the catalogue.
pub fn sealing_keys(data: &Path) -> anyhow::Result<SealingKeys> {
    let path = data.join("sealing-keys");
    match fs::read_to_string(&path) {
        Ok(text) => SealingKeys::parse(&text).with_context(|| format!("could not use {}", path.display())),
        Err(e) if e.kind() == ErrorKind::NotFound => {
            let keys = SealingKeys::generate();
            write_secret(&path, keys.to_text().as_bytes())?;
            Ok(keys)
        }
        Err(e) => Err(e).with_context(|| format!("could not read {}", path.display())),
    }
}

/// Writes a file that only we may read, so that after a power cut it is there whole or not at all.
pub fn write_secret(path: &Path, bytes: &[u8]) -> anyhow::Result<()> {
    write_whole(path, bytes, 0o600)
}

/// Writes a file with this mode, so that after a power cut it is there whole or not at all.
pub fn write_whole(path: &Path, bytes: &[u8], mode: u32) -> anyhow::Result<()> {
    let write = || -> std::io::Result<()> {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(".new");
        let temporary = path.with_file_name(name);
        // One that a crash left keeps its own mode.
        match fs::remove_file(&temporary) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        match path.parent() {
            Some(dir) => fs::File::open(dir)?.sync_all(),
            None => Ok(()),
        }
    };
    write().with_context(|| format!("could not write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn keys_stay_the_same_and_secret() {
        let dir = tempfile::tempdir().unwrap();
        let made = grant_keys(dir.path()).unwrap();
        assert_eq!(grant_keys(dir.path()).unwrap().to_text(), made.to_text());
        let mode = fs::metadata(dir.path().join("grant-keys")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else may read them");
        let made = sealing_keys(dir.path()).unwrap();
        assert_eq!(*sealing_keys(dir.path()).unwrap().to_text(), *made.to_text());
        let mode = fs::metadata(dir.path().join("sealing-keys")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "nobody else may read them");
    }
}
