//! A coarse map of where a picture has edges, and how two of them lie upon each other. Light that changes changes all edges
//! alike and leaves their places; a camera that is turned moves the places.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Cells from left to right: 2.5 % of the width each.
pub const WIDTH: usize = 40;
/// Cells from top to bottom.
pub const HEIGHT: usize = 22;
/// Cells.
pub const CELLS: usize = WIDTH * HEIGHT;
/// How far a shift is looked for: a third of the picture.
const REACH: (i32, i32) = (14, 8);

/// `N` bytes that travel as base 64.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bytes<const N: usize>(pub Box<[u8; N]>);

impl<const N: usize> Default for Bytes<N> {
    fn default() -> Self {
        Self(Box::new([0; N]))
    }
}

impl<const N: usize> Serialize for Bytes<N> {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD_NO_PAD.encode(&self.0[..]))
    }
}

impl<'de, const N: usize> Deserialize<'de> for Bytes<N> {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(d)?;
        let bytes = STANDARD_NO_PAD.decode(text.as_bytes()).map_err(D::Error::custom)?;
        let bytes: Box<[u8; N]> =
            bytes.into_boxed_slice().try_into().map_err(|_| D::Error::custom(format!("{N} bytes are expected")))?;
        Ok(Self(bytes))
    }
}

/// Edges by cell, row by row: the mean step between neighbours, in levels of luma, times four.
pub type EdgeMap = Bytes<CELLS>;

/// How one map lies upon another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fit {
    /// Normalised cross-correlation of the part that both show: 1 = the same but for contrast, 0 = unrelated.
    pub correlation: f32,
    /// By how many cells the picture is shifted, to the right and downwards.
    pub shift: (i32, i32),
}

impl Fit {
    /// The shift as a share of the width or the height, whichever is larger.
    #[must_use]
    pub fn share(&self) -> f32 {
        let of = |cells: i32, all: usize| cells.unsigned_abs() as f32 / all as f32;
        of(self.shift.0, WIDTH).max(of(self.shift.1, HEIGHT))
    }
}

/// What sets each cell apart from its row and its column: that one half of a room has more edges than the other, and that
/// desks stand in rows, is so in every room.
#[must_use]
pub fn places(map: &[f32; CELLS]) -> Box<[f32; CELLS]> {
    let row = |y: usize| map[y * WIDTH..][..WIDTH].iter().sum::<f32>() / WIDTH as f32;
    let column = |x: usize| (0..HEIGHT).map(|y| map[y * WIDTH + x]).sum::<f32>() / HEIGHT as f32;
    let rows: [f32; HEIGHT] = std::array::from_fn(row);
    let columns: [f32; WIDTH] = std::array::from_fn(column);
    let all = rows.iter().sum::<f32>() / HEIGHT as f32;
    Box::new(std::array::from_fn(|i| map[i] - rows[i / WIDTH] - columns[i % WIDTH] + all))
}

/// How `now` fits `reference` where it is, both as [`places`]. `None` if one of them has no edges at all.
#[must_use]
pub fn correlate(reference: &[f32; CELLS], now: &[f32; CELLS]) -> Option<f32> {
    at(reference, now, 0, 0)
}

/// The shift at which `now` fits `reference` best.
#[must_use]
pub fn best_fit(reference: &[f32; CELLS], now: &[f32; CELLS]) -> Option<Fit> {
    let shifts = (-REACH.1..=REACH.1).flat_map(|dy| (-REACH.0..=REACH.0).map(move |dx| (dx, dy)));
    shifts
        .filter_map(|shift| Some(Fit { correlation: at(reference, now, shift.0, shift.1)?, shift }))
        .max_by(|a, b| a.correlation.total_cmp(&b.correlation))
}

/// The correlation with `now` shifted by so many cells.
fn at(reference: &[f32; CELLS], now: &[f32; CELLS], dx: i32, dy: i32) -> Option<f32> {
    let range = |d: i32, n: usize| (d.max(0) as usize)..(n as i32 + d.min(0)) as usize;
    let (mut n, mut sa, mut sb, mut saa, mut sbb, mut sab) = (0f32, 0f32, 0f32, 0f32, 0f32, 0f32);
    for y in range(dy, HEIGHT) {
        let source = ((y as i32 - dy) as usize) * WIDTH;
        for x in range(dx, WIDTH) {
            let b = now[y * WIDTH + x];
            let a = reference[source + (x as i32 - dx) as usize];
            n += 1.0;
            sa += a;
            sb += b;
            saa += a * a;
            sbb += b * b;
            sab += a * b;
        }
    }
    let (va, vb) = (saa - sa * sa / n, sbb - sb * sb / n);
    (va > n && vb > n).then(|| (sab - sa * sb / n) / (va * vb).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(seed: u32, dx: usize, dy: usize, gain: u32) -> [u8; CELLS] {
        let hash = |x: usize, y: usize| {
            let h = (x as u32).wrapping_mul(2_654_435_761) ^ (y as u32).wrapping_mul(40_503) ^ seed.wrapping_mul(97);
            (h ^ h >> 15).wrapping_mul(0x2c1b_3c6d) >> 25
        };
        std::array::from_fn(|i| (hash(i % WIDTH + 100 - dx, i / WIDTH + 100 - dy) * gain / 4) as u8)
    }

    #[test]
    fn shifts_are_found_and_contrast_does_not_matter() {
        let places = |m: [u8; CELLS]| places(&m.map(f32::from));
        let reference = places(map(1, 0, 0, 4));
        for (dx, dy, gain) in [(0, 0, 1), (6, 0, 4), (0, 4, 2), (9, 3, 3)] {
            let fit = best_fit(&reference, &places(map(1, dx, dy, gain))).unwrap();
            assert_eq!(fit.shift, (dx as i32, dy as i32));
            assert!(fit.correlation > 0.95, "{fit:?} at gain {gain}");
        }
        assert!(best_fit(&reference, &places(map(2, 0, 0, 4))).unwrap().correlation < 0.35, "another scene");
        assert!(correlate(&reference, &places([7; CELLS])).is_none(), "nothing to be seen");
    }

    #[test]
    fn maps_travel_as_text() {
        let m: EdgeMap = Bytes(Box::new(map(3, 0, 0, 4)));
        let text = serde_json::to_string(&m).unwrap();
        assert_eq!(serde_json::from_str::<EdgeMap>(&text).unwrap(), m);
        for bad in ["\"AAAA\"", "\"?\"", "3"] {
            assert!(serde_json::from_str::<EdgeMap>(bad).is_err(), "{bad}");
        }
    }
}
