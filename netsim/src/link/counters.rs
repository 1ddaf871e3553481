//! What happened on a link: every packet that was offered is delivered, dropped with a reason, or still under way.

use serde::{Deserialize, Serialize};

/// Why a packet was not delivered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DropReason {
    /// The queue before the wire was full.
    QueueFull,
    /// Random loss.
    RandomLoss,
    /// Loss in a burst.
    BurstLoss,
    /// The line was cut.
    Cut,
    /// More packets in flight than the emulator keeps.
    InFlightFull,
}

/// Packets dropped, by reason.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drops {
    /// [`DropReason::QueueFull`].
    pub queue_full: u64,
    /// [`DropReason::RandomLoss`].
    pub random_loss: u64,
    /// [`DropReason::BurstLoss`].
    pub burst_loss: u64,
    /// [`DropReason::Cut`].
    pub cut: u64,
    /// [`DropReason::InFlightFull`].
    pub in_flight_full: u64,
}

impl Drops {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.queue_full + self.random_loss + self.burst_loss + self.cut + self.in_flight_full
    }
}

/// The link's own account of a run, from its start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Packets sent into the link.
    pub offered_packets: u64,
    /// Their bytes.
    pub offered_bytes: u64,
    /// Packets that came out.
    pub delivered_packets: u64,
    /// Their bytes.
    pub delivered_bytes: u64,
    /// Packets that did not.
    pub dropped_packets: Drops,
    /// Packets that arrived after one sent later.
    pub reordered_packets: u64,
    /// The fullest the queue has been, in bytes.
    pub queue_bytes_max: u64,
    /// Sum of queueing, serialisation and flight of the delivered packets.
    pub delay_us_sum: u64,
    /// The longest of them.
    pub delay_us_max: u64,
    /// How long the wire was busy.
    pub busy_us: u64,
    /// By how much the emulator itself was late in handing over a packet, at worst. 0 on virtual time; beyond a few
    /// thousand the machine was too busy and the run says little.
    pub late_us_max: u64,
}

impl Counters {
    pub(super) fn drop_one(&mut self, reason: DropReason) {
        let d = &mut self.dropped_packets;
        *match reason {
            DropReason::QueueFull => &mut d.queue_full,
            DropReason::RandomLoss => &mut d.random_loss,
            DropReason::BurstLoss => &mut d.burst_loss,
            DropReason::Cut => &mut d.cut,
            DropReason::InFlightFull => &mut d.in_flight_full,
        } += 1;
    }

    /// Share of the offered packets that were dropped.
    #[must_use]
    pub fn loss(&self) -> f64 {
        if self.offered_packets == 0 { 0.0 } else { self.dropped_packets.total() as f64 / self.offered_packets as f64 }
    }

    /// Mean time from offer to delivery, in microseconds.
    #[must_use]
    pub fn delay_us_mean(&self) -> u64 {
        self.delay_us_sum.checked_div(self.delivered_packets).unwrap_or(0)
    }
}
