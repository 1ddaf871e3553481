//! The second row of the strip, below the first and as high: whose picture it is. Only cameras draw it.
//!
//! Cells, left to right: `0101`, camera number (16 bits), stream (4 bits: 0 main, 1 substream), Unix milliseconds divided
//! by 2³² (16 bits), the low 16 bits of the frame number (so that both rows are known to be of one picture), CRC-8 as in
//! the first row.

use super::{LUMA_THRESHOLD, Mark, crc8, height_px, read_row};

const SYNC: u64 = 0b0101;

/// What the second row says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plate {
    /// Camera number.
    pub camera: u16,
    /// 0 for the main stream, 1 for the substream; below 16.
    pub stream: u8,
    /// Unix milliseconds divided by 2³².
    pub millis_high: u16,
    /// The frame number modulo 2¹⁶.
    pub frame_low: u16,
}

impl Plate {
    /// The 64 cells, the leftmost in the highest bit.
    #[must_use]
    pub fn cells(self) -> u64 {
        let body = u64::from(self.camera) << 36
            | u64::from(self.stream & 15) << 32
            | u64::from(self.millis_high) << 16
            | u64::from(self.frame_low);
        SYNC << 60 | body << 8 | u64::from(crc8(body << 4))
    }

    /// Reads 64 cells; nothing if they are no such row or a damaged one.
    #[must_use]
    pub fn from_cells(cells: u64) -> Option<Self> {
        let plate = Self {
            camera: (cells >> 44) as u16,
            stream: (cells >> 40) as u8 & 15,
            millis_high: (cells >> 24) as u16,
            frame_low: (cells >> 8) as u16,
        };
        (plate.cells() == cells).then_some(plate)
    }

    /// Reads the second row of a picture's luma plane; nothing if there is none or it is damaged.
    #[must_use]
    pub fn read(luma: &[u8], stride: usize, width: usize, height: usize) -> Option<Self> {
        let y = height_px(height) * 3 / 2;
        Self::from_cells(read_row(luma, stride, width, height, y, LUMA_THRESHOLD)?)
    }

    /// The whole time, if `mark` is the first row of the same picture.
    #[must_use]
    pub fn unix_millis(self, mark: Mark) -> Option<u64> {
        let same = mark.frame as u16 == self.frame_low;
        same.then_some(u64::from(self.millis_high) << 32 | u64::from(mark.millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plates_are_read_as_written_and_damage_is_seen() {
        for plate in [
            Plate { camera: 1, stream: 0, millis_high: 0, frame_low: 0 },
            Plate { camera: u16::MAX, stream: 1, millis_high: 0x019a, frame_low: 0xffff },
        ] {
            let cells = plate.cells();
            assert_eq!(Plate::from_cells(cells), Some(plate));
            assert_eq!(Mark::from_cells(cells), None, "no one takes it for the first row");
            for bit in 0..64 {
                assert_eq!(Plate::from_cells(cells ^ 1 << bit), None, "bit {bit} flipped");
            }
        }
    }

    #[test]
    fn the_pages_read_it_the_same_way() {
        // The same row as in e2e/suites/strip.test.mjs.
        let plate = Plate { camera: 3, stream: 1, millis_high: 0x019a, frame_low: 0x1234 };
        assert_eq!(plate.cells(), 0x5000_3101_9a12_34fd);
    }

    #[test]
    fn both_rows_make_a_time() {
        let plate = Plate { camera: 1, stream: 0, millis_high: 0x019a, frame_low: 7 };
        assert_eq!(plate.unix_millis(Mark { frame: 7, millis: 5 }), Some(0x019a_0000_0005));
        assert_eq!(plate.unix_millis(Mark { frame: 8, millis: 5 }), None, "rows of two pictures");
    }
}
