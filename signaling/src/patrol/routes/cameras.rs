//! Cameras: the list of a place, adding, testing, changing and moving, switching, removing.
//!
//! Does not belong here: a site's cameras as CSV (`import`).

use super::{at_place, by, note, to_its_end, viewer};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, ClientAddr},
    http::{
        params::{Id, Params},
        words,
    },
    patrol::{
        Patrol,
        access::Viewer,
        target::{camera_url, machines},
        trail::What,
    },
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{delete, get, patch, post, put},
};
use lectern_auth::{Action, CameraGroup, SealedFor, Secret};
use lectern_library::{By, Camera, CameraChange, Hang, Hung, patrol::group_from_api};
use lectern_media::{CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::{self, AuditAction, CameraForm, CameraList, CameraReport, CameraSwitch};
use serde::Deserialize;
use std::{collections::HashSet, time::Duration};

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(
        Verb::Get,
        "/api/v1/patrol/places/{id}/cameras",
        Right::SignedIn,
        "The cameras of a place and below that the caller may see; with `?from=&to=` those that hung there then, as they were",
        || get(list),
    )
    .gives::<CameraList>(),
    Route::new(Verb::Post, "/api/v1/patrol/cameras", Right::May(Action::ManageCamera), "Add a camera", || post(create))
        .takes::<CameraForm>()
        .gives::<api::Camera>(),
    Route::new(
        Verb::Post,
        "/api/v1/patrol/cameras/test",
        Right::May(Action::ManageCamera),
        "Try a camera: what it sends and what is wrong, with a picture",
        || post(test),
    )
    .takes::<CameraForm>()
    .gives::<CameraReport>(),
    Route::new(Verb::Get, "/api/v1/patrol/cameras/{id}", Right::May(Action::ViewCamera), "A camera", || get(one))
        .gives::<api::Camera>(),
    Route::new(Verb::Put, "/api/v1/patrol/cameras/{id}", Right::May(Action::ManageCamera), "Change a camera", || {
        put(replace)
    })
    .takes::<CameraForm>()
    .gives::<api::Camera>(),
    Route::new(
        Verb::Patch,
        "/api/v1/patrol/cameras/{id}",
        Right::May(Action::ManageCamera),
        "Start or stop a camera, or its recording",
        || patch(switch),
    )
    .takes::<CameraSwitch>()
    .gives::<api::Camera>(),
    Route::new(
        Verb::Delete,
        "/api/v1/patrol/cameras/{id}",
        Right::May(Action::ManageCamera),
        "Remove a camera; its footage stays as long as its rule says",
        || delete(remove),
    ),
    Route::new(
        Verb::Post,
        "/api/v1/patrol/cameras/{id}/restore",
        Right::May(Action::ManageCamera),
        "Take the removal of a camera back, within ten seconds",
        || post(restore),
    )
    .gives::<api::Camera>(),
];

/// How long a test takes at most.
const TEST_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, Deserialize)]
struct ListQuery {
    from: Option<UnixMillis>,
    to: Option<UnixMillis>,
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<PlaceId>,
    Params(query): Params<ListQuery>,
) -> ApiResult<Json<CameraList>> {
    let v = viewer(&app.patrol, &caller);
    // Who sees a camera by a rule and not by a role finds it below the places above it.
    if v.tree.get(id).is_none() {
        return Err(ApiError::not_found("place"));
    }
    if let (Some(from), Some(to)) = (query.from, query.to) {
        let found = v.below_over(id, &super::range(from, to)?);
        if found.is_empty() && !v.rights.may(Action::ViewPlace, id, &v.tree) {
            return Err(ApiError::not_found("place").because("unknown_place"));
        }
        let cameras = found.iter().map(|(c, stays)| v.shown_there(&app.patrol, c, stays)).collect();
        let waits =
            |(c, stays): &(&Camera, Vec<Hung<'_>>)| stays.iter().any(|h| v.waits_for_factor_there(c, &h.object));
        let needs_second_factor = found.iter().any(waits);
        return Ok(Json(CameraList { cameras, needs_second_factor }));
    }
    let below = v.below(id);
    if below.is_empty() && !v.rights.may(Action::ViewPlace, id, &v.tree) {
        return Err(ApiError::not_found("place").because("unknown_place"));
    }
    let needs_second_factor = below.iter().any(|c| v.waits_for_factor(c));
    let cameras = below.into_iter().map(|c| v.shown(&app.patrol, c)).collect();
    Ok(Json(CameraList { cameras, needs_second_factor }))
}

async fn one(State(app): State<App>, caller: Caller, Id(id): Id<CameraId>) -> ApiResult<Json<api::Camera>> {
    let v = viewer(&app.patrol, &caller);
    let camera = v.camera(id, Action::ViewCamera)?;
    Ok(Json(v.shown(&app.patrol, &camera)))
}

/// What a form says, checked; the password is apart.
pub(super) struct Typed {
    pub camera: Camera,
    pub password: Option<Secret>,
    /// An address needs the password in it.
    masked: bool,
}

/// Checks a form for the camera `id`.
pub(super) fn typed(patrol: &Patrol, id: CameraId, form: CameraForm) -> ApiResult<Typed> {
    let allow = patrol.0.settings.allow_loopback;
    let main = camera_url("main_url", &form.main_url, allow)?;
    let sub = form.sub_url.as_deref().map(str::trim).filter(|u| !u.is_empty());
    let sub = sub.map(|u| camera_url("sub_url", u, allow)).transpose()?;
    let mut username = words::text("username", &form.username, 0, 100)?;
    let mut password = form.password.filter(|p| !p.is_empty()).map(Secret::new);
    // What stood in an address fills what was left empty.
    for found in [Some(&main), sub.as_ref()].into_iter().flatten().filter_map(|u| u.user_info.as_ref()) {
        if username.is_empty() {
            username = words::text("username", &found.0, 0, 100)?;
        }
        if password.is_none() {
            password.clone_from(&found.1);
        }
    }
    // One that stands in path or query is the camera's, too: it is kept with it, sealed, and put back when it is connected to.
    for (field, found) in [("main_url", Some(&main)), ("sub_url", sub.as_ref())] {
        let Some(found) = found.and_then(|u| u.in_query.as_ref()) else { continue };
        match &password {
            Some(known) if known.expose() != found.expose() => {
                return Err(ApiError::field(field, "a camera has one password; another one is typed beside this one"));
            }
            _ => password = Some(found.clone()),
        }
    }
    if password.as_ref().is_some_and(|p| p.expose().len() > 200) {
        return Err(ApiError::field("password", "at most 200 bytes"));
    }
    let code = form.code.as_deref().map(str::trim).filter(|c| !c.is_empty());
    if code.is_some_and(|c| c.len() != 20 || !c.bytes().all(|b| b.is_ascii_digit())) {
        return Err(ApiError::field("code", "20 digits (GB/T 28181-2022 annex E)"));
    }
    if !(256..=20_000).contains(&form.kbps_max) {
        return Err(ApiError::field("kbps_max", "256 to 20,000"));
    }
    let masked = main.is_masked() || sub.as_ref().is_some_and(|sub| sub.is_masked());
    let camera = Camera {
        id,
        place: form.place,
        name: words::text("name", &form.name, 1, 60)?,
        group: group_from_api(form.group),
        code: code.map(str::to_owned),
        main_url: main.url,
        sub_url: sub.map(|s| s.url),
        transport: form.transport,
        username,
        password: None,
        bitrate_max_kbps: form.kbps_max,
        enabled: true,
        record: form.record,
        created: UnixMillis::now(),
        removed: None,
        stays: vec![],
    };
    Ok(Typed { camera, password, masked })
}

impl Typed {
    /// Refuses an address that needs a password which nobody typed and none is kept of.
    pub fn complete(self, kept: Option<&Camera>) -> ApiResult<Self> {
        if self.masked && self.password.is_none() && kept.is_none_or(|kept| kept.password.is_none()) {
            return Err(ApiError::field("password", "the address needs it in the place of ***"));
        }
        Ok(self)
    }
}

/// Whether the caller may have a camera of this kind at this place.
pub(super) fn may_place(v: &Viewer, camera: &Camera) -> ApiResult<()> {
    let place = v.place(camera.place, Action::ManageCamera).map_err(|e| match e.code {
        Code::NotFound => {
            ApiError::field("place", "there is no such place, or it is not yours").because("unknown_place")
        }
        _ => e,
    })?;
    if place.level.depth() < lectern_auth::Level::School.depth() {
        return Err(ApiError::field("place", "a camera hangs at a school or exam site, or below one"));
    }
    Ok(())
}

pub(super) fn seal(patrol: &Patrol, id: CameraId, password: &Secret) -> ApiResult<lectern_auth::Sealed> {
    patrol.0.seal.seal(SealedFor::Camera(id), password).map_err(|_| ApiError::field("password", "too long"))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Body(form): Body<CameraForm>,
) -> ApiResult<(StatusCode, Json<api::Camera>)> {
    to_its_end(async move { created(&app, &caller, addr, form).await }).await
}

async fn created(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    form: CameraForm,
) -> ApiResult<(StatusCode, Json<api::Camera>)> {
    let p = &app.patrol;
    let alone = p.0.changing.lock().await;
    let v = viewer(p, caller);
    let Typed { mut camera, password, .. } = typed(p, CameraId::generate(), form)?.complete(None)?;
    may_place(&v, &camera)?;
    camera.password = password.map(|password| seal(p, camera.id, &password)).transpose()?;
    app.library.create_cameras(vec![camera.clone()]).await?;
    note(p, caller, addr, AuditAction::CameraChanged, p.what(camera.id), "added").await?;
    p.follow(&camera).await?;
    drop(alone);
    tracing::info!(by = %caller.account, camera = %camera.id, "added a camera");
    Ok((StatusCode::CREATED, Json(viewer(p, caller).shown(p, &camera))))
}

async fn replace(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<CameraId>,
    Body(form): Body<CameraForm>,
) -> ApiResult<Json<api::Camera>> {
    to_its_end(async move { replaced(&app, &caller, addr, id, form).await }).await
}

/// A move that lies no further ahead than this was made by a clock that was right as likely as the one of now: a move waits until that
/// moment is over. One further ahead was made by a clock that was wrong, and is cut short by the next move.
const BEHIND_MS_MAX: i64 = 24 * 3_600_000;

async fn replaced(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    id: CameraId,
    form: CameraForm,
) -> ApiResult<Json<api::Camera>> {
    let p = &app.patrol;
    // Where it hangs, and who may manage it there, stays so until all is done.
    let alone = p.0.changing.lock().await;
    let v = viewer(p, caller);
    let old = v.living(id, Action::ManageCamera)?;
    let Typed { camera: new, password, .. } = typed(p, id, form)?.complete(Some(&old))?;
    if new.place != old.place {
        may_place(&v, &new)?;
    }
    if password.is_none() && old.password.is_some() && !hosts(&new).is_subset(&hosts(&old)) {
        // Else whoever may change a camera could have its password sent to a machine of their own.
        return Err(ApiError::field("password", "type the password again when the address changes"));
    }
    if old.group == CameraGroup::SealedRoom && new.group != CameraGroup::SealedRoom {
        // Else whoever may change the camera opens the sealed room to themselves and others.
        let looks = v.decide(&old, Action::LiveCamera).is_allowed();
        if !looks && v.place(old.place, Action::SetCameraRules).is_err() {
            return Err(ApiError::forbidden("say that this is no sealed-paper room").because("sealed_room").camera(id));
        }
    }
    // By the clock that dates what is recorded: it never turns back while the server runs.
    let now = UnixMillis::steady();
    // A clock that is some hours behind is believed for a while after a restart; the catalogue knows of a later move.
    let behind = old.stays.last().is_some_and(|s| now < s.until && s.until.0 - now.0 <= BEHIND_MS_MAX);
    if (new.place, new.group) != (old.place, old.group) && (behind || p.0.footage.misdates()) {
        // What is recorded from then on belongs there by the moment of the move: a wrong one gives it to others.
        let detail = "a camera is not moved, nor its group changed, while the server's clock is doubted";
        return Err(ApiError::new(Code::ClockDoubted, detail).because("clock_doubted").camera(id));
    }
    let detail = match old.group == new.group {
        true => "changed".to_owned(),
        false => format!("changed, group {:?} to {:?}", old.group, new.group),
    };
    let here = What {
        place: Some(new.place),
        place_name: v.place_name(new.place),
        camera: Some(id),
        camera_name: new.name.clone(),
    };
    let mut told = vec![(here.clone(), detail)];
    if new.place != old.place {
        told.push((p.what(id), "moved away".to_owned()));
        told.push((here, "moved here".to_owned()));
    }
    let password = password.map(|password| seal(p, id, &password)).transpose()?.map(Some);
    let change = CameraChange {
        hang: Some(Hang { place: new.place, group: new.group, by: By { at: now, ..by(caller) } }),
        name: Some(new.name),
        code: Some(new.code),
        main_url: Some(new.main_url),
        sub_url: Some(new.sub_url),
        transport: Some(new.transport),
        username: Some(new.username),
        password,
        bitrate_max_kbps: Some(new.bitrate_max_kbps),
        enabled: None,
        record: Some(new.record),
    };
    let changed = change_camera(app, caller, addr, id, change, told).await?;
    drop(alone);
    Ok(Json(viewer(p, caller).shown(p, &changed)))
}

/// Whether none of `others` hangs on a machine that `camera` is reached at; no, if that can't be known now.
async fn are_elsewhere<'a>(others: impl Iterator<Item = &'a Camera>, camera: &Camera) -> bool {
    let urls = |c: &'a Camera| [Some(c.main_url.as_str()), c.sub_url.as_deref()].into_iter().flatten();
    let others: HashSet<&str> = others.flat_map(urls).collect();
    if others.is_empty() {
        return true;
    }
    let own = HashSet::from_iter([Some(camera.main_url.as_str()), camera.sub_url.as_deref()].into_iter().flatten());
    match (machines(&own).await, machines(&others).await) {
        (Some(own), Some(others)) => own.is_disjoint(&others),
        _ => false,
    }
}

/// The hosts, as written, that a camera's password is sent to: of both its streams.
fn hosts(camera: &Camera) -> HashSet<(String, u16)> {
    let host = |url: &str| {
        let url = url::Url::parse(url).ok()?;
        Some((url.host_str()?.to_ascii_lowercase(), url.port().unwrap_or(554)))
    };
    [Some(&camera.main_url), camera.sub_url.as_ref()].into_iter().flatten().filter_map(|url| host(url)).collect()
}

/// Changes a camera after that stands in the audit log, at each place that it concerns; if it is not done, that stands there, too. To be
/// called by whoever holds `changing`.
async fn change_camera(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    id: CameraId,
    change: CameraChange,
    told: Vec<(What, String)>,
) -> ApiResult<Camera> {
    let p = &app.patrol;
    for (what, detail) in &told {
        note(p, caller, addr, AuditAction::CameraChanged, what.clone(), detail.clone()).await?;
    }
    let old = app.library.cameras().get(id).cloned();
    let changed = match app.library.change_camera(id, change).await {
        Ok(changed) => changed,
        Err(error) => {
            let places: HashSet<_> = told.iter().map(|(what, _)| what.place).collect();
            for place in places {
                let what = told.iter().find(|(what, _)| what.place == place).map(|(what, _)| what.clone());
                note(p, caller, addr, AuditAction::CameraChanged, what.unwrap_or_default(), "not done").await?;
            }
            return Err(error.into());
        }
    };
    // Another place or group: other people may look.
    p.rights_changed();
    if let Some(old) = old.filter(|old| old.place != changed.place) {
        p.alarms_moved(&old, &changed).await;
    }
    p.follow(&changed).await?;
    tracing::info!(by = %caller.account, camera = %id, ?told, "changed a camera");
    Ok(changed)
}

async fn switch(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<CameraId>,
    Body(body): Body<CameraSwitch>,
) -> ApiResult<Json<api::Camera>> {
    to_its_end(async move { switched(&app, &caller, addr, id, body).await }).await
}

async fn switched(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    id: CameraId,
    body: CameraSwitch,
) -> ApiResult<Json<api::Camera>> {
    let p = &app.patrol;
    let alone = p.0.changing.lock().await;
    viewer(p, caller).living(id, Action::ManageCamera)?;
    let change = CameraChange { enabled: body.enabled, record: body.record, ..CameraChange::default() };
    let detail = match (body.enabled, body.record) {
        (Some(false), _) => "stopped",
        (Some(true), _) => "started",
        (None, Some(false)) => "recording stopped",
        (None, Some(true)) => "recording started",
        (None, None) => return Err(ApiError::new(Code::BadRequest, "say enabled or record")),
    };
    let changed = change_camera(app, caller, addr, id, change, vec![(p.what(id), detail.to_owned())]).await?;
    drop(alone);
    Ok(Json(viewer(p, caller).shown(p, &changed)))
}

async fn remove(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<CameraId>,
) -> ApiResult<StatusCode> {
    to_its_end(async move { removed(&app, &caller, addr, id).await }).await
}

async fn removed(app: &App, caller: &Caller, addr: ClientAddr, id: CameraId) -> ApiResult<StatusCode> {
    let p = &app.patrol;
    // Where it hangs, and that nobody else removed it, stays so until all is done.
    let _alone = p.0.changing.lock().await;
    let camera = viewer(p, caller).living(id, Action::ManageCamera)?;
    note(p, caller, addr, AuditAction::CameraChanged, p.what(id), "removed").await?;
    if let Err(error) = p.begin_removal(&camera, UnixMillis::now()).await {
        note(p, caller, addr, AuditAction::CameraChanged, p.what(id), "not done").await?;
        return Err(error);
    }
    tracing::info!(by = %caller.account, camera = %id, "removed a camera");
    Ok(StatusCode::NO_CONTENT)
}

async fn restore(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<CameraId>,
) -> ApiResult<Json<api::Camera>> {
    to_its_end(async move { restored(&app, &caller, addr, id).await }).await
}

async fn restored(app: &App, caller: &Caller, addr: ClientAddr, id: CameraId) -> ApiResult<Json<api::Camera>> {
    let p = &app.patrol;
    let alone = p.0.changing.lock().await;
    viewer(p, caller).camera(id, Action::ManageCamera)?;
    if !p.leaving().contains(&id) {
        return Err(ApiError::not_found("removed camera").camera(id));
    }
    note(p, caller, addr, AuditAction::CameraChanged, p.what(id), "restored").await?;
    let camera = match p.end_removal(id).await {
        Ok(camera) => camera,
        Err(error) => {
            note(p, caller, addr, AuditAction::CameraChanged, p.what(id), "not done").await?;
            return Err(error);
        }
    };
    p.follow(&camera).await?;
    drop(alone);
    Ok(Json(viewer(p, caller).shown(p, &camera)))
}

#[derive(Debug, Deserialize)]
struct TestQuery {
    /// Whose kept password is used when none is typed.
    camera: Option<CameraId>,
}

async fn test(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Params(query): Params<TestQuery>,
    Body(form): Body<CameraForm>,
) -> ApiResult<Json<CameraReport>> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    let kept = query.camera.map(|id| v.living(id, Action::ManageCamera)).transpose()?;
    let Typed { camera, password, .. } = typed(p, CameraId::generate(), form)?.complete(kept.as_ref())?;
    may_place(&v, &camera)?;
    let mut feed = p.feed(&camera)?;
    feed.password = password;
    // A kept password goes to the camera that it belongs to only.
    if let Some(kept) = kept.as_ref().filter(|kept| feed.password.is_none() && hosts(&camera).is_subset(&hosts(kept))) {
        feed.password = p.feed(kept)?.password;
    }
    // To run a camera is not to look through it: the picture is for those who may see it live.
    // One recorder has many cameras behind one address: whoever may not see each of them gets no picture from there, as its
    // channels are a matter of spelling.
    let hidden = v.cameras.present().filter(|c| !v.decide(c, Action::LiveCamera).is_allowed());
    let looks = v.would(&camera, Action::LiveCamera).is_allowed()
        && kept.as_ref().is_none_or(|c| v.decide(c, Action::LiveCamera).is_allowed())
        && are_elsewhere(hidden, &camera).await;
    let _turn = p.0.testing.try_acquire().map_err(|_| {
        ApiError::retry(Code::Busy, Duration::from_secs(3), "several cameras are being tested; try again")
    })?;
    let what = match &kept {
        Some(kept) => p.what(kept.id),
        None => at_place(&v.place(camera.place, Action::ManageCamera)?),
    };
    note(p, &caller, addr, AuditAction::CameraChanged, what.clone(), "tested").await?;
    let mut report = p.0.cameras.probe(feed, TEST_WITHIN).await;
    report.picture.take_if(|_| !looks);
    if report.picture.is_some() {
        note(p, &caller, addr, AuditAction::Snapshot, what, "of a test").await?;
    }
    Ok(Json(report))
}
