//! Who may do what with which camera at this moment, as HTTP and walls ask it; every refusal leaves by here with the reason
//! that the audit log writes down.
//!
//! Does not belong here: how it is decided (`lectern_auth::may_look`).

use super::{
    Patrol, routes,
    told::{alarm_span, told},
    trail::Who,
};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code, Refused},
    extract::{Caller, ClientAddr},
    route::Route,
};
use axum::{http::StatusCode, response::Response};
use lectern_auth::{Action, CameraObject, Decision, Denial, Looker, PlaceNode, PlaceTree, Rights, may_look};
use lectern_library::{Camera, Hung, library::CameraSet, patrol::group_to_api};
use lectern_media::{CameraId, PlaceId, UnixMillis};
use lectern_protocol::{
    api::{self, AlarmItem, AuditAction, CameraMay, CameraSource, Span},
    wall::TileRefusal,
};
use std::sync::Arc;

/// What of a stretch of a camera's recording somebody may have: decided by where the camera hung then.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The camera.
    pub camera: Camera,
    /// What they may have, in order of time; at least one.
    pub allowed: Vec<Piece>,
    /// The rest: it was recorded where they may not look.
    pub refused: Vec<Span>,
}

/// A part of a stretch that somebody may have.
#[derive(Debug, Clone, PartialEq)]
pub struct Piece {
    /// The part.
    pub span: Span,
    /// How far they may look around it: nothing of what is read for this part may reach beyond.
    pub within: Span,
}

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

    /// Reads cameras and rules anew, and the time; who it is stays as it was.
    pub(crate) fn refresh(&mut self, patrol: &Patrol) {
        self.cameras = patrol.library().cameras();
        self.now = UnixMillis::now();
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

    /// The answer for what a camera recorded while it hung as `there` says.
    #[must_use]
    pub fn decide_there(&self, camera: &Camera, there: &CameraObject, action: Action) -> Decision {
        let who = (&self.rights, self.second_factor);
        self.cameras.may_look_there(who.0, who.1, (camera, there), action, &self.tree, self.now)
    }

    fn there(&self, camera: &Camera, there: &CameraObject, actions: &[Action]) -> ApiResult<()> {
        if let Some(reason) = self.decide_there(camera, there, Action::ViewCamera).reason() {
            return Err(ApiError::not_found("camera").because(reason).camera(camera.id));
        }
        for action in actions {
            allow(self.decide_there(camera, there, *action)).map_err(|e| e.camera(camera.id))?;
        }
        Ok(())
    }

    /// What of a stretch of a camera's recording may be had with all of `actions`. The place where the camera hung then decides, not
    /// that where it hangs now; of one that was removed, too.
    ///
    /// # Errors
    /// As [`Viewer::camera`] if nothing of it may be had; to whom the camera is known from elsewhere, [`Code::HungElsewhere`].
    pub fn footage(&self, id: CameraId, actions: &[Action], span: &Span) -> ApiResult<Seen> {
        let nothing = || ApiError::not_found("camera").because("unknown_camera").camera(id);
        let camera = self.cameras.get(id).ok_or_else(nothing)?;
        let (mut within, mut refused): (Vec<Span>, Vec<Span>) = (Vec::new(), Vec::new());
        let mut error: Option<ApiError> = None;
        for hung in camera.hung().filter(|h| h.from < h.to) {
            let touches = hung.from < span.to && span.from < hung.to;
            match self.there(camera, &hung.object, actions) {
                Ok(()) => join(&mut within, hung.from, hung.to),
                Err(e) if touches => {
                    let e = e.at(hung.from.max(span.from));
                    join(&mut refused, hung.from.max(span.from), hung.to.min(span.to));
                    // That something is missing which can be had says more than that nothing is there.
                    if error.as_ref().is_none_or(|e| e.code == Code::NotFound) {
                        error = Some(e);
                    }
                }
                Err(_) => {}
            }
        }
        let cut = |w: Span| {
            let span = Span { from: w.from.max(span.from), to: w.to.min(span.to) };
            (span.from < span.to).then_some(Piece { span, within: w })
        };
        let allowed: Vec<Piece> = within.into_iter().filter_map(cut).collect();
        if allowed.is_empty() {
            let error = error.unwrap_or_else(nothing);
            let moved = error.code == Code::NotFound && self.knows(camera);
            return Err(if moved { hung_elsewhere(id).at(span.from) } else { error });
        }
        Ok(Seen { camera: camera.clone(), allowed, refused })
    }

    /// The camera, if all of a stretch of its recording may be had with `action`.
    ///
    /// # Errors
    /// As [`Viewer::footage`]; [`Code::HungElsewhere`] if only a part of it may be had.
    pub fn whole(&self, id: CameraId, actions: &[Action], span: &Span) -> ApiResult<Camera> {
        let seen = self.footage(id, actions, span)?;
        match seen.refused.first() {
            None => Ok(seen.camera),
            Some(elsewhere) => Err(hung_elsewhere(id).at(elsewhere.from)),
        }
    }

    /// The camera, if `action` is allowed with what it recorded at a moment.
    ///
    /// # Errors
    /// As [`Viewer::footage`].
    pub fn at(&self, id: CameraId, action: Action, at: UnixMillis) -> ApiResult<Camera> {
        self.whole(id, &[action], &Span { from: at, to: UnixMillis(at.0.saturating_add(1)) })
    }

    /// Whether the camera could be seen in the tree at one of its places: that it is there is no secret.
    fn knows(&self, camera: &Camera) -> bool {
        camera.hung().any(|h| self.sees_there(camera, &h))
    }

    /// Whether the camera could be seen in the tree where it hung then.
    #[must_use]
    pub fn sees_there(&self, camera: &Camera, hung: &Hung<'_>) -> bool {
        self.decide_there(camera, &hung.object, Action::ViewCamera).is_allowed()
    }

    /// Where the camera hung, of those places that they may see and where `action` is allowed to them, when it first had an alarm that went
    /// on from `since` to `until`. None if it is so at none of them.
    #[must_use]
    pub fn alarm_side<'a>(
        &self,
        camera: &'a Camera,
        (since, until): (UnixMillis, Option<UnixMillis>),
        action: Action,
    ) -> Option<Hung<'a>> {
        let over = alarm_span(since, until, self.now);
        camera.hung_over(over.from, over.to).find(|h| self.there(camera, &h.object, &[action]).is_ok())
    }

    /// An alarm as they may know of it: it is a matter of each place where the camera hung while it went on. Who may not see the one where
    /// it began is told their own place and what was said there, and neither what was said where it began nor who said so, unless that
    /// was there.
    #[must_use]
    pub fn alarm(&self, alarm: AlarmItem) -> Option<AlarmItem> {
        let camera = self.cameras.get(alarm.camera)?;
        let sees = |object: &CameraObject| self.decide_there(camera, object, Action::ViewCamera).is_allowed();
        told(alarm, camera, &self.tree, self.now, sees)
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
        cameras.sort_by_cached_key(|c| (self.path(c.place), c.name.clone(), c.id));
        cameras
    }

    /// Cameras that hung below a place between two moments and could be seen there then, each with its places of that time, in order
    /// (at least one, and uncut); removed ones too, as far as they were there. By place and name of the last one.
    #[must_use]
    pub fn below_over(&self, place: PlaceId, span: &Span) -> Vec<(&Camera, Vec<Hung<'_>>)> {
        let mut found: Vec<(&Camera, Vec<Hung<'_>>)> = Vec::new();
        for camera in self.cameras.all() {
            let to = camera.removed.map_or(span.to, |removed| span.to.min(removed));
            let fits = |h: &Hung<'_>| {
                h.from.max(span.from) < h.to.min(to)
                    && self.tree.within(h.object.place, place)
                    && self.sees_there(camera, h)
            };
            let stays: Vec<Hung<'_>> = camera.hung().filter(fits).collect();
            if !stays.is_empty() {
                found.push((camera, stays));
            }
        }
        found.sort_by_cached_key(|(c, stays)| {
            stays.last().map(|h| (self.path(h.object.place), h.name.to_owned(), c.id))
        });
        found
    }

    fn path(&self, place: PlaceId) -> String {
        let mut names: Vec<&str> = self.tree.upward(place).map(|p| p.name.as_str()).collect();
        names.reverse();
        names.join("/")
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

    /// … where the camera hung then.
    #[must_use]
    pub fn waits_for_factor_there(&self, camera: &Camera, there: &CameraObject) -> bool {
        self.decide_there(camera, there, Action::PlayCamera) == Decision::NeedsSecondFactor
    }

    /// Whether the pages of exam patrol are for this account: it may see a camera, add one, or read the audit log.
    #[must_use]
    pub fn patrols(&self) -> bool {
        let anywhere = |action| {
            let at = self.rights.roles().iter().map(|r| r.place);
            at.into_iter().any(|place| self.rights.may(action, place, &self.tree))
        };
        [Action::ViewCamera, Action::ManageCamera, Action::ViewAudit, Action::SetCameraRules].into_iter().any(anywhere)
            // Of one that is gone from where they may look there are recordings.
            || self.cameras.all().any(|c| self.knows(c))
    }

    /// A camera as it was where it hung over some time, `stays` in order: what of it may be played, heard and exported. If it does not hang
    /// there any more, what it does now, and where, is not told.
    #[must_use]
    pub fn shown_there(&self, patrol: &Patrol, camera: &Camera, stays: &[Hung<'_>]) -> api::Camera {
        let any = |action| stays.iter().any(|h| self.decide_there(camera, &h.object, action).is_allowed());
        let may = CameraMay {
            live: false,
            listen: any(Action::ListenCamera),
            play: any(Action::PlayCamera),
            export: any(Action::ExportCamera),
            manage: false,
        };
        let Some(last) = stays.last().filter(|h| h.object != camera.object() || !self.is_there(camera)) else {
            let shown = self.shown(patrol, camera);
            return api::Camera { may: CameraMay { live: shown.may.live, manage: shown.may.manage, ..may }, ..shown };
        };
        let gone = if last.to == UnixMillis(i64::MAX) { camera.removed.unwrap_or(camera.created) } else { last.to };
        api::Camera {
            id: camera.id,
            place: last.object.place,
            place_name: self.place_name(last.object.place),
            name: last.name.to_owned(),
            group: group_to_api(last.object.group),
            code: None,
            enabled: false,
            record: false,
            status: super::status::off(gone),
            source: None,
            may,
        }
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

/// Adds a stretch to those before it; one that follows the last one at once makes it longer.
fn join(to: &mut Vec<Span>, from: UnixMillis, end: UnixMillis) {
    match to.last_mut() {
        Some(last) if last.to == from => last.to = end,
        _ => to.push(Span { from, to: end }),
    }
}

/// What was recorded before a camera came, or after it went, belongs to another place.
pub(crate) fn hung_elsewhere(camera: CameraId) -> ApiError {
    let detail =
        "at that time the camera hung elsewhere or was of another group: what it recorded then is not yours to see";
    ApiError::new(Code::HungElsewhere, detail).because("hung_elsewhere").camera(camera)
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
    // What was recorded is a matter of the place where the camera hung then.
    let at = refused.refusal.at.unwrap_or(UnixMillis(i64::MAX));
    let what = refused.refusal.camera.map(|camera| app.patrol.what_at(camera, at)).unwrap_or_default();
    let detail = format!("{:?} {}: {reason}", route.verb, route.path);
    app.patrol.trail().refused(UnixMillis::now(), who, AuditAction::Refused, what, &detail);
}
