//! Security keys and platform authenticators as a second factor: the relying party's side of W3C Web Authentication
//! Level 2, §7.1 (registration) and §7.2 (assertion), and no more of it than we ask browsers for: ES256, attestation
//! "none" (self attestation is checked where an authenticator sends it anyway), user presence.
//!
//! Why not a crate: those that exist bring OpenSSL or a second TLS stack for attestation formats that we never ask for.
//! Pure; bytes of browsers are refused, never trusted and never panicked on. Does not belong here: keeping keys and
//! challenges ([`crate::second_factor`]).

mod data;

pub(crate) use data::AuthenticatorData;
pub use data::{COSE_KEY_LEN_MAX, CREDENTIAL_ID_LEN_MAX};

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
use data::Attestation;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// The most bytes of each part of an answer.
pub const PART_LEN_MAX: usize = 4_096;

/// Who we are to authenticators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelyingParty {
    /// The domain: the host of the page's address, without port.
    pub id: String,
    /// The origins that pages of ours have: `https://host[:port]`.
    pub origins: Vec<String>,
    /// The name that browsers show.
    pub name: String,
}

/// The answer of an authenticator, decoded from the browser's base64url.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyAnswer {
    /// Id of the credential.
    pub id: Vec<u8>,
    /// clientDataJSON.
    pub client_data: Vec<u8>,
    /// attestationObject (registration) or authenticatorData (assertion).
    pub data: Vec<u8>,
    /// Signature (assertion), DER.
    pub signature: Vec<u8>,
}

impl KeyAnswer {
    /// From the texts in a request.
    ///
    /// # Errors
    /// [`WebAuthnError::Malformed`] if one is not base64url or too long.
    pub fn decode(id: &str, client_data: &str, data: &str, signature: &str) -> Result<Self, WebAuthnError> {
        let part = |text: &str| {
            let text = text.trim_end_matches('=');
            let fits = text.len() <= PART_LEN_MAX * 4 / 3;
            B64.decode(text).ok().filter(|_| fits).ok_or(WebAuthnError::Malformed("base64url"))
        };
        Ok(Self { id: part(id)?, client_data: part(client_data)?, data: part(data)?, signature: part(signature)? })
    }
}

/// A public key that an authenticator made for us.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// Id, hexadecimal.
    pub id: String,
    /// Point on P-256, uncompressed (65 bytes), hexadecimal.
    pub public_key: String,
    /// How often it signed, as it says; 0 if it does not count.
    pub sign_count: u32,
}

/// Why an answer is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum WebAuthnError {
    /// Not the form.
    #[error("the answer of the security key is malformed: {0}")]
    Malformed(&'static str),
    /// Made for another kind of request.
    #[error("the answer is for another kind of request")]
    WrongType,
    /// To another challenge.
    #[error("the answer is to another challenge")]
    WrongChallenge,
    /// On another page.
    #[error("the answer comes from another origin")]
    WrongOrigin,
    /// For another relying party.
    #[error("the answer is for another site")]
    WrongRelyingParty,
    /// Nobody touched the key.
    #[error("nobody was present at the security key")]
    NotPresent,
    /// Not a key of ES256.
    #[error("the security key offers no ES256 key")]
    UnsupportedKey,
    /// An attestation that we did not ask for and do not know.
    #[error("the security key sends an attestation that was not asked for")]
    UnsupportedAttestation,
    /// The signature does not fit.
    #[error("the signature of the security key does not fit")]
    BadSignature,
    /// The counter did not go up: perhaps a copy of the key.
    #[error("the counter of the security key went back: it may have been copied")]
    CounterWentBack,
    /// Not a key of this account.
    #[error("the security key is not one of this account's")]
    UnknownCredential,
}

impl WebAuthnError {
    /// The value of the metric label `reason`.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Malformed(_) => "malformed",
            Self::WrongType => "wrong_type",
            Self::WrongChallenge => "wrong_challenge",
            Self::WrongOrigin => "wrong_origin",
            Self::WrongRelyingParty => "wrong_relying_party",
            Self::NotPresent => "not_present",
            Self::UnsupportedKey => "unsupported_key",
            Self::UnsupportedAttestation => "unsupported_attestation",
            Self::BadSignature => "bad_signature",
            Self::CounterWentBack => "counter_went_back",
            Self::UnknownCredential => "unknown_credential",
        }
    }
}

/// What the browser signed about the page (§5.8.1). Members that we don't know are allowed there.
#[derive(Deserialize)]
struct ClientData {
    #[serde(rename = "type")]
    kind: String,
    challenge: String,
    origin: String,
    #[serde(rename = "crossOrigin", default)]
    cross_origin: bool,
}

fn check_client_data(json: &[u8], kind: &str, challenge: &[u8], rp: &RelyingParty) -> Result<(), WebAuthnError> {
    if json.len() > PART_LEN_MAX {
        return Err(WebAuthnError::Malformed("client data"));
    }
    let data: ClientData = serde_json::from_slice(json).map_err(|_| WebAuthnError::Malformed("client data"))?;
    if data.kind != kind {
        return Err(WebAuthnError::WrongType);
    }
    let same: bool = data.challenge.as_bytes().ct_eq(B64.encode(challenge).as_bytes()).into();
    if !same {
        return Err(WebAuthnError::WrongChallenge);
    }
    if data.cross_origin || !rp.origins.contains(&data.origin) {
        return Err(WebAuthnError::WrongOrigin);
    }
    Ok(())
}

/// §7.1 steps 13 and 14, §7.2 steps 15 and 16; and BE/BS as Level 3 §6.1 has them: what is not eligible for a back-up
/// is not backed up.
fn check_authenticator(data: &AuthenticatorData<'_>, rp: &RelyingParty) -> Result<(), WebAuthnError> {
    let wanted: [u8; 32] = Sha256::digest(rp.id.as_bytes()).into();
    if data.rp_id_hash != &wanted {
        return Err(WebAuthnError::WrongRelyingParty);
    }
    if !data.user_present {
        return Err(WebAuthnError::NotPresent);
    }
    Ok(())
}

fn verify(public_key: &[u8], data: &[u8], client_data: &[u8], signature: &[u8]) -> Result<(), WebAuthnError> {
    let mut signed = data.to_vec();
    signed.extend_from_slice(&Sha256::digest(client_data));
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public_key)
        .verify(&signed, signature)
        .map_err(|_| WebAuthnError::BadSignature)
}

/// Registration, §7.1: the key that the authenticator made.
///
/// # Errors
/// The first thing that is wrong.
pub fn register(rp: &RelyingParty, challenge: &[u8], answer: &KeyAnswer) -> Result<Credential, WebAuthnError> {
    check_client_data(&answer.client_data, "webauthn.create", challenge, rp)?;
    let attestation = Attestation::parse(&answer.data)?;
    let data = AuthenticatorData::parse(&attestation.auth_data)?;
    check_authenticator(&data, rp)?;
    let attested = data.attested.ok_or(WebAuthnError::Malformed("no key"))?;
    if attested.id != answer.id {
        return Err(WebAuthnError::Malformed("credential id"));
    }
    data::check_point(&attested.public_key)?;
    if let Some(signature) = &attestation.self_signature {
        verify(&attested.public_key, &attestation.auth_data, &answer.client_data, signature)?;
    }
    Ok(Credential {
        id: hex::encode(attested.id),
        public_key: hex::encode(attested.public_key),
        sign_count: data.sign_count,
    })
}

/// Assertion, §7.2: whether one of these keys answered. Gives its place in the list and its new counter.
///
/// # Errors
/// The first thing that is wrong.
pub fn assert<'a>(
    rp: &RelyingParty,
    challenge: &[u8],
    answer: &KeyAnswer,
    keys: impl IntoIterator<Item = &'a Credential>,
) -> Result<(usize, u32), WebAuthnError> {
    let id = hex::encode(&answer.id);
    let known = keys.into_iter().enumerate().find(|(_, key)| key.id == id);
    let (nth, key) = known.ok_or(WebAuthnError::UnknownCredential)?;
    check_client_data(&answer.client_data, "webauthn.get", challenge, rp)?;
    let data = AuthenticatorData::parse(&answer.data)?;
    if data.attested.is_some() {
        return Err(WebAuthnError::Malformed("a key in an assertion"));
    }
    check_authenticator(&data, rp)?;
    let public_key = hex::decode(&key.public_key).map_err(|_| WebAuthnError::UnsupportedKey)?;
    verify(&public_key, &answer.data, &answer.client_data, &answer.signature)?;
    // §7.2 step 21.
    if (data.sign_count != 0 || key.sign_count != 0) && data.sign_count <= key.sign_count {
        return Err(WebAuthnError::CounterWentBack);
    }
    Ok((nth, data.sign_count))
}

/// `publicKey` of `navigator.credentials.create`, binary values as base64url.
#[must_use]
pub fn creation_options<'a>(
    rp: &RelyingParty,
    user: (&[u8], &str),
    challenge: &[u8],
    known: impl IntoIterator<Item = &'a Credential>,
) -> String {
    let (user_id, user_name) = user;
    serde_json::json!({
        "rp": { "id": rp.id, "name": rp.name },
        "user": { "id": B64.encode(user_id), "name": user_name, "displayName": user_name },
        "challenge": B64.encode(challenge),
        "pubKeyCredParams": [{ "type": "public-key", "alg": data::ES256 }],
        "excludeCredentials": descriptors(known),
        "authenticatorSelection": { "userVerification": "preferred" },
        "attestation": "none",
        "timeout": 120_000,
    })
    .to_string()
}

/// `publicKey` of `navigator.credentials.get`, binary values as base64url.
#[must_use]
pub fn request_options<'a>(
    rp: &RelyingParty,
    challenge: &[u8],
    known: impl IntoIterator<Item = &'a Credential>,
) -> String {
    serde_json::json!({
        "rpId": rp.id,
        "challenge": B64.encode(challenge),
        "allowCredentials": descriptors(known),
        "userVerification": "preferred",
        "timeout": 120_000,
    })
    .to_string()
}

fn descriptors<'a>(known: impl IntoIterator<Item = &'a Credential>) -> Vec<serde_json::Value> {
    let id = |key: &Credential| B64.encode(hex::decode(&key.id).unwrap_or_default());
    known.into_iter().map(|key| serde_json::json!({ "type": "public-key", "id": id(key) })).collect()
}

#[cfg(test)]
pub(crate) mod tests;
