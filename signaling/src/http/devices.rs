//! Devices: the tokens with which OBS and recording hosts publish into a class and players watch it, and taking them back.
//!
//! A token belongs to a generation of its class's devices. The guard of the routes that take such tokens compares it with
//! the class's present one, so that revoking needs no list of tokens. Does not belong here: what a device does (WHIP, WHEP).

use super::params::Id;
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, bearer},
    route::{Right, Route, Verb},
    whip,
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode},
    routing::{delete, post},
};
use lectern_auth::{Action, Grant, GrantRole, Purpose};
use lectern_library::Class;
use lectern_media::{ClassId, ParticipantId, UnixMillis};
use lectern_protocol::api::{DevicePurpose, DeviceToken, NewDeviceToken};
use std::time::Duration;

/// A device's token lasts a school day, so that a recording host is set up once in the morning.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(
        Verb::Post,
        "/api/v1/classes/{id}/device-token",
        Right::May(Action::IssueWatchToken),
        "Makes a token for OBS or a recording host (`publish`, for the teacher and administrators) or for a player \
         (`watch`, for staff too). It is good for twelve hours",
        || post(issue),
    )
    .takes::<NewDeviceToken>()
    .gives::<DeviceToken>(),
    Route::new(
        Verb::Delete,
        "/api/v1/classes/{id}/device-token",
        Right::May(Action::IssueDeviceToken),
        "Revokes all device tokens of the class and ends what these devices publish and watch",
        || delete(revoke),
    ),
];

/// A class that the caller may do `action` to: 404 if it may not be seen, 403 if only the right is missing.
async fn class(app: &App, caller: &Caller, id: ClassId, action: Action) -> ApiResult<Class> {
    let class = app.library.store().class(id).await?.filter(|c| c.removed.is_none());
    let class = class.filter(|class| caller.may(Action::ViewClass, class));
    let class = class.ok_or_else(|| ApiError::not_found("class"))?;
    caller.require(action, &class)?;
    Ok(class)
}

async fn issue(
    State(app): State<App>,
    caller: Caller,
    Id(id): Id<ClassId>,
    Body(wish): Body<NewDeviceToken>,
) -> ApiResult<Json<DeviceToken>> {
    let publishes = wish.purpose == DevicePurpose::Publish;
    let action = if publishes { Action::IssueDeviceToken } else { Action::IssueWatchToken };
    let class = class(&app, &caller, id, action).await?;
    let expires = UnixMillis::now().plus(LIFETIME);
    // A device that publishes stands beside the teacher and is no one's second tab: it has no account of its own.
    let (role, purpose, name) = if publishes {
        let teacher = app.library.store().account(class.entry.teacher).await?;
        (GrantRole::Teacher, Purpose::Whip, teacher.map(|t| t.name.0).unwrap_or_default())
    } else {
        (GrantRole::Viewer, Purpose::Whep, String::new())
    };
    let participant = ParticipantId::generate();
    let generation = class.device_generation;
    let grant = Grant { room: class.room, participant, role, name, account: None, expires, purpose, generation };
    tracing::info!(by = %caller.account, class = %id, ?purpose, %participant, "made a device token");
    Ok(Json(DeviceToken {
        token: app.keys.sign(&grant),
        purpose: wish.purpose,
        whip: publishes.then(|| format!("/whip/{}", class.room)),
        whep: format!("/whep/{}", class.room),
        expires,
    }))
}

async fn revoke(State(app): State<App>, caller: Caller, Id(id): Id<ClassId>) -> ApiResult<StatusCode> {
    let class = class(&app, &caller, id, Action::IssueDeviceToken).await?;
    app.library.revoke_devices(id).await?;
    let ended = whip::end_all(&app, class.room).await;
    tracing::info!(by = %caller.account, class = %id, ended, "revoked all devices of a class");
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses a device token of an earlier generation, and one of a class that was removed. What is wrong with a token
/// otherwise is the handler's to say.
pub(crate) async fn refuse_revoked(app: &App, headers: &HeaderMap) -> ApiResult<()> {
    let Ok(token) = bearer(headers) else { return Ok(()) };
    let now = UnixMillis::now();
    let grant = [Purpose::Whip, Purpose::Whep].into_iter().find_map(|p| app.keys.verify(token, p, now).ok());
    let Some(grant) = grant else { return Ok(()) };
    let class = match app.library.store().class_by_room(grant.room).await {
        Ok(class) => class,
        Err(e) => {
            // Media outlives control: a catalogue that can't be read ends no class. The token is signed and not expired.
            metrics::counter!("lectern_http_grants_unchecked_total", "reason" => "store").increment(1);
            tracing::error!(error = %e, "whether a device token was revoked cannot be read; it is let through");
            return Ok(());
        }
    };
    match class {
        Some(class) if class.removed.is_some() || class.device_generation != grant.generation => {
            metrics::counter!("lectern_http_grants_refused_total", "reason" => "revoked").increment(1);
            Err(ApiError::new(Code::GrantInvalid, "the token was revoked; make a new one on the class's page"))
        }
        _ => Ok(()),
    }
}
