//! The parser: an iterator over the packets of a compound, each a view into the caller's bytes.

use super::{build::ReportBlock, kind};
use crate::time::NtpTime;
use lectern_media::{Bitrate, Ssrc};

/// Why bytes are not RTCP, or not the RTCP we can read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RtcpError {
    /// A packet ends before its header or its announced fields do.
    #[error("an RTCP packet ends before its fields do")]
    Truncated,
    /// The version is not 2.
    #[error("RTCP version is not 2")]
    Version,
    /// The padding count does not fit.
    #[error("the padding count does not fit the packet")]
    Padding,
    /// A transport-wide feedback packet whose chunks and deltas disagree.
    #[error("transport-wide feedback is inconsistent")]
    Feedback,
}

/// The sender info of a sender report (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SenderInfo {
    /// Who reports.
    pub ssrc: Ssrc,
    /// The sender's wall clock.
    pub ntp: NtpTime,
    /// The RTP timestamp of the same moment, 32 bits as on the wire.
    pub rtp_timestamp: u32,
    /// Packets sent since the start, modulo 2^32.
    pub packets: u32,
    /// Payload bytes sent since the start, modulo 2^32.
    pub bytes: u32,
}

/// The report blocks of one SR or RR.
#[derive(Debug, Clone, Copy)]
pub struct ReportBlocks<'a>(&'a [u8]);

impl ReportBlocks<'_> {
    /// The blocks, at most 31.
    pub fn iter(&self) -> impl Iterator<Item = ReportBlock> + '_ {
        self.0.chunks_exact(24).map(|b| ReportBlock {
            ssrc: Ssrc(be32(b, 0)),
            fraction_lost: b[4],
            // RFC 3550 §6.4.1: cumulative loss is a signed 24-bit number.
            cumulative_lost: (be32(b, 4) << 8) as i32 >> 8,
            highest_seq: be32(b, 8),
            jitter: be32(b, 12),
            last_sr: be32(b, 16),
            delay_since_last_sr: be32(b, 20),
        })
    }
}

/// A generic NACK (RFC 4585 §6.2.1).
#[derive(Debug, Clone, Copy)]
pub struct Nack<'a> {
    /// The stream that lost packets.
    pub media: Ssrc,
    fci: &'a [u8],
}

impl Nack<'_> {
    /// The missing sequence numbers, as on the wire.
    pub fn lost(&self) -> impl Iterator<Item = u16> + '_ {
        self.fci.chunks_exact(4).flat_map(|e| {
            let (pid, blp) = (be16(e, 0), be16(e, 2));
            // RFC 4585 §6.2.1: BLP bit i, counted from 0, set means that PID + i + 1 is missing as well.
            std::iter::once(pid)
                .chain((0..16).filter(move |i| blp & (1 << i) != 0).map(move |i| pid.wrapping_add(i + 1)))
        })
    }
}

/// A transport-wide feedback packet (draft-holmer-rmcat-transport-wide-cc-extensions-01 §3.1), still packed.
#[derive(Debug, Clone, Copy)]
pub struct TransportCc<'a> {
    /// The first transport-wide sequence number reported on.
    pub base_seq: u16,
    /// How many consecutive numbers it reports on.
    pub status_count: u16,
    /// The reference time in multiples of 64 ms, 24 bits signed.
    pub reference_time: i32,
    /// The running number of feedback packets.
    pub feedback_count: u8,
    /// Packet chunks and receive deltas.
    pub(crate) body: &'a [u8],
}

/// One packet of a compound.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Packet<'a> {
    /// A sender report.
    SenderReport(SenderInfo, ReportBlocks<'a>),
    /// A receiver report of the given sender of RTCP.
    ReceiverReport(Ssrc, ReportBlocks<'a>),
    /// A generic NACK.
    Nack(Nack<'a>),
    /// A picture loss indication for the stream (RFC 4585 §6.3.1).
    Pli(Ssrc),
    /// A full intra request for the stream (RFC 5104 §4.3.1); one value per entry.
    Fir {
        /// The stream whose encoder is asked.
        media: Ssrc,
        /// The command's sequence number.
        seq: u8,
    },
    /// Transport-wide feedback.
    TransportCc(TransportCc<'a>),
    /// Receiver estimated maximum bitrate (draft-alvestrand-rmcat-remb-03).
    Remb(Bitrate),
    /// A stream ends.
    Bye(Ssrc),
    /// A source description; nothing in it is used.
    Sdes,
    /// Anything else, by packet type and format.
    Other {
        /// The packet type.
        kind: u8,
        /// The five bits after version and padding.
        format: u8,
    },
}

/// A compound RTCP packet, walked lazily. After the first error the walk ends.
#[derive(Debug, Clone)]
pub struct Compound<'a> {
    rest: &'a [u8],
}

impl<'a> Compound<'a> {
    /// Begins to walk `data`.
    #[must_use]
    pub const fn new(data: &'a [u8]) -> Self {
        Self { rest: data }
    }
}

impl<'a> Iterator for Compound<'a> {
    type Item = Result<Packet<'a>, RtcpError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        Some(self.step().inspect_err(|_| self.rest = &[]))
    }
}

impl<'a> Compound<'a> {
    fn step(&mut self) -> Result<Packet<'a>, RtcpError> {
        let head = self.rest.get(..4).ok_or(RtcpError::Truncated)?;
        if head[0] >> 6 != 2 {
            return Err(RtcpError::Version);
        }
        let len = 4 * (usize::from(be16(head, 2)) + 1);
        if len > self.rest.len() {
            return Err(RtcpError::Truncated);
        }
        let (packet, rest) = self.rest.split_at(len);
        self.rest = rest;
        let mut body = &packet[4..];
        if packet[0] & 0x20 != 0 {
            let pad = usize::from(*body.last().ok_or(RtcpError::Padding)?);
            if pad == 0 || pad > body.len() {
                return Err(RtcpError::Padding);
            }
            body = &body[..body.len() - pad];
        }
        read(packet[1], packet[0] & 0x1f, body)
    }
}

/// Reads the body (without the common header) of one packet.
fn read(kind: u8, format: u8, body: &[u8]) -> Result<Packet<'_>, RtcpError> {
    let need = |n: usize| if body.len() < n { Err(RtcpError::Truncated) } else { Ok(()) };
    let blocks = |at: usize| -> Result<ReportBlocks<'_>, RtcpError> {
        let end = at + 24 * usize::from(format);
        body.get(at..end).map(ReportBlocks).ok_or(RtcpError::Truncated)
    };
    match (kind, format) {
        (kind::SR, _) => {
            need(24)?;
            let ntp = NtpTime(u64::from(be32(body, 4)) << 32 | u64::from(be32(body, 8)));
            let info = SenderInfo {
                ssrc: Ssrc(be32(body, 0)),
                ntp,
                rtp_timestamp: be32(body, 12),
                packets: be32(body, 16),
                bytes: be32(body, 20),
            };
            Ok(Packet::SenderReport(info, blocks(24)?))
        }
        (kind::RR, _) => {
            need(4)?;
            Ok(Packet::ReceiverReport(Ssrc(be32(body, 0)), blocks(4)?))
        }
        (kind::SDES, _) => Ok(Packet::Sdes),
        (kind::BYE, 0) => Ok(Packet::Other { kind, format }),
        (kind::BYE, _) => {
            need(4)?;
            Ok(Packet::Bye(Ssrc(be32(body, 0))))
        }
        (kind::RTPFB, 1) => {
            need(12)?;
            Ok(Packet::Nack(Nack { media: Ssrc(be32(body, 4)), fci: &body[8..] }))
        }
        (kind::RTPFB, 15) => {
            need(16)?;
            Ok(Packet::TransportCc(TransportCc {
                base_seq: be16(body, 8),
                status_count: be16(body, 10),
                reference_time: be32(body, 12) as i32 >> 8,
                feedback_count: body[15],
                body: &body[16..],
            }))
        }
        (kind::PSFB, 1) => {
            need(8)?;
            Ok(Packet::Pli(Ssrc(be32(body, 4))))
        }
        (kind::PSFB, 4) => {
            // RFC 5104 §4.3.1.1: the media source of the header is unused, the entries name the streams.
            need(16)?;
            Ok(Packet::Fir { media: Ssrc(be32(body, 8)), seq: body[12] })
        }
        (kind::PSFB, 15) if body.len() >= 16 && &body[8..12] == b"REMB" => {
            let word = be32(body, 12);
            let (exp, mantissa) = ((word >> 18) & 0x3f, u64::from(word & 0x3_ffff));
            Ok(Packet::Remb(Bitrate::bps(mantissa.checked_shl(exp).unwrap_or(u64::MAX).min(1 << 40))))
        }
        (kind::APP, _) | (_, _) => Ok(Packet::Other { kind, format }),
    }
}

fn be16(b: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([b[at], b[at + 1]])
}

fn be32(b: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([b[at], b[at + 1], b[at + 2], b[at + 3]])
}
