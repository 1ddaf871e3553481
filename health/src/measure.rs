//! What is measured of a decoded picture: a few hundred numbers, enough to judge by and too few to recognise anyone.
//!
//! Sharpness is measured on the full picture, brightness and the places of edges on one of 160 × 90, where the noise of a
//! sensor averages out. Not here: what the numbers mean ([`crate::HealthCore`]).

use crate::edges::{self, Bytes, EdgeMap};
use serde::{Deserialize, Serialize};
use std::{
    collections::VecDeque,
    hash::{DefaultHasher, Hash as _, Hasher as _},
};

/// The small picture's width and height.
pub const SMALL: (usize, usize) = (160, 90);
/// Blocks from left to right and from top to bottom.
pub const BLOCKS: (usize, usize) = (16, 9);
/// Blocks.
pub const BLOCK_COUNT: usize = BLOCKS.0 * BLOCKS.1;
/// Luma below this is black: 16 is, in the range of video, and a little noise.
const BLACK_BELOW: u8 = 26;
/// Luma above this is white: 235 is.
const WHITE_ABOVE: u8 = 224;
/// One row in so many is compared with the previous keyframe; about 45 of any picture.
const SAMPLED_ROWS: usize = 45;
/// Keyframes that are recognised if they come again.
pub const REMEMBERED: usize = 4;
/// The share of a block's pixels that are steeper than its sharpness says.
const STEEPEST: usize = 50;
/// The smallest and largest pictures that are measured.
pub const SIZE_MIN: (usize, usize) = (160, 90);
/// See [`SIZE_MIN`].
pub const SIZE_MAX: (usize, usize) = (4_096, 2_304);

/// A decoded picture, 8 bits, 4:2:0.
#[derive(Debug, Clone, Copy)]
pub struct Planes<'a> {
    /// Pixels from left to right.
    pub width: usize,
    /// Pixels from top to bottom.
    pub height: usize,
    /// Luma, and how many bytes a row takes.
    pub y: (&'a [u8], usize),
    /// Blue difference.
    pub u: (&'a [u8], usize),
    /// Red difference.
    pub v: (&'a [u8], usize),
}

/// How a keyframe differs from the one before it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change {
    /// The mean difference of luma.
    pub mean: f32,
    /// The same in the block that differs most.
    pub block: f32,
    /// The same in each block, in quarter levels, 63 levels at most.
    pub blocks: Bytes<BLOCK_COUNT>,
}

/// The measures of one keyframe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Width in pixels.
    pub width: u16,
    /// Height in pixels.
    pub height: u16,
    /// Mean luma, 0 to 255.
    pub mean: f32,
    /// Standard deviation of luma on the small picture.
    pub contrast: f32,
    /// The share that is black, 0 to 1.
    pub dark: f32,
    /// The share that is white, 0 to 1.
    pub bright: f32,
    /// Mean blue and red difference; 128 is grey.
    pub chroma: [f32; 2],
    /// Mean luma by block.
    pub luma: Bytes<BLOCK_COUNT>,
    /// Sharpness by block: the step over two pixels that one pixel in fifty exceeds.
    pub sharpness: Bytes<BLOCK_COUNT>,
    /// Where edges are.
    pub edges: EdgeMap,
    /// What changed since the keyframe before; `None` for the first, and after another size.
    pub change: Option<Change>,
    /// Whether its luma is that of one of the last [`REMEMBERED`] keyframes, bit by bit.
    pub repeats: bool,
}

/// Why a picture is not measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MeasureError {
    /// Too small or too large.
    #[error("a picture of {0} × {1} is not measured")]
    Size(usize, usize),
    /// A plane has fewer bytes than its size needs.
    #[error("a plane ends before the picture does")]
    Truncated,
}

/// The keyframe before, in part: 29 kB for 640 × 360.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    width: usize,
    height: usize,
    rows: Vec<u8>,
    /// Of the luma of the last ones, newest last.
    digests: VecDeque<u64>,
}

impl Meter {
    /// Measures a picture of one camera and keeps what the next is compared with.
    ///
    /// # Errors
    /// [`MeasureError`]; what was kept stays.
    pub fn measure(&mut self, p: &Planes<'_>) -> Result<Measures, MeasureError> {
        let (w, h) = (p.width, p.height);
        let within = w >= SIZE_MIN.0 && h >= SIZE_MIN.1 && w <= SIZE_MAX.0 && h <= SIZE_MAX.1;
        if !within {
            return Err(MeasureError::Size(w, h));
        }
        let holds =
            |(plane, stride): (&[u8], usize), w: usize, h: usize| stride >= w && plane.len() >= stride * (h - 1) + w;
        if !holds(p.y, w, h) || !holds(p.u, w / 2, h / 2) || !holds(p.v, w / 2, h / 2) {
            return Err(MeasureError::Truncated);
        }
        let small = shrink(p);
        let n = small.len() as f32;
        let mean = small.iter().map(|v| f32::from(*v)).sum::<f32>() / n;
        let variance = small.iter().map(|v| (f32::from(*v) - mean).powi(2)).sum::<f32>() / n;
        let share = |f: fn(u8) -> bool| small.iter().filter(|v| f(**v)).count() as f32 / n;
        Ok(Measures {
            width: w as u16,
            height: h as u16,
            mean,
            contrast: variance.sqrt(),
            dark: share(|v| v < BLACK_BELOW),
            bright: share(|v| v > WHITE_ABOVE),
            chroma: [plane_mean(p.u, w / 2, h / 2), plane_mean(p.v, w / 2, h / 2)],
            luma: block_means(&small),
            sharpness: sharpness(p),
            edges: edge_map(&small),
            change: self.change(p),
            repeats: self.repeats(p),
        })
    }

    /// Whether the picture was seen lately; remembers it.
    fn repeats(&mut self, p: &Planes<'_>) -> bool {
        let mut hasher = DefaultHasher::new();
        (p.width, p.height).hash(&mut hasher);
        p.y.0.chunks(p.y.1).take(p.height).for_each(|row| hasher.write(&row[..p.width]));
        let digest = hasher.finish();
        let seen = self.digests.contains(&digest);
        if self.digests.len() >= REMEMBERED {
            self.digests.pop_front();
        }
        self.digests.push_back(digest);
        seen
    }

    /// Compares with the rows kept and keeps these.
    fn change(&mut self, p: &Planes<'_>) -> Option<Change> {
        let (w, h) = (p.width, p.height);
        let same = (self.width, self.height) == (w, h);
        if !same {
            (self.width, self.height) = (w, h);
            self.rows = vec![0; w * SAMPLED_ROWS];
        }
        let (mut sums, mut counts) = ([0u32; BLOCK_COUNT], [0u32; BLOCK_COUNT]);
        for (i, kept) in self.rows.chunks_exact_mut(w).enumerate() {
            let y = i * h / SAMPLED_ROWS;
            let row = &p.y.0[y * p.y.1..][..w];
            let blocks = y * BLOCKS.1 / h * BLOCKS.0;
            for b in 0..BLOCKS.0 {
                let (from, to) = (b * w / BLOCKS.0, (b + 1) * w / BLOCKS.0);
                let differs = row[from..to].iter().zip(&kept[from..to]).map(|(a, b)| u32::from(a.abs_diff(*b)));
                sums[blocks + b] += differs.sum::<u32>();
                counts[blocks + b] += (to - from) as u32;
            }
            kept.copy_from_slice(row);
        }
        let by = |i: usize| sums[i] as f32 / counts[i].max(1) as f32;
        let block = (0..BLOCK_COUNT).map(by).fold(0.0, f32::max);
        let blocks = Bytes(Box::new(std::array::from_fn(|i| (by(i) * 4.0) as u8)));
        let mean = sums.iter().sum::<u32>() as f32 / counts.iter().sum::<u32>() as f32;
        same.then_some(Change { mean, block, blocks })
    }
}

/// Box means.
fn shrink(p: &Planes<'_>) -> Vec<u8> {
    let (sw, sh) = SMALL;
    let (plane, stride) = p.y;
    let mut small = Vec::with_capacity(sw * sh);
    let mut sums = vec![0u32; sw];
    for cell_y in 0..sh {
        let (top, bottom) = (cell_y * p.height / sh, (cell_y + 1) * p.height / sh);
        sums.fill(0);
        for y in top..bottom {
            let row = &plane[y * stride..][..p.width];
            for (x, sum) in sums.iter_mut().enumerate() {
                let (from, to) = (x * p.width / sw, (x + 1) * p.width / sw);
                *sum += row[from..to].iter().map(|v| u32::from(*v)).sum::<u32>();
            }
        }
        for (x, sum) in sums.iter().enumerate() {
            let n = ((x + 1) * p.width / sw - x * p.width / sw) * (bottom - top);
            small.push((*sum / n.max(1) as u32) as u8);
        }
    }
    small
}

fn plane_mean((plane, stride): (&[u8], usize), w: usize, h: usize) -> f32 {
    let rows = (0..h).step_by(4);
    let n = rows.len() * w;
    let sum: u64 = rows.map(|y| plane[y * stride..][..w].iter().map(|v| u64::from(*v)).sum::<u64>()).sum();
    sum as f32 / n.max(1) as f32
}

fn block_means(small: &[u8]) -> Bytes<BLOCK_COUNT> {
    let mut sums = [0u32; BLOCK_COUNT];
    let (cw, ch) = (SMALL.0 / BLOCKS.0, SMALL.1 / BLOCKS.1);
    for (i, v) in small.iter().enumerate() {
        sums[i / SMALL.0 / ch * BLOCKS.0 + i % SMALL.0 / cw] += u32::from(*v);
    }
    Bytes(Box::new(sums.map(|s| (s / (cw * ch) as u32) as u8)))
}

/// The steepness that one pixel in fifty of each block exceeds; every other row is looked at.
fn sharpness(p: &Planes<'_>) -> Bytes<BLOCK_COUNT> {
    let (plane, stride) = p.y;
    let mut out = Bytes::default();
    let mut histograms = vec![[0u16; 256]; BLOCKS.0];
    for by in 0..BLOCKS.1 {
        histograms.iter_mut().for_each(|h| h.fill(0));
        let (top, bottom) = (by * p.height / BLOCKS.1, (by + 1) * p.height / BLOCKS.1);
        for y in (top.max(1)..bottom.min(p.height - 1)).step_by(2) {
            let (above, row, below) = (
                &plane[(y - 1) * stride..][..p.width],
                &plane[y * stride..][..p.width],
                &plane[(y + 1) * stride..][..p.width],
            );
            for (bx, histogram) in histograms.iter_mut().enumerate() {
                let (from, to) = (bx * p.width / BLOCKS.0, (bx + 1) * p.width / BLOCKS.0);
                for x in from.max(1)..to.min(p.width - 1) {
                    let steep = row[x + 1].abs_diff(row[x - 1]).max(above[x].abs_diff(below[x]));
                    let bin = &mut histogram[usize::from(steep)];
                    *bin = bin.saturating_add(1);
                }
            }
        }
        for (bx, histogram) in histograms.iter().enumerate() {
            let all: usize = histogram.iter().map(|n| usize::from(*n)).sum();
            let mut left = all / STEEPEST;
            let steepest = histogram.iter().enumerate().rev().find(|(_, n)| {
                let n = usize::from(**n);
                let found = n > left;
                left = left.saturating_sub(n);
                found
            });
            out.0[by * BLOCKS.0 + bx] = steepest.map_or(0, |(v, _)| v as u8);
        }
    }
    out
}

/// Mean steps between neighbours of the small picture, by cell.
fn edge_map(small: &[u8]) -> EdgeMap {
    let (w, h) = SMALL;
    let (mut sums, mut counts) = ([0u32; edges::CELLS], [0u32; edges::CELLS]);
    for y in 1..h - 1 {
        for x in 1..w - 1 {
            let i = y * w + x;
            let step = small[i + 1].abs_diff(small[i - 1]).max(small[i + w].abs_diff(small[i - w]));
            let cell = y * edges::HEIGHT / h * edges::WIDTH + x * edges::WIDTH / w;
            // One bright lamp should not outweigh a room.
            sums[cell] += u32::from(step.min(64));
            counts[cell] += 1;
        }
    }
    let mean = |i: usize| (sums[i] * 4 / counts[i].max(1)).min(255) as u8;
    Bytes(Box::new(std::array::from_fn(mean)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::synthetic::Scene;

    #[test]
    fn measures_say_what_was_drawn() {
        let mut meter = Meter::default();
        let scene = Scene::room(1);
        let m = meter.measure(&scene.picture(0).planes()).unwrap();
        assert!((60.0..200.0).contains(&m.mean) && m.contrast > 20.0, "{} {}", m.mean, m.contrast);
        assert!(m.change.is_none() && m.dark < 0.1 && m.bright < 0.2);
        let again = meter.measure(&scene.picture(0).planes()).unwrap();
        let blocks = Bytes::default();
        assert_eq!((again.change, again.repeats), (Some(Change { mean: 0.0, block: 0.0, blocks }), true));
        let next = meter.measure(&scene.picture(1).planes()).unwrap();
        let change = next.change.clone().unwrap();
        assert!(change.mean > 0.3 && change.block > change.mean && !next.repeats, "{change:?}");
        let text = serde_json::to_string(&next).unwrap();
        assert!(text.len() < 2_700, "{} bytes a keyframe", text.len());
        assert_eq!(serde_json::from_str::<Measures>(&text).unwrap(), next);
    }

    #[test]
    fn sizes_that_make_no_sense_are_refused() {
        let planes = |width, height, len: usize| {
            let y = vec![0u8; len];
            let p = Planes { width, height, y: (&y, width), u: (&y, width / 2), v: (&y, width / 2) };
            Meter::default().measure(&p).map(|_| ())
        };
        assert_eq!(planes(64, 64, 64 * 64), Err(MeasureError::Size(64, 64)));
        assert_eq!(planes(640, 360, 640 * 360 - 1), Err(MeasureError::Truncated));
        assert_eq!(planes(161, 91, 161 * 91), Ok(()));
    }
}
