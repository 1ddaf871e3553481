//! Second factors, and the separation of administrators.

use crate::{
    error::Result,
    patrol::{Authority, By, Separation},
};
use async_trait::async_trait;
use lectern_auth::{SecondFactors, TokenHash};
use lectern_media::{AccountId, UnixMillis};

/// Second factors and the separation. While it is on, [`crate::store::People`] refuses roles that can't be held together
/// ([`crate::Conflict::RolesExclude`]), the role of administrator at the root, and whatever would take the last system,
/// security or audit administrator away ([`crate::Conflict::LastAdministrator`]).
#[async_trait]
pub trait Guards {
    /// The second factors of an account, with the number of the version that was read; (none, 0) if nothing was ever kept.
    async fn second_factors(&self, account: AccountId) -> Result<(SecondFactors, u64)>;

    /// Replaces them, if the version is still `read`; tells whether it did. So of two uses of one code one fails.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] if there is no such account.
    async fn put_second_factors(&self, account: AccountId, factors: SecondFactors, read: u64) -> Result<bool>;

    /// Takes all second factors of an account away and ends its sessions.
    ///
    /// # Errors
    /// [`crate::StoreError::NotFound`] if there is no such account.
    async fn reset_second_factors(&self, account: AccountId) -> Result<()>;

    /// Notes that a session showed the second factor; tells whether there is such a session.
    async fn note_second_factor(&self, session: TokenHash, at: UnixMillis) -> Result<bool>;

    /// Whether administrators are separated.
    async fn authority(&self) -> Result<Authority>;

    /// Separates them: gives the three roles at the root, takes the role of administrator from every account that holds it
    /// there, and ends the sessions of all of these.
    ///
    /// # Errors
    /// [`crate::Conflict::NotTheAdministrator`] if `by` is not an administrator of the root;
    /// [`crate::Conflict::AlreadySeparated`]; [`crate::Conflict::RolesExclude`] if two of the three, or one of them and
    /// `by`, are the same account, or somebody holds roles that can't be held together;
    /// [`crate::Conflict::CannotSignIn`] if one of them is disabled or has no password;
    /// [`crate::StoreError::NotFound`].
    async fn separate(&self, separation: Separation, now: UnixMillis) -> Result<Authority>;

    /// Asks for the end of the separation, or agrees to it: the second, within a day, of a system and a security
    /// administrator of the root ends it.
    ///
    /// # Errors
    /// [`crate::Conflict::NotTheAdministrator`], [`crate::Conflict::SamePerson`] if the other kind has to agree,
    /// [`crate::Conflict::NotSeparated`].
    async fn end_separation(&self, by: By) -> Result<Authority>;
}
