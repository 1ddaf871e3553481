//! Accounts: who sees them, who makes and changes them, and the links by which people choose their passwords.
//!
//! Nobody touches an account that holds a role anywhere they don't administer, or gives a role there.

use super::{
    params::{Id, Params},
    words,
};
use crate::{
    app::App,
    error::{ApiError, ApiResult, Code},
    extract::{Body, Caller, ClientAddr},
    patrol::{
        routes,
        trail::{Act, What},
    },
    route::{Right, Route, Verb},
};
use axum::{
    Json,
    extract::State,
    http::StatusCode,
    routing::{get, patch, post},
};
use lectern_auth::{Action, OneTimeToken, Redacted, RoleAt, TokenPurpose};
use lectern_library::{Account, AccountChange};
use lectern_media::{AccountId, UnixMillis};
use lectern_protocol::api::{self, AuditAction};
use serde::Deserialize;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The routes.
pub const ROUTES: &[Route] = &[
    Route::new(Verb::Get, "/api/v1/accounts", Right::SignedIn, "The accounts that the caller may see", || get(list))
        .gives_list::<api::Account>(),
    Route::new(Verb::Post, "/api/v1/accounts", Right::May(Action::CreateAccount), "Make an account", || post(create))
        .takes::<api::NewAccount>()
        .gives::<api::Invitation>(),
    Route::new(Verb::Get, "/api/v1/accounts/{id}", Right::May(Action::ViewAccount), "One account", || get(one))
        .gives::<api::Account>(),
    Route::new(Verb::Patch, "/api/v1/accounts/{id}", Right::May(Action::EditAccount), "Change an account", || {
        patch(change)
    })
    .takes::<api::AccountChange>()
    .gives::<api::Account>(),
    Route::new(
        Verb::Post,
        "/api/v1/accounts/{id}/invitation",
        Right::May(Action::ResetPassword),
        "A new link to choose a password",
        || post(invite),
    )
    .gives::<api::Invitation>(),
];

/// Accounts read from the store at a time.
const CHUNK: usize = 1_000;
/// Administrators who look through the accounts at once, so that a few can't take the catalogue from the classes.
static LISTINGS: Semaphore = Semaphore::const_new(2);
/// How long one waits for a turn.
const LISTING_WAIT_MAX: Duration = Duration::from_secs(10);
/// Accounts in one answer.
const LIST_LEN_MAX: usize = 5_000;

#[derive(Debug, Deserialize)]
struct ListQuery {
    /// Part of the name or log-in name.
    #[serde(default)]
    q: String,
    /// The last id of the answer before.
    after: Option<AccountId>,
    limit: Option<usize>,
}

async fn list(
    State(app): State<App>,
    caller: Caller,
    Params(query): Params<ListQuery>,
) -> ApiResult<Json<Vec<api::Account>>> {
    let limit = query.limit.unwrap_or(LIST_LEN_MAX).clamp(1, LIST_LEN_MAX);
    let wanted = query.q.trim().to_lowercase();
    let fits = |a: &&Account| a.login.to_lowercase().contains(&wanted) || a.name.0.to_lowercase().contains(&wanted);
    let store = app.library.store();
    if !caller.rights.roles().iter().any(|role| caller.may(Action::ViewAccount, role.place)) {
        // Who administers nothing sees nobody else: there is no need to look through all of them.
        let own = store.account(caller.account).await?;
        let own = own.iter().filter(fits).filter(|own| query.after.is_none_or(|after| own.id > after));
        return Ok(Json(own.map(|account| shown(&caller, account)).collect()));
    }
    let Ok(Ok(_turn)) = tokio::time::timeout(LISTING_WAIT_MAX, LISTINGS.acquire()).await else {
        return Err(ApiError::retry(Code::Busy, LISTING_WAIT_MAX, "others are looking through the accounts"));
    };
    // As many steps as the table has, which has a limit.
    let (mut after, mut found) = (query.after, Vec::new());
    while found.len() < limit {
        let chunk = store.accounts(after, CHUNK).await?;
        let Some(last) = chunk.last() else { break };
        after = Some(last.id);
        let matching = chunk.iter().filter(|account| sees(&caller, account)).filter(fits);
        found.extend(matching.take(limit - found.len()).map(|account| shown(&caller, account)));
    }
    Ok(Json(found))
}

fn sees(caller: &Caller, account: &Account) -> bool {
    account.id == caller.account || caller.rights.sees_account(&account.roles, &caller.tree)
}

/// The account with those of its roles that the caller may know of.
fn shown(caller: &Caller, account: &Account) -> api::Account {
    let own = account.id == caller.account;
    words::account(account, |role| own || caller.may(Action::ViewAccount, role.place))
}

/// An account that the caller sees.
async fn seen(app: &App, caller: &Caller, id: AccountId) -> ApiResult<Account> {
    let account = app.library.store().account(id).await?.filter(|account| sees(caller, account));
    account.ok_or_else(|| ApiError::not_found("account"))
}

/// Refuses unless the caller may do this to the account: at every place where it holds a role.
fn require(caller: &Caller, action: Action, account: &Account) -> ApiResult<()> {
    if caller.rights.may_account(action, &account.roles, &caller.tree) {
        caller.require_factor(action)
    } else {
        tracing::info!(account = %caller.account, ?action, "refused: the right is missing");
        Err(ApiError::forbidden("change an account that holds roles at places you don't administer"))
    }
}

/// Refuses roles at places that the caller doesn't administer; places that the caller may not see don't exist.
fn require_grant<'a>(caller: &Caller, roles: impl Iterator<Item = &'a RoleAt>) -> ApiResult<()> {
    for role in roles {
        if !caller.may(Action::ViewPlace, role.place) {
            return Err(ApiError::field("roles", format!("there is no place {}", role.place)));
        }
        caller.require(Action::GrantRole, role.place)?;
    }
    Ok(())
}

/// Writes down that rights changed, and lets walls look again.
async fn rights_changed(app: &App, caller: &Caller, addr: ClientAddr, detail: String) {
    let act =
        Act::new(UnixMillis::now(), routes::who(caller, addr), AuditAction::RightsChanged, What::default(), detail);
    app.patrol.trail().note(act).await;
    app.patrol.rights_changed();
}

/// Roles as the audit log names them.
fn roles_text(roles: &[RoleAt], caller: &Caller) -> String {
    let name = |r: &RoleAt| format!("{:?} {}", r.role, caller.tree.get(r.place).map_or("?", |p| &p.name));
    roles.iter().map(name).collect::<Vec<_>>().join(", ")
}

async fn create(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Body(body): Body<api::NewAccount>,
) -> ApiResult<(StatusCode, Json<api::Invitation>)> {
    let roles = words::roles_from(&body.roles);
    require_grant(&caller, roles.iter())?;
    if !caller.rights.may_account(Action::CreateAccount, &roles, &caller.tree) {
        return Err(ApiError::forbidden("make an account there"));
    }
    caller.require_factor(Action::CreateAccount)?;
    let account = Account {
        id: AccountId::generate(),
        login: words::login(&body.login)?,
        name: Redacted(words::text("name", &body.name, 1, 100)?),
        roles,
        disabled: false,
        password: None,
        created: UnixMillis::now(),
    };
    app.library.store().create_account(account.clone()).await?;
    tracing::info!(by = %caller.account, account = %account.id, "made an account");
    let detail = format!("made {}: {}", account.login, roles_text(&account.roles, &caller));
    rights_changed(&app, &caller, addr, detail).await;
    let invitation = link(&app, &caller, account, TokenPurpose::Invite).await?;
    Ok((StatusCode::CREATED, Json(invitation)))
}

async fn link(app: &App, caller: &Caller, account: Account, purpose: TokenPurpose) -> ApiResult<api::Invitation> {
    let (text, token) = OneTimeToken::issue(account.id, purpose, UnixMillis::now());
    let expires = token.expires;
    app.library.store().put_token(token).await?;
    // In the fragment: it is not sent to any server, so it stands in no log and no Referer.
    let link = format!("/welcome#{}", text.expose());
    Ok(api::Invitation { account: shown(caller, &account), link, expires })
}

async fn one(State(app): State<App>, caller: Caller, Id(id): Id<AccountId>) -> ApiResult<Json<api::Account>> {
    Ok(Json(shown(&caller, &seen(&app, &caller, id).await?)))
}

async fn change(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<AccountId>,
    Body(body): Body<api::AccountChange>,
) -> ApiResult<Json<api::Account>> {
    let account = seen(&app, &caller, id).await?;
    if id == caller.account && (body.roles.is_some() || body.disabled == Some(true)) {
        return Err(ApiError::new(Code::Conflict, "another administrator changes your roles or disables you"));
    }
    if body.name.is_some() || body.disabled.is_some() {
        require(&caller, Action::EditAccount, &account)?;
    }
    let roles = match body.roles {
        None => None,
        Some(roles) => {
            let wanted = words::roles_from(&roles);
            // Roles that the caller may not know of were not shown, and stay.
            let hidden = account.roles.iter().filter(|r| !caller.may(Action::ViewAccount, r.place));
            let mut after: Vec<RoleAt> = wanted.iter().chain(hidden).copied().collect();
            after.sort_unstable();
            after.dedup();
            let added = after.iter().filter(|r| !account.roles.contains(r));
            let taken = account.roles.iter().filter(|r| !after.contains(r));
            require_grant(&caller, added.chain(taken))?;
            Some(after)
        }
    };
    let change = AccountChange {
        name: body.name.map(|name| words::text("name", &name, 1, 100)).transpose()?,
        roles,
        disabled: body.disabled,
        password: None,
    };
    let changed = app.library.store().change_account(id, change).await?;
    tracing::info!(by = %caller.account, account = %id, "changed an account");
    if changed.roles != account.roles || changed.disabled != account.disabled {
        let state = if changed.disabled { "disabled" } else { "enabled" };
        let detail = format!("changed {} ({state}): {}", changed.login, roles_text(&changed.roles, &caller));
        rights_changed(&app, &caller, addr, detail).await;
    }
    Ok(Json(shown(&caller, &changed)))
}

async fn invite(
    State(app): State<App>,
    caller: Caller,
    addr: ClientAddr,
    Id(id): Id<AccountId>,
) -> ApiResult<Json<api::Invitation>> {
    let account = seen(&app, &caller, id).await?;
    require(&caller, Action::ResetPassword, &account)?;
    if account.disabled {
        return Err(ApiError::new(Code::Conflict, "the account is disabled; enable it first"));
    }
    let purpose = if account.password.is_none() { TokenPurpose::Invite } else { TokenPurpose::Reset };
    tracing::info!(by = %caller.account, account = %id, ?purpose, "made a link to choose a password");
    rights_changed(&app, &caller, addr, format!("link to choose a password for {}", account.login)).await;
    Ok(Json(link(&app, &caller, account, purpose).await?))
}
