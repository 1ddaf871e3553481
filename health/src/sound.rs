//! How loud G.711 is: enough to tell a dead microphone from a quiet room. Not here: any other codec.

use lectern_media::Codec;

/// The loudness of one packet's samples in dB below full scale, −127 for digital silence; `None` for codecs that would have
/// to be decoded, and for nothing at all.
#[must_use]
pub fn level_dbov(codec: Codec, payload: &[u8]) -> Option<f32> {
    let linear: fn(u8) -> i32 = match codec {
        Codec::Pcma => a_law,
        Codec::Pcmu => mu_law,
        _ => return None,
    };
    if payload.is_empty() {
        return None;
    }
    // What a constant level does not carry is no sound: A-law has no zero.
    let mean = payload.iter().map(|b| f64::from(linear(*b))).sum::<f64>() / payload.len() as f64;
    let power = payload.iter().map(|b| (f64::from(linear(*b)) - mean).powi(2)).sum::<f64>() / payload.len() as f64;
    Some((10.0 * (power / f64::from(1u32 << 30)).log10()).max(-127.0) as f32)
}

/// One sample of A-law (ITU-T G.711 table 1), as 16 bits.
fn a_law(byte: u8) -> i32 {
    let b = byte ^ 0x55;
    let (exponent, mantissa) = (b >> 4 & 7, i32::from(b & 0x0f));
    let magnitude = match exponent {
        0 => (mantissa << 4) + 8,
        e => ((mantissa << 4) + 0x108) << (e - 1),
    };
    if b & 0x80 != 0 { magnitude } else { -magnitude }
}

/// One sample of µ-law (ITU-T G.711 table 2), as 16 bits.
fn mu_law(byte: u8) -> i32 {
    let b = !byte;
    let magnitude = (((i32::from(b & 0x0f) << 3) + 0x84) << (b >> 4 & 7)) - 0x84;
    if b & 0x80 != 0 { -magnitude } else { magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_and_sound_are_told_apart() {
        for (codec, silence) in [(Codec::Pcma, 0xd5), (Codec::Pcmu, 0xff)] {
            assert_eq!(level_dbov(codec, &[silence; 160]), Some(-127.0), "{codec:?}");
            let hiss: Vec<u8> = (0..160).map(|i| silence ^ ((i % 2) as u8 * 0x80)).collect();
            assert!(level_dbov(codec, &hiss).unwrap() < -70.0 || codec == Codec::Pcmu);
            let loud: Vec<u8> = (0..160).map(|i| if i % 8 < 4 { 0x2a ^ 0x80 } else { 0x2a }).collect();
            assert!(level_dbov(codec, &loud).unwrap() > -30.0, "{codec:?}");
        }
        assert_eq!(level_dbov(Codec::Aac, &[1, 2, 3]), None);
        assert_eq!(level_dbov(Codec::Pcma, &[]), None);
        assert_eq!((a_law(0xd5), a_law(0x55), a_law(0xaa), mu_law(0xff), mu_law(0x80)), (8, -8, 32_256, 0, 32_124));
    }
}
