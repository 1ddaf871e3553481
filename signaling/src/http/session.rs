//! Signing in and out, one's own account and password.
//!
//! Whoever guesses is slowed down by log-in name and by address; an unknown name, a wrong password and a disabled
//! account look and take the same.

use super::words;
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, COOKIE_PLAIN, COOKIE_TLS, Caller, ClientAddr, session_token},
    limit::network,
    patrol::{
        access::Viewer,
        routes::{self, factor},
        trail::{Act, What, Who},
    },
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{delete, get, post},
};
use lectern_auth::{Backoff, BackoffPolicy, PasswordHash, Secret, Session, TokenText, password, session::AGE_MAX};
use lectern_library::{Account, AccountChange, Authenticated, library, timetable};
use lectern_media::UnixMillis;
use lectern_protocol::api::{AuditAction, ChangePassword, ChoosePassword, Me, SignIn};
use parking_lot::Mutex;
use std::{
    net::IpAddr,
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(Verb::Post, "/api/v1/session", Right::Public, "Sign in", || post(sign_in))
        .takes::<SignIn>()
        .gives::<Me>()
        .body_len_max(4 * 1024),
    Route::new(Verb::Delete, "/api/v1/session", Right::SignedIn, "Sign out", || delete(sign_out)),
    Route::new(Verb::Get, "/api/v1/me", Right::SignedIn, "Who is signed in, and the CSRF token", || get(me))
        .gives::<Me>(),
    Route::new(Verb::Post, "/api/v1/password", Right::Public, "Choose a password with a one-time link", || {
        post(choose_password)
    })
    .takes::<ChoosePassword>()
    .gives::<Me>()
    .body_len_max(4 * 1024),
    Route::new(Verb::Post, "/api/v1/password/change", Right::SignedIn, "Change one's own password", || {
        post(change_password)
    })
    .takes::<ChangePassword>()
    .gives::<Me>()
    .body_len_max(4 * 1024),
];

/// Passwords hashed at once: 19 MiB and 30 ms each, so that a flood of attempts can't take the machine from the classes.
const HASHES_AT_ONCE: usize = 3;
/// How long an attempt waits for its turn.
const HASH_WAIT_MAX: Duration = Duration::from_secs(5);

/// Slows down guessing, and bounds how many passwords are hashed at once.
pub struct SignInGuard {
    logins: Mutex<Backoff<String>>,
    addresses: Mutex<Backoff<IpAddr>>,
    hashing: Semaphore,
}

impl Default for SignInGuard {
    fn default() -> Self {
        Self {
            logins: Mutex::new(Backoff::new(BackoffPolicy::LOGIN)),
            addresses: Mutex::new(Backoff::new(BackoffPolicy::ADDRESS)),
            hashing: Semaphore::new(HASHES_AT_ONCE),
        }
    }
}

fn too_often(wait: Duration) -> ApiError {
    ApiError::retry(Code::TooOften, wait, "too many failed attempts; wait before the next one")
}

impl SignInGuard {
    fn check(&self, login: &str, addr: ClientAddr) -> ApiResult<()> {
        let now = Instant::now();
        self.addresses.lock().check(now, &network(addr.0)).map_err(too_often)?;
        let mut logins = self.logins.lock();
        logins.check(now, &login.to_owned()).map_err(too_often)?;
        // Counted before it is known: attempts made side by side must not all be free.
        logins.failed(now, login.to_owned());
        Ok(())
    }

    fn failed(&self, addr: ClientAddr) {
        self.addresses.lock().failed(Instant::now(), network(addr.0));
    }

    fn succeeded(&self, login: &str) {
        self.logins.lock().succeeded(&login.to_owned());
    }

    async fn turn(&self) -> ApiResult<tokio::sync::SemaphorePermit<'_>> {
        match tokio::time::timeout(HASH_WAIT_MAX, self.hashing.acquire()).await {
            Ok(Ok(permit)) => Ok(permit),
            _ => Err(ApiError::retry(Code::Busy, HASH_WAIT_MAX, "many people are signing in; try again")),
        }
    }

    /// Checks a password, each attempt on its turn.
    async fn verify(&self, password: Secret, hash: Option<PasswordHash>) -> ApiResult<bool> {
        let _turn = self.turn().await?;
        Ok(library::verify_password(password, hash).await?)
    }

    /// Hashes a password, each on its turn.
    async fn hash(&self, password: Secret) -> ApiResult<PasswordHash> {
        let _turn = self.turn().await?;
        Ok(library::hash_password(password).await?)
    }
}

async fn sign_in(
    State(app): State<App>,
    addr: ClientAddr,
    headers: HeaderMap,
    Body(body): Body<SignIn>,
) -> ApiResult<Response> {
    let password = Secret::new(body.password);
    // What can't be a log-in name is still checked against the clock, so that it takes as long as any other.
    let login: String = body.login.trim().chars().take(64).collect::<String>().to_lowercase();
    app.sign_in.check(&login, addr)?;
    let account = app.library.store().account_by_login(&login).await?.filter(|account| !account.disabled);
    let hash = account.as_ref().and_then(|account| account.password.clone());
    let matches = app.sign_in.verify(password.clone(), hash.clone()).await?;
    let Some(account) = account.filter(|_| matches) else {
        app.sign_in.failed(addr);
        metrics::counter!("lectern_http_sign_ins_total", "outcome" => "refused").increment(1);
        let who = Who { login: login.clone(), address: addr.0.to_string(), ..Who::default() };
        let now = UnixMillis::now();
        app.patrol.trail().refused(now, who, AuditAction::SignInFailed, What::default(), "wrong name or password");
        return Err(ApiError::new(Code::BadCredentials, "the log-in name or the password is wrong"));
    };
    app.sign_in.succeeded(&login);
    metrics::counter!("lectern_http_sign_ins_total", "outcome" => "done").increment(1);
    if hash.is_some_and(|hash| hash.outdated()) {
        let renewed = app.sign_in.hash(password).await?;
        let change = AccountChange { password: Some(renewed), ..AccountChange::default() };
        app.library.store().change_account(account.id, change).await?;
    }
    // A session that this browser had before is of no more use.
    if let Some(old) = session_token(&headers, app.settings.tls) {
        app.library.store().close_session(old.hash()).await?;
    }
    tracing::info!(account = %account.id, "signed in");
    note_sign_in(&app, &account, addr, "").await;
    open_session(&app, &account).await
}

/// Writes down that somebody signed in, and how if it was not by their password.
async fn note_sign_in(app: &App, account: &Account, addr: ClientAddr, how: &str) {
    let who = Who {
        account: Some(account.id),
        name: account.name.0.clone(),
        login: account.login.clone(),
        address: addr.0.to_string(),
        ..Who::default()
    };
    let act = Act::new(UnixMillis::now(), who, AuditAction::SignedIn, What::default(), how);
    app.patrol.trail().note(act).await;
}

/// Opens a session for the account: its cookie, and who is signed in.
async fn open_session(app: &App, account: &Account) -> ApiResult<Response> {
    let (token, session) = Session::open(account.id, UnixMillis::now());
    app.library.store().open_session(session.clone()).await?;
    let known = Authenticated { session, account: account.clone() };
    let me = who_is(app, &Caller::of(&app.library, &token, known), account).await?;
    let cookie = cookie(app.settings.tls, token.expose(), AGE_MAX.as_secs());
    Ok(([(header::SET_COOKIE, cookie), no_store()], Json(me)).into_response())
}

/// What a page has to know of who is signed in.
async fn who_is(app: &App, caller: &Caller, account: &Account) -> ApiResult<Me> {
    Ok(Me {
        account: words::account(account, |_| true),
        csrf: caller.csrf.clone(),
        patrol: Viewer::new(&app.patrol, caller).patrols(),
        factor: factor::state(app, caller).await?,
        zone: timetable::name_of(app.library.zone()).to_owned(),
    })
}

fn no_store() -> (header::HeaderName, HeaderValue) {
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store"))
}

/// The session cookie. `Lax`, because people come to their class by links in messages; everything that changes
/// something needs the CSRF token besides.
fn cookie(tls: bool, value: &str, max_age_secs: u64) -> HeaderValue {
    let (name, secure) = if tls { (COOKIE_TLS, "; Secure") } else { (COOKIE_PLAIN, "") };
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age={max_age_secs}{secure}");
    // Names, tokens and numbers are visible ASCII.
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

async fn sign_out(State(app): State<App>, caller: Caller, addr: ClientAddr) -> ApiResult<Response> {
    let who = routes::who(&caller, addr);
    let act = Act::new(UnixMillis::now(), who, AuditAction::SignedOut, What::default(), "");
    // Nobody is kept from leaving: what can't be written down is counted as lost.
    app.patrol.trail().note_now(act);
    app.library.store().close_session(caller.session).await?;
    app.patrol.rights_changed();
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, cookie(app.settings.tls, "", 0))]).into_response())
}

async fn me(State(app): State<App>, caller: Caller) -> ApiResult<Response> {
    let account = own_account(&app, &caller).await?;
    let me = who_is(&app, &caller, &account).await?;
    Ok(([no_store()], Json(me)).into_response())
}

async fn own_account(app: &App, caller: &Caller) -> ApiResult<Account> {
    app.library.store().account(caller.account).await?.ok_or_else(|| Code::NotSignedIn.into())
}

fn check_policy(password: &Secret, login: &str, field: &str) -> ApiResult<()> {
    password::check_policy(password.expose(), login)
        .map_err(|e| ApiError { field: Some(field.into()), ..ApiError::new(Code::WeakPassword, e.to_string()) })
}

async fn choose_password(
    State(app): State<App>,
    addr: ClientAddr,
    Body(body): Body<ChoosePassword>,
) -> ApiResult<Response> {
    let password = Secret::new(body.password);
    let now = UnixMillis::now();
    app.sign_in.addresses.lock().check(Instant::now(), &network(addr.0)).map_err(too_often)?;
    let used_up = || {
        app.sign_in.failed(addr);
        ApiError::new(Code::LinkExpired, "ask for a new link")
    };
    let store = app.library.store();
    let token: TokenText = body.token.parse().map_err(|_| used_up())?;
    let link = store.token(token.hash()).await?.filter(|link| link.valid(now)).ok_or_else(used_up)?;
    let account = store.account(link.account).await?.ok_or_else(used_up)?;
    check_policy(&password, &account.login, "password")?;
    let hash = app.sign_in.hash(password).await?;
    let redeemed = store.redeem_token(token.hash(), hash, now).await?.ok_or_else(used_up)?;
    app.sign_in.succeeded(&account.login.to_lowercase());
    tracing::info!(account = %redeemed, purpose = ?link.purpose, "chose a password by link");
    let account = store.account(redeemed).await?.ok_or_else(used_up)?;
    note_sign_in(&app, &account, addr, "chose a password by link").await;
    // Sessions that there were have ended, and walls with them.
    app.patrol.rights_changed();
    open_session(&app, &account).await
}

async fn change_password(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Body(body): Body<ChangePassword>,
) -> ApiResult<Response> {
    let (old, new) = (Secret::new(body.old), Secret::new(body.new));
    let account = own_account(&app, &caller).await?;
    let login = account.login.to_lowercase();
    check_policy(&new, &account.login, "new")?;
    app.sign_in.check(&login, addr)?;
    if !app.sign_in.verify(old, account.password.clone()).await? {
        app.sign_in.failed(addr);
        return Err(ApiError {
            field: Some("old".into()),
            ..ApiError::new(Code::Forbidden, "the old password is wrong")
        });
    }
    app.sign_in.succeeded(&login);
    let change = AccountChange { password: Some(app.sign_in.hash(new).await?), ..AccountChange::default() };
    // Ends every session, this one too; a fresh one follows.
    app.library.store().change_account(account.id, change).await?;
    tracing::info!(account = %account.id, "changed the password");
    note_sign_in(&app, &account, addr, "changed the password").await;
    app.patrol.rights_changed();
    open_session(&app, &account).await
}
