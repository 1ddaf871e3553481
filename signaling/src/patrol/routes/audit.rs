//! The audit log as people read it: who looked at my site, when, how long.

use super::{at_place, note, viewer};
use crate::{
    app::App,
    error::{ApiError, ApiResult},
    extract::{Caller, ClientAddr},
    http::{
        bytes::answer,
        params::{Id, Params},
    },
    patrol::{Patrol, access::Viewer, ports::AuditFilter, trail::What},
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderValue, header},
    response::Response,
    routing::get,
};
use lectern_auth::Action;
use lectern_media::{PlaceId, UnixMillis};
use lectern_protocol::api::{AuditAction, AuditPage, AuditQuery, AuditSum};
use serde::Deserialize;
use std::collections::HashSet;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(
        Verb::Get,
        "/api/v1/patrol/audit",
        Right::May(Action::ViewAudit),
        "The audit log, newest first: `?place=&camera=&login=&action=&from=&to=&after=`",
        || get(page),
    )
    .gives::<AuditPage>(),
    Route::new(
        Verb::Get,
        "/api/v1/patrol/audit/export",
        Right::May(Action::ExportAudit),
        "The audit log as a file for `lectern audit verify`; `?table=true`: as CSV",
        || get(export),
    ),
    Route::new(
        Verb::Get,
        "/api/v1/patrol/places/{id}/audit/sum",
        Right::May(Action::ViewAudit),
        "Who looked at a site and how long, `?from=&to=`",
        || get(sum),
    )
    .gives_list::<AuditSum>(),
];

/// Entries on one page.
const PAGE: usize = 100;

/// The places that are meant: all below `place`; none means the whole log, which takes the right at the root.
fn places(v: &Viewer, place: Option<PlaceId>, action: Action) -> ApiResult<(Option<HashSet<PlaceId>>, What)> {
    let root = v.tree.root();
    let asked = place.or(root).ok_or_else(|| ApiError::not_found("place"))?;
    let place = v.place(asked, action)?;
    let below = v.tree.iter().filter(|p| v.tree.within(p.id, asked)).map(|p| p.id).collect();
    Ok(((Some(asked) != root).then_some(below), at_place(&place)))
}

async fn fresh(p: &Patrol) {
    // What happened a moment ago stands in what is read.
    p.trail().flush().await;
}

async fn page(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Params(query): Params<AuditQuery>,
) -> ApiResult<Json<AuditPage>> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    // Who asks about one camera without a place is asked for the right at that camera's place.
    let at = query.place.or_else(|| query.camera.and_then(|id| v.cameras.get(id)).map(|c| c.place));
    let (places, what) = places(&v, at, Action::ViewAudit)?;
    let after = query.after.as_deref().map(|a| a.parse::<u64>().map_err(|_| ApiError::field("after", "not a cursor")));
    let filter = AuditFilter {
        places,
        camera: query.camera,
        login: query.login,
        action: query.action,
        from: query.from,
        to: query.to,
        after: after.transpose()?,
        limit: PAGE,
    };
    if filter.after.is_none() {
        note(p, &caller, addr, AuditAction::AuditRead, what, "").await?;
        fresh(p).await;
    } else {
        // Further pages are counted: a cursor can be made up, so reading with one leaves its entry, too.
        let (now, who) = (UnixMillis::now(), super::who(&caller, addr));
        p.trail().refused(now, who, AuditAction::AuditRead, what, "further pages");
    }
    Ok(Json(p.0.audit.page(filter).await?))
}

#[derive(Debug, Deserialize)]
struct Range {
    from: Option<UnixMillis>,
    to: Option<UnixMillis>,
    place: Option<PlaceId>,
    #[serde(default)]
    table: bool,
}

async fn sum(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<PlaceId>,
    Params(query): Params<Range>,
) -> ApiResult<Json<Vec<AuditSum>>> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    let (places, what) = places(&v, Some(id), Action::ViewAudit)?;
    note(p, &caller, addr, AuditAction::AuditRead, what, "sum").await?;
    fresh(p).await;
    let filter = AuditFilter { places, from: query.from, to: query.to, ..AuditFilter::default() };
    Ok(Json(p.0.audit.sum(filter).await?))
}

async fn export(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Params(query): Params<Range>,
) -> ApiResult<Response> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    let (places, what) = places(&v, query.place, Action::ExportAudit)?;
    note(p, &caller, addr, AuditAction::AuditExported, what, "").await?;
    fresh(p).await;
    let filter = AuditFilter { places, from: query.from, to: query.to, ..AuditFilter::default() };
    let served = p.0.audit.export(filter, query.table).await?;
    let name = if query.table { "audit.csv" } else { "audit.jsonl" };
    let mut response = answer(served, None, None).await?;
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(value) = HeaderValue::from_str(&format!("attachment; filename=\"{name}\"")) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    Ok(response)
}
