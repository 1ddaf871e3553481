//! What a camera usually shows, learnt from pictures in which nothing is wrong: quickly at first, then so slowly that a day
//! of sun and shade goes in and a fault does not. Not here: what is wrong ([`crate::judge`]).

use crate::{
    edges::CELLS,
    measure::{BLOCK_COUNT, Measures},
};

/// Pictures that count alike in the beginning.
const FIRST: u32 = 5;
/// The weight of one picture later: at one every two seconds, a change is half learnt after two minutes.
const WEIGHT: f32 = 0.012;
/// From this contrast on there is something to learn.
pub(crate) const CONTRAST_MIN: f32 = 8.0;

/// The usual picture.
#[derive(Debug, Clone)]
pub(crate) struct Reference {
    pub edges: Box<[f32; CELLS]>,
    pub sharpness: Box<[f32; BLOCK_COUNT]>,
    pub contrast: f32,
    seen: u32,
}

impl Reference {
    /// Begins with one picture.
    pub(crate) fn begin(m: &Measures) -> Option<Self> {
        (m.contrast >= CONTRAST_MIN).then(|| Self {
            edges: Box::new(m.edges.0.map(f32::from)),
            sharpness: Box::new(m.sharpness.0.map(f32::from)),
            contrast: m.contrast,
            seen: 1,
        })
    }

    /// Learns from a picture in which nothing is wrong.
    pub(crate) fn learn(&mut self, m: &Measures) {
        // A dim picture has no edges to learn from: what is known of the bright one stays.
        if m.contrast < CONTRAST_MIN.max(self.contrast / 3.0) {
            return;
        }
        self.seen = self.seen.saturating_add(1);
        let weight = if self.seen <= FIRST { 1.0 / self.seen as f32 } else { WEIGHT };
        let mix = |old: &mut f32, new: f32| *old += (new - *old) * weight;
        self.edges.iter_mut().zip(m.edges.0.iter()).for_each(|(o, n)| mix(o, f32::from(*n)));
        self.sharpness.iter_mut().zip(m.sharpness.0.iter()).for_each(|(o, n)| mix(o, f32::from(*n)));
        mix(&mut self.contrast, m.contrast);
    }

    /// Whether enough was seen to compare with.
    pub(crate) fn is_settled(&self) -> bool {
        self.seen >= 3
    }
}
