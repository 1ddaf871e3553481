//! One stream of a camera, from the door to archive and live: what is told of it when, and in which order.
//!
//! It is handed the time, bytes and what happened to the session; it hands on through the tap and the live side, neither of
//! which waits.

use crate::{
    absence::{Absence, Told},
    archive::{Line, Running},
    config::CameraConfig,
    guard::Guard,
    inlet::{Counts, Got, Inlet, Refused},
    live::Live,
    meter::Meter,
    payload::{self, KeyframeWatch},
    reorder::{Packet, Stamp},
    rtsp::{rtcp, sdp::Media},
    sources::Sources,
    status::{CameraState, StreamStatus},
};
use bytes::Bytes;
use lectern_media::{
    Bitrate, CameraId, CameraStream, Codec, ExtTimestamp, TrackInfo, TrackSource, UnixMillis,
    tap::{AbsenceCause, TapEvent, TapHandle, TapPacket},
};
use std::{
    sync::Arc,
    time::{Duration, Instant},
};

/// A stream that comes now.
#[derive(Debug)]
struct Open {
    codec: Codec,
    running: Running,
    inlet: Inlet,
    watch: KeyframeWatch,
    /// The next packet begins the track.
    fresh: bool,
    /// The keyframe whose parameter sets are looked at for the size.
    sizing: Option<ExtTimestamp>,
}

pub(crate) struct Feed {
    camera: CameraId,
    pub(crate) stream: CameraStream,
    open: Option<Open>,
    guard: Guard,
    sources: Arc<Sources>,
    line: Line,
    absence: Absence,
    meter: Meter,
    /// Where the next packet was due: behind the last one, or when we began to wait.
    due: UnixMillis,
    /// When the last packet came.
    pub(crate) last: Option<Instant>,
    status: StreamStatus,
    /// Counts of sessions that are over.
    before: Counts,
    told: Counts,
    told_packets: u64,
    /// When a packet was refused for the rate last, as far as it was noticed.
    over_at: Option<Instant>,
    got: Vec<Got>,
}

/// What sound may have; the best AAC has 320 kbit/s. It has its own bound, so that a picture that floods does not silence it.
const SOUND_BITRATE_MAX: Bitrate = Bitrate::kbps(512);

/// So long after the last refused packet a stream still counts as too fast.
const OVER_FOR: Duration = Duration::from_secs(5);

fn label(stream: CameraStream) -> &'static str {
    match stream {
        CameraStream::Main => "main",
        CameraStream::Sub => "sub",
        CameraStream::Sound => "sound",
    }
}

fn sum(a: Counts, b: Counts) -> Counts {
    let mut refused = a.refused;
    refused.iter_mut().zip(b.refused).for_each(|(a, b)| *a += b);
    Counts {
        lost: a.lost + b.lost,
        reordered: a.reordered + b.reordered,
        late_or_duplicate: a.late_or_duplicate + b.late_or_duplicate,
        refused,
    }
}

impl Feed {
    pub(crate) fn new(
        config: &CameraConfig,
        stream: CameraStream,
        sources: &Arc<Sources>,
        repeat_every: Duration,
        now: Stamp,
    ) -> Self {
        let camera = config.id;
        let rate = match stream {
            CameraStream::Main => config.bitrate_max,
            CameraStream::Sub => config.sub_bitrate_max,
            CameraStream::Sound => SOUND_BITRATE_MAX,
        };
        Self {
            camera,
            stream,
            open: None,
            guard: Guard::new(rate),
            sources: sources.clone(),
            line: Line::new(camera.track(stream)),
            absence: Absence::new(repeat_every),
            meter: Meter::new(Codec::H264.clock_rate()),
            due: now.wall,
            last: None,
            status: StreamStatus::new(stream, CameraState::Connecting),
            before: Counts::default(),
            told: Counts::default(),
            told_packets: 0,
            over_at: None,
            got: Vec::new(),
        }
    }

    /// A session offers the stream; its packets follow.
    pub(crate) fn described(&mut self, media: &Media, live: &mut Live, now: Stamp) {
        let Some(codec) = media.codec else { return };
        self.close();
        let source = match self.stream {
            CameraStream::Main => TrackSource::Camera,
            CameraStream::Sub => TrackSource::Substream,
            CameraStream::Sound => TrackSource::Microphone,
        };
        let info = TrackInfo { id: self.line.track, participant: self.camera.participant(), source, codec, layers: 1 };
        let running = Running { info, clock: media.clock, config: media.config.clone() };
        if self.status.codec != Some(codec) {
            let mut meter = Meter::new(media.clock);
            meter.packets = self.meter.packets;
            self.meter = meter;
        }
        self.status.codec = Some(codec);
        if let Some((width, height)) = payload::size_of_config(codec, &media.config) {
            (self.status.width, self.status.height) = (width, height);
        }
        live.described(self.stream, codec, media.clock, media.config.clone(), now.at);
        let (inlet, watch) = (Inlet::new(media.payload_type), KeyframeWatch::new(codec));
        self.meter.restart();
        self.open = Some(Open { codec, running, inlet, watch, fresh: true, sizing: None });
    }

    /// Whether a session offers the stream.
    pub(crate) fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Whether a session ever offered it.
    pub(crate) fn is_known(&self) -> bool {
        self.status.codec.is_some()
    }

    /// The stream does not come: it is missing from where its next packet was due, or, if it was missing already for another
    /// reason, for this one from now on.
    pub(crate) fn missing(&mut self, cause: AbsenceCause, tap: Option<&TapHandle>, now: Stamp) {
        let known = matches!(self.absence.cause(), None | Some(AbsenceCause::Loss | AbsenceCause::RateExceeded));
        let told = self.absence.begin(if known { self.due } else { now.wall }, cause);
        self.tell(told, tap);
    }

    /// It turns out why the stream has been missing all along.
    pub(crate) fn was_missing(&mut self, cause: AbsenceCause, tap: Option<&TapHandle>) {
        let told = self.absence.begin(self.due, cause);
        self.tell(told, tap);
    }

    /// From now on the stream is missing for this reason, whatever was before.
    pub(crate) fn missing_now(&mut self, cause: AbsenceCause, tap: Option<&TapHandle>, now: Stamp) {
        let told = self.absence.begin(now.wall, cause);
        self.tell(told, tap);
    }

    /// The session broke off: what is held for order won't be joined by what is missing, and goes on as it is.
    pub(crate) fn finish(&mut self, tap: Option<&TapHandle>, live: &mut Live, now: Stamp) {
        let mut got = std::mem::take(&mut self.got);
        if let Some(open) = &mut self.open {
            open.inlet.finish(now.at, &mut got);
        }
        self.drain(got, tap, live);
    }

    /// The session is over.
    pub(crate) fn close(&mut self) {
        if let Some(open) = self.open.take() {
            self.sources.heard(self.line.track, None);
            self.before = sum(self.before, open.inlet.counts());
        }
    }

    /// The camera is gone for good, or the stream is not configured any more.
    pub(crate) fn end(&mut self, tap: Option<&TapHandle>, now: Stamp) {
        self.close();
        let told = self.absence.end(now.wall);
        self.tell(told, tap);
        self.line.end(tap);
        self.due = now.wall;
    }

    /// Another tap.
    pub(crate) fn attach(&mut self, tap: Option<&TapHandle>) {
        // A track that did not begin yet begins with its first packet.
        self.line.attach(tap);
    }

    /// Takes one RTP packet as it came.
    pub(crate) fn rtp(&mut self, data: Bytes, tap: Option<&TapHandle>, live: &mut Live, now: Stamp) {
        let mut got = std::mem::take(&mut self.got);
        if let Some(open) = &mut self.open {
            let (sources, us) = (&self.sources, self.line.track);
            let before = open.inlet.ssrc();
            open.inlet.push(now, data, &mut self.guard, |ssrc| sources.is_anothers(ssrc, us), &mut got);
            let after = open.inlet.ssrc();
            if before != after {
                sources.heard(us, after);
            }
        }
        self.drain(got, tap, live);
    }

    /// The stream may have this much from now on.
    pub(crate) fn allow(&mut self, max: Bitrate) {
        self.guard = Guard::new(max);
    }

    /// Until when nothing shall be read, if the stream is a flood.
    pub(crate) fn pause(&self, now: Instant) -> Option<Instant> {
        self.guard.pause(now)
    }

    /// Takes a sender report. The reported clock, if it is this stream's.
    pub(crate) fn rtcp(&mut self, data: &[u8], tap: Option<&TapHandle>, live: &mut Live) -> Option<UnixMillis> {
        let report = rtcp::sender_report(data)?;
        let open = self.open.as_ref()?;
        if open.inlet.ssrc() != Some(report.ssrc) {
            metrics::counter!("lectern_ingest_reports_refused_total", "reason" => "foreign_source").increment(1);
            return None;
        }
        let timestamp = open.inlet.extend(report.timestamp)?;
        if !open.fresh {
            self.line.event(tap, TapEvent::SenderReport { track: self.line.track, ntp: report.ntp, timestamp });
            live.report(self.stream, report.ntp, timestamp);
        }
        Some(report.ntp)
    }

    /// Tells how far the camera's clock is.
    pub(crate) fn clock_offset(&mut self, offset_ms: i64, tap: Option<&TapHandle>, now: Stamp) {
        if self.open.as_ref().is_some_and(|open| !open.fresh) {
            let track = self.line.track;
            self.line.event(tap, TapEvent::ClockOffset { track, at: now.wall, offset_ms });
        }
    }

    /// When [`Self::tick`] is due at the latest, if sooner than usual.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.open.as_ref().and_then(|open| open.inlet.deadline())
    }

    /// What time alone brings: given-up packets, absences that last, what waited for room.
    pub(crate) fn tick(&mut self, tap: Option<&TapHandle>, live: &mut Live, now: Stamp) {
        let mut got = std::mem::take(&mut self.got);
        if let Some(open) = &mut self.open {
            open.inlet.poll(now.at, &mut got);
        }
        self.drain(got, tap, live);
        self.meter.tick(now.at);
        let told = self.absence.tick(now.wall);
        self.tell(told, tap);
        self.line.flush(tap);
    }

    /// Adds what was counted since the last call to the metrics.
    pub(crate) fn count(&mut self, now: Instant) {
        let counts = self.counts();
        if counts.refused[Refused::RateExceeded as usize] > self.told.refused[Refused::RateExceeded as usize] {
            self.over_at = Some(now);
        }
        let stream = label(self.stream);
        for (name, now, before) in [
            ("lectern_ingest_packets_total", self.meter.packets, self.told_packets),
            ("lectern_ingest_packets_lost_total", counts.lost, self.told.lost),
            ("lectern_ingest_packets_reordered_total", counts.reordered, self.told.reordered),
        ] {
            metrics::counter!(name, "stream" => stream).increment(now.saturating_sub(before));
        }
        let refused =
            Refused::ALL.map(|why| (why.label(), counts.refused[why as usize], self.told.refused[why as usize]));
        let late = ("late_or_duplicate", counts.late_or_duplicate, self.told.late_or_duplicate);
        for (reason, now, before) in refused.into_iter().chain([late]) {
            if now > before {
                metrics::counter!("lectern_ingest_packets_refused_total", "reason" => reason).increment(now - before);
            }
        }
        if self.line.dropped > 0 {
            metrics::counter!("lectern_ingest_events_dropped_total", "reason" => "tap_full")
                .increment(self.line.dropped);
            self.line.dropped = 0;
        }
        (self.told, self.told_packets) = (counts, self.meter.packets);
    }

    /// Whether it sent more than it may, just now.
    pub(crate) fn is_over(&self, now: Instant) -> bool {
        self.over_at.is_some_and(|at| now.saturating_duration_since(at) < OVER_FOR)
    }

    /// Why the stream is missing now, if it is.
    pub(crate) fn cause(&self) -> Option<AbsenceCause> {
        self.absence.cause()
    }

    /// Whether packets came in this session.
    pub(crate) fn flows(&self) -> bool {
        self.open.as_ref().is_some_and(|open| !open.fresh)
    }

    pub(crate) fn status(&self, state: CameraState) -> StreamStatus {
        let counts = self.counts();
        StreamStatus {
            state,
            fps: if self.stream == CameraStream::Sound { 0.0 } else { self.meter.fps },
            bitrate: self.meter.bitrate,
            keyframe_interval: self.meter.keyframe_interval,
            b_frames: self.meter.b_frames,
            packets: self.meter.packets,
            lost: counts.lost,
            reordered: counts.reordered,
            late_or_duplicate: counts.late_or_duplicate,
            refused: counts.refused.iter().sum(),
            last_packet: self.meter.last_packet,
            ..self.status.clone()
        }
    }

    fn counts(&self) -> Counts {
        self.open.as_ref().map_or(self.before, |open| sum(self.before, open.inlet.counts()))
    }

    fn tell(&mut self, told: Option<Told>, tap: Option<&TapHandle>) {
        if let Some(Told { since, until, cause, packets }) = told {
            self.line.event(tap, TapEvent::Absent { track: self.line.track, since, until, cause, packets });
        }
    }

    fn drain(&mut self, mut got: Vec<Got>, tap: Option<&TapHandle>, live: &mut Live) {
        for got in got.drain(..) {
            match got {
                Got::NewSource => {
                    metrics::counter!("lectern_ingest_source_changes_total", "stream" => label(self.stream))
                        .increment(1);
                    // A camera that restarts its encoder sends nothing meanwhile.
                    let told = self.absence.begin(self.due, AbsenceCause::CameraSilent);
                    self.tell(told, tap);
                    live.restart(self.stream);
                    self.meter.restart();
                    if let Some(open) = &mut self.open {
                        open.watch.restart();
                        open.fresh = true;
                    }
                }
                Got::Packet { packet, lost, refused } => self.packet(packet, lost, refused, tap, live),
            }
        }
        self.got = got;
    }

    fn packet(&mut self, packet: Packet, lost: u64, refused: u64, tap: Option<&TapHandle>, live: &mut Live) {
        for (packets, cause) in [(lost, AbsenceCause::Loss), (refused, AbsenceCause::RateExceeded)] {
            if packets > 0 {
                let told = self.absence.begin(self.due, cause);
                self.absence.missed(packets);
                self.tell(told, tap);
            }
        }
        let Some(open) = &mut self.open else { return };
        let spoiled = matches!(self.absence.cause(), Some(AbsenceCause::Loss | AbsenceCause::RateExceeded));
        let keyframe = open.watch.begins(packet.timestamp, &packet.payload, spoiled);
        let fresh = std::mem::take(&mut open.fresh);
        if open.codec.kind() == lectern_media::TrackKind::Video {
            if keyframe {
                open.sizing = Some(packet.timestamp);
            }
            if open.sizing == Some(packet.timestamp)
                && let Some((width, height)) = payload::size(open.codec, &packet.payload)
            {
                (self.status.width, self.status.height) = (width, height);
                open.sizing = None;
            }
        }
        let running = fresh.then(|| open.running.clone());
        // What was lost or refused spoils everything up to the next keyframe; after any other absence the first packet ends it.
        if keyframe || !spoiled || fresh {
            let told = self.absence.end(packet.arrival.wall);
            self.tell(told, tap);
        }
        if let Some(running) = running {
            self.line.begin(tap, running);
        }
        self.meter.packet(&packet, keyframe && self.stream != CameraStream::Sound);
        self.due = packet.arrival.wall.plus(self.meter.unit());
        self.last = Some(packet.arrival.at);
        match self.stream {
            CameraStream::Main | CameraStream::Sub => live.picture(self.stream, &packet),
            CameraStream::Sound => live.sound(&packet),
        }
        let Packet { seq, timestamp, marker, payload, arrival } = packet;
        let track = self.line.track;
        self.line.packet(tap, TapPacket { track, seq, timestamp, arrival: arrival.wall, marker, keyframe, payload });
    }
}
