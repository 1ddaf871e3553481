//! A borrowed view of an RTP packet (RFC 3550 §5.1) and the numbers in it, as types.

use std::fmt;

/// A synchronisation source (RFC 3550 §5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ssrc(pub u32);

/// An RTP payload type, 0 to 127.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PayloadType(pub u8);

/// A sequence number extended to 64 bits at the door; it wraps nowhere else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtSeq(pub u64);

impl ExtSeq {
    /// The 16 bits that go on the wire.
    #[must_use]
    pub const fn wire(self) -> u16 {
        self.0 as u16
    }

    /// The extended number nearest to `self` whose low 16 bits are `wire` (RFC 3711 §3.3.1 estimates the same way).
    #[must_use]
    pub const fn extend(self, wire: u16) -> Self {
        let delta = wire.wrapping_sub(self.0 as u16) as i16 as i64;
        match self.0.checked_add_signed(delta) {
            Some(n) => Self(n),
            None => Self(self.0.wrapping_add_signed(delta + 0x1_0000)),
        }
    }
}

/// An RTP timestamp extended to 64 bits at the door; it wraps nowhere else.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExtTimestamp(pub u64);

impl ExtTimestamp {
    /// The 32 bits that go on the wire.
    #[must_use]
    pub const fn wire(self) -> u32 {
        self.0 as u32
    }

    /// The extended timestamp nearest to `self` whose low 32 bits are `wire`.
    #[must_use]
    pub const fn extend(self, wire: u32) -> Self {
        let delta = wire.wrapping_sub(self.0 as u32) as i32 as i64;
        match self.0.checked_add_signed(delta) {
            Some(n) => Self(n),
            None => Self(self.0.wrapping_add_signed(delta + 0x1_0000_0000)),
        }
    }
}

/// Why bytes are not an RTP packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtpError {
    /// Fewer bytes than the header announces.
    #[error("the packet ends inside its header")]
    Truncated,
    /// The version is not 2.
    #[error("RTP version is not 2")]
    Version,
    /// The padding count is zero or larger than the payload.
    #[error("the padding count does not fit the packet")]
    Padding,
}

/// A parsed RTP packet that borrows its bytes.
#[derive(Clone, Copy)]
pub struct RtpView<'a> {
    buf: &'a [u8],
    ext: (u16, usize, usize),
    payload: (usize, usize),
}

impl<'a> RtpView<'a> {
    /// The length of a header without CSRCs and extensions, in bytes.
    pub const HEADER_LEN_BYTES: usize = 12;

    /// Parses `buf` as one clear-text RTP packet.
    ///
    /// # Errors
    /// [`RtpError`] if the header does not fit the bytes.
    pub fn parse(buf: &'a [u8]) -> Result<Self, RtpError> {
        let mut view = Self::parse_header(buf)?;
        if buf[0] & 0x20 != 0 {
            let pad = usize::from(*buf.last().ok_or(RtpError::Truncated)?);
            if pad == 0 || view.payload.0 + pad > buf.len() {
                return Err(RtpError::Padding);
            }
            view.payload.1 = buf.len() - pad;
        }
        Ok(view)
    }

    /// Parses the header only: for SRTP packets, whose padding count is still encrypted.
    ///
    /// # Errors
    /// [`RtpError`] if the header does not fit the bytes.
    pub fn parse_header(buf: &'a [u8]) -> Result<Self, RtpError> {
        if buf.len() < Self::HEADER_LEN_BYTES {
            return Err(RtpError::Truncated);
        }
        if buf[0] >> 6 != 2 {
            return Err(RtpError::Version);
        }
        let mut at = Self::HEADER_LEN_BYTES + 4 * usize::from(buf[0] & 0x0f);
        let mut ext = (0, at, at);
        if buf[0] & 0x10 != 0 {
            let head = buf.get(at..at + 4).ok_or(RtpError::Truncated)?;
            let len = 4 * usize::from(u16::from_be_bytes([head[2], head[3]]));
            ext = (u16::from_be_bytes([head[0], head[1]]), at + 4, at + 4 + len);
            at += 4 + len;
        }
        if at > buf.len() {
            return Err(RtpError::Truncated);
        }
        Ok(Self { buf, ext, payload: (at, buf.len()) })
    }

    /// Whether this is the last packet of a frame (video) or the first after silence (audio).
    #[must_use]
    pub fn marker(&self) -> bool {
        self.buf[1] & 0x80 != 0
    }

    /// The payload type.
    #[must_use]
    pub fn payload_type(&self) -> PayloadType {
        PayloadType(self.buf[1] & 0x7f)
    }

    /// The sequence number as on the wire.
    #[must_use]
    pub fn seq(&self) -> u16 {
        u16::from_be_bytes([self.buf[2], self.buf[3]])
    }

    /// The timestamp as on the wire.
    #[must_use]
    pub fn timestamp(&self) -> u32 {
        u32::from_be_bytes([self.buf[4], self.buf[5], self.buf[6], self.buf[7]])
    }

    /// The synchronisation source.
    #[must_use]
    pub fn ssrc(&self) -> Ssrc {
        Ssrc(u32::from_be_bytes([self.buf[8], self.buf[9], self.buf[10], self.buf[11]]))
    }

    /// The header's length in bytes: the payload starts there.
    #[must_use]
    pub fn header_len_bytes(&self) -> usize {
        self.payload.0
    }

    /// The payload without padding. Empty for a padding-only packet.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        &self.buf[self.payload.0..self.payload.1]
    }

    /// The header extension elements (RFC 8285, one-byte and two-byte form), as (id, data). Stops at malformed bytes.
    pub fn extensions(&self) -> impl Iterator<Item = (u8, &'a [u8])> + use<'a> {
        let (profile, start, end) = self.ext;
        let mut rest = &self.buf[start..end];
        std::iter::from_fn(move || {
            loop {
                let (&first, tail) = rest.split_first()?;
                if first == 0 {
                    rest = tail;
                    continue;
                }
                let (id, len, data) = match profile {
                    // RFC 8285 §4.2: id 15 is reserved and ends the list; the length is stored less one.
                    0xbede if first >> 4 == 15 => return None,
                    0xbede => (first >> 4, usize::from(first & 0x0f) + 1, tail),
                    p if p & 0xfff0 == 0x1000 => {
                        let (&len, data) = tail.split_first()?;
                        (first, usize::from(len), data)
                    }
                    _ => return None,
                };
                let value = data.get(..len)?;
                rest = &data[len..];
                return Some((id, value));
            }
        })
    }

    /// The data of the extension element `id`, if present.
    #[must_use]
    pub fn extension(&self, id: u8) -> Option<&'a [u8]> {
        self.extensions().find(|(i, _)| *i == id).map(|(_, data)| data)
    }
}

impl fmt::Debug for RtpView<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RtpView")
            .field("ssrc", &self.ssrc().0)
            .field("seq", &self.seq())
            .field("timestamp", &self.timestamp())
            .field("pt", &self.payload_type().0)
            .field("marker", &self.marker())
            .field("payload_len", &self.payload().len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_extend_to_the_nearest() {
        for (last, wire, want) in [
            (10u64, 11u16, 11u64),
            (0xffff, 0, 0x1_0000),
            (0x1_0000, 0xffff, 0xffff),
            (0x1_0005, 3, 0x1_0003),
            (5, 0xfffe, 0xfffe), // before zero there is nothing: taken as ahead
        ] {
            assert_eq!(ExtSeq(last).extend(wire), ExtSeq(want), "last {last:#x}, wire {wire:#x}");
        }
    }

    #[test]
    fn reads_header_extensions_and_padding() {
        let mut p = vec![0xb0, 0xe0, 0, 7, 0, 0, 0, 9, 1, 2, 3, 4, 0xbe, 0xde, 0, 1, 0x30, b'q', 0, 0];
        p.extend_from_slice(&[5, 6, 7, 0, 2]);
        let v = RtpView::parse(&p).unwrap();
        assert!(v.marker());
        assert_eq!((v.seq(), v.timestamp(), v.payload_type()), (7, 9, PayloadType(96)));
        assert_eq!(v.extension(3), Some(&b"q"[..]));
        assert_eq!(v.payload(), &[5, 6, 7]);
    }

    #[test]
    fn refuses_what_does_not_fit() {
        assert_eq!(RtpView::parse(&[0x80; 11]).unwrap_err(), RtpError::Truncated);
        assert_eq!(RtpView::parse(&[0x40; 12]).unwrap_err(), RtpError::Version);
        assert_eq!(RtpView::parse(&[0x8f; 12]).unwrap_err(), RtpError::Truncated);
        assert_eq!(RtpView::parse(&[0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9]).unwrap_err(), RtpError::Padding);
    }
}
