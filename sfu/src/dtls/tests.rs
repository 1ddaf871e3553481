use super::*;
use lectern_media::ExtSeq;
use rtc_dtls::cipher_suite::CipherSuiteId;

const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// A client of the same library, and the fingerprint of its certificate.
fn client(now: Instant, profiles: Vec<SrtpProtectionProfile>) -> (Endpoint, Fingerprint) {
    let provider = Arc::new(AwsLcRsProvider::new());
    let certificate = Certificate::generate_self_signed(vec!["client".to_owned()], provider.crypto()).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &certificate.certificate[0]);
    let config = ConfigBuilder::default()
        .with_crypto_provider(provider)
        .with_certificates(vec![certificate])
        .with_cipher_suites(vec![CipherSuiteId::Tls_Ecdhe_Ecdsa_With_Aes_128_Gcm_Sha256])
        .with_insecure_skip_verify(true)
        .with_srtp_protection_profiles(profiles)
        .build(true, None)
        .unwrap();
    let mut endpoint = Endpoint::new(PEER, TransportProtocol::UDP, None);
    endpoint.connect(now, SERVER, Arc::new(config), None).unwrap();
    (endpoint, Fingerprint::Sha256(digest.as_ref().try_into().unwrap()))
}

/// Carries datagrams to and fro until nobody has anything to say; `lose` drops the datagrams it says. Time advances when
/// both are silent.
fn shake(
    server: &mut DtlsPeer,
    client: &mut Endpoint,
    mut now: Instant,
    mut lose: impl FnMut(usize) -> bool,
) -> Result<Option<Box<Srtp>>, DtlsError> {
    let (mut n, mut connected) = (0, None);
    for _ in 0..40 {
        let mut silent = true;
        while let Some(m) = client.poll_transmit() {
            silent = false;
            n += 1;
            if !lose(n)
                && let Some(DtlsEvent::Connected(srtp)) = server.read(now, &m.message)?
            {
                connected = Some(srtp);
            }
        }
        while let Some(m) = server.poll_transmit() {
            silent = false;
            n += 1;
            if !lose(n) {
                let _ = client.read(now, SERVER, None, m);
            }
        }
        if silent {
            if connected.is_some() {
                break;
            }
            now += Duration::from_millis(1_100);
            server.handle_timeout(now)?;
            let _ = client.handle_timeout(SERVER, now);
        }
    }
    Ok(connected)
}

/// The client's keys, as RFC 5764 §4.2 lays them out.
fn client_keys(client: &Endpoint, profile: Profile) -> (Sealer, Opener) {
    let length = 2 * (KEY_LEN + profile.salt_len());
    let state = client.get_connection_state(SERVER).unwrap();
    let material = state.export_keying_material(EXPORTER_LABEL, &[], length).unwrap().into_bytes();
    let (keys, salts) = material.split_at(2 * KEY_LEN);
    let ours = MasterKey::new(profile, &keys[..KEY_LEN], salts).unwrap();
    let theirs = MasterKey::new(profile, &keys[KEY_LEN..], &salts[profile.salt_len()..]).unwrap();
    (Sealer::new(profile, &ours), Opener::new(profile, &theirs))
}

/// Fails loudly if an upgrade of the library changes how keys are exported: packets must open in both directions.
#[test]
fn keys_open_packets_in_both_directions_with_both_profiles() {
    let identity = DtlsIdentity::generate().unwrap();
    for (offered, want) in [
        (
            vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm, SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80],
            Profile::AeadAes128Gcm,
        ),
        (vec![SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_80], Profile::Aes128CmHmacSha1_80),
    ] {
        let now = Instant::now();
        let (mut client, fingerprint) = client(now, offered);
        let mut server = DtlsPeer::new(&identity, fingerprint);
        let mut ours = shake(&mut server, &mut client, now, |_| false).unwrap().expect("connected");
        assert_eq!(ours.profile, want);
        let (sealer, mut opener) = client_keys(&client, want);
        let clear = [&[0x80, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 5][..], b"payload"].concat();
        let mut buf = [clear.clone(), vec![0; 16]].concat();
        let len = sealer.seal_rtp(&mut buf, 12, clear.len(), ExtSeq(1)).unwrap();
        let opened = ours.opener.open_rtp(&mut buf[..len]).expect("client to server");
        assert_eq!(buf[..opened.len], clear);
        let len = ours.sealer.seal_rtp(&mut buf, 12, clear.len(), ExtSeq(1)).unwrap();
        let opened = opener.open_rtp(&mut buf[..len]).expect("server to client");
        assert_eq!(buf[..opened.len], clear);
    }
}

#[test]
fn a_handshake_survives_any_single_lost_datagram() {
    let identity = DtlsIdentity::generate().unwrap();
    for lost in 1..=8 {
        let now = Instant::now();
        let (mut client, fingerprint) = client(now, vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm]);
        let mut server = DtlsPeer::new(&identity, fingerprint);
        let srtp = shake(&mut server, &mut client, now, |n| n == lost).unwrap();
        assert!(srtp.is_some(), "datagram {lost} was lost");
    }
}

#[test]
fn another_certificate_than_announced_is_refused() {
    let identity = DtlsIdentity::generate().unwrap();
    let now = Instant::now();
    let (mut client, _) = client(now, vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm]);
    let mut server = DtlsPeer::new(&identity, Fingerprint::Sha256([7; 32]));
    let refused = shake(&mut server, &mut client, now, |_| false).err();
    assert_eq!(refused, Some(DtlsError::Fingerprint));
}

#[test]
fn no_profile_in_common_is_refused() {
    let identity = DtlsIdentity::generate().unwrap();
    let now = Instant::now();
    let (mut client, fingerprint) = client(now, vec![SrtpProtectionProfile::Srtp_Aes128_Cm_Hmac_Sha1_32]);
    let mut server = DtlsPeer::new(&identity, fingerprint);
    assert!(shake(&mut server, &mut client, now, |_| false).is_err());
}

#[test]
fn garbage_ends_in_an_error_or_in_nothing() {
    let identity = DtlsIdentity::generate().unwrap();
    let now = Instant::now();
    let (mut client, fingerprint) = client(now, vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm]);
    let hello = client.poll_transmit().unwrap().message;
    for at in 0..hello.len() {
        let mut server = DtlsPeer::new(&identity, fingerprint.clone());
        let mut damaged = hello.to_vec();
        damaged[at] ^= 0xff;
        let _ = server.read(now, &damaged);
        let _ = server.read(now, &hello[..at]);
    }
    let mut server = DtlsPeer::new(&identity, fingerprint);
    let flood = (0..=DATAGRAMS_MAX).map(|_| server.read(now, &hello)).filter_map(Result::err).last();
    assert!(matches!(flood, Some(DtlsError::TooMany | DtlsError::Handshake)), "a flood ends: {flood:?}");
}
