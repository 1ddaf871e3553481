//! Faults that need no picture: what ingest counts, compared with what should be or usually is. Not here: for how long a
//! fault must last ([`crate::debounce`]).

use crate::{thresholds::Thresholds, watch::Fault};
use lectern_media::{Bitrate, UnixMillis};
use std::time::Duration;

/// What ingest knows of a camera, about once a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Figures {
    /// How long nothing of the substream has arrived; since when it should, if nothing ever did.
    pub silent_for: Duration,
    /// The camera's clock less ours, in milliseconds; `None` while it has told nothing.
    pub clock_offset_ms: Option<i64>,
    /// Its sound; `None` if the camera has none, or none is wanted.
    pub sound: Option<SoundFigures>,
    /// The bit rate of the substream over the last seconds (two or more); `None` before it is known.
    pub bit_rate: Option<Bitrate>,
    /// Its pictures a second, over the same time.
    pub frame_rate: Option<f32>,
}

/// What ingest knows of a camera's sound.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SoundFigures {
    /// How long nothing has arrived.
    pub silent_for: Duration,
    /// The loudness of the last second in dB below full scale ([`crate::sound`] tells it of G.711); `None` where it is not
    /// known (AAC).
    pub level_dbov: Option<f32>,
}

/// So many figures are looked at before a rate is taken for usual.
const LEARN: u32 = 8;
/// The weight of one figure afterwards: a minute and a half for half a change.
const WEIGHT: f32 = 0.008;

/// A rate as it usually is.
#[derive(Debug, Clone, Copy, Default)]
struct Usual {
    value: f32,
    seen: u32,
}

impl Usual {
    fn learn(&mut self, value: f32) {
        self.seen = self.seen.saturating_add(1);
        let weight = if self.seen <= LEARN { 1.0 / self.seen as f32 } else { WEIGHT };
        self.value += (value - self.value) * weight;
    }

    fn get(&self) -> Option<f32> {
        (self.seen >= LEARN && self.value > 0.0).then_some(self.value)
    }
}

/// One fault as the figures show it now.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sign {
    pub fault: Fault,
    /// The number that was compared, if it is wrong.
    pub seen: Option<f32>,
    /// How long it must stay so.
    pub hold_ms: u32,
}

/// The figures of one camera.
#[derive(Debug, Default)]
pub(crate) struct FigureWatch {
    bit_rate: Usual,
    frame_rate: Usual,
    quiet_since: Option<UnixMillis>,
    /// Since when pictures arrive.
    here_since: Option<UnixMillis>,
}

impl FigureWatch {
    /// What the figures show. `None`: nothing arrives, and nothing else can be said. `picture_fault`: something is wrong with
    /// the picture, or may be, and a black one takes fewer bits by itself.
    pub(crate) fn signs(
        &mut self,
        now: UnixMillis,
        f: &Figures,
        picture_fault: bool,
        t: &Thresholds,
    ) -> Option<[Sign; 4]> {
        if f.silent_for.as_millis() >= u128::from(t.no_stream_ms) {
            (self.quiet_since, self.here_since) = (None, None);
            return None;
        }
        let here_ms = (now.0 - self.here_since.get_or_insert(now).0).max(0) as u64;
        let hold_ms = t.figures_hold_ms;
        let offset = f.clock_offset_ms.filter(|ms| ms.unsigned_abs() > u64::from(t.clock_offset_ms));
        let clock = Sign { fault: Fault::WrongClock, seen: offset.map(|ms| ms as f32 / 1_000.0), hold_ms };
        let sound =
            Sign { fault: Fault::NoSound, seen: f.sound.and_then(|s| self.silence(now, here_ms, s, t)), hold_ms: 0 };

        let kbps = f.bit_rate.map(|b| b.as_bps() as f32 / 1_000.0);
        let bits = kbps.zip(self.bit_rate.get()).map(|(now, usual)| now / usual);
        let bits_off = bits.filter(|r| *r > t.bit_rate_high || (*r < t.bit_rate_low && !picture_fault));
        let usual = t.frame_rate.or(self.frame_rate.get());
        let frames = f.frame_rate.zip(usual).map(|(now, usual)| now / usual);
        let frames_off = frames.filter(|r| (*r - 1.0).abs() > t.frame_rate_off);
        // What is off is not learnt, nor what goes with a faulty picture.
        if bits_off.is_none() && frames_off.is_none() && !picture_fault {
            kbps.into_iter().for_each(|v| self.bit_rate.learn(v));
            f.frame_rate.into_iter().for_each(|v| self.frame_rate.learn(v));
        }
        let bits = Sign { fault: Fault::BitRate, seen: bits_off, hold_ms };
        let frames = Sign { fault: Fault::FrameRate, seen: frames_off, hold_ms };
        Some([clock, sound, bits, frames])
    }

    /// For how many seconds there has been no sound, if that is too long. Of a camera that was away it is counted from when its picture
    /// was back: the sound comes by another session, a moment later.
    fn silence(&mut self, now: UnixMillis, here_ms: u64, s: SoundFigures, t: &Thresholds) -> Option<f32> {
        let too_long = |ms: u64| (ms >= u64::from(t.no_sound_ms)).then_some(ms as f32 / 1_000.0);
        if s.level_dbov.is_some_and(|l| l < t.silence_dbov) {
            let since = *self.quiet_since.get_or_insert(now);
            return too_long((now.0 - since.0).max(0) as u64);
        }
        self.quiet_since = None;
        too_long((s.silent_for.as_millis() as u64).min(here_ms))
    }
}
