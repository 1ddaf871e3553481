//! What a camera's track does otherwise than one of a lesson: it keeps what does not decode, fills no hole in sound, and tells a silent
//! camera from one that sends few pictures.

use super::{Output, Track, USUAL_MS, order::Order};
use crate::{
    Limits,
    camera::raw::RawUnit,
    clock::{SenderClock, TrackClock},
};
use lectern_fmp4::{
    TrackConfig,
    depay::{AccessUnit, Depacketizer},
    init::init_segment,
};
use lectern_media::{ClockRate, TrackInfo, TrackKind, UnixMillis};
use lectern_protocol::api::GapCause;

/// A camera's picture that is followed by none for longer is followed by a gap, if it usually comes more often than this.
const QUIET_MS: u64 = 500;
/// … and if it comes as rarely: after this many times its usual distance.
const QUIET_TIMES: u64 = 4;
/// A camera's sound that is later than it should be by more than this has a hole before it.
const SOUND_HOLE_MS: u64 = 60;
/// Bytes of units that do not decode which wait for being handed over together.
const RAW_BYTES: usize = 64 << 10;

/// The part that a track left open.
#[derive(Debug)]
pub(crate) struct Standing {
    config: TrackConfig,
    from_ms: Option<u64>,
}

/// What only a camera's track has.
#[derive(Debug, Default)]
pub(super) struct Camera {
    /// Units that do not decode, not handed over yet, their bytes, and when the first of them came.
    pub(super) raw: Vec<RawUnit>,
    raw_bytes: usize,
    pub(super) raw_since: UnixMillis,
    /// The distance of the last two pictures, if it was more than is usual.
    last_distance: u64,
    /// The newest picture, in ticks.
    pub(super) last_dts: Option<u64>,
    /// Its decode time is a guess, or had to make way for the one before.
    pub(super) displaced: bool,
    /// Pictures that may be shown in another order than the one in which they come.
    pub(super) order: Order,
    /// When a part began because of other parameter sets, in milliseconds of the recording's time.
    pub(super) part_from_ms: Option<u64>,
    /// Something came out since the start; before that, what is missing is no news.
    pub(super) begun: bool,
}

impl Track {
    /// A camera's track: keeps what does not decode, fills no hole in sound, and is placed by arrival. Its gaps
    /// ([`Output::Gap`]) tell where packets were lost; what is missing otherwise shows between fragments. `rate` is the track's clock.
    pub(crate) fn camera(
        info: TrackInfo,
        rate: ClockRate,
        started: UnixMillis,
        end: Option<u64>,
        limits: &Limits,
    ) -> Option<Self> {
        let depay = Depacketizer::keeping_all(info.codec, limits.reorder)?;
        let clock = TrackClock::camera(rate, info.codec.kind() == TrackKind::Audio);
        let track = Self::new(info, started, end, limits)?;
        let (fragment_ticks, usual) = (rate.ticks(limits.fragment), u64::from(rate.hz()) * USUAL_MS / 1000);
        Some(Self { depay, clock, rate, fragment_ticks, usual, camera: Some(Camera::default()), ..track })
    }

    /// What was told of the track beside its packets.
    pub(crate) fn parameters(&mut self, config: &[u8]) {
        self.depay.set_parameters(config);
    }

    /// The part that it leaves open.
    pub(crate) fn standing(&self) -> Option<Standing> {
        let (config, camera) = (self.config.clone()?, self.camera.as_ref()?);
        Some(Standing { config, from_ms: camera.part_from_ms })
    }

    /// Goes on in the part that the track before it left open, as long as the parameter sets are the same: a camera that begins
    /// anew again and again costs no part each time.
    pub(crate) fn stand_on(&mut self, standing: Standing) {
        // A part has one clock and one codec.
        let same = standing.config.codec() == self.info.codec && standing.config.timescale().hz() == self.rate.hz();
        if same && let Some(camera) = &mut self.camera {
            camera.part_from_ms = standing.from_ms;
            self.config = Some(standing.config);
        }
    }

    /// Hands over what is whole.
    pub(crate) fn hand_over(&mut self, _: &mut SenderClock, out: &mut Vec<Output>) {
        self.settle(out);
        self.close_pending(None);
        self.cut(out);
        self.cut_raw(out);
    }

    /// Hands over everything and goes on at the next keyframe.
    pub(crate) fn restart(&mut self, sender: &mut SenderClock, out: &mut Vec<Output>) {
        self.flush_depacketizer(sender, out);
        self.hand_over(sender, out);
    }

    /// Ticks per second.
    pub(crate) fn hz(&self) -> u32 {
        self.rate.hz()
    }

    /// Whether a camera that sends its next picture this much later was silent. A camera with few pictures is known by two equal distances.
    pub(super) fn is_quiet(&mut self, distance: u64) -> bool {
        let Some(camera) = &mut self.camera else { return false };
        let quiet = (u64::from(self.rate.hz()) * QUIET_MS / 1000).max(self.usual * QUIET_TIMES);
        if distance <= quiet {
            camera.last_distance = 0;
            return false;
        }
        let last = std::mem::replace(&mut camera.last_distance, distance);
        distance.abs_diff(last) > distance / 4
    }

    /// A unit that does not decode.
    pub(super) fn broken(&mut self, unit: AccessUnit, out: &mut Vec<Output>) {
        self.hole.get_or_insert((GapCause::Loss, 0));
        let (Some(broken), Some(camera)) = (unit.broken, &mut self.camera) else { return };
        if !camera.raw.is_empty() && camera.raw_bytes + unit.data.len() > RAW_BYTES {
            out.push(Output::Raw(std::mem::take(&mut camera.raw)));
            camera.raw_bytes = 0;
        }
        if camera.raw.is_empty() {
            camera.raw_since = unit.arrival;
        }
        camera.raw_bytes += unit.data.len();
        camera.raw.push(RawUnit::new(unit, broken));
    }

    /// Hands over the units that do not decode.
    pub(super) fn cut_raw(&mut self, out: &mut Vec<Output>) {
        if let Some(camera) = self.camera.as_mut().filter(|c| !c.raw.is_empty()) {
            out.push(Output::Raw(std::mem::take(&mut camera.raw)));
            camera.raw_bytes = 0;
        }
    }

    /// Sound of a camera: what is missing stays a hole between fragments.
    pub(super) fn camera_sound(&mut self, dts: u64, unit: AccessUnit, out: &mut Vec<Output>) {
        let hz = u64::from(self.rate.hz());
        let nominal = u64::from(unit.duration.unwrap_or(0)).max(1);
        let hole = self.hole.take();
        if unit.config.is_some() && unit.config != self.config {
            self.cut(out);
            out.extend(unit.config.as_ref().map(|c| Output::Part(init_segment(c))));
            self.config = unit.config.clone();
            self.end = Some(dts.max(self.end.unwrap_or(0)));
        }
        let end = self.end.unwrap_or(dts);
        let late = dts.saturating_sub(end);
        if late > hz * SOUND_HOLE_MS / 1000 || (hole.is_some() && late > nominal / 2) {
            self.cut(out);
            if let Some((cause, packets)) = hole {
                self.gap(dts, cause, packets, out);
            }
            self.end = Some(dts);
        }
        let start = self.end.unwrap_or(dts);
        let until = (dts + nominal).clamp(start + nominal * 9 / 10, start + nominal * 11 / 10).max(start + 1);
        self.sample((until - start) as u32, unit.data, unit.arrival, out);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use lectern_media::{Codec, ExtSeq, ExtTimestamp, ParticipantId, TrackId, TrackSource, tap::TapPacket};

    /// Of the main profile, without a word on its order.
    const SPS: &[u8] = &[0x67, 0x4d, 0, 0x1f, 0xf4, 0x0a, 0x0b, 0x88];
    const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];
    const KEY: &[u8] = &[0x65, 0x88, 0x84];
    const PICTURE: &[u8] = &[0x41, 0x9a, 0x21];

    struct Bench {
        track: Track,
        seq: u64,
        sender: SenderClock,
        out: Vec<Output>,
    }

    impl Bench {
        fn new(codec: Codec) -> Self {
            let (id, participant) = (TrackId::generate(), ParticipantId::generate());
            let info = TrackInfo { id, participant, source: TrackSource::Camera, codec, layers: 1 };
            let track = Track::camera(info, codec.clock_rate(), UnixMillis(0), None, &Limits::default()).unwrap();
            Self { track, seq: 0, sender: SenderClock::default(), out: Vec::new() }
        }

        /// A picture that comes at one moment and is shown relative to another, both in milliseconds.
        fn picture(&mut self, at_ms: i64, shown_ms: u64, units: &[&'static [u8]]) {
            for (n, payload) in units.iter().enumerate() {
                let packet = TapPacket {
                    track: self.track.info.id,
                    seq: ExtSeq(self.seq),
                    timestamp: ExtTimestamp(shown_ms * 90),
                    arrival: UnixMillis(at_ms),
                    marker: n + 1 == units.len(),
                    keyframe: false,
                    payload: Bytes::from_static(payload),
                };
                self.seq += 1;
                self.track.packet(packet, &mut self.sender, &mut self.out);
            }
        }

        fn fragments(&mut self, now: i64) -> usize {
            self.track.tick(UnixMillis(now), &mut self.sender, &mut self.out);
            self.out.iter().filter(|o| matches!(o, Output::Fragment(_))).count()
        }
    }

    #[test]
    fn another_codec_does_not_go_on_in_the_open_part() {
        let mut before = Bench::new(Codec::H264);
        before.picture(0, 0, &[SPS, PPS, KEY]);
        before.picture(40, 40, &[PICTURE]);
        let part = |codec| {
            let mut after = Bench::new(codec);
            after.track.stand_on(before.track.standing().unwrap());
            after.track.standing().map(|s| s.config.codec())
        };
        assert_eq!((part(Codec::H264), part(Codec::H265)), (Some(Codec::H264), None));
    }

    #[test]
    fn what_is_held_for_order_after_a_pause_waits_as_long_as_before_it() {
        let mut b = Bench::new(Codec::H264);
        b.picture(0, 100, &[SPS, PPS, KEY]);
        for (n, shown) in [220, 140, 180, 340, 260, 300].into_iter().enumerate() {
            b.picture(40 * n as i64 + 40, shown, &[PICTURE]);
        }
        assert!(b.track.order_ms() > 0, "some are held");
        let before = b.fragments(2000);
        assert_eq!(b.track.unwritten_from_ms(), None, "all is handed over");
        b.picture(5000, 5100, &[PICTURE]);
        assert!(b.track.unwritten_from_ms().is_some());
        assert_eq!(b.fragments(5010), before, "nothing is cut at once");
        assert_eq!(b.fragments(5499), before);
        assert_eq!(b.fragments(5000 + 500 + 500), before + 1);
    }

    #[test]
    fn what_is_handed_over_before_its_order_is_known_says_nothing_of_how_long_pictures_last() {
        let mut b = Bench::new(Codec::H264);
        b.picture(0, 100, &[SPS, PPS, KEY]);
        // Two B-frames behind each P, and each time the line stands still behind one of the three.
        for group in 0..30 {
            for (n, shown) in [120, 40, 80].into_iter().enumerate() {
                let at = 40 * (3 * group + n as i64 + 1);
                b.picture(at, (40 * 3 * group + 100) as u64 + shown, &[PICTURE]);
                if group > 3 && n == (group % 3) as usize {
                    b.track.hand_over(&mut b.sender, &mut b.out);
                }
            }
        }
        assert_eq!(b.track.usual, 40 * 90);
    }
}
