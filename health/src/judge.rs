//! One picture, judged: what is wrong with it, if anything, most serious first. Not here: for how long ([`crate::watch`]).

use crate::{
    edges::{best_fit, correlate, places},
    living::Living,
    measure::{BLOCK_COUNT, Measures},
    reference::{CONTRAST_MIN, Reference},
    thresholds::Thresholds,
    watch::Fault,
};

/// A block whose sharpness is below this has no detail: more than what noise leaves after encoding.
const FLAT: u8 = 8;
/// Parts that are covered by one thing differ in brightness by no more than this.
const UNIFORM: i16 = 16;
/// Red difference above grey that makes a dark picture warm: skin against a lens.
const WARM: f32 = 4.0;
/// A block that usually has this sharpness has edges to lose.
const TEXTURED: f32 = 20.0;
/// Fewer such blocks say nothing.
const TEXTURED_MIN: usize = 12;
/// Edges that lie where they were correlate at least this much, whoever walks through the picture.
const IN_PLACE: f32 = 0.7;
/// Shifted ones correlate at least this much, and this much better than where they were.
const SHIFTED: f32 = 0.5;
const SHIFTED_BETTER: f32 = 0.2;
/// Nothing of what was there is there any more.
const ELSEWHERE: f32 = 0.42;
/// … for so many keyframes, for that may be many people.
const ELSEWHERE_SUCCESSIVE: u8 = 5;

/// What is wrong with a picture.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Finding {
    pub fault: Fault,
    /// The number that was compared with the threshold.
    pub measure: f32,
    /// How many pictures behind each other must show it.
    pub successive: u8,
}

/// Judges one picture. `None`: nothing is wrong.
pub(crate) fn judge(m: &Measures, reference: Option<&Reference>, living: &Living, t: &Thresholds) -> Option<Finding> {
    let found = |fault, measure| Some(Finding { fault, measure, successive: t.successive });
    if m.dark >= t.black_share {
        return found(Fault::Black, m.dark);
    }
    if m.bright >= t.white_share {
        return found(Fault::White, m.bright);
    }
    let settled = reference.filter(|r| r.is_settled());
    let covered = covered(m, t);
    let usual = settled.map(|r| share(r.sharpness.iter().filter(|s| **s < f32::from(FLAT)).count()));
    let warm = m.chroma[1] - 128.0 >= WARM;
    if covered >= t.covered_share && (warm || usual.is_some_and(|u| u < covered - 0.3)) {
        return found(Fault::Covered, covered);
    }
    // No sensor repeats itself to the last bit, and no clock stands still: once is enough.
    let still = if m.repeats { Some(0.0) } else { living.stopped(m) };
    if let Some(measure) = still {
        return Some(Finding { fault: Fault::Frozen, measure, successive: 1 });
    }
    if let Some(c) = m.change.as_ref().filter(|c| c.mean <= t.frozen_mean && c.block <= t.frozen_block) {
        return found(Fault::Frozen, c.mean);
    }
    if let Some(left) = blurred(m, settled).filter(|left| *left <= t.blurred_ratio) {
        return found(Fault::Blurred, left);
    }
    moved(m, settled?, t)
}

fn share(blocks: usize) -> f32 {
    blocks as f32 / BLOCK_COUNT as f32
}

/// The share of the picture that is dark, uniform and without detail.
fn covered(m: &Measures, t: &Thresholds) -> f32 {
    let flat = || m.sharpness.0.iter().zip(m.luma.0.iter()).filter(|(s, _)| **s < FLAT).map(|(_, l)| *l);
    let mut lumas: Vec<u8> = flat().collect();
    if lumas.is_empty() {
        return 0.0;
    }
    lumas.sort_unstable();
    let median = lumas[lumas.len() / 2];
    if f32::from(median) > t.covered_luma {
        return 0.0;
    }
    share(flat().filter(|l| (i16::from(*l) - i16::from(median)).abs() <= UNIFORM).count())
}

/// What is left of the usual sharpness, 1 = all. Dim light takes sharpness and contrast alike; a lens out of focus leaves
/// the contrast. Without anything to compare with, a picture that has contrast and no edge anywhere has nothing left.
fn blurred(m: &Measures, reference: Option<&Reference>) -> Option<f32> {
    if m.contrast < CONTRAST_MIN {
        return None;
    }
    let Some(r) = reference else {
        let edged = share(m.sharpness.0.iter().filter(|s| f32::from(**s) >= TEXTURED).count());
        return (m.contrast >= 2.5 * CONTRAST_MIN && edged < 0.16).then_some(0.0);
    };
    let mut ratios: Vec<f32> = (r.sharpness.iter().zip(m.sharpness.0.iter()))
        .filter(|(usual, _)| **usual >= TEXTURED)
        .map(|(usual, now)| f32::from(*now) / usual)
        .collect();
    if ratios.len() < TEXTURED_MIN {
        return None;
    }
    ratios.sort_unstable_by(f32::total_cmp);
    let light = (m.contrast / r.contrast).clamp(0.1, 1.0);
    Some(ratios[ratios.len() / 2] / light)
}

/// Whether the edges lie elsewhere than usual.
fn moved(m: &Measures, r: &Reference, t: &Thresholds) -> Option<Finding> {
    if m.contrast < CONTRAST_MIN.max(r.contrast / 4.0) {
        return None;
    }
    let (usual, now) = (places(&r.edges), places(&m.edges.0.map(f32::from)));
    let here = correlate(&usual, &now)?;
    if here >= IN_PLACE {
        return None;
    }
    let best = best_fit(&usual, &now)?;
    // Cells are coarse: half of one belongs to the threshold.
    let far = best.share() >= t.moved_share - 0.5 / crate::edges::WIDTH as f32;
    if far && best.correlation >= SHIFTED && best.correlation >= here + SHIFTED_BETTER {
        return Some(Finding { fault: Fault::Moved, measure: best.share(), successive: t.successive });
    }
    let successive = t.successive.max(ELSEWHERE_SUCCESSIVE);
    (best.correlation < ELSEWHERE).then_some(Finding { fault: Fault::Moved, measure: 1.0, successive })
}
