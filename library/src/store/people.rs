//! The tree of places and the accounts.

use crate::{
    error::Result,
    model::{Account, AccountChange},
};
use async_trait::async_trait;
use lectern_auth::PlaceNode;
use lectern_media::{AccountId, PlaceId};

/// Places in the tree: every school and class of a province.
pub const PLACES_MAX: usize = 200_000;

/// Accounts, disabled ones among them: the staff and pupils of a district on one machine.
pub const ACCOUNTS_MAX: usize = 200_000;

/// Places and accounts.
#[async_trait]
pub trait People {
    /// Every place. Small (tens of thousands at most) and kept in memory by the caller.
    async fn places(&self) -> Result<Vec<PlaceNode>>;

    /// Makes or changes a place.
    ///
    /// # Errors
    /// [`crate::Conflict::PlaceDoesNotFit`] if its parent is missing, its level not below the parent's or not above its
    /// children's, or if it would be a second root; [`crate::StoreError::Full`] beyond [`PLACES_MAX`].
    async fn put_place(&self, place: PlaceNode) -> Result<()>;

    /// Removes a place.
    ///
    /// # Errors
    /// [`crate::Conflict::PlaceInUse`] if there is a place, role, class, camera (removed or not) or recording in it;
    /// [`crate::StoreError::NotFound`].
    async fn remove_place(&self, place: PlaceId) -> Result<()>;

    /// Makes an account.
    ///
    /// # Errors
    /// [`crate::Conflict::LoginTaken`], [`crate::Conflict::UnknownPlace`].
    async fn create_account(&self, account: Account) -> Result<()>;

    /// Makes the root of the tree and the first account, if there is no account yet; tells whether it did.
    async fn create_first(&self, root: PlaceNode, account: Account) -> Result<bool>;

    /// An account.
    async fn account(&self, id: AccountId) -> Result<Option<Account>>;

    /// An account by its log-in name, without regard to case.
    async fn account_by_login(&self, login: &str) -> Result<Option<Account>>;

    /// At most `limit` accounts after `after`, in the order of their ids.
    async fn accounts(&self, after: Option<AccountId>, limit: usize) -> Result<Vec<Account>>;

    /// Changes an account; disabling it, or a new password, ends its sessions.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`], [`crate::Conflict::UnknownPlace`].
    async fn change_account(&self, id: AccountId, change: AccountChange) -> Result<Account>;
}
