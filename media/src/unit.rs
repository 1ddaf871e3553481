//! Quantities that do their own arithmetic: a rate times a duration is a size, a size over a rate is a duration.

use serde::{Deserialize, Serialize};
use std::{
    ops::{Add, AddAssign, Div, Mul, Sub},
    time::Duration,
};

/// A data rate in bits per second.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema,
)]
#[serde(transparent)]
#[ts(type = "number")]
pub struct Bitrate(u64);

impl Bitrate {
    /// No data at all.
    pub const ZERO: Self = Self(0);

    /// `bps` bits per second.
    #[must_use]
    pub const fn bps(bps: u64) -> Self {
        Self(bps)
    }

    /// `kbps` kilobits (1,000 bits) per second.
    #[must_use]
    pub const fn kbps(kbps: u64) -> Self {
        Self(kbps * 1000)
    }

    /// The rate in bits per second.
    #[must_use]
    pub const fn as_bps(self) -> u64 {
        self.0
    }

    /// This rate scaled by `factor` (≥ 0), rounded down.
    #[must_use]
    pub fn scale(self, factor: f64) -> Self {
        Self((self.0 as f64 * factor.max(0.0)) as u64)
    }

    /// What is left of this rate after `other` is taken; zero at least.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl Add for Bitrate {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self(self.0 + o.0)
    }
}

impl AddAssign for Bitrate {
    fn add_assign(&mut self, o: Self) {
        self.0 += o.0;
    }
}

impl std::iter::Sum for Bitrate {
    fn sum<I: Iterator<Item = Self>>(iter: I) -> Self {
        iter.fold(Self::ZERO, Add::add)
    }
}

impl Mul<Duration> for Bitrate {
    type Output = DataSize;
    fn mul(self, d: Duration) -> DataSize {
        DataSize::bytes((u128::from(self.0) * d.as_nanos() / 8_000_000_000) as u64)
    }
}

/// An amount of data in bytes.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ts_rs::TS, utoipa::ToSchema,
)]
#[serde(transparent)]
#[ts(type = "number")]
pub struct DataSize(u64);

impl DataSize {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// `n` bytes.
    #[must_use]
    pub const fn bytes(n: u64) -> Self {
        Self(n)
    }

    /// The amount in bytes.
    #[must_use]
    pub const fn as_bytes(self) -> u64 {
        self.0
    }
}

impl Add for DataSize {
    type Output = Self;
    fn add(self, o: Self) -> Self {
        Self(self.0 + o.0)
    }
}

impl AddAssign for DataSize {
    fn add_assign(&mut self, o: Self) {
        self.0 += o.0;
    }
}

impl Sub for DataSize {
    type Output = Self;
    fn sub(self, o: Self) -> Self {
        Self(self.0.saturating_sub(o.0))
    }
}

impl Div<Duration> for DataSize {
    type Output = Bitrate;
    /// The mean rate over `d`; zero for an empty duration.
    fn div(self, d: Duration) -> Bitrate {
        match d.as_nanos() {
            0 => Bitrate::ZERO,
            ns => Bitrate::bps((u128::from(self.0) * 8_000_000_000 / ns) as u64),
        }
    }
}

impl Div<Bitrate> for DataSize {
    type Output = Duration;
    /// How long this much data takes at `rate`; [`Duration::MAX`] at rate zero.
    fn div(self, rate: Bitrate) -> Duration {
        match rate.as_bps() {
            0 => Duration::MAX,
            bps => {
                Duration::from_nanos((u128::from(self.0) * 8_000_000_000 / u128::from(bps)).min(u64::MAX.into()) as u64)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_time_and_size_agree() {
        let (rate, second) = (Bitrate::kbps(800), Duration::from_secs(1));
        assert_eq!(rate * second, DataSize::bytes(100_000));
        assert_eq!(DataSize::bytes(100_000) / second, rate);
        assert_eq!(DataSize::bytes(100_000) / rate, second);
        assert_eq!(DataSize::bytes(1) / Bitrate::ZERO, Duration::MAX);
        assert_eq!(DataSize::bytes(1) / Duration::ZERO, Bitrate::ZERO);
    }
}
