//! The marked clip: a lecture made by rule, so that the same order gives the same frames and samples.
//!
//! Slides with Chinese text, a moving picture that keeps an encoder busy, speech, a beep on the second, and the
//! [`strip`](crate::strip). Belongs here: making raw frames and samples and writing them to files. Does not belong here:
//! encoded media for a live publisher ([`crate::source`]).

mod canvas;
mod file;
mod lecture;
mod sound;
mod text;

pub use canvas::{Colour, Frame, Rect};
pub use file::{feed, raw_input, write};
pub use lecture::Lecture;
pub use sound::{SAMPLE_RATE_HZ, soundtrack, write_wav};
pub use text::Pen;

use anyhow::{Context, ensure};
use std::{fmt, str::FromStr};

/// A picture's size in pixels; both even, 4:2:0 wants it so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Size {
    /// Width.
    pub width: usize,
    /// Height.
    pub height: usize,
}

impl FromStr for Size {
    type Err = anyhow::Error;
    fn from_str(s: &str) -> anyhow::Result<Self> {
        let (w, h) = s.split_once('x').context("a size looks like 1280x720")?;
        let size = Self { width: w.parse()?, height: h.parse()? };
        ensure!((320..=3840).contains(&size.width) && (180..=2160).contains(&size.height), "320x180 to 3840x2160");
        ensure!(size.width.is_multiple_of(2) && size.height.is_multiple_of(2), "width and height are even numbers");
        Ok(size)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}", self.width, self.height)
    }
}

/// What clip to make.
#[derive(Debug, Clone, Copy)]
pub struct Order {
    /// Picture size.
    pub size: Size,
    /// Whole frames per second, 1 to 60.
    pub fps: u32,
    /// Length in seconds.
    pub secs: u32,
}

impl Order {
    /// How many frames it has.
    #[must_use]
    pub fn frames(&self) -> u32 {
        self.secs * self.fps
    }
}
