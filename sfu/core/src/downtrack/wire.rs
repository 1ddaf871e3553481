//! The bytes of an outgoing RTP header: RFC 3550 §5.1, one-byte extensions (RFC 8285 §4.2), padding. Not here: which numbers
//! go into it.

use super::{ExtensionIds, Stamp};
use crate::drop::DropReason;
use lectern_media::{PayloadType, Ssrc};

/// RTP header without extensions, and the extension profile's own header.
pub(super) const HEADER: usize = 12;
const EXTENSION_HEADER: usize = 4;
/// The most padding in one packet: the count is one byte and counts itself (RFC 3550 §5.1).
pub(super) const PADDING_MAX: usize = 255;

/// The extension block of a line: the same for every packet but for a few bytes, so that it is copied and patched.
#[derive(Debug)]
pub(super) struct Extensions {
    block: [u8; 36],
    len: usize,
    pub twcc_at: Option<usize>,
    abs_send_time_at: Option<usize>,
    audio_level_at: Option<usize>,
}

impl Extensions {
    pub fn new(ids: ExtensionIds, mid: Option<&str>) -> Self {
        let mut e = Self { block: [0; 36], len: 0, twcc_at: None, abs_send_time_at: None, audio_level_at: None };
        let mut at = EXTENSION_HEADER;
        // RFC 8285 §4.2: a nibble of id and a nibble of length less one.
        let mut element = |id: Option<u8>, value: &[u8]| {
            let id = id.filter(|id| (1..=14).contains(id) && !value.is_empty())?;
            e.block[at] = id << 4 | (value.len() - 1) as u8;
            e.block[at + 1..at + 1 + value.len()].copy_from_slice(value);
            at += 1 + value.len();
            Some(at - value.len())
        };
        e.twcc_at = element(ids.twcc, &[0; 2]);
        e.abs_send_time_at = element(ids.abs_send_time, &[0; 3]);
        // RFC 6464 §3: 127 is silence, for packets whose level is not known.
        e.audio_level_at = element(ids.audio_level, &[127]);
        let mid = mid.unwrap_or_default().as_bytes();
        element(ids.mid, &mid[..mid.len().min(16)]);
        if at > EXTENSION_HEADER {
            e.len = at.next_multiple_of(4);
            e.block[..2].copy_from_slice(&[0xbe, 0xde]);
            e.block[3] = ((e.len - EXTENSION_HEADER) / 4) as u8;
        }
        e
    }

    pub const fn len(&self) -> usize {
        self.len
    }

    pub fn put(&self, out: &mut [u8], at: usize, stamp: Stamp, level: Option<u8>) -> Result<usize, DropReason> {
        if self.len == 0 {
            return Ok(at);
        }
        let block = out.get_mut(at..at + self.len).ok_or(DropReason::TooLarge)?;
        block.copy_from_slice(&self.block[..self.len]);
        if let Some(i) = self.twcc_at {
            block[i..i + 2].copy_from_slice(&stamp.twcc.to_be_bytes());
        }
        if let Some(i) = self.abs_send_time_at {
            block[i..i + 3].copy_from_slice(&stamp.abs_send_time.to_be_bytes()[1..]);
        }
        if let (Some(i), Some(level)) = (self.audio_level_at, level) {
            block[i] = level;
        }
        out[0] |= 0x10;
        Ok(at + self.len)
    }
}

/// RFC 3550 §5.1, without padding, extension and contributing sources.
pub(super) fn put_header(
    out: &mut [u8],
    pt: PayloadType,
    marker: bool,
    seq: u16,
    timestamp: u32,
    ssrc: Ssrc,
) -> Result<usize, DropReason> {
    let h = out.first_chunk_mut::<HEADER>().ok_or(DropReason::TooLarge)?;
    h[0] = 0x80;
    h[1] = (pt.0 & 0x7f) | if marker { 0x80 } else { 0 };
    h[2..4].copy_from_slice(&seq.to_be_bytes());
    h[4..8].copy_from_slice(&timestamp.to_be_bytes());
    h[8..].copy_from_slice(&ssrc.0.to_be_bytes());
    Ok(HEADER)
}

pub(super) fn put_padding(out: &mut [u8], at: usize, pad: usize) -> Result<usize, DropReason> {
    if pad == 0 {
        return Ok(at);
    }
    let tail = out.get_mut(at..at + pad).ok_or(DropReason::TooLarge)?;
    tail.fill(0);
    tail[pad - 1] = pad as u8;
    out[0] |= 0x20;
    Ok(at + pad)
}
