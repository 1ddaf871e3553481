//! Signed, short-lived grants for media: whoever holds one may enter one room as one participant for one purpose.
//!
//! Wire form: `key id . base64url(payload) . base64url(HMAC-SHA-256 over "key id.payload")`, at most
//! [`GRANT_LEN_MAX`] characters of URL-safe text, so that it fits a bearer header. Verification needs no store: media
//! outlives control (DESIGN §2 law 5). Does not belong here: deciding who gets one.

use crate::token::random;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use hmac::{Hmac, Mac as _};
use lectern_media::{AccountId, ParticipantId, RoomId, UnixMillis};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::Sha256;
use std::fmt;
use zeroize::Zeroize as _;

/// The longest grant in characters: ids, a name of 60 characters (240 bytes, escaped at worst), a signature.
pub const GRANT_LEN_MAX: usize = 1_024;

/// What a grant is for. A grant for one purpose is worth nothing for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// Enter the class from the web page (WebSocket and peer connections).
    Join,
    /// Take one's place again after a reload.
    Resume,
    /// Publish over WHIP.
    Whip,
    /// Watch over WHEP.
    Whep,
}

/// What the holder is in the room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantRole {
    /// Teaches.
    Teacher,
    /// A remote student.
    Student,
    /// A classroom screen.
    Classroom,
    /// Looks on.
    Viewer,
}

/// The content of a grant.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grant {
    /// The room it opens.
    #[serde(rename = "r")]
    pub room: RoomId,
    /// Who one is there.
    #[serde(rename = "p")]
    pub participant: ParticipantId,
    /// What one is there.
    #[serde(rename = "o")]
    pub role: GrantRole,
    /// The name to show.
    #[serde(rename = "n")]
    pub name: String,
    /// The account, for people who are signed in.
    #[serde(rename = "a", skip_serializing_if = "Option::is_none", default)]
    pub account: Option<AccountId>,
    /// Until when it can be used to enter.
    #[serde(rename = "e")]
    pub expires: UnixMillis,
    /// What for.
    #[serde(rename = "u")]
    pub purpose: Purpose,
    /// For a device: the generation of the class's devices that it belongs to. A class that revokes its devices goes on
    /// to the next one, and whoever checks the grant compares. 0 for people.
    #[serde(rename = "g", skip_serializing_if = "is_zero", default)]
    pub generation: u32,
}

// serde hands over a reference.
fn is_zero(generation: &u32) -> bool {
    *generation == 0
}

impl fmt::Debug for Grant {
    // Without the name: grants are logged, people are not.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("room", &self.room)
            .field("participant", &self.participant)
            .field("role", &self.role)
            .field("purpose", &self.purpose)
            .field("expires", &self.expires)
            .finish_non_exhaustive()
    }
}

/// Why a grant is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GrantError {
    /// Not the form of a grant.
    #[error("not a grant")]
    Malformed,
    /// Signed with a key that this server does not have (any more), or forged.
    #[error("the grant is signed by a key that is not known here")]
    UnknownKey,
    /// The signature does not fit.
    #[error("the grant's signature does not fit")]
    BadSignature,
    /// Too late.
    #[error("the grant has expired")]
    Expired,
    /// For something else.
    #[error("the grant is for another purpose")]
    WrongPurpose,
    /// For another room.
    #[error("the grant is for another room")]
    WrongRoom,
}

impl GrantError {
    /// The value of the metric label `reason`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::UnknownKey => "unknown_key",
            Self::BadSignature => "bad_signature",
            Self::Expired => "expired",
            Self::WrongPurpose => "wrong_purpose",
            Self::WrongRoom => "wrong_room",
        }
    }
}

#[derive(Clone)]
struct Key {
    id: String,
    secret: [u8; 32],
}

impl Drop for Key {
    fn drop(&mut self) {
        self.secret.zeroize();
    }
}

/// The keys that sign and verify grants. The first signs; all verify, so a key is rotated by writing a new first line
/// and dropping the old line once its grants have expired.
#[derive(Clone)]
pub struct Keyring(Vec<Key>);

/// The key file is not usable.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyringError {
    /// No key in it.
    #[error("the key file holds no key")]
    Empty,
    /// A line is not `id hex`.
    #[error("line {line} of the key file is not `<id of 1 to 16 letters or digits> <64 hex digits>`")]
    BadLine {
        /// Counted from 1.
        line: usize,
    },
    /// The same id twice.
    #[error("line {line} of the key file repeats a key id")]
    RepeatedId {
        /// Counted from 1.
        line: usize,
    },
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|k| &k.id)).finish()
    }
}

impl Keyring {
    /// One new random key.
    #[must_use]
    pub fn generate() -> Self {
        Self(vec![Key { id: hex::encode(random::<4>()), secret: random() }])
    }

    /// Reads the key file: a line `id hex` per key, the signing key first; `#` begins a comment.
    ///
    /// # Errors
    /// If a line is not understood or there is no key. The text of the line is not in the error: it may be a key.
    pub fn parse(text: &str) -> Result<Self, KeyringError> {
        let mut keys: Vec<Key> = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line_no = index + 1;
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let bad = KeyringError::BadLine { line: line_no };
            let (id, secret_hex) = line.split_once(char::is_whitespace).ok_or(bad.clone())?;
            let mut secret = [0; 32];
            if id.len() > 16
                || !id.bytes().all(|b| b.is_ascii_alphanumeric())
                || hex::decode_to_slice(secret_hex.trim(), &mut secret).is_err()
            {
                return Err(bad);
            }
            if keys.iter().any(|k| k.id == id) {
                return Err(KeyringError::RepeatedId { line: line_no });
            }
            keys.push(Key { id: id.to_owned(), secret });
        }
        if keys.is_empty() { Err(KeyringError::Empty) } else { Ok(Self(keys)) }
    }

    /// The text for the key file. Write it with mode 0600.
    #[must_use]
    pub fn to_text(&self) -> String {
        self.0.iter().map(|k| format!("{} {}\n", k.id, hex::encode(k.secret))).collect()
    }

    /// Signs a grant with the first key.
    ///
    /// # Panics
    /// Never: a grant is plain data that always serialises.
    #[must_use]
    pub fn sign(&self, grant: &Grant) -> String {
        self.sign_as("", grant)
    }

    /// Signs what serialises with the first key, in the form above behind `prefix`, which is signed with it: a text of
    /// one prefix is never taken for one of another.
    pub(crate) fn sign_as(&self, prefix: &str, content: &impl Serialize) -> String {
        let key = &self.0[0];
        let payload = B64.encode(serde_json::to_vec(content).expect("a grant serialises"));
        let signed = format!("{prefix}{}.{payload}", key.id);
        let tag = B64.encode(mac(key, &signed).finalize().into_bytes());
        format!("{signed}.{tag}")
    }

    /// The content of what [`Keyring::sign_as`] made, if it is of this form and the signature fits.
    pub(crate) fn verify_as<T: DeserializeOwned>(&self, prefix: &str, text: &str) -> Result<T, GrantError> {
        if text.len() > GRANT_LEN_MAX {
            return Err(GrantError::Malformed);
        }
        let (signed, tag) = text.rsplit_once('.').ok_or(GrantError::Malformed)?;
        let unprefixed = signed.strip_prefix(prefix).ok_or(GrantError::Malformed)?;
        let (id, payload) = unprefixed.split_once('.').ok_or(GrantError::Malformed)?;
        let tag = B64.decode(tag).map_err(|_| GrantError::Malformed)?;
        let key = self.0.iter().find(|k| k.id == id).ok_or(GrantError::UnknownKey)?;
        mac(key, signed).verify_slice(&tag).map_err(|_| GrantError::BadSignature)?;
        let payload = B64.decode(payload).map_err(|_| GrantError::Malformed)?;
        serde_json::from_slice(&payload).map_err(|_| GrantError::Malformed)
    }

    /// Checks form, signature, expiry and purpose.
    ///
    /// # Errors
    /// The first thing that is wrong; nothing of the content is looked at before the signature fits.
    pub fn verify(&self, text: &str, purpose: Purpose, now: UnixMillis) -> Result<Grant, GrantError> {
        let grant: Grant = self.verify_as("", text)?;
        if now >= grant.expires {
            return Err(GrantError::Expired);
        }
        if grant.purpose != purpose {
            return Err(GrantError::WrongPurpose);
        }
        Ok(grant)
    }

    /// As [`Keyring::verify`], and for this room.
    ///
    /// # Errors
    /// As [`Keyring::verify`]; [`GrantError::WrongRoom`] for a grant to another room.
    pub fn verify_for(&self, text: &str, purpose: Purpose, room: RoomId, now: UnixMillis) -> Result<Grant, GrantError> {
        let grant = self.verify(text, purpose, now)?;
        if grant.room == room { Ok(grant) } else { Err(GrantError::WrongRoom) }
    }
}

fn mac(key: &Key, signed: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.secret).expect("HMAC takes keys of any length");
    mac.update(signed.as_bytes());
    mac
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: UnixMillis = UnixMillis(1_700_000_000_000);

    fn grant() -> Grant {
        Grant {
            room: RoomId::generate(),
            participant: ParticipantId::generate(),
            role: GrantRole::Student,
            name: "王芳".into(),
            account: None,
            expires: UnixMillis(NOW.0 + 60_000),
            purpose: Purpose::Join,
            generation: 0,
        }
    }

    #[test]
    fn a_grant_is_good_for_its_room_its_purpose_and_its_time() {
        let keys = Keyring::generate();
        let g = grant();
        let text = keys.sign(&g);
        assert_eq!(keys.verify_for(&text, Purpose::Join, g.room, NOW), Ok(g.clone()));
        assert_eq!(keys.verify(&text, Purpose::Whip, NOW), Err(GrantError::WrongPurpose));
        assert_eq!(keys.verify(&text, Purpose::Join, g.expires), Err(GrantError::Expired));
        assert_eq!(keys.verify_for(&text, Purpose::Join, RoomId::generate(), NOW), Err(GrantError::WrongRoom));
        assert_eq!(Keyring::generate().verify(&text, Purpose::Join, NOW), Err(GrantError::UnknownKey));
        assert!(!format!("{g:?}").contains('王'), "names stay out of logs");
    }

    #[test]
    fn the_longest_name_fits() {
        let long =
            Grant { name: "\u{1}".repeat(60), account: Some(AccountId::generate()), generation: u32::MAX, ..grant() };
        let keys = Keyring::generate();
        let text = keys.sign(&long);
        assert!(text.len() <= GRANT_LEN_MAX, "{} characters", text.len());
        assert_eq!(keys.verify(&text, Purpose::Join, NOW), Ok(long));
    }

    #[test]
    fn keys_rotate_without_breaking_grants() {
        let old = Keyring::generate();
        let text = old.sign(&grant());
        let rotated =
            Keyring::parse(&format!("# new first\n{}{}", Keyring::generate().to_text(), old.to_text())).unwrap();
        assert!(rotated.verify(&text, Purpose::Join, NOW).is_ok());
        assert!(old.verify(&rotated.sign(&grant()), Purpose::Join, NOW).is_err(), "the new key signs");
    }

    #[test]
    fn key_files_that_are_wrong() {
        let key = "ab".repeat(32);
        for (text, want) in [
            ("", KeyringError::Empty),
            ("# only a comment\n", KeyringError::Empty),
            ("k1\n", KeyringError::BadLine { line: 1 }),
            ("\nk1 abcd\n", KeyringError::BadLine { line: 2 }),
            (&format!("k.1 {key}"), KeyringError::BadLine { line: 1 }),
            (&format!("k1 {key}\nk1 {key}"), KeyringError::RepeatedId { line: 2 }),
        ] {
            assert_eq!(Keyring::parse(text).err(), Some(want), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_changed_grant_is_accepted(at in 0_usize..200, with in 0_u8..128) {
            let keys = Keyring::generate();
            let mut bytes = keys.sign(&grant()).into_bytes();
            let at = at % bytes.len();
            prop_assume!(bytes[at] != with);
            bytes[at] = with;
            let text = String::from_utf8(bytes).unwrap();
            prop_assert!(keys.verify(&text, Purpose::Join, NOW).is_err(), "{text}");
        }

        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            prop_assert!(Keyring::generate().verify(&text, Purpose::Join, NOW).is_err());
        }
    }
}
