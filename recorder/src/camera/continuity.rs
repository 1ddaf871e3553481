//! What only several recordings of a camera together can show: that each follows the one before (invariant 12), and that what is gone
//! was removed (invariant 15). Part of `check`.

use super::{
    CameraRecording, Previous,
    meta::camera_recording_dir,
    open::is_recording_dir,
    removal::{Removed, removed_in, wrong_in},
};
use crate::{Entry, Finding, Header, Seal, chain, journal, recover::read_or_empty};
use lectern_media::{CameraId, RecordingId};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// Checks the camera recordings among `dirs`, which lie under `root`.
pub(crate) fn check(root: &Path, dirs: &[PathBuf]) -> Vec<(PathBuf, Finding)> {
    let mut cameras: BTreeMap<CameraId, Vec<(PathBuf, CameraRecording)>> = BTreeMap::new();
    for dir in dirs.iter().filter(|d| is_recording_dir(d)) {
        if let Ok((header, _)) = Header::<CameraRecording>::read(dir) {
            cameras.entry(header.meta.camera.camera).or_default().push((dir.clone(), header.meta));
        }
    }
    let mut out = Vec::new();
    let days: BTreeSet<&Path> = dirs.iter().filter_map(|d| d.parent()).collect();
    for day in days {
        if let Some(what) = wrong_in(day) {
            let file = super::removal::REMOVED_FILE.into();
            out.push((day.to_owned(), Finding { invariant: 15, file, offset: 0, what }));
        }
    }
    for (camera, mut recordings) in cameras {
        recordings.sort_by_key(|(_, r)| r.id);
        // The order is that in which they name each other: by their times they may lie in another, if the clock was set back.
        let mut named_by: BTreeMap<RecordingId, RecordingId> = BTreeMap::new();
        let mut first: Option<RecordingId> = None;
        for (dir, r) in recordings {
            let mut find = |invariant: u8, what: String| {
                out.push((dir.clone(), Finding { invariant, file: Header::FILE.into(), offset: 0, what }));
            };
            if camera_recording_dir(Path::new(""), camera, r.id).file_name() != dir.file_name() {
                find(1, "lies where another recording belongs".into());
            }
            match &r.previous {
                None => match first {
                    Some(first) => find(12, format!("names no recording before it, nor does {first}")),
                    None => first = Some(r.id),
                },
                Some(p) => {
                    if let Some(other) = named_by.insert(p.recording, r.id) {
                        find(12, format!("names {} as the one before it, {other} does as well", p.recording));
                    }
                }
            }
            if let Some(previous) = &r.previous {
                let there = camera_recording_dir(root, camera, previous.recording);
                let told = previous_line(&dir);
                if there.exists() {
                    follows(&there, previous, told.as_ref(), &r, &mut find);
                } else if let Some(gone) = removed(&there, previous.recording) {
                    if told.is_some_and(|(records, head)| (records, head) != (gone.records, gone.head)) {
                        find(12, "names another head than that of the removed recording before it".into());
                    }
                } else {
                    find(15, format!("the recording {} before it is gone, and nothing tells why", previous.recording));
                }
            }
        }
    }
    out
}

fn removed(dir: &Path, recording: RecordingId) -> Option<Removed> {
    removed_in(dir.parent()?).into_iter().find(|r| r.recording == recording)
}

/// Records and last head of the recording before, as the journal tells.
fn previous_line(dir: &Path) -> Option<(u64, String)> {
    let (lines, _) = journal::parse(&read_or_empty(&dir.join(journal::FILE)).ok()?);
    lines.into_iter().find_map(|(l, ..)| match l.entry {
        Entry::Previous { records, head, .. } => Some((records, head)),
        _ => None,
    })
}

/// Whether `r` follows the recording in `before` as its header and journal tell.
fn follows(
    before: &Path,
    named: &Previous,
    told: Option<&(u64, String)>,
    r: &CameraRecording,
    find: &mut impl FnMut(u8, String),
) {
    let (records, _) = chain::parse(&read_or_empty(&before.join(chain::FILE)).unwrap_or_default());
    let genesis = || Header::<CameraRecording>::read(before).ok().map(|(_, bytes)| hex::encode(chain::genesis(&bytes)));
    let head = match named.records.checked_sub(1) {
        Some(i) => records.get(i as usize).map(|r| r.hash.clone()),
        None => genesis(),
    };
    if head.as_ref() != Some(&named.head) {
        find(12, format!("names a head of {} that its chain never had", named.recording));
    }
    let (Ok(Some(seal)), Ok((header, _))) = (Seal::read(before), Header::<CameraRecording>::read(before)) else {
        return;
    };
    if told.is_some_and(|(records, head)| (*records, head) != (seal.records, &seal.head)) {
        find(12, format!("tells another last head of {} than its seal", named.recording));
    }
    // One that rolled gives way at the hour or where it says, one that was interrupted where it was closed, one that was stopped at any time after.
    let (lines, _) = journal::parse(&read_or_empty(&before.join(journal::FILE)).unwrap_or_default());
    let stopped = lines.iter().any(|(l, ..)| l.entry == Entry::Stopped {});
    let end = header.meta.started.0.saturating_add(seal.duration_ms as i64);
    let gave = lines.iter().rev().find(|(l, ..)| l.entry == Entry::GivesWay {});
    let until = gave.map_or(header.meta.until.0, |(l, ..)| header.meta.started.0.saturating_add_unsigned(l.at_ms));
    let border = until.min(end);
    let late = r.started.0 > until.max(end) + BORDER_MS;
    // The clock may have been set back after one that was stopped or interrupted; while cameras are recorded, nothing sets it back.
    let rolled = !stopped && seal.finished;
    if rolled && (r.started.0 < border - BORDER_MS || late) {
        find(12, format!("begins at {}, {} ended at {end}", r.started.0, named.recording));
    }
}

/// How exact borders are: a fragment.
const BORDER_MS: i64 = 500;
