//! Pictures of a track: from when they are shown to samples, fragments and parts.

use super::{Output, Track, order::Timed};
use lectern_fmp4::{
    Sample,
    config::{avc, hevc},
    depay::AccessUnit,
    init::init_segment,
};
use lectern_media::{Codec, TrackSource};
use lectern_protocol::api::GapCause;

/// A camera's parameter sets that change more often than this open no part: a part costs a file and a sync, which other cameras wait
/// for. What comes meanwhile lies in the open part and brings its parameter sets along, for samples of a camera hold them.
const PART_EVERY_MS: u64 = 5_000;

/// A picture whose length is not known yet.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) dts: u64,
    /// When it is shown, after its decode time.
    composition: i32,
    unit: AccessUnit,
}

impl Track {
    /// Takes a picture that is shown at `pts`. A camera's may be held until its decode time is known.
    pub(super) fn shown_at(&mut self, pts: u64, unit: AccessUnit, out: &mut Vec<Output>) {
        let end = self.floor();
        let mut ready = Vec::new();
        match &mut self.camera {
            Some(camera) => {
                let (arrival, first) = (unit.arrival, camera.order.first().is_none());
                if first && self.samples.is_empty() && self.pending.is_none() {
                    // A fragment waits from here, even if this one is held for a while.
                    self.opened = arrival;
                }
                camera.order.push(unit, pts, end, &mut ready);
            }
            None => ready.push(Timed { dts: pts, pts, newest: true, early: false, unit }),
        }
        ready.into_iter().for_each(|timed| self.picture(timed, out));
    }

    /// Gives the pictures that are held their decode times, though one that is shown before them may follow.
    pub(super) fn settle(&mut self, out: &mut Vec<Output>) {
        let Some(camera) = &mut self.camera else { return };
        let mut ready = Vec::new();
        camera.order.release(&mut ready);
        ready.into_iter().for_each(|timed| self.picture(timed, out));
    }

    /// How much longer a fragment may wait because pictures are held, in milliseconds: as long again at most.
    pub(super) fn order_ms(&self) -> i64 {
        let depth = self.camera.as_ref().map_or(0, |c| c.order.depth() as u64);
        (self.ms(self.usual.saturating_mul(depth)) as i64).min(self.fragment_ms)
    }

    /// The earliest decode time of the next picture.
    fn floor(&self) -> u64 {
        self.pending.as_ref().map_or(self.end.unwrap_or(0), |p| p.dts + 1)
    }

    fn picture(&mut self, timed: Timed, out: &mut Vec<Output>) {
        let Timed { dts, pts, newest, early, unit } = timed;
        // Time may have been slewed back over the end of what is there: never overlap (invariant 6).
        let displaced = early || dts < self.floor();
        let dts = dts.max(self.floor());
        let pts = if newest { pts.max(dts) } else { pts };
        let offset = i128::from(pts) - i128::from(dts);
        let composition = offset.clamp(i32::MIN.into(), i32::MAX.into()) as i32;
        let known = self.camera.as_ref().and_then(|c| c.last_dts);
        let distance = self.pending.as_ref().map(|p| p.dts).or(known).map_or(0, |last| dts.saturating_sub(last));
        let mut even = true;
        if let Some(camera) = &mut self.camera {
            camera.last_dts = Some(dts);
            even = !std::mem::replace(&mut camera.displaced, displaced) && !displaced;
        }
        // Until a dead layer's place was taken. A screen may have stood still as long.
        let other_layer = std::mem::take(&mut self.other_layer) && self.info.source == TrackSource::Camera;
        let hole = match self.hole.take() {
            None if other_layer && distance > self.fragment_ticks => Some((GapCause::Loss, 0)),
            None if self.is_quiet(distance) => Some((GapCause::CameraSilent, 0)),
            // Muted for so short a time, or sending black pictures: nothing is missing.
            Some((GapCause::Muted, _)) if distance < self.fragment_ticks => None,
            hole => hole,
        };
        let usual_max = if self.camera.is_some() { u64::MAX } else { self.fragment_ticks };
        // Decode times that are no places of pictures tell no distance: the last picture before a cut would be shown too long.
        if hole.is_none() && even && (1..usual_max).contains(&distance) {
            self.usual = distance;
        }
        let usual_end = self.pending.as_ref().map_or(dts, |p| p.dts + self.usual);
        self.close_pending(Some(if hole.is_none() { dts } else { dts.min(usual_end) }));
        if let Some((cause, packets)) = hole {
            if self.camera.is_some() {
                // What is missing shows between fragments.
                self.cut(out);
            }
            self.gap(dts, cause, packets, out);
        }
        if unit.keyframe {
            self.last_keyframe = Some(unit.arrival);
        }
        let new_config = unit.config.is_some() && unit.config != self.config && self.may_open_part(dts, &unit);
        let open_ticks = dts.saturating_sub(self.dts);
        if !self.samples.is_empty() && (unit.keyframe || new_config || open_ticks + self.usual > self.fragment_ticks) {
            self.cut(out);
        }
        if new_config && let Some(config) = &unit.config {
            out.push(Output::Part(init_segment(config)));
            self.config = unit.config.clone();
        }
        if self.samples.is_empty() {
            self.dts = dts;
            self.opened = unit.arrival;
        }
        self.pending = Some(Pending { dts, composition, unit });
    }

    /// Whether other parameter sets may begin a part now. In a lesson they always do: its samples hold none.
    fn may_open_part(&mut self, dts: u64, unit: &AccessUnit) -> bool {
        let now_ms = self.ms(dts);
        let Some(camera) = &mut self.camera else { return true };
        // Sets that were told beside the packets change with a session only.
        let brings_sets = || unit.nals().any(|n| is_sequence_set(self.info.codec, &n));
        if camera.part_from_ms.is_some_and(|from| now_ms.saturating_sub(from) < PART_EVERY_MS) && brings_sets() {
            metrics::counter!("lectern_recorder_parts_refused_total", "reason" => "parameters_change_too_often")
                .increment(1);
            return false;
        }
        camera.part_from_ms = Some(now_ms);
        true
    }

    /// Gives the waiting picture its length: up to `until`, or the usual one.
    pub(super) fn close_pending(&mut self, until: Option<u64>) {
        let Some(Pending { dts, composition, unit }) = self.pending.take() else { return };
        let duration = until.map_or(self.usual, |u| u - dts).clamp(1, u64::from(u32::MAX));
        self.end = Some(dts + duration);
        self.samples.push(Sample { duration: duration as u32, keyframe: unit.keyframe, composition, data: unit.data });
    }
}

/// Whether a NAL unit is a sequence parameter set.
fn is_sequence_set(codec: Codec, nal_unit: &[u8]) -> bool {
    let Some(header) = nal_unit.first() else { return false };
    match codec {
        Codec::H264 => avc::nal::kind(*header) == avc::nal::SPS,
        Codec::H265 => hevc::nal::kind(*header) == hevc::nal::SPS,
        _ => false,
    }
}
