//! The VP8 frame header (RFC 6386 §9.1) and the `vpcC` record (VP codec ISO media binding §2.2).

/// What a VP8 key frame says of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp8Config {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
}

/// Whether the frame that starts with these bytes is a key frame (RFC 6386 §9.1: the lowest bit is 0).
#[must_use]
pub fn is_keyframe(frame: &[u8]) -> bool {
    frame.first().is_some_and(|b| b & 1 == 0)
}

impl Vp8Config {
    /// Parses the start of a key frame; `None` if it isn't one or is cut short.
    #[must_use]
    pub fn parse(frame: &[u8]) -> Option<Self> {
        let head = frame.get(..10)?;
        if !is_keyframe(head) || head[3..6] != [0x9d, 0x01, 0x2a] {
            return None;
        }
        // The upper two bits of each are a scaling hint.
        let dimension = |a: u8, b: u8| u16::from_le_bytes([a, b]) & 0x3fff;
        let (width, height) = (dimension(head[6], head[7]), dimension(head[8], head[9]));
        (width > 0 && height > 0).then_some(Self { width, height })
    }

    /// Level 3.1 says "up to 720p30"; a decoder takes it as a hint only.
    const LEVEL: u8 = 31;

    /// `vp08.PP.LL.DD`: profile 0, level, 8 bit.
    #[must_use]
    pub fn rfc6381(&self) -> String {
        format!("vp08.00.{:02}.08", Self::LEVEL)
    }

    /// The content of the `vpcC` full box after version (1) and flags.
    #[must_use]
    pub fn record(&self) -> [u8; 8] {
        // Profile, level, 8 bit | 4:2:0 colocated | limited range; unspecified primaries, transfer, matrix; no initialisation data.
        [0, Self::LEVEL, 8 << 4 | 1 << 1, 2, 2, 2, 0, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_the_size_of_a_key_frame_and_refuses_others() {
        let key = [0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 0x42, 0xe0, 0x01];
        assert_eq!(Vp8Config::parse(&key), Some(Vp8Config { width: 640, height: 480 }), "scaling bits are not size");
        assert_eq!(Vp8Config::parse(&key[..9]), None);
        assert_eq!(Vp8Config::parse(&[0x11, 0, 0, 0x9d, 0x01, 0x2a, 0x80, 2, 0xe0, 1]), None, "an inter frame");
    }
}
