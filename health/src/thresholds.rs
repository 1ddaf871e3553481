//! From where on something is a fault, by group of cameras. Each knob says its unit, its range and its default.

use serde::{Deserialize, Serialize};
use std::ops::RangeInclusive;

/// The thresholds of a group of cameras.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Thresholds {
    /// Keyframes behind each other that show a fault before it is raised, and that are free of it before it is cleared:
    /// 1 to 10, default 2. At a keyframe every two seconds a fault is raised within 4 s of its beginning, 6 s if it is one
    /// that only a comparison shows.
    pub successive: u8,
    /// The share of the picture that is black: 0.5 to 1, default 0.82. The camera's own clock is drawn into a black picture,
    /// too.
    pub black_share: f32,
    /// The share of the picture that is white: 0.5 to 1, default 0.82.
    pub white_share: f32,
    /// The share of the picture that is dark and without any detail: 0.4 to 1, default 0.55: what the camera
    /// writes into the picture stays visible.
    pub covered_share: f32,
    /// How bright such a part may be, in levels of luma: 40 to 160, default 110.
    pub covered_luma: f32,
    /// What is left of the sharpness that was learnt, for the picture to be blurred: 0.1 to 0.8, default 0.42.
    pub blurred_ratio: f32,
    /// By how much of its width or height the picture is shifted: 0.05 to 0.3, default 0.1.
    pub moved_share: f32,
    /// The mean difference between keyframes, in levels of luma, at or below which the picture stands still: 0 to 1,
    /// default 0.15. The noise of a sensor alone makes more. (A keyframe that repeats one of the last four to the bit stands
    /// still whatever this says: encoders that spend their bits in turns make two of one picture.)
    pub frozen_mean: f32,
    /// The same in the block that differs most, so that a running clock counts: 0 to 5, default 1.
    pub frozen_block: f32,
    /// Nothing arrives for so long, in milliseconds: 500 to 60,000, default 2,000.
    pub no_stream_ms: u32,
    /// The camera's clock differs from ours by more, in milliseconds: 100 to 86,400,000, default 2,000.
    pub clock_offset_ms: u32,
    /// No sound arrives, or nothing but digital silence, for so long, in milliseconds: 1,000 to 600,000, default 5,000.
    pub no_sound_ms: u32,
    /// Sound below this is silence, in dB below full scale: −120 to −40, default −75. G.711's smallest step is −72.
    pub silence_dbov: f32,
    /// The bit rate is off below this share of what it usually is: 0 to 1, default 0.2.
    pub bit_rate_low: f32,
    /// … and above this multiple: 1.2 to 100, default 3.
    pub bit_rate_high: f32,
    /// The frame rate is off by more than this share of what it usually is: 0.05 to 0.9, default 0.3.
    pub frame_rate_off: f32,
    /// What the frame rate should be, in pictures a second: 0.2 to 120; none (the default): what it was at first.
    pub frame_rate: Option<f32>,
    /// For how long a rate or a clock must be off before it is raised, and right before it is cleared, in milliseconds: 0 to
    /// 60,000, default 3,000.
    pub figures_hold_ms: u32,
}

impl Default for Thresholds {
    fn default() -> Self {
        Self {
            successive: 2,
            black_share: 0.82,
            white_share: 0.82,
            covered_share: 0.55,
            covered_luma: 110.0,
            blurred_ratio: 0.42,
            moved_share: 0.1,
            frozen_mean: 0.15,
            frozen_block: 1.0,
            no_stream_ms: 2_000,
            clock_offset_ms: 2_000,
            no_sound_ms: 5_000,
            silence_dbov: -75.0,
            bit_rate_low: 0.2,
            bit_rate_high: 3.0,
            frame_rate_off: 0.3,
            frame_rate: None,
            figures_hold_ms: 3_000,
        }
    }
}

/// A threshold outside of its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{name} is {value}; it must lie between {min} and {max}")]
pub struct ThresholdError {
    /// Which.
    pub name: &'static str,
    /// What it is.
    pub value: f64,
    /// The least.
    pub min: f64,
    /// The most.
    pub max: f64,
}

impl Thresholds {
    /// Checks every range.
    ///
    /// # Errors
    /// [`ThresholdError`] of the first that is outside.
    pub fn validate(&self) -> Result<(), ThresholdError> {
        let (f, n) = (|v: f32| f64::from(v), |v: u32| f64::from(v));
        let checks: [(&'static str, f64, RangeInclusive<f64>); 18] = [
            ("successive", n(u32::from(self.successive)), 1.0..=10.0),
            ("black_share", f(self.black_share), 0.5..=1.0),
            ("white_share", f(self.white_share), 0.5..=1.0),
            ("covered_share", f(self.covered_share), 0.4..=1.0),
            ("covered_luma", f(self.covered_luma), 40.0..=160.0),
            ("blurred_ratio", f(self.blurred_ratio), 0.1..=0.8),
            ("moved_share", f(self.moved_share), 0.05..=0.3),
            ("frozen_mean", f(self.frozen_mean), 0.0..=1.0),
            ("frozen_block", f(self.frozen_block), 0.0..=5.0),
            ("no_stream_ms", n(self.no_stream_ms), 500.0..=60_000.0),
            ("clock_offset_ms", n(self.clock_offset_ms), 100.0..=86_400_000.0),
            ("no_sound_ms", n(self.no_sound_ms), 1_000.0..=600_000.0),
            ("silence_dbov", f(self.silence_dbov), -120.0..=-40.0),
            ("bit_rate_low", f(self.bit_rate_low), 0.0..=1.0),
            ("bit_rate_high", f(self.bit_rate_high), 1.2..=100.0),
            ("frame_rate_off", f(self.frame_rate_off), 0.05..=0.9),
            ("frame_rate", f(self.frame_rate.unwrap_or(25.0)), 0.2..=120.0),
            ("figures_hold_ms", n(self.figures_hold_ms), 0.0..=60_000.0),
        ];
        // The decimals of a setting are not those of its float: a hair is allowed.
        let outside = |(_, v, r): &(_, f64, RangeInclusive<f64>)| !(*v >= r.start() - 1e-6 && *v <= r.end() + 1e-6);
        match checks.into_iter().find(outside) {
            Some((name, value, r)) => Err(ThresholdError { name, value, min: *r.start(), max: *r.end() }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_within_their_ranges_and_nonsense_is_named() {
        assert_eq!(Thresholds::default().validate(), Ok(()));
        let e = Thresholds { moved_share: 0.9, ..Thresholds::default() }.validate().unwrap_err();
        assert_eq!(e.name, "moved_share");
        assert!(Thresholds { black_share: f32::NAN, ..Thresholds::default() }.validate().is_err());
        let read: Thresholds = serde_json::from_str(r#"{"successive":3}"#).unwrap();
        assert_eq!(read, Thresholds { successive: 3, ..Thresholds::default() });
        assert!(serde_json::from_str::<Thresholds>(r#"{"sucessive":3}"#).is_err(), "a typing error is no default");
    }
}
