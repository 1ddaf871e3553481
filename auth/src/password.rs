//! Passwords: what is accepted, how it is kept (argon2id), how it is checked without telling who exists.
//!
//! Hashing takes tens of milliseconds and 19 MiB by design: shells run it on a blocking thread and bound how many run
//! at once. Does not belong here: how often somebody may try ([`crate::backoff`]).

use crate::token::random;
use argon2::{
    Algorithm, Argon2, Params, Version,
    password_hash::{PasswordHasher as _, PasswordVerifier as _, SaltString},
};
use serde::{Deserialize, Serialize};
use std::{fmt, sync::OnceLock};

/// Memory per hash in KiB, passes and lanes: the OWASP password storage cheat sheet's first choice for argon2id.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// The fewest characters of a password (NIST SP 800-63B §3.1.1.2 asks for at least 8).
pub const PASSWORD_CHARS_MIN: usize = 10;
/// The most characters: argon2 would take more, but nobody should make us hash a book.
pub const PASSWORD_CHARS_MAX: usize = 200;

/// Passwords that satisfy the length and are still tried first by everyone who guesses, folded to lower case.
const COMMON: &[&str] = &[
    "0123456789",
    "1234567890",
    "12345678910",
    "123456789a",
    "1q2w3e4r5t",
    "1qaz2wsx3edc",
    "a123456789",
    "aa12345678",
    "aa123456789",
    "abc123456789",
    "abcd123456",
    "abcdefghij",
    "admin12345",
    "admin123456",
    "administrator",
    "asdfghjkl;",
    "iloveyou1314",
    "lectern123",
    "lectern123456",
    "passw0rd123",
    "password01",
    "password12",
    "password123",
    "password1234",
    "q1w2e3r4t5",
    "qq123456789",
    "qwer123456",
    "qwerty12345",
    "qwerty123456",
    "qwertyuiop",
    "woaini1314",
    "woaini1314520",
    "woaini520520",
    "zxcvbnm123",
];

/// Why a password is not accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PasswordFault {
    /// Fewer than [`PASSWORD_CHARS_MIN`] characters.
    #[error("the password has fewer than 10 characters")]
    TooShort,
    /// More than [`PASSWORD_CHARS_MAX`] characters.
    #[error("the password has more than 200 characters")]
    TooLong,
    /// One of the passwords that everybody tries first, or one or two characters repeated.
    #[error("the password is one of those that are tried first")]
    TooCommon,
    /// Contains the log-in name, or is contained in it.
    #[error("the password contains the log-in name")]
    ContainsLogin,
}

/// Whether `password` may be chosen by the person who signs in as `login`.
///
/// # Errors
/// The first rule that it breaks.
pub fn check_policy(password: &str, login: &str) -> Result<(), PasswordFault> {
    let chars = password.chars().count();
    if chars < PASSWORD_CHARS_MIN {
        return Err(PasswordFault::TooShort);
    }
    if chars > PASSWORD_CHARS_MAX {
        return Err(PasswordFault::TooLong);
    }
    let folded = password.to_lowercase();
    let mut distinct: Vec<char> = folded.chars().collect();
    distinct.sort_unstable();
    distinct.dedup();
    if distinct.len() <= 2 || COMMON.contains(&folded.as_str()) {
        return Err(PasswordFault::TooCommon);
    }
    let login = login.to_lowercase();
    if login.chars().count() >= 4 && folded.contains(&login) {
        return Err(PasswordFault::ContainsLogin);
    }
    Ok(())
}

/// A password that nobody chose: 20 characters of base64url, 120 random bits. For the first administrator.
#[must_use]
pub fn generate() -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
    B64.encode(random::<15>())
}

/// An argon2id hash in PHC string form, with its own parameters and salt. Not shown in logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct PasswordHash(String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[password hash]")
    }
}

fn hasher() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("the constants are within argon2's ranges");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

impl PasswordHash {
    /// Hashes `password` with a fresh salt of 128 bits. Slow by design.
    ///
    /// # Panics
    /// Never for passwords: argon2 refuses only inputs of 4 GiB.
    #[must_use]
    pub fn of(password: &str) -> Self {
        let salt = SaltString::encode_b64(&random::<16>()).expect("16 bytes are a valid salt");
        let hash = hasher().hash_password(password.as_bytes(), &salt).expect("argon2 hashes any short input");
        Self(hash.to_string())
    }

    /// Whether the parameters are weaker than today's, so that the hash should be renewed at the next sign-in.
    #[must_use]
    pub fn outdated(&self) -> bool {
        let Ok(parsed) = argon2::password_hash::PasswordHash::new(&self.0) else { return true };
        let Ok(params) = Params::try_from(&parsed) else { return true };
        parsed.algorithm != argon2::ARGON2ID_IDENT || params.m_cost() < MEMORY_KIB || params.t_cost() < PASSES
    }
}

/// Checks `password` against the hash of the account, or, when there is no such account (or it has no password yet),
/// against a hash that nothing matches: the answer takes equally long either way, so it does not tell who exists.
#[must_use]
pub fn verify(password: &str, hash: Option<&PasswordHash>) -> bool {
    static NOBODY: OnceLock<PasswordHash> = OnceLock::new();
    // Made on both paths, so that not even the first attempt tells them apart.
    let nobody = NOBODY.get_or_init(|| PasswordHash::of(&generate()));
    let against = hash.unwrap_or(nobody);
    // The longest password is refused before it is hashed, on both paths alike.
    if password.chars().count() > PASSWORD_CHARS_MAX {
        return false;
    }
    let matches = argon2::password_hash::PasswordHash::new(&against.0)
        .is_ok_and(|parsed| hasher().verify_password(password.as_bytes(), &parsed).is_ok());
    matches && hash.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn the_policy() {
        for (password, login, want) in [
            ("seven-horses-graze", "li.ming", Ok(())),
            ("十个汉字也可以做密码的", "li.ming", Ok(())),
            ("short", "li.ming", Err(PasswordFault::TooShort)),
            ("九个汉字不够长啊啊", "li.ming", Err(PasswordFault::TooShort)),
            ("Password123", "li.ming", Err(PasswordFault::TooCommon)),
            ("aaaaaaaaaaaa", "li.ming", Err(PasswordFault::TooCommon)),
            ("abababababab", "li.ming", Err(PasswordFault::TooCommon)),
            ("xxLI.MINGxx2026", "li.ming", Err(PasswordFault::ContainsLogin)),
            ("a-rat-ate-bread", "rat", Ok(())),
        ] {
            assert_eq!(check_policy(password, login), want, "{password} for {login}");
        }
        assert_eq!(check_policy(&"长".repeat(200), "x"), Err(PasswordFault::TooCommon));
        assert_eq!(check_policy(&"long".repeat(60), "x"), Err(PasswordFault::TooLong));
        assert_eq!(check_policy(&generate(), "admin"), Ok(()));
    }

    #[test]
    fn hashes_verify_and_differ_by_salt() {
        let (a, b) = (PasswordHash::of("seven-horses-graze"), PasswordHash::of("seven-horses-graze"));
        assert_ne!(a, b, "each hash has its own salt");
        assert!(verify("seven-horses-graze", Some(&a)) && !verify("seven-horses-grazE", Some(&a)));
        assert!(!verify("", None));
        assert!(!a.outdated());
        assert!(PasswordHash("$argon2id$v=19$m=4096,t=1,p=1$c2FsdHNhbHQ$aGFzaGhhc2g".into()).outdated());
        assert!(!verify("x", Some(&PasswordHash("damaged".into()))), "a damaged hash matches nothing");
        assert_eq!(format!("{a:?}"), "[password hash]");
    }

    #[test]
    fn an_unknown_account_takes_as_long_as_a_known_one() {
        let hash = PasswordHash::of("seven-horses-graze");
        let _warm = verify("x", None);
        let time = |hash: Option<&PasswordHash>| {
            let mut runs: Vec<_> = (0..5)
                .map(|_| {
                    let from = Instant::now();
                    assert!(!verify("a wrong password", hash));
                    from.elapsed()
                })
                .collect();
            runs.sort();
            runs[0].as_secs_f64()
        };
        let (known, unknown) = (time(Some(&hash)), time(None));
        // Quickest of five each; other work on the machine must not fail the test, skipping the hash (1000 times) must.
        assert!(unknown > known / 4.0 && unknown < known * 4.0, "known {known} s, unknown {unknown} s");
    }
}
