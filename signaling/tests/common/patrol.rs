//! The parts beside exam patrol, as tests want them: they say yes and write down what they were told.

use async_trait::async_trait;
use bytes::Bytes;
use lectern_auth::SealingKeys;
use lectern_library::{Hold, Library};
use lectern_media::{CameraId, CameraStream, Codec, ParticipantId, PeerId, UnixMillis};
use lectern_protocol::api::{
    AuditEntry, AuditPage, AuditSum, CameraGap, CameraReport, CameraState, CameraStatus, CameraStreamInfo, ClockDoubt,
    Span,
};
use lectern_signaling::{
    patrol::{
        Patrol, PatrolConfig, PatrolSettings,
        ports::{
            Audit, AuditFilter, CameraFacts, CameraFeed, Cameras, ChainCheck, Deliveries, ExportDone, ExportFault,
            ExportOrder, Footage, FootageDay, FootageDisk, FootagePart, Opened, Viewed, WallLine, WallPlane,
        },
        trail::Act,
    },
    ports::{MediaError, PortError, Served, ServedBody, Subscribed},
};
use std::{
    collections::HashMap,
    path::Path,
    sync::{Arc, Mutex},
    time::Duration,
};
use ulid::Ulid;

/// What a segment of footage holds.
pub const FOOTAGE: &[u8] = b"footage-footage-footage";

/// A call of a webhook: URL, headers, body.
pub type Call = (String, Vec<(&'static str, String)>, Vec<u8>);

/// All parts at once.
#[derive(Default)]
pub struct Site {
    /// Cameras that run, with what ingest was told.
    pub running: Mutex<HashMap<CameraId, (CameraFeed, CameraFacts)>>,
    /// What walls were assigned, in order.
    pub assigned: Mutex<Vec<(PeerId, Vec<WallLine>)>>,
    /// Peers that were closed.
    pub closed: Mutex<Vec<PeerId>>,
    /// The audit log.
    pub book: Mutex<Vec<Act>>,
    /// Calls of webhooks.
    pub calls: Mutex<Vec<Call>>,
    /// Holds that retention knows.
    pub held: Mutex<Vec<Ulid>>,
    /// Whether retention refuses to let go of holds.
    pub stuck: Mutex<bool>,
    /// Why retention does not believe the clock.
    pub doubt: Mutex<Option<ClockDoubt>>,
    /// The clock as it stood when somebody said that it is right.
    pub confirmed: Mutex<Vec<UnixMillis>>,
    /// What webhooks answer.
    pub deaf: Mutex<bool>,
    /// What is missing of every camera.
    pub gaps: Mutex<Vec<CameraGap>>,
    /// Exports that were begun, in order.
    pub ordered: Mutex<Vec<ExportOrder>>,
    /// While a test holds it, exports are not written, and holds are not let go of.
    pub gate: tokio::sync::Mutex<()>,
    /// While a test holds it, the audit log takes nothing.
    pub page: tokio::sync::Mutex<()>,
    /// Whether cameras can't be begun.
    pub broken: Mutex<bool>,
    /// While a test holds it, cameras are neither begun nor ended.
    pub halt: tokio::sync::Mutex<()>,
}

impl Site {
    /// What was written down, oldest first.
    pub fn acts(&self) -> Vec<Act> {
        self.book.lock().unwrap().clone()
    }
}

#[async_trait]
impl Cameras for Site {
    async fn run(&self, feed: CameraFeed, facts: CameraFacts) -> Result<(), PortError> {
        let _open = self.halt.lock().await;
        if *self.broken.lock().unwrap() {
            return Err(PortError { part: "ingest", what: "run", cause: "no recording can be begun".into() });
        }
        self.running.lock().unwrap().insert(feed.id, (feed, facts));
        Ok(())
    }
    async fn stop(&self, camera: CameraId) {
        let _open = self.halt.lock().await;
        self.running.lock().unwrap().remove(&camera);
    }
    async fn remove(&self, camera: CameraId) {
        self.running.lock().unwrap().remove(&camera);
    }
    fn status(&self, camera: CameraId) -> CameraStatus {
        let live = self.running.lock().unwrap().contains_key(&camera);
        let stream = |stream, codec, height| CameraStreamInfo {
            stream,
            codec,
            width: height * 16 / 9,
            height,
            fps_x10: 250,
            kbps: 1_000,
            keyframe_ms: 2_000,
            b_frames: false,
            lost: 0,
            reordered: 0,
        };
        CameraStatus {
            state: if live { CameraState::Live } else { CameraState::Connecting },
            since: UnixMillis(1),
            streams: vec![stream(CameraStream::Main, Codec::H265, 1_080), stream(CameraStream::Sub, Codec::H264, 360)],
            clock_offset_ms: Some(3),
            recording: live,
            durable: live.then(UnixMillis::now),
        }
    }
    async fn probe(&self, feed: CameraFeed, _: Duration) -> CameraReport {
        let told = feed.password.as_ref().map_or("no password", |_| "a password");
        CameraReport {
            usable: true,
            streams: vec![],
            faults: vec![],
            clock_offset_ms: Some(0),
            picture: Some(format!("data:video/mp4;base64,{told}")),
        }
    }
}

#[async_trait]
impl WallPlane for Site {
    async fn subscribe(&self, _: ParticipantId, replaces: Option<PeerId>, sdp: &str) -> Result<Subscribed, MediaError> {
        if sdp.contains("a=unusable") {
            return Err(MediaError::BadOffer("unusable".into()));
        }
        Ok(Subscribed { peer: replaces.unwrap_or_else(PeerId::generate), sdp: "v=0\r\n".into() })
    }
    async fn assign(&self, peer: PeerId, lines: &[WallLine]) -> Result<(), MediaError> {
        self.assigned.lock().unwrap().push((peer, lines.to_vec()));
        Ok(())
    }
    async fn close_peer(&self, peer: PeerId) {
        self.closed.lock().unwrap().push(peer);
    }
}

/// Segments are called `<from>-<to>.mp4`, those of the sound `sound/<from>-<to>.mp4`; `init-<n>.mp4` has no times, and is there always.
fn times(path: &str) -> Option<Span> {
    let (from, to) = path.strip_suffix(".mp4")?.split_once('-')?;
    Some(Span { from: UnixMillis(from.parse().ok()?), to: UnixMillis(to.parse().ok()?) })
}

fn served(content_type: &'static str, bytes: &'static [u8], immutable: bool) -> Served {
    Served {
        content_type,
        len_bytes: bytes.len() as u64,
        body: ServedBody::Bytes(Bytes::from_static(bytes)),
        immutable,
    }
}

#[async_trait]
impl Footage for Site {
    async fn day(&self, _: CameraId, range: Span) -> Result<FootageDay, PortError> {
        Ok(FootageDay {
            main: vec![range.clone()],
            sub: vec![range],
            main_codec: "hvc1.1.6.L120.90".into(),
            durable: Some(UnixMillis::now()),
            gaps: self.gaps.lock().unwrap().clone(),
            ..FootageDay::default()
        })
    }
    async fn open(
        &self,
        _: CameraId,
        range: Span,
        within: &Span,
        part: &FootagePart,
    ) -> Result<Option<Opened>, PortError> {
        Ok(match part {
            FootagePart::Playlist { .. } => Some(Opened {
                served: served("application/vnd.apple.mpegurl", b"#EXTM3U\n", false),
                times: None,
                sound: false,
            }),
            FootagePart::Segment { path } => {
                let (path, sound) = path.strip_prefix("sound/").map_or((path.as_str(), false), |path| (path, true));
                let init = path.starts_with("init-");
                let times = times(path).filter(|_| !init).unwrap_or(range.clone());
                let touches = times.from < range.to && range.from < times.to;
                let inside = times.from >= within.from && times.to <= within.to;
                (touches && inside).then(|| Opened {
                    served: served("video/mp4", FOOTAGE, true),
                    times: (!init).then_some(times),
                    sound,
                })
            }
            FootagePart::Snapshot { .. } => {
                Some(Opened { served: served("video/mp4", FOOTAGE, false), times: None, sound: false })
            }
        })
    }
    async fn hold(&self, hold: &Hold) -> Result<(), PortError> {
        self.held.lock().unwrap().push(hold.id);
        Ok(())
    }
    async fn release(&self, hold: Ulid) -> Result<(), PortError> {
        let _open = self.gate.lock().await;
        if *self.stuck.lock().unwrap() {
            return Err(PortError { part: "retention", what: "let go", cause: "the disk is read-only".into() });
        }
        self.held.lock().unwrap().retain(|held| *held != hold);
        Ok(())
    }
    async fn verify(&self, _: CameraId, _: Duration, _: UnixMillis) -> Result<ChainCheck, PortError> {
        Ok(ChainCheck::Right)
    }
    async fn disk(&self) -> Result<FootageDisk, PortError> {
        Ok(FootageDisk { used_bytes: 10, free_bytes: 4_800, bytes_per_day: 240 })
    }
    fn clock(&self) -> Option<ClockDoubt> {
        self.doubt.lock().unwrap().clone()
    }
    async fn confirm_clock(&self, now: UnixMillis) -> Result<(), PortError> {
        self.confirmed.lock().unwrap().push(now);
        *self.doubt.lock().unwrap() = None;
        Ok(())
    }
    async fn export(&self, order: ExportOrder) -> Result<ExportDone, ExportFault> {
        let _open = self.gate.lock().await;
        if order.progress.is_cancelled() {
            return Err(ExportFault { code: "cancelled", detail: String::new() });
        }
        std::fs::write(&order.file, b"evidence").unwrap();
        order.progress.tell(1_000_000, 8);
        self.ordered.lock().unwrap().push(order);
        Ok(ExportDone { bytes: 8, gaps: 0, sha256: "ab".repeat(32), key: "cd".into() })
    }
}

fn entry(n: usize, act: &Act) -> AuditEntry {
    AuditEntry {
        n: n as u64,
        at: act.at,
        who: act.who.name.clone(),
        login: act.who.login.clone(),
        from_address: act.who.address.clone(),
        action: act.action,
        place_name: act.what.place_name.clone(),
        camera: act.what.camera,
        camera_name: act.what.camera_name.clone(),
        from: act.range.map(|r| r.0),
        to: act.range.map(|r| r.1),
        seconds: act.seconds,
        count: act.count,
        detail: act.detail.clone(),
    }
}

#[async_trait]
impl Audit for Site {
    async fn append(&self, acts: &[Act]) -> Result<(), PortError> {
        let _open = self.page.lock().await;
        self.book.lock().unwrap().extend_from_slice(acts);
        Ok(())
    }
    async fn page(&self, filter: AuditFilter) -> Result<AuditPage, PortError> {
        let acts = self.acts();
        let fits = |act: &&(usize, &Act)| {
            filter.camera.is_none_or(|c| act.1.what.camera == Some(c))
                && filter.places.as_ref().is_none_or(|p| act.1.what.place.is_some_and(|at| p.contains(&at)))
        };
        let all: Vec<(usize, &Act)> = acts.iter().enumerate().collect();
        let items = all.iter().filter(fits).rev().take(filter.limit).map(|(n, act)| entry(*n, act)).collect();
        Ok(AuditPage { items, next: None, head: "00".into(), entries: acts.len() as u64 })
    }
    async fn sum(&self, _: AuditFilter) -> Result<Vec<AuditSum>, PortError> {
        Ok(vec![])
    }
    async fn export(&self, _: AuditFilter, _: bool) -> Result<Served, PortError> {
        Ok(served("application/jsonl", b"{}\n", false))
    }
    async fn viewers(&self, _: &[CameraId], _: Span) -> Result<Vec<Viewed>, PortError> {
        Ok(vec![])
    }
}

#[async_trait]
impl Deliveries for Site {
    async fn post(&self, url: &str, headers: &[(&'static str, String)], body: Vec<u8>) -> Result<(), String> {
        self.calls.lock().unwrap().push((url.to_owned(), headers.to_vec(), body));
        if *self.deaf.lock().unwrap() { Err("answered 500".into()) } else { Ok(()) }
    }
}

/// Exam patrol on these parts.
pub fn patrol(site: &Arc<Site>, library: &Arc<Library>, dir: &Path) -> Patrol {
    Patrol::new(PatrolConfig {
        settings: PatrolSettings {
            allow_loopback: false,
            default_days: 30,
            issuer: "Lectern".into(),
            exports: dir.join("exports"),
        },
        library: Arc::clone(library),
        cameras: site.clone(),
        walls: site.clone(),
        footage: site.clone(),
        audit: site.clone(),
        deliveries: site.clone(),
        seal: Arc::new(SealingKeys::generate()),
    })
    .unwrap()
}
