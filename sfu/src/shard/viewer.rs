//! A peer that receives: its lines, what they are meant to carry, and sealing what goes out on them.

use super::{counters::Counters, outbox::Outbox, slots::Key, tracks::Tracks, transport::Transport};
use crate::{
    api::Assignment,
    dtls::Srtp,
    sdp::{ExtensionKind, OfferLine},
    srtp::{Replay, SrtpError},
    udp::{Path, UdpPort},
};
use lectern_media::{Codec, ExtSeq, Layer, PayloadType, RtpView, Ssrc, TrackId, TrackKind};
use lectern_sfu_core::{
    DropReason, SourcePacket,
    allocate::Priority,
    downtrack::{ExtensionIds, LineConfig, PayloadTypes},
    subscriber::{Forwarded, LineId, Subscriber, SubscriberConfig, Wish},
};
use std::time::Instant;

/// What was told of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct LineState {
    pub track: Option<TrackId>,
    pub layer: Option<Layer>,
    pub limited: bool,
}

/// One line.
pub(super) struct ViewerLine {
    pub id: LineId,
    pub mid: String,
    pub kind: TrackKind,
    pub ssrc: Ssrc,
    pub rtx_ssrc: Option<Ssrc>,
    /// What the viewer wants on it; the track may not exist yet.
    pub wanted: Option<TrackId>,
    pub wish: Wish,
    /// The codecs that the client takes on it.
    pub codecs: Vec<Codec>,
    /// The track it was told that the line can't carry.
    pub refused: Option<TrackId>,
    /// The track it is attached to.
    pub track: Option<Key>,
    pub told: LineState,
    /// Whether nobody took what was told last: it is told again.
    pub untold: bool,
    /// Whether it was told to carry stills.
    pub told_stills: bool,
    /// What was sealed, media and RTX.
    sealed: [Sealed; 2],
}

/// A peer that receives.
pub(super) struct Viewer {
    pub subscriber: Subscriber,
    pub lines: Vec<ViewerLine>,
    pub audio_only: bool,
    /// SSRCs are this plus twice the line's place, plus one for RTX: the line is found without a search.
    ssrc_base: u32,
    /// Whether the shard's list of pacing viewers has this one.
    pub pacing: bool,
    pub next_tick: Instant,
    pub next_report: Instant,
    /// What of the core's refusals was told to the counters.
    unsent_told: [u64; DropReason::ALL.len()],
}

/// A wish for a line that carries nothing.
const HIDDEN: Wish = Wish { tile_height: 0, priority: Priority::Rest, thumbnail: false };

impl Viewer {
    /// A viewer of at most so many pictures.
    pub(super) fn new(now: Instant, random: u32, pictures: usize) -> Self {
        Self {
            subscriber: Subscriber::new(now, SubscriberConfig::for_pictures(pictures)),
            lines: Vec::new(),
            audio_only: false,
            // Zero is no good SSRC for some receivers.
            ssrc_base: (random | 0x100) & !0xff,
            pacing: false,
            next_tick: now,
            next_report: now,
            unsent_told: [0; DropReason::ALL.len()],
        }
    }

    pub(super) fn line_by_mid(&mut self, mid: &str) -> Option<&mut ViewerLine> {
        self.lines.iter_mut().find(|l| l.mid == mid)
    }

    /// Adds a line as offered; `false` if there are as many as there may be.
    pub(super) fn add_line(&mut self, offered: &OfferLine, kind: TrackKind, seed: u64) -> bool {
        let n = self.lines.len() as u32;
        let rtx = offered.codecs.iter().any(|c| c.rtx.is_some() && c.nack);
        let (ssrc, rtx_ssrc) = (Ssrc(self.ssrc_base + 2 * n), rtx.then_some(Ssrc(self.ssrc_base + 2 * n + 1)));
        let extensions = crate::sdp::subscribe_extensions(offered);
        let payload_types = offered
            .codecs
            .iter()
            .map(|c| PayloadTypes {
                codec: c.codec,
                media: c.payload_type,
                rtx: c.rtx.filter(|_| rtx && c.nack) as Option<PayloadType>,
            })
            .collect();
        let config = LineConfig {
            kind,
            ssrc,
            rtx_ssrc,
            payload_types,
            extensions: ExtensionIds {
                mid: extensions.get(ExtensionKind::Mid),
                twcc: extensions.get(ExtensionKind::TransportCc),
                abs_send_time: extensions.get(ExtensionKind::AbsSendTime),
                audio_level: extensions.get(ExtensionKind::AudioLevel),
            },
            mid: Some(offered.mid.clone()),
            seed,
        };
        let Some(id) = self.subscriber.add_line(&config) else { return false };
        self.subscriber.set_wish(id, HIDDEN);
        self.lines.push(ViewerLine {
            id,
            mid: offered.mid.clone(),
            kind,
            ssrc,
            rtx_ssrc,
            wanted: None,
            wish: HIDDEN,
            codecs: offered.codecs.iter().map(|c| c.codec).collect(),
            refused: None,
            track: None,
            told: LineState::default(),
            untold: false,
            told_stills: false,
            sealed: [Sealed::new(), Sealed::new()],
        });
        true
    }

    /// Notes what the viewer wants; lines not named carry nothing.
    pub(super) fn assign(&mut self, assignments: &[Assignment]) {
        for line in &mut self.lines {
            let a = assignments.iter().find(|a| a.mid == line.mid);
            line.wanted = a.and_then(|a| a.track);
            // Sound has no height: it is wanted or not.
            let height = a.map_or(0, |a| if line.kind == TrackKind::Audio { 1 } else { a.height_px });
            line.wish = Wish {
                tile_height: height,
                priority: a.map_or(Priority::Rest, |a| a.priority),
                thumbnail: a.is_some_and(|a| a.thumbnail),
            };
        }
        self.apply_wishes();
    }

    /// Hands the wishes to the core, pictures hidden if the viewer wants sound only.
    pub(super) fn apply_wishes(&mut self) {
        for line in &self.lines {
            let hidden = self.audio_only && line.kind == TrackKind::Video;
            self.subscriber.set_wish(line.id, if hidden { HIDDEN } else { line.wish });
        }
    }

    /// Offers packets of one layer of one track to a line, and sends what comes of it in runs.
    pub(super) fn forward(
        &mut self,
        now: Instant,
        line: LineId,
        packets: &mut dyn Iterator<Item = (SourcePacket<'_>, u8)>,
        io: &mut Io<'_>,
    ) {
        for (packet, pad) in packets {
            match self.subscriber.forward(now, line, &packet, pad, io.out.space()) {
                Ok(Forwarded::Written(len)) => self.send(len, io),
                Ok(Forwarded::Queued) => {}
                Err(reason) => io.counters.forward_dropped(reason),
            }
        }
        io.out.flush(io.path, io.ports, io.counters);
    }

    /// Tells the counters what the core refused since the last call.
    pub(super) fn tell_refusals(&mut self, counters: &mut Counters) {
        let refused = DropReason::ALL.iter().zip(self.subscriber.refusals());
        for ((reason, now), told) in refused.zip(&mut self.unsent_told) {
            counters.unsent(*reason, *now - *told);
            *told = *now;
        }
    }

    /// Sends what the pacer gives out now.
    pub(super) fn transmit(&mut self, now: Instant, tracks: &Tracks, io: &mut Io<'_>) {
        while let Some(len) = self.subscriber.poll_transmit(now, tracks, io.out.space()) {
            self.send(len, io);
        }
        io.out.flush(io.path, io.ports, io.counters);
    }

    /// Seals the clear packet of `len` bytes in the outbox' space and adds it to the run.
    fn send(&mut self, len: usize, io: &mut Io<'_>) {
        let buf = io.out.space();
        let Ok(view) = RtpView::parse_header(&buf[..len]) else { return };
        let (header_len, wire, ssrc) = (view.header_len_bytes(), view.seq(), view.ssrc().0);
        let place = ssrc.wrapping_sub(self.ssrc_base);
        let Some(line) = self.lines.get_mut((place / 2) as usize) else { return };
        let Some(seq) = line.sealed[(place % 2) as usize].take(wire) else {
            return io.counters.srtp(SrtpError::SealedBefore);
        };
        match io.srtp.sealer.seal_rtp(buf, header_len, len, seq) {
            Ok(sealed) => io.out.commit(sealed, io.path, io.ports, io.counters),
            Err(e) => io.counters.srtp(e),
        }
    }
}

/// The numbers sealed on one SSRC. Sealing one twice with other contents would give the key away (RFC 7714 §10.1), so that
/// a fault elsewhere ends here.
#[derive(Debug)]
struct Sealed(Replay);

impl Sealed {
    const fn new() -> Self {
        Self(Replay::new())
    }

    /// The number with its roll-over counter; `None` if it was given out before, or is too old to tell.
    fn take(&mut self, wire: u16) -> Option<ExtSeq> {
        // The first packet has roll-over counter zero (RFC 3711 §3.3.1).
        let seq = self.0.highest().map_or(ExtSeq(u64::from(wire)), |h| ExtSeq(h).extend(wire));
        if !self.0.is_fresh(seq.0) {
            return None;
        }
        self.0.accept(seq.0);
        Some(seq)
    }
}

/// What sending needs besides the viewer.
pub(super) struct Io<'a> {
    pub srtp: &'a Srtp,
    pub path: &'a Path,
    pub out: &'a mut Outbox,
    pub ports: &'a mut [UdpPort],
    pub counters: &'a mut Counters,
}

impl<'a> Io<'a> {
    /// The means to send to a peer; `None` while it is not connected.
    pub(super) fn of(
        transport: &'a Transport,
        out: &'a mut Outbox,
        ports: &'a mut [UdpPort],
        counters: &'a mut Counters,
    ) -> Option<Self> {
        Some(Self { srtp: transport.srtp.as_deref()?, path: transport.path.as_ref()?, out, ports, counters })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_number_is_sealed_twice() {
        let mut sealed = Sealed::new();
        for (i, (wire, want)) in [
            (65_534, Some(65_534)),
            (1, Some(65_537)),
            (65_535, Some(65_535)), // overtaken
            (65_535, None),
            (1, None),
            (0, Some(65_536)),
            (2_000, Some(67_536)),
            (1, None), // too old to tell
        ]
        .into_iter()
        .enumerate()
        {
            assert_eq!(sealed.take(wire), want.map(ExtSeq), "step {i}");
        }
    }
}
