//! Transport-wide congestion control numbers (draft-holmer-rmcat-transport-wide-cc-extensions-01): [`ArrivalLog`] builds
//! feedback for a publisher, [`SendLog`] reads a subscriber's. Not here: what the samples mean ([`crate::bwe`]).

mod arrival;
mod sent;

pub use arrival::{ArrivalLog, FEEDBACK_INTERVAL, STATUS_MAX};
pub use sent::{PacketResult, SendLog};

/// The unit of receive deltas (§3.1.5), in microseconds.
const DELTA_US: i64 = 250;
/// The unit of the reference time (§3.1), in receive delta units: 64 ms.
const REFERENCE_DELTAS: i64 = 256;

/// Packet status symbols (§3.1.1).
mod symbol {
    pub const LOST: u8 = 0;
    pub const SMALL: u8 = 1;
    pub const LARGE: u8 = 2;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtcp::{Builder, Compound, Packet, RtcpError};
    use lectern_media::Ssrc;
    use std::time::{Duration, Instant};

    /// Sends `n` packets 5 ms apart through a line that `arrives` describes (delay in µs, or loss), and returns what the
    /// sender learns from feedback built with `room` bytes every 50 ms.
    fn round_trip(n: u64, room: usize, arrives: impl Fn(u64) -> Option<u64>) -> Vec<PacketResult> {
        let t0 = Instant::now();
        let mut sent = SendLog::new(1_024);
        let mut log = ArrivalLog::default();
        let mut results = Vec::new();
        let flush = |log: &mut ArrivalLog, sent: &mut SendLog, results: &mut Vec<PacketResult>, now| {
            loop {
                let mut buf = vec![0; room];
                let mut b = Builder::new(&mut buf);
                if !log.build(now, Ssrc(1), Ssrc(2), &mut b).unwrap() {
                    return;
                }
                for p in Compound::new(b.bytes()) {
                    let Ok(Packet::TransportCc(fb)) = p else { panic!("feedback parses") };
                    sent.on_feedback(&fb, |r| results.push(r)).unwrap();
                }
            }
        };
        let mut on_the_way = std::collections::BTreeSet::new();
        for step in 0..n + 1_000 {
            let now = t0 + Duration::from_millis(5 * step);
            while let Some((at, seq)) = on_the_way.first().copied().filter(|(at, _)| *at <= now) {
                on_the_way.pop_first();
                log.record(at, seq);
            }
            if log.next_timeout().is_some_and(|t| t <= now) {
                flush(&mut log, &mut sent, &mut results, now);
            }
            if step < n {
                let seq = sent.on_sent(now, 1_000);
                if let Some(us) = arrives(step) {
                    on_the_way.insert((now + Duration::from_micros(us), seq));
                }
            }
        }
        results.sort_by_key(|r| r.sent);
        results
    }

    #[test]
    fn feedback_tells_the_sender_what_arrived_when() {
        for (what, room, arrives) in [
            ("a good line", 1_200, (|_| Some(20_000)) as fn(u64) -> Option<u64>),
            ("every third lost", 1_200, |i| (i % 3 != 1).then_some(20_000)),
            ("long runs of loss", 1_200, |i| (i % 100 < 60).then_some(20_000)),
            ("jitter and reordering", 1_200, |i| Some(20_000 + i * 7_919 % 30_000)),
            ("pauses", 1_200, |i| Some(20_000 + i / 100 * 400_000)),
            ("small feedback packets", 60, |i| (i % 7 != 3).then_some(20_000 + i * 7_919 % 30_000)),
        ] {
            let results = round_trip(1_000, room, arrives);
            // A loss at the very end is never reported on; a packet reported lost may be reported again when it comes late.
            let base = results.iter().find_map(|r| r.arrived).unwrap();
            let first_sent = results[0].sent;
            let mut arrived = 0;
            for r in &results {
                let i = (r.sent - first_sent).as_millis() as u64 / 5;
                let Some(at) = r.arrived else { continue };
                let want = arrives(i).expect("what was lost did not arrive") + 5_000 * i - arrives(0).unwrap();
                let got = (at - base).as_micros() as u64;
                assert!(got.abs_diff(want) <= 500, "{what}: packet {i} arrived at {want} µs, told {got}");
                arrived += 1;
            }
            let want = (0..1_000).filter(|i| arrives(*i).is_some()).count();
            assert_eq!(arrived, want, "{what}: each arrival is told once");
            let lost = results.iter().filter(|r| r.arrived.is_none()).count();
            if !what.contains("jitter") && !what.contains("small") {
                assert!((1_000 - want).abs_diff(lost) <= 40, "{what}: {lost} losses told of {}", 1_000 - want);
            }
        }
    }

    #[test]
    fn inconsistent_feedback_is_refused() {
        let mut sent = SendLog::new(64);
        let t0 = Instant::now();
        for _ in 0..10 {
            sent.on_sent(t0, 100);
        }
        let mut fb = |body: &[u8]| {
            let fb =
                crate::rtcp::TransportCc { base_seq: 0, status_count: 5, reference_time: 0, feedback_count: 0, body };
            sent.on_feedback(&fb, |_| {})
        };
        for (what, body, want) in [
            ("no chunks", &[][..], Err(RtcpError::Feedback)),
            ("run of five received without deltas", &[0x20, 5], Err(RtcpError::Feedback)),
            ("run of five lost", &[0x00, 5], Ok(())),
            ("run of five with deltas", &[0x20, 5, 1, 1, 1, 1, 1, 0], Ok(())),
            ("large delta cut", &[0x40, 5, 0, 1, 0], Err(RtcpError::Feedback)),
            ("empty run first", &[0x00, 0, 0x00, 5], Err(RtcpError::Feedback)),
            ("reserved symbol", &[0x60, 5], Err(RtcpError::Feedback)),
        ] {
            assert_eq!(fb(body), want, "{what}");
        }
    }
}
