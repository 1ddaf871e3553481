//! H.265 parameter sets (ITU-T H.265 §7.3.2) and the `hvcC` record (ISO/IEC 14496-15 §8.3.3).

use super::bits::{BitReader, unescape};
use bytes::Bytes;

/// NAL unit types that matter here (H.265 table 7-1).
pub mod nal {
    /// The first type of pictures from which decoding can start (BLA, IDR, CRA).
    pub const IRAP_FIRST: u8 = 16;
    /// The last of them.
    pub const IRAP_LAST: u8 = 23;
    /// The last type of slices.
    pub const VCL_LAST: u8 = 31;
    /// Video parameter set.
    pub const VPS: u8 = 32;
    /// Sequence parameter set.
    pub const SPS: u8 = 33;
    /// Picture parameter set.
    pub const PPS: u8 = 34;
    /// Access unit delimiter.
    pub const AUD: u8 = 35;
    /// End of sequence.
    pub const END_SEQUENCE: u8 = 36;
    /// End of bitstream.
    pub const END_STREAM: u8 = 37;
    /// Filler data.
    pub const FILLER: u8 = 38;
    /// Supplemental enhancement information before the picture.
    pub const PREFIX_SEI: u8 = 39;

    /// The type of a NAL unit, from the first byte of its header (§7.3.1.2).
    #[must_use]
    pub const fn kind(header: u8) -> u8 {
        header >> 1 & 0x3f
    }

    /// Whether decoding can start at a slice of this type.
    #[must_use]
    pub const fn is_irap(kind: u8) -> bool {
        kind >= IRAP_FIRST && kind <= IRAP_LAST
    }
}

/// How many parameter sets of a kind `hvcC` holds at most here.
pub const PARAMETER_SETS_MAX: usize = 16;

/// Parameter sets and what they say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HevcConfig {
    /// Video parameter sets, in order of id.
    pub vps: Vec<Bytes>,
    /// Sequence parameter sets, in order of id.
    pub sps: Vec<Bytes>,
    /// Picture parameter sets, in order of id.
    pub pps: Vec<Bytes>,
    /// Width in pixels within the conformance window.
    pub width: u16,
    /// Height in pixels within the conformance window.
    pub height: u16,
    /// Samples hold parameter sets, too: the sample entry is `hev1` instead of `hvc1` (ISO/IEC 14496-15 §8.4.1).
    pub in_band: bool,
}

impl HevcConfig {
    /// The configuration of these parameter sets; `None` if a kind is missing, or the first SPS can't be parsed.
    #[must_use]
    pub fn new(vps: Vec<Bytes>, sps: Vec<Bytes>, pps: Vec<Bytes>) -> Option<Self> {
        let fits = |set: &Bytes| set.len() > 2 && u16::try_from(set.len()).is_ok();
        let all = [&vps, &sps, &pps];
        if all.iter().any(|sets| sets.is_empty() || sets.len() > PARAMETER_SETS_MAX || !sets.iter().all(fits)) {
            return None;
        }
        let Sps { width, height, .. } = Sps::parse(sps.first()?)?;
        Some(Self { vps, sps, pps, width, height, in_band: false })
    }

    fn first_sps(&self) -> Sps {
        Sps::parse(&self.sps[0]).expect("parsed when the configuration was made")
    }

    /// The `codecs` parameter (ISO/IEC 14496-15 annex E.3): `hvc1.1.6.L93.B0`, `hev1…` with parameter sets in the samples.
    #[must_use]
    pub fn rfc6381(&self) -> String {
        let profile = self.first_sps().profile;
        let entry = if self.in_band { "hev1" } else { "hvc1" };
        let space = ["", "A", "B", "C"][usize::from(profile.space)];
        let tier = if profile.high_tier { 'H' } else { 'L' };
        let compatible = profile.compatibility.reverse_bits();
        let constraints = profile.constraints.to_be_bytes();
        let used = constraints[2..].iter().rposition(|b| *b != 0).map_or(0, |last| last + 1);
        let tail: String = constraints[2..2 + used].iter().map(|b| format!(".{b:X}")).collect();
        format!("{entry}.{space}{}.{compatible:X}.{tier}{}{tail}", profile.idc, profile.level)
    }

    /// The content of the `hvcC` box.
    #[must_use]
    pub fn record(&self) -> Vec<u8> {
        let sps = self.first_sps();
        let p = sps.profile;
        let mut out = vec![1, p.space << 6 | u8::from(p.high_tier) << 5 | p.idc];
        out.extend(p.compatibility.to_be_bytes());
        out.extend(&p.constraints.to_be_bytes()[2..]);
        // Level; no minimal segmentation; parallelism unknown; chroma format; bit depths; no frame rate told.
        out.extend([p.level, 0xf0, 0, 0xfc, 0xfc | sps.chroma_format]);
        out.extend([0xf8 | sps.depth_luma_minus8, 0xf8 | sps.depth_chroma_minus8, 0, 0]);
        // Layers, nesting, and 4-byte lengths (low two bits 3); three arrays.
        out.extend([(sps.sub_layers & 7) << 3 | u8::from(sps.nested) << 2 | 3, 3]);
        for (kind, sets) in [(nal::VPS, &self.vps), (nal::SPS, &self.sps), (nal::PPS, &self.pps)] {
            // The highest bit: all sets of this kind are here and none in the samples.
            out.push(u8::from(!self.in_band) << 7 | kind);
            out.extend((sets.len() as u16).to_be_bytes());
            for set in sets {
                out.extend((set.len() as u16).to_be_bytes());
                out.extend_from_slice(set);
            }
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
        self.vps.iter().chain(&self.sps).chain(&self.pps).flat_map(set).collect()
    }

    /// Parses the content of an `hvcC` box as we write it: lengths of four bytes, arrays of VPS, SPS and PPS.
    #[must_use]
    pub fn parse_record(record: &[u8], in_band: bool) -> Option<Self> {
        let (head, mut rest) = record.split_at_checked(23)?;
        if head[0] != 1 || head[21] & 3 != 3 {
            return None;
        }
        let mut take = |n: usize| {
            let (taken, tail) = rest.split_at_checked(n)?;
            rest = tail;
            Some(taken)
        };
        let mut sets: [Vec<Bytes>; 3] = Default::default();
        for _ in 0..head[22] {
            let array = take(3)?;
            let place = usize::from((array[0] & 0x3f).checked_sub(nal::VPS)?);
            let place = sets.get_mut(place).filter(|s| s.is_empty())?;
            for _ in 0..u16::from_be_bytes([array[1], array[2]]) {
                let len = take(2)?;
                let set = take(usize::from(u16::from_be_bytes([len[0], len[1]])))?;
                place.push(Bytes::copy_from_slice(set));
            }
        }
        let [vps, sps, pps] = sets;
        Some(Self { in_band, ..Self::new(vps, sps, pps)? })
    }
}

/// `profile_tier_level()` (§7.3.3), its general part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Profile {
    space: u8,
    high_tier: bool,
    idc: u8,
    compatibility: u32,
    /// 48 bits.
    constraints: u64,
    level: u8,
}

/// What we need of a sequence parameter set (H.265 §7.3.2.2.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sps {
    /// `sps_seq_parameter_set_id`, 0 to 15.
    pub id: u8,
    /// Width in pixels within the conformance window.
    pub width: u16,
    /// Height in pixels within the conformance window.
    pub height: u16,
    /// `chroma_format_idc`: 0 to 3, 1 is 4:2:0.
    pub chroma_format: u8,
    /// `sps_max_num_reorder_pics` of the highest sub-layer: how many pictures at most come before one that is shown before them.
    /// `None` if the set is cut before it or it is out of range.
    pub reorder_max: Option<u8>,
    depth_luma_minus8: u8,
    depth_chroma_minus8: u8,
    sub_layers: u8,
    nested: bool,
    profile: Profile,
}

impl Sps {
    /// Parses a NAL unit of type 33 (with its header). `None` if it is cut short or out of range.
    #[must_use]
    pub fn parse(nal_unit: &[u8]) -> Option<Self> {
        if nal::kind(*nal_unit.first()?) != nal::SPS {
            return None;
        }
        let rbsp = unescape(nal_unit.get(2..)?);
        let mut r = BitReader::new(&rbsp);
        r.bits(4)?; // sps_video_parameter_set_id
        let sub_layers_minus1 = r.bits(3)? as u8;
        let nested = r.bit()?;
        let profile = Profile {
            space: r.bits(2)? as u8,
            high_tier: r.bit()?,
            idc: r.bits(5)? as u8,
            compatibility: r.bits(32)? as u32,
            constraints: r.bits(48)?,
            level: r.bits(8)? as u8,
        };
        let present: Vec<(bool, bool)> =
            (0..sub_layers_minus1).map(|_| Some((r.bit()?, r.bit()?))).collect::<Option<_>>()?;
        if sub_layers_minus1 > 0 {
            r.bits(2 * (8 - u32::from(sub_layers_minus1)))?;
        }
        for (profile, level) in present {
            r.bits(if profile { 44 } else { 0 })?;
            r.bits(if profile { 44 } else { 0 })?;
            r.bits(if level { 8 } else { 0 })?;
        }
        let small = |v: u32, max: u8| u8::try_from(v).ok().filter(|v| *v <= max);
        let id = small(r.ue()?, 15)?;
        let chroma_format = small(r.ue()?, 3)?;
        let separate_planes = chroma_format == 3 && r.bit()?;
        let (coded_width, coded_height) = (r.ue()?, r.ue()?);
        let mut window = [0u32; 4];
        if r.bit()? {
            for edge in &mut window {
                *edge = r.ue()?;
            }
        }
        // §6.2: the window counts in chroma samples.
        let (unit_x, unit_y) = match (chroma_format, separate_planes) {
            (1, _) => (2, 2),
            (2, _) => (2, 1),
            _ => (1, 1),
        };
        let size = |coded: u32, unit: u32, a: u32, b: u32| -> Option<u16> {
            let outside = unit.checked_mul(a.checked_add(b)?)?;
            u16::try_from(coded.checked_sub(outside)?).ok().filter(|s| *s > 0)
        };
        let (depth_luma_minus8, depth_chroma_minus8) = (small(r.ue()?, 7)?, small(r.ue()?, 7)?);
        Some(Self {
            id,
            width: size(coded_width, unit_x, window[0], window[1])?,
            height: size(coded_height, unit_y, window[2], window[3])?,
            chroma_format,
            reorder_max: reorder_max(&mut r, sub_layers_minus1),
            depth_luma_minus8,
            depth_chroma_minus8,
            sub_layers: sub_layers_minus1 + 1,
            nested,
            profile,
        })
    }
}

/// Reads on to `sps_max_num_reorder_pics` (§7.3.2.2.1).
fn reorder_max(r: &mut BitReader<'_>, sub_layers_minus1: u8) -> Option<u8> {
    r.ue()?; // log2_max_pic_order_cnt_lsb_minus4
    let each = r.bit()?;
    let mut last = None;
    for _ in if each { 0 } else { sub_layers_minus1 }..=sub_layers_minus1 {
        r.ue()?; // sps_max_dec_pic_buffering_minus1
        last = Some(r.ue()?);
        r.ue()?; // sps_max_latency_increase_plus1
    }
    u8::try_from(last?).ok().filter(|n| *n <= super::avc::REORDER_MAX)
}

/// The id of a video parameter set (NAL unit of type 32 with its header).
#[must_use]
pub fn vps_id(nal_unit: &[u8]) -> Option<u8> {
    nal_unit.get(2).map(|b| b >> 4)
}

/// The id of a picture parameter set (NAL unit of type 34 with its header).
#[must_use]
pub fn pps_id(nal_unit: &[u8]) -> Option<u8> {
    let rbsp = unescape(nal_unit.get(2..nal_unit.len().min(12))?);
    u8::try_from(BitReader::new(&rbsp).ue()?).ok().filter(|id| *id < 64)
}

/// Whether this slice (with its header of two bytes) is the first of its picture: `first_slice_segment_in_pic_flag`.
#[must_use]
pub fn starts_picture(nal_unit: &[u8]) -> bool {
    nal_unit.get(2).is_some_and(|b| b & 0x80 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(s: &str) -> Vec<u8> {
        (0..s.len()).step_by(2).map(|i| u8::from_str_radix(&s[i..i + 2], 16).unwrap()).collect()
    }

    const VPS: &str = "40010c01ffff016000000300900000030000030078928090";
    const SPS: &str = "420101016000000300900000030000030078a003c08010e5964a924caf016808000003000800000300c840";
    const SPS_422_10: &str = "4201010408000003009d0800000300003fb005020169d5b6592a4932bc05a02000000300200000030321";
    const PPS: &str = "4401c172b46240";

    fn config() -> HevcConfig {
        let set = |s: &str| vec![Bytes::from(hex(s))];
        HevcConfig::new(set(VPS), set(SPS), set(PPS)).unwrap()
    }

    #[test]
    fn reads_sizes_as_encoders_write_them() {
        // (who wrote it, SPS, id, width, height, chroma format)
        let cases = [
            ("x265 main 1920x1080, coded 1088 high", SPS, 0, 1920, 1080, 1),
            ("x265 4:2:2 10 bit, 638x358 of 640x360", SPS_422_10, 0, 638, 358, 2),
        ];
        for (who, sps, id, w, h, chroma) in cases {
            let sps = Sps::parse(&hex(sps)).unwrap_or_else(|| panic!("{who} parses"));
            assert_eq!((sps.id, sps.width, sps.height, sps.chroma_format), (id, w, h, chroma), "{who}");
        }
        // x265 with bframes=3, of which ffprobe says has_b_frames=2.
        let three_b = "42010101600000030090000003000003003ca00a080f16595964932bc05a020000030002000003003210";
        assert_eq!(Sps::parse(&hex(three_b)).and_then(|s| s.reorder_max), Some(2));
    }

    #[test]
    fn the_record_says_what_ffmpeg_says_of_the_same_stream_and_reads_back() {
        let config = config();
        let ours = config.record();
        // What `ffmpeg -c copy -tag:v hvc1` wrote, apart from the frame rate and the parallelism, which it leaves open, too.
        assert_eq!(ours[..20], hex("01016000000090000000000078f000fcfdf8f800")[..]);
        assert_eq!(ours[21] & 7, 7, "nested, lengths of four bytes");
        assert_eq!(config.rfc6381(), "hvc1.1.6.L120.90");
        assert_eq!(HevcConfig::parse_record(&ours, false), Some(config.clone()));
        let in_band = HevcConfig { in_band: true, ..config };
        assert_eq!(HevcConfig::parse_record(&in_band.record(), true), Some(in_band));
    }

    #[test]
    fn refuses_cut_parameter_sets() {
        let sps = hex(SPS);
        for n in 0..21 {
            assert_eq!(Sps::parse(&sps[..n]), None, "{n} bytes");
        }
        let record = config().record();
        for n in 0..record.len() {
            assert_eq!(HevcConfig::parse_record(&record[..n], false), None, "{n} bytes of the record");
        }
    }
}
