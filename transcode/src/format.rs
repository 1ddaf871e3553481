//! What a decoder must know of a sound before it starts. Not here: how a camera tells it (fmp4's `AacConfig`).

/// Sampling rates of AAC that are taken (ISO/IEC 14496-3 table 1.18, without 7,350).
const RATES: [u32; 12] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000];

/// AAC-LC in access units of 1,024 samples, one or two channels: what can be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct AacFormat {
    rate: u32,
    channels: u8,
}

impl AacFormat {
    /// Samples of each channel in an access unit.
    pub const FRAME: u32 = 1024;

    /// `None`: the decoder can't take it.
    #[must_use]
    pub fn new(rate_hz: u32, channels: u8) -> Option<Self> {
        (RATES.contains(&rate_hz) && (1..=2).contains(&channels)).then_some(Self { rate: rate_hz, channels })
    }

    /// Samples per second.
    #[must_use]
    pub const fn rate_hz(self) -> u32 {
        self.rate
    }

    /// 1 or 2.
    #[must_use]
    pub const fn channels(self) -> u8 {
        self.channels
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_decoder_has_no_tables_for_is_refused() {
        // (rate, channels, taken)
        for (rate, channels, want) in [
            (16_000, 1, true),
            (48_000, 2, true),
            (8_000, 1, true),
            (48_000, 6, false),
            (48_000, 0, false),
            (7_350, 1, false),
            (0, 1, false),
        ] {
            assert_eq!(AacFormat::new(rate, channels).is_some(), want, "{rate} {channels}");
        }
    }
}
