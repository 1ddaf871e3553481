//! The HTTP API: the table of all routes, the router made from it, and what surrounds every request.
//!
//! Each module beside this one has a `pub const ROUTES: &[Route]`; a route exists only if it stands in one of them.

use crate::{
    app::App,
    error::{ApiError, ApiResult, Code, REQUEST_ID},
    extract::{CSRF_HEADER, Caller, session_token},
    route::{Right, Route},
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, OptionalFromRequestParts, Request, State},
    http::{HeaderValue, header},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
};
use lectern_auth::session::csrf_matches;
use tracing::Instrument as _;

/// Every table, in the order of the description.
pub const TABLES: &[&[Route]] = &[];

/// Every route.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    TABLES.iter().flat_map(|t| t.iter())
}

/// The router of the API, without what surrounds it.
pub fn api_router(app: &App) -> Router<App> {
    routes().fold(Router::new(), |router, route| {
        let guard = from_fn_with_state((app.clone(), *route), guard);
        let limit = DefaultBodyLimit::max(route.body_len_max);
        router.route(route.path, (route.handler)().route_layer(guard).route_layer(limit))
    })
}

/// Stands before every handler and lets through only what shows the route's right.
async fn guard(State((app, route)): State<(App, Route)>, req: Request, next: Next) -> ApiResult<Response> {
    let (mut parts, body) = req.into_parts();
    match route.right {
        Right::Public => {
            // Without a session there is no token to compare; a page of another site is told apart by its origin.
            if !route.verb.is_safe() {
                same_site(&parts.headers, &app)?;
            }
        }
        Right::SignedIn | Right::May(_) => {
            let caller = <Caller as OptionalFromRequestParts<App>>::from_request_parts(&mut parts, &app).await?;
            if caller.is_none() {
                return Err(Code::NotSignedIn.into());
            }
            if !route.verb.is_safe() {
                let given = parts.headers.get(CSRF_HEADER).and_then(|v| v.to_str().ok()).unwrap_or_default();
                let session = session_token(&parts.headers, app.settings.tls);
                if !session.is_some_and(|token| csrf_matches(&token, given)) {
                    return Err(ApiError::new(Code::CsrfMismatch, "send the token of GET /api/v1/session as x-csrf-token"));
                }
            }
        }
        // Bearer tokens are never sent by a browser on its own, so no other site can borrow them. The handler checks
        // the grant against the room in the path.
        Right::Grant(_) => {}
    }
    Ok(next.run(Request::from_parts(parts, body)).await)
}

/// Refuses a request that a page of another site made the browser send.
fn same_site(headers: &axum::http::HeaderMap, app: &App) -> ApiResult<()> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    if origin_is_ours(origin, headers, app) {
        Ok(())
    } else {
        Err(ApiError::new(Code::ForeignOrigin, "requests come from our own pages only"))
    }
}

/// Whether an `Origin` header names this server: the host the request went to, or one of the configured origins.
pub(crate) fn origin_is_ours(origin: &HeaderValue, headers: &axum::http::HeaderMap, app: &App) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let host = headers.get(header::HOST).and_then(|v| v.to_str().ok());
    let same_host = origin.split_once("://").is_some_and(|(scheme, rest)| {
        Some(rest) == host && (scheme == "https" || (scheme == "http" && !app.settings.tls))
    });
    same_host || app.settings.origins.iter().any(|o| o == origin)
}

/// Gives each request an id, which is in its log lines, its problem document and its answer's `x-request-id`.
pub async fn request_scope(req: Request, next: Next) -> Response {
    let id = ulid::Ulid::new().to_string();
    let span = tracing::info_span!("request", request = %id, method = %req.method(), path = %req.uri().path());
    let started = std::time::Instant::now();
    let work = async move {
        let response = next.run(req).await;
        let status = response.status().as_u16();
        metrics::histogram!("lectern_http_request_seconds").record(started.elapsed().as_secs_f64());
        tracing::debug!(status, ms = started.elapsed().as_millis() as u64, "answered");
        response
    };
    let mut response = REQUEST_ID.scope(id.clone(), work.instrument(span)).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

/// The answer to an address under `/api` that no table knows.
pub async fn no_such_address() -> Response {
    ApiError::not_found("address").into_response()
}
