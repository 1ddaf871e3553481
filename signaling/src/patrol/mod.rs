//! Exam patrol: cameras, walls, footage, evidence, alarms, and the audit of all of it.
//!
//! - [`ports`]: what is needed of ingest, media plane, recorder, audit log, deliveries.
//! - [`wall`]: the socket of a wall around its pure core.
//! - [`access`]: who may do what with which camera at this moment; every refusal leaves by it.
//! - [`trail`]: the way into the audit log. [`exports`], [`hooks`]: queues that outlive a request.
//! - `holds`: how a hold ends, in catalogue and recorder both. `told`: what each place is told of an alarm. `routes`: the HTTP API.
//!
//! Does not belong here: RTSP, packets, files of footage, the chain of the log.

pub mod access;
pub mod exports;
mod holds;
pub mod hooks;
pub mod ports;
pub(crate) mod routes;
mod run;
mod status;
pub mod target;
mod told;
pub mod trail;
pub mod wall;

pub use routes::policy::default_thresholds;
pub use run::Patrol;

use self::{
    exports::Exports,
    hooks::Hooks,
    ports::{Audit, Cameras, Deliveries, Footage, WallPlane},
    trail::Trail,
};
use lectern_auth::SealingKeys;
use lectern_library::Library;
use lectern_media::{CameraId, UnixMillis};
use parking_lot::Mutex;
use std::{collections::BTreeMap, path::PathBuf, sync::Arc};
use tokio::sync::{Notify, watch};

/// Settings of exam patrol; the composition fills them from the configuration.
#[derive(Debug, Clone)]
pub struct PatrolSettings {
    /// Whether cameras and webhooks may be at addresses of this machine.
    pub allow_loopback: bool,
    /// Days that footage is kept where no rule says otherwise.
    pub default_days: u32,
    /// The name that apps for codes and security keys show.
    pub issuer: String,
    /// Where exports lie.
    pub exports: PathBuf,
}

/// What exam patrol is made of.
pub struct PatrolConfig {
    /// Settings.
    pub settings: PatrolSettings,
    /// The catalogue.
    pub library: Arc<Library>,
    /// Ingest.
    pub cameras: Arc<dyn Cameras>,
    /// The media plane.
    pub walls: Arc<dyn WallPlane>,
    /// The recorder.
    pub footage: Arc<dyn Footage>,
    /// The audit log.
    pub audit: Arc<dyn Audit>,
    /// HTTP to others.
    pub deliveries: Arc<dyn Deliveries>,
    /// Seals passwords.
    pub seal: Arc<SealingKeys>,
}

/// Everything behind [`Patrol`].
pub(crate) struct Inner {
    pub settings: PatrolSettings,
    pub library: Arc<Library>,
    pub cameras: Arc<dyn Cameras>,
    pub planes: Arc<dyn WallPlane>,
    pub footage: Arc<dyn Footage>,
    pub audit: Arc<dyn Audit>,
    pub deliveries: Arc<dyn Deliveries>,
    pub seal: Arc<SealingKeys>,
    pub trail: Trail,
    /// Cameras that were removed and can be taken back: until when, and whether they ran.
    pub leaving: Mutex<BTreeMap<CameraId, (UnixMillis, bool)>>,
    /// Whoever changes cameras, one at a time, so that ingest is told in the order of the catalogue.
    pub changing: tokio::sync::Mutex<()>,
    /// Whoever speaks about the release of a hold, one at a time: between what they saw and what is written nobody else speaks.
    pub releasing: tokio::sync::Mutex<()>,
    /// Tests of cameras under way.
    pub testing: tokio::sync::Semaphore,
    /// Counts changes of rights: walls look again at once.
    pub rights: watch::Sender<u64>,
    pub plays: Mutex<routes::media::Plays>,
    pub walls: Mutex<wall::Open>,
    pub exports: Mutex<Exports>,
    pub export_wake: Notify,
    pub hooks: Mutex<Hooks>,
    pub hook_wake: Notify,
}
