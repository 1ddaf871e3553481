//! What a subscriber reports and is reported to: RTCP in both directions. Not here: what is made of it ([`crate::bwe`]), and
//! when repairs leave ([`crate::pacer`]).

use super::{Ask, PACKET_LEN_MAX, Subscriber};
use crate::{
    drop::DropReason,
    pacer::Waiting,
    rtcp::{Builder, Compound, Packet, ReportBlock, RtcpError, TransportCc},
    time::{NtpTime, from_compact_ntp},
};
use lectern_media::TrackKind;
use std::time::{Duration, Instant};

/// The share of the estimate that repairs may take, and the least.
const REPAIR_SHARE: f64 = 0.3;
pub(super) const REPAIR_MIN_BYTES_PER_SEC: f64 = 8_000.0;

/// A sender report without blocks, in bytes (RFC 3550 §6.4.1).
const SENDER_REPORT_LEN: usize = 28;

/// What [`Subscriber::sender_reports`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reports {
    /// How many reports were appended.
    pub written: usize,
    /// The buffer was full before all lines were seen: call again soon.
    pub more: bool,
}

impl Subscriber {
    /// Takes one opened compound RTCP packet of the subscriber. Repairs come out of
    /// [`poll_transmit`](Self::poll_transmit); what the shell must do is given to `ask`.
    ///
    /// # Errors
    /// [`RtcpError`] if the bytes are malformed; packets before the malformed one have been applied.
    pub fn on_rtcp(&mut self, now: Instant, data: &[u8], mut ask: impl FnMut(Ask)) -> Result<(), RtcpError> {
        for packet in Compound::new(data) {
            match packet? {
                Packet::SenderReport(_, blocks) | Packet::ReceiverReport(_, blocks) => {
                    for b in blocks.iter() {
                        self.on_report_block(now, &b);
                    }
                }
                Packet::Nack(nack) => {
                    if let Some(line) = self.line_of(nack.media) {
                        for wire in nack.lost() {
                            self.repair(now, line, wire);
                        }
                    }
                }
                Packet::Pli(media) | Packet::Fir { media, .. } => {
                    let line = self.line_of(media).map(|l| &self.lines[l].track);
                    if let Some((source, layer)) =
                        line.and_then(|t| t.source().zip(t.layer().or(t.selector().target().layer())))
                    {
                        ask(Ask::Keyframe(source, layer));
                    }
                }
                Packet::TransportCc(fb) => self.on_feedback(now, &fb)?,
                Packet::Remb(rate) => self.bwe.on_remb(rate),
                _ => {}
            }
        }
        Ok(())
    }

    /// Appends sender reports for the lines that sent since the last call. They speak in the publisher's time; in the
    /// server's, `wall`, only for publishers that never tell theirs. What finds no room comes first with the next call.
    pub fn sender_reports(&mut self, now: Instant, wall: NtpTime, out: &mut Builder<'_>) -> Reports {
        let mut written = 0;
        let first = std::mem::take(&mut self.report_from);
        for at in first..self.lines.len() {
            if out.room_bytes() < SENDER_REPORT_LEN {
                self.report_from = at;
                return Reports { written, more: true };
            }
            let l = &mut self.lines[at];
            let Some(info) = l.track.sender_info(now, wall) else { continue };
            if out.sender_report(&info, &[]).is_ok() {
                l.report = Some((info.ntp.middle(), now));
                written += 1;
            }
        }
        Reports { written, more: false }
    }

    /// Queues one repair.
    fn repair(&mut self, now: Instant, line: usize, wire: u16) {
        if !self.lines[line].track.has_rtx() {
            return self.refuse(DropReason::NoRtx);
        }
        let rtt = self.rtt();
        let rate = (self.bwe.estimate().as_bps() as f64 / 8.0 * REPAIR_SHARE).max(REPAIR_MIN_BYTES_PER_SEC);
        let elapsed = now.saturating_duration_since(self.repair_at).as_secs_f64();
        self.repair_at = self.repair_at.max(now);
        self.repair_bytes = (self.repair_bytes + elapsed * rate).min(rate);
        if self.repair_bytes <= 0.0 {
            return self.refuse(DropReason::RetransmitBudget);
        }
        match self.lines[line].track.request(now, wire, rtt) {
            Err(reason) => self.refuse(reason),
            Ok(seq) => {
                let size = PACKET_LEN_MAX as u16 * 3 / 4;
                let waiting = Waiting { seq: seq as u32, line: line as u16, size_bytes: size, again: true };
                self.repair_bytes -= f64::from(size);
                if self.pacer.push(waiting).is_err() {
                    self.refuse(DropReason::PacerFull);
                }
            }
        }
    }

    fn on_report_block(&mut self, now: Instant, b: &ReportBlock) {
        let Some(line) = self.line_of(b.ssrc) else { return };
        if let Some((middle, at)) = self.lines[line].report.filter(|(m, _)| *m == b.last_sr && b.last_sr != 0) {
            debug_assert_eq!(middle, b.last_sr);
            let held = from_compact_ntp(b.delay_since_last_sr);
            self.measured_rtt(now.saturating_duration_since(at).saturating_sub(held));
        }
        if self.lines[line].track.kind() == TrackKind::Video {
            self.bwe.on_report(now, f64::from(b.fraction_lost) / 256.0);
        }
    }

    fn on_feedback(&mut self, now: Instant, fb: &TransportCc<'_>) -> Result<(), RtcpError> {
        let bwe = &mut self.bwe;
        let mut newest = None;
        let read = self.sent.on_feedback(fb, |r| {
            bwe.on_packet(&r);
            newest = newest.max(r.arrived.map(|_| r.sent));
        });
        if let Some(sent) = newest {
            // The newest packet's way there and the feedback's way back: a round trip and at most a feedback interval.
            // Sender reports measure better; until one was answered this has to do.
            if self.lines.iter().all(|l| l.report.is_none()) {
                self.measured_rtt(now.saturating_duration_since(sent));
            }
            self.bwe.end_feedback(now, self.rtt());
            self.set_pacing(now);
            self.begin_probe(now);
        }
        read
    }

    fn measured_rtt(&mut self, rtt: Duration) {
        let rtt = rtt.clamp(Duration::from_millis(1), Duration::from_secs(2));
        self.rtt = Some(self.rtt.map_or(rtt, |old| (old * 7 + rtt) / 8));
    }
}
