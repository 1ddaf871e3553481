//! Slices that we write ourselves: rows of black and white cells, and a line of text. They take the place of the first
//! rows of macroblocks of a picture that was encoded long ago, so that old pictures can tell the present time.
//!
//! Each row of macroblocks begins without a neighbour above (one slice for each row of cells or of text), so that what a
//! decoder predicts is known here without decoding.
//!
//! Cells are Intra_16×16 macroblocks (H.264 §8.3.3) whose four columns of blocks are each flat: four DC coefficients at
//! most, quantised with QP 51, where a level of 8 is a step of 112. Black is 16 and white 240; the first macroblock is
//! predicted as 128. Text is I_PCM (§7.3.5), and after the first picture only the macroblocks that changed.

use super::{
    bits::{self, BitWriter},
    h264::{Params, SliceHead, SliceKind},
};
use crate::strip::CELLS;

const QP_MAX: i32 = 51;
/// DC levels for half the way from black to white; the residual is 14 times the sum (§8.5.10 with QP 51).
const HALF_STEP: i32 = 8;

/// What a column of blocks shows.
const BLACK: i32 = -1;
const WHITE: i32 = 1;

/// A slice of `rows` rows of macroblocks that shows 64 cells over the full width, the leftmost in the highest bit.
pub fn cells(params: &Params, head: SliceHead, first_row: u32, rows: u32, cells: u64) -> Vec<u8> {
    let width = params.mb_width;
    let mut w = BitWriter::default();
    params.write_slice(&mut w, head, SliceKind::I, first_row * width, QP_MAX);
    let mut left = 0; // 128: nothing to predict from
    for mb in 0..width {
        let column = |block: u32| {
            // The cell at the middle of this column of 4 pixels.
            let cell = ((mb * 16 + block * 4 + 2) as usize * CELLS / (width as usize * 16)).min(CELLS - 1);
            if cells >> (CELLS - 1 - cell) & 1 == 1 { WHITE } else { BLACK }
        };
        let want = [column(0), column(1), column(2), column(3)];
        w.ue(3); // I_16x16_2_0_0: DC prediction, no AC, no chroma
        w.ue(0); // chroma: DC prediction, 128 all along
        w.se(0); // mb_qp_delta
        dc_levels(&mut w, want.map(|to| (to - left) * HALF_STEP));
        left = want[3];
    }
    for _ in 0..width * (rows - 1) {
        w.ue(1); // I_16x16_0_0_0: as the pixels above
        w.ue(2); // chroma as above
        w.se(0);
        w.code("1"); // no coefficients
    }
    bits::nal(&[head.nal_header], &w.finish())
}

/// Writes the DC levels (§7.3.5.3.3, CAVLC, nC 0) of a macroblock whose columns of blocks differ from their prediction by
/// 14 times `columns`; each a multiple of 4.
fn dc_levels(w: &mut BitWriter, columns: [i32; 4]) {
    let [a, b, c, d] = columns;
    // Horizontal frequencies (§8.5.10 backwards); all rows are alike, so there are no vertical ones.
    let frequencies = [a + b + c + d, a + b - c - d, a - b - c + d, a - b + c - d].map(|sum| sum / 4);
    // Where the four stand in the zig-zag scan (figure 8-8).
    let coefficients: Vec<(u32, i32)> =
        [0, 1, 5, 6].into_iter().zip(frequencies).filter(|(_, level)| *level != 0).collect();
    let Some((last, _)) = coefficients.last().copied() else {
        w.code("1");
        return;
    };
    let count = coefficients.len();
    // Table 9-5, 0 ≤ nC < 2, no trailing ones: every level is even.
    w.code(["000101", "00000111", "000000111", "0000000111"][count - 1]);
    let mut suffix_length = 0;
    for (n, (_, level)) in coefficients.iter().rev().enumerate() {
        let mut code = if *level > 0 { 2 * *level - 2 } else { -2 * *level - 1 } as u32;
        if n == 0 {
            code -= 2; // no trailing ones, so it is not ±1
        }
        level_code(w, code, suffix_length);
        suffix_length = suffix_length.max(1);
        if level.unsigned_abs() > 3 << (suffix_length - 1) {
            suffix_length += 1;
        }
    }
    let mut zeros = last + 1 - count as u32;
    // Tables 9-7, for the numbers that can occur.
    w.code(match (count, zeros) {
        (1, 0) => "1",
        (1, 1) => "011",
        (1, 5) => "00011",
        (1, _) => "00010",
        (2, 0) => "111",
        (2, 4) => "011",
        (2, _) => "0101",
        (3, 3) => "101",
        (3, _) => "0100",
        _ => "0100",
    });
    for pair in coefficients.windows(2).rev() {
        if zeros == 0 {
            break;
        }
        let run = pair[1].0 - pair[0].0 - 1;
        w.code(RUN_BEFORE[zeros as usize - 1][run as usize]);
        zeros -= run;
    }
}

/// Table 9-10 for up to six zeros left.
const RUN_BEFORE: [&[&str]; 6] = [
    &["1", "0"],
    &["1", "01", "00"],
    &["11", "10", "01", "00"],
    &["11", "10", "01", "001", "000"],
    &["11", "10", "011", "010", "001", "000"],
    &["11", "000", "001", "011", "010", "101", "100"],
];

/// `level_prefix` and `level_suffix` (§9.2.2.1).
fn level_code(w: &mut BitWriter, code: u32, suffix_length: u32) {
    let prefix = |w: &mut BitWriter, n: u32| {
        w.bits(0, n);
        w.bits(1, 1);
    };
    if suffix_length == 0 {
        match code {
            0..14 => prefix(w, code),
            14..30 => {
                prefix(w, 14);
                w.bits(code - 14, 4);
            }
            _ => {
                prefix(w, 15);
                w.bits(code - 30, 12);
            }
        }
    } else if code >> suffix_length < 15 {
        prefix(w, code >> suffix_length);
        w.bits(code, suffix_length);
    } else {
        prefix(w, 15);
        w.bits(code - (15 << suffix_length), 12);
    }
}

/// The luma of one macroblock.
pub type Block = [u8; 256];

/// A slice of one row of macroblocks that shows `line` from the left; what follows is as dark as `background`.
///
/// If `before` is what the picture before showed, and this is no IDR picture, only what changed is written.
pub fn text(
    params: &Params,
    head: SliceHead,
    row: u32,
    line: &[Block],
    before: Option<&[Block]>,
    background: u8,
) -> Vec<u8> {
    let width = params.mb_width;
    let mut w = BitWriter::default();
    match before.filter(|before| !head.is_idr() && before.len() == line.len()) {
        Some(before) => {
            params.write_slice(&mut w, head, SliceKind::P, row * width, QP_MAX);
            let mut skipped = 0;
            for (now, then) in line.iter().zip(before) {
                if now == then {
                    skipped += 1;
                    continue;
                }
                w.ue(skipped);
                skipped = 0;
                w.ue(5 + 25); // I_PCM in a P slice
                pcm(&mut w, now);
            }
            w.ue(skipped + width - line.len() as u32);
        }
        None => {
            params.write_slice(&mut w, head, SliceKind::I, row * width, QP_MAX);
            for block in line {
                w.ue(25); // I_PCM
                pcm(&mut w, block);
            }
            // The line ends with a column of background, of which the rest is predicted.
            debug_assert!(line.last().is_some_and(|b| (0..16).all(|y| b[y * 16 + 15] == background)));
            for n in 0..width - line.len() as u32 {
                w.ue(3); // I_16x16_2_0_0
                w.ue(0);
                w.se(0);
                // No coefficients; beside I_PCM the code for nC ≥ 8 (§9.2.1).
                w.code(if n == 0 { "000011" } else { "1" });
            }
        }
    }
    bits::nal(&[head.nal_header], &w.finish())
}

fn pcm(w: &mut BitWriter, luma: &Block) {
    w.align();
    w.raw(luma);
    w.raw(&[128; 128]);
}
