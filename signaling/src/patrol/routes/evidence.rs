//! Exports of evidence: asking, following, calling off, fetching.

use super::{range, viewer, who};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, ClientAddr},
    http::{
        bytes::{answer, etag_of, range_of},
        params::Id,
        words,
    },
    patrol::{
        access::{Piece, Viewer, hung_elsewhere},
        exports::{Kept, QueueError},
        trail::Act,
    },
    ports::{Served, ServedBody},
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::Response,
    routing::{delete, get, post},
};
use lectern_auth::{Action, CAMERA_GRANT_LIFE_MAX, CameraGrant};
use lectern_media::{CameraId, UnixMillis};
use lectern_protocol::api::{AuditAction, ExportJob, ExportState, MediaGrant, NewExport, Span};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};
use ulid::Ulid;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(Verb::Get, "/api/v1/patrol/exports", Right::SignedIn, "One's own exports, newest first", || get(list))
        .gives_list::<ExportJob>(),
    Route::new(Verb::Post, "/api/v1/patrol/exports", Right::May(Action::ExportCamera), "Ask for an export", || {
        post(ask)
    })
    .takes::<NewExport>()
    .gives::<ExportJob>(),
    Route::new(Verb::Get, "/api/v1/patrol/exports/{id}", Right::May(Action::ExportCamera), "An export", || get(one))
        .gives::<ExportJob>(),
    Route::new(
        Verb::Delete,
        "/api/v1/patrol/exports/{id}",
        Right::May(Action::ExportCamera),
        "Call an export off, or remove one that is finished",
        || delete(cancel),
    )
    .gives::<ExportJob>(),
    Route::new(
        Verb::Post,
        "/api/v1/patrol/exports/{id}/grants",
        Right::May(Action::ExportCamera),
        "A grant to fetch an export: `GET /api/v1/patrol/media/{token}/export`",
        || post(grant),
    )
    .gives::<MediaGrant>(),
];

const CAMERAS_MAX: usize = 36;
const LENGTH_MAX: Duration = Duration::from_secs(24 * 3_600);

async fn list(State(app): State<App>, caller: Caller) -> Json<Vec<ExportJob>> {
    Json(app.patrol.0.exports.lock().of(caller.account))
}

async fn ask(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Body(body): Body<NewExport>,
) -> ApiResult<(StatusCode, Json<ExportJob>)> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    let mut seen = BTreeSet::new();
    let cameras: Vec<CameraId> = body.cameras.iter().copied().filter(|c| seen.insert(*c)).collect();
    if !(1..=CAMERAS_MAX).contains(&cameras.len()) {
        return Err(ApiError::field("cameras", "1 to 36 cameras"));
    }
    let asked = range(body.from, body.to)?;
    let Exportable { span, within, refused } = exportable(&v, &cameras, &asked)?;
    if span.to.since(span.from) > LENGTH_MAX {
        return Err(ApiError::field("to", "at most 24 hours after from"));
    }
    let now = UnixMillis::now();
    if span.from >= now {
        return Err(ApiError::field("from", "a stretch of the past"));
    }
    let reason = words::text("reason", &body.reason, 2, 200)?;
    let request = NewExport { cameras, from: span.from, to: span.to.min(now), reason };
    let job = ExportJob {
        id: Ulid::new(),
        request,
        by: caller.name.clone(),
        created: now,
        state: ExportState::Waiting,
        progress: 0,
        bytes: 0,
        gaps: 0,
        sha256: None,
        key: None,
        detail: None,
        expires: None,
    };
    for camera in &job.request.cameras {
        let detail = job.request.reason.clone();
        let act = Act::new(now, who(&caller, addr), AuditAction::ExportAsked, p.what_at(*camera, span.from), detail);
        super::write(p, act.range(job.request.from, job.request.to)).await?;
    }
    // What of a camera belongs to another place is left out, and that is said of it there; of one beside it nothing is refused.
    for (camera, Span { from, to }) in refused {
        let to = to.min(now);
        if from < to {
            let who = who(&caller, addr);
            let act = Act::new(now, who, AuditAction::Refused, p.what_at(camera, from), "hung_elsewhere");
            super::write(p, act.range(from, to)).await?;
        }
    }
    let kept = Kept {
        job: job.clone(),
        account: caller.account,
        login: caller.login.clone(),
        of_place: who(&caller, addr).of_place,
        within,
    };
    let this = p.clone();
    // A file is written and synced.
    let added = tokio::task::spawn_blocking(move || this.0.exports.lock().add(kept)).await;
    added.map_err(ApiError::internal)?.map_err(|e| match e {
        QueueError::TooMany | QueueError::Full => ApiError::new(Code::Conflict, e.to_string()),
        QueueError::Disk(io) if io.kind() == std::io::ErrorKind::StorageFull => Code::DiskFull.into(),
        QueueError::Disk(io) => ApiError::internal(io),
    })?;
    p.0.export_wake.notify_one();
    tracing::info!(by = %caller.account, export = %job.id, cameras = job.request.cameras.len(), "asked for an export");
    Ok((StatusCode::CREATED, Json(job)))
}

/// What of some cameras somebody may export.
struct Exportable {
    /// The part of the asked stretch that they may have of all of them.
    span: Span,
    /// How far what is written for it may reach, of those that hung elsewhere before or after.
    within: BTreeMap<CameraId, Span>,
    /// What of the asked stretch is refused, with its camera.
    refused: Vec<(CameraId, Span)>,
}

/// What of a stretch all these cameras may be exported of: where one was moved meanwhile, the part that was recorded where the caller
/// may export.
fn exportable(v: &Viewer, cameras: &[CameraId], asked: &Span) -> ApiResult<Exportable> {
    let mut out = Exportable { span: asked.clone(), within: BTreeMap::new(), refused: Vec::new() };
    for camera in cameras {
        let seen = v.footage(*camera, &[Action::ExportCamera], asked)?;
        // Evidence is one stretch: of two that belong to the caller, with a third between them, they have to choose.
        let [Piece { span, within }] = &seen.allowed[..] else { return Err(hung_elsewhere(*camera)) };
        (out.span.from, out.span.to) = (out.span.from.max(span.from), out.span.to.min(span.to));
        if out.span.to <= out.span.from {
            return Err(hung_elsewhere(*camera));
        }
        if within.from.0 > i64::MIN || within.to.0 < i64::MAX {
            out.within.insert(*camera, within.clone());
        }
        out.refused.extend(seen.refused.into_iter().map(|span| (*camera, span)));
    }
    Ok(out)
}

/// One's own export, all of whose cameras one may export still.
fn own(app: &App, caller: &Caller, v: &Viewer, id: Ulid) -> ApiResult<Kept> {
    let nothing = || ApiError::not_found("export").because("unknown_export");
    let kept = app.patrol.0.exports.lock().get(id).ok_or_else(nothing)?;
    if kept.account != caller.account {
        return Err(nothing());
    }
    for camera in &kept.job.request.cameras {
        let request = &kept.job.request;
        let span = Span { from: request.from, to: request.to };
        v.whole(*camera, &[Action::ExportCamera], &span).map_err(|e| match e.code {
            Code::NotFound => nothing().camera(*camera),
            _ => e,
        })?;
    }
    Ok(kept)
}

async fn one(State(app): State<App>, caller: Caller, Id(id): Id<Ulid>) -> ApiResult<Json<ExportJob>> {
    Ok(Json(own(&app, &caller, &viewer(&app.patrol, &caller), id)?.job))
}

async fn cancel(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<Ulid>,
) -> ApiResult<Json<ExportJob>> {
    let kept = own(&app, &caller, &viewer(&app.patrol, &caller), id)?;
    let (request, now) = (&kept.job.request, UnixMillis::now());
    for camera in &request.cameras {
        let (who, what) = (who(&caller, addr), app.patrol.what_at(*camera, request.from));
        let act = Act::new(now, who, AuditAction::ExportRemoved, what, id.to_string());
        super::write(&app.patrol, act.range(request.from, request.to)).await?;
    }
    let this = app.patrol.clone();
    let cancelled = tokio::task::spawn_blocking(move || this.0.exports.lock().cancel(id, UnixMillis::now())).await;
    let kept = cancelled.map_err(ApiError::internal)?.ok_or_else(|| ApiError::not_found("export"))?;
    tracing::info!(by = %caller.account, export = %id, "called an export off, or removed it");
    Ok(Json(kept.job))
}

async fn grant(State(app): State<App>, caller: Caller, Id(id): Id<Ulid>) -> ApiResult<Json<MediaGrant>> {
    let kept = own(&app, &caller, &viewer(&app.patrol, &caller), id)?;
    if kept.job.state != ExportState::Ready {
        return Err(ApiError::new(Code::Conflict, "the export is not ready"));
    }
    let camera = *kept.job.request.cameras.first().ok_or_else(|| ApiError::not_found("export"))?;
    let now = UnixMillis::now();
    let expires = now.plus(CAMERA_GRANT_LIFE_MAX);
    let grant = CameraGrant {
        camera,
        action: Action::ExportCamera,
        range: None,
        job: Some(id),
        account: caller.account,
        session: caller.session,
        expires,
    };
    Ok(Json(MediaGrant { token: app.keys.sign_camera(grant, now), expires }))
}

/// The file of an export, for a grant that was checked.
pub(super) async fn download(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    v: &Viewer,
    grant: &CameraGrant,
    headers: &HeaderMap,
) -> ApiResult<Response> {
    let id = grant.job.ok_or_else(|| ApiError::new(Code::GrantForeign, "the grant is for no export"))?;
    let kept = own(app, caller, v, id)?;
    if kept.job.state != ExportState::Ready {
        return Err(ApiError::new(Code::Conflict, "the export is not ready"));
    }
    let file = app.patrol.0.exports.lock().file(id);
    let len = tokio::fs::metadata(&file).await.map_err(ApiError::internal)?.len();
    let served = Served {
        content_type: "application/zip",
        len_bytes: len,
        body: ServedBody::File { path: file, range: 0..len },
        immutable: true,
    };
    let etag = etag_of(&served, &id.to_string());
    let wanted = range_of(headers, len, etag.as_deref())?;
    if wanted.as_ref().is_none_or(|r| r.start == 0) {
        for camera in &kept.job.request.cameras {
            let what = app.patrol.what_at(*camera, kept.job.request.from);
            let act = Act::new(UnixMillis::now(), who(caller, addr), AuditAction::ExportFetched, what, id.to_string());
            super::write(&app.patrol, act.range(kept.job.request.from, kept.job.request.to)).await?;
        }
    }
    let mut response = answer(served, wanted, etag.as_deref()).await?;
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"evidence-{id}.zip\"")) {
        response.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}
