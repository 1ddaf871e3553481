//! Places and accounts on the embedded engine.

use super::{SledStore, authority, counts, writer::Tx};
use crate::{
    error::{Conflict, Result, StoreError},
    model::{Account, AccountChange, Class, Recording},
    patrol::Camera,
    store::{ACCOUNTS_MAX, PLACES_MAX, People},
};
use async_trait::async_trait;
use lectern_auth::{PlaceNode, RoleAt};
use lectern_media::{AccountId, PlaceId};

fn place_key(id: PlaceId) -> String {
    format!("place/{id}")
}

pub(super) fn account_key(id: AccountId) -> String {
    format!("account/{id}")
}

fn login_key(login: &str) -> String {
    format!("login/{}", login.to_lowercase())
}

pub(super) fn place_exists(tx: &Tx<'_>, place: PlaceId) -> Result<()> {
    if tx.has(&place_key(place))? { Ok(()) } else { Err(Conflict::UnknownPlace.into()) }
}

pub(super) fn account_exists(tx: &Tx<'_>, id: AccountId) -> Result<()> {
    if tx.has(&account_key(id))? { Ok(()) } else { Err(StoreError::NotFound) }
}

fn check_roles(tx: &Tx<'_>, roles: &[RoleAt]) -> Result<()> {
    if roles.len() > Account::ROLES_MAX {
        return Err(StoreError::Full { what: "roles of an account", max: Account::ROLES_MAX });
    }
    roles.iter().try_for_each(|role| place_exists(tx, role.place))
}

fn create(tx: &mut Tx<'_>, account: &Account) -> Result<()> {
    check_roles(tx, &account.roles)?;
    if tx.has(&login_key(&account.login))? {
        return Err(Conflict::LoginTaken.into());
    }
    authority::check(tx, account)?;
    counts::add(tx, "account", "accounts", 1, ACCOUNTS_MAX)?;
    tx.put(login_key(&account.login), &account.id)?;
    tx.put(account_key(account.id), account)
}

fn check_fits(tx: &Tx<'_>, place: &PlaceNode) -> Result<()> {
    let fits = match place.parent {
        Some(parent) => {
            let parent: Option<PlaceNode> = tx.get(&place_key(parent))?;
            parent.is_some_and(|p| p.id != place.id && place.level.fits_under(p.level))
        }
        None => tx.all::<PlaceNode>("place/")?.iter().all(|p| p.parent.is_some() || p.id == place.id),
    };
    let old: Option<PlaceNode> = tx.get(&place_key(place.id))?;
    let above_children = match old {
        Some(old) if old.level != place.level => tx
            .all::<PlaceNode>("place/")?
            .iter()
            .filter(|p| p.parent == Some(place.id))
            .all(|child| child.level.fits_under(place.level)),
        _ => true,
    };
    if fits && above_children { Ok(()) } else { Err(Conflict::PlaceDoesNotFit.into()) }
}

#[async_trait]
impl People for SledStore {
    async fn places(&self) -> Result<Vec<PlaceNode>> {
        self.many("place/".into(), None, usize::MAX).await
    }

    async fn put_place(&self, place: PlaceNode) -> Result<()> {
        self.writer
            .write(move |tx| {
                check_fits(tx, &place)?;
                if !tx.has(&place_key(place.id))? && tx.keys("place/")?.len() >= PLACES_MAX {
                    return Err(StoreError::Full { what: "places", max: PLACES_MAX });
                }
                tx.put(place_key(place.id), &place)
            })
            .await
    }

    async fn remove_place(&self, place: PlaceId) -> Result<()> {
        self.writer
            .write(move |tx| {
                if !tx.has(&place_key(place))? {
                    return Err(StoreError::NotFound);
                }
                let used = tx.all::<PlaceNode>("place/")?.iter().any(|p| p.parent == Some(place))
                    || tx.all::<Class>("class/")?.iter().any(|c| c.entry.place == place && c.removed.is_none())
                    || tx.all::<Camera>("camera/")?.iter().any(|c| c.hung().any(|h| h.object.place == place))
                    || tx.all::<Recording>("recording/")?.iter().any(|r| r.place == place)
                    || tx.all::<Account>("account/")?.iter().any(|a| a.roles.iter().any(|r| r.place == place));
                if used {
                    return Err(Conflict::PlaceInUse.into());
                }
                tx.remove(place_key(place));
                Ok(())
            })
            .await
    }

    async fn create_account(&self, account: Account) -> Result<()> {
        self.transact(move |tx| create(tx, &account)).await
    }

    async fn create_first(&self, root: PlaceNode, account: Account) -> Result<bool> {
        self.writer
            .write(move |tx| {
                if !tx.keys("account/")?.is_empty() {
                    return Ok(false);
                }
                check_fits(tx, &root)?;
                tx.put(place_key(root.id), &root)?;
                create(tx, &account)?;
                Ok(true)
            })
            .await
    }

    async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        self.one(account_key(id)).await
    }

    async fn account_by_login(&self, login: &str) -> Result<Option<Account>> {
        self.via(login_key(login), "account").await
    }

    async fn accounts(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>> {
        self.many("account/".into(), after.map(account_key), limit).await
    }

    async fn change_account(&self, id: AccountId, change: AccountChange) -> Result<Account> {
        self.writer
            .write(move |tx| {
                let mut account: Account = tx.get(&account_key(id))?.ok_or(StoreError::NotFound)?;
                let ends_sessions = change.disabled == Some(true) || change.password.is_some();
                if let Some(name) = change.name {
                    account.name.0 = name;
                }
                if let Some(roles) = change.roles {
                    check_roles(tx, &roles)?;
                    account.roles = roles;
                }
                if let Some(disabled) = change.disabled {
                    account.disabled = disabled;
                }
                if let Some(password) = change.password {
                    account.password = Some(password);
                }
                authority::check(tx, &account)?;
                if ends_sessions {
                    super::sessions::end_all(tx, id)?;
                }
                tx.put(account_key(id), &account)?;
                Ok(account)
            })
            .await
    }
}

/// Sets the password of an account that may sign in; tells whether there is one.
pub(super) fn set_password(tx: &mut Tx<'_>, id: AccountId, password: lectern_auth::PasswordHash) -> Result<bool> {
    let Some(mut account) = tx.get::<Account>(&account_key(id))?.filter(|a| !a.disabled) else { return Ok(false) };
    account.password = Some(password);
    tx.put(account_key(id), &account)?;
    Ok(true)
}
