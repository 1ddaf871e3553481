//! What the shard counts: plain numbers on the path, handed to the metrics' handles a few times a second.

use crate::{
    api::LineRefusal,
    dtls::DtlsError,
    ice::IceError,
    srtp::SrtpError,
    udp::{SendError, Sent},
};
use lectern_sfu_core::{DropReason, ingest::StreamStats};
use metrics::{Counter, Gauge, counter, gauge};

/// Why a datagram went no further than the door. Reasons of the core, of ICE, DTLS and SRTP have names of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Empty, or longer than a datagram buffer.
    BadLength,
    /// The first byte belongs to none of STUN, DTLS, RTP (RFC 7983 §7).
    UnknownProtocol,
    /// No peer has this ufrag or is reached at this address.
    UnknownPeer,
    /// Media before the keys are there.
    NoKeys,
    /// RTP of a source that belongs to no line.
    UnknownSource,
    /// RTP from a peer that only receives.
    NotPublisher,
    /// RTCP that is malformed.
    MalformedRtcp,
    /// RTP that is malformed once opened.
    MalformedRtp,
    /// The queue to the shard that owns the peer is full.
    HandoverFull,
    /// The event stream's reader is too slow.
    EventsFull,
    /// A valid check from an address that another, living peer is reached at.
    PathTaken,
    /// RTP of a source whose encoder was restarted under another, or whose track ended.
    RetiredSource,
    /// RTP of a new source for a layer that began with another a moment ago.
    RestartTooSoon,
}

const REFUSALS: [(Refusal, &str); 13] = [
    (Refusal::BadLength, "bad_length"),
    (Refusal::UnknownProtocol, "unknown_protocol"),
    (Refusal::UnknownPeer, "unknown_peer"),
    (Refusal::NoKeys, "no_keys"),
    (Refusal::UnknownSource, "unknown_source"),
    (Refusal::NotPublisher, "not_publisher"),
    (Refusal::MalformedRtcp, "rtcp_malformed"),
    (Refusal::MalformedRtp, "rtp_malformed"),
    (Refusal::HandoverFull, "handover_full"),
    (Refusal::EventsFull, "events_full"),
    (Refusal::PathTaken, "path_taken"),
    (Refusal::RetiredSource, "retired_source"),
    (Refusal::RestartTooSoon, "restart_too_soon"),
];

const SRTP: [(SrtpError, &str); 7] = [
    (SrtpError::Truncated, "srtp_truncated"),
    (SrtpError::Authentication, "srtp_authentication"),
    (SrtpError::Replayed, "srtp_replayed"),
    (SrtpError::NotEncrypted, "srtp_not_encrypted"),
    (SrtpError::NoRoom, "srtp_no_room"),
    (SrtpError::KeyExhausted, "srtp_key_exhausted"),
    (SrtpError::SealedBefore, "srtp_sealed_before"),
];

/// A number that grows on the path, and the handle that is told of it later.
pub(super) struct Tally {
    pending: u64,
    told: Counter,
}

impl Tally {
    fn new(told: Counter) -> Self {
        Self { pending: 0, told }
    }

    pub(super) fn add(&mut self, n: u64) {
        self.pending += n;
    }

    fn flush(&mut self) {
        if self.pending > 0 {
            self.told.increment(std::mem::take(&mut self.pending));
        }
    }
}

/// The counters of one shard.
pub(super) struct Counters {
    refused: [Tally; REFUSALS.len()],
    srtp: [Tally; SRTP.len()],
    /// Packets the core dropped on their way to one subscriber, or at a publisher's door.
    forward_dropped: [Tally; DropReason::ALL.len()],
    ingest_dropped: [Tally; DropReason::ALL.len()],
    /// Repairs that were asked for, and packets that waited, and did not go out.
    unsent: [Tally; DropReason::ALL.len()],
    /// Publishers' packets that came by retransmission, and that never came.
    pub repaired: Tally,
    pub given_up: Tally,
    /// Pictures that a thin line took away.
    pub paused: Tally,
    pub packets_in: Tally,
    /// Packets of publishers in this process.
    pub local_packets: Tally,
    pub bytes_in: Tally,
    packets_out: Tally,
    bytes_out: Tally,
    send_calls: Tally,
    send_lost: [Tally; 2],
    pub handed_over: Tally,
    pub keyframes_asked: Tally,
    pub nacks_sent: Tally,
    pub peers: Gauge,
    pub tracks: Gauge,
    pub locals: Gauge,
}

impl Counters {
    pub(super) fn new(shard: u8) -> Self {
        let shard = shard.to_string();
        let drops = |name: &'static str| DropReason::ALL.map(|r| Tally::new(counter!(name, "reason" => r.label())));
        let lost = |e: SendError| Tally::new(counter!("lectern_sfu_send_lost_packets_total", "reason" => e.label()));
        let refused =
            |label: &'static str| Tally::new(counter!("lectern_sfu_refused_packets_total", "reason" => label));
        let plain = |name: &'static str| Tally::new(counter!(name));
        Self {
            refused: REFUSALS.map(|(_, l)| refused(l)),
            srtp: SRTP.map(|(_, l)| refused(l)),
            forward_dropped: drops("lectern_sfu_forward_dropped_packets_total"),
            ingest_dropped: drops("lectern_sfu_ingest_dropped_packets_total"),
            unsent: drops("lectern_sfu_unsent_packets_total"),
            repaired: plain("lectern_sfu_ingest_repaired_packets_total"),
            given_up: plain("lectern_sfu_ingest_given_up_packets_total"),
            paused: plain("lectern_sfu_line_pauses_total"),
            local_packets: plain("lectern_sfu_local_received_packets_total"),
            packets_in: plain("lectern_sfu_received_packets_total"),
            bytes_in: plain("lectern_sfu_received_bytes_total"),
            packets_out: plain("lectern_sfu_sent_packets_total"),
            bytes_out: plain("lectern_sfu_sent_bytes_total"),
            send_calls: plain("lectern_sfu_send_calls_total"),
            send_lost: [lost(SendError::SocketFull), lost(SendError::Refused)],
            handed_over: plain("lectern_sfu_handed_over_packets_total"),
            keyframes_asked: plain("lectern_sfu_keyframe_requests_total"),
            nacks_sent: plain("lectern_sfu_nack_requested_packets_total"),
            peers: gauge!("lectern_sfu_peers", "shard" => shard.clone()),
            tracks: gauge!("lectern_sfu_tracks", "shard" => shard.clone()),
            locals: gauge!("lectern_sfu_local_publishers", "shard" => shard),
        }
    }

    /// Hands what was counted to the metrics.
    pub(super) fn flush(&mut self) {
        let reasons = [&mut self.forward_dropped, &mut self.ingest_dropped, &mut self.unsent].into_iter().flatten();
        let one = [
            &mut self.packets_in,
            &mut self.local_packets,
            &mut self.bytes_in,
            &mut self.packets_out,
            &mut self.bytes_out,
            &mut self.send_calls,
            &mut self.handed_over,
            &mut self.keyframes_asked,
            &mut self.nacks_sent,
            &mut self.repaired,
            &mut self.given_up,
            &mut self.paused,
        ];
        reasons
            .chain(&mut self.refused)
            .chain(&mut self.srtp)
            .chain(&mut self.send_lost)
            .chain(one)
            .for_each(Tally::flush);
    }

    pub(super) fn refuse(&mut self, why: Refusal) {
        self.refused[why as usize].add(1);
    }

    pub(super) fn srtp(&mut self, e: SrtpError) {
        if let Some(at) = SRTP.iter().position(|(s, _)| *s == e) {
            self.srtp[at].add(1);
        }
    }

    /// STUN and DTLS refusals are rare enough to look their counter up.
    pub(super) fn ice(&self, e: IceError) {
        counter!("lectern_sfu_refused_packets_total", "reason" => e.label()).increment(1);
    }

    pub(super) fn dtls(&self, e: DtlsError) {
        counter!("lectern_sfu_lost_peers_total", "reason" => e.label()).increment(1);
    }

    pub(super) fn consent_expired(&self) {
        counter!("lectern_sfu_lost_peers_total", "reason" => "consent_expired").increment(1);
    }

    pub(super) fn line_refused(&self, why: LineRefusal) {
        let reason = match why {
            LineRefusal::CodecNotNegotiated => "codec_not_negotiated",
        };
        counter!("lectern_sfu_refused_lines_total", "reason" => reason).increment(1);
    }

    pub(super) fn said_goodbye(&self) {
        counter!("lectern_sfu_lost_peers_total", "reason" => "said_goodbye").increment(1);
    }

    pub(super) fn forward_dropped(&mut self, r: DropReason) {
        self.forward_dropped[r.index()].add(1);
    }

    pub(super) fn ingest_dropped(&mut self, r: DropReason) {
        self.ingest_dropped[r.index()].add(1);
    }

    pub(super) fn unsent(&mut self, r: DropReason, n: u64) {
        self.unsent[r.index()].add(n);
    }

    /// What a publisher's stream counted since `told`, which is brought up to date.
    pub(super) fn ingest(&mut self, stats: StreamStats, told: &mut StreamStats) {
        self.repaired.add(stats.repaired - told.repaired);
        self.given_up.add(stats.given_up - told.given_up);
        *told = stats;
    }

    pub(super) fn sent(&mut self, count: u32, bytes: usize, sent: &Sent) {
        self.packets_out.add(u64::from(count - sent.lost));
        self.bytes_out.add(bytes as u64);
        self.send_calls.add(u64::from(sent.calls));
        match sent.error {
            Some(SendError::SocketFull) => self.send_lost[0].add(u64::from(sent.lost)),
            Some(SendError::Refused) => self.send_lost[1].add(u64::from(sent.lost)),
            None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_the_place_of_its_name() {
        for (i, (r, _)) in REFUSALS.iter().enumerate() {
            assert_eq!(*r as usize, i);
        }
    }
}
