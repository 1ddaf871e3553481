//! Bits of H.264 and H.265 syntax: a writer and a reader with Exp-Golomb codes (H.264 §9.1), and emulation prevention
//! (§7.4.1). Knows no syntax structure.

/// Writes bits, highest first.
#[derive(Debug, Default, Clone)]
pub struct BitWriter {
    bytes: Vec<u8>,
    /// Bits of the last byte that are taken, 0 to 7.
    used: u32,
}

impl BitWriter {
    /// The low `count` bits of `value`; `count` up to 32.
    pub fn bits(&mut self, value: u32, count: u32) {
        for bit in (0..count).rev() {
            if self.used == 0 {
                self.bytes.push(0);
            }
            if let Some(last) = self.bytes.last_mut() {
                *last |= ((value >> bit & 1) as u8) << (7 - self.used);
            }
            self.used = (self.used + 1) % 8;
        }
    }

    /// A code as a table prints it: `"0001"`.
    pub fn code(&mut self, code: &str) {
        for digit in code.bytes() {
            self.bits(u32::from(digit == b'1'), 1);
        }
    }

    /// `ue(v)`.
    pub fn ue(&mut self, value: u32) {
        let length = 31 - (value + 1).leading_zeros();
        self.bits(0, length);
        self.bits(value + 1, length + 1);
    }

    /// `se(v)`.
    pub fn se(&mut self, value: i32) {
        self.ue(if value > 0 { 2 * value as u32 - 1 } else { 2 * value.unsigned_abs() });
    }

    /// Zeros up to the next whole byte.
    pub fn align(&mut self) {
        self.used = 0;
    }

    /// Whole bytes; the writer has to be aligned.
    pub fn raw(&mut self, bytes: &[u8]) {
        debug_assert_eq!(self.used, 0, "raw bytes begin at a whole byte");
        self.bytes.extend_from_slice(bytes);
    }

    /// Ends the structure: a one and zeros (`rbsp_trailing_bits`).
    pub fn finish(mut self) -> Vec<u8> {
        self.bits(1, 1);
        self.bytes
    }
}

/// Reads bits, highest first; past the end everything is nothing.
#[derive(Debug, Clone)]
pub struct BitReader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> BitReader<'a> {
    /// Begins at the first bit of an RBSP.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The next `count` bits, up to 32.
    pub fn bits(&mut self, count: u32) -> Option<u32> {
        (0..count).try_fold(0u32, |value, _| {
            let byte = self.bytes.get(self.at / 8)?;
            let bit = byte >> (7 - self.at % 8) & 1;
            self.at += 1;
            Some(value << 1 | u32::from(bit))
        })
    }

    /// One bit.
    pub fn flag(&mut self) -> Option<bool> {
        self.bits(1).map(|b| b == 1)
    }

    /// `ue(v)`.
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while self.bits(1)? == 0 {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some(((1u64 << zeros) - 1) as u32 + self.bits(zeros)?)
    }

    /// `se(v)`.
    pub fn se(&mut self) -> Option<i32> {
        let code = self.ue()?;
        let half = (code / 2) as i32;
        Some(if code % 2 == 1 { half + 1 } else { -half })
    }
}

/// A NAL unit of a header and an RBSP, with emulation prevention.
pub fn nal(header: &[u8], rbsp: &[u8]) -> Vec<u8> {
    let mut nal = Vec::with_capacity(header.len() + rbsp.len() + 8);
    nal.extend_from_slice(header);
    let mut zeros = 0;
    for byte in rbsp {
        if zeros >= 2 && *byte <= 3 {
            nal.push(3);
            zeros = 0;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        nal.push(*byte);
    }
    nal
}

/// The RBSP of what follows a NAL unit's header, at most its first `max` bytes.
pub fn rbsp(nal: &[u8], max: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(nal.len().min(max));
    let mut zeros = 0;
    for byte in nal {
        if out.len() == max {
            break;
        }
        if zeros >= 2 && *byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if *byte == 0 { zeros + 1 } else { 0 };
        out.push(*byte);
    }
    out
}

/// The NAL units of an Annex B byte stream, without start codes and trailing zeros.
pub fn nals_of(stream: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    while at + 3 <= stream.len() {
        if stream[at..at + 3] == [0, 0, 1] {
            starts.push(at + 3);
            at += 3;
        } else {
            at += 1;
        }
    }
    let ends = starts.iter().skip(1).map(|s| s - 3).chain([stream.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(from, to)| {
            let nal = &stream[*from..to];
            &nal[..nal.len() - nal.iter().rev().take_while(|b| **b == 0).count()]
        })
        .filter(|nal| !nal.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_read_as_written() {
        let mut w = BitWriter::default();
        for n in [0, 1, 2, 7, 8, 255, 65_534] {
            w.ue(n);
        }
        for n in [0, 1, -1, 25, -26, 1000] {
            w.se(n);
        }
        w.bits(5, 3);
        w.align();
        w.raw(&[9]);
        let bytes = w.finish();
        let mut r = BitReader::new(&bytes);
        for n in [0, 1, 2, 7, 8, 255, 65_534] {
            assert_eq!(r.ue(), Some(n));
        }
        for n in [0, 1, -1, 25, -26, 1000] {
            assert_eq!(r.se(), Some(n));
        }
        assert_eq!(r.bits(3), Some(5));
        assert_eq!(bytes[bytes.len() - 2..], [9, 0x80]);
        assert_eq!(BitReader::new(&[0; 8]).ue(), None, "endless zeros");
    }

    #[test]
    fn emulation_prevention_goes_there_and_back() {
        let rbsp_bytes = [0, 0, 0, 0, 0, 1, 0, 0, 3, 9, 0, 0, 2];
        let unit = nal(&[0x65], &rbsp_bytes);
        assert_eq!(unit, [0x65, 0, 0, 3, 0, 0, 3, 0, 1, 0, 0, 3, 3, 9, 0, 0, 3, 2]);
        assert_eq!(rbsp(&unit[1..], 100), rbsp_bytes);
        assert_eq!(rbsp(&unit[1..], 3), [0, 0, 0]);
    }

    #[test]
    fn streams_are_cut_at_start_codes() {
        let stream = [0, 0, 0, 1, 7, 1, 0, 0, 1, 8, 2, 0, 0, 0, 1, 5];
        assert_eq!(nals_of(&stream), [&[7, 1][..], &[8, 2], &[5]]);
        assert!(nals_of(&[1, 2, 3]).is_empty());
    }
}
