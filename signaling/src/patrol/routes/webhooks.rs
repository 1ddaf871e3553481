//! Webhooks: where alarms are told.

use super::{at_place, note, viewer};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, ClientAddr},
    http::params::Id,
    patrol::{Patrol, access::Viewer, target::hook_url},
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post},
};
use lectern_auth::{Action, SealedFor, TokenText};
use lectern_library::Webhook;
use lectern_media::UnixMillis;
use lectern_protocol::api::{self, AuditAction, NewWebhook, WebhookSecret};
use ulid::Ulid;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(
        Verb::Get,
        "/api/v1/patrol/webhooks",
        Right::SignedIn,
        "Webhooks of places that one administers",
        || get(list),
    )
    .gives_list::<api::Webhook>(),
    Route::new(Verb::Post, "/api/v1/patrol/webhooks", Right::May(Action::SetPatrolPolicy), "Make a webhook", || {
        post(create)
    })
    .takes::<NewWebhook>()
    .gives::<WebhookSecret>(),
    Route::new(
        Verb::Delete,
        "/api/v1/patrol/webhooks/{id}",
        Right::May(Action::SetPatrolPolicy),
        "Remove a webhook",
        || delete(remove),
    ),
];

fn shown(p: &Patrol, hook: &Webhook) -> api::Webhook {
    api::Webhook {
        id: hook.id,
        url: hook.url.clone(),
        place: hook.place,
        delivered: hook.delivered,
        failed: hook.failed.clone(),
        waiting: p.0.hooks.lock().waiting(hook.id) as u32,
    }
}

async fn list(State(app): State<App>, caller: Caller) -> ApiResult<Json<Vec<api::Webhook>>> {
    let v = viewer(&app.patrol, &caller);
    let mut hooks = app.library.store().webhooks().await?;
    hooks.retain(|h| v.place(h.place, Action::SetPatrolPolicy).is_ok());
    Ok(Json(hooks.iter().map(|h| shown(&app.patrol, h)).collect()))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Body(body): Body<NewWebhook>,
) -> ApiResult<(StatusCode, Json<WebhookSecret>)> {
    let p = &app.patrol;
    let place = viewer(p, &caller).place(body.place, Action::SetPatrolPolicy)?;
    let url = hook_url("url", &body.url, p.0.settings.allow_loopback)?;
    let id = Ulid::new();
    // 256 random bits, told once and kept sealed.
    let secret = hex::encode(TokenText::generate().hash().as_bytes());
    let sealed = p.0.seal.seal_bytes(SealedFor::Webhook(id), secret.as_bytes()).map_err(ApiError::internal)?;
    let hook = Webhook {
        id,
        url,
        place: body.place,
        secret: sealed,
        events: vec![],
        created: UnixMillis::now(),
        delivered: None,
        failed: None,
    };
    note(p, &caller, addr, AuditAction::PolicyChanged, at_place(&place), "webhook made").await?;
    app.library.store().put_webhook(hook.clone()).await?;
    tracing::info!(by = %caller.account, webhook = %id, "made a webhook");
    Ok((StatusCode::CREATED, Json(WebhookSecret { webhook: shown(p, &hook), secret })))
}

async fn own(app: &App, v: &Viewer, id: Ulid) -> ApiResult<Webhook> {
    let nothing = || ApiError::not_found("webhook").because("unknown_webhook");
    let hook = app.library.store().webhooks().await?.into_iter().find(|h| h.id == id).ok_or_else(nothing)?;
    match v.place(hook.place, Action::SetPatrolPolicy) {
        Ok(_) => Ok(hook),
        Err(e) if matches!(e.code, Code::NotFound | Code::Forbidden) => Err(nothing()),
        Err(e) => Err(e),
    }
}

async fn remove(State(app): State<App>, caller: Caller, addr: ClientAddr, Id(id): Id<Ulid>) -> ApiResult<StatusCode> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    let hook = own(&app, &v, id).await?;
    let place = v.place(hook.place, Action::SetPatrolPolicy)?;
    note(p, &caller, addr, AuditAction::PolicyChanged, at_place(&place), "webhook removed").await?;
    app.library.store().remove_webhook(id).await?;
    p.0.hooks.lock().remove(id);
    Ok(StatusCode::NO_CONTENT)
}
