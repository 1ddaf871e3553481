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
