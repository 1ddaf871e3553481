//! What operators and programs ask of the server itself: health, metrics, the description of the API, the local CA.

use super::openapi;
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::ClientAddr,
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderName, header},
    response::{Html, IntoResponse},
    routing::get,
};
use std::time::Duration;

/// This module's routes.
pub const ROUTES: &[Route] = &[
    Route::new(Verb::Get, "/healthz", Right::Public, "Whether the process answers.", || get(healthz)),
    Route::new(
        Verb::Get,
        "/readyz",
        Right::Public,
        "Whether classes can be held: 503 while the catalogue cannot be written, or when a media thread has failed.",
        || get(readyz),
    ),
    Route::new(
        Verb::Get,
        "/metrics",
        Right::Public,
        "Metrics in Prometheus' text form, for the networks of `http.metrics_from` only.",
        || get(metrics),
    ),
    Route::new(Verb::Get, "/api/v1/openapi.json", Right::Public, "This description.", || get(description)),
    Route::new(Verb::Get, "/ca", Right::Public, "Explains how to install the local certificate authority.", || {
        get(ca_page)
    }),
    Route::new(Verb::Get, "/ca.crt", Right::Public, "The local certificate authority's certificate.", || {
        get(ca_certificate)
    }),
];

async fn healthz() -> &'static str {
    "ok\n"
}

async fn readyz(State(app): State<App>) -> ApiResult<&'static str> {
    if app.rooms.is_closing() {
        return Err(ApiError::retry(Code::Busy, Duration::from_secs(5), "the server is going down"));
    }
    if !app.media.media_alive() {
        let detail = "a media thread has failed and its classes are lost; the server restarts by itself";
        return Err(ApiError::retry(Code::Busy, Duration::from_secs(5), detail));
    }
    if app.library.store().writable() {
        Ok("ready\n")
    } else {
        Err(ApiError::retry(Code::Busy, Duration::from_secs(5), "the catalogue cannot be written; the log says why"))
    }
}

async fn metrics(State(app): State<App>, addr: ClientAddr) -> ApiResult<impl IntoResponse> {
    // How busy a school is, is nobody's business outside.
    if !app.settings.metrics_from.iter().any(|network| network.contains(addr.0)) {
        return Err(ApiError::not_found("address"));
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], (app.metrics)()))
}

async fn description() -> Json<utoipa::openapi::OpenApi> {
    Json(openapi::description())
}

async fn ca_certificate(State(app): State<App>) -> ApiResult<([(HeaderName, &'static str); 2], String)> {
    let pem = app.settings.local_ca.clone().ok_or_else(|| ApiError::not_found("certificate authority"))?;
    let headers = [
        (header::CONTENT_TYPE, "application/x-x509-ca-cert"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"lectern-ca.crt\""),
    ];
    Ok((headers, pem))
}

async fn ca_page(State(app): State<App>) -> ApiResult<Html<&'static str>> {
    match app.settings.local_ca {
        Some(_) => Ok(Html(include_str!("ca.html"))),
        None => {
            Err(ApiError::not_found("certificate authority: this server has a certificate that browsers know, or none"))
        }
    }
}
