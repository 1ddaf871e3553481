//! The three kinds of time, never mixed: monotonic ([`std::time::Instant`]), media ([`MediaTime`]) and wall ([`UnixMillis`]).

use serde::{Deserialize, Serialize};
use std::{
    num::NonZeroU32,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

/// Ticks per second of a media clock. Never zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ClockRate(NonZeroU32);

impl ClockRate {
    /// 90 kHz, the clock of every video payload format in use (RFC 6184 §8.2.1, RFC 7741 §4.1).
    pub const VIDEO: Self = Self::of(90_000);
    /// 48 kHz, the clock of Opus (RFC 7587 §4.1).
    pub const OPUS: Self = Self::of(48_000);
    /// 8 kHz, the clock of G.711 (RFC 3551 §4.5.14).
    pub const G711: Self = Self::of(8_000);

    /// A clock of `hz` ticks per second.
    ///
    /// # Panics
    /// If `hz` is zero (at compile time when used in a constant).
    #[must_use]
    pub const fn of(hz: u32) -> Self {
        match NonZeroU32::new(hz) {
            Some(n) => Self(n),
            None => panic!("a clock rate is at least one tick per second"),
        }
    }

    /// Ticks per second.
    #[must_use]
    pub const fn hz(self) -> u32 {
        self.0.get()
    }

    /// The number of whole ticks in `d`.
    #[must_use]
    pub fn ticks(self, d: Duration) -> u64 {
        (d.as_nanos() * u128::from(self.hz()) / 1_000_000_000) as u64
    }

    /// The length of `ticks` ticks.
    #[must_use]
    pub fn duration(self, ticks: u64) -> Duration {
        Duration::from_nanos((u128::from(ticks) * 1_000_000_000 / u128::from(self.hz())) as u64)
    }
}

/// A point on a media clock, in ticks, extended to 64 bits so that it does not wrap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MediaTime {
    /// Ticks since the (arbitrary) zero of this clock.
    pub ticks: u64,
    /// The clock that counts them.
    pub rate: ClockRate,
}

impl MediaTime {
    /// The time since `earlier` on the same clock; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        self.rate.duration(self.ticks.saturating_sub(earlier.ticks))
    }
}

/// Wall time: milliseconds since 1970-01-01T00:00:00Z.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    ts_rs::TS,
    utoipa::ToSchema,
)]
#[serde(transparent)]
#[ts(type = "number")]
pub struct UnixMillis(pub i64);

impl UnixMillis {
    /// The wall clock now. For shells only: cores are handed the time.
    #[must_use]
    pub fn now() -> Self {
        Self::from(SystemTime::now())
    }

    /// The wall clock as far as it never runs backwards: what was recorded under one moment must not come again under an
    /// earlier one. If the system's clock is set back, this one goes 1 % slower until that has caught up; if it is set forward,
    /// this one follows at once. One for the whole process; for shells only.
    #[must_use]
    pub fn steady() -> Self {
        static CLOCK: Mutex<Option<Steady>> = Mutex::new(None);
        let mut clock = CLOCK.lock().unwrap_or_else(PoisonError::into_inner);
        let (system, at) = (SystemTime::now(), Instant::now());
        clock.get_or_insert_with(|| Steady::new(system, at)).read(system, at)
    }

    /// This moment plus `d`.
    #[must_use]
    pub fn plus(self, d: Duration) -> Self {
        Self(self.0.saturating_add(d.as_millis().min(i64::MAX as u128) as i64))
    }

    /// The time since `earlier`; zero if `earlier` is later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0).max(0) as u64)
    }
}

/// See [`UnixMillis::steady`].
#[derive(Debug)]
struct Steady {
    /// Nanoseconds since 1970.
    wall: i128,
    at: Instant,
}

impl Steady {
    /// By how much of the time that passes a clock that was set back is made up for.
    const SLEW_DIVISOR: i128 = 100;

    fn new(system: SystemTime, at: Instant) -> Self {
        Self { wall: nanos(system), at }
    }

    fn read(&mut self, system: SystemTime, at: Instant) -> UnixMillis {
        let passed = at.saturating_duration_since(self.at).as_nanos() as i128;
        let expected = self.wall + passed;
        self.wall = nanos(system).max(expected - passed / Self::SLEW_DIVISOR);
        self.at = self.at.max(at);
        UnixMillis((self.wall / 1_000_000) as i64)
    }
}

fn nanos(t: SystemTime) -> i128 {
    match t.duration_since(UNIX_EPOCH) {
        Ok(d) => d.as_nanos() as i128,
        Err(before) => -(before.duration().as_nanos() as i128),
    }
}

impl From<SystemTime> for UnixMillis {
    fn from(t: SystemTime) -> Self {
        match t.duration_since(UNIX_EPOCH) {
            Ok(d) => Self(d.as_millis() as i64),
            Err(before) => Self(-(before.duration().as_millis() as i64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_is_set_back_slows_the_steady_one_and_never_turns_it() {
        let (start, at) = (UNIX_EPOCH + Duration::from_secs(1_000_000), Instant::now());
        let ms = |n: u64| Duration::from_millis(n);
        let mut clock = Steady::new(start, at);
        let mut read = |passed: u64, set_by: i64| {
            let system = start + ms(passed);
            let system =
                if set_by < 0 { system - ms(set_by.unsigned_abs()) } else { system + ms(set_by.unsigned_abs()) };
            clock.read(system, at + ms(passed)).0 - 1_000_000_000
        };
        assert_eq!(read(1_000, 0), 1_000);
        let mut last = 1_000;
        for passed in (1_001..=1_000 + 60_000).step_by(7) {
            let now = read(passed, -500);
            assert!(now >= last, "never back");
            last = now;
        }
        assert!((60_480..60_520).contains(&last), "it is where the system's clock is: {last}");
        assert_eq!(read(70_000, -500), 69_500);
        assert_eq!(read(70_010, 3_600_000), 3_670_010, "forward at once");
    }
}
