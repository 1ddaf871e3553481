//! The AudioSpecificConfig of AAC (ISO/IEC 14496-3 §1.6.2.1) and the `esds` box around it (ISO/IEC 14496-14 §5.6).

use super::bits::BitReader;
use bytes::Bytes;

/// Sampling rates by index (ISO/IEC 14496-3 table 1.18).
const RATES: [u32; 13] =
    [96_000, 88_200, 64_000, 48_000, 44_100, 32_000, 24_000, 22_050, 16_000, 12_000, 11_025, 8_000, 7_350];

/// The longest AudioSpecificConfig that is taken; those of AAC-LC have two to five bytes.
pub const CONFIG_BYTES_MAX: usize = 64;

/// The configuration of an AAC-LC track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AacConfig {
    /// The AudioSpecificConfig as it was told.
    pub specific: Bytes,
    /// Samples per second.
    pub rate: u32,
    /// Channels: 1 to 6, or 8.
    pub channels: u8,
    /// Samples of each channel in an access unit: 1024 or 960.
    pub frame: u32,
}

impl AacConfig {
    /// Parses an AudioSpecificConfig; `None` if it is not AAC-LC, cut short, or out of range.
    #[must_use]
    pub fn new(specific: &[u8]) -> Option<Self> {
        const LOW_COMPLEXITY: u64 = 2;
        if specific.len() > CONFIG_BYTES_MAX {
            return None;
        }
        let mut r = BitReader::new(specific);
        if r.bits(5)? != LOW_COMPLEXITY {
            return None;
        }
        let rate = match r.bits(4)? {
            15 => u32::try_from(r.bits(24)?).ok()?,
            index => *RATES.get(index as usize)?,
        };
        let channels = match r.bits(4)? {
            n @ 1..=6 => n as u8,
            7 => 8,
            _ => return None,
        };
        let frame = if r.bit()? { 960 } else { 1024 };
        // The sample entry's rate is 16 bits; beyond 96 kHz is no AAC-LC.
        (7_000..=96_000).contains(&rate).then(|| Self {
            specific: Bytes::copy_from_slice(specific),
            rate,
            channels,
            frame,
        })
    }

    /// `mp4a.40.2` (RFC 6381 §3.3).
    #[must_use]
    pub fn rfc6381(&self) -> String {
        "mp4a.40.2".into()
    }

    /// The content of the `esds` full box: an ES descriptor, in it the decoder's, in it the AudioSpecificConfig.
    #[must_use]
    pub fn record(&self) -> Vec<u8> {
        let n = self.specific.len() as u8;
        // ES_Descriptor: id 0, no flags.
        let mut out = vec![3, 3 + 2 + 13 + 2 + n + 3, 0, 0, 0];
        // DecoderConfigDescriptor: MPEG-4 audio (0x40), audio stream (5), no buffer size and no rates told.
        out.extend([4, 13 + 2 + n, 0x40, 5 << 2 | 1]);
        out.extend([0; 11]);
        out.extend([5, n]);
        out.extend_from_slice(&self.specific);
        // SLConfigDescriptor: as MP4 wants it.
        out.extend([6, 1, 2]);
        out
    }

    /// Parses the content of an `esds` full box as we write it.
    #[must_use]
    pub fn parse_record(record: &[u8]) -> Option<Self> {
        let n = usize::from(*record.get(21)?);
        let config = Self::new(record.get(22..22 + n)?)?;
        (config.record() == record).then_some(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_cameras_announce() {
        type Case = (&'static [u8], Option<(u32, u8, u32)>);
        // (config in SDP, rate, channels, frame)
        let cases: &[Case] = &[
            (&[0x12, 0x10], Some((44_100, 2, 1024))),
            (&[0x14, 0x08], Some((16_000, 1, 1024))),
            (&[0x11, 0x88], Some((48_000, 1, 1024))),
            (&[0x15, 0x88], Some((8_000, 1, 1024))),
            (&[0x14, 0x0c], Some((16_000, 1, 960))),
            (&[0x2b, 0x8a, 0x08, 0x00], None), // HE-AAC
            (&[0x12], None),
            (&[0x17, 0x88], None), // a rate that is reserved
            (&[0x14, 0x00], None), // channels told elsewhere
            (&[], None),
        ];
        for (config, want) in cases {
            let got = AacConfig::new(config).map(|c| (c.rate, c.channels, c.frame));
            assert_eq!(got, *want, "{config:x?}");
        }
    }

    #[test]
    fn the_record_reads_back() {
        let config = AacConfig::new(&[0x14, 0x08, 0x56, 0xe5]).unwrap();
        assert_eq!(AacConfig::parse_record(&config.record()), Some(config));
    }
}
