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

#[test]
fn the_vector_of_the_standard() {
    // W3C Web Authentication Level 3, §16.2 "ES256 Credential with No Attestation"; §16.1: site and origin.
    let rp = RelyingParty { id: "example.org".into(), origins: vec!["https://example.org".into()], name: "x".into() };
    let bytes = |text: &str| hex::decode(text).unwrap();
    let id = bytes("f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33ad94ff3ec330084be4");
    let made = KeyAnswer {
        id: id.clone(),
        client_data: bytes(concat!(
            "7b2274797065223a22776562617574686e2e637265617465222c226368616c6c656e6765",
            "223a22414d4d507434557878475453746e63647134313759447742466938767049612d70",
            "77386f4f755657345441222c226f726967696e223a2268747470733a2f2f6578616d706c",
            "652e6f7267222c2263726f73734f726967696e223a66616c73652c226578747261446174",
            "61223a22636c69656e74446174614a534f4e206d617920626520657874656e6465642077",
            "697468206164646974696f6e616c206669656c647320696e20746865206675747572652c",
            "207375636820617320746869733a20426b5165446a646354427258426941774a544c4535",
            "51227d",
        )),
        data: bytes(concat!(
            "a363666d74646e6f6e656761747453746d74a068617574684461746158a4bfabc3743295",
            "8b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b559000000008446ccb9ab",
            "1db374750b2367ff6f3a1f0020f91f391db4c9b2fde0ea70189cba3fb63f579ba6122b33",
            "ad94ff3ec330084be4a5010203262001215820afefa16f97ca9b2d23eb86ccb64098d20d",
            "b90856062eb249c33a9b672f26df61225820930a56b87a2fca66334b03458abf879717c1",
            "2cc68ed73290af2e2664796b9220",
        )),
        signature: vec![],
    };
    let challenge = bytes("00c30fb78531c464d2b6771dab8d7b603c01162f2fa486bea70f283ae556e130");
    let credential = register(&rp, &challenge, &made).unwrap();
    let point = "04afefa16f97ca9b2d23eb86ccb64098d20db90856062eb249c33a9b672f26df61\
                 930a56b87a2fca66334b03458abf879717c12cc68ed73290af2e2664796b9220";
    assert_eq!((credential.public_key.as_str(), credential.sign_count), (point, 0));

    let asserted = KeyAnswer {
        id,
        client_data: bytes(concat!(
            "7b2274797065223a22776562617574686e2e676574222c226368616c6c656e6765223a22",
            "4f63446e55685158756c5455506f334a5558543049393770767a7a59425039745a636858",
            "79617630314167222c226f726967696e223a2268747470733a2f2f6578616d706c652e6f",
            "7267222c2263726f73734f726967696e223a66616c73657d",
        )),
        data: bytes("bfabc37432958b063360d3ad6461c9c4735ae7f8edd46592a5e0f01452b2e4b51900000000"),
        signature: bytes(concat!(
            "3046022100f50a4e2e4409249c4a853ba361282f09841df4dd4547a13a87780218deffcd",
            "380221008480ac0f0b93538174f575bf11a1dd5d78c6e486013f937295ea13653e331e87",
        )),
    };
    let challenge = bytes("39c0e7521417ba54d43e8dc95174f423dee9bf3cd804ff6d65c857c9abf4d408");
    assert_eq!(assert(&rp, &challenge, &asserted, [&credential]), Ok((0, 0)));
    for byte in [0, 40, 72] {
        let mut changed = asserted.clone();
        changed.signature[byte.min(71)] ^= 1;
        assert!(assert(&rp, &challenge, &changed, [&credential]).is_err());
    }
}
