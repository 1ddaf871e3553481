//! Puts exam patrol together: ingest, the room of cameras, their archive, the audit log, and signaling on top.

use crate::{
    keys,
    patrol_audit::AuditLog,
    patrol_cameras::{Archive, Runner, address_rule, group_word},
    patrol_footage::FootageReader,
    patrol_health::{KEYFRAMES_MAX, Watch},
    patrol_hooks::Hooks,
    patrol_idle::Idle,
    patrol_live::Live,
    patrol_words::camera_state,
};
use anyhow::Context as _;
use lectern_base::{Config, DataDir};
use lectern_ingest::{Ingest, IngestConfig, Keyframe, Ports};
use lectern_library::{
    Library,
    patrol::{group_to_api, retention_days},
};
use lectern_media::{CameraId, UnixMillis};
use lectern_protocol::api::{AuditAction, CameraState, ClockDoubt};
use lectern_recorder::{
    Limits, Signer,
    camera::{CameraArchive, CameraLimits, RetentionReport, RetentionRules},
};
use lectern_sfu::Sfu;
use lectern_signaling::patrol::{
    Patrol, PatrolConfig, PatrolSettings,
    ports::{Footage as _, PatrolEvent},
    trail::{Act, What, Who},
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    time::MissedTickBehavior,
};

/// How often retention looks at the disk.
const RETAIN_EVERY: Duration = Duration::from_secs(60);
/// A disk that is synced rarely: what a server of little worth may lose.
const SYNC_RARELY: Duration = Duration::from_secs(30);

/// Exam patrol with the parts that run beside requests.
pub struct Running {
    /// What handlers reach.
    pub patrol: Patrol,
    /// The parts; none if it is turned off.
    pub parts: Option<Parts>,
    audit: AuditLog,
}

/// What runs.
#[derive(Clone)]
pub struct Parts {
    /// The room of cameras.
    pub live: Live,
    ingest: Ingest,
    archive: Arc<CameraArchive>,
    recordings: Archive,
    footage: Arc<FootageReader>,
    /// Keyframes for the health worker, until somebody takes them.
    keyframes: Arc<Mutex<Option<mpsc::Receiver<Keyframe>>>>,
}

/// Where cameras' recordings lie.
pub fn cameras_dir(data: &Path) -> PathBuf {
    data.join("cameras")
}

/// The key that signs recordings, evidence and the audit log.
fn signer(data: &Path) -> anyhow::Result<Arc<Signer>> {
    Ok(Arc::new(Signer::load_or_create(&data.join("signing-key"))?))
}

/// Opens what is on disk and connects the parts. No camera is run yet.
pub async fn assemble(config: &Config, data: &DataDir, library: &Arc<Library>, sfu: &Sfu) -> anyhow::Result<Running> {
    let dir = data.path().to_owned();
    let signer = tokio::task::spawn_blocking(move || signer(&dir)).await?.context("could not read the signing key")?;
    let audit = AuditLog::open(data.path(), Arc::clone(&signer), library.zone().clone()).await?;
    let idle = Arc::new(Idle);
    let mut patrol = PatrolConfig {
        settings: PatrolSettings {
            allow_loopback: config.patrol.allow_loopback,
            default_days: config.patrol.default_days,
            issuer: config.patrol.issuer.clone(),
            exports: data.path().join("exports"),
        },
        library: Arc::clone(library),
        cameras: idle.clone(),
        walls: idle.clone(),
        footage: idle,
        audit: Arc::new(audit.clone()),
        deliveries: Arc::new(Hooks { allow_loopback: config.patrol.allow_loopback }),
        seal: Arc::new(keys::sealing_keys(data.path())?),
    };
    let mut parts = None;
    if config.patrol.enabled {
        let archive = open_archive(config, data, Arc::clone(&signer)).await?;
        let (live, recordings) = (Live::new(sfu.clone()), Archive::new(Arc::clone(&archive)));
        let (tx, rx) = mpsc::channel(KEYFRAMES_MAX);
        let ports = Ports {
            archive: Arc::new(recordings.clone()),
            live: Arc::new(live.clone()),
            keyframes: config.patrol.health.then_some(tx),
        };
        let keyframes = Arc::new(Mutex::new(config.patrol.health.then_some(rx)));
        let addresses = address_rule(config.patrol.allow_loopback);
        let ingest = Ingest::start(IngestConfig { address_allowed: addresses, ..IngestConfig::default() }, ports);
        let zone = library.zone().clone();
        let footage = Arc::new(FootageReader::new(Arc::clone(&archive), ingest.clone(), signer, zone));
        let most = config.patrol.cameras_max as usize;
        let runner = Runner::new(ingest.clone(), recordings.clone(), addresses, most);
        patrol.cameras = Arc::new(runner);
        patrol.walls = Arc::new(live.clone());
        patrol.footage = footage.clone();
        parts = Some(Parts { live, ingest, archive, recordings, footage, keyframes });
    }
    let patrol = Patrol::new(patrol).context("could not open the exports")?;
    Ok(Running { patrol, parts, audit })
}

async fn open_archive(config: &Config, data: &DataDir, signer: Arc<Signer>) -> anyhow::Result<Arc<CameraArchive>> {
    let defaults = Limits::default();
    let limits = CameraLimits {
        recording: Limits {
            part: Duration::from_secs(config.patrol.roll_s.into()),
            sync_every: if config.patrol.sync { defaults.sync_every } else { SYNC_RARELY },
            reserve_bytes: config.storage.reserve_mib << 20,
            keep_cached: false,
            ..defaults
        },
        cameras_max: config.patrol.cameras_max as usize,
        ..CameraLimits::default()
    };
    let dir = cameras_dir(data.path());
    let archive = tokio::task::spawn_blocking(move || CameraArchive::open(dir, limits, signer)).await?;
    Ok(Arc::new(archive.context("could not open the recordings of cameras")?))
}

impl Running {
    /// Starts every camera that is wanted, and what runs beside requests until `stop` is ready.
    pub async fn start(
        &self,
        config: &Config,
        stop: impl Future<Output = ()> + Send + 'static,
    ) -> anyhow::Result<tokio::task::JoinHandle<()>> {
        if let Some(parts) = &self.parts {
            tokio::spawn(follow(parts.ingest.clone(), self.patrol.clone()));
            tokio::spawn(parts.recordings.clone().keep());
            if let Some(keyframes) = parts.keyframes.lock().take() {
                let watch = Watch::new(parts.ingest.clone(), Arc::clone(&parts.archive), self.patrol.clone());
                tokio::spawn(watch.run(keyframes));
            }
            sync_holds(parts, &self.patrol).await;
            let keeper = Keeper {
                parts: parts.clone(),
                patrol: self.patrol.clone(),
                default_days: config.patrol.default_days,
                free_bytes: 2 * (config.storage.reserve_mib << 20),
            };
            tokio::spawn(keeper.keep());
        }
        let started = self.patrol.start().await.context("could not start the cameras")?;
        if started > 0 {
            tracing::info!(started, "cameras are run");
        }
        let patrol = self.patrol.clone();
        Ok(tokio::spawn(async move { patrol.keep(stop).await }))
    }

    /// Ends everything in order: walls first, so that looks are written down; then cameras, so that the archive hears the end
    /// of their tracks; then the archive; the audit log last.
    pub async fn end(&self) {
        self.patrol.close().await;
        if let Some(parts) = &self.parts {
            parts.ingest.shutdown().await;
            let archive = Arc::clone(&parts.archive);
            if tokio::task::spawn_blocking(move || archive.shutdown()).await.is_err() {
                tracing::error!("the end of the archive of cameras had failed");
            }
        }
        self.patrol.trail().flush().await;
        self.audit.0.close().await;
    }
}

/// Brings what ingest tells to signaling: a change of state at once, figures when they are asked for.
async fn follow(ingest: Ingest, patrol: Patrol) {
    let mut changes = ingest.changes();
    let mut known: HashMap<CameraId, CameraState> = HashMap::new();
    loop {
        let news = match changes.recv().await {
            Ok(news) => vec![news],
            Err(RecvError::Lagged(_)) => ingest.all(),
            Err(RecvError::Closed) => return,
        };
        for (camera, status) in news {
            let state = camera_state(&status.state);
            if known.insert(camera, state) != Some(state) {
                patrol.event(PatrolEvent::State { camera, state, since: status.since }).await;
            }
        }
    }
}

/// The archive's holds are those of the catalogue: one that a crash cut off in between is made up for.
async fn sync_holds(parts: &Parts, patrol: &Patrol) {
    let open = match patrol.library().store().open_holds().await {
        Ok(open) => open,
        Err(error) => return tracing::error!(%error, "holds could not be read"),
    };
    let kept: HashSet<_> = parts.archive.holds().into_iter().map(|h| h.id).collect();
    for hold in open.iter().filter(|h| !kept.contains(&h.id)) {
        if let Err(error) = parts.footage.hold(hold).await {
            tracing::error!(hold = %hold.id, %error, "a hold could not be set again");
        }
    }
    let wanted: HashSet<_> = open.iter().map(|h| h.id).collect();
    for id in kept.difference(&wanted) {
        // Released in the catalogue; if it is unknown there (a catalogue that was rebuilt), it stays.
        match patrol.library().store().hold(*id).await {
            Ok(Some(hold)) if hold.released.is_some() => {
                // What it meets is told there, and stands at the hold.
                _ = patrol.end_hold(*id).await;
            }
            _ => {}
        }
    }
}

/// Bytes that come in two turns of retention at so many bits a second.
fn coming(bps: u64) -> u64 {
    (bps / 8).saturating_mul(2 * RETAIN_EVERY.as_secs())
}

/// Removes footage by rule.
struct Keeper {
    parts: Parts,
    patrol: Patrol,
    default_days: u32,
    free_bytes: u64,
}

impl Keeper {
    async fn keep(self) {
        let mut every = tokio::time::interval(RETAIN_EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            every.tick().await;
            let now = UnixMillis::now();
            let rules = match self.rules().await {
                Ok(rules) => rules,
                Err(error) => {
                    tracing::error!(%error, "rules of retention could not be read: nothing is removed");
                    continue;
                }
            };
            let archive = Arc::clone(&self.parts.archive);
            let done = tokio::task::spawn_blocking(move || {
                archive.tidy(now);
                archive.retain(&rules, now)
            });
            match done.await {
                Ok(Ok(report)) => self.tell(report, now).await,
                Ok(Err(error)) => tracing::error!(%error, "footage could not be looked through"),
                Err(error) => tracing::error!(%error, "retention failed"),
            }
        }
    }

    async fn rules(&self) -> Result<RetentionRules, lectern_library::StoreError> {
        let library = self.patrol.library();
        let (rules, tree, cameras) = (library.store().retention().await?, library.tree(), library.cameras());
        let days = |c: &lectern_library::Camera| retention_days(&rules, c.place, c.group, &tree);
        // The rule of the place where it was recorded, and of the group of then, goes with what was recorded.
        let of = |c: &lectern_library::Camera| {
            let then = |s: &lectern_library::Stay| (s.until, retention_days(&rules, s.place, s.group, &tree));
            (c.id, c.stays.iter().map(then).collect::<Vec<_>>())
        };
        let moved = cameras.all().filter(|c| !c.stays.is_empty()).map(of).collect();
        let own: BTreeMap<CameraId, u32> = cameras.all().filter_map(|c| Some((c.id, days(c)?))).collect();
        // Of cameras that the catalogue does not know (any more) the strictest rule of their group holds.
        let mut groups: BTreeMap<String, u32> = BTreeMap::new();
        for rule in &rules {
            let most = groups.entry(group_word(group_to_api(rule.group)).to_owned()).or_default();
            *most = (*most).max(rule.days);
        }
        // Between two looks the disk must not run down to where recording stops: what comes in two of them stays free, too.
        let streams = self.parts.ingest.all().into_iter().flat_map(|(_, status)| status.streams);
        let free_bytes = self.free_bytes.saturating_add(coming(streams.map(|s| s.bitrate.as_bps()).sum()));
        Ok(RetentionRules { cameras: own, moved, groups, default_days: self.default_days, free_bytes })
    }

    async fn tell(&self, report: RetentionReport, now: UnixMillis) {
        *self.parts.footage.disk.lock() = (report.used_bytes, report.free_bytes);
        *self.parts.footage.clock.lock() = report.clock.map(|d| ClockDoubt {
            ahead_ms: d.ahead_ms,
            counted: d.counted,
            since: d.since,
            left_ms: d.left_ms,
            alarm: d.alarm,
        });
        metrics::gauge!("lectern_patrol_footage_bytes").set(report.used_bytes as f64);
        let mut by_camera: BTreeMap<CameraId, u64> = BTreeMap::new();
        for (camera, _) in &report.removed {
            *by_camera.entry(*camera).or_default() += 1;
        }
        for (camera, count) in by_camera {
            let what: What = self.patrol.what(camera);
            let act = Act { count, ..Act::new(now, Who::default(), AuditAction::FootageRemoved, what, "recordings") };
            self.patrol.trail().note(act).await;
        }
        // Told again with each look: it stays until somebody acts, or the clock proves right.
        if let Some(doubt) = report.clock.filter(|d| d.alarm) {
            metrics::counter!("lectern_patrol_retention_alarms_total", "reason" => "clock").increment(1);
            let days = doubt.ahead_ms as f64 / 86_400_000.0;
            let then = match doubt.left_ms {
                Some(ms) => format!("it is believed after {} more hours of recording under it", ms.div_ceil(3_600_000)),
                None => "it is not believed until somebody confirms it".to_owned(),
            };
            tracing::error!(
                reason = doubt.reason(), %days, counted_as = doubt.counted.0,
                "the server's clock is not where it should be: no footage is removed by what it leapt, and {then}. Set the clock right; or, \
                 if it is right, run: lectern recorder confirm-clock"
            );
        }
        for alarm in &report.alarms {
            metrics::counter!("lectern_patrol_retention_alarms_total", "reason" => "disk").increment(1);
            tracing::error!(?alarm, "the disk of footage needs somebody");
        }
    }
}
