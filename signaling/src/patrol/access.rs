//! Who may do what with which camera at this moment, as HTTP and walls ask it; every refusal leaves by here with the reason
//! that the audit log writes down.
//!
//! Does not belong here: how it is decided (`lectern_auth::may_look`).

use super::{Patrol, routes, trail::Who};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code, Refused},
    extract::{Caller, ClientAddr},
    route::Route,
};
use axum::{http::StatusCode, response::Response};
use lectern_auth::{Action, Decision, Denial, Looker, PlaceNode, PlaceTree, Rights, may_look};
use lectern_library::{Camera, library::CameraSet, patrol::group_to_api};
use lectern_media::{CameraId, PlaceId, UnixMillis};
use lectern_protocol::{
    api::{self, AuditAction, CameraMay, CameraSource},
    wall::TileRefusal,
};
use std::sync::Arc;

/// Somebody with all that decides what they may look at: a snapshot, to be made anew for each request and each look.
#[derive(Clone)]
pub struct Viewer {
    /// Their roles.
    pub rights: Rights,
    /// When their session showed the second factor.
    pub second_factor: Option<UnixMillis>,
    /// The tree.
    pub tree: Arc<PlaceTree>,
    /// The cameras, removed ones too, and the rules of looking.
    pub cameras: Arc<CameraSet>,
    /// Removed, but it can be taken back still.
    leaving: Vec<CameraId>,
    now: UnixMillis,
}

impl Viewer {
    /// What `caller` may at this moment.
    #[must_use]
    pub fn new(patrol: &Patrol, caller: &Caller) -> Self {
        Self {
            rights: caller.rights.clone(),
            second_factor: caller.second_factor,
            tree: Arc::clone(&caller.tree),
            cameras: patrol.library().cameras(),
            leaving: patrol.leaving(),
            now: UnixMillis::now(),
        }
    }

    /// The answer for a camera of the catalogue.
    #[must_use]
    pub fn decide(&self, camera: &Camera, action: Action) -> Decision {
        self.cameras.may_look(&self.rights, self.second_factor, camera.id, action, &self.tree, self.now)
    }

    /// The answer for a camera that need not be in the catalogue: one that somebody is about to add.
    #[must_use]
    pub fn would(&self, camera: &Camera, action: Action) -> Decision {
        let rules = self.rights.account().map_or(&[][..], |account| self.cameras.rules_of(account));
        let who = Looker { rights: &self.rights, rules, second_factor: self.second_factor };
        may_look(&who, &camera.object(), action, &self.tree, self.now)
    }

    /// Whether the camera is there for them: to be seen in the tree.
    #[must_use]
    pub fn sees(&self, camera: &Camera) -> bool {
        self.decide(camera, Action::ViewCamera).is_allowed()
    }

    /// Whether it is there: not removed, not even for the seconds in which that can be taken back.
    #[must_use]
    pub fn is_there(&self, camera: &Camera) -> bool {
        camera.removed.is_none() && !self.leaving.contains(&camera.id)
    }

    /// Whether a tile or a line may carry the camera.
    ///
    /// # Errors
    /// Why not; a camera that does not exist can't be told from one that may not be seen.
    pub fn tile(&self, camera: CameraId, action: Action) -> Result<(), TileRefusal> {
        let camera = self.cameras.get(camera).filter(|c| self.is_there(c)).ok_or(TileRefusal::NotAllowed)?;
        match self.decide(camera, action) {
            Decision::Allowed => Ok(()),
            Decision::NeedsSecondFactor => Err(TileRefusal::NeedsSecondFactor),
            Decision::Denied(Denial::OutsideHours) => Err(TileRefusal::NotNow),
            Decision::Denied(_) => Err(TileRefusal::NotAllowed),
        }
    }

    /// The camera, if it may be seen and `action` is allowed with it.
    ///
    /// # Errors
    /// 404 if it may not be seen, 403 if only the action is refused.
    pub fn camera(&self, id: CameraId, action: Action) -> ApiResult<Camera> {
        let camera = self.cameras.get(id).ok_or_else(|| ApiError::not_found("camera").because("unknown_camera"))?;
        if let Some(reason) = self.decide(camera, Action::ViewCamera).reason() {
            return Err(ApiError::not_found("camera").because(reason).camera(id));
        }
        allow(self.decide(camera, action)).map_err(|e| e.camera(id))?;
        Ok(camera.clone())
    }

    /// The camera as [`Viewer::camera`], if it was not removed.
    ///
    /// # Errors
    /// As there; 404 if it was removed.
    pub fn living(&self, id: CameraId, action: Action) -> ApiResult<Camera> {
        let camera = self.camera(id, action)?;
        if !self.is_there(&camera) {
            return Err(ApiError::not_found("camera").because("removed").camera(id));
        }
        Ok(camera)
    }

    /// The camera, if what was recorded of its sound may be played: the right to play and the right to listen, both. One that was
    /// removed has no sound to listen to now; for what it recorded, the rights and rules at its place go on deciding.
    ///
    /// # Errors
    /// As [`Viewer::camera`].
    pub fn recorded_sound(&self, id: CameraId) -> ApiResult<Camera> {
        let camera = self.camera(id, Action::PlayCamera)?;
        allow(self.would(&camera, Action::ListenCamera)).map_err(|e| e.camera(id))?;
        Ok(camera)
    }

    /// A place where `action` (one that is not about one camera) is allowed.
    ///
    /// # Errors
    /// 404 if it may not be seen, 403 if only the action is refused.
    pub fn place(&self, id: PlaceId, action: Action) -> ApiResult<PlaceNode> {
        let place = self.tree.get(id).filter(|_| self.rights.may(Action::ViewPlace, id, &self.tree));
        let place = place.ok_or_else(|| ApiError::not_found("place").because("unknown_place"))?;
        allow(self.rights.decide(action, id, &self.tree, self.second_factor, self.now))?;
        Ok(place.clone())
    }

    /// Whether the place's name may be shown: the account sees it, or a camera at it or below.
    #[must_use]
    pub fn place_name(&self, id: PlaceId) -> String {
        self.tree.get(id).map(|p| p.name.clone()).unwrap_or_default()
    }

    /// Cameras below a place that may be seen, by place and name.
    #[must_use]
    pub fn below(&self, place: PlaceId) -> Vec<&Camera> {
        let mut cameras: Vec<&Camera> =
            self.cameras.within(place, &self.tree).filter(|c| self.is_there(c) && self.sees(c)).collect();
        let path = |c: &Camera| {
            let mut names: Vec<&str> = self.tree.upward(c.place).map(|p| p.name.as_str()).collect();
            names.reverse();
            names.join("/")
        };
        cameras.sort_by_cached_key(|c| (path(c), c.name.clone(), c.id));
        cameras
    }

    /// What may be done with the camera now.
    #[must_use]
    pub fn may(&self, camera: &Camera) -> CameraMay {
        let may = |action| self.decide(camera, action).is_allowed();
        CameraMay {
            live: may(Action::LiveCamera),
            listen: may(Action::ListenCamera),
            play: may(Action::PlayCamera),
            export: may(Action::ExportCamera),
            manage: may(Action::ManageCamera),
        }
    }

    /// Whether a picture would be given once the second factor is shown, and is not now.
    #[must_use]
    pub fn waits_for_factor(&self, camera: &Camera) -> bool {
        [Action::LiveCamera, Action::PlayCamera, Action::ManageCamera]
            .into_iter()
            .any(|action| self.decide(camera, action) == Decision::NeedsSecondFactor)
    }

    /// Whether the pages of exam patrol are for this account: it may see a camera, add one, or read the audit log.
    #[must_use]
    pub fn patrols(&self) -> bool {
        let anywhere = |action| {
            let at = self.rights.roles().iter().map(|r| r.place);
            at.into_iter().any(|place| self.rights.may(action, place, &self.tree))
        };
        [Action::ViewCamera, Action::ManageCamera, Action::ViewAudit, Action::SetCameraRules].into_iter().any(anywhere)
            || self.cameras.present().any(|c| self.sees(c))
    }

    /// The camera as the caller may know it.
    #[must_use]
    pub fn shown(&self, patrol: &Patrol, camera: &Camera) -> api::Camera {
        let may = self.may(camera);
        api::Camera {
            id: camera.id,
            place: camera.place,
            place_name: self.place_name(camera.place),
            name: camera.name.clone(),
            group: group_to_api(camera.group),
            code: camera.code.clone(),
            enabled: camera.enabled,
            record: camera.record,
            status: patrol.status(camera),
            source: may.manage.then(|| CameraSource {
                main_url: camera.main_url.clone(),
                sub_url: camera.sub_url.clone(),
                transport: camera.transport,
                username: camera.username.clone(),
                has_password: camera.password.is_some(),
                kbps_max: camera.bitrate_max_kbps,
            }),
            may,
        }
    }
}

/// A decision as a refusal.
///
/// # Errors
/// 403, with the code that tells what would help.
pub fn allow(decision: Decision) -> ApiResult<()> {
    let error = match decision {
        Decision::Allowed => return Ok(()),
        Decision::NeedsSecondFactor => ApiError::new(Code::NeedsSecondFactor, "show the second factor of this account"),
        Decision::Denied(Denial::OutsideHours) => ApiError::new(Code::NotNow, "this is allowed at other times"),
        Decision::Denied(_) => ApiError::new(Code::Forbidden, "this needs a right that you don't have there"),
    };
    Err(error.because(decision.reason().unwrap_or("denied")))
}

/// Writes a refusal on the way to a camera down; repeated ones as their number.
pub(crate) fn count_refusal(app: &App, route: &Route, caller: Option<&Caller>, addr: ClientAddr, response: &Response) {
    if !route.path.starts_with("/api/v1/patrol/") {
        return;
    }
    let Some(refused) = response.extensions().get::<Refused>() else { return };
    let of_rights = matches!(
        refused.code.status(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN | StatusCode::NOT_FOUND | StatusCode::TOO_MANY_REQUESTS
    );
    let Some(reason) = refused.refusal.reason.or(of_rights.then(|| refused.code.as_str())) else { return };
    let who = match caller {
        Some(caller) => routes::who(caller, addr),
        None => Who { address: addr.0.to_string(), ..Who::default() },
    };
    let what = refused.refusal.camera.map(|camera| app.patrol.what(camera)).unwrap_or_default();
    let detail = format!("{:?} {}: {reason}", route.verb, route.path);
    app.patrol.trail().refused(UnixMillis::now(), who, AuditAction::Refused, what, &detail);
}
