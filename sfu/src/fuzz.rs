//! Entry points for fuzzing what strangers can send to the media port: each takes anything and must neither panic nor loop.
//! The runner is `lectern-fuzz`.

use crate::{
    dtls::{DtlsError, DtlsIdentity, DtlsPeer},
    ice::{Credentials, IceAgent, local_ufrag},
    sdp::{Fingerprint, publish_lines},
    srtp::{MasterKey, Opener, Profile},
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::LazyLock,
    time::Instant,
};

const FROM: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 4000);

/// One STUN packet, before and after the peer is found. The seeds' user is `ours:theirs`.
pub fn stun(data: &[u8]) {
    let _ = local_ufrag(data);
    let now = Instant::now();
    let local = Credentials { ufrag: "ours".to_owned(), pwd: "0123456789012345678901".to_owned() };
    let mut agent = IceAgent::new(now, local, "theirs".to_owned());
    let mut answer = Vec::new();
    // Refusals are what most inputs get.
    let _ = agent.handle(now, FROM, data, &mut answer);
    assert!(answer.len() <= 1200, "an answer fits a datagram");
}

/// Datagrams of a handshake, each behind its length in two bytes. The library may refuse what it likes, but not fault.
pub fn dtls(mut data: &[u8]) {
    static IDENTITY: LazyLock<Option<DtlsIdentity>> = LazyLock::new(|| DtlsIdentity::generate().ok());
    let Some(identity) = &*IDENTITY else { return };
    let now = Instant::now();
    let mut peer = DtlsPeer::new(identity, Fingerprint::Sha256([0; 32]));
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let (datagram, rest) = rest.split_at(usize::from(u16::from_be_bytes(*length)).min(rest.len()));
        data = rest;
        if let Err(error) = peer.read(now, datagram) {
            assert_ne!(error, DtlsError::Fault, "the DTLS library panicked");
            return;
        }
        while let Some(flight) = peer.poll_transmit() {
            assert!(flight.len() <= 1500, "a flight fits a packet");
        }
    }
}

/// A sealed packet from someone without the key, under both profiles, as RTP and as RTCP.
pub fn srtp(data: &[u8]) {
    for profile in [Profile::AeadAes128Gcm, Profile::Aes128CmHmacSha1_80] {
        let Some(master) = MasterKey::new(profile, &[1; 16], &[2; 14]) else { continue };
        let mut opener = Opener::new(profile, &master);
        assert!(opener.open_rtp(&mut data.to_vec()).is_err(), "a packet was opened without its key");
        assert!(opener.open_rtcp(&mut data.to_vec()).is_err(), "a packet was opened without its key");
    }
}

/// An offer.
pub fn sdp(data: &[u8]) {
    if let Ok(text) = std::str::from_utf8(data) {
        let _ = publish_lines(text);
    }
}
