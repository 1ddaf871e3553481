//! Reading bits of parameter sets; H.264 and H.265 code them alike.

/// Removes emulation prevention bytes (H.264 §7.4.1, H.265 §7.4.2.1).
pub(crate) fn unescape(nal: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &b in nal {
        if zeros >= 2 && b == 3 {
            zeros = 0;
            continue;
        }
        zeros = if b == 0 { zeros + 1 } else { 0 };
        out.push(b);
    }
    out
}

/// Reads bits from the highest down; `None` past the end.
pub(crate) struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    pub(crate) fn bit(&mut self) -> Option<bool> {
        let byte = *self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// `n` bits, at most 64, as a number.
    pub(crate) fn bits(&mut self, n: u32) -> Option<u64> {
        (0..n).try_fold(0u64, |v, _| Some(v << 1 | u64::from(self.bit()?)))
    }

    /// Exp-Golomb, unsigned (H.264 §9.1).
    pub(crate) fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let v = self.bits(zeros)? as u32;
        Some((1u32 << zeros) - 1 + v)
    }

    /// Exp-Golomb, signed (H.264 §9.1.1).
    pub(crate) fn se(&mut self) -> Option<i32> {
        let k = i64::from(self.ue()?);
        Some(if k % 2 == 0 { -(k / 2) } else { (k + 1) / 2 } as i32)
    }
}
