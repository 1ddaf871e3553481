//! The one place that knows all crates: makes the parts and connects them.

use crate::{
    adapt_files::Archive,
    adapt_media::{self, SfuPlane},
    adapt_recordings::{Recorders, RecordingsPort},
    archive, keys, patrol,
    patrol_live::Live,
};
use anyhow::Context as _;
use lectern_base::{
    Config, DataDir,
    config::Tls,
    metrics::{self, Upkeep},
};
use lectern_library::Library;
use lectern_recorder::{Limits as RecorderLimits, Recorder};
use lectern_sfu::{Sfu, SfuConfig};
use lectern_signaling::{
    app::{App, AppState, Settings},
    hub::{HubConfig, Rooms},
    limit::Limits,
    patrol::Patrol,
    ports::{MediaPlane, Recordings},
};
use std::{
    num::NonZeroUsize,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// The parts of a running server.
pub struct Server {
    /// What handlers reach.
    pub app: App,
    /// The media plane.
    pub sfu: Sfu,
    /// The catalogue.
    pub library: Arc<Library>,
    /// The recorder.
    pub recorders: Arc<Recorders>,
    /// Exam patrol.
    pub patrol: patrol::Running,
    /// Keeps the metrics small while the server runs.
    #[expect(dead_code, reason = "held until the server ends")]
    pub upkeep: Upkeep,
}

/// Opens what is on disk, starts the media plane and connects all parts. Nothing is served yet.
pub async fn assemble(config: &Config, data: &DataDir, tls: bool, local_ca: Option<String>) -> anyhow::Result<Server> {
    let metrics = metrics::install();
    let upkeep = metrics::upkeep(metrics.clone());
    let library = Arc::new(archive::open_library(config, data).await?);
    let keys = keys::grant_keys(data.path())?;
    let recorder = open_recorder(config, data).await?;
    let sfu = Sfu::start(sfu_config(config)?).context("could not start the media plane")?;
    let media: Arc<dyn MediaPlane> = Arc::new(SfuPlane(sfu.clone()));

    let patrol = patrol::assemble(config, data, &library, &sfu).await?;

    // The recorder reports to the rooms, and the rooms start the recorder: the way back is known last.
    let rooms: Arc<OnceLock<Rooms>> = Arc::default();
    let back = Arc::clone(&rooms);
    let files = Arc::new(Archive::new(data.path(), Arc::clone(&recorder), library.zone().clone()));
    let recorders = Recorders::new(recorder, sfu.clone(), Arc::clone(&library), move |event| {
        if let Some(rooms) = back.get() {
            rooms.recording_event(event);
        }
    });
    let recordings: Arc<dyn Recordings> = Arc::new(RecordingsPort(Arc::clone(&recorders)));
    let hub = Rooms::new(HubConfig {
        media: Arc::clone(&media),
        recordings: Arc::clone(&recordings),
        library: Arc::clone(&library),
        participants_max: config.class.participants_max as usize,
        stage_max: config.class.stage_max as usize,
        away_end: Duration::from_secs(60 * u64::from(config.class.away_end_min)),
        live_max: Duration::from_secs(3_600 * u64::from(config.class.lesson_hours_max)),
    });
    let hub = rooms.get_or_init(|| hub).clone();
    forward_events(&sfu, hub.clone(), patrol.patrol.clone(), patrol.parts.as_ref().map(|p| p.live.clone()))?;

    let proxied = config.http.public_url.as_ref().is_some_and(|url| url.starts_with("https://"));
    let app = App::new(AppState {
        settings: Settings {
            // A reverse proxy speaks TLS for us.
            tls: tls || proxied,
            hsts: match config.http.tls {
                Tls::Files => true,
                Tls::LocalCa => false,
                Tls::Off => proxied,
            },
            origins: config.http.public_url.iter().cloned().collect(),
            guests: config.class.guests,
            ice_servers: config.media.ice_servers.clone(),
            local_ca,
            trusted_proxies: config.http.trusted_proxies.clone(),
            metrics_from: config.http.metrics_from.clone(),
        },
        keys,
        library: Arc::clone(&library),
        media,
        recordings,
        files,
        rooms: hub,
        patrol: patrol.patrol.clone(),
        limits: Limits::new(&config.limits),
        sign_in: Default::default(),
        sessions: Default::default(),
        metrics: Box::new(move || metrics.render()),
    });
    Ok(Server { app, sfu, library, recorders, patrol, upkeep })
}

async fn open_recorder(config: &Config, data: &DataDir) -> anyhow::Result<Arc<Recorder>> {
    let dir = archive::recordings_dir(data.path());
    let limits = RecorderLimits { reserve_bytes: config.storage.reserve_mib << 20, ..RecorderLimits::default() };
    let recorder = tokio::task::spawn_blocking(move || Recorder::open(dir, limits)).await?;
    let recorder = recorder.context("could not open the recordings")?;
    for recovered in recorder.recovered() {
        tracing::info!(dir = %recovered.dir.display(), torn_bytes = recovered.torn_bytes, "recovered a recording");
    }
    for (dir, why) in recorder.refused() {
        tracing::error!(dir = %dir.display(), why, "a recording was left untouched");
    }
    Ok(Arc::new(recorder))
}

fn sfu_config(config: &Config) -> anyhow::Result<SfuConfig> {
    let defaults = SfuConfig::default();
    let shards = NonZeroUsize::new(config.media.shards).unwrap_or(defaults.shards);
    Ok(SfuConfig { listen: config.media.listen.clone(), advertise: config.media.advertise.clone(), shards, ..defaults })
}

/// Brings what the media plane reports to the rooms and to walls, until it ends.
fn forward_events(sfu: &Sfu, rooms: Rooms, patrol: Patrol, live: Option<Live>) -> anyhow::Result<()> {
    let mut events = sfu.events().context("the media plane's events were taken before")?;
    tokio::spawn(async move {
        while let Some(event) = events.recv().await {
            if let Some(event) = live.as_ref().and_then(|live| live.event(&event)) {
                patrol.event(event).await;
                continue;
            }
            if let Some(event) = adapt_media::event(event) {
                rooms.media_event(event);
            }
        }
    });
    Ok(())
}
