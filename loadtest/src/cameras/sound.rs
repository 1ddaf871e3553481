//! What a camera hears: a hum, footsteps and a tone on the second, and silence; as AAC-LC (16 kHz, one channel) or G.711
//! A-law (8 kHz), encoded once by `ffmpeg`.

use super::clips::part_of;
use anyhow::{Context, Result, bail, ensure};
use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

/// A whole number of AAC units and of A-law packets fits.
const LOOP_SECS: usize = 8;
/// Samples in an AAC-LC access unit.
const AAC_SAMPLES: u32 = 1024;
/// Samples in an A-law packet: 40 ms.
const PCMA_SAMPLES: u32 = 320;

/// How sound is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum SoundCodec {
    /// AAC-LC, RFC 3640.
    Aac,
    /// G.711 A-law, RFC 3551.
    Pcma,
    /// No sound.
    None,
}

impl SoundCodec {
    /// Samples a second.
    #[must_use]
    pub fn rate_hz(self) -> u32 {
        if self == Self::Aac { 16_000 } else { 8_000 }
    }

    /// Samples in a packet.
    #[must_use]
    pub fn samples(self) -> u32 {
        if self == Self::Aac { AAC_SAMPLES } else { PCMA_SAMPLES }
    }

    /// RTP payload type.
    #[must_use]
    pub fn payload_type(self) -> u8 {
        if self == Self::Aac { 97 } else { 8 }
    }
}

/// Encoded sound that goes round.
#[derive(Debug)]
pub struct Sound {
    /// How it is encoded.
    pub codec: SoundCodec,
    /// Units of the loop.
    units: Vec<Vec<u8>>,
    silence: Vec<u8>,
}

impl Sound {
    /// Has the sound at hand, encoding it if the directory lacks it; none if no sound is wanted.
    ///
    /// # Errors
    /// If `ffmpeg` is missing or fails.
    pub fn prepare(codec: SoundCodec, cache: &Path) -> Result<Option<Self>> {
        let ending = match codec {
            SoundCodec::Aac => "adts",
            SoundCodec::Pcma => "alaw",
            SoundCodec::None => return Ok(None),
        };
        let mut loops = Vec::new();
        for name in ["hum", "silence"] {
            let path = cache.join(format!("v1-{name}.{ending}"));
            if !path.exists() {
                encode(codec, name == "silence", &path)?;
            }
            let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            loops.push(match codec {
                SoundCodec::Aac => adts_units(&bytes)?,
                _ => bytes.chunks_exact(PCMA_SAMPLES as usize).map(<[u8]>::to_vec).collect(),
            });
        }
        let silence = loops.pop().and_then(|units| units.into_iter().nth(20)).context("no silence")?;
        let units = loops.pop().context("no sound")?;
        ensure!(units.len() > 100, "the sound is too short");
        Ok(Some(Self { codec, units, silence }))
    }

    /// The unit number `n`.
    #[must_use]
    pub fn unit(&self, n: u64, muted: bool) -> &[u8] {
        if muted { &self.silence } else { &self.units[(n % self.units.len() as u64) as usize] }
    }
}

fn encode(codec: SoundCodec, silent: bool, path: &Path) -> Result<()> {
    let rate = codec.rate_hz();
    let (coder, format): (&[&str], _) = match codec {
        SoundCodec::Aac => (&["-c:a", "aac", "-b:a", "32k", "-profile:a", "aac_low"], "adts"),
        _ => (&["-c:a", "pcm_alaw"], "alaw"),
    };
    let part = part_of(path);
    let mut ffmpeg = Command::new("ffmpeg")
        .args(["-hide_banner", "-loglevel", "error", "-y", "-f", "s16le", "-ac", "1", "-ar", &rate.to_string()])
        .args(["-i", "-"])
        .args(coder)
        .args(["-f", format])
        .arg(&part)
        .stdin(Stdio::piped())
        .spawn()
        .context("starting ffmpeg (package ffmpeg)")?;
    let samples: Vec<u8> = (0..rate * LOOP_SECS as u32).flat_map(|n| sample(n, rate, silent).to_le_bytes()).collect();
    ffmpeg.stdin.take().context("ffmpeg has no standard input")?.write_all(&samples)?;
    ensure!(ffmpeg.wait().context("waiting for ffmpeg")?.success(), "ffmpeg failed");
    fs::rename(&part, path).context("putting the sound in its place")
}

fn sample(n: u32, rate: u32, silent: bool) -> i16 {
    if silent {
        return 0;
    }
    let (second, at) = (n / rate, (n % rate) as f32 / rate as f32);
    let turn = std::f32::consts::TAU * n as f32 / rate as f32;
    let hum = (turn * 100.0).sin() * 500.0 + (turn * 237.0).sin() * 250.0;
    let step = if at % 0.55 < 0.03 { (turn * 70.0).sin() * 2500.0 } else { 0.0 };
    let tone = if at < 0.05 { (turn * if second == 0 { 1500.0 } else { 1000.0 }).sin() * 6000.0 } else { 0.0 };
    let hiss = (n.wrapping_mul(0x9e37_79b1) >> 16) as f32 / 65_536.0 * 300.0 - 150.0;
    (hum + step + tone + hiss) as i16
}

/// The raw access units of an ADTS stream (ISO/IEC 13818-7 §6.2).
fn adts_units(mut bytes: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut units = Vec::new();
    while !bytes.is_empty() {
        let [0xff, flags, _, a, b, c, ..] = *bytes else { bail!("no ADTS header") };
        let len = usize::from(a & 3) << 11 | usize::from(b) << 3 | usize::from(c) >> 5;
        let header = if flags & 1 == 1 { 7 } else { 9 };
        units.push(bytes.get(header..len).context("an ADTS frame is cut off")?.to_vec());
        bytes = &bytes[len..];
    }
    Ok(units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_is_encoded_once_and_goes_round() {
        let cache = tempfile::tempdir().expect("a directory");
        for codec in [SoundCodec::Aac, SoundCodec::Pcma] {
            let sound = Sound::prepare(codec, cache.path()).expect("encoded").expect("sound");
            let count = sound.units.len() as u64;
            assert_eq!(sound.unit(0, false), sound.unit(count, false));
            assert!(sound.unit(3, true).len() <= sound.unit(3, false).len());
        }
        assert!(Sound::prepare(SoundCodec::None, cache.path()).expect("nothing to do").is_none());
        assert!(adts_units(&[1, 2, 3]).is_err());
    }
}
