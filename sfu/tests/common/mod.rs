//! Real WebRTC clients of another stack (str0m), driven by hand so that a test can lose, copy and watch packets.
//!
//! Not every test uses everything here.
#![allow(dead_code, reason = "each test binary compiles this module and uses its own part")]

pub mod metrics;
pub mod wall;

use lectern_media::{ParticipantId, PeerId, RoomId, TrackInfo, TrackKind, TrackSource};
use lectern_sfu::{Assignment, Priority, PublishAnswer, PublishRequest, Sfu, SfuConfig, SfuEvent, SubscribeRequest};
use std::{
    net::{Ipv4Addr, SocketAddr, UdpSocket},
    num::NonZeroUsize,
    sync::Once,
    time::{Duration, Instant},
};
use str0m::{
    Candidate, Event, Input, Output, Rtc, RtcConfig,
    change::{SdpAnswer, SdpPendingOffer},
    media::{Direction, KeyframeRequestKind, MediaKind, Mid, Pt, Rid, Simulcast, SimulcastLayer},
    net::{Protocol, Receive},
    rtp::{RtpPacket, RtpWrite},
};
use tokio::sync::mpsc;

/// How long a state is waited for. Generous: the machine may be busy, and a state that comes ends the wait.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// A media plane on a free port of loopback.
pub fn start(shards: usize) -> (Sfu, mpsc::Receiver<SfuEvent>) {
    let sfu = Sfu::start(SfuConfig {
        listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
        shards: NonZeroUsize::new(shards).expect("at least one"),
        ..SfuConfig::default()
    })
    .expect("the media plane starts");
    let events = sfu.events().expect("the first call gets the events");
    (sfu, events)
}

/// Which way a datagram goes, seen from the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    In,
    Out,
}

/// Decides which datagrams are lost.
pub type Loss = Box<dyn FnMut(Way, &[u8]) -> bool + Send>;

/// A client: one peer connection on one socket.
pub struct Client {
    pub rtc: Rtc,
    pub socket: UdpSocket,
    pub peer: Option<PeerId>,
    pub connected: bool,
    /// Everything received, in the order the stack gave it out.
    pub received: Vec<RtpPacket>,
    pub keyframe_requests: Vec<Option<Rid>>,
    /// Datagrams for which this returns `true` are lost.
    pub lose: Loss,
}

impl Client {
    /// A client that knows VP8 and Opus.
    pub fn new() -> Self {
        Self::with(|c| c.enable_vp8(true).enable_opus(true, false))
    }

    /// A client that knows what `codecs` switches on.
    pub fn with(codecs: impl FnOnce(RtcConfig) -> RtcConfig) -> Self {
        static CRYPTO: Once = Once::new();
        CRYPTO.call_once(|| str0m::crypto::from_feature_flags().install_process_default());
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        socket.set_nonblocking(true).expect("non-blocking");
        let mut rtc = codecs(RtcConfig::new().clear_codecs())
            .set_rtp_mode(true)
            // The test wants to see packets as they come, late ones too.
            .set_reordering_size_video(1)
            .build(Instant::now());
        let addr = socket.local_addr().expect("bound");
        rtc.add_local_candidate(Candidate::host(addr, "udp").expect("a candidate")).expect("added");
        Self {
            rtc,
            socket,
            peer: None,
            connected: false,
            received: Vec::new(),
            keyframe_requests: Vec::new(),
            lose: Box::new(|_, _| false),
        }
    }

    /// Adds lines and makes an offer.
    pub fn offer(&mut self, lines: &[(MediaKind, Direction, &[&str])]) -> (String, SdpPendingOffer, Vec<Mid>) {
        let mut api = self.rtc.sdp_api();
        let mids = lines
            .iter()
            .map(|(kind, direction, rids)| {
                let simulcast = (!rids.is_empty())
                    .then(|| Simulcast { send: rids.iter().map(|r| SimulcastLayer::new(r)).collect(), recv: vec![] });
                api.add_media(*kind, *direction, None, None, simulcast)
            })
            .collect();
        let (offer, pending) = api.apply().expect("lines were added");
        (offer.to_sdp_string(), pending, mids)
    }

    pub fn accept(&mut self, pending: SdpPendingOffer, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("the answer is SDP");
        self.rtc.sdp_api().accept_answer(pending, answer).expect("the answer fits the offer");
    }

    /// Receives what is there and sends what there is to send.
    pub fn turn(&mut self) {
        let mut buf = [0; 2048];
        let local = self.socket.local_addr().expect("bound");
        while let Ok((n, source)) = self.socket.recv_from(&mut buf) {
            if (self.lose)(Way::In, &buf[..n]) {
                continue;
            }
            if let Ok(contents) = buf[..n].try_into() {
                let receive = Receive { proto: Protocol::Udp, source, destination: local, contents };
                self.rtc.handle_input(Input::Receive(Instant::now(), receive)).expect("input is taken");
                self.drain();
            }
        }
        self.rtc.handle_input(Input::Timeout(Instant::now())).expect("time passes");
        self.drain();
    }

    fn drain(&mut self) {
        loop {
            match self.rtc.poll_output().expect("the client lives") {
                Output::Timeout(_) => break,
                Output::Transmit(t) => {
                    if !(self.lose)(Way::Out, &t.contents) {
                        self.socket.send_to(&t.contents, t.destination).expect("sent");
                    }
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::RtpPacket(p)) => self.received.push(p),
                Output::Event(Event::KeyframeRequest(r)) => {
                    assert!(matches!(r.kind, KeyframeRequestKind::Pli | KeyframeRequestKind::Fir));
                    self.keyframe_requests.push(r.rid);
                }
                Output::Event(_) => {}
            }
        }
    }

    /// The payloads received of one kind, by extended sequence number.
    pub fn payloads(&self, pt: Pt) -> Vec<(u64, Vec<u8>)> {
        let packets = self.received.iter().filter(|p| p.header.payload_type == pt && !p.payload.is_empty());
        packets.map(|p| (*p.seq_no, p.payload.to_vec())).collect()
    }

    /// The payload type of a line's codec.
    pub fn pt(&self, mid: Mid) -> Pt {
        *self.rtc.media(mid).expect("the line exists").remote_pts().first().expect("a codec was agreed on")
    }
}

/// A publisher of synthetic VP8 and Opus.
pub struct Publisher {
    pub client: Client,
    pub tracks: Vec<TrackInfo>,
    pub audio: Mid,
    pub video: Mid,
    rids: Vec<Rid>,
    frame: u64,
    /// Next sequence number per layer, and of the sound.
    seqs: [u64; 4],
    began: Instant,
}

/// How many packets a frame has.
pub const PACKETS_PER_FRAME: usize = 3;
/// Heights of the layers, lowest first.
pub const HEIGHTS: [u16; 3] = [180, 360, 720];

impl Publisher {
    pub async fn connect(sfu: &Sfu, room: RoomId, rids: &[&str]) -> Self {
        Self::connect_in_place_of(sfu, room, rids, None).await
    }

    /// Connects anew in place of a peer that was lost: a reload of the page.
    pub async fn connect_in_place_of(
        sfu: &Sfu,
        room: RoomId,
        rids: &[&str],
        before: Option<(PeerId, ParticipantId)>,
    ) -> Self {
        let mut client = Client::new();
        let lines: [(_, _, &[&str]); 2] =
            [(MediaKind::Audio, Direction::SendOnly, &[]), (MediaKind::Video, Direction::SendOnly, rids)];
        let (offer, pending, mids) = client.offer(&lines);
        let answer = sfu
            .publish(PublishRequest {
                room,
                participant: before.map_or_else(ParticipantId::generate, |b| b.1),
                replaces: before.map(|b| b.0),
                offer,
                lines: vec![(mids[0].to_string(), TrackSource::Microphone), (mids[1].to_string(), TrackSource::Camera)],
            })
            .await
            .expect("the offer is answered");
        client.accept(pending, &answer.sdp);
        client.peer = Some(answer.peer);
        Self {
            client,
            tracks: answer.tracks,
            audio: mids[0],
            video: mids[1],
            rids: rids.iter().map(|r| Rid::from(*r)).collect(),
            frame: 0,
            seqs: [1_000, 2_000, 3_000, 65_500],
            began: Instant::now(),
        }
    }

    /// Offers the same peer connection again, with ICE restarted from another socket: the network changed.
    pub async fn change_network(&mut self, sfu: &Sfu, room: RoomId) {
        self.client.socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("a socket");
        self.client.socket.set_nonblocking(true).expect("non-blocking");
        let addr = self.client.socket.local_addr().expect("bound");
        let mut api = self.client.rtc.sdp_api();
        api.ice_restart(false);
        let (offer, pending) = api.apply().expect("a restart is a change");
        let answer = self.renew(sfu, room, offer.to_sdp_string()).await;
        self.client.accept(pending, &answer.sdp);
        self.tracks = answer.tracks;
        // The restart empties the client's list of candidates.
        let candidate = Candidate::host(addr, "udp").expect("a candidate");
        self.client.rtc.add_local_candidate(candidate).expect("added");
    }

    /// Sends an offer that renews the present peer.
    pub async fn renew(&self, sfu: &Sfu, room: RoomId, offer: String) -> PublishAnswer {
        sfu.publish(PublishRequest {
            room,
            participant: self.tracks[0].participant,
            replaces: self.client.peer,
            offer,
            lines: vec![
                (self.audio.to_string(), TrackSource::Microphone),
                (self.video.to_string(), TrackSource::Camera),
            ],
        })
        .await
        .expect("the offer is answered")
    }

    pub fn track(&self, kind: TrackKind) -> &TrackInfo {
        self.tracks.iter().find(|t| t.codec.kind() == kind).expect("published")
    }

    /// Sends one frame on every layer, a keyframe if one is asked for, and one packet of sound.
    pub fn send_frame(&mut self) {
        let keyframe = self.frame == 0 || !self.client.keyframe_requests.is_empty();
        self.client.keyframe_requests.clear();
        let (pt, audio_pt) = (self.client.pt(self.video), self.client.pt(self.audio));
        let now = Instant::now();
        let ticks = |hz: u64| (self.began.elapsed().as_millis() as u64 * hz / 1000) as u32;
        let (video_time, audio_time) = (ticks(90_000), ticks(48_000));
        let layers: Vec<Option<Rid>> =
            if self.rids.is_empty() { vec![None] } else { self.rids.iter().copied().map(Some).collect() };
        for (i, rid) in layers.iter().enumerate() {
            for part in 0..PACKETS_PER_FRAME {
                let height = if layers.len() == 1 { 720 } else { HEIGHTS[i] };
                let payload = vp8(self.frame, part, keyframe, height, [150, 400, 900][i]);
                let seq = self.seqs[i];
                self.seqs[i] += 1;
                let marker = part == PACKETS_PER_FRAME - 1;
                let write = RtpWrite::new(pt, seq.into(), video_time, now, &payload[..]).marker(marker).nackable(true);
                let mut api = self.client.rtc.direct_api();
                api.stream_tx_by_mid(self.video, *rid).expect("the stream exists").write_rtp(write);
                self.client.drain();
            }
        }
        let seq = self.seqs[3];
        self.seqs[3] += 1;
        let sound = self.frame.to_be_bytes();
        let write = RtpWrite::new(audio_pt, seq.into(), audio_time, now, &sound[..]);
        let mut api = self.client.rtc.direct_api();
        api.stream_tx_by_mid(self.audio, None).expect("the stream exists").write_rtp(write);
        self.client.drain();
        self.frame += 1;
    }

    pub fn frames_sent(&self) -> u64 {
        self.frame
    }
}

/// A VP8 payload: descriptor with a 15-bit picture id (RFC 7741 §4.2), frame header with its size (§4.3), then the frame's
/// number and filling, so that a test can tell packets apart.
fn vp8(frame: u64, part: usize, keyframe: bool, height: u16, len: usize) -> Vec<u8> {
    let start = part == 0;
    let id = (frame & 0x7fff) as u16 | 0x8000;
    let mut p = vec![0x80 | if start { 0x10 } else { 0 }, 0x80];
    p.extend(id.to_be_bytes());
    if start {
        p.push(u8::from(!keyframe));
        p.extend([0, 0]);
        if keyframe {
            p.extend([0x9d, 0x01, 0x2a]);
            p.extend((height * 16 / 9).to_le_bytes());
            p.extend(height.to_le_bytes());
        }
    }
    p.extend(b"frame");
    p.extend(frame.to_be_bytes());
    p.push(part as u8);
    p.resize(p.len() + len, frame as u8);
    p
}

/// The frame and part numbers in a payload of [`vp8`].
pub fn frame_of(payload: &[u8]) -> (u64, u8) {
    let at = payload.windows(5).position(|w| w == b"frame").expect("made by the test") + 5;
    (u64::from_be_bytes(payload[at..at + 8].try_into().expect("eight bytes")), payload[at + 8])
}

/// A subscriber with one line of sound and one picture.
pub struct Viewer {
    pub client: Client,
    pub audio: Mid,
    pub video: Mid,
}

impl Viewer {
    pub async fn connect(sfu: &Sfu, room: RoomId) -> Self {
        let mut client = Client::new();
        let lines: [(_, _, &[&str]); 2] =
            [(MediaKind::Audio, Direction::RecvOnly, &[]), (MediaKind::Video, Direction::RecvOnly, &[])];
        let (offer, pending, mids) = client.offer(&lines);
        let participant = ParticipantId::generate();
        let answer = sfu
            .subscribe(SubscribeRequest { room, participant, replaces: None, offer })
            .await
            .expect("the offer is answered");
        client.accept(pending, &answer.sdp);
        client.peer = Some(answer.peer);
        Self { client, audio: mids[0], video: mids[1] }
    }

    /// Watches a publisher's picture at a height, with its sound.
    pub fn watch(&self, sfu: &Sfu, publisher: &Publisher, height_px: u16) {
        let line = |mid: Mid, kind| Assignment {
            mid: mid.to_string(),
            track: Some(publisher.track(kind).id),
            height_px,
            priority: Priority::Speaker,
            thumbnail: false,
        };
        let lines = vec![line(self.audio, TrackKind::Audio), line(self.video, TrackKind::Video)];
        sfu.assign(self.client.peer.expect("subscribed"), lines).expect("the command is taken");
    }
}

/// Lets everyone work until `done`, sending a frame every 20 ms; fails when patience is over.
pub async fn run_until(
    what: &str,
    publisher: &mut Publisher,
    viewers: &mut [&mut Viewer],
    mut done: impl FnMut(&mut Publisher, &mut [&mut Viewer]) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    let mut next_frame = Instant::now();
    loop {
        publisher.client.turn();
        for v in viewers.iter_mut() {
            v.client.turn();
        }
        if publisher.client.connected && Instant::now() >= next_frame {
            next_frame += Duration::from_millis(20);
            publisher.send_frame();
        }
        if done(publisher, viewers) {
            return;
        }
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Takes events until one fits.
pub async fn event(
    events: &mut mpsc::Receiver<SfuEvent>,
    what: &str,
    mut fits: impl FnMut(&SfuEvent) -> bool,
) -> SfuEvent {
    loop {
        let next = tokio::time::timeout(PATIENCE, events.recv()).await;
        let e = next.unwrap_or_else(|_| panic!("waited in vain: {what}")).expect("the media plane runs");
        if fits(&e) {
            return e;
        }
    }
}
