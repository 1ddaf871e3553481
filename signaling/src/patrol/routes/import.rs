//! A site's cameras as CSV: the file to fill in, and bringing it in, all or none.
//!
//! Does not belong here: what a row is (`lectern_library::import`), one camera and its form (`cameras`).

use super::{
    at_place,
    cameras::{Typed, may_place, seal, typed},
    note, to_its_end, viewer,
};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Caller, ClientAddr, body_refusal, has_media_type},
    http::{
        params::{Id, Params},
        template,
    },
    patrol::{Patrol, access::Viewer},
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::{FromRequest as _, Request, State},
    response::IntoResponse,
    routing::{get, post},
};
use bytes::Bytes;
use lectern_auth::Action;
use lectern_library::{
    Camera,
    import::{FaultCode, cameras as csv},
};
use lectern_media::{CameraId, PlaceId};
use lectern_protocol::api::{AuditAction, CameraForm, ImportError, ImportResult};
use serde::Deserialize;
use std::collections::HashMap;

/// The routes.
pub const ROUTES: &[Route] = &[
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
];

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
    viewer(&app.patrol, &caller).place(id, Action::ImportCameras)?;
    let csv_types = ["text/csv", "application/csv", "application/vnd.ms-excel"];
    if !csv_types.iter().any(|essence| has_media_type(req.headers(), essence)) {
        return Err(ApiError::new(Code::UnsupportedType, "send the file as text/csv"));
    }
    let bytes = Bytes::from_request(req, &app).await.map_err(body_refusal)?;
    let sheet = match csv::parse(&bytes) {
        Ok(sheet) => sheet,
        Err(faults) => return Ok(Json(refused_sheet(faults))),
    };
    to_its_end(async move { imported(&app, &caller, addr, id, sheet, query.dry_run).await }).await
}

async fn imported(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    id: PlaceId,
    sheet: csv::Sheet,
    dry_run: bool,
) -> ApiResult<Json<ImportResult>> {
    let p = &app.patrol;
    // The names and codes that are taken stay so until all is done.
    let _alone = p.0.changing.lock().await;
    let v = viewer(p, caller);
    let place = v.place(id, Action::ImportCameras)?;
    let (cameras, faults) = read_rows(p, &v, id, sheet);
    if !faults.is_empty() {
        return Ok(Json(refused_sheet(faults)));
    }
    let created = cameras.len() as u32;
    if dry_run {
        return Ok(Json(ImportResult { created, errors: vec![] }));
    }
    app.library.create_cameras(cameras.clone()).await?;
    let detail = format!("imported {created}");
    note(p, caller, addr, AuditAction::CameraChanged, at_place(&place), detail).await?;
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

async fn template(Params(language): Params<template::Language>) -> impl IntoResponse {
    template::file(&language, ("cameras.csv", "%E6%91%84%E5%83%8F%E6%9C%BA.csv"), csv::template)
}
