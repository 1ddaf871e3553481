//! Entry points for fuzzing, one for each parser of foreign bytes: each takes anything and must neither panic nor loop.

use crate::{
    camera_grant::CameraGrant,
    grant::Keyring,
    webauthn::{self, AuthenticatorData, KeyAnswer, RelyingParty},
};

/// The answers of security keys: authenticator data, attestation objects, client data.
///
/// # Panics
/// If an answer with random bytes for a challenge is taken for a good one.
pub fn webauthn(data: &[u8]) {
    let _ = AuthenticatorData::parse(data);
    let rp = RelyingParty { id: "lectern".into(), origins: vec!["https://lectern".into()], name: "x".into() };
    let challenge = [7; 32];
    // As an attestation object, with client data that fits.
    let client = |kind: &str| {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD as B64};
        let challenge = B64.encode(challenge);
        format!("{{\"type\":\"{kind}\",\"challenge\":\"{challenge}\",\"origin\":\"https://lectern\"}}").into_bytes()
    };
    let answer =
        |client_data, data: &[u8]| KeyAnswer { id: vec![1], client_data, data: data.to_vec(), signature: vec![] };
    let _ = webauthn::register(&rp, &challenge, &answer(client("webauthn.create"), data));
    let key = webauthn::Credential { id: "01".into(), public_key: "04".repeat(65), sign_count: 0 };
    assert!(webauthn::assert(&rp, &challenge, &answer(client("webauthn.get"), data), [&key]).is_err(), "no signature");
    assert!(webauthn::assert(&rp, &challenge, &answer(data.to_vec(), data), [&key]).is_err(), "no signature");
}

/// Grants, of both kinds.
///
/// # Panics
/// If one is accepted that nobody signed.
pub fn grant(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let keys = Keyring::parse(&format!("k {}", "00".repeat(32))).expect("a key file");
    for prefix in ["", "c1."] {
        assert!(keys.verify_as::<CameraGrant>(prefix, &text).is_err(), "nobody signed it");
    }
}

/// Answers of authenticators that are well formed, to be mutated.
#[must_use]
pub fn webauthn_seeds() -> Vec<Vec<u8>> {
    use ciborium::Value;
    use sha2::{Digest as _, Sha256};
    // The generator of P-256 (SEC 2 §2.4.2): a point on the curve whose key anybody knows.
    let x = hex::decode("6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296").unwrap_or_default();
    let y = hex::decode("4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5").unwrap_or_default();
    let int = |n: i64| Value::from(n);
    let members = [(1, int(2)), (3, int(-7)), (-1, int(1)), (-2, Value::Bytes(x)), (-3, Value::Bytes(y))];
    let key = Value::Map(members.into_iter().map(|(label, value)| (int(label), value)).collect());
    let cbor = |value: &Value| {
        let mut bytes = Vec::new();
        // Writing into memory does not fail.
        let _ = ciborium::into_writer(value, &mut bytes);
        bytes
    };
    let assertion = [&Sha256::digest(b"lectern")[..], &[1, 0, 0, 0, 7]].concat();
    let mut registration = assertion.clone();
    registration[32] |= 1 << 6;
    registration.extend_from_slice(&[0; 16]);
    registration.extend_from_slice(&[0, 1, 1]);
    registration.extend_from_slice(&cbor(&key));
    let object = Value::Map(vec![
        ("fmt".into(), "none".into()),
        ("attStmt".into(), Value::Map(vec![])),
        ("authData".into(), Value::Bytes(registration.clone())),
    ]);
    vec![assertion, registration, cbor(&object)]
}

/// Grants of both kinds, signed by somebody else.
#[must_use]
pub fn grant_seeds() -> Vec<Vec<u8>> {
    let keys = Keyring::generate();
    let content = serde_json::json!({ "c": "01J9Z3K5Q0A7X2M4N6P8R0S2T4", "d": "play_camera", "e": 1 });
    ["", "c1."].map(|prefix| keys.sign_as(prefix, &content).into_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_well_formed() {
        let [assertion, registration, object] = &webauthn_seeds()[..] else { panic!("three seeds") };
        assert!(AuthenticatorData::parse(assertion).is_ok_and(|data| data.attested.is_none()));
        assert!(AuthenticatorData::parse(registration).is_ok_and(|data| data.attested.is_some()));
        for seed in [assertion, registration, object] {
            webauthn(seed);
        }
        grant_seeds().iter().for_each(|seed| grant(seed));
    }
}
