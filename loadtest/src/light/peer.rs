//! One light client: its ICE agent, DTLS association and SRTP keys. Pure but for the randomness at its making: time and
//! datagrams in, datagrams and counts out; the swarm owns the socket.

use super::{
    feedback::{Arrivals, Reported, receiver_report},
    sdp::{Answer, EXT_MID, EXT_TWCC, MID_AUDIO, MID_VIDEO, Offer, PT_H264, PT_OPUS},
    stun,
};
use crate::{measure::VideoMeter, source::VideoCodec};
use anyhow::{Context, Result, ensure};
use bytes::BytesMut;
use lectern_media::{ExtSeq, RtpView, Ssrc};
use rtc::crypto::{RTCCryptoProvider, providers::AwsLcRsProvider};
use rtc::dtls::{
    config::{ConfigBuilder, ExtendedMasterSecretType, HandshakeConfig},
    crypto::Certificate,
    endpoint::{Endpoint, EndpointEvent},
    extension::extension_use_srtp::SrtpProtectionProfile,
};
use rtc::shared::TransportProtocol;
use rtc::srtp::{context::Context as Srtp, protection_profile::ProtectionProfile};
use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::Arc,
    time::{Duration, Instant},
};

/// The only address the DTLS endpoint knows: ours is chosen by ICE.
const SERVER: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5);
/// RFC 5764 §4.2.
const EXPORTER_LABEL: &str = "EXTRACTOR-dtls_srtp";
const KEY_LEN: usize = 16;
const SALT_LEN: usize = 12;
const CHECK_EVERY: Duration = Duration::from_millis(200);
/// RFC 7675 §5.1: about every five seconds; browsers take half of that.
const CONSENT_EVERY: Duration = Duration::from_millis(2500);
const FEEDBACK_EVERY: Duration = Duration::from_millis(100);
const REPORT_EVERY: Duration = Duration::from_secs(1);

/// What a client is there for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Sends one picture and one sound.
    Publisher,
    /// Receives and counts by the clear header.
    Subscriber,
    /// Receives, decrypts and measures.
    DeepSubscriber,
}

/// Certificate and settings that all clients share.
#[derive(Clone)]
pub struct Identity {
    provider: Arc<AwsLcRsProvider>,
    config: Arc<HandshakeConfig>,
    fingerprint: [u8; 32],
}

impl Identity {
    /// Makes a certificate.
    ///
    /// # Errors
    /// If the crypto library refuses.
    pub fn generate() -> Result<Self> {
        let provider = Arc::new(AwsLcRsProvider::new());
        let certificate = Certificate::generate_self_signed(vec!["lectern-loadtest".to_owned()], provider.crypto())?;
        let der = certificate.certificate.first().context("no certificate was made")?;
        let fingerprint = sha256(der);
        let config = ConfigBuilder::default()
            .with_crypto_provider(provider.clone())
            .with_certificates(vec![certificate])
            // The server's certificate is compared with the answer's fingerprint (RFC 8827 §6.5).
            .with_insecure_skip_verify(true)
            .with_extended_master_secret(ExtendedMasterSecretType::Request)
            .with_srtp_protection_profiles(vec![SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm])
            .with_flight_interval(Duration::from_millis(400))
            .with_mtu(1200)
            .build(true, None)?;
        Ok(Self { provider, config: Arc::new(config), fingerprint })
    }
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, bytes);
    *digest.as_ref().first_chunk().expect("SHA-256 gives 32 bytes")
}

/// What a client counted.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    /// Pictures' packets.
    pub video_packets: u64,
    /// Sounds' packets.
    pub audio_packets: u64,
    /// Other RTP: retransmissions and padding.
    pub other_packets: u64,
    /// Bytes of all RTP datagrams.
    pub bytes: u64,
    /// Packets missing in the numbering of the two.
    pub lost: u64,
    /// Datagrams that were no RTP, RTCP, STUN or DTLS, or did not decrypt.
    pub bad: u64,
    /// When ICE and DTLS were done.
    pub connected: Option<Duration>,
    /// When the first packet of a picture came.
    pub first_video: Option<Duration>,
}

#[derive(Debug, Default)]
struct Numbers {
    ssrc: Option<Ssrc>,
    first: ExtSeq,
    highest: ExtSeq,
    count: u64,
}

impl Numbers {
    fn note(&mut self, rtp: &RtpView<'_>) {
        if self.ssrc != Some(rtp.ssrc()) {
            let first = ExtSeq(u64::from(rtp.seq()) + 0x1_0000);
            *self = Self { ssrc: Some(rtp.ssrc()), first, highest: first, count: 0 };
        }
        self.highest = self.highest.max(self.highest.extend(rtp.seq()));
        self.count += 1;
    }

    fn lost(&self) -> u64 {
        self.ssrc.map_or(0, |_| (self.highest.0 - self.first.0 + 1).saturating_sub(self.count))
    }
}

/// A light client.
pub struct LightPeer {
    role: Role,
    identity: Identity,
    ufrag: String,
    pwd: String,
    ssrcs: (u32, u32),
    tie_breaker: u64,
    answer: Option<Answer>,
    epoch: Instant,
    ice_done: bool,
    next_check: Duration,
    check: [u8; 12],
    dtls: Endpoint,
    dtls_started: bool,
    keys: Option<Keys>,
    arrivals: Arrivals,
    next_feedback: Duration,
    next_report: Duration,
    video: Numbers,
    audio: Numbers,
    counts: Counts,
    keyframe_wanted: bool,
    meter: VideoMeter,
}

struct Keys {
    send: Srtp,
    receive: Srtp,
}

impl LightPeer {
    /// A client that asks at `now`; `epoch` is the zero of all durations it is given.
    ///
    /// # Errors
    /// If the system has no randomness.
    pub fn new(role: Role, identity: &Identity, epoch: Instant, now: Duration) -> Result<Self> {
        let mut random = [0u8; 40];
        getrandom::fill(&mut random).context("reading randomness")?;
        let text = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
        let number = |at: usize| u32::from_be_bytes([random[at], random[at + 1], random[at + 2], random[at + 3]]) | 1;
        Ok(Self {
            role,
            identity: identity.clone(),
            ufrag: text(&random[..4]),
            pwd: text(&random[4..20]),
            ssrcs: (number(20), number(24)),
            tie_breaker: u64::from(number(28)) << 32 | u64::from(number(32)),
            answer: None,
            epoch,
            ice_done: false,
            next_check: now,
            check: [0; 12],
            dtls: Endpoint::new(SERVER, TransportProtocol::UDP, None),
            dtls_started: false,
            keys: None,
            arrivals: Arrivals::default(),
            next_feedback: now,
            next_report: now,
            video: Numbers::default(),
            audio: Numbers::default(),
            counts: Counts::default(),
            keyframe_wanted: true,
            meter: VideoMeter::new(VideoCodec::H264, now),
        })
    }

    /// The SDP offer.
    #[must_use]
    pub fn offer(&self) -> String {
        Offer {
            session: self.ssrcs.0 >> 1,
            ufrag: &self.ufrag,
            pwd: &self.pwd,
            fingerprint: &self.identity.fingerprint,
            sends: (self.role == Role::Publisher).then_some(self.ssrcs),
        }
        .sdp()
    }

    /// Takes the answer; checks begin with the next [`tick`](Self::tick).
    pub fn accept(&mut self, answer: Answer) {
        self.answer = Some(answer);
    }

    /// What it is there for.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Whether media can flow.
    #[must_use]
    pub fn connected(&self) -> bool {
        self.keys.is_some()
    }

    /// What it counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { lost: self.video.lost() + self.audio.lost(), ..self.counts }
    }

    /// What a deep subscriber measured.
    #[must_use]
    pub fn meter(&self) -> &VideoMeter {
        &self.meter
    }

    /// Whether the server asked for a keyframe since the last call (a publisher begins with one).
    pub fn take_keyframe_request(&mut self) -> bool {
        std::mem::take(&mut self.keyframe_wanted)
    }

    /// Takes one datagram; what it makes the client say is pushed to `out`.
    ///
    /// # Errors
    /// If the handshake failed: the client is of no more use.
    pub fn datagram(&mut self, now: Duration, datagram: &[u8], out: &mut Vec<Vec<u8>>) -> Result<()> {
        match datagram.first() {
            Some(128..=191) => self.media(now, datagram),
            Some(0..=3) => self.stun(now, datagram)?,
            Some(20..=63) => self.dtls(now, datagram)?,
            _ => self.counts.bad += 1,
        }
        self.flush_dtls(out);
        Ok(())
    }

    /// Does what time asks for: checks, retransmissions, feedback.
    ///
    /// # Errors
    /// If the handshake failed.
    pub fn tick(&mut self, now: Duration, out: &mut Vec<Vec<u8>>) -> Result<()> {
        if now >= self.next_check
            && let Some(answer) = &self.answer
        {
            getrandom::fill(&mut self.check).context("reading randomness")?;
            let username = format!("{}:{}", answer.ufrag, self.ufrag);
            out.push(stun::binding_request(&username, &answer.pwd, self.check, self.tie_breaker));
            self.next_check = now + if self.ice_done { CONSENT_EVERY } else { CHECK_EVERY };
        }
        if self.dtls_started && self.keys.is_none() {
            self.dtls.handle_timeout(SERVER, self.epoch + now).context("DTLS")?;
            self.flush_dtls(out);
        }
        if self.role != Role::Publisher {
            self.feedback(now, out);
        }
        Ok(())
    }

    fn stun(&mut self, now: Duration, datagram: &[u8]) -> Result<()> {
        let Some(answer) = &self.answer else { return Ok(()) };
        if stun::success_response(datagram, &answer.pwd) != Some(self.check) {
            return Ok(());
        }
        self.ice_done = true;
        self.next_check = now + CONSENT_EVERY;
        if !self.dtls_started {
            self.dtls_started = true;
            self.dtls.connect(self.epoch + now, SERVER, self.identity.config.clone(), None).context("DTLS")?;
        }
        Ok(())
    }

    fn dtls(&mut self, now: Duration, datagram: &[u8]) -> Result<()> {
        if !self.dtls_started {
            return Ok(());
        }
        let events = self.dtls.read(self.epoch + now, SERVER, None, BytesMut::from(datagram)).context("DTLS")?;
        for event in events {
            match event {
                EndpointEvent::HandshakeComplete => {
                    self.keys = Some(self.derive().context("SRTP keys")?);
                    self.counts.connected = Some(now);
                }
                EndpointEvent::PeerClosed => anyhow::bail!("the server closed the connection"),
                _ => {}
            }
        }
        Ok(())
    }

    fn derive(&self) -> Result<Keys> {
        let state = self.dtls.get_connection_state(SERVER).context("no association")?;
        let certificate = state.peer_certificates.first().context("the server has no certificate")?;
        ensure!(
            self.answer.as_ref().is_some_and(|a| a.fingerprint == sha256(certificate)),
            "the server's certificate is not the one of its answer"
        );
        ensure!(
            state.srtp_protection_profile() == SrtpProtectionProfile::Srtp_Aead_Aes_128_Gcm,
            "the server chose another SRTP profile than AES-128-GCM"
        );
        let material = state.export_keying_material(EXPORTER_LABEL, &[], 2 * (KEY_LEN + SALT_LEN))?.into_bytes();
        // RFC 5764 §4.2: client key, server key, client salt, server salt. We are the client.
        let (keys, salts) = material.split_at_checked(2 * KEY_LEN).context("too little keying material")?;
        let context = |key: &[u8], salt: &[u8]| {
            Srtp::new(key, salt, ProtectionProfile::AeadAes128Gcm, None, None, self.identity.provider.crypto())
        };
        Ok(Keys {
            send: context(&keys[..KEY_LEN], &salts[..SALT_LEN])?,
            receive: context(&keys[KEY_LEN..], &salts[SALT_LEN..])?,
        })
    }

    fn flush_dtls(&mut self, out: &mut Vec<Vec<u8>>) {
        while let Some(transmit) = self.dtls.poll_transmit() {
            out.push(transmit.message.to_vec());
        }
    }

    fn media(&mut self, now: Duration, datagram: &[u8]) {
        // RFC 5761 §4: RTCP packet types stand where RTP has marker and payload type.
        if matches!(datagram.get(1), Some(192..=223)) {
            return self.rtcp(datagram);
        }
        let Ok(rtp) = RtpView::parse_header(datagram) else {
            self.counts.bad += 1;
            return;
        };
        self.counts.bytes += datagram.len() as u64;
        if let Some([a, b]) = rtp.extension(EXT_TWCC) {
            self.arrivals.note(u16::from_be_bytes([*a, *b]), now);
        }
        match rtp.payload_type().0 {
            PT_H264 => {
                self.counts.video_packets += 1;
                self.counts.first_video.get_or_insert(now);
                self.video.note(&rtp);
                if self.role == Role::DeepSubscriber {
                    self.open(now, datagram);
                }
            }
            PT_OPUS => {
                self.counts.audio_packets += 1;
                self.audio.note(&rtp);
            }
            _ => self.counts.other_packets += 1,
        }
    }

    fn open(&mut self, now: Duration, datagram: &[u8]) {
        let Some(keys) = &mut self.keys else { return };
        match keys.receive.decrypt_rtp(datagram) {
            Ok(clear) => {
                if let Ok(rtp) = RtpView::parse(&clear) {
                    self.meter.packet(now, crate::stamp::now_us(), (&rtp).into());
                }
            }
            Err(_) => self.counts.bad += 1,
        }
    }

    /// A publisher looks for keyframe requests; others need nothing of what servers report.
    fn rtcp(&mut self, datagram: &[u8]) {
        if self.role != Role::Publisher {
            return;
        }
        let Some(Ok(clear)) = self.keys.as_mut().map(|k| k.receive.decrypt_rtcp(datagram)) else {
            self.counts.bad += 1;
            return;
        };
        let mut rest = &clear[..];
        while let [first, kind, a, b, ..] = rest {
            // RFC 4585 §6.3.1, RFC 5104 §4.3.1: PLI and FIR.
            if *kind == 206 && matches!(first & 0x1f, 1 | 4) {
                self.keyframe_wanted = true;
            }
            rest = rest.get(4 * (usize::from(u16::from_be_bytes([*a, *b])) + 1)..).unwrap_or_default();
        }
    }

    fn feedback(&mut self, now: Duration, out: &mut Vec<Vec<u8>>) {
        if now < self.next_feedback {
            return;
        }
        self.next_feedback = now + FEEDBACK_EVERY;
        let Some(keys) = &mut self.keys else { return };
        let ours = Ssrc(self.ssrcs.0);
        let Some(media) = self.video.ssrc.or(self.audio.ssrc) else { return };
        let mut message = Vec::new();
        if now >= self.next_report {
            self.next_report = now + REPORT_EVERY;
            let blocks: Vec<Reported> = [&self.video, &self.audio]
                .into_iter()
                .filter_map(|n| {
                    Some(Reported { ssrc: n.ssrc?, lost: n.lost() as u32, highest: (n.highest.0 - 0x1_0000) as u32 })
                })
                .collect();
            message = receiver_report(ours, &blocks);
        }
        message.extend(self.arrivals.take(ours, media).unwrap_or_default());
        if !message.is_empty()
            && let Ok(sealed) = keys.send.encrypt_rtcp(&message)
        {
            out.push(sealed.to_vec());
        }
    }

    /// Seals one RTP packet of a publisher.
    ///
    /// # Errors
    /// If there are no keys yet.
    pub fn seal(&mut self, packet: &Outgoing<'_>, twcc: u16) -> Result<Vec<u8>> {
        let (ssrc, pt, mid) =
            if packet.video { (self.ssrcs.0, PT_H264, MID_VIDEO) } else { (self.ssrcs.1, PT_OPUS, MID_AUDIO) };
        let mut rtp = Vec::with_capacity(28 + packet.payload.len());
        rtp.extend_from_slice(&[0x90, pt | u8::from(packet.marker) << 7]);
        rtp.extend_from_slice(&packet.seq.to_be_bytes());
        rtp.extend_from_slice(&packet.timestamp.to_be_bytes());
        rtp.extend_from_slice(&ssrc.to_be_bytes());
        // RFC 8285 §4.2: one-byte headers.
        let [high, low] = twcc.to_be_bytes();
        rtp.extend_from_slice(&[
            0xbe,
            0xde,
            0,
            2,
            EXT_TWCC << 4 | 1,
            high,
            low,
            EXT_MID << 4,
            mid.as_bytes()[0],
            0,
            0,
            0,
        ]);
        rtp.extend_from_slice(packet.payload);
        let keys = self.keys.as_mut().context("not connected yet")?;
        Ok(keys.send.encrypt_rtp(&rtp)?.to_vec())
    }
}

/// One RTP packet to send.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Picture or sound.
    pub video: bool,
    /// Sequence number.
    pub seq: u16,
    /// RTP timestamp.
    pub timestamp: u32,
    /// Last packet of its frame.
    pub marker: bool,
    /// Payload.
    pub payload: &'a [u8],
}
