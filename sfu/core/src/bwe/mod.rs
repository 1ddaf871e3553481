//! What a subscriber's line carries: an estimator on delay and loss from transport-wide feedback.
//!
//! - **Down at once.** A standing queue that does not drain, or heavy loss, brings the estimate to what demonstrably arrived.
//! - **Up slowly.** A few per cent a second while the line is clean and used; beyond what is used only after a probe: a
//!   sixth of a second at half as much again, watched closely and broken off at the first sign of a queue.
//! - **Capped** by configuration, and by REMB where a receiver still sends it.
//!
//! The queue is judged by one-way delay above its floor; the gradient decides early, the level decides surely.
//! Receivers without transport-wide feedback are judged by the loss in their reports alone.
//!
//! Not here: pacing ([`crate::pacer`]), and who gets which share ([`crate::allocate`]).

mod delay;
mod delivered;

use crate::twcc::PacketResult;
use delay::Delay;
use delivered::Delivered;
use lectern_media::Bitrate;
use std::time::{Duration, Instant};

/// A standing queue below this is no queue.
const QUEUE_CLEAR: Duration = Duration::from_millis(12);
/// A standing queue that grows is acted on from here …
const QUEUE_GROWING: Duration = Duration::from_millis(25);
/// … one that does not shrink from here.
const QUEUE_HIGH: Duration = Duration::from_millis(50);
/// A queue grows if it grows by this much per second.
const TREND_GROWING: f64 = 0.04;
/// A queue shrinks if it shrinks by this much per second.
const TREND_SHRINKING: f64 = -0.05;
/// What is kept of the delivered rate on a step down; the rest drains the queue.
const KEEP_ON_DELAY: f64 = 0.9;
/// Loss below this fraction is the line's nature, not congestion.
const LOSS_TOLERATED: f64 = 0.06;
/// Loss above this fraction is acted on.
const LOSS_HIGH: f64 = 0.12;
/// A receiver that was silent for this long was cut off: what was lost meanwhile says nothing about the rate.
const CUT: Duration = Duration::from_secs(1);
/// A line on which nothing was sent for this long is idle: more than the queue of any line, and its feedback.
const IDLE: Duration = Duration::from_secs(2);
/// Loss without a queue takes away no more than this share at a time: what arrived just now may be the end of a cut.
const KEEP_ON_LOSS_MIN: f64 = 0.5;
/// Growth per second while no limit is known, and near a known limit.
const GROWTH_FREE: f64 = 0.10;
const GROWTH_NEAR: f64 = 0.03;
/// Without a probe the estimate does not exceed this multiple of what arrives.
const UNUSED_MAX: f64 = 1.3;
/// From this estimate on, bit/s, a line is wide: a frame of a 1.5 Mbit/s picture passes in one piece.
const WIDE: f64 = 1_600_000.0;
/// How long and how hard a probe tries.
const PROBE_TIME: Duration = Duration::from_millis(150);
const PROBE_FACTOR: f64 = 1.5;
/// Where the line was found full, a probe goes beyond that by no more than this.
const PROBE_BEYOND_LIMIT: f64 = 1.25;
/// Feedback on a probe takes no longer than this and a round trip (browsers report every 50 to 250 ms).
const PROBE_REPORT_MAX: Duration = Duration::from_millis(500);
/// A probe is broken off at this much queue.
const PROBE_QUEUE_MAX: Duration = Duration::from_millis(25);
/// Without a probe the estimate does not pass a known limit by more than this.
const GROW_BEYOND_LIMIT: f64 = 1.05;
/// The pause after a probe that found room, after one that did not, and the longest.
const PROBE_AGAIN: Duration = Duration::from_millis(100);
const PROBE_PAUSE_MIN: Duration = Duration::from_secs(4);
const PROBE_PAUSE_MAX: Duration = Duration::from_secs(20);

/// Limits of an estimator.
#[derive(Debug, Clone, Copy)]
pub struct EstimatorConfig {
    /// The estimate before anything is known.
    pub start: Bitrate,
    /// The least.
    pub min: Bitrate,
    /// The most.
    pub max: Bitrate,
}

/// A probe that runs: send padding so that everything together reaches `rate` until `until`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Probe {
    /// When it began.
    pub since: Instant,
    /// When it ends.
    pub until: Instant,
    /// The rate of everything together.
    pub rate: Bitrate,
}

/// What a probe found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Room,
    Full,
}

#[derive(Debug, Clone, Copy)]
struct Running {
    probe: Probe,
    /// First and last packet: when sent, when arrived.
    first: Option<(Instant, Duration)>,
    last: Option<(Instant, Duration)>,
    bytes: u64,
    packets: u32,
    /// A packet sent after the probe was reported on: nothing more is to come.
    over: bool,
}

impl Running {
    /// The rates, in bit/s, at which the probe's packets were sent and at which they arrived.
    fn rates(&self) -> (f64, f64) {
        let Some((first, last)) = self.first.zip(self.last) else { return (0.0, 0.0) };
        let rate = |span: Duration| self.bytes as f64 * 8.0 / span.max(PROBE_TIME / 3).as_secs_f64();
        (rate(last.0.saturating_duration_since(first.0)), rate(last.1.saturating_sub(first.1)))
    }
}

/// The estimator of one subscriber.
#[derive(Debug)]
pub struct Estimator {
    config: EstimatorConfig,
    estimate: f64,
    epoch: Instant,
    delay: Delay,
    delivered: Delivered,
    remb: Option<Bitrate>,
    /// Where the line was found full last.
    limit: Option<f64>,
    congested_at: Option<Instant>,
    /// No step down before this: the effect of the last one, or of a probe, is not seen yet.
    patient_until: Instant,
    grown_at: Instant,
    /// Transport-wide feedback has come.
    feedback: bool,
    /// When the receiver was heard of last.
    heard: Option<Instant>,
    /// When a packet was sent last.
    sent: Option<Instant>,
    /// A receiver report has come.
    reported: bool,
    wanted: Option<Bitrate>,
    running: Option<Running>,
    probe_at: Instant,
    probe_pause: Duration,
    loss: f64,
    /// The most that demonstrably arrived since the line was last found full. The estimate may start above it.
    verified: f64,
    proven: bool,
}

impl Estimator {
    /// An estimator that knows nothing.
    #[must_use]
    pub fn new(now: Instant, config: EstimatorConfig) -> Self {
        Self {
            estimate: config.start.as_bps() as f64,
            config,
            epoch: now,
            delay: Delay::default(),
            delivered: Delivered::default(),
            remb: None,
            limit: None,
            congested_at: None,
            patient_until: now,
            grown_at: now,
            feedback: false,
            heard: None,
            sent: None,
            reported: false,
            wanted: None,
            running: None,
            probe_at: now + Duration::from_millis(500),
            probe_pause: PROBE_PAUSE_MIN,
            loss: 0.0,
            verified: 0.0,
            proven: false,
        }
    }

    /// A packet is sent.
    #[inline]
    pub const fn on_sent(&mut self, now: Instant) {
        self.sent = Some(now);
    }

    /// Takes one packet's fate; call [`end_feedback`](Self::end_feedback) after the last of a feedback packet.
    pub fn on_packet(&mut self, r: &PacketResult) {
        let Some(arrived) = r.arrived else {
            self.delivered.on_lost();
            return;
        };
        if r.late {
            self.delivered.on_found();
        }
        self.delivered.on_received(arrived, r.size_bytes);
        let sent = r.sent.saturating_duration_since(self.epoch);
        // Where the line was found full is the best guess of its rate.
        let line = self.limit.unwrap_or(self.estimate).max(100_000.0);
        self.delay.on_packet(sent, arrived, r.size_bytes, line);
        let Some(run) = self.running.as_mut().filter(|run| r.sent >= run.probe.since) else { return };
        run.over |= r.sent >= run.probe.until;
        if !run.over {
            if run.first.is_none() {
                run.first = Some((r.sent, arrived));
            } else {
                run.bytes += u64::from(r.size_bytes);
            }
            run.last = Some(run.last.map_or((r.sent, arrived), |l| (l.0.max(r.sent), l.1.max(arrived))));
            run.packets += 1;
        }
    }

    /// One feedback packet is read: draws the conclusions.
    pub fn end_feedback(&mut self, now: Instant, rtt: Duration) {
        self.feedback = true;
        self.delay.end_feedback();
        let cut = self.heard.is_some_and(|at| now.saturating_duration_since(at) > CUT);
        self.heard = Some(now);
        if cut {
            self.delivered.forget_losses();
            self.patient_until = self.patient_until.max(now + CUT);
            self.running = None;
            self.probe_pause = PROBE_PAUSE_MIN;
            self.probe_at = self.probe_at.min(now + CUT);
        }
        let (standing, trend) = (self.delay.standing(), self.delay.trend());
        let (loss, lost) = self.delivered.loss(Duration::from_millis(1_000));
        self.loss = loss;
        let full =
            (standing >= QUEUE_GROWING && trend > TREND_GROWING) || (standing >= QUEUE_HIGH && trend > TREND_SHRINKING);
        let lossy = loss > LOSS_HIGH && lost >= 4;
        if self.judge_probe(now, rtt, lossy || self.delay.latest() >= PROBE_QUEUE_MAX) == Some(Verdict::Full) {
            // The queue is the probe's own doing and drains by itself.
            self.patient_until = now + rtt + PROBE_TIME;
        }
        if (full || lossy) && now >= self.patient_until {
            // One conclusion per round trip: what is in flight was sent under the old one.
            self.patient_until = now + rtt.max(Duration::from_millis(50)) + Duration::from_millis(150);
            self.step_down(now, full, if full { KEEP_ON_DELAY } else { 1.0 - loss / 2.0 });
        } else if standing < QUEUE_CLEAR && loss < LOSS_TOLERATED {
            self.grow(now);
        } else {
            self.grown_at = now;
        }
    }

    /// A receiver report, for receivers without transport-wide feedback: `loss` is the fraction lost.
    pub fn on_report(&mut self, now: Instant, loss: f64) {
        self.reported = true;
        self.heard = Some(self.heard.map_or(now, |at| if self.feedback { at } else { now }));
        if self.feedback {
            return;
        }
        self.loss = loss;
        if loss > LOSS_HIGH {
            let bps = self.estimate * (1.0 - loss / 2.0);
            self.set(bps);
            self.proven = true;
            self.congested_at = Some(now);
            self.grown_at = now;
        } else if loss < LOSS_TOLERATED {
            let seconds = now.saturating_duration_since(self.grown_at).as_secs_f64().min(2.0);
            self.grown_at = now;
            let bps = self.estimate * (1.0 + GROWTH_FREE * seconds);
            self.set(bps);
        }
    }

    /// Receiver estimated maximum bitrate: believed as a cap, and as the estimate where nothing better is known.
    pub fn on_remb(&mut self, rate: Bitrate) {
        self.remb = Some(rate);
        let bps = if self.feedback { self.estimate } else { rate.as_bps() as f64 };
        self.set(bps);
    }

    /// What the line carries, all packets with all headers.
    #[must_use]
    pub fn estimate(&self) -> Bitrate {
        Bitrate::bps(self.estimate as u64)
    }

    /// Whether the estimate rests on having found the line full.
    #[must_use]
    pub const fn is_proven(&self) -> bool {
        self.proven
    }

    /// The fraction lost over the last second.
    #[must_use]
    pub const fn loss(&self) -> f64 {
        self.loss
    }

    /// The queue that stands before the subscriber.
    #[must_use]
    pub fn standing_queue(&self) -> Duration {
        self.delay.standing()
    }

    /// How fast to send, and how much time's worth at once: generous on a line that showed itself wide, so that whole frames
    /// leave in one piece; careful on one that is thin or was found full; more careful still while nothing is known.
    #[must_use]
    pub fn pacing(&self, now: Instant) -> (Bitrate, Duration) {
        let wide = self.estimate >= WIDE && !self.congested_within(now, Duration::from_secs(60));
        let (factor, burst_ms) = match (self.feedback || self.reported, wide) {
            (false, _) => (0.8, 10),
            // A queue that stands is drained before anything else.
            (true, _) if self.proven && self.delay.standing() >= QUEUE_GROWING => (0.75, 5),
            (true, false) => (1.25, 10),
            (true, true) => (2.0, 40),
        };
        (self.estimate().scale(factor), Duration::from_millis(burst_ms))
    }

    /// Whether the line was found full within the last `time`.
    #[must_use]
    pub fn congested_within(&self, now: Instant, time: Duration) -> bool {
        self.congested_at.is_some_and(|at| now.saturating_duration_since(at) < time)
    }

    /// Whether the line was found full after `at`.
    #[must_use]
    pub fn congested_since(&self, at: Instant) -> bool {
        self.congested_at.is_some_and(|c| c > at)
    }

    /// Whether the receiver is heard of and its line shows neither a queue nor loss, or the line is idle.
    #[must_use]
    pub fn is_clear(&self, now: Instant) -> bool {
        self.is_idle(now) || (self.is_heard(now) && self.delay.standing() < QUEUE_GROWING && self.loss < LOSS_TOLERATED)
    }

    fn is_heard(&self, now: Instant) -> bool {
        self.heard.is_some_and(|at| now.saturating_duration_since(at) <= CUT)
    }

    /// Nothing was sent for a while (every picture is paused, and there is no sound): any queue has drained, silence is no
    /// sign of a cut, and what was last heard of the line holds no longer.
    fn is_idle(&self, now: Instant) -> bool {
        self.feedback && self.sent.is_some_and(|at| now.saturating_duration_since(at) > IDLE)
    }

    /// Tells which rate the next better allocation needs; `None` if there is nothing to gain.
    pub const fn set_wanted(&mut self, wanted: Option<Bitrate>) {
        self.wanted = wanted;
    }

    /// The probe that runs, begun here if one is due.
    pub fn probe(&mut self, now: Instant) -> Option<Probe> {
        if let Some(run) = &self.running {
            return Some(run.probe).filter(|p| now < p.until);
        }
        let wanted = self.wanted?.as_bps() as f64;
        let due = self.verified > 0.0 && now >= self.probe_at && self.estimate < wanted.min(self.cap());
        let clear = self.is_heard(now) && self.delay.standing() < QUEUE_CLEAR && self.loss < LOSS_TOLERATED;
        if !due || !(clear || self.is_idle(now)) {
            return None;
        }
        let hardest = self.limit.map_or(f64::INFINITY, |l| (l * PROBE_BEYOND_LIMIT).max(self.estimate * 1.1));
        // What was merely assumed at the start is approached from what is known.
        let base = self.estimate.min(self.verified);
        let rate = Bitrate::bps((base * PROBE_FACTOR).min(wanted * 1.1).min(hardest) as u64);
        let probe = Probe { since: now, until: now + PROBE_TIME, rate };
        self.running = Some(Running { probe, first: None, last: None, bytes: 0, packets: 0, over: false });
        Some(probe)
    }

    /// Ends a probe that failed, or that has run and been reported on.
    fn judge_probe(&mut self, now: Instant, rtt: Duration, trouble: bool) -> Option<Verdict> {
        let run = self.running?;
        let reported = run.over || now >= run.probe.until + rtt + PROBE_REPORT_MAX;
        if !trouble && !reported {
            return None;
        }
        self.running = None;
        let (sent, measured) = run.rates();
        let enough = run.packets >= 5;
        if !trouble && measured >= sent * 0.85 {
            self.verified = self.verified.max(measured.min(sent));
            if enough && measured > self.estimate {
                self.set(measured.min(sent) * 0.95);
            }
            // Well beyond where it was found full, the line is another one than it was.
            self.limit = self.limit.filter(|l| measured < l * 1.1);
            self.probe_pause = PROBE_PAUSE_MIN;
            self.probe_at = now + PROBE_AGAIN;
            return Some(Verdict::Room);
        }
        if enough && measured > self.verified {
            // The probe filled the line: what arrived of it is what the line carries.
            self.limit = Some(measured);
            self.verified = measured;
            self.proven = true;
            self.set(self.estimate.min(measured * 0.95));
        }
        self.probe_at = now + self.probe_pause;
        self.probe_pause = (self.probe_pause * 2).min(PROBE_PAUSE_MAX);
        Some(Verdict::Full)
    }

    fn step_down(&mut self, now: Instant, full: bool, keep: f64) {
        // Over a queue that stands, what arrives is what the line carries.
        let delivered = [200, 400].map(|ms| self.delivered.rate(Duration::from_millis(ms)).as_bps());
        let delivered = delivered[0].max(delivered[1]) as f64;
        let delivered = if full { delivered } else { delivered.max(self.estimate * KEEP_ON_LOSS_MIN) };
        self.delivered.forget_losses();
        self.limit = Some(delivered.min(self.estimate));
        let bps = (delivered * keep).min(self.estimate * 0.95);
        self.set(bps);
        self.verified = self.estimate;
        self.proven = true;
        self.congested_at = Some(now);
        self.grown_at = now;
        self.probe_at = self.probe_at.max(now + self.probe_pause);
    }

    fn grow(&mut self, now: Instant) {
        let seconds = now.saturating_duration_since(self.grown_at).as_secs_f64().min(0.5);
        self.grown_at = now;
        let delivered = self.delivered.rate(Duration::from_millis(500)).as_bps() as f64;
        self.verified = self.verified.max(delivered);
        let near = self.limit.is_some_and(|l| self.estimate > 0.8 * l);
        let growth = if near { GROWTH_NEAR } else { GROWTH_FREE };
        let beyond = self.limit.map_or(f64::INFINITY, |l| l * GROW_BEYOND_LIMIT);
        let grown = (self.estimate * (1.0 + growth * seconds)).min(delivered * UNUSED_MAX).min(beyond);
        // What arrives over an empty queue is carried, whatever was believed before.
        let bps = self.estimate.max(grown).max(delivered);
        self.set(bps);
        self.limit = self.limit.map(|l| l.max(delivered));
    }

    fn cap(&self) -> f64 {
        let remb = self.remb.map_or(f64::INFINITY, |r| r.as_bps() as f64);
        (self.config.max.as_bps() as f64).min(remb)
    }

    fn set(&mut self, bps: f64) {
        self.estimate = bps.min(self.cap()).max(self.config.min.as_bps() as f64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn estimator(t0: Instant) -> Estimator {
        let config = EstimatorConfig { start: Bitrate::kbps(800), min: Bitrate::kbps(60), max: Bitrate::kbps(8_000) };
        Estimator::new(t0, config)
    }

    #[test]
    fn receivers_without_feedback_are_judged_by_their_reports() {
        let t0 = Instant::now();
        let mut e = estimator(t0);
        assert!(e.pacing(t0).0 < e.estimate(), "nothing is known yet");
        for s in 1..=10 {
            e.on_report(t0 + Duration::from_secs(s), 0.0);
        }
        assert!(e.estimate() > Bitrate::kbps(1_900), "{:?}", e.estimate());
        assert!(e.pacing(t0 + Duration::from_secs(10)).0 > e.estimate(), "what is allocated must be able to leave");
        e.on_report(t0 + Duration::from_secs(11), 0.5);
        assert!(e.estimate() < Bitrate::kbps(1_700) && e.is_proven());
        e.on_remb(Bitrate::kbps(300));
        assert_eq!(e.estimate(), Bitrate::kbps(300));
        for s in 12..=30 {
            e.on_report(t0 + Duration::from_secs(s), 0.0);
        }
        assert_eq!(e.estimate(), Bitrate::kbps(300), "REMB is a cap");
        for _ in 0..30 {
            e.on_report(t0, 0.9);
        }
        assert_eq!(e.estimate(), Bitrate::kbps(60), "never below the least");
    }
}
