//! The timetable: classes and their import as CSV. What a join link leads to is beside the WebSocket.

use super::{
    params::{Id, Params},
    template, words,
};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, body_refusal, has_media_type},
    route::{Right, Route, Verb},
    whip,
};
use axum::{
    Json,
    extract::{FromRequest as _, Request, State},
    http::StatusCode,
    response::IntoResponse,
    routing::{delete, get, post, put},
};
use bytes::Bytes;
use lectern_auth::{Action, PlaceTree};
use lectern_library::{Class, ClassEntry, Imported, import};
use lectern_media::{AccountId, ClassId, UnixMillis};
use lectern_protocol::api;
use std::collections::HashMap;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(Verb::Get, "/api/v1/classes", Right::SignedIn, "The classes that the caller may see", || get(list))
        .gives_list::<api::Class>(),
    Route::new(
        Verb::Post,
        "/api/v1/classes",
        Right::May(Action::CreateClass),
        "Put a class into the timetable",
        || post(create),
    )
    .takes::<api::NewClass>()
    .gives::<api::Class>(),
    Route::new(
        Verb::Post,
        "/api/v1/classes/import",
        Right::May(Action::CreateClass),
        "Import a timetable as CSV, all or nothing",
        || post(import_csv),
    )
    .gives::<api::ImportResult>()
    .body_len_max(import::FILE_BYTES_MAX),
    Route::new(Verb::Get, "/api/v1/classes/template", Right::SignedIn, "The CSV file to fill in", || get(template)),
    Route::new(Verb::Get, "/api/v1/classes/{id}", Right::May(Action::ViewClass), "One class", || get(one))
        .gives::<api::Class>(),
    Route::new(Verb::Put, "/api/v1/classes/{id}", Right::May(Action::EditClass), "Change a class", || put(change))
        .takes::<api::NewClass>()
        .gives::<api::Class>(),
    Route::new(
        Verb::Delete,
        "/api/v1/classes/{id}",
        Right::May(Action::RemoveClass),
        "Take a class out of the timetable",
        || delete(remove),
    ),
    Route::new(
        Verb::Post,
        "/api/v1/classes/{id}/restore",
        Right::May(Action::RemoveClass),
        "Put a removed class back",
        || post(restore),
    )
    .gives::<api::Class>(),
];

/// The names of teachers, looked up once each.
pub(super) struct Names<'a> {
    app: &'a App,
    known: HashMap<AccountId, String>,
}

impl<'a> Names<'a> {
    pub(super) fn new(app: &'a App) -> Self {
        Self { app, known: HashMap::new() }
    }

    pub(super) async fn of(&mut self, id: AccountId) -> ApiResult<String> {
        if let Some(name) = self.known.get(&id) {
            return Ok(name.clone());
        }
        let account = self.app.library.store().account(id).await?;
        let name = account.map(|account| account.name.0).unwrap_or_default();
        self.known.insert(id, name.clone());
        Ok(name)
    }
}

async fn shown(names: &mut Names<'_>, tree: &PlaceTree, class: Class) -> ApiResult<api::Class> {
    let e = class.entry;
    Ok(api::Class {
        id: class.id,
        room: class.room,
        code: class.code,
        teacher_name: names.of(e.teacher).await?,
        school: tree.school_name(e.place).unwrap_or_default().to_owned(),
        entry: api::NewClass {
            title: e.title,
            subject: e.subject,
            grade: e.grade,
            teacher: e.teacher,
            place: e.place,
            mode: e.mode,
            starts: e.starts,
            duration_min: e.duration_min,
            repeat: e.repeat,
            until: e.until,
            waiting_room: e.waiting_room,
            record: e.record,
        },
    })
}

async fn list(State(app): State<App>, caller: Caller) -> ApiResult<Json<Vec<api::Class>>> {
    let mut names = Names::new(&app);
    let mut classes = Vec::new();
    for class in app.library.visible_classes(&caller.rights) {
        classes.push(shown(&mut names, &caller.tree, class).await?);
    }
    Ok(Json(classes))
}

/// A class that the caller may do `action` to: 404 if it may not be seen, 403 if only the right is missing.
async fn class(app: &App, caller: &Caller, id: ClassId, action: Action) -> ApiResult<Class> {
    let class = app.library.store().class(id).await?.filter(|class| caller.may(Action::ViewClass, class));
    let class = class.ok_or_else(|| ApiError::not_found("class"))?;
    caller.require(action, &class)?;
    Ok(class)
}

/// The entry as typed in, checked: its texts and numbers, its place, its teacher.
async fn checked(app: &App, caller: &Caller, typed: api::NewClass) -> ApiResult<ClassEntry> {
    let entry = ClassEntry {
        title: words::text("title", &typed.title, 1, 200)?,
        subject: words::text("subject", &typed.subject, 0, 50)?,
        grade: words::text("grade", &typed.grade, 0, 50)?,
        teacher: typed.teacher,
        place: typed.place,
        mode: typed.mode,
        starts: typed.starts,
        duration_min: typed.duration_min,
        repeat: typed.repeat,
        until: typed.until.filter(|_| typed.repeat == api::Repeat::Weekly),
        waiting_room: typed.waiting_room,
        record: typed.record,
    };
    if !(1..=600).contains(&entry.duration_min) {
        return Err(ApiError::field("duration_min", "1 to 600 minutes"));
    }
    // The years 1970 to 2199: anything else is a slip of the keyboard, or of a unit.
    if !(0..7_258_118_400_000).contains(&entry.starts.0) {
        return Err(ApiError::field("starts", "milliseconds since 1970, before 2200"));
    }
    let last_day_end = entry.until.map(|until| until.plus(std::time::Duration::from_secs(24 * 3600)));
    if last_day_end.is_some_and(|end| end < entry.starts) {
        return Err(ApiError::field("until", "the last day is before the first"));
    }
    if !caller.may(Action::ViewPlace, entry.place) {
        return Err(ApiError::field("place", "there is no such place"));
    }
    let teacher = app.library.store().account(entry.teacher).await?.filter(|teacher| {
        !teacher.disabled && (teacher.id == caller.account || caller.rights.sees_account(&teacher.roles, &caller.tree))
    });
    if teacher.is_none() {
        return Err(ApiError::field("teacher", "there is no such teacher"));
    }
    Ok(entry)
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    Body(body): Body<api::NewClass>,
) -> ApiResult<(StatusCode, Json<api::Class>)> {
    let entry = checked(&app, &caller, body).await?;
    caller.require(Action::CreateClass, &entry)?;
    let made = app.library.create_classes(vec![Class::new(entry, UnixMillis::now())]).await?;
    let made = made.into_iter().next().ok_or_else(|| ApiError::internal("a class was made and is gone"))?;
    tracing::info!(by = %caller.account, class = %made.id, room = %made.room, "made a class");
    Ok((StatusCode::CREATED, Json(shown(&mut Names::new(&app), &caller.tree, made).await?)))
}

async fn one(State(app): State<App>, caller: Caller, Id(id): Id<ClassId>) -> ApiResult<Json<api::Class>> {
    let class = class(&app, &caller, id, Action::ViewClass).await?;
    if class.removed.is_some() {
        return Err(ApiError::not_found("class"));
    }
    Ok(Json(shown(&mut Names::new(&app), &caller.tree, class).await?))
}

async fn change(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<ClassId>,
    Body(body): Body<api::NewClass>,
) -> ApiResult<Json<api::Class>> {
    let old = class(&app, &caller, id, Action::EditClass).await?;
    let entry = checked(&app, &caller, body).await?;
    // Who moves a class to another place or teacher must be allowed to make it there.
    if (entry.place, entry.teacher) != (old.entry.place, old.entry.teacher) {
        caller.require(Action::CreateClass, &entry)?;
    }
    let changed = app.library.change_class(id, entry).await?;
    if changed.entry.teacher != old.entry.teacher {
        // The devices of the teacher before are revoked with the change; what they do at this moment ends, too.
        whip::end_all(&app, changed.room).await;
    }
    tracing::info!(by = %caller.account, class = %id, "changed a class");
    Ok(Json(shown(&mut Names::new(&app), &caller.tree, changed).await?))
}

async fn remove(State(app): State<App>, caller: Caller, Id(id): Id<ClassId>) -> ApiResult<StatusCode> {
    let class = class(&app, &caller, id, Action::RemoveClass).await?;
    app.library.remove_class(id, Some(UnixMillis::now())).await?;
    // The tokens of its devices are refused from now on; what they do at this moment ends, too.
    whip::end_all(&app, class.room).await;
    tracing::info!(by = %caller.account, class = %id, "removed a class");
    Ok(StatusCode::NO_CONTENT)
}

async fn restore(State(app): State<App>, caller: Caller, Id(id): Id<ClassId>) -> ApiResult<Json<api::Class>> {
    class(&app, &caller, id, Action::RemoveClass).await?;
    let restored = app.library.remove_class(id, None).await?;
    tracing::info!(by = %caller.account, class = %id, "restored a class");
    Ok(Json(shown(&mut Names::new(&app), &caller.tree, restored).await?))
}

async fn import_csv(State(app): State<App>, caller: Caller, req: Request) -> ApiResult<Json<api::ImportResult>> {
    let csv = ["text/csv", "application/csv", "application/vnd.ms-excel"];
    if !csv.iter().any(|essence| has_media_type(req.headers(), essence)) {
        return Err(ApiError::new(Code::UnsupportedType, "send the file as text/csv"));
    }
    let bytes = Bytes::from_request(req, &app).await.map_err(body_refusal)?;
    let result = match app.library.import_classes(&bytes, &caller.rights, UnixMillis::now()).await? {
        Imported::Done(classes) => {
            tracing::info!(by = %caller.account, classes = classes.len(), "imported a timetable");
            api::ImportResult { created: classes.len() as u32, errors: vec![] }
        }
        Imported::Faults(faults) => {
            let errors = faults.into_iter().map(|fault| api::ImportError {
                line: fault.line,
                column: fault.column,
                code: fault.code.as_str().to_owned(),
                detail: fault.detail,
            });
            api::ImportResult { created: 0, errors: errors.collect() }
        }
    };
    Ok(Json(result))
}

async fn template(Params(language): Params<template::Language>) -> impl IntoResponse {
    template::file(&language, ("timetable.csv", "%E8%AF%BE%E8%A1%A8.csv"), import::template)
}
