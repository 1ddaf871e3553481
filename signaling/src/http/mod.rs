//! The HTTP API: the table of all routes, the router made from it, and what surrounds every request.
//!
//! Each module has a `pub const ROUTES: &[Route]`; a route exists only if it stands in one of them.

mod accounts;
pub(crate) mod bytes;
mod classes;
mod devices;
mod housekeeping;
mod lessons;
mod meta;
mod openapi;
pub(crate) mod params;
mod places;
mod recordings;
mod session;
pub(crate) mod template;
mod vod;
mod web;
pub(crate) mod words;

pub use bytes::range_of;
pub(crate) use devices::refuse_revoked;
pub use housekeeping::{UNDO_FOR, keep_house, purge_deleted};
pub use session::SignInGuard;

use crate::{
    app::App,
    error::{ApiError, ApiResult, Code, REQUEST_ID},
    extract::{CSRF_HEADER, Caller, ClientAddr, session_token},
    join, patrol,
    route::{Right, Route, Verb},
    whip, ws,
};
use axum::{
    Router,
    extract::{DefaultBodyLimit, OptionalFromRequestParts, Request, State},
    http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header, request::Parts, uri::Authority},
    middleware::{Next, from_fn, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use lectern_auth::session::csrf_matches;
use std::time::Instant;
use tower_http::{
    catch_panic::CatchPanicLayer,
    compression::{
        CompressionLayer,
        predicate::{NotForContentType, Predicate as _, SizeAbove},
    },
};
use tracing::Instrument as _;

/// Every table, in the order of the description.
pub const TABLES: &[&[Route]] = &[
    meta::ROUTES,
    session::ROUTES,
    places::ROUTES,
    accounts::ROUTES,
    classes::ROUTES,
    devices::ROUTES,
    join::ROUTES,
    lessons::ROUTES,
    recordings::ROUTES,
    vod::ROUTES,
    whip::ROUTES,
    patrol::routes::factor::ROUTES,
    patrol::routes::cameras::ROUTES,
    patrol::routes::import::ROUTES,
    patrol::routes::timeline::ROUTES,
    patrol::routes::media::ROUTES,
    patrol::routes::policy::ROUTES,
    patrol::routes::clock::ROUTES,
    patrol::routes::layouts::ROUTES,
    patrol::routes::alarms::ROUTES,
    patrol::routes::webhooks::ROUTES,
    patrol::routes::evidence::ROUTES,
    patrol::routes::audit::ROUTES,
    patrol::routes::rules::ROUTES,
    patrol::routes::separation::ROUTES,
    SOCKET,
];

const SOCKET: &[Route] = &[
    Route::new(
        Verb::Get,
        "/ws",
        Right::Hello,
        "The WebSocket of a room's life: messages as JSON, the first one `hello` with the grant of a join",
        || get(ws::upgrade),
    ),
    Route::new(
        Verb::Get,
        "/ws/wall",
        Right::Hello,
        "The WebSocket of a wall: messages as JSON, the first one `hello` with the CSRF token of the session's cookie",
        || get(patrol::wall::upgrade),
    ),
];

/// Every route.
pub fn routes() -> impl Iterator<Item = &'static Route> {
    TABLES.iter().flat_map(|t| t.iter())
}

/// The whole service.
pub fn router(app: App) -> Router {
    let compress = CompressionLayer::new().gzip(true).br(true).compress_when(
        // Media is compressed already, and players ask for ranges of it.
        SizeAbove::new(256)
            .and(NotForContentType::new("video/"))
            .and(NotForContentType::new("audio/"))
            .and(NotForContentType::new("image/"))
            .and(NotForContentType::new("font/")),
    );
    table_router(&app)
        .fallback(web::page)
        .method_not_allowed_fallback(wrong_method)
        .layer(from_fn_with_state(app.clone(), limit_requests))
        .layer(compress)
        .layer(from_fn_with_state(app.clone(), secure_headers))
        .layer(CatchPanicLayer::custom(|_| ApiError::internal("a handler panicked").into_response()))
        .layer(from_fn(request_scope))
        .with_state(app)
}

/// The routes of the tables, each behind its guard.
fn table_router(app: &App) -> Router<App> {
    routes().fold(Router::new(), |router, route| {
        let guard = from_fn_with_state((app.clone(), *route), guard);
        let limit = DefaultBodyLimit::max(route.body_len_max);
        router.route(route.path, (route.handler)().route_layer(guard).route_layer(limit))
    })
}

/// Stands before every handler and lets through only what shows the route's right. What is refused on the way to a camera
/// is counted in the audit log.
async fn guard(State((app, route)): State<(App, Route)>, req: Request, next: Next) -> Response {
    let addr = ClientAddr::of(req.extensions(), req.headers(), &app.settings.trusted_proxies);
    let (mut parts, body) = req.into_parts();
    let response = match let_through(&app, &route, &mut parts).await {
        Ok(()) => {
            let caller = parts.extensions.get::<Caller>().cloned();
            let response = next.run(Request::from_parts(parts, body)).await;
            patrol::access::count_refusal(&app, &route, caller.as_ref(), addr, &response);
            return response;
        }
        Err(e) => e.into_response(),
    };
    let caller = parts.extensions.get::<Caller>();
    patrol::access::count_refusal(&app, &route, caller, addr, &response);
    response
}

async fn let_through(app: &App, route: &Route, parts: &mut Parts) -> ApiResult<()> {
    match route.right {
        Right::Public => {
            // Without a session there is no token to compare; a page of another site is told apart by its origin.
            if !route.verb.is_safe() {
                same_site(parts, app)?;
            }
        }
        Right::SignedIn | Right::May(_) => {
            let caller = <Caller as OptionalFromRequestParts<App>>::from_request_parts(parts, app).await?;
            if caller.is_none() {
                return Err(Code::NotSignedIn.into());
            }
            if !route.verb.is_safe() {
                let given = parts.headers.get(CSRF_HEADER).and_then(|v| v.to_str().ok()).unwrap_or_default();
                let session = session_token(&parts.headers, app.settings.tls);
                if !session.is_some_and(|token| csrf_matches(&token, given)) {
                    return Err(ApiError::new(Code::CsrfMismatch, "send the token of GET /api/v1/me as x-csrf-token"));
                }
            }
        }
        // Bearer tokens are never sent by a browser on its own, so no other site can borrow them. The handler checks
        // the grant against the room in the path.
        Right::Hello => {}
        Right::Grant(_) => devices::refuse_revoked(app, &parts.headers).await?,
    }
    Ok(())
}

/// Refuses a request that a page of another site made the browser send.
fn same_site(parts: &Parts, app: &App) -> ApiResult<()> {
    let Some(origin) = parts.headers.get(header::ORIGIN) else { return Ok(()) };
    if origin_is_ours(origin, &parts.uri, &parts.headers, app) {
        Ok(())
    } else {
        Err(ApiError::new(Code::ForeignOrigin, "requests come from our own pages only"))
    }
}

/// Whether an `Origin` header names this server: the host the request went to, or one of the configured origins.
///
/// HTTP/2 says that host in `:authority`, which is part of the URI, and sends no `Host` (RFC 9113 §8.3.1).
pub(crate) fn origin_is_ours(origin: &HeaderValue, uri: &Uri, headers: &HeaderMap, app: &App) -> bool {
    let Ok(origin) = origin.to_str() else { return false };
    let host = uri.authority().map(Authority::as_str).or_else(|| headers.get(header::HOST)?.to_str().ok());
    let same_host = origin.split_once("://").is_some_and(|(scheme, rest)| {
        Some(rest) == host && (scheme == "https" || (scheme == "http" && !app.settings.tls))
    });
    same_host || app.settings.origins.iter().any(|o| o == origin)
}

/// Gives each request an id, which is in its log lines, its problem document and its answer's `x-request-id`.
async fn request_scope(req: Request, next: Next) -> Response {
    let id = ulid::Ulid::new().to_string();
    // The query is left out: it may hold what people search for.
    let span = tracing::info_span!("request", request = %id, method = %req.method(), path = %req.uri().path());
    let started = Instant::now();
    let work = async move {
        let response = next.run(req).await;
        let status = response.status();
        metrics::histogram!("lectern_http_request_seconds").record(started.elapsed().as_secs_f64());
        metrics::counter!("lectern_http_responses_total", "status" => status_class(status)).increment(1);
        tracing::debug!(status = status.as_u16(), ms = started.elapsed().as_millis() as u64, "answered");
        response
    };
    let mut response = REQUEST_ID.scope(id.clone(), work.instrument(span)).await;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert("x-request-id", value);
    }
    response
}

fn status_class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        1 => "1xx",
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        _ => "5xx",
    }
}

/// Keeps one address from asking more than people can. Pages and media have no limit: a school loads them together.
async fn limit_requests(State(app): State<App>, req: Request, next: Next) -> ApiResult<Response> {
    let path = req.uri().path();
    if path.starts_with("/api/") || path.starts_with("/whip/") || path.starts_with("/whep/") {
        let addr = ClientAddr::of(req.extensions(), req.headers(), &app.settings.trusted_proxies);
        if let Err(wait) = app.limits.requests.take(addr, Instant::now()) {
            return Err(ApiError::retry(Code::TooOften, wait, "too many requests from this address"));
        }
    }
    Ok(next.run(req).await)
}

/// What scripts, frames and connections our pages may use: our own, and nothing else. Media comes from `blob:` (the
/// player) and from peer connections, which CSP does not govern.
const CSP: &str = "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; \
    media-src 'self' blob: data:; connect-src 'self'; worker-src 'self' blob:; font-src 'self'; object-src 'none'; \
    base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

async fn secure_headers(State(app): State<App>, req: Request, next: Next) -> Response {
    let path = req.uri().path();
    let devices = path.starts_with("/whip/") || path.starts_with("/whep/");
    let mut response = next.run(req).await;
    let headers = response.headers_mut();
    if devices {
        // A refusal, too, or a page of another origin can't tell why.
        whip::cors(headers);
    }
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(CSP));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    // Join codes and tokens in addresses stay with us.
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(
        header::HeaderName::from_static("permissions-policy"),
        HeaderValue::from_static(
            "camera=(self), microphone=(self), display-capture=(self), screen-wake-lock=(self), geolocation=()",
        ),
    );
    headers
        .insert(header::HeaderName::from_static("cross-origin-opener-policy"), HeaderValue::from_static("same-origin"));
    if app.settings.hsts {
        headers.insert(header::STRICT_TRANSPORT_SECURITY, HeaderValue::from_static("max-age=31536000"));
    }
    response
}

/// A known address, but not with this method. The router has set `Allow`.
async fn wrong_method(method: Method) -> Response {
    ApiError::new(Code::MethodNotAllowed, format!("{method} is not for this address; Allow says what is"))
        .into_response()
}
