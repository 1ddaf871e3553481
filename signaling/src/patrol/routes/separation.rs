//! The separation of system, security and audit administrators (三员分立): turned on once by the first administrator, who
//! hands over and ends; ended by two of the three together.

use super::{by, note, who};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, ClientAddr},
    patrol::{
        access::allow,
        trail::{Act, What},
    },
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post},
};
use lectern_auth::Action;
use lectern_library::{Authority, Separation as Handover};
use lectern_media::{AccountId, UnixMillis};
use lectern_protocol::api::{AuditAction, SeparateAdministrators, Separation};

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(
        Verb::Get,
        "/api/v1/patrol/separation",
        Right::SignedIn,
        "Whether system, security and audit administrators are separated",
        || get(state),
    )
    .gives::<Separation>(),
    Route::new(
        Verb::Post,
        "/api/v1/patrol/separation",
        Right::May(Action::SetAuthorityMode),
        "Separate the administrators; the account that asks hands over and ends",
        || post(separate),
    )
    .takes::<SeparateAdministrators>(),
    Route::new(
        Verb::Delete,
        "/api/v1/patrol/separation",
        Right::May(Action::SetAuthorityMode),
        "Ask for the end of the separation, or agree to it",
        || delete(end),
    )
    .gives::<Separation>(),
];

fn shown(authority: &Authority) -> Separation {
    Separation {
        on: authority.separated,
        since: authority.since,
        end_asked_by: authority.end_asked.as_ref().map(|by| by.name.0.clone()),
    }
}

async fn state(State(app): State<App>) -> Json<Separation> {
    Json(shown(app.library.cameras().authority()))
}

/// Whether the caller may decide this: asked at the root.
fn may(app: &App, caller: &Caller) -> ApiResult<()> {
    let root = app.library.tree().root().ok_or_else(|| ApiError::not_found("place"))?;
    allow(caller.rights.decide(Action::SetAuthorityMode, root, &caller.tree, caller.second_factor, UnixMillis::now()))
}

async fn account(app: &App, field: &str, login: &str) -> ApiResult<AccountId> {
    let found = app.library.store().account_by_login(login.trim()).await?;
    Ok(found.ok_or_else(|| ApiError::field(field, "no account has this log-in name"))?.id)
}

async fn separate(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Body(body): Body<SeparateAdministrators>,
) -> ApiResult<StatusCode> {
    may(&app, &caller)?;
    let now = UnixMillis::now();
    let handover = Handover {
        by: caller.account,
        system: account(&app, "system", &body.system).await?,
        security: account(&app, "security", &body.security).await?,
        audit: account(&app, "audit", &body.audit).await?,
    };
    app.library.separate(handover, now).await?;
    let detail = format!("administrators separated: {}, {}, {}", body.system, body.security, body.audit);
    note(&app.patrol, &caller, addr, AuditAction::RightsChanged, What::default(), detail).await?;
    app.patrol.rights_changed();
    tracing::info!(by = %caller.account, "separated the administrators");
    Ok(StatusCode::NO_CONTENT)
}

async fn end(State(app): State<App>, caller: Caller, addr: ClientAddr) -> ApiResult<Json<Separation>> {
    if !app.library.cameras().authority().separated {
        may(&app, &caller)?;
        return Err(ApiError::new(Code::Conflict, "administrators are not separated"));
    }
    may(&app, &caller)?;
    let authority = app.library.end_separation(by(&caller)).await?;
    let detail = if authority.separated { "end of separation asked for" } else { "separation ended" };
    let act = Act::new(UnixMillis::now(), who(&caller, addr), AuditAction::RightsChanged, What::default(), detail);
    super::write(&app.patrol, act).await?;
    app.patrol.rights_changed();
    Ok(Json(shown(&authority)))
}
