//! Rules of looking: what of one account's looking is allowed, limited to hours, or forbidden.

use super::{at_place, note, viewer};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, ClientAddr},
    http::params::Id,
    patrol::{access::Viewer, trail::What},
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{delete, get, post},
};
use lectern_auth::{Action, CameraRule, RuleEffect, RuleScope, Window};
use lectern_media::{AccountId, PlaceId, UnixMillis};
use lectern_protocol::api::{AuditAction, CameraDeed, LookEffect, LookRule, NewLookRule, Span};
use ulid::Ulid;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(
        Verb::Get,
        "/api/v1/patrol/accounts/{id}/rules",
        Right::May(Action::SetCameraRules),
        "The rules of looking about an account, where the caller may set them",
        || get(list),
    )
    .gives_list::<LookRule>(),
    Route::new(
        Verb::Post,
        "/api/v1/patrol/accounts/{id}/rules",
        Right::May(Action::SetCameraRules),
        "Make a rule of looking",
        || post(create),
    )
    .takes::<NewLookRule>()
    .gives::<LookRule>(),
    Route::new(
        Verb::Delete,
        "/api/v1/patrol/accounts/{id}/rules/{rule}",
        Right::May(Action::SetCameraRules),
        "Take a rule of looking away",
        || delete(remove),
    ),
];

const DEEDS: [(CameraDeed, Action); 6] = [
    (CameraDeed::See, Action::ViewCamera),
    (CameraDeed::Live, Action::LiveCamera),
    (CameraDeed::Listen, Action::ListenCamera),
    (CameraDeed::Play, Action::PlayCamera),
    (CameraDeed::Snapshot, Action::SnapshotCamera),
    (CameraDeed::Export, Action::ExportCamera),
];

fn shown(rule: &CameraRule) -> LookRule {
    let (place, camera) = match rule.scope {
        RuleScope::Place(place) => (Some(place), None),
        RuleScope::Camera(camera) => (None, Some(camera)),
    };
    LookRule {
        id: rule.id,
        rule: NewLookRule {
            place,
            camera,
            effect: match rule.effect {
                RuleEffect::Allow => LookEffect::Allow,
                RuleEffect::Limit => LookEffect::Limit,
                RuleEffect::Deny => LookEffect::Deny,
            },
            deeds: DEEDS.into_iter().filter(|(_, a)| rule.actions.contains(a)).map(|(d, _)| d).collect(),
            windows: rule.windows.iter().map(|w| Span { from: w.from, to: w.to }).collect(),
        },
    }
}

/// Where a rule about this, made at a moment, lies: what its right is asked at. One about a camera lies where that hung when it was made,
/// also when it was moved since: those who answer for that place made it, and what it opens was recorded there.
fn place_of(v: &Viewer, scope: RuleScope, made: UnixMillis) -> Option<PlaceId> {
    match scope {
        RuleScope::Place(place) => Some(place),
        RuleScope::Camera(camera) => v.cameras.get(camera).map(|c| c.hung_at(made).object.place),
    }
}

/// The account, if the caller may know of it.
async fn account(app: &App, caller: &Caller, v: &Viewer, id: AccountId) -> ApiResult<lectern_library::Account> {
    let nothing = || ApiError::not_found("account").because("unknown_account");
    let account = app.library.store().account(id).await?.ok_or_else(nothing)?;
    if !caller.rights.sees_account(&account.roles, &caller.tree) {
        return Err(nothing());
    }
    // Where exactly is asked with the rule; somewhere it must be.
    let asked = caller.rights.roles().iter().map(|r| v.place(r.place, Action::SetCameraRules));
    let mut refused = ApiError::forbidden("set rules of looking").because("no_role");
    for answer in asked {
        match answer {
            Ok(_) => return Ok(account),
            Err(e) if e.code == Code::NeedsSecondFactor => refused = e,
            Err(_) => {}
        }
    }
    Err(refused)
}

async fn list(State(app): State<App>, caller: Caller, Id(id): Id<AccountId>) -> ApiResult<Json<Vec<LookRule>>> {
    let v = viewer(&app.patrol, &caller);
    account(&app, &caller, &v, id).await?;
    let mine = |rule: &&CameraRule| {
        place_of(&v, rule.scope, rule.made()).is_some_and(|place| v.place(place, Action::SetCameraRules).is_ok())
    };
    Ok(Json(v.cameras.rules_of(id).iter().filter(mine).map(shown).collect()))
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<AccountId>,
    Body(body): Body<NewLookRule>,
) -> ApiResult<(StatusCode, Json<LookRule>)> {
    let p = &app.patrol;
    // Where the camera hangs stays so until the rule is kept: it opens the place of the moment at which it was made.
    let _alone = match body.camera {
        Some(_) => Some(p.0.changing.lock().await),
        None => None,
    };
    let v = viewer(p, &caller);
    let about = account(&app, &caller, &v, id).await?;
    let scope = match (body.place, body.camera) {
        (Some(place), None) => RuleScope::Place(place),
        (None, Some(camera)) => RuleScope::Camera(camera),
        _ => return Err(ApiError::field("place", "a place or a camera")),
    };
    let made = UnixMillis::steady();
    let at = place_of(&v, scope, made)
        .ok_or_else(|| ApiError::field("camera", "there is no such camera, or it is not yours"))?;
    let place = v.place(at, Action::SetCameraRules).map_err(|e| match e.code {
        Code::NotFound => ApiError::field("place", "there is no such place, or it is not yours").because("no_role"),
        _ => e,
    })?;
    if body.deeds.is_empty() {
        return Err(ApiError::field("deeds", "at least one"));
    }
    if body.windows.len() > CameraRule::WINDOWS_MAX || body.windows.iter().any(|w| w.to <= w.from || w.from.0 < 0) {
        return Err(ApiError::field("windows", "at most 64, each ending after it begins"));
    }
    let mut actions: Vec<Action> = DEEDS.into_iter().filter(|(d, _)| body.deeds.contains(d)).map(|(_, a)| a).collect();
    if body.effect == LookEffect::Allow && body.deeds.contains(&CameraDeed::Play) {
        actions.push(Action::BookmarkCamera);
    }
    let effect = match body.effect {
        LookEffect::Allow => RuleEffect::Allow,
        LookEffect::Limit => RuleEffect::Limit,
        LookEffect::Deny => RuleEffect::Deny,
    };
    if let (RuleScope::Camera(camera), RuleEffect::Allow, true) = (scope, effect, p.0.footage.misdates()) {
        // It opens the place where the camera hangs when it is made: a wrong moment would open another, to which it may be moved.
        let detail = "no rule opens one camera while the server's clock is doubted; one about a place does";
        return Err(ApiError::new(Code::ClockDoubted, detail).because("clock_doubted").camera(camera));
    }
    let windows = body.windows.iter().map(|w| Window { from: w.from, to: w.to }).collect();
    // Dated by the clock that dates moves: where the camera hung when the rule was made follows from both.
    let rule_id = Ulid::from_parts(made.0.max(0) as u64, Ulid::new().random());
    let rule = CameraRule { id: rule_id, account: id, scope, actions, effect, windows };
    let what = match scope {
        RuleScope::Camera(camera) => p.what(camera),
        RuleScope::Place(_) => at_place(&place),
    };
    let detail = format!("rule {:?} for {}", rule.effect, about.login).to_lowercase();
    note(p, &caller, addr, AuditAction::RightsChanged, what, detail).await?;
    app.library.put_camera_rule(rule.clone()).await?;
    p.rights_changed();
    tracing::info!(by = %caller.account, account = %id, rule = %rule.id, "made a rule of looking");
    Ok((StatusCode::CREATED, Json(shown(&rule))))
}

async fn remove(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id((id, rule)): Id<(AccountId, Ulid)>,
) -> ApiResult<StatusCode> {
    let (p, v) = (&app.patrol, viewer(&app.patrol, &caller));
    let about = account(&app, &caller, &v, id).await?;
    let nothing = || ApiError::not_found("rule").because("unknown_rule");
    let found = v.cameras.rules_of(id).iter().find(|r| r.id == rule).ok_or_else(nothing)?;
    let place = place_of(&v, found.scope, found.made()).ok_or_else(nothing)?;
    v.place(place, Action::SetCameraRules).map_err(|e| if e.code == Code::NotFound { nothing() } else { e })?;
    let what = match found.scope {
        RuleScope::Camera(camera) => p.what_at(camera, found.made()),
        RuleScope::Place(_) => What { place: Some(place), place_name: v.place_name(place), ..What::default() },
    };
    note(p, &caller, addr, AuditAction::RightsChanged, what, format!("rule removed for {}", about.login)).await?;
    app.library.remove_camera_rule(id, rule).await?;
    p.rights_changed();
    Ok(StatusCode::NO_CONTENT)
}
