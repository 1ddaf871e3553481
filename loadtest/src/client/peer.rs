//! Peer connections of the `webrtc` crate, sending the clip or receiving and measuring.

use super::keyframes::{KeyframeRequests, Wanted};
use crate::{
    measure::{Arrived, AudioMeter, AudioResult, VideoMeter, VideoResult},
    pack,
    source::{LayerSource, Picture, Source, VideoCodec},
    stamp::{self, Stamp},
    stats::Histogram,
};
use anyhow::{Context, Result, bail};
use bytes::Bytes;
use rtc::{
    ice::mdns::MulticastDnsMode,
    interceptor::Slot,
    media_stream::MediaStreamTrack,
    peer_connection::{
        configuration::{
            interceptor_registry::{
                configure_nack, configure_rtcp_reports, configure_simulcast_extension_headers, configure_twcc,
            },
            media_engine::{MIME_TYPE_H264, MIME_TYPE_OPUS, MIME_TYPE_RTX, MIME_TYPE_VP8, MediaEngine},
            setting_engine::SettingEngineBuilder,
        },
        sdp::RTCSessionDescription,
    },
    rtcp::payload_feedbacks::picture_loss_indication::PictureLossIndication,
    rtp::{Packet, header::Header},
    rtp_transceiver::{
        RTCRtpTransceiverDirection, RTCRtpTransceiverInit,
        rtp_sender::{
            RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters, RTCRtpEncodingParameters,
            RtpCodecKind,
        },
    },
};
use serde::Serialize;
use std::{
    net::IpAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::{
    sync::watch,
    time::{sleep_until, timeout},
};
use webrtc::{
    media_stream::{
        track_local::{TrackLocal, static_rtp::TrackLocalStaticRTP},
        track_remote::{TrackRemote, TrackRemoteEvent},
    },
    peer_connection::{
        PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState, RTCPeerConnectionState,
    },
    rtp_transceiver::RtpSender,
};

const PT_OPUS: u8 = 111;
const PT_VP8: u8 = 96;
const PT_H264: u8 = 102;
/// Behind all interceptors of the library, so that they have seen everything before.
const APPLICATION_SLOT: usize = 14_000;
const GATHER_MAX: Duration = Duration::from_secs(10);
/// Between two requests for a keyframe.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(300);
const CONNECT_MAX: Duration = Duration::from_secs(20);
const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
const RID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:rtp-stream-id";

/// Where a connection stands.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Progress {
    gathered: bool,
    connected: bool,
    ended: bool,
}

struct Handler {
    progress: watch::Sender<Progress>,
    meters: Option<Arc<Meters>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        self.progress.send_modify(|p| p.gathered |= state == RTCIceGatheringState::Complete);
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.progress.send_modify(|p| match state {
            RTCPeerConnectionState::Connected => p.connected = true,
            RTCPeerConnectionState::Failed | RTCPeerConnectionState::Closed => p.ended = true,
            _ => {}
        });
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let Some(meters) = self.meters.clone() else { return };
        tokio::spawn(async move {
            let mut asked = None;
            while let Some(event) = track.poll().await {
                let TrackRemoteEvent::OnRtpPacket(packet) = event else { continue };
                meters.packet(&packet);
                // A browser asks for a keyframe when it can't decode; so do we.
                if meters.starves(&packet) && asked.is_none_or(|at: Instant| at.elapsed() > ASK_AGAIN_AFTER) {
                    asked = Some(Instant::now());
                    let request = PictureLossIndication { sender_ssrc: 1, media_ssrc: packet.header.ssrc };
                    if track.write_rtcp(vec![Box::new(request)]).await.is_err() {
                        return; // the connection is gone
                    }
                }
            }
        });
    }
}

fn feedback() -> Vec<RTCPFeedback> {
    [("ccm", "fir"), ("nack", ""), ("nack", "pli")]
        .map(|(typ, parameter)| RTCPFeedback { typ: typ.to_owned(), parameter: parameter.to_owned() })
        .to_vec()
}

fn codec(codec: VideoCodec) -> (RTCRtpCodec, u8) {
    let (mime, fmtp, pt) = match codec {
        VideoCodec::H264 => {
            (MIME_TYPE_H264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f", PT_H264)
        }
        VideoCodec::Vp8 => (MIME_TYPE_VP8, "", PT_VP8),
    };
    let codec = RTCRtpCodec {
        mime_type: mime.to_owned(),
        clock_rate: 90_000,
        channels: 0,
        sdp_fmtp_line: fmtp.to_owned(),
        rtcp_feedback: feedback(),
    };
    (codec, pt)
}

fn opus() -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: MIME_TYPE_OPUS.to_owned(),
        clock_rate: 48_000,
        channels: 2,
        sdp_fmtp_line: "minptime=10;useinbandfec=1".to_owned(),
        rtcp_feedback: vec![],
    }
}

/// A connection with what is known of it.
struct Connection {
    pc: Arc<dyn PeerConnection>,
    progress: watch::Receiver<Progress>,
    wanted: Wanted,
}

impl Connection {
    async fn new(codecs: &[VideoCodec], near: IpAddr, meters: Option<Arc<Meters>>) -> Result<Self> {
        let mut media = MediaEngine::default();
        media
            .register_codec(RTCRtpCodecParameters { rtp_codec: opus(), payload_type: PT_OPUS }, RtpCodecKind::Audio)?;
        for (rtp_codec, payload_type) in codecs.iter().map(|c| codec(*c)) {
            media.register_codec(RTCRtpCodecParameters { rtp_codec, payload_type }, RtpCodecKind::Video)?;
            let rtx = RTCRtpCodec {
                mime_type: MIME_TYPE_RTX.to_owned(),
                clock_rate: 90_000,
                channels: 0,
                sdp_fmtp_line: format!("apt={payload_type}"),
                rtcp_feedback: vec![],
            };
            let rtx = RTCRtpCodecParameters { rtp_codec: rtx, payload_type: payload_type + 1 };
            media.register_codec(rtx, RtpCodecKind::Video)?;
        }
        let registry = configure_nack(rtc::interceptor::Registry::new(), &mut media);
        configure_simulcast_extension_headers(&mut media)?;
        let wanted = Wanted::default();
        let registry = configure_rtcp_reports(configure_twcc(registry, &mut media)?)
            .with(Slot::from(APPLICATION_SLOT), KeyframeRequests::new(wanted.clone()));
        let (tell, progress) = watch::channel(Progress::default());
        let settings = SettingEngineBuilder::new()
            .with_include_loopback_candidate(true)
            // Servers have addresses; and a network without a multicast route would refuse the socket.
            .with_multicast_dns_mode(MulticastDnsMode::Disabled)
            .build();
        let pc = PeerConnectionBuilder::new()
            .with_media_engine(media)
            .with_setting_engine(settings)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(Handler { progress: tell, meters }))
            .with_udp_addrs(vec![format!("{}:0", if near.is_ipv6() { format!("[{near}]") } else { near.to_string() })])
            .build()
            .await?;
        Ok(Self { pc: Arc::new(pc), progress, wanted })
    }

    /// The offer, complete with candidates.
    async fn offer(&mut self) -> Result<String> {
        let offer = self.pc.create_offer(None).await?;
        self.pc.set_local_description(offer).await?;
        timeout(GATHER_MAX, self.progress.wait_for(|p| p.gathered)).await.context("gathering candidates")??;
        let local = self.pc.local_description().await.context("there is no offer")?;
        Ok(local.sdp)
    }

    async fn accept(&mut self, answer: &str) -> Result<()> {
        self.pc.set_remote_description(RTCSessionDescription::answer(answer.to_owned())?).await?;
        let state = timeout(CONNECT_MAX, self.progress.wait_for(|p| p.connected || p.ended)).await;
        if state.context("ICE and DTLS took too long")??.ended {
            bail!("the connection failed");
        }
        Ok(())
    }
}

/// Sends the clip.
pub struct Sender {
    connection: Connection,
    video: Arc<TrackLocalStaticRTP>,
    audio: Arc<TrackLocalStaticRTP>,
    senders: (Arc<dyn RtpSender>, Arc<dyn RtpSender>),
    ssrcs: (Vec<u32>, u32),
    sent: Mutex<Sent>,
}

/// Why a [`Sender`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stopped {
    /// It had sent for as long as it should.
    InTime,
    /// The connection ended.
    ConnectionLost,
}

/// What a [`Sender`] has sent.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Sent {
    /// Frames, of each layer.
    pub frames: u32,
    /// RTP packets, of all layers and the sound.
    pub packets: u64,
}

impl Sender {
    /// A connection that will send `source`, and its offer.
    ///
    /// # Errors
    /// What the library says.
    pub async fn new(source: &Source, near: IpAddr) -> Result<(Self, String)> {
        let mut connection = Connection::new(&[source.codec], near, None).await?;
        let mut random = [0u8; 16];
        getrandom::fill(&mut random).context("reading randomness")?;
        let ssrc =
            |n: usize| u32::from_be_bytes([random[4 * n], random[4 * n + 1], random[4 * n + 2], random[4 * n + 3]]) | 1;
        let encoding = |rid: &str, ssrc, codec: &RTCRtpCodec| RTCRtpEncodingParameters {
            rtp_coding_parameters: RTCRtpCodingParameters { rid: rid.into(), ssrc: Some(ssrc), ..Default::default() },
            codec: codec.clone(),
            ..Default::default()
        };
        let (video_codec, _) = codec(source.codec);
        let video_ssrcs: Vec<u32> = (0..source.layers.len()).map(ssrc).collect();
        let video_encodings =
            source.layers.iter().zip(&video_ssrcs).map(|(l, ssrc)| encoding(l.rid, *ssrc, &video_codec)).collect();
        let track = |name: &str, kind, encodings| {
            let (stream, name) = ("lecture".to_owned(), name.to_owned());
            Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(stream, name.clone(), name, kind, encodings)))
        };
        let video = track("picture", RtpCodecKind::Video, video_encodings);
        let audio_ssrc = ssrc(3);
        let audio = track("sound", RtpCodecKind::Audio, vec![encoding("", audio_ssrc, &opus())]);
        let senders = (
            connection.pc.add_track(video.clone() as Arc<dyn TrackLocal>).await?,
            connection.pc.add_track(audio.clone() as Arc<dyn TrackLocal>).await?,
        );
        let offer = connection.offer().await?.replace("a=sendrecv", "a=sendonly");
        let (ssrcs, sent) = ((video_ssrcs, audio_ssrc), Mutex::default());
        Ok((Self { connection, video, audio, senders, ssrcs, sent }, offer))
    }

    /// Takes the answer and waits until media can flow.
    ///
    /// # Errors
    /// If that does not come about.
    pub async fn accept(&mut self, answer: &str) -> Result<()> {
        self.connection.accept(answer).await
    }

    /// Sends the clip round and round until `until` or the connection ends.
    ///
    /// # Errors
    /// If nothing was negotiated.
    pub async fn run(&self, source: &Source, until: Option<Instant>) -> Result<Stopped> {
        let ended = async {
            let mut progress = self.connection.progress.clone();
            let _ = progress.wait_for(|p| p.ended).await;
        };
        let deadline = async {
            match until {
                Some(at) => sleep_until(at.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ended => Ok(Stopped::ConnectionLost),
            () = deadline => Ok(Stopped::InTime),
            never = self.pictures(source) => never.map(|()| Stopped::ConnectionLost),
            never = self.sound(source) => never.map(|()| Stopped::ConnectionLost),
        }
    }

    /// What was sent so far, also if sending was broken off.
    #[must_use]
    pub fn sent(&self) -> Sent {
        *self.sent.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Closes the connection.
    pub async fn close(self) {
        let _ = self.connection.pc.close().await; // it is of no more use either way
    }

    async fn pictures(&self, source: &Source) -> Result<()> {
        let stamps = Stamping::of(&self.senders.0).await?;
        let (_, default_pt) = codec(source.codec);
        let mut layers: Vec<Numbering> = self.ssrcs.0.iter().map(|ssrc| Numbering::new(*ssrc, default_pt)).collect();
        let start = Instant::now();
        for n in 0u32.. {
            sleep_until((start + Duration::from_secs(1) / source.fps * n).into()).await;
            let mut packets = 0;
            for (layer, numbers) in source.layers.iter().zip(&mut layers) {
                let wanted = self.connection.wanted.take(numbers.ssrc);
                let picture = numbers.next_picture(layer, wanted);
                let stamp = Stamp { frame: n, sent_us: stamp::now_us(), height: layer.height };
                let payloads = pack::payloads(source.codec, &picture.data, n, stamp);
                let timestamp = (u64::from(n) * 90_000 / u64::from(source.fps)) as u32;
                packets += payloads.len();
                let last = payloads.len() - 1;
                for (i, payload) in payloads.into_iter().enumerate() {
                    let mut packet = numbers.packet(timestamp, i == last, payload);
                    stamps.mark(&mut packet.header, layer)?;
                    self.video.write_rtp(packet).await?;
                }
            }
            let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
            sent.frames = n + 1;
            sent.packets += packets as u64;
        }
        Ok(())
    }

    async fn sound(&self, source: &Source) -> Result<()> {
        let mut numbers = Numbering::new(self.ssrcs.1, PT_OPUS);
        let start = Instant::now();
        for n in 0u32.. {
            sleep_until((start + Duration::from_millis(20) * n).into()).await;
            let payload = source.sound[n as usize % source.sound.len()].clone();
            self.audio.write_rtp(numbers.packet(n.wrapping_mul(960), n == 0, payload)).await?;
            self.sent.lock().unwrap_or_else(PoisonError::into_inner).packets += 1;
        }
        Ok(())
    }
}

struct Numbering {
    ssrc: u32,
    payload_type: u8,
    seq: u16,
    /// The next picture of the layer's clip.
    at: usize,
}

impl Numbering {
    fn new(ssrc: u32, payload_type: u8) -> Self {
        Self { ssrc, payload_type, seq: ssrc as u16, at: 0 }
    }

    /// The next picture; if a keyframe is wanted, the clip's next one, whatever lies between. What is encoded beforehand
    /// has no other way to answer at once.
    fn next_picture<'a>(&mut self, layer: &'a LayerSource, keyframe: bool) -> &'a Picture {
        let len = layer.pictures.len();
        if keyframe {
            let next = (0..len).map(|skip| (self.at + skip) % len).find(|at| layer.pictures[*at].key);
            self.at = next.unwrap_or(self.at);
        }
        let picture = &layer.pictures[self.at % len];
        self.at = (self.at + 1) % len;
        picture
    }

    fn packet(&mut self, timestamp: u32, marker: bool, payload: Bytes) -> Packet {
        self.seq = self.seq.wrapping_add(1);
        let header = Header {
            version: 2,
            marker,
            payload_type: self.payload_type,
            sequence_number: self.seq,
            timestamp,
            ssrc: self.ssrc,
            ..Default::default()
        };
        Packet { header, payload }
    }
}

/// The header extensions that tell simulcast layers apart (RFC 8852), as negotiated.
struct Stamping {
    mid: Option<(u8, Bytes)>,
    rid: Option<u8>,
}

impl Stamping {
    async fn of(sender: &Arc<dyn RtpSender>) -> Result<Self> {
        let parameters = sender.get_parameters().await?.rtp_parameters;
        let id = |uri: &str| parameters.header_extensions.iter().find(|e| e.uri == uri).map(|e| e.id as u8);
        // The picture is the first line of our own offer.
        Ok(Self { mid: id(MID_URI).map(|id| (id, Bytes::from_static(b"0"))), rid: id(RID_URI) })
    }

    fn mark(&self, header: &mut Header, layer: &LayerSource) -> Result<()> {
        if layer.rid.is_empty() {
            return Ok(());
        }
        let rid = self.rid.context("the server takes no RTP stream ids, hence no simulcast")?;
        header.set_extension(rid, Bytes::from_static(layer.rid.as_bytes()))?;
        if let Some((id, mid)) = &self.mid {
            header.set_extension(*id, mid.clone())?;
        }
        Ok(())
    }
}

/// The media ids of an offer's lines with their kinds, in order.
#[must_use]
pub fn lines_of(sdp: &str) -> Vec<(String, bool)> {
    let mut lines = Vec::new();
    let mut video = false;
    for line in sdp.lines().map(str::trim_end) {
        if let Some(media) = line.strip_prefix("m=") {
            video = media.starts_with("video");
        } else if let Some(mid) = line.strip_prefix("a=mid:") {
            lines.push((mid.to_owned(), video));
        }
    }
    lines
}

/// The meters of one receiving connection.
struct Meters {
    epoch: Instant,
    video: Mutex<Option<VideoMeter>>,
    audio: Mutex<AudioMeter>,
}

impl Meters {
    fn packet(&self, packet: &Packet) {
        let (now, h) = (self.epoch.elapsed(), &packet.header);
        let arrived =
            Arrived { seq: h.sequence_number, timestamp: h.timestamp, marker: h.marker, payload: &packet.payload };
        let codec = match h.payload_type {
            PT_H264 => VideoCodec::H264,
            PT_VP8 => VideoCodec::Vp8,
            PT_OPUS => return self.audio.lock().unwrap_or_else(PoisonError::into_inner).packet(now, arrived),
            _ => return,
        };
        let mut video = self.video.lock().unwrap_or_else(PoisonError::into_inner);
        let meter = video.get_or_insert_with(|| VideoMeter::new(codec, Duration::ZERO));
        meter.packet(now, stamp::now_us(), arrived);
    }

    fn starves(&self, packet: &Packet) -> bool {
        let video = self.video.lock().unwrap_or_else(PoisonError::into_inner);
        packet.header.payload_type != PT_OPUS && video.as_ref().is_some_and(|m| m.starves(self.epoch.elapsed()))
    }
}

/// Receives and measures one picture and one sound.
pub struct Viewer {
    connection: Connection,
    meters: Arc<Meters>,
    connected_ms: Option<f64>,
}

/// What a viewer felt.
#[derive(Debug, Clone, Serialize)]
pub struct ViewerResult {
    /// From the request to a connection.
    pub connected_ms: Option<f64>,
    /// The picture.
    pub video: VideoResult,
    /// The sound.
    pub audio: AudioResult,
    /// All delays of frames, in microseconds.
    #[serde(skip)]
    pub delays: Histogram,
}

impl Viewer {
    /// A connection that will receive, and its offer. The clock of the first frame runs from `asked`.
    ///
    /// # Errors
    /// What the library says.
    pub async fn new(near: IpAddr, asked: Instant) -> Result<(Self, String)> {
        let meters = Arc::new(Meters { epoch: asked, video: Mutex::default(), audio: Mutex::default() });
        let mut connection = Connection::new(&[VideoCodec::H264, VideoCodec::Vp8], near, Some(meters.clone())).await?;
        for kind in [RtpCodecKind::Video, RtpCodecKind::Audio] {
            let init = RTCRtpTransceiverInit { direction: RTCRtpTransceiverDirection::Recvonly, ..Default::default() };
            connection.pc.add_transceiver_from_kind(kind, Some(init)).await?;
        }
        let offer = connection.offer().await?;
        Ok((Self { connection, meters, connected_ms: None }, offer))
    }

    /// Takes the answer and waits until media can flow.
    ///
    /// # Errors
    /// If that does not come about.
    pub async fn accept(&mut self, answer: &str) -> Result<()> {
        self.connection.accept(answer).await?;
        self.connected_ms = Some(self.meters.epoch.elapsed().as_secs_f64() * 1000.0);
        Ok(())
    }

    /// What was felt so far.
    #[must_use]
    pub fn result(&self) -> ViewerResult {
        let now = self.meters.epoch.elapsed();
        let video = self.meters.video.lock().unwrap_or_else(PoisonError::into_inner);
        ViewerResult {
            connected_ms: self.connected_ms,
            video: video.as_ref().map(|m| m.result(now)).unwrap_or_default(),
            audio: self.meters.audio.lock().unwrap_or_else(PoisonError::into_inner).result(now),
            delays: video.as_ref().map(|m| m.delays().clone()).unwrap_or_default(),
        }
    }

    /// Waits for the first whole keyframe.
    ///
    /// # Errors
    /// If none comes within `max`.
    #[cfg(test)]
    pub async fn first_frame(&self, max: Duration) -> Result<()> {
        let start = Instant::now();
        while self.result().video.first_frame_ms.is_none() {
            if start.elapsed() > max {
                bail!("no picture within {max:?}");
            }
            tokio::time::sleep(Duration::from_millis(5)).await; // between two looks
        }
        Ok(())
    }

    /// Closes the connection.
    pub async fn close(self) {
        let _ = self.connection.pc.close().await; // it is of no more use either way
    }
}

#[cfg(test)]
mod tests;
