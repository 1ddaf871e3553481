use super::*;
use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use ciborium::Value;

const CHALLENGE: [u8; 32] = [9; 32];

pub(crate) fn rp() -> RelyingParty {
    RelyingParty {
        id: "lectern.example".into(),
        origins: vec!["https://lectern.example:8443".into()],
        name: "L".into(),
    }
}

/// An authenticator made of software, and what may be wrong with its answers.
pub(crate) struct Key {
    pub(crate) pair: EcdsaKeyPair,
    pub(crate) id: Vec<u8>,
    pub(crate) count: u32,
    pub(crate) flags: u8,
    pub(crate) rp_id: String,
    pub(crate) origin: String,
}

impl Key {
    pub(crate) fn new() -> Self {
        Self {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap(),
            id: crate::token::random::<16>().to_vec(),
            count: 0,
            flags: 1,
            rp_id: rp().id,
            origin: rp().origins[0].clone(),
        }
    }

    fn client_data(&self, kind: &str, challenge: &[u8]) -> Vec<u8> {
        let challenge = B64.encode(challenge);
        // Browsers add members that nobody announced.
        serde_json::json!({
            "type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false, "other_keys_can_be_added": 1,
        })
        .to_string()
        .into_bytes()
    }

    fn cose_key(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        let int = |n: i64| Value::from(n);
        Value::Map(vec![
            (int(1), int(2)),
            (int(3), int(-7)),
            (int(-1), int(1)),
            (int(-2), Value::Bytes(point[1..33].to_vec())),
            (int(-3), Value::Bytes(point[33..].to_vec())),
        ])
    }

    fn authenticator_data(&self, key: Option<&Value>) -> Vec<u8> {
        let mut data = Sha256::digest(self.rp_id.as_bytes()).to_vec();
        data.push(self.flags | if key.is_some() { 1 << 6 } else { 0 });
        data.extend_from_slice(&self.count.to_be_bytes());
        if let Some(key) = key {
            data.extend_from_slice(&[0; 16]);
            data.extend_from_slice(&(self.id.len() as u16).to_be_bytes());
            data.extend_from_slice(&self.id);
            ciborium::into_writer(key, &mut data).unwrap();
        }
        data
    }

    fn sign(&self, data: &[u8], client_data: &[u8]) -> Vec<u8> {
        let signed = [data, &Sha256::digest(client_data)].concat();
        self.pair.sign(&SystemRandom::new(), &signed).unwrap().as_ref().to_vec()
    }

    fn attestation(format: &str, statement: Vec<(Value, Value)>, auth_data: Vec<u8>) -> Vec<u8> {
        let object = Value::Map(vec![
            ("fmt".into(), format.into()),
            ("attStmt".into(), Value::Map(statement)),
            ("authData".into(), Value::Bytes(auth_data)),
        ]);
        let mut bytes = vec![];
        ciborium::into_writer(&object, &mut bytes).unwrap();
        bytes
    }

    pub(crate) fn register(&self, challenge: &[u8]) -> KeyAnswer {
        self.register_with(challenge, &self.cose_key())
    }

    fn register_with(&self, challenge: &[u8], key: &Value) -> KeyAnswer {
        KeyAnswer {
            id: self.id.clone(),
            client_data: self.client_data("webauthn.create", challenge),
            data: Self::attestation("none", vec![], self.authenticator_data(Some(key))),
            signature: vec![],
        }
    }

    pub(crate) fn assert(&mut self, challenge: &[u8]) -> KeyAnswer {
        let client_data = self.client_data("webauthn.get", challenge);
        let data = self.authenticator_data(None);
        let signature = self.sign(&data, &client_data);
        KeyAnswer { id: self.id.clone(), client_data, data, signature }
    }
}

#[test]
fn a_key_is_set_up_and_answers() {
    let mut key = Key::new();
    let known = register(&rp(), &CHALLENGE, &key.register(&CHALLENGE)).unwrap();
    assert_eq!(known.id, hex::encode(&key.id));
    let other = Credential { id: "00".into(), ..known.clone() };
    assert_eq!(assert(&rp(), &CHALLENGE, &key.assert(&CHALLENGE), [&other, &known]), Ok((1, 0)));
    key.count = 5;
    assert_eq!(assert(&rp(), &CHALLENGE, &key.assert(&CHALLENGE), [&known]), Ok((0, 5)));
    for (seen, good) in [(4, true), (5, false), (6, false)] {
        let known = Credential { sign_count: seen, ..known.clone() };
        let got = assert(&rp(), &CHALLENGE, &key.assert(&CHALLENGE), [&known]);
        assert_eq!(got, if good { Ok((0, 5)) } else { Err(WebAuthnError::CounterWentBack) }, "seen {seen}");
    }
    key.count = 0;
    let known = Credential { sign_count: 1, ..known };
    let got = assert(&rp(), &CHALLENGE, &key.assert(&CHALLENGE), [&known]);
    assert_eq!(got, Err(WebAuthnError::CounterWentBack), "one that counted does not stop counting");
}

#[test]
fn answers_that_are_not_for_us_are_refused() {
    use WebAuthnError as E;
    type Change = fn(&mut Key);
    let changes: [(Change, Option<E>); 6] = [
        (|_| (), None),
        (|k| k.rp_id = "evil.example".into(), Some(E::WrongRelyingParty)),
        (|k| k.origin = "https://evil.example".into(), Some(E::WrongOrigin)),
        (|k| k.origin = "https://lectern.example".into(), Some(E::WrongOrigin)),
        (|k| k.flags = 0, Some(E::NotPresent)),
        (|k| k.flags = 1 | 1 << 4, Some(E::Malformed("authenticator data"))),
    ];
    for (change, want) in changes {
        let mut key = Key::new();
        let good = register(&rp(), &CHALLENGE, &key.register(&CHALLENGE)).unwrap();
        change(&mut key);
        assert_eq!(register(&rp(), &CHALLENGE, &key.register(&CHALLENGE)).err(), want);
        assert_eq!(assert(&rp(), &CHALLENGE, &key.assert(&CHALLENGE), [&good]).err(), want);
    }
    let mut key = Key::new();
    let good = register(&rp(), &CHALLENGE, &key.register(&CHALLENGE)).unwrap();
    assert_eq!(register(&rp(), &[1; 32], &key.register(&CHALLENGE)).err(), Some(E::WrongChallenge));
    assert_eq!(assert(&rp(), &[1; 32], &key.assert(&CHALLENGE), [&good]).err(), Some(E::WrongChallenge));
    assert_eq!(assert(&rp(), &CHALLENGE, &key.assert(&CHALLENGE), []).err(), Some(E::UnknownCredential));
    // An answer of one kind where the other is asked for.
    let made = KeyAnswer { client_data: key.client_data("webauthn.create", &CHALLENGE), ..key.assert(&CHALLENGE) };
    assert_eq!(assert(&rp(), &CHALLENGE, &made, [&good]).err(), Some(E::WrongType));
    let other = Key { id: key.id.clone(), ..Key::new() };
    let forged = KeyAnswer { signature: other.sign(b"x", b"y"), ..key.assert(&CHALLENGE) };
    assert_eq!(assert(&rp(), &CHALLENGE, &forged, [&good]).err(), Some(E::BadSignature));
    let mut framed = key.assert(&CHALLENGE);
    let text = String::from_utf8(framed.client_data).unwrap().replace("\"crossOrigin\":false", "\"crossOrigin\":true");
    framed.client_data = text.into_bytes();
    assert_eq!(assert(&rp(), &CHALLENGE, &framed, [&good]).err(), Some(E::WrongOrigin));
}

#[test]
fn keys_of_other_kinds_are_refused() {
    let key = Key::new();
    let Value::Map(good) = key.cose_key() else { unreachable!() };
    // (label, another value)
    for (label, value) in [
        (1, Value::from(3)),
        (3, Value::from(-257)),
        (-1, Value::from(2)),
        (-2, Value::Bytes(vec![1; 31])),
        (-3, Value::from(7)),
        // Not on the curve.
        (-3, Value::Bytes(vec![1; 32])),
    ] {
        let mut map = good.clone();
        map.iter_mut().find(|(k, _)| *k == Value::from(label)).unwrap().1 = value;
        let got = register(&rp(), &CHALLENGE, &key.register_with(&CHALLENGE, &Value::Map(map)));
        assert_eq!(got.err(), Some(WebAuthnError::UnsupportedKey), "label {label}");
        let missing: Vec<_> = good.iter().filter(|(k, _)| *k != Value::from(label)).cloned().collect();
        assert!(register(&rp(), &CHALLENGE, &key.register_with(&CHALLENGE, &Value::Map(missing))).is_err());
    }
    let twice = [good.clone(), good].concat();
    assert!(register(&rp(), &CHALLENGE, &key.register_with(&CHALLENGE, &Value::Map(twice))).is_err());
}

#[test]
fn attestations() {
    let key = Key::new();
    let auth_data = key.authenticator_data(Some(&key.cose_key()));
    let good = key.register(&CHALLENGE);
    let with = |data| register(&rp(), &CHALLENGE, &KeyAnswer { data, ..good.clone() });
    let signed = |signature: Vec<u8>| {
        let statement = vec![("alg".into(), Value::from(-7)), ("sig".into(), Value::Bytes(signature))];
        Key::attestation("packed", statement, auth_data.clone())
    };
    assert!(with(signed(key.sign(&auth_data, &good.client_data))).is_ok(), "self attestation");
    assert_eq!(with(signed(key.sign(&auth_data, b"x"))).err(), Some(WebAuthnError::BadSignature));
    let x5c = vec![("x5c".into(), Value::Array(vec![]))];
    let unasked = Some(WebAuthnError::UnsupportedAttestation);
    assert_eq!(with(Key::attestation("packed", x5c, auth_data.clone())).err(), unasked);
    assert_eq!(with(Key::attestation("tpm", vec![], auth_data.clone())).err(), unasked);
    let stuffed = vec![("x".into(), Value::from(1))];
    assert_eq!(with(Key::attestation("none", stuffed, auth_data.clone())).err(), unasked);
    // Anything left over, anywhere.
    for extra in [vec![0], vec![0xa0]] {
        assert!(with(Key::attestation("none", vec![], [auth_data.clone(), extra.clone()].concat())).is_err());
        assert!(with([good.data.clone(), extra].concat()).is_err());
    }
    for cut in 0..good.data.len() {
        assert!(with(good.data[..cut].to_vec()).is_err(), "cut at {cut}");
    }
    // Extensions are read over.
    let mut extended = Key { flags: 1 | 1 << 7, ..key };
    extended.count = 1;
    let mut data = extended.authenticator_data(Some(&extended.cose_key()));
    ciborium::into_writer(&Value::Map(vec![("credProtect".into(), Value::from(2))]), &mut data).unwrap();
    assert!(with(Key::attestation("none", vec![], data)).is_ok());
}

#[test]
fn texts_that_are_no_base64url_or_too_long() {
    assert!(KeyAnswer::decode("AQ", "AQ", "AQ==", "").is_ok());
    let long = "A".repeat(2 * PART_LEN_MAX);
    for bad in ["+", "A", "空", &long] {
        assert!(KeyAnswer::decode(bad, "", "", "").is_err(), "{bad}");
        assert!(KeyAnswer::decode("", "", "", bad).is_err(), "{bad}");
    }
}

#[test]
fn options_say_what_we_take() {
    let key = Credential { id: "ff01".into(), public_key: String::new(), sign_count: 0 };
    let create: serde_json::Value =
        serde_json::from_str(&creation_options(&rp(), (&[1, 2], "wang"), &CHALLENGE, [&key])).unwrap();
    assert_eq!(create["pubKeyCredParams"], serde_json::json!([{ "type": "public-key", "alg": -7 }]));
    assert_eq!(create["challenge"], B64.encode(CHALLENGE));
    assert_eq!(create["excludeCredentials"][0]["id"], "_wE");
    let get: serde_json::Value = serde_json::from_str(&request_options(&rp(), &CHALLENGE, [&key])).unwrap();
    assert_eq!(
        (get["rpId"].as_str(), get["allowCredentials"][0]["id"].as_str()),
        (Some("lectern.example"), Some("_wE"))
    );
}
