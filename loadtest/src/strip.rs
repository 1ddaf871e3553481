//! The marked strip: a line of 64 black and white cells along the top edge of a picture, by which a receiver knows
//! which frame it sees and when that was made.
//!
//! Cells, left to right: `1010`, frame number (20 bits, most significant first), Unix milliseconds modulo 2³² (32
//! bits), CRC-8. The same format is written and read by the pages under `e2e/`. Pure: luma in, numbers out.

mod plate;

pub use plate::Plate;

/// How many cells a strip has.
pub const CELLS: usize = 64;

/// Frame numbers count modulo this.
pub const FRAME_MODULUS: u32 = 1 << 20;

const SYNC: u64 = 0b1010;
const LUMA_BLACK: u8 = 16;
const LUMA_WHITE: u8 = 235;
const LUMA_THRESHOLD: u32 = 128;

/// What a strip says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Frame number, below [`FRAME_MODULUS`].
    pub frame: u32,
    /// Unix milliseconds modulo 2³² (or, in a file, media time).
    pub millis: u32,
}

/// The height of the strip in a picture `height` pixels high.
#[must_use]
pub fn height_px(height: usize) -> usize {
    (height / 24).max(8)
}

impl Mark {
    /// The 64 cells, the leftmost in the highest bit.
    #[must_use]
    pub fn cells(self) -> u64 {
        let frame = u64::from(self.frame % FRAME_MODULUS);
        let body = frame << 36 | u64::from(self.millis) << 4;
        SYNC << 60 | frame << 40 | u64::from(self.millis) << 8 | u64::from(crc8(body))
    }

    /// Reads 64 cells; nothing if it is no strip or a damaged one.
    #[must_use]
    pub fn from_cells(cells: u64) -> Option<Self> {
        let mark = Self { frame: (cells >> 40) as u32 % FRAME_MODULUS, millis: (cells >> 8) as u32 };
        (mark.cells() == cells).then_some(mark)
    }

    /// Writes the strip into the luma plane of a picture; chroma is the caller's.
    ///
    /// # Panics
    /// If the plane is smaller than `height` rows of `stride` bytes or narrower than a pixel a cell.
    pub fn draw(self, luma: &mut [u8], stride: usize, width: usize, height: usize) {
        assert!(width >= CELLS && width <= stride, "a strip needs a pixel a cell");
        let cells = self.cells();
        for row in luma.chunks_mut(stride).take(height_px(height).min(height)) {
            for (x, pixel) in row[..width].iter_mut().enumerate() {
                let white = cells >> (CELLS - 1 - x * CELLS / width) & 1 == 1;
                *pixel = if white { LUMA_WHITE } else { LUMA_BLACK };
            }
        }
    }

    /// Reads the strip of a picture's luma plane; nothing if there is none or it is damaged.
    #[must_use]
    pub fn read(luma: &[u8], stride: usize, width: usize, height: usize) -> Option<Self> {
        Self::from_cells(read_row(luma, stride, width, height, height_px(height) / 2, LUMA_THRESHOLD)?)
    }
}

/// The 64 cells of the row whose middle is at `y`; nothing if the picture is too small.
fn read_row(luma: &[u8], stride: usize, width: usize, height: usize, y: usize, threshold: u32) -> Option<u64> {
    if width < CELLS || stride < width || luma.len() < stride * height || height < 8 || y < 1 || y + 1 >= height {
        return None;
    }
    let mut cells = 0u64;
    for cell in 0..CELLS {
        let x = (2 * cell + 1) * width / (2 * CELLS);
        // The middle pixel with its neighbours above and below: averages out ringing, crosses no cell.
        let sum: u32 = [y - 1, y, y + 1].iter().map(|y| u32::from(luma[y * stride + x])).sum();
        cells = cells << 1 | u64::from(sum >= 3 * threshold);
    }
    Some(cells)
}

/// CRC-8, polynomial 0x07, initial value 0, over the low 56 bits of `body`, highest byte first.
fn crc8(body: u64) -> u8 {
    body.to_be_bytes()[1..]
        .iter()
        .fold(0u8, |crc, byte| (0..8).fold(crc ^ byte, |c, _| if c & 0x80 != 0 { c << 1 ^ 0x07 } else { c << 1 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_common_crc_8() {
        assert_eq!(crc8(0), 0);
        // "123456789" has CRC-8 0xf4; its last seven bytes after the state of the first two say the same of the step.
        let all = b"123456789"
            .iter()
            .fold(0u8, |crc, byte| (0..8).fold(crc ^ byte, |c, _| if c & 0x80 != 0 { c << 1 ^ 0x07 } else { c << 1 }));
        assert_eq!(all, 0xf4);
    }

    #[test]
    fn cells_and_marks_agree() {
        for (frame, millis) in [(0, 0), (1, 2), (FRAME_MODULUS - 1, u32::MAX), (123_456, 0x89ab_cdef)] {
            let mark = Mark { frame, millis };
            let cells = mark.cells();
            assert_eq!(cells >> 60, SYNC);
            assert_eq!(Mark::from_cells(cells), Some(mark));
            for bit in 0..CELLS {
                assert_eq!(Mark::from_cells(cells ^ 1 << bit), None, "bit {bit} flipped");
            }
        }
    }

    #[test]
    fn pictures_of_any_size_carry_it() {
        for (width, height) in [(320, 180), (640, 360), (1280, 720), (854, 480), (322, 182), (64, 8)] {
            let mut luma = vec![100; width * height];
            let mark = Mark { frame: 77, millis: 0x1234_5678 };
            mark.draw(&mut luma, width, width, height);
            assert_eq!(Mark::read(&luma, width, width, height), Some(mark), "{width}×{height}");
        }
        assert_eq!(Mark::read(&[0; 320 * 180], 320, 320, 180), None, "black is no strip");
        assert_eq!(Mark::read(&[0; 10], 320, 320, 180), None);
    }
}
