//! The second factors of one account: codes of an app, security keys, recovery codes; how they are set up, shown and
//! used up. One record that is kept with the account and replaced as a whole; whoever keeps it compares before it
//! replaces, so that of two uses of one code one fails.
//!
//! Pure but for randomness. Does not belong here: the first factor, sessions, and who may reset another's
//! ([`crate::Action::ResetSecondFactor`]). A further factor is added only in a session that has shown one, if there is one:
//! the HTTP shell sees to it.

use crate::{
    seal::{SealError, Sealed, SealedFor, SealingKeys},
    token::random,
    totp,
    webauthn::{self, Credential, KeyAnswer, RelyingParty, WebAuthnError},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use lectern_media::{AccountId, UnixMillis};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::time::Duration;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Security keys per account.
pub const KEYS_MAX: usize = 10;
/// Recovery codes that are given out at once.
pub const RECOVERY_CODES: usize = 10;
/// How long a set-up or a challenge waits for its answer.
pub const PENDING_LIFE: Duration = Duration::from_secs(5 * 60);
/// Wrong answers in a row before one has to wait.
pub const FREE_TRIES: u32 = 5;
/// The longest wait after wrong answers: with six digits and three good codes at a time, guessing takes decades.
pub const WAIT_MAX: Duration = Duration::from_secs(15 * 60);

/// Why an answer is refused or a step can't be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FactorError {
    /// Wrong, or used before.
    #[error("the code is wrong or was used before")]
    WrongCode,
    /// Too many wrong answers.
    #[error("too many wrong answers; try again later")]
    Wait {
        /// When.
        until: UnixMillis,
    },
    /// Nothing was begun, or it took too long.
    #[error("begin again: nothing waits for this answer")]
    NotPending,
    /// There is none.
    #[error("the account has no such factor")]
    NoFactor,
    /// As many keys as there may be.
    #[error("the account has as many security keys as it may")]
    TooManyKeys,
    /// The security key's answer.
    #[error(transparent)]
    Key(#[from] WebAuthnError),
    /// The secret can't be read.
    #[error(transparent)]
    Seal(#[from] SealError),
}

impl FactorError {
    /// The value of the metric label `reason`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::WrongCode => "wrong_code",
            Self::Wait { .. } => "wait",
            Self::NotPending => "not_pending",
            Self::NoFactor => "no_factor",
            Self::TooManyKeys => "too_many_keys",
            Self::Key(error) => error.reason(),
            Self::Seal(_) => "seal",
        }
    }
}

/// What an app is given, told once.
#[derive(Clone)]
pub struct TotpSetup {
    /// Base 32.
    pub secret: Zeroizing<String>,
    /// `otpauth://totp/…`
    pub uri: Zeroizing<String>,
}

/// What a browser is given to ask a security key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRequest {
    /// The JSON of `publicKey`, binary values as base64url.
    pub public_key: String,
    /// To be sent back with the answer.
    pub state: String,
}

/// Which factor was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// A code of the app.
    Totp,
    /// A recovery code, which is used up.
    Recovery {
        /// How many are left.
        left: usize,
    },
    /// A security key.
    Key,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct App {
    secret: Sealed,
    /// The step of the code that was used last.
    #[serde(default)]
    last_step: Option<u64>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct PendingApp {
    secret: Sealed,
    expires: UnixMillis,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum ChallengeFor {
    Register,
    Assert,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Challenge {
    /// base64url of 32 random bytes.
    text: String,
    purpose: ChallengeFor,
    expires: UnixMillis,
}

/// A security key of an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SecurityKey {
    /// The name its owner gave it.
    pub name: String,
    /// Its public key.
    pub credential: Credential,
    /// When it was set up.
    pub added: UnixMillis,
}

/// All of an account's second factors.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct SecondFactors {
    app: Option<App>,
    pending_app: Option<PendingApp>,
    keys: Vec<SecurityKey>,
    challenge: Option<Challenge>,
    /// SHA-256 of each recovery code that is left, hexadecimal. A plain hash suffices: each has 80 random bits.
    recovery: Vec<String>,
    /// Wrong answers in a row, and when the last was.
    failed: u32,
    failed_at: UnixMillis,
}

impl SecondFactors {
    /// Whether there is any factor to show.
    #[must_use]
    pub fn is_set_up(&self) -> bool {
        self.app.is_some() || !self.keys.is_empty()
    }

    /// Whether an app gives codes.
    #[must_use]
    pub fn has_totp(&self) -> bool {
        self.app.is_some()
    }

    /// The security keys.
    #[must_use]
    pub fn keys(&self) -> &[SecurityKey] {
        &self.keys
    }

    /// Recovery codes left.
    #[must_use]
    pub fn recovery_left(&self) -> usize {
        self.recovery.len()
    }

    /// Begins to set an app up; it replaces what was begun before, and the app that is set up only when confirmed.
    ///
    /// # Errors
    /// [`FactorError::Seal`].
    pub fn begin_totp(
        &mut self,
        account: AccountId,
        issuer: &str,
        login: &str,
        keys: &SealingKeys,
        now: UnixMillis,
    ) -> Result<TotpSetup, FactorError> {
        let secret = Zeroizing::new(random::<{ totp::SECRET_LEN }>());
        let sealed = keys.seal_bytes(SealedFor::Totp(account), &*secret)?;
        self.pending_app = Some(PendingApp { secret: sealed, expires: now.plus(PENDING_LIFE) });
        Ok(TotpSetup {
            secret: Zeroizing::new(totp::base32(&*secret)),
            uri: Zeroizing::new(totp::uri(&*secret, issuer, login)),
        })
    }

    /// Ends the set-up with a first code. Recovery codes come with the first factor of an account.
    ///
    /// # Errors
    /// [`FactorError::NotPending`], [`FactorError::WrongCode`], [`FactorError::Wait`].
    pub fn confirm_totp(
        &mut self,
        account: AccountId,
        keys: &SealingKeys,
        code: &str,
        now: UnixMillis,
    ) -> Result<Option<Vec<String>>, FactorError> {
        self.check_brake(now)?;
        let pending = self.pending_app.as_ref().filter(|p| now < p.expires).ok_or(FactorError::NotPending)?;
        let secret = keys.open_bytes(SealedFor::Totp(account), &pending.secret)?;
        let Some(step) = totp::matching_step(&secret, code.trim(), None, now) else {
            return Err(self.failed(FactorError::WrongCode, now));
        };
        let first = !self.is_set_up();
        self.app = Some(App { secret: pending.secret.clone(), last_step: Some(step) });
        self.pending_app = None;
        self.failed = 0;
        Ok(first.then(|| self.renew_recovery_codes()))
    }

    /// Shows a code: six digits of the app, or a recovery code.
    ///
    /// # Errors
    /// [`FactorError::NoFactor`], [`FactorError::WrongCode`], [`FactorError::Wait`]. The record changed all the same (the
    /// failure is counted): keep it.
    pub fn show_code(
        &mut self,
        account: AccountId,
        keys: &SealingKeys,
        code: &str,
        now: UnixMillis,
    ) -> Result<Shown, FactorError> {
        if !self.is_set_up() {
            return Err(FactorError::NoFactor);
        }
        self.check_brake(now)?;
        let code = code.trim();
        let shown = if code.len() == 6 && code.bytes().all(|b| b.is_ascii_digit()) {
            self.show_totp(account, keys, code, now)?
        } else {
            self.show_recovery(code)
        };
        match shown {
            Some(shown) => {
                self.failed = 0;
                Ok(shown)
            }
            None => Err(self.failed(FactorError::WrongCode, now)),
        }
    }

    fn show_totp(
        &mut self,
        account: AccountId,
        keys: &SealingKeys,
        code: &str,
        now: UnixMillis,
    ) -> Result<Option<Shown>, FactorError> {
        let Some(app) = &mut self.app else { return Ok(None) };
        let secret = keys.open_bytes(SealedFor::Totp(account), &app.secret)?;
        let Some(step) = totp::matching_step(&secret, code, app.last_step, now) else { return Ok(None) };
        app.last_step = Some(step);
        if keys.is_old(&app.secret) {
            app.secret = keys.seal_bytes(SealedFor::Totp(account), &secret)?;
        }
        Ok(Some(Shown::Totp))
    }

    fn show_recovery(&mut self, code: &str) -> Option<Shown> {
        let hash = recovery_hash(code)?;
        let nth = self.recovery.iter().position(|known| known.as_bytes().ct_eq(hash.as_bytes()).into())?;
        self.recovery.remove(nth);
        Some(Shown::Recovery { left: self.recovery.len() })
    }

    /// Makes new recovery codes; the old ones end. Told once.
    pub fn renew_recovery_codes(&mut self) -> Vec<String> {
        let codes: Vec<String> = (0..RECOVERY_CODES).map(|_| recovery_code()).collect();
        self.recovery = codes.iter().filter_map(|code| recovery_hash(code)).collect();
        codes
    }

    /// Takes the app away.
    ///
    /// # Errors
    /// [`FactorError::NoFactor`].
    pub fn remove_totp(&mut self) -> Result<(), FactorError> {
        self.app.take().map(|_| self.forget_unguarded()).ok_or(FactorError::NoFactor)
    }

    /// Takes a security key away, by the id of its credential.
    ///
    /// # Errors
    /// [`FactorError::NoFactor`].
    pub fn remove_key(&mut self, credential: &str) -> Result<(), FactorError> {
        let nth = self.keys.iter().position(|k| k.credential.id == credential).ok_or(FactorError::NoFactor)?;
        self.keys.remove(nth);
        self.forget_unguarded();
        Ok(())
    }

    /// Recovery codes recover a factor; without one there is nothing to recover.
    fn forget_unguarded(&mut self) {
        if !self.is_set_up() {
            self.recovery.clear();
        }
    }

    /// Begins to set a security key up.
    ///
    /// # Errors
    /// [`FactorError::TooManyKeys`].
    pub fn begin_key(
        &mut self,
        rp: &RelyingParty,
        account: AccountId,
        login: &str,
        now: UnixMillis,
    ) -> Result<KeyRequest, FactorError> {
        if self.keys.len() >= KEYS_MAX {
            return Err(FactorError::TooManyKeys);
        }
        let (bytes, state) = self.challenge(ChallengeFor::Register, now);
        let user = account.0.to_bytes();
        let known = self.keys.iter().map(|k| &k.credential);
        let public_key = webauthn::creation_options(rp, (&user, login), &bytes, known);
        Ok(KeyRequest { public_key, state })
    }

    /// Ends the set-up with the key's answer. Recovery codes come with the first factor of an account.
    ///
    /// # Errors
    /// [`FactorError::NotPending`], [`FactorError::TooManyKeys`], [`FactorError::Key`].
    pub fn confirm_key(
        &mut self,
        rp: &RelyingParty,
        name: &str,
        state: &str,
        answer: &KeyAnswer,
        now: UnixMillis,
    ) -> Result<Option<Vec<String>>, FactorError> {
        let challenge = self.take_challenge(ChallengeFor::Register, state, now)?;
        let credential = webauthn::register(rp, &challenge, answer)?;
        if self.keys.len() >= KEYS_MAX {
            return Err(FactorError::TooManyKeys);
        }
        // L2 §7.1 step 22; here keys are looked up within one account, so within one account is enough.
        if self.keys.iter().any(|k| k.credential.id == credential.id) {
            return Err(WebAuthnError::Malformed("the key is set up already").into());
        }
        let first = !self.is_set_up();
        self.keys.push(SecurityKey { name: name.to_owned(), credential, added: now });
        Ok(first.then(|| self.renew_recovery_codes()))
    }

    /// Asks for one of the account's security keys.
    ///
    /// # Errors
    /// [`FactorError::NoFactor`], [`FactorError::Wait`].
    pub fn ask_key(&mut self, rp: &RelyingParty, now: UnixMillis) -> Result<KeyRequest, FactorError> {
        if self.keys.is_empty() {
            return Err(FactorError::NoFactor);
        }
        self.check_brake(now)?;
        let (bytes, state) = self.challenge(ChallengeFor::Assert, now);
        let public_key = webauthn::request_options(rp, &bytes, self.keys.iter().map(|k| &k.credential));
        Ok(KeyRequest { public_key, state })
    }

    /// Shows a security key.
    ///
    /// # Errors
    /// [`FactorError::NotPending`], [`FactorError::Key`], [`FactorError::Wait`]. The record changed all the same (the
    /// challenge is used up, the failure counted): keep it.
    pub fn show_key(
        &mut self,
        rp: &RelyingParty,
        state: &str,
        answer: &KeyAnswer,
        now: UnixMillis,
    ) -> Result<Shown, FactorError> {
        self.check_brake(now)?;
        let challenge = self.take_challenge(ChallengeFor::Assert, state, now)?;
        match webauthn::assert(rp, &challenge, answer, self.keys.iter().map(|k| &k.credential)) {
            Ok((nth, count)) => {
                self.keys[nth].credential.sign_count = count;
                self.failed = 0;
                Ok(Shown::Key)
            }
            Err(error) => Err(self.failed(error.into(), now)),
        }
    }

    fn challenge(&mut self, purpose: ChallengeFor, now: UnixMillis) -> ([u8; 32], String) {
        let bytes: [u8; 32] = random();
        let text = B64.encode(bytes);
        self.challenge = Some(Challenge { text: text.clone(), purpose, expires: now.plus(PENDING_LIFE) });
        (bytes, text)
    }

    /// Each challenge is answered once, rightly or wrongly (L2 §13.4.3).
    fn take_challenge(&mut self, purpose: ChallengeFor, state: &str, now: UnixMillis) -> Result<Vec<u8>, FactorError> {
        let challenge = self.challenge.take().ok_or(FactorError::NotPending)?;
        let same: bool = challenge.text.as_bytes().ct_eq(state.as_bytes()).into();
        if !same || challenge.purpose != purpose || now >= challenge.expires {
            return Err(FactorError::NotPending);
        }
        B64.decode(challenge.text).map_err(|_| FactorError::NotPending)
    }

    /// When the next answer is looked at.
    #[must_use]
    pub fn waits_until(&self) -> Option<UnixMillis> {
        let over = self.failed.checked_sub(FREE_TRIES)?;
        let wait = Duration::from_secs(1 << over.min(10)).min(WAIT_MAX);
        Some(self.failed_at.plus(wait))
    }

    fn check_brake(&self, now: UnixMillis) -> Result<(), FactorError> {
        match self.waits_until() {
            Some(until) if now < until => Err(FactorError::Wait { until }),
            _ => Ok(()),
        }
    }

    fn failed(&mut self, error: FactorError, now: UnixMillis) -> FactorError {
        self.failed = self.failed.saturating_add(1);
        self.failed_at = now;
        error
    }
}

/// 80 random bits as four groups of four letters and digits.
fn recovery_code() -> String {
    let text = totp::base32(&random::<10>());
    let groups: Vec<&str> = [0, 4, 8, 12].map(|at| &text[at..at + 4]).into();
    groups.join("-")
}

/// The hash of a code as typed: case, hyphens and blanks don't matter.
fn recovery_hash(typed: &str) -> Option<String> {
    let plain: String = typed.chars().filter(|c| *c != '-' && !c.is_whitespace()).take(17).collect();
    let fits = plain.len() == 16 && plain.bytes().all(|b| b.is_ascii_alphanumeric());
    fits.then(|| hex::encode(Sha256::digest(plain.to_ascii_uppercase().as_bytes())))
}

#[cfg(test)]
mod tests;
