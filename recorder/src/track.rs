//! One track: packets in, parts and fragments and gaps out. Pure; the writing is `writer`'s.
//!
//! A picture's length is known when the next one comes; the last one of a fragment that nothing follows in time gets the usual
//! length, and readers extend it (invariant 7). Sound is kept without a hole from its first packet on: what is missing
//! becomes silence, and an entry if it is more than the pauses an encoder makes of silence by itself (DTX).

mod camera;
mod order;
mod picture;

pub(crate) use camera::Standing;

use crate::{
    Limits,
    camera::raw::RawUnit,
    clock::{SenderClock, TrackClock},
};
use lectern_fmp4::{
    Sample, TrackConfig,
    config::opus::{SILENCE, SILENCE_TICKS},
    depay::{AccessUnit, Depacketizer, Dropped, Packet, Unit},
    fragment::head_of,
    init::init_segment,
};
use lectern_media::{ClockRate, TrackInfo, TrackKind, UnixMillis, tap::TapPacket};
use lectern_protocol::api::GapCause;

/// What a track gives to the writer, in this order.
#[derive(Debug)]
pub(crate) enum Output {
    /// A new part must begin, with this init segment.
    Part(Vec<u8>),
    /// A fragment.
    Fragment(Fragment),
    /// Something is missing.
    Gap { from_ms: u64, to_ms: u64, cause: GapCause, packets: Option<u64> },
    /// Units of a camera that do not decode (invariant 11).
    Raw(Vec<RawUnit>),
}

/// A complete fragment.
#[derive(Debug)]
pub(crate) struct Fragment {
    /// Its number in the track.
    pub(crate) sequence: u32,
    /// Decode time in ticks.
    pub(crate) dts: u64,
    /// Length in ticks.
    pub(crate) duration: u64,
    /// Begins with a keyframe.
    pub(crate) keyframe: bool,
    /// Its samples.
    pub(crate) samples: Vec<Sample>,
}

impl Fragment {
    /// Its bytes before those of its samples, where zero of time is `base` ticks after the track's.
    pub(crate) fn head(&self, base: u64) -> Vec<u8> {
        head_of(self.sequence, self.dts.saturating_sub(base), &self.samples)
    }
}

/// A pause in sound up to this long, with no packet lost, is the encoder's own (DTX sends at least every 400 ms).
const DTX_MS_MAX: u64 = 1000;
/// How far behind now silence is written while muted, so that a packet on its way is not overtaken.
const SILENCE_BEHIND_MS: u64 = 700;
/// A muted microphone's silence is entered this often at least, so that a crash leaves little of it unexplained.
const SILENT_ENTRY_MS: u64 = 10_000;
/// Silence filled in at a time, so that one call stays short: ten minutes.
const FILL_PACKETS_MAX: u64 = 30_000;
/// A sample that stands alone gets this length: one frame at 30 fps.
const USUAL_MS: u64 = 33;
#[derive(Debug)]
pub(crate) struct Track {
    info: TrackInfo,
    rate: ClockRate,
    started: UnixMillis,
    fragment_ticks: u64,
    fragment_ms: i64,
    depay: Depacketizer,
    clock: TrackClock,
    config: Option<TrackConfig>,
    sequence: u32,
    /// Samples of the fragment in the making, its decode time, and when its first sample came.
    samples: Vec<Sample>,
    dts: u64,
    opened: UnixMillis,
    pending: Option<picture::Pending>,
    /// End of what was placed so far, in ticks.
    end: Option<u64>,
    /// The usual distance of two pictures, in ticks.
    usual: u64,
    /// Something is missing before the next unit.
    hole: Option<(GapCause, u64)>,
    /// The next picture is of another layer.
    other_layer: bool,
    muted: bool,
    /// Since when silence is written in place of a muted microphone without an entry for it yet, in milliseconds.
    silent_from: Option<u64>,
    last_keyframe: Option<UnixMillis>,
    /// RTP timestamp and arrival of the newest packet.
    newest: Option<(u64, UnixMillis)>,
    units: Vec<Unit>,
    /// A camera's.
    camera: Option<camera::Camera>,
}

impl Track {
    /// A track of the recording that started at `started`; `end` is where it stood before (in ticks), if it goes on.
    pub(crate) fn new(info: TrackInfo, started: UnixMillis, end: Option<u64>, limits: &Limits) -> Option<Self> {
        let rate = info.codec.clock_rate();
        let sound = info.codec.kind() == TrackKind::Audio;
        Some(Self {
            depay: Depacketizer::new(info.codec, limits.reorder)?,
            clock: TrackClock::new(rate, sound),
            info,
            rate,
            started,
            fragment_ticks: rate.ticks(limits.fragment),
            fragment_ms: limits.fragment.as_millis() as i64,
            config: None,
            sequence: 0,
            samples: Vec::new(),
            dts: 0,
            opened: UnixMillis(0),
            pending: None,
            end,
            usual: u64::from(rate.hz()) * USUAL_MS / 1000,
            hole: None,
            other_layer: false,
            muted: false,
            silent_from: None,
            last_keyframe: None,
            newest: None,
            units: Vec::new(),
            camera: None,
        })
    }

    pub(crate) fn info(&self) -> &TrackInfo {
        &self.info
    }

    /// End of what was placed so far, in ticks.
    pub(crate) fn end(&self) -> Option<u64> {
        self.end
    }

    /// End of what was placed so far, in milliseconds.
    pub(crate) fn end_ms(&self) -> Option<u64> {
        self.end.map(|t| self.ms(t))
    }

    /// The recording's time up to which everything that came out of the depacketizer is in fragments handed over.
    pub(crate) fn unwritten_from_ms(&self) -> Option<u64> {
        let held = || self.camera.as_ref().and_then(|c| c.order.first());
        let pending = || self.pending.as_ref().map(|p| p.dts).or_else(held);
        let first = if self.samples.is_empty() { pending() } else { Some(self.dts) };
        first.map(|t| self.ms(t))
    }

    /// Whether nothing can be recorded before a keyframe comes.
    pub(crate) fn waits_for_keyframe(&self) -> bool {
        self.depay.waits_for_keyframe()
    }

    /// When the newest keyframe came.
    pub(crate) fn last_keyframe(&self) -> Option<UnixMillis> {
        self.last_keyframe
    }

    pub(crate) fn is_muted(&self) -> bool {
        self.muted
    }

    pub(crate) fn dropped(&self) -> Dropped {
        self.depay.dropped()
    }

    pub(crate) fn packet(&mut self, p: TapPacket, sender: &mut SenderClock, out: &mut Vec<Output>) {
        let TapPacket { seq, timestamp, arrival, marker, payload, .. } = p;
        self.newest = self.newest.max(Some((timestamp.0, arrival)));
        let mut units = std::mem::take(&mut self.units);
        self.depay.push(Packet { seq, timestamp, arrival, marker, payload }, &mut units);
        self.units(units, sender, out);
    }

    /// Time passed: gives up on packets that are missing for too long, hands over a fragment that nothing completed, and
    /// keeps a muted microphone's silence going.
    pub(crate) fn tick(&mut self, now: UnixMillis, sender: &mut SenderClock, out: &mut Vec<Output>) {
        let mut units = std::mem::take(&mut self.units);
        self.depay.poll(now, &mut units);
        self.units(units, sender, out);
        if self.unwritten_from_ms().is_some() && now.0 - self.opened.0 >= self.fragment_ms + self.order_ms() {
            self.settle(out);
            self.close_pending(None);
            self.cut(out);
        }
        let raw_waits = |c: &camera::Camera| !c.raw.is_empty() && now.0 - c.raw_since.0 >= self.fragment_ms;
        if self.camera.as_ref().is_some_and(raw_waits) {
            self.cut_raw(out);
        }
        if let Some(end) = self.end.filter(|_| self.muted && self.info.codec.kind() == TrackKind::Audio) {
            let until =
                self.ticks_ms((now.0 - self.started.0).max(0) as u64).saturating_sub(self.ticks_ms(SILENCE_BEHIND_MS));
            if until > end + self.fragment_ticks {
                let from_ms = *self.silent_from.get_or_insert(self.ms(end));
                self.silence(until, now, out);
                if self.ms(until) - from_ms >= SILENT_ENTRY_MS {
                    self.silence_over(out);
                }
            }
        }
    }

    /// Enters what was silence because the microphone was muted.
    fn silence_over(&mut self, out: &mut Vec<Output>) {
        if let (Some(from_ms), Some(to_ms)) = (self.silent_from.take(), self.end_ms())
            && to_ms > from_ms
        {
            out.push(Output::Gap { from_ms, to_ms, cause: GapCause::Muted, packets: None });
        }
    }

    /// Sequence numbers and timestamps are on a new base from here.
    pub(crate) fn layer(&mut self, sender: &mut SenderClock, out: &mut Vec<Output>) {
        self.flush_depacketizer(sender, out);
        self.clock.reset();
        self.newest = None;
        self.other_layer = true;
        if let Some(camera) = &mut self.camera {
            camera.order.restart();
        }
    }

    /// A sender report.
    pub(crate) fn report(&mut self, timestamp: u64, ntp: UnixMillis) {
        // A wall clock before 1970 or after 2096 is no clock, and would not fit the arithmetic.
        if (0..4_000_000_000_000).contains(&ntp.0) {
            self.clock.report(timestamp, ntp.0 * 1_000_000);
        }
    }

    pub(crate) fn muted(&mut self, muted: bool) {
        self.muted = muted;
        if muted && self.hole.is_none() {
            self.hole = Some((GapCause::Muted, 0));
        }
    }

    /// Packets were dropped on the way here.
    pub(crate) fn hole(&mut self, packets: u64, sender: &mut SenderClock, out: &mut Vec<Output>) {
        self.flush_depacketizer(sender, out);
        self.depay.hole(packets, &mut self.units);
        self.hole = Some((GapCause::Overload, packets));
    }

    /// The track ends, or the recording does: hands over everything.
    pub(crate) fn finish(&mut self, sender: &mut SenderClock, out: &mut Vec<Output>) {
        self.flush_depacketizer(sender, out);
        self.close_pending(None);
        self.cut(out);
        self.cut_raw(out);
        self.silence_over(out);
        // What was lost since the last whole unit is followed by none that would announce it.
        if let (Some((timestamp, arrival)), missing @ 1..) = (self.newest, self.depay.missing()) {
            let own = if self.info.codec.kind() == TrackKind::Audio { u64::from(SILENCE_TICKS) } else { self.usual };
            let until = self.place(timestamp, arrival, sender) + own;
            self.gap(until, GapCause::Loss, missing, out);
        }
    }

    fn flush_depacketizer(&mut self, sender: &mut SenderClock, out: &mut Vec<Output>) {
        let mut units = std::mem::take(&mut self.units);
        self.depay.flush(&mut units);
        self.units(units, sender, out);
        self.settle(out);
    }

    fn units(&mut self, mut units: Vec<Unit>, sender: &mut SenderClock, out: &mut Vec<Output>) {
        for unit in units.drain(..) {
            match unit {
                Unit::Hole(h) => {
                    // What follows is no part of the order that pictures before it have.
                    self.settle(out);
                    // What the tap dropped is announced by the tap with its cause; the depacketizer sees the same packets missing.
                    match &mut self.hole {
                        // The forwarding plane hands over nothing of a muted track.
                        Some((GapCause::Overload | GapCause::Muted, _)) => {}
                        Some((_, packets)) if self.camera.is_some() => *packets += h.packets,
                        hole => *hole = Some((GapCause::Loss, h.packets)),
                    }
                }
                Unit::Access(unit) if unit.broken.is_some() => {
                    self.settle(out);
                    self.broken(unit, out);
                }
                Unit::Access(unit) => {
                    self.cut_raw(out);
                    let dts = self.place(unit.timestamp.0, unit.arrival, sender);
                    match self.info.codec.kind() {
                        TrackKind::Video => self.shown_at(dts, unit, out),
                        TrackKind::Audio if self.camera.is_some() => self.camera_sound(dts, unit, out),
                        TrackKind::Audio => self.sound(dts, unit, out),
                    }
                }
            }
        }
        self.units = units;
    }

    /// Where a unit belongs on the recording's time, in ticks.
    fn place(&mut self, timestamp: u64, arrival: UnixMillis, sender: &mut SenderClock) -> u64 {
        let arrival = (arrival.0 - self.started.0).saturating_mul(1_000_000);
        let at = self.clock.place(sender, timestamp, arrival).max(0);
        (i128::from(at) * i128::from(self.rate.hz()) / 1_000_000_000) as u64
    }

    fn sound(&mut self, dts: u64, unit: AccessUnit, out: &mut Vec<Output>) {
        let nominal = u64::from(unit.duration.unwrap_or(SILENCE_TICKS));
        if self.config.is_none()
            && let Some(config) = &unit.config
        {
            out.push(Output::Part(init_segment(config)));
            self.config = unit.config.clone();
            // After a stop the track goes on where it is now; the stop is an entry already.
            self.end = Some(dts.max(self.end.unwrap_or(0)));
        }
        self.silence_over(out);
        let end = self.end.unwrap_or(dts);
        let hole = self.hole.take();
        if dts >= end + nominal * 9 / 10 {
            match hole {
                Some((cause, packets)) => self.gap(dts, cause, packets, out),
                None if self.ms(dts) - self.ms(end) > DTX_MS_MAX => self.gap(dts, GapCause::Muted, 0, out),
                None => {}
            }
            self.silence(dts, unit.arrival, out);
        }
        // Each packet ends as near as a tenth of its length allows to where the clock says, so drift never becomes a hole.
        let start = self.end.unwrap_or(end);
        let until = (dts + nominal).clamp(start + nominal * 9 / 10, start + nominal * 11 / 10);
        self.sample((until - start) as u32, unit.data, unit.arrival, out);
    }

    /// Fills with silence up to `until`.
    fn silence(&mut self, until: u64, now: UnixMillis, out: &mut Vec<Output>) {
        let packet = u64::from(SILENCE_TICKS);
        let mut filled = 0;
        while let Some(end) = self.end.filter(|e| e + packet / 2 <= until) {
            if filled == FILL_PACKETS_MAX {
                // Hours of silence: the rest stays a hole, which the entry names.
                self.cut(out);
                self.end = Some(until);
                return;
            }
            filled += 1;
            // The last one is cut to fit, or stretched by less than half.
            let duration = if until < end + packet * 3 / 2 { until - end } else { packet };
            self.sample(duration as u32, bytes::Bytes::from_static(SILENCE), now, out);
        }
    }

    /// Appends one sample of sound at the end.
    fn sample(&mut self, duration: u32, data: bytes::Bytes, arrival: UnixMillis, out: &mut Vec<Output>) {
        let dts = self.end.unwrap_or(0);
        if !self.samples.is_empty() && dts + u64::from(duration) - self.dts > self.fragment_ticks {
            self.cut(out);
        }
        if self.samples.is_empty() {
            self.dts = dts;
            self.opened = arrival;
        }
        self.samples.push(Sample { duration, keyframe: true, composition: 0, data });
        self.end = Some(dts + u64::from(duration));
    }

    /// Announces what is missing from the end up to `until`.
    fn gap(&mut self, until: u64, cause: GapCause, packets: u64, out: &mut Vec<Output>) {
        let Some(end) = self.end.filter(|_| self.camera.as_ref().is_none_or(|c| c.begun)) else { return };
        let (from_ms, to_ms) = (self.ms(end), self.ms(until).max(self.ms(end) + 1));
        if until > end {
            out.push(Output::Gap { from_ms, to_ms, cause, packets: (packets > 0).then_some(packets) });
        }
    }

    /// Hands over the fragment in the making.
    fn cut(&mut self, out: &mut Vec<Output>) {
        if self.samples.is_empty() {
            return;
        }
        self.sequence += 1;
        if let Some(camera) = &mut self.camera {
            camera.begun = true;
        }
        let samples = std::mem::take(&mut self.samples);
        out.push(Output::Fragment(Fragment {
            sequence: self.sequence,
            dts: self.dts,
            duration: samples.iter().map(|s| u64::from(s.duration)).sum(),
            keyframe: samples[0].keyframe,
            samples,
        }));
    }

    fn ms(&self, ticks: u64) -> u64 {
        ticks * 1000 / u64::from(self.rate.hz())
    }

    fn ticks_ms(&self, ms: u64) -> u64 {
        ms * u64::from(self.rate.hz()) / 1000
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use lectern_media::{Codec, ExtSeq, ExtTimestamp, ParticipantId, TrackId, TrackSource};

    struct Bench {
        track: Track,
        sender: SenderClock,
        out: Vec<Output>,
    }

    impl Bench {
        fn new(source: TrackSource, codec: Codec) -> Self {
            let (id, participant) = (TrackId::generate(), ParticipantId::generate());
            let info = TrackInfo { id, participant, source, codec, layers: 1 };
            let track = Track::new(info, UnixMillis(0), None, &Limits::default()).unwrap();
            Self { track, sender: SenderClock::default(), out: Vec::new() }
        }

        fn packet(&mut self, seq: u64, at_ms: i64, payload: &'static [u8]) {
            let rate = self.track.rate.hz() as u64;
            let packet = TapPacket {
                track: self.track.info.id,
                seq: ExtSeq(seq),
                timestamp: ExtTimestamp(at_ms as u64 * rate / 1000),
                arrival: UnixMillis(at_ms),
                marker: true,
                keyframe: true,
                payload: Bytes::from_static(payload),
            };
            self.track.packet(packet, &mut self.sender, &mut self.out);
        }

        /// Gaps as (cause, from, to), and whether fragments follow each other without a hole.
        fn told(&self) -> (Vec<(GapCause, u64, u64)>, bool) {
            let (mut gaps, mut end, mut whole) = (Vec::new(), None, true);
            for o in &self.out {
                match o {
                    Output::Gap { from_ms, to_ms, cause, .. } => gaps.push((*cause, *from_ms, *to_ms)),
                    Output::Fragment(f) => {
                        whole &= end.is_none_or(|e| e == f.dts);
                        end = Some(f.dts + f.duration);
                    }
                    Output::Part(_) | Output::Raw(_) => {}
                }
            }
            (gaps, whole)
        }
    }

    #[test]
    fn a_muted_microphone_goes_on_as_silence_with_one_entry() {
        let mut b = Bench::new(TrackSource::Microphone, Codec::Opus);
        (0..50).for_each(|i| b.packet(i, i as i64 * 20, &[0xfc, 1, 2]));
        b.track.muted(true);
        for t in 10..60 {
            b.track.tick(UnixMillis(t * 100), &mut b.sender, &mut b.out);
        }
        assert!(b.track.end_ms().unwrap() > 4500, "silence is written while it is muted");
        b.track.muted(false);
        // The forwarding plane dropped what came while muted: sequence numbers jump.
        (300..320).for_each(|i| b.packet(i, i as i64 * 20, &[0xfc, 1, 2]));
        b.track.finish(&mut b.sender, &mut b.out);
        let (gaps, whole) = b.told();
        assert!(whole, "no hole between fragments");
        let (from, to) = (gaps.iter().map(|g| g.1).min().unwrap(), gaps.iter().map(|g| g.2).max().unwrap());
        assert!(gaps.iter().all(|g| g.0 == GapCause::Muted) && (from, to) == (1000, 6000), "{gaps:?}");
        assert!(gaps.len() <= 2, "not an entry a tick: {gaps:?}");
    }

    #[test]
    fn a_pause_that_the_encoder_makes_of_silence_is_no_gap() {
        let mut b = Bench::new(TrackSource::Microphone, Codec::Opus);
        // DTX: a packet every 400 ms.
        (0..20).for_each(|i| b.packet(i, i as i64 * 400, &[0xfc, 1]));
        b.track.finish(&mut b.sender, &mut b.out);
        assert_eq!(b.told(), (vec![], true));
    }

    #[test]
    fn a_fragment_waits_half_a_second_at_most() {
        let mut b = Bench::new(TrackSource::Screen, Codec::Vp8);
        const KEY: &[u8] = &[0x10, 0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 1];
        b.packet(0, 0, KEY);
        b.packet(1, 40, &[0x10, 0x11, 1]);
        b.track.tick(UnixMillis(499), &mut b.sender, &mut b.out);
        assert!(!b.out.iter().any(|o| matches!(o, Output::Fragment(_))));
        b.track.tick(UnixMillis(500), &mut b.sender, &mut b.out);
        assert!(matches!(b.out.last(), Some(Output::Fragment(f)) if f.samples.len() == 2 && f.keyframe), "{:?}", b.out);
        b.packet(2, 5000, &[0x10, 0x11, 1]);
        b.track.finish(&mut b.sender, &mut b.out);
        assert_eq!(b.told().0, [], "a still picture is no gap");
    }

    #[test]
    fn what_a_layer_that_died_leaves_out_until_another_takes_its_place_is_a_gap() {
        const KEY: &[u8] = &[0x10, 0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 1];
        for (source, away_ms, gaps) in [
            (TrackSource::Camera, 1080, vec![(GapCause::Loss, 120, 1160)]),
            (TrackSource::Camera, 200, vec![]),
            (TrackSource::Screen, 1080, vec![]),
        ] {
            let mut b = Bench::new(source, Codec::Vp8);
            b.track.layer(&mut b.sender, &mut b.out);
            b.packet(0, 0, KEY);
            (1..3).for_each(|i| b.packet(i, i as i64 * 40, &[0x10, 0x11, 1]));
            b.track.layer(&mut b.sender, &mut b.out);
            (0..3).for_each(|i| {
                b.packet(900 + i, 80 + away_ms + i as i64 * 40, if i == 0 { KEY } else { &[0x10, 0x11, 1] })
            });
            b.track.finish(&mut b.sender, &mut b.out);
            assert_eq!(b.told().0, gaps, "{source:?}, {away_ms} ms");
        }
    }
}
