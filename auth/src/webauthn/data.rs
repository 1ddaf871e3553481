//! What authenticators send in CBOR and in bits: authenticator data (WebAuthn L2 §6.1), the attestation object (§6.5.4)
//! and the COSE key in it (RFC 9052, RFC 9053 §7.1.1). Strict: anything left over is refused.

use super::{PART_LEN_MAX, WebAuthnError};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, ParsedPublicKey};
use ciborium::Value;

/// The longest id of a credential (L2 §5.8.3 with L3's bound).
pub const CREDENTIAL_ID_LEN_MAX: usize = 1_023;
/// The longest COSE key that is read: one of ES256 has 77 bytes.
pub const COSE_KEY_LEN_MAX: usize = 256;
/// COSE algorithm ES256.
pub(super) const ES256: i64 = -7;

const FLAG_USER_PRESENT: u8 = 1;
const FLAG_BACKUP_ELIGIBLE: u8 = 1 << 3;
const FLAG_BACKED_UP: u8 = 1 << 4;
const FLAG_ATTESTED: u8 = 1 << 6;
const FLAG_EXTENSIONS: u8 = 1 << 7;

/// Authenticator data.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AuthenticatorData<'a> {
    pub(crate) rp_id_hash: &'a [u8; 32],
    pub(crate) user_present: bool,
    pub(crate) sign_count: u32,
    pub(crate) attested: Option<Attested<'a>>,
}

/// The credential in it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attested<'a> {
    pub(crate) id: &'a [u8],
    /// Uncompressed point, 65 bytes.
    pub(crate) public_key: [u8; 65],
}

impl<'a> AuthenticatorData<'a> {
    pub(crate) fn parse(bytes: &'a [u8]) -> Result<Self, WebAuthnError> {
        const BAD: WebAuthnError = WebAuthnError::Malformed("authenticator data");
        if bytes.len() > PART_LEN_MAX {
            return Err(BAD);
        }
        let (rp_id_hash, rest) = bytes.split_first_chunk::<32>().ok_or(BAD)?;
        let (&[flags], rest) = rest.split_first_chunk::<1>().ok_or(BAD)?;
        let (count, mut rest) = rest.split_first_chunk::<4>().ok_or(BAD)?;
        if flags & FLAG_BACKED_UP != 0 && flags & FLAG_BACKUP_ELIGIBLE == 0 {
            return Err(BAD);
        }
        let attested = if flags & FLAG_ATTESTED == 0 {
            None
        } else {
            let (attested, behind) = Attested::parse(rest)?;
            rest = behind;
            Some(attested)
        };
        if flags & FLAG_EXTENSIONS != 0 && !item(&mut rest)?.is_map() {
            return Err(BAD);
        }
        if !rest.is_empty() {
            return Err(BAD);
        }
        let user_present = flags & FLAG_USER_PRESENT != 0;
        Ok(Self { rp_id_hash, user_present, sign_count: u32::from_be_bytes(*count), attested })
    }
}

impl<'a> Attested<'a> {
    fn parse(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), WebAuthnError> {
        const BAD: WebAuthnError = WebAuthnError::Malformed("attested credential");
        let (_aaguid, rest) = bytes.split_first_chunk::<16>().ok_or(BAD)?;
        let (len, rest) = rest.split_first_chunk::<2>().ok_or(BAD)?;
        let len = usize::from(u16::from_be_bytes(*len));
        if len == 0 || len > CREDENTIAL_ID_LEN_MAX {
            return Err(BAD);
        }
        let (id, mut rest) = rest.split_at_checked(len).ok_or(BAD)?;
        let before = rest.len();
        let key = item(&mut rest)?;
        if before - rest.len() > COSE_KEY_LEN_MAX {
            return Err(WebAuthnError::UnsupportedKey);
        }
        Ok((Self { id, public_key: es256_key(&key)? }, rest))
    }
}

/// An attestation object of one of the two forms that come when none is asked for.
#[derive(Debug)]
pub(super) struct Attestation {
    pub(super) auth_data: Vec<u8>,
    /// Of the credential's own key (§8.2, self attestation).
    pub(super) self_signature: Option<Vec<u8>>,
}

impl Attestation {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, WebAuthnError> {
        const BAD: WebAuthnError = WebAuthnError::Malformed("attestation object");
        let mut rest = bytes;
        if bytes.len() > PART_LEN_MAX {
            return Err(BAD);
        }
        let object = item(&mut rest)?;
        let member = |name: &str| get(&object, &Value::from(name)).ok_or(BAD);
        if !rest.is_empty() {
            return Err(BAD);
        }
        let auth_data = member("authData")?.as_bytes().ok_or(BAD)?.clone();
        let statement = member("attStmt")?;
        let self_signature = match member("fmt")?.as_text().ok_or(BAD)? {
            "none" if statement.as_map().is_some_and(Vec::is_empty) => None,
            "packed" if get(statement, &Value::from("x5c")).is_none() => {
                if get(statement, &Value::from("alg")) != Some(&Value::from(ES256)) {
                    return Err(WebAuthnError::UnsupportedAttestation);
                }
                Some(get(statement, &Value::from("sig")).and_then(Value::as_bytes).ok_or(BAD)?.clone())
            }
            _ => return Err(WebAuthnError::UnsupportedAttestation),
        };
        Ok(Self { auth_data, self_signature })
    }
}

/// The next CBOR item; what is read is cut off. Nesting is bounded here, length by the callers.
fn item(bytes: &mut &[u8]) -> Result<Value, WebAuthnError> {
    ciborium::de::from_reader_with_recursion_limit(bytes, 8).map_err(|_| WebAuthnError::Malformed("CBOR"))
}

/// A member of a map; none if it is missing or there twice.
fn get<'v>(map: &'v Value, key: &Value) -> Option<&'v Value> {
    let mut found = map.as_map()?.iter().filter(|(k, _)| k == key);
    let (_, value) = found.next()?;
    if found.next().is_some() { None } else { Some(value) }
}

/// RFC 9053 §7.1.1: kty 2 (EC2), alg −7, crv 1 (P-256), x and y of 32 bytes.
fn es256_key(key: &Value) -> Result<[u8; 65], WebAuthnError> {
    let number = |label: i64, want: i64| get(key, &Value::from(label)) == Some(&Value::from(want));
    let coordinate = |label: i64| -> Result<[u8; 32], WebAuthnError> {
        let bytes = get(key, &Value::from(label)).and_then(Value::as_bytes);
        bytes.and_then(|b| b.as_slice().try_into().ok()).ok_or(WebAuthnError::UnsupportedKey)
    };
    if !number(1, 2) || !number(3, ES256) || !number(-1, 1) {
        return Err(WebAuthnError::UnsupportedKey);
    }
    let mut point = [4; 65];
    point[1..33].copy_from_slice(&coordinate(-2)?);
    point[33..].copy_from_slice(&coordinate(-3)?);
    Ok(point)
}

/// Whether the point lies on the curve.
pub(super) fn check_point(point: &[u8; 65]) -> Result<(), WebAuthnError> {
    match ParsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point) {
        Ok(_) => Ok(()),
        Err(_) => Err(WebAuthnError::UnsupportedKey),
    }
}
