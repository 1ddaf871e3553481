//! The line of text in a picture: the camera's name and its own clock, in cells of fixed width, as luma of macroblocks.

use super::paint::Block;
use crate::clip::{Colour, Frame, Pen};
use anyhow::Result;
use std::collections::HashMap;

/// Luma behind the text.
pub const BACKGROUND: u8 = 24;
const INK: Colour = Colour::rgb(236, 236, 236);
const PAPER: Colour = Colour::rgb(9, 9, 9);
const LETTERS: &str = "0123456789:-. ACMUTZ考场";

/// Letters of one height, drawn once.
#[derive(Debug)]
pub struct Letters {
    /// Rows of macroblocks: 1 or 2.
    rows: usize,
    /// Luma of each letter, [`Letters::width`] × 16·rows.
    letters: HashMap<char, Vec<u8>>,
}

impl Letters {
    /// Draws them, `rows` × 16 pixels high.
    ///
    /// # Errors
    /// If the font is missing.
    pub fn new(rows: u32) -> Result<Self> {
        let (pen, rows) = (Pen::load()?, rows as usize);
        let (height, mut letters) = (16 * rows, HashMap::new());
        for letter in LETTERS.chars() {
            let width = Self::cells(letter) * 8 * rows;
            let mut frame = Frame::new(width.max(2), height, PAPER);
            let size = height as f32 * 1.3;
            // The font's line is half as high again as its letters: cut out so that they fill the row.
            let text = letter.to_string();
            let mut tall = Frame::new(width, height * 2, PAPER);
            pen.write(&mut tall, (0, height / 2), size, INK, &text);
            let lift = height / 2 + height * 3 / 16;
            let luma = tall.luma_mut()[lift * width..(lift + height) * width].to_vec();
            frame.luma_mut().copy_from_slice(&luma);
            letters.insert(letter, frame.luma_mut().to_vec());
        }
        Ok(Self { rows, letters })
    }

    /// A letter is 8 × 16 pixels times the rows; a Chinese one twice as wide.
    fn cells(letter: char) -> usize {
        if letter.is_ascii() { 1 } else { 2 }
    }

    /// The macroblocks of `text`, row by row; each row ends with a background column.
    #[must_use]
    pub fn line(&self, text: &str) -> Vec<Vec<Block>> {
        let (cell, height) = (8 * self.rows, 16 * self.rows);
        let width = text.chars().map(Self::cells).sum::<usize>() * cell + 1;
        let blocks = width.div_ceil(16);
        let mut rows = vec![vec![[BACKGROUND; 256]; blocks]; self.rows];
        let mut left = 0;
        for letter in text.chars() {
            let width = Self::cells(letter) * cell;
            if let Some(luma) = self.letters.get(&letter) {
                for y in 0..height {
                    for x in 0..width {
                        let at = left + x;
                        rows[y / 16][at / 16][y % 16 * 16 + at % 16] = luma[y * width + x];
                    }
                }
            }
            left += width;
        }
        rows
    }
}

/// `考场003 2026-11-21 10:02:33`, of Unix milliseconds (UTC).
#[must_use]
pub fn text(camera: u16, unix_ms: i64) -> String {
    let (days, second) = (unix_ms.div_euclid(86_400_000), unix_ms.rem_euclid(86_400_000) / 1000);
    let (year, month, day) = civil(days);
    let (h, m, s) = (second / 3600, second / 60 % 60, second % 60);
    format!("考场{camera:03} {year:04}-{month:02}-{day:02} {h:02}:{m:02}:{s:02}")
}

/// Year, month and day of a number of days since 1970-01-01, in the Gregorian calendar; years begin in March here, so
/// that the leap day is the last.
fn civil(days: i64) -> (i64, i64, i64) {
    let shifted = days + 719_468; // since 0000-03-01
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_reads_as_a_date() {
        for (ms, want) in [
            (0, "考场001 1970-01-01 00:00:00"),
            (951_782_400_000, "考场001 2000-02-29 00:00:00"),
            (1_795_255_353_999, "考场001 2026-11-21 10:02:33"),
            (-1000, "考场001 1969-12-31 23:59:59"),
        ] {
            assert_eq!(text(1, ms), want);
        }
    }

    #[test]
    fn lines_have_ink_and_end_in_background() {
        let letters = Letters::new(2).expect("the font");
        let rows = letters.line("考场003 12:34");
        assert_eq!(rows.len(), 2);
        let ink = rows.iter().flatten().flatten().filter(|y| **y > 150).count();
        assert!(ink > 300, "{ink}");
        for row in &rows {
            assert!((0..16).all(|y| row.last().is_some_and(|b| b[y * 16 + 15] == BACKGROUND)));
        }
        assert_eq!(letters.line("12:34"), letters.line("12:34"));
        assert_ne!(letters.line("12:34"), letters.line("12:35"));
    }
}
