use super::*;
use rtc_stun::{
    attributes::{ATTR_ERROR_CODE, ATTR_XORMAPPED_ADDRESS},
    message::{CLASS_ERROR_RESPONSE, CLASS_SUCCESS_RESPONSE, Getter, TransactionId},
    textattrs::TextAttribute,
};

const PWD: &str = "a password of the server";

fn agent(now: Instant) -> IceAgent {
    IceAgent::new(now, Credentials { ufrag: "srv1".into(), pwd: PWD.into() }, "cli1".into())
}

fn addr(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

struct Raw(u16, &'static [u8]);

impl Setter for Raw {
    fn add_to(&self, m: &mut Message) -> rtc_shared::error::Result<()> {
        m.add(AttrType(self.0), self.1);
        Ok(())
    }
}

fn check(user: &str, pwd: &str, extra: Vec<Box<dyn Setter>>) -> Vec<u8> {
    let mut setters: Vec<Box<dyn Setter>> = vec![
        Box::new(BINDING_REQUEST),
        Box::new(TransactionId([7; 12])),
        Box::new(TextAttribute::new(ATTR_USERNAME, user.to_owned())),
        Box::new(Raw(ATTR_PRIORITY.0, &[0, 0, 0, 1])),
    ];
    setters.extend(extra);
    setters.push(Box::new(MessageIntegrity::new_short_term_integrity_with_provider(pwd.to_owned(), crypto())));
    setters.push(Box::new(FINGERPRINT));
    let mut out = Vec::new();
    build(&setters, &mut out);
    out
}

fn controlling(nominate: bool) -> Vec<Box<dyn Setter>> {
    let mut v: Vec<Box<dyn Setter>> = vec![Box::new(Raw(ATTR_ICE_CONTROLLING.0, &[1; 8]))];
    if nominate {
        v.push(Box::new(Raw(ATTR_USE_CANDIDATE.0, &[])));
    }
    v
}

fn nominate() -> Vec<u8> {
    check("srv1:cli1", PWD, controlling(true))
}

fn read(answer: &[u8]) -> Message {
    let mut m = Message { raw: answer.to_vec(), ..Message::default() };
    m.decode().unwrap();
    m
}

fn error_code(answer: &[u8]) -> u16 {
    let m = read(answer);
    assert_eq!(m.typ.class, CLASS_ERROR_RESPONSE);
    let v = m.get(ATTR_ERROR_CODE).unwrap();
    u16::from(v[2]) * 100 + u16::from(v[3])
}

#[test]
fn a_nomination_selects_the_address_it_came_from_and_is_answered_with_it() {
    let now = Instant::now();
    let (mut a, mut out) = (agent(now), Vec::new());
    let probe = check("srv1:cli1", PWD, controlling(false));
    assert_eq!(a.handle(now, addr(1), &probe, &mut out), Ok(Checked::Alive));
    assert_eq!(a.selected(), None, "a check alone selects nothing");
    assert_eq!(a.handle(now, addr(2), &nominate(), &mut out), Ok(Checked::Moved(addr(2))));
    let mut m = read(&out);
    assert_eq!(a.handle(now, addr(2), &probe, &mut Vec::new()), Ok(Checked::Alive), "not a nomination");
    assert_eq!(a.handle(now, addr(2), &nominate(), &mut Vec::new()), Ok(Checked::Kept), "it may come another way");
    assert_eq!((m.typ.class, m.transaction_id), (CLASS_SUCCESS_RESPONSE, TransactionId([7; 12])));
    MessageIntegrity::check(&mut m, PWD.as_bytes(), crypto()).expect("signed with our password (RFC 8445 §7.3)");
    FINGERPRINT.check(&m).unwrap();
    let mut mapped = XorMappedAddress { ip: addr(0).ip(), port: 0 };
    assert!(m.contains(ATTR_XORMAPPED_ADDRESS));
    mapped.get_from(&m).unwrap();
    assert_eq!(mapped.port, 2);
}

#[test]
fn what_is_wrong_is_refused_with_its_code_and_moves_nothing() {
    let now = Instant::now();
    let with = |kind, value| -> Vec<Box<dyn Setter>> { vec![Box::new(Raw(kind, value))] };
    // (packet, the refusal, the code answered)
    let cases: Vec<(Vec<u8>, IceError, Option<u16>)> = vec![
        (check("srv1:cli1", "another password altogether", controlling(true)), IceError::Integrity, Some(401)),
        (check("srv1:other", PWD, controlling(true)), IceError::WrongUser, Some(401)),
        (check("srvX:cli1", PWD, controlling(true)), IceError::WrongUser, Some(401)),
        (check("srv1:cli1", PWD, with(ATTR_ICE_CONTROLLED.0, &[9; 8])), IceError::RoleConflict, Some(487)),
        (check("srv1:cli1", PWD, with(0x7f00, &[1, 2, 3, 4])), IceError::UnknownAttribute, Some(420)),
        (vec![0; 20], IceError::Malformed, None),
        (vec![], IceError::Malformed, None),
    ];
    for (i, (packet, error, code)) in cases.into_iter().enumerate() {
        let (mut a, mut out) = (agent(now), Vec::new());
        assert_eq!(a.handle(now, addr(1), &packet, &mut out), Err(error), "case {i}");
        assert_eq!(a.selected(), None, "case {i}");
        match code {
            Some(code) => assert_eq!(error_code(&out), code, "case {i}"),
            None => assert!(out.is_empty(), "case {i}: garbage gets no answer"),
        }
    }
}

#[test]
fn every_damaged_byte_and_every_cut_is_refused() {
    let now = Instant::now();
    let (whole, mut out) = (nominate(), Vec::new());
    for at in 0..whole.len() {
        let mut damaged = whole.clone();
        damaged[at] ^= 1;
        let mut a = agent(now);
        let _ = local_ufrag(&damaged);
        assert!(a.handle(now, addr(1), &damaged, &mut out).is_err(), "byte {at}");
        assert!(a.handle(now, addr(1), &whole[..at], &mut out).is_err(), "cut to {at}");
        let _ = local_ufrag(&whole[..at]);
    }
}

#[test]
fn the_address_follows_a_nat_that_gives_another_port() {
    let now = Instant::now();
    let (mut a, mut out) = (agent(now), Vec::new());
    a.handle(now, addr(1), &nominate(), &mut out).unwrap();
    assert_eq!(a.handle(now, addr(2), &nominate(), &mut out), Ok(Checked::Moved(addr(2))), "nominated anew");
    let consent = check("srv1:cli1", PWD, controlling(false));
    let soon = now + Duration::from_secs(1);
    assert_eq!(a.handle(soon, addr(3), &consent, &mut out), Ok(Checked::Alive), "the old path still lives");
    let later = now + REBIND_AFTER;
    assert_eq!(a.handle(later, addr(3), &consent, &mut out), Ok(Checked::Moved(addr(3))), "the old path went silent");
}

#[test]
fn authenticated_packets_keep_a_peer_that_sends_no_more_checks() {
    let now = Instant::now();
    let (mut a, mut out) = (agent(now), Vec::new());
    a.heard(now + Duration::from_secs(5));
    assert_eq!(a.expires(), now + FIRST_CHECK, "but only once a check was valid");
    a.handle(now, addr(1), &nominate(), &mut out).unwrap();
    a.heard(now + Duration::from_secs(20));
    assert_eq!(a.expires(), now + Duration::from_secs(20) + CONSENT);
}

#[test]
fn consent_ends_thirty_seconds_after_the_last_valid_check() {
    let now = Instant::now();
    let (mut a, mut out) = (agent(now), Vec::new());
    assert_eq!(a.expires(), now + FIRST_CHECK);
    let t = now + Duration::from_secs(10);
    a.handle(t, addr(1), &nominate(), &mut out).unwrap();
    let forged = check("srv1:cli1", "another password altogether", controlling(true));
    a.handle(t + Duration::from_secs(5), addr(1), &forged, &mut out).unwrap_err();
    assert_eq!(a.expires(), t + CONSENT, "forged checks don't renew it");
}

#[test]
fn a_restart_keeps_the_old_path_until_the_new_one_is_nominated() {
    let now = Instant::now();
    let (mut a, mut out) = (agent(now), Vec::new());
    a.handle(now, addr(1), &nominate(), &mut out).unwrap();
    a.restart(Credentials { ufrag: "srv2".into(), pwd: "the new password of the server".into() }, "cli2".into());
    assert!(a.answers_to("srv1") && a.answers_to("srv2"));
    assert_eq!(a.handle(now, addr(1), &nominate(), &mut out), Ok(Checked::Alive), "old checks are still answered");
    let fresh = check("srv2:cli2", "the new password of the server", controlling(true));
    assert_eq!(a.handle(now, addr(5), &fresh, &mut out), Ok(Checked::Moved(addr(5))));
    assert!(!a.answers_to("srv1"), "the old credentials are void now");
    assert_eq!(a.handle(now, addr(1), &nominate(), &mut out), Err(IceError::WrongUser));
}

#[test]
fn finds_the_ufrag_without_trusting_the_packet() {
    assert_eq!(local_ufrag(&nominate()), Some("srv1"));
    for junk in [&[][..], &[0, 1, 0, 8], &[0; 20], &[0xff; 64]] {
        assert_eq!(local_ufrag(junk), None);
    }
}
