//! One peer's DTLS association, and the SRTP keys that come out of it (RFC 5764).
//!
//! The handshake is `rtc-dtls`' work: its `Endpoint` is sans-I/O and exports keying material publicly. It tells
//! associations apart by address; we keep one endpoint per peer under a constant address, so that a peer may move.
//! Not here: SRTP itself, retransmission to the socket.

mod hello;

use crate::{
    config::StartError,
    sdp::Fingerprint,
    srtp::{KEY_LEN, MasterKey, Opener, Profile, Sealer},
};
use bytes::BytesMut;
use hello::ClientHello;
use rtc_crypto::{RTCCryptoProvider, providers::AwsLcRsProvider};
use rtc_dtls::{
    config::{ClientAuthType, ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig},
    crypto::Certificate,
    endpoint::{Endpoint, EndpointEvent},
    extension::extension_use_srtp::SrtpProtectionProfile,
};
use rtc_shared::TransportProtocol;
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

/// The label of RFC 5764 §4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
/// The only address an endpoint of ours knows.
const PEER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5);
/// How soon a flight is sent again. RFC 6347 §4.2.4.1 says one second, doubled each time; the library repeats it seven times
/// at this interval, so that a peer has six seconds, and a lost flight costs a few round trips of a slow line.
const FLIGHT_INTERVAL: Duration = Duration::from_millis(750);
/// The longest record we send. Leaves room for IPv6, UDP and a tunnel in 1,280 bytes.
const MTU: usize = 1_180;
/// How many datagrams of a handshake are taken before a peer is given up: a whole one takes about six.
const DATAGRAMS_MAX: u32 = 512;

/// Our certificate, made at start, and the handshake's settings. Shared by all peers.
#[derive(Clone)]
pub(crate) struct DtlsIdentity {
    /// For clients that offer AES-GCM: nothing else is chosen.
    gcm: Arc<HandshakeConfig>,
    /// For the others.
    fallback: Arc<HandshakeConfig>,
    /// SHA-256 of the certificate, for `a=fingerprint`.
    pub fingerprint: [u8; 32],
}

impl DtlsIdentity {
    /// Makes a self-signed ECDSA P-256 certificate.
    pub(crate) fn generate() -> Result<Self, StartError> {
        let failed = |e: rtc_shared::error::Error| StartError::Certificate(e.to_string());
        let provider = Arc::new(AwsLcRsProvider::new());
        let certificate =
            Certificate::generate_self_signed(vec!["lectern".to_owned()], provider.crypto()).map_err(failed)?;
        let der = certificate.certificate.first().ok_or_else(|| StartError::Certificate("none was made".into()))?;
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        let fingerprint = *digest.as_ref().first_chunk().expect("SHA-256 gives 32 bytes");
        let config = |profile| {
            ConfigBuilder::default()
                .with_crypto_provider(provider.clone())
                .with_certificates(vec![certificate.clone()])
                // The client's certificate is compared with its offer's fingerprint after the handshake, which has proved
                // that the client holds its key; there is no authority to ask (RFC 8827 §6.5).
                .with_client_auth(ClientAuthType::RequireAnyClientCert)
                .with_insecure_skip_verify(true)
                .with_extended_master_secret(ExtendedMasterSecretType::Request)
                .with_srtp_protection_profiles(vec![profile])
                .with_flight_interval(FLIGHT_INTERVAL)
                .with_mtu(MTU)
                .build(false, None)
                .map(Arc::new)
                .map_err(failed)
        };
        let gcm = config(SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm)?;
        let fallback = config(SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80)?;
        Ok(Self { gcm, fallback, fingerprint })
    }
}

/// Why an association came to nothing. Each is a counted reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DtlsError {
    #[error("the handshake failed")]
    Handshake,
    #[error("the client's certificate is not the one its offer announced")]
    Fingerprint,
    #[error("no SRTP protection profile in common")]
    Profile,
    #[error("no keys could be exported")]
    Keys,
    #[error("too many datagrams for one handshake")]
    TooMany,
    #[error("a fault in the DTLS library")]
    Fault,
}

impl DtlsError {
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Handshake => "dtls_handshake",
            Self::Fingerprint => "dtls_fingerprint",
            Self::Profile => "dtls_profile",
            Self::Keys => "dtls_keys",
            Self::TooMany => "dtls_too_many",
            Self::Fault => "dtls_fault",
        }
    }
}

/// What a datagram or a timer brought.
pub(crate) enum DtlsEvent {
    /// The handshake is done: media may flow, sealed and opened with these.
    Connected(Box<Srtp>),
    /// The peer said good-bye.
    Closed,
}

/// The keys of both directions.
pub(crate) struct Srtp {
    pub profile: Profile,
    pub sealer: Sealer,
    pub opener: Opener,
}

/// The association of one peer.
pub(crate) struct DtlsPeer {
    identity: DtlsIdentity,
    /// The ClientHello until it is complete: the profile is chosen by it.
    hello: Option<ClientHello>,
    endpoint: Endpoint,
    remote: Fingerprint,
    connected: bool,
    datagrams: u32,
    failed: bool,
}

impl DtlsPeer {
    /// Waits for the ClientHello of a client whose offer announced `remote`.
    pub(crate) fn new(identity: &DtlsIdentity, remote: Fingerprint) -> Self {
        let endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
        let hello = Some(ClientHello::default());
        Self { identity: identity.clone(), hello, endpoint, remote, connected: false, datagrams: 0, failed: false }
    }

    /// Whether an offer with this fingerprint comes from the same peer connection.
    pub(crate) fn is_of(&self, fingerprint: &Fingerprint) -> bool {
        self.remote == *fingerprint
    }

    /// Takes one datagram of a peer whose address ICE has verified.
    pub(crate) fn read(&mut self, now: Instant, datagram: &[u8]) -> Result<Option<DtlsEvent>, DtlsError> {
        if self.failed {
            return Err(DtlsError::Handshake);
        }
        // A connected peer sends at most alerts; what a stranger injects is dropped by the record layer.
        self.datagrams += u32::from(!self.connected);
        if self.datagrams > DATAGRAMS_MAX {
            return Err(self.fail(DtlsError::TooMany));
        }
        let Some(hello) = &mut self.hello else { return self.feed(now, datagram) };
        let Some(offers_gcm) = hello.push(datagram) else { return Ok(None) };
        let datagrams = self.hello.take().map(ClientHello::into_datagrams).unwrap_or_default();
        // The library takes the client's first choice, and browsers name the slower profile first.
        let config = if offers_gcm { &self.identity.gcm } else { &self.identity.fallback };
        self.endpoint.set_server_config(Some(config.clone()));
        for datagram in datagrams {
            self.feed(now, &datagram)?;
        }
        Ok(None)
    }

    fn feed(&mut self, now: Instant, datagram: &[u8]) -> Result<Option<DtlsEvent>, DtlsError> {
        let data = BytesMut::from(datagram);
        let events = contain(|| self.endpoint.read(now, PEER, None, data)).map_err(|e| self.fail(e))?;
        let events = match events {
            Ok(events) => events,
            Err(_) if self.connected => return Ok(None),
            Err(_) => return Err(self.fail(DtlsError::Handshake)),
        };
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => {
                    self.connected = true;
                    let srtp = self.keys().map_err(|e| self.fail(e))?;
                    return Ok(Some(DtlsEvent::Connected(Box::new(srtp))));
                }
                EndpointEvent::PeerClosed => return Ok(Some(DtlsEvent::Closed)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// Sends a flight again if its time has come.
    pub(crate) fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsError> {
        if self.failed || self.next_timeout().is_none_or(|at| at > now) {
            return Ok(());
        }
        match contain(|| self.endpoint.handle_timeout(PEER, now)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(self.fail(DtlsError::Handshake)),
            Err(e) => Err(self.fail(e)),
        }
    }

    /// When [`handle_timeout`](Self::handle_timeout) is due.
    pub(crate) fn next_timeout(&self) -> Option<Instant> {
        if self.failed { None } else { self.endpoint.poll_timeout(&PEER) }
    }

    /// The next datagram to send.
    pub(crate) fn poll_transmit(&mut self) -> Option<BytesMut> {
        self.endpoint.poll_transmit().map(|t| t.message)
    }

    /// Queues a good-bye (close_notify).
    pub(crate) fn close(&mut self, now: Instant) {
        if !self.failed {
            // Whatever goes wrong here, the association is dropped next.
            let _ = contain(|| self.endpoint.close(now).is_ok());
        }
    }

    fn fail(&mut self, error: DtlsError) -> DtlsError {
        self.failed = true;
        error
    }

    fn keys(&self) -> Result<Srtp, DtlsError> {
        let state = self.endpoint.get_connection_state(PEER).ok_or(DtlsError::Keys)?;
        if !state.peer_certificates.first().is_some_and(|c| self.remote.matches(c)) {
            return Err(DtlsError::Fingerprint);
        }
        let profile = match state.srtp_protection_profile() {
            SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm => Profile::AeadAes128Gcm,
            SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80 => Profile::Aes128CmHmacSha1_80,
            _ => return Err(DtlsError::Profile),
        };
        let salt_len = profile.salt_len();
        let length = 2 * (KEY_LEN + salt_len);
        let material =
            state.export_keying_material(EXPORTER_LABEL, &[], length).map_err(|_| DtlsError::Keys)?.into_bytes();
        // RFC 5764 §4.2: client key, server key, client salt, server salt. We are the server.
        let (keys, salts) = material.split_at_checked(2 * KEY_LEN).ok_or(DtlsError::Keys)?;
        let client = MasterKey::new(profile, &keys[..KEY_LEN], salts).ok_or(DtlsError::Keys)?;
        let server = MasterKey::new(profile, &keys[KEY_LEN..], &salts[salt_len..]).ok_or(DtlsError::Keys)?;
        Ok(Srtp { profile, sealer: Sealer::new(profile, &server), opener: Opener::new(profile, &client) })
    }
}

/// Keeps a panic of the library from taking other peers' thread along: the association is given up instead.
fn contain<T>(f: impl FnOnce() -> T) -> Result<T, DtlsError> {
    catch_unwind(AssertUnwindSafe(f)).map_err(|_| DtlsError::Fault)
}

#[cfg(test)]
mod tests;
