//! The *test* button: connect once, look, and say in an enum what is wrong.

use crate::{
    clock::ClockOffset,
    config::{AddressRule, CameraConfig},
    driver,
    fault::Fault,
    guard::Guard,
    inlet::{Got, Inlet},
    meter::BackSteps,
    payload::{self, KeyframeWatch},
    reorder::{Packet, Stamp},
    repack::annexb,
    rtsp::{rtcp, sdp::Media, session::Inbound},
};
use bytes::Bytes;
use lectern_fmp4::{
    config::TrackConfig,
    depay::{Depacketizer, Packet as DepayPacket, Unit},
};
use lectern_media::{Bitrate, CameraStream, ClockRate, Codec, DataSize, ExtTimestamp, UnixMillis};
use std::time::{Duration, Instant};

/// How long each answer of the camera may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// How long a stream is watched at least, for figures worth telling.
const WATCH_MIN: Duration = Duration::from_secs(2);

/// What a probe finds wrong; the same words as a running camera's.
pub type ProbeFault = Fault;

/// What a probe saw of one picture.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbedVideo {
    /// Its codec.
    pub codec: Codec,
    /// Width in pixels; 0 if neither description nor stream told.
    pub width: u32,
    /// Height in pixels; 0 if neither description nor stream told.
    pub height: u32,
    /// Pictures a second.
    pub fps: f32,
    /// Bits a second.
    pub bitrate: Bitrate,
    /// Between two keyframes, if two came.
    pub keyframe_interval: Option<Duration>,
    /// Pictures come in another order than the one in which they are shown (B-frames).
    pub b_frames: bool,
}

/// What a probe saw of the sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbedSound {
    /// The camera offers none.
    None,
    /// It is recorded in this codec.
    Codec(Codec),
    /// It is in a codec that is left out, by its name in the description.
    NotSupported(String),
}

/// What a probe found.
#[derive(Debug, Clone, PartialEq)]
pub struct ProbeReport {
    /// The main stream, or what is wrong with it.
    pub main: Result<ProbedVideo, ProbeFault>,
    /// The substream, if one is configured, or what is wrong with it.
    pub sub: Option<Result<ProbedVideo, ProbeFault>>,
    /// The sound of the main stream.
    pub sound: ProbedSound,
    /// How far the camera's clock is ahead of ours in milliseconds; `None` if no sender report came.
    pub clock_offset_ms: Option<i64>,
    /// A keyframe to show, with its parameter sets and start codes (Annex B), and its codec: of the substream, else of the main.
    pub keyframe: Option<(Codec, Bytes)>,
}

/// Connects to a camera as it would be run, watches it for at most `within`, and says what it saw. Nothing is recorded.
/// It is connected to where `allowed` allows it.
pub async fn probe(config: CameraConfig, within: Duration, allowed: AddressRule) -> ProbeReport {
    let (config, deadline) = (config.normalised(), Instant::now() + within);
    let (main, sub) = tokio::join!(
        look(&config, CameraStream::Main, deadline, allowed),
        look(&config, CameraStream::Sub, deadline, allowed)
    );
    let (main, sub) = (main.unwrap_or_else(|| Looked::failed(Fault::BadUrl)), sub);
    let clock_offset_ms = main.clock.offset_ms().or_else(|| sub.as_ref().and_then(|sub| sub.clock.offset_ms()));
    let keyframe = sub.as_ref().and_then(|sub| sub.keyframe.clone()).or(main.keyframe);
    ProbeReport { main: main.video, sub: sub.map(|sub| sub.video), sound: main.sound, clock_offset_ms, keyframe }
}

/// What was seen of one session.
struct Looked {
    video: Result<ProbedVideo, Fault>,
    sound: ProbedSound,
    clock: ClockOffset,
    keyframe: Option<(Codec, Bytes)>,
}

impl Looked {
    fn failed(fault: Fault) -> Self {
        Self { video: Err(fault), sound: ProbedSound::None, clock: ClockOffset::default(), keyframe: None }
    }
}

/// `None` if there is no such stream in the configuration.
async fn look(config: &CameraConfig, stream: CameraStream, deadline: Instant, allowed: AddressRule) -> Option<Looked> {
    let target = driver::target(config, stream, ANSWER_WITHIN, allowed)?;
    let opened = tokio::time::timeout_at(deadline.into(), driver::open(stream, target)).await;
    let (mut session, offer) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(fault)) => return Some(Looked::failed(fault)),
        Err(_) => return Some(Looked::failed(Fault::Timeout("connect"))),
    };
    let sound = match (&offer.sound, &offer.sound_left_out) {
        (Some(media), _) => media.codec.map_or(ProbedSound::None, ProbedSound::Codec),
        (None, Some(name)) => ProbedSound::NotSupported(name.clone()),
        (None, None) => ProbedSound::None,
    };
    let rate = if stream == CameraStream::Sub { config.sub_bitrate_max } else { config.bitrate_max };
    let mut view = View::new(&offer.picture, Guard::new(rate));
    let ended = loop {
        match tokio::time::timeout_at(deadline.into(), session.next()).await {
            Ok(Ok(Inbound::Rtp(0, data))) => view.packet(data, Stamp::now()),
            Ok(Ok(Inbound::Rtcp(0, data))) => {
                if let Some(report) = rtcp::sender_report(&data) {
                    let _ = view.clock.report(report.ntp, UnixMillis::now());
                }
            }
            Ok(Ok(_)) => {}
            Ok(Err(fault)) => break Some(fault),
            Err(_) => break None,
        }
        if view.has_seen_enough() {
            break None;
        }
    };
    session.leave().await;
    let video = match (view.report(), ended) {
        (Some(_), _) if view.keyframe.is_none() => Err(Fault::NoKeyframe),
        (Some(video), _) => Ok(video),
        (None, ended) => Err(ended.unwrap_or(Fault::Silent)),
    };
    Some(Looked { video, sound, clock: view.clock, keyframe: view.keyframe })
}

/// One picture stream as a probe watches it.
struct View {
    codec: Codec,
    inlet: Inlet,
    guard: Guard,
    watch: KeyframeWatch,
    depay: Option<Depacketizer>,
    size: Option<(u32, u32)>,
    bytes: u64,
    pictures: u32,
    order: BackSteps,
    first: Option<(ExtTimestamp, Stamp)>,
    last: Option<(ExtTimestamp, Stamp)>,
    keyframe_at: Option<ExtTimestamp>,
    interval: Option<Duration>,
    clock: ClockOffset,
    keyframe: Option<(Codec, Bytes)>,
}

impl View {
    fn new(media: &Media, guard: Guard) -> Self {
        let codec = media.codec.unwrap_or(Codec::H264);
        let mut depay = Depacketizer::new(codec, Duration::ZERO);
        if let Some(depay) = &mut depay {
            depay.set_parameters(&media.config);
        }
        Self {
            codec,
            inlet: Inlet::new(media.payload_type),
            guard,
            watch: KeyframeWatch::new(codec),
            depay,
            size: payload::size_of_config(codec, &media.config),
            bytes: 0,
            pictures: 0,
            order: BackSteps::default(),
            first: None,
            last: None,
            keyframe_at: None,
            interval: None,
            clock: ClockOffset::default(),
            keyframe: None,
        }
    }

    fn packet(&mut self, data: Bytes, now: Stamp) {
        let mut got = Vec::new();
        self.inlet.push(now, data, &mut self.guard, |_| false, &mut got);
        for got in got {
            match got {
                Got::NewSource => {
                    (self.first, self.last, self.keyframe_at) = (None, None, None);
                    (self.bytes, self.pictures) = (0, 0);
                    self.watch.restart();
                }
                Got::Packet { packet, .. } => self.ordered(packet),
            }
        }
    }

    fn ordered(&mut self, packet: Packet) {
        let timestamp = packet.timestamp;
        self.first.get_or_insert((timestamp, packet.arrival));
        if self.last.is_none_or(|(last, _)| last != timestamp) {
            self.pictures += 1;
            self.order.picture(timestamp);
        }
        self.last = Some((timestamp, packet.arrival));
        self.bytes += packet.payload.len() as u64;
        self.size = payload::size(self.codec, &packet.payload).or(self.size);
        if self.watch.begins(timestamp, &packet.payload, false)
            && let Some(before) = self.keyframe_at.replace(timestamp)
        {
            self.interval = Some(ClockRate::VIDEO.duration(timestamp.0.saturating_sub(before.0)));
        }
        let Some(depay) = &mut self.depay else { return };
        let mut units = Vec::new();
        let Packet { seq, timestamp, marker, payload, arrival } = packet;
        depay.push(DepayPacket { seq, timestamp, arrival: arrival.wall, marker, payload }, &mut units);
        for unit in units {
            if let Unit::Access(unit) = unit
                && unit.keyframe
            {
                let sets: Vec<Bytes> = match &unit.config {
                    Some(TrackConfig::Avc(c)) => c.sps.iter().chain(&c.pps).cloned().collect(),
                    Some(TrackConfig::Hevc(c)) => c.vps.iter().chain(&c.sps).chain(&c.pps).cloned().collect(),
                    _ => Vec::new(),
                };
                self.keyframe = Some((self.codec, annexb(sets.into_iter().chain(unit.nals()))));
            }
        }
    }

    /// Everything that can be known is.
    fn has_seen_enough(&self) -> bool {
        let watched = self.first.zip(self.last).map(|((_, a), (_, b))| b.at.saturating_duration_since(a.at));
        self.keyframe.is_some()
            && self.interval.is_some()
            && self.clock.offset_ms().is_some()
            && watched.is_some_and(|w| w >= WATCH_MIN)
    }

    fn report(&self) -> Option<ProbedVideo> {
        let ((first, from), (last, to)) = self.first.zip(self.last)?;
        // The last picture's own length is not in the difference of the timestamps.
        let span = ClockRate::VIDEO.duration(last.0.saturating_sub(first.0)).as_secs_f64();
        let fps = if span > 0.0 { f64::from(self.pictures - 1) / span } else { 0.0 };
        let (width, height) = self.size.unwrap_or((0, 0));
        Some(ProbedVideo {
            codec: self.codec,
            width,
            height,
            fps: fps as f32,
            bitrate: DataSize::bytes(self.bytes) / to.at.saturating_duration_since(from.at),
            keyframe_interval: self.interval,
            b_frames: self.order.are_b_frames(),
        })
    }
}
