//! The lecture's sound: `espeak-ng` speaks the script, a 2 kHz beep of 50 ms stands at every whole second.

use super::lecture::{SLIDE_SECS, SLIDES};
use anyhow::{Context, Result, ensure};
use std::{io::Write, process::Command};

/// Samples per second, one channel.
pub const SAMPLE_RATE_HZ: u32 = 48_000;

const BEEP_HZ: f32 = 2000.0;
const BEEP_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 20;
const BEEP_LEVEL: f32 = 0.5;
const SPEECH_LEVEL: f32 = 0.45;
/// Speech begins this long after its slide, so that the first beep stands alone.
const SPEECH_AFTER_SAMPLES: usize = SAMPLE_RATE_HZ as usize / 4;

/// `secs` seconds of lecture as 16-bit samples.
///
/// # Errors
/// If `espeak-ng` is missing or says nothing.
pub fn soundtrack(secs: u32) -> Result<Vec<i16>> {
    let mut sound = vec![0f32; (secs * SAMPLE_RATE_HZ) as usize];
    let slide_len = (SLIDE_SECS * SAMPLE_RATE_HZ) as usize;
    let spoken = SLIDES.iter().map(|s| speak(s.speech)).collect::<Result<Vec<_>>>()?;
    for (n, slot) in sound.chunks_mut(slide_len).enumerate() {
        let text = &spoken[n % spoken.len()];
        for (to, from) in slot.iter_mut().skip(SPEECH_AFTER_SAMPLES).zip(text) {
            *to = from * SPEECH_LEVEL;
        }
    }
    for second in sound.chunks_mut(SAMPLE_RATE_HZ as usize) {
        for (i, to) in second.iter_mut().take(BEEP_SAMPLES).enumerate() {
            let angle = std::f32::consts::TAU * BEEP_HZ * i as f32 / SAMPLE_RATE_HZ as f32;
            *to = *to * 0.3 + angle.sin() * BEEP_LEVEL;
        }
    }
    Ok(sound.iter().map(|s| (s.clamp(-1.0, 1.0) * 32_767.0) as i16).collect())
}

/// One text as samples at [`SAMPLE_RATE_HZ`].
fn speak(text: &str) -> Result<Vec<f32>> {
    let out = Command::new("espeak-ng")
        .args(["-v", "cmn", "-s", "170", "--stdout", text])
        .output()
        .context("starting espeak-ng (package espeak-ng)")?;
    ensure!(out.status.success(), "espeak-ng failed: {}", String::from_utf8_lossy(&out.stderr));
    let (rate, samples) = read_wav(&out.stdout).context("espeak-ng gave no sound")?;
    ensure!(!samples.is_empty(), "espeak-ng said nothing; is its Mandarin voice (cmn) installed?");
    Ok(resample(&samples, rate))
}

/// Rate and samples of a 16-bit mono WAV file. A stream's sizes are unknown and written as huge: read to the end.
fn read_wav(bytes: &[u8]) -> Option<(u32, Vec<i16>)> {
    if bytes.get(..4)? != b"RIFF" {
        return None;
    }
    let (mut rest, mut rate) = (bytes.get(12..)?, None);
    loop {
        let (id, len) = (rest.get(..4)?, u32::from_le_bytes(rest.get(4..8)?.try_into().ok()?) as usize);
        let body = &rest[8..];
        match id {
            b"fmt " => rate = Some(u32::from_le_bytes(body.get(4..8)?.try_into().ok()?)),
            b"data" => {
                let data = &body[..len.min(body.len())];
                return Some((rate?, data.chunks_exact(2).map(|s| i16::from_le_bytes([s[0], s[1]])).collect()));
            }
            _ => {}
        }
        rest = body.get(len..)?;
    }
}

/// Linear interpolation: plenty for a test voice.
fn resample(samples: &[i16], rate: u32) -> Vec<f32> {
    let len = samples.len() as u64 * u64::from(SAMPLE_RATE_HZ) / u64::from(rate.max(1));
    (0..len)
        .map(|i| {
            let at = i as f64 * f64::from(rate) / f64::from(SAMPLE_RATE_HZ);
            let (n, part) = (at as usize, at.fract() as f32);
            let a = f32::from(samples[n.min(samples.len() - 1)]);
            let b = f32::from(samples[(n + 1).min(samples.len() - 1)]);
            (a + (b - a) * part) / 32_768.0
        })
        .collect()
}

/// Writes a mono 16-bit WAV file.
///
/// # Errors
/// What the writer says.
pub fn write_wav(out: &mut impl Write, samples: &[i16]) -> std::io::Result<()> {
    let data_len = samples.len() as u32 * 2;
    out.write_all(b"RIFF")?;
    out.write_all(&(36 + data_len).to_le_bytes())?;
    out.write_all(b"WAVEfmt ")?;
    out.write_all(&16u32.to_le_bytes())?;
    for word in [1u16, 1] {
        out.write_all(&word.to_le_bytes())?; // PCM, one channel
    }
    out.write_all(&SAMPLE_RATE_HZ.to_le_bytes())?;
    out.write_all(&(SAMPLE_RATE_HZ * 2).to_le_bytes())?;
    for word in [2u16, 16] {
        out.write_all(&word.to_le_bytes())?; // bytes per frame, bits per sample
    }
    out.write_all(b"data")?;
    out.write_all(&data_len.to_le_bytes())?;
    let bytes: Vec<u8> = samples.iter().flat_map(|s| s.to_le_bytes()).collect();
    out.write_all(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_beep_stands_at_every_second() {
        let sound = soundtrack(3).expect("espeak-ng");
        assert_eq!(sound.len(), 144_000);
        let energy = |from: usize| -> f64 {
            // Correlation with the beep's tone over 40 ms.
            let (mut re, mut im) = (0.0, 0.0);
            for (i, s) in sound[from..from + 1920].iter().enumerate() {
                let angle = std::f64::consts::TAU * 2000.0 * i as f64 / 48_000.0;
                re += f64::from(*s) * angle.cos();
                im += f64::from(*s) * angle.sin();
            }
            re.hypot(im)
        };
        for second in 0..3 {
            assert!(energy(second * 48_000) > 5.0 * energy(second * 48_000 + 4800), "second {second}");
        }
    }

    #[test]
    fn wav_round_trip() {
        let mut file = Vec::new();
        write_wav(&mut file, &[1, -2, 3]).unwrap();
        assert_eq!(read_wav(&file), Some((48_000, vec![1, -2, 3])));
        assert_eq!(read_wav(&file[..20]), None);
    }
}
