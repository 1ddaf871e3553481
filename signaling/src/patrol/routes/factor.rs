//! The second factor of one's own account, and taking away somebody else's.
//!
//! A factor is added to or taken from an account that has one only in a session that has shown it. Whoever guesses is slowed
//! down by the factors' own brake and written down.

use super::who;
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, ClientAddr},
    http::{params::Id, words},
    patrol::trail::{Act, What},
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, Uri, header, uri::Authority},
    routing::{delete, get, post, put},
};
use lectern_auth::{
    Action, Decision, FactorError, KeyAnswer, RelyingParty, Role, SECOND_FACTOR_LASTS, SecondFactors, Shown,
    second_factor_good,
};
use lectern_media::{AccountId, UnixMillis};
use lectern_protocol::api::{
    AuditAction, FactorCode, FactorState, RecoveryCodes, TotpSetup, WebAuthnAnswer, WebAuthnOptions,
};
use qrcode::{QrCode, render::svg};

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(Verb::Get, "/api/v1/session/factor", Right::SignedIn, "What of a second factor one has", || {
        get(own_state)
    })
    .gives::<FactorState>(),
    Route::new(
        Verb::Post,
        "/api/v1/session/factor",
        Right::SignedIn,
        "Show a code of the app, or a recovery code",
        || post(show_code),
    )
    .takes::<FactorCode>()
    .gives::<FactorState>()
    .body_len_max(4 * 1024),
    Route::new(Verb::Post, "/api/v1/session/factor/totp", Right::SignedIn, "Begin to set an app for codes up", || {
        post(begin_totp)
    })
    .gives::<TotpSetup>(),
    Route::new(
        Verb::Put,
        "/api/v1/session/factor/totp",
        Right::SignedIn,
        "Confirm the app with its first code",
        || put(confirm_totp),
    )
    .takes::<FactorCode>()
    .gives::<RecoveryCodes>()
    .body_len_max(4 * 1024),
    Route::new(Verb::Delete, "/api/v1/session/factor/totp", Right::SignedIn, "Take the app away", || {
        delete(remove_totp)
    })
    .gives::<FactorState>(),
    Route::new(Verb::Post, "/api/v1/session/factor/recovery", Right::SignedIn, "New recovery codes", || {
        post(new_recovery)
    })
    .gives::<RecoveryCodes>(),
    Route::new(
        Verb::Post,
        "/api/v1/session/factor/keys/options",
        Right::SignedIn,
        "Begin to set a security key up",
        || post(begin_key),
    )
    .gives::<WebAuthnOptions>(),
    Route::new(
        Verb::Post,
        "/api/v1/session/factor/keys",
        Right::SignedIn,
        "Set a security key up; recovery codes come with the first factor",
        || post(confirm_key),
    )
    .takes::<WebAuthnAnswer>()
    .gives::<RecoveryCodes>(),
    Route::new(Verb::Delete, "/api/v1/session/factor/keys/{name}", Right::SignedIn, "Take a security key away", || {
        delete(remove_key)
    })
    .gives::<FactorState>(),
    Route::new(
        Verb::Post,
        "/api/v1/session/factor/keys/challenge",
        Right::SignedIn,
        "Begin to show a security key",
        || post(ask_key),
    )
    .gives::<WebAuthnOptions>(),
    Route::new(Verb::Post, "/api/v1/session/factor/keys/verify", Right::SignedIn, "Show a security key", || {
        post(show_key)
    })
    .takes::<WebAuthnAnswer>()
    .gives::<FactorState>(),
    Route::new(
        Verb::Delete,
        "/api/v1/accounts/{id}/factor",
        Right::May(Action::ResetSecondFactor),
        "Take somebody's second factor away: they set up a new one",
        || delete(reset),
    ),
];

/// What of a second factor the caller has.
pub(crate) async fn state(app: &App, caller: &Caller) -> ApiResult<FactorState> {
    let (factors, _) = app.library.store().second_factors(caller.account).await?;
    let now = UnixMillis::now();
    let needing = |role: Role| {
        matches!(
            role,
            Role::Administrator
                | Role::PatrolOfficer
                | Role::SiteAdministrator
                | Role::SystemAdministrator
                | Role::SecurityAdministrator
                | Role::AuditAdministrator
        )
    };
    let by_role = caller.rights.roles().iter().any(|r| needing(r.role));
    Ok(FactorState {
        totp: factors.has_totp(),
        keys: factors.keys().iter().map(|k| k.name.clone()).collect(),
        recovery_left: factors.recovery_left().min(255) as u8,
        shown_until: caller
            .second_factor
            .filter(|shown| second_factor_good(Some(*shown), now))
            .map(|shown| shown.plus(SECOND_FACTOR_LASTS)),
        needed: by_role || !app.library.cameras().rules_of(caller.account).is_empty(),
    })
}

async fn own_state(State(app): State<App>, caller: Caller) -> ApiResult<Json<FactorState>> {
    Ok(Json(state(&app, &caller).await?))
}

/// A step with one's own factors; a refusal is counted in the audit log.
async fn step<T>(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    step: impl FnMut(&mut SecondFactors) -> Result<T, FactorError>,
) -> ApiResult<T> {
    let outcome = app.library.with_second_factors(caller.account, step).await?;
    outcome.map_err(|e| {
        let now = UnixMillis::now();
        metrics::counter!("lectern_http_second_factors_refused_total", "reason" => e.reason()).increment(1);
        app.patrol.trail().refused(now, who(caller, addr), AuditAction::FactorFailed, What::default(), e.reason());
        refusal(&e, now)
    })
}

fn refusal(e: &FactorError, now: UnixMillis) -> ApiError {
    match e {
        FactorError::Wait { until } => ApiError::retry(Code::TooOften, until.since(now), e.to_string()),
        FactorError::WrongCode | FactorError::Key(_) => ApiError::new(Code::WrongCode, e.to_string()),
        FactorError::NotPending | FactorError::NoFactor | FactorError::TooManyKeys => {
            ApiError::new(Code::Conflict, e.to_string())
        }
        _ => ApiError::internal(e),
    }
}

/// Refuses to change factors in a session that has not shown the one there is.
async fn shown_if_any(app: &App, caller: &Caller) -> ApiResult<()> {
    let (factors, _) = app.library.store().second_factors(caller.account).await?;
    if factors.is_set_up() && !second_factor_good(caller.second_factor, UnixMillis::now()) {
        return Err(ApiError::new(Code::NeedsSecondFactor, "show the factor that you have before you change it"));
    }
    Ok(())
}

/// The session has shown the factor: note it, and say so.
async fn has_shown(app: &App, caller: &Caller, addr: ClientAddr, how: &str) -> ApiResult<FactorState> {
    let now = UnixMillis::now();
    let act = Act::new(now, who(caller, addr), AuditAction::FactorShown, What::default(), how);
    super::write(&app.patrol, act).await?;
    if !app.library.store().note_second_factor(caller.session, now).await? {
        return Err(Code::NotSignedIn.into());
    }
    app.patrol.rights_changed();
    let caller = Caller { second_factor: Some(now), ..caller.clone() };
    state(app, &caller).await
}

async fn changed(app: &App, caller: &Caller, addr: ClientAddr, what: &str) -> ApiResult<()> {
    let act = Act::new(UnixMillis::now(), who(caller, addr), AuditAction::FactorChanged, What::default(), what);
    super::write(&app.patrol, act).await
}

/// A factor was set up: whoever just showed it has shown it to this session.
async fn set_up(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    factor: &str,
    codes: Option<Vec<String>>,
) -> ApiResult<Json<RecoveryCodes>> {
    changed(app, caller, addr, &format!("{factor} set up")).await?;
    has_shown(app, caller, addr, factor).await?;
    Ok(Json(RecoveryCodes { codes: codes.unwrap_or_default() }))
}

/// Takes a factor away, in a session that has shown one.
async fn take_away(
    app: &App,
    caller: &Caller,
    addr: ClientAddr,
    factor: &str,
    take: impl FnMut(&mut SecondFactors) -> Result<(), FactorError>,
) -> ApiResult<Json<FactorState>> {
    step(app, caller, addr, take).await?;
    changed(app, caller, addr, &format!("{factor} removed")).await?;
    Ok(Json(state(app, caller).await?))
}

async fn show_code(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Body(body): Body<FactorCode>,
) -> ApiResult<Json<FactorState>> {
    let keys = &app.patrol.0.seal;
    let shown = step(&app, &caller, addr, |f| f.show_code(caller.account, keys, &body.code, UnixMillis::now())).await?;
    let how = match shown {
        Shown::Totp => "totp",
        Shown::Recovery { .. } => "recovery",
        Shown::Key => "key",
    };
    Ok(Json(has_shown(&app, &caller, addr, how).await?))
}

async fn begin_totp(State(app): State<App>, caller: Caller, addr: ClientAddr) -> ApiResult<Json<TotpSetup>> {
    shown_if_any(&app, &caller).await?;
    let (keys, issuer) = (&app.patrol.0.seal, &app.patrol.0.settings.issuer);
    let now = UnixMillis::now();
    let setup = step(&app, &caller, addr, |f| f.begin_totp(caller.account, issuer, &caller.login, keys, now)).await?;
    let code = QrCode::new(setup.uri.as_bytes()).map_err(ApiError::internal)?;
    let qr_svg = code.render::<svg::Color<'_>>().min_dimensions(200, 200).quiet_zone(true).build();
    Ok(Json(TotpSetup { secret: setup.secret.to_string(), uri: setup.uri.to_string(), qr_svg }))
}

async fn confirm_totp(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Body(body): Body<FactorCode>,
) -> ApiResult<Json<RecoveryCodes>> {
    shown_if_any(&app, &caller).await?;
    let keys = &app.patrol.0.seal;
    let codes =
        step(&app, &caller, addr, |f| f.confirm_totp(caller.account, keys, &body.code, UnixMillis::now())).await?;
    set_up(&app, &caller, addr, "totp", codes).await
}

/// Refuses unless the session has shown the factor.
fn must_have_shown(caller: &Caller) -> ApiResult<()> {
    if second_factor_good(caller.second_factor, UnixMillis::now()) {
        Ok(())
    } else {
        Err(ApiError::new(Code::NeedsSecondFactor, "show the factor before you change it"))
    }
}

async fn remove_totp(State(app): State<App>, caller: Caller, addr: ClientAddr) -> ApiResult<Json<FactorState>> {
    must_have_shown(&caller)?;
    take_away(&app, &caller, addr, "totp", SecondFactors::remove_totp).await
}

async fn new_recovery(State(app): State<App>, caller: Caller, addr: ClientAddr) -> ApiResult<Json<RecoveryCodes>> {
    must_have_shown(&caller)?;
    let codes = step(&app, &caller, addr, |f| {
        if f.is_set_up() { Ok(f.renew_recovery_codes()) } else { Err(FactorError::NoFactor) }
    })
    .await?;
    changed(&app, &caller, addr, "recovery codes renewed").await?;
    Ok(Json(RecoveryCodes { codes }))
}

/// Who we are to security keys: the host that the page was asked from.
fn relying_party(app: &App, uri: &Uri, headers: &HeaderMap) -> ApiResult<RelyingParty> {
    let host = uri.authority().map(Authority::as_str).or_else(|| headers.get(header::HOST)?.to_str().ok());
    let host = host.ok_or_else(|| ApiError::new(Code::BadRequest, "the request names no host"))?;
    let scheme = if app.settings.tls { "https" } else { "http" };
    // A proxy in front may ask by another name than people do; that one is configured.
    let configured = app.settings.origins.first().and_then(|o| Some((o.clone(), o.split_once("://")?.1.to_owned())));
    let (origin, host) = configured.unwrap_or_else(|| (format!("{scheme}://{host}"), host.to_owned()));
    let authority: Authority = host.parse().map_err(|_| ApiError::new(Code::BadRequest, "the host is no host"))?;
    let id = authority.host().trim_matches(['[', ']']).to_owned();
    Ok(RelyingParty { id, origins: vec![origin], name: app.patrol.0.settings.issuer.clone() })
}

fn answer(body: &WebAuthnAnswer) -> ApiResult<KeyAnswer> {
    KeyAnswer::decode(&body.id, &body.client_data, &body.data, &body.signature)
        .map_err(|e| ApiError::new(Code::BadRequest, e.to_string()))
}

async fn begin_key(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    uri: Uri,
    headers: HeaderMap,
) -> ApiResult<Json<WebAuthnOptions>> {
    shown_if_any(&app, &caller).await?;
    let rp = relying_party(&app, &uri, &headers)?;
    let now = UnixMillis::now();
    let request = step(&app, &caller, addr, |f| f.begin_key(&rp, caller.account, &caller.login, now)).await?;
    Ok(Json(WebAuthnOptions { public_key: request.public_key, state: request.state }))
}

async fn confirm_key(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    uri: Uri,
    headers: HeaderMap,
    Body(body): Body<WebAuthnAnswer>,
) -> ApiResult<Json<RecoveryCodes>> {
    shown_if_any(&app, &caller).await?;
    let name = words::text("name", body.name.as_deref().unwrap_or_default(), 1, 40)?;
    let (rp, answer) = (relying_party(&app, &uri, &headers)?, answer(&body)?);
    let (factors, _) = app.library.store().second_factors(caller.account).await?;
    if factors.keys().iter().any(|k| k.name == name) {
        return Err(ApiError { field: Some("name".into()), ..ApiError::new(Code::Exists, "a key has this name") });
    }
    let now = UnixMillis::now();
    let codes = step(&app, &caller, addr, |f| f.confirm_key(&rp, &name, &body.state, &answer, now)).await?;
    set_up(&app, &caller, addr, "key", codes).await
}

async fn remove_key(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(name): Id<String>,
) -> ApiResult<Json<FactorState>> {
    must_have_shown(&caller)?;
    let (factors, _) = app.library.store().second_factors(caller.account).await?;
    let key = factors.keys().iter().find(|k| k.name == name);
    let id = key.map(|k| k.credential.id.clone()).ok_or_else(|| ApiError::not_found("security key"))?;
    take_away(&app, &caller, addr, "key", |f| f.remove_key(&id)).await
}

async fn ask_key(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    uri: Uri,
    headers: HeaderMap,
) -> ApiResult<Json<WebAuthnOptions>> {
    let rp = relying_party(&app, &uri, &headers)?;
    let request = step(&app, &caller, addr, |f| f.ask_key(&rp, UnixMillis::now())).await?;
    Ok(Json(WebAuthnOptions { public_key: request.public_key, state: request.state }))
}

async fn show_key(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    uri: Uri,
    headers: HeaderMap,
    Body(body): Body<WebAuthnAnswer>,
) -> ApiResult<Json<FactorState>> {
    let (rp, answer) = (relying_party(&app, &uri, &headers)?, answer(&body)?);
    step(&app, &caller, addr, |f| f.show_key(&rp, &body.state, &answer, UnixMillis::now())).await?;
    Ok(Json(has_shown(&app, &caller, addr, "key").await?))
}

/// Somebody tried to take away the factor of an account and may not.
fn refused_reset(app: &App, caller: &Caller, addr: ClientAddr, login: &str, reason: &str) {
    let detail = format!("reset for {login}: {reason}");
    let who = who(caller, addr);
    app.patrol.trail().refused(UnixMillis::now(), who, AuditAction::Refused, What::default(), &detail);
}

async fn reset(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<AccountId>,
) -> ApiResult<StatusCode> {
    let account = app.library.store().account(id).await?;
    let seen = account.filter(|a| caller.rights.sees_account(&a.roles, &caller.tree));
    let account = seen.ok_or_else(|| {
        refused_reset(&app, &caller, addr, &id.to_string(), "unknown_account");
        ApiError::not_found("account")
    })?;
    let now = UnixMillis::now();
    if !caller.rights.may_account(Action::ResetSecondFactor, &account.roles, &caller.tree) {
        refused_reset(&app, &caller, addr, &account.login, "no_role");
        return Err(ApiError::forbidden("take the second factor of this account away").because("no_role"));
    }
    let separated = caller.rights.is_separated();
    let shown = second_factor_good(caller.second_factor, now);
    if Action::ResetSecondFactor.needs_second_factor(separated) && !shown {
        refused_reset(&app, &caller, addr, &account.login, "needs_second_factor");
        super::super::access::allow(Decision::NeedsSecondFactor)?;
    }
    let detail = format!("reset for {}", account.login);
    super::note(&app.patrol, &caller, addr, AuditAction::FactorChanged, What::default(), detail).await?;
    app.library.store().reset_second_factors(id).await?;
    app.patrol.rights_changed();
    tracing::info!(by = %caller.account, account = %id, "took a second factor away");
    Ok(StatusCode::NO_CONTENT)
}
