//! Every camera's state of health: measures and figures in, verdicts out. Pure: no clock is read, nothing waits.

use crate::{
    debounce::{Alarm, Step},
    figures::{FigureWatch, Figures},
    judge::judge,
    living::Living,
    measure::Measures,
    reference::Reference,
    thresholds::Thresholds,
};
use lectern_media::{CameraId, UnixMillis};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// The most cameras of one core, about 6 kB each.
pub const CAMERAS_MAX: usize = 8_192;

/// What can be wrong with a camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Fault {
    /// Nothing arrives. The measure is for how many seconds.
    NoStream,
    /// Keyframes arrive and can't be decoded. The measure is 1.
    Undecodable,
    /// The picture does not change any more, not even by noise. Mean difference between keyframes, in levels of luma.
    Frozen,
    /// No light, or none gets in. The share of the picture.
    Black,
    /// Far too much light. The share of the picture.
    White,
    /// Something is before the lens. The share of the picture.
    Covered,
    /// Out of focus. What is left of the usual sharpness.
    Blurred,
    /// It looks elsewhere. By which share of the picture; 1 = nothing of the usual scene is to be seen.
    Moved,
    /// Its clock is wrong. By how many seconds; positive is fast.
    WrongClock,
    /// No sound, or nothing but digital silence. For how many seconds.
    NoSound,
    /// More or fewer bits than usual. As a multiple of that.
    BitRate,
    /// More or fewer pictures than there should be. As a multiple of that.
    FrameRate,
}

impl Fault {
    /// Every fault, in the order of their declaration.
    pub const ALL: [Self; 12] = [
        Self::NoStream,
        Self::Undecodable,
        Self::Frozen,
        Self::Black,
        Self::White,
        Self::Covered,
        Self::Blurred,
        Self::Moved,
        Self::WrongClock,
        Self::NoSound,
        Self::BitRate,
        Self::FrameRate,
    ];

    /// Those that only a picture shows.
    const PICTURE: [Self; 6] = [Self::Frozen, Self::Black, Self::White, Self::Covered, Self::Blurred, Self::Moved];

    /// The name in metrics, interfaces and scripts.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoStream => "no_stream",
            Self::Undecodable => "undecodable",
            Self::Frozen => "frozen",
            Self::Black => "black",
            Self::White => "white",
            Self::Covered => "covered",
            Self::Blurred => "blurred",
            Self::Moved => "moved",
            Self::WrongClock => "wrong_clock",
            Self::NoSound => "no_sound",
            Self::BitRate => "bit_rate",
            Self::FrameRate => "frame_rate",
        }
    }
}

/// Whether a fault began or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It is there.
    Raised,
    /// It is over.
    Cleared,
}

/// A change of a camera's health.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Verdict {
    /// The camera.
    pub camera: CameraId,
    /// What is, or was, wrong.
    pub fault: Fault,
    /// Whether it began or ended.
    pub state: State,
    /// When its first sign was seen, not when it was sure.
    pub since: UnixMillis,
    /// The number that decided; see [`Fault`].
    pub measure: f32,
}

/// What was seen of a camera.
#[derive(Debug, Clone, Copy)]
pub enum Observation<'a> {
    /// A keyframe was measured.
    Picture(&'a Measures),
    /// A keyframe could not be decoded.
    Undecodable,
    /// Ingest counted.
    Figures(&'a Figures),
    /// The camera was switched off on purpose: nothing is wrong with it, and all alarms end.
    Off,
}

#[derive(Debug)]
struct Camera {
    thresholds: Thresholds,
    reference: Option<Reference>,
    living: Living,
    figures: FigureWatch,
    alarms: [Alarm; Fault::ALL.len()],
    /// The last picture showed something, sure or not.
    suspect: bool,
}

impl Camera {
    fn new(thresholds: Thresholds) -> Self {
        Self {
            thresholds,
            reference: None,
            living: Living::default(),
            figures: FigureWatch::default(),
            alarms: Default::default(),
            suspect: false,
        }
    }

    fn has_picture_fault(&self) -> bool {
        self.suspect || Fault::PICTURE.iter().any(|f| self.alarms[*f as usize].raised.is_some())
    }
}

/// The health of all cameras. Bounded by [`CAMERAS_MAX`]: what is observed of more is not looked at.
///
/// Call [`observe`](Self::observe) for every keyframe's [`Report`](crate::wire::Report) and about once a second with
/// [`Figures`]; act on the verdicts.
#[derive(Debug, Default)]
pub struct HealthCore {
    cameras: HashMap<CameraId, Camera>,
}

impl HealthCore {
    /// Nothing is known of any camera.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the thresholds of a camera (those of its group). What was learnt and raised stays.
    pub fn set_thresholds(&mut self, camera: CameraId, thresholds: Thresholds) {
        if let Some(c) = self.camera(camera) {
            c.thresholds = thresholds;
        }
    }

    /// Takes what was seen of a camera, and returns what that changes. `now` is the wall clock; nothing is concluded from
    /// its running backwards.
    pub fn observe(&mut self, now: UnixMillis, camera: CameraId, seen: Observation<'_>) -> Vec<Verdict> {
        let mut verdicts = Vec::new();
        let Some(c) = self.camera(camera) else { return verdicts };
        let mut tell = |fault: Fault, alarm: &Alarm, step: Option<Step>| {
            let (state, since) = match step {
                Some(Step::Raised(since)) => (State::Raised, since),
                Some(Step::Cleared(since)) => (State::Cleared, since),
                None => return,
            };
            verdicts.push(Verdict { camera, fault, state, since, measure: alarm.measure });
        };
        match seen {
            Observation::Picture(m) => {
                let finding = judge(m, c.reference.as_ref(), &c.living, &c.thresholds);
                c.suspect = finding.is_some();
                for fault in Fault::PICTURE {
                    let found = finding.filter(|f| f.fault == fault);
                    let successive = found.map_or(c.thresholds.successive, |f| f.successive);
                    let alarm = &mut c.alarms[fault as usize];
                    let step = alarm.count(now, found.map(|f| f.measure), successive);
                    tell(fault, alarm, step);
                }
                let alarm = &mut c.alarms[Fault::Undecodable as usize];
                let step = alarm.count(now, None, c.thresholds.successive);
                tell(Fault::Undecodable, alarm, step);
                if finding.is_none() {
                    c.living.learn(m);
                    match &mut c.reference {
                        Some(r) => r.learn(m),
                        None => c.reference = Reference::begin(m),
                    }
                }
            }
            Observation::Undecodable => {
                let alarm = &mut c.alarms[Fault::Undecodable as usize];
                let step = alarm.count(now, Some(1.0), c.thresholds.successive);
                tell(Fault::Undecodable, alarm, step);
            }
            Observation::Figures(f) => {
                let picture = c.has_picture_fault();
                let signs = c.figures.signs(now, f, picture, &c.thresholds);
                let silent = signs.is_none().then_some(f.silent_for.as_secs_f32());
                let alarm = &mut c.alarms[Fault::NoStream as usize];
                // It was silent long enough already; that it is back must be seen for as long as any figure.
                let hold = if silent.is_some() { 0 } else { c.thresholds.figures_hold_ms };
                let step = alarm.hold(now, silent, hold);
                tell(Fault::NoStream, alarm, step);
                for sign in signs.into_iter().flatten() {
                    let alarm = &mut c.alarms[sign.fault as usize];
                    let hold = if alarm.raised.is_some() { c.thresholds.figures_hold_ms } else { sign.hold_ms };
                    let step = alarm.hold(now, sign.seen, hold);
                    tell(sign.fault, alarm, step);
                }
            }
            Observation::Off => {
                for fault in Fault::ALL {
                    let alarm = &mut c.alarms[fault as usize];
                    let before = *alarm;
                    let step = alarm.reset();
                    tell(fault, &before, step);
                }
                c.suspect = false;
            }
        }
        verdicts
    }

    /// What is wrong with a camera now.
    pub fn active(&self, camera: CameraId) -> impl Iterator<Item = Verdict> + '_ {
        let alarms = self.cameras.get(&camera).map(|c| &c.alarms);
        Fault::ALL.into_iter().filter_map(move |fault| {
            let alarm = &alarms?[fault as usize];
            Some(Verdict { camera, fault, state: State::Raised, since: alarm.raised?, measure: alarm.measure })
        })
    }

    /// Whether enough pictures of a camera were seen to tell whether it was moved or blurred.
    #[must_use]
    pub fn has_learnt(&self, camera: CameraId) -> bool {
        self.cameras.get(&camera).and_then(|c| c.reference.as_ref()).is_some_and(Reference::is_settled)
    }

    /// The camera looks elsewhere on purpose: its usual picture is learnt anew.
    pub fn relearn(&mut self, camera: CameraId) {
        if let Some(c) = self.cameras.get_mut(&camera) {
            (c.reference, c.living) = (None, Living::default());
            c.figures = FigureWatch::default();
        }
    }

    /// The camera is gone.
    pub fn forget(&mut self, camera: CameraId) {
        self.cameras.remove(&camera);
    }

    fn camera(&mut self, camera: CameraId) -> Option<&mut Camera> {
        if self.cameras.len() >= CAMERAS_MAX && !self.cameras.contains_key(&camera) {
            return None;
        }
        Some(self.cameras.entry(camera).or_insert_with(|| Camera::new(Thresholds::default())))
    }
}

#[cfg(all(test, feature = "decode"))]
mod encoded;
#[cfg(test)]
mod tests;
