//! What was wrong beside what was said to be wrong: the figures of an acceptance run.

use crate::watch::Fault;
use std::{collections::BTreeMap, fmt};

/// Counts, by what was the case and what was said; `None` is "nothing".
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Confusion(BTreeMap<(Option<Fault>, Option<Fault>), u32>);

/// A stretch of time in which something was wrong with a camera, or said to be, in milliseconds of any clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stretch<C> {
    /// The camera.
    pub camera: C,
    /// What.
    pub fault: Fault,
    /// From …
    pub from_ms: i64,
    /// … to.
    pub to_ms: i64,
}

impl Confusion {
    /// Counts one case.
    pub fn add(&mut self, was: Option<Fault>, said: Option<Fault>) {
        *self.0.entry((was, said)).or_default() += 1;
    }

    /// Compares a script with the alarms. An alarm belongs to an injected fault of the same camera if it begins between the
    /// fault's beginning and `late_ms` after its end; one of the same kind is preferred. `also` tells which alarms are a
    /// consequence of a fault (a flood has a frame rate that is off, and a bit rate): those count as found. What is left
    /// of the alarms is false, what is left of the faults was missed. Returns the matrix and how late each found fault was
    /// raised, in ms.
    pub fn compare<C: PartialEq + Copy>(
        injected: &[Stretch<C>],
        alarms: &[Stretch<C>],
        late_ms: i64,
        also: impl Fn(Fault, Fault) -> bool,
    ) -> (Self, Vec<(Fault, i64)>) {
        let (mut matrix, mut delays) = (Self::default(), Vec::new());
        let mut explained = vec![false; alarms.len()];
        for i in injected {
            let within =
                |a: &Stretch<C>| a.camera == i.camera && a.from_ms >= i.from_ms && a.from_ms <= i.to_ms + late_ms;
            let candidates: Vec<usize> = (0..alarms.len()).filter(|n| within(&alarms[*n])).collect();
            let same = candidates.iter().copied().find(|n| alarms[*n].fault == i.fault);
            let related = same.or_else(|| candidates.iter().copied().find(|n| also(i.fault, alarms[*n].fault)));
            match related.or(candidates.first().copied()) {
                Some(n) => {
                    let said = alarms[n].fault;
                    let right = said == i.fault || also(i.fault, said);
                    matrix.add(Some(i.fault), Some(if right { i.fault } else { said }));
                    if right {
                        delays.push((i.fault, alarms[n].from_ms - i.from_ms));
                    }
                }
                None => matrix.add(Some(i.fault), None),
            }
            for n in candidates {
                explained[n] |= alarms[n].fault == i.fault || also(i.fault, alarms[n].fault) || same.is_none();
            }
        }
        for (a, explained) in alarms.iter().zip(explained) {
            if !explained {
                matrix.add(None, Some(a.fault));
            }
        }
        (matrix, delays)
    }

    /// How often `said` was said where `was` was the case.
    #[must_use]
    pub fn count(&self, was: Option<Fault>, said: Option<Fault>) -> u32 {
        self.0.get(&(was, said)).copied().unwrap_or(0)
    }

    /// Faults that were found under their name, and all.
    #[must_use]
    pub fn found(&self) -> (u32, u32) {
        let injected = || self.0.iter().filter(|((was, _), _)| was.is_some());
        (injected().filter(|((was, said), _)| was == said).map(|(_, n)| n).sum(), injected().map(|(_, n)| n).sum())
    }

    /// Alarms where nothing was wrong.
    #[must_use]
    pub fn false_alarms(&self) -> u32 {
        self.0.iter().filter(|((was, _), _)| was.is_none()).map(|(_, n)| n).sum()
    }
}

/// As a table: a row for what was, a column for what was said.
impl fmt::Display for Confusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |fault: Option<Fault>| fault.map_or("nothing", Fault::label);
        let mut columns: Vec<Option<Fault>> = self.0.keys().map(|k| k.1).collect();
        columns.sort_unstable();
        columns.dedup();
        let mut rows: Vec<Option<Fault>> = self.0.keys().map(|k| k.0).collect();
        rows.dedup();
        write!(f, "{:<14}", "was \\ said")?;
        for c in &columns {
            write!(f, "{:>13}", name(*c))?;
        }
        for r in rows {
            write!(f, "\n{:<14}", name(r))?;
            for c in &columns {
                write!(f, "{:>13}", self.count(r, *c))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Fault::{BitRate, Black, Blurred, FrameRate, Frozen, Moved};

    #[test]
    fn a_run_is_summed_up() {
        let s = |camera: u16, fault, from_ms, to_ms| Stretch { camera, fault, from_ms, to_ms };
        let injected = [
            s(1, Black, 10_000, 20_000),
            s(2, Moved, 10_000, 20_000),
            s(3, Frozen, 10_000, 20_000),
            s(4, FrameRate, 0, 9_000),
        ];
        let alarms = [
            s(1, Black, 14_000, 24_000),
            s(2, Blurred, 13_000, 24_000),
            s(4, BitRate, 4_000, 9_000),
            s(5, Black, 15_000, 16_000),
        ];
        let (m, delays) =
            Confusion::compare(&injected, &alarms, 6_000, |was, said| (was, said) == (FrameRate, BitRate));
        assert_eq!((m.found(), m.false_alarms()), ((2, 4), 1), "{m}");
        assert_eq!(m.count(Some(Moved), Some(Blurred)), 1);
        assert_eq!(m.count(Some(Frozen), None), 1);
        assert_eq!(delays, [(Black, 4_000), (FrameRate, 4_000)]);
        assert!(m.to_string().contains("was \\ said"), "{m}");
    }
}
