//! One sound that is heard: units with their time in, payloads with theirs out, without gaps as long as the units have none.

use crate::{
    decode::Decoder,
    encode::Encoder,
    format::AacFormat,
    resample::Resampler,
    wire::{PAYLOAD_LEN_MAX, Verdict},
};

/// A unit whose time is off by more than this (s) does not continue the one before. Below it what was decoded is counted: the
/// timestamps of cameras jump by some milliseconds.
const OFF_MAX_S: f64 = 0.04;

/// A sound with its decoder, filter and encoder.
pub struct Heard {
    format: AacFormat,
    decoder: Decoder,
    resampler: Resampler,
    encoder: Box<dyn Encoder>,
    /// The time of the first unit since the last gap, and samples decoded since.
    since: Option<(u32, u64)>,
    /// The time of the next sample that goes out.
    next: u32,
    decoded: Vec<f32>,
    /// Samples that don't fill a packet yet.
    waiting: Vec<f32>,
}

/// What became of a unit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Done {
    /// Whether it could be decoded.
    pub verdict: Verdict,
    /// What came before does not continue here.
    pub fresh: bool,
    /// The time of the first sample of `payload`.
    pub timestamp: u32,
    /// Whole packets behind each other; may be empty.
    pub payload: Vec<u8>,
}

impl Heard {
    /// `None` if the decoder refuses the format.
    #[must_use]
    pub fn new(format: AacFormat, encoder: Box<dyn Encoder>) -> Option<Self> {
        Some(Self {
            format,
            decoder: Decoder::new(format)?,
            resampler: Resampler::new(format.rate_hz(), encoder.rate_hz()),
            encoder,
            since: None,
            next: 0,
            decoded: Vec::new(),
            waiting: Vec::new(),
        })
    }

    /// What it is made for.
    #[must_use]
    pub fn format(&self) -> AacFormat {
        self.format
    }

    /// Takes the next unit. `timestamp`: of its first sample, in ticks of the encoder's rate.
    pub fn unit(&mut self, timestamp: u32, unit: &[u8]) -> Done {
        let (rate, to) = (u64::from(self.format.rate_hz()), u64::from(self.encoder.rate_hz()));
        let off_max = (OFF_MAX_S * to as f64) as u32;
        let expected = self.since.map(|(first, samples)| first.wrapping_add((samples * to / rate) as u32));
        let goes_on = expected.is_some_and(|e| (timestamp.wrapping_sub(e) as i32).unsigned_abs() <= off_max);
        if !goes_on {
            self.decoder.restart();
            self.resampler.restart();
            self.waiting.clear();
            self.since = Some((timestamp, 0));
            self.next = timestamp;
        }
        self.decoded.clear();
        let verdict = if self.decoder.unit(unit, &mut self.decoded) {
            Verdict::Decoded
        } else {
            // Time goes on in silence.
            self.decoded.resize(AacFormat::FRAME as usize, 0.0);
            Verdict::Damaged
        };
        if let Some((_, samples)) = &mut self.since {
            *samples += u64::from(AacFormat::FRAME);
        }
        self.resampler.push(&self.decoded, &mut self.waiting);
        let size = self.encoder.packet_samples();
        let (mut payload, mut sent) = (Vec::new(), 0);
        for packet in self.waiting.chunks_exact(size) {
            if payload.len() + size > PAYLOAD_LEN_MAX {
                break;
            }
            self.encoder.packet(packet, &mut payload);
            sent += size;
        }
        self.waiting.drain(..sent);
        let timestamp = self.next;
        self.next = self.next.wrapping_add(sent as u32);
        Done { verdict, fresh: !goes_on, timestamp, payload }
    }
}

#[cfg(test)]
#[path = "heard_tests.rs"]
mod tests;
