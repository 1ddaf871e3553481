//! The VP8 payload descriptor (RFC 7741 §4.2) and the start of a VP8 frame (RFC 6386 §9.1).

use super::{DescriptorError, Resolution};

/// Temporal layer fields (TID, Y) of a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Temporal {
    /// The temporal layer, 0 to 3.
    pub id: u8,
    /// Y: the frame depends on layer 0 only, so a receiver can step up here.
    pub sync: bool,
}

/// A parsed descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp8Descriptor {
    /// The descriptor's length in bytes: the VP8 payload follows.
    pub len_bytes: u8,
    /// N: no other frame depends on this one.
    pub discardable: bool,
    /// S with partition 0: the first packet of a frame.
    pub frame_start: bool,
    /// The first packet of a keyframe.
    pub keyframe: bool,
    /// PartID, kept as it came.
    pub partition: u8,
    /// S as it came.
    pub partition_start: bool,
    /// The picture id: 7 or 15 bits.
    pub picture_id: Option<u16>,
    /// Whether the picture id came in 15 bits.
    pub picture_id_long: bool,
    /// TL0PICIDX.
    pub tl0_pic_idx: Option<u8>,
    /// TID and Y.
    pub temporal: Option<Temporal>,
    /// KEYIDX, 5 bits.
    pub key_idx: Option<u8>,
    /// The picture size, in the first packet of a keyframe.
    pub resolution: Option<Resolution>,
}

/// The numbers a subscriber sees in place of the publisher's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Vp8Numbers {
    /// The picture id, 15 bits.
    pub picture_id: u16,
    /// TL0PICIDX.
    pub tl0_pic_idx: u8,
}

/// The longest descriptor that [`Vp8Descriptor::write`] makes.
pub const DESCRIPTOR_LEN_MAX: usize = 6;

impl Vp8Descriptor {
    /// Parses the descriptor at the start of an RTP payload and looks at the frame header behind it.
    ///
    /// # Errors
    /// [`DescriptorError::Truncated`] if the payload ends inside the descriptor or nothing follows it.
    pub fn parse(payload: &[u8]) -> Result<Self, DescriptorError> {
        let mut at = 0;
        let mut next = || {
            at += 1;
            payload.get(at - 1).copied().ok_or(DescriptorError::Truncated)
        };
        let first = next()?;
        // RFC 7741 §4.2: |X|R|N|S|R| PID |
        let partition = first & 0x07;
        let partition_start = first & 0x10 != 0;
        let ext = if first & 0x80 != 0 { next()? } else { 0 };
        let (mut picture_id, mut picture_id_long, mut tl0_pic_idx, mut temporal, mut key_idx) =
            (None, false, None, None, None);
        if ext & 0x80 != 0 {
            let high = next()?;
            picture_id_long = high & 0x80 != 0;
            picture_id =
                Some(if picture_id_long { u16::from(high & 0x7f) << 8 | u16::from(next()?) } else { u16::from(high) });
        }
        if ext & 0x40 != 0 {
            tl0_pic_idx = Some(next()?);
        }
        if ext & 0x30 != 0 {
            let b = next()?;
            if ext & 0x20 != 0 {
                temporal = Some(Temporal { id: b >> 6, sync: b & 0x20 != 0 });
            }
            if ext & 0x10 != 0 {
                key_idx = Some(b & 0x1f);
            }
        }
        let frame = &payload[at..];
        let head = *frame.first().ok_or(DescriptorError::Truncated)?;
        let frame_start = partition_start && partition == 0;
        // RFC 6386 §9.1: bit 0 of the frame tag is clear for keyframes.
        let keyframe = frame_start && head & 1 == 0;
        Ok(Self {
            len_bytes: at as u8,
            discardable: first & 0x20 != 0,
            frame_start,
            keyframe,
            partition,
            partition_start,
            picture_id,
            picture_id_long,
            tl0_pic_idx,
            temporal,
            key_idx,
            resolution: if keyframe { keyframe_size(frame) } else { None },
        })
    }

    /// The length of what [`write`](Self::write) makes of this descriptor, in bytes.
    #[must_use]
    pub const fn rewritten_len_bytes(&self) -> usize {
        self.len_bytes as usize + (self.picture_id.is_some() && !self.picture_id_long) as usize
    }

    /// Writes this descriptor into `out` with `numbers` in place of the publisher's, and returns its length. A picture id
    /// always takes 15 bits, so that a line may change from a source with 7-bit ids to one with 15 and back. Fields that
    /// the publisher leaves out stay out. Returns `None` if `out` is too short.
    #[must_use]
    pub fn write(&self, numbers: Vp8Numbers, out: &mut [u8]) -> Option<usize> {
        let len = self.rewritten_len_bytes();
        let out = out.get_mut(..len)?;
        let has_tk = self.temporal.is_some() || self.key_idx.is_some();
        let extended = len > 1;
        let mut at = 0;
        let mut put = |b: u8| {
            out[at] = b;
            at += 1;
        };
        let n = if self.discardable { 0x20 } else { 0 };
        let s = if self.partition_start { 0x10 } else { 0 };
        put(if extended { 0x80 } else { 0 } | n | s | self.partition);
        if extended {
            let i = if self.picture_id.is_some() { 0x80 } else { 0 };
            let l = if self.tl0_pic_idx.is_some() { 0x40 } else { 0 };
            let t = if self.temporal.is_some() { 0x20 } else { 0 };
            let k = if self.key_idx.is_some() { 0x10 } else { 0 };
            put(i | l | t | k);
            if self.picture_id.is_some() {
                let [high, low] = (numbers.picture_id | 0x8000).to_be_bytes();
                put(high);
                put(low);
            }
            if self.tl0_pic_idx.is_some() {
                put(numbers.tl0_pic_idx);
            }
            if has_tk {
                let t = self.temporal.map_or(0, |t| t.id << 6 | if t.sync { 0x20 } else { 0 });
                put(t | self.key_idx.unwrap_or(0));
            }
        }
        debug_assert_eq!(at, len, "rewritten_len_bytes and write disagree");
        Some(at)
    }
}

/// The size in a keyframe header (RFC 6386 §9.1): a three-byte tag, a start code, 14 bits of width and of height.
fn keyframe_size(frame: &[u8]) -> Option<Resolution> {
    let h = frame.get(3..10)?;
    if h[..3] != [0x9d, 0x01, 0x2a] {
        return None;
    }
    let width = u16::from_le_bytes([h[3], h[4]]) & 0x3fff;
    let height = u16::from_le_bytes([h[5], h[6]]) & 0x3fff;
    Some(Resolution { width, height })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The first packet of a Chromium keyframe: X, S; I, L, T; 15-bit picture id 0x1234, TL0PICIDX 7, TID 0 with Y.
    const KEY: &[u8] =
        &[0x90, 0xe0, 0x92, 0x34, 7, 0x20, 0x10, 0x02, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00, 0xff];

    #[test]
    fn reads_a_keyframe() {
        let d = Vp8Descriptor::parse(KEY).unwrap();
        assert!(d.keyframe && d.frame_start && d.picture_id_long && !d.discardable);
        assert_eq!((d.len_bytes, d.picture_id, d.tl0_pic_idx), (6, Some(0x1234), Some(7)));
        assert_eq!(d.temporal, Some(Temporal { id: 0, sync: true }));
        assert_eq!(d.resolution, Some(Resolution { width: 320, height: 180 }));
    }

    #[test]
    fn what_starts_a_keyframe() {
        for (what, payload, want) in [
            ("no extension, key", &[0x10, 0x00][..], true),
            ("no extension, inter", &[0x10, 0x01][..], false),
            ("continuation of partition 0", &[0x00, 0x00][..], false),
            ("start of partition 1", &[0x11, 0x00][..], false),
        ] {
            assert_eq!(Vp8Descriptor::parse(payload).unwrap().keyframe, want, "{what}");
        }
    }

    #[test]
    fn rewrites_every_shape() {
        let numbers = Vp8Numbers { picture_id: 0x7ffe, tl0_pic_idx: 0xaa };
        for (what, before, after) in [
            ("bare", &[0x10, 1][..], &[0x10][..]),
            ("extension without fields", &[0x90, 0x00, 1], &[0x90, 0x00]),
            ("7-bit id grows to 15", &[0x90, 0x80, 0x05, 1], &[0x90, 0x80, 0xff, 0xfe]),
            ("15-bit id", &[0xb0, 0x80, 0x81, 0x05, 1], &[0xb0, 0x80, 0xff, 0xfe]),
            ("tl0", &[0x80, 0x40, 9, 1], &[0x80, 0x40, 0xaa]),
            ("tid and key index stay", &[0x80, 0x30, 0x95, 1], &[0x80, 0x30, 0x95]),
            ("key index alone", &[0x80, 0x10, 0x15, 1], &[0x80, 0x10, 0x15]),
            ("all", &[0x90, 0xf0, 0x80, 1, 2, 0x63, 1], &[0x90, 0xf0, 0xff, 0xfe, 0xaa, 0x63]),
        ] {
            let d = Vp8Descriptor::parse(before).unwrap();
            let mut out = [0; DESCRIPTOR_LEN_MAX];
            let n = d.write(numbers, &mut out).unwrap();
            assert_eq!(&out[..n], after, "{what}");
            assert!(d.write(numbers, &mut out[..n - 1]).is_none(), "{what}: a short buffer is refused");
        }
    }

    #[test]
    fn refuses_truncation_everywhere() {
        for n in 0..=6 {
            assert_eq!(Vp8Descriptor::parse(&KEY[..n]), Err(DescriptorError::Truncated), "{n} bytes");
        }
        let d = Vp8Descriptor::parse(&KEY[..9]).unwrap();
        assert!(d.keyframe && d.resolution.is_none(), "a cut frame header has no size");
    }
}
