//! Writes an evidence file: plans what goes in, copies it as it lies in the archive, hashes, signs.

use super::{
    format::{
        Bound, CAMERA, CAMERAS_MAX, CHAIN, CameraDoc, DOMAIN, EVENTS, Event, FORMAT, HASHES, HEADER, Hashes, KeyEntry,
        MANIFEST, Manifest, ManifestCamera, MemberHash, MemberSize, SHEET, SIGNATURE, SignatureDoc, VIEWERS, Viewer,
        ViewerEntry,
    },
    plan::{self, PlannedCamera, Stretch},
    sheet,
    zip::Writer,
};
use crate::{HeaderError, SUITE, Signer};
use jiff::tz::TimeZone;
use lectern_media::{CameraId, UnixMillis};
use sha2::{Digest, Sha256};
use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    os::unix::fs::FileExt,
    path::{Path, PathBuf},
};

/// What to export, for whom and why.
#[derive(Debug, Clone)]
pub struct ExportRequest {
    /// Which cameras; all streams of each, for they are links of one chain.
    pub cameras: Vec<CameraId>,
    /// From.
    pub from: UnixMillis,
    /// To, later.
    pub to: UnixMillis,
    /// Of which of them only a stretch may be shown. Nothing from outside is in the file, whatever the links need: an excerpt begins at
    /// the first keyframe inside instead of the last one before, and ends at the last head that was signed inside.
    pub within: BTreeMap<CameraId, Bound>,
    /// By whom.
    pub by: Viewer,
    /// Why.
    pub reason: String,
    /// Who looked at these cameras in this range, by the audit log.
    pub viewers: Vec<ViewerEntry>,
    /// The server's name.
    pub server: String,
    /// Its time zone: seconds are named in local time.
    pub zone: TimeZone,
    /// Now.
    pub now: UnixMillis,
}

/// How far an export is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Bytes written.
    pub done: u64,
    /// Bytes to be written.
    pub total: u64,
}

/// Whether an export goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Continue {
    /// It does.
    Yes,
    /// It was cancelled: nothing stays behind.
    No,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSummary {
    /// Where it lies.
    pub path: PathBuf,
    /// Its size in bytes.
    pub bytes: u64,
    /// SHA-256 of `hashes.json`, hexadecimal: stands for the whole file, and goes into the audit log.
    pub digest: String,
    /// Recordings of which it holds excerpts.
    pub recordings: u64,
    /// Gaps in it.
    pub gaps: u64,
    /// The end of the newest picture or sound in it.
    pub until: Option<UnixMillis>,
    /// The key's id.
    pub key: String,
}

/// Why there is no export.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The range or the list of cameras is empty, or there are more than [`CAMERAS_MAX`].
    #[error("an export needs a range and 1 to {CAMERAS_MAX} cameras, each once")]
    BadRequest,
    /// Nothing of this camera is in the archive around the range.
    #[error("nothing of camera {0} is recorded around this range")]
    NotRecorded(CameraId),
    /// A file can't be read or written.
    #[error("cannot read or write {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A recording's header can't be used.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The archive is not as it should be.
    #[error("{path}: {what}")]
    Damaged {
        /// Where.
        path: PathBuf,
        /// What.
        what: &'static str,
    },
    /// More than may be shown of this camera would have to be in the file.
    #[error("evidence of camera {0} would reach beyond what may be shown of it")]
    OutOfBounds(CameraId),
    /// It was cancelled.
    #[error("the export was cancelled")]
    Cancelled,
}

impl ExportError {
    pub(super) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self + use<> {
        let path = path.into();
        move |source| Self::Io { path, source }
    }
}

/// The name of an export's file.
#[must_use]
pub fn file_name(request: &ExportRequest) -> String {
    let at = |ms: UnixMillis| {
        let t = jiff::Timestamp::from_millisecond(ms.0).unwrap_or_default().to_zoned(request.zone.clone());
        t.strftime("%Y%m%d-%H%M%S").to_string()
    };
    format!("lectern-evidence-{}-{}.zip", at(request.from), at(request.to))
}

/// Removes what was begun, unless told that it is done.
struct Unfinished(Option<PathBuf>);

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(path) = self.0.take()
            && let Err(e) = fs::remove_file(&path)
        {
            tracing::warn!(path = %path.display(), error = %e, "an unfinished export stays behind");
        }
    }
}

/// Exports from the archive of cameras under `root` into the file `out`, which must not exist. `progress` is asked about every
/// megabyte. An ongoing recording is exported up to its newest signed head.
///
/// # Errors
/// [`ExportError`]; then no file stays behind.
pub fn export(
    root: &Path,
    request: &ExportRequest,
    signer: &Signer,
    out: &Path,
    progress: &mut dyn FnMut(Progress) -> Continue,
) -> Result<ExportSummary, ExportError> {
    let distinct: BTreeSet<CameraId> = request.cameras.iter().copied().collect();
    let sizes = 1..=CAMERAS_MAX;
    if request.from >= request.to || !sizes.contains(&distinct.len()) || distinct.len() != request.cameras.len() {
        return Err(ExportError::BadRequest);
    }
    let plan = |c: &CameraId| {
        let within = request.within.get(c).copied().unwrap_or_default();
        plan::camera(root, *c, (request.from, request.to), within)
    };
    let cameras = request.cameras.iter().map(plan).collect::<Result<Vec<_>, _>>()?;
    let members = members(request, &cameras)?;
    let manifest = manifest(request, signer, &cameras, &members);
    let total = members.iter().map(Member::size).sum::<u64>();

    let tmp = out.with_extension("part");
    let file = fs::OpenOptions::new().write(true).create_new(true).open(&tmp).map_err(ExportError::io(&tmp))?;
    let mut unfinished = Unfinished(Some(tmp.clone()));
    let mut job = Job { zip: Writer::new(io::BufWriter::with_capacity(1 << 20, file)), done: 0, total, progress };
    let failed = ExportError::io;
    let manifest_bytes = json(&manifest);
    job.zip.whole(MANIFEST, &manifest_bytes).map_err(failed(&tmp))?;
    for member in &members {
        job.member(member, &tmp)?;
    }
    let sheet = sheet::html(&manifest, &cameras, &job.zip.written, signer.key_id());
    job.zip.whole(SHEET, sheet.as_bytes()).map_err(failed(&tmp))?;
    let lines: BTreeMap<&str, &Vec<String>> = members.iter().map(|m| (m.name.as_str(), &m.lines)).collect();
    let hash = |w: &super::zip::Written| MemberHash {
        name: w.member.name.clone(),
        size: w.member.size,
        sha256: hex::encode(w.sha256),
        lines: lines.get(w.member.name.as_str()).map(|l| (*l).clone()).unwrap_or_default(),
    };
    let hashes = Hashes { format: FORMAT, suite: SUITE.into(), members: job.zip.written.iter().map(hash).collect() };
    let hashes = json(&hashes);
    job.zip.whole(HASHES, &hashes).map_err(failed(&tmp))?;
    let digest = Sha256::digest(&hashes);
    let signature = SignatureDoc {
        suite: SUITE.into(),
        key: signer.key_id().into(),
        public: hex::encode(signer.public_key()),
        signature: hex::encode(signer.sign(&[DOMAIN, &digest].concat())),
    };
    job.zip.whole(SIGNATURE, &json(&signature)).map_err(failed(&tmp))?;
    let Job { zip, .. } = job;
    let file =
        zip.finish().and_then(|b| b.into_inner().map_err(io::IntoInnerError::into_error)).map_err(failed(&tmp))?;
    file.sync_all().map_err(failed(&tmp))?;
    let bytes = file.metadata().map_err(failed(&tmp))?.len();
    // A link, not a rename: what is at `out` already is never overwritten.
    fs::hard_link(&tmp, out).map_err(failed(out))?;
    fs::remove_file(&tmp).map_err(failed(&tmp))?;
    unfinished.0 = None;
    if let Some(dir) = out.parent().filter(|d| !d.as_os_str().is_empty()) {
        fs::File::open(dir).and_then(|d| d.sync_all()).map_err(failed(dir))?;
    }
    let events = cameras.iter().flat_map(|c| &c.events);
    Ok(ExportSummary {
        path: out.into(),
        bytes,
        digest: hex::encode(digest),
        recordings: cameras.iter().map(|c| c.recordings.len() as u64).sum(),
        gaps: events.filter(|e| matches!(e.what, super::format::EventKind::Gap { .. })).count() as u64,
        until: cameras.iter().flat_map(|c| &c.recordings).map(|r| r.excerpt.to).max(),
        key: signer.key_id().into(),
    })
}

/// A member and where its bytes come from.
struct Member {
    name: String,
    head: Vec<u8>,
    stretch: Option<Stretch>,
    lines: Vec<String>,
}

impl Member {
    fn made(name: String, head: Vec<u8>) -> Self {
        Self { name, head, stretch: None, lines: Vec::new() }
    }

    fn size(&self) -> u64 {
        self.head.len() as u64 + self.stretch.as_ref().map_or(0, Stretch::len)
    }
}

pub(super) fn json(value: &impl serde::Serialize) -> Vec<u8> {
    let mut out = serde_json::to_vec_pretty(value).expect("these types have no keys that JSON can't write");
    out.push(b'\n');
    out
}

/// Every member behind the manifest, up to and with the viewers. A recording's chain comes before its media.
fn members(request: &ExportRequest, cameras: &[PlannedCamera]) -> Result<Vec<Member>, ExportError> {
    let mut out = Vec::new();
    for c in cameras {
        let id = c.meta.camera;
        let excerpts = c.recordings.iter().map(|r| r.excerpt.clone()).collect();
        out.push(Member::made(
            format!("{id}/{CAMERA}"),
            json(&CameraDoc { camera: c.meta.clone(), within: c.within, recordings: excerpts }),
        ));
        let line = |e: &Event| {
            let mut line = serde_json::to_vec(e).expect("an event has no keys that JSON can't write");
            line.push(b'\n');
            line
        };
        let lines: Vec<Vec<u8>> = c.events.iter().map(line).collect();
        out.push(Member {
            lines: lines.iter().map(|l| hex::encode(Sha256::digest(l))).collect(),
            ..Member::made(format!("{id}/{EVENTS}"), lines.concat())
        });
        for r in &c.recordings {
            let dir = format!("{id}/{}", r.id);
            out.push(Member::made(format!("{dir}/{HEADER}"), r.header.clone()));
            out.push(Member { stretch: Some(r.chain.clone()), ..Member::made(format!("{dir}/{CHAIN}"), Vec::new()) });
            for p in &r.pieces {
                let made = Member::made(format!("{dir}/{}", p.piece.name()), p.init.clone());
                out.push(Member { stretch: Some(p.stretch.clone()), ..made });
            }
        }
    }
    out.push(Member::made(VIEWERS.into(), json(&request.viewers)));
    if out.len() + 4 > super::format::MEMBERS_MAX {
        return Err(ExportError::BadRequest);
    }
    Ok(out)
}

fn manifest(request: &ExportRequest, signer: &Signer, cameras: &[PlannedCamera], members: &[Member]) -> Manifest {
    let first = KeyEntry { id: signer.key_id().into(), public: hex::encode(signer.public_key()) };
    let others: BTreeMap<&String, &String> =
        cameras.iter().flat_map(|c| &c.keys).filter(|(id, _)| **id != first.id).collect();
    let others = others.into_iter().map(|(id, public)| KeyEntry { id: id.clone(), public: public.clone() });
    let at = jiff::Timestamp::from_millisecond(request.from.0).unwrap_or_default();
    Manifest {
        format: FORMAT,
        suite: SUITE.into(),
        kind: "lectern-evidence".into(),
        server: request.server.clone(),
        version: env!("CARGO_PKG_VERSION").into(),
        made: request.now,
        utc_offset_s: request.zone.to_offset(at).seconds(),
        from: request.from,
        to: request.to,
        by: request.by.clone(),
        reason: request.reason.clone(),
        keys: std::iter::once(first.clone()).chain(others).collect(),
        cameras: cameras.iter().map(|c| ManifestCamera { camera: c.meta.camera, name: c.meta.name.clone() }).collect(),
        members: members.iter().map(|m| MemberSize { name: m.name.clone(), size: m.size() }).collect(),
    }
}

struct Job<'a, W> {
    zip: Writer<W>,
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(Progress) -> Continue,
}

impl<W: io::Write + io::Seek> Job<'_, W> {
    fn member(&mut self, member: &Member, out: &Path) -> Result<(), ExportError> {
        self.zip.begin(&member.name, member.size()).map_err(ExportError::io(out))?;
        self.bytes(&member.head, out)?;
        if let Some(Stretch { path, bytes }) = &member.stretch {
            let file = fs::File::open(path).map_err(ExportError::io(path))?;
            let mut buf = vec![0; 1 << 20];
            let mut at = bytes.start;
            while at < bytes.end {
                let n = usize::try_from(bytes.end - at).unwrap_or(usize::MAX).min(buf.len());
                file.read_exact_at(&mut buf[..n], at).map_err(ExportError::io(path))?;
                self.bytes(&buf[..n], out)?;
                at += n as u64;
            }
        }
        self.zip.end().map_err(ExportError::io(out))
    }

    fn bytes(&mut self, bytes: &[u8], out: &Path) -> Result<(), ExportError> {
        self.zip.bytes(bytes).map_err(ExportError::io(out))?;
        self.done += bytes.len() as u64;
        match (self.progress)(Progress { done: self.done, total: self.total }) {
            Continue::Yes => Ok(()),
            Continue::No => Err(ExportError::Cancelled),
        }
    }
}
