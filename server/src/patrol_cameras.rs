//! Runs cameras for signaling: ingest and the archive of cameras, kept in step.

use crate::patrol_words::{camera_state, report, stream_info};
use async_trait::async_trait;
use lectern_ingest::{AddressRule, ArchivePort, CameraConfig, Ingest, Secret, Transport};
use lectern_media::{Bitrate, CameraId, UnixMillis, tap::TapHandle};
use lectern_protocol::api::{
    CameraFault, CameraGroup, CameraReport, CameraState, CameraStatus, CameraTransport, ProbeFault,
};
use lectern_recorder::camera::{CameraArchive, CameraMeta, CameraRecordingState, CameraTap};
use lectern_signaling::{
    patrol::{
        ports::{CameraFacts, CameraFeed, Cameras},
        target::is_reserved,
    },
    ports::PortError,
};
use parking_lot::Mutex;
use std::{collections::HashMap, sync::Arc, time::Duration};

/// How often recordings that could not be begun are tried again.
const AGAIN_EVERY: Duration = Duration::from_secs(5);

/// The archive as ingest and signaling share it.
#[derive(Clone)]
pub struct Archive(Arc<Inner>);

struct Inner {
    archive: Arc<CameraArchive>,
    /// Cameras that shall be recorded; a tap if they are.
    wanted: Mutex<HashMap<CameraId, (CameraMeta, Option<CameraTap>)>>,
    /// Who begins or ends a recording. That may wait for the disk, and `wanted` is asked by those who must not.
    turn: tokio::sync::Mutex<()>,
}

impl Archive {
    pub fn new(archive: Arc<CameraArchive>) -> Self {
        Self(Arc::new(Inner { archive, wanted: Mutex::default(), turn: tokio::sync::Mutex::default() }))
    }

    /// Records the camera as it is described from now on.
    async fn record(&self, meta: CameraMeta) {
        let _turn = self.0.turn.lock().await;
        let camera = meta.camera;
        let before = self.0.wanted.lock().get(&camera).cloned();
        let tap = match before {
            Some((known, Some(_))) if known == meta => return,
            // It keeps its tap: nothing is missing because it is called otherwise.
            Some((_, Some(tap))) if self.describe(&meta).await => Some(tap),
            _ => self.begin(&meta).await,
        };
        self.0.wanted.lock().insert(camera, (meta, tap));
    }

    /// Begins again what was to be recorded and is not, unless that was called off meanwhile.
    async fn again(&self, camera: CameraId) {
        let _turn = self.0.turn.lock().await;
        let meta = self.0.wanted.lock().get(&camera).filter(|(_, tap)| tap.is_none()).map(|(meta, _)| meta.clone());
        let Some(meta) = meta else { return };
        let tap = self.begin(&meta).await;
        self.0.wanted.lock().insert(camera, (meta, tap));
    }

    async fn describe(&self, meta: &CameraMeta) -> bool {
        let (archive, of) = (Arc::clone(&self.0.archive), meta.clone());
        tokio::task::spawn_blocking(move || archive.describe(of)).await.unwrap_or(false)
    }

    async fn begin(&self, meta: &CameraMeta) -> Option<CameraTap> {
        let (archive, of) = (Arc::clone(&self.0.archive), meta.clone());
        let begun = tokio::task::spawn_blocking(move || archive.record(of).map_err(|e| e.to_string())).await;
        match begun.unwrap_or_else(|e| Err(e.to_string())) {
            Ok(tap) => Some(tap),
            Err(error) => {
                metrics::counter!("lectern_server_cameras_not_recorded_total", "reason" => "refused").increment(1);
                tracing::error!(camera = %meta.camera, %error, "a camera can't be recorded");
                None
            }
        }
    }

    /// Ends the camera's recording.
    async fn end(&self, camera: CameraId) {
        let _turn = self.0.turn.lock().await;
        if self.0.wanted.lock().remove(&camera).is_none() {
            return;
        }
        let archive = Arc::clone(&self.0.archive);
        match tokio::task::spawn_blocking(move || archive.stop(camera)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%camera, %error, "the end of a recording could not be written"),
            Err(error) => tracing::error!(%camera, %error, "the end of a recording failed"),
        }
    }

    /// Begins recordings again that could not be begun, for ever.
    pub async fn keep(self) {
        let mut every = tokio::time::interval(AGAIN_EVERY);
        every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let missing: Vec<CameraId> =
                self.0.wanted.lock().iter().filter(|(_, (_, tap))| tap.is_none()).map(|(id, _)| *id).collect();
            for camera in missing {
                self.again(camera).await;
            }
        }
    }
}

impl ArchivePort for Archive {
    fn tap(&self, camera: CameraId) -> Option<TapHandle> {
        let wanted = self.0.wanted.lock();
        let handle = wanted.get(&camera)?.1.as_ref()?.handle();
        (!handle.is_closed()).then_some(handle)
    }
}

/// Which addresses cameras may have.
pub fn address_rule(allow_loopback: bool) -> AddressRule {
    if allow_loopback { |_| true } else { |ip| !is_reserved(ip) }
}

/// Cameras as signaling runs them.
pub struct Runner {
    ingest: Ingest,
    archive: Archive,
    address_allowed: AddressRule,
    most: usize,
}

impl Runner {
    /// `address_allowed` is the rule that `ingest` has: [`address_rule`].
    pub fn new(ingest: Ingest, archive: Archive, address_allowed: AddressRule, most: usize) -> Self {
        Self { ingest, archive, address_allowed, most }
    }

    /// Refuses a name that leads to this machine at once, as its address would have been refused. Ingest asks again at each
    /// connection: the name may lead elsewhere by then.
    async fn check_host(&self, url: &str) -> Result<(), String> {
        let url = reqwest::Url::parse(url).map_err(|_| "not an address".to_owned())?;
        let (Some(host), port) = (url.host_str(), url.port().unwrap_or(554)) else { return Err("no host".into()) };
        let found = tokio::net::lookup_host((host.trim_matches(['[', ']']), port)).await;
        // A name that nobody knows today may be known tomorrow; ingest says that it can't be reached.
        let reserved = found.is_ok_and(|mut found| found.any(|a| !(self.address_allowed)(a.ip())));
        if reserved { Err("the name leads to this machine or its link (patrol.allow_loopback)".into()) } else { Ok(()) }
    }
}

fn config(feed: &CameraFeed, name: &str) -> CameraConfig {
    CameraConfig {
        id: feed.id,
        name: name.to_owned(),
        main_url: feed.address(&feed.main_url),
        sub_url: feed.sub_url.as_deref().map(|url| feed.address(url)),
        transport: match feed.transport {
            CameraTransport::Tcp => Transport::Tcp,
            CameraTransport::Udp => Transport::Udp,
        },
        username: feed.username.clone(),
        password: feed.password.as_ref().map(|p| Secret::from(p.expose())).unwrap_or_default(),
        bitrate_max: Bitrate::kbps(feed.kbps_max.into()),
        sub_bitrate_max: CameraConfig::SUB_BITRATE_MAX,
    }
}

/// The word by which a recording names a group; rules of retention hang on it.
pub fn group_word(group: CameraGroup) -> &'static str {
    match group {
        CameraGroup::ExamRoom => "exam_room",
        CameraGroup::SealedRoom => "sealed_room",
        CameraGroup::Gate => "gate",
        CameraGroup::Corridor => "corridor",
        CameraGroup::Other => "other",
    }
}

fn meta(camera: CameraId, facts: &CameraFacts) -> CameraMeta {
    CameraMeta {
        camera,
        name: facts.name.clone(),
        place: facts.place,
        place_name: facts.places.last().map(|p| p.name.clone()).unwrap_or_default(),
        places: facts.places.clone(),
        group: group_word(facts.group).to_owned(),
        code: facts.code.clone(),
    }
}

#[async_trait]
impl Cameras for Runner {
    async fn run(&self, feed: CameraFeed, facts: CameraFacts) -> Result<(), PortError> {
        let fault = |cause: String| PortError { part: "ingest", what: "run a camera", cause };
        let running = self.ingest.all();
        if running.len() >= self.most && !running.iter().any(|(id, _)| *id == feed.id) {
            return Err(fault(format!("{} cameras run already (patrol.cameras_max)", self.most)));
        }
        for url in [Some(&feed.main_url), feed.sub_url.as_ref()].into_iter().flatten() {
            self.check_host(url).await.map_err(fault)?;
        }
        if facts.record {
            self.archive.record(meta(feed.id, &facts)).await;
        } else {
            self.archive.end(feed.id).await;
        }
        self.ingest.put(config(&feed, &facts.name));
        Ok(())
    }

    async fn stop(&self, camera: CameraId) {
        self.ingest.stop(camera);
    }

    async fn remove(&self, camera: CameraId) {
        self.ingest.remove(camera);
        self.archive.end(camera).await;
    }

    fn status(&self, camera: CameraId) -> CameraStatus {
        let recorded = self.archive.0.archive.status(camera);
        let recorded = recorded.filter(|_| self.archive.0.wanted.lock().contains_key(&camera));
        let durable = recorded.map(|r| r.durable);
        let Some(status) = self.ingest.status(camera) else {
            return CameraStatus {
                state: CameraState::Connecting,
                since: UnixMillis::now(),
                streams: vec![],
                clock_offset_ms: None,
                recording: false,
                durable,
            };
        };
        let state = camera_state(&status.state);
        let flows = matches!(state, CameraState::Live | CameraState::RateExceeded);
        CameraStatus {
            state,
            since: status.since,
            streams: status.streams.iter().filter_map(stream_info).collect(),
            clock_offset_ms: status.clock_offset_ms,
            recording: flows && recorded.is_some_and(|r| r.state == CameraRecordingState::On),
            durable,
        }
    }

    async fn probe(&self, feed: CameraFeed, within: Duration) -> CameraReport {
        for url in [Some(&feed.main_url), feed.sub_url.as_ref()].into_iter().flatten() {
            if let Err(detail) = self.check_host(url).await {
                let fault = CameraFault { fault: ProbeFault::Unreachable, stream: None, detail };
                return CameraReport {
                    usable: false,
                    streams: vec![],
                    faults: vec![fault],
                    clock_offset_ms: None,
                    picture: None,
                };
            }
        }
        report(lectern_ingest::probe(config(&feed, "test"), within, self.address_allowed).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lectern_media::PlaceId;
    use lectern_recorder::{Signer, camera::CameraLimits};

    fn opened(dir: &std::path::Path) -> Archive {
        let limits = CameraLimits { cameras_max: 1, ..CameraLimits::default() };
        let signer = Arc::new(Signer::load_or_create(&dir.join("key")).unwrap());
        Archive::new(Arc::new(CameraArchive::open(dir.join("cameras"), limits, signer).unwrap()))
    }

    fn meta(name: &str) -> CameraMeta {
        CameraMeta {
            camera: CameraId::generate(),
            name: name.into(),
            place: PlaceId::generate(),
            place_name: "一中".into(),
            places: vec![],
            group: "exam_room".into(),
            code: None,
        }
    }

    /// A disk that takes its time holds up who begins and ends recordings, and nobody else.
    #[tokio::test]
    async fn who_asks_for_a_tap_does_not_wait_for_the_disk() {
        let dir = tempfile::tempdir().unwrap();
        let (archive, one) = (opened(dir.path()), meta("一号"));
        archive.record(one.clone()).await;
        let slow = archive.0.turn.lock().await;
        let (waits, changed) = (archive.clone(), CameraMeta { name: "改名".into(), ..one.clone() });
        let mut change = tokio::spawn(async move { waits.record(changed).await });
        tokio::task::yield_now().await;
        assert!(is_pending(&mut change).await, "it waits for its turn");
        assert!(archive.tap(one.camera).is_some());
        drop(slow);
        let tap = archive.tap(one.camera).unwrap();
        change.await.unwrap();
        assert!(!tap.is_closed(), "a new name takes no tap away");
        assert_eq!(archive.0.wanted.lock()[&one.camera].0.name, "改名");
        archive.end(one.camera).await;
        assert!(archive.tap(one.camera).is_none());
    }

    async fn is_pending(task: &mut tokio::task::JoinHandle<()>) -> bool {
        tokio::select! {
            biased;
            _ = task => false,
            () = tokio::task::yield_now() => true,
        }
    }

    /// What could not be begun is begun later, but not what was called off meanwhile.
    #[tokio::test]
    async fn what_was_called_off_is_not_begun_again() {
        let dir = tempfile::tempdir().unwrap();
        let (archive, one, two) = (opened(dir.path()), meta("一号"), meta("二号"));
        archive.record(one.clone()).await;
        archive.record(two.clone()).await;
        assert!(archive.tap(one.camera).is_some() && archive.tap(two.camera).is_none(), "there is room for one");
        archive.end(one.camera).await;
        archive.again(two.camera).await;
        assert!(archive.tap(two.camera).is_some(), "now there is room");
        archive.end(two.camera).await;
        archive.again(two.camera).await;
        assert!(archive.tap(two.camera).is_none() && !archive.0.wanted.lock().contains_key(&two.camera));
    }

    #[test]
    fn this_machine_is_no_camera_unless_that_is_allowed() {
        for (ip, camera) in [("127.0.0.1", false), ("::1", false), ("169.254.169.254", false), ("10.1.2.3", true)] {
            let ip = ip.parse().unwrap();
            assert_eq!((address_rule(false)(ip), address_rule(true)(ip)), (camera, true), "{ip}");
        }
    }
}
