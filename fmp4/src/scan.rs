//! Reading back what we write, from files that may be torn or tampered with. Nothing here trusts a size.

use crate::{
    TrackConfig,
    config::{AacConfig, AvcConfig, HevcConfig, OpusConfig, Vp8Config},
    fragment::{FLAGS_DELTA, FLAGS_KEY, FragmentInfo, SampleInfo},
};

/// Why bytes are not what they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScanError {
    /// The bytes end inside a box: a torn tail, or more must be read.
    #[error("the bytes end inside a box")]
    Truncated,
    /// A box's size is impossible.
    #[error("a box has an impossible size")]
    BadSize,
    /// Another box than expected.
    #[error("found box {found:?} where {wanted:?} belongs")]
    Unexpected {
        /// What is there.
        found: [u8; 4],
        /// What belongs there.
        wanted: &'static str,
    },
    /// A box's content does not fit its type.
    #[error("the content of box {0:?} is malformed")]
    Malformed(&'static str),
    /// A sample entry that we don't write.
    #[error("unknown sample entry {0:?}")]
    UnknownCodec([u8; 4]),
}

/// The most bytes a `moof` may have: 500 ms of samples need far less.
pub const MOOF_BYTES_MAX: usize = 1 << 20;

/// The head of a box: type and whole length. The 64-bit form is refused, we never write it.
///
/// # Errors
/// [`ScanError::Truncated`] with fewer than eight bytes, [`ScanError::BadSize`] if the size is less than the header.
pub fn box_head(bytes: &[u8]) -> Result<([u8; 4], usize), ScanError> {
    let head: &[u8; 8] = bytes.first_chunk().ok_or(ScanError::Truncated)?;
    let size = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
    if size < 8 {
        return Err(ScanError::BadSize);
    }
    Ok(([head[4], head[5], head[6], head[7]], size))
}

/// The content of the first box, which must be whole and of type `kind`, and what follows it.
fn expect<'a>(bytes: &'a [u8], kind: &'static str) -> Result<(&'a [u8], &'a [u8]), ScanError> {
    let (found, size) = box_head(bytes)?;
    if found != kind.as_bytes() {
        return Err(ScanError::Unexpected { found, wanted: kind });
    }
    let (whole, rest) = bytes.split_at_checked(size).ok_or(ScanError::Truncated)?;
    Ok((&whole[8..], rest))
}

/// The content of the first child of type `kind`, whatever stands before it.
fn child<'a>(mut bytes: &'a [u8], kind: &'static str) -> Result<&'a [u8], ScanError> {
    loop {
        let (found, size) = box_head(bytes).map_err(|_| ScanError::Malformed(kind))?;
        let (whole, rest) = bytes.split_at_checked(size).ok_or(ScanError::Malformed(kind))?;
        if found == kind.as_bytes() {
            return Ok(&whole[8..]);
        }
        bytes = rest;
    }
}

/// Parses the init segment at the start of `bytes`: the configuration and the segment's length.
///
/// # Errors
/// [`ScanError`]; [`ScanError::Truncated`] if more bytes are needed.
pub fn parse_init(bytes: &[u8]) -> Result<(TrackConfig, usize), ScanError> {
    let (_, rest) = expect(bytes, "ftyp")?;
    let (moov, rest) = expect(rest, "moov")?;
    let mut at = moov;
    for kind in ["trak", "mdia", "minf", "stbl", "stsd"] {
        at = child(at, kind)?;
    }
    let entry = at.get(8..).ok_or(ScanError::Malformed("stsd"))?;
    let (kind, size) = box_head(entry)?;
    let entry = entry.get(8..size).ok_or(ScanError::Malformed("stsd"))?;
    // A visual sample entry has 78 bytes of fields before its children, an audio one 28.
    let children = |n: usize| entry.get(n..).ok_or(ScanError::Malformed("stsd"));
    let be16 = |at: usize| u16::from_be_bytes([entry[at], entry[at + 1]]);
    let config = match &kind {
        b"avc1" | b"avc3" => {
            let record = child(children(78)?, "avcC")?;
            let config = AvcConfig::parse_record(record).ok_or(ScanError::Malformed("avcC"))?;
            TrackConfig::Avc(AvcConfig { in_band: &kind == b"avc3", ..config })
        }
        b"hvc1" | b"hev1" => {
            let record = child(children(78)?, "hvcC")?;
            let in_band = &kind == b"hev1";
            TrackConfig::Hevc(HevcConfig::parse_record(record, in_band).ok_or(ScanError::Malformed("hvcC"))?)
        }
        b"mp4a" => {
            let record = child(children(28)?, "esds")?.get(4..).ok_or(ScanError::Malformed("esds"))?;
            TrackConfig::Aac(AacConfig::parse_record(record).ok_or(ScanError::Malformed("esds"))?)
        }
        b"alaw" => TrackConfig::Pcma,
        b"ulaw" => TrackConfig::Pcmu,
        b"vp08" => {
            child(children(78)?, "vpcC")?;
            TrackConfig::Vp8(Vp8Config { width: be16(24), height: be16(26) })
        }
        b"Opus" => {
            let record = child(children(28)?, "dOps")?;
            let channels = *record.get(1).filter(|_| record.len() >= 11).ok_or(ScanError::Malformed("dOps"))?;
            TrackConfig::Opus(OpusConfig { channels })
        }
        _ => return Err(ScanError::UnknownCodec(kind)),
    };
    Ok((config, bytes.len() - rest.len()))
}

/// How many bytes from the start of a fragment must be read to know it: up to and including the `mdat` header. `bytes` may be
/// short: then [`ScanError::Truncated`].
///
/// # Errors
/// [`ScanError`].
pub fn fragment_head_len(bytes: &[u8]) -> Result<usize, ScanError> {
    let (kind, styp) = box_head(bytes)?;
    if &kind != b"styp" {
        return Err(ScanError::Unexpected { found: kind, wanted: "styp" });
    }
    if styp > 64 {
        return Err(ScanError::BadSize);
    }
    let (kind, moof) = box_head(bytes.get(styp..).ok_or(ScanError::Truncated)?)?;
    if &kind != b"moof" {
        return Err(ScanError::Unexpected { found: kind, wanted: "moof" });
    }
    if moof > MOOF_BYTES_MAX {
        return Err(ScanError::BadSize);
    }
    Ok(styp + moof + 8)
}

/// Parses a whole fragment at the start of `bytes`.
///
/// # Errors
/// [`ScanError`]; [`ScanError::Truncated`] if it is torn.
pub fn parse_fragment(bytes: &[u8]) -> Result<FragmentInfo, ScanError> {
    let info = parse_fragment_head(bytes)?;
    if bytes.len() < info.len { Err(ScanError::Truncated) } else { Ok(info) }
}

/// Parses a fragment of which at least [`fragment_head_len`] bytes are there; [`FragmentInfo::len`] tells where it should end.
///
/// # Errors
/// [`ScanError`].
pub fn parse_fragment_head(bytes: &[u8]) -> Result<FragmentInfo, ScanError> {
    let data_offset = fragment_head_len(bytes)?;
    let (_, rest) = expect(bytes, "styp")?;
    let moof_at = bytes.len() - rest.len();
    let (moof, rest) = expect(rest, "moof")?;
    let (kind, mdat) = box_head(rest)?;
    if &kind != b"mdat" {
        return Err(ScanError::Unexpected { found: kind, wanted: "mdat" });
    }
    let mfhd = child(moof, "mfhd")?;
    let traf = child(moof, "traf")?;
    let sequence = Fields::full(mfhd, "mfhd").2.u32()?;
    let (_, flags, mut tfhd) = Fields::full(child(traf, "tfhd")?, "tfhd");
    if flags != 0x02_0028 {
        return Err(ScanError::Malformed("tfhd"));
    }
    tfhd.u32()?;
    let (default_duration, default_flags) = (tfhd.u32()?, tfhd.u32()?);
    let (version, _, mut tfdt) = Fields::full(child(traf, "tfdt")?, "tfdt");
    if version != 1 {
        return Err(ScanError::Malformed("tfdt"));
    }
    let dts = tfdt.u64()?;
    let (version, flags, mut trun) = Fields::full(child(traf, "trun")?, "trun");
    let in_order = flags & 0x800 == 0;
    if flags & !0xf00 != 0x001 || flags & 0x200 == 0 || version != u8::from(!in_order) {
        return Err(ScanError::Malformed("trun"));
    }
    let count = trun.u32()? as usize;
    let offset = trun.u32()? as usize;
    // Each sample takes four bytes here at least, so the count can't outgrow the box.
    if count == 0 || count > trun.rest.len() / 4 || moof_at + offset != data_offset {
        return Err(ScanError::Malformed("trun"));
    }
    let mut samples = Vec::with_capacity(count);
    for _ in 0..count {
        let duration = if flags & 0x100 != 0 { trun.u32()? } else { default_duration };
        let size = trun.u32()?;
        let keyframe = match if flags & 0x400 != 0 { trun.u32()? } else { default_flags } {
            FLAGS_KEY => true,
            FLAGS_DELTA => false,
            _ => return Err(ScanError::Malformed("trun")),
        };
        let composition = if in_order { 0 } else { trun.u32()?.cast_signed() };
        samples.push(SampleInfo { duration, size, keyframe, composition });
    }
    let payload: u64 = samples.iter().map(|s| u64::from(s.size)).sum();
    if !trun.rest.is_empty() || payload + 8 != mdat as u64 {
        return Err(ScanError::Malformed("trun"));
    }
    Ok(FragmentInfo { sequence, dts, samples, data_offset, len: data_offset + mdat - 8 })
}

/// Sets the duration of the last sample of the fragment at the start of `head` (at least its head must be there), so that a
/// still picture lasts until the next fragment. Returns the rewritten head: `styp`, `moof` and the `mdat` header; the samples' bytes follow
/// unchanged.
///
/// # Errors
/// [`ScanError`].
pub fn extend_last_sample(head: &[u8], duration: u32) -> Result<Vec<u8>, ScanError> {
    let mut info = parse_fragment_head(head)?;
    if let Some(last) = info.samples.last_mut() {
        last.duration = duration;
    }
    Ok(crate::fragment::head(info.sequence, info.dts, &info.samples))
}

struct Fields<'a> {
    rest: &'a [u8],
    of: &'static str,
}

impl<'a> Fields<'a> {
    /// Version, flags and the fields after them; all zero if the box is too short (then the fields are empty and fail).
    fn full(content: &'a [u8], of: &'static str) -> (u8, u32, Self) {
        match content.split_first_chunk::<4>() {
            Some((v, rest)) => (v[0], u32::from_be_bytes([0, v[1], v[2], v[3]]), Self { rest, of }),
            None => (0, 0, Self { rest: &[], of }),
        }
    }

    fn u32(&mut self) -> Result<u32, ScanError> {
        let (head, rest) = self.rest.split_first_chunk::<4>().ok_or(ScanError::Malformed(self.of))?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*head))
    }

    fn u64(&mut self) -> Result<u64, ScanError> {
        Ok(u64::from(self.u32()?) << 32 | u64::from(self.u32()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Sample, fragment::fragment};

    fn samples(n: usize, uneven: bool, delta: bool) -> Vec<Sample> {
        (0..n)
            .map(|i| Sample {
                duration: if uneven { 3000 + i as u32 } else { 3000 },
                keyframe: !delta || i == 0,
                composition: if uneven { 500 - 1000 * i as i32 } else { 0 },
                data: vec![i as u8; i + 1].into(),
            })
            .collect()
    }

    #[test]
    fn a_torn_fragment_is_truncated_at_every_byte() {
        let bytes = fragment(1, 77, &samples(5, true, true));
        for n in 0..bytes.len() {
            assert_eq!(parse_fragment(&bytes[..n]), Err(ScanError::Truncated), "{n} of {} bytes", bytes.len());
        }
        assert!(parse_fragment(&bytes).is_ok());
    }

    #[test]
    fn a_still_picture_is_extended_and_nothing_else_changes() {
        for (n, uneven, delta) in
            [(1, false, false), (1, false, true), (5, false, true), (5, true, true), (5, true, false)]
        {
            let bytes = fragment(1, 77, &samples(n, uneven, delta));
            let info = parse_fragment(&bytes).unwrap();
            let mut out = extend_last_sample(&bytes[..info.data_offset], 123_456).unwrap();
            out.extend_from_slice(&bytes[info.data_offset..]);
            let mut want = info.clone();
            want.samples[n - 1].duration = 123_456;
            let got = parse_fragment(&out).unwrap();
            assert_eq!((got.samples, got.dts, got.sequence), (want.samples, want.dts, want.sequence));
            assert_eq!(out[got.data_offset..], bytes[info.data_offset..]);
        }
    }
}
