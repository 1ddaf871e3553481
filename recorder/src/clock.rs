//! RTP time of each track → the recording's one time (invariant 6). Pure: arrival times come in, positions go out.
//!
//! Until a sender report ties a track to its sender's wall clock, the first packet's arrival anchors it. From then on all
//! tracks of one sender share that clock, so sound and picture are in step whatever their packets' delays were. The sender's
//! clock is tied to ours where its first reporting track already stood, and follows the smallest transit time since (a packet can be late,
//! never early), a fraction of a millisecond a second: so drift between the machines is followed without a step. Corrections are worked off by slewing,
//! never by a jump, unless the clock itself jumped.

use lectern_media::ClockRate;

/// Nanoseconds on some line of time.
type Ns = i64;

const MS: Ns = 1_000_000;
const SECOND: Ns = 1000 * MS;

/// A disagreement this large is a clock that jumped, not one that drifts.
const JUMP: Ns = SECOND;
/// The smallest transit time is taken over this long.
const WINDOW: Ns = 10 * SECOND;
/// Drift followed in each window: 2 ms in 10 s are 200 ppm, twice what quartz does at its worst.
const DRIFT_PER_WINDOW: Ns = 2 * MS;
/// Correction of a camera's clock in each window: a camera may send what it kept before what it sees, and its clock may be bad.
const ARRIVAL_STEP: Ns = 200 * MS;

/// One sender's wall clock against the recording's time.
#[derive(Debug, Default)]
pub(crate) struct SenderClock {
    /// Recording time minus the sender's wall clock.
    offset: Option<Ns>,
    /// `offset` minus the smallest transit time when it was set: kept from then on.
    bias: Option<Ns>,
    window_end: Ns,
    transit_min: Option<Ns>,
}

impl SenderClock {
    /// Takes the apparent transit time of a packet (arrival minus sender's wall clock).
    fn observe(&mut self, arrival: Ns, transit: Ns) {
        let Some(offset) = self.offset else { return };
        if self.transit_min.is_none() {
            self.window_end = arrival + WINDOW;
        }
        self.transit_min = Some(self.transit_min.map_or(transit, |m| m.min(transit)));
        if arrival < self.window_end {
            return;
        }
        let min = self.transit_min.take().unwrap_or(transit);
        let bias = *self.bias.get_or_insert(offset - min);
        let error = min + bias - offset;
        self.offset = Some(offset + error.clamp(-DRIFT_PER_WINDOW, DRIFT_PER_WINDOW));
    }

    fn set(&mut self, offset: Ns) {
        *self = Self { offset: Some(offset), ..Self::default() };
    }
}

/// A camera's RTP clock against ours, where its wall clock can't be trusted: follows the smallest transit time.
#[derive(Debug, Default)]
struct ArrivalClock {
    /// An RTP timestamp from which RTP time is counted.
    zero: Option<u64>,
    /// Recording time minus RTP time.
    offset: Option<Ns>,
    window_end: Ns,
    transit_min: Option<Ns>,
}

impl ArrivalClock {
    /// Where a packet of RTP time `rtp` that arrived at `arrival` should be; `predicted` is where it would be without correction.
    fn target(&mut self, rtp: Ns, arrival: Ns, predicted: Ns) -> Ns {
        let mut offset = match self.offset {
            Some(offset) if (rtp + offset - predicted).abs() < JUMP => offset,
            _ => {
                *self = Self { zero: self.zero, offset: None, window_end: arrival + WINDOW, transit_min: None };
                predicted - rtp
            }
        };
        let transit = arrival - rtp;
        let min = self.transit_min.map_or(transit, |m| m.min(transit));
        self.transit_min = Some(min);
        if arrival >= self.window_end {
            offset += (min - offset).clamp(-ARRIVAL_STEP, ARRIVAL_STEP);
            (self.window_end, self.transit_min) = (arrival + WINDOW, None);
        }
        self.offset = Some(offset);
        rtp + offset
    }
}

/// One track's RTP clock against the recording's time.
#[derive(Debug)]
pub(crate) struct TrackClock {
    rate: ClockRate,
    /// Longest correction in each second of media.
    slew: Ns,
    /// An RTP timestamp and its place on the recording's time.
    anchor: Option<(u64, Ns)>,
    /// An RTP timestamp and the sender's wall clock then.
    report: Option<(u64, Ns)>,
    last: u64,
    /// Since when arrivals have been later than the clock says by more than [`JUMP`].
    late_since: Option<Ns>,
    /// A camera's: its sender reports are not followed.
    arrivals: Option<ArrivalClock>,
}

impl TrackClock {
    /// A clock that ticks at `rate`. Sound is slewed by at most 1 %, picture by at most 5 %: neither is noticed.
    pub(crate) fn new(rate: ClockRate, sound: bool) -> Self {
        let slew = if sound { SECOND / 100 } else { SECOND / 20 };
        Self { rate, slew, anchor: None, report: None, last: 0, late_since: None, arrivals: None }
    }

    /// A camera's clock: follows arrivals instead of sender reports, for a camera's wall clock may be off, drift or jump.
    pub(crate) fn camera(rate: ClockRate, sound: bool) -> Self {
        Self { arrivals: Some(ArrivalClock::default()), ..Self::new(rate, sound) }
    }

    /// Timestamps are on a new base from here.
    pub(crate) fn reset(&mut self) {
        (self.anchor, self.report, self.late_since) = (None, None, None);
        self.arrivals = self.arrivals.as_ref().map(|_| ArrivalClock::default());
    }

    /// A sender report: `timestamp` is the sender's wall clock `ntp`.
    pub(crate) fn report(&mut self, timestamp: u64, ntp: Ns) {
        if self.arrivals.is_none() {
            self.report = Some((timestamp, ntp));
        }
    }

    /// Where the unit with `timestamp` that arrived at `arrival` belongs on the recording's time.
    pub(crate) fn place(&mut self, sender: &mut SenderClock, timestamp: u64, arrival: Ns) -> Ns {
        let Some((base, at)) = self.anchor else {
            let at = match (self.wall(timestamp), sender.offset) {
                (Some(wall), Some(offset)) if (wall + offset - arrival).abs() < JUMP => wall + offset,
                _ => arrival,
            };
            self.anchor = Some((timestamp, at));
            self.last = timestamp;
            return at;
        };
        let predicted = at + self.span(base, timestamp);
        let step = self.span(self.last, timestamp).abs();
        self.last = timestamp;
        let target = self.target(sender, timestamp, arrival, predicted);
        if self.jumped(arrival, predicted, target) {
            self.anchor = Some((timestamp, arrival));
            self.report = None;
            self.late_since = None;
            self.arrivals = self.arrivals.as_ref().map(|_| ArrivalClock::default());
            return arrival;
        }
        let limit = (i128::from(self.slew) * i128::from(step) / i128::from(SECOND)) as Ns;
        let correction = (target - predicted).clamp(-limit, limit);
        self.anchor = Some((base, at + correction));
        predicted + correction
    }

    /// Where the unit should be.
    fn target(&mut self, sender: &mut SenderClock, timestamp: u64, arrival: Ns, predicted: Ns) -> Ns {
        let zero = self.arrivals.as_mut().map(|a| *a.zero.get_or_insert(timestamp));
        let rtp = zero.map(|zero| self.span(zero, timestamp));
        if let (Some(arrivals), Some(rtp)) = (&mut self.arrivals, rtp) {
            return arrivals.target(rtp, arrival, predicted);
        }
        let Some(wall) = self.wall(timestamp) else { return predicted };
        let offset = match sender.offset {
            Some(offset) if (wall + offset - predicted).abs() < JUMP => offset,
            // First report of this sender, or its wall clock was set: what is placed already stays where it is.
            _ => {
                sender.set(predicted - wall);
                predicted - wall
            }
        };
        sender.observe(arrival, arrival - wall);
        wall + offset
    }

    /// Whether this RTP clock left the time it was anchored to. A packet can't arrive before it was sent; one that is late may have been
    /// held up, so lateness must last.
    fn jumped(&mut self, arrival: Ns, predicted: Ns, target: Ns) -> bool {
        if predicted.min(target) - arrival > JUMP {
            return true;
        }
        if arrival - predicted.max(target) <= 2 * JUMP {
            self.late_since = None;
            return false;
        }
        arrival - *self.late_since.get_or_insert(arrival) > JUMP
    }

    /// The sender's wall clock at `timestamp`.
    fn wall(&self, timestamp: u64) -> Option<Ns> {
        self.report.map(|(base, ntp)| ntp + self.span(base, timestamp))
    }

    fn span(&self, from: u64, to: u64) -> Ns {
        let ticks = i128::from(to) - i128::from(from);
        // A year is beyond any recording; the bound keeps sums of these in range.
        const YEAR: i128 = 365 * 86_400 * SECOND as i128;
        (ticks * i128::from(SECOND) / i128::from(self.rate.hz())).clamp(-YEAR, YEAR) as Ns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A sender whose clocks run `ppm` too fast; its sound takes 30 ms to arrive and its picture 90 ms.
    struct Sender {
        ppm: i64,
        sender: SenderClock,
        sound: TrackClock,
        picture: TrackClock,
    }

    impl Sender {
        fn new(ppm: i64) -> Self {
            let (sound, picture) = (TrackClock::new(ClockRate::OPUS, true), TrackClock::new(ClockRate::VIDEO, false));
            Self { ppm, sender: SenderClock::default(), sound, picture }
        }

        fn wall(&self, true_ms: i64) -> Ns {
            (true_ms + 1_000_000) * MS + true_ms * self.ppm
        }

        /// Where sound and picture captured at `true_ms` are placed, in milliseconds.
        fn both(&mut self, true_ms: i64, report: bool) -> (i64, i64) {
            let wall = self.wall(true_ms);
            let (s, p) = ((wall / 1000 * 48 / 1000) as u64, (wall / 1000 * 90 / 1000) as u64);
            if report {
                self.sound.report(s, wall);
                self.picture.report(p, wall);
            }
            let jitter = true_ms % 7;
            let s = self.sound.place(&mut self.sender, s, (true_ms + 30 + jitter) * MS);
            let p = self.picture.place(&mut self.sender, p, (true_ms + 90 + jitter * 3) * MS);
            (s / MS, p / MS)
        }
    }

    #[test]
    fn sound_and_picture_come_into_step_and_stay_there_under_drift() {
        for ppm in [-100, 0, 100] {
            let mut x = Sender::new(ppm);
            let (mut last, mut worst) = ((i64::MIN, i64::MIN), 0);
            for t in (0..3_600_000).step_by(20) {
                let (s, p) = x.both(t, t > 500 && t % 5000 == 0);
                assert!(s > last.0 && p > last.1, "time goes forward");
                last = (s, p);
                if t > 20_000 {
                    worst = worst.max((s - p).abs());
                    assert!((s - t - 30).abs() < 25, "{ppm} ppm: after {t} ms sound stands at {s}");
                }
            }
            assert!(worst <= 2, "{ppm} ppm: {worst} ms apart at worst");
        }
    }

    #[test]
    fn a_held_up_burst_is_no_jump_and_a_frozen_clock_is_one() {
        let mut x = Sender::new(0);
        for t in (0..5000).step_by(20) {
            x.both(t, t == 1000);
        }
        let rtp = |t: i64| ((t + 1_000_000) * 90) as u64;
        // Three seconds of packets arrive at once, late.
        for t in (5000..8000).step_by(40) {
            let at = x.picture.place(&mut x.sender, rtp(t), 8090 * MS) / MS;
            assert!((at - t).abs() < 100, "{t} stays in place: {at}");
        }
        // The sender's RTP clock stood still for a minute (some do while muted).
        let mut at = 0;
        for i in 0..100 {
            at = x.picture.place(&mut x.sender, rtp(8000 + i * 40), (68_090 + i * 40) * MS) / MS;
        }
        assert!((at - 72_000).abs() < 200, "placed by arrival again: {at}");
    }

    #[test]
    fn a_camera_is_placed_by_arrival_whatever_its_clock_does() {
        // (what, parts per million, milliseconds that it sends from what it kept when it starts)
        for (ppm, kept) in [(0, 0), (300, 0), (-1000, 0), (0, 900), (0, 2500)] {
            let (mut clock, mut sender) = (TrackClock::camera(ClockRate::VIDEO, false), SenderClock::default());
            let mut last = i64::MIN;
            for t in (0..1_800_000i64).step_by(40) {
                let rtp = ((t + 5_000_000) * 90 + t * 90 * ppm / 1_000_000) as u64;
                let arrival = t.max(kept) + 20 + t % 7;
                let at = clock.place(&mut sender, rtp, arrival * MS) / MS;
                assert!(kept > 0 || at > last, "time goes forward");
                last = at;
                if t > 120_000 {
                    assert!((at - t - 20).abs() < 60, "{ppm} ppm, {kept} ms kept: after {t} ms it stands at {at}");
                }
            }
        }
    }
}
