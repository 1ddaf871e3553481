//! Which frame this is and when it was sent, carried in the encoded picture itself, so that it passes any server that
//! forwards without re-encoding. H.264: an SEI message with user data (ITU-T H.264 §D.1.7); VP8: bytes after the last
//! partition, which decoders don't read (RFC 6386 §9.5: the last partition is whatever is left).

const UUID: [u8; 16] = *b"LecternStamp#v01";
const TEXT_LEN: usize = 32;
/// NAL unit type 6: supplemental enhancement information.
const NAL_SEI: u8 = 6;
const SEI_USER_DATA: u8 = 5;

/// The note on a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    /// Number of the frame since the publisher began.
    pub frame: u32,
    /// Unix microseconds at which it was sent.
    pub sent_us: u64,
    /// Height of the layer in pixels.
    pub height: u16,
}

impl Stamp {
    /// As text: hexadecimal digits need no emulation prevention (§7.4.1), whatever the numbers.
    fn text(self) -> String {
        format!("{:08x} {:016x} {:04x}\n\n", self.frame, self.sent_us, self.height)
    }

    /// As an SEI NAL unit.
    pub fn sei(self) -> Vec<u8> {
        let mut nal = vec![NAL_SEI, SEI_USER_DATA, (UUID.len() + TEXT_LEN) as u8];
        nal.extend_from_slice(&self.trailer());
        nal.push(0x80); // rbsp_trailing_bits
        nal
    }

    /// As bytes to put after a VP8 frame.
    pub fn trailer(self) -> Vec<u8> {
        [&UUID, self.text().as_bytes()].concat()
    }

    /// Finds a stamp anywhere in a packet's payload.
    #[must_use]
    pub fn find(payload: &[u8]) -> Option<Self> {
        let at = payload.windows(UUID.len()).position(|w| w == UUID)?;
        let text = std::str::from_utf8(payload.get(at + UUID.len()..at + UUID.len() + TEXT_LEN)?).ok()?;
        let mut words = text.split_whitespace();
        Some(Self {
            frame: u32::from_str_radix(words.next()?, 16).ok()?,
            sent_us: u64::from_str_radix(words.next()?, 16).ok()?,
            height: u16::from_str_radix(words.next()?, 16).ok()?,
        })
    }
}

/// Unix microseconds now.
#[must_use]
pub fn now_us() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_micros() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stamps_are_found_again() {
        for stamp in [
            Stamp { frame: 0, sent_us: 0, height: 0 },
            Stamp { frame: u32::MAX, sent_us: u64::MAX, height: 720 },
            Stamp { frame: 77, sent_us: 1_763_000_000_000_000, height: 180 },
        ] {
            assert_eq!(stamp.text().len(), TEXT_LEN);
            assert_eq!(Stamp::find(&[&[9; 30], &stamp.sei()[..], &[1]].concat()), Some(stamp));
            assert_eq!(Stamp::find(&[&[9; 30], &stamp.trailer()[..]].concat()), Some(stamp));
            assert!(stamp.sei().windows(3).all(|w| w[..2] != [0, 0]), "no emulation prevention needed");
        }
        assert_eq!(Stamp::find(b"LecternStamp#v01 but nothing that follows it reads as one"), None);
        assert_eq!(Stamp::find(&UUID), None);
    }
}
