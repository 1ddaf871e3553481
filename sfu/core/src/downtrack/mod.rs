//! One outgoing line (one SSRC and its RTX SSRC, fixed for the connection): what it carries now, and the packets that go
//! out on it. Ties [`crate::selector`], [`crate::rewrite`] and [`crate::history`] together.
//!
//! A packet passes in two steps: [`Downtrack::accept`] decides, gives it its numbers and notes them; [`Downtrack::write`]
//! makes the bytes, at once or when the pacer lets it, from the note alone. Repairs and probes take the second step again,
//! so every packet on the wire is written by the same few lines. Not here: when to send, and with which transport-wide
//! number ([`crate::subscriber`]).

mod wire;

use crate::{
    descriptor::PayloadShape,
    drop::DropReason,
    history::{History, Sent},
    packet::{PacketSource, SourceId, SourcePacket},
    rewrite::{Numbers, Rewriter},
    rtcp::SenderInfo,
    selector::{Selection, Selector, Target},
    time::{NtpTime, millis},
};
use lectern_media::{Codec, Layer, PayloadType, Ssrc, TrackKind};
use std::time::{Duration, Instant};
use wire::{Extensions, HEADER, PADDING_MAX, put_header, put_padding};

/// The payload types of one codec on one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PayloadTypes {
    /// The codec.
    pub codec: Codec,
    /// Its payload type.
    pub media: PayloadType,
    /// The payload type of its RTX, if negotiated.
    pub rtx: Option<PayloadType>,
}

/// Header extension ids negotiated on one line (RFC 8285 one-byte form: 1 to 14).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExtensionIds {
    /// `urn:ietf:params:rtp-hdrext:sdes:mid`.
    pub mid: Option<u8>,
    /// `http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01`.
    pub twcc: Option<u8>,
    /// `http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time`.
    pub abs_send_time: Option<u8>,
    /// `urn:ietf:params:rtp-hdrext:ssrc-audio-level`.
    pub audio_level: Option<u8>,
}

/// What a line is.
#[derive(Debug, Clone)]
pub struct LineConfig {
    /// Sound or picture.
    pub kind: TrackKind,
    /// The SSRC of everything sent on the line.
    pub ssrc: Ssrc,
    /// The SSRC of its RTX, if negotiated.
    pub rtx_ssrc: Option<Ssrc>,
    /// The codecs the subscriber accepts on it; those beyond [`CODECS_MAX`] are not used.
    pub payload_types: Vec<PayloadTypes>,
    /// Header extensions.
    pub extensions: ExtensionIds,
    /// The value of the MID extension, if it is to be sent; cut at 16 bytes.
    pub mid: Option<String>,
    /// The first outgoing sequence number and timestamp and RTX sequence number; random, from the shell.
    pub seed: u64,
}

/// The most codecs a line may accept.
pub const CODECS_MAX: usize = 4;

/// Counters of one line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LineStats {
    /// Media packets sent.
    pub packets: u64,
    /// Media payload bytes sent.
    pub payload_bytes: u64,
    /// Packets sent again on request.
    pub retransmitted: u64,
    /// Packets sent to probe the line.
    pub probes: u64,
    /// Layer switches.
    pub switches: u64,
}

/// What is stamped on a packet at the moment it leaves.
#[derive(Debug, Clone, Copy)]
pub struct Stamp {
    /// The transport-wide sequence number.
    pub twcc: u16,
    /// 24 bits of send time, 6.18 fixed point seconds.
    pub abs_send_time: u32,
}

/// How a packet goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum As {
    /// As media, with this many bytes of RTP padding.
    Media(u8),
    /// As a retransmission that was asked for (RFC 4588).
    Repair,
    /// As a retransmission nobody asked for, to probe the line.
    Probe,
}

/// A packet that was accepted: its numbers and its size.
#[derive(Debug, Clone, Copy)]
pub struct Accepted {
    /// Its numbers on this line.
    pub numbers: Numbers,
    /// Whether a picture begins anew with it, on less or after nothing: what still waits of the old one is not worth sending.
    pub afresh: bool,
}

/// One line.
#[derive(Debug)]
pub struct Downtrack {
    kind: TrackKind,
    ssrc: Ssrc,
    rtx_ssrc: Option<Ssrc>,
    payload_types: [Option<PayloadTypes>; CODECS_MAX],
    extensions: Extensions,
    epoch: Instant,
    source: Option<SourceId>,
    selector: Selector,
    rewriter: Rewriter,
    /// What the line carried last, to know whether a switch stays on one clock.
    carried: Option<SourceId>,
    history: History,
    rtx_seq: u16,
    last: Option<LastSent>,
    stats: LineStats,
    reported_packets: u64,
}

/// The newest media packet: padding on the media SSRC may follow only a whole frame.
#[derive(Debug, Clone, Copy)]
struct LastSent {
    codec: Codec,
    marker: bool,
    seq: u64,
}

impl Downtrack {
    /// A line that carries nothing yet.
    #[must_use]
    pub fn new(now: Instant, config: &LineConfig) -> Self {
        let mut payload_types = [None; CODECS_MAX];
        for (slot, pt) in payload_types.iter_mut().zip(&config.payload_types) {
            *slot = Some(*pt);
        }
        Self {
            kind: config.kind,
            ssrc: config.ssrc,
            rtx_ssrc: config.rtx_ssrc,
            payload_types,
            extensions: Extensions::new(config.extensions, config.mid.as_deref()),
            epoch: now,
            source: None,
            selector: Selector::default(),
            rewriter: Rewriter::new(config.seed),
            carried: None,
            history: History::new(),
            rtx_seq: (config.seed >> 40) as u16 & 0x7fff,
            last: None,
            stats: LineStats::default(),
            reported_packets: 0,
        }
    }

    /// Changes what the line carries. The picture continues at the source's next keyframe, sound at once.
    pub fn set_source(&mut self, now: Instant, source: Option<SourceId>) {
        if self.source != source {
            self.source = source;
            self.selector.restart(now);
            self.history.clear();
        }
    }

    /// Decides about one packet, gives it its numbers and notes them.
    ///
    /// # Errors
    /// The reason why it is not forwarded.
    #[inline]
    pub fn accept(&mut self, now: Instant, packet: &SourcePacket<'_>) -> Result<Accepted, DropReason> {
        let meta = &packet.meta;
        let source = self.source.ok_or(DropReason::NotSubscribed)?;
        if self.payload_types(meta.codec).is_none() {
            return Err(DropReason::CodecNotNegotiated);
        }
        let mut afresh = false;
        let before = self.selector.current();
        let behind = meta.shape.is_keyframe_start()
            && before != Some(meta.layer)
            && self.carried == Some(source)
            && self.rewriter.is_behind(meta);
        match self.selector.select(now, meta, behind) {
            Selection::Forward => {}
            Selection::Switch => {
                self.rewriter.switch(meta, self.carried == Some(source));
                self.carried = Some(source);
                self.stats.switches += 1;
                // A step down, or a picture begun anew: what went before is not worth repairing.
                if before.is_none_or(|b| b > meta.layer) {
                    self.history.clear();
                    afresh = true;
                }
            }
            Selection::Skip(reason) => {
                self.rewriter.skip(meta);
                return Err(reason);
            }
            Selection::Ignore(reason) => return Err(reason),
        }
        let numbers = self.rewriter.keep(meta)?;
        if self.kind == TrackKind::Video {
            self.history.record(self.ms(now), &numbers, meta.layer, meta.seq);
        }
        Ok(Accepted { numbers, afresh })
    }

    /// Writes a packet into `out` and returns its length.
    ///
    /// # Errors
    /// [`DropReason::TooLarge`] if `out` is too short, [`DropReason::CodecNotNegotiated`], [`DropReason::NoRtx`].
    #[inline]
    pub fn write(
        &mut self,
        numbers: &Numbers,
        packet: &SourcePacket<'_>,
        how: As,
        stamp: Stamp,
        out: &mut [u8],
    ) -> Result<usize, DropReason> {
        let meta = &packet.meta;
        let pts = self.payload_types(meta.codec).ok_or(DropReason::CodecNotNegotiated)?;
        let (ssrc, pt, seq, pad) = match how {
            As::Media(pad) => (self.ssrc, pts.media, numbers.seq as u16, usize::from(pad)),
            As::Repair | As::Probe => match (self.rtx_ssrc, pts.rtx) {
                (Some(ssrc), Some(pt)) => (ssrc, pt, self.rtx_seq, 0),
                // The packet itself once more would have another transport-wide number and no padding: sealed under the
                // number of the first, it would give the key away (RFC 7714 §10.1).
                _ => return Err(DropReason::NoRtx),
            },
        };
        let rtx = ssrc != self.ssrc;
        let mut at = put_header(out, pt, meta.marker, seq, numbers.timestamp, ssrc)?;
        at = self.extensions.put(out, at, stamp, meta.audio_level.map(|l| l.to_byte()))?;
        if rtx {
            // RFC 4588 §4: the original sequence number goes before the payload.
            out.get_mut(at..at + 2).ok_or(DropReason::TooLarge)?.copy_from_slice(&(numbers.seq as u16).to_be_bytes());
            at += 2;
        }
        let mut payload = packet.payload;
        if let PayloadShape::Vp8(d) = meta.shape {
            at += d.write(numbers.vp8, &mut out[at..]).ok_or(DropReason::TooLarge)?;
            payload = &payload[usize::from(d.len_bytes)..];
        }
        out.get_mut(at..at + payload.len()).ok_or(DropReason::TooLarge)?.copy_from_slice(payload);
        at += payload.len();
        at = put_padding(out, at, pad)?;
        match how {
            As::Media(_) => {
                self.stats.packets += 1;
                self.stats.payload_bytes += packet.payload.len() as u64;
                self.last = Some(LastSent { codec: meta.codec, marker: meta.marker, seq: numbers.seq });
            }
            As::Repair => self.stats.retransmitted += 1,
            As::Probe => self.stats.probes += 1,
        }
        if rtx {
            self.rtx_seq = self.rtx_seq.wrapping_add(1);
        }
        Ok(at)
    }

    /// Writes a packet of nothing but padding: on the RTX stream, where it disturbs nobody, or behind a whole frame on the
    /// media stream, where it takes a sequence number.
    ///
    /// # Errors
    /// [`DropReason::NotSubscribed`] if nothing was sent yet; [`DropReason::NoRtx`] in the middle of a frame.
    pub fn write_padding(&mut self, stamp: Stamp, out: &mut [u8]) -> Result<usize, DropReason> {
        let last = self.last.ok_or(DropReason::NotSubscribed)?;
        let pts = self.payload_types(last.codec).ok_or(DropReason::CodecNotNegotiated)?;
        let (ssrc, pt, seq, timestamp) = match (self.rtx_ssrc, pts.rtx) {
            (Some(ssrc), Some(pt)) => {
                self.rtx_seq = self.rtx_seq.wrapping_add(1);
                (ssrc, pt, self.rtx_seq.wrapping_sub(1), self.rewriter.newest_timestamp())
            }
            _ if !last.marker => return Err(DropReason::NoRtx),
            _ => {
                let (seq, timestamp) = self.rewriter.insert();
                (self.ssrc, pts.media, seq as u16, timestamp)
            }
        };
        let at = put_header(out, pt, false, seq, timestamp, ssrc)?;
        let at = self.extensions.put(out, at, stamp, None)?;
        self.stats.probes += 1;
        put_padding(out, at, PADDING_MAX)
    }

    /// A subscriber asks for `wire` again; the extended number to send.
    ///
    /// # Errors
    /// [`DropReason::NotInHistory`], [`DropReason::RecentlyRetransmitted`].
    pub fn request(&mut self, now: Instant, wire: u16, rtt: Duration) -> Result<u64, DropReason> {
        self.history.request(self.ms(now), wire, rtt)
    }

    /// The packet noted under an outgoing number, from the publisher's ring.
    pub fn find<'p>(&self, seq: u32, packets: &'p impl PacketSource) -> Option<(Sent, SourcePacket<'p>)> {
        let newest = self.history.newest()?;
        let seq = newest.wrapping_add_signed(i64::from(seq.wrapping_sub(newest as u32) as i32));
        let sent = self.history.get(seq)?;
        let packet = packets.packet(self.source?, sent.layer, sent.source_seq)?;
        Some((sent, packet))
    }

    /// The packet sent `back` packets before the newest, for probing. Never one that still waits in the pacer: told of it,
    /// the receiver would miss those before.
    pub fn sent_before<'p>(&self, back: u64, packets: &'p impl PacketSource) -> Option<(Sent, SourcePacket<'p>)> {
        self.find(self.last?.seq.checked_sub(back)? as u32, packets)
    }

    /// The sender info for a report, if packets went out since the last and the publisher's clock is known (RFC 3550
    /// §6.4.1). Without the publisher's clock no report is better than a wrong one: receivers play by arrival then. Only for
    /// a publisher that stays silent about its clock is `wall` taken, the server's.
    pub fn sender_info(&mut self, now: Instant, wall: NtpTime) -> Option<SenderInfo> {
        if self.stats.packets == self.reported_packets {
            return None;
        }
        let (ntp, rtp_timestamp) = self.rewriter.report_time(now, wall)?;
        self.reported_packets = self.stats.packets;
        Some(SenderInfo {
            ssrc: self.ssrc,
            ntp,
            rtp_timestamp,
            packets: self.stats.packets as u32,
            bytes: self.stats.payload_bytes as u32,
        })
    }

    /// Forgets what was sent, so that it is not repaired: the line steps down, and what waited was thrown away.
    pub fn forget_sent(&mut self) {
        self.history.clear();
    }

    /// How long a packet of `payload_len` bytes becomes on this line, in bytes, at most.
    #[must_use]
    pub fn wire_len_bytes(&self, payload_len: usize) -> usize {
        HEADER + self.extensions.len() + payload_len + 1
    }

    /// Sound or picture.
    #[must_use]
    pub const fn kind(&self) -> TrackKind {
        self.kind
    }

    /// The SSRC of everything sent on the line.
    #[must_use]
    pub const fn ssrc(&self) -> Ssrc {
        self.ssrc
    }

    /// What the line carries.
    #[must_use]
    pub const fn source(&self) -> Option<SourceId> {
        self.source
    }

    /// The layer the line carries now.
    #[must_use]
    pub const fn layer(&self) -> Option<Layer> {
        self.selector.current()
    }

    /// Whether the transport-wide number is negotiated.
    #[must_use]
    pub const fn has_twcc(&self) -> bool {
        self.extensions.twcc_at.is_some()
    }

    /// Whether the line has sent anything yet.
    #[must_use]
    pub const fn has_sent(&self) -> bool {
        self.last.is_some()
    }

    /// Whether RTX is negotiated.
    #[must_use]
    pub const fn has_rtx(&self) -> bool {
        self.rtx_ssrc.is_some()
    }

    /// The selector.
    #[must_use]
    pub const fn selector(&self) -> &Selector {
        &self.selector
    }

    /// Sets the target; see [`Selector::set_target`].
    pub fn set_target(&mut self, now: Instant, target: Target, forced: bool) {
        self.selector.set_target(now, target, forced);
    }

    /// See [`Selector::set_grace`].
    pub fn set_grace(&mut self, grace: Duration) {
        self.selector.set_grace(grace);
    }

    /// Waits for a keyframe.
    pub fn restart(&mut self, now: Instant) {
        self.selector.restart(now);
    }

    /// Counters.
    #[must_use]
    pub const fn stats(&self) -> LineStats {
        self.stats
    }

    /// The memory held besides the line itself, in bytes.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        self.history.memory_bytes()
    }

    fn payload_types(&self, codec: Codec) -> Option<PayloadTypes> {
        self.payload_types.iter().flatten().find(|p| p.codec == codec).copied()
    }

    fn ms(&self, now: Instant) -> u32 {
        millis(now.saturating_duration_since(self.epoch)) as u32
    }
}

#[cfg(test)]
mod tests;
