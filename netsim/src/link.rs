//! One direction of a link, pure: time and packets in, packets and counters out.
//!
//! A packet passes four stations: the tail-drop queue, the wire that serialises at the set rate, the loss, the flight
//! (delay and jitter). Loss comes after the wire: a lost packet has used the line, as on a real one. Everything can be
//! changed while packets are under way; a change of rate acts on what waits.
//!
//! Does not belong here: sockets, clocks, devices (see [`crate::emulator`]).

mod config;
mod counters;

pub use config::{BurstLoss, Fraction, FractionError, LinkConfig, QueueLimit};
pub use counters::{Counters, DropReason};

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, VecDeque},
    time::Duration,
};

/// The most packets in flight behind the queue. 400 ms at 1 Gbit/s of 1,500-byte packets are 33,000; twice that fits.
pub const IN_FLIGHT_PACKETS_MAX: usize = 65_536;

/// One direction of a link that carries `T`.
///
/// Contract: `now` never goes back. Call [`push`](Self::push) with what is sent; call [`pop`](Self::pop) until it gives
/// nothing; then nothing happens before [`next_due`](Self::next_due). Moments are durations since the start of the run.
#[derive(Debug)]
pub struct Link<T> {
    config: LinkConfig,
    rng: ChaCha8Rng,
    waiting: VecDeque<Waiting<T>>,
    waiting_bytes: u64,
    /// Until when the head of `waiting` has been served, and what is left of it.
    served_until: Duration,
    head_left: WireTime,
    in_flight: BinaryHeap<Reverse<InFlight<T>>>,
    last_arrival: Duration,
    burst_bad: bool,
    order: u64,
    counters: Counters,
}

/// Work of the wire: bits times nanoseconds-per-second, so that a rate change in mid-packet loses no fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct WireTime(u128);

impl WireTime {
    const fn of(len_bytes: u64) -> Self {
        Self(len_bytes as u128 * 8 * 1_000_000_000)
    }
}

#[derive(Debug)]
struct Waiting<T> {
    since: Duration,
    len_bytes: u64,
    item: T,
}

#[derive(Debug)]
struct InFlight<T> {
    due: Duration,
    order: u64,
    since: Duration,
    len_bytes: u64,
    item: T,
}

impl<T> PartialEq for InFlight<T> {
    fn eq(&self, other: &Self) -> bool {
        (self.due, self.order) == (other.due, other.order)
    }
}
impl<T> Eq for InFlight<T> {}
impl<T> PartialOrd for InFlight<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<T> Ord for InFlight<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        (self.due, self.order).cmp(&(other.due, other.order))
    }
}

impl<T> Link<T> {
    /// A link that behaves as `config` says; the same `seed` and the same calls give the same run.
    #[must_use]
    pub fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            rng: ChaCha8Rng::seed_from_u64(seed),
            waiting: VecDeque::new(),
            waiting_bytes: 0,
            served_until: Duration::ZERO,
            head_left: WireTime(0),
            in_flight: BinaryHeap::new(),
            last_arrival: Duration::ZERO,
            burst_bad: false,
            order: 0,
            counters: Counters::default(),
        }
    }

    /// How the link behaves now.
    #[must_use]
    pub fn config(&self) -> &LinkConfig {
        &self.config
    }

    /// What has happened so far.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Bytes that wait for the wire, the packet on it included.
    #[must_use]
    pub fn queued_bytes(&self) -> u64 {
        self.waiting_bytes
    }

    /// Changes the behaviour from `now` on. What already left the wire arrives as it would have; what waits is sent at
    /// the new rate, or lost if the new setting is a cut.
    pub fn set_config(&mut self, now: Duration, config: LinkConfig) {
        self.advance(now);
        self.config = config;
        if self.config.cut {
            for _ in 0..self.waiting.len() {
                self.counters.drop_one(DropReason::Cut);
            }
            self.waiting.clear();
            self.waiting_bytes = 0;
        }
    }

    /// Sends `item`, which takes `len_bytes` on the wire.
    ///
    /// # Errors
    /// The reason if it is dropped before the wire. Later losses are only counted, as for a real sender.
    pub fn push(&mut self, now: Duration, len_bytes: u64, item: T) -> Result<(), DropReason> {
        self.advance(now);
        self.counters.offered_packets += 1;
        self.counters.offered_bytes += len_bytes;
        if let Err(reason) = self.admit(len_bytes) {
            self.counters.drop_one(reason);
            return Err(reason);
        }
        if self.waiting.is_empty() {
            self.served_until = now;
            self.head_left = WireTime::of(len_bytes);
        }
        self.waiting_bytes += len_bytes;
        self.counters.queue_bytes_max = self.counters.queue_bytes_max.max(self.waiting_bytes);
        self.waiting.push_back(Waiting { since: now, len_bytes, item });
        self.advance(now); // an unlimited rate passes it on at once
        Ok(())
    }

    fn admit(&self, len_bytes: u64) -> Result<(), DropReason> {
        if self.config.cut {
            return Err(DropReason::Cut);
        }
        if self.in_flight.len() >= IN_FLIGHT_PACKETS_MAX {
            return Err(DropReason::InFlightFull);
        }
        // The packet on an idle wire never waits, so a queue shorter than one packet still lets single packets through.
        let fits = match self.config.queue_len_bytes_max() {
            Some(max) => self.waiting.is_empty() || self.waiting_bytes + len_bytes <= max,
            None => true,
        };
        if fits { Ok(()) } else { Err(DropReason::QueueFull) }
    }

    /// The next packet that has arrived by `now`.
    pub fn pop(&mut self, now: Duration) -> Option<T> {
        self.advance(now);
        if self.in_flight.peek()?.0.due > now {
            return None;
        }
        let Reverse(p) = self.in_flight.pop()?;
        let took = p.due.saturating_sub(p.since);
        self.counters.delivered_packets += 1;
        self.counters.delivered_bytes += p.len_bytes;
        self.counters.delay_us_sum += took.as_micros() as u64;
        self.counters.delay_us_max = self.counters.delay_us_max.max(took.as_micros() as u64);
        self.counters.late_us_max = self.counters.late_us_max.max((now - p.due).as_micros() as u64);
        Some(p.item)
    }

    /// When something happens next if nothing is pushed: a packet leaves the wire or arrives.
    #[must_use]
    pub fn next_due(&self) -> Option<Duration> {
        let arrival = self.in_flight.peek().map(|Reverse(p)| p.due);
        match (arrival, self.head_done()) {
            (Some(a), Some(h)) => Some(a.min(h)),
            (a, h) => a.or(h),
        }
    }

    /// When the packet on the wire has left it; nothing for an empty queue or a rate of zero.
    fn head_done(&self) -> Option<Duration> {
        self.waiting.front()?;
        match self.config.rate {
            None => Some(self.served_until),
            Some(rate) => {
                let ns = self.head_left.0.div_ceil(u128::from(rate.as_bps()).max(1));
                let ns = u64::try_from(ns).ok().filter(|_| rate.as_bps() > 0)?;
                self.served_until.checked_add(Duration::from_nanos(ns))
            }
        }
    }

    /// Lets the wire work until `now`.
    fn advance(&mut self, now: Duration) {
        while let Some(done) = self.head_done().filter(|d| *d <= now) {
            self.counters.busy_us += (done - self.served_until).as_micros() as u64;
            let Some(head) = self.waiting.pop_front() else { return };
            self.waiting_bytes -= head.len_bytes;
            self.served_until = done;
            self.head_left = self.waiting.front().map_or(WireTime(0), |next| WireTime::of(next.len_bytes));
            self.leave_wire(done, head);
        }
        if self.waiting.front().is_some() && now > self.served_until {
            let worked = (now - self.served_until).as_nanos() * self.config.rate.map_or(0, |r| u128::from(r.as_bps()));
            self.head_left = WireTime(self.head_left.0.saturating_sub(worked));
            self.counters.busy_us += (now - self.served_until).as_micros() as u64;
            self.served_until = now;
        }
    }

    fn leave_wire(&mut self, at: Duration, p: Waiting<T>) {
        // The same number of draws for every packet: turning one knob does not change the others' luck.
        let (loss, turn, jitter): (f64, f64, f64) = (self.rng.random(), self.rng.random(), self.rng.random());
        if let Some(burst) = self.config.burst {
            self.burst_bad = if self.burst_bad { turn >= burst.end.get() } else { turn < burst.begin.get() };
        } else {
            self.burst_bad = false;
        }
        if self.burst_bad {
            return self.counters.drop_one(DropReason::BurstLoss);
        }
        if loss < self.config.loss.get() {
            return self.counters.drop_one(DropReason::RandomLoss);
        }
        let mut due = at + self.config.delay + self.config.jitter.mul_f64(jitter);
        if due < self.last_arrival {
            if self.config.reorder {
                self.counters.reordered_packets += 1;
            } else {
                due = self.last_arrival;
            }
        }
        self.last_arrival = self.last_arrival.max(due);
        self.order += 1;
        self.in_flight.push(Reverse(InFlight {
            due,
            order: self.order,
            since: p.since,
            len_bytes: p.len_bytes,
            item: p.item,
        }));
    }
}

#[cfg(test)]
mod tests;
