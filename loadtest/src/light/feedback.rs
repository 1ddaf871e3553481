//! RTCP that a receiver owes: transport-wide feedback (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1) and
//! receiver reports (RFC 3550 §6.4.2).

use lectern_media::{ExtSeq, Ssrc};
use std::time::Duration;

/// The most packets one feedback message tells of; a second at 9 Mbit/s.
pub const PACKETS_MAX: usize = 1000;

const REFERENCE_TICK: Duration = Duration::from_millis(64);
const DELTA_TICK_US: i64 = 250;

/// Arrivals since the last feedback.
#[derive(Debug, Default)]
pub struct Arrivals {
    highest: Option<ExtSeq>,
    /// The first number not yet told of.
    base: Option<ExtSeq>,
    arrived: Vec<(ExtSeq, Duration)>,
    count: u8,
}

impl Arrivals {
    /// Notes the packet with the transport-wide number `wire`, which came at `now`.
    pub fn note(&mut self, wire: u16, now: Duration) {
        let seq = self.highest.map_or(ExtSeq(u64::from(wire) + 0x1_0000), |h| h.extend(wire));
        self.highest = Some(self.highest.map_or(seq, |h| h.max(seq)));
        if self.arrived.len() < PACKETS_MAX && self.base.is_none_or(|b| seq >= b) {
            self.arrived.push((seq, now));
        }
    }

    /// The feedback about everything since the last one; nothing if nothing came.
    pub fn take(&mut self, sender: Ssrc, media: Ssrc) -> Option<Vec<u8>> {
        self.arrived.sort_unstable();
        self.arrived.dedup_by_key(|(seq, _)| *seq);
        let (first, first_at) = *self.arrived.first()?;
        let (last, _) = *self.arrived.last()?;
        let base = self.base.unwrap_or(first).max(ExtSeq(last.0.saturating_sub(8 * PACKETS_MAX as u64)));
        let reference = (first_at.as_micros() / REFERENCE_TICK.as_micros()) as u32 & 0x00ff_ffff;
        let mut told_us = (first_at.as_micros() / REFERENCE_TICK.as_micros() * REFERENCE_TICK.as_micros()) as i64;

        let (mut symbols, mut deltas) = (Vec::new(), Vec::new());
        let mut arrived = self.arrived.iter().filter(|(seq, _)| *seq >= base).peekable();
        for n in base.0..=last.0 {
            let Some((_, at)) = arrived.next_if(|(seq, _)| seq.0 == n) else {
                symbols.push(0u8);
                continue;
            };
            let ticks = (at.as_micros() as i64 - told_us) / DELTA_TICK_US;
            told_us += ticks * DELTA_TICK_US;
            if let Ok(small) = u8::try_from(ticks) {
                symbols.push(1);
                deltas.push(small);
            } else {
                symbols.push(2);
                deltas.extend_from_slice(&(ticks.clamp(-32_768, 32_767) as i16).to_be_bytes());
            }
        }

        let mut m = vec![0x8f, 205, 0, 0]; // FMT 15, transport-layer feedback
        m.extend_from_slice(&sender.0.to_be_bytes());
        m.extend_from_slice(&media.0.to_be_bytes());
        m.extend_from_slice(&base.wire().to_be_bytes());
        m.extend_from_slice(&(symbols.len() as u16).to_be_bytes());
        m.extend_from_slice(&reference.to_be_bytes()[1..]);
        m.push(self.count);
        for seven in symbols.chunks(7) {
            // A status vector of two-bit symbols.
            let bits = (0..7).fold(0u16, |bits, i| bits << 2 | u16::from(seven.get(i).copied().unwrap_or(0)));
            m.extend_from_slice(&(0xc000 | bits).to_be_bytes());
        }
        m.extend_from_slice(&deltas);
        m.resize(m.len().next_multiple_of(4), 0);
        let words = (m.len() / 4 - 1) as u16;
        m[2..4].copy_from_slice(&words.to_be_bytes());

        self.count = self.count.wrapping_add(1);
        self.base = Some(ExtSeq(last.0 + 1));
        self.arrived.clear();
        Some(m)
    }
}

/// One report block's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reported {
    /// Whose packets.
    pub ssrc: Ssrc,
    /// How many are missing so far.
    pub lost: u32,
    /// The highest sequence number with its cycles.
    pub highest: u32,
}

/// A receiver report.
#[must_use]
pub fn receiver_report(sender: Ssrc, blocks: &[Reported]) -> Vec<u8> {
    let mut m = vec![0x80 | blocks.len() as u8, 201, 0, 1 + 6 * blocks.len() as u8];
    m.extend_from_slice(&sender.0.to_be_bytes());
    for block in blocks {
        m.extend_from_slice(&block.ssrc.0.to_be_bytes());
        m.extend_from_slice(&(block.lost & 0x00ff_ffff).to_be_bytes());
        m.extend_from_slice(&block.highest.to_be_bytes());
        m.extend_from_slice(&[0; 12]); // jitter, last SR and its delay: not kept
    }
    m
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtc::rtcp::transport_feedbacks::transport_layer_cc::{PacketStatusChunk, SymbolTypeTcc, TransportLayerCc};
    use rtc::shared::marshal::Unmarshal;

    fn parse(bytes: &[u8]) -> TransportLayerCc {
        TransportLayerCc::unmarshal(&mut bytes::Bytes::copy_from_slice(bytes)).expect("a feedback message")
    }

    #[test]
    fn another_parser_reads_the_same() {
        let mut arrivals = Arrivals::default();
        // 65534, 65535, (0 lost), 1 late by 70 ms, 2
        for (wire, ms) in [(65_534u16, 1000), (65_535, 1001), (1, 1071), (2, 1072)] {
            arrivals.note(wire, Duration::from_millis(ms));
        }
        let tcc = parse(&arrivals.take(Ssrc(1), Ssrc(2)).expect("something came"));
        assert_eq!((tcc.sender_ssrc, tcc.media_ssrc), (1, 2));
        assert_eq!((tcc.base_sequence_number, tcc.packet_status_count, tcc.fb_pkt_count), (65_534, 5, 0));
        assert_eq!(tcc.reference_time, 15, "960 ms");
        let PacketStatusChunk::StatusVectorChunk(chunk) = &tcc.packet_chunks[0] else { panic!("no vector") };
        use SymbolTypeTcc::{
            PacketNotReceived as No, PacketReceivedLargeDelta as Large, PacketReceivedSmallDelta as Small,
        };
        assert_eq!(chunk.symbol_list[..5], [Small, Small, No, Large, Small]);
        let deltas: Vec<_> = tcc.recv_deltas.iter().map(|d| d.delta).collect();
        assert_eq!(deltas, [40_000, 1000, 70_000, 1000]);

        assert!(arrivals.take(Ssrc(1), Ssrc(2)).is_none(), "told already");
        arrivals.note(4, Duration::from_millis(2000));
        let tcc = parse(&arrivals.take(Ssrc(1), Ssrc(2)).expect("something came"));
        assert_eq!((tcc.base_sequence_number, tcc.packet_status_count, tcc.fb_pkt_count), (3, 2, 1), "3 is told lost");
    }

    #[test]
    fn reports_have_their_length() {
        let block = Reported { ssrc: Ssrc(9), lost: 3, highest: 70_000 };
        let m = receiver_report(Ssrc(1), &[block, block]);
        assert_eq!(m.len(), 4 * (usize::from(m[3]) + 1));
        let report =
            rtc::rtcp::receiver_report::ReceiverReport::unmarshal(&mut bytes::Bytes::from(m)).expect("a report");
        assert_eq!((report.reports.len(), report.reports[0].total_lost), (2, 3));
    }
}
