//! A paused picture is tried again. Without it only sound flows, and what the line carries beyond that shows in probes
//! alone; on a busy machine those fail for reasons of their own, and the picture would stay away for ever.
//!
//! After [`PAUSE_MIN`] without a picture, if the line shows neither queue nor loss, the most important paused line gets its
//! lowest layer whatever the estimate says, until the line is found full. The pacer keeps it from harming the sound. Each
//! failure doubles the pause. Not here: what a full line is ([`crate::bwe`]).

use crate::{
    allocate::{Demand, Outcome},
    bwe::Estimator,
    selector::Target,
};
use lectern_media::Bitrate;
use std::time::{Duration, Instant};

/// The pause before the first try, and the longest.
const PAUSE_MIN: Duration = Duration::from_secs(3);
const PAUSE_MAX: Duration = Duration::from_secs(20);
/// A picture that stayed this long has not failed.
const HELD: Duration = Duration::from_secs(10);
/// What everything together may come to in a try: this, or twice the estimate. Larger pictures are approached by probes.
const RATE_MAX: Bitrate = Bitrate::kbps(250);

/// The tries of one subscriber.
#[derive(Debug)]
pub(super) struct Trials {
    /// The line that is tried, and since when.
    running: Option<(usize, Instant)>,
    paused_since: Option<Instant>,
    ended: Option<Instant>,
    pause: Duration,
}

impl Default for Trials {
    fn default() -> Self {
        Self { running: None, paused_since: None, ended: None, pause: PAUSE_MIN }
    }
}

impl Trials {
    /// Whether a line is tried now.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// The line that is to have its lowest layer whatever the estimate says. Ends a try when the line was found full.
    pub fn line(&mut self, now: Instant, bwe: &Estimator, demands: &[Demand]) -> Option<usize> {
        let (line, since) = self.running?;
        if bwe.congested_since(since) {
            (self.running, self.ended) = (None, Some(now));
            self.pause = (self.pause * 2).min(PAUSE_MAX);
        } else if demands[line].tile_height == 0 || now >= since + HELD {
            // It stays by itself from now on, or nobody looks.
            (self.running, self.ended) = (None, Some(now));
            self.pause = PAUSE_MIN;
        }
        self.running.map(|(line, _)| line)
    }

    /// Looks at what was allocated without insisting (`outcome`, and `audio` besides); a line to try from now on.
    pub fn begin(
        &mut self,
        now: Instant,
        bwe: &Estimator,
        allocated: (&[Demand], &[Target], &Outcome),
        audio: Bitrate,
    ) -> Option<usize> {
        let (demands, targets, outcome) = allocated;
        let paused = (0..demands.len()).filter(|i| targets[*i] == Target::Paused).min_by_key(|i| demands[*i].priority);
        let Some(line) = paused else {
            self.paused_since = None;
            if self.running.is_none() && self.ended.is_some_and(|at| now >= at + HELD) {
                self.pause = PAUSE_MIN;
            }
            return None;
        };
        let since = *self.paused_since.get_or_insert(now);
        let due = self.ended.map_or(since, |ended| since.max(ended)) + self.pause;
        if self.running.is_some() || now < due || !bwe.is_clear(now) {
            return None;
        }
        let cost = demands[line].offers.iter().map(|o| o.bitrate).find(|rate| *rate > Bitrate::ZERO)?;
        if outcome.spent + audio + cost > RATE_MAX.max(bwe.estimate().scale(2.0)) {
            return None;
        }
        self.running = Some((line, now));
        Some(line)
    }
}
