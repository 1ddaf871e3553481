//! Random tokens: what a person or browser holds is [`TokenText`]; what the server keeps is only its [`TokenHash`].
//!
//! Belongs here: making, hashing, expiry of one-time links. Does not belong here: signed grants ([`crate::grant`]),
//! which need no storage.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use lectern_media::{AccountId, UnixMillis};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::{fmt, str::FromStr, time::Duration};
use zeroize::Zeroize as _;

/// Fills `N` bytes from the operating system.
///
/// # Panics
/// If the operating system has no randomness to give: nothing secret can be made then.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// 256 random bits as the holder sees them: 43 characters of base64url. Wiped when dropped, never logged.
#[derive(Clone)]
pub struct TokenText(String);

impl TokenText {
    /// The length of the text in characters.
    pub const LEN: usize = 43;

    /// A new random token.
    #[must_use]
    pub fn generate() -> Self {
        let mut bytes = random::<32>();
        let text = B64.encode(bytes);
        bytes.zeroize();
        Self(text)
    }

    /// The text.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// What the server keeps.
    #[must_use]
    pub fn hash(&self) -> TokenHash {
        TokenHash(Sha256::digest(self.0.as_bytes()).into())
    }
}

/// The text is not a token's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a token: expected 43 characters of base64url")]
pub struct NotAToken;

impl FromStr for TokenText {
    type Err = NotAToken;
    fn from_str(s: &str) -> Result<Self, NotAToken> {
        let fits = s.len() == Self::LEN && s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if fits { Ok(Self(s.to_owned())) } else { Err(NotAToken) }
    }
}

impl Drop for TokenText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for TokenText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[token]")
    }
}

/// SHA-256 of a token: enough to find it, useless to whoever reads the store. A plain hash suffices because the token
/// has 256 random bits; the lookup by hash leaks no useful timing for the same reason.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenHash({}…)", hex::encode(&self.0[..4]))
    }
}

impl Serialize for TokenHash {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&hex::encode(self.0))
    }
}

impl<'de> Deserialize<'de> for TokenHash {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = String::deserialize(d)?;
        let mut bytes = [0; 32];
        hex::decode_to_slice(&text, &mut bytes).map_err(serde::de::Error::custom)?;
        Ok(Self(bytes))
    }
}

/// What a one-time link is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenPurpose {
    /// The first password of a new account. Valid for seven days.
    Invite,
    /// A new password for somebody who lost theirs. Valid for one day.
    Reset,
}

impl TokenPurpose {
    /// How long a link of this purpose is valid.
    #[must_use]
    pub const fn lifetime(self) -> Duration {
        match self {
            Self::Invite => Duration::from_secs(7 * 24 * 3600),
            Self::Reset => Duration::from_secs(24 * 3600),
        }
    }
}

/// A one-time link as the server keeps it. A newer link for the same account replaces the older one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneTimeToken {
    /// Hash of the text in the link.
    pub hash: TokenHash,
    /// Whose password it sets.
    pub account: AccountId,
    /// What for.
    pub purpose: TokenPurpose,
    /// Until when.
    pub expires: UnixMillis,
}

impl OneTimeToken {
    /// A new link for `account`: the text for the person, the record for the store.
    #[must_use]
    pub fn issue(account: AccountId, purpose: TokenPurpose, now: UnixMillis) -> (TokenText, Self) {
        let text = TokenText::generate();
        let record = Self { hash: text.hash(), account, purpose, expires: now.plus(purpose.lifetime()) };
        (text, record)
    }

    /// Whether it can still be used.
    #[must_use]
    pub fn valid(&self, now: UnixMillis) -> bool {
        now < self.expires
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_differ_and_survive_the_way_through_text() {
        let (a, b) = (TokenText::generate(), TokenText::generate());
        assert_ne!(a.expose(), b.expose());
        assert_eq!(a.expose().parse::<TokenText>().unwrap().hash(), a.hash());
        assert_eq!(format!("{a:?}"), "[token]");
        for bad in ["", "short", &"a".repeat(44), &format!("{}!", "a".repeat(42))] {
            assert!(bad.parse::<TokenText>().is_err(), "{bad}");
        }
    }

    #[test]
    fn hashes_survive_json() {
        let hash = TokenText::generate().hash();
        let json = serde_json::to_string(&hash).unwrap();
        assert_eq!(serde_json::from_str::<TokenHash>(&json).unwrap(), hash);
        assert!(serde_json::from_str::<TokenHash>("\"abcd\"").is_err());
    }

    #[test]
    fn links_expire() {
        let now = UnixMillis(1_000);
        let (_, invite) = OneTimeToken::issue(AccountId::generate(), TokenPurpose::Invite, now);
        let end = now.plus(TokenPurpose::Invite.lifetime());
        assert!(invite.valid(now) && invite.valid(UnixMillis(end.0 - 1)) && !invite.valid(end));
    }
}
