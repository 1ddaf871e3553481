//! What of RTCP matters to a receiver that forwards: sender reports and good-byes (RFC 3550 §6.4.1, §6.6).

use lectern_media::{Ssrc, UnixMillis};
use retina::rtcp::PacketRef;

/// A sender's tie between its RTP clock and its wall clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SenderReport {
    pub(crate) ssrc: Ssrc,
    pub(crate) ntp: UnixMillis,
    pub(crate) timestamp: u32,
}

/// The first sender report of a compound packet that tells a time; `None` if there is none or the bytes are not RTCP.
pub(crate) fn sender_report(mut data: &[u8]) -> Option<SenderReport> {
    while !data.is_empty() {
        let (packet, rest) = PacketRef::parse(data).ok()?;
        data = rest;
        if let Ok(Some(report)) = packet.as_sender_report() {
            let ntp = report.ntp_timestamp().0;
            // RFC 3550 §6.4.1: a sender without a notion of time sets the NTP timestamp to zero.
            if ntp != 0 {
                let (ssrc, timestamp) = (Ssrc(report.ssrc()), report.rtp_timestamp());
                return Some(SenderReport { ssrc, ntp: unix_millis(ntp), timestamp });
            }
        }
    }
    None
}

/// NTP time (seconds since 1900 in 32.32 fixed point) on our scale. The era is the one that RFC 5905 §6 calls 0 for high
/// seconds and 1 (from 2036) for low ones, except that cameras whose clock was never set count from 1970: those stay there.
fn unix_millis(ntp: u64) -> UnixMillis {
    const SECONDS_1900_TO_1970: i64 = 2_208_988_800;
    let (seconds, fraction) = ((ntp >> 32) as i64, ntp & 0xffff_ffff);
    let millis = ((fraction * 1000) >> 32) as i64;
    UnixMillis((seconds - SECONDS_1900_TO_1970) * 1000 + millis)
}

/// A receiver report without report blocks and our name: some cameras end a session over UDP without one now and then.
pub(crate) fn receiver_report(ssrc: Ssrc) -> [u8; 24] {
    let mut out = [0; 24];
    out[..4].copy_from_slice(&[0x80, 201, 0, 1]);
    out[4..8].copy_from_slice(&ssrc.0.to_be_bytes());
    // SDES with a CNAME (RFC 3550 §6.5): each compound packet has one.
    out[8..12].copy_from_slice(&[0x81, 202, 0, 3]);
    out[12..16].copy_from_slice(&ssrc.0.to_be_bytes());
    out[16..23].copy_from_slice(&[1, 5, b'l', b'c', b't', b'r', b'n']);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(ntp: u64) -> Vec<u8> {
        let mut out = vec![0x80, 200, 0, 6];
        out.extend(7u32.to_be_bytes());
        out.extend(ntp.to_be_bytes());
        out.extend(90_000u32.to_be_bytes());
        out.extend([0; 8]);
        out
    }

    #[test]
    fn a_report_ties_the_clocks_and_one_without_a_time_does_not() {
        // 2026-01-01T00:00:00.500Z
        let ntp = ((1_767_225_600u64 + 2_208_988_800) << 32) | 0x8000_0000;
        let compound = [&receiver_report(Ssrc(1))[..], &report(ntp)].concat();
        let want = SenderReport { ssrc: Ssrc(7), ntp: UnixMillis(1_767_225_600_500), timestamp: 90_000 };
        assert_eq!(sender_report(&compound), Some(want));
        assert_eq!(sender_report(&report(0)), None);
        assert_eq!(sender_report(&compound[..30]), None);
    }
}
