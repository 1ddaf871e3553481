//! Removes what `retention` decided, and keeps an entry of it (invariant 15): the procedure *remove*.

use super::{
    CameraRecording,
    meta::{camera_day_dir, camera_recording_dir},
    retention::{Ended, Item, RemovalReason},
};
use crate::{
    Header, Seal,
    chain::{self, Hash, parse_hash},
    recover::{file_names, read_or_empty},
    signer::{Signer, verify},
    storage::Storage,
};
use lectern_media::{CameraId, RecordingId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    io,
    path::{Path, PathBuf},
};

/// The file of removals in a camera's day.
pub const REMOVED_FILE: &str = "removed.jsonl";
/// What the name of a directory that is being removed ends with.
pub(crate) const REMOVING: &str = ".removing";
/// What every signed message begins with.
const DOMAIN: &[u8] = b"lectern removed v1\n";

/// A recording that retention removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Which.
    pub recording: RecordingId,
    /// Of which camera.
    pub camera: CameraId,
    /// From.
    pub from: UnixMillis,
    /// To.
    pub to: UnixMillis,
    /// Records of its chain.
    pub records: u64,
    /// Head of its chain, hexadecimal.
    pub head: String,
    /// Bytes of its media.
    pub bytes: u64,
    /// Why.
    pub reason: RemovalReason,
    /// When.
    pub at: UnixMillis,
    /// The key that signed this, by id.
    pub key: String,
    /// The public key, hexadecimal.
    pub public: String,
    /// When it ended by what was believed then: no earlier than `to`, unless that was in the future. Its days were counted from there,
    /// and those of what follows it are. Earlier versions did not keep it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<UnixMillis>,
}

impl Removed {
    /// When it ended, for what follows it. Where that was not kept, no later than told here.
    fn ended(&self) -> UnixMillis {
        self.ended.unwrap_or_else(|| match self.reason {
            RemovalReason::Expired { days } => self.to.max(UnixMillis(self.at.0.saturating_sub(days_ms(days)))),
            RemovalReason::Space => self.to.max(self.at),
        })
    }
}

const fn days_ms(days: u32) -> i64 {
    days as i64 * 86_400_000
}

/// A line of the file: the link is that of the chain, over the entry's text with `at` as its time; the signature is over
/// `"lectern removed v1\n"` and the link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Line {
    entry: Removed,
    hash: String,
    signature: String,
}

/// What a camera's day begins its file with.
fn genesis(day: &Path) -> Hash {
    let name = |p: Option<&Path>| p.and_then(Path::file_name).unwrap_or_default().to_string_lossy().into_owned();
    let (camera, date) = (name(Some(day)), name(day.parent()));
    chain::genesis(format!("lectern removed v1\n{date}/{camera}\n").as_bytes())
}

fn link(previous: &Hash, entry: &Removed) -> io::Result<Hash> {
    Ok(chain::link(previous, entry.at.0.max(0) as u64, &serde_json::to_vec(entry)?))
}

/// The removals of a camera's day, their last link, how many bytes they take, and what is wrong with them.
fn read(day: &Path) -> io::Result<(Vec<Removed>, Hash, usize, Option<String>)> {
    let bytes = read_or_empty(&day.join(REMOVED_FILE))?;
    let (mut head, mut at, mut out, mut wrong) = (genesis(day), 0, Vec::new(), None);
    for text in bytes.split_inclusive(|b| *b == b'\n') {
        let Some(line) = serde_json::from_slice::<Line>(text).ok().filter(|_| text.ends_with(b"\n")) else { break };
        let next = link(&head, &line.entry)?;
        let mut signature = [0; 64];
        let signed = hex::decode_to_slice(&line.signature, &mut signature).is_ok()
            && parse_hash(&line.entry.public).is_some_and(|p| verify(&p, &[DOMAIN, &next].concat(), &signature));
        if parse_hash(&line.hash) != Some(next) || !signed {
            wrong.get_or_insert(format!("the entry of {} is not as it was signed", line.entry.recording));
        }
        head = parse_hash(&line.hash).unwrap_or(next);
        at += text.len();
        out.push(line.entry);
    }
    Ok((out, head, at, wrong))
}

/// What retention removed of a camera's day.
pub(crate) fn removed_in(day: &Path) -> Vec<Removed> {
    read(day).map(|(removed, ..)| removed).unwrap_or_default()
}

/// What is wrong with the removals of a camera's day.
pub(crate) fn wrong_in(day: &Path) -> Option<String> {
    match read(day) {
        Ok((.., wrong)) => wrong,
        Err(e) => Some(e.to_string()),
    }
}

/// What recordings name as the one before them, directly or over others, and `items` lacks: those that are there, as items that never
/// go, and when those ended that retention removed.
pub(crate) fn before(root: &Path, items: &[Item]) -> (Vec<Item>, Ended) {
    let (mut there, mut ended) = (Vec::new(), Ended::new());
    let mut met: BTreeSet<RecordingId> = items.iter().map(|i| i.recording).collect();
    for item in items {
        let mut at = item.previous;
        while let Some(recording) = at.take().filter(|p| met.insert(*p)) {
            let dir = camera_recording_dir(root, item.camera, recording);
            if let Some(end) = dir.parent().and_then(|day| ended_in(day, recording)) {
                ended.insert(recording, end);
            } else if let Ok((header, _)) = Header::<CameraRecording>::read(&dir) {
                let (from, previous) = (header.meta.started, header.meta.previous.map(|p| p.recording));
                let item = Item { recording, from, to: from, bytes: 0, sealed: false, previous, ..item.clone() };
                there.push(item);
                at = previous;
            }
        }
    }
    (there, ended)
}

/// When a recording of a camera's day ended that was removed. Signatures are for `check`: who forges entries can remove footage.
fn ended_in(day: &Path, recording: RecordingId) -> Option<UnixMillis> {
    let bytes = read_or_empty(&day.join(REMOVED_FILE)).ok()?;
    let entries = bytes.split(|b| *b == b'\n').filter_map(|line| serde_json::from_slice::<Line>(line).ok());
    entries.map(|line| line.entry).find(|e| e.recording == recording).map(|e| e.ended())
}

/// Removes a sealed recording. Whoever calls holds what keeps holds from being set.
pub(crate) fn remove(
    storage: &dyn Storage,
    root: &Path,
    signer: &Signer,
    (camera, recording): (CameraId, RecordingId),
    (reason, ended): (RemovalReason, UnixMillis),
    now: UnixMillis,
) -> io::Result<u64> {
    let dir = camera_recording_dir(root, camera, recording);
    let other = |e: crate::HeaderError| io::Error::other(e.to_string());
    let (header, _) = Header::<CameraRecording>::read(&dir).map_err(other)?;
    let seal = Seal::read(&dir).map_err(other)?.ok_or_else(|| io::Error::other("it is not sealed"))?;
    let day = camera_day_dir(root, camera, header.meta.started);
    let (before, head, len, _) = read(&day)?;
    if !before.iter().any(|r| r.recording == recording) {
        let path = day.join(REMOVED_FILE);
        let fresh = !path.exists();
        if read_or_empty(&path)?.len() > len {
            // Torn, so what it told of was not removed.
            storage.truncate(&path, len as u64)?;
        }
        let started = header.meta.started;
        let entry = Removed {
            recording,
            camera,
            from: started,
            to: UnixMillis(started.0.saturating_add(seal.duration_ms as i64)),
            records: seal.records,
            head: seal.head,
            bytes: seal.size_bytes,
            reason,
            at: now,
            key: signer.key_id().to_owned(),
            public: hex::encode(signer.public_key()),
            ended: Some(ended),
        };
        let hash = link(&head, &entry)?;
        let signature = hex::encode(signer.sign(&[DOMAIN, &hash].concat()));
        let mut text = serde_json::to_vec(&Line { entry, hash: hex::encode(hash), signature })?;
        text.push(b'\n');
        let mut file = storage.open(&path)?;
        file.append(&text)?;
        file.sync()?;
        if fresh {
            storage.sync_dir(&day)?;
        }
    }
    let gone = removing(&dir);
    storage.rename(&dir, &gone)?;
    storage.sync_dir(&day)?;
    delete(storage, &gone)?;
    Ok(seal.size_bytes)
}

fn removing(dir: &Path) -> PathBuf {
    let name = dir.file_name().unwrap_or_default().to_string_lossy();
    dir.with_file_name(format!("{name}{REMOVING}"))
}

/// Deletes a directory that is being removed, its header last.
pub(crate) fn delete(storage: &dyn Storage, dir: &Path) -> io::Result<()> {
    let names = file_names(dir)?;
    let last = [Seal::FILE, Header::FILE];
    for name in names.iter().filter(|n| !last.contains(&n.as_str())).map(String::as_str).chain(last) {
        storage.remove_file(&dir.join(name))?;
    }
    storage.remove_dir(dir)?;
    dir.parent().map_or(Ok(()), |day| storage.sync_dir(day))
}
