//! Sessions of signed-in browsers: a random token in a cookie, its hash in the store, a sliding end, and the CSRF token
//! that belongs to it.
//!
//! Does not belong here: cookies' flags (the HTTP shell knows whether it speaks TLS) and storage.

use crate::token::{TokenHash, TokenText};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use hmac::{Hmac, Mac as _};
use lectern_media::{AccountId, UnixMillis};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use std::time::Duration;
use subtle::ConstantTimeEq as _;

/// A session ends when it was not used for this long: a school week and its weekend stay signed in on one's own machine.
pub const IDLE_MAX: Duration = Duration::from_secs(7 * 24 * 3600);
/// A session ends this long after sign-in, used or not.
pub const AGE_MAX: Duration = Duration::from_secs(30 * 24 * 3600);
/// Sessions per account; signing in once more ends the one that was unused longest.
pub const PER_ACCOUNT_MAX: usize = 10;
/// Use is written down at most this often, so that reading pages does not write the store each time.
pub const TOUCH_EVERY: Duration = Duration::from_secs(15 * 60);

/// A session as the server keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Hash of the cookie's token.
    pub hash: TokenHash,
    /// Whose.
    pub account: AccountId,
    /// When it was opened.
    pub created: UnixMillis,
    /// When it was last used, to within [`TOUCH_EVERY`].
    pub seen: UnixMillis,
    /// When it showed the account's second factor; none: not yet. Good for [`crate::decision::SECOND_FACTOR_LASTS`].
    #[serde(default)]
    pub second_factor: Option<UnixMillis>,
}

impl Session {
    /// Opens a session: the token for the cookie, the record for the store.
    #[must_use]
    pub fn open(account: AccountId, now: UnixMillis) -> (TokenText, Self) {
        let token = TokenText::generate();
        let session = Self { hash: token.hash(), account, created: now, seen: now, second_factor: None };
        (token, session)
    }

    /// When it ends if it is not used again.
    #[must_use]
    pub fn expires(&self) -> UnixMillis {
        self.seen.plus(IDLE_MAX).min(self.created.plus(AGE_MAX))
    }

    /// Whether it is alive.
    #[must_use]
    pub fn valid(&self, now: UnixMillis) -> bool {
        now < self.expires()
    }

    /// Whether this use should be written down.
    #[must_use]
    pub fn touch_due(&self, now: UnixMillis) -> bool {
        now.since(self.seen) >= TOUCH_EVERY
    }
}

/// The CSRF token of a session: derived from the cookie's token, so it needs no storage, and whoever can't read the
/// (HttpOnly) cookie can't make it. Sent with every request that changes something.
#[must_use]
pub fn csrf_token(session: &TokenText) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(session.expose().as_bytes()).expect("HMAC takes keys of any length");
    mac.update(b"lectern csrf 1");
    B64.encode(mac.finalize().into_bytes())
}

/// Whether `given` is the CSRF token of the session, in constant time.
#[must_use]
pub fn csrf_matches(session: &TokenText, given: &str) -> bool {
    csrf_token(session).as_bytes().ct_eq(given.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_slides_and_still_ends() {
        let start = UnixMillis(0);
        let (_, mut s) = Session::open(AccountId::generate(), start);
        assert!(s.valid(start) && !s.valid(start.plus(IDLE_MAX)), "unused, it ends after a week");
        let mut now = start;
        while s.valid(now) {
            assert!(now < start.plus(AGE_MAX), "used daily, it ends after thirty days");
            s.seen = now;
            now = now.plus(Duration::from_secs(24 * 3600));
        }
        assert_eq!(s.expires(), start.plus(AGE_MAX));
    }

    #[test]
    fn use_is_written_down_rarely() {
        let (_, s) = Session::open(AccountId::generate(), UnixMillis(0));
        assert!(!s.touch_due(UnixMillis(60_000)) && s.touch_due(UnixMillis(0).plus(TOUCH_EVERY)));
        assert!(!s.touch_due(UnixMillis(-5)), "a clock that went back is no reason to write");
    }

    #[test]
    fn csrf_tokens_belong_to_one_session() {
        let (a, b) = (TokenText::generate(), TokenText::generate());
        assert!(csrf_matches(&a, &csrf_token(&a)));
        assert!(!csrf_matches(&a, &csrf_token(&b)) && !csrf_matches(&a, "") && !csrf_matches(&a, a.expose()));
    }
}
