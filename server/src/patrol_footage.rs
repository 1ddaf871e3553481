//! What cameras recorded, as signaling reads, protects and exports it. All of it blocks on the disk and runs on blocking
//! threads.

use async_trait::async_trait;
use bytes::Bytes;
use lectern_ingest::Ingest;
use lectern_library::Hold;
use lectern_media::{CameraId, CameraStream, RecordingId, TrackId, UnixMillis};
use lectern_protocol::api::{CameraGap, ClockDoubt, Span};
use lectern_recorder::{
    Signer,
    camera::{
        CameraArchive, Footage as Reader, Hold as Held, Pace, PlaybackSegment, SCRATCH_PREFIX, TimeSpan, confirm_clock,
    },
    evidence::{self, Bound, Continue, ExportError, ExportRequest, Progress, Viewer, ViewerEntry},
    vod::VodError,
};
use lectern_signaling::{
    patrol::{
        ports::{
            ChainCheck, ExportDone, ExportFault, ExportOrder, Footage, FootageDay, FootageDisk, FootagePart, Opened,
            PlayStream, Viewed,
        },
        trail::Who,
    },
    ports::{PortError, Served, ServedBody},
};
use parking_lot::Mutex;
use sha2::{Digest as _, Sha256};
use std::{
    collections::BTreeMap,
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::sync::Semaphore;
use ulid::Ulid;

/// The longest that a camera's recording is: what a segment of it may be away from its beginning.
const RECORDING_MAX: Duration = Duration::from_secs(3_600 + 120);
/// A segment, keyframe to keyframe, is listed with at most this much before and after the range.
const SNAPSHOT_BACK: Duration = Duration::from_secs(60);
/// Exports and checks of chains at the same time: each reads as fast as the disk gives.
const READING_MAX: usize = 2;

/// The archive of cameras as signaling reads it.
pub struct FootageReader {
    archive: Arc<CameraArchive>,
    ingest: Ingest,
    signer: Arc<Signer>,
    zone: jiff::tz::TimeZone,
    /// Bytes of footage and bytes free, as retention found them last.
    pub disk: Mutex<(u64, u64)>,
    /// Whether retention believed the clock when it looked last.
    pub clock: Mutex<Option<ClockDoubt>>,
    reading: Arc<Semaphore>,
}

impl FootageReader {
    pub fn new(archive: Arc<CameraArchive>, ingest: Ingest, signer: Arc<Signer>, zone: jiff::tz::TimeZone) -> Self {
        Self {
            archive,
            ingest,
            signer,
            zone,
            disk: Mutex::default(),
            clock: Mutex::default(),
            reading: Arc::new(Semaphore::new(READING_MAX)),
        }
    }
}

fn fault(what: &'static str, cause: impl std::fmt::Display) -> PortError {
    PortError { part: "the archive of cameras", what, cause: cause.to_string() }
}

async fn blocking<T: Send + 'static>(
    what: &'static str,
    work: impl FnOnce() -> Result<T, VodError> + Send + 'static,
) -> Result<T, PortError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|e| fault(what, e))?;
    done.map_err(|e| fault(what, e))
}

fn spans(found: &[TimeSpan]) -> Vec<Span> {
    found.iter().map(|s| Span { from: s.from, to: s.to }).collect()
}

/// The stream and the pace that a player asks for.
fn wanted(stream: PlayStream) -> (CameraStream, Pace) {
    match stream {
        PlayStream::Main => (CameraStream::Main, Pace::All),
        PlayStream::Sub => (CameraStream::Sub, Pace::All),
        PlayStream::Sound => (CameraStream::Sound, Pace::All),
        PlayStream::Keyframes => (CameraStream::Sub, Pace::Keyframes),
    }
}

fn served(content_type: &'static str, bytes: Bytes, immutable: bool, times: Option<Span>) -> Opened {
    let len_bytes = bytes.len() as u64;
    Opened {
        served: Served { content_type, len_bytes, body: ServedBody::Bytes(bytes), immutable },
        times,
        sound: false,
    }
}

/// `seg/<recording>/<track>/<file>`
fn segment(path: &str) -> Option<(RecordingId, TrackId, &str)> {
    let mut parts = path.split('/');
    let (seg, recording, track, file) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let whole = seg == "seg" && parts.next().is_none();
    whole.then_some(())?;
    Some((recording.parse().ok()?, track.parse().ok()?, file))
}

/// A file that a playlist of the range names; none if the range has no such file.
fn open_segment(
    reader: &Reader,
    camera: CameraId,
    range: &Span,
    within: &Span,
    path: &str,
) -> Result<Option<Opened>, VodError> {
    let Some((recording, track, file)) = segment(path) else { return Ok(None) };
    let Some(stream) = camera.stream(track) else { return Ok(None) };
    // Only the recording that the path names is looked at: where it begins stands in its id.
    let begins = UnixMillis(recording.0.timestamp_ms() as i64);
    let (from, to) = (range.from.max(begins), range.to.min(begins.plus(RECORDING_MAX)));
    if to <= from {
        return Ok(None);
    }
    let pace = if file.starts_with("key-") { Pace::Keyframes } else { Pace::All };
    let (listed, _) = reader.segments(camera, stream, from, to, pace)?;
    let mut here = listed.iter().filter(|s| s.recording == recording && s.track == track && lies(s, within));
    let times = match file.strip_prefix("init-").and_then(|f| f.strip_suffix(".mp4")) {
        Some(part) => {
            let part: Option<u32> = part.parse().ok();
            if !here.any(|s| Some(s.part) == part) {
                // Of keyframes alone there may be some where nothing else is listed.
                let (keys, _) = reader.segments(camera, stream, from, to, Pace::Keyframes)?;
                if !keys.iter().any(|s| s.recording == recording && Some(s.part) == part && lies(s, within)) {
                    return Ok(None);
                }
            }
            None
        }
        None => match here.find(|s| s.name == file) {
            Some(s) => Some(Span { from: s.from.max(range.from), to: s.to().min(range.to) }),
            None => return Ok(None),
        },
    };
    let bytes = reader.file(camera, recording, track, file)?;
    let sound = stream == CameraStream::Sound;
    let content_type = if sound { "audio/mp4" } else { "video/mp4" };
    Ok(Some(Opened { sound, ..served(content_type, bytes, true, times) }))
}

/// The last keyframe of the range, with what a decoder needs before it.
fn open_snapshot(
    reader: &Reader,
    camera: CameraId,
    range: &Span,
    within: &Span,
    stream: CameraStream,
) -> Result<Option<Opened>, VodError> {
    let from = UnixMillis(range.from.0.max(range.to.0 - SNAPSHOT_BACK.as_millis() as i64));
    let (listed, _) = reader.segments(camera, stream, from, range.to, Pace::Keyframes)?;
    let Some(last) = listed.iter().rev().find(|s| s.from >= from.max(within.from)) else { return Ok(None) };
    let init = reader.file(camera, last.recording, last.track, &format!("init-{}.mp4", last.part))?;
    let picture = reader.file(camera, last.recording, last.track, &last.name)?;
    let times = Some(Span { from: last.from, to: last.from });
    Ok(Some(served("video/mp4", [init, picture].concat().into(), false, times)))
}

/// Whether all of a segment was recorded within a stretch.
fn lies(s: &PlaybackSegment, within: &Span) -> bool {
    inside(&Span { from: s.from, to: s.to() }, within)
}

fn inside(span: &Span, within: &Span) -> bool {
    span.from >= within.from && span.to <= within.to
}

/// The range of a playlist that names the segments `within` and no others; none if there are none. Where nothing has to be left out it is
/// the range that was asked for, which may grow.
fn narrowed(listed: &[Span], range: &Span, within: &Span) -> Option<Span> {
    let own = || listed.iter().filter(|s| inside(s, within));
    let (first, last) = (own().next()?, own().next_back()?);
    let before = listed.first().is_some_and(|s| s.from < first.from);
    let after = listed.last().is_some_and(|s| s.from > last.from);
    Some(Span {
        // A millisecond inside of the first, so that one that ends where it begins is not touched.
        from: if before { UnixMillis(first.from.0 + 1) } else { range.from },
        to: if after { UnixMillis(last.from.0 + 1) } else { range.to },
    })
}

fn open(
    reader: &Reader,
    camera: CameraId,
    range: &Span,
    within: &Span,
    part: &FootagePart,
) -> Result<Option<Opened>, VodError> {
    match part {
        FootagePart::Playlist { stream } => {
            let (mut of, pace) = wanted(*stream);
            let (mut listed, _) = reader.segments(camera, of, range.from, range.to, pace)?;
            if listed.is_empty() && *stream == PlayStream::Keyframes {
                of = CameraStream::Main;
                (listed, _) = reader.segments(camera, of, range.from, range.to, pace)?;
            }
            let listed: Vec<Span> = listed.iter().map(|s| Span { from: s.from, to: s.to() }).collect();
            let Some(range) = narrowed(&listed, range, within) else { return Ok(None) };
            let text = reader.playlist(camera, of, range.from, range.to, pace)?;
            let sound = of == CameraStream::Sound;
            Ok(Some(Opened { sound, ..served("application/vnd.apple.mpegurl", text.into(), false, None) }))
        }
        FootagePart::Segment { path } => open_segment(reader, camera, range, within, path),
        FootagePart::Snapshot { stream } => open_snapshot(reader, camera, range, within, wanted(*stream).0),
    }
}

fn viewer(who: &Who) -> Viewer {
    Viewer {
        account: who.account.map(|a| a.to_string()).unwrap_or_default(),
        name: who.name.clone(),
        login: who.login.clone(),
        place: who.of_place.clone(),
    }
}

fn viewer_entry(v: &Viewed) -> ViewerEntry {
    ViewerEntry { who: viewer(&v.who), camera: v.camera, action: v.what.clone(), from: v.from, to: v.to }
}

fn sha256_of(path: &Path) -> io::Result<String> {
    let (mut file, mut hash, mut chunk) = (fs::File::open(path)?, Sha256::new(), vec![0; 1 << 20]);
    loop {
        match file.read(&mut chunk)? {
            0 => break,
            n => hash.update(&chunk[..n]),
        }
    }
    Ok(hash.finalize().iter().map(|b| format!("{b:02x}")).collect())
}

fn export_fault(e: &ExportError) -> ExportFault {
    let code = match e {
        ExportError::NotRecorded(_) => "nothing_recorded",
        ExportError::Cancelled => "cancelled",
        ExportError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => "disk_full",
        ExportError::BadRequest => "too_large",
        ExportError::OutOfBounds(_) => "hung_elsewhere",
        _ => "internal",
    };
    ExportFault { code, detail: e.to_string() }
}

#[async_trait]
impl Footage for FootageReader {
    async fn day(&self, camera: CameraId, range: Span) -> Result<FootageDay, PortError> {
        let archive = Arc::clone(&self.archive);
        let found = blocking("list a day", move || archive.timeline(camera, range.from, range.to)).await?;
        let of = |stream| found.streams.iter().find(|s| s.stream == stream);
        let recorded = |stream| of(stream).map(|s| spans(&s.spans)).unwrap_or_default();
        let gap = |g: &lectern_recorder::camera::TimelineGap| CameraGap {
            from: g.from,
            to: g.to,
            stream: g.stream,
            cause: g.cause,
        };
        Ok(FootageDay {
            main: recorded(CameraStream::Main),
            sub: recorded(CameraStream::Sub),
            sound: recorded(CameraStream::Sound),
            main_codec: of(CameraStream::Main).map(|s| s.codec.clone()).unwrap_or_default(),
            gaps: found.gaps.iter().map(gap).collect(),
            durable: found.durable,
        })
    }

    async fn open(
        &self,
        camera: CameraId,
        range: Span,
        within: &Span,
        part: &FootagePart,
    ) -> Result<Option<Opened>, PortError> {
        let (reader, part, within) = (self.archive.footage().clone(), part.clone(), within.clone());
        let work = move || match open(&reader, camera, &range, &within, &part) {
            Err(VodError::NotFound(_)) => Ok(None),
            other => other,
        };
        blocking("be read", work).await
    }

    async fn hold(&self, hold: &Hold) -> Result<(), PortError> {
        let archive = Arc::clone(&self.archive);
        let held = Held {
            id: hold.id,
            camera: hold.camera,
            from: hold.from,
            to: hold.to,
            why: hold.why.clone(),
            by: hold.set.name.0.clone(),
            at: hold.set.at,
        };
        let done = tokio::task::spawn_blocking(move || archive.hold(held)).await.map_err(|e| fault("hold", e))?;
        done.map_err(|e| fault("hold", e))
    }

    async fn release(&self, hold: Ulid) -> Result<(), PortError> {
        let archive = Arc::clone(&self.archive);
        let done = tokio::task::spawn_blocking(move || archive.release(hold)).await.map_err(|e| fault("release", e))?;
        done.map(drop).map_err(|e| fault("release", e))
    }

    /// By an export of the stretch, which is verified as a stranger would.
    async fn verify(&self, camera: CameraId, within: Duration, until: UnixMillis) -> Result<ChainCheck, PortError> {
        let _turn = self.reading.clone().acquire_owned().await.map_err(|e| fault("check a chain", e))?;
        let (archive, signer, zone) = (Arc::clone(&self.archive), Arc::clone(&self.signer), self.zone.clone());
        let work = move || -> Result<ChainCheck, PortError> {
            let from = UnixMillis(until.0 - within.as_millis() as i64);
            let request = ExportRequest {
                cameras: vec![camera],
                from,
                to: until,
                within: BTreeMap::new(),
                by: Viewer { account: String::new(), name: String::new(), login: String::new(), place: String::new() },
                reason: "check".into(),
                viewers: vec![],
                server: String::new(),
                zone,
                now: UnixMillis::now(),
            };
            // On the archive's own disk; if this process is killed, opening the archive clears it.
            let dir = tempfile::Builder::new().prefix(SCRATCH_PREFIX).tempdir_in(archive.root());
            let dir = dir.map_err(|e| fault("check a chain", e))?;
            let path = dir.path().join("check.zip");
            match evidence::export(archive.root(), &request, &signer, &path, &mut |_| Continue::Yes) {
                Ok(summary) if summary.until.is_none() => return Ok(ChainCheck::Nothing),
                Ok(_) => {}
                Err(ExportError::NotRecorded(_)) => return Ok(ChainCheck::Nothing),
                Err(ExportError::Damaged { path, what }) => {
                    tracing::error!(%camera, path = %path.display(), what, "a recording is not as it should be");
                    return Ok(ChainCheck::Wrong);
                }
                Err(e) => return Err(fault("check a chain", e)),
            }
            let report = evidence::verify(&path, Some(signer.public_key()));
            Ok(if report.authentic { ChainCheck::Right } else { ChainCheck::Wrong })
        };
        tokio::task::spawn_blocking(work).await.map_err(|e| fault("check a chain", e))?
    }

    async fn disk(&self) -> Result<FootageDisk, PortError> {
        let (used_bytes, free_bytes) = *self.disk.lock();
        let streams = self.ingest.all().into_iter().flat_map(|(_, status)| status.streams);
        let bps: u64 = streams.map(|s| s.bitrate.as_bps()).sum();
        Ok(FootageDisk { used_bytes, free_bytes, bytes_per_day: bps / 8 * 86_400 })
    }

    fn clock(&self) -> Option<ClockDoubt> {
        self.clock.lock().clone()
    }

    async fn confirm_clock(&self, now: UnixMillis) -> Result<(), PortError> {
        let archive = Arc::clone(&self.archive);
        let done = tokio::task::spawn_blocking(move || confirm_clock(archive.root(), now)).await;
        done.map_err(|e| fault("confirm the clock", e))?.map_err(|e| fault("confirm the clock", e))
    }

    async fn export(&self, order: ExportOrder) -> Result<ExportDone, ExportFault> {
        let internal = |detail: String| ExportFault { code: "internal", detail };
        let _turn = self.reading.clone().acquire_owned().await.map_err(|e| internal(e.to_string()))?;
        let (archive, signer, zone) = (Arc::clone(&self.archive), Arc::clone(&self.signer), self.zone.clone());
        let work = move || -> Result<ExportDone, ExportFault> {
            let request = ExportRequest {
                cameras: order.cameras.iter().map(|(id, _)| *id).collect(),
                from: order.range.from,
                to: order.range.to,
                within: order.within.iter().map(|(camera, span)| (*camera, bound(span))).collect(),
                by: viewer(&order.by),
                reason: order.reason.clone(),
                viewers: order.viewers.iter().map(viewer_entry).collect(),
                server: host_name(),
                zone,
                now: UnixMillis::now(),
            };
            // One of a run that was cut off: it is written anew.
            remove(&order.file).map_err(|e| ExportFault { code: "internal", detail: e.to_string() })?;
            let mut tell = |p: Progress| {
                // The last hundredth is the hash over the whole.
                let ppm = (p.done as f64 / p.total.max(1) as f64 * 990_000.0) as u64;
                order.progress.tell(ppm, p.done);
                if order.progress.is_cancelled() { Continue::No } else { Continue::Yes }
            };
            let summary = evidence::export(archive.root(), &request, &signer, &order.file, &mut tell)
                .map_err(|e| export_fault(&e))?;
            let sha256 = sha256_of(&order.file).map_err(|e| ExportFault { code: "internal", detail: e.to_string() })?;
            let gaps = summary.gaps.min(u64::from(u32::MAX)) as u32;
            Ok(ExportDone { bytes: summary.bytes, gaps, sha256, key: evidence::fingerprint(&signer.public_key()) })
        };
        tokio::task::spawn_blocking(work).await.map_err(|e| internal(e.to_string()))?
    }
}

/// A stretch of a camera that may be shown, open where it reaches to the end of time.
fn bound(span: &Span) -> Bound {
    let told = |at: UnixMillis, open: i64| (at.0 != open).then_some(at);
    Bound { from: told(span.from, i64::MIN), to: told(span.to, i64::MAX) }
}

fn remove(path: &PathBuf) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e),
        _ => Ok(()),
    }
}

/// This machine's name, printed in evidence.
fn host_name() -> String {
    fs::read_to_string("/etc/hostname").map(|name| name.trim().to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_playlist_names_no_segment_that_reaches_across_a_move() {
        let span = |from, to| Span { from: UnixMillis(from), to: UnixMillis(to) };
        let ever = span(i64::MIN, i64::MAX);
        let listed = [span(0, 10), span(10, 20), span(20, 30), span(30, 40)];
        let range = span(5, 100);
        for (within, want) in [
            (ever.clone(), Some(range.clone())),
            // From 20 on, and it may grow; the one that ends at 20 is not touched.
            (span(20, i64::MAX), Some(span(21, 100))),
            (span(15, i64::MAX), Some(span(21, 100))),
            (span(i64::MIN, 20), Some(span(5, 11))),
            (span(i64::MIN, 25), Some(span(5, 11))),
            (span(5, 35), Some(span(11, 21))),
            (span(12, 18), None),
        ] {
            let got = narrowed(&listed, &range, &within);
            assert_eq!(got, want, "{within:?}");
            // What a playlist of it touches, as the reader decides it.
            let touched =
                |r: &Span| listed.iter().filter(|s| s.to > r.from && s.from < r.to).cloned().collect::<Vec<_>>();
            let touched = got.as_ref().map(touched).unwrap_or_default();
            assert!(touched.iter().all(|s| inside(s, &within)), "{within:?}: {touched:?}");
        }
        assert_eq!(narrowed(&[], &range, &ever), None);
    }

    #[test]
    fn paths_of_segments() {
        let (recording, track) = (RecordingId::generate(), TrackId::generate());
        let path = format!("seg/{recording}/{track}/12.m4s");
        assert_eq!(segment(&path), Some((recording, track, "12.m4s")));
        for wrong in ["seg", "seg/x/y/z", &format!("{path}/more"), &path.replacen("seg", "sag", 1)] {
            assert_eq!(segment(wrong), None, "{wrong}");
        }
    }
}
