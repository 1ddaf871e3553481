use super::*;
use crate::webauthn::tests::{Key, rp};

const NOW: UnixMillis = UnixMillis(1_788_220_800_000);

struct Bench {
    account: AccountId,
    keys: SealingKeys,
    factors: SecondFactors,
    secret: Vec<u8>,
}

/// An account with an app, and its recovery codes.
fn with_app() -> (Bench, Vec<String>) {
    let mut b = Bench {
        account: AccountId::generate(),
        keys: SealingKeys::generate(),
        factors: SecondFactors::default(),
        secret: vec![],
    };
    assert_eq!(b.show("123456", NOW), Err(FactorError::NoFactor));
    let setup = b.factors.begin_totp(b.account, "Lectern", "wang", &b.keys, NOW).unwrap();
    assert!(setup.uri.contains(&*setup.secret), "{}", *setup.uri);
    assert!(!b.factors.is_set_up(), "not before a first code");
    b.secret = unbase32(&setup.secret);
    let before = b.code(UnixMillis(NOW.0 - 30_000));
    let codes = b.factors.confirm_totp(b.account, &b.keys, &before, NOW).unwrap().unwrap();
    assert_eq!((codes.len(), b.factors.recovery_left()), (RECOVERY_CODES, RECOVERY_CODES));
    (b, codes)
}

fn unbase32(text: &str) -> Vec<u8> {
    let digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
    let bits: String = text.chars().map(|c| format!("{:05b}", digits.find(c).unwrap())).collect();
    bits.as_bytes().chunks_exact(8).map(|b| u8::from_str_radix(std::str::from_utf8(b).unwrap(), 2).unwrap()).collect()
}

impl Bench {
    fn code(&self, at: UnixMillis) -> String {
        format!("{:06}", totp::code(&self.secret, totp::step(at).unwrap()))
    }

    fn show(&mut self, code: &str, at: UnixMillis) -> Result<Shown, FactorError> {
        self.factors.show_code(self.account, &self.keys, code, at)
    }
}

#[test]
fn a_code_is_good_once() {
    let (mut b, _) = with_app();
    let code = b.code(NOW);
    assert_eq!(b.show(&format!(" {code} "), NOW), Ok(Shown::Totp));
    assert_eq!(b.show(&code, NOW), Err(FactorError::WrongCode), "used");
    let later = NOW.plus(Duration::from_secs(30));
    assert_eq!(b.show(&b.code(later), later), Ok(Shown::Totp));
    let json = serde_json::to_string(&b.factors).unwrap();
    let back: SecondFactors = serde_json::from_str(&json).unwrap();
    assert_eq!(back, b.factors, "it survives the store");
    assert!(!format!("{:?}", b.factors).contains(&totp::base32(&b.secret)) && !json.contains(&totp::base32(&b.secret)));
}

#[test]
fn a_setup_waits_five_minutes_for_its_first_code() {
    let (mut b, _) = with_app();
    let old = b.factors.clone();
    let setup = b.factors.begin_totp(b.account, "L", "wang", &b.keys, NOW).unwrap();
    let late = NOW.plus(PENDING_LIFE);
    b.secret = unbase32(&setup.secret);
    let (code, account) = (b.code(late), b.account);
    assert_eq!(b.factors.confirm_totp(account, &b.keys, &code, late), Err(FactorError::NotPending));
    assert_eq!(b.factors.app, old.app, "the old app goes on until the new one is confirmed");
    let code = b.code(NOW);
    assert_eq!(b.factors.confirm_totp(account, &b.keys, &code, NOW), Ok(None), "no second set of recovery codes");
    assert_ne!(b.factors.app, old.app);
    assert_eq!(b.factors.confirm_totp(account, &b.keys, &code, NOW), Err(FactorError::NotPending));
}

#[test]
fn recovery_codes_are_good_once_each() {
    let (mut b, codes) = with_app();
    for (nth, code) in codes.iter().enumerate() {
        let left = RECOVERY_CODES - 1 - nth;
        assert_eq!(b.show(&code.to_lowercase().replace('-', " "), NOW), Ok(Shown::Recovery { left }));
        assert_eq!(b.show(code, NOW), Err(FactorError::WrongCode), "used");
    }
    let new = b.factors.renew_recovery_codes();
    assert_eq!(b.show(&codes[0], NOW), Err(FactorError::WrongCode), "the old ones ended");
    assert!(b.show(&new[0], NOW).is_ok());
    for bad in ["", "----", "AAAA-AAAA-AAAA-AAAA-A", "AAAA-AAAA-AAAA-AAA!", &"x".repeat(10_000)] {
        b.factors.failed = 0;
        assert_eq!(b.show(bad, NOW), Err(FactorError::WrongCode), "{bad}");
    }
    b.factors.remove_totp().unwrap();
    assert_eq!((b.factors.recovery_left(), b.factors.is_set_up()), (0, false), "nothing is left to recover");
}

#[test]
fn guessing_is_slowed_down() {
    let (mut b, _) = with_app();
    let (mut now, mut guesses) = (NOW, 0);
    let end = NOW.plus(Duration::from_secs(24 * 3600));
    while now < end {
        match b.show("000000", now) {
            // One in 333,333 guesses is right.
            Ok(_) | Err(FactorError::WrongCode) => guesses += 1,
            Err(FactorError::Wait { until }) => {
                let good = b.code(now);
                assert_eq!(b.show(&good, now), Err(FactorError::Wait { until }), "the right code waits, too");
                now = until;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(guesses <= 5 + 11 + 24 * 4 + 1, "{guesses} guesses in a day");
    let good = b.code(now.plus(WAIT_MAX));
    assert_eq!(b.show(&good, now.plus(WAIT_MAX)), Ok(Shown::Totp));
    assert_eq!(b.factors.waits_until(), None, "a right answer forgives");
}

#[test]
fn a_security_key_from_setup_to_sign_in() {
    let account = AccountId::generate();
    let mut factors = SecondFactors::default();
    assert_eq!(factors.ask_key(&rp(), NOW), Err(FactorError::NoFactor));
    let mut key = Key::new();
    let challenge = |request: &KeyRequest| B64.decode(&request.state).unwrap();
    let begun = factors.begin_key(&rp(), account, "wang", NOW).unwrap();
    let answer = key.register(&challenge(&begun));
    let codes = factors.confirm_key(&rp(), "blue", &begun.state, &answer, NOW).unwrap();
    assert_eq!(codes.map(|c| c.len()), Some(RECOVERY_CODES));
    assert_eq!(factors.keys()[0].name, "blue");
    // The same answer again, and the same key again.
    let again = factors.confirm_key(&rp(), "blue", &begun.state, &answer, NOW);
    assert_eq!(again, Err(FactorError::NotPending));
    let begun = factors.begin_key(&rp(), account, "wang", NOW).unwrap();
    let answer = key.register(&challenge(&begun));
    assert!(matches!(factors.confirm_key(&rp(), "x", &begun.state, &answer, NOW), Err(FactorError::Key(_))));

    let asked = factors.ask_key(&rp(), NOW).unwrap();
    assert!(asked.public_key.contains(&asked.state));
    let answer = key.assert(&challenge(&asked));
    assert_eq!(factors.show_key(&rp(), &asked.state, &answer, NOW), Ok(Shown::Key));
    assert_eq!(factors.show_key(&rp(), &asked.state, &answer, NOW), Err(FactorError::NotPending), "replayed");
    // Too late; another state; a challenge for setting up.
    let asked = factors.ask_key(&rp(), NOW).unwrap();
    let answer = key.assert(&challenge(&asked));
    let late = NOW.plus(PENDING_LIFE);
    assert_eq!(factors.show_key(&rp(), &asked.state, &answer, late), Err(FactorError::NotPending));
    let asked = factors.ask_key(&rp(), NOW).unwrap();
    assert_eq!(factors.show_key(&rp(), "other", &answer, NOW), Err(FactorError::NotPending));
    assert_eq!(factors.show_key(&rp(), &asked.state, &answer, NOW), Err(FactorError::NotPending), "used up");
    let begun = factors.begin_key(&rp(), account, "wang", NOW).unwrap();
    let answer = key.assert(&challenge(&begun));
    assert_eq!(factors.show_key(&rp(), &begun.state, &answer, NOW), Err(FactorError::NotPending));
    // Wrong answers are counted.
    for _ in 0..FREE_TRIES {
        let asked = factors.ask_key(&rp(), NOW).unwrap();
        let mut other = Key { id: key.id.clone(), ..Key::new() };
        let answer = other.assert(&challenge(&asked));
        assert!(matches!(factors.show_key(&rp(), &asked.state, &answer, NOW), Err(FactorError::Key(_))));
    }
    assert!(matches!(factors.ask_key(&rp(), NOW), Err(FactorError::Wait { .. })));
    let id = factors.keys()[0].credential.id.clone();
    factors.remove_key(&id).unwrap();
    assert_eq!((factors.remove_key(&id), factors.is_set_up()), (Err(FactorError::NoFactor), false));
}

#[test]
fn keys_per_account_are_bounded() {
    let mut factors = SecondFactors::default();
    for i in 0..=KEYS_MAX {
        match factors.begin_key(&rp(), AccountId::generate(), "wang", NOW) {
            Ok(begun) => {
                let answer = Key::new().register(&B64.decode(&begun.state).unwrap());
                factors.confirm_key(&rp(), "k", &begun.state, &answer, NOW).unwrap();
            }
            Err(error) => assert_eq!((i, error), (KEYS_MAX, FactorError::TooManyKeys)),
        }
    }
    assert_eq!(factors.keys().len(), KEYS_MAX);
}

#[test]
fn a_changed_sealing_key_is_taken_up_when_a_code_is_shown() {
    let (mut b, _) = with_app();
    let text = format!("{}{}", *SealingKeys::generate().to_text(), *b.keys.to_text());
    b.keys = SealingKeys::parse(&text).unwrap();
    assert!(b.keys.is_old(&b.factors.app.as_ref().unwrap().secret));
    let code = b.code(NOW);
    assert_eq!(b.show(&code, NOW), Ok(Shown::Totp));
    assert!(!b.keys.is_old(&b.factors.app.as_ref().unwrap().secret));
    b.keys = SealingKeys::generate();
    let later = NOW.plus(Duration::from_secs(60));
    assert_eq!(b.show(&b.code(later), later), Err(FactorError::Seal(SealError::UnknownKey)));
}
