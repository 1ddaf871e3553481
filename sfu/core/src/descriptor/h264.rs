//! H.264 NAL units in RTP (RFC 6184 §5) and the part of a sequence parameter set that tells the picture size (ITU-T H.264
//! §7.3.2.1.1). Not here: putting NAL units together again.

use super::{DescriptorError, Resolution};

const NAL_IDR: u8 = 5;
const NAL_SPS: u8 = 7;
const NAL_STAP_A: u8 = 24;
const NAL_FU_A: u8 = 28;

/// What an H.264 payload holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct H264Shape {
    /// A decoder can start here: an SPS (alone or aggregated), or the start of an IDR slice.
    pub keyframe: bool,
    /// It holds a sequence parameter set, or the start of one.
    pub sps: bool,
    /// The size from an SPS in this packet.
    pub resolution: Option<Resolution>,
}

impl H264Shape {
    /// Looks at one payload of packetization-mode 0 or 1.
    ///
    /// # Errors
    /// [`DescriptorError`] for truncated aggregates and fragments and for unit types that mode 1 does not have
    /// (RFC 6184 §5.4, table 3).
    pub fn parse(payload: &[u8]) -> Result<Self, DescriptorError> {
        let head = *payload.first().ok_or(DescriptorError::Truncated)?;
        if head & 0x80 != 0 {
            return Err(DescriptorError::NalType(head));
        }
        match head & 0x1f {
            1..=23 => Ok(unit(payload)),
            NAL_STAP_A => aggregate(&payload[1..]),
            NAL_FU_A => {
                let fu = *payload.get(1).ok_or(DescriptorError::Truncated)?;
                // RFC 6184 §5.8: the start bit and the type of the fragmented unit.
                let (start, kind) = (fu & 0x80 != 0, fu & 0x1f);
                let (sps, idr) = (start && kind == NAL_SPS, start && kind == NAL_IDR);
                Ok(Self { keyframe: sps || idr, sps, resolution: None })
            }
            other => Err(DescriptorError::NalType(other)),
        }
    }
}

/// One complete NAL unit.
fn unit(nal: &[u8]) -> H264Shape {
    match nal[0] & 0x1f {
        NAL_SPS => H264Shape { keyframe: true, sps: true, resolution: sps_size(&nal[1..]) },
        NAL_IDR => H264Shape { keyframe: true, sps: false, resolution: None },
        _ => H264Shape { keyframe: false, sps: false, resolution: None },
    }
}

/// The units of a STAP-A (RFC 6184 §5.7.1), each behind a 16-bit length.
fn aggregate(mut rest: &[u8]) -> Result<H264Shape, DescriptorError> {
    let mut all = H264Shape { keyframe: false, sps: false, resolution: None };
    if rest.is_empty() {
        return Err(DescriptorError::Truncated);
    }
    while !rest.is_empty() {
        let len = rest.get(..2).ok_or(DescriptorError::Truncated)?;
        let len = usize::from(u16::from_be_bytes([len[0], len[1]]));
        let nal = rest.get(2..2 + len).ok_or(DescriptorError::Truncated)?;
        rest = &rest[2 + len..];
        if nal.is_empty() {
            continue;
        }
        let one = unit(nal);
        all.keyframe |= one.keyframe;
        all.sps |= one.sps;
        all.resolution = all.resolution.or(one.resolution);
    }
    Ok(all)
}

/// The displayed size in a sequence parameter set (without its NAL header); `None` if the bits run out.
fn sps_size(sps: &[u8]) -> Option<Resolution> {
    let mut b = Bits::new(sps);
    let profile = b.bits(8)?;
    b.bits(16)?; // constraint flags, level
    b.exp_golomb()?; // seq_parameter_set_id
    let mut chroma = 1;
    // H.264 §7.3.2.1.1: the profiles that carry chroma format, bit depth and scaling lists.
    if matches!(profile, 100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135) {
        chroma = b.exp_golomb()?;
        if chroma == 3 {
            b.bits(1)?;
        }
        b.exp_golomb()?;
        b.exp_golomb()?;
        b.bits(1)?;
        if b.bits(1)? == 1 {
            let lists = if chroma == 3 { 12 } else { 8 };
            for i in 0..lists {
                if b.bits(1)? == 1 {
                    skip_scaling_list(&mut b, if i < 6 { 16 } else { 64 })?;
                }
            }
        }
    }
    b.exp_golomb()?; // log2_max_frame_num_minus4
    match b.exp_golomb()? {
        0 => {
            b.exp_golomb()?;
        }
        1 => {
            b.bits(1)?;
            b.exp_golomb()?;
            b.exp_golomb()?;
            let cycle = b.exp_golomb()?.min(255);
            for _ in 0..cycle {
                b.exp_golomb()?;
            }
        }
        _ => {}
    }
    b.exp_golomb()?; // max_num_ref_frames
    b.bits(1)?; // gaps_in_frame_num_value_allowed_flag
    let width_mbs = b.exp_golomb()?.checked_add(1)?;
    let height_units = b.exp_golomb()?.checked_add(1)?;
    let frame_mbs_only = b.bits(1)?;
    if frame_mbs_only == 0 {
        b.bits(1)?;
    }
    b.bits(1)?; // direct_8x8_inference_flag
    let mut crop = [0; 4];
    if b.bits(1)? == 1 {
        for c in &mut crop {
            *c = b.exp_golomb()?;
        }
    }
    // H.264 table 6-1: chroma sampling scales the cropping units.
    let (sub_width, sub_height) = match chroma {
        1 => (2, 2),
        2 => (2, 1),
        _ => (1, 1),
    };
    let field = 2 - frame_mbs_only;
    let cropped = |units: u32, size: u32, a: u32, b: u32, unit: u32| {
        let full = units.checked_mul(16)?.checked_mul(size)?;
        let cut = a.checked_add(b)?.checked_mul(unit)?;
        u16::try_from(full.checked_sub(cut)?).ok()
    };
    Some(Resolution {
        width: cropped(width_mbs, 1, crop[0], crop[1], sub_width)?,
        height: cropped(height_units, field, crop[2], crop[3], sub_height * field)?,
    })
}

/// H.264 §7.3.2.1.1.1.
fn skip_scaling_list(b: &mut Bits<'_>, size: usize) -> Option<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..size {
        if next != 0 {
            let code = b.exp_golomb()?;
            let delta = if code & 1 == 1 { (code / 2 + 1) as i32 } else { -((code / 2) as i32) };
            next = last.wrapping_add(delta) & 0xff;
        }
        if next != 0 {
            last = next;
        }
    }
    Some(())
}

/// Reads bits of an RBSP, leaving out emulation prevention bytes (H.264 §7.4.1.1).
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    bit: u8,
    zeros: u8,
}

impl<'a> Bits<'a> {
    const fn new(data: &'a [u8]) -> Self {
        Self { data, at: 0, bit: 0, zeros: 0 }
    }

    fn one(&mut self) -> Option<u32> {
        if self.bit == 0 && self.zeros == 2 && self.data.get(self.at) == Some(&3) {
            self.at += 1;
            self.zeros = 0;
        }
        let byte = *self.data.get(self.at)?;
        let value = byte >> (7 - self.bit) & 1;
        self.bit += 1;
        if self.bit == 8 {
            self.bit = 0;
            self.at += 1;
            self.zeros = if byte == 0 { (self.zeros + 1).min(2) } else { 0 };
        }
        Some(u32::from(value))
    }

    fn bits(&mut self, n: u32) -> Option<u32> {
        let mut v = 0;
        for _ in 0..n {
            v = v << 1 | self.one()?;
        }
        Some(v)
    }

    /// ue(v), H.264 §9.1; at most 31 leading zeros.
    fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.one()? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.bits(zeros)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPS of x264 `-profile:v baseline -s 1280x720`, and of OpenH264 in Chromium at 320 × 180 (cropped from 192 rows).
    const SPS_720P: &[u8] = &[0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x00, 0x50, 0x05, 0xbb, 0x01, 0x10, 0, 0, 3, 0, 0x10];

    fn sps(width_mbs: u32, height_mbs: u32, crop_bottom: u32) -> Vec<u8> {
        let mut bits = String::new();
        let ue = |v: u32| {
            let b = format!("{:b}", v + 1);
            format!("{}{b}", "0".repeat(b.len() - 1))
        };
        bits += &ue(0); // id
        bits += &ue(0); // log2_max_frame_num
        bits += &ue(2); // poc type
        bits += &ue(1); // refs
        bits += "0";
        bits += &ue(width_mbs - 1);
        bits += &ue(height_mbs - 1);
        bits += "11";
        bits += if crop_bottom > 0 { "1" } else { "0" };
        if crop_bottom > 0 {
            for c in [0, 0, 0, crop_bottom] {
                bits += &ue(c);
            }
        }
        bits += "01";
        let mut out = vec![0x67, 66, 0xc0, 31];
        for chunk in bits.as_bytes().chunks(8) {
            let text = format!("{:0<8}", std::str::from_utf8(chunk).unwrap());
            out.push(u8::from_str_radix(&text, 2).unwrap());
        }
        out
    }

    #[test]
    fn keyframes_are_found_in_every_packetization() {
        let idr = [0x65, 0x88, 0x84];
        let stap = [&[24u8, 0, 3][..], &[0x67, 66, 0xc0], &[0, 2, 0x68, 0xce]].concat();
        for (what, payload, want) in [
            ("single IDR", &idr[..], true),
            ("single SPS", SPS_720P, true),
            ("single PPS", &[0x68, 0xce][..], false),
            ("single non-IDR", &[0x41, 0x9a][..], false),
            ("STAP-A with SPS and PPS", &stap, true),
            ("FU-A start of IDR", &[0x7c, 0x85, 1][..], true),
            ("FU-A middle of IDR", &[0x7c, 0x05, 1][..], false),
            ("FU-A start of non-IDR", &[0x5c, 0x81, 1][..], false),
        ] {
            assert_eq!(H264Shape::parse(payload).unwrap().keyframe, want, "{what}");
        }
    }

    #[test]
    fn sizes_are_read_from_sps() {
        for (width, height, crop, want) in
            [(80, 45, 0, (1280, 720)), (20, 12, 6, (320, 180)), (40, 23, 4, (640, 360)), (120, 68, 4, (1920, 1080))]
        {
            let shape = H264Shape::parse(&sps(width, height, crop)).unwrap();
            assert_eq!(shape.resolution, Some(Resolution { width: want.0, height: want.1 }), "{width}x{height}-{crop}");
        }
        assert_eq!(H264Shape::parse(SPS_720P).unwrap().resolution, Some(Resolution { width: 1280, height: 720 }));
    }

    #[test]
    fn refuses_what_mode_1_does_not_have() {
        for (payload, want) in [
            (&[][..], DescriptorError::Truncated),
            (&[0x80, 0][..], DescriptorError::NalType(0x80)),
            (&[0x19, 0][..], DescriptorError::NalType(25)),
            (&[0x1c][..], DescriptorError::Truncated),
            (&[24, 0, 9, 1][..], DescriptorError::Truncated),
            (&[24][..], DescriptorError::Truncated),
            (&[24, 0][..], DescriptorError::Truncated),
        ] {
            assert_eq!(H264Shape::parse(payload), Err(want), "{payload:02x?}");
        }
    }
}
