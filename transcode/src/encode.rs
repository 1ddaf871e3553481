//! One channel of samples → payloads that browsers take. Another encoder (Opus) is another [`Encoder`].

/// What makes payloads of samples.
pub trait Encoder: Send {
    /// Samples per second that it takes; the RTP clock counts in them.
    fn rate_hz(&self) -> u32;
    /// Samples in a payload.
    fn packet_samples(&self) -> usize;
    /// Appends the payload of [`Encoder::packet_samples`] samples between −1 and 1.
    fn packet(&mut self, samples: &[f32], out: &mut Vec<u8>);
}

/// G.711 A-law at 8 kHz in packets of 20 ms (RFC 3551 §4.5.14).
#[derive(Debug, Default)]
pub struct Alaw;

/// Bytes in a packet of [`Alaw`]; one is a sample, and a tick of the clock.
pub const ALAW_PACKET: usize = 160;

impl Encoder for Alaw {
    fn rate_hz(&self) -> u32 {
        8_000
    }

    fn packet_samples(&self) -> usize {
        ALAW_PACKET
    }

    fn packet(&mut self, samples: &[f32], out: &mut Vec<u8>) {
        out.extend(samples.iter().map(|s| alaw((s * 32_768.0).clamp(-32_768.0, 32_767.0) as i16)));
    }
}

/// ITU-T G.711 table 1: sign, three bits of segment, four of step; even bits inverted.
fn alaw(sample: i16) -> u8 {
    // A negative sample is told by its distance below −1: both signs have the same steps.
    let (sign, magnitude) = if sample >= 0 { (0x80, sample as u16) } else { (0, !sample as u16) };
    // 13 bits with the sign, 12 of magnitude.
    let steps = magnitude >> 4;
    let segment = (16 - steps.leading_zeros()).saturating_sub(4).min(7) as u16;
    let step = if segment == 0 { steps } else { steps >> (segment - 1) } & 0x0f;
    (sign | (segment << 4) as u8 | step as u8) ^ 0x55
}

/// The value that a receiver makes of a byte of A-law, 16 bits (ITU-T G.711 table 1).
#[must_use]
pub fn alaw_value(byte: u8) -> i16 {
    let code = byte ^ 0x55;
    let (segment, step) = (i32::from(code >> 4 & 7), i32::from(code & 15));
    let magnitude = if segment == 0 { (step << 4) + 8 } else { ((step << 4) + 264) << (segment - 1) };
    (if code & 0x80 == 0 { -magnitude } else { magnitude }) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_reads_back_as_itself() {
        for byte in 0..=255u8 {
            assert_eq!(alaw(alaw_value(byte)), byte, "{byte:02x} is {}", alaw_value(byte));
        }
    }

    #[test]
    fn a_sample_is_off_by_half_a_step_at_most() {
        for sample in i16::MIN..=i16::MAX {
            let off = (i32::from(alaw_value(alaw(sample))) - i32::from(sample)).abs();
            let magnitude = i32::from(sample).abs();
            // Steps are 16 up to 512, and double with each segment.
            let half = if magnitude < 512 { 8 } else { 8 << (31 - (magnitude as u32).leading_zeros() - 8) };
            assert!(off <= half, "{sample}: {off} > {half}");
        }
        assert_eq!((alaw(0), alaw(-1), alaw(i16::MAX), alaw(i16::MIN)), (0xd5, 0x55, 0xaa, 0x2a));
    }
}
