//! Is what a camera sends worth recording? Finds the faults that an exam site must know of before the exam: no stream,
//! frozen, black, white, covered, blurred, moved, wrong clock, no sound, rates that are off.
//!
//! ```text
//!  keyframe of the substream ──► parent::Worker ══ pipe ══► worker::run: decode ► measure::Meter
//!                                      │                                              │
//!                                      ◄══════════════ wire::Report (JSON line) ◄═════┘
//!  ingest's figures ──┐                │
//!                     ▼                ▼
//!                HealthCore::observe(now, camera, Observation) ──► Vec<Verdict>
//! ```
//!
//! The decoder is fifty thousand lines of somebody else's C++ that reads what a network sends. It runs in a process of its
//! own with little memory and low priority; a keyframe that kills it costs one worker and is a verdict (`undecodable`), not
//! an outage. All judgement is in the pure part: measures, figures and `now` in, verdicts out; the time of day only comes in
//! as an argument.
//!
//! Not here: where alarms are kept, shown or sent to; who reads a camera's keyframes out of its stream.

pub mod confusion;

mod debounce;
pub mod edges;
mod figures;
pub mod fuzz;
mod judge;
mod living;
pub mod measure;
mod parent;
mod reference;
pub mod sound;
#[cfg(test)]
mod synthetic;
mod thresholds;
mod watch;
pub mod wire;
pub mod worker;

pub use figures::{Figures, SoundFigures};
pub use measure::{Measures, Meter, Planes};
pub use parent::{Offered, Worker, WorkerConfig, WorkerError};
pub use thresholds::{ThresholdError, Thresholds};
pub use watch::{CAMERAS_MAX, Fault, HealthCore, Observation, State, Verdict};
