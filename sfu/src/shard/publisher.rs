//! A peer that sends: which of its packets belong to which line and layer, and what it is told about them.
//!
//! Simulcast offers name no SSRCs; the mapping is learnt from the MID and RID header extensions of the first packets
//! (RFC 8843 §9.2, RFC 8852) and kept per SSRC.

use super::slots::Key;
use crate::sdp::{ExtensionKind, Extensions, OfferedCodec};
use lectern_media::{ExtTimestamp, Layer, PayloadType, RtpView, Ssrc, TrackSource};
use lectern_sfu_core::{
    DropReason, SourcePacket,
    ingest::{StreamConfig, StreamIngest, StreamStats},
    rtcp::{BufferFull, Builder, Compound, Packet, RtcpError},
    time::NtpTime,
    twcc::ArrivalLog,
};
use std::time::{Duration, Instant};

/// The most sources of one publisher that are known, retransmission streams and retired ones included. Beyond, those that
/// matter least are forgotten: retired ones first, then the longest silent.
const STREAMS_MAX: usize = 64;
/// The least time between two restarts of one layer: each costs every viewer of it a keyframe.
const RESTART_INTERVAL: Duration = Duration::from_secs(1);
/// How often receiver reports are sent (RFC 3550 asks for at most 5 s; encoders use them as a loss signal).
pub(super) const REPORT_INTERVAL: Duration = Duration::from_millis(500);
/// The most numbers asked for in one NACK.
pub(super) const NACK_MAX: usize = 64;
/// How long a publisher's round trip is taken to be: it is not measured yet (that needs our sender reports or XR).
const RTT: Duration = Duration::from_millis(80);

/// One line of a publisher's offer.
pub(super) struct PublishedLine {
    pub mid: String,
    pub source: TrackSource,
    pub codec: OfferedCodec,
    pub extensions: Extensions,
    pub rids: Vec<String>,
    /// SSRCs that the offer names, with their retransmission streams.
    pub ssrcs: Vec<(Ssrc, Option<Ssrc>)>,
    /// The track; none once it was unpublished.
    pub track: Option<Key>,
    /// Whether it shall have a track: an unpublished line has none until it is offered anew.
    pub wanted: bool,
}

impl PublishedLine {
    /// Whether a track of `old` can go on under this line.
    pub(super) fn carries_the_same(&self, old: &Self) -> bool {
        let layers = |l: &Self| l.rids.len().max(1);
        self.source == old.source && self.codec.codec == old.codec.codec && layers(self) == layers(old)
    }
}

/// What an SSRC turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Media {
        stream: usize,
    },
    Rtx {
        line: usize,
        layer: Layer,
    },
    /// Its encoder was restarted under another SSRC, or the line's track ended: what still comes of it is refused.
    Retired {
        line: usize,
    },
}

/// An SSRC that is known.
#[derive(Debug)]
struct Known {
    ssrc: Ssrc,
    role: Role,
    /// When its last packet came.
    heard: Instant,
}

/// One layer's stream.
pub(super) struct Stream {
    pub line: usize,
    pub layer: Layer,
    pub ingest: StreamIngest,
    /// When it took the layer over.
    began: Instant,
    /// What of its counters was told to the metrics.
    pub told: StreamStats,
}

/// Where an accepted packet belongs.
pub(super) struct Accepted<'a> {
    pub track: Key,
    pub packet: SourcePacket<'a>,
    /// The layer's numbers begin anew with this packet: the encoder was restarted under another SSRC.
    pub restarted: bool,
}

/// Why a packet was not accepted.
pub(super) enum Unaccepted {
    /// Its SSRC belongs to no line.
    UnknownSource,
    /// Its SSRC is one of those that are over.
    Retired,
    /// Its layer was begun by another SSRC a moment ago.
    TooSoon,
    /// The core refused it.
    Dropped(DropReason),
}

/// What [`Publisher::feedback`] built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Feedback {
    /// How many sequence numbers are asked for again.
    pub asked: u32,
    /// Whether there is more in it than an empty report.
    pub worth_sending: bool,
}

/// What a publisher's RTCP tells.
pub(super) enum Told {
    /// A sender report, mapped onto the clock of a track's layer.
    Report { track: Key, layer: Layer, ntp: NtpTime, timestamp: ExtTimestamp },
}

/// A peer that sends.
pub(super) struct Publisher {
    pub lines: Vec<PublishedLine>,
    pub streams: Vec<Stream>,
    roles: Vec<Known>,
    /// SSRCs that are over, for the shell to tell the SRTP context.
    over: Vec<Ssrc>,
    arrivals: ArrivalLog,
    /// Our SSRC as sender of RTCP.
    ssrc: Ssrc,
    next_report: Instant,
    fir_seq: u8,
    /// Smoothed fraction of packets lost on the way to us.
    pub loss: f32,
}

impl Publisher {
    pub(super) fn new(now: Instant, ssrc: Ssrc, lines: Vec<PublishedLine>) -> Self {
        Self {
            lines,
            streams: Vec::with_capacity(8),
            roles: Vec::with_capacity(16),
            over: Vec::new(),
            arrivals: ArrivalLog::default(),
            ssrc,
            next_report: now + REPORT_INTERVAL,
            fir_seq: 0,
            loss: 0.0,
        }
    }

    /// Takes an opened RTP packet.
    pub(super) fn receive<'a>(&mut self, now: Instant, view: &RtpView<'a>) -> Result<Accepted<'a>, Unaccepted> {
        let (role, restarted) = self.role(now, view)?;
        let line = match role {
            Role::Media { stream } => self.streams[stream].line,
            Role::Rtx { line, .. } => line,
            Role::Retired { .. } => return Err(Unaccepted::Retired),
        };
        let twcc = self.lines[line].extensions.get(ExtensionKind::TransportCc);
        if let Some(&[hi, lo]) = twcc.and_then(|id| view.extension(id)).and_then(|v| v.first_chunk::<2>()) {
            self.arrivals.record(now, u16::from_be_bytes([hi, lo]));
        }
        let track = self.lines[line].track.ok_or(Unaccepted::UnknownSource)?;
        let packet = match role {
            Role::Media { stream } => self.streams[stream].ingest.receive(now, view),
            Role::Rtx { line, layer } => {
                let stream = self.streams.iter_mut().find(|s| s.line == line && s.layer == layer);
                stream.ok_or(Unaccepted::UnknownSource)?.ingest.receive_rtx(now, view)
            }
            Role::Retired { .. } => return Err(Unaccepted::Retired),
        };
        let packet = packet.map_err(Unaccepted::Dropped)?;
        Ok(Accepted { track, packet, restarted })
    }

    /// What the packet's SSRC is: known, or learnt now.
    fn role(&mut self, now: Instant, view: &RtpView<'_>) -> Result<(Role, bool), Unaccepted> {
        let ssrc = view.ssrc();
        if let Some(known) = self.roles.iter_mut().find(|k| k.ssrc == ssrc) {
            known.heard = now;
            return Ok((known.role, false));
        }
        let line = self.line_of(view).ok_or(Unaccepted::UnknownSource)?;
        let l = &self.lines[line];
        let pt = view.payload_type();
        let rid_layer = |kind| {
            let rid = view.extension(l.extensions.get(kind)?)?;
            l.rids.iter().position(|r| r.as_bytes() == rid).map(|i| Layer(i as u8))
        };
        if l.codec.rtx == Some(pt) {
            let layer = rid_layer(ExtensionKind::RepairedRid).or((l.rids.len() <= 1).then_some(Layer(0)));
            let by_offer = l.ssrcs.iter().position(|(_, rtx)| *rtx == Some(ssrc)).map(|i| Layer(i as u8));
            let role = Role::Rtx { line, layer: layer.or(by_offer).ok_or(Unaccepted::UnknownSource)? };
            self.remember(now, ssrc, role);
            return Ok((role, false));
        }
        if l.codec.payload_type != pt {
            return Err(Unaccepted::UnknownSource);
        }
        let layer = if l.rids.is_empty() { Some(Layer(0)) } else { rid_layer(ExtensionKind::Rid) };
        let layer = layer.ok_or(Unaccepted::UnknownSource)?;
        let config = StreamConfig {
            ssrc,
            codec: l.codec.codec,
            layer,
            nack: l.codec.nack,
            audio_level_id: l.extensions.get(ExtensionKind::AudioLevel),
        };
        // A second SSRC for the same layer is an encoder that was restarted; the old one will not come back.
        let before = self.streams.iter().position(|s| s.line == line && s.layer == layer);
        if before.is_some_and(|at| now < self.streams[at].began + RESTART_INTERVAL) {
            return Err(Unaccepted::TooSoon);
        }
        let told = StreamStats::default();
        let fresh = Stream { line, layer, ingest: StreamIngest::new(config), began: now, told };
        let stream = match before {
            Some(at) => {
                let old = self.streams[at].ingest.config().ssrc;
                if let Some(known) = self.roles.iter_mut().find(|k| k.ssrc == old) {
                    known.role = Role::Retired { line };
                }
                self.streams[at] = fresh;
                at
            }
            None => {
                self.streams.push(fresh);
                self.streams.len() - 1
            }
        };
        let role = Role::Media { stream };
        self.remember(now, ssrc, role);
        Ok((role, before.is_some()))
    }

    /// The line of a packet whose SSRC is new: by MID, else by the offer's SSRCs, else by a payload type that only one
    /// line uses (RFC 8843 §9.2).
    fn line_of(&self, view: &RtpView<'_>) -> Option<usize> {
        let active = || self.lines.iter().enumerate().filter(|(_, l)| l.track.is_some());
        for (i, l) in active() {
            let mid = l.extensions.get(ExtensionKind::Mid).and_then(|id| view.extension(id));
            if let Some(mid) = mid {
                // All lines share one id for MID (RFC 8843 §9.1), so that this value decides.
                return if l.mid.as_bytes() == mid {
                    Some(i)
                } else {
                    active().find(|(_, l)| l.mid.as_bytes() == mid).map(|x| x.0)
                };
            }
        }
        let ssrc = view.ssrc();
        let named = |l: &PublishedLine| l.ssrcs.iter().any(|(s, rtx)| *s == ssrc || *rtx == Some(ssrc));
        if let Some((i, _)) = active().find(|(_, l)| named(l)) {
            return Some(i);
        }
        let pt: PayloadType = view.payload_type();
        let mut users = active().filter(|(_, l)| l.codec.payload_type == pt || l.codec.rtx == Some(pt));
        match (users.next(), users.next()) {
            (Some((i, _)), None) => Some(i),
            _ => None,
        }
    }

    fn remember(&mut self, now: Instant, ssrc: Ssrc, role: Role) {
        if self.roles.len() >= STREAMS_MAX {
            // A stream that carries a layer stays: there are as many as there are layers.
            let rank = |r: Role| match r {
                Role::Retired { .. } => Some(0),
                Role::Rtx { .. } => Some(1),
                Role::Media { .. } => None,
            };
            let least = self.roles.iter().enumerate().filter_map(|(at, k)| Some((rank(k.role)?, k.heard, at))).min();
            let Some((_, _, at)) = least else { return };
            self.roles.swap_remove(at);
        }
        self.roles.push(Known { ssrc, role, heard: now });
    }

    /// Takes an opened compound RTCP packet.
    pub(super) fn on_rtcp(&mut self, now: Instant, data: &[u8], mut tell: impl FnMut(Told)) -> Result<(), RtcpError> {
        for packet in Compound::new(data) {
            if let Packet::SenderReport(info, _) = packet? {
                let stream = self.streams.iter_mut().find(|s| s.ingest.config().ssrc == info.ssrc);
                let Some(stream) = stream else { continue };
                let mapped = stream.ingest.on_sender_report(now, &info);
                if let (Some((ntp, timestamp)), Some(track)) = (mapped, self.lines[stream.line].track) {
                    tell(Told::Report { track, layer: stream.layer, ntp, timestamp });
                }
            }
        }
        Ok(())
    }

    /// When [`feedback`](Self::feedback) has something to say.
    pub(super) fn next_timeout(&self) -> Instant {
        let streams = self.streams.iter().filter_map(|s| s.ingest.next_timeout());
        streams.chain(self.arrivals.next_timeout()).fold(self.next_report, Instant::min)
    }

    /// Builds one compound packet of what is due: reports, transport-wide feedback, NACKs. `give_up` receives tracks whose
    /// layer lost a packet for good and needs a keyframe.
    pub(super) fn feedback(
        &mut self,
        now: Instant,
        out: &mut Builder<'_>,
        mut give_up: impl FnMut(Key, Layer),
    ) -> Result<Feedback, BufferFull> {
        let mut asked = 0;
        let report = now >= self.next_report;
        if report {
            self.next_report = now + REPORT_INTERVAL;
            let mut blocks = [None; 31];
            let mut n = 0;
            let mut lost = 0.0f32;
            for s in &mut self.streams {
                if let (Some(block), true) = (s.ingest.report_block(now), n < blocks.len()) {
                    lost = lost.max(f32::from(block.fraction_lost) / 256.0);
                    blocks[n] = Some(block);
                    n += 1;
                }
            }
            self.loss = 0.7 * self.loss + 0.3 * lost;
            if let Some(first) = blocks[0] {
                let blocks = blocks.map(|b| b.unwrap_or(first));
                out.receiver_report(self.ssrc, &blocks[..n])?;
            }
        }
        if out.len_bytes() == 0 {
            // RFC 4585 §3.1: a compound packet begins with a report; not every client takes reduced ones (RFC 5506).
            out.receiver_report(self.ssrc, &[])?;
        }
        let empty = out.len_bytes();
        if self.arrivals.next_timeout().is_some_and(|at| at <= now) {
            let media = self.streams.first().map_or(Ssrc(0), |s| s.ingest.config().ssrc);
            self.arrivals.build(now, self.ssrc, media, out)?;
        }
        for s in &mut self.streams {
            if s.ingest.next_timeout().is_none_or(|at| at > now) {
                continue;
            }
            // Only what can be written counts as asked for; the rest is due again with the next turn.
            let room = (out.room_bytes() / 4).saturating_sub(3).min(NACK_MAX);
            if room == 0 {
                break;
            }
            let mut lost = [0; NACK_MAX];
            let poll = s.ingest.poll_nack(now, RTT, &mut lost[..room]);
            if poll.keyframe_needed
                && let Some(track) = self.lines[s.line].track
            {
                give_up(track, s.layer);
            }
            asked += poll.lost as u32;
            out.nack(self.ssrc, s.ingest.config().ssrc, &lost[..poll.lost])?;
        }
        Ok(Feedback { asked, worth_sending: report || out.len_bytes() > empty })
    }

    /// Asks for a keyframe of a layer: by PLI, or by FIR where only that was negotiated.
    pub(super) fn ask_keyframe(&mut self, track: Key, layer: Layer, out: &mut Builder<'_>) -> Result<bool, BufferFull> {
        let wanted = |s: &&Stream| s.layer == layer && self.lines[s.line].track == Some(track);
        let Some(s) = self.streams.iter().find(wanted) else { return Ok(false) };
        let (media, codec) = (s.ingest.config().ssrc, &self.lines[s.line].codec);
        out.receiver_report(self.ssrc, &[])?;
        if codec.pli || !codec.fir {
            out.pli(self.ssrc, media)?;
        } else {
            self.fir_seq = self.fir_seq.wrapping_add(1);
            out.fir(self.ssrc, media, self.fir_seq)?;
        }
        Ok(true)
    }

    /// A line's track ended: its streams are dropped, and what still comes of them is refused until the line is offered
    /// anew.
    pub(super) fn retire_line(&mut self, line: usize) {
        for known in &mut self.roles {
            let of_line = match known.role {
                Role::Media { stream } => self.streams[stream].line == line,
                Role::Rtx { line: l, .. } | Role::Retired { line: l } => l == line,
            };
            if of_line {
                known.role = Role::Retired { line };
                self.over.push(known.ssrc);
            }
        }
        // Places of the remaining streams change: roles follow by SSRC.
        self.streams.retain(|s| s.line != line);
        for known in &mut self.roles {
            if let (Role::Media { stream }, Some(at)) =
                (&mut known.role, self.streams.iter().position(|s| s.ingest.config().ssrc == known.ssrc))
            {
                *stream = at;
            }
        }
    }

    /// A line is used anew: its old sources may come back (a sender that is given a track again keeps its SSRC).
    pub(super) fn reuse_line(&mut self, line: usize) {
        self.retire_line(line);
        self.roles.retain(|k| k.role != Role::Retired { line });
    }

    /// SSRCs that are over since the last call.
    pub(super) fn take_over(&mut self) -> impl Iterator<Item = Ssrc> + '_ {
        self.over.drain(..)
    }

    /// The streams of a track.
    pub(super) fn streams_of(&mut self, track: Key) -> impl Iterator<Item = &mut Stream> {
        let lines = &self.lines;
        self.streams.iter_mut().filter(move |s| lines[s.line].track == Some(track))
    }
}

#[cfg(test)]
mod tests;
