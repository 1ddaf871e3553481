//! One peer's ICE-lite agent (RFC 8445 §2.5): answers connectivity checks, follows the nominated address, notices when
//! consent ends (RFC 7675), survives restarts.
//!
//! Pure: bytes, addresses and `now` in; an answer and what changed out. Not here: which peer a check is for (the shard
//! reads the ufrag first, with [`local_ufrag`]).

use rtc_crypto::{RTCCrypto, RTCCryptoProvider, providers::AwsLcRsProvider};
use rtc_stun::{
    attributes::{
        ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING, ATTR_MESSAGE_INTEGRITY, ATTR_PRIORITY, ATTR_UNKNOWN_ATTRIBUTES,
        ATTR_USE_CANDIDATE, ATTR_USERNAME, AttrType,
    },
    error_code::{CODE_BAD_REQUEST, CODE_ROLE_CONFLICT, CODE_UNAUTHORIZED, CODE_UNKNOWN_ATTRIBUTE, ErrorCode},
    fingerprint::FINGERPRINT,
    integrity::MessageIntegrity,
    message::{BINDING_ERROR, BINDING_REQUEST, BINDING_SUCCESS, CLASS_INDICATION, METHOD_BINDING, Message, Setter},
    xoraddr::XorMappedAddress,
};
use std::{
    net::SocketAddr,
    sync::LazyLock,
    time::{Duration, Instant},
};

/// RFC 7675 §5.1: consent ends 30 s after the last valid check. Browsers send one every 2.5 to 5 s.
pub(crate) const CONSENT: Duration = Duration::from_secs(30);
/// A peer that never completed a check is given up after this long: slow users have answered a permission prompt before
/// they offer, so that only a dead path takes longer.
pub(crate) const FIRST_CHECK: Duration = Duration::from_secs(30);
/// A check without USE-CANDIDATE from a new address moves the peer if its old address was silent for this long: Firefox
/// does not repeat the nomination in its consent checks when a NAT gave it another port.
const REBIND_AFTER: Duration = Duration::from_secs(6);
/// The longest STUN message answered, in bytes. Checks are about 100 bytes.
const MESSAGE_LEN_MAX: usize = 548;

static CRYPTO: LazyLock<AwsLcRsProvider> = LazyLock::new(AwsLcRsProvider::new);

fn crypto() -> &'static dyn RTCCrypto {
    LazyLock::force(&CRYPTO).crypto()
}

/// Name and password of one side (RFC 8445 §5.3).
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub ufrag: String,
    pub pwd: String,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Credentials({}, redacted)", self.ufrag)
    }
}

/// Why a check was not answered with success. Each is a counted reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum IceError {
    #[error("not a STUN message")]
    Malformed,
    #[error("not a Binding request or indication")]
    NotBinding,
    #[error("no USERNAME, or not ours")]
    WrongUser,
    #[error("MESSAGE-INTEGRITY is missing or wrong")]
    Integrity,
    #[error("FINGERPRINT is wrong")]
    Fingerprint,
    #[error("the client claims to be controlled; only the server is")]
    RoleConflict,
    #[error("an attribute that must be understood is not")]
    UnknownAttribute,
}

impl IceError {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Malformed => "stun_malformed",
            Self::NotBinding => "stun_not_binding",
            Self::WrongUser => "stun_wrong_user",
            Self::Integrity => "stun_integrity",
            Self::Fingerprint => "stun_fingerprint",
            Self::RoleConflict => "stun_role_conflict",
            Self::UnknownAttribute => "stun_unknown_attribute",
        }
    }
}

/// What a valid check changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Checked {
    /// Nothing: a check of a path that is not (or already) used.
    Alive,
    /// The address in use was nominated (again): by the way this check came, which may be another than before (the client's
    /// packets reach us at another of our addresses now).
    Kept,
    /// The peer is reached at this address from now on.
    Moved(SocketAddr),
}

/// Reads the receiver's part of USERNAME of a STUN request without checking anything: to find the peer.
pub(crate) fn local_ufrag(packet: &[u8]) -> Option<&str> {
    let length = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    let mut rest = packet.get(20..20 + length)?;
    while let Some(head) = rest.first_chunk::<4>() {
        let (kind, len) = (u16::from_be_bytes([head[0], head[1]]), usize::from(u16::from_be_bytes([head[2], head[3]])));
        let value = rest.get(4..4 + len)?;
        if kind == ATTR_USERNAME.0 {
            return std::str::from_utf8(value).ok()?.split(':').next();
        }
        rest = rest.get(4 + len.next_multiple_of(4)..)?;
    }
    None
}

/// The agent of one peer.
#[derive(Debug)]
pub(crate) struct IceAgent {
    local: Credentials,
    /// Accepted until a check with the new ones has nominated a path (RFC 8445 §9: media goes on during a restart).
    before_restart: Option<Credentials>,
    remote_ufrag: String,
    selected: Option<SocketAddr>,
    selected_seen: Instant,
    last_valid: Option<Instant>,
    created: Instant,
}

impl IceAgent {
    pub(crate) fn new(now: Instant, local: Credentials, remote_ufrag: String) -> Self {
        Self {
            local,
            before_restart: None,
            remote_ufrag,
            selected: None,
            selected_seen: now,
            last_valid: None,
            created: now,
        }
    }

    pub(crate) fn local(&self) -> &Credentials {
        &self.local
    }

    pub(crate) fn remote_ufrag(&self) -> &str {
        &self.remote_ufrag
    }

    /// Whether checks with this receiver's ufrag are for us.
    pub(crate) fn answers_to(&self, ufrag: &str) -> bool {
        self.local.ufrag == ufrag || self.before_restart.as_ref().is_some_and(|c| c.ufrag == ufrag)
    }

    /// Where the peer is reached, once a path is nominated.
    #[cfg(test)]
    pub(crate) const fn selected(&self) -> Option<SocketAddr> {
        self.selected
    }

    /// Begins a restart (RFC 8445 §9): both sides have new credentials.
    pub(crate) fn restart(&mut self, local: Credentials, remote_ufrag: String) {
        self.before_restart = Some(std::mem::replace(&mut self.local, local));
        self.remote_ufrag = remote_ufrag;
    }

    /// When consent ends unless a valid check comes.
    pub(crate) fn expires(&self) -> Instant {
        self.last_valid.map_or(self.created + FIRST_CHECK, |t| t + CONSENT)
    }

    /// An authenticated packet of the peer arrived: it lives and wants what it gets. libnice, and so GStreamer, sends no
    /// checks once a path is chosen, only indications and media; a lite agent, which sends none itself, has nothing else
    /// to go by (RFC 7675 §4 speaks of agents that check).
    pub(crate) fn heard(&mut self, now: Instant) {
        if self.last_valid.is_some() {
            self.last_valid = Some(now);
        }
    }

    /// Whether a valid check or an authenticated packet came within the last `time`.
    pub(crate) fn heard_within(&self, now: Instant, time: Duration) -> bool {
        self.last_valid.is_some_and(|at| now.saturating_duration_since(at) < time)
    }

    /// Takes one STUN packet that came from `from`, and appends the answer, if there is one, to the empty `answer`.
    pub(crate) fn handle(
        &mut self,
        now: Instant,
        from: SocketAddr,
        packet: &[u8],
        answer: &mut Vec<u8>,
    ) -> Result<Checked, IceError> {
        answer.clear();
        let mut request = parse(packet)?;
        // Keep-alive by indication needs no answer and proves nothing (RFC 8445 §11).
        if request.typ.class == CLASS_INDICATION {
            return Ok(Checked::Alive);
        }
        let refused = |request: &Message, answer: &mut Vec<u8>, code, error| {
            refuse(request, code, &[], None, answer);
            Err(error)
        };
        let Ok(user) = request.get(ATTR_USERNAME) else {
            return refused(&request, answer, CODE_BAD_REQUEST, IceError::WrongUser);
        };
        let restarted = match self.match_user(&user) {
            Some(r) => r,
            None => return refused(&request, answer, CODE_UNAUTHORIZED, IceError::WrongUser),
        };
        let credentials = match (&self.before_restart, restarted) {
            (Some(old), false) => old,
            _ => &self.local,
        };
        if !request.contains(ATTR_MESSAGE_INTEGRITY) {
            return refused(&request, answer, CODE_BAD_REQUEST, IceError::Integrity);
        }
        let pwd = credentials.pwd.clone();
        if MessageIntegrity::check(&mut request, pwd.as_bytes(), crypto()).is_err() {
            return refused(&request, answer, CODE_UNAUTHORIZED, IceError::Integrity);
        }
        let unknown: Vec<AttrType> =
            request.attributes.0.iter().map(|a| a.typ).filter(|t| t.required() && !understood(*t)).take(16).collect();
        if !unknown.is_empty() {
            refuse(&request, CODE_UNKNOWN_ATTRIBUTE, &unknown, Some(&pwd), answer);
            return Err(IceError::UnknownAttribute);
        }
        // RFC 8445 §7.3.1.1: a lite agent stays controlled, the other side has to change its mind.
        if request.contains(ATTR_ICE_CONTROLLED) {
            refuse(&request, CODE_ROLE_CONFLICT, &[], Some(&pwd), answer);
            return Err(IceError::RoleConflict);
        }
        succeed(&request, from, &pwd, answer);
        Ok(self.accept(now, from, request.contains(ATTR_USE_CANDIDATE), restarted))
    }

    /// Whether USERNAME names this peer: `Some(true)` with the present credentials, `Some(false)` with those of before
    /// the restart.
    fn match_user(&self, user: &[u8]) -> Option<bool> {
        let (ours, theirs) = std::str::from_utf8(user).ok()?.split_once(':')?;
        if ours == self.local.ufrag && theirs == self.remote_ufrag {
            return Some(true);
        }
        self.before_restart.as_ref().filter(|c| c.ufrag == ours).map(|_| false)
    }

    fn accept(&mut self, now: Instant, from: SocketAddr, nominated: bool, present: bool) -> Checked {
        self.last_valid = Some(now);
        if self.selected == Some(from) {
            self.selected_seen = now;
            if present && nominated {
                self.before_restart = None;
            }
            return if present && nominated { Checked::Kept } else { Checked::Alive };
        }
        let silent = self.selected.is_some() && now.duration_since(self.selected_seen) >= REBIND_AFTER;
        if !nominated && !silent {
            return Checked::Alive;
        }
        if present {
            self.before_restart = None;
        } else if self.before_restart.is_some() && self.selected.is_some() && !silent {
            // During a restart the old path stays until the new one is nominated.
            return Checked::Alive;
        }
        self.selected = Some(from);
        self.selected_seen = now;
        Checked::Moved(from)
    }
}

/// Attributes of the comprehension-required range that a check may carry.
fn understood(t: AttrType) -> bool {
    [ATTR_USERNAME, ATTR_MESSAGE_INTEGRITY, ATTR_PRIORITY, ATTR_USE_CANDIDATE].contains(&t)
        || [ATTR_ICE_CONTROLLED, ATTR_ICE_CONTROLLING].contains(&t)
}

fn parse(packet: &[u8]) -> Result<Message, IceError> {
    let length = packet.get(2..4).map(|l| usize::from(u16::from_be_bytes([l[0], l[1]])));
    // RFC 8489 §5: the length counts what follows the header; a datagram holds exactly one message.
    if packet.len() > MESSAGE_LEN_MAX || length.is_none_or(|l| l + 20 != packet.len() || l % 4 != 0) {
        return Err(IceError::Malformed);
    }
    let mut message = Message { raw: packet.to_vec(), ..Message::default() };
    message.decode().map_err(|_| IceError::Malformed)?;
    if message.typ.method != METHOD_BINDING || (message.typ != BINDING_REQUEST && message.typ.class != CLASS_INDICATION)
    {
        return Err(IceError::NotBinding);
    }
    // RFC 8445 §7: checks carry FINGERPRINT. Its place is the end, and no other is accepted.
    match FINGERPRINT.check(&message) {
        Ok(()) => Ok(message),
        Err(_) => Err(IceError::Fingerprint),
    }
}

fn succeed(request: &Message, to: SocketAddr, pwd: &str, answer: &mut Vec<u8>) {
    let address = XorMappedAddress { ip: to.ip(), port: to.port() };
    let integrity = MessageIntegrity::new_short_term_integrity_with_provider(pwd.to_owned(), crypto());
    build(
        &[
            Box::new(BINDING_SUCCESS),
            Box::new(request.transaction_id),
            Box::new(address),
            Box::new(integrity),
            Box::new(FINGERPRINT),
        ],
        answer,
    );
}

fn refuse(request: &Message, code: ErrorCode, unknown: &[AttrType], pwd: Option<&str>, answer: &mut Vec<u8>) {
    let mut setters: Vec<Box<dyn Setter + '_>> =
        vec![Box::new(BINDING_ERROR), Box::new(request.transaction_id), Box::new(Reason(code))];
    if !unknown.is_empty() {
        setters.push(Box::new(UnknownAttributes(unknown)));
    }
    if let Some(pwd) = pwd {
        setters.push(Box::new(MessageIntegrity::new_short_term_integrity_with_provider(pwd.to_owned(), crypto())));
    }
    setters.push(Box::new(FINGERPRINT));
    build(&setters, answer);
}

fn build(setters: &[Box<dyn Setter + '_>], answer: &mut Vec<u8>) {
    let mut message = Message::new();
    if message.build(setters).is_ok() {
        answer.extend_from_slice(&message.raw);
    }
}

/// ERROR-CODE with its customary reason; 487 has none in the crate.
struct Reason(ErrorCode);

impl Setter for Reason {
    fn add_to(&self, m: &mut Message) -> rtc_shared::error::Result<()> {
        let reason: &[u8] = match self.0 {
            CODE_ROLE_CONFLICT => b"Role Conflict",
            CODE_UNKNOWN_ATTRIBUTE => b"Unknown Attribute",
            CODE_UNAUTHORIZED => b"Unauthorized",
            _ => b"Bad Request",
        };
        rtc_stun::error_code::ErrorCodeAttribute { code: self.0, reason: reason.to_vec() }.add_to(m)
    }
}

/// UNKNOWN-ATTRIBUTES (RFC 8489 §14.9).
struct UnknownAttributes<'a>(&'a [AttrType]);

impl Setter for UnknownAttributes<'_> {
    fn add_to(&self, m: &mut Message) -> rtc_shared::error::Result<()> {
        let value: Vec<u8> = self.0.iter().flat_map(|t| t.0.to_be_bytes()).collect();
        m.add(ATTR_UNKNOWN_ATTRIBUTES, &value);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
