//! [`Patrol`]: the handle, starting and ending, and what runs beside requests: removals that become final, exports, webhooks,
//! events of the parts beside us.

use super::{
    Inner, PatrolConfig,
    exports::{Exports, Kept},
    hooks::{Call, signature},
    ports::{CameraFacts, CameraFeed, ExportFault, ExportOrder, PatrolEvent, Viewed},
    routes::media::write_plays,
    trail::{Act, Trail, What, Who},
    wall::{self, About},
};
use crate::{error::ApiError, http::UNDO_FOR, ports::PortError};
use lectern_auth::SealedFor;
use lectern_library::{Camera, CameraChange, Library, StoreError, patrol::group_to_api};
use lectern_media::{CameraId, UnixMillis};
use lectern_protocol::{
    api::{AuditAction, HealthFault, Span},
    wall::WallMessage,
};
use std::{future::Future, sync::Arc, time::Duration};
use tokio::sync::watch;
use ulid::Ulid;

/// How often removals, exports and webhooks are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Tests of cameras under way at the same time.
const TESTS_MAX: usize = 4;
/// Webhook calls under way at the same time are one per webhook; each takes at most this.
const CALL_WITHIN: Duration = Duration::from_secs(10);

/// Exam patrol. Cheap to clone.
#[derive(Clone)]
pub struct Patrol(pub(crate) Arc<Inner>);

impl Patrol {
    /// Puts the parts together; nothing runs yet but the audit log's queue. Must be called on a runtime.
    ///
    /// # Errors
    /// If the directory of exports can't be made or read.
    pub fn new(config: PatrolConfig) -> std::io::Result<Self> {
        let exports = Exports::open(config.settings.exports.clone())?;
        Ok(Self(Arc::new(Inner {
            trail: Trail::begin(Arc::clone(&config.audit)),
            settings: config.settings,
            library: config.library,
            cameras: config.cameras,
            planes: config.walls,
            footage: config.footage,
            audit: config.audit,
            deliveries: config.deliveries,
            seal: config.seal,
            leaving: Default::default(),
            changing: Default::default(),
            releasing: Default::default(),
            testing: tokio::sync::Semaphore::new(TESTS_MAX),
            rights: watch::Sender::new(0),
            plays: Default::default(),
            walls: Default::default(),
            exports: exports.into(),
            export_wake: Default::default(),
            hooks: Default::default(),
            hook_wake: Default::default(),
        })))
    }

    /// The catalogue.
    #[must_use]
    pub fn library(&self) -> &Library {
        &self.0.library
    }

    /// The way into the audit log.
    #[must_use]
    pub fn trail(&self) -> &Trail {
        &self.0.trail
    }

    pub(crate) fn leaving(&self) -> Vec<CameraId> {
        self.0.leaving.lock().keys().copied().collect()
    }

    /// Roles, rules, sessions or accounts changed: every wall looks again at what it may show, at once.
    pub fn rights_changed(&self) {
        self.0.rights.send_modify(|n| *n += 1);
    }

    /// Starts every camera that is wanted. Returns how many.
    ///
    /// # Errors
    /// If none can be run at all.
    pub async fn start(&self) -> Result<usize, PortError> {
        self.0.trail.note(Act::new(UnixMillis::now(), Who::default(), AuditAction::Started, What::default(), "")).await;
        let cameras = self.0.library.cameras();
        let mut started = 0;
        for camera in cameras.present().filter(|c| c.enabled) {
            match self.run_camera(camera).await {
                Ok(()) => started += 1,
                Err(error) => tracing::error!(camera = %camera.id, %error, "a camera could not be started"),
            }
        }
        Ok(started)
    }

    /// How the camera is reached.
    ///
    /// # Errors
    /// If its password can't be read.
    pub(crate) fn feed(&self, camera: &Camera) -> Result<CameraFeed, PortError> {
        let password = camera.password.as_ref().map(|sealed| self.0.seal.open(SealedFor::Camera(camera.id), sealed));
        let password = password.transpose().map_err(|e| PortError {
            part: "patrol",
            what: "read the password of a camera",
            cause: e.to_string(),
        })?;
        Ok(CameraFeed {
            id: camera.id,
            main_url: camera.main_url.clone(),
            sub_url: camera.sub_url.clone(),
            transport: camera.transport,
            username: camera.username.clone(),
            password,
            kbps_max: camera.bitrate_max_kbps,
        })
    }

    /// What its recording is told.
    pub(crate) fn facts(&self, camera: &Camera) -> CameraFacts {
        let tree = self.0.library.tree();
        let mut places: Vec<_> = tree.upward(camera.place).cloned().collect();
        places.reverse();
        CameraFacts {
            name: camera.name.clone(),
            places,
            place: camera.place,
            group: group_to_api(camera.group),
            code: camera.code.clone(),
            record: camera.record,
        }
    }

    pub(crate) async fn run_camera(&self, camera: &Camera) -> Result<(), PortError> {
        let feed = self.feed(camera)?;
        self.0.cameras.run(feed, self.facts(camera)).await
    }

    /// Brings ingest in step with the catalogue's word on a camera.
    pub(crate) async fn follow(&self, camera: &Camera) -> Result<(), ApiError> {
        if camera.enabled && camera.removed.is_none() {
            self.run_camera(camera).await?;
        } else {
            self.0.cameras.stop(camera.id).await;
        }
        self.tell_walls(&WallMessage::CamerasChanged {}, About::All);
        Ok(())
    }

    /// Runs what runs beside requests, until `stop` is ready; then looks are ended and written down.
    pub async fn keep(&self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut look = tokio::time::interval(LOOK_EVERY);
        look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut sweep = tokio::time::interval(Duration::from_secs(600));
        loop {
            tokio::select! {
                () = &mut stop => break,
                _ = look.tick() => {
                    self.end_removals(UnixMillis::now()).await;
                    self.tell_exports();
                    write_plays(self, UnixMillis::now(), false).await;
                }
                () = self.0.export_wake.notified() => {}
                () = self.0.hook_wake.notified() => {}
                _ = sweep.tick() => self.0.exports.lock().sweep(UnixMillis::now()),
            }
            self.start_exports();
            self.call_hooks();
        }
        self.0.exports.lock().suspend();
    }

    /// Ends all walls, and writes what there is to write.
    pub async fn close(&self) {
        wall::close_all(self).await;
        write_plays(self, UnixMillis::now(), true).await;
        self.0.trail.flush().await;
    }

    /// Makes removals final that were not taken back in time.
    pub async fn end_removals(&self, now: UnixMillis) {
        let over: Vec<CameraId> =
            self.0.leaving.lock().iter().filter(|(_, (until, _))| *until <= now).map(|(id, _)| *id).collect();
        for id in over {
            let _alone = self.0.changing.lock().await;
            // It may have been taken back while we waited.
            if self.0.leaving.lock().get(&id).is_none_or(|(until, _)| *until > now) {
                continue;
            }
            match self.0.library.remove_camera(id, now).await {
                Ok(_) | Err(StoreError::NotFound) => {
                    self.0.leaving.lock().remove(&id);
                    self.0.cameras.remove(id).await;
                    self.end_alarms(id, now).await;
                }
                Err(error) => tracing::warn!(camera = %id, %error, "a removed camera could not be forgotten yet"),
            }
        }
    }

    /// Removes a camera; for some seconds that can be taken back. To be called by whoever holds `changing`.
    pub(crate) async fn begin_removal(&self, camera: &Camera, now: UnixMillis) -> Result<(), ApiError> {
        // Stopped first: if we die in between, it is there and does not run.
        let off = CameraChange { enabled: Some(false), ..CameraChange::default() };
        self.0.library.change_camera(camera.id, off).await?;
        self.0.leaving.lock().insert(camera.id, (now.plus(UNDO_FOR), camera.enabled));
        self.0.cameras.stop(camera.id).await;
        self.rights_changed();
        self.tell_walls(&WallMessage::CamerasChanged {}, About::All);
        Ok(())
    }

    /// Takes a removal back; ingest is to [`follow`](Self::follow) then. To be called by whoever holds `changing`.
    pub(crate) async fn end_removal(&self, id: CameraId) -> Result<Camera, ApiError> {
        let known = self.0.leaving.lock().get(&id).map(|(_, enabled)| *enabled);
        let enabled = known.ok_or_else(|| ApiError::not_found("removed camera"))?;
        let change = CameraChange { enabled: Some(enabled), ..CameraChange::default() };
        let camera = self.0.library.change_camera(id, change).await?;
        self.0.leaving.lock().remove(&id);
        self.rights_changed();
        Ok(camera)
    }

    // ------------------------------------------------------------------------------------------------------- events

    /// What a part beside us tells. Whether it was taken: an alarm, or its end, that the store refuses is not, and is to be
    /// told again.
    pub async fn event(&self, event: PatrolEvent) -> bool {
        match event {
            PatrolEvent::State { camera, state, since } => {
                self.tell_walls(&WallMessage::CameraState { camera, state, since }, About::Camera(camera));
                true
            }
            PatrolEvent::LineChanged { peer, .. } | PatrolEvent::PeerLost { peer } => {
                wall::media_event(self, peer, event);
                true
            }
            PatrolEvent::Fault { camera, fault, since } => self.raise(camera, fault, since).await,
            PatrolEvent::FaultOver { camera, fault, until } => self.clear(camera, fault, until).await,
        }
    }

    async fn raise(&self, camera: CameraId, fault: HealthFault, since: UnixMillis) -> bool {
        match self.0.library.store().raise_alarm(camera, fault, since).await {
            Ok((alarm, true)) => self.alarm_news(&alarm, None, "raised"),
            // A camera that is gone has no alarms.
            Ok((_, false)) | Err(StoreError::NotFound) => {}
            Err(error) => {
                metrics::counter!("lectern_patrol_alarms_refused_total", "reason" => "store").increment(1);
                tracing::error!(%camera, ?fault, %error, "an alarm could not be kept");
                return false;
            }
        }
        true
    }

    async fn clear(&self, camera: CameraId, fault: HealthFault, until: UnixMillis) -> bool {
        match self.0.library.store().clear_alarm(camera, fault, until).await {
            Ok(Some(alarm)) => self.alarm_news(&alarm, None, "over"),
            Ok(None) => {}
            Err(error) => {
                metrics::counter!("lectern_patrol_alarms_refused_total", "reason" => "store_end").increment(1);
                tracing::error!(%camera, ?fault, %error, "the end of an alarm could not be kept");
                return false;
            }
        }
        true
    }

    async fn end_alarms(&self, camera: CameraId, now: UnixMillis) {
        for fault in FAULTS {
            self.clear(camera, fault, now).await;
        }
    }

    // ----------------------------------------------------------------------------------------------------- webhooks

    fn call_hooks(&self) {
        let due = self.0.hooks.lock().due(UnixMillis::now());
        for (hook, call) in due {
            let this = self.clone();
            tokio::spawn(async move {
                let good = this.call_hook(hook, &call).await;
                this.0.hooks.lock().done(hook, call.id, good, UnixMillis::now());
                this.0.hook_wake.notify_one();
            });
        }
    }

    async fn call_hook(&self, id: Ulid, call: &Call) -> bool {
        let store = self.0.library.store();
        let hook = match store.webhooks().await {
            Ok(hooks) => hooks.into_iter().find(|h| h.id == id),
            Err(error) => {
                tracing::error!(%error, "webhooks could not be read");
                return false;
            }
        };
        let Some(hook) = hook else {
            self.0.hooks.lock().remove(id);
            return false;
        };
        let now = UnixMillis::now();
        let outcome = match self.0.seal.open_bytes(SealedFor::Webhook(id), &hook.secret) {
            Ok(secret) => {
                let headers = [
                    ("content-type", "application/json".to_owned()),
                    ("x-lectern-signature", signature(&secret, now, &call.body)),
                    ("x-lectern-delivery", call.id.to_string()),
                ];
                let post = self.0.deliveries.post(&hook.url, &headers, call.body.clone());
                tokio::time::timeout(CALL_WITHIN, post).await.unwrap_or_else(|_| Err("no answer in time".into()))
            }
            Err(error) => Err(error.to_string()),
        };
        let label = if outcome.is_ok() { "done" } else { "failed" };
        metrics::counter!("lectern_patrol_webhook_calls_total", "outcome" => label).increment(1);
        let good = outcome.is_ok();
        let noted = outcome.map(|()| now).map_err(|why| why.chars().take(200).collect::<String>());
        if let Err(error) = store.note_webhook(id, noted).await {
            tracing::warn!(%error, "how a webhook did could not be noted");
        }
        good
    }

    // ------------------------------------------------------------------------------------------------------ exports

    fn start_exports(&self) {
        loop {
            let Some((kept, progress)) = self.0.exports.lock().start() else { return };
            let this = self.clone();
            tokio::spawn(async move {
                let order = this.order(&kept, progress).await;
                let result = match order {
                    Ok(order) => this.0.footage.export(order).await,
                    Err(fault) => Err(fault),
                };
                if let Err(fault) = &result {
                    tracing::warn!(export = %kept.job.id, %fault, "an export was not written");
                }
                let done = this.0.exports.lock().finished(kept.job.id, result, UnixMillis::now());
                if let Some(done) = done {
                    wall::tell_account(&this, done.account, &WallMessage::Export { job: done.job });
                }
                this.0.export_wake.notify_one();
            });
        }
    }

    async fn order(
        &self,
        kept: &Kept,
        progress: Arc<super::ports::ExportProgress>,
    ) -> Result<ExportOrder, ExportFault> {
        let cameras = self.0.library.cameras();
        let request = &kept.job.request;
        let known = request.cameras.iter().filter_map(|id| cameras.get(*id)).map(|c| (c.id, self.facts(c)));
        let range = Span { from: request.from, to: request.to };
        let mut within = kept.within.clone();
        // Evidence ends with the first head that was signed behind the range: not at a place where a camera was moved since it was asked for.
        for camera in request.cameras.iter().filter_map(|id| cameras.get(*id)) {
            if let Some(moved) = camera.stays.iter().map(|s| s.until).find(|at| *at > kept.job.created) {
                let all = Span { from: UnixMillis(i64::MIN), to: UnixMillis(i64::MAX) };
                let span = within.entry(camera.id).or_insert(all);
                span.to = span.to.min(moved);
            }
        }
        Ok(ExportOrder {
            id: kept.job.id,
            cameras: known.collect(),
            viewers: self.viewers(&request.cameras, range.clone()).await?,
            range,
            within,
            reason: request.reason.clone(),
            by: Who {
                account: Some(kept.account),
                name: kept.job.by.clone(),
                login: kept.login.clone(),
                of_place: kept.of_place.clone(),
                ..Who::default()
            },
            file: self.0.exports.lock().file(kept.job.id),
            progress,
        })
    }

    /// Who looked at these stretches before, by the audit log.
    async fn viewers(&self, cameras: &[CameraId], range: Span) -> Result<Vec<Viewed>, ExportFault> {
        self.0.trail.flush().await;
        let fault = |e: PortError| ExportFault { code: "internal", detail: e.to_string() };
        self.0.audit.viewers(cameras, range).await.map_err(fault)
    }

    /// Tells owners how far their exports are.
    fn tell_exports(&self) {
        let running = self.0.exports.lock().running();
        for kept in running {
            wall::tell_account(self, kept.account, &WallMessage::Export { job: kept.job });
        }
    }

    pub(super) fn tell_walls(&self, message: &WallMessage, about: About) {
        wall::tell(self, message, about);
    }
}

/// Every fault.
pub(crate) const FAULTS: [HealthFault; 13] = [
    HealthFault::NoStream,
    HealthFault::Frozen,
    HealthFault::Black,
    HealthFault::White,
    HealthFault::Covered,
    HealthFault::Blurred,
    HealthFault::Moved,
    HealthFault::WrongClock,
    HealthFault::NoSound,
    HealthFault::BitRate,
    HealthFault::FrameRate,
    HealthFault::Undecodable,
    HealthFault::NotRecorded,
];
