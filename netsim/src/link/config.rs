//! How a link behaves, as data.

use lectern_media::{Bitrate, DataSize};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A probability or share, 0 to 1.
#[derive(Debug, Clone, Copy, Default, PartialEq, PartialOrd, Serialize, Deserialize)]
#[serde(try_from = "f64", into = "f64")]
pub struct Fraction(f64);

/// The number was not between 0 and 1.
#[derive(Debug, Clone, Copy, PartialEq, thiserror::Error)]
#[error("{0} is not a fraction between 0 and 1")]
pub struct FractionError(f64);

impl Fraction {
    /// Never.
    pub const ZERO: Self = Self(0.0);

    /// `value` as a fraction.
    ///
    /// # Errors
    /// If it is not between 0 and 1.
    pub fn new(value: f64) -> Result<Self, FractionError> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err(FractionError(value)) }
    }

    /// `percent` hundredths, cut to 0–100.
    #[must_use]
    pub fn percent(percent: f64) -> Self {
        Self(if percent.is_nan() { 0.0 } else { (percent / 100.0).clamp(0.0, 1.0) })
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl TryFrom<f64> for Fraction {
    type Error = FractionError;
    fn try_from(value: f64) -> Result<Self, FractionError> {
        Self::new(value)
    }
}

impl From<Fraction> for f64 {
    fn from(f: Fraction) -> Self {
        f.0
    }
}

/// Gilbert–Elliott loss: in the bad state every packet is lost, in the good one none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BurstLoss {
    /// Chance per packet that a burst begins.
    pub begin: Fraction,
    /// Chance per packet of the burst that it is over.
    pub end: Fraction,
}

impl BurstLoss {
    /// The loss whose long-run share is `loss` and whose bursts are `burst_len` packets long on average (≥ 1).
    ///
    /// In balance `loss = begin / (begin + end)` and a burst lasts `1 / end` packets.
    #[must_use]
    pub fn with_mean(loss: Fraction, burst_len: f64) -> Self {
        let end = 1.0 / burst_len.max(1.0);
        let share = loss.get().min(0.99);
        Self { begin: Fraction((end * share / (1.0 - share)).min(1.0)), end: Fraction(end) }
    }

    /// The share of packets lost in the long run.
    #[must_use]
    pub fn mean(self) -> f64 {
        let sum = self.begin.get() + self.end.get();
        if sum > 0.0 { self.begin.get() / sum } else { 0.0 }
    }
}

/// How much may wait for the wire before the newest is dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QueueLimit {
    /// So many bytes, the packet on the wire included.
    Bytes(DataSize),
    /// As many bytes as the present rate carries in this time.
    Time(Duration),
}

/// How one direction of a link behaves. The default is a perfect wire with a queue of 200 ms.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct LinkConfig {
    /// Serialisation rate; nothing = unlimited.
    pub rate: Option<Bitrate>,
    /// The queue before the wire. Means nothing while the rate is unlimited.
    pub queue: QueueLimit,
    /// Flight time.
    pub delay: Duration,
    /// Added to the flight time, evenly distributed from 0 to this.
    pub jitter: Duration,
    /// Whether jitter may make one packet overtake another.
    pub reorder: bool,
    /// Chance of every packet by itself to be lost.
    pub loss: Fraction,
    /// Loss in bursts.
    pub burst: Option<BurstLoss>,
    /// The line is cut: what waits and what is sent is lost.
    pub cut: bool,
}

impl Default for LinkConfig {
    fn default() -> Self {
        Self {
            rate: None,
            queue: QueueLimit::Time(Duration::from_millis(200)),
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            reorder: false,
            loss: Fraction::ZERO,
            burst: None,
            cut: false,
        }
    }
}

impl LinkConfig {
    /// A link of `kbps` kilobits per second, else perfect.
    #[must_use]
    pub fn kbps(kbps: u64) -> Self {
        Self { rate: Some(Bitrate::kbps(kbps)), ..Self::default() }
    }

    /// With a flight time of `ms` milliseconds.
    #[must_use]
    pub const fn delay_ms(mut self, ms: u64) -> Self {
        self.delay = Duration::from_millis(ms);
        self
    }

    /// With up to `ms` milliseconds of jitter.
    #[must_use]
    pub const fn jitter_ms(mut self, ms: u64) -> Self {
        self.jitter = Duration::from_millis(ms);
        self
    }

    /// With a queue of `ms` milliseconds at the link's rate.
    #[must_use]
    pub const fn queue_ms(mut self, ms: u64) -> Self {
        self.queue = QueueLimit::Time(Duration::from_millis(ms));
        self
    }

    /// With random loss of `percent` hundredths.
    #[must_use]
    pub fn loss_percent(mut self, percent: f64) -> Self {
        self.loss = Fraction::percent(percent);
        self
    }

    /// With burst loss of `percent` hundredths in bursts of `burst_len` packets on average.
    #[must_use]
    pub fn burst_loss_percent(mut self, percent: f64, burst_len: f64) -> Self {
        self.burst = Some(BurstLoss::with_mean(Fraction::percent(percent), burst_len));
        self
    }

    /// The queue's limit in bytes at the present rate; nothing = the rate is unlimited and nothing waits.
    #[must_use]
    pub fn queue_len_bytes_max(&self) -> Option<u64> {
        let rate = self.rate?;
        Some(match self.queue {
            QueueLimit::Bytes(size) => size.as_bytes(),
            QueueLimit::Time(time) => (rate * time).as_bytes(),
        })
    }
}
