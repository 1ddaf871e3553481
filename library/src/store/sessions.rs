//! Sessions of browsers and one-time links.

use crate::error::Result;
use async_trait::async_trait;
use lectern_auth::{OneTimeToken, PasswordHash, Session, TokenHash};
use lectern_media::{AccountId, UnixMillis};

/// Sessions and one-time links.
#[async_trait]
pub trait Sessions {
    /// Opens a session; if the account then has more than [`lectern_auth::session::PER_ACCOUNT_MAX`], the ones that
    /// were unused longest end.
    async fn open_session(&self, session: Session) -> Result<()>;

    /// A session, expired or not.
    async fn session(&self, hash: TokenHash) -> Result<Option<Session>>;

    /// Notes that a session was used. Nothing happens if it is gone.
    async fn touch_session(&self, hash: TokenHash, seen: UnixMillis) -> Result<()>;

    /// Ends a session. Nothing happens if it is gone.
    async fn close_session(&self, hash: TokenHash) -> Result<()>;

    /// Keeps a one-time link; it replaces an older one of the same account.
    async fn put_token(&self, token: OneTimeToken) -> Result<()>;

    /// A one-time link, expired or not.
    async fn token(&self, hash: TokenHash) -> Result<Option<OneTimeToken>>;

    /// Uses a link up: sets the password, ends the account's sessions and removes the link, all or nothing. None if the
    /// link is unknown, expired or used, or the account is gone or disabled.
    async fn redeem_token(&self, hash: TokenHash, password: PasswordHash, now: UnixMillis)
    -> Result<Option<AccountId>>;

    /// Removes expired sessions and links; tells how many.
    async fn sweep(&self, now: UnixMillis) -> Result<usize>;
}
