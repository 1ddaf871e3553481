//! When a subscriber's packets may leave. A bucket drains at the pacing rate; while it is not too full, packets pass at once
//! and whole frames stay together; beyond that they wait here as references (line and outgoing number), so that a keyframe
//! does not overflow the queue of a thin line. Sound never waits, but fills the bucket.
//!
//! Not here: the bytes ([`crate::packet_ring`]) and the rate ([`crate::bwe`]).

use lectern_media::{Bitrate, DataSize};
use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

/// The most packets that wait, unless told otherwise: with 12 bytes each, 12 KiB a subscriber when full.
pub const QUEUE_MAX: usize = 1_024;
/// The most that passes at once, however wide the line: what the socket buffer of a receiver takes beside what it holds.
/// (Browsers ask for 256 KiB and get less on many systems.)
const BURST_MAX_BYTES: f64 = 80_000.0;
/// The longest time a packet may have to wait; beyond it the picture is better begun anew at a keyframe.
pub const WAIT_MAX: Duration = Duration::from_millis(1_500);

/// A packet that waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// The low 32 bits of its outgoing sequence number.
    pub seq: u32,
    /// Its line.
    pub line: u16,
    /// Its size on the wire.
    pub size_bytes: u16,
    /// Whether it goes out as a retransmission.
    pub again: bool,
}

/// The pacer of one subscriber.
#[derive(Debug)]
pub struct Pacer {
    rate: Bitrate,
    burst: Duration,
    level_bytes: f64,
    drained_at: Instant,
    again: VecDeque<Waiting>,
    media: VecDeque<Waiting>,
    media_bytes: usize,
    room: usize,
}

/// The pacer is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl Pacer {
    /// An empty pacer that sends at `rate`.
    #[must_use]
    pub fn new(now: Instant, rate: Bitrate) -> Self {
        Self::with_room(now, rate, QUEUE_MAX)
    }

    /// The same with room for `room` packets of media and as many repairs.
    #[must_use]
    pub fn with_room(now: Instant, rate: Bitrate, room: usize) -> Self {
        Self {
            room,
            rate,
            burst: Duration::from_millis(10),
            level_bytes: 0.0,
            drained_at: now,
            again: VecDeque::new(),
            media: VecDeque::new(),
            media_bytes: 0,
        }
    }

    /// Changes the pacing rate, and how much time's worth of it may pass at once.
    pub fn set_rate(&mut self, now: Instant, rate: Bitrate, burst: Duration) {
        self.drain(now);
        (self.rate, self.burst) = (rate, burst);
    }

    /// Whether a new media packet may pass at once.
    pub fn passes(&mut self, now: Instant) -> bool {
        self.drain(now);
        self.media.is_empty() && self.level_bytes <= self.burst_bytes()
    }

    /// Something of `size_bytes` went out.
    pub fn on_sent(&mut self, now: Instant, size_bytes: usize) {
        self.drain(now);
        // A flood of sound must not silence the picture for ever.
        self.level_bytes = (self.level_bytes + size_bytes as f64).min(self.rate_bytes() * WAIT_MAX.as_secs_f64());
    }

    /// Lets a packet wait.
    ///
    /// # Errors
    /// [`Full`] at [`QUEUE_MAX`] packets (or as many as it was made for) or [`WAIT_MAX`] of media.
    pub fn push(&mut self, waiting: Waiting) -> Result<(), Full> {
        let queue = if waiting.again { &mut self.again } else { &mut self.media };
        let longest = self.rate.as_bps() as f64 / 8.0 * WAIT_MAX.as_secs_f64();
        if queue.len() >= self.room || (!waiting.again && self.media_bytes as f64 > longest) {
            return Err(Full);
        }
        self.media_bytes += if waiting.again { 0 } else { usize::from(waiting.size_bytes) };
        queue.push_back(waiting);
        Ok(())
    }

    /// The next packet whose time has come: repairs before media.
    pub fn pop(&mut self, now: Instant) -> Option<Waiting> {
        self.drain(now);
        if self.level_bytes > self.burst_bytes() {
            return None;
        }
        if let Some(w) = self.again.pop_front() {
            return Some(w);
        }
        let w = self.media.pop_front()?;
        self.media_bytes -= usize::from(w.size_bytes);
        Some(w)
    }

    /// Forgets what waits for one line (it carries something else now).
    pub fn forget(&mut self, line: u16) {
        self.again.retain(|w| w.line != line);
        self.media.retain(|w| w.line != line);
        self.media_bytes = self.media.iter().map(|w| usize::from(w.size_bytes)).sum();
    }

    /// When [`pop`](Self::pop) has something; `None` if nothing waits.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        if self.again.is_empty() && self.media.is_empty() {
            return None;
        }
        let excess = self.level_bytes - self.burst_bytes();
        // Nothing to wait for: at once, even if something was sent at this very moment.
        // Otherwise a hair more than exact, so that rounding does not wake the shell for nothing.
        let wait = if excess > 0.0 { excess / self.rate_bytes() + 2e-5 } else { 0.0 };
        Some(self.drained_at + Duration::from_secs_f64(wait))
    }

    /// Whether nothing waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.again.is_empty() && self.media.is_empty()
    }

    /// The media that waits.
    #[must_use]
    pub const fn waiting_size(&self) -> DataSize {
        DataSize::bytes(self.media_bytes as u64)
    }

    /// How long the last waiting packet will wait.
    #[must_use]
    pub fn delay(&self) -> Duration {
        Duration::from_secs_f64(self.media_bytes as f64 / self.rate_bytes())
    }

    /// The memory held by the queues, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        (self.again.capacity() + self.media.capacity()) * size_of::<Waiting>()
    }

    fn drain(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.drained_at);
        self.level_bytes = (self.level_bytes - elapsed.as_secs_f64() * self.rate_bytes()).max(0.0);
        self.drained_at = self.drained_at.max(now);
    }

    fn rate_bytes(&self) -> f64 {
        (self.rate.as_bps() as f64 / 8.0).max(1_000.0)
    }

    fn burst_bytes(&self) -> f64 {
        (self.rate_bytes() * self.burst.as_secs_f64()).min(BURST_MAX_BYTES)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(seq: u32, again: bool) -> Waiting {
        Waiting { seq, line: 0, size_bytes: 1_000, again }
    }

    #[test]
    fn a_keyframe_on_a_thin_line_is_spread_over_time_and_repairs_go_first() {
        let t0 = Instant::now();
        let mut pacer = Pacer::new(t0, Bitrate::kbps(400));
        let mut passed = 0;
        while pacer.passes(t0) {
            pacer.on_sent(t0, 1_000);
            passed += 1;
        }
        assert_eq!(passed, 1, "one is on its way");
        for n in 0..8 {
            pacer.push(waiting(n, false)).unwrap();
        }
        pacer.push(waiting(100, true)).unwrap();
        assert_eq!(pacer.pop(t0), None);
        let mut now = t0;
        let mut order = Vec::new();
        while let Some(at) = pacer.next_timeout() {
            now = now.max(at);
            let w = pacer.pop(now).expect("its time has come");
            pacer.on_sent(now, 1_000);
            order.push(w.seq);
        }
        assert_eq!(order, [100, 0, 1, 2, 3, 4, 5, 6, 7]);
        // Ten kilobytes at 400 kbit/s (one more passed at once).
        let took = now - t0;
        assert!((Duration::from_millis(165)..Duration::from_millis(190)).contains(&took), "took {took:?}");
    }

    #[test]
    fn a_fast_line_lets_frames_through_whole() {
        let t0 = Instant::now();
        let mut pacer = Pacer::new(t0, Bitrate::kbps(6_000));
        pacer.set_rate(t0, Bitrate::kbps(6_000), Duration::from_millis(15));
        for _ in 0..9 {
            assert!(pacer.passes(t0));
            pacer.on_sent(t0, 1_200);
        }
    }

    #[test]
    fn the_queue_is_bounded_in_time() {
        let t0 = Instant::now();
        let mut pacer = Pacer::new(t0, Bitrate::kbps(80));
        let taken = (0..100).take_while(|n| pacer.push(waiting(*n, false)).is_ok()).count();
        assert_eq!(taken, 16, "a second and a half at 10 kB/s");
        assert!(!pacer.passes(t0 + Duration::from_secs(9)), "what waits goes before what comes");
        pacer.forget(0);
        assert!(pacer.is_empty() && pacer.next_timeout().is_none() && pacer.delay().is_zero());
    }
}
