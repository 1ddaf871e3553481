//! Second factors and the separation of administrators on the embedded engine.
//!
//! Keys: `factors/account`, `authority`.

use super::{SledStore, people, sessions, writer::Tx};
use crate::{
    error::{Conflict, Result, StoreError},
    model::Account,
    patrol::{Authority, By, Separation},
    store::Guards,
};
use async_trait::async_trait;
use lectern_auth::{PlaceNode, Role, RoleAt, SecondFactors, TokenHash, roles_clash};
use lectern_media::{AccountId, PlaceId, UnixMillis};
use serde::{Deserialize, Serialize};

const AUTHORITY: &str = "authority";

fn factors_key(account: AccountId) -> String {
    format!("factors/{account}")
}

/// Second factors with the number of their version.
#[derive(Default, Serialize, Deserialize)]
struct Kept {
    version: u64,
    factors: SecondFactors,
}

pub(super) fn authority(tx: &Tx<'_>) -> Result<Authority> {
    Ok(tx.get(AUTHORITY)?.unwrap_or_default())
}

fn root(tx: &Tx<'_>) -> Result<PlaceId> {
    let places: Vec<PlaceNode> = tx.all("place/")?;
    places.iter().find(|p| p.parent.is_none()).map(|p| p.id).ok_or(StoreError::NotFound)
}

fn holds(account: &Account, role: Role, place: PlaceId) -> bool {
    account.roles.contains(&RoleAt { role, place })
}

fn can_sign_in(account: &Account) -> bool {
    !account.disabled && account.password.is_some()
}

/// Whether an account may become what it is about to be, while administrators are separated; before it is written.
pub(super) fn check(tx: &Tx<'_>, account: &Account) -> Result<()> {
    if !authority(tx)?.separated {
        return Ok(());
    }
    let root = root(tx)?;
    if roles_clash(&account.roles) || holds(account, Role::Administrator, root) {
        return Err(Conflict::RolesExclude.into());
    }
    let Some(old) = tx.get::<Account>(&people::account_key(account.id))? else { return Ok(()) };
    let is = |account: &Account, role| can_sign_in(account) && holds(account, role, root);
    let mut lost = Role::SEPARATE.into_iter().filter(|role| is(&old, *role) && !is(account, *role)).peekable();
    if lost.peek().is_none() {
        return Ok(());
    }
    let others: Vec<Account> = tx.all("account/")?;
    let last = lost.any(|role| !others.iter().any(|other| other.id != account.id && is(other, role)));
    if last { Err(Conflict::LastAdministrator.into()) } else { Ok(()) }
}

fn separate(tx: &mut Tx<'_>, separation: Separation, now: UnixMillis) -> Result<Authority> {
    if authority(tx)?.separated {
        return Err(Conflict::AlreadySeparated.into());
    }
    let root = root(tx)?;
    let key = people::account_key;
    let by: Account = tx.get(&key(separation.by))?.ok_or(StoreError::NotFound)?;
    if by.disabled || !holds(&by, Role::Administrator, root) {
        return Err(Conflict::NotTheAdministrator.into());
    }
    let named = [separation.system, separation.security, separation.audit];
    for (nth, id) in named.iter().enumerate() {
        if *id == separation.by || named[..nth].contains(id) {
            return Err(Conflict::RolesExclude.into());
        }
    }
    // Who names themselves among the three keeps nothing else; whoever was an administrator of everything no longer is.
    let mut accounts: Vec<Account> = tx.all("account/")?;
    for account in &mut accounts {
        let before = account.roles.clone();
        account.roles.retain(|r| *r != RoleAt { role: Role::Administrator, place: root });
        if let Some(nth) = named.iter().position(|id| *id == account.id) {
            if !can_sign_in(account) {
                return Err(Conflict::CannotSignIn.into());
            }
            let role = RoleAt { role: Role::SEPARATE[nth], place: root };
            if !account.roles.contains(&role) {
                account.roles.push(role);
            }
        }
        if roles_clash(&account.roles) {
            return Err(Conflict::RolesExclude.into());
        }
        if account.roles != before {
            sessions::end_all(tx, account.id)?;
            tx.put(key(account.id), account)?;
        }
    }
    if named.iter().any(|id| !accounts.iter().any(|a| a.id == *id)) {
        return Err(StoreError::NotFound);
    }
    let authority = Authority { separated: true, since: Some(now), end_asked: None };
    tx.put(AUTHORITY.into(), &authority)?;
    Ok(authority)
}

fn end_separation(tx: &mut Tx<'_>, by: &By) -> Result<Authority> {
    let mut authority = authority(tx)?;
    if !authority.separated {
        return Err(Conflict::NotSeparated.into());
    }
    let root = root(tx)?;
    let kind = |tx: &Tx<'_>, id: AccountId| -> Result<Option<Role>> {
        let account: Option<Account> = tx.get(&people::account_key(id))?;
        let may = [Role::SystemAdministrator, Role::SecurityAdministrator];
        Ok(account.filter(|a| !a.disabled).and_then(|a| may.into_iter().find(|role| holds(&a, *role, root))))
    };
    let own = kind(tx, by.account)?.ok_or(Conflict::NotTheAdministrator)?;
    // Who asked may have lost the role since, and the request its time.
    let asked = match &authority.end_asked {
        Some(asked) if by.at < asked.at.plus(Authority::ASK_LIFE) => {
            kind(tx, asked.account)?.map(|role| (asked.account, role))
        }
        _ => None,
    };
    match asked {
        Some((_, role)) if role != own => {
            authority = Authority { separated: false, since: Some(by.at), end_asked: None };
        }
        Some(_) => return Err(Conflict::SamePerson.into()),
        None => authority.end_asked = Some(by.clone()),
    }
    tx.put(AUTHORITY.into(), &authority)?;
    Ok(authority)
}

#[async_trait]
impl Guards for SledStore {
    async fn second_factors(&self, account: AccountId) -> Result<(SecondFactors, u64)> {
        let kept: Option<Kept> = self.one(factors_key(account)).await?;
        Ok(kept.map(|k| (k.factors, k.version)).unwrap_or_default())
    }

    async fn put_second_factors(&self, account: AccountId, factors: SecondFactors, read: u64) -> Result<bool> {
        self.transact(move |tx| {
            people::account_exists(tx, account)?;
            let known: Option<Kept> = tx.get(&factors_key(account))?;
            if known.map_or(0, |k| k.version) != read {
                return Ok(false);
            }
            tx.put(factors_key(account), &Kept { version: read + 1, factors: factors.clone() })?;
            Ok(true)
        })
        .await
    }

    async fn reset_second_factors(&self, account: AccountId) -> Result<()> {
        self.transact(move |tx| {
            people::account_exists(tx, account)?;
            // The version goes on: whoever read the old ones must not write them back.
            if let Some(known) = tx.get::<Kept>(&factors_key(account))? {
                tx.put(factors_key(account), &Kept { version: known.version + 1, ..Kept::default() })?;
            }
            sessions::end_all(tx, account)
        })
        .await
    }

    async fn note_second_factor(&self, session: TokenHash, at: UnixMillis) -> Result<bool> {
        self.transact(move |tx| sessions::note_second_factor(tx, session, at)).await
    }

    async fn authority(&self) -> Result<Authority> {
        Ok(self.one(AUTHORITY.into()).await?.unwrap_or_default())
    }

    async fn separate(&self, separation: Separation, now: UnixMillis) -> Result<Authority> {
        self.transact(move |tx| separate(tx, separation, now)).await
    }

    async fn end_separation(&self, by: By) -> Result<Authority> {
        self.transact(move |tx| end_separation(tx, &by)).await
    }
}
