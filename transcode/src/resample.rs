//! From the rate of a sound to that of its listeners: a low-pass filter of many phases, made once for a pair of rates.

use std::f64::consts::PI;

/// Everything up to here passes, as a share of half the lower rate: 3.4 of 4 kHz, what G.711 is made for.
const PASS: f64 = 0.85;
/// From here on nothing does: what lies between folds back above 3.8 kHz, where little is heard.
const STOP: f64 = 1.05;
/// How much weaker (dB) what is stopped comes out: less than the noise of A-law.
const STOP_DB: f64 = 70.0;

/// Changes the rate of one channel.
#[derive(Debug)]
pub(crate) struct Resampler {
    /// Output samples per `step` input samples.
    phases: usize,
    step: usize,
    /// Taps of each phase, one phase behind the other.
    taps: Vec<f32>,
    len: usize,
    held: Vec<f32>,
    /// Where the next output lies: in `held`, and between two of its samples.
    at: usize,
    phase: usize,
}

impl Resampler {
    /// From one rate to another, both 8 kHz to 96 kHz; at most 320 phases for the rates of AAC to 8 kHz, 80 KiB.
    pub(crate) fn new(from_hz: u32, to_hz: u32) -> Self {
        let gcd = gcd(from_hz, to_hz);
        let (phases, step) = ((to_hz / gcd) as usize, (from_hz / gcd) as usize);
        let (taps, len) = if from_hz == to_hz { (vec![1.0], 1) } else { filter(from_hz, to_hz, phases) };
        let mut made = Self { phases, step, taps, len, held: Vec::new(), at: 0, phase: 0 };
        made.restart();
        made
    }

    /// What follows does not continue what was.
    pub(crate) fn restart(&mut self) {
        self.held.clear();
        // The first sample that goes in is in the middle of the filter for the first that comes out: no delay.
        self.held.resize((self.len - 1) / 2, 0.0);
        (self.at, self.phase) = (0, 0);
    }

    /// Takes samples, appends what can be said after them.
    pub(crate) fn push(&mut self, samples: &[f32], out: &mut Vec<f32>) {
        self.held.extend_from_slice(samples);
        while let Some(window) = self.held.get(self.at..self.at + self.len) {
            let taps = &self.taps[self.phase * self.len..][..self.len];
            out.push(window.iter().zip(taps).map(|(s, t)| s * t).sum());
            self.phase += self.step;
            self.at += self.phase / self.phases;
            self.phase %= self.phases;
        }
        let done = self.at.min(self.held.len());
        self.held.drain(..done);
        self.at -= done;
    }
}

/// A windowed sinc (Kaiser's window and his formulas for its length and shape), each phase with a gain of one.
fn filter(from_hz: u32, to_hz: u32, phases: usize) -> (Vec<f32>, usize) {
    // In cycles per input sample.
    let lower = f64::from(from_hz.min(to_hz)) / 2.0 / f64::from(from_hz);
    let (width, cut) = (lower * (STOP - PASS), lower * (STOP + PASS) / 2.0);
    let len = ((STOP_DB - 7.95) / (2.285 * 2.0 * PI * width)).ceil() as usize | 1;
    let beta = 0.1102 * (STOP_DB - 8.7);
    let middle = (len / 2) as f64;
    let mut taps = Vec::with_capacity(phases * len);
    for phase in 0..phases {
        let shift = phase as f64 / phases as f64;
        let tap = |n: usize| {
            let t = n as f64 - middle - shift;
            let x = 2.0 * cut * t;
            let sinc = if x.abs() < 1e-9 { 1.0 } else { (PI * x).sin() / (PI * x) };
            let r = (t / (middle + 1.0)).clamp(-1.0, 1.0);
            sinc * bessel(beta * (1.0 - r * r).sqrt())
        };
        let row: Vec<f64> = (0..len).map(tap).collect();
        let sum: f64 = row.iter().sum();
        taps.extend(row.iter().map(|t| (t / sum) as f32));
    }
    (taps, len)
}

/// The modified Bessel function of the first kind, order zero, by its series.
fn bessel(x: f64) -> f64 {
    let (mut sum, mut term) = (1.0, 1.0);
    for n in 1..40 {
        term *= (x / 2.0 / f64::from(n)).powi(2);
        sum += term;
    }
    sum
}

fn gcd(a: u32, b: u32) -> u32 {
    if b == 0 { a } else { gcd(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sine(hz: f64, rate: u32, samples: usize) -> Vec<f32> {
        (0..samples).map(|n| (2.0 * PI * hz * n as f64 / f64::from(rate)).sin() as f32).collect()
    }

    fn level(samples: &[f32]) -> f64 {
        (samples.iter().map(|s| f64::from(*s).powi(2)).sum::<f64>() / samples.len() as f64 * 2.0).sqrt()
    }

    #[test]
    fn what_is_heard_passes_in_its_place_and_what_would_fold_back_is_stopped() {
        for rate in [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025] {
            for hz in [50.0, 1_000.0, 3_400.0] {
                let mut out = Vec::new();
                // In pieces, as units come.
                let mut made = Resampler::new(rate, 8_000);
                sine(hz, rate, rate as usize).chunks(1024).for_each(|piece| made.push(piece, &mut out));
                let want = sine(hz, 8_000, out.len());
                let edge = 200;
                let off = out[edge..].iter().zip(&want[edge..]).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                assert!(off < 0.01, "{hz} Hz of {rate}: off by {off}");
                assert!((7_950..=8_000).contains(&out.len()), "{rate}: {}", out.len());
            }
            for hz in [4_300.0, 5_000.0, 0.49 * f64::from(rate)] {
                let mut out = Vec::new();
                Resampler::new(rate, 8_000).push(&sine(hz, rate, rate as usize), &mut out);
                let left = 20.0 * level(&out[200..]).log10();
                assert!(left < -60.0, "{hz} Hz of {rate}: {left} dB");
            }
        }
    }

    #[test]
    fn the_same_rate_stays_as_it_is() {
        let (mut made, mut out) = (Resampler::new(8_000, 8_000), Vec::new());
        let samples = sine(1_000.0, 8_000, 1_000);
        made.push(&samples, &mut out);
        assert_eq!(out, samples);
    }

    #[test]
    fn nothing_of_before_is_heard_after_a_restart() {
        let mut made = Resampler::new(48_000, 8_000);
        made.push(&[1.0; 4_096], &mut Vec::new());
        made.restart();
        let mut out = Vec::new();
        made.push(&[0.0; 4_096], &mut out);
        assert!(out.iter().all(|s| *s == 0.0));
    }
}
