//! The clock by which days of footage are counted: whether it is believed, and the word of somebody that it is right.
//!
//! Does not belong here: when it is doubted and what that stops (the recorder's `camera/trust.rs`).

use super::{at_place, note, viewer};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, ClientAddr},
    patrol::access::Viewer,
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    routing::{get, post},
};
use lectern_auth::Action;
use lectern_media::UnixMillis;
use lectern_protocol::api::{AuditAction, ConfirmClock, PatrolClock};

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(
        Verb::Get,
        "/api/v1/patrol/clock",
        Right::SignedIn,
        "The server's clock, and whether days of footage are counted by it",
        || get(clock),
    )
    .gives::<PatrolClock>(),
    Route::new(
        Verb::Post,
        "/api/v1/patrol/clock",
        Right::May(Action::SetPatrolPolicy),
        "Say that the server's clock is right: days of footage are counted by it again",
        || post(confirm),
    )
    .takes::<ConfirmClock>()
    .gives::<PatrolClock>(),
];

/// What somebody saw on the page, and what the clock shows when they say so, may be this far apart.
const SEEN_WITHIN_MS: u64 = 10 * 60_000;

fn shown(app: &App, v: &Viewer) -> PatrolClock {
    let anywhere = |action| v.rights.roles().iter().map(|r| r.place).any(|place| v.rights.may(action, place, &v.tree));
    let told = anywhere(Action::ManageCamera) || anywhere(Action::SetPatrolPolicy);
    let root = v.tree.root();
    PatrolClock {
        now: UnixMillis::now(),
        doubt: app.patrol.0.footage.clock().filter(|_| told),
        may_confirm: root.is_some_and(|root| v.rights.may(Action::SetPatrolPolicy, root, &v.tree)),
    }
}

async fn clock(State(app): State<App>, caller: Caller) -> Json<PatrolClock> {
    Json(shown(&app, &viewer(&app.patrol, &caller)))
}

async fn confirm(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Body(body): Body<ConfirmClock>,
) -> ApiResult<Json<PatrolClock>> {
    let v = viewer(&app.patrol, &caller);
    // All footage of this server goes by it, so the right is asked at the root.
    let root = v.tree.root().ok_or_else(|| ApiError::not_found("place").because("unknown_place"))?;
    let root = v.place(root, Action::SetPatrolPolicy)?;
    let footage = &app.patrol.0.footage;
    let Some(doubt) = footage.clock() else {
        return Err(ApiError::new(Code::Conflict, "the server's clock is believed already"));
    };
    let now = UnixMillis::now();
    if now.0.abs_diff(body.now.0) > SEEN_WITHIN_MS {
        return Err(ApiError::field("now", "the clock shows another time than the page did: load it again"));
    }
    let detail = format!("clock confirmed {}", doubt.ahead_ms);
    note(&app.patrol, &caller, addr, AuditAction::PolicyChanged, at_place(&root), detail).await?;
    footage.confirm_clock(now).await?;
    tracing::warn!(by = %caller.account, ahead_ms = doubt.ahead_ms, "an operator confirmed the server's clock on the page");
    Ok(Json(shown(&app, &v)))
}
