//! The raw file (invariant 11): NAL units that arrived and do not decode, because a packet of theirs or one before them is
//! missing. Appended in blocks, each covered by one record of the chain.
//!
//! A block is `"LRAW"`, its whole length in bytes (32 bits), and units. A unit is the length of what follows in bytes (32 bits), why it is here
//! (one byte: 0 packets of it are missing, 1 what it may refer to is missing, 2 its parameter sets are missing), its RTP timestamp
//! (64 bits, extended), its arrival in milliseconds since 1970 (64 bits), and its NAL units as received, each behind its length
//! (32 bits). Numbers are big-endian.

use bytes::Bytes;
use lectern_fmp4::depay::{AccessUnit, Broken, nals};
use lectern_media::{ExtTimestamp, UnixMillis};

const MAGIC: &[u8; 4] = b"LRAW";
/// Bytes of a unit before its NAL units, without its length.
const UNIT_HEAD: usize = 1 + 8 + 8;
/// No block is longer: a unit of the largest size fits, one more does not begin.
const BLOCK_BYTES_MAX: usize = 10 << 20;

/// A unit that does not decode.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawUnit {
    /// Why it does not.
    pub broken: Broken,
    /// Its RTP timestamp.
    pub timestamp: ExtTimestamp,
    /// When its first packet arrived.
    pub arrival: UnixMillis,
    /// Its NAL units as received, each behind its length in four bytes.
    pub data: Bytes,
}

impl RawUnit {
    /// Of a unit with a mark.
    pub(crate) fn new(unit: AccessUnit, broken: Broken) -> Self {
        Self { broken, timestamp: unit.timestamp, arrival: unit.arrival, data: unit.data }
    }

    /// Its NAL units.
    pub fn nals(&self) -> impl Iterator<Item = Bytes> + use<> {
        nals(self.data.clone())
    }
}

/// Writes a block; `units` is not empty.
pub(crate) fn block(units: &[RawUnit]) -> Vec<u8> {
    let len = 8 + units.iter().map(|u| 4 + UNIT_HEAD + u.data.len()).sum::<usize>();
    let mut out = Vec::with_capacity(len);
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&(len as u32).to_be_bytes());
    for u in units {
        out.extend_from_slice(&((UNIT_HEAD + u.data.len()) as u32).to_be_bytes());
        out.push(match u.broken {
            Broken::Incomplete => 0,
            Broken::AfterLoss => 1,
            Broken::NoConfig => 2,
        });
        out.extend_from_slice(&u.timestamp.0.to_be_bytes());
        out.extend_from_slice(&u.arrival.0.to_be_bytes());
        out.extend_from_slice(&u.data);
    }
    out
}

/// When the first unit of the whole block at the start of `bytes` arrived, and the block's length; `None` if there is none.
pub(crate) fn block_head(bytes: &[u8]) -> Option<(UnixMillis, usize)> {
    let (units, len) = parse_block(bytes)?;
    Some((units.first()?.arrival, len))
}

/// The units of the whole block at the start of `bytes`, and the block's length; `None` if there is none.
#[must_use]
pub fn parse_block(bytes: &[u8]) -> Option<(Vec<RawUnit>, usize)> {
    let len = u32::from_be_bytes(*bytes.strip_prefix(MAGIC)?.first_chunk()?) as usize;
    if !(8..=BLOCK_BYTES_MAX).contains(&len) {
        return None;
    }
    let mut rest = bytes.get(8..len)?;
    let mut units = Vec::new();
    while !rest.is_empty() {
        let unit_len = u32::from_be_bytes(*rest.first_chunk()?) as usize;
        let unit = rest.get(4..)?.get(..unit_len)?;
        let broken = match unit.first()? {
            0 => Broken::Incomplete,
            1 => Broken::AfterLoss,
            2 => Broken::NoConfig,
            _ => return None,
        };
        let number = |at: usize| Some(u64::from_be_bytes(*unit.get(at..)?.first_chunk()?));
        let (timestamp, arrival) = (ExtTimestamp(number(1)?), UnixMillis(number(9)? as i64));
        units.push(RawUnit { broken, timestamp, arrival, data: Bytes::copy_from_slice(unit.get(UNIT_HEAD..)?) });
        rest = &rest[4 + unit_len..];
    }
    (!units.is_empty()).then_some((units, len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(n: u8) -> RawUnit {
        let data = Bytes::from(vec![0, 0, 0, 2, n, n]);
        RawUnit { broken: Broken::AfterLoss, timestamp: ExtTimestamp(n.into()), arrival: UnixMillis(7), data }
    }

    #[test]
    fn a_block_reads_back_and_a_torn_one_does_not() {
        let units = [unit(1), unit(2)];
        let bytes = block(&units);
        assert_eq!(parse_block(&bytes), Some((units.to_vec(), bytes.len())));
        assert_eq!(units[1].nals().collect::<Vec<_>>(), [Bytes::from_static(&[2, 2])]);
        for n in 0..bytes.len() {
            assert_eq!(parse_block(&bytes[..n]), None, "{n}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_or_refused(mut bytes in prop::collection::vec(any::<u8>(), 0..200), magic: bool) {
            if magic && bytes.len() > 8 {
                bytes[..8].copy_from_slice(&[b'L', b'R', b'A', b'W', 0, 0, 0, 60]);
            }
            if let Some((units, len)) = parse_block(&bytes) {
                prop_assert_eq!(block(&units), &bytes[..len]);
            }
        }
    }
}
