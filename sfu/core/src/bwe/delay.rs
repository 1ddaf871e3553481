//! How full the queue before the subscriber is: one-way delay above its floor, and whether it grows. Not here: what to do
//! about it ([`super::Estimator`]).

use std::time::Duration;

/// The floor is the least delay of this and the last window, so that it follows a change of route and clock drift
/// (50 ppm are 1.5 ms in 30 s).
const FLOOR_WINDOW_US: i64 = 15_000_000;
/// The most that a packet's own time on the line is taken for.
const SERIAL_MAX_US: i64 = 60_000;
/// The standing queue is the least delay within this time: bursts come and go, a queue stays.
const STANDING_US: i64 = 200_000;
/// Packets sent within this time are one group for the trend.
const GROUP_US: i64 = 10_000;
/// The trend is taken over this many groups …
const GROUPS: usize = 20;
/// … within this time.
const TREND_US: i64 = 500_000;
/// How many feedbacks' minima are kept for the standing queue.
const MINIMA: usize = 8;

#[derive(Debug, Clone, Copy, Default)]
struct Point {
    at_us: i64,
    queue_us: i64,
}

/// The delay of one subscriber's line.
#[derive(Debug, Default)]
pub(super) struct Delay {
    floor: Option<[Floor; 2]>,
    floor_since: i64,
    batch: Option<Point>,
    minima: [Point; MINIMA],
    minima_len: usize,
    groups: [Point; GROUPS],
    groups_len: usize,
    group: Option<Group>,
}

/// The least delay, and the size of the packet that had it.
#[derive(Debug, Clone, Copy)]
struct Floor {
    delay_us: i64,
    size_bytes: u16,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    sent_us: i64,
    arrived_us: i64,
    queue_sum_us: i64,
    packets: i64,
}

impl Delay {
    /// Notes a packet: sent and arrived on the clocks of sender and receiver. `line` is what the line is thought to carry, in
    /// bit/s: a packet's own time on it is no queue.
    pub fn on_packet(&mut self, sent: Duration, arrived: Duration, size_bytes: u16, line: f64) {
        let (sent, arrived) = (sent.as_micros() as i64, arrived.as_micros() as i64);
        let delay_us = arrived - sent;
        let floor = self.lower_floor(arrived, Floor { delay_us, size_bytes });
        // The floor is what was measured, never what was computed: a line that is thought thinner than it is would lower it
        // for half a minute, and what follows would look like a queue.
        let larger = f64::from(size_bytes.saturating_sub(floor.size_bytes));
        let serial_us = ((larger * 8.0 / line * 1e6) as i64).min(SERIAL_MAX_US);
        let queue_us = (delay_us - floor.delay_us - serial_us).max(0);
        let lower = self.batch.is_none_or(|b| queue_us < b.queue_us);
        if lower {
            self.batch = Some(Point { at_us: arrived, queue_us });
        }
        match &mut self.group {
            Some(g) if sent - g.sent_us < GROUP_US => {
                g.queue_sum_us += queue_us;
                g.packets += 1;
                g.arrived_us = g.arrived_us.max(arrived);
            }
            _ => {
                let group = Group { sent_us: sent, arrived_us: arrived, queue_sum_us: queue_us, packets: 1 };
                if let Some(g) = self.group.replace(group) {
                    push(
                        &mut self.groups,
                        &mut self.groups_len,
                        Point { at_us: g.arrived_us, queue_us: g.queue_sum_us / g.packets },
                    );
                }
            }
        }
    }

    /// One feedback packet is read.
    pub fn end_feedback(&mut self) {
        if let Some(p) = self.batch.take() {
            push(&mut self.minima, &mut self.minima_len, p);
        }
    }

    /// The queue that stands: the least delay of the last moments above the floor.
    pub fn standing(&self) -> Duration {
        let minima = &self.minima[..self.minima_len];
        let Some(newest) = minima.iter().map(|p| p.at_us).max() else { return Duration::ZERO };
        let least = minima.iter().filter(|p| newest - p.at_us < STANDING_US).map(|p| p.queue_us).min();
        Duration::from_micros(least.unwrap_or(0).max(0) as u64)
    }

    /// The least queue in the newest feedback.
    pub fn latest(&self) -> Duration {
        let newest = self.minima[..self.minima_len].last();
        Duration::from_micros(newest.map_or(0, |p| p.queue_us.max(0)) as u64)
    }

    /// How fast the queue grows, in seconds per second (least squares over the last groups); 0 while too little is known.
    pub fn trend(&self) -> f64 {
        let groups = &self.groups[..self.groups_len];
        let Some(newest) = groups.iter().map(|p| p.at_us).max() else { return 0.0 };
        let recent = || groups.iter().filter(|p| newest - p.at_us < TREND_US);
        let n = recent().count();
        if n < 5 {
            return 0.0;
        }
        let mean = |f: fn(&Point) -> i64| recent().map(f).sum::<i64>() as f64 / n as f64;
        let (at, queue) = (mean(|p| p.at_us), mean(|p| p.queue_us));
        let (mut covariance, mut variance) = (0.0, 0.0);
        for p in recent() {
            let (x, y) = (p.at_us as f64 - at, p.queue_us as f64 - queue);
            covariance += x * y;
            variance += x * x;
        }
        if variance > 0.0 { covariance / variance } else { 0.0 }
    }

    fn lower_floor(&mut self, arrived: i64, this: Floor) -> Floor {
        let floor = self.floor.get_or_insert_with(|| {
            self.floor_since = arrived;
            [this; 2]
        });
        if arrived - self.floor_since > FLOOR_WINDOW_US {
            self.floor_since = arrived;
            *floor = [this, floor[0]];
        }
        let lower = |a: Floor, b: Floor| if a.delay_us < b.delay_us { a } else { b };
        floor[0] = lower(floor[0], this);
        lower(floor[0], floor[1])
    }
}

/// Appends to a small array, dropping the oldest.
fn push<const N: usize>(points: &mut [Point; N], len: &mut usize, p: Point) {
    if *len == N {
        points.copy_within(1.., 0);
        *len -= 1;
    }
    points[*len] = p;
    *len += 1;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(d: &mut Delay, from_ms: u64, n: u64, queue_us: impl Fn(u64) -> u64) {
        for i in 0..n {
            let sent = Duration::from_millis(from_ms + 10 * i);
            let arrived = sent + Duration::from_micros(7_000_000 + queue_us(i));
            d.on_packet(sent, arrived, 100, 1e6);
            if i % 5 == 4 {
                d.end_feedback();
            }
        }
    }

    #[test]
    fn bursts_are_told_from_queues_and_queues_from_growth() {
        let mut d = Delay::default();
        feed(&mut d, 0, 50, |_| 0);
        assert!(d.standing().is_zero() && d.trend().abs() < 0.01);
        feed(&mut d, 500, 50, |i| if i % 10 < 5 { 60_000 } else { 500 });
        assert!(d.standing() < Duration::from_millis(1), "bursts leave no standing queue");
        feed(&mut d, 1_000, 50, |i| 2_000 * i);
        assert!(d.trend() > 0.1, "grows by 0.2, got {}", d.trend());
        feed(&mut d, 1_500, 50, |_| 100_000);
        assert!(d.standing() >= Duration::from_millis(99) && d.trend().abs() < 0.05);
        feed(&mut d, 2_000, 6_000, |_| 100_000);
        assert!(d.standing() < Duration::from_millis(1), "after half a minute it is the floor of another route");
    }

    #[test]
    fn large_packets_are_no_queue_whatever_the_line_is_thought_to_carry() {
        for line in [60_000.0, 250_000.0, 4_000_000.0] {
            let mut d = Delay::default();
            // 250 kbit/s: small packets take 5 ms, large ones 38. After four seconds only the sound is left.
            for i in 0..400u64 {
                let size: u16 = if i % 10 == 9 && i < 200 { 1_200 } else { 156 };
                let sent = Duration::from_millis(20 * i);
                let arrived = sent + Duration::from_micros(7_000_000 + u64::from(size) * 32);
                d.on_packet(sent, arrived, size, line);
                if i % 5 == 4 {
                    d.end_feedback();
                    assert!(d.standing() < Duration::from_millis(1), "{line} bit/s, packet {i}: {:?}", d.standing());
                }
            }
        }
    }
}
