//! H.264 parameter sets (ITU-T H.264 §7.3.2) and the `avcC` record (ISO/IEC 14496-15 §5.3.3).

use super::bits::{BitReader, unescape};
use bytes::Bytes;

/// NAL unit types that matter here (H.264 table 7-1).
pub mod nal {
    /// A slice of a picture that is not an IDR picture.
    pub const SLICE: u8 = 1;
    /// A slice of an IDR picture.
    pub const IDR: u8 = 5;
    /// Supplemental enhancement information.
    pub const SEI: u8 = 6;
    /// Sequence parameter set.
    pub const SPS: u8 = 7;
    /// Picture parameter set.
    pub const PPS: u8 = 8;
    /// Access unit delimiter.
    pub const AUD: u8 = 9;
    /// End of sequence.
    pub const END_SEQUENCE: u8 = 10;
    /// End of stream.
    pub const END_STREAM: u8 = 11;
    /// Filler data.
    pub const FILLER: u8 = 12;
    /// The type of a NAL unit.
    #[must_use]
    pub const fn kind(header: u8) -> u8 {
        header & 0x1f
    }
}

/// How many parameter sets of a kind `avcC` holds at most here; the format's own limit for SPS is 31.
pub const PARAMETER_SETS_MAX: usize = 16;

/// No stream reorders more pictures (§E.2.1, `MaxDpbFrames`).
pub const REORDER_MAX: u8 = 16;

/// Parameter sets and what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AvcConfig {
    /// Sequence parameter sets, in order of id.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, in order of id.
    pub pps: Vec<Bytes>,
    /// Width in pixels after cropping.
    pub width: u16,
    /// Height in pixels after cropping.
    pub height: u16,
    /// Samples hold parameter sets, too: the sample entry is `avc3` instead of `avc1` (ISO/IEC 14496-15 §5.4.2).
    pub in_band: bool,
}

impl AvcConfig {
    /// The configuration of these parameter sets; `None` if there is no SPS or PPS, or the first SPS can't be parsed.
    #[must_use]
    pub fn new(sps: Vec<Bytes>, pps: Vec<Bytes>) -> Option<Self> {
        if pps.is_empty() || sps.len() > PARAMETER_SETS_MAX || pps.len() > PARAMETER_SETS_MAX {
            return None;
        }
        let fits = |set: &Bytes| u16::try_from(set.len()).is_ok();
        if !sps.iter().chain(&pps).all(fits) {
            return None;
        }
        let Sps { width, height, .. } = Sps::parse(sps.first()?)?;
        Some(Self { sps, pps, width, height, in_band: false })
    }

    /// `avc1.PPCCLL` (`avc3…` with parameter sets in the samples): profile, constraints, level in hexadecimal (RFC 6381 §3.3).
    #[must_use]
    pub fn rfc6381(&self) -> String {
        let s = &self.sps[0];
        let entry = if self.in_band { "avc3" } else { "avc1" };
        format!("{entry}.{:02x}{:02x}{:02x}", s[1], s[2], s[3])
    }

    /// The content of the `avcC` box.
    #[must_use]
    pub fn record(&self) -> Vec<u8> {
        let first = &self.sps[0];
        // Version 1, profile, constraints, level, 4-byte lengths (low two bits 3), number of SPS.
        let mut out = vec![1, first[1], first[2], first[3], 0xff, 0xe0 | self.sps.len() as u8];
        let set = |out: &mut Vec<u8>, nal: &Bytes| {
            out.extend((nal.len() as u16).to_be_bytes());
            out.extend_from_slice(nal);
        };
        self.sps.iter().for_each(|s| set(&mut out, s));
        out.push(self.pps.len() as u8);
        self.pps.iter().for_each(|p| set(&mut out, p));
        if let Some(sps) = Sps::parse(first).filter(|s| s.high_profile) {
            // §5.3.3.1.2: chroma format and bit depths follow for profiles 100, 110, 122, 144.
            out.extend([0xfc | sps.chroma_format, 0xf8 | sps.depth_luma_minus8, 0xf8 | sps.depth_chroma_minus8, 0]);
        }
        out
    }

    /// How many pictures at most come before one that is shown before them, as far as every SPS tells.
    #[must_use]
    pub fn reorder_max(&self) -> Option<u8> {
        self.sps.iter().map(|s| Sps::parse(s)?.reorder_max).try_fold(0, |most, n| Some(n?.max(most)))
    }

    /// The parameter sets as they go in front of a keyframe in a sample, with four-byte lengths.
    #[must_use]
    pub fn in_band(&self) -> Vec<u8> {
        let set = |nal: &Bytes| [&(nal.len() as u32).to_be_bytes()[..], nal].concat();
        self.sps.iter().chain(&self.pps).flat_map(set).collect()
    }

    /// Parses the content of an `avcC` box.
    #[must_use]
    pub fn parse_record(record: &[u8]) -> Option<Self> {
        let (head, mut rest) = record.split_at_checked(6)?;
        if head[0] != 1 || head[4] & 3 != 3 {
            return None;
        }
        let mut sets = |n: u8| -> Option<Vec<Bytes>> {
            (0..n)
                .map(|_| {
                    let (len, tail) = rest.split_at_checked(2)?;
                    let (set, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes([len[0], len[1]])))?;
                    rest = tail;
                    Some(Bytes::copy_from_slice(set))
                })
                .collect()
        };
        let sps = sets(head[5] & 0x1f)?;
        let (&n, tail) = rest.split_first()?;
        rest = tail;
        let mut sets = |n: u8| -> Option<Vec<Bytes>> {
            (0..n)
                .map(|_| {
                    let (len, tail) = rest.split_at_checked(2)?;
                    let (set, tail) = tail.split_at_checked(usize::from(u16::from_be_bytes([len[0], len[1]])))?;
                    rest = tail;
                    Some(Bytes::copy_from_slice(set))
                })
                .collect()
        };
        let pps = sets(n)?;
        Self::new(sps, pps)
    }
}

/// What we need of a sequence parameter set (H.264 §7.3.2.1.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sps {
    /// `seq_parameter_set_id`, 0 to 31.
    pub id: u8,
    /// Width in pixels after cropping.
    pub width: u16,
    /// Height in pixels after cropping.
    pub height: u16,
    /// How many pictures at most come before one that is shown before them: none where the profile or the order count rules
    /// it out, else as the VUI says (`max_num_reorder_frames`); `None` if nothing says it.
    pub reorder_max: Option<u8>,
    high_profile: bool,
    chroma_format: u8,
    depth_luma_minus8: u8,
    depth_chroma_minus8: u8,
}

impl Sps {
    /// Parses a NAL unit of type 7 (with its header byte). `None` if it is cut short or out of range.
    #[must_use]
    pub fn parse(nal_unit: &[u8]) -> Option<Self> {
        if nal_unit.len() < 5 || nal::kind(nal_unit[0]) != nal::SPS {
            return None;
        }
        let rbsp = unescape(&nal_unit[1..]);
        let profile = rbsp[0];
        let mut r = BitReader::new(rbsp.get(3..)?);
        let id = u8::try_from(r.ue()?).ok().filter(|id| *id < 32)?;
        let mut sps = Self {
            id,
            width: 0,
            height: 0,
            reorder_max: None,
            high_profile: matches!(profile, 100 | 110 | 122 | 144),
            chroma_format: 1,
            depth_luma_minus8: 0,
            depth_chroma_minus8: 0,
        };
        let mut separate_planes = false;
        if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
            sps.chroma_format = u8::try_from(r.ue()?).ok().filter(|c| *c <= 3)?;
            separate_planes = sps.chroma_format == 3 && r.bit()?;
            sps.depth_luma_minus8 = u8::try_from(r.ue()?).ok().filter(|d| *d <= 6)?;
            sps.depth_chroma_minus8 = u8::try_from(r.ue()?).ok().filter(|d| *d <= 6)?;
            r.bit()?;
            if r.bit()? {
                for i in 0..if sps.chroma_format == 3 { 12 } else { 8 } {
                    if r.bit()? {
                        skip_scaling_list(&mut r, if i < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        r.ue()?; // log2_max_frame_num_minus4
        let order = r.ue()?;
        match order {
            0 => _ = r.ue()?,
            1 => {
                r.bit()?;
                r.se()?;
                r.se()?;
                let n = r.ue()?;
                if n > 255 {
                    return None;
                }
                for _ in 0..n {
                    r.se()?;
                }
            }
            2 => {}
            _ => return None,
        }
        r.ue()?; // max_num_ref_frames
        r.bit()?; // gaps_in_frame_num_value_allowed_flag
        let (mbs_wide, map_units_high) = (r.ue()?.checked_add(1)?, r.ue()?.checked_add(1)?);
        let frame_mbs_only = r.bit()?;
        if !frame_mbs_only {
            r.bit()?;
        }
        r.bit()?; // direct_8x8_inference_flag
        let mut crop = [0u32; 4];
        if r.bit()? {
            for c in &mut crop {
                *c = r.ue()?;
            }
        }
        // §7.4.2.1.1: cropping counts in chroma samples, twice that vertically in field coding.
        let field = if frame_mbs_only { 1 } else { 2 };
        let (unit_x, unit_y) = match (sps.chroma_format, separate_planes) {
            (1, _) => (2, 2 * field),
            (2, _) => (2, field),
            _ => (1, field),
        };
        let size = |units: u32, unit: u32, a: u32, b: u32| -> Option<u16> {
            let cropped = unit.checked_mul(a.checked_add(b)?)?;
            u16::try_from(units.checked_mul(16)?.checked_sub(cropped)?).ok().filter(|s| *s > 0)
        };
        sps.width = size(mbs_wide, unit_x, crop[0], crop[1])?;
        sps.height = size(map_units_high.checked_mul(field)?, unit_y, crop[2], crop[3])?;
        sps.reorder_max = match (profile, order) {
            // §A.2.1: no B slices; §8.2.1.3: shown in the order of decoding.
            (66, _) | (_, 2) => Some(0),
            _ => reorder_of_vui(&mut r),
        };
        Some(sps)
    }
}

/// `max_num_reorder_frames` of the VUI (§E.1.1) that begins here; `None` if it is not told, or cut short.
fn reorder_of_vui(r: &mut BitReader<'_>) -> Option<u8> {
    if !r.bit()? {
        return None;
    }
    // aspect_ratio_info: Extended_SAR has the ratio behind it.
    if r.bit()? && r.bits(8)? == 255 {
        r.bits(32)?;
    }
    if r.bit()? {
        r.bit()?; // overscan_appropriate_flag
    }
    if r.bit()? {
        r.bits(4)?; // video_format, video_full_range_flag
        if r.bit()? {
            r.bits(24)?;
        }
    }
    if r.bit()? {
        r.ue()?; // chroma_sample_loc_type of both fields
        r.ue()?;
    }
    if r.bit()? {
        r.bits(64)?; // timing_info
        r.bit()?;
    }
    let nal_hrd = r.bit()?;
    if nal_hrd {
        skip_hrd(r)?;
    }
    let vcl_hrd = r.bit()?;
    if vcl_hrd {
        skip_hrd(r)?;
    }
    if nal_hrd || vcl_hrd {
        r.bit()?; // low_delay_hrd_flag
    }
    r.bit()?; // pic_struct_present_flag
    if !r.bit()? {
        return None;
    }
    r.bit()?; // motion_vectors_over_pic_boundaries_flag
    for _ in 0..4 {
        r.ue()?; // bytes of a picture, bits of a macroblock, lengths of vectors
    }
    u8::try_from(r.ue()?).ok().filter(|n| *n <= REORDER_MAX)
}

/// `hrd_parameters()` (§E.1.2).
fn skip_hrd(r: &mut BitReader<'_>) -> Option<()> {
    let count = r.ue()?;
    if count > 31 {
        return None;
    }
    r.bits(8)?;
    for _ in 0..=count {
        r.ue()?;
        r.ue()?;
        r.bit()?;
    }
    r.bits(20)?;
    Some(())
}

/// The id of a picture parameter set (NAL unit of type 8 with its header byte).
#[must_use]
pub fn pps_id(nal_unit: &[u8]) -> Option<u8> {
    let rbsp = unescape(nal_unit.get(1..nal_unit.len().min(12))?);
    u8::try_from(BitReader::new(&rbsp).ue()?).ok()
}

/// Whether this slice (types 1 and 5, with header byte) is the first of its picture: `first_mb_in_slice` is 0.
#[must_use]
pub fn starts_picture(nal_unit: &[u8]) -> bool {
    // ue(v) of 0 is the single bit 1.
    nal_unit.get(1).is_some_and(|b| b & 0x80 != 0)
}

/// Whether this slice (types 1, 2 and 5, with header byte) is predicted from two pictures, one of which may be shown later:
/// `slice_type` is 1 or 6 (§7.4.3).
#[must_use]
pub fn is_b_slice(nal_unit: &[u8]) -> bool {
    let head = nal_unit.get(1..nal_unit.len().min(16)).map(unescape).unwrap_or_default();
    let mut r = BitReader::new(&head);
    r.ue().and_then(|_first_mb| r.ue()).is_some_and(|kind| kind % 5 == 1)
}

fn skip_scaling_list(r: &mut BitReader<'_>, size: u32) -> Option<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            next = (last.wrapping_add(r.se()?)) & 0xff;
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(s: &str) -> Vec<u8> {
        (0..s.len()).step_by(2).map(|i| u8::from_str_radix(&s[i..i + 2], 16).unwrap()).collect()
    }

    #[test]
    fn reads_sizes_as_encoders_write_them() {
        // (who wrote it, SPS, width, height)
        let cases = [
            ("x264 constrained baseline 1280x720", "6742c01fda014016ec0440000003004000000f03c60ca8", 1280, 720),
            (
                "x264 high 1920x1080, cropped from 1088",
                "67640028acd940780227e5c044000003000400000300f03c60c658",
                1920,
                1080,
            ),
        ];
        for (who, sps, w, h) in cases {
            let sps = Sps::parse(&hex(sps)).unwrap_or_else(|| panic!("{who} parses"));
            assert_eq!((sps.width, sps.height), (w, h), "{who}");
        }
    }

    #[test]
    fn reads_how_far_pictures_are_reordered() {
        // (who wrote it, SPS, how many pictures)
        let cases = [
            ("baseline", "6742c01fda014016ec0440000003004000000f03c60ca8", Some(0)),
            ("x264 high as it is by itself", "67640028acd940780227e5c044000003000400000300f03c60c658", Some(2)),
            ("x264 main, bframes=2", "674d400de880a0fd80880000030008000003019078a14890", Some(1)),
            (
                "x264 high, bframes=3, b-pyramid",
                "6764000dacd94141fb01100000030010000003032602001e840007a12928c01e28532c",
                Some(2),
            ),
            ("the same, cut behind its timing", "6764000dacd94141fb0110000003001000", None),
        ];
        for (who, sps, want) in cases {
            assert_eq!(Sps::parse(&hex(sps)).unwrap_or_else(|| panic!("{who} parses")).reorder_max, want, "{who}");
        }
    }

    #[test]
    fn the_record_reads_back() {
        let sps = Bytes::from(hex("6742c01fda014016ec0440000003004000000f03c60ca8"));
        let config = AvcConfig::new(vec![sps], vec![Bytes::from_static(&[0x68, 0xce, 0x3c, 0x80])]).unwrap();
        assert_eq!(AvcConfig::parse_record(&config.record()), Some(config.clone()));
        assert_eq!(config.rfc6381(), "avc1.42c01f");
    }

    #[test]
    fn refuses_a_cut_parameter_set() {
        let sps = hex("6742c01fda014016ec0440000003004000000f03c60ca8");
        for n in 0..9 {
            assert_eq!(Sps::parse(&sps[..n]), None, "{n} bytes");
        }
    }
}
