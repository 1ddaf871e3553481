//! Wall time as RTCP writes it. Monotonic time is [`std::time::Instant`], handed in by the shell as `now`; media time is
//! [`ExtTimestamp`](lectern_media::ExtTimestamp). No clock is read in this crate.

use lectern_media::{ClockRate, UnixMillis};
use std::time::Duration;

/// Seconds between 1900-01-01 (NTP) and 1970-01-01 (Unix).
const NTP_UNIX_OFFSET_SECS: u64 = 2_208_988_800;

/// An NTP timestamp, 32.32 fixed point seconds since 1900 (RFC 3550 §4).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct NtpTime(pub u64);

impl NtpTime {
    /// The NTP timestamp of `since_epoch` after 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_unix(since_epoch: Duration) -> Self {
        let secs = since_epoch.as_secs() + NTP_UNIX_OFFSET_SECS;
        let frac = (u64::from(since_epoch.subsec_nanos()) << 32) / 1_000_000_000;
        Self((secs << 32) | frac)
    }

    /// The middle 32 bits, as LSR fields carry them (RFC 3550 §6.4.1).
    #[must_use]
    pub const fn middle(self) -> u32 {
        (self.0 >> 16) as u32
    }

    /// The wall time to the millisecond. Times before 1970 become negative.
    #[must_use]
    pub fn unix_millis(self) -> UnixMillis {
        let secs = (self.0 >> 32) as i64 - NTP_UNIX_OFFSET_SECS as i64;
        UnixMillis(secs * 1000 + (((self.0 & 0xffff_ffff) * 1000) >> 32) as i64)
    }

    /// This moment plus `d` (wraps in 2036, as NTP does).
    #[must_use]
    pub fn plus(self, d: Duration) -> Self {
        let frac = (u64::from(d.subsec_nanos()) << 32) / 1_000_000_000;
        Self(self.0.wrapping_add(d.as_secs() << 32).wrapping_add(frac))
    }

    /// The time since 1900 in ticks of `rate`: puts the clocks of a track's layers on one line.
    #[must_use]
    pub fn ticks(self, rate: ClockRate) -> i64 {
        ((u128::from(self.0) * u128::from(rate.hz())) >> 32) as i64
    }
}

impl From<UnixMillis> for NtpTime {
    fn from(t: UnixMillis) -> Self {
        Self::from_unix(Duration::from_millis(t.0.max(0) as u64))
    }
}

/// Whole microseconds of `d` (584,000 years fit). Per packet: [`Duration::as_micros`] divides 128 bits.
#[inline]
pub(crate) const fn micros(d: Duration) -> u64 {
    d.as_secs() * 1_000_000 + d.subsec_micros() as u64
}

/// Whole milliseconds of `d`, see [`micros`].
#[inline]
pub(crate) const fn millis(d: Duration) -> u64 {
    d.as_secs() * 1_000 + d.subsec_millis() as u64
}

/// Reads a duration in units of 1/65536 s, as DLSR and LSR differences are written (RFC 3550 §6.4.1).
#[must_use]
pub fn from_compact_ntp(units: u32) -> Duration {
    Duration::from_nanos((u64::from(units) * 1_000_000_000) >> 16)
}

/// Writes a duration in units of 1/65536 s, saturating.
#[must_use]
pub fn to_compact_ntp(d: Duration) -> u32 {
    ((d.as_nanos() << 16) / 1_000_000_000).min(u128::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_and_ntp_agree() {
        let t = NtpTime::from_unix(Duration::from_millis(1_700_000_000_500));
        assert_eq!(t.unix_millis(), UnixMillis(1_700_000_000_500));
        assert_eq!(t.0 & 0xffff_ffff, 1 << 31, "half a second is half the fraction");
        assert_eq!(t.plus(Duration::from_millis(500)).unix_millis(), UnixMillis(1_700_000_001_000));
    }

    #[test]
    fn ticks_grow_with_the_clock() {
        let t = NtpTime::from(UnixMillis(1_700_000_000_000));
        let later = t.plus(Duration::from_millis(100));
        let d = later.ticks(ClockRate::VIDEO) - t.ticks(ClockRate::VIDEO);
        assert!((8_999..=9_000).contains(&d), "100 ms are 9,000 ticks, got {d}");
    }

    #[test]
    fn compact_durations_round_trip() {
        for ms in [0, 1, 20, 1_000, 60_000] {
            let d = Duration::from_millis(ms);
            let back = from_compact_ntp(to_compact_ntp(d));
            assert!(d.abs_diff(back) < Duration::from_micros(16), "{d:?} came back as {back:?}");
        }
    }
}
