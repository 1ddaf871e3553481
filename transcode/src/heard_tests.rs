use super::*;
use crate::encode::{ALAW_PACKET, Alaw, alaw_value};
use std::{
    f64::consts::PI,
    process::{Command, Stdio},
};

/// Access units of a tone, as ffmpeg's encoder makes them, out of their ADTS frames (ISO/IEC 13818-7 §6.2).
fn tone(hz: u32, rate: u32, channels: u8, seconds: u32) -> Vec<Vec<u8>> {
    let source = format!("sine=frequency={hz}:sample_rate={rate}:duration={seconds}");
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", &source, "-af", "volume=4", "-ac", &channels.to_string()])
        .args(["-c:a", "aac", "-b:a", "64k", "-f", "adts", "-"])
        .stderr(Stdio::inherit())
        .output()
        .expect("ffmpeg is needed for this test");
    assert!(made.status.success());
    let (mut rest, mut units) = (&made.stdout[..], Vec::new());
    while rest.len() > 7 {
        let len = usize::from(rest[3] & 3) << 11 | usize::from(rest[4]) << 3 | usize::from(rest[5]) >> 5;
        units.push(rest[7..len].to_vec());
        rest = &rest[len..];
    }
    units
}

fn heard(rate: u32, channels: u8) -> Heard {
    Heard::new(AacFormat::new(rate, channels).unwrap(), Box::new(Alaw)).unwrap()
}

/// The time of a unit in ticks of 8 kHz, as a camera's clock of `rate` says it, over its wrap.
fn ticks(first: u32, n: u64, rate: u32) -> u32 {
    first.wrapping_add((n * 1024 * 8_000 / u64::from(rate)) as u32)
}

/// How strong a frequency is, as the amplitude of a sine (Goertzel's algorithm).
fn amplitude(samples: &[f64], hz: f64) -> f64 {
    let w = 2.0 * PI * hz / 8_000.0;
    let (mut re, mut im) = (0.0, 0.0);
    for (n, s) in samples.iter().enumerate() {
        re += s * (w * n as f64).cos();
        im += s * (w * n as f64).sin();
    }
    2.0 * re.hypot(im) / samples.len() as f64
}

#[test]
fn a_tone_comes_out_at_its_pitch_and_level_and_without_a_gap() {
    for (rate, channels) in [(8_000, 1), (16_000, 1), (22_050, 1), (32_000, 2), (44_100, 2), (48_000, 1), (48_000, 2)] {
        let first = u32::MAX - 4_000;
        let (mut made, mut samples, mut next) = (heard(rate, channels), Vec::new(), first);
        for (n, unit) in tone(1_000, rate, channels, 4).iter().enumerate() {
            let done = made.unit(ticks(first, n as u64, rate), unit);
            assert_eq!((done.verdict, done.fresh), (Verdict::Decoded, n == 0), "{rate} unit {n}");
            assert_eq!(done.timestamp, next, "{rate} unit {n}: times follow each other");
            assert_eq!(done.payload.len() % ALAW_PACKET, 0);
            next = next.wrapping_add(done.payload.len() as u32);
            samples.extend(done.payload.iter().map(|b| f64::from(alaw_value(*b)) / 32_768.0));
        }
        assert!(samples.len() > 31_000, "{rate}: {}", samples.len());
        // The encoder begins with silence.
        for (n, second) in samples[4_000..28_000].chunks(4_000).enumerate() {
            let (tone, off) = (amplitude(second, 1_000.0), amplitude(second, 1_130.0));
            // ffmpeg's sine has an eighth of the full scale, here made four times as loud; it puts half the power on each of
            // two channels.
            let want = if channels == 2 { 0.5f64 * 0.5f64.sqrt() } else { 0.5 };
            assert!((0.9 * want..1.1 * want).contains(&tone), "{rate}/{channels} half second {n}: {tone}");
            assert!(off < 0.01, "{rate}/{channels} half second {n}: {off}");
            // A gap of ten milliseconds would show as a stretch that is quieter.
            let quietest = second.chunks(80).map(|c| c.iter().map(|s| s.abs()).fold(0.0, f64::max)).fold(1.0, f64::min);
            assert!(quietest > 0.6 * want, "{rate}/{channels} half second {n}: {quietest}");
        }
    }
}

#[test]
fn a_lost_unit_moves_the_time_and_a_clock_that_jitters_does_not() {
    let units = tone(1_000, 16_000, 1, 1);
    let mut made = heard(16_000, 1);
    let mut out = Vec::new();
    // One unit is 512 ticks; the sixth is lost, the others are up to 20 ms off.
    for (n, unit) in units.iter().enumerate().take(10).filter(|(n, _)| *n != 5) {
        let jitter = [0, 160, 0, 150, 8, 0, 0, 100, 3, 0][n];
        let done = made.unit(512 * n as u32 + jitter, unit);
        out.push((n, done.fresh, done.timestamp));
    }
    let fresh: Vec<_> = out.iter().filter(|(_, fresh, _)| *fresh).map(|(n, _, at)| (*n, *at)).collect();
    assert_eq!(fresh, [(0, 0), (6, 3_072)]);
    assert!(out.windows(2).all(|w| w[0].2 < w[1].2), "{out:?}");
}

#[test]
fn what_can_t_be_decoded_is_silent_and_costs_no_time() {
    let units = tone(1_000, 16_000, 1, 1);
    let mut made = heard(16_000, 1);
    let mut verdicts = Vec::new();
    let mut bytes = 0;
    for (n, unit) in units.iter().enumerate().take(12) {
        let garbage = [0xff; 60];
        let done = made.unit(512 * n as u32, if n == 4 { &garbage } else { unit });
        assert_eq!((done.fresh, done.timestamp), (n == 0, bytes), "unit {n}");
        bytes += done.payload.len() as u32;
        verdicts.push(done.verdict);
    }
    let damaged: Vec<usize> = (0..12).filter(|n| verdicts[*n] == Verdict::Damaged).collect();
    assert_eq!(damaged, [4]);
}
