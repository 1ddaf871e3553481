//! What recordings are on disk: the catalogue can be rebuilt from this.

use crate::{
    Header, RecordingSummary, Seal, chain, journal,
    recover::{file_names, read_or_empty},
    writer::parse_part_name,
};
use lectern_protocol::api::RecordingStatus;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// The recordings under `root`, oldest first. One that can't be read (newer format, no header) is logged and left out.
#[must_use]
pub fn scan(root: &Path) -> Vec<RecordingSummary> {
    let dirs = directories(root).unwrap_or_else(|e| {
        tracing::error!(dir = %root.display(), error = %e, "cannot list recordings");
        Vec::new()
    });
    dirs.iter()
        .filter(|dir| !is_stillborn(dir))
        .filter_map(|dir| {
            summary(dir).inspect_err(|e| tracing::warn!(dir = %dir.display(), error = e, "recording left out")).ok()
        })
        .collect()
}

/// One recording in short.
pub(crate) fn summary(dir: &Path) -> Result<RecordingSummary, String> {
    let (header, _) = Header::read(dir).map_err(|e| e.to_string())?;
    let meta = header.meta;
    if let Some(seal) = Seal::read(dir).map_err(|e| e.to_string())? {
        return Ok(crate::Sealed::new(meta, dir.into(), seal).summary);
    }
    let read = |name: &str| read_or_empty(&dir.join(name)).map_err(|e| e.to_string());
    let (records, _) = chain::parse(&read(chain::FILE)?);
    let (lines, _) = journal::parse(&read(journal::FILE)?);
    let rates = crate::vod::clock_rates(&lines);
    let ends = records.iter().map(|r| match parse_part_name(&r.file).and_then(|(t, _)| rates.get(&t)) {
        Some(hz) => r.time.saturating_add(r.duration).saturating_mul(1000) / u64::from(*hz),
        None => r.time,
    });
    let duration_ms = ends.max().unwrap_or(0);
    let size_bytes =
        records.iter().filter(|r| r.file != journal::FILE).fold(0, |sum: u64, r| sum.saturating_add(r.len));
    Ok(RecordingSummary { meta, dir: dir.into(), duration_ms, size_bytes, status: RecordingStatus::Live })
}

/// Whether the directory holds nothing but what comes before the header: it is no recording yet.
pub(crate) fn is_stillborn(dir: &Path) -> bool {
    file_names(dir).is_ok_and(|names| names.iter().all(|n| n.ends_with(".tmp")))
}

/// The directories of recordings under `root`: two levels down, in order of day and id.
pub(crate) fn directories(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    for day in sorted_dirs(root)? {
        out.extend(sorted_dirs(&day)?);
    }
    Ok(out)
}

/// The same, also of an archive of cameras: directories two levels down, or three where those have no header but others below.
pub(crate) fn all_directories(root: &Path) -> io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    for dir in directories(root)? {
        let below = if dir.join(Header::FILE).exists() { Vec::new() } else { sorted_dirs(&dir)? };
        if below.is_empty() && !is_camera_day(&dir) {
            out.push(dir);
        } else {
            out.extend(below.into_iter().filter(|d| crate::camera::is_recording_dir(d)));
        }
    }
    Ok(out)
}

/// Whether the directory holds what retention left of a camera's day.
fn is_camera_day(dir: &Path) -> bool {
    dir.join(crate::camera::REMOVED_FILE).exists()
}

pub(crate) fn sorted_dirs(dir: &Path) -> io::Result<Vec<PathBuf>> {
    let mut out = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            out.push(entry.path());
        }
    }
    out.sort();
    Ok(out)
}
