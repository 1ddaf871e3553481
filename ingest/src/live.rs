//! One camera on its way to browsers: H.264 put together, checked, taken apart again in their size; G.711 as it is; AAC in
//! access units; keyframes for whoever watches them.
//!
//! Only whole pictures go on, and after a loss only from the next keyframe. Timestamps of each stream go on over reconnects.

use crate::{
    order::{LeftOut, LiveOrder},
    port::{Keyframe, LivePacket, LivePort, LiveSink, LiveSound, LiveTracks},
    reorder::{Packet, Stamp},
    repack::{self, NotSent, PAYLOAD_BYTES_MAX},
};
use bytes::Bytes;
use lectern_fmp4::{
    config::{AacConfig, TrackConfig},
    depay::{AccessUnit, Depacketizer, Packet as DepayPacket, Unit},
};
use lectern_media::{CameraId, CameraStream, ClockRate, Codec, ExtTimestamp, UnixMillis};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long the tracks of a camera must stay the same before its sink is opened, if one of them is still unknown.
const SETTLE: Duration = Duration::from_secs(2);

/// How often a sink is asked for that there is not.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// What did not go on, and why.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) nal_unit: u64,
    pub(crate) empty: u64,
    pub(crate) awaiting_keyframe: u64,
    /// Packets of AAC that hold no units, or a part of one whose other parts are missing.
    pub(crate) sound: u64,
    /// Pictures that would be shown in the wrong order, or that need one of those.
    pub(crate) b_frame: u64,
    pub(crate) reference_b_frame: u64,
    pub(crate) after_reference_b_frame: u64,
    pub(crate) keyframe_port_full: u64,
}

/// Timestamps that go on when the camera's begin anew.
#[derive(Debug)]
struct Rebase {
    clock: ClockRate,
    offset: Option<u32>,
    last: Option<(u32, Instant)>,
}

impl Rebase {
    const fn new(clock: ClockRate) -> Self {
        Self { clock, offset: None, last: None }
    }

    fn map(&mut self, timestamp: ExtTimestamp, at: Instant) -> u32 {
        let offset = *self.offset.get_or_insert_with(|| match self.last {
            Some((last, then)) => {
                let passed = self.clock.ticks(at.saturating_duration_since(then)).max(1) as u32;
                last.wrapping_add(passed).wrapping_sub(timestamp.wire())
            }
            None => 0,
        });
        let mapped = timestamp.wire().wrapping_add(offset);
        self.last = Some((mapped, at));
        mapped
    }

    fn restart(&mut self) {
        self.offset = None;
    }
}

/// One picture stream.
#[derive(Debug)]
struct Video {
    depay: Option<Depacketizer>,
    config: Bytes,
    units: Vec<Unit>,
    rebase: Rebase,
    /// The picture that was asked about last, and the answer.
    asked: Option<(ExtTimestamp, bool)>,
    order: LiveOrder,
    waiting: bool,
}

impl Video {
    fn new() -> Self {
        Self {
            depay: None,
            config: Bytes::new(),
            units: Vec::new(),
            rebase: Rebase::new(ClockRate::VIDEO),
            asked: None,
            order: LiveOrder::default(),
            waiting: true,
        }
    }

    fn restart(&mut self) {
        self.depay = None;
        self.asked = None;
        self.waiting = true;
        self.rebase.restart();
    }
}

/// The sound.
#[derive(Debug)]
struct Sound {
    rebase: Rebase,
    /// What puts access units of AAC together, while they are wanted.
    depay: Option<Depacketizer>,
    config: Bytes,
    units: Vec<Unit>,
}

impl Sound {
    const fn new(clock: ClockRate) -> Self {
        Self { rebase: Rebase::new(clock), depay: None, config: Bytes::new(), units: Vec::new() }
    }

    fn restart(&mut self) {
        self.depay = None;
        self.rebase.restart();
    }
}

/// What of a sound can be heard.
fn sound_of(codec: Codec, clock: ClockRate, config: &[u8]) -> Option<LiveSound> {
    match codec {
        Codec::Pcma => Some(LiveSound::Pcma),
        Codec::Pcmu => Some(LiveSound::Pcmu),
        Codec::Aac => Some(match AacConfig::new(config) {
            Some(AacConfig { rate: rate_hz, channels, frame: 1024, .. }) => LiveSound::Aac { rate_hz, channels, clock },
            _ => LiveSound::Unplayable,
        }),
        _ => None,
    }
}

pub(crate) struct Live {
    camera: CameraId,
    tracks: LiveTracks,
    changed: Option<Instant>,
    ask_at: Option<Instant>,
    sink: Option<Box<dyn LiveSink>>,
    main: Video,
    sub: Video,
    sound: Sound,
    keyframes: Option<mpsc::Sender<Keyframe>>,
    /// Which stream's keyframes are watched.
    watched: CameraStream,
    pub(crate) dropped: Dropped,
}

impl Live {
    pub(crate) fn new(camera: CameraId, watched: CameraStream, keyframes: Option<mpsc::Sender<Keyframe>>) -> Self {
        Self {
            camera,
            tracks: LiveTracks::default(),
            changed: None,
            ask_at: None,
            sink: None,
            main: Video::new(),
            sub: Video::new(),
            sound: Sound::new(ClockRate::G711),
            keyframes,
            watched,
            dropped: Dropped::default(),
        }
    }

    /// A stream was described; its packets are numbered anew.
    pub(crate) fn described(
        &mut self,
        stream: CameraStream,
        codec: Codec,
        clock: ClockRate,
        config: Bytes,
        now: Instant,
    ) {
        let before = self.tracks;
        match stream {
            CameraStream::Main => self.tracks.main = codec == Codec::H264,
            CameraStream::Sub => self.tracks.sub = codec == Codec::H264,
            CameraStream::Sound => {
                self.tracks.sound = sound_of(codec, clock, &config);
                if self.sound.rebase.clock != clock {
                    self.sound = Sound::new(clock);
                }
            }
        }
        match self.video_of(stream) {
            Some(video) => video.config = config,
            None => self.sound.config = config,
        }
        self.restart(stream);
        if self.tracks != before {
            self.changed = Some(now);
        }
    }

    /// The packets that follow are numbered anew.
    pub(crate) fn restart(&mut self, stream: CameraStream) {
        match self.video_of(stream) {
            Some(video) => video.restart(),
            None => self.sound.restart(),
        }
    }

    /// Opens the sink when its time has come. `complete`: nothing more will be described soon. Call now and then.
    pub(crate) fn tick(&mut self, port: &dyn LivePort, complete: bool, now: Instant) {
        if let Some(changed) = self.changed {
            if !complete && now.saturating_duration_since(changed) < SETTLE {
                return;
            }
            self.changed = None;
            self.ask_at = Some(now);
            self.sink = None;
        }
        if self.sink.is_none() && self.ask_at.is_some_and(|at| at <= now) {
            self.ask_at = Some(now + ASK_EVERY);
            self.sink = port.open(self.camera, &self.tracks);
            if self.sink.is_some() {
                // The new sink begins with a keyframe.
                self.main.waiting = true;
                self.sub.waiting = true;
            }
        }
    }

    /// The camera goes: its sink ends.
    pub(crate) fn close(&mut self) {
        self.sink = None;
        self.tracks = LiveTracks::default();
        self.changed = None;
        self.ask_at = None;
        [CameraStream::Main, CameraStream::Sub, CameraStream::Sound].into_iter().for_each(|s| self.restart(s));
    }

    /// Whether somebody watches or listens now.
    pub(crate) fn is_watched(&self) -> bool {
        self.sink.as_deref().is_some_and(LiveSink::watched)
    }

    /// Takes a packet of a picture, in order.
    pub(crate) fn picture(&mut self, stream: CameraStream, packet: &Packet) {
        let h264 = if stream == CameraStream::Main { self.tracks.main } else { self.tracks.sub };
        let watched = self.watched == stream && self.keyframes.is_some();
        let sink = self.sink.as_deref();
        let video = if stream == CameraStream::Main { &mut self.main } else { &mut self.sub };
        if !h264 {
            return;
        }
        // Once for each picture: the answer changes at its border only.
        let wanted = match video.asked {
            Some((timestamp, wanted)) if timestamp == packet.timestamp => wanted,
            _ => sink.is_some_and(|sink| sink.wanted(stream)),
        };
        video.asked = Some((packet.timestamp, wanted));
        if !wanted {
            video.waiting = true;
        }
        if !wanted && !watched {
            video.depay = None;
            return;
        }
        let depay = match &mut video.depay {
            Some(depay) => depay,
            none => {
                // Order was restored before: what is missing now won't come.
                let Some(mut depay) = Depacketizer::new(Codec::H264, Duration::ZERO) else { return };
                depay.set_parameters(&video.config);
                none.insert(depay)
            }
        };
        depay.push(taken(packet), &mut video.units);
        let mut units = std::mem::take(&mut video.units);
        for unit in units.drain(..) {
            if let Unit::Access(unit) = unit {
                self.unit(stream, &unit, packet.arrival, wanted);
            }
        }
        if let Some(video) = self.video_of(stream) {
            video.units = units;
        }
    }

    /// Takes a packet of sound.
    pub(crate) fn sound(&mut self, packet: &Packet) {
        let wanted = self.sink.as_ref().is_some_and(|sink| sink.wanted(CameraStream::Sound));
        match self.tracks.sound {
            Some(LiveSound::Pcma | LiveSound::Pcmu) if wanted => self.g711(packet),
            Some(LiveSound::Aac { .. }) if wanted => self.aac(packet),
            // What is heard next does not continue it.
            _ => self.sound.depay = None,
        }
    }

    fn g711(&mut self, packet: &Packet) {
        let Some(sink) = &mut self.sink else { return };
        let start = self.sound.rebase.map(packet.timestamp, packet.arrival.at);
        let mut at = 0;
        while at < packet.payload.len() {
            let end = (at + PAYLOAD_BYTES_MAX).min(packet.payload.len());
            // One byte is one tick of the clock (RFC 3551 §4.5.14).
            let timestamp = start.wrapping_add(at as u32);
            let (payload, arrival) = (packet.payload.slice(at..end), packet.arrival.at);
            let marker = packet.marker && at == 0;
            sink.send(CameraStream::Sound, LivePacket { timestamp, marker, keyframe: true, payload, arrival });
            at = end;
        }
    }

    fn aac(&mut self, packet: &Packet) {
        let Some(sink) = &mut self.sink else { return };
        let sound = &mut self.sound;
        let depay = match &mut sound.depay {
            Some(depay) => depay,
            none => {
                let Some(mut depay) = Depacketizer::new(Codec::Aac, Duration::ZERO) else { return };
                depay.set_parameters(&sound.config);
                none.insert(depay)
            }
        };
        let before = depay.dropped().malformed;
        depay.push(taken(packet), &mut sound.units);
        self.dropped.sound += depay.dropped().malformed - before;
        for unit in sound.units.drain(..) {
            if let Unit::Access(unit) = unit {
                let arrival = packet.arrival.at;
                let timestamp = sound.rebase.map(unit.timestamp, arrival);
                let payload = unit.data;
                sink.send(
                    CameraStream::Sound,
                    LivePacket { timestamp, marker: false, keyframe: true, payload, arrival },
                );
            }
        }
    }

    /// A sender report of a stream.
    pub(crate) fn report(&mut self, stream: CameraStream, ntp: UnixMillis, timestamp: ExtTimestamp) {
        let rebase = match stream {
            CameraStream::Main => &self.main.rebase,
            CameraStream::Sub => &self.sub.rebase,
            CameraStream::Sound => &self.sound.rebase,
        };
        if let (Some(offset), Some(sink)) = (rebase.offset, &mut self.sink) {
            sink.report(stream, ntp, timestamp.wire().wrapping_add(offset));
        }
    }

    fn video_of(&mut self, stream: CameraStream) -> Option<&mut Video> {
        match stream {
            CameraStream::Main => Some(&mut self.main),
            CameraStream::Sub => Some(&mut self.sub),
            CameraStream::Sound => None,
        }
    }

    fn unit(&mut self, stream: CameraStream, unit: &AccessUnit, now: Stamp, wanted: bool) {
        let sets = match &unit.config {
            Some(TrackConfig::Avc(config)) => config.sps.iter().chain(&config.pps).cloned().collect(),
            _ => Vec::new(),
        };
        let units = || sets.iter().cloned().chain(unit.nals());
        if unit.keyframe
            && self.watched == stream
            && let Some(port) = &self.keyframes
        {
            let keyframe = Keyframe { camera: self.camera, at: unit.arrival, annexb: repack::annexb(units()) };
            if port.try_send(keyframe).is_err() {
                self.dropped.keyframe_port_full += 1;
            }
        }
        let (video, Some(sink)) =
            (if stream == CameraStream::Main { &mut self.main } else { &mut self.sub }, &mut self.sink)
        else {
            return;
        };
        if !wanted {
            return;
        }
        if video.waiting && !unit.keyframe {
            self.dropped.awaiting_keyframe += 1;
            return;
        }
        if let Some(why) = video.order.leaves_out(unit) {
            *match why {
                LeftOut::Unneeded => &mut self.dropped.b_frame,
                LeftOut::Needed => &mut self.dropped.reference_b_frame,
                LeftOut::AfterNeeded => &mut self.dropped.after_reference_b_frame,
            } += 1;
            return;
        }
        let payloads = match repack::payloads(units()) {
            Ok(payloads) => payloads,
            Err(why) => {
                match why {
                    NotSent::NalUnit => self.dropped.nal_unit += 1,
                    NotSent::Empty => self.dropped.empty += 1,
                }
                video.waiting = true;
                return;
            }
        };
        video.waiting = false;
        let arrival = now.at.checked_sub(now.wall.since(unit.arrival)).unwrap_or(now.at);
        let timestamp = video.rebase.map(unit.timestamp, arrival);
        let last = payloads.len() - 1;
        for (n, payload) in payloads.into_iter().enumerate() {
            let (marker, keyframe) = (n == last, unit.keyframe && n == 0);
            sink.send(stream, LivePacket { timestamp, marker, keyframe, payload, arrival });
        }
    }
}

fn taken(packet: &Packet) -> DepayPacket {
    DepayPacket {
        seq: packet.seq,
        timestamp: packet.timestamp,
        arrival: packet.arrival.wall,
        marker: packet.marker,
        payload: packet.payload.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repack::tests::{PPS, SPS};
    use lectern_media::ExtSeq;
    use parking_lot::Mutex;
    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    };

    #[derive(Default)]
    struct Wall {
        main_wanted: AtomicBool,
        deaf: AtomicBool,
        opened: Mutex<Vec<LiveTracks>>,
        got: Mutex<Vec<(CameraStream, LivePacket)>>,
    }

    struct Sink(Arc<Wall>);

    impl LivePort for Arc<Wall> {
        fn open(&self, _: CameraId, tracks: &LiveTracks) -> Option<Box<dyn LiveSink>> {
            self.opened.lock().push(*tracks);
            Some(Box::new(Sink(self.clone())))
        }
    }

    impl LiveSink for Sink {
        fn wanted(&self, stream: CameraStream) -> bool {
            match stream {
                CameraStream::Main => self.0.main_wanted.load(Relaxed),
                CameraStream::Sub => true,
                CameraStream::Sound => !self.0.deaf.load(Relaxed),
            }
        }
        fn send(&mut self, stream: CameraStream, packet: LivePacket) {
            self.0.got.lock().push((stream, packet));
        }
        fn report(&mut self, _: CameraStream, _: UnixMillis, _: u32) {}
    }

    /// AAC-LC, 16 kHz, one channel.
    const AAC: Bytes = Bytes::from_static(&[0x14, 0x08]);
    const CLOCK: ClockRate = ClockRate::of(16_000);

    struct Bench {
        live: Live,
        wall: Arc<Wall>,
        keyframes: mpsc::Receiver<Keyframe>,
        start: Instant,
        seq: u64,
    }

    impl Bench {
        fn new() -> Self {
            let (tx, keyframes) = mpsc::channel(2);
            let mut live = Live::new(CameraId::generate(), CameraStream::Sub, Some(tx));
            let (wall, start) = (Arc::new(Wall::default()), Instant::now());
            live.described(CameraStream::Main, Codec::H264, ClockRate::VIDEO, Bytes::new(), start);
            live.described(CameraStream::Sub, Codec::H264, ClockRate::VIDEO, Bytes::new(), start);
            live.described(CameraStream::Sound, Codec::Aac, CLOCK, AAC, start);
            live.tick(&wall, true, start);
            Self { live, wall, keyframes, start, seq: 0 }
        }

        fn push(&mut self, stream: CameraStream, timestamp: u64, payload: &[u8], marker: bool) {
            self.seq += 1;
            let ms = timestamp / 90;
            let arrival = Stamp { wall: UnixMillis(ms as i64), at: self.start + Duration::from_millis(ms) };
            let (seq, timestamp) = (ExtSeq(self.seq), ExtTimestamp(timestamp));
            let packet = Packet { seq, timestamp, marker, payload: Bytes::copy_from_slice(payload), arrival };
            self.live.picture(stream, &packet);
        }

        fn keyframe(&mut self, stream: CameraStream, timestamp: u64) {
            self.push(stream, timestamp, SPS, false);
            self.push(stream, timestamp, PPS, false);
            self.push(stream, timestamp, &[0x65, 0xb8, 1], true);
        }

        /// Timestamps that went out, keyframes marked.
        fn got(&self) -> Vec<String> {
            let marked = |p: &LivePacket| format!("{}{}", p.timestamp, if p.keyframe { "K" } else { "" });
            self.wall.got.lock().drain(..).map(|(_, p)| marked(&p)).collect()
        }
    }

    #[test]
    fn a_picture_goes_on_from_a_keyframe_with_its_sets() {
        let mut b = Bench::new();
        let sound = Some(LiveSound::Aac { rate_hz: 16_000, channels: 1, clock: CLOCK });
        assert_eq!(*b.wall.opened.lock(), [LiveTracks { main: true, sub: true, sound }]);
        b.push(CameraStream::Sub, 0, &[0x41, 0x9a, 1], true);
        b.keyframe(CameraStream::Sub, 3_600);
        b.push(CameraStream::Sub, 7_200, &[0x41, 0x9a, 1], true);
        let first = b.wall.got.lock()[0].1.clone();
        assert_eq!((first.payload[0] & 0x1f, first.marker, first.keyframe), (24, true, true), "one STAP-A");
        assert_eq!(b.got(), ["3600K", "7200"]);
        let keyframe = b.keyframes.try_recv().unwrap();
        assert_eq!(
            keyframe.annexb,
            [&[0, 0, 0, 1][..], SPS, &[0, 0, 0, 1], PPS, &[0, 0, 0, 1, 0x65, 0xb8, 1]].concat()
        );
    }

    #[test]
    fn a_broken_picture_stops_the_stream_until_the_next_keyframe() {
        let mut b = Bench::new();
        b.keyframe(CameraStream::Sub, 0);
        b.seq += 1; // lost
        b.push(CameraStream::Sub, 3_600, &[0x41, 0x9a, 1], true);
        b.push(CameraStream::Sub, 7_200, &[0x41, 0x9a, 1], true);
        b.keyframe(CameraStream::Sub, 10_800);
        b.push(CameraStream::Sub, 14_400, &[0xc1, 0x9a, 1], true); // forbidden bit
        b.push(CameraStream::Sub, 18_000, &[0x41, 0x9a, 1], true);
        b.keyframe(CameraStream::Sub, 21_600);
        assert_eq!(b.got(), ["0K", "10800K", "21600K"]);
        assert_eq!(b.live.dropped.nal_unit + b.live.dropped.awaiting_keyframe, 2);
        assert_eq!(b.live.dropped.keyframe_port_full, 1, "the port has room for two");
    }

    #[test]
    fn main_goes_on_only_while_it_is_wanted() {
        let mut b = Bench::new();
        b.keyframe(CameraStream::Main, 0);
        b.wall.main_wanted.store(true, Relaxed);
        b.push(CameraStream::Main, 3_600, &[0x41, 0x9a, 1], true);
        b.keyframe(CameraStream::Main, 7_200);
        b.wall.main_wanted.store(false, Relaxed);
        b.keyframe(CameraStream::Main, 10_800);
        assert_eq!(b.got(), ["7200K"]);
    }

    #[test]
    fn timestamps_go_on_over_a_reconnect() {
        let mut b = Bench::new();
        b.keyframe(CameraStream::Sub, 90_000);
        b.live.restart(CameraStream::Sub);
        b.seq = 500;
        let ms = 3_000;
        b.start += Duration::from_millis(ms);
        b.keyframe(CameraStream::Sub, 0);
        // Three seconds by our clock, less the second that the first picture was into its own.
        assert_eq!(b.got(), ["90000K".to_owned(), format!("{}K", 90_000 + 90 * (ms - 1_000))]);
    }
    #[test]
    fn units_of_aac_go_on_one_by_one_while_somebody_listens() {
        let mut b = Bench::new();
        let mut push = |seq: u64, timestamp: u64, payload: &[u8]| {
            let arrival = Stamp { wall: UnixMillis(0), at: b.start };
            let (seq, timestamp) = (ExtSeq(seq), ExtTimestamp(timestamp));
            let packet = Packet { seq, timestamp, marker: true, payload: Bytes::copy_from_slice(payload), arrival };
            b.live.sound(&packet);
        };
        // RFC 3640 §3.2.1: bits of headers, a header of 16 bits for each unit, the units.
        push(1, 100, &[0, 32, 0, 16, 0, 8, 1, 2, 3]);
        push(2, 2_148, &[0, 16, 0, 8]);
        b.wall.deaf.store(true, Relaxed);
        push(3, 3_172, &[0, 16, 0, 8, 4]);
        b.wall.deaf.store(false, Relaxed);
        push(9, 9_000, &[0, 16, 0, 8, 5]);
        let got: Vec<_> = b.wall.got.lock().drain(..).map(|(_, p)| (p.timestamp, p.payload.to_vec())).collect();
        assert_eq!(got, [(100, vec![1, 2]), (1_124, vec![3]), (9_000, vec![5])]);
        assert_eq!(b.live.dropped.sound, 1, "one is cut short");
    }

    #[test]
    fn a_sound_that_no_decoder_takes_is_told() {
        // (codec, configuration in SDP, what of it can be heard)
        let aac = |rate_hz, channels| Some(LiveSound::Aac { rate_hz, channels, clock: CLOCK });
        for (codec, config, want) in [
            (Codec::Aac, &[0x14, 0x08][..], aac(16_000, 1)),
            (Codec::Aac, &[0x11, 0xb0], aac(48_000, 6)),
            (Codec::Aac, &[0x2b, 0x8a, 0x08, 0x00], Some(LiveSound::Unplayable)),
            (Codec::Aac, &[0x14, 0x0c], Some(LiveSound::Unplayable)),
            (Codec::Aac, &[], Some(LiveSound::Unplayable)),
            (Codec::Pcma, &[], Some(LiveSound::Pcma)),
            (Codec::Opus, &[], None),
        ] {
            assert_eq!(sound_of(codec, CLOCK, config), want, "{codec:?} {config:x?}");
        }
    }
}
