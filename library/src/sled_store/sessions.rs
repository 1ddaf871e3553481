//! Sessions and one-time links on the embedded engine.

use super::{SledStore, people, writer::Tx};
use crate::{error::Result, store::Sessions};
use async_trait::async_trait;
use lectern_auth::{OneTimeToken, PasswordHash, Session, TokenHash, session::PER_ACCOUNT_MAX};
use lectern_media::{AccountId, UnixMillis};
use std::fmt::Write as _;

fn hex(hash: &TokenHash) -> String {
    hash.as_bytes().iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn session_key(hash: &TokenHash) -> String {
    format!("session/{}", hex(hash))
}

fn session_of_key(account: AccountId, hash: &TokenHash) -> String {
    format!("session-of/{account}/{}", hex(hash))
}

fn token_key(hash: &TokenHash) -> String {
    format!("token/{}", hex(hash))
}

fn token_of_key(account: AccountId) -> String {
    format!("token-of/{account}")
}

fn sessions_of(tx: &Tx<'_>, account: AccountId) -> Result<Vec<Session>> {
    let hashes: Vec<TokenHash> = tx.all(&format!("session-of/{account}/"))?;
    hashes.iter().filter_map(|hash| tx.get(&session_key(hash)).transpose()).collect()
}

fn end(tx: &mut Tx<'_>, session: &Session) {
    tx.remove(session_key(&session.hash));
    tx.remove(session_of_key(session.account, &session.hash));
}

pub(super) fn end_all(tx: &mut Tx<'_>, account: AccountId) -> Result<()> {
    sessions_of(tx, account)?.iter().for_each(|session| end(tx, session));
    Ok(())
}

/// Notes that a session showed the second factor; tells whether there is such a session.
pub(super) fn note_second_factor(tx: &mut Tx<'_>, hash: TokenHash, at: UnixMillis) -> Result<bool> {
    let Some(mut session) = tx.get::<Session>(&session_key(&hash))? else { return Ok(false) };
    session.second_factor = session.second_factor.max(Some(at));
    tx.put(session_key(&hash), &session)?;
    Ok(true)
}

fn remove_token(tx: &mut Tx<'_>, token: &OneTimeToken) {
    tx.remove(token_key(&token.hash));
    tx.remove(token_of_key(token.account));
}

#[async_trait]
impl Sessions for SledStore {
    async fn open_session(&self, session: Session) -> Result<()> {
        self.writer
            .write(move |tx| {
                let mut others = sessions_of(tx, session.account)?;
                others.sort_by_key(|s| std::cmp::Reverse(s.seen));
                others.iter().skip(PER_ACCOUNT_MAX - 1).for_each(|old| end(tx, old));
                tx.put(session_of_key(session.account, &session.hash), &session.hash)?;
                tx.put(session_key(&session.hash), &session)
            })
            .await
    }

    async fn session(&self, hash: TokenHash) -> Result<Option<Session>> {
        self.one(session_key(&hash)).await
    }

    async fn touch_session(&self, hash: TokenHash, seen: UnixMillis) -> Result<()> {
        self.writer
            .write(move |tx| {
                let Some(mut session) = tx.get::<Session>(&session_key(&hash))? else { return Ok(()) };
                session.seen = session.seen.max(seen);
                tx.put(session_key(&hash), &session)
            })
            .await
    }

    async fn close_session(&self, hash: TokenHash) -> Result<()> {
        self.writer
            .write(move |tx| {
                if let Some(session) = tx.get::<Session>(&session_key(&hash))? {
                    end(tx, &session);
                }
                Ok(())
            })
            .await
    }

    async fn put_token(&self, token: OneTimeToken) -> Result<()> {
        self.writer
            .write(move |tx| {
                if let Some(old) = tx.get::<TokenHash>(&token_of_key(token.account))? {
                    tx.remove(token_key(&old));
                }
                tx.put(token_of_key(token.account), &token.hash)?;
                tx.put(token_key(&token.hash), &token)
            })
            .await
    }

    async fn token(&self, hash: TokenHash) -> Result<Option<OneTimeToken>> {
        self.one(token_key(&hash)).await
    }

    async fn redeem_token(
        &self,
        hash: TokenHash,
        password: PasswordHash,
        now: UnixMillis,
    ) -> Result<Option<AccountId>> {
        self.writer
            .write(move |tx| {
                let Some(token) = tx.get::<OneTimeToken>(&token_key(&hash))?.filter(|t| t.valid(now)) else {
                    return Ok(None);
                };
                if !people::set_password(tx, token.account, password)? {
                    return Ok(None);
                }
                remove_token(tx, &token);
                end_all(tx, token.account)?;
                Ok(Some(token.account))
            })
            .await
    }

    async fn sweep(&self, now: UnixMillis) -> Result<usize> {
        self.writer
            .write(move |tx| {
                let sessions: Vec<Session> = tx.all("session/")?;
                let tokens: Vec<OneTimeToken> = tx.all("token/")?;
                let (mut swept, dead) = (0, sessions.iter().filter(|s| !s.valid(now)));
                dead.for_each(|session| {
                    end(tx, session);
                    swept += 1;
                });
                tokens.iter().filter(|t| !t.valid(now)).for_each(|token| {
                    remove_token(tx, token);
                    swept += 1;
                });
                Ok(swept)
            })
            .await
    }
}
