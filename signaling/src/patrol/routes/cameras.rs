//! Cameras: the list of a place, adding, testing, importing, switching, removing.

use super::{at_place, by, note, viewer};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, ClientAddr, body_refusal, has_media_type},
    http::{
        params::{Id, Params},
        words,
    },
    patrol::{
        Patrol,
        access::Viewer,
        target::{camera_url, machines},
    },
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::{FromRequest as _, Request, State},
    http::{StatusCode, header},
    response::IntoResponse,
    routing::{delete, get, patch, post, put},
};
use bytes::Bytes;
use lectern_auth::{Action, CameraGroup, SealedFor, Secret};
use lectern_library::{
    By, Camera, CameraChange, Hang,
    import::{FaultCode, cameras as csv},
    patrol::group_from_api,
};
use lectern_media::{CameraId, PlaceId, UnixMillis};
use lectern_protocol::api::{
    self, AuditAction, CameraForm, CameraList, CameraReport, CameraSwitch, ImportError, ImportResult,
};
use serde::Deserialize;
use std::{
    collections::{HashMap, HashSet},
    time::Duration,
};

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
    Route::new(
        Verb::Post,
        "/api/v1/patrol/places/{id}/cameras/import",
        Right::May(Action::ImportCameras),
        "Bring in the cameras of a site as CSV: all, or none and what is wrong by line",
        || post(import),
    )
    .gives::<ImportResult>()
    .body_len_max(csv::FILE_BYTES_MAX),
    Route::new(
        Verb::Get,
        "/api/v1/patrol/cameras/import-template",
        Right::SignedIn,
        "The CSV to fill in, `?lang=zh` or `en`",
        || get(template),
    ),
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
        let cameras = found.iter().map(|(c, there, name)| v.shown_there(&app.patrol, c, there, name)).collect();
        let needs_second_factor = found.iter().any(|(c, there, _)| v.waits_for_factor_there(c, there));
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
struct Typed {
    camera: Camera,
    password: Option<Secret>,
    /// An address needs the password in it.
    masked: bool,
}

/// Checks a form for the camera `id`.
fn typed(patrol: &Patrol, id: CameraId, form: CameraForm) -> ApiResult<Typed> {
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
    fn complete(self, kept: Option<&Camera>) -> ApiResult<Self> {
        if self.masked && self.password.is_none() && kept.is_none_or(|kept| kept.password.is_none()) {
            return Err(ApiError::field("password", "the address needs it in the place of ***"));
        }
        Ok(self)
    }
}

/// Whether the caller may have a camera of this kind at this place.
fn may_place(v: &Viewer, camera: &Camera) -> ApiResult<()> {
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

fn seal(patrol: &Patrol, id: CameraId, password: &Secret) -> ApiResult<lectern_auth::Sealed> {
    patrol.0.seal.seal(SealedFor::Camera(id), password).map_err(|_| ApiError::field("password", "too long"))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Body(form): Body<CameraForm>,
) -> ApiResult<(StatusCode, Json<api::Camera>)> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    let Typed { mut camera, password, .. } = typed(p, CameraId::generate(), form)?.complete(None)?;
    may_place(&v, &camera)?;
    camera.password = password.map(|password| seal(p, camera.id, &password)).transpose()?;
    {
        let _alone = p.0.changing.lock().await;
        app.library.create_cameras(vec![camera.clone()]).await?;
        note(p, &caller, addr, AuditAction::CameraChanged, p.what(camera.id), "added").await?;
        p.follow(&camera).await?;
    }
    tracing::info!(by = %caller.account, camera = %camera.id, "added a camera");
    Ok((StatusCode::CREATED, Json(viewer(p, &caller).shown(p, &camera))))
}

async fn replace(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<CameraId>,
    Body(form): Body<CameraForm>,
) -> ApiResult<Json<api::Camera>> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
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
    let detail = match old.group == new.group {
        true => "changed".to_owned(),
        false => format!("changed, group {:?} to {:?}", old.group, new.group),
    };
    let password = password.map(|password| seal(p, id, &password)).transpose()?.map(Some);
    let change = CameraChange {
        // By the clock that dates what is recorded: it never turns back.
        hang: Some(Hang { place: new.place, group: new.group, by: By { at: UnixMillis::steady(), ..by(&caller) } }),
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
    let before = p.what(id);
    let changed = change_camera(&app, &caller, addr, id, change, &detail).await?;
    if changed.place != old.place {
        note(p, &caller, addr, AuditAction::CameraChanged, before, "moved away").await?;
        note(p, &caller, addr, AuditAction::CameraChanged, p.what(id), "moved here").await?;
    }
    // Another place or group: other people may look.
    p.rights_changed();
    Ok(Json(viewer(p, &caller).shown(p, &changed)))
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

async fn change_camera(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    id: CameraId,
    change: CameraChange,
    detail: &str,
) -> ApiResult<Camera> {
    let p = &app.patrol;
    let _alone = p.0.changing.lock().await;
    let changed = app.library.change_camera(id, change).await?;
    note(p, caller, addr, AuditAction::CameraChanged, p.what(id), detail).await?;
    p.follow(&changed).await?;
    tracing::info!(by = %caller.account, camera = %id, detail, "changed a camera");
    Ok(changed)
}

async fn switch(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<CameraId>,
    Body(body): Body<CameraSwitch>,
) -> ApiResult<Json<api::Camera>> {
    viewer(&app.patrol, &caller).living(id, Action::ManageCamera)?;
    let change = CameraChange { enabled: body.enabled, record: body.record, ..CameraChange::default() };
    let detail = match (body.enabled, body.record) {
        (Some(false), _) => "stopped",
        (Some(true), _) => "started",
        (None, Some(false)) => "recording stopped",
        (None, Some(true)) => "recording started",
        (None, None) => return Err(ApiError::new(Code::BadRequest, "say enabled or record")),
    };
    let changed = change_camera(&app, &caller, addr, id, change, detail).await?;
    Ok(Json(viewer(&app.patrol, &caller).shown(&app.patrol, &changed)))
}

async fn remove(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<CameraId>,
) -> ApiResult<StatusCode> {
    let p = &app.patrol;
    let camera = viewer(p, &caller).living(id, Action::ManageCamera)?;
    note(p, &caller, addr, AuditAction::CameraChanged, p.what(id), "removed").await?;
    p.begin_removal(&camera, UnixMillis::now()).await?;
    tracing::info!(by = %caller.account, camera = %id, "removed a camera");
    Ok(StatusCode::NO_CONTENT)
}

async fn restore(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<CameraId>,
) -> ApiResult<Json<api::Camera>> {
    let p = &app.patrol;
    viewer(p, &caller).camera(id, Action::ManageCamera)?;
    let camera = p.end_removal(id).await?;
    note(p, &caller, addr, AuditAction::CameraChanged, p.what(id), "restored").await?;
    p.rights_changed();
    Ok(Json(viewer(p, &caller).shown(p, &camera)))
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

#[derive(Debug, Deserialize)]
struct ImportQuery {
    #[serde(default)]
    dry_run: bool,
}

async fn import(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<PlaceId>,
    Params(query): Params<ImportQuery>,
    req: Request,
) -> ApiResult<Json<ImportResult>> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    let place = v.place(id, Action::ImportCameras)?;
    let csv_types = ["text/csv", "application/csv", "application/vnd.ms-excel"];
    if !csv_types.iter().any(|essence| has_media_type(req.headers(), essence)) {
        return Err(ApiError::new(Code::UnsupportedType, "send the file as text/csv"));
    }
    let bytes = Bytes::from_request(req, &app).await.map_err(body_refusal)?;
    let sheet = match csv::parse(&bytes) {
        Ok(sheet) => sheet,
        Err(faults) => return Ok(Json(refused_sheet(faults))),
    };
    let _alone = p.0.changing.lock().await;
    let (cameras, faults) = read_rows(p, &v, id, sheet);
    if !faults.is_empty() {
        return Ok(Json(refused_sheet(faults)));
    }
    let created = cameras.len() as u32;
    if query.dry_run {
        return Ok(Json(ImportResult { created, errors: vec![] }));
    }
    app.library.create_cameras(cameras.clone()).await?;
    let detail = format!("imported {created}");
    note(p, &caller, addr, AuditAction::CameraChanged, at_place(&place), detail).await?;
    for camera in &cameras {
        // They are in the catalogue; one that can't be started says so in its state.
        if let Err(error) = p.follow(camera).await {
            tracing::warn!(camera = %camera.id, %error, "an imported camera could not be started");
        }
    }
    tracing::info!(by = %caller.account, place = %id, created, "imported cameras");
    Ok(Json(ImportResult { created, errors: vec![] }))
}

fn refused_sheet(faults: Vec<lectern_library::import::Fault>) -> ImportResult {
    let errors = faults.into_iter().map(|fault| ImportError {
        line: fault.line,
        column: fault.column,
        code: fault.code.as_str().to_owned(),
        detail: fault.detail,
    });
    ImportResult { created: 0, errors: errors.collect() }
}

/// Rows to cameras: places by name, addresses taken apart, passwords sealed, names and codes unlike all others.
fn read_rows(
    p: &Patrol,
    v: &Viewer,
    root: PlaceId,
    sheet: csv::Sheet,
) -> (Vec<Camera>, Vec<lectern_library::import::Fault>) {
    let mut names: HashMap<(PlaceId, String), u32> = HashMap::new();
    let mut codes: HashMap<String, u32> = HashMap::new();
    for camera in v.cameras.present() {
        names.insert((camera.place, camera.name.clone()), 0);
        codes.extend(camera.code.clone().map(|code| (code, 0)));
    }
    let (mut cameras, mut faults) = (Vec::new(), Vec::new());
    for row in sheet.rows {
        let line = row.line;
        let mut fault = |column: csv::Column, code: FaultCode, detail: &str| {
            faults.push(sheet.columns.fault(line, column, code, detail));
        };
        let place = match find_place(v, root, &row.place) {
            Ok(place) => place,
            Err(code) => {
                fault(csv::Column::Place, code, "a place at or below the site that the file is for");
                continue;
            }
        };
        let id = CameraId::generate();
        let form = CameraForm {
            place,
            name: row.name,
            group: row.group,
            code: row.code,
            main_url: row.main_url,
            sub_url: row.sub_url,
            transport: row.transport,
            username: row.username,
            password: row.password.map(|p| p.expose().to_owned()),
            kbps_max: row.kbps_max,
            record: row.record,
        };
        let camera =
            typed(p, id, form).and_then(|t| t.complete(None)).and_then(|Typed { mut camera, password, .. }| {
                may_place(v, &camera)?;
                camera.password = password.map(|password| seal(p, id, &password)).transpose()?;
                Ok(camera)
            });
        let camera = match camera {
            Ok(camera) => camera,
            Err(error) => {
                let (column, code) = match error.field.as_deref() {
                    Some("main_url") => (csv::Column::MainUrl, FaultCode::BadAddress),
                    Some("sub_url") => (csv::Column::SubUrl, FaultCode::BadAddress),
                    Some("code") => (csv::Column::Code, FaultCode::BadCameraCode),
                    Some("kbps_max") => (csv::Column::KbpsMax, FaultCode::BadNumber),
                    Some("username") => (csv::Column::Username, FaultCode::TooLong),
                    Some("password") => (csv::Column::Password, FaultCode::TooLong),
                    Some("place") => (csv::Column::Place, FaultCode::NotAllowed),
                    Some(_) => (csv::Column::Name, FaultCode::BadWord),
                    None => (csv::Column::Place, FaultCode::NotAllowed),
                };
                fault(column, code, &error.detail);
                continue;
            }
        };
        if let Some(other) = names.insert((camera.place, camera.name.clone()), line) {
            let detail = if other > 0 { format!("as in line {other}") } else { "a camera there has this name".into() };
            fault(csv::Column::Name, FaultCode::CameraNameTaken, &detail);
        }
        if let Some(other) = camera.code.clone().and_then(|code| codes.insert(code, line)) {
            let detail = if other > 0 { format!("as in line {other}") } else { "a camera has this code".into() };
            fault(csv::Column::Code, FaultCode::CameraCodeTaken, &detail);
        }
        cameras.push(camera);
    }
    faults.truncate(lectern_library::import::FAULTS_MAX);
    (cameras, faults)
}

/// A place at or below `root`, by name or path from below it; empty: `root` itself.
fn find_place(v: &Viewer, root: PlaceId, name: &str) -> Result<PlaceId, FaultCode> {
    if name.is_empty() {
        return Ok(root);
    }
    let wanted: Vec<&str> = name.split('/').map(str::trim).rev().collect();
    let mut found = v.tree.iter().filter(|p| {
        let mut up = v.tree.upward(p.id);
        v.tree.within(p.id, root) && wanted.iter().all(|name| up.next().is_some_and(|p| p.name == *name))
    });
    match (found.next(), found.next()) {
        (Some(place), None) => Ok(place.id),
        (Some(_), Some(_)) => Err(FaultCode::AmbiguousPlace),
        (None, _) => Err(FaultCode::UnknownPlace),
    }
}

#[derive(Debug, Deserialize)]
struct TemplateQuery {
    #[serde(default)]
    lang: String,
}

async fn template(Params(query): Params<TemplateQuery>) -> impl IntoResponse {
    let english = query.lang.starts_with("en");
    let name = if english { "cameras.csv" } else { "%E6%91%84%E5%83%8F%E6%9C%BA.csv" };
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, format!("attachment; filename*=UTF-8''{name}")),
    ];
    (headers, csv::template(english))
}
