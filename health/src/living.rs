//! The parts of a picture that never stand still: the clock that a camera writes into it. When they stop, and all the rest
//! does no more than flutter with the encoder, the picture is frozen, even if no keyframe repeats another to the bit.
//!
//! A camera that writes no clock has none of these, and is judged by repetition alone.

use crate::measure::{BLOCK_COUNT, BLOCKS, Measures};

/// A block that changes by this much in every keyframe, in quarter levels of luma, lives. Digits make forty and more.
const LIVES: u8 = 12;
/// For so many keyframes behind each other.
const RUN: u8 = 10;
/// Cameras write into the upper or the lower margin: so many rows of blocks. What moves between belongs to the room, and may
/// stop.
const MARGIN: usize = 2;
/// What an encoder does to a picture that stands still, by block (in quarter levels) and in the mean.
const FLUTTER_BLOCK: u8 = 32;
const FLUTTER_MEAN: f32 = 4.0;

/// Which blocks live.
#[derive(Debug, Clone)]
pub(crate) struct Living(Box<[u8; BLOCK_COUNT]>);

impl Default for Living {
    fn default() -> Self {
        Self(Box::new([0; BLOCK_COUNT]))
    }
}

impl Living {
    /// Learns from a picture in which nothing is wrong.
    pub(crate) fn learn(&mut self, m: &Measures) {
        let Some(change) = &m.change else { return };
        for (i, (run, by)) in self.0.iter_mut().zip(change.blocks.0.iter()).enumerate() {
            let row = i / BLOCKS.0;
            let margin = row < MARGIN || row >= BLOCKS.1 - MARGIN;
            *run = if margin && *by >= LIVES { run.saturating_add(1) } else { 0 };
        }
    }

    /// Whether everything that lives has stopped, and nothing else moves. The mean change, if so.
    pub(crate) fn stopped(&self, m: &Measures) -> Option<f32> {
        let change = m.change.as_ref()?;
        let mut living = self.0.iter().zip(change.blocks.0.iter()).filter(|(run, _)| **run >= RUN).peekable();
        living.peek()?;
        let stopped = living.all(|(_, by)| *by < LIVES)
            && change.mean <= FLUTTER_MEAN
            && change.blocks.0.iter().all(|by| *by <= FLUTTER_BLOCK);
        stopped.then_some(change.mean)
    }
}
