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
        // A part has one clock.
        if standing.config.timescale().hz() == self.rate.hz()
            && let Some(camera) = &mut self.camera
        {
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
