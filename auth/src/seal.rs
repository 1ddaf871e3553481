//! Secrets at rest: what the server must be able to read again (passwords of cameras, secrets of second factors and
//! webhooks) is kept sealed with AES-256-GCM (NIST SP 800-38D) under a key that lies in a file of its own, so that a
//! stolen catalogue tells none of them.
//!
//! Text form: `key id . base64url(nonce of 12 bytes ‖ ciphertext ‖ tag)`. The purpose and the id of what the secret
//! belongs to are authenticated with it: one camera's password can't be put in another's place. Does not belong here:
//! where the file lies (`server`).

use crate::{redact::Secret, token::random};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use lectern_media::{AccountId, CameraId};
use serde::{Deserialize, Serialize};
use std::fmt;
use ulid::Ulid;
use zeroize::{Zeroize as _, Zeroizing};

/// The longest secret in bytes.
pub const SECRET_LEN_MAX: usize = 1_024;

/// What a secret belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SealedFor {
    /// The password of a camera.
    Camera(CameraId),
    /// The secret of an account's codes.
    Totp(AccountId),
    /// The secret that signs a webhook's calls.
    Webhook(Ulid),
}

impl SealedFor {
    fn associated(self) -> String {
        match self {
            Self::Camera(id) => format!("lectern seal 1 camera {id}"),
            Self::Totp(id) => format!("lectern seal 1 totp {id}"),
            Self::Webhook(id) => format!("lectern seal 1 webhook {id}"),
        }
    }
}

/// A sealed secret: may be stored, says nothing in logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[sealed]")
    }
}

/// Why a secret can't be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealError {
    /// Not the form of a sealed secret.
    #[error("not a sealed secret")]
    Malformed,
    /// Sealed with a key that the file does not hold (any more).
    #[error("the secret is sealed with a key that is not here")]
    UnknownKey,
    /// Changed, or sealed for something else.
    #[error("the secret was changed, or belongs to something else")]
    Forged,
    /// Longer than [`SECRET_LEN_MAX`].
    #[error("the secret is too long")]
    TooLong,
}

struct Key {
    id: String,
    secret: Zeroizing<[u8; 32]>,
}

impl Key {
    fn cipher(&self) -> LessSafeKey {
        LessSafeKey::new(UnboundKey::new(&AES_256_GCM, &*self.secret).expect("AES-256 takes keys of 32 bytes"))
    }
}

/// The keys that seal. The first seals; all open, so a key is changed by writing a new first line, sealing everything
/// anew, and dropping the old line.
///
/// Nonces are random: of 2³² secrets under one key (SP 800-38D §8.3) a catalogue is far.
pub struct SealingKeys(Vec<Key>);

/// The key file is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SealingKeysError {
    /// No key in it.
    #[error("the key file holds no key")]
    Empty,
    /// A line is not `id hex`, or repeats an id.
    #[error(
        "line {line} of the key file is not `<id of 1 to 16 letters or digits> <64 hex digits>` with an id of its own"
    )]
    BadLine {
        /// Counted from 1.
        line: usize,
    },
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|k| &k.id)).finish()
    }
}

impl SealingKeys {
    /// One new random key.
    #[must_use]
    pub fn generate() -> Self {
        Self(vec![Key { id: hex::encode(random::<4>()), secret: Zeroizing::new(random()) }])
    }

    /// Reads the key file: a line `id hex` per key, the sealing key first; `#` begins a comment.
    ///
    /// # Errors
    /// If a line is not understood or there is no key. The text of the line is not in the error: it may be a key.
    pub fn parse(text: &str) -> Result<Self, SealingKeysError> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = SealingKeysError::BadLine { line: index + 1 };
            let (id, secret_hex) = line.split_once(char::is_whitespace).ok_or(bad.clone())?;
            let mut secret = Zeroizing::new([0; 32]);
            if id.len() > 16
                || !id.bytes().all(|b| b.is_ascii_alphanumeric())
                || keys.iter().any(|k| k.id == id)
                || hex::decode_to_slice(secret_hex.trim(), &mut *secret).is_err()
            {
                return Err(bad);
            }
            keys.push(Key { id: id.to_owned(), secret });
        }
        if keys.is_empty() { Err(SealingKeysError::Empty) } else { Ok(Self(keys)) }
    }

    /// The text for the key file. Write it with mode 0600.
    #[must_use]
    pub fn to_text(&self) -> Zeroizing<String> {
        Zeroizing::new(self.0.iter().map(|k| format!("{} {}\n", k.id, hex::encode(*k.secret))).collect())
    }

    /// Seals a secret text.
    ///
    /// # Errors
    /// [`SealError::TooLong`].
    pub fn seal(&self, what: SealedFor, secret: &Secret) -> Result<Sealed, SealError> {
        self.seal_bytes(what, secret.expose().as_bytes())
    }

    /// Seals secret bytes.
    ///
    /// # Errors
    /// [`SealError::TooLong`].
    ///
    /// # Panics
    /// Never: the cipher takes texts up to gigabytes.
    pub fn seal_bytes(&self, what: SealedFor, secret: &[u8]) -> Result<Sealed, SealError> {
        if secret.len() > SECRET_LEN_MAX {
            return Err(SealError::TooLong);
        }
        let key = &self.0[0];
        let nonce: [u8; NONCE_LEN] = random();
        let mut text = secret.to_vec();
        key.cipher()
            .seal_in_place_append_tag(Nonce::from(&nonce), Aad::from(what.associated()), &mut text)
            .expect("a short text is sealed");
        Ok(Sealed(format!("{}.{}", key.id, B64.encode([&nonce[..], &text].concat()))))
    }

    /// Reads a secret text.
    ///
    /// # Errors
    /// [`SealError`]; [`SealError::Malformed`] also if it is no text.
    pub fn open(&self, what: SealedFor, sealed: &Sealed) -> Result<Secret, SealError> {
        let mut bytes = self.open_bytes(what, sealed)?;
        String::from_utf8(std::mem::take(&mut *bytes)).map(Secret::new).map_err(|e| {
            e.into_bytes().zeroize();
            SealError::Malformed
        })
    }

    /// Reads secret bytes.
    ///
    /// # Errors
    /// [`SealError`].
    pub fn open_bytes(&self, what: SealedFor, sealed: &Sealed) -> Result<Zeroizing<Vec<u8>>, SealError> {
        let (id, body) = sealed.0.split_once('.').ok_or(SealError::Malformed)?;
        if body.len() > 2 * SECRET_LEN_MAX {
            return Err(SealError::Malformed);
        }
        let key = self.0.iter().find(|k| k.id == id).ok_or(SealError::UnknownKey)?;
        let body = B64.decode(body).map_err(|_| SealError::Malformed)?;
        let (nonce, text) = body.split_first_chunk::<NONCE_LEN>().ok_or(SealError::Malformed)?;
        let mut text = Zeroizing::new(text.to_vec());
        let opened = key.cipher().open_in_place(Nonce::from(nonce), Aad::from(what.associated()), &mut text);
        let len = opened.map_err(|_| SealError::Forged)?.len();
        text.truncate(len);
        Ok(text)
    }

    /// Whether a secret is sealed with a key other than the first, and should be sealed anew.
    #[must_use]
    pub fn is_old(&self, sealed: &Sealed) -> bool {
        sealed.0.split_once('.').is_none_or(|(id, _)| id != self.0[0].id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn what() -> SealedFor {
        SealedFor::Camera(CameraId::generate())
    }

    #[test]
    fn a_secret_is_read_again_for_what_it_belongs_to() {
        let keys = SealingKeys::generate();
        let camera = what();
        let sealed = keys.seal(camera, &Secret::new("卡 p@ss".into())).unwrap();
        assert_eq!(keys.open(camera, &sealed).unwrap().expose(), "卡 p@ss");
        assert_eq!(keys.open(what(), &sealed).err(), Some(SealError::Forged), "another camera's");
        let SealedFor::Camera(CameraId(id)) = camera else { unreachable!() };
        assert_eq!(keys.open(SealedFor::Webhook(id), &sealed).err(), Some(SealError::Forged), "another purpose");
        assert_eq!(SealingKeys::generate().open(camera, &sealed).err(), Some(SealError::UnknownKey));
        assert!(!format!("{sealed:?} {keys:?}").contains(&sealed.0[10..]));
        let again = keys.seal(camera, &Secret::new("卡 p@ss".into())).unwrap();
        assert_ne!(again, sealed, "the same password looks different each time");
        let long = Secret::new("x".repeat(SECRET_LEN_MAX + 1));
        assert_eq!(keys.seal(camera, &long).err(), Some(SealError::TooLong));
    }

    #[test]
    fn keys_change_without_losing_secrets() {
        let old = SealingKeys::generate();
        let camera = what();
        let sealed = old.seal(camera, &Secret::new("x".into())).unwrap();
        let text = format!("# new\n{}{}", *SealingKeys::generate().to_text(), *old.to_text());
        let keys = SealingKeys::parse(&text).unwrap();
        assert_eq!(keys.open(camera, &sealed).unwrap().expose(), "x");
        assert!(keys.is_old(&sealed) && !old.is_old(&sealed));
    }

    #[test]
    fn key_files_that_are_wrong() {
        let key = "ab".repeat(32);
        for (text, want) in [
            ("", SealingKeysError::Empty),
            ("k1\n", SealingKeysError::BadLine { line: 1 }),
            ("\nk1 abcd\n", SealingKeysError::BadLine { line: 2 }),
            (&format!("k1 {key}\nk1 {key}"), SealingKeysError::BadLine { line: 2 }),
        ] {
            assert_eq!(SealingKeys::parse(text).err(), Some(want), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_changed_secret_is_read(at in 0_usize..100, with in 33_u8..127) {
            let (keys, camera) = (SealingKeys::generate(), what());
            let mut bytes = keys.seal_bytes(camera, b"password").unwrap().0.into_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != with);
            bytes[at] = with;
            let sealed = Sealed(String::from_utf8(bytes).unwrap());
            prop_assert!(keys.open_bytes(camera, &sealed).is_err());
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,60}") {
            prop_assert!(SealingKeys::generate().open(what(), &Sealed(text)).is_err());
        }
    }
}
